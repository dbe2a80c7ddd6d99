//! `[stage.piston]`: a slab that a pressure pushes along z while the stage lasts, and what it cannot stand beside.

use super::quantity::Dimension;
use super::table::{Bound, Table};
use crate::system::interface::InterfaceSpec;
use crate::system::spec::{PistonSpec, StageKind, StageSpec};

pub(super) const KEYS: [&str; 4] = ["atoms", "pressure", "mass", "friction"];

/// bar
const PRESSURE: f64 = 1.0;
/// ps⁻¹: near critical damping of a slab on a few nanometres of water
const FRICTION: f64 = 1.0;

/// * `top` – the input: slabs of `[surface]` have names
pub(super) fn read(top: &Table, stage: &Table) -> Option<PistonSpec> {
    let table = stage.table("piston", "[stage.piston]", &KEYS)?;
    let atoms = match (table.string("atoms"), top.get("surface")) {
        (Some(given), _) => given.value,
        (None, Some(_)) => "upper".to_string(),
        (None, None) => {
            if table.get("atoms").is_none() {
                table.missing("atoms", "a selection of frozen atoms, for example atoms = \"graphene\"");
            }
            return None;
        }
    };
    // a pressure may be negative
    let pressure = table.get("pressure").and_then(|n| table.quantity_of(n, "`pressure`", Dimension::Pressure));
    Some(PistonSpec {
        atoms,
        pressure: pressure.unwrap_or(PRESSURE),
        mass: table.quantity("mass", Dimension::Mass, Bound::Positive).map(|m| m.value),
        friction: table.quantity("friction", Dimension::InverseTime, Bound::NotNegative).map_or(FRICTION, |f| f.value),
    })
}

/// What cannot be in one input, or in one stage, with a piston.
pub(super) fn check(top: &Table, interface: &InterfaceSpec, stages: &[StageSpec]) {
    let nodes = top.array("stage").unwrap_or_default();
    // a stage with a fault is left out, and then places are not those of the list
    let find = |name: &str| {
        nodes
            .iter()
            .find(|n| n.get("name").is_some_and(|n| matches!(&n.value, super::tree::Value::String(s) if s == name)))
    };
    let last = stages.iter().rposition(|s| matches!(s.kind, StageKind::Dynamics { .. }));
    for (k, stage) in stages.iter().enumerate() {
        let StageKind::Dynamics { dynamics, piston: Some(_), .. } = &stage.kind else { continue };
        let Some(place) = find(&stage.name).and_then(|n| n.get("piston")).map(|n| &n.place) else { continue };
        let fault = |message: &str, help: &str| top.faults.add(place, message, help);
        if dynamics.barostat.is_some() {
            let help = "keep one: with slabs the piston, which leaves the cell alone; [stage.barostat.none] ends a barostat of \
                        [dynamics]";
            fault("a piston beside a barostat: both would set the pressure", help);
        }
        if dynamics.com_removal_every > 0 {
            let help = "write com_removal_every = 0 in [dynamics]";
            fault("removal of the centre-of-mass motion would stop what a piston moves", help);
        }
        if interface.finite_field.is_some() {
            let help = "keep the gap that the input gives, or find it in a cell with vacuum and a slab correction, then build the cell \
                        with that gap";
            fault(
                "a piston moves a slab into its vacuum, and a cell with `finite_field` has none: its electrodes stand back to back",
                help,
            );
        }
        if interface.surface.as_ref().is_some_and(|s| s.slabs == 3) {
            let help = "find the gap with slabs = 2 and a piston, then build three slabs with that gap";
            fault("a piston presses on one liquid, and three slabs hold two", help);
        }
        if !interface.electrodes.is_empty() && last == Some(k) {
            let help = "add a stage after it: the piston is then fixed at the mean of its gap, and electrodes get their potentials";
            fault(
                "electrodes at constant potential cannot move with a piston: the matrix of their charges holds for where they are",
                help,
            );
        }
    }
}
