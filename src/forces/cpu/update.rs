//! One time step of a range of molecules in f64: leap-frog or the Langevin middle scheme, with rigid water,
//! constrained distances and virtual sites.
//!
//! Twin: `forces/reference/integrate.rs`, whose conventions (order of operations, constraint virial, bath heat) hold
//! here; molecules are independent, so threads take ranges of them. Knows slices; not where forces come from.

use super::bonded::place_sites;
use crate::cell::Cell;
use crate::forces::LangevinStep;
use crate::forces::reference::{constraints::Constraints, outer, piston::Body, settle::Settle};
use crate::random::{Stream, block, normals};
use crate::system::external::Piston;
use crate::system::{System, Topology};
use crate::units::BOLTZMANN;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::ops::Range;

/// Atoms per task, rounded up to whole molecules; fixed, so that sums do not depend on the number of threads.
const ATOMS_PER_TASK: usize = 96;

/// What one step needs to know besides the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Counter of the noise.
    pub number: u64,
    /// ps
    pub dt: f64,
    /// Factor on the velocities before the kick.
    pub velocity_scale: f64,
    pub langevin: Option<LangevinStep>,
    /// Of a piston.
    pub piston_bath: Option<LangevinStep>,
    /// Add up what a report needs.
    pub report: bool,
}

/// The farthest that atoms have come, nm²; NaN if one is nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    pub from_start_sq: f64,
    pub from_list_sq: f64,
}

impl Reach {
    pub fn of(positions: &[DVec3], start: &[DVec3], listed: &[DVec3]) -> Self {
        let mut reach = Reach::default();
        for ((new, start), listed) in positions.iter().zip(start).zip(listed) {
            reach.add(&Reach {
                from_start_sq: (*new - *start).length_squared(),
                from_list_sq: (*new - *listed).length_squared(),
            });
        }
        reach
    }

    pub fn add(&mut self, other: &Reach) {
        // `max` would drop a NaN
        let farther = |a: f64, b: f64| if b <= a || a.is_nan() { a } else { b };
        self.from_start_sq = farther(self.from_start_sq, other.from_start_sq);
        self.from_list_sq = farther(self.from_list_sq, other.from_list_sq);
    }
}

/// Sums over one step of a range of molecules, kJ/mol.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepSums {
    pub kinetic_before: f64,
    pub kinetic_after: f64,
    pub kick: f64,
    /// Σ ½ m v ⊗ v, mean of before the step (scaled) and after
    pub kinetic_tensor: DMat3,
    pub constraint_virial: DMat3,
    pub bath_heat: f64,
}

impl StepSums {
    pub const ZERO: StepSums = StepSums {
        kinetic_before: 0.0,
        kinetic_after: 0.0,
        kick: 0.0,
        kinetic_tensor: DMat3::ZERO,
        constraint_virial: DMat3::ZERO,
        bath_heat: 0.0,
    };

    pub fn add(&mut self, other: &StepSums) {
        self.kinetic_before += other.kinetic_before;
        self.kinetic_after += other.kinetic_after;
        self.kick += other.kick;
        self.kinetic_tensor += other.kinetic_tensor;
        self.constraint_virial += other.constraint_virial;
        self.bath_heat += other.bath_heat;
    }
}

/// Molecules that one task moves, and their atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub molecules: Range<usize>,
    pub atoms: Range<usize>,
}

/// Positions before the step, and what the step overwrites, of the atoms of one task.
pub(super) struct Atoms<'a> {
    /// Index of the first atom.
    pub first: usize,
    pub old_positions: &'a [DVec3],
    pub old_velocities: &'a [DVec3],
    pub forces: &'a [DVec3],
    pub positions: &'a mut [DVec3],
    pub velocities: &'a mut [DVec3],
}

/// Masses and constraint groups.
#[derive(Debug, Clone)]
pub(super) struct Integrator {
    pub masses: Vec<f64>,
    inv_masses: Vec<f64>,
    /// By species: geometry of a rigid water.
    rigid: Vec<Option<Settle>>,
    /// By species: constrained distances of other molecules.
    constraints: Vec<Option<Constraints>>,
    /// Frozen atoms that move together, when all tasks are done.
    piston: Option<Body>,
    pub tasks: Vec<Task>,
}

impl Integrator {
    pub fn new(topology: &Topology) -> Self {
        let masses = topology.masses.clone();
        let mobile = |i: usize| masses[i] > 0.0 && !topology.frozen[i];
        let inv_masses = (0..masses.len()).map(|i| if mobile(i) { 1.0 / masses[i] } else { 0.0 }).collect();
        let constraints = topology.species.iter().map(Constraints::new).collect();
        let rigid = topology
            .species
            .iter()
            .map(|s| s.rigid_water.map(|g| Settle::new(s.atoms[0].mass, s.atoms[1].mass, g.d_oh, g.d_hh)))
            .collect();
        let mut tasks: Vec<Task> = Vec::new();
        let (mut molecule, mut atom) = (0, 0);
        for m in 0..topology.molecules.len() {
            let end = topology.atoms_of(m).end;
            if end - atom >= ATOMS_PER_TASK || m + 1 == topology.molecules.len() {
                tasks.push(Task { molecules: molecule..m + 1, atoms: atom..end });
                (molecule, atom) = (m + 1, end);
            }
        }
        Integrator { masses, inv_masses, rigid, constraints, piston: None, tasks }
    }

    /// The same with a slab that moves.
    pub fn with_piston(mut self, piston: Option<&Piston>) -> Self {
        self.piston = piston.map(|piston| Body::new(piston, &self.masses));
        self
    }

    pub fn piston(&self) -> Option<&Body> {
        self.piston.as_ref()
    }

    /// What depends on the cell.
    pub fn prepare(&mut self, system: &System, cell: &Cell) {
        self.piston.iter_mut().for_each(|body| body.prepare(system, cell));
    }

    /// Moves a piston, after the tasks.
    ///
    /// * `old_velocities`, `forces` – `[n_atoms]`, before the step
    /// * `positions`, `velocities` – `[n_atoms]`, where frozen atoms stand as before the step
    /// * `start`, `listed` – `[n_atoms]`, as for [`Reach::of`]
    #[expect(clippy::too_many_arguments, reason = "the arrays of a step, each once")]
    pub fn step_piston(
        &self,
        step: &Step,
        old_velocities: &[DVec3],
        forces: &[DVec3],
        start: &[DVec3],
        listed: &[DVec3],
        positions: &mut [DVec3],
        velocities: &mut [DVec3],
    ) -> (StepSums, Reach) {
        let Some(body) = &self.piston else { return (StepSums::ZERO, Reach::default()) };
        let first = body.piston.first();
        let (force, _) = body.force(positions[first].z, forces);
        let before = step.velocity_scale * old_velocities[first].z;
        let motion = body.step(step.number, step.dt, step.piston_bath.as_ref(), before, force);
        body.apply(&motion, positions, velocities);
        let one = first..first + 1;
        let reach = Reach::of(&positions[one.clone()], &start[one.clone()], &listed[one]);
        let mut sums = StepSums { bath_heat: motion.bath_heat, ..StepSums::ZERO };
        if step.report {
            sums.kinetic_before = body.kinetic_energy(old_velocities[first].z);
            sums.kinetic_after = body.kinetic_energy(motion.velocity);
            sums.kick = body.kinetic_energy(motion.velocity - motion.before);
            sums.kinetic_tensor = body.kinetic_tensor(&motion);
        }
        (sums, reach)
    }

    /// Σ ½ m v², kJ/mol, task by task.
    pub fn kinetic_energy(&self, velocities: &[DVec3]) -> f64 {
        let of = |t: &Task| -> f64 {
            t.atoms.clone().map(|i| 0.5 * self.masses[i] * velocities[i].length_squared()).sum::<f64>()
        };
        self.tasks.par_iter().map(of).collect::<Vec<f64>>().iter().sum()
    }

    /// Subtracts the velocity of the centre of mass of the atoms that move.
    pub fn remove_com_velocity(&self, velocities: &mut [DVec3]) {
        let moves = |i: &usize| self.inv_masses[*i] > 0.0;
        let all = 0..velocities.len();
        let momentum: DVec3 = all.clone().filter(moves).map(|i| self.masses[i] * velocities[i]).sum();
        let mass: f64 = all.clone().filter(moves).map(|i| self.masses[i]).sum();
        for i in all.filter(moves) {
            velocities[i] -= momentum / mass;
        }
    }

    /// Takes one step of a task's molecules.
    pub fn step(&self, step: &Step, cell: &Cell, topology: &Topology, task: &Task, mut atoms: Atoms) -> StepSums {
        let mut sums = StepSums::ZERO;
        for m in task.molecules.clone() {
            let own = topology.atoms_of(m);
            let own = own.start - atoms.first..own.end - atoms.first;
            let s = topology.molecules[m].species as usize;
            let sites = &topology.species[s].virtual_sites;
            match (&self.rigid[s], &self.constraints[s]) {
                _ if topology.frozen[atoms.first + own.start]
                    && (self.rigid[s].is_some() || self.constraints[s].is_some()) =>
                {
                    for i in own.clone() {
                        (atoms.positions[i], atoms.velocities[i]) = (atoms.old_positions[i], DVec3::ZERO);
                    }
                }
                (Some(settle), _) => self.step_water(step, cell, settle, own.start, &mut atoms, &mut sums),
                (None, Some(constraints)) => {
                    self.step_constrained(step, cell, constraints, own.clone(), &mut atoms, &mut sums);
                }
                (None, None) => {
                    for i in own.clone() {
                        self.step_atom(step, i, &mut atoms, &mut sums);
                    }
                }
            }
            if !sites.is_empty() {
                place_sites(sites, cell, &mut atoms.positions[own.clone()]);
                for site in sites {
                    atoms.velocities[own.start + site.site as usize] = DVec3::ZERO;
                }
            }
        }
        if step.report {
            let is_alone = |i: &usize| self.piston.as_ref().is_none_or(|body| !body.owns(*i));
            for (k, i) in task.atoms.clone().enumerate().filter(|(_, i)| is_alone(i)) {
                let (before, after) = (atoms.old_velocities[k], atoms.velocities[k]);
                let scaled = step.velocity_scale * before;
                let half_mass = 0.5 * self.masses[i];
                sums.kinetic_before += half_mass * before.length_squared();
                sums.kinetic_after += half_mass * after.length_squared();
                sums.kick += half_mass * (after - scaled).length_squared();
                sums.kinetic_tensor += (outer(scaled, scaled) + outer(after, after)) * (0.5 * half_mass);
            }
        }
        sums
    }

    /// v after scaling and kick.
    #[inline]
    fn kicked(&self, step: &Step, i: usize, atoms: &Atoms) -> DVec3 {
        let inv_mass = self.inv_masses[atoms.first + i];
        if inv_mass == 0.0 {
            return DVec3::ZERO;
        }
        step.velocity_scale * atoms.old_velocities[i] + step.dt * inv_mass * atoms.forces[i]
    }

    /// Friction and noise.
    #[inline]
    fn bathed(&self, bath: &LangevinStep, step: &Step, atom: usize, v: DVec3) -> DVec3 {
        let decay = (-bath.friction * step.dt).exp();
        let noise = BOLTZMANN * bath.temperature * (1.0 - decay * decay);
        let [x, y, z, _] = normals(block(bath.seed, Stream::Langevin, step.number, atom as u32));
        decay * v + (noise * self.inv_masses[atom]).sqrt() * DVec3::new(x, y, z)
    }

    fn step_atom(&self, step: &Step, i: usize, atoms: &mut Atoms, sums: &mut StepSums) {
        let kicked = self.kicked(step, i, atoms);
        let r = atoms.old_positions[i];
        let atom = atoms.first + i;
        (atoms.positions[i], atoms.velocities[i]) = match &step.langevin {
            None => (r + step.dt * kicked, kicked),
            Some(bath) => {
                let v = self.bathed(bath, step, atom, kicked);
                sums.bath_heat += 0.5 * self.masses[atom] * (v.length_squared() - kicked.length_squared());
                (r + 0.5 * step.dt * (kicked + v), v)
            }
        };
    }

    /// A molecule with distance constraints: the atoms `own` of the task.
    fn step_constrained(
        &self,
        step: &Step,
        cell: &Cell,
        constraints: &Constraints,
        own: Range<usize>,
        atoms: &mut Atoms,
        sums: &mut StepSums,
    ) {
        let dt = step.dt;
        let old = &atoms.old_positions[own.clone()];
        let mut v: Vec<DVec3> = own.clone().map(|i| self.kicked(step, i, atoms)).collect();
        let mut new: Vec<DVec3>;
        match &step.langevin {
            None => new = old.iter().zip(&v).map(|(r, v)| *r + dt * *v).collect(),
            Some(bath) => {
                let impulses = constraints.project_velocities(cell, old, &mut v);
                if step.report {
                    sums.constraint_virial += impulses * (1.0 / dt);
                }
                let projected = v.clone();
                for (i, v) in own.clone().zip(&mut v) {
                    *v = self.bathed(bath, step, atoms.first + i, *v);
                }
                constraints.project_velocities(cell, old, &mut v);
                for (i, (a, b)) in own.clone().zip(v.iter().zip(&projected)) {
                    let half_mass = 0.5 * self.masses[atoms.first + i];
                    sums.bath_heat += half_mass * (a.length_squared() - b.length_squared());
                }
                new = old.iter().zip(v.iter().zip(&projected)).map(|(r, (a, b))| *r + 0.5 * dt * (*a + *b)).collect();
            }
        }
        let unconstrained = new.clone();
        let sum = constraints.constrain_positions(cell, old, &mut new);
        if step.report {
            sums.constraint_virial += sum * (1.0 / (dt * dt));
        }
        for (k, i) in own.enumerate() {
            atoms.positions[i] = new[k];
            atoms.velocities[i] = v[k] + (new[k] - unconstrained[k]) / dt;
        }
    }

    fn step_water(&self, step: &Step, cell: &Cell, settle: &Settle, o: usize, atoms: &mut Atoms, sums: &mut StepSums) {
        let dt = step.dt;
        let r = [atoms.old_positions[o], atoms.old_positions[o + 1], atoms.old_positions[o + 2]];
        let masses = [settle.mass_o, settle.mass_h, settle.mass_h];
        // hydrogens at the image nearest to their oxygen
        let bond = |h: DVec3| {
            let d = h - r[0];
            if d.length_squared() < 1.5 * settle.d_oh * settle.d_oh { d } else { cell.minimum_image(d) }
        };
        let old = [r[0], r[0] + bond(r[1]), r[0] + bond(r[2])];
        let kicked = [0, 1, 2].map(|k| self.kicked(step, o + k, atoms));
        let mut v = kicked;
        // velocity changes by constraints, without those that answer the bath
        let mut constrained = [DVec3::ZERO; 3];
        let unconstrained = match &step.langevin {
            None => [0, 1, 2].map(|k| old[k] + dt * v[k]),
            Some(bath) => {
                v = settle.project_velocities(old, kicked);
                let projected = v;
                let bathed = [0, 1, 2].map(|k| self.bathed(bath, step, atoms.first + o + k, v[k]));
                v = settle.project_velocities(old, bathed);
                for k in 0..3 {
                    constrained[k] = projected[k] - kicked[k];
                    sums.bath_heat += 0.5 * masses[k] * (v[k].length_squared() - projected[k].length_squared());
                }
                [0, 1, 2].map(|k| old[k] + 0.5 * dt * (projected[k] + v[k]))
            }
        };
        let new = settle.constrain_positions(old, unconstrained);
        for k in 0..3 {
            let correction = (new[k] - unconstrained[k]) / dt;
            atoms.positions[o + k] = r[k] + (new[k] - old[k]);
            atoms.velocities[o + k] = v[k] + correction;
            if step.report {
                constrained[k] += correction;
                sums.constraint_virial += outer(old[k] - old[0], masses[k] / dt * constrained[k]);
            }
        }
    }
}
