//! Reading and writing files. Nothing here sees forces.

pub mod expected;
