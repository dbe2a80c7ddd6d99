//! Half list of cluster pairs for the SIMD kernel: rows of four atoms (half a cluster) against clusters of eight.
//!
//! Every pair of atoms closer than the list radius stands in it exactly once per image, so with a cutoff of at most
//! half the smallest cell height the kernel meets every interacting pair once, at its nearest image, whatever the
//! list radius (S. Páll, B. Hess, Comput. Phys. Commun. 184, 2641 (2013)). Positions are kept relative to the origin
//! of their cluster, so single precision does not depend on the size of the cell. Origins lie on a grid so fine and
//! so coarse that differences of them are exact in single precision: an entry needs no offset of its own.
//!
//! The list is cut into parts, consecutive clusters each, that depend on the atoms alone and not on the threads: one
//! task searches a part, and later one task computes its forces.
//!
//! Knows positions, cell, exclusions and which atoms carry Lennard-Jones; computes no force.

use super::clusters::{CLUSTER, Clusters, HALF, PADDING};
use super::search::ClusterTree;
use crate::cell::Cell;
use crate::system::System;
use glam::{DVec3, IVec3, Vec3};
use rayon::prelude::*;
use std::mem::take;
use std::ops::Range;

/// Fewest clusters per part, and the most where that makes more than [`MANY_PARTS`] of them.
const CLUSTERS_PER_PART: [usize; 2] = [16, 4096];
const MANY_PARTS: usize = 64;
/// What an [`Entry`] can count. Parts that touch more are cut.
const MOST_TOUCHED: usize = 1 << 16;
/// Clusters that are searched for together.
const GROUP: usize = 8;
/// What single-precision pruning may lose, nm.
pub(super) const ROUNDING: f64 = 1e-6;
/// Farther than any list reaches, nm.
const FAR: f32 = 1e6;

/// Four atoms of one cluster against eight of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// Cluster of the eight.
    pub j: u32,
    /// Which of [`HalfList::shifts`] moves it.
    pub shift: u16,
    /// Its place in [`Part::touched`].
    pub local: u16,
}

/// The entries of one half cluster: those with a mask, then the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub first: u32,
    /// Entries first … plain−1 need their mask, plain … end−1 interact fully.
    pub plain: u32,
    pub end: u32,
    /// Place of the first entry's mask.
    pub masks: u32,
    /// Leading atoms of the half that may have a Lennard-Jones interaction; the others have none.
    pub n_lj: u32,
}

/// Rows of consecutive half clusters with their entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    pub entries: Vec<Entry>,
    /// Bit 8·row + lane: does this pair interact? Excluded pairs and the lower triangle of a cluster with itself do
    /// not.
    pub masks: Vec<u32>,
}

/// Consecutive clusters, and all pairs that they own; where a single cluster has more neighbors than an entry can count, some of
/// its pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub clusters: Range<usize>,
    /// Rows 2k and 2k + 1 are the halves of the k-th cluster.
    pub list: Rows,
    /// Clusters whose atoms these pairs move: its own, then those of the entries.
    pub touched: Vec<u32>,
}

/// A lattice translation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// In multiples of a, b, c.
    pub steps: IVec3,
    /// nm, on the grid of the origins; the fourth is 0.
    pub on_grid: [f32; 4],
    /// What the grid leaves over, nm.
    pub rest: [f32; 4],
}

/// The list and the frame it was built in.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfList {
    /// nm
    pub radius: f64,
    /// Cell at the time of the build.
    pub cell: Cell,
    pub clusters: Clusters,
    /// atom → slot
    pub slot_of: Vec<u32>,
    /// `[n_slots]`, nm: x − frame is the position relative to the cluster's origin, for the unwrapped x of the build
    /// and everything reached from it continuously.
    pub frame: Vec<DVec3>,
    /// `[n_atoms]`, nm: positions at the time of the build.
    pub positions: Vec<DVec3>,
    /// `[n_clusters]`, nm; the fourth is 0.
    pub origins: Vec<[f32; 4]>,
    pub shifts: Vec<Shift>,
    pub parts: Vec<Part>,
}

/// Origin of a cluster moved by `shift` minus origin of the row's cluster, nm: r_i − r_j = x_i − (x_j + offset).
#[inline(always)]
pub fn offset(origin_i: &[f32; 4], origin_j: &[f32; 4], shift: &Shift) -> [f32; 4] {
    let mut offset = [0.0; 4];
    for k in 0..4 {
        // the first two are exact
        offset[k] = ((origin_j[k] - origin_i[k]) + shift.on_grid[k]) + shift.rest[k];
    }
    offset
}

impl HalfList {
    /// Searches all cluster pairs with at least one atom pair closer than `radius`.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `radius` – nm; may exceed half the cell
    pub fn build(system: &System, positions: &[DVec3], cell: &Cell, radius: f64) -> Self {
        Self::build_with(system, positions, cell, radius, MOST_TOUCHED)
    }

    /// * `most_touched` – clusters of a part, at least 2
    fn build_with(system: &System, positions: &[DVec3], cell: &Cell, radius: f64, most_touched: usize) -> Self {
        let wrapped: Vec<DVec3> = positions.par_iter().map(|&r| cell.wrap(r)).collect();
        let mut clusters = Clusters::from_wrapped(&wrapped);
        let has_lj: Vec<bool> = (0..system.pair_table.n_types()).map(|t| system.pair_table.type_has_lj(t)).collect();
        let topology = &system.topology;
        let atom_has_lj = |a: u32| a != PADDING && has_lj[topology.type_ids[a as usize] as usize];
        clusters.order.par_chunks_mut(HALF).for_each(|half| half.sort_unstable_by_key(|&a| (!atom_has_lj(a), a)));

        let mut slot_of = vec![0; positions.len()];
        for (slot, &a) in clusters.order.iter().enumerate().filter(|&(_, &a)| a != PADDING) {
            slot_of[a as usize] = slot as u32;
        }
        let grid = Grid::new(cell);
        let origins: Vec<[f32; 4]> = (0..clusters.n_clusters())
            .into_par_iter()
            .map(|c| {
                let (low, high) = clusters
                    .atoms(c)
                    .map(|a| wrapped[a])
                    .fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), r| (low.min(r), high.max(r)));
                grid.nearest(0.5 * (low + high))
            })
            .collect();
        let exact: Vec<DVec3> = origins.iter().map(|o| DVec3::from_slice(&o.map(f64::from))).collect();
        let mut frame = vec![DVec3::ZERO; clusters.order.len()];
        frame.par_chunks_mut(CLUSTER).enumerate().for_each(|(c, frame)| {
            for (frame, &a) in frame.iter_mut().zip(&clusters.order[c * CLUSTER..]) {
                let wrap = if a == PADDING { DVec3::ZERO } else { positions[a as usize] - wrapped[a as usize] };
                *frame = wrap + exact[c];
            }
        });
        let tree = ClusterTree::build(&clusters, &wrapped, cell, radius);
        let shifts: Vec<Shift> = tree.shifts().map(|steps| grid.shift(cell, steps)).collect();

        let search = Search {
            system,
            cell,
            tree,
            local: local_coordinates(&clusters, &wrapped, &exact),
            clusters: &clusters,
            wrapped: &wrapped,
            origins: &origins,
            shifts: &shifts,
            slot_of: &slot_of,
            atom_has_lj: &atom_has_lj,
            radius_sq: (radius + ROUNDING).powi(2) as f32,
            nearest_of_halves: choose_nearest_of_halves(),
            most_touched,
        };
        let parts: Vec<Vec<Part>> = cut(clusters.n_clusters())
            .into_par_iter()
            .map_init(|| vec![u32::MAX; clusters.n_clusters()], |places, range| search.parts(range, places))
            .collect();
        let parts = parts.into_iter().flatten().collect();
        HalfList {
            radius,
            cell: *cell,
            positions: positions.to_vec(),
            slot_of,
            frame,
            parts,
            shifts,
            origins,
            clusters,
        }
    }

    pub fn n_slots(&self) -> usize {
        self.clusters.order.len()
    }

    pub fn n_entries(&self) -> usize {
        self.parts.iter().map(|p| p.list.entries.len()).sum()
    }
}

/// The clusters of every part.
fn cut(n_clusters: usize) -> Vec<Range<usize>> {
    let [fewest, most] = CLUSTERS_PER_PART;
    let n_parts = n_clusters.div_ceil(fewest).clamp(1, MANY_PARTS.max(n_clusters.div_ceil(most)));
    let cut = |k: usize| n_clusters * k / n_parts;
    (0..n_parts).map(|k| cut(k)..cut(k + 1)).collect()
}

/// Points that differ by multiples of a power of two, nm, which f32 represents exactly throughout the cell.
struct Grid {
    spacing: f64,
}

impl Grid {
    fn new(cell: &Cell) -> Self {
        let v = cell.vectors();
        // wrapped positions, and lattice translations by up to two turns, stay below this
        let extent = 2.0 * (v.x_axis.length() + v.y_axis.length() + v.z_axis.length());
        Grid { spacing: (extent.log2().ceil() - 23.0).exp2() }
    }

    fn nearest(&self, r: DVec3) -> [f32; 4] {
        let [x, y, z] = r.to_array().map(|x| ((x / self.spacing).round() * self.spacing) as f32);
        [x, y, z, 0.0]
    }

    fn shift(&self, cell: &Cell, steps: IVec3) -> Shift {
        let vector = cell.to_cartesian(steps.as_dvec3());
        let on_grid = self.nearest(vector);
        let rest = (vector - DVec3::from_slice(&on_grid.map(f64::from))).as_vec3();
        Shift { steps, on_grid, rest: [rest.x, rest.y, rest.z, 0.0] }
    }
}

/// Coordinates relative to the origin of the cluster, nm: x of eight atoms, then y, then z. Padding lies far away.
pub(super) fn local_coordinates(clusters: &Clusters, wrapped: &[DVec3], origins: &[DVec3]) -> Vec<Local> {
    (0..clusters.n_clusters())
        .into_par_iter()
        .map(|c| {
            let mut local = [[FAR; CLUSTER]; 3];
            for (lane, &a) in clusters.order[c * CLUSTER..(c + 1) * CLUSTER].iter().enumerate() {
                if a != PADDING {
                    let r = (wrapped[a as usize] - origins[c]).as_vec3();
                    (local[0][lane], local[1][lane], local[2][lane]) = (r.x, r.y, r.z);
                }
            }
            local
        })
        .collect()
}

struct Search<'a, F> {
    system: &'a System,
    cell: &'a Cell,
    tree: ClusterTree,
    local: Vec<Local>,
    clusters: &'a Clusters,
    wrapped: &'a [DVec3],
    origins: &'a [[f32; 4]],
    shifts: &'a [Shift],
    slot_of: &'a [u32],
    atom_has_lj: &'a F,
    radius_sq: f32,
    nearest_of_halves: NearestOfHalves,
    most_touched: usize,
}

/// A part that is being made.
struct Unfinished<'a> {
    list: Rows,
    touched: Vec<u32>,
    /// `[n_clusters]`: place among `touched`, or `u32::MAX`
    places: &'a mut [u32],
    /// Of the two halves of a cluster; empty between clusters.
    found: [Vec<Found>; 2],
}

impl Unfinished<'_> {
    fn place_of(&mut self, c: u32) -> u16 {
        let place = &mut self.places[c as usize];
        if *place == u32::MAX {
            *place = self.touched.len() as u32;
            self.touched.push(c);
        }
        *place as u16 // whoever has touched too much is thrown away
    }
}

pub(super) type NearestOfHalves = fn(&Local, &Local, Vec3) -> [f32; 2];
/// Coordinates of eight atoms: x, then y, then z, nm.
pub(super) type Local = [[f32; CLUSTER]; 3];

/// An entry that is not in its row yet.
struct Found {
    j: u32,
    shift: u16,
    mask: u32,
}

impl<F: Fn(u32) -> bool> Search<'_, F> {
    /// The part of `range`, or several where it would touch too many clusters.
    ///
    /// * `places` – `[n_clusters]`, all `u32::MAX`, and left so
    fn parts(&self, range: Range<usize>, places: &mut [u32]) -> Vec<Part> {
        let mut candidates = Vec::new();
        let whole = self.part(range.clone(), places, |part| {
            for first in range.clone().step_by(GROUP) {
                let group = first..(first + GROUP).min(range.end);
                candidates.clear();
                self.tree.neighbors(group.clone(), &mut candidates);
                group.for_each(|i| self.add(i, &candidates, part));
            }
        });
        if let Some(part) = whole {
            return vec![part];
        }
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            let mut parts = self.parts(range.start..middle, places);
            parts.append(&mut self.parts(middle..range.end, places));
            return parts;
        }
        // each of these touches one cluster at most, besides the cluster itself
        candidates.clear();
        self.tree.neighbors(range.clone(), &mut candidates);
        (candidates.chunks(self.most_touched - 1))
            .filter_map(|some| self.part(range.clone(), places, |part| self.add(range.start, some, part)))
            .collect()
    }

    /// A part of what `fill` adds to it; `None` if it touches too many clusters.
    fn part(&self, range: Range<usize>, places: &mut [u32], fill: impl FnOnce(&mut Unfinished)) -> Option<Part> {
        let mut part = Unfinished { list: Rows::default(), touched: Vec::new(), places, found: Default::default() };
        for i in range.clone() {
            part.place_of(i as u32);
        }
        fill(&mut part);
        let Unfinished { mut list, touched, places, .. } = part;
        for &c in &touched {
            places[c as usize] = u32::MAX;
        }
        list.entries.shrink_to_fit();
        list.masks.shrink_to_fit();
        (touched.len() <= self.most_touched).then_some(Part { clusters: range, list, touched })
    }

    /// Adds the rows of cluster `i`, with the entries that are among `candidates`.
    fn add(&self, i: usize, candidates: &[super::search::Candidate], part: &mut Unfinished) {
        let mut found = take(&mut part.found);
        self.row(i, candidates, &mut found);
        for (half, found) in found.iter_mut().enumerate() {
            let atoms = &self.clusters.order[(2 * i + half) * HALF..(2 * i + half + 1) * HALF];
            let mut row = Row {
                first: part.list.entries.len() as u32,
                masks: part.list.masks.len() as u32,
                plain: 0,
                end: 0,
                n_lj: atoms.iter().filter(|&&a| (self.atom_has_lj)(a)).count() as u32,
            };
            for f in found.iter().filter(|f| f.mask != u32::MAX) {
                let local = part.place_of(f.j);
                part.list.entries.push(Entry { j: f.j, shift: f.shift, local });
                part.list.masks.push(f.mask);
            }
            row.plain = part.list.entries.len() as u32;
            for f in found.iter().filter(|f| f.mask == u32::MAX) {
                let local = part.place_of(f.j);
                part.list.entries.push(Entry { j: f.j, shift: f.shift, local });
            }
            row.end = part.list.entries.len() as u32;
            part.list.rows.push(row);
            found.clear();
        }
        part.found = found;
    }

    /// The entries of both halves of cluster `i` among the candidates of its group.
    fn row(&self, i: usize, candidates: &[super::search::Candidate], found: &mut [Vec<Found>; 2]) {
        let exclusions = self.exclusions_of(i);
        let (own, origin) = (&self.local[i], &self.origins[i]);
        self.tree.near(i, candidates, |j, shift| {
            let s = &self.shifts[shift as usize];
            let [x, y, z, _] = offset(origin, &self.origins[j as usize], s);
            let nearest = (self.nearest_of_halves)(own, &self.local[j as usize], Vec3::new(x, y, z));
            for half in (0..2).filter(|&h| nearest[h] < self.radius_sq) {
                let mut mask = u32::MAX;
                if i == j as usize && s.steps == IVec3::ZERO {
                    mask = upper_triangle(half);
                }
                for e in exclusions.iter().filter(|e| e.j == j && e.slot / HALF == half && e.shift == s.steps) {
                    mask &= !(1 << (8 * (e.slot % HALF) + e.lane));
                }
                if mask != 0 {
                    found[half].push(Found { j, shift, mask });
                }
            }
        });
    }

    /// Excluded partners of the atoms of cluster `i`, each at its nearest image: the molecule's own.
    fn exclusions_of(&self, i: usize) -> Vec<Exclusion> {
        let mut exclusions = Vec::new();
        for (slot, &a) in self.clusters.order[i * CLUSTER..(i + 1) * CLUSTER].iter().enumerate() {
            if a == PADDING {
                continue;
            }
            let a = a as usize;
            for b in self.system.topology.excluded_partners(a) {
                let other = self.slot_of[b] as usize;
                let s = self.cell.to_fractional(self.wrapped[a] - self.wrapped[b]);
                let shift = s.round().as_ivec3();
                exclusions.push(Exclusion { slot, j: (other / CLUSTER) as u32, lane: other % CLUSTER, shift });
            }
        }
        exclusions
    }
}

#[derive(Debug, Clone, Copy)]
struct Exclusion {
    slot: usize,
    j: u32,
    lane: usize,
    shift: IVec3,
}

/// Pairs (row, lane) of half `half` of a cluster with the cluster itself, each once: lane above the row's slot.
fn upper_triangle(half: usize) -> u32 {
    let mut mask = 0;
    for row in 0..HALF {
        for lane in HALF * half + row + 1..CLUSTER {
            mask |= 1 << (8 * row + lane);
        }
    }
    mask
}

/// The widest version of [`nearest_of_halves`] that the processor runs; all give the same answer (no fused arithmetic).
pub(super) fn choose_nearest_of_halves() -> NearestOfHalves {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        unsafe fn avx2(a: &Local, b: &Local, offset: Vec3) -> [f32; 2] {
            nearest_of_halves(a, b, offset)
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked
            return |a, b, offset| unsafe { avx2(a, b, offset) };
        }
    }
    nearest_of_halves
}

/// Squared distance of the closest pair between each half of `a` and `b` + offset, nm².
#[inline(always)]
fn nearest_of_halves(a: &Local, b: &Local, offset: Vec3) -> [f32; 2] {
    let [mut x, mut y, mut z] = *b;
    for lane in 0..CLUSTER {
        x[lane] += offset.x;
        y[lane] += offset.y;
        z[lane] += offset.z;
    }
    let mut least = [f32::INFINITY; 2];
    for (half, least) in least.iter_mut().enumerate() {
        let mut nearest = [f32::INFINITY; CLUSTER];
        for row in 0..HALF {
            let [ax, ay, az] = [a[0][HALF * half + row], a[1][HALF * half + row], a[2][HALF * half + row]];
            for lane in 0..CLUSTER {
                let (dx, dy, dz) = (ax - x[lane], ay - y[lane], az - z[lane]);
                let r_sq = dx * dx + dy * dy + dz * dz;
                nearest[lane] = if r_sq < nearest[lane] { r_sq } else { nearest[lane] };
            }
        }
        for r_sq in nearest {
            *least = if r_sq < *least { r_sq } else { *least };
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potential::mixing::Mixing;
    use crate::potential::pair_table::PairTable;
    use crate::random::{Draws, Stream};
    use crate::system::topology::{Species, SpeciesAtom};
    use crate::system::{Coulomb, External, Interactions, LjModifier, Topology};
    use std::collections::BTreeMap;

    /// Dumbbells, excluded from themselves, anywhere in the cell.
    fn dumbbells(n: usize, cell: &Cell) -> (System, Vec<DVec3>) {
        let atom = SpeciesAtom { name: "A".into(), element: "Ar".into(), type_id: 0, charge: 0.0, mass: 40.0 };
        let species =
            Species { name: "A2".into(), atoms: vec![atom; 2], exclusions: vec![(0, 1)], ..Species::default() };
        let system = System {
            topology: Topology::new(vec!["A".into()], vec![species], &vec![0; n]),
            pair_table: PairTable::mixed(&[(0.3, 1.0)], |_, _| Mixing::LorentzBerthelot),
            interactions: Interactions {
                cutoff: 0.5,
                lj_modifier: LjModifier::None,
                dispersion_correction: false,
                coulomb: Coulomb::Cutoff,
            },
            restraints: Vec::new(),
            external: External::default(),
        };
        let mut draws = Draws::new(41, Stream::Build, 0);
        let uniform = |_| cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()));
        let positions = (0..2 * n).map(uniform).collect();
        (system, positions)
    }

    /// How often every (slot, slot, shift) is met.
    fn met(list: &HalfList) -> BTreeMap<(usize, usize, u16), u32> {
        let mut met = BTreeMap::new();
        for part in &list.parts {
            let Rows { rows, entries, masks } = &part.list;
            assert_eq!(rows.len(), 2 * part.clusters.len());
            assert!(part.clusters.clone().eq(part.touched[..part.clusters.len()].iter().map(|&c| c as usize)));
            for (k, row) in rows.iter().enumerate() {
                let first = (2 * part.clusters.start + k) * HALF;
                for e in row.first..row.end {
                    let entry = entries[e as usize];
                    assert_eq!(part.touched[entry.local as usize], entry.j);
                    let mask = if e < row.plain { masks[(row.masks + e - row.first) as usize] } else { u32::MAX };
                    for bit in (0..32).filter(|bit| mask >> bit & 1 == 1) {
                        let pair = (first + bit / CLUSTER, entry.j as usize * CLUSTER + bit % CLUSTER, entry.shift);
                        *met.entry(pair).or_insert(0) += 1;
                    }
                }
            }
        }
        met
    }

    /// A radius of several nanometres touches more clusters than an entry can count: the parts are cut, down to pieces of the row
    /// of one cluster, and hold the same pairs.
    #[test]
    fn parts_that_would_touch_too_many_clusters_are_cut() {
        let cell = Cell::cubic(3.0).expect("valid");
        let (system, positions) = dumbbells(500, &cell);
        let build = |most| HalfList::build_with(&system, &positions, &cell, 1.1, most);
        let most = |list: &HalfList| list.parts.iter().map(|p| p.touched.len()).max().unwrap_or(0);
        let whole = build(MOST_TOUCHED);
        assert!(most(&whole) > 100, "{}", most(&whole));
        let expected = met(&whole);
        assert!(expected.values().all(|&n| n == 1));
        for limit in [100, 40, 2] {
            let list = build(limit);
            assert!(most(&list) <= limit && list.parts.len() > whole.parts.len());
            let is_cut_within_a_cluster = list.parts.windows(2).any(|p| p[0].clusters == p[1].clusters);
            assert_eq!(is_cut_within_a_cluster, limit < 100, "{limit}");
            assert_eq!(met(&list), expected, "{limit}");
        }
    }
}
