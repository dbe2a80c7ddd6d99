//! What excluded pairs give back to a reciprocal sum or a reaction field, in f64, molecule by molecule.
//!
//! Twin: `forces/reference/exclusions.rs`. A short rational function replaces erf and exp for pairs as close as bonded
//! atoms are; farther ones take the exact form.

use super::rational::{Rational, fit_force};
use crate::cell::Cell;
use crate::forces::reference::{Contribution, outer};
use crate::potential::coulomb::{ReactionField, ewald_excluded};
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::DVec3;

/// Distance up to which the rational function holds, nm.
const NEAR: f64 = 0.4;

#[derive(Debug, Clone)]
enum Form {
    Ewald { beta: f64, near: Rational },
    Field { field: ReactionField, cutoff_sq: f64 },
    Nothing,
}

/// Excluded pairs of every species as (i, j, k_e q_i q_j) with local indices.
#[derive(Debug, Clone)]
pub(super) struct Exclusions {
    form: Form,
    pairs: Vec<Vec<(u32, u32, f64)>>,
}

impl Exclusions {
    pub fn new(system: &System) -> Self {
        let form = match system.interactions.coulomb {
            Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                Form::Ewald { beta, near: fit_force((beta * NEAR).powi(2)).scaled(beta.powi(3), beta * beta) }
            }
            Coulomb::ReactionField { epsilon } => {
                let cutoff = system.interactions.cutoff;
                Form::Field { field: ReactionField::new(epsilon, cutoff), cutoff_sq: cutoff * cutoff }
            }
            Coulomb::Cutoff => Form::Nothing,
        };
        let pairs = system
            .topology
            .species
            .iter()
            .map(|s| {
                let charge = |k: u32| s.atoms[k as usize].charge;
                let pairs = s.exclusions.iter().map(|&(i, j)| (i, j, COULOMB * charge(i) * charge(j)));
                pairs.filter(|p| p.2 != 0.0).collect()
            })
            .collect();
        Exclusions { form, pairs }
    }

    /// Adds the forces of one molecule's excluded pairs; returns energy and virial when `report` is set.
    ///
    /// * `positions`, `forces` – `[n atoms of the molecule]`, nm and kJ/mol/nm
    #[inline]
    pub fn add(
        &self,
        cell: &Cell,
        species: u32,
        positions: &[DVec3],
        forces: &mut [DVec3],
        report: bool,
    ) -> Contribution {
        let mut sum = Contribution::ZERO;
        for &(i, j, qq) in &self.pairs[species as usize] {
            let (i, j) = (i as usize, j as usize);
            let d = cell.minimum_image(positions[i] - positions[j]);
            let r_sq = d.length_squared();
            let force_over_r = match &self.form {
                Form::Ewald { near, .. } if r_sq < NEAR * NEAR => qq * near.value(r_sq),
                Form::Ewald { beta, .. } => ewald_excluded(r_sq, qq, *beta).force_over_r,
                Form::Field { field, cutoff_sq } if r_sq <= *cutoff_sq => field.excluded(r_sq, qq).force_over_r,
                Form::Field { .. } | Form::Nothing => continue,
            };
            let f = force_over_r * d;
            forces[i] += f;
            forces[j] -= f;
            if report {
                sum.virial += outer(d, f);
                sum.energy += match &self.form {
                    Form::Ewald { beta, .. } => ewald_excluded(r_sq, qq, *beta).energy,
                    Form::Field { field, .. } => field.excluded(r_sq, qq).energy,
                    Form::Nothing => 0.0,
                };
            }
        }
        sum
    }
}
