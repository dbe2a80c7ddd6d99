//! The passes that molecules add to pairs and mesh: bonded terms, virtual sites, constrained distances.
//!
//! Each is there only when the topology asks for it. Order of a step: bonded forces beside the pair forces; forces of sites to
//! their parents when all others are in; the update pass, that of constrained atoms; sites to their new places.

use super::bonded::{Bonded, BondedBuffers};
use super::constraints::Constraints;
use super::device::Context;
use super::fixed::FixedPosition;
use super::integrate::{ForceInput, StateBuffers};
use super::pass::Dispatch;
use super::shader::Shaders;
use super::virtual_sites::{SiteDispatches, VirtualSites};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::bonded::BondedSums;
use crate::system::System;

/// The passes of one system.
pub struct Molecules {
    bonded: Option<Bonded>,
    sites: Option<VirtualSites>,
    constraints: Constraints,
}

/// The passes bound to their buffers.
pub struct MoleculeDispatches {
    /// Without and with sums.
    bonded: Option<[Dispatch; 2]>,
    sites: Option<SiteDispatches>,
    constrained: Option<Dispatch>,
}

impl Molecules {
    /// * `constraints` – the pass of constrained atoms, which the update pass leaves to it
    /// * `input` – where forces come from
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        system: &System,
        constraints: Constraints,
        input: &ForceInput,
        n_slots: u32,
    ) -> Result<Self, ForceError> {
        Ok(Molecules {
            bonded: Bonded::new(context, shaders, system, input.kernel, n_slots)?,
            sites: VirtualSites::new(context, shaders, &system.topology, input)?,
            constraints,
        })
    }

    /// * `update` – steps and partial sums of the update pass
    /// * `wide` – with force sums of two words
    pub fn dispatches(
        &self,
        context: &Context,
        state: &StateBuffers,
        update: [&wgpu::Buffer; 2],
        wide: bool,
    ) -> Result<MoleculeDispatches, ForceError> {
        let (cell, positions, pair_forces, status) = (state.cell, state.positions, state.pair_forces, state.status);
        let shared = BondedBuffers { cell, positions, pair_forces, status };
        Ok(MoleculeDispatches {
            bonded: self.bonded.as_ref().map(|pass| pass.dispatches(context, &shared, wide)).transpose()?,
            sites: self.sites.as_ref().and_then(|passes| passes.dispatches(context, state, wide)),
            constrained: self.constraints.dispatch(context, state, update, wide),
        })
    }

    /// Places of restraints in a new cell.
    pub fn set_cell(&mut self, context: &Context, cell: &Cell) {
        if let Some(bonded) = &mut self.bonded {
            bonded.set_cell(context, cell);
        }
    }

    /// The device sees the nearest image of a restraint; fails on an atom for which that is another.
    pub fn check_restraints(system: &System, cell: &Cell, positions: &[FixedPosition]) -> Result<(), ForceError> {
        for restraint in &system.restraints {
            let (from, to) =
                (FixedPosition::from_cartesian(cell, restraint.reference), positions[restraint.atom as usize]);
            if (0..3).any(|k| i32::try_from(to.0[k] - from.0[k]).is_err()) {
                let name = system.topology.describe_atom(restraint.atom as usize);
                return Err(ForceError::Impossible(format!(
                    "{name} is more than half the cell away from the place it is restrained to; put the place into the \
                     image of the cell that the atom is in"
                )));
            }
        }
        Ok(())
    }

    /// The buffers that hold the sums of bonded terms and of sites, and how much of each.
    pub fn sums(&self) -> [Option<(&wgpu::Buffer, usize)>; 2] {
        let bonded = self.bonded.as_ref().map(|pass| (pass.partials(), pass.partials_bytes()));
        let sites = self.sites.as_ref().map(|passes| (passes.partials(), passes.partials_bytes()));
        [bonded, sites]
    }

    /// Energies by term with the virial of bonded terms and of sites off the plane of their parents, and the energy of
    /// position restraints, kJ/mol.
    ///
    /// * `bonded`, `sites` – what [`Self::sums`] names
    pub fn total(bonded: &[f32], sites: &[f32]) -> (BondedSums, f64) {
        let (mut total, restraint) = Bonded::sums(bonded);
        total.add(&BondedSums { virial: VirtualSites::virial(sites), ..BondedSums::ZERO });
        (total, restraint)
    }
}

impl MoleculeDispatches {
    /// Calls `with` for what adds forces before those of the mesh.
    pub fn bonded<'a>(&'a self, with_sums: bool, with: impl FnMut(&'a Dispatch)) {
        self.bonded.iter().map(|passes| &passes[usize::from(with_sums)]).for_each(with);
    }

    /// Calls `with` for what takes forces off virtual sites, after all others.
    pub fn spread<'a>(&'a self, with_sums: bool, with: impl FnMut(&'a Dispatch)) {
        self.sites.iter().map(|passes| &passes.spread[usize::from(with_sums)]).for_each(with);
    }

    /// Calls `with` for what follows the update pass, and says whether it takes the block of the step.
    pub fn after_update<'a>(&'a self, mut with: impl FnMut(&'a Dispatch, bool)) {
        self.constrained.iter().for_each(|pass| with(pass, true));
        self.sites.iter().for_each(|passes| with(&passes.build, false));
    }
}
