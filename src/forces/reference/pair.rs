//! Non-bonded pair sum: Lennard-Jones and the real-space part of Coulomb over a pair list.
//!
//! Twin of the fast backends' pair kernels. Knows a list of pairs and their forms; which pairs are on the list
//! (exclusions, radius) is `neighbor`'s business, and nothing here knows reciprocal space.

use super::outer;
use crate::cell::Cell;
use crate::neighbor::pairs::PairList;
use crate::potential::coulomb::{ReactionField, bare, ewald_real};
use crate::potential::pair_table::PairCoefficients;
use crate::potential::{PairTerm, vdw::lennard_jones};
use crate::system::{Coulomb, Interactions, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};

/// The three terms of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairTerms {
    /// 12-6 part, modified at the cutoff
    pub lj: PairTerm,
    /// −c4/r⁴ part, modified at the cutoff
    pub lj_c4: PairTerm,
    /// real-space Coulomb
    pub coulomb: PairTerm,
}

impl PairTerms {
    /// F/r of the sum, kJ mol⁻¹ nm⁻².
    pub fn force_over_r(&self) -> f64 {
        self.lj.force_over_r + self.lj_c4.force_over_r + self.coulomb.force_over_r
    }

    /// U of the sum, kJ/mol.
    pub fn energy(&self) -> f64 {
        self.lj.energy + self.lj_c4.energy + self.coulomb.energy
    }
}

/// What the pair sum adds up to, kJ/mol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairSums {
    pub lj: f64,
    pub lj_c4: f64,
    pub coulomb: f64,
    /// Σ over the pairs inside the cutoff of their energy at the cutoff.
    pub cutoff_shift: f64,
    /// W = Σ r ⊗ F
    pub virial: DMat3,
}

/// Lennard-Jones of one pair as (12-6, −c4/r⁴): the modified form is linear in its coefficients, so the split is exact.
pub fn lennard_jones_terms(interactions: &Interactions, k: PairCoefficients, r_sq: f64) -> (PairTerm, PairTerm) {
    let form = |k| lennard_jones::modified(r_sq, k, interactions.lj_modifier, interactions.cutoff);
    let lj = if k.c6 != 0.0 || k.c12 != 0.0 { form(PairCoefficients { c4: 0.0, ..k }) } else { PairTerm::default() };
    let c4 = if k.c4 != 0.0 { form(PairCoefficients { c6: 0.0, c12: 0.0, ..k }) } else { PairTerm::default() };
    (lj, c4)
}

/// Real-space Coulomb of one pair. `qq` = k_e q_i q_j, kJ mol⁻¹ nm.
pub fn coulomb_term(interactions: &Interactions, qq: f64, r_sq: f64) -> PairTerm {
    match interactions.coulomb {
        Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => ewald_real(r_sq, qq, beta),
        Coulomb::ReactionField { epsilon } => ReactionField::new(epsilon, interactions.cutoff).pair(r_sq, qq),
        Coulomb::Cutoff => bare(r_sq, qq),
    }
}

/// All terms of the pair (i, j) at squared distance `r_sq` (nm²), which must not exceed the cutoff.
pub fn terms(system: &System, i: usize, j: usize, r_sq: f64) -> PairTerms {
    let topology = &system.topology;
    let k = system.pair_table.get(topology.type_ids[i] as usize, topology.type_ids[j] as usize);
    let (lj, lj_c4) = lennard_jones_terms(&system.interactions, k, r_sq);
    let qq = COULOMB * topology.charges[i] * topology.charges[j];
    let coulomb = if qq != 0.0 { coulomb_term(&system.interactions, qq, r_sq) } else { PairTerm::default() };
    PairTerms { lj, lj_c4, coulomb }
}

/// Adds the pair forces of every listed pair inside the cutoff and returns energies and virial.
///
/// * `positions` – `[n_atoms]`, nm, wrapped or not
/// * `list` – pairs i < j, exclusions removed, radius at least the cutoff
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
pub fn add_forces(
    system: &System,
    cell: &Cell,
    positions: &[DVec3],
    list: &PairList,
    forces: &mut [DVec3],
) -> PairSums {
    let interactions = &system.interactions;
    let cutoff_sq = interactions.cutoff * interactions.cutoff;
    let n_types = system.pair_table.n_types();
    let lj_at_cutoff: Vec<f64> = (system.pair_table.coefficients().iter())
        .map(|&k| {
            let (lj, c4) = lennard_jones_terms(interactions, k, cutoff_sq);
            lj.energy + c4.energy
        })
        .collect();
    let coulomb_at_cutoff = coulomb_term(interactions, COULOMB, cutoff_sq).energy;
    let type_ids = &system.topology.type_ids;
    let charges = &system.topology.charges;
    let mut sums = PairSums { lj: 0.0, lj_c4: 0.0, coulomb: 0.0, cutoff_shift: 0.0, virial: DMat3::ZERO };
    for &(i, j) in &list.pairs {
        let (i, j) = (i as usize, j as usize);
        let d = cell.minimum_image(positions[i] - positions[j]);
        let r_sq = d.length_squared();
        if r_sq > cutoff_sq {
            continue;
        }
        let pair = terms(system, i, j, r_sq);
        sums.lj += pair.lj.energy;
        sums.lj_c4 += pair.lj_c4.energy;
        sums.coulomb += pair.coulomb.energy;
        sums.cutoff_shift += lj_at_cutoff[type_ids[i] as usize * n_types + type_ids[j] as usize]
            + coulomb_at_cutoff * charges[i] * charges[j];
        let f = pair.force_over_r() * d;
        forces[i] += f;
        forces[j] -= f;
        sums.virial += outer(d, f);
    }
    sums
}
