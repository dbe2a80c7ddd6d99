//! `hexaqua analyze`: the analyses of an input file on trajectories of any engine, by the same code as in a run.

use super::capacitance::{self, Reading};
use super::executor::ThreadArgs;
use super::frame_charges::{FrameCharges, first_frame};
use super::joined::{Joined, Next, broken_bond};
use super::level;
use super::literature;
use super::prepare;
use super::progress::Progress;
use super::relay::{self, Fault, Positions, Relay};
use super::rigid::Rigid;
use super::{CliError, InputArgs};
use super::{outcome, own_input};
use crate::analysis::{AnalysisSet, Quantity};
use crate::cell::Cell;
use crate::io::output::OutputFolder;
use crate::io::trajectory::TrajectoryError;
use crate::report::{self, RunReport};
use crate::system::{Frame, State, System};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Trajectories in order (XTC, TRR, DCD, GRO, PDB, XYZ, …)
    #[arg(required = true)]
    trajectories: Vec<PathBuf>,
    /// Folder for tables, figures and report.html [default: print only]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Of coordinates in files of limited precision, nm.
const ROUNDED: f64 = 1e-3;

/// What became of the frames.
#[derive(Default)]
struct Read {
    n_frames: u64,
    skipped: u64,
    /// Frames that two files hold.
    repeated: u64,
    /// Which files and times belong together.
    joined: Joined,
    /// A sentence for every run behind the first.
    runs: Vec<String>,
    /// A sentence for every file that is cut off or damaged.
    cut_off: Vec<String>,
    /// Of electrodes, by frame that was used.
    electrodes: Vec<Reading>,
    /// Frames that were used and have their electrodes elsewhere.
    elsewhere: u64,
}

/// Hands every frame to the analyses; other threads read and look ahead. A trajectory that ends within
/// a frame is used up to there, and those behind it as well.
fn sample(
    paths: &[PathBuf],
    System { topology, .. }: &System,
    state: &State,
    electrodes: Option<&FrameCharges>,
    every: f64,
    analyses: &mut AnalysisSet,
) -> Result<Read, CliError> {
    let n_atoms = topology.n_atoms();
    let slabs = Rigid::new(topology, state);
    let label = |i: usize| (topology.atom(i).name.clone(), topology.atom(i).element.clone());
    let atoms: Vec<(String, String)> = (0..n_atoms).map(label).collect();
    let (ahead, foresight) = analyses.ahead();
    let relay = Relay { paths, n_atoms, cell: state.cell, atoms, every, electrodes, ahead, foresight };
    let mut done = Read::default();
    let mut progress = Progress::new("analyze", 0.0);
    let started = Instant::now();
    let (mut bytes, mut last_file, mut damaged, mut n_of_file) = (0, 0, 0, 0);
    let is_damage = |error: &TrajectoryError| matches!(error, TrajectoryError::Truncated { .. });
    relay::run(relay, rayon::current_num_threads(), |seen| {
        let mut seen = match seen {
            Ok(seen) => seen,
            // Threads may find another damage behind the first.
            Err(Fault { file, error }) if is_damage(&error) && file == damaged => return Ok(None),
            Err(Fault { file, error }) if is_damage(&error) && done.n_frames > 0 => {
                let used = match (file == last_file, n_of_file) {
                    (true, n) => format!("the {n} frames before it were used"),
                    (false, _) => "nothing of this file was used".to_string(),
                };
                damaged = file;
                done.cut_off.push(format!("{error}; {used}"));
                return Ok(None);
            }
            Err(Fault { error, .. }) => return Err(CliError::input(error)),
        };
        if seen.file == damaged {
            return Ok(Some(seen));
        }
        let (file, time) = (seen.file, seen.time);
        let path = paths[file - 1].display();
        if file != last_file
            && let Positions::All(positions) = &seen.positions
            && let Some(what) = broken_bond(topology, state, &seen.frame.cell, positions)
        {
            return Err(CliError::Input(format!("{path}, frame 1: {what}")));
        }
        if file != last_file {
            n_of_file = 0;
        }
        (bytes, last_file, n_of_file) = (seen.bytes.0, file, n_of_file + 1);
        match done.joined.next(file, seen.frame.time, seen.positions.known()) {
            Next::Continues => {}
            Next::Repeats => {
                done.repeated += 1;
                return Ok(Some(seen));
            }
            Next::Begins(why) => {
                done.runs.push(format!("{path} begins another ({why})"));
                analyses.restart();
            }
        }
        let readings = std::mem::take(&mut seen.readings);
        if analyses.needs_positions(time, &readings) && matches!(seen.positions, Positions::First(_)) {
            let mut positions = Vec::new();
            seen.frame.unpack(None, &mut positions).map_err(CliError::input)?;
            seen.electrodes = electrodes.and_then(|e| e.of(&seen.frame.cell, &positions));
            seen.positions = Positions::All(positions);
        }
        if let Positions::All(positions) = &mut seen.positions {
            slabs.restore(&seen.frame.cell, positions);
        }
        let before = analyses.n_frames();
        let charges = relay::charges_of(electrodes.is_some(), seen.electrodes.as_ref());
        let frame = Frame::new(seen.frame.step, time, &seen.frame.cell, seen.positions.known());
        if electrodes.is_some() && analyses.is_due(time) {
            done.electrodes.extend(seen.electrodes.as_ref().map(|found| found.reading));
            done.elsewhere += u64::from(seen.electrodes.is_none());
        }
        analyses.sample_read(&Frame { charges, ..frame }, readings).map_err(CliError::input)?;
        done.skipped += u64::from(analyses.n_frames() == before);
        done.n_frames += 1;
        progress.update_with(|| {
            let speed = bytes as f64 / started.elapsed().as_secs_f64().max(1e-9) / 1e6;
            let detail = format!("{} frames, {time:.3} ps, {speed:.0} MB/s", done.n_frames);
            (bytes as f64 / seen.bytes.1.max(1) as f64, detail)
        });
        Ok(Some(seen))
    })?;
    if let Some(error) = electrodes.and_then(FrameCharges::fault) {
        return Err(CliError::run(error));
    }
    let speed = bytes as f64 / started.elapsed().as_secs_f64().max(1e-9) / 1e6;
    progress.finish(&format!("{} frames, {speed:.0} MB/s", done.n_frames));
    Ok(done)
}

pub fn run(args: &Args) -> Result<(), CliError> {
    args.threads.start()?;
    if let Some(dir) = &args.out {
        OutputFolder::check_free(dir).map_err(CliError::input)?;
    }
    let mut prepared = prepare::prepare_file(&args.input)?;
    let first =
        prepared.system.external.electrodes.as_ref().and_then(|_| first_frame(&prepared.state, &args.trajectories));
    let mut cell = prepared.state.cell;
    if let (Some(first), Some(_)) = (&first, prepared.input.interface.finite_field) {
        // the potential is held: in a cell of another height another field does it
        let height = |cell: &Cell| cell.vectors().z_axis.z;
        prepared.system.external.field_z *= height(&cell) / height(&first.cell);
        cell = first.cell;
    }
    let mut analyses = prepared.analyses_in(&cell).map_err(CliError::input)?;
    if analyses.is_empty() {
        return Err(CliError::Input("the input holds no [[analysis]]; add one, for example [analysis.rdf]".into()));
    }
    let every = prepared.input.analyses.iter().map(|a| a.every()).fold(f64::INFINITY, f64::min);
    let electrodes = FrameCharges::new(&prepared, first.as_ref())?;
    let read =
        sample(&args.trajectories, &prepared.system, &prepared.state, electrodes.as_ref(), every, &mut analyses)?;
    let Read { n_frames, skipped, repeated, .. } = read;
    if analyses.n_frames() == 0 {
        return Err(CliError::Input(format!(
            "none of the {n_frames} frames falls on a sampling time of the analyses; set their `every` to the spacing of the frames"
        )));
    }
    let mut results = analyses.finish();
    level::tell(&prepared, &mut results);
    if let Some(electrodes) = &electrodes {
        let (cell, positions) = electrodes.positions();
        let mut of_electrodes = capacitance::of(&prepared, cell, positions, &read.electrodes, "frames");
        let rounded = electrodes.rounding(ROUNDED).map_or(String::new(), |off| {
            format!("; where these are rounded to {ROUNDED} nm, as in XTC files, the charge is off by about {off:.1e} e in one frame, at random")
        });
        let told = format!("Charges of electrodes are those that the positions in the frames give{rounded}.");
        of_electrodes.iter_mut().for_each(|result| result.notes.push(told.clone()));
        results.extend(of_electrodes);
    }
    let quantities: Vec<Quantity> = results.iter().flat_map(|r| r.values.iter().cloned()).collect();
    let mut warnings = prepared.warnings.clone();
    warnings.extend(own_input::differs(&prepared.input, &args.trajectories));
    if skipped > 0 {
        warnings.push(format!("{skipped} of {n_frames} frames fell between the sampling times and were not used"));
    }
    if repeated > 0 {
        warnings.push(format!("{repeated} frames begin a file and end the one before: they were used once"));
    }
    if !read.runs.is_empty() {
        warnings.push(format!(
            "the frames are of {} runs: {}. Averages are over all of them, and no lag of a dynamic observable reaches from one run into the next",
            read.joined.n_runs(),
            read.runs.join("; ")
        ));
    }
    warnings.extend(read.joined.uneven());
    if read.elsewhere > 0 {
        warnings.push(format!(
            "in {} of the frames the electrodes do not stand where they stand in the first one: their charges are not known there, and those frames are \
             left out of charge density, potential and capacitance; analyze frames from before and after a move by themselves",
            read.elsewhere
        ));
    }
    warnings.extend(read.cut_off);
    let files: Vec<String> = args.trajectories.iter().map(|p| p.display().to_string()).collect();
    let literature = literature::verdicts(&prepared, &quantities, &[])?;
    let mut facts = outcome::system_facts(&prepared);
    facts.extend([("Trajectories".into(), files.join(", ")), ("Frames".into(), n_frames.to_string())]);
    facts.extend(read.joined.spans().map(|spans| ("Time".to_string(), spans)));
    facts.push(("Version".into(), format!("hexaqua {}", env!("CARGO_PKG_VERSION"))));
    facts.extend(literature.facts());
    let report = RunReport {
        title: prepared.input.title.clone(),
        facts,
        warnings,
        log: Vec::new(),
        verdicts: literature.rows,
        results,
        ..RunReport::default()
    };
    for warning in &report.warnings {
        warn!("warning: {warning}");
    }
    outcome::print_tables(&report, &quantities, literature.note.as_deref());
    if let Some(dir) = &args.out {
        let page = report::write_all(dir, &report).map_err(CliError::run)?;
        say!("report: {}", page.display());
    }
    Ok(())
}
