// Forces of the direct Ewald sum: F_i = q_i sum_k 2 a(k) k Im[S*(k) exp(i k.r_i)], one invocation per atom.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | waves: n_a, n_b, n_c, bits of a(k), nm^-1 |
//          structure: Re S, Im S, (kJ mol^-1 nm)^1/2
// group 1: long_range_forces, kJ mol^-1 nm^-1, by slot
// twin: src/forces/reference/ewald.rs

override n_slots: u32;
override n_waves: u32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> waves: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> structure: array<vec2<f32>>;
@group(1) @binding(0) var<storage, read_write> long_range_forces: array<vec4<f32>>;

@compute @workgroup_size(wg_size)
fn ewald_force(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    if slot >= n_slots {
        return;
    }
    let atom = sorted[slot];
    // sums over blocks of waves keep the rounding error of long sums down
    var total = vec3<f32>(0.0);
    for (var first = 0u; first < n_waves; first = first + 64u) {
        var block = vec3<f32>(0.0);
        let last = min(first + 64u, n_waves);
        for (var wave = first; wave < last; wave = wave + 1u) {
            let n = waves[wave];
            let phase = n.xyz * atom.xyz;
            let e = turn_cos_sin(bitcast<u32>(phase.x + phase.y + phase.z));
            let s = structure[wave];
            let g = bitcast<f32>(n.w) * (s.x * e.y - s.y * e.x);
            block = block + g * vec3<f32>(n.xyz);
        }
        total = total + block;
    }
    // k = 2 pi (n_a a* + n_b b* + n_c c*); turn_* are a*, b*, c* times 2^32
    let factor = 2.0 * bitcast<f32>(atom.w) * 1.4629180792671596e-9;
    let f = factor * (total.x * cell.turn_x.xyz + total.y * cell.turn_y.xyz + total.z * cell.turn_z.xyz);
    long_range_forces[slot] = vec4<f32>(f, 0.0);
}
