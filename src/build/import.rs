//! Molecules recognised in a structure file.
//!
//! Reads the file's atoms in order and matches them against species by residue name, atom names and elements. Knows
//! names and geometry; which other residue names mean the same species is told by the caller.

use super::overlap::{Overlap, find_overlap};
use super::whole::make_whole;
use crate::system::topology::Species;
use crate::system::{Structure, Topology};
use glam::DVec3;

/// Atoms closer than this are a mistake in the file, nm.
pub const OVERLAP: f64 = 0.05;
/// Deviation of a rigid water from its model that rounding and another model's geometry explain, nm.
const GEOMETRY_TOLERANCE: f64 = 0.02;

/// A structure as molecules.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Species of every molecule, as [`Topology::new`] takes it.
    pub sequence: Vec<u32>,
    /// `[n_atoms]`, nm, molecules whole
    pub positions: Vec<DVec3>,
    /// `[n_atoms]`, nm/ps
    pub velocities: Option<Vec<DVec3>>,
}

/// Why a structure does not fit the species.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportError {
    #[error("{file}: {atom} belongs to none of the species {}; name the missing one in [system] or rename the residue", .known.join(", "))]
    UnknownResidue { file: String, atom: String, known: Vec<String> },
    #[error("{file}: {atom} starts a molecule with atoms {found}, but {species} is {expected}")]
    Mismatch { file: String, atom: String, species: String, found: String, expected: String },
    #[error(
        "{file}: {first} and {second} are {distance:.4} nm apart, closer than {OVERLAP} nm: remove the duplicate or minimise the structure first"
    )]
    Overlap { file: String, first: String, second: String, distance: f64 },
    #[error(
        "{file}: {first} and {second} are {distance:.4} nm apart in a rigid {species}, whose model has {expected:.4} nm"
    )]
    Geometry { file: String, first: String, second: String, species: String, distance: f64, expected: f64 },
}

/// Recognises molecules in file order, makes them whole and looks for overlaps.
///
/// * `same` – does this residue name of the file mean this species? Its own residue name and name always do.
///
/// Where several species fit, the one whose atom names match exactly is taken, else the first in the list. A file
/// without residue names is matched by atoms alone.
pub fn from_structure(
    structure: &Structure,
    species: &[Species],
    same: impl Fn(&Species, &str) -> bool,
) -> Result<Imported, ImportError> {
    let file = &structure.source;
    let mut sequence = Vec::new();
    let mut i = 0;
    while i < structure.n_atoms() {
        let residue = structure.residue_names[i].as_str();
        let named: Vec<usize> = (0..species.len())
            .filter(|&s| {
                let s = &species[s];
                let own = residue.eq_ignore_ascii_case(&s.residue) || residue.eq_ignore_ascii_case(&s.name);
                !s.atoms.is_empty() && (residue.is_empty() || own || same(s, residue))
            })
            .collect();
        let length = residue_length(structure, i);
        let best = |fit: fn(&Species, &[String]) -> bool| {
            named.iter().copied().find(|&s| {
                let n = species[s].atoms.len();
                // Several molecules in a row may share a number; a file without residues says nothing about their ends.
                (length.is_multiple_of(n) || (residue.is_empty() && length >= n))
                    && fit(&species[s], &structure.names[i..i + n])
            })
        };
        let Some(found) = best(same_names).or_else(|| best(same_elements)) else {
            let atom = structure.describe_atom(i);
            let Some(&nearest) = named.first() else {
                let known = species.iter().map(|s| format!("{} ({})", s.name, s.residue)).collect();
                return Err(ImportError::UnknownResidue { file: file.clone(), atom, known });
            };
            let nearest = &species[nearest];
            let expected: Vec<&str> = nearest.atoms.iter().map(|a| a.name.as_str()).collect();
            let shown = if residue.is_empty() { expected.len().min(length) } else { length.min(expected.len() + 3) };
            let dots = if shown < length && !residue.is_empty() { " …" } else { "" };
            return Err(ImportError::Mismatch {
                file: file.clone(),
                atom,
                species: nearest.name.clone(),
                found: structure.names[i..i + shown].join(" ") + dots,
                expected: expected.join(" "),
            });
        };
        sequence.push(found as u32);
        i += species[found].atoms.len();
    }

    let topology = Topology::new(Vec::new(), species.to_vec(), &sequence);
    let positions = sound_positions(structure, &topology)?;
    Ok(Imported { sequence, positions, velocities: structure.velocities.clone() })
}

/// The positions of a structure with molecules whole, if no atoms overlap and rigid waters have their shape.
///
/// * `topology` – who the atoms of `structure` are
/// * returns `[n_atoms]`, nm
pub fn sound_positions(structure: &Structure, topology: &Topology) -> Result<Vec<DVec3>, ImportError> {
    let file = &structure.source;
    let mut positions = structure.positions.clone();
    make_whole(topology, &structure.cell, &mut positions);
    if let Some(Overlap { i, j, distance }) = find_overlap(topology, &structure.cell, &positions, OVERLAP) {
        let (first, second) = (structure.describe_atom(i), structure.describe_atom(j));
        return Err(ImportError::Overlap { file: file.clone(), first, second, distance });
    }
    for (oxygen, water) in topology.rigid_waters() {
        for (a, b, expected) in [(0, 1, water.d_oh), (0, 2, water.d_oh), (1, 2, water.d_hh)] {
            let (a, b) = (oxygen + a, oxygen + b);
            let distance = structure.cell.minimum_image(positions[a] - positions[b]).length();
            if (distance - expected).abs() > GEOMETRY_TOLERANCE {
                let (first, second) = (structure.describe_atom(a), structure.describe_atom(b));
                let species = topology.site(a).0.name.clone();
                return Err(ImportError::Geometry { file: file.clone(), first, second, species, distance, expected });
            }
        }
    }
    Ok(positions)
}

/// Atoms from `i` on that have the residue name and number of atom `i`.
fn residue_length(structure: &Structure, i: usize) -> usize {
    let same = |j: &usize| {
        structure.residue_ids[*j] == structure.residue_ids[i]
            && structure.residue_names[*j] == structure.residue_names[i]
    };
    (i..structure.n_atoms()).take_while(same).count()
}

fn same_names(species: &Species, names: &[String]) -> bool {
    species.atoms.iter().zip(names).all(|(a, name)| a.name.eq_ignore_ascii_case(name))
}

/// Does every name start with the element of its atom, as `OW`, `HW1` or `1H` do? Virtual sites (`MW`, `EP`) must not
/// look like an element that the molecule has.
fn same_elements(species: &Species, names: &[String]) -> bool {
    species.atoms.iter().zip(names).all(|(a, name)| {
        let letters = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let starts_with = |element: &str| {
            !element.is_empty() && letters.get(..element.len()).is_some_and(|p| p.eq_ignore_ascii_case(element))
        };
        if a.element.is_empty() {
            !species.atoms.iter().any(|other| starts_with(&other.element))
        } else {
            starts_with(&a.element)
        }
    })
}
