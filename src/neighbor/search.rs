//! Candidate pairs of clusters by a bounding-box tree: which clusters come within a radius of a given one, and under
//! which lattice translation.
//!
//! The tree is the one that [`super::clusters`] built its order with, so it needs no sorting of its own, costs
//! O(log N) per query, and is as good for a slab with vacuum as for a filled box. It knows boxes, not atoms: what it
//! returns is a superset that the caller prunes by real distances.

use super::clusters::{Clusters, left_clusters};
use crate::cell::Cell;
use glam::{DVec3, IVec3, Vec3A};
use std::ops::Range;

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

/// A cluster that may be within reach of a group: cluster `j` moved by the lattice translation number `shift`.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Of the moved cluster.
    bounds: Bounds,
    j: u32,
    shift: u16,
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
            fill(&mut nodes, &mut leaves, 0, 0, clusters, wrapped);
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

    /// The lattice translations that come into question, in multiples of a, b, c.
    pub fn shifts(&self) -> impl Iterator<Item = IVec3> + '_ {
        self.shifts.iter().map(|s| s.0)
    }

    pub fn shift(&self, index: u16) -> IVec3 {
        self.shifts[index as usize].0
    }

    /// Every cluster j ≥ `group.start` and translation whose box comes within the radius of the box around the
    /// clusters of `group`, in a fixed order.
    pub fn neighbors(&self, group: Range<usize>, candidates: &mut Vec<Candidate>) {
        let leaf = |i: usize| self.nodes[self.leaves[i] as usize];
        let home = group.clone().map(leaf).fold(Bounds::EMPTY, Bounds::join);
        let mut stack: Vec<(usize, usize, usize)> = Vec::with_capacity(64);
        for (index, &(_, vector)) in self.shifts.iter().enumerate() {
            // distance of i to j + shift = distance of i − shift to j
            let bounds = home.shifted(-vector);
            stack.push((0, 0, self.n_clusters));
            while let Some((node, first, n)) = stack.pop() {
                if first + n <= group.start || bounds.distance_sq(self.nodes[node]) > self.reach_sq {
                    continue;
                }
                if n == 1 {
                    let bounds = self.nodes[node].shifted(vector);
                    candidates.push(Candidate { bounds, j: first as u32, shift: index as u16 });
                    continue;
                }
                let left = left_clusters(n);
                stack.push((node + 2 * left, first + left, n - left));
                stack.push((node + 1, first, left));
            }
        }
    }

    /// Calls `found` with (j, number of the shift) for every candidate with j ≥ `i` whose box comes within the radius of that of
    /// cluster `i`, in their order.
    ///
    /// Of a cluster and its own images only the half with a positive first nonzero component is given, besides the
    /// cluster itself.
    pub fn near(&self, i: usize, candidates: &[Candidate], mut found: impl FnMut(u32, u16)) {
        let home = self.nodes[self.leaves[i] as usize];
        for c in candidates {
            if home.distance_sq(c.bounds) > self.reach_sq || (c.j as usize) < i {
                continue;
            }
            let shift = self.shifts[c.shift as usize].0;
            if c.j as usize > i || shift == IVec3::ZERO || positive(shift) {
                found(c.j, c.shift);
            }
        }
    }
}

fn positive(shift: IVec3) -> bool {
    shift.to_array().into_iter().find(|&k| k != 0).is_some_and(|k| k > 0)
}

/// Subtrees of more clusters than this are filled side by side.
const PARALLEL: usize = 512;

/// Boxes of the subtree over the clusters `first ..`, as many as there are `leaves`; `node` is the index of its root.
fn fill(
    nodes: &mut [Bounds],
    leaves: &mut [u32],
    node: usize,
    first: usize,
    clusters: &Clusters,
    wrapped: &[DVec3],
) -> Bounds {
    let n = leaves.len();
    let (own, nodes) = nodes.split_first_mut().expect("a subtree has a root");
    *own = if n == 1 {
        leaves[0] = node as u32;
        clusters
            .atoms(first)
            .map(|a| wrapped[a].as_vec3a())
            .fold(Bounds::EMPTY, |b, r| b.join(Bounds { low: r, high: r }))
    } else {
        let left = left_clusters(n);
        let (left_nodes, right_nodes) = nodes.split_at_mut(2 * left - 1);
        let (left_leaves, right_leaves) = leaves.split_at_mut(left);
        let mut a = || fill(left_nodes, left_leaves, node + 1, first, clusters, wrapped);
        let mut b = || fill(right_nodes, right_leaves, node + 2 * left, first + left, clusters, wrapped);
        let (a, b) = if n > PARALLEL {
            rayon::join(a, b)
        } else {
            let a = a();
            (a, b())
        };
        a.join(b)
    };
    *own
}
