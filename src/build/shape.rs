//! A start shape for a molecule whose file brings no coordinates: from its own bonded terms.
//!
//! Several random starts run downhill on the bonds, angles, dihedrals and constraints of the species and a soft repulsion
//! between all other atoms; the lowest is taken. Good enough for a packer and a minimiser. Nothing in bonded terms tells
//! mirror images apart unless the file has impropers for that: where stereochemistry matters, coordinates are needed.

use crate::potential::bonded::{
    harmonic_angle, harmonic_distance, harmonic_improper, periodic_dihedral, ryckaert_bellemans,
};
use crate::random::{Draws, Stream};
use crate::system::topology::Species;
use glam::DVec3;

const STARTS: u64 = 8;
const STEPS: usize = 2500;
/// Longest move of an atom in a step, nm.
const MAX_MOVE: f64 = 0.01;
/// Strength of constraints and repulsion, kJ mol⁻¹ nm⁻².
const STIFF: f64 = 2e5;
const REPULSION: f64 = 5e3;
/// Atoms more than two bonds apart stay farther apart than this, nm (with hydrogen, without).
const CLEAR: [f64; 2] = [0.20, 0.26];

/// Positions of the atoms, `[n_atoms]`, nm, the first at the origin; virtual sites where their parents say.
///
/// * `seed` – of the random starts
pub fn shape_from_bonded_terms(species: &Species, seed: u64) -> Vec<DVec3> {
    let start = |n| {
        let mut r = random_start(species, seed + n);
        let energy = descend(species, &mut r);
        (energy, r)
    };
    let best = (0..STARTS).map(start).min_by(|a, b| a.0.total_cmp(&b.0));
    let mut r = best.map(|(_, r)| r).unwrap_or_default();
    let origin = r.first().copied().unwrap_or(DVec3::ZERO);
    r.iter_mut().for_each(|r| *r -= origin);
    place_virtual_sites(species, &mut r);
    r
}

/// Puts virtual sites where their parents say. `positions`: `[n_atoms]` of one molecule, nm.
pub(super) fn place_virtual_sites(species: &Species, positions: &mut [DVec3]) {
    for site in &species.virtual_sites {
        let [i, j, k] = site.parents.map(|p| positions[p as usize]);
        positions[site.site as usize] = i + site.a * (j - i) + site.b * (k - i) + site.c * (j - i).cross(k - i);
    }
}

/// Every atom near one that it is bonded to, in a random direction.
fn random_start(species: &Species, seed: u64) -> Vec<DVec3> {
    let mut draws = Draws::new(seed, Stream::Build, 2);
    let n = species.atoms.len();
    let mut positions: Vec<Option<DVec3>> = vec![None; n];
    for root in 0..n {
        if positions[root].is_some() {
            continue;
        }
        let mut near = |center: DVec3, length: f64| {
            let direction = DVec3::new(draws.normal(), draws.normal(), draws.normal());
            center + direction.normalize_or(DVec3::X) * length
        };
        positions[root] = Some(near(DVec3::ZERO, 0.1 * (root > 0) as u8 as f64));
        let mut queue = std::collections::VecDeque::from([root]);
        while let Some(parent) = queue.pop_front() {
            let at = positions[parent].unwrap_or(DVec3::ZERO);
            for &(a, b) in &species.bonds {
                for (from, to) in [(a as usize, b as usize), (b as usize, a as usize)] {
                    if from == parent && positions[to].is_none() {
                        positions[to] = Some(near(at, 0.14));
                        queue.push_back(to);
                    }
                }
            }
        }
    }
    positions.into_iter().map(|r| r.unwrap_or(DVec3::ZERO)).collect()
}

/// Steepest descent with a step that grows while it works; the energy reached, kJ/mol.
fn descend(species: &Species, r: &mut Vec<DVec3>) -> f64 {
    let far = far_pairs(species);
    let (mut energy, mut forces) = energy_and_forces(species, &far, r);
    let mut step = 1e-6;
    for _ in 0..STEPS {
        let largest = forces.iter().map(|f| f.length()).fold(0.0, f64::max);
        if largest < 1.0 {
            break;
        }
        let scale = f64::min(step, MAX_MOVE / largest);
        let moved: Vec<DVec3> = r.iter().zip(&forces).map(|(r, f)| *r + *f * scale).collect();
        let (next, next_forces) = energy_and_forces(species, &far, &moved);
        if next < energy {
            (energy, forces) = (next, next_forces);
            *r = moved;
            step = (step * 1.3).min(1e-3);
        } else {
            step = 0.4 * scale;
            if step < 1e-12 {
                break;
            }
        }
    }
    energy
}

/// Pairs of massive atoms more than two bonds apart, with the distance that they keep, nm.
fn far_pairs(species: &Species) -> Vec<(usize, usize, f64)> {
    let n = species.atoms.len();
    let bonded = |i: usize, j: usize| {
        let (i, j) = (i as u32, j as u32);
        species.bonds.iter().any(|&b| b == (i, j) || b == (j, i))
            || species.constraints.iter().any(|c| c.atoms == [i, j] || c.atoms == [j, i])
    };
    let mut pairs = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            let near = bonded(i, j) || (0..n).any(|k| bonded(i, k) && bonded(k, j));
            let massive = species.atoms[i].mass > 0.0 && species.atoms[j].mass > 0.0;
            if massive && !near {
                let hydrogen = species.atoms[i].element == "H" || species.atoms[j].element == "H";
                pairs.push((i, j, if hydrogen { CLEAR[0] } else { CLEAR[1] }));
            }
        }
    }
    pairs
}

fn energy_and_forces(species: &Species, far: &[(usize, usize, f64)], r: &[DVec3]) -> (f64, Vec<DVec3>) {
    let mut energy = 0.0;
    let mut forces = vec![DVec3::ZERO; r.len()];
    let bonded = &species.bonded;
    let mut distance = |energy: &mut f64, i: usize, j: usize, length: f64, k: f64| {
        let d = r[i] - r[j];
        let term = harmonic_distance(d.length_squared().max(1e-8), length, k);
        *energy += term.energy;
        forces[i] += d * term.force_over_r;
        forces[j] -= d * term.force_over_r;
    };
    for b in &bonded.bonds {
        distance(&mut energy, b.atoms[0] as usize, b.atoms[1] as usize, b.length, b.k);
    }
    for b in &bonded.urey_bradleys {
        distance(&mut energy, b.atoms[0] as usize, b.atoms[1] as usize, b.length, b.k);
    }
    for c in &species.constraints {
        distance(&mut energy, c.atoms[0] as usize, c.atoms[1] as usize, c.length, STIFF);
    }
    for &(i, j, clear) in far {
        if (r[i] - r[j]).length_squared() < clear * clear {
            distance(&mut energy, i, j, clear, REPULSION);
        }
    }
    for angle in &bonded.angles {
        let [i, j, k] = angle.atoms.map(|x| x as usize);
        let term = harmonic_angle(angle, r[i] - r[j], r[k] - r[j]);
        energy += term.energy;
        forces[i] += term.f_i;
        forces[k] += term.f_k;
        forces[j] -= term.f_i + term.f_k;
    }
    let mut torsion = |atoms: [u32; 4], term: crate::potential::bonded::DihedralTerm| {
        let [i, j, k, l] = atoms.map(|x| x as usize);
        energy += term.energy;
        forces[i] += term.f_i;
        forces[k] += term.f_k;
        forces[l] += term.f_l;
        forces[j] -= term.f_i + term.f_k + term.f_l;
    };
    let arms = |atoms: [u32; 4]| {
        let [i, j, k, l] = atoms.map(|x| r[x as usize]);
        (i - j, k - j, l - k)
    };
    for d in &bonded.dihedrals {
        let (ij, kj, lk) = arms(d.atoms);
        torsion(d.atoms, periodic_dihedral(d, ij, kj, lk));
    }
    for d in &bonded.ryckaert_bellemans {
        let (ij, kj, lk) = arms(d.atoms);
        torsion(d.atoms, ryckaert_bellemans(d, ij, kj, lk));
    }
    for d in &bonded.impropers {
        let (ij, kj, lk) = arms(d.atoms);
        torsion(d.atoms, harmonic_improper(d, ij, kj, lk));
    }
    if energy.is_finite() { (energy, forces) } else { (f64::MAX, vec![DVec3::ZERO; r.len()]) }
}
