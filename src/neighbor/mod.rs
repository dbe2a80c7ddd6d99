//! Neighbor search on the host.
//!
//! Two independent searches: [`pairs`] (plain atom pairs by linked cells, with a brute-force oracle beside it) for the
//! reference backend, and [`clusters`] (groups of 8 atoms) for the fast ones. Knows positions, cell and exclusions.

mod boxes;
pub mod buffer;
pub mod cluster_pairs;
pub mod clusters;
mod eight;
pub mod full;
pub mod half;
pub mod packed;
pub mod pairs;
pub mod search;
mod split;

use std::sync::Arc;

/// A list as the backends take it. Cheap to clone.
#[derive(Debug, Clone)]
pub enum NeighborList {
    Pairs(Arc<pairs::PairList>),
    HalfClusters(Arc<half::HalfList>),
    FullClusters(Arc<full::FullClusterList>),
    Packed(Arc<packed::PackedList>),
}

impl NeighborList {
    /// Pairs of atoms that a kernel looks at when it walks the list, whole clusters counted, padding included.
    pub fn n_pairs(&self) -> usize {
        match self {
            NeighborList::Pairs(list) => list.pairs.len(),
            NeighborList::HalfClusters(list) => list.n_entries() * clusters::HALF * clusters::CLUSTER,
            NeighborList::FullClusters(list) => list.entries.len() * clusters::CLUSTER * clusters::CLUSTER,
            NeighborList::Packed(list) => list.n_pairs(),
        }
    }
}
