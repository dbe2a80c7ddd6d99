//! Initial velocities.

use crate::cell::Cell;
use crate::forces::reference::integrate::Integrator;
use crate::random::{Stream, block, normals};
use crate::system::Topology;
use crate::units::BOLTZMANN;
use glam::DVec3;

/// Maxwell–Boltzmann velocities at `temperature` (K), projected on the constraints, without centre-of-mass motion.
///
/// The projection is the mass-weighted one, so the result is the canonical distribution of the constrained system.
///
/// * `positions` – `[n_atoms]`, nm, constraints satisfied
/// * returns `[n_atoms]`, nm/ps
pub fn maxwell_boltzmann(
    topology: &Topology,
    cell: &Cell,
    positions: &[DVec3],
    temperature: f64,
    seed: u64,
) -> Vec<DVec3> {
    let mut velocities: Vec<DVec3> = topology
        .masses
        .iter()
        .enumerate()
        .map(|(i, &mass)| {
            if mass == 0.0 {
                return DVec3::ZERO;
            }
            let [x, y, z, _] = normals(block(seed, Stream::Velocities, 0, i as u32));
            DVec3::new(x, y, z) * (BOLTZMANN * temperature / mass).sqrt()
        })
        .collect();
    let integrator = Integrator::new(topology);
    integrator.stop_immobile(&mut velocities);
    integrator.project_velocities(cell, positions, &mut velocities);
    integrator.remove_com_velocity(&mut velocities);
    velocities
}

/// Σ ½ m v², kJ/mol.
pub fn kinetic_energy(topology: &Topology, velocities: &[DVec3]) -> f64 {
    velocities.iter().zip(&topology.masses).map(|(v, &m)| 0.5 * m * v.length_squared()).sum()
}
