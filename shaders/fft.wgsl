// Complex 1-D transforms along one axis of a 3-D array, unnormalised: X_k = sum_j x_j exp(-+ 2 pi i j k / n).
//
// `batch` lines per workgroup, staged in workgroup memory; Stockham autosort (no bit reversal), mixed radix 2, 3, 4, 5, 7.
// `radices` holds the plan as hexadecimal digits, first stage lowest. `direction` is 1 forward, -1 inverse.
//
// group 0: twiddles: exp(-2 pi i k / n), k = 0 .. n-1
// group 1: field: complex values; elements of a line are `stride` apart in memory
// twin: rustfft in tests; plan: src/forces/gpu/fft.rs

override n: u32;
override stride: u32;
override n_lines: u32;
override batch: u32;
override radices: u32;
override direction: f32;

// twice `batch` n values: a stage reads one half and writes the other
var<workgroup> stage: array<vec2<f32>, 1024>;
const HALF: u32 = 512u;

@group(0) @binding(0) var<storage, read> twiddles: array<vec2<f32>>;
@group(1) @binding(0) var<storage, read_write> field: array<vec2<f32>>;

// One butterfly: where it reads (`span` apart), where it writes (`done` apart), and its twiddle exponent.
struct Butterfly {
    from_index: u32,
    span: u32,
    to_index: u32,
    done: u32,
    twiddle: u32,
}

// a times -i (forward) or i (inverse)
fn quarter_turn(a: vec2<f32>) -> vec2<f32> {
    return direction * vec2<f32>(a.y, -a.x);
}

fn read_input(b: Butterfly, r: u32) -> vec2<f32> {
    let a = stage[b.from_index + r * b.span];
    let t = twiddles[r * b.twiddle];
    let w = vec2<f32>(t.x, direction * t.y);
    return vec2<f32>(a.x * w.x - a.y * w.y, a.x * w.y + a.y * w.x);
}

fn write_output(b: Butterfly, r: u32, y: vec2<f32>) {
    stage[b.to_index + r * b.done] = y;
}

fn radix_2(b: Butterfly) {
    let x0 = stage[b.from_index];
    let x1 = read_input(b, 1u);
    write_output(b, 0u, x0 + x1);
    write_output(b, 1u, x0 - x1);
}

fn radix_3(b: Butterfly) {
    let x0 = stage[b.from_index];
    let x1 = read_input(b, 1u);
    let x2 = read_input(b, 2u);
    let t = x1 + x2;
    let even = x0 - 0.5 * t;
    let odd = quarter_turn(0.8660254037844386 * (x1 - x2));
    write_output(b, 0u, x0 + t);
    write_output(b, 1u, even + odd);
    write_output(b, 2u, even - odd);
}

fn radix_4(b: Butterfly) {
    let x0 = stage[b.from_index];
    let x1 = read_input(b, 1u);
    let x2 = read_input(b, 2u);
    let x3 = read_input(b, 3u);
    let s = x0 + x2;
    let d = x0 - x2;
    let t = x1 + x3;
    let u = quarter_turn(x1 - x3);
    write_output(b, 0u, s + t);
    write_output(b, 1u, d + u);
    write_output(b, 2u, s - t);
    write_output(b, 3u, d - u);
}

fn radix_5(b: Butterfly) {
    // cos and sin of 72 and 144 degrees
    let c1 = 0.30901699437494745;
    let c2 = -0.8090169943749475;
    let s1 = 0.9510565162951535;
    let s2 = 0.5877852522924731;
    let x0 = stage[b.from_index];
    let x1 = read_input(b, 1u);
    let x2 = read_input(b, 2u);
    let x3 = read_input(b, 3u);
    let x4 = read_input(b, 4u);
    let t1 = x1 + x4;
    let t2 = x2 + x3;
    let d1 = x1 - x4;
    let d2 = x2 - x3;
    let even_1 = x0 + c1 * t1 + c2 * t2;
    let even_2 = x0 + c2 * t1 + c1 * t2;
    let odd_1 = quarter_turn(s1 * d1 + s2 * d2);
    let odd_2 = quarter_turn(s2 * d1 - s1 * d2);
    write_output(b, 0u, x0 + t1 + t2);
    write_output(b, 1u, even_1 + odd_1);
    write_output(b, 2u, even_2 + odd_2);
    write_output(b, 3u, even_2 - odd_2);
    write_output(b, 4u, even_1 - odd_1);
}

fn radix_7(b: Butterfly) {
    // cos and sin of 360/7, 720/7 and 1080/7 degrees
    let c1 = 0.6234898018587336;
    let c2 = -0.2225209339563144;
    let c3 = -0.9009688679024191;
    let s1 = 0.7818314824680298;
    let s2 = 0.9749279121818236;
    let s3 = 0.4338837391175582;
    let x0 = stage[b.from_index];
    let x1 = read_input(b, 1u);
    let x2 = read_input(b, 2u);
    let x3 = read_input(b, 3u);
    let x4 = read_input(b, 4u);
    let x5 = read_input(b, 5u);
    let x6 = read_input(b, 6u);
    let t1 = x1 + x6;
    let t2 = x2 + x5;
    let t3 = x3 + x4;
    let d1 = x1 - x6;
    let d2 = x2 - x5;
    let d3 = x3 - x4;
    let even_1 = x0 + c1 * t1 + c2 * t2 + c3 * t3;
    let even_2 = x0 + c2 * t1 + c3 * t2 + c1 * t3;
    let even_3 = x0 + c3 * t1 + c1 * t2 + c2 * t3;
    let odd_1 = quarter_turn(s1 * d1 + s2 * d2 + s3 * d3);
    let odd_2 = quarter_turn(s2 * d1 - s3 * d2 - s1 * d3);
    let odd_3 = quarter_turn(s3 * d1 - s1 * d2 + s2 * d3);
    write_output(b, 0u, x0 + t1 + t2 + t3);
    write_output(b, 1u, even_1 + odd_1);
    write_output(b, 2u, even_2 + odd_2);
    write_output(b, 3u, even_3 + odd_3);
    write_output(b, 4u, even_3 - odd_3);
    write_output(b, 5u, even_2 - odd_2);
    write_output(b, 6u, even_1 - odd_1);
}

// Address of element `e` of this workgroup's lines in the field, and in x its place in `stage`.
fn address(first_line: u32, e: u32) -> vec2<u32> {
    // neighbouring invocations touch neighbouring memory: along the line if it is contiguous, else across lines
    let contiguous = stride == 1u;
    let line = select(e % batch, e / n, contiguous);
    let k = select(e / batch, e % n, contiguous);
    let global_line = first_line + line;
    return vec2<u32>(line * n + k, (global_line / stride) * (stride * n) + global_line % stride + k * stride);
}

@compute @workgroup_size(wg_size)
fn fft(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_line = (group.x + group.y * n_groups.x) * batch;
    for (var e = local; e < batch * n; e = e + wg_size) {
        let at = address(first_line, e);
        if first_line + at.x / n < n_lines {
            stage[at.x] = field[at.y];
        }
    }
    workgroupBarrier();
    var done = 1u; // product of the radices so far
    var plan = radices;
    var from_half = 0u;
    while plan != 0u {
        let radix = plan & 15u;
        let span = n / radix;
        for (var item = local; item < batch * span; item = item + wg_size) {
            let line = item / span;
            let place = item % span;
            let phase = place % done;
            let b = Butterfly(
                from_half + line * n + place,
                span,
                (HALF - from_half) + line * n + (place / done) * done * radix + phase,
                done,
                phase * (span / done),
            );
            switch radix {
                case 2u: { radix_2(b); }
                case 3u: { radix_3(b); }
                case 4u: { radix_4(b); }
                case 5u: { radix_5(b); }
                default: { radix_7(b); }
            }
        }
        workgroupBarrier();
        from_half = HALF - from_half;
        done = done * radix;
        plan = plan >> 4u;
    }
    for (var e = local; e < batch * n; e = e + wg_size) {
        let at = address(first_line, e);
        if first_line + at.x / n < n_lines {
            field[at.y] = stage[from_half + at.x];
        }
    }
}
