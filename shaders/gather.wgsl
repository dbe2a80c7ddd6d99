// Mesh potential to forces, one invocation per atom: for evaluations alone, the update pass gathers for itself.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | potential: phi, kJ mol^-1 e^-1
// group 1: long_range_forces, kJ mol^-1 nm^-1, by slot
// twin: src/forces/reference/pme.rs, `add_gathered_forces`

override n_slots: u32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> potential: array<f32>;
@group(1) @binding(0) var<storage, read_write> long_range_forces: array<vec4<f32>>;

//#include part/mesh_force

@compute @workgroup_size(wg_size)
fn gather(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < n_slots {
        let atom = sorted[id.x];
        long_range_forces[id.x] = vec4<f32>(mesh_force(atom.xyz, atom.w), 0.0);
    }
}
