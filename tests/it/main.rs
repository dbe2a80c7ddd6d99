//! One integration binary; a module per subject.

mod reference_energies;
mod reference_steps;
mod support;
mod twins_reference;
