//! Candidate pairs of clusters by a bounding-box tree: which clusters come within a radius of a given one, and under
//! which lattice translation.
//!
//! The tree is the one that [`super::clusters`] built its order with, so it needs no sorting of its own, costs
//! O(log N) per query, and is as good for a slab with vacuum as for a filled box. It knows boxes, not atoms: what it
//! returns is a superset that the caller prunes by real distances.

use super::clusters::{Clusters, left_clusters};
use crate::cell::Cell;
use glam::{DVec3, IVec3, Vec3A};

/// An axis-aligned box in f32, nm.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: Vec3A,
    high: Vec3A,
}

impl Bounds {
    const EMPTY: Bounds = Bounds { low: Vec3A::INFINITY, high: Vec3A::NEG_INFINITY };

    fn join(self, other: Bounds) -> Bounds {
        Bounds { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn shifted(self, by: Vec3A) -> Bounds {
        Bounds { low: self.low + by, high: self.high + by }
    }

    /// Squared distance between two boxes, 0 when they overlap.
    fn distance_sq(self, other: Bounds) -> f32 {
        let gap = (self.low - other.high).max(other.low - self.high).max(Vec3A::ZERO);
        gap.length_squared()
    }
}

/// A cluster within reach: cluster `j` moved by the lattice translation `shift` (multiples of a, b, c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub j: u32,
    pub shift: IVec3,
}

/// Binary tree over the clusters; a node over n clusters has its left child next to it and 2n − 1 nodes in all.
#[derive(Debug, Clone)]
pub struct ClusterTree {
    nodes: Vec<Bounds>,
    n_clusters: usize,
    leaves: Vec<u32>,
    shifts: Vec<(IVec3, Vec3A)>,
    reach_sq: f32,
}

impl ClusterTree {
    /// * `wrapped` – `[n_atoms]`, nm, fractional coordinates in [0, 1)
    /// * `radius` – nm
    pub fn build(clusters: &Clusters, wrapped: &[DVec3], cell: &Cell, radius: f64) -> Self {
        let n_clusters = clusters.n_clusters();
        let mut nodes = vec![Bounds::EMPTY; (2 * n_clusters).saturating_sub(1)];
        let mut leaves = vec![0; n_clusters];
        if n_clusters > 0 {
            fill(&mut nodes, &mut leaves, 0, 0, n_clusters, clusters, wrapped);
        }
        // a displacement shorter than r has |s_k| <= r/h_k, and two wrapped points differ by less than one turn
        let most = cell.heights().map(|h| (1.0 + radius / h).floor() as i32);
        let mut shifts = Vec::new();
        for x in -most[0]..=most[0] {
            for y in -most[1]..=most[1] {
                for z in -most[2]..=most[2] {
                    let shift = IVec3::new(x, y, z);
                    shifts.push((shift, cell.to_cartesian(shift.as_dvec3()).as_vec3a()));
                }
            }
        }
        // the boxes are f32: what rounding may hide is added to the radius
        let extent = cell.vectors().x_axis.length() + cell.vectors().y_axis.length() + cell.vectors().z_axis.length();
        let reach = radius + 1e-6 * (extent + 1.0);
        ClusterTree { nodes, n_clusters, leaves, shifts, reach_sq: (reach * reach) as f32 }
    }

    /// Calls `found` for every cluster j ≥ `i` and translation whose boxes come within the radius, in a fixed order.
    ///
    /// Of a cluster and its own images only the half with a positive first nonzero component is given, besides the
    /// cluster itself.
    pub fn neighbors(&self, i: usize, mut found: impl FnMut(Candidate)) {
        let home = self.nodes[self.leaves[i] as usize];
        let mut stack: Vec<(usize, usize, usize)> = Vec::with_capacity(64);
        for &(shift, vector) in &self.shifts {
            // distance of i to j + shift = distance of i − shift to j
            let bounds = home.shifted(-vector);
            let own_images = shift == IVec3::ZERO || positive(shift);
            stack.push((0, 0, self.n_clusters));
            while let Some((node, first, n)) = stack.pop() {
                if first + n <= i || bounds.distance_sq(self.nodes[node]) > self.reach_sq {
                    continue;
                }
                if n == 1 {
                    if first > i || own_images {
                        found(Candidate { j: first as u32, shift });
                    }
                    continue;
                }
                let left = left_clusters(n);
                stack.push((node + 2 * left, first + left, n - left));
                stack.push((node + 1, first, left));
            }
        }
    }
}

fn positive(shift: IVec3) -> bool {
    shift.to_array().into_iter().find(|&k| k != 0).is_some_and(|k| k > 0)
}

fn fill(
    nodes: &mut [Bounds],
    leaves: &mut [u32],
    node: usize,
    first: usize,
    n: usize,
    clusters: &Clusters,
    wrapped: &[DVec3],
) -> Bounds {
    let bounds = if n == 1 {
        leaves[first] = node as u32;
        clusters
            .atoms(first)
            .map(|a| wrapped[a].as_vec3a())
            .fold(Bounds::EMPTY, |b, r| b.join(Bounds { low: r, high: r }))
    } else {
        let left = left_clusters(n);
        let a = fill(nodes, leaves, node + 1, first, left, clusters, wrapped);
        let b = fill(nodes, leaves, node + 2 * left, first + left, n - left, clusters, wrapped);
        a.join(b)
    };
    nodes[node] = bounds;
    bounds
}
