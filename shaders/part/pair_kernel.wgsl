// What every kernel over pairs does with one pair. Joined with one vdw/* and one coulomb/*.
// twin: src/forces/reference/pair.rs, exclusions.rs

override n_types: u32;
override r_cut_sq: f32;

const PADDING: u32 = 0xffffffffu;
// Closer pairs are evaluated at this distance, so that r^-14 stays finite in f32.
const R_SQ_FLOOR: f32 = 1e-6;

struct Pair {
    // F/r, kJ mol^-1 nm^-2
    force_over_r: f32,
    // 12-6, c4, Coulomb, at the cutoff; kJ mol^-1; of pairs that are not excluded
    energy: vec4<f32>,
    // of excluded pairs
    excluded: f32,
}

fn acts(r_sq: f32, is_free: bool) -> bool {
    return r_sq < r_cut_sq || (!is_free && coulomb_excluded_beyond_cutoff());
}

// k: (c6, c12, c4, U(r_cut)) of the pair; qq: k_e q_i q_j, kJ mol^-1 nm
fn pair_of(r_sq: f32, qq: f32, k: vec4<f32>, is_free: bool) -> Pair {
    let electric = coulomb(r_sq, qq, select(0.0, 1.0, is_free));
    if !is_free {
        return Pair(electric.force_over_r, vec4<f32>(0.0), electric.energy);
    }
    let lj = vdw(r_sq, k);
    return Pair(
        electric.force_over_r + lj.force_over_r,
        vec4<f32>(lj.energy - lj.induced, lj.induced, electric.energy, vdw_at_cutoff(k) + coulomb_at_cutoff(qq)),
        0.0,
    );
}
