//! `[surface]`: slabs of a material of the library, with the liquid of `[system]` between them.

use super::quantity::Dimension;
use super::system::resolved;
use super::table::{Bound, Table};
use super::tree::Value;
use crate::system::interface::{COATING_DISTANCE, CoatingSpec, CrystalSite, CrystalSpec, MonolayerSpec, SurfaceSpec};
use std::path::Path;

pub(super) const KEYS: [&str; 10] =
    ["material", "layers", "size", "slabs", "gap", "vacuum", "galleries", "monolayers", "coating", "crystal"];
const COATING_KEYS: [&str; 2] = ["material", "distance"];
const MONOLAYER_KEYS: [&str; 4] = ["species", "coverage", "faces", "height"];
const CRYSTAL_KEYS: [&str; 4] = ["file", "frame", "cut", "sites"];
const SITE_KEYS: [&str; 4] = ["name", "charge", "sigma", "epsilon"];

/// Room for molecules that lie on a face, nm.
const MONOLAYER_HEIGHT: f64 = 0.6;

/// * `base_dir` – folder that relative paths count from
pub(super) fn read(top: &Table, base_dir: &Path) -> Option<SurfaceSpec> {
    let table = top.table("surface", "[surface]", &KEYS)?;
    let material = table.string("material");
    if table.get("material").is_none() {
        table.missing("material", "for example material = \"graphite\"; `hexaqua forcefield` lists them");
    }
    let layers = table.integer("layers", 1);
    let slabs = table.integer("slabs", 1);
    if let Some(given) = slabs.as_ref().filter(|s| s.value > 3) {
        let message = format!("`slabs` is {}, and must be 1, 2 or 3", given.value);
        table.faults.add(&given.place, message, "2: one below and one above the liquid; 3: one more in its middle");
    }
    let slabs = slabs.map_or(2, |s| s.value as usize);
    if slabs == 3 {
        for key in ["monolayers", "galleries", "coating"] {
            if let Some((key, _)) = table.entry(key) {
                let message =
                    format!("`{}` beside slabs = 3: the slab in the middle has two faces and no back", key.name);
                table.faults.add(&key.place, message, format!("remove `{}`, or build two slabs", key.name));
            }
        }
    }
    let needed = |name: &str, bound, help: &str| {
        if table.get(name).is_none() {
            table.missing(name, help);
        }
        table.quantity(name, Dimension::Length, bound).map(|q| q.value)
    };
    let gap =
        needed("gap", Bound::Positive, "between the innermost atoms of both slabs, or the height of the liquid on one");
    let vacuum = needed(
        "vacuum",
        Bound::NotNegative,
        "empty height in all; with slab_correction a quarter more than the longer of `size`",
    );
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
    let galleries = table.integer("galleries", 0).map_or(0, |g| g.value as usize);
    let monolayers = monolayers(&table, slabs > 1);
    let crystal = match table.get("crystal") {
        Some(_) => Some(crystal(&table, base_dir)?),
        None => None,
    };
    let coating = match table.table("coating", "coating", &COATING_KEYS) {
        Some(coating) => {
            if coating.get("material").is_none() {
                coating.missing("material", "for example coating = { material = \"ti3c2o2\" }");
            }
            let distance = coating.quantity("distance", Dimension::Length, Bound::Positive);
            let distance = distance.map_or(COATING_DISTANCE, |d| d.value);
            Some(CoatingSpec { material: coating.string("material")?.value, distance })
        }
        None => None,
    };
    Some(SurfaceSpec {
        galleries,
        coating,
        monolayers,
        crystal,
        material: material?.value,
        layers: layers.and_then(|l| usize::try_from(l.value).ok()),
        size: size?,
        slabs,
        gap: gap?,
        vacuum: vacuum?,
    })
}

/// `monolayers = [{ species = "IDE", coverage = "1.5 /nm2", faces = "both", height = "0.6 nm" }]`
fn monolayers(surface: &Table, two: bool) -> Vec<MonolayerSpec> {
    let nodes = surface.array("monolayers").unwrap_or_default();
    let read = |(node, number): (&_, usize)| {
        let table = Table::new(node, &format!("monolayer {number}"), &MONOLAYER_KEYS, surface.faults)?;
        if table.get("species").is_none() {
            table.missing("species", "name a solute of [system]; it may have count = 0 there");
        }
        if table.get("coverage").is_none() {
            table.missing("coverage", "molecules per area: coverage = \"1.5 /nm2\"");
        }
        let faces =
            table.choice("faces", &[("both", [true, true]), ("lower", [true, false]), ("upper", [false, true])]);
        if let Some(faces) = faces.as_ref().filter(|f| f.value[1] && !two) {
            let message = "there is no upper slab to carry a monolayer";
            table.faults.add(&faces.place, message, "write faces = \"lower\"");
        }
        let height = table.quantity("height", Dimension::Length, Bound::Positive);
        Some(MonolayerSpec {
            species: table.string("species")?.value,
            coverage: table.quantity("coverage", Dimension::Coverage, Bound::Positive)?.value,
            faces: faces.map_or([true, two], |f| f.value),
            height: height.map_or(MONOLAYER_HEIGHT, |h| h.value),
        })
    };
    nodes.iter().zip(1..).filter_map(read).collect()
}

/// `[surface.crystal]`: a unit cell from a file, with parameters for its atoms.
fn crystal(surface: &Table, base_dir: &Path) -> Option<CrystalSpec> {
    let table = surface.table("crystal", "[surface.crystal]", &CRYSTAL_KEYS)?;
    let file = table.string("file");
    if table.get("file").is_none() {
        table.missing("file", "a CIF or another structure with a cell: file = \"TiS2.cif\"");
    }
    const FRAME: &str = "three lattice vectors at right angles, for example frame = [[1, 0, 0], [1, 2, 0], [0, 0, 1]]";
    let row = |node: &super::tree::Node| match &node.value {
        Value::Array(elements) if elements.len() == 3 => {
            let entry = |k: usize| match elements[k].value {
                Value::Integer(n) => i32::try_from(n).ok(),
                _ => None,
            };
            entry(0).zip(entry(1)).zip(entry(2)).map(|((a, b), c)| [a, b, c])
        }
        _ => None,
    };
    let frame = table.array("frame").and_then(|rows| {
        let found: Vec<[i32; 3]> = rows.iter().filter_map(row).collect();
        let made = <[[i32; 3]; 3]>::try_from(found).ok().filter(|_| rows.len() == 3);
        if made.is_none()
            && let Some((key, _)) = table.entry("frame")
        {
            table.faults.add(&key.place, "`frame` must be three rows of three integers", FRAME);
        }
        made
    });
    let cut = table.get("cut").and_then(|n| table.quantity_of(n, "`cut`", Dimension::Length)).unwrap_or(0.0);
    if table.get("sites").is_none() {
        table.missing(
            "sites",
            "sites = [{ name = \"Ti\", charge = \"1.2 e\", sigma = \"0.28 nm\", epsilon = \"0.07 kJ/mol\" }, …]",
        );
    }
    let site = |(node, number): (&_, usize)| {
        let site = Table::new(node, &format!("site {number}"), &SITE_KEYS, table.faults)?;
        let needed = |name: &str, help: &str| {
            if site.get(name).is_none() {
                site.missing(name, help);
            }
        };
        needed("name", "the element, or the name that the file gives the atoms");
        needed("charge", "for example charge = \"0 e\"");
        needed("sigma", "for example sigma = \"0.3 nm\"");
        needed("epsilon", "for example epsilon = \"0.3 kJ/mol\"");
        let charge = site.get("charge").and_then(|n| site.quantity_of(n, "`charge`", Dimension::Charge));
        Some(CrystalSite {
            name: site.string("name")?.value,
            charge: charge?,
            sigma: site.quantity("sigma", Dimension::Length, Bound::Positive)?.value,
            epsilon: site.quantity("epsilon", Dimension::Energy, Bound::NotNegative)?.value,
        })
    };
    let sites = table.array("sites").unwrap_or_default().iter().zip(1..).filter_map(site).collect();
    Some(CrystalSpec { file: resolved(base_dir, &file?), frame, cut, sites })
}
