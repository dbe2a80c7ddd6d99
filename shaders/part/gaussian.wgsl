// What a Gaussian charge rho ~ exp(-r^2/w^2) takes from a point charge, eta = 1/w (two of them: eta^-2 = w^2 + w'^2).
//
// erfc(eta r)/r = 1/r - eta Q(eta^2 r^2) and, for the force, 1/r^3 + eta^3 P(eta^2 r^2): the functions of the Ewald sum.
// twin: src/forces/reference/electrode.rs, `shape`

//#include coulomb/ewald_fit

// Beyond, erfc(eta r) is below 6e-9. T_MAX in src/forces/gpu/ewald_fit.rs
const LARGEST_T: f32 = 17.0;

// (force / (k_e q q') on the atom at the end of d, energy / (k_e q q')) of the part that is taken away; nm^-2, nm^-1
fn shape_term(d: vec3<f32>, eta: f32) -> vec4<f32> {
    let r_sq = max(dot(d, d), 1e-6);
    let t = eta * eta * r_sq;
    if t > LARGEST_T {
        return vec4<f32>(0.0);
    }
    let inv_r = inverseSqrt(r_sq);
    return vec4<f32>((inv_r * inv_r * inv_r + eta * eta * eta * ewald_p(t)) * d, inv_r - eta * ewald_q(t));
}
