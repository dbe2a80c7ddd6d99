// One time step: mesh forces gathered by one invocation per atom and plane of the mesh, then kick, bath, drift, constraints
// and velocity correction by one per constraint group. A workgroup has eight groups, with room for three atoms each: the
// loads of a gather take longest, so many invocations share them.
//
// Leap-frog:  v(n+1/2) = s v(n-1/2) + dt f/m,  x(n+1) = x(n) + dt v(n+1/2), both corrected by the constraint move D:
//             x += D, v += D/dt.
// Langevin:   kick, half drift, v <- exp(-friction dt) v + sqrt(kT/m (1 - exp(-2 friction dt))) xi, half drift, constraints
//             (middle scheme: Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019)); velocities are projected on the
//             constraints after the kick and after the bath.
//
// group 0: cell | params: the step | groups: first atom, atoms (1, or 3 for a rigid water O H H), bits of d_OH, bits of d_HH, nm |
//          potential: phi, kJ mol^-1 e^-1 (MESH), or long_range_forces: kJ mol^-1 nm^-1, by slot (EWALD)
// group 1: pair_forces: kJ mol^-1 nm^-1 by slot, or part/fixed_force (HALF) | positions: fixed-point x, y, z, slot |
//          velocities: x, y, z, 1/m; nm ps^-1, 1/u | sorted: fixed-point x, y, z, charge bits, by slot | partials: see
//          PARTIAL_* | status
// twin: src/forces/reference/integrate.rs, settle.rs

override n_groups: u32;
// workgroups whose partial sums come first: those of constraints.wgsl
override first_partial: u32;

// A longer move in one step, nm, is a blow-up: the atom stays and is reported; the host finds the step.
const LONGEST_MOVE: f32 = 0.5;
// Sums per workgroup, kJ mol^-1: kinetic-energy tensors xx yy zz xy xz yz of v(n-1/2) and v(n+1/2); energy of v(n+1/2) - s v(n-1/2);
// constraint virial xx yy zz xy xz yz; heat of the bath; kinetic energy the chunk leaves behind.
const PARTIAL_BEFORE: u32 = 0u;
const PARTIAL_AFTER: u32 = 6u;
const PARTIAL_KICK: u32 = 12u;
const PARTIAL_VIRIAL: u32 = 13u;
const PARTIAL_BATH: u32 = 19u;
const PARTIAL_KINETIC: u32 = 20u;
const N_PARTIALS: u32 = 24u;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<uniform> params: StepUniform;
@group(0) @binding(2) var<storage, read> groups: array<vec4<u32>>;
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

//#include part/take_pair_force
//#if MESH
//#include part/gather_atoms
//#end

// GROUPS_PER_WORKGROUP in src/forces/gpu/integrate.rs
const GROUPS_PER_WORKGROUP: u32 = 8u;
const ROOM: u32 = 3u * GROUPS_PER_WORKGROUP;
const NOBODY: u32 = 0xffffffffu;

var<workgroup> atom_forces: array<vec4<f32>, ROOM>;


// A group is a Triple; a single atom leaves the other two at rest with zero inverse mass.

fn mass_of(inv_mass: f32) -> f32 {
    if inv_mass > 0.0 {
        return 1.0 / inv_mass;
    }
    return 0.0;
}

fn add_square(sum: ptr<function, array<f32, 21>>, first: u32, mass: f32, v: vec3<f32>) {
    let h = 0.5 * mass * v;
    (*sum)[first] = (*sum)[first] + h.x * v.x;
    (*sum)[first + 1u] = (*sum)[first + 1u] + h.y * v.y;
    (*sum)[first + 2u] = (*sum)[first + 2u] + h.z * v.z;
    (*sum)[first + 3u] = (*sum)[first + 3u] + h.x * v.y;
    (*sum)[first + 4u] = (*sum)[first + 4u] + h.x * v.z;
    (*sum)[first + 5u] = (*sum)[first + 5u] + h.y * v.z;
}

fn kinetic(mass: vec3<f32>, v: Triple) -> f32 {
    return 0.5 * (mass.x * dot(v.o, v.o) + mass.y * dot(v.h1, v.h1) + mass.z * dot(v.h2, v.h2));
}

fn combine(a: f32, x: Triple, b: f32, y: Triple) -> Triple {
    return Triple(a * x.o + b * y.o, a * x.h1 + b * y.h1, a * x.h2 + b * y.h2);
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

fn move_atom(atom: u32, d: vec3<f32>, v: vec3<f32>, inv_mass: f32) {
    if exceeds(d.x, LONGEST_MOVE) || exceeds(d.y, LONGEST_MOVE) || exceeds(d.z, LONGEST_MOVE) {
        atomicMin(&status.first_bad, atom);
        return;
    }
    let here = positions[atom];
    let there = here.xyz + fixed_displacement(d, cell);
    positions[atom] = vec4<i32>(there, here.w);
    velocities[atom] = vec4<f32>(v, inv_mass);
    let slot = u32(here.w);
    sorted[slot] = vec4<i32>(there, sorted[slot].w);
}

@compute @workgroup_size(wg_size)
fn update(
    @builtin(workgroup_id) group_id: vec3<u32>,
    @builtin(num_workgroups) n_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group_id.x + group_id.y * n_workgroups.x;
    // the atom that stands at `local` in the room of the workgroup
    let of_atom = workgroup * GROUPS_PER_WORKGROUP + local / 3u;
    var atom = NOBODY;
    if local < ROOM && of_atom < n_groups {
        let group = groups[of_atom];
        if local % 3u < group.y {
            atom = group.x + local % 3u;
        }
    }
//#if MESH
    prepare_gather(local, atom);
    workgroupBarrier();
    gather_planes(local);
    workgroupBarrier();
//#end
    if atom != NOBODY {
        let slot = u32(positions[atom].w);
        var f = take_pair_force(slot);
//#if MESH
        f = f + gathered(local);
//#end
//#if EWALD
        f = f + long_range_forces[slot].xyz;
//#end
        atom_forces[local] = vec4<f32>(f, 0.0);
    }
    workgroupBarrier();
    var sums = array<f32, 21>();
    let index = workgroup * GROUPS_PER_WORKGROUP + local;
    if local < GROUPS_PER_WORKGROUP && index < n_groups {
        let group = groups[index];
        let rigid = group.y == 3u;
        let i = group.x;
        let first = velocities[i];
        var v = Triple(first.xyz, vec3<f32>(0.0), vec3<f32>(0.0));
        var w = vec3<f32>(first.w, 0.0, 0.0);
        var f = Triple(atom_forces[3u * local].xyz, vec3<f32>(0.0), vec3<f32>(0.0));
        var bonds = Triple(vec3<f32>(0.0), vec3<f32>(0.0), vec3<f32>(0.0));
        var lengths = vec3<f32>(0.0);
        if rigid {
            let second = velocities[i + 1u];
            let third = velocities[i + 2u];
            v.h1 = second.xyz;
            v.h2 = third.xyz;
            w = vec3<f32>(first.w, second.w, third.w);
            f.h1 = atom_forces[3u * local + 1u].xyz;
            f.h2 = atom_forces[3u * local + 2u].xyz;
            let o = positions[i].xyz;
            let h1 = positions[i + 1u].xyz;
            let h2 = positions[i + 2u].xyz;
            bonds = Triple(displacement(o, h1, cell), displacement(o, h2, cell), displacement(h1, h2, cell));
            lengths = vec3<f32>(bitcast<f32>(group.z), bitcast<f32>(group.z), bitcast<f32>(group.w));
        }
        let mass = vec3<f32>(mass_of(w.x), mass_of(w.y), mass_of(w.z));
        let before = v;
        var scale = params.velocity_scale;
        if (params.flags & STEP_COUPLE) != 0u {
            scale = scale * status.velocity_scale;
        }
        let scaled = combine(scale, v, 0.0, v);
        v = Triple(
            scaled.o + (params.dt * w.x) * f.o,
            scaled.h1 + (params.dt * w.y) * f.h1,
            scaled.h2 + (params.dt * w.z) * f.h2,
        );
        var drift: Triple;
        // multipliers of the constraint moves of one step, without the answer to the bath: u nm^0
        var multipliers = vec3<f32>(0.0);
        if (params.flags & STEP_LANGEVIN) != 0u {
            if rigid {
                let l = velocity_multipliers(bonds, v, w);
                v = combine(1.0, v, 1.0, apply_multipliers(l, bonds, w));
                multipliers = multipliers + params.dt * l;
            }
            drift = combine(0.5 * params.dt, v, 0.0, v);
            let old_kinetic = kinetic(mass, v);
            v = Triple(
                params.decay * v.o + (params.noise * sqrt(w.x)) * noise_of(i),
                params.decay * v.h1,
                params.decay * v.h2,
            );
            if rigid {
                v.h1 = v.h1 + (params.noise * sqrt(w.y)) * noise_of(i + 1u);
                v.h2 = v.h2 + (params.noise * sqrt(w.z)) * noise_of(i + 2u);
                v = combine(1.0, v, 1.0, apply_multipliers(velocity_multipliers(bonds, v, w), bonds, w));
            }
            sums[PARTIAL_BATH] = kinetic(mass, v) - old_kinetic;
            drift = combine(1.0, drift, 0.5 * params.dt, v);
        } else {
            drift = combine(params.dt, v, 0.0, v);
        }
        if rigid {
            let l = position_multipliers(bonds, drift, w, lengths);
            let correction = apply_multipliers(l, bonds, w);
            drift = combine(1.0, drift, 1.0, correction);
            v = combine(1.0, v, 1.0 / params.dt, correction);
            multipliers = multipliers + l;
            // force along a bond = multiplier / dt^2, acting on its first atom
            let g = multipliers / (params.dt * params.dt);
            sums[PARTIAL_VIRIAL] = g.x * bonds.o.x * bonds.o.x + g.y * bonds.h1.x * bonds.h1.x + g.z * bonds.h2.x * bonds.h2.x;
            sums[PARTIAL_VIRIAL + 1u] = g.x * bonds.o.y * bonds.o.y + g.y * bonds.h1.y * bonds.h1.y + g.z * bonds.h2.y * bonds.h2.y;
            sums[PARTIAL_VIRIAL + 2u] = g.x * bonds.o.z * bonds.o.z + g.y * bonds.h1.z * bonds.h1.z + g.z * bonds.h2.z * bonds.h2.z;
            sums[PARTIAL_VIRIAL + 3u] = g.x * bonds.o.x * bonds.o.y + g.y * bonds.h1.x * bonds.h1.y + g.z * bonds.h2.x * bonds.h2.y;
            sums[PARTIAL_VIRIAL + 4u] = g.x * bonds.o.x * bonds.o.z + g.y * bonds.h1.x * bonds.h1.z + g.z * bonds.h2.x * bonds.h2.z;
            sums[PARTIAL_VIRIAL + 5u] = g.x * bonds.o.y * bonds.o.z + g.y * bonds.h1.y * bonds.h1.z + g.z * bonds.h2.y * bonds.h2.z;
        }
        add_square(&sums, PARTIAL_BEFORE, mass.x, before.o);
        add_square(&sums, PARTIAL_BEFORE, mass.y, before.h1);
        add_square(&sums, PARTIAL_BEFORE, mass.z, before.h2);
        add_square(&sums, PARTIAL_AFTER, mass.x, v.o);
        add_square(&sums, PARTIAL_AFTER, mass.y, v.h1);
        add_square(&sums, PARTIAL_AFTER, mass.z, v.h2);
        sums[PARTIAL_KICK] = kinetic(mass, combine(1.0, v, -1.0, scaled));
        sums[PARTIAL_KINETIC] = kinetic(mass, v);
        move_atom(i, drift.o, v.o, w.x);
        if rigid {
            move_atom(i + 1u, drift.h1, v.h1, w.y);
            move_atom(i + 2u, drift.h2, v.h2, w.z);
        }
    }
    let slot = (first_partial + workgroup) * N_PARTIALS;
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
