//! Conservation, thermostats, reproducibility: the statistics of the step loop on the `cpu` backend.

use crate::support::systems::EngineCase;
use glam::DVec3;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::nose_hoover::Chain;
use hexaqua::dynamics::piston::GapSums;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{DynamicsError, Engine, LaggedList, LogRow, Moment, Observer, velocities};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::neighbor::buffer;
use hexaqua::system::spec::ThermostatSpec;
use hexaqua::system::{Charges, Coulomb, Frame, Interactions, LjModifier, State, System, Topology};
use hexaqua::units::BOLTZMANN;

/// A [`Moment`] that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptMoment {
    pub stage_step: u64,
    pub state: State,
    pub kinetic: f64,
    pub heat: f64,
    pub chain: Chain,
    pub gaps: GapSums,
    pub lagged_list: Option<LaggedList>,
    pub electrodes: Vec<(String, Vec<f64>)>,
}

/// Keeps what an observer sees.
#[derive(Debug, Default)]
pub struct Memory {
    pub rows: Vec<LogRow>,
    pub checkpoints: Vec<KeptMoment>,
    /// (step, positions)
    pub frames: Vec<(u64, Vec<DVec3>)>,
    /// (step, `[n_atoms]`, e) of the frames that came with charges of electrodes
    pub charges: Vec<(u64, Vec<f64>)>,
    pub warnings: Vec<String>,
    /// Wants to stop once this step is logged.
    pub stops_after: Option<u64>,
}

impl Observer for Memory {
    fn log(&mut self, row: &LogRow) -> Result<(), DynamicsError> {
        self.rows.push(*row);
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, _: bool, _: bool) -> Result<(), DynamicsError> {
        self.frames.push((frame.step, frame.positions.to_vec()));
        if let Charges::Current(charges) = frame.charges {
            self.charges.push((frame.step, charges.to_vec()));
        }
        Ok(())
    }

    fn wants_stop(&mut self) -> bool {
        self.stops_after.is_some_and(|last| self.rows.last().is_some_and(|row| row.step >= last))
    }

    fn checkpoint(&mut self, moment: &Moment<'_>) -> Result<(), DynamicsError> {
        let &Moment { stage_step, state, kinetic, heat, chain, gaps, lagged_list, electrodes } = moment;
        let (state, chain, gaps, lagged_list) = (state.clone(), chain.clone(), *gaps, lagged_list.cloned());
        let electrodes = electrodes.to_vec();
        self.checkpoints.push(KeptMoment { stage_step, state, kinetic, heat, chain, gaps, lagged_list, electrodes });
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64, _: f64) {}

    fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }
}

pub const TEMPERATURE: f64 = 298.15;

/// 216 SPC/E waters at the default settings of an input file, velocities drawn at [`TEMPERATURE`].
pub fn water(seed: u64) -> (System, State) {
    let case = EngineCase::read("spce_216", |_, _| Coulomb::Cutoff);
    let interactions = Interactions {
        cutoff: 0.9,
        lj_modifier: LjModifier::None,
        dispersion_correction: true,
        coulomb: Coulomb::Pme { beta: hexaqua::math::ewald_beta(0.9, 1e-5), grid: [16; 3], order: 5 },
    };
    let system = System { interactions, ..case.system };
    let mut state = State::at_rest(case.cell, case.positions.clone());
    Integrator::new(&system.topology).constrain_positions(&state.cell, &mut state.positions);
    state.velocities =
        velocities::maxwell_boltzmann(&system.topology, &state.cell, &state.positions, TEMPERATURE, seed);
    (system, state)
}

pub fn plan(system: &System, state: &State, thermostat: ThermostatSpec, n_steps: u64, log: u64) -> StagePlan {
    let (dt, neighbor) = (0.002, 20);
    StagePlan {
        name: "test".into(),
        dt,
        seed: 7,
        thermostat,
        barostat: None,
        piston_friction: 0.0,
        schedule: Schedule {
            n_steps,
            neighbor,
            couple: if matches!(thermostat, ThermostatSpec::Csvr { .. } | ThermostatSpec::NoseHoover { .. }) {
                40
            } else {
                0
            },
            pressure: 0,
            com: 100,
            log,
            trajectory: 0,
            checkpoint: 200,
            samples: vec![],
        },
        list_radius: buffer::list_radius(
            system,
            state.n_atoms() as f64 / state.cell.volume(),
            TEMPERATURE,
            dt,
            neighbor as u32,
            buffer::DEFAULT_TOLERANCE,
        ),
        log_end: true,
    }
}

/// Runs `n_steps` and returns what was seen and the final state.
fn run(
    system: &System,
    state: State,
    thermostat: ThermostatSpec,
    n_steps: u64,
    log: u64,
    threads: usize,
) -> (Memory, State) {
    let plan = plan(system, &state, thermostat, n_steps, log);
    run_plan(system, state, &plan, threads)
}

/// Runs a stage on the `cpu` backend and returns what was seen and the final state.
pub fn run_plan(system: &System, state: State, plan: &StagePlan, threads: usize) -> (Memory, State) {
    let backend = CpuBackend::new(system, Some(threads)).expect("the cpu backend runs the system");
    let mut engine = Engine::new(system, Box::new(backend), state);
    let mut memory = Memory::default();
    engine.run_stage(plan, 0, &mut memory).expect("the run is stable");
    (memory, engine.state)
}

pub const CSVR: ThermostatSpec = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.1 };
pub const NOSE_HOOVER: ThermostatSpec =
    ThermostatSpec::NoseHoover { temperature: TEMPERATURE, time_constant: 0.5, chain_length: 3 };
pub const LANGEVIN: ThermostatSpec = ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 10.0 };
const NVE: ThermostatSpec = ThermostatSpec::None { initial_temperature: TEMPERATURE };

/// Slope of y against x and its standard error.
pub fn regression(x: &[f64], y: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sxx: f64 = x.iter().map(|v| (v - mx).powi(2)).sum();
    let slope = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum::<f64>() / sxx;
    let residual: f64 = x.iter().zip(y).map(|(a, b)| (b - my - slope * (a - mx)).powi(2)).sum();
    (slope, (residual / (n - 2.0) / sxx).sqrt())
}

/// GROMACS in mixed precision drifts by 0.083 and OpenMM's CPU platform by 0.014 kJ/mol/ns/atom on this box.
#[test]
fn nve_of_216_waters_conserves_energy() {
    let (system, state) = water(1);
    let (_, state) = run(&system, state, CSVR, 2000, 0, 2);
    let (memory, _) = run(&system, state, NVE, 50_000, 50, 2);
    let n_atoms = system.topology.n_atoms() as f64;
    let time: Vec<f64> = memory.rows.iter().map(|r| r.time * 1e-3).collect();
    let energy: Vec<f64> = memory.rows.iter().map(|r| r.conserved / n_atoms).collect();
    let (drift, error) = regression(&time, &energy);
    println!("NVE drift {drift:.4} ± {error:.4} kJ/mol/ns/atom");
    assert!(drift.abs() < 0.1, "drift {drift} ± {error} kJ/mol/ns/atom");
    // a thermostat that never acts must not heat either: the temperature stays where equilibration left it
    let mean = memory.rows.iter().map(|r| r.temperature).sum::<f64>() / memory.rows.len() as f64;
    assert!((mean - TEMPERATURE).abs() < 15.0, "mean temperature {mean} K");
}

/// Mean and variance of the kinetic energy against the canonical ones, each within four standard errors.
fn check_canonical(thermostat: ThermostatSpec, correlation_time: f64) {
    let (system, state) = water(2);
    let n_f = system.topology.degrees_of_freedom(3) as f64;
    let (_, state) = run(&system, state, thermostat, 5000, 0, 2);
    let (memory, _) = run(&system, state, thermostat, 50_000, 40, 2);
    let kinetic: Vec<f64> = memory.rows.iter().map(|r| r.kinetic).collect();
    let n = kinetic.len() as f64;
    let mean = kinetic.iter().sum::<f64>() / n;
    let variance = kinetic.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let kt = BOLTZMANN * TEMPERATURE;
    let (exact_mean, exact_variance) = (0.5 * n_f * kt, 0.5 * n_f * kt * kt);
    let independent = 100.0 / (2.0 * correlation_time);
    println!("{thermostat:?}: <K> {:.4} of exact, var {:.3} of exact", mean / exact_mean, variance / exact_variance);
    assert!(
        (mean - exact_mean).abs() < 4.0 * (exact_variance / independent).sqrt(),
        "mean {mean} against {exact_mean}"
    );
    assert!((variance / exact_variance - 1.0).abs() < 4.0 * (2.0 / independent).sqrt(), "variance {variance}");
}

#[test]
fn csvr_samples_the_canonical_kinetic_energy() {
    check_canonical(CSVR, 0.15);
}

#[test]
fn langevin_samples_the_canonical_kinetic_energy() {
    check_canonical(LANGEVIN, 0.15);
}

#[test]
fn nose_hoover_samples_the_canonical_kinetic_energy() {
    check_canonical(NOSE_HOOVER, 0.5);
}

#[test]
fn thermostats_keep_the_conserved_quantity() {
    // the middle scheme's own energy error grows with the friction: a weak bath shows the book-keeping
    let weak = ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 1.0 };
    for thermostat in [CSVR, weak, NOSE_HOOVER] {
        let (system, state) = water(3);
        let (memory, _) = run(&system, state, thermostat, 5000, 40, 2);
        let n_atoms = system.topology.n_atoms() as f64;
        let first = memory.rows[0].conserved;
        let spread = memory.rows.iter().map(|r| (r.conserved - first).abs()).fold(0.0, f64::max) / n_atoms;
        let moved = memory
            .rows
            .iter()
            .map(|r| (r.energies.total() + r.kinetic - memory.rows[0].energies.total() - memory.rows[0].kinetic).abs())
            .fold(0.0, f64::max)
            / n_atoms;
        println!("{thermostat:?}: conserved within {spread:.5}, total energy moved {moved:.5} kJ/mol/atom");
        assert!(
            spread < 0.1 * moved,
            "{thermostat:?}: the heat of the bath is not accounted for: {spread} against {moved}"
        );
    }
}

#[test]
fn same_seed_same_trajectory_whatever_the_threads() {
    for thermostat in [CSVR, LANGEVIN, NOSE_HOOVER] {
        let (system, state) = water(4);
        let (_, one) = run(&system, state.clone(), thermostat, 400, 50, 1);
        let (_, two) = run(&system, state.clone(), thermostat, 400, 50, 2);
        assert_eq!(one, two, "{thermostat:?}");
        let (_, other) = run(&system, water(5).1, thermostat, 400, 50, 2);
        assert_ne!(one.positions, other.positions);
    }
}

#[test]
fn a_run_cut_at_a_checkpoint_continues_bit_for_bit() {
    for thermostat in [CSVR, LANGEVIN, NOSE_HOOVER] {
        let (system, state) = water(6);
        let (memory, whole) = run(&system, state, thermostat, 1000, 50, 2);
        let KeptMoment { stage_step: step, state: cut, kinetic, heat, chain, lagged_list, .. } =
            memory.checkpoints[1].clone();
        assert_eq!(lagged_list, None);
        assert_eq!(step, 400);
        let plan = plan(&system, &cut, thermostat, 1000, 50);
        let backend = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs water");
        let mut engine = Engine::new(&system, Box::new(backend), cut);
        (engine.kinetic, engine.heat, engine.chain) = (kinetic, heat, chain);
        let mut rest = Memory::default();
        engine.run_stage(&plan, step, &mut rest).expect("the run is stable");
        assert_eq!(engine.state, whole, "{thermostat:?}");
        let tail = &memory.rows[memory.rows.len() - rest.rows.len()..];
        assert_eq!(rest.rows, tail, "{thermostat:?}: log rows");
    }
}

/// Largest relative deviation of a constrained distance.
fn largest_violation(topology: &Topology, positions: &[DVec3]) -> f64 {
    let mut largest = 0.0_f64;
    for (o, water) in topology.rigid_waters() {
        let [a, b, c] = [positions[o], positions[o + 1], positions[o + 2]];
        for (d, target) in [(a - b, water.d_oh), (a - c, water.d_oh), (b - c, water.d_hh)] {
            largest = largest.max((d.length() / target - 1.0).abs());
        }
    }
    largest
}

#[test]
fn constraints_hold_after_many_steps() {
    let (system, state) = water(8);
    let (_, state) = run(&system, state, LANGEVIN, 10_000, 0, 2);
    let violation = largest_violation(&system.topology, &state.positions);
    assert!(violation < 1e-6, "{violation}");
}

/// The negative control of the drift test: leave one term out and the sum is not conserved any more.
#[test]
fn a_missing_energy_term_is_noticed_by_the_conserved_quantity() {
    let (system, state) = water(9);
    let (memory, _) = run(&system, state, NVE, 1000, 20, 2);
    let spread = |value: &dyn Fn(&LogRow) -> f64| {
        let values: Vec<f64> = memory.rows.iter().map(value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).abs()).fold(0.0, f64::max)
    };
    let whole = spread(&|r| r.conserved);
    let without = spread(&|r| r.conserved - r.energies.coulomb_real.unwrap_or(0.0));
    assert!(without > 10.0 * whole, "{without} against {whole}");
}
