// U = qq/r up to the cutoff; excluded pairs (`bare` = 0) do not act.
//
// qq: k_e q_i q_j, kJ mol^-1 nm
// twin: src/potential/coulomb/mod.rs, `bare`

override coulomb_cut: f32;

// F/r alone. inv_r: nm^-1
fn coulomb_force(r_sq: f32, inv_r: f32, qq: f32, bare: f32) -> f32 {
    return bare * qq * inv_r * inv_r * inv_r;
}

fn coulomb(r_sq: f32, qq: f32, bare: f32) -> PairTerm {
    let inv_r = inverseSqrt(r_sq);
    return PairTerm(bare * qq * inv_r, coulomb_force(r_sq, inv_r, qq, bare), 0.0);
}

fn coulomb_excluded_beyond_cutoff() -> bool {
    return false;
}

fn coulomb_at_cutoff(qq: f32) -> f32 {
    return qq / coulomb_cut;
}
