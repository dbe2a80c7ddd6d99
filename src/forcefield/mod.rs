//! The built-in force-field library: which models exist, where their numbers come from, and the pair table of a box.
//!
//! The data are the files of `forcefields/`, embedded in the binary. [`library`] reads them, [`select`] finds the set
//! that an input names, [`generate`] makes a molecule's bonded terms from its connectivity, [`assemble`] turns a system's
//! names into species and types, [`pairs`] makes the pair table, [`listing`] prints.
//! It deliberately does not know coordinates, files of the user or how forces are computed.

pub mod assemble;
pub mod crystal;
mod error;
pub mod generate;
mod imported;
pub mod library;
mod listing;
mod molecule;
mod pairs;
mod select;
pub mod surface;

pub use assemble::{Assembled, FileMolecule, FileType, LjTerms, Provenance, assemble, assemble_from};
pub use error::{ForceFieldError, SoluteFault};
pub use library::{IonParameters, Library, MdCheck, ParameterSet, WaterModel, residue_aliases};
pub use molecule::{MoleculeTemplate, TorsionType};
pub use pairs::pair_table_text;
