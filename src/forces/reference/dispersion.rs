//! Analytic long-range correction of Lennard-Jones: what the cutoff leaves out of a homogeneous fluid.
//!
//! Every atom sees the other types at their mean density beyond the cutoff (M. P. Allen, D. J. Tildesley, Computer
//! Simulation of Liquids, 2nd ed., section 2.8):
//!
//! * E = (2π/V) Σ_ab n_a n_b ∫ r² ΔU_ab(r) dr
//! * tr W = −(2π/V) Σ_ab n_a n_b ∫ r³ ΔU'_ab(r) dr
//!
//! with ΔU the missing 12-6 energy: U beyond the cutoff; with a switch also (1 − S) U inside its range; with a
//! potential shift also the constant U(r_cut) of every pair inside the cutoff (which has no force).
//! The −c4/r⁴ term is never included: ion and water are not a homogeneous mixture at that range, and its tail decays
//! too slowly to be a correction.
//!
//! Pairs are counted as n_a n_b ordered pairs, as NIST does. OpenMM counts n_a (n_a + 1)/2 of N (N + 1)/2 pairs instead
//! and GROMACS leaves excluded pairs out of its mean C6; at a thousand molecules the three differ by less than 0.1 %.

use crate::cell::Cell;
use crate::potential::pair_table::PairCoefficients;
use crate::potential::vdw::lennard_jones::{modified, plain};
use crate::system::{LjModifier, System};
use std::f64::consts::PI;

/// The correction as a function of volume.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DispersionCorrection {
    /// kJ/mol nm³: energy times volume
    energy_volume: f64,
    /// kJ/mol: the part that does not depend on volume (potential shift only)
    energy_constant: f64,
    /// kJ/mol nm³: trace of the virial times volume
    virial_volume: f64,
}

impl DispersionCorrection {
    /// Integrates the tails of every pair of types.
    pub fn new(system: &System) -> Self {
        let topology = &system.topology;
        let (cutoff, modifier) = (system.interactions.cutoff, system.interactions.lj_modifier);
        let n_types = topology.n_types();
        let mut counts = vec![0.0; n_types];
        for &t in &topology.type_ids {
            counts[t as usize] += 1.0;
        }
        // ordered pairs that are inside the cutoff but do not interact: an atom with itself, and exclusions
        let mut silent = vec![0.0; n_types * n_types];
        for a in 0..n_types {
            silent[a * n_types + a] = counts[a];
        }
        for (i, j) in topology.excluded_pairs() {
            let (a, b) = (topology.type_ids[i] as usize, topology.type_ids[j] as usize);
            silent[a * n_types + b] += 1.0;
            silent[b * n_types + a] += 1.0;
        }
        let mut correction = DispersionCorrection::default();
        for a in 0..n_types {
            for b in 0..n_types {
                let k = PairCoefficients { c4: 0.0, ..system.pair_table.get(a, b) };
                let pairs = counts[a] * counts[b];
                correction.energy_volume += 2.0 * PI * pairs * tail_energy(k, cutoff);
                correction.virial_volume += 2.0 * PI * pairs * tail_virial(k, cutoff);
                match modifier {
                    LjModifier::None => {}
                    LjModifier::PotentialShift => {
                        let shift = plain(cutoff * cutoff, k).energy;
                        correction.energy_volume += 2.0 * PI / 3.0 * cutoff.powi(3) * pairs * shift;
                        correction.energy_constant -= 0.5 * silent[a * n_types + b] * shift;
                    }
                    LjModifier::Switch { start } => {
                        let missing = |r: f64| {
                            let (full, kept) = (plain(r * r, k), modified(r * r, k, modifier, cutoff));
                            (full.energy - kept.energy, r * (full.force_over_r - kept.force_over_r))
                        };
                        let energy = simpson(start, cutoff, |r| r * r * missing(r).0);
                        let virial = simpson(start, cutoff, |r| r * r * r * missing(r).1);
                        correction.energy_volume += 2.0 * PI * pairs * energy;
                        correction.virial_volume += 2.0 * PI * pairs * virial;
                    }
                }
            }
        }
        correction
    }

    /// kJ/mol
    pub fn energy(&self, cell: &Cell) -> f64 {
        self.energy_volume / cell.volume() + self.energy_constant
    }

    /// Trace of the virial W = Σ r ⊗ F, kJ/mol; a third of it stands on each diagonal element.
    pub fn virial_trace(&self, cell: &Cell) -> f64 {
        self.virial_volume / cell.volume()
    }
}

/// ∫_rc^∞ r² (c12/r¹² − c6/r⁶) dr, kJ/mol nm³.
pub fn tail_energy(k: PairCoefficients, cutoff: f64) -> f64 {
    k.c12 / (9.0 * cutoff.powi(9)) - k.c6 / (3.0 * cutoff.powi(3))
}

/// −∫_rc^∞ r³ d/dr (c12/r¹² − c6/r⁶) dr, kJ/mol nm³.
pub fn tail_virial(k: PairCoefficients, cutoff: f64) -> f64 {
    12.0 * k.c12 / (9.0 * cutoff.powi(9)) - 6.0 * k.c6 / (3.0 * cutoff.powi(3))
}

/// Simpson's rule on 2000 intervals.
fn simpson(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    const INTERVALS: usize = 2000;
    let h = (to - from) / INTERVALS as f64;
    let inner: f64 = (1..INTERVALS).map(|n| if n % 2 == 1 { 4.0 } else { 2.0 } * f(from + n as f64 * h)).sum();
    h / 3.0 * (f(from) + inner + f(to))
}
