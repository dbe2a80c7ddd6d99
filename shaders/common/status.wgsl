// What a chunk reports besides sums. layout: StatusWords in src/forces/gpu/layout.rs

struct Status {
    // smallest atom whose move was not finite or absurdly long; 0xffffffff = none
    first_bad: atomic<u32>,
    // bits of the largest squared displacement since the neighbor list was built, nm^2
    since_list_sq: atomic<u32>,
    // bits of the largest squared displacement since the batch began, nm^2
    in_chunk_sq: atomic<u32>,
    // 1 when a mesh contribution or sum left the range of the fixed-point mesh
    mesh_overflow: atomic<u32>,
    // latest factor that couple.wgsl found, and the kinetic energy it found it from, kJ mol^-1
    velocity_scale: f32,
    kinetic: f32,
    // 1 when a contribution to a force, or a sum of them, left the range of its integer
    force_overflow: atomic<u32>,
}
