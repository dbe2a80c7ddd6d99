//! Peaks and minima of a radial distribution function.
//!
//! Method, in three steps, the same wherever a peak or a shell is reported:
//!
//! 1. g is smoothed with a Gaussian of 0.005 nm (second shell: 0.01 nm) to decide *which* maximum and minimum is meant.
//!    A maximum counts once the curve has fallen below it, and a minimum once it has risen above it, by 0.15 of the bulk density
//!    and by twice the counting error of the smoothed curve; thus neither a shoulder nor the noise of a short run is a peak.
//! 2. The peak *position* comes from unsmoothed data: a parabola through ln g, weighted with the counts, over the
//!    contiguous bins around the maximum where the curve is above a stated fraction of its height. ln g of a vibrating
//!    neighbour is close to a parabola, and the weights are the inverse variances of ln g.
//! 3. A minimum that is a plateau (g of Zn–O is zero from 0.25 to 0.35 nm) is placed in its middle, so it does not jump
//!    with a single count.

use super::grid::RadialGrid;

/// Smoothing that separates shells, nm.
const SHELL_SMOOTHING: f64 = 0.005;
/// Smoothing of the broad second shell, nm.
const SECOND_SHELL_SMOOTHING: f64 = 0.01;
/// How far g must fall below a maximum, or rise above a minimum, before it counts; units of the bulk density.
const PROMINENCE: f64 = 0.15;
/// A maximum must exceed the bulk density by this much.
const PEAK_ABOVE_BULK: f64 = 0.1;
/// Fewer counts than this within the smoothing width are no peak.
const MIN_COUNTS: f64 = 3.5;
/// g within this much of the minimum belongs to the same plateau.
const PLATEAU: f64 = 0.02;
/// The parabola of the first peak uses bins above this fraction of the height …
const FIRST_PEAK_FRACTION: f64 = 0.6;
/// … and of the second, which is broad and stands on the bulk density, above this one.
const SECOND_PEAK_FRACTION: f64 = 0.9;

/// First coordination shell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shell {
    /// Position of the maximum, nm
    pub peak: f64,
    /// g there, from the parabola
    pub height: f64,
    /// Position of the minimum behind it, nm
    pub minimum: f64,
}

/// The first shell of g(r).
///
/// * `g`, `counts` – `[grid.len()]`, g and the number of pairs it comes from
///
/// `None` when no maximum rises above the bulk density and falls again within the grid.
pub fn first_shell(g: &[f64], counts: &[f64], grid: &RadialGrid) -> Option<Shell> {
    let curve = Curve::new(g, counts, SHELL_SMOOTHING / grid.width());
    let top = curve.first_maximum(0)?;
    let bottom = curve.first_minimum(top)?;
    let smooth = curve.smooth;
    let (peak, height) = refined(g, counts, &smooth, top, FIRST_PEAK_FRACTION, grid);
    Some(Shell { peak, height, minimum: plateau_middle(&smooth, top, bottom, grid) })
}

/// The shell behind the distance `r_min` (nm): as [`first_shell`], with the smoothing of broad peaks.
pub fn second_shell(g: &[f64], counts: &[f64], r_min: f64, grid: &RadialGrid) -> Option<Shell> {
    let from = grid.nearest_edge(r_min);
    let curve = Curve::new(g, counts, SECOND_SHELL_SMOOTHING / grid.width());
    let top = curve.first_maximum(from)?;
    let bottom = curve.first_minimum(top)?;
    let smooth = curve.smooth;
    let (peak, height) = refined(g, counts, &smooth, top, SECOND_PEAK_FRACTION, grid);
    Some(Shell { peak, height, minimum: plateau_middle(&smooth, top, bottom, grid) })
}

/// Convolution with a Gaussian of `sigma` bins, cut at 4 σ and renormalised at the ends.
pub fn smoothed(values: &[f64], sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma).ceil() as usize;
    let kernel: Vec<f64> = (0..=reach).map(|k| (-0.5 * (k as f64 / sigma.max(1e-9)).powi(2)).exp()).collect();
    (0..values.len())
        .map(|i| {
            let (low, high) = (i.saturating_sub(reach), (i + reach).min(values.len() - 1));
            let (sum, norm) = (low..=high).fold((0.0, 0.0), |(sum, norm), j| {
                let weight = kernel[i.abs_diff(j)];
                (sum + weight * values[j], norm + weight)
            });
            sum / norm
        })
        .collect()
}

/// A smoothed curve and how many counts stand behind each of its points.
struct Curve {
    smooth: Vec<f64>,
    counts: Vec<f64>,
}

impl Curve {
    /// * `sigma` – bins
    fn new(g: &[f64], counts: &[f64], sigma: f64) -> Self {
        // A Gaussian average of N independent values has the variance of one divided by 2 √π σ.
        let window = 2.0 * std::f64::consts::PI.sqrt() * sigma;
        let counts = smoothed(counts, sigma).into_iter().map(|n| n * window.max(1.0)).collect();
        Curve { smooth: smoothed(g, sigma), counts }
    }

    /// By how much the curve must differ from its value at bin `i` for the difference to count.
    ///
    /// An empty gap always counts, so that one frame of one ion has a first shell.
    fn prominence(&self, i: usize) -> f64 {
        let error = self.smooth[i] / self.counts[i].max(1e-9).sqrt();
        PROMINENCE.max((2.0 * error).min(0.9 * self.smooth[i]))
    }

    /// Index of the first maximum above bulk from `from` on that is followed by a fall.
    fn first_maximum(&self, from: usize) -> Option<usize> {
        let mut top = from;
        for i in from..self.smooth.len() {
            if self.smooth[i] > self.smooth[top] {
                top = i;
            } else if self.smooth[top] > 1.0 + PEAK_ABOVE_BULK
                && self.counts[top] >= MIN_COUNTS
                && self.smooth[i] < self.smooth[top] - self.prominence(top)
            {
                return Some(top);
            }
        }
        None
    }

    /// Index of the minimum behind the maximum `top`: confirmed by a rise, or by an empty gap up to the end of the data.
    fn first_minimum(&self, top: usize) -> Option<usize> {
        let mut bottom = top;
        for i in top..self.smooth.len() {
            if self.smooth[i] < self.smooth[bottom] {
                bottom = i;
            } else if self.counts[i] >= MIN_COUNTS && self.smooth[i] > self.smooth[bottom] + self.prominence(i) {
                return Some(bottom);
            }
        }
        (self.smooth[bottom] < PLATEAU).then_some(bottom)
    }
}

/// Middle of the contiguous bins around `bottom` that belong to the same plateau, nm.
fn plateau_middle(smooth: &[f64], top: usize, bottom: usize, grid: &RadialGrid) -> f64 {
    let limit = smooth[bottom] + PLATEAU;
    let low = (top..=bottom).rev().take_while(|&i| smooth[i] <= limit).last().unwrap_or(bottom);
    let high = (bottom..smooth.len()).take_while(|&i| smooth[i] <= limit).last().unwrap_or(bottom);
    0.5 * (grid.edge(low) + grid.edge(high + 1))
}

/// Position (nm) and height of the maximum near bin `top` from a weighted parabola through ln g.
fn refined(g: &[f64], counts: &[f64], smooth: &[f64], top: usize, fraction: f64, grid: &RadialGrid) -> (f64, f64) {
    let limit = fraction * smooth[top];
    let low = (0..=top).rev().take_while(|&i| smooth[i] >= limit).last().unwrap_or(top);
    let high = (top..g.len()).take_while(|&i| smooth[i] >= limit).last().unwrap_or(top);
    // One bin more on each side: a parabola needs points on both slopes even when the peak is two bins wide.
    let (low, high) = (low.saturating_sub(1), (high + 1).min(g.len() - 1));
    let samples: Vec<[f64; 3]> = (low..=high)
        .filter(|&i| g[i] > 0.0)
        .map(|i| [(grid.center(i) - grid.center(top)) / grid.width(), g[i].ln(), counts[i]])
        .collect();
    let (left, right) = (low as f64 - top as f64, high as f64 - top as f64);
    if let Some((x, y)) = parabola_vertex(&samples)
        && (left..=right).contains(&x)
    {
        return (grid.center(top) + x * grid.width(), y.exp());
    }
    // Too few points or no maximum inside, as in a crystal at rest: the mean of the window.
    let (sum, weight) =
        (low..=high).fold((0.0, 0.0), |(sum, weight), i| (sum + counts[i] * grid.center(i), weight + counts[i]));
    let highest = g[low..=high].iter().copied().fold(0.0, f64::max);
    (if weight > 0.0 { sum / weight } else { grid.center(top) }, highest)
}

/// Vertex (x, y) of the weighted least-squares parabola through `[x, y, weight]`; `None` if it opens upwards.
pub fn parabola_vertex(samples: &[[f64; 3]]) -> Option<(f64, f64)> {
    if samples.len() < 4 {
        return None;
    }
    // Normal equations of y = c0 + c1 x + c2 x², solved by Cramer's rule.
    let mut s = [0.0; 5];
    let mut t = [0.0; 3];
    for &[x, y, w] in samples {
        let mut power = w;
        for k in 0..5 {
            s[k] += power;
            if k < 3 {
                t[k] += power * y;
            }
            power *= x;
        }
    }
    let matrix = |columns: [[f64; 3]; 3]| glam::DMat3::from_cols_array_2d(&columns).determinant();
    let (a, b, c) = ([s[0], s[1], s[2]], [s[1], s[2], s[3]], [s[2], s[3], s[4]]);
    let det = matrix([a, b, c]);
    let [c0, c1, c2] = [matrix([t, b, c]) / det, matrix([a, t, c]) / det, matrix([a, b, t]) / det];
    if !(c2 < 0.0 && c0.is_finite() && c1.is_finite()) {
        return None;
    }
    let x = -0.5 * c1 / c2;
    Some((x, c0 + 0.5 * c1 * x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    /// A g(r) like that of Zn–O: a sharp first shell, a gap, a broad second shell, bulk.
    fn zinc_like(r: f64) -> f64 {
        let gauss = |r0: f64, sigma: f64| (-0.5 * ((r - r0) / sigma).powi(2)).exp();
        70.0 * gauss(0.2076, 0.006)
            + 1.8 * gauss(0.43, 0.02)
            + 0.75 / (1.0 + (-(r - 0.45) / 0.01).exp())
            + 0.25 / (1.0 + (-(r - 0.62) / 0.01).exp())
    }

    /// Counts drawn around `zinc_like`, and g from them.
    fn noisy(grid: &RadialGrid, n_frames: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut draws = Draws::new(seed, Stream::Build, 0);
        let density = 33.0;
        let expected = |k: usize| n_frames * density * zinc_like(grid.center(k)) * grid.shell_volume(k);
        let counts: Vec<f64> =
            (0..grid.len()).map(|k| (expected(k) + expected(k).sqrt() * draws.normal()).round().max(0.0)).collect();
        let g = counts.iter().enumerate().map(|(k, c)| c / (n_frames * density * grid.shell_volume(k))).collect();
        (counts, g)
    }

    #[test]
    fn finds_both_shells_of_a_noisy_curve() {
        let grid = RadialGrid::from_zero(0.8, 0.002);
        for seed in 0..20 {
            let (counts, g) = noisy(&grid, 800.0, seed);
            let shell = first_shell(&g, &counts, &grid).expect("a shell");
            // 4 800 neighbours of 0.006 nm spread: 0.0001 nm, a little more for the window.
            assert!((shell.peak - 0.2076).abs() < 0.0006, "{}", shell.peak);
            assert!((shell.height - 70.0).abs() < 4.0);
            assert!((0.27..0.35).contains(&shell.minimum), "{}", shell.minimum);
            let second = second_shell(&g, &counts, shell.minimum, &grid).expect("a shell");
            assert!((second.peak - 0.435).abs() < 0.008, "{}", second.peak);
            assert!((0.46..0.62).contains(&second.minimum), "{}", second.minimum);
        }
    }

    #[test]
    fn a_structureless_gas_has_no_shell() {
        let grid = RadialGrid::from_zero(0.8, 0.002);
        assert_eq!(first_shell(&vec![1.0; 400], &vec![10.0; 400], &grid), None);
        assert_eq!(first_shell(&vec![0.0; 400], &vec![0.0; 400], &grid), None);
    }

    #[test]
    fn a_single_frame_has_a_first_shell_but_no_invented_second() {
        let grid = RadialGrid::from_zero(0.6, 0.002);
        for seed in 0..50 {
            // Six neighbours, a gap, then a dozen scattered ones.
            let mut draws = Draws::new(seed, Stream::Build, 0);
            let mut counts = vec![0.0; grid.len()];
            for k in 0..18 {
                let r = if k < 6 { 0.21 + 0.004 * draws.normal() } else { 0.38 + 0.2 * draws.uniform() };
                counts[grid.bin(r).expect("within range")] += 1.0;
            }
            let g: Vec<f64> = (0..grid.len()).map(|k| counts[k] / (33.0 * grid.shell_volume(k))).collect();
            let shell = first_shell(&g, &counts, &grid).expect("six neighbours at one distance");
            assert!((0.23..0.39).contains(&shell.minimum), "{}", shell.minimum);
            // One count is not a peak.
            let lone: Vec<f64> = (0..grid.len()).map(|k| f64::from(k == 250)).collect();
            let g_lone: Vec<f64> = lone.iter().map(|n| n * 100.0).collect();
            assert_eq!(first_shell(&g_lone, &lone, &grid), None);
        }
    }

    #[test]
    fn a_parabola_is_found_exactly() {
        let samples: Vec<[f64; 3]> =
            (-3..=3_i32).map(f64::from).map(|x| [x, 2.0 - 0.3 * (x - 0.4).powi(2), 1.0 + x * x]).collect();
        let (x, y) = parabola_vertex(&samples).expect("opens downwards");
        assert!((x - 0.4).abs() < 1e-12 && (y - 2.0).abs() < 1e-12);
        let up: Vec<[f64; 3]> = samples.iter().map(|&[x, y, w]| [x, -y, w]).collect();
        assert!(parabola_vertex(&up).is_none());
    }
}
