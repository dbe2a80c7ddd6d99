//! From the names of a system to species, types and the pair table.
//!
//! * **Mixing.** A pair whose two types both come from sets with the geometric rule uses geometric, any other pair the
//!   rule of the input. A water is no such set: an ion of a geometric set mixes with water by the rule of the input, and
//!   a warning says so unless that is geometric. Explicit pair tables beat both.
//! * **12-6-4.** C4 of an ion acts on the water oxygen by the tabulated value and on any other Lennard-Jones atom by
//!   C4 α/α_water (P. Li, K. M. Merz, J. Chem. Theory Comput. 10, 289 (2014), eq. 9); in an ion pair both ions
//!   contribute. Hydrogens of water have none.

use super::error::{ForceFieldError, SoluteFault};
use super::library::{Combination, Form, IonParameters, IonSet, IonSpecies, Library, Own, WaterModel};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use crate::system::spec::SystemSpec;
use crate::system::topology::{RigidWater, Species, SpeciesAtom};
use std::fmt::Write;

/// Everything a builder needs to make a topology, and what users should be told about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assembled {
    /// Names of the Lennard-Jones types, `[n_types]`.
    pub types: Vec<String>,
    /// The water, then the solutes in the order of the input.
    pub species: Vec<Species>,
    pub pair_table: PairTable,
    /// Sentences for the user: foreign waters, numbers from memory, interim refits, …
    pub warnings: Vec<String>,
    /// One entry per species.
    pub provenance: Vec<Provenance>,
    /// Model names behind the C4 entries: (type a ≤ type b, text).
    c4_origins: Vec<(usize, usize, String)>,
    /// Models behind the like pairs, `[n_types]`.
    type_models: Vec<String>,
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

/// A type while the table is made.
struct TypeEntry<'a> {
    name: String,
    lj: (f64, f64),
    /// `None` for water.
    ion: Option<(usize, &'a IonSet, &'a IonParameters)>,
}

/// Finds the model of every species of `system` and builds the pair table.
///
/// # Errors
/// [`ForceFieldError`] when a name is unknown or ambiguous, a set has a gap or cannot be run by this version, or a
/// 12-6-4 or explicit table lacks an entry. [`ForceFieldError::key`] names the input key at fault.
pub fn assemble(system: &SystemSpec, mixing: Mixing) -> Result<Assembled, ForceFieldError> {
    assemble_from(Library::builtin()?, system, mixing)
}

/// [`assemble`] with a library of one's own.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_from(library: &Library, system: &SystemSpec, mixing: Mixing) -> Result<Assembled, ForceFieldError> {
    let water = library.runnable_water(&system.water.model)?;
    let mut solutes: Vec<(&IonSpecies, &IonSet, &IonParameters)> = Vec::new();
    for (index, solute) in system.solutes.iter().enumerate() {
        let species = library.find_species(index, &solute.name)?;
        let set = library.find_set(index, &species.name, solute.model.as_deref(), water)?;
        if let Some(ion) = set.ion(&species.name) {
            solutes.push((species, set, ion));
        }
    }

    let mut entries = vec![
        TypeEntry { name: "OW".into(), lj: (water.sigma, water.epsilon), ion: None },
        TypeEntry { name: "HW".into(), lj: (0.0, 0.0), ion: None },
    ];
    for (index, &(species, set, ion)) in solutes.iter().enumerate() {
        let lj = (ion.sigma.unwrap_or_default(), ion.epsilon.unwrap_or_default());
        entries.push(TypeEntry { name: species.atom.clone(), lj, ion: Some((index, set, ion)) });
    }
    let lj: Vec<(f64, f64)> = entries.iter().map(|t| t.lj).collect();
    let mut pair_table = PairTable::mixed(&lj, |a, b| rule_of_pair(&entries[a], &entries[b], mixing));
    set_explicit_pairs(&mut pair_table, &entries, library, water)?;
    let c4_origins = add_c4_terms(&mut pair_table, &entries, library)?;

    let mut species = vec![water_species(library, water)];
    for (type_id, &(ion_species, _, ion)) in (2u32..).zip(&solutes) {
        species.push(ion_template(ion_species, ion, type_id));
    }
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
    for &(ion_species, set, _) in &solutes {
        warnings.extend(warnings_of(library, &ion_species.name, set, water, mixing));
        provenance.push(Provenance {
            species: ion_species.name.clone(),
            model: set.full_name(),
            title: set.title.clone(),
            source: set.source.clone(),
            flags: set.flags(),
        });
    }
    let type_models = entries.iter().map(|t| t.ion.map_or(water.name.clone(), |(_, set, _)| set.full_name())).collect();
    let types = entries.into_iter().map(|t| t.name).collect();
    Ok(Assembled { types, species, pair_table, warnings, provenance, c4_origins, type_models })
}

fn rule_of_pair(a: &TypeEntry, b: &TypeEntry, mixing: Mixing) -> Mixing {
    let geometric = |t: &TypeEntry| t.ion.is_some_and(|(_, set, _)| set.combination == Combination::Geometric);
    if geometric(a) && geometric(b) { Mixing::Geometric } else { mixing }
}

/// Replaces every pair that involves an explicit set by the set's own entry.
fn set_explicit_pairs(
    table: &mut PairTable,
    entries: &[TypeEntry],
    library: &Library,
    water: &WaterModel,
) -> Result<(), ForceFieldError> {
    for (a, entry) in entries.iter().enumerate() {
        let Some((solute, set, ion)) = entry.ion.filter(|(_, set, _)| set.combination == Combination::Explicit) else {
            continue;
        };
        for (b, other) in entries.iter().enumerate() {
            if other.lj.1 == 0.0 {
                continue; // no Lennard-Jones site, such as the hydrogens of water
            }
            let partner = other.ion.map_or(other.name.as_str(), |(_, _, p)| p.name.as_str());
            if other.ion.is_none() && !set.fits(water.key()) {
                return Err(SoluteFault::PairsOfAnotherWater {
                    species: ion.name.clone(),
                    model: set.model.clone(),
                    fitted: set.water.iter().map(|w| library.water_name(w)).collect::<Vec<_>>().join(", "),
                    water: water.name.clone(),
                }
                .of(solute));
            }
            let same_set = other.ion.is_none_or(|(_, other_set, _)| other_set.model == set.model);
            let pair =
                set.pairs.iter().find(|p| (p.a == ion.name && p.b == partner) || (p.b == ion.name && p.a == partner));
            let Some(pair) = pair.filter(|_| same_set) else {
                return Err(SoluteFault::MissingPair {
                    model: set.model.clone(),
                    a: ion.name.clone(),
                    b: partner.into(),
                }
                .of(solute));
            };
            let k = PairCoefficients::from_sigma_epsilon(pair.sigma, pair.epsilon);
            table.set(a, b, k, PairOrigin::Explicit);
        }
    }
    Ok(())
}

/// Adds the −C4/r⁴ terms of every 12-6-4 ion and says which models they come from.
fn add_c4_terms(
    table: &mut PairTable,
    entries: &[TypeEntry],
    library: &Library,
) -> Result<Vec<(usize, usize, String)>, ForceFieldError> {
    const WATER: &str = "water";
    let mut origins: Vec<(usize, usize, String)> = Vec::new();
    let alpha = |name: &str| library.polarizability.alpha.get(name).copied();
    for (a, entry) in entries.iter().enumerate() {
        let Some((solute, set, ion)) = entry.ion else { continue };
        let Some(c4) = ion.c4.filter(|_| set.kind == Form::LennardJones1264) else { continue };
        for (b, other) in entries.iter().enumerate() {
            let contribution = match other.ion {
                None if other.lj.1 == 0.0 => continue, // hydrogens of water
                None => c4,
                Some((_, _, partner)) => {
                    let scale = alpha(&partner.name).zip(alpha(WATER)).map(|(x, water)| x / water);
                    let scale = scale.ok_or_else(|| {
                        let (ion, partner) = (ion.name.clone(), partner.name.clone());
                        SoluteFault::MissingPolarizability { model: set.full_name(), ion, partner }.of(solute)
                    })?;
                    // In a like pair both ions polarize each other, too.
                    if a == b { 2.0 * c4 * scale } else { c4 * scale }
                }
            };
            table.add_c4(a, b, contribution);
            let pair = (a.min(b), a.max(b));
            match origins.iter_mut().find(|(x, y, _)| (*x, *y) == pair) {
                Some((_, _, text)) => {
                    let _ = write!(text, " and {}", set.full_name());
                }
                None => origins.push((pair.0, pair.1, set.full_name())),
            }
        }
    }
    Ok(origins)
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
    Species {
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
    }
}

fn ion_template(species: &IonSpecies, ion: &IonParameters, type_id: u32) -> Species {
    Species {
        name: species.name.clone(),
        residue: species.residue.clone(),
        is_water: false,
        atoms: vec![SpeciesAtom {
            name: species.atom.clone(),
            element: species.element.clone(),
            type_id,
            charge: ion.charge,
            mass: species.mass,
        }],
        bonds: Vec::new(),
        exclusions: Vec::new(),
        rigid_water: None,
        ..Species::default()
    }
}

fn warnings_of(library: &Library, ion: &str, set: &IonSet, water: &WaterModel, mixing: Mixing) -> Vec<String> {
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
    if mixing != Mixing::Geometric && set.combination == Combination::Geometric {
        warnings.push(format!(
            "`{name}` of {ion} was fitted with geometric mixing, and this input mixes it with {} by the {mixing} rule; \
             `[nonbonded] mixing = \"geometric\"` gives the fitted pair",
            water.name
        ));
    }
    if mixing == Mixing::Geometric && set.combination == Combination::LorentzBerthelot {
        warnings.push(format!(
            "`{name}` of {ion} was fitted with Lorentz-Berthelot mixing, and the input asks for geometric"
        ));
    }
    warnings
}

impl IonSet {
    /// Short marks for lists: `from memory`, `own refit`, `gap`, …
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut flag = |set: bool, text: &str| {
            if set {
                flags.push(text.to_string());
            }
        };
        flag(self.gap.is_some(), "gap");
        flag(!self.atoms.is_empty(), "needs bonded terms");
        flag(self.from_memory, "from memory");
        flag(!self.verified && !self.from_memory && self.own.is_none(), "not verified");
        flag(self.own == Some(Own::Check), "own check, not a model");
        flag(self.own == Some(Own::Refit), "own interim refit");
        flag(self.scaled_charge, "scaled charge");
        flags
    }
}

/// The type × type table for people: σ, ε, C4 and where each entry comes from.
pub fn pair_table_text(assembled: &Assembled) -> String {
    let table = &assembled.pair_table;
    let mut text =
        format!("{:<12} {:>10} {:>16} {:>16}  origin\n", "pair", "sigma/nm", "epsilon/(kJ/mol)", "c4/(kJ/mol nm4)");
    for a in 0..table.n_types() {
        for b in a..table.n_types() {
            let k = table.get(a, b);
            let (sigma, epsilon) = if k.c6 > 0.0 && k.c12 > 0.0 {
                (format!("{:.6}", (k.c12 / k.c6).powf(1.0 / 6.0)), format!("{:.6}", k.c6 * k.c6 / (4.0 * k.c12)))
            } else {
                ("-".into(), "-".into())
            };
            let c4 = if k.c4 == 0.0 { "-".into() } else { format!("{:.6}", k.c4) };
            let mut origin = match table.origin(a, b) {
                _ if k.is_zero() => "no Lennard-Jones".into(),
                PairOrigin::Explicit => format!("explicit pair of {}", assembled.type_models[b]),
                PairOrigin::Mixed(_) if a == b => assembled.type_models[a].clone(),
                PairOrigin::Mixed(rule) => rule.to_string(),
            };
            if let Some((_, _, model)) = assembled.c4_origins.iter().find(|(x, y, _)| (*x, *y) == (a, b)) {
                let _ = write!(origin, "; c4 of {model}");
            }
            let pair = format!("{} {}", assembled.types[a], assembled.types[b]);
            let _ = writeln!(text, "{pair:<12} {sigma:>10} {epsilon:>16} {c4:>16}  {origin}");
        }
    }
    text
}
