//! The smooth part of the Ewald force as a table of cubics, for processors that look up 32 values in two registers.
//!
//! The table covers 0 ≤ r² ≤ r_cut² with 32 intervals. It replaces a quotient of polynomials (see [`super::rational`])
//! where it is as accurate: the error grows with the fourth power of (β r_cut)².

use crate::math::ewald_correction;

/// Intervals of the table.
pub(super) const INTERVALS: usize = 32;
/// Largest (β r_cut)² for which the error stays below 1e-6 of the bare Coulomb force.
pub(super) const LARGEST: f64 = 12.5;
/// Half an interval is left at the upper end, so that rounding never reaches one that is not there.
const LAST: f64 = INTERVALS as f64 - 0.6;

/// Σ_k powers\[k\]\[i\] d^k with i = round(`scale` r²), d = `scale` r² − i.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cubics {
    /// nm⁻²
    pub scale: f32,
    /// nm⁻³
    pub powers: [[f32; INTERVALS]; 4],
}

impl Cubics {
    /// β³ P(β² r²), see [`ewald_correction`], for r up to `cutoff` (nm); `None` where a table is too coarse.
    pub fn new(beta: f64, cutoff: f64) -> Option<Self> {
        let z_sq_max = (beta * cutoff).powi(2);
        if !(z_sq_max > 0.0 && z_sq_max <= LARGEST) {
            return None;
        }
        // what is tabulated is a function of the scale that is used, not of the one that was meant
        let scale = (LAST / (cutoff * cutoff)) as f32;
        let z_sq_per_interval = beta * beta / f64::from(scale);
        let mut powers = [[0.0; INTERVALS]; 4];
        for i in 0..INTERVALS {
            let nodes = [0, 1, 2, 3].map(|k| 0.5 * (std::f64::consts::PI * (f64::from(k) + 0.5) / 4.0).cos());
            let mut c = nodes.map(|d| beta.powi(3) * ewald_correction((i as f64 + d) * z_sq_per_interval));
            for level in 1..4 {
                for k in (level..4).rev() {
                    c[k] = (c[k] - c[k - 1]) / (nodes[k] - nodes[k - level]);
                }
            }
            // Newton's form to powers of d
            let mut p = [0.0; 4];
            for k in (0..4).rev() {
                for d in (1..4).rev() {
                    p[d] = p[d - 1] - nodes[k] * p[d];
                }
                p[0] = c[k] - nodes[k] * p[0];
            }
            for (power, x) in powers.iter_mut().zip(p) {
                power[i] = x as f32;
            }
        }
        Some(Cubics { scale, powers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(beta: f64, cutoff: f64) -> f64 {
        let table = Cubics::new(beta, cutoff).expect("fine enough");
        let mut worst = 0.0f64;
        for step in 1..=20000 {
            let r_sq = (cutoff * cutoff * f64::from(step) / 20000.0) as f32;
            let x = table.scale * r_sq;
            let i = x.round_ties_even();
            assert!((i as usize) < INTERVALS);
            let d = table.scale.mul_add(r_sq, -i);
            let value = (0..4).rev().fold(0.0f32, |sum, k| sum.mul_add(d, table.powers[k][i as usize]));
            let r_sq = f64::from(r_sq);
            let exact = beta.powi(3) * ewald_correction(beta * beta * r_sq);
            worst = worst.max((f64::from(value) - exact).abs() * r_sq * r_sq.sqrt());
        }
        worst
    }

    #[test]
    fn the_table_is_as_good_as_single_precision() {
        // erfc(β r_cut) = 1e-5 and 1e-6, errors relative to the bare Coulomb force
        assert!(worst(3.1234 / 0.9, 0.9) < 5e-7, "{:.2e}", worst(3.1234 / 0.9, 0.9));
        assert!(worst(3.4590 / 1.2, 1.2) < 1.1e-6, "{:.2e}", worst(3.4590 / 1.2, 1.2));
        assert!(Cubics::new(4.0, 0.9).is_none() && Cubics::new(0.0, 0.9).is_none());
    }
}
