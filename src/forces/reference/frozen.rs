//! The virial of frozen atoms among themselves, which no backend reports.
//!
//! Atoms that do not move hold each other with forces that nothing follows: an oxide whose charges and Lennard-Jones
//! parameters were made for other lattice constants has hundreds of thousands of bars. What a piston or a liquid feels is
//! W − W(frozen atoms alone), so W of the frozen atoms alone is computed once, or, where their charges follow a potential,
//! as a quadratic form of these, and taken off. Forces between frozen and moving atoms stay, and so do those on a piston from
//! outside of it: its own virial does not change where it goes.

use super::electrode::shape;
use super::external::Dipole;
use super::pair::{coulomb_term, lennard_jones_terms};
use super::{bonded, ewald, exclusions, outer, pme::Pme};
use crate::cell::Cell;
use crate::neighbor::pairs::linked_cells;
use crate::system::topology::{Species, SpeciesAtom};
use crate::system::{Coulomb, System, Topology};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use std::collections::HashSet;

/// The frozen atoms of one system where they are.
pub struct FrozenVirial {
    system: System,
    cell: Cell,
    /// `[n_frozen]`
    atoms: Vec<usize>,
    /// `[n_frozen]`, nm
    at: Vec<DVec3>,
    /// Lennard-Jones and bonded terms, kJ/mol
    constant: DMat3,
    /// Real-space virial of unit charges at a pair of frozen atoms, places in `atoms`, kJ mol⁻¹ e⁻²
    pairs: Vec<(u32, u32, DMat3)>,
    /// All of it, where charges do not change.
    whole: Option<DMat3>,
}

impl FrozenVirial {
    /// `None` where fewer than two atoms are frozen.
    ///
    /// * `positions` – `[n_atoms]`, nm; only frozen atoms are looked at
    pub fn new(system: &System, cell: &Cell, positions: &[DVec3]) -> Option<Self> {
        let mut frozen = system.topology.frozen.clone();
        let Some(piston) = &system.external.piston else { return Self::of_atoms(system, cell, positions, &frozen) };
        frozen.fill(false);
        piston.atoms.iter().for_each(|&i| frozen[i as usize] = true);
        // in one place wherever the piston is, so that a run that is resumed finds the same bits
        let mut placed = positions.to_vec();
        piston.atoms.iter().zip(&piston.shape).for_each(|(&i, r)| placed[i as usize] = *r);
        let moving = Self::of_atoms(system, cell, &placed, &frozen);
        let rest: Vec<bool> = system.topology.frozen.iter().zip(&frozen).map(|(all, own)| *all && !own).collect();
        let staying = Self::of_atoms(system, cell, positions, &rest);
        let whole = |part: &Option<Self>| part.as_ref().and_then(|p| p.whole).unwrap_or(DMat3::ZERO);
        let sum = whole(&moving) + whole(&staying);
        let no_atoms = moving.map(|m| FrozenVirial { atoms: Vec::new(), at: Vec::new(), ..m });
        Some(FrozenVirial { whole: Some(sum), ..staying.or(no_atoms)? })
    }

    /// Of the frozen atoms of a selection.
    ///
    /// * `frozen` – `[n_atoms]`
    fn of_atoms(system: &System, cell: &Cell, positions: &[DVec3], frozen: &[bool]) -> Option<Self> {
        let topology = &system.topology;
        let atoms: Vec<usize> = (0..topology.n_atoms()).filter(|&i| frozen[i]).collect();
        if atoms.len() < 2 {
            return None;
        }
        let at: Vec<DVec3> = atoms.iter().map(|&i| positions[i]).collect();
        let interactions = &system.interactions;
        let cutoff = interactions.cutoff;
        let mut place = vec![u32::MAX; topology.n_atoms()];
        atoms.iter().enumerate().for_each(|(k, &i)| place[i] = k as u32);
        let excluded: HashSet<(u32, u32)> = (topology.excluded_pairs())
            .map(|(i, j)| (place[i].min(place[j]), place[i].max(place[j])))
            .filter(|(_, j)| *j != u32::MAX)
            .collect();
        // of electrode atoms, nm
        let mut widths = vec![None; topology.n_atoms()];
        for electrode in system.external.electrodes.iter().flat_map(|e| &e.electrodes) {
            electrode.atoms.iter().for_each(|&i| widths[i as usize] = Some(electrode.gaussian_width));
        }
        let mut constant = DMat3::ZERO;
        let mut pairs = Vec::new();
        for (k, l) in linked_cells(&at, cell, &bare(atoms.len()), cutoff).pairs {
            if excluded.contains(&(k, l)) {
                continue;
            }
            let (i, j) = (atoms[k as usize], atoms[l as usize]);
            let d = cell.minimum_image(at[k as usize] - at[l as usize]);
            let r_sq = d.length_squared();
            let [a, b] = [i, j].map(|i| topology.type_ids[i] as usize);
            let (lj, c4) = lennard_jones_terms(interactions, system.pair_table.get(a, b), r_sq);
            constant += outer(d, d) * (lj.force_over_r + c4.force_over_r);
            let mut of_units = outer(d, d) * coulomb_term(interactions, COULOMB, r_sq).force_over_r;
            // shapes of two Gaussians are in nobody's virial
            if let (Some(width), None) | (None, Some(width)) = (widths[i], widths[j]) {
                of_units += outer(d, shape(1.0, 1.0 / width, d).1);
            }
            pairs.push((k, l, of_units));
        }
        for (k, l) in excluded {
            let d = cell.minimum_image(at[k as usize] - at[l as usize]);
            if let Some(term) = exclusions::term(system, COULOMB, d.length_squared()) {
                pairs.push((k, l, outer(d, d) * term.force_over_r));
            }
        }
        pairs.sort_by_key(|&(k, l, _)| (k, l));
        for m in 0..topology.molecules.len() {
            let (own, terms) = (topology.atoms_of(m), &topology.species_of(m).bonded);
            if terms.is_empty() || !frozen[own.clone()].contains(&true) {
                continue;
            }
            let frozen = &frozen[own.clone()];
            bonded::visit(terms, cell, &positions[own], &mut |action| {
                if action.forces.iter().all(|&(atom, _)| frozen[atom as usize]) {
                    constant += action.virial;
                }
            });
        }
        let mut made = FrozenVirial { system: system.clone(), cell: *cell, atoms, at, constant, pairs, whole: None };
        if system.external.electrodes.is_none() {
            made.whole = Some(made.sum(&system.topology.charges, None));
        }
        Some(made)
    }

    /// Are the frozen atoms still where they were?
    pub fn is_made_for(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        *cell == self.cell && self.atoms.iter().zip(&self.at).all(|(&atom, r)| positions[atom] == *r)
    }

    /// Has any frozen atom that is of no electrode a charge?
    pub fn has_other_charges(&self) -> bool {
        let mut own = vec![false; self.system.topology.n_atoms()];
        if let Some(electrodes) = &self.system.external.electrodes {
            electrodes.atoms().for_each(|atom| own[atom as usize] = true);
        }
        self.atoms.iter().any(|&atom| !own[atom] && self.system.topology.charges[atom] != 0.0)
    }

    /// W of the frozen atoms alone, kJ/mol.
    ///
    /// * `charges` – `[n_atoms]`, e; looked at where electrodes change them
    /// * `reciprocal` – virial of the reciprocal sum of the frozen charges alone, if it is known already, kJ/mol
    pub fn of(&self, charges: &[f64], reciprocal: Option<DMat3>) -> DMat3 {
        self.whole.unwrap_or_else(|| self.sum(charges, reciprocal))
    }

    fn sum(&self, charges: &[f64], reciprocal: Option<DMat3>) -> DMat3 {
        let q: Vec<f64> = self.atoms.iter().map(|&atom| charges[atom]).collect();
        let mut virial = self.constant;
        if q.iter().all(|&q| q == 0.0) {
            return virial;
        }
        for &(k, l, of_units) in &self.pairs {
            virial += of_units * (q[k as usize] * q[l as usize]);
        }
        let (cell, net) = (&self.cell, q.iter().sum());
        let mut unused = vec![DVec3::ZERO; q.len()];
        match self.system.interactions.coulomb {
            Coulomb::Pme { beta, grid, order } => {
                let mesh = || Pme::new(grid, order, beta).add_forces(cell, &self.at, &q, &mut unused).virial;
                virial += reciprocal.unwrap_or_else(mesh);
                virial += ewald::neutralizing_background(cell, net, beta).virial;
            }
            Coulomb::Ewald { beta, n_max, n_sq_max } => {
                let waves = ewald::WaveVectors { beta, n_max, n_sq_max };
                let direct = || ewald::add_forces(cell, &self.at, &q, &waves, &mut unused).virial;
                virial += reciprocal.unwrap_or_else(direct);
                virial += ewald::neutralizing_background(cell, net, beta).virial;
            }
            Coulomb::ReactionField { .. } | Coulomb::Cutoff => {}
        }
        if self.system.external.slab_correction {
            let energy = Dipole::new(&self.at, &q).slab_energy(cell);
            virial += DMat3::from_diagonal(DVec3::new(energy, energy, -energy));
        }
        virial
    }
}

/// So many atoms without a bond.
fn bare(n_atoms: usize) -> Topology {
    let atom = SpeciesAtom { name: "X".into(), element: String::new(), type_id: 0, charge: 0.0, mass: 1.0 };
    let species = Species { name: "X".into(), residue: "X".into(), atoms: vec![atom], ..Species::default() };
    Topology::new(vec!["X".into()], vec![species], &vec![0; n_atoms])
}
