//! Nosé–Hoover chains: G. J. Martyna, M. L. Klein, M. Tuckerman, J. Chem. Phys. 97, 2635 (1992); integrated as in
//! G. J. Martyna et al., Mol. Phys. 87, 1117 (1996), with the third-order weights of Suzuki and Yoshida.
//!
//! Decides one velocity factor per coupling; the backend applies it at the start of a chunk. The chain is a part of the
//! state: [`Chain`] goes into checkpoints, and K + [`Chain::energy`] is what a coupling conserves.

use crate::units::BOLTZMANN;

/// Parts into which a coupling is cut before the weights.
const N_PARTS: usize = 8;

/// What a chain acts on and how fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainSettings {
    /// N_f
    pub degrees_of_freedom: usize,
    /// K
    pub temperature: f64,
    /// Period τ of the oscillations of the kinetic energy, ps: Q₁ = N_f kT (τ/2π)², Q_k = kT (τ/2π)².
    pub time_constant: f64,
}

/// Positions (dimensionless) and velocities (ps⁻¹) of the thermostats of a chain; empty until a coupling makes one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    pub positions: Vec<f64>,
    pub velocities: Vec<f64>,
}

impl Chain {
    /// A chain at rest.
    pub fn new(length: usize) -> Self {
        Chain { positions: vec![0.0; length], velocities: vec![0.0; length] }
    }

    fn masses(&self, settings: &ChainSettings) -> Vec<f64> {
        let kt = BOLTZMANN * settings.temperature;
        let unit = kt * (settings.time_constant / std::f64::consts::TAU).powi(2);
        let mut masses = vec![unit; self.velocities.len()];
        if let Some(first) = masses.first_mut() {
            *first *= settings.degrees_of_freedom as f64;
        }
        masses
    }

    /// Energy of the chain, Σ ½ Q v² + N_f kT ξ₁ + kT Σ ξ, kJ/mol.
    pub fn energy(&self, settings: &ChainSettings) -> f64 {
        let kt = BOLTZMANN * settings.temperature;
        let kinetic: f64 = self.velocities.iter().zip(self.masses(settings)).map(|(v, q)| 0.5 * q * v * v).sum();
        let weight = |k: usize| if k == 0 { settings.degrees_of_freedom as f64 } else { 1.0 };
        kinetic + kt * self.positions.iter().enumerate().map(|(k, x)| weight(k) * x).sum::<f64>()
    }

    /// Moves the chain by `interval` (ps) and returns the factor on the velocities of the atoms.
    ///
    /// * `kinetic` – of the atoms before, kJ/mol
    pub fn couple(&mut self, settings: &ChainSettings, kinetic: f64, interval: f64) -> f64 {
        let n = self.velocities.len();
        if n == 0 || settings.degrees_of_freedom == 0 || kinetic <= 0.0 {
            return 1.0;
        }
        let kt = BOLTZMANN * settings.temperature;
        let n_f_kt = settings.degrees_of_freedom as f64 * kt;
        let masses = self.masses(settings);
        let outer_weight = 1.0 / (2.0 - 2f64.powf(1.0 / 3.0));
        let weights = [outer_weight, 1.0 - 2.0 * outer_weight, outer_weight];
        let mut twice_kinetic = 2.0 * kinetic;
        let mut factor = 1.0;
        let v = &mut self.velocities;
        let drive = |v: &[f64], k: usize, twice_kinetic: f64| match k {
            0 => (twice_kinetic - n_f_kt) / masses[0],
            _ => (masses[k - 1] * v[k - 1] * v[k - 1] - kt) / masses[k],
        };
        for weight in weights.into_iter().cycle().take(3 * N_PARTS) {
            let h = weight * interval / N_PARTS as f64;
            // from the end of the chain to the atoms …
            v[n - 1] += 0.5 * h * drive(v, n - 1, twice_kinetic);
            for k in (0..n - 1).rev() {
                let damping = (-0.25 * h * v[k + 1]).exp();
                v[k] = (v[k] * damping + 0.5 * h * drive(v, k, twice_kinetic)) * damping;
            }
            let s = (-h * v[0]).exp();
            factor *= s;
            twice_kinetic *= s * s;
            self.positions.iter_mut().zip(&*v).for_each(|(x, v)| *x += h * v);
            // … and back
            for k in 0..n - 1 {
                let damping = (-0.25 * h * v[k + 1]).exp();
                v[k] = (v[k] * damping + 0.5 * h * drive(v, k, twice_kinetic)) * damping;
            }
            v[n - 1] += 0.5 * h * drive(v, n - 1, twice_kinetic);
        }
        factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ChainSettings = ChainSettings { degrees_of_freedom: 300, temperature: 300.0, time_constant: 1.0 };

    fn target() -> f64 {
        0.5 * 300.0 * BOLTZMANN * 300.0
    }

    #[test]
    fn a_coupling_conserves_kinetic_energy_and_chain_together() {
        for length in [1, 3, 5] {
            let mut chain = Chain::new(length);
            let mut kinetic = 1.3 * target();
            let start = kinetic + chain.energy(&SETTINGS);
            let mut moved = 0.0_f64;
            for _ in 0..2000 {
                kinetic *= chain.couple(&SETTINGS, kinetic, 0.04).powi(2);
                moved = moved.max((kinetic - 1.3 * target()).abs());
            }
            let drift = (kinetic + chain.energy(&SETTINGS) - start).abs();
            assert!(moved > 0.3 * target(), "the chain acts");
            assert!(drift < 1e-4 * moved, "{length}: {drift} of {moved} kJ/mol");
        }
    }

    /// Without atoms that scatter energy, K oscillates about its target with the period τ/√2 that follows from GROMACS's definition of
    /// the time constant, Q = N_f kT (τ/2π)².
    #[test]
    fn the_kinetic_energy_oscillates_with_the_time_constant_over_the_root_of_two() {
        let mut chain = Chain::new(1);
        let mut kinetic = 1.01 * target();
        let mut crossings = Vec::new();
        for step in 1..20_000 {
            let before = kinetic;
            kinetic *= chain.couple(&SETTINGS, kinetic, 0.001).powi(2);
            if before < target() && kinetic >= target() {
                crossings.push(f64::from(step) * 0.001);
            }
        }
        let period = (crossings[crossings.len() - 1] - crossings[0]) / (crossings.len() - 1) as f64;
        // K obeys δK'' = −(2 N_f kT/Q) δK to first order: a frequency √2 times that of ξ
        assert!((period * 2f64.sqrt() - 1.0).abs() < 0.01, "{period}");
    }

    #[test]
    fn a_chain_without_links_does_nothing() {
        assert_eq!(Chain::default().couple(&SETTINGS, 100.0, 0.1), 1.0);
        assert_eq!(Chain::default().energy(&SETTINGS), 0.0);
    }
}
