// Prunes the packed list: a half of a j cluster and an i cluster stay while any of their atoms are closer than the inner
// radius, or excluded from each other. One workgroup per row; the masks of the outer list are kept beside.
//
// Forces do not depend on it, as long as the inner radius covers the moves until the row is pruned again: a pair beyond the
// cutoff adds nothing. `n_parts` = 1 prunes every row, after a new list or new positions; else part (step / 2) % n_parts, on
// every second step.
//
// group 0: cell | params: the step | sorted: fixed-point x, y, z, charge bits | exclusions: words of 32 lanes | outer: the masks
//          of the halves of every entry as the host listed them
// group 1: list: see src/forces/gpu/pair_list.rs
// twin: src/neighbor/packed.rs, `PackedList::pruned`

override n_slots: u32;
override n_parts: u32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<uniform> params: StepUniform;
@group(0) @binding(2) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> exclusions: array<u32>;
@group(0) @binding(4) var<storage, read> outer: array<vec2<u32>>;
@group(1) @binding(0) var<storage, read_write> list: array<vec4<u32>>;

var<workgroup> i_atoms: array<vec4<i32>, 64>;
// masks of the two halves, for two entries in turn
var<workgroup> kept: array<atomic<u32>, 4>;
// what one invocation read: the same for all, which loads from a written buffer are not for certain
var<workgroup> own_row: vec4<u32>;

@compute @workgroup_size(64)
fn prune(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let part = ((params.step_low >> 1u) | (params.step_high << 31u)) % n_parts;
    let r = (group.x + group.y * n_groups.x) * n_parts + part;
    if local == 0u {
        own_row = vec4<u32>(0u);
        if r < list[0].x {
            own_row = list[1u + r];
        }
    }
    let row = workgroupUniformLoad(&own_row);
    let first_entry = list[0].y;
    let radius_sq = bitcast<f32>(list[0].z);
    let i_lane = local % 8u;
    let j_lane = local / 8u;
    let half = local / 32u;
    i_atoms[local] = sorted[min(row.x * 64u + local, n_slots - 1u)];
    if local < 4u {
        atomicStore(&kept[local], 0u);
    }
    workgroupBarrier();
    var turn = 0u;
    for (var e = row.y; e < row.z; e = e + 1u) {
        let j_clusters = list[first_entry + 2u * e];
        let masks = outer[e];
        let meets = select(masks.x, masks.y, half == 1u);
        let halves = list[first_entry + 2u * e + 1u];
        let exclusion = select(halves.y, halves.w, half == 1u);
        var near = 0u;
        if exclusion != 0u {
            near = ~exclusions[exclusion * 32u + local % 32u] & meets;
        }
        for (var m = 0u; m < 4u; m = m + 1u) {
            if ((meets >> (8u * m)) & 0xffu) == 0u {
                continue;
            }
            let there = sorted[j_clusters[m] * 8u + j_lane];
            for (var k = 0u; k < 8u; k = k + 1u) {
                let bit = 1u << (8u * m + k);
                if (meets & bit) != 0u {
                    let d = displacement(there.xyz, i_atoms[8u * k + i_lane].xyz, cell);
                    if dot(d, d) < radius_sq {
                        near = near | bit;
                    }
                }
            }
        }
        if near != 0u {
            atomicOr(&kept[turn + half], near);
        }
        workgroupBarrier();
        if local == 0u {
            // nobody uses these two words again before the next barrier
            let low = atomicExchange(&kept[turn], 0u);
            let high = atomicExchange(&kept[turn + 1u], 0u);
            list[first_entry + 2u * e + 1u] = vec4<u32>(low, halves.y, high, halves.w);
        }
        turn = 2u - turn;
    }
}
