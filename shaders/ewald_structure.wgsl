// Structure factors of the direct Ewald sum: S(k) = sum_i q_i exp(i k.r_i), one workgroup per wave vector.
//
// k.r in turns is n.s with s the fixed-point fraction: the product wraps, so the phase is exact for any n.
//
// group 0: sorted: fixed-point x, y, z, bits of q sqrt(k_e) | waves: n_a, n_b, n_c, bits of
//          a(k) = 4 pi exp(-k^2/4 beta^2)/(V k^2), nm^-1 (half of reciprocal space, so a(k) counts k and -k) |
//          placed: see part/placed; outside (POTENTIAL: of charges that do not answer)
// group 1: structure: Re S, Im S by wave vector, (kJ mol^-1 nm)^1/2
// twin: src/forces/reference/ewald.rs

override n_slots: u32;
override n_waves: u32;

@group(0) @binding(0) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> waves: array<vec4<i32>>;
//#if POTENTIAL
@group(0) @binding(2) var<storage, read> placed: array<Placed>;
@group(0) @binding(3) var<uniform> outside: ExternalUniform;
@group(0) @binding(4) var<uniform> cell: CellUniform;
//#include part/placed
//#end
@group(1) @binding(0) var<storage, read_write> structure: array<vec2<f32>>;

@compute @workgroup_size(wg_size)
fn ewald_structure(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let wave = group.x + group.y * n_groups.x;
    let n = waves[min(wave, n_waves - 1u)].xyz;
    var sum = vec2<f32>(0.0);
    for (var slot = local; slot < n_slots; slot = slot + wg_size) {
        let atom = sorted[slot];
        let phase = n * atom.xyz;
//#if POTENTIAL
        let q = placed[slot].charge / outside.charge_unit;
//#else
        let q = bitcast<f32>(atom.w);
//#end
        sum = sum + q * turn_cos_sin(bitcast<u32>(phase.x + phase.y + phase.z));
    }
    let re = workgroup_sum(local, sum.x);
    let im = workgroup_sum(local, sum.y);
    if local == 0u && wave < n_waves {
        structure[wave] = vec2<f32>(re, im);
    }
}
