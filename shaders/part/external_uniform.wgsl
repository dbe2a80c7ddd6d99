// What external terms need from the host, once per list.
// layout: ExternalUniform in src/forces/gpu/layout.rs
struct ExternalUniform {
    // E_z, kJ mol^-1 e^-1 nm^-1
    field: f32,
    // 4 pi k_e / V, kJ mol^-1 e^-2 nm^-2; 0 without a slab correction
    slab: f32,
    // sum of q z_0 over charges that do not answer, e nm
    moment: f32,
    // of everything, e
    charge: f32,
    // of the cell, nm
    height: f32,
    // e per (kJ mol^-1 nm)^1/2
    charge_unit: f32,
    n_walls: u32,
    n_types: u32,
    // fixed-point height of the plane, bits of its height (nm), of its normal (1 or -1) and of its spacing (nm; 0: 9-3)
    walls: array<vec4<i32>, 4>,
}
