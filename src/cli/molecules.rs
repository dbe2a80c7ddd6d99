//! Molecules of the user's own: files that solutes of an input name.

use super::CliError;
use crate::forcefield::{FileMolecule, Library};
use crate::io::input::Locations;
use crate::system::spec::{MoleculeFile, SystemSpec};
use std::borrow::Cow;

/// The built-in library with the entries of every `toml` file that a solute names.
pub fn library(system: &SystemSpec, locations: &Locations) -> Result<Cow<'static, Library>, CliError> {
    let mut library = Cow::Borrowed(Library::builtin().map_err(CliError::run)?);
    let mut read = Vec::new();
    for (index, solute) in system.solutes.iter().enumerate() {
        let Some(MoleculeFile::Toml(path)) = &solute.file else { continue };
        if read.contains(path) {
            continue;
        }
        let at = |message: String| {
            CliError::input(locations.explain(&format!("system.solutes.{}.toml", index + 1), &message))
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| at(format!("{name} cannot be read: {e}")))?;
        let extended = library.extended(&[(&name, &text)]).map_err(|e| at(e.to_string()))?;
        library = Cow::Owned(extended);
        read.push(path.clone());
    }
    Ok(library)
}

/// Every molecule that a solute takes from an `itp` file.
pub fn from_files(system: &SystemSpec, locations: &Locations) -> Result<Vec<FileMolecule>, CliError> {
    let mut molecules = Vec::new();
    for (index, solute) in system.solutes.iter().enumerate() {
        let Some(MoleculeFile::Itp { .. }) = &solute.file else { continue };
        let key = format!("system.solutes.{}.itp", index + 1);
        return Err(CliError::input(locations.explain(&key, "GROMACS topologies cannot be imported yet")));
    }
    molecules.shrink_to_fit();
    Ok(molecules)
}
