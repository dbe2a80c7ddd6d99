//! Potentials of a dihedral angle: periodic, Ryckaert-Bellemans, harmonic.
//!
//! φ is the angle between the planes i–j–k and j–k–l, IUPAC: 0 for cis, ±180° for trans, positive when l is turned
//! clockwise from i looking from j to k. Forces after A. Blondel, M. Karplus, J. Comput. Chem. 17, 1132 (1996), whose
//! form has no singularity at φ = 0 and 180°. Where three atoms are on a line φ is undefined and the force, which grows
//! as 1/sin of the angle, is set to zero.

use super::DihedralTerm;
use crate::system::bonded::{HarmonicImproper, PeriodicDihedral, RyckaertBellemans};
use glam::DVec3;
use std::f64::consts::{PI, TAU};

/// sin² of i–j–k or j–k–l below which three atoms count as a line.
const ON_A_LINE: f64 = 1e-16;

/// φ in (−π, π], rad.
///
/// * `d_ij`, `d_kj`, `d_lk` – r_i − r_j, r_k − r_j, r_l − r_k, nm
pub fn dihedral_angle(d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> f64 {
    let [cos, sin] = direction(d_ij, d_kj, d_lk);
    sin.atan2(cos)
}

/// (cos φ, sin φ) times a positive number.
fn direction(d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> [f64; 2] {
    let (a, b) = (d_kj.cross(d_ij), d_kj.cross(d_lk));
    [a.dot(b), d_kj.dot(a.cross(b)) / d_kj.length()]
}

/// (cos φ, sin φ); φ counts as zero where it is undefined.
fn cos_sin(d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> [f64; 2] {
    let [cos, sin] = direction(d_ij, d_kj, d_lk);
    let norm = (cos * cos + sin * sin).sqrt();
    if norm > 0.0 { [cos / norm, sin / norm] } else { [1.0, 0.0] }
}

/// The term whose energy at φ is `energy` and whose derivative by φ is `slope` (kJ/mol/rad).
fn term(d_ij: DVec3, d_kj: DVec3, d_lk: DVec3, energy: f64, slope: f64) -> DihedralTerm {
    let (a, b) = (d_kj.cross(d_ij), d_kj.cross(d_lk));
    let (a_sq, b_sq, axis_sq) = (a.length_squared(), b.length_squared(), d_kj.length_squared());
    let on_a_line = |normal_sq: f64, d: DVec3| normal_sq <= ON_A_LINE * axis_sq * d.length_squared();
    if on_a_line(a_sq, d_ij) || on_a_line(b_sq, d_lk) {
        return DihedralTerm { energy, f_i: DVec3::ZERO, f_k: DVec3::ZERO, f_l: DVec3::ZERO };
    }
    let axis = axis_sq.sqrt();
    // ∂φ/∂r_i = −|r_kj| a/a², ∂φ/∂r_l = |r_kj| b/b²
    let f_i = slope * axis / a_sq * a;
    let f_l = -slope * axis / b_sq * b;
    // the torque about the axis is balanced on j and k by levers along it
    let (lever_i, lever_l) = (d_ij.dot(d_kj) / axis_sq, d_lk.dot(d_kj) / axis_sq);
    let f_k = -f_l - lever_i * f_i - lever_l * f_l;
    DihedralTerm { energy, f_i, f_k, f_l }
}

/// U = k (1 + cos(n φ − φ₀)).
///
/// * `d_ij`, `d_kj`, `d_lk` – r_i − r_j, r_k − r_j, r_l − r_k, nm
pub fn periodic_dihedral(dihedral: &PeriodicDihedral, d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> DihedralTerm {
    let n = f64::from(dihedral.multiplicity);
    // n φ − φ₀ by adding angles: no inverse function is needed
    let [cos_phi, sin_phi] = cos_sin(d_ij, d_kj, d_lk);
    let (mut sin, mut cos) = (-dihedral.phase).sin_cos();
    for _ in 0..dihedral.multiplicity {
        (sin, cos) = (sin * cos_phi + cos * sin_phi, cos * cos_phi - sin * sin_phi);
    }
    term(d_ij, d_kj, d_lk, dihedral.k * (1.0 + cos), -dihedral.k * n * sin)
}

/// U = Σ Cₙ cosⁿ ψ, ψ = φ − 180°.
///
/// * `d_ij`, `d_kj`, `d_lk` – r_i − r_j, r_k − r_j, r_l − r_k, nm
pub fn ryckaert_bellemans(dihedral: &RyckaertBellemans, d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> DihedralTerm {
    let [cos_phi, sin_phi] = cos_sin(d_ij, d_kj, d_lk);
    let cos_psi = -cos_phi;
    let (mut energy, mut slope) = (0.0, 0.0);
    for &c in dihedral.c.iter().rev() {
        slope = slope * cos_psi + energy;
        energy = energy * cos_psi + c;
    }
    // d cos ψ/dφ = sin φ
    term(d_ij, d_kj, d_lk, energy, slope * sin_phi)
}

/// U = ½ k (ξ − ξ₀)², the difference within ±180°.
///
/// * `d_ij`, `d_kj`, `d_lk` – r_i − r_j, r_k − r_j, r_l − r_k, nm
pub fn harmonic_improper(improper: &HarmonicImproper, d_ij: DVec3, d_kj: DVec3, d_lk: DVec3) -> DihedralTerm {
    let turn = dihedral_angle(d_ij, d_kj, d_lk) - improper.angle;
    let turn = turn - TAU * (turn / TAU).round();
    debug_assert!(turn.abs() <= PI + 1e-12);
    term(d_ij, d_kj, d_lk, 0.5 * improper.k * turn * turn, improper.k * turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// i above j, l turned by φ about the axis j → k, as IUPAC counts it.
    fn at(phi: f64) -> (DVec3, DVec3, DVec3) {
        // looking from j to k (along +z), clockwise is from x to y
        (DVec3::new(0.1, 0.0, 0.0), DVec3::new(0.0, 0.0, 0.15), 0.1 * DVec3::new(phi.cos(), phi.sin(), 0.0))
    }

    #[test]
    fn angles_follow_iupac() {
        for degrees in [-179.0, -90.0, -30.0, 0.0, 45.0, 120.0, 180.0_f64] {
            let (a, b, c) = at(degrees.to_radians());
            assert!((dihedral_angle(a, b, c).to_degrees() - degrees).abs() < 1e-9, "{degrees}");
        }
    }

    #[test]
    fn periodic_by_hand() {
        let dihedral =
            PeriodicDihedral { atoms: [0, 1, 2, 3], phase: 0.0, k: 4.0, multiplicity: 3, is_improper: false };
        let energy = |degrees: f64| {
            let (a, b, c) = at(degrees.to_radians());
            periodic_dihedral(&dihedral, a, b, c).energy
        };
        assert!((energy(0.0) - 8.0).abs() < 1e-12);
        assert!(energy(60.0).abs() < 1e-12);
        assert!((energy(30.0) - 4.0).abs() < 1e-12);
        // dU/dφ = −k n sin(3 · 30°) = −12 turns l, at 0.1 nm from the axis, on
        let (a, b, c) = at(30_f64.to_radians());
        let term = periodic_dihedral(&dihedral, a, b, c);
        let along = DVec3::new(-(30_f64.to_radians()).sin(), (30_f64.to_radians()).cos(), 0.0);
        assert!((term.f_l - 120.0 * along).length() < 1e-9, "{}", term.f_l);
    }

    #[test]
    fn ryckaert_bellemans_by_hand() {
        let dihedral = RyckaertBellemans { atoms: [0, 1, 2, 3], c: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let energy = |degrees: f64| {
            let (a, b, c) = at(degrees.to_radians());
            ryckaert_bellemans(&dihedral, a, b, c).energy
        };
        assert!((energy(180.0) - 21.0).abs() < 1e-12, "trans: all cosines are one");
        assert!((energy(0.0) - (1.0 - 2.0 + 3.0 - 4.0 + 5.0 - 6.0)).abs() < 1e-12);
        assert!((energy(90.0) - 1.0).abs() < 1e-12);
        // ψ = −60°: cos = ½
        assert!((energy(120.0) - (1.0 + 1.0 + 0.75 + 0.5 + 0.3125 + 0.1875)).abs() < 1e-12);
    }

    #[test]
    fn impropers_take_the_short_way_round() {
        let improper = HarmonicImproper { atoms: [0, 1, 2, 3], angle: 175_f64.to_radians(), k: 100.0 };
        let (a, b, c) = at(-175_f64.to_radians());
        let energy = harmonic_improper(&improper, a, b, c).energy;
        assert!((energy - 50.0 * 10_f64.to_radians().powi(2)).abs() < 1e-10);
    }

    #[test]
    fn three_atoms_on_a_line_are_harmless() {
        let dihedral =
            PeriodicDihedral { atoms: [0, 1, 2, 3], phase: 0.0, k: 4.0, multiplicity: 3, is_improper: false };
        let axis = DVec3::new(0.0, 0.0, 0.15);
        let side = DVec3::new(0.1, 0.0, 0.0);
        for (i, l) in [(-axis, side), (side, axis), (-axis, axis), (axis, side)] {
            let term = periodic_dihedral(&dihedral, i, axis, l);
            assert!(term.energy.is_finite());
            assert_eq!((term.f_i, term.f_k, term.f_l), (DVec3::ZERO, DVec3::ZERO, DVec3::ZERO));
        }
    }
}
