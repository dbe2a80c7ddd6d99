//! The fast backend without a GPU: SIMD pair kernels in f32, threads, and a state in f64.
//!
//! Passes, each with its twin in `forces/reference`: `nonbonded` (with `kernel` written over `lanes`), `pme`
//! (with `fft`), `exclusions`, `bonded`, `external`, `electrode` (with `near`), `update`. It does not search neighbors, couple or decide when to report.
//!
//! **Determinism.** Work is cut into parts that depend on the system and the list alone, each part writes memory of its
//! own, and partial results are added in the order of the parts: the same bits on any number of threads. Nothing
//! computed in one step shows in the numbers of a later one, so a chunk is a function of state and list.

mod bonded;
mod cubic;
mod electrode;
mod exclusions;
mod external;
mod fft;
mod kernel;
mod lanes;
mod near;
mod nonbonded;
mod pme;
mod prune;
mod rational;
mod report;
mod simd;
mod smooth;
mod update;

pub use simd::SimdLevel;

use super::reference::blame::{AFTER_A_STEP, BEFORE_ANY_STEP, Scene};
use super::reference::frozen::FrozenVirial;
use super::reference::{self, Contribution, bonded::BondedSums, dispersion::DispersionCorrection, ewald::WaveVectors};
use super::{Backend, Batch, Chunk, ChunkReport, Energies, Evaluation, FirstStep, ForceError, NeighborKind};
use crate::neighbor::half::HalfList;
use crate::neighbor::{NeighborList, buffer};
use crate::potential::bspline::MAX_ORDER;
use crate::system::{Coulomb, PositionRestraint, State, System};
use crate::units::BOLTZMANN;
use electrode::{ConstantPotential, Near};
use exclusions::Exclusions;
use external::Field;
use glam::DVec3;
use nonbonded::Nonbonded;
use pme::Pme;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use update::{Atoms, Integrator, Reach, Step, StepSums};

/// Wall time by pass, summed over steps. `pair` and the mesh passes overlap, so they add up to more than the step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PassTimes {
    /// Charges of electrodes: the potentials at them, and the matrix.
    pub electrodes: Duration,
    pub positions: Duration,
    pub pair: Duration,
    pub mesh: Duration,
    /// Parts of `mesh`: splines, charges to planes and their spectra, transforms along a and back, interpolation.
    pub stencils: Duration,
    pub spread: Duration,
    pub solve: Duration,
    pub gather: Duration,
    /// Pair and mesh together.
    pub forces: Duration,
    pub reduce: Duration,
    pub update: Duration,
}

/// Steps that an inner list serves: pruning costs about a third of the pair forces of a step.
const PRUNE_EVERY: u64 = 5;
/// What single precision may lose of a radius, nm.
const ROUNDING: f64 = 1e-6;

/// One system on the processor's vector units and threads.
pub struct CpuBackend {
    pool: rayon::ThreadPool,
    engine: Engine,
    queue: VecDeque<Batch>,
}

/// Everything but the threads.
struct Engine {
    system: System,
    level: SimdLevel,
    nonbonded: Nonbonded,
    long_range: LongRange,
    exclusions: Exclusions,
    /// Made when a state is loaded.
    electrodes: Option<ConstantPotential>,
    /// The same.
    frozen: Option<FrozenVirial>,
    /// External terms of the present step; `None` where there are none.
    field: Option<Field>,
    /// Sorted by atom.
    restraints: Vec<PositionRestraint>,
    dispersion: Option<DispersionCorrection>,
    integrator: Integrator,
    state: Option<State>,
    /// Positions and velocities of the next step, swapped in when it has succeeded.
    next_positions: Vec<DVec3>,
    next_velocities: Vec<DVec3>,
    forces: Vec<DVec3>,
    /// Steps taken since the list was set.
    steps_since_list: u64,
    /// Radius (nm) of the inner lists that the present list is pruned to; known when the first step is.
    inner_radius: Option<f64>,
    /// Are there inner lists, and do they hold for the next step?
    pruned: bool,
    times: PassTimes,
}

/// What interactions within molecules, and restraints, sum to.
#[derive(Clone, Copy)]
struct WithinSums {
    excluded: Contribution,
    /// The virial of virtual sites included.
    bonded: BondedSums,
    /// kJ/mol
    restraint: f64,
}

impl WithinSums {
    const ZERO: WithinSums = WithinSums { excluded: Contribution::ZERO, bonded: BondedSums::ZERO, restraint: 0.0 };
}

enum LongRange {
    Mesh(Box<Pme>),
    /// Forces of the direct sum, `[n_atoms]`.
    Direct(WaveVectors, Vec<DVec3>),
    None,
}

impl CpuBackend {
    /// Prepares what depends on the system alone.
    ///
    /// * `threads` – `None` takes every core
    pub fn new(system: &System, threads: Option<usize>) -> Result<Self, ForceError> {
        Self::with_level(system, threads, SimdLevel::available()[0])
    }

    /// The same with a given instruction set, which must be one of [`SimdLevel::available`].
    pub fn with_level(system: &System, threads: Option<usize>, level: SimdLevel) -> Result<Self, ForceError> {
        if !SimdLevel::available().contains(&level) {
            let what = format!("this processor has no {} instructions; let the backend choose", level.name());
            return Err(ForceError::Unsupported { what, instead: "reference" });
        }
        let mut own = system.clone();
        if let Some(electrodes) = &system.external.electrodes {
            reference::electrode::check(system, electrodes)?;
            // they have what the electrolyte gives them
            electrodes.atoms().for_each(|atom| own.topology.charges[atom as usize] = 0.0);
        }
        let system = &own;
        let charges = &system.topology.charges;
        let long_range = match system.interactions.coulomb {
            Coulomb::Pme { beta, grid, order } => {
                if !(3..=MAX_ORDER).contains(&order) || grid.iter().any(|&n| n < order) {
                    return Err(reference::pme::Pme::impossible(order, grid));
                }
                LongRange::Mesh(Box::new(Pme::new(level, grid, order, beta, charges)))
            }
            Coulomb::Ewald { beta, n_max, n_sq_max } => {
                LongRange::Direct(WaveVectors { beta, n_max, n_sq_max }, vec![DVec3::ZERO; charges.len()])
            }
            Coulomb::ReactionField { .. } | Coulomb::Cutoff => LongRange::None,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.unwrap_or(0))
            .thread_name(|k| format!("hexaqua-cpu-{k}"))
            .build()
            .map_err(|e| {
                let what = format!("the threads do not start ({e}); ask for fewer");
                ForceError::Unsupported { what, instead: "reference" }
            })?;
        let n_atoms = system.topology.n_atoms();
        let dispersion = system.interactions.dispersion_correction.then(|| DispersionCorrection::new(system));
        let mut restraints = system.restraints.clone();
        restraints.sort_by_key(|r| r.atom);
        let engine = Engine {
            level,
            nonbonded: Nonbonded::new(level, system),
            long_range,
            exclusions: Exclusions::new(system),
            electrodes: None,
            frozen: None,
            field: None,
            restraints,
            dispersion,
            integrator: Integrator::new(&system.topology).with_piston(system.external.piston.as_ref()),
            state: None,
            next_positions: vec![DVec3::ZERO; n_atoms],
            next_velocities: vec![DVec3::ZERO; n_atoms],
            forces: vec![DVec3::ZERO; n_atoms],
            steps_since_list: 0,
            inner_radius: None,
            pruned: false,
            times: PassTimes::default(),
            system: own,
        };
        Ok(CpuBackend { pool, engine, queue: VecDeque::new() })
    }

    /// A half list of the loaded positions, searched with this backend's threads.
    ///
    /// * `radius` – nm
    pub fn build_neighbors(&self, radius: f64) -> Result<NeighborList, ForceError> {
        let state = self.engine.state.as_ref().ok_or(ForceError::NoNeighbors)?;
        let build = || HalfList::build(&self.engine.system, &state.positions, &state.cell, radius);
        Ok(NeighborList::HalfClusters(Arc::new(self.pool.install(build))))
    }

    /// Wall time by pass since the backend was made.
    pub fn pass_times(&self) -> PassTimes {
        self.engine.times
    }
}

impl Engine {
    fn loaded(&self) -> Result<(&State, &Arc<HalfList>), ForceError> {
        self.state.as_ref().zip(self.nonbonded.list()).ok_or(ForceError::NoNeighbors)
    }

    fn gather_positions(&mut self) -> Result<(), ForceError> {
        self.loaded()?;
        self.state.iter().for_each(|state| self.nonbonded.gather_positions(&state.positions));
        Ok(())
    }

    /// Pair and long-range forces of the current positions; energy and virial of the long-range part for a report.
    ///
    /// * `prune` – radius of new inner lists, nm; `None` keeps those there are
    /// * `all` – forces on electrode atoms, too, which do not move
    fn compute_forces(&mut self, report: bool, prune: Option<f64>, all: bool) -> Result<Contribution, ForceError> {
        let start = Instant::now();
        self.gather_positions()?;
        self.times.positions += start.elapsed();
        let start = Instant::now();
        self.relax_electrodes(prune.map_or(Near::Kept, Near::Pruned))?;
        self.times.electrodes += start.elapsed();
        let start = Instant::now();
        let Engine { nonbonded, long_range, state, system, times, electrodes, field, .. } = self;
        let state = state.as_ref().ok_or(ForceError::NoNeighbors)?;
        let charges = &system.topology.charges;
        *field = (!system.external.terms().is_empty()).then(|| {
            let dipole = system.external.slab_correction.then(|| external::dipole(&state.positions, charges));
            Field::new(&system.external, &state.cell, dipole.as_ref())
        });
        times.positions += start.elapsed();
        let start = Instant::now();
        let (pair, (sums, mesh)) = rayon::join(
            || {
                nonbonded.compute(report, prune);
                start.elapsed()
            },
            || {
                let sums = match (long_range, electrodes) {
                    (LongRange::Mesh(pme), None) => pme.compute(&state.cell, &state.positions, report),
                    (LongRange::Mesh(pme), Some(e)) => pme.compute_with_fixed(&state.cell, &e.charges, report, all),
                    (LongRange::Direct(waves, forces), _) => {
                        forces.fill(DVec3::ZERO);
                        reference::ewald::add_forces(&state.cell, &state.positions, charges, waves, forces)
                    }
                    (LongRange::None, _) => Contribution::ZERO,
                };
                (sums, start.elapsed())
            },
        );
        if let LongRange::Mesh(pme) = &self.long_range {
            let [stencils, spread, solve, gather] = pme.laps;
            times.stencils += stencils;
            times.spread += spread;
            times.solve += solve;
            times.gather += gather;
        }
        times.pair += pair;
        times.mesh += mesh;
        times.forces += start.elapsed();
        let start = Instant::now();
        nonbonded.reduce();
        times.reduce += start.elapsed();
        Ok(sums)
    }

    /// Gives electrode atoms the charges that the present configuration asks for, whose positions have been gathered.
    fn relax_electrodes(&mut self, near: Near) -> Result<(), ForceError> {
        let Engine { nonbonded, long_range, state, system, electrodes: Some(electrodes), .. } = self else {
            return Ok(());
        };
        let state = state.as_ref().ok_or(ForceError::NoNeighbors)?;
        let charges = &mut system.topology.charges;
        let atoms = Arc::clone(&electrodes.atoms);
        atoms.iter().for_each(|&atom| charges[atom] = 0.0);
        let others = system.external.slab_correction.then(|| external::dipole(&state.positions, charges));
        let (far, near) = rayon::join(
            || match long_range {
                LongRange::Mesh(pme) => pme.potentials_of_others(&state.cell, &state.positions),
                LongRange::Direct(waves, _) => {
                    let all = reference::ewald::potentials(&state.cell, &state.positions, charges, waves);
                    atoms.iter().map(|&atom| all[atom]).collect()
                }
                LongRange::None => vec![0.0; atoms.len()],
            },
            || electrodes.near_potentials(&*nonbonded, near, &state.positions, charges),
        );
        electrodes.set_charges(&far, &near, others.as_ref());
        for (&atom, &q) in atoms.iter().zip(&electrodes.charges) {
            charges[atom] = q;
            nonbonded.set_charge(atom, q);
        }
        Ok(())
    }

    /// Adds up the forces on every atom and, with a `step`, moves the atoms to `next_positions`, `next_velocities`.
    ///
    /// Returns what the molecules and the step sum to, in the order of the tasks.
    ///
    /// * `start` – `[n_atoms]`, nm: distances from here are reported; `None` stands for the positions of the list
    fn finish(
        &mut self,
        report: bool,
        step: Option<&Step>,
        start: Option<&[DVec3]>,
    ) -> Result<(WithinSums, StepSums, Reach), ForceError> {
        let Engine {
            nonbonded, long_range, exclusions, restraints, integrator, state, system, electrodes, field, ..
        } = self;
        let (external, charges, field) = (&system.external, &system.topology.charges, *field);
        // few: atoms that touch an electrode
        let mut shape = electrodes.as_ref().map_or(Vec::new(), |e| e.shape_forces(charges, step.is_none()));
        shape.sort_by_key(|(atom, _)| *atom);
        let state = state.as_ref().ok_or(ForceError::NoNeighbors)?;
        let list = nonbonded.list().ok_or(ForceError::NoNeighbors)?;
        let topology = &system.topology;
        let start = start.unwrap_or(&list.positions);
        let sums: Vec<(WithinSums, StepSums, Reach)> = integrator
            .tasks
            .par_iter()
            .zip(split_by_task(&integrator.tasks, &mut self.forces))
            .zip(
                split_by_task(&integrator.tasks, &mut self.next_positions)
                    .into_par_iter()
                    .zip(split_by_task(&integrator.tasks, &mut self.next_velocities)),
            )
            .map(|((task, forces), (positions, velocities))| {
                for (atom, force) in task.atoms.clone().zip(forces.iter_mut()) {
                    *force = nonbonded.force(list.slot_of[atom])
                        + match &*long_range {
                            LongRange::Mesh(pme) => pme.force(atom),
                            LongRange::Direct(_, forces) => forces[atom],
                            LongRange::None => DVec3::ZERO,
                        };
                    if let Some(field) = &field {
                        let (z, a) = (state.positions[atom].z, topology.type_ids[atom]);
                        force.z += field.force(external, z, charges[atom], a);
                    }
                }
                let from = |atom: usize| shape.partition_point(|(a, _)| (*a as usize) < atom);
                for (atom, force) in &shape[from(task.atoms.start)..from(task.atoms.end)] {
                    forces[*atom as usize - task.atoms.start] += *force;
                }
                let mut within = WithinSums::ZERO;
                for m in task.molecules.clone() {
                    let atoms = topology.atoms_of(m);
                    let local = atoms.start - task.atoms.start..atoms.end - task.atoms.start;
                    let index = topology.molecules[m].species;
                    let (cell, positions, forces) = (&state.cell, &state.positions[atoms], &mut forces[local]);
                    within.excluded.add(&exclusions.add(cell, index, positions, forces, report));
                    let species = &topology.species[index as usize];
                    if !(species.bonded.is_empty() && species.virtual_sites.is_empty()) {
                        let mut molecule = bonded::Molecule { cell, positions, forces };
                        molecule.add_bonded(species, &mut within.bonded);
                        within.bonded.virial += molecule.spread_sites(&species.virtual_sites);
                    }
                }
                let held = |atom: usize| restraints.partition_point(|r| (r.atom as usize) < atom);
                for restraint in &restraints[held(task.atoms.start)..held(task.atoms.end)] {
                    let atom = restraint.atom as usize;
                    let (energy, force) = reference::restraints::term(restraint, state.positions[atom]);
                    within.restraint += energy;
                    forces[atom - task.atoms.start] += force;
                }
                let mut reach = Reach::default();
                let moved = match step {
                    None => StepSums::ZERO,
                    Some(step) => {
                        let atoms = Atoms {
                            first: task.atoms.start,
                            old_positions: &state.positions[task.atoms.clone()],
                            old_velocities: &state.velocities[task.atoms.clone()],
                            forces,
                            positions,
                            velocities,
                        };
                        let sums = integrator.step(step, &state.cell, topology, task, atoms);
                        reach = Reach::of(positions, &start[task.atoms.clone()], &list.positions[task.atoms.clone()]);
                        sums
                    }
                };
                (within, moved, reach)
            })
            .collect();
        let mut total = (WithinSums::ZERO, StepSums::ZERO, Reach::default());
        for (within, moved, reach) in &sums {
            total.0.excluded.add(&within.excluded);
            total.0.bonded.add(&within.bonded);
            total.0.restraint += within.restraint;
            total.1.add(moved);
            total.2.add(reach);
        }
        if let Some(step) = step {
            let (old, listed) = (&state.velocities, &list.positions);
            let (positions, velocities) = (&mut self.next_positions, &mut self.next_velocities);
            let (sums, reach) = integrator.step_piston(step, old, &self.forces, start, listed, positions, velocities);
            total.1.add(&sums);
            total.2.add(&reach);
        }
        Ok(total)
    }

    /// Radius of new inner lists when this step of `dt` (ps) needs some.
    ///
    /// Their buffer is that of a list of [`PRUNE_EVERY`] steps at the temperature of the moment the list was set.
    fn prune_radius(&mut self, dt: f64, bath: Option<f64>) -> Result<Option<f64>, ForceError> {
        if self.pruned && !self.steps_since_list.is_multiple_of(PRUNE_EVERY) {
            return Ok(None);
        }
        let (state, list) = self.loaded()?;
        let radius = self.inner_radius.unwrap_or_else(|| {
            let topology = &self.system.topology;
            let n_free = topology.degrees_of_freedom(3).max(1) as f64;
            let measured = 2.0 * self.integrator.kinetic_energy(&state.velocities) / (n_free * BOLTZMANN);
            let temperature = measured.max(bath.unwrap_or(0.0)).max(buffer::COLDEST);
            let density = buffer::densest(&state.positions, &state.cell);
            let steps = PRUNE_EVERY as u32;
            let own = buffer::list_radius(&self.system, density, temperature, dt, steps, buffer::INNER_TOLERANCE);
            list.radius.min(own) + ROUNDING
        });
        self.inner_radius = Some(radius);
        self.pruned = true;
        Ok(Some(radius))
    }

    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        self.loaded()?;
        self.pruned = false;
        let reciprocal = self.compute_forces(true, Some(self.system.interactions.cutoff + ROUNDING), true)?;
        let (within, ..) = self.finish(true, None, None)?;
        let (state, _) = self.loaded()?;
        let (energies, virial) = self.energies(&state.cell, reciprocal, &within);
        self.check_forces(state.step, BEFORE_ANY_STEP)?;
        self.check_energy(state.step, &energies, BEFORE_ANY_STEP)?;
        Ok(Evaluation { forces: self.forces.clone(), energies, virial })
    }

    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        let (state, list) = self.loaded()?;
        let from_list = self.steps_since_list == 0 && state.positions == list.positions;
        let start_positions = (!from_list).then(|| state.positions.clone());
        let mut farthest_sq = 0.0f64;
        if chunk.remove_com
            && let Some(state) = &mut self.state
        {
            self.integrator.remove_com_velocity(&mut state.velocities);
        }
        let csvr = match &chunk.csvr {
            Some(draw) => draw.factor(self.integrator.kinetic_energy(&self.loaded()?.0.velocities)),
            None => 1.0,
        };
        let velocity_scale = chunk.velocity_scale * csvr;
        let mut report = ChunkReport { velocity_scale, ..ChunkReport::default() };
        for k in 0..u64::from(chunk.n_steps) {
            let number = chunk.first_step + k;
            let first = k == 0 && chunk.report;
            let step = Step {
                number,
                dt: chunk.dt,
                velocity_scale: if k == 0 { velocity_scale } else { 1.0 },
                langevin: chunk.langevin,
                piston_bath: chunk.piston_bath,
                report: first,
            };
            let prune = self.prune_radius(chunk.dt, chunk.langevin.map(|bath| bath.temperature))?;
            let reciprocal = self.compute_forces(first, prune, false)?;
            let start = Instant::now();
            let (within, sums, reach) = self.finish(first, Some(&step), start_positions.as_deref())?;
            self.check_step(number, chunk.max_displacement, &reach)?;
            farthest_sq = farthest_sq.max(reach.from_start_sq);
            let (state, _) = self.loaded()?;
            report.bath_heat += sums.bath_heat;
            if first {
                let (energies, virial) = self.energies(&state.cell, reciprocal, &within);
                self.check_energy(number, &energies, AFTER_A_STEP)?;
                report.first = Some(FirstStep {
                    energies,
                    virial: virial + sums.constraint_virial,
                    kinetic_before: sums.kinetic_before,
                    kinetic_after: sums.kinetic_after,
                    kick: sums.kick,
                    kinetic_tensor: sums.kinetic_tensor,
                });
            }
            if let Some(state) = &mut self.state {
                std::mem::swap(&mut state.positions, &mut self.next_positions);
                std::mem::swap(&mut state.velocities, &mut self.next_velocities);
                state.step = number + 1;
            }
            self.steps_since_list += 1;
            self.times.update += start.elapsed();
        }
        report.max_displacement = farthest_sq.sqrt();
        report.kinetic_end = self.integrator.kinetic_energy(&self.loaded()?.0.velocities);
        Ok(report)
    }

    fn scene(&self, step: u64, remedy: &'static str) -> Result<Scene<'_>, ForceError> {
        let (state, _) = self.loaded()?;
        Ok(Scene { system: &self.system, cell: &state.cell, positions: &state.positions, step, remedy })
    }

    fn check_forces(&self, step: u64, remedy: &'static str) -> Result<(), ForceError> {
        let (state, list) = self.loaded()?;
        if let Some(atom) = state.positions.iter().position(|r| !r.is_finite()) {
            let last_good = Scene { positions: &list.positions, ..self.scene(step, remedy)? };
            return Err(last_good.blow_up(atom, "has a position that is not finite"));
        }
        match self.forces.iter().position(|f| !f.is_finite()) {
            Some(atom) => Err(self.scene(step, remedy)?.blow_up(atom, "has a force that is not finite")),
            None => Ok(()),
        }
    }

    fn check_energy(&self, step: u64, energies: &Energies, remedy: &'static str) -> Result<(), ForceError> {
        if energies.total().is_finite() {
            return Ok(());
        }
        Err(self.scene(step, remedy)?.blow_up_somewhere("the potential energy is not finite"))
    }

    /// Refuses the step just taken if an atom moved farther than `max_displacement` (nm) or to no place at all.
    fn check_step(&self, step: u64, max_displacement: f64, reach: &Reach) -> Result<(), ForceError> {
        // written so that NaN is caught as well
        if reach.from_list_sq <= max_displacement * max_displacement {
            return Ok(());
        }
        let (_, list) = self.loaded()?;
        self.check_forces(step, AFTER_A_STEP)?;
        let distance = |atom: usize| (self.next_positions[atom] - list.positions[atom]).length();
        let rank = |atom: usize| if distance(atom).is_finite() { distance(atom) } else { f64::INFINITY };
        let atom = (1..list.positions.len()).fold(0, |most, atom| if rank(atom) > rank(most) { atom } else { most });
        let n_steps = self.steps_since_list + 1;
        Err(self.scene(step, AFTER_A_STEP)?.runaway(atom, distance(atom), n_steps, max_displacement))
    }
}

/// The consecutive pieces of a per-atom array that the tasks own.
fn split_by_task<'a>(tasks: &[update::Task], mut rest: &'a mut [DVec3]) -> Vec<&'a mut [DVec3]> {
    let mut parts = Vec::with_capacity(tasks.len());
    for task in tasks {
        let (part, tail) = rest.split_at_mut(task.atoms.len());
        parts.push(part);
        rest = tail;
    }
    parts
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn device(&self) -> String {
        let n = self.pool.current_num_threads();
        format!("{} on {n} thread{}", self.engine.level.name(), if n == 1 { "" } else { "s" })
    }

    fn neighbor_kind(&self) -> NeighborKind {
        NeighborKind::HalfClusters
    }

    fn load(&mut self, state: &State) -> Result<(), ForceError> {
        assert_eq!(
            state.n_atoms(),
            self.engine.system.topology.n_atoms(),
            "state and topology describe the same atoms"
        );
        let mut own = state.clone();
        reference::virtual_sites::construct(&self.engine.system.topology, &own.cell, &mut own.positions);
        let CpuBackend { pool, engine, .. } = self;
        let stays = engine.electrodes.as_ref().is_some_and(|e| e.is_made_for(&own.cell, &own.positions));
        if !stays {
            let make = || ConstantPotential::new(engine.level, &engine.system, &own.cell, &own.positions);
            engine.electrodes = pool.install(make)?;
            if let (Some(made), LongRange::Mesh(pme)) = (&engine.electrodes, &mut engine.long_range) {
                let atoms: Vec<u32> = made.sites.iter().map(|site| site.atom as u32).collect();
                pme.set_fixed(&atoms, &own.cell, &own.positions);
            }
        }
        if !engine.frozen.as_ref().is_some_and(|frozen| frozen.is_made_for(&own.cell, &own.positions)) {
            engine.frozen = FrozenVirial::new(&engine.system, &own.cell, &own.positions);
        }
        engine.integrator.prepare(&engine.system, &own.cell);
        engine.state = Some(own);
        engine.pruned = false;
        Ok(())
    }

    fn store(&mut self, state: &mut State) -> Result<(), ForceError> {
        let own = self.engine.state.as_ref().ok_or(ForceError::NoNeighbors)?;
        state.cell = own.cell;
        state.positions.clone_from(&own.positions);
        state.velocities.clone_from(&own.velocities);
        Ok(())
    }

    fn forget_neighbors(&mut self) {
        self.engine.nonbonded.forget_list();
        self.engine.electrodes.iter_mut().for_each(ConstantPotential::forget_list);
    }

    fn set_neighbors(&mut self, list: NeighborList) -> Result<(), ForceError> {
        match list {
            NeighborList::HalfClusters(list) if list.positions.len() == self.engine.forces.len() => {
                let CpuBackend { pool, engine, .. } = self;
                (engine.steps_since_list, engine.inner_radius, engine.pruned) = (0, None, false);
                pool.install(|| {
                    if let Some(electrodes) = &mut engine.electrodes {
                        electrodes.set_list(list.clone(), &engine.system.topology.charges);
                    }
                    engine.nonbonded.set_list(list);
                });
                Ok(())
            }
            _ => Err(ForceError::NoNeighbors),
        }
    }

    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        let CpuBackend { pool, engine, .. } = self;
        pool.install(|| engine.evaluate())
    }

    fn charges(&mut self) -> Result<Option<Vec<f64>>, ForceError> {
        let CpuBackend { pool, engine, .. } = self;
        if engine.electrodes.is_none() {
            return Ok(None);
        }
        pool.install(|| {
            engine.gather_positions()?;
            engine.relax_electrodes(Near::Whole)
        })?;
        Ok(Some(engine.system.topology.charges.clone()))
    }

    /// After an error, positions and velocities are those before the step that failed.
    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        let CpuBackend { pool, engine, .. } = self;
        pool.install(|| engine.advance(chunk))
    }

    fn queue(&mut self) -> &mut VecDeque<Batch> {
        &mut self.queue
    }

    fn time_by_pass(&self) -> Vec<(&'static str, Duration)> {
        let t = self.pass_times();
        vec![
            ("electrodes", t.electrodes),
            ("positions", t.positions),
            ("pair", t.pair),
            ("mesh", t.mesh),
            ("mesh_stencils", t.stencils),
            ("mesh_spread", t.spread),
            ("mesh_solve", t.solve),
            ("mesh_gather", t.gather),
            ("pair_and_mesh", t.forces),
            ("reduce", t.reduce),
            ("update", t.update),
        ]
    }
}
