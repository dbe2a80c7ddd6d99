//! Energies and virial of a step that is reported, put together from the sums of its passes.

use super::{CpuBackend, Engine, LongRange, WithinSums};
use crate::cell::Cell;
use crate::forces::reference::{self, Contribution};
use crate::forces::{Energies, electrode_charges};
use crate::potential::coulomb::ReactionField;
use crate::system::Coulomb;
use crate::system::external::MOST_ELECTRODES;
use glam::{DMat3, DVec3};

impl CpuBackend {
    /// Potentials of the electrodes with the charges found last, see [`crate::system::external::Electrodes::potentials`], kJ mol⁻¹ e⁻¹.
    pub fn electrode_potentials(&self) -> [f64; MOST_ELECTRODES] {
        let Engine { electrodes, system, .. } = &self.engine;
        let found = electrodes.as_ref().zip(system.external.electrodes.as_ref());
        found.map_or([0.0; MOST_ELECTRODES], |(electrodes, spec)| electrodes.potentials(spec))
    }
}

impl Engine {
    /// Energies and virial of a report, from the sums of its passes.
    pub(super) fn energies(&self, cell: &Cell, reciprocal: Contribution, within: &WithinSums) -> (Energies, DMat3) {
        let excluded = within.excluded;
        let (pairs, pair_virial) = self.nonbonded.sums();
        let topology = &self.system.topology;
        let interactions = &self.system.interactions;
        let coefficients = self.system.pair_table.coefficients();
        let mut energies = Energies {
            lj: coefficients.iter().any(|k| k.c6 != 0.0 || k.c12 != 0.0).then_some(pairs.lj),
            lj_c4: coefficients.iter().any(|k| k.c4 != 0.0).then_some(pairs.lj_c4),
            cutoff_shift: pairs.cutoff_shift,
            restraint: (!self.restraints.is_empty()).then_some(within.restraint),
            ..Energies::default()
        };
        within.bonded.enter(topology, &mut energies);
        let mut virial = pair_virial + reciprocal.virial + excluded.virial + within.bonded.virial;
        if topology.charges.iter().any(|&q| q != 0.0) {
            match interactions.coulomb {
                Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                    let own = reference::exclusions::ewald_self_energy(&topology.charges, beta);
                    let background = reference::ewald::neutralizing_background(cell, topology.net_charge(), beta);
                    energies.coulomb_real = Some(pairs.coulomb);
                    energies.coulomb_reciprocal = Some(reciprocal.energy + excluded.energy + own + background.energy);
                    virial += background.virial;
                }
                Coulomb::ReactionField { epsilon } => {
                    let field = ReactionField::new(epsilon, interactions.cutoff);
                    let own = reference::exclusions::reaction_field_self_energy(&topology.charges, field);
                    energies.coulomb_real = Some(pairs.coulomb + excluded.energy + own);
                }
                Coulomb::Cutoff => energies.coulomb_real = Some(pairs.coulomb),
            }
        }
        if let Some(state) = &self.state
            && !self.system.external.terms().is_empty()
        {
            let external = &self.system.external;
            let mut unused = vec![DVec3::ZERO; state.n_atoms()];
            let charges = &topology.charges;
            let outside =
                reference::external::add_forces(external, topology, charges, cell, &state.positions, &mut unused);
            energies.slab_correction = outside.slab_correction;
            energies.external_field = outside.field;
            energies.wall = outside.wall;
            virial += outside.virial;
            if let (Some(electrodes), Some(spec)) = (&self.electrodes, &external.electrodes) {
                let (short_range, electrode) = electrodes.energies(charges);
                energies.coulomb_real = energies.coulomb_real.map(|e| e + short_range);
                energies.electrode = Some(electrode);
                virial += electrodes.shape_virial(charges);
                energies.dipole_z = Some(outside.moment);
                energies.electrode_charges = electrode_charges(external, charges);
                energies.electrode_potentials = electrodes.potentials(spec);
            }
        }
        if let Some(correction) = &self.dispersion {
            energies.dispersion_correction = Some(correction.energy(cell));
            virial += DMat3::from_diagonal(DVec3::splat(correction.virial_trace(cell) / 3.0));
        }
        if let Some(frozen) = &self.frozen {
            let known = match &self.long_range {
                LongRange::Mesh(pme) if !frozen.has_other_charges() => pme.virial_of_fixed(),
                _ => None,
            };
            virial -= frozen.of(&topology.charges, known);
        }
        if let Some(state) = &self.state {
            self.integrator.piston().iter().for_each(|body| body.enter(&state.positions, &self.forces, &mut energies));
        }
        (energies, virial)
    }
}
