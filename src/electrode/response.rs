//! How the charges of frozen electrodes answer a potential: the matrix that is made once and applied every step.
//!
//! U(q) = ½ qᵀ A q + qᵀ φ − qᵀ Ψ under Σ q = Q₀, with φ the potential of the electrolyte at the electrode atoms and Ψ the
//! potential each electrode is held at (J. I. Siepmann, M. Sprik, J. Chem. Phys. 102, 511 (1995); S. K. Reed, O. J. Lanning,
//! P. A. Madden, J. Chem. Phys. 126, 084704 (2007)). The minimum is
//! q = C (Ψ − φ) + q₀, C = A⁻¹ − A⁻¹ 1 1ᵀ A⁻¹/(1ᵀ A⁻¹ 1), q₀ = Q₀ A⁻¹ 1/(1ᵀ A⁻¹ 1)
//! (L. Scalfi et al., J. Chem. Phys. 153, 174704 (2020)); C is symmetric and every row sums to zero.

use super::dense::{Matrix, NotPositiveDefinite};

/// The constrained inverse of one arrangement of electrode atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// C, e² mol kJ⁻¹
    matrix: Matrix,
    /// A⁻¹ 1/(1ᵀ A⁻¹ 1), `[n]`, sums to one
    share: Vec<f64>,
}

impl Response {
    /// From the interaction matrix A (kJ mol⁻¹ e⁻²) of the electrode charges, Gaussian self-energies and Thomas-Fermi
    /// terms on its diagonal.
    pub fn new(interaction: Matrix) -> Result<Self, NotPositiveDefinite> {
        let mut inverse = interaction.inverse()?;
        let n = inverse.n;
        let sums: Vec<f64> = (0..n).map(|i| inverse.row(i).iter().sum()).collect();
        let total: f64 = sums.iter().sum();
        for (i, row) in inverse.values.chunks_mut(n.max(1)).enumerate() {
            for (value, s) in row.iter_mut().zip(&sums) {
                *value -= sums[i] * s / total;
            }
        }
        Ok(Response { matrix: inverse, share: sums.iter().map(|s| s / total).collect() })
    }

    pub fn n_atoms(&self) -> usize {
        self.share.len()
    }

    /// C, row-major.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Charges that minimise U, `[n]`, e.
    ///
    /// * `drive` – Ψ − φ, `[n]`, kJ mol⁻¹ e⁻¹
    /// * `total` – Q₀, e
    pub fn charges(&self, drive: &[f64], total: f64) -> Vec<f64> {
        let mut charges = self.matrix.times(drive);
        for (q, share) in charges.iter_mut().zip(&self.share) {
            *q += total * share;
        }
        charges
    }

    /// Capacitance between two groups of atoms with nothing else in the cell, e² mol kJ⁻¹: dQ₁/dΔΨ at Σ q = 0.
    ///
    /// * `of_first` – `[n]`, whether an atom belongs to the first electrode
    pub fn capacitance(&self, of_first: &[bool]) -> f64 {
        let weight: Vec<f64> = of_first.iter().map(|&x| if x { 1.0 } else { 0.0 }).collect();
        self.matrix.times(&weight).iter().zip(&weight).map(|(a, b)| a * b).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lattice::{Boundary, LatticeSum};
    use super::*;
    use crate::cell::Cell;
    use crate::units::COULOMB;
    use glam::DVec3;

    /// kJ/mol per V e
    const VOLT: f64 = 96.485_332_12;

    /// Interaction matrix of equal Gaussians (η, nm⁻¹) at `atoms`, images summed explicitly.
    fn matrix(sum: &LatticeSum, atoms: &[DVec3], eta: f64) -> Matrix {
        let n = atoms.len();
        let mut a = Matrix::zero(n);
        for i in 0..n {
            for j in 0..n {
                a.values[i * n + j] = sum.kernel(atoms[i] - atoms[j], eta / 2f64.sqrt());
            }
        }
        // a constant does not change C, and makes the matrix positive definite in spite of the background's
        let shift = 1e3 * COULOMB;
        a.values.iter_mut().for_each(|v| *v += shift);
        a
    }

    #[test]
    fn two_ions_between_two_electrode_atoms() {
        // the toy capacitor of LAMMPS's ELECTRODE package (examples/PACKAGES/electrode/madelung): cell of 1 Å by 1 Å,
        // η = 2/Å, 1 V; 0.279214126709814 e by its two-dimensional Ewald sum, 0.279214485147238 e with the slab correction
        let (eta, electrodes) = (20.0, [DVec3::new(0.0, 0.0, -0.2), DVec3::new(0.0, 0.0, 0.2)]);
        let ions = [(DVec3::new(0.0, 0.0, -0.1), 0.5), (DVec3::new(0.0, 0.0, 0.1), -0.5)];
        let charge = |boundary, height| {
            let sum = LatticeSum::new(&Cell::orthorhombic(0.1, 0.1, height).expect("valid"), boundary);
            let response = Response::new(matrix(&sum, &electrodes, eta)).expect("positive definite");
            let drive: Vec<f64> = electrodes
                .iter()
                .zip([-0.5 * VOLT, 0.5 * VOLT])
                .map(|(&e, psi)| psi - ions.iter().map(|&(r, q)| q * sum.kernel(e - r, eta)).sum::<f64>())
                .collect();
            let q = response.charges(&drive, 0.0);
            assert!((q[0] + q[1]).abs() < 1e-12);
            q[1]
        };
        let exact = charge(Boundary::Slab, 1.0);
        assert!((exact / 0.279_214_126_709_814 - 1.0).abs() < 1e-6, "{exact}");
        assert!((charge(Boundary::SlabCorrected, 1.6) / exact - 1.0).abs() < 1e-5);
        assert!((charge(Boundary::Bulk, 1.6) / exact - 1.0).abs() > 1e-3, "without the correction it must differ");
    }

    #[test]
    fn empty_plates_have_the_capacitance_of_a_plate_capacitor() {
        // two square layers of Gaussians; each layer's own stiffness is in series with the gap between them, so
        // 1/C grows by exactly 4π k_e/area per nm once the layers no longer see each other's atoms
        let (a, eta) = (0.2, 8.0);
        let layers = |gap: f64| -> (Vec<DVec3>, Matrix) {
            let cell = Cell::orthorhombic(2.0 * a, 2.0 * a, 3.0 * gap).expect("valid");
            let atoms: Vec<DVec3> = (0..8)
                .map(|k| DVec3::new(a * f64::from(k & 1), a * f64::from(k >> 1 & 1), if k < 4 { 0.0 } else { gap }))
                .collect();
            let a = matrix(&LatticeSum::new(&cell, Boundary::Slab), &atoms, eta);
            (atoms, a)
        };
        let capacitance = |gap: f64| {
            let (atoms, a) = layers(gap);
            let response = Response::new(a).expect("positive definite");
            response.capacitance(&atoms.iter().map(|r| r.z > 0.0).collect::<Vec<_>>())
        };
        let stiffness = 4.0 * std::f64::consts::PI * COULOMB / (4.0 * a * a);
        let (near, far) = (capacitance(2.0), capacitance(3.5));
        assert!(((1.0 / far - 1.0 / near) / (1.5 * stiffness) - 1.0).abs() < 1e-9);
        assert!((near * 2.0 * stiffness - 1.0).abs() < 0.1, "the layers themselves are a small part of it");

        let (atoms, interaction) = layers(2.0);
        let response = Response::new(interaction.clone()).expect("positive definite");
        let drive: Vec<f64> = atoms.iter().map(|r| if r.z > 0.0 { 100.0 } else { 0.0 }).collect();
        let q = response.charges(&drive, 0.0);
        assert!(q.iter().sum::<f64>().abs() < 1e-12);
        assert!((q[4] - 25.0 * near).abs() < 1e-12);
        // every atom of an electrode is at its potential up to one constant: the multiplier of neutrality
        let back = interaction.times(&q);
        assert!((back[4] - back[0] - 100.0).abs() < 1e-8 && (back[5] - back[4]).abs() < 1e-8);
        let total: f64 = response.charges(&[0.0; 8], 0.7).iter().sum();
        assert!((total - 0.7).abs() < 1e-12);
    }
}
