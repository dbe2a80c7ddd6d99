//! Bounding boxes of half clusters, clusters and super-clusters, and which of them come within a radius of each other.
//!
//! In a rectangular cell the distance of two boxes to each other's nearest image is found at once, because every axis has a
//! nearest image of its own; in others the lattice translations are gone through. Single precision: what rounding may hide is
//! added to the radius. Knows no atoms once the boxes are made.

use super::clusters::{CLUSTER, HALF, Point, SUPER};
use crate::cell::Cell;
use glam::{DVec3, Vec3A};
use rayon::prelude::*;
use std::ops::Range;

/// Half clusters of a super-cluster.
const LANES: usize = 2 * SUPER;
/// Super-clusters whose boxes one task makes.
const PER_TASK: usize = 16;

/// Boxes in lanes: centre and half the size along x, y, z, nm.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
struct Lanes<const N: usize> {
    center: [[f32; N]; 3],
    half: [[f32; N]; 3],
}

impl<const N: usize> Lanes<N> {
    /// Farther than anything from anything.
    const EMPTY: Self = Lanes { center: [[0.0; N]; 3], half: [[f32::NEG_INFINITY; N]; 3] };

    fn set(&mut self, lane: usize, b: Box3) {
        let (center, half) = (b.center.to_array(), b.half.to_array());
        for axis in 0..3 {
            self.center[axis][lane] = center[axis];
            self.half[axis][lane] = half[axis];
        }
    }

    #[inline(always)]
    fn get(&self, lane: usize) -> Box3 {
        let of = |v: &[[f32; N]; 3]| Vec3A::new(v[0][lane], v[1][lane], v[2][lane]);
        Box3 { center: of(&self.center), half: of(&self.half) }
    }

    /// Bit n: does lane n come within reach of `b`?
    #[inline(always)]
    fn near(&self, b: &Box3, reach: &Reach) -> u32 {
        let (center, half, period) = (b.center.to_array(), b.half.to_array(), reach.period.to_array());
        let mut bits = 0;
        for lane in 0..N {
            let mut sum = 0.0;
            for axis in 0..3 {
                let d = (self.center[axis][lane] - center[axis]).abs();
                let gap = d.min(period[axis] - d) - (self.half[axis][lane] + half[axis]);
                sum += gap.max(0.0) * gap.max(0.0);
            }
            bits |= u32::from(sum <= reach.squared) << lane;
        }
        bits
    }

    /// The same, eight lanes at a time, to the last bit.
    ///
    /// # Safety
    /// Needs AVX2, and to be inlined into a function that has it.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn near_avx2(&self, b: &Box3, reach: &Reach) -> u32 {
        use std::arch::x86_64::*;
        let (center, half, period) = (b.center.to_array(), b.half.to_array(), reach.period.to_array());
        let mut bits = 0;
        // SAFETY: eight lanes at a time are in bounds, because N is a multiple of eight
        unsafe {
            let zero = _mm256_setzero_ps();
            let sign = _mm256_set1_ps(-0.0);
            for first in (0..N).step_by(8) {
                let mut sum = zero;
                for axis in 0..3 {
                    let own = _mm256_loadu_ps(self.center[axis].as_ptr().add(first));
                    let own_half = _mm256_loadu_ps(self.half[axis].as_ptr().add(first));
                    let d = _mm256_andnot_ps(sign, _mm256_sub_ps(own, _mm256_set1_ps(center[axis])));
                    let d = _mm256_min_ps(d, _mm256_sub_ps(_mm256_set1_ps(period[axis]), d));
                    let gap = _mm256_sub_ps(d, _mm256_add_ps(own_half, _mm256_set1_ps(half[axis])));
                    let gap = _mm256_max_ps(gap, zero);
                    sum = _mm256_add_ps(sum, _mm256_mul_ps(gap, gap));
                }
                let near = _mm256_cmp_ps::<_CMP_LE_OQ>(sum, _mm256_set1_ps(reach.squared));
                bits |= (_mm256_movemask_ps(near) as u32) << first;
            }
        }
        bits
    }
}

/// How far apart boxes may be.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// nm²
    squared: f32,
    /// Lengths of a rectangular cell, nm; infinite where lattice translations are gone through instead.
    period: Vec3A,
}

/// A box: centre and half its size, nm.
#[derive(Debug, Clone, Copy)]
struct Box3 {
    center: Vec3A,
    half: Vec3A,
}

impl Box3 {
    const EMPTY: Box3 = Box3 { center: Vec3A::ZERO, half: Vec3A::NEG_INFINITY };

    fn between((low, high): (Vec3A, Vec3A)) -> Self {
        Box3 { center: 0.5 * (low + high), half: 0.5 * (high - low) }
    }

    fn join(self, other: Box3) -> Self {
        let low = (self.center - self.half).min(other.center - other.half);
        Box3::between((low, (self.center + self.half).max(other.center + other.half)))
    }

    #[inline(always)]
    fn is_near(self, other: Box3, reach: &Reach) -> bool {
        let d = (self.center - other.center).abs();
        let gap = (d.min(reach.period - d) - (self.half + other.half)).max(Vec3A::ZERO);
        gap.length_squared() <= reach.squared
    }
}

/// The boxes of one super-cluster.
#[derive(Debug)]
struct SuperBoxes {
    all: Box3,
    /// Lane 8 h + k: half h of cluster k.
    halves: Lanes<LANES>,
    clusters: Lanes<SUPER>,
}

impl SuperBoxes {
    fn around(points: &[Point]) -> Self {
        let nothing = (Vec3A::INFINITY, Vec3A::NEG_INFINITY);
        let join = |a: (Vec3A, Vec3A), b: (Vec3A, Vec3A)| (a.0.min(b.0), a.1.max(b.1));
        let mut boxes = SuperBoxes { all: Box3::EMPTY, halves: Lanes::EMPTY, clusters: Lanes::EMPTY };
        let mut all = nothing;
        for (k, cluster) in points.chunks(CLUSTER).enumerate() {
            let mut both = nothing;
            for (h, half) in cluster.chunks(HALF).enumerate() {
                let corners = half.iter().map(|p| (p.position(), p.position())).fold(nothing, join);
                boxes.halves.set(CLUSTER * h + k, Box3::between(corners));
                both = join(both, corners);
            }
            boxes.clusters.set(k, Box3::between(both));
            all = join(all, both);
        }
        boxes.all = Box3::between(all);
        boxes
    }
}

/// A j cluster that a super-cluster meets. Byte h of the mask: which of its eight clusters meet half h of `j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meeting {
    pub j: u32,
    pub clusters: [u8; 2],
}

/// Sorts by j, each once with all its clusters.
pub(super) fn merge(meetings: &mut Vec<Meeting>) {
    meetings.sort_by_key(|m| m.j);
    meetings.dedup_by(|next, kept| {
        let same = next.j == kept.j;
        if same {
            kept.clusters = [0, 1].map(|h| kept.clusters[h] | next.clusters[h]);
        }
        same
    });
}

/// All boxes, and a binary tree over those of the super-clusters: a node over n of them has its left child, over n / 2, next to
/// it and 2n − 1 nodes in all.
#[derive(Debug)]
pub(super) struct BoxTree {
    nodes: Vec<Box3>,
    supers: Vec<SuperBoxes>,
    reach: Reach,
    /// nm
    shifts: Vec<Vec3A>,
    meet: Meet,
}

impl BoxTree {
    /// * `points` – by slot, fractional coordinates in [0, 1]
    /// * `radius` – nm
    pub fn build(points: &[Point], cell: &Cell, radius: f64) -> Self {
        let supers: Vec<SuperBoxes> =
            points.par_chunks(SUPER * CLUSTER).with_min_len(PER_TASK).map(SuperBoxes::around).collect();
        let mut nodes = vec![Box3::EMPTY; (2 * supers.len()).saturating_sub(1)];
        if !supers.is_empty() {
            fill(&mut nodes, &supers);
        }
        let v = cell.vectors();
        let extent = v.x_axis.length() + v.y_axis.length() + v.z_axis.length();
        let reach = radius + 1e-6 * (extent + 1.0);
        let (period, shifts) = if cell.is_orthorhombic() {
            (DVec3::new(v.x_axis.x, v.y_axis.y, v.z_axis.z).as_vec3a(), vec![Vec3A::ZERO])
        } else {
            (Vec3A::INFINITY, translations(cell, radius))
        };
        let reach = Reach { squared: (reach * reach) as f32, period };
        BoxTree { nodes, supers, reach, shifts, meet: choose_meet() }
    }

    pub fn n_super(&self) -> usize {
        self.supers.len()
    }

    /// Every cluster j that the clusters i ≤ j of super-cluster `s` meet, ascending.
    ///
    /// * `near` – scratch
    pub fn meetings(&self, s: usize, near: &mut Vec<u32>, found: &mut Vec<Meeting>) {
        found.clear();
        for &shift in &self.shifts {
            // distance of i to j + shift = distance of i − shift to j
            let mut halves = self.supers[s].halves.clone();
            for (center, shift) in halves.center.iter_mut().zip(shift.to_array()) {
                center.iter_mut().for_each(|x| *x -= shift);
            }
            let all = self.supers[s].all;
            let home = Box3 { center: all.center - shift, half: all.half };
            self.near(s, home, near);
            (self.meet)(&HomeBoxes { s, home, halves: &halves }, &self.reach, near, &self.supers, found);
        }
        if self.shifts.len() > 1 {
            merge(found);
        }
    }

    /// Super-clusters from `s` on whose box comes within reach of `home`, ascending.
    fn near(&self, s: usize, home: Box3, near: &mut Vec<u32>) {
        near.clear();
        let mut stack = [(0u32, 0u32, 0u32); 64];
        let mut depth = 1;
        stack[0] = (0, 0, self.supers.len() as u32);
        while depth > 0 {
            depth -= 1;
            let (node, first, n) = stack[depth];
            if ((first + n) as usize) <= s || !self.nodes[node as usize].is_near(home, &self.reach) {
                continue;
            }
            if n == 1 {
                near.push(first);
                continue;
            }
            let left = n / 2;
            stack[depth] = (node + 2 * left, first + left, n - left);
            stack[depth + 1] = (node + 1, first, left);
            depth += 2;
        }
    }
}

/// Lattice translations under which a point of the cell may come within the radius of another, nm.
fn translations(cell: &Cell, radius: f64) -> Vec<Vec3A> {
    // a displacement shorter than r has |s_k| <= r/h_k, and two wrapped points differ by at most one turn
    let most = cell.heights().map(|h| (1.0 + radius / h).floor() as i32);
    let range = |k: usize| -> Range<i32> { -most[k]..most[k] + 1 };
    let mut shifts = Vec::new();
    for x in range(0) {
        for y in range(1) {
            shifts.extend(range(2).map(|z| cell.to_cartesian(glam::IVec3::new(x, y, z).as_dvec3()).as_vec3a()));
        }
    }
    shifts
}

/// Boxes of the subtree over `supers`; that around all of them.
fn fill(nodes: &mut [Box3], supers: &[SuperBoxes]) -> Box3 {
    let (own, nodes) = nodes.split_first_mut().expect("a subtree has a root");
    *own = if let [one] = supers {
        one.all
    } else {
        let left = supers.len() / 2;
        let (left_nodes, right_nodes) = nodes.split_at_mut(2 * left - 1);
        fill(left_nodes, &supers[..left]).join(fill(right_nodes, &supers[left..]))
    };
    *own
}

/// What is looked for: the boxes of super-cluster `s`, moved by a lattice translation.
struct HomeBoxes<'a> {
    s: usize,
    home: Box3,
    halves: &'a Lanes<LANES>,
}

type Meet = fn(&HomeBoxes<'_>, &Reach, &[u32], &[SuperBoxes], &mut Vec<Meeting>);

/// The widest version of [`meet`] that the processor runs; all give the same answer (no fused arithmetic).
fn choose_meet() -> Meet {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(own: &HomeBoxes<'_>, reach: &Reach, near: &[u32], supers: &[SuperBoxes], found: &mut Vec<Meeting>) {
            // SAFETY: inlined here, where AVX2 is
            let clusters = |boxes: &Lanes<SUPER>, b: &Box3| unsafe { boxes.near_avx2(b, reach) };
            let halves = |boxes: &Lanes<LANES>, b: &Box3| unsafe { boxes.near_avx2(b, reach) };
            meet(own, near, supers, found, clusters, halves);
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked
            return |own, reach, near, supers, found| unsafe { avx2(own, reach, near, supers, found) };
        }
    }
    portable
}

fn portable(own: &HomeBoxes<'_>, reach: &Reach, near: &[u32], supers: &[SuperBoxes], found: &mut Vec<Meeting>) {
    meet(own, near, supers, found, |boxes, b| boxes.near(b, reach), |boxes, b| boxes.near(b, reach));
}

/// The clusters of the super-clusters `near` that meet those of super-cluster `s`.
#[inline(always)]
fn meet(
    own: &HomeBoxes<'_>,
    near: &[u32],
    supers: &[SuperBoxes],
    found: &mut Vec<Meeting>,
    near_clusters: impl Fn(&Lanes<SUPER>, &Box3) -> u32,
    near_halves: impl Fn(&Lanes<LANES>, &Box3) -> u32,
) {
    for &t in near {
        let there = &supers[t as usize];
        let mut close = near_clusters(&there.clusters, &own.home);
        while close != 0 {
            let m = close.trailing_zeros() as usize;
            close &= close - 1;
            // of a super-cluster with itself every pair once
            let mask = if t as usize == own.s { (2u32 << m) - 1 } else { u32::MAX };
            let mut clusters = [0; 2];
            for (h, clusters) in clusters.iter_mut().enumerate() {
                let bits = near_halves(own.halves, &there.halves.get(CLUSTER * h + m));
                *clusters = ((bits | bits >> SUPER) & mask) as u8;
            }
            if clusters != [0, 0] {
                found.push(Meeting { j: t * SUPER as u32 + m as u32, clusters });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbor::clusters::{sorted, wrapped};
    use crate::random::{Draws, Stream};

    fn points(n: usize, cell: &Cell) -> Vec<Point> {
        let mut draws = Draws::new(3, Stream::Build, 0);
        let mut uniform = || DVec3::new(draws.uniform(), draws.uniform(), draws.uniform());
        let positions: Vec<DVec3> = (0..n).map(|_| 3.0 * cell.to_cartesian(uniform()) - DVec3::ONE).collect();
        sorted(wrapped(&positions, cell))
    }

    /// Which halves of which clusters meet, by the distances in f64 of boxes that no tree was asked for.
    fn by_all_images(points: &[Point], cell: &Cell, radius: f64, s: usize) -> Vec<Meeting> {
        let corners = |atoms: &[Point]| {
            let r: Vec<DVec3> = atoms.iter().map(|p| p.position().as_dvec3()).collect();
            r.iter().fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), r| (low.min(*r), high.max(*r)))
        };
        let halves: Vec<Vec<_>> = points.chunks(CLUSTER).map(|c| c.chunks(HALF).map(corners).collect()).collect();
        let near = |a: (DVec3, DVec3), b: (DVec3, DVec3)| {
            (0..125).any(|n| {
                let shift = DVec3::new(f64::from(n % 5 - 2), f64::from(n / 5 % 5 - 2), f64::from(n / 25 - 2));
                let shift = cell.to_cartesian(shift);
                let gap = (a.0 + shift - b.1).max(b.0 - a.1 - shift).max(DVec3::ZERO);
                gap.length() < radius
            })
        };
        let mut found = Vec::new();
        for (j, there) in halves.iter().enumerate() {
            let mut clusters = [0; 2];
            for (k, i) in (s * SUPER..halves.len().min((s + 1) * SUPER)).enumerate().filter(|&(_, i)| i <= j) {
                for (h, half) in there.iter().enumerate() {
                    clusters[h] |= u8::from(halves[i].iter().any(|&own| near(own, *half))) << k;
                }
            }
            if clusters != [0, 0] {
                found.push(Meeting { j: j as u32, clusters });
            }
        }
        found
    }

    #[test]
    fn what_meets_is_what_all_images_of_all_boxes_say() {
        let skewed = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(1.2, 2.8, 0.0), DVec3::new(-1.0, 0.9, 2.9));
        for cell in [Cell::orthorhombic(2.0, 3.1, 4.0).expect("valid"), skewed.expect("valid")] {
            let points = points(1003, &cell);
            for radius in [0.3, 0.95, 1.4] {
                let tree = BoxTree::build(&points, &cell, radius);
                let shorter = BoxTree::build(&points, &cell, 0.99 * radius);
                assert_eq!(tree.n_super(), 16);
                let (mut near, mut found, mut differ) = (Vec::new(), Vec::new(), 0);
                for s in 0..tree.n_super() {
                    let right = by_all_images(&points, &cell, radius, s);
                    tree.meetings(s, &mut near, &mut found);
                    assert_eq!(found, right, "super-cluster {s}, {radius} nm");
                    shorter.meetings(s, &mut near, &mut found);
                    differ += usize::from(found != right);
                }
                assert!(differ > 0, "a wrong radius is not noticed");
            }
        }
    }

    #[test]
    fn vectors_give_the_answer_of_single_lanes() {
        let cell = Cell::cubic(2.5).expect("valid");
        let points = points(700, &cell);
        let fast = BoxTree::build(&points, &cell, 0.9);
        let plain = BoxTree { meet: portable, ..BoxTree::build(&points, &cell, 0.9) };
        let (mut near, mut found, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for s in 0..fast.n_super() {
            fast.meetings(s, &mut near, &mut found);
            plain.meetings(s, &mut near, &mut right);
            assert_eq!(found, right);
        }
    }
}
