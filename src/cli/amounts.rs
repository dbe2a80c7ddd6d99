//! Where in an input the error of a builder belongs.

use crate::build::BuildError;
use crate::system::spec::{GeometrySpec, SystemSpec};

/// The key of the input that an error is about.
pub(super) fn place_of(error: &BuildError, system: &SystemSpec) -> String {
    let solute = |species: &str, key: &str| match system.solutes.iter().any(|s| s.name == species) {
        true => format!("system.solutes.{species}.{key}"),
        false => "system.solutes".to_string(),
    };
    let has_density = match system.geometry {
        GeometrySpec::Density(_) | GeometrySpec::CellAndDensity { .. } | GeometrySpec::Slab { density: Some(_) } => {
            true
        }
        GeometrySpec::Slab { density: None }
        | GeometrySpec::Cell(_)
        | GeometrySpec::Structure(_)
        | GeometrySpec::Topology { .. } => false,
    };
    match error {
        BuildError::Density(_) | BuildError::DissolvedTooHeavy { .. } | BuildError::AlreadyDenser { .. } => {
            "system.density".into()
        }
        BuildError::Concentration { species, .. } | BuildError::TooDilute { species, .. } => {
            solute(species, "concentration")
        }
        BuildError::NoGeometry { species, .. } => solute(species, "name"),
        BuildError::NetCharge { .. } => "system.solutes".into(),
        BuildError::CellTooSmall { .. } | BuildError::FilmTooLow { .. } => "system.box".into(),
        BuildError::TooDense { .. } | BuildError::GapTooDense { .. } if has_density => "system.density".into(),
        BuildError::TooDense { .. } => "system.box".into(),
        BuildError::GapTooDense { .. } | BuildError::GapTooSmall { .. } | BuildError::GapTooFull { .. } => {
            "surface.gap".into()
        }
        BuildError::LayerTooDense { number: Some(k), .. } => format!("surface.monolayers.{k}.coverage"),
        BuildError::LayerTooDense { number: None, .. } => "surface.galleries".into(),
        BuildError::LayerTooDilute { number, .. } => format!("surface.monolayers.{number}.coverage"),
        BuildError::Nothing => "system.water.molecules".into(),
        BuildError::Underdetermined { .. } | BuildError::TooMany(_) => "system".into(),
    }
}
