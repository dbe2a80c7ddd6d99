//! Structure files: any format chemfiles reads, and `.gro` by our own reader (see [`super::gro`] for why).
//!
//! A structure that comes out of here is sound: every coordinate is a number and the cell is one that atoms fit into.
//! Knows nothing of molecules or models.

use super::gro::{self, GroFrame, GroReader};
use super::output::{self, OutputError};
use crate::cell::{Cell, CellError};
use crate::system::{State, Topology};
use glam::DVec3;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Once;

pub use crate::system::Structure;

/// nm per ångström is exactly a tenth; dividing by ten rounds once, multiplying by 0.1 would round twice.
pub(super) const ANGSTROM_PER_NM: f64 = 10.0;
/// More atoms per nm³ than any solid has (diamond: 176) means that units or box are wrong.
const MAX_NUMBER_DENSITY: f64 = 500.0;
/// Perpendicular heights of a cell that are taken seriously, nm.
const HEIGHTS: std::ops::Range<f64> = 0.1..1.0e5;

/// Why a structure cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StructureError {
    #[error("{}: {what}", .file.display())]
    Unreadable { file: PathBuf, what: String },
    #[error("{}, line {line}: {what}", .file.display())]
    Malformed { file: PathBuf, line: usize, what: String },
    #[error("{}: the file holds no atoms", .file.display())]
    Empty { file: PathBuf },
    /// `line` is known for `.gro` files.
    #[error("{}{}: the {quantity} of {atom} is not finite: {value}", .file.display(), at_line(*.line))]
    NotFinite { file: PathBuf, line: Option<usize>, atom: String, quantity: &'static str, value: DVec3 },
    #[error("{}: the file holds no periodic cell; add one (the last line of a .gro file, CRYST1 in a .pdb file, Lattice=\"…\" in an .xyz file)", .file.display())]
    NoCell { file: PathBuf },
    #[error("{}{}: {source}", .file.display(), at_line(*.line))]
    Cell { file: PathBuf, line: Option<usize>, source: CellError },
    #[error("{}: {n_atoms} atoms in a cell with heights {heights:.3?} nm and {density:.3e} atoms per nm³ cannot be right; are box and coordinates in the unit of the format (.gro: nm, .pdb and .xyz: ångström)?", .file.display())]
    AbsurdCell { file: PathBuf, n_atoms: usize, heights: [f64; 3], density: f64 },
    #[error("{}: {source}", .file.display())]
    DoesNotFit { file: PathBuf, source: gro::GroOverflow },
    #[error(transparent)]
    Output(#[from] OutputError),
}

fn at_line(line: Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(", line {line}"))
}

/// Reads the first configuration of a structure file.
///
/// `.gro` files come back exact to the printed digits; other formats through chemfiles, ångström divided by ten.
pub fn read_structure(path: &Path) -> Result<Structure, StructureError> {
    let is_gro = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gro"));
    let structure = if is_gro { read_gro(path)? } else { read_chemfiles(path)? };
    if structure.n_atoms() == 0 {
        return Err(StructureError::Empty { file: path.to_path_buf() });
    }
    let n_atoms = structure.n_atoms();
    let heights = structure.cell.heights();
    let density = n_atoms as f64 / structure.cell.volume();
    if density > MAX_NUMBER_DENSITY || !heights.iter().all(|h| HEIGHTS.contains(h)) {
        return Err(StructureError::AbsurdCell { file: path.to_path_buf(), n_atoms, heights, density });
    }
    Ok(structure)
}

/// Writes one configuration as `.gro`, with velocities, [`gro::DECIMALS`] decimals (one more for velocities), whole
/// molecules, in one piece. The same state gives the same bytes.
pub fn write_gro(path: &Path, topology: &Topology, state: &State, title: &str) -> Result<(), StructureError> {
    write_gro_with_decimals(path, topology, state, title, gro::DECIMALS)
}

/// [`write_gro`] with another precision: [`gro::CLASSIC_DECIMALS`] for readers that know only fixed columns.
pub fn write_gro_with_decimals(
    path: &Path,
    topology: &Topology,
    state: &State,
    title: &str,
    decimals: usize,
) -> Result<(), StructureError> {
    let text = gro::format_state(topology, state, title, decimals)
        .map_err(|source| StructureError::DoesNotFit { file: path.to_path_buf(), source })?;
    Ok(output::write_atomic(path, text.as_bytes())?)
}

fn read_gro(path: &Path) -> Result<Structure, StructureError> {
    let file = path.to_path_buf();
    let unreadable = |what: String| StructureError::Unreadable { file: path.to_path_buf(), what };
    let input = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let frame = GroReader::new(BufReader::new(input))
        .next_frame()
        .map_err(|f| StructureError::Malformed { file: file.clone(), line: f.line, what: f.what })?
        .ok_or_else(|| unreadable("the file is empty".into()))?;
    let lines = Some((frame.first_line, frame.box_line));
    let GroFrame { title, residue_ids, residue_names, names, positions, velocities, vectors, .. } = frame;
    finish(path, lines, vectors, |cell| Structure {
        source: path.display().to_string(),
        title,
        names,
        residue_names,
        residue_ids,
        positions,
        velocities,
        cell,
    })
}

fn read_chemfiles(path: &Path) -> Result<Structure, StructureError> {
    report_chemfiles_warnings();
    let unreadable =
        |e: chemfiles::Error| StructureError::Unreadable { file: path.to_path_buf(), what: e.message.clone() };
    if let Err(e) = File::open(path) {
        return Err(StructureError::Unreadable { file: path.to_path_buf(), what: e.to_string() });
    }
    let mut frame = chemfiles::Frame::new();
    let mut trajectory = chemfiles::Trajectory::open(path, 'r').map_err(unreadable)?;
    if trajectory.nsteps() == 0 {
        return Err(StructureError::Empty { file: path.to_path_buf() });
    }
    trajectory.read(&mut frame).map_err(unreadable)?;

    let n_atoms = frame.size();
    let (mut residue_names, mut residue_ids) = (vec![String::new(); n_atoms], vec![0; n_atoms]);
    let topology = frame.topology();
    for index in 0..topology.residues_count() {
        let Some(residue) = topology.residue(index as usize) else { continue };
        for atom in residue.atoms() {
            residue_names[atom] = residue.name();
            residue_ids[atom] = residue.id().unwrap_or(0);
        }
    }
    let title = match property(&frame, "name") {
        Some(chemfiles::Property::String(name)) => name,
        _ => String::new(),
    };
    finish(path, None, cell_vectors(&frame), |cell| Structure {
        source: path.display().to_string(),
        title,
        names: (0..n_atoms).map(|i| frame.atom(i).name()).collect(),
        residue_names,
        residue_ids,
        positions: to_nm(frame.positions()),
        velocities: frame.velocities().map(to_nm),
        cell,
    })
}

/// Checks the numbers. `lines`: of the first atom and of the box, where the format has lines.
fn finish(
    path: &Path,
    lines: Option<(usize, usize)>,
    vectors: Option<[DVec3; 3]>,
    build: impl FnOnce(Cell) -> Structure,
) -> Result<Structure, StructureError> {
    let file = path.to_path_buf();
    let Some([a, b, c]) = vectors else { return Err(StructureError::NoCell { file }) };
    let cell = Cell::new(a, b, c).map_err(|source| StructureError::Cell {
        file: file.clone(),
        line: lines.map(|l| l.1),
        source,
    })?;
    let structure = build(cell);
    let empty = Vec::new();
    for (quantity, values) in
        [("position", &structure.positions), ("velocity", structure.velocities.as_ref().unwrap_or(&empty))]
    {
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            let atom = structure.describe_atom(i);
            return Err(StructureError::NotFinite {
                file,
                line: lines.map(|l| l.0 + i),
                atom,
                quantity,
                value: values[i],
            });
        }
    }
    Ok(structure)
}

pub(super) fn to_nm(values: &[[f64; 3]]) -> Vec<DVec3> {
    values.iter().map(|&v| DVec3::from_array(v) / ANGSTROM_PER_NM).collect()
}

/// Lattice vectors in nm; `None` for chemfiles' infinite cell.
pub(super) fn cell_vectors(frame: &chemfiles::Frame) -> Option<[DVec3; 3]> {
    let cell = frame.cell();
    if cell.shape() == chemfiles::CellShape::Infinite {
        return None;
    }
    // Rows of the matrix are x, y, z; its columns are the lattice vectors.
    let rows = cell.matrix();
    let column = |k: usize| DVec3::new(rows[0][k], rows[1][k], rows[2][k]) / ANGSTROM_PER_NM;
    // Formats that hold angles give the cosine of 90° as 1e-16: that is a right angle.
    let clean = |v: DVec3| DVec3::select(v.abs().cmplt(DVec3::splat(1e-12)), DVec3::ZERO, v);
    Some([column(0), column(1), column(2)].map(clean))
}

/// A property of a frame. (Asking chemfiles for one that does not exist makes it warn.)
pub(super) fn property(frame: &chemfiles::Frame, name: &str) -> Option<chemfiles::Property> {
    frame.properties().find(|p| p.0 == name).map(|p| p.1)
}

/// Sends what chemfiles wants to say to stderr under our name, each message once.
pub(super) fn report_chemfiles_warnings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        chemfiles::set_warning_callback(move |message: &str| {
            if seen.lock().is_ok_and(|mut seen| seen.insert(message.to_string())) {
                eprintln!("warning: chemfiles: {message}");
            }
        });
    });
}
