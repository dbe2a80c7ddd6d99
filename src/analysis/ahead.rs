//! Frames read before their turn, on any thread: what observables find in single frames, added in order later.
//!
//! Of a trajectory many frames are known at once. An observable that looks at each of them by itself has a [`Gauge`], which holds no sums; its
//! [`Reading`] of a frame goes to [`super::AnalysisSet::sample_read`] when the frames before it have been added, so that threads change no number.

use super::AnalysisError;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use crate::system::Frame;
use std::any::Any;
use std::sync::Arc;

/// What a gauge found in one frame.
pub type Reading = Box<dyn Any + Send>;

/// The part of an observable that looks at one frame by itself.
pub trait Gauge: Send + Sync {
    fn read(&self, frame: &Snapshot) -> Result<Reading, AnalysisError>;
    /// The atoms that it looks at; `None` = all.
    fn atoms(&self) -> Option<Vec<u32>>;
}

/// What the gauges of a set of analyses found in one frame.
#[derive(Default)]
pub struct Readings(Vec<Option<Result<Reading, AnalysisError>>>);

impl Readings {
    /// Is there a reading of analysis `k`?
    pub(super) fn has(&self, k: usize) -> bool {
        self.0.get(k).is_some_and(Option::is_some)
    }

    /// The reading of analysis `k`, if it has been taken.
    pub(super) fn take(&mut self, k: usize) -> Option<Result<Reading, AnalysisError>> {
        self.0.get_mut(k)?.take()
    }
}

/// The gauges of a set of analyses.
#[derive(Clone)]
pub struct Ahead {
    /// By analysis.
    gauges: Vec<Option<Arc<dyn Gauge>>>,
}

impl Ahead {
    pub(super) fn new(gauges: Vec<Option<Arc<dyn Gauge>>>) -> Self {
        Ahead { gauges }
    }

    /// Has every analysis a gauge? Then nobody needs the positions of a frame that has been read.
    pub fn is_complete(&self) -> bool {
        self.gauges.iter().all(Option::is_some)
    }

    /// The atoms that are looked at, in any order; `None` = all.
    pub fn atoms(&self) -> Option<Vec<u32>> {
        let of_each = self.gauges.iter().map(|gauge| gauge.as_ref()?.atoms());
        Some(of_each.collect::<Option<Vec<Vec<u32>>>>()?.concat())
    }

    /// Reads a frame.
    ///
    /// * `wanted` – by analysis: does it want this frame?
    pub fn read(&self, frame: &Frame, wanted: &[bool]) -> Readings {
        let snapshot = Snapshot::new(*frame);
        let read = |(gauge, &wanted): (&Option<Arc<dyn Gauge>>, &bool)| {
            Some(gauge.as_ref().filter(|_| wanted)?.read(&snapshot))
        };
        Readings(self.gauges.iter().zip(wanted).map(read).collect())
    }
}

/// Says beforehand which analyses will want a frame.
///
/// What is wanted in vain costs time only, and what was not foreseen is read in its turn; so it need not know all that makes a new run.
pub struct Foresight {
    schedules: Vec<Schedule>,
    last_time: f64,
}

impl Foresight {
    pub(super) fn new(schedules: Vec<Schedule>) -> Self {
        Foresight { schedules, last_time: f64::NEG_INFINITY }
    }

    /// By analysis: will it want the next frame, which is at `time` (ps)?
    ///
    /// * `may_begin` – it may be the first of another run
    pub fn wanted(&mut self, time: f64, may_begin: bool) -> Vec<bool> {
        let begins = may_begin || time <= self.last_time;
        self.last_time = time;
        let wanted = |schedule: &mut Schedule| {
            if begins {
                schedule.restart();
            }
            let is_due = schedule.is_due(time);
            if is_due {
                schedule.mark(time);
            }
            is_due
        };
        self.schedules.iter_mut().map(wanted).collect()
    }
}
