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
        lag as f64 * self.every
    }

    /// ps
    pub fn every(&self) -> f64 {
        self.every
    }

    /// ps
    pub fn origin_every(&self) -> f64 {
        self.stride as f64 * self.every
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
}

impl<T> Origins<T> {
    pub fn new(grid: LagGrid) -> Self {
        Origins { grid, items: VecDeque::new(), newest: None }
    }

    /// Forgets origins that lie further back than the longest lag.
    pub fn advance(&mut self, time: f64) {
        let now = self.grid.index(time);
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

/// Slope and intercept of the least-squares line through `points` with equal weights; `None` for fewer than two different x.
pub fn line(points: &[[f64; 2]]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (sx, sy) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p[0], y + p[1]));
    let (mx, my) = (sx / n, sy / n);
    let (sxx, sxy) = points.iter().fold((0.0, 0.0), |(xx, xy), p| {
        let d = p[0] - mx;
        (xx + d * d, xy + d * (p[1] - my))
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
        assert!(LagGrid::new(0.01, 1.0, 0.1).is_err());
        assert!(LagGrid::new(1000.0, 0.1, 0.1).is_err(), "10000 origins");
        assert!(LagGrid::new(f64::NAN, 1.0, 0.1).is_err());
    }

    #[test]
    fn a_line_is_found() {
        let (slope, intercept) = line(&[[1.0, 5.0], [2.0, 7.0], [4.0, 11.0]]).expect("three points");
        assert!((slope - 2.0).abs() < 1e-14 && (intercept - 3.0).abs() < 1e-14);
        assert!(line(&[[1.0, 2.0]]).is_none());
    }
}
