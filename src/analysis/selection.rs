//! Naming groups of atoms, by one language everywhere: `Zn2+`, `element O`, `OW and within 0.28 nm of Zn2+`, `water and z < 1 nm`.
//!
//! `docs/selections.md` is the user's page. A plain word is tried as species name, atom name, residue name and type name, in
//! this order; the first that exists wins. What depends on positions (`z …`, `within … of …`) is decided anew in every
//! frame, everything else once. Massless sites belong to a selection only when their atom or type name is given.

use super::AnalysisError;
use super::pairs::PairSearch;
use super::selection_grammar::{self, Expression, Word};
use super::snapshot::Snapshot;
use crate::system::Topology;
use crate::system::topology::{Species, SpeciesAtom};
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A group of atoms, resolved against a topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    text: String,
    node: Node,
    /// Atoms that the expression speaks of: all massive ones and the massless ones it names; ascending.
    universe: Vec<u32>,
    held: Held,
}

/// Whether a selection held an atom in any frame so far: set where it is evaluated, read when results are told.
#[derive(Debug, Default)]
struct Held(AtomicBool);

impl Clone for Held {
    fn clone(&self) -> Self {
        Held(AtomicBool::new(self.0.load(Relaxed)))
    }
}

/// What was seen is no part of what is selected.
impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Ascending atom indices.
    Fixed(Vec<u32>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// low ≤ z < high of the wrapped position, nm
    Slab {
        low: f64,
        high: f64,
    },
    /// Closer than `radius` (nm) to another atom, one of `of`.
    Within {
        radius: f64,
        of: Box<Node>,
        universe: Vec<u32>,
    },
    /// All atoms of the molecules that `of` touches; `molecule_of` is `[n_atoms]`.
    SameMolecule {
        of: Box<Node>,
        molecule_of: Vec<u32>,
        universe: Vec<u32>,
    },
}

impl Selection {
    /// Reads and resolves `text`. An expression that can hold no atom of this topology is an error.
    pub fn new(text: &str, topology: &Topology) -> Result<Self, AnalysisError> {
        let selection = Self::perhaps_empty(text, topology)?;
        if selection.fixed().is_some_and(<[u32]>::is_empty) {
            return Err(AnalysisError::EmptySelection { selection: text.to_string(), available: available(topology) });
        }
        Ok(selection)
    }

    /// The same for one group of several, which may be of a species that this system has none of.
    pub fn perhaps_empty(text: &str, topology: &Topology) -> Result<Self, AnalysisError> {
        let tree = selection_grammar::parse(text)?;
        let resolver = Resolver { text, topology };
        let mut universe: Vec<u32> =
            (0..topology.n_atoms() as u32).filter(|&i| topology.masses[i as usize] > 0.0).collect();
        let mut named = Vec::new();
        resolver.massless(&tree, &mut named)?;
        universe = union(&universe, &named);
        let node = resolver.resolve(&tree, &universe)?;
        Ok(Selection { text: text.to_string(), node, universe, held: Held::default() })
    }

    /// As the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The atoms, ascending, if they are the same in every frame.
    pub fn fixed(&self) -> Option<&[u32]> {
        match &self.node {
            Node::Fixed(atoms) => Some(atoms),
            _ => None,
        }
    }

    /// The atoms of one frame, ascending; may be empty where the selection depends on positions.
    pub fn atoms(&self, frame: &Snapshot) -> Result<Cow<'_, [u32]>, AnalysisError> {
        match &self.node {
            Node::Fixed(atoms) => Ok(Cow::Borrowed(atoms)),
            node => {
                let atoms = filter(node, frame, &self.universe)?;
                if !atoms.is_empty() {
                    self.set_ever_held(true);
                }
                Ok(Cow::Owned(atoms))
            }
        }
    }

    /// Has it held an atom in any frame?
    pub fn ever_held(&self) -> bool {
        self.fixed().map_or_else(|| self.held.0.load(Relaxed), |atoms| !atoms.is_empty())
    }

    pub fn set_ever_held(&self, held: bool) {
        self.held.0.store(held, Relaxed);
    }
}

/// Atoms of a selection that does not depend on positions, ascending and without repetition; never empty.
pub fn select(text: &str, topology: &Topology) -> Result<Vec<u32>, AnalysisError> {
    match Selection::new(text, topology)?.node {
        Node::Fixed(atoms) => Ok(atoms),
        _ => Err(AnalysisError::SelectionSyntax {
            selection: text.to_string(),
            at: 0..text.len(),
            message: "this selection changes from frame to frame, and a fixed group of atoms is needed here"
                .to_string(),
            help: "leave out `z …` and `within … of …`; atoms may be named by their numbers: `index 1-160`".to_string(),
        }),
    }
}

/// How many atoms two ascending selections share.
pub fn n_common(a: &[u32], b: &[u32]) -> usize {
    // Groups of different species mostly lie apart.
    let (Some(first), Some(last)) = (a.first(), a.last()) else { return 0 };
    let b = &b[b.partition_point(|i| i < first)..b.partition_point(|i| i <= last)];
    if b.is_empty() { 0 } else { a.iter().filter(|i| b.binary_search(i).is_ok()).count() }
}

/// Which of the ascending `candidates` fulfil `node` in this frame.
fn filter(node: &Node, frame: &Snapshot, candidates: &[u32]) -> Result<Vec<u32>, AnalysisError> {
    Ok(match node {
        Node::Fixed(atoms) => intersection(candidates, atoms),
        Node::And(a, b) => filter(b, frame, &filter(a, frame, candidates)?)?,
        Node::Or(a, b) => union(&filter(a, frame, candidates)?, &filter(b, frame, candidates)?),
        Node::Not(inner) => difference(candidates, &filter(inner, frame, candidates)?),
        Node::Slab { low, high } => {
            let inside = |&&i: &&u32| (*low..*high).contains(&frame.cell.wrap(frame.positions[i as usize]).z);
            candidates.iter().filter(inside).copied().collect()
        }
        Node::Within { radius, of, universe } => {
            let targets = filter(of, frame, universe)?;
            let search = PairSearch::new(frame, &targets, *radius)?;
            let near = |&&i: &&u32| {
                let mut found = false;
                search.visit(frame.positions[i as usize], |k, _| found |= targets[k] != i);
                found
            };
            candidates.iter().filter(near).copied().collect()
        }
        Node::SameMolecule { of, molecule_of, universe } => {
            let touched = filter(of, frame, universe)?;
            same_molecules(&touched, molecule_of, candidates)
        }
    })
}

fn same_molecules(touched: &[u32], molecule_of: &[u32], candidates: &[u32]) -> Vec<u32> {
    // Atoms of a molecule are contiguous, so molecules of ascending atoms ascend.
    let mut molecules: Vec<u32> = touched.iter().map(|&i| molecule_of[i as usize]).collect();
    molecules.dedup();
    let inside = |&&i: &&u32| molecules.binary_search(&molecule_of[i as usize]).is_ok();
    candidates.iter().filter(inside).copied().collect()
}

fn intersection(a: &[u32], b: &[u32]) -> Vec<u32> {
    merged(a, b, |in_a, in_b| in_a && in_b)
}

fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    merged(a, b, |_, _| true)
}

fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    merged(a, b, |in_a, in_b| in_a && !in_b)
}

/// Walks two ascending lists together and keeps what `keep(in a, in b)` says.
fn merged(a: &[u32], b: &[u32], keep: impl Fn(bool, bool) -> bool) -> Vec<u32> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    while i < a.len() || j < b.len() {
        let (x, y) = (a.get(i).copied().unwrap_or(u32::MAX), b.get(j).copied().unwrap_or(u32::MAX));
        let next = x.min(y);
        if keep(x == next, y == next) {
            out.push(next);
        }
        i += usize::from(x == next);
        j += usize::from(y == next);
    }
    out
}

struct Resolver<'a> {
    text: &'a str,
    topology: &'a Topology,
}

impl Resolver<'_> {
    /// Appends the massless atoms that the names in `tree` mean.
    fn massless(&self, tree: &Expression, found: &mut Vec<u32>) -> Result<(), AnalysisError> {
        match tree {
            Expression::Named { .. } => {
                let atoms = self.named(tree)?;
                let sites: Vec<u32> = atoms.into_iter().filter(|&i| self.topology.masses[i as usize] == 0.0).collect();
                *found = union(found, &sites);
                Ok(())
            }
            Expression::And(a, b) | Expression::Or(a, b) => {
                self.massless(a, found)?;
                self.massless(b, found)
            }
            Expression::Not(inner) | Expression::Within { of: inner, .. } | Expression::SameMolecule(inner) => {
                self.massless(inner, found)
            }
            _ => Ok(()),
        }
    }

    fn resolve(&self, tree: &Expression, universe: &[u32]) -> Result<Node, AnalysisError> {
        let boxed = |tree| self.resolve(tree, universe).map(Box::new);
        Ok(match tree {
            Expression::Named { .. } => Node::Fixed(self.named(tree)?),
            Expression::All => Node::Fixed(universe.to_vec()),
            Expression::Index { first, last, at } => {
                let n = self.topology.n_atoms();
                self.check_range(*first, *last, n, "atoms", at.clone())?;
                Node::Fixed(intersection(universe, &(*first as u32 - 1..*last as u32).collect::<Vec<_>>()))
            }
            Expression::Molecule { first, last, at } => {
                let n = self.topology.molecules.len();
                self.check_range(*first, *last, n, "molecules", at.clone())?;
                let inside =
                    |&&i: &&u32| (*first..=*last).contains(&(self.topology.molecule_of[i as usize] as usize + 1));
                Node::Fixed(universe.iter().filter(inside).copied().collect())
            }
            Expression::And(a, b) => match (self.resolve(a, universe)?, self.resolve(b, universe)?) {
                (Node::Fixed(a), Node::Fixed(b)) => Node::Fixed(intersection(&a, &b)),
                // What is fixed is cheap and goes first.
                (a, b @ Node::Fixed(_)) => Node::And(Box::new(b), Box::new(a)),
                (a, b) => Node::And(Box::new(a), Box::new(b)),
            },
            Expression::Or(a, b) => match (self.resolve(a, universe)?, self.resolve(b, universe)?) {
                (Node::Fixed(a), Node::Fixed(b)) => Node::Fixed(union(&a, &b)),
                (a, b) => Node::Or(Box::new(a), Box::new(b)),
            },
            Expression::Not(inner) => match self.resolve(inner, universe)? {
                Node::Fixed(atoms) => Node::Fixed(difference(universe, &atoms)),
                node => Node::Not(Box::new(node)),
            },
            Expression::Slab { low, high } => Node::Slab { low: *low, high: *high },
            Expression::Within { radius, of } => {
                Node::Within { radius: *radius, of: boxed(of)?, universe: universe.to_vec() }
            }
            Expression::SameMolecule(of) => match self.resolve(of, universe)? {
                Node::Fixed(atoms) => Node::Fixed(same_molecules(&atoms, &self.topology.molecule_of, universe)),
                node => Node::SameMolecule {
                    of: Box::new(node),
                    molecule_of: self.topology.molecule_of.clone(),
                    universe: universe.to_vec(),
                },
            },
        })
    }

    fn check_range(
        &self,
        first: usize,
        last: usize,
        n: usize,
        what: &str,
        at: std::ops::Range<usize>,
    ) -> Result<(), AnalysisError> {
        if first >= 1 && first <= last && last <= n {
            return Ok(());
        }
        Err(AnalysisError::SelectionSyntax {
            selection: self.text.to_string(),
            at,
            message: format!("there is no such range: this system has the {what} 1 to {n}"),
            help: "write it as 3 or as 3-17".to_string(),
        })
    }

    /// The atoms that a name means.
    fn named(&self, tree: &Expression) -> Result<Vec<u32>, AnalysisError> {
        let Expression::Named { keyword, name, owner } = tree else { return Ok(Vec::new()) };
        let topology = self.topology;
        let unknown = |word: &Word| AnalysisError::UnknownSelection {
            selection: self.text.to_string(),
            at: word.at.clone(),
            nearest: nearest(&word.text, topology),
            available: available(topology),
        };
        if let Some(owner) = owner
            && !topology.species.iter().any(|s| s.name == owner.text || s.has_residue(&owner.text))
        {
            return Err(unknown(owner));
        }
        let exists =
            |m: &Matcher| topology.species.iter().any(|s| (0..s.atoms.len()).any(|i| m.matches(s, i, topology)));
        let word = name.text.as_str();
        let found = match keyword.as_deref() {
            Some("species") => Some(Matcher::Species(word)).filter(exists),
            Some("name") => Some(Matcher::Name(word)).filter(exists),
            Some("residue") => Some(Matcher::Residue(word)).filter(exists),
            Some("type") => Some(Matcher::Type(word)).filter(exists),
            Some("element") => Some(Matcher::Element(word)).filter(exists),
            _ => [Matcher::Species(word), Matcher::Name(word), Matcher::Residue(word), Matcher::Type(word)]
                .into_iter()
                .chain((word == "water").then_some(Matcher::Water))
                .find(exists),
        };
        let matcher = found.ok_or_else(|| unknown(name))?;
        // For every species, which of its atoms are wanted.
        let wanted: Vec<Vec<usize>> = (topology.species.iter())
            .map(|species| {
                // an owner is a species, or a residue of one
                let owned = |local: usize| {
                    owner.as_ref().is_none_or(|o| species.name == o.text || species.residue_of(local).1 == o.text)
                };
                let hit =
                    |&(local, _): &(usize, &SpeciesAtom)| owned(local) && matcher.matches(species, local, topology);
                species.atoms.iter().enumerate().filter(hit).map(|(local, _)| local).collect()
            })
            .collect();
        if wanted.iter().all(Vec::is_empty) {
            return Err(unknown(name));
        }
        let of_molecule = |m: &crate::system::topology::Molecule| {
            let first = m.first_atom;
            wanted[m.species as usize].iter().map(move |&local| first + local as u32)
        };
        Ok(topology.molecules.iter().flat_map(of_molecule).collect())
    }
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
    fn matches(&self, species: &Species, local: usize, topology: &Topology) -> bool {
        let atom = &species.atoms[local];
        let massive = atom.mass > 0.0;
        match *self {
            Matcher::Species(name) => massive && species.name == name,
            Matcher::Residue(name) => massive && species.residue_of(local).1 == name,
            Matcher::Water => massive && species.is_water,
            Matcher::Element(element) => massive && atom.element == element,
            Matcher::Name(name) => atom.name == name,
            Matcher::Type(name) => topology.types.get(atom.type_id as usize).is_some_and(|t| t == name),
        }
    }
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
