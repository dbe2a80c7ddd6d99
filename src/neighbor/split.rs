//! Sorting atoms into clusters: recursive splits of the longest side.
//!
//! A split makes up to 64 slabs of equally many atoms at once, whose boundaries are exact: by a histogram first, and by selection
//! within the few bins that a boundary falls into. Slabs hold whole super-clusters, so what is split further in the end are
//! groups of 64, by medians. The order depends on the positions and on nothing else.

use super::clusters::{CLUSTER, HALF, SUPER, left_clusters};
use crate::cell::Cell;
use glam::{DMat3, DVec3, Vec3, Vec3A, Vec4};
use rayon::prelude::*;
use std::ops::Range;

/// Atoms that one task converts.
pub(super) const CHUNK: usize = 2048;

/// An atom on its way to its slot.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct Point {
    /// nm
    r: [f32; 3],
    pub atom: u32,
}

impl Point {
    fn new(r: Vec3, atom: usize) -> Self {
        Point { r: r.to_array(), atom: atom as u32 }
    }

    #[inline(always)]
    pub fn position(&self) -> Vec3A {
        Vec3A::from_vec4(Vec4::new(self.r[0], self.r[1], self.r[2], 0.0))
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

/// Positions that lie in the cell already.
pub(super) fn points(wrapped: &[DVec3]) -> Vec<Point> {
    let points = wrapped.par_iter().enumerate().with_min_len(CHUNK);
    points.map(|(i, r)| Point::new(r.as_vec3(), i)).collect()
}

/// Points by slot; ascending atoms within a half.
pub(super) fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    // filled by many threads, because memory that nobody has touched yet is slow
    let mut spare: Vec<Point> = points.par_iter().with_min_len(CHUNK).copied().collect();
    slabs(&mut points, &mut spare, false);
    points
}

/// Atoms of a super-cluster.
const GROUP: usize = SUPER * CLUSTER;
/// Most times that a slab is halved at once.
const MOST_HALVINGS: u32 = 6;
/// Atoms to a bin on average, and the most bins.
const PER_BIN: usize = 8;
const MOST_BINS: usize = 2048;
/// Parts of more atoms than this are split side by side.
const PARALLEL: usize = 1024;
/// Splits of more atoms than this are made by several tasks, of this many atoms each.
const TASK: usize = 8192;

/// Sorts `points`; they end in `spare`, if asked for, and what is left in the other is of no use.
fn slabs(points: &mut [Point], spare: &mut [Point], in_spare: bool) {
    if points.len() <= GROUP {
        let points = if in_spare {
            spare.copy_from_slice(points);
            spare
        } else {
            points
        };
        medians(points);
        return;
    }
    let (low, high) = corners(points);
    let size = (high - low).to_array();
    let axis = longest(size);
    let n = points.len();
    let n_groups = n.div_ceil(GROUP);
    let halvings = (size[axis] / edge(size, n_groups)).log2().round().clamp(1.0, MOST_HALVINGS as f32) as u32;
    let mut ends = Vec::with_capacity(1 << MOST_HALVINGS);
    boundaries(0..points.len(), halvings.clamp(1, n_groups.ilog2()), &mut ends);
    let n_bins = (points.len() / PER_BIN).min(MOST_BINS);
    let bins = Bins { axis, low: low[axis], scale: n_bins as f32 / size[axis], n: n_bins };
    scatter(points, spare, &bins, &ends);
    let mut first = 0;
    let mut parts = Vec::with_capacity(ends.len());
    let (mut points, mut spare) = (points, spare);
    for end in ends {
        let (a, others) = points.split_at_mut(end - first);
        let (b, other_spare) = spare.split_at_mut(end - first);
        parts.push((b, a));
        (points, spare, first) = (others, other_spare, end);
    }
    let refine = |(points, spare): (&mut [Point], &mut [Point])| slabs(points, spare, !in_spare);
    if n > PARALLEL {
        parts.into_par_iter().for_each(refine);
    } else {
        parts.into_iter().for_each(refine);
    }
}

fn corners(points: &[Point]) -> (Vec3A, Vec3A) {
    let join = |a: (Vec3A, Vec3A), b: (Vec3A, Vec3A)| (a.0.min(b.0), a.1.max(b.1));
    let nothing = (Vec3A::INFINITY, Vec3A::NEG_INFINITY);
    if points.len() > TASK {
        return points.par_chunks(TASK).map(corners).reduce(|| nothing, join);
    }
    points.iter().map(|p| (p.position(), p.position())).fold(nothing, join)
}

fn longest(size: [f32; 3]) -> usize {
    if size[0] >= size[1] && size[0] >= size[2] {
        0
    } else if size[1] >= size[2] {
        1
    } else {
        2
    }
}

/// How wide groups are, nm, where `n` of them fill a box; what is thinner than a group is not cut.
fn edge(mut size: [f32; 3], n: usize) -> f32 {
    let n = n as f32;
    size.sort_by(f32::total_cmp);
    let [a, b, c] = size;
    let cube = (a * b * c / n).cbrt();
    let square = (b * c / n).sqrt();
    if cube <= a {
        cube
    } else if square <= b {
        square
    } else {
        c / n
    }
}

/// Ends of the parts that `halvings` splits of each part before make of a range of slots.
fn boundaries(range: Range<usize>, halvings: u32, ends: &mut Vec<usize>) {
    if halvings == 0 {
        ends.push(range.end);
        return;
    }
    let middle = range.start + left_clusters(range.len().div_ceil(CLUSTER)) * CLUSTER;
    boundaries(range.start..middle, halvings - 1, ends);
    boundaries(middle..range.end, halvings - 1, ends);
}

/// Bins of equal width along an axis.
struct Bins {
    axis: usize,
    low: f32,
    scale: f32,
    n: usize,
}

impl Bins {
    /// Never falls as the coordinate rises; bin 0 for what is not a number.
    #[inline(always)]
    fn of(&self, point: &Point) -> usize {
        (((point.r[self.axis] - self.low) * self.scale) as u32 as usize).min(self.n - 1)
    }

    fn count(&self, points: &[Point]) -> Vec<u32> {
        let mut counts = vec![0; self.n];
        points.iter().for_each(|p| counts[self.of(p)] += 1);
        counts
    }
}

/// Consecutive bins whose points stay together: between two boundaries, or one bin with boundaries in it.
struct Groups {
    /// bin → group
    of_bin: Vec<u8>,
    /// First slot of each.
    starts: Vec<u32>,
}

impl Groups {
    /// * `counts` – points by bin
    /// * `ends` – ascending; the last is the number of points
    fn new(counts: &[u32], ends: &[usize]) -> Self {
        let mut groups = Groups { of_bin: Vec::with_capacity(counts.len()), starts: vec![0] };
        let (mut next, mut first) = (0, 0);
        let mut closed = false;
        for &count in counts {
            let end = first + count as usize;
            let from = next;
            while ends[next] < end {
                next += 1;
            }
            let holds_boundary = next > from;
            if (closed || holds_boundary) && first > *groups.starts.last().expect("one from the start") as usize {
                groups.starts.push(first as u32);
            }
            groups.of_bin.push(groups.starts.len() as u8 - 1);
            // a boundary at its end closes a group as one within it does
            closed = holds_boundary || ends[next] == end;
            first = end;
        }
        groups
    }
}

/// Copies points to `to`, so that each part (up to the next of `ends`) holds what belongs to it, in any order.
fn scatter(points: &[Point], to: &mut [Point], bins: &Bins, ends: &[usize]) {
    let several = points.len() > TASK;
    let counts: Vec<Vec<u32>> = if several {
        points.par_chunks(TASK).map(|chunk| bins.count(chunk)).collect()
    } else {
        vec![bins.count(points)]
    };
    let total = |bin: usize| counts.iter().map(|c| c[bin]).sum();
    let totals: Vec<u32> = (0..bins.n).map(total).collect();
    let groups = Groups::new(&totals, ends);
    // where every task puts its first point of every group
    let mut next = groups.starts.clone();
    let starts: Vec<Vec<u32>> = (counts.iter())
        .map(|counts| {
            let starts = next.clone();
            counts.iter().zip(&groups.of_bin).for_each(|(n, &group)| next[group as usize] += n);
            starts
        })
        .collect();
    let target = Target { points: to.as_mut_ptr(), n: to.len() };
    let copy = |(chunk, mut places): (&[Point], Vec<u32>)| {
        for point in chunk {
            let place = &mut places[groups.of_bin[bins.of(point)] as usize];
            // SAFETY: places of different points differ, in every group of every task, because they were counted
            unsafe { target.put(*place as usize, *point) };
            *place += 1;
        }
    };
    if several {
        points.par_chunks(TASK).zip(starts).for_each(copy);
    } else {
        points.chunks(TASK).zip(starts).for_each(copy);
    }
    // what a bin with boundaries holds is selected
    let mut first = 0;
    for &end in ends {
        let group = groups.starts.partition_point(|&start| start as usize <= end) - 1;
        let start = first.max(groups.starts[group] as usize);
        let stop = groups.starts.get(group + 1).map_or(to.len(), |&stop| stop as usize);
        if start < end && end < stop {
            let axis = bins.axis;
            to[start..stop].select_nth_unstable_by(end - start, |a, b| a.r[axis].total_cmp(&b.r[axis]));
        }
        first = end;
    }
}

/// Points that several tasks write to.
struct Target {
    points: *mut Point,
    n: usize,
}

// SAFETY: a pointer to points, which may be sent; who writes answers for the places
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// No two calls with the same place, and nobody reads meanwhile.
    #[inline(always)]
    unsafe fn put(&self, place: usize, point: Point) {
        assert!(place < self.n);
        // SAFETY: in bounds
        unsafe { self.points.add(place).write(point) };
    }
}

/// Splits a super-cluster or less by medians.
fn medians(points: &mut [Point]) {
    if points.len() <= HALF {
        points.sort_unstable_by_key(|p| p.atom);
        return;
    }
    let (low, high) = corners(points);
    let axis = longest((high - low).to_array());
    // the left part holds whole clusters (at last whole halves) only, so padding ends up in the last cluster of all
    let n = points.len();
    let middle = if n > CLUSTER { left_clusters(n.div_ceil(CLUSTER)) * CLUSTER } else { HALF };
    let keys = keys(points, axis);
    let mut copy = [points[0]; GROUP];
    copy[..n].copy_from_slice(points);
    let mut next = [0, middle];
    for first in (0..n).step_by(8) {
        // eight ranks at a time: how many keys are smaller
        let mut ranks = [0u32; 8];
        for key in &keys[..n] {
            for lane in 0..8 {
                ranks[lane] += u32::from(*key < keys[first + lane]);
            }
        }
        for (point, rank) in copy[first..n].iter().zip(ranks) {
            let side = usize::from(rank as usize >= middle);
            points[next[side]] = *point;
            next[side] += 1;
        }
    }
    let (left, right) = points.split_at_mut(middle);
    medians(left);
    medians(right);
}

/// Integers in the order of the coordinates, each another one: the last bits are the place.
fn keys(points: &[Point], axis: usize) -> [i32; GROUP] {
    let mut keys = [i32::MAX; GROUP];
    for (place, (key, point)) in keys.iter_mut().zip(points).enumerate() {
        let bits = point.r[axis].to_bits() as i32;
        // negative numbers fall as their bits rise
        let ordered = bits ^ ((bits >> 31) as u32 >> 1) as i32;
        *key = ordered & !(GROUP as i32 - 1) | place as i32;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    fn scattered(n: usize, size: DVec3) -> Vec<Point> {
        let mut draws = Draws::new(23, Stream::Build, 0);
        let mut uniform = || DVec3::new(draws.uniform(), draws.uniform(), draws.uniform());
        points(&(0..n).map(|_| size * uniform()).collect::<Vec<_>>())
    }

    /// Mean length of the sides of the boxes around groups of `n` atoms, nm.
    fn width(points: &[Point], n: usize) -> f64 {
        let sides = points.chunks_exact(n).map(|group| {
            let (low, high) = corners(group);
            f64::from((high - low).element_sum()) / 3.0
        });
        sides.sum::<f64>() / (points.len() / n) as f64
    }

    #[test]
    fn every_atom_has_a_slot_and_groups_are_compact() {
        // several tasks; a slab; a rod; fewer atoms than a cluster; a number of atoms that fills no cluster
        let shapes =
            [(40_000, DVec3::splat(7.4)), (3001, DVec3::new(5.0, 5.0, 1.2)), (700, DVec3::new(0.3, 0.3, 80.0))];
        for (n, size) in shapes.into_iter().chain([(7, DVec3::ONE), (12_345, DVec3::new(3.0, 9.0, 4.5))]) {
            let unsorted = scattered(n, size);
            let sorted = sorted(unsorted.clone());
            let mut atoms: Vec<u32> = sorted.iter().map(|p| p.atom).collect();
            assert!(atoms.chunks(HALF).all(|half| half.is_sorted()));
            atoms.sort_unstable();
            assert!(atoms.iter().enumerate().all(|(i, &atom)| i == atom as usize));
            assert!(sorted.iter().all(|p| p.r == unsorted[p.atom as usize].r));
            let density = n as f64 / (size.x * size.y * size.z);
            for group in [GROUP, CLUSTER, HALF].into_iter().filter(|group| n > 30 * group) {
                let cube = (group as f64 / density).cbrt();
                let side = if cube < 0.3 || size.min_element() > 1.0 { cube } else { continue };
                assert!(width(&sorted, group) < 1.1 * side, "{n} atoms: {} of {side}", width(&sorted, group));
                assert!(width(&unsorted, group) > 1.1 * side);
            }
        }
    }

    #[test]
    fn boundaries_are_exact_where_many_atoms_lie_in_one_bin() {
        // nearly all atoms in a thousandth of the box, some at one point, two far off
        let mut clumped = scattered(5000, DVec3::splat(0.01));
        clumped[..800].iter_mut().for_each(|p| p.r = [0.002; 3]);
        (clumped[77].r, clumped[4000].r) = ([9.0; 3], [-9.0, 0.0, 0.0]);
        let (mut to, ends) = (clumped.clone(), [1024, 2048, 3000, 5000]);
        for axis in 0..3 {
            let (low, high) = corners(&clumped);
            let bins = Bins { axis, low: low[axis], scale: 625.0 / (high - low)[axis], n: 625 };
            scatter(&clumped, &mut to, &bins, &ends);
            let parts = [&to[..1024], &to[1024..2048], &to[2048..3000], &to[3000..]];
            for pair in parts.windows(2) {
                let most = pair[0].iter().map(|p| p.r[axis]).fold(f32::NEG_INFINITY, f32::max);
                assert!(pair[1].iter().all(|p| p.r[axis] >= most));
            }
            let mut atoms: Vec<u32> = to.iter().map(|p| p.atom).collect();
            atoms.sort_unstable();
            assert!(atoms.iter().enumerate().all(|(i, &atom)| i == atom as usize));
        }
    }

    #[test]
    fn what_is_not_a_number_has_a_slot_too() {
        let mut broken = scattered(3000, DVec3::splat(3.0));
        broken[100].r = [f32::NAN; 3];
        broken[200].r = [f32::INFINITY, 0.0, f32::NEG_INFINITY];
        for points in [broken, points(&[DVec3::NAN; 1000]), points(&[DVec3::ONE; 1000])] {
            let mut atoms: Vec<u32> = sorted(points).iter().map(|p| p.atom).collect();
            atoms.sort_unstable();
            assert!(atoms.iter().enumerate().all(|(i, &atom)| i == atom as usize));
        }
    }
}
