// Where an atom sits on the charge mesh: first mesh point and B-spline weights along each axis.
//
// U. Essmann et al., J. Chem. Phys. 103, 8577 (1995), eqs. 4.1-4.8. Entry k of the weights belongs to mesh point
// floor(u) - order + 1 + k, u = s n. twin: src/potential/bspline.rs, `weights`

override spline_order: u32 = 5u;
override mesh_a: u32 = 1u;
override mesh_b: u32 = 1u;
override mesh_c: u32 = 1u;

const MAX_SPLINE_ORDER: u32 = 6u;

struct Spline {
    values: array<f32, 6>,
    derivatives: array<f32, 6>,
    first: u32,
}

// `turn`: fractional coordinate in fixed point, 2^32 = 1; `n`: mesh points along the axis, at most 65535.
fn spline(turn: u32, n: u32) -> Spline {
    // u = turn n / 2^32, exactly: integer part and 32 bits of fraction
    let low = (turn & 0xffffu) * n;
    let high = (turn >> 16u) * n + (low >> 16u);
    let w = f32(((high & 0xffffu) << 16u) | (low & 0xffffu)) * 2.3283064365386963e-10;
    var result: Spline;
    result.first = ((high >> 16u) + n * spline_order - spline_order + 1u) % n;
    // m[j] = M_n(w + j), starting from M_2; M_n(x) = x/(n-1) M_{n-1}(x) + (n-x)/(n-1) M_{n-1}(x-1)
    var m = array<f32, 6>(w, 1.0 - w, 0.0, 0.0, 0.0, 0.0);
    for (var level = 3u; level <= spline_order; level = level + 1u) {
        if level == spline_order {
            // dM_n/dx (x) = M_{n-1}(x) - M_{n-1}(x-1)
            for (var j = 0u; j < level; j = j + 1u) {
                var before = 0.0;
                if j > 0u {
                    before = m[j - 1u];
                }
                result.derivatives[spline_order - 1u - j] = m[j] - before;
            }
        }
        let inverse = 1.0 / f32(level - 1u);
        for (var back = 0u; back < level; back = back + 1u) {
            let j = level - 1u - back;
            let x = w + f32(j);
            var before = 0.0;
            if j > 0u {
                before = m[j - 1u];
            }
            m[j] = inverse * (x * m[j] + (f32(level) - x) * before);
        }
    }
    for (var j = 0u; j < spline_order; j = j + 1u) {
        result.values[spline_order - 1u - j] = m[j];
    }
    return result;
}
