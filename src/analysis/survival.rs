//! How long pairs stay together: correlation functions of sets of pairs, with and without tolerated absences.
//!
//! At an origin the pairs of one set (*starters*) are noted. Later a pair is *present* if it is in another set (*stayers*, often the same). With
//! a tolerance t* it survives as long as each of its absences was shorter than t* (R. W. Impey, P. A. Madden, I. R. McDonald, J. Phys. Chem. 87, 5071
//! (1983)); t* = 0 gives the continuous function, an infinite t* the intermittent one. An absence of n samples lasts n
//! sampling intervals.

use super::AnalysisError;
use super::blocks::{Blocks, Estimate, Overlap};
use super::codec::{Reader, Writer};
use super::lags::{LagGrid, Origins, line, no_error};
use super::results::{AnalysisResult, Quantity};

/// A pair under watch since an origin.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Watch {
    key: u64,
    /// Frame of the first absence of the current absence; negative while present.
    absent_since: i64,
    /// Bit k: alive under tolerance k.
    alive: u8,
}

/// Survival functions for several tolerances and the intermittent one.
pub struct Survival {
    grid: LagGrid,
    /// ps, ascending; at most eight
    tolerances: Vec<f64>,
    origins: Origins<Vec<Watch>>,
    /// Per frame and lag: pairs at the origin, then survivors for every tolerance, then pairs present: `[2 + n_tolerances][n_lags]`.
    blocks: Blocks,
}

/// What is known of the integral of a survival function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeConstant {
    /// ps; `None` where more than half of it would be extrapolated, or the curve does not fall.
    pub estimate: Option<Estimate>,
    /// The integral to the longest lag, ps.
    pub seen: f64,
    /// The longest lag, ps, and P there.
    pub end: [f64; 2],
}

impl TimeConstant {
    /// Adds the time, or where it is not determined the integral that was seen, as the lower bound that it is, and why.
    ///
    /// * `id` – as `kind` and, in brackets or empty, what it is of
    pub fn report(&self, (kind, of): (&str, &str), label: &str, result: &mut AnalysisResult) {
        if let Some(estimate) = self.estimate {
            result.values.push(Quantity::new(format!("{kind}{of}"), label.to_string(), estimate, "ps"));
            return;
        }
        let (seen, [end, p]) = (self.seen, self.end);
        let bound = Estimate::with_error(seen, None);
        let label_of_bound = format!("{label}, at least (P is {p:.2} at {end:.1} ps)");
        result.values.push(Quantity::new(format!("{kind}_at_least{of}"), label_of_bound, bound, "ps"));
        result.notes.push(format!(
            "{label}: not determined. P is still {p:.3} at {end:.1} ps, so more than half of the integral would be extrapolated; the integral \
             to there, {seen:.2} ps, is a lower bound. A longer max_lag and run would tell."
        ));
    }
}

/// The key of a pair.
pub fn key(a: u32, b: u32) -> u64 {
    (u64::from(a) << 32) | u64::from(b)
}

impl Survival {
    pub fn new(grid: LagGrid, tolerances: &[f64]) -> Result<Self, AnalysisError> {
        if tolerances.is_empty() || tolerances.len() > 8 {
            let remedy = "give one to eight tolerated absences";
            return Err(AnalysisError::InvalidSetting { what: "t_star", value: tolerances.len() as f64, remedy });
        }
        let blocks = Blocks::new((2 + tolerances.len()) * grid.len());
        Ok(Survival { grid, tolerances: tolerances.to_vec(), origins: Origins::new(grid), blocks })
    }

    pub fn grid(&self) -> LagGrid {
        self.grid
    }

    /// Adds a frame.
    ///
    /// * `starters`, `stayers` – ascending keys
    pub fn sample(&mut self, time: f64, starters: &[u64], stayers: &[u64]) {
        let (now, every) = (self.grid.index(time), self.grid.every());
        self.origins.advance(time);
        if self.origins.is_due(time) {
            let all = (1_u16 << self.tolerances.len()) - 1;
            let watch = |&key: &u64| Watch { key, absent_since: -1, alive: all as u8 };
            self.origins.push(time, starters.iter().map(watch).collect());
        }
        let (n, tolerances, origins) = (self.grid.len(), &self.tolerances, &mut self.origins);
        self.blocks.add_frame(|slot| {
            for (lag, watches) in origins.iter_mut(time) {
                let mut at = 0;
                let mut survivors = [0_u32; 8];
                let mut present = 0_u32;
                for watch in watches.iter_mut() {
                    while at < stayers.len() && stayers[at] < watch.key {
                        at += 1;
                    }
                    if at == stayers.len() || stayers[at] != watch.key {
                        if watch.absent_since < 0 {
                            watch.absent_since = now;
                        }
                        continue;
                    }
                    present += 1;
                    if watch.absent_since >= 0 {
                        // Rounding must not turn 20 absences of 0.1 ps into less than 2 ps.
                        let absence = (now - watch.absent_since) as f64 * every * (1.0 + 1e-9);
                        for (k, &tolerance) in tolerances.iter().enumerate() {
                            if absence >= tolerance {
                                watch.alive &= !(1 << k);
                            }
                        }
                        watch.absent_since = -1;
                    }
                    for (k, count) in survivors.iter_mut().enumerate().take(tolerances.len()) {
                        *count += u32::from(watch.alive >> k & 1);
                    }
                }
                slot[lag] += watches.len() as f64;
                for (k, &count) in survivors.iter().enumerate().take(tolerances.len()) {
                    slot[(1 + k) * n + lag] += f64::from(count);
                }
                slot[(1 + tolerances.len()) * n + lag] += f64::from(present);
            }
        });
    }

    /// How far apart frames were, see [`Origins::apart`].
    pub fn apart(&self) -> String {
        self.origins.apart()
    }

    /// Index of the intermittent function among the curves.
    pub fn intermittent(&self) -> usize {
        self.tolerances.len()
    }

    pub fn n_frames(&self) -> u64 {
        self.blocks.n_frames()
    }

    pub fn total(&self) -> Vec<f64> {
        self.blocks.total()
    }

    /// Survival function `k` as `[lag (ps), P]`, for the lags that were seen.
    pub fn curve(&self, sums: &[f64], k: usize) -> Vec<[f64; 2]> {
        let n = self.grid.len();
        let point = |lag: usize| (sums[lag] > 0.0).then(|| [self.grid.time(lag), sums[(1 + k) * n + lag] / sums[lag]]);
        (0..n).filter_map(point).collect()
    }

    /// A new run begins: no pair is followed into it.
    pub fn restart(&mut self) {
        self.origins.restart();
    }

    /// Integral of function `k` with the tail of an exponential, see [`integral`]; `None` for fewer than three lags.
    pub fn time_constant(&self, k: usize) -> Option<TimeConstant> {
        let curve = self.curve(&self.total(), k);
        let (seen, tail) = integral(&curve)?;
        let whole = |sums: &[f64], _: f64| {
            let (seen, tail) = integral(&self.curve(sums, k))?;
            Some(seen + tail?)
        };
        let is_seen = tail.is_some_and(|tail| tail <= seen);
        let estimate = is_seen.then(|| self.blocks.estimate_of_pairs(self.reach(), Overlap::Events, whole)).flatten();
        Some(TimeConstant { estimate, seen, end: *curve.last()? })
    }

    /// Frames within the longest lag.
    fn reach(&self) -> u64 {
        self.origins.frames_within(self.grid.time(self.grid.len() - 1))
    }

    /// Why `what` has no error bar, if that is so.
    pub fn why_no_error(&self, what: &str) -> Option<String> {
        let longest = self.grid.time(self.grid.len() - 1);
        (!self.blocks.has_error_of_pairs(self.reach())).then(|| no_error(what, longest, self.origins.sampled()))
    }

    pub fn save(&self, writer: &mut Writer) {
        self.origins.save(writer, |watches, writer| {
            writer.u64(watches.len() as u64);
            for watch in watches {
                writer.u64(watch.key);
                writer.u64(watch.absent_since.cast_unsigned());
                writer.u64(u64::from(watch.alive));
            }
        });
        self.blocks.save(writer);
    }

    pub fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.origins.restore(reader, |reader| {
            let n = reader.u64()?;
            let watch = |reader: &mut Reader| -> Result<Watch, AnalysisError> {
                Ok(Watch { key: reader.u64()?, absent_since: reader.u64()?.cast_signed(), alive: reader.u64()? as u8 })
            };
            (0..n).map(|_| watch(reader)).collect()
        })?;
        self.blocks.restore(reader)
    }
}

/// ∫ P dt by trapezoids to the end of the curve, and the tail behind it, P(end) τ, where τ is that of an exponential through the second half of
/// the curve (ln P by least squares), ps. No tail for a curve that does not fall; `None` for fewer than three points.
pub fn integral(curve: &[[f64; 2]]) -> Option<(f64, Option<f64>)> {
    if curve.len() < 3 {
        return None;
    }
    let area: f64 = curve.windows(2).map(|w| 0.5 * (w[1][0] - w[0][0]) * (w[0][1] + w[1][1])).sum();
    let [t_end, p_end] = *curve.last()?;
    if p_end < 1e-3 {
        return Some((area, Some(0.0)));
    }
    let late: Vec<[f64; 2]> = curve.iter().filter(|p| p[0] >= 0.5 * t_end).map(|p| [p[0], p[1].ln()]).collect();
    let slope = line(&late).map(|(slope, _)| slope).filter(|slope| *slope < 0.0);
    Some((area, slope.map(|slope| -p_end / slope)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    /// Presence of one pair, frame by frame, seen from the first frame only.
    fn curves(presence: &str, tolerances: &[f64]) -> Vec<String> {
        let grid = LagGrid::new(20.0, 1000.0, 1.0).expect("valid");
        let mut survival = Survival::new(grid, tolerances).expect("valid");
        for (k, c) in presence.chars().enumerate() {
            let pairs: &[u64] = if c == '1' { &[7] } else { &[] };
            survival.sample(k as f64, pairs, pairs);
        }
        let sums = survival.total();
        (0..=tolerances.len())
            .map(|k| survival.curve(&sums, k).iter().map(|p| if p[1] > 0.5 { '1' } else { '0' }).collect())
            .collect()
    }

    #[test]
    fn absences_end_survival_when_they_last_as_long_as_the_tolerance() {
        let found = curves("1101001110001", &[0.0, 2.0, 3.0]);
        assert_eq!(found[0], "1100000000000", "continuous");
        assert_eq!(found[1], "1101000000000", "one absence is shorter than two intervals, two are not");
        assert_eq!(found[2], "1101001110000", "three are not shorter than three");
        assert_eq!(found[3], "1101001110001", "intermittent");
    }

    #[test]
    fn an_exponential_gives_its_time_constant_even_when_cut_off() {
        let curve = |n: usize| (0..n).map(|k| [k as f64 * 0.01, (-(k as f64) * 0.01 / 2.0).exp()]).collect::<Vec<_>>();
        let whole = |n: usize| integral(&curve(n)).map(|(area, tail)| area + tail.expect("falls")).expect("points");
        // Trapezoids are off by w²/(12 τ²).
        assert!((whole(150) - 2.0).abs() < 1e-5);
        assert!((whole(3000) - 2.0).abs() < 1e-5);
        assert_eq!(integral(&[[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), Some((2.0, None)));
    }

    /// Pairs that are exchanged at random, followed for `n` frames up to `max_lag`.
    fn exchanging(rate: f64, n: usize, max_lag: f64, seed: u64) -> Survival {
        let grid = LagGrid::new(max_lag, 1.0, 1.0).expect("valid");
        let mut survival = Survival::new(grid, &[0.0]).expect("valid");
        let mut draws = Draws::new(seed, Stream::Build, 0);
        let mut pairs: Vec<u64> = (0..30).collect();
        for k in 0..n {
            for (i, pair) in pairs.iter_mut().enumerate() {
                if draws.uniform() < rate {
                    *pair = ((k as u64 + 1) << 32) | i as u64;
                }
            }
            let mut present = pairs.clone();
            present.sort_unstable();
            survival.sample(k as f64, &present, &present);
        }
        survival
    }

    #[test]
    fn a_time_that_would_be_extrapolated_is_a_lower_bound() {
        // τ = 500 frames, followed for 20.
        let slow = exchanging(0.002, 400, 20.0, 3);
        let found = slow.time_constant(0).expect("lags");
        assert_eq!(found.estimate, None);
        assert!(found.seen > 18.0 && found.seen <= 20.0, "{}", found.seen);
        let mut result = AnalysisResult::default();
        found.report(("residence_time", "(a,b)"), "residence time", &mut result);
        assert_eq!(result.values[0].id, "residence_time_at_least(a,b)");
        assert!(result.notes[0].contains("not determined"), "{:?}", result.notes);
        // τ = 4.5 frames by trapezoids of (1 − 0.2)ᵗ.
        let quick = exchanging(0.2, 400, 20.0, 3).time_constant(0).expect("lags").estimate.expect("falls");
        assert!((quick.value - 4.5).abs() < 4.0 * quick.error.expect("twenty times max_lag"), "{quick:?}");
        assert!(
            exchanging(0.2, 60, 20.0, 3)
                .why_no_error("times")
                .is_some_and(|why| why.contains("at least 100.0 ps in all"))
        );
        assert_eq!(exchanging(0.2, 400, 20.0, 3).why_no_error("times"), None);
    }

    /// Blocks shorter than the longest lag once made these errors half of what they are.
    #[test]
    fn stated_errors_are_true_for_runs_of_some_lags() {
        for (n, max_lag) in [(131, 20.0), (163, 20.0), (400, 20.0)] {
            let (mut stated, mut values) = (0.0, Vec::new());
            for repeat in 0..60 {
                let found = exchanging(0.05, n, max_lag, repeat).time_constant(0).and_then(|t| t.estimate);
                let found = found.expect("P falls to a third");
                stated += found.error.expect("more than five lags").powi(2) / 60.0;
                values.push(found.value);
            }
            let mean = values.iter().sum::<f64>() / 60.0;
            let true_variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 59.0;
            let ratio = (stated / true_variance).sqrt();
            assert!((0.8..1.25).contains(&ratio), "{n} frames: stated over true error {ratio}");
        }
    }
}
