//! Building the kind of neighbor list a backend reads.

use crate::forces::{Backend, ForceError, NeighborKind};
use crate::neighbor::half::HalfList;
use crate::neighbor::{NeighborList, full, pairs};
use crate::system::{State, System};
use std::sync::Arc;

/// Builds the list from the positions in `state` and hands it over.
///
/// * `radius` – list radius, nm
pub fn rebuild(backend: &mut dyn Backend, system: &System, state: &State, radius: f64) -> Result<(), ForceError> {
    let list = match backend.neighbor_kind() {
        NeighborKind::Pairs => {
            NeighborList::Pairs(Arc::new(pairs::linked_cells(&state.positions, &state.cell, &system.topology, radius)))
        }
        NeighborKind::HalfClusters => {
            NeighborList::HalfClusters(Arc::new(HalfList::build(system, &state.positions, &state.cell, radius)))
        }
        NeighborKind::FullClusters => {
            NeighborList::FullClusters(Arc::new(full::build(&state.positions, &state.cell, &system.topology, radius)))
        }
    };
    backend.set_neighbors(list)
}
