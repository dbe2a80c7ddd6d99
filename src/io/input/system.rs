//! `[system]`: what is in the box, and how the box is given; or the files of a system that exists.

use super::quantity::Dimension;
use super::table::{Bound, Given, Table};
use super::tree::{Node, Value};
use crate::cell::Cell;
use crate::system::spec::{Amount, GeometrySpec, MoleculeFile, SoluteSpec, SystemSpec, TopologySpec, WaterSpec};
use glam::DVec3;
use std::path::{Path, PathBuf};

pub(super) const KEYS: [&str; 13] = [
    "water",
    "solutes",
    "seed",
    "density",
    "box",
    "vacuum",
    "structure",
    "topology",
    "include",
    "define",
    "net_charge",
    "contact_pairs",
    "ion_charge_scale",
];

/// `None` after a fault.
pub(super) fn read(top: &Table, base_dir: &Path) -> Option<SystemSpec> {
    let Some(system) = top.table("system", "[system]", &KEYS) else {
        if top.get("system").is_none() {
            top.missing("system", "add a [system] table with water and density, box or structure");
        }
        return None;
    };
    let seed = system.integer("seed", 0).map_or(1, |s| s.value);
    let net_charge = system.choice("net_charge", &[("allowed", true), ("refused", false)]);
    let contact_pairs = system.choice("contact_pairs", &[("allowed", true), ("avoided", false)]);
    let net_charge_allowed = net_charge.is_some_and(|n| n.value);
    if system.entry("topology").is_some() {
        return Some(SystemSpec {
            water: WaterSpec { model: String::new(), molecules: None },
            solutes: Vec::new(),
            seed,
            geometry: imported(&system, top, base_dir)?,
            vacuum: 0.0,
            net_charge_allowed,
            ion_charge_scale: None,
            contact_pairs_allowed: false,
        });
    }
    let includes = includes(&system, base_dir);
    let geometry = match top.entry("surface") {
        Some(_) => beside_slabs(&system),
        None => geometry(&system, base_dir),
    };
    let water = water(&system, geometry.as_ref());
    let solutes = solutes(&system, matches!(geometry, Some(GeometrySpec::Structure(_))), base_dir, &includes);
    if !solutes.iter().any(|s| matches!(s.file, Some(MoleculeFile::Itp { .. }))) {
        for key in ["include", "define"] {
            if let Some((key, _)) = system.entry(key) {
                let message = format!("`{}` belongs to a topology, and there is none", key.name);
                let help = "add topology = \"topol.top\", or a solute with an `itp`, or remove it";
                system.faults.add(&key.place, message, help);
            }
        }
    }
    Some(SystemSpec {
        water: water?,
        solutes,
        seed,
        vacuum: vacuum(&system, geometry.as_ref()),
        geometry: geometry?,
        net_charge_allowed,
        ion_charge_scale: ion_charge_scale(&system),
        contact_pairs_allowed: contact_pairs.is_some_and(|c| c.value),
    })
}

/// 1 means full charges, the same as leaving it out.
fn ion_charge_scale(system: &Table) -> Option<f64> {
    let scale = system.number("ion_charge_scale")?;
    if !(scale.value > 0.0 && scale.value <= 1.0) {
        let message = format!("`ion_charge_scale` is {}, and must be above 0 and at most 1", scale.value);
        let help = "0.75 is the electronic continuum correction, 0.8 usual in ionic liquids, 0.85 that of Madrid-2019";
        system.faults.add(&scale.place, message, help);
        return None;
    }
    Some(scale.value).filter(|&s| s < 1.0)
}

fn geometry(system: &Table, base_dir: &Path) -> Option<GeometrySpec> {
    let alone = "a structure brings its own cell: remove the other key";
    let structure_alone = system.exclusive("structure", "density", alone) & system.exclusive("structure", "box", alone);
    if let Some(path) = system.string("structure") {
        let path = resolved(base_dir, &path);
        return structure_alone.then_some(GeometrySpec::Structure(path));
    }
    let density = system.quantity("density", Dimension::MassDensity, Bound::Positive).map(|d| d.value);
    let cell = system.get("box").map(|node| cell(system, node));
    match (cell, density) {
        (Some(cell), Some(density)) => Some(GeometrySpec::CellAndDensity { cell: cell?, density }),
        (Some(cell), None) => Some(GeometrySpec::Cell(cell?)),
        (None, Some(density)) => Some(GeometrySpec::Density(density)),
        (None, None) => {
            if ["density", "structure"].iter().all(|key| system.get(key).is_none()) {
                let help =
                    "add density = \"0.997 g/cm3\", box = [\"3 nm\", \"3 nm\", \"3 nm\"] or structure = \"system.gro\"";
                system.faults.add(&system.place, "[system] gives neither density nor box nor structure", help);
            }
            None
        }
    }
}

/// Empty height beside the liquid, nm.
fn vacuum(system: &Table, geometry: Option<&GeometrySpec>) -> f64 {
    let Some((key, _)) = system.entry("vacuum") else { return 0.0 };
    match geometry {
        // the key stands in the way there, and that is told already
        Some(GeometrySpec::Slab { .. }) | None => return 0.0,
        Some(GeometrySpec::Structure(_)) => {
            let help = "remove it, or make the cell of the structure higher";
            system.faults.add(&key.place, "`vacuum` beside a structure, which brings its own cell", help);
            return 0.0;
        }
        Some(GeometrySpec::Cell(cell) | GeometrySpec::CellAndDensity { cell, .. })
            if cell[2][0] != 0.0 || cell[2][1] != 0.0 =>
        {
            let help = "give `box` three edges, or a third vector [\"0 nm\", \"0 nm\", \"4 nm\"]";
            system.faults.add(&key.place, "`vacuum` lies along z, and the third vector of `box` does not", help);
            return 0.0;
        }
        Some(_) => {}
    }
    system.quantity("vacuum", Dimension::Length, Bound::Positive).map_or(0.0, |v| v.value)
}

/// A liquid whose cell follows from `[surface]`.
fn beside_slabs(system: &Table) -> Option<GeometrySpec> {
    for key in ["box", "structure", "vacuum"] {
        if let Some((key, _)) = system.entry(key) {
            let message = format!("`{}` beside [surface], which makes the cell itself", key.name);
            system.faults.add(&key.place, message, "remove it: size, gap and vacuum of [surface] fix the cell");
        }
    }
    let density = system.quantity("density", Dimension::MassDensity, Bound::Positive).map(|d| d.value);
    Some(GeometrySpec::Slab { density })
}

/// `topology` with `structure`, `include` and `define`; everything else about the system stands in the topology.
fn imported(system: &Table, top: &Table, base_dir: &Path) -> Option<GeometrySpec> {
    for key in ["water", "solutes", "density", "box", "vacuum", "contact_pairs", "ion_charge_scale"] {
        if let Some((key, _)) = system.entry(key) {
            let message = format!("`{}` beside a topology, which says itself what the system is", key.name);
            system.faults.add(&key.place, message, format!("remove `{}` or `topology`", key.name));
        }
    }
    if let Some(mixing) = top.get("nonbonded").and_then(|nonbonded| nonbonded.get("mixing")) {
        let message = "`mixing` beside a topology, which has a combination rule of its own";
        system.faults.add(&mixing.place, message, "remove `mixing`; the rule stands in [ defaults ] of the topology");
    }
    if system.get("structure").is_none() {
        system.missing("structure", "a topology needs coordinates: add structure = \"system.gro\"");
    }
    let topology = system.string("topology").map(|path| resolved(base_dir, &path));
    let structure = system.string("structure").map(|path| resolved(base_dir, &path));
    let (include, define) = includes(system, base_dir);
    Some(GeometrySpec::Topology { structure: structure?, topology: TopologySpec { path: topology?, include, define } })
}

/// `include` and `define`.
fn includes(system: &Table, base_dir: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let texts = |name: &str, example: &str| -> Vec<Given<String>> {
        let mut texts = Vec::new();
        for node in system.array(name).unwrap_or_default() {
            match &node.value {
                Value::String(text) => texts.push(Given { value: text.clone(), place: node.place.clone() }),
                _ => system.faults.add(&node.place, format!("an element of `{name}` must be a string"), example),
            }
        }
        texts
    };
    let include = texts("include", "for example include = [\"oplsaa.ff\"]");
    let define = texts("define", "for example define = [\"FLEXIBLE\", \"POSRES_K=1000\"]");
    for item in &define {
        let name = item.value.split('=').next().unwrap_or("").trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            let help = "write NAME or NAME=value, without -D";
            system.faults.add(&item.place, format!("`{}` defines no name", item.value), help);
        }
    }
    // grompp's -DNAME is what people have in their files
    let define = define.iter().map(|item| item.value.trim().trim_start_matches("-D").to_string()).collect();
    (include.iter().map(|folder| resolved(base_dir, folder)).collect(), define)
}

/// The absolute path, so that a copy of the input in another folder still finds the file.
pub(super) fn resolved(base_dir: &Path, path: &Given<String>) -> PathBuf {
    let joined = base_dir.join(&path.value);
    std::path::absolute(&joined).unwrap_or(joined)
}

/// Three edge lengths, or three vectors.
fn cell(system: &Table, node: &Node) -> Option<[[f64; 3]; 3]> {
    const HELP: &str = "three edges [\"3 nm\", \"3 nm\", \"3 nm\"], or three vectors \
                        [[\"3 nm\", \"0 nm\", \"0 nm\"], [\"1 nm\", \"3 nm\", \"0 nm\"], [\"0 nm\", \"0 nm\", \"3 nm\"]]";
    let three = |node: &Node| -> Option<[f64; 3]> {
        let Value::Array(elements) = &node.value else {
            system.faults.add(&node.place, "`box` mixes lengths and vectors", HELP);
            return None;
        };
        let [x, y, z] = elements.as_slice() else {
            system.faults.add(&node.place, format!("a vector of `box` has {} components", elements.len()), HELP);
            return None;
        };
        let length = |node| system.quantity_of(node, "`box`", Dimension::Length);
        Some([length(x)?, length(y)?, length(z)?])
    };
    let Value::Array(elements) = &node.value else {
        system.faults.add(&node.place, format!("`box` must be an array, not {}", node.type_name()), HELP);
        return None;
    };
    let [a, b, c] = elements.as_slice() else {
        system.faults.add(&node.place, format!("`box` has {} elements", elements.len()), HELP);
        return None;
    };
    let rows = if elements.iter().any(|e| matches!(e.value, Value::Array(_))) {
        [three(a)?, three(b)?, three(c)?]
    } else {
        let [x, y, z] = three(node)?;
        [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]]
    };
    let [a, b, c] = rows.map(DVec3::from_array);
    match Cell::new(a, b, c) {
        Ok(_) => Some(rows),
        Err(error) => {
            system.faults.add(&node.place, format!("`box` is not a usable cell: {error}"), "");
            None
        }
    }
}

fn water(system: &Table, geometry: Option<&GeometrySpec>) -> Option<WaterSpec> {
    const EXAMPLE: &str = "for example water = { model = \"SPC/E\", molecules = 512 }";
    if let Some(node) = system.get("water").filter(|node| !matches!(node.value, Value::Table(_))) {
        system.faults.add(&node.place, format!("`water` must be a table, not {}", node.type_name()), EXAMPLE);
        return None;
    }
    let Some(water) = system.table("water", "[system] water", &["model", "molecules"]) else {
        if system.get("water").is_none() {
            system.missing("water", EXAMPLE);
        }
        return None;
    };
    let model = water.string("model");
    if water.get("model").is_none() {
        water.missing("model", EXAMPLE);
    }
    let molecules = water.integer("molecules", 0);
    let place = water.entry("molecules").map(|(key, _)| &key.place);
    match (geometry, place) {
        (Some(GeometrySpec::Structure(_)), Some(place)) => {
            system.faults.add(place, "the number of waters is counted from the structure", "remove `molecules`");
        }
        (Some(GeometrySpec::Slab { density: Some(_) }), Some(place)) => system.faults.add(
            place,
            "[system] gives the number of waters and a density, and [surface] the volume",
            "the three contradict each other: remove `molecules` or `density`",
        ),
        // a density that cannot be used has a fault of its own
        (Some(GeometrySpec::Slab { density: None } | GeometrySpec::Cell(_)), None)
            if system.get("density").is_none() =>
        {
            water.missing("molecules", "add `molecules`, or [system] density, from which the number follows");
        }
        (Some(GeometrySpec::CellAndDensity { .. }), Some(place)) => system.faults.add(
            place,
            "[system] gives the number of waters, a box and a density",
            "the three contradict each other: remove `molecules`, `box` or `density`",
        ),
        (Some(GeometrySpec::Density(_)), None) => {
            water.missing("molecules", "a density alone does not say how large the box is: add `molecules` or `box`");
        }
        _ => {}
    }
    let molecules = molecules.and_then(|m| usize::try_from(m.value).ok());
    Some(WaterSpec { model: model?.value, molecules })
}

fn solutes(system: &Table, imported: bool, base_dir: &Path, includes: &(Vec<PathBuf>, Vec<String>)) -> Vec<SoluteSpec> {
    let mut solutes: Vec<SoluteSpec> = Vec::new();
    for node in system.array("solutes").unwrap_or_default() {
        let keys = ["name", "model", "count", "concentration", "molality", "toml", "itp", "structure", "rules"];
        let Some(mut solute) = Table::new(node, "a solute", &keys, system.faults) else { continue };
        let Some(name) = solute.string("name") else {
            if solute.get("name").is_none() {
                solute.missing("name", "for example { name = \"Zn2+\", model = \"li-merz-iod\", count = 1 }");
            }
            continue;
        };
        if solutes.iter().any(|s| s.name == name.value) {
            let message = format!("there are two solutes `{}`", name.value);
            system.faults.add(&name.place, message, "put the whole amount into one entry");
        }
        solute.title = format!("the solute `{}`", name.value);
        let model = solute.string("model").map(|m| m.value);
        solute.exclusive("count", "concentration", "keep one of them");
        if let Some((key, _)) = solute.entry("molality") {
            let help = "write count: the number of waters times 0.018015 times the molality in mol/kg, rounded";
            solute.faults.add(&key.place, "`molality` is not an amount that this version reads", help);
            continue;
        }
        let count = solute.integer("count", 0);
        let concentration = solute.quantity("concentration", Dimension::Concentration, Bound::Positive);
        let given = solute.entry("count").or(solute.entry("concentration"));
        let amount = match (count, concentration) {
            (Some(count), _) => usize::try_from(count.value).map_or(Amount::FromStructure, Amount::Count),
            (None, Some(concentration)) => Amount::Concentration(concentration.value),
            (None, None) => Amount::FromStructure,
        };
        match given {
            Some((key, _)) if imported => {
                let message = format!("the number of {} is counted from the structure", name.value);
                system.faults.add(&key.place, message, format!("remove `{}`", key.name));
            }
            None if !imported => {
                solute.missing("count", "say how many: count = 1, or concentration = \"2 mol/L\"");
            }
            _ => {}
        }
        let file = molecule_file(&solute, base_dir, includes);
        solutes.push(SoluteSpec { name: name.value, model, amount, file });
    }
    solutes
}

/// `itp` with an optional `structure`, or `toml`.
fn molecule_file(
    solute: &Table,
    base_dir: &Path,
    (include, define): &(Vec<PathBuf>, Vec<String>),
) -> Option<MoleculeFile> {
    solute.exclusive("toml", "itp", "keep the one that describes the molecule");
    solute.exclusive("itp", "model", "an .itp file brings its own parameters: remove `model`");
    let path = |key: &str| solute.string(key).map(|path| resolved(base_dir, &path));
    for name in ["structure", "rules"] {
        if let Some((key, _)) = solute.entry(name).filter(|_| solute.get("itp").is_none()) {
            let message = format!("`{name}` has no effect without `itp`");
            solute.faults.add(&key.place, message, "a TOML file says itself what it needs");
        }
    }
    match (path("toml"), path("itp")) {
        (Some(toml), _) => Some(MoleculeFile::Toml(toml)),
        (None, Some(itp)) => {
            let rules = solute.choice("rules", &[("opls", "opls"), ("amber", "amber")]).map(|r| r.value.to_string());
            let topology = TopologySpec { path: itp, include: include.clone(), define: define.clone() };
            Some(MoleculeFile::Itp { topology, structure: path("structure"), rules })
        }
        (None, None) => None,
    }
}
