//! Time origins and lag times, for everything that compares a frame with earlier ones.
//!
//! Origins are taken at a fixed interval and kept as long as the longest lag; every sampled frame is compared with all of them. Memory is thus
//! bounded by (longest lag / interval of origins) and does not grow with the run. Lags are whole multiples of the sampling
//! interval; frames that come more sparsely fill some of them.

use super::AnalysisError;
use super::codec::{Reader, Writer};
use std::collections::VecDeque;

/// Lags 0, w, 2w, … up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LagGrid {
    /// w, ps
    every: f64,
    n: usize,
    /// Interval of origins in units of w
    stride: i64,
}

impl LagGrid {
    /// * `max_lag`, `origin_every`, `every` – ps; the first two are rounded to multiples of the third
    pub fn new(max_lag: f64, origin_every: f64, every: f64) -> Result<Self, AnalysisError> {
        let n = (max_lag / every).round();
        let stride = (origin_every / every).round().max(1.0);
        if !(1.0..=1e6).contains(&n) {
            let remedy = "the longest lag must be 1 to 1000000 times the interval between samples";
            return Err(AnalysisError::InvalidSetting { what: "max_lag", value: max_lag, remedy });
        }
        if stride.is_nan() || n / stride > 2000.0 {
            let remedy = "more than 2000 origins would be kept at once: take them more sparsely";
            return Err(AnalysisError::InvalidSetting { what: "origin_every", value: origin_every, remedy });
        }
        Ok(LagGrid { every, n: n as usize + 1, stride: stride as i64 })
    }

    /// Number of lags, zero among them.
    pub fn len(&self) -> usize {
        self.n
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// ps
    pub fn time(&self, lag: usize) -> f64 {
        tidy(lag as f64 * self.every)
    }

    /// ps
    pub fn every(&self) -> f64 {
        self.every
    }

    /// ps
    pub fn origin_every(&self) -> f64 {
        tidy(self.stride as f64 * self.every)
    }

    /// Number of the frame at `time` (ps).
    pub fn index(&self, time: f64) -> i64 {
        (time / self.every).round() as i64
    }
}

/// What is remembered of the frames that are origins.
#[derive(Debug, Clone, PartialEq)]
pub struct Origins<T> {
    grid: LagGrid,
    items: VecDeque<(i64, T)>,
    newest: Option<i64>,
    /// The last frame.
    last: Option<i64>,
    /// Time between the frames, in units of w, and how many times were between two of them.
    spanned: i64,
    n_steps: i64,
}

impl<T> Origins<T> {
    pub fn new(grid: LagGrid) -> Self {
        Origins { grid, items: VecDeque::new(), newest: None, last: None, spanned: 0, n_steps: 0 }
    }

    /// A new run begins: nothing is compared with frames from before.
    pub fn restart(&mut self) {
        self.items.clear();
        (self.newest, self.last) = (None, None);
    }

    /// How many frames it takes to span `lag` (ps), as they came; 1 before there are two.
    pub fn frames_within(&self, lag: f64) -> u64 {
        let steps = lag / self.grid.every;
        let per_frame = self.spanned as f64 / self.n_steps.max(1) as f64;
        if per_frame > 0.0 { ((steps / per_frame - 1e-6).ceil()).max(1.0) as u64 } else { 1 }
    }

    /// Time between the first and the last frame of every run, ps.
    pub fn sampled(&self) -> f64 {
        self.spanned as f64 * self.grid.every
    }

    /// How far apart the frames were that came, for notes: `0.1 ps`, or where that is not `every` both.
    pub fn apart(&self) -> String {
        let (every, found) = (self.grid.every, self.sampled() / self.n_steps.max(1) as f64);
        if self.n_steps == 0 || (found - every).abs() < 0.01 * every {
            format!("{every} ps")
        } else {
            format!("{:.4} ps on average, where `every` is {every} ps", found)
        }
    }

    /// Takes note of the frame at `time` (ps) and forgets origins that lie further back than the longest lag.
    pub fn advance(&mut self, time: f64) {
        let now = self.grid.index(time);
        if let Some(last) = self.last.replace(now) {
            self.spanned += now - last;
            self.n_steps += 1;
        }
        while self.items.front().is_some_and(|(index, _)| now - index >= self.grid.n as i64) {
            self.items.pop_front();
        }
    }

    /// Is the frame at `time` (ps) an origin?
    pub fn is_due(&self, time: f64) -> bool {
        self.newest.is_none_or(|newest| self.grid.index(time) >= newest + self.grid.stride)
    }

    pub fn push(&mut self, time: f64, item: T) {
        let index = self.grid.index(time);
        self.newest = Some(index);
        self.items.push_back((index, item));
    }

    /// Lags of all origins at `time` (ps), the oldest first; call [`Origins::advance`] before.
    pub fn iter_mut(&mut self, time: f64) -> impl Iterator<Item = (usize, &mut T)> {
        let (now, n) = (self.grid.index(time), self.grid.n);
        self.items.iter_mut().filter_map(move |(index, item)| {
            let lag = usize::try_from(now - *index).ok().filter(|lag| *lag < n)?;
            Some((lag, item))
        })
    }

    pub fn save(&self, writer: &mut Writer, mut item: impl FnMut(&T, &mut Writer)) {
        writer.u64(u64::from(self.newest.is_some()));
        writer.u64(self.newest.unwrap_or(0).cast_unsigned());
        writer.u64(u64::from(self.last.is_some()));
        for number in [self.last.unwrap_or(0), self.spanned, self.n_steps] {
            writer.u64(number.cast_unsigned());
        }
        writer.u64(self.items.len() as u64);
        for (index, stored) in &self.items {
            writer.u64(index.cast_unsigned());
            item(stored, writer);
        }
    }

    pub fn restore(
        &mut self,
        reader: &mut Reader,
        mut item: impl FnMut(&mut Reader) -> Result<T, AnalysisError>,
    ) -> Result<(), AnalysisError> {
        let known = reader.u64()? != 0;
        let newest = reader.u64()?.cast_signed();
        self.newest = known.then_some(newest);
        let known = reader.u64()? != 0;
        let last = reader.u64()?.cast_signed();
        self.last = known.then_some(last);
        self.spanned = reader.u64()?.cast_signed();
        self.n_steps = reader.u64()?.cast_signed();
        let n = reader.u64()?;
        if n > self.grid.n as u64 {
            return Err(AnalysisError::Checkpoint("it holds more origins than there can be".to_string()));
        }
        self.items.clear();
        for _ in 0..n {
            let index = reader.u64()?.cast_signed();
            self.items.push_back((index, item(reader)?));
        }
        Ok(())
    }
}

/// Without what binary numbers add to decimal ones: 0.3 instead of 0.30000000000000004.
fn tidy(time: f64) -> f64 {
    (time * 1e9).round() / 1e9
}

/// Why there is no error bar: the sentence for the notes of an observable whose pairs of frames lie up to `lag` (ps) apart.
pub fn no_error(what: &str, lag: f64, sampled: f64) -> String {
    format!(
        "No error is given for {what}: it takes five blocks as long as the longest lag used, at least {:.1} ps in all, and {sampled:.1} ps were sampled.",
        5.0 * lag
    )
}

/// Slope and intercept of the least-squares line through `points` with equal weights; `None` for fewer than two different x.
pub fn line(points: &[[f64; 2]]) -> Option<(f64, f64)> {
    weighted_line(&points.iter().map(|p| [p[0], p[1], 1.0]).collect::<Vec<_>>())
}

/// As [`line`] through points `[x, y, weight]`.
pub fn weighted_line(points: &[[f64; 3]]) -> Option<(f64, f64)> {
    let (n, sx, sy) = points.iter().fold((0.0, 0.0, 0.0), |(n, x, y), p| (n + p[2], x + p[2] * p[0], y + p[2] * p[1]));
    let (mx, my) = (sx / n, sy / n);
    let (sxx, sxy) = points.iter().fold((0.0, 0.0), |(xx, xy), p| {
        let d = p[0] - mx;
        (xx + p[2] * d * d, xy + p[2] * d * (p[1] - my))
    });
    (sxx > 0.0).then(|| (sxy / sxx, my - sxy / sxx * mx))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spaced_and_forgotten() {
        let grid = LagGrid::new(1.0, 0.3, 0.1).expect("valid");
        assert_eq!(grid.len(), 11);
        let mut origins = Origins::new(grid);
        let mut seen = vec![0; grid.len()];
        for step in 0..100 {
            let time = f64::from(step) * 0.1;
            origins.advance(time);
            if origins.is_due(time) {
                origins.push(time, step);
            }
            for (lag, origin) in origins.iter_mut(time) {
                assert_eq!(step - *origin, lag as i32);
                seen[lag] += 1;
            }
        }
        // 34 origins at 0, 3, …, 99; lag k needs a frame k later.
        assert_eq!(seen[0], 34);
        assert_eq!(seen[10], (0..100).step_by(3).filter(|o| o + 10 < 100).count());
        assert_eq!((origins.frames_within(1.0), origins.frames_within(0.3)), (10, 3));
        assert_eq!((grid.time(3), grid.origin_every()), (0.3, 0.3), "and not 0.30000000000000004");
        assert_eq!(origins.apart(), "0.1 ps");
        let mut sparse: Origins<()> = Origins::new(grid);
        (0..5).for_each(|k| sparse.advance(f64::from(k)));
        assert_eq!(sparse.apart(), "1.0000 ps on average, where `every` is 0.1 ps");
        assert!((origins.sampled() - 9.9).abs() < 1e-9);
        // A second run: no lag reaches back into the first, and the time between them does not count.
        origins.restart();
        origins.advance(0.1);
        assert!(origins.is_due(0.1) && origins.iter_mut(0.1).next().is_none());
        assert!((origins.sampled() - 9.9).abs() < 1e-9);
        assert!(LagGrid::new(0.01, 1.0, 0.1).is_err());
        assert!(LagGrid::new(1000.0, 0.1, 0.1).is_err(), "10000 origins");
        assert!(LagGrid::new(f64::NAN, 1.0, 0.1).is_err());
    }

    #[test]
    fn a_line_is_found() {
        let (slope, intercept) = line(&[[1.0, 5.0], [2.0, 7.0], [4.0, 11.0]]).expect("three points");
        assert!((slope - 2.0).abs() < 1e-14 && (intercept - 3.0).abs() < 1e-14);
        assert!(line(&[[1.0, 2.0]]).is_none());
        // A point without weight has no say.
        let (slope, _) = weighted_line(&[[1.0, 5.0, 1.0], [2.0, 7.0, 1.0], [4.0, 99.0, 0.0]]).expect("two points");
        assert!((slope - 2.0).abs() < 1e-14);
    }
}
