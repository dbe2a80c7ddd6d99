//! `hexaqua validate`: cases against literature and other engines.

use super::outcome;
use super::prepare;
use super::records;
use super::simulate::simulate;
use super::{BackendChoice, CliError};
use crate::analysis::Quantity;
use crate::io::{expected, input};
use crate::report::{VerdictRow, text, verdict};
use crate::system::expected::{CaseSystem, Reference};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cases to run, e.g. `zn-hydration`, `zn-peaks` or one system `zn-peaks/spce/li-merz-cm` [default: all]
    cases: Vec<String>,
    #[arg(long, value_enum, default_value = "auto")]
    backend: BackendChoice,
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
const INPUTS: [(&str, &str); 10] = [
    ("validation/spce-water/input.toml", include_str!("../../validation/spce-water/input.toml")),
    ("validation/zn-electrolytes/znso4-3m.toml", include_str!("../../validation/zn-electrolytes/znso4-3m.toml")),
    ("inputs/znso4-1m.toml", include_str!("../../inputs/znso4-1m.toml")),
    ("inputs/znso4-4m.toml", include_str!("../../inputs/znso4-4m.toml")),
    ("inputs/znotf2-2m.toml", include_str!("../../inputs/znotf2-2m.toml")),
    ("inputs/znotf2-2m-ide.toml", include_str!("../../inputs/znotf2-2m-ide.toml")),
    ("inputs/zn-hydration.toml", include_str!("../../inputs/zn-hydration.toml")),
    ("validation/zn-peaks/input.toml", include_str!("../../validation/zn-peaks/input.toml")),
    ("validation/density/spce.toml", include_str!("../../validation/density/spce.toml")),
    ("validation/density/znso4-1m.toml", include_str!("../../validation/density/znso4-1m.toml")),
];

pub fn run(args: &Args) -> Result<(), CliError> {
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
    for (case, system, name) in full_names().filter(|(_, s, name)| wanted(name, s.long)) {
        let started = Instant::now();
        let (references, measured, device) = measure(&name, system, &overrides, args.backend)?;
        let judged = verdict::judge(&case.name, &references, &measured).map_err(CliError::run)?;
        if !args.json {
            say!("{name}\n{}", text::verdict_table(&judged));
        }
        if let Some(dir) = &args.record {
            let minutes = started.elapsed().as_secs_f64() / 60.0;
            records::keep(dir, &name, &device, minutes, &judged).map_err(CliError::run)?;
        }
        rows.extend(judged);
    }
    if let Some(dir) = &args.record {
        let page = records::write_page(dir, &cases).map_err(CliError::run)?;
        say!("results: {}", page.display());
    }
    if args.json {
        say!("{:#}", verdict::to_json(&rows));
    } else {
        say!("{}", verdict::tally(&rows));
    }
    let failed = rows.iter().filter(|r| r.verdict == verdict::Verdict::Fail).count();
    if failed > 0 { Err(CliError::Verdict(failed)) } else { Ok(()) }
}

/// Runs one system of a case; `asked` overrides keys of its input, also those that the system sets. Returns the references, that of the
/// temperature at the set point, what was measured, and the device.
fn measure(
    name: &str,
    system: &CaseSystem,
    asked: &[(String, String)],
    backend: BackendChoice,
) -> Result<(Vec<Reference>, Vec<Quantity>, String), CliError> {
    let prepared = prepare_case(name, system, asked)?;
    let backend = prepare::backend(backend, &prepared.system)?;
    let references = outcome::references_of(system, &prepared.input);
    let device = format!("{}, {}", backend.name(), backend.device());
    Ok((references, simulate(name, &prepared, backend)?, device))
}

/// The system of a case, built from its input.
fn prepare_case(name: &str, system: &CaseSystem, asked: &[(String, String)]) -> Result<prepare::Prepared, CliError> {
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
    overrides.extend_from_slice(asked);
    let located = input::parse_located(text, &system.input, Path::new("."), &overrides);
    let (input, locations) = located.map_err(if asked.is_empty() { CliError::run } else { CliError::input })?;
    prepare::prepare(input, &locations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::AnalysisSet;
    use crate::random::{Draws, Stream};
    use crate::system::Frame;
    use glam::DVec3;
    use std::collections::BTreeSet;

    /// A misspelled id, or an analysis that an input lost, would leave a reference without a value. The start of every case, shaken for some
    /// picoseconds, shows what its analyses hand out.
    #[test]
    fn every_reference_is_of_something_its_input_measures() {
        let cases = expected::built_in().expect("readable");
        let mut seen = BTreeSet::new();
        for (case, system) in cases.iter().flat_map(|c| c.systems.iter().map(move |s| (c, s))) {
            let wanted: Vec<&str> = system.references.iter().map(|r| r.quantity.as_str()).collect();
            if !seen.insert((system.input.clone(), wanted)) {
                continue;
            }
            let name = format!("{}/{}", case.name, system.name);
            let prepared = prepare_case(&name, system, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (topology, cell) = (&prepared.system.topology, prepared.state.cell);
            let mut set = AnalysisSet::new(&prepared.input.analyses, topology, &cell).expect("valid");
            let mut draws = Draws::new(1, Stream::Build, 0);
            for k in 0..if wanted_dynamics(system) { 220 } else { 20 } {
                let shaken = |r: &DVec3| *r + 0.004 * DVec3::new(draws.normal(), draws.normal(), draws.normal());
                let positions: Vec<DVec3> = prepared.state.positions.iter().map(shaken).collect();
                let frame = Frame { step: k, time: 0.1 * k as f64, cell: &cell, positions: &positions };
                set.sample(&frame).expect("good frame");
            }
            let mut measured: Vec<(String, String)> =
                set.finish().into_iter().flat_map(|r| r.values).map(|q| (q.id, q.unit)).collect();
            let mut of_the_log = |id: &str, unit: &str| measured.push((id.to_string(), unit.to_string()));
            of_the_log("temperature", "K");
            if prepared.input.dynamics.barostat.is_some() {
                of_the_log("density", "g/cm3");
            }
            if (0..topology.molecules.len()).all(|m| topology.species_of(m).is_water) {
                of_the_log("potential_energy_per_water", "kJ/mol");
            }
            for r in &system.references {
                let found = measured.iter().find(|(id, _)| *id == r.quantity);
                let (_, unit) = found.unwrap_or_else(|| panic!("{name} cannot measure {}", r.quantity));
                assert_eq!(*unit, r.unit, "{name}: {}", r.quantity);
            }
        }
    }

    fn wanted_dynamics(system: &CaseSystem) -> bool {
        system.references.iter().any(|r| r.quantity.starts_with("diffusion"))
    }
}
