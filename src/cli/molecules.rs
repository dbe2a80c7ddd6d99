//! Molecules of the user's own: files that solutes of an input name.

use super::CliError;
use crate::build;
use crate::forcefield::{FileMolecule, ForceFieldError, Library};
use crate::io::gromacs::{self, Rules, SingleMolecule};
use crate::io::input::Locations;
use crate::io::structure;
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
        // the library is sound: what is wrong is the file
        let extended = library.extended(&[(&name, &text)]).map_err(|e| match e {
            ForceFieldError::Broken(fault) => at(fault),
            other => at(other.to_string()),
        })?;
        library = Cow::Owned(extended);
        read.push(path.clone());
    }
    Ok(library)
}

/// Every molecule that a solute takes from an `itp` file.
pub fn from_files(system: &SystemSpec, locations: &Locations) -> Result<Vec<FileMolecule>, CliError> {
    let mut molecules: Vec<FileMolecule> = Vec::new();
    // names of `define` that no file uses
    let mut unused: Option<Vec<(String, Option<String>)>> = None;
    for (index, solute) in system.solutes.iter().enumerate() {
        let Some(MoleculeFile::Itp { topology, structure, rules }) = &solute.file else { continue };
        let at = |message: String| {
            CliError::input(locations.explain(&format!("system.solutes.{}.structure", index + 1), &message))
        };
        let rules = match rules.as_deref() {
            Some("opls") => Some(Rules::Opls),
            Some("amber") => Some(Rules::Amber),
            _ => None,
        };
        // The faults of a topology point into its own files.
        let read = gromacs::read_molecule(topology, &solute.name, rules).map_err(CliError::input)?;
        let SingleMolecule { mut species, types, mixing, mut warnings, unused_defines } = read;
        unused = Some(match unused {
            None => unused_defines,
            Some(before) => {
                before.into_iter().filter(|(name, _)| unused_defines.iter().any(|u| u.0 == *name)).collect()
            }
        });
        species.name.clone_from(&solute.name);
        let charge = species.charge();
        if (charge - charge.round()).abs() > 1e-4 {
            warnings.push(format!("the charges of {} sum to {charge:+.5} e, not to an integer", solute.name));
        }
        let geometry = match structure {
            None if species.atoms.len() == 1 => Vec::new(),
            None => {
                warnings.push(format!(
                    "the shape of {} is made from its bonded terms, which do not tell mirror images apart; structure = \"….gro\" gives it",
                    solute.name
                ));
                Vec::new()
            }
            Some(file) => {
                let read = structure::read_structure(file).map_err(|e| at(e.to_string()))?;
                let own = std::slice::from_ref(&species);
                let imported = build::from_structure(&read, own, |_, _| true).map_err(|e| at(e.to_string()))?;
                if imported.sequence.len() != 1 {
                    let n = imported.sequence.len();
                    return Err(at(format!(
                        "{} holds {n} molecules of {}, one is needed",
                        file.display(),
                        solute.name
                    )));
                }
                imported.positions
            }
        };
        let file = topology.path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        molecules.push(FileMolecule { solute: index, file, species, types, mixing, geometry, warnings });
    }
    if let Some(last) = molecules.last_mut() {
        last.warnings.extend(unused.iter().flatten().map(gromacs::unused_define));
    }
    Ok(molecules)
}
