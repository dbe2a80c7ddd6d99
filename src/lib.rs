//! hexaqua: molecular dynamics of aqueous zinc-ion battery interfaces on any vendor's GPU.
//!
//! Start with `ARCHITECTURE.md`. Imports go one way: `units, math, cell, random` → `potential, system` →
//! `forcefield, build, neighbor` → `forces` → `dynamics`; `analysis` and `report` see frames and topology only.

pub mod analysis;
pub mod build;
pub mod cell;
pub mod cli;
pub mod dynamics;
pub mod electrode;
pub mod forcefield;
pub mod forces;
pub mod io;
pub mod math;
pub mod neighbor;
pub mod potential;
pub mod random;
pub mod report;
pub mod suggest;
pub mod system;
pub mod units;
