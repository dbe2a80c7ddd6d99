//! Histograms of many distances at once: the inner loop of g(r).
//!
//! Distances are f32, and f64 where one is so near to an edge of its bin that rounding could decide; so the counts are those of [`RadialGrid::bin`] of f64 distances
//! exactly. The loops are written for the compiler to vectorise and compiled for the instruction sets that the machine may have; no set changes a
//! result.

use super::grid::RadialGrid;
use super::linked_cells::Run;
use glam::DVec3;

/// Members handled by one instruction at best: short runs are read up to a multiple of it, and what is too much is overwritten.
const LANES: usize = 16;
/// Distances handled at once: they stay in the first-level cache.
const BLOCK: usize = 1024;
/// Relative error of a bin number from the root and the division, with room.
const ERROR: f32 = 5e-7;
/// Error of a distance by the rounding of coordinates and their differences, over the largest coordinate, with room.
const COORDINATE_ERROR: f64 = 4.0 * f32::EPSILON as f64;
/// Adding it drops the fraction of an f32 below 2²².
const SHIFT: f32 = 8_388_608.0;

/// Members' coordinates, nm.
#[derive(Debug, Clone, Default)]
pub struct Points {
    exact: Vec<DVec3>,
    /// The same, and behind the last one a few that are none.
    x: Vec<f32>,
    y: Vec<f32>,
    z: Vec<f32>,
    /// The largest coordinate, nm
    largest: f64,
}

impl Points {
    pub fn new(exact: Vec<DVec3>) -> Self {
        let of = |axis: fn(&DVec3) -> f64| exact.iter().map(|r| axis(r) as f32).chain([0.0; LANES]).collect();
        let largest = exact.iter().fold(DVec3::ZERO, |high, r| high.max(r.abs())).max_element();
        Points { x: of(|r| r.x), y: of(|r| r.y), z: of(|r| r.z), largest, exact }
    }

    #[inline(always)]
    pub fn get(&self, k: usize) -> DVec3 {
        self.exact[k]
    }
}

/// [`LANES`] numbers from `from` on.
#[inline(always)]
fn lanes(axis: &[f32], from: usize) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    out.copy_from_slice(&axis[from..from + LANES]);
    out
}

/// Distances that wait: from the `at`-th on they are of the members at `from` and behind it, from `center`.
#[derive(Debug, Clone, Copy)]
struct Segment {
    at: usize,
    from: usize,
    center: DVec3,
}

/// Counts of distances by bin, and of those beyond.
pub struct Counts {
    /// `[n_bins]`, then those beyond in [`LANES`] counters: one alone would wait for itself.
    bins: Vec<u64>,
    grid: RadialGrid,
    /// Squared distances that wait to be sorted into bins, nm².
    r_sq: Vec<f32>,
    n_waiting: usize,
    segments: Vec<Segment>,
    bin: Vec<i32>,
    /// Scratch space of those who collect runs.
    pub runs: Vec<Run>,
}

impl Counts {
    /// * `grid` – from zero
    pub fn new(grid: RadialGrid) -> Self {
        let (bins, r_sq, bin) = (vec![0; grid.len() + LANES], vec![0.0; BLOCK + LANES], vec![0; BLOCK]);
        Counts { bins, grid, r_sq, n_waiting: 0, segments: Vec::new(), bin, runs: Vec::new() }
    }

    /// Adds one distance, nm.
    pub fn add_one(&mut self, r: f64) {
        self.bins[self.grid.bin(r).unwrap_or(self.grid.len())] += 1;
    }

    /// Adds the distances of the collected runs: of the members at their places from their offsets.
    pub fn add_runs(&mut self, points: &Points) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                // SAFETY: the processor has these instructions.
                return unsafe { self.add_avx512(points) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                return unsafe { self.add_avx2(points) };
            }
        }
        self.add_portable(points);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    fn add_avx512(&mut self, points: &Points) {
        self.add_portable(points);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_avx2(&mut self, points: &Points) {
        self.add_portable(points);
    }

    #[inline(always)]
    fn add_portable(&mut self, points: &Points) {
        let runs = std::mem::take(&mut self.runs);
        for (places, offset) in &runs {
            let (mut from, to, center) = (places.start, places.end, *offset);
            let (cx, cy, cz) = (center.x as f32, center.y as f32, center.z as f32);
            while from < to {
                let n = (to - from).min(BLOCK - self.n_waiting);
                self.segments.push(Segment { at: self.n_waiting, from, center });
                for k in (0..n).step_by(LANES) {
                    // Loaded first and stored last: the compiler then sees that nothing overlaps.
                    let (x, y, z) =
                        (lanes(&points.x, from + k), lanes(&points.y, from + k), lanes(&points.z, from + k));
                    let mut r_sq = [0.0; LANES];
                    for l in 0..LANES {
                        let (dx, dy, dz) = (x[l] - cx, y[l] - cy, z[l] - cz);
                        r_sq[l] = dx * dx + dy * dy + dz * dz;
                    }
                    self.r_sq[self.n_waiting + k..][..LANES].copy_from_slice(&r_sq);
                }
                from += n;
                self.n_waiting += n;
                if self.n_waiting == BLOCK {
                    self.sort_waiting(points);
                }
            }
        }
        self.sort_waiting(points);
        self.runs = runs;
        self.runs.clear();
    }

    /// Sorts the squared distances that wait into bins.
    #[inline(always)]
    fn sort_waiting(&mut self, points: &Points) {
        let (n, n_bins) = (std::mem::take(&mut self.n_waiting), self.grid.len());
        let (inverse_width, beyond) = ((1.0 / self.grid.width()) as f32, n_bins as f32 + 0.25);
        // A centre is at most its distance, and that of a cell, away from the points.
        let reach = points.largest + 2.0 * self.grid.r_max();
        let tolerance = ERROR * n_bins as f32 + 1e-5 + (COORDINATE_ERROR * reach / self.grid.width()) as f32;
        let (r_sq, bin) = (&self.r_sq[..n], &mut self.bin[..n]);
        for k in 0..n {
            let at = (r_sq[k].sqrt() * inverse_width).min(beyond);
            // Nearest integer to at − ½, which is the bin unless an edge is near; then the sign says so.
            let nearest = (at - 0.5).max(0.0) + SHIFT;
            let distance = (at - (nearest - SHIFT) - 0.5).abs();
            let is_near_edge = distance > 0.5 - tolerance;
            let whole = (nearest.to_bits() & 0x7f_ffff) as i32;
            let spread = if whole == n_bins as i32 { (k % LANES) as i32 } else { 0 };
            bin[k] = (whole + spread) | if is_near_edge { i32::MIN } else { 0 };
        }
        for k in 0..n {
            let bin = self.bin[k];
            let slot = if bin < 0 { self.exact_bin(points, k) } else { bin as usize };
            self.bins[slot] += 1;
        }
        self.segments.clear();
    }

    /// Bin of the `k`-th distance that waits.
    #[cold]
    fn exact_bin(&self, points: &Points, k: usize) -> usize {
        let Segment { at, from, center } = self.segments[self.segments.partition_point(|s| s.at <= k) - 1];
        let d = points.get(from + k - at) - center;
        self.grid.bin((d.x * d.x + d.y * d.y + d.z * d.z).sqrt()).unwrap_or(self.grid.len())
    }

    /// What was counted, `[n_bins + 1]`: the last number is of distances beyond the grid.
    pub fn finish(mut self) -> Vec<u64> {
        let beyond = self.bins.drain(self.grid.len()..).sum();
        self.bins.push(beyond);
        self.bins
    }
}

/// Adds the histogram `y` to `x`: integers, so the order in which threads meet does not matter.
pub fn add(mut x: Vec<u64>, y: Vec<u64>) -> Vec<u64> {
    x.iter_mut().zip(&y).for_each(|(x, y)| *x += y);
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn counts_are_those_of_one_distance_after_the_other() {
        let mut draws = Draws::new(5, Stream::Build, 0);
        let mut s = || 5.0 * draws.uniform() - 2.0;
        // Many on the very edges of bins: multiples of 0.01 nm along x, from the centre.
        let on_edges = (0..300).map(|k| DVec3::new(0.1 + 0.01 * f64::from(k % 130), 0.2, 0.3));
        let inside = (0..3000).map(|_| DVec3::new(s(), s(), s())).collect::<Vec<_>>();
        let all: Vec<DVec3> = inside.into_iter().chain(on_edges).collect();
        let points = Points::new(all.clone());
        for (width, center) in [(0.002, DVec3::new(0.1, 0.2, 0.3)), (0.01, DVec3::new(0.7, -0.3, 0.4))] {
            let grid = RadialGrid::from_zero(1.7, width);
            // Runs of all lengths, some of them with another offset.
            let (mut runs, mut from) = (Vec::new(), 3);
            for k in 0.. {
                let to = (from + [1, 7, 8, 9, 40, 1500][k % 6]).min(all.len());
                runs.push((from..to, if k % 2 == 0 { center } else { center + DVec3::X }));
                from = to;
                if to == all.len() {
                    break;
                }
            }
            let mut expected = vec![0; grid.len() + 1];
            for (places, offset) in &runs {
                for &r in &all[places.clone()] {
                    let d = r - *offset;
                    let r = (d.x * d.x + d.y * d.y + d.z * d.z).sqrt();
                    expected[grid.bin(r).unwrap_or(grid.len())] += 1;
                }
            }
            let counted = |runs: &[Run], portable: bool| {
                let mut counts = Counts::new(grid);
                counts.runs = runs.to_vec();
                if portable {
                    counts.add_portable(&points)
                } else {
                    counts.add_runs(&points)
                }
                counts.finish()
            };
            assert_eq!(counted(&runs, false), expected);
            assert_eq!(counted(&runs, true), expected);
            // Half a bin more is noticed.
            runs.iter_mut().for_each(|r| r.1 += DVec3::X * 0.5 * width);
            assert_ne!(counted(&runs, false), expected);
        }
    }
}
