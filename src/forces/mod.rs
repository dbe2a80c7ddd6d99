//! Forces and time steps: the seam between the engine and what executes it.
//!
//! A [`Backend`] holds one system. It can `evaluate` a fixed configuration and `advance` it by a chunk of steps with
//! everything resident; `enqueue` and `collect` do the same for several chunks at a time, without waiting where there is a
//! device. It never decides when to search neighbors, couple or write: `dynamics::engine` does.
//!
//! * [`reference`] – plain f64, readable: the oracle. Runs every input.
//! * [`cpu`] – f32 pair kernels, threads.
//! * [`gpu`] – WGSL through wgpu; the only module that names `wgpu`.

pub mod cpu;
pub mod gpu;
pub mod overlaps;
pub mod reference;
pub mod response;

use crate::neighbor::NeighborList;
use crate::system::external::MOST_ELECTRODES;
use crate::system::{External, State};
use glam::{DMat3, DVec3};
use std::collections::VecDeque;
use std::time::Duration;

/// What can go wrong while forces are computed or steps are taken.
#[derive(Debug, thiserror::Error)]
pub enum ForceError {
    #[error("no usable GPU adapter: {0}")]
    NoAdapter(String),
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// Out of memory, a driver that rejects a shader, or a broken invariant of ours.
    #[error("the device reported an error: {0}")]
    Device(String),
    /// Another backend can: `what` is missing here, with a remedy that keeps this one if there is any; `instead` is the
    /// name of the other.
    #[error("this backend cannot run the input: {what}; or use --backend {instead}")]
    Unsupported { what: String, instead: &'static str },
    /// No backend can; the text says what to change.
    #[error("no backend can run the input: {0}")]
    Impossible(String),
    #[error("the neighbor list is missing; call set_neighbors before evaluating")]
    NoNeighbors,
    /// A force, energy or coordinate is not finite, or an atom moved absurdly far. `detail` names the atom, its largest
    /// force term and a remedy: see [`reference::blame`].
    #[error("step {step}: {detail}")]
    BlowUp { step: u64, atom: Option<usize>, detail: String },
}

/// Charge of every electrode, e.
///
/// * `charges` – `[n_atoms]`, e
pub fn electrode_charges(external: &External, charges: &[f64]) -> [f64; MOST_ELECTRODES] {
    let mut sums = [0.0; MOST_ELECTRODES];
    let electrodes = external.electrodes.iter().flat_map(|e| &e.electrodes);
    for (sum, electrode) in sums.iter_mut().zip(electrodes) {
        *sum = electrode.atoms.iter().map(|&i| charges[i as usize]).sum();
    }
    sums
}

/// Energies by term, kJ/mol. A term that does not exist in the system is `None` and left out of reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Energies {
    pub bond: Option<f64>,
    pub angle: Option<f64>,
    /// 1-3 distance part of Urey-Bradley angles; their angle part is in `angle`
    pub urey_bradley: Option<f64>,
    /// Periodic and Ryckaert-Bellemans
    pub dihedral: Option<f64>,
    /// Harmonic and periodic impropers
    pub improper: Option<f64>,
    /// 12-6 part
    pub lj: Option<f64>,
    /// −c4/r⁴ part
    pub lj_c4: Option<f64>,
    pub lj_14: Option<f64>,
    pub dispersion_correction: Option<f64>,
    pub coulomb_real: Option<f64>,
    /// Reciprocal sum with the self, excluded-pair and charged-cell corrections.
    pub coulomb_reciprocal: Option<f64>,
    pub coulomb_14: Option<f64>,
    /// Dipole term of slab geometry
    pub slab_correction: Option<f64>,
    pub wall: Option<f64>,
    pub external_field: Option<f64>,
    /// Self-energy of electrode charges and the work of the source that holds their potential
    pub electrode: Option<f64>,
    /// Position restraints
    pub restraint: Option<f64>,
    /// P A times the gap that a piston closes
    pub piston: Option<f64>,
    /// Not an energy: charge of every electrode in the order of the system, e; zero behind the last.
    pub electrode_charges: [f64; MOST_ELECTRODES],
    /// Not an energy: potential of every electrode, held or found, see [`crate::system::external::Electrodes::potentials`], kJ mol⁻¹ e⁻¹.
    pub electrode_potentials: [f64; MOST_ELECTRODES],
    /// Not an energy: Σ q z of all charges, e nm; with electrodes.
    pub dipole_z: Option<f64>,
    /// Not energies: where a piston is and what it feels.
    pub piston_reading: Option<PistonReading>,
    /// Σ of the pair potentials at the cutoff over the pairs inside it. Not part of the total: the conserved quantity
    /// subtracts it, because unshifted energies jump when a pair crosses the cutoff.
    pub cutoff_shift: f64,
}

impl Energies {
    /// Term names as they appear in reports, with their values; absent terms are left out.
    pub fn terms(&self) -> Vec<(&'static str, f64)> {
        [
            ("bond", self.bond),
            ("angle", self.angle),
            ("urey_bradley", self.urey_bradley),
            ("dihedral", self.dihedral),
            ("improper", self.improper),
            ("lj", self.lj),
            ("lj_14", self.lj_14),
            ("lj_c4", self.lj_c4),
            ("dispersion_correction", self.dispersion_correction),
            ("coulomb_real", self.coulomb_real),
            ("coulomb_reciprocal", self.coulomb_reciprocal),
            ("coulomb_14", self.coulomb_14),
            ("slab_correction", self.slab_correction),
            ("wall", self.wall),
            ("external_field", self.external_field),
            ("electrode", self.electrode),
            ("restraint", self.restraint),
            ("piston", self.piston),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|v| (name, v)))
        .collect()
    }

    /// Potential energy, kJ/mol.
    pub fn total(&self) -> f64 {
        self.terms().iter().map(|(_, v)| v).sum()
    }

    /// Coulomb energy, kJ/mol: the sum that does not depend on how Ewald splits it.
    pub fn coulomb(&self) -> f64 {
        self.coulomb_real.unwrap_or(0.0) + self.coulomb_reciprocal.unwrap_or(0.0)
    }
}

/// A piston in one configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PistonReading {
    /// nm
    pub gap: f64,
    /// Of all other atoms on the slab per area, away from the liquid, kJ mol⁻¹ nm⁻³: its mean is the pressure.
    pub pressure: f64,
}

/// Forces, energies and virial of one configuration.
///
/// There is no `Default`: glam's default matrix is the identity, not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// `[n_atoms]`, kJ/mol/nm, without constraint forces
    pub forces: Vec<DVec3>,
    pub energies: Energies,
    /// W = Σ r ⊗ F over interactions, kJ/mol, without constraints (the dispersion correction's part included)
    pub virial: DMat3,
}

/// Langevin middle scheme: v ← e^{−γ dt} v + √(kT/m (1 − e^{−2γ dt})) ξ between two half drifts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LangevinStep {
    /// K
    pub temperature: f64,
    /// ps⁻¹
    pub friction: f64,
    /// Key of the counter-based noise (seed); the counter is (step, atom).
    pub seed: u64,
}

/// Steps to take with everything resident.
///
/// Leap-frog: for each step n the backend computes f(x_n), then v(n+½) = s·v(n−½) + dt f/m, x(n+1) = x(n) + dt v(n+½)
/// with constraints. `velocity_scale` s applies to the first step of the chunk only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chunk {
    /// Step number n of the first force evaluation.
    pub first_step: u64,
    pub n_steps: u32,
    /// ps
    pub dt: f64,
    /// Factor on the velocities at the start of the chunk that the host chose; 1 = none.
    pub velocity_scale: f64,
    /// A further factor, which the backend finds from its own kinetic energy at the start of the chunk.
    pub csvr: Option<CsvrDraw>,
    pub langevin: Option<LangevinStep>,
    /// Friction and noise of a piston, whose counter is the step.
    pub piston_bath: Option<LangevinStep>,
    /// Remove the centre-of-mass velocity at the start of the chunk (before scaling).
    pub remove_com: bool,
    /// Compute energies and virial at the first step.
    pub report: bool,
    /// An atom farther than this from where it was when the neighbor list was built has blown up, nm. Far more than the
    /// buffer of the list, which is the business of whoever builds it.
    pub max_displacement: f64,
}

impl Chunk {
    /// Leap-frog steps with nothing asked for.
    ///
    /// * `dt` – ps
    pub fn new(first_step: u64, n_steps: u32, dt: f64) -> Self {
        Chunk {
            first_step,
            n_steps,
            dt,
            velocity_scale: 1.0,
            csvr: None,
            langevin: None,
            piston_bath: None,
            remove_com: false,
            report: false,
            max_displacement: f64::INFINITY,
        }
    }
}

/// One coupling of stochastic velocity rescaling with its random numbers drawn: the factor is √(c + a/K + b/√K).
///
/// G. Bussi et al., J. Chem. Phys. 126, 014101 (2007), eq. A7, sorted by powers of the kinetic energy K. Whoever holds K
/// can evaluate it, so the host need not know K to steer; `dynamics::csvr` draws, `shaders/couple.wgsl` is the twin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CsvrDraw {
    /// c
    pub decay: f64,
    /// a, kJ/mol
    pub gain: f64,
    /// b, (kJ/mol)^½
    pub cross: f64,
}

impl CsvrDraw {
    /// The factor on the velocities; 1 for a system at rest.
    ///
    /// * `kinetic` – after removal of the centre-of-mass motion, kJ/mol
    pub fn factor(&self, kinetic: f64) -> f64 {
        if kinetic <= 0.0 {
            return 1.0;
        }
        (self.decay + self.gain / kinetic + self.cross / kinetic.sqrt()).max(0.0).sqrt()
    }
}

/// What the host wants to know at the end of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Wanted {
    #[default]
    Sums,
    /// Sums and positions.
    Positions,
    /// Sums, positions and velocities.
    State,
}

/// Chunks that follow each other without a decision of the host: one submission.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    pub chunks: Vec<Chunk>,
    pub wanted: Wanted,
    /// Are the charges at its end wanted as well? See [`Backend::charges`].
    pub charges: bool,
}

/// What a batch says about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchReport {
    /// One for every chunk.
    pub chunks: Vec<ChunkReport>,
    /// Largest distance of an atom from where it was when the positions of the neighbor list were taken, nm; where a list
    /// lags behind ([`Backend::list_lag`]).
    pub since_list: Option<f64>,
    /// `[n_atoms]`, e, of the configuration at its end, found with the list of its steps; where wanted, and where charges answer.
    pub charges: Option<Vec<f64>>,
}

/// What a chunk says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChunkReport {
    /// Energies, and virial **with** the constraint part, kJ/mol, at step `first_step`; present when asked for.
    pub first: Option<FirstStep>,
    /// Factor that the velocities were scaled by at the start of the chunk.
    pub velocity_scale: f64,
    /// Kinetic energy of the half-step velocities the chunk leaves behind, kJ/mol.
    pub kinetic_end: f64,
    /// Heat that the Langevin baths of atoms and of a piston gave during the chunk, kJ/mol.
    pub bath_heat: f64,
    /// Largest distance an atom moved during the chunk (where chunks are batched: during the batch), nm.
    pub max_displacement: f64,
}

/// Sums over the first step of a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstStep {
    pub energies: Energies,
    /// kJ/mol, constraint virial included
    pub virial: DMat3,
    /// Σ ½ m v² of v(n−½) after COM removal, before scaling, kJ/mol
    pub kinetic_before: f64,
    /// Σ ½ m v² of v(n+½), kJ/mol (after the bath, for Langevin)
    pub kinetic_after: f64,
    /// Σ ½ m |v(n+½) − s·v(n−½)|², kJ/mol: the kick, from which the work of scaling follows exactly
    pub kick: f64,
    /// Kinetic-energy tensor Σ ½ m v ⊗ v, mean of s·v(n−½) and v(n+½), kJ/mol: the velocities that the constraint virial
    /// belongs to. Its trace is ½ (s² `kinetic_before` + `kinetic_after`)
    pub kinetic_tensor: DMat3,
}

/// Which kind of list a backend reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeighborKind {
    /// Plain atom pairs (i < j).
    Pairs,
    /// Half list of clusters, for the SIMD kernel.
    HalfClusters,
    /// Full list of clusters, for the gather kernel on the device.
    FullClusters,
    /// Half list of super-clusters, for the kernel on the device that uses Newton's third law.
    Packed,
}

/// Steps within which a backend that prunes its list on a device looks at every pair of the list again.
pub const PRUNE_INTERVAL: u32 = 8;

/// One system on one executor.
pub trait Backend {
    /// `reference`, `cpu` or `gpu`.
    fn name(&self) -> &'static str;
    /// What it runs on, for logs: SIMD level and threads, or adapter and driver.
    fn device(&self) -> String;
    fn neighbor_kind(&self) -> NeighborKind;
    /// Takes positions, velocities and cell.
    fn load(&mut self, state: &State) -> Result<(), ForceError>;
    /// Gives back the current positions (unwrapped) and velocities; step and time are the engine's business.
    fn store(&mut self, state: &mut State) -> Result<(), ForceError>;
    /// The list will be replaced before the next step: what it takes on the host may be given back while the new one is made.
    fn forget_neighbors(&mut self) {}
    /// A new list, built from the positions that `store` gave.
    fn set_neighbors(&mut self, list: NeighborList) -> Result<(), ForceError>;
    /// Forces, energies and virial of the loaded configuration. Changes nothing.
    fn evaluate(&mut self) -> Result<Evaluation, ForceError>;
    /// Charges of the loaded configuration, `[n_atoms]`, e, where they are not those of the topology: with electrodes whose
    /// charges answer.
    fn charges(&mut self) -> Result<Option<Vec<f64>>, ForceError> {
        Ok(None)
    }
    /// Takes `chunk.n_steps` steps.
    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError>;
    /// Batches queued and not yet collected.
    fn queue(&mut self) -> &mut VecDeque<Batch>;
    /// Queues a batch behind those queued before. A device starts on it at once; the others take the steps when it is
    /// collected.
    fn enqueue(&mut self, batch: Batch) -> Result<(), ForceError> {
        self.queue().push_back(batch);
        Ok(())
    }
    /// Waits for the oldest queued batch; `state` receives what the batch wanted. After an error nothing is queued.
    fn collect(&mut self, state: &mut State) -> Result<BatchReport, ForceError> {
        let Some(batch) = self.queue().pop_front() else { return Ok(BatchReport::default()) };
        let chunks: Result<Vec<ChunkReport>, ForceError> = batch.chunks.iter().map(|c| self.advance(c)).collect();
        if chunks.is_err() {
            self.queue().clear();
        }
        let chunks = chunks?;
        let charges = if batch.charges { self.charges()? } else { None };
        let report = BatchReport { chunks, since_list: None, charges };
        if batch.wanted > Wanted::Sums {
            self.store(state)?;
        }
        Ok(report)
    }
    /// Batches worth having in flight: one where nothing happens before `collect`.
    fn depth(&self) -> usize {
        1
    }
    /// List intervals by which a list may lag behind: with 1, the list of x(t) serves from t + n to t + 2n, so that it
    /// can be built while the steps in between are taken.
    fn list_lag(&self) -> u32 {
        0
    }
    /// Lets a backend that prunes its lists on a device prune those that follow to `radius` (nm), which has to cover the moves
    /// of [`PRUNE_INTERVAL`] steps; `None`: not at all.
    fn prune_to(&mut self, _radius: Option<f64>) {}
    /// A new list that was built from earlier positions.
    ///
    /// * `origin` – those positions, `[n_atoms]`, nm, unwrapped
    fn set_lagged_neighbors(&mut self, list: NeighborList, _origin: &[DVec3]) -> Result<(), ForceError> {
        self.set_neighbors(list)
    }
    /// Time of every pass on a device that runs beside the host, ms per step, measured over steps like `chunk` that are taken
    /// and undone; empty where there is none, or none that can tell.
    fn device_times(&mut self, _chunk: &Chunk, _n_steps: u32) -> Result<Vec<(String, f64)>, ForceError> {
        Ok(Vec::new())
    }
    /// Memory that buffers on a device take, bytes.
    fn device_memory(&self) -> Option<u64> {
        None
    }
    /// Wall time by pass since the backend was made; empty where it is not measured. Passes may overlap.
    fn time_by_pass(&self) -> Vec<(&'static str, Duration)> {
        Vec::new()
    }
}
