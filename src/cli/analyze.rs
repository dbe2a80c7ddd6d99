//! `hexaqua analyze`: the analyses of an input file on trajectories of any engine, by the same code as in a run.

use super::outcome;
use super::prepare;
use super::progress::Progress;
use super::{CliError, InputArgs};
use crate::analysis::{AnalysisSet, Quantity};
use crate::io::output::OutputFolder;
use crate::io::trajectory::TrajectoryReader;
use crate::report::{self, RunReport};
use crate::system::Frame;
use std::path::PathBuf;

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
}

pub fn run(args: &Args) -> Result<(), CliError> {
    if let Some(dir) = &args.out {
        OutputFolder::check_free(dir).map_err(CliError::input)?;
    }
    let prepared = prepare::prepare_file(&args.input)?;
    let topology = &prepared.system.topology;
    let cell = prepared.state.cell;
    let mut analyses = AnalysisSet::new(&prepared.input.analyses, topology, &cell).map_err(CliError::input)?;
    if analyses.is_empty() {
        return Err(CliError::Input("the input holds no [[analysis]]; add one, for example [analysis.rdf]".into()));
    }
    let mut reader =
        TrajectoryReader::open(&args.trajectories, topology.n_atoms(), Some(cell)).map_err(CliError::input)?;
    let mut progress = Progress::new("analyze", 0.0);
    let (mut n_frames, mut skipped) = (0_u64, 0_u64);
    while let Some(frame) = reader.next_frame().map_err(CliError::input)? {
        // a format without times is taken as evenly spaced: one frame per sampling interval
        let every = prepared.input.analyses.iter().map(|a| a.every()).fold(f64::INFINITY, f64::min);
        let time = frame.time.unwrap_or(n_frames as f64 * every);
        let before = analyses.n_frames();
        let seen = Frame { step: frame.step, time, cell: &frame.cell, positions: &frame.positions };
        analyses.sample(&seen).map_err(CliError::input)?;
        skipped += u64::from(analyses.n_frames() == before);
        n_frames += 1;
        progress.update(0.0, &format!("{n_frames} frames, {time:.3} ps"));
    }
    progress.finish(&format!("{n_frames} frames"));
    if analyses.n_frames() == 0 {
        return Err(CliError::Input(format!(
            "none of the {n_frames} frames falls on a sampling time of the analyses; set their `every` to the spacing of the frames"
        )));
    }
    let results = analyses.finish();
    let quantities: Vec<Quantity> = results.iter().flat_map(|r| r.values.iter().cloned()).collect();
    let mut warnings = prepared.warnings.clone();
    if skipped > 0 {
        warnings.push(format!("{skipped} of {n_frames} frames fell between the sampling times and were not used"));
    }
    let files: Vec<String> = args.trajectories.iter().map(|p| p.display().to_string()).collect();
    let literature = outcome::literature_verdicts(&prepared, &quantities)?;
    let mut facts = vec![("Trajectories".into(), files.join(", ")), ("Frames".into(), n_frames.to_string())];
    facts.extend(literature.facts());
    let report = RunReport {
        title: prepared.input.title.clone(),
        facts,
        warnings,
        log: Vec::new(),
        verdicts: literature.rows,
        results,
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
