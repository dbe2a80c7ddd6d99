//! Integration tests: one binary, one module per subject.

mod support;

mod architecture;
mod docs;
mod reference_energies;
