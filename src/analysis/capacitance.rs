//! Capacitance of two electrodes held at a potential, from the charges that the log of a run holds.
//!
//! From the mean, C = ⟨Q⟩/(ΔΨ A): the integral capacitance of the whole cell. From the fluctuations, C = β⟨δQ²⟩/A + C₀: the differential one. Charges that
//! follow the electrolyte at once lack the fluctuations of the electrode itself, and C₀, the capacitance of the empty cell, stands for them
//! (L. Scalfi et al., Phys. Chem. Chem. Phys. 22, 10480 (2020)); here C₀ = ε₀/d of ideal plates. Errors are jackknife estimates over ten blocks.

use super::blocks::Estimate;
use super::results::{AnalysisResult, Quantity};
use crate::units::{BOLTZMANN, COULOMB, VOLT};
use std::f64::consts::PI;

/// One e V⁻¹ nm⁻² in µF/cm².
const MICROFARAD: f64 = 16.021_766_34;
const N_BLOCKS: usize = 10;

/// What is known of a cell with two electrodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacitor {
    /// Name, potential (V) and charges (e) of the electrodes, `[n_lines]` each.
    pub electrodes: [(String, f64, Vec<f64>); 2],
    /// Area of one electrode, nm²
    pub area: f64,
    /// Between the inner layers of the electrodes, nm
    pub gap: f64,
    /// K; `None` leaves the fluctuations out
    pub temperature: Option<f64>,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
}

/// A function of a series with its jackknife error over blocks.
fn estimate(values: &[f64], of: impl Fn(&[f64]) -> f64) -> Estimate {
    let value = of(values);
    let size = values.len() / N_BLOCKS;
    if size == 0 {
        return Estimate { value, error: None };
    }
    let n = N_BLOCKS as f64;
    let without = |k: usize| {
        let (before, rest) = values.split_at(k * size);
        of(&[before, &rest[size..]].concat())
    };
    let left: Vec<f64> = (0..N_BLOCKS).map(without).collect();
    Estimate { value, error: Some(((n - 1.0) * variance(&left)).sqrt()) }
}

impl Capacitor {
    /// ε₀/d of the empty cell, µF/cm².
    pub fn empty(&self) -> f64 {
        // ε₀ = 1/(4π k_e), in e² mol kJ⁻¹ nm⁻¹
        VOLT / (4.0 * PI * COULOMB * self.gap) * MICROFARAD
    }

    /// Charges and capacitances; nothing without charges.
    pub fn result(&self) -> Option<AnalysisResult> {
        let [(_, low, _), (name, high, charges)] = &self.electrodes;
        if charges.is_empty() {
            return None;
        }
        let mut result = AnalysisResult {
            name: "capacitance".to_string(),
            title: "Electrodes".to_string(),
            n_frames: charges.len() as u64,
            ..Default::default()
        };
        let mut push = |id: &str, label: String, unit: &str, e: Estimate| {
            result.values.push(Quantity::new(id.to_string(), label, e, unit));
        };
        for (name, _, charges) in &self.electrodes {
            push(&format!("electrode_charge({name})"), format!("charge of {name}"), "e", estimate(charges, mean));
        }
        let voltage = high - low;
        push(
            "electrode_voltage",
            format!("potential of {name} against the other"),
            "V",
            Estimate { value: voltage, error: None },
        );
        if voltage != 0.0 {
            let of = |q: &[f64]| mean(q) / (voltage * self.area) * MICROFARAD;
            let label = "capacitance from the mean charge".to_string();
            push("capacitance_mean", label, "uF/cm2", estimate(charges, of));
        }
        push(
            "capacitance_empty",
            "capacitance of the empty cell, ε₀/d".to_string(),
            "uF/cm2",
            Estimate { value: self.empty(), error: None },
        );
        if let Some(temperature) = self.temperature {
            let thermal = BOLTZMANN * temperature / VOLT; // V
            let of = |q: &[f64]| variance(q) / (thermal * self.area) * MICROFARAD + self.empty();
            let label = "capacitance from the fluctuations of the charge".to_string();
            push("capacitance_fluctuations", label, "uF/cm2", estimate(charges, of));
        }
        result.notes.push(format!(
            "Of the whole cell, for {:.3} nm² of one electrode: two interfaces in series. From the mean: ⟨Q⟩/(ΔΨ A){}; from the fluctuations: β⟨δQ²⟩/A + ε₀/d with \
             d = {:.3} nm between the inner layers. {} lines of the log; errors from a jackknife over ten blocks. Fluctuations need a log of \
             many relaxation times of the electrolyte, nanoseconds for salts.",
            self.area,
            if voltage == 0.0 { ", which needs a potential difference" } else { "" },
            self.gap,
            charges.len()
        ));
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn mean_and_fluctuations_give_the_capacitance_that_made_them() {
        // Q with mean C V and variance k_B T (C − C₀): what a linear capacitor does.
        let (area, gap, voltage, temperature, wanted) = (10.0, 4.0, 2.0, 300.0, 3.0);
        let of = |voltage: f64, charges: Vec<f64>| Capacitor {
            electrodes: [
                ("lower".into(), 0.0, charges.iter().map(|q| -q).collect()),
                ("upper".into(), voltage, charges),
            ],
            area,
            gap,
            temperature: Some(temperature),
        };
        // ε₀/d: 0.8854 µF/cm² at 1 nm
        let empty = of(voltage, vec![0.0]).empty();
        assert!((empty - 0.885_418_78 / gap).abs() < 1e-6, "{empty}");
        let width = (BOLTZMANN * temperature / VOLT * (wanted - empty) * area / MICROFARAD).sqrt();
        let mut draws = Draws::new(3, Stream::Build, 0);
        let charges: Vec<f64> =
            (0..20_000).map(|_| wanted * voltage * area / MICROFARAD + width * draws.normal()).collect();
        let result = of(voltage, charges.clone()).result().expect("charges");
        for id in ["capacitance_mean", "capacitance_fluctuations"] {
            let found = result.values.iter().find(|q| q.id == id).expect(id);
            let error = found.error.expect("enough lines");
            assert!(error > 0.0 && error < 0.1 && (found.value - wanted).abs() < 4.0 * error, "{found:?}");
        }
        // A wrong sign of the potential is noticed, and without one there is no mean capacitance.
        let value = |r: &AnalysisResult, id: &str| r.values.iter().find(|q| q.id == id).map(|q| q.value);
        let turned = of(-voltage, charges.clone()).result().expect("charges");
        assert!(value(&turned, "capacitance_mean").is_some_and(|c| c < 0.0));
        assert_eq!(value(&of(0.0, charges).result().expect("charges"), "capacitance_mean"), None);
        assert_eq!(of(voltage, Vec::new()).result(), None);
    }
}
