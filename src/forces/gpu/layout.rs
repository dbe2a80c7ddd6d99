//! Structs that host and shaders share. `tests/it/layout.rs` compares names, offsets and sizes with the WGSL structs.

use crate::cell::Cell;
use bytemuck::{Pod, Zeroable};
use glam::DVec3;

/// `common/cell.wgsl`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct CellUniform {
    /// Lattice vectors × 2⁻³², nm per unit of the last place.
    pub step_a: [f32; 4],
    pub step_b: [f32; 4],
    pub step_c: [f32; 4],
    /// Rows of the inverse × 2³², units of the last place per nm.
    pub turn_x: [f32; 4],
    pub turn_y: [f32; 4],
    pub turn_z: [f32; 4],
}

impl CellUniform {
    pub fn new(cell: &Cell) -> Self {
        const TURN: f64 = 4_294_967_296.0;
        let pack = |v: DVec3, scale: f64| [(v.x * scale) as f32, (v.y * scale) as f32, (v.z * scale) as f32, 0.0];
        let v = cell.vectors();
        let rows = cell.inverse().transpose();
        CellUniform {
            step_a: pack(v.x_axis, 1.0 / TURN),
            step_b: pack(v.y_axis, 1.0 / TURN),
            step_c: pack(v.z_axis, 1.0 / TURN),
            turn_x: pack(rows.x_axis, TURN),
            turn_y: pack(rows.y_axis, TURN),
            turn_z: pack(rows.z_axis, TURN),
        }
    }
}

/// `common/step.wgsl`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct StepUniform {
    /// ps
    pub dt: f32,
    pub velocity_scale: f32,
    /// exp(−γ dt)
    pub decay: f32,
    /// √(kT (1 − exp(−2γ dt))), nm ps⁻¹ u^½
    pub noise: f32,
    pub seed_low: u32,
    pub seed_high: u32,
    pub step_low: u32,
    pub step_high: u32,
    /// [`STEP_FIRST`], …
    pub flags: u32,
    /// See [`crate::forces::CsvrDraw`].
    pub csvr_decay: f32,
    pub csvr_gain: f32,
    pub csvr_cross: f32,
}

/// First step of a chunk.
pub const STEP_FIRST: u32 = 1;
/// Sums of this step are wanted.
pub const STEP_REPORT: u32 = 2;
/// Last step of a chunk.
pub const STEP_LAST: u32 = 4;
/// Middle scheme with a bath.
pub const STEP_LANGEVIN: u32 = 8;
/// `StatusWords::velocity_scale` holds a further factor on the velocities.
pub const STEP_COUPLE: u32 = 16;

/// `common/status.wgsl`, `Status`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct StatusWords {
    /// Smallest atom whose move was not finite or absurdly long; `u32::MAX` = none.
    pub first_bad: u32,
    /// Bits of an f32, nm².
    pub since_list_sq: u32,
    /// Bits of an f32, nm².
    pub in_chunk_sq: u32,
    pub mesh_overflow: u32,
    /// Latest factor of CSVR, and the kinetic energy it was found from, kJ/mol.
    pub velocity_scale: f32,
    pub kinetic: f32,
    pub force_overflow: u32,
}

/// `bonded.wgsl`; what `a` and `b` hold depends on the kind of term.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct BondedTerm {
    /// Counted from the first atom of the molecule; unused ones are 0.
    pub atoms: [u32; 4],
    pub a: [f32; 4],
    pub b: [f32; 4],
}

/// f32 slots per workgroup of `bonded`: energies by term, restraint, virial xx yy zz xy xz yz, _pad.
pub const BONDED_PARTIALS: usize = 16;
/// `virtual_sites.wgsl`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct SiteTerm {
    /// Site and parents, counted from the first atom of the molecule.
    pub atoms: [u32; 4],
    /// a, b, c (nm⁻¹), _pad
    pub weights: [f32; 4],
}

/// f32 slots per workgroup of `spread_sites`: virial xx yy zz xy xz yz, _pad.
pub const SITE_PARTIALS: usize = 8;
/// f32 slots per workgroup of `nb_full` and `nb_half`: 12-6, c4, Coulomb, at the cutoff, virial xx yy zz xy xz yz, excluded, _pad.
pub const PAIR_PARTIALS: usize = 12;
/// f32 slots per workgroup of `solve`: energy, virial xx yy zz xy xz yz, _pad.
pub const MESH_PARTIALS: usize = 8;
/// f32 slots per workgroup of `update`; see `PARTIAL_*` in the shader.
pub const UPDATE_PARTIALS: usize = 24;

/// Walls that a system may have on the device.
pub const MOST_WALLS: usize = 4;

/// `part/placed.wgsl`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ExternalUniform {
    /// E_z, kJ mol⁻¹ e⁻¹ nm⁻¹
    pub field: f32,
    /// 4π k_e/V, kJ mol⁻¹ e⁻² nm⁻²; 0 without a slab correction
    pub slab: f32,
    /// Σ q z of the charges that do not answer, where the list was built, e nm
    pub moment: f32,
    /// Of everything, e.
    pub charge: f32,
    /// Of the cell, nm.
    pub height: f32,
    /// k_e^−½
    pub charge_unit: f32,
    pub n_walls: u32,
    pub n_types: u32,
    /// Fixed-point height of the plane; bits of its height, of its normal and of its spacing.
    pub walls: [[i32; 4]; MOST_WALLS],
}

/// `part/placed.wgsl`, `Placed`: a slot when the list was built.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct PlacedAtom {
    /// e; 0 for charges that answer
    pub charge: f32,
    /// nm, unwrapped
    pub height: f32,
    /// The same as a fixed-point fraction of the cell, wrapped.
    pub origin: i32,
    pub kind: u32,
    /// `PADDING`: nobody
    pub atom: u32,
    /// Range of the shapes of Gaussians around it.
    pub first_shape: u32,
    pub end_shape: u32,
}

/// f32 slots per workgroup of `external_forces`: energy of walls, their z F_z, energy of shapes, _pad, and the virial of shapes: xx, yy,
/// zz, _pad, xy, xz, yz, _pad.
pub const EXTERNAL_PARTIALS: usize = 12;
/// f32 slots per workgroup of `dipole`: Σ q z, Σ q z² since the list was built, _pad.
pub const DIPOLE_PARTIALS: usize = 4;
