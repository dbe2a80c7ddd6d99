//! Spline weights of the charged atoms, and the two passes that use them: charges to a plane, forces from all planes.

use super::{LANES, Plane};
use crate::forces::cpu::lanes::Lanes;
use crate::forces::cpu::simd::{laned, vectorised};
use glam::{DMat3, DVec3};

/// Spline weights and derivatives of one atom along each axis, zero beyond the order.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Stencil {
    pub a: [f32; LANES],
    pub a_slope: [f32; LANES],
    pub b: [f32; LANES],
    pub b_slope: [f32; LANES],
    pub c: [f32; LANES],
    pub c_slope: [f32; LANES],
    pub first: [u32; 3],
    pub atom: u32,
    pub charge: f32,
}

vectorised!(pub fn stencils_4(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<4>);
vectorised!(pub fn stencils_5(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<5>);
vectorised!(pub fn stencils_6(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<6>);

/// Scaled coordinates of an atom: first mesh point and fraction along each axis.
#[inline(always)]
fn locate(stencil: &Stencil, grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) -> ([u32; 3], [f32; 3], [u32; 3]) {
    let s = *inverse * positions[stencil.atom as usize];
    let s = (s - s.floor()).to_array();
    let mut cell = [0; 3];
    let mut fraction = [0.0; 3];
    for axis in 0..3 {
        let u = s[axis] * grid[axis] as f64;
        // along a the plane is the one the atom was sorted by; truncation equals floor as u ≥ 0
        let index = if axis == 0 { stencil.first[0] as usize } else { (u as usize).min(grid[axis] - 1) };
        cell[axis] = index as u32;
        fraction[axis] = (u - index as f64) as f32;
    }
    (cell, fraction, grid.map(|n| n as u32))
}

/// Splines of eight atoms at a time: the recursion of `potential::bspline`, vectorised across atoms.
#[inline(always)]
fn stencils<const ORDER: usize>(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) {
    for batch in atoms.chunks_mut(LANES) {
        let mut fractions = [[0.0f32; LANES]; 3];
        for (lane, stencil) in batch.iter_mut().enumerate() {
            let (cell, fraction, n) = locate(stencil, grid, inverse, positions);
            for axis in 0..3 {
                fractions[axis][lane] = fraction[axis];
                let first = cell[axis] + n[axis] - (ORDER as u32 - 1);
                stencil.first[axis] = if first >= n[axis] { first - n[axis] } else { first };
            }
        }
        let (a, a_slope) = splines::<ORDER>(&fractions[0]);
        let (b, b_slope) = splines::<ORDER>(&fractions[1]);
        let (c, c_slope) = splines::<ORDER>(&fractions[2]);
        for (lane, stencil) in batch.iter_mut().enumerate() {
            for k in 0..ORDER {
                stencil.a[k] = a[k][lane];
                stencil.a_slope[k] = a_slope[k][lane];
                stencil.b[k] = b[k][lane];
                stencil.b_slope[k] = b_slope[k][lane];
                stencil.c[k] = c[k][lane];
                stencil.c_slope[k] = c_slope[k][lane];
            }
        }
    }
}

type Weights<const ORDER: usize> = [[f32; LANES]; ORDER];

#[inline(always)]
fn splines<const ORDER: usize>(w: &[f32; LANES]) -> (Weights<ORDER>, Weights<ORDER>) {
    let mut m = [[0.0; LANES]; ORDER];
    let mut values = [[0.0; LANES]; ORDER];
    let mut slopes = [[0.0; LANES]; ORDER];
    for l in 0..LANES {
        m[0][l] = w[l];
        m[1][l] = 1.0 - w[l];
    }
    for n in 3..=ORDER {
        if n == ORDER {
            for j in 0..ORDER {
                for l in 0..LANES {
                    let here = if j < n - 1 { m[j][l] } else { 0.0 };
                    let before = if j > 0 { m[j - 1][l] } else { 0.0 };
                    slopes[ORDER - 1 - j][l] = here - before;
                }
            }
        }
        let inverse = 1.0 / (n - 1) as f32;
        for j in (0..n).rev() {
            for l in 0..LANES {
                let x = w[l] + j as f32;
                let here = if j < n - 1 { m[j][l] } else { 0.0 };
                let before = if j > 0 { m[j - 1][l] } else { 0.0 };
                m[j][l] = inverse * (x * here + (n as f32 - x) * before);
            }
        }
    }
    for j in 0..ORDER {
        values[ORDER - 1 - j] = m[j];
    }
    (values, slopes)
}

/// Orders without a compiled version.
pub fn stencils_any(order: usize, atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) {
    for stencil in atoms {
        let (cell, fraction, n) = locate(stencil, grid, inverse, positions);
        for axis in 0..3 {
            stencil.first[axis] = (cell[axis] + n[axis] - (order as u32 - 1)) % n[axis];
            let (values, slopes) = crate::potential::bspline::weights(f64::from(fraction[axis]), order);
            let to = match axis {
                0 => (&mut stencil.a, &mut stencil.a_slope),
                1 => (&mut stencil.b, &mut stencil.b_slope),
                _ => (&mut stencil.c, &mut stencil.c_slope),
            };
            *to.0 = values.map(|x| x as f32);
            *to.1 = slopes.map(|x| x as f32);
        }
    }
}

laned!(
    pub fn spread_atoms(atoms: &[Stencil], k: usize, order: usize, grid: [usize; 3], mesh: &mut [f32]) => add_to_plane
);

/// Adds the atoms' weight `k` along a to one plane.
#[inline(always)]
unsafe fn add_to_plane<L: Lanes>(
    atoms: &[Stencil],
    k: usize,
    order: usize,
    [_, n_b, n_c]: [usize; 3],
    mesh: &mut [f32],
) {
    let stride = n_b + LANES;
    for s in atoms {
        let q_a = s.charge * s.a[k];
        let mut c = s.first[2] as usize;
        for kc in 0..order {
            let row = &mut mesh[c * stride + s.first[1] as usize..][..LANES];
            // SAFETY: rows and weights are LANES long
            unsafe {
                let weight = L::splat(q_a * s.c[kc]);
                for part in 0..L::PARTS {
                    let b = L::load_lanes(s.b.as_ptr(), part);
                    let sum = L::mul_add(weight, b, L::load_lanes(row.as_ptr(), part));
                    L::store_lanes(row.as_mut_ptr(), part, sum);
                }
            }
            c = if c + 1 == n_c { 0 } else { c + 1 };
        }
    }
}

laned!(
    pub fn gather_atoms(
        stencils: &[Stencil], planes: &[Plane], order: usize, grid: [usize; 3], to_cartesian: &DMat3, forces: &mut [DVec3]
    ) => gather_from_planes
);

/// Interpolates the gradient of the potential at every atom.
#[inline(always)]
unsafe fn gather_from_planes<L: Lanes>(
    stencils: &[Stencil],
    planes: &[Plane],
    order: usize,
    [n_a, n_b, n_c]: [usize; 3],
    to_cartesian: &DMat3,
    forces: &mut [DVec3],
) {
    let stride = n_b + LANES;
    for (s, force) in stencils.iter().zip(forces) {
        let mut gradient = DVec3::ZERO;
        for part in 0..L::PARTS {
            // SAFETY: rows and weights are LANES long
            unsafe {
                let (mut value, mut along_a, mut along_c) = (L::splat(0.0), L::splat(0.0), L::splat(0.0));
                let mut a = s.first[0] as usize;
                for ka in 0..order {
                    let mesh = &planes[a].mesh;
                    let (w_a, slope_a) = (L::splat(s.a[ka]), L::splat(s.a_slope[ka]));
                    // sums over c first: potential and its slope along c on this plane
                    let (mut sum, mut slope) = (L::splat(0.0), L::splat(0.0));
                    let mut c = s.first[2] as usize;
                    for kc in 0..order {
                        let row = &mesh[c * stride + s.first[1] as usize..][..LANES];
                        let potential = L::load_lanes(row.as_ptr(), part);
                        sum = L::mul_add(L::splat(s.c[kc]), potential, sum);
                        slope = L::mul_add(L::splat(s.c_slope[kc]), potential, slope);
                        c = if c + 1 == n_c { 0 } else { c + 1 };
                    }
                    value = L::mul_add(w_a, sum, value);
                    along_a = L::mul_add(slope_a, sum, along_a);
                    along_c = L::mul_add(w_a, slope, along_c);
                    a = if a + 1 == n_a { 0 } else { a + 1 };
                }
                let (b, b_slope) = (L::load_lanes(s.b.as_ptr(), part), L::load_lanes(s.b_slope.as_ptr(), part));
                gradient.x += f64::from(L::sum(L::mul(along_a, b)));
                gradient.y += f64::from(L::sum(L::mul(value, b_slope)));
                gradient.z += f64::from(L::sum(L::mul(along_c, b)));
            }
        }
        *force = -f64::from(s.charge) * (*to_cartesian * gradient);
    }
}
