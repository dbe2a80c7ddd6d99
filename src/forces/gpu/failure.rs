//! Finding out what a failed batch died of.
//!
//! Status words of a batch say that something went wrong, not when. A batch that failed is repeated one step at a time
//! from the positions and velocities it began with, which the device keeps: the same bits, until the step that fails.
//! The atom and its largest force term are then named on the host, from the positions before that step, and the device
//! is left there. This costs nothing while all is well.

use super::GpuBackend;
use super::batch::{Outcome, Submitted};
use super::bind::Bound;
use super::device::cast;
use super::fixed::FixedPosition;
use super::layout::StatusWords;
use super::nonbonded::PairKernel;
use crate::cell::Cell;
use crate::forces::reference::blame::{AFTER_A_STEP, BEFORE_ANY_STEP, Scene};
use crate::forces::{Batch, Chunk, ForceError};
use glam::DVec3;
use std::sync::Arc;

/// What ended a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// A force left the range of a one-word sum: the batch is repeated with wide sums.
    ForceOverflow,
    MeshOverflow,
    /// The move of this atom was refused: not finite, or longer than 0.5 nm.
    BadMove(usize),
    /// An atom is farther from its place in the list than a chunk allows.
    Runaway,
    NotFinite,
}

pub(super) const OVERFLOW: &str = "more than 16 e on one point of the charge mesh: ions overlap";

/// The chunk of step `k` of a chunk alone.
fn single_step(chunk: &Chunk, k: u32) -> Chunk {
    let first = k == 0;
    Chunk {
        first_step: chunk.first_step + u64::from(k),
        n_steps: 1,
        velocity_scale: if first { chunk.velocity_scale } else { 1.0 },
        remove_com: first && chunk.remove_com,
        csvr: chunk.csvr.filter(|_| first),
        report: first && chunk.report,
        ..*chunk
    }
}

impl Outcome {
    /// The gravest thing that went wrong, if any did.
    pub(super) fn fault(&self, batch: &Batch) -> Option<Fault> {
        let StatusWords { first_bad, since_list_sq, mesh_overflow, force_overflow, .. } = self.status;
        if force_overflow != 0 {
            return Some(Fault::ForceOverflow);
        }
        if mesh_overflow != 0 {
            return Some(Fault::MeshOverflow);
        }
        if first_bad != u32::MAX {
            return Some(Fault::BadMove(first_bad as usize));
        }
        let limit = batch.chunks.iter().map(|c| c.max_displacement).fold(f64::INFINITY, f64::min);
        if f64::from(f32::from_bits(since_list_sq)).sqrt() > limit {
            return Some(Fault::Runaway);
        }
        let finite = self.chunks.iter().all(|chunk| {
            chunk.sums.kinetic_end.is_finite() && chunk.first.is_none_or(|first| first.energies.total().is_finite())
        });
        (!finite).then_some(Fault::NotFinite)
    }
}

impl GpuBackend {
    /// Repeats a failed batch and says what happened; leaves positions, velocities and list as before the step that failed.
    pub(super) fn diagnose(&mut self, failed: Submitted) -> ForceError {
        let error = self.with_wide_sums(|backend| Ok(backend.find_fault(failed)));
        error.unwrap_or_else(|error| error)
    }

    /// Queues a batch again that overflowed, from its start and with wide sums, and what was queued behind it.
    pub(super) fn repeat_wide(&mut self, overflowed: Submitted) -> Result<(), ForceError> {
        self.n_repeated += 1;
        let (mut later, queued) = (std::mem::take(&mut self.submitted), std::mem::take(&mut self.queued));
        for submitted in &mut later {
            // what it did is undone, but its copies must be over
            self.outcome(submitted)?;
        }
        let newest = self.bound.clone();
        self.bound = Some(overflowed.bound.clone());
        self.restore_start(overflowed.slot, &overflowed.bound)?;
        self.steps_since_list = overflowed.steps_since_list;
        let first = self.with_wide_sums(|backend| backend.submit(overflowed.batch))?;
        self.queued.push_back(first.batch.clone());
        self.submitted.push_back(first);
        for submitted in later {
            let Submitted { batch, bound, steps_since_list, .. } = submitted;
            self.take_list(bound, steps_since_list);
            let again = self.submit(batch)?;
            self.submitted.push_back(again);
        }
        self.queued.extend(queued);
        if let Some(newest) = newest {
            let steps_since_list = self.steps_since_list;
            self.take_list(newest, steps_since_list);
        }
        Ok(())
    }

    /// Goes on with a list that was bound before.
    fn take_list(&mut self, bound: Arc<Bound>, steps_since_list: u64) {
        if !self.bound.as_ref().is_some_and(|now| Arc::ptr_eq(now, &bound)) {
            bound.sort_into(&self.context);
            self.bound = Some(bound);
            self.steps_since_list = steps_since_list;
        }
    }

    /// Does something with force sums of two words.
    pub(super) fn with_wide_sums<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, ForceError>,
    ) -> Result<T, ForceError> {
        let bound = self.bound.clone().ok_or(ForceError::NoNeighbors)?;
        self.bind_wide(&bound)?;
        let before = std::mem::replace(&mut self.wide, self.nonbonded.kernel() == PairKernel::Half);
        let done = work(self);
        self.wide = before;
        done
    }

    fn find_fault(&mut self, failed: Submitted) -> ForceError {
        let mut search = || {
            self.bound = Some(failed.bound.clone());
            self.bind_wide(&failed.bound)?;
            self.restore_start(failed.slot, &failed.bound)?;
            let mut n_steps = failed.steps_since_list;
            for chunk in &failed.batch.chunks {
                for k in 0..chunk.n_steps {
                    let step = single_step(chunk, k);
                    let mut submitted = self.submit(Batch { chunks: vec![step], ..Batch::default() })?;
                    n_steps += 1;
                    if let Some(fault) = self.outcome(&mut submitted)?.fault(&submitted.batch) {
                        self.steps_since_list = n_steps - 1;
                        return self.explain(&step, submitted.slot, fault, n_steps);
                    }
                }
            }
            Ok(ForceError::Device("a batch failed and did not fail again when it was repeated".to_string()))
        };
        search().unwrap_or_else(|error| error)
    }

    /// The error for a single step that failed.
    ///
    /// * `slot` – which `start` buffer it began from
    /// * `n_steps` – steps since the neighbor list was built, this one included
    fn explain(&mut self, step: &Chunk, slot: usize, fault: Fault, n_steps: u64) -> Result<ForceError, ForceError> {
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let bound = self.bound.clone().ok_or(ForceError::NoNeighbors)?;
        let (farthest, moved) = self.farthest_from_list(&bound)?;
        self.restore_start(slot, &bound)?;
        self.step = step.first_step;
        let positions = self.cartesian(&cell);
        let (system, step_number) = (&self.system, step.first_step);
        let scene = Scene { system, cell: &cell, positions: &positions, step: step_number, remedy: AFTER_A_STEP };
        Ok(match fault {
            // single steps are taken with wide sums, which do not raise it
            Fault::ForceOverflow => scene.blow_up_somewhere("a force left the range of its sum"),
            Fault::MeshOverflow => scene.blow_up_somewhere(OVERFLOW),
            Fault::BadMove(atom) => {
                scene.blow_up(atom, "made a move that is not finite or longer than 0.5 nm: the run has blown up")
            }
            Fault::Runaway => scene.runaway(farthest, moved, n_steps, step.max_displacement),
            Fault::NotFinite => scene.blow_up_somewhere("an energy is not finite"),
        })
    }

    /// The error for a configuration whose evaluation failed: about `atom`, or about all of them.
    ///
    /// * `what` – continues the name of the atom, or a whole clause
    pub(super) fn not_evaluated(&mut self, atom: Option<usize>, what: &str) -> ForceError {
        if let Err(error) = self.read_back_positions() {
            return error;
        }
        let Some(cell) = self.cell else { return ForceError::NoNeighbors };
        let (system, step) = (&self.system, self.step);
        let positions = self.cartesian(&cell);
        let scene = Scene { system, cell: &cell, positions: &positions, step, remedy: BEFORE_ANY_STEP };
        match atom {
            Some(atom) => scene.blow_up(atom, what),
            None => scene.blow_up_somewhere(what),
        }
    }

    /// Gives positions and velocities of the device, and positions of the host, the values from before a batch.
    ///
    /// * `slot` – which `start` buffer it began from
    pub(super) fn restore_start(&mut self, slot: usize, bound: &Bound) -> Result<(), ForceError> {
        let b = &self.buffers;
        let mut encoder = self.context.encoder();
        encoder.copy_buffer_to_buffer(&b.start[slot], 0, &b.positions, 0, b.positions.size());
        encoder.copy_buffer_to_buffer(&b.start_velocities[slot], 0, &b.velocities, 0, b.velocities.size());
        self.context.submit(encoder);
        bound.sort_into(&self.context);
        self.read_back_positions()
    }

    /// The atom that is farthest from where it was when the list was built, and how far, nm.
    fn farthest_from_list(&self, bound: &Arc<Bound>) -> Result<(usize, f64), ForceError> {
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let bytes = self.fixed.len() * 16;
        let wanted = [(&bound.origin, bytes), (&self.buffers.positions, bytes)];
        let parts = self.context.submit_and_read(self.context.encoder(), &wanted)?;
        let distance = |(from, to): (&[i32; 4], &[i32; 4])| {
            let difference = [0, 1, 2].map(|k| i64::from(to[k].wrapping_sub(from[k])));
            FixedPosition(difference).to_cartesian(&cell).length()
        };
        let (origin, now) = (cast::<[i32; 4]>(&parts[0]), cast::<[i32; 4]>(&parts[1]));
        let distances = origin.iter().zip(&now).map(distance).enumerate();
        Ok(distances.fold((0, 0.0), |most, d| if d.1 > most.1 { d } else { most }))
    }

    /// `[n_atoms]`, nm, unwrapped, as of the last read-back.
    pub(super) fn cartesian(&self, cell: &Cell) -> Vec<DVec3> {
        self.fixed.iter().map(|fixed| fixed.to_cartesian(cell)).collect()
    }
}
