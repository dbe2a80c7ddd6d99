//! All members of a group within a radius of a point, in any periodic cell.
//!
//! Positions may be wrapped or not. The group is sorted into small cells once for every frame, whoever asks ([`Snapshot`]). Up to half the smallest
//! height of the cell every pair has one image; beyond it (a cell that shrank during a run at constant pressure) all images within the radius are visited.

use super::AnalysisError;
use super::distance_counts::Counts;
use super::linked_cells::{Cuts, LinkedCells, Run, Stencil};
use super::snapshot::Snapshot;
use glam::DVec3;
use std::cell::Cell as Slot;
use std::ops::Range;
use std::sync::Arc;

/// A group of atoms, prepared for searches within one radius in one frame.
pub struct PairSearch {
    cells: Arc<LinkedCells>,
    stencil: Stencil,
    r_max_sq: f64,
}

/// What a visit needs while it goes on.
#[derive(Default)]
struct Scratch {
    cuts: Cuts,
    runs: Vec<Run>,
    near: Vec<(u32, u32)>,
}

thread_local! {
    /// Taken out for the time of a visit; one within another makes its own.
    static SCRATCH: Slot<Scratch> = Slot::default();
}

impl PairSearch {
    /// * `members` – atom indices
    /// * `r_max` – nm, at most the smallest height of the frame's cell
    pub fn new(frame: &Snapshot, members: &[u32], r_max: f64) -> Result<Self, AnalysisError> {
        let height = frame.cell.heights().iter().copied().fold(f64::INFINITY, f64::min);
        if r_max > height {
            return Err(AnalysisError::CellTooSmall { time: frame.time, height, radius: r_max });
        }
        let cells = frame.linked_cells(members);
        let stencil = cells.stencil(r_max);
        Ok(PairSearch { cells, stencil, r_max_sq: r_max * r_max })
    }

    /// Calls `visit(k, d)` for every member k whose image lies at `center + d`, |d| < r_max (nm).
    ///
    /// `k` counts within the group. A member at the centre itself is visited too: the caller knows which atom it is.
    #[inline]
    pub fn visit(&self, center: DVec3, mut visit: impl FnMut(usize, DVec3)) {
        let mut scratch = SCRATCH.take();
        let Scratch { cuts, runs, near } = &mut scratch;
        runs.clear();
        self.cells.runs_around(&self.stencil, center, cuts, |places, offset| runs.push((places, offset)));
        let points = self.cells.points();
        for &(place, run) in points.near(runs, self.r_max_sq, near) {
            let d = points.get(place as usize) - runs[run as usize].1;
            if d.length_squared() < self.r_max_sq {
                visit(self.cells.member(place as usize), d);
            }
        }
        SCRATCH.set(scratch);
    }

    /// Adds the distances from `center` to all members within reach to a histogram that ends at r_max. A member at the centre itself counts with distance zero.
    pub fn count_around(&self, center: DVec3, counts: &mut Counts) {
        let Counts { runs, cuts, .. } = counts;
        self.cells.runs_around(&self.stencil, center, cuts, |places, offset| runs.push((places, offset)));
        counts.add_runs(self.cells.points());
    }

    /// Adds the distances of pairs within the group to a histogram that ends at r_max, every pair once: from the members at `places` (of `0..n_members`,
    /// in an order of its own) to those that have not seen them.
    pub fn count_within(&self, places: Range<usize>, counts: &mut Counts) {
        for place in places {
            let Counts { runs, cuts, .. } = counts;
            self.cells.runs_ahead(&self.stencil, place, cuts, |places, offset| runs.push((places, offset)));
            counts.add_runs(self.cells.points());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::grid::RadialGrid;
    use crate::cell::Cell;
    use crate::random::{Draws, Stream};
    use crate::system::Frame;

    fn random_points(cell: &Cell, n: usize) -> Vec<DVec3> {
        let mut draws = Draws::new(5, Stream::Build, 0);
        // Unwrapped on purpose: up to two boxes away.
        let mut s = || 5.0 * draws.uniform() - 2.0;
        (0..n).map(|_| cell.to_cartesian(DVec3::new(s(), s(), s()))).collect()
    }

    /// Every image of every pair, by brute force over shifts.
    fn oracle(cell: &Cell, points: &[DVec3], center: DVec3, r_max: f64) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        for (k, &point) in points.iter().enumerate() {
            let d = point - center;
            let s = cell.to_fractional(d).round();
            for n in 0..343_i32 {
                let shift = DVec3::new(f64::from(n % 7 - 3), f64::from(n / 7 % 7 - 3), f64::from(n / 49 - 3));
                let image = d + cell.to_cartesian(shift - s);
                if image.length() < r_max {
                    found.push((k, (image.length() * 1e6).round() as u64));
                }
            }
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn every_path_finds_what_brute_force_finds() {
        let skewed =
            Cell::new(DVec3::new(4.0, 0.0, 0.0), DVec3::new(1.2, 3.6, 0.0), DVec3::new(-0.9, 0.8, 3.8)).expect("valid");
        let atoms: Vec<u32> = (0..400).collect();
        for cell in [skewed, Cell::orthorhombic(3.0, 4.0, 5.0).expect("valid")] {
            let points = random_points(&cell, 400);
            let frame = Snapshot::new(Frame::new(0, 0.0, &cell, &points));
            let height = 2.0 * cell.half_height();
            // From a radius below the width of the small cells to one with several images of some members.
            for r_max in [0.1 * height, 0.3 * height, 0.5 * height, 0.8 * height] {
                let search = PairSearch::new(&frame, &atoms, r_max).expect("fits");
                for &center in &points[..20] {
                    let mut found = Vec::new();
                    search.visit(center, |k, d| found.push((k, (d.length() * 1e6).round() as u64)));
                    found.sort_unstable();
                    assert_eq!(found, oracle(&cell, &points, center, r_max));
                }
                // Histograms: around every point, and every pair once.
                let grid = RadialGrid::from_zero(r_max, 0.01);
                let (mut expected, mut half, mut all) = (vec![0; grid.len()], Counts::new(grid), Counts::new(grid));
                for &center in &points {
                    search.visit(center, |_, d| {
                        if let Some(bin) = grid.bin(d.length()) {
                            expected[bin] += 1;
                        }
                    });
                    search.count_around(center, &mut all);
                }
                assert_eq!(all.finish()[..grid.len()], expected);
                search.count_within(0..170, &mut half);
                search.count_within(170..400, &mut half);
                expected[0] -= 400;
                let twice: Vec<u64> = half.finish()[..grid.len()].iter().map(|n| 2 * n).collect();
                assert_eq!(twice, expected);
            }
            assert!(PairSearch::new(&frame, &atoms, 1.1 * height).is_err());
        }
    }
}
