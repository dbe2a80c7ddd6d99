//! Half list of cluster pairs for the SIMD kernel: rows of four atoms (half a cluster) against clusters of eight.
//!
//! Every pair of atoms closer than the list radius stands in it exactly once per image, so with a cutoff of at most
//! half the smallest cell height the kernel meets every interacting pair once, at its nearest image, whatever the
//! list radius (S. Páll, B. Hess, Comput. Phys. Commun. 184, 2641 (2013)). Positions are kept relative to the centre
//! of their cluster, so single precision does not depend on the size of the cell.
//!
//! Knows positions, cell, exclusions and which atoms carry Lennard-Jones; computes no force.

use super::clusters::{CLUSTER, Clusters, HALF, PADDING};
use super::search::ClusterTree;
use crate::cell::Cell;
use crate::system::System;
use glam::{DVec3, IVec3, Vec3};
use rayon::prelude::*;

/// Clusters per task of the search: fixed, so that the result does not depend on the number of threads.
const CLUSTERS_PER_TASK: usize = 16;
/// What single-precision pruning may lose, nm.
pub(super) const ROUNDING: f64 = 1e-6;

/// Four atoms of one cluster against eight of another.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Entry {
    /// Cluster of the eight.
    pub j: u32,
    /// Bit 8·row + lane: does this pair interact? Excluded pairs and the lower triangle of a cluster with itself do
    /// not.
    pub mask: u32,
    /// Origin of `j`, moved by the lattice, minus origin of the row's cluster, nm: r_i − r_j = x_i − (x_j + offset).
    pub offset: [f32; 3],
    /// Lattice translation of `j` in multiples of a, b, c.
    pub shift: [i8; 3],
    _pad: i8,
}

/// The entries of one half cluster: those with a mask, then those with a pair inside the cutoff, then the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub first: u32,
    /// Entries first … plain−1 need their mask, plain … end−1 interact fully.
    pub plain: u32,
    /// Entries far … end−1 had no pair inside the cutoff when the list was built.
    pub far: u32,
    pub end: u32,
    /// Leading atoms of the half that may have a Lennard-Jones interaction; the others have none.
    pub n_lj: u32,
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
    /// `[2 n_clusters]`: row 2c + h is half h of cluster c.
    pub rows: Vec<Row>,
    pub entries: Vec<Entry>,
}

impl HalfList {
    /// Searches all cluster pairs with at least one atom pair closer than `radius`.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `radius` – nm; may exceed half the cell
    pub fn build(system: &System, positions: &[DVec3], cell: &Cell, radius: f64) -> Self {
        let wrapped: Vec<DVec3> = positions.par_iter().map(|&r| cell.wrap(r)).collect();
        let mut clusters = Clusters::from_wrapped(&wrapped);
        let has_lj: Vec<bool> = (0..system.pair_table.n_types()).map(|t| system.pair_table.type_has_lj(t)).collect();
        let topology = &system.topology;
        let atom_has_lj = |a: u32| a != PADDING && has_lj[topology.type_ids[a as usize] as usize];
        for half in clusters.order.chunks_mut(HALF) {
            half.sort_by_key(|&a| (!atom_has_lj(a), a));
        }

        let mut slot_of = vec![0; positions.len()];
        for (slot, &a) in clusters.order.iter().enumerate().filter(|&(_, &a)| a != PADDING) {
            slot_of[a as usize] = slot as u32;
        }
        let origins: Vec<DVec3> = (0..clusters.n_clusters())
            .map(|c| {
                let (low, high) = clusters
                    .atoms(c)
                    .map(|a| wrapped[a])
                    .fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), r| (low.min(r), high.max(r)));
                0.5 * (low + high)
            })
            .collect();
        let frame: Vec<DVec3> = clusters
            .order
            .iter()
            .enumerate()
            .map(|(slot, &a)| {
                let wrap = if a == PADDING { DVec3::ZERO } else { positions[a as usize] - wrapped[a as usize] };
                wrap + origins[slot / CLUSTER]
            })
            .collect();

        let search = Search {
            system,
            cell,
            tree: ClusterTree::build(&clusters, &wrapped, cell, radius),
            local: local_coordinates(&clusters, &wrapped, &origins),
            clusters: &clusters,
            wrapped: &wrapped,
            origins: &origins,
            slot_of: &slot_of,
            radius_sq: (radius + ROUNDING).powi(2) as f32,
            cutoff_sq: system.interactions.cutoff.powi(2) as f32,
            nearest_of_halves: choose_nearest_of_halves(),
        };
        let n_tasks = clusters.n_clusters().div_ceil(CLUSTERS_PER_TASK);
        let tasks: Vec<TaskOutput> = (0..n_tasks).into_par_iter().map(|t| search.task(t)).collect();

        let mut entries = Vec::with_capacity(tasks.iter().map(|t| t.entries.len()).sum());
        let mut rows = Vec::with_capacity(2 * clusters.n_clusters());
        for task in tasks {
            let base = entries.len() as u32;
            entries.extend_from_slice(&task.entries);
            for [first, plain, far, end] in task.rows {
                let atoms = &clusters.order[rows.len() * HALF..(rows.len() + 1) * HALF];
                let n_lj = atoms.iter().filter(|&&a| atom_has_lj(a)).count() as u32;
                rows.push(Row { first: base + first, plain: base + plain, far: base + far, end: base + end, n_lj });
            }
        }
        HalfList { radius, cell: *cell, positions: positions.to_vec(), clusters, slot_of, frame, rows, entries }
    }

    pub fn n_slots(&self) -> usize {
        self.clusters.order.len()
    }
}

/// Coordinates relative to the origin of the cluster, nm: x of eight atoms, then y, then z. Padding lies far away.
pub(super) fn local_coordinates(clusters: &Clusters, wrapped: &[DVec3], origins: &[DVec3]) -> Vec<Local> {
    (0..clusters.n_clusters())
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

/// Farther than any list reaches, nm.
const FAR: f32 = 1e6;

struct TaskOutput {
    entries: Vec<Entry>,
    /// [first, plain, far, end] relative to this task
    rows: Vec<[u32; 4]>,
}

struct Search<'a> {
    system: &'a System,
    cell: &'a Cell,
    tree: ClusterTree,
    local: Vec<Local>,
    clusters: &'a Clusters,
    wrapped: &'a [DVec3],
    origins: &'a [DVec3],
    slot_of: &'a [u32],
    radius_sq: f32,
    cutoff_sq: f32,
    nearest_of_halves: NearestOfHalves,
}

pub(super) type NearestOfHalves = fn(&Local, &Local, Vec3) -> [f32; 2];
/// Coordinates of eight atoms: x, then y, then z, nm.
pub(super) type Local = [[f32; CLUSTER]; 3];

impl Search<'_> {
    fn task(&self, task: usize) -> TaskOutput {
        let mut out = TaskOutput { entries: Vec::new(), rows: Vec::new() };
        let last = ((task + 1) * CLUSTERS_PER_TASK).min(self.clusters.n_clusters());
        let mut masked = [Vec::new(), Vec::new()];
        let mut plain = [Vec::new(), Vec::new()];
        let mut far = [Vec::new(), Vec::new()];
        for i in task * CLUSTERS_PER_TASK..last {
            let exclusions = self.exclusions_of(i);
            for list in masked.iter_mut().chain(&mut plain).chain(&mut far) {
                list.clear();
            }
            self.tree.neighbors(i, |candidate| {
                let shift = candidate.shift;
                let j = candidate.j as usize;
                let offset = (self.origins[j] + self.cell.to_cartesian(shift.as_dvec3()) - self.origins[i]).as_vec3();
                let nearest = (self.nearest_of_halves)(&self.local[i], &self.local[j], offset);
                for half in (0..2).filter(|&h| nearest[h] < self.radius_sq) {
                    let mut mask = u32::MAX;
                    if i == j && shift == IVec3::ZERO {
                        mask = upper_triangle(half);
                    }
                    for e in exclusions.iter().filter(|e| e.j == j && e.shift == shift && e.slot / HALF == half) {
                        mask &= !(1 << (8 * (e.slot % HALF) + e.lane));
                    }
                    if mask == 0 {
                        continue;
                    }
                    let [x, y, z] = shift.to_array().map(|k| k as i8);
                    let entry = Entry { j: j as u32, mask, offset: offset.to_array(), shift: [x, y, z], _pad: 0 };
                    let group = match () {
                        () if mask != u32::MAX => &mut masked,
                        () if nearest[half] < self.cutoff_sq => &mut plain,
                        () => &mut far,
                    };
                    group[half].push(entry);
                }
            });
            for half in 0..2 {
                let first = out.entries.len() as u32;
                out.entries.extend_from_slice(&masked[half]);
                let start_plain = out.entries.len() as u32;
                out.entries.extend_from_slice(&plain[half]);
                let start_far = out.entries.len() as u32;
                out.entries.extend_from_slice(&far[half]);
                out.rows.push([first, start_plain, start_far, out.entries.len() as u32]);
            }
        }
        out
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
                exclusions.push(Exclusion { slot, j: other / CLUSTER, lane: other % CLUSTER, shift });
            }
        }
        exclusions
    }
}

#[derive(Debug, Clone, Copy)]
struct Exclusion {
    slot: usize,
    j: usize,
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
