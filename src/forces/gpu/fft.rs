//! Plans of the device FFT: radices, twiddles and the dispatches along the three axes.
//!
//! Lengths are 2^a 3^b 5^c 7^d in 16 … 256, so that a line fits in workgroup memory. Twin: `rustfft`, in tests.

use super::device::{Context, cast};
use super::pass::{Binding, Dispatch, Pass, PassSpec};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use std::f64::consts::TAU;

/// Longest line.
pub const MAX_LENGTH: usize = 256;
/// Shortest line.
pub const MIN_LENGTH: usize = 16;

/// Radices of the stages of length `n`, `None` when `n` has another prime factor or does not fit.
pub fn radices(n: usize) -> Option<Vec<u32>> {
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&n) {
        return None;
    }
    let mut rest = n;
    let mut plan = Vec::new();
    for radix in [4, 2, 3, 5, 7] {
        while rest.is_multiple_of(radix) {
            plan.push(radix as u32);
            rest /= radix;
        }
    }
    (rest == 1).then_some(plan)
}

/// Every length that has a plan.
pub fn lengths() -> Vec<usize> {
    (MIN_LENGTH..=MAX_LENGTH).filter(|&n| radices(n).is_some()).collect()
}

/// Values that a workgroup stages (HALF of the shader): as many lines as fit are transformed together.
const STAGED: usize = 512;

/// Transform of one direction along the three axes of a mesh, c fastest.
pub struct Fft3d {
    axes: Vec<(Pass, wgpu::Buffer, u32)>,
}

/// Which sign the exponent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// exp(−2πi jk/n)
    Forward,
    /// exp(+2πi jk/n); not divided by n
    Inverse,
}

impl Fft3d {
    /// * `grid` – points along a, b, c
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        grid: [usize; 3],
        direction: Direction,
    ) -> Result<Self, ForceError> {
        let source = shaders.module("fft", Pieces::default());
        let strides = [grid[1] * grid[2], grid[2], 1];
        // the forward transform starts with the contiguous axis, the inverse ends with it
        let order = match direction {
            Direction::Forward => [2, 1, 0],
            Direction::Inverse => [0, 1, 2],
        };
        let mut axes = Vec::new();
        for axis in order {
            let n = grid[axis];
            let plan = radices(n).ok_or_else(|| ForceError::Unsupported {
                what: format!("a mesh of {n} points along one axis; choose 2^a 3^b 5^c 7^d points, from 16 to 256"),
                instead: "cpu",
            })?;
            let digits = plan.iter().rev().fold(0u32, |digits, radix| digits << 4 | radix);
            let n_lines = grid.iter().product::<usize>() / n;
            let batch = STAGED / n;
            let pass = Pass::new(
                context,
                &PassSpec {
                    entry: "fft",
                    source: &source,
                    constants: &[
                        ("n", n as f64),
                        ("stride", strides[axis] as f64),
                        ("n_lines", n_lines as f64),
                        ("batch", batch as f64),
                        ("radices", f64::from(digits)),
                        ("direction", if direction == Direction::Forward { 1.0 } else { -1.0 }),
                    ],
                    groups: [&[Binding::Read], &[Binding::Write]],
                },
            )?;
            let twiddles: Vec<[f32; 2]> = (0..n)
                .map(|k| {
                    let (sin, cos) = (TAU * k as f64 / n as f64).sin_cos();
                    [cos as f32, -sin as f32]
                })
                .collect();
            axes.push((pass, context.storage_of("twiddles", &twiddles), n_lines.div_ceil(batch) as u32));
        }
        Ok(Fft3d { axes })
    }

    /// * `field` – `[grid_a * grid_b * grid_c]` complex f32, transformed in place
    pub fn dispatches(&self, context: &Context, field: &wgpu::Buffer) -> Vec<Dispatch> {
        self.axes
            .iter()
            .map(|(pass, twiddles, lines)| pass.dispatch(context, [&[twiddles], &[field]], *lines))
            .collect()
    }
}

/// Transforms one array, for tests and the self-test.
pub fn transform(
    context: &Context,
    shaders: &Shaders,
    grid: [usize; 3],
    data: &[[f32; 2]],
    direction: Direction,
) -> Result<Vec<[f32; 2]>, ForceError> {
    let fft = Fft3d::new(context, shaders, grid, direction)?;
    let field = context.storage_of("field", data);
    let mut encoder = context.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for dispatch in fft.dispatches(context, &field) {
            dispatch.encode(&mut pass);
        }
    }
    let parts = context.submit_and_read(encoder, &[(&field, size_of_val(data))])?;
    Ok(cast(&parts[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_multiply_to_their_length() {
        let all = lengths();
        assert!(all.contains(&16) && all.contains(&252) && all.contains(&256) && !all.contains(&22));
        for n in all {
            let plan = radices(n).expect("listed");
            assert_eq!(plan.iter().product::<u32>() as usize, n);
            assert!(plan.len() <= 8, "a plan fits in eight hexadecimal digits");
        }
        assert_eq!(radices(13), None);
        assert_eq!(radices(270), None);
    }
}
