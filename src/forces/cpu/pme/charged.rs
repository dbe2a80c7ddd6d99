//! Charged atoms on the mesh, sorted by the plane they stand behind.

use super::stencils::{Stencil, locate};
use super::{ATOMS_PER_TASK, UNCHARGED};
use crate::forces::cpu::simd::SimdLevel;
use glam::DVec3;
use rayon::prelude::*;

/// Atoms with charges, and where they stand on the mesh.
pub struct Charged {
    /// Atom and charge, e
    pub atoms: Vec<(u32, f32)>,
    /// Last plane each of them touches (the first, counted from the edge of the cell, that it stands behind)
    bin_of: Vec<u32>,
    /// By plane
    pub stencils: Vec<Stencil>,
    /// first atom of each plane's bin, `[grid_a + 1]`
    pub bins: Vec<u32>,
    pub forces: Vec<DVec3>,
    /// atom → index into `stencils` and `forces`, or none for an atom that is not here
    pub place: Vec<u32>,
    /// Does any of them touch a plane?
    pub touches: Vec<bool>,
}

impl Charged {
    /// * `n_atoms` – of the system
    pub fn new(atoms: Vec<(u32, f32)>, n_atoms: usize, n_a: usize) -> Self {
        let mut place = vec![UNCHARGED; n_atoms];
        for (k, &(atom, _)) in atoms.iter().enumerate() {
            place[atom as usize] = k as u32;
        }
        Charged {
            stencils: vec![Stencil::default(); atoms.len()],
            bin_of: vec![0; atoms.len()],
            bins: vec![0; n_a + 1],
            touches: vec![false; n_a],
            forces: vec![DVec3::ZERO; atoms.len()],
            atoms,
            place,
        }
    }

    /// Puts the atoms on the mesh, sorted by the first plane they touch; ties keep the order of the atoms.
    ///
    /// * `rows` – r ↦ fractional coordinates along the axes of the mesh, nm⁻¹
    pub fn locate(&mut self, level: SimdLevel, order: usize, grid: [usize; 3], rows: &[DVec3; 3], positions: &[DVec3]) {
        let n_a = grid[0];
        let row = rows[0];
        let bin_of = |atom: u32| -> u32 {
            let s = row.dot(positions[atom as usize]);
            (((s - s.floor()) * n_a as f64) as u32).min(n_a as u32 - 1)
        };
        self.bin_of.par_chunks_mut(ATOMS_PER_TASK).zip(self.atoms.par_chunks(ATOMS_PER_TASK)).for_each(
            |(bins, atoms)| {
                for (bin, &(atom, _)) in bins.iter_mut().zip(atoms) {
                    *bin = bin_of(atom);
                }
            },
        );
        self.bins.fill(0);
        for &bin in &self.bin_of {
            self.bins[bin as usize + 1] += 1;
        }
        for k in 0..n_a {
            self.bins[k + 1] += self.bins[k];
        }
        let mut next = self.bins.clone();
        for (&(atom, charge), &bin) in self.atoms.iter().zip(&self.bin_of) {
            let place = next[bin as usize] as usize;
            next[bin as usize] += 1;
            self.stencils[place].atom = atom;
            self.stencils[place].charge = charge;
            self.stencils[place].first[0] = bin;
            self.place[atom as usize] = place as u32;
        }
        self.touches.fill(false);
        for bin in (0..n_a).filter(|&bin| self.bins[bin] != self.bins[bin + 1]) {
            (0..order).for_each(|k| self.touches[(bin + n_a - k) % n_a] = true);
        }
        self.stencils
            .par_chunks_mut(ATOMS_PER_TASK)
            .for_each(|atoms| locate(level, atoms, order, grid, rows, positions));
    }
}
