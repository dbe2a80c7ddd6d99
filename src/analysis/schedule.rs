//! When a frame is taken: the first one at or after every multiple of an interval.
//!
//! Times are counted from the start of the run, so an online run, a resumed run and an offline pass over its trajectory
//! pick the same frames. Times from trajectory files are often single precision; the tolerance allows for that.

use super::AnalysisError;
use super::codec::{Reader, Writer};

/// Sampling state of one analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// ps
    every: f64,
    /// Interval index of the last frame taken.
    last: Option<i64>,
    n_frames: u64,
}

impl Schedule {
    /// * `every` – ps, positive
    pub fn new(every: f64) -> Result<Self, AnalysisError> {
        if !(every > 0.0 && every.is_finite()) {
            let remedy = "the interval between samples must be a positive time";
            return Err(AnalysisError::InvalidSetting { what: "every", value: every, remedy });
        }
        Ok(Schedule { every, last: None, n_frames: 0 })
    }

    /// How many whole intervals fit into `time`, with room for rounding: a thousandth of an interval plus one unit in
    /// the last place of a single-precision time.
    fn index(&self, time: f64) -> i64 {
        let tolerance = (1e-3 + f64::from(f32::EPSILON) * time.abs() / self.every).min(0.25);
        (time / self.every + tolerance).floor() as i64
    }

    /// Is a frame at `time` (ps) wanted? The first frame always is.
    pub fn is_due(&self, time: f64) -> bool {
        self.last.is_none_or(|last| self.index(time) > last)
    }

    /// First multiple of the interval after `now`, ps.
    pub fn next_after(&self, now: f64) -> f64 {
        (self.index(now) + 1) as f64 * self.every
    }

    /// Records that a frame at `time` (ps) was taken.
    pub fn mark(&mut self, time: f64) {
        self.last = Some(self.index(time));
        self.n_frames += 1;
    }

    /// A new run begins: its first frame is taken.
    pub fn restart(&mut self) {
        self.last = None;
    }

    pub fn n_frames(&self) -> u64 {
        self.n_frames
    }

    pub fn save(&self, writer: &mut Writer) {
        writer.f64(self.every);
        writer.u64(u64::from(self.last.is_some()));
        writer.u64(self.last.unwrap_or(0).cast_unsigned());
        writer.u64(self.n_frames);
    }

    pub fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        let every = reader.f64()?;
        if every.to_bits() != self.every.to_bits() {
            let text = format!("it was sampled every {every} ps, the input says {} ps", self.every);
            return Err(AnalysisError::Checkpoint(text));
        }
        let known = reader.u64()? != 0;
        let last = reader.u64()?.cast_signed();
        self.last = known.then_some(last);
        self.n_frames = reader.u64()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_multiple_once_whatever_the_rounding() {
        let mut schedule = Schedule::new(0.1).expect("valid");
        let mut taken = 0;
        for step in 0..=500_000_u32 {
            let time = f64::from((f64::from(step) * 0.002) as f32);
            if schedule.is_due(time) {
                assert_eq!(step % 50, 0);
                schedule.mark(time);
                assert!(!schedule.is_due(time));
                taken += 1;
            }
        }
        assert_eq!(taken, 10_001);
    }

    #[test]
    fn next_time_is_a_later_multiple() {
        let schedule = Schedule::new(0.1).expect("valid");
        assert!((schedule.next_after(20.0) - 20.1).abs() < 1e-12);
        assert!((schedule.next_after(20.05) - 20.1).abs() < 1e-12);
        assert!((schedule.next_after(0.3) - 0.4).abs() < 1e-12); // 0.3 / 0.1 < 3 in binary
    }

    #[test]
    fn an_offline_pass_over_sparser_frames_takes_each_of_them() {
        let mut schedule = Schedule::new(0.5).expect("valid");
        for frame in 0..20 {
            let time = f64::from(frame) * 0.7;
            assert!(schedule.is_due(time));
            schedule.mark(time);
        }
        assert!(!schedule.is_due(0.7 * 19.0), "the same frame again");
    }

    #[test]
    fn refuses_intervals_that_never_end() {
        for every in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Schedule::new(every).is_err());
        }
    }
}
