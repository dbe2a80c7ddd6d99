//! Which frames of several trajectories belong to one run, and whether they are of the system of the input.

use crate::cell::Cell;
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

/// Follows the times of frames from file to file.
#[derive(Debug, Default)]
pub struct Joined {
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
        self.step = time.zip(self.time).filter(|_| !begins).map(|(now, last)| now - last).or(self.step);
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
        assert_eq!(timeless.spans(), None);
    }
}
