//! One molecule of an `.itp` file, without the `.top` around it.
//!
//! Such a file seldom says how its types mix: the caller does, with [`Rules`]. Everything else is read as in a topology.

use super::preprocess::Preprocessor;
use super::records::{AtomType, CombinationRule};
use super::{GromacsTopology, TopologyError, assemble, parse};
use crate::forcefield::{FileType, LjTerms};
use crate::io::input::{Fault, Location};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairOrigin;
use crate::system::spec::TopologySpec;
use crate::system::topology::Species;

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
    pub types: Vec<FileType>,
    pub mixing: Mixing,
    pub warnings: Vec<String>,
    /// Names that were defined in vain, each with the one that was meant, perhaps.
    pub unused_defines: Vec<(String, Option<String>)>,
}

/// Reads the molecule of a file that is called `wanted`, or the only one.
///
/// # Errors
/// What is wrong with the file; a file that is a whole topology; several molecules of other names; rules that are missing
/// or there twice.
pub fn read_molecule(
    TopologySpec { path, include, define }: &TopologySpec,
    wanted: &str,
    rules: Option<Rules>,
) -> Result<SingleMolecule, TopologyError> {
    let fault = |message: String, help: &str| {
        let location = Location { origin: path.display().to_string(), line: None };
        TopologyError(Box::new(Fault { message, help: Some(help.into()), location }))
    };
    let (mut names, mut has_defaults, mut directive) = (Vec::new(), false, String::new());
    let mut lines = Preprocessor::open(path, include, define)?;
    while let Some(line) = lines.next_line()? {
        if let Some(inside) = line.text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            directive = inside.trim().to_lowercase();
            has_defaults |= directive == "defaults";
            if directive == "system" || directive == "molecules" {
                let help = "name it in [system] as topology = \"…\", beside a structure";
                return Err(fault(format!("[ {directive} ] makes this a whole topology, not one molecule"), help));
            }
        } else if directive == "moleculetype" {
            names.extend(line.text.split_whitespace().next().map(String::from));
        }
    }
    let called = |same: &dyn Fn(&str) -> bool| names.iter().find(|n| same(n)).cloned();
    let named = called(&|n| n == wanted).or_else(|| called(&|n| n.eq_ignore_ascii_case(wanted)));
    let name = match (named, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only.clone(),
        (None, []) => {
            return Err(fault(
                "there is no [ moleculetype ] in this file".into(),
                "give the .itp file of one molecule",
            ));
        }
        (None, _) => {
            let help = format!("give the solute the name of one of them: {}", names.join(", "));
            return Err(fault(
                format!("this file holds {} molecules, and none is called `{wanted}`", names.len()),
                &help,
            ));
        }
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
    let (records, sources) = parse::parse(Preprocessor::around(path, &text, include, define)?)?;
    let GromacsTopology { types, pair_table, mixing, species, restraints, mut warnings, .. } =
        assemble(path, &records, &sources)?;
    if (0..types.len()).any(|a| (0..types.len()).any(|b| pair_table.origin(a, b) == PairOrigin::Explicit)) {
        let help = "import the whole system with a topology, whose pairs are taken as they stand";
        return Err(fault("[ nonbond_params ] of one molecule do not say how it meets the others".into(), help));
    }
    if restraints.iter().any(|r| !r.is_empty()) {
        warnings.push(format!("{file}: position restraints of a packed molecule are not used"));
    }
    let rule = records.defaults.map_or(CombinationRule::LorentzBerthelot, |d| d.rule);
    let row = |name: &String| records.atom_type_index.get(name).map(|&t| &records.atom_types[t]);
    let mut own = Vec::new();
    for atom_type in types.iter().filter_map(row) {
        let Some(found) = file_type(atom_type, rule) else {
            let message = format!("the type {} attracts (c6 = {}) and does not repel", atom_type.name, atom_type.v);
            return Err(sources.fault(atom_type.place, "", message, "give its c12"));
        };
        own.push(found);
    }
    let Some(species) = species.into_iter().next() else {
        return Err(fault(format!("`{name}` has no atoms"), "give the .itp file of one molecule"));
    };
    Ok(SingleMolecule { species, types: own, mixing, warnings, unused_defines: records.unused_defines })
}

/// What a row of `[ atomtypes ]` says in σ and ε; `None` for an attraction without a repulsion.
fn file_type(row: &AtomType, rule: CombinationRule) -> Option<FileType> {
    let (v, w) = (row.v, row.w);
    let (sigma, epsilon, terms) = match rule {
        // GROMACS: a negative σ means a repulsion alone
        CombinationRule::LorentzBerthelot | CombinationRule::GeometricSigmaEpsilon => {
            (v.abs(), w, if v < 0.0 { LjTerms::Repulsion } else { LjTerms::Both })
        }
        CombinationRule::GeometricC6C12 if v > 0.0 && w > 0.0 => {
            ((w / v).powf(1.0 / 6.0), v * v / (4.0 * w), LjTerms::Both)
        }
        // any σ gives the same geometric means of c12: this one is 1 nm
        CombinationRule::GeometricC6C12 if w > 0.0 => (1.0, w / 4.0, LjTerms::RepulsionWithoutSigma),
        CombinationRule::GeometricC6C12 if v > 0.0 => return None,
        CombinationRule::GeometricC6C12 => (0.0, 0.0, LjTerms::Both),
    };
    Some(FileType { name: row.name.clone(), sigma, epsilon, terms })
}
