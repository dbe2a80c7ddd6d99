//! Atoms sorted into clusters of eight by recursive median splits, and pairs of clusters within reach.
//!
//! The split fills every cluster but the last and does not degrade for slabs with vacuum
//! (S. Páll, B. Hess, Comput. Phys. Commun. 184, 2641 (2013), for the idea of cluster pairs).

use crate::cell::Cell;
use glam::DVec3;

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
        let wrapped: Vec<DVec3> = positions.iter().map(|&r| cell.wrap(r)).collect();
        Self::from_wrapped(&wrapped)
    }

    /// The same from positions that lie in the cell already.
    pub fn from_wrapped(wrapped: &[DVec3]) -> Self {
        let mut order: Vec<u32> = (0..wrapped.len() as u32).collect();
        split(&mut order, wrapped);
        order.resize(wrapped.len().div_ceil(CLUSTER) * CLUSTER, PADDING);
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

fn split(order: &mut [u32], wrapped: &[DVec3]) {
    if order.len() <= HALF {
        order.sort_unstable();
        return;
    }
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for &i in order.iter() {
        low = low.min(wrapped[i as usize]);
        high = high.max(wrapped[i as usize]);
    }
    let size = high - low;
    let axis = if size.x >= size.y && size.x >= size.z {
        0
    } else if size.y >= size.z {
        1
    } else {
        2
    };
    // the left part holds whole clusters (at last whole halves) only, so padding ends up in the last cluster of all
    let middle = if order.len() > CLUSTER { left_clusters(order.len().div_ceil(CLUSTER)) * CLUSTER } else { HALF };
    order.select_nth_unstable_by(middle, |&i, &j| {
        wrapped[i as usize][axis].total_cmp(&wrapped[j as usize][axis]).then(i.cmp(&j))
    });
    let (left, right) = order.split_at_mut(middle);
    if left.len() > 4096 {
        rayon::join(|| split(left, wrapped), || split(right, wrapped));
    } else {
        split(left, wrapped);
        split(right, wrapped);
    }
}
