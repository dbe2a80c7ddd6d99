//! Which atoms are too close?
//!
//! Knows distances between atoms; pairs inside a molecule count only where the molecule does not exclude them.

use super::grid::PeriodicGrid;
use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;

/// Two atoms that are closer than allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// The smaller index.
    pub i: usize,
    pub j: usize,
    /// nm
    pub distance: f64,
}

/// The first pair of atoms (smallest i, then j) closer than `limit` nm; excluded pairs do not count.
///
/// * `limit` – nm, at most half the smallest height of the cell
/// * `positions` – `[n_atoms]`, nm
pub fn find_overlap(topology: &Topology, cell: &Cell, positions: &[DVec3], limit: f64) -> Option<Overlap> {
    let limit = limit.min(cell.half_height());
    let mut grid = PeriodicGrid::new(*cell, limit.max(0.2).min(cell.half_height()));
    positions.iter().enumerate().for_each(|(i, &r)| grid.insert(r, i as u32));
    (0..positions.len()).find_map(|i| {
        let mut first: Option<Overlap> = None;
        grid.for_each_within(positions[i], limit, |j, d_sq| {
            let j = j as usize;
            let excluded = || topology.excluded_partners(i).any(|k| k == j);
            if j > i && first.is_none_or(|f| j < f.j) && !excluded() {
                first = Some(Overlap { i, j, distance: d_sq.sqrt() });
            }
        });
        first
    })
}

/// Closest contacts between different molecules, nm: (both heavy, at least one hydrogen). `reach` where there is none
/// closer. Massless sites do not count.
pub fn closest_contacts(topology: &Topology, cell: &Cell, positions: &[DVec3], reach: f64) -> (f64, f64) {
    let reach = reach.min(cell.half_height());
    let mut grid = PeriodicGrid::new(*cell, reach);
    let massive: Vec<usize> = (0..positions.len()).filter(|&i| topology.masses[i] > 0.0).collect();
    massive.iter().for_each(|&i| grid.insert(positions[i], i as u32));
    let is_hydrogen: Vec<bool> = (0..positions.len()).map(|i| topology.atom(i).element == "H").collect();
    let (mut heavy, mut hydrogen) = (reach * reach, reach * reach);
    for i in massive {
        grid.for_each_within(positions[i], reach, |j, d_sq| {
            let j = j as usize;
            if topology.molecule_of[i] != topology.molecule_of[j] {
                let closest = if is_hydrogen[i] || is_hydrogen[j] { &mut hydrogen } else { &mut heavy };
                *closest = closest.min(d_sq);
            }
        });
    }
    (heavy.sqrt(), hydrogen.sqrt())
}

/// Pairs of a cation and an anion with heavy atoms closer than `limit` nm.
pub fn contact_pairs(topology: &Topology, cell: &Cell, positions: &[DVec3], limit: f64) -> usize {
    let limit = limit.min(cell.half_height());
    let sign = |i: usize| {
        let charge = topology.site(i).0.charge();
        if charge.abs() < 0.1 { 0 } else { charge.signum() as i32 }
    };
    let signs: Vec<i32> = (0..positions.len())
        .map(|i| if topology.masses[i] > 0.0 && topology.atom(i).element != "H" { sign(i) } else { 0 })
        .collect();
    let mut grid = PeriodicGrid::new(*cell, limit);
    (0..positions.len()).filter(|&i| signs[i] < 0).for_each(|i| grid.insert(positions[i], i as u32));
    let mut pairs = std::collections::BTreeSet::new();
    for i in (0..positions.len()).filter(|&i| signs[i] > 0) {
        grid.for_each_within(positions[i], limit, |j, _| {
            pairs.insert((topology.molecule_of[i], topology.molecule_of[j as usize]));
        });
    }
    pairs.len()
}
