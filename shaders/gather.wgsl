// Mesh potential to forces: F_i -= q_i grad phi(r_i), by the derivatives of the splines. One invocation per atom.
//
// Essmann et al. (1995), eq. 4.9: the exact gradient of the mesh energy, so the sum of the forces is not exactly zero.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | slots: (atom, type) by slot | field: phi, kJ mol^-1 e^-1
// group 1: forces, kJ mol^-1 nm^-1, by atom, added to
// twin: src/forces/reference/pme.rs, `add_gathered_forces`

override n_slots: u32;
override charge_unit: f32;

const PADDING: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> slots: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> field: array<vec2<f32>>;
@group(1) @binding(0) var<storage, read_write> forces: array<vec4<f32>>;

@compute @workgroup_size(wg_size)
fn gather(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    if slot >= n_slots || slots[slot].x == PADDING {
        return;
    }
    let atom = sorted[slot];
    let a = spline(bitcast<u32>(atom.x), mesh_a);
    let b = spline(bitcast<u32>(atom.y), mesh_b);
    let c = spline(bitcast<u32>(atom.z), mesh_c);
    var gradient = vec3<f32>(0.0);
    for (var ka = 0u; ka < spline_order; ka = ka + 1u) {
        let row_a = ((a.first + ka) % mesh_a) * mesh_b;
        for (var kb = 0u; kb < spline_order; kb = kb + 1u) {
            let row = (row_a + (b.first + kb) % mesh_b) * mesh_c;
            var value = 0.0;
            var slope = 0.0;
            for (var kc = 0u; kc < spline_order; kc = kc + 1u) {
                let phi = field[row + (c.first + kc) % mesh_c].x;
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
    let q = -bitcast<f32>(atom.w) * charge_unit * 2.3283064365386963e-10;
    let f = q * (f32(mesh_a) * gradient.x * cell.turn_x.xyz
        + f32(mesh_b) * gradient.y * cell.turn_y.xyz
        + f32(mesh_c) * gradient.z * cell.turn_z.xyz);
    let i = slots[slot].x;
    forces[i] = forces[i] + vec4<f32>(f, 0.0);
}
