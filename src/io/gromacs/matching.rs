//! A topology set beside a structure: the same number of atoms, with the same names.

use super::GromacsTopology;
use crate::system::{PositionRestraint, Structure, Topology};
use glam::DVec3;

/// Atom names in structure files are cut to this many characters.
const NAME_LENGTH: usize = 5;

/// Why structure and topology do not belong together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MatchError {
    #[error(
        "{structure} holds {in_structure} atoms, {topology} describes {in_topology}: {molecules}{difference}\n  correct [ molecules ], or take the structure that belongs to it"
    )]
    Counts {
        structure: String,
        topology: String,
        in_structure: usize,
        in_topology: u128,
        /// `1 ZN (1 atom), 216 SOL (3 atoms)`
        molecules: String,
        /// The first atom whose name differs, where one does.
        difference: String,
    },
    #[error(
        "{structure} and {topology} differ from {atom} on: the topology has {expected}\n  are the molecules in the order of [ molecules ]?"
    )]
    Names { structure: String, topology: String, atom: String, expected: String },
}

/// What a structure and a topology make together.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// Species of every molecule.
    pub sequence: Vec<u32>,
    pub warnings: Vec<String>,
}

impl GromacsTopology {
    /// Number of atoms that `[ molecules ]` adds up to.
    pub fn n_atoms(&self) -> u128 {
        let atoms = |s: u32| self.species[s as usize].atoms.len() as u128;
        self.counts.iter().map(|&(s, n)| atoms(s) * u128::from(n)).sum()
    }

    /// The molecules of a structure, whose atoms must be those of `[ molecules ]` in the same order.
    ///
    /// Names that differ in their numbers only (`H1`, `1H`, `H`) are accepted with a warning.
    ///
    /// # Errors
    /// [`MatchError`] with the first atom that differs.
    pub fn matched_to(&self, structure: &Structure) -> Result<Matched, MatchError> {
        let n_atoms = self.n_atoms();
        let counts_agree = n_atoms == structure.n_atoms() as u128;
        let mut sequence = Vec::new();
        let (mut atom, mut numbering) = (0, None);
        let mut n_numbering = 0;
        'molecules: for &(s, count) in &self.counts {
            let species = &self.species[s as usize];
            for _ in 0..count {
                // a count that is far too large must not be walked to its end
                if atom >= structure.n_atoms() {
                    break 'molecules;
                }
                sequence.push(s);
                for a in &species.atoms {
                    let Some(name) = structure.names.get(atom) else { break 'molecules };
                    let expected: String = a.name.chars().take(NAME_LENGTH).collect();
                    if !name.eq_ignore_ascii_case(&expected) {
                        let same_letters = letters(name) == letters(&expected) && !letters(name).is_empty();
                        let expected = format!("{} of {} (molecule {})", a.name, species.name, sequence.len());
                        if !same_letters {
                            return Err(self.differs(structure, atom, expected, counts_agree));
                        }
                        n_numbering += 1;
                        numbering.get_or_insert((atom, expected));
                    }
                    atom += 1;
                }
            }
        }
        if !counts_agree {
            return Err(self.counts_differ(structure, String::new()));
        }
        let mut warnings = Vec::new();
        if let Some((atom, expected)) = numbering {
            warnings.push(format!(
                "{n_numbering} atom names of {} differ from {} in their numbers, the first at {}, which is {expected} in the topology; those of the topology are used",
                structure.source,
                self.source,
                structure.describe_atom(atom)
            ));
        }
        Ok(Matched { sequence, warnings })
    }

    fn differs(&self, structure: &Structure, atom: usize, expected: String, counts_agree: bool) -> MatchError {
        if !counts_agree {
            let atom = structure.describe_atom(atom);
            return self
                .counts_differ(structure, format!("; the first that differs is {atom}, the topology has {expected}"));
        }
        MatchError::Names {
            structure: structure.source.clone(),
            topology: self.source.clone(),
            atom: structure.describe_atom(atom),
            expected,
        }
    }

    fn counts_differ(&self, structure: &Structure, difference: String) -> MatchError {
        let row = |&(s, n): &(u32, u64)| {
            let species = &self.species[s as usize];
            let atoms = species.atoms.len();
            format!("{n} {} ({atoms} atom{})", species.name, if atoms == 1 { "" } else { "s" })
        };
        let mut rows: Vec<String> = self.counts.iter().take(6).map(row).collect();
        if self.counts.len() > rows.len() {
            rows.push("…".into());
        }
        MatchError::Counts {
            structure: structure.source.clone(),
            topology: self.source.clone(),
            in_structure: structure.n_atoms(),
            in_topology: self.n_atoms(),
            molecules: rows.join(", "),
            difference,
        }
    }

    /// `[ position_restraints ]` of every molecule, to the places in `positions` (`[n_atoms]`, nm).
    pub fn position_restraints(&self, topology: &Topology, positions: &[DVec3]) -> Vec<PositionRestraint> {
        let of = |m: &crate::system::topology::Molecule| {
            let first = m.first_atom;
            self.restraints[m.species as usize].iter().map(move |&(local, k)| {
                let atom = first + local;
                PositionRestraint { atom, reference: positions[atom as usize], k }
            })
        };
        topology.molecules.iter().flat_map(of).collect()
    }
}

/// A name without its digits, in upper case.
fn letters(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).map(|c| c.to_ascii_uppercase()).collect()
}
