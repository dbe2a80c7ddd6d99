//! Plans of the device FFT: radices, twiddles and the dispatches along the three axes; planes that fit in workgroup memory are
//! transformed along both of their axes at once.
//!
//! Lengths are 2^a 3^b 5^c 7^d in 16 … 256, so that a line fits in workgroup memory. Twin: `rustfft`, in tests.

use super::device::{Context, cast};
use super::layout::MESH_PARTIALS;
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

/// Most values that a workgroup stages when it transforms lines: they lie twice in the portable 16 KiB.
const STAGED: usize = 1024;
/// Workgroups that keep a large device busy: fewer lines are transformed together before there are fewer than that.
const BUSY: usize = 264;

/// Lines of length `n` that a workgroup transforms together, out of `n_lines`: whole sectors of 32 bytes where lines lie side
/// by side.
fn lines_together(n: usize, n_lines: usize) -> usize {
    let fit = STAGED / n;
    let wanted = fit.min((n_lines / BUSY).max(4));
    if wanted >= 4 { wanted / 4 * 4 } else { wanted }
}

/// Invocations for so many values: one for four of them, whole subgroups.
fn workgroup_of(values: usize) -> usize {
    (values / 4).next_power_of_two().clamp(64, MOST_INVOCATIONS)
}

/// Which sign the exponent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// exp(−2πi jk/n)
    Forward,
    /// exp(+2πi jk/n); not divided by n
    Inverse,
}

/// What one dispatch transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All lines along axis a, b or c.
    Axis(usize),
    /// Axes b and c of every plane.
    Planes,
}

/// What it does besides.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    /// Takes the values from the fixed-point charge mesh.
    Convert,
    /// Multiplies by the influence function and transforms back; 1/(4β²) in nm², with or without sums.
    Solve(f64, bool),
    /// Keeps the real part, in a buffer of its own.
    Real,
}

/// One dispatch of a transform as the shader is told of it, before anything is compiled.
#[derive(Debug, Clone)]
pub struct TransformPlan {
    /// Names that `//#if` asks for.
    pub defines: Vec<&'static str>,
    /// `override` names and values.
    pub constants: Vec<(&'static str, f64)>,
    twiddles: Vec<[f32; 2]>,
    workgroups: usize,
    inputs: Vec<Binding>,
    outputs: Vec<Binding>,
}

impl TransformPlan {
    fn new(grid: [usize; 3], part: Part, direction: Direction, beside: Beside) -> Result<Self, ForceError> {
        use Binding::{Read, Uniform, Write};
        let plan = |n: usize| -> Result<f64, ForceError> {
            let plan = radices(n).ok_or_else(|| ForceError::Unsupported {
                what: format!("a mesh of {n} points along one axis; choose 2^a 3^b 5^c 7^d points, from 16 to 256"),
                instead: "cpu",
            })?;
            Ok(f64::from(plan.iter().rev().fold(0u32, |digits, radix| digits << 4 | radix)))
        };
        let table = |n: usize| {
            (0..n).map(move |k| {
                let (sin, cos) = (TAU * k as f64 / n as f64).sin_cos();
                [cos as f32, -sin as f32]
            })
        };
        let [n_a, n_b, n_c] = grid;
        let mut twiddles: Vec<[f32; 2]> = Vec::new();
        let mut defines = Vec::new();
        let mut constants = vec![("direction", if direction == Direction::Forward { 1.0 } else { -1.0 })];
        let (half_stage, workgroups) = match part {
            Part::Axis(axis) => {
                let n = grid[axis];
                twiddles.extend(table(n));
                let n_lines = n_a * n_b * n_c / n;
                let batch = lines_together(n, n_lines);
                constants.extend([
                    ("n_0", n as f64),
                    ("radices_0", plan(n)?),
                    ("lines_0", batch as f64),
                    ("line_stride_0", n as f64),
                    ("stride", [n_b * n_c, n_c, 1][axis] as f64),
                    ("n_lines", n_lines as f64),
                    ("batch", batch as f64),
                    ("wg_size", workgroup_of(batch * n) as f64),
                ]);
                (batch * n, n_lines.div_ceil(batch))
            }
            Part::Planes => {
                twiddles.extend(table(n_c).chain(table(n_b)));
                defines.push("PLANE");
                constants.extend([
                    ("n_0", n_c as f64),
                    ("radices_0", plan(n_c)?),
                    ("lines_0", n_b as f64),
                    ("line_stride_0", n_c as f64),
                    ("n_1", n_b as f64),
                    ("radices_1", plan(n_b)?),
                    ("lines_1", n_c as f64),
                    ("element_stride_1", n_c as f64),
                    ("first_twiddle_1", n_c as f64),
                    ("wg_size", workgroup_of(n_b * n_c) as f64),
                ]);
                (n_b * n_c, n_a)
            }
        };
        constants.extend([("half_stage", half_stage as f64), ("whole_stage", 2.0 * half_stage as f64)]);
        let (mut inputs, mut outputs) = (vec![Read], vec![Write]);
        match beside {
            Beside::Nothing => {}
            Beside::Convert => {
                defines.push("CONVERT");
                outputs.extend([Write, Write]);
            }
            Beside::Real => {
                defines.push("REAL");
                outputs.push(Write);
            }
            Beside::Solve(inv_four_beta_sq, with_sums) => {
                defines.push("SOLVE");
                inputs.extend([Uniform, Read]);
                constants.push(("inv_four_beta_sq", inv_four_beta_sq));
                constants.extend([("mesh_a", n_a as f64), ("mesh_b", n_b as f64), ("mesh_c", n_c as f64)]);
                if with_sums {
                    defines.push("ENERGY");
                    outputs.push(Write);
                }
            }
        }
        Ok(TransformPlan { defines, constants, twiddles, workgroups, inputs, outputs })
    }
}

/// One dispatch of a transform.
struct Transform {
    pass: Pass,
    twiddles: wgpu::Buffer,
    workgroups: u32,
}

impl Transform {
    fn new(context: &Context, shaders: &Shaders, plan: &TransformPlan) -> Result<Self, ForceError> {
        let source = shaders.module("fft", Pieces::defining(&plan.defines));
        let groups: [&[Binding]; 2] = [&plan.inputs, &plan.outputs];
        let pass = Pass::new(context, &PassSpec { entry: "fft", source: &source, constants: &plan.constants, groups })?;
        let twiddles = context.storage_of("twiddles", &plan.twiddles);
        Ok(Transform { pass, twiddles, workgroups: plan.workgroups as u32 })
    }

    fn dispatch(&self, context: &Context, inputs: &[&wgpu::Buffer], outputs: &[&wgpu::Buffer]) -> Dispatch {
        let inputs: Vec<&wgpu::Buffer> = std::iter::once(&self.twiddles).chain(inputs.iter().copied()).collect();
        self.pass.dispatch(context, [&inputs, outputs], self.workgroups)
    }
}

/// Most invocations of a workgroup, as WebGPU promises them.
const MOST_INVOCATIONS: usize = 256;

/// Do both axes of a plane fit in workgroup memory, twice?
fn plane_fits(workgroup_bytes: u32, grid: [usize; 3]) -> bool {
    2 * grid[1] * grid[2] * size_of::<[f32; 2]>() <= workgroup_bytes as usize
}

/// The dispatches that transform axes b and c, in the order of the transform.
fn inner_parts(workgroup_bytes: u32, grid: [usize; 3], direction: Direction) -> Vec<Part> {
    match (plane_fits(workgroup_bytes, grid), direction) {
        (true, _) => vec![Part::Planes],
        (false, Direction::Forward) => vec![Part::Axis(2), Part::Axis(1)],
        (false, Direction::Inverse) => vec![Part::Axis(1), Part::Axis(2)],
    }
}

/// What a [`MeshTransform`] is compiled from.
pub struct MeshPlans {
    forward: Vec<TransformPlan>,
    solve: [TransformPlan; 2],
    inverse: Vec<TransformPlan>,
}

impl MeshPlans {
    /// * `grid` – points along a, b, c; `beta` – nm⁻¹
    /// * `workgroup_bytes` – workgroup memory that a pass may use
    pub fn new(grid: [usize; 3], beta: f64, workgroup_bytes: u32) -> Result<Self, ForceError> {
        let mut forward = Vec::new();
        for (k, part) in inner_parts(workgroup_bytes, grid, Direction::Forward).into_iter().enumerate() {
            let beside = if k == 0 { Beside::Convert } else { Beside::Nothing };
            forward.push(TransformPlan::new(grid, part, Direction::Forward, beside)?);
        }
        let solve = |with_sums| {
            let beside = Beside::Solve(0.25 / (beta * beta), with_sums);
            TransformPlan::new(grid, Part::Axis(0), Direction::Forward, beside)
        };
        let parts = inner_parts(workgroup_bytes, grid, Direction::Inverse);
        let inverse: Result<Vec<TransformPlan>, ForceError> = (parts.iter().enumerate())
            .map(|(k, &part)| {
                let beside = if k + 1 == parts.len() { Beside::Real } else { Beside::Nothing };
                TransformPlan::new(grid, part, Direction::Inverse, beside)
            })
            .collect();
        Ok(MeshPlans { forward, solve: [solve(false)?, solve(true)?], inverse: inverse? })
    }

    /// Every dispatch, without and with sums.
    pub fn all(&self) -> impl Iterator<Item = &TransformPlan> {
        self.forward.iter().chain(&self.solve).chain(&self.inverse)
    }
}

/// From the fixed-point charge mesh to the potential on it: transform, multiplication by the influence function, and back.
pub struct MeshTransform {
    forward: Vec<Transform>,
    /// Without and with sums.
    solve: [Transform; 2],
    inverse: Vec<Transform>,
}

/// Buffers of a [`MeshTransform`].
pub struct MeshBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    /// `[n_points]` i32, 2⁻²⁶ e; cleared
    pub mesh: &'a wgpu::Buffer,
    /// `[n_points]` complex f32
    pub field: &'a wgpu::Buffer,
    /// `[n_points]` f32, kJ mol⁻¹ e⁻¹
    pub potential: &'a wgpu::Buffer,
    /// `[n_points]` f32
    pub influence: &'a wgpu::Buffer,
    /// `[workgroups * MESH_PARTIALS]` f32
    pub partials: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
}

impl MeshTransform {
    /// * `grid` – points along a, b, c; `beta` – nm⁻¹
    pub fn new(context: &Context, shaders: &Shaders, grid: [usize; 3], beta: f64) -> Result<Self, ForceError> {
        let plans = MeshPlans::new(grid, beta, context.workgroup_bytes())?;
        let make = |plan: &TransformPlan| Transform::new(context, shaders, plan);
        let [plain, with_sums] = &plans.solve;
        Ok(MeshTransform {
            forward: plans.forward.iter().map(make).collect::<Result<_, _>>()?,
            solve: [make(plain)?, make(with_sums)?],
            inverse: plans.inverse.iter().map(make).collect::<Result<_, _>>()?,
        })
    }

    /// f32 slots that the sums of a solve take.
    pub fn n_partials(&self) -> usize {
        self.solve[1].workgroups as usize * MESH_PARTIALS
    }

    /// Dispatches without and with sums.
    pub fn dispatches(&self, context: &Context, b: &MeshBuffers) -> [Vec<Dispatch>; 2] {
        [0, 1].map(|with_sums| {
            let mut all = Vec::new();
            for (k, transform) in self.forward.iter().enumerate() {
                let outputs: &[&wgpu::Buffer] = if k == 0 { &[b.field, b.mesh, b.status] } else { &[b.field] };
                all.push(transform.dispatch(context, &[], outputs));
            }
            let outputs: &[&wgpu::Buffer] = if with_sums == 1 { &[b.field, b.partials] } else { &[b.field] };
            all.push(self.solve[with_sums].dispatch(context, &[b.cell, b.influence], outputs));
            for (k, transform) in self.inverse.iter().enumerate() {
                let outputs: &[&wgpu::Buffer] =
                    if k + 1 == self.inverse.len() { &[b.field, b.potential] } else { &[b.field] };
                all.push(transform.dispatch(context, &[], outputs));
            }
            all
        })
    }
}

/// Transform of one direction along the three axes of a mesh, c fastest.
pub struct Fft3d {
    parts: Vec<Transform>,
}

impl Fft3d {
    /// * `grid` – points along a, b, c
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        grid: [usize; 3],
        direction: Direction,
    ) -> Result<Self, ForceError> {
        let mut parts = inner_parts(context.workgroup_bytes(), grid, direction);
        parts.insert(if direction == Direction::Forward { parts.len() } else { 0 }, Part::Axis(0));
        let make =
            |part| Transform::new(context, shaders, &TransformPlan::new(grid, part, direction, Beside::Nothing)?);
        Ok(Fft3d { parts: parts.into_iter().map(make).collect::<Result<_, _>>()? })
    }

    /// * `field` – `[grid_a * grid_b * grid_c]` complex f32, transformed in place
    pub fn dispatches(&self, context: &Context, field: &wgpu::Buffer) -> Vec<Dispatch> {
        self.parts.iter().map(|part| part.dispatch(context, &[], &[field])).collect()
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
            assert!(plan.len() <= 6, "as many stages as the shader has");
        }
        assert_eq!(radices(13), None);
        assert_eq!(radices(270), None);
    }
}
