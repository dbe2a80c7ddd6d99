//! How the charges of frozen electrodes answer a potential: the matrix that is made once and applied every step.
//!
//! U(q) = ½ qᵀ A q + qᵀ φ − qᵀ Ψ with φ the potential of the electrolyte at the electrode atoms and Ψ the potential each
//! electrode is held at (J. I. Siepmann, M. Sprik, J. Chem. Phys. 102, 511 (1995); S. K. Reed, O. J. Lanning, P. A. Madden,
//! J. Chem. Phys. 126, 084704 (2007)), under Eᵀ q = Q: the atoms of every group keep a sum. The minimum is
//! q = C (Ψ − φ) + S Q, S = A⁻¹ E (Eᵀ A⁻¹ E)⁻¹, C = A⁻¹ − S Eᵀ A⁻¹
//! (L. Scalfi et al., J. Chem. Phys. 153, 174704 (2020), for one group); C is symmetric and its rows sum to zero over
//! every group. At the minimum A q + φ = Ψ + E λ: every group is off its Ψ by one number, λ = B Q − Sᵀ (Ψ − φ) with B = (Eᵀ A⁻¹ E)⁻¹.

use super::dense::{Matrix, NotPositiveDefinite};

/// The constrained inverse of one arrangement of electrode atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// C, e² mol kJ⁻¹
    matrix: Matrix,
    /// S by group, `[n_groups][n]`
    shares: Vec<Vec<f64>>,
    /// B, kJ mol⁻¹ e⁻²
    between: Matrix,
}

impl Response {
    /// From the interaction matrix A (kJ mol⁻¹ e⁻²) of the electrode charges, Gaussian self-energies and Thomas-Fermi
    /// terms on its diagonal.
    ///
    /// * `groups` – `[n]`, below `n_groups`; every group has an atom
    pub fn new(interaction: Matrix, groups: &[u32], n_groups: usize) -> Result<Self, NotPositiveDefinite> {
        let mut inverse = interaction.inverse()?;
        let n = inverse.n;
        // A⁻¹ E, by group
        let sums: Vec<Vec<f64>> = (0..n_groups)
            .map(|g| {
                let of_group =
                    |row: &[f64]| row.iter().zip(groups).filter(|(_, h)| **h as usize == g).map(|(a, _)| a).sum();
                (0..n).map(|i| of_group(inverse.row(i))).collect()
            })
            .collect();
        let mut between = Matrix::zero(n_groups);
        for (g, of_group) in sums.iter().enumerate() {
            for (&h, value) in groups.iter().zip(of_group) {
                between.values[g * n_groups + h as usize] += value;
            }
        }
        let between = between.inverse()?;
        let share = |g: usize, i: usize| (0..n_groups).map(|h| sums[h][i] * between.get(h, g)).sum();
        let shares: Vec<Vec<f64>> = (0..n_groups).map(|g| (0..n).map(|i| share(g, i)).collect()).collect();
        for (i, row) in inverse.values.chunks_mut(n.max(1)).enumerate() {
            for (share, sum) in shares.iter().zip(&sums) {
                for (value, s) in row.iter_mut().zip(sum) {
                    *value -= share[i] * s;
                }
            }
        }
        Ok(Response { matrix: inverse, shares, between })
    }

    pub fn n_atoms(&self) -> usize {
        self.matrix.n
    }

    /// C, row-major.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// S by group, `[n_groups][n]`.
    pub fn shares(&self) -> &[Vec<f64>] {
        &self.shares
    }

    /// B, row-major by group.
    pub fn between(&self) -> &Matrix {
        &self.between
    }

    /// From its parts, as [`Response::matrix`], [`Response::shares`] and [`Response::between`] give them.
    pub fn from_parts(matrix: Matrix, shares: Vec<Vec<f64>>, between: Matrix) -> Self {
        Response { matrix, shares, between }
    }

    /// λ: by how much the potential at the atoms of every group is off the Ψ in `drive`, `[n_groups]`, kJ mol⁻¹ e⁻¹. Only differences between groups
    /// mean something.
    ///
    /// * `drive` – Ψ − φ, `[n]`, kJ mol⁻¹ e⁻¹
    /// * `sums` – Q, `[n_groups]`, e
    pub fn offsets(&self, drive: &[f64], sums: &[f64]) -> Vec<f64> {
        offsets(&self.between, &self.shares, drive, sums)
    }

    /// Charges that minimise U, `[n]`, e.
    ///
    /// * `drive` – Ψ − φ, `[n]`, kJ mol⁻¹ e⁻¹
    /// * `sums` – Q, `[n_groups]`, e
    pub fn charges(&self, drive: &[f64], sums: &[f64]) -> Vec<f64> {
        let mut charges = self.matrix.times(drive);
        for (share, sum) in self.shares.iter().zip(sums) {
            charges.iter_mut().zip(share).for_each(|(q, s)| *q += sum * s);
        }
        charges
    }

    /// What a change of the drive does to the charge of some atoms at unchanged sums, e: Σ (C d) over them.
    ///
    /// * `counted` – `[n]`, whether an atom is one of them
    /// * `drive` – `[n]`, kJ mol⁻¹ e⁻¹
    pub fn charge_of(&self, counted: &[bool], drive: &[f64]) -> f64 {
        self.matrix.times(drive).iter().zip(counted).filter(|(_, counted)| **counted).map(|(q, _)| q).sum()
    }

    /// Capacitance between some atoms and the rest of their group with nothing else in the cell, e² mol kJ⁻¹: dQ₁/dΔΨ at Σ q = 0.
    ///
    /// * `of_first` – `[n]`, whether an atom belongs to the first electrode
    pub fn capacitance(&self, of_first: &[bool]) -> f64 {
        self.charge_of(of_first, &of_first.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>())
    }

    /// Capacitance between two groups with nothing else in the cell, e² mol kJ⁻¹: of the charge that moves from one to the other.
    pub fn capacitance_between(&self, [a, b]: [usize; 2]) -> f64 {
        let between = |a: usize, b: usize| self.between.get(a, b);
        1.0 / (between(a, a) - between(a, b) - between(b, a) + between(b, b))
    }
}

/// As [`Response::offsets`], from the parts of a response.
pub fn offsets(between: &Matrix, shares: &[Vec<f64>], drive: &[f64], sums: &[f64]) -> Vec<f64> {
    let of_drive = |share: &Vec<f64>| share.iter().zip(drive).map(|(s, d)| s * d).sum::<f64>();
    between.times(sums).iter().zip(shares).map(|(of_sums, share)| of_sums - of_drive(share)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::lattice::{Boundary, LatticeSum};
    use super::*;
    use crate::cell::Cell;
    use crate::units::{COULOMB, VOLT};
    use glam::DVec3;

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
        // η = 2/Å, 1 V; 0.279214126709814 e and 139.946125 kcal/mol by its two-dimensional Ewald sum, 0.279214485147238 e with
        // the slab correction, 0.28716023 e by a finite field in a cell of 20 Å; 0.29521535 e where η is 0.5 and 3/Å
        let electrodes = [DVec3::new(0.0, 0.0, -0.2), DVec3::new(0.0, 0.0, 0.2)];
        let ions = [(DVec3::new(0.0, 0.0, -0.1), 0.5), (DVec3::new(0.0, 0.0, 0.1), -0.5)];
        let solved = |boundary, height, eta: [f64; 2], field: f64| {
            let sum = LatticeSum::new(&Cell::orthorhombic(0.1, 0.1, height).expect("valid"), boundary);
            let between = |i: usize, j: usize| 1.0 / (1.0 / eta[i]).hypot(1.0 / eta[j]);
            let mut a = Matrix::zero(2);
            for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                a.values[2 * i + j] = sum.kernel(electrodes[i] - electrodes[j], between(i, j)) + 1e3 * COULOMB;
            }
            let interaction = a.clone();
            let response = Response::new(a, &[0; 2], 1).expect("positive definite");
            let phi = [0, 1].map(|i| ions.iter().map(|&(r, q)| q * sum.kernel(electrodes[i] - r, eta[i])).sum::<f64>());
            let drive = [0, 1].map(|i| (i as f64 - 0.5) * VOLT + field * electrodes[i].z - phi[i]);
            let q = response.charges(&drive, &[0.0]);
            assert!((q[0] + q[1]).abs() < 1e-12);
            let own: f64 = q.iter().zip(interaction.times(&q)).map(|(a, b)| 0.5 * a * b).sum();
            let with_ions: f64 = q.iter().zip(phi).map(|(q, phi)| q * phi).sum();
            let of_ions: f64 = (ions.iter())
                .flat_map(|a| ions.iter().map(move |b| (a, b)))
                .map(|(a, b)| 0.5 * a.1 * b.1 * sum.kernel(a.0 - b.0, f64::INFINITY))
                .sum();
            (q[1], (own + with_ions + of_ions) / 4.184)
        };
        let equal = [20.0; 2];
        let (exact, energy) = solved(Boundary::Slab, 1.0, equal, 0.0);
        assert!((exact / 0.279_214_126_709_814 - 1.0).abs() < 1e-6, "{exact}");
        assert!((energy / 139.946_125 - 1.0).abs() < 1e-5, "{energy}");
        assert!((solved(Boundary::SlabCorrected, 1.6, equal, 0.0).0 / exact - 1.0).abs() < 1e-5);
        let bulk = solved(Boundary::Bulk, 1.6, equal, 0.0).0;
        assert!((bulk / exact - 1.0).abs() > 1e-3, "without the correction it must differ");
        let (by_field, _) = solved(Boundary::Bulk, 2.0, equal, -VOLT / 2.0);
        assert!((by_field / 0.287_160_23 - 1.0).abs() < 1e-5, "{by_field}");
        let (mixed, energy) = solved(Boundary::Slab, 1.0, [5.0, 30.0], 0.0);
        assert!((mixed / 0.295_215_35 - 1.0).abs() < 1e-5, "{mixed}");
        assert!((energy / 165.519_37 - 1.0).abs() < 3e-5, "{energy}");
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
            let response = Response::new(a, &[0; 8], 1).expect("positive definite");
            response.capacitance(&atoms.iter().map(|r| r.z > 0.0).collect::<Vec<_>>())
        };
        let stiffness = 4.0 * std::f64::consts::PI * COULOMB / (4.0 * a * a);
        let (near, far) = (capacitance(2.0), capacitance(3.5));
        assert!(((1.0 / far - 1.0 / near) / (1.5 * stiffness) - 1.0).abs() < 1e-9);
        assert!((near * 2.0 * stiffness - 1.0).abs() < 0.1, "the layers themselves are a small part of it");

        let (atoms, interaction) = layers(2.0);
        let response = Response::new(interaction.clone(), &[0; 8], 1).expect("positive definite");
        let drive: Vec<f64> = atoms.iter().map(|r| if r.z > 0.0 { 100.0 } else { 0.0 }).collect();
        let q = response.charges(&drive, &[0.0]);
        assert!(q.iter().sum::<f64>().abs() < 1e-12);
        assert!((q[4] - 25.0 * near).abs() < 1e-12);
        // every atom of an electrode is at its potential up to one constant: the multiplier of neutrality
        let back = interaction.times(&q);
        assert!((back[4] - back[0] - 100.0).abs() < 1e-8 && (back[5] - back[4]).abs() < 1e-8);
        let total: f64 = response.charges(&[0.0; 8], &[0.7]).iter().sum();
        assert!((total - 0.7).abs() < 1e-12);

        // the charges that a potential makes, given as charges, make that potential
        let sides = [0, 0, 0, 0, 1, 1, 1, 1];
        let held = Response::new(interaction.clone(), &sides, 2).expect("positive definite");
        let side: f64 = q[4..].iter().sum();
        let same = held.charges(&[0.0; 8], &[-side, side]);
        assert!(q.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-10));
        let off = held.offsets(&[0.0; 8], &[-side, side]);
        assert!((off[1] - off[0] - 100.0).abs() < 1e-8, "{off:?}");
        assert!((held.capacitance_between([0, 1]) / near - 1.0).abs() < 1e-8);
        let other = held.charges(&drive, &[0.1, 0.3]);
        assert!((other[..4].iter().sum::<f64>() - 0.1).abs() < 1e-10);
        assert!((other[4..].iter().sum::<f64>() - 0.3).abs() < 1e-10);
        // A q = Ψ + λ, group by group
        let (off, back) = (held.offsets(&drive, &[0.1, 0.3]), interaction.times(&other));
        for i in 0..8 {
            assert!((back[i] - drive[i] - off[i / 4]).abs() < 1e-7 * off[0].abs(), "{i} {off:?}");
        }
    }
}
