// Forces as integers of 2^-12 kJ mol^-1 nm^-1: sums that many invocations share do not depend on their order.
//
// Every contribution is tested before it is converted, because conversion saturates, sums wrap and NaN becomes a number:
// a test of the sum alone proves nothing. Narrow sums (one i32) take contributions up to 16384 kJ mol^-1 nm^-1; one that is
// larger or not finite sets `force_overflow`, and the host repeats the batch with wide sums. The reader tests the sum
// against half the range: to pass unnoticed an overflow takes at least 48 contributions of the largest size on one atom.
// WIDE: pairs (low, high) of two's complement, the high words after all low ones; finite contributions are cut at 2^44
// kJ mol^-1 nm^-1, what is not finite names the atom in `first_bad`.
// twin: src/forces/gpu/fixed_force.rs

override n_slots: u32;

const FORCE_SCALE: f32 = 4096.0;
//#if WIDE
// 2^44: 128 of them stay below 2^63 units
const LARGEST_FORCE: f32 = 17592186044416.0;
//#else
const LARGEST_FORCE: f32 = 16384.0;
//#end

// (low, high) of an integer of at most 2^62 in magnitude that is given as f32.
fn wide_from(x: f32) -> vec2<u32> {
    let magnitude = abs(x);
    let high = floor(magnitude * 2.3283064365386963e-10);
    var words = vec2<u32>(u32(magnitude - high * 4294967296.0), u32(high));
    if x < 0.0 {
        words = vec2<u32>(~words.x + 1u, ~words.y + select(0u, 1u, words.x == 0u));
    }
    return words;
}

fn wide_value(low: u32, high: u32) -> f32 {
    var words = vec2<u32>(low, high);
    let is_negative = (high & 0x80000000u) != 0u;
    if is_negative {
        words = vec2<u32>(~words.x + 1u, ~words.y + select(0u, 1u, words.x == 0u));
    }
    let magnitude = f32(words.y) * 4294967296.0 + f32(words.x);
    return select(magnitude, -magnitude, is_negative);
}
