//! Van der Waals forms.

pub mod lennard_jones;
