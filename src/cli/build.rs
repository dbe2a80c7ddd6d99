//! `hexaqua build`: composition → structure and topology, with everything worth knowing about it printed.

use super::prepare;
use super::{CliError, InputArgs};
use crate::forcefield;
use crate::io::{gromacs, output, structure};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Write the structure (GROMACS .gro)
    #[arg(long, value_name = "FILE.gro")]
    out: Option<PathBuf>,
    /// Write a self-contained GROMACS topology, which GROMACS and OpenMM read
    #[arg(long, value_name = "FILE.top")]
    top: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let prepared = prepare::prepare_file(&args.input)?;
    say!("{}\n", prepared.input.title);
    say!("{}", prepared.composition);
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
            Some((path, text))
        }
        None => None,
    };
    if let Some(path) = &args.out {
        structure::write_gro(path, &prepared.system.topology, &prepared.state, &prepared.input.title)
            .map_err(CliError::run)?;
        say!("\nwrote {}", path.display());
    }
    if let Some((path, text)) = top {
        output::write_atomic(path, text.as_bytes()).map_err(CliError::run)?;
        say!("wrote {}", path.display());
    }
    Ok(())
}
