//! `hexaqua bench`: how fast steps are, where their time goes, and what memory they take.
//!
//! It times what `hexaqua run` runs: the same engine, schedule and list radius, with output switched off. Boxes are
//! built here, or come from an input file; then minimised and warmed up, untimed, so that the pair distances are those
//! of a liquid. It compares with nobody: that is `benches/compare/`.

use super::prepare::{self, Prepared};
use super::run::{stage_plan, start_velocities};
use super::{BackendChoice, CliError};
use crate::dynamics::engine::StagePlan;
use crate::dynamics::minimise::{MinimisePlan, minimise};
use crate::dynamics::{DynamicsError, Engine, LogRow, Moment, Observer, StageSummary, neighbors};
use crate::io::input;
use crate::system::Frame;
use crate::system::spec::{DynamicsSpec, StageKind};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Time this input instead of the built-in boxes: minimised if it says so, with the settings of its last stage
    #[arg(conflicts_with = "atoms")]
    input: Option<PathBuf>,
    /// Sizes of the built-in boxes
    #[arg(long, value_delimiter = ',', default_values_t = [3000, 24000], value_name = "N,…")]
    atoms: Vec<usize>,
    #[arg(long, value_enum, default_value = "auto")]
    backend: BackendChoice,
    /// Timed steps [default: as many as take a few seconds]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Untimed steps before them
    #[arg(long, value_name = "N", default_value_t = 500)]
    warm_up: u64,
    /// Print a JSON list of {"system", "atoms", "backend", "device", "ms_per_step", "ns_per_day", "matom_steps_per_s",
    /// "passes" (ms/step), …}
    #[arg(long)]
    json: bool,
}

/// Timed at least this long unless told a number of steps, s.
const SECONDS: f64 = 4.0;
/// Smallest box that holds two cutoffs of 0.9 nm, with a margin: atoms.
const FEWEST_ATOMS: usize = 648;
/// Number of atoms in a litre of 1 mol/L ZnCl2 of 1.115 g/cm³, per zinc ion: 3 and 54.3 waters.
const ATOMS_PER_ZINC: f64 = 166.0;
/// Force at which the liquid can be started with 2 fs, kJ/mol/nm, and how long to try.
const START_FORCE: f64 = 1000.0;
const START_STEPS: u64 = 1000;
/// List radius beyond the cutoff while minimising, nm.
const MINIMISE_SKIN: f64 = 0.1;

pub fn run(args: &Args) -> Result<(), CliError> {
    if args.steps == Some(0) {
        return Err(CliError::Input("--steps 0: nothing to time; give at least 1".into()));
    }
    let mut records = Vec::new();
    if let Some(path) = &args.input {
        let (input, locations) = input::read_located(path, &[])?;
        let name = input.title.clone();
        records.push(measure(args, &name, &prepare::prepare(input, &locations)?)?);
    } else {
        for &n in &args.atoms {
            if n < FEWEST_ATOMS {
                let detail = format!("--atoms {n}: a box that holds the cutoff takes at least {FEWEST_ATOMS} atoms");
                return Err(CliError::Input(detail));
            }
            for (name, text) in [("water", water(n)), ("zncl2_1M", zinc_chloride(n))] {
                let (input, locations) = input::parse_located(&text, name, Path::new(""), &[])?;
                records.push(measure(args, name, &prepare::prepare(input, &locations)?)?);
            }
        }
    }
    if args.json {
        say!("{:#}", Value::Array(records));
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

/// Minimises where the input asks for it, warms up and times; prints unless JSON is wanted.
fn measure(args: &Args, name: &str, prepared: &Prepared) -> Result<Value, CliError> {
    let dynamics = last_dynamics(prepared)?;
    reset_peak_memory();
    let system = &prepared.system;
    let mut engine = Engine::new(system, prepare::backend(args.backend, system)?, prepared.state.clone());
    for stage in &prepared.input.stages {
        if let StageKind::Minimise { max_force, max_steps } = stage.kind {
            let list_radius = system.interactions.cutoff + MINIMISE_SKIN;
            let plan = MinimisePlan { max_force, max_steps, list_radius };
            minimise(system, &mut *engine.backend, &mut engine.state, &plan, |_, _, _| {}).map_err(CliError::run)?;
            engine.kinetic = 0.0;
        }
    }
    start_velocities(&mut engine, dynamics);
    let lag = engine.backend.list_lag();
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
    let lifetime = plan(1).schedule.neighbor;
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

    let ms = |seconds: f64| 1e3 * seconds / n_steps as f64;
    let ms_per_step = ms(done.wall);
    let n_atoms = prepared.state.n_atoms();
    let mut passes: Vec<(&str, f64)> =
        before.iter().zip(&after).map(|((name, b), (_, a))| (*name, ms((*a - *b).as_secs_f64()))).collect();
    passes.push(("neighbor", ms(done.neighbor_wall)));
    let ns_per_day = 86_400.0 * plan.dt / ms_per_step;
    let matom_steps_per_s = n_atoms as f64 / ms_per_step * 1e-3;
    let peak = peak_memory();
    let list = neighbors::build(
        engine.backend.neighbor_kind(),
        system,
        &engine.state.positions,
        &engine.state.cell,
        plan.list_radius,
    );
    let pairs_per_atom = list.n_pairs() as f64 / n_atoms as f64;
    if !args.json {
        say!("{name}, {n_atoms} atoms on {} ({}), {n_steps} steps", engine.backend.name(), engine.backend.device());
        say!("  {ms_per_step:.3} ms/step  {ns_per_day:.2} ns/day  {matom_steps_per_s:.2} Matom·steps/s");
        let text: Vec<String> = passes.iter().map(|(name, t)| format!("{name} {t:.3}")).collect();
        say!("  ms/step by pass: {}", text.join("  "));
        if after.is_empty() {
            say!("  the {} backend does not time its passes", engine.backend.name());
        }
        say!(
            "  list: radius {:.3} nm, {lifetime} steps, {pairs_per_atom:.0} pairs per atom looked at",
            plan.list_radius
        );
        if let Some(bytes) = peak {
            say!("  peak memory: {:.1} MB, {:.0} bytes per atom", bytes as f64 * 1e-6, bytes as f64 / n_atoms as f64);
        }
    }
    let passes: Map<String, Value> = passes.into_iter().map(|(name, t)| (name.to_string(), t.into())).collect();
    Ok(json!({
        "system": name,
        "atoms": n_atoms,
        "backend": engine.backend.name(),
        "device": engine.backend.device(),
        "ms_per_step": ms_per_step,
        "ns_per_day": ns_per_day,
        "matom_steps_per_s": matom_steps_per_s,
        "passes": passes,
        "steps": n_steps,
        "list": { "radius": plan.list_radius, "lifetime": lifetime, "pairs_per_atom": pairs_per_atom },
        "peak_memory": peak,
    }))
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
