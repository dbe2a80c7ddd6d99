//! One integration binary; a module per subject.

mod gpu_backend;
mod layout;
mod madelung;
mod nist;
mod reference_energies;
mod reference_steps;
mod shaders_portable;
mod support;
mod twins_gpu;
mod twins_reference;
