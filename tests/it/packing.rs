//! The packer on real molecules: any composition, pure liquids, ions that start solvated, a hundred thousand atoms.

use glam::DVec3;
use hexaqua::build::pack::{CONTACT_PAIR, MIN_HEAVY, MIN_HYDROGEN};
use hexaqua::build::{Extent, Quantity, Solution, SolutionRequest, closest_contacts, contact_pairs, solution};
use hexaqua::cell::Cell;
use hexaqua::dynamics::minimise::{MinimisePlan, minimise};
use hexaqua::forcefield::{Assembled, assemble};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::pme::choose_grid;
use hexaqua::potential::mixing::Mixing;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::spec::{Amount, GeometrySpec, SoluteSpec, SystemSpec, WaterSpec};
use hexaqua::system::{Coulomb, External, Interactions, LjModifier, State, System, Topology};

fn assembled(water: &str, solutes: &[&str]) -> Assembled {
    let model = |name: &str| match name {
        "Zn2+" => Some("li-merz-iod@spce"),
        "Cl-" => Some("joung-cheatham@spce"),
        "SO42-" => Some("gromos54a7"),
        _ => None,
    };
    let solute = |&name: &&str| SoluteSpec {
        name: name.into(),
        model: model(name).map(String::from),
        amount: Amount::Count(1),
        file: None,
    };
    let spec = SystemSpec {
        water: WaterSpec { model: water.into(), molecules: Some(1) },
        solutes: solutes.iter().map(solute).collect(),
        seed: 1,
        geometry: GeometrySpec::Density(1.0),
        vacuum: 0.0,
        net_charge_allowed: true,
        ion_charge_scale: None,
        contact_pairs_allowed: false,
    };
    assemble(&spec, Mixing::LorentzBerthelot).unwrap_or_else(|e| panic!("{e}"))
}

/// Counts of the solutes in their order, of the water last.
fn pack(
    ff: &Assembled,
    counts: &[usize],
    extent: Extent,
    seed: u64,
    contact_pairs_allowed: bool,
) -> (Topology, Solution) {
    let mut species = ff.species.clone();
    species.rotate_left(1);
    let quantities: Vec<Quantity> = counts.iter().map(|&n| Quantity::Count(n)).collect();
    let request = SolutionRequest {
        species: &species,
        quantities: &quantities,
        extent,
        seed,
        net_charge_allowed: true,
        contact_pairs_allowed,
        geometries: &ff.geometries,
    };
    let built = solution(&request).unwrap_or_else(|e| panic!("{counts:?}: {e}"));
    (Topology::new(ff.types.clone(), species, &built.sequence), built)
}

/// Closest contacts of different molecules by brute force over all images, massless sites left out.
fn brute_force(topology: &Topology, built: &Solution) -> (f64, f64) {
    let v = built.cell.vectors();
    let mut images = Vec::new();
    for i in -1..=1 {
        for j in -1..=1 {
            for k in -1..=1 {
                images.push(v * DVec3::new(f64::from(i), f64::from(j), f64::from(k)));
            }
        }
    }
    let (mut heavy, mut hydrogen) = (f64::INFINITY, f64::INFINITY);
    let massive: Vec<usize> = (0..topology.n_atoms()).filter(|&i| topology.masses[i] > 0.0).collect();
    for (n, &i) in massive.iter().enumerate() {
        for &j in massive[..n].iter().filter(|&&j| topology.molecule_of[j] != topology.molecule_of[i]) {
            let near = built.cell.minimum_image(built.positions[i] - built.positions[j]);
            let d = images.iter().map(|s| (near + *s).length_squared()).fold(f64::INFINITY, f64::min);
            let is_hydrogen = |i: usize| topology.atom(i).element == "H";
            let closest = if is_hydrogen(i) || is_hydrogen(j) { &mut hydrogen } else { &mut heavy };
            *closest = closest.min(d);
        }
    }
    (heavy.sqrt(), hydrogen.sqrt())
}

fn assert_packed(topology: &Topology, built: &Solution, what: &str) {
    let (heavy, hydrogen) = brute_force(topology, built);
    assert!(heavy >= MIN_HEAVY, "{what}: heavy atoms {heavy:.4} nm apart");
    assert!(hydrogen >= MIN_HYDROGEN, "{what}: a hydrogen {hydrogen:.4} nm from an atom");
}

/// Densities near those of the liquids at room temperature, g/cm3.
const LIQUIDS: [(&str, f64); 8] = [
    ("PC", 1.20),
    ("EG", 1.11),
    ("glycerol", 1.26),
    ("DMSO", 1.10),
    ("ACN", 0.786),
    ("DME", 0.867),
    ("methanol", 0.791),
    ("IDE", 1.15),
];

#[test]
fn pure_liquids_are_packed_at_their_density_with_their_shapes() {
    for (name, density) in LIQUIDS {
        let ff = assembled("SPC/E", &[name]);
        let n = 900 / ff.species[1].atoms.len();
        let (topology, built) = pack(&ff, &[n, 0], Extent::Density(density), 3, false);
        assert_packed(&topology, &built, name);
        let shape = &ff.geometries[0].1;
        for m in 0..n {
            let r = &built.positions[topology.atoms_of(m)];
            for i in 0..shape.len() {
                for j in 0..i {
                    let (found, expected) = ((r[i] - r[j]).length(), (shape[i] - shape[j]).length());
                    assert!((found - expected).abs() < 1e-9, "{name} keeps its shape");
                }
            }
        }
    }
}

/// A random solution of salts and cosolvents in a cell of some shape, packed; the density is that of the parts' volumes.
fn random_solution(seed: u64) -> (String, Assembled, Topology, Solution) {
    let anions = ["OTf-", "SO42-", "Cl-"];
    let mut draws = Draws::new(seed, Stream::Build, 1);
    let mut pick = |n: usize| (draws.uniform() * n as f64) as usize;
    let anion = anions[pick(3)];
    let (first, second) = (LIQUIDS[pick(8)], LIQUIDS[pick(8)]);
    let mut names = vec!["Zn2+", anion, first.0];
    if second.0 != first.0 {
        names.push(second.0);
    }
    let water = ["SPC/E", "TIP4P/2005", "OPC"][pick(3)];
    let ff = assembled(water, &names);
    let zinc = 1 + pick(18);
    let mut counts = vec![zinc, if anion == "SO42-" { zinc } else { 2 * zinc }];
    counts.extend(names[2..].iter().map(|_| pick(12)));
    counts.push(60 + zinc * 6 + pick(200));
    let mut volume = 0.0;
    let mut species = ff.species.clone();
    species.rotate_left(1);
    for ((s, &n), name) in species.iter().zip(&counts).zip(names.iter().chain([&"water"])) {
        // u/nm³ from g/cm³ is 602.2; salts are taken at 3 g/cm3, a little looser than their own.
        let liquid = LIQUIDS.iter().find(|l| l.0 == *name).map_or(3.0, |l| l.1);
        let density = if *name == "water" { 0.997 } else { liquid };
        volume += n as f64 * s.mass() / (density * 602.2);
    }
    let edge = volume.cbrt();
    let cell = match seed % 3 {
        0 => Cell::cubic(edge),
        1 => Cell::orthorhombic(0.75 * edge, edge, edge / 0.75),
        _ => Cell::new(DVec3::X * edge, DVec3::new(0.3 * edge, edge, 0.0), DVec3::new(-0.2 * edge, 0.4 * edge, edge)),
    };
    let (topology, built) = pack(&ff, &counts, Extent::Cell(cell.expect("a cell")), seed, false);
    (format!("{names:?} {counts:?} in {water}"), ff, topology, built)
}

#[test]
fn any_composition_is_packed_without_overlap() {
    for seed in 0..14 {
        let (what, _, topology, built) = random_solution(seed);
        assert_packed(&topology, &built, &what);
        // Virtual sites stand where their parents say: the massless site of a water is near its oxygen.
        for m in (0..topology.molecules.len()).filter(|&m| topology.species_of(m).virtual_sites.len() == 1) {
            let r = &built.positions[topology.atoms_of(m)];
            let d = (r[3] - r[0]).length();
            assert!((0.012..0.017).contains(&d), "{what}: {d}");
        }
        println!("{what}: {} contact pairs", built.contact_pairs);
    }
}

/// Minimised as a run does it. Hydrogens without Lennard-Jones next to negative atoms are what could fall into them.
#[test]
fn any_composition_minimises_without_a_blow_up() {
    for seed in 0..12 {
        let (what, ff, topology, built) = random_solution(seed);
        let cutoff = (0.98 * built.cell.half_height()).min(0.9);
        let grid = choose_grid(&built.cell, 0.12);
        let interactions = Interactions {
            cutoff,
            lj_modifier: LjModifier::None,
            dispersion_correction: true,
            coulomb: Coulomb::Pme { beta: hexaqua::math::ewald_beta(cutoff, 1e-5), grid, order: 5 },
        };
        let (pair_table, restraints, external) = (ff.pair_table, Vec::new(), External::default());
        let system = System { topology, pair_table, interactions, restraints, external };
        let mut state = State::at_rest(built.cell, built.positions);
        let mut backend = CpuBackend::new(&system, None).expect("the cpu backend runs it");
        let plan = MinimisePlan { max_force: 1000.0, max_steps: 2000, list_radius: cutoff + 0.1 };
        let done = minimise(&system, &mut backend, &mut state, &plan, |_, energy, force| {
            assert!(energy.is_finite() && force.is_finite(), "{what}: {energy} kJ/mol, {force} kJ/mol/nm");
        })
        .unwrap_or_else(|e| panic!("{what}: {e}"));
        println!("{what}: {done:?}");
        assert!(done.converged && done.energy_after < done.energy_before, "{what}: {done:?}");
        // Nothing fell into anything: hydrogen bonds to sulfate are 0.15 nm long at the least, bonds keep their lengths.
        let (heavy, hydrogen) = closest_contacts(&system.topology, &state.cell, &state.positions, 0.3);
        assert!(heavy > 0.17 && hydrogen > 0.12, "{what}: {heavy:.3} and {hydrogen:.3} nm");
        for (n, m) in system.topology.molecules.iter().enumerate() {
            for bond in &system.topology.species_of(n).bonded.bonds {
                let [i, j] = bond.atoms.map(|a| (m.first_atom + a) as usize);
                let r = (state.positions[i] - state.positions[j]).length();
                assert!((r / bond.length - 1.0).abs() < 0.15, "{what}: a bond of {r} instead of {} nm", bond.length);
            }
        }
    }
}

#[test]
fn ions_start_solvated_up_to_four_molar() {
    for (anion, per_zinc, waters, zinc, density) in
        [("SO42-", 1, 55, 20, 1.154), ("SO42-", 1, 13, 60, 1.57), ("OTf-", 2, 19, 40, 1.42), ("Cl-", 2, 17, 50, 1.303)]
    {
        let ff = assembled("SPC/E", &["Zn2+", anion]);
        let counts = [zinc, per_zinc * zinc, waters * zinc];
        for seed in 1..4 {
            let (topology, built) = pack(&ff, &counts, Extent::Density(density), seed, false);
            assert_eq!(built.contact_pairs, 0, "{waters} waters per Zn2+ and {anion}, seed {seed}");
            let counted = contact_pairs(&topology, &built.cell, &built.positions, CONTACT_PAIR);
            assert_eq!(counted, 0);
            // Six oxygens of water around every Zn2+, and nothing else as near.
            for ion in 0..zinc {
                let near = (0..topology.n_atoms()).filter(|&i| i != ion && topology.atom(i).element != "H");
                let d = |i: usize| built.cell.minimum_image(built.positions[i] - built.positions[ion]).length();
                let near: Vec<usize> = near.filter(|&i| d(i) < 0.25).collect();
                assert_eq!(near.len(), 6, "{near:?}");
                assert!(near.iter().all(|&i| topology.site(i).0.is_water));
            }
        }
    }
    // Negative control: where contact is allowed there is some, and it is counted.
    let ff = assembled("SPC/E", &["Zn2+", "SO42-"]);
    let free: usize =
        (1..6).map(|seed| pack(&ff, &[60, 60, 780], Extent::Density(1.57), seed, true).1.contact_pairs).sum();
    assert!(free > 0, "{free}");
}

#[test]
fn a_hundred_thousand_atoms_of_electrolyte_are_packed() {
    let ff = assembled("SPC/E", &["Zn2+", "OTf-", "PC"]);
    let counts = [1480, 2960, 1820, 17_000];
    let (topology, built) = pack(&ff, &counts, Extent::Density(1.46), 1, false);
    println!("{} atoms packed, {} contact pairs", topology.n_atoms(), built.contact_pairs);
    assert!(topology.n_atoms() > 99_000);
    let (heavy, hydrogen) = closest_contacts(&topology, &built.cell, &built.positions, 0.3);
    assert!(heavy >= MIN_HEAVY && hydrogen >= MIN_HYDROGEN, "{heavy} {hydrogen}");
}
