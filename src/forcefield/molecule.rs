//! Molecules of the library as data: atoms, types, connectivity, and bonded parameters by class.
//!
//! Units are those of the files' headers. [`super::generate`] turns a template into a species.

use serde::Deserialize;

/// A Lennard-Jones type of a set. Its charge is that of every atom of the type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtomType {
    pub name: String,
    /// By which bonded parameters are found.
    pub class: String,
    /// u
    pub mass: f64,
    /// e
    pub charge: f64,
    /// nm
    pub sigma: f64,
    /// kJ/mol
    pub epsilon: f64,
    /// Row of the polarizabilities that C4 terms scale with.
    pub polarizability: Option<String>,
    /// What the oxygen of water meets, where the set has other numbers for it (GROMOS has several C12 per type).
    pub with_water: Option<SigmaEpsilon>,
    /// What cations of one atom meet.
    pub with_cations: Option<SigmaEpsilon>,
}

/// Lennard-Jones parameters.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigmaEpsilon {
    /// nm
    pub sigma: f64,
    /// kJ/mol
    pub epsilon: f64,
}

/// U = k/2 (r − r0)²; without `k` the distance is constrained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondType {
    pub classes: [String; 2],
    /// nm
    pub r0: f64,
    /// kJ/mol/nm²
    pub k: Option<f64>,
    pub source: Option<String>,
    pub substitute: Option<String>,
}

/// U = k/2 (θ − θ0)²; `k` may be left out in rigid molecules only.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AngleType {
    pub classes: [String; 3],
    /// degree
    pub theta0: f64,
    /// kJ/mol/rad²
    pub k: Option<f64>,
    pub source: Option<String>,
    pub substitute: Option<String>,
}

/// A proper torsion as Ryckaert–Bellemans coefficients C₀ … C₅ or as V₁ … V₄ of the OPLS form, kJ/mol.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorsionType {
    pub classes: [String; 4],
    pub rb: Option<[f64; 6]>,
    pub v: Option<[f64; 4]>,
    pub source: Option<String>,
    pub substitute: Option<String>,
}

/// U = k (1 + cos(n φ − φ0)) on four atoms that a molecule lists.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImproperType {
    pub name: String,
    /// degree
    pub phi0: f64,
    /// kJ/mol
    pub k: f64,
    pub n: u32,
}

/// Factors on the interactions of atoms three bonds apart.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale14 {
    pub lj: f64,
    pub coulomb: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateAtom {
    pub name: String,
    pub element: String,
    /// Name of an [`AtomType`] of the set.
    #[serde(rename = "type")]
    pub type_name: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateImproper {
    pub atoms: [u32; 4],
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A molecule of a set: who is bonded to whom. Everything else follows from the classes of its atoms.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoleculeTemplate {
    /// Name of the species.
    pub name: String,
    pub smiles: Option<String>,
    pub atoms: Vec<TemplateAtom>,
    /// Pairs of local indices.
    #[serde(default)]
    pub bonds: Vec<[u32; 2]>,
    #[serde(default)]
    pub impropers: Vec<TemplateImproper>,
    /// Torsions of this molecule that differ from those of the set.
    #[serde(default)]
    pub torsion_types: Vec<TorsionType>,
    /// Angles and torsions that the connectivity gives, where somebody counted.
    pub n_angles: Option<usize>,
    pub n_torsions: Option<usize>,
    /// Fixed shape: distances are constrained until nothing moves.
    #[serde(default)]
    pub rigid: bool,
    /// Types assigned by this project, not by a published fit for the molecule.
    #[serde(default)]
    pub own_assignment: bool,
    pub gap: Option<String>,
    pub note: Option<String>,
    /// `[n_atoms]`, nm: a start for the packer, not data.
    #[serde(default)]
    pub geometry: Vec<[f64; 3]>,
}

impl TorsionType {
    /// C₀ … C₅ of U = Σ Cₙ cosⁿ ψ, ψ = φ − 180°, kJ/mol.
    ///
    /// The OPLS form V₁/2 (1 + cos φ) + V₂/2 (1 − cos 2φ) + V₃/2 (1 + cos 3φ) + V₄/2 (1 − cos 4φ) expands with
    /// cos φ = −cos ψ and the formulas for multiple angles.
    ///
    /// ```
    /// use hexaqua::forcefield::TorsionType;
    /// let c = TorsionType::rb_of_opls([2.0, 0.0, 0.0, 0.0]);
    /// assert_eq!(c[..2], [1.0, -1.0]); // 1 + cos φ = 1 − cos ψ
    /// ```
    pub fn rb_of_opls(v: [f64; 4]) -> [f64; 6] {
        let [v1, v2, v3, v4] = v;
        [v2 + 0.5 * (v1 + v3), 0.5 * (3.0 * v3 - v1), 4.0 * v4 - v2, -2.0 * v3, -4.0 * v4, 0.0]
    }

    /// As used: `rb` where it stands, else from `v`.
    pub fn coefficients(&self) -> [f64; 6] {
        self.rb.unwrap_or_else(|| self.v.map_or([0.0; 6], Self::rb_of_opls))
    }
}
