// Non-bonded pair forces by gathering: one invocation per i atom, which walks the full list of its cluster's j clusters.
//
// F_i = sum_j (F/r)_ij (r_i - r_j);  with `with_energy` also the sums over all ordered pairs of
//   E (12-6), E (-c4/r^4), E (Coulomb), U(r_cut), r (x) F (xx yy zz xy xz yz), E (excluded pairs): the host halves them.
// No atomics: every atom is written by its owner, in the order of the list.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | slots: (atom, type) by slot | ranges of `entries` by
//          i cluster | entries: (j cluster, mask) | masks: listed pairs lo, hi, pairs that are not excluded lo, hi;
//          bit 8 i + j | table: (c6, c12, c4, U(r_cut)) by type pair
// group 1: forces, kJ mol^-1 nm^-1, by atom | partials: N_PARTIALS slots per workgroup, kJ mol^-1
// twin: src/forces/reference/pair.rs, exclusions.rs

override n_slots: u32;
override n_types: u32;
override r_cut_sq: f32;
override with_energy: bool;

const PADDING: u32 = 0xffffffffu;
// Closer pairs are evaluated at this distance, so that r^-14 stays finite in f32.
const R_SQ_FLOOR: f32 = 1e-6;
const N_PARTIALS: u32 = 12u;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> slots: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> ranges: array<u32>;
@group(0) @binding(4) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> masks: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> table: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> forces: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(wg_size)
fn nb_full(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let slot = workgroup * wg_size + local;
    var force = vec3<f32>(0.0);
    var energy = vec4<f32>(0.0); // 12-6, c4, Coulomb, at the cutoff
    var excluded = 0.0;
    var virial_diagonal = vec3<f32>(0.0);
    var virial_off = vec3<f32>(0.0);
    if slot < n_slots && slots[slot].x != PADDING {
        let cluster = slot / 8u;
        let lane = slot % 8u;
        let here = sorted[slot];
        let q_i = bitcast<f32>(here.w);
        let row = slots[slot].y * n_types;
        let last = ranges[cluster + 1u];
        for (var e = ranges[cluster]; e < last; e = e + 1u) {
            let entry = entries[e];
            let mask = masks[entry.y];
            let shift = 8u * (lane & 3u);
            let listed = select(mask.x, mask.y, lane >= 4u) >> shift;
            let free = select(mask.z, mask.w, lane >= 4u) >> shift;
            var e_sum = vec4<f32>(0.0);
            for (var j = 0u; j < 8u; j = j + 1u) {
                if ((listed >> j) & 1u) == 0u {
                    continue;
                }
                let there = sorted[entry.x * 8u + j];
                let d = displacement(there.xyz, here.xyz, cell);
                let r_sq = max(dot(d, d), R_SQ_FLOOR);
                let is_free = ((free >> j) & 1u) == 1u;
                if r_sq >= r_cut_sq && (is_free || !coulomb_excluded_beyond_cutoff()) {
                    continue;
                }
                let qq = q_i * bitcast<f32>(there.w);
                let electric = coulomb(r_sq, qq, select(0.0, 1.0, is_free));
                var force_over_r = electric.force_over_r;
                if is_free {
                    let k = table[row + slots[entry.x * 8u + j].y];
                    let lj = vdw(r_sq, k);
                    force_over_r = force_over_r + lj.force_over_r;
                    e_sum = e_sum + vec4<f32>(
                        lj.energy - lj.induced,
                        lj.induced,
                        electric.energy,
                        vdw_at_cutoff(k) + coulomb_at_cutoff(qq),
                    );
                } else {
                    excluded = excluded + electric.energy;
                }
                let f = force_over_r * d;
                force = force + f;
                if with_energy {
                    virial_diagonal = virial_diagonal + d * f;
                    virial_off = virial_off + d.xxy * f.yzz;
                }
            }
            energy = energy + e_sum;
        }
        forces[slots[slot].x] = vec4<f32>(force, 0.0);
    }
    if with_energy {
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
}
