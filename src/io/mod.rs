//! Files: what comes in from the user and what a run leaves behind.
//!
//! The only layer that names `chemfiles`. Knows formats, not physics: it never sees a force.

pub mod checkpoint;
pub mod expected;
pub mod gro;
pub mod gromacs;
pub mod input;
pub mod log;
pub mod output;
pub mod structure;
pub mod trajectory;
