//! Typed access to one table of the input. Every accessor records a fault and returns `None` when the value is wrong,
//! so a reader may go on with a stand-in and report all faults together.

use super::fault::{Faults, Place};
use super::quantity::{self, Dimension};
use super::tree::{Key, Node, Value};
use crate::suggest::{nearest, one_of};

/// Which values are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Positive,
    NotNegative,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given<T> {
    pub value: T,
    pub place: Place,
}

/// A table whose keys have been checked.
pub(super) struct Table<'a> {
    /// How messages call it: `[nonbonded]`.
    pub title: String,
    /// Where messages about missing keys point.
    pub place: Place,
    entries: &'a [(Key, Node)],
    pub faults: &'a Faults<'a>,
}

impl<'a> Table<'a> {
    /// `node` as a table with no keys but `known`.
    pub fn new(node: &'a Node, title: &str, known: &[&str], faults: &'a Faults<'a>) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            let help = match title.starts_with('[') && title.ends_with(']') {
                true => format!("write {title} on a line of its own, and the keys below it"),
                false => "write a table: { key = value, … }".into(),
            };
            faults.add(&node.place, format!("{title} must be a table, not {}", node.type_name()), help);
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let help = match nearest(&key.name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known keys: {}", known.join(", ")),
                };
                faults.add(&key.place, format!("unknown key `{}` in {title}", key.name), help);
            }
        }
        Some(Table { title: title.into(), place: node.place.clone(), entries, faults })
    }

    pub fn entry(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node))
    }

    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// A sub-table, pointing at its own key where the parser knows no better place.
    pub fn table(&self, name: &str, title: &str, known: &[&str]) -> Option<Table<'a>> {
        let (key, node) = self.entry(name)?;
        let mut table = Table::new(node, title, known, self.faults)?;
        if table.place.span.is_empty() {
            table.place = key.place.clone();
        }
        Some(table)
    }

    /// Records that `name` is missing.
    pub fn missing(&self, name: &str, help: &str) {
        self.faults.add(&self.place, format!("{} has no `{name}`", self.title), help);
    }

    /// The elements of an array.
    pub fn array(&self, name: &str) -> Option<&'a [Node]> {
        let node = self.get(name)?;
        match &node.value {
            Value::Array(elements) => Some(elements),
            _ => {
                self.wrong_type(name, node, "an array");
                None
            }
        }
    }

    pub fn string(&self, name: &str) -> Option<Given<String>> {
        let node = self.get(name)?;
        match &node.value {
            Value::String(text) => Some(Given { value: text.clone(), place: node.place.clone() }),
            _ => {
                self.wrong_type(name, node, "a string");
                None
            }
        }
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        let node = self.get(name)?;
        match node.value {
            Value::Boolean(truth) => Some(truth),
            _ => {
                self.wrong_type(name, node, "true or false");
                None
            }
        }
    }

    /// An integer of at least `least`.
    pub fn integer(&self, name: &str, least: u64) -> Option<Given<u64>> {
        let node = self.get(name)?;
        let Value::Integer(number) = node.value else {
            self.wrong_type(name, node, "an integer");
            return None;
        };
        match u64::try_from(number) {
            Ok(value) if value >= least => Some(Given { value, place: node.place.clone() }),
            _ => {
                let message = format!("`{name}` is {number}, and must be at least {least}");
                self.faults.add(&node.place, message, "");
                None
            }
        }
    }

    /// A plain number without a unit.
    pub fn number(&self, name: &str) -> Option<Given<f64>> {
        let node = self.get(name)?;
        let value = match node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => {
                self.wrong_type(name, node, "a plain number without a unit");
                return None;
            }
        };
        Some(Given { value, place: node.place.clone() })
    }

    /// A string with a unit, in internal units.
    pub fn quantity(&self, name: &str, dimension: Dimension, bound: Bound) -> Option<Given<f64>> {
        let node = self.get(name)?;
        let value = self.quantity_of(node, &format!("`{name}`"), dimension)?;
        let allowed = match bound {
            Bound::Positive => value > 0.0,
            Bound::NotNegative => value >= 0.0,
        };
        if !allowed {
            let limit = if bound == Bound::Positive { "positive" } else { "zero or positive" };
            let written = quantity::format(value, dimension);
            self.faults.add(&node.place, format!("`{name}` is {written}, and must be {limit}"), "");
            return None;
        }
        Some(Given { value, place: node.place.clone() })
    }

    /// As [`Table::quantity`], for an element of an array; `what` names it in messages.
    pub fn quantity_of(&self, node: &Node, what: &str, dimension: Dimension) -> Option<f64> {
        let unit = dimension.internal_unit();
        let number = match &node.value {
            Value::String(text) => match quantity::parse(text, dimension) {
                Ok(value) => return Some(value),
                Err(error) => {
                    let help =
                        format!("{what} is {}: write a number and one of {}", dimension.name(), dimension.unit_list());
                    self.faults.add(&node.place, format!("{what}: {error}"), help);
                    return None;
                }
            },
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            _ => {
                let message = format!("{what} must be a string with a unit, not {}", node.type_name());
                self.faults.add(&node.place, message, format!("for example \"1 {unit}\""));
                return None;
            }
        };
        let help = format!(
            "write it as a string, for example \"{number} {unit}\"; units of {}: {}",
            dimension.name(),
            dimension.unit_list()
        );
        self.faults.add(&node.place, format!("{what} needs a unit"), help);
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<Given<T>> {
        let given = self.string(name)?;
        let found = choices.iter().find(|(word, _)| *word == given.value);
        if found.is_none() {
            let words = || choices.iter().map(|(word, _)| *word);
            let near = nearest(&given.value, words()).map(|w| format!("did you mean `{w}`? ")).unwrap_or_default();
            let message = format!("`{name}` is \"{}\", and must be {}", given.value, one_of(words()));
            self.faults.add(&given.place, message, near.trim_end());
        }
        found.map(|&(_, value)| Given { value, place: given.place })
    }

    /// The one sub-table of a table that chooses a kind: `[nonbonded.coulomb.pme]`.
    pub fn one_kind(&self, kinds: &[&str]) -> Option<(&'a Key, &'a Node)> {
        let mut given = self.entries.iter().filter(|(key, _)| kinds.contains(&key.name.as_str()));
        let Some((first, node)) = given.next() else {
            if self.entries.is_empty() {
                let inner = self.title.trim_matches(['[', ']']);
                let help = format!("for example [{inner}.{}]", kinds[0]);
                self.faults.add(
                    &self.place,
                    format!("{} names no kind: {}", self.title, one_of(kinds.iter().copied())),
                    help,
                );
            }
            return None;
        };
        for (second, _) in given {
            let message = format!("{} names both `{}` and `{}`", self.title, first.name, second.name);
            self.faults.add(&second.place, message, "keep exactly one");
        }
        Some((first, node))
    }

    /// Two keys that exclude each other.
    pub fn exclusive(&self, a: &str, b: &str, help: &str) -> bool {
        match (self.entry(a), self.entry(b)) {
            (Some(_), Some((key, _))) => {
                self.faults.add(&key.place, format!("{} gives both `{a}` and `{b}`", self.title), help);
                false
            }
            _ => true,
        }
    }

    fn wrong_type(&self, name: &str, node: &Node, wanted: &str) {
        self.faults.add(&node.place, format!("`{name}` must be {wanted}, not {}", node.type_name()), "");
    }
}
