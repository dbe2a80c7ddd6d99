//! Constraints applied to a whole system on the host: start-up and minimisation. In a step the backends do it.

use crate::forces::reference::settle::Settle;
use crate::system::Topology;
use glam::DVec3;

/// Moves `positions` so that every rigid water has its geometry, by forces along the bonds of `old`.
///
/// * `old` – `[n_atoms]`, nm; a configuration close to `positions` that satisfies the constraints (or nearly)
/// * `positions` – `[n_atoms]`, nm, changed in place
pub fn constrain_positions(topology: &Topology, old: &[DVec3], positions: &mut [DVec3]) {
    for (o, settle) in waters(topology) {
        let done = settle.constrain_positions([old[o], old[o + 1], old[o + 2]], triple(positions, o));
        positions[o..o + 3].copy_from_slice(&done);
    }
}

/// Removes the part of `velocities` (or accelerations) that would change a constrained distance.
pub fn project_velocities(topology: &Topology, positions: &[DVec3], velocities: &mut [DVec3]) {
    for (o, settle) in waters(topology) {
        let done = settle.project_velocities(triple(positions, o), triple(velocities, o));
        velocities[o..o + 3].copy_from_slice(&done);
    }
}

/// Largest relative deviation of a constrained distance.
pub fn largest_violation(topology: &Topology, positions: &[DVec3]) -> f64 {
    let mut largest = 0.0_f64;
    for (o, water) in topology.rigid_waters() {
        let [a, b, c] = triple(positions, o);
        for (d, target) in [(a - b, water.d_oh), (a - c, water.d_oh), (b - c, water.d_hh)] {
            largest = largest.max((d.length() / target - 1.0).abs());
        }
    }
    largest
}

fn triple(values: &[DVec3], o: usize) -> [DVec3; 3] {
    [values[o], values[o + 1], values[o + 2]]
}

fn waters(topology: &Topology) -> impl Iterator<Item = (usize, Settle)> + '_ {
    topology.rigid_waters().map(|(o, g)| (o, Settle::new(topology.masses[o], topology.masses[o + 1], g.d_oh, g.d_hh)))
}
