//! GROMACS topologies: `.top` and the `.itp` files it includes, in ([`read_topology`]) and out ([`to_top`]).
//!
//! [`preprocess`] makes logical lines of files, [`parse`] makes rows of lines, [`molecule`] and [`nonbonded`] fill in
//! what the force field's tables say, [`matching`] sets the result beside a structure. The rules are those of `grompp`;
//! what cannot be run is an error that names directive, file and line, and nothing is left out silently.
//!
//! Format: <https://manual.gromacs.org/current/reference-manual/topologies/topology-file-formats.html>

mod bonded_types;
mod directive;
mod elements;
mod export;
mod functions;
mod matching;
mod molecule;
mod nonbonded;
mod parse;
mod preprocess;
mod records;
mod single;
mod source;

pub use export::{ExportError, to_top};
pub use matching::{MatchError, Matched};
pub use single::{Rules, SingleMolecule, read_molecule};

use crate::io::input::Fault;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairTable;
use crate::suggest::nearest;
use crate::system::topology::Species;
use glam::DVec3;
use molecule::{Context, types_of};
use nonbonded::Nonbonded;
use parse::Records;
use preprocess::Preprocessor;
use source::Sources;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is wrong with a topology, with file, line and caret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct TopologyError(pub Box<Fault>);

/// A topology with everything looked up: what a structure is needed for is all that is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct GromacsTopology {
    /// The file, for messages.
    pub source: String,
    /// The line below `[ system ]`.
    pub title: String,
    /// Names of the atom types that are used, in the order of `[ atomtypes ]`.
    pub types: Vec<String>,
    pub pair_table: PairTable,
    /// Combination rule of pairs that are not given explicitly.
    pub mixing: Mixing,
    /// The molecules that are used, in the order of `[ molecules ]`.
    pub species: Vec<Species>,
    /// (species, number of molecules), as `[ molecules ]` lists them.
    pub counts: Vec<(u32, u64)>,
    /// By species: local index of a restrained atom and its force constants (kJ/mol/nm²).
    pub restraints: Vec<Vec<(u32, DVec3)>>,
    pub warnings: Vec<String>,
}

/// Reads a topology and everything it includes.
///
/// * `include` – folders to search besides that of the including file, GMXLIB and GROMACS's own
/// * `define` – `NAME` or `NAME=value`, as `#define` would
///
/// # Errors
/// The first fault: what is malformed, unknown, inconsistent or not supported.
pub fn read_topology(path: &Path, include: &[PathBuf], define: &[String]) -> Result<GromacsTopology, TopologyError> {
    let (records, sources) = parse::parse(Preprocessor::open(path, include, define)?)?;
    let mut topology = assemble(path, &records, &sources)?;
    topology.warnings.extend(records.unused_defines.iter().map(unused_define));
    Ok(topology)
}

/// What to say about a name that was defined in vain, and about the one that was meant, perhaps.
pub fn unused_define((name, meant): &(String, Option<String>)) -> String {
    let meant = meant.as_ref().map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
    format!("`define` names {name}, which the topology does not use{meant}")
}

fn assemble(path: &Path, records: &Records, sources: &Sources) -> Result<GromacsTopology, TopologyError> {
    let index: HashMap<&str, usize> = records.molecule_types.iter().map(|m| m.name.as_str()).zip(0..).collect();
    // molecule types in the order of their first use
    let mut used: Vec<usize> = Vec::new();
    let mut counts = Vec::new();
    for row in &records.molecules {
        let Some(found) = index.get(row.name.as_str()).copied().or_else(|| other_case(records, &row.name)) else {
            let known = || records.molecule_types.iter().map(|m| m.name.as_str());
            let help = match nearest(&row.name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add its [ moleculetype ], or include the file that holds it".to_string(),
            };
            let message = format!("there is no molecule `{}`", row.name);
            return Err(sources.fault_at(row.place, (&row.name, 0), message, help));
        };
        let species = used.iter().position(|&u| u == found).unwrap_or_else(|| {
            used.push(found);
            used.len() - 1
        });
        counts.push((species as u32, row.count));
    }

    let mut type_used = vec![false; records.atom_types.len()];
    for &m in &used {
        for t in types_of(records, sources, &records.molecule_types[m])? {
            type_used[t] = true;
        }
    }
    let types: Vec<usize> = (0..records.atom_types.len()).filter(|&t| type_used[t]).collect();
    let Some(defaults) = records.defaults else { unreachable!("the parser insists on [ defaults ]") };
    let context = Context {
        records,
        sources,
        nonbonded: Nonbonded::new(defaults, records),
        type_ids: types.iter().copied().zip(0..).collect(),
    };
    let mut warnings = records.warnings.clone();
    let (mut species, mut restraints) = (Vec::new(), Vec::new());
    for &m in &used {
        let made = context.molecule(&records.molecule_types[m])?;
        species.push(made.species);
        restraints.push(made.restraints);
        warnings.extend(made.warnings);
    }
    Ok(GromacsTopology {
        source: path.display().to_string(),
        title: records.title.clone(),
        types: types.iter().map(|&t| records.atom_types[t].name.clone()).collect(),
        pair_table: context.nonbonded.table(&types),
        mixing: context.nonbonded.mixing(),
        species,
        counts,
        restraints,
        warnings,
    })
}

/// The one molecule whose name differs in case only, which `grompp` accepts.
fn other_case(records: &Records, name: &str) -> Option<usize> {
    let mut found =
        (0..records.molecule_types.len()).filter(|&m| records.molecule_types[m].name.eq_ignore_ascii_case(name));
    found.next().filter(|_| found.next().is_none())
}
