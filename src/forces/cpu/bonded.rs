//! Bonded potentials, 1-4 pairs, restraints and virtual sites of one molecule at a time, in f64.
//!
//! Twins: `forces/reference/bonded.rs`, `forces/reference/virtual_sites.rs`, `forces/reference/restraints.rs`. They are few
//! beside the pairs, so threads take molecules and nothing is vectorised; a vector between two atoms is their difference
//! unless it is so long that the molecule must have been cut by the boundary.

use crate::cell::Cell;
use crate::forces::reference::bonded::{BondedSums, Term};
use crate::forces::reference::{outer, virtual_sites};
use crate::potential::PairTerm;
use crate::potential::bonded::{
    DihedralTerm, harmonic_angle, harmonic_distance, harmonic_improper, pair_14, periodic_dihedral, ryckaert_bellemans,
};
use crate::system::bonded::VirtualSite;
use crate::system::topology::Species;
use glam::{DMat3, DVec3};

/// A vector shorter than this (nm, squared) is taken as it is: no two images are so close in a cell whose cutoff fits.
const SHORT_SQ: f64 = 0.09;

/// The positions and forces of one molecule.
pub(super) struct Molecule<'a> {
    pub cell: &'a Cell,
    /// `[n atoms of the molecule]`, nm
    pub positions: &'a [DVec3],
    /// `[n atoms of the molecule]`, kJ/mol/nm, added to
    pub forces: &'a mut [DVec3],
}

/// The nearest image of r_to − r_from.
#[inline]
pub(super) fn nearest(cell: &Cell, to: DVec3, from: DVec3) -> DVec3 {
    let d = to - from;
    if d.length_squared() < SHORT_SQ { d } else { cell.minimum_image(d) }
}

impl Molecule<'_> {
    #[inline]
    fn vector(&self, to: u32, from: u32) -> DVec3 {
        nearest(self.cell, self.positions[to as usize], self.positions[from as usize])
    }

    #[inline]
    fn push(&mut self, atom: u32, f: DVec3) {
        self.forces[atom as usize] += f;
    }

    fn along(&mut self, [i, j]: [u32; 2], d: DVec3, pair: PairTerm, virial: &mut DMat3) -> f64 {
        let f = pair.force_over_r * d;
        self.push(i, f);
        self.push(j, -f);
        *virial += outer(d, f);
        pair.energy
    }

    fn torsion(
        &mut self,
        [i, j, k, l]: [u32; 4],
        form: impl Fn(DVec3, DVec3, DVec3) -> DihedralTerm,
        virial: &mut DMat3,
    ) -> f64 {
        let (d_ij, d_kj, d_lk) = (self.vector(i, j), self.vector(k, j), self.vector(l, k));
        let t = form(d_ij, d_kj, d_lk);
        self.push(i, t.f_i);
        self.push(j, -(t.f_i + t.f_k + t.f_l));
        self.push(k, t.f_k);
        self.push(l, t.f_l);
        *virial += outer(d_ij, t.f_i) + outer(d_kj, t.f_k) + outer(d_kj + d_lk, t.f_l);
        t.energy
    }

    /// Adds the bonded forces of a molecule of `species`; energies by term and virial go to `sums`.
    pub fn add_bonded(&mut self, species: &Species, sums: &mut BondedSums) {
        let bonded = &species.bonded;
        let BondedSums { energies, virial } = sums;
        for bond in &bonded.bonds {
            let d = self.vector(bond.atoms[0], bond.atoms[1]);
            let term = harmonic_distance(d.length_squared(), bond.length, bond.k);
            energies[Term::Bond as usize] += self.along(bond.atoms, d, term, virial);
        }
        for bond in &bonded.urey_bradleys {
            let d = self.vector(bond.atoms[0], bond.atoms[1]);
            let term = harmonic_distance(d.length_squared(), bond.length, bond.k);
            energies[Term::UreyBradley as usize] += self.along(bond.atoms, d, term, virial);
        }
        for pair in &bonded.pairs_14 {
            let d = self.vector(pair.atoms[0], pair.atoms[1]);
            let (lj, coulomb) = pair_14(pair, d.length_squared());
            energies[Term::Lj14 as usize] += lj.energy;
            energies[Term::Coulomb14 as usize] += coulomb.energy;
            let both = PairTerm { energy: 0.0, force_over_r: lj.force_over_r + coulomb.force_over_r };
            self.along(pair.atoms, d, both, virial);
        }
        for angle in &bonded.angles {
            let [i, j, k] = angle.atoms;
            let (d_ij, d_kj) = (self.vector(i, j), self.vector(k, j));
            let a = harmonic_angle(angle, d_ij, d_kj);
            self.push(i, a.f_i);
            self.push(j, -(a.f_i + a.f_k));
            self.push(k, a.f_k);
            energies[Term::Angle as usize] += a.energy;
            *virial += outer(d_ij, a.f_i) + outer(d_kj, a.f_k);
        }
        for d in &bonded.dihedrals {
            let term = if d.is_improper { Term::Improper } else { Term::Dihedral };
            energies[term as usize] += self.torsion(d.atoms, |ij, kj, lk| periodic_dihedral(d, ij, kj, lk), virial);
        }
        for d in &bonded.ryckaert_bellemans {
            let energy = self.torsion(d.atoms, |ij, kj, lk| ryckaert_bellemans(d, ij, kj, lk), virial);
            energies[Term::Dihedral as usize] += energy;
        }
        for d in &bonded.impropers {
            let energy = self.torsion(d.atoms, |ij, kj, lk| harmonic_improper(d, ij, kj, lk), virial);
            energies[Term::Improper as usize] += energy;
        }
    }

    /// Moves the forces on virtual sites to their parents; returns the virial this adds.
    pub fn spread_sites(&mut self, sites: &[VirtualSite]) -> DMat3 {
        let mut virial = DMat3::ZERO;
        for site in sites {
            let [i, j, k] = site.parents;
            let force = std::mem::take(&mut self.forces[site.site as usize]);
            let (forces, w) = virtual_sites::spread(site, self.vector(j, i), self.vector(k, i), force);
            for (parent, f) in site.parents.into_iter().zip(forces) {
                self.push(parent, f);
            }
            virial += w;
        }
        virial
    }
}

/// Puts the virtual sites of one molecule where their parents say.
///
/// * `positions` – `[n atoms of the molecule]`, nm
pub(super) fn place_sites(sites: &[VirtualSite], cell: &Cell, positions: &mut [DVec3]) {
    for site in sites {
        let [i, j, k] = site.parents.map(|p| positions[p as usize]);
        positions[site.site as usize] = i + virtual_sites::offset(site, nearest(cell, j, i), nearest(cell, k, i));
    }
}
