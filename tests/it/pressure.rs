//! Stochastic cell rescaling on real water: density, volume fluctuations, the ensemble at two pressures, restarts.

use crate::dynamics::{Memory, TEMPERATURE, plan, water};
use crate::support::compare::assert_relative;
use glam::DVec3;
use hexaqua::dynamics::Engine;
use hexaqua::dynamics::barostat::{molecular_pressure, scale};
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{DynamicsError, LogRow};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::neighbor::pairs::brute_force;
use hexaqua::system::spec::{BarostatSpec, PressureCoupling, ThermostatSpec};
use hexaqua::system::{State, System};
use hexaqua::units::{BOLTZMANN, DENSITY_G_CM3, PRESSURE_BAR};

const CSVR: ThermostatSpec = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.2 };

/// 216 waters with a cutoff that leaves room for the box to breathe.
fn small_water(seed: u64) -> (System, State) {
    let (mut system, state) = water(seed);
    system.interactions.cutoff = 0.8;
    (system, state)
}

fn constant_pressure(system: &System, state: &State, barostat: BarostatSpec, n_steps: u64) -> StagePlan {
    let base = plan(system, state, CSVR, n_steps, 10);
    StagePlan {
        barostat: Some(barostat),
        schedule: Schedule { pressure: 20, couple: 20, ..base.schedule.clone() },
        ..base
    }
}

fn barostat(pressure: f64, coupling: PressureCoupling) -> BarostatSpec {
    BarostatSpec { pressure, time_constant: 1.0, compressibility: 4.5e-5, coupling }
}

fn run(system: &System, state: State, plan: &StagePlan) -> (Memory, State) {
    let backend = CpuBackend::new(system, Some(2)).expect("the cpu backend runs water");
    let mut engine = Engine::new(system, Box::new(backend), state);
    let mut memory = Memory::default();
    engine.run_stage(plan, 0, &mut memory).expect("the run is stable");
    (memory, engine.state)
}

/// Mean and its standard error from ten blocks.
fn mean(values: &[f64]) -> (f64, f64) {
    let blocks: Vec<f64> =
        values.chunks_exact(values.len() / 10).map(|b| b.iter().sum::<f64>() / b.len() as f64).collect();
    let n = blocks.len() as f64;
    let mean = blocks.iter().sum::<f64>() / n;
    (mean, (blocks.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
}

/// b of P(second | V) = 1/(1 + exp(−a − b V)), by Newton's method, V from its mean: what two ensembles differ by.
fn logistic_slope(first: &[f64], second: &[f64]) -> f64 {
    let centre = (first.iter().sum::<f64>() + second.iter().sum::<f64>()) / (first.len() + second.len()) as f64;
    let (mut a, mut b) = (0.0, 0.0);
    for _ in 0..50 {
        let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
        for (values, label) in [(first, 0.0), (second, 1.0)] {
            for v in values {
                let x = v - centre;
                let p = 1.0 / (1.0 + f64::exp(-a - b * x));
                g[0] += label - p;
                g[1] += (label - p) * x;
                let w = p * (1.0 - p);
                h[0] += w;
                h[1] += w * x;
                h[2] += w * x * x;
            }
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        a += (h[2] * g[0] - h[1] * g[1]) / determinant;
        b += (h[0] * g[1] - h[1] * g[0]) / determinant;
    }
    b
}

/// ln P₁(V)/P₂(V) = −(P₁ − P₂) V/kT + const, whatever the equation of state: the check of M. R. Shirts,
/// J. Chem. Theory Comput. 9, 909 (2013). Along the way the density of SPC/E at 1 bar, about 0.998 g/cm³ at 298 K (quoted
/// from memory, so the band is wide).
#[test]
fn volumes_at_two_pressures_are_distributed_as_they_should() {
    let pressures = [1.0, 801.0];
    let volumes = pressures.map(|pressure| {
        let (system, state) = small_water(11);
        let plan = constant_pressure(&system, &state, barostat(pressure, PressureCoupling::Isotropic), 30_000);
        let (memory, _) = run(&system, state, &plan);
        let volumes: Vec<f64> = memory.rows.iter().skip(500).map(|r| r.volume).collect();
        let density: Vec<f64> = volumes.iter().map(|v| system.topology.total_mass() * DENSITY_G_CM3 / v).collect();
        let (rho, error) = mean(&density);
        println!("{pressure} bar: density {rho:.4} ± {error:.4} g/cm³");
        if pressure == 1.0 {
            assert!((rho - 0.998).abs() < 4.0 * error + 0.006, "{rho} ± {error}");
            let mean_volume = volumes.iter().sum::<f64>() / volumes.len() as f64;
            let variance = volumes.iter().map(|v| (v - mean_volume).powi(2)).sum::<f64>() / volumes.len() as f64;
            // κ_T = var V/(kT V); water and its models: 4.5e-5 /bar within a few parts in ten
            let compressibility = variance / (BOLTZMANN * TEMPERATURE * mean_volume) / PRESSURE_BAR;
            println!("compressibility from the fluctuations: {compressibility:.2e} /bar");
            assert!((2.0e-5..9.0e-5).contains(&compressibility), "{compressibility}");
        }
        volumes
    });
    let exact = -(pressures[1] - pressures[0]) / PRESSURE_BAR / (BOLTZMANN * TEMPERATURE);
    let slope = logistic_slope(&volumes[0], &volumes[1]);
    // jackknife over ten blocks of both runs, each much longer than volumes remember
    let block = volumes[0].len() / 10;
    let without = |k: usize| volumes.each_ref().map(|v| [&v[..k * block], &v[(k + 1) * block..]].concat());
    let left_out: Vec<f64> = (0..10).map(without).map(|[a, b]| logistic_slope(&a, &b)).collect();
    let average = left_out.iter().sum::<f64>() / 10.0;
    let error = (left_out.iter().map(|p| (p - average).powi(2)).sum::<f64>() * 0.9).sqrt();
    println!("slope {slope:.2} ± {error:.2}, exact {exact:.2} nm⁻³");
    assert!((slope - exact).abs() < 4.0 * error, "slope {slope} ± {error}, exact {exact}");
    assert!(4.0 * error < exact.abs(), "with an error of {error}, volumes that ignore the pressure would pass");
}

#[test]
fn a_run_at_constant_pressure_continues_bit_for_bit_and_books_what_the_baths_give() {
    for coupling in [PressureCoupling::Isotropic, PressureCoupling::SemiIsotropic, PressureCoupling::Z] {
        let (system, state) = small_water(12);
        let plan = constant_pressure(&system, &state, barostat(300.0, coupling), 1000);
        let start = state.cell;
        let (memory, whole) = run(&system, state, &plan);
        let (before, after) = (start.vectors(), whole.cell.vectors());
        assert!(before.z_axis.z != after.z_axis.z, "{coupling:?}: the cell moved");
        assert_eq!(before.x_axis.x == after.x_axis.x, coupling == PressureCoupling::Z, "{coupling:?}");
        let kept = memory.checkpoints[1].clone();
        assert_eq!(kept.stage_step, 400);
        let backend = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs water");
        let mut engine = Engine::new(&system, Box::new(backend), kept.state);
        (engine.kinetic, engine.heat, engine.chain) = (kept.kinetic, kept.heat, kept.chain);
        let mut rest = Memory::default();
        engine.run_stage(&plan, kept.stage_step, &mut rest).expect("the run is stable");
        assert_eq!(engine.state, whole, "{coupling:?}");
        let tail = &memory.rows[memory.rows.len() - rest.rows.len()..];
        assert_eq!(rest.rows, tail, "{coupling:?}: log rows");
        // what the baths give is booked: the conserved quantity moves far less than the energy does
        let spread = |value: &dyn Fn(&LogRow) -> f64| {
            let first = value(&memory.rows[0]);
            memory.rows.iter().map(|r| (value(r) - first).abs()).fold(0.0, f64::max)
        };
        let (conserved, energy) = (spread(&|r| r.conserved), spread(&|r| r.energies.total() + r.kinetic));
        println!("{coupling:?}: conserved within {conserved:.2}, energy moved {energy:.2} kJ/mol");
        assert!(conserved < 0.1 * energy, "{coupling:?}: {conserved} against {energy}");
    }
}

/// P dV is the work of moving molecules apart: −dU/dV of the virial part, by central difference of the energy.
#[test]
fn the_molecular_pressure_belongs_to_the_scaling() {
    let (mut system, mut state) = small_water(13);
    // its virial is that of the force, its energy that of the potential: they differ at the cutoff
    system.interactions.dispersion_correction = false;
    state.velocities.fill(DVec3::ZERO);
    let backend = ReferenceBackend::new(&system).expect("a valid system");
    let evaluate = |state: &State| {
        let list = brute_force(&state.positions, &state.cell, &system.topology, system.interactions.cutoff);
        backend.evaluate_at(&state.cell, &state.positions, &list)
    };
    let here = evaluate(&state);
    let pressure = molecular_pressure(&system.topology, &state, &here, 0.0);
    let energy = |strain: DVec3| {
        let mut scaled = state.clone();
        scale(&system.topology, &mut scaled, DVec3::ONE + strain).expect("a cell");
        let e = evaluate(&scaled).energies;
        (e.total() - e.cutoff_shift, scaled.cell.volume())
    };
    for axis in 0..3 {
        let mut strain = DVec3::ZERO;
        strain[axis] = 1e-5;
        let ((up, v_up), (down, v_down)) = (energy(strain), energy(-strain));
        let numeric = -(up - down) / (v_up - v_down);
        // pairs that cross the truncation leave a little
        assert_relative("pressure", pressure[axis], numeric, 2e-3);
    }
}

#[test]
fn a_box_that_shrinks_below_twice_the_cutoff_is_an_error() {
    let (mut system, state) = small_water(14);
    system.interactions.cutoff = 0.93;
    let plan = constant_pressure(&system, &state, barostat(20_000.0, PressureCoupling::Isotropic), 2000);
    let backend = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs water");
    let mut engine = Engine::new(&system, Box::new(backend), state);
    let error = engine.run_stage(&plan, 0, &mut Memory::default()).expect_err("too small");
    assert!(matches!(error, DynamicsError::Cell { .. }), "{error}");
    assert!(error.to_string().contains("cutoff of 0.93 nm"), "{error}");
}
