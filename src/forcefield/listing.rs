//! The library as text, for `hexaqua forcefield`.

use super::ForceFieldError;
use super::library::{Form, IonSet, Library, WaterModel};
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
            let flags = if water.runs() { String::new() } else { "  [needs virtual sites]".into() };
            let aliases = water.aliases.join(", ");
            let _ = writeln!(text, "  {:<12} {:<22} {}{flags}", water.name, aliases, first_citation(&water.source));
        }
        for species in &self.species {
            let _ = writeln!(text, "\n{}", species.name);
            for set in self.sets_of(&species.name) {
                let mut flags = set.flags();
                flags.extend(self.water_flag(set).map(String::from));
                let flags = if flags.is_empty() { String::new() } else { format!("  [{}]", flags.join("; ")) };
                let waters: Vec<&str> = set.water.iter().map(|w| self.water_name(w)).collect();
                let waters = if waters.is_empty() { "any".to_string() } else { waters.join(", ") };
                let (model, form) = (&set.model, set.kind.name());
                let _ = writeln!(text, "  {model:<28} {waters:<24} {form:<7} {}{flags}", first_citation(&set.source));
            }
        }
        text.push_str(
            "\nWrite model = \"ALIAS\" for the set of your water, \"ALIAS@WATER\" for the set of another one.\n\
             `hexaqua forcefield NAME` shows a water, an ion or a model with its numbers and sources.\n",
        );
        text
    }

    /// All there is on a water model, an ion, a model (`li-merz-iod`) or one set of it (`li-merz-iod@spce`).
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
        for set in &self.sets {
            let of_model = set.model == alias && key.is_none_or(|k| set.fits(k));
            if of_model || set.ions.iter().any(|i| i.name == name) {
                self.show_set(&mut text, set, set.ion(name).map(|i| i.name.as_str()));
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
        if text.is_empty() {
            let models = self.sets.iter().map(|s| s.model.as_str());
            let waters = self.waters.iter().flat_map(|w| w.aliases.iter().chain([&w.name])).map(String::as_str);
            let species = self.species.iter().map(|s| s.name.as_str());
            let suggestion = nearest(name, models.chain(waters).chain(species)).map(String::from);
            let mut known: Vec<String> = self.waters.iter().map(|w| w.name.clone()).collect();
            known.extend(self.species.iter().map(|s| s.name.clone()));
            return Err(ForceFieldError::NothingCalled { name: name.into(), suggestion, known });
        }
        Ok(text)
    }

    /// Why none of the set's own waters runs, if so.
    fn water_flag(&self, set: &IonSet) -> Option<&'static str> {
        let own: Vec<&WaterModel> = self.waters.iter().filter(|w| set.fits(w.key())).collect();
        if set.water.is_empty() || own.iter().any(|w| w.runs()) {
            None
        } else if own.is_empty() {
            Some("its water is not in the library")
        } else {
            Some("its water needs virtual sites")
        }
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
        if !water.runs() {
            text.push_str("  status     needs virtual sites, which this version does not run yet\n");
        }
        lines(&mut text, &[("note", &water.note), ("pitfall", &water.pitfall)]);
        lines(&mut text, &[("source", &Some(water.source.clone())), ("also in", &water.second_source)]);
        if water.from_memory || !water.verified {
            text.push_str("  flag       not verified\n");
        }
        text
    }

    fn show_set(&self, text: &mut String, set: &IonSet, only: Option<&str>) {
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
        for atom in &set.atoms {
            let _ = writeln!(
                text,
                "  site {:<5} charge {} e, sigma {} nm, epsilon {} kJ/mol",
                atom.name, atom.charge, atom.sigma, atom.epsilon
            );
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
