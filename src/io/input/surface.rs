//! `[surface]`: slabs of a material of the library, with the liquid of `[system]` between them.

use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::Value;
use crate::system::interface::SurfaceSpec;

pub(super) const KEYS: [&str; 6] = ["material", "layers", "size", "slabs", "gap", "vacuum"];

pub(super) fn read(top: &Table) -> Option<SurfaceSpec> {
    let table = top.table("surface", "[surface]", &KEYS)?;
    let material = table.string("material");
    if table.get("material").is_none() {
        table.missing("material", "for example material = \"graphite\"; `hexaqua forcefield` lists them");
    }
    let layers = table.integer("layers", 1);
    let slabs = table.integer("slabs", 1);
    if let Some(given) = slabs.as_ref().filter(|s| s.value > 2) {
        let message = format!("`slabs` is {}, and must be 1 or 2", given.value);
        table.faults.add(&given.place, message, "2: one below and one above the liquid");
    }
    let needed = |name: &str, bound, help: &str| {
        if table.get(name).is_none() {
            table.missing(name, help);
        }
        table.quantity(name, Dimension::Length, bound).map(|q| q.value)
    };
    let gap =
        needed("gap", Bound::Positive, "between the innermost atoms of both slabs, or the height of the liquid on one");
    let vacuum =
        needed("vacuum", Bound::NotNegative, "empty height in all: two to three times the rest with slab_correction");
    const SIZE: &str = "for example size = [\"3 nm\", \"3 nm\"], rounded to whole cells of the crystal";
    let size = match table.get("size") {
        None => {
            table.missing("size", SIZE);
            None
        }
        Some(node) => match &node.value {
            Value::Array(elements) if elements.len() == 2 => {
                let length =
                    |k: usize| table.quantity_of(&elements[k], "`size`", Dimension::Length).filter(|l| *l > 0.0);
                let both = length(0).zip(length(1));
                if both.is_none() {
                    table.faults.add(&node.place, "`size` must be two positive lengths", SIZE);
                }
                both.map(|(x, y)| [x, y])
            }
            _ => {
                table.faults.add(&node.place, "`size` must be two lengths, along x and y", SIZE);
                None
            }
        },
    };
    Some(SurfaceSpec {
        material: material?.value,
        layers: layers.and_then(|l| usize::try_from(l.value).ok()),
        size: size?,
        two: slabs.is_none_or(|s| s.value == 2),
        gap: gap?,
        vacuum: vacuum?,
    })
}
