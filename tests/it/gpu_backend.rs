//! The whole gpu backend: against the engines' cases, against the f64 reference step by step, and against itself.

use crate::support::compare::{
    assert_forces, assert_relative, assert_scaled_trace, assert_tensor, relative_error, rms_error,
};
use crate::support::gpu::{backend, edited, load, oracle, present, rounded, selector};
use crate::support::systems::{EngineCase, electrolyte, thermal_velocities, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::gpu::self_test::self_test_with;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::gpu::{AdapterSelector, Context, GpuBackend, devices, fft, self_test};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::forces::{Backend, Chunk, ChunkReport, ForceError, LangevinStep, NeighborKind};
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::neighbor::{NeighborList, full};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::{Coulomb, State};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;
use std::sync::Arc;
use std::time::Instant;

fn direct(cell: &Cell, beta: f64) -> Coulomb {
    Coulomb::Ewald { beta, n_max: choose_n_max(cell, beta, 1e-8), n_sq_max: None }
}

fn fine_mesh(cell: &Cell, beta: f64) -> Coulomb {
    let n = if cell.heights()[0] < 2.0 { 40 } else { 64 };
    Coulomb::Pme { beta, grid: [n; 3], order: 6 }
}

/// The configuration of a case with Maxwell-Boltzmann velocities.
fn state_of(case: &EngineCase) -> State {
    let mut state = State::at_rest(case.cell, case.positions.clone());
    state.velocities = thermal_velocities(&case.system.topology, 300.0, 5);
    for (v, _) in state.velocities.iter_mut().zip(&case.system.topology.masses).filter(|(_, mass)| **mass == 0.0) {
        *v = DVec3::ZERO;
    }
    state
}

/// Against GROMACS (forces) and the direct sum (energies) in double precision.
fn compare(name: &str, coulomb: fn(&Cell, f64) -> Coulomb) {
    let case = EngineCase::read(name, coulomb);
    let Some(mut gpu) = backend(&case.system) else { return };
    let clock = Instant::now();
    load(&mut gpu, &case.system, &state_of(&case), case.system.interactions.cutoff);
    let result = gpu.evaluate().expect("evaluates");
    let lj = case.number("direct_ewald_numpy", "lj_sr");
    let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
    // a case without bonded terms has none of these
    let bonded = ["Bond", "Angle", "Proper Dih.", "LJ-14", "Coulomb-14"]
        .map(|term| case.energies["gromacs_double"].get(term).map_or(0.0, |x| x.as_float().expect("a number")));
    let total = lj + coulomb + bonded.iter().sum::<f64>();
    println!(
        "{name} on {}: lj {:.1e}, total {:.1e}, forces {:.1e}, {:.2} s",
        gpu.device(),
        relative_error(result.energies.lj.unwrap(), lj),
        relative_error(result.energies.total(), total),
        rms_error(&result.forces, &case.forces),
        clock.elapsed().as_secs_f64()
    );
    assert_relative(&format!("{name}, lj"), result.energies.lj.unwrap(), lj, 5e-6);
    assert_relative(&format!("{name}, total"), result.energies.total(), total, 5e-6);
    let ours = ["bond", "angle", "dihedral", "lj_14", "coulomb_14"];
    for (term, expected) in ours.into_iter().zip(bonded).filter(|(_, expected)| *expected != 0.0) {
        let found = result.energies.terms().into_iter().find(|t| t.0 == term).expect("the case has it").1;
        println!("{name}: {term} {:.1e}", relative_error(found, expected));
        assert_relative(&format!("{name}, {term}"), found, expected, 5e-6);
    }
    assert_forces(name, &result.forces, &case.forces, 1e-5);
}

#[test]
fn direct_ewald_reproduces_the_engines() {
    compare("spce_216", direct);
    compare("zncl2_1000w", direct);
}

#[test]
fn mesh_ewald_reproduces_the_engines() {
    compare("spce_216", fine_mesh);
    compare("spce_3000", fine_mesh);
    compare("zncl2_1000w", fine_mesh);
    compare("znotf2_3k", fine_mesh);
    compare("tip4p2005_500", fine_mesh);
}

fn chunk(n_steps: u32) -> Chunk {
    Chunk { report: true, max_displacement: 0.2, ..Chunk::new(0, n_steps, 0.002) }
}

fn mesh(_: &Cell, _: f64) -> Coulomb {
    Coulomb::Pme { beta: 3.47, grid: [20; 3], order: 5 }
}

/// 216 waters whose geometry and velocities satisfy the constraints.
fn water() -> (EngineCase, State) {
    let case = EngineCase::read("spce_216", mesh);
    let integrator = Integrator::new(&case.system.topology);
    let mut state = state_of(&case);
    integrator.constrain_positions(&case.cell, &mut state.positions);
    integrator.project_velocities(&case.cell, &state.positions, &mut state.velocities);
    (case, rounded(&state))
}

const RADIUS: f64 = 1.0;

/// Chunks of ten steps with a new list before each; returns the reports.
fn run(
    backend: &mut dyn Backend,
    case: &EngineCase,
    state: &mut State,
    chunks: u32,
    settings: &Chunk,
) -> Vec<ChunkReport> {
    let topology = &case.system.topology;
    let mut reports = Vec::new();
    for k in 0..chunks {
        let list = match backend.neighbor_kind() {
            NeighborKind::Pairs => {
                NeighborList::Pairs(Arc::new(linked_cells(&state.positions, &state.cell, topology, RADIUS)))
            }
            _ => NeighborList::FullClusters(Arc::new(full::build(&state.positions, &state.cell, topology, RADIUS))),
        };
        backend.set_neighbors(list).expect("the list fits");
        let chunk = Chunk { first_step: u64::from(k) * 10, n_steps: 10, remove_com: k == 1, ..*settings };
        reports.push(backend.advance(&chunk).expect("the chunk succeeds"));
        backend.store(state).expect("the state comes back");
    }
    reports
}

fn largest_distance(a: &State, b: &State) -> f64 {
    a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max)
}

const BATH: LangevinStep = LangevinStep { temperature: 300.0, friction: 5.0, seed: 11 };

/// Trajectories of device and reference stay together: 40 steps, with and without a bath.
#[test]
fn short_trajectories_follow_the_reference() {
    let (case, start) = water();
    for langevin in [None, Some(BATH)] {
        let settings = Chunk { langevin, ..chunk(10) };
        let Some(mut gpu) = backend(&case.system) else { return };
        gpu.load(&start).expect("loads");
        let mut a = start.clone();
        let reports = run(&mut gpu, &case, &mut a, 4, &settings);
        let mut reference = ReferenceBackend::new(&case.system).expect("valid");
        reference.load(&start).expect("loads");
        let mut b = start.clone();
        let expected = run(&mut reference, &case, &mut b, 4, &settings);
        let distance = largest_distance(&a, &b);
        println!("bath {}: {distance:.1e} nm after 40 steps", langevin.is_some());
        assert!(distance < 1e-5, "{distance:.1e} nm apart after 40 steps");
        assert!(largest_distance(&a, &start) > 0.02, "atoms moved");
        for (x, y) in reports.iter().zip(&expected) {
            assert_relative("kinetic energy", x.kinetic_end, y.kinetic_end, 1e-5);
            let (f, g) = (x.first.unwrap(), y.first.unwrap());
            assert_relative("energy", f.energies.total(), g.energies.total(), 5e-6);
            assert_relative("shift", f.energies.cutoff_shift, g.energies.cutoff_shift, 5e-4);
            assert_relative("kick", f.kick, g.kick, 2e-5);
            assert_tensor("virial", f.virial, g.virial, 1e-4);
            assert_tensor("kinetic tensor", f.kinetic_tensor, g.kinetic_tensor, 2e-5);
        }
    }
}

/// Energy is conserved and waters stay rigid over 200 steps of 2 fs.
#[test]
fn energy_is_conserved_and_waters_stay_rigid() {
    let (case, start) = water();
    let Some(mut gpu) = backend(&case.system) else { return };
    gpu.load(&start).expect("loads");
    let mut state = start.clone();
    let reports = run(&mut gpu, &case, &mut state, 20, &chunk(10));
    let energies: Vec<f64> = (reports.iter())
        .map(|r| {
            let f = r.first.unwrap();
            f.energies.total() - f.energies.cutoff_shift + 0.5 * (f.kinetic_before + f.kinetic_after)
        })
        .collect();
    // the second chunk removes the centre-of-mass motion and its energy, so start after it
    let kept = &energies[2..];
    let spread = kept.iter().fold(f64::MIN, |m, e| m.max(*e)) - kept.iter().fold(f64::MAX, |m, e| m.min(*e));
    let kinetic = reports[19].kinetic_end;
    println!("kinetic {kinetic:.1}, conserved energy within {spread:.3} kJ/mol over 0.36 ps");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let drift = mean(&kept[9..]) - mean(&kept[..9]);
    println!("the means of both halves differ by {drift:.3} kJ/mol");
    assert!(spread < 2e-3 * kinetic && drift.abs() < 1e-3 * kinetic, "{kept:?}");
    for (o, water) in case.system.topology.rigid_waters() {
        let r = |i: usize, j: usize| start.cell.minimum_image(state.positions[i] - state.positions[j]).length();
        for (length, ideal) in [(r(o, o + 1), water.d_oh), (r(o, o + 2), water.d_oh), (r(o + 1, o + 2), water.d_hh)] {
            assert_relative("bond", length, ideal, 1e-6);
        }
    }
}

/// Bits of a state.
fn bits(state: &State) -> Vec<u64> {
    let vectors = state.positions.iter().chain(&state.velocities);
    vectors.flat_map(|v| v.to_array().map(f64::to_bits)).collect()
}

#[test]
fn runs_repeat_bit_for_bit_and_restart_without_a_trace() {
    let (case, start) = water();
    let settings = Chunk { langevin: Some(BATH), ..chunk(10) };
    let once = |chunks: u32| -> Option<(State, Vec<ChunkReport>)> {
        let mut gpu = backend(&case.system)?;
        gpu.load(&start).expect("loads");
        let mut state = start.clone();
        let reports = run(&mut gpu, &case, &mut state, chunks, &settings);
        Some((state, reports))
    };
    let Some((first, first_reports)) = once(2) else { return };
    let Some((second, second_reports)) = once(2) else { return };
    assert_eq!(bits(&first), bits(&second));
    assert_eq!(first_reports, second_reports);
    // one chunk, then another backend from the stored state
    let Some((half, _)) = once(1) else { return };
    let Some(mut other) = backend(&case.system) else { return };
    other.load(&half).expect("loads");
    let list = full::build(&half.positions, &half.cell, &case.system.topology, RADIUS);
    other.set_neighbors(NeighborList::FullClusters(Arc::new(list))).expect("fits");
    other.advance(&Chunk { first_step: 10, remove_com: true, ..settings }).expect("runs");
    let mut end = half.clone();
    other.store(&mut end).expect("stores");
    assert_eq!(bits(&end), bits(&first));
    // another seed is another trajectory
    let Some(mut other) = backend(&case.system) else { return };
    other.load(&start).expect("loads");
    let mut state = start.clone();
    let bath = LangevinStep { seed: 12, ..BATH };
    run(&mut other, &case, &mut state, 2, &Chunk { langevin: Some(bath), ..chunk(10) });
    assert_ne!(bits(&state), bits(&first));
}

#[test]
fn the_kinetic_tensor_belongs_to_the_scaled_velocities() {
    let (case, start) = water();
    let Some(mut gpu) = backend(&case.system) else { return };
    let velocities = thermal_velocities(&case.system.topology, 300.0, 5);
    load(&mut gpu, &case.system, &State { velocities, ..start }, RADIUS);
    let report = gpu.advance(&Chunk { velocity_scale: 1.05, ..chunk(3) }).expect("the chunk succeeds");
    assert_scaled_trace(&report.first.expect("reported"), 1.05, 1e-6);
}

#[test]
fn faults_are_errors_that_name_them() {
    let (case, start) = water();
    let Some(mut gpu) = backend(&case.system) else { return };
    assert!(matches!(gpu.evaluate(), Err(ForceError::NoNeighbors)));
    assert!(matches!(gpu.advance(&chunk(1)), Err(ForceError::NoNeighbors)));

    // two molecules on top of each other
    let mut clash = start.clone();
    let shift = clash.positions[0] - clash.positions[300] + DVec3::splat(0.004);
    for k in 300..303 {
        clash.positions[k] += shift;
    }
    load(&mut gpu, &case.system, &clash, RADIUS);
    let error = gpu.advance(&Chunk { first_step: 70, ..chunk(5) }).expect_err("a blow-up");
    match error {
        ForceError::BlowUp { step: 70, atom: Some(atom), detail } => {
            assert!((0..3).contains(&atom) || (300..303).contains(&atom), "{atom}");
            assert!(detail.contains("SPC/E") && detail.contains("largest force term: lj ("), "{detail}");
        }
        other => panic!("{other}"),
    }
    // the device is left before the step that failed
    let mut kept = start.clone();
    gpu.store(&mut kept).expect("stores");
    assert!(largest_distance(&kept, &clash) < 1e-8);

    // farther than the list allows
    load(&mut gpu, &case.system, &start, RADIUS);
    let error = gpu.advance(&Chunk { max_displacement: 0.001, ..chunk(5) }).expect_err("too far");
    assert!(matches!(&error, ForceError::BlowUp { detail, .. } if detail.contains("(limit 0.001 nm)")), "{error}");

    let mut broken = start.clone();
    broken.positions[7].y = f64::NAN;
    assert!(matches!(gpu.load(&broken), Err(ForceError::BlowUp { atom: Some(7), .. })));
    let mut small = start.clone();
    small.cell = Cell::cubic(1.7).expect("valid");
    assert!(matches!(gpu.load(&small), Err(ForceError::Impossible(what)) if what.contains("choose a shorter cutoff")));

    let unsupported = |coulomb: Coulomb| {
        let mut system = case.system.clone();
        system.interactions.coulomb = coulomb;
        match GpuBackend::new(&system, Some(&selector())) {
            Err(error @ ForceError::Unsupported { instead: "cpu", .. }) => {
                error.to_string().contains("; choose ") && error.to_string().ends_with("; or use --backend cpu")
            }
            _ => false,
        }
    };
    assert!(unsupported(Coulomb::Pme { beta: 3.0, grid: [22, 20, 20], order: 5 }), "22 has a factor 11");
    assert!(unsupported(Coulomb::Pme { beta: 3.0, grid: [20; 3], order: 8 }));
    assert!(unsupported(Coulomb::Pme { beta: 9.0, grid: [20; 3], order: 5 }), "beta * cutoff beyond the fit");
}

/// A chunk says when and where it failed, however long it is, in the words of the reference.
#[test]
fn a_late_blow_up_is_traced_to_its_step_and_atom() {
    let system = electrolyte(&[0, 0], truncated(0.5, Coulomb::Cutoff));
    let positions = vec![DVec3::splat(0.5), DVec3::new(2.5, 0.5, 1.0)];
    let start = State::at_rest(Cell::cubic(4.0).expect("valid"), positions);
    let start = State { velocities: vec![DVec3::ZERO, DVec3::new(0.5, 0.0, 0.0)], ..start };
    let Some(mut gpu) = backend(&system) else { return };
    load(&mut gpu, &system, &start, 0.6);
    // 0.001 nm per step: the 301st, which is step 1300, goes beyond the limit
    let settings = Chunk { first_step: 1000, max_displacement: 0.3005, ..chunk(400) };
    let blow_up = |backend: &mut dyn Backend| match backend.advance(&settings) {
        Err(ForceError::BlowUp { step: 1300, atom: Some(1), detail }) => {
            let mut kept = start.clone();
            backend.store(&mut kept).expect("stores");
            assert!((kept.positions[1].x - 2.8).abs() < 1e-6 && (kept.velocities[1].x - 0.5).abs() < 1e-6);
            detail
        }
        other => panic!("{other:?}"),
    };
    let detail = blow_up(&mut gpu);
    assert!(detail.contains("moved 0.301 nm in 301 steps"), "{detail}");
    assert_eq!(detail, blow_up(&mut oracle(&system, &start, 0.6)));
    // and the run can go on from there
    let report = gpu.advance(&Chunk { first_step: 1300, max_displacement: 1.0, ..chunk(10) }).expect("goes on");
    assert!((report.max_displacement - 0.01).abs() < 1e-6, "{report:?}");
}

/// New positions without a new list, as a minimiser loads them, are evaluated with the old one.
#[test]
fn a_list_outlives_a_load() {
    let (case, start) = water();
    let Some(mut gpu) = backend(&case.system) else { return };
    load(&mut gpu, &case.system, &start, RADIUS);
    gpu.evaluate().expect("evaluates");
    let mut draws = Draws::new(4, Stream::Build, 0);
    let mut moved = start.clone();
    for r in &mut moved.positions {
        *r += DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 0.02;
    }
    gpu.load(&moved).expect("loads");
    let with_old_list = gpu.evaluate().expect("evaluates");
    load(&mut gpu, &case.system, &moved, RADIUS);
    let with_new_list = gpu.evaluate().expect("evaluates");
    assert_forces("old and new list", &with_old_list.forces, &with_new_list.forces, 1e-6);
    // displacements still count from the positions of the list
    load(&mut gpu, &case.system, &start, RADIUS);
    gpu.load(&moved).expect("loads");
    let error = gpu.advance(&Chunk { max_displacement: 0.01, dt: 1e-6, ..chunk(1) }).expect_err("too far");
    assert!(matches!(&error, ForceError::BlowUp { detail, .. } if detail.contains("(limit 0.01 nm)")), "{error}");
}

/// Dozens of ions around one mesh point leave the range of the fixed-point mesh: an error, never a wrong sum.
#[test]
fn a_mesh_overflow_is_an_error() {
    let coulomb = Coulomb::Pme { beta: 3.0, grid: [16; 3], order: 4 };
    for (n_ions, overflows) in [(60, true), (10, false)] {
        let system = electrolyte(&vec![0; n_ions], truncated(0.005, coulomb));
        let at = |k: usize| DVec3::new((k % 4) as f64, (k / 4 % 4) as f64, (k / 16) as f64) * 0.01 + DVec3::splat(0.24);
        let state = State::at_rest(Cell::cubic(2.0).expect("valid"), (0..n_ions).map(at).collect());
        let Some(mut gpu) = backend(&system) else { return };
        load(&mut gpu, &system, &state, 0.006);
        match gpu.evaluate() {
            Err(ForceError::BlowUp { detail, atom: Some(_), .. }) if overflows => {
                for word in ["16 e", "pair forces are largest on", "largest force term", "overlapping atoms"] {
                    assert!(detail.contains(word), "should mention {word}: {detail}");
                }
            }
            Ok(_) if !overflows => {}
            other => panic!("{n_ions} ions: {other:?}"),
        }
    }
}

#[test]
fn devices_are_listed_and_a_missing_one_is_named() {
    for device in devices() {
        println!("{device:?}");
        assert!(!device.name.is_empty() && !device.limits.is_empty());
    }
    let missing = Context::new(&AdapterSelector::Name("no such adapter".into()));
    assert!(matches!(missing, Err(ForceError::NoAdapter(why)) if why.contains("no such adapter")));
    // a software driver is never a hardware adapter
    if let Ok(context) = Context::new(&AdapterSelector::Hardware) {
        assert!(!context.description().is_software);
    }
}

#[test]
fn the_self_test_passes_and_notices_a_wrong_shader() {
    let Some(report) = present(self_test(&selector())) else { return };
    println!("{report:#?}");
    assert!(report.passed(), "{report:#?}");
    let ran = |kernel: &str| report.checks.iter().any(|c| c.kernels.iter().any(|name| name == kernel));
    for kernel in ["nb_full", "nb_half", "prune", "fft", "ewald_force", "bonded", "update_constrained", "couple"] {
        assert!(ran(kernel), "{kernel} was not checked: {report:#?}");
    }
    let has = |words: &str| report.checks.iter().any(|check| check.what.contains(words));
    assert!(has("portable") && has("more than 8 types") && has("one word") && has("two words") && has("collide"));
    let wrong = [
        ("vdw/lennard_jones", "12.0 * k.y", "12.05 * k.y"),
        ("part/mesh_force", "a.values[ka] * b.values[kb] * slope", "0.99 * a.values[ka] * b.values[kb] * slope"),
        ("update", "params.decay * v.h1", "0.9 * params.decay * v.h1"),
        ("bonded", "let torque = a.z * bend", "let torque = 1.05 * a.z * bend"),
        ("virtual_sites", "term.weights.y * f", "0.95 * term.weights.y * f"),
        ("constraints", "v = v + correction / params.dt", "v = v + 0.95 * correction / params.dt"),
        // what only the half list runs
        ("nb_half", "f_j = f_j - f;", "f_j = f_j - 1.001 * f;"),
        ("nb_half", "(a + b) + (c + d)", "(a + b) + (c + c)"),
        ("prune", "dot(d, d) < radius_sq", "dot(d, d) < 0.7 * radius_sq"),
        ("couple", "params.csvr_gain / kinetic", "1.1 * params.csvr_gain / kinetic"),
        ("part/add_force", "atomicMax(&status.force_overflow, 1u);", ""),
        ("part/add_force", "before + words.x < before", "false"),
    ];
    for (file, from, to) in wrong {
        let Some(report) = present(self_test_with(&selector(), &edited(file, from, to))) else { return };
        assert!(!report.passed(), "{file} with '{to}': {report:?}");
    }
}

/// A shader that does not compile is an error that names it, not a panic.
#[test]
fn a_broken_shader_is_an_error() {
    let (case, _) = water();
    let broken = edited("nb_full", "let d = displacement(", "let d = no_such_function(");
    match GpuBackend::with_shaders(&case.system, &selector(), &broken) {
        Err(ForceError::Device(message)) => assert!(message.contains("nb_full"), "{message}"),
        Err(ForceError::NoAdapter(_)) => println!("SKIPPED: no adapter"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the broken shader compiled"),
    }
}

/// Every length with a plan against an f64 transform, along each axis; and there and back.
#[test]
fn fft_of_every_plan_matches_f64() {
    let Some(context) = present(Context::new(&selector())) else { return };
    let shaders = Shaders::embedded();
    // the shortest with the longest, so that every length is tried once, contiguous or strided
    let lengths = fft::lengths();
    let halves = lengths.len().div_ceil(2);
    for (k, (&short, &long)) in lengths.iter().zip(lengths.iter().rev()).take(halves).enumerate() {
        let grid = match k % 3 {
            0 => [16, short, long],
            1 => [short, long, 16],
            _ => [long, 16, short],
        };
        let mut draws = Draws::new(k as u64, Stream::Build, 0);
        let size: usize = grid.iter().product();
        let data: Vec<[f32; 2]> = (0..size).map(|_| [draws.normal() as f32, draws.normal() as f32]).collect();
        let exact: Vec<Complex64> = data.iter().map(|d| Complex64::new(f64::from(d[0]), f64::from(d[1]))).collect();
        let transformed = transform_f64(&exact, grid);
        let tolerance = 3e-7 * (size as f64).log2().sqrt();
        let forward = fft::transform(&context, &shaders, grid, &data, fft::Direction::Forward).expect("runs");
        let e = complex_error(&forward, &transformed, 1.0);
        assert!(e < tolerance, "{grid:?}: {e:.1e}, allowed {tolerance:.1e}");
        let back = fft::transform(&context, &shaders, grid, &forward, fft::Direction::Inverse).expect("runs");
        let e = complex_error(&back, &exact, 1.0 / size as f64);
        assert!(e < tolerance, "{grid:?} there and back: {e:.1e}, allowed {tolerance:.1e}");
    }
}

/// Relative rms difference of `scale` · a and b.
fn complex_error(a: &[[f32; 2]], b: &[Complex64], scale: f64) -> f64 {
    let wide = |a: &[f32; 2]| Complex64::new(f64::from(a[0]), f64::from(a[1]));
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (wide(a) * scale - b).norm_sqr()).sum();
    (difference / b.iter().map(|b| b.norm_sqr()).sum::<f64>()).sqrt()
}

/// Unnormalised forward transform in f64, last axis fastest.
fn transform_f64(data: &[Complex64], grid: [usize; 3]) -> Vec<Complex64> {
    let mut planner = FftPlanner::new();
    let mut data = data.to_vec();
    for axis in [2, 1, 0] {
        let n = grid[axis];
        planner.plan_fft_forward(n).process(&mut data);
        let rows = data.len() / n;
        let mut rotated = vec![Complex64::default(); data.len()];
        for (row, line) in data.chunks_exact(n).enumerate() {
            for (k, &value) in line.iter().enumerate() {
                rotated[k * rows + row] = value;
            }
        }
        data = rotated;
    }
    data
}
