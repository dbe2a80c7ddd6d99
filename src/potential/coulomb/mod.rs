//! Coulomb forms: the pair part of Ewald sums, reaction field and plain truncation.
//!
//! `qq` is k_e q_i q_j in kJ mol⁻¹ nm. `r_sq` is in nm². Reciprocal-space sums live in `forces`.

use crate::math::{erf, erfc, ewald_correction};
use crate::potential::PairTerm;

/// Bare Coulomb: U = qq/r.
pub fn bare(r_sq: f64, qq: f64) -> PairTerm {
    let inv_r = 1.0 / r_sq.sqrt();
    PairTerm { energy: qq * inv_r, force_over_r: qq * inv_r * inv_r * inv_r }
}

/// Real-space Ewald: U = qq erfc(β r)/r, F/r = qq [1/r³ + β³ P(β² r²)] with P = [`ewald_correction`].
///
/// * `beta` – nm⁻¹
pub fn ewald_real(r_sq: f64, qq: f64, beta: f64) -> PairTerm {
    let r = r_sq.sqrt();
    PairTerm {
        energy: qq * erfc(beta * r) / r,
        force_over_r: qq * (1.0 / (r_sq * r) + beta.powi(3) * ewald_correction(beta * beta * r_sq)),
    }
}

/// What an excluded pair has to give back to a reciprocal sum that includes it: U = −qq erf(β r)/r.
///
/// Finite at r → 0: U → −2 qq β/√π.
pub fn ewald_excluded(r_sq: f64, qq: f64, beta: f64) -> PairTerm {
    let r = r_sq.sqrt();
    let energy = if beta * r < 1e-8 { -2.0 * qq * beta / std::f64::consts::PI.sqrt() } else { -qq * erf(beta * r) / r };
    PairTerm { energy, force_over_r: qq * beta.powi(3) * ewald_correction(beta * beta * r_sq) }
}

/// Constants of the reaction field (Tironi et al., J. Chem. Phys. 102, 5451 (1995)) without ionic strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReactionField {
    /// nm⁻³
    pub k_rf: f64,
    /// nm⁻¹
    pub c_rf: f64,
}

impl ReactionField {
    /// * `epsilon` – dielectric constant beyond the cutoff, may be infinite
    /// * `cutoff` – nm
    pub fn new(epsilon: f64, cutoff: f64) -> Self {
        let k_rf = if epsilon.is_infinite() {
            0.5 / cutoff.powi(3)
        } else {
            (epsilon - 1.0) / ((2.0 * epsilon + 1.0) * cutoff.powi(3))
        };
        ReactionField { k_rf, c_rf: 1.0 / cutoff + k_rf * cutoff * cutoff }
    }

    /// U = qq (1/r + k_rf r² − c_rf), F/r = qq (1/r³ − 2 k_rf).
    pub fn pair(self, r_sq: f64, qq: f64) -> PairTerm {
        let inv_r = 1.0 / r_sq.sqrt();
        PairTerm {
            energy: qq * (inv_r + self.k_rf * r_sq - self.c_rf),
            force_over_r: qq * (inv_r * inv_r * inv_r - 2.0 * self.k_rf),
        }
    }

    /// Excluded pairs keep the field part: U = qq (k_rf r² − c_rf), F/r = −2 qq k_rf.
    pub fn excluded(self, r_sq: f64, qq: f64) -> PairTerm {
        PairTerm { energy: qq * (self.k_rf * r_sq - self.c_rf), force_over_r: -2.0 * qq * self.k_rf }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_derivative(form: impl Fn(f64) -> PairTerm) {
        let h = 1e-6;
        for step in 0..70 {
            let r = 0.08 + 0.0117 * f64::from(step);
            let numerical = -(form((r + h).powi(2)).energy - form((r - h).powi(2)).energy) / (2.0 * h);
            let analytic = form(r * r).force_over_r * r;
            assert!((numerical - analytic).abs() < 1e-6 * analytic.abs().max(1.0), "r = {r}: {numerical} {analytic}");
        }
    }

    #[test]
    fn forces_are_minus_the_derivatives() {
        check_derivative(|r_sq| bare(r_sq, 100.0));
        check_derivative(|r_sq| ewald_real(r_sq, 100.0, 3.47));
        check_derivative(|r_sq| ewald_excluded(r_sq, 100.0, 3.47));
        let rf = ReactionField::new(78.5, 0.9);
        check_derivative(|r_sq| rf.pair(r_sq, 100.0));
        check_derivative(|r_sq| rf.excluded(r_sq, 100.0));
    }

    #[test]
    fn real_and_excluded_parts_add_up_to_bare_coulomb() {
        let (a, b, c) = (ewald_real(0.04, 7.0, 3.0), ewald_excluded(0.04, 7.0, 3.0), bare(0.04, 7.0));
        assert!((a.energy - (c.energy + b.energy)).abs() < 1e-12);
        assert!((a.force_over_r - (c.force_over_r + b.force_over_r)).abs() < 1e-9);
    }

    #[test]
    fn reaction_field_vanishes_at_the_cutoff() {
        for epsilon in [1.0, 78.5, f64::INFINITY] {
            let rf = ReactionField::new(epsilon, 0.9);
            assert!(rf.pair(0.81, 50.0).energy.abs() < 1e-12);
        }
        // a conductor also brings the force to zero
        assert!(ReactionField::new(f64::INFINITY, 0.9).pair(0.81, 50.0).force_over_r.abs() < 1e-12);
    }
}
