//! Rational fits of the two smooth functions of the real-space Ewald pair, and the WGSL text that evaluates them.
//!
//! P(z²) gives the force, Q(z²) = erf(z)/z the energy (see `shaders/coulomb/ewald_real.wgsl`). Both are ratios of a
//! polynomial of degree 6 to one of degree 5 in t = z², on 0 ≤ t ≤ [`T_MAX`]; the coefficients are the output of
//! [`fit`], which a test repeats. Knows nothing of pairs or devices.

use crate::math::erf;

/// Largest z² of the fits: erfc(√17) = 5.5e-9.
pub const T_MAX: f64 = 17.0;
const NUMERATOR: usize = 7;
const DENOMINATOR: usize = 6;

/// Coefficients of t⁰, t¹, … of numerator and denominator; the denominator starts with 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rational {
    pub numerator: [f64; NUMERATOR],
    pub denominator: [f64; DENOMINATOR],
}

/// Fit of [`crate::math::ewald_correction`].
pub const P: Rational = Rational {
    numerator: [
        -0.7522533881016936,
        0.026676083513163945,
        -0.01772879719165235,
        -1.715300071967462e-5,
        -4.9461712747986485e-5,
        9.023576069021474e-7,
        -8.919780987910351e-9,
    ],
    denominator: [
        1.0,
        0.5645525318530534,
        0.14796127190207592,
        0.023467413476920763,
        0.0023547305906522153,
        0.00016586215496948388,
    ],
};

/// Fit of [`erf_over_z`].
pub const Q: Rational = Rational {
    numerator: [
        1.1283791833430874,
        0.18468635218402005,
        0.05437320583970609,
        0.0038441956511525814,
        0.0003845812096460627,
        4.831833394379744e-6,
        -1.393203499185428e-8,
    ],
    denominator: [
        1.0,
        0.4970075795425415,
        0.1138551471618301,
        0.015469517370279158,
        0.0013130593754406231,
        6.449407800451811e-5,
    ],
};

/// erf(z)/z as a function of t = z²; 2/√π at zero.
pub fn erf_over_z(t: f64) -> f64 {
    let z = t.sqrt();
    if z < 1e-8 { std::f64::consts::FRAC_2_SQRT_PI } else { erf(z) / z }
}

impl Rational {
    pub fn evaluate(&self, t: f64) -> f64 {
        let horner = |c: &[f64]| c.iter().rev().fold(0.0, |sum, k| sum * t + k);
        horner(&self.numerator) / horner(&self.denominator)
    }

    /// As a shader evaluates it: every operation rounded to f32.
    pub fn evaluate_f32(&self, t: f32) -> f32 {
        let horner = |c: &[f64]| c.iter().rev().fold(0.0f32, |sum, &k| sum.mul_add(t, k as f32));
        horner(&self.numerator) / horner(&self.denominator)
    }

    fn wgsl(&self, name: &str) -> String {
        let horner = |c: &[f64]| {
            let (last, rest) = c.split_last().map_or((0.0, c), |(l, r)| (*l, r));
            rest.iter().rev().fold(format!("{:e}", last as f32), |text, &k| format!("fma({text}, t, {:e})", k as f32))
        };
        format!(
            "fn {name}(t: f32) -> f32 {{\n    return ({}) / ({});\n}}\n",
            horner(&self.numerator),
            horner(&self.denominator)
        )
    }
}

/// WGSL declarations of `ewald_p` and `ewald_q`.
pub fn wgsl() -> String {
    format!("{}\n{}", P.wgsl("ewald_p"), Q.wgsl("ewald_q"))
}

/// Least-squares fit at Chebyshev nodes, reweighted towards the largest errors (Lawson's iteration).
///
/// * `f` – function of t on [0, [`T_MAX`]]
/// * `weight` – what one unit of error in f costs at t
/// * returns the best fit seen and its largest weighted error at the nodes
pub fn fit(f: impl Fn(f64) -> f64, weight: impl Fn(f64) -> f64) -> (Rational, f64) {
    const NODES: usize = 600;
    const UNKNOWNS: usize = NUMERATOR + DENOMINATOR - 1;
    let nodes: Vec<f64> =
        (0..NODES).map(|i| 0.5 * (1.0 - ((i as f64 + 0.5) * std::f64::consts::PI / NODES as f64).cos())).collect();
    let values: Vec<f64> = nodes.iter().map(|&x| f(x * T_MAX)).collect();
    let weights: Vec<f64> = nodes.iter().map(|&x| weight(x * T_MAX)).collect();
    let mut denominator = vec![1.0; NODES];
    let mut emphasis = vec![1.0; NODES];
    let mut best = (P, f64::INFINITY);
    for _ in 0..400 {
        // rows: w (num(x) − y den(x)) / previous den = 0, unknowns in x = t/T_MAX
        let mut rows: Vec<[f64; UNKNOWNS + 1]> = Vec::with_capacity(NODES);
        for i in 0..NODES {
            let scale = weights[i] * f64::sqrt(emphasis[i]) / denominator[i];
            let mut row = [0.0; UNKNOWNS + 1];
            let (above, below) = row.split_at_mut(NUMERATOR);
            for (k, x) in above.iter_mut().enumerate() {
                *x = scale * nodes[i].powi(k as i32);
            }
            for (k, x) in below[..DENOMINATOR - 1].iter_mut().enumerate() {
                *x = -scale * values[i] * nodes[i].powi(k as i32 + 1);
            }
            row[UNKNOWNS] = scale * values[i];
            rows.push(row);
        }
        let solution = least_squares(rows);
        let mut candidate = Rational { numerator: [0.0; NUMERATOR], denominator: [1.0; DENOMINATOR] };
        let (above, below) = solution.split_at(NUMERATOR);
        for (k, (c, x)) in candidate.numerator.iter_mut().zip(above).enumerate() {
            *c = x / T_MAX.powi(k as i32);
        }
        for (k, (c, x)) in candidate.denominator[1..].iter_mut().zip(below).enumerate() {
            *c = x / T_MAX.powi(k as i32 + 1);
        }
        let errors: Vec<f64> =
            (0..NODES).map(|i| weights[i] * (candidate.evaluate(nodes[i] * T_MAX) - values[i]).abs()).collect();
        let largest = errors.iter().copied().fold(0.0, f64::max);
        if largest < best.1 {
            best = (candidate, largest);
        }
        let mean = errors.iter().zip(&emphasis).map(|(e, l)| l * (e / largest + 1e-3).sqrt()).sum::<f64>();
        for i in 0..NODES {
            let x = nodes[i] * T_MAX;
            denominator[i] = candidate.denominator.iter().rev().fold(0.0, |sum, k| sum * x + k);
            emphasis[i] *= (errors[i] / largest + 1e-3).sqrt() * NODES as f64 / mean;
        }
    }
    best
}

/// Householder QR of rows [A | b]; returns x minimising |A x − b|.
fn least_squares<const M: usize>(mut rows: Vec<[f64; M]>) -> Vec<f64> {
    let n = M - 1;
    for k in 0..n {
        let norm = rows[k..].iter().map(|r| r[k] * r[k]).sum::<f64>().sqrt();
        let alpha = if rows[k][k] > 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = rows[k..].iter().map(|r| r[k]).collect();
        v[0] -= alpha;
        let v_sq = v.iter().map(|x| x * x).sum::<f64>();
        if v_sq == 0.0 {
            continue;
        }
        for c in k..M {
            let projection = 2.0 * v.iter().zip(&rows[k..]).map(|(x, r)| x * r[c]).sum::<f64>() / v_sq;
            for (x, r) in v.iter().zip(rows[k..].iter_mut()) {
                r[c] -= projection * x;
            }
        }
    }
    let mut x = vec![0.0; n];
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|c| rows[k][c] * x[c]).sum();
        x[k] = (rows[k][n] - known) / rows[k][k];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::ewald_correction;

    /// Error of the force relative to the bare pair's, and near z = 0, where excluded pairs live, relative to P.
    fn weight_p(t: f64) -> f64 {
        (t * t.sqrt()).max(0.1)
    }

    fn weight_q(t: f64) -> f64 {
        t.sqrt().max(0.1)
    }

    fn largest_error(fit: &Rational, f: impl Fn(f64) -> f64, weight: impl Fn(f64) -> f64) -> (f64, f64) {
        let (mut in_f64, mut in_f32) = (0.0f64, 0.0f64);
        for i in 0..=200_000 {
            let t = (T_MAX * f64::from(i) / 200_000.0) as f32;
            let t64 = f64::from(t);
            let error = fit.evaluate(t64) - f(t64);
            let error_f32 = f64::from(fit.evaluate_f32(t)) - f(t64);
            assert!(error.is_finite() && error_f32.is_finite(), "t = {t}");
            in_f64 = in_f64.max(weight(t64) * error.abs());
            in_f32 = in_f32.max(weight(t64) * error_f32.abs());
        }
        (in_f64, in_f32)
    }

    #[test]
    fn constants_meet_the_stated_error_in_f32() {
        let (p64, p32) = largest_error(&P, ewald_correction, weight_p);
        let (q64, q32) = largest_error(&Q, erf_over_z, weight_q);
        println!("P: {p64:.2e} (f64) {p32:.2e} (f32); Q: {q64:.2e} (f64) {q32:.2e} (f32)");
        assert!(p32 < 5e-7 && q32 < 5e-7);
    }

    #[test]
    fn constants_are_what_the_generator_finds() {
        let (p, p_error) = fit(ewald_correction, weight_p);
        let (q, q_error) = fit(erf_over_z, weight_q);
        println!("{p:?} {p_error:e}\n{q:?} {q_error:e}");
        for i in 0..=1000 {
            let t = T_MAX * f64::from(i) / 1000.0;
            assert!(weight_p(t) * (p.evaluate(t) - P.evaluate(t)).abs() < 1e-8);
            assert!(weight_q(t) * (q.evaluate(t) - Q.evaluate(t)).abs() < 1e-8);
        }
    }

    #[test]
    fn a_changed_coefficient_is_noticed() {
        let mut broken = P;
        broken.numerator[2] *= 1.0001;
        assert!(largest_error(&broken, ewald_correction, weight_p).1 > 5e-7);
    }
}
