//! Full list of cluster pairs for the gather kernel: every i cluster with all its j clusters, both orders listed.
//!
//! An entry is a pair of clusters that holds at least one atom pair closer than the list radius in *any* image, or an
//! excluded pair at any distance. A pair of clusters is listed once: kernels take the nearest image of each atom pair,
//! which is unique inside the cutoff (at most half a cell height) even when the list radius is larger than that.
//! Knows positions, cell and exclusions; not charges, types or forces.

use super::cluster_pairs::{ClusterPairs, Excluded};
use super::clusters::{CLUSTER, Clusters, PADDING};
use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;
use rayon::prelude::*;
use std::collections::HashMap;

/// Which of the 8 × 8 atom pairs of an entry are evaluated; bit 8 i + j.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PairMask {
    /// Pairs that are evaluated at all: padding and an atom with itself are not.
    pub listed: u64,
    /// Those of them that are not excluded.
    pub free: u64,
}

impl PairMask {
    /// All pairs of two full clusters without exclusions.
    pub const ALL: PairMask = PairMask { listed: u64::MAX, free: u64::MAX };
}

/// The list; `entries[ranges[c]..ranges[c + 1]]` belong to i cluster c.
#[derive(Debug, Clone, PartialEq)]
pub struct FullClusterList {
    /// nm
    pub radius: f64,
    pub clusters: Clusters,
    /// `[n_clusters + 1]`
    pub ranges: Vec<u32>,
    /// (j cluster, index into `masks`), ascending j within an i cluster
    pub entries: Vec<(u32, u32)>,
    /// Distinct masks; entry 0 is [`PairMask::ALL`].
    pub masks: Vec<PairMask>,
}

/// Searches all cluster pairs and lists them in both orders.
///
/// * `positions` – `[n_atoms]`, nm, wrapped or not
/// * `radius` – nm; may exceed half the cell
///
/// Cost is O(N log N), spread over threads; the result does not depend on their number.
pub fn build(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> FullClusterList {
    let ClusterPairs { clusters, near, excluded } = ClusterPairs::build(positions, cell, topology, radius);
    let n_clusters = clusters.n_clusters();
    // ascending: what earlier clusters list comes before what a cluster lists itself
    let mut both: Vec<Vec<u32>> = vec![Vec::new(); n_clusters];
    for (i, near) in near.iter().enumerate() {
        for n in near {
            both[i].push(n.j);
            if n.j as usize != i {
                both[n.j as usize].push(i as u32);
            }
        }
    }
    let rows: Vec<Vec<(u32, PairMask)>> = (both.par_iter().enumerate())
        .map(|(i, partners)| {
            let with_mask = |&j: &u32| (j, pair_mask(&clusters, i, j as usize, &excluded[i]));
            partners.iter().map(with_mask).filter(|(_, mask)| mask.listed != 0).collect()
        })
        .collect();

    let mut list = FullClusterList {
        radius,
        clusters,
        ranges: vec![0],
        entries: Vec::with_capacity(rows.iter().map(Vec::len).sum()),
        masks: vec![PairMask::ALL],
    };
    let mut index: HashMap<PairMask, u32> = HashMap::new();
    for row in rows {
        for (j, mask) in row {
            let entry = match mask {
                PairMask::ALL => 0,
                _ => *index.entry(mask).or_insert_with(|| {
                    list.masks.push(mask);
                    list.masks.len() as u32 - 1
                }),
            };
            list.entries.push((j, entry));
        }
        list.ranges.push(list.entries.len() as u32);
    }
    list
}

fn pair_mask(clusters: &Clusters, i: usize, j: usize, excluded: &[Excluded]) -> PairMask {
    // bit k: slot k holds an atom
    let filled = |c: usize| {
        let atoms = &clusters.order[c * CLUSTER..(c + 1) * CLUSTER];
        (0..CLUSTER).filter(|&k| atoms[k] != PADDING).fold(0u64, |bits, k| bits | 1 << k)
    };
    let (filled_i, filled_j) = (filled(i), filled(j));
    let mut listed = 0u64;
    for lane in (0..CLUSTER).filter(|lane| filled_i >> lane & 1 == 1) {
        let own = if i == j { 1 << lane } else { 0 };
        listed |= (filled_j & !own) << (CLUSTER * lane);
    }
    let mut free = listed;
    for e in excluded.iter().filter(|e| e.j as usize == j) {
        free &= !(1 << (CLUSTER as u32 * e.lane + e.lane_j));
    }
    PairMask { listed, free }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbor::pairs::brute_force;
    use crate::random::{Draws, Stream};
    use crate::system::topology::{Species, SpeciesAtom};
    use std::collections::HashSet;

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

    /// Counts of (listed, free) of every ordered atom pair.
    fn covered(list: &FullClusterList) -> HashMap<(u32, u32), (u32, u32)> {
        let mut counts = HashMap::new();
        for ci in 0..list.clusters.n_clusters() {
            for &(cj, m) in &list.entries[list.ranges[ci] as usize..list.ranges[ci + 1] as usize] {
                let mask = list.masks[m as usize];
                for bit in (0..64).filter(|bit| mask.listed >> bit & 1 == 1) {
                    let a = list.clusters.order[ci * CLUSTER + bit / CLUSTER];
                    let b = list.clusters.order[cj as usize * CLUSTER + bit % CLUSTER];
                    let count = counts.entry((a, b)).or_insert((0, 0));
                    count.0 += 1;
                    count.1 += (mask.free >> bit & 1) as u32;
                }
            }
        }
        counts
    }

    fn check(cell: &Cell, positions: &[DVec3], topology: &Topology, radius: f64) -> FullClusterList {
        let list = build(positions, cell, topology, radius);
        let counts = covered(&list);
        assert!(counts.values().all(|&(listed, _)| listed == 1), "an ordered pair is listed twice");
        assert!(counts.keys().all(|&(a, b)| a != b && a != PADDING && b != PADDING));
        for &(i, j) in &brute_force(positions, cell, topology, radius).pairs {
            assert_eq!(counts.get(&(i, j)), Some(&(1, 1)), "{i} {j}");
            assert_eq!(counts.get(&(j, i)), Some(&(1, 1)), "{j} {i}");
        }
        let excluded: HashSet<(usize, usize)> = topology.excluded_pairs().collect();
        for (i, j) in excluded {
            assert_eq!(counts.get(&(i as u32, j as u32)), Some(&(1, 0)));
            assert_eq!(counts.get(&(j as u32, i as u32)), Some(&(1, 0)));
        }
        list
    }

    #[test]
    fn covers_every_ordered_pair_once() {
        let skewed = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(1.2, 2.8, 0.0), DVec3::new(-1.0, 0.9, 2.9));
        for cell in [Cell::cubic(2.5).expect("valid"), skewed.expect("valid")] {
            let topology = trimers(111);
            let positions = scattered(333, DVec3::splat(7.0));
            // the last radius is beyond half the box
            for radius in [0.5, 0.9, 1.2, 1.45] {
                check(&cell, &positions, &topology, radius);
            }
        }
    }

    #[test]
    fn finds_pairs_whose_nearest_image_is_not_the_rounded_one() {
        // in a very skewed cell rounding fractional coordinates misses the nearest image beyond half a height
        let cell = Cell::new(DVec3::new(2.0, 0.0, 0.0), DVec3::new(0.98, 1.8, 0.0), DVec3::new(0.9, 0.85, 1.9));
        let cell = cell.expect("valid");
        let topology = trimers(40);
        let positions = scattered(120, DVec3::splat(4.0));
        let radius = 1.0;
        let counts = covered(&build(&positions, &cell, &topology, radius));
        let mut missed_by_rounding = 0;
        for i in 0..120 {
            for j in (0..120).filter(|&j| j != i) {
                let d = positions[i] - positions[j];
                let mut nearest = f64::INFINITY;
                for n in 0..125 {
                    let shift = DVec3::new(f64::from(n % 5 - 2), f64::from(n / 5 % 5 - 2), f64::from(n / 25 - 2));
                    nearest = nearest.min((cell.minimum_image(d) + cell.vectors() * shift).length());
                }
                if nearest < radius {
                    assert!(counts.contains_key(&(i as u32, j as u32)));
                    missed_by_rounding += usize::from(cell.minimum_image(d).length() >= radius);
                }
            }
        }
        assert!(missed_by_rounding > 0, "the test cell is not skewed enough to test anything");
    }

    #[test]
    fn small_and_odd_systems() {
        let cell = Cell::orthorhombic(3.0, 3.0, 9.0).expect("valid");
        // one atom has no pairs; 33 atoms leave seven slots of padding; a slab leaves most of the cell empty
        let single = Species { exclusions: vec![], bonds: vec![], ..trimers(1).species[0].clone() };
        let one = Species { atoms: single.atoms[..1].to_vec(), ..single };
        let lonely = Topology::new(vec!["O".into()], vec![one], &[0]);
        let list = check(&cell, &[DVec3::splat(0.1)], &lonely, 1.0);
        assert!(list.entries.is_empty());
        check(&cell, &scattered(33, DVec3::splat(3.0)), &trimers(11), 1.0);
        check(&cell, &scattered(300, DVec3::new(3.0, 3.0, 1.5)), &trimers(100), 1.0);
        check(&cell, &scattered(3, DVec3::splat(8.0)), &trimers(1), 0.2);
    }

    #[test]
    fn the_list_does_not_depend_on_the_number_of_threads() {
        let cell = Cell::cubic(4.0).expect("valid");
        let (positions, topology) = (scattered(6000, DVec3::splat(4.0)), trimers(2000));
        let with_threads = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
            pool.install(|| build(&positions, &cell, &topology, 0.9))
        };
        let one = with_threads(1);
        assert_eq!(one, with_threads(2));
        assert_eq!(one, with_threads(5));
    }

    #[test]
    fn masks_are_shared() {
        let list = build(&scattered(3000, DVec3::splat(3.1)), &Cell::cubic(3.1).expect("valid"), &trimers(1000), 0.9);
        assert_eq!(list.masks[0], PairMask::ALL);
        assert!(list.masks.len() < list.entries.len() / 4);
    }
}
