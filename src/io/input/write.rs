//! An [`Input`] as TOML with every default written out; parsing the text gives an equal [`Input`].

use super::observables;
use super::quantity::{Dimension, format as quantity};
use crate::potential::mixing::Mixing;
use crate::system::external::WallForm;
use crate::system::interactions::{Coulomb, LjModifier};
use crate::system::interface::{ConditionSpec, CrystalSite, InterfaceSpec, MonolayerSpec, SurfaceSpec};
use crate::system::spec::{
    Accuracy, Amount, AnalysisSpec, BarostatSpec, BetaSpec, ConstraintsSpec, CoulombSpec, DynamicsSpec, GeometrySpec,
    Input, MeshSpec, MoleculeFile, NonbondedSpec, PressureCoupling, RestraintSpec, SoluteSpec, StageKind, StageSpec,
    SystemSpec, ThermostatSpec, TopologySpec,
};
use std::fmt::{Display, Write};

/// The input as TOML, complete: what `run.toml` records.
pub fn to_toml(input: &Input) -> String {
    let mut text = Lines(String::new());
    text.pair("title", string(&input.title));
    system(&mut text, &input.system);
    let imported = matches!(input.system.geometry, GeometrySpec::Topology { .. });
    nonbonded(&mut text, &input.nonbonded, imported);
    interface(&mut text, &input.interface);
    text.head("[dynamics]");
    dynamics(&mut text, &input.dynamics, None, "dynamics");
    for stage in &input.stages {
        write_stage(&mut text, stage, &input.dynamics);
    }
    for analysis in &input.analyses {
        write_analysis(&mut text, analysis);
    }
    text.0
}

pub(super) struct Lines(String);

impl Lines {
    fn head(&mut self, name: &str) {
        let _ = write!(self.0, "\n{name}\n");
    }

    pub(super) fn pair(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    pub(super) fn quantity(&mut self, key: &str, value: f64, dimension: Dimension) {
        self.pair(key, quoted(value, dimension));
    }

    fn optional_length(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.quantity(key, value, Dimension::Length);
        }
    }
}

pub(super) fn quoted(value: f64, dimension: Dimension) -> String {
    string(&quantity(value, dimension))
}

/// With TOML's escapes.
pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

pub(super) fn strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(|t| string(t)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A plain number, in TOML's spelling of floats.
fn number(value: f64) -> String {
    toml::Value::Float(value).to_string()
}

fn include_and_define(text: &mut Lines, topology: &TopologySpec) {
    let include: Vec<String> = topology.include.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    text.pair("include", strings(&include));
    text.pair("define", strings(&topology.define));
}

fn system(text: &mut Lines, spec: &SystemSpec) {
    text.head("[system]");
    if let GeometrySpec::Topology { structure, topology } = &spec.geometry {
        let path = |path: &std::path::Path| string(&path.to_string_lossy());
        text.pair("structure", path(structure));
        text.pair("topology", path(&topology.path));
        include_and_define(text, topology);
        text.pair("seed", spec.seed);
        text.pair("net_charge", if spec.net_charge_allowed { "\"allowed\"" } else { "\"refused\"" });
        return;
    }
    let molecules = spec.water.molecules.map(|n| format!(", molecules = {n}")).unwrap_or_default();
    text.pair("water", format!("{{ model = {}{molecules} }}", string(&spec.water.model)));
    if !spec.solutes.is_empty() {
        text.0.push_str("solutes = [\n");
        for solute in &spec.solutes {
            let _ = write!(text.0, "  {{ name = {}", string(&solute.name));
            if let Some(model) = &solute.model {
                let _ = write!(text.0, ", model = {}", string(model));
            }
            let _ = match solute.amount {
                Amount::Count(count) => write!(text.0, ", count = {count}"),
                Amount::Concentration(c) => {
                    write!(text.0, ", concentration = {}", quoted(c, Dimension::Concentration))
                }
                Amount::FromStructure => Ok(()),
            };
            let mut path = |key: &str, path: &std::path::Path| {
                let _ = write!(text.0, ", {key} = {}", string(&path.to_string_lossy()));
            };
            match &solute.file {
                Some(MoleculeFile::Toml(toml)) => path("toml", toml),
                Some(MoleculeFile::Itp { topology, structure, rules }) => {
                    path("itp", &topology.path);
                    structure.iter().for_each(|s| path("structure", s));
                    rules.iter().for_each(|r| path("rules", std::path::Path::new(r)));
                }
                None => {}
            }
            text.0.push_str(" },\n");
        }
        text.0.push_str("]\n");
    }
    // the same for all of them
    let of_itp = |s: &SoluteSpec| match &s.file {
        Some(MoleculeFile::Itp { topology, .. }) => Some(topology.clone()),
        _ => None,
    };
    if let Some(topology) = spec.solutes.iter().find_map(of_itp) {
        include_and_define(text, &topology);
    }
    text.pair("seed", spec.seed);
    let cell_line = |text: &mut Lines, cell: &[[f64; 3]; 3]| {
        let row = |row: &[f64; 3]| {
            let lengths: Vec<String> = row.iter().map(|&x| quoted(x, Dimension::Length)).collect();
            format!("[{}]", lengths.join(", "))
        };
        let rows: Vec<String> = cell.iter().map(row).collect();
        text.pair("box", format!("[{}]", rows.join(", ")));
    };
    match &spec.geometry {
        GeometrySpec::Density(density) => text.quantity("density", *density, Dimension::MassDensity),
        GeometrySpec::Cell(cell) => cell_line(text, cell),
        GeometrySpec::CellAndDensity { cell, density } => {
            cell_line(text, cell);
            text.quantity("density", *density, Dimension::MassDensity);
        }
        GeometrySpec::Slab { density } => {
            if let Some(density) = density {
                text.quantity("density", *density, Dimension::MassDensity);
            }
        }
        GeometrySpec::Structure(path) => text.pair("structure", string(&path.to_string_lossy())),
        GeometrySpec::Topology { .. } => unreachable!("written above"),
    }
    if spec.vacuum > 0.0 {
        text.quantity("vacuum", spec.vacuum, Dimension::Length);
    }
    if let Some(scale) = spec.ion_charge_scale {
        text.pair("ion_charge_scale", number(scale));
    }
    if spec.contact_pairs_allowed {
        text.pair("contact_pairs", string("allowed"));
    }
    text.pair("net_charge", if spec.net_charge_allowed { "\"allowed\"" } else { "\"refused\"" });
}

/// `imported`: a topology has its own combination rule, and the input may not name one.
fn nonbonded(text: &mut Lines, spec: &NonbondedSpec, imported: bool) {
    text.head("[nonbonded]");
    text.quantity("cutoff", spec.cutoff, Dimension::Length);
    // the word has an effect, and is allowed, only with an Ewald sum
    if matches!(spec.coulomb, CoulombSpec::Pme { .. } | CoulombSpec::Ewald { .. }) {
        let word = match spec.accuracy {
            Accuracy::Default => "\"default\"",
            Accuracy::Tight => "\"tight\"",
        };
        text.pair("accuracy", word);
    }
    match spec.lj_modifier {
        LjModifier::None => text.pair("lj_modifier", "\"none\""),
        LjModifier::PotentialShift => text.pair("lj_modifier", "\"potential-shift\""),
        LjModifier::Switch { start } => {
            text.pair("lj_modifier", "\"switch\"");
            text.quantity("switch_start", start, Dimension::Length);
        }
    }
    text.pair("dispersion_correction", spec.dispersion_correction);
    let mixing = match spec.mixing {
        Mixing::LorentzBerthelot => "\"lorentz-berthelot\"",
        Mixing::Geometric => "\"geometric\"",
    };
    if !imported {
        text.pair("mixing", mixing);
    }
    let beta = |text: &mut Lines, beta: BetaSpec| match beta {
        BetaSpec::Tolerance(tolerance) => text.pair("tolerance", number(tolerance)),
        BetaSpec::Beta(beta) => text.quantity("beta", beta, Dimension::InverseLength),
    };
    match spec.coulomb {
        CoulombSpec::Pme { beta: b, mesh, order } => {
            text.head("[nonbonded.coulomb.pme]");
            beta(text, b);
            match mesh {
                MeshSpec::Spacing(spacing) => text.quantity("spacing", spacing, Dimension::Length),
                MeshSpec::Grid([a, b, c]) => text.pair("grid", format!("[{a}, {b}, {c}]")),
            }
            text.pair("order", order);
        }
        CoulombSpec::Ewald { beta: b, n_max, n_sq_max } => {
            text.head("[nonbonded.coulomb.ewald]");
            beta(text, b);
            if let Some([a, b, c]) = n_max {
                text.pair("n_max", format!("[{a}, {b}, {c}]"));
            }
            if let Some(n) = n_sq_max {
                text.pair("n_sq_max", n);
            }
        }
        CoulombSpec::Fixed(Coulomb::ReactionField { epsilon }) => {
            text.head("[nonbonded.coulomb.reaction-field]");
            text.pair("epsilon", number(epsilon));
        }
        CoulombSpec::Fixed(Coulomb::Cutoff) => text.head("[nonbonded.coulomb.cutoff]"),
        // The input has no way to ask for these complete; what they say is said by the variants above.
        CoulombSpec::Fixed(Coulomb::Pme { beta: b, grid: [x, y, z], order }) => {
            text.head("[nonbonded.coulomb.pme]");
            beta(text, BetaSpec::Beta(b));
            text.pair("grid", format!("[{x}, {y}, {z}]"));
            text.pair("order", order);
        }
        CoulombSpec::Fixed(Coulomb::Ewald { beta: b, n_max: [x, y, z], n_sq_max }) => {
            text.head("[nonbonded.coulomb.ewald]");
            beta(text, BetaSpec::Beta(b));
            text.pair("n_max", format!("[{x}, {y}, {z}]"));
            if let Some(n) = n_sq_max {
                text.pair("n_sq_max", n);
            }
        }
    }
}

/// What is in and on the slabs.
fn slab(text: &mut Lines, surface: &SurfaceSpec) {
    if surface.galleries > 0 {
        text.pair("galleries", surface.galleries);
    }
    let monolayer = |m: &MonolayerSpec| {
        let faces = match m.faces {
            [true, false] => "lower",
            [false, _] => "upper",
            [true, true] => "both",
        };
        format!(
            "{{ species = {}, coverage = {}, faces = \"{faces}\", height = {} }}",
            string(&m.species),
            quoted(m.coverage, Dimension::Coverage),
            quoted(m.height, Dimension::Length)
        )
    };
    if !surface.monolayers.is_empty() {
        let layers: Vec<String> = surface.monolayers.iter().map(monolayer).collect();
        text.pair("monolayers", format!("[{}]", layers.join(", ")));
    }
    if let Some(coating) = &surface.coating {
        let distance = quoted(coating.distance, Dimension::Length);
        text.pair("coating", format!("{{ material = {}, distance = {distance} }}", string(&coating.material)));
    }
    if let Some(crystal) = &surface.crystal {
        text.head("[surface.crystal]");
        text.pair("file", string(&crystal.file.display().to_string()));
        if let Some(frame) = crystal.frame {
            text.pair("frame", format!("{frame:?}"));
        }
        text.quantity("cut", crystal.cut, Dimension::Length);
        let site = |s: &CrystalSite| {
            format!(
                "{{ name = {}, charge = {}, sigma = {}, epsilon = {} }}",
                string(&s.name),
                quoted(s.charge, Dimension::Charge),
                quoted(s.sigma, Dimension::Length),
                quoted(s.epsilon, Dimension::Energy)
            )
        };
        let sites: Vec<String> = crystal.sites.iter().map(site).collect();
        text.pair("sites", format!("[{}]", sites.join(", ")));
    }
}

fn interface(text: &mut Lines, spec: &InterfaceSpec) {
    if *spec == InterfaceSpec::default() {
        return;
    }
    if let Some(surface) = &spec.surface {
        text.head("[surface]");
        text.pair("material", string(&surface.material));
        if let Some(layers) = surface.layers {
            text.pair("layers", layers);
        }
        let size: Vec<String> = surface.size.iter().map(|&x| quoted(x, Dimension::Length)).collect();
        text.pair("size", format!("[{}]", size.join(", ")));
        text.pair("slabs", surface.slabs);
        text.quantity("gap", surface.gap, Dimension::Length);
        text.quantity("vacuum", surface.vacuum, Dimension::Length);
        slab(text, surface);
    }
    text.head("[external]");
    text.pair("slab_correction", spec.slab_correction);
    match spec.finite_field {
        Some(potential) => text.quantity("finite_field", potential, Dimension::Potential),
        None => text.quantity("field", spec.field, Dimension::ElectricField),
    }
    for wall in &spec.walls {
        text.head("[[wall]]");
        text.quantity("z", wall.z, Dimension::Length);
        text.pair("side", if wall.normal > 0.0 { "\"above\"" } else { "\"below\"" });
        let steele = matches!(wall.form, WallForm::TenFourThree { .. });
        text.head(if steele { "[wall.steele]" } else { "[wall.nine-three]" });
        text.quantity("sigma", wall.sigma, Dimension::Length);
        text.quantity("epsilon", wall.epsilon, Dimension::Energy);
        text.quantity("density", wall.density, Dimension::NumberDensity);
        if let WallForm::TenFourThree { spacing } = wall.form {
            text.quantity("spacing", spacing, Dimension::Length);
        }
    }
    for electrode in &spec.electrodes {
        text.head("[[electrode]]");
        text.pair("name", string(&electrode.name));
        text.pair("atoms", string(&electrode.atoms));
        match electrode.condition {
            ConditionSpec::Potential(_) if spec.finite_field.is_some() => {}
            ConditionSpec::Potential(potential) => text.quantity("potential", potential, Dimension::Potential),
            ConditionSpec::Charge(charge) => text.quantity("charge", charge, Dimension::Charge),
        }
        text.quantity("gaussian_width", electrode.gaussian_width, Dimension::Length);
        if let Some(metal) = &electrode.thomas_fermi {
            let (length, volume) = (quoted(metal.length, Dimension::Length), quoted(metal.volume, Dimension::Volume));
            text.pair("thomas_fermi", format!("{{ length = {length}, volume = {volume} }}"));
        }
    }
}

/// All keys, or with a `base` only those that differ from it.
fn dynamics(text: &mut Lines, spec: &DynamicsSpec, base: Option<&DynamicsSpec>, path: &str) {
    let time = Dimension::Time;
    if base.is_none_or(|b| b.timestep != spec.timestep) {
        text.quantity("timestep", spec.timestep, time);
    }
    if base.is_none_or(|b| b.seed != spec.seed) {
        text.pair("seed", spec.seed);
    }
    if base.is_none_or(|b| b.constraints != spec.constraints) {
        let word = match spec.constraints {
            ConstraintsSpec::RigidWater => "\"rigid-water\"",
            ConstraintsSpec::HBonds => "\"h-bonds\"",
            ConstraintsSpec::AllBonds => "\"all-bonds\"",
            ConstraintsSpec::None => "\"none\"",
        };
        text.pair("constraints", word);
    }
    if base.is_none() {
        held(text, spec);
    }
    if base.is_none_or(|b| b.checkpoint_every != spec.checkpoint_every) {
        text.quantity("checkpoint_every", spec.checkpoint_every, time);
    }
    if base.is_none_or(|b| b.log_every != spec.log_every) {
        text.quantity("log_every", spec.log_every, time);
    }
    if base.is_none_or(|b| b.com_removal_every != spec.com_removal_every) {
        text.pair("com_removal_every", spec.com_removal_every);
    }
    if let Some(steps) = spec.neighbor_every
        && base.is_none_or(|b| b.neighbor_every != spec.neighbor_every)
    {
        text.pair("neighbor_every", steps);
    }
    if base.is_none_or(|b| b.skin != spec.skin) {
        text.optional_length("skin", spec.skin);
    }
    if base.is_none_or(|b| b.thermostat != spec.thermostat) {
        thermostat(text, &spec.thermostat, path);
    }
    if base.map_or(spec.barostat.is_some(), |b| b.barostat != spec.barostat) {
        barostat(text, spec.barostat.as_ref(), path);
    }
}

/// What holds for the whole run.
fn held(text: &mut Lines, spec: &DynamicsSpec) {
    if let Some(mass) = spec.hydrogen_mass {
        text.quantity("hydrogen_mass", mass, Dimension::Mass);
    }
    if !spec.frozen.is_empty() {
        text.pair("frozen", strings(&spec.frozen));
    }
    if !spec.restraints.is_empty() {
        let one = |r: &RestraintSpec| {
            let k: Vec<String> = r.force_constant.iter().map(|&k| quoted(k, Dimension::ForceConstant)).collect();
            format!("{{ atoms = {}, force_constant = [{}] }}", string(&r.atoms), k.join(", "))
        };
        let all: Vec<String> = spec.restraints.iter().map(one).collect();
        text.pair("restraints", format!("[{}]", all.join(", ")));
    }
}

fn barostat(text: &mut Lines, spec: Option<&BarostatSpec>, path: &str) {
    let Some(spec) = spec else { return text.head(&format!("[{path}.barostat.none]")) };
    text.head(&format!("[{path}.barostat.c-rescale]"));
    text.quantity("pressure", spec.pressure, Dimension::Pressure);
    text.quantity("time_constant", spec.time_constant, Dimension::Time);
    text.quantity("compressibility", spec.compressibility, Dimension::Compressibility);
    let word = match spec.coupling {
        PressureCoupling::Isotropic => "\"isotropic\"",
        PressureCoupling::SemiIsotropic => "\"semi-isotropic\"",
        PressureCoupling::Z => "\"z\"",
    };
    text.pair("coupling", word);
}

fn thermostat(text: &mut Lines, spec: &ThermostatSpec, path: &str) {
    let time = Dimension::Time;
    match *spec {
        ThermostatSpec::None { initial_temperature } => {
            text.head(&format!("[{path}.thermostat.none]"));
            text.quantity("initial_temperature", initial_temperature, Dimension::Temperature);
        }
        ThermostatSpec::Csvr { temperature, time_constant } => {
            text.head(&format!("[{path}.thermostat.csvr]"));
            text.quantity("temperature", temperature, Dimension::Temperature);
            text.quantity("time_constant", time_constant, time);
        }
        ThermostatSpec::Langevin { temperature, friction } => {
            text.head(&format!("[{path}.thermostat.langevin]"));
            text.quantity("temperature", temperature, Dimension::Temperature);
            text.quantity("friction", friction, Dimension::InverseTime);
        }
        ThermostatSpec::NoseHoover { temperature, time_constant, chain_length } => {
            text.head(&format!("[{path}.thermostat.nose-hoover]"));
            text.quantity("temperature", temperature, Dimension::Temperature);
            text.quantity("time_constant", time_constant, time);
            text.pair("chain_length", chain_length);
        }
    }
}

fn write_stage(text: &mut Lines, stage: &StageSpec, base: &DynamicsSpec) {
    text.head("[[stage]]");
    text.pair("name", string(&stage.name));
    match &stage.kind {
        StageKind::Minimise { max_force, max_steps } => {
            text.head("[stage.minimise]");
            text.quantity("max_force", *max_force, Dimension::Force);
            text.pair("max_steps", max_steps);
        }
        StageKind::Dynamics { duration, dynamics: own, trajectory, analyse, piston } => {
            text.quantity("duration", *duration, Dimension::Time);
            text.pair("analyse", analyse);
            if let Some(t) = trajectory {
                let every = quoted(t.every, Dimension::Time);
                text.pair("trajectory", format!("{{ every = {every}, format = {} }}", string(&t.format)));
            }
            dynamics(text, own, Some(base), "stage");
            if let Some(piston) = piston {
                text.head("[stage.piston]");
                text.pair("atoms", string(&piston.atoms));
                text.quantity("pressure", piston.pressure, Dimension::Pressure);
                if let Some(mass) = piston.mass {
                    text.quantity("mass", mass, Dimension::Mass);
                }
                text.quantity("friction", piston.friction, Dimension::InverseTime);
            }
        }
    }
}

fn write_analysis(text: &mut Lines, analysis: &AnalysisSpec) {
    text.head("[[analysis]]");
    text.head(&format!("[analysis.{}]", analysis.kind()));
    observables::declare(&mut analysis.clone(), text);
}
