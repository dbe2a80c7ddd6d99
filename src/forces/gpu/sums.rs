//! Energies and virial of a step from the sums that its passes left, in f64 and with the constants of the host.

use super::bind::Bound;
use super::device::cast;
use super::electrode::ConstantPotential;
use super::external::ExternalTerms;
use super::molecules::Molecules;
use super::{GpuBackend, LongRange};
use crate::cell::Cell;
use crate::forces::reference::Contribution;
use crate::forces::reference::ewald::neutralizing_background;
use crate::forces::reference::exclusions::{ewald_self_energy, reaction_field_self_energy};
use crate::forces::reference::external::Dipole;
use crate::forces::{Energies, electrode_charges};
use crate::potential::coulomb::ReactionField;
use crate::system::Coulomb;
use glam::{DMat3, DVec3};
use std::borrow::Cow;

/// Buffers that hold the sums of a reported step.
pub(super) const N_PARTS: usize = 8;

impl GpuBackend {
    /// The long-range buffer that holds what its sums need, and how much of it.
    fn long_range_sums(&self) -> (&wgpu::Buffer, usize) {
        match &self.long_range {
            LongRange::None => (&self.buffers.status, 0),
            LongRange::Ewald(direct) => (&direct.reported_structure, direct.structure_bytes()),
            LongRange::Mesh(mesh) => (&mesh.partials, mesh.partials_bytes()),
        }
    }

    /// The buffers that hold the sums of pairs, bonded terms, virtual sites, long-range forces, the dipole,
    /// external terms, charges of electrodes and what drives them, and how much of each.
    pub(super) fn force_sums(&self) -> [(&wgpu::Buffer, usize); N_PARTS] {
        let nothing = (&self.buffers.status, 0);
        let pairs = (self.nonbonded.sums(), self.nonbonded.sums_bytes());
        let [bonded, sites] = self.molecules.sums().map(|sums| sums.unwrap_or(nothing));
        let [dipoles, external] = self.external.as_ref().map_or([nothing; 2], ExternalTerms::parts);
        let charges = self.electrodes.as_ref().map_or(nothing, ConstantPotential::charges);
        let drive = self.electrodes.as_ref().map_or(nothing, ConstantPotential::drive);
        [pairs, bonded, sites, self.long_range_sums(), dipoles, external, charges, drive]
    }

    /// Charges of all atoms, `[n_atoms]`, e.
    ///
    /// * `own` – what the device gave those of electrodes
    pub(super) fn charges_with(&self, own: &[u8]) -> Cow<'_, [f64]> {
        let mut charges = Cow::Borrowed(&self.system.topology.charges[..]);
        if let Some(electrodes) = &self.electrodes {
            electrodes.fill_in(&cast::<f32>(own), charges.to_mut());
        }
        charges
    }

    /// Energies and virial (without constraints) from the sums of the device and the constants of the host.
    ///
    /// * `bound` – the list that it was computed with
    /// * `sums` – what [`Self::force_sums`] names
    pub(super) fn energies(
        &self,
        cell: &Cell,
        bound: &Bound,
        [pair_partials, bonded, sites, long_range_sums, dipoles, outside, own, drive]: [&[u8]; N_PARTS],
    ) -> (Energies, DMat3) {
        let topology = &self.system.topology;
        let charges = self.charges_with(own);
        let pairs = self.nonbonded.pair_sums(pair_partials);
        let (bonded, restraint) = Molecules::total(&cast::<f32>(bonded), &cast::<f32>(sites));
        let reciprocal = match &self.long_range {
            LongRange::None => Contribution { energy: 0.0, virial: DMat3::ZERO },
            LongRange::Ewald(direct) => direct.sums(long_range_sums),
            LongRange::Mesh(mesh) => mesh.sums(&cast::<f32>(long_range_sums)),
        };
        let coefficients = self.system.pair_table.coefficients();
        let mut energies = Energies {
            lj: coefficients.iter().any(|k| k.c6 != 0.0 || k.c12 != 0.0).then_some(pairs.lj),
            lj_c4: coefficients.iter().any(|k| k.c4 != 0.0).then_some(pairs.lj_c4),
            restraint: (!self.system.restraints.is_empty()).then_some(restraint),
            cutoff_shift: pairs.cutoff_shift,
            ..Energies::default()
        };
        bonded.enter(topology, &mut energies);
        let mut virial = pairs.virial + bonded.virial + reciprocal.virial;
        if charges.iter().any(|&q| q != 0.0) {
            match self.system.interactions.coulomb {
                Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                    let background = neutralizing_background(cell, charges.iter().sum(), beta);
                    let own = ewald_self_energy(&charges, beta);
                    energies.coulomb_real = Some(pairs.coulomb);
                    energies.coulomb_reciprocal = Some(reciprocal.energy + pairs.excluded + own + background.energy);
                    virial += background.virial;
                }
                Coulomb::ReactionField { epsilon } => {
                    let field = ReactionField::new(epsilon, self.system.interactions.cutoff);
                    let own = reaction_field_self_energy(&charges, field);
                    energies.coulomb_real = Some(pairs.coulomb + pairs.excluded + own);
                }
                Coulomb::Cutoff => energies.coulomb_real = Some(pairs.coulomb),
            }
        }
        if let (Some(terms), Some(placement)) = (&self.external, &bound.placement) {
            let nothing = Dipole { charge: 0.0, moment: 0.0, second: 0.0 };
            let answering = self.electrodes.as_ref().map_or(nothing, |e| e.dipole(&charges));
            let (sums, shapes) = terms.sums(cell, placement, [dipoles, outside], &answering);
            energies.slab_correction = sums.slab_correction;
            energies.external_field = sums.field;
            energies.wall = sums.wall;
            virial += sums.virial;
            if let Some(electrodes) = &self.electrodes {
                let (overlaps, own) = electrodes.energies(&charges);
                energies.electrode = Some(own);
                energies.dipole_z = Some(sums.moment);
                energies.electrode_charges = electrode_charges(&self.system.external, &charges);
                energies.electrode_potentials = electrodes.potentials(&cast::<f32>(drive));
                energies.coulomb_real = energies.coulomb_real.map(|e| e + shapes + overlaps);
            }
        }
        if let Some(correction) = &self.dispersion {
            energies.dispersion_correction = Some(correction.energy(cell));
            virial += DMat3::from_diagonal(DVec3::splat(correction.virial_trace(cell) / 3.0));
        }
        if let Some(frozen) = &self.frozen {
            virial -= frozen.of(&charges, None);
        }
        (energies, virial)
    }
}
