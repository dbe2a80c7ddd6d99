//! Plain atom-pair lists in f64: a linked-cell search and the brute-force search that checks it.

use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;
use std::collections::HashSet;

/// Pairs of atoms (i < j) closer than `radius`, exclusions removed, sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct PairList {
    /// nm
    pub radius: f64,
    pub pairs: Vec<(u32, u32)>,
}

/// Every pair by comparing all with all: the oracle.
///
/// * `positions` – `[n_atoms]`, nm, wrapped or not
/// * `radius` – nm; nearest images only
pub fn brute_force(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> PairList {
    let excluded: HashSet<(usize, usize)> = topology.excluded_pairs().collect();
    let mut pairs = Vec::new();
    for i in 0..positions.len() {
        for j in i + 1..positions.len() {
            let d = cell.minimum_image(positions[i] - positions[j]);
            if d.length_squared() < radius * radius && !excluded.contains(&(i, j)) {
                pairs.push((i as u32, j as u32));
            }
        }
    }
    PairList { radius, pairs }
}

/// The same list by linked cells of edge ≥ `radius`; falls back to brute force in boxes under three cells across.
pub fn linked_cells(positions: &[DVec3], cell: &Cell, topology: &Topology, radius: f64) -> PairList {
    let counts = cell.heights().map(|h| (h / radius).floor() as usize);
    if counts.iter().any(|&n| n < 3) {
        return brute_force(positions, cell, topology, radius);
    }
    let bin_of = |r: DVec3| {
        let s = cell.to_fractional(r);
        let s = (s - s.floor()).to_array();
        [0, 1, 2].map(|k| ((s[k] * counts[k] as f64) as usize).min(counts[k] - 1))
    };
    let flat = |b: [usize; 3]| (b[0] * counts[1] + b[1]) * counts[2] + b[2];
    let mut bins = vec![Vec::new(); counts.iter().product()];
    for (i, &r) in positions.iter().enumerate() {
        bins[flat(bin_of(r))].push(i as u32);
    }
    let excluded: HashSet<(usize, usize)> = topology.excluded_pairs().collect();
    let mut pairs = Vec::new();
    for (i, &r) in positions.iter().enumerate() {
        let home = bin_of(r);
        let start = pairs.len();
        for offset in 0..27 {
            let shift = [offset / 9, (offset / 3) % 3, offset % 3];
            let neighbor = [0, 1, 2].map(|k| (home[k] + counts[k] + shift[k] - 1) % counts[k]);
            for &j in &bins[flat(neighbor)] {
                if (j as usize) <= i {
                    continue;
                }
                let d = cell.minimum_image(r - positions[j as usize]);
                if d.length_squared() < radius * radius && !excluded.contains(&(i, j as usize)) {
                    pairs.push((i as u32, j));
                }
            }
        }
        pairs[start..].sort_unstable();
    }
    PairList { radius, pairs }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};
    use crate::system::topology::{Species, SpeciesAtom};

    #[test]
    fn linked_cells_equal_brute_force_in_a_skewed_cell() {
        let cell = Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(0.8, 3.2, 0.0), DVec3::new(-0.6, 0.5, 3.4));
        let cell = cell.expect("valid");
        let atom =
            |name: &str| SpeciesAtom { name: name.into(), element: "O".into(), type_id: 0, charge: 0.0, mass: 16.0 };
        let species = Species {
            name: "dimer".into(),
            residue: "DIM".into(),
            is_water: false,
            atoms: vec![atom("A"), atom("B")],
            bonds: vec![(0, 1)],
            exclusions: vec![(0, 1)],
            rigid_water: None,
            ..Species::default()
        };
        let topology = Topology::new(vec!["O".into()], vec![species], &[0; 150]);
        let mut draws = Draws::new(5, Stream::Build, 0);
        let positions: Vec<DVec3> = (0..topology.n_atoms())
            .map(|_| DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 9.0 - DVec3::splat(3.0))
            .collect();
        let a = brute_force(&positions, &cell, &topology, 0.8);
        let b = linked_cells(&positions, &cell, &topology, 0.8);
        assert!(a.pairs.len() > 1000);
        assert_eq!(a, b);
    }
}
