//! One integration binary; a module per subject.

mod cpu_backend;
mod neighbor;
mod reference_energies;
mod support;
mod twins_cpu;
mod twins_reference;
