//! Where a time series becomes stationary: the start that leaves the most independent samples.
//!
//! J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016): for every start t₀ the statistical inefficiency g of the rest gives
//! N_eff(t₀) = (N − t₀)/g; the t₀ with the largest N_eff is taken. g = 1 + 2 Σ_k (1 − k/n) C(k), summed until the autocorrelation C first
//! falls below zero.

/// Long series are averaged over groups until they have at most this many points.
const MAX_POINTS: usize = 2000;
/// Starts that are tried, evenly spaced over the series.
const N_STARTS: usize = 50;
/// Shorter series say nothing.
const MIN_POINTS: usize = 20;

/// A stationary rest of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equilibration {
    /// Index of its first value.
    pub start: usize,
    /// Statistical inefficiency of the rest, in values of the series.
    pub inefficiency: f64,
    /// Independent samples in the rest.
    pub n_effective: f64,
}

/// The start of the stationary part of `values`; `None` for fewer than 20 values, or values that are not finite or do not vary.
pub fn detect(values: &[f64]) -> Option<Equilibration> {
    if values.len() < MIN_POINTS || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let group = values.len().div_ceil(MAX_POINTS);
    let means: Vec<f64> = values.chunks_exact(group).map(|c| c.iter().sum::<f64>() / group as f64).collect();
    let mut best: Option<Equilibration> = None;
    for k in 0..N_STARTS {
        let start = k * means.len() / N_STARTS;
        let rest = &means[start..];
        let Some(g) = inefficiency(rest).filter(|_| rest.len() >= MIN_POINTS / 2) else { continue };
        let n_effective = rest.len() as f64 / g;
        if best.is_none_or(|b| n_effective > b.n_effective) {
            best = Some(Equilibration { start: start * group, inefficiency: g * group as f64, n_effective });
        }
    }
    best
}

/// Statistical inefficiency of a series, at least 1; `None` if it does not vary.
pub fn inefficiency(values: &[f64]) -> Option<f64> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let deviations: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let variance = deviations.iter().map(|d| d * d).sum::<f64>() / n as f64;
    if variance <= 1e-24 * mean * mean || variance == 0.0 {
        return None;
    }
    let mut g = 1.0;
    for k in 1..n - 1 {
        let sum: f64 = deviations[k..].iter().zip(&deviations).map(|(a, b)| a * b).sum();
        let correlation = sum / ((n - k) as f64 * variance);
        if correlation <= 0.0 {
            break;
        }
        g += 2.0 * (1.0 - k as f64 / n as f64) * correlation;
    }
    Some(g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    /// x' = a x + noise: g = (1 + a)/(1 − a).
    fn correlated(a: f64, n: usize, start: f64) -> Vec<f64> {
        let mut draws = Draws::new(23, Stream::Build, 0);
        let mut x = start;
        let step = |_| {
            x = a * x + draws.normal();
            x
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn the_inefficiency_of_an_autoregressive_process_is_known() {
        for (a, tolerance) in [(0.0, 0.1), (0.5, 0.3), (0.8, 1.5)] {
            let expected = (1.0 + a) / (1.0 - a);
            let found = inefficiency(&correlated(a, 20_000, 0.0)).expect("varies");
            assert!((found - expected).abs() < tolerance, "{found} against {expected}");
        }
        assert_eq!(inefficiency(&[2.0; 50]), None);
    }

    #[test]
    fn a_relaxation_is_cut_off_and_a_stationary_series_is_kept() {
        let noise = correlated(0.5, 1000, 0.0);
        let relaxing: Vec<f64> = noise.iter().enumerate().map(|(k, x)| x + 40.0 * (-(k as f64) / 50.0).exp()).collect();
        let start = detect(&relaxing).expect("long enough").start;
        // 40 e^(−t/50) is below the noise (σ = 1.15) from t = 180 on.
        assert!((120..=400).contains(&start), "{start}");
        let kept = detect(&noise).expect("long enough");
        assert!(kept.start <= 200, "{kept:?}");
        assert_eq!(detect(&noise[..10]), None);
        assert_eq!(detect(&[f64::NAN; 100]), None);
    }
}
