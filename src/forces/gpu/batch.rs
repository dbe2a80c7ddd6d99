//! Batches: encoding many steps into one submission, and taking what they sum to when it has arrived.
//!
//! Nothing is read while a batch runs. Sums of a chunk are copied to a staging buffer between compute passes, positions
//! and velocities at the end of the batch, and the buffer is mapped when the submission is done: a second batch can be on
//! the device meanwhile. What the steps are made of is the business of the passes; this module knows their order.

use super::GpuBackend;
use super::bind::{Bound, ForceDispatches};
use super::device::{ReadBack, cast};
use super::failure::Fault;
use super::integrate::{StepSums, step_block};
use super::layout::StatusWords;
use super::pass::{Dispatch, UNIFORM_STRIDE};
use super::sums::N_PARTS;
use crate::forces::{Batch, BatchReport, Chunk, ChunkReport, FirstStep, ForceError, Wanted};
use crate::system::State;
use glam::DVec3;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps of one submission; a batch longer than this is submitted in parts.
pub const STEPS_PER_SUBMISSION: usize = 256;

/// Batches that may be on the device at a time.
pub const DEPTH: usize = 2;

/// Wall time that the host spent on submissions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostTimes {
    pub encode: Duration,
    pub submit: Duration,
    pub wait: Duration,
    pub list: Duration,
}

/// Where the parts of a chunk lie in the staging buffer.
struct ChunkPlaces {
    status: Range<usize>,
    update: Range<usize>,
    /// Sums of the forces of a reported step, as [`GpuBackend::force_sums`] names them.
    sums: Option<[Range<usize>; N_PARTS]>,
}

/// A batch on the device.
pub(super) struct Submitted {
    pub batch: Batch,
    /// The list it runs with.
    pub bound: Arc<Bound>,
    /// Which of the `start` buffers holds the state it began with.
    pub slot: usize,
    /// Steps taken with its list before it.
    pub steps_since_list: u64,
    places: Vec<ChunkPlaces>,
    status: Range<usize>,
    positions: Range<usize>,
    velocities: Option<Range<usize>>,
    charges: Option<Range<usize>>,
    read_back: ReadBack,
}

/// What a chunk left.
pub(super) struct ChunkOutcome {
    pub velocity_scale: f64,
    pub sums: StepSums,
    pub first: Option<FirstStep>,
}

/// What a batch left.
pub(super) struct Outcome {
    pub status: StatusWords,
    pub chunks: Vec<ChunkOutcome>,
    positions: Vec<[i32; 4]>,
    velocities: Option<Vec<[f32; 4]>>,
    /// Of the atoms, e.
    charges: Option<Vec<f64>>,
}

/// Gives out consecutive ranges of a buffer.
struct Layout(usize);

impl Layout {
    fn take(&mut self, bytes: usize) -> Range<usize> {
        let start = self.0;
        self.0 += bytes.next_multiple_of(8);
        start..start + bytes
    }
}

/// One step of a batch.
#[derive(Clone, Copy)]
struct Step {
    chunk: usize,
    /// Counted from the start of the chunk.
    k: u32,
}

impl GpuBackend {
    /// Keeps positions and velocities of the device, then queues the steps of a batch behind what is queued already.
    pub(super) fn submit(&mut self, batch: Batch) -> Result<Submitted, ForceError> {
        let clock = Instant::now();
        let bound = self.bound.clone().ok_or(ForceError::NoNeighbors)?;
        self.cell.ok_or(ForceError::NoNeighbors)?;
        let slot = self.n_batches % DEPTH;
        self.n_batches += 1;
        let steps: Vec<Step> = (batch.chunks.iter().enumerate())
            .flat_map(|(chunk, c)| (0..c.n_steps).map(move |k| Step { chunk, k }))
            .collect();

        let per_atom = self.fixed.len() * 16;
        let force_sums = self.force_sums();
        let update_bytes = self.integrator.partials_bytes();
        let mut layout = Layout(0);
        let places: Vec<ChunkPlaces> = (batch.chunks.iter())
            .map(|chunk| ChunkPlaces {
                status: layout.take(size_of::<StatusWords>()),
                update: layout.take(update_bytes),
                sums: chunk.report.then(|| force_sums.map(|(_, bytes)| layout.take(bytes))),
            })
            .collect();
        let status = layout.take(size_of::<StatusWords>());
        let positions = layout.take(per_atom);
        let velocities = (batch.wanted == Wanted::State).then(|| layout.take(per_atom));
        // by the buffer of the device
        let answering = self.electrodes.as_ref().filter(|_| batch.charges).map(|e| e.charges());
        let charges = answering.map(|(buffer, bytes)| (buffer, layout.take(bytes)));
        let staging = self.context.staging(layout.0);

        self.reset_status();
        let wide = self.wide;
        let forces = bound.forces(wide)?;
        let b = &self.buffers;
        let mut encoder = self.context.encoder();
        // sums start from nothing, whatever an evaluation or a batch that failed has left
        encoder.clear_buffer(&b.pair_forces, 0, None);
        encoder.copy_buffer_to_buffer(&b.positions, 0, &b.start[slot], 0, b.positions.size());
        encoder.copy_buffer_to_buffer(&b.velocities, 0, &b.start_velocities[slot], 0, b.velocities.size());
        let mut submitting = Duration::ZERO;
        let parts: Vec<&[Step]> = steps.chunks(STEPS_PER_SUBMISSION).collect();
        for (number, part) in parts.iter().enumerate() {
            let blocks: Vec<u8> = (part.iter())
                .flat_map(|step| {
                    let mut block = [0u8; UNIFORM_STRIDE];
                    let uniform = step_block(&batch.chunks[step.chunk], step.k);
                    block[..size_of_val(&uniform)].copy_from_slice(bytemuck::bytes_of(&uniform));
                    block
                })
                .collect();
            self.context.write(&self.integrator.steps, &blocks);
            let mut at = 0;
            while at < part.len() {
                // steps up to the next one after which something has to be copied
                let copies = |s: &Step| {
                    let chunk = &batch.chunks[s.chunk];
                    (chunk.report && s.k == 0) || s.k + 1 == chunk.n_steps
                };
                let stop = part[at..].iter().position(copies).map_or(part.len(), |n| at + n + 1);
                {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    for (k, step) in part.iter().enumerate().take(stop).skip(at) {
                        let chunk = &batch.chunks[step.chunk];
                        let offset = (k * UNIFORM_STRIDE) as u32;
                        bound.each_dispatch(forces, chunk, step.k, |dispatch, has_block| {
                            dispatch
                                .encode_block(&mut pass, if has_block { std::slice::from_ref(&offset) } else { &[] });
                        });
                    }
                    if number + 1 == parts.len() && stop == part.len() {
                        bound.displacement[slot].encode(&mut pass);
                    }
                }
                let last = part[stop - 1];
                let (chunk, place) = (&batch.chunks[last.chunk], &places[last.chunk]);
                let mut copy = |from: &wgpu::Buffer, to: &Range<usize>| {
                    if !to.is_empty() {
                        encoder.copy_buffer_to_buffer(from, 0, &staging, to.start as u64, to.len() as u64);
                    }
                };
                if let Some(places) = &place.sums
                    && last.k == 0
                {
                    force_sums.iter().zip(places).for_each(|((buffer, _), place)| copy(buffer, place));
                }
                if last.k + 1 == chunk.n_steps {
                    copy(&self.integrator.partials, &place.update);
                    copy(&b.status, &place.status);
                }
                at = stop;
            }
            if number + 1 < parts.len() {
                submitting += self.context.submit(std::mem::replace(&mut encoder, self.context.encoder()));
            }
        }
        let copy = |encoder: &mut wgpu::CommandEncoder, from: &wgpu::Buffer, to: &Range<usize>| {
            encoder.copy_buffer_to_buffer(from, 0, &staging, to.start as u64, to.len() as u64);
        };
        if let Some((buffer, charges)) = &charges {
            // sums of a reported step have been copied: the dipoles among them are made anew here
            bound.electrode_charges(|d| {
                d.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            });
            copy(&mut encoder, buffer, charges);
        }
        copy(&mut encoder, &b.status, &status);
        copy(&mut encoder, &b.positions, &positions);
        if let Some(velocities) = &velocities {
            copy(&mut encoder, &b.velocities, velocities);
        }
        let (read_back, last) = self.context.submit_for(encoder, staging, layout.0)?;
        submitting += last;
        self.host.submit += submitting;
        self.host.encode += clock.elapsed() - submitting;
        let charges = charges.map(|(_, place)| place);
        let steps_since_list = self.steps_since_list;
        self.steps_since_list += steps.len() as u64;
        let bound = bound.clone();
        Ok(Submitted {
            batch,
            bound,
            slot,
            steps_since_list,
            places,
            status,
            positions,
            velocities,
            charges,
            read_back,
        })
    }

    /// Waits for a batch and reads what it sums to.
    pub(super) fn outcome(&mut self, submitted: &mut Submitted) -> Result<Outcome, ForceError> {
        let clock = Instant::now();
        let bytes = self.context.wait(&mut submitted.read_back)?;
        self.host.wait += clock.elapsed();
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let status = |place: &Range<usize>| -> StatusWords { bytemuck::pod_read_unaligned(&bytes[place.clone()]) };
        let chunks = (submitted.batch.chunks.iter().zip(&submitted.places))
            .map(|(chunk, place)| {
                let drawn = if chunk.csvr.is_some() { f64::from(status(&place.status).velocity_scale) } else { 1.0 };
                // the device multiplies in f32
                let velocity_scale = f64::from(chunk.velocity_scale as f32 * drawn as f32);
                let sums = StepSums::from_partials(&cast::<f32>(&bytes[place.update.clone()]), velocity_scale);
                let first = place.sums.as_ref().map(|places| {
                    let parts = places.each_ref().map(|place| &bytes[place.clone()]);
                    let (energies, virial) = self.energies(&cell, &submitted.bound, parts);
                    FirstStep {
                        energies,
                        virial: virial + sums.constraint_virial,
                        kinetic_before: sums.kinetic_before,
                        kinetic_after: sums.kinetic_after,
                        kick: sums.kick,
                        kinetic_tensor: sums.kinetic_tensor,
                    }
                });
                ChunkOutcome { velocity_scale, sums, first }
            })
            .collect();
        Ok(Outcome {
            status: status(&submitted.status),
            chunks,
            positions: cast(&bytes[submitted.positions.clone()]),
            velocities: submitted.velocities.as_ref().map(|place| cast(&bytes[place.clone()])),
            charges: submitted.charges.as_ref().map(|place| self.charges_with(&bytes[place.clone()]).into_owned()),
        })
    }

    /// Waits for the oldest batch; after a fault nothing is on the device any more and the error says what happened.
    pub(super) fn take_oldest(&mut self) -> Result<Option<(Batch, BatchReport, Outcome)>, ForceError> {
        let Some(mut submitted) = self.submitted.pop_front() else { return Ok(None) };
        self.queued.pop_front();
        let outcome = self.outcome(&mut submitted);
        if let Ok(outcome) = &outcome
            && outcome.fault(&submitted.batch) == Some(Fault::ForceOverflow)
        {
            self.repeat_wide(submitted)?;
            return self.take_oldest();
        }
        let failed = match &outcome {
            Ok(outcome) => outcome.fault(&submitted.batch).is_some(),
            Err(_) => true,
        };
        if failed {
            self.submitted.clear();
            self.queued.clear();
        }
        let mut outcome = outcome?;
        if failed {
            return Err(self.diagnose(submitted));
        }
        for (fixed, &[x, y, z, _]) in self.fixed.iter_mut().zip(&outcome.positions) {
            fixed.follow([x, y, z]);
        }
        let batch = submitted.batch;
        if let Some(last) = batch.chunks.last() {
            self.step = last.first_step + u64::from(last.n_steps);
        }
        let distance = |squared: u32| f64::from(f32::from_bits(squared)).sqrt();
        let chunks = (batch.chunks.iter().zip(&outcome.chunks))
            .map(|(chunk, done)| ChunkReport {
                first: done.first,
                velocity_scale: done.velocity_scale,
                kinetic_end: done.sums.kinetic_end,
                bath_heat: if chunk.langevin.is_some() { done.sums.bath_heat } else { 0.0 },
                max_displacement: distance(outcome.status.in_chunk_sq),
            })
            .collect();
        let report = BatchReport {
            chunks,
            since_list: Some(distance(outcome.status.since_list_sq)),
            charges: outcome.charges.take(),
        };
        Ok(Some((batch, report, outcome)))
    }

    /// Gives `state` what a batch wanted.
    pub(super) fn hand_over(&self, batch: &Batch, outcome: &Outcome, state: &mut State) -> Result<(), ForceError> {
        if batch.wanted == Wanted::Sums {
            return Ok(());
        }
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        state.cell = cell;
        state.positions = self.cartesian(&cell);
        if let Some(velocities) = &outcome.velocities {
            state.velocities = velocities.iter().map(|&v| wide(v)).collect();
        }
        Ok(())
    }

    /// Device time of every pass, ms per step, from `n_steps` steps that are taken and undone. Each pass runs alone between
    /// two timestamps, so that what overlaps in a real step adds up here. Empty without timestamps.
    pub(super) fn time_passes(&mut self, chunk: &Chunk, n_steps: u32) -> Result<Vec<(String, f64)>, ForceError> {
        let bound = self.bound.clone().ok_or(ForceError::NoNeighbors)?;
        if !self.context.has_timestamps() {
            return Ok(Vec::new());
        }
        let (mut sums, mut order) = (BTreeMap::<String, f64>::new(), Vec::<String>::new());
        let b = &self.buffers;
        for k in 0..n_steps {
            let step = Chunk { first_step: chunk.first_step + u64::from(k), n_steps: 1, ..*chunk };
            let mut encoder = self.context.encoder();
            if k == 0 {
                self.reset_status();
                encoder.copy_buffer_to_buffer(&b.positions, 0, &b.start[0], 0, b.positions.size());
                encoder.copy_buffer_to_buffer(&b.velocities, 0, &b.start_velocities[0], 0, b.velocities.size());
            }
            self.context.write(&self.integrator.steps, &[step_block(&step, 0)]);
            let mut dispatches: Vec<(&Dispatch, bool)> = Vec::new();
            bound.each_dispatch(bound.forces(self.wide)?, &step, 0, |dispatch, has_block| {
                dispatches.push((dispatch, has_block))
            });
            for ((dispatch, _), ms) in dispatches.iter().zip(self.context.time_dispatches(encoder, &dispatches)?) {
                if !sums.contains_key(dispatch.label()) {
                    order.push(dispatch.label().to_string());
                }
                *sums.entry(dispatch.label().to_string()).or_default() += ms / f64::from(n_steps);
            }
        }
        self.restore_start(0, &bound)?;
        Ok(order.into_iter().map(|label| (label.clone(), sums[&label])).collect())
    }
}

impl Bound {
    /// Calls `with` for every dispatch of step `k` of a chunk, in order, and says whether it takes the block of the step.
    pub(super) fn each_dispatch<'a>(
        &'a self,
        forces: &'a ForceDispatches,
        chunk: &Chunk,
        k: u32,
        mut with: impl FnMut(&'a Dispatch, bool),
    ) {
        if k == 0 && chunk.remove_com {
            self.step.remove_com.iter().for_each(|d| with(d, false));
        }
        if k == 0 && chunk.csvr.is_some() {
            with(&self.step.kinetic, false);
            with(&self.step.couple, true);
        }
        let reported = k == 0 && chunk.report;
        self.electrode_charges(|d| with(d, false));
        with(if reported { &forces.pairs.with_sums } else { &forces.pairs.step }, false);
        forces.molecules.bonded(reported, |d| with(d, false));
        forces.external.iter().for_each(|e| e.each(reported, |d| with(d, false)));
        self.long_range.each(reported, |d| with(d, false));
        if let Some([_, part]) = &self.prune
            && (chunk.first_step + u64::from(k)).is_multiple_of(2)
        {
            with(part, true);
        }
        forces.molecules.spread(reported, |d| with(d, false));
        with(&forces.update, true);
        forces.molecules.after_update(with);
    }
}

/// What stands in a buffer of vectors.
pub(super) fn wide([x, y, z, _]: [f32; 4]) -> DVec3 {
    DVec3::new(f64::from(x), f64::from(y), f64::from(z))
}
