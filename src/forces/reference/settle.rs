//! Rigid three-site water: SETTLE for positions, an exact 3 × 3 solve for velocities, both for one molecule.
//!
//! S. Miyamoto, P. A. Kollman, J. Comput. Chem. 13, 952 (1992), whose names (r_a, r_b, r_c; φ, ψ, θ; α, β, γ) are kept;
//! for velocities H. C. Andersen, J. Comput. Phys. 52, 24 (1983) (RATTLE), solved directly instead of iterated.
//! Knows no cell: molecules are whole here.

use glam::{DMat3, DVec3};

/// Geometry and masses of one water model, with what follows from them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settle {
    /// u
    pub mass_o: f64,
    /// u
    pub mass_h: f64,
    /// O–H distance, nm
    pub d_oh: f64,
    /// H–H distance, nm
    pub d_hh: f64,
    /// Distance of O from the centre of mass, nm (r_a).
    o_to_com: f64,
    /// Distance of the H–H line from the centre of mass, nm (r_b).
    h_to_com: f64,
}

impl Settle {
    /// * `mass_o`, `mass_h` – u, positive
    /// * `d_oh`, `d_hh` – nm, `d_hh` < 2 `d_oh`
    pub fn new(mass_o: f64, mass_h: f64, d_oh: f64, d_hh: f64) -> Self {
        let height = (d_oh * d_oh - 0.25 * d_hh * d_hh).sqrt();
        let o_to_com = 2.0 * mass_h * height / (mass_o + 2.0 * mass_h);
        Settle { mass_o, mass_h, d_oh, d_hh, o_to_com, h_to_com: height - o_to_com }
    }

    /// Positions that satisfy the constraints, reached from `new` by forces along the bonds of `old`.
    ///
    /// * `old` – O, H, H satisfying the constraints, nm
    /// * `new` – the same atoms after an unconstrained move, nm; the move must be small against the molecule
    pub fn constrain_positions(&self, old: [DVec3; 3], new: [DVec3; 3]) -> [DVec3; 3] {
        let (b0, c0) = (old[1] - old[0], old[2] - old[0]);
        // everything relative to the new centre of mass, itself relative to the new O: no large numbers cancel
        let (to_b, to_c) = (new[1] - new[0], new[2] - new[0]);
        let com = (to_b + to_c) * (self.mass_h / (self.mass_o + 2.0 * self.mass_h));
        let (a1, b1, c1) = (-com, to_b - com, to_c - com);

        // axes: z normal to the old plane, y towards the new O as far as z allows
        let z_axis = b0.cross(c0).normalize();
        let x_axis = a1.cross(z_axis).normalize();
        let y_axis = z_axis.cross(x_axis);
        let to_axes = DMat3::from_cols(x_axis, y_axis, z_axis).transpose();
        let (b0, c0) = (to_axes * b0, to_axes * c0);
        let (a1, b1, c1) = (to_axes * a1, to_axes * b1, to_axes * c1);

        // φ and ψ: tilts of the rigid triangle out of the old plane
        let (ra, rb, rc) = (self.o_to_com, self.h_to_com, 0.5 * self.d_hh);
        let sin_phi = a1.z / ra;
        let cos_phi = (1.0 - sin_phi * sin_phi).sqrt();
        let sin_psi = (b1.z - c1.z) / (2.0 * rc * cos_phi);
        let cos_psi = (1.0 - sin_psi * sin_psi).sqrt();
        let a2_y = ra * cos_phi;
        let b2_x = -rc * cos_psi;
        let b2_y = -rb * cos_phi - rc * sin_psi * sin_phi;
        let c2_y = -rb * cos_phi + rc * sin_psi * sin_phi;

        // θ: rotation about z, α sin θ + β cos θ = γ, from the condition that constraint forces act along the old bonds
        let alpha = b2_x * (b0.x - c0.x) + b0.y * b2_y + c0.y * c2_y;
        let beta = b2_x * (c0.y - b0.y) + b0.x * b2_y + c0.x * c2_y;
        let gamma = b0.x * b1.y - b1.x * b0.y + c0.x * c1.y - c1.x * c0.y;
        let norm_sq = alpha * alpha + beta * beta;
        let sin_theta = (alpha * gamma - beta * (norm_sq - gamma * gamma).sqrt()) / norm_sq;
        let cos_theta = (1.0 - sin_theta * sin_theta).sqrt();

        // turned by θ, with the z of the unconstrained positions, which no constraint force changes
        let a3 = DVec3::new(-a2_y * sin_theta, a2_y * cos_theta, a1.z);
        let b3 = DVec3::new(b2_x * cos_theta - b2_y * sin_theta, b2_x * sin_theta + b2_y * cos_theta, b1.z);
        let c3 = DVec3::new(-b2_x * cos_theta - c2_y * sin_theta, -b2_x * sin_theta + c2_y * cos_theta, c1.z);
        let from_axes = to_axes.transpose();
        [a3, b3, c3].map(|r| new[0] + (com + from_axes * r))
    }

    /// Velocities without relative motion along the three bonds, reached by impulses along them.
    ///
    /// * `positions` – O, H, H, nm
    /// * `velocities` – nm/ps
    pub fn project_velocities(&self, positions: [DVec3; 3], velocities: [DVec3; 3]) -> [DVec3; 3] {
        let [o, h1, h2] = positions;
        let bonds = [(o - h1).normalize(), (o - h2).normalize(), (h1 - h2).normalize()];
        let [u, v, w] = bonds;
        let [vo, v1, v2] = velocities;
        let relative = DVec3::new(u.dot(vo - v1), v.dot(vo - v2), w.dot(v1 - v2));
        // change of relative velocity along bond k per unit impulse along bond l; symmetric
        let (im_o, im_h) = (1.0 / self.mass_o, 1.0 / self.mass_h);
        let (uv, uw, vw) = (im_o * u.dot(v), -im_h * u.dot(w), im_h * v.dot(w));
        let coupling = DMat3::from_cols(
            DVec3::new(im_o + im_h, uv, uw),
            DVec3::new(uv, im_o + im_h, vw),
            DVec3::new(uw, vw, 2.0 * im_h),
        );
        let impulse = -(coupling.inverse() * relative);
        [
            vo + im_o * (impulse.x * u + impulse.y * v),
            v1 + im_h * (impulse.z * w - impulse.x * u),
            v2 - im_h * (impulse.z * w + impulse.y * v),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    const SPCE: (f64, f64, f64, f64) = (15.9994, 1.008, 0.1, 0.16329931618554522);

    fn settle() -> Settle {
        Settle::new(SPCE.0, SPCE.1, SPCE.2, SPCE.3)
    }

    fn random_vector(draws: &mut Draws) -> DVec3 {
        DVec3::new(draws.normal(), draws.normal(), draws.normal())
    }

    /// An ideal water somewhere, in a random orientation.
    fn random_water(draws: &mut Draws) -> [DVec3; 3] {
        let o = 5.0 * random_vector(draws);
        let x = random_vector(draws).normalize();
        let y = x.cross(random_vector(draws)).normalize();
        let height = (SPCE.2 * SPCE.2 - 0.25 * SPCE.3 * SPCE.3).sqrt();
        [o, o + height * y + 0.5 * SPCE.3 * x, o + height * y - 0.5 * SPCE.3 * x]
    }

    /// SHAKE (J.-P. Ryckaert et al., J. Comput. Phys. 23, 327 (1977)) iterated to convergence: the oracle.
    fn shake(old: [DVec3; 3], mut new: [DVec3; 3]) -> [DVec3; 3] {
        let inverse_mass = [1.0 / SPCE.0, 1.0 / SPCE.1, 1.0 / SPCE.1];
        for _ in 0..2000 {
            for (i, j, length) in [(0, 1, SPCE.2), (0, 2, SPCE.2), (1, 2, SPCE.3)] {
                let (reference, d) = (old[i] - old[j], new[i] - new[j]);
                let violation = d.length_squared() - length * length;
                let g = violation / (2.0 * d.dot(reference) * (inverse_mass[i] + inverse_mass[j]));
                new[i] -= g * inverse_mass[i] * reference;
                new[j] += g * inverse_mass[j] * reference;
            }
        }
        new
    }

    #[test]
    fn positions_equal_converged_shake() {
        let mut draws = Draws::new(1, Stream::Build, 0);
        for _ in 0..300 {
            let old = random_water(&mut draws);
            // rms moves of a few 1e-3 nm per atom: several time steps' worth
            let new = old.map(|r| r + 0.004 * random_vector(&mut draws));
            let (a, b) = (settle().constrain_positions(old, new), shake(old, new));
            for k in 0..3 {
                assert!((a[k] - b[k]).length() < 1e-10, "{} nm", (a[k] - b[k]).length());
                assert!((a[k] - new[k]).length() > 1e-6, "something was constrained");
            }
        }
    }

    #[test]
    fn constrained_positions_have_the_right_geometry_and_centre_of_mass() {
        let mut draws = Draws::new(2, Stream::Build, 0);
        let settle = settle();
        let com = |r: [DVec3; 3]| (SPCE.0 * r[0] + SPCE.1 * (r[1] + r[2])) / (SPCE.0 + 2.0 * SPCE.1);
        for _ in 0..300 {
            let old = random_water(&mut draws);
            let new = old.map(|r| r + 0.004 * random_vector(&mut draws));
            let [o, h1, h2] = settle.constrain_positions(old, new);
            assert!(((o - h1).length() - SPCE.2).abs() < 1e-14);
            assert!(((o - h2).length() - SPCE.2).abs() < 1e-14);
            assert!(((h1 - h2).length() - SPCE.3).abs() < 1e-14);
            assert!((com([o, h1, h2]) - com(new)).length() < 1e-14);
        }
    }

    #[test]
    fn an_ideal_water_that_only_moved_stays_where_it_is() {
        let mut draws = Draws::new(3, Stream::Build, 0);
        let old = random_water(&mut draws);
        let new = old.map(|r| r + DVec3::new(0.01, -0.02, 0.005));
        for (a, b) in settle().constrain_positions(old, new).into_iter().zip(new) {
            assert!((a - b).length() < 1e-14);
        }
    }

    #[test]
    fn projection_stops_bond_motion_and_keeps_both_momenta() {
        let mut draws = Draws::new(4, Stream::Build, 0);
        let mass = [SPCE.0, SPCE.1, SPCE.1];
        for _ in 0..300 {
            let r = random_water(&mut draws);
            let v = [(); 3].map(|()| 2.0 * random_vector(&mut draws));
            let p = settle().project_velocities(r, v);
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                assert!((p[i] - p[j]).dot((r[i] - r[j]).normalize()).abs() < 1e-13);
            }
            let momentum = |v: [DVec3; 3]| (0..3).map(|k| mass[k] * v[k]).sum::<DVec3>();
            let angular = |v: [DVec3; 3]| (0..3).map(|k| mass[k] * (r[k] - r[0]).cross(v[k])).sum::<DVec3>();
            assert!((momentum(p) - momentum(v)).length() < 1e-12);
            assert!((angular(p) - angular(v)).length() < 1e-12);
            // projecting twice changes nothing
            for (a, b) in settle().project_velocities(r, p).into_iter().zip(p) {
                assert!((a - b).length() < 1e-13);
            }
        }
    }
}
