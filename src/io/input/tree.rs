//! The input as a tree in which every key and value knows where it was written; `--set` edits it before it is checked.

use super::fault::{Fault, InputError, Place, Source};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Keys and values with their places, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<(Key, Node)>),
    /// A date: no key takes one.
    Date,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub place: Place,
    pub name: String,
}

/// The tree and the texts it came from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub sources: Vec<Source>,
    pub root: Node,
}

impl Document {
    /// Parses TOML and applies the overrides.
    pub fn parse(text: &str, origin: &str, overrides: &[(String, String)]) -> Result<Document, InputError> {
        let mut sources = vec![Source { name: origin.into(), text: text.into(), is_flag: false }];
        let table = DeTable::parse(text).map_err(|e| syntax_error(&sources, 0, 0, &e))?;
        let mut root = Node { place: Place::default(), value: table_value(table.get_ref(), 0, 0) };
        for (key, value) in overrides {
            let source = sources.len();
            let name = format!("--set {key}={value}");
            sources.push(Source { name, text: format!("{key}={value}"), is_flag: true });
            let offset = key.len() + 1;
            let place = |span: Range<usize>| Place { source, span };
            let whole = place(offset..offset + value.len());
            let node = match DeValue::parse(value.trim_end()) {
                Ok(parsed) => Node { place: whole, value: convert(parsed.get_ref(), source, offset) },
                Err(error) if value.trim_start().starts_with(['[', '{', '"', '\'']) => {
                    return Err(syntax_error(&sources, source, offset, &error));
                }
                Err(_) => Node { place: whole, value: Value::String(value.clone()) },
            };
            set(&mut root, key, node, source).map_err(|(at, message, help)| InputError {
                faults: vec![Fault { message, help: Some(help), location: place(at).locate(&sources) }],
            })?;
        }
        Ok(Document { sources, root })
    }

    /// The place of the key with this dotted path, or of its nearest ancestor that was written.
    pub fn place_of(&self, path: &str) -> Place {
        let (mut node, mut place) = (&self.root, self.root.place.clone());
        for segment in path.split('.') {
            let next = match &node.value {
                Value::Table(entries) => {
                    let entry = entries.iter().find(|(key, _)| key.name == segment);
                    entry.map(|(key, value)| (value, if value.is_container() { &key.place } else { &value.place }))
                }
                Value::Array(elements) => {
                    find_element(elements, segment).map(|index| (&elements[index], &elements[index].place))
                }
                _ => None,
            };
            let Some((value, at)) = next else { break };
            node = value;
            place = at.clone();
        }
        place
    }
}

impl Node {
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Where the text `wanted` is written below this node.
    pub fn find_text(&self, wanted: &str) -> Option<Place> {
        match &self.value {
            Value::String(text) => (text == wanted).then(|| self.place.clone()),
            Value::Array(elements) => elements.iter().find_map(|e| e.find_text(wanted)),
            Value::Table(entries) => entries.iter().find_map(|(_, e)| e.find_text(wanted)),
            _ => None,
        }
    }

    fn is_container(&self) -> bool {
        matches!(self.value, Value::Table(_) | Value::Array(_))
    }

    /// "a string", "a table", …
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
            Value::Date => "a date",
        }
    }
}

fn syntax_error(sources: &[Source], source: usize, offset: usize, error: &toml::de::Error) -> InputError {
    let span = error.span().unwrap_or(0..0);
    let place = Place { source, span: span.start + offset..(span.end + offset).max(span.start + offset + 1) };
    let message = format!("this is not valid TOML: {}", error.message().lines().next().unwrap_or_default());
    let help = Some("see https://toml.io for the syntax".to_string());
    InputError { faults: vec![Fault { message, help, location: place.locate(sources) }] }
}

fn convert(value: &DeValue, source: usize, offset: usize) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(elements) => {
            let node = |element: &toml::Spanned<DeValue>| Node {
                place: shifted(element.span(), source, offset),
                value: convert(element.get_ref(), source, offset),
            };
            Value::Array(elements.iter().map(node).collect())
        }
        DeValue::Table(table) => table_value(table, source, offset),
    }
}

fn table_value(table: &DeTable, source: usize, offset: usize) -> Value {
    let mut entries: Vec<(Key, Node)> = table
        .iter()
        .map(|(key, value)| {
            let key_place = shifted(key.span(), source, offset);
            let node =
                Node { place: shifted(value.span(), source, offset), value: convert(value.get_ref(), source, offset) };
            (Key { place: key_place, name: key.get_ref().to_string() }, node)
        })
        .collect();
    // The parser sorts by name; people think in the order of the file.
    entries.sort_by_key(|(key, _)| key.place.span.start);
    Value::Table(entries)
}

fn shifted(span: Range<usize>, source: usize, offset: usize) -> Place {
    Place { source, span: span.start + offset..span.end + offset }
}

/// Element of an array of tables by its `name`, else by its number from 1.
fn find_element(elements: &[Node], segment: &str) -> Option<usize> {
    let named = |node: &Node| matches!(node.get("name"), Some(Node { value: Value::String(n), .. }) if n == segment);
    elements.iter().position(named).or_else(|| {
        let number: usize = segment.parse().ok()?;
        (1..=elements.len()).contains(&number).then(|| number - 1)
    })
}

/// What is wrong with a `--set` key: span inside the flag, message, help.
type KeyFault = (Range<usize>, String, String);

fn set(root: &mut Node, path: &str, new: Node, source: usize) -> Result<(), KeyFault> {
    let mut node = root;
    let mut start = 0;
    let segments: Vec<&str> = path.split('.').collect();
    for (depth, segment) in segments.iter().enumerate() {
        let span = start..start + segment.len();
        let parent = if depth == 0 { "the input".to_string() } else { format!("`{}`", &path[..start - 1]) };
        start += segment.len() + 1;
        if segment.is_empty() {
            return Err((
                span,
                "the key has an empty part".into(),
                "write for example dynamics.timestep=\"1 fs\"".into(),
            ));
        }
        let type_name = node.type_name();
        node = match &mut node.value {
            Value::Table(entries) => {
                let place = Place { source, span };
                let known = entries.iter().position(|(key, _)| key.name == *segment);
                if let Some(index) = known.filter(|_| depth + 1 == segments.len()) {
                    // What is wrong with a table that is replaced is said of the flag, not of the line it replaces.
                    entries[index].0.place = place.clone();
                }
                let index = known.unwrap_or_else(|| {
                    let empty = Node { place: place.clone(), value: Value::Table(Vec::new()) };
                    entries.push((Key { place, name: (*segment).to_string() }, empty));
                    entries.len() - 1
                });
                &mut entries[index].1
            }
            Value::Array(elements) => match find_element(elements, segment) {
                Some(index) => &mut elements[index],
                None => {
                    let names: Vec<String> = elements
                        .iter()
                        .zip(1..)
                        .map(|(node, number)| match node.get("name").map(|n| &n.value) {
                            Some(Value::String(name)) => format!("`{name}`"),
                            _ => number.to_string(),
                        })
                        .collect();
                    let message = format!("{parent} has no element `{segment}`");
                    return Err((span, message, format!("its elements are {}", names.join(", "))));
                }
            },
            _ => {
                let message = format!("{parent} is {type_name} and has no key `{segment}`");
                return Err((span, message, "give the value to the key itself".into()));
            }
        };
    }
    *node = new;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_flag_replaces_is_placed_in_the_flag() {
        let text = "[surface]\nmonolayers = [{ species = \"hexane\" }]\ngap = \"2 nm\"\n";
        let set = |value: &str| {
            let overrides = [("surface.monolayers".to_string(), value.to_string())];
            Document::parse(text, "a.toml", &overrides).expect("valid")
        };
        let document = set("[{ species = \"IDE\" }]");
        assert!(document.sources[document.place_of("surface.monolayers").source].is_flag);
        assert!(!document.sources[document.place_of("surface.gap").source].is_flag);
        let untouched = Document::parse(text, "a.toml", &[]).expect("valid");
        assert!(!untouched.sources[untouched.place_of("surface.monolayers").source].is_flag);
    }
}
