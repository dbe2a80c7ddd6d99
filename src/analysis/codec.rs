//! Exact binary form of accumulated data for checkpoints: little-endian, floats by their bits, zeros run-length coded.
//!
//! Knows nothing of what the numbers mean. (JSON is not used: a decimal round trip must not decide whether a resumed
//! run repeats an unbroken one.)

use super::AnalysisError;

const MAGIC: &[u8; 8] = b"HXQANA03";

/// Appends values to a byte string.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    #[expect(clippy::new_without_default, reason = "a writer starts with a header, it is not an empty value")]
    pub fn new() -> Self {
        Writer { bytes: MAGIC.to_vec() }
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    pub fn text(&mut self, value: &str) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// An array: its length, then alternating runs of zeros (a count) and of other values (a count and the values).
    pub fn array(&mut self, values: &[f64]) {
        self.u64(values.len() as u64);
        let mut rest = values;
        while !rest.is_empty() {
            let zeros = rest.iter().take_while(|v| v.to_bits() == 0).count();
            let others = rest[zeros..].iter().take_while(|v| v.to_bits() != 0).count();
            self.u64(zeros as u64);
            self.u64(others as u64);
            for &value in &rest[zeros..zeros + others] {
                self.f64(value);
            }
            rest = &rest[zeros + others..];
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads back what [`Writer`] wrote; every call fails cleanly on damaged data.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

fn damaged(what: &str) -> AnalysisError {
    AnalysisError::Checkpoint(what.to_string())
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, AnalysisError> {
        match bytes.strip_prefix(MAGIC) {
            Some(rest) => Ok(Reader { bytes: rest }),
            None => Err(damaged("it does not start with the mark of this version")),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], AnalysisError> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or_else(|| damaged("it ends too early"))?;
        self.bytes = tail;
        Ok(head)
    }

    pub fn u64(&mut self) -> Result<u64, AnalysisError> {
        let head = self.take(8)?;
        let mut raw = [0; 8];
        raw.copy_from_slice(head);
        Ok(u64::from_le_bytes(raw))
    }

    pub fn f64(&mut self) -> Result<f64, AnalysisError> {
        Ok(f64::from_bits(self.u64()?))
    }

    pub fn text(&mut self) -> Result<String, AnalysisError> {
        let n = self.u64()?;
        let head = self.take(usize::try_from(n).map_err(|_| damaged("a text is too long"))?)?;
        String::from_utf8(head.to_vec()).map_err(|_| damaged("a text is not UTF-8"))
    }

    /// An array of exactly `expected` values.
    pub fn array(&mut self, expected: usize) -> Result<Vec<f64>, AnalysisError> {
        if self.u64()? != expected as u64 {
            return Err(damaged("an array has another length"));
        }
        let mut values = vec![0.0; expected];
        let mut at = 0_usize;
        while at < expected {
            let (zeros, others) = (self.u64()?, self.u64()?);
            let room = (expected - at) as u64;
            if zeros > room || others > room - zeros || zeros + others == 0 {
                return Err(damaged("an array has broken runs"));
            }
            at += zeros as usize;
            for value in &mut values[at..at + others as usize] {
                *value = self.f64()?;
            }
            at += others as usize;
        }
        Ok(values)
    }

    /// Nothing must be left.
    pub fn end(&self) -> Result<(), AnalysisError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(damaged("it has bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_is_exact_and_damage_is_an_error() {
        let values = [0.0, 0.0, 1.0 / 3.0, -0.0, f64::MIN_POSITIVE, 0.0, 7.0, 0.0];
        let mut writer = Writer::new();
        writer.text("Zn2+");
        writer.array(&values);
        writer.f64(0.1);
        let bytes = writer.finish();
        let read = |bytes: &[u8]| -> Result<(String, Vec<u64>, f64), AnalysisError> {
            let mut reader = Reader::new(bytes)?;
            let text = reader.text()?;
            let bits = reader.array(8)?.iter().map(|v| v.to_bits()).collect();
            let last = reader.f64()?;
            reader.end().map(|()| (text, bits, last))
        };
        let (text, bits, last) = read(&bytes).expect("whole");
        assert_eq!((text.as_str(), last), ("Zn2+", 0.1));
        assert_eq!(bits, values.map(f64::to_bits));
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
