//! Why a system cannot be described by the library.

use crate::suggest::one_of;

/// What is wrong with the models that an input names. The first line of a message is the fault, the others say what
/// exists instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ForceFieldError {
    #[error("the force-field library is inconsistent: {0}")]
    Broken(String),

    #[error("there is no water model `{name}`{}\n  models that run: {}", did_you_mean(.suggestion), .known.join(", "))]
    UnknownWater { name: String, suggestion: Option<String>, known: Vec<String> },

    #[error("the library has nothing called `{name}`{}\n  waters, ions and surfaces: {}", did_you_mean(.suggestion), .known.join(", "))]
    NothingCalled { name: String, suggestion: Option<String>, known: Vec<String> },

    /// The solute with this index in `system.solutes`, from 0.
    #[error("{fault}")]
    Solute { index: usize, fault: Box<SoluteFault> },
}

/// What is wrong with the model of one solute.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SoluteFault {
    #[error("there is no species `{name}`{}\n  known species: {}", did_you_mean(.suggestion), .known.join(", "))]
    UnknownSpecies { name: String, suggestion: Option<String>, known: Vec<String> },

    #[error(
        "there is no model `{model}` of {species}{}\n  models of {species}: {}",
        did_you_mean(.suggestion), .known.join(", ")
    )]
    UnknownModel { species: String, model: String, suggestion: Option<String>, known: Vec<String> },

    #[error("{species} needs a model: {}", choices_for(.species, .water, .choices))]
    ModelNeeded { species: String, water: String, choices: Vec<String> },

    #[error(
        "{species} needs a model: the numbers of the only one for {water}, `{model}`, are not verified against a published file\n  write model = \"{model}\" to take it all the same{}",
        verified_sets(.verified)
    )]
    OnlyUnverified { species: String, water: String, model: String, verified: Vec<String> },

    #[error(
        "`{name}` is a salt, and its ions are solutes of their own\n  write {{ name = \"{cation}\", … }} and {{ name = \"{anion}\", … }}: {n_cations} and {n_anions} of them in a unit of {name}"
    )]
    Salt { name: String, cation: String, anion: String, n_cations: i64, n_anions: i64 },

    #[error("`{model}` has no set of {species} for {water}\n  {}", other_waters(.choices))]
    NoSetForWater { species: String, model: String, water: String, choices: Vec<String> },

    #[error("`{model}` of {species} cannot be run: {reason}\n  {}", runnable_list(.species, .water, .runnable))]
    Gap { species: String, model: String, water: String, reason: String, runnable: Vec<String> },

    #[error("{species} is there twice, the second time as `{name}`\n  put the whole amount into one entry")]
    Twice { species: String, name: String },

    #[error(
        "the charges of `{model}` of {species} are scaled already, and ion_charge_scale = {scale} would scale them again\n  {}",
        full_charge_models(.full)
    )]
    ScaledAlready { species: String, model: String, scale: f64, full: Vec<String> },

    #[error(
        "the type {type_name} of {file} repels by c12 alone, without a sigma, and this box mixes it with {partner} by the Lorentz-Berthelot rule\n  choose [nonbonded] mixing = \"geometric\", or give the type a negative sigma and an epsilon"
    )]
    NoSigma { file: String, type_name: String, partner: String },

    #[error(
        "`{model}` of {species} is an explicit pair table and holds no pair with the oxygen of {water}\n  choose {fitted}, for which it was made, or another model"
    )]
    PairsOfAnotherWater { species: String, model: String, fitted: String, water: String },

    #[error(
        "`{model}` is an explicit pair table and holds no pair {a}-{b}\n  take both ions from one set or choose another model"
    )]
    MissingPair { model: String, a: String, b: String },

    #[error(
        "the 12-6-4 model `{model}` of {ion} needs the polarizability of {partner} for its C4 term, and the library has none\n  use a 12-6 model of {ion} or another ion than {partner}"
    )]
    MissingPolarizability { model: String, ion: String, partner: String },
}

impl SoluteFault {
    pub(super) fn of(self, index: usize) -> ForceFieldError {
        ForceFieldError::Solute { index, fault: Box::new(self) }
    }
}

impl ForceFieldError {
    /// The input key at fault, dotted, solutes counted from 1: `system.solutes.1.model`.
    pub fn key(&self) -> Option<String> {
        match self {
            ForceFieldError::Broken(_) | ForceFieldError::NothingCalled { .. } => None,
            ForceFieldError::UnknownWater { .. } => Some("system.water.model".into()),
            ForceFieldError::Solute { index, fault } => {
                let key = match **fault {
                    SoluteFault::UnknownSpecies { .. }
                    | SoluteFault::ModelNeeded { .. }
                    | SoluteFault::OnlyUnverified { .. }
                    | SoluteFault::Salt { .. }
                    | SoluteFault::Twice { .. } => "name",
                    SoluteFault::NoSigma { .. } => "itp",
                    _ => "model",
                };
                Some(format!("system.solutes.{}.{key}", index + 1))
            }
        }
    }
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
}

fn choices_for(species: &str, water: &str, choices: &[String]) -> String {
    match choices.first() {
        Some(first) => format!(
            "the library has {} for {water}\n  write for example {{ name = \"{species}\", model = \"{first}\", … }}",
            one_of(choices.iter().map(String::as_str))
        ),
        None => {
            format!("the library has none for {water}\n  `hexaqua forcefield {species}` shows those of other waters")
        }
    }
}

fn verified_sets(sets: &[String]) -> String {
    match sets {
        [] => String::new(),
        _ => {
            format!(", or a verified one that was made for another water: {}", one_of(sets.iter().map(String::as_str)))
        }
    }
}

fn other_waters(choices: &[String]) -> String {
    match choices {
        [] => "it cannot be run for another water either: choose another model".into(),
        _ => format!(
            "name a set that was fitted for another water, and accept the warning: {}",
            one_of(choices.iter().map(String::as_str))
        ),
    }
}

fn runnable_list(species: &str, water: &str, runnable: &[String]) -> String {
    let list = if runnable.is_empty() { "none".to_string() } else { runnable.join(", ") };
    format!("models of {species} that run with {water}: {list}")
}

fn full_charge_models(full: &[String]) -> String {
    match full {
        [] => "remove ion_charge_scale, or take a model with full charges".into(),
        _ => format!("remove ion_charge_scale, or take a model with full charges: {}", full.join(", ")),
    }
}
