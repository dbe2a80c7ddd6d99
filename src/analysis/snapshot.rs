//! A frame with what several analyses need of it: the members of a group sorted into small cells, made once and shared.

use super::linked_cells::LinkedCells;
use crate::cell::Cell;
use crate::system::Frame;
use glam::DVec3;
use std::ops::Deref;
use std::sync::{Arc, Mutex, TryLockError};

/// A frame while it is analysed.
pub struct Snapshot<'a> {
    frame: Frame<'a>,
    /// Groups of atoms that were asked for, with their cells.
    sorted: Mutex<Vec<(Vec<u32>, Arc<LinkedCells>)>>,
}

impl<'a> Snapshot<'a> {
    pub fn new(frame: Frame<'a>) -> Self {
        Snapshot { frame, sorted: Mutex::new(Vec::new()) }
    }

    /// The same moment with other points: `positions`, nm.
    pub fn with_positions<'b>(&'b self, positions: &'b [DVec3]) -> Snapshot<'b> {
        Snapshot::new(Frame { positions, ..self.frame })
    }

    pub fn cell(&self) -> &'a Cell {
        self.frame.cell
    }

    /// The atoms `members` in small cells.
    pub fn linked_cells(&self, members: &[u32]) -> Arc<LinkedCells> {
        // Sorted under the lock: of two analyses that want the same group one sorts, and the other's thread does something else meanwhile.
        let mut sorted = loop {
            match self.sorted.try_lock() {
                Ok(sorted) => break sorted,
                Err(TryLockError::Poisoned(sorted)) => break sorted.into_inner(),
                Err(TryLockError::WouldBlock) if rayon::yield_now() == Some(rayon::Yield::Executed) => {}
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        };
        if let Some((_, cells)) = sorted.iter().find(|(known, _)| known == members) {
            return Arc::clone(cells);
        }
        let cells = Arc::new(LinkedCells::new(self.frame.cell, self.frame.positions, members));
        sorted.push((members.to_vec(), Arc::clone(&cells)));
        cells
    }
}

impl<'a> Deref for Snapshot<'a> {
    type Target = Frame<'a>;

    fn deref(&self) -> &Frame<'a> {
        &self.frame
    }
}
