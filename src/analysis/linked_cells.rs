//! Points sorted into small cells of the lattice, and which of them can be near a point.
//!
//! Cells are a fixed 0.36 nm wide, whatever the radius of a search, so that one sorting serves all of them. Cells are joined to rows along **a**; a
//! [`Stencil`] holds the rows that a sphere can reach, each only as long as the sphere is there. A row that goes through a boundary is visited once for
//! every image, with the shift of that image: distances need no rounding to the nearest image, and a radius beyond half the cell finds all images.

use super::distance_counts::Points;
use crate::cell::Cell;
use glam::DVec3;
use std::ops::Range;

/// Width of a cell, nm: a little more than the reach of a hydrogen bond, a quarter of that of g(r).
const WIDTH: f64 = 0.36;
/// Cells per member, and in a small group all together: sparse groups get wider cells.
const CELLS_PER_MEMBER: f64 = 8.0;
const FEW_CELLS: f64 = 32_768.0;

/// A group of points in the order of the cells they are in.
#[derive(Debug)]
pub struct LinkedCells {
    shape: [i32; 3],
    /// a, b, c, nm
    vectors: [DVec3; 3],
    cell: Cell,
    /// `[n_members]` wrapped into the cell, nm
    points: Points,
    /// `[n_members]`: which member stands at a place.
    order: Vec<u32>,
    /// `[n_members]`: the cell of the member at a place.
    home: Vec<u32>,
    /// Members of cell c stand at the places `start[c]..start[c + 1]`.
    start: Vec<u32>,
}

/// Cells from `first` to `last` along a, `y` and `z` cells beside the one of the centre.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    y: i32,
    z: i32,
    first: i32,
    last: i32,
}

/// The rows that a sphere around any point of a cell can reach.
#[derive(Debug)]
pub struct Stencil {
    rows: Vec<Row>,
    /// Of every two rows opposite each other one; the row of the centre comes first, from the next cell on.
    ahead: Vec<Row>,
}

/// Places of members that are near, and how far the lattice shifts them, nm.
pub type Run = (Range<usize>, DVec3);

/// The largest integer below `x`, |x| < 2⁵¹: adding 1.5 · 2⁵² drops the fraction. (`f64::floor` is a function call without SSE 4.1.)
#[inline(always)]
fn floor(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let nearest = (x + SHIFT) - SHIFT;
    if nearest > x { nearest - 1.0 } else { nearest }
}

impl LinkedCells {
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `members` – indices of the atoms to sort
    pub fn new(cell: &Cell, positions: &[DVec3], members: &[u32]) -> Self {
        let heights = cell.heights();
        let most = (CELLS_PER_MEMBER * members.len() as f64).max(FEW_CELLS);
        let width = WIDTH.max((cell.volume() / most).cbrt());
        let shape = heights.map(|h| (h / width).floor().clamp(1.0, 1024.0) as i32);
        let n_cells = shape.iter().map(|&n| n as usize).product::<usize>();
        let v = cell.vectors();
        let mut start = vec![0_u32; n_cells + 1];
        let mut wrapped = Vec::with_capacity(members.len());
        for &i in members {
            let (r, home) = place(cell, shape, positions[i as usize]);
            start[home as usize + 1] += 1;
            wrapped.push((r, home));
        }
        for c in 0..n_cells {
            start[c + 1] += start[c];
        }
        let mut next = start.clone();
        let mut order = vec![0; members.len()];
        for (k, (_, home)) in wrapped.iter().enumerate() {
            let slot = &mut next[*home as usize];
            order[*slot as usize] = k as u32;
            *slot += 1;
        }
        let points = Points::new(order.iter().map(|&k| wrapped[k as usize].0).collect());
        let home = order.iter().map(|&k| wrapped[k as usize].1).collect();
        LinkedCells { shape, vectors: [v.x_axis, v.y_axis, v.z_axis], cell: *cell, points, order, home, start }
    }

    /// Coordinates by place, nm.
    pub fn points(&self) -> &Points {
        &self.points
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Which member stands at a place.
    pub fn member(&self, place: usize) -> usize {
        self.order[place] as usize
    }

    /// The rows within `radius` (nm) of the points of a cell.
    pub fn stencil(&self, radius: f64) -> Stencil {
        let reach = radius * (1.0 + 1e-9);
        let [nx, ny, nz] = self.shape.map(f64::from);
        let [a, b, c] = self.vectors;
        // Coordinates of the difference of two points whose cells lie n apart span (n − 1)/N … (n + 1)/N of a lattice vector.
        let span = |n: i32, of: f64, length: f64| {
            let (x, y) = (f64::from(n - 1) / of * length, f64::from(n + 1) / of * length);
            (x.min(y), x.max(y))
        };
        // How far an interval is from zero.
        let gap = |(low, high): (f64, f64)| low.max(-high).max(0.0);
        // Cells whose differences along one axis come within `reach`, with (low, high) from the other axes.
        let within = |reach: f64, (low, high): (f64, f64), of: f64, length: f64| {
            let step = length / of;
            (((-reach - high) / step - 1.0).floor() as i32, ((reach - low) / step + 1.0).ceil() as i32)
        };
        let plus = |x: (f64, f64), y: (f64, f64)| (x.0 + y.0, x.1 + y.1);
        let (mut rows, mut ahead) = (Vec::new(), Vec::new());
        let (low, high) = within(reach, (0.0, 0.0), nz, c.z);
        for z in low..=high {
            let left = reach * reach - gap(span(z, nz, c.z)).powi(2);
            if left <= 0.0 {
                continue;
            }
            let (y_of_z, x_of_z) = (span(z, nz, c.y), span(z, nz, c.x));
            let (low, high) = within(left.sqrt(), y_of_z, ny, b.y);
            for y in low..=high {
                let left = left - gap(plus(span(y, ny, b.y), y_of_z)).powi(2);
                if left <= 0.0 {
                    continue;
                }
                let x_of_yz = plus(span(y, ny, b.x), x_of_z);
                let (low, high) = within(left.sqrt(), x_of_yz, nx, a.x);
                let is_near = |x: i32| gap(plus(span(x, nx, a.x), x_of_yz)) < left.sqrt();
                let (Some(first), Some(last)) =
                    ((low..=high).find(|&x| is_near(x)), (low..=high).rev().find(|&x| is_near(x)))
                else {
                    continue;
                };
                rows.push(Row { y, z, first, last });
                match (z, y) {
                    (0, 0) => ahead.insert(0, Row { y, z, first: 1, last }),
                    _ if z > 0 || (z == 0 && y > 0) => ahead.push(Row { y, z, first, last }),
                    _ => {}
                }
            }
        }
        Stencil { rows, ahead }
    }

    /// Where members near `center` (nm) stand: calls `visit(places, offset)`, where a member at one of the places is at its point minus `offset` from
    /// the centre.
    #[inline]
    pub fn runs_around(&self, stencil: &Stencil, center: DVec3, mut visit: impl FnMut(Range<usize>, DVec3)) {
        let (center, home) = place(&self.cell, self.shape, center);
        self.rows(home, &stencil.rows, center, &mut visit);
    }

    /// As [`LinkedCells::runs_around`] for the member at `place`, but of every pair of members only one sees the other, and none itself.
    #[inline]
    pub fn runs_ahead(&self, stencil: &Stencil, place: usize, mut visit: impl FnMut(Range<usize>, DVec3)) {
        let (center, home) = (self.points.get(place), self.home[place]);
        visit(place + 1..self.start[home as usize + 1] as usize, center);
        self.rows(home, &stencil.ahead, center, &mut visit);
    }

    #[inline]
    fn rows(&self, home: u32, rows: &[Row], center: DVec3, visit: &mut impl FnMut(Range<usize>, DVec3)) {
        let [nx, ny, nz] = self.shape;
        let home = home as i32;
        let (hx, hy, hz) = (home % nx, home / nx % ny, home / (nx * ny));
        let [a, b, c] = self.vectors;
        for row in rows {
            let (z, of_c) = in_range(hz + row.z, nz);
            let (y, of_b) = in_range(hy + row.y, ny);
            let (mut from, last) = (hx + row.first, hx + row.last);
            let line = (z * ny + y) * nx;
            let near = center - b * f64::from(of_b) - c * f64::from(of_c);
            while from <= last {
                let (x, of_a) = in_range(from, nx);
                let n = (last - from + 1).min(nx - x);
                let places = self.start[(line + x) as usize] as usize..self.start[(line + x + n) as usize] as usize;
                if !places.is_empty() {
                    visit(places, near - a * f64::from(of_a));
                }
                from += n;
            }
        }
    }
}

/// The image of `r` in the cell (nm) and the small cell that it is in.
#[inline(always)]
fn place(cell: &Cell, shape: [i32; 3], r: DVec3) -> (DVec3, u32) {
    let s = cell.to_fractional(r);
    let whole = DVec3::new(floor(s.x), floor(s.y), floor(s.z));
    let at = |s: f64, n: i32| ((s * f64::from(n)) as i32).clamp(0, n - 1);
    let s = s - whole;
    let [nx, ny, nz] = shape;
    let home = (at(s.z, nz) * ny + at(s.y, ny)) * nx + at(s.x, nx);
    (r - cell.to_cartesian(whole), home.cast_unsigned())
}

/// A cell coordinate in 0..n, and how many periods it was off.
#[inline(always)]
fn in_range(mut at: i32, n: i32) -> (i32, i32) {
    let mut periods = 0;
    while at < 0 {
        at += n;
        periods -= 1;
    }
    while at >= n {
        at -= n;
        periods += 1;
    }
    (at, periods)
}
