//! Parameters of bonds, angles, dihedrals and constraints by the names of atom types, and how a term finds its own.
//!
//! As `grompp`: a dihedral takes the first entry with the most atoms that are named and not `X`; consecutive lines of
//! function 9 for the same four names are one entry; a repeated entry with other numbers replaces the first one, with a
//! warning; everything matches read backwards as well.

use super::records::TermKind;
use super::source::Place;
use std::collections::HashMap;

/// `X` in a dihedral type.
const WILDCARD: u32 = u32::MAX;

/// Parameters that apply to one term: one set, or several lines of a dihedral.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Where each line stands, and its parameters.
    pub lines: Vec<(Place, Vec<f64>)>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Stored,
    /// It says what an earlier row says.
    Repeated,
    /// It replaces the numbers of this row.
    Replaced(Place),
    /// A second block of lines for the same dihedral, which has no meaning.
    SecondBlock(Place),
}

/// A directive and a function number.
type Class = (u8, u32);

#[derive(Debug, Default)]
pub(super) struct BondedTypes {
    names: HashMap<String, u32>,
    /// Where each name first appears.
    first_use: Vec<(String, Place)>,
    entries: Vec<Entry>,
    /// Names in the one of both directions that sorts first → entry. Unused positions are 0.
    index: HashMap<(Class, [u32; 4]), usize>,
    /// Class, names as written and entry of the last row.
    last: Option<(Class, [u32; 4], usize)>,
}

/// Functions that share their types.
fn class(kind: TermKind, function: u32) -> Class {
    match (kind, function) {
        (TermKind::Dihedrals, 9) => (kind as u8, 1),
        _ => (kind as u8, function),
    }
}

/// The direction that sorts first.
fn canonical(names: [u32; 4], n: usize) -> [u32; 4] {
    let mut reversed = names;
    reversed[..n].reverse();
    names.min(reversed)
}

impl BondedTypes {
    fn intern(&mut self, name: &str, place: Place) -> u32 {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let id = self.first_use.len() as u32;
        self.names.insert(name.to_string(), id);
        self.first_use.push((name.to_string(), place));
        id
    }

    /// Every type name of the table and where it first stands.
    pub fn names(&self) -> impl Iterator<Item = (&str, Place)> {
        self.first_use.iter().map(|(name, place)| (name.as_str(), *place))
    }

    /// Adds a row; `names` are the types of its atoms, `X` a wildcard in dihedrals.
    pub fn add(&mut self, kind: TermKind, names: &[&str], function: u32, place: Place, values: Vec<f64>) -> Added {
        let mut ids = [0; 4];
        for (id, name) in ids.iter_mut().zip(names) {
            *id = if kind == TermKind::Dihedrals && *name == "X" { WILDCARD } else { self.intern(name, place) };
        }
        let class = class(kind, function);
        let key = (class, canonical(ids, names.len()));
        let continues = self.last.is_some_and(|(c, written, _)| (c, written) == (class, ids));
        let Some(&found) = self.index.get(&key) else {
            self.index.insert(key, self.entries.len());
            self.last = Some((class, ids, self.entries.len()));
            self.entries.push(Entry { lines: vec![(place, values)] });
            return Added::Stored;
        };
        self.last = Some((class, ids, found));
        let lines = &mut self.entries[found].lines;
        let first = lines[0].0;
        if (kind, function) == (TermKind::Dihedrals, 9) {
            let known = lines.iter().any(|l| l.1 == values);
            match (continues, known) {
                (true, true) => Added::Repeated,
                (false, true) if lines.len() == 1 => Added::Repeated,
                (true, false) => {
                    lines.push((place, values));
                    Added::Stored
                }
                (false, _) => Added::SecondBlock(first),
            }
        } else if lines.len() == 1 && lines[0].1 == values {
            Added::Repeated
        } else {
            *lines = vec![(place, values)];
            Added::Replaced(first)
        }
    }

    /// The parameters of a term between atoms of these types.
    pub fn find(&self, kind: TermKind, names: &[&str], function: u32) -> Option<&Entry> {
        let class = class(kind, function);
        // a name that no row has can only be matched by a wildcard
        let ids: Vec<Option<u32>> = names.iter().map(|name| self.names.get(*name).copied()).collect();
        let n = names.len();
        let entry = |masked: u32| {
            let mut pattern = [0; 4];
            for k in 0..n {
                pattern[k] = if masked & (1 << k) != 0 { WILDCARD } else { ids[k]? };
            }
            self.index.get(&(class, canonical(pattern, n))).copied()
        };
        if kind != TermKind::Dihedrals {
            return entry(0).map(|e| &self.entries[e]);
        }
        (0..=4).find_map(|wildcards| {
            let masks = (0..16u32).filter(|mask| mask.count_ones() == wildcards);
            masks.filter_map(entry).min().map(|e| &self.entries[e])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place { source: 0, line }
    }

    fn dihedrals(rows: &[([&str; 4], u32, f64)]) -> BondedTypes {
        let mut types = BondedTypes::default();
        for (line, (names, function, value)) in (1..).zip(rows) {
            types.add(TermKind::Dihedrals, names, *function, place(line), vec![*value]);
        }
        types
    }

    fn values(types: &BondedTypes, names: [&str; 4], function: u32) -> Option<Vec<f64>> {
        let entry = types.find(TermKind::Dihedrals, &names, function)?;
        Some(entry.lines.iter().map(|l| l.1[0]).collect())
    }

    #[test]
    fn the_most_specific_entry_wins_and_the_first_among_equals() {
        let types = dihedrals(&[
            (["X", "B", "C", "X"], 9, 1.0),
            (["A", "B", "C", "X"], 9, 2.0),
            (["X", "B", "C", "D"], 9, 3.0),
            (["D", "C", "B", "A"], 9, 4.0),
            (["X", "X", "C", "D"], 2, 5.0),
            (["A", "X", "X", "D"], 2, 6.0),
        ]);
        assert_eq!(values(&types, ["A", "B", "C", "D"], 9), Some(vec![4.0]));
        assert_eq!(values(&types, ["A", "B", "C", "D"], 1), Some(vec![4.0]), "functions 1 and 9 share their types");
        assert_eq!(values(&types, ["A", "B", "C", "E"], 9), Some(vec![2.0]));
        assert_eq!(values(&types, ["E", "C", "B", "A"], 9), Some(vec![2.0]), "backwards");
        assert_eq!(values(&types, ["D", "C", "B", "E"], 9), Some(vec![3.0]), "backwards");
        assert_eq!(values(&types, ["E", "B", "C", "E"], 9), Some(vec![1.0]));
        assert_eq!(values(&types, ["A", "B", "E", "D"], 9), None);
        assert_eq!(values(&types, ["A", "B", "C", "D"], 2), Some(vec![5.0]), "two named atoms each: the first");
        assert_eq!(values(&types, ["A", "B", "C", "D"], 4), None);
    }

    #[test]
    fn consecutive_lines_of_function_9_are_one_entry() {
        let abcd = ["A", "B", "C", "D"];
        let types = dihedrals(&[(abcd, 9, 1.0), (abcd, 9, 2.0), (abcd, 9, 2.0), (abcd, 9, 3.0)]);
        assert_eq!(values(&types, abcd, 9), Some(vec![1.0, 2.0, 3.0]));
        let mut types = dihedrals(&[(abcd, 9, 1.0), (["A", "A", "A", "A"], 9, 0.0)]);
        let mut again = |value| types.add(TermKind::Dihedrals, &abcd, 9, place(9), vec![value]);
        assert_eq!(again(1.0), Added::Repeated);
        let mut types = dihedrals(&[(abcd, 9, 1.0), (["A", "A", "A", "A"], 9, 0.0)]);
        let mut again = |value| types.add(TermKind::Dihedrals, &abcd, 9, place(9), vec![value]);
        assert_eq!(again(2.0), Added::SecondBlock(place(1)));
    }

    #[test]
    fn a_later_row_replaces_an_earlier_one() {
        let mut types = BondedTypes::default();
        assert_eq!(types.add(TermKind::Bonds, &["A", "B"], 1, place(1), vec![1.0]), Added::Stored);
        assert_eq!(types.add(TermKind::Bonds, &["B", "A"], 1, place(2), vec![1.0]), Added::Repeated);
        assert_eq!(types.add(TermKind::Bonds, &["B", "A"], 1, place(3), vec![2.0]), Added::Replaced(place(1)));
        assert_eq!(types.find(TermKind::Bonds, &["A", "B"], 1).map(|e| e.lines[0].1.clone()), Some(vec![2.0]));
        assert_eq!(types.find(TermKind::Bonds, &["A", "X"], 1), None, "X is a name where wildcards have no meaning");
    }
}
