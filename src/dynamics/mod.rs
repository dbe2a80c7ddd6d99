//! Time evolution: the one step loop, thermostats, barostats, initial velocities and the minimiser.
//!
//! Owns the schedule (when to search neighbors, couple, write, sample) and every decision that needs the host. Knows
//! backends through `forces::Backend` only, files not at all: what happens at an event is the [`Observer`]'s business.

pub mod barostat;
pub mod csvr;
mod electrodes;
pub mod engine;
pub mod minimise;
pub mod neighbors;
pub mod nose_hoover;
pub mod piston;
mod pressure;
pub mod schedule;
pub mod velocities;

pub use electrodes::StoredCharges;
pub use engine::{Engine, LogRow, Moment, Observer, StageSummary};
pub use neighbors::{LaggedList, ListOrigin};

use crate::forces::ForceError;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum DynamicsError {
    #[error(transparent)]
    Force(#[from] ForceError),
    #[error("could not write results: {0}")]
    Output(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "stage `{stage}`: the total energy at step {step} is not finite ({term} = {value}); the start is too strained or the time step too long"
    )]
    EnergyNotFinite { stage: String, step: u64, term: &'static str, value: f64 },
    /// Electrodes do not have the charges that a checkpoint says they had.
    #[error("the checkpoint at step {step} cannot be continued: {detail}")]
    StoredCharges { step: u64, detail: String },
    /// A coupling of the barostat gave a cell that cannot be used, or a piston has gone where it cannot be.
    #[error("stage `{stage}`, step {step}: {detail}")]
    Cell { stage: String, step: u64, detail: String },
    /// As the observer wanted; the last checkpoint is of this step.
    #[error(
        "interrupted at step {step}, {time:.3} ps in all; a checkpoint was written: the same command with --resume continues from it"
    )]
    Interrupted { step: u64, time: f64 },
}
