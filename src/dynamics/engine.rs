//! The step loop: one loop and one schedule, whatever the backend.

use super::DynamicsError;
use super::csvr;
use super::electrodes::{self, StoredCharges};
use super::neighbors::{self, LaggedList, LaggedLists, ListOrigin};
use super::nose_hoover::{Chain, ChainSettings};
use super::piston::GapSums;
use super::schedule::Schedule;
use super::velocities;
use crate::forces::{Backend, Batch, Chunk, ChunkReport, CsvrDraw, Energies, FirstStep, LangevinStep, Wanted};
use crate::system::spec::{BarostatSpec, ThermostatSpec};
use crate::system::{Charges, Frame, State, System};
use crate::units::{BOLTZMANN, PRESSURE_BAR};
use glam::DMat3;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Number of centre-of-mass components removed when removal is on.
const COM_COMPONENTS: usize = 3;

/// An atom that moves farther than this (nm) within [`RUNAWAY_TIME`] has blown up: it is ten times what a hydrogen travels in 20 steps
/// of 2 fs at room temperature.
const RUNAWAY_DISPLACEMENT: f64 = 0.6;
/// ps
const RUNAWAY_TIME: f64 = 0.04;

/// How far an atom may move while a neighbor list lives, nm: beyond [`RUNAWAY_TIME`] as the root of the time, for then it
/// wanders. `lag`: intervals that lists are older than the steps they serve.
fn runaway_displacement(plan: &StagePlan, lag: u32) -> f64 {
    let life = plan.dt * plan.schedule.neighbor as f64 * f64::from(1 + lag);
    RUNAWAY_DISPLACEMENT * (life / RUNAWAY_TIME).max(1.0).sqrt()
}

/// What a log line holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRow {
    pub step: u64,
    /// ps
    pub time: f64,
    /// K, from the mean of both half-step kinetic energies
    pub temperature: f64,
    /// bar, constraint virial included
    pub pressure: f64,
    /// nm³
    pub volume: f64,
    pub energies: Energies,
    /// kJ/mol
    pub kinetic: f64,
    /// kJ/mol: potential-shifted pair energies + kinetic + Nosé–Hoover chain − heat and work of baths
    pub conserved: f64,
}

/// A point between batches, with all that a continuation depends on.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Steps done in this stage.
    pub stage_step: u64,
    pub state: &'a State,
    /// Kinetic energy of the stored half-step velocities as the backend summed it, kJ/mol
    pub kinetic: f64,
    /// Heat and work given by thermostats, barostats and centre-of-mass removal since the start of the run, kJ/mol
    pub heat: f64,
    /// The Nosé–Hoover chain of the stage; empty without one.
    pub chain: &'a Chain,
    /// Of the stage's piston, see [`GapSums`].
    pub gaps: &'a GapSums,
    /// The neighbor list in use from here on, where lists lag behind.
    pub lagged_list: Option<&'a LaggedList>,
    /// Charges of electrodes that answer, as the next step finds them: (name, `[n_atoms of the electrode]`, e). Empty without a list.
    pub electrodes: &'a [(String, Vec<f64>)],
}

/// What happens at events. Every method returns quickly; errors end the run.
pub trait Observer {
    fn log(&mut self, row: &LogRow) -> Result<(), DynamicsError>;
    /// Positions at a step where a trajectory frame or a sample is due.
    fn frame(&mut self, frame: &Frame<'_>, trajectory: bool, sample: bool) -> Result<(), DynamicsError>;
    fn checkpoint(&mut self, moment: &Moment<'_>) -> Result<(), DynamicsError>;
    /// Called after every batch. `temperature` is the latest one reported, K.
    fn progress(&mut self, stage_step: u64, n_steps: u64, temperature: f64);
    /// Worth telling, not worth stopping for.
    fn warning(&mut self, _text: String) {}
    /// Is the run to stop as soon as it can be continued from there? It ends with a checkpoint and [`DynamicsError::Interrupted`].
    fn wants_stop(&mut self) -> bool {
        false
    }
}

/// How a stage ended; after a resume, of the part done since.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageSummary {
    pub n_steps: u64,
    /// s
    pub wall: f64,
    /// s that steps had to wait for neighbor lists
    pub neighbor_wall: f64,
    /// s that building them took, hidden behind steps or not
    pub list_wall: f64,
    pub n_lists: u64,
    /// Times that an atom had outrun a list's buffer, so that the lists after it were made wider.
    pub n_widened: u64,
    /// Mean temperature over the log rows, K
    pub mean_temperature: f64,
}

/// A running simulation.
pub struct Engine<'a> {
    pub system: &'a System,
    pub backend: Box<dyn Backend>,
    pub state: State,
    /// kJ/mol, see [`Moment::kinetic`]
    pub kinetic: f64,
    /// kJ/mol, see [`Moment::heat`]
    pub heat: f64,
    /// See [`Moment::chain`]
    pub chain: Chain,
    /// See [`Moment::gaps`]
    pub gaps: GapSums,
    /// From a checkpoint, see [`Moment::lagged_list`].
    pub lagged_list: Option<LaggedList>,
    /// From a checkpoint: what electrodes must have before the first step of dynamics.
    pub stored: Option<StoredCharges>,
    /// Threads that build lists ahead; `None` takes every core.
    pub list_threads: Option<Arc<rayon::ThreadPool>>,
}

/// Where a stage began, counted from the start of the run.
struct StageStart {
    step: u64,
    /// ps
    time: f64,
}

impl StageStart {
    /// Step and time (ps) of the run at a step of the stage.
    fn at(&self, step: u64, plan: &StagePlan) -> (u64, f64) {
        (self.step + step, self.time + step as f64 * plan.dt)
    }
}

/// Settings of one dynamics stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    pub name: String,
    /// ps
    pub dt: f64,
    pub seed: u64,
    pub thermostat: ThermostatSpec,
    pub barostat: Option<BarostatSpec>,
    /// Of the system's piston with its surroundings, at the temperature of the thermostat, ps⁻¹; 0 = none.
    pub piston_friction: f64,
    pub schedule: Schedule,
    /// nm
    pub list_radius: f64,
    /// Log the final step too? Not when another stage follows, whose first row is the same moment.
    pub log_end: bool,
}

impl<'a> Engine<'a> {
    /// Takes over a state; `kinetic` and `heat` come from a checkpoint or are zero.
    pub fn new(system: &'a System, backend: Box<dyn Backend>, state: State) -> Self {
        let kinetic = velocities::kinetic_energy(&system.topology, &state.velocities);
        let (chain, gaps) = (Chain::default(), GapSums::default());
        let (heat, lagged_list, stored, list_threads) = (0.0, None, None, None);
        Engine { system, backend, state, kinetic, heat, chain, gaps, lagged_list, stored, list_threads }
    }

    /// Degrees of freedom of a plan.
    pub fn degrees_of_freedom(&self, plan: &StagePlan) -> usize {
        let removed = if plan.schedule.com > 0 { COM_COMPONENTS } else { 0 };
        self.system.topology.degrees_of_freedom(removed) + usize::from(self.system.external.piston.is_some())
    }

    /// Runs a stage from `start_step` (0, or where a checkpoint left it) to its end.
    ///
    /// Batches of chunks are queued ahead, as many as the backend can have in flight, and booked in order as they finish.
    /// What happens at which step follows from step numbers alone.
    pub fn run_stage(
        &mut self,
        plan: &StagePlan,
        start_step: u64,
        observer: &mut dyn Observer,
    ) -> Result<StageSummary, DynamicsError> {
        let clock = Instant::now();
        let system = self.system;
        if self.backend.list_lag() == 0 {
            self.lagged_list = None; // of a checkpoint that another backend wrote
        }
        let mut summary = std::thread::scope(|scope| -> Result<StageSummary, DynamicsError> {
            // a list of the cell before the last coupling of a barostat would miss pairs
            let lagged = (self.backend.list_lag() > 0 && plan.barostat.is_none()).then(|| {
                let (kind, threads) = (self.backend.neighbor_kind(), self.list_threads.clone());
                LaggedLists::new(scope, system, kind, plan.list_radius, threads)
            });
            self.run_batches(plan, start_step, observer, lagged)
        })?;
        self.lagged_list = None;
        self.log_last_step(plan, observer)?;
        // the next stage begins without the chain: what it holds has gone to the system
        self.heat -= self.chain_energy(plan);
        self.chain = Chain::default();
        let electrodes = match &self.system.external.electrodes {
            Some(_) => {
                neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
                electrodes::charges(self.system, &mut *self.backend)?
            }
            None => Vec::new(),
        };
        observer.checkpoint(&Moment { electrodes: &electrodes, ..self.moment(plan.schedule.n_steps) })?;
        summary.wall = clock.elapsed().as_secs_f64();
        Ok(summary)
    }

    fn run_batches(
        &mut self,
        plan: &StagePlan,
        start_step: u64,
        observer: &mut dyn Observer,
        mut lagged: Option<LaggedLists>,
    ) -> Result<StageSummary, DynamicsError> {
        let schedule = &plan.schedule;
        let start =
            StageStart { step: self.state.step - start_step, time: self.state.time - start_step as f64 * plan.dt };
        let mut summary = StageSummary {
            n_steps: schedule.n_steps - start_step,
            wall: 0.0,
            neighbor_wall: 0.0,
            list_wall: 0.0,
            n_lists: 0,
            n_widened: 0,
            mean_temperature: 0.0,
        };
        let (mut temperature, mut n_temperatures) = (self.temperature(self.kinetic, plan), 0.0);
        if let ThermostatSpec::NoseHoover { chain_length, .. } = plan.thermostat
            && self.chain.velocities.len() != chain_length
        {
            self.chain = Chain::new(chain_length);
        }
        self.backend.load(&self.state)?;
        // Kept behind the stage: a continuation from there can still tell whether the gap had settled.
        if start_step == 0 && self.system.external.piston.is_some() {
            self.gaps = GapSums::default();
        }
        if start_step == 0 {
            let mut charges = None;
            if self.answers(plan, 0) {
                neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
                charges = self.backend.charges()?;
            }
            self.show_frame(plan, 0, charges, observer)?;
        }
        if let Some(lists) = &mut lagged {
            self.order_first_lists(plan, start_step, lists);
        }
        let mut in_flight: VecDeque<(u64, u64, Batch)> = VecDeque::new();
        let mut queued = start_step;
        // the step that the list in use was made for
        let mut listed = None;
        loop {
            let stopping = observer.wants_stop();
            while queued < schedule.n_steps && in_flight.len() < self.backend.depth() {
                if (stopping || self.waits_for_host(plan, queued)) && !in_flight.is_empty() {
                    break;
                }
                if schedule.neighbor_due(queued) || queued == start_step {
                    if lagged.is_none() && !in_flight.is_empty() {
                        break; // the list of the positions at this very step
                    }
                    if listed != Some(queued) {
                        self.take_list(plan, queued, &mut lagged, &mut summary)?;
                        listed = Some(queued);
                    }
                    self.check_stored(queued, observer)?;
                }
                let end = schedule.batch_end(queued);
                let mut batch = self.batch(plan, &start, queued, end);
                if stopping {
                    batch.wanted = Wanted::State;
                }
                if let (Some(factor), Some(first)) = (self.couple_chain(plan, queued), batch.chunks.first_mut()) {
                    first.velocity_scale = factor;
                }
                self.backend.enqueue(batch.clone())?;
                in_flight.push_back((queued, end, batch));
                queued = end;
            }
            let Some((from, end, batch)) = in_flight.pop_front() else { break };
            let done = self.backend.collect(&mut self.state)?;
            let mut step = from;
            for (chunk, done) in batch.chunks.iter().zip(&done.chunks) {
                (self.state.step, self.state.time) = start.at(step, plan);
                if let Some(row) = self.book(plan, chunk, done)? {
                    temperature = row.temperature;
                    if schedule.log_due(step) {
                        summary.mean_temperature += row.temperature;
                        n_temperatures += 1.0;
                        observer.log(&row)?;
                    }
                }
                step += u64::from(chunk.n_steps);
            }
            (self.state.step, self.state.time) = start.at(end, plan);
            self.watch_piston(plan, end)?;
            if schedule.pressure_due(end) && end < schedule.n_steps {
                self.couple_pressure(plan)?;
            }
            if let Some(lists) = &mut lagged {
                if let Some(moved) = done.since_list {
                    lists.watch(moved);
                }
                if schedule.neighbor_due(end) && end + schedule.neighbor < schedule.n_steps {
                    let positions = Arc::new(self.state.positions.clone());
                    let origin = ListOrigin { positions, radius: lists.next_radius };
                    lists.order(end + schedule.neighbor, origin, &self.state.cell);
                }
                self.lagged_list = lists.at(end);
            }
            self.show_frame(plan, end, done.charges, observer)?;
            let is_last = stopping && batch.wanted == Wanted::State && in_flight.is_empty();
            let stops = is_last && schedule.neighbor_due(end) && end < schedule.n_steps;
            if stops || schedule.checkpoint_due(end) && end < schedule.n_steps {
                let mut electrodes = Vec::new();
                if self.system.external.electrodes.is_some() {
                    // by the list that a continuation begins with
                    self.take_list(plan, end, &mut lagged, &mut summary)?;
                    listed = Some(end);
                    electrodes = electrodes::charges(self.system, &mut *self.backend)?;
                }
                observer.checkpoint(&Moment { electrodes: &electrodes, ..self.moment(end) })?;
            }
            if stops {
                return Err(DynamicsError::Interrupted { step: self.state.step, time: self.state.time });
            }
            observer.progress(end, schedule.n_steps, temperature);
        }
        summary.mean_temperature /= f64::max(n_temperatures, 1.0);
        summary.list_wall = summary.neighbor_wall;
        if let Some(lists) = &lagged {
            (summary.n_lists, summary.n_widened) = (lists.n_lists, lists.n_widened);
            summary.neighbor_wall = lists.waiting.as_secs_f64();
            summary.list_wall = lists.building.as_secs_f64();
        }
        Ok(summary)
    }

    /// Gives the backend the list that serves from `step` on, where the state is now.
    fn take_list(
        &mut self,
        plan: &StagePlan,
        step: u64,
        lagged: &mut Option<LaggedLists>,
        summary: &mut StageSummary,
    ) -> Result<(), DynamicsError> {
        match lagged {
            Some(lists) => lists.swap(step, &mut *self.backend)?,
            None => {
                let search = Instant::now();
                neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
                summary.neighbor_wall += search.elapsed().as_secs_f64();
                summary.n_lists += 1;
            }
        }
        Ok(())
    }

    /// Are the charges of electrodes those of the checkpoint that the run goes on from?
    ///
    /// * `stage_step` – of the stage; at its start the list may be another than the one that the charges were found with
    fn check_stored(&mut self, stage_step: u64, observer: &mut dyn Observer) -> Result<(), DynamicsError> {
        let Some(stored) = self.stored.take().filter(|stored| !stored.electrodes.is_empty()) else { return Ok(()) };
        let found = electrodes::charges(self.system, &mut *self.backend)?;
        match stored.compare(&found, stage_step > 0) {
            Ok(warning) => warning.into_iter().for_each(|text| observer.warning(text)),
            Err(detail) => return Err(DynamicsError::StoredCharges { step: self.state.step, detail }),
        }
        Ok(())
    }

    /// The lists of the first two intervals: both of the start, or, after a resume, what the checkpoint says and the start.
    fn order_first_lists(&mut self, plan: &StagePlan, start_step: u64, lists: &mut LaggedLists) {
        let schedule = &plan.schedule;
        let (positions, cell) = (Arc::new(self.state.positions.clone()), self.state.cell);
        let kept = self.lagged_list.take().filter(|kept| kept.origin.positions.len() == positions.len());
        if let Some(kept) = &kept {
            lists.next_radius = kept.next_radius;
        }
        let here = ListOrigin { positions, radius: lists.next_radius };
        lists.order(start_step, kept.map_or(here.clone(), |kept| kept.origin), &cell);
        let next = (start_step / schedule.neighbor + 1) * schedule.neighbor;
        if next < schedule.n_steps {
            lists.order(next, here, &cell);
        }
        self.lagged_list = lists.at(start_step);
    }

    /// The chunks from `from` to `end`, cut where something is due.
    fn batch(&self, plan: &StagePlan, start: &StageStart, from: u64, end: u64) -> Batch {
        let schedule = &plan.schedule;
        let (langevin, piston_bath) = (langevin_step(plan), self.piston_bath(plan));
        let has_bath = langevin.is_some() || piston_bath.is_some();
        let mut chunks = Vec::new();
        let mut step = from;
        while step < end {
            let csvr = self.csvr_draw(plan, step, start.step + step);
            let report = schedule.log_due(step) || schedule.com_due(step) || csvr.is_some();
            // with a bath, the heat of the reported step is needed for its energy
            let stop = if report && has_bath { step + 1 } else { schedule.chunk_end(step).min(end) };
            chunks.push(Chunk {
                csvr,
                langevin,
                piston_bath,
                remove_com: schedule.com_due(step),
                report,
                max_displacement: runaway_displacement(plan, self.backend.list_lag()),
                ..Chunk::new(start.step + step, (stop - step) as u32, plan.dt)
            });
            step = stop;
        }
        let wanted = if schedule.checkpoint_due(end) || schedule.pressure_due(end) || end == schedule.n_steps {
            Wanted::State
        } else if schedule.neighbor_due(end) || schedule.frame_due(end) {
            Wanted::Positions
        } else {
            Wanted::Sums
        };
        Batch { chunks, wanted, charges: self.answers(plan, end) }
    }

    /// Books what a chunk did; the row of its first step when that was reported.
    fn book(&mut self, plan: &StagePlan, chunk: &Chunk, done: &ChunkReport) -> Result<Option<LogRow>, DynamicsError> {
        let kinetic_before_chunk = self.kinetic;
        self.kinetic = done.kinetic_end;
        let mut row = None;
        if let Some(first) = &done.first {
            let s = done.velocity_scale;
            // what a chain does is in its own energy
            if chunk.csvr.is_some() {
                self.heat += work_of_scaling(first, s);
            }
            if chunk.remove_com {
                self.heat += first.kinetic_before - kinetic_before_chunk;
            }
            let has_bath = chunk.langevin.is_some() || chunk.piston_bath.is_some();
            let bath = if has_bath { done.bath_heat } else { 0.0 };
            let reported = self.log_row(plan, first, s, bath);
            check_finite(plan, &reported)?;
            row = Some(reported);
        }
        self.heat += done.bath_heat;
        Ok(row)
    }

    /// Does an analysis want the charges of electrodes at a step?
    fn answers(&self, plan: &StagePlan, step: u64) -> bool {
        self.system.external.electrodes.is_some() && plan.schedule.sample_due(step)
    }

    /// Hands a frame over when one is due.
    ///
    /// * `charges` – of its electrodes, where an analysis looks at it
    fn show_frame(
        &mut self,
        plan: &StagePlan,
        step: u64,
        charges: Option<Vec<f64>>,
        observer: &mut dyn Observer,
    ) -> Result<(), DynamicsError> {
        let schedule = &plan.schedule;
        if !schedule.frame_due(step) {
            return Ok(());
        }
        let State { step: now, time, cell, positions, .. } = &self.state;
        let charges = match (&self.system.external.electrodes, &charges) {
            (None, _) => Charges::OfTopology,
            (Some(_), Some(charges)) => Charges::Current(charges),
            (Some(_), None) => Charges::Unknown,
        };
        let frame = Frame { charges, ..Frame::new(*now, *time, cell, positions) };
        observer.frame(&frame, schedule.trajectory_due(step), schedule.sample_due(step))
    }

    /// Everything a continuation from here depends on.
    pub fn moment(&self, stage_step: u64) -> Moment<'_> {
        Moment {
            stage_step,
            state: &self.state,
            kinetic: self.kinetic,
            heat: self.heat,
            chain: &self.chain,
            gaps: &self.gaps,
            lagged_list: self.lagged_list.as_ref(),
            electrodes: &[],
        }
    }

    /// Does what happens at the start of the batch at `step` depend on sums or positions of the steps before?
    fn waits_for_host(&self, plan: &StagePlan, step: u64) -> bool {
        let chain = matches!(plan.thermostat, ThermostatSpec::NoseHoover { .. }) && plan.schedule.couple_due(step);
        let charges = self.system.external.electrodes.is_some() && plan.schedule.checkpoint_due(step);
        chain || charges || plan.schedule.pressure_due(step)
    }

    fn chain_settings(&self, plan: &StagePlan) -> Option<ChainSettings> {
        let ThermostatSpec::NoseHoover { temperature, time_constant, .. } = plan.thermostat else { return None };
        Some(ChainSettings { degrees_of_freedom: self.degrees_of_freedom(plan), temperature, time_constant })
    }

    /// kJ/mol
    fn chain_energy(&self, plan: &StagePlan) -> f64 {
        self.chain_settings(plan).map_or(0.0, |settings| self.chain.energy(&settings))
    }

    /// The factor of the Nosé–Hoover chain on the velocities when coupling is due at `step`.
    fn couple_chain(&mut self, plan: &StagePlan, step: u64) -> Option<f64> {
        let settings = self.chain_settings(plan).filter(|_| plan.schedule.couple_due(step))?;
        Some(self.chain.couple(&settings, self.kinetic, plan.schedule.couple as f64 * plan.dt))
    }

    /// The random part of CSVR when coupling is due at `step`.
    ///
    /// * `run_step` – the same step counted from the start of the run: the counter of the noise
    fn csvr_draw(&self, plan: &StagePlan, step: u64, run_step: u64) -> Option<CsvrDraw> {
        let ThermostatSpec::Csvr { temperature, time_constant } = plan.thermostat else { return None };
        if !plan.schedule.couple_due(step) {
            return None;
        }
        let ratio = plan.schedule.couple as f64 * plan.dt / time_constant;
        Some(csvr::draw(self.degrees_of_freedom(plan), temperature, ratio, plan.seed, run_step))
    }

    fn temperature(&self, kinetic: f64, plan: &StagePlan) -> f64 {
        2.0 * kinetic / (self.degrees_of_freedom(plan) as f64 * BOLTZMANN)
    }

    pub(super) fn log_row(&self, plan: &StagePlan, first: &FirstStep, scale: f64, bath_heat: f64) -> LogRow {
        let kinetic = 0.5 * (scale * scale * first.kinetic_before + first.kinetic_after);
        let trace = |m: DMat3| m.x_axis.x + m.y_axis.y + m.z_axis.z;
        let virial = trace(first.virial);
        let volume = self.state.cell.volume();
        LogRow {
            step: self.state.step,
            time: self.state.time,
            temperature: self.temperature(kinetic, plan),
            pressure: (2.0 * trace(first.kinetic_tensor) + virial) / (3.0 * volume) * PRESSURE_BAR,
            volume,
            energies: first.energies,
            kinetic,
            // the bath of this step acts after the half step that belongs to this energy
            conserved: first.energies.total() - first.energies.cutoff_shift + kinetic + self.chain_energy(plan)
                - 0.5 * bath_heat
                - self.heat,
        }
    }

    /// The row of the final step: taken from a trial step that is thrown away.
    fn log_last_step(&mut self, plan: &StagePlan, observer: &mut dyn Observer) -> Result<(), DynamicsError> {
        if plan.schedule.log == 0 || !plan.log_end {
            return Ok(());
        }
        neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
        if let Some(row) = self.trial_row(plan)? {
            observer.log(&row)?;
        }
        Ok(())
    }

    /// The row of the present state, from a step without baths that is thrown away. The backend holds the state and a
    /// list of it.
    pub(super) fn trial_row(&mut self, plan: &StagePlan) -> Result<Option<LogRow>, DynamicsError> {
        let chunk =
            Chunk { report: true, max_displacement: RUNAWAY_DISPLACEMENT, ..Chunk::new(self.state.step, 1, plan.dt) };
        let trial = self.backend.advance(&chunk)?;
        self.backend.load(&self.state)?;
        let row = trial.first.map(|first| self.log_row(plan, &first, 1.0, 0.0));
        if let Some(row) = &row {
            check_finite(plan, row)?;
        }
        Ok(row)
    }
}

/// The change of the on-step energy U + ½ [K(v−) + K(v+)] when v− is scaled by s, from quantities measured in the
/// scaled step (exact but for the tiny dependence of constraint forces on s): with q = K(v+ − s v−) and C = Σ m v−·v+ = [K(v+) + s² K(v−) − q]/s, the unscaled step would have ended
/// with K(v+ − (s−1) v−) = K(v+) − (s−1) C + (s−1)² K(v−).
fn work_of_scaling(first: &FirstStep, s: f64) -> f64 {
    if s == 1.0 || s == 0.0 {
        return 0.0;
    }
    let (before, after) = (first.kinetic_before, first.kinetic_after);
    let cross = (after + s * s * before - first.kick) / s;
    let unscaled_after = after - (s - 1.0) * cross + (s - 1.0).powi(2) * before;
    0.5 * ((s * s * before + after) - (before + unscaled_after))
}

fn langevin_step(plan: &StagePlan) -> Option<LangevinStep> {
    match plan.thermostat {
        ThermostatSpec::Langevin { temperature, friction } => {
            Some(LangevinStep { temperature, friction, seed: plan.seed })
        }
        _ => None,
    }
}

fn check_finite(plan: &StagePlan, row: &LogRow) -> Result<(), DynamicsError> {
    let bad = |term, value| DynamicsError::EnergyNotFinite { stage: plan.name.clone(), step: row.step, term, value };
    for (term, value) in row.energies.terms() {
        if !value.is_finite() {
            return Err(bad(term, value));
        }
    }
    if !row.kinetic.is_finite() {
        return Err(bad("kinetic", row.kinetic));
    }
    Ok(())
}

impl From<Box<dyn std::error::Error + Send + Sync>> for DynamicsError {
    fn from(source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        DynamicsError::Output(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;

    #[test]
    fn work_of_scaling_is_exact_for_a_linear_kick() {
        // three particles of unit mass with velocities v and kicks g
        let v = [DVec3::new(1.0, 0.2, -0.3), DVec3::new(-0.5, 0.1, 0.9), DVec3::new(0.0, -1.2, 0.4)];
        let g = [DVec3::new(0.1, -0.2, 0.05), DVec3::new(0.3, 0.0, -0.1), DVec3::new(-0.2, 0.2, 0.2)];
        let k = |u: &[DVec3]| u.iter().map(|x| 0.5 * x.length_squared()).sum::<f64>();
        let s = 0.93;
        let scaled: Vec<DVec3> = v.iter().zip(&g).map(|(v, g)| *v * s + *g).collect();
        let unscaled: Vec<DVec3> = v.iter().zip(&g).map(|(v, g)| *v + *g).collect();
        let exact = 0.5 * ((s * s * k(&v) + k(&scaled)) - (k(&v) + k(&unscaled)));
        let first = FirstStep {
            energies: Energies::default(),
            virial: DMat3::ZERO,
            kinetic_before: k(&v),
            kinetic_after: k(&scaled),
            kick: k(&g),
            kinetic_tensor: DMat3::ZERO,
        };
        assert!((work_of_scaling(&first, s) - exact).abs() < 1e-14);
    }
}
