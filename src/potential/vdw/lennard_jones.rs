//! Lennard-Jones 12-6 and 12-6-4.
//!
//! U(r) = c12/r¹² − c6/r⁶ − c4/r⁴,  F(r)/r = 12 c12/r¹⁴ − 6 c6/r⁸ − 4 c4/r⁶.
//!
//! With c4 = 0 and c6 = 4 ε σ⁶, c12 = 4 ε σ¹² this is the 12-6 form (J. E. Jones, Proc. R. Soc. A 106, 463 (1924));
//! the c4 term is the ion-induced dipole of P. Li and K. M. Merz, J. Chem. Theory Comput. 10, 289 (2014).
//! r → 0: U and F diverge; callers exclude or floor such pairs. At r = r_cut see [`LjModifier`].

use crate::potential::{PairTerm, pair_table::PairCoefficients};
use crate::system::LjModifier;

/// Unmodified form. `r_sq` in nm², coefficients in kJ/mol nmⁿ.
///
/// ```
/// use hexaqua::potential::{pair_table::PairCoefficients, vdw::lennard_jones};
/// // at r = 2^(1/6) σ: U = −ε, F = 0
/// let k = PairCoefficients::from_sigma_epsilon(0.3, 2.0);
/// let minimum = 0.09 * 2f64.powf(1.0 / 3.0);
/// let term = lennard_jones::plain(minimum, k);
/// assert!((term.energy + 2.0).abs() < 1e-12 && term.force_over_r.abs() < 1e-9);
/// ```
pub fn plain(r_sq: f64, k: PairCoefficients) -> PairTerm {
    let inv_r_sq = 1.0 / r_sq;
    let inv_r4 = inv_r_sq * inv_r_sq;
    let inv_r6 = inv_r4 * inv_r_sq;
    let repulsion = k.c12 * inv_r6 * inv_r6;
    let dispersion = k.c6 * inv_r6;
    let induced = k.c4 * inv_r4;
    PairTerm {
        energy: repulsion - dispersion - induced,
        force_over_r: (12.0 * repulsion - 6.0 * dispersion - 4.0 * induced) * inv_r_sq,
    }
}

/// The form with its cutoff modifier, for r ≤ `cutoff` (nm).
pub fn modified(r_sq: f64, k: PairCoefficients, modifier: LjModifier, cutoff: f64) -> PairTerm {
    let term = plain(r_sq, k);
    match modifier {
        LjModifier::None => term,
        LjModifier::PotentialShift => PairTerm { energy: term.energy - plain(cutoff * cutoff, k).energy, ..term },
        LjModifier::Switch { start } => {
            let r = r_sq.sqrt();
            if r <= start {
                return term;
            }
            let width = cutoff - start;
            let x = (r - start) / width;
            let s = 1.0 + x * x * x * (-10.0 + x * (15.0 - 6.0 * x));
            let ds_dr = x * x * (-30.0 + x * (60.0 - 30.0 * x)) / width;
            PairTerm { energy: s * term.energy, force_over_r: s * term.force_over_r - term.energy * ds_dr / r }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: PairCoefficients = PairCoefficients { c6: 2.6e-3, c12: 2.6e-6, c4: 0.09 };
    const CUTOFF: f64 = 0.9;
    const MODIFIERS: [LjModifier; 3] =
        [LjModifier::None, LjModifier::PotentialShift, LjModifier::Switch { start: 0.7 }];

    #[test]
    fn hand_computed_value() {
        // r = 0.5: r⁴ = 1/16, r⁶ = 1/64, r¹² = 1/4096
        let k = PairCoefficients { c6: 1.0, c12: 1.0, c4: 1.0 };
        let term = plain(0.25, k);
        assert_eq!(term.energy, 4096.0 - 64.0 - 16.0);
        assert_eq!(term.force_over_r, 4.0 * (12.0 * 4096.0 - 6.0 * 64.0 - 4.0 * 16.0));
    }

    #[test]
    fn force_is_minus_the_derivative() {
        let h = 1e-6;
        for modifier in MODIFIERS {
            for step in 0..60 {
                let r = 0.19 + 0.0117 * f64::from(step);
                let u = |r: f64| modified(r * r, K, modifier, CUTOFF).energy;
                let numerical = -(u(r + h) - u(r - h)) / (2.0 * h);
                let analytic = modified(r * r, K, modifier, CUTOFF).force_over_r * r;
                assert!((numerical - analytic).abs() < 1e-6 * analytic.abs().max(1.0), "{modifier:?} r = {r}");
            }
        }
    }

    #[test]
    fn shift_and_switch_vanish_at_the_cutoff() {
        let at = |m| modified(CUTOFF * CUTOFF, K, m, CUTOFF);
        assert!(at(MODIFIERS[1]).energy.abs() < 1e-15);
        assert!(at(MODIFIERS[2]).energy.abs() < 1e-15 && at(MODIFIERS[2]).force_over_r.abs() < 1e-12);
        assert!(at(LjModifier::None).energy.abs() > 1e-3);
    }
}
