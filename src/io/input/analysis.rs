//! `[[analysis]]`: observables. Several may stand in one table or in several; they keep the order of the file.

use super::dynamics::{check_multiple, nearest_multiple};
use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::{Node, Value};
use crate::suggest::one_of;
use crate::system::spec::{AnalysisSpec, StageKind, StageSpec};

/// ps
const EVERY: f64 = 0.1;
/// nm
const RDF_BIN_WIDTH: f64 = 0.002;
/// degree
const ANGLE_BIN_WIDTH: f64 = 2.0;

pub(super) const KINDS: [&str; 3] = ["rdf", "coordination", "angles"];

pub(super) fn read(top: &Table, stages: &[StageSpec]) -> Vec<AnalysisSpec> {
    let timesteps: Vec<(String, f64)> = stages
        .iter()
        .filter_map(|stage| match &stage.kind {
            StageKind::Dynamics { dynamics, analyse: true, .. } => {
                Some((format!("the stage `{}`", stage.name), dynamics.timestep))
            }
            _ => None,
        })
        .collect();
    let mut analyses = Vec::new();
    for node in top.array("analysis").unwrap_or_default() {
        let Some(table) = Table::new(node, "[[analysis]]", &KINDS, top.faults) else { continue };
        let Value::Table(entries) = &node.value else { continue };
        if entries.is_empty() {
            let message = format!("this [[analysis]] is empty: add {}", one_of(KINDS));
            top.faults.add(&table.place, message, "for example [analysis.rdf] pairs = [[\"Zn2+\", \"OW\"]]");
        }
        for (key, _) in entries {
            analyses.extend(match key.name.as_str() {
                "rdf" => rdf(&table, &timesteps),
                "coordination" => coordination(&table, &timesteps),
                "angles" => angles(&table, &timesteps),
                _ => None,
            });
        }
    }
    analyses
}

fn rdf(table: &Table, timesteps: &[(String, f64)]) -> Option<AnalysisSpec> {
    const EXAMPLE: &str = "for example pairs = [[\"Zn2+\", \"OW\"]]";
    let rdf = table.table("rdf", "[analysis.rdf]", &["pairs", "r_max", "bin_width", "every"])?;
    if rdf.get("pairs").is_none() {
        rdf.missing("pairs", EXAMPLE);
    }
    let mut pairs = Vec::new();
    for node in rdf.array("pairs").unwrap_or_default() {
        let names = match &node.value {
            Value::Array(names) => names.iter().map(text).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        match names.as_deref() {
            Some([a, b]) => pairs.push((a.clone(), b.clone())),
            _ => rdf.faults.add(&node.place, "a pair must be two names", EXAMPLE),
        }
    }
    Some(AnalysisSpec::Rdf {
        pairs,
        r_max: length(&rdf, "r_max"),
        bin_width: length(&rdf, "bin_width").unwrap_or(RDF_BIN_WIDTH),
        every: every(&rdf, timesteps),
    })
}

fn coordination(table: &Table, timesteps: &[(String, f64)]) -> Option<AnalysisSpec> {
    const EXAMPLE: &str = "for example ligands = [\"OW\", \"Cl-\"]";
    let table = table.table("coordination", "[analysis.coordination]", &["center", "ligands", "r_min", "every"])?;
    let center = required(&table, "center", "for example center = \"Zn2+\"");
    if table.get("ligands").is_none() {
        table.missing("ligands", EXAMPLE);
    }
    let mut ligands = Vec::new();
    for node in table.array("ligands").unwrap_or_default() {
        match text(node) {
            Some(name) => ligands.push(name),
            None => table.faults.add(&node.place, "a ligand must be a name", EXAMPLE),
        }
    }
    let (r_min, every) = (length(&table, "r_min"), every(&table, timesteps));
    Some(AnalysisSpec::Coordination { center: center?, ligands, r_min, every })
}

fn angles(table: &Table, timesteps: &[(String, f64)]) -> Option<AnalysisSpec> {
    let keys = ["center", "ligand", "r_min", "bin_width", "every"];
    let table = table.table("angles", "[analysis.angles]", &keys)?;
    let center = required(&table, "center", "for example center = \"Zn2+\"");
    let ligand = required(&table, "ligand", "for example ligand = \"OW\"");
    let bin_width = table.quantity("bin_width", Dimension::Angle, Bound::Positive);
    let bin_width = bin_width.map_or(ANGLE_BIN_WIDTH, |b| b.value);
    let (r_min, every) = (length(&table, "r_min"), every(&table, timesteps));
    Some(AnalysisSpec::Angles { center: center?, ligand: ligand?, r_min, bin_width, every })
}

fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn required(table: &Table, name: &str, help: &str) -> Option<String> {
    if table.get(name).is_none() {
        table.missing(name, help);
    }
    table.string(name).map(|given| given.value)
}

fn length(table: &Table, name: &str) -> Option<f64> {
    table.quantity(name, Dimension::Length, Bound::Positive).map(|given| given.value)
}

/// Time between frames, ps: a whole number of steps of every stage that is analysed.
fn every(table: &Table, timesteps: &[(String, f64)]) -> f64 {
    if let Some(given) = table.quantity("every", Dimension::Time, Bound::Positive) {
        for (whose, timestep) in timesteps {
            check_multiple(table.faults, "every", &given, *timestep, whose);
        }
        return given.value;
    }
    let value = timesteps.first().map_or(EVERY, |(_, timestep)| nearest_multiple(EVERY, *timestep));
    let differs = |(_, timestep): &&(String, f64)| (nearest_multiple(value, *timestep) - value).abs() > 1e-9;
    if let Some((whose, timestep)) = timesteps.iter().find(differs) {
        let message = format!("{} has no `every`, and the stages it looks at differ in their time step", table.title);
        let help = format!("add a multiple of all of them; {whose} has {} ps", timestep);
        table.faults.add(&table.place, message, help);
    }
    value
}
