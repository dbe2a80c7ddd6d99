//! Integration tests: one binary, one module per subject.

mod support;

mod architecture;
mod docs;
mod dynamics;
mod reference_energies;
mod twins_reference;
