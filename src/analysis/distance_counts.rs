//! Histograms of many distances at once: the inner loop of g(r).
//!
//! Distances are f32, and f64 where one is so near to an edge of its bin that rounding could decide; so the counts are those of [`RadialGrid::bin`] of f64 distances
//! exactly. The loops are written for the compiler to vectorise and compiled for the instruction sets that the machine may have; no set changes a
//! result.

use super::grid::RadialGrid;
use super::linked_cells::{Cuts, Run};
use super::widest::widest;
use glam::DVec3;

/// Members handled by one instruction at best: short runs are read up to a multiple of it, and what is too much is overwritten.
const LANES: usize = 16;
/// About as many distances are handled at once: they stay in the first-level cache.
const BLOCK: usize = 2048;
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
        let n = exact.len();
        let axis = || vec![0.0; n + LANES];
        let mut points = Points { x: axis(), y: axis(), z: axis(), largest: 0.0, exact };
        round_all(&mut points);
        points
    }

    #[inline(always)]
    pub fn get(&self, k: usize) -> DVec3 {
        self.exact[k]
    }

    /// The places of `runs` whose points are within √`limit` of the offset of their run, with the number of the run, and a few that are a little
    /// farther; nm².
    ///
    /// * `found` – memory for them
    pub fn near<'a>(&self, runs: &[Run], limit: f64, found: &'a mut Vec<(u32, u32)>) -> &'a [(u32, u32)] {
        // A centre is at most its distance, and that of a cell, away from the points.
        let reach = limit.sqrt();
        let room = COORDINATE_ERROR * (self.largest + 2.0 * reach);
        let limit = ((reach + room).powi(2) * (1.0 + f64::from(ERROR))) as f32;
        let most = runs.iter().map(|(places, _)| places.len()).sum::<usize>() + 1;
        if found.len() < most {
            found.resize(most, (0, 0));
        }
        let mut n = 0;
        near_runs(self, runs, limit, found, &mut n);
        &found[..n]
    }
}

widest! {
    /// Coordinates in single precision and the largest of them.
    fn round_all(points: &mut Points) {
        let n = points.exact.len();
        let (x, y, z) = (&mut points.x[..n], &mut points.y[..n], &mut points.z[..n]);
        let mut largest = DVec3::ZERO;
        for (k, r) in points.exact.iter().enumerate() {
            (x[k], y[k], z[k]) = (r.x as f32, r.y as f32, r.z as f32);
            largest = largest.max(r.abs());
        }
        points.largest = largest.max_element();
    }
}

widest! {
    fn near_runs(points: &Points, runs: &[Run], limit: f32, found: &mut [(u32, u32)], n_found: &mut usize) {
        let mut n = 0;
        for (run, (places, offset)) in runs.iter().enumerate() {
            let (cx, cy, cz) = (offset.x as f32, offset.y as f32, offset.z as f32);
            for from in places.clone().step_by(LANES) {
                let r_sq = distances_sq(points, from, [cx, cy, cz]);
                // Every one is written, and the next one over it if it is too far: no branch that would be guessed wrongly.
                for (place, r_sq) in (from..places.end).zip(r_sq) {
                    found[n] = (place as u32, run as u32);
                    n += usize::from(r_sq <= limit);
                }
            }
        }
        *n_found = n;
    }
}

/// Squared distances of [`LANES`] points from `from` on, nm².
#[inline(always)]
fn distances_sq(points: &Points, from: usize, center: [f32; 3]) -> [f32; LANES] {
    // Loaded first and stored last: the compiler then sees that nothing overlaps.
    let (x, y, z) = (lanes(&points.x, from), lanes(&points.y, from), lanes(&points.z, from));
    let mut r_sq = [0.0; LANES];
    for l in 0..LANES {
        let (dx, dy, dz) = (x[l] - center[0], y[l] - center[1], z[l] - center[2]);
        r_sq[l] = dx * dx + dy * dy + dz * dz;
    }
    r_sq
}

/// [`LANES`] numbers from `from` on.
#[inline(always)]
fn lanes(axis: &[f32], from: usize) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    out.copy_from_slice(&axis[from..from + LANES]);
    out
}

/// Counts of distances by bin, and of those beyond.
pub struct Counts {
    /// `[n_bins]`, then those beyond in [`LANES`] counters (one alone would wait for itself), last those that are looked at once more.
    bins: Vec<u64>,
    grid: RadialGrid,
    /// Squared distances that wait to be sorted into bins, nm².
    r_sq: Vec<f32>,
    bin: Vec<u32>,
    /// How many of them stand before those of a run.
    before: Vec<u32>,
    /// Scratch space of those who collect runs.
    pub runs: Vec<Run>,
    pub cuts: Cuts,
}

impl Counts {
    /// * `grid` – from zero
    pub fn new(grid: RadialGrid) -> Self {
        let bins = vec![0; grid.len() + LANES + 1];
        let (r_sq, bin, before, runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Counts { bins, grid, r_sq, bin, before, runs, cuts: Cuts::default() }
    }

    /// Adds one distance, nm.
    pub fn add_one(&mut self, r: f64) {
        self.bins[self.grid.bin(r).unwrap_or(self.grid.len())] += 1;
    }

    /// Adds the distances of the collected runs: of the members at their places from their offsets.
    pub fn add_runs(&mut self, points: &Points) {
        add_all(self, points);
    }

    #[inline(always)]
    fn add_portable(&mut self, points: &Points) {
        let runs = std::mem::take(&mut self.runs);
        let (mut first, mut n) = (0, 0);
        for (k, (places, offset)) in runs.iter().enumerate() {
            let room = (n + places.len()).next_multiple_of(LANES) + LANES;
            if self.r_sq.len() < room {
                self.r_sq.resize(room, 0.0);
                self.bin.resize(room, 0);
            }
            self.before.push(n as u32);
            let center = [offset.x as f32, offset.y as f32, offset.z as f32];
            let r_sq = &mut self.r_sq[n..];
            for (k, from) in places.clone().step_by(LANES).enumerate() {
                r_sq[k * LANES..][..LANES].copy_from_slice(&distances_sq(points, from, center));
            }
            n += places.len();
            if n >= BLOCK {
                self.sort_waiting(points, &runs[first..=k], n);
                (first, n) = (k + 1, 0);
            }
        }
        self.sort_waiting(points, &runs[first..], n);
        self.runs = runs;
        self.runs.clear();
    }

    /// Sorts the `n` squared distances that wait into bins; they are those of `runs`.
    #[inline(always)]
    fn sort_waiting(&mut self, points: &Points, runs: &[Run], n: usize) {
        let n_bins = self.grid.len();
        let (inverse_width, beyond) = ((1.0 / self.grid.width()) as f32, n_bins as f32 + 0.25);
        // A centre is at most its distance, and that of a cell, away from the points.
        let reach = points.largest + 2.0 * self.grid.r_max();
        let tolerance = ERROR * n_bins as f32 + 1e-5 + (COORDINATE_ERROR * reach / self.grid.width()) as f32;
        let near_edge = (n_bins + LANES) as u32;
        for from in (0..n).step_by(LANES) {
            let r_sq = lanes(&self.r_sq, from);
            let mut bin = [0; LANES];
            for k in 0..LANES {
                let at = (r_sq[k].sqrt() * inverse_width).min(beyond);
                // Nearest integer to at − ½, which is the bin unless an edge is near; then the sign says so.
                let nearest = (at - 0.5).max(0.0) + SHIFT;
                let distance = (at - (nearest - SHIFT) - 0.5).abs();
                let whole = nearest.to_bits() & 0x7f_ffff;
                let spread = if whole == n_bins as u32 { whole + k as u32 } else { whole };
                bin[k] = if distance > 0.5 - tolerance { near_edge } else { spread };
            }
            self.bin[from..from + LANES].copy_from_slice(&bin);
        }
        let (bins, bin) = (self.bins.as_mut_slice(), &self.bin[..n]);
        for &bin in bin {
            bins[bin as usize] += 1;
        }
        // Few are near an edge: they are found many at a time.
        for from in (0..n).step_by(LANES) {
            let bin: [u32; LANES] = std::array::from_fn(|k| self.bin[from..from + LANES][k]);
            if bin.iter().fold(false, |any, &bin| any | (bin == near_edge)) {
                for k in (from..n.min(from + LANES)).filter(|&k| bin[k - from] == near_edge) {
                    let slot = self.exact_bin(points, runs, k);
                    self.bins[slot] += 1;
                }
            }
        }
        self.before.clear();
    }

    /// Bin of the `k`-th distance that waits.
    #[cold]
    fn exact_bin(&self, points: &Points, runs: &[Run], k: usize) -> usize {
        let run = self.before.partition_point(|&n| n as usize <= k) - 1;
        let (places, offset) = &runs[run];
        let d = points.get(places.start + k - self.before[run] as usize) - *offset;
        self.grid.bin((d.x * d.x + d.y * d.y + d.z * d.z).sqrt()).unwrap_or(self.grid.len())
    }

    /// What was counted, `[n_bins + 1]`: the last number is of distances beyond the grid.
    pub fn finish(mut self) -> Vec<u64> {
        self.bins.pop();
        let beyond = self.bins.drain(self.grid.len()..).sum();
        self.bins.push(beyond);
        self.bins
    }
}

widest! {
    fn add_all(counts: &mut Counts, points: &Points) {
        counts.add_portable(points);
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
