// Fixed-point mesh to complex numbers; clears the fixed-point mesh for the next step.
//
// group 1: mesh: charge, 2^-26 e | field: (charge, 0), e | status
// twin: src/forces/gpu/pme.rs, tests

override n_points: u32;

@group(1) @binding(0) var<storage, read_write> mesh: array<i32>;
@group(1) @binding(1) var<storage, read_write> field: array<vec2<f32>>;
@group(1) @binding(2) var<storage, read_write> status: Status;

@compute @workgroup_size(wg_size)
fn mesh_convert(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>) {
    let point = id.x + id.y * n_groups.x * wg_size;
    if point >= n_points {
        return;
    }
    let charge = mesh[point];
    // beyond half the range a sum may have come close to wrapping
    if abs(charge) > 1073741824 || charge == -2147483647 - 1 {
        atomicMax(&status.mesh_overflow, 1u);
    }
    field[point] = vec2<f32>(f32(charge) * 1.4901161193847656e-8, 0.0);
    mesh[point] = 0;
}
