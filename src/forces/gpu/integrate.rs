//! The passes that move atoms: update, centre-of-mass removal, displacements, and the sums they hand back.
//!
//! Twin: `forces::reference::integrate`.

use super::device::Context;
use super::layout::{STEP_FIRST, STEP_LANGEVIN, STEP_LAST, STEP_REPORT, StepUniform, UPDATE_PARTIALS};
use super::nonbonded::{sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, UNIFORM_STRIDE, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::forces::{Chunk, ForceError};
use crate::system::Topology;
use crate::units::BOLTZMANN;
use glam::DMat3;

/// Steps of one submission; a chunk longer than this is submitted in parts.
pub const STEPS_PER_SUBMISSION: usize = 128;

const STEP_BLOCK: (usize, u64) = (1, size_of::<StepUniform>() as u64);

/// The passes of a time step beyond its forces.
pub struct Integrator {
    update: Pass,
    momentum: [Pass; 3],
    displacement: Pass,
    groups: wgpu::Buffer,
    n_groups: u32,
    n_atoms: u32,
    pub steps: wgpu::Buffer,
    pub partials: wgpu::Buffer,
    momentum_partials: wgpu::Buffer,
}

/// Buffers of the state.
pub struct StateBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub forces: &'a wgpu::Buffer,
    pub positions: &'a wgpu::Buffer,
    pub velocities: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub origin: &'a wgpu::Buffer,
    pub start: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
}

/// The dispatches of a step.
pub struct StepDispatches {
    pub update: Dispatch,
    pub remove_com: Vec<Dispatch>,
    pub displacement: Dispatch,
}

/// Sums over one step, kJ/mol; see `forces::reference::integrate::StepSums`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSums {
    pub kinetic_before: f64,
    pub kinetic_after: f64,
    pub kick: f64,
    pub kinetic_tensor: DMat3,
    pub constraint_virial: DMat3,
    pub bath_heat: f64,
    pub kinetic_end: f64,
}

/// Constraint groups as (first atom, atoms, bits of d_OH, bits of d_HH): rigid waters whole, other atoms one by one.
fn constraint_groups(topology: &Topology) -> Vec<[u32; 4]> {
    let mut groups = Vec::new();
    for molecule in &topology.molecules {
        let species = &topology.species[molecule.species as usize];
        match species.rigid_water {
            Some(water) => {
                groups.push([molecule.first_atom, 3, (water.d_oh as f32).to_bits(), (water.d_hh as f32).to_bits()])
            }
            None => {
                let first = molecule.first_atom;
                groups.extend((first..first + species.atoms.len() as u32).map(|atom| [atom, 1, 0, 0]));
            }
        }
    }
    groups
}

/// Uniform blocks of consecutive steps, [`UNIFORM_STRIDE`] bytes apart.
///
/// * `from`, `count` – steps of the chunk, counted from zero
pub fn step_blocks(chunk: &Chunk, from: usize, count: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; count * UNIFORM_STRIDE];
    for (k, block) in (from..from + count).zip(bytes.chunks_exact_mut(UNIFORM_STRIDE)) {
        let number = chunk.first_step + k as u64;
        let mut flags = 0;
        if k == 0 {
            flags |= STEP_FIRST;
            flags |= if chunk.report { STEP_REPORT } else { 0 };
        }
        if k + 1 == chunk.n_steps as usize {
            flags |= STEP_LAST;
        }
        let mut step = StepUniform {
            dt: chunk.dt as f32,
            velocity_scale: if k == 0 { chunk.velocity_scale as f32 } else { 1.0 },
            decay: 1.0,
            noise: 0.0,
            seed_low: 0,
            seed_high: 0,
            step_low: number as u32,
            step_high: (number >> 32) as u32,
            flags,
            _pad0: 0,
            _pad1: 0,
            _pad2: 0,
        };
        if let Some(bath) = chunk.langevin {
            let decay = (-bath.friction * chunk.dt).exp();
            step.flags |= STEP_LANGEVIN;
            step.decay = decay as f32;
            step.noise = (BOLTZMANN * bath.temperature * (1.0 - decay * decay)).sqrt() as f32;
            step.seed_low = bath.seed as u32;
            step.seed_high = (bath.seed >> 32) as u32;
        }
        block[..size_of::<StepUniform>()].copy_from_slice(bytemuck::bytes_of(&step));
    }
    bytes
}

impl Integrator {
    pub fn new(context: &Context, shaders: &Shaders, topology: &Topology) -> Result<Self, ForceError> {
        use Binding::{Read, Uniform, UniformBlock, Write};
        let groups = constraint_groups(topology);
        let (n_groups, n_atoms) = (groups.len() as u32, topology.n_atoms() as u32);
        let update = Pass::new(
            context,
            &PassSpec {
                entry: "update",
                source: &shaders.module("update", Pieces::default()),
                constants: &[("n_groups", f64::from(n_groups))],
                groups: [
                    &[Uniform, UniformBlock(STEP_BLOCK.1), Read, Read],
                    &[Write, Write, Write, Write, Write, Write],
                ],
            },
        )?;
        let n_partials = n_atoms.div_ceil(WORKGROUP);
        let momentum_source = shaders.module("momentum", Pieces::default());
        let momentum = |entry: &str| {
            Pass::new(
                context,
                &PassSpec {
                    entry,
                    source: &momentum_source,
                    constants: &[
                        ("n_atoms", f64::from(n_atoms)),
                        ("n_partials", f64::from(n_partials)),
                        ("inv_total_mass", 1.0 / topology.total_mass()),
                    ],
                    groups: [&[], &[Write, Write]],
                },
            )
        };
        let displacement = Pass::new(
            context,
            &PassSpec {
                entry: "displacement_since_start",
                source: &shaders.module("displacement", Pieces::default()),
                constants: &[("n_atoms", f64::from(n_atoms))],
                groups: [&[Uniform, Read, Read], &[Write]],
            },
        )?;
        Ok(Integrator {
            update,
            momentum: [momentum("momentum_partial")?, momentum("momentum_total")?, momentum("momentum_remove")?],
            displacement,
            n_groups,
            n_atoms,
            groups: context.storage_of("constraint groups", &groups),
            steps: context.uniform("steps", STEPS_PER_SUBMISSION * UNIFORM_STRIDE),
            partials: context.storage("update partials", Self::partials_bytes_of(n_groups)),
            momentum_partials: context.storage("momentum partials", (n_partials as usize + 1) * 16),
        })
    }

    fn partials_bytes_of(n_groups: u32) -> usize {
        n_groups.div_ceil(WORKGROUP) as usize * UPDATE_PARTIALS * 4
    }

    /// Bytes of `partials` that [`StepSums::from_partials`] reads.
    pub fn partials_bytes(&self) -> usize {
        Self::partials_bytes_of(self.n_groups)
    }

    pub fn dispatches(&self, context: &Context, state: &StateBuffers) -> StepDispatches {
        let update = self.update.dispatch_blocks(
            context,
            [
                &[state.cell, &self.steps, state.forces, &self.groups],
                &[state.positions, state.velocities, state.sorted, state.origin, &self.partials, state.status],
            ],
            self.n_groups.div_ceil(WORKGROUP),
            Some(STEP_BLOCK),
        );
        let atoms = self.n_atoms.div_ceil(WORKGROUP);
        let remove_com = (self.momentum.iter().zip([atoms, 1, atoms]))
            .map(|(pass, n)| pass.dispatch(context, [&[], &[state.velocities, &self.momentum_partials]], n))
            .collect();
        let displacement =
            self.displacement.dispatch(context, [&[state.cell, state.start, state.positions], &[state.status]], atoms);
        StepDispatches { update, remove_com, displacement }
    }
}

impl StepSums {
    /// * `partials` – what `update` left, `[workgroups * UPDATE_PARTIALS]`
    /// * `velocity_scale` – of the chunk's first step: `update` sums the velocities before scaling
    pub fn from_partials(partials: &[f32], velocity_scale: f64) -> Self {
        let sums = sum_partials::<UPDATE_PARTIALS>(partials);
        let (before, after) = (symmetric(&sums[0..6]), symmetric(&sums[6..12]));
        let trace = |m: DMat3| m.x_axis.x + m.y_axis.y + m.z_axis.z;
        StepSums {
            kinetic_before: trace(before),
            kinetic_after: trace(after),
            kinetic_tensor: 0.5 * (velocity_scale * velocity_scale * before + after),
            kick: sums[12],
            constraint_virial: symmetric(&sums[13..19]),
            bath_heat: sums[19],
            kinetic_end: sums[20],
        }
    }
}
