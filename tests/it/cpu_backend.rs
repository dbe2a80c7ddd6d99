//! The `cpu` backend as the engine sees it: trajectories, reports, determinism, restarts and blow-ups.

use crate::support::compare::{assert_absolute, assert_relative, assert_scaled_trace, assert_tensor};
use crate::support::systems::{
    EngineCase, electrolyte, on_a_grid, skewed_cell, small_electrolyte, thermal_velocities, truncated,
};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::dynamics::neighbors;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Chunk, ChunkReport, ForceError, LangevinStep};
use hexaqua::neighbor::NeighborList;
use hexaqua::neighbor::half::HalfList;
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::system::{Coulomb, Interactions, State, System};
use std::sync::Arc;

fn chunk(first_step: u64, n_steps: u32) -> Chunk {
    Chunk { report: true, max_displacement: 0.25, ..Chunk::new(first_step, n_steps, 0.002) }
}

const BATH: LangevinStep = LangevinStep { temperature: 300.0, friction: 2.0, seed: 11 };

fn pme(cell: &Cell, beta: f64) -> Coulomb {
    let grid = hexaqua::forces::reference::pme::choose_grid(cell, 0.12);
    Coulomb::Pme { beta, grid, order: 5 }
}

fn case() -> (System, State) {
    let case = EngineCase::read("spce_216", pme);
    let velocities = thermal_velocities(&case.system.topology, 300.0, 5);
    (case.system, State { velocities, ..State::at_rest(case.cell, case.positions) })
}

fn start(system: &System, state: &State, threads: usize, level: SimdLevel) -> CpuBackend {
    let mut backend = CpuBackend::with_level(system, Some(threads), level).expect("a valid system");
    backend.load(state).expect("loads");
    let list = HalfList::build(system, &state.positions, &state.cell, 1.0);
    backend.set_neighbors(NeighborList::HalfClusters(Arc::new(list))).expect("the right kind");
    backend
}

fn state_of(backend: &mut dyn Backend, like: &State) -> State {
    let mut state = like.clone();
    backend.store(&mut state).expect("loaded");
    state
}

fn best() -> SimdLevel {
    SimdLevel::available()[0]
}

#[test]
fn short_trajectories_follow_the_reference() {
    let (system, state) = case();
    for langevin in [None, Some(BATH)] {
        let settings = Chunk { langevin, remove_com: true, velocity_scale: 1.01, ..chunk(0, 20) };
        let mut twin = ReferenceBackend::new(&system).unwrap();
        twin.load(&state).unwrap();
        let pairs = linked_cells(&state.positions, &state.cell, &system.topology, 1.0);
        twin.set_neighbors(NeighborList::Pairs(Arc::new(pairs))).unwrap();
        let expected_report = twin.advance(&settings).unwrap();
        let expected = state_of(&mut twin, &state);
        for level in SimdLevel::available() {
            let mut cpu = start(&system, &state, 2, level);
            let report = cpu.advance(&settings).unwrap();
            let end = state_of(&mut cpu, &state);
            let farthest =
                |a: &[DVec3], b: &[DVec3]| a.iter().zip(b).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
            let moved = farthest(&expected.positions, &state.positions);
            assert!(moved > 0.01, "something happened: {moved} nm");
            let error = farthest(&end.positions, &expected.positions);
            assert!(error < 1e-6, "{level:?}, {langevin:?}: {error:.1e} nm after 20 steps");
            compare_reports(&report, &expected_report);
        }
    }
}

/// A list that is to be replaced gives its memory back before the next one is made: two of them are the peak of a large run.
#[test]
fn a_list_that_is_forgotten_is_gone() {
    let (system, state) = case();
    let mut backend = CpuBackend::new(&system, Some(1)).expect("a valid system");
    backend.load(&state).expect("loads");
    let list = Arc::new(HalfList::build(&system, &state.positions, &state.cell, 1.0));
    let watched = Arc::downgrade(&list);
    backend.set_neighbors(NeighborList::HalfClusters(list)).expect("the right kind");
    let before = backend.evaluate().expect("runs").energies;
    assert!(watched.upgrade().is_some());
    backend.forget_neighbors();
    assert!(watched.upgrade().is_none());
    assert!(matches!(backend.evaluate(), Err(ForceError::NoNeighbors)));
    neighbors::rebuild(&mut backend, &system, &state, 1.0).expect("the right kind");
    assert_eq!(backend.evaluate().expect("runs").energies, before);
}

fn compare_reports(a: &ChunkReport, b: &ChunkReport) {
    assert_relative("kinetic_end", a.kinetic_end, b.kinetic_end, 2e-5);
    assert_absolute("bath_heat", a.bath_heat, b.bath_heat, 2e-5 * b.kinetic_end);
    assert_relative("max_displacement", a.max_displacement, b.max_displacement, 1e-4);
    let (a, b) = (a.first.expect("reported"), b.first.expect("reported"));
    assert_relative("energy", a.energies.total(), b.energies.total(), 5e-6);
    assert_relative("cutoff shift", a.energies.cutoff_shift, b.energies.cutoff_shift, 1e-4);
    // a small difference of large numbers: 3e-8 nm of rounding in a position times the stiffness of a contact
    assert_tensor("virial", a.virial, b.virial, 1e-4);
    assert_relative("kinetic_before", a.kinetic_before, b.kinetic_before, 1e-12);
    assert_relative("kinetic_after", a.kinetic_after, b.kinetic_after, 1e-6);
    assert_relative("kick", a.kick, b.kick, 1e-5);
    assert_tensor("kinetic tensor", a.kinetic_tensor, b.kinetic_tensor, 1e-6);
}

#[test]
fn the_kinetic_tensor_belongs_to_the_scaled_velocities() {
    let (system, state) = case();
    let mut cpu = start(&system, &state, 2, best());
    let report = cpu.advance(&Chunk { velocity_scale: 1.05, ..chunk(0, 3) }).unwrap();
    assert_scaled_trace(&report.first.expect("reported"), 1.05, 1e-12);
}

#[test]
fn a_different_time_step_is_noticed() {
    // the comparison above can fail: a part in a thousand of the time step moves atoms by more than its limit
    let (system, state) = case();
    let mut a = start(&system, &state, 2, best());
    let mut b = start(&system, &state, 2, best());
    a.advance(&chunk(0, 20)).unwrap();
    b.advance(&Chunk { dt: 0.002 * 1.001, ..chunk(0, 20) }).unwrap();
    let (a, b) = (state_of(&mut a, &state), state_of(&mut b, &state));
    assert!(a.positions.iter().zip(&b.positions).any(|(a, b)| (*a - *b).length() > 1e-5));
}

#[test]
fn threads_repetition_and_reports_change_no_bit() {
    let (system, state) = case();
    for langevin in [None, Some(BATH)] {
        let run = |threads, report| {
            let mut backend = start(&system, &state, threads, best());
            let settings = Chunk { langevin, report, ..chunk(3, 25) };
            let report = backend.advance(&settings).unwrap();
            (state_of(&mut backend, &state), report)
        };
        let one = run(1, true);
        assert_eq!(one, run(2, true), "two threads");
        assert_eq!(one, run(3, true), "three threads");
        assert_eq!(one, run(2, true), "again");
        assert_eq!(one.0, run(2, false).0, "a report looks and does not touch");
    }
}

#[test]
fn a_restarted_chunk_is_the_same_bit_for_bit() {
    let (system, state) = case();
    let mut whole = start(&system, &state, 2, best());
    whole.advance(&chunk(0, 10)).unwrap();
    let middle = state_of(&mut whole, &state);
    // the engine gives a new list at a restart and at the same step of an unbroken run
    let list = || NeighborList::HalfClusters(Arc::new(HalfList::build(&system, &middle.positions, &middle.cell, 1.0)));
    whole.set_neighbors(list()).unwrap();
    let report = whole.advance(&chunk(10, 10)).unwrap();
    let mut resumed = CpuBackend::new(&system, Some(2)).unwrap();
    resumed.load(&middle).unwrap();
    resumed.set_neighbors(list()).unwrap();
    assert_eq!(report, resumed.advance(&chunk(10, 10)).unwrap());
    assert_eq!(state_of(&mut whole, &state), state_of(&mut resumed, &state));
    // without a new list two chunks are one
    let mut split = start(&system, &state, 2, best());
    split.advance(&chunk(0, 4)).unwrap();
    split.advance(&chunk(4, 6)).unwrap();
    assert_eq!(state_of(&mut split, &state), middle);
}

#[test]
fn velocities_at_rest_and_whole_lattice_moves_change_little() {
    // moving every molecule by its own lattice vector is no change of the system
    let (system, state) = case();
    let mut moved = state.clone();
    for m in 0..system.topology.molecules.len() {
        let n = DVec3::new((m % 3) as f64 - 1.0, (m % 5) as f64, (m % 2) as f64);
        for i in system.topology.atoms_of(m) {
            moved.positions[i] += moved.cell.to_cartesian(n);
        }
    }
    let a = start(&system, &state, 2, best()).evaluate().unwrap();
    let b = start(&system, &moved, 2, best()).evaluate().unwrap();
    assert_relative("energy", b.energies.total(), a.energies.total(), 1e-6);
    let error = a.forces.iter().zip(&b.forces).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert!(error < 0.02, "{error} kJ/mol/nm");
}

#[test]
fn store_gives_back_what_load_took() {
    let (system, state) = case();
    let mut backend = start(&system, &state, 2, best());
    backend.evaluate().unwrap();
    assert_eq!(state_of(&mut backend, &state), state);
}

#[test]
fn a_missing_or_wrong_list_is_an_error() {
    let (system, state) = case();
    let mut backend = CpuBackend::new(&system, Some(1)).unwrap();
    assert!(matches!(backend.evaluate(), Err(ForceError::NoNeighbors)));
    backend.load(&state).unwrap();
    assert!(matches!(backend.advance(&chunk(0, 1)), Err(ForceError::NoNeighbors)));
    let pairs = linked_cells(&state.positions, &state.cell, &system.topology, 1.0);
    let pairs = NeighborList::Pairs(Arc::new(pairs));
    assert!(matches!(backend.set_neighbors(pairs), Err(ForceError::NoNeighbors)));
}

#[test]
fn an_overlap_gives_huge_finite_forces_and_then_a_named_blow_up() {
    let (system, mut state) = case();
    // the second water sits on the first
    for k in 0..3 {
        state.positions[3 + k] = state.positions[k] + DVec3::new(0.02, 0.01, 0.0);
    }
    for level in SimdLevel::available() {
        let mut backend = start(&system, &state, 2, level);
        let evaluation = backend.evaluate().expect("finite");
        assert!(evaluation.forces[0].length() > 1e9);
        assert!(evaluation.forces.iter().all(|f| f.is_finite()) && evaluation.energies.total().is_finite());
        let before = state_of(&mut backend, &state);
        match backend.advance(&Chunk { remove_com: false, ..chunk(7, 50) }) {
            Err(ForceError::BlowUp { step: 7, atom: Some(atom), detail }) => {
                assert!(atom < 6, "{atom}");
                assert!(detail.contains("SPC/E") && detail.contains("lj"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(state_of(&mut backend, &state), before, "the failed step is undone");
    }
    // exactly the same place: no direction, but no NaN either
    state.positions[3] = state.positions[0];
    let mut backend = start(&system, &state, 2, best());
    assert!(backend.evaluate().expect("finite").forces.iter().all(|f| f.is_finite()));
    state.positions[40] = DVec3::NAN;
    backend.load(&state).unwrap();
    assert!(matches!(backend.evaluate(), Err(ForceError::BlowUp { .. })));
}

#[test]
fn an_atom_that_leaves_its_list_stops_the_run() {
    let (system, mut state) = case();
    state.velocities[30] = DVec3::new(0.0, 6.0, 0.0);
    let mut backend = start(&system, &state, 2, best());
    match backend.advance(&Chunk { max_displacement: 0.05, ..chunk(100, 40) }) {
        Err(ForceError::BlowUp { step, atom: Some(atom), detail }) => {
            assert!((102..112).contains(&step) && (30..33).contains(&atom), "{step} {atom}");
            let taken = format!("in {} steps: the run has blown up (limit 0.05 nm)", step - 99);
            assert!(detail.contains(&taken) && detail.contains("largest force term"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_coulomb_method_runs_in_a_skewed_cell() {
    let cell = skewed_cell();
    let methods = [
        Coulomb::Pme { beta: 4.5, grid: [16, 16, 15], order: 5 },
        Coulomb::Ewald { beta: 4.5, n_max: [8, 8, 8], n_sq_max: None },
        Coulomb::ReactionField { epsilon: f64::INFINITY },
        Coulomb::Cutoff,
    ];
    for coulomb in methods {
        let interactions = Interactions { dispersion_correction: true, ..truncated(0.7, coulomb) };
        let system = small_electrolyte(interactions);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 9);
        let velocities = thermal_velocities(&system.topology, 100.0, 2);
        let state = State { velocities, ..State::at_rest(cell, positions) };
        let mut twin = ReferenceBackend::new(&system).unwrap();
        twin.load(&state).unwrap();
        let pairs = linked_cells(&state.positions, &cell, &system.topology, 0.85);
        twin.set_neighbors(NeighborList::Pairs(Arc::new(pairs))).unwrap();
        let mut cpu = start(&system, &state, 2, best());
        let short = Chunk { dt: 0.0005, ..chunk(0, 5) };
        compare_reports(&cpu.advance(&short).unwrap(), &twin.advance(&short).unwrap());
    }
}

#[test]
fn unusable_settings_are_refused() {
    let system = electrolyte(&[2], truncated(0.4, Coulomb::Pme { beta: 4.0, grid: [4, 20, 20], order: 5 }));
    let refused = |made: Result<String, ForceError>| made.expect_err("a mesh smaller than its splines").to_string();
    for message in [
        refused(CpuBackend::new(&system, Some(1)).map(|b| b.device())),
        refused(ReferenceBackend::new(&system).map(|b| b.device())),
    ] {
        assert!(message.starts_with("no backend can run") && message.contains("choose order 4, 5 or 6"), "{message}");
    }
}

/// Positions after twenty steps of one list of `radius` (nm), one by one; with `fresh`, inner lists are made anew before
/// every step.
fn with_inner_lists(system: &System, state: &State, radius: f64, fresh: bool) -> Vec<DVec3> {
    let mut backend = CpuBackend::with_level(system, Some(2), best()).unwrap();
    backend.load(state).unwrap();
    let list = HalfList::build(system, &state.positions, &state.cell, radius);
    backend.set_neighbors(NeighborList::HalfClusters(Arc::new(list))).unwrap();
    for step in 0..20 {
        if fresh {
            backend.evaluate().unwrap();
        }
        backend.advance(&chunk(step, 1)).unwrap();
    }
    state_of(&mut backend, state).positions
}

#[test]
fn inner_lists_that_serve_several_steps_hardly_miss_a_pair() {
    // what an inner list leaves out adds exact zeros, so only a missed pair shows; the buffer makes those few and weak
    let (system, state) = case();
    let farthest = |a: &[DVec3], b: &[DVec3]| a.iter().zip(b).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    let exact = with_inner_lists(&system, &state, 1.3, true);
    let error = farthest(&with_inner_lists(&system, &state, 1.3, false), &exact);
    // the same without any buffer can be told apart
    let without = farthest(&with_inner_lists(&system, &state, system.interactions.cutoff, false), &exact);
    assert!(error < 1e-5 && without > 3.0 * error, "{error:.1e} nm; without a buffer {without:.1e} nm");
}
