//! What an input asks of an interface: slab correction, field, walls and electrodes, in the units of the laboratory.
//!
//! `io::input` makes it, `cli` turns it into [`super::External`] once atoms and cell are known.

use super::external::WallForm;

/// `[external]`, `[[wall]]` and `[[electrode]]`; the default has none of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InterfaceSpec {
    pub slab_correction: bool,
    /// Along z, V/nm
    pub field: f64,
    /// Potential of the upper electrode above the lower one, V, held by a field through a cell that is periodic along z.
    pub finite_field: Option<f64>,
    pub walls: Vec<WallSpec>,
    pub electrodes: Vec<ElectrodeSpec>,
    pub surface: Option<SurfaceSpec>,
}

/// `[surface]`: one slab with a liquid on it, or two with a liquid between them.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceSpec {
    /// Name of an entry of the library.
    pub material: String,
    /// Layers of the crystal; `None`: what the entry asks for, else three.
    pub layers: Option<usize>,
    /// Lateral size asked for, nm.
    pub size: [f64; 2],
    /// 1: below the liquid, 2: below and above, 3: one more in the middle, with a liquid on either side.
    pub slabs: usize,
    /// Between the innermost atoms, or the height of the liquid on one slab, nm.
    pub gap: f64,
    /// nm
    pub vacuum: f64,
    /// Galleries of water inside each slab: one less than its sheets.
    pub galleries: usize,
    pub monolayers: Vec<MonolayerSpec>,
    /// One sheet of another material on each slab, strained to fit.
    pub coating: Option<CoatingSpec>,
    /// A material that the library does not have.
    pub crystal: Option<CrystalSpec>,
}

/// Oxygen of a sheet from the atoms it lies on where the input does not say, nm.
pub const COATING_DISTANCE: f64 = 0.25;

#[derive(Debug, Clone, PartialEq)]
pub struct CoatingSpec {
    /// Name of an entry of the library.
    pub material: String,
    /// Between the outermost atoms of both, nm
    pub distance: f64,
}

/// Molecules of one kind packed onto the faces before the liquid.
#[derive(Debug, Clone, PartialEq)]
pub struct MonolayerSpec {
    /// Name of a solute.
    pub species: String,
    /// Molecules per nm²
    pub coverage: f64,
    /// On the lower slab, on the upper one.
    pub faces: [bool; 2],
    /// Room above the face that centres of heavy atoms keep to, nm
    pub height: f64,
}

/// A crystal from a file, with the parameters of its atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct CrystalSpec {
    pub file: std::path::PathBuf,
    /// Lattice vectors at right angles in multiples of a, b, c: x, y and the normal.
    pub frame: Option<[[i32; 3]; 3]>,
    /// Height in the crystal at which the lowest layer begins, nm
    pub cut: f64,
    pub sites: Vec<CrystalSite>,
}

/// Parameters of the atoms of one name or element.
#[derive(Debug, Clone, PartialEq)]
pub struct CrystalSite {
    /// As the file names its atoms, or their element.
    pub name: String,
    /// e
    pub charge: f64,
    /// nm
    pub sigma: f64,
    /// kJ/mol
    pub epsilon: f64,
}

impl InterfaceSpec {
    /// Is there a surface, so that matter is not the same everywhere?
    pub fn has_surface(&self) -> bool {
        self.slab_correction || !self.walls.is_empty() || !self.electrodes.is_empty() || self.surface.is_some()
    }
}

/// One `[[wall]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WallSpec {
    /// nm
    pub z: f64,
    /// +1: the atoms are above the wall, −1: below it.
    pub normal: f64,
    pub form: WallForm,
    /// Of a wall atom, nm
    pub sigma: f64,
    /// Of a wall atom, kJ/mol
    pub epsilon: f64,
    /// Atoms of the wall per volume, nm⁻³
    pub density: f64,
}

/// One `[[electrode]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ElectrodeSpec {
    pub name: String,
    /// A selection.
    pub atoms: String,
    pub condition: ConditionSpec,
    /// w of ρ ∝ exp(−r²/w²), nm
    pub gaussian_width: f64,
    pub thomas_fermi: Option<ThomasFermiSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ConditionSpec {
    /// V
    Potential(f64),
    /// Of the whole electrode, e
    Charge(f64),
}

/// A metal that screens a field over some depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThomasFermiSpec {
    /// nm
    pub length: f64,
    /// Per atom, nm³
    pub volume: f64,
}
