//! Special functions and small numerics shared by the f64 twins.

pub use libm::{erf, erfc};

use glam::DVec3;
use std::f64::consts::PI;

/// 64-bit FNV-1a (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>).
///
/// ```
/// assert_eq!(hexaqua::math::fnv1a(b"foobar"), 0x85944171f73967e8);
/// ```
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Index of the first point with a coordinate that is not a finite number.
pub fn first_not_finite(points: &[DVec3]) -> Option<usize> {
    // Zero times a number is zero unless the number is not finite; no branch for every point.
    let is_good = |chunk: &[DVec3]| chunk.iter().fold(DVec3::ZERO, |sum, r| sum + *r * 0.0) == DVec3::ZERO;
    let chunk = points.chunks(64).position(|chunk| !is_good(chunk))?;
    (64 * chunk..points.len()).find(|&i| !points[i].is_finite())
}

/// Smallest β (nm⁻¹) with erfc(β·cutoff) ≤ `tolerance`, by bisection to the last bit that matters.
///
/// * `cutoff` – nm
/// * `tolerance` – dimensionless, 0 < tolerance < 1
pub fn ewald_beta(cutoff: f64, tolerance: f64) -> f64 {
    let (mut low, mut high) = (0.0, 30.0 / cutoff);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if erfc(middle * cutoff) > tolerance { low = middle } else { high = middle }
    }
    high
}

/// The smooth function P with z³ P(z²) = (2 z/√π) exp(−z²) − erf(z); P(0) = −4/(3√π).
///
/// The Ewald real-space force factor is then F/r = k_e q_i q_j [1/r³ + β³ P(β² r²)].
///
/// * `z_sq` – z², dimensionless, ≥ 0
pub fn ewald_correction(z_sq: f64) -> f64 {
    if z_sq < 0.04 {
        // Σ_{n≥1} (−1)ⁿ 4 n/( (2n+1) n! √π ) z^{2(n−1)}
        let mut term = 1.0; // z^{2(n-1)} / n!
        let mut sum = 0.0;
        for n in 1..12_i32 {
            if n > 1 {
                term *= z_sq / f64::from(n);
            }
            let sign = if n % 2 == 1 { -1.0 } else { 1.0 };
            sum += sign * 4.0 * f64::from(n) / f64::from(2 * n + 1) * term;
        }
        sum / PI.sqrt()
    } else {
        let z = z_sq.sqrt();
        ((2.0 * z / PI.sqrt()) * (-z_sq).exp() - erf(z)) / (z_sq * z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_meets_its_tolerance() {
        let beta = ewald_beta(0.9, 1e-5);
        assert!((beta - 3.470).abs() < 1e-3);
        assert!(erfc(beta * 0.9) <= 1e-5);
    }

    #[test]
    fn correction_is_continuous_where_the_series_ends_and_right_at_zero() {
        assert!((ewald_correction(0.0) + 4.0 / (3.0 * PI.sqrt())).abs() < 1e-15);
        let below = ewald_correction(0.04 - 1e-12);
        let above = ewald_correction(0.04 + 1e-12);
        assert!((below - above).abs() < 1e-11);
    }

    #[test]
    fn the_first_bad_point_is_found() {
        let mut points = vec![DVec3::ONE; 200];
        assert_eq!(first_not_finite(&points), None);
        points[170].y = f64::NAN;
        assert_eq!(first_not_finite(&points), Some(170));
        points[63].z = f64::INFINITY;
        assert_eq!(first_not_finite(&points), Some(63));
    }
}
