//! Trajectories: written and read through chemfiles, in formats that other programs open; XTC is read by our own code, unpacked by any
//! thread and, where only some atoms are wanted, no further than they go.
//!
//! Knows names, coordinates, cell, step and time; knows nothing of schedules (the engine decides when to write) or of
//! what is measured. Analyses read any format chemfiles reads; a run writes one of [`Format`], all of which grow frame
//! by frame, so that a killed run loses at most the frame in the making and a resumed one continues the same file.

mod integrity;
mod reader;
mod writer;
mod xtc;

pub use reader::{PackedFrame, TrajectoryFrame, TrajectoryReader};
pub use writer::TrajectoryWriter;
pub use xtc::Wanted;

use super::output::OutputError;
use crate::cell::CellError;
use std::path::PathBuf;

/// AKMA unit of time in ps, √(u Å² / (kcal/mol)): what DCD headers count in.
const AKMA_PS: f64 = 0.048_888_212_908_396;

/// Formats a run can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GROMACS, compressed to 0.001 nm; step (modulo 2³¹) and time (f32).
    Xtc,
    /// GROMACS, f32.
    Trr,
    /// CHARMM/NAMD, f32; times follow from one interval in the header, so the frames of a file must be evenly spaced.
    Dcd,
    /// Text, 0.001 nm; time and step in the title.
    Gro,
    /// Text, 0.001 Å; time and step in a TITLE record. Residue names are cut to three letters.
    Pdb,
    /// Extended XYZ, six digits; element symbols instead of atom names; `Lattice`, `time` and `step` in the comment.
    Xyz,
}

impl Format {
    pub const ALL: [Format; 6] = [Format::Xtc, Format::Trr, Format::Dcd, Format::Gro, Format::Pdb, Format::Xyz];

    /// Name and file extension, as in the input file.
    pub fn name(self) -> &'static str {
        match self {
            Format::Xtc => "xtc",
            Format::Trr => "trr",
            Format::Dcd => "dcd",
            Format::Gro => "gro",
            Format::Pdb => "pdb",
            Format::Xyz => "xyz",
        }
    }

    /// The format of the given name or extension, with or without its dot.
    pub fn parse(name: &str) -> Result<Self, TrajectoryError> {
        let wanted = name.trim_start_matches('.').to_ascii_lowercase();
        let format = Format::ALL.into_iter().find(|f| f.name() == wanted);
        format.ok_or_else(|| TrajectoryError::UnknownFormat { name: name.into(), known: Format::ALL.map(Format::name) })
    }
}

/// Why a trajectory cannot be written or read. Frames count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    #[error("trajectories cannot be written as `{name}`; choose one of {}", .known.join(", "))]
    UnknownFormat { name: String, known: [&'static str; 6] },
    #[error("{}: {what}", .file.display())]
    Unreadable { file: PathBuf, what: String },
    #[error("{}, frame {frame}: the file is cut off or damaged here ({what})", .file.display())]
    Truncated { file: PathBuf, frame: usize, what: String },
    #[error("{}, frame {frame}: {found} atoms, but the system has {expected}", .file.display())]
    AtomCount { file: PathBuf, frame: usize, found: usize, expected: usize },
    #[error(
        "{}, frame 1: atom {atom} is called `{found}`, but the system has {expected} there; trajectory and input do not belong together, or the order of the atoms differs",
        .file.display()
    )]
    OtherAtom { file: PathBuf, atom: usize, found: String, expected: String },
    #[error("{}, frame {frame}: no periodic cell; the format does not hold one, or it was not written", .file.display())]
    NoCell { file: PathBuf, frame: usize },
    #[error("{}, frame {frame}: {source}", .file.display())]
    Cell { file: PathBuf, frame: usize, source: CellError },
    #[error("{}, frame {frame}: the position of atom {atom} is not finite", .file.display())]
    NotFinite { file: PathBuf, frame: usize, atom: usize },
    #[error("step {step} cannot be written to {}: {what}", .file.display())]
    Unwritable { file: PathBuf, step: u64, what: String },
    #[error("{} cannot be continued after {length} bytes: no frame ends there", .file.display())]
    NotAtFrame { file: PathBuf, length: u64 },
    #[error(transparent)]
    Output(#[from] OutputError),
}
