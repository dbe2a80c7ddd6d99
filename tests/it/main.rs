//! One integration binary; a module per subject.

mod cpu_backend;
mod madelung;
mod neighbor;
mod nist;
mod reference_energies;
mod reference_steps;
mod support;
mod twins_cpu;
mod twins_reference;
