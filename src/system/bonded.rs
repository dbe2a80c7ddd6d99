//! Intramolecular terms of one species: bonded potentials, 1-4 pairs, distance constraints and virtual sites.
//!
//! Plain data in local indices (0 = first atom of the molecule), stored once per species. The functional forms are in
//! `potential::bonded`; who evaluates them is the business of `forces`.

/// U = ½ k (r − r₀)².
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarmonicBond {
    pub atoms: [u32; 2],
    /// nm
    pub length: f64,
    /// kJ mol⁻¹ nm⁻²
    pub k: f64,
}

/// U = ½ k (θ − θ₀)²; the middle atom is the vertex.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarmonicAngle {
    pub atoms: [u32; 3],
    /// rad
    pub angle: f64,
    /// kJ mol⁻¹ rad⁻²
    pub k: f64,
}

/// The 1-3 distance term of a Urey-Bradley angle, U = ½ k (r₁₃ − r₀)²; its angle stands among the harmonic angles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UreyBradley {
    pub atoms: [u32; 2],
    /// nm
    pub length: f64,
    /// kJ mol⁻¹ nm⁻²
    pub k: f64,
}

/// U = k (1 + cos(n φ − φ₀)), φ = 180° for trans (IUPAC).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeriodicDihedral {
    pub atoms: [u32; 4],
    /// φ₀, rad
    pub phase: f64,
    /// kJ mol⁻¹
    pub k: f64,
    /// n
    pub multiplicity: u32,
    /// Planarity term (GROMACS function 4): reported as `improper`, not `dihedral`.
    pub is_improper: bool,
}

/// U = Σ Cₙ cosⁿ ψ, ψ = φ − 180°.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RyckaertBellemans {
    pub atoms: [u32; 4],
    /// C₀ … C₅, kJ mol⁻¹
    pub c: [f64; 6],
}

/// U = ½ k (ξ − ξ₀)², ξ the dihedral angle, the difference taken within ±180°.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarmonicImproper {
    pub atoms: [u32; 4],
    /// rad
    pub angle: f64,
    /// kJ mol⁻¹ rad⁻²
    pub k: f64,
}

/// A 1-4 pair: U = c12/r¹² − c6/r⁶ + k_e qq/r, without cutoff. Scaling factors are in the coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair14 {
    pub atoms: [u32; 2],
    /// kJ mol⁻¹ nm⁶
    pub c6: f64,
    /// kJ mol⁻¹ nm¹²
    pub c12: f64,
    /// product of the charges times the scaling factor, e²
    pub qq: f64,
}

/// |r_i − r_j| is kept at `length`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceConstraint {
    pub atoms: [u32; 2],
    /// nm
    pub length: f64,
}

/// A massless site at r_i + a (r_j − r_i) + b (r_k − r_i) + c (r_j − r_i) × (r_k − r_i).
///
/// Covers GROMACS's `virtual_sites2` (b = c = 0), `virtual_sites3` functions 1 (c = 0) and 4. Parents have mass and come
/// before the site or after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VirtualSite {
    pub site: u32,
    /// i, j, k; k = j for a site on a line
    pub parents: [u32; 3],
    pub a: f64,
    pub b: f64,
    /// nm⁻¹
    pub c: f64,
}

/// All bonded potentials of one species.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bonded {
    pub bonds: Vec<HarmonicBond>,
    pub angles: Vec<HarmonicAngle>,
    pub urey_bradleys: Vec<UreyBradley>,
    pub dihedrals: Vec<PeriodicDihedral>,
    pub ryckaert_bellemans: Vec<RyckaertBellemans>,
    pub impropers: Vec<HarmonicImproper>,
    pub pairs_14: Vec<Pair14>,
}

impl Bonded {
    pub fn is_empty(&self) -> bool {
        self.bonds.is_empty()
            && self.angles.is_empty()
            && self.urey_bradleys.is_empty()
            && self.dihedrals.is_empty()
            && self.ryckaert_bellemans.is_empty()
            && self.impropers.is_empty()
            && self.pairs_14.is_empty()
    }
}
