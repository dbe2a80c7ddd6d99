//! Integration tests: one binary, one module per subject.

mod support;

mod analysis;
mod architecture;
mod bad_input;
mod bad_topology;
mod build;
mod checkpoint;
mod cli;
mod cpu_backend;
mod docs;
mod dynamics;
mod electrode;
mod electrolytes;
mod forcefield;
mod good_input;
mod gpu_backend;
mod layout;
mod madelung;
mod molecules;
mod neighbor;
mod nist;
mod packing;
mod pipeline;
mod reference_energies;
mod reference_steps;
mod report;
mod shaders_portable;
mod topology;
mod trajectory;
mod twins_bonded_gpu;
mod twins_cpu;
mod twins_gpu;
mod twins_reference;
