//! `[[analysis]]`: observables. Several may stand in one table or in several; they keep the order of the file.

use super::dynamics::{check_multiple, nearest_multiple};
use super::observables::{self, Names, Read};
use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::{Document, Node, Value};
use crate::suggest::one_of;
use crate::system::spec::{AnalysisSpec, StageKind, StageSpec, ThermostatSpec};
use std::path::Path;

pub(super) use super::observables::KINDS;

/// ps
const EVERY: f64 = 0.1;

/// What defaults depend on.
pub(super) struct Context<'a> {
    /// Whose time step, ps: of every stage that is analysed.
    pub timesteps: Vec<(String, f64)>,
    /// K, of the thermostats
    pub temperature: Option<f64>,
    pub base_dir: &'a Path,
}

pub(super) fn read(top: &Table, stages: &[StageSpec], base_dir: &Path) -> Vec<AnalysisSpec> {
    let analysed: Vec<(&StageSpec, f64, &ThermostatSpec)> = stages
        .iter()
        .filter_map(|stage| match &stage.kind {
            StageKind::Dynamics { dynamics, analyse: true, .. } => {
                Some((stage, dynamics.timestep, &dynamics.thermostat))
            }
            _ => None,
        })
        .collect();
    let context = Context {
        timesteps: analysed.iter().map(|(stage, dt, _)| (format!("the stage `{}`", stage.name), *dt)).collect(),
        temperature: analysed.last().map(|(_, _, thermostat)| thermostat.temperature()),
        base_dir,
    };
    let mut analyses = Vec::new();
    for node in top.array("analysis").unwrap_or_default() {
        let Some(table) = Table::new(node, "[[analysis]]", &KINDS, top.faults) else { continue };
        let Value::Table(entries) = &node.value else { continue };
        if entries.is_empty() {
            let message = format!("this [[analysis]] is empty: add {}", one_of(KINDS));
            top.faults.add(&table.place, message, "for example [analysis.rdf] pairs = [[\"Zn2+\", \"OW\"]]");
        }
        for (key, _) in entries {
            let kind = key.name.as_str();
            let Some(mut spec) = observables::default_of(kind) else { continue };
            let mut names = Names::default();
            observables::declare(&mut spec, &mut names);
            if let Some(table) = table.table(kind, &format!("[analysis.{kind}]"), &names.0) {
                observables::declare(&mut spec, &mut Read { table: &table, context: &context });
                analyses.push(spec);
            }
        }
    }
    analyses
}

/// The node of the k-th analysis (from zero, as [`read`] counts them), and its dotted path.
pub(super) fn find(document: &Document, k: usize) -> Option<(&Node, String)> {
    let Value::Array(elements) = &document.root.get("analysis")?.value else { return None };
    let mut found = elements.iter().enumerate().flat_map(|(n, node)| match &node.value {
        Value::Table(entries) => entries
            .iter()
            .filter(|(key, _)| KINDS.contains(&key.name.as_str()))
            .map(|(key, node)| (node, format!("analysis.{}.{}", n + 1, key.name)))
            .collect(),
        _ => Vec::new(),
    });
    found.nth(k)
}

impl Context<'_> {
    /// Time between frames, ps: a whole number of steps of every stage that is analysed.
    pub fn every(&self, table: &Table) -> f64 {
        let timesteps = &self.timesteps;
        if let Some(given) = table.quantity("every", Dimension::Time, Bound::Positive) {
            for (whose, timestep) in timesteps {
                check_multiple(table.faults, "every", &given, *timestep, whose);
            }
            return given.value;
        }
        let value = timesteps.first().map_or(EVERY, |(_, timestep)| nearest_multiple(EVERY, *timestep));
        let differs = |(_, timestep): &&(String, f64)| (nearest_multiple(value, *timestep) - value).abs() > 1e-9;
        if let Some((whose, timestep)) = timesteps.iter().find(differs) {
            let message =
                format!("{} has no `every`, and the stages it looks at differ in their time step", table.title);
            let help = format!("add a multiple of all of them; {whose} has {} ps", timestep);
            table.faults.add(&table.place, message, help);
        }
        value
    }
}
