// Non-bonded pair forces by gathering: one invocation per i atom, which walks the full list of its cluster's j clusters.
//
// F_i = sum_j (F/r)_ij (r_i - r_j);  with ENERGY also the sums of part/pair_partials over all ordered pairs: the host halves
// them. No atomics: every slot is written by its owner, in the order of the list.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | slots: (atom, type) by slot | list: for each i cluster
//          (first, end) of its entries, then the entries (j cluster, mask) | masks: listed pairs lo, hi, pairs that are not
//          excluded lo, hi; bit 8 i + j | table: (c6, c12, c4, U(r_cut)) by type pair
// group 1: pair_forces, kJ mol^-1 nm^-1, by slot | mesh, status (SPREAD) | partials (ENERGY)
// SPREAD: workgroups beyond the atoms spread charges: wgpu puts a barrier before every dispatch that writes, so only what is
// in one dispatch runs side by side.
// twin: src/forces/reference/pair.rs, exclusions.rs

override n_slots: u32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> slots: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> list: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> masks: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> table: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> pair_forces: array<vec4<f32>>;
//#if SPREAD
@group(1) @binding(1) var<storage, read_write> mesh: array<atomic<i32>>;
@group(1) @binding(2) var<storage, read_write> status: Status;
//#end
//#if ENERGY
@group(1) @binding(1) var<storage, read_write> partials: array<f32>;
//#end

//#include part/pair_kernel
//#if SPREAD
//#include part/spread_atoms
//#end
//#if ENERGY
//#include part/pair_partials
//#end

@compute @workgroup_size(wg_size)
fn nb_full(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let slot = workgroup * wg_size + local;
//#if SPREAD
    let n_pair_groups = (n_slots + wg_size - 1u) / wg_size;
    if workgroup >= n_pair_groups {
        spread_atoms((workgroup - n_pair_groups) * SPREAD_ATOMS, local);
        return;
    }
//#end
    var force = vec3<f32>(0.0);
//#if ENERGY
    var energy = vec4<f32>(0.0);
    var excluded = 0.0;
    var virial_diagonal = vec3<f32>(0.0);
    var virial_off = vec3<f32>(0.0);
//#end
    if slot < n_slots && slots[slot].x != PADDING {
        let lane = slot % 8u;
        let here = sorted[slot];
        let q_i = bitcast<f32>(here.w);
        let row = slots[slot].y * n_types;
        let range = list[slot / 8u];
        for (var e = range.x; e < range.y; e = e + 1u) {
            let entry = list[e];
            let mask = masks[entry.y];
            let shift = 8u * (lane & 3u);
            let listed = select(mask.x, mask.y, lane >= 4u) >> shift;
            let free = select(mask.z, mask.w, lane >= 4u) >> shift;
//#if ENERGY
            var e_sum = vec4<f32>(0.0);
//#end
            for (var j = 0u; j < 8u; j = j + 1u) {
                if ((listed >> j) & 1u) == 0u {
                    continue;
                }
                let there = sorted[entry.x * 8u + j];
                let d = displacement(there.xyz, here.xyz, cell);
                let r_sq = max(dot(d, d), R_SQ_FLOOR);
                let is_free = ((free >> j) & 1u) == 1u;
                if !acts(r_sq, is_free) {
                    continue;
                }
                let k = table[row + slots[entry.x * 8u + j].y];
                let pair = pair_of(r_sq, q_i * bitcast<f32>(there.w), k, is_free);
                let f = pair.force_over_r * d;
                force = force + f;
//#if ENERGY
                e_sum = e_sum + pair.energy;
                excluded = excluded + pair.excluded;
                virial_diagonal = virial_diagonal + d * f;
                virial_off = virial_off + d.xxy * f.yzz;
//#end
            }
//#if ENERGY
            energy = energy + e_sum;
//#end
        }
        pair_forces[slot] = vec4<f32>(force, 0.0);
    }
//#if ENERGY
    store_partials(workgroup, local, energy, excluded, virial_diagonal, virial_off);
//#end
}
