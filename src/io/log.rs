//! `log.csv`: one line per report of a run. Written as the run goes, read back by the report.
//!
//! Knows columns and numbers, not physics. The first line names every column with its unit; an empty field means
//! "not defined here" (a minimisation has no temperature).

use super::output::{OutputError, open_stream_at};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Why `log.csv` could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{}: the energy terms of this run do not match the columns of the log it should continue: {expected:?} in the file, {found:?} now", .path.display())]
    Columns { path: PathBuf, expected: Vec<String>, found: Vec<String> },
    #[error("{}, line {line}: {what}", .path.display())]
    Malformed { path: PathBuf, line: usize, what: String },
}

/// One report. Energies in kJ/mol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRow<'a> {
    pub step: u64,
    /// ps
    pub time: f64,
    /// Name of the stage.
    pub stage: &'a str,
    /// K
    pub temperature: Option<f64>,
    /// bar
    pub pressure: Option<f64>,
    /// nm³
    pub volume: f64,
    /// g/cm³
    pub density: f64,
    pub kinetic: Option<f64>,
    pub potential: f64,
    /// Potential energy by term, the same terms in every row of a file.
    pub terms: &'a [(&'static str, f64)],
    /// From potential-shifted pair energies, minus the heat of the thermostat.
    pub conserved: Option<f64>,
    /// Electrodes and their charges, e, the same in every row of a file.
    pub charges: &'a [(&'a str, f64)],
    /// Electrodes of given charge and their potentials, V, the same in every row of a file; NaN where they are not known.
    pub potentials: &'a [(&'a str, f64)],
    /// By the names in [`READINGS`], the same in every row of a file; NaN where there is none.
    pub readings: &'a [(&'static str, f64)],
}

/// Appends rows to `log.csv`. Every row reaches the operating system at once, so `tail -f` works.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    length: u64,
    /// Term names; `None` until the header is written.
    terms: Option<Vec<String>>,
}

impl LogWriter {
    /// A new, empty log; the header follows with the first row.
    pub fn create(path: &Path) -> Result<Self, LogError> {
        let file = File::create(path).map_err(|e| OutputError::io("create", path, e))?;
        Ok(LogWriter { path: path.to_path_buf(), file, length: 0, terms: None })
    }

    /// Continues a log after cutting it to `length` bytes.
    pub fn resume(path: &Path, length: u64) -> Result<Self, LogError> {
        if length == 0 {
            return Self::create(path);
        }
        let mut file = open_stream_at(path, length)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| OutputError::io("read", path, e))?;
        if !text.ends_with('\n') {
            let line = text.lines().count();
            return Err(LogError::Malformed { path: path.to_path_buf(), line, what: "the line is cut off".into() });
        }
        let log = Log::parse(&text, path)?;
        file.seek(SeekFrom::End(0)).map_err(|e| OutputError::io("append to", path, e))?;
        let fixed = columns(std::iter::empty());
        let terms = log.columns.iter().map(|c| c.name.clone()).filter(|n| fixed.iter().all(|f| f.0 != *n)).collect();
        Ok(LogWriter { path: path.to_path_buf(), file, length, terms: Some(terms) })
    }

    /// Adds one row.
    pub fn write(&mut self, row: &LogRow) -> Result<(), LogError> {
        let charges = row.charges.iter().map(|(name, _)| format!("{CHARGE}{name}"));
        let potentials = row.potentials.iter().map(|(name, _)| format!("{POTENTIAL}{name}"));
        let readings = row.readings.iter().map(|r| r.0.to_string());
        let terms = row.terms.iter().map(|t| t.0.to_string());
        let names: Vec<String> = terms.chain(charges).chain(potentials).chain(readings).collect();
        let mut text = String::new();
        match &self.terms {
            None => {
                let heads: Vec<String> = columns(names.iter().cloned())
                    .into_iter()
                    .map(|(name, unit)| if unit.is_empty() { name } else { format!("{name} ({unit})") })
                    .collect();
                text = heads.join(",") + "\n";
                self.terms = Some(names);
            }
            Some(expected) if *expected != names => {
                return Err(LogError::Columns { path: self.path.clone(), expected: expected.clone(), found: names });
            }
            Some(_) => {}
        }
        // Commas and line ends would break the table; stage names are the user's.
        let stage: String = row.stage.chars().map(|c| if c == ',' || c.is_control() { ' ' } else { c }).collect();
        let mut line = format!("{:.6},{},{stage}", row.time, row.step);
        let mut field = |value: Option<f64>, digits: usize| {
            line.push(',');
            if let Some(v) = value.filter(|v| !v.is_nan()) {
                // Writing to a String cannot fail.
                let _ = write!(line, "{v:.digits$}");
            }
        };
        field(row.temperature, 4);
        field(row.pressure, 4);
        field(Some(row.volume), 6);
        field(Some(row.density), 6);
        field(row.kinetic, 6);
        field(Some(row.potential), 6);
        row.terms.iter().for_each(|t| field(Some(t.1), 6));
        field(row.conserved, 6);
        row.charges.iter().for_each(|c| field(Some(c.1), 9));
        row.potentials.iter().for_each(|p| field(Some(p.1), 6));
        row.readings.iter().for_each(|r| field(Some(r.1), 6));
        text += &line;
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|e| OutputError::io("append to", &self.path, e))?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// Makes everything written so far durable; returns the length in bytes, for the checkpoint.
    pub fn flush(&mut self) -> Result<u64, LogError> {
        self.file.sync_data().map_err(|e| OutputError::io("sync", &self.path, e))?;
        Ok(self.length)
    }

    pub fn len_bytes(&self) -> u64 {
        self.length
    }
}

/// Begins the names of columns with charges of electrodes.
pub const CHARGE: &str = "charge_";
/// Begins the names of columns with potentials of electrodes of given charge.
pub const POTENTIAL: &str = "potential_";

/// What a piston does: the gap that it closes, the density of the liquid in the accessible part of it, and what the slab feels
/// from everything else.
pub const OF_PISTON: [&str; 3] = ["gap", "liquid_density", "wall_pressure"];
/// Σ q z of all charges, in a finite field.
pub const DIPOLE: &str = "dipole_z";

/// Readings that are no energies, with units.
const READINGS: [(&str, &str); 4] =
    [(OF_PISTON[0], "nm"), (OF_PISTON[1], "g/cm3"), (OF_PISTON[2], "bar"), (DIPOLE, "e nm")];

/// Column names and units in the order of the file.
fn columns(terms: impl Iterator<Item = String>) -> Vec<(String, &'static str)> {
    let head = [("time", "ps"), ("step", ""), ("stage", ""), ("temperature", "K"), ("pressure", "bar")].map(own);
    let head = head.into_iter().chain([("volume", "nm3"), ("density", "g/cm3")].map(own));
    let energies = [("kinetic", "kJ/mol"), ("potential", "kJ/mol")].map(own);
    let (charges, terms): (Vec<String>, Vec<String>) = terms.partition(|name| name.starts_with(CHARGE));
    let (potentials, terms): (Vec<String>, Vec<String>) =
        terms.into_iter().partition(|name| name.starts_with(POTENTIAL));
    let reading = |name: &String| READINGS.into_iter().find(|r| r.0 == name.as_str());
    let readings: Vec<_> = terms.iter().filter_map(reading).map(own).collect();
    let terms = terms.into_iter().filter(|name| reading(name).is_none());
    let terms = terms.map(|t| (t, "kJ/mol")).chain([own(("conserved", "kJ/mol"))]);
    let electrodes = charges.into_iter().map(|c| (c, "e")).chain(potentials.into_iter().map(|p| (p, "V")));
    return head.chain(energies).chain(terms).chain(electrodes).chain(readings).collect();

    fn own((name, unit): (&str, &'static str)) -> (String, &'static str) {
        (name.to_string(), unit)
    }
}

/// One column of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogColumn {
    pub name: String,
    /// Empty for `step`.
    pub unit: String,
    /// `[n_rows]`; NaN where the field is empty
    pub values: Vec<f64>,
}

/// A log read back: numeric columns, and the stage of every row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    pub columns: Vec<LogColumn>,
    /// `[n_rows]`
    pub stages: Vec<String>,
}

impl Log {
    /// Reads a log. A last line without its line end (a run that is still going, or was killed) is left out.
    pub fn read(path: &Path) -> Result<Self, LogError> {
        let text = fs::read_to_string(path).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => {
                LogError::Malformed { path: path.to_path_buf(), line: 1, what: "this is not a text file".into() }
            }
            _ => OutputError::io("read", path, e).into(),
        })?;
        Self::parse(&text[..text.rfind('\n').map_or(0, |end| end + 1)], path)
    }

    pub fn n_rows(&self) -> usize {
        self.stages.len()
    }

    /// Values of the column `name`, `[n_rows]`.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|c| c.name == name).map(|c| c.values.as_slice())
    }

    fn parse(text: &str, path: &Path) -> Result<Self, LogError> {
        let malformed = |line: usize, what: String| LogError::Malformed { path: path.to_path_buf(), line, what };
        let mut lines = text.lines().enumerate();
        let Some((_, head)) = lines.next() else { return Ok(Log::default()) };
        let heads: Vec<&str> = head.split(',').collect();
        let Some(stage_field) = heads.iter().position(|h| *h == "stage") else {
            return Err(malformed(1, "the head of the table has no column `stage`".into()));
        };
        let numeric = |heads: &[&str]| -> Vec<LogColumn> {
            let columns = heads.iter().filter(|h| **h != "stage").map(|h| {
                let (name, unit) = h.split_once(" (").map_or((*h, ""), |(n, u)| (n, u.trim_end_matches(')')));
                LogColumn { name: name.into(), unit: unit.into(), values: Vec::new() }
            });
            columns.collect()
        };
        let mut log = Log { columns: numeric(&heads), stages: Vec::new() };
        for (index, line) in lines {
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != heads.len() {
                let what = format!("{} fields, the head has {}", fields.len(), heads.len());
                return Err(malformed(index + 1, what));
            }
            log.stages.push(fields[stage_field].into());
            let numbers = fields.iter().enumerate().filter(|(k, _)| *k != stage_field).map(|(_, f)| f);
            for (column, field) in log.columns.iter_mut().zip(numbers) {
                let value = if field.is_empty() { Ok(f64::NAN) } else { field.parse() };
                column.values.push(value.map_err(|_| malformed(index + 1, format!("`{field}` is not a number")))?);
            }
        }
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: [(&str, f64); 2] = [("lj", 3.25), ("coulomb_real", -7.5)];

    fn row(step: u64) -> LogRow<'static> {
        LogRow {
            step,
            time: 0.002 * step as f64,
            stage: "production",
            temperature: Some(298.15),
            pressure: None,
            volume: 8.0,
            density: 0.997,
            kinetic: Some(12.5),
            potential: -4.25,
            terms: &TERMS,
            conserved: Some(8.25),
            charges: &[("lower", -0.25)],
            potentials: &[("lower", 1.5)],
            readings: &[],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("log.csv");
        let mut writer = LogWriter::create(&path).expect("creates");
        (0..3).for_each(|k| writer.write(&row(500 * k)).expect("writes"));
        let text = fs::read_to_string(&path).expect("reads");
        assert_eq!(
            text.lines().next(),
            Some(
                "time (ps),step,stage,temperature (K),pressure (bar),volume (nm3),density (g/cm3),\
                 kinetic (kJ/mol),potential (kJ/mol),lj (kJ/mol),coulomb_real (kJ/mol),conserved (kJ/mol),charge_lower (e),potential_lower (V)"
            )
        );
        assert_eq!(writer.flush().expect("syncs"), text.len() as u64);
        let log = Log::read(&path).expect("parses");
        assert_eq!(log.n_rows(), 3);
        assert_eq!(log.column("time"), Some([0.0, 1.0, 2.0].as_slice()));
        assert_eq!(log.column("coulomb_real"), Some([-7.5; 3].as_slice()));
        assert_eq!(log.column("potential_lower"), Some([1.5; 3].as_slice()));
        assert_eq!(log.column("potential"), Some([-4.25; 3].as_slice()));
        assert!(log.column("pressure").is_some_and(|c| c.iter().all(|v| v.is_nan())));
        assert_eq!(log.columns[0].unit, "ps");
    }

    #[test]
    fn a_resumed_log_equals_an_unbroken_one() {
        let scratch = tempfile::tempdir().expect("scratch");
        let (broken, whole) = (scratch.path().join("a.csv"), scratch.path().join("b.csv"));
        let mut writer = LogWriter::create(&whole).expect("creates");
        (0..6).for_each(|k| writer.write(&row(k)).expect("writes"));
        let mut writer = LogWriter::create(&broken).expect("creates");
        (0..3).for_each(|k| writer.write(&row(k)).expect("writes"));
        let length = writer.flush().expect("syncs");
        (70..75).for_each(|k| writer.write(&row(k)).expect("writes"));
        let mut writer = LogWriter::resume(&broken, length).expect("resumes");
        (3..6).for_each(|k| writer.write(&row(k)).expect("writes"));
        assert_eq!(fs::read(broken).expect("reads"), fs::read(whole).expect("reads"));
    }

    #[test]
    fn changed_terms_and_bad_lines_are_errors() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("log.csv");
        let mut writer = LogWriter::create(&path).expect("creates");
        writer.write(&row(0)).expect("writes");
        let other = LogRow { terms: &TERMS[..1], ..row(1) };
        assert!(matches!(writer.write(&other), Err(LogError::Columns { .. })));
        let mut resumed = LogWriter::resume(&path, writer.len_bytes()).expect("resumes");
        assert!(matches!(resumed.write(&other), Err(LogError::Columns { .. })));
        let text = fs::read_to_string(&path).expect("reads");
        fs::write(&path, text.replace("12.500000", "twelve")).expect("writes");
        let error = Log::read(&path).expect_err("not a number");
        assert!(error.to_string().contains("line 2") && error.to_string().contains("twelve"), "{error}");
        fs::write(&path, text.trim_end()).expect("writes");
        assert_eq!(Log::read(&path).expect("a cut last line is left out").n_rows(), 0);
    }
}
