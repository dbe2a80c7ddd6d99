//! External terms of an interface: slab correction, uniform field, walls.
//!
//! **Slab correction** (EW3DC). With M = Σ q z, Q = Σ q and L the height of the cell,
//! E = (2π k_e/V) [M² − Q Σ q z² − Q² L²/12], F_i = −(4π k_e q_i/V) (M − Q z_i) along z
//! (I.-C. Yeh, M. L. Berkowitz, J. Chem. Phys. 111, 3155 (1999); charged cells: V. Ballenegger, A. Arnold, J. J. Cerdà,
//! J. Chem. Phys. 131, 094107 (2009)). z is unwrapped: a molecule cut by the boundary would bring a dipole of a whole
//! cell height.
//!
//! **Field**: E = −E_z Σ q z. **Walls**: `potential::wall`.

use crate::cell::Cell;
use crate::potential::wall::{nine_three, ten_four_three};
use crate::system::external::WallForm;
use crate::system::{External, Topology};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use std::f64::consts::PI;

/// Energies (kJ/mol) and virial of the external terms; `None` where there is no such term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExternalSums {
    pub slab_correction: Option<f64>,
    pub field: Option<f64>,
    pub wall: Option<f64>,
    /// Σ q z of all charges, e nm
    pub moment: f64,
    /// kJ/mol
    pub virial: DMat3,
}

/// Sums over the charges that the slab term needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dipole {
    /// Q = Σ q, e
    pub charge: f64,
    /// M = Σ q z, e nm
    pub moment: f64,
    /// Σ q z², e nm²
    pub second: f64,
}

impl Dipole {
    /// * `positions` – `[n_atoms]`, nm, unwrapped
    /// * `charges` – `[n_atoms]`, e
    pub fn new(positions: &[DVec3], charges: &[f64]) -> Self {
        let mut sum = Dipole { charge: 0.0, moment: 0.0, second: 0.0 };
        for (r, &q) in positions.iter().zip(charges) {
            sum.charge += q;
            sum.moment += q * r.z;
            sum.second += q * r.z * r.z;
        }
        sum
    }

    /// kJ/mol
    pub fn slab_energy(&self, cell: &Cell) -> f64 {
        let height = cell.vectors().z_axis.z;
        let charged = self.charge * self.second + self.charge * self.charge * height * height / 12.0;
        2.0 * PI * COULOMB / cell.volume() * (self.moment * self.moment - charged)
    }

    /// Potential that the slab term adds at height `z`, kJ mol⁻¹ e⁻¹: the derivative of its energy by a charge there.
    pub fn slab_potential(&self, cell: &Cell, z: f64) -> f64 {
        let height = cell.vectors().z_axis.z;
        let charged = self.second + self.charge * z * z + self.charge * height * height / 6.0;
        2.0 * PI * COULOMB / cell.volume() * (2.0 * self.moment * z - charged)
    }

    /// Field of the slab term at height `z`, kJ mol⁻¹ e⁻¹ nm⁻¹.
    pub fn slab_field(&self, cell: &Cell, z: f64) -> f64 {
        -4.0 * PI * COULOMB / cell.volume() * (self.moment - self.charge * z)
    }
}

/// Adds the external forces.
///
/// * `positions` – `[n_atoms]`, nm, unwrapped along z
/// * `charges` – `[n_atoms]`, e
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
pub fn add_forces(
    external: &External,
    topology: &Topology,
    charges: &[f64],
    cell: &Cell,
    positions: &[DVec3],
    forces: &mut [DVec3],
) -> ExternalSums {
    let dipole = Dipole::new(positions, charges);
    let moment = dipole.moment;
    let mut sums = ExternalSums { slab_correction: None, field: None, wall: None, moment, virial: DMat3::ZERO };
    if external.slab_correction {
        let energy = dipole.slab_energy(cell);
        sums.slab_correction = Some(energy);
        for ((f, r), &q) in forces.iter_mut().zip(positions).zip(charges) {
            f.z += q * dipole.slab_field(cell, r.z);
        }
        // −∂E/∂ε at fixed fractional coordinates: 1/V gives E along every axis, z² gives −2 E along z
        sums.virial += DMat3::from_diagonal(DVec3::new(energy, energy, -energy));
    }
    if external.field_z != 0.0 {
        sums.field = Some(-external.field_z * dipole.moment);
        for (f, &q) in forces.iter_mut().zip(charges) {
            f.z += q * external.field_z;
        }
        sums.virial.z_axis.z += external.field_z * dipole.moment;
    }
    for wall in &external.walls {
        let mut energy = 0.0;
        for ((f, r), &a) in forces.iter_mut().zip(positions).zip(&topology.type_ids) {
            let k = wall.coefficients[a as usize];
            if k.is_zero() {
                continue;
            }
            let h = wall.normal * (r.z - wall.z);
            let (u, along) = match wall.form {
                WallForm::NineThree => nine_three(h, k, wall.density),
                WallForm::TenFourThree { spacing } => ten_four_three(h, k, wall.density, spacing),
            };
            energy += u;
            f.z += wall.normal * along;
            sums.virial.z_axis.z += h * along;
        }
        sums.wall = Some(sums.wall.unwrap_or(0.0) + energy);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::electrode::lattice::{Boundary, LatticeSum};

    fn charges() -> ([DVec3; 3], Cell) {
        let positions = [DVec3::new(0.1, 0.2, 0.4), DVec3::new(0.5, 0.7, 1.1), DVec3::new(0.9, 0.1, 0.7)];
        (positions, Cell::orthorhombic(1.0, 1.1, 3.0).expect("valid"))
    }

    #[test]
    fn equals_the_difference_of_the_lattice_sums() {
        let (positions, cell) = charges();
        let plain = LatticeSum::new(&cell, Boundary::Bulk);
        let slab = LatticeSum::new(&cell, Boundary::SlabCorrected);
        // neutral, and charged
        for q in [[0.5, -0.8, 0.3], [0.5, -0.8, 0.9]] {
            let mut expected = 0.0;
            for i in 0..3 {
                for j in 0..3 {
                    let d = positions[i] - positions[j];
                    expected += 0.5 * q[i] * q[j] * (slab.kernel(d, f64::INFINITY) - plain.kernel(d, f64::INFINITY));
                }
            }
            let found = Dipole::new(&positions, &q).slab_energy(&cell);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn field_and_potential_are_derivatives_of_the_energy() {
        let (mut positions, cell) = charges();
        let mut q = [0.5, -0.8, 0.9];
        let dipole = Dipole::new(&positions, &q);
        let (field, potential) =
            (dipole.slab_field(&cell, positions[1].z), dipole.slab_potential(&cell, positions[1].z));
        let energy = |r: &[DVec3], q: &[f64]| Dipole::new(r, q).slab_energy(&cell);
        let h = 1e-5;
        positions[1].z += h;
        let above = energy(&positions, &q);
        positions[1].z -= 2.0 * h;
        let below = energy(&positions, &q);
        positions[1].z += h;
        assert!((-0.8 * field + (above - below) / (2.0 * h)).abs() < 1e-7);
        q[1] += h;
        let more = energy(&positions, &q);
        q[1] -= 2.0 * h;
        let less = energy(&positions, &q);
        assert!((potential - (more - less) / (2.0 * h)).abs() < 1e-7);
    }
}
