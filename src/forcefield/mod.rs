//! The built-in force-field library: which models exist, where their numbers come from, and the pair table of a box.
//!
//! The data are the files of `forcefields/`, embedded in the binary. [`library`] reads them, [`select`] finds the set
//! that an input names, [`assemble`] turns a system's names into species, types and the pair table, [`listing`] prints.
//! It deliberately does not know coordinates, files of the user or how forces are computed.

pub mod assemble;
mod error;
pub mod library;
mod listing;
mod select;

pub use assemble::{Assembled, Provenance, assemble, pair_table_text};
pub use error::{ForceFieldError, SoluteFault};
pub use library::{IonParameters, IonSet, Library, MdCheck, WaterModel, residue_aliases};
