//! Finding out what a failed chunk died of.
//!
//! Status words of a chunk say that something went wrong, not when. A chunk that failed is repeated one step at a time
//! from the positions and velocities it began with, which the device keeps: the same bits, until the step that fails.
//! The atom and its largest force term are then named on the host, from the positions before that step, and the device
//! is left there. This costs nothing while all is well.

use super::device::cast;
use super::fixed::FixedPosition;
use super::layout::StatusWords;
use super::{GpuBackend, Outcome};
use crate::cell::Cell;
use crate::forces::reference::blame::{AFTER_A_STEP, BEFORE_ANY_STEP, Scene};
use crate::forces::{Chunk, ForceError};
use glam::DVec3;

/// What ended a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
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
        report: first && chunk.report,
        ..*chunk
    }
}

impl Outcome {
    /// The gravest thing that went wrong, if any did.
    pub(super) fn fault(&self, chunk: &Chunk) -> Option<Fault> {
        let StatusWords { first_bad, since_list_sq, mesh_overflow, .. } = self.status;
        if mesh_overflow != 0 {
            return Some(Fault::MeshOverflow);
        }
        if first_bad != u32::MAX {
            return Some(Fault::BadMove(first_bad as usize));
        }
        if f64::from(f32::from_bits(since_list_sq)).sqrt() > chunk.max_displacement {
            return Some(Fault::Runaway);
        }
        let finite =
            self.sums.kinetic_end.is_finite() && self.first.is_none_or(|first| first.energies.total().is_finite());
        (!finite).then_some(Fault::NotFinite)
    }
}

impl GpuBackend {
    /// Repeats a failed chunk and says what happened; leaves positions and velocities as before the step that failed.
    pub(super) fn diagnose(&mut self, chunk: &Chunk) -> ForceError {
        let mut search = || {
            self.restore_start()?;
            for k in 0..chunk.n_steps {
                let step = single_step(chunk, k);
                if let Some(fault) = self.run(&step)?.fault(&step) {
                    return self.explain(&step, fault, self.steps_since_list + u64::from(k) + 1);
                }
            }
            Ok(ForceError::Device("a chunk failed and did not fail again when it was repeated".to_string()))
        };
        search().unwrap_or_else(|error| error)
    }

    /// The error for a single step that failed.
    ///
    /// * `n_steps` – steps since the neighbor list was built, this one included
    fn explain(&mut self, step: &Chunk, fault: Fault, n_steps: u64) -> Result<ForceError, ForceError> {
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let (farthest, moved) = self.farthest_from_list()?;
        self.restore_start()?;
        self.step = step.first_step;
        let positions = self.cartesian(&cell);
        let (system, step_number) = (&self.system, step.first_step);
        let scene = Scene { system, cell: &cell, positions: &positions, step: step_number, remedy: AFTER_A_STEP };
        Ok(match fault {
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

    /// Gives positions and velocities of the device, and positions of the host, the values from before the last `run`.
    fn restore_start(&mut self) -> Result<(), ForceError> {
        let bound = self.bound.as_ref().ok_or(ForceError::NoNeighbors)?;
        let b = &self.buffers;
        let mut encoder = self.context.encoder();
        encoder.copy_buffer_to_buffer(&b.start, 0, &b.positions, 0, b.positions.size());
        encoder.copy_buffer_to_buffer(&b.start_velocities, 0, &b.velocities, 0, b.velocities.size());
        bound.repack.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.context.submit(encoder);
        self.read_back_positions()
    }

    /// The atom that is farthest from where it was when the list was built, and how far, nm.
    fn farthest_from_list(&self) -> Result<(usize, f64), ForceError> {
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let bytes = self.fixed.len() * 16;
        let wanted = [(&self.buffers.origin, bytes), (&self.buffers.positions, bytes)];
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
