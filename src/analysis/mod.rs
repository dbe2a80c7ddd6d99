//! Observables: what a trajectory says about structure.
//!
//! An analysis sees frames, the topology and the user's settings. It does not know whether a frame comes from a running
//! simulation or from a file, so online and offline results are the same numbers. It knows no forces, no files and no
//! input syntax.
//!
//! Adding an observable is one file with an [`Observable`] and one line in [`build`]. Memory is bounded: every observable accumulates
//! histograms and, where it compares times, keeps a fixed number of origins ([`lags`]); all of it can be written to a checkpoint bit for
//! bit. `docs/observables.md` states the definitions for users.

pub mod ahead;
pub mod angles;
pub mod blocks;
pub mod bodies;
pub mod capacitance;
pub mod codec;
pub mod coordination;
pub mod density_profile;
pub mod digits;
pub mod distance_counts;
pub mod equilibration;
pub mod form_factors;
pub mod fsqt;
pub mod grid;
pub mod hydrogen_bonds;
pub mod ion_pairs;
pub mod lags;
pub mod layers;
pub mod linked_cells;
pub mod msd;
pub mod octahedrality;
pub mod orientation;
pub mod pair_distribution;
pub mod pairs;
pub mod particles;
pub mod peaks;
pub mod potential_profile;
mod profile_values;
pub mod rdf;
pub mod residence;
pub mod results;
pub mod schedule;
pub mod selection;
mod selection_grammar;
pub mod snapshot;
pub mod stretches;
pub mod survival;
pub mod unwrap;
mod widest;

pub use results::{AnalysisResult, Axis, Column, Figure, Map, Mark, Quantity, Series, SeriesKind, Table};

use crate::cell::Cell;
use crate::math;
use crate::system::spec::AnalysisSpec;
use crate::system::{External, Frame, Topology};
use ahead::{Ahead, Foresight, Gauge, Reading, Readings};
use codec::{Reader, Writer};
use rayon::prelude::*;
use schedule::Schedule;
use selection::Selection;
use snapshot::Snapshot;
use std::sync::Arc;

/// Why an analysis cannot be set up or cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnalysisError {
    #[error("no atom matches the selection \"{selection}\"{}; {available}", hint(.nearest))]
    UnknownSelection {
        selection: String,
        /// The word that means nothing, bytes.
        at: std::ops::Range<usize>,
        nearest: Option<String>,
        available: String,
    },
    #[error("the selection \"{selection}\" can hold no atom; {available}")]
    EmptySelection { selection: String, available: String },
    #[error("the selection \"{selection}\" cannot be read: {message}{}", with_help(.help))]
    SelectionSyntax {
        selection: String,
        /// bytes
        at: std::ops::Range<usize>,
        message: String,
        help: String,
    },
    #[error("the selections \"{first}\" and \"{second}\" share {count} atoms; ligands must not overlap")]
    OverlappingLigands { first: String, second: String, count: usize },
    #[error("{what} = {value} cannot be used: {remedy}")]
    InvalidSetting { what: &'static str, value: f64, remedy: &'static str },
    #[error(
        "{what} = {radius:.3} nm exceeds half the smallest height of the cell, {half_height:.3} nm; use at most that, or a larger box"
    )]
    RadiusExceedsHalfBox { what: &'static str, radius: f64, half_height: f64 },
    #[error(
        "at {time} ps the smallest height of the cell is {height:.3} nm, less than the analysis radius of {radius:.3} nm; use a smaller radius"
    )]
    CellTooSmall { time: f64, height: f64, radius: f64 },
    #[error(
        "the frame at {time} ps has {found} atoms, the topology has {expected}; trajectory and input do not belong together"
    )]
    AtomCount { time: f64, found: usize, expected: usize },
    #[error("the frame at step {step} has a time that is not a number")]
    NoTime { step: u64 },
    #[error("the position of atom {atom} is not finite at {time} ps")]
    NotFinite { atom: usize, time: f64 },
    #[error("the stored state of the analyses cannot be used: {0}")]
    Checkpoint(String),
}

fn with_help(help: &str) -> String {
    if help.is_empty() { String::new() } else { format!(" ({help})") }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!(" (did you mean \"{n}\"?)")).unwrap_or_default()
}

/// One observable of a trajectory.
///
/// What looks at single frames only may leave that to a [`Gauge`], which other threads use on other frames at the same time; what compares frames is
/// given one after the other.
pub trait Observable: Send {
    /// Adds one frame. The number of atoms has been checked; see [`pairs::PairSearch`] for wrapping.
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError>;
    /// What looks at single frames, if that is all.
    fn gauge(&self) -> Option<Arc<dyn Gauge>> {
        None
    }
    /// As [`Observable::sample`] of a frame that its gauge has read. Frames are added in their order.
    fn add(&mut self, _reading: Reading) {}
    /// Results of all frames so far; the observable can go on sampling.
    fn finish(&self) -> Vec<AnalysisResult>;
    /// A line that says what is measured and with which settings; a checkpoint is restored only into the same one.
    fn fingerprint(&self) -> String;
    fn save(&self, writer: &mut Writer);
    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError>;
    /// The next frame belongs to another run: nothing is compared with frames before it. What looks at single frames only has nothing to do.
    fn restart(&mut self) {}
    /// Its selections, and of each: is there no value at all while it holds no atom?
    fn selections(&self) -> Vec<(&Selection, bool)> {
        Vec::new()
    }
}

/// Takes back what was made of selections that held no atom in any frame, and says so.
fn admit_empty(selections: &[(&Selection, bool)], results: &mut [AnalysisResult]) {
    let empty: Vec<&(&Selection, bool)> = selections.iter().filter(|(s, _)| !s.ever_held()).collect();
    let is_needed = empty.iter().any(|(_, needed)| *needed);
    let several = results.len() > 1;
    for result in results.iter_mut().filter(|r| r.n_frames > 0) {
        if is_needed {
            result.values.clear();
            result.tables.clear();
            result.shown.clear();
            result.figures.clear();
            result.notes.clear();
        }
        // Of several results each names what it is of.
        let concerns = |text: &str| !several || result.title.contains(text);
        let mut texts: Vec<&str> = empty.iter().map(|(s, _)| s.text()).filter(|text| concerns(text)).collect();
        texts.dedup();
        for text in texts {
            result.notes.push(format!("The selection \"{text}\" held no atom in any frame: there is no value for it."));
        }
    }
}

/// The registry: which observable serves which entry of the input.
fn build(
    spec: &AnalysisSpec,
    topology: &Topology,
    external: &External,
    cell: &Cell,
) -> Result<(Box<dyn Observable>, f64), AnalysisError> {
    Ok(match spec {
        AnalysisSpec::Rdf { pairs, r_max, bin_width, molecules, intramolecular, every } => {
            let settings = rdf::Settings { molecules: *molecules, intramolecular: *intramolecular };
            (Box::new(rdf::Rdf::new(pairs, *r_max, *bin_width, settings, topology, cell)?), *every)
        }
        AnalysisSpec::Coordination { center, ligands, r_min, layer, every } => {
            let numbers = coordination::Coordination::new(center, ligands, *r_min, *layer, topology, external, cell)?;
            (Box::new(numbers), *every)
        }
        AnalysisSpec::Angles { center, ligand, r_min, bin_width, every } => {
            (Box::new(angles::Angles::new(center, ligand, *r_min, *bin_width, topology, cell)?), *every)
        }
        AnalysisSpec::DensityProfile(s) => {
            (Box::new(density_profile::DensityProfile::new(s, topology, external, cell)?), s.every)
        }
        AnalysisSpec::IonPairs(s) => (Box::new(ion_pairs::IonPairs::new(s, topology, cell)?), s.every),
        AnalysisSpec::HydrogenBonds(s) => (Box::new(hydrogen_bonds::HydrogenBonds::new(s, topology, cell)?), s.every),
        AnalysisSpec::Msd(s) => (Box::new(msd::Msd::new(s, topology, cell)?), s.every),
        AnalysisSpec::Residence(s) => (Box::new(residence::Residence::new(s, topology, cell)?), s.every),
        AnalysisSpec::PairDistribution(s) => {
            (Box::new(pair_distribution::PairDistribution::new(s, topology, cell)?), s.every)
        }
        AnalysisSpec::Fsqt(s) => (Box::new(fsqt::Fsqt::new(s, topology)?), s.every),
        AnalysisSpec::Orientation(s) => (Box::new(orientation::Orientation::new(s, topology, cell)?), s.every),
        AnalysisSpec::Octahedrality(s) => (Box::new(octahedrality::Octahedrality::new(s, topology, cell)?), s.every),
    })
}

struct Entry {
    observable: Box<dyn Observable>,
    schedule: Schedule,
}

/// All analyses of a run, each with its own sampling interval.
pub struct AnalysisSet {
    entries: Vec<Entry>,
    n_atoms: usize,
}

impl AnalysisSet {
    /// Resolves every selection and setting.
    ///
    /// * `cell` – the first cell: radii are checked against it and default radii come from it
    ///
    /// Errors name the setting, its value and what to write instead.
    pub fn new(specs: &[AnalysisSpec], topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        Self::with_external(specs, topology, &External::default(), cell)
    }

    /// As [`AnalysisSet::new`], with what acts on the atoms from outside: a slab correction and a field belong to the potential along z.
    pub fn with_external(
        specs: &[AnalysisSpec],
        topology: &Topology,
        external: &External,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let entries = specs
            .iter()
            .map(|spec| {
                let (observable, every) = build(spec, topology, external, cell)?;
                Ok(Entry { observable, schedule: Schedule::new(every)? })
            })
            .collect::<Result<_, AnalysisError>>()?;
        Ok(AnalysisSet { entries, n_atoms: topology.n_atoms() })
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Does any analysis want a frame at `time` (ps)?
    pub fn is_due(&self, time: f64) -> bool {
        self.entries.iter().any(|e| e.schedule.is_due(time))
    }

    /// The next time after `now` (ps) at which a frame is wanted, ps; `None` without analyses.
    ///
    /// Always a multiple of an interval `every`, counted from time zero of the run.
    pub fn next_sample_time(&self, now: f64) -> Option<f64> {
        self.entries.iter().map(|e| e.schedule.next_after(now)).min_by(f64::total_cmp)
    }

    /// Hands the frame to every analysis that is due; a frame that was seen already is passed over.
    pub fn sample(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        if frame.positions.len() == self.n_atoms
            && frame.time.is_finite()
            && self.is_due(frame.time)
            && let Some(atom) = math::first_not_finite(frame.positions)
        {
            return Err(AnalysisError::NotFinite { atom: atom + 1, time: frame.time });
        }
        self.sample_read(frame, Readings::default())
    }

    /// Is there an analysis that wants a frame at `time` (ps) and of which there is no reading?
    pub fn needs_positions(&self, time: f64, readings: &Readings) -> bool {
        self.entries.iter().enumerate().any(|(k, e)| e.schedule.is_due(time) && !readings.has(k))
    }

    /// As [`AnalysisSet::sample`] of a frame that gauges have read. Its positions must be numbers; they are looked at only if
    /// [`AnalysisSet::needs_positions`].
    pub fn sample_read(&mut self, frame: &Frame, mut readings: Readings) -> Result<(), AnalysisError> {
        if !frame.time.is_finite() {
            return Err(AnalysisError::NoTime { step: frame.step });
        }
        if !self.is_due(frame.time) {
            return Ok(());
        }
        if frame.positions.len() != self.n_atoms && self.needs_positions(frame.time, &readings) {
            let (found, expected) = (frame.positions.len(), self.n_atoms);
            return Err(AnalysisError::AtomCount { time: frame.time, found, expected });
        }
        let snapshot = Snapshot::new(*frame);
        // Analyses know nothing of each other: which one is first changes no number. Of several errors the first in the order of the input is told.
        let due = |(k, entry): (usize, &mut Entry)| -> Option<Result<(), AnalysisError>> {
            let reading = readings.take(k);
            if !entry.schedule.is_due(frame.time) {
                return Some(Ok(()));
            }
            let added = reading?.map(|reading| entry.observable.add(reading));
            Some(added.inspect(|()| entry.schedule.mark(frame.time)))
        };
        let added: Vec<Option<Result<(), AnalysisError>>> = self.entries.iter_mut().enumerate().map(due).collect();
        let sample = |(entry, added): (&mut Entry, Option<Result<(), AnalysisError>>)| match added {
            Some(done) => done,
            None => entry.observable.sample(&snapshot).inspect(|()| entry.schedule.mark(frame.time)),
        };
        if added.iter().all(Option::is_some) {
            return added.into_iter().flatten().collect();
        }
        let done: Vec<Result<(), AnalysisError>> = self.entries.par_iter_mut().zip(added).map(sample).collect();
        done.into_iter().collect()
    }

    /// What reads frames before their turn.
    pub fn ahead(&self) -> (Ahead, Foresight) {
        let gauges = self.entries.iter().map(|e| e.observable.gauge()).collect();
        (Ahead::new(gauges), Foresight::new(self.entries.iter().map(|e| e.schedule.clone()).collect()))
    }

    /// The next frame is of another run: its time starts anew, and no lag reaches from one run into the next.
    pub fn restart(&mut self) {
        for entry in &mut self.entries {
            entry.schedule.restart();
            entry.observable.restart();
        }
    }

    /// Frames sampled so far by the busiest analysis.
    pub fn n_frames(&self) -> u64 {
        self.entries.iter().map(|e| e.schedule.n_frames()).max().unwrap_or(0)
    }

    /// Results of all analyses, in the order of the input; names of results are unique.
    pub fn finish(&self) -> Vec<AnalysisResult> {
        let of_entry = |entry: &Entry| {
            let mut results = entry.observable.finish();
            admit_empty(&entry.observable.selections(), &mut results);
            results
        };
        let mut results: Vec<AnalysisResult> = self.entries.iter().flat_map(of_entry).collect();
        results::make_names_unique(&mut results);
        results
    }

    /// Everything accumulated so far, for a checkpoint. [`AnalysisSet::restore`] brings it back bit for bit.
    pub fn save(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u64(self.entries.len() as u64);
        for entry in &self.entries {
            writer.text(&entry.observable.fingerprint());
            entry.schedule.save(&mut writer);
            entry.observable.save(&mut writer);
            entry.observable.selections().iter().for_each(|(s, _)| writer.u64(u64::from(s.ever_held())));
        }
        writer.finish()
    }

    /// Replaces the accumulated data by what [`AnalysisSet::save`] wrote.
    ///
    /// Errors if the bytes are damaged or belong to other analyses; the set must then not be used further.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), AnalysisError> {
        let mut reader = Reader::new(bytes)?;
        let n = reader.u64()?;
        if n != self.entries.len() as u64 {
            let text = format!("it holds {n} analyses, the input {}", self.entries.len());
            return Err(AnalysisError::Checkpoint(text));
        }
        for entry in &mut self.entries {
            let (stored, wanted) = (reader.text()?, entry.observable.fingerprint());
            if stored != wanted {
                return Err(AnalysisError::Checkpoint(format!("it is of \"{stored}\", the input says \"{wanted}\"")));
            }
            entry.schedule.restore(&mut reader)?;
            entry.observable.restore(&mut reader)?;
            for (selection, _) in entry.observable.selections() {
                selection.set_ever_held(reader.u64()? != 0);
            }
        }
        reader.end()
    }
}
