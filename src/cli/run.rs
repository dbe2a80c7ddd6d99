//! `hexaqua run`: build, minimise, run, analyse, report.

use super::executor::{self, ExecutorArgs};
use super::piston;
use super::prepare::{self, Prepared};
use super::progress::{Progress, clock};
use super::recorder::{KINETIC, LOG_FILE, OpenTrajectory, Recorder, chain, gaps, lagged_list};
use super::{CliError, InputArgs, interrupt, intervals, outcome};
use crate::analysis::AnalysisSet;
use crate::dynamics::engine::StagePlan;
use crate::dynamics::minimise::{MinimisePlan, minimise};
use crate::dynamics::schedule::{Schedule, round_up, steps_in};
use crate::dynamics::{DynamicsError, Engine, Observer, StageSummary, StoredCharges, velocities};
use crate::forces::{Backend, ForceError, reference::integrate::Integrator};
use crate::io::checkpoint::{Checkpoint, fnv1a};
use crate::io::input;
use crate::io::log::LogWriter;
use crate::io::output::OutputFolder;
use crate::io::trajectory::{Format, TrajectoryWriter};
use crate::report::Doubt;
use crate::system::State;
use crate::system::external::{Condition, Electrode};
use crate::system::spec::{DynamicsSpec, StageKind, StageSpec, ThermostatSpec, TrajectorySpec};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Output folder [default: runs/<name of the input file>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// Continue the run in the output folder from its last checkpoint
    #[arg(long)]
    resume: bool,
    /// Pretend, for tests, that the device is lost at the first log line from this step on; once for every value
    #[arg(long, hide = true, value_delimiter = ',', value_name = "STEP,…")]
    lose_device_at: Vec<u64>,
}

/// Longest coupling interval of thermostats and barostats, ps; rounded to whole neighbor lists, or for CSVR to this many
/// steps where those are longer.
const COUPLING_INTERVAL: f64 = 0.1;
const COUPLING_UNIT: u64 = 20;
/// List radius beyond the cutoff while minimising, nm.
const MINIMISE_SKIN: f64 = 0.1;

pub fn run(args: &Args) -> Result<(), CliError> {
    let started = Instant::now();
    args.executor.threads.start()?;
    let (input, locations) = prepare::read_input(&args.input)?;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(args.input.input.file_stem().unwrap_or_else(|| "run".as_ref())));
    if args.resume {
        OutputFolder::resume(&path).map_err(CliError::input)?;
    } else {
        OutputFolder::check_free(&path).map_err(CliError::input)?;
    }
    let complete_input = input::to_toml(&input);
    let input_hash = fnv1a(complete_input.as_bytes());
    let checkpoint = if args.resume { Some(load_checkpoint(&path, input_hash)?) } else { None };
    let mut prepared = prepare::prepare(input, &locations)?;
    prepared.warnings.extend(intervals::notes(&prepared.input));
    if let Some(c) = &checkpoint
        && is_complete(&prepared, c)
        && path.join("report.html").exists()
    {
        say!("the run in {} is complete; its report is {}", path.display(), path.join("report.html").display());
        return Ok(());
    }
    let mut analyses = prepared.analyses().map_err(CliError::input)?;
    let backend = args.executor.backend(&prepared.system)?;
    if let Some(c) = &checkpoint {
        if c.backend != backend.name() {
            warn!(
                "warning: the run was started on `{}` and continues on `{}`: it will not be bit-identical",
                c.backend,
                backend.name()
            );
        }
        analyses.restore(&c.analysis).map_err(CliError::run)?;
    }
    // nothing is written before this point
    let folder = if args.resume { OutputFolder::resume(&path) } else { OutputFolder::create(&path) };
    let folder = folder.map_err(CliError::input)?;
    if let Some(c) = &checkpoint {
        folder.truncate_streams(&c.streams).map_err(CliError::run)?;
    } else {
        let text = format!("{}{complete_input}", outcome::run_header(&*backend));
        folder.write("run.toml", text.as_bytes()).map_err(CliError::run)?;
    }
    say!("{}", prepared.input.title);
    say!("{}", prepared.composition);
    say!("backend: {} ({})", backend.name(), backend.device());
    say!("output:  {}\n", path.display());
    for warning in &prepared.warnings {
        warn!("warning: {warning}");
    }
    interrupt::listen();
    let mut losses = args.lose_device_at.iter().copied();
    let attempt = run_stages(&mut prepared, backend, &folder, checkpoint, analyses, input_hash, losses.next());
    let stages = match attempt {
        Err(CliError::DeviceLost(why)) => {
            resume_once(&mut prepared, &args.executor, &folder, input_hash, &why, losses.next())?
        }
        other => other?,
    };
    outcome::finish(&prepared, &folder, stages, started.elapsed().as_secs_f64())
}

/// Continues from the last checkpoint after the device was lost; a second loss ends the run.
fn resume_once(
    prepared: &mut Prepared,
    executor: &ExecutorArgs,
    folder: &OutputFolder,
    input_hash: u64,
    why: &str,
    lose_at: Option<u64>,
) -> Result<Finished, CliError> {
    let checkpoint = load_checkpoint(folder.path(), input_hash)?;
    let step = checkpoint.state.step;
    warn!("warning: {why}; continuing once, from the checkpoint at step {step}");
    let keep = |error: CliError, what: &str| {
        let remedy = format!("the last checkpoint in {} is kept: continue with --resume", folder.path().display());
        CliError::Run(format!("{what}: {error}; {remedy}"))
    };
    let backend = executor.backend(&prepared.system).map_err(|e| keep(e, "no device to continue on"))?;
    let mut analyses = prepared.analyses().map_err(CliError::input)?;
    analyses.restore(&checkpoint.analysis).map_err(CliError::run)?;
    folder.truncate_streams(&checkpoint.streams).map_err(CliError::run)?;
    run_stages(prepared, backend, folder, Some(checkpoint), analyses, input_hash, lose_at).map_err(
        |error| match error {
            CliError::DeviceLost(_) => keep(error, &format!("lost a second time, after the checkpoint at step {step}")),
            other => other,
        },
    )
}

/// A failure of the engine; a lost device is told from the others, because a run survives one.
fn failed(error: DynamicsError) -> CliError {
    match error {
        DynamicsError::Force(ForceError::DeviceLost(_)) => CliError::DeviceLost(error.to_string()),
        DynamicsError::Interrupted { .. } => CliError::Interrupted(error.to_string()),
        other => CliError::run(other),
    }
}

/// Reads the checkpoint of a folder and makes sure that it belongs to this input.
fn load_checkpoint(path: &std::path::Path, input_hash: u64) -> Result<Checkpoint, CliError> {
    let loaded = Checkpoint::read(path).map_err(CliError::input)?;
    if let Some(warning) = loaded.warning {
        warn!("warning: {warning}");
    }
    if loaded.checkpoint.input_hash != input_hash {
        return Err(CliError::Input(format!(
            "the run in {} was started with another input (see its run.toml); resume it with the same input and --set options",
            path.display()
        )));
    }
    Ok(loaded.checkpoint)
}

/// Did the checkpoint's run reach the end of its last stage?
fn is_complete(prepared: &Prepared, checkpoint: &Checkpoint) -> bool {
    let stages = &prepared.input.stages;
    checkpoint.stage as usize + 1 == stages.len()
        && stages.last().is_some_and(|last| match &last.kind {
            StageKind::Minimise { .. } => checkpoint.stage_step > 0,
            StageKind::Dynamics { duration, dynamics, .. } => {
                checkpoint.stage_step >= steps_in(*duration, dynamics.timestep)
            }
        })
}

/// What the stages leave for the report.
pub struct Finished {
    pub analyses: AnalysisSet,
    pub state: State,
    pub device: String,
    pub backend: &'static str,
    /// (stage name, summary, ns/day) of every dynamics stage run now
    pub stages: Vec<(String, StageSummary, f64)>,
    /// Where pistons were fixed.
    pub pistons: Vec<String>,
    pub warnings: Vec<String>,
    /// What makes its averages doubtful.
    pub doubts: Vec<Doubt>,
}

/// Takes the state of the checkpoint or, without one, that of `prepared`.
fn run_stages(
    prepared: &mut Prepared,
    backend: Box<dyn Backend>,
    folder: &OutputFolder,
    mut checkpoint: Option<Checkpoint>,
    analyses: AnalysisSet,
    input_hash: u64,
    lose_at: Option<u64>,
) -> Result<Finished, CliError> {
    let start = checkpoint.as_mut().map_or(&mut prepared.state, |c| &mut c.state).take();
    let prepared = &*prepared;
    let system = &prepared.system;
    let (name, device) = (backend.name(), backend.device());
    let system_of = |stage: usize| prepared.open.get(stage).unwrap_or(system);
    let mut backend_of = backends(prepared, backend);
    let begins_at = checkpoint.as_ref().map_or(0, |c| c.stage as usize);
    if begins_at < prepared.open.len() {
        say!("{}", piston::announcement(prepared, name));
    }
    let mut engine = Engine::new(system_of(begins_at), backend_of(begins_at)?, start);
    let log_path = folder.file(LOG_FILE);
    let (mut first_stage, mut first_step, mut streams, mut log_length) = (0, 0, Vec::new(), 0);
    if let Some(c) = checkpoint {
        (first_stage, first_step) = (c.stage as usize, c.stage_step);
        engine.lagged_list = lagged_list(&c);
        engine.chain = chain(&c);
        engine.gaps = gaps(&c);
        engine.heat = c.heat;
        engine.stored = Some(StoredCharges { electrodes: c.electrodes, same_backend: c.backend == name });
        engine.kinetic = c.numbers.get(KINETIC).copied().unwrap_or(engine.kinetic);
        log_length = c.streams.iter().find(|s| s.0 == LOG_FILE).map_or(0, |s| s.1);
        streams = c.streams;
        streams.retain(|s| s.0 != LOG_FILE);
    }
    let log = if log_length > 0 { LogWriter::resume(&log_path, log_length) } else { LogWriter::create(&log_path) };
    let electrodes: Vec<&Electrode> = system.external.electrodes.iter().flat_map(|e| &e.electrodes).collect();
    let is_given = |(_, e): &(usize, &&Electrode)| matches!(e.condition, Condition::Charge(_));
    let mut recorder = Recorder {
        topology: &system.topology,
        electrodes: electrodes.iter().map(|e| e.name.clone()).collect(),
        of_given_charge: electrodes.iter().enumerate().filter(is_given).map(|(k, e)| (k, e.name.clone())).collect(),
        has_dipole: prepared.input.interface.finite_field.is_some(),
        piston: prepared.piston_log,
        folder,
        log: log.map_err(CliError::run)?,
        trajectory: None,
        closed_streams: streams,
        analyses,
        analyse: false,
        backend: name.to_string(),
        input_hash,
        stage: first_stage as u32,
        stage_name: String::new(),
        dt: 0.0,
        progress: Progress::new("", 0.0),
        warnings: Vec::new(),
        started: Instant::now(),
        start_step: 0,
        lose_at,
    };
    if first_step == 0 && first_stage == 0 {
        // a run that is killed early can be resumed as well
        recorder.checkpoint(&engine.moment(0)).map_err(CliError::run)?;
    }
    let mut finished_stages = Vec::new();
    let (mut warnings, mut pistons, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    if (first_stage, first_step) != (0, 0) {
        let stage = &prepared.input.stages[first_stage].name;
        say!("resumed: stage `{stage}` at step {first_step}, {:.3} ps in all", engine.state.time);
    }
    let mut tell = |told: String, warning: Option<String>, warnings: &mut Vec<String>| {
        doubts.extend(warning.iter().map(|why| Doubt { of: None, why: why.clone() }));
        warnings.extend(warning);
        pistons.push(told);
    };
    if let Some((told, warning)) = piston::fixed_before(prepared, first_stage, &engine.state, &engine.gaps) {
        tell(told, warning, &mut warnings);
    }
    let mut fix = |engine: &mut Engine<'_>, stage: &StageSpec, warnings: &mut Vec<String>| {
        let Some((told, warning)) = piston::fix(engine, &stage.name, prepared.piston_log.as_ref()) else { return };
        say!("piston: {told}");
        tell(told, warning, warnings);
    };
    // the stage before, and the conserved quantity that it ended with, which the next one goes on with
    let (mut last_plan, mut conserved) = (None, None);
    for (index, stage) in prepared.input.stages.iter().enumerate().skip(first_stage) {
        recorder.stage = index as u32;
        recorder.stage_name.clone_from(&stage.name);
        let start_step = if index == first_stage { first_step } else { 0 };
        if !std::ptr::eq(engine.system, system_of(index)) {
            conserved = match &last_plan {
                Some(plan) => engine.conserved_now(plan).map_err(failed)?,
                None => None,
            };
            fix(&mut engine, &prepared.input.stages[index - 1], &mut warnings);
            (engine.system, engine.backend) = (system_of(index), backend_of(index)?);
        }
        match &stage.kind {
            StageKind::Minimise { .. } if start_step > 0 => {}
            StageKind::Minimise { max_force, max_steps } => {
                (last_plan, conserved, engine.stored) = (None, None, None);
                warnings.extend(run_minimise(&mut engine, *max_force, *max_steps, &stage.name)?);
                recorder.checkpoint(&engine.moment(1)).map_err(CliError::run)?;
            }
            StageKind::Dynamics { duration, dynamics, trajectory, analyse, piston } => {
                let lag = engine.backend.list_lag();
                engine.backend.prune_to(Some(prepare::inner_radius(prepared, dynamics)));
                let plan = stage_plan(prepared, &stage.name, *duration, dynamics, trajectory.as_ref(), *analyse, lag);
                let plan = StagePlan { piston_friction: piston.as_ref().map_or(0.0, |p| p.friction), ..plan };
                last_plan = Some(plan.clone());
                if start_step >= plan.schedule.n_steps {
                    continue;
                }
                if engine.state.step == 0 {
                    start_velocities(&mut engine, dynamics);
                }
                if let Some(before) = conserved.take()
                    && let Some(after) = engine.conserved_now(&plan).map_err(failed)?
                {
                    engine.heat += after - before;
                }
                recorder.analyse = *analyse;
                recorder.dt = plan.dt;
                recorder.start_step = start_step;
                recorder.trajectory = open_trajectory(prepared, &mut recorder, stage, trajectory.as_ref())?;
                recorder.progress = Progress::new(&stage.name, start_step as f64 / plan.schedule.n_steps as f64);
                recorder.started = Instant::now();
                let done = interrupt::watched(|| engine.run_stage(&plan, start_step, &mut recorder));
                if let Err(DynamicsError::Interrupted { .. }) = done {
                    recorder.progress.leave();
                }
                let summary = done.map_err(failed)?;
                let speed = recorder.ns_per_day(plan.schedule.n_steps);
                let detail = format!(
                    "{:9.3} ps  {speed:7.2} ns/day  {:6.1} K mean  {} wall",
                    duration,
                    summary.mean_temperature,
                    clock(summary.wall)
                );
                recorder.progress.finish(&detail);
                recorder.close_trajectory()?;
                if interrupt::asked().is_some() && index + 1 < prepared.input.stages.len() {
                    // the stage ended with a checkpoint
                    return Err(failed(DynamicsError::Interrupted {
                        step: engine.state.step,
                        time: engine.state.time,
                    }));
                }
                finished_stages.push((stage.name.clone(), summary, speed));
            }
        }
    }
    if let Some(last) = prepared.input.stages.last() {
        fix(&mut engine, last, &mut warnings);
    }
    let Engine { state, .. } = engine;
    warnings.append(&mut recorder.warnings);
    let (analyses, stages) = (recorder.analyses, finished_stages);
    Ok(Finished { analyses, state, device, backend: name, stages, pistons, warnings, doubts })
}

/// The backend of a stage: one for the stages up to the last piston, another for those behind it, `main` if it can be had.
pub fn backends(
    prepared: &Prepared,
    main: Box<dyn Backend>,
) -> impl FnMut(usize) -> Result<Box<dyn Backend>, CliError> + '_ {
    let (name, mut main) = (main.name(), Some(main));
    move |stage| match (prepared.open.get(stage), main.take()) {
        (None, Some(main)) => Ok(main),
        (None, None) => executor::on_host(&prepared.system).map_err(CliError::run),
        (Some(open), kept) => {
            main = kept;
            executor::beside(name, open).map_err(CliError::run)
        }
    }
}

/// Minimises and says how it went; a warning when the goal was not reached.
pub fn run_minimise(
    engine: &mut Engine<'_>,
    max_force: f64,
    max_steps: u64,
    name: &str,
) -> Result<Option<String>, CliError> {
    engine.backend.prune_to(None);
    let list_radius = engine.system.interactions.cutoff + MINIMISE_SKIN;
    let plan = MinimisePlan { max_force, max_steps, list_radius };
    let mut progress = Progress::without_end(name);
    let show = |energy: f64, force: f64| format!("{energy:14.1} kJ/mol  largest force {force:10.3e} kJ/mol/nm");
    let system = engine.system;
    let done = minimise(system, &mut *engine.backend, &mut engine.state, &plan, |step, energy, force| {
        progress.update(step as f64 / plan.max_steps.max(1) as f64, &show(energy, force));
    })
    .map_err(failed)?;
    progress.finish(&format!("{}  {} steps", show(done.energy_after, done.max_force), done.n_steps));
    engine.kinetic = 0.0;
    Ok((!done.converged).then(|| {
        format!(
            "stage `{name}` stopped after {} steps with a largest force of {:.3e} kJ/mol/nm (asked for {:.3e}) on {}",
            done.n_steps,
            done.max_force,
            plan.max_force,
            system.topology.describe_atom(done.max_force_atom)
        )
    }))
}

/// Velocities that satisfy the constraints: Maxwell–Boltzmann for a state at rest, else those of the structure,
/// projected. Positions from a file are rounded, so rigid waters are brought to their geometry first.
pub fn start_velocities(engine: &mut Engine<'_>, dynamics: &DynamicsSpec) {
    let topology = &engine.system.topology;
    let state = &mut engine.state;
    let rigid = Integrator::new(topology);
    rigid.constrain_positions(&state.cell, &mut state.positions);
    if state.velocities.iter().all(|v| v.length_squared() == 0.0) {
        let temperature = dynamics.thermostat.temperature();
        state.velocities =
            velocities::maxwell_boltzmann(topology, &state.cell, &state.positions, temperature, dynamics.seed);
    } else {
        rigid.stop_immobile(&mut state.velocities);
        rigid.project_velocities(&state.cell, &state.positions, &mut state.velocities);
        if dynamics.com_removal_every > 0 {
            rigid.remove_com_velocity(&mut state.velocities);
        }
    }
    engine.kinetic = velocities::kinetic_energy(topology, &engine.state.velocities);
}

/// Turns durations into whole steps and cuts everything to neighbor-list boundaries where it must be.
///
/// * `list_lag` – of the backend: intervals that a list lags behind, so that its radius has to serve longer
pub fn stage_plan(
    prepared: &Prepared,
    name: &str,
    duration: f64,
    dynamics: &DynamicsSpec,
    trajectory: Option<&TrajectorySpec>,
    analyse: bool,
    list_lag: u32,
) -> StagePlan {
    let dt = dynamics.timestep;
    let neighbor = u64::from(dynamics.list_lifetime(list_lag));
    let couple = match dynamics.thermostat {
        ThermostatSpec::Csvr { time_constant, .. } => {
            let steps = steps_in(COUPLING_INTERVAL.min(0.2 * time_constant), dt);
            let unit = neighbor.min(COUPLING_UNIT);
            (steps / unit).max(1) * unit
        }
        ThermostatSpec::NoseHoover { time_constant, .. } => {
            let steps = steps_in(COUPLING_INTERVAL.min(0.05 * time_constant), dt);
            (steps / neighbor).max(1) * neighbor
        }
        _ => 0,
    };
    let pressure = dynamics.barostat.map_or(0, |barostat| {
        let steps = steps_in(COUPLING_INTERVAL.min(0.02 * barostat.time_constant), dt);
        (steps / neighbor).max(1) * neighbor
    });
    let mut samples: Vec<u64> = Vec::new();
    if analyse {
        samples.extend(prepared.input.analyses.iter().map(|a| steps_in(a.every(), dt)));
        samples.sort_unstable();
        samples.dedup();
    }
    let (list_radius, warning) = prepare::list_radius(prepared, dynamics, list_lag);
    if let Some(warning) = warning {
        warn!("warning: stage `{name}`: {warning}");
    }
    StagePlan {
        name: name.to_string(),
        dt,
        seed: dynamics.seed,
        thermostat: dynamics.thermostat,
        barostat: dynamics.barostat,
        piston_friction: 0.0,
        schedule: Schedule {
            n_steps: steps_in(duration, dt),
            neighbor,
            couple,
            pressure,
            com: round_up(dynamics.com_removal_every, neighbor),
            log: steps_in(dynamics.log_every, dt),
            trajectory: trajectory.map_or(0, |t| steps_in(t.every, dt)),
            checkpoint: round_up(steps_in(dynamics.checkpoint_every, dt), neighbor),
            samples,
        },
        list_radius,
        log_end: prepared.input.stages.last().is_some_and(|last| last.name == name),
    }
}

/// Opens (or, after a resume, continues) the trajectory of a stage.
fn open_trajectory(
    prepared: &Prepared,
    recorder: &mut Recorder<'_>,
    stage: &StageSpec,
    spec: Option<&TrajectorySpec>,
) -> Result<Option<OpenTrajectory>, CliError> {
    let Some(spec) = spec else { return Ok(None) };
    let writing = |s: &&StageSpec| matches!(&s.kind, StageKind::Dynamics { trajectory: Some(_), .. });
    let only_one = prepared.input.stages.iter().filter(writing).count() == 1;
    let format = Format::parse(&spec.format).map_err(CliError::input)?;
    let name = if only_one {
        format!("trajectory.{}", spec.format)
    } else {
        format!("trajectory-{}.{}", stage.name, spec.format)
    };
    let path = recorder.folder.file(&name);
    let known = recorder.closed_streams.iter().position(|s| s.0 == name);
    let writer = match known {
        Some(index) => {
            let (_, length) = recorder.closed_streams.remove(index);
            TrajectoryWriter::resume(&path, format, &prepared.system.topology, length)
        }
        None => TrajectoryWriter::create(&path, format, &prepared.system.topology),
    };
    Ok(Some(OpenTrajectory { name, writer: writer.map_err(CliError::run)? }))
}
