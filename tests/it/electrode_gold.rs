//! Charges of electrodes against values that others published with their programs: MetalWalls, as OpenMM's tests hold them, and
//! the examples of LAMMPS's ELECTRODE package. Configurations in `validation/electrodes`.

use crate::support::compare::assert_relative;
use crate::support::gpu::{self, present, rounded};
use crate::support::systems::{ion, spce, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::electrode::dense::Matrix;
use hexaqua::electrode::lattice::{Boundary, LatticeSum};
use hexaqua::electrode::response::Response;
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::gpu::GpuBackend;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::NeighborList;
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::topology::Species;
use hexaqua::system::{Coulomb, External, State, System, Topology};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;
use std::sync::Arc;

/// One kilocalorie, kJ.
const KCAL: f64 = 4.184;
/// One Ångström, nm.
const ANGSTROM: f64 = 0.1;

/// The rows of a file of `validation/electrodes`.
fn rows(name: &str) -> Vec<Vec<f64>> {
    let path = crate::support::root().join("validation/electrodes").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let of_numbers = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let numbers = |line: &str| line.split(',').map(|x| x.parse().expect("a number")).collect();
    text.lines().filter(of_numbers).map(numbers).collect()
}

/// A configuration with electrodes.
struct Case {
    system: System,
    cell: Cell,
    positions: Vec<DVec3>,
}

impl Case {
    fn electrodes(&mut self) -> &mut Vec<Electrode> {
        &mut self.system.external.electrodes.as_mut().expect("electrodes").electrodes
    }

    fn state(&self) -> State {
        State::at_rest(self.cell, self.positions.clone())
    }

    /// Sum of the charges of one electrode, e.
    fn sum(&self, charges: &[f64], electrode: usize) -> f64 {
        let electrodes = &self.system.external.electrodes.as_ref().expect("electrodes").electrodes;
        electrodes[electrode].atoms.iter().map(|&atom| charges[atom as usize]).sum()
    }

    /// What LAMMPS has as the energy of pairs: Lennard-Jones and Coulomb terms with the Gaussians' own, without the work of the
    /// potentials and of a field; kcal/mol.
    fn pair_energy(&self, evaluation: &Evaluation) -> f64 {
        let e = &evaluation.energies;
        let electrodes = &self.system.external.electrodes.as_ref().expect("electrodes").electrodes;
        let work: f64 = (electrodes.iter().zip(e.electrode_charges)).map(|(x, q)| q * x.condition.potential()).sum();
        let terms = [e.lj, e.slab_correction, e.electrode];
        (e.coulomb() + terms.into_iter().flatten().sum::<f64>() + work) / KCAL
    }

    fn reference(&self) -> (Vec<f64>, Evaluation) {
        let list = linked_cells(&self.positions, &self.cell, &self.system.topology, self.system.interactions.cutoff);
        let mut backend = ReferenceBackend::new(&self.system).expect("runs");
        backend.load(&self.state()).expect("a matrix");
        backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("the right kind");
        (backend.charges().expect("loaded"), backend.evaluate().expect("finite"))
    }

    /// Charges on the backends of single precision, with a mesh as of a run.
    fn fast(&mut self, coulomb: Coulomb, radius: f64) -> Vec<(&'static str, Vec<f64>)> {
        self.system.interactions.coulomb = coulomb;
        let mut cpu = CpuBackend::new(&self.system, Some(2)).expect("runs");
        cpu.load(&self.state()).expect("a matrix");
        let list = cpu.build_neighbors(radius).expect("loaded");
        cpu.set_neighbors(list).expect("the right kind");
        let mut all = vec![("cpu", cpu.charges().expect("loaded").expect("electrodes"))];
        if let Some(mut device) = present(GpuBackend::new(&self.system, Some(&gpu::selector()))) {
            gpu::load(&mut device, &self.system, &rounded(&self.state()), radius);
            all.push(("gpu", device.charges().expect("loaded").expect("electrodes")));
        }
        all
    }
}

/// Largest difference of a charge to the largest charge.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(0.0_f64, |m, q| m.max(q.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}

fn electrode(name: &str, atoms: Vec<u32>, potential: f64, gaussian_width: f64) -> Electrode {
    Electrode {
        name: name.into(),
        atoms,
        condition: Condition::Potential(potential),
        gaussian_width,
        thomas_fermi: 0.0,
    }
}

fn held(electrodes: Vec<Electrode>, slab_correction: bool, field_z: f64) -> External {
    let electrodes = Some(Electrodes { electrodes, balance: 0.0 });
    External { slab_correction, field_z, electrodes, ..External::default() }
}

/// The system of OpenMM's `TestConstantPotentialForce`: two blocks of 150 atoms with Gaussians of different widths, one upon the
/// other, and 222 SPC/E waters, periodic. Its x is z here.
fn metalwalls() -> (Case, Vec<f64>, Vec<f64>) {
    const N: usize = 300;
    let table = rows("metalwalls_water.csv");
    let positions: Vec<DVec3> = table.iter().map(|r| DVec3::new(r[1], r[2], r[0])).collect();
    let mut sequence = vec![0; N];
    sequence.extend(vec![1; (positions.len() - N) / 3]);
    let mut water = spce(1.0);
    for (atom, type_id) in water.atoms.iter_mut().zip([1, 2, 2]) {
        atom.type_id = type_id;
    }
    let side = |left: bool| (0..N as u32).filter(|&i| (positions[i as usize].z < 1.5) == left).collect();
    let electrodes = vec![electrode("left", side(true), 100.0, 0.05), electrode("right", side(false), 200.0, 0.1)];
    let system = System {
        topology: Topology::new(
            ["Pt", "OW", "HW"].map(String::from).to_vec(),
            vec![ion("metal", "Pt", 0, 0.0, 195.08), water],
            &sequence,
        ),
        pair_table: PairTable::mixed(&[(0.0, 0.0); 3], |_, _| Mixing::LorentzBerthelot),
        interactions: truncated(1.0, Coulomb::Pme { beta: 4.6, grid: [54, 54, 80], order: 8 }),
        restraints: Vec::new(),
        external: held(electrodes, false, 0.0),
    };
    let charges = |column: usize| table[..N].iter().map(|r| r[column]).collect();
    let cell = Cell::orthorhombic(2.0, 2.0, 3.0).expect("valid");
    (Case { system, cell, positions }, charges(3), charges(4))
}

/// As run: a mesh of 0.08 nm, order five.
fn coarse() -> Coulomb {
    Coulomb::Pme { beta: hexaqua::math::ewald_beta(1.0, 1e-6), grid: [32, 32, 48], order: 6 }
}

/// Every backend has the charges that MetalWalls found. The mesh of the fast ones is [`coarse`] from then on.
fn assert_charges(case: &mut Case, expected: &[f64]) {
    let exact = apart(&case.reference().0, expected);
    println!("reference: {exact:.1e}");
    assert!(exact < 1e-5, "{exact:.1e}");
    for (name, charges) in case.fast(coarse(), 1.05) {
        let fast = apart(&charges, expected);
        println!("{name}: {fast:.1e}");
        assert!(fast < 1e-3, "{name}: {fast:.1e}");
    }
}

/// Energy of a Thomas-Fermi electrode, ½ q² 4π k_e l²/v.
fn thomas_fermi(per_nm: f64) -> f64 {
    4.0 * PI * COULOMB * per_nm
}

#[test]
fn metalwalls_gives_the_same_charges_with_thomas_fermi_terms() {
    let (mut case, expected, _) = metalwalls();
    case.electrodes()[0].thomas_fermi = thomas_fermi(0.50625);
    case.electrodes()[1].thomas_fermi = thomas_fermi(0.225);
    assert_charges(&mut case, &expected);
    // one per cent of the term, a thousandth of the width: both are seen
    case.electrodes()[1].thomas_fermi = thomas_fermi(0.225 * 1.01);
    let wrong = apart(&case.reference().0, &expected);
    case.electrodes()[1].thomas_fermi = thomas_fermi(0.225);
    case.electrodes()[1].gaussian_width = 0.1001;
    let wide = apart(&case.reference().0, &expected);
    println!("another term: {wrong:.1e}, another width: {wide:.1e}");
    assert!(wrong > 1e-3 && wide > 1e-5, "{wrong:.1e}, {wide:.1e}");
}

/// The same in a field of (100, 50, 25) kJ/mol/nm/e. What lies along the electrodes is a potential of every atom: each is an
/// electrode of its own here.
#[test]
fn metalwalls_gives_the_same_charges_in_a_field() {
    let (mut case, _, expected) = metalwalls();
    let along = DVec3::new(50.0, 25.0, 0.0);
    let single = |case: &mut Case, along: DVec3| {
        let positions = case.positions.clone();
        let of = |e: &Electrode, atom: u32| {
            let potential = e.condition.potential() + along.dot(positions[atom as usize]);
            electrode(&e.name, vec![atom], potential, e.gaussian_width)
        };
        case.electrodes().iter().flat_map(|e| e.atoms.iter().map(|&atom| of(e, atom))).collect::<Vec<_>>()
    };
    let plain = case.electrodes().clone();
    *case.electrodes() = single(&mut case, along);
    case.system.external.field_z = 100.0;
    assert_charges(&mut case, &expected);
    *case.electrodes() = plain;
    assert!(apart(&case.reference().0, &expected) > 1e-2, "without the field along the electrodes");
}

/// Two gold electrodes with nothing between them (examples/PACKAGES/electrode/planar): by Ewald sum in two dimensions and with
/// the slab correction in a cell of three heights. The logs of the example, made at an accuracy of 1e-7, have 0.15460245 and
/// 0.15462591 e; at 1e-9 LAMMPS has 0.154588942 and 0.154589011 e, at 1e-11 what is expected here.
#[test]
fn lammps_gives_the_same_charge_of_empty_plates() {
    const PER_SIDE: usize = 144;
    let positions: Vec<DVec3> =
        rows("lammps_au_vac.csv").iter().map(|r| ANGSTROM * DVec3::new(r[0], r[1], r[2])).collect();
    let (edge, height) = (25.040_066 * ANGSTROM, 44.346_687 * ANGSTROM);
    let width = ANGSTROM / 1.979;
    let upper: Vec<bool> = (0..2 * PER_SIDE).map(|k| k >= PER_SIDE).collect();
    let by_sum = |boundary, height, width: f64| {
        let sum = LatticeSum::new(&Cell::orthorhombic(edge, edge, height).expect("valid"), boundary);
        let mut matrix = Matrix::zero(2 * PER_SIDE);
        for (i, a) in positions.iter().enumerate() {
            for (j, b) in positions[..=i].iter().enumerate() {
                let k = sum.kernel(*a - *b, 1.0 / (2f64.sqrt() * width)) + 1e6;
                matrix.values[i * 2 * PER_SIDE + j] = k;
                matrix.values[j * 2 * PER_SIDE + i] = k;
            }
        }
        let response = Response::new(matrix, &[0; 2 * PER_SIDE], 1).expect("positive definite");
        response.capacitance(&upper) * VOLT
    };
    let (flat, corrected) = (0.154_588_890_303, 0.154_588_890_427);
    let exact = by_sum(Boundary::Slab, height, width);
    println!("two dimensions: {exact:.9} e");
    assert_relative("two dimensions", exact, flat, 1e-6);
    assert_relative("the log, two dimensions", exact, 0.154_602_45, 1e-4);
    let wide = by_sum(Boundary::Slab, height, 1.01 * width);
    assert!((wide / flat - 1.0).abs() > 1e-5, "another width: {wide:.9}");

    let sides = [0..PER_SIDE as u32, PER_SIDE as u32..2 * PER_SIDE as u32].map(|r| r.collect::<Vec<_>>());
    let [low, high] = sides;
    let mut case = Case {
        system: System {
            topology: Topology::new(vec!["Au".into()], vec![ion("gold", "Au", 0, 0.0, 196.97)], &[0; 2 * PER_SIDE]),
            pair_table: PairTable::mixed(&[(0.0, 0.0)], |_, _| Mixing::LorentzBerthelot),
            interactions: truncated(1.25, Coulomb::Pme { beta: 3.6, grid: [54, 54, 288], order: 8 }),
            restraints: Vec::new(),
            external: held(vec![electrode("low", low, 0.0, width), electrode("high", high, VOLT, width)], true, 0.0),
        },
        cell: Cell::orthorhombic(edge, edge, 3.0 * height).expect("valid"),
        positions: positions.clone(),
    };
    let charges = case.reference().0;
    println!("corrected slab: {:.9} e", case.sum(&charges, 1));
    assert_relative("corrected slab", case.sum(&charges, 1), corrected, 1e-5);
    assert_relative("the log, corrected slab", case.sum(&charges, 1), 0.154_625_91, 3e-4);
    assert!((case.sum(&charges, 0) + case.sum(&charges, 1)).abs() < 1e-9);
    let mesh = Coulomb::Pme { beta: hexaqua::math::ewald_beta(1.25, 1e-5), grid: [24, 24, 128], order: 5 };
    for (name, charges) in case.fast(mesh, 1.3) {
        println!("{name}: {:.9} e", case.sum(&charges, 1));
        assert_relative(name, case.sum(&charges, 1), corrected, 1e-3);
    }
}

/// Molecule of the ionic liquid: three beads that exclude each other.
fn bmi() -> Species {
    let charges = [0.4374, 0.1578, 0.1848];
    let mut species = ion("BMI", "C", 1, 0.0, 67.07);
    let bead = species.atoms[0].clone();
    species.atoms = charges
        .iter()
        .enumerate()
        .map(|(k, &charge)| hexaqua::system::topology::SpeciesAtom { name: format!("B{k}"), charge, ..bead.clone() })
        .collect();
    species.exclusions = vec![(0, 1), (0, 2), (1, 2)];
    species
}

/// Ionic liquid between graphite electrodes (examples/PACKAGES/electrode/graph-il). The charges of the electrodes nearly cancel.
#[test]
fn lammps_gives_the_same_charges_under_an_ionic_liquid() {
    // by a mesh of 1e-10 (LAMMPS of `record.py`); the example's log, with a mesh of 1e-7, has -0.0085142912
    const LOGGED: f64 = -0.008_514_291_2;
    const RECORDED: f64 = -0.008_511_873_554;
    let table = rows("lammps_graph_il.csv");
    let at = |r: &Vec<f64>| ANGSTROM * DVec3::new(r[1], r[2], r[3]);
    let positions: Vec<DVec3> = table.iter().map(at).collect();
    let mut sequence = Vec::new();
    for row in &table {
        match row[0] as u32 {
            1 => sequence.push(1),
            4 => sequence.push(2),
            5 => sequence.push(0),
            _ => {}
        }
    }
    let side = |up: bool| {
        let of = |i: &u32| table[*i as usize][0] == 5.0 && (positions[*i as usize].z > 0.0) == up;
        (0..positions.len() as u32).filter(of).collect::<Vec<_>>()
    };
    let width = ANGSTROM / 1.979;
    let electrodes = vec![electrode("low", side(false), -VOLT, width), electrode("high", side(true), VOLT, width)];
    let mut case = Case {
        system: System {
            topology: Topology::new(
                ["C", "bead"].map(String::from).to_vec(),
                vec![ion("carbon", "C", 0, 0.0, 12.001), bmi(), ion("PF6", "P", 1, -0.78, 144.96)],
                &sequence,
            ),
            pair_table: PairTable::mixed(&[(0.0, 0.0); 2], |_, _| Mixing::LorentzBerthelot),
            interactions: truncated(1.6, Coulomb::Pme { beta: 2.8, grid: [64, 64, 640], order: 8 }),
            restraints: Vec::new(),
            external: held(electrodes, true, 0.0),
        },
        cell: Cell::orthorhombic(3.22, 3.44, 40.8).expect("valid"),
        positions,
    };
    let (charges, evaluation) = case.reference();
    let upper = case.sum(&charges, 1);
    println!("upper electrode {upper:.12} e, pairs {:.6} kcal/mol", case.pair_energy(&evaluation));
    assert_relative("upper electrode", upper, RECORDED, 1e-5);
    assert_relative("upper electrode, log", upper, LOGGED, 1e-3);
    assert_relative("Coulomb energy", case.pair_energy(&evaluation), -7_078.852_415_716 - 11_881.914_112_731, 1e-6);
    let mesh = Coulomb::Pme { beta: hexaqua::math::ewald_beta(1.6, 1e-5), grid: [32, 32, 256], order: 6 };
    for (name, charges) in case.fast(mesh, 1.65) {
        // of opposite charges that nearly cancel: to their size
        let error =
            (case.sum(&charges, 1) - RECORDED).abs() / charges_of(&charges, &case).iter().map(|q| q.abs()).sum::<f64>();
        println!("{name}: {:.9} e, {error:.1e} of what is induced", case.sum(&charges, 1));
        assert!(error < 1e-3, "{name}: {error:.1e}");
    }
    // a tenth of a per cent more of the potential
    for e in case.electrodes() {
        e.condition = Condition::Potential(1.001 * e.condition.potential());
    }
    let other = case.reference().0;
    assert!((case.sum(&other, 1) / RECORDED - 1.0).abs() > 1e-3, "{:.9}", case.sum(&other, 1));
}

/// Charges of the atoms of the second electrode.
fn charges_of(charges: &[f64], case: &Case) -> Vec<f64> {
    let electrodes = &case.system.external.electrodes.as_ref().expect("electrodes").electrodes;
    electrodes[1].atoms.iter().map(|&atom| charges[atom as usize]).collect()
}

/// Ten layers of gold (100), 9 × 9 squares each, from `z` upwards.
fn gold(edge: f64, z: f64) -> Vec<DVec3> {
    let a = edge / 9.0;
    let mut atoms = Vec::new();
    for layer in 0..10 {
        let corners = if layer % 2 == 0 { [(0.0, 0.0), (0.5, 0.5)] } else { [(0.0, 0.5), (0.5, 0.0)] };
        for square in 0..81 {
            for (x, y) in corners {
                let (i, j) = (f64::from(square / 9) + x, f64::from(square % 9) + y);
                atoms.push(DVec3::new(i * a, j * a, z + 0.5 * a * f64::from(layer)));
            }
        }
    }
    atoms
}

/// Salt water between gold electrodes 2 V apart, by a finite field (examples/PACKAGES/electrode/au-aq): 3,240 atoms that hold
/// charge, as perfect metals and with Thomas-Fermi terms (l = 1 Å, 18.17 Å³ per atom).
fn gold_and_salt_water() -> Case {
    let (edge, height) = (36.629_992_962_323_98, 107.952_130_236);
    let mut positions = gold(edge, 3.910_922_106_147_262);
    positions.extend(gold(edge, 72.894_979_212_410_01));
    let n_metal = positions.len() as u32;
    let mut sequence = vec![0; n_metal as usize];
    for row in rows("lammps_au_aq.csv") {
        positions.push(DVec3::new(row[1], row[2], row[3]));
        match row[0] as u32 {
            1 => sequence.push(1),
            4 => sequence.push(2),
            5 => sequence.push(3),
            _ => {}
        }
    }
    positions.iter_mut().for_each(|r| *r *= ANGSTROM);
    let mut water = spce(1.0);
    for (atom, type_id) in water.atoms.iter_mut().zip([1, 2, 2]) {
        atom.type_id = type_id;
    }
    let width = ANGSTROM / 1.805_132;
    let electrodes = vec![
        electrode("bottom", (0..n_metal / 2).collect(), -VOLT, width),
        electrode("top", (n_metal / 2..n_metal).collect(), VOLT, width),
    ];
    // σ (Å), ε (kcal/mol) of gold, oxygen, hydrogen, sodium and chloride, all mixed geometrically
    let lj = [(2.951, 5.29), (3.166, 0.155_401_529_636_711_28), (0.0, 0.0), (2.584, 0.1), (4.401, 0.1)]
        .map(|(sigma, epsilon)| (sigma * ANGSTROM, epsilon * KCAL));
    let species = vec![
        ion("gold", "Au", 0, 0.0, 196.97),
        water,
        ion("Na+", "Na", 3, 1.0, 22.99),
        ion("Cl-", "Cl", 4, -1.0, 35.45),
    ];
    let system = System {
        topology: Topology::new(["Au", "OW", "HW", "Na", "Cl"].map(String::from).to_vec(), species, &sequence),
        pair_table: PairTable::mixed(&lj, |_, _| Mixing::Geometric),
        interactions: truncated(1.5, Coulomb::Pme { beta: 2.8, grid: [72, 72, 200], order: 8 }),
        restraints: Vec::new(),
        external: held(electrodes, false, -2.0 * VOLT / (height * ANGSTROM)),
    };
    let cell = Cell::orthorhombic(edge * ANGSTROM, edge * ANGSTROM, height * ANGSTROM).expect("valid");
    Case { system, cell, positions }
}

#[test]
#[ignore = "two matrices of 3,240 atoms: minutes"]
fn lammps_gives_the_same_charges_of_gold_in_a_finite_field() {
    let mut case = gold_and_salt_water();
    let volume = 18.171_574_5 * ANGSTROM.powi(3);
    let metallicity = 4.0 * PI * COULOMB * ANGSTROM.powi(2) / volume;
    for (term, charge, energy) in [(0.0, 4.139_157_3, -39_021.917), (metallicity, 4.080_448_4, -39_001.911)] {
        case.electrodes().iter_mut().for_each(|e| e.thomas_fermi = term);
        let (charges, evaluation) = case.reference();
        let (top, pairs) = (case.sum(&charges, 1), case.pair_energy(&evaluation));
        println!("top electrode {top:.9} e, pairs {pairs:.6} kcal/mol");
        assert_relative("top electrode", top, charge, 1e-5);
        assert_relative("pairs", pairs, energy, 1e-5);
    }
    let mesh = Coulomb::Pme { beta: hexaqua::math::ewald_beta(1.5, 1e-5), grid: [32, 32, 96], order: 5 };
    for (name, charges) in case.fast(mesh, 1.55) {
        println!("{name}: {:.9} e", case.sum(&charges, 1));
        assert_relative(name, case.sum(&charges, 1), 4.080_448_4, 1e-3);
    }
}
