//! Transforms of the mesh: a plane of real charges to half its spectrum, columns along a, and back to potentials.

use super::{Block, COLUMNS_PER_TASK, LANES, Plane, padded};
use crate::forces::cpu::fft::{Direction, Fft};
use crate::forces::cpu::lanes::Lanes;
use crate::forces::cpu::simd::laned;

/// Buffers of one task, `[max(grid_b · (grid_c/2 + 1), grid_c · ⌈grid_b/2⌉)]`.
pub struct Scratch {
    re: Vec<f32>,
    im: Vec<f32>,
    work: (Vec<f32>, Vec<f32>),
}

impl Scratch {
    pub fn new([_, n_b, n_c]: [usize; 3]) -> Self {
        let size = (n_b * padded(n_c / 2 + 1)).max(n_c * padded(n_b.div_ceil(2)));
        Scratch { re: vec![0.0; size], im: vec![0.0; size], work: (vec![0.0; size], vec![0.0; size]) }
    }
}

laned!(
    pub fn forward_plane(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], grid: [usize; 3], order: usize) => forward
);

/// Real plane [c][b] to half spectrum [b][c]. Along c, the rows b and b + ⌈n_b/2⌉ travel as one complex row.
#[inline(always)]
unsafe fn forward<L: Lanes>(
    plane: &mut Plane,
    scratch: &mut Scratch,
    plans: &[Fft; 3],
    [_, n_b, n_c]: [usize; 3],
    order: usize,
) {
    let (half, columns, stride) = (n_b.div_ceil(2), padded(n_c / 2 + 1), n_b + LANES);
    let width = padded(half);
    for c in 0..n_c {
        let row = &mut plane.mesh[c * stride..(c + 1) * stride];
        for k in 0..order - 1 {
            row[k] += row[n_b + k];
        }
        scratch.re[c * width..c * width + half].copy_from_slice(&row[..half]);
        scratch.im[c * width..c * width + n_b - half].copy_from_slice(&row[half..n_b]);
        scratch.im[c * width + n_b - half..c * width + half].fill(0.0);
    }
    // SAFETY: `laned!` has compiled this for the instructions of L
    unsafe {
        let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
        plans[2].process::<L>(Direction::Forward, width, (&mut scratch.re, &mut scratch.im), work);
    }
    for c in 0..n_c / 2 + 1 {
        let opposite = (n_c - c) % n_c;
        let (x_re, x_im) = (&scratch.re[c * width..][..half], &scratch.im[c * width..][..half]);
        let (y_re, y_im) = (&scratch.re[opposite * width..][..half], &scratch.im[opposite * width..][..half]);
        for b in 0..half {
            plane.re[b * columns + c] = 0.5 * (x_re[b] + y_re[b]);
            plane.im[b * columns + c] = 0.5 * (x_im[b] - y_im[b]);
        }
        for b in 0..n_b - half {
            plane.re[(half + b) * columns + c] = 0.5 * (x_im[b] + y_im[b]);
            plane.im[(half + b) * columns + c] = 0.5 * (y_re[b] - x_re[b]);
        }
    }
    // SAFETY: as above
    unsafe {
        let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
        plans[1].process::<L>(Direction::Forward, columns, (&mut plane.re, &mut plane.im), work);
    }
}

laned!(
    pub fn inverse_plane(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], grid: [usize; 3]) => inverse
);

/// Half spectrum [b][c] back to a real plane [c][b], with the first points of each row repeated behind its last.
#[inline(always)]
unsafe fn inverse<L: Lanes>(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], [_, n_b, n_c]: [usize; 3]) {
    let (half, columns, stride) = (n_b.div_ceil(2), padded(n_c / 2 + 1), n_b + LANES);
    let width = padded(half);
    // SAFETY: `laned!` has compiled this for the instructions of L
    unsafe {
        let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
        plans[1].process::<L>(Direction::Inverse, columns, (&mut plane.re, &mut plane.im), work);
    }
    for c in 0..n_c / 2 + 1 {
        let opposite = n_c - c;
        for b in 0..half {
            let (a_re, a_im) = (plane.re[b * columns + c], plane.im[b * columns + c]);
            let (b_re, b_im) = if half + b < n_b {
                (plane.re[(half + b) * columns + c], plane.im[(half + b) * columns + c])
            } else {
                (0.0, 0.0)
            };
            scratch.re[c * width + b] = a_re - b_im;
            scratch.im[c * width + b] = a_im + b_re;
            if c > 0 && opposite != c {
                scratch.re[opposite * width + b] = a_re + b_im;
                scratch.im[opposite * width + b] = b_re - a_im;
            }
        }
    }
    // SAFETY: as above
    unsafe {
        let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
        plans[2].process::<L>(Direction::Inverse, width, (&mut scratch.re, &mut scratch.im), work);
    }
    for c in 0..n_c {
        let row = &mut plane.mesh[c * stride..(c + 1) * stride];
        row[..half].copy_from_slice(&scratch.re[c * width..c * width + half]);
        row[half..n_b].copy_from_slice(&scratch.im[c * width..c * width + n_b - half]);
        for k in 0..LANES {
            row[n_b + k] = row[k % n_b];
        }
    }
}

laned!(
    pub fn transform(
        plan: &Fft, direction: Direction, block: &mut Block, work: &mut (Vec<f32>, Vec<f32>)
    ) => transform_block
);

#[inline(always)]
unsafe fn transform_block<L: Lanes>(
    plan: &Fft,
    direction: Direction,
    block: &mut Block,
    work: &mut (Vec<f32>, Vec<f32>),
) {
    let (data, work) = ((&mut block.re[..], &mut block.im[..]), (&mut work.0[..], &mut work.1[..]));
    // SAFETY: `laned!` has compiled this for the instructions of L
    unsafe { plan.process::<L>(direction, COLUMNS_PER_TASK, data, work) };
}
