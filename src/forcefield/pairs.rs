//! The types of a box and the table of their pairs.
//!
//! * **12-6-4.** C4 of an ion acts on the water oxygen by the tabulated value and on any other Lennard-Jones atom by
//!   C4 α/α_water (P. Li, K. M. Merz, J. Chem. Theory Comput. 10, 289 (2014), eq. 9); in an ion pair both ions
//!   contribute. Hydrogens and massless sites of water have none.
//! * **Special parameters.** A type may meet water, or cations, with parameters of its own; these are mixed by the same rule.

use super::assemble::{Assembled, FileMolecule, FileType, LjTerms};
use super::error::{ForceFieldError, SoluteFault};
use super::library::{Combination, Form, Library, ParameterSet, WaterModel};
use super::molecule::SigmaEpsilon;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use crate::system::topology::Species;
use std::fmt::Write;

/// A Lennard-Jones type while the table is made.
pub(super) struct TypeEntry<'a> {
    pub name: String,
    /// σ nm, ε kJ/mol
    pub lj: (f64, f64),
    pub terms: LjTerms,
    /// An ion of one atom with a positive charge?
    pub is_cation: bool,
    pub origin: Origin<'a>,
}

/// Where a type comes from. `solute` is the first that uses it.
pub(super) enum Origin<'a> {
    Water,
    Set {
        solute: usize,
        set: &'a ParameterSet,
        /// Name in explicit pair tables and in messages.
        partner: &'a str,
        c4: Option<f64>,
        /// Row of the polarizabilities.
        polarizability: Option<&'a str>,
        with_water: Option<SigmaEpsilon>,
        with_cations: Option<SigmaEpsilon>,
    },
    File {
        file: &'a FileMolecule,
    },
}

impl TypeEntry<'_> {
    /// Name of the model, for the table of pairs.
    pub fn model(&self, water: &WaterModel) -> String {
        match self.origin {
            Origin::Water => water.name.clone(),
            Origin::Set { set, .. } => set.full_name(),
            Origin::File { file, .. } => file.file.clone(),
        }
    }

    fn partner(&self) -> &str {
        if let Origin::Set { partner, .. } = self.origin { partner } else { &self.name }
    }

    /// σ and ε that `other` meets, and whether they are special.
    fn towards(&self, other: &TypeEntry) -> ((f64, f64), bool) {
        let special = match self.origin {
            Origin::Set { with_water, .. } if matches!(other.origin, Origin::Water) => with_water,
            Origin::Set { with_cations, .. } if other.is_cation => with_cations,
            _ => None,
        };
        special.map_or((self.lj, false), |s| ((s.sigma, s.epsilon), true))
    }

    fn is_geometric(&self) -> bool {
        match self.origin {
            Origin::Water => false,
            Origin::Set { set, .. } => set.combination == Combination::Geometric,
            Origin::File { file, .. } => file.mixing == Mixing::Geometric,
        }
    }
}

/// Oxygen, hydrogen and the massless site of the water.
pub(super) fn water_types<'a>(water: &WaterModel) -> Vec<TypeEntry<'a>> {
    let entry = |name: &str, lj| TypeEntry {
        name: name.into(),
        lj,
        terms: LjTerms::Both,
        is_cation: false,
        origin: Origin::Water,
    };
    let mut entries = vec![entry("OW", (water.sigma, water.epsilon)), entry("HW", (0.0, 0.0))];
    if water.charge_m.is_some() {
        entries.push(entry("MW", (0.0, 0.0)));
    }
    entries
}

/// Adds the types of a library species. Molecules of one set share their types.
///
/// * returns the type of the box for every type of the set (of an ion: its only one)
pub(super) fn set_types<'a>(
    entries: &mut Vec<TypeEntry<'a>>,
    solute: usize,
    set: &'a ParameterSet,
    species: &Species,
) -> Vec<u32> {
    if let Some(ion) = set.ion(&species.name) {
        let lj = (ion.sigma.unwrap_or_default(), ion.epsilon.unwrap_or_default());
        let polarizability = Some(ion.name.as_str());
        let (c4, with_water, with_cations) = (ion.c4, None, None);
        let origin = Origin::Set { solute, set, partner: &ion.name, c4, polarizability, with_water, with_cations };
        let name = free_name(entries, species.atoms.first().map_or("X", |a| &a.name));
        entries.push(TypeEntry { name, lj, terms: LjTerms::Both, is_cation: ion.charge > 0.0, origin });
        return vec![entries.len() as u32 - 1];
    }
    let mut types = vec![0; set.atom_types.len()];
    for (local, t) in set.atom_types.iter().enumerate() {
        if !species.atoms.iter().any(|a| a.type_id as usize == local) {
            continue;
        }
        let is_this = |e: &TypeEntry| matches!(e.origin, Origin::Set { set: other, partner, .. } if std::ptr::eq(other, set) && partner == t.name);
        let index = entries.iter().position(is_this).unwrap_or_else(|| {
            let polarizability = t.polarizability.as_deref();
            let (partner, with_water, with_cations) = (&t.name, t.with_water, t.with_cations);
            let origin = Origin::Set { solute, set, partner, c4: None, polarizability, with_water, with_cations };
            let name = free_name(entries, &t.name);
            let lj = (t.sigma, t.epsilon);
            entries.push(TypeEntry { name, lj, terms: LjTerms::Both, is_cation: false, origin });
            entries.len() - 1
        });
        types[local] = index as u32;
    }
    types
}

/// Adds the types of a molecule from a file, in their order.
pub(super) fn file_types<'a>(entries: &mut Vec<TypeEntry<'a>>, file: &'a FileMolecule) -> Vec<u32> {
    let is_cation = file.species.atoms.len() == 1 && file.species.charge() > 0.0;
    let add = |t: &FileType| {
        let name = free_name(entries, &t.name);
        let (lj, terms) = ((t.sigma, t.epsilon), t.terms);
        entries.push(TypeEntry { name, lj, terms, is_cation, origin: Origin::File { file } });
        entries.len() as u32 - 1
    };
    file.types.iter().map(add).collect()
}

/// The name, with a number behind it where another type has it already.
fn free_name(entries: &[TypeEntry], name: &str) -> String {
    let is_free = |candidate: &String| entries.iter().all(|e| e.name != *candidate);
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    std::iter::once(name.to_string()).chain(numbered).find(is_free).unwrap_or_default()
}

/// Models behind the C4 terms: (type a ≤ type b, text).
type C4Origins = Vec<(usize, usize, String)>;

/// The table, and the models behind its C4 terms.
pub(super) fn pair_table(
    entries: &[TypeEntry],
    library: &Library,
    water: &WaterModel,
    mixing: Mixing,
) -> Result<(PairTable, C4Origins), ForceFieldError> {
    let lj: Vec<(f64, f64)> = entries.iter().map(|t| t.lj).collect();
    let rule = |a: usize, b: usize| match (&entries[a].origin, &entries[b].origin) {
        (Origin::File { file }, Origin::File { file: other }) if std::ptr::eq(*file, *other) => file.mixing,
        _ if entries[a].is_geometric() && entries[b].is_geometric() => Mixing::Geometric,
        _ => mixing,
    };
    let mut table = PairTable::mixed(&lj, rule);
    set_special_pairs(&mut table, entries, rule);
    set_repulsions(&mut table, entries, water, rule)?;
    set_explicit_pairs(&mut table, entries, library, water)?;
    let c4_origins = add_c4_terms(&mut table, entries, library)?;
    Ok((table, c4_origins))
}

/// Mixes again the pairs in which a type has parameters of its own for water or for cations.
fn set_special_pairs(table: &mut PairTable, entries: &[TypeEntry], rule: impl Fn(usize, usize) -> Mixing) {
    for (a, entry) in entries.iter().enumerate() {
        for (b, other) in entries.iter().enumerate() {
            let (own, is_special) = entry.towards(other);
            if is_special && other.lj.1 != 0.0 {
                let (sigma, epsilon) = rule(a, b).mix(own, other.lj);
                let k = PairCoefficients::from_sigma_epsilon(sigma, epsilon);
                table.set(a, b, k, PairOrigin::Special(rule(a, b)));
            }
        }
    }
}

/// Takes the attraction out of the pairs of types that only repel.
fn set_repulsions(
    table: &mut PairTable,
    entries: &[TypeEntry],
    water: &WaterModel,
    rule: impl Fn(usize, usize) -> Mixing,
) -> Result<(), ForceFieldError> {
    for (a, entry) in entries.iter().enumerate() {
        let Origin::File { file } = entry.origin else { continue };
        if entry.terms == LjTerms::Both {
            continue;
        }
        for (b, other) in entries.iter().enumerate().filter(|(_, other)| other.lj.1 != 0.0) {
            if entry.terms == LjTerms::RepulsionWithoutSigma && rule(a, b) != Mixing::Geometric {
                let (file_name, type_name) = (file.file.clone(), entry.name.clone());
                let partner = format!("{} of {}", other.name, other.model(water));
                return Err(SoluteFault::NoSigma { file: file_name, type_name, partner }.of(file.solute));
            }
            let k = PairCoefficients { c6: 0.0, ..table.get(a, b) };
            table.set(a, b, k, table.origin(a, b));
        }
    }
    Ok(())
}

/// Replaces every pair that involves an explicit set by the set's own entry.
fn set_explicit_pairs(
    table: &mut PairTable,
    entries: &[TypeEntry],
    library: &Library,
    water: &WaterModel,
) -> Result<(), ForceFieldError> {
    for (a, entry) in entries.iter().enumerate() {
        let Origin::Set { solute, set, partner: own, .. } = entry.origin else { continue };
        if set.combination != Combination::Explicit {
            continue;
        }
        for (b, other) in entries.iter().enumerate() {
            if other.lj.1 == 0.0 {
                continue; // no Lennard-Jones site, such as the hydrogens of water
            }
            let partner = other.partner();
            if matches!(other.origin, Origin::Water) && !set.fits(water.key()) {
                return Err(SoluteFault::PairsOfAnotherWater {
                    species: own.into(),
                    model: set.model.clone(),
                    fitted: set.water.iter().map(|w| library.water_name(w)).collect::<Vec<_>>().join(", "),
                    water: water.name.clone(),
                }
                .of(solute));
            }
            let same_set = match other.origin {
                Origin::Water => true,
                Origin::Set { set: other_set, .. } => other_set.model == set.model,
                Origin::File { .. } => false,
            };
            let pair = set.pairs.iter().find(|p| (p.a == own && p.b == partner) || (p.b == own && p.a == partner));
            let Some(pair) = pair.filter(|_| same_set) else {
                return Err(
                    SoluteFault::MissingPair { model: set.model.clone(), a: own.into(), b: partner.into() }.of(solute)
                );
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
        let Origin::Set { solute, set, partner: own, c4, .. } = entry.origin else { continue };
        let Some(c4) = c4.filter(|_| set.kind == Form::LennardJones1264) else { continue };
        for (b, other) in entries.iter().enumerate() {
            if other.lj.1 == 0.0 {
                continue; // hydrogens and massless sites
            }
            let contribution = if matches!(other.origin, Origin::Water) {
                c4
            } else {
                let row = if let Origin::Set { polarizability, .. } = other.origin { polarizability } else { None };
                let scale = row.and_then(alpha).zip(alpha(WATER)).map(|(x, water)| x / water);
                let scale = scale.ok_or_else(|| {
                    let (ion, partner) = (own.to_string(), other.partner().to_string());
                    SoluteFault::MissingPolarizability { model: set.full_name(), ion, partner }.of(solute)
                })?;
                // In a like pair both ions polarize each other, too.
                if a == b { 2.0 * c4 * scale } else { c4 * scale }
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

/// The type × type table for people: σ, ε, C4 and where each entry comes from.
pub fn pair_table_text(assembled: &Assembled) -> String {
    let table = &assembled.pair_table;
    let mut text =
        format!("{:<18} {:>10} {:>16} {:>16}  origin\n", "pair", "sigma/nm", "epsilon/(kJ/mol)", "c4/(kJ/mol nm4)");
    for a in 0..table.n_types() {
        for b in a..table.n_types() {
            let k = table.get(a, b);
            let (sigma, epsilon) = if let Some((sigma, epsilon)) = k.sigma_epsilon() {
                (format!("{sigma:.6}"), format!("{epsilon:.6}"))
            } else if k.c12 > 0.0 {
                ("repulsion".into(), format!("c12 {:.4e}", k.c12))
            } else {
                ("-".into(), "-".into())
            };
            let c4 = if k.c4 == 0.0 { "-".into() } else { format!("{:.6}", k.c4) };
            let mut origin = match table.origin(a, b) {
                _ if k.is_zero() => "no Lennard-Jones".into(),
                PairOrigin::Explicit => format!("explicit pair of {}", assembled.type_models[b]),
                PairOrigin::Mixed(_) if a == b => assembled.type_models[a].clone(),
                PairOrigin::Mixed(rule) => rule.to_string(),
                PairOrigin::Special(rule) => {
                    format!("{rule} with the special parameters of {}", assembled.type_models[b])
                }
            };
            if let Some((_, _, model)) = assembled.c4_origins.iter().find(|(x, y, _)| (*x, *y) == (a, b)) {
                let _ = write!(origin, "; c4 of {model}");
            }
            let pair = format!("{} {}", assembled.types[a], assembled.types[b]);
            let _ = writeln!(text, "{pair:<18} {sigma:>10} {epsilon:>16} {c4:>16}  {origin}");
        }
    }
    text
}
