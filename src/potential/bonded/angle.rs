//! The harmonic angle.

use super::AngleTerm;
use crate::system::bonded::HarmonicAngle;
use glam::DVec3;

/// U = ½ k (θ − θ₀)²; forces −k (θ − θ₀) ∂θ/∂r.
///
/// θ is taken from sine and cosine together and the directions from cross products, so straight and folded angles lose no
/// digits. On the line itself the direction is undefined: the force is zero there, as it is in the middle of a straight
/// equilibrium angle.
///
/// * `d_ij`, `d_kj` – r_i − r_j and r_k − r_j, nm
pub fn harmonic_angle(angle: &HarmonicAngle, d_ij: DVec3, d_kj: DVec3) -> AngleTerm {
    let normal = d_ij.cross(d_kj);
    let sin = normal.length(); // times |d_ij| |d_kj|
    let theta = sin.atan2(d_ij.dot(d_kj));
    let bend = theta - angle.angle;
    let energy = 0.5 * angle.k * bend * bend;
    if sin == 0.0 {
        return AngleTerm { energy, f_i: DVec3::ZERO, f_k: DVec3::ZERO };
    }
    // ∂θ/∂r_i is perpendicular to d_ij, in the plane, and opens the angle
    let normal = normal / sin;
    let torque = angle.k * bend;
    let f_i = -torque / d_ij.length_squared() * d_ij.cross(normal);
    let f_k = torque / d_kj.length_squared() * d_kj.cross(normal);
    AngleTerm { energy, f_i, f_k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn angle(degrees: f64, k: f64) -> HarmonicAngle {
        HarmonicAngle { atoms: [0, 1, 2], angle: degrees.to_radians(), k }
    }

    #[test]
    fn a_right_angle_by_hand() {
        // θ = 90°, θ₀ = 120°: U = ½ · 400 · (π/6)², torque 400 π/6 opens the angle
        let term = harmonic_angle(&angle(120.0, 400.0), DVec3::new(0.2, 0.0, 0.0), DVec3::new(0.0, 0.1, 0.0));
        assert!((term.energy - 200.0 * (PI / 6.0).powi(2)).abs() < 1e-10);
        let torque = 400.0 * PI / 6.0;
        assert!((term.f_i - DVec3::new(0.0, -torque / 0.2, 0.0)).length() < 1e-9);
        assert!((term.f_k - DVec3::new(-torque / 0.1, 0.0, 0.0)).length() < 1e-9);
    }

    /// Near the line forces of a straight equilibrium angle go to zero smoothly; nothing is ever infinite.
    #[test]
    fn collinear_atoms_are_harmless() {
        let straight = angle(180.0, 400.0);
        for bend in [1e-3, 1e-6, 1e-9, 1e-12, 0.0] {
            let d_kj = 0.15 * DVec3::new(-f64::cos(bend), f64::sin(bend), 0.0);
            let term = harmonic_angle(&straight, DVec3::new(0.1, 0.0, 0.0), d_kj);
            // the angle itself is known to about 1e-16, its distance from π with it
            assert!((term.f_i.length() - 400.0 * bend / 0.1).abs() < 1e-11, "{bend}: {}", term.f_i.length());
            assert!((term.energy - 200.0 * bend * bend).abs() < 1e-14 * (1.0 + bend), "{bend}");
        }
        for d_kj in [DVec3::new(-0.1, 0.0, 0.0), DVec3::new(0.3, 0.0, 0.0)] {
            let term = harmonic_angle(&angle(109.5, 400.0), DVec3::new(0.1, 0.0, 0.0), d_kj);
            assert!(term.energy.is_finite() && term.f_i == DVec3::ZERO && term.f_k == DVec3::ZERO);
        }
    }
}
