//! `[[analysis]]`, typed: what to measure and with which settings. One variant per entry of the analysis registry.
//!
//! Selections are texts here (`docs/selections.md`); lengths in nm, times in ps, wave numbers in nm⁻¹.

/// One analysis.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalysisSpec {
    Rdf {
        /// pairs of selections
        pairs: Vec<(String, String)>,
        /// nm
        r_max: Option<f64>,
        /// nm
        bin_width: f64,
        /// Between centres of mass of the molecules that the selections touch, instead of between atoms.
        molecules: bool,
        /// Count pairs inside one molecule?
        intramolecular: bool,
        /// ps between sampled frames
        every: f64,
    },
    Coordination {
        center: String,
        ligands: Vec<String>,
        /// nm; `None` = first minimum of g(r) of all ligands together
        r_min: Option<f64>,
        /// Thickness of layers along z for which the numbers are given too, nm; needs `r_min`.
        layer: Option<f64>,
        every: f64,
    },
    Angles {
        center: String,
        ligand: String,
        /// nm; `None` = first minimum of g(r)
        r_min: Option<f64>,
        /// degrees
        bin_width: f64,
        every: f64,
    },
    DensityProfile(DensityProfileSpec),
    IonPairs(IonPairsSpec),
    HydrogenBonds(HydrogenBondsSpec),
    Msd(MsdSpec),
    Residence(ResidenceSpec),
    PairDistribution(PairDistributionSpec),
    Fsqt(FsqtSpec),
    Orientation(OrientationSpec),
    Octahedrality(OctahedralitySpec),
}

/// Densities, charge and electrostatic potential along z.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityProfileSpec {
    /// Number densities of these selections; empty = of every species.
    pub groups: Vec<String>,
    /// nm, adjusted so that a whole number of bins fills the cell
    pub bin_width: f64,
    /// z is counted from the mean height of these atoms; empty = from the bottom of the cell.
    pub origin: String,
    /// Squares of the maps over x and z, nm; `None` = 0.1 nm where atoms stay where they are, else no maps
    pub map_width: Option<f64>,
    pub every: f64,
}

impl Default for DensityProfileSpec {
    fn default() -> Self {
        DensityProfileSpec { groups: Vec::new(), bin_width: 0.01, origin: String::new(), map_width: None, every: 0.1 }
    }
}

/// Contact, solvent-separated and doubly separated ion pairs, clusters and the make-up of the first shell.
#[derive(Debug, Clone, PartialEq)]
pub struct IonPairsSpec {
    pub cation: String,
    /// Donor atoms of the anion.
    pub anion: String,
    /// Central atoms of the anion; empty = the donor atoms.
    pub anion_center: String,
    /// Atoms that may sit in the cation's first shell; empty = `water` oxygens and the anion's donors.
    pub ligands: Vec<String>,
    /// Cation to donor atom, nm
    pub r_contact: f64,
    /// Cation to anion centre with one shared layer of solvent, nm
    pub r_ssip: f64,
    /// Cation to anion centre with two layers, nm
    pub r_2sip: f64,
    pub every: f64,
}

impl Default for IonPairsSpec {
    fn default() -> Self {
        IonPairsSpec {
            cation: String::new(),
            anion: String::new(),
            anion_center: String::new(),
            ligands: Vec::new(),
            r_contact: 0.3,
            r_ssip: 0.6,
            r_2sip: 0.8,
            every: 0.1,
        }
    }
}

/// Hydrogen bonds by geometry, classes of water molecules, lifetimes.
#[derive(Debug, Clone, PartialEq)]
pub struct HydrogenBondsSpec {
    /// Atoms with hydrogens; empty = every O and N that has some.
    pub donors: String,
    /// Empty = every O, N and F.
    pub acceptors: String,
    /// Donor to acceptor, nm
    pub r_max: f64,
    /// degrees
    pub angle: f64,
    /// Angle H–D···A at most `angle` (Luzar–Chandler), instead of D–H···A at least `angle`.
    pub at_donor: bool,
    /// Named selections of water oxygens; what is in none is `bulk`.
    pub regions: Vec<(String, String)>,
    /// ps; zero leaves lifetimes out
    pub max_lag: f64,
    /// ps
    pub origin_every: f64,
    pub every: f64,
}

impl Default for HydrogenBondsSpec {
    fn default() -> Self {
        HydrogenBondsSpec {
            donors: String::new(),
            acceptors: String::new(),
            r_max: 0.35,
            angle: 30.0,
            at_donor: true,
            regions: Vec::new(),
            max_lag: 10.0,
            origin_every: 1.0,
            every: 0.1,
        }
    }
}

/// Mean square displacements, diffusion coefficients, Nernst–Einstein conductivity.
#[derive(Debug, Clone, PartialEq)]
pub struct MsdSpec {
    /// Empty = every species.
    pub groups: Vec<String>,
    /// Follow centres of mass of molecules, instead of atoms.
    pub molecules: bool,
    /// ps
    pub max_lag: f64,
    /// ps
    pub origin_every: f64,
    /// Fit window, ps; `None` = a fifth and the whole of `max_lag`
    pub fit_from: Option<f64>,
    pub fit_to: Option<f64>,
    /// K
    pub temperature: f64,
    /// mPa s, of the model; `None` leaves the correction for the box size out
    pub viscosity: Option<f64>,
    pub every: f64,
}

impl Default for MsdSpec {
    fn default() -> Self {
        MsdSpec {
            groups: Vec::new(),
            molecules: true,
            max_lag: 20.0,
            origin_every: 1.0,
            fit_from: None,
            fit_to: None,
            temperature: 298.15,
            viscosity: None,
            every: 0.1,
        }
    }
}

/// How long ligands stay with a centre.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidenceSpec {
    pub center: String,
    pub ligand: String,
    /// Radius of the shell, nm
    pub r_min: f64,
    /// Tolerated absences, ps
    pub t_star: Vec<f64>,
    /// Stable states: reactant below, product above; nm
    pub r_reactant: Option<f64>,
    pub r_product: Option<f64>,
    /// ps
    pub max_lag: f64,
    /// ps
    pub origin_every: f64,
    pub every: f64,
}

impl Default for ResidenceSpec {
    fn default() -> Self {
        ResidenceSpec {
            center: String::new(),
            ligand: String::new(),
            r_min: 0.0,
            t_star: vec![0.0, 2.0],
            r_reactant: None,
            r_product: None,
            max_lag: 100.0,
            origin_every: 1.0,
            every: 0.1,
        }
    }
}

/// X-ray weighted S(Q) and G(r) from partial g(r).
#[derive(Debug, Clone, PartialEq)]
pub struct PairDistributionSpec {
    /// nm
    pub r_max: Option<f64>,
    /// nm
    pub bin_width: f64,
    /// nm⁻¹
    pub q_max: f64,
    /// nm⁻¹
    pub q_step: f64,
    /// Lorch's window in Q, instead of none.
    pub lorch: bool,
    /// A measured curve, two columns r (Å) and G (Å⁻²): path as written, and its points.
    pub measured: String,
    pub points: Vec<[f64; 2]>,
    pub every: f64,
}

impl Default for PairDistributionSpec {
    fn default() -> Self {
        PairDistributionSpec {
            r_max: None,
            bin_width: 0.002,
            q_max: 200.0,
            q_step: 0.5,
            lorch: false,
            measured: String::new(),
            points: Vec::new(),
            every: 1.0,
        }
    }
}

/// Self intermediate scattering function.
#[derive(Debug, Clone, PartialEq)]
pub struct FsqtSpec {
    pub selection: String,
    /// nm⁻¹
    pub q: Vec<f64>,
    /// ps
    pub max_lag: f64,
    /// ps
    pub origin_every: f64,
    /// Fit window, ps; `None` = a tenth and the whole of `max_lag`
    pub fit_from: Option<f64>,
    pub fit_to: Option<f64>,
    pub every: f64,
}

impl Default for FsqtSpec {
    fn default() -> Self {
        FsqtSpec {
            selection: "element H".to_string(),
            q: vec![3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0],
            max_lag: 10.0,
            origin_every: 2.0,
            fit_from: None,
            fit_to: None,
            every: 0.1,
        }
    }
}

/// Dipoles of molecules against z or against the direction to the nearest of some centres.
#[derive(Debug, Clone, PartialEq)]
pub struct OrientationSpec {
    /// Any atom of a molecule selects it.
    pub molecules: String,
    /// `z`, or a selection of centres.
    pub relative_to: String,
    /// Thickness of layers along z, nm
    pub bin_width: f64,
    pub every: f64,
}

impl Default for OrientationSpec {
    fn default() -> Self {
        OrientationSpec { molecules: String::new(), relative_to: "z".to_string(), bin_width: 0.05, every: 0.1 }
    }
}

/// How octahedral the six nearest ligands stand.
#[derive(Debug, Clone, PartialEq)]
pub struct OctahedralitySpec {
    pub center: String,
    pub ligand: String,
    /// Ligands are looked for up to here, nm
    pub r_search: f64,
    pub every: f64,
}

impl Default for OctahedralitySpec {
    fn default() -> Self {
        OctahedralitySpec { center: String::new(), ligand: String::new(), r_search: 0.5, every: 0.1 }
    }
}

impl AnalysisSpec {
    /// Its name in an input, `[analysis.NAME]`.
    pub fn kind(&self) -> &'static str {
        match self {
            AnalysisSpec::Rdf { .. } => "rdf",
            AnalysisSpec::Coordination { .. } => "coordination",
            AnalysisSpec::Angles { .. } => "angles",
            AnalysisSpec::DensityProfile(_) => "density-profile",
            AnalysisSpec::IonPairs(_) => "ion-pairs",
            AnalysisSpec::HydrogenBonds(_) => "hydrogen-bonds",
            AnalysisSpec::Msd(_) => "msd",
            AnalysisSpec::Residence(_) => "residence",
            AnalysisSpec::PairDistribution(_) => "pair-distribution",
            AnalysisSpec::Fsqt(_) => "fsqt",
            AnalysisSpec::Orientation(_) => "orientation",
            AnalysisSpec::Octahedrality(_) => "octahedrality",
        }
    }

    /// Time between sampled frames, ps.
    pub fn every(&self) -> f64 {
        match self {
            AnalysisSpec::Rdf { every, .. }
            | AnalysisSpec::Coordination { every, .. }
            | AnalysisSpec::Angles { every, .. } => *every,
            AnalysisSpec::DensityProfile(s) => s.every,
            AnalysisSpec::IonPairs(s) => s.every,
            AnalysisSpec::HydrogenBonds(s) => s.every,
            AnalysisSpec::Msd(s) => s.every,
            AnalysisSpec::Residence(s) => s.every,
            AnalysisSpec::PairDistribution(s) => s.every,
            AnalysisSpec::Fsqt(s) => s.every,
            AnalysisSpec::Orientation(s) => s.every,
            AnalysisSpec::Octahedrality(s) => s.every,
        }
    }
}
