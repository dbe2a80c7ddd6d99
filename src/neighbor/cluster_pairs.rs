//! Pairs of clusters within reach, each once: what the device's lists are made from.
//!
//! The search walks the bounding-box tree of [`super::search`] (O(N log N)), spread over threads; the result does not
//! depend on their number. A pair of clusters that meets under several lattice translations is one pair: kernels on the
//! device take the nearest image of each atom pair. Knows positions, cell and exclusions.

use super::clusters::{CLUSTER, Clusters, HALF, PADDING};
use super::half::{Local, NearestOfHalves, ROUNDING, choose_nearest_of_halves, local_coordinates};
use super::search::ClusterTree;
use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;
use rayon::prelude::*;

/// Clusters per task of the search: fixed, so that the result does not depend on the number of threads.
const CLUSTERS_PER_TASK: usize = 16;

/// A cluster near another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    pub j: u32,
    /// Bit h: half h of `j` (slots 4 h … 4 h + 3) comes within the radius of an atom of i, or is excluded from one.
    pub halves: u8,
}

/// An excluded pair as cluster i sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excluded {
    /// Slot within cluster i.
    pub lane: u32,
    pub j: u32,
    /// Slot within cluster j.
    pub lane_j: u32,
}

/// Clusters j ≥ i within reach of every cluster i, ascending; and the exclusions of their atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterPairs {
    pub clusters: Clusters,
    /// `[n_clusters]`
    pub near: Vec<Vec<Near>>,
    /// `[n_clusters]`; both directions of every excluded pair
    pub excluded: Vec<Vec<Excluded>>,
}

struct Search<'a> {
    tree: ClusterTree,
    local: Vec<Local>,
    origins: Vec<DVec3>,
    cell: &'a Cell,
    radius_sq: f32,
    nearest: NearestOfHalves,
}

impl ClusterPairs {
    /// Every pair of clusters with atoms closer than `radius` in any image, or with an excluded pair at any distance.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `radius` – nm; may exceed half the cell
    pub fn build(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> Self {
        let wrapped: Vec<DVec3> = positions.par_iter().map(|&r| cell.wrap(r)).collect();
        let clusters = Clusters::from_wrapped(&wrapped);
        let n_clusters = clusters.n_clusters();
        let mut slot_of = vec![0u32; positions.len()];
        for (slot, &atom) in clusters.order.iter().enumerate().filter(|&(_, &atom)| atom != PADDING) {
            slot_of[atom as usize] = slot as u32;
        }
        let origins: Vec<DVec3> = (0..n_clusters)
            .into_par_iter()
            .map(|c| {
                let ends = clusters
                    .atoms(c)
                    .map(|a| wrapped[a])
                    .fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), r| (low.min(r), high.max(r)));
                0.5 * (ends.0 + ends.1)
            })
            .collect();
        let search = Search {
            tree: ClusterTree::build(&clusters, &wrapped, cell, radius),
            local: local_coordinates(&clusters, &wrapped, &origins),
            origins,
            cell,
            radius_sq: (radius + ROUNDING).powi(2) as f32,
            nearest: choose_nearest_of_halves(),
        };
        let excluded_of = |i: usize| {
            let mut excluded = Vec::new();
            for (lane, &atom) in clusters.order[i * CLUSTER..(i + 1) * CLUSTER].iter().enumerate() {
                if atom != PADDING {
                    excluded.extend(topology.excluded_partners(atom as usize).map(|partner| {
                        let slot = slot_of[partner];
                        let (j, lane_j) = (slot / CLUSTER as u32, slot % CLUSTER as u32);
                        Excluded { lane: lane as u32, j, lane_j }
                    }));
                }
            }
            excluded
        };
        let (near, excluded) = (0..n_clusters)
            .into_par_iter()
            .with_min_len(CLUSTERS_PER_TASK)
            .map(|i| {
                let excluded = excluded_of(i);
                (search.near(i, &excluded), excluded)
            })
            .unzip();
        ClusterPairs { clusters, near, excluded }
    }
}

impl Search<'_> {
    fn near(&self, i: usize, excluded: &[Excluded]) -> Vec<Near> {
        let mut near = Vec::new();
        let mut candidates = Vec::new();
        self.tree.neighbors(i..i + 1, &mut candidates);
        self.tree.near(i, &candidates, |number, shift| {
            let j = number as usize;
            let origin_j = self.origins[j] + self.cell.to_cartesian(self.tree.shift(shift).as_dvec3());
            // i as seen from j: the halves are those of j
            let offset = (self.origins[i] - origin_j).as_vec3();
            let [low, high] = (self.nearest)(&self.local[j], &self.local[i], offset).map(|d| d < self.radius_sq);
            if low || high {
                near.push(Near { j: number, halves: u8::from(low) | u8::from(high) << 1 });
            }
        });
        let bonded = excluded.iter().filter(|e| e.j as usize >= i);
        near.extend(bonded.map(|e| Near { j: e.j, halves: 1 << (e.lane_j as usize / HALF) }));
        near.sort_unstable_by_key(|n| n.j);
        near.dedup_by(|next, kept| {
            let same = next.j == kept.j;
            kept.halves |= if same { next.halves } else { 0 };
            same
        });
        near
    }
}
