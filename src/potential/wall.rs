//! Walls: a half space of Lennard-Jones atoms, integrated over the lateral directions.
//!
//! With c6 and c12 of one wall atom, ρ wall atoms per volume and h the height above the outermost layer:
//!
//! * 9-3: U = π ρ [c12/(45 h⁹) − c6/(6 h³)]
//! * 10-4-3: U = π ρ [Δ c12/(5 h¹⁰) − Δ c6/(2 h⁴) − c6/(6 (h + 0.61 Δ)³)], layers Δ apart
//!   (W. A. Steele, Surf. Sci. 36, 317 (1973), eq. 8, there with ε and σ)
//!
//! There is no cutoff. h → 0: U diverges; behind the wall it is infinite.

use crate::potential::pair_table::PairCoefficients;
use std::f64::consts::PI;

/// (U, −dU/dh), kJ/mol and kJ/mol/nm.
///
/// * `h` – nm
/// * `density` – nm⁻³
///
/// ```
/// use hexaqua::potential::{pair_table::PairCoefficients, wall};
/// // minimum of the 9-3 wall: h⁶ = (2/5) σ⁶, U = −(2/9) √10 π ρ ε σ³
/// let k = PairCoefficients::from_sigma_epsilon(0.3, 2.0);
/// let (u, f) = wall::nine_three(0.3 * 0.4f64.powf(1.0 / 6.0), k, 60.0);
/// let depth = 2.0 / 9.0 * 10f64.sqrt() * std::f64::consts::PI * 60.0 * 2.0 * 0.027;
/// assert!((u + depth).abs() < 1e-12 * depth && f.abs() < 1e-9);
/// ```
pub fn nine_three(h: f64, k: PairCoefficients, density: f64) -> (f64, f64) {
    if h <= 0.0 {
        return (f64::INFINITY, f64::NAN);
    }
    let inv_h3 = 1.0 / (h * h * h);
    let repulsion = PI * density * k.c12 / 45.0 * inv_h3 * inv_h3 * inv_h3;
    let attraction = PI * density * k.c6 / 6.0 * inv_h3;
    (repulsion - attraction, (9.0 * repulsion - 3.0 * attraction) / h)
}

/// (U, −dU/dh), kJ/mol and kJ/mol/nm.
///
/// * `h` – nm
/// * `density` – nm⁻³
/// * `spacing` – Δ, nm
pub fn ten_four_three(h: f64, k: PairCoefficients, density: f64, spacing: f64) -> (f64, f64) {
    if h <= 0.0 {
        return (f64::INFINITY, f64::NAN);
    }
    let inv_h2 = 1.0 / (h * h);
    let inv_h4 = inv_h2 * inv_h2;
    let repulsion = PI * density * spacing * k.c12 / 5.0 * inv_h4 * inv_h4 * inv_h2;
    let surface = PI * density * spacing * k.c6 / 2.0 * inv_h4;
    let deep = h + 0.61 * spacing;
    let bulk = PI * density * k.c6 / (6.0 * deep * deep * deep);
    (repulsion - surface - bulk, (10.0 * repulsion - 4.0 * surface) / h - 3.0 * bulk / deep)
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: PairCoefficients = PairCoefficients { c6: 2.6e-3, c12: 2.6e-6, c4: 0.0 };

    #[test]
    fn forces_are_minus_the_slopes() {
        for h in [0.2, 0.31, 0.5, 1.2] {
            for form in [|h| nine_three(h, K, 114.0), |h| ten_four_three(h, K, 114.0, 0.335)] {
                let numeric = -(form(h + 1e-6).0 - form(h - 1e-6).0) / 2e-6;
                assert!((form(h).1 - numeric).abs() < 1e-6 * numeric.abs().max(1e-3), "{h}");
            }
        }
    }

    #[test]
    fn nine_three_is_the_integral_over_the_half_space() {
        // Σ over thin layers below the wall of 2π ρ ∫ U(r) ρ dρ: π ρ [c12/(5 z¹⁰) − c6/(2 z⁴)] dz
        let (h, density) = (0.4, 114.0);
        let (n, dz) = (200_000, 1e-4);
        let layer = |z: f64| PI * density * (K.c12 / (5.0 * z.powi(10)) - K.c6 / (2.0 * z.powi(4)));
        let sum: f64 = (0..n).map(|i| layer(h + (f64::from(i) + 0.5) * dz) * dz).sum();
        let (u, _) = nine_three(h, K, density);
        assert!((sum / u - 1.0).abs() < 1e-5, "{sum} {u}");
    }

    #[test]
    fn steele_is_close_to_the_sum_over_layers() {
        // the 0.61 Δ is Steele's fit to the sum over the deeper layers, good to a per cent of the well
        let (density, spacing) = (114.0, 0.335);
        let layers = |h: f64| -> f64 {
            let layer = |z: f64| PI * density * spacing * (K.c12 / (5.0 * z.powi(10)) - K.c6 / (2.0 * z.powi(4)));
            (0..2000).map(|n| layer(h + f64::from(n) * spacing)).sum()
        };
        let depth = (25..60).map(|k| -layers(0.01 * f64::from(k))).fold(0.0, f64::max);
        for h in [0.3, 0.4, 0.7] {
            let (u, _) = ten_four_three(h, K, density, spacing);
            assert!((u - layers(h)).abs() < 0.01 * depth, "{h}: {u} {} {depth}", layers(h));
        }
    }

    #[test]
    fn behind_a_wall_nothing_is_finite() {
        assert!(!nine_three(-0.1, K, 1.0).1.is_finite() && !ten_four_three(0.0, K, 1.0, 0.3).1.is_finite());
    }
}
