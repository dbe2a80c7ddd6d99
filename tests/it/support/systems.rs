//! Systems built by hand, so that tests of the physics depend on no library, builder or reader of the program.

use super::{gro, molecules};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::neighbor::pairs::{PairList, brute_force, linked_cells};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use hexaqua::random::{Draws, Stream, block, normals};
use hexaqua::system::topology::{RigidWater, Species, SpeciesAtom};
use hexaqua::system::{Coulomb, External, Interactions, LjModifier, System, Topology};
use hexaqua::units::BOLTZMANN;

/// SPC/E oxygen (Berendsen et al., J. Phys. Chem. 91, 6269 (1987)) as in the engines' topologies: σ nm, ε kJ/mol.
pub const SPCE_OXYGEN: (f64, f64) = (0.3165719505039882, 0.6497752);
/// Zn2+, 12-6 CM set for SPC/E (Li, Roberts, Chakravorty, Merz, J. Chem. Theory Comput. 9, 2733 (2013)).
pub const ZINC_CM: (f64, f64) = (0.2273573528694146, 0.014823368080000001);
/// Cl- for SPC/E (Joung, Cheatham, J. Phys. Chem. B 112, 9020 (2008)).
pub const CHLORIDE: (f64, f64) = (0.48304528497569194, 0.05349244);

/// Type indices of [`TYPES`].
pub const ZN: u32 = 0;
pub const CL: u32 = 1;
pub const OW: u32 = 2;
pub const HW: u32 = 3;
/// (σ nm, ε kJ/mol) of the four types Zn2+, Cl-, OW, HW.
pub const TYPES: [(f64, f64); 4] = [ZINC_CM, CHLORIDE, SPCE_OXYGEN, (0.0, 0.0)];

/// Rigid SPC/E; `charge_scale` multiplies its charges (1 except where another value of k_e is tested).
pub fn spce(charge_scale: f64) -> Species {
    let atom = |name: &str, element: &str, type_id, charge: f64, mass| SpeciesAtom {
        name: name.into(),
        element: element.into(),
        type_id,
        charge: charge * charge_scale,
        mass,
    };
    Species {
        name: "SPC/E".into(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![
            atom("OW", "O", OW, -0.8476, 15.9994),
            atom("HW1", "H", HW, 0.4238, 1.008),
            atom("HW2", "H", HW, 0.4238, 1.008),
        ],
        bonds: vec![(0, 1), (0, 2)],
        exclusions: vec![(0, 1), (0, 2), (1, 2)],
        rigid_water: Some(RigidWater { d_oh: 0.1, d_hh: 0.16329931618554522 }),
        ..Species::default()
    }
}

/// A molecule of one atom.
pub fn ion(name: &str, element: &str, type_id: u32, charge: f64, mass: f64) -> Species {
    Species {
        name: name.into(),
        residue: element.to_uppercase(),
        is_water: false,
        atoms: vec![SpeciesAtom { name: element.to_uppercase(), element: element.into(), type_id, charge, mass }],
        bonds: vec![],
        exclusions: vec![],
        rigid_water: None,
        ..Species::default()
    }
}

/// Zn2+, Cl- and SPC/E molecules in the given order of species (0, 1, 2).
pub fn electrolyte(sequence: &[u32], interactions: Interactions) -> System {
    let species = vec![ion("Zn2+", "Zn", ZN, 2.0, 65.4), ion("Cl-", "Cl", CL, -1.0, 35.45), spce(1.0)];
    let types = ["Zn2+", "Cl-", "OW", "HW"].map(String::from).to_vec();
    System {
        topology: Topology::new(types, species, sequence),
        pair_table: PairTable::mixed(&TYPES, |_, _| Mixing::LorentzBerthelot),
        interactions,
        restraints: Vec::new(),
        external: External::default(),
    }
}

/// Plain truncation, no correction: the settings of the engines' cases.
pub fn truncated(cutoff: f64, coulomb: Coulomb) -> Interactions {
    Interactions { cutoff, lj_modifier: LjModifier::None, dispersion_correction: false, coulomb }
}

/// One case of `validation/engines`.
pub struct EngineCase {
    pub system: System,
    pub cell: Cell,
    /// `[n_atoms]`, nm
    pub positions: Vec<DVec3>,
    /// `[n_atoms]`, kJ/mol/nm, GROMACS in double precision
    pub forces: Vec<DVec3>,
    pub energies: toml::Table,
}

impl EngineCase {
    /// Reads a case; its Coulomb method is `coulomb`, everything else as the case states.
    pub fn read(name: &str, coulomb: impl FnOnce(&Cell, f64) -> Coulomb) -> Self {
        let folder = super::root().join("validation/engines").join(name);
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a case holds this file");
        let energies: toml::Table = read("energies.toml").parse().expect("valid TOML");
        let number = |key: &str| energies["conventions"][key].as_float().expect("a number");
        let gro = gro::read(&folder.join("system.gro"));
        let names: Vec<&str> = gro.residues.iter().map(String::as_str).collect();
        let coulomb = coulomb(&gro.cell, number("ewald_beta_per_nm"));
        let interactions = truncated(number("cutoff_lj_nm"), coulomb);
        let system = match name {
            "znotf2_3k" => {
                let sequence = species_sequence(&names, &[("ZN", 1), ("OTF", 8), ("SOL", 3)]);
                molecules::zinc_triflate(&sequence, interactions)
            }
            "graphene_slab_ew3dc" => charged_graphene(&names, interactions),
            "tip4p2005_500" => molecules::tip4p_2005_box(names.len() / 4, interactions),
            _ => electrolyte(&species_sequence(&names, &[("ZN", 1), ("CL", 1), ("SOL", 3)]), interactions),
        };
        let forces = (read("forces.csv").lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())))
            .map(|line| {
                let f: Vec<f64> = line.split(',').skip(1).map(|x| x.parse().expect("a number")).collect();
                DVec3::new(f[0], f[1], f[2])
            })
            .collect();
        EngineCase { system, cell: gro.cell, positions: gro.positions, forces, energies }
    }

    /// A number of `energies.toml`, kJ/mol.
    pub fn number(&self, table: &str, key: &str) -> f64 {
        self.energies[table][key].as_float().expect("a number")
    }

    /// Pairs inside the cutoff.
    pub fn list(&self) -> PairList {
        linked_cells(&self.positions, &self.cell, &self.system.topology, self.system.interactions.cutoff)
    }
}

/// Graphene sheets of ±0.005 e per atom, frozen, with zinc chloride solution between them, as a single slab. Carbons (σ 0.34
/// nm, ε 0.2328 kJ/mol; D. M. Cheng, W. A. Steele, J. Chem. Phys. 92, 3867 (1990)) do not see each other.
fn charged_graphene(residues: &[&str], interactions: Interactions) -> System {
    let sequence = species_sequence(residues, &[("ZN", 1), ("CL", 1), ("SOL", 3), ("GRP", 1), ("GRN", 1)]);
    let mut species = electrolyte(&[], interactions).topology.species;
    species.push(ion("GRP", "C", 4, 0.005, 12.011));
    species.push(ion("GRN", "C", 4, -0.005, 12.011));
    let mut types = Vec::from(TYPES);
    types.push((0.34, 0.2328));
    let mut pair_table = PairTable::mixed(&types, |_, _| Mixing::LorentzBerthelot);
    pair_table.set(4, 4, PairCoefficients::default(), PairOrigin::Explicit);
    let names = ["Zn2+", "Cl-", "OW", "HW", "CG"].map(String::from).to_vec();
    let mut topology = Topology::new(names, species, &sequence);
    let is_carbon = |a: &u32| *a == 4;
    topology.frozen = topology.type_ids.iter().map(is_carbon).collect();
    let external = External { slab_correction: true, ..External::default() };
    System { topology, pair_table, interactions, restraints: Vec::new(), external }
}

/// The species index of every molecule, from the residue name of every atom and the (name, size) of every species.
fn species_sequence(residues: &[&str], species: &[(&str, usize)]) -> Vec<u32> {
    let mut sequence = Vec::new();
    let mut atom = 0;
    while atom < residues.len() {
        let s = species.iter().position(|(name, _)| *name == residues[atom]).expect("a known residue");
        sequence.push(s as u32);
        atom += species[s].1;
    }
    sequence
}

/// Pairs inside the cutoff of any configuration, by brute force.
pub fn all_pairs(system: &System, cell: &Cell, positions: &[DVec3]) -> PairList {
    brute_force(positions, cell, &system.topology, system.interactions.cutoff)
}

/// A cell without any right angle, heights 1.52 to 1.75 nm.
pub fn skewed_cell() -> Cell {
    Cell::new(DVec3::new(1.80, 0.0, 0.0), DVec3::new(0.45, 1.75, 0.0), DVec3::new(-0.50, 0.40, 1.70)).expect("valid")
}

/// Molecules on a `counts` grid of the cell, waters in random orientations, everything jittered by 0.01 nm.
///
/// * returns `[n_atoms]`, nm, molecules whole
pub fn on_a_grid(system: &System, cell: &Cell, counts: [usize; 3], seed: u64) -> Vec<DVec3> {
    let topology = &system.topology;
    assert!(topology.molecules.len() <= counts.iter().product(), "one grid point per molecule");
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal());
    let mut positions = Vec::new();
    for m in 0..topology.molecules.len() {
        let at = [m / (counts[1] * counts[2]), m / counts[2] % counts[1], m % counts[2]];
        let [a, b, c] = [0, 1, 2].map(|k| (at[k] as f64 + 0.5) / counts[k] as f64);
        let origin = cell.to_cartesian(DVec3::new(a, b, c)) + 0.01 * vector();
        positions.push(origin);
        if topology.species_of(m).rigid_water.is_some() {
            let x = vector().normalize();
            let y = x.cross(vector()).normalize();
            // SPC/E: 0.1 nm and the tetrahedral angle
            let (along, across) = (0.1 / 3f64.sqrt(), 0.1 * (2.0f64 / 3.0).sqrt());
            positions.extend([origin + along * y + across * x, origin + along * y - across * x]);
        }
    }
    positions
}

/// Maxwell-Boltzmann velocities at `temperature` (K), not projected on constraints, nm/ps.
pub fn thermal_velocities(topology: &Topology, temperature: f64, seed: u64) -> Vec<DVec3> {
    (0..topology.n_atoms())
        .map(|i| {
            let [x, y, z, _] = normals(block(seed, Stream::Velocities, 0, i as u32));
            (BOLTZMANN * temperature / topology.masses[i]).sqrt() * DVec3::new(x, y, z)
        })
        .collect()
}

/// Zn2+, two Cl- and 37 waters (with C4 between Zn2+ and oxygen) for 4 × 4 × 3 grid points of [`skewed_cell`].
pub fn small_electrolyte(interactions: Interactions) -> System {
    let sequence: Vec<u32> = [0, 1, 1].into_iter().chain([2; 37]).collect();
    let mut system = electrolyte(&sequence, interactions);
    system.pair_table.add_c4(ZN as usize, OW as usize, 0.09);
    system
}
