//! Distance constraints within one molecule: M-SHAKE for positions, one linear solve for velocities, f64.
//!
//! Constraints that share no atom fall into groups of their own. A group solves for all its multipliers λ at once:
//! with s the bond vectors before the move, c those after it, A the coupling through shared atoms (inverse masses with
//! signs), positions need |c_k + Σ_l A_kl λ_l s_l|² = d_k², whose Jacobian is A_kl (c_k · s_l): Newton's method, which
//! converges quadratically (V. Kräutler et al., J. Comput. Chem. 22, 501 (2001)). Velocities need
//! Σ_l A_kl (s_k · s_l) μ_l = −s_k · v_k. Groups too large for a dense solve, and moves so large that Newton fails, take
//! sweeps over single constraints (J.-P. Ryckaert et al., J. Comput. Phys. 23, 327 (1977)).
//! Works on vectors between atoms, so nothing is lost far from the origin and molecules may be cut by the boundary.

use super::outer;
use crate::cell::Cell;
use crate::system::topology::Species;
use glam::{DMat3, DVec3};

/// Largest relative error of a constrained distance that is left.
const TOLERANCE: f64 = 1e-12;
const MAX_NEWTON: usize = 25;
const MAX_SWEEPS: usize = 20_000;
/// Constraints of a group beyond which sweeps are cheaper than a dense solve.
const MAX_DENSE: usize = 64;

/// Constraints that share atoms, directly or through others.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    /// Local indices of the two atoms of every constraint, `[n]`.
    atoms: Vec<[usize; 2]>,
    /// nm, `[n]`
    lengths: Vec<f64>,
    /// A, row-major `[n * n]`, u⁻¹; empty for a large group
    coupling: Vec<f64>,
    /// Non-zero entries of every row of A: (column, value).
    rows: Vec<Vec<(usize, f64)>>,
}

/// The constrained distances of one species.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraints {
    groups: Vec<Group>,
    /// u⁻¹, `[n atoms of the molecule]`
    inv_masses: Vec<f64>,
}

impl Constraints {
    /// The constraints of a species, those of a rigid water left out; `None` if there are none.
    pub fn new(species: &Species) -> Option<Self> {
        if species.constraints.is_empty() {
            return None;
        }
        let inv_masses: Vec<f64> =
            species.atoms.iter().map(|a| if a.mass > 0.0 { 1.0 / a.mass } else { 0.0 }).collect();
        // label of every atom's group; constraints merge labels
        let mut label: Vec<usize> = (0..species.atoms.len()).collect();
        for c in &species.constraints {
            let [i, j] = c.atoms.map(|a| label[a as usize]);
            label.iter_mut().filter(|l| **l == j).for_each(|l| *l = i);
        }
        let mut labels: Vec<usize> = species.constraints.iter().map(|c| label[c.atoms[0] as usize]).collect();
        labels.sort_unstable();
        labels.dedup();
        let groups = labels
            .into_iter()
            .map(|l| {
                let own = species.constraints.iter().filter(|c| label[c.atoms[0] as usize] == l);
                let atoms: Vec<[usize; 2]> = own.clone().map(|c| c.atoms.map(|a| a as usize)).collect();
                Group::new(atoms, own.map(|c| c.length).collect(), &inv_masses)
            })
            .collect();
        Some(Constraints { groups, inv_masses })
    }

    /// Moves `new` onto the constraints by forces along the bonds of `old`.
    ///
    /// Returns Σ λ s ⊗ s (u nm²): divided by dt² the virial of the constraint forces. A move that no forces can mend
    /// leaves positions that are not finite.
    ///
    /// * `old` – `[n atoms of the molecule]`, nm; the move must be small against the bonds
    /// * `new` – the same atoms after it, at the same images
    pub fn constrain_positions(&self, cell: &Cell, old: &[DVec3], new: &mut [DVec3]) -> DMat3 {
        let mut sum = DMat3::ZERO;
        for group in &self.groups {
            let s: Vec<DVec3> = group.atoms.iter().map(|&[i, j]| cell.minimum_image(old[i] - old[j])).collect();
            let moved = |i: usize| new[i] - old[i];
            let mut c: Vec<DVec3> = group.atoms.iter().zip(&s).map(|(&[i, j], s)| *s + (moved(i) - moved(j))).collect();
            let multipliers = group.solve_positions(&s, &mut c);
            for ((&[i, j], s), lambda) in group.atoms.iter().zip(&s).zip(multipliers) {
                new[i] += lambda * self.inv_masses[i] * *s;
                new[j] -= lambda * self.inv_masses[j] * *s;
                sum += outer(*s, *s) * lambda;
            }
        }
        sum
    }

    /// Removes relative motion along the constrained bonds by impulses along them.
    ///
    /// Returns Σ μ s ⊗ s (u nm²/ps): divided by dt the virial of the impulses, if they act during one step.
    ///
    /// * `positions`, `velocities` – `[n atoms of the molecule]`, nm and nm/ps
    pub fn project_velocities(&self, cell: &Cell, positions: &[DVec3], velocities: &mut [DVec3]) -> DMat3 {
        let mut sum = DMat3::ZERO;
        for group in &self.groups {
            let s: Vec<DVec3> =
                group.atoms.iter().map(|&[i, j]| cell.minimum_image(positions[i] - positions[j])).collect();
            let v: Vec<DVec3> = group.atoms.iter().map(|&[i, j]| velocities[i] - velocities[j]).collect();
            for ((&[i, j], s), mu) in group.atoms.iter().zip(&s).zip(group.solve_velocities(&s, &v)) {
                velocities[i] += mu * self.inv_masses[i] * *s;
                velocities[j] -= mu * self.inv_masses[j] * *s;
                sum += outer(*s, *s) * mu;
            }
        }
        sum
    }
}

impl Group {
    fn new(atoms: Vec<[usize; 2]>, lengths: Vec<f64>, inv_masses: &[f64]) -> Self {
        let n = atoms.len();
        let coupled = |[i, j]: [usize; 2], [k, l]: [usize; 2]| {
            let at = |a: usize, b: usize| if a == b { inv_masses[a] } else { 0.0 };
            at(i, k) - at(i, l) - at(j, k) + at(j, l)
        };
        let rows: Vec<Vec<(usize, f64)>> = (0..n)
            .map(|k| (0..n).map(|l| (l, coupled(atoms[k], atoms[l]))).filter(|(_, a)| *a != 0.0).collect())
            .collect();
        let mut coupling = Vec::new();
        if n <= MAX_DENSE {
            coupling = vec![0.0; n * n];
            for (k, row) in rows.iter().enumerate() {
                row.iter().for_each(|&(l, a)| coupling[k * n + l] = a);
            }
        }
        Group { atoms, lengths, coupling, rows }
    }

    /// (|c|² − d²)/2 of constraint `k`, nm².
    fn residual(&self, k: usize, c: DVec3) -> f64 {
        0.5 * (c.length_squared() - self.lengths[k] * self.lengths[k])
    }

    fn largest_error(&self, c: &[DVec3]) -> f64 {
        (0..c.len()).map(|k| (self.residual(k, c[k]) / self.lengths[k].powi(2)).abs()).fold(0.0, f64::max)
    }

    /// c_k += Σ_l A_kl λ_l s_l.
    fn shift(&self, s: &[DVec3], lambda: &[f64], c: &mut [DVec3]) {
        for (c, row) in c.iter_mut().zip(&self.rows) {
            for &(l, a) in row {
                *c += a * lambda[l] * s[l];
            }
        }
    }

    /// The multipliers λ (u) that bring the bonds `c` to their lengths; `c` is changed.
    fn solve_positions(&self, s: &[DVec3], c: &mut [DVec3]) -> Vec<f64> {
        let n = s.len();
        let start = c.to_vec();
        let mut total = vec![0.0; n];
        if !self.coupling.is_empty() {
            let mut matrix = vec![0.0; n * n];
            for _ in 0..MAX_NEWTON {
                let error = self.largest_error(c);
                if error < TOLERANCE {
                    return total;
                }
                if !error.is_finite() {
                    break;
                }
                let mut lambda: Vec<f64> = (0..n).map(|k| -self.residual(k, c[k])).collect();
                for k in 0..n {
                    for l in 0..n {
                        matrix[k * n + l] = self.coupling[k * n + l] * c[k].dot(s[l]);
                    }
                }
                solve_dense(&mut matrix, &mut lambda);
                self.shift(s, &lambda, c);
                total.iter_mut().zip(&lambda).for_each(|(t, l)| *t += l);
            }
        }
        // one constraint after the other
        c.copy_from_slice(&start);
        total.fill(0.0);
        for _ in 0..MAX_SWEEPS {
            if self.largest_error(c) < TOLERANCE {
                return total;
            }
            for k in 0..n {
                let own = self.rows[k].iter().find(|(l, _)| *l == k).map_or(0.0, |(_, a)| *a);
                let lambda = -self.residual(k, c[k]) / (own * c[k].dot(s[k]));
                total[k] += lambda;
                for &(l, a) in &self.rows[k] {
                    c[l] += a * lambda * s[k];
                }
            }
        }
        vec![f64::NAN; n]
    }

    /// The impulses μ (u/ps) that stop the relative velocities `v` along `s`.
    fn solve_velocities(&self, s: &[DVec3], v: &[DVec3]) -> Vec<f64> {
        let n = s.len();
        let mut mu: Vec<f64> = (0..n).map(|k| -s[k].dot(v[k])).collect();
        if !self.coupling.is_empty() {
            let mut matrix: Vec<f64> = (0..n * n).map(|kl| self.coupling[kl] * s[kl / n].dot(s[kl % n])).collect();
            solve_dense(&mut matrix, &mut mu);
            return mu;
        }
        // conjugate gradients: the matrix is symmetric and positive
        let apply = |x: &[f64]| -> Vec<f64> {
            (0..n).map(|k| self.rows[k].iter().map(|&(l, a)| a * s[k].dot(s[l]) * x[l]).sum()).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let (mut x, mut r) = (vec![0.0; n], mu);
        let (mut p, mut rr) = (r.clone(), dot(&r, &r));
        let enough = 1e-28 * rr;
        for _ in 0..10 * n {
            if rr <= enough {
                break;
            }
            let ap = apply(&p);
            let step = rr / dot(&p, &ap);
            for k in 0..n {
                x[k] += step * p[k];
                r[k] -= step * ap[k];
            }
            let next = dot(&r, &r);
            for k in 0..n {
                p[k] = r[k] + next / rr * p[k];
            }
            rr = next;
        }
        x
    }
}

/// Solves M x = b in place by elimination with row pivoting; b becomes x.
fn solve_dense(matrix: &mut [f64], b: &mut [f64]) {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).fold(k, |p, r| if matrix[r * n + k].abs() > matrix[p * n + k].abs() { r } else { p });
        if pivot != k {
            for l in 0..n {
                matrix.swap(k * n + l, pivot * n + l);
            }
            b.swap(k, pivot);
        }
        let inverse = 1.0 / matrix[k * n + k];
        for r in k + 1..n {
            let factor = matrix[r * n + k] * inverse;
            if factor == 0.0 {
                continue;
            }
            for l in k..n {
                matrix[r * n + l] -= factor * matrix[k * n + l];
            }
            b[r] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|l| matrix[k * n + l] * b[l]).sum();
        b[k] = (b[k] - known) / matrix[k * n + k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};
    use crate::system::bonded::DistanceConstraint;
    use crate::system::topology::SpeciesAtom;

    fn vector(draws: &mut Draws) -> DVec3 {
        DVec3::new(draws.normal(), draws.normal(), draws.normal())
    }

    /// A molecule from positions and the pairs whose present distances are kept.
    fn molecule(positions: &[DVec3], pairs: &[[u32; 2]]) -> Species {
        let masses = [12.011, 1.008, 15.999, 3.0, 32.06];
        let atom = |k: usize| SpeciesAtom {
            name: format!("A{k}"),
            element: "C".into(),
            type_id: 0,
            charge: 0.0,
            mass: masses[k % masses.len()],
        };
        let length = |[i, j]: [u32; 2]| (positions[i as usize] - positions[j as usize]).length();
        Species {
            name: "test".into(),
            atoms: (0..positions.len()).map(atom).collect(),
            constraints: pairs.iter().map(|&p| DistanceConstraint { atoms: p, length: length(p) }).collect(),
            ..Species::default()
        }
    }

    /// A branched chain, a ring, two separate pairs, and a chain too long for a dense solve.
    fn molecules() -> Vec<(Vec<DVec3>, Vec<[u32; 2]>)> {
        let mut draws = Draws::new(1, Stream::Build, 0);
        let mut walk = |n: usize| {
            let mut r = vec![DVec3::new(4.0, 3.0, 2.0)];
            for k in 1..n {
                r.push(r[k - 1] + 0.1 * vector(&mut draws).normalize() + DVec3::new(0.06, 0.0, 0.0));
            }
            r
        };
        let ring = |n: usize| -> Vec<DVec3> {
            let at = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
            (0..n).map(|k| 0.14 * DVec3::new(at(k).cos(), at(k).sin(), 0.3 * (2.0 * at(k)).sin())).collect()
        };
        let long = (0..90).map(|k| [k, k + 1]).collect();
        vec![
            (walk(6), vec![[0, 1], [1, 2], [2, 1 + 2], [1, 4], [4, 5]]),
            (ring(6), vec![[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 0]]),
            (walk(4), vec![[0, 1], [2, 3]]),
            (walk(91), long),
        ]
    }

    fn cell() -> Cell {
        Cell::cubic(30.0).expect("valid")
    }

    fn violation(species: &Species, r: &[DVec3]) -> f64 {
        let error = |c: &DistanceConstraint| {
            ((r[c.atoms[0] as usize] - r[c.atoms[1] as usize]).length() / c.length - 1.0).abs()
        };
        species.constraints.iter().map(error).fold(0.0, f64::max)
    }

    #[test]
    fn positions_meet_the_lengths_and_equal_plain_shake() {
        let mut draws = Draws::new(2, Stream::Build, 0);
        for (old, pairs) in molecules() {
            let species = molecule(&old, &pairs);
            let constraints = Constraints::new(&species).expect("constrained");
            for _ in 0..20 {
                let unconstrained: Vec<DVec3> = old.iter().map(|r| *r + 0.003 * vector(&mut draws)).collect();
                let mut new = unconstrained.clone();
                let virial = constraints.constrain_positions(&cell(), &old, &mut new);
                assert!(violation(&species, &new) < 1e-11, "{:e}", violation(&species, &new));
                assert!(violation(&species, &unconstrained) > 1e-4, "there was something to do");
                // the oracle: one constraint after the other until nothing moves
                let mut oracle = unconstrained.clone();
                for _ in 0..6000 {
                    for c in &species.constraints {
                        let [i, j] = c.atoms.map(|a| a as usize);
                        let (im, jm) = (1.0 / species.atoms[i].mass, 1.0 / species.atoms[j].mass);
                        let (s, d) = (old[i] - old[j], oracle[i] - oracle[j]);
                        let g = (c.length * c.length - d.length_squared()) / (2.0 * d.dot(s) * (im + jm));
                        oracle[i] += g * im * s;
                        oracle[j] -= g * jm * s;
                    }
                }
                let far = new.iter().zip(&oracle).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
                assert!(far < 1e-10, "{far:e} nm from plain SHAKE");
                // forces between atoms: momentum stays, and the virial is that of the displacements
                let mass = |k: usize| species.atoms[k].mass;
                let shift: DVec3 = (0..new.len()).map(|k| mass(k) * (new[k] - unconstrained[k])).sum();
                assert!(shift.length() < 1e-12);
                let direct = (0..new.len())
                    .fold(DMat3::ZERO, |sum, k| sum + outer(old[k] - old[0], mass(k) * (new[k] - unconstrained[k])));
                let difference = (direct - virial).to_cols_array().into_iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                assert!(difference < 1e-12, "virial off by {difference:e}");
            }
        }
    }

    #[test]
    fn projected_velocities_leave_the_bonds_and_the_momenta_alone() {
        let mut draws = Draws::new(3, Stream::Build, 0);
        for (r, pairs) in molecules() {
            let species = molecule(&r, &pairs);
            let constraints = Constraints::new(&species).expect("constrained");
            let v: Vec<DVec3> = r.iter().map(|_| vector(&mut draws)).collect();
            let mut p = v.clone();
            constraints.project_velocities(&cell(), &r, &mut p);
            for c in &species.constraints {
                let [i, j] = c.atoms.map(|a| a as usize);
                assert!((p[i] - p[j]).dot(r[i] - r[j]).abs() < 1e-12);
            }
            let momentum = |v: &[DVec3]| (0..r.len()).map(|k| species.atoms[k].mass * v[k]).sum::<DVec3>();
            let angular = |v: &[DVec3]| (0..r.len()).map(|k| species.atoms[k].mass * r[k].cross(v[k])).sum::<DVec3>();
            assert!((momentum(&p) - momentum(&v)).length() < 1e-10);
            assert!((angular(&p) - angular(&v)).length() < 1e-9);
            // the projection is the mass-weighted one: it takes away kinetic energy, and nothing the second time
            let again = {
                let mut q = p.clone();
                constraints.project_velocities(&cell(), &r, &mut q);
                q
            };
            assert!(again.iter().zip(&p).all(|(a, b)| (*a - *b).length() < 1e-12));
        }
    }

    #[test]
    fn a_molecule_across_the_boundary_is_the_same_molecule() {
        let (old, pairs) = molecules().remove(0);
        let species = molecule(&old, &pairs);
        let constraints = Constraints::new(&species).expect("constrained");
        let mut draws = Draws::new(4, Stream::Build, 0);
        let mut new: Vec<DVec3> = old.iter().map(|r| *r + 0.003 * vector(&mut draws)).collect();
        let turn = DVec3::new(30.0, 0.0, -30.0);
        let (mut cut_old, mut cut_new) = (old.clone(), new.clone());
        (cut_old[2], cut_new[2]) = (old[2] + turn, new[2] + turn);
        constraints.constrain_positions(&cell(), &old, &mut new);
        constraints.constrain_positions(&cell(), &cut_old, &mut cut_new);
        assert!((cut_new[2] - turn - new[2]).length() < 1e-13 && (cut_new[1] - new[1]).length() < 1e-13);
    }
}
