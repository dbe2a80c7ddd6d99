//! The data of `forcefields/*.toml`, typed and checked for consistency.
//!
//! Units are those of the files' headers: nm, kJ/mol, e, u, degree. Reading happens once; nothing here chooses a model.

use super::ForceFieldError;
use super::generate::generate;
use super::molecule::{AngleType, AtomType, BondType, ImproperType, MoleculeTemplate, Scale14, TorsionType};
use crate::system::topology::Species;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const BUILTIN: [(&str, &str); 5] = [
    ("water.toml", include_str!("../../forcefields/water.toml")),
    ("zinc.toml", include_str!("../../forcefields/zinc.toml")),
    ("ions.toml", include_str!("../../forcefields/ions.toml")),
    ("anions.toml", include_str!("../../forcefields/anions.toml")),
    ("organics.toml", include_str!("../../forcefields/organics.toml")),
];

/// Everything the library holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Library {
    /// Masses of the water atoms by element, u.
    pub mass: BTreeMap<String, f64>,
    /// Names of water models that ion sets refer to but that are not in the library, by key.
    pub other_waters: BTreeMap<String, String>,
    #[serde(rename = "water")]
    pub waters: Vec<WaterModel>,
    pub species: Vec<SpeciesEntry>,
    #[serde(rename = "set")]
    pub sets: Vec<ParameterSet>,
    pub polarizability: Polarizability,
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
}

/// A rigid water model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaterModel {
    pub name: String,
    /// The first alias is the key that ion sets use.
    pub aliases: Vec<String>,
    /// 3, or 4 with a virtual site.
    pub sites: u32,
    /// O–H distance, nm
    pub d_oh: f64,
    /// H–H distance, nm
    pub d_hh: f64,
    /// H–O–H angle as published, degree
    pub angle: f64,
    /// e
    pub charge_o: f64,
    pub charge_h: f64,
    pub charge_m: Option<f64>,
    /// nm, of the oxygen
    pub sigma: f64,
    /// kJ/mol, of the oxygen
    pub epsilon: f64,
    /// Å, as published
    pub rmin_half: Option<f64>,
    /// kcal/mol, as published
    pub epsilon_kcal: Option<f64>,
    /// O–M distance, nm
    pub d_om: Option<f64>,
    /// Weights of O, H1, H2 in the position of M.
    pub weights_m: Option<[f64; 3]>,
    pub flexible: Option<Flexible>,
    #[serde(default)]
    pub readings: Vec<Reading>,
    pub note: Option<String>,
    pub pitfall: Option<String>,
    pub verified: bool,
    #[serde(default)]
    pub from_memory: bool,
    pub source: String,
    pub second_source: Option<String>,
}

/// Force constants that some programs attach to a rigid model, kJ/mol/nm² and kJ/mol/rad².
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flexible {
    pub k_bond: f64,
    pub k_angle: f64,
}

/// Another published rounding of a water model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    pub sigma: Option<f64>,
    pub epsilon: Option<f64>,
    pub d_hh: Option<f64>,
    pub angle: Option<f64>,
    pub origin: String,
}

/// A species: what does not depend on the model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeciesEntry {
    pub name: String,
    /// In words.
    pub title: Option<String>,
    /// Other names that an input may use.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Of a single atom; empty for a molecule.
    #[serde(default)]
    pub element: String,
    /// Atom and type name of a single atom, e.g. `ZN`.
    #[serde(default)]
    pub atom: String,
    pub residue: String,
    #[serde(default)]
    pub residue_aliases: Vec<String>,
    /// u, of a single atom
    #[serde(default)]
    pub mass: f64,
}

/// How a set's pair parameters are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    LorentzBerthelot,
    Geometric,
    /// A pair table of its own.
    Explicit,
}

/// Functional form of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Form {
    #[serde(rename = "12-6")]
    LennardJones,
    #[serde(rename = "12-6-4")]
    LennardJones1264,
    #[serde(rename = "drude")]
    Drude,
}

/// A set that this project made itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// A trial, not a model.
    Check,
    /// An interim refit.
    Refit,
}

/// One published set: a model for one water (or for several with equal numbers), of single atoms and of molecules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterSet {
    /// Alias used in inputs, e.g. `li-merz-iod`.
    pub model: String,
    pub title: String,
    pub kind: Form,
    /// Keys of the water models it was fitted for.
    pub water: Vec<String>,
    /// Further waters that the authors call usable.
    #[serde(default)]
    pub usable_with: Vec<String>,
    pub combination: Combination,
    /// Species of one atom.
    #[serde(default)]
    pub ions: Vec<IonParameters>,
    /// Explicit pairs.
    #[serde(default)]
    pub pairs: Vec<ExplicitPair>,
    /// Species of several atoms.
    #[serde(default, rename = "molecule")]
    pub molecules: Vec<MoleculeTemplate>,
    #[serde(default)]
    pub atom_types: Vec<AtomType>,
    #[serde(default)]
    pub bond_types: Vec<BondType>,
    #[serde(default)]
    pub angle_types: Vec<AngleType>,
    #[serde(default)]
    pub torsion_types: Vec<TorsionType>,
    #[serde(default)]
    pub improper_types: Vec<ImproperType>,
    /// Needed where atoms are three bonds apart.
    pub scale_14: Option<Scale14>,
    /// Are the ions on the Li/Merz noble-gas curve?
    #[serde(default)]
    pub noble_gas_curve: bool,
    /// Are the charges scaled already?
    #[serde(default)]
    pub scaled_charge: bool,
    pub own: Option<Own>,
    /// What is missing; the set cannot be run.
    pub gap: Option<String>,
    #[serde(default)]
    pub md_checks: Vec<MdCheck>,
    pub note: Option<String>,
    pub verified: bool,
    #[serde(default)]
    pub from_memory: bool,
    pub source: String,
    pub second_source: Option<String>,
    pub c4_source: Option<String>,
}

/// Parameters of one ion in a set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IonParameters {
    pub name: String,
    /// e
    pub charge: f64,
    /// nm
    pub sigma: Option<f64>,
    /// kJ/mol
    pub epsilon: Option<f64>,
    /// Å, as published
    pub rmin_half: Option<f64>,
    /// kcal/mol, as published
    pub epsilon_kcal: Option<f64>,
    /// With the water oxygen, kJ/mol nm⁴.
    pub c4: Option<f64>,
    /// kcal/mol Å⁴, as published
    pub c4_kcal: Option<f64>,
}

/// An explicit pair; σ in nm, ε in kJ/mol.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplicitPair {
    pub a: String,
    pub b: String,
    pub sigma: f64,
    pub epsilon: f64,
}

/// First shell found in a short simulation while the data were collected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MdCheck {
    /// Key of the water it ran in.
    pub water: String,
    /// First peak of g(ion–O), nm.
    pub peak: f64,
    /// Mean distance in the first shell, nm.
    pub mean: Option<f64>,
    /// Coordination number.
    pub cn: Option<f64>,
    pub cn_min: Option<u32>,
    pub cn_max: Option<u32>,
    pub note: Option<String>,
}

/// Polarizabilities for the C4 term, Å³.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polarizability {
    pub alpha: BTreeMap<String, f64>,
    pub note: String,
    pub source: String,
    pub verified: bool,
}

/// Experimental anchors of an ion.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub ion: String,
    /// nm
    pub ion_oxygen_distance: f64,
    pub coordination_number: f64,
    /// kJ/mol
    pub hydration_free_energy: f64,
    pub verified: bool,
    pub from_memory: bool,
    pub source: String,
}

impl WaterModel {
    /// The key that ion sets use.
    pub fn key(&self) -> &str {
        self.aliases.first().map_or("", String::as_str)
    }

    /// Does this version run it?
    pub fn runs(&self) -> bool {
        self.sites == 3 || self.sites == 4
    }
}

impl ParameterSet {
    pub fn ion(&self, name: &str) -> Option<&IonParameters> {
        self.ions.iter().find(|i| i.name == name)
    }

    /// `li-merz-iod@spce`: names this set and no other.
    pub fn full_name(&self) -> String {
        match self.water.first() {
            Some(water) => format!("{}@{water}", self.model),
            None => self.model.clone(),
        }
    }

    /// Was it fitted for the water with this key?
    pub fn fits(&self, water: &str) -> bool {
        self.water.iter().any(|w| w == water)
    }

    /// Fitted for, or called usable with, or not bound to any water.
    pub fn usable(&self, water: &str) -> bool {
        self.water.is_empty() || self.fits(water) || self.usable_with.iter().any(|w| w == water)
    }

    /// Can this version run it?
    pub fn runs(&self) -> bool {
        self.gap.is_none() && self.kind != Form::Drude
    }

    pub fn molecule(&self, name: &str) -> Option<&MoleculeTemplate> {
        self.molecules.iter().find(|m| m.name == name)
    }

    /// Names of the species it describes.
    pub fn species(&self) -> impl Iterator<Item = &str> {
        self.ions.iter().map(|i| i.name.as_str()).chain(self.molecules.iter().map(|m| m.name.as_str()))
    }

    /// Does it describe `species`?
    pub fn holds(&self, species: &str) -> bool {
        self.species().any(|name| name == species)
    }
}

impl Library {
    /// The library in the binary.
    ///
    /// # Errors
    /// [`ForceFieldError::Broken`] when an embedded file is inconsistent (a test keeps that from happening).
    pub fn builtin() -> Result<&'static Library, ForceFieldError> {
        static LIBRARY: OnceLock<Result<Library, ForceFieldError>> = OnceLock::new();
        LIBRARY.get_or_init(|| Library::parse(&BUILTIN)).as_ref().map_err(Clone::clone)
    }

    /// A library from (file name, TOML text) pairs.
    ///
    /// # Errors
    /// [`ForceFieldError::Broken`] naming the file or entry at fault.
    pub fn parse(files: &[(&str, &str)]) -> Result<Library, ForceFieldError> {
        Library::default().extended(files)
    }

    /// This library and the entries of further (file name, TOML text) pairs.
    ///
    /// # Errors
    /// As [`Library::parse`].
    pub fn extended(&self, files: &[(&str, &str)]) -> Result<Library, ForceFieldError> {
        let mut library = self.clone();
        for (name, text) in files {
            let part: Library =
                toml::from_str(text).map_err(|error| ForceFieldError::Broken(format!("{name}: {error}")))?;
            library.mass.extend(part.mass);
            library.other_waters.extend(part.other_waters);
            library.waters.extend(part.waters);
            library.species.extend(part.species);
            library.sets.extend(part.sets);
            library.targets.extend(part.targets);
            if !part.polarizability.alpha.is_empty() {
                library.polarizability = part.polarizability;
            }
        }
        library.check().map_err(ForceFieldError::Broken)?;
        Ok(library)
    }

    /// Printed name of the water with this key.
    pub fn water_name<'a>(&'a self, key: &'a str) -> &'a str {
        let included = self.waters.iter().find(|w| w.key() == key).map(|w| w.name.as_str());
        included.or_else(|| self.other_waters.get(key).map(String::as_str)).unwrap_or(key)
    }

    /// Sets that describe `species`.
    pub fn sets_of<'s, 'n>(&'s self, species: &'n str) -> impl Iterator<Item = &'s ParameterSet> + use<'s, 'n> {
        self.sets.iter().filter(move |set| set.holds(species))
    }

    fn check(&self) -> Result<(), String> {
        for element in ["O", "H"] {
            if !self.mass.contains_key(element) {
                return Err(format!("no mass of the water's {element}"));
            }
        }
        for water in &self.waters {
            if water.aliases.is_empty() {
                return Err(format!("{} has no alias", water.name));
            }
            if (water.sites == 4) != (water.charge_m.is_some() && water.weights_m.is_some() && water.d_om.is_some()) {
                return Err(format!("{}: four sites and the data of M go together", water.name));
            }
        }
        for set in &self.sets {
            let name = set.full_name();
            for key in set.water.iter().chain(&set.usable_with).chain(set.md_checks.iter().map(|c| &c.water)) {
                if self.waters.iter().all(|w| w.key() != key) && !self.other_waters.contains_key(key) {
                    return Err(format!("{name}: unknown water `{key}`"));
                }
            }
            for species in set.species() {
                if self.species.iter().all(|s| s.name != species) {
                    return Err(format!("{name}: unknown species `{species}`"));
                }
            }
            for molecule in set.molecules.iter().filter(|m| set.gap.is_none() && m.gap.is_none()) {
                generate(set, molecule).map_err(|fault| format!("{name}: {fault}"))?;
            }
            for ion in &set.ions {
                if self.species.iter().any(|s| s.name == ion.name && (s.atom.is_empty() || s.mass <= 0.0)) {
                    return Err(format!("{name}: {} has no atom name or no mass", ion.name));
                }
                if set.runs() && (ion.sigma.is_none() || ion.epsilon.is_none()) {
                    return Err(format!("{name}: {} has no sigma or epsilon and no gap says so", ion.name));
                }
                if (set.kind == Form::LennardJones1264) != ion.c4.is_some() {
                    return Err(format!("{name}: {}: c4 and the form 12-6-4 go together", ion.name));
                }
            }
        }
        for (n, set) in self.sets.iter().enumerate() {
            for species in set.species() {
                let is_twin = |other: &ParameterSet| other.holds(species) && other.full_name() == set.full_name();
                if self.sets[..n].iter().any(is_twin) {
                    return Err(format!("{} of {species} is there twice", set.full_name()));
                }
            }
        }
        Ok(())
    }
}

/// Residue names by which structure files may call a species: its own first, then common aliases. Compare them
/// without regard to case.
pub fn residue_aliases(species: &Species) -> Vec<String> {
    const WATER: [&str; 17] = [
        "SOL", "HOH", "WAT", "H2O", "TIP3", "TIP", "TP3", "TIP3P", "TIP4", "TP4", "T4P", "TIP4P", "SPC", "SPCE",
        "SPC/E", "OPC", "OPC3",
    ];
    let mut names = vec![species.residue.clone()];
    if species.is_water {
        names.extend(WATER.iter().map(ToString::to_string));
    }
    names.push(species.name.clone());
    if let Ok(library) = Library::builtin()
        && let Some(ion) = library.species.iter().find(|s| s.name == species.name)
    {
        names.extend(ion.residue_aliases.iter().cloned());
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|n| seen.insert(n.to_uppercase()));
    names
}
