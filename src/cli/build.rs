//! `hexaqua build`: composition → structure, with everything worth knowing about it printed.

use super::prepare;
use super::{CliError, InputArgs};
use crate::forcefield;
use crate::io::structure;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Write the structure (GROMACS .gro)
    #[arg(long, value_name = "FILE.gro")]
    out: Option<PathBuf>,
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
    if let Some(path) = &args.out {
        structure::write_gro(path, &prepared.system.topology, &prepared.state, &prepared.input.title)
            .map_err(CliError::run)?;
        say!("\nwrote {}", path.display());
    }
    Ok(())
}
