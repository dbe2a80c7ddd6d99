//! The GROMACS `.gro` format, exact to the last printed digit.
//!
//! Own reader and writer because chemfiles takes every column as eight characters wide and goes through ångström: files
//! with more than three decimals, which the format allows (the distance between the decimal points gives the width),
//! would be misread. Knows text and numbers; checking what they mean is [`super::structure`]'s business.
//!
//! Format: <https://manual.gromacs.org/current/reference-manual/file-formats.html#gro>

use crate::build::MoleculeTrees;
use crate::cell::Cell;
use crate::system::{State, Topology};
use glam::DVec3;
use std::fmt::Write as _;
use std::io::BufRead;

/// Decimals of positions in the structures that a run leaves behind (velocities have one more): 1e-6 nm.
pub const DECIMALS: usize = 6;
/// Decimals that readers with fixed columns (chemfiles, VMD) expect.
pub const CLASSIC_DECIMALS: usize = 3;

/// What is wrong and where.
#[derive(Debug)]
pub(super) struct GroFault {
    /// Line number from 1.
    pub line: usize,
    pub what: String,
}

/// One configuration of a file, as written.
#[derive(Debug, Default)]
pub(super) struct GroFrame {
    pub title: String,
    pub residue_ids: Vec<i64>,
    pub residue_names: Vec<String>,
    pub names: Vec<String>,
    /// nm
    pub positions: Vec<DVec3>,
    /// nm/ps; present when every atom has them
    pub velocities: Option<Vec<DVec3>>,
    /// Lattice vectors a, b, c, nm; `None` when the file says zero
    pub vectors: Option<[DVec3; 3]>,
    /// Line of the first atom and of the box.
    pub first_line: usize,
    pub box_line: usize,
    /// Does the box line end with a line end? If not, its last number may be cut off.
    pub is_closed: bool,
}

/// Reads configurations one after the other.
pub(super) struct GroReader<R> {
    lines: R,
    line: usize,
    /// Did the last line have a line end?
    closed: bool,
}

impl<R: BufRead> GroReader<R> {
    pub fn new(lines: R) -> Self {
        GroReader { lines, line: 0, closed: true }
    }

    fn fault<T>(&self, what: impl Into<String>) -> Result<T, GroFault> {
        Err(GroFault { line: self.line, what: what.into() })
    }

    fn next_line(&mut self) -> Result<Option<String>, GroFault> {
        let mut text = String::new();
        self.line += 1;
        match self.lines.read_line(&mut text) {
            Ok(0) => Ok(None),
            Ok(_) => {
                self.closed = text.ends_with('\n');
                Ok(Some(text.trim_end_matches(['\n', '\r']).to_string()))
            }
            Err(e) => self.fault(e.to_string()),
        }
    }

    /// The next configuration; `None` at the end of the file.
    pub fn next_frame(&mut self) -> Result<Option<GroFrame>, GroFault> {
        let Some(title) = self.next_line()? else { return Ok(None) };
        let count = match self.next_line()? {
            Some(text) => text.trim().parse::<usize>().or_else(|_| self.fault(format!("`{text}` is no atom count")))?,
            // Blank lines at the end are not a configuration.
            None if title.trim().is_empty() => return Ok(None),
            None => return self.fault("the file ends before the number of atoms"),
        };
        let mut frame = GroFrame { title, first_line: self.line + 1, ..GroFrame::default() };
        let mut velocities = Vec::new();
        let mut width = 8;
        for i in 0..count {
            let Some(text) = self.next_line()? else {
                return self.fault(format!("the file ends after {i} of {count} atoms"));
            };
            if i == 0 {
                width = column_width(&text);
            }
            let Some((id, residue, name)) = labels(&text) else {
                return self.fault(format!("`{text}` is no atom line (is the number of atoms, {count}, right?)"));
            };
            frame.residue_ids.push(id);
            frame.residue_names.push(residue.trim().into());
            frame.names.push(name.trim().into());
            let Some(position) = vector(&text, 20, width) else {
                return self.fault(format!("the coordinates of atom {} in `{text}` are not three numbers", i + 1));
            };
            frame.positions.push(position);
            if text.get(20 + 3 * width..).is_some_and(|rest| !rest.trim().is_empty()) {
                let Some(velocity) = vector(&text, 20 + 3 * width, width) else {
                    return self.fault(format!("the velocities of atom {} in `{text}` are not three numbers", i + 1));
                };
                velocities.push(velocity);
            }
        }
        frame.velocities = (count > 0 && velocities.len() == count).then_some(velocities);
        let Some(text) = self.next_line()? else { return self.fault("the file ends before the box line") };
        (frame.box_line, frame.is_closed) = (self.line, self.closed);
        let numbers: Option<Vec<f64>> = text.split_whitespace().map(|t| t.parse().ok()).collect();
        frame.vectors = match numbers.as_deref() {
            Some([x, y, z]) => Some([DVec3::X * *x, DVec3::Y * *y, DVec3::Z * *z]),
            Some([ax, by, cz, ay, az, bx, bz, cx, cy]) => {
                Some([DVec3::new(*ax, *ay, *az), DVec3::new(*bx, *by, *bz), DVec3::new(*cx, *cy, *cz)])
            }
            _ => return self.fault(format!("`{text}` is no box: three or nine lengths in nm are needed")),
        };
        frame.vectors = frame.vectors.filter(|v| v.iter().any(|v| *v != DVec3::ZERO));
        Ok(Some(frame))
    }
}

/// Width of a coordinate column: the distance between the first decimal points after the labels.
fn column_width(line: &str) -> usize {
    let points: Vec<usize> = line.bytes().enumerate().skip(20).filter(|(_, b)| *b == b'.').map(|(k, _)| k).collect();
    match points[..] {
        [first, second, third, ..] if third - second == second - first => second - first,
        _ => 8,
    }
}

/// Residue number, residue name, atom name. A residue number that does not fit its column counts as zero.
fn labels(line: &str) -> Option<(i64, &str, &str)> {
    Some((line.get(0..5)?.trim().parse().unwrap_or(0), line.get(5..10)?, line.get(10..15)?))
}

fn vector(line: &str, start: usize, width: usize) -> Option<DVec3> {
    let field = |k: usize| {
        let from = start + k * width;
        line.get(from..line.len().min(from + width))?.trim().parse::<f64>().ok()
    };
    Some(DVec3::new(field(0)?, field(1)?, field(2)?))
}

/// Why a configuration does not fit the columns.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{atom}: {what} does not fit the columns of the .gro format")]
pub struct GroOverflow {
    pub atom: String,
    pub what: String,
}

/// The text of one configuration.
///
/// * molecules whole, their first atoms inside the cell; atoms and residues numbered from 1, modulo
///   100000
/// * `velocities` – `[n_atoms]`, nm/ps, or `None`
/// * `decimals` – of positions; velocities get one more, the box three more
///
/// The same input gives the same bytes.
pub(super) fn format_gro(
    topology: &Topology,
    trees: &MoleculeTrees,
    (cell, positions, velocities): (&Cell, &[DVec3], Option<&[DVec3]>),
    title: &str,
    decimals: usize,
) -> Result<String, GroOverflow> {
    let width = decimals + 5;
    let placed = trees.whole_in_cell(topology, cell, positions);
    let mut text = String::with_capacity((21 + 6 * width) * placed.len() + 200);
    text.extend(title.chars().map(|c| if c.is_control() { ' ' } else { c }));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{:5}", placed.len());
    let mut before = 0; // residues of the molecules before this one
    for (i, r) in placed.iter().enumerate() {
        let (species, local) = topology.site(i);
        if local == 0 && i > 0 {
            before += topology.site(i - 1).0.n_residues();
        }
        let (ordinal, residue) = species.residue_of(local);
        let label = |s: &str| s.chars().take(5).collect::<String>();
        let _ = write!(
            text,
            "{:5}{:<5}{:>5}{:5}",
            (before + ordinal + 1) % 100_000,
            label(residue),
            label(&species.atoms[local].name),
            (i + 1) % 100_000
        );
        let mut columns = |v: &DVec3, digits: usize, what: &str| {
            let start = text.len();
            for x in v.to_array() {
                let _ = write!(text, "{x:width$.digits$}");
            }
            // NaN and numbers too long for their column would shift or hide what follows.
            let fits = v.is_finite() && text.len() - start == 3 * width;
            let overflow = || GroOverflow { atom: topology.describe_atom(i), what: format!("{what} {v}") };
            fits.then_some(()).ok_or_else(overflow)
        };
        columns(r, decimals, "position")?;
        if let Some(velocities) = velocities {
            columns(&velocities[i], decimals + 1, "velocity")?;
        }
        text.push('\n');
    }
    let [a, b, c] = [cell.vectors().x_axis, cell.vectors().y_axis, cell.vectors().z_axis];
    let (wide, fine) = (width + 3, decimals + 3);
    let _ = write!(text, "{:wide$.fine$}{:wide$.fine$}{:wide$.fine$}", a.x, b.y, c.z);
    if !cell.is_orthorhombic() {
        for x in [a.y, a.z, b.x, b.z, c.x, c.y] {
            let _ = write!(text, "{x:wide$.fine$}");
        }
    }
    text.push('\n');
    Ok(text)
}

/// [`format_gro`] of a state, with its time and step in the title as GROMACS does.
pub(super) fn format_state(
    topology: &Topology,
    state: &State,
    title: &str,
    decimals: usize,
) -> Result<String, GroOverflow> {
    let title = format!("{} t= {:.6} step= {}", title.trim_end(), state.time, state.step);
    let configuration = (&state.cell, state.positions.as_slice(), Some(state.velocities.as_slice()));
    format_gro(topology, &MoleculeTrees::new(topology), configuration, &title, decimals)
}

/// Time (ps) and step out of a title such as `water t= 12.50000 step= 6250`.
pub(super) fn time_and_step(title: &str) -> (Option<f64>, Option<u64>) {
    fn value<T: std::str::FromStr>(title: &str, key: &str) -> Option<T> {
        let rest = &title[title.rfind(key)? + key.len()..];
        rest.split_whitespace().next()?.parse().ok()
    }
    (value(title, "t="), value(title, "step="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_follows_from_the_decimal_points() {
        assert_eq!(column_width("    1SOL     OW    1   0.155   1.594   1.635 -0.2772 -0.1930  0.3301"), 8);
        assert_eq!(column_width("    1GRP      C    1   0.000000   0.000000   0.400000"), 11);
        assert_eq!(column_width("    1SOL     OW    1     nan   1.594   1.635"), 8);
    }

    #[test]
    fn time_and_step_are_found_in_a_title() {
        assert_eq!(time_and_step("Zn in water t= 12.50000 step= 6250"), (Some(12.5), Some(6250)));
        assert_eq!(time_and_step("Generated by hand"), (None, None));
    }

    #[test]
    fn faults_name_the_line() {
        let fault = |text: &str| GroReader::new(text.as_bytes()).next_frame().expect_err("a bad file");
        let good = "t\n1\n    1SOL     OW    1   0.155   1.594   1.635\n 2.0 2.0 2.0\n";
        assert!(GroReader::new(good.as_bytes()).next_frame().is_ok_and(|f| f.is_some()));
        for (from, to, line) in [
            ("\n1\n", "\none\n", 2),
            ("\n1\n", "\n2\n", 4),
            ("1.594", "x.594", 3),
            ("1.594   1.635", "1.594", 3),
            (" 2.0 2.0 2.0", " 2.0 2.0", 4),
            ("2.0 2.0 2.0\n", "", 4),
        ] {
            let fault = fault(&good.replace(from, to));
            assert_eq!(fault.line, line, "{from:?} -> {to:?}: {}", fault.what);
        }
    }
}
