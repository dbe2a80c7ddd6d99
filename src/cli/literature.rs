//! Which built-in literature cases a run is of, and what they say of it.
//!
//! One ion in water is set beside `zn-hydration`, whatever its amounts; solutions beside the systems of the cases in [`SOLUTIONS`] that hold the same
//! species in the same ratio to water, in the same models, at the same temperature; interfaces beside those of [`INTERFACES`] with the same surface and
//! species, whatever size and amounts.

use super::CliError;
use super::definitions;
use super::outcome::{references_of, set_point};
use super::prepare::{self, Prepared};
use super::validate;
use crate::analysis::Quantity;
use crate::build::{BoxReport, Composition};
use crate::forcefield::{self, Assembled, Library};
use crate::io::expected;
use crate::report::{Doubt, VerdictRow, verdict};
use crate::system::Coulomb;
use crate::system::expected::{Case, CaseSystem, Reference};
use crate::system::interface::{InterfaceSpec, SurfaceSpec};
use crate::system::spec::{Amount, GeometrySpec, Input};

/// Cases of solutions that a user's run may be of.
const SOLUTIONS: [&str; 2] = ["zn-electrolytes", "density"];
/// The case of interfaces.
const INTERFACES: &str = "interfaces";
/// Accepted relative difference of molalities: amounts are whole numbers of molecules, and recipes are rounded.
const MOLALITY: f64 = 0.03;
/// Accepted relative difference of the densities that the boxes start from.
const START_DENSITY: f64 = 0.05;

/// What the built-in literature cases say of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Literature {
    pub rows: Vec<VerdictRow>,
    /// Why there is no verdict, or which references have none.
    pub note: Option<String>,
}

impl Literature {
    fn none(why: impl std::fmt::Display) -> Self {
        Literature { rows: Vec::new(), note: Some(format!("no verdict against the literature: {why}")) }
    }

    /// For the report's table of facts.
    pub fn facts(&self) -> Vec<(String, String)> {
        self.note.iter().map(|note| ("Literature".to_string(), note.clone())).collect()
    }
}

/// Temperature of the literature case, K, and how far a set point may be from it.
const CASE_TEMPERATURE: (f64, f64) = (298.15, 1.0);
/// Density of the literature case, g/cm³, and the accepted relative difference.
const CASE_DENSITY: (f64, f64) = (0.997, 0.02);
/// Fewer waters than this are not a dilute solution.
const CASE_WATERS: usize = 200;

/// How a run compares with a system of a case.
enum Comparison {
    Same,
    /// The same species, but the first difference is this one.
    Differs(String),
    /// Other species.
    Foreign,
}

/// Sets the quantities beside the literature where models, composition and state are those of built-in cases.
///
/// References of quantities that this run did not measure are left out and named: an input need not ask for all of them.
///
/// * `doubts` – of the run
pub fn verdicts(prepared: &Prepared, quantities: &[Quantity], doubts: &[Doubt]) -> Result<Literature, CliError> {
    let cases = expected::built_in().map_err(CliError::run)?;
    let library = Library::builtin().map_err(CliError::run)?;
    let (mut matching, mut nearest): (Vec<(&Case, &CaseSystem)>, Option<String>) = (Vec::new(), None);
    let hydration = hydration(prepared, library, &cases);
    let is_dilute = has_one_ion(prepared);
    match &hydration {
        Ok(found) => matching.push(*found),
        Err(why) if is_dilute => nearest = Some(why.clone()),
        Err(_) => {}
    }
    for (case, system) in
        cases.iter().filter(|c| c.name == INTERFACES).flat_map(|c| c.systems.iter().map(move |s| (c, s)))
    {
        if is_that_interface(prepared, system)? {
            matching.push((case, system));
        }
    }
    for (case, system) in cases
        .iter()
        .filter(|c| SOLUTIONS.contains(&c.name.as_str()))
        .flat_map(|c| c.systems.iter().map(move |s| (c, s)))
    {
        match compare(prepared, library, system)? {
            Comparison::Same => matching.push((case, system)),
            Comparison::Differs(how) => {
                nearest.get_or_insert_with(|| format!("{}/{} is the nearest case: {how}", case.name, system.name));
            }
            Comparison::Foreign => {}
        }
    }
    if matching.is_empty() {
        let why = nearest.or(hydration.err()).unwrap_or_default();
        return Ok(Literature::none(why));
    }
    let mut literature = Literature::default();
    let mut labels: Vec<String> = Vec::new();
    for (case, system) in matching {
        let (measured, missing): (Vec<Reference>, Vec<Reference>) = references_of(system, &prepared.input)
            .into_iter()
            .partition(|r| quantities.iter().any(|q| q.id == r.quantity));
        labels.extend(missing.into_iter().map(|r| r.label));
        let mut rows =
            verdict::judge(&case.name, &system.name, &measured, quantities, doubts).map_err(CliError::run)?;
        let (of_case, _, _) = validate::input_of(&system.name, system, &[])?;
        for row in &mut rows {
            row.definition = definitions::difference(&row.reference, &prepared.input, quantities, &of_case);
        }
        literature.rows.extend(rows);
    }
    labels.dedup();
    literature.note =
        (!labels.is_empty()).then(|| format!("not measured here, so not compared: {}", labels.join(", ")));
    Ok(literature)
}

/// The system of `zn-hydration` that this run is of, or why it is of none.
fn hydration<'a>(
    prepared: &Prepared,
    library: &Library,
    cases: &'a [Case],
) -> Result<(&'a Case, &'a CaseSystem), String> {
    let case = cases.iter().find(|c| c.name == "zn-hydration").ok_or("no case is built in")?;
    let models: Vec<&str> = prepared.assembled.provenance.iter().map(|p| p.model.as_str()).collect();
    let is_this_case = |name: &str| {
        name.split_once('/').is_some_and(|(water, zinc)| {
            let base = |model: &str| model.split('@').next() == Some(zinc);
            models.first() == Some(&library.water_name(water)) && models.iter().skip(1).any(|m| base(m))
        })
    };
    let Some(system) = case.systems.iter().find(|s| is_this_case(&s.name)) else {
        let known: Vec<&str> = case.systems.iter().map(|s| s.name.as_str()).collect();
        let solutions = SOLUTIONS.join(" and ");
        return Err(format!(
            "the built-in reference values are of one Zn2+ in water ({}) and of the solutions of {solutions} \
             (`hexaqua validate --list`)",
            known.join(", ")
        ));
    };
    match differs_from_case(prepared) {
        Some(difference) => Err(difference.replacen("it speaks", &format!("{} speaks", case.name), 1)),
        None => Ok((case, system)),
    }
}

/// One Zn2+ with at most two Cl-, in whatever water.
fn has_one_ion(prepared: &Prepared) -> bool {
    let mut solutes = prepared.composition.rows.iter().filter(|r| !r.is_water && r.count > 0);
    solutes.all(|r| (r.name == "Zn2+" && r.count == 1) || (r.name == "Cl-" && r.count <= 2))
        && prepared.composition.rows.iter().any(|r| r.name == "Zn2+" && r.count == 1)
}

/// Layers of a crystal that screen a charge.
const SCREENING: usize = 3;

/// Has a run the surface, solutes, models, electrodes and temperature of a system of the case of interfaces?
fn is_that_interface(prepared: &Prepared, system: &CaseSystem) -> Result<bool, CliError> {
    let ours = &prepared.input;
    if ours.interface.surface.is_none() {
        return Ok(false);
    }
    let (theirs, _, _) = validate::input_of(&system.name, system, &[])?;
    // What the liquid touches: coated or not, bare or under a monolayer of these species.
    // Three layers screen a charge as more do; the potential at the atoms of one or two differs from that of the metal.
    let layers = |s: &SurfaceSpec| s.layers.unwrap_or(SCREENING).min(SCREENING);
    let surface = |input: &Input| {
        let species = |s: &SurfaceSpec| s.monolayers.iter().map(|m| m.species.clone()).collect::<Vec<_>>();
        let coating = |s: &SurfaceSpec| s.coating.as_ref().map(|c| c.material.clone());
        input.interface.surface.as_ref().map(|s| (s.material.clone(), s.slabs, layers(s), coating(s), species(s)))
    };
    let potentials = |input: &Input| -> Vec<_> { input.interface.electrodes.iter().map(|e| e.condition).collect() };
    let solutes = |input: &Input| {
        let some = input.system.solutes.iter().filter(|s| s.amount != Amount::Count(0));
        let mut named: Vec<(String, Option<String>)> = some.map(|s| (s.name.clone(), s.model.clone())).collect();
        named.sort();
        named
    };
    let temperatures = set_point(ours).zip(set_point(&theirs));
    Ok(surface(ours) == surface(&theirs)
        && ours.interface.finite_field == theirs.interface.finite_field
        && potentials(ours) == potentials(&theirs)
        && solutes(ours) == solutes(&theirs)
        && ours.system.water.model == theirs.system.water.model
        && ours.system.ion_charge_scale == theirs.system.ion_charge_scale
        && temperatures.is_some_and(|(a, b)| (a - b).abs() <= CASE_TEMPERATURE.1)
        && truncated_coulomb(prepared).is_none())
}

/// Sets a run beside a system of a case, from the input of the case: nothing is placed or run.
fn compare(prepared: &Prepared, library: &Library, system: &CaseSystem) -> Result<Comparison, CliError> {
    let (input, _, _) = validate::input_of(&system.name, system, &[])?;
    if matches!(input.system.geometry, GeometrySpec::Topology { .. } | GeometrySpec::Structure(_)) {
        return Ok(Comparison::Foreign);
    }
    let assembled =
        forcefield::assemble_from(library, &input.system, input.nonbonded.mixing, &[]).map_err(CliError::run)?;
    let mut species = assembled.species.clone();
    species.rotate_left(1);
    let extent = prepare::extent(&input.system.geometry).map_err(CliError::run)?;
    let amounts = prepare::quantities(&input.system, &input.system.geometry);
    let composition = Composition::new(&species, &amounts, extent).map_err(CliError::run)?;
    let theirs = BoxReport::new(&species, &composition.counts, composition.cell);
    let ours = &prepared.composition;
    let names = |report: &BoxReport| {
        let mut names: Vec<String> =
            report.rows.iter().filter(|r| r.count > 0 && !r.is_water).map(|r| r.name.clone()).collect();
        names.sort();
        names
    };
    if names(ours) != names(&theirs) || !ours.rows.iter().any(|r| r.is_water && r.count > 0) {
        return Ok(Comparison::Foreign);
    }
    let model = |of: &Assembled, species: &str| {
        of.provenance.iter().find(|p| p.species == species).map(|p| p.model.clone()).unwrap_or_default()
    };
    for row in theirs.rows.iter().filter(|r| r.count > 0) {
        let (here, there) = (model(&prepared.assembled, &row.name), model(&assembled, &row.name));
        if here != there {
            let here = if here.is_empty() { "another water".to_string() } else { here };
            return Ok(Comparison::Differs(format!("it speaks of {there} for {}; here is {here}", row.name)));
        }
    }
    if prepared.input.system.ion_charge_scale != input.system.ion_charge_scale {
        return Ok(Comparison::Differs("it speaks of another ion_charge_scale".to_string()));
    }
    for (name, there) in theirs.rows.iter().filter_map(|r| Some((&r.name, r.molality.filter(|m| *m > 0.0)?))) {
        let here = ours.rows.iter().find(|r| r.name == *name).and_then(|r| r.molality).unwrap_or(0.0);
        if (here - there).abs() > MOLALITY * there {
            let percent = 100.0 * MOLALITY;
            return Ok(Comparison::Differs(format!(
                "it speaks of {there:.3} mol {name} per kg of water within {percent} %; here are {here:.3}"
            )));
        }
    }
    if let Some(what) = not_bulk(prepared) {
        return Ok(Comparison::Differs(format!("it speaks of a bulk solution; here is {what}")));
    }
    if (ours.density - theirs.density).abs() > START_DENSITY * theirs.density {
        let (there, here, percent) = (theirs.density, ours.density, 100.0 * START_DENSITY);
        return Ok(Comparison::Differs(format!(
            "it starts from {there:.3} g/cm³, within {percent} %; here are {here:.3}"
        )));
    }
    let (here, there) = (set_point(&prepared.input), set_point(&input));
    let agree = here.zip(there).is_some_and(|(a, b)| (a - b).abs() <= CASE_TEMPERATURE.1);
    if !agree {
        let told = |t: Option<f64>| t.map_or("no held temperature".to_string(), |t| format!("{t} K"));
        return Ok(Comparison::Differs(format!("it speaks of {}; here is {}", told(there), told(here))));
    }
    Ok(truncated_coulomb(prepared).map_or(Comparison::Same, Comparison::Differs))
}

/// What stands here in place of a solution that fills its cell.
fn not_bulk(prepared: &Prepared) -> Option<&'static str> {
    if prepared.input.interface != InterfaceSpec::default() || prepared.system.topology.frozen.contains(&true) {
        return Some("an interface");
    }
    (prepared.input.system.vacuum > 0.0).then_some("a film with a vacuum")
}

/// The first way in which composition, state or electrostatics are not those the literature case speaks of.
fn differs_from_case(prepared: &Prepared) -> Option<String> {
    let composition = &prepared.composition;
    // the references speak of one ion at high dilution
    let mut solutes = composition.rows.iter().filter(|r| !r.is_water && r.count > 0);
    if !solutes.all(|r| (r.name == "Zn2+" && r.count == 1) || (r.name == "Cl-" && r.count <= 2)) {
        return Some("it speaks of one Zn2+ with at most two Cl-".to_string());
    }
    let n_waters: usize = composition.rows.iter().filter(|r| r.is_water).map(|r| r.count).sum();
    if n_waters < CASE_WATERS {
        return Some(format!("it speaks of a dilute solution, at least {CASE_WATERS} waters; here are {n_waters}"));
    }
    if let Some(what) = not_bulk(prepared) {
        return Some(format!("it speaks of a bulk solution; here is {what}"));
    }
    let (density, relative) = CASE_DENSITY;
    if (composition.density - density).abs() > relative * density {
        let here = composition.density;
        return Some(format!("it speaks of {density} g/cm³ within {} %; here are {here:.3}", 100.0 * relative));
    }
    let (temperature, within) = CASE_TEMPERATURE;
    match set_point(&prepared.input) {
        Some(here) if (here - temperature).abs() <= within => {}
        Some(here) => return Some(format!("it speaks of {temperature} K within {within} K; here are {here} K")),
        None => return Some(format!("it speaks of {temperature} K; no thermostat holds a temperature here")),
    }
    truncated_coulomb(prepared)
}

fn truncated_coulomb(prepared: &Prepared) -> Option<String> {
    match prepared.system.interactions.coulomb {
        Coulomb::Pme { .. } | Coulomb::Ewald { .. } => None,
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => {
            Some("it speaks of Ewald sums; here the Coulomb interaction is truncated".to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn prepared(input: &str, set: &[(&str, &str)]) -> Prepared {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(input);
        let set: Vec<(String, String)> = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let (input, locations) = crate::io::input::read_located(&path, &set).expect("an input of the repository");
        prepare::prepare(input, &locations).expect("sound")
    }

    fn measured(id: &str, value: f64, error: Option<f64>, unit: &str) -> Quantity {
        Quantity { id: id.into(), label: id.into(), value, error, blocks: None, unit: unit.into() }
    }

    /// The small version of an input, as its first lines give it.
    const SMALL_TRIFLATE: [(&str, &str); 3] =
        [("system.water.molecules", "386"), ("system.solutes.Zn2+.count", "20"), ("system.solutes.OTf-.count", "40")];

    #[test]
    fn the_electrolytes_of_the_inputs_are_set_beside_their_references() {
        let waters = measured("coordination_number(Zn2+,OW)", 5.2, Some(0.1), "1");
        let run = prepared("inputs/znotf2-2m.toml", &SMALL_TRIFLATE);
        let found = verdicts(&run, std::slice::from_ref(&waters), &[]).expect("readable");
        assert_eq!(found.rows.len(), 1, "{found:?}");
        let row = &found.rows[0];
        assert_eq!(
            (row.case.as_str(), row.system.as_str(), row.verdict.word()),
            ("zn-electrolytes", "znotf2-2m", "PASS")
        );
        // 1 M ZnSO4 is a system of two cases.
        let sulfate = prepared(
            "inputs/znso4-1m.toml",
            &[
                ("system.water.molecules", "440"),
                ("system.solutes.Zn2+.count", "8"),
                ("system.solutes.SO42-.count", "8"),
            ],
        );
        let quantities = [
            measured("coordination_number(Zn2+)", 6.0, Some(0.0), "1"),
            measured("density", 1.20, Some(0.002), "g/cm3"),
        ];
        let rows = verdicts(&sulfate, &quantities, &[]).expect("readable").rows;
        let told: Vec<(&str, &str)> = rows.iter().map(|r| (r.case.as_str(), r.verdict.word())).collect();
        assert_eq!(told, [("density", "FAIL"), ("zn-electrolytes", "PASS")]);
    }

    #[test]
    fn a_surface_with_or_without_its_additive_is_set_beside_what_is_published_of_it() {
        let near = "coordination_number(Zn2+ and within 0.6 nm of (lower or upper),OW)";
        let quantities = [
            measured(near, 5.9, Some(0.05), "1"),
            measured("coordination_number(Zn2+,element O of IDE)", 0.0, Some(0.0), "1"),
        ];
        let small =
            [("surface.size", "[\"1.9 nm\", \"2 nm\"]"), ("surface.gap", "\"1.6 nm\""), ("surface.vacuum", "\"4 nm\"")];
        let told = |more: &[(&str, &str)]| -> Vec<(String, &str)> {
            let set: Vec<(&str, &str)> = small.iter().chain(more).copied().collect();
            let found = verdicts(&prepared("inputs/voh-znotf2-2m-ide.toml", &set), &quantities, &[]).expect("readable");
            found.rows.iter().map(|r| (r.system.clone(), r.verdict.word())).collect()
        };
        let with = [("system.solutes.IDE.count", "1")];
        let rows = told(&with);
        assert_eq!(rows, [("voh-znotf2-2m-ide".into(), "FAIL"), ("voh-znotf2-2m-ide".into(), "PASS")]);
        assert_eq!(told(&[("system.solutes.IDE.count", "0")]), [("voh-znotf2-2m".into(), "FAIL")]);
        assert!(told(&[with[0], ("surface.material", "v2o5"), ("surface.galleries", "0")]).is_empty());
    }

    #[test]
    fn another_concentration_model_or_temperature_has_no_verdict_and_says_why() {
        let waters = [measured("coordination_number(Zn2+,OW)", 5.2, Some(0.1), "1")];
        for (key, value, why) in [
            ("system.water.molecules", "800", "per kg of water within 3 %"),
            ("system.solutes.Zn2+.model", "li-merz-cm", "li-merz-iod"),
            ("dynamics.thermostat.csvr.temperature", "350 K", "298.15 K"),
            ("system.vacuum", "6 nm", "a bulk solution; here is a film with a vacuum"),
        ] {
            let mut set = SMALL_TRIFLATE.to_vec();
            set.retain(|(k, _)| *k != key);
            set.push((key, value));
            if key == "system.vacuum" {
                set.push(("dynamics.barostat", "{ none = {} }"));
            }
            let found = verdicts(&prepared("inputs/znotf2-2m.toml", &set), &waters, &[]).expect("readable");
            let note = found.note.expect("a reason");
            assert!(found.rows.is_empty() && note.contains("znotf2-2m") && note.contains(why), "{key}: {note}");
        }
    }
}
