// Sums over pairs of a workgroup, each in its own slot: 12-6, c4, Coulomb, at the cutoff, r (x) F xx yy zz xy xz yz,
// excluded pairs, _pad; kJ mol^-1. layout: PAIR_PARTIALS in src/forces/gpu/layout.rs

const N_PARTIALS: u32 = 12u;

fn store_partials(
    workgroup: u32,
    local: u32,
    energy: vec4<f32>,
    excluded: f32,
    virial_diagonal: vec3<f32>,
    virial_off: vec3<f32>,
) {
    let first = workgroup * N_PARTIALS;
    for (var c = 0u; c < 4u; c = c + 1u) {
        let total = workgroup_sum(local, energy[c]);
        if local == 0u {
            partials[first + c] = total;
        }
    }
    let excluded_total = workgroup_sum(local, excluded);
    if local == 0u {
        partials[first + 10u] = excluded_total;
    }
    for (var c = 0u; c < 3u; c = c + 1u) {
        let diagonal = workgroup_sum(local, virial_diagonal[c]);
        let off = workgroup_sum(local, virial_off[c]);
        if local == 0u {
            partials[first + 4u + c] = diagonal;
            partials[first + 7u + c] = off;
        }
    }
}
