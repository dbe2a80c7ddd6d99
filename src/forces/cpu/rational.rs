//! Rational approximations for the pair kernel, fitted when a backend is made.
//!
//! The Ewald force factor P and erf(z)/z are smooth functions of z², so a quotient of two short polynomials replaces
//! exp and erfc. Fitting at start-up takes about a millisecond, uses exactly the range that β and the cutoff ask for,
//! and leaves no table of constants to keep in step with its generator.

use crate::math::{erf, erfc, ewald_correction};
use std::f64::consts::PI;

/// Numerator degree.
pub(super) const NUMERATOR: usize = 6;
/// Denominator degree.
pub(super) const DENOMINATOR: usize = 4;
const UNKNOWNS: usize = NUMERATOR + 1 + DENOMINATOR;
const NODES: usize = 300;

/// (Σ numerator\[k\] tᵏ) / (Σ denominator\[k\] tᵏ), denominator\[0\] = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rational {
    pub numerator: [f64; NUMERATOR + 1],
    pub denominator: [f64; DENOMINATOR + 1],
}

impl Rational {
    #[inline]
    pub fn value(&self, t: f64) -> f64 {
        let horner = |c: &[f64]| c.iter().rev().fold(0.0, |sum, &x| sum * t + x);
        horner(&self.numerator) / horner(&self.denominator)
    }

    /// The approximation of amplitude · f(scale · t).
    pub fn scaled(mut self, amplitude: f64, scale: f64) -> Rational {
        let mut power = 1.0;
        for k in 0..=NUMERATOR {
            self.numerator[k] *= amplitude * power;
            if k <= DENOMINATOR {
                self.denominator[k] *= power;
            }
            power *= scale;
        }
        self
    }
}

/// P(z²) of [`ewald_correction`] on 0 ≤ z² ≤ `z_sq_max`; the error is measured against the bare Coulomb force, 1/z³.
pub(super) fn fit_force(z_sq_max: f64) -> Rational {
    fit(ewald_correction, |z_sq| z_sq * z_sq.sqrt(), z_sq_max)
}

/// erf(z)/z on 0 ≤ z² ≤ `z_sq_max`; the error is measured against the bare Coulomb energy, 1/z.
pub(super) fn fit_energy(z_sq_max: f64) -> Rational {
    let f = |z_sq: f64| {
        let z = z_sq.sqrt();
        if z < 1e-6 { 2.0 / PI.sqrt() } else { erf(z) / z }
    };
    fit(f, f64::sqrt, z_sq_max)
}

/// exp(z²) erfc(z) on 0 ≤ z ≤ `z_max`, in z; the error is relative.
pub(super) fn fit_scaled_erfc(z_max: f64) -> Rational {
    fit(scaled_erfc, |z| 1.0 / scaled_erfc(z), z_max)
}

fn scaled_erfc(z: f64) -> f64 {
    (z * z).exp() * erfc(z)
}

/// Weighted minimax fit: linearised least squares (C. K. Sanathanan, J. Koerner, IEEE Trans. Autom. Control 8, 56
/// (1963)) with Lawson's reweighting.
fn fit(f: impl Fn(f64) -> f64, weight: impl Fn(f64) -> f64, t_max: f64) -> Rational {
    // Chebyshev nodes in √t, where the function and its weight vary evenly; x = t/t_max keeps powers tame
    let nodes: Vec<(f64, f64, f64)> = (0..NODES)
        .map(|k| {
            let root = 0.5 * (1.0 - (PI * (k as f64 + 0.5) / NODES as f64).cos());
            let t = root * root * t_max;
            (root * root, f(t), weight(t) + 1e-3)
        })
        .collect();
    let mut lawson = vec![1.0; NODES];
    let mut previous = vec![1.0; NODES];
    let mut best = (f64::INFINITY, [0.0; UNKNOWNS]);
    for _ in 0..40 {
        let rows: Vec<[f64; UNKNOWNS + 1]> = nodes
            .iter()
            .enumerate()
            .map(|(k, &(x, y, w))| {
                let scale = w * f64::sqrt(lawson[k]) / previous[k];
                let mut row = [0.0; UNKNOWNS + 1];
                let mut power = 1.0;
                for (degree, entry) in row.iter_mut().take(NUMERATOR + 1).enumerate() {
                    *entry = scale * power;
                    if degree < NUMERATOR {
                        power *= x;
                    }
                }
                power = x;
                for entry in row.iter_mut().skip(NUMERATOR + 1).take(DENOMINATOR) {
                    *entry = -scale * y * power;
                    power *= x;
                }
                row[UNKNOWNS] = scale * y;
                row
            })
            .collect();
        let c = least_squares(rows);
        let mut errors = vec![0.0; NODES];
        for (k, &(x, y, w)) in nodes.iter().enumerate() {
            let numerator = c[..=NUMERATOR].iter().rev().fold(0.0, |sum, &a| sum * x + a);
            let denominator = 1.0 + x * c[NUMERATOR + 1..].iter().rev().fold(0.0, |sum, &a| sum * x + a);
            previous[k] = denominator;
            errors[k] = (w * (numerator / denominator - y)).abs();
        }
        let worst = errors.iter().copied().fold(0.0, f64::max);
        if worst < best.0 {
            best = (worst, c);
        }
        for (l, e) in lawson.iter_mut().zip(&errors) {
            *l = (*l * (e / worst + 0.02)).max(1e-8);
        }
        let mean = lawson.iter().sum::<f64>() / NODES as f64;
        lawson.iter_mut().for_each(|l| *l /= mean);
    }
    let mut out = Rational { numerator: [0.0; NUMERATOR + 1], denominator: [0.0; DENOMINATOR + 1] };
    out.numerator.copy_from_slice(&best.1[..=NUMERATOR]);
    out.denominator[0] = 1.0;
    out.denominator[1..].copy_from_slice(&best.1[NUMERATOR + 1..]);
    out.scaled(1.0, 1.0 / t_max)
}

/// Solves min |A c − b| by Householder reflections; each row holds A's entries and b.
fn least_squares(mut rows: Vec<[f64; UNKNOWNS + 1]>) -> [f64; UNKNOWNS] {
    for column in 0..UNKNOWNS {
        let norm = rows[column..].iter().map(|r| r[column] * r[column]).sum::<f64>().sqrt();
        let alpha = if rows[column][column] > 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = rows[column..].iter().map(|r| r[column]).collect();
        v[0] -= alpha;
        let v_sq = v.iter().map(|x| x * x).sum::<f64>();
        if v_sq == 0.0 {
            continue;
        }
        for k in column..=UNKNOWNS {
            let dot = rows[column..].iter().zip(&v).map(|(r, x)| r[k] * x).sum::<f64>();
            for (r, x) in rows[column..].iter_mut().zip(&v) {
                r[k] -= 2.0 * dot / v_sq * x;
            }
        }
    }
    let mut c = [0.0; UNKNOWNS];
    for k in (0..UNKNOWNS).rev() {
        let known: f64 = (k + 1..UNKNOWNS).map(|l| rows[k][l] * c[l]).sum();
        c[k] = (rows[k][UNKNOWNS] - known) / rows[k][k];
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(r: Rational, f: impl Fn(f64) -> f64, weight: impl Fn(f64) -> f64, t_max: f64) -> f64 {
        (0..=4000)
            .map(|k| t_max * (f64::from(k) / 4000.0).powi(2))
            .map(|t| ((r.value(t) - f(t)) * weight(t)).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn fits_stay_within_single_precision_over_every_range_in_use() {
        // erfc(β r_cut) = 1e-2 … 1e-8
        let ranges = [(3.4, 1e-11), (6.8, 1e-8), (9.8, 3e-8), (13.1, 2e-7), (17.0, 5e-7)];
        for (z_sq_max, limit) in ranges {
            let force = worst(fit_force(z_sq_max), ewald_correction, |t| t * t.sqrt(), z_sq_max);
            let erf_over_z = |t: f64| if t == 0.0 { 2.0 / PI.sqrt() } else { erf(t.sqrt()) / t.sqrt() };
            let energy = worst(fit_energy(z_sq_max), erf_over_z, f64::sqrt, z_sq_max);
            assert!(force < limit && energy < 0.3 * limit, "{z_sq_max}: {force:.2e} {energy:.2e}");
            let z_max = z_sq_max.sqrt();
            let screened = worst(fit_scaled_erfc(z_max), scaled_erfc, |z| 1.0 / scaled_erfc(z), z_max);
            assert!(screened < 2e-8, "{z_sq_max}: {screened:.2e}");
        }
    }

    #[test]
    fn denominators_stay_positive_beyond_the_range() {
        // lanes outside the cutoff are computed and thrown away, but must not divide by zero
        for z_sq_max in [3.4, 9.8, 17.0] {
            for r in [fit_force(z_sq_max), fit_energy(z_sq_max)] {
                assert!(r.denominator.iter().all(|&d| d > 0.0), "{r:?}");
            }
        }
    }

    #[test]
    fn scaling_multiplies_argument_and_value() {
        let r = fit_force(9.8);
        assert!((r.scaled(2.0, 3.0).value(1.5) - 2.0 * r.value(4.5)).abs() < 1e-14);
    }
}
