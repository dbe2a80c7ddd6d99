//! A slab that moves along z as one body: what it feels, and one time step of it.
//!
//! Leap-frog, as for atoms (`integrate`): V ← s V + dt (Σ F_z + load)/M, half a drift, V ← e^{−γ dt} V + √(kT/M (1 − e^{−2γ dt})) ξ,
//! half a drift; without a bath the drift is whole. The energy of the pressure is P A times the gap, so that kinetic and
//! potential energy with it are conserved. Forces inside the slab cancel, but for those of a mesh, which are taken off with their
//! energy ([`MeshRipple`]). Knows forces on atoms, not where they come from.

use super::ripple::MeshRipple;
use crate::cell::Cell;
use crate::forces::{Energies, LangevinStep, PistonReading};
use crate::random::{Stream, block, normals};
use crate::system::System;
use crate::system::external::Piston;
use crate::units::BOLTZMANN;
use glam::{DMat3, DVec3};

/// A piston with its mass.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    pub piston: Piston,
    /// u
    mass: f64,
    /// `[n_atoms]` of the system: is it one of the slab?
    is_own: Vec<bool>,
    /// Known when the cell is.
    ripple: Option<MeshRipple>,
}

/// What a step does to a piston.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// nm
    pub shift: f64,
    /// Scaled, before the kick; nm/ps
    pub before: f64,
    /// nm/ps
    pub velocity: f64,
    /// kJ/mol
    pub bath_heat: f64,
}

impl Body {
    /// * `masses` – `[n_atoms]`, u
    pub fn new(piston: &Piston, masses: &[f64]) -> Self {
        let mut is_own = vec![false; masses.len()];
        piston.atoms.iter().for_each(|&i| is_own[i as usize] = true);
        let mass = piston.atoms.iter().map(|&i| masses[i as usize]).sum();
        Body { piston: piston.clone(), mass, is_own, ripple: None }
    }

    /// Finds what a mesh in this cell makes the slab feel from itself.
    pub fn prepare(&mut self, system: &System, cell: &Cell) {
        if !self.ripple.as_ref().is_some_and(|ripple| ripple.is_made_for(cell)) {
            self.ripple = MeshRipple::new(system, cell, &self.piston);
        }
    }

    /// Σ F_z of everything else on the slab, and the energy that the mesh gives the slab alone; kJ/mol/nm and kJ/mol.
    ///
    /// * `z` – of its first atom, nm
    /// * `forces` – `[n_atoms]`, kJ/mol/nm
    pub fn force(&self, z: f64, forces: &[DVec3]) -> (f64, f64) {
        let (energy, own) = self.ripple.as_ref().map_or((0.0, 0.0), |ripple| ripple.at(z));
        (self.piston.atoms.iter().map(|&i| forces[i as usize].z).sum::<f64>() - own, energy)
    }

    /// Enters what the piston is and feels.
    ///
    /// * `positions`, `forces` – `[n_atoms]`, nm and kJ/mol/nm
    pub fn enter(&self, positions: &[DVec3], forces: &[DVec3], energies: &mut Energies) {
        let piston = &self.piston;
        let z = positions[piston.first()].z;
        let (gap, (force, own)) = (piston.gap(z), self.force(z, forces));
        energies.piston = Some(piston.pressure * piston.area * gap);
        if let Some(reciprocal) = &mut energies.coulomb_reciprocal {
            *reciprocal -= own;
        }
        energies.piston_reading = Some(PistonReading { gap, pressure: -piston.direction * force / piston.area });
    }

    pub fn owns(&self, atom: usize) -> bool {
        self.is_own[atom]
    }

    /// Takes one step.
    ///
    /// * `number`, `dt` – of the step, ps
    /// * `before` – velocity, scaled, nm/ps
    /// * `force` – see [`Body::force`], kJ/mol/nm
    pub fn step(&self, number: u64, dt: f64, bath: Option<&LangevinStep>, before: f64, force: f64) -> Motion {
        let kicked = before + dt / self.mass * (force + self.piston.load());
        let Some(bath) = bath else {
            return Motion { shift: dt * kicked, before, velocity: kicked, bath_heat: 0.0 };
        };
        let decay = (-bath.friction * dt).exp();
        let width = (BOLTZMANN * bath.temperature / self.mass * (1.0 - decay * decay)).sqrt();
        let [noise, ..] = normals(block(bath.seed, Stream::Piston, number, 0));
        let velocity = decay * kicked + width * noise;
        let bath_heat = 0.5 * self.mass * (velocity * velocity - kicked * kicked);
        Motion { shift: 0.5 * dt * (kicked + velocity), before, velocity, bath_heat }
    }

    /// Moves its atoms.
    ///
    /// * `positions`, `velocities` – `[n_atoms]`, nm and nm/ps
    pub fn apply(&self, motion: &Motion, positions: &mut [DVec3], velocities: &mut [DVec3]) {
        for &i in &self.piston.atoms {
            positions[i as usize].z += motion.shift;
            velocities[i as usize] = DVec3::Z * motion.velocity;
        }
    }

    /// ½ M V², kJ/mol. `velocity` in nm/ps.
    pub fn kinetic_energy(&self, velocity: f64) -> f64 {
        0.5 * self.mass * velocity * velocity
    }

    /// ½ M V ⊗ V, mean of before (scaled) and after a step, kJ/mol.
    pub fn kinetic_tensor(&self, motion: &Motion) -> DMat3 {
        let mean = 0.5 * (self.kinetic_energy(motion.before) + self.kinetic_energy(motion.velocity));
        DMat3::from_diagonal(DVec3::Z * mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piston(direction: f64) -> Piston {
        Piston {
            atoms: vec![1, 2],
            shape: vec![DVec3::splat(2.0); 2],
            direction,
            pressure: 3.0,
            area: 2.0,
            closed: 1.0,
            widest: 9.0,
        }
    }

    #[test]
    fn the_load_closes_the_gap_and_the_liquid_opens_it() {
        for direction in [-1.0, 1.0] {
            let body = Body::new(&piston(direction), &[5.0, 3.0, 1.0]);
            let forces = [DVec3::Z * 100.0, DVec3::Z * -direction * 4.0, DVec3::Z * -direction * 6.0];
            let velocities = [DVec3::ZERO; 3];
            // 6 of the load against 10 of the liquid, over 4 u
            let motion = body.step(1, 0.5, None, 0.0, body.force(2.0, &forces).0);
            assert_eq!((motion.velocity, motion.shift), (-direction * 0.5, -direction * 0.25));
            let (mut r, mut v) = ([DVec3::splat(2.0); 3], velocities);
            let before = body.piston.gap(r[1].z);
            body.apply(&motion, &mut r, &mut v);
            assert!((body.piston.gap(r[1].z) - before - 0.25).abs() < 1e-15, "it opens");
            assert_eq!((r[0], v[0]), (DVec3::splat(2.0), DVec3::ZERO), "others stay");
            let mut energies = Energies::default();
            body.enter(&r, &forces, &mut energies);
            assert_eq!(energies.piston_reading.map(|p| p.pressure), Some(5.0));
            assert_eq!(energies.piston, Some(6.0 * body.piston.gap(r[1].z)));
        }
    }

    /// Free of forces, the bath gives ⟨M V²⟩ = kT and its heat is what the kinetic energy changed by.
    #[test]
    fn the_bath_holds_the_temperature() {
        let free = Piston { pressure: 0.0, ..piston(1.0) };
        let body = Body::new(&free, &[1.0, 40.0, 60.0]);
        let bath = LangevinStep { temperature: 300.0, friction: 2.0, seed: 7 };
        let (n, mut sum, mut heat) = (40_000, 0.0, 0.0);
        let mut v = 0.0;
        for step in 0..n {
            let motion = body.step(step, 0.5, Some(&bath), v, 0.0);
            v = motion.velocity;
            sum += 2.0 * body.kinetic_energy(motion.velocity);
            heat += motion.bath_heat;
        }
        let kt = BOLTZMANN * 300.0;
        let mean = sum / n as f64;
        // variance of v² is 2 (kT)²; e^{-1} is left of a velocity after a step, e^{-2} of its square
        let error = kt * (2.0 / n as f64 * (1.0 + (-2.0_f64).exp()) / (1.0 - (-2.0_f64).exp())).sqrt();
        assert!((mean - kt).abs() < 4.0 * error, "{mean} and {kt}, {error}");
        assert!((heat - body.kinetic_energy(v)).abs() < 1e-9);
        assert!(body.step(3, 0.5, None, v, 0.0).velocity == v, "no force, no bath, no change");
    }
}
