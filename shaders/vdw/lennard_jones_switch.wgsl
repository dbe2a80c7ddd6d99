// U(r) = s(x) (c12/r^12 - c6/r^6 - c4/r^4),  s = 1 - 10 x^3 + 15 x^4 - 6 x^5,  x = (r - start)/(r_cut - start) >= 0
// k    = (c6, c12, c4, unused)                   [kJ mol^-1 nm^6, kJ mol^-1 nm^12, kJ mol^-1 nm^4]
// twin: src/potential/vdw/lennard_jones.rs, LjModifier::Switch

override switch_start: f32;
override switch_inv_width: f32;

fn vdw(r_sq: f32, k: vec4<f32>) -> PairTerm {
    let inv_r_sq = 1.0 / r_sq;
    let inv_r4 = inv_r_sq * inv_r_sq;
    let inv_r6 = inv_r4 * inv_r_sq;
    let repulsion = k.y * inv_r6 * inv_r6;
    let dispersion = k.x * inv_r6;
    let induced = k.z * inv_r4;
    let energy = repulsion - dispersion - induced;
    let force_over_r = (12.0 * repulsion - 6.0 * dispersion - 4.0 * induced) * inv_r_sq;
    let r = sqrt(r_sq);
    let x = max((r - switch_start) * switch_inv_width, 0.0);
    let s = 1.0 + x * x * x * (-10.0 + x * (15.0 - 6.0 * x));
    let ds_dr = x * x * (-30.0 + x * (60.0 - 30.0 * x)) * switch_inv_width;
    return PairTerm(s * energy, s * force_over_r - energy * ds_dr / r, -s * induced);
}

// F/r alone. inv_r: nm^-1
fn vdw_force(r_sq: f32, inv_r: f32, k: vec4<f32>) -> f32 {
    return vdw(r_sq, k).force_over_r;
}

fn vdw_at_cutoff(k: vec4<f32>) -> f32 {
    return 0.0;
}
