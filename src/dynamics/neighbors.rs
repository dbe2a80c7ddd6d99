//! Building the kind of neighbor list a backend reads.

use crate::forces::{Backend, ForceError, NeighborKind};
use crate::neighbor::half::HalfList;
use crate::neighbor::{NeighborList, full, pairs};
use crate::system::{State, System};
use std::sync::Arc;

/// The list of the positions in `state`.
///
/// * `radius` – list radius, nm
pub fn build(kind: NeighborKind, system: &System, state: &State, radius: f64) -> NeighborList {
    let (positions, cell) = (&state.positions, &state.cell);
    match kind {
        NeighborKind::Pairs => {
            NeighborList::Pairs(Arc::new(pairs::linked_cells(positions, cell, &system.topology, radius)))
        }
        NeighborKind::HalfClusters => {
            NeighborList::HalfClusters(Arc::new(HalfList::build(system, positions, cell, radius)))
        }
        NeighborKind::FullClusters => {
            NeighborList::FullClusters(Arc::new(full::build(positions, cell, &system.topology, radius)))
        }
    }
}

/// Builds the list from the positions in `state` and hands it over. `radius`: nm.
pub fn rebuild(backend: &mut dyn Backend, system: &System, state: &State, radius: f64) -> Result<(), ForceError> {
    let list = build(backend.neighbor_kind(), system, state, radius);
    backend.set_neighbors(list)
}
