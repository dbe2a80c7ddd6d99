//! The step loop: one loop and one schedule, whatever the backend.

use super::DynamicsError;
use super::csvr;
use super::neighbors;
use super::schedule::Schedule;
use super::velocities;
use crate::forces::{Backend, Chunk, CsvrDraw, Energies, FirstStep, LangevinStep};
use crate::system::spec::ThermostatSpec;
use crate::system::{Frame, State, System};
use crate::units::{BOLTZMANN, PRESSURE_BAR};
use glam::DMat3;
use std::time::Instant;

/// Number of centre-of-mass components removed when removal is on.
const COM_COMPONENTS: usize = 3;

/// An atom that moves farther than this within the life of one neighbor list (nm) has blown up: it is ten times what
/// a hydrogen travels in 20 steps of 2 fs at room temperature.
const RUNAWAY_DISPLACEMENT: f64 = 0.6;

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
    pub energies: Energies,
    /// kJ/mol
    pub kinetic: f64,
    /// kJ/mol: potential-shifted pair energies + kinetic − heat from the thermostat
    pub conserved: f64,
}

/// A point between chunks, with all that a continuation depends on.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Steps done in this stage.
    pub stage_step: u64,
    pub state: &'a State,
    /// Kinetic energy of the stored half-step velocities as the backend summed it, kJ/mol
    pub kinetic: f64,
    /// Heat given by thermostats and centre-of-mass removal since the start of the run, kJ/mol
    pub heat: f64,
}

/// What happens at events. Every method returns quickly; errors end the run.
pub trait Observer {
    fn log(&mut self, row: &LogRow) -> Result<(), DynamicsError>;
    /// Positions at a step where a trajectory frame or a sample is due.
    fn frame(&mut self, frame: &Frame<'_>, trajectory: bool, sample: bool) -> Result<(), DynamicsError>;
    fn checkpoint(&mut self, moment: &Moment<'_>) -> Result<(), DynamicsError>;
    /// Called after every chunk. `temperature` is the latest one reported, K.
    fn progress(&mut self, stage_step: u64, n_steps: u64, temperature: f64);
}

/// How a stage ended; after a resume, of the part done since.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageSummary {
    pub n_steps: u64,
    /// s
    pub wall: f64,
    /// s spent in neighbor search
    pub neighbor_wall: f64,
    pub n_lists: u64,
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
}

/// Settings of one dynamics stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StagePlan {
    pub name: String,
    /// ps
    pub dt: f64,
    pub seed: u64,
    pub thermostat: ThermostatSpec,
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
        Engine { system, backend, state, kinetic, heat: 0.0 }
    }

    /// Degrees of freedom of a plan.
    pub fn degrees_of_freedom(&self, plan: &StagePlan) -> usize {
        let removed = if plan.schedule.com > 0 { COM_COMPONENTS } else { 0 };
        self.system.topology.degrees_of_freedom(removed)
    }

    /// Runs a stage from `start_step` (0, or where a checkpoint left it) to its end.
    pub fn run_stage(
        &mut self,
        plan: &StagePlan,
        start_step: u64,
        observer: &mut dyn Observer,
    ) -> Result<StageSummary, DynamicsError> {
        let clock = Instant::now();
        let schedule = &plan.schedule;
        let (run_step, run_time) = (self.state.step - start_step, self.state.time - start_step as f64 * plan.dt);
        let mut summary = StageSummary {
            n_steps: schedule.n_steps,
            wall: 0.0,
            neighbor_wall: 0.0,
            n_lists: 0,
            mean_temperature: 0.0,
        };
        let (mut temperature, mut n_temperatures) = (self.temperature(self.kinetic, plan), 0.0);
        self.backend.load(&self.state)?;
        let mut step = start_step;
        loop {
            // 1. what needs positions on the host
            let at_end = step == schedule.n_steps;
            let neighbor_due = schedule.neighbor_due(step) || step == start_step;
            let host_needed = neighbor_due || at_end || schedule.frame_due(step) || schedule.checkpoint_due(step);
            if host_needed && step > start_step {
                self.backend.store(&mut self.state)?;
            }
            (self.state.step, self.state.time) = (run_step + step, run_time + step as f64 * plan.dt);
            if step > start_step || start_step == 0 {
                if schedule.frame_due(step) {
                    let frame = Frame {
                        step: self.state.step,
                        time: self.state.time,
                        cell: &self.state.cell,
                        positions: &self.state.positions,
                    };
                    observer.frame(&frame, schedule.trajectory_due(step), schedule.sample_due(step))?;
                }
                if schedule.checkpoint_due(step) && !at_end {
                    observer.checkpoint(&self.moment(step))?;
                }
            }
            if at_end {
                break;
            }
            if neighbor_due {
                let search = Instant::now();
                neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
                summary.neighbor_wall += search.elapsed().as_secs_f64();
                summary.n_lists += 1;
            }
            // 2. the chunk
            let mut end = schedule.chunk_end(step);
            let log_due = schedule.log_due(step);
            let csvr = self.csvr_draw(plan, step);
            let com_due = schedule.com_due(step);
            let report = log_due || com_due || csvr.is_some();
            let langevin = langevin_step(plan);
            if report && langevin.is_some() {
                // the heat of this one step is needed for its energy
                end = step + 1;
            }
            let chunk = Chunk {
                first_step: run_step + step,
                n_steps: (end - step) as u32,
                dt: plan.dt,
                velocity_scale: 1.0,
                csvr,
                langevin,
                remove_com: com_due,
                report,
                max_displacement: RUNAWAY_DISPLACEMENT,
            };
            let kinetic_before_chunk = self.kinetic;
            let done = self.backend.advance(&chunk)?;
            self.kinetic = done.kinetic_end;
            // 3. book-keeping
            if let Some(first) = &done.first {
                let s = done.velocity_scale;
                self.heat += work_of_scaling(first, s);
                if chunk.remove_com {
                    self.heat += first.kinetic_before - kinetic_before_chunk;
                }
                let bath = if langevin.is_some() { done.bath_heat } else { 0.0 };
                let row = self.log_row(plan, first, s, bath);
                check_finite(plan, &row)?;
                temperature = row.temperature;
                if log_due {
                    summary.mean_temperature += row.temperature;
                    n_temperatures += 1.0;
                    observer.log(&row)?;
                }
            }
            self.heat += done.bath_heat;
            step = end;
            observer.progress(step, schedule.n_steps, temperature);
        }
        self.log_last_step(plan, observer)?;
        observer.checkpoint(&self.moment(schedule.n_steps))?;
        summary.wall = clock.elapsed().as_secs_f64();
        summary.mean_temperature /= f64::max(n_temperatures, 1.0);
        Ok(summary)
    }

    /// Everything a continuation from here depends on.
    pub fn moment(&self, stage_step: u64) -> Moment<'_> {
        Moment { stage_step, state: &self.state, kinetic: self.kinetic, heat: self.heat }
    }

    /// The random part of CSVR when coupling is due at `step`.
    fn csvr_draw(&self, plan: &StagePlan, step: u64) -> Option<CsvrDraw> {
        let ThermostatSpec::Csvr { temperature, time_constant } = plan.thermostat else { return None };
        if !plan.schedule.couple_due(step) {
            return None;
        }
        let ratio = plan.schedule.couple as f64 * plan.dt / time_constant;
        Some(csvr::draw(self.degrees_of_freedom(plan), temperature, ratio, plan.seed, self.state.step))
    }

    fn temperature(&self, kinetic: f64, plan: &StagePlan) -> f64 {
        2.0 * kinetic / (self.degrees_of_freedom(plan) as f64 * BOLTZMANN)
    }

    fn log_row(&self, plan: &StagePlan, first: &FirstStep, scale: f64, bath_heat: f64) -> LogRow {
        let kinetic = 0.5 * (scale * scale * first.kinetic_before + first.kinetic_after);
        let trace = |m: DMat3| m.x_axis.x + m.y_axis.y + m.z_axis.z;
        let virial = trace(first.virial);
        let volume = self.state.cell.volume();
        LogRow {
            step: self.state.step,
            time: self.state.time,
            temperature: self.temperature(kinetic, plan),
            pressure: (2.0 * trace(first.kinetic_tensor) + virial) / (3.0 * volume) * PRESSURE_BAR,
            energies: first.energies,
            kinetic,
            // the bath of this step acts after the half step that belongs to this energy
            conserved: first.energies.total() - first.energies.cutoff_shift + kinetic - 0.5 * bath_heat - self.heat,
        }
    }

    /// The row of the final step: taken from a trial step that is thrown away.
    fn log_last_step(&mut self, plan: &StagePlan, observer: &mut dyn Observer) -> Result<(), DynamicsError> {
        if plan.schedule.log == 0 || !plan.log_end {
            return Ok(());
        }
        let chunk =
            Chunk { report: true, max_displacement: RUNAWAY_DISPLACEMENT, ..Chunk::new(self.state.step, 1, plan.dt) };
        neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
        let trial = self.backend.advance(&chunk)?;
        self.backend.load(&self.state)?;
        if let Some(first) = &trial.first {
            let row = self.log_row(plan, first, 1.0, 0.0);
            check_finite(plan, &row)?;
            observer.log(&row)?;
        }
        Ok(())
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
