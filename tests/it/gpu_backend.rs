//! The whole gpu backend: against the engines' cases, against the f64 reference step by step, and against itself.

use crate::support::compare::{assert_forces, assert_relative, assert_tensor, relative_error, rms_error};
use crate::support::gpu::{backend, both, load, oracle, present, rounded, selector};
use crate::support::systems::{EngineCase, thermal_velocities};
use hexaqua::cell::Cell;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::forces::{Backend, Chunk, ChunkReport, LangevinStep};
use hexaqua::system::{Coulomb, State};
use std::time::Instant;

fn direct(cell: &Cell, beta: f64) -> Coulomb {
    Coulomb::Ewald { beta, n_max: choose_n_max(cell, beta, 1e-8), n_sq_max: None }
}

fn fine_mesh(cell: &Cell, beta: f64) -> Coulomb {
    let n = if cell.heights()[0] < 2.0 { 40 } else { 64 };
    Coulomb::Pme { beta, grid: [n; 3], order: 6 }
}

fn state_of(case: &EngineCase) -> State {
    let mut state = State::at_rest(case.cell, case.positions.clone());
    state.velocities = thermal_velocities(&case.system.topology, 298.15, 5);
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
    let total = lj + case.number("direct_ewald_numpy", "coulomb_total_without_14");
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
}

fn chunk(n_steps: u32) -> Chunk {
    Chunk {
        first_step: 0,
        n_steps,
        dt: 0.002,
        velocity_scale: 1.0,
        langevin: None,
        remove_com: false,
        report: true,
        max_displacement: 0.2,
    }
}
