//! Energy drift of 2 mol/L Zn(CF3SO3)2 at constant energy: minutes, so only on request.
//!
//! `cargo test --release --test it drift -- --ignored --nocapture`; `HEXAQUA_DRIFT_PS` changes the length (50 ps).

use crate::dynamics::{Memory, TEMPERATURE, plan, regression};
use crate::support::systems::EngineCase;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::minimise::{MinimisePlan, minimise};
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{Engine, velocities};
use hexaqua::forces::Backend;
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::neighbor::buffer;
use hexaqua::system::spec::{ConstraintsSpec, ThermostatSpec};
use hexaqua::system::{Coulomb, Interactions, State, System, Topology};

fn zinc_triflate(which: ConstraintsSpec) -> (System, State) {
    let case = EngineCase::read("znotf2_3k", |_, _| Coulomb::Cutoff);
    let beta = hexaqua::math::ewald_beta(0.9, 1e-5);
    let interactions = Interactions {
        cutoff: 0.9,
        dispersion_correction: true,
        coulomb: Coulomb::Pme { beta, grid: [27; 3], order: 5 },
        ..case.system.interactions
    };
    let mut species = case.system.topology.species.clone();
    species.iter_mut().for_each(|s| s.constrain_bonds(which).expect("flexible bonds between atoms"));
    let sequence: Vec<u32> = case.system.topology.molecules.iter().map(|m| m.species).collect();
    let topology = Topology::new(case.system.topology.types.clone(), species, &sequence);
    (System { interactions, topology, ..case.system }, State::at_rest(case.cell, case.positions))
}

fn stage(system: &System, state: &State, thermostat: ThermostatSpec, dt: f64, duration: f64) -> StagePlan {
    let base = plan(system, state, thermostat, (duration / dt).round() as u64, 0);
    let density = state.n_atoms() as f64 / state.cell.volume();
    StagePlan {
        dt,
        list_radius: buffer::list_radius(system, density, TEMPERATURE, dt, 20, buffer::DEFAULT_TOLERANCE),
        schedule: Schedule { log: (0.05 / dt).round() as u64, checkpoint: 0, ..base.schedule.clone() },
        ..base
    }
}

fn drift(which: ConstraintsSpec, dt: f64) {
    let duration = std::env::var("HEXAQUA_DRIFT_PS").ok().and_then(|t| t.parse().ok()).unwrap_or(50.0);
    let (system, mut state) = zinc_triflate(which);
    let mut backend: Box<dyn Backend> = Box::new(CpuBackend::new(&system, None).expect("the cpu backend runs it"));
    let relax = MinimisePlan { max_force: 500.0, max_steps: 1000, list_radius: 1.0 };
    minimise(&system, &mut *backend, &mut state, &relax, |_, _, _| {}).expect("it can be minimised");
    state.velocities = velocities::maxwell_boltzmann(&system.topology, &state.cell, &state.positions, TEMPERATURE, 1);
    let mut engine = Engine::new(&system, backend, state);
    let bath = ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 5.0 };
    let first = stage(&system, &engine.state, bath, dt, 5.0);
    engine.run_stage(&first, 0, &mut Memory::default()).expect("stable");
    let nve = ThermostatSpec::None { initial_temperature: TEMPERATURE };
    let second = stage(&system, &engine.state, nve, dt, duration);
    let mut memory = Memory::default();
    engine.run_stage(&second, 0, &mut memory).expect("stable");
    let n_atoms = system.topology.n_atoms() as f64;
    let time: Vec<f64> = memory.rows.iter().map(|r| r.time * 1e-3).collect();
    let energy: Vec<f64> = memory.rows.iter().map(|r| r.conserved / n_atoms).collect();
    let (slope, error) = regression(&time, &energy);
    let mut violation = 0.0_f64;
    for m in &system.topology.molecules {
        for c in &system.topology.species[m.species as usize].constraints {
            let [i, j] = c.atoms.map(|a| (m.first_atom + a) as usize);
            let r = (engine.state.positions[i] - engine.state.positions[j]).length();
            violation = violation.max((r / c.length - 1.0).abs());
        }
    }
    println!(
        "{which:?}, {} fs, {duration} ps: drift {slope:.4} ± {error:.4} kJ/mol/ns/atom, mean {:.1} K, worst constraint {violation:.1e}",
        1e3 * dt,
        memory.rows.iter().map(|r| r.temperature).sum::<f64>() / memory.rows.len() as f64
    );
    assert!(slope.abs() < 0.05, "{which:?}: {slope} ± {error}");
    assert!(violation < 1e-6, "{violation}");
}

#[test]
#[ignore = "55,000 steps of 3000 atoms: minutes; CONTRIBUTING.md says how to run it"]
fn flexible_zinc_triflate_at_1_fs() {
    drift(ConstraintsSpec::RigidWater, 0.001);
}

#[test]
#[ignore = "27,500 steps of 3000 atoms: minutes; CONTRIBUTING.md says how to run it"]
fn zinc_triflate_with_all_bonds_constrained_at_2_fs() {
    drift(ConstraintsSpec::AllBonds, 0.002);
}
