//! How the atoms interact: cutoffs, modifiers and the treatment of long-range forces.

/// What happens to Lennard-Jones at the cutoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LjModifier {
    /// Plain truncation.
    None,
    /// U(r) − U(r_cut): the force is unchanged.
    PotentialShift,
    /// Force switched smoothly to zero between `start` (nm) and the cutoff.
    ///
    /// U is multiplied by the quintic 1 − 10 x³ + 15 x⁴ − 6 x⁵, x = (r − start)/(r_cut − start).
    Switch { start: f64 },
}

/// Treatment of Coulomb interactions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coulomb {
    /// Smooth particle-mesh Ewald (Essmann et al., J. Chem. Phys. 103, 8577 (1995)).
    Pme {
        /// nm⁻¹
        beta: f64,
        /// mesh points along a, b, c
        grid: [usize; 3],
        /// B-spline order: 4, 5 or 6
        order: usize,
    },
    /// Direct Ewald sum.
    Ewald {
        /// nm⁻¹
        beta: f64,
        /// largest |n| along each reciprocal vector
        n_max: [i32; 3],
        /// only n with n·n < `n_sq_max` (NIST's definition for a cube); `None` keeps the whole box of `n_max`
        n_sq_max: Option<i32>,
    },
    /// Reaction field: U = k_e q_i q_j (1/r + k_rf r² − c_rf); infinite `epsilon` gives a conducting continuum.
    ReactionField { epsilon: f64 },
    /// Plain truncation at the cutoff.
    Cutoff,
}

/// Settings of the non-bonded interactions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interactions {
    /// One cutoff for Lennard-Jones and real-space Coulomb, nm.
    pub cutoff: f64,
    pub lj_modifier: LjModifier,
    /// Analytic long-range correction of the 12-6 dispersion energy and pressure (the C4 tail is never in it).
    pub dispersion_correction: bool,
    pub coulomb: Coulomb,
}
