//! Reading trajectories back: any format chemfiles reads, several files one after the other.

use super::integrity::{Tail, check_tail};
use super::xtc::{self, Wanted, XtcFrame};
use super::{AKMA_PS, TrajectoryError};
use crate::cell::Cell;
use crate::io::gro::{self, GroReader};
use crate::io::structure::{cell_vectors, property, report_chemfiles_warnings, to_nm};
use crate::math::first_not_finite;
use glam::DVec3;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One configuration of a trajectory.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryFrame {
    /// Step of the run where the format holds it, else the index of the frame in its file.
    pub step: u64,
    /// ps; `None` when the format does not hold it
    pub time: Option<f64>,
    pub cell: Cell,
    /// `[n_atoms]`, nm, as in the file
    pub positions: Vec<DVec3>,
}

/// A frame whose coordinates may still be packed as they stand in the file; any thread can unpack it.
#[derive(Debug)]
pub struct PackedFrame {
    pub step: u64,
    /// ps
    pub time: Option<f64>,
    pub cell: Cell,
    contents: Contents,
    /// Where it came from: the file, and the number of the frame in it from 1.
    path: Arc<Path>,
    number: usize,
}

#[derive(Debug)]
enum Contents {
    Positions(Vec<DVec3>),
    Xtc(XtcFrame),
}

impl PackedFrame {
    /// Is there anything to unpack?
    pub fn is_packed(&self) -> bool {
        matches!(self.contents, Contents::Xtc(_))
    }

    /// Positions, `[n_atoms]`, nm. They can be asked for again only of a packed frame.
    ///
    /// * `wanted` – of these atoms; `None` = all
    /// * `positions` – where they go; what is not wanted keeps what it held if the length is that of this frame, and is no number where it is new
    pub fn unpack(&mut self, wanted: Option<&Wanted>, positions: &mut Vec<DVec3>) -> Result<(), TrajectoryError> {
        let (file, frame) = (|| self.path.to_path_buf(), self.number);
        match &mut self.contents {
            Contents::Positions(own) => *positions = std::mem::take(own),
            Contents::Xtc(packed) => {
                let damaged = |what: &str| TrajectoryError::Truncated { file: file(), frame, what: what.to_string() };
                packed.unpack(wanted, positions).map_err(damaged)?;
                // Packed coordinates are whole numbers: they are finite as they are read.
                if positions.len() <= xtc::MAX_PLAIN
                    && let Some(i) = first_not_finite(positions)
                {
                    return Err(TrajectoryError::NotFinite { file: file(), frame, atom: i + 1 });
                }
            }
        }
        Ok(())
    }

    /// The memory of what was packed, for [`TrajectoryReader::reuse`].
    pub fn into_data(self) -> Option<Vec<u8>> {
        match self.contents {
            Contents::Positions(_) => None,
            Contents::Xtc(packed) => Some(packed.into_data()),
        }
    }
}

/// Iterates over the frames of one or more files. After an error there are no further frames, unless [`TrajectoryReader::next_file`] is called.
pub struct TrajectoryReader {
    /// Files that have not been opened, the next one last.
    waiting: Vec<PathBuf>,
    open: Option<OpenFile>,
    n_atoms: usize,
    default_cell: Option<Cell>,
    total_bytes: u64,
    /// Of the files that have been read.
    closed_bytes: u64,
    n_opened: usize,
    /// Name and element of every atom, for the files that hold names; empty = they are not compared.
    atoms: Vec<(String, String)>,
    /// Memory of frames that are done with.
    spare: Vec<Vec<u8>>,
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

struct OpenFile {
    path: Arc<Path>,
    source: Source,
    /// Frames read so far.
    n_read: usize,
    tail: Tail,
    /// Names of the atoms of the first frame, where the format holds them.
    names: Vec<String>,
}

enum Source {
    Chemfiles {
        trajectory: chemfiles::Trajectory,
        n_frames: usize,
    },
    Gro(GroReader<BufReader<File>>),
    Xtc {
        file: BufReader<File>,
        /// Bytes of the file before the next frame.
        bytes_used: u64,
    },
}

/// Read at once from an XTC file, bytes: what is longer goes straight to where it is wanted.
const BUFFER: usize = 1 << 14;

/// Step, time (ps), lattice vectors (nm) and contents of a frame.
struct RawFrame {
    step: u64,
    time: Option<f64>,
    vectors: Option<[DVec3; 3]>,
    contents: Contents,
}

impl TrajectoryReader {
    /// Opens the first file and checks that the others exist.
    ///
    /// * `n_atoms` – every frame must have as many
    /// * `default_cell` – for formats that hold none; without it such a frame is an error
    pub fn open(paths: &[PathBuf], n_atoms: usize, default_cell: Option<Cell>) -> Result<Self, TrajectoryError> {
        report_chemfiles_warnings();
        for path in paths {
            match std::fs::metadata(path) {
                Ok(metadata) if metadata.len() == 0 => return Err(unreadable(path, "the file is empty".into())),
                Ok(metadata) if metadata.is_dir() => return Err(unreadable(path, "this is a folder".into())),
                Ok(_) => {}
                Err(e) => return Err(unreadable(path, e.to_string())),
            }
        }
        let mut waiting: Vec<PathBuf> = paths.iter().rev().cloned().collect();
        let open = waiting.pop().map(OpenFile::open).transpose()?;
        let total_bytes = paths.iter().map(|p| size_of(p)).sum();
        Ok(TrajectoryReader {
            waiting,
            open,
            n_atoms,
            default_cell,
            total_bytes,
            closed_bytes: 0,
            n_opened: 1,
            atoms: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Names in the files must be those of these atoms, or begin with their elements.
    ///
    /// * `atoms` – `[n_atoms]`, name and element
    pub fn expect_atoms(&mut self, atoms: Vec<(String, String)>) {
        self.atoms = atoms;
    }

    /// Number of the file that the last frame, or the error behind it, came from, from 1.
    pub fn file_number(&self) -> usize {
        self.n_opened
    }

    /// The next frame; `None` after the last one of the last file.
    pub fn next_frame(&mut self) -> Result<Option<TrajectoryFrame>, TrajectoryError> {
        let Some(mut packed) = self.next_packed()? else { return Ok(None) };
        let mut positions = Vec::new();
        if let Err(error) = packed.unpack(None, &mut positions) {
            return self.stop(error);
        }
        let (step, time, cell) = (packed.step, packed.time, packed.cell);
        self.spare.extend(packed.into_data());
        Ok(Some(TrajectoryFrame { step, time, cell, positions }))
    }

    /// The next frame, to be unpacked by whoever has time; `None` after the last one of the last file.
    pub fn next_packed(&mut self) -> Result<Option<PackedFrame>, TrajectoryError> {
        while let Some(file) = &mut self.open {
            match file.next_packed(self.n_atoms, self.default_cell, &mut self.spare) {
                Ok(Some(frame)) => {
                    return match file.foreign_name(&self.atoms) {
                        Some(error) => self.stop(error),
                        None => Ok(Some(frame)),
                    };
                }
                Ok(None) => {
                    self.next_file()?;
                }
                Err(e) => return self.stop(e),
            }
        }
        Ok(None)
    }

    /// Leaves what remains of the open file and opens the next one, also after an error; is there one?
    pub fn next_file(&mut self) -> Result<bool, TrajectoryError> {
        self.close();
        let Some(path) = self.waiting.pop() else { return Ok(false) };
        self.n_opened += 1;
        match OpenFile::open(path.clone()) {
            Ok(file) => self.open = Some(file),
            Err(error) => {
                self.closed_bytes += size_of(&path);
                return Err(error);
            }
        }
        Ok(true)
    }

    fn close(&mut self) {
        self.closed_bytes += self.open.take().map_or(0, |file| size_of(&file.path));
    }

    /// Takes back the memory of a frame that is done with.
    pub fn reuse(&mut self, data: Vec<u8>) {
        self.spare.push(data);
    }

    /// About how many bytes have been read, and the bytes of all files. Of the open file the share of its frames counts (nothing where their number is
    /// not known beforehand).
    pub fn bytes_read(&self) -> (u64, u64) {
        let open = self.open.as_ref().map_or(0, |file| match &file.source {
            Source::Chemfiles { n_frames, .. } => {
                (size_of(&file.path) as f64 * file.n_read as f64 / (*n_frames).max(1) as f64) as u64
            }
            Source::Xtc { bytes_used, .. } => *bytes_used,
            Source::Gro(_) => 0,
        });
        (self.closed_bytes + open, self.total_bytes)
    }

    fn stop<T>(&mut self, error: TrajectoryError) -> Result<Option<T>, TrajectoryError> {
        self.close();
        Err(error)
    }
}

impl Iterator for TrajectoryReader {
    type Item = Result<TrajectoryFrame, TrajectoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

impl OpenFile {
    fn open(path: PathBuf) -> Result<Self, TrajectoryError> {
        let tail = check_tail(&path).map_err(|e| unreadable(&path, e.to_string()))?;
        if let Some((0, what)) = tail {
            return Err(TrajectoryError::Truncated { file: path, frame: 1, what: what.into() });
        }
        let file = || File::open(&path).map_err(|e| unreadable(&path, e.to_string()));
        let source = if has_extension(&path, "gro") {
            Source::Gro(GroReader::new(BufReader::new(file()?)))
        } else if has_extension(&path, "xtc") {
            Source::Xtc { file: BufReader::with_capacity(BUFFER, file()?), bytes_used: 0 }
        } else {
            let mut trajectory = chemfiles::Trajectory::open(&path, 'r').map_err(|e| unreadable(&path, e.message))?;
            let n_frames = trajectory.nsteps();
            Source::Chemfiles { trajectory, n_frames }
        };
        Ok(OpenFile { path: path.into(), source, n_read: 0, tail, names: Vec::new() })
    }

    /// * `spare` – memory to use again
    fn next_packed(
        &mut self,
        n_atoms: usize,
        default_cell: Option<Cell>,
        spare: &mut Vec<Vec<u8>>,
    ) -> Result<Option<PackedFrame>, TrajectoryError> {
        let (file, frame) = (self.path.to_path_buf(), self.n_read + 1);
        if let Some((n_complete, what)) = self.tail
            && self.n_read == n_complete
        {
            return Err(TrajectoryError::Truncated { file, frame, what: what.into() });
        }
        let Some(RawFrame { step, time, vectors, contents }) = self.read_raw(spare)? else { return Ok(None) };
        let found = match &contents {
            Contents::Positions(positions) => positions.len(),
            Contents::Xtc(packed) => packed.n_atoms,
        };
        if found != n_atoms {
            return Err(TrajectoryError::AtomCount { file, frame, found, expected: n_atoms });
        }
        if let Contents::Positions(positions) = &contents
            && let Some(i) = first_not_finite(positions)
        {
            return Err(TrajectoryError::NotFinite { file, frame, atom: i + 1 });
        }
        let cell = match vectors {
            Some([a, b, c]) => Cell::new(a, b, c).map_err(|source| TrajectoryError::Cell { file, frame, source })?,
            None => default_cell.ok_or(TrajectoryError::NoCell { file, frame })?,
        };
        self.n_read += 1;
        Ok(Some(PackedFrame { step, time, cell, contents, path: Arc::clone(&self.path), number: frame }))
    }

    /// The first atom of the first frame whose name is of something else.
    fn foreign_name(&mut self, atoms: &[(String, String)]) -> Option<TrajectoryError> {
        let names = std::mem::take(&mut self.names);
        let is_other = |(name, (own, element)): (&String, &(String, String))| !names_atom(name, own, element);
        let atom = names.iter().zip(atoms).position(is_other)?;
        let (own, element) = &atoms[atom];
        Some(TrajectoryError::OtherAtom {
            file: self.path.to_path_buf(),
            atom: atom + 1,
            found: names[atom].clone(),
            expected: format!("{own} ({element})"),
        })
    }

    fn read_raw(&mut self, spare: &mut Vec<Vec<u8>>) -> Result<Option<RawFrame>, TrajectoryError> {
        let (file, frame) = (&self.path, self.n_read + 1);
        let truncated = |what: String| TrajectoryError::Truncated { file: file.to_path_buf(), frame, what };
        match &mut self.source {
            Source::Gro(reader) => {
                let raw =
                    reader.next_frame().map_err(|fault| truncated(format!("line {}: {}", fault.line, fault.what)))?;
                // A single configuration written by hand may lack its last line end; a stream was cut there.
                if let Some(raw) = &raw
                    && self.n_read > 0
                    && !raw.is_closed
                {
                    return Err(truncated(format!("line {}: the line has no end", raw.box_line)));
                }
                if let (0, Some(raw)) = (self.n_read, &raw) {
                    self.names.clone_from(&raw.names);
                }
                Ok(raw.map(|raw| {
                    let (time, step) = gro::time_and_step(&raw.title);
                    let step = step.unwrap_or(self.n_read as u64);
                    RawFrame { step, time, vectors: raw.vectors, contents: Contents::Positions(raw.positions) }
                }))
            }
            Source::Xtc { file, bytes_used } => {
                let packed =
                    xtc::next_frame(file, spare.pop().unwrap_or_default()).map_err(|e| truncated(e.to_string()))?;
                Ok(packed.map(|packed| {
                    *bytes_used += packed.n_bytes();
                    // Stored as f32: its shortest decimal is what was meant (0.1, not 0.10000000149).
                    let time = packed.time.to_string().parse().ok();
                    RawFrame { step: packed.step, time, vectors: packed.vectors, contents: Contents::Xtc(packed) }
                }))
            }
            Source::Chemfiles { n_frames, .. } if self.n_read == *n_frames => Ok(None),
            Source::Chemfiles { trajectory, .. } => {
                let mut raw = chemfiles::Frame::new();
                trajectory.read(&mut raw).map_err(|e| truncated(e.message))?;
                if self.n_read == 0 {
                    self.names = (0..raw.size()).map(|i| raw.atom(i).name()).collect();
                }
                let (step, time) = step_and_time(file, &raw);
                let contents = Contents::Positions(to_nm(raw.positions()));
                Ok(Some(RawFrame { step, time, vectors: cell_vectors(&raw), contents }))
            }
        }
    }
}

/// Can `name` in a file be the atom `own` of `element`? Names differ between programs, elements do not: `OH2` may be `OW`. What is no name, a type number
/// for instance, and sites without an element say nothing.
fn names_atom(name: &str, own: &str, element: &str) -> bool {
    let letters = name.trim().trim_start_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    let is_name = letters.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_element = element.starts_with(|c: char| c.is_ascii_alphabetic());
    !is_name || !is_element || letters == own.to_ascii_lowercase() || letters.starts_with(&element.to_ascii_lowercase())
}

/// Step and time (ps) of a frame, wherever the format keeps them.
fn step_and_time(path: &Path, frame: &chemfiles::Frame) -> (u64, Option<f64>) {
    let number = |name: &str| match property(frame, name)? {
        chemfiles::Property::Double(value) => Some(value),
        chemfiles::Property::String(text) => text.parse().ok(),
        _ => None,
    };
    let step = frame.step() as u64;
    let time = number("time");
    if has_extension(path, "trr") {
        // Stored as f32: its shortest decimal is what was meant (0.1, not 0.10000000149).
        (step, time.and_then(|t| (t as f32).to_string().parse().ok()))
    } else if has_extension(path, "dcd") {
        (step, time.map(|t| t * AKMA_PS))
    } else if let Some(time) = time {
        (number("step").map_or(step, |s| s as u64), Some(time))
    } else if let Some(chemfiles::Property::String(title)) = property(frame, "name") {
        let (time, titled_step) = gro::time_and_step(&title);
        (titled_step.unwrap_or(step), time)
    } else {
        (step, None)
    }
}

pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

fn unreadable(path: &Path, what: String) -> TrajectoryError {
    TrajectoryError::Unreadable { file: path.to_path_buf(), what }
}

#[cfg(test)]
mod tests {
    use super::names_atom;

    #[test]
    fn names_of_other_programs_are_known_by_their_element() {
        for (name, own, element) in [
            ("OH2", "OW", "O"),
            ("1HW", "HW1", "H"),
            ("ZN", "Zn", "Zn"),
            ("Zn2+", "ZN", "Zn"),
            ("17", "ZN", "Zn"),
            ("MW", "MW", ""),
        ] {
            assert!(names_atom(name, own, element), "{name} for {own}");
        }
        for (name, own, element) in [("OW", "ZN", "Zn"), ("C1", "CL", "Cl"), ("HW1", "OW", "O")] {
            assert!(!names_atom(name, own, element), "{name} for {own}");
        }
    }
}
