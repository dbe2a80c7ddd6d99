//! Molecules as particles: which ones a selection touches, and where their centres of mass are.

use crate::system::{Frame, Topology};
use glam::DVec3;

/// Masses and extents of all molecules.
#[derive(Debug, Clone)]
pub struct Molecules {
    /// `[n_atoms]`
    molecule_of: Vec<u32>,
    /// First atom of every molecule and, last, the number of atoms.
    start: Vec<u32>,
    /// `[n_atoms]`, u
    masses: Vec<f64>,
}

impl Molecules {
    pub fn new(topology: &Topology) -> Self {
        let n_atoms = topology.n_atoms() as u32;
        Molecules {
            molecule_of: topology.molecule_of.clone(),
            start: topology.molecules.iter().map(|m| m.first_atom).chain([n_atoms]).collect(),
            masses: topology.masses.clone(),
        }
    }

    pub fn len(&self) -> usize {
        self.start.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The molecule of atom `i`.
    pub fn of(&self, i: u32) -> u32 {
        self.molecule_of[i as usize]
    }

    /// Do the atoms belong to different molecules?
    pub fn differ(&self, i: u32, j: u32) -> bool {
        self.of(i) != self.of(j)
    }

    /// Atoms of molecule `m`.
    pub fn atoms(&self, m: u32) -> std::ops::Range<usize> {
        self.start[m as usize] as usize..self.start[m as usize + 1] as usize
    }

    /// Molecules of the ascending `atoms`, ascending, each once.
    pub fn touched(&self, atoms: &[u32]) -> Vec<u32> {
        let mut molecules: Vec<u32> = atoms.iter().map(|&i| self.of(i)).collect();
        molecules.dedup();
        molecules
    }

    /// Centre of mass of molecule `m` (nm), an image near its first massive atom. Atoms are taken as the nearest images of that atom, which
    /// is right for molecules that reach less than half the cell's smallest height from it.
    pub fn center(&self, m: u32, frame: &Frame) -> DVec3 {
        let atoms = self.atoms(m);
        let Some(anchor) = atoms.clone().find(|&i| self.masses[i] > 0.0) else {
            return frame.positions[atoms.start];
        };
        let anchor = frame.positions[anchor];
        let (mut sum, mut mass) = (DVec3::ZERO, 0.0);
        for i in atoms {
            sum += frame.cell.minimum_image(frame.positions[i] - anchor) * self.masses[i];
            mass += self.masses[i];
        }
        anchor + sum / mass
    }

    /// Centres of mass of the molecules in `groups`, at their own index; `[n_molecules]`, nm, zero elsewhere.
    pub fn centers(&self, groups: &[&[u32]], frame: &Frame) -> Vec<DVec3> {
        let mut centers = vec![DVec3::ZERO; self.len()];
        for &m in groups.iter().copied().flatten() {
            centers[m as usize] = self.center(m, frame);
        }
        centers
    }
}

/// Ordered pairs (i of `a`, j of `b`) inside one molecule, i = j included; both ascending.
pub fn n_inside(a: &[u32], b: &[u32], molecules: &Molecules) -> usize {
    let (mut count, mut low) = (0, 0);
    let mut k = 0;
    while k < a.len() {
        let m = molecules.of(a[k]);
        let of_a = a[k..].iter().take_while(|&&i| molecules.of(i) == m).count();
        low += b[low..].iter().take_while(|&&j| molecules.of(j) < m).count();
        let of_b = b[low..].iter().take_while(|&&j| molecules.of(j) == m).count();
        count += of_a * of_b;
        k += of_a;
    }
    count
}
