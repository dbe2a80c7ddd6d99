//! Sums over frames, kept in ten to nineteen blocks of equal length: the source of every error bar.
//!
//! Frames of a trajectory are correlated, so their scatter says little about the error of a mean; long blocks are
//! nearly independent (H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91, 461 (1989)). The block length doubles as the run
//! grows, which keeps memory constant and needs no knowledge of the run's length. Errors are jackknife estimates over the
//! complete blocks (B. Efron, C. Stein, Ann. Stat. 9, 586 (1981)): for a mean they equal the block average formula,
//! and they hold for peak positions too, which a single short block may not even show.

use super::AnalysisError;
use super::codec::{Reader, Writer};
use super::equilibration::inefficiency;

/// Complete blocks are merged in pairs when there are this many.
const MAX_BLOCKS: usize = 20;
/// Fewer complete blocks than this give no error bar.
const MIN_BLOCKS: usize = 5;
/// Fewer blocks than this cannot tell whether they are independent: of five random numbers every sixth set looks like less than four.
const MIN_JUDGED: usize = MAX_BLOCKS / 2;
/// Into how many blocks a series that is there as a whole is cut.
pub const OF_SERIES: usize = 10;

/// How values whose windows of length τ overlap are correlated: ρ(s) for windows shifted by s.
///
/// Blocks of length B see of the variance of a sum over time B ∫ρ − ∫|s|ρ(s) ds instead of B ∫ρ: a share κ τ/B is hidden, κ = ∫s ρ/(τ ∫ρ).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Squared displacements of a Gaussian walk: ρ = (1 − s/τ)², κ = 1/4.
    Displacement,
    /// Events counted in the window: ρ = 1 − s/τ, κ = 1/3.
    Events,
}

impl Overlap {
    /// κ
    fn share(self) -> f64 {
        match self {
            Overlap::Displacement => 0.25,
            Overlap::Events => 1.0 / 3.0,
        }
    }
}

/// The blocks behind a standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockCount {
    pub n: usize,
    /// How many independent ones they are worth: n by the statistical inefficiency of their values in the order of time. A value that
    /// drifts or changes slowly has few, and an error that is too small.
    pub independent: f64,
}

impl BlockCount {
    /// * `deviations` – of a value with one block left out after the other, in the order of time
    ///
    /// `None` for fewer than ten blocks. Of ten independent blocks about one set in a hundred looks like less than four, of more blocks fewer.
    fn of(deviations: &[f64]) -> Option<Self> {
        let n = deviations.len();
        (n >= MIN_JUDGED).then(|| BlockCount { n, independent: n as f64 / inefficiency(deviations).unwrap_or(1.0) })
    }
}

/// A value and its standard error; `None` if there are too few blocks to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub error: Option<f64>,
    pub blocks: Option<BlockCount>,
}

impl Estimate {
    /// A value whose error is known otherwise, or not at all.
    pub fn with_error(value: f64, error: Option<f64>) -> Self {
        Estimate { value, error, blocks: None }
    }

    /// A function of a series of at least one value with its jackknife error over ten blocks; no error for fewer than ten values.
    pub fn of_series<T: Copy>(values: &[T], of: impl Fn(&[T]) -> f64) -> Self {
        let value = of(values);
        let size = values.len() / OF_SERIES;
        if size == 0 {
            return Estimate::with_error(value, None);
        }
        let without = |k: usize| {
            let (before, rest) = values.split_at(k * size);
            of(&[before, &rest[size..]].concat())
        };
        let left: Vec<f64> = (0..OF_SERIES).map(without).collect();
        let n = OF_SERIES as f64;
        let mean = left.iter().sum::<f64>() / n;
        let deviations: Vec<f64> = left.iter().map(|v| from(mean, *v)).collect();
        let error = ((n - 1.0) / n * deviations.iter().map(|d| d * d).sum::<f64>()).sqrt();
        Estimate { value, error: Some(error), blocks: BlockCount::of(&deviations) }
    }
}

/// How far a value is from another, without rounding: a constant has the error zero and not one of its last digit.
fn from(origin: f64, value: f64) -> f64 {
    let d = value - origin;
    if d.abs() < 1e-12 * origin.abs() { 0.0 } else { d }
}

/// All sums, and those without each of the blocks: made once for all functions of them whose errors are asked for.
pub struct Jackknife {
    /// `[n]`
    total: Vec<f64>,
    n_frames: u64,
    /// `[n_blocks][n]`; empty where blocks are too few for an error.
    without: Vec<Vec<f64>>,
    /// Frames that are left out together.
    length: u64,
    /// Share of the variance that the blocks do not show.
    hidden: f64,
}

impl Jackknife {
    /// Sums over all frames, `[n]`.
    pub fn total(&self) -> &[f64] {
        &self.total
    }

    /// A function of the sums with its jackknife error.
    ///
    /// * `value_of(sums, n_frames)` – must be a ratio of sums or the like: it is evaluated with blocks left out
    ///
    /// `None` if there are no frames or the function has no value for all of them.
    pub fn estimate(&self, value_of: impl Fn(&[f64], f64) -> Option<f64>) -> Option<Estimate> {
        if self.n_frames == 0 {
            return None;
        }
        let value = value_of(&self.total, self.n_frames as f64)?;
        if self.without.is_empty() {
            return Some(Estimate::with_error(value, None));
        }
        let frames_left = (self.n_frames - self.length) as f64;
        let without: Option<Vec<f64>> = self.without.iter().map(|sums| value_of(sums, frames_left)).collect();
        let deviations: Option<Vec<f64>> = without.map(|values| values.iter().map(|v| from(value, *v)).collect());
        let error = deviations.as_ref().map(|deviations| {
            let n = deviations.len() as f64;
            let (sum, sum_sq) = deviations.iter().fold((0.0, 0.0), |(s, q), d| (s + d, q + d * d));
            // Each deviation is that of a block from the mean, over N − 1 where N blocks fit into all frames; the last of them may be incomplete.
            let fit = self.n_frames as f64 / self.length as f64;
            let scatter = (sum_sq - sum * sum / n).max(0.0) / (n - 1.0);
            ((fit - 1.0).powi(2) / fit * scatter / (1.0 - self.hidden)).sqrt()
        });
        Some(Estimate { value, error, blocks: deviations.as_deref().and_then(BlockCount::of) })
    }
}

fn add(sums: &mut [f64], block: &[f64]) {
    sums.iter_mut().zip(block).for_each(|(sum, b)| *sum += b);
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
        let mut total = self.current.clone();
        self.complete.iter().for_each(|block| add(&mut total, block));
        total
    }

    /// A function of the sums with its jackknife error; for several of them see [`Blocks::jackknife`].
    ///
    /// * `value_of(sums, n_frames)` – must be a ratio of sums or the like: it is evaluated with blocks left out
    ///
    /// `None` if there are no frames or the function has no value for all of them.
    pub fn estimate(&self, value_of: impl Fn(&[f64], f64) -> Option<f64>) -> Option<Estimate> {
        self.jackknife().estimate(value_of)
    }

    /// What estimates of many functions have in common.
    pub fn jackknife(&self) -> Jackknife {
        self.jackknife_joined(1, 0.0)
    }

    /// As [`Blocks::jackknife`], for sums over pairs of frames up to `reach` frames apart that were added with the later of the two.
    ///
    /// Pairs that straddle a seam make neighboring blocks alike, and a jackknife over short blocks mistakes that for certainty. Blocks are
    /// therefore joined until none is shorter than `reach`. What the seams of blocks of B frames still hide of the variance is a share
    /// κ reach/B, which the error is corrected for; see [`Overlap`]. Fewer than five such blocks give no error.
    pub fn jackknife_of_pairs(&self, reach: u64, overlap: Overlap) -> Jackknife {
        let join = self.blocks_joined(reach);
        let hidden = overlap.share() * reach as f64 / (join as u64 * self.frames_per_block) as f64;
        self.jackknife_joined(join, hidden)
    }

    /// As [`Blocks::estimate`], for sums over pairs of frames; see [`Blocks::jackknife_of_pairs`].
    pub fn estimate_of_pairs(
        &self,
        reach: u64,
        overlap: Overlap,
        value_of: impl Fn(&[f64], f64) -> Option<f64>,
    ) -> Option<Estimate> {
        self.jackknife_of_pairs(reach, overlap).estimate(value_of)
    }

    /// Are there enough blocks of at least `reach` frames for an error bar?
    pub fn has_error_of_pairs(&self, reach: u64) -> bool {
        self.complete.len() / self.blocks_joined(reach) >= MIN_BLOCKS
    }

    /// How many blocks have to be joined to hold `reach` frames.
    fn blocks_joined(&self, reach: u64) -> usize {
        reach.div_ceil(self.frames_per_block).max(1) as usize
    }

    /// * `join` – blocks that are left out together
    /// * `hidden` – share of the variance that the blocks do not show
    fn jackknife_joined(&self, join: usize, hidden: f64) -> Jackknife {
        let n_blocks = self.complete.len() / join;
        let n_used = if n_blocks < MIN_BLOCKS { 0 } else { n_blocks };
        // Sums of what stands before and of what stands behind the blocks that are left out. Nothing is subtracted: bins that are empty without a block
        // must be exactly zero.
        let (mut without, mut before) = (Vec::with_capacity(n_used), self.current.clone());
        for joined in self.complete.chunks_exact(join).take(n_used) {
            without.push(before.clone());
            joined.iter().for_each(|block| add(&mut before, block));
        }
        let mut behind = vec![0.0; self.n];
        self.complete[n_used * join..].iter().for_each(|block| add(&mut behind, block));
        for (sums, joined) in without.iter_mut().zip(self.complete.chunks_exact(join)).rev() {
            add(sums, &behind);
            joined.iter().for_each(|block| add(&mut behind, block));
        }
        Jackknife {
            total: self.total(),
            n_frames: self.n_frames(),
            without,
            length: join as u64 * self.frames_per_block,
            hidden,
        }
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

    /// Stated and true error over many repeats, also where the last block is nearly full and not counted.
    #[test]
    fn the_error_of_a_mean_does_not_depend_on_where_the_run_ends() {
        for n in [100_u64, 119, 159] {
            let (mut stated, mut means) = (0.0, Vec::new());
            for repeat in 0..400 {
                let (mut blocks, mut draws) = (Blocks::new(1), Draws::new(repeat, Stream::Build, 1));
                (0..n).for_each(|_| blocks.add_frame(|slot| slot[0] += draws.normal()));
                let mean = blocks.estimate(|sums, frames| Some(sums[0] / frames)).expect("has frames");
                stated += mean.error.expect("enough blocks").powi(2) / 400.0;
                means.push(mean.value);
            }
            let true_variance = means.iter().map(|m| m * m).sum::<f64>() / 400.0;
            // Both variances are known to about 7 %.
            assert!((0.8..1.25).contains(&(stated / true_variance)), "{n}: {stated} against {true_variance}");
        }
    }

    /// The sums without a block are those of all other blocks added afresh, and bins that only it filled are exactly empty.
    #[test]
    fn blocks_are_left_out_whole() {
        let (mut blocks, mut draws) = (Blocks::new(3), Draws::new(3, Stream::Build, 0));
        // 15 blocks of two frames and one frame more; the last number is that of one frame in the third pair of blocks.
        for k in 0..31 {
            let noise = draws.uniform();
            blocks.add_frame(|slot| {
                slot[0] += noise;
                slot[1] += 1.0;
                slot[2] += if k == 9 { 0.1 } else { 0.0 };
            });
        }
        assert_eq!((blocks.complete.len(), blocks.frames_per_block), (15, 2));
        for join in [1, 2, 3] {
            let jackknife = blocks.jackknife_joined(join, 0.0);
            assert_eq!(jackknife.without.len(), 15 / join);
            for (k, sums) in jackknife.without.iter().enumerate() {
                let mut fresh = blocks.current.clone();
                let left = |b: &usize| !(k * join..(k + 1) * join).contains(b);
                (0..15).filter(left).for_each(|b| add(&mut fresh, &blocks.complete[b]));
                assert!((sums[0] - fresh[0]).abs() < 1e-13, "{join}, {k}");
                assert_eq!(sums[1..], fresh[1..]);
                assert_eq!(sums[2] == 0.0, (k * join..(k + 1) * join).contains(&4), "{join}, {k}");
            }
        }
        assert!(blocks.jackknife_joined(4, 0.0).without.is_empty(), "three blocks");
    }

    /// Blocks of independent frames are independent; those of a trend, of a slow change and of a constant are what they are.
    #[test]
    fn blocks_know_how_many_independent_ones_they_are_worth() {
        let worth = |at: &dyn Fn(f64, f64) -> f64| {
            let (mut blocks, mut draws) = (Blocks::new(1), Draws::new(5, Stream::Build, 0));
            (0..1500).for_each(|k| blocks.add_frame(|slot| slot[0] += at(f64::from(k) / 1500.0, draws.normal())));
            let count = blocks.estimate(|sums, frames| Some(sums[0] / frames)).and_then(|e| e.blocks);
            count.expect("more than ten blocks").independent
        };
        assert!(worth(&|_, noise| noise) > 6.0);
        assert!(worth(&|t, noise| noise + 3.0 * t) < 4.0, "a trend");
        assert!(worth(&|t, noise| noise + if t < 0.4 { 2.0 } else { 0.0 }) < 4.0, "two states");
        assert_eq!(worth(&|_, _| 6.0), 11.0, "a constant");
        let few = Estimate::of_series(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0], |v| v[0]);
        assert_eq!((few.error, few.blocks), (None, None));
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let of_rising = Estimate::of_series(&rising, mean);
        // Means of ten blocks, 10 apart: their squares about the mean sum up to 8250, over 10 · 9.
        assert!((of_rising.error.expect("blocks") - (8250.0_f64 / 90.0).sqrt()).abs() < 1e-9);
        assert!(of_rising.blocks.expect("ten").independent < 4.0);
    }

    #[test]
    fn few_frames_have_a_value_but_no_error() {
        let mut blocks = Blocks::new(1);
        assert!(blocks.estimate(|sums, _| Some(sums[0])).is_none());
        for _ in 0..4 {
            blocks.add_frame(|slot| slot[0] += 2.0);
        }
        let estimate = blocks.estimate(|sums, frames| Some(sums[0] / frames));
        assert_eq!(estimate, Some(Estimate::with_error(2.0, None)));
    }
}
