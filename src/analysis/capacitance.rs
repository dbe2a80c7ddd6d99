//! Capacitance of two electrodes held at a potential, from their charges in the lines of a log or in frames.
//!
//! From the mean, C = ⟨Q⟩/(ΔΨ A): the integral capacitance of the whole cell. From the fluctuations, C = β⟨δQ δX⟩/A + C₀: the differential one, with
//! X = −∂H/∂ΔΨ. That is Q, and Q − M/L_z where a finite field −ΔΨ/L_z goes with the potential and acts on M = Σ q z: layers that screen it make the two
//! fluctuate alike, single layers back to back do not. Charges that follow the electrolyte at once lack the fluctuations of the electrode itself, and C₀, the
//! capacitance of the empty cell, stands for them (L. Scalfi et al., Phys. Chem. Chem. Phys. 22, 10480 (2020)); it follows from the matrix of the electrodes.
//! Errors are jackknife estimates over ten blocks.

use super::blocks::{Estimate, OF_SERIES};
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

/// What a potential difference acts on besides the charges of electrodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Carried {
    Nothing,
    /// The dipole of all charges by the height of the cell, M/L_z, e, `[n_lines]`; `None` where it is not known.
    Dipole(Option<Vec<f64>>),
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
    pub carried: Carried,
    /// What a line is: `lines of the log`, `frames`
    pub lines: &'static str,
    /// K; `None` leaves the fluctuations out
    pub temperature: Option<f64>,
}

const SCALE: &str = "The potential of an electrode of given charge is on the scale of those that are held, or of the first electrode where none is";

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn covariance(pairs: &[[f64; 2]]) -> f64 {
    let [a, b] = [0, 1].map(|k| pairs.iter().map(|p| p[k]).sum::<f64>() / pairs.len() as f64);
    pairs.iter().map(|p| (p[0] - a) * (p[1] - b)).sum::<f64>() / pairs.len() as f64
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
            let scale = if self.electrodes.iter().any(|e| matches!(e.level, Level::Found(_))) { SCALE } else { "" };
            let note = format!(
                "Charges and potentials from {n_lines} {}, errors from a jackknife over ten blocks. {scale}",
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
        let driven: Option<Vec<[f64; 2]>> = match &self.carried {
            Carried::Nothing => Some(upper.charges.iter().map(|&q| [q, q]).collect()),
            Carried::Dipole(Some(moments)) => {
                Some(upper.charges.iter().zip(moments).map(|(&q, m)| [q, q - m]).collect())
            }
            Carried::Dipole(None) => None,
        };
        let fluctuates = self.temperature.zip(empty).zip(driven).filter(|_| held.is_some() && n_lines >= OF_SERIES);
        if let Some(((temperature, empty), driven)) = &fluctuates {
            let thermal = BOLTZMANN * temperature / VOLT; // V
            let of = |pairs: &[[f64; 2]]| covariance(pairs) / (thermal * self.area) * MICROFARAD + empty;
            let label = "capacitance from the fluctuations of the charge".to_string();
            push("capacitance_fluctuations", label, "uF/cm2", Estimate::of_series(driven, of));
        }
        let from = match held {
            Some(0.0) => "⟨Q⟩/(ΔΨ A), which needs a potential difference".to_string(),
            Some(_) => "⟨Q⟩/(ΔΨ A)".to_string(),
            None => format!("⟨Q⟩/(ΔΨ A) with ΔΨ at the atoms of what has a given charge. {SCALE}"),
        };
        let fluctuations = match (&fluctuates, &self.carried) {
            (Some(_), carried) => {
                let formula = match carried {
                    Carried::Nothing => "β⟨δQ²⟩/A + C₀",
                    Carried::Dipole(_) => {
                        "β⟨δQ δ(Q − M/L)⟩/A + C₀ with M = Σ q z of all charges, which the field acts on"
                    }
                };
                format!(
                    "; from the fluctuations: {formula}, the last of the empty cell by the matrix of the electrodes. Fluctuations need \
                     many relaxation times of the electrolyte, nanoseconds for salts"
                )
            }
            (None, Carried::Dipole(None)) if held.is_some() => {
                "; fluctuations need the dipole of all charges, the column `dipole_z` of the log, which is not there"
                    .to_string()
            }
            (None, _) if held.is_some() && n_lines < OF_SERIES => {
                format!("; fluctuations need {OF_SERIES} {}", self.lines)
            }
            (None, _) => String::new(),
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
            carried: Carried::Nothing,
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

    /// A finite field acts on the dipole too: where a part of it follows the charge, that part of the fluctuations is left out.
    #[test]
    fn in_a_finite_field_charges_fluctuate_with_what_the_field_acts_on() {
        let (area, temperature, empty, leaks) = (10.0, 300.0, 0.2, 0.1);
        let mut draws = Draws::new(4, Stream::Build, 0);
        let charges: Vec<f64> = (0..4000).map(|_| 0.05 * draws.normal()).collect();
        let of = |carried: Carried, n: usize| {
            let electrodes = [-1.0, 1.0].map(|sign| Terminal {
                name: if sign < 0.0 { "lower" } else { "upper" }.into(),
                level: Level::Held(0.0),
                charges: charges[..n].iter().map(|q| sign * q).collect(),
            });
            let electrodes = electrodes.to_vec();
            Capacitor { electrodes, area, empty: Some(empty), carried, lines: "frames", temperature: Some(temperature) }
                .result()
                .expect("charges")
        };
        let value = |r: &AnalysisResult| r.values.iter().find(|q| q.id == "capacitance_fluctuations").map(|q| q.value);
        let without = value(&of(Carried::Nothing, 4000)).expect("charges fluctuate");
        let variance = charges.iter().map(|q| q * q).sum::<f64>() / 4000.0 - mean(&charges).powi(2);
        let expected = variance / (BOLTZMANN * temperature / VOLT * area) * MICROFARAD;
        assert!((without - empty / area * MICROFARAD - expected).abs() < 1e-9 * without, "{without} {expected}");
        let moments = |n: usize| Some(charges[..n].iter().map(|q| 3.0 + leaks * q).collect::<Vec<f64>>());
        let with = value(&of(Carried::Dipole(moments(4000)), 4000)).expect("charges fluctuate");
        assert!((without - with - leaks * expected).abs() < 1e-9 * without, "{without} {with}");
        // without what the field acts on there is no value, nor from a few lines
        let unknown = of(Carried::Dipole(None), 4000);
        assert!(value(&unknown).is_none() && unknown.notes[0].contains("dipole_z"), "{:?}", unknown.notes);
        let short = of(Carried::Dipole(moments(9)), 9);
        assert!(value(&short).is_none() && short.notes[0].contains("need 10 frames"), "{:?}", short.notes);
    }

    #[test]
    fn given_charges_and_three_electrodes_are_told_too() {
        let terminal =
            |name: &str, level: Level, charge: f64| Terminal { name: name.into(), level, charges: vec![charge; 50] };
        let cell = |electrodes: Vec<Terminal>| Capacitor {
            electrodes,
            area: 10.0,
            empty: Some(0.1),
            carried: Carried::Nothing,
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
