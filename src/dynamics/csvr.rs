//! Stochastic velocity rescaling (CSVR): G. Bussi, D. Donadio, M. Parrinello, J. Chem. Phys. 126, 014101 (2007).
//!
//! Draws the random numbers; the backend, which holds the kinetic energy, finds the factor and applies it at the start of
//! a chunk.

use crate::forces::CsvrDraw;
use crate::random::{Draws, Stream};
use crate::units::BOLTZMANN;

/// Draws what one coupling needs to find the factor on all velocities from the kinetic energy, eq. A7 of the paper.
///
/// * `degrees_of_freedom` – N_f
/// * `temperature` – target, K
/// * `ratio` – coupling interval divided by the time constant τ
/// * `seed`, `step` – key and counter of the noise
pub fn draw(degrees_of_freedom: usize, temperature: f64, ratio: f64, seed: u64, step: u64) -> CsvrDraw {
    if degrees_of_freedom < 2 {
        return CsvrDraw { decay: 1.0, gain: 0.0, cross: 0.0 };
    }
    let c = (-ratio).exp();
    let mut draws = Draws::new(seed, Stream::Csvr, step);
    let r1 = draws.normal();
    let sum_of_squares = sum_of_squared_normals(&mut draws, degrees_of_freedom - 1);
    // target kinetic energy of one degree of freedom
    let half_kt = 0.5 * BOLTZMANN * temperature;
    CsvrDraw {
        decay: c,
        gain: (1.0 - c) * half_kt * (sum_of_squares + r1 * r1),
        cross: 2.0 * r1 * (c * (1.0 - c) * half_kt).sqrt(),
    }
}

/// Sum of `n` squared standard normals: a chi-square variate, 2 Γ(n/2).
fn sum_of_squared_normals(draws: &mut Draws, n: usize) -> f64 {
    match n {
        0 => 0.0,
        1 => draws.normal().powi(2),
        _ => 2.0 * draws.gamma(0.5 * n as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without dynamics the map alone must sample the canonical distribution of K: mean N_f kT/2, variance N_f (kT)²/2.
    #[test]
    fn the_map_samples_the_canonical_kinetic_energy() {
        for (n_f, ratio) in [(30_usize, 0.3), (301, 0.08)] {
            let kt = BOLTZMANN * 298.15;
            let mut kinetic = 0.5 * n_f as f64 * kt * 1.5;
            let (mut sum, mut sum_sq, mut n) = (0.0, 0.0, 0.0);
            for step in 0..60_000 {
                let s = draw(n_f, 298.15, ratio, 9, step).factor(kinetic);
                kinetic *= s * s;
                if step > 1000 {
                    sum += kinetic;
                    sum_sq += kinetic * kinetic;
                    n += 1.0;
                }
            }
            let mean = sum / n;
            let variance = sum_sq / n - mean * mean;
            let exact_mean = 0.5 * n_f as f64 * kt;
            let exact_variance = 0.5 * n_f as f64 * kt * kt;
            // K decays with rate `ratio` per step, so samples 1/ratio apart are independent
            let independent = n * ratio / 2.0;
            assert!(
                (mean - exact_mean).abs() < 4.0 * (exact_variance / independent).sqrt(),
                "{n_f}: {mean} {exact_mean}"
            );
            assert!((variance / exact_variance - 1.0).abs() < 4.0 * (2.0 / independent).sqrt(), "{n_f}: variance");
        }
    }

    #[test]
    fn zero_coupling_leaves_velocities_alone() {
        assert!((draw(50, 300.0, 0.0, 1, 1).factor(100.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn same_seed_and_step_give_the_same_factor() {
        let f = |seed, step| draw(50, 300.0, 0.1, seed, step).factor(100.0);
        assert_eq!(f(1, 7), f(1, 7));
        assert_ne!(f(1, 7), f(1, 8));
        assert_ne!(f(1, 7), f(2, 7));
    }
}
