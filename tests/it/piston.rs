//! A slab under pressure: the ensemble it samples, what is conserved, restarts, and inputs that have one.

use crate::dynamics::{KeptMoment, Memory, plan};
use crate::support::systems::{ion, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::piston::set_gap;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{Engine, LogRow};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, ForceError};
use hexaqua::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::external::Piston;
use hexaqua::system::spec::ThermostatSpec;
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Coulomb, External, LjModifier, State, System, Topology};
use hexaqua::units::{BOLTZMANN, PRESSURE_BAR};
use std::path::Path;
use std::process::Command;

const SIDE: usize = 8;
/// nm, between the atoms of a slab
const SPACING: f64 = 0.2;
const N_SLAB: usize = SIDE * SIDE;
/// nm, of the lower slab
const FLOOR: f64 = 1.5;
/// K
const TEMPERATURE: f64 = 300.0;
const CUTOFF: f64 = 0.75;

/// What repels a particle from an atom of a slab: c12, kJ/mol nm¹².
fn repulsion() -> PairCoefficients {
    PairCoefficients { c6: 0.0, c12: PairCoefficients::from_sigma_epsilon(0.3, 1.0).c12, c4: 0.0 }
}

/// `n` particles between two slabs of one layer each, the upper one a piston.
///
/// * `among` – what particles do to each other
/// * `pressure` – bar
fn between_slabs(n: usize, gap: f64, pressure: f64, among: PairCoefficients) -> (System, State) {
    let edge = SIDE as f64 * SPACING;
    let cell = Cell::orthorhombic(edge, edge, 9.0).expect("valid");
    let atom = |mass| SpeciesAtom { name: "S".into(), element: "C".into(), type_id: 0, charge: 0.0, mass };
    let slab = |name: &str| Species {
        name: name.into(),
        residue: "SLB".into(),
        atoms: vec![atom(2.0); N_SLAB],
        ..Species::default()
    };
    let sequence: Vec<u32> = [0, 1].into_iter().chain(vec![2; n]).collect();
    let species = vec![slab("lower"), slab("upper"), ion("gas", "Ar", 1, 0.0, 40.0)];
    let mut topology = Topology::new(vec!["S".into(), "Ar".into()], species, &sequence);
    topology.frozen[..2 * N_SLAB].fill(true);
    let mut pair_table =
        PairTable::mixed(&[(0.0, 0.0), (0.0, 0.0)], |_, _| hexaqua::potential::mixing::Mixing::Geometric);
    pair_table.set(0, 1, repulsion(), PairOrigin::Explicit);
    pair_table.set(1, 1, among, PairOrigin::Explicit);
    let layer =
        |z: f64| (0..N_SLAB).map(move |k| DVec3::new((k % SIDE) as f64 * SPACING, (k / SIDE) as f64 * SPACING, z));
    let mut positions: Vec<DVec3> = layer(FLOOR).chain(layer(FLOOR + gap)).collect();
    // on a grid of 4 x 4 columns
    let layers = n.div_ceil(16);
    for k in 0..n {
        let z = FLOOR + 0.3 + (gap - 0.6) * ((k / 16) as f64 + 0.5) / layers as f64;
        positions.push(DVec3::new((k % 4) as f64 * 0.4 + 0.1, ((k / 4) % 4) as f64 * 0.4 + 0.1, z));
    }
    let atoms: Vec<u32> = (N_SLAB as u32..2 * N_SLAB as u32).collect();
    let piston = Piston {
        shape: positions[N_SLAB..2 * N_SLAB].to_vec(),
        atoms,
        direction: -1.0,
        pressure: pressure / PRESSURE_BAR,
        area: edge * edge,
        closed: FLOOR,
        widest: 6.0,
    };
    let interactions =
        hexaqua::system::Interactions { lj_modifier: LjModifier::PotentialShift, ..truncated(CUTOFF, Coulomb::Cutoff) };
    let external = External { piston: Some(piston), ..External::default() };
    let system = System { topology, pair_table, interactions, restraints: Vec::new(), external };
    let mut state = State::at_rest(cell, positions);
    let mut draws = Draws::new(3, Stream::Build, 0);
    let width = (12.0 * BOLTZMANN * TEMPERATURE / 40.0).sqrt();
    for v in &mut state.velocities[2 * N_SLAB..] {
        *v = width * DVec3::new(draws.uniform() - 0.5, draws.uniform() - 0.5, draws.uniform() - 0.5);
    }
    (system, state)
}

/// `friction` of the piston in ps⁻¹
fn stage(system: &System, state: &State, bath: ThermostatSpec, dt: f64, n_steps: u64, friction: f64) -> StagePlan {
    let base = plan(system, state, bath, n_steps, 20);
    let schedule = Schedule { com: 0, ..base.schedule.clone() };
    StagePlan { schedule, dt, list_radius: 1.0, piston_friction: friction, ..base }
}

fn cpu(system: &System, threads: usize) -> Box<dyn Backend> {
    Box::new(CpuBackend::new(system, Some(threads)).expect("the cpu backend runs a piston"))
}

fn run(engine: &mut Engine<'_>, plan: &StagePlan, from: u64) -> Memory {
    let mut memory = Memory::default();
    engine.run_stage(plan, from, &mut memory).expect("the run is stable");
    memory
}

const NVE: ThermostatSpec = ThermostatSpec::None { initial_temperature: TEMPERATURE };
const LANGEVIN: ThermostatSpec = ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 0.5 };
const CSVR: ThermostatSpec = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.1 };
const NONE: PairCoefficients = PairCoefficients { c6: 0.0, c12: 0.0, c4: 0.0 };

/// Height that a slab takes from particles that it repels, ∫ (1 − ⟨exp(−U/kT)⟩) dz, nm.
fn taken_by_a_slab() -> f64 {
    const N: usize = 16;
    let kt = BOLTZMANN * TEMPERATURE;
    let weight = |z: f64| {
        let mut sum = 0.0;
        for (i, j) in (0..N).flat_map(|i| (0..N).map(move |j| (i, j))) {
            let at = [i, j].map(|k| (k as f64 + 0.5) / N as f64 * SPACING);
            let mut u = 0.0;
            for (a, b) in (-4..=4).flat_map(|a| (-4..=4).map(move |b| (a, b))) {
                let d = DVec3::new(at[0] - f64::from(a) * SPACING, at[1] - f64::from(b) * SPACING, z);
                if d.length() < CUTOFF {
                    u += repulsion().c12 * (d.length_squared().powi(-6) - CUTOFF.powi(-12));
                }
            }
            sum += (-u / kt).exp() / (N * N) as f64;
        }
        1.0 - sum
    };
    let dz = 0.002;
    (0..375).map(|k| dz * weight((f64::from(k) + 0.5) * dz)).sum()
}

/// Mean and its error by ten blocks.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let blocks: Vec<f64> = values.chunks_exact(values.len() / 10).map(mean).collect();
    let center = mean(&blocks);
    (center, (blocks.iter().map(|b| (b - center).powi(2)).sum::<f64>() / 90.0).sqrt())
}

/// N particles that do not see each other: p(L) ∝ (L − 2c)^N exp(−P A L/kT), so ⟨L⟩ = 2c + (N + 1) kT/(P A) and
/// var L = (N + 1) (kT/P A)², where c is what a slab takes; and the mean force on the slab is P A.
#[test]
fn an_ideal_gas_holds_the_piston_where_its_ensemble_says() {
    let (n, pressure) = (40, 900.0);
    let (system, state) = between_slabs(n, 1.3, pressure, NONE);
    let area = system.external.piston.as_ref().expect("a piston").area;
    let step = BOLTZMANN * TEMPERATURE / (pressure / PRESSURE_BAR * area);
    let taken = 2.0 * taken_by_a_slab();
    let expected = |pressure_ratio: f64| taken + (n + 1) as f64 * step / pressure_ratio;
    let plan = stage(&system, &state, LANGEVIN, 0.004, 250_000, 1.0);
    let mut engine = Engine::new(&system, cpu(&system, 1), state);
    let memory = run(&mut engine, &plan, 0);
    let rows = &memory.rows[memory.rows.len() / 20..];
    let of = |value: &dyn Fn(&LogRow) -> f64| mean_and_error(&rows.iter().map(value).collect::<Vec<_>>());
    let reading = |r: &LogRow| r.energies.piston_reading.expect("a piston");
    let (gap, error) = of(&|r| reading(r).gap);
    let (variance, variance_error) = of(&|r| (reading(r).gap - expected(1.0)).powi(2));
    let (felt, felt_error) = of(&|r| reading(r).pressure * PRESSURE_BAR);
    let (temperature, temperature_error) = of(&|r| r.temperature);
    let exact_variance = (n + 1) as f64 * step * step;
    println!(
        "gap {gap:.3} +- {error:.3} nm, exact {:.3}; variance {variance:.4} +- {variance_error:.4}, exact {exact_variance:.4}; \
         pressure {felt:.1} +- {felt_error:.1} of {pressure} bar; {temperature:.1} +- {temperature_error:.1} K",
        expected(1.0)
    );
    assert!(error < 0.03 * expected(1.0) && (gap - expected(1.0)).abs() < 4.0 * error, "{gap} +- {error}");
    assert!((variance - exact_variance).abs() < 4.0 * variance_error, "{variance} +- {variance_error}");
    assert!(felt_error < 0.03 * pressure && (felt - pressure).abs() < 4.0 * felt_error, "{felt} +- {felt_error}");
    assert!((temperature - TEMPERATURE).abs() < 4.0 * temperature_error, "{temperature} +- {temperature_error}");
    // another pressure, and walls without thickness, are told apart
    assert!((gap - expected(1.2)).abs() > 4.0 * error && (gap - (expected(1.0) - taken)).abs() > 4.0 * error);
    assert!((engine.gaps.mean().expect("sampled") - gap).abs() < 6.0 * error);
}

/// H + P A L without friction, in f64 and on the cpu; without its last term it is not conserved.
#[test]
fn energy_with_that_of_the_pressure_is_conserved() {
    let among = PairCoefficients::from_sigma_epsilon(0.3, 1.0);
    for (name, steps) in [("reference", 600), ("cpu", 4000), ("cpu, charged slabs", 2000)] {
        let (system, state) = between_slabs(64, 2.0, 500.0, among);
        let system = if name.contains("charged") { oxide(system, 0..2 * N_SLAB) } else { system };
        let backend: Box<dyn Backend> = match name {
            "reference" => Box::new(ReferenceBackend::new(&system).expect("valid")),
            _ => cpu(&system, 1),
        };
        let plan = stage(&system, &state, NVE, 0.002, steps, 0.0);
        let mut engine = Engine::new(&system, backend, state);
        let memory = run(&mut engine, &plan, 0);
        let spread = |value: &dyn Fn(&LogRow) -> f64| {
            let values: Vec<f64> = memory.rows.iter().map(value).collect();
            values.iter().fold(f64::MIN, |m, x| m.max(*x)) - values.iter().fold(f64::MAX, |m, x| m.min(*x))
        };
        let whole = spread(&|r| r.conserved);
        let work = spread(&|r| r.energies.piston.expect("a piston"));
        let without = spread(&|r| r.conserved - r.energies.piston.unwrap_or(0.0));
        println!("{name}: conserved within {whole:.4} kJ/mol while P A L changes by {work:.2}");
        assert!(work > 1.0 && whole < 0.02 * work, "{name}: {whole} of {work}");
        assert!(without > 20.0 * whole, "{name}: {without} against {whole}");
    }
}

/// Slabs of strong charges, neutral each, whose forces on a mesh do not cancel.
fn oxide(mut system: System, atoms: std::ops::Range<usize>) -> System {
    for k in atoms {
        let (x, y) = (k % SIDE, (k % N_SLAB) / SIDE);
        system.topology.charges[k] = if (x / 2 + y / 2) % 2 == 0 { 1.0 } else { -1.0 };
    }
    system.interactions.coulomb = Coulomb::Pme { beta: 4.0, grid: [16, 16, 72], order: 5 };
    system
}

/// The charges of a slab give it no force and no energy of their own, wherever it stands between two points of the mesh. (The lower
/// slab has none here: see the next test.)
#[test]
fn a_charged_slab_feels_nothing_from_itself() {
    let (system, state) = between_slabs(16, 2.0, 0.0, NONE);
    let system = oxide(system, N_SLAB..2 * N_SLAB);
    let evaluate = |backend: &mut dyn Backend, shift: f64| {
        let mut state = state.clone();
        state.positions[N_SLAB..2 * N_SLAB].iter_mut().for_each(|r| r.z += shift);
        // far from the slab
        state.positions[2 * N_SLAB..].iter_mut().for_each(|r| r.z = FLOOR + 0.6);
        backend.load(&state).expect("loads");
        hexaqua::dynamics::neighbors::rebuild(backend, &system, &state, 0.9).expect("the list fits");
        let found = backend.evaluate().expect("finite");
        let bare: f64 = found.forces[N_SLAB..2 * N_SLAB].iter().map(|f| f.z).sum();
        let reading = found.energies.piston_reading.expect("a piston");
        (bare, reading.pressure * system.external.piston.as_ref().expect("a piston").area, found.energies.total())
    };
    let mut reference: Box<dyn Backend> = Box::new(ReferenceBackend::new(&system).expect("valid"));
    for (name, backend, rounding) in [("reference", &mut reference, 1e-4), ("cpu", &mut cpu(&system, 2), 1e-2)] {
        // a spacing of the mesh is 0.125 nm
        let all: Vec<(f64, f64, f64)> = (0..10).map(|k| evaluate(&mut **backend, 0.0137 * f64::from(k))).collect();
        let largest = |of: &dyn Fn(&(f64, f64, f64)) -> f64| all.iter().map(|x| of(x).abs()).fold(0.0, f64::max);
        let (bare, felt) = (largest(&|x| x.0), largest(&|x| x.1));
        let energy = largest(&|x| x.2 - all[0].2);
        println!(
            "{name}: {bare:.3} kJ/mol/nm without, {felt:.1e} with the correction; energy changes by {energy:.1e} kJ/mol"
        );
        assert!(bare > 1.0 && felt < rounding * bare, "{name}: {bare} {felt}");
        assert!(energy < rounding * bare * 0.125, "{name}: {energy}");
    }
}

/// Two slabs of charges in step feel a wave of the mesh from each other, unless the mesh is as fine as stages with a piston have it.
#[test]
fn charged_slabs_do_not_feel_the_mesh_from_each_other() {
    let (system, state) = between_slabs(16, 2.0, 0.0, NONE);
    let mut system = oxide(system, 0..2 * N_SLAB);
    // Layers in which all charges are in step: it is their wave along z that a mesh cuts off.
    for k in 0..2 * N_SLAB {
        system.topology.charges[k] = if (k % N_SLAB).is_multiple_of(2) { 0.5 } else { -0.5 };
    }
    let mut apart = state.clone();
    apart.positions[2 * N_SLAB..].iter_mut().for_each(|r| r.z = FLOOR + 1.0);
    for k in (0..2 * N_SLAB).filter(|k| k % N_SLAB % 2 == 1) {
        apart.positions[k].z += if k < N_SLAB { -0.06 } else { 0.06 };
    }
    let scatter = |system: &System| {
        let mut system = system.clone();
        let piston = system.external.piston.as_mut().expect("a piston");
        piston.shape = piston.atoms.iter().map(|&i| apart.positions[i as usize]).collect();
        let felt = |k: usize| {
            let mut state = apart.clone();
            state.positions[N_SLAB..2 * N_SLAB].iter_mut().for_each(|r| r.z += 0.025 * k as f64);
            let mut backend = ReferenceBackend::new(&system).expect("valid");
            backend.load(&state).expect("loads");
            hexaqua::dynamics::neighbors::rebuild(&mut backend, &system, &state, 0.9).expect("the list fits");
            backend.evaluate().expect("finite").energies.piston_reading.expect("a piston").pressure * PRESSURE_BAR
        };
        let all: Vec<f64> = (0..10).map(felt).collect();
        all.iter().copied().fold(f64::NEG_INFINITY, f64::max) - all.iter().copied().fold(f64::INFINITY, f64::min)
    };
    let coarse = scatter(&system);
    assert!(system.interactions.refine_for_slabs(&state.cell) && !system.interactions.refine_for_slabs(&state.cell));
    let fine = scatter(&system);
    println!(
        "pressure of one slab on the other over two spacings of the mesh: {coarse:.2} bar, {fine:.1e} on a finer mesh"
    );
    assert!(coarse > 10.0 && fine < coarse / 500.0, "{coarse} {fine}");
}

/// The cpu backend follows its twin, with and without baths.
#[test]
fn the_cpu_backend_moves_the_piston_as_its_twin_does() {
    let among = PairCoefficients::from_sigma_epsilon(0.3, 1.0);
    for (bath, friction) in [(NVE, 0.0), (LANGEVIN, 2.0), (CSVR, 1.0)] {
        let (system, state) = between_slabs(64, 2.0, 500.0, among);
        let plan = stage(&system, &state, bath, 0.002, 100, friction);
        let go = |system: &System, backend: Box<dyn Backend>| {
            let mut engine = Engine::new(system, backend, state.clone());
            let memory = run(&mut engine, &plan, 0);
            (engine.state, memory.rows)
        };
        let (a, rows) = go(&system, cpu(&system, 2));
        let (b, expected) = go(&system, Box::new(ReferenceBackend::new(&system).expect("valid")));
        let apart = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
        let moved = (a.positions[N_SLAB] - state.positions[N_SLAB]).length();
        println!("{bath:?}: {apart:.1e} nm apart, the piston moved {moved:.1e}");
        assert!(apart < 1e-6 && moved > 1e-4, "{bath:?}: {apart} {moved}");
        for (x, y) in rows.iter().zip(&expected) {
            assert!((x.kinetic - y.kinetic).abs() < 1e-4 * y.kinetic, "{bath:?}");
            assert!((x.conserved - y.conserved).abs() < 1e-4 * y.kinetic, "{bath:?}: {} {}", x.conserved, y.conserved);
            let [p, q] = [x, y].map(|r| r.energies.piston_reading.expect("a piston").pressure * PRESSURE_BAR);
            assert!((p - q).abs() < 1e-3 * q.abs() + 1.0, "{bath:?}: {p} {q}");
        }
        // a slab is rigid, and nothing of it moves sideways
        for k in N_SLAB..2 * N_SLAB {
            let way = a.positions[k] - state.positions[k];
            assert!(way.x == 0.0 && way.y == 0.0 && (way.z.abs() - moved).abs() < 1e-12);
            assert_eq!(a.velocities[k], a.velocities[N_SLAB]);
        }
        assert_eq!(a.positions[..N_SLAB], state.positions[..N_SLAB], "the lower slab stays");
        // what must not pass: another pressure
        let mut other = system.clone();
        other.external.piston.as_mut().expect("a piston").pressure *= 1.01;
        let (c, _) = go(&other, cpu(&other, 2));
        assert!((c.positions[N_SLAB] - b.positions[N_SLAB]).length() > 10.0 * apart);
    }
}

#[test]
fn runs_with_a_piston_repeat_on_any_threads_and_resume_bit_for_bit() {
    let among = PairCoefficients::from_sigma_epsilon(0.3, 1.0);
    for bath in [LANGEVIN, CSVR] {
        let (system, state) = between_slabs(64, 2.0, 500.0, among);
        let plan = stage(&system, &state, bath, 0.002, 1000, 1.0);
        let whole = |threads| {
            let mut engine = Engine::new(&system, cpu(&system, threads), state.clone());
            let memory = run(&mut engine, &plan, 0);
            (memory, engine.state, engine.gaps)
        };
        let (memory, end, gaps) = whole(1);
        let (other, other_end, _) = whole(3);
        assert_eq!((&other.rows, &other_end), (&memory.rows, &end), "{bath:?}: threads");
        assert!(gaps.mean().is_some_and(|mean| (mean - 2.0).abs() < 0.5));
        // after half of the stage, where the mean has begun
        let cut: KeptMoment = memory.checkpoints.iter().find(|c| c.stage_step == 600).expect("a checkpoint").clone();
        assert!(cut.state.velocities[N_SLAB].z != 0.0 && cut.gaps.mean().is_some());
        let mut engine = Engine::new(&system, cpu(&system, 2), cut.state);
        (engine.kinetic, engine.heat, engine.chain, engine.gaps) = (cut.kinetic, cut.heat, cut.chain, cut.gaps);
        let rest = run(&mut engine, &plan, cut.stage_step);
        assert_eq!((&engine.state, engine.gaps), (&end, gaps), "{bath:?}: resumed");
        assert_eq!(rest.rows, memory.rows[memory.rows.len() - rest.rows.len()..]);
    }
}

#[test]
fn a_piston_is_fixed_with_the_liquid_that_it_holds() {
    let (system, mut state) = between_slabs(64, 2.0, 500.0, NONE);
    let piston = system.external.piston.as_ref().expect("a piston");
    let before = state.clone();
    set_gap(&system.topology, piston, &mut state, 2.1);
    assert!((piston.gap(state.positions[N_SLAB].z) - 2.1).abs() < 1e-12);
    assert_eq!(state.positions[..N_SLAB], before.positions[..N_SLAB]);
    for (new, old) in state.positions[2 * N_SLAB..].iter().zip(&before.positions[2 * N_SLAB..]) {
        let stretched = DVec3::new(old.x, old.y, FLOOR + (old.z - FLOOR) * 1.05);
        assert!((*new - stretched).length() < 1e-12, "{new} {stretched}");
    }
    // upside down it is the same
    let flip = |state: &State| {
        let mut flipped = state.clone();
        flipped.positions.iter_mut().for_each(|r| r.z = -r.z);
        flipped
    };
    let (mut flipped, mirror) = (flip(&before), Piston { direction: 1.0, closed: -FLOOR, ..piston.clone() });
    set_gap(&system.topology, &mirror, &mut flipped, 2.1);
    for (a, b) in flip(&flipped).positions.iter().zip(&state.positions) {
        assert!((*a - *b).length() < 1e-12);
    }
}

#[test]
fn what_cannot_move_with_a_piston_is_refused() {
    let (system, state) = between_slabs(16, 2.0, 500.0, NONE);
    let refused = |system: &System, wanted: &str| {
        let made = CpuBackend::new(system, Some(1)).map(|_| ()).expect_err("refused");
        assert!(matches!(made, ForceError::Impossible(_)) && made.to_string().contains(wanted), "{made}");
    };
    let mut held = system.clone();
    held.interactions.coulomb = Coulomb::Pme { beta: 4.0, grid: [16, 16, 72], order: 4 };
    let electrode = hexaqua::system::external::Electrode {
        name: "upper".into(),
        atoms: (N_SLAB as u32..2 * N_SLAB as u32).collect(),
        condition: hexaqua::system::external::Condition::Potential(0.0),
        gaussian_width: 0.05,
        thomas_fermi: 0.0,
    };
    held.external.electrodes =
        Some(hexaqua::system::external::Electrodes { electrodes: vec![electrode], balance: 0.0 });
    refused(&held, "holds for where they are");
    let mut backend = ReferenceBackend::new(&held).expect("a mesh that holds its splines");
    assert!(matches!(backend.load(&state), Err(ForceError::Impossible(_))));
    // far too much pressure crosses the buffer of a list, and says so
    let mut wild = system.clone();
    wild.external.piston.as_mut().expect("a piston").pressure *= 1e3;
    let plan = stage(&wild, &state, NVE, 0.002, 2000, 0.0);
    let error = Engine::new(&wild, cpu(&wild, 1), state).run_stage(&plan, 0, &mut Memory::default());
    let error = error.expect_err("it cannot go well").to_string();
    assert!(error.contains("give it more mass or friction") && error.contains("stage `test`"), "{error}");
}

fn hexaqua(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    command.args(arguments).env("RAYON_NUM_THREADS", "2").env("HEXAQUA_CACHE", "");
    let output = command.output().expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Water between graphite: minimised, pushed, fixed, and then at a potential, in small.
fn input(scratch: &Path, change: impl Fn(String) -> String) -> String {
    let path = scratch.join("gap.toml");
    let text = r#"
[system]
water = { model = "SPC/E" }
density = "0.9 g/cm3"
seed = 5
[surface]
material = "graphite"
layers = 1
size = ["1.9 nm", "2 nm"]
gap = "1.5 nm"
vacuum = "4 nm"
[external]
slab_correction = true
[dynamics]
timestep = "1 fs"
com_removal_every = 0
log_every = "0.01 ps"
checkpoint_every = "0.02 ps"
[dynamics.thermostat.csvr]
temperature = "298.15 K"
time_constant = "0.1 ps"
[[stage]]
name = "minimise"
[stage.minimise]
max_steps = 100
[[stage]]
name = "push"
duration = "0.1 ps"
[stage.piston]
pressure = "1 bar"
[[stage]]
name = "held"
duration = "0.04 ps"
[[electrode]]
name = "lower"
atoms = "lower"
potential = "0 V"
[[electrode]]
name = "upper"
atoms = "upper"
potential = "1 V"
"#;
    std::fs::write(&path, change(text.to_string())).expect("writes");
    path.display().to_string()
}

/// Columns of a log by name, and the stages of its rows.
fn log(folder: &Path) -> (impl Fn(&str) -> Vec<f64> + use<>, Vec<String>) {
    let text = std::fs::read_to_string(folder.join("log.csv")).expect("a log");
    let rows: Vec<Vec<String>> = text.lines().map(|l| l.split(',').map(String::from).collect()).collect();
    let stages = rows[1..].iter().map(|r| r[2].clone()).collect();
    let column = move |name: &str| {
        let k = rows[0].iter().position(|h| h.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("{name}"));
        rows[1..].iter().map(|r| r[k].parse().unwrap_or(f64::NAN)).collect()
    };
    (column, stages)
}

#[test]
fn an_input_moves_its_slab_fixes_it_and_goes_on_at_a_potential() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = input(scratch.path(), |text| text);
    let at = |name: &str| scratch.path().join(name);
    let run = |name: &str, more: &[&str]| {
        let out = at(name).display().to_string();
        let (code, stdout, stderr) = hexaqua(&[&["run", &path, "--backend", "cpu", "--out", &out], more].concat());
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        stdout
    };
    let told = run("whole", &[]);
    assert!(told.contains("electrodes carry no charge") && told.contains("the slab is fixed there"), "{told}");
    let (column, stages) = log(&at("whole"));
    let in_stage = |name: &str, wanted: &str| -> Vec<f64> {
        column(name).into_iter().zip(&stages).filter(|(_, s)| *s == wanted).map(|(v, _)| v).collect()
    };
    let (gap, charge) = (in_stage("gap", "push"), in_stage("charge_upper", "push"));
    assert!(gap.len() >= 9 && gap[0] == 1.5 && gap.windows(2).any(|w| w[0] != w[1]), "{gap:?}");
    assert!(charge.iter().all(|q| *q == 0.0) && in_stage("electrode", "push").iter().all(|e| e.is_nan()));
    let density = in_stage("liquid_density", "push");
    assert!((density[0] - 0.9).abs() < 0.03, "whole molecules of 0.9 g/cm3: {}", density[0]);
    // at a potential, where the mean of the last half says
    assert!(in_stage("gap", "held").iter().all(|g| g.is_nan()));
    assert!(in_stage("charge_upper", "held").iter().all(|q| *q > 0.01), "{:?}", in_stage("charge_upper", "held"));
    let words: Vec<&str> = told.lines().find(|l| l.starts_with("piston: gap")).expect("told").split(' ').collect();
    let fixed: f64 = words[2].parse().expect("a number");
    let gro = std::fs::read_to_string(at("whole").join("final.gro")).expect("a structure");
    let z: Vec<(bool, f64)> = gro
        .lines()
        .filter(|l| l.len() > 44 && (&l[5..8] == "LOW" || &l[5..8] == "UPP"))
        .map(|l| (&l[5..8] == "UPP", l[20..].split_whitespace().nth(2).and_then(|z| z.parse().ok()).expect("z")))
        .collect();
    let (upper, lower): (Vec<_>, Vec<_>) = z.into_iter().partition(|(is_upper, _)| *is_upper);
    assert!((upper[0].1 - lower[0].1 - fixed).abs() < 2e-3 && (fixed - 1.5).abs() > 1e-4, "{fixed}");
    // energy goes on where the stage before left it
    let conserved = column("conserved");
    let steps = conserved.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f64::max);
    assert!(steps < 5.0, "{steps} kJ/mol between two lines");
    // lost in the middle of the stage with the piston, and behind it
    for step in ["60", "120"] {
        run(step, &["--lose-device-at", step]);
        for file in ["log.csv", "final.gro"] {
            let read = |name: &str| std::fs::read_to_string(at(name).join(file)).expect("written");
            assert_eq!(read(step), read("whole"), "{file} after a loss at {step}");
        }
    }
}

/// A gap that had not settled is told of also by a run that was resumed behind its piston.
#[test]
fn a_gap_that_still_changed_is_remembered() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = input(scratch.path(), |text| {
        text.replace("\"0.1 ps\"\n[stage.piston]", "\"0.4 ps\"\n[stage.piston]").replace("\"1 bar\"", "\"10000 bar\"")
    });
    let warnings = |name: &str, more: &[&str]| -> Vec<String> {
        let out = scratch.path().join(name);
        let args = ["run", &path, "--backend", "cpu", "--out", &out.display().to_string()];
        let (code, stdout, stderr) = hexaqua(&[&args, more].concat());
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        let text = std::fs::read_to_string(out.join("summary.json")).expect("a summary");
        let summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let all = summary["warnings"].as_array().expect("warnings").iter();
        all.filter_map(|w| w.as_str()).filter(|w| w.contains("the gap still changed")).map(String::from).collect()
    };
    let whole = warnings("whole", &[]);
    assert!(whole.len() == 1 && whole[0].contains("at the end of stage `push`"), "{whole:?}");
    assert_eq!(warnings("behind", &["--lose-device-at", "420"]), whole);
}

#[test]
fn pistons_that_cannot_be_are_refused_with_their_line() {
    let scratch = tempfile::tempdir().expect("scratch");
    for (from, to, words) in [
        ("pressure = \"1 bar\"", "pressure = \"1 nm\"", "is not a unit of a pressure"),
        ("pressure = \"1 bar\"", "presure = \"1 bar\"", "did you mean `pressure`"),
        ("pressure = \"1 bar\"", "atoms = \"OW\"", "can move by itself"),
        ("pressure = \"1 bar\"", "mass = \"0 u\"", "mass"),
        ("com_removal_every = 0\n", "", "write com_removal_every = 0"),
        ("[[stage]]\nname = \"held\"\nduration = \"0.04 ps\"\n", "", "holds for where they are"),
        ("[stage.piston]", "[stage.barostat.c-rescale]\n[stage.piston]", "beside a barostat"),
        (
            "[[stage]]\nname = \"held\"",
            "[[stage]]\nname = \"below\"\nduration = \"0.1 ps\"\n[stage.piston]\natoms = \"lower\"\n[[stage]]\nname = \"held\"",
            "an earlier piston moves other atoms",
        ),
        ("vacuum = \"4 nm\"", "vacuum = \"0.7 nm\"", ""),
    ] {
        let path = input(scratch.path(), |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let (code, _, stderr) = hexaqua(&["build", &path]);
        assert_eq!(code, Some(2), "{to}: {stderr}");
        assert!(stderr.contains(words) && stderr.contains("gap.toml"), "{to}: {stderr}");
    }
    // without a correction the vacuum may be small, but not what a piston needs behind it
    let path = input(scratch.path(), |text| {
        let text = text
            .replace("slab_correction = true", "slab_correction = false")
            .replace("vacuum = \"4 nm\"", "vacuum = \"0.7 nm\"");
        text[..text.find("[[electrode]]").expect("electrodes")].to_string()
    });
    let (code, _, stderr) = hexaqua(&["build", &path]);
    assert!(code == Some(2) && stderr.contains("less than the cutoff"), "{stderr}");
}
