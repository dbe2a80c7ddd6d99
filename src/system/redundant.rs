//! Distance constraints that follow from others.
//!
//! A tetrahedron of five atoms has ten distances and nine internal motions. The tenth constraint would follow from the
//! others: solvers would meet a singular matrix and the degrees of freedom would be miscounted. A constraint is independent
//! if the gradient of its distance is no combination of the gradients of those before it, which is the rank of the Jacobian
//! found row by row.

use super::bonded::DistanceConstraint;
use crate::random::{Draws, Stream};
use glam::DVec3;
use std::collections::HashMap;

/// Lengths of one distance that differ by less are the same, nm.
pub const SAME_LENGTH: f64 = 1e-6;
/// What is left of a unit gradient must exceed this to count: rounding is far below, any real motion far above.
const ROUNDING: f64 = 1e-6;
/// The same at the geometry of a file, whose coordinates have three digits: atoms closer to a line or a plane than this
/// are on it.
const FLAT: f64 = 0.02;
/// A distance that follows from others may differ from its own number by this fraction: lengths are written with few digits.
const CONSISTENT: f64 = 1e-3;

/// Why constraints cannot be kept together. Atoms are local indices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Conflict {
    /// One pair, two lengths (nm).
    TwoLengths { atoms: [u32; 2], lengths: [f64; 2] },
    /// The others force this distance (nm) to another length.
    Inconsistent { stated: DistanceConstraint, implied: f64 },
    /// To first order the distance follows from others because the atoms lie on a line or in a plane, where distances do
    /// not keep the shape.
    Flat { atoms: [u32; 2] },
}

/// Constraints sorted by whether they take a motion away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sorted {
    pub independent: Vec<DistanceConstraint>,
    /// Those that the independent ones imply.
    pub implied: Vec<DistanceConstraint>,
}

/// Splits the constraints of a molecule; earlier ones are preferred.
///
/// * `geometry` – `[n_atoms]`, nm: any shape near one that the molecule has
///
/// # Errors
/// A [`Conflict`] where no shape, or no unique one, satisfies all of them.
pub fn sort(constraints: &[DistanceConstraint], geometry: &[DVec3]) -> Result<Sorted, Conflict> {
    let mut lengths: HashMap<[u32; 2], f64> = HashMap::new();
    let mut sorted = Sorted::default();
    let mut candidates = Vec::new();
    for &c in constraints {
        let [a, b] = c.atoms;
        match lengths.insert([a.min(b), a.max(b)], c.length) {
            None => candidates.push(c),
            Some(first) if (first - c.length).abs() <= SAME_LENGTH => sorted.implied.push(c),
            Some(first) => return Err(Conflict::TwoLengths { atoms: c.atoms, lengths: [first, c.length] }),
        }
    }
    let pairs = |of: &[DistanceConstraint]| of.iter().map(|c| c.atoms).collect::<Vec<_>>();
    // somewhere off every line and plane what follows from the number of distances is told from what follows from symmetry
    let generic = independent(&displaced(&candidates, geometry), &pairs(&candidates), ROUNDING);
    // here, so that those are kept that hold this shape well
    let here = independent(geometry, &pairs(&candidates), FLAT);
    let count = |found: &[bool]| found.iter().filter(|f| **f).count();
    if count(&here) < count(&generic) {
        let lost = (0..candidates.len()).find(|&n| generic[n] && !here[n]).unwrap_or(0);
        return Err(Conflict::Flat { atoms: candidates[lost].atoms });
    }
    for (&c, is_independent) in candidates.iter().zip(here) {
        if is_independent { &mut sorted.independent } else { &mut sorted.implied }.push(c);
    }
    if !sorted.implied.is_empty() {
        let shape = satisfied(&sorted.independent, geometry);
        let length = |c: &DistanceConstraint| (shape[c.atoms[0] as usize] - shape[c.atoms[1] as usize]).length();
        let off = |c: &&DistanceConstraint| (length(c) - c.length).abs() > CONSISTENT * c.length;
        if let Some(&stated) = sorted.implied.iter().chain(&sorted.independent).find(off) {
            return Err(Conflict::Inconsistent { stated, implied: length(&stated) });
        }
    }
    Ok(sorted)
}

/// Which of the distances between `pairs` are independent of those before them, `[n_pairs]`.
///
/// * `geometry` – `[n_atoms]`, nm
/// * `least` – part of a gradient that must be new
pub fn independent(geometry: &[DVec3], pairs: &[[u32; 2]], least: f64) -> Vec<bool> {
    let direction = |[i, j]: [u32; 2]| (geometry[i as usize] - geometry[j as usize]).normalize_or_zero();
    let mut found = vec![true; pairs.len()];
    let core = entangled(geometry.len(), pairs, |n| direction(pairs[n]), least);
    let mut column = vec![usize::MAX; geometry.len()];
    let mut n_columns = 0;
    for &n in &core {
        for i in pairs[n] {
            if column[i as usize] == usize::MAX {
                column[i as usize] = n_columns;
                n_columns += 3;
            }
        }
    }
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for n in core {
        let [i, j] = pairs[n].map(|i| column[i as usize]);
        let mut row = vec![0.0; n_columns];
        for (k, d) in direction(pairs[n]).to_array().into_iter().enumerate() {
            row[i + k] = d * std::f64::consts::FRAC_1_SQRT_2;
            row[j + k] = -d * std::f64::consts::FRAC_1_SQRT_2;
        }
        // twice is enough: W. Kahan, after B. N. Parlett, The Symmetric Eigenvalue Problem (1980)
        for _ in 0..2 {
            for unit in &basis {
                let overlap: f64 = unit.iter().zip(&row).map(|(u, r)| u * r).sum();
                row.iter_mut().zip(unit).for_each(|(r, u)| *r -= overlap * u);
            }
        }
        let norm = row.iter().map(|r| r * r).sum::<f64>().sqrt();
        found[n] = norm > least;
        if found[n] {
            row.iter_mut().for_each(|r| *r /= norm);
            basis.push(row);
        }
    }
    found
}

/// Indices of the pairs that may depend on each other, ascending. An atom with up to three constraints in independent
/// directions has its own columns for them, so they are no part of any dependence; chains and rings vanish that way.
fn entangled(n_atoms: usize, pairs: &[[u32; 2]], direction: impl Fn(usize) -> DVec3, least: f64) -> Vec<usize> {
    let mut of_atom = vec![Vec::new(); n_atoms];
    for (n, pair) in pairs.iter().enumerate() {
        pair.iter().for_each(|&i| of_atom[i as usize].push(n));
    }
    let mut left = vec![true; pairs.len()];
    let mut queue: Vec<usize> = (0..n_atoms).collect();
    while let Some(atom) = queue.pop() {
        let own: Vec<usize> = of_atom[atom].iter().copied().filter(|&n| left[n]).collect();
        let volume = match own[..] {
            [] => continue,
            [a] => direction(a).length(),
            [a, b] => direction(a).cross(direction(b)).length(),
            [a, b, c] => direction(a).cross(direction(b)).dot(direction(c)).abs(),
            _ => continue,
        };
        if volume > least {
            for n in own {
                left[n] = false;
                queue.extend(pairs[n].iter().map(|&i| i as usize).filter(|&i| i != atom));
            }
        }
    }
    (0..pairs.len()).filter(|&n| left[n]).collect()
}

/// The geometry with every atom moved at random by a good part of a bond; the same each time.
fn displaced(constraints: &[DistanceConstraint], geometry: &[DVec3]) -> Vec<DVec3> {
    let mean = constraints.iter().map(|c| c.length).sum::<f64>() / constraints.len().max(1) as f64;
    let mut random = Draws::new(1, Stream::Build, 0);
    let mut part = || 0.6 * mean * (random.uniform() - 0.5);
    geometry.iter().map(|&r| r + DVec3::new(part(), part(), part())).collect()
}

/// A shape near `geometry` with these distances, by SHAKE with equal masses.
fn satisfied(constraints: &[DistanceConstraint], geometry: &[DVec3]) -> Vec<DVec3> {
    const SWEEPS: usize = 2000;
    let mut shape = geometry.to_vec();
    for _ in 0..SWEEPS {
        let mut worst: f64 = 0.0;
        for c in constraints {
            let [i, j] = c.atoms.map(|i| i as usize);
            let apart = shape[i] - shape[j];
            let distance = apart.length();
            worst = worst.max((distance / c.length - 1.0).abs());
            let step = apart.normalize_or_zero() * (0.5 * (c.length - distance));
            shape[i] += step;
            shape[j] -= step;
        }
        if worst < 1e-9 {
            break;
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every distance of `shape`.
    fn every(shape: &[DVec3]) -> Vec<DistanceConstraint> {
        let n = shape.len() as u32;
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j]));
        pairs
            .map(|atoms| DistanceConstraint {
                atoms,
                length: (shape[atoms[0] as usize] - shape[atoms[1] as usize]).length(),
            })
            .collect()
    }

    fn tetrahedron() -> Vec<DVec3> {
        let corners =
            [DVec3::new(1., 1., 1.), DVec3::new(1., -1., -1.), DVec3::new(-1., 1., -1.), DVec3::new(-1., -1., 1.)];
        std::iter::once(DVec3::ZERO).chain(corners.map(|r| 0.149 / 3f64.sqrt() * r)).collect()
    }

    #[test]
    fn the_tenth_distance_of_a_tetrahedron_follows_from_nine() {
        let all = every(&tetrahedron());
        let sorted = sort(&all, &tetrahedron()).unwrap();
        assert_eq!((sorted.independent.len(), sorted.implied.len()), (9, 1));
        assert_eq!(sorted.implied[0], all[9]);
        let nine = sort(&all[..9], &tetrahedron()).unwrap();
        assert_eq!((nine.independent.len(), nine.implied.len()), (9, 0));
        // a tenth that disagrees
        let mut wrong = all;
        wrong[9].length *= 1.02;
        assert!(
            matches!(sort(&wrong, &tetrahedron()), Err(Conflict::Inconsistent { .. })),
            "{:?}",
            sort(&wrong, &tetrahedron())
        );
    }

    #[test]
    fn a_rigid_body_of_n_atoms_has_3n_minus_6_distances() {
        let mut random = Draws::new(5, Stream::Build, 1);
        for n in 3..12 {
            let shape: Vec<DVec3> =
                (0..n).map(|_| DVec3::new(random.uniform(), random.uniform(), random.uniform())).collect();
            assert_eq!(sort(&every(&shape), &shape).unwrap().independent.len(), 3 * n - 6, "{n}");
        }
    }

    #[test]
    fn doubles_are_merged_and_contradictions_refused() {
        let shape = [DVec3::ZERO, DVec3::X * 0.1, DVec3::Y * 0.1];
        let of = |atoms, length| DistanceConstraint { atoms, length };
        let twice = [of([0, 1], 0.1), of([0, 2], 0.1), of([1, 0], 0.1)];
        assert_eq!(sort(&twice, &shape).unwrap().independent, twice[..2]);
        let other = [of([0, 1], 0.1), of([1, 0], 0.11)];
        assert_eq!(sort(&other, &shape), Err(Conflict::TwoLengths { atoms: [1, 0], lengths: [0.1, 0.11] }));
    }

    /// Three distances on a line, and six in a square: each follows to first order, and nothing keeps the shape.
    #[test]
    fn distances_do_not_keep_lines_and_planes() {
        let line = [DVec3::ZERO, DVec3::X * 0.116, DVec3::X * 0.232 + DVec3::Y * 5e-4];
        assert!(matches!(sort(&every(&line), &line), Err(Conflict::Flat { .. })));
        assert_eq!(sort(&every(&line)[..2], &line).unwrap().independent.len(), 2);
        let square = [DVec3::ZERO, DVec3::X * 0.1, DVec3::new(0.1, 0.1, 0.0), DVec3::Y * 0.1];
        assert!(matches!(sort(&every(&square), &square), Err(Conflict::Flat { .. })));
    }

    /// A ring with branches needs no elimination at all.
    #[test]
    fn chains_and_rings_are_independent() {
        let n = 3000u32;
        let shape: Vec<DVec3> = (0..n)
            .map(|i| {
                let turn = f64::from(i) * std::f64::consts::TAU / f64::from(n);
                DVec3::new(50.0 * turn.cos(), 50.0 * turn.sin(), f64::from(i % 2) * 0.05)
            })
            .collect();
        let ring: Vec<DistanceConstraint> =
            (0..n).map(|i| DistanceConstraint { atoms: [i, (i + 1) % n], length: 0.1 }).collect();
        let pairs: Vec<[u32; 2]> = ring.iter().map(|c| c.atoms).collect();
        assert!(
            entangled(
                shape.len(),
                &pairs,
                |m| (shape[pairs[m][0] as usize] - shape[pairs[m][1] as usize]).normalize(),
                FLAT
            )
            .is_empty()
        );
        assert_eq!(sort(&ring, &shape).unwrap().independent.len(), 3000);
    }
}
