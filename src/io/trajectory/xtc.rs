//! XTC frames: read as they stand in the file, unpacked later and by any thread.
//!
//! The format: big-endian words; a head with atom count, step, time and the lattice vectors; up to nine atoms as plain floats, more as
//! integers of `1/precision` nm. An atom is either written in full, relative to the smallest coordinates of the frame, or as a small
//! difference from the one before it; runs of differences follow an atom written in full, and the first of a run changes places with it (so
//! that a water molecule, written H O H, needs short differences only). Three integers below given sizes are packed into one number. The size of
//! differences adapts along the frame through a table in steps of about 2^(1/3).
//!
//! F. van Hoesel's scheme, as described with GROMACS (<https://manual.gromacs.org/current/reference-manual/file-formats.html#xtc>).
//! Frames are found from the sizes they state; [`super::integrity`] has checked those.

use glam::DVec3;
use std::io::{self, Read};

const MAGIC: i32 = 1995;
/// Bytes up to and with the second atom count.
const HEAD: usize = 56;
/// Bytes between that and the packed coordinates.
const PACKED_HEAD: usize = 36;
/// Frames of up to this many atoms are not packed.
pub const MAX_PLAIN: usize = 9;
/// First usable entry of [`SIZES`].
const FIRST_SIZE: usize = 9;
/// Sizes of small differences: entry k needs k bits for three numbers below it.
const SIZES: [u32; 73] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645,
    812, 1024, 1290, 1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192, 10321, 13003, 16384, 20642, 26007, 32768, 41285,
    52015, 65536, 82570, 104031, 131072, 165140, 208063, 262144, 330280, 416127, 524287, 660561, 832255, 1048576,
    1321122, 1664510, 2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607, 10568983, 13316085, 16777216,
];
/// Coordinates that span more than this are written one by one.
const MAX_PACKED_SPAN: u64 = 0xff_ffff;
/// Zero bytes behind the packed ones: the reader of bits loads words.
const PADDING: usize = 16;

/// What cannot be read: bits that stand for no coordinates.
pub const DAMAGED: &str = "its packed coordinates are damaged";

/// A frame as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct XtcFrame {
    pub step: u64,
    /// ps
    pub time: f32,
    /// a, b, c, nm; `None` if all are zero
    pub vectors: Option<[DVec3; 3]>,
    pub n_atoms: usize,
    /// Precision to length of the packed bytes; empty without packing.
    head: Vec<u8>,
    data: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn float(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(word(bytes, at).cast_unsigned())
}

/// The next frame of the stream; `None` where it ends.
pub fn next_frame(stream: &mut impl Read) -> io::Result<Option<XtcFrame>> {
    let mut first = [0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match stream.read(&mut first[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    if word(&first, 0) != MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no XTC frame starts here"));
    }
    let n_atoms = word(&first, 4).max(0) as usize;
    // Programs that keep lengths and angles write the cosine of a right angle as some 1e-17.
    let entry = |at: usize| Some(f64::from(float(&first, at))).filter(|x| x.abs() > 1e-9).unwrap_or(0.0);
    let row = |k: usize| DVec3::new(entry(16 + 12 * k), entry(20 + 12 * k), entry(24 + 12 * k));
    let vectors = [row(0), row(1), row(2)];
    let mut head = Vec::new();
    let n_bytes = if n_atoms <= MAX_PLAIN {
        12 * n_atoms
    } else {
        head = vec![0; PACKED_HEAD];
        stream.read_exact(&mut head)?;
        word(&head, 32).max(0) as usize
    };
    let mut data = vec![0; n_bytes.next_multiple_of(4) + PADDING];
    stream.read_exact(&mut data[..n_bytes.next_multiple_of(4)])?;
    Ok(Some(XtcFrame {
        step: word(&first, 8).max(0) as u64,
        time: float(&first, 12),
        vectors: vectors.iter().any(|v| *v != DVec3::ZERO).then_some(vectors),
        n_atoms,
        head,
        data,
    }))
}

impl XtcFrame {
    /// Bytes of the file that it took.
    pub fn n_bytes(&self) -> u64 {
        (HEAD + self.head.len() + self.data.len() - PADDING) as u64
    }

    /// Positions, `[n_atoms]`, nm.
    ///
    /// * `positions` – memory to use again; what it holds is lost
    pub fn positions(&self, mut positions: Vec<DVec3>) -> Result<Vec<DVec3>, &'static str> {
        positions.clear();
        positions.reserve(self.n_atoms);
        if self.n_atoms <= MAX_PLAIN {
            let coordinate = |k: usize| f64::from(float(&self.data, 4 * k));
            let point = |i: usize| DVec3::new(coordinate(3 * i), coordinate(3 * i + 1), coordinate(3 * i + 2));
            positions.extend((0..self.n_atoms).map(point));
            return Ok(positions);
        }
        let triple = |at: usize| [word(&self.head, at), word(&self.head, at + 4), word(&self.head, at + 8)];
        let (precision, low, high) = (f64::from(float(&self.head, 0)), triple(4), triple(16));
        let span = |k: usize| (i64::from(high[k]) - i64::from(low[k]) + 1).max(1) as u64;
        let sizes = [span(0), span(1), span(2)];
        let is_packed = sizes.iter().all(|s| *s <= MAX_PACKED_SPAN);
        let full = Triple::new(sizes, bits_of(sizes.iter().map(|s| u128::from(*s)).product()));
        let widths = sizes.map(|s| bits_of(u128::from(s)));
        let mut size = word(&self.head, 28).max(0) as usize;
        if !((FIRST_SIZE..SIZES.len()).contains(&size) && precision > 0.0 && precision.is_finite()) {
            return Err(DAMAGED);
        }
        let mut small = Triple::of_size(size);
        let mut bits = Bits { bytes: &self.data, at: 0 };
        let n_bits = 8 * (self.data.len() - PADDING);
        let scale = 1.0 / precision;
        let place = |r: [i32; 3]| DVec3::new(f64::from(r[0]), f64::from(r[1]), f64::from(r[2])) * scale;
        let mut run = 0;
        while positions.len() < self.n_atoms {
            if bits.at > n_bits {
                return Err(DAMAGED);
            }
            let raw = if is_packed { full.read(&mut bits) } else { widths.map(|w| bits.take(w) as i32) };
            let whole = add(raw, low);
            let mut change = 0;
            if bits.take(1) == 1 {
                let code = bits.take(5) as usize;
                (run, change) = (code / 3, (code % 3) as i32 - 1);
            }
            if positions.len() + 1 + run > self.n_atoms {
                return Err(DAMAGED);
            }
            // A difference is written from zero on: half of its size stands for none.
            let middle = -(i32::try_from(SIZES[size] / 2).unwrap_or(0));
            let mut last = whole;
            for k in 0..run {
                last = add(add(last, small.read(&mut bits)), [middle; 3]);
                positions.push(place(last));
                if k == 0 {
                    positions.push(place(whole));
                }
            }
            if run == 0 {
                positions.push(place(whole));
            }
            if change != 0 {
                size = size.wrapping_add_signed(change as isize);
                if !(FIRST_SIZE..SIZES.len()).contains(&size) {
                    return Err(DAMAGED);
                }
                small = Triple::of_size(size);
            }
        }
        if bits.at > n_bits { Err(DAMAGED) } else { Ok(positions) }
    }
}

fn add(a: [i32; 3], b: [i32; 3]) -> [i32; 3] {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[2].wrapping_add(b[2])]
}

/// Bits that numbers up to and with `n` need.
fn bits_of(n: u128) -> u32 {
    128 - n.leading_zeros()
}

/// Reads bits, the highest of a byte first.
struct Bits<'a> {
    /// Ends with at least nine bytes that are not data.
    bytes: &'a [u8],
    /// bits
    at: usize,
}

impl Bits<'_> {
    /// The next `n` ≤ 57 bits; zeros far behind the end.
    fn take(&mut self, n: u32) -> u64 {
        if n == 0 {
            return 0;
        }
        let byte = self.at / 8;
        let window = self.bytes.get(byte..byte + 8).and_then(|w| w.try_into().ok()).unwrap_or([0; 8]);
        let value = (u64::from_be_bytes(window) << (self.at % 8)) >> (64 - n);
        self.at += n as usize;
        value
    }
}

/// Three numbers below three sizes, packed into `bits` bits: `(n₀ s₁ + n₁) s₂ + n₂`, its bytes from the lowest on.
struct Triple {
    sizes: [Divisor; 3],
    bits: u32,
}

impl Triple {
    fn new(sizes: [u64; 3], bits: u32) -> Self {
        Triple { sizes: sizes.map(|s| Divisor::new(s, bits)), bits }
    }

    fn of_size(size: usize) -> Self {
        Triple::new([u64::from(SIZES[size]); 3], size as u32)
    }

    fn read(&self, bits: &mut Bits) -> [i32; 3] {
        if self.bits > 57 {
            return self.read_wide(bits);
        }
        // Whole bytes come first, the lowest first; the last one may be short.
        let short = (self.bits - 1) % 8 + 1;
        let n_whole = self.bits - short;
        let value = bits.take(self.bits);
        let whole = if n_whole == 0 { 0 } else { (value >> short).swap_bytes() >> (64 - n_whole) };
        let packed = whole | ((value & ((1 << short) - 1)) << n_whole);
        let (rest, c) = self.sizes[2].divide(packed);
        let (a, b) = self.sizes[1].divide(rest);
        [a as i32, b as i32, c as i32]
    }

    /// More than 57 bits: cells of hundreds of nanometres.
    fn read_wide(&self, bits: &mut Bits) -> [i32; 3] {
        let (mut packed, mut at) = (0_u128, 0);
        while at < self.bits {
            let n = (self.bits - at).min(8);
            packed |= u128::from(bits.take(n)) << at;
            at += n;
        }
        let [_, b, c] = [0, 1, 2].map(|k: usize| u128::from(self.sizes[k].size));
        [(packed / c / b) as i32, (packed / c % b) as i32, (packed % c) as i32]
    }
}

/// Division by a number that stays the same: by its reciprocal where that is exact.
struct Divisor {
    size: u64,
    /// ⌈2⁶⁴/size⌉; zero where a dividend may be too large for it
    reciprocal: u64,
}

impl Divisor {
    /// * `bits` – of the largest dividend: the quotient is exact while dividend × size < 2⁶⁴
    fn new(size: u64, bits: u32) -> Self {
        let exact = size > 1 && bits + bits_of(u128::from(size)) <= 64;
        Divisor { size, reciprocal: if exact { u64::MAX / size + 1 } else { 0 } }
    }

    fn divide(&self, n: u64) -> (u64, u64) {
        let quotient = match self.reciprocal {
            0 => n / self.size,
            m => ((u128::from(n) * u128::from(m)) >> 64) as u64,
        };
        (quotient, n - quotient * self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use crate::io::structure::to_nm;
    use crate::random::{Draws, Stream};
    use std::path::Path;

    fn write(path: &Path, frames: &[Vec<DVec3>]) {
        let mut file = chemfiles::Trajectory::open(path, 'w').expect("opened");
        for positions in frames {
            let mut frame = chemfiles::Frame::new();
            frame.resize(positions.len());
            for (to, r) in frame.positions_mut().iter_mut().zip(positions) {
                *to = (*r * 10.0).to_array();
            }
            frame.set_cell(&chemfiles::UnitCell::new([30.0, 40.0, 50.0]));
            file.write(&frame).expect("written");
        }
    }

    fn read_all(path: &Path) -> Vec<XtcFrame> {
        let mut file = io::BufReader::new(std::fs::File::open(path).expect("file"));
        std::iter::from_fn(|| next_frame(&mut file).expect("readable")).collect()
    }

    #[test]
    fn frames_are_what_chemfiles_reads() {
        let mut draws = Draws::new(17, Stream::Build, 0);
        let mut point = |width: f64| DVec3::new(draws.normal(), draws.normal(), draws.normal()) * width;
        let mut frames: Vec<Vec<DVec3>> = Vec::new();
        // From nine atoms that are not packed to cells in which numbers are written one by one; in the middle, molecules of all sizes.
        for (n, width) in [(9, 1.0), (10, 1.0), (100, 0.001), (500, 3.0), (500, 300.0), (300, 5e3), (200, 9e4)] {
            frames.push((0..n).map(|_| point(width)).collect());
        }
        for molecule in [0.003, 0.03, 0.1, 0.3, 1.5, 9.0] {
            let mut positions = Vec::new();
            for m in 0..300 {
                let center = point(40.0);
                positions.extend((0..1 + m % 12).map(|_| center + point(molecule)));
            }
            frames.push(positions);
        }
        let folder = tempfile::tempdir().expect("scratch folder");
        for (k, frame) in frames.iter().enumerate() {
            let path = folder.path().join(format!("{k}.xtc"));
            write(&path, std::slice::from_ref(frame));
            let mut oracle = chemfiles::Frame::new();
            chemfiles::Trajectory::open(&path, 'r').and_then(|mut t| t.read(&mut oracle)).expect("readable");
            let expected = to_nm(oracle.positions());
            let found = read_all(&path);
            assert_eq!((found.len(), found[0].n_atoms), (1, frame.len()));
            assert_eq!(found[0].vectors, Some([DVec3::X * 3.0, DVec3::Y * 4.0, DVec3::Z * 5.0]));
            let positions = found[0].positions(Vec::new()).expect("sound");
            let widest = frame.iter().map(|r| r.abs().max_element()).fold(0.0, f64::max);
            for (i, (x, y)) in positions.iter().zip(&expected).enumerate() {
                // chemfiles goes through single precision, in ångström
                assert!((*x - *y).abs().max_element() <= 4.0 * f64::from(f32::EPSILON) * widest, "{k}, {i}: {x} {y}");
            }
            assert_eq!(positions.len(), expected.len());
        }
    }

    #[test]
    fn the_stored_trajectory_is_read_to_its_last_digit() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/analysis/zncl2.xtc");
        let mut oracle = chemfiles::Trajectory::open(&path, 'r').expect("readable");
        let frames = read_all(&path);
        assert_eq!(frames.len(), oracle.nsteps());
        for frame in frames {
            let mut expected = chemfiles::Frame::new();
            oracle.read(&mut expected).expect("readable");
            let positions = frame.positions(Vec::new()).expect("sound");
            for (x, y) in positions.iter().zip(to_nm(expected.positions())) {
                assert!((*x - y).abs().max_element() < 1e-6);
                let k = *x * 1000.0;
                assert!((k - k.round()).abs().max_element() < 1e-9, "whole picometres");
            }
            let [a, b, c] = frame.vectors.expect("a cell");
            assert!(Cell::new(a, b, c).is_ok());
        }
    }

    #[test]
    fn damaged_bits_are_an_error_or_other_numbers_never_a_panic() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/analysis/zncl2.xtc");
        let bytes = std::fs::read(path).expect("file");
        let mut refused = 0;
        for k in 0..600 {
            let mut bytes = bytes.clone();
            // The packed coordinates of the first frame and what describes them.
            let at = 56 + (k * 7919) % 1000;
            bytes[at] ^= 1 << (k % 8);
            match next_frame(&mut bytes.as_slice()) {
                Ok(Some(frame)) => refused += u32::from(frame.positions(Vec::new()).is_err()),
                _ => refused += 1,
            }
        }
        assert!(refused > 0);
        assert!(next_frame(&mut &bytes[..80]).is_err());
        assert!(next_frame(&mut &bytes[..0]).is_ok_and(|f| f.is_none()));
    }

    #[test]
    fn reciprocals_divide_exactly() {
        for size in [2_u64, 3, 7, 8, 101, 1290, 5060, 6658, 16_777_215] {
            let bits = 64 - bits_of(u128::from(size));
            let divisor = Divisor::new(size, bits);
            assert_ne!(divisor.reciprocal, 0);
            for n in (0..2000).chain((1 << bits) - 2000..1 << bits) {
                assert_eq!(divisor.divide(n), (n / size, n % size), "{n} / {size}");
            }
        }
    }
}
