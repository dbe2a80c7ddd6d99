// One time step of atoms whose distances are constrained, rigid water aside: a bundle of constraint groups per workgroup, one
// invocation per atom and one per constraint.
//
// The steps are those of update.wgsl. A constraint k between atoms i and j acts along its bond s = r_i - r_j at the start of
// the step; multipliers l move x_i += w_i l s, x_j -= w_j l s, w = inverse masses. Velocities are projected by solving
// A l = -s.(v_i - v_j) with A_kl = (coupling by shared atoms) s_k.s_l; positions by Newton's method in the difference form
// with the same matrix, whose inverse is found once per step. Each iteration leaves a few per cent of the error, and
// differences of moves lose no digits in f32 (see common/rigid_water.wgsl).
//
// group 0: cell | params: the step | bundles: BUNDLE vec4 per workgroup, first the atoms: atom (0xffffffff = none), bits of
//          the constraints it is first in, those it is second in, constraints of the bundle; then the constraints: places of
//          both atoms in the bundle, bits of the length, nm | potential (MESH) or long_range_forces (EWALD)
// group 1: as in update.wgsl; partials ahead of its own
// twin: src/forces/reference/constraints.rs, integrate.rs

const PADDING: u32 = 0xffffffffu;
const MAX_CONSTRAINTS: u32 = 32u;
const BUNDLE: u32 = 96u;
const ITERATIONS: u32 = 8u;
// The inverse is that of f32: a second projection removes what the first has left.
const PROJECTIONS: u32 = 2u;

// A longer move in one step, nm, is a blow-up: the atom stays and is reported; the host finds the step.
const LONGEST_MOVE: f32 = 0.5;
// see update.wgsl
const PARTIAL_BEFORE: u32 = 0u;
const PARTIAL_AFTER: u32 = 6u;
const PARTIAL_KICK: u32 = 12u;
const PARTIAL_VIRIAL: u32 = 13u;
const PARTIAL_BATH: u32 = 19u;
const PARTIAL_KINETIC: u32 = 20u;
const N_PARTIALS: u32 = 24u;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<uniform> params: StepUniform;
@group(0) @binding(2) var<storage, read> bundles: array<vec4<u32>>;
//#if MESH
@group(0) @binding(3) var<storage, read> potential: array<f32>;
//#end
//#if EWALD
@group(0) @binding(3) var<storage, read> long_range_forces: array<vec4<f32>>;
//#end
//#if HALF
@group(1) @binding(0) var<storage, read_write> pair_forces: array<i32>;
//#else
@group(1) @binding(0) var<storage, read_write> pair_forces: array<vec4<f32>>;
//#end
@group(1) @binding(1) var<storage, read_write> positions: array<vec4<i32>>;
@group(1) @binding(2) var<storage, read_write> velocities: array<vec4<f32>>;
@group(1) @binding(3) var<storage, read_write> sorted: array<vec4<i32>>;
@group(1) @binding(4) var<storage, read_write> partials: array<f32>;
@group(1) @binding(5) var<storage, read_write> status: Status;

//#include part/force_on

// moves or velocities of the atoms of the bundle; w = inverse mass, 1/u
var<workgroup> shared_atoms: array<vec4<f32>, 64>;
// bonds s, nm; w = |s|^2 - length^2, nm^2
var<workgroup> bonds: array<vec4<f32>, MAX_CONSTRAINTS>;
var<workgroup> right_side: array<f32, MAX_CONSTRAINTS>;
var<workgroup> solution: array<f32, MAX_CONSTRAINTS>;
// A, then its inverse, in rows of MAX_CONSTRAINTS
var<workgroup> matrix: array<f32, 1024>;

// What invocation `local` knows of its bundle.
struct Place {
    local: u32,
    n: u32,
    // constraints the atom is first in, second in
    as_first: u32,
    as_second: u32,
    // atoms of the constraint
    i: u32,
    j: u32,
}

fn mass_of(inv_mass: f32) -> f32 {
    if inv_mass > 0.0 {
        return 1.0 / inv_mass;
    }
    return 0.0;
}

fn noise_of(atom: u32) -> vec3<f32> {
    // stream 1 of src/random.rs: counter = (atom, step, stream), key = seed
    let words = philox4x32(
        vec4<u32>(atom, params.step_low, params.step_high, 1u),
        vec2<u32>(params.seed_low, params.seed_high),
    );
    let first = normal_pair(words.x, words.y);
    return vec3<f32>(first, normal_pair(words.z, words.w).x);
}

// How much a unit multiplier of constraint l changes the bond of constraint k, along s_l.
fn coupling(k: u32, l: u32, base: u32) -> f32 {
    let a = bundles[base + 64u + k].xy;
    let b = bundles[base + 64u + l].xy;
    let w_i = shared_atoms[a.x].w;
    let w_j = shared_atoms[a.y].w;
    return select(0.0, w_i, a.x == b.x) - select(0.0, w_i, a.x == b.y) - select(0.0, w_j, a.y == b.x)
        + select(0.0, w_j, a.y == b.y);
}

// Inverts the matrix in place by Gauss and Jordan's method; it is symmetric and positive, so no pivot is sought.
fn invert_matrix(local: u32, n: u32) {
    let row = local % MAX_CONSTRAINTS;
    let first = (local / MAX_CONSTRAINTS) * (MAX_CONSTRAINTS / 2u);
    for (var p = 0u; p < n; p = p + 1u) {
        let inv_pivot = 1.0 / matrix[p * MAX_CONSTRAINTS + p];
        let factor = matrix[row * MAX_CONSTRAINTS + p] * inv_pivot;
        workgroupBarrier();
        if row < n && row != p {
            for (var c = first; c < min(first + MAX_CONSTRAINTS / 2u, n); c = c + 1u) {
                let at = row * MAX_CONSTRAINTS + c;
                matrix[at] = select(matrix[at] - factor * matrix[p * MAX_CONSTRAINTS + c], -factor, c == p);
            }
        }
        workgroupBarrier();
        if row == p {
            for (var c = first; c < min(first + MAX_CONSTRAINTS / 2u, n); c = c + 1u) {
                let at = p * MAX_CONSTRAINTS + c;
                matrix[at] = select(matrix[at] * inv_pivot, inv_pivot, c == p);
            }
        }
        workgroupBarrier();
    }
}

// The multiplier of the constraint of this invocation for its right side; afterwards `solution` holds all of them.
fn solve(place: Place, rhs: f32) -> f32 {
    if place.local < place.n {
        right_side[place.local] = rhs;
    }
    workgroupBarrier();
    var l = 0.0;
    if place.local < place.n {
        for (var c = 0u; c < place.n; c = c + 1u) {
            l = l + matrix[place.local * MAX_CONSTRAINTS + c] * right_side[c];
        }
        solution[place.local] = l;
    }
    workgroupBarrier();
    return l;
}

// What `solution` does to the atom of this invocation, per inverse mass.
fn pull(place: Place) -> vec3<f32> {
    var sum = vec3<f32>(0.0);
    for (var c = 0u; c < place.n; c = c + 1u) {
        if ((place.as_first >> c) & 1u) == 1u {
            sum = sum + solution[c] * bonds[c].xyz;
        }
        if ((place.as_second >> c) & 1u) == 1u {
            sum = sum - solution[c] * bonds[c].xyz;
        }
    }
    return sum;
}

struct Projected {
    v: vec3<f32>,
    // of the constraint of this invocation, u ps^-1
    impulse: f32,
}

// Removes the velocity along every bond.
fn project(place: Place, start: vec3<f32>, w: f32) -> Projected {
    var result = Projected(start, 0.0);
    for (var round = 0u; round < PROJECTIONS; round = round + 1u) {
        shared_atoms[place.local] = vec4<f32>(result.v, w);
        workgroupBarrier();
        var rate = 0.0;
        if place.local < place.n {
            rate = dot(bonds[place.local].xyz, shared_atoms[place.i].xyz - shared_atoms[place.j].xyz);
        }
        result.impulse = result.impulse + solve(place, -rate);
        result.v = result.v + w * pull(place);
    }
    return result;
}

@compute @workgroup_size(64)
fn update_constrained(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_workgroups.x;
    let base = workgroup * BUNDLE;
    let entry = bundles[base + local];
    let atom = entry.x;
    let exists = atom != PADDING;
    let n = bundles[base].w;
    var place = Place(local, n, entry.y, entry.z, 0u, 0u);
    var here = vec4<i32>(0);
    var old = vec4<f32>(0.0);
    var f = vec3<f32>(0.0);
    if exists {
        here = positions[atom];
        old = velocities[atom];
        f = force_on(atom);
    }
    let w = old.w;
    shared_atoms[local] = vec4<f32>(0.0, 0.0, 0.0, w);
    var s = vec3<f32>(0.0);
    if local < place.n {
        let constraint = bundles[base + 64u + local];
        place.i = constraint.x;
        place.j = constraint.y;
        s = displacement(
            positions[bundles[base + place.j].x].xyz,
            positions[bundles[base + place.i].x].xyz,
            cell,
        );
        let length = bitcast<f32>(constraint.z);
        bonds[local] = vec4<f32>(s, dot(s, s) - length * length);
    }
    workgroupBarrier();
    let row = local % MAX_CONSTRAINTS;
    if row < place.n {
        let first = (local / MAX_CONSTRAINTS) * (MAX_CONSTRAINTS / 2u);
        for (var c = first; c < min(first + MAX_CONSTRAINTS / 2u, place.n); c = c + 1u) {
            matrix[row * MAX_CONSTRAINTS + c] = coupling(row, c, base) * dot(bonds[row].xyz, bonds[c].xyz);
        }
    }
    workgroupBarrier();
    invert_matrix(local, n);

    let mass = mass_of(w);
    var scale = params.velocity_scale;
    if (params.flags & STEP_COUPLE) != 0u {
        scale = scale * status.velocity_scale;
    }
    let scaled = scale * old.xyz;
    var v = scaled + (params.dt * w) * f;
    var drift = params.dt * v;
    // of the constraint of this invocation in one step, without the answer to the bath: u nm^0
    var multiplier = 0.0;
    var sums = array<f32, 21>();
    if (params.flags & STEP_LANGEVIN) != 0u {
        let kicked = project(place, v, w);
        multiplier = params.dt * kicked.impulse;
        drift = 0.5 * params.dt * kicked.v;
        sums[PARTIAL_BATH] = -0.5 * mass * dot(kicked.v, kicked.v);
        v = project(place, params.decay * kicked.v + (params.noise * sqrt(w)) * noise_of(atom), w).v;
        sums[PARTIAL_BATH] = sums[PARTIAL_BATH] + 0.5 * mass * dot(v, v);
        drift = drift + 0.5 * params.dt * v;
    }
    var correction = vec3<f32>(0.0);
    for (var iteration = 0u; iteration < ITERATIONS; iteration = iteration + 1u) {
        shared_atoms[local] = vec4<f32>(drift + correction, w);
        workgroupBarrier();
        var residual = 0.0;
        if local < place.n {
            let moved = shared_atoms[place.i].xyz - shared_atoms[place.j].xyz;
            residual = 0.5 * (bonds[local].w + dot(moved, 2.0 * s + moved));
        }
        multiplier = multiplier + solve(place, -residual);
        correction = correction + w * pull(place);
    }
    drift = drift + correction;
    v = v + correction / params.dt;
    if exists {
        let h = 0.5 * mass;
        let before = old.xyz;
        let b_off = before.xxy * before.yzz;
        let a_off = v.xxy * v.yzz;
        for (var c = 0u; c < 3u; c = c + 1u) {
            sums[PARTIAL_BEFORE + c] = h * before[c] * before[c];
            sums[PARTIAL_BEFORE + 3u + c] = h * b_off[c];
            sums[PARTIAL_AFTER + c] = h * v[c] * v[c];
            sums[PARTIAL_AFTER + 3u + c] = h * a_off[c];
        }
        sums[PARTIAL_KICK] = h * dot(v - scaled, v - scaled);
        sums[PARTIAL_KINETIC] = h * dot(v, v);
        if exceeds(drift.x, LONGEST_MOVE) || exceeds(drift.y, LONGEST_MOVE) || exceeds(drift.z, LONGEST_MOVE) {
            atomicMin(&status.first_bad, atom);
        } else {
            let there = here.xyz + fixed_displacement(drift, cell);
            positions[atom] = vec4<i32>(there, here.w);
            velocities[atom] = vec4<f32>(v, w);
            let slot = u32(here.w);
            sorted[slot] = vec4<i32>(there, sorted[slot].w);
        }
    }
    // force along a bond = multiplier / dt^2
    let g = multiplier / (params.dt * params.dt);
    let s_off = s.xxy * s.yzz;
    for (var c = 0u; c < 3u; c = c + 1u) {
        sums[PARTIAL_VIRIAL + c] = g * s[c] * s[c];
        sums[PARTIAL_VIRIAL + 3u + c] = g * s_off[c];
    }
    let slot = workgroup * N_PARTIALS;
    if (params.flags & STEP_REPORT) != 0u {
        for (var c = 0u; c < PARTIAL_BATH; c = c + 1u) {
            let total = workgroup_sum(local, sums[c]);
            if local == 0u {
                partials[slot + c] = total;
            }
        }
    }
    if (params.flags & STEP_LANGEVIN) != 0u {
        let total = workgroup_sum(local, sums[PARTIAL_BATH]);
        if local == 0u {
            if (params.flags & STEP_FIRST) != 0u {
                partials[slot + PARTIAL_BATH] = total;
            } else {
                partials[slot + PARTIAL_BATH] = partials[slot + PARTIAL_BATH] + total;
            }
        }
    }
    if (params.flags & STEP_LAST) != 0u {
        let total = workgroup_sum(local, sums[PARTIAL_KINETIC]);
        if local == 0u {
            partials[slot + PARTIAL_KINETIC] = total;
        }
    }
}
