//! Under construction.

pub mod ewald_fit;
