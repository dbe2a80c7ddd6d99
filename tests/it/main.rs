//! Integration tests: one binary, one module per subject.

mod bad_input;
mod forcefield;
mod good_input;
