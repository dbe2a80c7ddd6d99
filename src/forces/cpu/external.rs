//! Slab correction, uniform field and walls on single atoms, where the forces of an atom come together.
//!
//! Twin: `forces/reference/external.rs`, which also gives the sums of a report. The slab term needs the dipole of the
//! whole cell before the first atom.

use crate::cell::Cell;
use crate::forces::reference::external::Dipole;
use crate::potential::wall::{nine_three, ten_four_three};
use crate::system::external::{External, WallForm};
use glam::DVec3;
use rayon::prelude::*;

/// Atoms per partial sum of the dipole.
const ATOMS_PER_SUM: usize = 1024;

/// What the external terms of this step are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Of the slab at height zero and its slope, with the uniform field; kJ mol⁻¹ e⁻¹ nm⁻¹ and nm⁻²
    constant: f64,
    slope: f64,
}

impl Field {
    /// * `dipole` – of all charges; `None` without a slab correction
    pub fn new(external: &External, cell: &Cell, dipole: Option<&Dipole>) -> Self {
        let (constant, slope) = dipole.map_or((0.0, 0.0), |d| {
            let at_zero = d.slab_field(cell, 0.0);
            (at_zero, d.slab_field(cell, 1.0) - at_zero)
        });
        Field { constant: constant + external.field_z, slope }
    }

    /// Force along z on an atom, kJ/mol/nm.
    #[inline]
    pub fn force(&self, external: &External, z: f64, charge: f64, type_id: u32) -> f64 {
        let mut force = charge * (self.constant + self.slope * z);
        for wall in &external.walls {
            let k = wall.coefficients[type_id as usize];
            if k.is_zero() {
                continue;
            }
            let h = wall.normal * (z - wall.z);
            let (_, along) = match wall.form {
                WallForm::NineThree => nine_three(h, k, wall.density),
                WallForm::TenFourThree { spacing } => ten_four_three(h, k, wall.density, spacing),
            };
            force += wall.normal * along;
        }
        force
    }
}

/// Sums over all charges, the same on any number of threads.
pub(super) fn dipole(positions: &[DVec3], charges: &[f64]) -> Dipole {
    let parts: Vec<Dipole> = (positions.par_chunks(ATOMS_PER_SUM).zip(charges.par_chunks(ATOMS_PER_SUM)))
        .map(|(r, q)| Dipole::new(r, q))
        .collect();
    let mut total = Dipole { charge: 0.0, moment: 0.0, second: 0.0 };
    for part in parts {
        total.charge += part.charge;
        total.moment += part.moment;
        total.second += part.second;
    }
    total
}
