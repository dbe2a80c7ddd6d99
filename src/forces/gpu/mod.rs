//! The gpu backend: WGSL passes through wgpu, everything of a step resident on the device.
//!
//! Portable path only: no subgroup operations, no 64-bit integers, no float atomics, 16 KiB of workgroup memory, eight
//! storage buffers per pass. What runs where:
//!
//! * device, every step: [`nonbonded`], [`bonded`], [`ewald`] or [`pme`] with [`fft`], [`integrate`]
//! * host, in f64: self and excluded constants, dispersion correction, sums over workgroups, unwrapped positions
//!   ([`fixed`])
//!
//! Two runs on one device give the same bits: sums shared by invocations are integers or have a fixed order. The module
//! never decides when to search neighbors, couple or write. It is the only one that names `wgpu`; the binding contract
//! of its shaders is `shaders/README.md`.

pub mod batch;
pub mod bonded;
pub mod device;
pub mod ewald;
pub mod ewald_fit;
mod failure;
pub mod fft;
pub mod fixed;
pub mod integrate;
pub mod layout;
pub mod micro;
pub mod nonbonded;
pub mod pass;
pub mod pme;
pub mod self_test;
pub mod shader;

pub use device::{AdapterSelector, Context, DeviceDescription, devices};
pub use self_test::{SelfTestReport, self_test};

use super::{Backend, Batch, BatchReport, Chunk, ChunkReport, Energies, Evaluation, ForceError, NeighborKind, Wanted};
use crate::cell::Cell;
use crate::forces::reference::Contribution;
use crate::forces::reference::blame::BEFORE_ANY_STEP;
use crate::forces::reference::dispersion::DispersionCorrection;
use crate::forces::reference::ewald::{WaveVectors, neutralizing_background};
use crate::forces::reference::exclusions::{ewald_self_energy, reaction_field_self_energy};
use crate::neighbor::NeighborList;
use crate::neighbor::clusters::{CLUSTER, PADDING};
use crate::potential::coulomb::ReactionField;
use crate::system::{Coulomb, State, System};
use batch::{DEPTH, HostTimes, Submitted, wide};
use bonded::{Bonded, BondedBuffers};
use device::cast;
use ewald::DirectEwald;
use failure::OVERFLOW;
use fixed::FixedPosition;
use glam::{DMat3, DVec3};
use integrate::{Integrator, StateBuffers, StepDispatches};
use layout::{CellUniform, StatusWords};
use nonbonded::{DeviceList, Nonbonded, PairBuffers, PairSums, device_charges};
use pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use pme::{MeshDispatches, MeshEwald};
use shader::{Pieces, Shaders};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Everything that is bound to one neighbor list.
struct Bound {
    pairs: Dispatch,
    pairs_with_sums: Dispatch,
    /// Without and with sums.
    bonded: Option<[Dispatch; 2]>,
    long_range: LongRangeDispatches,
    step: StepDispatches,
    /// Distances from each of the `start` buffers.
    displacement: [Dispatch; DEPTH],
    /// Sorts newly loaded positions into the order of this list.
    repack: Dispatch,
    /// Positions the list was built from.
    origin: wgpu::Buffer,
    /// Bytes of the buffers that are its own.
    bytes: u64,
}

impl Bound {
    /// Calls `with` for every dispatch that forces take, in order.
    fn force_dispatches<'a>(&'a self, with_sums: bool, mut with: impl FnMut(&'a Dispatch)) {
        with(if with_sums { &self.pairs_with_sums } else { &self.pairs });
        if let Some(bonded) = &self.bonded {
            with(&bonded[usize::from(with_sums)]);
        }
        self.long_range.each(with_sums, with);
    }
}

/// Buffers that live as long as the backend.
struct Buffers {
    cell: wgpu::Buffer,
    positions: wgpu::Buffer,
    velocities: wgpu::Buffer,
    forces: wgpu::Buffer,
    sorted: wgpu::Buffer,
    charges: wgpu::Buffer,
    /// Positions and velocities when a batch began, for every batch that can be on the device.
    start: [wgpu::Buffer; DEPTH],
    start_velocities: [wgpu::Buffer; DEPTH],
    status: wgpu::Buffer,
}

/// One system on one device.
pub struct GpuBackend {
    context: Context,
    system: System,
    nonbonded: Nonbonded,
    bonded: Option<Bonded>,
    long_range: LongRange,
    integrator: Integrator,
    /// After a new list, and after new positions alone.
    pack: [Pass; 2],
    dispersion: Option<DispersionCorrection>,
    buffers: Buffers,
    cell: Option<Cell>,
    /// `[n_atoms]`, unwrapped, as of the last read-back
    fixed: Vec<FixedPosition>,
    bound: Option<Arc<Bound>>,
    n_slots: u32,
    step: u64,
    /// Steps queued since the list was set.
    steps_since_list: u64,
    queued: VecDeque<Batch>,
    submitted: VecDeque<Submitted>,
    /// Batches submitted so far.
    n_batches: usize,
    host: HostTimes,
    /// Bytes of the buffers that live as long as the backend.
    own_bytes: u64,
}

/// What the system needs and the device cannot do.
fn missing(system: &System) -> Option<&'static str> {
    let topology = &system.topology;
    let any = |has: fn(&crate::system::topology::Species) -> bool| {
        topology.molecules.iter().any(|m| has(&topology.species[m.species as usize]))
    };
    if any(|s| !s.constraints.is_empty()) {
        Some("constraints other than rigid water")
    } else if any(|s| !s.virtual_sites.is_empty()) {
        Some("virtual sites")
    } else if !system.restraints.is_empty() {
        Some("position restraints")
    } else if topology.frozen.contains(&true) {
        Some("frozen atoms")
    } else {
        None
    }
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
        let context = Context::new(selector)?;
        let n_atoms = system.topology.n_atoms();
        if n_atoms == 0 {
            let what = "the system has no atoms; add some".to_string();
            return Err(ForceError::Unsupported { what, instead: "reference" });
        }
        if let Some(term) = system.external.terms().first() {
            return Err(ForceError::Unsupported { what: format!("{term} is not there yet"), instead: "reference" });
        }
        if let Some(what) = missing(system) {
            return Err(ForceError::Unsupported { what: format!("{what} are not on the GPU yet"), instead: "cpu" });
        }
        let n_slots = n_atoms.next_multiple_of(CLUSTER) as u32;
        let nonbonded = Nonbonded::new(&context, shaders, system, n_slots)?;
        let bonded = Bonded::new(&context, shaders, &system.topology)?;
        let long_range = match system.interactions.coulomb {
            Coulomb::Ewald { beta, n_max, n_sq_max } => {
                let waves = WaveVectors { beta, n_max, n_sq_max };
                LongRange::Ewald(Box::new(DirectEwald::new(&context, shaders, waves, n_slots)?))
            }
            Coulomb::Pme { beta, grid, order } => {
                LongRange::Mesh(Box::new(MeshEwald::new(&context, shaders, grid, order, beta, n_slots)?))
            }
            Coulomb::ReactionField { .. } | Coulomb::Cutoff => LongRange::None,
        };
        let integrator = Integrator::new(&context, shaders, &system.topology)?;
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
            forces: per_atom("forces"),
            start: [per_atom("start"), per_atom("start")],
            start_velocities: [per_atom("start velocities"), per_atom("start velocities")],
            sorted: context.storage("sorted", n_slots as usize * 16),
            charges: context.storage_of("charges", &device_charges(system)),
            status: context.storage("status", size_of::<StatusWords>()),
        };
        context.check()?;
        Ok(GpuBackend {
            nonbonded,
            bonded,
            long_range,
            integrator,
            pack,
            dispersion: system.interactions.dispersion_correction.then(|| DispersionCorrection::new(system)),
            buffers,
            cell: None,
            fixed: Vec::new(),
            bound: None,
            n_slots,
            step: 0,
            steps_since_list: 0,
            queued: VecDeque::new(),
            submitted: VecDeque::new(),
            n_batches: 0,
            host: HostTimes::default(),
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
        };
        self.context.write(&self.buffers.status, &[status]);
    }

    /// The long-range buffer that holds what its sums need, and how much of it.
    fn long_range_sums(&self) -> (&wgpu::Buffer, usize) {
        match &self.long_range {
            LongRange::None => (&self.buffers.status, 0),
            LongRange::Ewald(direct) => (&direct.reported_structure, direct.structure_bytes()),
            LongRange::Mesh(mesh) => (&mesh.partials, mesh.partials_bytes()),
        }
    }

    /// The buffers that hold the sums of pairs, bonded terms and long-range forces, and how much of each.
    fn force_sums(&self) -> [(&wgpu::Buffer, usize); 3] {
        let bonded = self.bonded.as_ref().map_or((&self.buffers.status, 0), |b| (b.partials(), b.partials_bytes()));
        [(self.nonbonded.sums(), self.nonbonded.sums_bytes()), bonded, self.long_range_sums()]
    }

    /// Energies and virial (without constraints) from the sums of the device and the constants of the host.
    ///
    /// * `sums` – what [`Self::force_sums`] names
    fn energies(&self, cell: &Cell, [pair_partials, bonded, long_range_sums]: [&[u8]; 3]) -> (Energies, DMat3) {
        let topology = &self.system.topology;
        let pairs = PairSums::from_partials(&cast::<f32>(pair_partials));
        let bonded = Bonded::sums(&cast::<f32>(bonded));
        let reciprocal = match &self.long_range {
            LongRange::None => Contribution { energy: 0.0, virial: DMat3::ZERO },
            LongRange::Ewald(direct) => direct.sums(long_range_sums),
            LongRange::Mesh(mesh) => mesh.sums(&cast::<f32>(long_range_sums)),
        };
        let coefficients = self.system.pair_table.coefficients();
        let mut energies = Energies {
            lj: coefficients.iter().any(|k| k.c6 != 0.0 || k.c12 != 0.0).then_some(pairs.lj),
            lj_c4: coefficients.iter().any(|k| k.c4 != 0.0).then_some(pairs.lj_c4),
            cutoff_shift: pairs.cutoff_shift,
            ..Energies::default()
        };
        bonded.enter(topology, &mut energies);
        let mut virial = pairs.virial + bonded.virial + reciprocal.virial;
        if topology.charges.iter().any(|&q| q != 0.0) {
            match self.system.interactions.coulomb {
                Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                    let background = neutralizing_background(cell, topology.net_charge(), beta);
                    let own = ewald_self_energy(&topology.charges, beta);
                    energies.coulomb_real = Some(pairs.coulomb);
                    energies.coulomb_reciprocal = Some(reciprocal.energy + pairs.excluded + own + background.energy);
                    virial += background.virial;
                }
                Coulomb::ReactionField { epsilon } => {
                    let field = ReactionField::new(epsilon, self.system.interactions.cutoff);
                    let own = reaction_field_self_energy(&topology.charges, field);
                    energies.coulomb_real = Some(pairs.coulomb + pairs.excluded + own);
                }
                Coulomb::Cutoff => energies.coulomb_real = Some(pairs.coulomb),
            }
        }
        if let Some(correction) = &self.dispersion {
            energies.dispersion_correction = Some(correction.energy(cell));
            virial += DMat3::from_diagonal(DVec3::splat(correction.virial_trace(cell) / 3.0));
        }
        (energies, virial)
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

    /// Binds every pass to a list.
    ///
    /// * `origin` – positions it was built from; `None` for those on the device
    fn bind(&mut self, list: NeighborList, origin: Option<&[DVec3]>) -> Result<(), ForceError> {
        let clock = Instant::now();
        let NeighborList::FullClusters(list) = list else {
            return Err(ForceError::NoNeighbors);
        };
        let cell = self.cell.ok_or(ForceError::NoNeighbors)?;
        let type_ids = &self.system.topology.type_ids;
        let slots: Vec<[u32; 2]> = (list.clusters.order.iter())
            .map(|&atom| if atom == PADDING { [PADDING, 0] } else { [atom, type_ids[atom as usize]] })
            .collect();
        assert_eq!(slots.len(), self.n_slots as usize, "list and system hold the same atoms");
        let before = self.context.allocated();
        let b = &self.buffers;
        let slots = self.context.storage_of("slots", &slots);
        let origin_buffer = self.context.storage("origin", self.fixed.len() * 16);
        let device_list = DeviceList::upload(&self.context, &list);
        let shared = PairBuffers { cell: &b.cell, sorted: &b.sorted, slots: &slots, forces: &b.forces };
        let (pairs, pairs_with_sums) = self.nonbonded.dispatches(&self.context, &shared, &device_list);
        let state = BondedBuffers { cell: &b.cell, positions: &b.positions, forces: &b.forces };
        let bonded = self.bonded.as_ref().map(|bonded| bonded.dispatches(&self.context, &state));
        let long_range = match &self.long_range {
            LongRange::None => LongRangeDispatches::None,
            LongRange::Ewald(direct) => {
                let (plain, reported) = direct.dispatches(&self.context, &shared);
                LongRangeDispatches::Ewald(plain, reported)
            }
            LongRange::Mesh(mesh) => {
                LongRangeDispatches::Mesh(Box::new(mesh.dispatches(&self.context, &shared, &b.status)))
            }
        };
        let state = StateBuffers {
            cell: &b.cell,
            forces: &b.forces,
            positions: &b.positions,
            velocities: &b.velocities,
            sorted: &b.sorted,
            origin: &origin_buffer,
            status: &b.status,
        };
        let step = self.integrator.dispatches(&self.context, &state);
        let displacement = [0, 1].map(|k| self.integrator.displacement_since(&self.context, &state, &b.start[k]));
        let [pack, repack] = [0, 1].map(|k: usize| {
            let buffers: [&[&wgpu::Buffer]; 2] = [&[&slots, &b.charges], &[&b.positions, &b.sorted, &origin_buffer]];
            self.pack[k].dispatch(&self.context, buffers, self.n_slots.div_ceil(WORKGROUP))
        });
        match origin {
            None => self.submit_one(&pack),
            Some(origin) => {
                let origin: Vec<[i32; 4]> = (origin.iter())
                    .map(|&r| {
                        let [x, y, z] = FixedPosition::from_cartesian(&cell, r).wrapped();
                        [x, y, z, 0]
                    })
                    .collect();
                self.context.write(&origin_buffer, &origin);
                self.submit_one(&repack);
            }
        }
        self.steps_since_list = 0;
        let bytes = self.context.allocated() - before;
        self.bound = Some(Arc::new(Bound {
            pairs,
            pairs_with_sums,
            bonded,
            long_range,
            step,
            displacement,
            repack,
            origin: origin_buffer,
            bytes,
        }));
        self.host.list += clock.elapsed();
        self.context.check()
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
        NeighborKind::FullClusters
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
        self.fixed = state.positions.iter().map(|&r| FixedPosition::from_cartesian(&state.cell, r)).collect();
        let positions: Vec<[i32; 4]> = self
            .fixed
            .iter()
            .map(|fixed| {
                let [x, y, z] = fixed.wrapped();
                [x, y, z, 0]
            })
            .collect();
        let velocities: Vec<[f32; 4]> = (state.velocities.iter().zip(&topology.masses))
            .map(|(v, &m)| [v.x as f32, v.y as f32, v.z as f32, if m > 0.0 { (1.0 / m) as f32 } else { 0.0 }])
            .collect();
        self.context.write(&self.buffers.positions, &positions);
        self.context.write(&self.buffers.velocities, &velocities);
        if self.cell != Some(state.cell) {
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
            self.submit_one(&bound.repack);
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

    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        let (&cell, bound) = self.loaded()?;
        self.reset_status();
        let mut encoder = self.context.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            bound.force_dispatches(true, |d| d.encode(&mut pass));
        }
        let [pairs, bonded, long_range] = self.force_sums();
        let forces = (&self.buffers.forces, self.fixed.len() * 16);
        let status = (&self.buffers.status, size_of::<StatusWords>());
        let parts = self.context.submit_and_read(encoder, &[forces, status, pairs, bonded, long_range])?;
        let status: StatusWords = bytemuck::pod_read_unaligned(&parts[1]);
        if status.mesh_overflow != 0 {
            return Err(self.not_evaluated(None, OVERFLOW));
        }
        let forces: Vec<DVec3> = cast::<[f32; 4]>(&parts[0]).into_iter().map(wide).collect();
        let (energies, virial) = self.energies(&cell, [&parts[2], &parts[3], &parts[4]]);
        if let Some(atom) = forces.iter().position(|f| !f.is_finite()) {
            return Err(self.not_evaluated(Some(atom), "has a force that is not finite"));
        }
        if !energies.total().is_finite() {
            return Err(self.not_evaluated(None, "the potential energy is not finite"));
        }
        Ok(Evaluation { forces, energies, virial })
    }

    /// After a blow-up, positions and velocities are those before the step that failed.
    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        if chunk.n_steps == 0 {
            return Ok(ChunkReport::default());
        }
        assert!(self.submitted.is_empty(), "a chunk is taken alone when nothing else is queued");
        self.enqueue(Batch { chunks: vec![*chunk], wanted: Wanted::Sums })?;
        let done = self.take_oldest()?;
        Ok(done.and_then(|(_, report, _)| report.chunks.first().copied()).unwrap_or_default())
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

    /// All buffers, those of the current list included.
    fn device_memory(&self) -> Option<u64> {
        Some(self.own_bytes + self.bound.as_ref().map_or(0, |bound| bound.bytes))
    }
}
