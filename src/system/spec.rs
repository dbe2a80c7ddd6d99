//! What the user asked for, typed and in internal units: the result of reading an input file.
//!
//! `io::input` makes it (with every default filled in), `build` turns its [`SystemSpec`] into coordinates and a
//! topology, `dynamics` runs its stages, `analysis` takes its analyses. Names of models are still names here.

pub use super::analyses::AnalysisSpec;
use super::interactions::{Coulomb, LjModifier};
use super::interface::InterfaceSpec;
use crate::math::ewald_beta;
use crate::potential::mixing::Mixing;
use std::path::PathBuf;

/// A whole input file.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub title: String,
    pub system: SystemSpec,
    pub nonbonded: NonbondedSpec,
    pub interface: InterfaceSpec,
    pub dynamics: DynamicsSpec,
    pub stages: Vec<StageSpec>,
    pub analyses: Vec<AnalysisSpec>,
}

/// `[system]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemSpec {
    /// Water model name or alias and, for a built box, how many molecules.
    pub water: WaterSpec,
    pub solutes: Vec<SoluteSpec>,
    /// Seed of the packer.
    pub seed: u64,
    pub geometry: GeometrySpec,
    /// Empty height above and below a built liquid together, nm; 0: the liquid fills the cell.
    pub vacuum: f64,
    /// `net_charge = "allowed"`.
    pub net_charge_allowed: bool,
    /// Factor on the charges of all ionic species together; `None` leaves them alone.
    pub ion_charge_scale: Option<f64>,
    /// `contact_pairs = "allowed"`: a built box may start with cations and anions in contact.
    pub contact_pairs_allowed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WaterSpec {
    pub model: String,
    /// `None` only with [`GeometrySpec::Structure`] (counted from the file) or [`GeometrySpec::CellAndDensity`]
    /// (follows from both).
    pub molecules: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SoluteSpec {
    /// Species name, e.g. `Zn2+`.
    pub name: String,
    /// Model alias, e.g. `li-merz-iod`; `None` when the library has one model for the chosen water only.
    pub model: Option<String>,
    pub amount: Amount,
    /// A file of the user that describes the molecule.
    pub file: Option<MoleculeFile>,
}

/// Where a molecule of the user's own comes from. Paths relative to the input file are resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum MoleculeFile {
    /// Entries in the format of `forcefields/*.toml`, added to the library.
    Toml(PathBuf),
    /// A GROMACS topology of one molecule, coordinates for its shape if there are any, and the rules of its force field
    /// (`opls`, `amber`) where the file does not state them.
    Itp { topology: TopologySpec, structure: Option<PathBuf>, rules: Option<String> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    Count(usize),
    /// mol/L of the built box
    Concentration(f64),
    /// Counted from the structure file.
    FromStructure,
}

/// Where coordinates and cell come from.
#[derive(Debug, Clone, PartialEq)]
pub enum GeometrySpec {
    /// Cubic box of the given mass density, g/cm³ (u nm⁻³ times [`crate::units::DENSITY_G_CM3`]).
    Density(f64),
    /// Cell vectors a, b, c in nm.
    Cell([[f64; 3]; 3]),
    /// Cell vectors (nm) and mass density (g/cm³), from which the number of waters follows.
    CellAndDensity { cell: [[f64; 3]; 3], density: f64 },
    /// Liquid of a given mass density (g/cm³), or of given amounts, beside the slabs of `[surface]`.
    Slab { density: Option<f64> },
    /// A structure file; molecules are recognised by residue name. Path relative to the input file is resolved.
    Structure(PathBuf),
    /// A structure file and a GROMACS topology that says what its atoms are and how they interact. The water of
    /// [`SystemSpec`] has no name then, and there are no solutes.
    Topology { structure: PathBuf, topology: TopologySpec },
}

/// `topology`, `include` and `define`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologySpec {
    pub path: PathBuf,
    /// Folders for `#include`, besides that of the including file.
    pub include: Vec<PathBuf>,
    /// `NAME` or `NAME=value`
    pub define: Vec<String>,
}

/// One word for the settings of Ewald sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accuracy {
    /// Forces good to 4e-4 of their rms.
    Default,
    /// Twenty times better, for tests of energy conservation and comparisons.
    Tight,
}

impl Accuracy {
    /// erfc(β r_cut)
    pub fn tolerance(self) -> f64 {
        match self {
            Accuracy::Default => 1e-5,
            Accuracy::Tight => 1e-6,
        }
    }

    /// Largest mesh spacing, nm: less where β is larger than that of a cutoff of 0.9 nm, because a mesh resolves the charge clouds, whose width is 1/β.
    pub fn spacing(self, beta: f64) -> f64 {
        let usual = match self {
            Accuracy::Default => 0.12,
            Accuracy::Tight => 0.08,
        };
        usual * (ewald_beta(0.9, self.tolerance()) / beta).min(1.0)
    }

    /// Of the B-splines.
    pub fn order(self) -> usize {
        match self {
            Accuracy::Default => 5,
            Accuracy::Tight => 6,
        }
    }
}

/// `[nonbonded]`, with `tolerance` and `spacing` kept until the cell is known.
#[derive(Debug, Clone, PartialEq)]
pub struct NonbondedSpec {
    /// nm
    pub cutoff: f64,
    /// What tolerance, mesh spacing and order are where the input does not give them.
    pub accuracy: Accuracy,
    pub lj_modifier: LjModifier,
    pub dispersion_correction: bool,
    pub mixing: Mixing,
    pub coulomb: CoulombSpec,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CoulombSpec {
    Pme {
        beta: BetaSpec,
        mesh: MeshSpec,
        order: usize,
    },
    /// `n_max: None` chooses it from the tolerance.
    Ewald {
        beta: BetaSpec,
        n_max: Option<[i32; 3]>,
        n_sq_max: Option<i32>,
    },
    /// Complete already.
    Fixed(Coulomb),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BetaSpec {
    /// erfc(β r_cut) equals this.
    Tolerance(f64),
    /// nm⁻¹
    Beta(f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MeshSpec {
    /// Largest mesh spacing, nm; the grid is rounded up to FFT-friendly sizes.
    Spacing(f64),
    Grid([usize; 3]),
}

/// `[dynamics]`; a stage may override any of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DynamicsSpec {
    /// ps
    pub timestep: f64,
    pub seed: u64,
    /// The same in all stages, as are `hydrogen_mass`, `frozen` and `restraints`.
    pub constraints: ConstraintsSpec,
    /// Mass of hydrogens of solutes, taken from the atoms they are bonded to, u; `None` leaves masses alone.
    pub hydrogen_mass: Option<f64>,
    /// Selections of atoms that do not move.
    pub frozen: Vec<String>,
    pub restraints: Vec<RestraintSpec>,
    pub thermostat: ThermostatSpec,
    pub barostat: Option<BarostatSpec>,
    /// ps between checkpoints
    pub checkpoint_every: f64,
    /// ps between lines of log.csv
    pub log_every: f64,
    /// Steps between centre-of-mass removals; 0 = never.
    pub com_removal_every: u64,
    /// Steps a neighbor list lives; `None` = what suits the backend, see [`DynamicsSpec::list_lifetime`].
    pub neighbor_every: Option<u32>,
    /// Extra radius of the neighbor list, nm; `None` = derived from temperature and lifetime.
    pub skin: Option<f64>,
}

impl DynamicsSpec {
    /// Steps a neighbor list lives.
    ///
    /// * `lag` – intervals that a list lags behind on the backend. Where it does, an interval is one submission: a longer one
    ///   costs the host less and leaves it more time for the next list, and pairs that are not near yet cost little.
    pub fn list_lifetime(&self, lag: u32) -> u32 {
        self.neighbor_every.unwrap_or(if lag == 0 { 20 } else { 50 }).max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintsSpec {
    /// Waters as their model says; all other bonds flexible.
    RigidWater,
    /// Rigid water, and bonds to hydrogen at fixed length.
    HBonds,
    /// Rigid water, and all bonds at fixed length.
    AllBonds,
    /// As `RigidWater` in a box without rigid water.
    None,
}

/// Atoms held near where they start.
#[derive(Debug, Clone, PartialEq)]
pub struct RestraintSpec {
    /// A selection.
    pub atoms: String,
    /// Along x, y, z, kJ mol⁻¹ nm⁻²
    pub force_constant: [f64; 3],
}

/// Stochastic cell rescaling: M. Bernetti, G. Bussi, J. Chem. Phys. 153, 114107 (2020).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarostatSpec {
    /// bar
    pub pressure: f64,
    /// ps
    pub time_constant: f64,
    /// bar⁻¹
    pub compressibility: f64,
    pub coupling: PressureCoupling,
}

/// `[stage.piston]`: a slab pushed along z by a pressure while the stage lasts, then fixed at the mean of its gap.
#[derive(Debug, Clone, PartialEq)]
pub struct PistonSpec {
    /// A selection of frozen atoms.
    pub atoms: String,
    /// bar
    pub pressure: f64,
    /// u; `None`: that of its atoms
    pub mass: Option<f64>,
    /// ps⁻¹
    pub friction: f64,
}

/// Which parts of the cell move by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressureCoupling {
    /// The volume.
    Isotropic,
    /// Area in the xy plane, and height.
    SemiIsotropic,
    /// The height; the area stays.
    Z,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThermostatSpec {
    /// Constant energy; `initial_temperature` (K) seeds the velocities.
    None { initial_temperature: f64 },
    /// Stochastic velocity rescaling: G. Bussi et al., J. Chem. Phys. 126, 014101 (2007).
    Csvr { temperature: f64, time_constant: f64 },
    /// Langevin, middle scheme: Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019). `friction` in ps⁻¹.
    Langevin { temperature: f64, friction: f64 },
    /// Nosé–Hoover chain: G. J. Martyna et al., J. Chem. Phys. 97, 2635 (1992).
    NoseHoover { temperature: f64, time_constant: f64, chain_length: usize },
}

impl StageSpec {
    /// The piston of the stage, if it has one.
    pub fn piston(&self) -> Option<&PistonSpec> {
        match &self.kind {
            StageKind::Dynamics { piston, .. } => piston.as_ref(),
            StageKind::Minimise { .. } => None,
        }
    }
}

impl ThermostatSpec {
    /// Target (or initial) temperature, K.
    pub fn temperature(&self) -> f64 {
        match *self {
            ThermostatSpec::None { initial_temperature } => initial_temperature,
            ThermostatSpec::Csvr { temperature, .. }
            | ThermostatSpec::Langevin { temperature, .. }
            | ThermostatSpec::NoseHoover { temperature, .. } => temperature,
        }
    }
}

/// `[[stage]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    pub name: String,
    pub kind: StageKind,
}

#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful of stages, each made once")]
pub enum StageKind {
    Minimise {
        /// kJ/mol/nm, on the largest atomic force (constraint forces removed)
        max_force: f64,
        max_steps: u64,
    },
    Dynamics {
        /// ps
        duration: f64,
        /// `[dynamics]` with this stage's overrides applied.
        dynamics: DynamicsSpec,
        trajectory: Option<TrajectorySpec>,
        /// Do analyses look at this stage? Default: only the last stage of the input.
        analyse: bool,
        piston: Option<PistonSpec>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct TrajectorySpec {
    /// ps
    pub every: f64,
    /// `xtc`, `dcd`, `gro`, `pdb`, `xyz`, …: any extension chemfiles writes
    pub format: String,
}
