//! Integration tests: one binary, one module per subject.

mod support;

mod architecture;
mod docs;
mod madelung;
mod nist;
mod reference_energies;
mod twins_reference;
