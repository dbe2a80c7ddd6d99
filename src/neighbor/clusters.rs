//! Atoms sorted into clusters of eight by recursive median splits, and pairs of clusters within reach.
//!
//! The split fills every cluster but the last and does not degrade for slabs with vacuum
//! (S. Páll, B. Hess, Comput. Phys. Commun. 184, 2641 (2013), for the idea of cluster pairs).

use crate::cell::Cell;
use glam::{DMat3, DVec3, Vec3, Vec3A, Vec4};
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
        Self::from_sorted(&sorted(wrapped(positions, cell)))
    }

    /// The same from positions that lie in the cell already.
    pub fn from_wrapped(wrapped: &[DVec3]) -> Self {
        let points = wrapped.par_iter().enumerate().with_min_len(CHUNK);
        Self::from_sorted(&sorted(points.map(|(i, r)| Point::new(r.as_vec3(), i)).collect()))
    }

    /// * `points` – as [`sorted`] leaves them
    pub(super) fn from_sorted(points: &[Point]) -> Self {
        let n_slots = points.len().div_ceil(CLUSTER) * CLUSTER;
        let mut order = Vec::with_capacity(n_slots);
        points.par_iter().with_min_len(CHUNK).map(|p| p.atom()).collect_into_vec(&mut order);
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

/// Atoms that one task converts.
const CHUNK: usize = 2048;
/// Splits of more atoms than this are refined side by side.
const PARALLEL: usize = 1024;

/// An atom on its way to its slot: position in nm, and the bits of its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point(Vec4);

impl Point {
    fn new(r: Vec3, atom: usize) -> Self {
        Point(r.extend(f32::from_bits(atom as u32)))
    }

    pub fn position(&self) -> Vec3A {
        Vec3A::from_vec4(self.0)
    }

    pub fn atom(&self) -> u32 {
        self.0.w.to_bits()
    }
}

/// Positions moved into the cell: fractional coordinates in [0, 1], its far faces included.
pub(super) fn wrapped(positions: &[DVec3], cell: &Cell) -> Vec<Point> {
    /// A sum with it has no bits behind the point: rounds to the nearest integer what is below 2⁵¹.
    const ROUND: f64 = 3.0 * (1u64 << 51) as f64;
    let (inverse, vectors): (DMat3, DMat3) = (cell.inverse(), cell.vectors());
    let wrap = |r: DVec3| {
        let s = inverse * r;
        let turns = (s - 0.5 + ROUND) - ROUND;
        r - vectors * turns
    };
    let points = positions.par_iter().enumerate().with_min_len(CHUNK);
    points.map(|(i, &r)| Point::new(wrap(r).as_vec3(), i)).collect()
}

/// Points by slot: a recursive split of the longest side, whole clusters (at last whole halves) to each side. Ascending atoms
/// within a half.
pub(super) fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    split(&mut points);
    points
}

fn split(points: &mut [Point]) {
    if points.len() <= HALF {
        points.sort_unstable_by_key(Point::atom);
        return;
    }
    let (mut low, mut high) = (Vec4::INFINITY, Vec4::NEG_INFINITY);
    for p in points.iter() {
        low = low.min(p.0);
        high = high.max(p.0);
    }
    let size = high - low;
    // the left part holds whole clusters (at last whole halves) only, so padding ends up in the last cluster of all
    let n = points.len();
    let middle = if n > CLUSTER { left_clusters(n.div_ceil(CLUSTER)) * CLUSTER } else { HALF };
    if size.x >= size.y && size.x >= size.z {
        points.select_nth_unstable_by(middle, |a, b| a.0.x.total_cmp(&b.0.x));
    } else if size.y >= size.z {
        points.select_nth_unstable_by(middle, |a, b| a.0.y.total_cmp(&b.0.y));
    } else {
        points.select_nth_unstable_by(middle, |a, b| a.0.z.total_cmp(&b.0.z));
    }
    let (left, right) = points.split_at_mut(middle);
    if n > PARALLEL {
        rayon::join(|| split(left), || split(right));
    } else {
        split(left);
        split(right);
    }
}
