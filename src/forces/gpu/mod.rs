//! The gpu backend: WGSL passes through wgpu, everything of a step resident on the device.
//!
//! Portable: no 64-bit integers, no float atomics, 16 KiB of workgroup memory, eight storage buffers per pass; subgroup
//! operations only in variants beside one without. What runs where:
//!
//! * device, every step: [`electrode`], [`nonbonded`], [`ewald`] or [`pme`] with [`fft`], [`molecules`], [`external`], [`integrate`]
//! * host, in f64: self and excluded constants, dispersion correction, sums over workgroups, unwrapped positions
//!   ([`fixed`])
//!
//! Two runs on one device give the same bits: sums shared by invocations are integers or have a fixed order. The module
//! never decides when to search neighbors, couple or write. It is the only one that names `wgpu`; the binding contract
//! of its shaders is `shaders/README.md`.

pub mod batch;
mod bind;
pub mod bonded;
pub mod constraints;
pub mod device;
pub mod electrode;
pub mod ewald;
pub mod ewald_fit;
pub mod external;
mod failure;
pub mod fft;
pub mod fixed;
pub mod fixed_force;
pub mod integrate;
pub mod layout;
pub mod micro;
pub mod molecules;
pub mod nonbonded;
pub mod pair_list;
pub mod pass;
pub mod pme;
pub mod preprocess;
pub mod self_test;
pub mod shader;
mod sums;
pub mod virtual_sites;

pub use device::{AdapterSelector, Context, DeviceDescription, DeviceOptions, devices};
pub use nonbonded::PairKernel;
pub use self_test::{SelfTestReport, self_test};

use super::{Backend, Batch, BatchReport, Chunk, ChunkReport, Evaluation, ForceError, NeighborKind};
use crate::cell::Cell;
use crate::forces::reference::blame::BEFORE_ANY_STEP;
use crate::forces::reference::dispersion::DispersionCorrection;
use crate::forces::reference::ewald::WaveVectors;
use crate::forces::reference::frozen::FrozenVirial;
use crate::forces::reference::virtual_sites::{construct as construct_sites, spread_forces as spread_site_forces};
use crate::neighbor::NeighborList;
use crate::neighbor::clusters::CLUSTER;
use crate::system::{Coulomb, State, System};
use batch::{DEPTH, HostTimes, Submitted, wide};
use bind::Bound;
use constraints::Constraints;
use device::cast;
use electrode::{ConstantPotential, without_electrodes};
use ewald::DirectEwald;
use external::ExternalTerms;
use failure::OVERFLOW;
use fixed::FixedPosition;
use glam::DVec3;
use integrate::{ForceInput, Integrator};
use layout::{CellUniform, StatusWords};
use molecules::Molecules;
use nonbonded::{HALF_LIST_FROM, Nonbonded, device_charges};
use pass::{Binding, Dispatch, Pass, PassSpec};
use pme::{MeshDispatches, MeshEwald, mesh_constants};
use shader::{Pieces, Shaders};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Long-range Coulomb of one system.
enum LongRange {
    None,
    Ewald(Box<DirectEwald>),
    Mesh(Box<MeshEwald>),
}

/// Bound long-range passes.
enum LongRangeDispatches {
    None,
    /// without and with sums
    Ewald(Vec<Dispatch>, Vec<Dispatch>),
    Mesh(Box<MeshDispatches>),
}

impl LongRangeDispatches {
    /// Calls `with` for every dispatch, in order.
    fn each<'a>(&'a self, with_sums: bool, with: impl FnMut(&'a Dispatch)) {
        match self {
            LongRangeDispatches::None => {}
            LongRangeDispatches::Ewald(plain, reported) => {
                if with_sums { reported } else { plain }.iter().for_each(with)
            }
            LongRangeDispatches::Mesh(mesh) => mesh.each(with_sums, with),
        }
    }
}

/// Buffers that live as long as the backend.
struct Buffers {
    cell: wgpu::Buffer,
    positions: wgpu::Buffer,
    velocities: wgpu::Buffer,
    pair_forces: wgpu::Buffer,
    long_range_forces: wgpu::Buffer,
    sorted: wgpu::Buffer,
    charges: wgpu::Buffer,
    /// Positions and velocities when a batch began, for every batch that can be on the device.
    start: [wgpu::Buffer; DEPTH],
    start_velocities: [wgpu::Buffer; DEPTH],
    status: wgpu::Buffer,
}

/// Choices that change how fast a backend is, not what it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuOptions {
    /// `None`: by the number of atoms, see [`HALF_LIST_FROM`].
    pub pairs: Option<PairKernel>,
    pub device: DeviceOptions,
}

/// One system on one device.
pub struct GpuBackend {
    context: Context,
    system: System,
    nonbonded: Nonbonded,
    molecules: Molecules,
    external: Option<ExternalTerms>,
    electrodes: Option<ConstantPotential>,
    long_range: LongRange,
    integrator: Integrator,
    /// After a new list, and after new positions alone.
    pack: [Pass; 2],
    dispersion: Option<DispersionCorrection>,
    /// Made when a state is loaded.
    frozen: Option<FrozenVirial>,
    buffers: Buffers,
    cell: Option<Cell>,
    /// `[n_atoms]`, unwrapped, as of the last read-back
    fixed: Vec<FixedPosition>,
    bound: Option<Arc<Bound>>,
    /// Earlier lists, whose buffers serve again when no step uses them.
    retired: Vec<Arc<Bound>>,
    n_slots: u32,
    step: u64,
    /// Steps queued since the list was set.
    steps_since_list: u64,
    queued: VecDeque<Batch>,
    submitted: VecDeque<Submitted>,
    /// Batches submitted so far.
    n_batches: usize,
    host: HostTimes,
    /// Are force sums of two words?
    wide: bool,
    /// Batches that had to be repeated with them.
    n_repeated: u64,
    /// Radius to which lists are pruned, nm.
    inner_radius: Option<f64>,
    /// Bytes of the buffers that live as long as the backend.
    own_bytes: u64,
}

impl GpuBackend {
    /// Opens a device and compiles every pass of `system`.
    ///
    /// * `selector` – `None` takes the best adapter, a software driver if there is no other
    pub fn new(system: &System, selector: Option<&AdapterSelector>) -> Result<Self, ForceError> {
        Self::with_shaders(system, selector.unwrap_or(&AdapterSelector::Best), &Shaders::embedded())
    }

    /// The same with other shader text: how tests prove that a wrong shader is noticed.
    pub fn with_shaders(system: &System, selector: &AdapterSelector, shaders: &Shaders) -> Result<Self, ForceError> {
        Self::with_options(system, selector, shaders, GpuOptions::default())
    }

    /// The same with the variants of the passes chosen.
    pub fn with_options(
        system: &System,
        selector: &AdapterSelector,
        shaders: &Shaders,
        options: GpuOptions,
    ) -> Result<Self, ForceError> {
        let context = Context::with_options(selector, options.device)?;
        let n_atoms = system.topology.n_atoms();
        if n_atoms == 0 {
            let what = "the system has no atoms; add some".to_string();
            return Err(ForceError::Unsupported { what, instead: "reference" });
        }
        if system.external.piston.is_some() {
            let what = "a piston follows the force on a frozen slab, which the device does not add up".to_string();
            return Err(ForceError::Unsupported { what, instead: "cpu" });
        }
        let system = &without_electrodes(system);
        let n_slots = n_atoms.next_multiple_of(CLUSTER) as u32;
        let (mut mesh, mut long_range_define) = (None, None);
        let long_range = match system.interactions.coulomb {
            Coulomb::Ewald { beta, n_max, n_sq_max } => {
                long_range_define = Some("EWALD");
                let waves = WaveVectors { beta, n_max, n_sq_max };
                let electrodes = system.external.electrodes.is_some();
                LongRange::Ewald(Box::new(DirectEwald::new(&context, shaders, waves, n_slots, electrodes)?))
            }
            Coulomb::Pme { beta, grid, order } => {
                long_range_define = Some("MESH");
                mesh = Some(mesh_constants(grid, order));
                LongRange::Mesh(Box::new(MeshEwald::new(&context, shaders, grid, order, beta, n_slots)?))
            }
            Coulomb::ReactionField { .. } | Coulomb::Cutoff => LongRange::None,
        };
        let by_size = if n_atoms < HALF_LIST_FROM { PairKernel::Full } else { PairKernel::Half };
        let kernel = options.pairs.unwrap_or(by_size);
        let mut constants = mesh.clone().unwrap_or_default();
        constants.push(("n_slots", f64::from(n_slots)));
        let nonbonded = Nonbonded::new(&context, shaders, system, kernel, n_slots, mesh)?;
        let input = ForceInput { kernel, long_range: long_range_define, constants };
        let constraints = Constraints::new(&context, shaders, &system.topology, &input)?;
        let integrator = Integrator::new(&context, shaders, &system.topology, &constraints, input.clone())?;
        let molecules = Molecules::new(&context, shaders, system, constraints, &input, n_slots)?;
        let n_waves = if let LongRange::Ewald(direct) = &long_range { direct.n_waves() } else { 0 };
        let electrodes = ConstantPotential::new(&context, shaders, system, &input, n_slots, n_waves)?;
        let n_answering = electrodes.as_ref().map_or(0, |e| e.sites.len() as u32);
        let external = ExternalTerms::new(&context, shaders, system, &input, n_slots, n_answering)?;
        let pack_source = shaders.module("pack", Pieces::default());
        let pack = |new_list: f64| {
            use Binding::{Read, Write};
            let constants = [("n_slots", f64::from(n_slots)), ("new_list", new_list)];
            let groups: [&[Binding]; 2] = [&[Read, Read], &[Write, Write, Write]];
            Pass::new(&context, &PassSpec { entry: "pack", source: &pack_source, constants: &constants, groups })
        };
        let pack = [pack(1.0)?, pack(0.0)?];
        let per_atom = |label: &str| context.storage(label, n_atoms * 16);
        let buffers = Buffers {
            cell: context.uniform("cell", size_of::<CellUniform>()),
            positions: per_atom("positions"),
            velocities: per_atom("velocities"),
            pair_forces: context.storage("pair forces", nonbonded.force_bytes()),
            long_range_forces: context.storage("long-range forces", n_slots as usize * 16),
            start: [per_atom("start"), per_atom("start")],
            start_velocities: [per_atom("start velocities"), per_atom("start velocities")],
            sorted: context.storage("sorted", n_slots as usize * 16),
            charges: context.storage_of("charges", &device_charges(system)),
            status: context.storage("status", size_of::<StatusWords>()),
        };
        context.check()?;
        Ok(GpuBackend {
            nonbonded,
            molecules,
            external,
            electrodes,
            long_range,
            integrator,
            pack,
            dispersion: system.interactions.dispersion_correction.then(|| DispersionCorrection::new(system)),
            frozen: None,
            buffers,
            cell: None,
            fixed: Vec::new(),
            bound: None,
            retired: Vec::new(),
            n_slots,
            step: 0,
            steps_since_list: 0,
            queued: VecDeque::new(),
            submitted: VecDeque::new(),
            n_batches: 0,
            host: HostTimes::default(),
            wide: false,
            n_repeated: 0,
            inner_radius: None,
            own_bytes: context.allocated(),
            system: system.clone(),
            context,
        })
    }

    /// The adapter it runs on.
    pub fn description(&self) -> &DeviceDescription {
        self.context.description()
    }

    fn loaded(&self) -> Result<(&Cell, &Bound), ForceError> {
        self.cell.as_ref().zip(self.bound.as_deref()).ok_or(ForceError::NoNeighbors)
    }

    fn submit_one(&self, dispatch: &Dispatch) {
        let mut encoder = self.context.encoder();
        dispatch.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.context.submit(encoder);
    }

    /// Gives the device up, as a driver does that has been reset: how tests lose one.
    pub fn lose_device(&self) {
        self.context.lose();
    }

    fn reset_status(&self) {
        let status = StatusWords {
            first_bad: u32::MAX,
            since_list_sq: 0,
            in_chunk_sq: 0,
            mesh_overflow: 0,
            velocity_scale: 1.0,
            kinetic: 0.0,
            force_overflow: 0,
        };
        self.context.write(&self.buffers.status, &[status]);
    }

    /// Takes positions from the device and follows them across boundaries.
    fn read_back_positions(&mut self) -> Result<(), ForceError> {
        let bytes = self.fixed.len() * 16;
        let parts = self.context.submit_and_read(self.context.encoder(), &[(&self.buffers.positions, bytes)])?;
        for (fixed, [x, y, z, _]) in self.fixed.iter_mut().zip(cast::<[i32; 4]>(&parts[0])) {
            fixed.follow([x, y, z]);
        }
        Ok(())
    }

    /// Batches that had to be repeated because a force left the range of a one-word sum.
    pub fn n_repeated(&self) -> u64 {
        self.n_repeated
    }
}

impl Backend for GpuBackend {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn device(&self) -> String {
        let d = self.description();
        format!("{} ({}, {}{})", d.name, d.api, d.driver, if d.is_software { ", software" } else { "" })
    }

    fn neighbor_kind(&self) -> NeighborKind {
        match self.nonbonded.kernel() {
            PairKernel::Full => NeighborKind::FullClusters,
            PairKernel::Half => NeighborKind::Packed,
        }
    }

    fn load(&mut self, state: &State) -> Result<(), ForceError> {
        let topology = &self.system.topology;
        assert_eq!(state.n_atoms(), topology.n_atoms(), "state and topology describe the same atoms");
        let cutoff = self.system.interactions.cutoff;
        if cutoff > state.cell.half_height() * (1.0 + 1e-12) {
            return Err(ForceError::Impossible(format!(
                "a cutoff of {cutoff} nm in a cell whose smallest half height is {:.4} nm; choose a shorter cutoff or a \
                 larger cell",
                state.cell.half_height()
            )));
        }
        if let Some(atom) =
            (0..state.n_atoms()).find(|&i| !state.positions[i].is_finite() || !state.velocities[i].is_finite())
        {
            let name = topology.describe_atom(atom);
            let detail = format!("position or velocity of {name} is not finite; {BEFORE_ANY_STEP}");
            return Err(ForceError::BlowUp { step: state.step, atom: Some(atom), detail });
        }
        let mut placed = state.positions.clone();
        construct_sites(topology, &state.cell, &mut placed);
        self.fixed = placed.iter().map(|&r| FixedPosition::from_cartesian(&state.cell, r)).collect();
        Molecules::check_restraints(&self.system, &state.cell, &self.fixed)?;
        // frozen atoms as the device has them and gives them back: a run that is resumed finds the same numbers
        let held = self.cartesian(&state.cell);
        if !self.frozen.as_ref().is_some_and(|frozen| frozen.is_made_for(&state.cell, &held)) {
            self.frozen = FrozenVirial::new(&self.system, &state.cell, &held);
        }
        let mut stale = self.cell != Some(state.cell);
        if let Some(electrodes) = &mut self.electrodes {
            let at: Vec<DVec3> = electrodes.sites.iter().map(|site| held[site.atom]).collect();
            stale |= electrodes.make_for(&self.context, &self.system, &state.cell, at)?;
        }
        if stale && self.external.is_some() {
            // heights and neighbors of electrodes came with the list
            self.retire();
        }
        let topology = &self.system.topology;
        let positions: Vec<[i32; 4]> = self
            .fixed
            .iter()
            .map(|fixed| {
                let [x, y, z] = fixed.wrapped();
                [x, y, z, 0]
            })
            .collect();
        let velocities: Vec<[f32; 4]> = (state.velocities.iter().zip(&topology.masses))
            .zip(&topology.frozen)
            // frozen atoms and virtual sites have no velocity
            .map(
                |((v, &m), &frozen)| {
                    if frozen || m == 0.0 { [0.0; 4] } else { [v.x as f32, v.y as f32, v.z as f32, (1.0 / m) as f32] }
                },
            )
            .collect();
        self.context.write(&self.buffers.positions, &positions);
        self.context.write(&self.buffers.velocities, &velocities);
        if self.cell != Some(state.cell) {
            self.molecules.set_cell(&self.context, &state.cell);
            self.context.write(&self.buffers.cell, &[CellUniform::new(&state.cell)]);
            match &mut self.long_range {
                LongRange::None => {}
                LongRange::Ewald(direct) => direct.set_cell(&self.context, &state.cell),
                LongRange::Mesh(mesh) => mesh.set_cell(&self.context, &state.cell),
            }
        }
        self.cell = Some(state.cell);
        self.step = state.step;
        // a list stays valid for new positions close to those it was built from, as a minimiser makes them
        if let Some(bound) = &self.bound {
            bound.sort_into(&self.context);
        }
        self.context.check()
    }

    fn store(&mut self, state: &mut State) -> Result<(), ForceError> {
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        self.read_back_positions()?;
        let bytes = self.fixed.len() * 16;
        let parts = self.context.submit_and_read(self.context.encoder(), &[(&self.buffers.velocities, bytes)])?;
        state.cell = cell;
        state.positions = self.cartesian(&cell);
        state.velocities = cast::<[f32; 4]>(&parts[0]).into_iter().map(wide).collect();
        Ok(())
    }

    fn set_neighbors(&mut self, list: NeighborList) -> Result<(), ForceError> {
        self.bind(list, None)
    }

    fn set_lagged_neighbors(&mut self, list: NeighborList, origin: &[DVec3]) -> Result<(), ForceError> {
        self.bind(list, Some(origin))
    }

    /// With force sums of two words: overlaps are what a minimiser is for.
    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        let (&cell, _) = self.loaded()?;
        let bound = self.bound.clone().ok_or(ForceError::NoNeighbors)?;
        self.bind_wide(&bound)?;
        let forces = bound.forces(self.nonbonded.kernel() == PairKernel::Half)?;
        self.reset_status();
        let mut encoder = self.context.encoder();
        encoder.clear_buffer(&self.buffers.pair_forces, 0, None);
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            bound.electrode_charges(|d| d.encode(&mut pass));
            forces.pairs.with_sums.encode(&mut pass);
            forces.molecules.bonded(true, |d| d.encode(&mut pass));
            forces.external.iter().for_each(|e| e.each(true, |d| d.encode(&mut pass)));
            bound.long_range.each(true, |d| d.encode(&mut pass));
            if let LongRangeDispatches::Mesh(mesh) = &bound.long_range {
                mesh.gather.encode(&mut pass);
            }
        }
        let [pairs, bonded, _, long_range, dipoles, outside, charges, drive] = self.force_sums();
        let status = (&self.buffers.status, size_of::<StatusWords>());
        let own = (&self.buffers.pair_forces, self.nonbonded.force_bytes());
        let gathered = (&self.buffers.long_range_forces, self.n_slots as usize * 16);
        let wanted = [own, gathered, status, pairs, bonded, long_range, dipoles, outside, charges, drive];
        let parts = self.context.submit_and_read(encoder, &wanted)?;
        let status: StatusWords = bytemuck::pod_read_unaligned(&parts[2]);
        if status.mesh_overflow != 0 {
            return Err(self.not_evaluated(None, OVERFLOW));
        }
        if status.first_bad != u32::MAX {
            return Err(self.not_evaluated(Some(status.first_bad as usize), "has a force that is not finite"));
        }
        let own = self.nonbonded.forces(&parts[0]);
        let gathered: Vec<DVec3> = cast::<[f32; 4]>(&parts[1]).into_iter().map(wide).collect();
        let mut forces: Vec<DVec3> =
            bound.slot_of.iter().map(|&slot| own[slot as usize] + gathered[slot as usize]).collect();
        if let (Some(electrodes), Some(near)) = (&self.electrodes, &bound.near) {
            let charges = self.charges_with(&parts[8]);
            electrodes.add_own_forces(near, &self.cartesian(&cell), &charges, &mut forces);
        }
        // here forces are by atom, and what a step does with those on virtual sites can be done in f64
        let from_sites = spread_site_forces(&self.system.topology, &cell, &self.cartesian(&cell), &mut forces);
        let sums = [&parts[3][..], &parts[4], &[], &parts[5], &parts[6], &parts[7], &parts[8], &parts[9]];
        let (energies, virial) = self.energies(&cell, &bound, sums);
        let virial = virial + from_sites;
        if let Some(atom) = forces.iter().position(|f| !f.is_finite()) {
            return Err(self.not_evaluated(Some(atom), "has a force that is not finite"));
        }
        if !energies.total().is_finite() {
            return Err(self.not_evaluated(None, "the potential energy is not finite"));
        }
        Ok(Evaluation { forces, energies, virial })
    }

    fn charges(&mut self) -> Result<Option<Vec<f64>>, ForceError> {
        let Some(electrodes) = &self.electrodes else { return Ok(None) };
        let (_, bound) = self.loaded()?;
        let mut encoder = self.context.encoder();
        bound.electrode_charges(|d| d.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())));
        let parts = self.context.submit_and_read(encoder, &[electrodes.charges()])?;
        Ok(Some(self.charges_with(&parts[0]).into_owned()))
    }

    /// After a blow-up, positions and velocities are those before the step that failed.
    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        if chunk.n_steps == 0 {
            return Ok(ChunkReport::default());
        }
        assert!(self.submitted.is_empty(), "a chunk is taken alone when nothing else is queued");
        self.enqueue(Batch { chunks: vec![*chunk], ..Batch::default() })?;
        let done = self.take_oldest()?;
        Ok(done.and_then(|(_, report, _)| report.chunks.first().copied()).unwrap_or_default())
    }

    fn prune_to(&mut self, radius: Option<f64>) {
        self.inner_radius = radius;
    }

    fn queue(&mut self) -> &mut VecDeque<Batch> {
        &mut self.queued
    }

    fn enqueue(&mut self, batch: Batch) -> Result<(), ForceError> {
        assert!(self.submitted.len() < DEPTH, "no more than {DEPTH} batches are on the device");
        self.queued.push_back(batch.clone());
        let submitted = self.submit(batch)?;
        self.submitted.push_back(submitted);
        Ok(())
    }

    fn collect(&mut self, state: &mut State) -> Result<BatchReport, ForceError> {
        match self.take_oldest()? {
            None => Ok(BatchReport::default()),
            Some((batch, report, outcome)) => {
                self.hand_over(&batch, &outcome, state)?;
                Ok(report)
            }
        }
    }

    fn depth(&self) -> usize {
        DEPTH
    }

    fn list_lag(&self) -> u32 {
        1
    }

    /// What the host does; [`Backend::device_times`] has the passes.
    fn time_by_pass(&self) -> Vec<(&'static str, Duration)> {
        let HostTimes { encode, submit, wait, list } = self.host;
        vec![("host_encode", encode), ("host_submit", submit), ("host_wait", wait), ("host_list_upload", list)]
    }

    fn device_times(&mut self, chunk: &Chunk, n_steps: u32) -> Result<Vec<(String, f64)>, ForceError> {
        self.time_passes(chunk, n_steps)
    }

    /// All buffers, those of lists included.
    fn device_memory(&self) -> Option<u64> {
        Some(self.own_bytes + self.bound.iter().chain(&self.retired).map(|bound| bound.bytes).sum::<u64>())
    }
}
