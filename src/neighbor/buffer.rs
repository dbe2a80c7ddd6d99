//! How far beyond the cutoff a list must reach to serve n steps: the Verlet buffer.
//!
//! A pair that is outside the list when it is built may come inside the cutoff before the next build; what its missed
//! energy adds up to per time is the drift that the buffer has to keep small (S. Páll, B. Hess, Comput. Phys. Commun.
//! 184, 2641 (2013), section 3; B. Hess et al., J. Chem. Theory Comput. 4, 435 (2008)). Displacements are taken as free
//! flights at thermal speed, which overestimates those of a liquid; the groups of atoms that a cluster list carries
//! beyond its radius are not counted. Both make
//! the estimate conservative; it is not a strict bound.
//!
//! Knows masses, charges, the pair table and the density of atoms; no positions.

use crate::cell::Cell;
use crate::math::erfc;
use crate::potential::coulomb::{ReactionField, bare, ewald_real};
use crate::potential::vdw::lennard_jones;
use crate::system::{Coulomb, System};
use crate::units::{BOLTZMANN, COULOMB};
use glam::DVec3;
use std::collections::HashMap;
use std::f64::consts::PI;

/// Default for the estimated drift, kJ/mol/ps/atom.
///
/// The estimate is conservative (it ignores that cluster lists reach beyond their radius and that missed attractions
/// and repulsions cancel): at this value NVE runs of 216 SPC/E waters with lists of 10, 20 and 40 steps drift by 0.008,
/// 0.001 and 0.002 kJ/mol/ns/atom.
pub const DEFAULT_TOLERANCE: f64 = 1e-3;

/// The same for the lists of a few steps that a long-lived one is pruned to. Such flights are as free as the estimate takes them to be:
/// with [`DEFAULT_TOLERANCE`], fit for lists of 20 steps, 1000 waters were seen to drift by 0.018 kJ/mol/ns/atom, without
/// inner lists by less than 0.001.
pub const INNER_TOLERANCE: f64 = 5e-5;

/// Inner lists are made for atoms at least this hot, K: a start at rest warms up while they live.
pub const COLDEST: f64 = 300.0;

/// Layers in which [`densest`] counts, nm, and the excess over the mean from which a box counts as inhomogeneous.
const LAYER: f64 = 1.0;
const INHOMOGENEOUS: f64 = 1.2;

/// Atoms that move and interact alike.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Class {
    type_id: u32,
    /// e
    charge: f64,
    /// Variance of the displacement along one axis, nm².
    variance: f64,
    /// Fraction of the atoms.
    fraction: f64,
}

/// Smallest list radius (nm) whose missed interactions drift by less than `drift_tolerance` (kJ/mol/ps/atom).
///
/// * `density` – atoms/nm³; where the system is inhomogeneous, of its densest part
/// * `temperature` – K
/// * `dt` – ps; `n_steps` – steps that one list serves
pub fn list_radius(
    system: &System,
    density: f64,
    temperature: f64,
    dt: f64,
    n_steps: u32,
    drift_tolerance: f64,
) -> f64 {
    let cutoff = system.interactions.cutoff;
    // a list built at step n also serves the forces of step n: atoms fly for one step less
    let time = dt * f64::from(n_steps.saturating_sub(1));
    if time <= 0.0 || temperature <= 0.0 || density <= 0.0 {
        return cutoff;
    }
    let missing = Missing::new(system, &classes(system, temperature, time), density);
    let (mut low, mut high) = (0.0, 2.0 * cutoff);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let drift = missing.energy(middle) / time;
        if drift > drift_tolerance { low = middle } else { high = middle }
    }
    cutoff + high
}

/// Atoms/nm³ in the densest part of a box: N/V where it is homogeneous, that of the densest layer along any lattice vector where there is vacuum.
///
/// * `positions` – `[n_atoms]`, nm
pub fn densest(positions: &[DVec3], cell: &Cell) -> f64 {
    let mean = positions.len() as f64 / cell.volume();
    let n_layers = cell.heights().map(|h| (h / LAYER).floor().max(1.0) as usize);
    let mut counts = n_layers.map(|n| vec![0u32; n]);
    for r in positions {
        let s = cell.to_fractional(*r);
        for (count, s) in counts.iter_mut().zip(s.to_array()) {
            let n = count.len();
            let layer = (s - s.floor()) * n as f64;
            count[(layer as usize).min(n - 1)] += 1;
        }
    }
    let fullest =
        |count: &Vec<u32>| f64::from(count.iter().copied().max().unwrap_or(0)) * count.len() as f64 / cell.volume();
    let layers = counts.iter().map(fullest).fold(0.0, f64::max);
    if layers > INHOMOGENEOUS * mean { layers } else { mean }
}

fn classes(system: &System, temperature: f64, time: f64) -> Vec<Class> {
    let topology = &system.topology;
    let mut classes: Vec<Class> = Vec::new();
    let mut index_of: HashMap<(u32, u64, u64), usize> = HashMap::new();
    let each = 1.0 / topology.n_atoms() as f64;
    for (species, &count) in topology.species.iter().zip(&topology.species_counts()) {
        for (k, atom) in species.atoms.iter().enumerate() {
            let flight = |mass: f64| BOLTZMANN * temperature / mass * time * time;
            let variance = match &species.rigid_water {
                _ if atom.mass == 0.0 => flight(species.mass()),
                // a hydrogen turns about the centre of mass: two free directions of three, and never farther than the
                // molecule is wide (2 d²/3 along an axis for a random turn of an arm d); and it goes with the molecule
                Some(water) if k > 0 => {
                    flight(species.mass()) + (2.0 / 3.0 * flight(atom.mass)).min(2.0 / 3.0 * water.d_oh * water.d_oh)
                }
                _ => flight(atom.mass),
            };
            let fraction = count as f64 * each;
            let key = (atom.type_id, atom.charge.to_bits(), variance.to_bits());
            let index = *index_of.entry(key).or_insert_with(|| {
                classes.push(Class { type_id: atom.type_id, charge: atom.charge, variance, fraction: 0.0 });
                classes.len() - 1
            });
            classes[index].fraction += fraction;
        }
    }
    classes.retain(|c| c.fraction > 0.0);
    classes
}

/// What a pair of classes misses: a potential, expanded to second order at the cutoff.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pairs {
    /// Index of their σ.
    sigma: usize,
    /// Pairs per atom and volume of the shell beyond the cutoff, times 4π, nm⁻³; both orders of the classes.
    weight: f64,
    /// (dU/dr kJ/mol/nm, d²U/dr² kJ/mol/nm²) at the cutoff, of Lennard-Jones and of Coulomb.
    expansions: [(f64, f64); 2],
}

/// Everything about missed interactions that does not depend on the buffer. Classes are many in a large molecule, where every atom has
/// a charge of its own, but masses are few: what takes an exponential is found once for each of their pairs.
struct Missing {
    /// nm
    cutoff: f64,
    /// Standard deviations of the displacement of pairs along the line between them, nm.
    sigmas: Vec<f64>,
    pairs: Vec<Pairs>,
}

impl Missing {
    fn new(system: &System, classes: &[Class], density: f64) -> Self {
        let cutoff = system.interactions.cutoff;
        let expand = |force: &dyn Fn(f64) -> f64| {
            let h = 1e-4 * cutoff;
            (-force(cutoff), (force(cutoff - h) - force(cutoff)) / h)
        };
        let unit_coulomb = expand(&|r: f64| {
            r * match system.interactions.coulomb {
                Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
                    ewald_real(r * r, COULOMB, beta).force_over_r
                }
                Coulomb::ReactionField { epsilon } => {
                    ReactionField::new(epsilon, cutoff).pair(r * r, COULOMB).force_over_r
                }
                Coulomb::Cutoff => bare(r * r, COULOMB).force_over_r,
            }
        });
        let n_types = system.pair_table.n_types();
        let modifier = system.interactions.lj_modifier;
        let lj: Vec<(f64, f64)> = (0..n_types * n_types)
            .map(|ab| {
                let k = system.pair_table.get(ab / n_types, ab % n_types);
                expand(&|r: f64| lennard_jones::modified(r * r, k, modifier, cutoff).force_over_r * r)
            })
            .collect();
        let (mut sigmas, mut pairs): (Vec<f64>, Vec<Pairs>) = (Vec::new(), Vec::new());
        let mut index_of: HashMap<u64, usize> = HashMap::new();
        for (n, a) in classes.iter().enumerate() {
            for (m, b) in classes[..=n].iter().enumerate() {
                let sigma = (a.variance + b.variance).sqrt();
                let sigma = *index_of.entry(sigma.to_bits()).or_insert_with(|| {
                    sigmas.push(sigma);
                    sigmas.len() - 1
                });
                // half of the pairs of an atom are its own
                let orders = if n == m { 1.0 } else { 2.0 };
                let weight = orders * 0.5 * a.fraction * b.fraction * density * 4.0 * PI;
                let qq = a.charge * b.charge;
                let expansions =
                    [lj[a.type_id as usize * n_types + b.type_id as usize], (qq * unit_coulomb.0, qq * unit_coulomb.1)];
                pairs.push(Pairs { sigma, weight, expansions });
            }
        }
        Missing { cutoff, sigmas, pairs }
    }

    /// Energy missed per atom at the end of a list's life with buffer `buffer` (nm), kJ/mol.
    ///
    /// A sum of magnitudes: terms of opposite sign do not reach equally far, so that their sum may vanish by accident.
    fn energy(&self, buffer: f64) -> f64 {
        let reach: Vec<((f64, f64), f64)> = (self.sigmas.iter())
            .map(|&sigma| (moments(buffer, sigma), (self.cutoff + buffer + sigma).powi(2)))
            .collect();
        let one = |pairs: &Pairs| {
            let (moments, area) = reach[pairs.sigma];
            pairs.expansions.iter().map(|&e| (pairs.weight * area * missed(e, moments)).abs()).sum::<f64>()
        };
        self.pairs.iter().map(one).sum()
    }
}

/// ∫∫ of the potential, expanded to second order at the cutoff, over pairs that start beyond the buffer and end inside
/// the cutoff, for displacements of variance σ² along the line between them; per unit area of the cutoff sphere, kJ/mol
/// nm (Páll and Hess, eqs. 10-12).
fn missed((slope, curvature): (f64, f64), (first, second): (f64, f64)) -> f64 {
    curvature * second - slope * first
}

/// The integrals that slope and curvature are multiplied with, nm² and nm³.
fn moments(buffer: f64, sigma: f64) -> (f64, f64) {
    let x = buffer / sigma;
    let gauss = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    let tail = 0.5 * erfc(x / 2f64.sqrt());
    let first = 0.5 * ((x * x + 1.0) * tail - x * gauss);
    let second = ((x * x + 2.0) * gauss - x * (x * x + 3.0) * tail) / 6.0;
    (sigma * sigma * first, sigma.powi(3) * second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potential::mixing::Mixing;
    use crate::potential::pair_table::PairTable;
    use crate::system::topology::{RigidWater, Species, SpeciesAtom};
    use crate::system::{External, Interactions, LjModifier, Topology};

    fn water() -> System {
        let atom = |name: &str, type_id, charge, mass| SpeciesAtom {
            name: name.into(),
            element: name[..1].into(),
            type_id,
            charge,
            mass,
        };
        let species = Species {
            name: "SPC/E".into(),
            residue: "SOL".into(),
            is_water: true,
            atoms: vec![atom("OW", 0, -0.8476, 15.9994), atom("HW1", 1, 0.4238, 1.008), atom("HW2", 1, 0.4238, 1.008)],
            bonds: vec![],
            exclusions: vec![(0, 1), (0, 2), (1, 2)],
            rigid_water: Some(RigidWater { d_oh: 0.1, d_hh: 0.1633 }),
            ..Species::default()
        };
        System {
            topology: Topology::new(vec!["OW".into(), "HW".into()], vec![species], &[0; 216]),
            pair_table: PairTable::mixed(&[(0.3166, 0.65), (0.0, 0.0)], |_, _| Mixing::LorentzBerthelot),
            interactions: Interactions {
                cutoff: 0.9,
                lj_modifier: LjModifier::None,
                dispersion_correction: false,
                coulomb: Coulomb::Pme { beta: 3.47, grid: [20; 3], order: 5 },
            },
            restraints: Vec::new(),
            external: External::default(),
        }
    }

    #[test]
    fn closed_forms_match_numerical_integration() {
        // pairs at r_list + y, displacement −u − y − buffer … : ∫ dy ∫ du V(−u) G(buffer + y + u)
        let (sigma, buffer) = (0.03, 0.05);
        let expansion = (-2.0, 30.0); // V = −2 d + 15 d² at d = r − cutoff
        let (n, step) = (2000, 0.1 / 1000.0);
        let mut sum = 0.0;
        for y in 0..n {
            for u in 0..n {
                let (y, u) = ((f64::from(y) + 0.5) * step, (f64::from(u) + 0.5) * step);
                let z = (buffer + y + u) / sigma;
                sum += (2.0 * u + 15.0 * u * u) * (-0.5 * z * z).exp();
            }
        }
        sum *= step * step / ((2.0 * PI).sqrt() * sigma);
        let closed = missed(expansion, moments(buffer, sigma));
        assert!((closed / sum - 1.0).abs() < 1e-3, "{closed} {sum}");
    }

    #[test]
    fn vacuum_does_not_dilute_the_densest_part() {
        let lattice =
            |z: i32| move |n: i32| DVec3::new(f64::from(n % 8), f64::from(n / 8 % 8), f64::from(n / 64 + z)) * 0.5;
        // 4 nm of atoms, eight per nm³, cut by the boundary; then as much vacuum again, twice
        let full: Vec<DVec3> = (0..512).map(lattice(-3)).collect();
        assert_eq!(densest(&full, &Cell::orthorhombic(4.0, 4.0, 4.0).unwrap()), 8.0);
        assert_eq!(densest(&full, &Cell::orthorhombic(4.0, 4.0, 12.0).unwrap()), 8.0);
        // a few atoms per layer differ: still the mean
        let uneven = [&full[..], &[DVec3::splat(0.3)]].concat();
        assert_eq!(densest(&uneven, &Cell::cubic(4.0).unwrap()), 513.0 / 64.0);
    }

    #[test]
    fn the_radius_grows_with_everything_that_moves_atoms_farther() {
        let system = water();
        let radius = |t, n, tolerance| list_radius(&system, 98.0, t, 0.002, n, tolerance);
        let base = radius(300.0, 20, 5e-4);
        assert!(base > 0.93 && base < 1.12, "{base}");
        assert!(radius(400.0, 20, 5e-4) > base && radius(300.0, 40, 5e-4) > base && radius(300.0, 20, 5e-5) > base);
        assert_eq!(radius(300.0, 1, 5e-4), 0.9);
        assert_eq!(radius(0.0, 20, 5e-4), 0.9);
    }

    #[test]
    fn the_tolerance_is_met_and_not_by_far() {
        let system = water();
        let time = 0.002 * 19.0;
        let classes = classes(&system, 300.0, time);
        let radius = list_radius(&system, 98.0, 300.0, 0.002, 20, 5e-4);
        let missing = Missing::new(&system, &classes, 98.0);
        let at = |r: f64| missing.energy(r - 0.9) / time;
        assert!(at(radius) <= 5e-4 * (1.0 + 1e-9) && at(radius - 1e-3) > 5e-4);
    }
}
