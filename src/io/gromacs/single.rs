//! One molecule of an `.itp` file, without the `.top` around it.
//!
//! Such a file seldom says how its types mix: the caller does, with [`Rules`]. Everything else is read as in a topology.

use super::preprocess::Preprocessor;
use super::{GromacsTopology, TopologyError, assemble, parse};
use crate::io::input::{Fault, Location};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairOrigin;
use crate::system::topology::Species;
use std::path::Path;

/// What `[ defaults ]` would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Combination rule 3, 1-4 pairs times 0.5 and 0.5 (OPLS, CL&P, LigParGen).
    Opls,
    /// Combination rule 2, 1-4 pairs times 0.5 and 5/6 (AMBER, GAFF, acpype).
    Amber,
}

/// A molecule with the types that it uses.
#[derive(Debug, Clone, PartialEq)]
pub struct SingleMolecule {
    /// `type_id` counts `types`.
    pub species: Species,
    /// (name, σ nm, ε kJ/mol)
    pub types: Vec<(String, f64, f64)>,
    pub mixing: Mixing,
    pub warnings: Vec<String>,
}

/// Reads the first molecule of a file.
///
/// # Errors
/// What is wrong with the file; a file that is a whole topology; rules that are missing or there twice.
pub fn read_molecule(path: &Path, rules: Option<Rules>) -> Result<SingleMolecule, TopologyError> {
    let fault = |message: String, help: &str| {
        let location = Location { origin: path.display().to_string(), line: None };
        TopologyError(Box::new(Fault { message, help: Some(help.into()), location }))
    };
    let (mut name, mut has_defaults, mut directive) = (None, false, String::new());
    let mut lines = Preprocessor::open(path, &[], &[])?;
    while let Some(line) = lines.next_line()? {
        if let Some(inside) = line.text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            directive = inside.trim().to_lowercase();
            has_defaults |= directive == "defaults";
            if directive == "system" || directive == "molecules" {
                let help = "name it in [system] as topology = \"…\", beside a structure";
                return Err(fault(format!("[ {directive} ] makes this a whole topology, not one molecule"), help));
            }
        } else if directive == "moleculetype" && name.is_none() {
            name = line.text.split_whitespace().next().map(String::from);
        }
    }
    let Some(name) = name else {
        return Err(fault("there is no [ moleculetype ] in this file".into(), "give the .itp file of one molecule"));
    };
    let defaults = match (rules, has_defaults) {
        (None, true) => "",
        (Some(Rules::Opls), false) => "[ defaults ]\n1 3 yes 0.5 0.5\n",
        (Some(Rules::Amber), false) => "[ defaults ]\n1 2 yes 0.5 0.8333333333\n",
        (None, false) => {
            let help = "add rules = \"opls\" or rules = \"amber\" to the solute, or [ defaults ] to the file";
            return Err(fault("the file does not say how its types are mixed and its 1-4 pairs scaled".into(), help));
        }
        (Some(_), true) => return Err(fault("the file has [ defaults ] of its own".into(), "remove `rules`")),
    };
    let file = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
    let text = format!("{defaults}#include \"{file}\"\n[ system ]\n{name}\n[ molecules ]\n{name} 1\n");
    let (records, sources) = parse::parse(Preprocessor::around(path, &text)?)?;
    let GromacsTopology { types, pair_table, mixing, species, restraints, mut warnings, .. } =
        assemble(path, &records, &sources)?;
    if (0..types.len()).any(|a| (0..types.len()).any(|b| pair_table.origin(a, b) == PairOrigin::Explicit)) {
        let help = "import the whole system with a topology, whose pairs are taken as they stand";
        return Err(fault("[ nonbond_params ] of one molecule do not say how it meets the others".into(), help));
    }
    if restraints.iter().any(|r| !r.is_empty()) {
        warnings.push(format!("{file}: position restraints of a packed molecule are not used"));
    }
    let sigma_epsilon = |t: usize| {
        let k = pair_table.get(t, t);
        if k.c6 > 0.0 && k.c12 > 0.0 {
            ((k.c12 / k.c6).powf(1.0 / 6.0), k.c6 * k.c6 / (4.0 * k.c12))
        } else {
            (0.0, 0.0)
        }
    };
    let types = types.into_iter().enumerate().map(|(t, name)| (name, sigma_epsilon(t).0, sigma_epsilon(t).1)).collect();
    let Some(species) = species.into_iter().next() else {
        return Err(fault(format!("`{name}` has no atoms"), "give the .itp file of one molecule"));
    };
    Ok(SingleMolecule { species, types, mixing, warnings })
}
