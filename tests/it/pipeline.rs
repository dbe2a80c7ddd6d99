//! Batches in flight, lists one interval ahead, coupling on the device: what the gpu backend does without waiting must be
//! what a backend that waits does, and must repeat bit for bit.

use crate::dynamics::{CSVR, LANGEVIN, Memory, TEMPERATURE, plan, water};
use crate::support::gpu::{backend, half, load, rounded, with_options};
use crate::support::systems::{electrolyte, on_a_grid, skewed_cell, small_electrolyte, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{Engine, StageSummary};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::gpu::{GpuOptions, PairKernel};
use hexaqua::forces::{Backend, Batch, Chunk, CsvrDraw, ForceError, LangevinStep, PRUNE_INTERVAL, Wanted};
use hexaqua::neighbor::buffer;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::spec::ThermostatSpec;
use hexaqua::system::{Coulomb, State, System};
use hexaqua::units::BOLTZMANN;
use std::sync::Arc;

/// Lists of ten steps, everything due at odd places.
fn short_plan(system: &System, state: &State, thermostat: ThermostatSpec, n_steps: u64, lag: u32) -> StagePlan {
    let neighbor = 10;
    let density = state.n_atoms() as f64 / state.cell.volume();
    let life = neighbor as u32 * (1 + lag);
    let schedule = Schedule {
        n_steps,
        neighbor,
        couple: if matches!(thermostat, ThermostatSpec::Csvr { .. }) { 8 } else { 0 },
        pressure: 0,
        com: 30,
        log: 25,
        trajectory: 0,
        checkpoint: 50,
        samples: vec![35],
    };
    StagePlan {
        schedule,
        list_radius: buffer::list_radius(system, density, TEMPERATURE, 0.002, life, buffer::DEFAULT_TOLERANCE),
        ..plan(system, state, thermostat, n_steps, 25)
    }
}

fn gpu_engine<'a>(system: &'a System, state: State, threads: usize) -> Option<Engine<'a>> {
    gpu_engine_with(system, state, threads, GpuOptions::default())
}

/// A device with the pair kernel of choice, its list pruned as `hexaqua run` does it if that is the half list.
fn gpu_engine_with<'a>(system: &'a System, state: State, threads: usize, options: GpuOptions) -> Option<Engine<'a>> {
    let mut gpu = with_options(system, &Shaders::embedded(), options)?;
    if options.pairs == Some(PairKernel::Half) {
        let density = buffer::densest(&state.positions, &state.cell);
        let life = PRUNE_INTERVAL + 1;
        gpu.prune_to(Some(buffer::list_radius(system, density, TEMPERATURE, 0.002, life, buffer::INNER_TOLERANCE)));
    }
    let mut engine = Engine::new(system, Box::new(gpu), state);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    engine.list_threads = Some(Arc::new(pool));
    Some(engine)
}

fn go(engine: &mut Engine<'_>, plan: &StagePlan, start: u64) -> (Memory, StageSummary) {
    let mut memory = Memory::default();
    let summary = engine.run_stage(plan, start, &mut memory).expect("the run is stable");
    (memory, summary)
}

fn bits(state: &State) -> Vec<u64> {
    let vectors = state.positions.iter().chain(&state.velocities);
    vectors.flat_map(|v| v.to_array().map(f64::to_bits)).collect()
}

/// A run, the same run with another number of threads, and a run that is cut at a checkpoint and goes on elsewhere.
#[test]
fn runs_with_lists_ahead_repeat_and_resume_bit_for_bit() {
    let variants = [(CSVR, GpuOptions::default()), (LANGEVIN, half(true)), (CSVR, half(false))];
    for (thermostat, options) in variants {
        let gpu_engine = |system, state, threads| gpu_engine_with(system, state, threads, options);
        let (system, state) = water(4);
        let plan = short_plan(&system, &state, thermostat, 200, 1);
        let Some(mut engine) = gpu_engine(&system, state.clone(), 1) else { return };
        let (whole, summary) = go(&mut engine, &plan, 0);
        // the list of the start serves two intervals
        assert_eq!(summary.n_lists, 19, "{thermostat:?}, {options:?}");
        let Some(mut other) = gpu_engine(&system, state.clone(), 2) else { return };
        let (again, _) = go(&mut other, &plan, 0);
        assert_eq!(bits(&engine.state), bits(&other.state), "{thermostat:?}, {options:?}: threads");
        assert_eq!(whole.rows, again.rows);
        assert_eq!(whole.frames, again.frames);

        let cut = whole.checkpoints[1].clone();
        assert_eq!(cut.stage_step, 100);
        let list = cut.lagged_list.clone().expect("lists lag on this backend");
        assert_ne!(*list.origin.positions, cut.state.positions, "the list in use is older than the checkpoint");
        let Some(mut resumed) = gpu_engine(&system, cut.state.clone(), 2) else { return };
        (resumed.kinetic, resumed.heat, resumed.lagged_list) = (cut.kinetic, cut.heat, cut.lagged_list.clone());
        let (rest, _) = go(&mut resumed, &plan, 100);
        assert_eq!(bits(&resumed.state), bits(&engine.state), "{thermostat:?}, {options:?}: restart");
        assert_eq!(rest.rows, whole.rows[whole.rows.len() - rest.rows.len()..]);
        assert_eq!(rest.checkpoints.last(), whole.checkpoints.last());

        // negative control: a continuation that forgets which list was in use is another trajectory
        let Some(mut forgetful) = gpu_engine(&system, cut.state.clone(), 2) else { return };
        (forgetful.kinetic, forgetful.heat) = (cut.kinetic, cut.heat);
        go(&mut forgetful, &plan, 100);
        assert_ne!(bits(&forgetful.state), bits(&engine.state));
    }
}

/// A thousand steps of an electrolyte: in one go, and in two with a restart between them.
#[test]
fn a_thousand_steps_are_five_hundred_a_restart_and_five_hundred() {
    let coulomb = Coulomb::ReactionField { epsilon: f64::INFINITY };
    let system = small_electrolyte(truncated(0.7, coulomb));
    let cell = skewed_cell();
    let mut state = State::at_rest(cell, on_a_grid(&system, &cell, [4, 4, 3], 5));
    let gentle = ThermostatSpec::Langevin { temperature: 100.0, friction: 50.0 };
    let settle = StagePlan { dt: 2e-4, ..short_plan(&system, &state, gentle, 600, 0) };
    let cpu = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs ions and water");
    let mut engine = Engine::new(&system, Box::new(cpu), state);
    go(&mut engine, &settle, 0);
    state = engine.state;
    (state.step, state.time) = (0, 0.0);

    let gpu_engine = |state, threads| gpu_engine_with(&system, state, threads, half(true));
    let mut plan = short_plan(&system, &state, CSVR, 1000, 1);
    (plan.schedule.neighbor, plan.schedule.checkpoint) = (20, 500);
    let Some(mut whole) = gpu_engine(state.clone(), 1) else { return };
    let (memory, _) = go(&mut whole, &plan, 0);
    let Some(mut again) = gpu_engine(state.clone(), 2) else { return };
    go(&mut again, &plan, 0);
    assert_eq!(bits(&again.state), bits(&whole.state), "threads");
    let cut = memory.checkpoints[0].clone();
    assert_eq!(cut.stage_step, 500);
    let Some(mut resumed) = gpu_engine(cut.state, 2) else { return };
    (resumed.kinetic, resumed.heat, resumed.lagged_list) = (cut.kinetic, cut.heat, cut.lagged_list);
    let (rest, _) = go(&mut resumed, &plan, 500);
    assert_eq!(bits(&resumed.state), bits(&whole.state));
    assert_eq!((resumed.kinetic, resumed.heat), (whole.kinetic, whole.heat));
    assert_eq!(rest.rows, memory.rows[memory.rows.len() - rest.rows.len()..]);
}

/// The same engine on a backend that waits: trajectories, rows and frames stay together for 80 steps.
#[test]
fn the_device_does_what_a_backend_does_that_waits() {
    for (thermostat, options) in [(CSVR, half(true)), (LANGEVIN, GpuOptions::default())] {
        let (system, state) = water(11);
        let state = rounded(&state);
        let Some(mut gpu) = gpu_engine_with(&system, state.clone(), 2, options) else { return };
        let (a, _) = go(&mut gpu, &short_plan(&system, &state, thermostat, 80, 1), 0);
        let cpu = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs water");
        let mut cpu = Engine::new(&system, Box::new(cpu), state.clone());
        let (b, _) = go(&mut cpu, &short_plan(&system, &state, thermostat, 80, 0), 0);
        let apart = |x: &State, y: &State| {
            x.positions.iter().zip(&y.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max)
        };
        let distance = apart(&gpu.state, &cpu.state);
        println!("{thermostat:?}: {distance:.1e} nm apart after 80 steps");
        assert!(distance < 1e-4 && apart(&gpu.state, &state) > 0.03, "{thermostat:?}: {distance}");
        assert_eq!(a.rows.len(), b.rows.len());
        for (x, y) in a.rows.iter().zip(&b.rows) {
            assert_eq!((x.step, x.time), (y.step, y.time));
            let close = |a: f64, b: f64, what: &str| {
                assert!((a - b).abs() < 2e-5 * y.energies.total().abs(), "{thermostat:?}: {what} {a} {b}");
            };
            close(x.kinetic, y.kinetic, "kinetic");
            close(x.energies.total(), y.energies.total(), "potential");
            close(x.conserved, y.conserved, "conserved");
        }
        let steps = |m: &Memory| m.frames.iter().map(|f| f.0).collect::<Vec<u64>>();
        assert_eq!(steps(&a), steps(&b));
        let moments = |m: &Memory| m.checkpoints.iter().map(|c| c.stage_step).collect::<Vec<u64>>();
        assert_eq!(moments(&a), moments(&b));
    }
}

/// Coupling and removal of the centre of mass inside batches are booked: the conserved quantity stays while energy flows.
#[test]
fn the_conserved_quantity_books_coupling_on_the_device() {
    let (system, mut state) = water(12);
    // far from the target, so that the bath has much to do
    for v in &mut state.velocities {
        *v *= 0.9;
    }
    let Some(mut engine) = gpu_engine(&system, state.clone(), 2) else { return };
    let plan = short_plan(&system, &state, CSVR, 400, 1);
    let (memory, _) = go(&mut engine, &plan, 0);
    let spread =
        |value: &dyn Fn(usize) -> f64| (0..memory.rows.len()).map(|k| (value(k) - value(0)).abs()).fold(0.0, f64::max);
    let kept = spread(&|k| memory.rows[k].conserved);
    let moved = spread(&|k| memory.rows[k].energies.total() + memory.rows[k].kinetic);
    println!("conserved within {kept:.2} kJ/mol while the total energy moved by {moved:.1}");
    assert!(moved > 100.0 && kept < 0.03 * moved, "{kept} against {moved}");
}

/// 27 atoms that never meet: their kinetic energy changes by the thermostat alone and must be canonical.
fn check_canonical_gas(thermostat: ThermostatSpec, correlation_steps: f64) {
    let system = electrolyte(&[1; 27], truncated(0.3, Coulomb::Cutoff));
    let mut system = system;
    system.topology.charges.fill(0.0);
    let at = |k: usize| DVec3::new((k % 3) as f64, (k / 3 % 3) as f64, (k / 9) as f64) * 40.0 + DVec3::splat(20.0);
    let mut state = State::at_rest(Cell::cubic(120.0).expect("valid"), (0..27).map(at).collect());
    let mut draws = Draws::new(5, Stream::Velocities, 0);
    let speed = (BOLTZMANN * TEMPERATURE / 35.45_f64).sqrt();
    for v in &mut state.velocities {
        *v = DVec3::new(draws.normal(), draws.normal(), draws.normal()) * speed;
    }
    let n_steps = 6000;
    let schedule = Schedule {
        n_steps,
        neighbor: 100,
        couple: if matches!(thermostat, ThermostatSpec::Csvr { .. }) { 1 } else { 0 },
        pressure: 0,
        com: 0,
        log: 1,
        trajectory: 0,
        checkpoint: 0,
        samples: vec![],
    };
    let plan = StagePlan { schedule, list_radius: 0.5, dt: 1e-4, ..plan(&system, &state, thermostat, n_steps, 1) };
    let Some(mut engine) = gpu_engine(&system, state, 1) else { return };
    let (memory, _) = go(&mut engine, &plan, 0);
    let kinetic: Vec<f64> = memory.rows[500..].iter().map(|r| r.kinetic).collect();
    let n = kinetic.len() as f64;
    let mean = kinetic.iter().sum::<f64>() / n;
    let variance = kinetic.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let (n_f, kt) = (81.0, BOLTZMANN * TEMPERATURE);
    let (exact_mean, exact_variance) = (0.5 * n_f * kt, 0.5 * n_f * kt * kt);
    let independent = n / (2.0 * correlation_steps);
    println!("{thermostat:?}: <K> {:.4} of exact, var {:.3} of exact", mean / exact_mean, variance / exact_variance);
    assert!((mean - exact_mean).abs() < 4.0 * (exact_variance / independent).sqrt(), "{mean} against {exact_mean}");
    assert!((variance / exact_variance - 1.0).abs() < 4.0 * (2.0 / independent).sqrt(), "variance {variance}");
    // nothing but the bath acts: what it gave is what the kinetic energy gained
    let first = memory.rows[0].conserved;
    let drift = memory.rows.iter().map(|r| (r.conserved - first).abs()).fold(0.0, f64::max);
    assert!(drift < 2e-3 * exact_mean, "conserved within {drift}");
}

#[test]
fn csvr_on_the_device_samples_the_canonical_kinetic_energy() {
    // K forgets itself within time constant / coupling interval = 5 steps
    check_canonical_gas(ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 5e-4 }, 5.0);
}

#[test]
fn langevin_on_the_device_samples_the_canonical_kinetic_energy() {
    // K decays with 2 friction dt per step
    check_canonical_gas(ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 1000.0 }, 5.0);
}

/// A list that is too small for what atoms do in its life is noticed, and the next ones are wider.
#[test]
fn outrunning_a_list_widens_the_next_ones() {
    let (system, state) = water(13);
    let narrow = StagePlan { list_radius: 0.905, ..short_plan(&system, &state, CSVR, 100, 1) };
    let Some(mut engine) = gpu_engine(&system, state.clone(), 2) else { return };
    let (memory, summary) = go(&mut engine, &narrow, 0);
    assert!(summary.n_widened > 0, "{summary:?}");
    let list = memory.checkpoints[0].lagged_list.as_ref().expect("lists lag on this backend");
    assert!(list.next_radius > 0.92 && list.origin.radius <= list.next_radius, "{list:?}");
    let Some(mut engine) = gpu_engine(&system, state.clone(), 2) else { return };
    let generous = StagePlan { list_radius: 1.3, ..narrow };
    assert_eq!(go(&mut engine, &generous, 0).1.n_widened, 0);
}

fn batch(chunks: &[Chunk]) -> Batch {
    Batch { chunks: chunks.to_vec(), wanted: Wanted::State, charges: false }
}

/// Two batches on the device at a time are what one after the other is, long ones in parts included.
#[test]
fn batches_in_flight_are_chunks_in_a_row() {
    let (system, start) = water(14);
    let start = rounded(&start);
    let draw = CsvrDraw { decay: 0.9, gain: 150.0, cross: 3.0 };
    let bath = LangevinStep { temperature: TEMPERATURE, friction: 2.0, seed: 3 };
    let chunks = [
        Chunk { report: true, max_displacement: 0.5, ..Chunk::new(0, 3, 0.002) },
        Chunk { csvr: Some(draw), report: true, max_displacement: 0.5, ..Chunk::new(3, 1, 0.002) },
        Chunk { remove_com: true, csvr: Some(draw), max_displacement: 0.5, ..Chunk::new(4, 4, 0.002) },
        Chunk { langevin: Some(bath), report: true, max_displacement: 0.5, ..Chunk::new(8, 2, 0.002) },
    ];
    let Some(mut one) = backend(&system) else { return };
    load(&mut one, &system, &start, 1.0);
    let expected: Vec<_> = chunks.iter().map(|c| one.advance(c).expect("runs")).collect();
    let mut after = start.clone();
    one.store(&mut after).expect("stores");
    let Some(mut two) = backend(&system) else { return };
    load(&mut two, &system, &start, 1.0);
    two.enqueue(batch(&chunks[..3])).expect("queued");
    two.enqueue(batch(&chunks[3..])).expect("queued behind it");
    let mut state = start.clone();
    let mut reports = two.collect(&mut state).expect("runs").chunks;
    assert_ne!(bits(&state), bits(&after));
    reports.extend(two.collect(&mut state).expect("runs").chunks);
    assert_eq!(bits(&state), bits(&after));
    for (got, wanted) in reports.iter().zip(&expected) {
        assert_eq!((got.first, got.velocity_scale), (wanted.first, wanted.velocity_scale));
        assert_eq!((got.kinetic_end, got.bath_heat), (wanted.kinetic_end, wanted.bath_heat));
    }
    assert!(expected[2].velocity_scale != 1.0 && expected[3].velocity_scale == 1.0);
}

/// A blow-up in the older of two batches is the one that is reported, and the device is left before its step.
#[test]
fn a_blow_up_in_flight_is_traced_to_its_step() {
    let system = electrolyte(&[0, 0], truncated(0.5, Coulomb::Cutoff));
    let positions = vec![DVec3::splat(0.5), DVec3::new(2.5, 0.5, 1.0)];
    let start = State::at_rest(Cell::cubic(4.0).expect("valid"), positions);
    let start = State { velocities: vec![DVec3::ZERO, DVec3::new(0.5, 0.0, 0.0)], ..start };
    let Some(mut gpu) = backend(&system) else { return };
    load(&mut gpu, &system, &start, 0.6);
    // 0.001 nm per step: step 1300 goes beyond the limit, with 300 steps of another batch behind it
    let part = |first, n| Chunk { max_displacement: 0.3005, ..Chunk::new(first, n, 0.002) };
    gpu.enqueue(batch(&[part(1000, 150), part(1150, 200)])).expect("queued");
    gpu.enqueue(batch(&[part(1350, 300)])).expect("queued");
    let mut kept = start.clone();
    match gpu.collect(&mut kept) {
        Err(ForceError::BlowUp { step: 1300, atom: Some(1), detail }) => {
            assert!(detail.contains("moved 0.301 nm in 301 steps"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert!(gpu.queue().is_empty());
    gpu.store(&mut kept).expect("stores");
    assert!((kept.positions[1].x - 2.8).abs() < 1e-6 && (kept.velocities[1].x - 0.5).abs() < 1e-6);
}

#[test]
fn a_lost_device_says_so() {
    let (system, start) = water(15);
    let Some(mut gpu) = backend(&system) else { return };
    load(&mut gpu, &system, &start, 1.0);
    let chunk = Chunk { max_displacement: 0.5, ..Chunk::new(0, 2, 0.002) };
    gpu.advance(&chunk).expect("runs");
    gpu.enqueue(batch(&[Chunk { first_step: 2, ..chunk }])).expect("queued");
    gpu.lose_device();
    let mut state = start.clone();
    let mut lost = gpu.collect(&mut state).err();
    // the batch may have been finished before the device went; the next one cannot be
    lost = lost.or_else(|| gpu.advance(&Chunk { first_step: 4, ..chunk }).err());
    assert!(matches!(lost, Some(ForceError::DeviceLost(_))), "{lost:?}");
}
