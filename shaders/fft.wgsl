// Complex transforms of a 3-D array along one axis, or along two in every plane: X_k = sum_j x_j exp(-+ 2 pi i j k / n),
// unnormalised.
//
// Lines, or a plane (PLANE), are staged in workgroup memory; Stockham autosort (no bit reversal), mixed radix 2, 3, 4, 5, 7.
// `radices_*` holds a plan as hexadecimal digits, first stage lowest. `direction` is 1 forward, -1 inverse.
// CONVERT: the values are read from the fixed-point charge mesh, which is tested and cleared for the next step.
// SOLVE: after the transform the values are multiplied by the influence function and transformed back:
//   phi(m) = G(m) Q(m);  E = 1/2 sum_m G |Q|^2;  W = sum_m E_m [1 - 2 (1/k^2 + 1/4 beta^2) k (x) k]   (ENERGY)
//   (U. Essmann et al., J. Chem. Phys. 103, 8577 (1995), eqs. 4.7 and 2.6). G holds k_e: kJ mol^-1 e^-2.
// REAL: only the real part of the result is kept, as `potential`.
//
// group 0: twiddles: exp(-2 pi i k / n), k = 0 .. n-1, one table after the other | cell, influence: G by mesh point (SOLVE)
// group 1: field: complex values; elements of a line are `stride` apart in memory | mesh: charge, 2^-26 e, status (CONVERT) | potential (REAL) |
//          partials: E, W xx yy zz xy xz yz, _pad, per workgroup, kJ mol^-1 (ENERGY)
// twin: rustfft in tests, src/forces/reference/pme.rs `solve`; plan: src/forces/gpu/fft.rs

override stride: u32 = 1u;
override n_lines: u32 = 1u;
override batch: u32 = 1u;
override direction: f32;
// values of a stage, and twice as many: a stage reads one half and writes the other
override half_stage: u32;
override whole_stage: u32;
//#if SOLVE
// 1/(4 beta^2), nm^2
override inv_four_beta_sq: f32;
//#end

var<workgroup> stage: array<vec2<f32>, whole_stage>;

@group(0) @binding(0) var<storage, read> twiddles: array<vec2<f32>>;
@group(1) @binding(0) var<storage, read_write> field: array<vec2<f32>>;
//#if REAL
@group(1) @binding(1) var<storage, read_write> potential: array<f32>;
//#end
//#if CONVERT
@group(1) @binding(1) var<storage, read_write> mesh: array<i32>;
@group(1) @binding(2) var<storage, read_write> status: Status;
//#end
//#if SOLVE
@group(0) @binding(1) var<uniform> cell: CellUniform;
@group(0) @binding(2) var<storage, read> influence: array<f32>;
//#end
//#if ENERGY
@group(1) @binding(1) var<storage, read_write> partials: array<f32>;
const N_PARTIALS: u32 = 8u;
//#end

// One butterfly: where it reads (`span` apart), where it writes (`done` apart), and its twiddle exponent (with `turns`; the
// first stage has none).
struct Butterfly {
    from_index: u32,
    span: u32,
    to_index: u32,
    done: u32,
    first_twiddle: u32,
    twiddle: u32,
    turns: bool,
    // 1 forward, -1 inverse
    sign: f32,
}

// a times -i (forward) or i (inverse)
fn quarter_turn(b: Butterfly, a: vec2<f32>) -> vec2<f32> {
    return b.sign * vec2<f32>(a.y, -a.x);
}

fn read_input(b: Butterfly, r: u32) -> vec2<f32> {
    let a = stage[b.from_index + r * b.span];
    if !b.turns {
        return a;
    }
    let t = twiddles[b.first_twiddle + r * b.twiddle];
    let w = vec2<f32>(t.x, b.sign * t.y);
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
    let odd = quarter_turn(b, 0.8660254037844386 * (x1 - x2));
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
    let u = quarter_turn(b, x1 - x3);
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
    let odd_1 = quarter_turn(b, s1 * d1 + s2 * d2);
    let odd_2 = quarter_turn(b, s2 * d1 - s1 * d2);
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
    let odd_1 = quarter_turn(b, s1 * d1 + s2 * d2 + s3 * d3);
    let odd_2 = quarter_turn(b, s2 * d1 - s3 * d2 - s1 * d3);
    let odd_3 = quarter_turn(b, s3 * d1 - s1 * d2 + s2 * d3);
    write_output(b, 0u, x0 + t1 + t2 + t3);
    write_output(b, 1u, even_1 + odd_1);
    write_output(b, 2u, even_2 + odd_2);
    write_output(b, 3u, even_3 + odd_3);
    write_output(b, 4u, even_3 - odd_3);
    write_output(b, 5u, even_2 - odd_2);
    write_output(b, 6u, even_1 - odd_1);
}

// Axis k of what is staged: `lines` lines, their elements `element_stride` apart and their starts `line_stride`.
//#repeat 2
override n_$k: u32 = 1u;
override radices_$k: u32 = 0u;
override lines_$k: u32 = 1u;
override line_stride_$k: u32 = 1u;
override element_stride_$k: u32 = 1u;
override first_twiddle_$k: u32 = 0u;

// Stage `number` of the plan: reads the half that starts at at.x and writes the other; at.y: product of the radices so far.
// Returns both for the next stage. Numbers of the plan are constants when the pass is compiled, and so is all that follows.
fn stage_$k(local: u32, number: u32, at: vec2<u32>, sign: f32) -> vec2<u32> {
    let radix = (radices_$k >> (4u * number)) & 15u;
    if radix == 0u {
        return at;
    }
    let done = at.y;
    let span = n_$k / radix;
    for (var item = local; item < lines_$k * span; item = item + wg_size) {
        // neighbouring invocations touch neighbouring memory
        let along = element_stride_$k == 1u;
        let line = select(item % lines_$k, item / span, along);
        let place = select(item / lines_$k, item % span, along);
        let phase = place % done;
        let start = line * line_stride_$k;
        let b = Butterfly(
            at.x + start + place * element_stride_$k,
            span * element_stride_$k,
            (half_stage - at.x) + start + ((place / done) * done * radix + phase) * element_stride_$k,
            done * element_stride_$k,
            first_twiddle_$k,
            phase * (span / done),
            done > 1u,
            sign,
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
    return vec2<u32>(half_stage - at.x, done * radix);
}

// From the half that starts at `from_half`; returns where the result starts. No plan has more than six stages.
fn transform_$k(local: u32, from_half: u32, sign: f32) -> u32 {
    var at = vec2<u32>(from_half, 1u);
    at = stage_$k(local, 0u, at, sign);
    at = stage_$k(local, 1u, at, sign);
    at = stage_$k(local, 2u, at, sign);
    at = stage_$k(local, 3u, at, sign);
    at = stage_$k(local, 4u, at, sign);
    at = stage_$k(local, 5u, at, sign);
    return at.x;
}
//#end

// Place of element `e` of this workgroup in `stage` (x) and in the field (y); z: is there one?
fn address(workgroup: u32, e: u32) -> vec3<u32> {
//#if PLANE
    return vec3<u32>(e, workgroup * n_0 * n_1 + e, 1u);
//#else
    // neighbouring invocations touch neighbouring memory: along the line if it is contiguous, else across lines
    let contiguous = stride == 1u;
    let line = select(e % batch, e / n_0, contiguous);
    let k = select(e / batch, e % n_0, contiguous);
    let global_line = workgroup * batch + line;
    let at = (global_line / stride) * (stride * n_0) + global_line % stride + k * stride;
    return vec3<u32>(line * n_0 + k, at, select(0u, 1u, global_line < n_lines));
//#end
}

//#if CONVERT
fn charge_at(point: u32) -> vec2<f32> {
    let charge = mesh[point];
    // beyond half the range a sum may have come close to wrapping
    if charge > 1073741824 || charge < -1073741824 {
        atomicMax(&status.mesh_overflow, 1u);
    }
    mesh[point] = 0;
    return vec2<f32>(f32(charge) * 1.4901161193847656e-8, 0.0);
}
//#end

//#if SOLVE
// Frequencies above half a mesh are negative.
fn frequency(m: u32, n: u32) -> f32 {
    return f32(i32(m) - select(0, i32(n), 2u * m > n));
}
//#end

@compute @workgroup_size(wg_size)
fn fft(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
//#if PLANE
    let size = n_0 * n_1;
//#else
    let size = batch * n_0;
//#end
    // four loads on their way at a time
    for (var first = local; first < size; first = first + 4u * wg_size) {
//#repeat 4
        let e_$k = first + $ku * wg_size;
        let at_$k = address(workgroup, e_$k);
        let is_there_$k = e_$k < size && at_$k.z == 1u;
        var value_$k = vec2<f32>(0.0);
        if is_there_$k {
//#if CONVERT
            value_$k = charge_at(at_$k.y);
//#else
            value_$k = field[at_$k.y];
//#end
        }
//#end
//#repeat 4
        if is_there_$k {
            stage[at_$k.x] = value_$k;
        }
//#end
    }
    workgroupBarrier();
    var from_half = transform_0(local, 0u, direction);
//#if PLANE
    from_half = transform_1(local, from_half, direction);
//#end
//#if SOLVE
//#if ENERGY
    var sums = array<f32, 7>();
//#end
    for (var e = local; e < size; e = e + wg_size) {
        let at = address(workgroup, e);
        if at.z == 1u {
            let g = influence[at.y];
            let q = stage[from_half + at.x];
            stage[from_half + at.x] = g * q;
//#if ENERGY
            let energy = 0.5 * g * dot(q, q);
            if energy != 0.0 {
                let m = vec3<f32>(
                    frequency(at.y / (mesh_b * mesh_c), mesh_a),
                    frequency((at.y / mesh_c) % mesh_b, mesh_b),
                    frequency(at.y % mesh_c, mesh_c),
                );
                // 2 pi / 2^32
                let k = 1.4629180792671596e-9 * (m.x * cell.turn_x.xyz + m.y * cell.turn_y.xyz + m.z * cell.turn_z.xyz);
                let factor = 2.0 * (1.0 / dot(k, k) + inv_four_beta_sq);
                sums[0] = sums[0] + energy;
                for (var c = 0u; c < 3u; c = c + 1u) {
                    sums[1u + c] = sums[1u + c] + energy * (1.0 - factor * k[c] * k[c]);
                }
                sums[4] = sums[4] - energy * factor * k.x * k.y;
                sums[5] = sums[5] - energy * factor * k.x * k.z;
                sums[6] = sums[6] - energy * factor * k.y * k.z;
            }
//#end
        }
    }
    workgroupBarrier();
    from_half = transform_0(local, from_half, -direction);
//#end
    for (var e = local; e < size; e = e + wg_size) {
        let at = address(workgroup, e);
        if at.z == 1u {
//#if REAL
            potential[at.y] = stage[from_half + at.x].x;
//#else
            field[at.y] = stage[from_half + at.x];
//#end
        }
    }
//#if ENERGY
    // by a tree of fixed shape in the half that holds no values: memory of its own would exceed the portable 16 KiB
    let sum_at = (half_stage - from_half) + local;
    for (var c = 0u; c < 7u; c = c + 1u) {
        stage[sum_at] = vec2<f32>(sums[c], 0.0);
        workgroupBarrier();
        for (var width = wg_size / 2u; width > 0u; width = width / 2u) {
            if local < width {
                stage[sum_at] = stage[sum_at] + stage[sum_at + width];
            }
            workgroupBarrier();
        }
        if local == 0u {
            partials[workgroup * N_PARTIALS + c] = stage[sum_at].x;
        }
        workgroupBarrier();
    }
//#end
}
