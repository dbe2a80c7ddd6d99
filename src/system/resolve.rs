//! From what the user asked for to numbers for one cell: β, mesh and reciprocal vectors.

use super::interactions::{Coulomb, Interactions, LjModifier};
use super::spec::{BetaSpec, CoulombSpec, MeshSpec, NonbondedSpec};
use crate::cell::Cell;
use crate::math::ewald_beta;

/// Why the settings do not fit the cell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResolveError {
    #[error(
        "the cutoff {cutoff} nm exceeds half the smallest height of the cell, {half_height:.4} nm; use a cutoff of at most {half_height:.4} nm or a larger box"
    )]
    CutoffExceedsHalfBox { cutoff: f64, half_height: f64 },
    #[error("the switch starts at {start} nm, beyond the cutoff {cutoff} nm; it must start below the cutoff")]
    SwitchBeyondCutoff { start: f64, cutoff: f64 },
    #[error("the PME grid {grid:?} is too coarse for B-splines of order {order}; every count must be at least {order}")]
    MeshTooCoarse { grid: [usize; 3], order: usize },
}

/// Smallest mesh size ≥ `n` of the form 2^a 3^b 5^c 7^d, and at least 16.
pub fn fft_size(n: usize) -> usize {
    let smooth = |mut m: usize| {
        for p in [2, 3, 5, 7] {
            while m.is_multiple_of(p) {
                m /= p;
            }
        }
        m == 1
    };
    let mut candidate = n.max(16);
    while !smooth(candidate) {
        candidate += 1;
    }
    candidate
}

impl BetaSpec {
    /// β in nm⁻¹, for a cutoff in nm.
    pub fn value(self, cutoff: f64) -> f64 {
        match self {
            BetaSpec::Beta(beta) => beta,
            BetaSpec::Tolerance(tolerance) => ewald_beta(cutoff, tolerance),
        }
    }
}

/// β times the spacing of a mesh along z that slabs of charges move on.
///
/// A mesh ends its sum at waves of two spacings. Moving charges are out of step and do not feel it; all charges of a crystal's layer are in step, and the wave
/// between two slabs, which hardly decays with their distance, would hold one of them where the mesh wants it. Its amplitude falls as exp(−(π/2βh)²):
/// of the order of hundreds of bars where βh is 0.4, and nothing here.
const BETA_H_OF_SLABS: f64 = 0.3;

impl Interactions {
    /// Makes the mesh as fine along z as rigid slabs of charges need that move along it; `true` if it was coarser.
    pub fn refine_for_slabs(&mut self, cell: &Cell) -> bool {
        let Coulomb::Pme { beta, grid, .. } = &mut self.coulomb else { return false };
        let wanted = fft_size((cell.vectors().z_axis.length() * *beta / BETA_H_OF_SLABS).ceil() as usize);
        let is_coarse = grid[2] < wanted;
        grid[2] = grid[2].max(wanted);
        is_coarse
    }
}

impl NonbondedSpec {
    /// Fills in everything that depends on the cell.
    pub fn resolve(&self, cell: &Cell) -> Result<Interactions, ResolveError> {
        let (cutoff, half_height) = (self.cutoff, cell.half_height());
        // equality is allowed; decimal input needs a hair of slack
        if cutoff > half_height * (1.0 + 1e-12) {
            return Err(ResolveError::CutoffExceedsHalfBox { cutoff, half_height });
        }
        if let LjModifier::Switch { start } = self.lj_modifier
            && start >= cutoff
        {
            return Err(ResolveError::SwitchBeyondCutoff { start, cutoff });
        }
        let coulomb = match &self.coulomb {
            CoulombSpec::Fixed(coulomb) => *coulomb,
            CoulombSpec::Pme { beta, mesh, order } => {
                let order = *order;
                let lengths = {
                    let v = cell.vectors();
                    [v.x_axis.length(), v.y_axis.length(), v.z_axis.length()]
                };
                let grid = match *mesh {
                    MeshSpec::Grid(grid) => grid,
                    MeshSpec::Spacing(h) => lengths.map(|l| fft_size((l / h - 1e-9).ceil().max(1.0) as usize)),
                };
                if grid.iter().any(|&n| n < order) {
                    return Err(ResolveError::MeshTooCoarse { grid, order });
                }
                Coulomb::Pme { beta: beta.value(cutoff), grid, order }
            }
            CoulombSpec::Ewald { beta, n_max, n_sq_max } => {
                let value = beta.value(cutoff);
                let tolerance = match *beta {
                    BetaSpec::Tolerance(t) => t,
                    BetaSpec::Beta(b) => crate::math::erfc(b * cutoff).max(1e-16),
                };
                let n_max = n_max.unwrap_or_else(|| reciprocal_range(cell, value, tolerance));
                Coulomb::Ewald { beta: value, n_max, n_sq_max: *n_sq_max }
            }
        };
        Ok(Interactions {
            cutoff,
            lj_modifier: self.lj_modifier,
            dispersion_correction: self.dispersion_correction,
            coulomb,
        })
    }
}

/// Largest |n| along each reciprocal vector so that exp(−k²/4β²) falls below `tolerance` beyond it.
pub fn reciprocal_range(cell: &Cell, beta: f64, tolerance: f64) -> [i32; 3] {
    let k_max = 2.0 * beta * (-tolerance.ln()).sqrt();
    // |k·a| = 2π n along a, so |k| ≥ 2π n / |a|
    let v = cell.vectors();
    [v.x_axis, v.y_axis, v.z_axis].map(|a| ((k_max * a.length() / std::f64::consts::TAU).ceil() as i32).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potential::mixing::Mixing;
    use crate::system::spec::Accuracy;

    fn spec(cutoff: f64) -> NonbondedSpec {
        NonbondedSpec {
            cutoff,
            accuracy: Accuracy::Default,
            lj_modifier: LjModifier::None,
            dispersion_correction: true,
            mixing: Mixing::LorentzBerthelot,
            coulomb: CoulombSpec::Pme { beta: BetaSpec::Tolerance(1e-5), mesh: MeshSpec::Spacing(0.12), order: 5 },
        }
    }

    #[test]
    fn mesh_is_at_least_as_fine_as_asked() {
        let cell = Cell::orthorhombic(2.5, 3.1, 4.7).expect("valid");
        let Coulomb::Pme { grid, .. } = spec(0.9).resolve(&cell).expect("fits").coulomb else {
            panic!("PME asked for")
        };
        assert_eq!(grid, [21, 27, 40]);
    }

    /// β h is the same at any cutoff below 0.9 nm, and so is what the mesh gets wrong.
    #[test]
    fn a_shorter_cutoff_has_a_finer_mesh() {
        let spacing = |cutoff: f64| Accuracy::Default.spacing(BetaSpec::Tolerance(1e-5).value(cutoff));
        assert!((spacing(0.6) - 0.08).abs() < 1e-12 && (spacing(0.9) - 0.12).abs() < 1e-12, "{}", spacing(0.6));
        assert_eq!(spacing(1.2), 0.12);
    }

    #[test]
    fn cutoff_may_equal_half_the_box_but_not_exceed_it() {
        let cell = Cell::cubic(1.8).expect("valid");
        assert!(spec(0.9).resolve(&cell).is_ok());
        assert!(matches!(spec(0.91).resolve(&cell), Err(ResolveError::CutoffExceedsHalfBox { .. })));
    }
}
