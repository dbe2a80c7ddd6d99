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

/// One electrode of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Terminal {
    pub name: String,
    /// V; `None` where its charge is given
    pub potential: Option<f64>,
    /// e, `[n_lines]`
    pub charges: Vec<f64>,
}

/// What is known of a cell with electrodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacitor {
    /// From below.
    pub electrodes: Vec<Terminal>,
    /// Area of one electrode, nm²
    pub area: f64,
    /// Between the inner layers of two electrodes, nm
    pub gap: f64,
    /// Potential above the slab against below it, V, from the profile of the charges: what stands between two electrodes one of which has a given charge.
    pub drop: Option<Estimate>,
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

    /// Charges, potentials and capacitances; nothing without charges.
    pub fn result(&self) -> Option<AnalysisResult> {
        let n_lines = self.electrodes.first()?.charges.len();
        if self.electrodes.iter().any(|e| e.charges.is_empty()) {
            return None;
        }
        let mut result = AnalysisResult {
            name: "capacitance".to_string(),
            title: "Electrodes".to_string(),
            n_frames: n_lines as u64,
            ..Default::default()
        };
        let exact = |value: f64| Estimate { value, error: None };
        let mut push = |id: &str, label: String, unit: &str, e: Estimate| {
            result.values.push(Quantity::new(id.to_string(), label, e, unit));
        };
        for Terminal { name, charges, .. } in &self.electrodes {
            push(&format!("electrode_charge({name})"), format!("charge of {name}"), "e", estimate(charges, mean));
        }
        let [lower, upper] = self.electrodes.as_slice() else {
            for Terminal { name, potential, .. } in &self.electrodes {
                if let Some(potential) = potential {
                    push(
                        &format!("electrode_potential({name})"),
                        format!("potential of {name}, held"),
                        "V",
                        exact(*potential),
                    );
                }
            }
            let note = format!("Charges from {n_lines} lines of the log, errors from a jackknife over ten blocks.");
            result.notes.push(note);
            return Some(result);
        };
        let held = lower.potential.zip(upper.potential).map(|(low, high)| high - low);
        let voltage = held.map(exact).or(self.drop);
        if let Some(voltage) = voltage {
            let label = format!("potential of {} against {}", upper.name, lower.name);
            push("electrode_voltage", label, "V", voltage);
        }
        // A voltage that may as well be zero has no capacitance.
        let drives =
            |v: &Estimate| v.value != 0.0 && (held.is_some() || v.error.is_some_and(|e| 2.0 * e < v.value.abs()));
        if let Some(voltage) = voltage.filter(drives) {
            let charge = estimate(&upper.charges, mean);
            let value = charge.value / (voltage.value * self.area) * MICROFARAD;
            let relative = |e: Estimate| e.error.map(|error| error / e.value);
            let error = match (relative(charge), relative(voltage)) {
                (Some(q), Some(v)) => Some(value.abs() * q.hypot(v)),
                (Some(e), None) | (None, Some(e)) => Some((value * e).abs()),
                (None, None) => None,
            };
            push(
                "capacitance_mean",
                "capacitance from the mean charge".to_string(),
                "uF/cm2",
                Estimate { value, error },
            );
        }
        push(
            "capacitance_empty",
            "capacitance of the empty cell, ε₀/d".to_string(),
            "uF/cm2",
            Estimate { value: self.empty(), error: None },
        );
        if let Some(temperature) = self.temperature.filter(|_| held.is_some()) {
            let thermal = BOLTZMANN * temperature / VOLT; // V
            let of = |q: &[f64]| variance(q) / (thermal * self.area) * MICROFARAD + self.empty();
            let label = "capacitance from the fluctuations of the charge".to_string();
            push("capacitance_fluctuations", label, "uF/cm2", estimate(&upper.charges, of));
        }
        let from = match (held, self.drop) {
            (Some(0.0), _) => "⟨Q⟩/(ΔΨ A), which needs a potential difference".to_string(),
            (Some(_), _) => "⟨Q⟩/(ΔΨ A)".to_string(),
            (None, Some(_)) => "⟨Q⟩/(ΔΨ A) with ΔΨ from the profile along z, for a charge is given".to_string(),
            (None, None) => {
                "⟨Q⟩/(ΔΨ A), for which a given charge needs [analysis.density-profile] and slab_correction".to_string()
            }
        };
        let fluctuations = match held {
            Some(_) => format!(
                "; from the fluctuations: β⟨δQ²⟩/A + ε₀/d with d = {:.3} nm between the inner layers. Fluctuations need a log of many \
                 relaxation times of the electrolyte, nanoseconds for salts",
                self.gap
            ),
            None => String::new(),
        };
        result.notes.push(format!(
            "Of the whole cell, for {:.3} nm² of one electrode: two interfaces in series. From the mean: {from}{fluctuations}. {n_lines} lines of the log; errors \
             from a jackknife over ten blocks.",
            self.area
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
            electrodes: vec![
                Terminal { name: "lower".into(), potential: Some(0.0), charges: charges.iter().map(|q| -q).collect() },
                Terminal { name: "upper".into(), potential: Some(voltage), charges },
            ],
            area,
            gap,
            drop: None,
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

    #[test]
    fn given_charges_and_three_electrodes_are_told_too() {
        let terminal = |name: &str, potential: Option<f64>, charge: f64| Terminal {
            name: name.into(),
            potential,
            charges: vec![charge; 50],
        };
        let cell = |electrodes: Vec<Terminal>, drop: Option<Estimate>| Capacitor {
            electrodes,
            area: 10.0,
            gap: 4.0,
            drop,
            temperature: Some(300.0),
        };
        let value = |r: &AnalysisResult, id: &str| r.values.iter().find(|q| q.id == id).map(|q| (q.value, q.error));
        let given = || vec![terminal("lower", None, -1.0), terminal("upper", None, 1.0)];
        let drop = Estimate { value: 2.0, error: Some(0.1) };
        let result = cell(given(), Some(drop)).result().expect("charges");
        assert_eq!(value(&result, "electrode_charge(lower)"), Some((-1.0, Some(0.0))));
        assert_eq!(value(&result, "electrode_voltage"), Some((2.0, Some(0.1))));
        // 1 e over 2 V and 10 nm², with the 5 % of the voltage.
        let (capacitance, error) = value(&result, "capacitance_mean").expect("a capacitance");
        assert!(
            (capacitance - MICROFARAD / 20.0).abs() < 1e-12
                && (error.expect("known") / capacitance - 0.05).abs() < 1e-12
        );
        assert_eq!(value(&result, "capacitance_fluctuations"), None, "a given charge does not fluctuate");
        // Without a profile, or with a voltage that may be zero, there is no capacitance, and charges all the same.
        for drop in [None, Some(Estimate { value: 0.1, error: Some(0.1) })] {
            let result = cell(given(), drop).result().expect("charges");
            assert_eq!(value(&result, "capacitance_mean"), None);
            assert_eq!(value(&result, "electrode_charge(upper)"), Some((1.0, Some(0.0))));
        }
        let mut three = given();
        three.push(terminal("gate", Some(0.5), 0.0));
        let result = cell(three, None).result().expect("charges");
        assert_eq!(value(&result, "electrode_potential(gate)"), Some((0.5, None)));
        assert_eq!(result.values.len(), 4, "{:?}", result.values);
    }
}
