//! `hexaqua build`: composition → structure and topology, with everything worth knowing about it printed.

use super::prepare;
use super::{CliError, InputArgs};
use crate::forcefield;
use crate::io::{gro, gromacs, output, structure};
use crate::system::System;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Write the structure (GROMACS .gro)
    #[arg(long, value_name = "FILE.gro")]
    out: Option<PathBuf>,
    /// Decimals of the coordinates (nm); readers that know fixed columns only, OpenMM's among them, need 3
    #[arg(long, value_name = "N", default_value_t = gro::DECIMALS, value_parser = decimals)]
    decimals: usize,
    /// Write a self-contained GROMACS topology, which GROMACS and OpenMM read
    #[arg(long, value_name = "FILE.top")]
    top: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let prepared = prepare::prepare_file(&args.input)?;
    say!("{}\n", prepared.input.title);
    say!("{}", prepared.composition);
    prepared.layers.iter().for_each(|line| say!("{line}"));
    if !prepared.layers.is_empty() {
        say!("");
    }
    say!("{}", forcefield::pair_table_text(&prepared.assembled));
    for p in &prepared.assembled.provenance {
        say!("{}: {} — {}. {}", p.species, p.model, p.title, p.source);
    }
    for warning in &prepared.warnings {
        warn!("warning: {warning}");
    }
    // nothing is written before it is known that everything can be
    let top = match &args.top {
        Some(path) => {
            let text = gromacs::to_top(&prepared.system, &prepared.input.title).map_err(CliError::input)?;
            not_in_a_topology(&prepared.system).iter().for_each(|what| {
                warn!("warning: {} does not hold {what}: set it up in the program that reads the file", path.display());
            });
            Some((path, text))
        }
        None => None,
    };
    if let Some(path) = &args.out {
        let (topology, title) = (&prepared.system.topology, &prepared.input.title);
        structure::write_gro_with_decimals(path, topology, &prepared.state, title, args.decimals)
            .map_err(CliError::run)?;
        say!("\nwrote {}", path.display());
    }
    if let Some((path, text)) = top {
        output::write_atomic(path, text.as_bytes()).map_err(CliError::run)?;
        say!("wrote {}", path.display());
    }
    Ok(())
}

/// What the format of topologies has no words for.
fn not_in_a_topology(system: &System) -> Vec<String> {
    let frozen = system.topology.frozen.iter().filter(|f| **f).count();
    let frozen = (frozen > 0).then(|| format!("that {frozen} atoms are frozen (freezegrps)"));
    let external = system.external.terms().into_iter().map(String::from);
    frozen.into_iter().chain(external).collect()
}

/// What the columns of a .gro file have room for.
fn decimals(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=12) => Ok(n),
        _ => Err("a number of decimals from 1 to 12 is needed".to_string()),
    }
}
