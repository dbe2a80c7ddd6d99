//! Smooth particle-mesh Ewald in f64, any cell, orders 3 to 8.
//!
//! U. Essmann, L. Perera, M. L. Berkowitz, T. Darden, H. Lee, L. G. Pedersen, J. Chem. Phys. 103, 8577 (1995).
//! Three passes, each callable alone so that faster twins can be compared pass by pass:
//! [`Pme::spread`] (charges to mesh, eq. 4.6), [`Pme::solve`] (mesh to potential, eqs. 4.4 and 4.7) and
//! [`Pme::add_gathered_forces`] (eq. 4.9). Self and excluded-pair terms live in `exclusions`.
//!
//! **Net force.** Forces are the exact gradient of the mesh energy and are returned as they are: their sum is not zero
//! but of the size of the mesh error, because the mesh breaks translation invariance. Subtracting the mean would make
//! momentum conserved and the forces no longer a gradient; removing the centre-of-mass velocity now and then is the
//! engine's choice.

use super::Contribution;
use super::ewald::wave_virial;
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::potential::bspline::{euler_factors, weights};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftDirection, FftPlanner};
use std::f64::consts::{PI, TAU};
use std::sync::Arc;

/// Mesh sizes with every spacing at most `spacing` (nm): the smallest numbers of the form 2^a 3^b 5^c 7^d.
pub fn choose_grid(cell: &Cell, spacing: f64) -> [usize; 3] {
    let smooth = |mut n: usize| {
        for prime in [2, 3, 5, 7] {
            while n.is_multiple_of(prime) {
                n /= prime;
            }
        }
        n == 1
    };
    let v = cell.vectors();
    [v.x_axis, v.y_axis, v.z_axis].map(|a| {
        // a length that is a whole number of spacings up to rounding keeps that number
        let least = ((a.length() / spacing - 1e-9).ceil() as usize).max(1);
        (least..).find(|&n| smooth(n)).unwrap_or(least)
    })
}

/// Mesh, order, width of the Gaussians and everything that depends on them alone.
pub struct Pme {
    grid: [usize; 3],
    order: usize,
    beta: f64,
    /// |b(m)|² along each axis
    euler: [Vec<f64>; 3],
    forward: [Arc<dyn Fft<f64>>; 3],
    inverse: [Arc<dyn Fft<f64>>; 3],
}

/// Where an atom sits on the mesh: first mesh point and weights along each axis.
struct Stencil {
    first: [usize; 3],
    values: [[f64; crate::potential::bspline::MAX_ORDER]; 3],
    derivatives: [[f64; crate::potential::bspline::MAX_ORDER]; 3],
}

impl Pme {
    /// * `grid` – mesh points along a, b, c
    /// * `order` – of the B-splines, 3 to 8
    /// * `beta` – nm⁻¹
    pub fn new(grid: [usize; 3], order: usize, beta: f64) -> Self {
        let mut planner = FftPlanner::new();
        let forward = grid.map(|n| planner.plan_fft(n, FftDirection::Forward));
        let inverse = grid.map(|n| planner.plan_fft(n, FftDirection::Inverse));
        Pme { grid, order, beta, euler: grid.map(|n| euler_factors(n, order)), forward, inverse }
    }

    /// The error for splines that no mesh of this code can hold.
    pub fn impossible(order: usize, grid: [usize; 3]) -> ForceError {
        ForceError::Impossible(format!(
            "PME of order {order} on a mesh of {} x {} x {} points; choose order 4, 5 or 6 and at least that many points \
             along every axis",
            grid[0], grid[1], grid[2]
        ))
    }

    pub fn grid(&self) -> [usize; 3] {
        self.grid
    }

    /// Adds the reciprocal forces and returns energy and virial.
    ///
    /// * `positions` – `[n_atoms]`, nm
    /// * `charges` – `[n_atoms]`, e
    /// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
    pub fn add_forces(&self, cell: &Cell, positions: &[DVec3], charges: &[f64], forces: &mut [DVec3]) -> Contribution {
        let mesh = self.spread(cell, positions, charges);
        let (potential, sum) = self.solve(cell, &mesh);
        self.add_gathered_forces(cell, positions, charges, &potential, forces);
        sum
    }

    fn stencil(&self, cell: &Cell, r: DVec3) -> Stencil {
        let s = cell.to_fractional(r);
        let s = s - s.floor();
        let mut stencil = Stencil { first: [0; 3], values: [[0.0; 8]; 3], derivatives: [[0.0; 8]; 3] };
        for axis in 0..3 {
            let n = self.grid[axis];
            let u = s[axis] * n as f64;
            let cell_index = u.floor();
            (stencil.values[axis], stencil.derivatives[axis]) = weights(u - cell_index, self.order);
            // entry k of the weights belongs to mesh point floor(u) − order + 1 + k
            stencil.first[axis] = (cell_index as usize + n * self.order - self.order + 1) % n;
        }
        stencil
    }

    /// Charge on every mesh point, `[grid_a * grid_b * grid_c]`, c fastest, e.
    pub fn spread(&self, cell: &Cell, positions: &[DVec3], charges: &[f64]) -> Vec<f64> {
        let [n_a, n_b, n_c] = self.grid;
        let mut mesh = vec![0.0; n_a * n_b * n_c];
        for (&r, &q) in positions.iter().zip(charges) {
            if q == 0.0 {
                continue;
            }
            let at = self.stencil(cell, r);
            for ka in 0..self.order {
                let row_a = (at.first[0] + ka) % n_a * n_b;
                for kb in 0..self.order {
                    let row = (row_a + (at.first[1] + kb) % n_b) * n_c;
                    let q_ab = q * at.values[0][ka] * at.values[1][kb];
                    for kc in 0..self.order {
                        mesh[row + (at.first[2] + kc) % n_c] += q_ab * at.values[2][kc];
                    }
                }
            }
        }
        mesh
    }

    /// Factor of |Q(m)|² in twice the energy at mesh frequency `m`, and its wave vector; zero for m = 0.
    ///
    /// 4π k_e/(V k²) exp(−k²/4β²) |b_a|² |b_b|² |b_c|², k = 2π m'. Frequencies above half a mesh are negative. At
    /// exactly half, k and −k share a mesh point; in a skewed cell they differ in length and only the average acts.
    pub fn influence(&self, cell: &Cell, m: [usize; 3]) -> (f64, DVec3) {
        if m == [0; 3] {
            return (0.0, DVec3::ZERO);
        }
        let signed = |axis: usize| {
            let (m, n) = (m[axis] as f64, self.grid[axis] as f64);
            if 2.0 * m > n { m - n } else { m }
        };
        let k = TAU * (cell.inverse().transpose() * DVec3::new(signed(0), signed(1), signed(2)));
        let k_sq = k.length_squared();
        let b = self.euler[0][m[0]] * self.euler[1][m[1]] * self.euler[2][m[2]];
        (4.0 * PI * COULOMB / (cell.volume() * k_sq) * (-k_sq / (4.0 * self.beta * self.beta)).exp() * b, k)
    }

    /// Potential on every mesh point (kJ/mol/e, the derivative of the energy by the mesh charge), energy and virial.
    pub fn solve(&self, cell: &Cell, mesh: &[f64]) -> (Vec<f64>, Contribution) {
        let [n_a, n_b, n_c] = self.grid;
        let mut data: Vec<Complex64> = mesh.iter().map(|&q| Complex64::new(q, 0.0)).collect();
        self.transform(&mut data, &self.forward);
        let mut energy = 0.0;
        let mut virial = DMat3::ZERO;
        for a in 0..n_a {
            for b in 0..n_b {
                for c in 0..n_c {
                    let value = &mut data[(a * n_b + b) * n_c + c];
                    let (factor, k) = self.influence(cell, [a, b, c]);
                    let e = 0.5 * factor * value.norm_sqr();
                    *value *= factor;
                    energy += e;
                    if e != 0.0 {
                        virial += wave_virial(k, self.beta) * e;
                    }
                }
            }
        }
        self.transform(&mut data, &self.inverse);
        (data.into_iter().map(|z| z.re).collect(), Contribution { energy, virial })
    }

    /// Potential of the mesh at every atom, the derivative of its energy by the atom's charge, kJ mol⁻¹ e⁻¹.
    ///
    /// * `potential` – what [`Pme::solve`] returned
    pub fn gather_potentials(&self, cell: &Cell, positions: &[DVec3], potential: &[f64]) -> Vec<f64> {
        let [n_a, n_b, n_c] = self.grid;
        let at = |&r: &DVec3| {
            let at = self.stencil(cell, r);
            let mut sum = 0.0;
            for ka in 0..self.order {
                let row_a = (at.first[0] + ka) % n_a * n_b;
                for kb in 0..self.order {
                    let row = (row_a + (at.first[1] + kb) % n_b) * n_c;
                    for kc in 0..self.order {
                        sum += at.values[0][ka]
                            * at.values[1][kb]
                            * at.values[2][kc]
                            * potential[row + (at.first[2] + kc) % n_c];
                    }
                }
            }
            sum
        };
        positions.iter().map(at).collect()
    }

    /// Reciprocal energy of two unit charges at every pair of positions, `[n * n]` row-major, kJ mol⁻¹ e⁻²: what
    /// [`Pme::gather_potentials`] finds at one from a charge at the other.
    ///
    /// One transform gives the potential G of a charge on a mesh point; with the weights w of both splines the energy is
    /// Σ_m Σ_m' w_i(m) G(m − m') w_j(m'), and along each axis the two splines meet in one correlation of 2p − 1 numbers.
    pub fn interactions(&self, cell: &Cell, positions: &[DVec3]) -> Vec<f64> {
        let [n_a, n_b, n_c] = self.grid;
        let mut mesh = vec![0.0; n_a * n_b * n_c];
        mesh[0] = 1.0;
        let (green, _) = self.solve(cell, &mesh);
        let stencils: Vec<Stencil> = positions.iter().map(|&r| self.stencil(cell, r)).collect();
        let width = 2 * self.order - 1;
        let mut matrix = vec![0.0; positions.len() * positions.len()];
        matrix.par_chunks_mut(positions.len().max(1)).zip(&stencils).for_each(|(row, i)| {
            for (value, j) in row.iter_mut().zip(&stencils) {
                let mut points = [[0; 2 * crate::potential::bspline::MAX_ORDER]; 3];
                let mut together = [[0.0; 2 * crate::potential::bspline::MAX_ORDER]; 3];
                for axis in 0..3 {
                    let n = self.grid[axis];
                    for (d, point) in points[axis][..width].iter_mut().enumerate() {
                        *point = (i.first[axis] + 2 * n - j.first[axis] + d + n * self.order + 1 - self.order) % n;
                    }
                    for k in 0..self.order {
                        for l in 0..self.order {
                            together[axis][k + self.order - 1 - l] += i.values[axis][k] * j.values[axis][l];
                        }
                    }
                }
                for a in 0..width {
                    let mut plane = 0.0;
                    for b in 0..width {
                        let line = &green[(points[0][a] * n_b + points[1][b]) * n_c..][..n_c];
                        let sum: f64 = (0..width).map(|c| together[2][c] * line[points[2][c]]).sum();
                        plane += together[1][b] * sum;
                    }
                    *value += together[0][a] * plane;
                }
            }
        });
        matrix
    }

    /// Adds −q ∂φ/∂r of every atom.
    pub fn add_gathered_forces(
        &self,
        cell: &Cell,
        positions: &[DVec3],
        charges: &[f64],
        potential: &[f64],
        forces: &mut [DVec3],
    ) {
        let [n_a, n_b, n_c] = self.grid;
        let to_cartesian =
            cell.inverse().transpose() * DMat3::from_diagonal(DVec3::new(n_a as f64, n_b as f64, n_c as f64));
        for (i, (&r, &q)) in positions.iter().zip(charges).enumerate() {
            if q == 0.0 {
                continue;
            }
            let at = self.stencil(cell, r);
            let mut gradient = DVec3::ZERO;
            for ka in 0..self.order {
                let row_a = (at.first[0] + ka) % n_a * n_b;
                for kb in 0..self.order {
                    let row = (row_a + (at.first[1] + kb) % n_b) * n_c;
                    let (mut value, mut slope) = (0.0, 0.0);
                    for kc in 0..self.order {
                        let phi = potential[row + (at.first[2] + kc) % n_c];
                        value += at.values[2][kc] * phi;
                        slope += at.derivatives[2][kc] * phi;
                    }
                    gradient.x += at.derivatives[0][ka] * at.values[1][kb] * value;
                    gradient.y += at.values[0][ka] * at.derivatives[1][kb] * value;
                    gradient.z += at.values[0][ka] * at.values[1][kb] * slope;
                }
            }
            forces[i] -= q * (to_cartesian * gradient);
        }
    }

    /// Unnormalised 3-D transform in place: along c, then rotate the axes (a, b, c) → (c, a, b), three times.
    fn transform(&self, data: &mut Vec<Complex64>, plans: &[Arc<dyn Fft<f64>>; 3]) {
        for axis in [2, 1, 0] {
            plans[axis].process(data);
            let n = self.grid[axis];
            let rows = data.len() / n;
            let mut rotated = vec![Complex64::default(); data.len()];
            for (row, line) in data.chunks_exact(n).enumerate() {
                for (k, &value) in line.iter().enumerate() {
                    rotated[k * rows + row] = value;
                }
            }
            *data = rotated;
        }
    }
}
