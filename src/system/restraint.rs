//! Atoms held near a place.

use glam::DVec3;

/// U = ½ Σ_α k_α (x_α − x⁰_α)², α = x, y, z, with unwrapped positions: no minimum image is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PositionRestraint {
    /// Index into the atoms of the whole system.
    pub atom: u32,
    /// x⁰, nm
    pub reference: DVec3,
    /// k_α, kJ mol⁻¹ nm⁻²
    pub k: DVec3,
}
