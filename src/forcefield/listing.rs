//! The library as text, for `hexaqua forcefield`.

use super::ForceFieldError;
use super::generate::generate;
use super::library::{Form, Library, ParameterSet, SpeciesEntry, WaterModel};
use super::molecule::MoleculeTemplate;
use super::surface;
use crate::suggest::nearest;
use std::fmt::Write;

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::LennardJones => "12-6",
            Form::LennardJones1264 => "12-6-4",
            Form::Drude => "Drude",
        }
    }
}

impl Library {
    /// Every model: alias, water, form, first citation and flags, one line each.
    pub fn list(&self) -> String {
        let mut text = String::from("water models\n");
        for water in &self.waters {
            let aliases = water.aliases.join(", ");
            let _ = writeln!(text, "  {:<12} {:<22} {}", water.name, aliases, first_citation(&water.source));
        }
        for species in &self.species {
            let title = species.title.as_ref().map(|t| format!("  {t}")).unwrap_or_default();
            let _ = writeln!(text, "\n{}{title}", species.name);
            for set in self.sets_of(&species.name) {
                let mut flags = set.flags();
                flags.extend(self.water_flag(set).map(String::from));
                if let Some(molecule) = set.molecule(&species.name) {
                    flags.extend(molecule_flags(set, molecule));
                }
                let flags = if flags.is_empty() { String::new() } else { format!("  [{}]", flags.join("; ")) };
                let waters: Vec<&str> = set.water.iter().map(|w| self.water_name(w)).collect();
                let waters = if waters.is_empty() { "any".to_string() } else { waters.join(", ") };
                let (model, form) = (&set.model, set.kind.name());
                let _ = writeln!(text, "  {model:<28} {waters:<24} {form:<7} {}{flags}", first_citation(&set.source));
            }
        }
        text.push_str("\nsurfaces, for [surface] material\n");
        for (name, title) in surface::list().unwrap_or_default() {
            let own = surface::find(&name).is_ok_and(|s| s.own.is_some());
            let _ =
                writeln!(text, "  {name:<22} {title}{}", if own { "  [in part a choice of this project]" } else { "" });
        }
        text.push_str(
            "\nWrite model = \"ALIAS\" for the set of your water, \"ALIAS@WATER\" for the set of another one.\n\
             `hexaqua forcefield NAME` shows a water, an ion, a model or a surface with its numbers and sources.\n",
        );
        text
    }

    /// All there is on a water model, an ion, a model (`li-merz-iod`), one set of it (`li-merz-iod@spce`) or a surface.
    ///
    /// # Errors
    /// [`ForceFieldError::NothingCalled`] with the nearest name when the library has nothing of that name.
    pub fn show(&self, name: &str) -> Result<String, ForceFieldError> {
        if let Some(water) = self.find_water(name) {
            return Ok(self.show_water(water));
        }
        let (alias, fitted_for) = name.split_once('@').map_or((name, None), |(a, w)| (a, Some(w)));
        let key = fitted_for.map(|w| self.find_water(w).map_or(w, |water| water.key()));
        let mut text = String::new();
        let called = |s: &&SpeciesEntry| s.name == name || s.aliases.iter().any(|a| a.eq_ignore_ascii_case(name));
        let species = self.species.iter().find(called);
        if let Some(entry) = species.filter(|s| s.title.is_some() || !s.aliases.is_empty()) {
            let title = entry.title.as_deref().unwrap_or_default();
            let _ = writeln!(text, "{}  {title} (also {})", entry.name, entry.aliases.join(", "));
        }
        let species = species.map(|s| s.name.as_str());
        for set in &self.sets {
            let of_model = set.model == alias && key.is_none_or(|k| set.fits(k));
            let of_species = species.filter(|s| set.holds(s));
            if of_model || of_species.is_some() {
                self.show_set(&mut text, set, of_species);
                text.push('\n');
            }
        }
        for target in self.targets.iter().filter(|t| t.ion == name) {
            let _ = writeln!(
                text,
                "{name}: ion-oxygen distance {} nm, coordination number {}, hydration free energy {} kJ/mol\n  {}{}",
                target.ion_oxygen_distance,
                target.coordination_number,
                target.hydration_free_energy,
                target.source,
                if target.from_memory { "  [from memory]" } else { "" }
            );
        }
        let surfaces = surface::names()?;
        if surfaces.iter().any(|s| s.eq_ignore_ascii_case(name))
            && let Ok(surface) = surface::find(name)
        {
            text.push_str(&surface.text());
        }
        if text.is_empty() {
            let models = self.sets.iter().map(|s| s.model.as_str());
            let waters = self.waters.iter().flat_map(|w| w.aliases.iter().chain([&w.name])).map(String::as_str);
            let species = self.species.iter().flat_map(|s| s.aliases.iter().chain([&s.name])).map(String::as_str);
            let suggestion = nearest(name, models.chain(waters).chain(species).chain(surfaces)).map(String::from);
            let mut known: Vec<String> = self.waters.iter().map(|w| w.name.clone()).collect();
            known.extend(self.species.iter().map(|s| s.name.clone()));
            known.extend(surface::list()?.into_iter().map(|(name, _)| name));
            return Err(ForceFieldError::NothingCalled { name: name.into(), suggestion, known });
        }
        Ok(text)
    }

    /// Said when none of the set's own waters is in the library.
    fn water_flag(&self, set: &ParameterSet) -> Option<&'static str> {
        let missing = !set.water.is_empty() && self.waters.iter().all(|w| !set.fits(w.key()));
        missing.then_some("its water is not in the library")
    }

    fn show_water(&self, water: &WaterModel) -> String {
        let mut text = format!("{} ({} sites; aliases {})\n", water.name, water.sites, water.aliases.join(", "));
        let _ =
            writeln!(text, "  geometry   d_OH {} nm, d_HH {} nm, angle {} degree", water.d_oh, water.d_hh, water.angle);
        let _ = write!(text, "  charges    O {} e, H {} e", water.charge_o, water.charge_h);
        if let (Some(q), Some(d)) = (water.charge_m, water.d_om) {
            let _ = write!(text, ", M {q} e at {d} nm from O");
        }
        let _ = writeln!(text, "\n  O          sigma {} nm, epsilon {} kJ/mol", water.sigma, water.epsilon);
        for reading in &water.readings {
            let mut parts = Vec::new();
            for (label, value, unit) in [
                ("sigma", reading.sigma, "nm"),
                ("epsilon", reading.epsilon, "kJ/mol"),
                ("d_HH", reading.d_hh, "nm"),
                ("angle", reading.angle, "degree"),
            ] {
                parts.extend(value.map(|v| format!("{label} {v} {unit}")));
            }
            let _ = writeln!(text, "  also read  {} ({})", parts.join(", "), reading.origin);
        }
        if let Some(k) = &water.flexible {
            let _ = writeln!(
                text,
                "  flexible   k_bond {} kJ/mol/nm2, k_angle {} kJ/mol/rad2 (unused: the model is rigid)",
                k.k_bond, k.k_angle
            );
        }
        lines(&mut text, &[("note", &water.note), ("pitfall", &water.pitfall)]);
        lines(&mut text, &[("source", &Some(water.source.clone())), ("also in", &water.second_source)]);
        if water.from_memory || !water.verified {
            text.push_str("  flag       not verified\n");
        }
        text
    }

    fn show_set(&self, text: &mut String, set: &ParameterSet, only: Option<&str>) {
        let waters: Vec<&str> = set.water.iter().map(|w| self.water_name(w)).collect();
        let _ = writeln!(text, "{}  {} ({})", set.full_name(), set.title, set.kind.name());
        let usable: Vec<&str> = set.usable_with.iter().map(|w| self.water_name(w)).collect();
        let usable = if usable.is_empty() { String::new() } else { format!("; usable with {}", usable.join(", ")) };
        let waters = if waters.is_empty() { "no water named".to_string() } else { waters.join(", ") };
        let _ = writeln!(text, "  water      {waters}{usable}");
        for ion in set.ions.iter().filter(|i| only.is_none_or(|name| name == i.name)) {
            let _ = write!(text, "  {:<10} charge {} e", ion.name, ion.charge);
            if let (Some(sigma), Some(epsilon)) = (ion.sigma, ion.epsilon) {
                let _ = write!(text, ", sigma {sigma} nm, epsilon {epsilon} kJ/mol");
            }
            if let Some(c4) = ion.c4 {
                let _ = write!(text, ", C4 with water O {c4} kJ/mol nm4");
            }
            text.push('\n');
        }
        for molecule in set.molecules.iter().filter(|m| only.is_none_or(|name| name == m.name)) {
            show_molecule(text, set, molecule);
        }
        for pair in &set.pairs {
            let _ = writeln!(
                text,
                "  pair       {}-{}: sigma {} nm, epsilon {} kJ/mol",
                pair.a, pair.b, pair.sigma, pair.epsilon
            );
        }
        for check in &set.md_checks {
            let _ = write!(text, "  first shell in {}: peak {} nm", self.water_name(&check.water), check.peak);
            if let Some(mean) = check.mean {
                let _ = write!(text, ", mean {mean} nm");
            }
            if let Some(cn) = check.cn {
                let _ = write!(text, ", coordination number {cn}");
            }
            text.push_str(" (own short simulation)\n");
        }
        let mut flags = set.flags();
        flags.extend(self.water_flag(set).map(String::from));
        let flags = Some(flags.join("; ")).filter(|f| !f.is_empty());
        lines(text, &[("gap", &set.gap), ("flags", &flags), ("note", &set.note)]);
        lines(text, &[("source", &Some(set.source.clone())), ("also in", &set.second_source)]);
        lines(text, &[("c4 from", &set.c4_source)]);
    }
}

/// What is unusual about a molecule of a set.
fn molecule_flags(set: &ParameterSet, molecule: &MoleculeTemplate) -> Vec<String> {
    let mut flags = Vec::new();
    if molecule.own_assignment {
        flags.push("own atom-type assignment".to_string());
    }
    if generate(set, molecule).is_ok_and(|g| !g.substitutes.is_empty()) {
        flags.push("terms substituted".to_string());
    }
    flags
}

/// Atoms with their numbers, what the connectivity gives, and what is unusual.
fn show_molecule(text: &mut String, set: &ParameterSet, molecule: &MoleculeTemplate) {
    let Ok(generated) = generate(set, molecule) else {
        let _ = writeln!(text, "  {}: {} atoms", molecule.name, molecule.atoms.len());
        return;
    };
    let species = &generated.species;
    let _ = writeln!(
        text,
        "  {}  {} atoms, charge {:+.2} e, {:.4} u: {} bonds, {} angles, {} torsions, {} 1-4 pairs, {} constraints",
        molecule.name,
        species.atoms.len(),
        if species.charge().abs() < 1e-9 { 0.0 } else { species.charge() },
        species.mass(),
        generated.n_bonds,
        generated.n_angles,
        generated.n_torsions,
        species.bonded.pairs_14.len(),
        species.constraints.len()
    );
    lines(text, &[("smiles", &molecule.smiles)]);
    for (atom, template) in species.atoms.iter().zip(&molecule.atoms) {
        if let Some(t) = set.atom_types.get(atom.type_id as usize) {
            let _ = writeln!(
                text,
                "  atom {:<5} {:<9} charge {} e, sigma {} nm, epsilon {} kJ/mol",
                atom.name, template.type_name, t.charge, t.sigma, t.epsilon
            );
            for (partner, special) in [("water", t.with_water), ("cations", t.with_cations)] {
                if let Some(s) = special {
                    let (sigma, epsilon) = (s.sigma, s.epsilon);
                    let _ = writeln!(text, "             with {partner}: sigma {sigma} nm, epsilon {epsilon} kJ/mol");
                }
            }
        }
    }
    for substitute in &generated.substitutes {
        let _ = writeln!(text, "  substitute {substitute}");
    }
    let own = molecule.own_assignment.then(|| "the atom types are assigned by this project".to_string());
    lines(text, &[("flag", &own), ("gap", &molecule.gap), ("note", &molecule.note)]);
}

fn lines(text: &mut String, labelled: &[(&str, &Option<String>)]) {
    for (label, value) in labelled {
        if let Some(value) = value {
            let _ = writeln!(text, "  {label:<10} {value}");
        }
    }
}

/// The part of a source before the file it was read in.
fn first_citation(source: &str) -> &str {
    source.split(';').next().unwrap_or(source).trim()
}
