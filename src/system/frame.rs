//! One configuration as an analysis sees it.

use crate::cell::Cell;
use glam::DVec3;

/// A borrowed configuration. Positions may be wrapped or not: analyses use minimum images.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub step: u64,
    /// ps
    pub time: f64,
    pub cell: &'a Cell,
    /// `[n_atoms]`, nm
    pub positions: &'a [DVec3],
    pub charges: Charges<'a>,
}

/// Charges of the atoms at the time of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Charges<'a> {
    /// Those of the topology, which do not change.
    #[default]
    OfTopology,
    /// `[n_atoms]`, e: with electrodes, whose charges answer to the configuration.
    Current(&'a [f64]),
    /// There are electrodes, and their charges are not known.
    Unknown,
}

impl<'a> Frame<'a> {
    /// A frame with the charges of the topology.
    pub fn new(step: u64, time: f64, cell: &'a Cell, positions: &'a [DVec3]) -> Self {
        Frame { step, time, cell, positions, charges: Charges::OfTopology }
    }
}
