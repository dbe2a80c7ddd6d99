//! The keys of every analysis, declared once: the same declaration reads them, writes them to `run.toml` and lists them.

use super::analysis::Context;
use super::quantity::Dimension;
use super::table::{Bound, Table};
use super::tree::Value;
use super::write::Lines;
use crate::system::analyses::{
    AnalysisSpec, DensityProfileSpec, FsqtSpec, HydrogenBondsSpec, IonPairsSpec, MsdSpec, OctahedralitySpec,
    OrientationSpec, PairDistributionSpec, ResidenceSpec,
};

/// What is done with a declared key.
pub(super) trait Keys {
    /// A text; `example` is shown when it must be given and is not.
    fn text(&mut self, name: &'static str, value: &mut String, example: Option<&str>);
    fn texts(&mut self, name: &'static str, value: &mut Vec<String>, example: Option<&str>);
    fn pairs(&mut self, name: &'static str, value: &mut Vec<(String, String)>, example: &str);
    /// A positive quantity.
    fn positive(&mut self, name: &'static str, value: &mut f64, dimension: Dimension);
    /// A quantity that may be zero.
    fn not_negative(&mut self, name: &'static str, value: &mut f64, dimension: Dimension);
    fn optional(&mut self, name: &'static str, value: &mut Option<f64>, dimension: Dimension);
    fn quantities(&mut self, name: &'static str, value: &mut Vec<f64>, dimension: Dimension);
    fn flag(&mut self, name: &'static str, value: &mut bool);
    /// One of two words: the first means true.
    fn either(&mut self, name: &'static str, value: &mut bool, words: [&'static str; 2]);
    /// `{ name = "selection", … }`
    fn named(&mut self, name: &'static str, value: &mut Vec<(String, String)>, example: &str);
    /// The temperature, by default that of the thermostat.
    fn temperature(&mut self, value: &mut f64);
    /// A file of two columns: its path and its points.
    fn curve(&mut self, name: &'static str, path: &mut String, points: &mut Vec<[f64; 2]>);
    fn every(&mut self, value: &mut f64);
}

/// Kinds in the order of the guide.
pub(super) const KINDS: [&str; 12] = [
    "rdf",
    "coordination",
    "angles",
    "density-profile",
    "ion-pairs",
    "hydrogen-bonds",
    "msd",
    "residence",
    "pair-distribution",
    "fsqt",
    "orientation",
    "octahedrality",
];

/// The entry of the registry with this name, with its defaults.
pub(super) fn default_of(kind: &str) -> Option<AnalysisSpec> {
    Some(match kind {
        "rdf" => AnalysisSpec::Rdf {
            pairs: Vec::new(),
            r_max: None,
            bin_width: 0.002,
            molecules: false,
            intramolecular: true,
            every: 0.1,
        },
        "coordination" => AnalysisSpec::Coordination {
            center: String::new(),
            ligands: Vec::new(),
            r_min: None,
            layer: None,
            every: 0.1,
        },
        "angles" => AnalysisSpec::Angles {
            center: String::new(),
            ligand: String::new(),
            r_min: None,
            bin_width: 2.0,
            every: 0.1,
        },
        "density-profile" => AnalysisSpec::DensityProfile(DensityProfileSpec::default()),
        "ion-pairs" => AnalysisSpec::IonPairs(IonPairsSpec::default()),
        "hydrogen-bonds" => AnalysisSpec::HydrogenBonds(HydrogenBondsSpec::default()),
        "msd" => AnalysisSpec::Msd(MsdSpec::default()),
        "residence" => AnalysisSpec::Residence(ResidenceSpec::default()),
        "pair-distribution" => AnalysisSpec::PairDistribution(PairDistributionSpec::default()),
        "fsqt" => AnalysisSpec::Fsqt(FsqtSpec::default()),
        "orientation" => AnalysisSpec::Orientation(OrientationSpec::default()),
        "octahedrality" => AnalysisSpec::Octahedrality(OctahedralitySpec::default()),
        _ => return None,
    })
}

/// Declares the keys of `spec` to `keys`, in the order of the guide.
pub(super) fn declare(spec: &mut AnalysisSpec, keys: &mut impl Keys) {
    use Dimension::{Angle, InverseLength, Length, Time, Viscosity};
    const CENTER: Option<&str> = Some("for example center = \"Zn2+\"");
    const LIGAND: Option<&str> = Some("for example ligand = \"OW\"");
    match spec {
        AnalysisSpec::Rdf { pairs, r_max, bin_width, molecules, intramolecular, every } => {
            keys.pairs("pairs", pairs, "for example pairs = [[\"Zn2+\", \"OW\"]]");
            keys.optional("r_max", r_max, Length);
            keys.positive("bin_width", bin_width, Length);
            keys.either("centers", molecules, ["molecules", "atoms"]);
            keys.flag("intramolecular", intramolecular);
            keys.every(every);
        }
        AnalysisSpec::Coordination { center, ligands, r_min, layer, every } => {
            keys.text("center", center, CENTER);
            keys.texts("ligands", ligands, Some("for example ligands = [\"OW\", \"Cl-\"]"));
            keys.optional("r_min", r_min, Length);
            keys.optional("layer", layer, Length);
            keys.every(every);
        }
        AnalysisSpec::Angles { center, ligand, r_min, bin_width, every } => {
            keys.text("center", center, CENTER);
            keys.text("ligand", ligand, LIGAND);
            keys.optional("r_min", r_min, Length);
            keys.positive("bin_width", bin_width, Angle);
            keys.every(every);
        }
        AnalysisSpec::DensityProfile(s) => {
            keys.texts("groups", &mut s.groups, None);
            keys.positive("bin_width", &mut s.bin_width, Length);
            keys.text("origin", &mut s.origin, None);
            keys.optional("map_width", &mut s.map_width, Length);
            keys.every(&mut s.every);
        }
        AnalysisSpec::IonPairs(s) => {
            keys.text("cation", &mut s.cation, Some("for example cation = \"Zn2+\""));
            keys.text("anion", &mut s.anion, Some("its donor atoms, for example anion = \"Cl-\""));
            keys.text("anion_center", &mut s.anion_center, None);
            keys.texts("ligands", &mut s.ligands, None);
            keys.positive("r_contact", &mut s.r_contact, Length);
            keys.positive("r_ssip", &mut s.r_ssip, Length);
            keys.positive("r_2sip", &mut s.r_2sip, Length);
            keys.every(&mut s.every);
        }
        AnalysisSpec::HydrogenBonds(s) => {
            keys.text("donors", &mut s.donors, None);
            keys.text("acceptors", &mut s.acceptors, None);
            keys.positive("r_max", &mut s.r_max, Length);
            keys.positive("angle", &mut s.angle, Angle);
            keys.either("angle_at", &mut s.at_donor, ["donor", "hydrogen"]);
            keys.named("regions", &mut s.regions, "for example regions = { shell = \"within 0.28 nm of Zn2+\" }");
            keys.not_negative("max_lag", &mut s.max_lag, Time);
            keys.positive("origin_every", &mut s.origin_every, Time);
            keys.every(&mut s.every);
        }
        AnalysisSpec::Msd(s) => {
            keys.texts("groups", &mut s.groups, None);
            keys.either("centers", &mut s.molecules, ["molecules", "atoms"]);
            keys.positive("max_lag", &mut s.max_lag, Time);
            keys.positive("origin_every", &mut s.origin_every, Time);
            keys.optional("fit_from", &mut s.fit_from, Time);
            keys.optional("fit_to", &mut s.fit_to, Time);
            keys.temperature(&mut s.temperature);
            keys.optional("viscosity", &mut s.viscosity, Viscosity);
            keys.every(&mut s.every);
        }
        AnalysisSpec::Residence(s) => {
            keys.text("center", &mut s.center, CENTER);
            keys.text("ligand", &mut s.ligand, LIGAND);
            keys.positive("r_min", &mut s.r_min, Length);
            keys.quantities("t_star", &mut s.t_star, Time);
            keys.optional("r_reactant", &mut s.r_reactant, Length);
            keys.optional("r_product", &mut s.r_product, Length);
            keys.positive("max_lag", &mut s.max_lag, Time);
            keys.positive("origin_every", &mut s.origin_every, Time);
            keys.every(&mut s.every);
        }
        AnalysisSpec::PairDistribution(s) => {
            keys.optional("r_max", &mut s.r_max, Length);
            keys.positive("bin_width", &mut s.bin_width, Length);
            keys.positive("q_max", &mut s.q_max, InverseLength);
            keys.positive("q_step", &mut s.q_step, InverseLength);
            keys.either("window", &mut s.lorch, ["lorch", "none"]);
            keys.curve("measured", &mut s.measured, &mut s.points);
            keys.every(&mut s.every);
        }
        AnalysisSpec::Fsqt(s) => {
            keys.text("selection", &mut s.selection, None);
            keys.quantities("q", &mut s.q, InverseLength);
            keys.positive("max_lag", &mut s.max_lag, Time);
            keys.positive("origin_every", &mut s.origin_every, Time);
            keys.optional("fit_from", &mut s.fit_from, Time);
            keys.optional("fit_to", &mut s.fit_to, Time);
            keys.every(&mut s.every);
        }
        AnalysisSpec::Orientation(s) => {
            keys.text("molecules", &mut s.molecules, Some("for example molecules = \"water\""));
            keys.text("relative_to", &mut s.relative_to, None);
            keys.positive("bin_width", &mut s.bin_width, Length);
            keys.every(&mut s.every);
        }
        AnalysisSpec::Octahedrality(s) => {
            keys.text("center", &mut s.center, CENTER);
            keys.text("ligand", &mut s.ligand, LIGAND);
            keys.positive("r_search", &mut s.r_search, Length);
            keys.every(&mut s.every);
        }
    }
}

/// Collects the names.
#[derive(Default)]
pub(super) struct Names(pub Vec<&'static str>);

impl Keys for Names {
    fn text(&mut self, name: &'static str, _: &mut String, _: Option<&str>) {
        self.0.push(name);
    }
    fn texts(&mut self, name: &'static str, _: &mut Vec<String>, _: Option<&str>) {
        self.0.push(name);
    }
    fn pairs(&mut self, name: &'static str, _: &mut Vec<(String, String)>, _: &str) {
        self.0.push(name);
    }
    fn positive(&mut self, name: &'static str, _: &mut f64, _: Dimension) {
        self.0.push(name);
    }
    fn not_negative(&mut self, name: &'static str, _: &mut f64, _: Dimension) {
        self.0.push(name);
    }
    fn optional(&mut self, name: &'static str, _: &mut Option<f64>, _: Dimension) {
        self.0.push(name);
    }
    fn quantities(&mut self, name: &'static str, _: &mut Vec<f64>, _: Dimension) {
        self.0.push(name);
    }
    fn flag(&mut self, name: &'static str, _: &mut bool) {
        self.0.push(name);
    }
    fn either(&mut self, name: &'static str, _: &mut bool, _: [&'static str; 2]) {
        self.0.push(name);
    }
    fn named(&mut self, name: &'static str, _: &mut Vec<(String, String)>, _: &str) {
        self.0.push(name);
    }
    fn temperature(&mut self, _: &mut f64) {
        self.0.push("temperature");
    }
    fn curve(&mut self, name: &'static str, _: &mut String, _: &mut Vec<[f64; 2]>) {
        self.0.push(name);
    }
    fn every(&mut self, _: &mut f64) {
        self.0.push("every");
    }
}

/// Takes values from a table; what is not written keeps its default.
pub(super) struct Read<'a, 'b> {
    pub table: &'a Table<'b>,
    pub context: &'a Context<'a>,
}

impl Read<'_, '_> {
    fn need(&self, name: &str, example: Option<&str>) {
        if let Some(example) = example
            && self.table.get(name).is_none()
        {
            self.table.missing(name, example);
        }
    }
}

impl Keys for Read<'_, '_> {
    fn text(&mut self, name: &'static str, value: &mut String, example: Option<&str>) {
        self.need(name, example);
        if let Some(given) = self.table.string(name) {
            *value = given.value;
        }
    }

    fn texts(&mut self, name: &'static str, value: &mut Vec<String>, example: Option<&str>) {
        self.need(name, example);
        let Some(nodes) = self.table.array(name) else { return };
        value.clear();
        for node in nodes {
            match &node.value {
                Value::String(text) => value.push(text.clone()),
                _ => {
                    let what = if name == "ligands" { "a ligand must be a name" } else { "a selection must be a text" };
                    self.table.faults.add(&node.place, what, example.unwrap_or_default());
                }
            }
        }
    }

    fn pairs(&mut self, name: &'static str, value: &mut Vec<(String, String)>, example: &str) {
        self.need(name, Some(example));
        for node in self.table.array(name).unwrap_or_default() {
            let text = |node: &super::tree::Node| match &node.value {
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            let names = match &node.value {
                Value::Array(names) => names.iter().map(text).collect::<Option<Vec<_>>>(),
                _ => None,
            };
            match names.as_deref() {
                Some([a, b]) => value.push((a.clone(), b.clone())),
                _ => self.table.faults.add(&node.place, "a pair must be two names", example),
            }
        }
    }

    fn positive(&mut self, name: &'static str, value: &mut f64, dimension: Dimension) {
        if self.table.get(name).is_none() && *value == 0.0 {
            self.table.missing(name, &format!("for example {name} = \"0.3 {}\"", dimension.internal_unit()));
        }
        if let Some(given) = self.table.quantity(name, dimension, Bound::Positive) {
            *value = given.value;
        }
    }

    fn not_negative(&mut self, name: &'static str, value: &mut f64, dimension: Dimension) {
        if let Some(given) = self.table.quantity(name, dimension, Bound::NotNegative) {
            *value = given.value;
        }
    }

    fn optional(&mut self, name: &'static str, value: &mut Option<f64>, dimension: Dimension) {
        if let Some(given) = self.table.quantity(name, dimension, Bound::Positive) {
            *value = Some(given.value);
        }
    }

    fn quantities(&mut self, name: &'static str, value: &mut Vec<f64>, dimension: Dimension) {
        let Some(nodes) = self.table.array(name) else { return };
        value.clear();
        for node in nodes {
            let Some(v) = self.table.quantity_of(node, &format!("an element of `{name}`"), dimension) else { continue };
            if v < 0.0 {
                self.table.faults.add(&node.place, format!("`{name}` may not hold negative values"), "");
            }
            value.push(v);
        }
        if nodes.is_empty() {
            self.table.faults.add(&self.table.place, format!("`{name}` is empty"), "give one value or more");
        }
    }

    fn flag(&mut self, name: &'static str, value: &mut bool) {
        if let Some(given) = self.table.boolean(name) {
            *value = given;
        }
    }

    fn either(&mut self, name: &'static str, value: &mut bool, words: [&'static str; 2]) {
        if let Some(given) = self.table.choice(name, &[(words[0], true), (words[1], false)]) {
            *value = given.value;
        }
    }

    fn named(&mut self, name: &'static str, value: &mut Vec<(String, String)>, example: &str) {
        let Some(node) = self.table.get(name) else { return };
        let Value::Table(entries) = &node.value else {
            self.table.faults.add(&node.place, format!("`{name}` must be a table, not {}", node.type_name()), example);
            return;
        };
        for (key, node) in entries {
            if key.name == "bulk" {
                let help = "what is in no region is called bulk; choose another name";
                self.table.faults.add(&key.place, format!("a name in `{name}` cannot be `bulk`"), help);
            }
            match &node.value {
                Value::String(text) => value.push((key.name.clone(), text.clone())),
                _ => self.table.faults.add(&node.place, format!("`{}` must be a selection", key.name), example),
            }
        }
    }

    fn temperature(&mut self, value: &mut f64) {
        *value = self.context.temperature.unwrap_or(*value);
        self.positive("temperature", value, Dimension::Temperature);
    }

    fn curve(&mut self, name: &'static str, path: &mut String, points: &mut Vec<[f64; 2]>) {
        const HELP: &str = "it must be a text file with two columns, r in angstrom and G(r) in angstrom^-2; lines that begin otherwise are passed over";
        let Some(given) = self.table.string(name) else { return };
        match std::fs::read_to_string(self.context.base_dir.join(&given.value)) {
            Err(error) => self.table.faults.add(&given.place, format!("{}: {error}", given.value), HELP),
            Ok(text) => {
                *points = two_columns(&text);
                if points.len() < 2 {
                    self.table.faults.add(&given.place, format!("{} holds no curve", given.value), HELP);
                }
            }
        }
        *path = given.value;
    }

    fn every(&mut self, value: &mut f64) {
        *value = self.context.every(self.table);
    }
}

/// Lines that begin with two numbers; the rest (heads, comments) is passed over.
fn two_columns(text: &str) -> Vec<[f64; 2]> {
    let numbers = |line: &str| {
        let mut words = line.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|w| !w.is_empty());
        let mut next = || words.next()?.parse().ok().filter(|v: &f64| v.is_finite());
        Some([next()?, next()?])
    };
    text.lines().filter_map(numbers).collect()
}

impl Keys for Lines {
    fn text(&mut self, name: &'static str, value: &mut String, _: Option<&str>) {
        if !value.is_empty() {
            self.pair(name, super::write::string(value));
        }
    }
    fn texts(&mut self, name: &'static str, value: &mut Vec<String>, _: Option<&str>) {
        if !value.is_empty() {
            self.pair(name, super::write::strings(value.iter()));
        }
    }
    fn pairs(&mut self, name: &'static str, value: &mut Vec<(String, String)>, _: &str) {
        let pairs: Vec<String> = value.iter().map(|(a, b)| super::write::strings([a, b])).collect();
        self.pair(name, format!("[{}]", pairs.join(", ")));
    }
    fn positive(&mut self, name: &'static str, value: &mut f64, dimension: Dimension) {
        self.quantity(name, *value, dimension);
    }
    fn not_negative(&mut self, name: &'static str, value: &mut f64, dimension: Dimension) {
        self.quantity(name, *value, dimension);
    }
    fn optional(&mut self, name: &'static str, value: &mut Option<f64>, dimension: Dimension) {
        if let Some(value) = value {
            self.quantity(name, *value, dimension);
        }
    }
    fn quantities(&mut self, name: &'static str, value: &mut Vec<f64>, dimension: Dimension) {
        let texts: Vec<String> = value.iter().map(|v| super::write::quoted(*v, dimension)).collect();
        self.pair(name, format!("[{}]", texts.join(", ")));
    }
    fn flag(&mut self, name: &'static str, value: &mut bool) {
        self.pair(name, *value);
    }
    fn either(&mut self, name: &'static str, value: &mut bool, words: [&'static str; 2]) {
        self.pair(name, super::write::string(if *value { words[0] } else { words[1] }));
    }
    fn named(&mut self, name: &'static str, value: &mut Vec<(String, String)>, _: &str) {
        if !value.is_empty() {
            let entry =
                |(k, v): &(String, String)| format!("{} = {}", super::write::string(k), super::write::string(v));
            let entries: Vec<String> = value.iter().map(entry).collect();
            self.pair(name, format!("{{ {} }}", entries.join(", ")));
        }
    }
    fn temperature(&mut self, value: &mut f64) {
        self.quantity("temperature", *value, Dimension::Temperature);
    }
    fn curve(&mut self, name: &'static str, path: &mut String, _: &mut Vec<[f64; 2]>) {
        Keys::text(self, name, path, None);
    }
    fn every(&mut self, value: &mut f64) {
        self.quantity("every", *value, Dimension::Time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_defaults_and_the_guide_names_its_keys() {
        let guide = include_str!("../../../inputs/README.md");
        for kind in KINDS {
            let mut spec = default_of(kind).expect(kind);
            assert_eq!(spec.kind(), kind);
            let mut names = Names::default();
            declare(&mut spec, &mut names);
            for name in names.0 {
                let named = guide.contains(&format!("`{name}`")) || guide.contains(&format!("`{name} = "));
                assert!(named, "inputs/README.md does not explain `{name}` of {kind}");
            }
        }
    }

    #[test]
    fn measured_curves_may_have_heads_and_commas() {
        let text = "#### start data\nr G\n1.0 2.5\n1.5, -3e-1\n\nend";
        assert_eq!(two_columns(text), [[1.0, 2.5], [1.5, -0.3]]);
    }
}
