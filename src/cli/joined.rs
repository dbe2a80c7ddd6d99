//! Which frames of several trajectories belong to one run, and whether they are of the system of the input.

use crate::cell::Cell;
use crate::report::text::plain;
use crate::system::{State, Topology};
use glam::DVec3;

/// A step of time that is longer than this many steps before it, from one file to the next, is no continuation.
const LONGEST_STEP: f64 = 1.5;
/// Atoms that are compared to know a frame again, and how far they may be off: what XTC rounds away, nm.
pub const COMPARED: usize = 64;
const SAME: f64 = 2e-3;
/// A bond this many times longer or shorter than in the input is none.
const STRETCHED: f64 = 3.0;

/// What a frame is to the one before.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Continues,
    /// The last frame of the file before, once more.
    Repeats,
    /// The first frame of another run, and why that is thought.
    Begins(String),
}

/// Intervals between frames that are told apart, of which there may be many where a program chose its own times.
const MOST_INTERVALS: usize = 64;
/// Relative difference of two intervals that are the same: times in files are rounded.
const EQUAL: f64 = 1e-2;

/// Intervals between frames that are equal.
#[derive(Debug)]
struct Interval {
    /// The first of them, their sum, and the time behind which the first comes, ps
    first: f64,
    sum: f64,
    behind: f64,
    n: u64,
}

/// How often frames are how far apart.
#[derive(Debug, Default)]
struct Intervals {
    kinds: Vec<Interval>,
}

impl Intervals {
    fn add(&mut self, from: f64, to: f64) {
        // Two units in the last place of single precision.
        let (interval, rounding) = (to - from, 2.0 * f64::from(f32::EPSILON) * to.abs());
        let same = |kind: &&mut Interval| (kind.first - interval).abs() <= EQUAL * kind.first + rounding;
        if let Some(kind) = self.kinds.iter_mut().find(same) {
            kind.n += 1;
            kind.sum += interval;
        } else if self.kinds.len() < MOST_INTERVALS {
            self.kinds.push(Interval { first: interval, sum: interval, behind: from, n: 1 });
        }
    }

    /// A sentence if they are not all the same.
    fn told(&self) -> Option<String> {
        let usual = self.kinds.iter().max_by_key(|kind| kind.n).filter(|_| self.kinds.len() > 1)?;
        let side = |is_longer: bool| -> Option<String> {
            let others =
                || self.kinds.iter().filter(|k| k.first != usual.first && (k.first > usual.first) == is_longer);
            let first = others().min_by(|a, b| a.behind.total_cmp(&b.behind))?;
            let n: u64 = others().map(|k| k.n).sum();
            let (are, comparison) =
                (if n == 1 { "interval is" } else { "intervals are" }, if is_longer { "longer" } else { "shorter" });
            let missing = if is_longer { ": frames are missing, or were written less often" } else { "" };
            let [interval, behind] = [first.first, first.behind].map(plain);
            Some(format!("{n} {are} {comparison}, the first {interval} ps behind {behind} ps{missing}"))
        };
        let sides: Vec<String> = [true, false].into_iter().filter_map(side).collect();
        Some(format!(
            "the frames are not evenly spaced: most are {} ps apart, and {}. Averages weigh every frame alike, and what is followed in time is not seen in between",
            plain(usual.sum / usual.n as f64),
            sides.join("; ")
        ))
    }
}

/// Follows the times of frames from file to file.
#[derive(Debug, Default)]
pub struct Joined {
    intervals: Intervals,
    file: usize,
    time: Option<f64>,
    step: Option<f64>,
    /// The first atoms of the last frame, nm.
    positions: Vec<DVec3>,
    /// First and last time of every run, ps, as far as they are known.
    spans: Vec<[Option<f64>; 2]>,
    n_runs: usize,
}

impl Joined {
    /// Takes the next frame.
    ///
    /// * `file` – its number
    /// * `time` – ps, where the file holds it
    pub fn next(&mut self, file: usize, time: Option<f64>, positions: &[DVec3]) -> Next {
        let next = self.judge(file, time, positions);
        if next == Next::Repeats {
            self.file = file;
            return next;
        }
        let begins = self.n_runs == 0 || matches!(next, Next::Begins(_));
        let interval = time.zip(self.time).filter(|_| !begins);
        if let Some((now, last)) = interval {
            self.intervals.add(last, now);
        }
        self.step = interval.map(|(now, last)| now - last).or(self.step);
        if begins {
            self.n_runs += 1;
            self.spans.push([time, time]);
        } else if let Some(span) = self.spans.last_mut() {
            span[1] = time;
        }
        (self.file, self.time) = (file, time);
        self.positions.clear();
        self.positions.extend(positions.iter().take(COMPARED));
        next
    }

    fn judge(&self, file: usize, time: Option<f64>, positions: &[DVec3]) -> Next {
        if self.n_runs == 0 {
            return Next::Continues;
        }
        let is_new_file = file != self.file;
        let Some((now, last)) = time.zip(self.time) else {
            let why = || Next::Begins("the files hold no times".to_string());
            return if is_new_file { why() } else { Next::Continues };
        };
        let close = |(a, b): (&DVec3, &DVec3)| (*a - *b).abs().max_element() < SAME;
        let rounding = 1e-6 * last.abs().max(1.0);
        if is_new_file && (now - last).abs() <= rounding && self.positions.iter().zip(positions).all(close) {
            return Next::Repeats;
        }
        if now <= last + rounding {
            return Next::Begins(format!("the time goes from {last} to {now} ps"));
        }
        match self.step {
            Some(step) if is_new_file && now - last > LONGEST_STEP * step + rounding => {
                Next::Begins(format!("the time jumps from {last} to {now} ps, and frames are {step:.4} ps apart"))
            }
            _ => Next::Continues,
        }
    }

    /// A sentence if frames of one run are not equally far apart.
    pub fn uneven(&self) -> Option<String> {
        self.intervals.told()
    }

    pub fn n_runs(&self) -> usize {
        self.n_runs
    }

    /// `0 to 100 ps, 0 to 80 ps`; nothing where times are not known.
    pub fn spans(&self) -> Option<String> {
        let span = |[from, to]: &[Option<f64>; 2]| Some(format!("{} to {} ps", (*from)?, (*to)?));
        Some(self.spans.iter().map(span).collect::<Option<Vec<String>>>()?.join(", "))
    }
}

/// The first bond of a frame that is none: what is wrong with it. Bonds are compared with those of the input's own configuration.
pub fn broken_bond(topology: &Topology, state: &State, cell: &Cell, positions: &[DVec3]) -> Option<String> {
    for m in 0..topology.molecules.len() {
        let first = topology.atoms_of(m).start;
        for &(i, j) in &topology.species_of(m).bonds {
            let (i, j) = (first + i as usize, first + j as usize);
            let own = state.cell.minimum_image(state.positions[j] - state.positions[i]).length();
            let found = cell.minimum_image(positions[j] - positions[i]).length();
            // Sites without a place of their own yet have no bond to compare.
            if own > 0.01 && !(own / STRETCHED..=own * STRETCHED).contains(&found) {
                return Some(format!(
                    "atoms {} and {}, {} and {}, are {found:.3} nm apart, and their bond is {own:.3} nm long; trajectory and input do not belong \
                     together, or the order of the atoms differs",
                    i + 1,
                    j + 1,
                    topology.describe_atom(i),
                    topology.describe_atom(j)
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations_are_joined_and_other_runs_begin() {
        let at = |x: f64| vec![DVec3::splat(x); 3];
        let mut joined = Joined::default();
        for k in 0..5 {
            assert_eq!(joined.next(1, Some(f64::from(k)), &at(f64::from(k))), Next::Continues);
        }
        // The frame at the seam, written by both, then a true continuation.
        assert_eq!(joined.next(2, Some(4.0), &at(4.0)), Next::Repeats);
        assert_eq!(joined.next(2, Some(5.0), &at(5.0)), Next::Continues);
        assert_eq!(joined.next(3, Some(6.0), &at(6.0)), Next::Continues);
        // Another start from the same time, a jump, a replica, and times that fall within one file.
        let begins =
            |next: Next, what: &str| assert!(matches!(&next, Next::Begins(why) if why.contains(what)), "{next:?}");
        begins(joined.next(4, Some(6.0), &at(1.0)), "from 6 to 6 ps");
        assert_eq!(joined.next(4, Some(7.0), &at(1.0)), Next::Continues);
        begins(joined.next(5, Some(20.0), &at(1.0)), "jumps from 7 to 20 ps");
        begins(joined.next(6, Some(0.0), &at(0.0)), "from 20 to 0 ps");
        assert_eq!(joined.next(6, Some(1.0), &at(0.0)), Next::Continues);
        begins(joined.next(6, Some(0.5), &at(0.0)), "from 1 to 0.5 ps");
        assert_eq!(
            (joined.n_runs(), joined.spans().as_deref()),
            (5, Some("0 to 6 ps, 6 to 7 ps, 20 to 20 ps, 0 to 1 ps, 0.5 to 0.5 ps"))
        );
        let mut timeless = Joined::default();
        assert_eq!(timeless.next(1, None, &at(0.0)), Next::Continues);
        assert_eq!(timeless.next(1, None, &at(0.0)), Next::Continues);
        begins(timeless.next(2, None, &at(0.0)), "no times");
        assert_eq!((timeless.spans(), timeless.uneven()), (None, None));
    }

    #[test]
    fn missing_frames_are_noticed() {
        let told = |times: &[f64]| {
            let mut joined = Joined::default();
            for &time in times {
                // As in files: single precision.
                assert_eq!(joined.next(1, Some(f64::from(time as f32)), &[]), Next::Continues);
            }
            joined.uneven()
        };
        let even: Vec<f64> = (0..2000).map(|k| 10_000.0 + 0.1 * f64::from(k)).collect();
        assert_eq!(told(&even), None);
        let holes: Vec<f64> =
            even.iter().enumerate().filter(|(k, _)| ![1, 500, 501].contains(k)).map(|(_, t)| *t).collect();
        let text = told(&holes).expect("two holes");
        assert!(
            text.contains("most are 0.1 ps apart, and 2 intervals are longer, the first 0.2")
                && text.contains("behind 10000 ps: frames are missing"),
            "{text}"
        );
        let text = told(&[0.0, 1.0, 2.0, 2.5, 3.5, 4.5]).expect("a short step");
        assert!(
            text.contains("most are 1 ps apart, and 1 interval is shorter, the first 0.5 ps behind 2 ps")
                && !text.contains("missing"),
            "{text}"
        );
    }
}
