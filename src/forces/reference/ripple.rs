//! What a mesh makes a rigid slab of charges feel from itself.
//!
//! Forces of particle-mesh Ewald do not add up to zero: the energy of charges on a mesh depends a little on where they stand between its points.
//! For moving atoms that averages out. A slab of an oxide, hundreds of strong charges in step with each other, feels hundreds to thousands of bars
//! that change their sign every half spacing, and a piston follows them. So the energy of the slab alone is computed at places between
//! two points of the mesh, once, written as a Fourier series, and taken off. Knows the slab alone; no liquid, no other slab
//! ([`refine_for_slabs`](crate::system::Interactions::refine_for_slabs)), and no step.

use super::pme::Pme;
use crate::cell::Cell;
use crate::system::external::Piston;
use crate::system::{Coulomb, System};
use glam::DVec3;
use std::f64::consts::TAU;

/// Places between two points of the mesh; waves up to half of them. Splines of order p leave the n-th wave a part of about n^−p.
const SAMPLES: usize = 16;

/// Energy of a slab alone on the mesh, as its height changes; its mean is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct MeshRipple {
    /// Of the first atom where the series begins, nm
    origin: f64,
    /// Between two points of the mesh along z, nm
    spacing: f64,
    /// Cosine and sine of the first wave and those that follow, kJ/mol
    waves: Vec<[f64; 2]>,
    cell: Cell,
}

impl MeshRipple {
    /// `None` without a mesh, or without charges on the slab.
    pub fn new(system: &System, cell: &Cell, piston: &Piston) -> Option<Self> {
        let Coulomb::Pme { beta, grid, order } = system.interactions.coulomb else { return None };
        let charges: Vec<f64> = piston.atoms.iter().map(|&i| system.topology.charges[i as usize]).collect();
        if charges.iter().all(|q| *q == 0.0) {
            return None;
        }
        let mesh = Pme::new(grid, order, beta);
        let spacing = cell.vectors().z_axis.z / grid[2] as f64;
        let energy = |k: usize| {
            let shift = DVec3::Z * (spacing * k as f64 / SAMPLES as f64);
            let placed: Vec<DVec3> = piston.shape.iter().map(|r| *r + shift).collect();
            mesh.add_forces(cell, &placed, &charges, &mut vec![DVec3::ZERO; placed.len()]).energy
        };
        let energies: Vec<f64> = (0..SAMPLES).map(energy).collect();
        let wave = |n: usize| {
            let mut sums = [0.0; 2];
            for (k, energy) in energies.iter().enumerate() {
                let (sin, cos) = (TAU * (n * k % SAMPLES) as f64 / SAMPLES as f64).sin_cos();
                sums[0] += 2.0 / SAMPLES as f64 * (energy - energies[0]) * cos;
                sums[1] += 2.0 / SAMPLES as f64 * (energy - energies[0]) * sin;
            }
            sums
        };
        let waves = (1..SAMPLES / 2).map(wave).collect();
        Some(MeshRipple { origin: piston.shape[0].z, spacing, waves, cell: *cell })
    }

    /// Is it that of this cell?
    pub fn is_made_for(&self, cell: &Cell) -> bool {
        self.cell == *cell
    }

    /// Energy (kJ/mol) and force along z (kJ/mol/nm) of the slab alone.
    ///
    /// * `z` – of its first atom, nm
    pub fn at(&self, z: f64) -> (f64, f64) {
        let (mut energy, mut force) = (0.0, 0.0);
        for (n, [a, b]) in (1..).zip(&self.waves) {
            let k = TAU * f64::from(n) / self.spacing;
            let (sin, cos) = (k * (z - self.origin)).sin_cos();
            energy += a * cos + b * sin;
            force += k * (a * sin - b * cos);
        }
        (energy, force)
    }
}
