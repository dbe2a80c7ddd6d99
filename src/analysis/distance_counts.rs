//! Histograms of many distances at once: the inner loop of g(r).
//!
//! Squared distances are f64. The bin comes from an f32 root, and from the f64 one where the f32 root is so near to an edge that rounding could decide; so
//! the counts are those of [`RadialGrid::bin`] exactly. The loops are written for the compiler to vectorise and compiled for the instruction
//! sets that the machine may have; no set changes a result.

use super::grid::RadialGrid;
use crate::cell::Cell;
use glam::DVec3;

/// Members handled at once: their distances stay in the first-level cache.
const BLOCK: usize = 64;
/// Relative error of a bin number from the f32 root, with room.
const ERROR: f32 = 5e-7;
/// Adding it drops the fraction of an f32 below 2²².
const SHIFT: f32 = 8_388_608.0;

/// Members' coordinates, `[n]` each, nm.
#[derive(Debug, Clone, Default)]
pub struct Points {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub z: Vec<f64>,
}

impl Points {
    pub fn new(points: impl Iterator<Item = DVec3> + Clone) -> Self {
        let of = |axis: fn(DVec3) -> f64| points.clone().map(axis).collect();
        Points { x: of(|r| r.x), y: of(|r| r.y), z: of(|r| r.z) }
    }

    pub fn len(&self) -> usize {
        self.x.len()
    }

    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    pub fn get(&self, k: usize) -> DVec3 {
        DVec3::new(self.x[k], self.y[k], self.z[k])
    }
}

/// The lattice as the loops want it: nearest images within half the smallest height, see [`super::pairs`].
#[derive(Debug, Clone, Copy)]
pub struct Lattice {
    a: DVec3,
    b: DVec3,
    c: DVec3,
    /// 1/a_x, 1/b_y, 1/c_z, nm⁻¹
    inverse: DVec3,
    is_orthorhombic: bool,
}

impl Lattice {
    pub fn new(cell: &Cell) -> Self {
        let v = cell.vectors();
        let inverse = DVec3::new(v.x_axis.x, v.y_axis.y, v.z_axis.z).recip();
        let is_orthorhombic = cell.is_orthorhombic();
        Lattice { a: v.x_axis, b: v.y_axis, c: v.z_axis, inverse, is_orthorhombic }
    }

    /// An image of `d` with |z| ≤ c_z/2, |y| ≤ b_y/2, |x| ≤ a_x/2.
    ///
    /// That box is a primitive cell of the lattice (a along x, b in the xy plane), and a sphere of half the smallest height
    /// lies within it: for such a short vector this is the nearest image, cheaper than through fractional coordinates.
    pub fn nearest_image(&self, d: DVec3) -> DVec3 {
        DVec3::from(self.image::<false>(d.x, d.y, d.z))
    }

    #[inline(always)]
    fn image<const ORTHORHOMBIC: bool>(&self, mut x: f64, mut y: f64, mut z: f64) -> [f64; 3] {
        if ORTHORHOMBIC {
            z -= self.c.z * nearest_integer(z * self.inverse.z);
            y -= self.b.y * nearest_integer(y * self.inverse.y);
        } else {
            let n = nearest_integer(z * self.inverse.z);
            (x, y, z) = (x - self.c.x * n, y - self.c.y * n, z - self.c.z * n);
            let n = nearest_integer(y * self.inverse.y);
            (x, y) = (x - self.b.x * n, y - self.b.y * n);
        }
        x -= self.a.x * nearest_integer(x * self.inverse.x);
        [x, y, z]
    }
}

/// The integer nearest to `x`, |x| < 2⁵¹: adding 1.5 · 2⁵² drops the fraction. (`f64::round` is a function call without SSE 4.1.)
#[inline(always)]
fn nearest_integer(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (x + SHIFT) - SHIFT
}

/// Counts of distances by bin, and one more for those beyond.
pub struct Counts {
    /// `[n_bins + 1]`
    pub bins: Vec<u64>,
    grid: RadialGrid,
    lattice: Lattice,
}

impl Counts {
    /// * `grid` – from zero
    pub fn new(grid: RadialGrid, lattice: Lattice) -> Self {
        Counts { bins: vec![0; grid.len() + 1], grid, lattice }
    }

    /// Adds one distance, nm.
    pub fn add_one(&mut self, r: f64) {
        self.bins[self.grid.bin(r).unwrap_or(self.grid.len())] += 1;
    }

    /// Adds the distances from `center` to the members `range`.
    pub fn add(&mut self, points: &Points, range: std::ops::Range<usize>, center: DVec3) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                // SAFETY: the processor has these instructions.
                return unsafe { self.add_avx512(points, range, center) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                return unsafe { self.add_avx2(points, range, center) };
            }
        }
        self.add_portable(points, range, center);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    fn add_avx512(&mut self, points: &Points, range: std::ops::Range<usize>, center: DVec3) {
        self.add_portable(points, range, center);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_avx2(&mut self, points: &Points, range: std::ops::Range<usize>, center: DVec3) {
        self.add_portable(points, range, center);
    }

    #[inline(always)]
    fn add_portable(&mut self, points: &Points, range: std::ops::Range<usize>, center: DVec3) {
        if self.lattice.is_orthorhombic {
            self.add_blocks::<true>(points, range, center);
        } else {
            self.add_blocks::<false>(points, range, center);
        }
    }

    #[inline(always)]
    fn add_blocks<const ORTHORHOMBIC: bool>(&mut self, points: &Points, range: std::ops::Range<usize>, center: DVec3) {
        let (width, n_bins) = (self.grid.width(), self.grid.len());
        let (inverse_width, beyond) = ((1.0 / width) as f32, n_bins as f32 + 0.25);
        let tolerance = ERROR * n_bins as f32 + 1e-5;
        let (xs, ys, zs) = (&points.x[range.clone()], &points.y[range.clone()], &points.z[range]);
        let (mut r_sq, mut bin) = ([0.0_f64; BLOCK], [0_i32; BLOCK]);
        for ((xs, ys), zs) in xs.chunks(BLOCK).zip(ys.chunks(BLOCK)).zip(zs.chunks(BLOCK)) {
            // Equal lengths that the compiler sees: no checks within the loops.
            let n = xs.len();
            let (ys, zs, r_sq, bin) = (&ys[..n], &zs[..n], &mut r_sq[..n], &mut bin[..n]);
            for k in 0..n {
                let [x, y, z] =
                    self.lattice.image::<ORTHORHOMBIC>(xs[k] - center.x, ys[k] - center.y, zs[k] - center.z);
                r_sq[k] = x * x + y * y + z * z;
            }
            for k in 0..n {
                let at = ((r_sq[k] as f32).sqrt() * inverse_width).min(beyond);
                // Nearest integer to at − ½, which is the bin unless an edge is near; then the sign says so.
                let nearest = (at - 0.5).max(0.0) + SHIFT;
                let distance = (at - (nearest - SHIFT) - 0.5).abs();
                let is_near_edge = distance > 0.5 - tolerance;
                bin[k] = (nearest.to_bits() & 0x7f_ffff) as i32 | if is_near_edge { i32::MIN } else { 0 };
            }
            for k in 0..n {
                let slot = if bin[k] < 0 { self.grid.bin(r_sq[k].sqrt()).unwrap_or(n_bins) } else { bin[k] as usize };
                self.bins[slot] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn counts_are_those_of_one_distance_after_the_other() {
        let skewed =
            Cell::new(DVec3::new(4.0, 0.0, 0.0), DVec3::new(1.2, 3.6, 0.0), DVec3::new(-0.9, 0.8, 3.8)).expect("valid");
        let mut draws = Draws::new(5, Stream::Build, 0);
        for cell in [skewed, Cell::orthorhombic(3.0, 4.0, 5.0).expect("valid")] {
            let mut s = || 5.0 * draws.uniform() - 2.0;
            // Many on the very edges of bins: multiples of 0.01 nm along x, from the centre.
            let on_edges = (0..300).map(|k| DVec3::new(0.1 + 0.01 * f64::from(k % 130), 0.2, 0.3));
            let inside = (0..3000).map(|_| cell.to_cartesian(DVec3::new(s(), s(), s()))).collect::<Vec<_>>();
            let all: Vec<DVec3> = inside.into_iter().chain(on_edges).collect();
            let (points, lattice) = (Points::new(all.iter().copied()), Lattice::new(&cell));
            for (width, center) in [(0.002, DVec3::new(0.1, 0.2, 0.3)), (0.01, DVec3::new(7.3, -2.1, 0.4))] {
                let grid = RadialGrid::from_zero(cell.half_height(), width);
                let mut expected = vec![0; grid.len() + 1];
                for &r in &all[3..] {
                    let d = lattice.nearest_image(r - center);
                    let r = (d.x * d.x + d.y * d.y + d.z * d.z).sqrt();
                    expected[grid.bin(r).unwrap_or(grid.len())] += 1;
                }
                let mut counts = Counts::new(grid, lattice);
                counts.add(&points, 3..points.len(), center);
                assert_eq!(counts.bins, expected);
                let mut portable = Counts::new(grid, lattice);
                portable.add_portable(&points, 3..points.len(), center);
                assert_eq!(portable.bins, expected);
                // Half a bin more is noticed.
                let mut shifted = Counts::new(grid, lattice);
                shifted.add(&points, 3..points.len(), center + DVec3::X * 0.5 * width);
                assert_ne!(shifted.bins, expected);
            }
        }
    }
}
