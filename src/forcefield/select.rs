//! From the names in an input to the entries of the library.

use super::error::{ForceFieldError, SoluteFault};
use super::library::{Library, ParameterSet, SpeciesEntry, WaterModel};
use crate::suggest::nearest;

/// Names are compared without case, spaces, `/`, `-` and `_`.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '/' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

impl Library {
    /// The water model of this name or alias.
    pub fn water(&self, name: &str) -> Result<&WaterModel, ForceFieldError> {
        self.find_water(name).ok_or_else(|| {
            let known = self.waters.iter().flat_map(|w| w.aliases.iter().chain([&w.name]));
            let suggestion = nearest(name, known.map(String::as_str)).map(|hit| self.find_water(hit));
            ForceFieldError::UnknownWater {
                name: name.into(),
                suggestion: suggestion.flatten().map(|w| w.name.clone()),
                known: self.waters.iter().map(|w| w.name.clone()).collect(),
            }
        })
    }

    pub(super) fn find_water(&self, name: &str) -> Option<&WaterModel> {
        let wanted = folded(name);
        self.waters.iter().find(|w| folded(&w.name) == wanted || w.aliases.iter().any(|a| folded(a) == wanted))
    }

    /// The species called `name`.
    pub(super) fn find_species(&self, solute: usize, name: &str) -> Result<&SpeciesEntry, ForceFieldError> {
        let called = |s: &&SpeciesEntry| s.aliases.iter().any(|a| a.eq_ignore_ascii_case(name));
        let found = self.species.iter().find(|s| s.name == name).or_else(|| self.species.iter().find(called));
        found.ok_or_else(|| {
            if let Some(salt) = self.salt(name) {
                return salt.of(solute);
            }
            let known: Vec<String> = self.species.iter().map(|s| s.name.clone()).collect();
            let by_residue = self.species.iter().find(|s| {
                let spelled = name.to_uppercase();
                let same_name = s.name.to_uppercase() == spelled || s.residue == spelled;
                same_name || s.element.to_uppercase() == spelled || s.residue_aliases.contains(&spelled)
            });
            let suggestion = by_residue
                .map(|s| s.name.clone())
                .or_else(|| nearest(name, known.iter().map(String::as_str)).map(String::from));
            SoluteFault::UnknownSpecies { name: name.into(), suggestion, known }.of(solute)
        })
    }

    /// The ions of a salt, if `name` is its formula: `ZnSO4`, `Zn(OTf)2`.
    fn salt(&self, name: &str) -> Option<SoluteFault> {
        let wanted: String = name.chars().filter(|c| !c.is_whitespace()).collect();
        let ions: Vec<(&SpeciesEntry, i64)> =
            self.species.iter().filter_map(|s| Some((s, self.formal_charge(&s.name).filter(|&q| q != 0)?))).collect();
        let stems = |species: &SpeciesEntry, charge: i64| -> Vec<String> {
            let digit = if charge.abs() > 1 { charge.abs().to_string() } else { String::new() };
            let names = species.aliases.iter().chain([&species.name]).map(|n| n.trim_end_matches(['+', '-']));
            names.map(|n| n.strip_suffix(&digit).unwrap_or(n).to_string()).collect()
        };
        let written = |stem: &str, n: i64| match n {
            1 => vec![stem.to_string()],
            _ => vec![format!("{stem}{n}"), format!("({stem}){n}")],
        };
        for &(cation, plus) in ions.iter().filter(|i| i.1 > 0) {
            for &(anion, minus) in ions.iter().filter(|i| i.1 < 0) {
                let shared = (1..=plus.min(-minus)).rev().find(|n| plus % n == 0 && minus % n == 0).unwrap_or(1);
                let (n_cations, n_anions) = (-minus / shared, plus / shared);
                let firsts = stems(cation, plus).into_iter().flat_map(|stem| written(&stem, n_cations));
                for first in firsts {
                    let mut seconds = stems(anion, minus).into_iter().flat_map(|stem| written(&stem, n_anions));
                    if seconds.any(|second| format!("{first}{second}").eq_ignore_ascii_case(&wanted)) {
                        let (name, cation, anion) = (name.into(), cation.name.clone(), anion.name.clone());
                        return Some(SoluteFault::Salt { name, cation, anion, n_cations, n_anions });
                    }
                }
            }
        }
        None
    }

    /// The full charge of a species, e.
    fn formal_charge(&self, species: &str) -> Option<i64> {
        let set = self.sets_of(species).find(|s| !s.scaled_charge && s.gap.is_none())?;
        let charge = match (set.ion(species), set.molecule(species)) {
            (Some(ion), _) => ion.charge,
            (None, molecule) => {
                let of = |name: &str| set.atom_types.iter().find(|t| t.name == name).map(|t| t.charge);
                molecule?.atoms.iter().map(|a| of(&a.type_name)).sum::<Option<f64>>()?
            }
        };
        Some(charge.round() as i64)
    }

    /// The set of `species` that `model` means in `water`.
    ///
    /// * `model` – `li-merz-iod` takes the set for the chosen water; `li-merz-iod@tip3p` takes that set whatever the
    ///   water; `None` takes the only runnable published set for the water, if its numbers are
    ///   verified.
    pub(super) fn find_set(
        &self,
        solute: usize,
        species: &str,
        model: Option<&str>,
        water: &WaterModel,
    ) -> Result<&ParameterSet, ForceFieldError> {
        let key = water.key();
        let Some(model) = model else {
            let published = |s: &&ParameterSet| s.runs() && s.usable(key) && s.own.is_none();
            let choices: Vec<&ParameterSet> = self.sets_of(species).filter(published).collect();
            return match choices[..] {
                [only] if only.verified => Ok(only),
                [only] => {
                    let verified = |s: &&ParameterSet| s.runs() && s.own.is_none() && s.verified;
                    Err(SoluteFault::OnlyUnverified {
                        species: species.into(),
                        water: water.name.clone(),
                        model: only.model.clone(),
                        verified: self.sets_of(species).filter(verified).map(ParameterSet::full_name).collect(),
                    }
                    .of(solute))
                }
                _ => Err(SoluteFault::ModelNeeded {
                    species: species.into(),
                    water: water.name.clone(),
                    choices: choices.iter().map(|s| s.model.clone()).collect(),
                }
                .of(solute)),
            };
        };
        let (alias, fitted_for) = model.split_once('@').map_or((model, None), |(alias, w)| (alias, Some(w)));
        let sets: Vec<&ParameterSet> = self.sets_of(species).filter(|s| folded(&s.model) == folded(alias)).collect();
        if sets.is_empty() {
            let published = self.sets_of(species).filter(|s| s.own.is_none());
            let mut known: Vec<String> = published.map(|s| s.model.clone()).collect();
            known.sort();
            known.dedup();
            let suggestion = nearest(alias, known.iter().map(String::as_str)).map(String::from);
            let (species, model) = (species.into(), model.into());
            return Err(SoluteFault::UnknownModel { species, model, suggestion, known }.of(solute));
        }
        let fitted_key = fitted_for.map(|other| self.find_water(other).map_or(other, |w| w.key()));
        let set = match fitted_key {
            Some(other) => sets.iter().find(|s| s.water.iter().any(|w| folded(w) == folded(other))),
            None => sets
                .iter()
                .find(|s| s.fits(key))
                .or_else(|| sets.iter().find(|s| s.usable(key)))
                .or_else(|| if sets.len() == 1 { sets.first() } else { None }),
        };
        let Some(&set) = set else {
            return Err(SoluteFault::NoSetForWater {
                species: species.into(),
                model: alias.into(),
                water: fitted_key.map_or(water.name.clone(), |other| self.water_name(other).to_string()),
                choices: sets.iter().filter(|s| s.runs()).map(|s| s.full_name()).collect(),
            }
            .of(solute));
        };
        let molecule_gap = set.molecule(species).and_then(|m| m.gap.as_ref());
        if set.runs() && molecule_gap.is_none() {
            return Ok(set);
        }
        let runnable = self.sets_of(species).filter(|s| s.runs() && s.usable(key) && s.own.is_none());
        let runnable = runnable.map(|s| s.model.clone()).collect();
        let (species, model, water) = (species.into(), set.full_name(), water.name.clone());
        let reason = set.gap.as_ref().or(molecule_gap).cloned().unwrap_or_else(|| "its form is not implemented".into());
        Err(SoluteFault::Gap { species, model, water, reason, runnable }.of(solute))
    }
}
