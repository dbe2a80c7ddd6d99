//! One integration binary; a module per subject.

mod reference_energies;
mod reference_steps;
mod twins_reference;
mod gpu_backend;
mod support;
