//! `hexaqua bench`: how fast steps are, where their time goes, and what memory they take.
//!
//! It times what `hexaqua run` runs: the same engine, schedule and list radius, with output switched off. Boxes are
//! built here, or come from an input file; then minimised and warmed up, untimed, so that the pair distances are those
//! of a liquid. Large boxes are copies of a small one, with velocities of their own. It compares with nobody: that is
//! `benches/compare/`.

use super::CliError;
use super::executor::{BackendChoice, ExecutorArgs, on_host};
use super::prepare::{self, Prepared};
use super::records::{program_commit, today};
use super::run::{stage_plan, start_velocities};
use crate::cell::Cell;
use crate::dynamics::engine::StagePlan;
use crate::dynamics::minimise::{MinimisePlan, minimise};
use crate::dynamics::{DynamicsError, Engine, LogRow, Moment, Observer, StageSummary, neighbors};
use crate::forces::gpu::{AdapterSelector, micro};
use crate::forces::{Chunk, ForceError};
use crate::io::input;
use crate::system::spec::{DynamicsSpec, StageKind};
use crate::system::{Coulomb, Frame, System, Topology};
use glam::DVec3;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Time this input instead of the built-in boxes: minimised if it says so, with the settings of its last stage
    #[arg(conflicts_with_all = ["atoms", "systems"])]
    input: Option<PathBuf>,
    /// Sizes of the built-in boxes; records are kept of 3000, 12000, 24000, 96000 and 400000, and of 1000000 on request
    #[arg(long, value_delimiter = ',', default_values_t = [3000, 24000], value_name = "N,…")]
    atoms: Vec<usize>,
    /// Which of the built-in boxes
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [BoxKind::Water, BoxKind::Zncl2], value_name = "BOX,…")]
    systems: Vec<BoxKind>,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// Timed steps [default: as many as take a few seconds]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Untimed steps before them
    #[arg(long, value_name = "N", default_value_t = 500)]
    warm_up: u64,
    /// Besides, time the same steps with the charges of the electrodes held where they are, turn by turn, and print the
    /// ratio: what constant potential costs
    #[arg(long, requires = "input")]
    fixed_charges: bool,
    /// Instead of steps, measure what they are made of on a GPU: a dependent and an independent dispatch,
    /// integer atomics, a transform in workgroup memory, a submission
    #[arg(long, conflicts_with_all = ["input", "atoms", "systems", "steps", "warm_up"])]
    micro: bool,
    /// Print a JSON list of {"system", "atoms", "backend", "device", "ms_per_step", "ns_per_day", "matom_steps_per_s",
    /// "passes" (ms/step), "version", "commit", "date", …}; if a later box fails, {"error", "finished": the list so far}
    #[arg(long)]
    json: bool,
}

/// A built-in box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BoxKind {
    /// SPC/E water
    Water,
    /// 1 mol/L ZnCl2 in SPC/E water
    #[value(name = "zncl2_1M")]
    Zncl2,
}

impl BoxKind {
    fn name(self) -> &'static str {
        match self {
            BoxKind::Water => "water",
            BoxKind::Zncl2 => "zncl2_1M",
        }
    }

    /// Input text of `n` atoms.
    fn text(self, n: usize) -> String {
        match self {
            BoxKind::Water => water(n),
            BoxKind::Zncl2 => zinc_chloride(n),
        }
    }
}

/// Timed at least this long unless told a number of steps, s.
const SECONDS: f64 = 4.0;
/// Smallest box that holds two cutoffs of 0.9 nm, with a margin: atoms.
const FEWEST_ATOMS: usize = 648;
/// Number of atoms in a litre of 1 mol/L ZnCl2 of 1.115 g/cm³, per zinc ion: 3 and 54.3 waters.
const ATOMS_PER_ZINC: f64 = 166.0;
/// A larger box is made of copies of one that is no larger than a unit.
const LARGEST_PACKED: usize = 30_000;
const LARGEST_UNIT: usize = 16_000;
/// Steps over which the time of each pass is taken on a device.
const PROFILED_STEPS: u32 = 20;
/// Force at which the liquid can be started with 2 fs, kJ/mol/nm, and how long to try.
const START_FORCE: f64 = 1000.0;
const START_STEPS: u64 = 1000;
/// List radius beyond the cutoff while minimising, nm.
const MINIMISE_SKIN: f64 = 0.1;

pub fn run(args: &Args) -> Result<(), CliError> {
    if args.steps == Some(0) {
        return Err(CliError::Input("--steps 0: nothing to time; give at least 1".into()));
    }
    if let Some(n) = args.atoms.iter().find(|&&n| n < FEWEST_ATOMS) {
        let detail = format!("--atoms {n}: a box that holds the cutoff takes at least {FEWEST_ATOMS} atoms");
        return Err(CliError::Input(detail));
    }
    args.executor.threads.start()?;
    if args.micro {
        return run_micro(args);
    }
    let mut finished = Vec::new();
    let (text, outcome) = closing(measure_all(args, &mut finished), finished);
    if args.json
        && let Some(text) = text
    {
        say!("{text:#}");
    }
    outcome
}

/// What is printed as JSON, and how the program ends: boxes that were measured are kept when a later one fails.
fn closing(outcome: Result<(), CliError>, finished: Vec<Value>) -> (Option<Value>, Result<(), CliError>) {
    match outcome {
        Ok(()) => (Some(Value::Array(finished)), Ok(())),
        Err(error) if finished.is_empty() => (None, Err(error)),
        Err(error) => {
            let text = json!({ "error": error.to_string(), "finished": finished });
            (Some(text), Err(CliError::Run(error.to_string())))
        }
    }
}

/// Measures one box after the other.
fn measure_all(args: &Args, finished: &mut Vec<Value>) -> Result<(), CliError> {
    if let Some(path) = &args.input {
        let (input, locations) = input::read_located(path, &[])?;
        let name = input.title.clone();
        finished.push(measure(args, &name, prepare::prepare(input, &locations)?, 1)?);
        return Ok(());
    }
    for &n in &args.atoms {
        let copies = copies_along_an_edge(n);
        for kind in &args.systems {
            let text = kind.text(n / copies.pow(3));
            let (input, locations) = input::parse_located(&text, kind.name(), Path::new(""), &[])?;
            finished.push(measure(args, kind.name(), prepare::prepare(input, &locations)?, copies)?);
        }
    }
    Ok(())
}

/// Prices of an adapter.
fn run_micro(args: &Args) -> Result<(), CliError> {
    let adapter = args.executor.adapter()?.unwrap_or(AdapterSelector::Best);
    if matches!(args.executor.choice, BackendChoice::Cpu | BackendChoice::Reference) {
        let detail = "--micro measures a GPU: leave --backend out or give --backend gpu";
        return Err(CliError::Input(detail.into()));
    }
    let done = micro::measure(&adapter).map_err(|error| match error {
        ForceError::NoAdapter(_) => CliError::input(error),
        other => CliError::run(other),
    })?;
    if args.json {
        let prices: Map<String, Value> = (done.prices.iter())
            .map(|p| (p.name.to_string(), json!({ "value": p.value, "unit": p.unit, "what": p.what })))
            .collect();
        say!(
            "{:#}",
            json!({
                "device": done.device,
                "driver": done.driver,
                "software": done.is_software,
                "prices": prices,
                "version": env!("CARGO_PKG_VERSION"),
                "commit": program_commit(),
                "date": today(),
            })
        );
        return Ok(());
    }
    let software = if done.is_software { ", software" } else { "" };
    say!("{} ({}{software})", done.device, done.driver);
    for price in &done.prices {
        say!("  {:22} {:12.3} {:6}  {}", price.name, price.value, price.unit, price.what);
    }
    Ok(())
}

/// How many copies of a smaller box stand along each edge of one of `n` atoms.
fn copies_along_an_edge(n: usize) -> usize {
    if n <= LARGEST_PACKED { 1 } else { (2..).find(|k| n <= LARGEST_UNIT * k * k * k).unwrap_or(1) }
}

/// `copies`³ copies of a box side by side, on a mesh as fine as before.
fn replicate(prepared: &mut Prepared, copies: usize) -> Result<(), CliError> {
    if copies == 1 {
        return Ok(());
    }
    let (system, state) = (&prepared.system, &prepared.state);
    let (topology, vectors) = (&system.topology, state.cell.vectors());
    let shifts: Vec<DVec3> = (0..copies.pow(3))
        .map(|k| vectors * DVec3::new((k % copies) as f64, (k / copies % copies) as f64, (k / copies.pow(2)) as f64))
        .collect();
    let (mut sequence, mut positions) = (Vec::new(), Vec::new());
    for (m, molecule) in topology.molecules.iter().enumerate() {
        for &shift in &shifts {
            sequence.push(molecule.species);
            positions.extend(topology.atoms_of(m).map(|atom| state.positions[atom] + shift));
        }
    }
    let mut interactions = system.interactions;
    if let Coulomb::Pme { grid, .. } = &mut interactions.coulomb {
        *grid = grid.map(|n| n * copies);
    }
    let edges = [vectors.x_axis, vectors.y_axis, vectors.z_axis].map(|edge| edge * copies as f64);
    let [a, b, c] = edges;
    let topology = Topology::new(topology.types.clone(), topology.species.clone(), &sequence);
    prepared.system = System { topology, interactions, ..system.clone() };
    prepared.state.velocities = vec![DVec3::ZERO; positions.len()];
    prepared.state.positions = positions;
    prepared.state.cell = Cell::new(a, b, c).map_err(CliError::run)?;
    Ok(())
}

/// Minimises as the input asks; on the host where the backend is a device, which has no advantage there.
fn relax(args: &Args, prepared: &mut Prepared) -> Result<(), CliError> {
    let system = &prepared.system;
    let stages = prepared.input.stages.iter();
    for (max_force, max_steps) in stages.filter_map(|s| match s.kind {
        StageKind::Minimise { max_force, max_steps } => Some((max_force, max_steps)),
        StageKind::Dynamics { .. } => None,
    }) {
        let own = || args.executor.backend(system);
        let mut backend = match args.executor.choice {
            BackendChoice::Gpu | BackendChoice::Auto => on_host(system).or_else(|_| own())?,
            BackendChoice::Cpu | BackendChoice::Reference => own()?,
        };
        let plan = MinimisePlan { max_force, max_steps, list_radius: system.interactions.cutoff + MINIMISE_SKIN };
        minimise(system, &mut *backend, &mut prepared.state, &plan, |_, _, _| {}).map_err(CliError::run)?;
    }
    Ok(())
}

/// Input text of `n` atoms (whole molecules of them) of SPC/E water.
fn water(n: usize) -> String {
    with_defaults("SPC/E water", &format!("water = {{ model = \"SPC/E\", molecules = {} }}", n / 3), 0.997)
}

/// The same of 1 mol/L ZnCl2.
fn zinc_chloride(n: usize) -> String {
    let zinc = (n as f64 / ATOMS_PER_ZINC).round() as usize;
    let system = format!(
        "water = {{ model = \"SPC/E\", molecules = {} }}\nsolutes = [\n  \
         {{ name = \"Zn2+\", model = \"li-merz-iod\", count = {zinc} }},\n  \
         {{ name = \"Cl-\", model = \"joung-cheatham\", count = {} }},\n]",
        n / 3 - zinc,
        2 * zinc
    );
    with_defaults("1 mol/L ZnCl2 in SPC/E water", &system, 1.115)
}

fn with_defaults(title: &str, system: &str, density: f64) -> String {
    format!(
        r#"title = "{title}"
[system]
{system}
density = "{density} g/cm3"
seed = 2026
[nonbonded]
cutoff = "0.9 nm"
dispersion_correction = true
[nonbonded.coulomb.pme]
tolerance = 1e-5
spacing = "0.12 nm"
order = 5
[dynamics]
timestep = "2 fs"
seed = 1
constraints = "rigid-water"
[dynamics.thermostat.csvr]
temperature = "298.15 K"
time_constant = "0.1 ps"
[[stage]]
name = "minimise"
[stage.minimise]
max_force = "{START_FORCE} kJ/mol/nm"
max_steps = {START_STEPS}
[[stage]]
name = "production"
duration = "1 ps"
"#
    )
}

/// Wants nothing: no event costs time.
struct Silent;

impl Observer for Silent {
    fn log(&mut self, _: &LogRow) -> Result<(), DynamicsError> {
        Ok(())
    }
    fn frame(&mut self, _: &Frame<'_>, _: bool, _: bool) -> Result<(), DynamicsError> {
        Ok(())
    }
    fn checkpoint(&mut self, _: &Moment<'_>) -> Result<(), DynamicsError> {
        Ok(())
    }
    fn progress(&mut self, _: u64, _: u64, _: f64) {}
}

/// Minimises where the input asks for it, makes copies, warms up and times; prints unless JSON is wanted.
fn measure(args: &Args, name: &str, mut prepared: Prepared, copies: usize) -> Result<Value, CliError> {
    reset_peak_memory();
    relax(args, &mut prepared)?;
    replicate(&mut prepared, copies)?;
    let start = prepared.state.take();
    let prepared = &prepared;
    let dynamics = last_dynamics(prepared)?;
    let system = &prepared.system;
    let mut engine = Engine::new(system, args.executor.backend(system)?, start);
    start_velocities(&mut engine, dynamics);
    let lag = engine.backend.list_lag();
    engine.backend.prune_to(Some(prepare::inner_radius(prepared, dynamics)));
    let plan = |n_steps: u64| {
        let mut plan = stage_plan(prepared, "bench", 0.0, dynamics, None, false, lag);
        plan.schedule.n_steps = n_steps;
        (plan.schedule.log, plan.schedule.checkpoint) = (0, 0);
        plan
    };
    let time = |engine: &mut Engine<'_>, plan: &StagePlan| -> Result<StageSummary, CliError> {
        engine.run_stage(plan, 0, &mut Silent).map_err(CliError::run)
    };
    if args.warm_up > 0 {
        time(&mut engine, &plan(args.warm_up))?;
    }
    let (lifetime, list_radius) = (plan(1).schedule.neighbor, plan(1).list_radius);
    let n_steps = match args.steps {
        Some(n) => n,
        None => {
            // whole neighbor lists, as a long run has them
            let probe = time(&mut engine, &plan(2 * lifetime))?;
            ((2.0 * SECONDS / probe.wall).ceil() as u64).max(1) * lifetime
        }
    };
    let plan = plan(n_steps);
    let before = engine.backend.time_by_pass();
    let done = time(&mut engine, &plan)?;
    let after = engine.backend.time_by_pass();
    let cost = if args.fixed_charges { Some(constant_potential(args, prepared, &mut engine, &plan)?) } else { None };

    let ms = |seconds: f64| 1e3 * seconds / n_steps as f64;
    let ms_per_step = ms(done.wall);
    let n_atoms = system.topology.n_atoms();
    let mut passes: Vec<(String, f64)> =
        before.iter().zip(&after).map(|((name, b), (_, a))| (name.to_string(), ms((*a - *b).as_secs_f64()))).collect();
    passes.push(("neighbor".to_string(), ms(done.neighbor_wall)));
    let profiled = Chunk::new(engine.state.step, 1, plan.dt);
    let on_device = engine.backend.device_times(&profiled, PROFILED_STEPS).map_err(CliError::run)?;
    let device_total: f64 = on_device.iter().map(|(_, t)| t).sum();
    passes.extend(on_device.iter().cloned());
    let ns_per_day = 86_400.0 * plan.dt / ms_per_step;
    let matom_steps_per_s = n_atoms as f64 / ms_per_step * 1e-3;
    let (peak, device_memory) = (peak_memory(), engine.backend.device_memory());
    let kind = engine.backend.neighbor_kind();
    let list = neighbors::build(kind, system, &engine.state.positions, &engine.state.cell, list_radius);
    let pairs_per_atom = list.n_pairs() as f64 / n_atoms as f64;
    let list_ms = 1e3 * done.list_wall / done.n_lists.max(1) as f64;
    if !args.json {
        say!("{name}, {n_atoms} atoms on {} ({}), {n_steps} steps", engine.backend.name(), engine.backend.device());
        say!("  {ms_per_step:.3} ms/step  {ns_per_day:.2} ns/day  {matom_steps_per_s:.2} Matom·steps/s");
        let text: Vec<String> = passes.iter().map(|(name, t)| format!("{name} {t:.4}")).collect();
        say!("  ms/step by pass: {}", text.join("  "));
        if !on_device.is_empty() {
            say!("  passes of the device one by one: {device_total:.4} ms/step");
        } else if after.is_empty() {
            say!("  the {} backend does not time its passes", engine.backend.name());
        }
        say!(
            "  list: radius {list_radius:.3} nm, {lifetime} steps, {pairs_per_atom:.0} pairs per atom looked at, {list_ms:.2} ms to build, widened {} times",
            done.n_widened
        );
        if let Some(cost) = &cost {
            say!(
                "  constant potential: {:.3} ms/step, with fixed charges {:.3}, ratio {:.3} (medians of {TURNS} turns of {} steps)",
                cost.relaxed,
                cost.fixed,
                cost.ratio,
                cost.n_steps
            );
            if let Some([relaxed, fixed, ratio]) = cost.processor {
                say!("  the same in processor time: {relaxed:.3} ms/step, {fixed:.3}, ratio {ratio:.3}");
            }
        }
        if let Some(bytes) = peak {
            say!("  peak memory: {:.1} MB, {:.0} bytes per atom", bytes as f64 * 1e-6, bytes as f64 / n_atoms as f64);
        }
        if let Some(bytes) = device_memory {
            say!("  device memory: {:.1} MB, {:.0} bytes per atom", bytes as f64 * 1e-6, bytes as f64 / n_atoms as f64);
        }
    }
    let passes: Map<String, Value> = passes.into_iter().map(|(name, t)| (name, t.into())).collect();
    Ok(json!({
        "system": name,
        "atoms": n_atoms,
        "backend": engine.backend.name(),
        "device": engine.backend.device(),
        "ms_per_step": ms_per_step,
        "ns_per_day": ns_per_day,
        "matom_steps_per_s": matom_steps_per_s,
        "passes": passes,
        "device_passes": if on_device.is_empty() { Value::Null } else { device_total.into() },
        "steps": n_steps,
        "list": {
            "radius": list_radius,
            "lifetime": lifetime,
            "pairs_per_atom": pairs_per_atom,
            "build_ms": list_ms,
            "widened": done.n_widened,
        },
        "constant_potential": cost.map(|c| json!({ "ms_per_step": c.relaxed, "fixed_ms_per_step": c.fixed, "ratio": c.ratio, "processor": c.processor })),
        "peak_memory": peak,
        "device_memory": device_memory,
        "version": env!("CARGO_PKG_VERSION"),
        "commit": program_commit(),
        "date": today(),
    }))
}

/// Medians, ms/step, and of the ratio of turns that followed each other.
struct Cost {
    relaxed: f64,
    fixed: f64,
    ratio: f64,
    /// The same in processor time of all threads, where the system tells it: what a busy machine does not change.
    processor: Option<[f64; 3]>,
    n_steps: u64,
}

/// Turns of both kinds.
const TURNS: usize = 11;

/// Times steps at constant potential and with the charges of the moment, turn by turn, so that a busy machine is busy for both.
fn constant_potential(
    args: &Args,
    prepared: &Prepared,
    engine: &mut Engine<'_>,
    plan: &StagePlan,
) -> Result<Cost, CliError> {
    let Some(charges) = engine.backend.charges().map_err(CliError::run)? else {
        return Err(CliError::Input("--fixed-charges: the input has no electrodes".into()));
    };
    let mut system = prepared.system.clone();
    system.external.electrodes = None;
    system.topology.charges = charges;
    let backend = args.executor.backend(&system)?;
    let mut fixed = Engine::new(&system, backend, engine.state.clone());
    let mut plan = plan.clone();
    let lifetime = plan.schedule.neighbor.max(1);
    plan.schedule.n_steps = (plan.schedule.n_steps / TURNS as u64).div_ceil(lifetime) * lifetime;
    let per_step = 1e3 / plan.schedule.n_steps as f64;
    let turn = |engine: &mut Engine<'_>| -> Result<(f64, Option<f64>), CliError> {
        let before = processor_time();
        let done = engine.run_stage(&plan, 0, &mut Silent).map_err(CliError::run)?;
        let used = processor_time().zip(before).map(|(after, before)| per_step * (after - before));
        Ok((per_step * done.wall, used))
    };
    turn(&mut fixed)?;
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push((turn(engine)?, turn(&mut fixed)?));
    }
    let medians = |pairs: Vec<(f64, f64)>| {
        let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
            let mut list: Vec<f64> = pairs.iter().map(of).collect();
            list.sort_by(f64::total_cmp);
            list[list.len() / 2]
        };
        [median(&|p| p.0), median(&|p| p.1), median(&|p| p.0 / p.1)]
    };
    let [relaxed, fixed, ratio] = medians(turns.iter().map(|(a, b)| (a.0, b.0)).collect());
    let processor = turns.iter().map(|(a, b)| a.1.zip(b.1)).collect::<Option<Vec<_>>>().map(medians);
    Ok(Cost { relaxed, fixed, ratio, processor, n_steps: plan.schedule.n_steps })
}

/// Time that all threads have spent on processors, s; Linux only.
fn processor_time() -> Option<f64> {
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let nanoseconds: u64 = std::fs::read_dir("/proc/self/task").ok()?.filter_map(of_task).sum();
    Some(nanoseconds as f64 * 1e-9)
}

/// Settings of the last dynamics stage.
fn last_dynamics(prepared: &Prepared) -> Result<&DynamicsSpec, CliError> {
    let last = prepared.input.stages.iter().rev().find_map(|s| match &s.kind {
        StageKind::Dynamics { dynamics, .. } => Some(dynamics),
        StageKind::Minimise { .. } => None,
    });
    last.ok_or_else(|| CliError::Input("the input has no stage with a duration: there are no steps to time".into()))
}

/// Lets [`peak_memory`] count from here. Where that is not possible it counts from the start of the program.
fn reset_peak_memory() {
    // Linux: see clear_refs in proc(5). A refusal only makes the number larger
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident size, bytes; Linux only.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| 1024 * kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_fails_leaves_those_before_it() {
        let boxes = || vec![json!({ "system": "water", "atoms": 3000 })];
        let (text, outcome) = closing(Ok(()), boxes());
        assert!(outcome.is_ok() && text == Some(Value::Array(boxes())));
        let failure = || Err(CliError::Input("the next box does not fit".into()));
        let (text, outcome) = closing(failure(), boxes());
        let text = text.expect("something was measured");
        assert_eq!((&text["finished"], &text["error"]), (&Value::Array(boxes()), &"the next box does not fit".into()));
        assert!(matches!(outcome, Err(CliError::Run(_))), "exit code 1");
        let (text, outcome) = closing(failure(), Vec::new());
        assert!(text.is_none() && matches!(outcome, Err(CliError::Input(_))), "nothing to keep");
    }
}
