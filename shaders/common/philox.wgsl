// Counter-based random numbers: Philox4x32-10 (J. Salmon et al., SC'11). twin: src/random.rs

// (high, low) word of a * b from 16-bit parts: WGSL has no 64-bit product.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle_1 = a_high * b_low + (low >> 16u);
    let middle_2 = a_low * b_high + (middle_1 & 0xffffu);
    return vec2<u32>(a_high * b_high + (middle_1 >> 16u) + (middle_2 >> 16u), a * b);
}

fn philox4x32(counter_in: vec4<u32>, key_in: vec2<u32>) -> vec4<u32> {
    var counter = counter_in;
    var key = key_in;
    for (var round_index = 0u; round_index < 10u; round_index = round_index + 1u) {
        if round_index > 0u {
            key = key + vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
        }
        let p0 = multiply_wide(counter.x, 0xD2511F53u);
        let p1 = multiply_wide(counter.z, 0xCD9E8D57u);
        counter = vec4<u32>(p1.x ^ counter.y ^ key.x, p1.y, p0.x ^ counter.w ^ key.y, p0.y);
    }
    return counter;
}

// Two standard normals from two words (Box-Muller); the angle stays in turns, so no large argument is reduced in f32.
fn normal_pair(a: u32, b: u32) -> vec2<f32> {
    // (a + 1/2) / 2^32; the smallest value keeps its bits, the largest rounds to 1 and gives radius 0
    let u = (f32(a) + 0.5) * 2.3283064e-10;
    let radius = sqrt(max(-2.0 * log(u), 0.0));
    return radius * turn_cos_sin(b);
}
