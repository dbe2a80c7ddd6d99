//! The input file: TOML in, [`Input`] out, or every fault with file, line, caret and what to do.
//!
//! * Every quantity is a string with its unit ([`quantity`]); a bare number where a unit is needed is an error.
//! * One sub-table per kind (`[nonbonded.coulomb.pme]`, `[dynamics.thermostat.csvr]`), exactly one of them.
//! * Unknown keys are errors that suggest the nearest known key.
//! * `--set key=value` edits the file before it is checked. Keys are dotted; an element of an array is chosen by its
//!   `name`, else by its number from 1: `dynamics.timestep=1 fs`, `stage.production.duration=1 ns`,
//!   `system.solutes.1.count=4`, `analysis.1.rdf.bin_width=0.01 nm`. The value is TOML, or else taken as a string.
//!
//! Checks that need coordinates, masses or a model's parameters belong to `build` and `forcefield`; they can point at
//! the input's lines through [`Locations`].

mod analysis;
mod barostat;
mod dynamics;
mod fault;
mod held;
mod interface;
mod nonbonded;
mod observables;
mod piston;
pub mod quantity;
mod stages;
mod surface;
mod system;
mod table;
mod tree;
mod write;

pub use fault::{Fault, InputError, Line, Location};
pub use write::to_toml;

use crate::system::spec::{GeometrySpec, Input, SystemSpec};
use fault::Faults;
use std::ops::Range;
use std::path::Path;
use table::Table;
use tree::Document;

/// Reads an input file; relative paths inside it count from its own folder.
///
/// * `overrides` – (key, value) of every `--set key=value`
///
/// # Errors
/// Every fault found, each with its place in the file or in the flag.
pub fn read(path: &Path, overrides: &[(String, String)]) -> Result<Input, InputError> {
    read_located(path, overrides).map(|(input, _)| input)
}

/// [`read`], with the places of all keys for messages of later checks.
///
/// # Errors
/// As [`read`].
pub fn read_located(path: &Path, overrides: &[(String, String)]) -> Result<(Input, Locations), InputError> {
    let origin = path.display().to_string();
    let unreadable = |message: String, help: &str| InputError {
        faults: vec![Fault {
            message,
            help: Some(help.into()),
            location: Location { origin: origin.clone(), line: None },
        }],
    };
    let bytes = std::fs::read(path)
        .map_err(|error| unreadable(format!("cannot be read: {error}"), "give the path of an input file"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable("is not a text file in UTF-8".into(), "give the path of a TOML input file"))?;
    parse_located(&text, &origin, path.parent().unwrap_or(Path::new("")), overrides)
}

/// Parses the text of an input file.
///
/// * `origin` – what messages call the file
/// * `base_dir` – folder that relative paths count from
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, origin: &str, base_dir: &Path, overrides: &[(String, String)]) -> Result<Input, InputError> {
    parse_located(text, origin, base_dir, overrides).map(|(input, _)| input)
}

/// [`parse`], with the places of all keys for messages of later checks.
///
/// # Errors
/// As [`read`].
pub fn parse_located(
    text: &str,
    origin: &str,
    base_dir: &Path,
    overrides: &[(String, String)],
) -> Result<(Input, Locations), InputError> {
    let document = Document::parse(text, origin, overrides)?;
    let input = interpret(&document, origin, base_dir)?;
    Ok((input, Locations { document }))
}

const KEYS: [&str; 10] =
    ["title", "system", "surface", "nonbonded", "external", "wall", "electrode", "dynamics", "stage", "analysis"];

fn interpret(document: &Document, origin: &str, base_dir: &Path) -> Result<Input, InputError> {
    let faults = Faults::new(&document.sources);
    let Some(top) = Table::new(&document.root, "the input", &KEYS, &faults) else {
        return faults.finish(()).map(|()| unreachable_input());
    };
    let title = top
        .string("title")
        .map(|t| t.value)
        .unwrap_or_else(|| Path::new(origin).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default());
    let system = system::read(&top, base_dir);
    let box_vectors = system.as_ref().and_then(|s| match s.geometry {
        GeometrySpec::Cell([a, b, c]) | GeometrySpec::CellAndDensity { cell: [a, b, c], .. } => {
            Some([a, b, [c[0], c[1], c[2] + s.vacuum]])
        }
        GeometrySpec::Density(_)
        | GeometrySpec::Slab { .. }
        | GeometrySpec::Structure(_)
        | GeometrySpec::Topology { .. } => None,
    });
    let mut nonbonded = nonbonded::read(&top, box_vectors);
    let interface = interface::read(&top, base_dir);
    // what an imported topology keeps rigid is known when it is read
    let imported = |s: &SystemSpec| matches!(s.geometry, GeometrySpec::Topology { .. });
    let has_water = system.as_ref().is_none_or(|s| s.water.molecules != Some(0) && !imported(s));
    let base = dynamics::RawDynamics::read_top(&top);
    let dynamics = base.resolve(&faults, "[dynamics]", has_water);
    let stages = stages::read(&top, &base, &dynamics, has_water);
    let has_vacuum = system.as_ref().is_some_and(|s| s.vacuum > 0.0);
    interface::check(&top, &interface, &mut nonbonded, &stages, (has_vacuum, dynamics.barostat.is_some()));
    piston::check(&top, &interface, &stages);
    let analyses = analysis::read(&top, &stages, base_dir);
    match system {
        Some(system) => faults.finish(Input { title, system, nonbonded, interface, dynamics, stages, analyses }),
        None => faults.finish(()).map(|()| unreachable_input()),
    }
}

/// A reader returns nothing only after it recorded a fault, and then `finish` fails.
fn unreachable_input() -> Input {
    unreachable!("a section was dropped without a fault")
}

/// Where the keys of an input stand, so that checks made after parsing can point at them.
#[derive(Debug, Clone, PartialEq)]
pub struct Locations {
    document: Document,
}

impl Locations {
    /// A fault at a dotted key (`nonbonded.cutoff`, `system.solutes.1.model`; elements as in `--set`). A key that the
    /// file does not write points at the nearest table that it does.
    pub fn fault(&self, key: &str, message: &str, help: &str) -> InputError {
        let location = self.document.place_of(key).locate(&self.document.sources);
        let help = Some(help.to_string()).filter(|h| !h.is_empty());
        InputError { faults: vec![Fault { message: message.into(), help, location }] }
    }

    /// A fault of the k-th analysis (from zero): in its selection `text` at these bytes, if it holds such a text.
    pub fn selection_fault(&self, k: usize, text: &str, at: Range<usize>, message: &str, help: &str) -> InputError {
        let found = analysis::find(&self.document, k).and_then(|(node, _)| node.find_text(text));
        let Some(mut place) = found else { return self.analysis_fault(k, "", message, help) };
        // Inside the quotes, unless escapes make bytes of the file and of the text differ.
        if place.span.len() == text.len() + 2 && !at.is_empty() {
            place.span = place.span.start + 1 + at.start..place.span.start + 1 + at.end;
        }
        let help = Some(help.to_string()).filter(|h| !h.is_empty());
        InputError {
            faults: vec![Fault { message: message.into(), help, location: place.locate(&self.document.sources) }],
        }
    }

    /// A fault of the k-th analysis (from zero), at its key `name` where that is written.
    pub fn analysis_fault(&self, k: usize, name: &str, message: &str, help: &str) -> InputError {
        let path = analysis::find(&self.document, k).map_or("analysis".to_string(), |(_, path)| path);
        let key = if name.is_empty() { path } else { format!("{path}.{name}") };
        self.fault(&key, message, help)
    }

    /// A message whose first line is the fault and whose other lines are the help.
    pub fn explain(&self, key: &str, message: &str) -> InputError {
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        let help: Vec<&str> = rest.lines().map(str::trim).collect();
        self.fault(key, first, &help.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_every_key() {
        let guide = include_str!("../../../inputs/README.md");
        for key in KEYS
            .iter()
            .chain(&system::KEYS)
            .chain(&nonbonded::KEYS)
            .chain(&interface::KEYS)
            .chain(&surface::KEYS)
            .chain(&interface::WALL_KEYS)
            .chain(&interface::ELECTRODE_KEYS)
            .chain(&dynamics::KEYS)
            .chain(&piston::KEYS)
            .chain(&analysis::KINDS)
        {
            assert!(guide.contains(&format!("`{key}`")), "inputs/README.md does not explain `{key}`");
        }
    }
}
