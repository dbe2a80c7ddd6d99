//! A configuration as a file describes it: names and coordinates, before anyone has decided which molecules they are.
//!
//! Plain data. `io::structure` fills it, `build::import` recognises molecules in it.

use crate::cell::Cell;
use glam::DVec3;

/// Atoms of one structure file, in file order.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// File name, for messages.
    pub source: String,
    pub title: String,
    /// `[n_atoms]`, atom names, e.g. `OW`
    pub names: Vec<String>,
    /// `[n_atoms]`, residue names, e.g. `SOL`; empty where the format has none
    pub residue_names: Vec<String>,
    /// `[n_atoms]`, residue numbers as the file writes them; zero where the format has none
    pub residue_ids: Vec<i64>,
    /// `[n_atoms]`, nm, as in the file: molecules may be cut by the boundary
    pub positions: Vec<DVec3>,
    /// `[n_atoms]`, nm/ps; `None` when the file has none
    pub velocities: Option<Vec<DVec3>>,
    pub cell: Cell,
}

impl Structure {
    pub fn n_atoms(&self) -> usize {
        self.positions.len()
    }

    /// "atom 17 (HW1 of SOL 6)": how messages name an atom of a file. Atoms count from 1.
    pub fn describe_atom(&self, i: usize) -> String {
        if self.residue_names[i].is_empty() {
            format!("atom {} ({})", i + 1, self.names[i])
        } else {
            format!("atom {} ({} of {} {})", i + 1, self.names[i], self.residue_names[i], self.residue_ids[i])
        }
    }
}
