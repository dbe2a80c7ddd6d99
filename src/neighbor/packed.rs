//! Half list for the device: super-clusters of 64 atoms against clusters of eight, four of them to an entry.
//!
//! Every pair of clusters near each other stands in it once, with the earlier cluster on the i side; kernels take the
//! nearest image of each atom pair, which is unique inside the cutoff. An entry has one mask for each half of its j
//! clusters (4 atoms): bit 8 m + k says that cluster k of the super-cluster meets that half of j cluster m (S. Páll,
//! B. Hess, Comput. Phys. Commun. 184, 2641 (2013), for pairs of clusters; one mask per 8 × 4 atoms because 40 % of the
//! pairs it lists are inside the cutoff, against 34 % of 8 × 8).
//!
//! Knows positions, cell and exclusions; not charges, types or forces.

use super::cluster_pairs::{ClusterPairs, Near};
use super::clusters::{CLUSTER, Clusters, HALF, PADDING, SUPER};
use crate::cell::Cell;
use crate::system::Topology;
use bytemuck::{Pod, Zeroable};
use glam::DVec3;
use rayon::prelude::*;
use std::collections::HashMap;

/// j clusters of an entry.
pub const PACK: usize = 4;
/// Rows that keep a large device busy: 8 workgroups on each of 132 multiprocessors.
pub const TARGET_ROWS: usize = 1056;
/// A row shorter than this costs more to start and to sum up than it does work.
const MIN_ENTRIES: usize = 4;

/// Four j clusters of a super-cluster.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable, Default)]
pub struct Entry {
    /// Unused places have no bit in the masks.
    pub j: [u32; PACK],
    pub halves: [HalfMask; 2],
}

/// What half a j cluster meets: slots 0-3 or 4-7.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable, Default)]
pub struct HalfMask {
    /// Bit 8 m + k: cluster k of the super-cluster and this half of j cluster m.
    pub meets: u32,
    /// Index into `exclusions`.
    pub exclusions: u32,
}

/// Entries of one super-cluster, or a part of them: the work of one workgroup.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Row {
    pub super_cluster: u32,
    pub first: u32,
    pub end: u32,
    pub _pad: u32,
}

/// The list.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedList {
    /// nm
    pub radius: f64,
    pub clusters: Clusters,
    /// Longest first.
    pub rows: Vec<Row>,
    pub entries: Vec<Entry>,
    /// Word 8 (j slot mod 4) + i slot, bit 8 m + k: 1 where the pair is not excluded, 0 where it is or where a slot is
    /// empty. Distinct; entry 0 excludes nothing.
    pub exclusions: Vec<[u32; 32]>,
}

const NOTHING_EXCLUDED: [u32; 32] = [u32::MAX; 32];

/// Number of super-clusters of `n` clusters.
pub fn n_super_clusters(n_clusters: usize) -> usize {
    n_clusters.div_ceil(SUPER)
}

/// Largest number of rows of a list over `n` clusters.
pub fn max_rows(n_clusters: usize) -> usize {
    TARGET_ROWS + n_super_clusters(n_clusters)
}

/// An entry before its exclusions have found their place in the table.
type Raw = (Entry, [Option<Box<[u32; 32]>>; 2]);

impl PackedList {
    /// Searches all pairs of clusters with atoms closer than `radius`.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `radius` – nm; may exceed half the cell
    ///
    /// Cost is O(N log N), spread over threads; the result does not depend on their number.
    pub fn build(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> Self {
        let pairs = ClusterPairs::build(positions, cell, topology, radius);
        let n_super = n_super_clusters(pairs.clusters.n_clusters());
        let packed: Vec<Vec<Raw>> = (0..n_super).into_par_iter().map(|s| pack(&pairs, s)).collect();

        let n_entries: usize = packed.iter().map(Vec::len).sum();
        let longest = n_entries.div_ceil(TARGET_ROWS).max(MIN_ENTRIES);
        let (mut rows, mut entries) = (Vec::new(), Vec::with_capacity(n_entries));
        let mut exclusions = vec![NOTHING_EXCLUDED];
        let mut index: HashMap<Box<[u32; 32]>, u32> = HashMap::new();
        for (s, raw) in packed.into_iter().enumerate() {
            let (first, n) = (entries.len(), raw.len());
            for (mut entry, tables) in raw {
                for (half, table) in entry.halves.iter_mut().zip(tables) {
                    if let Some(table) = table {
                        half.exclusions = *index.entry(table).or_insert_with_key(|table| {
                            exclusions.push(**table);
                            exclusions.len() as u32 - 1
                        });
                    }
                }
                entries.push(entry);
            }
            // parts of equal length
            let parts = n.div_ceil(longest);
            rows.extend((0..parts).map(|part| Row {
                super_cluster: s as u32,
                first: (first + n * part / parts) as u32,
                end: (first + n * (part + 1) / parts) as u32,
                _pad: 0,
            }));
        }
        let work = |row: &Row| -> u32 {
            let own = &entries[row.first as usize..row.end as usize];
            own.iter().flat_map(|e| e.halves).map(|h| h.meets.count_ones()).sum()
        };
        rows.sort_by_cached_key(|row| (u32::MAX - work(row), row.first));
        PackedList { radius, clusters: pairs.clusters, rows, entries, exclusions }
    }

    /// The masks of every entry at other positions with a smaller radius: twin of `shaders/prune.wgsl`. A half and a cluster
    /// stay while any of their atoms are closer, or excluded from each other.
    ///
    /// * `positions` – `[n_atoms]`, nm
    /// * `radius` – nm, at most half the smallest height of the cell
    pub fn pruned(&self, positions: &[DVec3], cell: &Cell, radius: f64) -> Vec<[u32; 2]> {
        let mut masks = vec![[0; 2]; self.entries.len()];
        let atom = |cluster: usize, lane: usize| self.clusters.order[cluster * CLUSTER + lane];
        for row in &self.rows {
            for e in (row.first..row.end).map(|e| e as usize) {
                for (h, half) in self.entries[e].halves.iter().enumerate() {
                    let table = &self.exclusions[half.exclusions as usize];
                    for bit in (0..32).filter(|bit| half.meets >> bit & 1 == 1) {
                        let i = row.super_cluster as usize * SUPER + bit % 8;
                        let j = self.entries[e].j[bit / 8] as usize;
                        let stays = (0..32).any(|lanes| {
                            let (a, b) = (atom(i, lanes % CLUSTER), atom(j, HALF * h + lanes / CLUSTER));
                            let is_excluded = table[lanes] >> bit & 1 == 0;
                            let near = || {
                                let d = positions[a as usize] - positions[b as usize];
                                cell.minimum_image(d).length_squared() < radius * radius
                            };
                            is_excluded || near()
                        });
                        masks[e][h] |= u32::from(stays) << bit;
                    }
                }
            }
        }
        masks
    }

    /// Atom pairs that its masks let a kernel look at.
    pub fn n_pairs(&self) -> usize {
        let bits: usize = self.entries.iter().flat_map(|e| e.halves).map(|h| h.meets.count_ones() as usize).sum();
        bits * HALF * CLUSTER
    }
}

/// The entries of super-cluster `s`.
fn pack(pairs: &ClusterPairs, s: usize) -> Vec<Raw> {
    let first = s * SUPER;
    let last = (first + SUPER).min(pairs.clusters.n_clusters());
    // (j, cluster of the super-cluster, halves)
    let mut meetings: Vec<(u32, usize, u8)> = Vec::new();
    for i in first..last {
        meetings.extend(pairs.near[i].iter().map(|&Near { j, halves }| (j, i - first, halves)));
    }
    meetings.sort_unstable();
    let mut j_clusters: Vec<u32> = meetings.iter().map(|m| m.0).collect();
    j_clusters.dedup();
    let mut rest = meetings.iter().copied().peekable();
    let mut entries = Vec::with_capacity(j_clusters.len().div_ceil(PACK));
    for four in j_clusters.chunks(PACK) {
        let mut entry = Entry::default();
        for (m, &j) in four.iter().enumerate() {
            entry.j[m] = j;
            while let Some((_, k, halves)) = rest.next_if(|next| next.0 == j) {
                for (h, half) in entry.halves.iter_mut().enumerate() {
                    half.meets |= u32::from(halves >> h & 1) << (8 * m + k);
                }
            }
        }
        let tables = exclusions_of(pairs, first..last, four);
        entries.push((entry, tables));
    }
    entries
}

/// The exclusion words of each half of an entry; `None` where nothing is excluded.
fn exclusions_of(pairs: &ClusterPairs, i: std::ops::Range<usize>, four: &[u32]) -> [Option<Box<[u32; 32]>>; 2] {
    let mut tables: [Option<Box<[u32; 32]>>; 2] = [None, None];
    let mut exclude = |m: usize, k: usize, lane: usize, lane_j: usize| {
        let table = tables[lane_j / HALF].get_or_insert_with(|| Box::new(NOTHING_EXCLUDED));
        table[CLUSTER * (lane_j % HALF) + lane] &= !(1 << (8 * m + k));
    };
    let empty = |c: usize, lane: usize| pairs.clusters.order[c * CLUSTER + lane] == PADDING;
    for (k, i) in i.enumerate() {
        for e in &pairs.excluded[i] {
            if let Ok(m) = four.binary_search(&e.j)
                && e.j as usize >= i
            {
                exclude(m, k, e.lane as usize, e.lane_j as usize);
            }
        }
        for (m, &j) in four.iter().enumerate() {
            // padding stands at the end of the last cluster
            if empty(i, CLUSTER - 1) || empty(j as usize, CLUSTER - 1) {
                for (lane, lane_j) in (0..CLUSTER * CLUSTER).map(|n| (n / CLUSTER, n % CLUSTER)) {
                    if empty(i, lane) || empty(j as usize, lane_j) {
                        exclude(m, k, lane, lane_j);
                    }
                }
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbor::pairs::brute_force;
    use crate::random::{Draws, Stream};
    use crate::system::topology::{Species, SpeciesAtom};

    fn trimers(n: usize) -> Topology {
        let atom =
            |name: &str| SpeciesAtom { name: name.into(), element: "O".into(), type_id: 0, charge: 0.0, mass: 16.0 };
        let species = Species {
            name: "trimer".into(),
            residue: "TRI".into(),
            is_water: false,
            atoms: vec![atom("A"), atom("B"), atom("C")],
            bonds: vec![(0, 1), (0, 2)],
            exclusions: vec![(0, 1), (0, 2)],
            rigid_water: None,
            ..Species::default()
        };
        Topology::new(vec!["O".into()], vec![species], &vec![0; n])
    }

    fn scattered(n: usize, size: DVec3) -> Vec<DVec3> {
        let mut draws = Draws::new(17, Stream::Build, 0);
        (0..n).map(|_| DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * size - 0.3 * size).collect()
    }

    /// How often each atom pair (smaller, larger) is met, and how often without being excluded, as the kernel walks it.
    fn covered(list: &PackedList) -> HashMap<(u32, u32), (u32, u32)> {
        let mut counts = HashMap::new();
        let mut walked = vec![false; list.entries.len()];
        for row in &list.rows {
            for e in (row.first..row.end).map(|e| e as usize) {
                assert!(!std::mem::replace(&mut walked[e], true), "an entry stands in two rows");
                let entry = list.entries[e];
                for bit in (0..1024).filter(|b| entry.halves[b >> 4 & 1].meets >> (b >> 5) & 1 == 1) {
                    let (pair_of_lanes, h, place) = (bit & 15, bit >> 4 & 1, bit >> 5);
                    let (m, k) = (place / 8, place % 8);
                    // two of the 32 lane pairs of this bit
                    for lanes in [2 * pair_of_lanes, 2 * pair_of_lanes + 1] {
                        let (lane, lane_j) = (lanes % CLUSTER, lanes / CLUSTER + HALF * h);
                        let i = row.super_cluster as usize * SUPER + k;
                        let j = entry.j[m] as usize;
                        let free = list.exclusions[entry.halves[h].exclusions as usize][lanes] >> place & 1;
                        let (a, b) =
                            (list.clusters.order[i * CLUSTER + lane], list.clusters.order[j * CLUSTER + lane_j]);
                        if i == j && lane >= lane_j {
                            continue;
                        }
                        if a == PADDING || b == PADDING {
                            assert_eq!(free, 0, "padding is excluded");
                            continue;
                        }
                        let count = counts.entry((a.min(b), a.max(b))).or_insert((0, 0));
                        count.0 += 1;
                        count.1 += free;
                    }
                }
            }
        }
        assert!(walked.iter().all(|&w| w), "every entry stands in a row");
        counts
    }

    fn check(cell: &Cell, positions: &[DVec3], topology: &Topology, radius: f64) -> PackedList {
        let list = PackedList::build(positions, cell, topology, radius);
        assert!(list.rows.len() <= max_rows(list.clusters.n_clusters()));
        let counts = covered(&list);
        assert!(counts.values().all(|&(met, _)| met == 1), "a pair is met twice");
        for pair in &brute_force(positions, cell, topology, radius).pairs {
            assert_eq!(counts.get(pair), Some(&(1, 1)), "{pair:?}");
        }
        for (i, j) in topology.excluded_pairs() {
            assert_eq!(counts.get(&(i.min(j) as u32, i.max(j) as u32)), Some(&(1, 0)));
        }
        list
    }

    #[test]
    fn covers_every_pair_once() {
        let skewed = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(1.2, 2.8, 0.0), DVec3::new(-1.0, 0.9, 2.9));
        for cell in [Cell::cubic(2.5).expect("valid"), skewed.expect("valid")] {
            // the last radius is beyond half the box
            for radius in [0.5, 0.9, 1.45] {
                check(&cell, &scattered(333, DVec3::splat(7.0)), &trimers(111), radius);
            }
        }
        let cell = Cell::orthorhombic(3.0, 3.0, 9.0).expect("valid");
        // 33 atoms leave seven slots of padding; a slab leaves most of the cell empty; a stretched molecule
        check(&cell, &scattered(33, DVec3::splat(3.0)), &trimers(11), 1.0);
        check(&cell, &scattered(300, DVec3::new(3.0, 3.0, 1.5)), &trimers(100), 1.0);
        check(&cell, &scattered(3, DVec3::splat(8.0)), &trimers(1), 0.2);
    }

    #[test]
    fn rows_are_parts_of_equal_length_longest_first_and_independent_of_threads() {
        let cell = Cell::cubic(5.0).expect("valid");
        let (positions, topology) = (scattered(12_000, DVec3::splat(5.0)), trimers(4000));
        let with_threads = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
            pool.install(|| PackedList::build(&positions, &cell, &topology, 0.9))
        };
        let list = with_threads(1);
        assert_eq!(list, with_threads(3));
        let n_super = n_super_clusters(list.clusters.n_clusters());
        assert!(list.rows.len() > 2 * n_super, "{} rows of {n_super} super-clusters", list.rows.len());
        let longest = list.entries.len().div_ceil(TARGET_ROWS).max(MIN_ENTRIES);
        assert!(list.rows.iter().all(|r| r.end > r.first && (r.end - r.first) as usize <= longest));
        let bits = |row: &Row| -> u32 {
            let own = &list.entries[row.first as usize..row.end as usize];
            own.iter().flat_map(|e| e.halves).map(|h| h.meets.count_ones()).sum()
        };
        assert!(list.rows.windows(2).all(|w| bits(&w[0]) >= bits(&w[1])));
    }
}
