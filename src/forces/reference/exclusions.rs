//! What excluded pairs (and each charge with itself) give back to a long-range Coulomb method.
//!
//! A reciprocal sum contains every pair, bonded neighbours included, and each charge with itself; a reaction field
//! polarised by a molecule acts on that same molecule. Plain truncation needs nothing from here.

use super::{Contribution, outer};
use crate::cell::Cell;
use crate::potential::PairTerm;
use crate::potential::coulomb::{ReactionField, ewald_excluded};
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::DVec3;
use std::f64::consts::PI;

/// The correction of one excluded pair, or `None` where there is nothing to correct.
///
/// * `qq` – k_e q_i q_j, kJ mol⁻¹ nm
/// * `r_sq` – nm²
pub fn term(system: &System, qq: f64, r_sq: f64) -> Option<PairTerm> {
    let cutoff = system.interactions.cutoff;
    match system.interactions.coulomb {
        Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => Some(ewald_excluded(r_sq, qq, beta)),
        Coulomb::ReactionField { epsilon } if r_sq <= cutoff * cutoff => {
            Some(ReactionField::new(epsilon, cutoff).excluded(r_sq, qq))
        }
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => None,
    }
}

/// Adds the correction of every excluded pair: −erf(β r)/r for Ewald sums, the field part for a reaction field.
///
/// Nearest images, so molecules may be wrapped but must be smaller than half the cell.
///
/// * `positions` – `[n_atoms]`, nm
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
pub fn add_forces(system: &System, cell: &Cell, positions: &[DVec3], forces: &mut [DVec3]) -> Contribution {
    let charges = &system.topology.charges;
    let mut sum = Contribution::ZERO;
    for (i, j) in system.topology.excluded_pairs() {
        let qq = COULOMB * charges[i] * charges[j];
        let d = cell.minimum_image(positions[i] - positions[j]);
        let r_sq = d.length_squared();
        let Some(term) = term(system, qq, r_sq) else { continue };
        sum.energy += term.energy;
        let f = term.force_over_r * d;
        forces[i] += f;
        forces[j] -= f;
        sum.virial += outer(d, f);
    }
    sum
}

/// Σ −k_e q² β/√π, kJ/mol: each Gaussian with itself, which a reciprocal sum contains.
///
/// * `charges` – `[n_atoms]`, e
/// * `beta` – nm⁻¹
pub fn ewald_self_energy(charges: &[f64], beta: f64) -> f64 {
    -COULOMB * beta / PI.sqrt() * charges.iter().map(|q| q * q).sum::<f64>()
}

/// Σ −½ k_e q² c_rf, kJ/mol: each charge in the field it induces itself; constant, without force.
///
/// With it the energy of a pair does not jump when the excluded pairs of a neutral molecule are counted
/// (the convention of GROMACS).
pub fn reaction_field_self_energy(charges: &[f64], field: ReactionField) -> f64 {
    -0.5 * COULOMB * field.c_rf * charges.iter().map(|q| q * q).sum::<f64>()
}
