//! Binding the passes to a neighbor list: every list has its own buffers and bind groups, and the steps queued with an
//! earlier one keep theirs.

use super::batch::DEPTH;
use super::device::{Context, cast};
use super::electrode::{Far, Near, NearBuffers, NearWords};
use super::external::{ExternalBuffers, ExternalDispatches, Placement};
use super::fixed::FixedPosition;
use super::integrate::{StateBuffers, StepDispatches};
use super::molecules::MoleculeDispatches;
use super::nonbonded::{PairBuffers, PairDispatches, PairKernel, prune_workgroups};
use super::pair_list::{DeviceList, ListWords, masks_of};
use super::pass::{Dispatch, WORKGROUP};
use super::{GpuBackend, LongRange, LongRangeDispatches};
use crate::forces::ForceError;
use crate::neighbor::NeighborList;
use crate::neighbor::clusters::PADDING;
use glam::DVec3;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Lists that are kept for their buffers: as many as can be on the device, and one to fill.
const RETIRED: usize = DEPTH + 1;

/// What differs between force sums of one word and of two.
pub(super) struct ForceDispatches {
    pub(super) pairs: PairDispatches,
    pub(super) molecules: MoleculeDispatches,
    pub(super) external: Option<ExternalDispatches>,
    pub(super) update: Dispatch,
}

/// Everything that is bound to one neighbor list.
pub(super) struct Bound {
    pub(super) narrow: ForceDispatches,
    /// Bound when needed, see [`GpuBackend::bind_wide`].
    pub(super) wide: OnceLock<ForceDispatches>,
    /// All of the list, and the part whose turn it is.
    pub(super) prune: Option<[Dispatch; 2]>,
    pub(super) long_range: LongRangeDispatches,
    pub(super) step: StepDispatches,
    /// Distances from each of the `start` buffers.
    pub(super) displacement: [Dispatch; DEPTH],
    /// Sorts positions into the order of this list: after a new list, and newly loaded ones.
    pub(super) pack: [Dispatch; 2],
    /// Positions the list was built from.
    pub(super) origin: wgpu::Buffer,
    pub(super) slots: wgpu::Buffer,
    /// atom → slot
    pub(super) slot_of: Vec<u32>,
    pub(super) list: DeviceList,
    /// Where its atoms were, when external terms need that.
    pub(super) placement: Option<Placement>,
    /// What is near to electrodes.
    pub(super) near: Option<Near>,
    /// Bytes of the buffers that are its own.
    pub(super) bytes: u64,
}

impl Bound {
    pub(super) fn forces(&self, wide: bool) -> Result<&ForceDispatches, ForceError> {
        if wide {
            let missing = || ForceError::Device("wide force sums were not bound".to_string());
            self.wide.get().ok_or_else(missing)
        } else {
            Ok(&self.narrow)
        }
    }

    /// Calls `with` for what gives electrode atoms their charges, in order.
    pub(super) fn electrode_charges<'a>(&'a self, mut with: impl FnMut(&'a Dispatch)) {
        let Some(near) = &self.near else { return };
        near.before(&mut with);
        if let LongRangeDispatches::Mesh(mesh) = &self.long_range {
            mesh.solve(&mut with);
        }
        near.after(with);
    }

    /// Sorts the positions of the device into the order of the list and prunes it by them.
    pub(super) fn sort_into(&self, context: &Context) {
        let mut encoder = context.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.pack[1].encode(&mut pass);
            self.encode_prune(&mut pass);
        }
        context.submit(encoder);
    }

    /// Dispatches as many workgroups as the list has rows.
    ///
    /// * `pairs` – workgroups of the pair pass
    fn resize(&mut self, pairs: u32) {
        self.narrow.pairs.step.resize(pairs);
        if let Some(wide) = self.wide.get_mut() {
            wide.pairs.step.resize(pairs);
        }
        let rows = prune_workgroups(&self.list);
        if let Some(passes) = &mut self.prune {
            passes.iter_mut().zip(rows).for_each(|(pass, n)| pass.resize(n));
        }
    }

    pub(super) fn encode_prune(&self, pass: &mut wgpu::ComputePass<'_>) {
        if let Some([all, _]) = &self.prune {
            all.encode_block(pass, &[0]);
        }
    }
}

impl GpuBackend {
    /// Binds every pass to a list: in the buffers of an earlier one that no step uses any more, if it fits, else in new ones.
    ///
    /// * `origin` – positions it was built from; `None` for those on the device
    pub(super) fn bind(&mut self, list: NeighborList, origin: Option<&[DVec3]>) -> Result<(), ForceError> {
        let clock = Instant::now();
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let (words, slots, slot_of, radius) = match (&list, self.nonbonded.kernel()) {
            (NeighborList::FullClusters(list), PairKernel::Full) => {
                let (slots, slot_of) = self.slots(&list.clusters.order);
                (ListWords::full(list), Cow::Owned(slots), slot_of, list.radius)
            }
            (NeighborList::Packed(list), PairKernel::Half) => {
                let words = ListWords::half(list, self.inner_radius);
                (words, Cow::Borrowed(&list.slots[..]), list.slot_of.clone(), list.radius)
            }
            _ => return Err(ForceError::NoNeighbors),
        };
        assert_eq!(slots.len(), self.n_slots as usize, "list and system hold the same atoms");
        let placed =
            self.external.as_ref().map(|_| origin.map_or_else(|| Cow::Owned(self.cartesian(&cell)), Cow::Borrowed));
        let mut near =
            self.electrodes.as_ref().zip(placed.as_ref()).map(|(electrodes, positions)| {
                electrodes.near(&slots, positions, &self.system.topology.charges, radius)
            });
        let shapes = near.as_mut().map(|near| std::mem::take(&mut near.ranges)).unwrap_or_default();
        self.retire();
        let holds = |b: &Bound| {
            b.list.holds(&words) && b.near.as_ref().zip(near.as_ref()).is_none_or(|(near, words)| near.holds(words))
        };
        let free = self.retired.iter_mut().position(|b| Arc::get_mut(b).is_some_and(|b| holds(b)));
        let mut bound = match free {
            Some(k) => self.retired.swap_remove(k),
            None => Arc::new(self.bind_anew(&words, near.take())?),
        };
        // nobody else holds it: it is new, or was found to be free
        let own = Arc::get_mut(&mut bound).ok_or(ForceError::NoNeighbors)?;
        if free.is_some() {
            own.list.refill(&self.context, &words);
            own.resize(self.nonbonded.workgroups_of(&own.list));
            if let (Some(to), Some(words)) = (&mut own.near, near) {
                to.refill(&self.context, words);
            }
        }
        own.slot_of = slot_of;
        self.context.write(&own.slots, &slots);
        if let (Some(external), Some(placement), Some(positions)) = (&self.external, &mut own.placement, &placed) {
            external.place(&self.context, placement, &cell, &slots, positions, &shapes);
        }
        if let Some(origin) = origin {
            let fixed = |&r: &DVec3| {
                let [x, y, z] = FixedPosition::from_cartesian(&cell, r).wrapped();
                [x, y, z, 0]
            };
            let origin: Vec<[i32; 4]> = origin.par_iter().with_min_len(4096).map(fixed).collect();
            self.context.write(&own.origin, &origin);
        } else {
            self.submit_one(&own.pack[0]);
        }
        bound.sort_into(&self.context);
        self.steps_since_list = 0;
        self.bound = Some(bound);
        self.host.list += clock.elapsed();
        self.context.check()
    }

    /// (atom, type) by slot, and slot by atom.
    fn slots(&self, order: &[u32]) -> (Vec<[u32; 2]>, Vec<u32>) {
        let type_ids = &self.system.topology.type_ids;
        let mut slot_of = vec![0; self.fixed.len()];
        let slots: Vec<[u32; 2]> = (order.iter().enumerate())
            .map(|(slot, &atom)| {
                if atom == PADDING {
                    return [PADDING, 0];
                }
                slot_of[atom as usize] = slot as u32;
                [atom, type_ids[atom as usize]]
            })
            .collect();
        (slots, slot_of)
    }

    /// Puts the list in use aside: the steps that are queued with it still hold it.
    pub(super) fn retire(&mut self) {
        self.retired.extend(self.bound.take());
        let surplus = self.retired.len().saturating_sub(RETIRED);
        self.retired.drain(..surplus);
    }

    /// New buffers for a list, and everything bound to them.
    fn bind_anew(&self, words: &ListWords, near: Option<NearWords>) -> Result<Bound, ForceError> {
        let before = self.context.allocated();
        let list = DeviceList::new(&self.context, words);
        let slots = self.context.storage("slots", self.n_slots as usize * 8);
        let origin = self.context.storage("origin", self.fixed.len() * 16);
        let shared = self.pair_buffers(&slots);
        let placement = self.external.as_ref().map(|terms| terms.placement(&self.context));
        let near =
            near.zip(placement.as_ref()).and_then(|(words, placement)| self.bind_near(&shared, placement, words));
        let narrow = ForceDispatches {
            pairs: self.nonbonded.dispatches(&self.context, &shared, &list, false)?,
            molecules: self.bind_molecules(&origin, false)?,
            external: self.bind_external(placement.as_ref(), near.as_ref(), false)?,
            update: self.integrator.update(&self.context, &self.state_buffers(&origin), false)?,
        };
        let prune = self.nonbonded.prune(&self.context, &shared, &list);
        let long_range = match &self.long_range {
            LongRange::None => LongRangeDispatches::None,
            LongRange::Ewald(direct) => {
                let (plain, reported) = direct.dispatches(&self.context, &shared);
                LongRangeDispatches::Ewald(plain, reported)
            }
            LongRange::Mesh(mesh) => LongRangeDispatches::Mesh(Box::new(mesh.dispatches(&self.context, &shared))),
        };
        let state = self.state_buffers(&origin);
        let step = self.integrator.dispatches(&self.context, &state);
        let b = &self.buffers;
        let displacement = [0, 1].map(|k| self.integrator.displacement_since(&self.context, &state, &b.start[k]));
        let pack = [0, 1].map(|k: usize| {
            let buffers: [&[&wgpu::Buffer]; 2] = [&[&slots, &b.charges], &[&b.positions, &b.sorted, &origin]];
            self.pack[k].dispatch(&self.context, buffers, self.n_slots.div_ceil(WORKGROUP))
        });
        let bytes = self.context.allocated() - before;
        let (wide, slot_of) = (OnceLock::new(), Vec::new());
        Ok(Bound {
            narrow,
            wide,
            prune,
            long_range,
            step,
            displacement,
            pack,
            origin,
            slots,
            slot_of,
            list,
            placement,
            near,
            bytes,
        })
    }

    fn bind_molecules(&self, origin: &wgpu::Buffer, wide: bool) -> Result<MoleculeDispatches, ForceError> {
        let update = [&self.integrator.steps, &self.integrator.partials];
        self.molecules.dispatches(&self.context, &self.state_buffers(origin), update, wide)
    }

    fn bind_near(&self, shared: &PairBuffers, placement: &Placement, words: NearWords) -> Option<Near> {
        let (electrodes, external) = self.electrodes.as_ref().zip(self.external.as_ref())?;
        let placed = placement.buffers();
        let far = match &self.long_range {
            LongRange::Mesh(mesh) => {
                let (charges, potential) = mesh.buffers();
                Far::Mesh(charges, potential)
            }
            LongRange::Ewald(direct) => {
                let (dispatch, waves, structure) = direct.of_others(&self.context, shared, placed);
                Far::Ewald(dispatch, waves, structure)
            }
            // electrodes ask for an Ewald sum
            LongRange::None => return None,
        };
        let (cell, sorted, status, dipoles) = (shared.cell, shared.sorted, shared.status, &external.dipoles);
        Some(electrodes.bind(&self.context, NearBuffers { cell, sorted, status, placed, dipoles, far }, words))
    }

    fn bind_external(
        &self,
        placement: Option<&Placement>,
        near: Option<&Near>,
        wide: bool,
    ) -> Result<Option<ExternalDispatches>, ForceError> {
        let b = &self.buffers;
        let (cell, sorted, pair_forces, status) = (&b.cell, &b.sorted, &b.pair_forces, &b.status);
        let shared = ExternalBuffers { cell, sorted, pair_forces, status, shapes: near.map(Near::shapes) };
        let bound = self.external.as_ref().zip(placement);
        bound.map(|(terms, placement)| terms.dispatches(&self.context, &shared, placement, wide)).transpose()
    }

    fn pair_buffers<'a>(&'a self, slots: &'a wgpu::Buffer) -> PairBuffers<'a> {
        let b = &self.buffers;
        PairBuffers {
            cell: &b.cell,
            sorted: &b.sorted,
            slots,
            pair_forces: &b.pair_forces,
            long_range_forces: &b.long_range_forces,
            status: &b.status,
            mesh: match &self.long_range {
                LongRange::Mesh(mesh) => Some(mesh.buffers().0),
                _ => None,
            },
            steps: &self.integrator.steps,
        }
    }

    fn state_buffers<'a>(&'a self, origin: &'a wgpu::Buffer) -> StateBuffers<'a> {
        let b = &self.buffers;
        StateBuffers {
            cell: &b.cell,
            pair_forces: &b.pair_forces,
            long_range: match &self.long_range {
                LongRange::None => None,
                LongRange::Ewald(_) => Some(&b.long_range_forces),
                LongRange::Mesh(mesh) => Some(mesh.buffers().1),
            },
            positions: &b.positions,
            velocities: &b.velocities,
            sorted: &b.sorted,
            origin,
            status: &b.status,
        }
    }

    /// Binds the passes with wide force sums to a list, if they are not bound yet; the full list has none.
    pub(super) fn bind_wide(&self, bound: &Bound) -> Result<(), ForceError> {
        if bound.wide.get().is_none() && self.nonbonded.kernel() == PairKernel::Half {
            let shared = self.pair_buffers(&bound.slots);
            let wide = ForceDispatches {
                pairs: self.nonbonded.dispatches(&self.context, &shared, &bound.list, true)?,
                molecules: self.bind_molecules(&bound.origin, true)?,
                external: self.bind_external(bound.placement.as_ref(), bound.near.as_ref(), true)?,
                update: self.integrator.update(&self.context, &self.state_buffers(&bound.origin), true)?,
            };
            bound.wide.get_or_init(|| wide);
        }
        Ok(())
    }

    /// Masks of the current half list as pruning left them, by entry; `None` with a full list.
    pub fn read_back_masks(&self) -> Result<Option<Vec<[u32; 2]>>, ForceError> {
        let (_, bound) = self.loaded()?;
        let DeviceList::Half { list, .. } = &bound.list else { return Ok(None) };
        let parts = self.context.submit_and_read(self.context.encoder(), &[(list, list.size() as usize)])?;
        Ok(Some(masks_of(&cast::<[u32; 4]>(&parts[0]))))
    }
}
