// The periodic cell and positions as fixed-point fractions of it.
//
// A position is three i32, one turn = 2^32: differences wrap, and the wrapped difference is the minimum image.
// step_* : nm per unit of the last place (columns: lattice vectors x 2^-32; a along x, b in the xy plane)
// turn_* : units of the last place per nm (rows of the inverse x 2^32), upper triangular
// layout: CellUniform in src/forces/gpu/layout.rs; twin: src/forces/gpu/fixed.rs

struct CellUniform {
    step_a: vec4<f32>,
    step_b: vec4<f32>,
    step_c: vec4<f32>,
    turn_x: vec4<f32>,
    turn_y: vec4<f32>,
    turn_z: vec4<f32>,
}

// Displacement of two positions, nm.
fn displacement(from_position: vec3<i32>, to_position: vec3<i32>, cell: CellUniform) -> vec3<f32> {
    let s = vec3<f32>(to_position - from_position);
    return vec3<f32>(
        s.x * cell.step_a.x + s.y * cell.step_b.x + s.z * cell.step_c.x,
        s.y * cell.step_b.y + s.z * cell.step_c.y,
        s.z * cell.step_c.z,
    );
}

// A displacement in nm as a change of the fixed-point position. The caller has checked that it is small and finite.
fn fixed_displacement(d: vec3<f32>, cell: CellUniform) -> vec3<i32> {
    return vec3<i32>(
        i32(round(dot(cell.turn_x.xyz, d))),
        i32(round(dot(cell.turn_y.xyz, d))),
        i32(round(dot(cell.turn_z.xyz, d))),
    );
}

// True for NaN, infinities and magnitudes above `limit` (> 0). Works on bits: compilers may assume that NaN never occurs.
fn exceeds(x: f32, limit: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > bitcast<u32>(limit);
}
