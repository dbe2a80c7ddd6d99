//! One integration binary; a module per subject.

mod madelung;
mod nist;
mod reference_energies;
mod reference_steps;
mod support;
mod twins_reference;
