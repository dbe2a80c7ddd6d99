// Non-bonded pair forces by Newton's third law: one workgroup per row of the packed list.
//
// F_i += f, F_j -= f,  f = (F/r)_ij (r_i - r_j);  with ENERGY also the sums over all pairs of part/pair_partials.
// Invocation (i = local % 8, j = local / 8) evaluates slot i of each of the eight i clusters against slot j of a j cluster.
// Forces on the i atoms stay in registers for a whole row; those on a j cluster are summed over the eight i lanes, with
// SUBGROUPS by shuffles of distance 1, 2, 4 (they stay within the eight lanes of one j, whatever the size of a subgroup of at
// least eight), else in workgroup memory, both in the same order. Sums shared by workgroups: part/fixed_force.
//
// group 0: cell | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | slots: (atom, type) by slot | list: see
//          src/forces/gpu/pair_list.rs | exclusions: words of 32 lanes | table: (c6, c12, c4, U(r_cut)) by type pair
// group 1: pair_forces: part/fixed_force, 3 slot + component | status | mesh (SPREAD) | partials (ENERGY)
// SPREAD: the first workgroups spread charges: wgpu puts a barrier before every dispatch that writes, so only what is in one
// dispatch runs side by side, and memory is busy with charges while the pairs keep the arithmetic busy.
// twin: src/forces/reference/pair.rs, exclusions.rs

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> slots: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> list: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> exclusions: array<u32>;
@group(0) @binding(5) var<storage, read> table: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> pair_forces: array<atomic<i32>>;
@group(1) @binding(1) var<storage, read_write> status: Status;
//#if SPREAD
@group(1) @binding(2) var<storage, read_write> mesh: array<atomic<i32>>;
//#end
//#if ENERGY
@group(1) @binding(2) var<storage, read_write> partials: array<f32>;
//#end

//#include part/pair_kernel
//#include part/add_force
//#if SPREAD
//#include part/spread_atoms
//#end
//#if ENERGY
//#include part/pair_partials
//#end

var<workgroup> i_atoms: array<vec4<i32>, 64>;
var<workgroup> i_types: array<u32, 64>;
// forces of 64 invocations: of one j cluster in two halves that are used in turn (one barrier between writing and reading is
// enough), at the end on four i clusters at a time
var<workgroup> moved: array<vec4<f32>, 256>;
//#if NEAR_TABLE
// n_types^2 entries of `table`
var<workgroup> near_table: array<vec4<f32>, 64>;
//#end

// Sum over eight values of `moved`, `stride` apart, in the order of the shuffles.
fn sum_of_eight(first: u32, stride: u32, component: u32) -> f32 {
    let a = moved[first][component] + moved[first + stride][component];
    let b = moved[first + 2u * stride][component] + moved[first + 3u * stride][component];
    let c = moved[first + 4u * stride][component] + moved[first + 5u * stride][component];
    let d = moved[first + 6u * stride][component] + moved[first + 7u * stride][component];
    return (a + b) + (c + d);
}

// (c6, c12, c4, U(r_cut)); index: n_types type + other type
fn coefficients(index: u32) -> vec4<f32> {
//#if NEAR_TABLE
    return near_table[index];
//#else
    return table[index];
//#end
}

@compute @workgroup_size(64)
fn nb_half(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var workgroup = group.x + group.y * n_groups.x;
//#if SPREAD
    let n_spread = (n_slots + SPREAD_ATOMS - 1u) / SPREAD_ATOMS;
    if workgroup < n_spread {
        spread_atoms(workgroup * SPREAD_ATOMS, local);
        return;
    }
    workgroup = workgroup - n_spread;
//#end
    var row = vec4<u32>(0u);
    if workgroup < list[0].x {
        row = list[1u + workgroup];
    }
    let i_lane = local % 8u;
    let j_lane = local / 8u;
    let half = local / 32u;
    let i_slot = row.x * 64u + local;
    i_atoms[local] = sorted[min(i_slot, n_slots - 1u)];
    i_types[local] = slots[min(i_slot, n_slots - 1u)].y * n_types;
//#if NEAR_TABLE
    if local < n_types * n_types {
        near_table[local] = table[local];
    }
//#end
    workgroupBarrier();

    var parity = 0u;
//#repeat 8
    var f_$k = vec3<f32>(0.0);
//#end
//#if ENERGY
    var energy = vec4<f32>(0.0);
    var excluded = 0.0;
    var virial_diagonal = vec3<f32>(0.0);
    var virial_off = vec3<f32>(0.0);
//#end
    let first_entry = list[0].y;
    for (var e = row.y; e < row.z; e = e + 1u) {
        let j_clusters = list[first_entry + 2u * e];
        let halves = list[first_entry + 2u * e + 1u];
        let meets = select(halves.x, halves.z, half == 1u);
        let exclusion = select(halves.y, halves.w, half == 1u);
        var free = 0xffffffffu;
        if exclusion != 0u {
            free = exclusions[exclusion * 32u + local % 32u];
        }
        // the same decisions in all invocations, because barriers and shuffles follow
        let any_meets = halves.x | halves.z;
//#if ENERGY
        var e_sum = vec4<f32>(0.0);
//#end
        for (var m = 0u; m < 4u; m = m + 1u) {
            if ((any_meets >> (8u * m)) & 0xffu) == 0u {
                continue;
            }
            let j_cluster = j_clusters[m];
            let j_slot = j_cluster * 8u + j_lane;
            let there = sorted[j_slot];
            let q_j = bitcast<f32>(there.w);
            let j_type = slots[j_slot].y;
            var f_j = vec3<f32>(0.0);
//#if !ENERGY
            // most pairs: nothing is excluded; a pair out of reach costs less than a branch around it, and two i clusters at a time
            // give the processor two independent chains
            if exclusion == 0u && j_cluster / 8u != row.x {
//#repeat 4
                {
                    let bits = (meets >> (8u * m + $eu)) & 3u;
                    if bits != 0u {
                        let here_$e = i_atoms[8u * $eu + i_lane];
                        let d_$e = displacement(there.xyz, here_$e.xyz, cell);
                        let r_sq_$e = max(dot(d_$e, d_$e), R_SQ_FLOOR);
                        let inv_r_$e = inverseSqrt(r_sq_$e);
                        let k_$e = coefficients(i_types[8u * $eu + i_lane] + j_type);
                        let both_$e = coulomb_force(r_sq_$e, inv_r_$e, bitcast<f32>(here_$e.w) * q_j, 1.0)
                            + vdw_force(r_sq_$e, inv_r_$e, k_$e);
                        let acts_$e = r_sq_$e < r_cut_sq && (bits & 1u) != 0u;
                        let by_$e = select(0.0, both_$e, acts_$e) * d_$e;
                        f_$e = f_$e + by_$e;
                        f_j = f_j - by_$e;
                        let here_$o = i_atoms[8u * $ou + i_lane];
                        let d_$o = displacement(there.xyz, here_$o.xyz, cell);
                        let r_sq_$o = max(dot(d_$o, d_$o), R_SQ_FLOOR);
                        let inv_r_$o = inverseSqrt(r_sq_$o);
                        let k_$o = coefficients(i_types[8u * $ou + i_lane] + j_type);
                        let both_$o = coulomb_force(r_sq_$o, inv_r_$o, bitcast<f32>(here_$o.w) * q_j, 1.0)
                            + vdw_force(r_sq_$o, inv_r_$o, k_$o);
                        let acts_$o = r_sq_$o < r_cut_sq && (bits & 2u) != 0u;
                        let by_$o = select(0.0, both_$o, acts_$o) * d_$o;
                        f_$o = f_$o + by_$o;
                        f_j = f_j - by_$o;
                    }
                }
//#end
            } else {
//#end
//#repeat 8
            if ((meets >> (8u * m + $ku)) & 1u) == 1u {
                let here = i_atoms[8u * $ku + i_lane];
                let d = displacement(there.xyz, here.xyz, cell);
                let r_sq = max(dot(d, d), R_SQ_FLOOR);
                let is_free = ((free >> (8u * m + $ku)) & 1u) == 1u;
                // of a cluster with itself every pair once
                let is_own = row.x * 8u + $ku == j_cluster && i_lane >= j_lane;
                if !is_own && acts(r_sq, is_free) {
                    let k = coefficients(i_types[8u * $ku + i_lane] + j_type);
                    let pair = pair_of(r_sq, bitcast<f32>(here.w) * q_j, k, is_free);
                    let f = pair.force_over_r * d;
                    f_$k = f_$k + f;
                    f_j = f_j - f;
//#if ENERGY
                    e_sum = e_sum + pair.energy;
                    excluded = excluded + pair.excluded;
                    virial_diagonal = virial_diagonal + d * f;
                    virial_off = virial_off + d.xxy * f.yzz;
//#end
                }
            }
//#end
//#if !ENERGY
            }
//#end
//#if SUBGROUPS
            // lane 0 ends with the sum of x, lane 1 of y, lanes 2 and 3 of z
            let is_odd = (i_lane & 1u) == 1u;
            let xy = select(f_j.x, f_j.y, is_odd) + subgroupShuffleXor(select(f_j.y, f_j.x, is_odd), 1u);
            let z = f_j.z + subgroupShuffleXor(f_j.z, 1u);
            let is_upper = (i_lane & 2u) == 2u;
            let xyz = select(xy, z, is_upper) + subgroupShuffleXor(select(z, xy, is_upper), 2u);
            let total = xyz + subgroupShuffleXor(xyz, 4u);
            if i_lane < 3u {
                add_force(3u * j_slot + i_lane, total);
            }
//#else
            moved[parity + local] = vec4<f32>(f_j, 0.0);
            workgroupBarrier();
            if i_lane < 3u {
                add_force(3u * j_slot + i_lane, sum_of_eight(parity + 8u * j_lane, 1u, i_lane));
            }
            parity = 64u - parity;
//#end
        }
//#if ENERGY
        energy = energy + e_sum;
//#end
    }
    workgroupBarrier();
//#repeat 8
    moved[64u * ($ku % 4u) + local] = vec4<f32>(f_$k, 0.0);
    if $ku % 4u == 3u {
        workgroupBarrier();
        // 24 components of each i cluster
        for (var item = local; item < 96u && row.z > row.y; item = item + 64u) {
            let lane = item % 8u;
            let component = (item % 24u) / 8u;
            let slot = row.x * 64u + 8u * ($ku - 3u + item / 24u) + lane;
            if slot < n_slots {
                add_force(3u * slot + component, sum_of_eight(64u * (item / 24u) + lane, 8u, component));
            }
        }
        workgroupBarrier();
    }
//#end
//#if ENERGY
    store_partials(workgroup, local, energy, excluded, virial_diagonal, virial_off);
//#end
}
