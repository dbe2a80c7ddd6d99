// U = qq (bare/r + k_rf r^2 - c_rf),  F/r = qq (bare/r^3 - 2 k_rf); excluded pairs (`bare` = 0) keep the field part.
//
// qq: k_e q_i q_j, kJ mol^-1 nm; k_rf: nm^-3; c_rf: nm^-1
// twin: src/potential/coulomb/mod.rs, `ReactionField`

override k_rf: f32;
override c_rf: f32;

// F/r alone. inv_r: nm^-1
fn coulomb_force(r_sq: f32, inv_r: f32, qq: f32, bare: f32) -> f32 {
    return qq * (bare * inv_r * inv_r * inv_r - 2.0 * k_rf);
}

fn coulomb(r_sq: f32, qq: f32, bare: f32) -> PairTerm {
    let inv_r = inverseSqrt(r_sq);
    return PairTerm(
        qq * (bare * inv_r + k_rf * r_sq - c_rf),
        coulomb_force(r_sq, inv_r, qq, bare),
        0.0,
    );
}

fn coulomb_excluded_beyond_cutoff() -> bool {
    return false;
}

// The form vanishes at the cutoff.
fn coulomb_at_cutoff(qq: f32) -> f32 {
    return 0.0;
}
