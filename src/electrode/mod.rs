//! Electrodes held at a potential: Gaussian charges on frozen atoms that follow the electrolyte at every step.
//!
//! * [`lattice`] – Coulomb sums by explicit images, in bulk and slab geometry: the oracle
//! * [`dense`] – the linear algebra, once per run
//! * [`cache`] – what was solved, on disk
//! * [`response`] – charges from potentials
//!
//! It knows charges and potentials. Where potentials come from (mesh, pairs) is the business of `forces`.

pub mod cache;
pub mod dense;
pub mod lattice;
pub mod response;
