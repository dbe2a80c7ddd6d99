//! Forms of one distance: harmonic bonds, the 1-3 term of Urey-Bradley angles, 1-4 pairs.

use crate::potential::PairTerm;
use crate::potential::coulomb::bare;
use crate::potential::pair_table::PairCoefficients;
use crate::potential::vdw::lennard_jones;
use crate::system::bonded::Pair14;
use crate::units::COULOMB;

/// U = ½ k (r − r₀)², F = −k (r − r₀) along r. At r = 0 the direction is undefined and the force factor zero.
///
/// * `r_sq` – nm²
/// * `length` – r₀, nm
/// * `k` – kJ mol⁻¹ nm⁻²
///
/// ```
/// let term = hexaqua::potential::bonded::harmonic_distance(0.11 * 0.11, 0.10, 1000.0);
/// assert!((term.energy - 0.05).abs() < 1e-12); // ½ · 1000 · 0.01²
/// assert!((term.force_over_r * 0.11 + 10.0).abs() < 1e-10);
/// ```
pub fn harmonic_distance(r_sq: f64, length: f64, k: f64) -> PairTerm {
    let r = r_sq.sqrt();
    let stretch = r - length;
    let force_over_r = if r > 0.0 { -k * stretch / r } else { 0.0 };
    PairTerm { energy: 0.5 * k * stretch * stretch, force_over_r }
}

/// A 1-4 pair without cutoff: its Lennard-Jones and its Coulomb part.
///
/// U = c12/r¹² − c6/r⁶ + k_e qq/r; scaling factors are in the coefficients.
pub fn pair_14(pair: &Pair14, r_sq: f64) -> (PairTerm, PairTerm) {
    let k = PairCoefficients { c6: pair.c6, c12: pair.c12, c4: 0.0 };
    (lennard_jones::plain(r_sq, k), bare(r_sq, COULOMB * pair.qq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_by_hand() {
        // r = 0.5 nm: r⁻⁶ = 64, r⁻¹² = 4096
        let pair = Pair14 { atoms: [0, 3], c6: 0.01, c12: 1e-4, qq: 0.5 };
        let (lj, coulomb) = pair_14(&pair, 0.25);
        assert!((lj.energy - (0.4096 - 0.64)).abs() < 1e-14);
        assert!((lj.force_over_r - (12.0 * 0.4096 - 6.0 * 0.64) / 0.25).abs() < 1e-12);
        assert!((coulomb.energy - COULOMB).abs() < 1e-12);
        assert!((coulomb.force_over_r - COULOMB / 0.25).abs() < 1e-10);
    }

    #[test]
    fn a_bond_of_no_length_has_energy_and_no_direction() {
        let term = harmonic_distance(0.0, 0.1, 1000.0);
        assert_eq!(term, PairTerm { energy: 5.0, force_over_r: 0.0 });
    }
}
