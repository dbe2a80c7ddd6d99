//! Electrodes at constant potential on the device: against the twin in every form, over time, and cut at a checkpoint.

use crate::dynamics::{Memory, TEMPERATURE, plan};
use crate::electrode_cpu::{assert_at_potential, bare_coulomb, forms, graphene, in_f64, inside, mesh, total, worst};
use crate::support::capacitor::{Capacitor, HEIGHT, N_ELECTRODE, capacitor, external, with_virtual_sites};
use crate::support::compare::{assert_forces, assert_relative, relative_error, rms_error};
use crate::support::gpu::{backend, edited, half, load, oracle, rounded, with_options};
use crate::support::systems::thermal_velocities;
use glam::{DMat3, DVec3};
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{DynamicsError, Engine, StoredCharges, neighbors};
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::gpu::{GpuOptions, PairKernel};
use hexaqua::forces::reference::frozen::FrozenVirial;
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::forces::{Backend, Chunk, Evaluation};
use hexaqua::system::external::{Condition, Electrodes};
use hexaqua::system::spec::ThermostatSpec;
use hexaqua::system::{State, System};
use hexaqua::units::VOLT;

fn full() -> GpuOptions {
    GpuOptions { pairs: Some(PairKernel::Full), ..GpuOptions::default() }
}

/// At the positions that the device can hold.
fn on_device_grid(c: &Capacitor) -> Capacitor {
    let state = rounded(&State::at_rest(c.cell, c.positions.clone()));
    Capacitor { positions: state.positions, ..c.clone() }
}

/// Charges and evaluation on the device.
fn on_gpu(c: &Capacitor, shaders: &Shaders, options: GpuOptions) -> Option<(Vec<f64>, Evaluation)> {
    let mut gpu = with_options(&c.system, shaders, options)?;
    // some pairs are listed under several images
    load(&mut gpu, &c.system, &State::at_rest(c.cell, c.positions.clone()), 0.75);
    let charges = gpu.charges().expect("loaded").expect("electrodes");
    let evaluation = gpu.evaluate().expect("finite");
    assert_eq!(gpu.charges().expect("loaded").expect("electrodes"), charges, "an evaluation changes nothing");
    Some((charges, evaluation))
}

/// As on the `cpu` backend: f32 sums, and a matrix that multiplies errors of the potential by its condition.
const CHARGES: f64 = 2e-5;
const FORCES: f64 = 5e-6;

/// An ion 0.2 nm above an electrode atom, where the Gaussian is no point.
fn touching() -> Capacitor {
    let mut c = capacitor(mesh(), external(true, 0.0, [-0.5, 0.5]));
    c.system.interactions.cutoff = 0.59;
    c.positions[N_ELECTRODE] = c.positions[5] + DVec3::new(0.01, -0.02, 0.2);
    on_device_grid(&c)
}

#[test]
fn charges_forces_and_energies_match_the_twin_on_the_device() {
    for (name, c) in forms().into_iter().chain([("touching", touching())]) {
        let c = on_device_grid(&c);
        let (charges, twin) = in_f64(&c);
        for (kernel, options) in [("full", full()), ("half", half(true))] {
            let Some((found, gpu)) = on_gpu(&c, &Shaders::embedded(), options) else { return };
            let name = format!("{name}, {kernel}");
            let sum = found[..N_ELECTRODE].iter().sum::<f64>() - total(&c);
            println!(
                "{name}: charges {:.1e}, {sum:.1e} e too many, forces {:.1e}, total {:.1e}",
                worst(&found, &charges),
                rms_error(&gpu.forces, &twin.forces),
                relative_error(gpu.energies.total(), twin.energies.total())
            );
            assert!(worst(&found, &charges) < CHARGES, "{name}: {}", worst(&found, &charges));
            assert!(sum.abs() < 1e-6, "{name}: {sum:e} e too many");
            if name.starts_with("slab,") {
                assert_at_potential(&name, &c, &found);
            }
            assert_forces(&name, &gpu.forces, &twin.forces, FORCES);
            // the screened energy of a pair is a small difference of bare ones, in single precision
            let rounding = f64::from(f32::EPSILON) * bare_coulomb(&c, &charges);
            for ((term, a), (_, b)) in gpu.energies.terms().into_iter().zip(twin.energies.terms()) {
                let allowed = 2e-5 * b.abs() + rounding;
                assert!((a - b).abs() < allowed, "{name}, {term}: {a} and {b}, {allowed:.1e} allowed");
            }
            assert_eq!(gpu.energies.terms().len(), twin.energies.terms().len());
            let [dipole, expected] = [gpu.energies.dipole_z, twin.energies.dipole_z].map(|m| m.expect("electrodes"));
            assert!((dipole - expected).abs() < 5e-6, "{name}: {dipole} e nm and {expected}");
            assert_relative(&name, gpu.energies.total(), twin.energies.total(), 5e-6);
            for (a, b) in gpu.energies.electrode_potentials.iter().zip(twin.energies.electrode_potentials) {
                // what drives charges is summed in single precision
                assert!((a - b).abs() < 1e-5 * VOLT, "{name}: potentials of {a} and {b} kJ/mol/e");
            }
            for (a, b) in gpu.energies.electrode_charges.iter().zip(twin.energies.electrode_charges) {
                assert!((a - b).abs() < 2e-6, "{name}: {a} {b}");
            }
        }
    }
}

fn largest(m: DMat3) -> f64 {
    m.to_cols_array().iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

/// Single precision of the virial of all atoms, of which what is reported is a part: ten times what one configuration shows.
const VIRIAL: f64 = 1e-5;

/// W of the frozen atoms alone, for the charges of all atoms given.
fn of_frozen(c: &Capacitor, charges: &[f64]) -> DMat3 {
    FrozenVirial::new(&c.system, &c.cell, &c.positions).expect("electrodes are frozen").of(charges, None)
}

/// The pressure leaves out what frozen electrodes do to each other, with the charges that they have in this configuration.
#[test]
fn virials_match_the_twin_on_the_device() {
    let close = [("touching", touching()), ("inside", inside())];
    for (name, c) in forms().into_iter().chain(close) {
        let mut c = on_device_grid(&c);
        c.system.topology.frozen.fill(false);
        let (_, free) = in_f64(&c);
        c.system.topology.frozen[..N_ELECTRODE].fill(true);
        let (charges, twin) = in_f64(&c);
        let own = of_frozen(&c, &charges);
        let allowed = VIRIAL * largest(free.virial).max(largest(own));
        assert!(largest(free.virial - own - twin.virial) < 1e-9 * largest(free.virial), "{name}");
        for (kernel, options) in [("full", full()), ("half", half(true))] {
            let Some((_, gpu)) = on_gpu(&c, &Shaders::embedded(), options) else { return };
            let apart = largest(gpu.virial - twin.virial);
            println!("{name}, {kernel}: {apart:.1e} of {:.1}, allowed {allowed:.1e}", largest(twin.virial));
            assert!(apart < allowed, "{name}, {kernel}: {} and {}", gpu.virial, twin.virial);
        }
        // charges of the topology, or none of it taken off, are told apart
        let others = of_frozen(&c, &c.system.topology.charges);
        assert!(largest(own - others) > 10.0 * allowed && largest(own) > 10.0 * allowed, "{name}: {own} {others}");
    }
}

/// What must not pass: electrodes that differ a little, and shaders that are wrong in one place.
#[test]
fn slightly_wrong_electrodes_are_rejected_on_the_device() {
    let mut right = capacitor(mesh(), external(true, 0.0, [-0.5, 0.5]));
    right.system.interactions.cutoff = 0.59;
    let right = on_device_grid(&right);
    let (charges, twin) = in_f64(&right);
    let wrong: [&dyn Fn(&mut Electrodes); 3] =
        [&|e| e.electrodes[0].gaussian_width *= 1.001, &|e| e.electrodes[1].thomas_fermi *= 1.01, &|e| {
            e.electrodes[1].condition = Condition::Potential(0.501 * VOLT)
        }];
    for (k, change) in wrong.into_iter().enumerate() {
        let mut c = right.clone();
        change(c.system.external.electrodes.as_mut().expect("electrodes"));
        let Some((other, evaluation)) = on_gpu(&c, &Shaders::embedded(), full()) else { return };
        assert!(worst(&other, &charges) > CHARGES, "change {k}: {}", worst(&other, &charges));
        // a hundredth of the Thomas-Fermi term moves charges, but hardly the forces
        assert!(k == 1 || rms_error(&evaluation.forces, &twin.forces) > FORCES, "change {k}");
    }
    let right = touching();
    let (charges, twin) = in_f64(&right);
    for (file, from, to) in [
        ("electrode", "blurred(eta, r_sq)", "inverseSqrt(r_sq)"),
        ("electrode", "potentials[site] - outside", "0.99 * potentials[site] - outside"),
        ("electrode", "outside.slab * moment", "1.01 * outside.slab * moment"),
        ("electrode", "a.values[ka] * b.values[kb]", "a.values[ka] * b.values[ka]"),
        ("part/spread_atoms", "scale = placed[slot].charge;", "scale = 1.01 * placed[slot].charge;"),
    ] {
        let Some((other, _)) = on_gpu(&right, &edited(file, from, to), full()) else { return };
        println!("{to}: {:.1e}", worst(&other, &charges));
        assert!(worst(&other, &charges) > CHARGES, "{file}: {to}: {}", worst(&other, &charges));
    }
    // a Gaussian that is taken for a point beside an atom
    let Some((_, other)) =
        on_gpu(&right, &edited("external", "f = f - qq * term.xyz", "f = f - 0.9 * qq * term.xyz"), full())
    else {
        return;
    };
    assert!(rms_error(&other.forces, &twin.forces) > FORCES, "shapes");
}

/// Frozen electrodes, thermal velocities.
fn moving(mut c: Capacitor) -> (System, State) {
    c.system.interactions.cutoff = 0.59;
    c.system.topology.frozen[..N_ELECTRODE].fill(true);
    let mut state = State::at_rest(c.cell, c.positions);
    let integrator = Integrator::new(&c.system.topology);
    state.velocities = thermal_velocities(&c.system.topology, 200.0, 5);
    state.velocities[..N_ELECTRODE].fill(DVec3::ZERO);
    for (v, mass) in state.velocities.iter_mut().zip(&c.system.topology.masses) {
        if *mass == 0.0 {
            *v = DVec3::ZERO;
        }
    }
    integrator.constrain_positions(&c.cell, &mut state.positions);
    integrator.project_velocities(&c.cell, &state.positions, &mut state.velocities);
    (c.system, rounded(&state))
}

/// Charges of every step are those of the step: trajectories of device and twin stay together, with three- and four-site water
/// and both kernels.
#[test]
fn trajectories_with_electrodes_follow_the_reference() {
    let terms = || external(true, 0.0, [-0.5, 0.5]);
    for (name, c, options) in [
        ("three sites", capacitor(mesh(), terms()), full()),
        ("four sites", with_virtual_sites(mesh(), terms()), half(true)),
        ("finite field", capacitor(mesh(), external(false, -VOLT / HEIGHT, [0.0, 1.0])), half(false)),
    ] {
        let (system, start) = moving(c);
        let Some(mut gpu) = with_options(&system, &Shaders::embedded(), options) else { return };
        let mut twin = oracle(&system, &start, 0.75);
        let run = |backend: &mut dyn Backend| {
            backend.load(&start).expect("loads");
            let mut state = start.clone();
            let (mut reports, mut starts) = (Vec::new(), Vec::new());
            for k in 0..3 {
                starts.push(state.clone());
                neighbors::rebuild(backend, &system, &state, 0.75).expect("the list fits");
                let chunk = Chunk { report: true, max_displacement: 0.2, ..Chunk::new(8 * k, 8, 0.001) };
                reports.push(backend.advance(&chunk).expect("the chunk succeeds"));
                backend.store(&mut state).expect("the state comes back");
            }
            (state, reports, starts)
        };
        let (a, reports, _) = run(&mut gpu);
        let (b, expected, starts) = run(&mut twin);
        let apart = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
        let moved = a.positions.iter().zip(&start.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
        println!("{name}: {apart:.1e} nm after 24 steps, moved {moved:.1e} nm");
        assert!(apart < 1e-5 && moved > 1e-3, "{name}: {apart:.1e} nm, moved {moved:.1e}");
        // what the charges of the step do to each other is taken off its virial
        let own = starts.iter().map(|state| {
            let mut twin = oracle(&system, state, 0.75);
            let charges = Backend::charges(&mut twin).expect("loaded").expect("electrodes");
            let c = Capacitor { system: system.clone(), cell: state.cell, positions: state.positions.clone() };
            of_frozen(&c, &charges)
        });
        let own: Vec<DMat3> = own.collect();
        // charges and positions of device and twin have been apart for up to 16 steps
        let allowed = 4.0 * VIRIAL * largest(own[0]);
        for (k, (x, y)) in reports.iter().zip(&expected).enumerate() {
            let [x, y] = [x, y].map(|r| r.first.expect("reported").virial);
            let apart = largest(x - y);
            println!("{name}, report {k}: virial {apart:.1e} of {:.1}, allowed {allowed:.1e}", largest(y));
            assert!(apart < allowed, "{name}, report {k}: {x} and {y}");
        }
        assert!(largest(own[2] - own[0]) > 2.0 * allowed, "{name}: charges of another step are told apart");
        let energies = |r: &hexaqua::forces::ChunkReport| r.first.expect("reported").energies;
        for (x, y) in reports.iter().zip(&expected) {
            let (x, y) = (energies(x), energies(y));
            assert_relative(name, x.total(), y.total(), 2e-5);
            assert_relative(name, x.electrode_charges[1], y.electrode_charges[1], 2e-5);
        }
        let change =
            relative_error(energies(&reports[2]).electrode_charges[1], energies(&reports[0]).electrode_charges[1]);
        assert!(change > 1e-3, "{name}: charges follow, {change:.1e}");
    }
}

/// Graphene sheets with an electrolyte, every charge of the sheets free: the half list, atoms that touch.
#[test]
fn graphene_at_two_volts_matches_the_twin() {
    let (system, state) = graphene(2.0);
    let state = rounded(&state);
    let Some(mut gpu) = backend(&system) else { return };
    load(&mut gpu, &system, &state, 1.05);
    let (found, value) = (gpu.charges().expect("loaded").expect("electrodes"), gpu.evaluate().expect("finite"));
    let mut twin = oracle(&system, &state, 1.05);
    let charges = Backend::charges(&mut twin).expect("loaded").expect("electrodes");
    let exact = twin.evaluate().expect("finite");
    let scale = charges[..480].iter().fold(0.0_f64, |m, q| m.max(q.abs()));
    let apart = found.iter().zip(&charges).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let sum = found[..480].iter().sum::<f64>();
    println!(
        "charges within {apart:.1e} e, the largest {scale:.3} e, sum {sum:.1e} e, total {:.1e}, forces {:.1e}",
        relative_error(value.energies.total(), exact.energies.total()),
        rms_error(&value.forces, &exact.forces)
    );
    assert!(apart < 1e-6 && sum.abs() < 1e-6, "{apart:.1e}, {sum:.1e}");
    assert_relative("total", value.energies.total(), exact.energies.total(), 5e-6);
    assert_forces("forces", &value.forces, &exact.forces, 2e-5);
}

/// The same bits again, and after a cut at a checkpoint; charges of electrodes in the log among them.
#[test]
fn runs_with_electrodes_repeat_and_resume_bit_for_bit() {
    let (system, state) = moving(capacitor(mesh(), external(true, 0.0, [-0.5, 0.5])));
    let bath = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.1 };
    let base = plan(&system, &state, bath, 80, 10);
    let schedule = Schedule { neighbor: 10, com: 0, couple: 10, checkpoint: 40, ..base.schedule.clone() };
    let plan = StagePlan { schedule, list_radius: 0.8, dt: 0.001, ..base };
    let engine = |state: &State| Some(Engine::new(&system, Box::new(backend(&system)?), state.clone()));
    let go = |engine: &mut Engine<'_>, start: u64| {
        let mut memory = Memory::default();
        engine.run_stage(&plan, start, &mut memory).expect("the run is stable");
        memory
    };
    let Some(mut whole) = engine(&state) else { return };
    let memory = go(&mut whole, 0);
    let Some(mut again) = engine(&state) else { return };
    assert_eq!(go(&mut again, 0).rows, memory.rows);
    assert_eq!(again.state, whole.state);
    let cut = memory.checkpoints[0].clone();
    assert_eq!(cut.stage_step, 40);
    let Some(mut resumed) = engine(&cut.state) else { return };
    (resumed.kinetic, resumed.heat, resumed.lagged_list) = (cut.kinetic, cut.heat, cut.lagged_list);
    let sums: Vec<f64> = cut.electrodes.iter().map(|e| e.1.iter().sum()).collect();
    let logged = memory.rows.iter().find(|row| row.step == cut.state.step).expect("a row").energies.electrode_charges;
    assert_eq!(sums, logged[..2], "the charges of the step that follows");
    resumed.stored = Some(StoredCharges { electrodes: cut.electrodes, same_backend: true });
    let rest = go(&mut resumed, 40);
    assert_eq!(rest.warnings, Vec::<String>::new(), "and the same bits");
    assert_eq!(resumed.state, whole.state);
    assert_eq!(rest.rows, memory.rows[memory.rows.len() - rest.rows.len()..]);
    // a run that was asked to stop stops at a list, with a checkpoint as good as one that was due
    let Some(mut stopped) = engine(&state) else { return };
    let mut until = Memory { stops_after: Some(0), ..Memory::default() };
    let end = stopped.run_stage(&plan, 0, &mut until).expect_err("it stops");
    let cut = until.checkpoints.pop().expect("a checkpoint");
    assert!(
        matches!(end, DynamicsError::Interrupted { step, .. } if step == cut.stage_step && step == cut.state.step),
        "{end}"
    );
    assert!(
        until.checkpoints.is_empty() && cut.stage_step.is_multiple_of(10) && cut.stage_step < 40,
        "step {}",
        cut.stage_step
    );
    let Some(mut resumed) = engine(&cut.state) else { return };
    (resumed.kinetic, resumed.heat, resumed.lagged_list) = (cut.kinetic, cut.heat, cut.lagged_list);
    resumed.stored = Some(StoredCharges { electrodes: cut.electrodes, same_backend: true });
    let rest = go(&mut resumed, cut.stage_step);
    assert_eq!(rest.warnings, Vec::<String>::new(), "and the same bits");
    assert_eq!(resumed.state, whole.state);
    let charge = |k: usize| memory.rows[k].energies.electrode_charges[1];
    assert!(charge(0) != charge(memory.rows.len() - 1), "charges are logged and change");
}

/// An analysis gets every frame with the charges of that very frame, while batches of steps are in flight.
#[test]
fn sampled_frames_bring_the_charges_of_their_electrodes() {
    let (system, state) = moving(capacitor(mesh(), external(true, 0.0, [-0.5, 0.5])));
    let bath = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.1 };
    let base = plan(&system, &state, bath, 60, 10);
    let schedule =
        Schedule { neighbor: 10, com: 0, couple: 10, samples: vec![4], trajectory: 0, ..base.schedule.clone() };
    let plan = StagePlan { schedule, list_radius: 0.8, dt: 0.001, ..base };
    let Some(device) = backend(&system) else { return };
    assert!(device.depth() > 1, "steps are taken ahead");
    let mut memory = Memory::default();
    let mut engine = Engine::new(&system, Box::new(device), state.clone());
    engine.run_stage(&plan, 0, &mut memory).expect("the run is stable");
    let steps: Vec<u64> = memory.frames.iter().map(|f| f.0).collect();
    assert_eq!(steps, (0..=15).map(|k| 4 * k).collect::<Vec<u64>>());
    assert_eq!(memory.charges.iter().map(|c| c.0).collect::<Vec<u64>>(), steps, "all of them");
    // the same charges by the f64 twin, and those of the frame before are others
    let at = |positions: &[DVec3]| {
        let state = State { positions: positions.to_vec(), ..state.clone() };
        oracle(&system, &state, 0.8).charges().expect("charges")
    };
    let expected: Vec<Vec<f64>> = memory.frames.iter().map(|f| at(&f.1)).collect();
    let largest = expected[0].iter().fold(0.0, |most: f64, q| most.max(q.abs()));
    let off = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / largest;
    for (k, (step, charges)) in memory.charges.iter().enumerate() {
        assert!(off(charges, &expected[k]) < 2e-5, "step {step}: {:.1e}", off(charges, &expected[k]));
        assert!(k == 0 || off(charges, &expected[k - 1]) > 2e-4, "step {step}: the control shows nothing");
    }
    // looking at frames changes nothing of what is logged
    let Some(device) = backend(&system) else { return };
    let quiet = StagePlan { schedule: Schedule { samples: Vec::new(), ..plan.schedule.clone() }, ..plan.clone() };
    let mut unseen = Memory::default();
    Engine::new(&system, Box::new(device), state.clone()).run_stage(&quiet, 0, &mut unseen).expect("stable");
    assert_eq!(unseen.rows, memory.rows);
}
