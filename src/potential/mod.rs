//! Functional forms as pure functions, and the pair table.
//!
//! A form is a function of r² and a few coefficients; it knows no atoms, no cell and no list.

pub mod bonded;
pub mod bspline;
pub mod coulomb;
pub mod mixing;
pub mod pair_table;
pub mod vdw;
pub mod wall;

/// Energy and force factor of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairTerm {
    /// kJ/mol
    pub energy: f64,
    /// F/r = −(dU/dr)/r, kJ mol⁻¹ nm⁻²; the force on i is this times (r_i − r_j)
    pub force_over_r: f64,
}
