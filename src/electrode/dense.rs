//! Dense symmetric positive definite matrices: blocked Cholesky factorisation and inverse, on all cores.
//!
//! Row-major, f64, sized by the electrode atoms (thousands), needed once per run. Blocks of rows are independent, so
//! the result does not depend on the number of threads.

use rayon::prelude::*;

/// A square matrix, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    pub n: usize,
    /// `[n * n]`
    pub values: Vec<f64>,
}

/// The matrix is not positive definite: the pivot of this row came out as this value.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the matrix is not positive definite (row {row}, pivot {pivot:.3e})")]
pub struct NotPositiveDefinite {
    pub row: usize,
    pub pivot: f64,
}

/// Columns that are factorised together: a panel of 4000 rows by 64 columns is 2 MB.
const BLOCK: usize = 64;

impl Matrix {
    pub fn zero(n: usize) -> Self {
        Matrix { n, values: vec![0.0; n * n] }
    }

    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n..(i + 1) * self.n]
    }

    /// A x, `[n]`.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        self.values.par_chunks(self.n.max(1)).map(|row| dot(row, x)).collect()
    }

    /// The inverse of a symmetric positive definite matrix, from its lower triangle.
    pub fn inverse(mut self) -> Result<Matrix, NotPositiveDefinite> {
        self.factorise()?;
        let n = self.n;
        // rows of L⁻ᵀ: row c is column c of L⁻¹, found by forward substitution
        let lower = &self.values;
        let mut columns = vec![0.0; n * n];
        columns.par_chunks_mut(n.max(1)).enumerate().for_each(|(c, x)| {
            x[c] = 1.0 / lower[c * n + c];
            for i in c + 1..n {
                let row = &lower[i * n..i * n + i];
                x[i] = -dot(&row[c..], &x[c..i]) / lower[i * n + i];
            }
        });
        // A⁻¹ = L⁻ᵀ L⁻¹: entry (i, j) is the product of columns i and j of L⁻¹ from max(i, j) on
        let mut inverse = Matrix::zero(n);
        inverse.values.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
            let a = &columns[i * n..(i + 1) * n];
            for (j, value) in row.iter_mut().enumerate() {
                let first = i.max(j);
                *value = dot(&a[first..], &columns[j * n + first..(j + 1) * n]);
            }
        });
        Ok(inverse)
    }

    /// Replaces the lower triangle by the Cholesky factor L, A = L Lᵀ.
    fn factorise(&mut self) -> Result<(), NotPositiveDefinite> {
        let n = self.n;
        for first in (0..n).step_by(BLOCK) {
            let last = (first + BLOCK).min(n);
            // the diagonal block, whose earlier columns have been subtracted already
            for i in first..last {
                for j in first..=i {
                    let (head, row_i) = self.values.split_at_mut(i * n);
                    let row_i = &mut row_i[..n];
                    if j == i {
                        let pivot = row_i[i] - dot(&row_i[first..i], &row_i[first..i]);
                        if !pivot.is_finite() || pivot <= 0.0 {
                            return Err(NotPositiveDefinite { row: i, pivot });
                        }
                        row_i[i] = pivot.sqrt();
                    } else {
                        let row_j = &head[j * n..(j + 1) * n];
                        row_i[j] = (row_i[j] - dot(&row_i[first..j], &row_j[first..j])) / row_j[j];
                    }
                }
            }
            let (head, tail) = self.values.split_at_mut(last * n);
            // the panel below it
            tail.par_chunks_mut(n).for_each(|row| {
                for j in first..last {
                    let row_j = &head[j * n..(j + 1) * n];
                    row[j] = (row[j] - dot(&row[first..j], &row_j[first..j])) / row_j[j];
                }
            });
            // what the panel takes from the rest of the lower triangle
            let panel: Vec<f64> = tail.chunks(n).flat_map(|row| row[first..last].iter().copied()).collect();
            let width = last - first;
            tail.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
                let own = &panel[i * width..(i + 1) * width];
                for j in 0..=i {
                    row[last + j] -= dot(own, &panel[j * width..(j + 1) * width]);
                }
            });
        }
        Ok(())
    }
}

/// Σ a b in eight running sums, which the compiler keeps in vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let (heads_a, heads_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = heads_a.remainder().iter().zip(heads_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in heads_a.zip(heads_b) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    tail + sums.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B Bᵀ + 1 of pseudo-random B.
    fn positive(n: usize) -> Matrix {
        let b = |i: usize, j: usize| ((i * 31 + j * 17) as f64 * 0.7).sin();
        let mut a = Matrix::zero(n);
        for i in 0..n {
            for j in 0..n {
                let sum: f64 = (0..n).map(|k| b(i, k) * b(j, k)).sum();
                a.values[i * n + j] = sum + if i == j { 1.0 } else { 0.0 };
            }
        }
        a
    }

    #[test]
    fn inverse_times_matrix_is_the_identity() {
        // below, at and above the block size
        for n in [1, 2, 63, 64, 65, 150] {
            let a = positive(n);
            let inverse = a.clone().inverse().expect("positive definite");
            for i in 0..n {
                let row: Vec<f64> = (0..n).map(|j| dot(inverse.row(i), a.row(j))).collect();
                for (j, value) in row.iter().enumerate() {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((value - expected).abs() < 1e-9, "{n} {i} {j} {value}");
                }
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        let mut a = positive(70);
        a.values[66 * 70 + 66] = -1.0;
        assert!(matches!(a.inverse(), Err(NotPositiveDefinite { row: 66, .. })));
    }

    #[test]
    fn the_same_bits_on_any_number_of_threads() {
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("starts");
        let one = pool(1).install(|| positive(130).inverse().expect("positive definite"));
        assert_eq!(one, pool(3).install(|| positive(130).inverse().expect("positive definite")));
    }
}
