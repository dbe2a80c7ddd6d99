//! What a run writes while it goes: log, trajectory, checkpoint, samples for the analyses, progress.

use super::progress::Progress;
use super::{CliError, interrupt};
use crate::analysis::AnalysisSet;
use crate::dynamics::nose_hoover::Chain;
use crate::dynamics::piston::GapSums;
use crate::dynamics::{DynamicsError, LaggedList, ListOrigin, LogRow, Moment, Observer};
use crate::forces::ForceError;
use crate::io::checkpoint::Checkpoint;
use crate::io::log::{self, DIPOLE, LogWriter, OF_PISTON};
use crate::io::output::OutputFolder;
use crate::io::trajectory::TrajectoryWriter;
use crate::system::{Frame, Topology};
use crate::units::{DENSITY_G_CM3, PRESSURE_BAR, VOLT};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub const LOG_FILE: &str = "log.csv";
/// Name of the stored kinetic energy in a checkpoint.
pub const KINETIC: &str = "kinetic";
/// Begins the names of a Nosé–Hoover chain's numbers in a checkpoint.
const CHAIN: &str = "nose_hoover";

/// The Nosé–Hoover chain of a checkpoint; empty without one.
pub fn chain(checkpoint: &Checkpoint) -> Chain {
    let number = |k: usize, what: &str| checkpoint.numbers.get(&format!("{CHAIN}.{k}.{what}")).copied();
    let links = (0..).map_while(|k| number(k, "position").zip(number(k, "velocity")));
    let (positions, velocities) = links.unzip();
    Chain { positions, velocities }
}
/// Names of the radii of the neighbor list in use and of those to come, where lists lag behind.
const LIST_RADIUS: &str = "list_radius";
const NEXT_LIST_RADIUS: &str = "next_list_radius";

/// The neighbor list in use at a checkpoint.
pub fn lagged_list(checkpoint: &Checkpoint) -> Option<LaggedList> {
    let number = |name: &str| checkpoint.numbers.get(name).copied();
    let positions = Arc::new(checkpoint.list_positions.clone());
    let origin = ListOrigin { positions, radius: number(LIST_RADIUS)? };
    Some(LaggedList { origin, next_radius: number(NEXT_LIST_RADIUS)? })
}

/// Begins the names of the sums of a piston's gap.
const GAP: &str = "piston_gap_block";

/// The sums of a piston's gap in a checkpoint.
pub fn gaps(checkpoint: &Checkpoint) -> GapSums {
    let number = |what: &str| checkpoint.numbers.get(&format!("{GAP}.{what}")).copied().unwrap_or(0.0);
    let blocks = |what: &str| std::array::from_fn(|k| number(&format!("{k}.{what}")));
    GapSums { n: blocks("n"), gap: blocks("sum"), squares: number("squares") }
}

/// How the density of the liquid follows from a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PistonLog {
    /// nm²
    pub area: f64,
    /// Of the gap, not accessible, nm
    pub excluded: f64,
    /// Of the liquid, u
    pub mass: f64,
}

/// The trajectory of the running stage.
pub struct OpenTrajectory {
    pub name: String,
    pub writer: TrajectoryWriter,
}

/// Observer of one run; `stage` changes as the run goes on.
pub struct Recorder<'a> {
    pub topology: &'a Topology,
    /// Names, in the order of the system.
    pub electrodes: Vec<String>,
    /// Of these, those of given charge: (place, name).
    pub of_given_charge: Vec<(usize, String)>,
    /// Does a fluctuation take the dipole as well, as in a finite field?
    pub has_dipole: bool,
    /// In a run with a piston.
    pub piston: Option<PistonLog>,
    pub folder: &'a OutputFolder,
    pub log: LogWriter,
    pub trajectory: Option<OpenTrajectory>,
    /// Lengths of trajectories that earlier stages closed.
    pub closed_streams: Vec<(String, u64)>,
    pub analyses: AnalysisSet,
    /// Do the analyses look at this stage?
    pub analyse: bool,
    pub backend: String,
    pub input_hash: u64,
    pub stage: u32,
    pub stage_name: String,
    /// ps
    pub dt: f64,
    pub progress: Progress,
    /// Told while the run went.
    pub warnings: Vec<String>,
    pub started: Instant,
    pub start_step: u64,
    /// For tests: the step of the run from which on the device counts as lost.
    pub lose_at: Option<u64>,
}

/// Any writing error, as the engine carries it.
fn output(error: impl std::error::Error + Send + Sync + 'static) -> DynamicsError {
    DynamicsError::Output(Box::new(error))
}

impl Recorder<'_> {
    /// ns/day since this stage (or the resumed part of it) started.
    pub fn ns_per_day(&self, stage_step: u64) -> f64 {
        let done = (stage_step - self.start_step) as f64 * self.dt;
        done * 1e-3 * 86_400.0 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    /// Closes the trajectory of a finished stage.
    pub fn close_trajectory(&mut self) -> Result<(), CliError> {
        if let Some(mut open) = self.trajectory.take() {
            let length = open.writer.flush().map_err(CliError::run)?;
            self.closed_streams.push((open.name, length));
        }
        Ok(())
    }
}

impl Observer for Recorder<'_> {
    fn log(&mut self, row: &LogRow) -> Result<(), DynamicsError> {
        if self.lose_at.is_some_and(|step| row.step >= step) {
            return Err(ForceError::DeviceLost(format!("as asked for, at step {}", row.step)).into());
        }
        // a log has the same columns in all stages
        let mut energies = row.energies;
        let mut readings = Vec::new();
        if let Some(log) = &self.piston {
            energies.piston.get_or_insert(f64::NAN);
            if !self.electrodes.is_empty() {
                let charged = [&mut energies.electrode, &mut energies.coulomb_real, &mut energies.coulomb_reciprocal];
                charged.into_iter().for_each(|term| {
                    term.get_or_insert(f64::NAN);
                });
            }
            let values = energies.piston_reading.map_or([f64::NAN; 3], |reading| {
                [reading.gap, log.density(reading.gap), reading.pressure * PRESSURE_BAR]
            });
            readings.extend(OF_PISTON.into_iter().zip(values));
        }
        if self.has_dipole {
            readings.push((DIPOLE, energies.dipole_z.unwrap_or(f64::NAN)));
        }
        let terms = energies.terms();
        let charges: Vec<(&str, f64)> =
            self.electrodes.iter().map(String::as_str).zip(row.energies.electrode_charges).collect();
        let potential = |k: usize| match row.energies.electrode {
            Some(_) => row.energies.electrode_potentials[k] / VOLT,
            None => f64::NAN, // up to a piston that has not been fixed
        };
        let potentials: Vec<(&str, f64)> =
            self.of_given_charge.iter().map(|(k, name)| (name.as_str(), potential(*k))).collect();
        let line = log::LogRow {
            step: row.step,
            time: row.time,
            stage: &self.stage_name,
            temperature: Some(row.temperature),
            pressure: Some(row.pressure),
            volume: row.volume,
            density: self.topology.total_mass() / row.volume * DENSITY_G_CM3,
            kinetic: Some(row.kinetic),
            potential: row.energies.total(),
            terms: &terms,
            conserved: Some(row.conserved),
            charges: &charges,
            potentials: &potentials,
            readings: &readings,
        };
        self.log.write(&line).map_err(output)
    }

    fn frame(&mut self, frame: &Frame<'_>, trajectory: bool, sample: bool) -> Result<(), DynamicsError> {
        if trajectory && let Some(open) = &mut self.trajectory {
            open.writer.write(frame.step, frame.time, frame.cell, frame.positions).map_err(output)?;
        }
        if sample && self.analyse {
            self.analyses.sample(frame).map_err(output)?;
        }
        Ok(())
    }

    fn wants_stop(&mut self) -> bool {
        interrupt::asked().is_some()
    }

    fn checkpoint(&mut self, moment: &Moment<'_>) -> Result<(), DynamicsError> {
        let mut streams = self.closed_streams.clone();
        streams.push((LOG_FILE.to_string(), self.log.flush().map_err(output)?));
        if let Some(open) = &mut self.trajectory {
            streams.push((open.name.clone(), open.writer.flush().map_err(output)?));
        }
        let mut numbers = BTreeMap::from([(KINETIC.to_string(), moment.kinetic)]);
        let mut list_positions = Vec::new();
        for (k, (x, v)) in moment.chain.positions.iter().zip(&moment.chain.velocities).enumerate() {
            numbers.insert(format!("{CHAIN}.{k}.position"), *x);
            numbers.insert(format!("{CHAIN}.{k}.velocity"), *v);
        }
        if *moment.gaps != GapSums::default() {
            let GapSums { n, gap, squares } = moment.gaps;
            for k in 0..n.len() {
                numbers.insert(format!("{GAP}.{k}.n"), n[k]);
                numbers.insert(format!("{GAP}.{k}.sum"), gap[k]);
            }
            numbers.insert(format!("{GAP}.squares"), *squares);
        }
        if let Some(list) = moment.lagged_list {
            list_positions.clone_from(&list.origin.positions);
            numbers.insert(LIST_RADIUS.to_string(), list.origin.radius);
            numbers.insert(NEXT_LIST_RADIUS.to_string(), list.next_radius);
        }
        let checkpoint = Checkpoint {
            input_hash: self.input_hash,
            backend: self.backend.clone(),
            stage: self.stage,
            stage_step: moment.stage_step,
            state: moment.state.clone(),
            list_positions,
            electrodes: moment.electrodes.to_vec(),
            heat: moment.heat,
            streams,
            analysis: self.analyses.save(),
            numbers,
        };
        checkpoint.write(self.folder.path()).map_err(output)
    }

    fn warning(&mut self, text: String) {
        warn!("warning: {text}");
        self.warnings.push(text);
    }

    fn progress(&mut self, stage_step: u64, n_steps: u64, temperature: f64) {
        let detail = format!(
            "{:9.3} ps  {:7.2} ns/day  {temperature:6.1} K",
            stage_step as f64 * self.dt,
            self.ns_per_day(stage_step),
        );
        self.progress.update(stage_step as f64 / n_steps as f64, &detail);
    }
}
