//! Reading trajectories back: any format chemfiles reads, several files one after the other.

use super::integrity::{Tail, check_tail};
use super::xtc::{self, XtcFrame};
use super::{AKMA_PS, TrajectoryError};
use crate::cell::Cell;
use crate::io::gro::{self, GroReader};
use crate::io::structure::{cell_vectors, property, report_chemfiles_warnings, to_nm};
use crate::math::first_not_finite;
use glam::DVec3;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

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

/// Iterates over the frames of one or more files. After an error there are no further frames.
pub struct TrajectoryReader {
    /// Files that have not been opened, the next one last.
    waiting: Vec<PathBuf>,
    open: Option<OpenFile>,
    n_atoms: usize,
    default_cell: Option<Cell>,
    total_bytes: u64,
    n_opened: usize,
    /// Name and element of every atom, for the files that hold names; empty = they are not compared.
    atoms: Vec<(String, String)>,
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

struct OpenFile {
    path: PathBuf,
    source: Source,
    /// Frames read so far.
    n_read: usize,
    tail: Tail,
    /// Names of the atoms of the first frame, where the format holds them.
    names: Vec<String>,
}

enum Source {
    Chemfiles { trajectory: chemfiles::Trajectory, n_frames: usize },
    Gro(GroReader<BufReader<File>>),
    Xtc(XtcSource),
}

/// An XTC file, unpacked some frames ahead by all threads.
struct XtcSource {
    file: BufReader<File>,
    /// In order; what could not be read is the last.
    ready: VecDeque<Result<RawFrame, String>>,
    /// Bytes of the file before the frames in `ready`.
    bytes_used: u64,
    /// Memory of frames that are done with.
    spare: Vec<Vec<DVec3>>,
}

/// Atoms that are unpacked together: enough to keep all threads busy, few enough for memory.
const ATOMS_AHEAD: usize = 400_000;

/// How many frames of `n_atoms` atoms are unpacked together.
pub fn frames_ahead(n_atoms: usize) -> usize {
    (ATOMS_AHEAD / n_atoms.max(1)).clamp(2, 256)
}

/// Read ahead from an XTC file, bytes.
const BUFFER: usize = 1 << 20;

/// Step, time (ps), lattice vectors (nm) and positions (nm) of a frame.
struct RawFrame {
    step: u64,
    time: Option<f64>,
    vectors: Option<[DVec3; 3]>,
    positions: Vec<DVec3>,
    /// How much of the file it took, bytes; zero where that is not known.
    bytes: u64,
}

impl XtcSource {
    fn next(&mut self, n_atoms: usize) -> Result<Option<RawFrame>, String> {
        if self.ready.is_empty() {
            self.unpack_some(n_atoms);
        }
        let Some(frame) = self.ready.pop_front().transpose()? else { return Ok(None) };
        self.bytes_used += frame.bytes;
        Ok(Some(frame))
    }

    fn unpack_some(&mut self, n_atoms: usize) {
        let mut packed: Vec<XtcFrame> = Vec::new();
        let mut fault = None;
        while packed.len() < frames_ahead(n_atoms) {
            match xtc::next_frame(&mut self.file) {
                Ok(Some(frame)) => packed.push(frame),
                Ok(None) => break,
                Err(e) => {
                    fault = Some(e.to_string());
                    break;
                }
            }
            // A frame of another system is reported by its number of atoms; there is no use in going on.
            if packed.last().is_some_and(|f| f.n_atoms != n_atoms) {
                break;
            }
        }
        let spare: Vec<Vec<DVec3>> = packed.iter().map(|_| self.spare.pop().unwrap_or_default()).collect();
        let unpack = |(frame, spare): (&XtcFrame, Vec<DVec3>)| {
            // Stored as f32: its shortest decimal is what was meant (0.1, not 0.10000000149).
            let time = frame.time.to_string().parse().ok();
            let positions = match frame.n_atoms == n_atoms {
                true => frame.positions(spare)?,
                false => vec![DVec3::ZERO; frame.n_atoms],
            };
            Ok(RawFrame { step: frame.step, time, vectors: frame.vectors, positions, bytes: frame.n_bytes() })
        };
        let frames: Vec<Result<RawFrame, &'static str>> = packed.par_iter().zip(spare).map(unpack).collect();
        self.ready.extend(frames.into_iter().map(|f| f.map_err(str::to_string)));
        self.ready.extend(fault.map(Err));
    }
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
        Ok(TrajectoryReader { waiting, open, n_atoms, default_cell, total_bytes, n_opened: 1, atoms: Vec::new() })
    }

    /// Names in the files must be those of these atoms, or begin with their elements.
    ///
    /// * `atoms` – `[n_atoms]`, name and element
    pub fn expect_atoms(&mut self, atoms: Vec<(String, String)>) {
        self.atoms = atoms;
    }

    /// Number of the file that the last frame came from, from 1.
    pub fn file_number(&self) -> usize {
        self.n_opened
    }

    /// The next frame; `None` after the last one of the last file.
    pub fn next_frame(&mut self) -> Result<Option<TrajectoryFrame>, TrajectoryError> {
        while let Some(file) = &mut self.open {
            match file.next_frame(self.n_atoms, self.default_cell) {
                Ok(Some(frame)) => {
                    return match file.foreign_name(&self.atoms) {
                        Some(error) => self.stop(error),
                        None => Ok(Some(frame)),
                    };
                }
                Ok(None) => match self.waiting.pop().map(OpenFile::open).transpose() {
                    Ok(next) => {
                        self.n_opened += usize::from(next.is_some());
                        self.open = next;
                    }
                    Err(e) => return self.stop(e),
                },
                Err(e) => return self.stop(e),
            }
        }
        Ok(None)
    }

    /// Takes back the memory of a frame that is done with.
    pub fn reuse(&mut self, positions: Vec<DVec3>) {
        if let Some(OpenFile { source: Source::Xtc(source), .. }) = &mut self.open {
            source.spare.push(positions);
        }
    }

    /// About how many bytes have been read, and the bytes of all files. Of the open file the share of its frames counts (nothing where their number is
    /// not known beforehand).
    pub fn bytes_read(&self) -> (u64, u64) {
        let open = self.open.as_ref().map_or(0, |file| match &file.source {
            Source::Chemfiles { n_frames, .. } => {
                (size_of(&file.path) as f64 * file.n_read as f64 / (*n_frames).max(1) as f64) as u64
            }
            Source::Xtc(source) => source.bytes_used,
            Source::Gro(_) => 0,
        });
        let unread: u64 = self.waiting.iter().chain(self.open.as_ref().map(|f| &f.path)).map(|p| size_of(p)).sum();
        (self.total_bytes - unread + open, self.total_bytes)
    }

    fn stop(&mut self, error: TrajectoryError) -> Result<Option<TrajectoryFrame>, TrajectoryError> {
        self.open = None;
        self.waiting.clear();
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
            let file = BufReader::with_capacity(BUFFER, file()?);
            Source::Xtc(XtcSource { file, ready: VecDeque::new(), bytes_used: 0, spare: Vec::new() })
        } else {
            let mut trajectory = chemfiles::Trajectory::open(&path, 'r').map_err(|e| unreadable(&path, e.message))?;
            let n_frames = trajectory.nsteps();
            Source::Chemfiles { trajectory, n_frames }
        };
        Ok(OpenFile { path, source, n_read: 0, tail, names: Vec::new() })
    }

    fn next_frame(
        &mut self,
        n_atoms: usize,
        default_cell: Option<Cell>,
    ) -> Result<Option<TrajectoryFrame>, TrajectoryError> {
        let (file, frame) = (self.path.clone(), self.n_read + 1);
        if let Some((n_complete, what)) = self.tail
            && self.n_read == n_complete
        {
            return Err(TrajectoryError::Truncated { file, frame, what: what.into() });
        }
        let Some(RawFrame { step, time, vectors, positions, .. }) = self.read_raw(n_atoms)? else { return Ok(None) };
        if positions.len() != n_atoms {
            return Err(TrajectoryError::AtomCount { file, frame, found: positions.len(), expected: n_atoms });
        }
        // Packed coordinates are whole numbers: they are finite as they are read.
        let is_packed = matches!(self.source, Source::Xtc(_)) && n_atoms > xtc::MAX_PLAIN;
        if !is_packed && let Some(i) = first_not_finite(&positions) {
            return Err(TrajectoryError::NotFinite { file, frame, atom: i + 1 });
        }
        let cell = match vectors {
            Some([a, b, c]) => Cell::new(a, b, c).map_err(|source| TrajectoryError::Cell { file, frame, source })?,
            None => default_cell.ok_or(TrajectoryError::NoCell { file, frame })?,
        };
        self.n_read += 1;
        Ok(Some(TrajectoryFrame { step, time, cell, positions }))
    }

    /// The first atom of the first frame whose name is of something else.
    fn foreign_name(&mut self, atoms: &[(String, String)]) -> Option<TrajectoryError> {
        let names = std::mem::take(&mut self.names);
        let is_other = |(name, (own, element)): (&String, &(String, String))| !names_atom(name, own, element);
        let atom = names.iter().zip(atoms).position(is_other)?;
        let (own, element) = &atoms[atom];
        Some(TrajectoryError::OtherAtom {
            file: self.path.clone(),
            atom: atom + 1,
            found: names[atom].clone(),
            expected: format!("{own} ({element})"),
        })
    }

    fn read_raw(&mut self, n_atoms: usize) -> Result<Option<RawFrame>, TrajectoryError> {
        let (file, frame) = (&self.path, self.n_read + 1);
        match &mut self.source {
            Source::Gro(reader) => {
                let raw = reader.next_frame().map_err(|fault| {
                    let what = format!("line {}: {}", fault.line, fault.what);
                    TrajectoryError::Truncated { file: file.clone(), frame, what }
                })?;
                // A single configuration written by hand may lack its last line end; a stream was cut there.
                if let Some(raw) = &raw
                    && self.n_read > 0
                    && !raw.is_closed
                {
                    let what = format!("line {}: the line has no end", raw.box_line);
                    return Err(TrajectoryError::Truncated { file: file.clone(), frame, what });
                }
                if let (0, Some(raw)) = (self.n_read, &raw) {
                    self.names.clone_from(&raw.names);
                }
                Ok(raw.map(|raw| {
                    let (time, step) = gro::time_and_step(&raw.title);
                    let step = step.unwrap_or(self.n_read as u64);
                    RawFrame { step, time, vectors: raw.vectors, positions: raw.positions, bytes: 0 }
                }))
            }
            Source::Xtc(source) => {
                source.next(n_atoms).map_err(|what| TrajectoryError::Truncated { file: file.clone(), frame, what })
            }
            Source::Chemfiles { n_frames, .. } if self.n_read == *n_frames => Ok(None),
            Source::Chemfiles { trajectory, .. } => {
                let mut raw = chemfiles::Frame::new();
                let truncated =
                    |e: chemfiles::Error| TrajectoryError::Truncated { file: file.clone(), frame, what: e.message };
                trajectory.read(&mut raw).map_err(truncated)?;
                if self.n_read == 0 {
                    self.names = (0..raw.size()).map(|i| raw.atom(i).name()).collect();
                }
                let (step, time) = step_and_time(file, &raw);
                let (vectors, positions) = (cell_vectors(&raw), to_nm(raw.positions()));
                Ok(Some(RawFrame { step, time, vectors, positions, bytes: 0 }))
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
