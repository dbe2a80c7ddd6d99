//! Devices in tests: a missing adapter skips, or fails when `HEXAQUA_REQUIRE_GPU=1`.

use glam::DVec3;
use hexaqua::dynamics::neighbors;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::gpu::{AdapterSelector, DeviceOptions, GpuBackend, GpuOptions, PairKernel, fixed::FixedPosition};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Evaluation, ForceError};
use hexaqua::neighbor::{NeighborList, pairs};
use hexaqua::system::{State, System};
use std::sync::Arc;

/// The best adapter of all, a software driver included; `HEXAQUA_ADAPTER` names another.
pub fn selector() -> AdapterSelector {
    match std::env::var("HEXAQUA_ADAPTER") {
        Ok(name) => AdapterSelector::Name(name),
        Err(_) => AdapterSelector::Best,
    }
}

/// The value, or `None` with a note when this machine has no adapter.
pub fn present<T>(made: Result<T, ForceError>) -> Option<T> {
    match made {
        Ok(value) => Some(value),
        Err(ForceError::NoAdapter(why)) => {
            assert!(std::env::var("HEXAQUA_REQUIRE_GPU").as_deref() != Ok("1"), "HEXAQUA_REQUIRE_GPU=1, but {why}");
            println!("SKIPPED: no adapter");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// A backend with the embedded shaders.
pub fn backend(system: &System) -> Option<GpuBackend> {
    with_shaders(system, &Shaders::embedded())
}

pub fn with_shaders(system: &System, shaders: &Shaders) -> Option<GpuBackend> {
    present(GpuBackend::with_shaders(system, &selector(), shaders))
}

pub fn with_options(system: &System, shaders: &Shaders, options: GpuOptions) -> Option<GpuBackend> {
    present(GpuBackend::with_options(system, &selector(), shaders, options))
}

/// The half list, with subgroup operations where the adapter has them, or without.
pub fn half(subgroups: bool) -> GpuOptions {
    GpuOptions { pairs: Some(PairKernel::Half), device: DeviceOptions { subgroups, ..DeviceOptions::default() } }
}

/// The embedded shaders with one piece of text replaced.
pub fn edited(file: &'static str, from: &str, to: &str) -> Shaders {
    Shaders::embedded().with_edit(file, from, to).unwrap_or_else(|why| panic!("{why}"))
}

/// Positions and velocities as the device sees them, so that both sides of a comparison have the same input.
pub fn rounded(state: &State) -> State {
    let at = |r: &DVec3| FixedPosition::from_cartesian(&state.cell, *r).to_cartesian(&state.cell);
    State {
        positions: state.positions.iter().map(at).collect(),
        velocities: state.velocities.iter().map(|v| v.as_vec3().as_dvec3()).collect(),
        ..state.clone()
    }
}

/// Loads a state with a list of the given radius (nm).
pub fn load(gpu: &mut GpuBackend, system: &System, state: &State, radius: f64) {
    gpu.load(state).expect("the state fits the backend");
    neighbors::rebuild(gpu, system, state, radius).expect("the list fits the backend");
}

/// The reference with a brute-force list of the given radius (nm).
pub fn oracle(system: &System, state: &State, radius: f64) -> ReferenceBackend {
    let mut oracle = ReferenceBackend::new(system).expect("a valid system");
    oracle.load(state).expect("the state fits the backend");
    let list = pairs::linked_cells(&state.positions, &state.cell, &system.topology, radius);
    oracle.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("a list of pairs");
    oracle
}

/// Evaluations of device and reference at the same, rounded configuration.
pub fn both(system: &System, state: &State, radius: f64, shaders: &Shaders) -> Option<(Evaluation, Evaluation)> {
    both_with(system, state, radius, shaders, GpuOptions::default())
}

/// The same with the variants of the passes chosen.
pub fn both_with(
    system: &System,
    state: &State,
    radius: f64,
    shaders: &Shaders,
    options: GpuOptions,
) -> Option<(Evaluation, Evaluation)> {
    let mut gpu = with_options(system, shaders, options)?;
    let state = rounded(state);
    load(&mut gpu, system, &state, radius);
    let value = gpu.evaluate().expect("the device evaluates");
    let reference = oracle(system, &state, radius).evaluate().expect("the reference evaluates");
    Some((value, reference))
}
