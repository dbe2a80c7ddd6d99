//! Units and physical constants.
//!
//! Internal units are nm, ps, u, e, K and kJ/mol. They are coherent (1 u nm² ps⁻² = 1 kJ/mol), so no kernel holds a
//! conversion factor. Files carry units as strings; parsing them is `io::input`'s business, not this module's.

/// Coulomb constant 1/(4 π ε₀), kJ mol⁻¹ nm e⁻² (the value OpenMM and GROMACS use).
pub const COULOMB: f64 = 138.935457644;
/// Molar gas constant = Boltzmann constant per mole, kJ mol⁻¹ K⁻¹ (CODATA 2018, exact).
pub const BOLTZMANN: f64 = 8.31446261815324e-3;
/// One volt times one elementary charge, kJ mol⁻¹ (CODATA 2018, exact).
pub const VOLT: f64 = 96.485_332_123_310_02;
/// Avogadro constant, mol⁻¹ (exact).
pub const AVOGADRO: f64 = 6.02214076e23;
/// One kJ mol⁻¹ nm⁻³ in bar.
pub const PRESSURE_BAR: f64 = 16.605390671738466;
/// One u nm⁻³ in g cm⁻³.
pub const DENSITY_G_CM3: f64 = 1.66053906660e-3;
/// One particle per nm³ in mol L⁻¹.
pub const CONCENTRATION_MOL_L: f64 = 1.0e24 / AVOGADRO;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_unit_follows_from_avogadro() {
        // 1 kJ/mol/nm³ = 1000/N_A J / 1e-27 m³ = 1e30/N_A Pa = 1e25/N_A bar
        assert!((PRESSURE_BAR - 1e25 / AVOGADRO).abs() < 1e-9 * PRESSURE_BAR);
    }

    #[test]
    fn density_unit_follows_from_avogadro() {
        // 1 u = 1/N_A g, 1 nm³ = 1e-21 cm³
        assert!((DENSITY_G_CM3 - 1e21 / AVOGADRO).abs() < 1e-9 * DENSITY_G_CM3);
    }
}
