//! Response matrices kept on disk, so that the next run with the same electrodes starts at once.
//!
//! A file is named by a hash of everything the matrix depends on. Whatever is wrong with it (missing, cut off, changed,
//! of another version), the matrix is made anew: the cache can only save time. It stands in the folder that `HEXAQUA_CACHE`
//! names, else in `hexaqua` below the user's cache folder; an empty `HEXAQUA_CACHE` turns it off. Beyond [`MOST_BYTES`] what was not used for longest goes.

use super::dense::Matrix;
use super::response::Response;
use crate::math::fnv1a;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const MAGIC: [u8; 8] = *b"HXQ-C\x1a\x00\x02";
/// Electrodes below this many atoms are solved faster than read.
const FEWEST: usize = 200;
/// All files together take no more, bytes.
const MOST_BYTES: u64 = 2_000_000_000;

/// Names one matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// * `content` – all numbers that the matrix depends on
    pub fn new(content: &[u8]) -> Self {
        // two hashes of different beginnings: 128 bits
        let again: Vec<u8> = MAGIC.iter().chain(content).copied().collect();
        Key(format!("{:016x}{:016x}", fnv1a(content), fnv1a(&again)))
    }
}

fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("HEXAQUA_CACHE") {
        return Some(PathBuf::from(named)).filter(|folder| !folder.as_os_str().is_empty());
    }
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let caches =
        home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|h| h.join(".cache"))).or_else(|| home("LOCALAPPDATA"));
    caches.map(|folder| folder.join("hexaqua"))
}

fn path(key: &Key) -> Option<PathBuf> {
    Some(folder()?.join(format!("electrodes-{}.bin", key.0)))
}

/// The matrix of this name, if it is there and whole.
pub fn read(key: &Key, n: usize, n_groups: usize) -> Option<Response> {
    if n < FEWEST {
        return None;
    }
    let path = path(key)?;
    let response = decode(&fs::read(&path).ok()?, n, n_groups)?;
    // its time is that of its last use
    let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
    Some(response)
}

/// Removes the matrices of a folder that were not used for longest until the rest takes at most `most` bytes; the last one stays.
fn prune(folder: &Path, most: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_ours = |name: &str| name.starts_with("electrodes-") && name.ends_with(".bin");
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(is_ours))
        .filter_map(|e| e.metadata().and_then(|m| Ok((m.modified()?, m.len(), e.path()))).ok())
        .collect();
    files.sort_by(|a, b| b.cmp(a));
    let mut kept = 0;
    for (k, (_, bytes, path)) in files.iter().enumerate() {
        kept += bytes;
        if k > 0 && kept > most {
            let _ = fs::remove_file(path);
        }
    }
}

/// Keeps a matrix. Nothing happens where that is not possible.
pub fn write(key: &Key, response: &Response) {
    if response.n_atoms() < FEWEST {
        return;
    }
    let Some(path) = path(key) else { return };
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&temporary, encode(response)));
    if written.and_then(|()| fs::rename(&temporary, &path)).is_err() {
        // a full disk is for the run itself to complain about
        let _ = fs::remove_file(&temporary);
    }
    path.parent().into_iter().for_each(|folder| prune(folder, MOST_BYTES));
}

fn encode(response: &Response) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let of_groups = response.shares().iter().flatten().chain(&response.between().values);
    let all = response.matrix().values.iter().chain(of_groups);
    bytes.extend(all.flat_map(|x| x.to_bits().to_le_bytes()));
    bytes.extend(fnv1a(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8], n: usize, n_groups: usize) -> Option<Response> {
    let (body, hash) = bytes.split_last_chunk()?;
    if u64::from_le_bytes(*hash) != fnv1a(body) {
        return None;
    }
    let numbers: Vec<f64> = (body.strip_prefix(&MAGIC)?.chunks_exact(8))
        .map(|b| f64::from_bits(b.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte))))
        .collect();
    if numbers.len() != n * (n + n_groups) + n_groups * n_groups {
        return None;
    }
    let (matrix, rest) = numbers.split_at(n * n);
    let (shares, between) = rest.split_at(n * n_groups);
    let shares = shares.chunks(n.max(1)).map(<[f64]>::to_vec).collect();
    let between = Matrix { n: n_groups, values: between.to_vec() };
    Some(Response::from_parts(Matrix { n, values: matrix.to_vec() }, shares, between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_bit_for_bit_and_damage_is_seen() {
        let mut a = Matrix::zero(5);
        for i in 0..5 {
            for j in 0..5 {
                a.values[i * 5 + j] = if i == j { 3.0 } else { 0.1 * (i + j) as f64 };
            }
        }
        let response = Response::new(a, &[0, 0, 1, 1, 1], 2).expect("positive definite");
        let bytes = encode(&response);
        assert_eq!(decode(&bytes, 5, 2).as_ref(), Some(&response));
        assert_eq!(decode(&bytes, 5, 1), None);
        assert_eq!(decode(&bytes[..bytes.len() - 1], 5, 2), None);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert_eq!(decode(&bad, 5, 2), None, "byte {at}");
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().expect("scratch");
        let file = |name: &str, age: u64| {
            let path = folder.path().join(name);
            fs::write(&path, [0; 100]).expect("written");
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(then)).expect("a time");
            path
        };
        let (new, old) = (file("electrodes-a.bin", 0), file("electrodes-b.bin", 3000));
        let (older, other) = (file("electrodes-c.bin", 6000), file("notes.txt", 9000));
        prune(folder.path(), 300);
        assert!(older.exists(), "there is room for three");
        prune(folder.path(), 299);
        assert!(new.exists() && old.exists() && !older.exists() && other.exists());
        prune(folder.path(), 10);
        assert!(new.exists() && !old.exists() && other.exists(), "the last one stays, and what is not ours");
    }

    #[test]
    fn names_tell_contents_apart() {
        assert_ne!(Key::new(b"0123"), Key::new(b"0124"));
        assert_eq!(Key::new(b"0123"), Key::new(b"0123"));
    }
}
