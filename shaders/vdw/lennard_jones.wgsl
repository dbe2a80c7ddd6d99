// U(r) = c12/r^12 - c6/r^6 - c4/r^4 - shift      [kJ mol^-1]
// k    = (c6, c12, c4, U(r_cut))                 [kJ mol^-1 nm^6, kJ mol^-1 nm^12, kJ mol^-1 nm^4, kJ mol^-1]
// shift = U(r_cut) when `lj_shift` is 1, else 0
// twin: src/potential/vdw/lennard_jones.rs, `plain` and LjModifier::PotentialShift

override lj_shift: f32;
override lj_cut_sq: f32;

// F/r alone. inv_r: nm^-1
fn vdw_force(r_sq: f32, inv_r: f32, k: vec4<f32>) -> f32 {
    let inv_r_sq = inv_r * inv_r;
    let inv_r4 = inv_r_sq * inv_r_sq;
    let inv_r6 = inv_r4 * inv_r_sq;
    return ((12.0 * k.y * inv_r6 - 6.0 * k.x) * inv_r6 - 4.0 * k.z * inv_r4) * inv_r_sq;
}

fn vdw(r_sq: f32, k: vec4<f32>) -> PairTerm {
    let inv_r_sq = 1.0 / r_sq;
    let inv_r4 = inv_r_sq * inv_r_sq;
    let inv_r6 = inv_r4 * inv_r_sq;
    let induced = k.z * inv_r4;
    return PairTerm(
        (k.y * inv_r6 - k.x) * inv_r6 - induced - lj_shift * k.w,
        vdw_force(r_sq, inverseSqrt(r_sq), k),
        lj_shift * k.z / (lj_cut_sq * lj_cut_sq) - induced,
    );
}

// U(r_cut), by which the energy jumps when a pair crosses the cutoff.
fn vdw_at_cutoff(k: vec4<f32>) -> f32 {
    return (1.0 - lj_shift) * k.w;
}
