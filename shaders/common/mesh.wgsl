// Where an atom sits on the charge mesh: first mesh point and B-spline weights along each axis.
//
// U. Essmann et al., J. Chem. Phys. 103, 8577 (1995), eqs. 4.1-4.8. Entry k of the weights belongs to mesh point
// floor(u) - order + 1 + k, u = s n. twin: src/potential/bspline.rs, `weights`

override spline_order: u32 = 5u;
override mesh_a: u32 = 1u;
override mesh_b: u32 = 1u;
override mesh_c: u32 = 1u;

const MAX_SPLINE_ORDER: u32 = 6u;
const THIRD: f32 = 1.0 / 3.0;

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
    // m_j = M_n(w + j), starting from M_2; M_n(x) = x/(n-1) M_{n-1}(x) + (n-x)/(n-1) M_{n-1}(x-1). Written out, because an
    // array that is indexed by a variable lies in memory on some devices.
    var m0 = w;
    var m1 = 1.0 - w;
    var m2 = 0.0;
    var m3 = 0.0;
    var m4 = 0.0;
    var m5 = 0.0;
    if spline_order > 3u {
        m2 = 0.5 * (1.0 - w) * m1;
        m1 = 0.5 * ((w + 1.0) * m1 + (2.0 - w) * m0);
        m0 = 0.5 * w * m0;
    }
    if spline_order > 4u {
        m3 = THIRD * (1.0 - w) * m2;
        m2 = THIRD * ((w + 2.0) * m2 + (2.0 - w) * m1);
        m1 = THIRD * ((w + 1.0) * m1 + (3.0 - w) * m0);
        m0 = THIRD * w * m0;
    }
    if spline_order > 5u {
        m4 = 0.25 * (1.0 - w) * m3;
        m3 = 0.25 * ((w + 3.0) * m3 + (2.0 - w) * m2);
        m2 = 0.25 * ((w + 2.0) * m2 + (3.0 - w) * m1);
        m1 = 0.25 * ((w + 1.0) * m1 + (4.0 - w) * m0);
        m0 = 0.25 * w * m0;
    }
    // dM_n/dx (x) = M_{n-1}(x) - M_{n-1}(x-1)
    let d = array<f32, 6>(m0, m1 - m0, m2 - m1, m3 - m2, m4 - m3, -m4);
    if spline_order == 3u {
        m2 = 0.5 * (1.0 - w) * m1;
        m1 = 0.5 * ((w + 1.0) * m1 + (2.0 - w) * m0);
        m0 = 0.5 * w * m0;
    } else if spline_order == 4u {
        m3 = THIRD * (1.0 - w) * m2;
        m2 = THIRD * ((w + 2.0) * m2 + (2.0 - w) * m1);
        m1 = THIRD * ((w + 1.0) * m1 + (3.0 - w) * m0);
        m0 = THIRD * w * m0;
    } else if spline_order == 5u {
        m4 = 0.25 * (1.0 - w) * m3;
        m3 = 0.25 * ((w + 3.0) * m3 + (2.0 - w) * m2);
        m2 = 0.25 * ((w + 2.0) * m2 + (3.0 - w) * m1);
        m1 = 0.25 * ((w + 1.0) * m1 + (4.0 - w) * m0);
        m0 = 0.25 * w * m0;
    } else {
        m5 = 0.2 * (1.0 - w) * m4;
        m4 = 0.2 * ((w + 4.0) * m4 + (2.0 - w) * m3);
        m3 = 0.2 * ((w + 3.0) * m3 + (3.0 - w) * m2);
        m2 = 0.2 * ((w + 2.0) * m2 + (4.0 - w) * m1);
        m1 = 0.2 * ((w + 1.0) * m1 + (5.0 - w) * m0);
        m0 = 0.2 * w * m0;
    }
    var result: Spline;
    result.first = ((high >> 16u) + n * spline_order - spline_order + 1u) % n;
    if spline_order == 3u {
        result.values = array<f32, 6>(m2, m1, m0, 0.0, 0.0, 0.0);
        result.derivatives = array<f32, 6>(d[2], d[1], d[0], 0.0, 0.0, 0.0);
    } else if spline_order == 4u {
        result.values = array<f32, 6>(m3, m2, m1, m0, 0.0, 0.0);
        result.derivatives = array<f32, 6>(d[3], d[2], d[1], d[0], 0.0, 0.0);
    } else if spline_order == 5u {
        result.values = array<f32, 6>(m4, m3, m2, m1, m0, 0.0);
        result.derivatives = array<f32, 6>(d[4], d[3], d[2], d[1], d[0], 0.0);
    } else {
        result.values = array<f32, 6>(m5, m4, m3, m2, m1, m0);
        result.derivatives = array<f32, 6>(d[5], d[4], d[3], d[2], d[1], d[0]);
    }
    return result;
}
