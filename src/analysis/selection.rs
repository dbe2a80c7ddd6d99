//! Naming groups of atoms: `Zn2+`, `OW`, `element O`, `OW of SPC/E`, `OW or Cl-`.
//!
//! A plain word is tried as species name, atom name, residue name and type name, in this order; the first that
//! exists wins. The keywords `species`, `name`, `residue`, `type` and `element` fix the meaning, `water` is every atom of the
//! solvent, `… of S` keeps the atoms of species or residue S, and `… or …` joins. Massless sites belong to a
//! selection only when their atom or type name is given.

use super::AnalysisError;
use crate::system::Topology;
use crate::system::topology::{Species, SpeciesAtom};

/// Atoms that match `selection`, ascending and without repetition; never empty.
pub fn select(selection: &str, topology: &Topology) -> Result<Vec<u32>, AnalysisError> {
    let unknown = |word: &str| AnalysisError::UnknownSelection {
        selection: selection.to_string(),
        nearest: nearest(word, topology),
        available: available(topology),
    };
    // For every species, which of its atoms are wanted.
    let mut wanted: Vec<Vec<bool>> = topology.species.iter().map(|s| vec![false; s.atoms.len()]).collect();
    let counts = topology.species_counts();
    for term in selection.split(" or ").map(str::trim) {
        // A name may itself hold " of ", so the whole term is tried first.
        let plain = matcher(term, topology).map(|m| (m, None));
        let matched = match (plain, term.rsplit_once(" of ")) {
            (Some(found), _) => Some(found),
            (None, Some((what, owner))) => {
                let owner = owner.trim();
                if !topology.species.iter().any(|s| s.name == owner || s.residue == owner) {
                    return Err(unknown(owner));
                }
                matcher(what.trim(), topology).map(|m| (m, Some(owner)))
            }
            (None, None) => None,
        };
        let Some((matcher, owner)) = matched else {
            return Err(unknown(term));
        };
        let mut any = false;
        for ((species, &count), wanted) in topology.species.iter().zip(&counts).zip(&mut wanted) {
            if count == 0 || owner.is_some_and(|o| species.name != o && species.residue != o) {
                continue;
            }
            for (atom, wanted) in species.atoms.iter().zip(wanted) {
                if matcher.matches(species, atom, topology) {
                    *wanted = true;
                    any = true;
                }
            }
        }
        if !any {
            return Err(unknown(term));
        }
    }
    let mut atoms = Vec::new();
    for molecule in &topology.molecules {
        let picked = wanted[molecule.species as usize].iter().enumerate().filter(|&(_, &w)| w);
        atoms.extend(picked.map(|(local, _)| molecule.first_atom + local as u32));
    }
    Ok(atoms)
}

/// How many atoms two ascending selections share.
pub fn n_common(a: &[u32], b: &[u32]) -> usize {
    a.iter().filter(|i| b.binary_search(i).is_ok()).count()
}

enum Matcher<'a> {
    Species(&'a str),
    Name(&'a str),
    Residue(&'a str),
    Type(&'a str),
    Element(&'a str),
    Water,
}

impl Matcher<'_> {
    fn matches(&self, species: &Species, atom: &SpeciesAtom, topology: &Topology) -> bool {
        let massive = atom.mass > 0.0;
        match *self {
            Matcher::Species(name) => massive && species.name == name,
            Matcher::Residue(name) => massive && species.residue == name,
            Matcher::Water => massive && species.is_water,
            Matcher::Element(element) => massive && atom.element == element,
            Matcher::Name(name) => atom.name == name,
            Matcher::Type(name) => topology.types.get(atom.type_id as usize).is_some_and(|t| t == name),
        }
    }
}

/// The meaning of a term without `of`, if the topology has such a thing.
fn matcher<'a>(term: &'a str, topology: &Topology) -> Option<Matcher<'a>> {
    let keyword = |word: &str| term.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')).map(str::trim);
    let exists = |m: &Matcher| topology.species.iter().any(|s| s.atoms.iter().any(|a| m.matches(s, a, topology)));
    let fixed = [
        keyword("species").map(Matcher::Species),
        keyword("name").map(Matcher::Name),
        keyword("residue").map(Matcher::Residue),
        keyword("type").map(Matcher::Type),
        keyword("element").map(Matcher::Element),
    ];
    let plain = [Matcher::Species(term), Matcher::Name(term), Matcher::Residue(term), Matcher::Type(term)]
        .into_iter()
        .map(Some);
    let water = (term == "water").then_some(Matcher::Water);
    plain.chain(fixed).chain([water]).flatten().find(exists)
}

/// Names a user may write, without repetition, in the order of the topology.
fn vocabulary(topology: &Topology) -> [Vec<String>; 3] {
    let [mut species, mut names, mut elements] = [Vec::new(), Vec::new(), Vec::new()];
    let push = |list: &mut Vec<String>, name: &str| {
        if !name.is_empty() && !list.iter().any(|n| n == name) {
            list.push(name.to_string());
        }
    };
    for (s, count) in topology.species.iter().zip(topology.species_counts()) {
        if count > 0 {
            push(&mut species, &s.name);
            for atom in &s.atoms {
                push(&mut names, &atom.name);
                push(&mut elements, &atom.element);
            }
        }
    }
    [species, names, elements]
}

fn available(topology: &Topology) -> String {
    let [species, names, elements] = vocabulary(topology).map(|list| list.join(", "));
    format!("this system has the species {species}; the atom names {names}; the elements {elements} (as \"element O\")")
}

fn nearest(word: &str, topology: &Topology) -> Option<String> {
    let bare = word.split_whitespace().last().unwrap_or(word);
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &bare.to_lowercase());
    let [species, names, elements] = vocabulary(topology);
    let candidates = species.into_iter().chain(names).map(|n| (distance(&n), n));
    // "O" is more likely meant as an element than as a misspelt atom name.
    let element = elements.into_iter().find(|e| e.eq_ignore_ascii_case(bare)).map(|e| (0, format!("element {e}")));
    let limit = bare.chars().count().div_ceil(2).max(1);
    candidates.chain(element).filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, name)| name)
}
