//! Direct Ewald reciprocal sum in any cell: the oracle of every mesh, and exact for small boxes.
//!
//! E = (2π k_e/V) Σ_{k≠0} exp(−k²/4β²)/k² |S(k)|², S(k) = Σ_i q_i exp(i k·r_i), k = 2π (n_a a* + n_b b* + n_c c*)
//! (P. P. Ewald, Ann. Phys. 369, 253 (1921); tin-foil boundary). Self and excluded-pair terms live in `exclusions`.
//! Cost is O(N n_k); the phases are tabulated per axis and the sum runs over half of reciprocal space.

use super::{Contribution, outer};
use crate::cell::Cell;
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::f64::consts::{PI, TAU};

/// Which wave vectors are summed, and the width of the Gaussians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaveVectors {
    /// nm⁻¹
    pub beta: f64,
    /// Largest |n| along each reciprocal vector.
    pub n_max: [i32; 3],
    /// Only n with n·n < `n_sq_max`; `None` keeps the whole box.
    pub n_sq_max: Option<i32>,
}

/// Smallest `n_max` that holds every k with exp(−k²/4β²) ≥ `tolerance`.
///
/// From n_a = k·a/2π it follows that |n_a| ≤ |k| |a|/2π, in any cell.
///
/// * `beta` – nm⁻¹
/// * `tolerance` – dimensionless, 0 < tolerance < 1
pub fn choose_n_max(cell: &Cell, beta: f64, tolerance: f64) -> [i32; 3] {
    let k_max = 2.0 * beta * (-tolerance.ln()).sqrt();
    let v = cell.vectors();
    [v.x_axis, v.y_axis, v.z_axis].map(|a| ((k_max * a.length() / TAU).floor() as i32).max(1))
}

/// exp(2πi n s) of every atom for n = 0 … n_max along one axis; entry n·n_atoms + i.
struct AxisPhases {
    re: Vec<f64>,
    im: Vec<f64>,
}

impl AxisPhases {
    fn new(fractional: impl Iterator<Item = f64> + Clone, n_max: i32) -> Self {
        let (mut re, mut im) = (Vec::new(), Vec::new());
        for n in 0..=n_max {
            for s in fractional.clone() {
                let (sin, cos) = (TAU * f64::from(n) * (s - s.round())).sin_cos();
                re.push(cos);
                im.push(sin);
            }
        }
        AxisPhases { re, im }
    }

    /// Real parts, imaginary parts and the sign that the imaginary parts need for `n`.
    fn of(&self, n: i32, n_atoms: usize) -> (&[f64], &[f64], f64) {
        let start = n.unsigned_abs() as usize * n_atoms;
        (&self.re[start..start + n_atoms], &self.im[start..start + n_atoms], f64::from(n.signum()))
    }
}

/// Adds the reciprocal forces and returns energy and virial.
///
/// * `positions` – `[n_atoms]`, nm
/// * `charges` – `[n_atoms]`, e
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
///
/// The sum over columns is cut in a fixed number of parts, so the result does not depend on the number of threads.
pub fn add_forces(
    cell: &Cell,
    positions: &[DVec3],
    charges: &[f64],
    waves: &WaveVectors,
    forces: &mut [DVec3],
) -> Contribution {
    const PARTS: usize = 32;
    let n_atoms = positions.len();
    let fractional: Vec<DVec3> = positions.iter().map(|&r| cell.to_fractional(r)).collect();
    let phases = [0, 1, 2].map(|axis| AxisPhases::new(fractional.iter().map(|s| s[axis]), waves.n_max[axis]));
    // one half of reciprocal space as columns along c*: n_a > 0; n_a = 0, n_b > 0; n_a = n_b = 0, n_c > 0
    let mut columns = Vec::new();
    for n_a in 0..=waves.n_max[0] {
        let first = if n_a == 0 { 0 } else { -waves.n_max[1] };
        columns.extend((first..=waves.n_max[1]).map(|n_b| (n_a, n_b)));
    }
    let parts: Vec<(Contribution, Vec<DVec3>)> = columns
        .par_chunks(columns.len().div_ceil(PARTS))
        .map(|part| {
            let mut sum = Contribution::ZERO;
            let mut gradient = vec![DVec3::ZERO; n_atoms];
            for &(n_a, n_b) in part {
                add_column(cell, charges, waves, &phases, (n_a, n_b), &mut sum, &mut gradient);
            }
            (sum, gradient)
        })
        .collect();
    let mut total = Contribution::ZERO;
    for (sum, part_forces) in parts {
        total.energy += sum.energy;
        total.virial += sum.virial;
        for (f, g) in forces.iter_mut().zip(part_forces) {
            *f += g;
        }
    }
    total
}

/// Energies of unit charges at every pair of positions, `[n * n]` row-major, kJ mol⁻¹ e⁻².
///
/// * `positions` – `[n]`, nm
pub fn interactions(cell: &Cell, positions: &[DVec3], waves: &WaveVectors) -> Vec<f64> {
    let mut unit = vec![0.0; positions.len()];
    let mut matrix = Vec::with_capacity(positions.len() * positions.len());
    for i in 0..positions.len() {
        unit[i] = 1.0;
        matrix.extend(potentials(cell, positions, &unit, waves));
        unit[i] = 0.0;
    }
    matrix
}

/// Potential of the reciprocal sum at every atom, the derivative of its energy by the atom's charge, kJ mol⁻¹ e⁻¹.
///
/// Written as the plain double sum: for electrodes and tests, not for dynamics.
///
/// * `positions` – `[n_atoms]`, nm
/// * `charges` – `[n_atoms]`, e
pub fn potentials(cell: &Cell, positions: &[DVec3], charges: &[f64], waves: &WaveVectors) -> Vec<f64> {
    let reciprocal = cell.inverse().transpose();
    let [n_a, n_b, n_c] = waves.n_max;
    let mut vectors = Vec::new();
    for a in 0..=n_a {
        for b in if a == 0 { 0 } else { -n_b }..=n_b {
            for c in if a == 0 && b == 0 { 1 } else { -n_c }..=n_c {
                if waves.n_sq_max.is_none_or(|limit| a * a + b * b + c * c < limit) {
                    vectors.push(TAU * (reciprocal * DVec3::new(f64::from(a), f64::from(b), f64::from(c))));
                }
            }
        }
    }
    let amplitudes: Vec<(DVec3, f64, f64)> = vectors
        .into_par_iter()
        .map(|k| {
            let (mut re, mut im) = (0.0, 0.0);
            for (r, q) in positions.iter().zip(charges).filter(|(_, q)| **q != 0.0) {
                let (sin, cos) = k.dot(*r).sin_cos();
                re += q * cos;
                im += q * sin;
            }
            let k_sq = k.length_squared();
            // k and −k
            let a = 8.0 * PI * COULOMB / cell.volume() * (-k_sq / (4.0 * waves.beta * waves.beta)).exp() / k_sq;
            (k, a * re, a * im)
        })
        .collect();
    let at = |r: &DVec3| {
        amplitudes.iter().fold(0.0, |sum, &(k, re, im)| {
            let (sin, cos) = k.dot(*r).sin_cos();
            sum + re * cos + im * sin
        })
    };
    positions.par_iter().map(at).collect()
}

/// One column (n_a, n_b, all n_c) of the half space.
fn add_column(
    cell: &Cell,
    charges: &[f64],
    waves: &WaveVectors,
    phases: &[AxisPhases; 3],
    (n_a, n_b): (i32, i32),
    sum: &mut Contribution,
    forces: &mut [DVec3],
) {
    let n_atoms = charges.len();
    let reciprocal = cell.inverse().transpose();
    let (a_re, a_im, a_sign) = phases[0].of(n_a, n_atoms);
    let (b_re, b_im, b_sign) = phases[1].of(n_b, n_atoms);
    let (mut ab_re, mut ab_im) = (vec![0.0; n_atoms], vec![0.0; n_atoms]);
    for i in 0..n_atoms {
        ab_re[i] = charges[i] * (a_re[i] * b_re[i] - a_sign * b_sign * a_im[i] * b_im[i]);
        ab_im[i] = charges[i] * (a_re[i] * b_sign * b_im[i] + a_sign * a_im[i] * b_re[i]);
    }
    // Σ over the column of A(k) g_i and n_c A(k) g_i, with g_i = q_i Im(S* exp(i k·r_i))
    let (mut along_ab, mut along_c) = (vec![0.0; n_atoms], vec![0.0; n_atoms]);
    let first = if n_a == 0 && n_b == 0 { 1 } else { -waves.n_max[2] };
    for n_c in first..=waves.n_max[2] {
        if waves.n_sq_max.is_some_and(|limit| n_a * n_a + n_b * n_b + n_c * n_c >= limit) {
            continue;
        }
        let (c_re, c_im, c_sign) = phases[2].of(n_c, n_atoms);
        let (mut s_re, mut s_im) = (0.0, 0.0);
        for i in 0..n_atoms {
            s_re += ab_re[i] * c_re[i] - ab_im[i] * c_sign * c_im[i];
            s_im += ab_re[i] * c_sign * c_im[i] + ab_im[i] * c_re[i];
        }
        let k = TAU * (reciprocal * DVec3::new(f64::from(n_a), f64::from(n_b), f64::from(n_c)));
        let k_sq = k.length_squared();
        // twice the summand of the module's formula: k and −k
        let a = 4.0 * PI * COULOMB / cell.volume() * (-k_sq / (4.0 * waves.beta * waves.beta)).exp() / k_sq;
        let energy = a * (s_re * s_re + s_im * s_im);
        sum.energy += energy;
        sum.virial += wave_virial(k, waves.beta) * energy;
        let (f_re, f_im) = (2.0 * a * s_re, 2.0 * a * s_im);
        let n = f64::from(n_c);
        for i in 0..n_atoms {
            let re = ab_re[i] * c_re[i] - ab_im[i] * c_sign * c_im[i];
            let im = ab_re[i] * c_sign * c_im[i] + ab_im[i] * c_re[i];
            let g = f_re * im - f_im * re;
            along_ab[i] += g;
            along_c[i] += n * g;
        }
    }
    let k_ab = TAU * (reciprocal * DVec3::new(f64::from(n_a), f64::from(n_b), 0.0));
    let k_c = TAU * reciprocal.z_axis;
    for i in 0..n_atoms {
        forces[i] += along_ab[i] * k_ab + along_c[i] * k_c;
    }
}

/// Virial of a reciprocal term of unit energy: I − 2 (1/k² + 1/4β²) k ⊗ k.
///
/// From W = −∂E/∂ε at fixed fractional coordinates: V grows, k shrinks, S(k) stays
/// (D. M. Heyes, Phys. Rev. B 49, 755 (1994)).
pub fn wave_virial(k: DVec3, beta: f64) -> DMat3 {
    DMat3::IDENTITY - outer(k, k) * (2.0 / k.length_squared() + 0.5 / (beta * beta))
}

/// The uniform background that neutralises a charged cell: E = −π k_e Q²/(2 V β²), without force.
///
/// * `net_charge` – e
pub fn neutralizing_background(cell: &Cell, net_charge: f64, beta: f64) -> Contribution {
    let energy = -PI * COULOMB * net_charge * net_charge / (2.0 * cell.volume() * beta * beta);
    Contribution { energy, virial: DMat3::from_diagonal(DVec3::splat(energy)) }
}
