//! From the names of a system to species, types and the pair table.
//!
//! * **Mixing.** A pair whose two types both come from sets with the geometric rule uses geometric, any other pair the
//!   rule of the input. A water is no such set: an ion of a geometric set mixes with water by the rule of the input, and
//!   a warning says so unless that is geometric. Types of one file of the user mix among themselves by the rule of the
//!   file. Explicit pair tables beat both. 1-4 pairs use the rule and the scaling of
//!   their own set.
//! * **Charge scaling** multiplies every atom of every ionic species by one factor, water and neutral molecules never.
//!   Where this project has refitted an ion for the scaled charge and the chosen water, that set replaces the one of the
//!   same input entry, unless the entry names its set in full (`li-merz-iod@spce`).

use super::error::{ForceFieldError, SoluteFault};
use super::generate::{Generated, generate};
use super::library::{Combination, Form, Library, Own, ParameterSet, SpeciesEntry, WaterModel};
use super::pairs;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairTable;
use crate::system::bonded::VirtualSite;
use crate::system::spec::{SoluteSpec, SystemSpec};
use crate::system::topology::{RigidWater, Species, SpeciesAtom};
use glam::DVec3;

/// Everything a builder needs to make a topology, and what users should be told about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assembled {
    /// Names of the Lennard-Jones types, `[n_types]`.
    pub types: Vec<String>,
    /// The water, then the solutes in the order of the input.
    pub species: Vec<Species>,
    pub pair_table: PairTable,
    /// Start shapes by species name, `[n_atoms]`, nm; single atoms and water need none.
    pub geometries: Vec<(String, Vec<DVec3>)>,
    /// Sentences for the user: foreign waters, numbers from memory, interim refits, …
    pub warnings: Vec<String>,
    /// One entry per species.
    pub provenance: Vec<Provenance>,
    /// Model names behind the C4 entries: (type a ≤ type b, text).
    pub(super) c4_origins: Vec<(usize, usize, String)>,
    /// Models behind the like pairs, `[n_types]`.
    pub(super) type_models: Vec<String>,
}

/// Where the parameters of a species come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    pub species: String,
    /// `SPC/E`, `li-merz-iod@spce`
    pub model: String,
    pub title: String,
    pub source: String,
    /// `from memory`, `own refit`, …
    pub flags: Vec<String>,
}

/// A molecule that a file of the user describes completely.
#[derive(Debug, Clone, PartialEq)]
pub struct FileMolecule {
    /// Index in `system.solutes`.
    pub solute: usize,
    /// Name of the file.
    pub file: String,
    /// `type_id` counts `types`.
    pub species: Species,
    pub types: Vec<FileType>,
    /// Rule that the file states for its types.
    pub mixing: Mixing,
    /// `[n_atoms]`, nm, where the user gave a shape
    pub geometry: Vec<DVec3>,
    pub warnings: Vec<String>,
}

/// A Lennard-Jones type of such a molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct FileType {
    pub name: String,
    /// nm
    pub sigma: f64,
    /// kJ/mol
    pub epsilon: f64,
    pub terms: LjTerms,
}

/// Which terms of 4ε [(σ/r)¹² − (σ/r)⁶] the pairs of a type have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LjTerms {
    Both,
    /// The first alone.
    Repulsion,
    /// The first alone, known by c12: σ is any number, and only geometric means are right.
    RepulsionWithoutSigma,
}

/// A solute with its model found.
struct Solute<'a> {
    species: Species,
    geometry: Vec<DVec3>,
    source: SoluteSource<'a>,
    /// Does the charge scale act on it?
    scaled: Option<f64>,
    warnings: Vec<String>,
}

enum SoluteSource<'a> {
    Library { entry: &'a SpeciesEntry, set: &'a ParameterSet },
    File(&'a FileMolecule),
}

/// Finds the model of every species of `system` and builds the pair table.
///
/// # Errors
/// [`ForceFieldError`] when a name is unknown or ambiguous, a set has a gap or cannot be run by this version, or a
/// 12-6-4 or explicit table lacks an entry. [`ForceFieldError::key`] names the input key at fault.
pub fn assemble(system: &SystemSpec, mixing: Mixing) -> Result<Assembled, ForceFieldError> {
    assemble_from(Library::builtin()?, system, mixing, &[])
}

/// [`assemble`] with a library of one's own and molecules from files.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_from(
    library: &Library,
    system: &SystemSpec,
    mixing: Mixing,
    files: &[FileMolecule],
) -> Result<Assembled, ForceFieldError> {
    let water = library.water(&system.water.model)?;
    let mut solutes: Vec<Solute> = Vec::new();
    for (index, solute) in system.solutes.iter().enumerate() {
        let found = match files.iter().find(|f| f.solute == index) {
            Some(file) => from_file(index, solute, file, system.ion_charge_scale)?,
            None => from_library(library, index, solute, water, system.ion_charge_scale)?,
        };
        if solutes.iter().any(|s| s.species.name == found.species.name) {
            let (species, name) = (found.species.name.clone(), solute.name.clone());
            return Err(SoluteFault::Twice { species, name }.of(index));
        }
        solutes.push(found);
    }

    let mut entries = pairs::water_types(water);
    for (index, solute) in solutes.iter_mut().enumerate() {
        let types: Vec<u32> = match solute.source {
            SoluteSource::Library { set, .. } => pairs::set_types(&mut entries, index, set, &solute.species),
            SoluteSource::File(file) => pairs::file_types(&mut entries, file),
        };
        for atom in &mut solute.species.atoms {
            atom.type_id = types[atom.type_id as usize];
        }
    }
    let (pair_table, c4_origins) = pairs::pair_table(&entries, library, water, mixing)?;

    let mut species = vec![water_species(library, water)];
    let mut geometries = Vec::new();
    let mut warnings = Vec::new();
    let mut provenance = vec![Provenance {
        species: water.name.clone(),
        model: water.name.clone(),
        title: "rigid water model".into(),
        source: water.source.clone(),
        flags: if water.from_memory { vec!["from memory".into()] } else { Vec::new() },
    }];
    if water.from_memory {
        warnings.push(format!("the numbers of {} are from memory: check them against the paper", water.name));
    }
    for solute in solutes {
        let name = solute.species.name.clone();
        let mut entry = match solute.source {
            SoluteSource::Library { entry, set } => {
                warnings.extend(warnings_of(library, &name, set, water, mixing));
                let title = entry.title.as_ref().map_or(set.title.clone(), |t| format!("{t}; {}", set.title));
                let (model, source) = (set.full_name(), set.source.clone());
                Provenance { species: name.clone(), model, title, source, flags: set.flags() }
            }
            SoluteSource::File(file) => {
                let has_lj = file.types.iter().any(|t| t.epsilon != 0.0);
                warnings.extend(mixing_warning(&file.file, &name, file.mixing, water, mixing).filter(|_| has_lj));
                Provenance {
                    species: name.clone(),
                    model: file.file.clone(),
                    title: "the user's own molecule".into(),
                    source: file.file.clone(),
                    flags: Vec::new(),
                }
            }
        };
        entry.flags.extend(solute.scaled.map(|scale| format!("charges times {scale}")));
        warnings.extend(solute.warnings);
        provenance.push(entry);
        if !solute.geometry.is_empty() {
            geometries.push((name, solute.geometry));
        }
        species.push(solute.species);
    }
    let type_models = entries.iter().map(|t| t.model(water)).collect();
    let types = entries.into_iter().map(|t| t.name).collect();
    Ok(Assembled { types, species, pair_table, geometries, warnings, provenance, c4_origins, type_models })
}

fn from_library<'a>(
    library: &'a Library,
    index: usize,
    solute: &SoluteSpec,
    water: &WaterModel,
    scale: Option<f64>,
) -> Result<Solute<'a>, ForceFieldError> {
    let entry = library.find_species(index, &solute.name)?;
    if let Some(refit) = scale.and_then(|scale| refit_of(library, entry, solute, water, scale)) {
        let (set, charge) = refit;
        let instead = solute.model.as_ref().map_or(String::new(), |m| {
            format!(" instead of `{m}`; the full name of a set, for example \"{m}@{}\", keeps its own", water.key())
        });
        let text = format!(
            "{} takes the Lennard-Jones part of `{}`, refitted for the charge {charge:+}{instead}",
            entry.name,
            set.full_name()
        );
        let source = SoluteSource::Library { entry, set };
        let species = ion_template(entry, charge);
        return Ok(Solute { species, geometry: Vec::new(), source, scaled: scale, warnings: vec![text] });
    }
    let set = library.find_set(index, &entry.name, solute.model.as_deref(), water)?;
    let mut warnings = Vec::new();
    let (mut species, geometry) = match (set.ion(&entry.name), set.molecule(&entry.name)) {
        (Some(ion), _) => (ion_template(entry, ion.charge), Vec::new()),
        (None, Some(template)) => {
            let Generated { mut species, substitutes, .. } = generate(set, template)
                .map_err(|fault| ForceFieldError::Broken(format!("{}: {fault}", set.full_name())))?;
            species.residue.clone_from(&entry.residue);
            warnings.extend(substitutes.into_iter().map(|text| format!("{}: {text}", entry.name)));
            if template.own_assignment {
                warnings.push(format!(
                    "the atom types of {} are assigned by this project, not by a published fit for the molecule",
                    entry.name
                ));
            }
            (species, template.geometry.iter().map(|&r| DVec3::from_array(r)).collect())
        }
        // `find_set` returns sets that hold the species.
        (None, None) => return Err(ForceFieldError::Broken(format!("{} lost {}", set.full_name(), entry.name))),
    };
    let scaled = scale.filter(|_| species.charge().abs() > NEUTRAL);
    if let Some(scale) = scaled {
        if set.scaled_charge {
            let full = library.sets_of(&entry.name).filter(|s| !s.scaled_charge && s.runs() && s.usable(water.key()));
            let full = full.map(|s| s.model.clone()).collect();
            let (species, model) = (entry.name.clone(), set.full_name());
            return Err(SoluteFault::ScaledAlready { species, model, scale, full }.of(index));
        }
        scale_charges(&mut species, scale);
        if set.ion(&entry.name).is_some_and(|ion| ion.charge.abs() > 1.5) {
            warnings.push(format!(
                "`{}` of {} was fitted with its full charge: with charges times {scale} its first shell moves outwards",
                set.full_name(),
                entry.name
            ));
        }
        if set.kind == Form::LennardJones1264 {
            warnings.push(format!("the C4 of `{}` belongs to the full charge and is not scaled", set.full_name()));
        }
    }
    Ok(Solute { species, geometry, source: SoluteSource::Library { entry, set }, scaled, warnings })
}

/// This project's refit of an ion for the scaled charge and this water, and that charge, where the input does not ask for
/// something else: a set by its full name, or one whose charges are scaled already (which is refused later).
fn refit_of<'a>(
    library: &'a Library,
    entry: &SpeciesEntry,
    solute: &SoluteSpec,
    water: &WaterModel,
    scale: f64,
) -> Option<(&'a ParameterSet, f64)> {
    let full = |s: &&ParameterSet| !s.scaled_charge && solute.model.as_ref().is_none_or(|m| s.model == *m);
    let charge = scale * library.sets_of(&entry.name).find(full)?.ion(&entry.name)?.charge;
    let fits = |s: &&ParameterSet| {
        let refitted = s.ion(&entry.name).is_some_and(|ion| (ion.charge - charge).abs() < 1e-6);
        s.own == Some(Own::Refit) && s.fits(water.key()) && refitted
    };
    Some((library.sets_of(&entry.name).find(fits)?, charge))
}

fn from_file<'a>(
    index: usize,
    solute: &SoluteSpec,
    file: &'a FileMolecule,
    scale: Option<f64>,
) -> Result<Solute<'a>, ForceFieldError> {
    let mut species = Species { name: solute.name.clone(), ..file.species.clone() };
    let charge = species.charge();
    let scaled = scale.filter(|_| charge.abs() > NEUTRAL);
    if let Some(scale) = scaled {
        if (charge - charge.round()).abs() > 1e-3 {
            let model = file.file.clone();
            return Err(SoluteFault::ScaledAlready { species: species.name, model, scale, full: Vec::new() }.of(index));
        }
        scale_charges(&mut species, scale);
    }
    let (geometry, warnings) = (file.geometry.clone(), file.warnings.clone());
    Ok(Solute { species, geometry, source: SoluteSource::File(file), scaled, warnings })
}

/// Net charges below this are rounding of a neutral molecule, e.
const NEUTRAL: f64 = 1e-3;

/// Multiplies all charges, those of the 1-4 pairs included.
fn scale_charges(species: &mut Species, scale: f64) {
    species.atoms.iter_mut().for_each(|atom| atom.charge *= scale);
    species.bonded.pairs_14.iter_mut().for_each(|pair| pair.qq *= scale * scale);
}

fn water_species(library: &Library, water: &WaterModel) -> Species {
    let mass = |element: &str| library.mass.get(element).copied().unwrap_or_default();
    let atom = |name: &str, element: &str, type_id, charge| SpeciesAtom {
        name: name.into(),
        element: element.into(),
        type_id,
        charge,
        mass: mass(element),
    };
    let mut species = Species {
        name: water.name.clone(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![
            atom("OW", "O", 0, water.charge_o),
            atom("HW1", "H", 1, water.charge_h),
            atom("HW2", "H", 1, water.charge_h),
        ],
        bonds: vec![(0, 1), (0, 2)],
        exclusions: vec![(0, 1), (0, 2), (1, 2)],
        rigid_water: Some(RigidWater { d_oh: water.d_oh, d_hh: water.d_hh }),
        ..Species::default()
    };
    if let (Some(charge), Some([_, w_h1, w_h2])) = (water.charge_m, water.weights_m) {
        species.atoms.push(atom("MW", "", 2, charge));
        species.exclusions.extend([(0, 3), (1, 3), (2, 3)]);
        // The weights sum to one: r_M = r_O + w_H1 (r_H1 − r_O) + w_H2 (r_H2 − r_O).
        species.virtual_sites.push(VirtualSite { site: 3, parents: [0, 1, 2], a: w_h1, b: w_h2, c: 0.0 });
    }
    species
}

fn ion_template(species: &SpeciesEntry, charge: f64) -> Species {
    Species {
        name: species.name.clone(),
        residue: species.residue.clone(),
        atoms: vec![SpeciesAtom {
            name: species.atom.clone(),
            element: species.element.clone(),
            type_id: 0,
            charge,
            mass: species.mass,
        }],
        ..Species::default()
    }
}

fn warnings_of(library: &Library, ion: &str, set: &ParameterSet, water: &WaterModel, mixing: Mixing) -> Vec<String> {
    let name = set.full_name();
    let mut warnings = Vec::new();
    if !set.usable(water.key()) {
        let fitted: Vec<&str> = set.water.iter().map(|w| library.water_name(w)).collect();
        warnings.push(format!(
            "`{name}` of {ion} was fitted for {}, and this box is {}: distances and energies will differ from the published ones",
            fitted.join(", "),
            water.name
        ));
    }
    if set.from_memory {
        warnings.push(format!("the numbers of `{name}` of {ion} are from memory: check them against the paper"));
    } else if !set.verified && set.own.is_none() {
        warnings.push(format!("the numbers of `{name}` of {ion} were not verified against a published file"));
    }
    match set.own {
        Some(Own::Check) => warnings.push(format!(
            "`{name}` of {ion} is not a published model but a trial of this project: never base a result on it"
        )),
        Some(Own::Refit) => warnings.push(format!(
            "`{name}` of {ion} is an interim refit of this project (structure only), not a published model"
        )),
        None => {}
    }
    let own = match set.combination {
        Combination::LorentzBerthelot => Some(Mixing::LorentzBerthelot),
        Combination::Geometric => Some(Mixing::Geometric),
        Combination::Explicit => None,
    };
    warnings.extend(own.and_then(|own| mixing_warning(&name, ion, own, water, mixing)));
    warnings
}

/// Where a model is mixed by another rule than its own.
///
/// * `name` – of the set or the file
/// * `own` – rule it was made with
fn mixing_warning(name: &str, species: &str, own: Mixing, water: &WaterModel, mixing: Mixing) -> Option<String> {
    match (own, mixing) {
        (Mixing::Geometric, Mixing::LorentzBerthelot) => Some(format!(
            "`{name}` of {species} was fitted with geometric mixing, and this input mixes it with {} by the {mixing} rule; \
             `[nonbonded] mixing = \"geometric\"` gives the fitted pair",
            water.name
        )),
        (Mixing::LorentzBerthelot, Mixing::Geometric) => Some(format!(
            "`{name}` of {species} was fitted with Lorentz-Berthelot mixing, and the input asks for geometric"
        )),
        _ => None,
    }
}

impl ParameterSet {
    /// Short marks for lists: `from memory`, `own refit`, `gap`, …
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut flag = |set: bool, text: &str| {
            if set {
                flags.push(text.to_string());
            }
        };
        flag(self.gap.is_some(), "gap");
        flag(self.from_memory, "from memory");
        flag(!self.verified && !self.from_memory && self.own.is_none(), "not verified");
        flag(self.own == Some(Own::Check), "own check, not a model");
        flag(self.own == Some(Own::Refit), "own interim refit");
        flag(self.scaled_charge, "scaled charge");
        flags
    }
}
