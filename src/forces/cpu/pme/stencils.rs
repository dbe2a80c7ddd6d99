//! Where the charged atoms stand on the mesh, and the two passes over them: charges to a plane, forces from all planes.
//!
//! An atom is remembered by its place inside its mesh cell, 32 bytes; the spline weights are polynomials of that and
//! computed where they are needed, all mesh points of an axis in the lanes of one vector.

use super::{LANES, Plane};
use crate::forces::cpu::lanes::Lanes;
use crate::forces::cpu::simd::{laned, vectorised};
use crate::potential::bspline::{MAX_ORDER, weights};
use glam::{DMat3, DVec3};

/// One charged atom.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub struct Stencil {
    /// Fractional part of the scaled coordinates minus ½.
    pub t: [f32; 3],
    /// First mesh point along each axis.
    pub first: [u32; 3],
    pub atom: u32,
    pub charge: f32,
}

/// The order-p B-spline around a coordinate as polynomials: weight k is Σ_d `powers`\[d\]\[k\] t^d, where t is the
/// fractional part of the scaled coordinate minus ½; zero from k = p on.
#[derive(Debug, Clone, Copy)]
pub struct Spline {
    pub order: usize,
    powers: [[f32; LANES]; MAX_ORDER],
}

impl Spline {
    pub fn new(order: usize) -> Self {
        const { assert!(MAX_ORDER == LANES) };
        // interpolation at as many points as there are powers is exact for a polynomial
        let nodes: Vec<f64> = (0..order).map(|i| (i as f64 + 0.5) / order as f64 - 0.5).collect();
        let mut powers = [[0.0; LANES]; MAX_ORDER];
        #[expect(clippy::needless_range_loop, reason = "k is a column of `powers`")]
        for k in 0..order {
            // Newton's divided differences, then powers of t
            let mut c: Vec<f64> = nodes.iter().map(|t| weights(t + 0.5, order).0[k]).collect();
            for level in 1..order {
                for i in (level..order).rev() {
                    c[i] = (c[i] - c[i - 1]) / (nodes[i] - nodes[i - level]);
                }
            }
            let mut polynomial = vec![0.0; order];
            for i in (0..order).rev() {
                // polynomial ← polynomial (t − node_i) + c_i
                for d in (1..order).rev() {
                    polynomial[d] = polynomial[d - 1] - nodes[i] * polynomial[d];
                }
                polynomial[0] = c[i] - nodes[i] * polynomial[0];
            }
            for (d, &x) in polynomial.iter().enumerate() {
                powers[d][k] = x as f32;
            }
        }
        Spline { order, powers }
    }

    /// Part of all weights.
    #[inline(always)]
    unsafe fn values<L: Lanes>(&self, t: L::V, part: usize) -> L::V {
        unsafe {
            let mut sum = L::load_lanes(self.powers[self.order - 1].as_ptr(), part);
            for d in (0..self.order - 1).rev() {
                sum = L::mul_add(sum, t, L::load_lanes(self.powers[d].as_ptr(), part));
            }
            sum
        }
    }

    /// Part of all weights and of their derivatives.
    #[inline(always)]
    unsafe fn slopes<L: Lanes>(&self, t: L::V, part: usize) -> (L::V, L::V) {
        unsafe {
            let mut sum = L::load_lanes(self.powers[self.order - 1].as_ptr(), part);
            let mut slope = L::splat(0.0);
            for d in (0..self.order - 1).rev() {
                slope = L::mul_add(slope, t, sum);
                sum = L::mul_add(sum, t, L::load_lanes(self.powers[d].as_ptr(), part));
            }
            (sum, slope)
        }
    }
}

vectorised!(
    /// Places the atoms, of which atom, charge and plane (`first[0]`, the last that the atom touches) are set.
    pub fn locate(atoms: &mut [Stencil], order: usize, grid: [usize; 3], rows: &[DVec3; 3], positions: &[DVec3]) => locate_atoms
);

#[inline(always)]
fn locate_atoms(atoms: &mut [Stencil], order: usize, grid: [usize; 3], rows: &[DVec3; 3], positions: &[DVec3]) {
    for batch in atoms.chunks_mut(LANES) {
        let mut r = [[0.0f64; LANES]; 3];
        for (lane, atom) in batch.iter().enumerate() {
            let p = positions[atom.atom as usize];
            (r[0][lane], r[1][lane], r[2][lane]) = (p.x, p.y, p.z);
        }
        for axis in 0..3 {
            let n = grid[axis] as f64;
            let mut u = [0.0f64; LANES];
            for lane in 0..LANES {
                let s = rows[axis].x * r[0][lane] + rows[axis].y * r[1][lane] + rows[axis].z * r[2][lane];
                u[lane] = (s - s.floor()) * n;
            }
            for (atom, u) in batch.iter_mut().zip(u) {
                // along a the plane is the one the atom was sorted by; truncation equals floor as u ≥ 0
                let index = if axis == 0 { atom.first[0] } else { (u as u32).min(grid[axis] as u32 - 1) };
                atom.t[axis] = (u - f64::from(index) - 0.5) as f32;
                let first = index + grid[axis] as u32 - (order as u32 - 1);
                atom.first[axis] = if first >= grid[axis] as u32 { first - grid[axis] as u32 } else { first };
            }
        }
    }
}

laned!(
    pub fn spread_atoms(
        atoms: &[Stencil], targets: &[(usize, usize)], spline: &Spline, grid: [usize; 3], planes: &mut [Plane]
    ) => add_to_planes
);

/// Atoms that follow each other are mostly of one molecule and touch the same mesh points. A load that overlaps a
/// store just made is slow, so the atoms are taken from so many places in turn.
const STREAMS: usize = 8;

/// Adds the atoms' charges to some planes.
///
/// * `targets` – (k, plane): which weight along a belongs to which plane
#[inline(always)]
unsafe fn add_to_planes<L: Lanes>(
    atoms: &[Stencil],
    targets: &[(usize, usize)],
    spline: &Spline,
    [_, n_b, n_c]: [usize; 3],
    planes: &mut [Plane],
) {
    let (stride, order) = (n_b + LANES, spline.order);
    let per_stream = atoms.len().div_ceil(STREAMS);
    for index in 0..per_stream {
        for s in atoms[index..].iter().step_by(per_stream) {
            let [mut along_a, mut along_c] = [[0.0; LANES]; 2];
            // SAFETY: rows and weights are LANES long
            unsafe {
                for part in 0..L::PARTS {
                    let a = L::mul(L::splat(s.charge), spline.values::<L>(L::splat(s.t[0]), part));
                    L::store_lanes(along_a.as_mut_ptr(), part, a);
                    L::store_lanes(along_c.as_mut_ptr(), part, spline.values::<L>(L::splat(s.t[2]), part));
                }
                for part in 0..L::PARTS {
                    let b = spline.values::<L>(L::splat(s.t[1]), part);
                    for &(k, plane) in targets {
                        let b = L::mul(L::splat(along_a[k]), b);
                        let mesh = &mut planes[plane].mesh;
                        let mut c = s.first[2] as usize;
                        for weight in along_c.iter().take(order) {
                            let row = &mut mesh[c * stride + s.first[1] as usize..][..LANES];
                            let sum = L::mul_add(L::splat(*weight), b, L::load_lanes(row.as_ptr(), part));
                            L::store_lanes(row.as_mut_ptr(), part, sum);
                            c = if c + 1 == n_c { 0 } else { c + 1 };
                        }
                    }
                }
            }
        }
    }
}

laned!(
    pub fn gather_atoms(
        stencils: &[Stencil], planes: &[Plane], spline: &Spline, grid: [usize; 3], to_cartesian: &DMat3, forces: &mut [DVec3]
    ) => gather_from_planes
);

/// Interpolates the gradient of the potential at every atom.
#[inline(always)]
unsafe fn gather_from_planes<L: Lanes>(
    stencils: &[Stencil],
    planes: &[Plane],
    spline: &Spline,
    [n_a, n_b, n_c]: [usize; 3],
    to_cartesian: &DMat3,
    forces: &mut [DVec3],
) {
    let (stride, order) = (n_b + LANES, spline.order);
    for (s, force) in stencils.iter().zip(forces) {
        let mut gradient = DVec3::ZERO;
        let [mut w_a, mut slope_a, mut w_c, mut slope_c] = [[0.0f32; LANES]; 4];
        // SAFETY: rows and weights are LANES long
        unsafe {
            for part in 0..L::PARTS {
                let (value, slope) = spline.slopes::<L>(L::splat(s.t[0]), part);
                L::store_lanes(w_a.as_mut_ptr(), part, value);
                L::store_lanes(slope_a.as_mut_ptr(), part, slope);
                let (value, slope) = spline.slopes::<L>(L::splat(s.t[2]), part);
                L::store_lanes(w_c.as_mut_ptr(), part, value);
                L::store_lanes(slope_c.as_mut_ptr(), part, slope);
            }
            for part in 0..L::PARTS {
                let (mut value, mut along_a, mut along_c) = (L::splat(0.0), L::splat(0.0), L::splat(0.0));
                let mut a = s.first[0] as usize;
                for ka in 0..order {
                    let mesh = &planes[a].mesh;
                    // sums over c first: potential and its slope along c on this plane
                    let (mut sum, mut slope) = (L::splat(0.0), L::splat(0.0));
                    let mut c = s.first[2] as usize;
                    for kc in 0..order {
                        let row = &mesh[c * stride + s.first[1] as usize..][..LANES];
                        let potential = L::load_lanes(row.as_ptr(), part);
                        sum = L::mul_add(L::splat(w_c[kc]), potential, sum);
                        slope = L::mul_add(L::splat(slope_c[kc]), potential, slope);
                        c = if c + 1 == n_c { 0 } else { c + 1 };
                    }
                    value = L::mul_add(L::splat(w_a[ka]), sum, value);
                    along_a = L::mul_add(L::splat(slope_a[ka]), sum, along_a);
                    along_c = L::mul_add(L::splat(w_a[ka]), slope, along_c);
                    a = if a + 1 == n_a { 0 } else { a + 1 };
                }
                let (b, b_slope) = spline.slopes::<L>(L::splat(s.t[1]), part);
                gradient.x += f64::from(L::sum(L::mul(along_a, b)));
                gradient.y += f64::from(L::sum(L::mul(value, b_slope)));
                gradient.z += f64::from(L::sum(L::mul(along_c, b)));
            }
        }
        *force = -f64::from(s.charge) * (*to_cartesian * gradient);
    }
}

laned!(
    pub fn gather_potentials(
        stencils: &[Stencil], planes: &[Plane], spline: &Spline, grid: [usize; 3], potentials: &mut [f64]
    ) => potentials_from_planes
);

/// Interpolates the potential at every atom.
#[inline(always)]
unsafe fn potentials_from_planes<L: Lanes>(
    stencils: &[Stencil],
    planes: &[Plane],
    spline: &Spline,
    [n_a, n_b, n_c]: [usize; 3],
    potentials: &mut [f64],
) {
    let (stride, order) = (n_b + LANES, spline.order);
    for (s, potential) in stencils.iter().zip(potentials) {
        let [mut w_a, mut w_c] = [[0.0f32; LANES]; 2];
        *potential = 0.0;
        // SAFETY: rows and weights are LANES long
        unsafe {
            for part in 0..L::PARTS {
                L::store_lanes(w_a.as_mut_ptr(), part, spline.values::<L>(L::splat(s.t[0]), part));
                L::store_lanes(w_c.as_mut_ptr(), part, spline.values::<L>(L::splat(s.t[2]), part));
            }
            for part in 0..L::PARTS {
                let mut value = L::splat(0.0);
                let mut a = s.first[0] as usize;
                for &weight_a in &w_a[..order] {
                    let mesh = &planes[a].mesh;
                    let mut c = s.first[2] as usize;
                    for &weight_c in &w_c[..order] {
                        let row = &mesh[c * stride + s.first[1] as usize..][..LANES];
                        value = L::mul_add(L::splat(weight_a * weight_c), L::load_lanes(row.as_ptr(), part), value);
                        c = if c + 1 == n_c { 0 } else { c + 1 };
                    }
                    a = if a + 1 == n_a { 0 } else { a + 1 };
                }
                let b = spline.values::<L>(L::splat(s.t[1]), part);
                *potential += f64::from(L::sum(L::mul(value, b)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forces::cpu::lanes::Portable;

    #[test]
    fn polynomials_are_the_splines_and_their_derivatives() {
        for order in 3..=MAX_ORDER {
            let spline = Spline::new(order);
            for step in 0..=200 {
                let w = f64::from(step) / 201.0;
                let (values, slopes) = weights(w, order);
                let t = [(w - 0.5) as f32; 4];
                for part in 0..2 {
                    // SAFETY: Portable needs nothing of the processor
                    let (value, slope) = unsafe { spline.slopes::<Portable>(t, part) };
                    // SAFETY: as above
                    assert_eq!(unsafe { spline.values::<Portable>(t, part) }, value);
                    for lane in 0..4 {
                        let k = 4 * part + lane;
                        assert!((f64::from(value[lane]) - values[k]).abs() < 3e-7, "order {order}, weight {k} at {w}");
                        assert!((f64::from(slope[lane]) - slopes[k]).abs() < 1e-6, "order {order}, slope {k} at {w}");
                    }
                }
            }
        }
    }
}
