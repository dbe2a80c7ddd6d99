//! The checkpoint: everything the next step of a run depends on, exact to the bit.
//!
//! Binary, little-endian: magic, version, fields in a fixed order (f64 as bits, text and lists with a length in front),
//! and a 64-bit FNV-1a hash of all that (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>). The file
//! before the last is kept as `checkpoint.prev`. Knows how to store and to doubt a file, not what the numbers mean: the
//! engine fills and interprets [`Checkpoint`].

use super::output::{self, OutputError};
use crate::cell::Cell;
pub use crate::math::fnv1a;
use crate::system::State;
use glam::DVec3;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "checkpoint";
pub const PREVIOUS_FILE_NAME: &str = "checkpoint.prev";

const MAGIC: [u8; 8] = *b"HEXAQUA\x1a";
const VERSION: u32 = 3;

/// A run between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Hash of the complete input: a changed input is not resumed by accident. See [`fnv1a`].
    pub input_hash: u64,
    /// Backend that made it: `reference`, `cpu` or `gpu`.
    pub backend: String,
    /// Index of the running stage.
    pub stage: u32,
    /// Steps taken in that stage.
    pub stage_step: u64,
    pub state: State,
    /// Positions that the neighbor list in use was made from, nm, unwrapped: `[n_atoms]` where lists lag behind, else empty.
    pub list_positions: Vec<DVec3>,
    /// Charges of electrodes that answer, for the positions above: (name, `[n_atoms of the electrode]`, e). They follow from the positions, so a continuation
    /// finds them again, and notices if it does not. Empty where they are not known: before the first step of dynamics.
    pub electrodes: Vec<(String, Vec<f64>)>,
    /// Energy that the thermostat has given so far, kJ/mol.
    pub heat: f64,
    /// Lengths of the growing files at this moment: (name in the output folder, bytes).
    pub streams: Vec<(String, u64)>,
    /// Accumulators of the analyses, as `analysis` packs them.
    pub analysis: Vec<u8>,
    /// Further numbers by name, exact to the bit.
    pub numbers: BTreeMap<String, f64>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{} is not a hexaqua checkpoint", .0.display())]
    Foreign(PathBuf),
    #[error("{} was written by another version (format {found}, this program reads {VERSION}); resume it with the version that started the run", .path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{} is damaged: {what}", .path.display())]
    Damaged { path: PathBuf, what: &'static str },
}

/// A checkpoint read from a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub checkpoint: Checkpoint,
    /// Set when the latest file could not be used and the one before it was taken instead.
    pub warning: Option<String>,
}

impl Checkpoint {
    /// Writes `checkpoint` into `folder` and keeps the one before as `checkpoint.prev`.
    ///
    /// Whenever the machine stops, one of the two is complete.
    pub fn write(&self, folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(FILE_NAME);
        let previous = folder.join(PREVIOUS_FILE_NAME);
        let temporary = output::temporary_name(&path);
        let bytes = self.to_bytes();
        output::write_synced(&temporary, |file| file.write_all(&bytes)).map_err(|e| {
            let _ = fs::remove_file(&temporary); // the write error matters more
            OutputError::io("write", &path, e)
        })?;
        if path.exists() {
            fs::rename(&path, &previous).map_err(|e| OutputError::io("keep the previous", &path, e))?;
        }
        fs::rename(&temporary, &path).map_err(|e| OutputError::io("rename a temporary file to", &path, e))?;
        output::sync_parent(&path)?;
        Ok(())
    }

    /// Reads one file.
    pub fn read_file(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path).map_err(|e| OutputError::io("read", path, e))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the latest usable checkpoint of `folder`.
    pub fn read(folder: &Path) -> Result<Loaded, CheckpointError> {
        let (path, previous) = (folder.join(FILE_NAME), folder.join(PREVIOUS_FILE_NAME));
        match Self::read_file(&path) {
            Ok(checkpoint) => Ok(Loaded { checkpoint, warning: None }),
            Err(error) => match Self::read_file(&previous) {
                Ok(checkpoint) => {
                    let warning = format!("{error}; continuing from {} instead", previous.display());
                    Ok(Loaded { checkpoint, warning: Some(warning) })
                }
                Err(_) => Err(error),
            },
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder(Vec::with_capacity(1024 + 72 * self.state.n_atoms() + self.analysis.len()));
        out.0.extend(MAGIC);
        out.0.extend(VERSION.to_le_bytes());
        out.u64(self.input_hash);
        out.bytes(self.backend.as_bytes());
        out.u64(u64::from(self.stage));
        out.u64(self.stage_step);
        out.u64(self.state.step);
        out.f64(self.state.time);
        for v in self.state.cell.vectors().to_cols_array() {
            out.f64(v);
        }
        out.vectors(&self.state.positions);
        out.vectors(&self.state.velocities);
        out.vectors(&self.list_positions);
        out.u64(self.electrodes.len() as u64);
        for (name, charges) in &self.electrodes {
            out.bytes(name.as_bytes());
            out.u64(charges.len() as u64);
            charges.iter().for_each(|q| out.f64(*q));
        }
        out.f64(self.heat);
        out.u64(self.streams.len() as u64);
        for (name, length) in &self.streams {
            out.bytes(name.as_bytes());
            out.u64(*length);
        }
        out.bytes(&self.analysis);
        out.u64(self.numbers.len() as u64);
        for (name, value) in &self.numbers {
            out.bytes(name.as_bytes());
            out.f64(*value);
        }
        let hash = fnv1a(&out.0);
        out.u64(hash);
        out.0
    }

    fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let damaged = |what| CheckpointError::Damaged { path: path.to_path_buf(), what };
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            let cut = bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes);
            return Err(if cut { damaged("it is cut off") } else { CheckpointError::Foreign(path.to_path_buf()) });
        };
        let (version, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(CheckpointError::Version { path: path.to_path_buf(), found: version });
        }
        let (body, hash) = rest.split_last_chunk().ok_or_else(|| damaged("it is cut off"))?;
        if u64::from_le_bytes(*hash) != fnv1a(&bytes[..bytes.len() - 8]) {
            return Err(damaged("its contents do not match its checksum (cut off or changed)"));
        }
        // The checksum holds, so a fault below is a fault of the writer; it is reported all the same.
        Decoder(body).checkpoint().ok_or_else(|| damaged("its fields are inconsistent"))
    }
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn vectors(&mut self, vectors: &[DVec3]) {
        self.u64(vectors.len() as u64);
        for v in vectors {
            v.to_array().into_iter().for_each(|x| self.f64(x));
        }
    }
}

/// Every method gives `None` when the bytes run out or make no sense.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    fn f64(&mut self) -> Option<f64> {
        self.u64().map(f64::from_bits)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// A count of items of at least `size` bytes each: bounded by what is left, so that it is safe to allocate.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.u64()?).ok()?;
        (count <= self.0.len() / size).then_some(count)
    }

    fn vector(&mut self) -> Option<DVec3> {
        Some(DVec3::new(self.f64()?, self.f64()?, self.f64()?))
    }

    fn vectors(&mut self) -> Option<Vec<DVec3>> {
        let count = self.count(24)?;
        (0..count).map(|_| self.vector()).collect()
    }

    fn numbers(&mut self) -> Option<Vec<f64>> {
        (0..self.count(8)?).map(|_| self.f64()).collect()
    }

    fn checkpoint(mut self) -> Option<Checkpoint> {
        let input_hash = self.u64()?;
        let backend = self.text()?;
        let stage = u32::try_from(self.u64()?).ok()?;
        let stage_step = self.u64()?;
        let (step, time) = (self.u64()?, self.f64()?);
        let cell = Cell::new(self.vector()?, self.vector()?, self.vector()?).ok()?;
        let (positions, velocities) = (self.vectors()?, self.vectors()?);
        let list_positions = self.vectors()?;
        if positions.len() != velocities.len() || ![0, positions.len()].contains(&list_positions.len()) {
            return None;
        }
        let electrodes = (0..self.count(16)?).map(|_| Some((self.text()?, self.numbers()?))).collect::<Option<_>>()?;
        let heat = self.f64()?;
        let streams = (0..self.count(16)?).map(|_| Some((self.text()?, self.u64()?))).collect::<Option<_>>()?;
        let analysis = self.bytes()?.to_vec();
        let numbers = (0..self.count(16)?).map(|_| Some((self.text()?, self.f64()?))).collect::<Option<_>>()?;
        self.0.is_empty().then_some(Checkpoint {
            input_hash,
            backend,
            stage,
            stage_step,
            state: State { step, time, cell, positions, velocities },
            list_positions,
            electrodes,
            heat,
            streams,
            analysis,
            numbers,
        })
    }
}
