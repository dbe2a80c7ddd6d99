//! When things happen, in steps of the current stage.
//!
//! Boundaries depend on step numbers alone, so a resumed run cuts its chunks exactly where an unbroken one does.

/// Intervals of one stage, in steps. Zero means never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Steps in the stage.
    pub n_steps: u64,
    /// Neighbor-list lifetime; at least 1.
    pub neighbor: u64,
    /// Thermostat coupling.
    pub couple: u64,
    /// Pressure coupling: a multiple of `neighbor`, or 0.
    pub pressure: u64,
    /// Centre-of-mass removal.
    pub com: u64,
    pub log: u64,
    pub trajectory: u64,
    /// A multiple of `neighbor`, or 0.
    pub checkpoint: u64,
    /// Intervals at which analyses look.
    pub samples: Vec<u64>,
}

/// `n` steps rounded up to a multiple of `unit`; 0 stays 0.
pub fn round_up(n: u64, unit: u64) -> u64 {
    n.div_ceil(unit) * unit
}

/// Steps in `duration` (ps) at `dt` (ps), at least one for a positive duration.
pub fn steps_in(duration: f64, dt: f64) -> u64 {
    if duration <= 0.0 { 0 } else { (duration / dt).round().max(1.0) as u64 }
}

fn is_due(interval: u64, step: u64) -> bool {
    interval != 0 && step.is_multiple_of(interval)
}

impl Schedule {
    pub fn neighbor_due(&self, step: u64) -> bool {
        is_due(self.neighbor, step)
    }

    pub fn couple_due(&self, step: u64) -> bool {
        is_due(self.couple, step)
    }

    /// The start of a run is no coupling.
    pub fn pressure_due(&self, step: u64) -> bool {
        step > 0 && is_due(self.pressure, step)
    }

    pub fn com_due(&self, step: u64) -> bool {
        is_due(self.com, step)
    }

    pub fn log_due(&self, step: u64) -> bool {
        is_due(self.log, step)
    }

    pub fn trajectory_due(&self, step: u64) -> bool {
        is_due(self.trajectory, step)
    }

    /// Checkpoints also fall on the end of the stage.
    pub fn checkpoint_due(&self, step: u64) -> bool {
        step > 0 && (is_due(self.checkpoint, step) || step == self.n_steps)
    }

    pub fn sample_due(&self, step: u64) -> bool {
        self.samples.iter().any(|&interval| is_due(interval, step))
    }

    /// Is anything due at `step` that needs positions on the host?
    pub fn frame_due(&self, step: u64) -> bool {
        self.trajectory_due(step) || self.sample_due(step)
    }

    /// Last step of the batch that starts at `step`: the next step at which the host needs positions.
    pub fn batch_end(&self, step: u64) -> u64 {
        let intervals = [self.neighbor, self.trajectory, self.checkpoint];
        self.next_of(step, intervals.into_iter().chain(self.samples.iter().copied()))
    }

    /// Last step of the chunk that starts at `step`: the next boundary of any interval.
    pub fn chunk_end(&self, step: u64) -> u64 {
        let on_device = [self.couple, self.com, self.log];
        self.next_of(step, on_device.into_iter()).min(self.batch_end(step))
    }

    fn next_of(&self, step: u64, intervals: impl Iterator<Item = u64>) -> u64 {
        intervals
            .filter(|&interval| interval > 0)
            .map(|interval| (step / interval + 1) * interval)
            .min()
            .unwrap_or(self.n_steps)
            .min(self.n_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            n_steps: 130,
            neighbor: 20,
            couple: 40,
            pressure: 40,
            com: 100,
            log: 50,
            trajectory: 0,
            checkpoint: 60,
            samples: vec![25],
        }
    }

    #[test]
    fn chunks_stop_at_every_boundary() {
        let s = schedule();
        let mut ends = vec![];
        let mut step = 0;
        while step < s.n_steps {
            step = s.chunk_end(step);
            ends.push(step);
        }
        assert_eq!(ends, [20, 25, 40, 50, 60, 75, 80, 100, 120, 125, 130]);
    }

    #[test]
    fn batches_stop_where_the_host_needs_positions() {
        let s = schedule();
        let mut ends = vec![];
        let mut step = 0;
        while step < s.n_steps {
            step = s.batch_end(step);
            ends.push(step);
        }
        assert_eq!(ends, [20, 25, 40, 50, 60, 75, 80, 100, 120, 125, 130]);
        let s = Schedule { samples: vec![], ..schedule() };
        assert_eq!([0, 40, 100, 120].map(|step| s.batch_end(step)), [20, 60, 120, 130]);
    }

    #[test]
    fn checkpoints_include_the_end_but_not_the_start() {
        let s = schedule();
        let due: Vec<u64> = (0..=130).filter(|&n| s.checkpoint_due(n)).collect();
        assert_eq!(due, [60, 120, 130]);
    }

    #[test]
    fn durations_become_whole_steps() {
        assert_eq!(steps_in(20.0, 0.002), 10_000);
        assert_eq!(steps_in(0.0, 0.002), 0);
        assert_eq!(steps_in(1e-9, 0.002), 1);
        assert_eq!(round_up(41, 20), 60);
    }
}
