//! Faults of analyses, shown where the input writes them.

use super::CliError;
use crate::analysis::{AnalysisError, AnalysisSet};
use crate::cell::Cell;
use crate::io::input::Locations;
use crate::system::Topology;
use crate::system::spec::AnalysisSpec;

/// Every analysis must be possible; the first fault is shown at its place in the input.
pub fn check(specs: &[AnalysisSpec], topology: &Topology, cell: &Cell, locations: &Locations) -> Result<(), CliError> {
    for (k, spec) in specs.iter().enumerate() {
        let Err(error) = AnalysisSet::new(std::slice::from_ref(spec), topology, cell) else { continue };
        let message = error.to_string();
        return Err(match error {
            AnalysisError::SelectionSyntax { selection, at, message, help } => {
                locations.selection_fault(k, &selection, at, &message, &help)
            }
            AnalysisError::UnknownSelection { selection, at, nearest, available } => {
                let hint = nearest.map(|n| format!("did you mean \"{n}\"?\n")).unwrap_or_default();
                let message = format!("no atom is called `{}`", &selection[at.clone()]);
                locations.selection_fault(k, &selection, at, &message, &format!("{hint}{available}"))
            }
            AnalysisError::EmptySelection { selection, available } => {
                let message = format!("the selection \"{selection}\" can hold no atom");
                locations.selection_fault(k, &selection, 0..selection.len(), &message, &available)
            }
            AnalysisError::InvalidSetting { what, .. } | AnalysisError::RadiusExceedsHalfBox { what, .. } => {
                let key = what.split(' ').next().unwrap_or_default();
                locations.analysis_fault(k, key, &message, "")
            }
            _ => locations.analysis_fault(k, "", &message, ""),
        }
        .into());
    }
    Ok(())
}
