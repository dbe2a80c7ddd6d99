//! Full list of cluster pairs for the gather kernel: every i cluster with all its j clusters, both orders listed.
//!
//! An entry is a pair of clusters that holds at least one atom pair closer than the list radius in *any* image, or an
//! excluded pair at any distance. A pair of clusters is listed once: kernels take the nearest image of each atom pair,
//! which is unique inside the cutoff (at most half a cell height) even when the list radius is larger than that.
//! Knows positions, cell and exclusions; not charges, types or forces.

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

/// A cluster's bounding sphere.
struct Sphere {
    center: DVec3,
    radius: f64,
}

/// Squared distance to the nearest of all images, nm², exact for distances up to `reach`.
struct Images {
    half_height_sq: f64,
    shifts: Vec<DVec3>,
}

impl Images {
    fn new(cell: &Cell, reach: f64) -> Self {
        // |s + n| ≤ reach/height along each axis, with s in [−1/2, 1/2]
        let [a, b, c] = cell.heights().map(|h| (reach / h + 0.5).floor() as i32);
        let mut shifts = Vec::new();
        for na in -a..=a {
            for nb in -b..=b {
                for nc in -c..=c {
                    if [na, nb, nc] != [0; 3] {
                        shifts.push(cell.vectors() * DVec3::new(f64::from(na), f64::from(nb), f64::from(nc)));
                    }
                }
            }
        }
        Images { half_height_sq: cell.half_height().powi(2), shifts }
    }

    fn distance_sq(&self, cell: &Cell, d: DVec3) -> f64 {
        let d = cell.minimum_image(d);
        let here = d.length_squared();
        if here <= self.half_height_sq {
            return here;
        }
        self.shifts.iter().map(|&shift| (d + shift).length_squared()).fold(here, f64::min)
    }
}

/// Searches all cluster pairs by bounding spheres, then by atoms.
///
/// * `positions` – `[n_atoms]`, nm, wrapped or not
/// * `radius` – nm
///
/// Cost is O(n_clusters²) sphere tests, spread over threads; the result does not depend on their number.
pub fn build(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> FullClusterList {
    let clusters = Clusters::build(positions, cell);
    let n_clusters = clusters.n_clusters();
    let mut slot_of = vec![0u32; positions.len()];
    for (slot, &atom) in clusters.order.iter().enumerate() {
        if atom != PADDING {
            slot_of[atom as usize] = slot as u32;
        }
    }
    let wrapped: Vec<DVec3> = positions.iter().map(|&r| cell.wrap(r)).collect();
    let spheres: Vec<Sphere> = (0..n_clusters)
        .map(|c| {
            let (low, high) = clusters.atoms(c).fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), a| {
                (low.min(wrapped[a]), high.max(wrapped[a]))
            });
            let center = 0.5 * (low + high);
            let radius = clusters.atoms(c).map(|a| (wrapped[a] - center).length()).fold(0.0, f64::max);
            Sphere { center, radius }
        })
        .collect();
    let widest = spheres.iter().map(|s| s.radius).fold(0.0, f64::max);
    let images = Images::new(cell, radius + 2.0 * widest);

    let rows: Vec<Vec<(u32, PairMask)>> = (0..n_clusters)
        .into_par_iter()
        .map(|ci| {
            // excluded partners of this cluster's atoms as (j cluster, bit)
            let mut excluded: Vec<(usize, u32)> = Vec::new();
            for (i, &atom) in clusters.order[ci * CLUSTER..(ci + 1) * CLUSTER].iter().enumerate() {
                if atom == PADDING {
                    continue;
                }
                for partner in topology.excluded_partners(atom as usize) {
                    let slot = slot_of[partner] as usize;
                    excluded.push((slot / CLUSTER, (CLUSTER * i + slot % CLUSTER) as u32));
                }
            }
            (0..n_clusters)
                .filter_map(|cj| {
                    let is_bonded = excluded.iter().any(|&(c, _)| c == cj);
                    if !is_bonded
                        && ci != cj
                        && !is_near(cell, &images, &clusters, &wrapped, &spheres, (ci, cj), radius)
                    {
                        return None;
                    }
                    let mask = pair_mask(&clusters, ci, cj, &excluded);
                    (mask.listed != 0).then_some((cj as u32, mask))
                })
                .collect()
        })
        .collect();

    let mut list = FullClusterList {
        radius,
        clusters,
        ranges: vec![0],
        entries: Vec::with_capacity(rows.iter().map(Vec::len).sum()),
        masks: vec![PairMask::ALL],
    };
    let mut index = HashMap::from([(PairMask::ALL, 0u32)]);
    for row in rows {
        for (cj, mask) in row {
            let entry = *index.entry(mask).or_insert_with(|| {
                list.masks.push(mask);
                list.masks.len() as u32 - 1
            });
            list.entries.push((cj, entry));
        }
        list.ranges.push(list.entries.len() as u32);
    }
    list
}

fn is_near(
    cell: &Cell,
    images: &Images,
    clusters: &Clusters,
    wrapped: &[DVec3],
    spheres: &[Sphere],
    (ci, cj): (usize, usize),
    radius: f64,
) -> bool {
    let reach = radius + spheres[ci].radius + spheres[cj].radius;
    if images.distance_sq(cell, spheres[ci].center - spheres[cj].center) >= reach * reach {
        return false;
    }
    clusters
        .atoms(ci)
        .any(|a| clusters.atoms(cj).any(|b| images.distance_sq(cell, wrapped[a] - wrapped[b]) < radius * radius))
}

fn pair_mask(clusters: &Clusters, ci: usize, cj: usize, excluded: &[(usize, u32)]) -> PairMask {
    let mut listed = 0u64;
    for i in 0..CLUSTER {
        for j in 0..CLUSTER {
            let (a, b) = (clusters.order[ci * CLUSTER + i], clusters.order[cj * CLUSTER + j]);
            if a != PADDING && b != PADDING && a != b {
                listed |= 1 << (CLUSTER * i + j);
            }
        }
    }
    let mut free = listed;
    for &(_, bit) in excluded.iter().filter(|&&(c, _)| c == cj) {
        free &= !(1 << bit);
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
    fn masks_are_shared() {
        let list = build(&scattered(3000, DVec3::splat(3.1)), &Cell::cubic(3.1).expect("valid"), &trimers(1000), 0.9);
        assert_eq!(list.masks[0], PairMask::ALL);
        assert!(list.masks.len() < list.entries.len() / 4);
    }
}
