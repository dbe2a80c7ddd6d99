//! `[external]`, `[[wall]]` and `[[electrode]]`: what makes a cell an interface, and what contradicts it.

use super::fault::{Faults, Place};
use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::{Node, Value};
use crate::system::external::{MOST_ELECTRODES, WallForm, too_wide};
use crate::system::interface::{ConditionSpec, ElectrodeSpec, InterfaceSpec, ThomasFermiSpec, WallSpec};
use crate::system::spec::{CoulombSpec, NonbondedSpec, StageKind, StageSpec};
use std::path::Path;

pub(super) const KEYS: [&str; 3] = ["slab_correction", "field", "finite_field"];
pub(super) const WALL_KEYS: [&str; 4] = ["z", "side", "nine-three", "steele"];
pub(super) const ELECTRODE_KEYS: [&str; 6] = ["name", "atoms", "potential", "charge", "gaussian_width", "thomas_fermi"];
const FORMS: [&str; 2] = ["nine-three", "steele"];

/// w of carbon, nm: η = 19.79 /nm of S. K. Reed, O. J. Lanning, P. A. Madden, J. Chem. Phys. 126, 084704 (2007).
const GAUSSIAN_WIDTH: f64 = 0.0505;

/// Reads the three; what needs other sections is for [`check`].
pub(super) fn read(top: &Table, base_dir: &Path) -> InterfaceSpec {
    let mut spec = InterfaceSpec {
        walls: tables(top, "wall", &WALL_KEYS).filter_map(|wall| read_wall(&wall)).collect(),
        electrodes: electrodes(top),
        surface: super::surface::read(top, base_dir),
        ..InterfaceSpec::default()
    };
    let Some(table) = top.table("external", "[external]", &KEYS) else { return spec };
    spec.slab_correction = table.boolean("slab_correction").unwrap_or(false);
    let any = |name, dimension| table.get(name).and_then(|n| table.quantity_of(n, &format!("`{name}`"), dimension));
    spec.field = any("field", Dimension::ElectricField).unwrap_or(0.0);
    spec.finite_field = any("finite_field", Dimension::Potential);
    let Some((key, _)) = table.entry("finite_field") else { return spec };
    if spec.slab_correction {
        let help = "keep slab_correction and give the electrodes potentials, or remove it and the vacuum; a uniform `field` \
                    goes with both";
        let message = "a finite-field potential needs a cell that is periodic along z, and slab_correction makes it a single slab";
        table.faults.add(&key.place, message, help);
    }
    table.exclusive("field", "finite_field", "the potential is held by a field of its own: keep one");
    if spec.electrodes.is_empty() && top.get("electrode").is_none() {
        let help = "add two [[electrode]] tables, or give a `field`";
        table.faults.add(&key.place, "`finite_field` has no electrodes to act between", help);
    }
    spec
}

/// The tables of an array, with their titles.
fn tables<'a>(top: &Table<'a>, name: &'static str, keys: &'static [&str]) -> impl Iterator<Item = Table<'a>> {
    let faults = top.faults;
    let nodes = top.array(name).unwrap_or_default();
    nodes.iter().zip(1..).filter_map(move |(node, number): (&'a Node, usize)| {
        Table::new(node, &format!("{name} {number}"), keys, faults)
    })
}

fn read_wall(wall: &Table) -> Option<WallSpec> {
    let z = wall.get("z").and_then(|n| wall.quantity_of(n, "`z`", Dimension::Length));
    if wall.get("z").is_none() {
        wall.missing("z", "the height of its outermost atoms: z = \"0 nm\"");
    }
    let side = wall.choice("side", &[("above", 1.0), ("below", -1.0)]);
    if wall.get("side").is_none() {
        wall.missing("side", "where the atoms are: side = \"above\" or \"below\"");
    }
    let Some((kind, _)) = wall.one_kind(&FORMS) else {
        if FORMS.iter().all(|form| wall.get(form).is_none()) {
            wall.missing("steele", "add a table [wall.steele] or [wall.nine-three] with sigma, epsilon and density");
        }
        return None;
    };
    let is_steele = kind.name == "steele";
    let keys: &[&str] =
        if is_steele { &["sigma", "epsilon", "density", "spacing"] } else { &["sigma", "epsilon", "density"] };
    let form = wall.table(&kind.name, &format!("[wall.{}]", kind.name), keys)?;
    let needed = |name: &str, dimension, example: &str| {
        if form.get(name).is_none() {
            form.missing(name, example);
        }
        form.quantity(name, dimension, Bound::Positive).map(|q| q.value)
    };
    let sigma = needed("sigma", Dimension::Length, "of a wall atom; 0.34 nm for graphite");
    let epsilon = needed("epsilon", Dimension::Energy, "of a wall atom; 28 K for graphite");
    let density = needed("density", Dimension::NumberDensity, "wall atoms per volume; 114 /nm3 for graphite");
    let spacing = if is_steele {
        needed("spacing", Dimension::Length, "between the layers; 0.335 nm for graphite")
    } else {
        Some(0.0)
    };
    Some(WallSpec {
        z: z?,
        normal: side?.value,
        form: if is_steele { WallForm::TenFourThree { spacing: spacing? } } else { WallForm::NineThree },
        sigma: sigma?,
        epsilon: epsilon?,
        density: density?,
    })
}

fn electrodes(top: &Table) -> Vec<ElectrodeSpec> {
    let mut electrodes: Vec<ElectrodeSpec> = Vec::new();
    for mut table in tables(top, "electrode", &ELECTRODE_KEYS) {
        let name = table.string("name");
        if table.get("name").is_none() {
            table.missing("name", "for example name = \"lower\"");
        }
        if let Some(name) = &name {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.value.is_empty() || !name.value.chars().all(plain) || name.value.parse::<usize>().is_ok() {
                let help =
                    "use letters, digits, - and _, and not a number alone: --set and the columns of log.csv use it";
                let message = format!("\"{}\" cannot be the name of an electrode", name.value);
                table.faults.add(&name.place, message, help);
            }
            if electrodes.iter().any(|e| e.name == name.value) {
                let message = format!("there are two electrodes `{}`", name.value);
                table.faults.add(&name.place, message, "every electrode needs a name of its own");
            }
            table.title = format!("the electrode `{}`", name.value);
        }
        let atoms = table.string("atoms");
        if table.get("atoms").is_none() {
            table.missing("atoms", "a selection, for example atoms = \"graphene\"");
        }
        table.exclusive("potential", "charge", "the one follows from the other: keep the one that is held");
        let any = |name, dimension| table.get(name).and_then(|n| table.quantity_of(n, &format!("`{name}`"), dimension));
        let potential = any("potential", Dimension::Potential).map(ConditionSpec::Potential);
        let charge = any("charge", Dimension::Charge).map(ConditionSpec::Charge);
        let finite_field = top.get("external").is_some_and(|external| external.get("finite_field").is_some());
        match table.entry("potential") {
            Some((key, _)) if finite_field => table.faults.add(
                &key.place,
                "a potential beside `finite_field`, which says itself how far the electrodes are apart",
                "remove `potential`: the upper electrode stands by `finite_field` above the lower one",
            ),
            None if !finite_field && table.get("charge").is_none() => {
                table.missing("potential", "say what is held: potential = \"0 V\", or charge = \"0 e\"");
            }
            _ => {}
        }
        let width = table.quantity("gaussian_width", Dimension::Length, Bound::Positive);
        let condition = potential.or(charge).unwrap_or(ConditionSpec::Potential(0.0));
        let thomas_fermi = thomas_fermi(&table);
        let (Some(name), Some(atoms)) = (name, atoms) else { continue };
        electrodes.push(ElectrodeSpec {
            name: name.value,
            atoms: atoms.value,
            condition,
            gaussian_width: width.map_or(GAUSSIAN_WIDTH, |w| w.value),
            thomas_fermi,
        });
    }
    if electrodes.len() > MOST_ELECTRODES
        && let Some((key, _)) = top.entry("electrode")
    {
        let message = format!("there are {} electrodes, and can be {MOST_ELECTRODES}", electrodes.len());
        top.faults.add(&key.place, message, "join those of one potential: a selection may name several groups");
    }
    electrodes
}

/// `thomas_fermi = { length = "0.05 nm", volume = "0.0088 nm3" }`
fn thomas_fermi(electrode: &Table) -> Option<ThomasFermiSpec> {
    let table = electrode.table("thomas_fermi", "thomas_fermi", &["length", "volume"])?;
    for name in ["length", "volume"] {
        if table.get(name).is_none() {
            let help =
                "for example thomas_fermi = { length = \"0.05 nm\", volume = \"0.0088 nm3\" }, the volume per atom";
            table.missing(name, help);
        }
    }
    let length = table.quantity("length", Dimension::Length, Bound::NotNegative);
    let volume = table.quantity("volume", Dimension::Volume, Bound::Positive);
    Some(ThomasFermiSpec { length: length?.value, volume: volume?.value })
}

/// What the other sections must not say beside an interface; a dispersion correction that is on by default goes off.
pub(super) fn check(
    top: &Table,
    interface: &InterfaceSpec,
    nonbonded: &mut NonbondedSpec,
    stages: &[StageSpec],
    (has_vacuum, has_barostat): (bool, bool),
) {
    let faults = top.faults;
    let place = |path: &[&str]| place_of(top, path);
    if (interface.has_surface() || has_vacuum) && nonbonded.dispersion_correction {
        match top.get("nonbonded").and_then(|n| n.get("dispersion_correction")) {
            Some(node) => faults.add(
                &node.place,
                "a dispersion correction assumes that matter is the same everywhere, and there is a surface",
                "remove it: with a vacuum, a slab, a wall or an electrode it is off",
            ),
            None => nonbonded.dispersion_correction = false,
        }
    }
    if matches!(nonbonded.coulomb, CoulombSpec::Fixed(_)) {
        let help = "use [nonbonded.coulomb.pme], or ewald";
        if interface.slab_correction {
            let what = "`slab_correction` corrects an Ewald sum, and there is none";
            faults.add(&place(&["external", "slab_correction"]), what, help);
        }
        if !interface.electrodes.is_empty() {
            faults.add(&place(&["electrode"]), "electrodes need an Ewald sum, and there is none", help);
        }
    }
    let barostat_of =
        |s: &StageSpec| matches!(&s.kind, StageKind::Dynamics { dynamics, .. } if dynamics.barostat.is_some());
    if has_barostat || stages.iter().any(barostat_of) {
        let at = if has_barostat { place(&["dynamics", "barostat"]) } else { place(&["stage"]) };
        if !interface.electrodes.is_empty() {
            let help = "run at constant volume; choose the gap, or the amount of liquid, for the density between the electrodes";
            faults.add(
                &at,
                "a barostat would move the cell under the electrodes, whose matrix holds for where they are",
                help,
            );
        } else if interface.slab_correction || !interface.walls.is_empty() || has_vacuum {
            let help = "run at constant volume";
            faults.add(&at, "a barostat cannot tell a slab from its vacuum, nor move a wall", help);
        }
    }
    widths(top, interface, nonbonded.cutoff, faults);
}

/// Beyond the cutoff nothing may be left of a Gaussian's shape.
fn widths(top: &Table, interface: &InterfaceSpec, cutoff: f64, faults: &Faults) {
    for (electrode, node) in interface.electrodes.iter().zip(top.array("electrode").unwrap_or_default()) {
        if let Some((what, help)) = too_wide(&electrode.name, electrode.gaussian_width, cutoff) {
            let place = node.get("gaussian_width").map_or(&node.place, |n| &n.place);
            faults.add(place, what, help);
        }
    }
}

/// Where a key is written, or the nearest table above it.
fn place_of(top: &Table, path: &[&str]) -> Place {
    let Some((key, mut node)) = top.entry(path[0]) else { return Place::default() };
    let mut place = key.place.clone();
    for name in &path[1..] {
        let Value::Table(entries) = &node.value else { break };
        let Some((key, next)) = entries.iter().find(|(key, _)| key.name == *name) else { break };
        (place, node) = (key.place.clone(), next);
    }
    place
}
