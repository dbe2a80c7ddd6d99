// Removes the centre-of-mass velocity: v_i -= sum_j m_j v_j / M, in three dispatches.
//
// Partial sums go to their own slots and are added in slot order: the same bits in every run.
//
// group 1: velocities: x, y, z, 1/m; nm ps^-1, 1/u | partials: momentum by workgroup, then the total; u nm ps^-1
// twin: src/forces/reference/integrate.rs

override n_atoms: u32;
override n_partials: u32;
override inv_total_mass: f32;

@group(1) @binding(0) var<storage, read_write> velocities: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> partials: array<vec4<f32>>;

@compute @workgroup_size(wg_size)
fn momentum_partial(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var p = vec3<f32>(0.0);
    if id.x < n_atoms {
        let v = velocities[id.x];
        if v.w > 0.0 {
            p = v.xyz / v.w;
        }
    }
    let x = workgroup_sum(local, p.x);
    let y = workgroup_sum(local, p.y);
    let z = workgroup_sum(local, p.z);
    if local == 0u {
        partials[group.x] = vec4<f32>(x, y, z, 0.0);
    }
}

@compute @workgroup_size(wg_size)
fn momentum_total(@builtin(local_invocation_index) local: u32) {
    var p = vec3<f32>(0.0);
    for (var k = local; k < n_partials; k = k + wg_size) {
        p = p + partials[k].xyz;
    }
    let x = workgroup_sum(local, p.x);
    let y = workgroup_sum(local, p.y);
    let z = workgroup_sum(local, p.z);
    if local == 0u {
        partials[n_partials] = vec4<f32>(x, y, z, 0.0);
    }
}

@compute @workgroup_size(wg_size)
fn momentum_remove(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= n_atoms {
        return;
    }
    let v = velocities[id.x];
    if v.w > 0.0 {
        velocities[id.x] = v - vec4<f32>(inv_total_mass * partials[n_partials].xyz, 0.0);
    }
}
