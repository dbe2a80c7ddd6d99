//! Bounding boxes of half clusters, clusters and super-clusters, and which clusters come within a radius of each other.
//!
//! Boxes decide, but for the pairs that they find barely in reach: of those the atoms are looked at.
//! In a rectangular cell the distance of two boxes to each other's nearest image is found at once, because every axis has a
//! nearest image of its own; in others the lattice translations are gone through. Single precision: what rounding may hide is
//! added to the radius. Knows positions, not who the atoms are.

use super::clusters::{CLUSTER, HALF, SUPER};
use super::eight::{Eight, Portable};
use super::split::Point;
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

    /// Bit n: does lane n come within reach of `b`, and does it come so close that the atoms need not be looked at?
    ///
    /// # Safety
    /// That of [`Eight`].
    #[inline(always)]
    unsafe fn near<V: Eight, const PERIODIC: bool>(&self, b: &Box3, reach: &Reach) -> (u32, u32) {
        let (center, half, period) = (b.center.to_array(), b.half.to_array(), reach.period.to_array());
        let (mut near, mut close) = (0, 0);
        for first in (0..N).step_by(8) {
            // SAFETY: that of the caller
            unsafe {
                let zero = V::splat(0.0);
                let mut sum = zero;
                for axis in 0..3 {
                    let d = V::load(eight(&self.center[axis], first)).sub(V::splat(center[axis])).abs();
                    let d = if PERIODIC { d.min(V::splat(period[axis]).sub(d)) } else { d };
                    let halves = V::load(eight(&self.half[axis], first)).add(V::splat(half[axis]));
                    let gap = d.sub(halves).max(zero);
                    sum = sum.add(gap.mul(gap));
                }
                near |= sum.at_most(V::splat(reach.squared)) << first;
                close |= sum.at_most(V::splat(reach.close_squared)) << first;
            }
        }
        (near, close)
    }
}

#[inline(always)]
fn eight(x: &[f32], first: usize) -> &[f32; 8] {
    x[first..first + 8].try_into().expect("eight of them")
}

/// Positions of a super-cluster's atoms along x, y, z by slot, nm; infinite where there is none.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
struct Atoms([[f32; SUPER * CLUSTER]; 3]);

impl Atoms {
    /// Is any atom of cluster `k` within reach of a half cluster's, the one that begins at slot `first` of `there`?
    ///
    /// # Safety
    /// That of [`Eight`].
    #[inline(always)]
    unsafe fn are_near<V: Eight, const PERIODIC: bool>(
        &self,
        k: usize,
        there: &Atoms,
        first: usize,
        reach: &Reach,
    ) -> bool {
        let period = reach.period.to_array();
        // SAFETY: that of the caller
        unsafe {
            let mut least = V::splat(f32::INFINITY);
            for slot in first..first + HALF {
                let mut sum = V::splat(0.0);
                for (axis, &period) in period.iter().enumerate() {
                    let own = V::load(eight(&self.0[axis], CLUSTER * k));
                    let mut d = own.sub(V::splat(there.0[axis][slot]));
                    if PERIODIC {
                        d = d.abs();
                        d = d.min(V::splat(period).sub(d));
                    }
                    sum = sum.add(d.mul(d));
                }
                least = sum.min(least);
            }
            least.at_most(V::splat(reach.squared)) != 0
        }
    }
}

/// Boxes nearer than the radius by more than this hold atoms within it nearly always, nm.
const CLOSE: f64 = 0.1;

/// How far apart boxes may be.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// nm
    radius: f32,
    /// nm²
    squared: f32,
    /// nm²
    close_squared: f32,
    /// Lengths of a rectangular cell, nm; infinite where lattice translations are gone through instead.
    period: Vec3A,
}

impl Reach {
    /// The lattice translation that brings `there` nearest to `here`, if no other brings it within reach, in a rectangular cell.
    #[inline(always)]
    fn only_image(&self, here: Box3, there: Box3) -> Option<Vec3A> {
        let d = here.center - there.center;
        let turn = Vec3A::select(d.abs().cmpgt(0.5 * self.period), self.period, Vec3A::ZERO);
        let shift = Vec3A::select(d.cmplt(Vec3A::ZERO), -turn, turn);
        let second = self.period - (d - shift).abs() - (here.half + there.half);
        second.cmpgt(Vec3A::splat(self.radius)).all().then_some(shift)
    }
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
        let squared = gap.length_squared();
        squared <= reach.squared || squared.is_nan() // what is not a number is left to those who look closer
    }
}

/// The boxes of one super-cluster.
#[derive(Debug)]
struct SuperBoxes {
    all: Box3,
    /// Bit k: there is a cluster k. A box that is not a number touches even those that are not there.
    present: u32,
    /// Lane 8 h + k: half h of cluster k.
    halves: Lanes<LANES>,
    clusters: Lanes<SUPER>,
    atoms: Atoms,
}

impl SuperBoxes {
    fn around(points: &[Point]) -> Self {
        let nothing = (Vec3A::INFINITY, Vec3A::NEG_INFINITY);
        let join = |a: (Vec3A, Vec3A), b: (Vec3A, Vec3A)| (a.0.min(b.0), a.1.max(b.1));
        let atoms = Atoms([[f32::INFINITY; SUPER * CLUSTER]; 3]);
        let present = (1 << points.len().div_ceil(CLUSTER)) - 1;
        let (halves, clusters) = (Lanes::EMPTY, Lanes::EMPTY);
        let mut boxes = SuperBoxes { all: Box3::EMPTY, present, halves, clusters, atoms };
        for (slot, point) in points.iter().enumerate() {
            for (axis, x) in point.position().to_array().into_iter().enumerate() {
                boxes.atoms.0[axis][slot] = x;
            }
        }
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
        let [squared, close_squared] = [reach, (reach - CLOSE).max(0.0)].map(|r| (r * r) as f32);
        let reach = Reach { radius: reach as f32, squared, close_squared, period };
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
            let boxes = &self.supers[s];
            let home = Box3 { center: boxes.all.center - shift, half: boxes.all.half };
            self.near(s, home, near);
            if near.is_empty() {
                continue;
            }
            (self.meet)(&self.supers, s, shift, &self.reach, near, found);
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

/// What is looked for: a super-cluster, moved by a lattice translation.
struct Home {
    shift: Vec3A,
    all: Box3,
    present: u32,
    halves: Lanes<LANES>,
    atoms: Atoms,
}

impl Home {
    /// * `shift` – what its partners are moved by
    #[inline(always)]
    fn new(boxes: &SuperBoxes, shift: Vec3A) -> Self {
        let (mut halves, mut atoms) = (boxes.halves, boxes.atoms);
        // distance of i to j + shift = distance of i − shift to j
        for (axis, shift) in shift.to_array().into_iter().enumerate() {
            halves.center[axis].iter_mut().for_each(|x| *x -= shift);
            atoms.0[axis].iter_mut().for_each(|x| *x -= shift);
        }
        let all = Box3 { center: boxes.all.center - shift, half: boxes.all.half };
        Home { shift, all, present: boxes.present, halves, atoms }
    }
}

type Meet = fn(&[SuperBoxes], usize, Vec3A, &Reach, &[u32], &mut Vec<Meeting>);

/// The widest version of [`meet`] that the processor runs.
fn choose_meet() -> Meet {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(supers: &[SuperBoxes], s: usize, shift: Vec3A, reach: &Reach, near: &[u32], found: &mut Vec<Meeting>) {
            // SAFETY: inlined here, where AVX2 is
            unsafe { meet::<super::eight::Avx2>(supers, s, shift, reach, near, found) }
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked
            return |supers, s, shift, reach, near, found| unsafe { avx2(supers, s, shift, reach, near, found) };
        }
    }
    portable
}

fn portable(supers: &[SuperBoxes], s: usize, shift: Vec3A, reach: &Reach, near: &[u32], found: &mut Vec<Meeting>) {
    // SAFETY: needs no special instructions
    unsafe { meet::<Portable>(supers, s, shift, reach, near, found) }
}

/// The clusters of the super-clusters `near`, moved by `shift`, that meet those of super-cluster `s`.
///
/// # Safety
/// That of [`Eight`].
#[inline(always)]
unsafe fn meet<V: Eight>(
    supers: &[SuperBoxes],
    s: usize,
    shift: Vec3A,
    reach: &Reach,
    near: &[u32],
    found: &mut Vec<Meeting>,
) {
    let mut own = Home::new(&supers[s], shift);
    for &t in near {
        let there = &supers[t as usize];
        let all = Box3 { center: supers[s].all.center - shift, half: supers[s].all.half };
        let image = reach.only_image(all, there.all);
        let shift = shift + image.unwrap_or(Vec3A::ZERO);
        if own.shift != shift {
            own = Home::new(&supers[s], shift);
        }
        let (first, is_own) = (t * SUPER as u32, t as usize == s);
        // SAFETY: that of the caller
        unsafe {
            match image {
                Some(_) => meet_one::<V, false>(&own, there, first, is_own, reach, found),
                None => meet_one::<V, true>(&own, there, first, is_own, reach, found),
            }
        }
    }
}

/// * `first` – the first cluster of `there`
///
/// # Safety
/// That of [`Eight`].
#[inline(always)]
unsafe fn meet_one<V: Eight, const PERIODIC: bool>(
    own: &Home,
    there: &SuperBoxes,
    first: u32,
    is_own: bool,
    reach: &Reach,
    found: &mut Vec<Meeting>,
) {
    // SAFETY, here and below: that of the caller
    let (near, _) = unsafe { there.clusters.near::<V, PERIODIC>(&own.all, reach) };
    let mut left = near & there.present;
    while left != 0 {
        let m = left.trailing_zeros() as usize;
        left &= left - 1;
        // of a super-cluster with itself every pair once
        let mask = own.present & if is_own { (2u32 << m) - 1 } else { 0xff };
        let mut clusters = [0; 2];
        for (h, clusters) in clusters.iter_mut().enumerate() {
            let half = there.halves.get(CLUSTER * h + m);
            let (near, close) = unsafe { own.halves.near::<V, PERIODIC>(&half, reach) };
            let [mut near, close] = [near, close].map(|bits| (bits | bits >> SUPER) & mask);
            let mut doubtful = near & !close;
            while doubtful != 0 {
                let k = doubtful.trailing_zeros() as usize;
                doubtful &= doubtful - 1;
                let slot = CLUSTER * m + HALF * h;
                let stays = unsafe { own.atoms.are_near::<V, PERIODIC>(k, &there.atoms, slot, reach) };
                near &= !(u32::from(!stays) << k);
            }
            *clusters = near as u8;
        }
        if clusters != [0, 0] {
            found.push(Meeting { j: first + m as u32, clusters });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbor::split::{sorted, wrapped};
    use crate::random::{Draws, Stream};

    fn points(n: usize, cell: &Cell) -> Vec<Point> {
        let mut draws = Draws::new(3, Stream::Build, 0);
        let mut uniform = || DVec3::new(draws.uniform(), draws.uniform(), draws.uniform());
        let positions: Vec<DVec3> = (0..n).map(|_| 3.0 * cell.to_cartesian(uniform()) - DVec3::ONE).collect();
        sorted(wrapped(&positions, cell))
    }

    /// Which clusters meet which halves, by the distances in f64 of boxes that no tree was asked for, or of atoms.
    fn by_all_images(points: &[Point], cell: &Cell, radius: f64, s: usize, of_atoms: bool) -> Vec<Meeting> {
        let corners = |atoms: &[Point]| {
            let r: Vec<DVec3> = atoms.iter().map(|p| p.position().as_dvec3()).collect();
            r.iter().fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), r| (low.min(*r), high.max(*r)))
        };
        let boxes = |half: &[Point]| if of_atoms { half.chunks(1).map(corners).collect() } else { vec![corners(half)] };
        let halves: Vec<Vec<_>> = points.chunks(CLUSTER).map(|c| c.chunks(HALF).map(boxes).collect()).collect();
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
                    clusters[h] |=
                        u8::from(halves[i].iter().flatten().any(|&own| half.iter().any(|&b| near(own, b)))) << k;
                }
            }
            if clusters != [0, 0] {
                found.push(Meeting { j: j as u32, clusters });
            }
        }
        found
    }

    #[test]
    fn what_meets_lies_between_the_atoms_and_the_boxes_of_all_images() {
        let skewed = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(1.2, 2.8, 0.0), DVec3::new(-1.0, 0.9, 2.9));
        for cell in [Cell::orthorhombic(2.0, 3.1, 4.0).expect("valid"), skewed.expect("valid")] {
            let points = points(1003, &cell);
            for radius in [0.3, 0.95, 1.4] {
                let tree = BoxTree::build(&points, &cell, radius);
                let shorter = BoxTree::build(&points, &cell, 0.99 * radius);
                assert_eq!(tree.n_super(), 16);
                let (mut near, mut found, mut differ) = (Vec::new(), Vec::new(), 0);
                let covers = |more: &[Meeting], fewer: &[Meeting]| {
                    fewer.iter().all(|m| {
                        let other = more.iter().find(|other| other.j == m.j).map_or([0; 2], |other| other.clusters);
                        (0..2).all(|h| m.clusters[h] & !other[h] == 0)
                    })
                };
                for s in 0..tree.n_super() {
                    let right = by_all_images(&points, &cell, radius, s, true);
                    // and what rounding may hide: 1e-6 of the lengths of the cell
                    let more = by_all_images(&points, &cell, radius + 2e-5, s, false);
                    tree.meetings(s, &mut near, &mut found);
                    assert!(covers(&found, &right) && covers(&more, &found), "super-cluster {s}, {radius} nm");
                    assert!(found.is_sorted_by(|a, b| a.j < b.j));
                    shorter.meetings(s, &mut near, &mut found);
                    differ += usize::from(!covers(&found, &right));
                }
                assert!(differ > 0, "a wrong radius is not noticed");
            }
        }
    }

    #[test]
    fn vectors_give_the_answer_of_single_lanes() {
        let skewed = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(1.2, 2.8, 0.0), DVec3::new(-1.0, 0.9, 2.9));
        for cell in [Cell::cubic(2.5).expect("valid"), skewed.expect("valid")] {
            let points = points(701, &cell);
            for radius in [0.3, 0.9] {
                let fast = BoxTree::build(&points, &cell, radius);
                let plain = BoxTree { meet: portable, ..BoxTree::build(&points, &cell, radius) };
                let (mut near, mut found, mut right) = (Vec::new(), Vec::new(), Vec::new());
                for s in 0..fast.n_super() {
                    fast.meetings(s, &mut near, &mut found);
                    plain.meetings(s, &mut near, &mut right);
                    assert_eq!(found, right);
                }
            }
        }
    }
}
