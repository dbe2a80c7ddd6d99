// Charges to mesh, 16 atoms per workgroup.
//
// group 0: sorted: fixed-point x, y, z, bits of q sqrt(k_e)
// group 1: mesh: charge, 2^-26 e, c fastest | status
// twin: src/forces/reference/pme.rs, `spread`

override n_slots: u32;

@group(0) @binding(0) var<storage, read> sorted: array<vec4<i32>>;
@group(1) @binding(0) var<storage, read_write> mesh: array<atomic<i32>>;
@group(1) @binding(1) var<storage, read_write> status: Status;

//#include part/spread_atoms

@compute @workgroup_size(64)
fn spread(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    spread_atoms((group.x + group.y * n_groups.x) * SPREAD_ATOMS, local);
}
