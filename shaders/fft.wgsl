// Complex 1-D transforms along one axis of a 3-D array, unnormalised: X_k = sum_j x_j exp(-+ 2 pi i j k / n).
//
// One workgroup per line, staged in workgroup memory; Stockham autosort (no bit reversal), mixed radix 2, 3, 4, 5, 7.
// `radices` holds the plan as hexadecimal digits, first stage lowest. `direction` is 1 forward, -1 inverse.
//
// group 0: twiddles: exp(-2 pi i k / n), k = 0 .. n-1
// group 1: field: complex values; lines are `stride` apart in memory
// twin: rustfft in tests; plan: src/forces/gpu/fft.rs

override n: u32;
override stride: u32;
override n_lines: u32;
override radices: u32;
override direction: f32;

const MAX_LENGTH: u32 = 256u;

var<workgroup> front: array<vec2<f32>, 256>;
var<workgroup> back: array<vec2<f32>, 256>;

@group(0) @binding(0) var<storage, read> twiddles: array<vec2<f32>>;
@group(1) @binding(0) var<storage, read_write> field: array<vec2<f32>>;

fn multiply(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn twiddle(k: u32) -> vec2<f32> {
    let t = twiddles[k];
    return vec2<f32>(t.x, direction * t.y);
}

// a times -i (forward) or i (inverse)
fn quarter_turn(a: vec2<f32>) -> vec2<f32> {
    return direction * vec2<f32>(a.y, -a.x);
}

fn butterfly(v: array<vec2<f32>, 7>, radix: u32) -> array<vec2<f32>, 7> {
    var x = v;
    var y: array<vec2<f32>, 7>;
    switch radix {
        case 2u: {
            y[0] = x[0] + x[1];
            y[1] = x[0] - x[1];
        }
        case 4u: {
            let s = x[0] + x[2];
            let d = x[0] - x[2];
            let t = x[1] + x[3];
            let u = quarter_turn(x[1] - x[3]);
            y[0] = s + t;
            y[1] = d + u;
            y[2] = s - t;
            y[3] = d - u;
        }
        default: {
            // odd radix: x_r +- x_{radix - r} share their products
            let step = n / radix;
            let half = radix / 2u;
            y[0] = x[0];
            for (var r = 1u; r <= half; r = r + 1u) {
                y[0] = y[0] + (x[r] + x[radix - r]);
            }
            for (var q = 1u; q <= half; q = q + 1u) {
                var even = x[0];
                var odd = vec2<f32>(0.0);
                for (var r = 1u; r <= half; r = r + 1u) {
                    let w = twiddles[((q * r) % radix) * step];
                    even = even + w.x * (x[r] + x[radix - r]);
                    odd = odd - w.y * (x[r] - x[radix - r]);
                }
                let turned = quarter_turn(odd);
                y[q] = even + turned;
                y[radix - q] = even - turned;
            }
        }
    }
    return y;
}

@compute @workgroup_size(wg_size)
fn fft(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let line = group.x + group.y * n_groups.x;
    if line >= n_lines {
        return;
    }
    let base = (line / stride) * (stride * n) + line % stride;
    for (var k = local; k < n; k = k + wg_size) {
        front[k] = field[base + k * stride];
    }
    workgroupBarrier();
    var done = 1u; // product of the radices so far
    var plan = radices;
    var in_front = true;
    while plan != 0u {
        let radix = plan & 15u;
        let span = n / radix;
        let twiddle_step = span / done;
        for (var b = local; b < span; b = b + wg_size) {
            let phase = b % done;
            var v: array<vec2<f32>, 7>;
            for (var r = 0u; r < radix; r = r + 1u) {
                let value = select(back[b + r * span], front[b + r * span], in_front);
                v[r] = multiply(value, twiddle(r * phase * twiddle_step));
            }
            v = butterfly(v, radix);
            let first = (b / done) * done * radix + phase;
            for (var r = 0u; r < radix; r = r + 1u) {
                if in_front {
                    back[first + r * done] = v[r];
                } else {
                    front[first + r * done] = v[r];
                }
            }
        }
        workgroupBarrier();
        in_front = !in_front;
        done = done * radix;
        plan = plan >> 4u;
    }
    for (var k = local; k < n; k = k + wg_size) {
        field[base + k * stride] = select(back[k], front[k], in_front);
    }
}
