//! Neighbor search on the host.
//!
//! Two independent searches: [`pairs`] (plain atom pairs by linked cells, with a brute-force oracle beside it) for the
//! reference backend, and [`clusters`] (groups of 8 atoms) for the fast ones. Knows positions, cell and exclusions.

pub mod buffer;
pub mod clusters;
pub mod full;
pub mod half;
pub mod pairs;
pub mod search;

use std::sync::Arc;

/// A list as the backends take it. Cheap to clone.
#[derive(Debug, Clone)]
pub enum NeighborList {
    Pairs(Arc<pairs::PairList>),
    HalfClusters(Arc<half::HalfList>),
    FullClusters(Arc<full::FullClusterList>),
}
