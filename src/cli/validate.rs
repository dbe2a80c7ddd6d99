//! `hexaqua validate`: cases against literature and other engines.

use super::outcome;
use super::prepare;
use super::simulate::simulate;
use super::{BackendChoice, CliError};
use crate::analysis::Quantity;
use crate::io::{expected, input};
use crate::report::{VerdictRow, text, verdict};
use crate::system::expected::{CaseSystem, Reference};
use std::path::Path;

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
    /// Override a key of the cases' inputs, e.g. --set stage.production.duration="400 ps"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Inputs of the built-in cases, embedded so that the command works anywhere.
const INPUTS: [(&str, &str); 4] = [
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
        for (case, _, name) in full_names() {
            say!("{name:<40} {}", case.title);
        }
        return Ok(());
    }
    let wanted = |name: &str| {
        args.cases.is_empty()
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
    let mut rows: Vec<VerdictRow> = Vec::new();
    for (case, system, name) in full_names().filter(|(_, _, name)| wanted(name)) {
        let (references, measured) = measure(&name, system, &overrides, args.backend)?;
        let judged = verdict::judge(&case.name, &references, &measured).map_err(CliError::run)?;
        if !args.json {
            say!("{name}\n{}", text::verdict_table(&judged));
        }
        rows.extend(judged);
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
/// temperature at the set point, and what was measured.
fn measure(
    name: &str,
    system: &CaseSystem,
    asked: &[(String, String)],
    backend: BackendChoice,
) -> Result<(Vec<Reference>, Vec<Quantity>), CliError> {
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
    let prepared = prepare::prepare(input, &locations)?;
    let backend = prepare::backend(backend, &prepared.system)?;
    let references = outcome::references_of(system, &prepared.input);
    Ok((references, simulate(name, &prepared, backend)?))
}
