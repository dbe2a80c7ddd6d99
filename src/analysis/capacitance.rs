//! Capacitance of two electrodes held at a potential, from their charges in the lines of a log or in frames.
//!
//! From the mean, C = ⟨Q⟩/(ΔΨ A): the integral capacitance of the whole cell. From the fluctuations, C = β⟨δQ²⟩/A + C₀: the differential one. Charges that
//! follow the electrolyte at once lack the fluctuations of the electrode itself, and C₀, the capacitance of the empty cell, stands for them
//! (L. Scalfi et al., Phys. Chem. Chem. Phys. 22, 10480 (2020)); it follows from the matrix of the electrodes. Errors are jackknife estimates over ten blocks.

use super::blocks::Estimate;
use super::results::{AnalysisResult, Quantity};
use crate::units::{BOLTZMANN, VOLT};

/// One e V⁻¹ nm⁻² in µF/cm².
const MICROFARAD: f64 = 16.021_766_34;

/// Potential of an electrode, V.
#[derive(Debug, Clone, PartialEq)]
pub enum Level {
    Held(f64),
    /// Of an electrode of given charge, on the scale of those that are held, `[n_lines]`.
    Found(Vec<f64>),
}

/// One electrode of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Terminal {
    pub name: String,
    pub level: Level,
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
    /// Of the empty cell, C₀, as the charge of the upper electrode by the potential between the two, e/V; `None` where it is not known
    pub empty: Option<f64>,
    /// What a line is: `lines of the log`, `frames`
    pub lines: &'static str,
    /// K; `None` leaves the fluctuations out
    pub temperature: Option<f64>,
}

const SCALE: &str = "The potential of an electrode of given charge is on the scale of those that are held, or of the first electrode where none is";

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
}

impl Capacitor {
    /// C₀, µF/cm².
    pub fn empty(&self) -> Option<f64> {
        self.empty.map(|by_volt| by_volt / self.area * MICROFARAD)
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
        let exact = |value: f64| Estimate::with_error(value, None);
        let mut push = |id: &str, label: String, unit: &str, e: Estimate| {
            result.values.push(Quantity::new(id.to_string(), label, e, unit));
        };
        for Terminal { name, charges, .. } in &self.electrodes {
            push(
                &format!("electrode_charge({name})"),
                format!("charge of {name}"),
                "e",
                Estimate::of_series(charges, mean),
            );
        }
        let [lower, upper] = self.electrodes.as_slice() else {
            for Terminal { name, level, .. } in &self.electrodes {
                let (how, potential) = match level {
                    Level::Held(potential) => ("held", exact(*potential)),
                    Level::Found(potentials) => ("from its charge", Estimate::of_series(potentials, mean)),
                };
                push(&format!("electrode_potential({name})"), format!("potential of {name}, {how}"), "V", potential);
            }
            let note = format!(
                "Charges and potentials from {n_lines} {}, errors from a jackknife over ten blocks. {SCALE}",
                self.lines
            );
            result.notes.push(note);
            return Some(result);
        };
        let held = match (&lower.level, &upper.level) {
            (Level::Held(low), Level::Held(high)) => Some(high - low),
            _ => None,
        };
        let at = |level: &Level, line: usize| match level {
            Level::Held(potential) => *potential,
            Level::Found(potentials) => potentials[line],
        };
        let voltage = held.map_or_else(
            || {
                let between = |line: usize| at(&upper.level, line) - at(&lower.level, line);
                Estimate::of_series(&(0..n_lines).map(between).collect::<Vec<f64>>(), mean)
            },
            exact,
        );
        let label = format!("potential of {} against {}", upper.name, lower.name);
        push("electrode_voltage", label, "V", voltage);
        // A voltage that may as well be zero has no capacitance.
        let drives =
            |v: &Estimate| v.value != 0.0 && (held.is_some() || v.error.is_some_and(|e| 2.0 * e < v.value.abs()));
        if drives(&voltage) {
            let charge = Estimate::of_series(&upper.charges, mean);
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
                Estimate::with_error(value, error),
            );
        }
        let empty = self.empty();
        if let Some(empty) = empty {
            push("capacitance_empty", "capacitance of the empty cell".to_string(), "uF/cm2", exact(empty));
        }
        let fluctuates = self.temperature.zip(empty).filter(|_| held.is_some());
        if let Some((temperature, empty)) = fluctuates {
            let thermal = BOLTZMANN * temperature / VOLT; // V
            let of = |q: &[f64]| variance(q) / (thermal * self.area) * MICROFARAD + empty;
            let label = "capacitance from the fluctuations of the charge".to_string();
            push("capacitance_fluctuations", label, "uF/cm2", Estimate::of_series(&upper.charges, of));
        }
        let from = match held {
            Some(0.0) => "⟨Q⟩/(ΔΨ A), which needs a potential difference".to_string(),
            Some(_) => "⟨Q⟩/(ΔΨ A)".to_string(),
            None => format!("⟨Q⟩/(ΔΨ A) with ΔΨ at the atoms of what has a given charge. {SCALE}"),
        };
        let fluctuations = match fluctuates {
            Some(_) => {
                "; from the fluctuations: β⟨δQ²⟩/A + C₀, the last of the empty cell by the matrix of the electrodes. Fluctuations need \
                 many relaxation times of the electrolyte, nanoseconds for salts"
            }
            None => "",
        };
        result.notes.push(format!(
            "Of the whole cell, for {:.3} nm² of one electrode: two interfaces in series. From the mean: {from}{fluctuations}. {n_lines} {}; errors from a \
             jackknife over ten blocks.",
            self.area, self.lines
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
        // ε₀ A/d, in e/V
        let by_volt = VOLT * area / (4.0 * std::f64::consts::PI * crate::units::COULOMB * gap);
        let of = |voltage: f64, charges: Vec<f64>| Capacitor {
            electrodes: vec![
                Terminal {
                    name: "lower".into(),
                    level: Level::Held(0.0),
                    charges: charges.iter().map(|q| -q).collect(),
                },
                Terminal { name: "upper".into(), level: Level::Held(voltage), charges },
            ],
            area,
            empty: Some(by_volt),
            lines: "lines of the log",
            temperature: Some(temperature),
        };
        // ε₀/d: 0.8854 µF/cm² at 1 nm
        let empty = of(voltage, vec![0.0]).empty().expect("given");
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
        // Nothing takes the place of an empty cell that is not known.
        let unknown = Capacitor { empty: None, ..of(voltage, vec![1.0; 50]) }.result().expect("charges");
        assert_eq!(value(&unknown, "capacitance_empty"), None);
        assert_eq!(value(&unknown, "capacitance_fluctuations"), None);
        assert!(value(&unknown, "capacitance_mean").is_some());
    }

    #[test]
    fn given_charges_and_three_electrodes_are_told_too() {
        let terminal =
            |name: &str, level: Level, charge: f64| Terminal { name: name.into(), level, charges: vec![charge; 50] };
        let cell = |electrodes: Vec<Terminal>| Capacitor {
            electrodes,
            area: 10.0,
            empty: Some(0.1),
            lines: "frames",
            temperature: Some(300.0),
        };
        let value = |r: &AnalysisResult, id: &str| r.values.iter().find(|q| q.id == id).map(|q| (q.value, q.error));
        // 2 V with 0.1 V of noise, of one sign in each of the ten blocks
        let noise = |line: usize| if (line / 5).is_multiple_of(2) { 0.1 } else { -0.1 };
        let around = |mean: f64| Level::Found((0..50).map(|line| mean + noise(line)).collect());
        let given =
            |upper: Level| vec![terminal("lower", Level::Found(vec![0.0; 50]), -1.0), terminal("upper", upper, 1.0)];
        let result = cell(given(around(2.0))).result().expect("charges");
        assert_eq!(value(&result, "electrode_charge(lower)"), Some((-1.0, Some(0.0))));
        let (voltage, error) = value(&result, "electrode_voltage").expect("a voltage");
        // of ten blocks at +-0.1: 0.1/sqrt(9)
        let error = error.expect("blocks");
        assert!((voltage - 2.0).abs() < 1e-12 && (error - 0.1 / 3.0).abs() < 1e-9, "{voltage} {error}");
        // 1 e over 2 V and 10 nm², with the relative error of the voltage.
        let (capacitance, of_capacitance) = value(&result, "capacitance_mean").expect("a capacitance");
        assert!((capacitance - MICROFARAD / 20.0).abs() < 1e-12);
        assert!((of_capacitance.expect("known") / capacitance - error / 2.0).abs() < 1e-9);
        assert_eq!(value(&result, "capacitance_fluctuations"), None, "a given charge does not fluctuate");
        assert_eq!(value(&result, "capacitance_empty"), Some((0.1 / 10.0 * MICROFARAD, None)));
        // With a voltage that may be zero there is no capacitance, and charges all the same.
        let result = cell(given(around(0.0))).result().expect("charges");
        assert_eq!(value(&result, "capacitance_mean"), None);
        assert_eq!(value(&result, "electrode_charge(upper)"), Some((1.0, Some(0.0))));
        // one held, one of given charge
        let one = vec![terminal("lower", Level::Held(0.5), -1.0), terminal("upper", around(2.0), 1.0)];
        let (voltage, _) = value(&cell(one).result().expect("charges"), "electrode_voltage").expect("a voltage");
        assert!((voltage - 1.5).abs() < 1e-12, "{voltage}");
        let mut three = given(around(2.0));
        three.push(terminal("gate", Level::Held(0.5), 0.0));
        let result = cell(three).result().expect("charges");
        assert_eq!(value(&result, "electrode_potential(gate)"), Some((0.5, None)));
        let (found, _) = value(&result, "electrode_potential(upper)").expect("found");
        assert!((found - 2.0).abs() < 1e-12, "{found}");
        assert_eq!(result.values.len(), 6, "{:?}", result.values);
    }
}
