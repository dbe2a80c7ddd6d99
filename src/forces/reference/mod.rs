//! The reference backend: plain f64, one readable file per pass, and the oracle of the fast backends.
//!
//! Runs every input. Slow wherever speed would cost clarity. Results do not depend on the number of threads. It knows
//! nothing of devices, and the engine decides when to search, couple and write.
//!
//! Passes: [`pair`], [`exclusions`], [`bonded`], [`ewald`] or [`pme`], [`dispersion`], [`restraints`], [`virtual_sites`];
//! steps: [`constraints`], [`settle`], [`integrate`], [`piston`]; messages about failed steps: [`blame`].

pub mod blame;
pub mod bonded;
pub mod constraints;
pub mod dispersion;
pub mod electrode;
pub mod ewald;
pub mod exclusions;
pub mod external;
pub mod frozen;
pub mod integrate;
pub mod pair;
pub mod piston;
pub mod pme;
pub mod restraints;
pub mod ripple;
pub mod settle;
pub mod virtual_sites;

use super::{
    Backend, Batch, Chunk, ChunkReport, Energies, Evaluation, FirstStep, ForceError, NeighborKind, electrode_charges,
};
use crate::cell::Cell;
use crate::neighbor::{NeighborList, pairs::PairList};
use crate::potential::bspline::MAX_ORDER;
use crate::potential::coulomb::ReactionField;
use crate::system::external::MOST_ELECTRODES;
use crate::system::{Coulomb, State, System};
use blame::{AFTER_A_STEP, BEFORE_ANY_STEP, Scene};
use dispersion::DispersionCorrection;
use electrode::ConstantPotential;
use ewald::WaveVectors;
use frozen::FrozenVirial;
use glam::{DMat3, DVec3};
use integrate::{Integrator, Step};
use pme::Pme;
use std::collections::VecDeque;
use std::sync::Arc;

/// Energy and virial of one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// kJ/mol
    pub energy: f64,
    /// W = Σ r ⊗ F, kJ/mol
    pub virial: DMat3,
}

impl Contribution {
    /// Nothing yet. (There is no `Default`: glam's default matrix is the identity.)
    pub const ZERO: Contribution = Contribution { energy: 0.0, virial: DMat3::ZERO };

    pub fn add(&mut self, other: &Contribution) {
        self.energy += other.energy;
        self.virial += other.virial;
    }
}

/// a ⊗ b: element (row α, column β) is a_α b_β.
pub fn outer(a: DVec3, b: DVec3) -> DMat3 {
    DMat3::from_cols(a * b.x, a * b.y, a * b.z)
}

/// One system in plain f64.
pub struct ReferenceBackend {
    system: System,
    integrator: Integrator,
    mesh: Option<Pme>,
    dispersion: Option<DispersionCorrection>,
    /// Made when a state is loaded, for the electrodes where they are then.
    electrodes: Option<ConstantPotential>,
    /// The same of all frozen atoms.
    frozen: Option<FrozenVirial>,
    state: Option<State>,
    list: Option<Arc<PairList>>,
    /// `[n_atoms]`, nm: positions when the list was set
    list_positions: Vec<DVec3>,
    /// Steps taken since the list was set.
    steps_since_list: u64,
    queue: VecDeque<Batch>,
}

impl ReferenceBackend {
    /// Prepares what depends on the system alone. Fails only on a mesh that cannot hold its splines.
    pub fn new(system: &System) -> Result<Self, ForceError> {
        let mesh = match system.interactions.coulomb {
            Coulomb::Pme { beta, grid, order } => {
                if !(3..=MAX_ORDER).contains(&order) || grid.iter().any(|&n| n < order) {
                    return Err(Pme::impossible(order, grid));
                }
                Some(Pme::new(grid, order, beta))
            }
            _ => None,
        };
        let dispersion = system.interactions.dispersion_correction.then(|| DispersionCorrection::new(system));
        Ok(ReferenceBackend {
            system: system.clone(),
            integrator: Integrator::new(&system.topology).with_piston(system.external.piston.as_ref()),
            mesh,
            dispersion,
            electrodes: None,
            frozen: None,
            state: None,
            list: None,
            list_positions: Vec::new(),
            steps_since_list: 0,
            queue: VecDeque::new(),
        })
    }

    /// The system it was made for.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Reciprocal-space forces (without self and excluded pairs), or nothing when the method has none.
    ///
    /// * `charges` – `[n_atoms]`, e
    fn add_reciprocal(&self, cell: &Cell, positions: &[DVec3], charges: &[f64], forces: &mut [DVec3]) -> Contribution {
        match (self.system.interactions.coulomb, &self.mesh) {
            (Coulomb::Pme { .. }, Some(mesh)) => mesh.add_forces(cell, positions, charges, forces),
            (Coulomb::Ewald { beta, n_max, n_sq_max }, _) => {
                ewald::add_forces(cell, positions, charges, &WaveVectors { beta, n_max, n_sq_max }, forces)
            }
            _ => Contribution::ZERO,
        }
    }

    /// Potential of the reciprocal sum at every atom, kJ mol⁻¹ e⁻¹; zero when the method has none.
    fn reciprocal_potentials(&self, cell: &Cell, positions: &[DVec3], charges: &[f64]) -> Vec<f64> {
        match (self.system.interactions.coulomb, &self.mesh) {
            (Coulomb::Pme { .. }, Some(mesh)) => {
                let (potential, _) = mesh.solve(cell, &mesh.spread(cell, positions, charges));
                mesh.gather_potentials(cell, positions, &potential)
            }
            (Coulomb::Ewald { beta, n_max, n_sq_max }, _) => {
                ewald::potentials(cell, positions, charges, &WaveVectors { beta, n_max, n_sq_max })
            }
            _ => vec![0.0; positions.len()],
        }
    }

    /// Reciprocal energies of unit charges at every pair of positions, `[n * n]`, kJ mol⁻¹ e⁻².
    fn reciprocal_interactions(&self, cell: &Cell, positions: &[DVec3]) -> Vec<f64> {
        match (self.system.interactions.coulomb, &self.mesh) {
            (Coulomb::Pme { .. }, Some(mesh)) => mesh.interactions(cell, positions),
            (Coulomb::Ewald { beta, n_max, n_sq_max }, _) => {
                ewald::interactions(cell, positions, &WaveVectors { beta, n_max, n_sq_max })
            }
            _ => vec![0.0; positions.len() * positions.len()],
        }
    }

    /// The system as it is in a configuration: with the charges that electrodes take there, and their potentials, kJ mol⁻¹ e⁻¹.
    fn with_electrode_charges(
        &self,
        cell: &Cell,
        positions: &[DVec3],
        list: &PairList,
    ) -> Option<(System, [f64; MOST_ELECTRODES])> {
        let electrodes = self.electrodes.as_ref()?;
        let mut system = self.system.clone();
        let reciprocal = |q: &[f64]| self.reciprocal_potentials(cell, positions, q);
        let charges = &mut system.topology.charges;
        let potentials = electrodes.set_charges(&self.system, cell, positions, list, &reciprocal, charges);
        Some((system, potentials))
    }

    /// Charges of the loaded configuration, `[n_atoms]`, e: those of the topology but for electrodes.
    pub fn charges(&self) -> Result<Vec<f64>, ForceError> {
        let (state, list) = self.loaded()?;
        let charged = self.with_electrode_charges(&state.cell, &state.positions, list);
        Ok(charged.as_ref().map_or(&self.system, |(system, _)| system).topology.charges.clone())
    }

    /// Forces, energies and virial of any configuration with any list that covers it. Electrodes stay where they were
    /// when a state was loaded.
    ///
    /// * `positions` – `[n_atoms]`, nm; virtual sites are built anew from their parents
    pub fn evaluate_at(&self, cell: &Cell, positions: &[DVec3], list: &PairList) -> Evaluation {
        let interactions = &self.system.interactions;
        let built: Vec<DVec3>;
        let positions = if virtual_sites::any(&self.system.topology) {
            let mut positions = positions.to_vec();
            virtual_sites::construct(&self.system.topology, cell, &mut positions);
            built = positions;
            &built
        } else {
            positions
        };
        let charged = self.with_electrode_charges(cell, positions, list);
        let system = charged.as_ref().map_or(&self.system, |(system, _)| system);
        let topology = &system.topology;
        let charges = &topology.charges;
        let mut forces = vec![DVec3::ZERO; positions.len()];
        let pairs = pair::add_forces(system, cell, positions, list, &mut forces);
        let excluded = exclusions::add_forces(system, cell, positions, &mut forces);
        let reciprocal = self.add_reciprocal(cell, positions, charges, &mut forces);
        let bonded = bonded::add_forces(topology, cell, positions, &mut forces);
        let outside = external::add_forces(&self.system.external, topology, charges, cell, positions, &mut forces);
        let electrodes = self.electrodes.as_ref();
        let electrode = electrodes.map(|e| e.add_forces(system, cell, positions, charges, list, &mut forces));
        let from_sites = virtual_sites::spread_forces(topology, cell, positions, &mut forces);
        let restraints = &self.system.restraints;
        let restraint = restraints::add_forces(restraints, positions, &mut forces);

        let has_lj = self.system.pair_table.coefficients().iter().any(|k| k.c6 != 0.0 || k.c12 != 0.0);
        let has_c4 = self.system.pair_table.coefficients().iter().any(|k| k.c4 != 0.0);
        let has_charges = charges.iter().any(|&q| q != 0.0);
        let mut energies = Energies {
            lj: has_lj.then_some(pairs.lj),
            lj_c4: has_c4.then_some(pairs.lj_c4),
            cutoff_shift: pairs.cutoff_shift,
            restraint: (!restraints.is_empty()).then_some(restraint),
            ..Energies::default()
        };
        bonded.enter(topology, &mut energies);
        energies.slab_correction = outside.slab_correction;
        energies.external_field = outside.field;
        energies.wall = outside.wall;
        let mut virial =
            pairs.virial + excluded.virial + reciprocal.virial + bonded.virial + outside.virial + from_sites;
        if has_charges {
            match interactions.coulomb {
                Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                    let own = exclusions::ewald_self_energy(&topology.charges, beta);
                    let background = ewald::neutralizing_background(cell, topology.net_charge(), beta);
                    energies.coulomb_real = Some(pairs.coulomb);
                    energies.coulomb_reciprocal = Some(reciprocal.energy + excluded.energy + own + background.energy);
                    virial += background.virial;
                }
                Coulomb::ReactionField { epsilon } => {
                    let field = ReactionField::new(epsilon, interactions.cutoff);
                    let own = exclusions::reaction_field_self_energy(&topology.charges, field);
                    energies.coulomb_real = Some(pairs.coulomb + excluded.energy + own);
                }
                Coulomb::Cutoff => energies.coulomb_real = Some(pairs.coulomb),
            }
        }
        if let Some(sums) = electrode {
            energies.electrode = Some(sums.electrode);
            energies.dipole_z = Some(outside.moment);
            energies.electrode_charges = electrode_charges(&self.system.external, charges);
            energies.electrode_potentials =
                charged.as_ref().map_or([0.0; MOST_ELECTRODES], |(_, potentials)| *potentials);
            energies.coulomb_real = energies.coulomb_real.map(|e| e + sums.short_range);
            virial += sums.virial;
        }
        if let Some(correction) = &self.dispersion {
            energies.dispersion_correction = Some(correction.energy(cell));
            virial += DMat3::from_diagonal(DVec3::splat(correction.virial_trace(cell) / 3.0));
        }
        let moved = self.frozen.as_ref().is_some_and(|frozen| !frozen.is_made_for(cell, positions));
        let anew = if moved { FrozenVirial::new(&self.system, cell, positions) } else { None };
        if let Some(frozen) = anew.as_ref().or(self.frozen.as_ref()) {
            virial -= frozen.of(charges, None);
        }
        if let Some(body) = self.integrator.piston() {
            body.enter(positions, &forces, &mut energies);
        }
        Evaluation { forces, energies, virial }
    }

    /// The force on `atom` by term, kJ/mol/nm: `lj`, `lj_c4`, `coulomb_real`, `coulomb_reciprocal`, bonded ones.
    pub fn forces_by_term(&self, atom: usize) -> Result<Vec<(&'static str, DVec3)>, ForceError> {
        let (state, _) = self.loaded()?;
        Ok(blame::forces_by_term(&self.system, &state.cell, &state.positions, atom))
    }

    fn loaded(&self) -> Result<(&State, &Arc<PairList>), ForceError> {
        self.state.as_ref().zip(self.list.as_ref()).ok_or(ForceError::NoNeighbors)
    }

    /// Fails on the first force, energy or position that is not finite.
    fn check_finite(&self, step: u64, evaluation: &Evaluation, remedy: &'static str) -> Result<(), ForceError> {
        let (state, _) = self.loaded()?;
        let (system, cell) = (&self.system, &state.cell);
        let scene = |positions| Scene { system, cell, positions, step, remedy };
        if let Some(atom) = state.positions.iter().position(|r| !r.is_finite()) {
            return Err(scene(&self.list_positions).blow_up(atom, "has a position that is not finite"));
        }
        if let Some(atom) = evaluation.forces.iter().position(|f| !f.is_finite()) {
            return Err(scene(&state.positions).blow_up(atom, "has a force that is not finite"));
        }
        if !evaluation.energies.total().is_finite() {
            return Err(scene(&state.positions).blow_up_somewhere("the potential energy is not finite"));
        }
        Ok(())
    }
}

impl Backend for ReferenceBackend {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn device(&self) -> String {
        "plain f64 on the host".to_string()
    }

    fn neighbor_kind(&self) -> NeighborKind {
        NeighborKind::Pairs
    }

    fn load(&mut self, state: &State) -> Result<(), ForceError> {
        assert_eq!(state.n_atoms(), self.system.topology.n_atoms(), "state and topology describe the same atoms");
        let mut own = state.clone();
        virtual_sites::construct(&self.system.topology, &own.cell, &mut own.positions);
        let stays = self.electrodes.as_ref().is_some_and(|e| e.is_made_for(&own.cell, &own.positions));
        if !stays {
            let far = |at: &[DVec3]| self.reciprocal_interactions(&own.cell, at);
            self.electrodes = ConstantPotential::new(&self.system, &own.cell, &own.positions, far)?;
        }
        if !self.frozen.as_ref().is_some_and(|frozen| frozen.is_made_for(&own.cell, &own.positions)) {
            self.frozen = FrozenVirial::new(&self.system, &own.cell, &own.positions);
        }
        self.integrator.prepare(&self.system, &own.cell);
        self.state = Some(own);
        Ok(())
    }

    fn store(&mut self, state: &mut State) -> Result<(), ForceError> {
        let own = self.state.as_ref().ok_or(ForceError::NoNeighbors)?;
        state.cell = own.cell;
        state.positions.clone_from(&own.positions);
        state.velocities.clone_from(&own.velocities);
        Ok(())
    }

    fn set_neighbors(&mut self, list: NeighborList) -> Result<(), ForceError> {
        let state = self.state.as_ref().ok_or(ForceError::NoNeighbors)?;
        self.list_positions.clone_from(&state.positions);
        self.steps_since_list = 0;
        match list {
            NeighborList::Pairs(pairs) => self.list = Some(pairs),
            _ => return Err(ForceError::NoNeighbors),
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        let (state, list) = self.loaded()?;
        let evaluation = self.evaluate_at(&state.cell, &state.positions, list);
        self.check_finite(state.step, &evaluation, BEFORE_ANY_STEP)?;
        Ok(evaluation)
    }

    fn charges(&mut self) -> Result<Option<Vec<f64>>, ForceError> {
        if self.electrodes.is_none() {
            return Ok(None);
        }
        ReferenceBackend::charges(self).map(Some)
    }

    fn queue(&mut self) -> &mut VecDeque<Batch> {
        &mut self.queue
    }

    /// After an error, positions and velocities are those before the step that failed.
    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        self.loaded()?;
        let state = self.state.as_mut().ok_or(ForceError::NoNeighbors)?;
        if chunk.remove_com {
            self.integrator.remove_com_velocity(&mut state.velocities);
        }
        let csvr = chunk.csvr.map_or(1.0, |draw| draw.factor(self.integrator.kinetic_energy(&state.velocities)));
        let velocity_scale = chunk.velocity_scale * csvr;
        let start_positions = state.positions.clone();
        let mut report = ChunkReport { velocity_scale, ..ChunkReport::default() };
        for k in 0..u64::from(chunk.n_steps) {
            let step = chunk.first_step + k;
            let (state, list) = self.loaded()?;
            let evaluation = self.evaluate_at(&state.cell, &state.positions, list);
            self.check_finite(step, &evaluation, AFTER_A_STEP)?;
            let (before_positions, before_velocities) = (state.positions.clone(), state.velocities.clone());
            let settings = Step {
                number: step,
                dt: chunk.dt,
                velocity_scale: if k == 0 { velocity_scale } else { 1.0 },
                langevin: chunk.langevin,
                piston_bath: chunk.piston_bath,
            };
            let state = self.state.as_mut().ok_or(ForceError::NoNeighbors)?;
            let (cell, x, v) = (&state.cell, &mut state.positions, &mut state.velocities);
            let sums = self.integrator.step(&settings, cell, &evaluation.forces, x, v);
            virtual_sites::construct(&self.system.topology, cell, x);
            if let Some((atom, moved)) = beyond(x, &self.list_positions, chunk.max_displacement) {
                *x = before_positions;
                *v = before_velocities;
                let (system, cell, positions) = (&self.system, &state.cell, &state.positions);
                let scene = Scene { system, cell, positions, step, remedy: AFTER_A_STEP };
                return Err(scene.runaway(atom, moved, self.steps_since_list + 1, chunk.max_displacement));
            }
            let moved = x.iter().zip(&start_positions).map(|(a, b)| (*a - *b).length());
            report.max_displacement = moved.fold(report.max_displacement, f64::max);
            report.bath_heat += sums.bath_heat;
            if k == 0 && chunk.report {
                report.first = Some(FirstStep {
                    energies: evaluation.energies,
                    virial: evaluation.virial + sums.constraint_virial,
                    kinetic_before: sums.kinetic_before,
                    kinetic_after: sums.kinetic_after,
                    kick: sums.kick,
                    kinetic_tensor: sums.kinetic_tensor,
                });
            }
            state.step = step + 1;
            self.steps_since_list += 1;
        }
        report.kinetic_end = self.integrator.kinetic_energy(&self.loaded()?.0.velocities);
        Ok(report)
    }
}

/// The atom that is farthest from its reference position, when that is more than `limit` (nm) or not finite.
fn beyond(positions: &[DVec3], reference: &[DVec3], limit: f64) -> Option<(usize, f64)> {
    let mut farthest = (0, 0.0);
    for (atom, (a, b)) in positions.iter().zip(reference).enumerate() {
        let distance = (*a - *b).length();
        if !distance.is_finite() {
            return Some((atom, f64::INFINITY));
        }
        if distance > farthest.1 {
            farthest = (atom, distance);
        }
    }
    (farthest.1 > limit).then_some(farthest)
}
