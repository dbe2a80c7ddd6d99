//! What is held in place: `constraints`, `hydrogen_mass`, `frozen` and `restraints` of `[dynamics]`.
//!
//! They say what the system is, so they hold for the whole run: a stage cannot change them.

use super::fault::Faults;
use super::quantity::Dimension;
use super::table::{Bound, Given, Table};
use super::tree::{Node, Value};
use crate::system::spec::{ConstraintsSpec, RestraintSpec};

const KEYS: [&str; 4] = ["constraints", "hydrogen_mass", "frozen", "restraints"];

/// The keys as written.
#[derive(Debug, Clone, Default)]
pub(super) struct RawHeld {
    constraints: Option<Given<ConstraintsSpec>>,
    hydrogen_mass: Option<f64>,
    frozen: Vec<String>,
    restraints: Vec<RestraintSpec>,
}

/// The same with defaults.
pub(super) struct Held {
    pub constraints: ConstraintsSpec,
    pub hydrogen_mass: Option<f64>,
    pub frozen: Vec<String>,
    pub restraints: Vec<RestraintSpec>,
}

impl RawHeld {
    /// * `path` – `dynamics`, or `stage`, where the keys are faults
    pub fn read(table: &Table, path: &str) -> Self {
        if path != "dynamics" {
            for (key, _) in KEYS.iter().filter_map(|key| table.entry(key)) {
                let message = format!("`{}` cannot change from stage to stage", key.name);
                table.faults.add(&key.place, message, "write it in [dynamics], where it holds for the whole run");
            }
            return RawHeld::default();
        }
        let choices = [
            ("rigid-water", ConstraintsSpec::RigidWater),
            ("h-bonds", ConstraintsSpec::HBonds),
            ("all-bonds", ConstraintsSpec::AllBonds),
            ("none", ConstraintsSpec::None),
        ];
        RawHeld {
            constraints: table.choice("constraints", &choices),
            hydrogen_mass: table.quantity("hydrogen_mass", Dimension::Mass, Bound::Positive).map(|m| m.value),
            frozen: strings(table),
            restraints: restraints(table),
        }
    }

    /// * `has_water` – may the box hold rigid water?
    pub fn resolve(&self, faults: &Faults, has_water: bool) -> Held {
        if let Some(given) = self.constraints.as_ref().filter(|c| c.value == ConstraintsSpec::None && has_water) {
            faults.add(
                &given.place,
                "the water models are rigid, and nothing else holds their atoms together",
                "use constraints = \"rigid-water\"",
            );
        }
        Held {
            constraints: self.constraints.as_ref().map_or(ConstraintsSpec::RigidWater, |c| c.value),
            hydrogen_mass: self.hydrogen_mass,
            frozen: self.frozen.clone(),
            restraints: self.restraints.clone(),
        }
    }
}

/// `frozen = ["Zn2+", "C of graphene"]`
fn strings(table: &Table) -> Vec<String> {
    let nodes = table.array("frozen").unwrap_or_default();
    let mut texts = Vec::new();
    for node in nodes {
        match &node.value {
            Value::String(text) => texts.push(text.clone()),
            _ => {
                let message = format!("`frozen` holds {}, and must hold selections", node.type_name());
                table.faults.add(&node.place, message, "for example frozen = [\"Zn2+\"]");
            }
        }
    }
    texts
}

/// `restraints = [{ atoms = "Zn2+", force_constant = "1000 kJ/mol/nm2" }]`
fn restraints(table: &Table) -> Vec<RestraintSpec> {
    let nodes = table.array("restraints").unwrap_or_default();
    nodes.iter().zip(1..).filter_map(|(node, number)| restraint(table, node, number)).collect()
}

fn restraint(table: &Table, node: &Node, number: usize) -> Option<RestraintSpec> {
    const HELP: &str =
        "a force constant, or one for each of x, y, z: [\"0 kJ/mol/nm2\", \"0 kJ/mol/nm2\", \"1000 kJ/mol/nm2\"]";
    let title = format!("restraint {number}");
    let restraint = Table::new(node, &title, &["atoms", "force_constant"], table.faults)?;
    let atoms = restraint.string("atoms");
    if restraint.get("atoms").is_none() {
        restraint.missing("atoms", "for example atoms = \"Zn2+\"");
    }
    let Some(given) = restraint.get("force_constant") else {
        restraint.missing("force_constant", "1000 kJ/mol/nm2 is usual");
        return None;
    };
    let one = |node: &Node| {
        let k = restraint.quantity_of(node, "`force_constant`", Dimension::ForceConstant)?;
        if k < 0.0 {
            restraint.faults.add(
                &node.place,
                format!("`force_constant` is {k} kJ/mol/nm2, and must not be negative"),
                "",
            );
            return None;
        }
        Some(k)
    };
    let force_constant = match &given.value {
        Value::Array(elements) => match elements.as_slice() {
            [x, y, z] => [one(x)?, one(y)?, one(z)?],
            _ => {
                let message = format!("`force_constant` has {} elements", elements.len());
                restraint.faults.add(&given.place, message, HELP);
                return None;
            }
        },
        _ => [one(given)?; 3],
    };
    Some(RestraintSpec { atoms: atoms?.value, force_constant })
}
