//! Response matrices kept on disk, so that the next run with the same electrodes starts at once.
//!
//! A file is named by a hash of everything the matrix depends on. Whatever is wrong with it (missing, cut off, changed,
//! of another version), the matrix is made anew: the cache can only save time. It stands in the folder that `HEXAQUA_CACHE`
//! names, else in `hexaqua` below the user's cache folder; an empty `HEXAQUA_CACHE` turns it off.

use super::dense::Matrix;
use super::response::Response;
use crate::math::fnv1a;
use std::fs;
use std::path::PathBuf;

const MAGIC: [u8; 8] = *b"HXQ-C\x1a\x00\x01";
/// Electrodes below this many atoms are solved faster than read.
const FEWEST: usize = 200;

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
    decode(&fs::read(path(key)?).ok()?, n, n_groups)
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
}

fn encode(response: &Response) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let all = response.matrix().values.iter().chain(response.shares().iter().flatten());
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
    if numbers.len() != n * (n + n_groups) {
        return None;
    }
    let shares = numbers[n * n..].chunks(n.max(1)).map(<[f64]>::to_vec).collect();
    Some(Response::from_parts(Matrix { n, values: numbers[..n * n].to_vec() }, shares))
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
    fn names_tell_contents_apart() {
        assert_ne!(Key::new(b"0123"), Key::new(b"0124"));
        assert_eq!(Key::new(b"0123"), Key::new(b"0123"));
    }
}
