//! Progress of long work: one line that rewrites itself on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Seconds between two lines when not on a terminal, and between two redraws on one.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);
const BAR_WIDTH: usize = 24;

/// Reports on standard error, so that standard output stays clean for results.
pub struct Progress {
    title: String,
    terminal: bool,
    started: Instant,
    start_fraction: f64,
    /// Is the end of the work known, so that there is a share of it and a time left?
    has_end: bool,
    last: Option<Instant>,
}

impl Progress {
    /// * `start_fraction` – part of the work already done before (a resumed run)
    pub fn new(title: &str, start_fraction: f64) -> Self {
        Progress {
            title: title.to_string(),
            terminal: std::io::stderr().is_terminal(),
            started: Instant::now(),
            start_fraction,
            has_end: true,
            last: None,
        }
    }

    /// Of work that ends when it is done, in at most so many steps.
    pub fn without_end(title: &str) -> Self {
        Progress { has_end: false, ..Progress::new(title, 0.0) }
    }

    /// Shows `fraction` (0 … 1) of the work and `detail`, if it is time to.
    pub fn update(&mut self, fraction: f64, detail: &str) {
        self.update_with(|| (fraction, detail.to_string()));
    }

    /// As [`Progress::update`], where saying what has been done would take longer than doing it.
    pub fn update_with(&mut self, state: impl FnOnce() -> (f64, String)) {
        let interval = if self.terminal { REDRAW_INTERVAL } else { PLAIN_INTERVAL };
        let waited = self.last.unwrap_or(self.started).elapsed();
        if waited >= interval {
            let (fraction, detail) = state();
            self.draw(fraction, &detail);
            self.last = Some(Instant::now());
        }
    }

    /// Shows the final state and ends the line.
    pub fn finish(&mut self, detail: &str) {
        self.draw(1.0, detail);
        if self.terminal {
            warn!("");
        }
    }

    /// Leaves the line as it is.
    pub fn leave(&mut self) {
        if self.terminal && self.last.is_some() {
            warn!("");
        }
    }

    fn draw(&self, fraction: f64, detail: &str) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let done = fraction - self.start_fraction;
        let left = if done > 0.0 { elapsed * (1.0 - fraction) / done } else { f64::NAN };
        let left = if left.is_finite() { format!("{} left", clock(left)) } else { String::new() };
        let (share, left) = match self.has_end || fraction == 1.0 {
            true => (format!("{:3.0} %", 100.0 * fraction), left),
            false => ("     ".to_string(), String::new()),
        };
        let line = format!("{:<12} {share}  {detail}  {left}", self.title);
        if self.terminal {
            let full = ((fraction * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
            let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_WIDTH - full));
            // a terminal that cannot be written to only delays the bar
            let mut terminal = std::io::stderr();
            let _ = write!(terminal, "\r\x1b[2K{bar} {line}").and_then(|()| terminal.flush());
        } else {
            warn!("{}", line.trim_end());
        }
    }
}

/// Seconds as m:ss or h:mm:ss.
pub fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn clock_formats() {
        assert_eq!(super::clock(65.2), "1:05");
        assert_eq!(super::clock(3725.0), "1:02:05");
    }
}
