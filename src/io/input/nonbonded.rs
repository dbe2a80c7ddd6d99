//! `[nonbonded]`: cutoff, modifier, mixing, and the treatment of Coulomb interactions.

use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::{Node, Value};
use crate::cell::Cell;
use crate::potential::mixing::Mixing;
use crate::system::interactions::{Coulomb, LjModifier};
use crate::system::spec::{Accuracy, BetaSpec, CoulombSpec, MeshSpec, NonbondedSpec};
use glam::DVec3;

/// nm
const CUTOFF: f64 = 0.9;

pub(super) const KEYS: [&str; 7] =
    ["cutoff", "accuracy", "lj_modifier", "switch_start", "dispersion_correction", "mixing", "coulomb"];
const KINDS: [&str; 4] = ["pme", "ewald", "reaction-field", "cutoff"];

/// What holds without a `[nonbonded]` table.
fn default() -> NonbondedSpec {
    NonbondedSpec {
        cutoff: CUTOFF,
        accuracy: Accuracy::Default,
        lj_modifier: LjModifier::None,
        dispersion_correction: true,
        mixing: Mixing::LorentzBerthelot,
        coulomb: default_pme(Accuracy::Default, CUTOFF),
    }
}

fn default_pme(accuracy: Accuracy, cutoff: f64) -> CoulombSpec {
    let beta = BetaSpec::Tolerance(accuracy.tolerance());
    CoulombSpec::Pme { beta, mesh: MeshSpec::Spacing(accuracy.spacing(beta.value(cutoff))), order: accuracy.order() }
}

/// * `box_vectors` – cell vectors in nm where the input gives them
pub(super) fn read(top: &Table, box_vectors: Option<[[f64; 3]; 3]>) -> NonbondedSpec {
    let Some(table) = top.table("nonbonded", "[nonbonded]", &KEYS) else { return default() };
    let given_cutoff = table.quantity("cutoff", Dimension::Length, Bound::Positive);
    let cutoff = given_cutoff.as_ref().map_or(CUTOFF, |c| c.value);
    let half_height = box_vectors.and_then(|rows| {
        let [a, b, c] = rows.map(DVec3::from_array);
        Cell::new(a, b, c).ok().map(|cell| cell.half_height())
    });
    if let Some(half) = half_height.filter(|&half| cutoff > half * (1.0 + 1e-12)) {
        let place = given_cutoff.as_ref().map_or(&table.place, |c| &c.place);
        let message = format!("the cutoff is {cutoff} nm, more than half the smallest height of the box ({half} nm)");
        table.faults.add(place, message, format!("use a cutoff of at most {half} nm, or a larger box"));
    }
    let words = [("default", Accuracy::Default), ("tight", Accuracy::Tight)];
    let given_accuracy = table.choice("accuracy", &words);
    let accuracy = given_accuracy.as_ref().map_or(Accuracy::Default, |given| given.value);
    let coulomb = coulomb(&table, accuracy, cutoff);
    if let (Some(given), CoulombSpec::Fixed(_)) = (&given_accuracy, &coulomb) {
        let help = "remove `accuracy`, or use [nonbonded.coulomb.pme]";
        table.faults.add(&given.place, "`accuracy` has no effect without an Ewald sum", help);
    }
    let mixing = [("lorentz-berthelot", Mixing::LorentzBerthelot), ("geometric", Mixing::Geometric)];
    NonbondedSpec {
        cutoff,
        accuracy,
        lj_modifier: lj_modifier(&table, cutoff),
        dispersion_correction: table.boolean("dispersion_correction").unwrap_or(true),
        mixing: table.choice("mixing", &mixing).map_or(Mixing::LorentzBerthelot, |m| m.value),
        coulomb,
    }
}

fn lj_modifier(table: &Table, cutoff: f64) -> LjModifier {
    let words = [
        ("none", LjModifier::None),
        ("potential-shift", LjModifier::PotentialShift),
        ("switch", LjModifier::Switch { start: 0.0 }),
    ];
    let modifier = table.choice("lj_modifier", &words);
    let start = table.quantity("switch_start", Dimension::Length, Bound::Positive);
    match (modifier, start) {
        (Some(given), Some(start)) if matches!(given.value, LjModifier::Switch { .. }) => {
            if start.value >= cutoff {
                let message =
                    format!("switch_start is {} nm, and must be below the cutoff of {cutoff} nm", start.value);
                table.faults.add(&start.place, message, "switching ends at the cutoff: start about 0.1 nm before it");
            }
            LjModifier::Switch { start: start.value }
        }
        (Some(given), None) if matches!(given.value, LjModifier::Switch { .. }) => {
            if table.get("switch_start").is_none() {
                table.faults.add(
                    &given.place,
                    "lj_modifier = \"switch\" needs `switch_start`",
                    format!("for example switch_start = \"{:.3} nm\"", 0.9 * cutoff),
                );
            }
            given.value
        }
        (modifier, Some(start)) => {
            let help = "add lj_modifier = \"switch\", or remove `switch_start`";
            table.faults.add(&start.place, "`switch_start` has no effect without a switch", help);
            modifier.map_or(LjModifier::None, |m| m.value)
        }
        (modifier, None) => modifier.map_or(LjModifier::None, |m| m.value),
    }
}

fn coulomb(nonbonded: &Table, accuracy: Accuracy, cutoff: f64) -> CoulombSpec {
    let Some(table) = nonbonded.table("coulomb", "[nonbonded.coulomb]", &KINDS) else {
        return default_pme(accuracy, cutoff);
    };
    let Some((kind, _)) = table.one_kind(&KINDS) else { return default_pme(accuracy, cutoff) };
    let title = format!("[nonbonded.coulomb.{}]", kind.name);
    let keys: &[&str] = match kind.name.as_str() {
        "pme" => &["tolerance", "beta", "spacing", "grid", "order"],
        "ewald" => &["tolerance", "beta", "n_max", "n_sq_max"],
        "reaction-field" => &["epsilon"],
        _ => &[],
    };
    let Some(kind_table) = table.table(&kind.name, &title, keys) else { return default_pme(accuracy, cutoff) };
    match kind.name.as_str() {
        "pme" => pme(&kind_table, accuracy, cutoff),
        "ewald" => ewald(&kind_table, accuracy),
        "reaction-field" => reaction_field(&kind_table),
        _ => CoulombSpec::Fixed(Coulomb::Cutoff),
    }
}

fn beta(table: &Table, accuracy: Accuracy) -> BetaSpec {
    table.exclusive("tolerance", "beta", "each fixes the other through erfc(beta * cutoff) = tolerance: keep one");
    if let Some(beta) = table.quantity("beta", Dimension::InverseLength, Bound::Positive) {
        return BetaSpec::Beta(beta.value);
    }
    let Some(tolerance) = table.number("tolerance") else { return BetaSpec::Tolerance(accuracy.tolerance()) };
    if !(tolerance.value > 0.0 && tolerance.value < 1.0) {
        let message = format!("`tolerance` is {}, and must lie between 0 and 1", tolerance.value);
        table.faults.add(&tolerance.place, message, "it is erfc(beta * cutoff); 1e-5 is usual");
    }
    BetaSpec::Tolerance(tolerance.value)
}

fn pme(table: &Table, accuracy: Accuracy, cutoff: f64) -> CoulombSpec {
    let beta = beta(table, accuracy);
    table.exclusive("spacing", "grid", "keep one of them");
    let spacing = table.quantity("spacing", Dimension::Length, Bound::Positive);
    let mesh = match integers(table, "grid", 1) {
        Some(grid) => MeshSpec::Grid(grid.map(|n| n as usize)),
        None => MeshSpec::Spacing(spacing.map_or_else(|| accuracy.spacing(beta.value(cutoff)), |s| s.value)),
    };
    let order = table.integer("order", 0).map_or(accuracy.order(), |given| {
        if !(4..=6).contains(&given.value) {
            let message = format!("`order` is {}, and must be 4, 5 or 6", given.value);
            table.faults.add(&given.place, message, "5 is usual");
        }
        given.value as usize
    });
    CoulombSpec::Pme { beta, mesh, order }
}

fn ewald(table: &Table, accuracy: Accuracy) -> CoulombSpec {
    let n_max = integers(table, "n_max", 1).map(|n| n.map(|i| i as i32));
    let n_sq_max = table.integer("n_sq_max", 1);
    if let Some(given) = n_sq_max.as_ref().filter(|_| table.get("n_max").is_none()) {
        let help = "n_sq_max cuts corners off the box of n_max: give n_max as well";
        table.faults.add(&given.place, "`n_sq_max` needs `n_max`", help);
    }
    let n_sq_max = n_sq_max.and_then(|n| i32::try_from(n.value).ok());
    CoulombSpec::Ewald { beta: beta(table, accuracy), n_max, n_sq_max }
}

fn reaction_field(table: &Table) -> CoulombSpec {
    let epsilon = match table.number("epsilon") {
        Some(epsilon) => {
            // NaN is refused, too; infinity is a conductor.
            if epsilon.value < 1.0 || epsilon.value.is_nan() {
                let message = format!("`epsilon` is {}, and must be at least 1", epsilon.value);
                table.faults.add(&epsilon.place, message, "78.5 is water, inf a conductor");
            }
            epsilon.value
        }
        None => {
            if table.get("epsilon").is_none() {
                table.missing("epsilon", "the dielectric constant beyond the cutoff: 78.5 is water, inf a conductor");
            }
            f64::INFINITY
        }
    };
    CoulombSpec::Fixed(Coulomb::ReactionField { epsilon })
}

/// Three integers of at least `least`, or one for all three; small enough for an i32.
fn integers(table: &Table, name: &str, least: i64) -> Option<[i64; 3]> {
    let node = table.get(name)?;
    let one = |node: &Node| match node.value {
        Value::Integer(n) if n >= least && n <= 4096 => Some(n),
        _ => None,
    };
    let found = match &node.value {
        Value::Array(elements) => match elements.as_slice() {
            [a, b, c] => one(a).zip(one(b)).zip(one(c)).map(|((a, b), c)| [a, b, c]),
            _ => None,
        },
        _ => one(node).map(|n| [n; 3]),
    };
    if found.is_none() {
        let help = format!("for example {name} = [24, 24, 24]");
        table.faults.add(&node.place, format!("`{name}` must be three integers from {least} to 4096"), help);
    }
    found
}
