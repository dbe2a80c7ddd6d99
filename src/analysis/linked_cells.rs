//! Points sorted into small cells of the lattice, and which of them can be near a point.
//!
//! Cells are fixed in width, whatever the radius of a search, so that one sorting serves all of them. Cells are joined to rows along **a**, in which they
//! are thin; a [`Stencil`] holds the rows that a sphere can reach, and for every centre each row is cut to where the sphere is. A row that goes through a
//! boundary is visited once for every image, with the shift of that image: distances need no rounding to the nearest image, and a radius beyond half the
//! cell finds all images.

use super::distance_counts::Points;
use super::widest::widest;
use crate::cell::Cell;
use glam::DVec3;
use std::ops::Range;
use std::sync::OnceLock;

/// Width of a row, nm: a little more than the reach of a hydrogen bond, a quarter of that of g(r).
const WIDTH: f64 = 0.42;
/// Length of a cell along its row, in widths.
const THIN: f64 = 0.35;
/// Cells per member, and in a small group all together: sparse groups get wider cells.
const CELLS_PER_MEMBER: f64 = 4.0;
const FEW_CELLS: f64 = 4096.0;
/// Points placed together.
const LANES: usize = 8;

/// A group of points in the order of the cells they are in.
#[derive(Debug)]
pub struct LinkedCells {
    shape: [i32; 3],
    cell: Cell,
    /// `[n_members]` wrapped into the cell, nm
    points: Points,
    /// `[n_members]`: which member stands at a place.
    order: Vec<u32>,
    /// Members of cell c stand at the places `start[c]..start[c + 1]`.
    start: Vec<u32>,
    /// `[n_members]`: the cell of the member at a place; made where it is asked for.
    home: OnceLock<Vec<u32>>,
}

/// The rows that a sphere around any point of a cell can reach, row by row; lengths in nm, from the corner of the row of the centre.
#[derive(Debug)]
pub struct Stencil {
    /// Cells beside the one of the centre.
    rows: Vec<[i32; 2]>,
    /// Where points of a row are along b and c: from, and the same for all, how far. Behind the last row stand [`ROW_LANES`] that nothing reaches.
    y: Vec<f32>,
    z: Vec<f32>,
    extent: [f32; 2],
    /// How far the lattice moves them along a: from, and how far.
    shift: Vec<f32>,
    shift_extent: f32,
    /// Of every two rows opposite each other one, from here on; the row of the centre comes first of them.
    own: usize,
    radius_sq: f32,
    /// For cells of rows from `-margin` on: the cell in range, and how far the lattice moves it, nm.
    in_range: [Vec<(i32, DVec3)>; 2],
    margin: [i32; 2],
}

/// Places of members that are near, and how far the lattice shifts them, nm.
pub type Run = (Range<usize>, DVec3);

/// Far from any centre, nm; its square is a number.
const NOWHERE: f32 = 1e15;
/// Rows cut together.
const ROW_LANES: usize = 16;
/// Room for rounding in the cells that a row is cut to, cells.
const ROOM: f32 = 4e-3;

/// Adding it drops the fraction of an f64 below 2⁵¹ and leaves its integer in the lowest bits; and of an f32 below 2²².
const SHIFT: f64 = 6_755_399_441_055_744.0;
const SHIFT_F32: f32 = 12_582_912.0;

/// The largest integer below `x`, |x| < 2⁵¹. (`f64::floor` is a function call without SSE 4.1.)
#[inline(always)]
fn floor(x: f64) -> f64 {
    let nearest = (x + SHIFT) - SHIFT;
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// The largest integer below `x`, |x| < 2²²; something else beyond. (A conversion that looks after all numbers is not vectorised.)
#[inline(always)]
fn floor_of(x: f32) -> i32 {
    let shifted = x + SHIFT_F32;
    let whole = shifted.to_bits().wrapping_sub(SHIFT_F32.to_bits()).cast_signed();
    whole - i32::from(shifted - SHIFT_F32 > x)
}

/// The cell of n in which the fractional coordinate `s` is, 0 ≤ s ≤ 1.
#[inline(always)]
fn cell_of(s: f64, n: i32) -> i32 {
    let whole = floor(s * f64::from(n)) + SHIFT;
    (whole.to_bits() as u32).cast_signed().clamp(0, n - 1)
}

impl LinkedCells {
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    /// * `members` – indices of the atoms to sort
    pub fn new(cell: &Cell, positions: &[DVec3], members: &[u32]) -> Self {
        let most = (CELLS_PER_MEMBER * members.len() as f64).max(FEW_CELLS);
        let width = WIDTH.max((cell.volume() / (most * THIN)).cbrt());
        let [a, b, c] = cell.heights();
        let shape = [a / (THIN * width), b / width, c / width].map(|n| n.floor().clamp(1.0, 1024.0) as i32);
        let n_cells = shape.iter().map(|&n| n as usize).product::<usize>();
        let mut wrapped = Wrapped::default();
        wrap_all(cell, shape, positions, members, &mut wrapped);
        // Counted two cells on: after summing up, and once more while members find their places, every number stands where it belongs.
        let mut start = vec![0_u32; n_cells + 2];
        let home = &wrapped.home[..members.len()];
        home.iter().for_each(|&home| start[home as usize + 2] += 1);
        let mut sum = 0;
        for n in &mut start {
            sum += *n;
            *n = sum;
        }
        let mut order = vec![0; members.len()];
        let mut exact = vec![DVec3::ZERO; members.len()];
        for (k, &home) in home.iter().enumerate() {
            let place = &mut start[home as usize + 1];
            order[*place as usize] = k as u32;
            exact[*place as usize] = DVec3::new(wrapped.x[k], wrapped.y[k], wrapped.z[k]);
            *place += 1;
        }
        start.pop();
        LinkedCells { shape, cell: *cell, points: Points::new(exact), order, start, home: OnceLock::new() }
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
        // What single precision rounds away of lengths up to the radius, with room.
        let reach = radius * (1.0 + 1e-5) + 1e-5;
        let [_, ny, nz] = self.shape.map(f64::from);
        let v = self.cell.vectors();
        let (b, c) = (v.y_axis, v.z_axis);
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
        let mut rows = Vec::new();
        let (low, high) = within(reach, (0.0, 0.0), nz, c.z);
        for z in low..=high {
            let left = reach * reach - gap(span(z, nz, c.z)).powi(2);
            if left <= 0.0 {
                continue;
            }
            let y_of_z = span(z, nz, c.y);
            let (low, high) = within(left.sqrt(), y_of_z, ny, b.y);
            for y in low..=high {
                let along_b = span(y, ny, b.y);
                if left > gap((along_b.0 + y_of_z.0, along_b.1 + y_of_z.1)).powi(2) {
                    rows.push([y, z]);
                }
            }
        }
        // From the corner of one row to that of another, and of the corner of a row to its points: the lowest and by how much the highest is above.
        let corner =
            |of_b: f64, of_c: f64| move |&[y, z]: &[i32; 2]| f64::from(y) / ny * of_b + f64::from(z) / nz * of_c;
        let lowest = |of_b: f64, of_c: f64| (of_b / ny).min(0.0) + (of_c / nz).min(0.0);
        let extent = |of_b: f64, of_c: f64| ((of_b / ny).abs() + (of_c / nz).abs()) as f32;
        let all = |of_b: f64, of_c: f64| -> Vec<f32> {
            let lowest = rows.iter().map(corner(of_b, of_c)).map(|r| (r + lowest(of_b, of_c)) as f32);
            lowest.chain([NOWHERE; ROW_LANES]).collect()
        };
        let (y, z, shift) = (all(b.y, c.y), all(0.0, c.z), all(b.x, c.x));
        let margin = [0, 1].map(|axis| rows.iter().map(|row: &[i32; 2]| row[axis].abs()).max().unwrap_or(0));
        let in_range = |n: i32, margin: i32, of: DVec3| {
            (-margin..n + margin).map(|at| (at.rem_euclid(n), of * f64::from(at.div_euclid(n)))).collect()
        };
        Stencil {
            y,
            z,
            shift,
            extent: [extent(b.y, c.y), extent(0.0, c.z)],
            shift_extent: extent(b.x, c.x),
            own: rows.iter().position(|row| *row == [0, 0]).unwrap_or(0),
            radius_sq: (reach * reach) as f32,
            in_range: [in_range(self.shape[1], margin[0], b), in_range(self.shape[2], margin[1], c)],
            margin,
            rows,
        }
    }

    /// Where members near `center` (nm) stand: calls `visit(places, offset)`, where a member at one of the places is at its point minus `offset` from
    /// the centre.
    #[inline]
    pub fn runs_around(
        &self,
        stencil: &Stencil,
        center: DVec3,
        cuts: &mut Cuts,
        visit: impl FnMut(Range<usize>, DVec3),
    ) {
        let (center, home) = place(&self.cell, self.shape, center);
        cut(self, stencil, 0, center, home, cuts);
        self.rows(stencil, 0, center, home, cuts, visit);
    }

    /// As [`LinkedCells::runs_around`] for the member at `place`, but of every pair of members only one sees the other, and none itself.
    #[inline]
    pub fn runs_ahead(
        &self,
        stencil: &Stencil,
        place: usize,
        cuts: &mut Cuts,
        mut visit: impl FnMut(Range<usize>, DVec3),
    ) {
        let (center, home) = (self.points.get(place), self.homes()[place]);
        visit(place + 1..self.start[home as usize + 1] as usize, center);
        let home = self.split(home);
        cut(self, stencil, stencil.own, center, home, cuts);
        // Of its own row it sees what stands behind its own cell.
        cuts.first[0] = home[0] + 1;
        self.rows(stencil, stencil.own, center, home, cuts, visit);
    }

    fn homes(&self) -> &[u32] {
        self.home.get_or_init(|| {
            let mut home = vec![0; self.len()];
            for (c, bounds) in self.start.windows(2).enumerate() {
                home[bounds[0] as usize..bounds[1] as usize].fill(c as u32);
            }
            home
        })
    }

    fn split(&self, home: u32) -> [i32; 3] {
        let [nx, ny, _] = self.shape;
        let home = home.cast_signed();
        [home % nx, home / nx % ny, home / (nx * ny)]
    }

    #[inline]
    fn rows(
        &self,
        stencil: &Stencil,
        from: usize,
        center: DVec3,
        [_, hy, hz]: [i32; 3],
        cuts: &Cuts,
        mut visit: impl FnMut(Range<usize>, DVec3),
    ) {
        let [nx, ny, _] = self.shape;
        let a = self.cell.vectors().x_axis;
        let [of_y, of_z] = [hy + stencil.margin[0], hz + stencil.margin[1]];
        for ((&[y, z], &first), &last) in stencil.rows[from..].iter().zip(&cuts.first).zip(&cuts.last) {
            if first > last {
                continue;
            }
            let (y, along_b) = stencil.in_range[0][(of_y + y) as usize];
            let (z, along_c) = stencil.in_range[1][(of_z + z) as usize];
            let line = (z * ny + y) * nx;
            let near = center - along_b - along_c;
            let mut from = first;
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

/// Scratch space: of every row of a stencil the cells from first to last that one sphere reaches, those in other images with numbers out of range.
#[derive(Debug, Default)]
pub struct Cuts {
    first: Vec<i32>,
    last: Vec<i32>,
}

widest! {
    /// Cuts the rows of a stencil from `from` on to the sphere around `center` (wrapped, nm) in the cell `home`.
    fn cut(cells: &LinkedCells, stencil: &Stencil, from: usize, center: DVec3, home: [i32; 3], cuts: &mut Cuts) {
        let (n, v) = (cells.shape.map(f64::from), cells.cell.vectors());
        let s = cells.cell.to_fractional(center);
        let inside = [s.y * n[1] - f64::from(home[1]), s.z * n[2] - f64::from(home[2])];
        let from_corner = |of_b: f64, of_c: f64| (inside[0] / n[1] * of_b + inside[1] / n[2] * of_c) as f32;
        let (y, z) = (from_corner(v.y_axis.y, v.z_axis.y), from_corner(0.0, v.z_axis.z));
        let shift = from_corner(v.y_axis.x, v.z_axis.x);
        let (x, per_length) = ((s.x * n[0]) as f32, (n[0] / v.x_axis.x) as f32);
        let n_rows = stencil.rows.len() - from;
        let padded = n_rows.next_multiple_of(ROW_LANES);
        cuts.first.resize(padded, 0);
        cuts.last.resize(padded, 0);
        for k in (0..n_rows).step_by(ROW_LANES) {
            let rows = |of: &[f32]| -> [f32; ROW_LANES] { std::array::from_fn(|l| of[from + k..][..ROW_LANES][l]) };
            let (rows_y, rows_z, rows_shift) = (rows(&stencil.y), rows(&stencil.z), rows(&stencil.shift));
            let (mut first, mut last) = ([0; ROW_LANES], [0; ROW_LANES]);
            for l in 0..ROW_LANES {
                let (low_y, low_z, low) = (rows_y[l] - y, rows_z[l] - z, rows_shift[l] - shift);
                let gap_y = low_y.max(-(low_y + stencil.extent[0])).max(0.0);
                let gap_z = low_z.max(-(low_z + stencil.extent[1])).max(0.0);
                let left = stencil.radius_sq - gap_y * gap_y - gap_z * gap_z;
                let half = left.max(0.0).sqrt();
                let is_near = left > 0.0;
                let from = floor_of(x - (half + low + stencil.shift_extent) * per_length - ROOM);
                let to = floor_of(x + (half - low) * per_length + ROOM);
                first[l] = if is_near { from } else { 1 };
                last[l] = if is_near { to } else { 0 };
            }
            cuts.first[k..k + ROW_LANES].copy_from_slice(&first);
            cuts.last[k..k + ROW_LANES].copy_from_slice(&last);
        }
    }
}

/// Points in the order of the members: wrapped (nm), and the cell that each is in.
#[derive(Debug, Default)]
struct Wrapped {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    home: Vec<u32>,
}

widest! {
    /// As [`place`] for all members. What follows the last of them is none.
    fn wrap_all(cell: &Cell, shape: [i32; 3], positions: &[DVec3], members: &[u32], wrapped: &mut Wrapped) {
        let n = members.len().next_multiple_of(LANES);
        wrapped.x.resize(n, 0.0);
        wrapped.y.resize(n, 0.0);
        wrapped.z.resize(n, 0.0);
        wrapped.home.resize(n, 0);
        let (to_s, v) = (cell.inverse().to_cols_array_2d(), cell.vectors().to_cols_array_2d());
        let [nx, ny, _] = shape;
        for (k, chunk) in members.chunks(LANES).enumerate() {
            let mut r = [DVec3::ZERO; LANES];
            r.iter_mut().zip(chunk).for_each(|(r, &i)| *r = positions[i as usize]);
            let (mut x, mut y, mut z) = (r.map(|r| r.x), r.map(|r| r.y), r.map(|r| r.z));
            // One quantity after the other, so that each is computed for all points at once; in the order in which matrices are multiplied by vectors.
            let row = |m: &[[f64; 3]; 3], k: usize, r: [&[f64; LANES]; 3]| -> [f64; LANES] {
                let mut out = [0.0; LANES];
                for l in 0..LANES {
                    out[l] = m[0][k] * r[0][l] + m[1][k] * r[1][l] + m[2][k] * r[2][l];
                }
                out
            };
            let s = [0, 1, 2].map(|k| row(&to_s, k, [&x, &y, &z]));
            let whole = s.map(|s| s.map(floor));
            let [in_x, in_y, in_z] = [0, 1, 2].map(|k| {
                let mut cell = [0; LANES];
                for l in 0..LANES {
                    cell[l] = cell_of(s[k][l] - whole[k][l], shape[k]);
                }
                cell
            });
            let moved = [0, 1, 2].map(|k| row(&v, k, [&whole[0], &whole[1], &whole[2]]));
            let mut home = [0; LANES];
            for l in 0..LANES {
                home[l] = ((in_z[l] * ny + in_y[l]) * nx + in_x[l]).cast_unsigned();
            }
            for l in 0..LANES {
                (x[l], y[l], z[l]) = (x[l] - moved[0][l], y[l] - moved[1][l], z[l] - moved[2][l]);
            }
            let at = k * LANES..(k + 1) * LANES;
            wrapped.x[at.clone()].copy_from_slice(&x);
            wrapped.y[at.clone()].copy_from_slice(&y);
            wrapped.z[at.clone()].copy_from_slice(&z);
            wrapped.home[at].copy_from_slice(&home);
        }
    }
}

/// The image of `r` in the cell (nm) and the small cell that it is in.
#[inline(always)]
fn place(cell: &Cell, shape: [i32; 3], r: DVec3) -> (DVec3, [i32; 3]) {
    let s = cell.to_fractional(r);
    let whole = DVec3::new(floor(s.x), floor(s.y), floor(s.z));
    let s = s - whole;
    let [nx, ny, nz] = shape;
    (r - cell.to_cartesian(whole), [cell_of(s.x, nx), cell_of(s.y, ny), cell_of(s.z, nz)])
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
