//! Charges of electrodes in frames of a trajectory, which holds none: they follow from the positions.
//!
//! The matrix is that of the electrodes where they were built, or, where the first frame has them elsewhere (a piston has closed the gap), of that
//! frame. Frames in which they stand elsewhere again have no charges: so what is found in a frame depends on nothing but the frame. Heights count, in the
//! dipole of a slab and in a finite field, and a file may hold them in any image: they are counted from the vacuum below the slab, or from between the backs
//! of electrodes that meet at the boundary.

use super::CliError;
use super::capacitance::Reading;
use super::prepare::Prepared;
use super::rigid::Rigid;
use super::vacuum;
use crate::cell::Cell;
use crate::forces::cpu::CpuBackend;
use crate::forces::reference::external::Dipole;
use crate::forces::{Backend, ForceError, electrode_charges};
use crate::io::trajectory::{TrajectoryFrame, TrajectoryReader};
use crate::system::external::Electrode;
use crate::system::{State, System};
use crate::units::VOLT;
use glam::DVec3;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Electrodes stay where they are up to this, nm: files round coordinates to 0.001 nm.
const STAYS: f64 = 1.1e-3;
/// Cells agree to this, nm.
const SAME_CELL: f64 = 1e-4;
/// Of lists beyond the cutoff, nm.
const SKIN: f64 = 1e-3;

/// Finds charges of frames.
pub struct FrameCharges<'a> {
    system: &'a System,
    atoms: Vec<u32>,
    cell: Cell,
    /// `[n_atoms]`, nm: electrodes where the matrix is made for
    positions: Vec<DVec3>,
    /// Their shape, and that of other slabs, is the one that was built.
    slabs: Rigid,
    /// Heights belong into one cell from here on, nm: where they count.
    edge: Option<f64>,
    backend: Mutex<(CpuBackend, State)>,
    fault: Mutex<Option<ForceError>>,
}

/// What electrodes have in a frame.
pub struct Found {
    /// `[n_atoms]`, e
    pub charges: Vec<f64>,
    pub reading: Reading,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> FrameCharges<'a> {
    /// Makes the matrix, or takes it from the cache; `None` without electrodes.
    ///
    /// * `first` – of the frames; without it electrodes stand where they were built
    pub fn new(prepared: &'a Prepared, first: Option<&TrajectoryFrame>) -> Result<Option<Self>, CliError> {
        let (system, built) = (&prepared.system, &prepared.state);
        let Some(electrodes) = &system.external.electrodes else { return Ok(None) };
        let atoms: Vec<u32> = electrodes.atoms().collect();
        let backend = CpuBackend::new(system, Some(rayon::current_num_threads())).map_err(CliError::input)?;
        let state = State::at_rest(built.cell, built.positions.clone());
        let mut found = FrameCharges {
            system,
            atoms,
            cell: built.cell,
            positions: built.positions.clone(),
            slabs: Rigid::new(&system.topology, built),
            edge: None,
            backend: Mutex::new((backend, state)),
            fault: Mutex::new(None),
        };
        let moved = first.filter(|first| !found.stands_in(&first.cell, &first.positions));
        let mut there = moved.map_or(built.positions.clone(), |first| first.positions.clone());
        if let Some(first) = moved {
            found.cell = first.cell;
            found.slabs.restore(&first.cell, &mut there);
        }
        found.edge = match prepared.input.interface.finite_field {
            Some(_) => lower_back(&electrodes.electrodes, &built.positions, &found.cell, &there),
            None => system.external.slab_correction.then(|| {
                let (empty, bottom) = vacuum::widest(&found.cell, &there);
                bottom - 0.5 * empty
            }),
        };
        for &atom in &found.atoms {
            found.positions[atom as usize] = found.gathered(there[atom as usize]);
        }
        let mut state = State::at_rest(found.cell, found.positions.clone());
        let mut own = lock(&found.backend);
        own.0.load(&state).map_err(CliError::input)?;
        std::mem::swap(&mut own.1, &mut state);
        drop(own);
        Ok(Some(found))
    }

    /// Where electrodes are, `[n_atoms]`, nm; what the other atoms have means nothing.
    pub fn positions(&self) -> (&Cell, &[DVec3]) {
        (&self.cell, &self.positions)
    }

    /// What a coordinate rounded to `step` (nm) does to the charge of an electrode in one frame, e: between two plates a charge q that moves by δz
    /// draws q δz/d, so it is s (Σ q²)^½/d with s = `step`/√12 for atoms that round independently. `None` but for two electrodes.
    pub fn rounding(&self, step: f64) -> Option<f64> {
        let [a, b] = &self.system.external.electrodes.as_ref()?.electrodes[..] else { return None };
        let ends = |atoms: &[u32]| {
            let heights = atoms.iter().map(|&i| self.positions[i as usize].z);
            heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(z), high.max(z)))
        };
        let ((low_a, high_a), (low_b, high_b)) = (ends(&a.atoms), ends(&b.atoms));
        let gap = (low_a - high_b).max(low_b - high_a);
        let topology = &self.system.topology;
        let moving = topology.charges.iter().zip(&topology.frozen).filter(|(_, frozen)| !**frozen);
        let squares: f64 = moving.map(|(q, _)| q * q).sum();
        (gap > 0.0).then(|| step / 12f64.sqrt() * squares.sqrt() / gap)
    }

    /// What went wrong, if anything.
    pub fn fault(&self) -> Option<ForceError> {
        lock(&self.fault).take()
    }

    fn gathered(&self, r: DVec3) -> DVec3 {
        let Some(edge) = self.edge else { return r };
        let c = self.cell.vectors().z_axis;
        r - c * ((r.z - edge) / c.z).floor()
    }

    fn stands_in(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        let (a, b) = (self.cell.vectors().to_cols_array(), cell.vectors().to_cols_array());
        let is_same = a.iter().zip(b).all(|(a, b)| (a - b).abs() < SAME_CELL);
        is_same
            && self.atoms.iter().all(|&atom| {
                let moved = self.cell.minimum_image(positions[atom as usize] - self.positions[atom as usize]);
                moved.abs().max_element() < STAYS
            })
    }

    /// Of a frame; `None` where its electrodes stand elsewhere.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    pub fn of(&self, cell: &Cell, positions: &[DVec3]) -> Option<Found> {
        let is_whole = positions.len() == self.positions.len() && positions.iter().all(|r| r.is_finite());
        if !is_whole || !self.stands_in(cell, positions) {
            return None;
        }
        let mut own = lock(&self.backend);
        let (backend, state) = &mut *own;
        state.positions.iter_mut().zip(positions).for_each(|(own, &r)| *own = self.gathered(r));
        self.slabs.restore(&self.cell, &mut state.positions);
        for &atom in &self.atoms {
            state.positions[atom as usize] = self.positions[atom as usize];
        }
        match self.evaluate(backend, state) {
            Ok(found) => found,
            Err(error) => {
                lock(&self.fault).get_or_insert(error);
                None
            }
        }
    }

    fn evaluate(&self, backend: &mut CpuBackend, state: &State) -> Result<Option<Found>, ForceError> {
        backend.load(state)?;
        let list = backend.build_neighbors(self.system.interactions.cutoff + SKIN)?;
        backend.set_neighbors(list)?;
        let Some(charges) = backend.charges()? else { return Ok(None) };
        let reading = Reading {
            charges: electrode_charges(&self.system.external, &charges),
            potentials: backend.electrode_potentials().map(|potential| potential / VOLT),
            dipole_z: Some(Dipole::new(&state.positions, &charges).moment),
        };
        Ok(Some(Found { charges, reading }))
    }
}

/// The first frame of a trajectory; what is wrong with a file is told when it is read.
pub fn first_frame(built: &State, paths: &[PathBuf]) -> Option<TrajectoryFrame> {
    TrajectoryReader::open(paths, built.n_atoms(), Some(built.cell)).and_then(|mut r| r.next_frame()).ok().flatten()
}

/// The height in the middle between the backs of two electrodes that meet across the boundary, below the lower one, nm; `None` but for two electrodes.
///
/// * `built` – `[n_atoms]`, nm: where the lower one stands lower
/// * `there` – `[n_atoms]`, nm: both somewhere else, in whatever image
fn lower_back(electrodes: &[Electrode], built: &[DVec3], cell: &Cell, there: &[DVec3]) -> Option<f64> {
    let [a, b] = electrodes else { return None };
    let mean = |e: &Electrode| e.atoms.iter().map(|&i| built[i as usize].z).sum::<f64>() / e.atoms.len() as f64;
    let (lower, upper) = if mean(a) <= mean(b) { (a, b) } else { (b, a) };
    let height = cell.vectors().z_axis.z;
    let first = *lower.atoms.first()? as usize;
    // an electrode keeps its shape: heights above its first atom are those that were built
    let lowest = lower.atoms.iter().map(|&i| built[i as usize].z - built[first].z).fold(f64::INFINITY, f64::min);
    let bottom = there[first].z + lowest;
    let below = |&i: &u32| (bottom - there[i as usize].z).rem_euclid(height);
    Some(bottom - 0.5 * upper.atoms.iter().map(below).fold(height, f64::min))
}
