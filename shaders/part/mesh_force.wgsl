// Mesh potential to force: F_i = -q_i grad phi(r_i), by the derivatives of the splines, kJ mol^-1 nm^-1.
//
// Essmann et al. (1995), eq. 4.9: the exact gradient of the mesh energy, so the sum of the forces is not exactly zero.
// Uses `cell` and `potential` of the pass. twin: src/forces/reference/pme.rs, `add_gathered_forces`

override charge_unit: f32;

// charge: bits of q sqrt(k_e), (kJ mol^-1 nm)^1/2
fn mesh_force(position: vec3<i32>, charge: i32) -> vec3<f32> {
    let a = spline(bitcast<u32>(position.x), mesh_a);
    let b = spline(bitcast<u32>(position.y), mesh_b);
    let c = spline(bitcast<u32>(position.z), mesh_c);
    var gradient = vec3<f32>(0.0);
    for (var ka = 0u; ka < spline_order; ka = ka + 1u) {
        let row_a = ((a.first + ka) % mesh_a) * mesh_b;
        for (var kb = 0u; kb < spline_order; kb = kb + 1u) {
            let row = (row_a + (b.first + kb) % mesh_b) * mesh_c;
            var value = 0.0;
            var slope = 0.0;
            for (var kc = 0u; kc < spline_order; kc = kc + 1u) {
                let phi = potential[row + (c.first + kc) % mesh_c];
                value = value + c.values[kc] * phi;
                slope = slope + c.derivatives[kc] * phi;
            }
            gradient = gradient + vec3<f32>(
                a.derivatives[ka] * b.values[kb] * value,
                a.values[ka] * b.derivatives[kb] * value,
                a.values[ka] * b.values[kb] * slope,
            );
        }
    }
    // d/dr = sum over axes of n a* d/du; turn_* are a*, b*, c* times 2^32
    let q = -bitcast<f32>(charge) * charge_unit * 2.3283064365386963e-10;
    return q * (f32(mesh_a) * gradient.x * cell.turn_x.xyz
        + f32(mesh_b) * gradient.y * cell.turn_y.xyz
        + f32(mesh_c) * gradient.z * cell.turn_z.xyz);
}
