//! The dynamic state: what changes from step to step, and all that a step depends on.

use crate::cell::Cell;
use glam::DVec3;
use std::mem::take;

/// Positions, velocities and cell at one step.
///
/// Leap-frog convention: `positions` belong to step `step`, `velocities` to half a step earlier.
/// Positions are *unwrapped*: an atom that crosses the boundary keeps going, so that mean squared displacements and
/// whole molecules need no bookkeeping. Backends wrap as they like.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps since the start of the run.
    pub step: u64,
    /// Time since the start of the run, ps.
    pub time: f64,
    pub cell: Cell,
    /// `[n_atoms]`, nm.
    pub positions: Vec<DVec3>,
    /// `[n_atoms]`, nm/ps.
    pub velocities: Vec<DVec3>,
}

impl State {
    /// A state at rest at time zero. `positions`: `[n_atoms]`, nm.
    pub fn at_rest(cell: Cell, positions: Vec<DVec3>) -> Self {
        let velocities = vec![DVec3::ZERO; positions.len()];
        State { step: 0, time: 0.0, cell, positions, velocities }
    }

    /// The state for whoever goes on from it, without a second copy of the atoms; what stays behind holds none.
    pub fn take(&mut self) -> Self {
        let (positions, velocities) = (take(&mut self.positions), take(&mut self.velocities));
        State { positions, velocities, ..*self }
    }

    pub fn n_atoms(&self) -> usize {
        self.positions.len()
    }
}
