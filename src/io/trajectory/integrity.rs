//! Does a trajectory end where a frame ends?
//!
//! chemfiles drops an incomplete last frame of some formats without a word; here it is found from the sizes that the
//! frames themselves state. Knows the outlines of XTC, TRR, DCD and PDB, nothing of coordinates.

use super::reader::has_extension;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// `Some((n, why))`: `n` frames are complete and something incomplete follows.
pub(super) type Tail = Option<(usize, &'static str)>;

/// Checks the end of a file; formats that chemfiles checks itself give `None`.
pub(super) fn check_tail(path: &Path) -> io::Result<Tail> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if has_extension(path, "xtc") {
        check_xtc(&mut file, length)
    } else if has_extension(path, "trr") {
        check_trr(&mut file, length)
    } else if has_extension(path, "dcd") {
        check_dcd(&mut file, length)
    } else if has_extension(path, "pdb") {
        check_pdb(file)
    } else {
        Ok(None)
    }
}

/// XTC: 52 bytes of head, atom count again; up to nine atoms plain, else 32 bytes more, a length and packed bytes.
fn check_xtc(file: &mut File, length: u64) -> io::Result<Tail> {
    const MAGIC: i32 = 1995;
    const HEAD: u64 = 56;
    const PACKED_HEAD: u64 = 92;
    let (mut at, mut n_frames) = (0, 0);
    while at < length {
        const INCOMPLETE_HEAD: &str = "the head of the frame is incomplete";
        if at + HEAD > length {
            return Ok(Some((n_frames, INCOMPLETE_HEAD)));
        }
        let mut head = [0; PACKED_HEAD as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head[..PACKED_HEAD.min(length - at) as usize])?;
        let word = |at: usize| i32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if word(0) != MAGIC {
            return Ok(Some((n_frames, "no XTC frame starts here")));
        }
        let n_atoms = word(4).max(0) as u64;
        let bytes = if n_atoms <= 9 {
            HEAD + 12 * n_atoms
        } else if at + PACKED_HEAD > length {
            return Ok(Some((n_frames, INCOMPLETE_HEAD)));
        } else {
            PACKED_HEAD + (word(88).max(0) as u64).next_multiple_of(4)
        };
        if at + bytes > length {
            return Ok(Some((n_frames, "its coordinates are incomplete")));
        }
        at += bytes;
        n_frames += 1;
    }
    Ok(None)
}

/// TRR: 24 bytes of magic and version, ten sizes in bytes, atom count, step and an unused number, time and λ, then what
/// the sizes say. All reals have the precision that the box (nine numbers) or the positions show.
fn check_trr(file: &mut File, length: u64) -> io::Result<Tail> {
    const MAGIC: i32 = 1993;
    const HEAD: u64 = 24 + 13 * 4;
    let (mut at, mut n_frames) = (0, 0);
    while at < length {
        if at + HEAD > length {
            return Ok(Some((n_frames, "the head of the frame is incomplete")));
        }
        let mut head = [0; HEAD as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let word = |k: usize| i32::from_be_bytes([head[k], head[k + 1], head[k + 2], head[k + 3]]);
        if word(0) != MAGIC {
            return Ok(Some((n_frames, "no TRR frame starts here")));
        }
        let size = |k: usize| word(24 + 4 * k).max(0) as u64;
        let (box_bytes, position_bytes, n_atoms) = (size(2), size(7), size(10));
        let is_double = box_bytes == 9 * 8 || (box_bytes == 0 && position_bytes == n_atoms * 3 * 8);
        at += HEAD + if is_double { 16 } else { 8 } + (0..10).map(size).sum::<u64>();
        if at > length {
            return Ok(Some((n_frames, "its coordinates are incomplete")));
        }
        n_frames += 1;
    }
    Ok(None)
}

/// DCD as most programs write it (little-endian, 32-bit markers, no fixed atoms); others are left to chemfiles.
fn check_dcd(file: &mut File, length: u64) -> io::Result<Tail> {
    let mut word_at = |at: u64| -> io::Result<u64> {
        let mut word = [0; 4];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut word)?;
        Ok(u64::from(u32::from_le_bytes(word)))
    };
    const INCOMPLETE_HEAD: Tail = Some((0, "the head of the file is incomplete"));
    if length < 92 {
        return Ok(INCOMPLETE_HEAD);
    }
    let plain = word_at(0)? == 84 && word_at(4)? == u64::from(u32::from_le_bytes(*b"CORD"));
    let (fixed_atoms, has_cell, four_d, version) = (word_at(40)?, word_at(48)?, word_at(52)?, word_at(84)?);
    if !plain || fixed_atoms != 0 || version == 0 || four_d != 0 {
        return Ok(None);
    }
    if length < 96 {
        return Ok(INCOMPLETE_HEAD);
    }
    let title = word_at(92)?;
    let head = 92 + (8 + title) + 12;
    if length <= head {
        return Ok(INCOMPLETE_HEAD);
    }
    let n_atoms = word_at(head - 8)?;
    let frame = if has_cell != 0 { 56 } else { 0 } + 3 * (8 + 4 * n_atoms);
    let n_frames = ((length - head) / frame) as usize;
    Ok((!(length - head).is_multiple_of(frame)).then_some((n_frames, "its coordinates are incomplete")))
}

/// PDB with several models: the last one must be closed.
fn check_pdb(file: File) -> io::Result<Tail> {
    use io::BufRead;
    let (mut n_open, mut n_closed) = (0, 0);
    let mut lines = io::BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        n_open += usize::from(line.starts_with(b"MODEL"));
        n_closed += usize::from(line.starts_with(b"ENDMDL"));
    }
    Ok((n_open > n_closed).then_some((n_closed, "the model is not closed by ENDMDL")))
}
