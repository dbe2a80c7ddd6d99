//! Sums over frames, kept in ten to nineteen blocks of equal length: the source of every error bar.
//!
//! Frames of a trajectory are correlated, so their scatter says little about the error of a mean; long blocks are
//! nearly independent (H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91, 461 (1989)). The block length doubles as the run
//! grows, which keeps memory constant and needs no knowledge of the run's length. Errors are jackknife estimates over the
//! complete blocks (B. Efron, C. Stein, Ann. Stat. 9, 586 (1981)): for a mean they equal the block average formula,
//! and they hold for peak positions too, which a single short block may not even show.

use super::AnalysisError;
use super::codec::{Reader, Writer};

/// Complete blocks are merged in pairs when there are this many.
const MAX_BLOCKS: usize = 20;
/// Fewer complete blocks than this give no error bar.
const MIN_BLOCKS: usize = 5;

/// A value and its standard error; `None` if there are too few blocks to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub error: Option<f64>,
}

/// Sums of `n` numbers per frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    n: usize,
    frames_per_block: u64,
    /// Complete blocks, `[n_blocks][n]`
    complete: Vec<Vec<f64>>,
    /// The block being filled, `[n]`
    current: Vec<f64>,
    frames_in_current: u64,
}

impl Blocks {
    /// * `n` – how many numbers a frame adds
    pub fn new(n: usize) -> Self {
        Blocks { n, frames_per_block: 1, complete: Vec::new(), current: vec![0.0; n], frames_in_current: 0 }
    }

    /// Adds one frame: `add` increments the entries of the running block, `[n]`.
    pub fn add_frame(&mut self, add: impl FnOnce(&mut [f64])) {
        add(&mut self.current);
        self.frames_in_current += 1;
        if self.frames_in_current < self.frames_per_block {
            return;
        }
        let full = std::mem::replace(&mut self.current, vec![0.0; self.n]);
        self.complete.push(full);
        self.frames_in_current = 0;
        if self.complete.len() == MAX_BLOCKS {
            let blocks = std::mem::take(&mut self.complete);
            for pair in blocks.chunks_exact(2) {
                self.complete.push(pair[0].iter().zip(&pair[1]).map(|(a, b)| a + b).collect());
            }
            self.frames_per_block *= 2;
        }
    }

    pub fn n_frames(&self) -> u64 {
        self.complete.len() as u64 * self.frames_per_block + self.frames_in_current
    }

    /// Sums over all frames, `[n]`.
    pub fn total(&self) -> Vec<f64> {
        self.total_without(None)
    }

    fn total_without(&self, skip: Option<usize>) -> Vec<f64> {
        let mut total = self.current.clone();
        for (_, block) in self.complete.iter().enumerate().filter(|&(k, _)| Some(k) != skip) {
            total.iter_mut().zip(block).for_each(|(t, b)| *t += b);
        }
        total
    }

    /// A function of the sums with its jackknife error.
    ///
    /// * `value_of(sums, n_frames)` – must be a ratio of sums or the like: it is evaluated with blocks left out
    ///
    /// `None` if there are no frames or the function has no value for all of them.
    pub fn estimate(&self, value_of: impl Fn(&[f64], f64) -> Option<f64>) -> Option<Estimate> {
        let n_frames = self.n_frames();
        if n_frames == 0 {
            return None;
        }
        let total = self.total();
        let value = value_of(&total, n_frames as f64)?;
        let n_blocks = self.complete.len();
        if n_blocks < MIN_BLOCKS {
            return Some(Estimate { value, error: None });
        }
        let frames_left = (n_frames - self.frames_per_block) as f64;
        // Summed afresh rather than subtracted: bins that are empty without the block must be exactly zero.
        let without: Option<Vec<f64>> =
            (0..n_blocks).map(|skip| value_of(&self.total_without(Some(skip)), frames_left)).collect();
        let error = without.map(|values| {
            let n = n_blocks as f64;
            // Relative to the value, so that a constant has the error zero and not one of rounding.
            let deviations =
                values.iter().map(|v| v - value).map(|d| if d.abs() < 1e-12 * value.abs() { 0.0 } else { d });
            let (sum, sum_sq) = deviations.fold((0.0, 0.0), |(s, q), d| (s + d, q + d * d));
            ((n - 1.0) / n * (sum_sq - sum * sum / n).max(0.0)).sqrt()
        });
        Some(Estimate { value, error })
    }

    pub fn save(&self, writer: &mut Writer) {
        writer.u64(self.frames_per_block);
        writer.u64(self.frames_in_current);
        writer.array(&self.current);
        writer.u64(self.complete.len() as u64);
        for block in &self.complete {
            writer.array(block);
        }
    }

    pub fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.frames_per_block = reader.u64()?;
        self.frames_in_current = reader.u64()?;
        self.current = reader.array(self.n)?;
        let n_blocks = reader.u64()?;
        if n_blocks >= MAX_BLOCKS as u64 || self.frames_in_current >= self.frames_per_block {
            return Err(AnalysisError::Checkpoint("the counts of its blocks contradict each other".to_string()));
        }
        self.complete = (0..n_blocks).map(|_| reader.array(self.n)).collect::<Result<_, _>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn the_error_of_a_mean_matches_theory_for_independent_frames() {
        let mut blocks = Blocks::new(1);
        let n = 4_000;
        let mut draws = Draws::new(17, Stream::Build, 0);
        for _ in 0..n {
            let noise = draws.normal();
            blocks.add_frame(|slot| slot[0] += noise);
        }
        assert_eq!(blocks.n_frames(), n);
        let mean = blocks.estimate(|sums, frames| Some(sums[0] / frames)).expect("has frames");
        let expected = 1.0 / (n as f64).sqrt();
        let error = mean.error.expect("enough blocks");
        // With 10 to 19 blocks the error itself is known to about 1/sqrt(2 * 9) = 24 %.
        assert!((0.4..1.8).contains(&(error / expected)), "{error} against {expected}");
        assert!(mean.value.abs() < 4.0 * expected);
    }

    #[test]
    fn few_frames_have_a_value_but_no_error() {
        let mut blocks = Blocks::new(1);
        assert!(blocks.estimate(|sums, _| Some(sums[0])).is_none());
        for _ in 0..4 {
            blocks.add_frame(|slot| slot[0] += 2.0);
        }
        let estimate = blocks.estimate(|sums, frames| Some(sums[0] / frames));
        assert_eq!(estimate, Some(Estimate { value: 2.0, error: None }));
    }
}
