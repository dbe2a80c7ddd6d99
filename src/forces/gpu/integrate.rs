//! The passes that move atoms: update, centre-of-mass removal, displacements, and the sums they hand back.
//!
//! Twin: `forces::reference::integrate`.

use super::batch::STEPS_PER_SUBMISSION;
use super::constraints::Constraints;
use super::device::Context;
use super::layout::{STEP_COUPLE, STEP_FIRST, STEP_LANGEVIN, STEP_LAST, STEP_REPORT, StepUniform, UPDATE_PARTIALS};
use super::nonbonded::{PairKernel, sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, UNIFORM_STRIDE, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::forces::{Chunk, ForceError};
use crate::system::Topology;
use crate::units::BOLTZMANN;
use glam::DMat3;
use std::sync::OnceLock;

/// Binding and bytes of the block of a step.
pub const STEP_BLOCK: (usize, u64) = (1, size_of::<StepUniform>() as u64);

/// The passes of a time step beyond its forces.
pub struct Integrator {
    update: Pass,
    /// The same with wide sums, when it has been needed.
    wide_update: OnceLock<Pass>,
    recipe: UpdateRecipe,
    momentum: [Pass; 3],
    kinetic: Pass,
    couple: Pass,
    displacement: Pass,
    groups: wgpu::Buffer,
    n_groups: u32,
    n_atoms: u32,
    /// Of the update pass and that of constraints.
    n_workgroups: u32,
    pub steps: wgpu::Buffer,
    pub partials: wgpu::Buffer,
    momentum_partials: wgpu::Buffer,
    kinetic_partials: wgpu::Buffer,
}

/// Constraint groups of a workgroup of the update pass, and its invocations: five for each of the 24 atoms that they can hold.
const GROUPS_PER_WORKGROUP: u32 = 8;
const UPDATE_WORKGROUP: f64 = 128.0;

/// Where passes that need all of a force take it from, see `part/force_on`.
#[derive(Debug, Clone)]
pub struct ForceInput {
    pub kernel: PairKernel,
    /// `MESH`, `EWALD` or nothing, with the constants of the mesh.
    pub long_range: Option<&'static str>,
    pub constants: Vec<(&'static str, f64)>,
}

impl ForceInput {
    /// Names that such a pass is compiled with.
    pub fn defines(&self, wide: bool) -> Vec<&'static str> {
        let mut defines: Vec<&str> = self.long_range.into_iter().collect();
        defines.extend((self.kernel == PairKernel::Half).then_some("HALF"));
        defines.extend(wide.then_some("WIDE"));
        defines
    }

    /// A pass with narrow force sums, and one with wide sums where there are any.
    pub fn both<T>(&self, compile: impl Fn(bool) -> Result<T, ForceError>) -> Result<[Option<T>; 2], ForceError> {
        Ok([Some(compile(false)?), (self.kernel == PairKernel::Half).then(|| compile(true)).transpose()?])
    }
}

/// What it takes to compile a variant of the update pass.
struct UpdateRecipe {
    shaders: Shaders,
    input: ForceInput,
    n_groups: u32,
    first_partial: u32,
}

impl UpdateRecipe {
    fn compile(&self, context: &Context, wide: bool) -> Result<Pass, ForceError> {
        use Binding::{Read, Uniform, UniformBlock, Write};
        let defines = self.input.defines(wide);
        let mut constants = self.input.constants.clone();
        constants.push(("n_groups", f64::from(self.n_groups)));
        constants.push(("first_partial", f64::from(self.first_partial)));
        constants.push(("wg_size", UPDATE_WORKGROUP));
        let mut inputs = vec![Uniform, UniformBlock(STEP_BLOCK.1), Read];
        inputs.extend(self.input.long_range.map(|_| Read));
        let groups: [&[Binding]; 2] = [&inputs, &[Write, Write, Write, Write, Write, Write]];
        let source = self.shaders.module("update", Pieces::defining(&defines));
        Pass::new(context, &PassSpec { entry: "update", source: &source, constants: &constants, groups })
    }
}

/// Buffers of the state.
pub struct StateBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub pair_forces: &'a wgpu::Buffer,
    /// The potential on the mesh, or long-range forces by slot.
    pub long_range: Option<&'a wgpu::Buffer>,
    pub positions: &'a wgpu::Buffer,
    pub velocities: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub origin: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
}

/// The dispatches of a step.
pub struct StepDispatches {
    pub remove_com: Vec<Dispatch>,
    /// Kinetic energy by workgroup, then the factor of CSVR.
    pub kinetic: Dispatch,
    pub couple: Dispatch,
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

/// Constraint groups as (first atom, atoms, bits of d_OH, bits of d_HH): rigid waters whole, other atoms one by one. Frozen
/// atoms and virtual sites are in none.
///
/// * `elsewhere` – `[n_atoms]`, atoms that another pass moves
fn constraint_groups(topology: &Topology, elsewhere: &[bool]) -> Vec<[u32; 4]> {
    let moves = |atom: &u32| {
        let atom = *atom as usize;
        topology.masses[atom] > 0.0 && !topology.frozen[atom] && !elsewhere[atom]
    };
    let mut groups = Vec::new();
    for molecule in &topology.molecules {
        let species = &topology.species[molecule.species as usize];
        match species.rigid_water {
            // frozen whole or not at all
            Some(_) if topology.frozen[molecule.first_atom as usize] => {}
            Some(water) => {
                groups.push([molecule.first_atom, 3, (water.d_oh as f32).to_bits(), (water.d_hh as f32).to_bits()])
            }
            None => {
                let first = molecule.first_atom;
                let atoms = first..first + species.atoms.len() as u32;
                groups.extend(atoms.filter(moves).map(|atom| [atom, 1, 0, 0]));
            }
        }
    }
    groups
}

/// What step `k` of a chunk needs, counted from zero.
pub fn step_block(chunk: &Chunk, k: u32) -> StepUniform {
    let number = chunk.first_step + u64::from(k);
    let mut step = StepUniform {
        dt: chunk.dt as f32,
        velocity_scale: if k == 0 { chunk.velocity_scale as f32 } else { 1.0 },
        decay: 1.0,
        noise: 0.0,
        seed_low: 0,
        seed_high: 0,
        step_low: number as u32,
        step_high: (number >> 32) as u32,
        flags: 0,
        csvr_decay: 1.0,
        csvr_gain: 0.0,
        csvr_cross: 0.0,
    };
    if k == 0 {
        step.flags |= STEP_FIRST;
        step.flags |= if chunk.report { STEP_REPORT } else { 0 };
        if let Some(draw) = chunk.csvr {
            step.flags |= STEP_COUPLE;
            step.csvr_decay = draw.decay as f32;
            step.csvr_gain = draw.gain as f32;
            step.csvr_cross = draw.cross as f32;
        }
    }
    if k + 1 == chunk.n_steps {
        step.flags |= STEP_LAST;
    }
    if let Some(bath) = chunk.langevin {
        let decay = (-bath.friction * chunk.dt).exp();
        step.flags |= STEP_LANGEVIN;
        step.decay = decay as f32;
        step.noise = (BOLTZMANN * bath.temperature * (1.0 - decay * decay)).sqrt() as f32;
        step.seed_low = bath.seed as u32;
        step.seed_high = (bath.seed >> 32) as u32;
    }
    step
}

impl Integrator {
    /// * `input` – where forces come from
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        topology: &Topology,
        constraints: &Constraints,
        input: ForceInput,
    ) -> Result<Self, ForceError> {
        use Binding::{Read, Uniform, UniformBlock, Write};
        let groups = constraint_groups(topology, &constraints.moves);
        let (n_groups, n_atoms) = (groups.len() as u32, topology.n_atoms() as u32);
        let first_partial = constraints.workgroups();
        let n_workgroups = first_partial + n_groups.div_ceil(GROUPS_PER_WORKGROUP).max(1);
        let recipe = UpdateRecipe { shaders: shaders.clone(), input, n_groups, first_partial };
        let update = recipe.compile(context, false)?;
        let n_partials = n_atoms.div_ceil(WORKGROUP);
        let moving_mass: f64 = topology.masses.iter().zip(&topology.frozen).filter(|(_, f)| !**f).map(|(m, _)| m).sum();
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
                        ("inv_total_mass", if moving_mass > 0.0 { 1.0 / moving_mass } else { 0.0 }),
                    ],
                    groups: [&[], &[Write, Write]],
                },
            )
        };
        let couple_source = shaders.module("couple", Pieces::default());
        let couple = |entry: &str, groups: [&[Binding]; 2]| {
            let constants = [("n_atoms", f64::from(n_atoms)), ("n_partials", f64::from(n_partials))];
            Pass::new(context, &PassSpec { entry, source: &couple_source, constants: &constants, groups })
        };
        let displacement = Pass::new(
            context,
            &PassSpec {
                entry: "displacement_since_start",
                source: &shaders.module("displacement", Pieces::default()),
                constants: &[("n_atoms", f64::from(n_atoms))],
                groups: [&[Uniform, Read, Read, Read], &[Write]],
            },
        )?;
        Ok(Integrator {
            update,
            wide_update: OnceLock::new(),
            recipe,
            momentum: [momentum("momentum_partial")?, momentum("momentum_total")?, momentum("momentum_remove")?],
            kinetic: couple("kinetic_partial", [&[], &[Write, Write]])?,
            couple: couple("couple", [&[UniformBlock(STEP_BLOCK.1)], &[Write, Write, Write]])?,
            displacement,
            n_groups,
            n_atoms,
            groups: context.storage_of("constraint groups", &groups),
            steps: context.uniform("steps", STEPS_PER_SUBMISSION * UNIFORM_STRIDE),
            partials: context.storage("update partials", n_workgroups as usize * UPDATE_PARTIALS * 4),
            n_workgroups,
            momentum_partials: context.storage("momentum partials", (n_partials as usize + 1) * 16),
            kinetic_partials: context.storage("kinetic partials", n_partials as usize * 4),
        })
    }

    /// Bytes of `partials` that [`StepSums::from_partials`] reads.
    pub fn partials_bytes(&self) -> usize {
        self.n_workgroups as usize * UPDATE_PARTIALS * 4
    }

    /// The update pass; `wide`: it reads force sums of two words.
    pub fn update(&self, context: &Context, state: &StateBuffers, wide: bool) -> Result<Dispatch, ForceError> {
        let pass = match (wide && self.recipe.input.kernel == PairKernel::Half, self.wide_update.get()) {
            (false, _) => &self.update,
            (true, Some(pass)) => pass,
            (true, None) => {
                let pass = self.recipe.compile(context, true)?;
                self.wide_update.get_or_init(|| pass)
            }
        };
        let mut inputs = vec![state.cell, &self.steps, &self.groups];
        inputs.extend(state.long_range);
        let outputs =
            [state.pair_forces, state.positions, state.velocities, state.sorted, &self.partials, state.status];
        let workgroups = self.n_groups.div_ceil(GROUPS_PER_WORKGROUP);
        Ok(pass.dispatch_blocks(context, [&inputs, &outputs], workgroups, Some(STEP_BLOCK)))
    }

    pub fn dispatches(&self, context: &Context, state: &StateBuffers) -> StepDispatches {
        let atoms = self.n_atoms.div_ceil(WORKGROUP);
        let remove_com = (self.momentum.iter().zip([atoms, 1, atoms]))
            .map(|(pass, n)| pass.dispatch(context, [&[], &[state.velocities, &self.momentum_partials]], n))
            .collect();
        let energies = [state.velocities, &self.kinetic_partials];
        let kinetic = self.kinetic.dispatch(context, [&[], &energies], atoms);
        let couple = self.couple.dispatch_blocks(
            context,
            [&[&self.steps], &[state.velocities, &self.kinetic_partials, state.status]],
            1,
            Some((0, STEP_BLOCK.1)),
        );
        StepDispatches { remove_com, kinetic, couple }
    }

    /// Distances from `start`, the positions when a batch began.
    pub fn displacement_since(&self, context: &Context, state: &StateBuffers, start: &wgpu::Buffer) -> Dispatch {
        let atoms = self.n_atoms.div_ceil(WORKGROUP);
        self.displacement.dispatch(
            context,
            [&[state.cell, start, state.origin, state.positions], &[state.status]],
            atoms,
        )
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
