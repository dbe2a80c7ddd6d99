//! A system that exists as a structure and a GROMACS topology.

use super::CliError;
use super::prepare::Parts;
use crate::build;
use crate::forcefield::Assembled;
use crate::io::gromacs;
use crate::io::input::Locations;
use crate::io::structure;
use crate::system::spec::TopologySpec;
use crate::system::{State, Topology};
use std::path::Path;

/// Reads both files and sets them beside each other.
pub fn import(structure: &Path, topology: &TopologySpec, locations: &Locations) -> Result<Parts, CliError> {
    let at = |key: &str, error: &dyn std::fmt::Display| CliError::input(locations.explain(key, &error.to_string()));
    // the faults of a topology point into its own files
    let imported =
        gromacs::read_topology(&topology.path, &topology.include, &topology.define).map_err(CliError::input)?;
    let read = structure::read_structure(structure).map_err(|e| at("system.structure", &e))?;
    let matched = imported.matched_to(&read).map_err(|e| at("system.topology", &e))?;
    let topology = Topology::new(imported.types.clone(), imported.species.clone(), &matched.sequence);
    let positions = build::sound_positions(&read, &topology).map_err(|e| at("system.structure", &e))?;
    let restraints = imported.position_restraints(&topology, &positions);
    let mut state = State::at_rest(read.cell, positions);
    if let Some(velocities) = read.velocities {
        state.velocities = velocities;
    }
    let mut warnings = imported.warnings;
    warnings.extend(matched.warnings);
    let assembled = Assembled::imported(imported.types, imported.species, imported.pair_table, &imported.source);
    Ok(Parts { assembled, topology, state, restraints, room: None, liquid: None, warnings })
}
