// Heights without wrapping, and the dipole along z: what terms need that are not made of minimum images.
//
// z = z_0 + L (s - s_0): z_0 is the height in the positions that the list was built from, where the host has followed every atom
// across boundaries, and the difference of the fixed-point positions since then is small and exact.
// Uses `cell`, `outside`, `sorted` and `placed` of the pass. twin: src/forces/reference/external.rs, `Dipole`

//#include part/external_uniform

// A slot when the list was built. layout: PlacedAtom in src/forces/gpu/layout.rs
struct Placed {
    // e; 0 for charges that answer
    charge: f32,
    // z_0, nm, unwrapped
    height: f32,
    // s_0
    origin: i32,
    kind: u32,
    // 0xffffffff: nobody
    atom: u32,
    // range of `shapes`
    first_shape: u32,
    end_shape: u32,
}

// z - z_0, nm
fn risen(place: Placed, turn: i32) -> f32 {
    return cell.step_c.z * f32(turn - place.origin);
}

// What an atom adds to sum q z and sum q z^2 since the list was built; e nm, e nm^2.
fn dipole_part(slot: u32) -> vec2<f32> {
    let place = placed[slot];
    let d = risen(place, sorted[slot].z);
    return place.charge * d * vec2<f32>(1.0, 2.0 * place.height + d);
}
