//! Cardinal B-splines of smooth particle-mesh Ewald (Essmann et al., J. Chem. Phys. 103, 8577 (1995), eqs. 4.1-4.8).

use std::f64::consts::PI;

/// Largest supported order.
pub const MAX_ORDER: usize = 8;

/// Values and derivatives of the order-p cardinal B-spline at the mesh points around one coordinate.
///
/// * `w` – fractional part of the scaled coordinate u, in [0, 1)
/// * returns (`values`, `derivatives`), each `[order]`: entry k belongs to mesh point floor(u) − order + 1 + k,
///   derivatives are with respect to u.
pub fn weights(w: f64, order: usize) -> ([f64; MAX_ORDER], [f64; MAX_ORDER]) {
    // M_n(x) = x/(n−1) M_{n−1}(x) + (n−x)/(n−1) M_{n−1}(x−1), at x = w + (order − 1 − k)
    let mut values = [0.0; MAX_ORDER];
    let mut derivatives = [0.0; MAX_ORDER];
    // m[j] = M_n(w + j), j = 0 … n−1, starting from M_2
    let mut m = [0.0; MAX_ORDER];
    m[0] = w;
    m[1] = 1.0 - w;
    for n in 3..=order {
        if n == order {
            // dM_n/dx (x) = M_{n−1}(x) − M_{n−1}(x−1)
            for j in 0..n {
                let here = if j < n - 1 { m[j] } else { 0.0 };
                let before = if j > 0 { m[j - 1] } else { 0.0 };
                derivatives[order - 1 - j] = here - before;
            }
        }
        let inverse = 1.0 / (n - 1) as f64;
        for j in (0..n).rev() {
            let x = w + j as f64;
            let here = if j < n - 1 { m[j] } else { 0.0 };
            let before = if j > 0 { m[j - 1] } else { 0.0 };
            m[j] = inverse * (x * here + (n as f64 - x) * before);
        }
    }
    for j in 0..order {
        values[order - 1 - j] = m[j];
    }
    (values, derivatives)
}

/// |b(m)|² of eq. 4.4 for every mesh point along one axis, `[n_points]`.
///
/// For odd orders and even meshes the Euler spline vanishes at n/2; there the mean of its neighbours is used, as the
/// exact value is unbounded.
pub fn euler_factors(n_points: usize, order: usize) -> Vec<f64> {
    let (at_knots, _) = weights(0.0, order);
    // M_n(k + 1), k = 0 … order − 2: weights(0) holds M_n(j) at entry order − 1 − j
    let denominator = |m: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for k in 0..order - 1 {
            let value = at_knots[order - 1 - (k + 1)];
            let angle = 2.0 * PI * (m * k % n_points) as f64 / n_points as f64;
            re += value * angle.cos();
            im += value * angle.sin();
        }
        re * re + im * im
    };
    let mut d: Vec<f64> = (0..n_points).map(denominator).collect();
    for m in 0..n_points {
        if d[m] < 1e-7 {
            d[m] = 0.5 * (d[(m + n_points - 1) % n_points] + d[(m + 1) % n_points]);
        }
    }
    d.into_iter().map(|x| 1.0 / x).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_derivatives_to_zero() {
        for order in 3..=MAX_ORDER {
            for step in 0..20 {
                let (v, d) = weights(f64::from(step) / 20.0, order);
                assert!((v[..order].iter().sum::<f64>() - 1.0).abs() < 1e-14);
                assert!(d[..order].iter().sum::<f64>().abs() < 1e-14);
            }
        }
    }

    #[test]
    fn derivatives_match_differences() {
        let h = 1e-6;
        for order in [4, 5, 6] {
            let (_, d) = weights(0.37, order);
            let (up, _) = weights(0.37 + h, order);
            let (down, _) = weights(0.37 - h, order);
            for k in 0..order {
                assert!(((up[k] - down[k]) / (2.0 * h) - d[k]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn cubic_spline_at_a_knot_is_one_sixth_four_sixths() {
        // M_4(1) = 1/6, M_4(2) = 4/6, M_4(3) = 1/6
        let (v, _) = weights(0.0, 4);
        for (value, exact) in v[..4].iter().zip([1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0]) {
            assert!((value - exact).abs() < 1e-15);
        }
    }

    #[test]
    fn odd_order_on_an_even_mesh_stays_finite() {
        for n in [16, 20, 24, 25] {
            assert!(euler_factors(n, 5).iter().all(|b| b.is_finite() && *b < 1e4));
        }
    }
}
