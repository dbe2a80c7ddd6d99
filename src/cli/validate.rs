//! `hexaqua validate`: cases against literature and other engines.

use super::CliError;
use super::definitions;
use super::executor::ExecutorArgs;
use super::outcome;
use super::prepare;
use super::records;
use super::simulate::{Simulated, simulate};
use crate::analysis::Quantity;
use crate::io::input::Locations;
use crate::io::{expected, input};
use crate::report::{Doubt, VerdictRow, text, verdict};
use crate::system::expected::{CaseSystem, Reference};
use crate::system::spec::Input;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cases to run, e.g. `zn-hydration`, `zn-peaks` or one system `zn-peaks/spce/li-merz-cm` [default: all]
    cases: Vec<String>,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the cases and stop
    #[arg(long)]
    list: bool,
    /// Run the long set too (hours on a CPU); without it and without names the quick set runs
    #[arg(long)]
    long: bool,
    /// Keep the results in DIR/results and rewrite DIR/RESULTS.md, where DIR is the folder validation of a checkout
    #[arg(long, value_name = "DIR", conflicts_with_all = ["set", "list"])]
    record: Option<PathBuf>,
    /// Override a key of the cases' inputs, e.g. --set stage.production.duration="400 ps"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Inputs of the built-in cases, embedded so that the command works anywhere.
const INPUTS: [(&str, &str); 20] = [
    ("validation/lj-fluid/input.toml", include_str!("../../validation/lj-fluid/input.toml")),
    ("validation/spce-water/input.toml", include_str!("../../validation/spce-water/input.toml")),
    ("validation/zn-electrolytes/znso4-3m.toml", include_str!("../../validation/zn-electrolytes/znso4-3m.toml")),
    ("inputs/znso4-1m.toml", include_str!("../../inputs/znso4-1m.toml")),
    ("inputs/znso4-4m.toml", include_str!("../../inputs/znso4-4m.toml")),
    ("inputs/znotf2-2m.toml", include_str!("../../inputs/znotf2-2m.toml")),
    ("inputs/znotf2-2m-ide.toml", include_str!("../../inputs/znotf2-2m-ide.toml")),
    ("inputs/zncl2-1m.toml", include_str!("../../inputs/zncl2-1m.toml")),
    ("inputs/graphite-water.toml", include_str!("../../inputs/graphite-water.toml")),
    ("inputs/voh-znotf2-2m-ide.toml", include_str!("../../inputs/voh-znotf2-2m-ide.toml")),
    ("inputs/graphite-znso4-1m.toml", include_str!("../../inputs/graphite-znso4-1m.toml")),
    ("inputs/graphite-znotf2-2m.toml", include_str!("../../inputs/graphite-znotf2-2m.toml")),
    ("inputs/zn-znotf2-2m.toml", include_str!("../../inputs/zn-znotf2-2m.toml")),
    ("inputs/n-graphene-znotf2-2m.toml", include_str!("../../inputs/n-graphene-znotf2-2m.toml")),
    ("inputs/mno2-hexane-znotf2-2m.toml", include_str!("../../inputs/mno2-hexane-znotf2-2m.toml")),
    ("inputs/mxene-zn-znotf2-2m.toml", include_str!("../../inputs/mxene-zn-znotf2-2m.toml")),
    ("inputs/zn-hydration.toml", include_str!("../../inputs/zn-hydration.toml")),
    ("validation/zn-peaks/input.toml", include_str!("../../validation/zn-peaks/input.toml")),
    ("validation/density/spce.toml", include_str!("../../validation/density/spce.toml")),
    ("validation/density/znso4-1m.toml", include_str!("../../validation/density/znso4-1m.toml")),
];

/// Files that those inputs name, by the input; paths count from its folder.
const FILES: [(&str, &str, &str); 3] = [
    ("validation/lj-fluid/input.toml", "lj.gro", include_str!("../../validation/lj-fluid/lj.gro")),
    ("validation/lj-fluid/input.toml", "lj.top", include_str!("../../validation/lj-fluid/lj.top")),
    ("inputs/mno2-hexane-znotf2-2m.toml", "molecules/hexane.toml", include_str!("../../inputs/molecules/hexane.toml")),
];

/// A folder with the files that an input names, removed in the end; none are written for inputs that name none.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    fn with_files_of(input: &str) -> std::io::Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let own = format!("hexaqua-validate-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch(std::env::temp_dir().join(own));
        for (_, name, text) in FILES.iter().filter(|(of, _, _)| *of == input) {
            let path = scratch.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&scratch.0))?;
            std::fs::write(path, text)?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // it may never have been made
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(args: &Args) -> Result<(), CliError> {
    args.executor.threads.start()?;
    let cases = expected::built_in().map_err(CliError::run)?;
    let full_names =
        || cases.iter().flat_map(|c| c.systems.iter().map(move |s| (c, s, format!("{}/{}", c.name, s.name))));
    if args.list {
        for (case, system, name) in full_names() {
            say!("{name:<40} {:<6} {}", if system.long { "long" } else { "quick" }, case.title);
        }
        return Ok(());
    }
    let wanted = |name: &str, long: bool| {
        (args.cases.is_empty() && (args.long || !long))
            || args.cases.iter().any(|c| name == c || name.starts_with(&format!("{}/", c.trim_end_matches('/'))))
    };
    for asked in &args.cases {
        if !full_names()
            .any(|(_, _, name)| name == *asked || name.starts_with(&format!("{}/", asked.trim_end_matches('/'))))
        {
            let known: Vec<&str> = cases.iter().map(|c| c.name.as_str()).collect();
            return Err(CliError::Input(format!(
                "no validation case is called `{asked}`; the cases are {} (`hexaqua validate --list` shows their systems)",
                crate::suggest::one_of(known)
            )));
        }
    }
    let overrides = prepare::overrides(&args.set)?;
    if !overrides.is_empty() {
        warn!("warning: --set changes the cases: the verdicts are of other runs than the ones described");
    }
    if let Some(dir) = &args.record {
        let results = dir.join("results");
        std::fs::create_dir_all(&results).map_err(|e| CliError::Run(format!("{}: {e}", results.display())))?;
    }
    let mut rows: Vec<VerdictRow> = Vec::new();
    let mut json: Vec<serde_json::Value> = Vec::new();
    let mut before: BTreeMap<String, Simulated> = BTreeMap::new();
    for (case, system, name) in full_names().filter(|(_, s, name)| wanted(name, s.long)) {
        let started = Instant::now();
        let (references, input, run, device) = measure(&name, system, &overrides, &args.executor)?;
        let earlier = |from: &str| before.get(&format!("{}/{from}", case.name));
        let mut measured = run.quantities.clone();
        measured.extend(changes(&references, &measured, |from| earlier(from).map(|run| &run.quantities)));
        let mut doubts = run.doubts.clone();
        doubts.extend(doubts_of_changes(&references, |from| earlier(from).map(|run| &run.doubts)));
        before.insert(name.clone(), run);
        let judged = verdict::judge(&case.name, &system.name, &references, &measured, &doubts);
        let mut judged = judged.map_err(CliError::run)?;
        let (as_it_stands, _, _) = input_of(&name, system, &[])?;
        for row in &mut judged {
            row.definition = definitions::difference(&row.reference, &input, &measured, &as_it_stands);
        }
        if !args.json {
            say!("{name}\n{}", text::verdict_table(&judged));
        }
        if let Some(dir) = &args.record {
            let minutes = started.elapsed().as_secs_f64() / 60.0;
            records::keep(dir, &name, &device, minutes, &judged).map_err(CliError::run)?;
        }
        json.extend(told(&judged, &device, &overrides));
        rows.extend(judged);
    }
    if let Some(dir) = &args.record {
        let page = records::write_page(dir, &cases).map_err(CliError::run)?;
        say!("results: {}", page.display());
    }
    if args.json {
        say!("{:#}", serde_json::Value::from(json));
    } else {
        say!("{}", verdict::tally(&rows));
    }
    let failed = rows.iter().filter(|r| r.verdict == verdict::Verdict::Fail).count();
    if failed > 0 { Err(CliError::Verdict(failed)) } else { Ok(()) }
}

/// Rows for `--json`, each with where its value comes from: `device`, `commit`, `version`, `date`, and `set`, the keys of the case's
/// input that `--set` changed with their values.
fn told(rows: &[VerdictRow], device: &str, overrides: &[(String, String)]) -> Vec<serde_json::Value> {
    let serde_json::Value::Array(mut told) = verdict::to_json(rows) else { return Vec::new() };
    let set: serde_json::Map<String, serde_json::Value> =
        overrides.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    for row in told.iter_mut().filter_map(serde_json::Value::as_object_mut) {
        row.insert("device".into(), device.into());
        row.insert("commit".into(), records::commit().into());
        row.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        row.insert("date".into(), records::today().into());
        row.insert("set".into(), set.clone().into());
    }
    told
}

/// Changes of quantities from systems that ran before to this one, as its trends ask for them.
///
/// * `values_of` – what was measured of a system of this case; `None` if it has not run
fn changes<'a>(
    references: &[Reference],
    measured: &[Quantity],
    values_of: impl Fn(&str) -> Option<&'a Vec<Quantity>>,
) -> Vec<Quantity> {
    let change = |reference: &Reference| {
        let trend = reference.trend.as_ref()?;
        let is_it = |q: &&Quantity| expected::change_of(&q.id) == reference.quantity;
        let (now, then) = (measured.iter().find(is_it)?, values_of(&trend.from)?.iter().find(is_it)?);
        Some(Quantity {
            id: reference.quantity.clone(),
            label: reference.label.clone(),
            value: now.value - then.value,
            error: now.error.zip(then.error).map(|(a, b)| a.hypot(b)),
            blocks: now.blocks.into_iter().chain(then.blocks).min_by(|a, b| a.independent.total_cmp(&b.independent)),
            unit: now.unit.clone(),
        })
    };
    references.iter().filter_map(change).collect()
}

/// What is doubtful about the other system of a change.
///
/// * `doubts_of` – of a system of this case; `None` if it has not run
fn doubts_of_changes<'a>(references: &[Reference], doubts_of: impl Fn(&str) -> Option<&'a Vec<Doubt>>) -> Vec<Doubt> {
    let changes = references.iter().filter_map(|r| Some((&r.quantity, &r.trend.as_ref()?.from)));
    let of_change = |(quantity, from): (&String, &String)| -> Vec<Doubt> {
        let is_about = |d: &&Doubt| d.of.as_ref().is_none_or(|of| expected::change_of(of) == *quantity);
        let about = doubts_of(from).into_iter().flatten().filter(is_about);
        about.map(|d| Doubt { of: Some(quantity.clone()), why: format!("in {from} {}", d.why) }).collect()
    };
    changes.flat_map(of_change).collect()
}

/// Runs one system of a case; `asked` overrides keys of its input, also those that the system sets. Returns the references, that of the
/// temperature at the set point, the input, what the run left, and the device.
fn measure(
    name: &str,
    system: &CaseSystem,
    asked: &[(String, String)],
    executor: &ExecutorArgs,
) -> Result<(Vec<Reference>, Input, Simulated, String), CliError> {
    let prepared = prepare_case(name, system, asked)?;
    let backend = executor.backend(&prepared.system)?;
    let references = outcome::references_of(system, &prepared.input);
    let device = format!("{}, {}", backend.name(), backend.device());
    let run = simulate(name, &prepared, backend)?;
    Ok((references, prepared.input, run, device))
}

/// The system of a case, built from its input.
fn prepare_case(name: &str, system: &CaseSystem, asked: &[(String, String)]) -> Result<prepare::Prepared, CliError> {
    let (input, locations, _files) = input_of(name, system, asked)?;
    prepare::prepare(input, &locations)
}

/// The input of a system of a case; files that it names are there as long as the third is kept.
pub(super) fn input_of(
    name: &str,
    system: &CaseSystem,
    asked: &[(String, String)],
) -> Result<(Input, Locations, Scratch), CliError> {
    let (_, text) = INPUTS
        .iter()
        .find(|(path, _)| *path == system.input)
        .ok_or_else(|| CliError::Run(format!("the input {} of case {name} is not built in", system.input)))?;
    let mut overrides = Vec::new();
    if let Some(water) = &system.water {
        overrides.push(("system.water.model".to_string(), format!("{water:?}")));
    }
    if let Some(zinc) = &system.zinc {
        overrides.push(("system.solutes.Zn2+.model".to_string(), format!("{zinc:?}")));
    }
    overrides.extend(system.set.iter().cloned());
    overrides.extend_from_slice(asked);
    let scratch = Scratch::with_files_of(&system.input).map_err(CliError::run)?;
    let located = input::parse_located(text, &system.input, &scratch.0, &overrides);
    let (input, locations) = located.map_err(if asked.is_empty() { CliError::run } else { CliError::input })?;
    Ok((input, locations, scratch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::AnalysisSet;
    use crate::random::{Draws, Stream};
    use crate::system::Frame;
    use glam::DVec3;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// A trend names a system of its case that runs before.
    #[test]
    fn trends_name_earlier_systems() {
        for case in expected::built_in().expect("readable") {
            for (k, system) in case.systems.iter().enumerate() {
                for trend in system.references.iter().filter_map(|r| r.trend.as_ref()) {
                    assert!(case.systems[..k].iter().any(|s| s.name == trend.from), "{}", trend.from);
                }
            }
        }
    }

    /// Every amount that a case sets is a key of its input, and the box that follows has the density it starts from.
    #[test]
    fn every_system_of_a_series_can_be_read() {
        for case in expected::built_in().expect("readable") {
            for system in &case.systems {
                let (_, text) = INPUTS.iter().find(|(path, _)| *path == system.input).expect("built in");
                let read = input::parse_located(text, &system.input, Path::new("."), &system.set);
                let (input, _) = read.unwrap_or_else(|e| panic!("{}/{}: {e}", case.name, system.name));
                if let Some((_, n)) = system.set.iter().find(|(key, _)| key == "system.water.molecules") {
                    assert_eq!(input.system.water.molecules, n.parse().ok());
                }
            }
        }
    }

    /// A misspelled id, or an analysis that an input lost, would leave a reference without a value. The start of every case, shaken for some
    /// picoseconds, shows what its analyses hand out.
    #[test]
    fn every_reference_is_of_something_its_input_measures() {
        let cases = expected::built_in().expect("readable");
        let mut seen = BTreeSet::new();
        for (case, system) in cases.iter().flat_map(|c| c.systems.iter().map(move |s| (c, s))) {
            let wanted: Vec<&str> = system.references.iter().map(|r| r.quantity.as_str()).collect();
            // Series over models and amounts measure the same.
            if !seen.insert((system.input.clone(), wanted)) {
                continue;
            }
            let name = format!("{}/{}", case.name, system.name);
            let prepared = prepare_case(&name, system, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (topology, cell) = (&prepared.system.topology, prepared.state.cell);
            let external = &prepared.system.external;
            let mut set =
                AnalysisSet::with_external(&prepared.input.analyses, topology, external, &cell).expect("valid");
            let mut draws = Draws::new(1, Stream::Build, 0);
            for k in 0..if wanted_dynamics(system) { 220 } else { 20 } {
                let shaken = |r: &DVec3| *r + 0.004 * DVec3::new(draws.normal(), draws.normal(), draws.normal());
                let positions: Vec<DVec3> = prepared.state.positions.iter().map(shaken).collect();
                let frame = Frame::new(k, 0.1 * k as f64, &cell, &positions);
                set.sample(&frame).expect("good frame");
            }
            let mut measured: Vec<(String, String)> =
                set.finish().into_iter().flat_map(|r| r.values).map(|q| (q.id, q.unit)).collect();
            let mut of_the_log = |id: &str, unit: &str| measured.push((id.to_string(), unit.to_string()));
            of_the_log("temperature", "K");
            of_the_log("pressure", "bar");
            if prepared.input.dynamics.barostat.is_some() {
                of_the_log("density", "g/cm3");
            }
            if (0..topology.molecules.len()).all(|m| topology.species_of(m).is_water) {
                of_the_log("potential_energy_per_water", "kJ/mol");
            } else if topology.species.len() == 1 {
                of_the_log("potential_energy_per_molecule", "kJ/mol");
            }
            for electrode in prepared.system.external.electrodes.iter().flat_map(|e| &e.electrodes) {
                of_the_log(&format!("electrode_charge({})", electrode.name), "e");
            }
            for r in &system.references {
                let is_it = |id: &str| *id == r.quantity || r.trend.is_some() && expected::change_of(id) == r.quantity;
                let found = measured.iter().find(|(id, _)| is_it(id));
                let (_, unit) = found.unwrap_or_else(|| panic!("{name} cannot measure {}", r.quantity));
                assert_eq!(*unit, r.unit, "{name}: {}", r.quantity);
            }
        }
    }

    #[test]
    fn a_trend_is_judged_between_two_systems_and_only_beyond_its_error() {
        let text = "case = \"c\"\ntitle = \"t\"\n[[system]]\nname = \"dense\"\ninput = \"i\"\nreference = []\n[[system.trend]]\n\
                    quantity = \"peak\"\nlabel = \"peak\"\nfrom = \"dilute\"\nchange = \"falls\"\nunit = \"nm\"\nstatus = \"verified\"\ncitation = \"s\"\n";
        let case = expected::parse("expected.toml", text).expect("readable");
        let references = &case.systems[0].references;
        let peak = |value: f64, error: Option<f64>| {
            vec![Quantity { id: "peak".into(), label: "peak".into(), value, error, blocks: None, unit: "nm".into() }]
        };
        let verdict = |dense: f64, dilute: Option<f64>, error: Option<f64>| {
            let (mut measured, other) = (peak(dense, error), dilute.map(|v| peak(v, error)));
            measured.extend(changes(references, &measured, |from| other.as_ref().filter(|_| from == "dilute")));
            let rows = verdict::judge("c", "dense", references, &measured, &[]).expect("units agree");
            text::verdict_table(&rows);
            rows[0].verdict
        };
        let error = Some(0.001);
        assert_eq!(verdict(0.205, Some(0.210), error), verdict::Verdict::Pass);
        assert_eq!(verdict(0.215, Some(0.210), error), verdict::Verdict::Fail);
        assert_eq!(verdict(0.208, Some(0.210), error), verdict::Verdict::Inconclusive);
        assert_eq!(verdict(0.205, Some(0.210), None), verdict::Verdict::Inconclusive);
        assert_eq!(verdict(0.205, None, error), verdict::Verdict::NotApplicable);
    }

    fn wanted_dynamics(system: &CaseSystem) -> bool {
        system.references.iter().any(|r| r.quantity.starts_with("diffusion"))
    }
}
