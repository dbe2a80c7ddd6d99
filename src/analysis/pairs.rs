//! All members of a group within a radius of a point, in any periodic cell.
//!
//! Positions may be wrapped or not. Small systems and large radii are searched directly; a radius that is small against
//! the box uses linked cells in fractional coordinates. Up to half the smallest height of the cell every pair has one
//! image; beyond it (a cell that shrank during a run at constant pressure) all images within the radius are visited.

use super::AnalysisError;
use crate::cell::Cell;
use crate::system::Frame;
use glam::DVec3;

/// Cells per radius along each direction: finer cells fit the sphere more tightly.
const CELLS_PER_RADIUS: f64 = 2.0;
/// The stencil reaches this many cells to either side.
const REACH: i64 = 2;
/// Below this many members linked cells do not pay.
const DIRECT_BELOW: usize = 200;

/// A group of atoms, prepared for searches in one frame.
pub struct PairSearch<'a> {
    cell: &'a Cell,
    /// a, b, c, nm
    vectors: [DVec3; 3],
    /// 1/a_x, 1/b_y, 1/c_z, nm⁻¹
    inverse_diagonal: DVec3,
    /// `[n_members]`, nm; wrapped when there is a grid
    points: Vec<DVec3>,
    r_max: f64,
    r_max_sq: f64,
    several_images: bool,
    grid: Option<LinkedCells>,
}

struct LinkedCells {
    shape: [i64; 3],
    /// Members of cell c are `members[start[c]..start[c + 1]]`.
    start: Vec<u32>,
    members: Vec<u32>,
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
        let mut points: Vec<DVec3> = members.iter().map(|&i| frame.positions[i as usize]).collect();
        // The tolerance keeps a radius of exactly half a height on the simple path despite rounding.
        let several_images = r_max > cell.half_height() * (1.0 + 1e-9);
        let shape = heights.map(|h| (CELLS_PER_RADIUS * h / r_max).floor().min(256.0) as i64);
        let stencil = 2 * REACH + 1;
        let use_grid = !several_images && points.len() >= DIRECT_BELOW && shape.iter().all(|&n| n > stencil);
        let grid = use_grid.then(|| {
            points.iter_mut().for_each(|r| *r = cell.wrap(*r));
            LinkedCells::new(cell, &points, shape)
        });
        let v = cell.vectors();
        let vectors = [v.x_axis, v.y_axis, v.z_axis];
        let inverse_diagonal = DVec3::new(v.x_axis.x, v.y_axis.y, v.z_axis.z).recip();
        Ok(PairSearch { cell, vectors, inverse_diagonal, points, r_max, r_max_sq: r_max * r_max, several_images, grid })
    }

    /// Calls `visit(k, d)` for every member k whose image lies at `center + d`, |d| < r_max (nm).
    ///
    /// `k` counts within the group. A member at the centre itself is visited too: the caller knows which atom it is.
    pub fn visit(&self, center: DVec3, visit: impl FnMut(usize, DVec3)) {
        self.visit_from(0, center, visit);
    }

    /// As [`PairSearch::visit`], but only members k ≥ `first`: half the work where pairs within the group are counted once.
    pub fn visit_from(&self, first: usize, center: DVec3, mut visit: impl FnMut(usize, DVec3)) {
        let near = |k: usize| {
            let d = self.nearest_image(self.points[k] - center);
            (d.length_squared() < self.r_max_sq).then_some(d)
        };
        match &self.grid {
            Some(grid) => grid.visit_around(self.cell.to_fractional(center), |k| {
                if k >= first
                    && let Some(d) = near(k)
                {
                    visit(k, d);
                }
            }),
            None if self.several_images => {
                for (k, &point) in self.points.iter().enumerate().skip(first) {
                    self.visit_images(self.cell.minimum_image(point - center), |image| visit(k, image));
                }
            }
            None => {
                for k in first..self.points.len() {
                    if let Some(d) = near(k) {
                        visit(k, d);
                    }
                }
            }
        }
    }

    /// An image of `d` with |z| ≤ c_z/2, |y| ≤ b_y/2, |x| ≤ a_x/2.
    ///
    /// That box is a primitive cell of the lattice (a along x, b in the xy plane), and a sphere of half the smallest height
    /// lies within it: for such a short vector this is the nearest image, cheaper than through fractional coordinates.
    fn nearest_image(&self, mut d: DVec3) -> DVec3 {
        let [a, b, c] = self.vectors;
        d -= c * nearest_integer(d.z * self.inverse_diagonal.z);
        d -= b * nearest_integer(d.y * self.inverse_diagonal.y);
        d.x -= a.x * nearest_integer(d.x * self.inverse_diagonal.x);
        d
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
    fn new(cell: &Cell, points: &[DVec3], shape: [i64; 3]) -> Self {
        let n_cells = (shape[0] * shape[1] * shape[2]) as usize;
        let cell_of: Vec<usize> =
            points.iter().map(|&r| index(shape, coordinates(shape, cell.to_fractional(r)))).collect();
        let mut start = vec![0_u32; n_cells + 1];
        for &c in &cell_of {
            start[c + 1] += 1;
        }
        for c in 0..n_cells {
            start[c + 1] += start[c];
        }
        let mut next = start.clone();
        let mut members = vec![0; points.len()];
        for (k, &c) in cell_of.iter().enumerate() {
            members[next[c] as usize] = k as u32;
            next[c] += 1;
        }
        LinkedCells { shape, start, members }
    }

    fn visit_around(&self, fractional: DVec3, mut visit: impl FnMut(usize)) {
        let home = coordinates(self.shape, fractional);
        let around = |axis: usize| (-REACH..=REACH).map(move |step| (home[axis] + step).rem_euclid(self.shape[axis]));
        for z in around(2) {
            for y in around(1) {
                for x in around(0) {
                    let c = index(self.shape, [x, y, z]);
                    for &k in &self.members[self.start[c] as usize..self.start[c + 1] as usize] {
                        visit(k as usize);
                    }
                }
            }
        }
    }
}

/// The integer nearest to `x`, |x| < 2⁵¹: adding 1.5 · 2⁵² drops the fraction. (`f64::round` is a function call without SSE 4.1.)
fn nearest_integer(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (x + SHIFT) - SHIFT
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
            }
            assert!(PairSearch::new(&frame, &atoms, 1.1 * height).is_err());
        }
    }
}
