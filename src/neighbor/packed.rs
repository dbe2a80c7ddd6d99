//! Half list for the device: super-clusters of 64 atoms against clusters of eight, four of them to an entry.
//!
//! Every pair of clusters near each other stands in it once, with the earlier cluster on the i side; kernels take the
//! nearest image of each atom pair, which is unique inside the cutoff. An entry has one mask for each half of its j
//! clusters (4 atoms): bit 8 m + k says that cluster k of the super-cluster meets that half of j cluster m (S. Páll,
//! B. Hess, Comput. Phys. Commun. 184, 2641 (2013), for pairs of clusters; one mask per 8 × 4 atoms because 40 % of the
//! pairs it lists are inside the cutoff, against 34 % of 8 × 8).
//!
//! Knows positions, cell and exclusions; not charges, types or forces.

use super::boxes::{BoxTree, Meeting, merge};
use super::clusters::{CLUSTER, Clusters, HALF, PADDING, SUPER};
use super::split::{sorted, wrapped};
use crate::cell::Cell;
use crate::system::Topology;
use bytemuck::{Pod, Zeroable};
use glam::DVec3;
use rayon::prelude::*;
use std::mem::{MaybeUninit, take};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// j clusters of an entry.
pub const PACK: usize = 4;
/// Rows that keep a large device busy: 44 workgroups for each of 132 multiprocessors.
pub const TARGET_ROWS: usize = 5808;
/// Rows are not cut shorter than this.
const MIN_ENTRIES: usize = 1;
/// Super-clusters that one task searches for, at most, and the tasks that there are before they take more than one.
const SUPERS_PER_TASK: usize = 8;
const MANY_TASKS: usize = 128;

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

/// The list. `rows`, `entries`, `outer`, `exclusions` and `slots` lie as the device reads them.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedList {
    /// nm
    pub radius: f64,
    pub clusters: Clusters,
    /// `[n_slots]`: atom and its type; ([`PADDING`], 0) where there is none
    pub slots: Vec<[u32; 2]>,
    /// `[n_atoms]`: atom → slot
    pub slot_of: Vec<u32>,
    /// Longest first.
    pub rows: Vec<Row>,
    pub entries: Vec<Entry>,
    /// The masks of `entries` alone: what a device prunes from.
    pub outer: Vec<[u32; 2]>,
    /// Word 8 (j slot mod 4) + i slot, bit 8 m + k: 1 where the pair is not excluded, 0 where it is or where a slot is
    /// empty. Every half of an entry that excludes anything has its own; entry 0 excludes nothing.
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

impl PackedList {
    /// Lists every pair of atoms closer than `radius`, and every excluded pair at any distance; by clusters, so others too.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `radius` – nm; may exceed half the cell
    ///
    /// Distances of atoms are taken only where boxes leave doubt; the little that they list in vain is a matter for pruning.
    /// Cost is O(N log N), spread over threads; the result does not depend on their number.
    pub fn build(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> Self {
        let arrays = SPARE.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
        let points = sorted(wrapped(positions, cell));
        let tree = BoxTree::build(&points, cell, radius);
        let clusters = Clusters::from_sorted(&points, arrays.order);
        let (mut slots, mut slot_of) = (arrays.slots, arrays.slot_of);
        find_slots(&clusters, topology, &mut slots, &mut slot_of);
        let search = Search { tree, clusters: &clusters, slot_of: &slot_of, topology };
        let n_super = search.tree.n_super();
        let per_task = n_super.div_ceil(MANY_TASKS).clamp(1, SUPERS_PER_TASK);
        let range = |task: usize| per_task * task..n_super.min(per_task * (task + 1));
        let found: Vec<Found> = (0..n_super.div_ceil(per_task))
            .into_par_iter()
            .map_init(Scratch::default, |scratch, task| search.super_clusters(range(task), scratch))
            .collect();
        let Joined { rows, entries, outer, exclusions } = join(found, per_task, arrays.joined);
        PackedList { radius, clusters, slots, slot_of, rows, entries, outer, exclusions }
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

/// Atoms that one task finds the slots of.
const CHUNK: usize = 2048;

/// Fills `slots` and `slot_of` of a list.
fn find_slots(clusters: &Clusters, topology: &Topology, slots: &mut Vec<[u32; 2]>, slot_of: &mut Vec<u32>) {
    slot_of.resize(topology.n_atoms(), 0);
    // SAFETY: borrowed for this long by nobody else, and an atomic word lies like a plain one
    let cells: &[AtomicU32] = unsafe { &*(slot_of.as_mut_slice() as *mut [u32] as *const [AtomicU32]) };
    (clusters.order.par_iter().enumerate().with_min_len(CHUNK))
        .map(|(slot, &atom)| {
            if atom == PADDING {
                return [PADDING, 0];
            }
            cells[atom as usize].store(slot as u32, Ordering::Relaxed);
            [atom, topology.type_ids[atom as usize]]
        })
        .collect_into_vec(slots);
}

/// Arrays of lists that are gone, for those to come: memory that is new to the process costs more than what is written to it,
/// and giving it back holds up whoever drops the list, which is the thread that feeds the device.
static SPARE: Mutex<Vec<Arrays>> = Mutex::new(Vec::new());
/// One list is in use while the next is made.
const MOST_SPARE: usize = 2;

#[derive(Default)]
struct Arrays {
    order: Vec<u32>,
    slots: Vec<[u32; 2]>,
    slot_of: Vec<u32>,
    joined: Joined,
}

impl Drop for PackedList {
    fn drop(&mut self) {
        let arrays = Arrays {
            order: take(&mut self.clusters.order),
            slots: take(&mut self.slots),
            slot_of: take(&mut self.slot_of),
            joined: Joined {
                rows: take(&mut self.rows),
                entries: take(&mut self.entries),
                outer: take(&mut self.outer),
                exclusions: take(&mut self.exclusions),
            },
        };
        if let Ok(mut spare) = SPARE.lock()
            && spare.len() < MOST_SPARE
        {
            spare.push(arrays);
        }
    }
}

/// The vector without what it holds, and with room for `n`.
fn emptied<T>(mut spare: Vec<T>, n: usize) -> Vec<T> {
    spare.clear();
    if spare.capacity() < n {
        spare.reserve_exact(n + n / 8); // the next list may be a little longer
    }
    spare
}

/// What a task has found: the entries of consecutive super-clusters.
struct Found {
    /// End of the entries of each super-cluster.
    ends: Vec<u32>,
    /// Index into `exclusions` plus one, or 0.
    entries: Vec<Entry>,
    exclusions: Vec<[u32; 32]>,
}

impl Found {
    /// The entries of each super-cluster.
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| start as usize..end as usize)
    }
}

/// An excluded pair of a super-cluster's atom with another.
#[derive(Debug, Clone, Copy)]
struct Excluded {
    /// Index of its j cluster among the meetings.
    place: u32,
    /// Cluster of the super-cluster.
    k: u8,
    lane: u8,
    lane_j: u8,
}

#[derive(Default)]
struct Scratch {
    near: Vec<u32>,
    meetings: Vec<Meeting>,
    excluded: Vec<Excluded>,
    /// Meetings in the order of the entries, and the inverse.
    order: Vec<u32>,
    places: Vec<u32>,
}

struct Search<'a> {
    tree: BoxTree,
    clusters: &'a Clusters,
    slot_of: &'a [u32],
    topology: &'a Topology,
}

impl Search<'_> {
    fn super_clusters(&self, range: Range<usize>, scratch: &mut Scratch) -> Found {
        let mut found = Found { ends: Vec::with_capacity(range.len()), entries: Vec::new(), exclusions: Vec::new() };
        for s in range {
            self.tree.meetings(s, &mut scratch.near, &mut scratch.meetings);
            self.exclude(s, scratch);
            self.pack(s, scratch, &mut found);
            found.ends.push(found.entries.len() as u32);
        }
        found
    }

    /// Finds the excluded pairs of super-cluster `s`, and lists what of them is out of reach.
    fn exclude(&self, s: usize, scratch: &mut Scratch) {
        let first = s * SUPER;
        let Scratch { meetings, excluded, .. } = scratch;
        excluded.clear();
        let mut beyond: Vec<Meeting> = Vec::new();
        let slots = first * CLUSTER..self.clusters.order.len().min((first + SUPER) * CLUSTER);
        for (slot, &atom) in self.clusters.order[slots].iter().enumerate().filter(|&(_, &atom)| atom != PADDING) {
            let k = slot / CLUSTER;
            for partner in self.topology.excluded_partners(atom as usize) {
                let other = self.slot_of[partner];
                let (j, lane_j) = (other / CLUSTER as u32, other % CLUSTER as u32);
                if (j as usize) < first + k {
                    continue; // its row lists the pair
                }
                let half = lane_j as usize / HALF;
                // clusters of the super-cluster itself meet themselves, so they come first and without a gap
                let own = j as usize - first;
                let place = match meetings.get(own) {
                    Some(meeting) if meeting.j == j => Ok(own),
                    _ => meetings.binary_search_by_key(&j, |m| m.j),
                };
                if let Ok(place) = place {
                    meetings[place].clusters[half] |= 1 << k;
                    let (k, lane, lane_j) = (k as u8, (slot % CLUSTER) as u8, lane_j as u8);
                    excluded.push(Excluded { place: place as u32, k, lane, lane_j });
                } else {
                    let mut clusters = [0; 2];
                    clusters[half] = 1 << k;
                    beyond.push(Meeting { j, clusters });
                }
            }
        }
        if !beyond.is_empty() {
            meetings.append(&mut beyond);
            merge(meetings);
            self.exclude(s, scratch);
        }
    }

    /// Appends the entries of super-cluster `s`: those with exclusions first, so that few entries need a table.
    fn pack(&self, s: usize, scratch: &mut Scratch, found: &mut Found) {
        let Scratch { meetings, excluded, order, places, .. } = scratch;
        let last = self.clusters.n_clusters() - 1;
        // padding stands at the end of the last cluster
        let padding = self.clusters.atoms(last).count()..CLUSTER;
        let is_padded = !padding.is_empty() && meetings.last().is_some_and(|m| m.j as usize == last);
        places.clear();
        places.resize(meetings.len(), u32::MAX);
        excluded.iter().for_each(|e| places[e.place as usize] = 0);
        if is_padded {
            places[meetings.len() - 1] = 0;
        }
        order.clear();
        order.extend((0..meetings.len() as u32).filter(|&m| places[m as usize] == 0));
        order.extend((0..meetings.len() as u32).filter(|&m| places[m as usize] != 0));
        order.iter().enumerate().for_each(|(place, &m)| places[m as usize] = place as u32);

        let first = found.entries.len();
        found.entries.extend(order.chunks(PACK).map(|four| {
            let mut entry = Entry::default();
            for (m, &place) in four.iter().enumerate() {
                let meeting = meetings[place as usize];
                entry.j[m] = meeting.j;
                for (half, clusters) in entry.halves.iter_mut().zip(meeting.clusters) {
                    half.meets |= u32::from(clusters) << (8 * m);
                }
            }
            entry
        }));
        let tables = &mut found.exclusions;
        let entries = &mut found.entries[first..];
        let mut exclude = |place: u32, half: usize, words: Range<usize>, clusters: u32| {
            let place = places[place as usize] as usize;
            let index = &mut entries[place / PACK].halves[half].exclusions;
            if *index == 0 {
                tables.push(NOTHING_EXCLUDED);
                *index = tables.len() as u32;
            }
            for word in &mut tables[*index as usize - 1][words] {
                *word &= !(clusters << (8 * (place % PACK)));
            }
        };
        for e in excluded.iter() {
            let lane_j = e.lane_j as usize;
            let word = CLUSTER * (lane_j % HALF) + e.lane as usize;
            exclude(e.place, lane_j / HALF, word..word + 1, 1 << e.k);
        }
        if is_padded {
            let place = meetings.len() as u32 - 1;
            for lane in padding {
                exclude(place, lane / HALF, CLUSTER * (lane % HALF)..CLUSTER * (lane % HALF + 1), 0xff);
                if last / SUPER == s {
                    for lane_j in 0..CLUSTER {
                        let word = CLUSTER * (lane_j % HALF) + lane;
                        exclude(place, lane_j / HALF, word..word + 1, 1 << (last % SUPER));
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Joined {
    rows: Vec<Row>,
    entries: Vec<Entry>,
    outer: Vec<[u32; 2]>,
    exclusions: Vec<[u32; 32]>,
}

/// Puts behind each other what tasks have found, and cuts it into rows.
///
/// * `found` – of `per_task` super-clusters each
/// * `spare` – gives its memory
fn join(found: Vec<Found>, per_task: usize, spare: Joined) -> Joined {
    let n_entries: usize = found.iter().map(|f| f.entries.len()).sum();
    let n_tables: usize = found.iter().map(|f| f.exclusions.len()).sum();
    let longest = n_entries.div_ceil(TARGET_ROWS).max(MIN_ENTRIES);
    let n_rows = |f: &Found| f.ranges().map(|r| r.len().div_ceil(longest)).sum::<usize>();
    let n_all_rows: usize = found.iter().map(n_rows).sum();

    let mut entries = emptied(spare.entries, n_entries);
    let mut outer = emptied(spare.outer, n_entries);
    let mut exclusions = emptied(spare.exclusions, 1 + n_tables);
    exclusions.push(NOTHING_EXCLUDED);
    let mut cut = Vec::with_capacity(n_all_rows);
    let mut rest = (
        &mut entries.spare_capacity_mut()[..n_entries],
        &mut outer.spare_capacity_mut()[..n_entries],
        &mut exclusions.spare_capacity_mut()[..n_tables],
        &mut cut.spare_capacity_mut()[..n_all_rows],
    );
    let (mut first_entry, mut first_table, mut first_super) = (0, 0, 0);
    let mut parts = Vec::with_capacity(found.len());
    for f in found {
        let (n, t) = (f.entries.len(), f.exclusions.len());
        let part = Part {
            entries: first(&mut rest.0, n),
            outer: first(&mut rest.1, n),
            exclusions: first(&mut rest.2, t),
            rows: first(&mut rest.3, n_rows(&f)),
            first_entry,
            first_table,
            first_super,
            found: f,
        };
        parts.push(part);
        (first_entry, first_table, first_super) = (first_entry + n, first_table + t, first_super + per_task);
    }
    parts.into_par_iter().for_each(|part| part.fill(longest));
    // SAFETY: the parts cover all of these lengths, and each has filled its own
    unsafe {
        entries.set_len(n_entries);
        outer.set_len(n_entries);
        exclusions.set_len(1 + n_tables);
        cut.set_len(n_all_rows);
    }
    Joined { rows: longest_first(cut, spare.rows), entries, outer, exclusions }
}

/// Where one task's entries, tables and rows go.
struct Part<'a> {
    found: Found,
    first_entry: usize,
    first_table: usize,
    first_super: usize,
    entries: &'a mut [MaybeUninit<Entry>],
    outer: &'a mut [MaybeUninit<[u32; 2]>],
    exclusions: &'a mut [MaybeUninit<[u32; 32]>],
    /// With the bits of their masks.
    rows: &'a mut [MaybeUninit<(u32, Row)>],
}

impl Part<'_> {
    fn fill(mut self, longest: usize) {
        for entry in &mut self.found.entries {
            for half in &mut entry.halves {
                if half.exclusions != 0 {
                    half.exclusions += self.first_table as u32;
                }
            }
        }
        let mut rows = self.rows.iter_mut();
        for (s, range) in self.found.ranges().enumerate() {
            // parts of equal length
            let n_parts = range.len().div_ceil(longest);
            for part in 0..n_parts {
                let cut = |part: usize| range.start + range.len() * part / n_parts;
                let (first, end) = (cut(part), cut(part + 1));
                let bits = |e: &Entry| e.halves.map(|h| h.meets.count_ones()).iter().sum::<u32>();
                let work = self.found.entries[first..end].iter().map(bits).sum();
                let [first, end] = [first, end].map(|e| (self.first_entry + e) as u32);
                let row = Row { super_cluster: (self.first_super + s) as u32, first, end, _pad: 0 };
                rows.next().expect("counted").write((work, row));
            }
        }
        assert!(rows.next().is_none(), "rows were counted alike");
        for (to, e) in self.outer.iter_mut().zip(&self.found.entries) {
            to.write(e.halves.map(|h| h.meets));
        }
        for (to, e) in self.entries.iter_mut().zip(&self.found.entries) {
            to.write(*e);
        }
        for (to, table) in self.exclusions.iter_mut().zip(&self.found.exclusions) {
            to.write(*table);
        }
    }
}

/// The first `n` of what is left.
fn first<'a, T>(rest: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (first, others) = take(rest).split_at_mut(n);
    *rest = others;
    first
}

/// Sorts by falling work, rows of equal work in their order: by counting, since there are few values.
fn longest_first(rows: Vec<(u32, Row)>, spare: Vec<Row>) -> Vec<Row> {
    let most = rows.iter().map(|r| r.0).max().unwrap_or(0);
    let mut start = vec![0u32; most as usize + 2];
    for (work, _) in &rows {
        start[(most - work) as usize + 1] += 1;
    }
    for k in 1..start.len() {
        start[k] += start[k - 1];
    }
    let mut sorted = emptied(spare, rows.len());
    sorted.resize(rows.len(), Row::zeroed());
    for (work, row) in rows {
        let place = &mut start[(most - work) as usize];
        sorted[*place as usize] = row;
        *place += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbor::pairs::brute_force;
    use crate::random::{Draws, Stream};
    use crate::system::topology::{Species, SpeciesAtom};
    use std::collections::HashMap;

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
        assert!(list.entries.iter().zip(&list.outer).all(|(e, &outer)| e.halves.map(|h| h.meets) == outer));
        for (slot, &[atom, type_id]) in list.slots.iter().enumerate() {
            assert_eq!(list.clusters.order[slot], atom);
            if atom != PADDING {
                assert_eq!(list.slot_of[atom as usize] as usize, slot);
                assert_eq!(topology.type_ids[atom as usize], type_id);
            }
        }
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
        // one cluster more than a super-cluster; molecules that span several of them; a radius of nearly nothing
        check(&cell, &scattered(66, DVec3::splat(9.0)), &trimers(22), 1.0);
        check(&cell, &scattered(1200, DVec3::new(3.0, 3.0, 9.0)), &trimers(400), 1e-3);
        let empty = Topology::new(vec!["O".into()], vec![], &[]);
        assert!(check(&cell, &[], &empty, 1.0).rows.is_empty());
    }

    /// A run that blows up is stopped by its backend; until then a list may be asked for.
    #[test]
    fn positions_that_are_not_numbers_make_a_list_too() {
        let cell = Cell::cubic(2.5).expect("valid");
        let mut positions = scattered(333, DVec3::splat(2.5));
        positions[5] = DVec3::NAN;
        positions[100].x = f64::INFINITY;
        for positions in [positions, vec![DVec3::NAN; 333]] {
            let counts = covered(&PackedList::build(&positions, &cell, &trimers(111), 0.9));
            assert!(trimers(111).excluded_pairs().all(|(i, j)| counts[&(i as u32, j as u32)] == (1, 0)));
        }
    }

    #[test]
    fn a_shorter_radius_misses_pairs_and_lists_less() {
        let cell = Cell::cubic(3.0).expect("valid");
        let (positions, topology) = (scattered(2700, DVec3::splat(3.0)), trimers(900));
        let within = brute_force(&positions, &cell, &topology, 0.9).pairs;
        let missed = |list: &PackedList| {
            let counts = covered(list);
            within.iter().filter(|&pair| !counts.contains_key(pair)).count()
        };
        let build = |radius| PackedList::build(&positions, &cell, &topology, radius);
        let (right, short) = (build(0.9), build(0.7));
        assert_eq!(missed(&right), 0);
        assert!(missed(&short) > within.len() / 100);
        // and the boxes do not list everything: 100 atoms/nm³ in clusters about 0.4 nm wide
        assert!(right.n_pairs() < 7 * within.len() / 2, "{} of {}", right.n_pairs(), within.len());
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
