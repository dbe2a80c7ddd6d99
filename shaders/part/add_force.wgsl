// Adding to the shared force sums. Uses `pair_forces` (atomic), `status` and `slots` of the pass.

//#include part/fixed_force

// index: 3 slot + component
fn add_force(index: u32, f: f32) {
//#if WIDE
    if exceeds(f, 3.4028234e38) {
        atomicMin(&status.first_bad, slots[index / 3u].x);
        return;
    }
    let words = wide_from(round(clamp(f, -LARGEST_FORCE, LARGEST_FORCE) * FORCE_SCALE));
    if words.x == 0u && words.y == 0u {
        return;
    }
    let before = bitcast<u32>(atomicAdd(&pair_forces[index], bitcast<i32>(words.x)));
    let carry = select(0u, 1u, before + words.x < before);
    if words.y + carry != 0u {
        atomicAdd(&pair_forces[3u * n_slots + index], bitcast<i32>(words.y + carry));
    }
//#else
    if exceeds(f, LARGEST_FORCE) {
        atomicMax(&status.force_overflow, 1u);
        return;
    }
    let fixed = i32(round(f * FORCE_SCALE));
    if fixed != 0 {
        atomicAdd(&pair_forces[index], fixed);
    }
//#end
}
