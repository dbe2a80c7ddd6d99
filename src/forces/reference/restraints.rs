//! Position restraints: U = ½ Σ_α k_α (x_α − x⁰_α)², in f64, with unwrapped positions.
//!
//! A restraint pulls from outside, so it has no place in the virial of the system.

use crate::system::PositionRestraint;
use glam::DVec3;

/// Energy (kJ/mol) and force (kJ/mol/nm) of one restraint. `position`: nm.
pub fn term(restraint: &PositionRestraint, position: DVec3) -> (f64, DVec3) {
    let d = position - restraint.reference;
    let force = -restraint.k * d;
    (-0.5 * force.dot(d), force)
}

/// Adds the forces of every restraint and returns their energy, kJ/mol.
///
/// * `positions` – `[n_atoms]`, nm
/// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
pub fn add_forces(restraints: &[PositionRestraint], positions: &[DVec3], forces: &mut [DVec3]) -> f64 {
    let mut energy = 0.0;
    for restraint in restraints {
        let atom = restraint.atom as usize;
        let (u, f) = term(restraint, positions[atom]);
        energy += u;
        forces[atom] += f;
    }
    energy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restraint_by_hand() {
        let restraint =
            PositionRestraint { atom: 0, reference: DVec3::new(1.0, 2.0, 3.0), k: DVec3::new(1000.0, 0.0, 500.0) };
        let mut forces = [DVec3::X];
        let energy = add_forces(&[restraint], &[DVec3::new(1.1, 7.0, 2.8)], &mut forces);
        assert!((energy - (0.5 * 1000.0 * 0.01 + 0.5 * 500.0 * 0.04)).abs() < 1e-12);
        assert!((forces[0] - DVec3::new(1.0 - 100.0, 0.0, 100.0)).length() < 1e-10);
    }
}
