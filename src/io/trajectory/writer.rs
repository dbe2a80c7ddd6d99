//! Growing a trajectory frame by frame.
//!
//! chemfiles turns one frame into bytes; appending them, cutting and syncing is done here. Left to itself chemfiles
//! keeps binary files memory-mapped and padded to whole pages while they are open, gives no way to flush, rescans the
//! whole file to append, and dies from a bus error when the disk is full.

use super::{AKMA_PS, Format, TrajectoryError};
use crate::build::MoleculeTrees;
use crate::cell::Cell;
use crate::io::gro;
use crate::io::output::{OutputError, open_stream_at};
use crate::io::structure::{ANGSTROM_PER_NM, report_chemfiles_warnings};
use crate::system::Topology;
use glam::DVec3;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Appends frames to one file: whole molecules, their first atoms inside the cell.
pub struct TrajectoryWriter {
    path: PathBuf,
    format: Format,
    file: File,
    length: u64,
    n_frames: u64,
    /// Start of the file as far as it must be rewritten when a frame is added.
    dcd: Option<DcdHeader>,
    topology: Topology,
    trees: MoleculeTrees,
    /// Names and residues, set once; positions, cell and time change.
    frame: chemfiles::Frame,
}

impl TrajectoryWriter {
    /// A new, empty file at `path`; an existing one is replaced.
    pub fn create(path: &Path, format: Format, topology: &Topology) -> Result<Self, TrajectoryError> {
        let file = File::create(path).map_err(|e| OutputError::io("create", path, e))?;
        Self::with_file(path, format, topology, file, 0)
    }

    /// Continues the file at `path` after cutting it to `length` bytes, which [`TrajectoryWriter::flush`] gave.
    pub fn resume(path: &Path, format: Format, topology: &Topology, length: u64) -> Result<Self, TrajectoryError> {
        if length == 0 {
            return Self::create(path, format, topology);
        }
        let file = open_stream_at(path, length)?;
        let mut writer = Self::with_file(path, format, topology, file, length)?;
        let io = |e| OutputError::io("read", path, e);
        match format {
            Format::Dcd => {
                let mut header = DcdHeader::read(&mut writer.file).map_err(io)?;
                let frames = length - DcdHeader::BYTES.min(length);
                let frame_bytes = DcdHeader::frame_bytes(topology.n_atoms());
                if frames == 0 || !frames.is_multiple_of(frame_bytes) {
                    return Err(TrajectoryError::NotAtFrame { file: path.to_path_buf(), length });
                }
                writer.n_frames = frames / frame_bytes;
                header.n_frames = writer.n_frames;
                writer.dcd = Some(header);
                writer.rewrite_dcd_header().map_err(|e| OutputError::io("write the header of", path, e))?;
            }
            Format::Pdb => {
                let mut text = String::new();
                writer.file.rewind().and_then(|()| writer.file.read_to_string(&mut text)).map_err(io)?;
                if !text.ends_with("ENDMDL\n") {
                    return Err(TrajectoryError::NotAtFrame { file: path.to_path_buf(), length });
                }
                writer.n_frames = text.lines().filter(|l| l.starts_with("MODEL")).count() as u64;
            }
            // The others say nothing about the frames before.
            Format::Xtc | Format::Trr | Format::Gro | Format::Xyz => {}
        }
        writer.file.seek(SeekFrom::End(0)).map_err(|e| OutputError::io("append to", path, e))?;
        Ok(writer)
    }

    fn with_file(
        path: &Path,
        format: Format,
        topology: &Topology,
        file: File,
        length: u64,
    ) -> Result<Self, TrajectoryError> {
        report_chemfiles_warnings();
        let frame = chemfiles_frame(topology, format).map_err(|e| unwritable(path, 0, e.message))?;
        Ok(TrajectoryWriter {
            path: path.to_path_buf(),
            format,
            file,
            length,
            n_frames: 0,
            dcd: None,
            topology: topology.clone(),
            trees: MoleculeTrees::new(topology),
            frame,
        })
    }

    /// Appends one frame. `time` in ps; `positions`: `[n_atoms]`, nm. On failure the file keeps its whole frames.
    pub fn write(&mut self, step: u64, time: f64, cell: &Cell, positions: &[DVec3]) -> Result<(), TrajectoryError> {
        let fail = |what: String| unwritable(&self.path, step, what);
        if positions.len() != self.topology.n_atoms() {
            let (found, expected) = (positions.len(), self.topology.n_atoms());
            return Err(fail(format!("{found} positions for {expected} atoms")));
        }
        if let Some(i) = positions.iter().position(|r| !r.is_finite()) {
            let atom = self.topology.describe_atom(i);
            return Err(fail(format!("the position of {atom} is not finite: {} nm", positions[i])));
        }
        let bytes = match self.format {
            Format::Gro => {
                let title = format!("hexaqua t= {time:.6} step= {step}");
                let configuration = (cell, positions, None);
                gro::format_gro(&self.topology, &self.trees, configuration, &title, gro::CLASSIC_DECIMALS)
                    .map_err(|e| fail(e.to_string()))?
                    .into_bytes()
            }
            _ => {
                self.fill_frame(step, time, cell, positions);
                match self.format {
                    Format::Pdb => self.text("PDB").map(|text| {
                        // chemfiles starts every text anew, so it numbers every model 1.
                        let body = text.split_once('\n').map_or("", |(_, body)| body);
                        let model = self.n_frames + 1;
                        format!("TITLE     hexaqua t= {time:.6} step= {step}\nMODEL {model:>8}\n{body}").into_bytes()
                    }),
                    Format::Xyz => self.text("XYZ").map(String::into_bytes),
                    Format::Xtc => self.binary("XTC", step),
                    Format::Trr => self.binary("TRR", step),
                    Format::Dcd | Format::Gro => self.binary("DCD", step),
                }?
            }
        };
        // Every scratch DCD starts with a header; only the first one is kept.
        let bytes = if self.dcd.is_some() { &bytes[DcdHeader::BYTES as usize..] } else { &bytes };
        if let Err(e) = self.file.write_all(bytes) {
            // Half a frame would make the file unreadable; if even this fails, the checkpoint's length still holds.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(OutputError::io("append to", &self.path, e).into());
        }
        self.length += bytes.len() as u64;
        self.n_frames += 1;
        if self.format == Format::Dcd {
            self.dcd.get_or_insert_default().add_frame(step, time);
            self.rewrite_dcd_header().map_err(|e| OutputError::io("write the header of", &self.path, e))?;
        }
        Ok(())
    }

    /// Makes everything written so far durable; returns the length in bytes, for the checkpoint.
    pub fn flush(&mut self) -> Result<u64, TrajectoryError> {
        self.file.sync_data().map_err(|e| OutputError::io("sync", &self.path, e))?;
        Ok(self.length)
    }

    pub fn len_bytes(&self) -> u64 {
        self.length
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fill_frame(&mut self, step: u64, time: f64, cell: &Cell, positions: &[DVec3]) {
        let placed = self.trees.whole_in_cell(&self.topology, cell, positions);
        for (target, r) in self.frame.positions_mut().iter_mut().zip(&placed) {
            *target = (*r * ANGSTROM_PER_NM).to_array();
        }
        // chemfiles takes rows x, y, z: the lattice vectors are the columns.
        let rows = (cell.vectors() * ANGSTROM_PER_NM).transpose();
        let rows = [rows.x_axis, rows.y_axis, rows.z_axis].map(|r| r.to_array());
        self.frame.set_cell(&chemfiles::UnitCell::from_matrix(rows));
        // XTC and TRR hold the step as a signed 32-bit number.
        self.frame.set_step((step & 0x7fff_ffff) as usize);
        if self.format == Format::Xyz {
            // As text: numbers would be rounded to six digits.
            self.frame.set("time", time.to_string().as_str());
            self.frame.set("step", step.to_string().as_str());
        } else {
            self.frame.set("time", time);
        }
    }

    /// The current frame in a text format.
    fn text(&self, format: &str) -> Result<String, TrajectoryError> {
        let mut memory = chemfiles::Trajectory::memory_writer(format).map_err(|e| self.chemfiles_error(e))?;
        memory.write(&self.frame).map_err(|e| self.chemfiles_error(e))?;
        Ok(memory.memory_buffer().map_err(|e| self.chemfiles_error(e))?.to_string())
    }

    /// The current frame in a binary format, which chemfiles writes to named files only.
    fn binary(&self, format: &str, step: u64) -> Result<Vec<u8>, TrajectoryError> {
        let name = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let scratch = self.path.with_file_name(format!(".{name}.frame"));
        let io = |action| move |e| OutputError::io(action, &self.path, e);
        // chemfiles writes through a memory map, where a full disk is a fatal signal: make sure there is room first.
        let room = vec![0; 16 * self.topology.n_atoms() + 65_536];
        let result = fs::write(&scratch, room).map_err(io("find room for the next frame of")).map(|()| {
            let mut trajectory = chemfiles::Trajectory::open_with_format(&scratch, 'w', format)?;
            trajectory.write(&self.frame)
        });
        let bytes = match result {
            Ok(Ok(())) => fs::read(&scratch).map_err(io("collect the next frame of")).map_err(TrajectoryError::from),
            Ok(Err(e)) => Err(self.chemfiles_error(e)),
            Err(e) => Err(e.into()),
        };
        // A leftover is overwritten by the next frame.
        let _ = fs::remove_file(&scratch);
        let bytes = bytes?;
        if bytes.len() < DcdHeader::BYTES as usize && self.format == Format::Dcd || bytes.is_empty() {
            return Err(unwritable(&self.path, step, format!("chemfiles wrote {} bytes only", bytes.len())));
        }
        Ok(bytes)
    }

    fn chemfiles_error(&self, e: chemfiles::Error) -> TrajectoryError {
        unwritable(&self.path, self.frame.step() as u64, e.message)
    }

    fn rewrite_dcd_header(&mut self) -> std::io::Result<()> {
        if let Some(header) = &self.dcd {
            header.write(&mut self.file)?;
            self.file.seek(SeekFrom::End(0))?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, step: u64, what: String) -> TrajectoryError {
    TrajectoryError::Unwritable { file: path.to_path_buf(), step, what }
}

/// A chemfiles frame with names, elements, masses, charges and residues, and no coordinates yet.
///
/// No bonds: the only format here that holds them is PDB, which would repeat every bond of the water in every frame.
fn chemfiles_frame(topology: &Topology, format: Format) -> Result<chemfiles::Frame, chemfiles::Error> {
    let mut frame = chemfiles::Frame::new();
    let mut residues = Vec::new();
    for (m, molecule) in topology.molecules.iter().enumerate() {
        let species = topology.species_of(m);
        let before = residues.len();
        for (local, template) in species.atoms.iter().enumerate() {
            let element = if template.element.is_empty() { "X" } else { template.element.as_str() };
            let name = if format == Format::Xyz { element } else { template.name.as_str() };
            let mut atom = chemfiles::Atom::new(name);
            atom.set_atomic_type(element);
            atom.set_mass(template.mass);
            atom.set_charge(template.charge);
            frame.add_atom(&atom, [0.0; 3], None);
            let (ordinal, name) = species.residue_of(local);
            if before + ordinal == residues.len() {
                residues.push(chemfiles::Residue::with_id(name, residues.len() as i64 + 1));
            }
            residues[before + ordinal].add_atom(molecule.first_atom as usize + local);
        }
    }
    for residue in &residues {
        frame.add_residue(residue)?;
    }
    Ok(frame)
}

/// The numbers in a DCD header that change while the file grows. chemfiles leaves the times zero.
///
/// Layout: Fortran record of 84 bytes ("CORD", 20 integers), title record without lines, record with the atom count.
#[derive(Debug, Clone, Default, PartialEq)]
struct DcdHeader {
    n_frames: u64,
    /// Frame 1 is at time `start · dt`, frame n at `(start + (n − 1) interval) dt`.
    start: i32,
    interval: i32,
    /// AKMA
    dt: f32,
    /// Step and time (ps) of the last frame.
    last: Option<(u64, f64)>,
}

impl DcdHeader {
    const BYTES: u64 = 92 + 12 + 12;

    /// Bytes of one frame: the cell and x, y, z, each a record between two markers.
    fn frame_bytes(n_atoms: usize) -> u64 {
        (8 + 48) + 3 * (8 + 4 * n_atoms as u64)
    }

    fn read(file: &mut File) -> std::io::Result<Self> {
        let mut bytes = [0_u8; 48];
        file.rewind()?;
        file.read_exact(&mut bytes)?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Ok(DcdHeader {
            n_frames: i32::from_ne_bytes(word(8)).max(0) as u64,
            start: i32::from_ne_bytes(word(12)),
            interval: i32::from_ne_bytes(word(16)),
            dt: f32::from_ne_bytes(word(44)),
            last: None,
        })
    }

    fn write(&self, file: &mut File) -> std::io::Result<()> {
        let n_frames = i32::try_from(self.n_frames).unwrap_or(i32::MAX);
        for (at, word) in [
            (8, n_frames.to_ne_bytes()),
            (12, self.start.to_ne_bytes()),
            (16, self.interval.to_ne_bytes()),
            (44, self.dt.to_ne_bytes()),
        ] {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&word)?;
        }
        Ok(())
    }

    /// The first two frames fix start, interval and time step.
    fn add_frame(&mut self, step: u64, time: f64) {
        self.n_frames += 1;
        let steps = |dt: f64, time: f64| if dt > 0.0 { (time / dt).round() as i32 } else { 0 };
        let set = |header: &mut Self, interval: u64, dt: f64, first_time: f64| {
            header.interval = i32::try_from(interval).unwrap_or(i32::MAX).max(1);
            header.start = steps(dt, first_time);
            header.dt = (dt / AKMA_PS) as f32;
        };
        match (self.n_frames, self.last) {
            (1, _) => set(self, 1, if step > 0 { time / step as f64 } else { 0.0 }, time),
            (2, last) => {
                // After a resume the first frame is known from the header alone.
                let first_time = f64::from(self.start) * f64::from(self.dt) * AKMA_PS;
                let (first_step, first_time) = last.unwrap_or((self.start.max(0) as u64, first_time));
                let interval = step.saturating_sub(first_step).max(1);
                set(self, interval, (time - first_time) / interval as f64, first_time);
            }
            _ => {}
        }
        self.last = Some((step, time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dcd_header_knows_the_times_of_all_frames() {
        let mut header = DcdHeader::default();
        for (step, time) in [(500, 1.0), (750, 1.5), (1000, 2.0)] {
            header.add_frame(step, time);
        }
        assert_eq!((header.n_frames, header.start, header.interval), (3, 500, 250));
        assert!((f64::from(header.dt) * AKMA_PS - 0.002).abs() < 1e-9);
        // Stages before with another time step: the times must be right, the step numbers may differ.
        let mut header = DcdHeader::default();
        header.add_frame(3000, 2.0);
        header.add_frame(3500, 3.0);
        assert_eq!((header.start, header.interval), (1000, 500));
    }
}
