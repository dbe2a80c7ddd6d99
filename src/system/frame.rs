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
}
