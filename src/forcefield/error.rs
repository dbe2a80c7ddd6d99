//! Why a system cannot be described by the library.

use crate::suggest::one_of;

/// What is wrong with the models that an input names. Every message says what exists instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ForceFieldError {
    #[error("the built-in force-field library is broken: {0}")]
    Broken(String),

    #[error("there is no water model `{name}`{}\n  models that run: {}", did_you_mean(.suggestion), .known.join(", "))]
    UnknownWater { name: String, suggestion: Option<String>, known: Vec<String> },

    #[error(
        "{water} needs virtual sites, which this version does not run yet\n  models that run: {}",
        .runnable.join(", ")
    )]
    NeedsVirtualSites { water: String, runnable: Vec<String> },

    #[error("the library has nothing called `{name}`{}\n  waters and ions: {}", did_you_mean(.suggestion), .known.join(", "))]
    NothingCalled { name: String, suggestion: Option<String>, known: Vec<String> },

    #[error("there is no species `{name}`{}\n  known species: {}", did_you_mean(.suggestion), .known.join(", "))]
    UnknownSpecies { solute: usize, name: String, suggestion: Option<String>, known: Vec<String> },

    #[error(
        "there is no model `{model}` of {species}{}\n  models of {species}: {}",
        did_you_mean(.suggestion), .known.join(", ")
    )]
    UnknownModel { solute: usize, species: String, model: String, suggestion: Option<String>, known: Vec<String> },

    #[error(
        "{species} needs a model: {} for {water}\n  write for example {{ name = \"{species}\", model = \"{}\", … }}",
        if .choices.is_empty() { "the library has none".to_string() } else { format!("the library has {}", one_of(.choices.iter().map(String::as_str))) },
        .choices.first().map_or("NAME@WATER", String::as_str)
    )]
    ModelNeeded { solute: usize, species: String, water: String, choices: Vec<String> },

    #[error(
        "`{model}` has no set of {species} for {water}\n  name one that was fitted for another water, and accept the warning: {}",
        one_of(.choices.iter().map(String::as_str))
    )]
    NoSetForWater { solute: usize, species: String, model: String, water: String, choices: Vec<String> },

    #[error("`{model}` of {species} cannot be run: {reason}\n  models of {species} that run with {water}: {}", .runnable.join(", "))]
    Gap { solute: usize, species: String, model: String, water: String, reason: String, runnable: Vec<String> },

    #[error(
        "`{model}` of {species} is a molecule with bonds, which this version does not run yet\n  models of {species} that run with {water}: {}",
        if .runnable.is_empty() { "none".to_string() } else { .runnable.join(", ") }
    )]
    NeedsBonds { solute: usize, species: String, model: String, water: String, runnable: Vec<String> },

    #[error(
        "`{model}` of {species} is an explicit pair table for {fitted} and holds no pair with the oxygen of {water}; choose {fitted} or another model"
    )]
    PairsOfAnotherWater { solute: usize, species: String, model: String, fitted: String, water: String },

    #[error(
        "`{model}` is an explicit pair table and holds no pair {a}-{b}; take both ions from one set or choose another model"
    )]
    MissingPair { solute: usize, model: String, a: String, b: String },

    #[error(
        "the 12-6-4 model `{model}` of {ion} needs the polarizability of {atom} of {species} for its C4 term, and the library has none; use a 12-6 model of {ion} or another ion"
    )]
    MissingPolarizability { solute: usize, model: String, ion: String, atom: String, species: String },
}

impl ForceFieldError {
    /// The input key at fault, dotted, solutes counted from 1: `system.solutes.1.model`.
    pub fn key(&self) -> Option<String> {
        use ForceFieldError as E;
        match self {
            E::Broken(_) | E::NothingCalled { .. } => None,
            E::UnknownWater { .. } | E::NeedsVirtualSites { .. } => Some("system.water.model".into()),
            E::UnknownSpecies { solute, .. }
            | E::ModelNeeded { solute, .. }
            | E::MissingPolarizability { solute, .. } => Some(format!("system.solutes.{}.name", solute + 1)),
            E::UnknownModel { solute, .. }
            | E::NoSetForWater { solute, .. }
            | E::Gap { solute, .. }
            | E::NeedsBonds { solute, .. }
            | E::PairsOfAnotherWater { solute, .. }
            | E::MissingPair { solute, .. } => Some(format!("system.solutes.{}.model", solute + 1)),
        }
    }
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
}
