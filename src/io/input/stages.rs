//! `[[stage]]`: what is done, in order.

use super::dynamics::{self, RawDynamics, check_multiple};
use super::piston;
use super::quantity::Dimension;
use super::table::{Bound, Given, Table};
use super::tree::Node;
use crate::suggest::{nearest, one_of};
use crate::system::spec::{DynamicsSpec, StageKind, StageSpec, TrajectorySpec};

/// kJ/mol/nm
const MAX_FORCE: f64 = 100.0;
const MAX_STEPS: u64 = 5000;
/// Trajectory formats that chemfiles writes.
const FORMATS: [&str; 6] = ["xtc", "trr", "dcd", "gro", "pdb", "xyz"];

/// * `base` – `[dynamics]` as written, `defaults` the same with every default
pub(super) fn read(top: &Table, base: &RawDynamics, defaults: &DynamicsSpec, has_water: bool) -> Vec<StageSpec> {
    let nodes = top.array("stage").unwrap_or_default();
    let mut stages: Vec<(StageSpec, bool)> = Vec::new();
    for (node, number) in nodes.iter().zip(1..) {
        let Some((stage, place)) = read_one(top, node, number, base, defaults, has_water) else { continue };
        if stages.iter().any(|(other, _)| other.name == stage.name) {
            let message = format!("there are two stages `{}`", stage.name);
            top.faults.add(&place.place, message, "every stage needs a name of its own");
        }
        stages.push((stage, place.value));
    }
    // Analyses look at the last stage unless the input says otherwise.
    if let Some((StageSpec { kind: StageKind::Dynamics { analyse, .. }, .. }, false)) = stages.last_mut() {
        *analyse = true;
    }
    stages.into_iter().map(|(stage, _)| stage).collect()
}

/// The stage, the place of its name, and whether it says `analyse` itself.
fn read_one(
    top: &Table,
    node: &Node,
    number: usize,
    base: &RawDynamics,
    defaults: &DynamicsSpec,
    has_water: bool,
) -> Option<(StageSpec, Given<bool>)> {
    let mut keys = vec!["name", "duration", "minimise", "trajectory", "analyse", "piston"];
    keys.extend(dynamics::KEYS);
    let name = node.get("name").and_then(|n| match &n.value {
        super::tree::Value::String(name) => Some(name.clone()),
        _ => None,
    });
    let title = name.map_or(format!("stage {number}"), |n| format!("the stage `{n}`"));
    let stage = Table::new(node, &title, &keys, top.faults)?;
    let name = stage.string("name");
    if stage.get("name").is_none() {
        stage.missing("name", "for example name = \"production\"");
    }
    let name = name?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.value.is_empty() || !name.value.chars().all(plain) || name.value.parse::<usize>().is_ok() {
        let help = "use letters, digits, - and _, and not a number alone: --set and file names use it";
        stage.faults.add(&name.place, format!("\"{}\" cannot be the name of a stage", name.value), help);
    }
    let analyse = stage.boolean("analyse");
    let kind = if stage.get("minimise").is_some() {
        minimise(&stage)?
    } else {
        let duration = stage.quantity("duration", Dimension::Time, Bound::Positive);
        if stage.get("duration").is_none() {
            stage.missing("duration", "add duration = \"50 ps\", or a [stage.minimise] table");
        }
        let overridden = dynamics::KEYS.iter().any(|key| stage.get(key).is_some());
        let dynamics = if overridden {
            RawDynamics::read(&stage, "stage").over(base).resolve(stage.faults, &stage.title, has_water)
        } else {
            defaults.clone()
        };
        let duration = duration?;
        check_multiple(stage.faults, "duration", &duration, dynamics.timestep, &stage.title);
        let trajectory = trajectory(&stage, dynamics.timestep);
        let (duration, analyse) = (duration.value, analyse.unwrap_or(false));
        StageKind::Dynamics { duration, dynamics, trajectory, analyse, piston: piston::read(top, &stage) }
    };
    let place = Given { value: analyse.is_some(), place: name.place };
    Some((StageSpec { name: name.value, kind }, place))
}

fn minimise(stage: &Table) -> Option<StageKind> {
    for key in ["duration", "trajectory", "analyse", "piston"].iter().chain(&dynamics::KEYS) {
        if let Some((key, _)) = stage.entry(key) {
            let message = format!("`{}` has no effect in a minimisation", key.name);
            stage.faults.add(&key.place, message, "remove it, or make it a stage of its own with a `duration`");
        }
    }
    let table = stage.table("minimise", "[stage.minimise]", &["max_force", "max_steps"])?;
    let max_force = table.quantity("max_force", Dimension::Force, Bound::Positive).map_or(MAX_FORCE, |f| f.value);
    let max_steps = table.integer("max_steps", 1).map_or(MAX_STEPS, |n| n.value);
    Some(StageKind::Minimise { max_force, max_steps })
}

fn trajectory(stage: &Table, timestep: f64) -> Option<TrajectorySpec> {
    let table = stage.table("trajectory", "trajectory", &["every", "format"])?;
    let every = table.quantity("every", Dimension::Time, Bound::Positive);
    if table.get("every").is_none() {
        table.missing("every", "for example trajectory = { every = \"1 ps\", format = \"xtc\" }");
    }
    let format = table.string("format");
    if let Some(given) = format.as_ref().filter(|f| !FORMATS.contains(&f.value.as_str())) {
        let near = nearest(&given.value, FORMATS).map(|f| format!("did you mean `{f}`?")).unwrap_or_default();
        let message = format!("cannot write trajectories as \"{}\": must be {}", given.value, one_of(FORMATS));
        stage.faults.add(&given.place, message, near);
    }
    let every = every?;
    check_multiple(stage.faults, "every", &every, timestep, &stage.title);
    Some(TrajectorySpec { every: every.value, format: format.map_or("xtc".into(), |f| f.value) })
}
