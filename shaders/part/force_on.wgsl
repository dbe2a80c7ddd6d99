// All of the force on an atom, kJ mol^-1 nm^-1; shared sums are cleared for the next step. Uses `positions`, `sorted`,
// `pair_forces`, `status`, and `potential` (MESH) or `long_range_forces` (EWALD) of the pass.

//#include part/take_pair_force
//#if MESH
//#include part/mesh_force
//#end

fn force_on(atom: u32) -> vec3<f32> {
    let position = positions[atom];
    let slot = u32(position.w);
    var f = take_pair_force(slot);
//#if MESH
    f = f + mesh_force(position.xyz, sorted[slot].w);
//#end
//#if EWALD
    f = f + long_range_forces[slot].xyz;
//#end
    return f;
}
