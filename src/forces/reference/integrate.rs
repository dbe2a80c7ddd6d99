//! One time step in f64: leap-frog, or the Langevin middle scheme, with rigid water and constrained distances.
//!
//! Knows slices of positions, velocities and forces; where forces come from and when to step is not its business.
//!
//! **Leap-frog** (no bath). v ← s v + dt f/m; x' = x + dt v; x ← SETTLE(x, x') on waters, M-SHAKE on other
//! constrained molecules; v ← v + (x − x')/dt. Frozen atoms and virtual sites do not move here, but for a [`piston`](super::piston).
//!
//! **Langevin middle** (Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019)). v ← s v + dt f/m, projected on the
//! constraints; half drift; v ← e^{−γ dt} v + √(kT/m (1 − e^{−2γ dt})) ξ, projected; half drift; SETTLE as above. Both
//! projections use the bonds at the start of the step, along which SETTLE's corrections act as well.
//!
//! **Constraint virial.** W_c = Σ r ⊗ F_c with r at the start of the step and F_c = m Δv/dt, Δv being every velocity
//! change that constraints made in the step, except the response to friction and noise, which is no force of the system
//! and averages to zero. Forces on a molecule add up to zero, so r counts from its oxygen.

use super::constraints::Constraints;
use super::piston::Body;
use super::settle::Settle;
use super::{outer, virtual_sites};
use crate::cell::Cell;
use crate::forces::LangevinStep;
use crate::random::{Stream, block, normals};
use crate::system::external::Piston;
use crate::system::{System, Topology};
use crate::units::BOLTZMANN;
use glam::{DMat3, DVec3};
use std::ops::Range;

/// What one step needs to know besides the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Step number n: the counter of the noise.
    pub number: u64,
    /// ps
    pub dt: f64,
    /// Factor on the velocities before the kick.
    pub velocity_scale: f64,
    pub langevin: Option<LangevinStep>,
    /// Of a piston.
    pub piston_bath: Option<LangevinStep>,
}

/// Sums over one step, kJ/mol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSums {
    /// Σ ½ m v² before scaling and kick
    pub kinetic_before: f64,
    /// Σ ½ m v² after the step
    pub kinetic_after: f64,
    /// Σ ½ m |v_after − s v_before|²
    pub kick: f64,
    /// Σ ½ m v ⊗ v, mean of before the step (scaled) and after
    pub kinetic_tensor: DMat3,
    /// Σ r ⊗ F_c
    pub constraint_virial: DMat3,
    /// Kinetic energy that friction and noise gave.
    pub bath_heat: f64,
}

/// Masses and constraints of one topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrator {
    /// `[n_atoms]`, u
    masses: Vec<f64>,
    /// `[n_atoms]`, u⁻¹; zero for a site without mass and for a frozen atom, which are not moved
    inv_masses: Vec<f64>,
    /// First atom (O; the hydrogens follow) and geometry of every rigid water.
    waters: Vec<(usize, Settle)>,
    /// Atoms and constraints (by molecule) of every other molecule that has some.
    constrained: Vec<(Range<usize>, Constraints)>,
    /// Frozen atoms that move together.
    piston: Option<Body>,
    topology: Topology,
}

impl Integrator {
    pub fn new(topology: &Topology) -> Self {
        let masses = topology.masses.clone();
        let mobile = |i: usize| masses[i] > 0.0 && !topology.frozen[i];
        let inv_masses = (0..masses.len()).map(|i| if mobile(i) { 1.0 / masses[i] } else { 0.0 }).collect();
        let waters = topology.rigid_waters().filter(|(o, _)| !topology.frozen[*o]);
        let waters = waters.map(|(o, g)| (o, Settle::new(masses[o], masses[o + 1], g.d_oh, g.d_hh))).collect();
        let by_species: Vec<Option<Constraints>> = topology.species.iter().map(Constraints::new).collect();
        let constrained = (0..topology.molecules.len())
            .filter(|&m| !topology.frozen[topology.atoms_of(m).start])
            .filter_map(|m| {
                let constraints = by_species[topology.molecules[m].species as usize].clone()?;
                Some((topology.atoms_of(m), constraints))
            })
            .collect();
        Integrator { masses, inv_masses, waters, constrained, piston: None, topology: topology.clone() }
    }

    /// The same with a slab that moves.
    pub fn with_piston(mut self, piston: Option<&Piston>) -> Self {
        self.piston = piston.map(|piston| Body::new(piston, &self.masses));
        self
    }

    pub fn piston(&self) -> Option<&Body> {
        self.piston.as_ref()
    }

    /// What depends on the cell.
    pub fn prepare(&mut self, system: &System, cell: &Cell) {
        self.piston.iter_mut().for_each(|body| body.prepare(system, cell));
    }

    /// Σ ½ m v², kJ/mol. `velocities`: `[n_atoms]`, nm/ps.
    pub fn kinetic_energy(&self, velocities: &[DVec3]) -> f64 {
        self.masses.iter().zip(velocities).map(|(m, v)| 0.5 * m * v.length_squared()).sum()
    }

    /// Σ ½ m v ⊗ v, kJ/mol.
    pub fn kinetic_tensor(&self, velocities: &[DVec3]) -> DMat3 {
        self.masses.iter().zip(velocities).fold(DMat3::ZERO, |sum, (m, &v)| sum + outer(v, v) * (0.5 * m))
    }

    /// Subtracts the velocity of the centre of mass of the atoms that move.
    pub fn remove_com_velocity(&self, velocities: &mut [DVec3]) {
        let moves = |i: &usize| self.inv_masses[*i] > 0.0;
        let all = 0..velocities.len();
        let momentum: DVec3 = all.clone().filter(moves).map(|i| self.masses[i] * velocities[i]).sum();
        let mass: f64 = all.clone().filter(moves).map(|i| self.masses[i]).sum();
        for i in all.filter(moves) {
            velocities[i] -= momentum / mass;
        }
    }

    /// Stops what does not move: frozen atoms and virtual sites.
    pub fn stop_immobile(&self, velocities: &mut [DVec3]) {
        for (v, &inv_mass) in velocities.iter_mut().zip(&self.inv_masses) {
            if inv_mass == 0.0 {
                *v = DVec3::ZERO;
            }
        }
    }

    /// Removes relative motion along every constrained distance.
    ///
    /// * `positions`, `velocities` – `[n_atoms]`, nm and nm/ps
    pub fn project_velocities(&self, cell: &Cell, positions: &[DVec3], velocities: &mut [DVec3]) {
        for &(o, settle) in &self.waters {
            let v = settle
                .project_velocities(whole(cell, positions, o), [velocities[o], velocities[o + 1], velocities[o + 2]]);
            velocities[o..o + 3].copy_from_slice(&v);
        }
        for (atoms, constraints) in &self.constrained {
            constraints.project_velocities(cell, &positions[atoms.clone()], &mut velocities[atoms.clone()]);
        }
    }

    /// Brings every rigid water and constrained distance to its exact geometry, moving atoms as little as constraint
    /// forces would, and puts virtual sites in their places.
    pub fn constrain_positions(&self, cell: &Cell, positions: &mut [DVec3]) {
        for &(o, settle) in &self.waters {
            let old = whole(cell, positions, o);
            let new = settle.constrain_positions(old, old);
            for k in 0..3 {
                positions[o + k] += new[k] - old[k];
            }
        }
        for (atoms, constraints) in &self.constrained {
            let old = positions[atoms.clone()].to_vec();
            constraints.constrain_positions(cell, &old, &mut positions[atoms.clone()]);
        }
        virtual_sites::construct(&self.topology, cell, positions);
    }

    /// Takes one step.
    ///
    /// * `forces` – `[n_atoms]`, kJ/mol/nm, at `positions`
    /// * `positions` – `[n_atoms]`, nm, x(n) → x(n+1)
    /// * `velocities` – `[n_atoms]`, nm/ps, v(n−½) → v(n+½)
    pub fn step(
        &self,
        step: &Step,
        cell: &Cell,
        forces: &[DVec3],
        positions: &mut [DVec3],
        velocities: &mut [DVec3],
    ) -> StepSums {
        let dt = step.dt;
        let n_atoms = positions.len();
        let kinetic_before = self.kinetic_energy(velocities);
        let mut bath_heat = 0.0;

        let scaled: Vec<DVec3> = velocities.iter().map(|&v| step.velocity_scale * v).collect();
        let tensor_before = self.kinetic_tensor(&scaled);
        for i in 0..n_atoms {
            velocities[i] = scaled[i] + dt * self.inv_masses[i] * forces[i];
        }
        self.stop_immobile(velocities);
        // velocity changes that constraints make, without those that answer the bath
        let mut constrained = vec![DVec3::ZERO; n_atoms];
        let mut moved = positions.to_vec();
        let mut constraint_virial = DMat3::ZERO;
        match step.langevin {
            None => {
                for i in 0..n_atoms {
                    moved[i] += dt * velocities[i];
                }
            }
            Some(bath) => {
                let kicked = velocities.to_vec();
                for (atoms, constraints) in &self.constrained {
                    let mut own = velocities[atoms.clone()].to_vec();
                    let impulses = constraints.project_velocities(cell, &positions[atoms.clone()], &mut own);
                    constraint_virial += impulses * (1.0 / dt);
                }
                self.project_velocities(cell, positions, velocities);
                for i in 0..n_atoms {
                    constrained[i] = velocities[i] - kicked[i];
                    moved[i] += 0.5 * dt * velocities[i];
                }
                bath_heat -= self.kinetic_energy(velocities);
                let decay = (-bath.friction * dt).exp();
                let noise = BOLTZMANN * bath.temperature * (1.0 - decay * decay);
                for (i, v) in velocities.iter_mut().enumerate() {
                    let [x, y, z, _] = normals(block(bath.seed, Stream::Langevin, step.number, i as u32));
                    *v = decay * *v + (noise * self.inv_masses[i]).sqrt() * DVec3::new(x, y, z);
                }
                self.project_velocities(cell, positions, velocities);
                bath_heat += self.kinetic_energy(velocities);
                for i in 0..n_atoms {
                    moved[i] += 0.5 * dt * velocities[i];
                }
            }
        }

        for &(o, settle) in &self.waters {
            let old = whole(cell, positions, o);
            let unconstrained = [0, 1, 2].map(|k| old[k] + (moved[o + k] - positions[o + k]));
            let new = settle.constrain_positions(old, unconstrained);
            for k in 0..3 {
                let correction = new[k] - unconstrained[k];
                moved[o + k] += correction;
                velocities[o + k] += correction / dt;
                constrained[o + k] += correction / dt;
                constraint_virial += outer(old[k] - old[0], self.masses[o + k] / dt * constrained[o + k]);
            }
        }
        for (atoms, constraints) in &self.constrained {
            let unconstrained = moved[atoms.clone()].to_vec();
            let sum = constraints.constrain_positions(cell, &positions[atoms.clone()], &mut moved[atoms.clone()]);
            constraint_virial += sum * (1.0 / (dt * dt));
            for (i, before) in atoms.clone().zip(unconstrained) {
                velocities[i] += (moved[i] - before) / dt;
            }
        }
        positions.copy_from_slice(&moved);
        if let Some(body) = &self.piston {
            let first = body.piston.first();
            let (force, _) = body.force(positions[first].z, forces);
            let motion = body.step(step.number, dt, step.piston_bath.as_ref(), scaled[first].z, force);
            body.apply(&motion, positions, velocities);
            bath_heat += motion.bath_heat;
        }

        let kick = (0..n_atoms).map(|i| 0.5 * self.masses[i] * (velocities[i] - scaled[i]).length_squared()).sum();
        StepSums {
            kinetic_before,
            kinetic_after: self.kinetic_energy(velocities),
            kick,
            kinetic_tensor: 0.5 * (tensor_before + self.kinetic_tensor(velocities)),
            constraint_virial,
            bath_heat,
        }
    }
}

/// The water whose oxygen is atom `o`, hydrogens at the image nearest to it.
fn whole(cell: &Cell, positions: &[DVec3], o: usize) -> [DVec3; 3] {
    let at = positions[o];
    [at, at + cell.minimum_image(positions[o + 1] - at), at + cell.minimum_image(positions[o + 2] - at)]
}
