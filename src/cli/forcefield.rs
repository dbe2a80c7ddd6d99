//! `hexaqua forcefield`: what is built in, with sources.

use super::CliError;
use crate::forcefield::Library;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A water model, an ion, a set or a surface; everything in short when left out
    name: Option<String>,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let library = Library::builtin().map_err(CliError::run)?;
    let text = match &args.name {
        None => library.list(),
        Some(name) => library.show(name).map_err(CliError::input)?,
    };
    say!("{text}");
    Ok(())
}
