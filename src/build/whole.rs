//! Molecules made whole: every atom next to the one it is bonded to, whatever boundary lies between them.
//!
//! Knows bonds and the cell. Walks along bonds, so a molecule may be longer than half the cell.

use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;

/// For every species the order in which its atoms are attached: (atom, the atom it hangs on), local indices.
///
/// Atoms that no bond reaches (virtual sites, separate fragments) hang on the first atom.
#[derive(Debug, Clone)]
pub struct MoleculeTrees {
    by_species: Vec<Vec<(u32, u32)>>,
}

impl MoleculeTrees {
    pub fn new(topology: &Topology) -> Self {
        let tree = |n_atoms: usize, bonds: &[(u32, u32)]| {
            let mut neighbors = vec![Vec::new(); n_atoms];
            for &(a, b) in bonds {
                neighbors[a as usize].push(b);
                neighbors[b as usize].push(a);
            }
            let mut reached = vec![false; n_atoms];
            let mut attachments = Vec::with_capacity(n_atoms.saturating_sub(1));
            for root in 0..n_atoms {
                if reached[root] {
                    continue;
                }
                reached[root] = true;
                if root > 0 {
                    attachments.push((root as u32, 0));
                }
                let mut queue = std::collections::VecDeque::from([root as u32]);
                while let Some(parent) = queue.pop_front() {
                    for &child in &neighbors[parent as usize] {
                        if !reached[child as usize] {
                            reached[child as usize] = true;
                            attachments.push((child, parent));
                            queue.push_back(child);
                        }
                    }
                }
            }
            attachments
        };
        MoleculeTrees { by_species: topology.species.iter().map(|s| tree(s.atoms.len(), &s.bonds)).collect() }
    }

    /// Moves atoms by lattice vectors so that molecules are whole; the first atom of each stays where it is.
    ///
    /// * `positions` – `[n_atoms]`, nm
    pub fn make_whole(&self, topology: &Topology, cell: &Cell, positions: &mut [DVec3]) {
        for molecule in &topology.molecules {
            let first = molecule.first_atom as usize;
            for &(child, parent) in &self.by_species[molecule.species as usize] {
                let parent = positions[first + parent as usize];
                let child = &mut positions[first + child as usize];
                let d = *child - parent;
                let image = cell.minimum_image(d);
                // An atom that is already in place keeps its bits.
                if (image - d).length_squared() > 1e-12 {
                    *child = parent + image;
                }
            }
        }
    }

    /// Whole molecules whose first atoms lie inside the cell: how structures and trajectories are written.
    ///
    /// * `positions` – `[n_atoms]`, nm
    /// * returns `[n_atoms]`, nm
    pub fn whole_in_cell(&self, topology: &Topology, cell: &Cell, positions: &[DVec3]) -> Vec<DVec3> {
        let mut placed = positions.to_vec();
        self.make_whole(topology, cell, &mut placed);
        for m in 0..topology.molecules.len() {
            let atoms = topology.atoms_of(m);
            let Some(first) = placed.get(atoms.start) else { continue };
            let shift = cell.wrap(*first) - *first;
            if shift.length_squared() > 1e-12 {
                placed[atoms].iter_mut().for_each(|r| *r += shift);
            }
        }
        placed
    }
}

/// [`MoleculeTrees::make_whole`] for a single use.
pub fn make_whole(topology: &Topology, cell: &Cell, positions: &mut [DVec3]) {
    MoleculeTrees::new(topology).make_whole(topology, cell, positions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::{Species, SpeciesAtom};

    /// A chain of `n` atoms, bonds listed from the far end so that the walk cannot rely on their order.
    fn chain(n: u32) -> Topology {
        let atoms = (0..n)
            .map(|i| SpeciesAtom { name: format!("C{i}"), element: "C".into(), type_id: 0, charge: 0.0, mass: 12.0 })
            .collect();
        let species = Species {
            name: "chain".into(),
            residue: "CHN".into(),
            is_water: false,
            atoms,
            bonds: (1..n).rev().map(|i| (i, i - 1)).collect(),
            exclusions: Vec::new(),
            rigid_water: None,
            ..Species::default()
        };
        Topology::new(vec!["C".into()], vec![species], &[0, 0])
    }

    #[test]
    fn a_chain_longer_than_the_cell_is_unfolded() {
        let cell = Cell::new(DVec3::X * 2.0, DVec3::new(0.5, 1.9, 0.0), DVec3::new(-0.3, 0.4, 2.1)).expect("valid");
        let topology = chain(20);
        let step = DVec3::new(0.12, 0.07, -0.06);
        let straight: Vec<DVec3> = (0..40)
            .map(|i| DVec3::new(0.3, 1.0, 2.0) + step * f64::from(i % 20) + DVec3::Y * f64::from(i / 20))
            .collect();
        let folded: Vec<DVec3> = straight.iter().map(|&r| cell.wrap(r)).collect();
        let whole = MoleculeTrees::new(&topology).whole_in_cell(&topology, &cell, &folded);
        for m in 0..2 {
            let shift = whole[20 * m] - straight[20 * m];
            assert!(cell.to_fractional(whole[20 * m]).min_element() >= 0.0);
            for i in 20 * m..20 * (m + 1) {
                assert!((whole[i] - straight[i] - shift).length() < 1e-12, "atom {i}");
            }
        }
        assert!((folded[19] - folded[0] - step * 19.0).length() > 1.0, "the test folds something");
    }

    #[test]
    fn whole_molecules_keep_their_bits() {
        let cell = Cell::cubic(2.0).expect("valid");
        let topology = chain(3);
        let mut positions: Vec<DVec3> = (0..6).map(|i| DVec3::splat(0.1 + 0.05 * f64::from(i % 3))).collect();
        let before = positions.clone();
        make_whole(&topology, &cell, &mut positions);
        assert_eq!(positions, before);
    }
}
