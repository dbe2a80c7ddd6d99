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
use std::sync::LazyLock;

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
/// Bytes behind the packed ones: the reader of bits loads words.
const PADDING: usize = 16;
/// Atoms that may follow one that is written in full, as differences.
const MAX_RUN: usize = 10;
/// Bits that one load gives at least.
const LOADED: u32 = 57;

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

/// Which atoms of a frame are wanted; the others need not be unpacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// `[n_atoms]`: bit k of entry i says whether atom i + k is wanted.
    next: Vec<u16>,
    /// Behind the last wanted atom.
    end: usize,
}

impl Wanted {
    /// * `atoms` – of `0..n_atoms`, in any order
    pub fn new(n_atoms: usize, atoms: impl IntoIterator<Item = u32>) -> Self {
        let (mut next, mut end) = (vec![0; n_atoms], 0);
        for i in atoms.into_iter().map(|i| i as usize) {
            end = end.max(i + 1);
            for k in 0..=MAX_RUN.min(i) {
                next[i - k] |= 1 << k;
            }
        }
        Wanted { next, end }
    }
}

/// The next frame of the stream; `None` where it ends.
///
/// * `data` – memory to use again; what it holds is lost
pub fn next_frame(stream: &mut impl Read, mut data: Vec<u8>) -> io::Result<Option<XtcFrame>> {
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
    data.resize(n_bytes.next_multiple_of(4) + PADDING, 0);
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

    /// The memory of the frame, for another one.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Positions, `[n_atoms]`, nm.
    ///
    /// * `wanted` – of these atoms; `None` = all
    /// * `positions` – where they go; what is not wanted keeps what it held if the length is that of this frame
    pub fn unpack(&self, wanted: Option<&Wanted>, positions: &mut Vec<DVec3>) -> Result<(), &'static str> {
        positions.resize(self.n_atoms, DVec3::NAN);
        if self.n_atoms <= MAX_PLAIN {
            let coordinate = |k: usize| f64::from(float(&self.data, 4 * k));
            for (i, r) in positions.iter_mut().enumerate() {
                *r = DVec3::new(coordinate(3 * i), coordinate(3 * i + 1), coordinate(3 * i + 2));
            }
            return Ok(());
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt") {
            // SAFETY: the processor has these instructions.
            return unsafe { self.unpack_bmi2(wanted, positions) };
        }
        self.unpack_portable(wanted, positions)
    }

    /// As the portable one: shifts by any number of bits and products of 128 bits are one instruction each.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi2,lzcnt")]
    fn unpack_bmi2(&self, wanted: Option<&Wanted>, positions: &mut [DVec3]) -> Result<(), &'static str> {
        self.unpack_portable(wanted, positions)
    }

    #[inline(always)]
    fn unpack_portable(&self, wanted: Option<&Wanted>, positions: &mut [DVec3]) -> Result<(), &'static str> {
        match wanted {
            None => self.unpack_packed(self.n_atoms, |_| u16::MAX, positions),
            Some(wanted) => self.unpack_packed(wanted.end.min(self.n_atoms), |i| wanted.next[i], positions),
        }
    }

    /// * `end` – behind the last wanted atom
    /// * `wanted_from` – bit k of `wanted_from(i)` says whether atom i + k is wanted.
    #[inline(always)]
    fn unpack_packed(
        &self,
        end: usize,
        wanted_from: impl Fn(usize) -> u16,
        positions: &mut [DVec3],
    ) -> Result<(), &'static str> {
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
        let mut small = &SMALL[size];
        let mut bits = Bits { bytes: &self.data, at: 0 };
        let n_bits = 8 * (self.data.len() - PADDING);
        let scale = 1.0 / precision;
        let place = |r: [i32; 3]| DVec3::new(f64::from(r[0]), f64::from(r[1]), f64::from(r[2])) * scale;
        // One load holds an atom written in full and what is said of the run behind it.
        let is_short = is_packed && full.bits + 6 <= LOADED;
        let (mut run, mut at) = (0, 0);
        while at < end {
            if bits.at > n_bits {
                return Err(DAMAGED);
            }
            let (mut raw, mut code) = ([0; 3], None);
            let mut packed = 0;
            if is_short {
                let window = bits.window();
                packed = window >> (64 - full.bits);
                let behind = window << full.bits >> 58;
                code = (behind & 32 != 0).then_some((behind & 31) as usize);
                bits.at += full.bits as usize + if code.is_some() { 6 } else { 1 };
            } else {
                raw = if is_packed { full.read(&mut bits) } else { widths.map(|w| bits.take(w) as i32) };
                if bits.take(1) == 1 {
                    code = Some(bits.take(5) as usize);
                }
            }
            let mut change = 0;
            if let Some(code) = code {
                (run, change) = (code / 3, (code % 3) as i32 - 1);
            }
            let n = 1 + run;
            if at + n > self.n_atoms {
                return Err(DAMAGED);
            }
            let wanted = wanted_from(at) & ((1_u32 << n) - 1) as u16;
            let behind = bits.at + run * small.bits as usize;
            if wanted != 0 {
                if is_short {
                    raw = full.unpack(packed);
                }
                let whole = add(raw, low);
                // The first difference is of the atom before the one written in full, and the others follow that one.
                let n_differences = match wanted.ilog2() as usize {
                    _ if run == 0 => 0,
                    0 => 1,
                    1 => usize::from(wanted & 1),
                    last => last,
                };
                if wanted >> usize::from(run > 0) & 1 == 1 {
                    positions[at + usize::from(run > 0)] = place(whole);
                }
                let mut last = whole;
                for k in 0..n_differences {
                    last = add(add(last, small.read(&mut bits)), small.middle);
                    let of = k + usize::from(k > 0);
                    if wanted >> of & 1 == 1 {
                        positions[at + of] = place(last);
                    }
                }
            }
            bits.at = behind;
            at += n;
            if change != 0 {
                size = size.wrapping_add_signed(change as isize);
                if !(FIRST_SIZE..SIZES.len()).contains(&size) {
                    return Err(DAMAGED);
                }
                small = &SMALL[size];
            }
        }
        if bits.at > n_bits { Err(DAMAGED) } else { Ok(()) }
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
    /// The next bits from the highest on, [`LOADED`] of them at least; zeros far behind the end.
    #[inline(always)]
    fn window(&self) -> u64 {
        let byte = self.at / 8;
        let window = self.bytes.get(byte..byte + 8).and_then(|w| w.try_into().ok()).unwrap_or([0; 8]);
        u64::from_be_bytes(window) << (self.at % 8)
    }

    /// The next `n` ≤ [`LOADED`] bits.
    #[inline(always)]
    fn take(&mut self, n: u32) -> u64 {
        if n == 0 {
            return 0;
        }
        let value = self.window() >> (64 - n);
        self.at += n as usize;
        value
    }
}

/// Three numbers below three sizes, packed into `bits` bits: `(n₀ s₁ + n₁) s₂ + n₂`, its bytes from the lowest on.
struct Triple {
    sizes: [Divisor; 3],
    bits: u32,
    /// Added to a difference: it is written from zero on, and half of its size stands for none.
    middle: [i32; 3],
}

/// The triples of small differences, by the index into [`SIZES`].
static SMALL: LazyLock<Vec<Triple>> = LazyLock::new(|| {
    let triple = |(bits, &size): (usize, &u32)| Triple {
        middle: [-(size / 2).cast_signed(); 3],
        ..Triple::new([u64::from(size.max(1)); 3], bits as u32)
    };
    SIZES.iter().enumerate().map(triple).collect()
});

impl Triple {
    fn new(sizes: [u64; 3], bits: u32) -> Self {
        Triple { sizes: sizes.map(|s| Divisor::new(s, bits)), bits, middle: [0; 3] }
    }

    #[inline(always)]
    fn read(&self, bits: &mut Bits) -> [i32; 3] {
        if self.bits > LOADED {
            return self.read_wide(bits);
        }
        self.unpack(bits.take(self.bits))
    }

    /// * `value` – the bits as they stand in the file, at least one
    #[inline(always)]
    fn unpack(&self, value: u64) -> [i32; 3] {
        // Whole bytes come first, the lowest first; the last one may be short.
        let short = (self.bits - 1) % 8 + 1;
        let n_whole = self.bits - short;
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

    #[inline(always)]
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

    fn positions(frame: &XtcFrame) -> Result<Vec<DVec3>, &'static str> {
        let mut positions = Vec::new();
        frame.unpack(None, &mut positions).map(|()| positions)
    }

    fn read_all(path: &Path) -> Vec<XtcFrame> {
        let mut file = io::BufReader::new(std::fs::File::open(path).expect("file"));
        std::iter::from_fn(|| next_frame(&mut file, Vec::new()).expect("readable")).collect()
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
            let positions = positions(&found[0]).expect("sound");
            let widest = frame.iter().map(|r| r.abs().max_element()).fold(0.0, f64::max);
            for (i, (x, y)) in positions.iter().zip(&expected).enumerate() {
                // chemfiles goes through single precision, in ångström
                assert!((*x - *y).abs().max_element() <= 4.0 * f64::from(f32::EPSILON) * widest, "{k}, {i}: {x} {y}");
            }
            assert_eq!(positions.len(), expected.len());
            let mut portable = vec![DVec3::NAN; frame.len()];
            if frame.len() > MAX_PLAIN {
                found[0].unpack_portable(None, &mut portable).expect("sound");
                assert_eq!(portable, positions);
            }
            // Some of the atoms: the same numbers, and nothing where nobody asked.
            let patterns: [fn(usize) -> bool; 6] =
                [|i| i % 3 == 0, |i| i % 3 == 1, |i| i % 5 > 2, |i| i * i % 7 == 2, |i| i == 57, |_| false];
            for is_wanted in patterns {
                let atoms = (0..frame.len()).filter(|i| is_wanted(*i)).map(|i| i as u32);
                let mut some = Vec::new();
                found[0].unpack(Some(&Wanted::new(frame.len(), atoms)), &mut some).expect("sound");
                assert_eq!(some.len(), frame.len());
                for (i, (x, y)) in some.iter().zip(&positions).enumerate() {
                    assert!(if is_wanted(i) || frame.len() <= MAX_PLAIN { x == y } else { x.is_nan() }, "{k}, {i}");
                }
            }
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
            let positions = positions(&frame).expect("sound");
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
            match next_frame(&mut bytes.as_slice(), Vec::new()) {
                Ok(Some(frame)) => refused += u32::from(positions(&frame).is_err()),
                _ => refused += 1,
            }
        }
        assert!(refused > 0);
        assert!(next_frame(&mut &bytes[..80], Vec::new()).is_err());
        assert!(next_frame(&mut &bytes[..0], Vec::new()).is_ok_and(|f| f.is_none()));
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
