//! Bonded potentials as pure functions of the vectors between two, three or four atoms.
//!
//! One function per form of [`crate::system::bonded`]: energy and forces, from displacements that are already nearest
//! images. Which atoms, which cell and where forces are added is not known here. Every form leaves the sum of its forces
//! zero, so a virial may count positions from any atom of the term.

pub mod angle;
pub mod dihedral;
pub mod distance;

pub use angle::harmonic_angle;
pub use dihedral::{harmonic_improper, periodic_dihedral, ryckaert_bellemans};
pub use distance::{harmonic_distance, pair_14};

use glam::DVec3;

/// An angle term i–j–k with vertex j. The force on j is −(`f_i` + `f_k`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AngleTerm {
    /// kJ/mol
    pub energy: f64,
    /// kJ/mol/nm
    pub f_i: DVec3,
    /// kJ/mol/nm
    pub f_k: DVec3,
}

/// A dihedral term i–j–k–l. The force on j is −(`f_i` + `f_k` + `f_l`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DihedralTerm {
    /// kJ/mol
    pub energy: f64,
    /// kJ/mol/nm
    pub f_i: DVec3,
    /// kJ/mol/nm
    pub f_k: DVec3,
    /// kJ/mol/nm
    pub f_l: DVec3,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};
    use crate::system::bonded::{
        HarmonicAngle, HarmonicBond, HarmonicImproper, Pair14, PeriodicDihedral, RyckaertBellemans,
    };

    type Atoms = [DVec3; 4];

    /// Energy and the forces on four atoms.
    type Form = Box<dyn Fn(Atoms) -> (f64, Atoms)>;

    fn angle(term: AngleTerm) -> (f64, Atoms) {
        (term.energy, [term.f_i, -(term.f_i + term.f_k), term.f_k, DVec3::ZERO])
    }

    fn torsion(term: DihedralTerm) -> (f64, Atoms) {
        (term.energy, [term.f_i, -(term.f_i + term.f_k + term.f_l), term.f_k, term.f_l])
    }

    /// Every registered form, as a function of four positions (nm).
    fn forms() -> Vec<(&'static str, Form)> {
        let bond = HarmonicBond { atoms: [0, 1], length: 0.14, k: 3e5 };
        let bend = HarmonicAngle { atoms: [0, 1, 2], angle: 1.9, k: 400.0 };
        let straight = HarmonicAngle { atoms: [0, 1, 2], angle: std::f64::consts::PI, k: 400.0 };
        let periodic = |multiplicity, phase| PeriodicDihedral {
            atoms: [0, 1, 2, 3],
            phase,
            k: 7.0,
            multiplicity,
            is_improper: false,
        };
        let rb = RyckaertBellemans { atoms: [0, 1, 2, 3], c: [9.28, 12.16, -13.12, -3.06, 26.24, -31.5] };
        let improper = |angle| HarmonicImproper { atoms: [0, 1, 2, 3], angle, k: 167.0 };
        let pair = Pair14 { atoms: [0, 3], c6: 2e-3, c12: 1e-6, qq: -0.11 };
        let two = move |r: Atoms, j: usize, term: crate::potential::PairTerm| {
            let f = term.force_over_r * (r[0] - r[j]);
            let mut forces = [DVec3::ZERO; 4];
            (forces[0], forces[j]) = (f, -f);
            (term.energy, forces)
        };
        let mut all: Vec<(&'static str, Form)> = vec![
            (
                "harmonic bond",
                Box::new(move |r| two(r, 1, harmonic_distance((r[0] - r[1]).length_squared(), bond.length, bond.k))),
            ),
            ("harmonic angle", Box::new(move |r| angle(harmonic_angle(&bend, r[0] - r[1], r[2] - r[1])))),
            ("straight angle", Box::new(move |r| angle(harmonic_angle(&straight, r[0] - r[1], r[2] - r[1])))),
            (
                "Ryckaert-Bellemans",
                Box::new(move |r| torsion(ryckaert_bellemans(&rb, r[0] - r[1], r[2] - r[1], r[3] - r[2]))),
            ),
            (
                "1-4 pair",
                Box::new(move |r| {
                    let (lj, coulomb) = pair_14(&pair, (r[0] - r[3]).length_squared());
                    let sum = crate::potential::PairTerm {
                        energy: lj.energy + coulomb.energy,
                        force_over_r: lj.force_over_r + coulomb.force_over_r,
                    };
                    two(r, 3, sum)
                }),
            ),
        ];
        for (n, phase) in [(0, 0.3), (1, 0.0), (2, std::f64::consts::PI), (3, 0.4), (6, -2.0)] {
            let term = periodic(n, phase);
            all.push((
                "periodic dihedral",
                Box::new(move |r| torsion(periodic_dihedral(&term, r[0] - r[1], r[2] - r[1], r[3] - r[2]))),
            ));
        }
        for at in [0.0, 0.6, std::f64::consts::PI] {
            let term = improper(at);
            all.push((
                "harmonic improper",
                Box::new(move |r| torsion(harmonic_improper(&term, r[0] - r[1], r[2] - r[1], r[3] - r[2]))),
            ));
        }
        all
    }

    fn random_atoms(draws: &mut Draws) -> Atoms {
        let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal());
        let mut r = [DVec3::ZERO; 4];
        for k in 1..4 {
            r[k] = r[k - 1] + 0.15 * vector().normalize();
        }
        r
    }

    /// −dU/dr by central differences for every coordinate of every form; forces and torques add up to nothing.
    #[test]
    fn forces_are_the_gradient_and_conserve_momenta() {
        const STEP: f64 = 1e-6;
        let mut draws = Draws::new(3, Stream::Build, 0);
        for trial in 0..40 {
            let atoms = random_atoms(&mut draws);
            for (name, form) in forms() {
                let (_, forces) = form(atoms);
                let scale = forces.iter().map(|f| f.length()).fold(1.0, f64::max);
                for k in 0..4 {
                    for axis in 0..3 {
                        let at = |step: f64| {
                            let mut moved = atoms;
                            moved[k][axis] += step;
                            form(moved).0
                        };
                        let numeric = -(at(STEP) - at(-STEP)) / (2.0 * STEP);
                        let error = (numeric - forces[k][axis]).abs() / scale;
                        assert!(error < 2e-6, "{name}, trial {trial}, atom {k}: {error:.1e}");
                    }
                }
                let net: DVec3 = forces.into_iter().sum();
                let torque: DVec3 = atoms.iter().zip(&forces).map(|(r, f)| r.cross(*f)).sum();
                assert!(net.length() < 1e-10 * scale, "{name}: net force {net}");
                assert!(torque.length() < 1e-10 * scale, "{name}: torque {torque}");
            }
        }
    }

    /// A gradient check that accepts a wrong constant proves nothing: three parts in a million of a force must show.
    #[test]
    fn the_gradient_check_can_fail() {
        let mut draws = Draws::new(3, Stream::Build, 0);
        let atoms = random_atoms(&mut draws);
        let form = &forms()[1].1;
        let mut moved = atoms;
        moved[0].x += 1e-6;
        let up = form(moved).0;
        moved[0].x -= 2e-6;
        let numeric = -(up - form(moved).0) / 2e-6;
        let force = form(atoms).1[0].x;
        assert!((numeric - force * (1.0 + 1e-4)).abs() / force.abs() > 2e-6);
    }
}
