//! Lattice sums of the Coulomb kernel by explicit images: the oracle of everything that uses a mesh or one image.
//!
//! The kernel K(d) is the interaction of two unit charges a displacement d apart, with all images of one of them and
//! the Gaussian widths of both: E = ½ Σ_ij q_i q_j K(r_i − r_j). Works in cells smaller than any cutoff, and costs
//! accordingly. It knows no atoms.

use crate::cell::Cell;
use crate::math::{erf, erfc};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use std::f64::consts::{PI, TAU};

/// What surrounds the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Periodic in three directions, tin foil at infinity.
    Bulk,
    /// The same with the dipole term that makes it a single slab: I.-C. Yeh, M. L. Berkowitz, J. Chem. Phys. 111, 3155
    /// (1999), in the form that holds for charged cells too, V. Ballenegger et al., J. Chem. Phys. 131, 094107 (2009).
    SlabCorrected,
    /// Periodic along a and b alone, exactly: D. E. Parry, Surf. Sci. 49, 433 (1975). The height of the cell does not
    /// matter.
    Slab,
}

/// The kernel of one cell. Converged to about 1e-13 of k_e over the shortest lattice vector.
#[derive(Debug, Clone)]
pub struct LatticeSum {
    boundary: Boundary,
    /// nm⁻¹
    beta: f64,
    /// nm³, or nm² for [`Boundary::Slab`]
    extent: f64,
    height: f64,
    /// Lattice translations within reach of any displacement inside the cell, nm.
    images: Vec<DVec3>,
    /// Half of the reciprocal vectors, nm⁻¹.
    waves: Vec<DVec3>,
}

/// exp(−x²) falls below 1e-15 here.
const REACH: f64 = 6.0;

impl LatticeSum {
    /// * `cell` – c along z for the slab boundaries
    pub fn new(cell: &Cell, boundary: Boundary) -> Self {
        let v = cell.vectors();
        let flat = boundary == Boundary::Slab;
        // as many images as waves: β = √π over the typical lateral or cubic length
        let area = v.x_axis.cross(v.y_axis).length();
        let (extent, length) = if flat { (area, area.sqrt()) } else { (cell.volume(), cell.volume().cbrt()) };
        let beta = PI.sqrt() / length;
        let longest = v.x_axis.length() + v.y_axis.length() + if flat { 0.0 } else { v.z_axis.length() };
        let r_max = REACH / beta + longest;
        let heights = cell.heights();
        let n = [0, 1, 2].map(|k| if flat && k == 2 { 0 } else { (r_max / heights[k]).ceil() as i32 });
        let images: Vec<DVec3> = grid(n).map(|m| v * m).filter(|r| r.length() <= r_max).collect();
        let reciprocal: DMat3 = cell.inverse().transpose();
        let k_max = 2.0 * beta * REACH;
        let n = [v.x_axis, v.y_axis, v.z_axis].map(|a| (k_max * a.length() / TAU).ceil() as i32);
        let n = if flat { [n[0], n[1], 0] } else { n };
        let positive = |m: &DVec3| m.to_array().into_iter().find(|&x| x != 0.0).is_some_and(|x| x > 0.0);
        let waves = grid(n).filter(positive).map(|m| TAU * (reciprocal * m)).filter(|k| k.length() <= k_max).collect();
        LatticeSum { boundary, beta, extent, height: v.z_axis.z, images, waves }
    }

    /// K(d), kJ mol⁻¹ e⁻², with the constant of a neutralising background.
    ///
    /// * `displacement` – nm, inside the cell's own extent
    /// * `eta` – nm⁻¹, η⁻² = w_i² + w_j² of two Gaussians ρ ∝ exp(−r²/w²); infinite for point charges. At zero displacement
    ///   the charge's own Gaussian counts once, a point charge not at all
    pub fn kernel(&self, displacement: DVec3, eta: f64) -> f64 {
        // a Gaussian wider than the splitting has no short range: all of it is in the waves, which decay the faster
        let beta = self.beta.min(eta);
        let near: f64 = self
            .images
            .iter()
            .map(|&image| {
                let r = (displacement + image).length();
                if r > 1e-9 {
                    (erfc(beta * r) - if eta.is_finite() { erfc(eta * r) } else { 0.0 }) / r
                } else {
                    (if eta.is_finite() { 2.0 * eta } else { 0.0 } - 2.0 * beta) / PI.sqrt()
                }
            })
            .sum();
        let far: f64 = match self.boundary {
            Boundary::Bulk | Boundary::SlabCorrected => {
                let waves: f64 = self
                    .waves
                    .iter()
                    .map(|&k| {
                        let k_sq = k.length_squared();
                        (-k_sq / (4.0 * beta * beta)).exp() / k_sq * k.dot(displacement).cos()
                    })
                    .sum();
                let slab = match self.boundary {
                    Boundary::SlabCorrected => {
                        -2.0 * PI / self.extent * (displacement.z * displacement.z + self.height * self.height / 6.0)
                    }
                    _ => 0.0,
                };
                8.0 * PI / self.extent * waves - PI / (self.extent * beta * beta) + slab
            }
            Boundary::Slab => {
                let z = displacement.z.abs();
                let waves: f64 = self
                    .waves
                    .iter()
                    .map(|k| {
                        let length = k.length();
                        let outward = damped(length, z, beta) + damped(length, -z, beta);
                        k.dot(displacement).cos() / length * outward
                    })
                    .sum();
                let uniform = (-beta * beta * z * z).exp() / beta + PI.sqrt() * z * erf(beta * z);
                2.0 * PI / self.extent * waves - 2.0 * PI.sqrt() / self.extent * uniform
            }
        };
        COULOMB * (near + far)
    }
}

/// exp(k z) erfc(k/2β + β z), without overflow where the factors are huge and tiny.
fn damped(k: f64, z: f64, beta: f64) -> f64 {
    let x = k / (2.0 * beta) + beta * z;
    if x < 25.0 {
        (k * z).exp() * erfc(x)
    } else {
        (-k * k / (4.0 * beta * beta) - beta * beta * z * z).exp() / (x * PI.sqrt())
    }
}

fn grid(n: [i32; 3]) -> impl Iterator<Item = DVec3> {
    (-n[0]..=n[0]).flat_map(move |a| {
        (-n[1]..=n[1])
            .flat_map(move |b| (-n[2]..=n[2]).map(move |c| DVec3::new(f64::from(a), f64::from(b), f64::from(c))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Energy of unit charges ± at fractional sites of a cube with nearest distance 1 nm, per formula unit.
    fn energy(sum: &LatticeSum, sites: &[(DVec3, f64)]) -> f64 {
        let mut e = 0.0;
        for &(a, q_a) in sites {
            for &(b, q_b) in sites {
                e += 0.5 * q_a * q_b * sum.kernel(a - b, f64::INFINITY);
            }
        }
        e
    }

    #[test]
    fn rock_salt_has_its_madelung_constant() {
        let sum = LatticeSum::new(&Cell::cubic(2.0).expect("valid"), Boundary::Bulk);
        let sites: Vec<(DVec3, f64)> = (0..8)
            .map(|n| {
                let r = DVec3::new(f64::from(n & 1), f64::from(n >> 1 & 1), f64::from(n >> 2 & 1));
                (r, if ((n & 1) + (n >> 1 & 1) + (n >> 2 & 1)) % 2 == 0 { 1.0 } else { -1.0 })
            })
            .collect();
        let madelung = -energy(&sum, &sites) / 4.0 / COULOMB;
        assert!((madelung - 1.747_564_594_633_183_5).abs() < 1e-12, "{madelung}");
    }

    #[test]
    fn one_charge_in_its_background_has_the_wigner_energy() {
        // k_e q² (−2.8372974795)/(2 L)
        let sum = LatticeSum::new(&Cell::cubic(1.7).expect("valid"), Boundary::Bulk);
        let wigner = sum.kernel(DVec3::ZERO, f64::INFINITY) / COULOMB * 1.7;
        assert!((wigner + 2.837_297_479_480_618_3).abs() < 1e-12, "{wigner}");
    }

    #[test]
    fn the_result_does_not_depend_on_the_splitting() {
        let cell = Cell::orthorhombic(0.7, 0.9, 2.2).expect("valid");
        for boundary in [Boundary::Bulk, Boundary::SlabCorrected, Boundary::Slab] {
            let sum = LatticeSum::new(&cell, boundary);
            let mut other = LatticeSum::new(&Cell::orthorhombic(0.7, 0.9, 2.2).expect("valid"), boundary);
            // 1.3 times β needs fewer images and more waves: take both from a cell of a quarter the size
            let wide = LatticeSum::new(&Cell::orthorhombic(0.35, 0.45, 1.1).expect("valid"), boundary);
            let reciprocal = cell.inverse().transpose();
            other.beta = 1.3 * sum.beta;
            let k_max = 2.0 * other.beta * REACH;
            let n = if boundary == Boundary::Slab { [30, 30, 0] } else { [30, 30, 60] };
            let positive = |m: &DVec3| m.to_array().into_iter().find(|&x| x != 0.0).is_some_and(|x| x > 0.0);
            other.waves =
                grid(n).filter(positive).map(|m| TAU * (reciprocal * m)).filter(|k| k.length() <= k_max).collect();
            assert!(wide.waves.len() < other.waves.len());
            for d in [DVec3::ZERO, DVec3::new(0.2, -0.3, 0.8), DVec3::new(0.0, 0.1, -1.0)] {
                for eta in [1.1 * sum.beta, 20.0, f64::INFINITY] {
                    let (a, b) = (sum.kernel(d, eta), other.kernel(d, eta));
                    assert!((a - b).abs() < 1e-9, "{boundary:?} {d}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_corrected_slab_tends_to_the_exact_one_as_the_vacuum_grows() {
        let neutral = [(DVec3::new(0.1, 0.2, -0.3), 0.7), (DVec3::new(0.4, 0.0, 0.35), -1.0), (DVec3::ZERO, 0.3)];
        let cell = |z| Cell::orthorhombic(0.8, 0.8, z).expect("valid");
        let exact = energy(&LatticeSum::new(&cell(1.0), Boundary::Slab), &neutral);
        let error = |z, boundary| (energy(&LatticeSum::new(&cell(z), boundary), &neutral) - exact).abs() / exact.abs();
        assert!(error(2.5, Boundary::SlabCorrected) < 1e-4);
        assert!(error(4.0, Boundary::SlabCorrected) < 1e-9);
        assert!(error(4.0, Boundary::Bulk) > 1e-2, "without the correction images across the vacuum are felt");
    }
}
