// The pair force on a slot, kJ mol^-1 nm^-1; shared sums are cleared for the next step. Uses `pair_forces` and `status`.

//#if HALF
//#include part/fixed_force

fn take_pair_force(slot: u32) -> vec3<f32> {
    var f = vec3<f32>(0.0);
    for (var c = 0u; c < 3u; c = c + 1u) {
        let index = 3u * slot + c;
        let low = pair_forces[index];
        pair_forces[index] = 0;
//#if WIDE
        let high = pair_forces[3u * n_slots + index];
        pair_forces[3u * n_slots + index] = 0;
        f[c] = wide_value(bitcast<u32>(low), bitcast<u32>(high)) / FORCE_SCALE;
//#else
        // beyond half the range a sum may have come close to wrapping
        if low > 1073741824 || low < -1073741824 {
            atomicMax(&status.force_overflow, 1u);
        }
        f[c] = f32(low) / FORCE_SCALE;
//#end
    }
    return f;
}
//#else
fn take_pair_force(slot: u32) -> vec3<f32> {
    return pair_forces[slot].xyz;
}
//#end
