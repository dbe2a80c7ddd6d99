//! Lennard-Jones coefficients of pairs and of 1-4 pairs by the topology's own rule.

use super::parse::Records;
use super::records::{AtomType, CombinationRule, Defaults, PairParameterTable, PairParameters};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};

/// The pair parameters of a topology.
pub(super) struct Nonbonded<'a> {
    pub defaults: Defaults,
    records: &'a Records,
}

impl<'a> Nonbonded<'a> {
    pub fn new(defaults: Defaults, records: &'a Records) -> Self {
        Nonbonded { defaults, records }
    }

    /// Rule that `build` shows for mixed pairs. Rules 1 and 3 are the same for types that have a σ.
    pub fn mixing(&self) -> Mixing {
        match self.defaults.rule {
            CombinationRule::LorentzBerthelot => Mixing::LorentzBerthelot,
            CombinationRule::GeometricC6C12 | CombinationRule::GeometricSigmaEpsilon => Mixing::Geometric,
        }
    }

    /// The two numbers of a row as coefficients.
    ///
    /// A negative σ means a repulsion alone, as in GROMACS.
    pub fn coefficients(&self, v: f64, w: f64) -> PairCoefficients {
        match self.defaults.rule {
            CombinationRule::GeometricC6C12 => PairCoefficients { c6: v, c12: w, c4: 0.0 },
            _ => {
                let k = PairCoefficients::from_sigma_epsilon(v.abs(), w);
                PairCoefficients { c6: if v < 0.0 { 0.0 } else { k.c6 }, ..k }
            }
        }
    }

    fn mixed(&self, a: &AtomType, b: &AtomType) -> PairCoefficients {
        match self.defaults.rule {
            CombinationRule::GeometricC6C12 => {
                PairCoefficients { c6: (a.v * b.v).sqrt(), c12: (a.w * b.w).sqrt(), c4: 0.0 }
            }
            _ => {
                let (sigma, epsilon) = self.mixing().mix((a.v.abs(), a.w), (b.v.abs(), b.w));
                let sign = if a.v < 0.0 || b.v < 0.0 { -1.0 } else { 1.0 };
                self.coefficients(sign * sigma, epsilon)
            }
        }
    }

    fn listed(table: &PairParameterTable, a: &AtomType, b: &AtomType) -> Option<PairParameters> {
        if table.is_empty() {
            return None;
        }
        let (first, second) = ((&a.name).min(&b.name), (&a.name).max(&b.name));
        table.get(&(first.clone(), second.clone())).copied()
    }

    /// The interaction of two types: `[ nonbond_params ]`, else mixed.
    pub fn pair(&self, a: &AtomType, b: &AtomType) -> (PairCoefficients, PairOrigin) {
        match Self::listed(&self.records.nonbond_params, a, b) {
            Some(row) => (self.coefficients(row.v, row.w), PairOrigin::Explicit),
            None => (self.mixed(a, b), PairOrigin::Mixed(self.mixing())),
        }
    }

    /// The 1-4 interaction of two types: `[ pairtypes ]`, else their interaction times fudgeLJ if gen-pairs says so.
    pub fn pair_14(&self, a: &AtomType, b: &AtomType) -> Option<PairCoefficients> {
        if let Some(row) = Self::listed(&self.records.pair_types, a, b) {
            return Some(self.coefficients(row.v, row.w));
        }
        let scaled = |k: PairCoefficients| PairCoefficients {
            c6: k.c6 * self.defaults.fudge_lj,
            c12: k.c12 * self.defaults.fudge_lj,
            c4: 0.0,
        };
        self.defaults.gen_pairs.then(|| scaled(self.pair(a, b).0))
    }

    /// The table of the given types (indices into the records).
    pub fn table(&self, types: &[usize]) -> PairTable {
        let mut table = PairTable::mixed(&vec![(0.0, 0.0); types.len()], |_, _| self.mixing());
        for (a, &type_a) in types.iter().enumerate() {
            for (b, &type_b) in types.iter().enumerate().skip(a) {
                let (k, origin) = self.pair(&self.records.atom_types[type_a], &self.records.atom_types[type_b]);
                table.set(a, b, k, origin);
            }
        }
        table
    }
}
