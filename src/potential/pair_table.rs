//! The type × type table of Lennard-Jones coefficients: the only source of pair parameters in the engine.
//!
//! Mixing rules, explicit overrides and 12-6-4 terms are resolved when the table is built; kernels see
//! (c6, c12, c4, shift) and nothing else.

use super::mixing::Mixing;

/// Coefficients of U = c12/r¹² − c6/r⁶ − c4/r⁴.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairCoefficients {
    /// kJ/mol nm⁶
    pub c6: f64,
    /// kJ/mol nm¹²
    pub c12: f64,
    /// kJ/mol nm⁴; positive attracts
    pub c4: f64,
}

impl PairCoefficients {
    /// From σ (nm) and ε (kJ/mol): c6 = 4 ε σ⁶, c12 = 4 ε σ¹².
    pub fn from_sigma_epsilon(sigma: f64, epsilon: f64) -> Self {
        let s6 = sigma.powi(6);
        PairCoefficients { c6: 4.0 * epsilon * s6, c12: 4.0 * epsilon * s6 * s6, c4: 0.0 }
    }

    /// σ (nm) and ε (kJ/mol); `None` where attraction or repulsion is missing.
    pub fn sigma_epsilon(&self) -> Option<(f64, f64)> {
        let has_both = self.c6 > 0.0 && self.c12 > 0.0;
        has_both.then(|| ((self.c12 / self.c6).powf(1.0 / 6.0), self.c6 * self.c6 / (4.0 * self.c12)))
    }

    /// Is there any Lennard-Jones interaction at all?
    pub fn is_zero(&self) -> bool {
        self.c6 == 0.0 && self.c12 == 0.0 && self.c4 == 0.0
    }
}

/// Where an entry of the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairOrigin {
    Mixed(Mixing),
    /// Mixed from parameters that a type has for this kind of partner only.
    Special(Mixing),
    /// Given explicitly (a published pair table, `nonbond_params`, or the user).
    Explicit,
}

/// Symmetric type × type table.
#[derive(Debug, Clone, PartialEq)]
pub struct PairTable {
    n_types: usize,
    coefficients: Vec<PairCoefficients>,
    origins: Vec<PairOrigin>,
}

impl PairTable {
    /// Mixes every pair of types.
    ///
    /// * `types` – (σ nm, ε kJ/mol) of each type
    /// * `mixing` – rule for types a and b
    pub fn mixed(types: &[(f64, f64)], mixing: impl Fn(usize, usize) -> Mixing) -> Self {
        let n = types.len();
        let mut table = PairTable {
            n_types: n,
            coefficients: vec![PairCoefficients::default(); n * n],
            origins: vec![PairOrigin::Explicit; n * n],
        };
        for a in 0..n {
            for b in a..n {
                let rule = mixing(a, b);
                let (sigma, epsilon) = rule.mix(types[a], types[b]);
                table.set(a, b, PairCoefficients::from_sigma_epsilon(sigma, epsilon), PairOrigin::Mixed(rule));
            }
        }
        table
    }

    /// Sets both (a, b) and (b, a).
    pub fn set(&mut self, a: usize, b: usize, k: PairCoefficients, origin: PairOrigin) {
        for index in [a * self.n_types + b, b * self.n_types + a] {
            self.coefficients[index] = k;
            self.origins[index] = origin;
        }
    }

    /// Adds a −c4/r⁴ term (kJ/mol nm⁴) to the pair (a, b), keeping its 12-6 part.
    pub fn add_c4(&mut self, a: usize, b: usize, c4: f64) {
        let mut k = self.get(a, b);
        k.c4 += c4;
        self.set(a, b, k, self.origin(a, b));
    }

    pub fn n_types(&self) -> usize {
        self.n_types
    }

    pub fn get(&self, a: usize, b: usize) -> PairCoefficients {
        self.coefficients[a * self.n_types + b]
    }

    pub fn origin(&self, a: usize, b: usize) -> PairOrigin {
        self.origins[a * self.n_types + b]
    }

    /// Row-major `[n_types * n_types]`.
    pub fn coefficients(&self) -> &[PairCoefficients] {
        &self.coefficients
    }

    /// Does type `a` take part in any Lennard-Jones interaction?
    pub fn type_has_lj(&self, a: usize) -> bool {
        (0..self.n_types).any(|b| !self.get(a, b).is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn override_beats_mixing_and_is_symmetric() {
        let mut table = PairTable::mixed(&[(0.3, 1.0), (0.2, 0.5)], |_, _| Mixing::LorentzBerthelot);
        let k = PairCoefficients { c6: 1.0, c12: 2.0, c4: 0.0 };
        table.set(1, 0, k, PairOrigin::Explicit);
        assert_eq!(table.get(0, 1), k);
        assert_eq!(table.origin(0, 1), PairOrigin::Explicit);
        assert_eq!(table.origin(0, 0), PairOrigin::Mixed(Mixing::LorentzBerthelot));
    }

    #[test]
    fn sigma_and_epsilon_come_back() {
        let (sigma, epsilon) = PairCoefficients::from_sigma_epsilon(0.31, 0.7).sigma_epsilon().expect("both");
        assert!((sigma - 0.31).abs() < 1e-15 && (epsilon - 0.7).abs() < 1e-14, "{sigma} {epsilon}");
        for one in
            [PairCoefficients { c12: 1.0, ..Default::default() }, PairCoefficients { c6: 1.0, ..Default::default() }]
        {
            assert_eq!(one.sigma_epsilon(), None);
        }
    }

    #[test]
    fn c4_adds_and_keeps_the_rest() {
        let mut table = PairTable::mixed(&[(0.3, 1.0)], |_, _| Mixing::Geometric);
        let before = table.get(0, 0);
        table.add_c4(0, 0, 0.1);
        assert_eq!(table.get(0, 0), PairCoefficients { c4: 0.1, ..before });
    }
}
