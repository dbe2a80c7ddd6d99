//! All members of a group within a radius of a point, in any periodic cell.
//!
//! Positions may be wrapped or not. Small systems and large radii are searched directly; a radius that is small against
//! the box uses linked cells in fractional coordinates. Up to half the smallest height of the cell every pair has one
//! image; beyond it (a cell that shrank during a run at constant pressure) all images within the radius are visited.

use super::AnalysisError;
use super::distance_counts::{Counts, Lattice, Points};
use crate::cell::Cell;
use crate::system::Frame;
use glam::DVec3;
use std::ops::Range;

/// Cells per radius along each direction: finer cells fit the sphere more tightly.
const CELLS_PER_RADIUS: f64 = 2.0;
/// The stencil reaches this many cells to either side.
const REACH: i64 = 2;
/// Below this many members linked cells do not pay.
const DIRECT_BELOW: usize = 200;

/// A group of atoms, prepared for searches in one frame.
pub struct PairSearch<'a> {
    cell: &'a Cell,
    lattice: Lattice,
    /// `[n_members]`, nm; with a grid wrapped and in the order of its cells
    points: Points,
    /// Which member stands at a place; empty if they stand in their own order.
    order: Vec<u32>,
    r_max: f64,
    r_max_sq: f64,
    several_images: bool,
    grid: Option<LinkedCells>,
}

struct LinkedCells {
    shape: [i64; 3],
    /// Members of cell c stand at the places `start[c]..start[c + 1]`.
    start: Vec<u32>,
}

impl<'a> PairSearch<'a> {
    /// * `members` – atom indices
    /// * `r_max` – nm, at most the smallest height of the frame's cell
    pub fn new(frame: &Frame<'a>, members: &[u32], r_max: f64) -> Result<Self, AnalysisError> {
        let cell = frame.cell;
        let heights = cell.heights();
        let height = heights.iter().copied().fold(f64::INFINITY, f64::min);
        if r_max > height {
            return Err(AnalysisError::CellTooSmall { time: frame.time, height, radius: r_max });
        }
        // The tolerance keeps a radius of exactly half a height on the simple path despite rounding.
        let several_images = r_max > cell.half_height() * (1.0 + 1e-9);
        let shape = heights.map(|h| (CELLS_PER_RADIUS * h / r_max).floor().min(256.0) as i64);
        let stencil = 2 * REACH + 1;
        let use_grid = !several_images && members.len() >= DIRECT_BELOW && shape.iter().all(|&n| n > stencil);
        let position = |i: &u32| frame.positions[*i as usize];
        let (points, order, grid) = if use_grid {
            let wrapped: Vec<DVec3> = members.iter().map(|i| cell.wrap(position(i))).collect();
            let (grid, order) = LinkedCells::new(cell, &wrapped, shape);
            (Points::new(order.iter().map(|&k| wrapped[k as usize])), order, Some(grid))
        } else {
            (Points::new(members.iter().map(position)), Vec::new(), None)
        };
        let lattice = Lattice::new(cell);
        Ok(PairSearch { cell, lattice, points, order, r_max, r_max_sq: r_max * r_max, several_images, grid })
    }

    /// Which member stands at a place.
    fn member(&self, place: usize) -> usize {
        if self.order.is_empty() { place } else { self.order[place] as usize }
    }

    /// Calls `visit(k, d)` for every member k whose image lies at `center + d`, |d| < r_max (nm).
    ///
    /// `k` counts within the group. A member at the centre itself is visited too: the caller knows which atom it is.
    pub fn visit(&self, center: DVec3, mut visit: impl FnMut(usize, DVec3)) {
        let mut near = |range: Range<usize>| {
            for place in range {
                let d = self.lattice.nearest_image(self.points.get(place) - center);
                if d.length_squared() < self.r_max_sq {
                    visit(self.member(place), d);
                }
            }
        };
        match &self.grid {
            Some(grid) => grid.ranges_around(self.cell.to_fractional(center), near),
            None if self.several_images => {
                for place in 0..self.points.len() {
                    let d = self.cell.minimum_image(self.points.get(place) - center);
                    self.visit_images(d, |image| visit(place, image));
                }
            }
            None => near(0..self.points.len()),
        }
    }

    /// Adds the distances from `center` to all members within reach to a histogram that ends at r_max. A member at the centre itself counts with distance zero.
    pub fn count_around(&self, center: DVec3, counts: &mut Counts) {
        match &self.grid {
            Some(grid) => {
                grid.ranges_around(self.cell.to_fractional(center), |range| counts.add(&self.points, range, center));
            }
            None if self.several_images => {
                self.visit(center, |_, d| counts.add_one(d.length()));
            }
            None => counts.add(&self.points, 0..self.points.len(), center),
        }
    }

    /// Adds the distances of pairs within the group to a histogram that ends at r_max, every pair once, from the members at `places` (of `0..n_members`)
    /// to those behind them.
    pub fn count_within(&self, places: Range<usize>, counts: &mut Counts) {
        let n = self.points.len();
        for place in places {
            let center = self.points.get(place);
            match &self.grid {
                Some(grid) => grid.ranges_ahead(self.cell.to_fractional(center), place, |range| {
                    counts.add(&self.points, range, center);
                }),
                None if self.several_images => {
                    for other in place + 1..n {
                        let d = self.cell.minimum_image(self.points.get(other) - center);
                        self.visit_images(d, |image| counts.add_one(image.length()));
                    }
                }
                None => counts.add(&self.points, place + 1..n, center),
            }
        }
    }

    /// An empty histogram for this frame.
    pub fn counts(&self, grid: super::grid::RadialGrid) -> Counts {
        Counts::new(grid, self.lattice)
    }

    /// All images of `d` within the radius: with r_max at most one height, neighbours of the first image are enough.
    fn visit_images(&self, d: DVec3, mut visit: impl FnMut(DVec3)) {
        let vectors = self.cell.vectors();
        for n in 0..27_i32 {
            let shift = DVec3::new(f64::from(n % 3 - 1), f64::from(n / 3 % 3 - 1), f64::from(n / 9 - 1));
            let image = d + vectors * shift;
            if image.length_squared() < self.r_max_sq {
                visit(image);
            }
        }
    }

    /// nm
    pub fn r_max(&self) -> f64 {
        self.r_max
    }
}

impl LinkedCells {
    /// The cells, and the members in their order.
    fn new(cell: &Cell, points: &[DVec3], shape: [i64; 3]) -> (Self, Vec<u32>) {
        let n_cells = (shape[0] * shape[1] * shape[2]) as usize;
        let cell_of: Vec<u32> =
            points.iter().map(|&r| index(shape, coordinates(shape, cell.to_fractional(r))) as u32).collect();
        let mut start = vec![0_u32; n_cells + 1];
        for &c in &cell_of {
            start[c as usize + 1] += 1;
        }
        for c in 0..n_cells {
            start[c + 1] += start[c];
        }
        let mut next = start.clone();
        let mut order = vec![0; points.len()];
        for (k, &c) in cell_of.iter().enumerate() {
            order[next[c as usize] as usize] = k as u32;
            next[c as usize] += 1;
        }
        (LinkedCells { shape, start }, order)
    }

    /// Places of the members in the stencil around a point, as ranges.
    fn ranges_around(&self, fractional: DVec3, mut visit: impl FnMut(Range<usize>)) {
        let home = coordinates(self.shape, fractional);
        for dz in -REACH..=REACH {
            for dy in -REACH..=REACH {
                self.row(home, dy, dz, -REACH, &mut visit);
            }
        }
    }

    /// As [`LinkedCells::ranges_around`], but of two cells only one sees the other, and of its own cell a member at `place` sees what stands behind it.
    fn ranges_ahead(&self, fractional: DVec3, place: usize, mut visit: impl FnMut(Range<usize>)) {
        let home = coordinates(self.shape, fractional);
        let own = index(self.shape, home);
        visit(place + 1..self.start[own + 1] as usize);
        self.row(home, 0, 0, 1, &mut visit);
        for dy in 1..=REACH {
            self.row(home, dy, 0, -REACH, &mut visit);
        }
        for dz in 1..=REACH {
            for dy in -REACH..=REACH {
                self.row(home, dy, dz, -REACH, &mut visit);
            }
        }
    }

    /// Cells from `first` to REACH along x, in a row beside the home cell: one range, or two where the row goes through the boundary.
    fn row(&self, home: [i64; 3], dy: i64, dz: i64, first: i64, visit: &mut impl FnMut(Range<usize>)) {
        let [n, ny, nz] = self.shape;
        let (y, z) = (around(home[1] + dy, ny), around(home[2] + dz, nz));
        let row = index(self.shape, [0, y, z]);
        let mut cells = |from: i64, to: i64| {
            let range = self.start[row + from as usize] as usize..self.start[row + to as usize + 1] as usize;
            if !range.is_empty() {
                visit(range);
            }
        };
        let (from, to) = (home[0] + first, home[0] + REACH);
        if from < 0 {
            cells(from + n, n - 1);
            cells(0, to);
        } else if from >= n {
            cells(from - n, to - n);
        } else if to >= n {
            cells(from, n - 1);
            cells(0, to - n);
        } else {
            cells(from, to);
        }
    }
}

/// A cell coordinate up to one period off, back in range.
fn around(at: i64, n: i64) -> i64 {
    if at < 0 {
        at + n
    } else if at >= n {
        at - n
    } else {
        at
    }
}

/// Cell coordinates of a fractional point, in range whatever the rounding.
fn coordinates(shape: [i64; 3], s: DVec3) -> [i64; 3] {
    let along = |s: f64, n: i64| (((s - s.floor()) * n as f64) as i64).min(n - 1);
    [along(s.x, shape[0]), along(s.y, shape[1]), along(s.z, shape[2])]
}

fn index(shape: [i64; 3], [x, y, z]: [i64; 3]) -> usize {
    ((z * shape[1] + y) * shape[0] + x) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::grid::RadialGrid;
    use crate::random::{Draws, Stream};

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
            let frame = Frame { step: 0, time: 0.0, cell: &cell, positions: &points };
            let height = 2.0 * cell.half_height();
            // linked cells, direct with one image, direct with several
            for (r_max, with_grid) in [(0.3 * height, true), (0.5 * height, false), (0.8 * height, false)] {
                let search = PairSearch::new(&frame, &atoms, r_max).expect("fits");
                assert_eq!(search.grid.is_some(), with_grid);
                for &center in &points[..20] {
                    let mut found = Vec::new();
                    search.visit(center, |k, d| found.push((k, (d.length() * 1e6).round() as u64)));
                    found.sort_unstable();
                    assert_eq!(found, oracle(&cell, &points, center, r_max));
                }
                // Histograms: around every point, and every pair once.
                let grid = RadialGrid::from_zero(r_max, 0.01);
                let (mut expected, mut half) = (vec![0; grid.len() + 1], search.counts(grid));
                let mut all = search.counts(grid);
                for &center in &points {
                    search.visit(center, |_, d| {
                        expected[grid.bin(d.length()).unwrap_or(grid.len())] += 1;
                    });
                    search.count_around(center, &mut all);
                }
                assert_eq!(all.bins[..grid.len()], expected[..grid.len()]);
                search.count_within(0..170, &mut half);
                search.count_within(170..400, &mut half);
                expected[0] -= 400;
                let twice: Vec<u64> = half.bins[..grid.len()].iter().map(|n| 2 * n).collect();
                assert_eq!(twice, expected[..grid.len()]);
            }
            assert!(PairSearch::new(&frame, &atoms, 1.1 * height).is_err());
        }
    }
}
