//! Bonded potentials and 1-4 pairs of every molecule, in f64.
//!
//! Knows which atoms a term joins and where forces go; the forms are in `potential::bonded`. Vectors between atoms are
//! nearest images, so molecules may be wrapped; no cutoff applies. One walk ([`visit`]) serves sums and messages.

use super::outer;
use crate::cell::Cell;
use crate::forces::Energies;
use crate::potential::bonded::{
    harmonic_angle, harmonic_distance, harmonic_improper, pair_14, periodic_dihedral, ryckaert_bellemans,
};
use crate::system::Topology;
use crate::system::bonded::Bonded;
use glam::{DMat3, DVec3};

/// The energy term a bonded potential counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    Bond,
    Angle,
    UreyBradley,
    Dihedral,
    Improper,
    Lj14,
    Coulomb14,
}

/// How many [`Term`]s there are.
pub const N_TERMS: usize = 7;

/// Every term, in the order of its discriminant.
pub const TERMS: [Term; N_TERMS] =
    [Term::Bond, Term::Angle, Term::UreyBradley, Term::Dihedral, Term::Improper, Term::Lj14, Term::Coulomb14];

impl Term {
    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Term::Bond => "bond",
            Term::Angle => "angle",
            Term::UreyBradley => "urey_bradley",
            Term::Dihedral => "dihedral",
            Term::Improper => "improper",
            Term::Lj14 => "lj_14",
            Term::Coulomb14 => "coulomb_14",
        }
    }

    /// Does a species with these potentials have the term?
    pub fn is_in(self, bonded: &Bonded) -> bool {
        match self {
            Term::Bond => !bonded.bonds.is_empty(),
            Term::Angle => !bonded.angles.is_empty(),
            Term::UreyBradley => !bonded.urey_bradleys.is_empty(),
            Term::Dihedral => !bonded.ryckaert_bellemans.is_empty() || bonded.dihedrals.iter().any(|d| !d.is_improper),
            Term::Improper => !bonded.impropers.is_empty() || bonded.dihedrals.iter().any(|d| d.is_improper),
            Term::Lj14 => bonded.pairs_14.iter().any(|p| p.c6 != 0.0 || p.c12 != 0.0),
            Term::Coulomb14 => bonded.pairs_14.iter().any(|p| p.qq != 0.0),
        }
    }
}

/// Energies by term and the virial of bonded potentials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BondedSums {
    /// kJ/mol, by [`Term`]
    pub energies: [f64; N_TERMS],
    /// W = Σ r ⊗ F, kJ/mol
    pub virial: DMat3,
}

impl BondedSums {
    /// Nothing yet.
    pub const ZERO: BondedSums = BondedSums { energies: [0.0; N_TERMS], virial: DMat3::ZERO };

    /// Adds another part of the system.
    pub fn add(&mut self, other: &BondedSums) {
        for (a, b) in self.energies.iter_mut().zip(other.energies) {
            *a += b;
        }
        self.virial += other.virial;
    }

    /// Enters the energies of the terms that `topology` has.
    pub fn enter(&self, topology: &Topology, energies: &mut Energies) {
        let present = topology.species_counts();
        let of = |term: Term| {
            let has = |(species, &n): (&crate::system::topology::Species, &usize)| n > 0 && term.is_in(&species.bonded);
            topology.species.iter().zip(&present).any(has).then_some(self.energies[term as usize])
        };
        energies.bond = of(Term::Bond);
        energies.angle = of(Term::Angle);
        energies.urey_bradley = of(Term::UreyBradley);
        energies.dihedral = of(Term::Dihedral);
        energies.improper = of(Term::Improper);
        energies.lj_14 = of(Term::Lj14);
        energies.coulomb_14 = of(Term::Coulomb14);
    }
}

/// One bonded potential as it acts: its energy, the force on each of its atoms, its virial.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    pub term: Term,
    /// kJ/mol
    pub energy: f64,
    /// (local atom, kJ/mol/nm)
    pub forces: &'a [(u32, DVec3)],
    /// Σ r ⊗ F, kJ/mol
    pub virial: DMat3,
}

/// Calls `act` for every potential of one molecule.
///
/// * `positions` – `[n atoms of the molecule]`, nm
pub fn visit(bonded: &Bonded, cell: &Cell, positions: &[DVec3], act: &mut impl FnMut(Action<'_>)) {
    let vector = |to: u32, from: u32| cell.minimum_image(positions[to as usize] - positions[from as usize]);
    let mut along = |term: Term, [i, j]: [u32; 2], d: DVec3, pair: crate::potential::PairTerm| {
        let f = pair.force_over_r * d;
        act(Action { term, energy: pair.energy, forces: &[(i, f), (j, -f)], virial: outer(d, f) });
    };
    for bond in &bonded.bonds {
        let d = vector(bond.atoms[0], bond.atoms[1]);
        along(Term::Bond, bond.atoms, d, harmonic_distance(d.length_squared(), bond.length, bond.k));
    }
    for bond in &bonded.urey_bradleys {
        let d = vector(bond.atoms[0], bond.atoms[1]);
        along(Term::UreyBradley, bond.atoms, d, harmonic_distance(d.length_squared(), bond.length, bond.k));
    }
    for pair in &bonded.pairs_14 {
        let d = vector(pair.atoms[0], pair.atoms[1]);
        let (lj, coulomb) = pair_14(pair, d.length_squared());
        along(Term::Lj14, pair.atoms, d, lj);
        along(Term::Coulomb14, pair.atoms, d, coulomb);
    }
    for angle in &bonded.angles {
        let [i, j, k] = angle.atoms;
        let (d_ij, d_kj) = (vector(i, j), vector(k, j));
        let a = harmonic_angle(angle, d_ij, d_kj);
        act(Action {
            term: Term::Angle,
            energy: a.energy,
            forces: &[(i, a.f_i), (j, -(a.f_i + a.f_k)), (k, a.f_k)],
            virial: outer(d_ij, a.f_i) + outer(d_kj, a.f_k),
        });
    }
    let mut torsion = |term: Term, [i, j, k, l]: [u32; 4], form: &dyn Fn(DVec3, DVec3, DVec3) -> _| {
        let (d_ij, d_kj, d_lk) = (vector(i, j), vector(k, j), vector(l, k));
        let t: crate::potential::bonded::DihedralTerm = form(d_ij, d_kj, d_lk);
        act(Action {
            term,
            energy: t.energy,
            forces: &[(i, t.f_i), (j, -(t.f_i + t.f_k + t.f_l)), (k, t.f_k), (l, t.f_l)],
            virial: outer(d_ij, t.f_i) + outer(d_kj, t.f_k) + outer(d_kj + d_lk, t.f_l),
        });
    };
    for d in &bonded.dihedrals {
        let term = if d.is_improper { Term::Improper } else { Term::Dihedral };
        torsion(term, d.atoms, &|ij, kj, lk| periodic_dihedral(d, ij, kj, lk));
    }
    for d in &bonded.ryckaert_bellemans {
        torsion(Term::Dihedral, d.atoms, &|ij, kj, lk| ryckaert_bellemans(d, ij, kj, lk));
    }
    for d in &bonded.impropers {
        torsion(Term::Improper, d.atoms, &|ij, kj, lk| harmonic_improper(d, ij, kj, lk));
    }
}

/// Adds the forces of every bonded potential and 1-4 pair.
///
/// * `positions` – `[n_atoms]`, nm
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
pub fn add_forces(topology: &Topology, cell: &Cell, positions: &[DVec3], forces: &mut [DVec3]) -> BondedSums {
    let mut sums = BondedSums::ZERO;
    for m in 0..topology.molecules.len() {
        let bonded = &topology.species_of(m).bonded;
        if bonded.is_empty() {
            continue;
        }
        let atoms = topology.atoms_of(m);
        let forces = &mut forces[atoms.clone()];
        visit(bonded, cell, &positions[atoms], &mut |action| {
            sums.energies[action.term as usize] += action.energy;
            sums.virial += action.virial;
            for &(atom, f) in action.forces {
                forces[atom as usize] += f;
            }
        });
    }
    sums
}

/// The bonded force on one atom by term, kJ/mol/nm; terms that do not act on it are left out.
pub fn forces_by_term(
    topology: &Topology,
    cell: &Cell,
    positions: &[DVec3],
    atom: usize,
) -> Vec<(&'static str, DVec3)> {
    let m = topology.molecule_of[atom] as usize;
    let atoms = topology.atoms_of(m);
    let mut forces = [None; N_TERMS];
    visit(&topology.species_of(m).bonded, cell, &positions[atoms.clone()], &mut |action| {
        for &(local, f) in action.forces.iter().filter(|(local, _)| atoms.start + *local as usize == atom) {
            debug_assert!(atoms.start + (local as usize) < atoms.end);
            *forces[action.term as usize].get_or_insert(DVec3::ZERO) += f;
        }
    });
    TERMS.into_iter().filter_map(|term| forces[term as usize].map(|f| (term.name(), f))).collect()
}
