//! Atoms sorted into clusters of eight by recursive median splits, and pairs of clusters within reach.
//!
//! The split fills every cluster but the last and does not degrade for slabs with vacuum
//! (S. Páll, B. Hess, Comput. Phys. Commun. 184, 2641 (2013), for the idea of cluster pairs).

use super::split::{self, Point};
use crate::cell::Cell;
use glam::DVec3;
use rayon::prelude::*;

/// Atoms per cluster.
pub const CLUSTER: usize = 8;
/// Slots 0-3 and 4-7 of a cluster are compact halves: the rows of the SIMD kernel prune better by them.
pub const HALF: usize = 4;
/// Clusters of a super-cluster: the i atoms of one workgroup of the device's half list.
pub const SUPER: usize = 8;
/// Marks an unused slot of the last cluster.
pub const PADDING: u32 = u32::MAX;

/// A spatial order of the atoms; cluster c is slots 8c … 8c+7.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// slot → atom, a multiple of eight long, [`PADDING`] at the end
    pub order: Vec<u32>,
}

impl Clusters {
    /// Sorts atoms by recursive median splits of the longest side.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    pub fn build(positions: &[DVec3], cell: &Cell) -> Self {
        Self::from_sorted(&split::sorted(split::wrapped(positions, cell)), Vec::new())
    }

    /// The same from positions that lie in the cell already.
    pub fn from_wrapped(wrapped: &[DVec3]) -> Self {
        Self::from_sorted(&split::sorted(split::points(wrapped)), Vec::new())
    }

    /// * `points` – as [`split::sorted`] leaves them
    /// * `order` – gives its memory
    pub(super) fn from_sorted(points: &[Point], mut order: Vec<u32>) -> Self {
        let n_slots = points.len().div_ceil(CLUSTER) * CLUSTER;
        order.reserve_exact(n_slots.saturating_sub(order.len()));
        points.par_iter().with_min_len(split::CHUNK).map(|p| p.atom).collect_into_vec(&mut order);
        order.resize(n_slots, PADDING);
        Clusters { order }
    }

    pub fn n_clusters(&self) -> usize {
        self.order.len() / CLUSTER
    }

    /// Atoms of cluster `c`, padding left out.
    pub fn atoms(&self, c: usize) -> impl Iterator<Item = usize> + '_ {
        self.order[c * CLUSTER..(c + 1) * CLUSTER].iter().filter(|&&a| a != PADDING).map(|&a| a as usize)
    }
}

/// Of `n` clusters that are split in two, how many go left: whole super-clusters while there are several.
///
/// Whoever walks the tree of splits (the bounding boxes of [`super::search`]) splits alike.
pub fn left_clusters(n: usize) -> usize {
    if n > SUPER { n.div_ceil(SUPER) / 2 * SUPER } else { n / 2 }
}
