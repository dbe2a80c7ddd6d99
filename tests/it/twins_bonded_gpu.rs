//! Bonded potentials on the device against their f64 twins, one kind at a time, each with an edited shader that the same
//! comparison has to reject.
//!
//! Neither charges nor Lennard-Jones: nothing hides behind larger forces. Relative rms of the forces to 2e-6, each energy
//! to 1e-6, the virial to 5e-6 of its largest element: ten to twenty roundings of f32.

use crate::support::compare::{relative_error, rms_error};
use crate::support::gpu::{both, edited, load, with_shaders};
use crate::support::systems::truncated;
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::bonded::{
    Bonded, HarmonicAngle, HarmonicBond, HarmonicImproper, Pair14, PeriodicDihedral, RyckaertBellemans, UreyBradley,
};
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Coulomb, External, State, System, Topology};

fn cell() -> Cell {
    let cell = Cell::new(DVec3::new(1.9, 0.0, 0.0), DVec3::new(0.5, 1.85, 0.0), DVec3::new(-0.4, 0.6, 1.95));
    cell.expect("valid")
}

/// Molecules of five atoms with neither charge nor Lennard-Jones, and single atoms between them.
fn molecules(n: usize, bonded: Bonded) -> System {
    let atom = SpeciesAtom { name: "C".into(), element: "C".into(), type_id: 0, charge: 0.0, mass: 12.0 };
    let single = Species { name: "X".into(), atoms: vec![atom.clone()], ..Species::default() };
    let exclusions = (0..5).flat_map(|i| (i + 1..5).map(move |j| (i, j))).collect();
    let chain = Species { name: "chain".into(), atoms: vec![atom; 5], exclusions, bonded, ..Species::default() };
    let sequence: Vec<u32> = (0..2 * n as u32).map(|k| k % 2).collect();
    System {
        topology: Topology::new(vec!["C".into()], vec![single, chain], &sequence),
        pair_table: PairTable::mixed(&[(0.3, 0.0)], |_, _| Mixing::LorentzBerthelot),
        interactions: truncated(0.5, Coulomb::Cutoff),
        restraints: Vec::new(),
        external: External::default(),
    }
}

/// Bent chains with every angle and dihedral disturbed, anywhere in space and across boundaries.
fn scattered(system: &System, seed: u64) -> State {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let zigzag = [(0.0, 0.0, 0.0), (0.12, 0.08, 0.0), (0.25, 0.0, 0.03), (0.34, 0.1, -0.04), (0.45, 0.02, 0.06)];
    let mut positions = Vec::new();
    for m in 0..system.topology.molecules.len() {
        let mut vector = |scale: f64| DVec3::new(draws.normal(), draws.normal(), draws.normal()) * scale;
        let origin = vector(3.0);
        let x = vector(1.0).normalize();
        let y = x.cross(vector(1.0)).normalize();
        for (a, b, c) in zigzag.into_iter().take(system.topology.species_of(m).atoms.len()) {
            positions.push(origin + a * x + b * y + c * x.cross(y) + vector(0.015));
        }
    }
    State::at_rest(cell(), positions)
}

fn compare(system: &System, state: &State, shaders: &Shaders) -> Option<Result<(), String>> {
    let (a, b) = both(system, state, 0.55, shaders)?;
    Some(judge(&a, &b))
}

fn judge(a: &Evaluation, b: &Evaluation) -> Result<(), String> {
    let check = |what: String, error: f64, limit: f64| {
        if error <= limit { Ok(()) } else { Err(format!("{what}: {error:.2e}, allowed {limit:.0e}")) }
    };
    check("forces".into(), rms_error(&a.forces, &b.forces), 2e-6)?;
    let (ours, theirs) = (a.energies.terms(), b.energies.terms());
    assert_eq!(ours.iter().map(|t| t.0).collect::<Vec<_>>(), theirs.iter().map(|t| t.0).collect::<Vec<_>>());
    for ((name, x), (_, y)) in ours.iter().zip(&theirs) {
        check(format!("{name} {x} against {y}"), relative_error(*x, *y), 1e-6)?;
    }
    let elements = |m: DMat3| m.to_cols_array();
    let scale = elements(b.virial).iter().fold(0.0f64, |m, x| m.max(x.abs()));
    elements(a.virial)
        .iter()
        .zip(elements(b.virial))
        .try_for_each(|(x, y)| check(format!("virial {x} against {y}"), (x - y).abs() / scale, 5e-6))
}

fn bonds() -> Vec<HarmonicBond> {
    let bond = |a, b, length, k| HarmonicBond { atoms: [a, b], length, k };
    vec![bond(0, 1, 0.14, 3e5), bond(2, 1, 0.15, 2e5), bond(3, 2, 0.135, 4e5)]
}

fn angles() -> Vec<HarmonicAngle> {
    let angle = |atoms, angle, k| HarmonicAngle { atoms, angle, k };
    vec![angle([0, 1, 2], 1.9, 400.0), angle([3, 2, 1], 2.1, 600.0), angle([2, 3, 4], std::f64::consts::PI, 300.0)]
}

fn dihedrals(is_improper: bool) -> Vec<PeriodicDihedral> {
    let dihedral = |atoms, phase, k, multiplicity| PeriodicDihedral { atoms, phase, k, multiplicity, is_improper };
    vec![dihedral([0, 1, 2, 3], 0.0, 7.0, 3), dihedral([4, 3, 2, 1], 2.5, 4.0, 2), dihedral([0, 1, 2, 3], -1.0, 3.0, 6)]
}

/// One kind alone, and what the comparison must not accept.
#[test]
fn every_kind_matches_its_twin() {
    let none = Bonded::default;
    let rb = |atoms, c| RyckaertBellemans { atoms, c };
    let improper = |atoms, angle, k| HarmonicImproper { atoms, angle, k };
    let pair = |atoms, qq| Pair14 { atoms, c6: 2e-3, c12: 1e-6, qq };
    type Edit = (&'static str, &'static str);
    let cases: Vec<(&str, Bonded, Vec<Edit>)> = vec![
        (
            "bond",
            Bonded { bonds: bonds(), ..none() },
            vec![
                ("-a.y * stretch / r", "-1.0001 * a.y * stretch / r"),
                ("along(0.5 * a.y", "along(0.50005 * a.y"),
                ("d * f, d.xxy * f.yzz", "d * f, d.xxy * f.yyz"),
            ],
        ),
        (
            "Urey-Bradley",
            Bonded {
                urey_bradleys: vec![
                    UreyBradley { atoms: [0, 2], length: 0.24, k: 3e4 },
                    UreyBradley { atoms: [3, 1], length: 0.22, k: 2e4 },
                ],
                ..none()
            },
            vec![
                ("SUM_UREY_BRADLEY, kind == UREY_BRADLEY", "SUM_BOND, kind == UREY_BRADLEY"),
                ("-a.y * stretch / r", "-1.0001 * a.y * stretch / r"),
            ],
        ),
        (
            "angle",
            Bonded { angles: angles(), ..none() },
            vec![
                ("let torque = a.z * bend", "let torque = 1.0001 * a.z * bend"),
                ("f_k = (torque", "f_k = (1.0001 * torque"),
                ("c * a.x + s * a.y", "c * a.x - s * a.y"),
                ("-0.33333287", "-0.33433287"),
                ("1.5707964 - angle", "1.5708964 - angle"),
                ("d_kj.xxy * f_k.yzz", "d_kj.xxy * f_k.yyz"),
            ],
        ),
        (
            "periodic dihedral",
            Bonded { dihedrals: dihedrals(false), ..none() },
            vec![
                ("-a.x * a.y * power.y", "-1.0001 * a.x * a.y * power.y"),
                ("vec2<f32>(a.z, -a.w)", "vec2<f32>(a.z, a.w)"),
                ("let f_k = -f_l - (dot", "let f_k = -f_l - 1.0001 * (dot"),
                ("d_lj.xxy * f_l.yzz", "d_lj.xxy * f_l.yyz"),
            ],
        ),
        (
            "periodic improper",
            Bonded { dihedrals: dihedrals(true), ..none() },
            vec![("kind == PERIODIC_IMPROPER || kind == IMPROPER", "kind == IMPROPER")],
        ),
        (
            "Ryckaert-Bellemans",
            Bonded {
                ryckaert_bellemans: vec![
                    rb([0, 1, 2, 3], [9.0, 12.0, 13.0, -3.0, 6.0, -1.5]),
                    rb([4, 3, 2, 1], [15.0, -7.0, 2.0, 4.0, -3.0, 2.5]),
                ],
                ..none()
            },
            vec![("5.0 * b.y", "5.01 * b.y"), ("x * (b.x + x * b.y)", "x * (b.x + 1.001 * x * b.y)")],
        ),
        (
            "harmonic improper",
            Bonded {
                impropers: vec![improper([0, 1, 2, 3], 2.9, 167.0), improper([1, 3, 2, 4], -0.3, 90.0)],
                ..none()
            },
            vec![
                ("turn * turn, a.z * turn", "turn * turn, 1.0001 * a.z * turn"),
                ("u.y * a.x - u.x * a.y", "u.y * a.x + u.x * a.y"),
            ],
        ),
        (
            "1-4 pair",
            Bonded { pairs_14: vec![pair([0, 3], -0.11), pair([4, 1], 0.3)], ..none() },
            vec![
                ("12.0 * repulsion", "12.002 * repulsion"),
                ("6.0 * dispersion", "6.001 * dispersion"),
                ("dispersion + second", "dispersion + 1.0001 * second"),
                ("second = term.a.z", "second = 1.0001 * term.a.z"),
            ],
        ),
    ];
    for (k, (name, bonded, edits)) in cases.into_iter().enumerate() {
        let system = molecules(30, bonded);
        let state = scattered(&system, 30 + k as u64);
        let Some(outcome) = compare(&system, &state, &Shaders::embedded()) else { return };
        outcome.unwrap_or_else(|why| panic!("{name}: {why}"));
        for (from, to) in edits {
            let Some(outcome) = compare(&system, &state, &edited("bonded", from, to)) else { return };
            assert!(outcome.is_err(), "{name} with '{to}' instead of '{from}' was not noticed");
        }
    }
}

/// Straight and folded angles, atoms on a line, atoms on each other: finite, and the energy of the twin.
#[test]
fn degenerate_geometries_are_harmless() {
    let improper = HarmonicImproper { atoms: [0, 1, 2, 3], angle: 0.4, k: 90.0 };
    let bonded = Bonded {
        bonds: bonds(),
        angles: angles(),
        dihedrals: dihedrals(false),
        impropers: vec![improper],
        ..Bonded::default()
    };
    let system = molecules(1, bonded);
    let x = |steps: [f64; 5]| steps.map(|s| DVec3::new(0.1 + s, 0.2, 0.3));
    let side = DVec3::new(0.0, 0.1, 0.0);
    let straight = x([0.0, 0.125, 0.25, 0.375, 0.5]);
    let mut bent = straight;
    bent[0] += side;
    let cases = [straight, x([0.0, 0.125, 0.0, 0.125, 0.0]), bent];
    for (k, chain) in cases.into_iter().enumerate() {
        let state = State::at_rest(cell(), [vec![DVec3::splat(1.0)], chain.to_vec()].concat());
        let Some((a, b)) = both(&system, &state, 0.55, &Shaders::embedded()) else { return };
        assert!(a.forces.iter().all(|f| f.is_finite()), "case {k}: {:?}", a.forces);
        // on a line φ is whatever rounding makes of it
        for ((name, x), (_, y)) in a.energies.terms().iter().zip(b.energies.terms()) {
            let known = !matches!(*name, "dihedral" | "improper");
            assert!(x.is_finite() && (!known || (x - y).abs() <= 1e-5 * y.abs() + 1e-9), "case {k}, {name}: {x}, {y}");
        }
    }
    let Some(mut gpu) = with_shaders(&system, &Shaders::embedded()) else { return };
    load(&mut gpu, &system, &State::at_rest(cell(), vec![DVec3::splat(1.0); 6]), 0.55);
    let together = gpu.evaluate().expect("finite");
    assert!(together.forces.iter().all(|f| f.is_finite()));
}

/// Terms add to each other and to pair forces, and a run repeats bit for bit.
#[test]
fn all_kinds_together_repeat_bit_for_bit() {
    let bonded = Bonded {
        bonds: bonds(),
        angles: angles(),
        dihedrals: [dihedrals(false), dihedrals(true)].concat(),
        pairs_14: vec![Pair14 { atoms: [0, 3], c6: 2e-3, c12: 1e-6, qq: 0.1 }],
        ..Bonded::default()
    };
    let system = molecules(40, bonded);
    let state = scattered(&system, 77);
    let Some(outcome) = compare(&system, &state, &Shaders::embedded()) else { return };
    outcome.unwrap_or_else(|why| panic!("{why}"));
    let mut evaluations = (0..2).map(|_| {
        let mut gpu = with_shaders(&system, &Shaders::embedded()).expect("it was there before");
        load(&mut gpu, &system, &state, 0.55);
        gpu.evaluate().expect("evaluates")
    });
    assert_eq!(evaluations.next(), evaluations.next());
}
