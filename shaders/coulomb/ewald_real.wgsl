// Real-space Ewald pair and excluded pair in one formula; `bare` is 1 for a pair and 0 for an excluded pair.
//
// U   = qq [bare/r - beta Q(z^2)],           Q(z^2) = erf(z)/z
// F/r = qq [bare/r^3 + beta^3 P(z^2)],       z^3 P(z^2) = (2 z/sqrt(pi)) exp(-z^2) - erf(z),   z = beta r
//
// qq: k_e q_i q_j, kJ mol^-1 nm; beta: nm^-1. P and Q are rational fits of degree 6/5 on 0 <= z^2 <= 17
// (coefficients: `ewald_fit()` below is generated text, src/forces/gpu/ewald_fit.rs; error 5e-7 of the bare term).
// Beyond 17 (excluded pairs only: the cutoff never reaches so far) erf is 1 to 6e-9.
// twin: src/potential/coulomb/mod.rs, `ewald_real` and `ewald_excluded`

override beta: f32;

// F/r alone of a pair inside the cutoff. inv_r: nm^-1
fn coulomb_force(r_sq: f32, inv_r: f32, qq: f32, bare: f32) -> f32 {
    return qq * (bare * inv_r * inv_r * inv_r + beta * beta * beta * ewald_p(beta * beta * r_sq));
}

fn coulomb(r_sq: f32, qq: f32, bare: f32) -> PairTerm {
    let inv_r = inverseSqrt(r_sq);
    let z_sq = beta * beta * r_sq;
    if z_sq > 17.0 {
        let rest = (bare - 1.0) * qq * inv_r;
        return PairTerm(rest, rest * inv_r * inv_r, 0.0);
    }
    return PairTerm(
        qq * (bare * inv_r - beta * ewald_q(z_sq)),
        coulomb_force(r_sq, inv_r, qq, bare),
        0.0,
    );
}

// Excluded pairs act at any distance.
fn coulomb_excluded_beyond_cutoff() -> bool {
    return true;
}

override coulomb_cut: f32;
override erfc_cut: f32;

fn coulomb_at_cutoff(qq: f32) -> f32 {
    return qq * erfc_cut / coulomb_cut;
}
