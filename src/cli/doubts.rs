//! What makes averages of a run doubtful: series that were not stationary while it was analysed.

use crate::analysis::equilibration;
use crate::io::log::{CHARGE, Log};
use crate::report::{Doubt, text};

/// A larger share of the analysed stage without a stationary series is worth a warning. (The best start of a stationary series scatters over its first fifth.)
const DRIFT: f64 = 0.25;
/// Errors of the difference by which the mean of the part before is another one: less is no reason to doubt an average. The start was chosen by the series itself,
/// so more than two are asked for.
const SHIFT: f64 = 4.0;
/// Independent values in the stationary part that such a difference asks for: a series that changes slowly is no drift. With both, less than one stationary series in
/// twenty is doubted, whatever its correlation time (autoregressive series of 400 lines with 1 to 50 lines of it).
const FEWEST: f64 = 20.0;

/// A series of the analysed part of a run.
pub struct Watched<'a> {
    /// For people, e.g. `the potential energy`.
    pub what: String,
    /// Id of the one quantity that is its mean, where nothing else depends on it.
    pub of: Option<&'static str>,
    pub values: &'a [f64],
}

impl<'a> Watched<'a> {
    /// A series that all of the run depends on.
    pub fn of_all(what: impl Into<String>, values: &'a [f64]) -> Self {
        Watched { what: what.into(), of: None, values }
    }

    pub fn alone(of: &'static str, values: &'a [f64]) -> Self {
        Watched { what: format!("the {of}"), of: Some(of), values }
    }
}

/// A series that becomes stationary late.
struct Late {
    /// First and stationary time, ps
    times: [f64; 2],
    /// Independent values in the stationary part.
    n_effective: f64,
    /// Is the mean before another than that of the stationary part, beyond the error of both?
    matters: bool,
}

impl Late {
    /// * `time` – ps
    fn find(time: &[f64], values: &[f64]) -> Option<Self> {
        let found = equilibration::detect(values)?;
        let times = [*time.first()?, *time.get(found.start)?];
        if (times[1] - times[0]) / (time.last()? - times[0]) <= DRIFT {
            return None;
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (before, rest) = values.split_at(found.start);
        let center = mean(rest);
        let variance = rest.iter().map(|v| (v - center).powi(2)).sum::<f64>() / rest.len() as f64;
        let lengths = 1.0 / before.len() as f64 + 1.0 / rest.len() as f64;
        let error = (variance * found.inefficiency * lengths).sqrt();
        let n_effective = found.n_effective;
        let matters = n_effective >= FEWEST && (mean(before) - center).abs() > SHIFT * error;
        Some(Late { times, n_effective, matters })
    }

    fn told(&self, what: &str) -> String {
        let [from, start] = self.times.map(text::plain);
        if self.n_effective < FEWEST {
            let n = self.n_effective;
            return format!(
                "{what} drifts or changes slowly: since {start} ps it has gone through {n:.0} independent values, too few to say whether it was stationary before; a \
                 longer run would tell"
            );
        }
        let rest = match self.matters {
            true => "a longer equilibration would help",
            false => "the part before has the same mean, within four errors",
        };
        format!("{what} is stationary only from {start} ps on, and the analyses began at {from} ps: {rest}")
    }
}

/// What to warn of, and what to doubt, in that order.
///
/// * `time` – of the analysed part, ps
pub fn of_series(time: &[f64], watched: &[Watched<'_>]) -> (Vec<String>, Vec<Doubt>) {
    let (mut warnings, mut doubts) = (Vec::new(), Vec::new());
    for Watched { what, of, values } in watched {
        let Some(late) = Late::find(time, values) else { continue };
        let told = late.told(what);
        if late.matters {
            doubts.push(Doubt { of: of.map(String::from), why: told.clone() });
        }
        // Two electrodes mirror each other: one sentence for the first that drifts is enough. The mean of one quantity is in doubt by itself.
        let is_mirror = watched.iter().filter(|w| w.what.starts_with(CHARGE_OF)).count() == 2;
        let is_second = |t: &String| is_mirror && t.starts_with(CHARGE_OF) && what.starts_with(CHARGE_OF);
        if of.is_none() && !warnings.iter().any(is_second) {
            warnings.push(told);
        }
    }
    (warnings, doubts)
}

const CHARGE_OF: &str = "the charge of";

/// The charge of an electrode, as it is called.
pub fn charge_of(electrode: &str) -> String {
    format!("{CHARGE_OF} `{electrode}`")
}

/// Of the log of a run.
///
/// * `analysed_from` – ps
pub fn of_log(log: &Log, analysed_from: Option<f64>) -> (Vec<String>, Vec<Doubt>) {
    let (Some(from), Some(time)) = (analysed_from, log.column("time")) else { return Default::default() };
    let Some(first) = time.iter().position(|t| *t >= from - 1e-9) else { return Default::default() };
    let mut watched = Vec::new();
    for column in &log.columns {
        let values = &column.values[first..];
        watched.extend(match (column.name.as_str(), column.name.strip_prefix(CHARGE)) {
            ("potential", _) => Some(Watched::of_all("the potential energy", values)),
            ("density", _) => Some(Watched::of_all("the density", values)),
            ("temperature", _) => Some(Watched::alone("temperature", values)),
            ("pressure", _) => Some(Watched::alone("pressure", values)),
            (_, Some(electrode)) => Some(Watched::of_all(charge_of(electrode), values)),
            _ => None,
        });
    }
    of_series(&time[first..], &watched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::log::LogColumn;
    use crate::random::{Draws, Stream};

    #[test]
    fn a_series_that_relaxes_is_doubted_and_noise_is_not() {
        let mut draws = Draws::new(29, Stream::Build, 0);
        let time: Vec<f64> = (0..400).map(|k| 20.0 + 0.25 * f64::from(k)).collect();
        let noise: Vec<f64> = time.iter().map(|_| draws.normal()).collect();
        let relaxing = |height: f64| -> Vec<f64> {
            noise.iter().zip(&time).map(|(x, t)| x + height * (-(t - 20.0) / 15.0).exp()).collect()
        };
        let judged = |values: &[f64], of: Option<&'static str>| {
            of_series(&time, &[Watched { what: "the density".into(), of, values }])
        };
        assert_eq!(judged(&noise, None), (vec![], vec![]));
        let (warnings, doubts) = judged(&relaxing(30.0), None);
        assert!(warnings[0].contains("the analyses began at 20 ps: a longer equilibration"), "{warnings:?}");
        assert_eq!((doubts.len(), doubts[0].of.as_deref(), &doubts[0].why), (1, None, &warnings[0]));
        let (warnings, doubts) = judged(&relaxing(30.0), Some("density"));
        assert!(warnings.is_empty() && doubts[0].of.as_deref() == Some("density"));
        // Two electrodes: one sentence.
        let falling = relaxing(30.0);
        let both = [charge_of("lower"), charge_of("upper")].map(|what| Watched::of_all(what, &falling));
        assert_eq!(of_series(&time, &both).0.len(), 1);
    }

    /// A stationary series that forgets itself in 50 lines is seldom doubted; most such series look late.
    #[test]
    fn slow_series_are_seldom_doubted() {
        let time: Vec<f64> = (0..400).map(f64::from).collect();
        let (mut warned, mut doubted) = (0, 0);
        for seed in 0..100 {
            let mut draws = Draws::new(seed, Stream::Build, 0);
            let (a, mut x) = ((-1.0_f64 / 50.0).exp(), 0.0);
            let mut step = || {
                x = a * x + (1.0 - a * a).sqrt() * draws.normal();
                x
            };
            (0..300).for_each(|_| _ = step());
            let values: Vec<f64> = (0..400).map(|_| step()).collect();
            let (warnings, doubts) = of_series(&time, &[Watched::of_all("the charge", &values)]);
            warned += warnings.len();
            doubted += doubts.len();
            assert!(
                warnings.iter().all(|w| doubts.len() == 1 || w.contains("changes slowly") || w.contains("same mean"))
            );
        }
        println!("{warned} of 100 warned of, {doubted} doubted");
        assert!(warned > 30 && doubted <= 8, "{warned} {doubted}");
    }

    /// A log of 400 lines a picosecond apart: noise, and a relaxation that has died down at about `ends` (ps) in the charges of two electrodes.
    fn log(ends: f64) -> Log {
        let mut draws = Draws::new(31, Stream::Build, 0);
        let noise: Vec<f64> = (0..400).map(|_| draws.normal()).collect();
        let relaxing = |k: usize| 20.0 * (-5.0 * k as f64 / ends).exp();
        let column = |name: &str, unit: &str, of: &dyn Fn(usize) -> f64| LogColumn {
            name: name.into(),
            unit: unit.into(),
            values: (0..400).map(of).collect(),
        };
        let columns = vec![
            column("time", "ps", &|k| k as f64),
            column("potential", "kJ/mol", &|k| 100.0 * noise[399 - k]),
            column("charge_lower", "e", &|k| -0.1 * noise[k] - relaxing(k)),
            column("charge_upper", "e", &|k| 0.1 * noise[k] + relaxing(k)),
        ];
        Log { columns, stages: vec!["production".to_string(); 400] }
    }

    /// The charge of electrodes may still run while the energy is stationary: that is told once, of the first of two that mirror each other.
    #[test]
    fn a_drifting_charge_of_an_electrode_is_told_once() {
        let told = of_log(&log(250.0), Some(0.0)).0;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("the charge of `lower` is stationary only from "), "{told:?}");
        assert!(told[0].contains("the analyses began at 0 ps: a longer equilibration would help"), "{told:?}");
        // what is over when the analyses begin, or soon after, is no drift
        assert_eq!(of_log(&log(250.0), Some(270.0)).0, Vec::<String>::new());
        assert_eq!(of_log(&log(10.0), Some(0.0)).0, Vec::<String>::new());
        // without analyses there is nothing to warn about
        assert!(of_log(&log(250.0), None).0.is_empty());
    }
}
