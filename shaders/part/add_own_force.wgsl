// Adding to the force sum of a slot that nobody else touches in this dispatch. Uses `pair_forces` and `status` of the pass.

//#if HALF
//#include part/fixed_force

fn add_own_force(atom: u32, slot: u32, f: vec3<f32>) {
    for (var c = 0u; c < 3u; c = c + 1u) {
        let index = 3u * slot + c;
//#if WIDE
        if exceeds(f[c], 3.4028234e38) {
            atomicMin(&status.first_bad, atom);
            return;
        }
        let words = wide_from(round(clamp(f[c], -LARGEST_FORCE, LARGEST_FORCE) * FORCE_SCALE));
        let low = bitcast<u32>(pair_forces[index]) + words.x;
        let carry = select(0u, 1u, low < words.x);
        pair_forces[index] = bitcast<i32>(low);
        let high = 3u * n_slots + index;
        pair_forces[high] = bitcast<i32>(bitcast<u32>(pair_forces[high]) + words.y + carry);
//#else
        if exceeds(f[c], LARGEST_FORCE) {
            atomicMax(&status.force_overflow, 1u);
            return;
        }
        pair_forces[index] = pair_forces[index] + i32(round(f[c] * FORCE_SCALE));
//#end
    }
}
//#else
fn add_own_force(atom: u32, slot: u32, f: vec3<f32>) {
    pair_forces[slot] = pair_forces[slot] + vec4<f32>(f, 0.0);
}
//#end
