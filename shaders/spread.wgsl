// Charges to mesh, one invocation per atom.
//
// group 0: sorted: fixed-point x, y, z, bits of q sqrt(k_e)
// group 1: mesh: charge, 2^-26 e, c fastest | status
// twin: src/forces/reference/pme.rs, `spread`

override n_slots: u32;

@group(0) @binding(0) var<storage, read> sorted: array<vec4<i32>>;
@group(1) @binding(0) var<storage, read_write> mesh: array<atomic<i32>>;
@group(1) @binding(1) var<storage, read_write> status: Status;

//#include part/spread_atom

@compute @workgroup_size(wg_size)
fn spread(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < n_slots {
        spread_atom(id.x);
    }
}
