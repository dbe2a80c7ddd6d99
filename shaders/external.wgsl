// External terms of an interface: slab correction, uniform field, walls; and the shape of Gaussian charges near electrodes.
//
// Slab (EW3DC) and field: F_i = q_i [E_z - 4 pi k_e/V (M - Q z_i)] along z, M = sum q z, Q = sum q.
// Walls, h above the plane: 9-3  U = a/h^9 - b/h^3;  10-4-3  U = a/h^10 - b/h^4 - c/(h + 0.61 spacing)^3.
// Shape (ELECTRODES): U = -k_e q q' erfc(eta r)/r for an atom and a Gaussian so close that it is no point.
// DIPOLE: the sums over charges that M takes, in a dispatch before.
//
// group 0: cell | outside: ExternalUniform | sorted: fixed-point x, y, z, bits of q sqrt(k_e) | placed: see part/placed |
//          wall_table: a, b, c by wall and type | dipoles: x = part of sum q z | shapes: slot of a Gaussian, bits of eta (nm^-1)
// group 1: pair_forces, added to: kJ mol^-1 nm^-1 by slot, or part/fixed_force (HALF) | status | partials: energy of walls,
//          their z F_z, energy of shapes, _pad; virial of shapes xx, yy, zz, _pad; xy, xz, yz, _pad; kJ mol^-1
// group 1 (DIPOLE): dipoles: sum q z, sum q z^2 since the list was built, _pad; e nm, e nm^2
// twin: src/forces/reference/external.rs, electrode.rs; src/potential/wall.rs

//#if !HALF
override n_slots: u32;
//#end

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<uniform> outside: ExternalUniform;
@group(0) @binding(2) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> placed: array<Placed>;
//#include part/placed
//#if DIPOLE
@group(1) @binding(0) var<storage, read_write> dipoles: array<vec4<f32>>;

@compute @workgroup_size(wg_size)
fn dipole(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let slot = workgroup * wg_size + local;
    var part = vec2<f32>(0.0);
    if slot < n_slots {
        part = dipole_part(slot);
    }
    let first = workgroup_sum(local, part.x);
    let second = workgroup_sum(local, part.y);
    if local == 0u && workgroup * wg_size < n_slots {
        dipoles[workgroup] = vec4<f32>(first, second, 0.0, 0.0);
    }
}
//#else
@group(0) @binding(4) var<storage, read> wall_table: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> dipoles: array<vec4<f32>>;
//#if ELECTRODES
@group(0) @binding(6) var<storage, read> shapes: array<vec2<u32>>;
//#end
//#if HALF
@group(1) @binding(0) var<storage, read_write> pair_forces: array<i32>;
//#else
@group(1) @binding(0) var<storage, read_write> pair_forces: array<vec4<f32>>;
//#end
@group(1) @binding(1) var<storage, read_write> status: Status;
@group(1) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;

// entries of `dipoles`; 0 when nothing depends on them
override n_dipoles: u32;
override with_energy: bool;

// Closer to a wall the force is that of this height, nm: large enough to end the run.
const LOWEST: f32 = 0.01;

//#include part/add_own_force
//#if ELECTRODES
//#include part/gaussian
//#end

// (U, -dU/dh), kJ mol^-1 and kJ mol^-1 nm^-1
fn wall_term(h: f32, k: vec3<f32>, spacing: f32) -> vec2<f32> {
    let inv_h = 1.0 / h;
    let inv_h3 = inv_h * inv_h * inv_h;
    if spacing == 0.0 {
        let repulsion = k.x * inv_h3 * inv_h3 * inv_h3;
        let attraction = k.y * inv_h3;
        return vec2<f32>(repulsion - attraction, (9.0 * repulsion - 3.0 * attraction) * inv_h);
    }
    let repulsion = k.x * inv_h3 * inv_h3 * inv_h3 * inv_h;
    let surface = k.y * inv_h3 * inv_h;
    let inv_deep = 1.0 / (h + 0.61 * spacing);
    let bulk = k.z * inv_deep * inv_deep * inv_deep;
    return vec2<f32>(repulsion - surface - bulk, (10.0 * repulsion - 4.0 * surface) * inv_h - 3.0 * bulk * inv_deep);
}

@compute @workgroup_size(wg_size)
fn external_forces(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let slot = workgroup * wg_size + local;
    // every workgroup adds up the same numbers in the same order
    var part = 0.0;
    for (var k = local; k < n_dipoles; k = k + wg_size) {
        part = part + dipoles[k].x;
    }
    let moment = outside.moment + workgroup_sum(local, part);
    var wall_energy = 0.0;
    var wall_virial = 0.0;
    var shape_energy = 0.0;
    var shape_diagonal = vec3<f32>(0.0);
    var shape_off = vec3<f32>(0.0);
    if slot < n_slots {
        let here = sorted[slot];
        let place = placed[slot];
        let z = place.height + risen(place, here.z);
        let q = bitcast<f32>(here.w) * outside.charge_unit;
        var f = vec3<f32>(0.0, 0.0, q * (outside.field - outside.slab * (moment - outside.charge * z)));
        for (var w = 0u; w < outside.n_walls && place.atom != 0xffffffffu; w = w + 1u) {
            let k = wall_table[w * outside.n_types + place.kind].xyz;
            if all(k == vec3<f32>(0.0)) {
                continue;
            }
            let wall = outside.walls[w];
            let normal = bitcast<f32>(wall.z);
            // from exact differences, in the image that the unwrapped height is in
            let nearest = cell.step_c.z * f32(here.z - wall.x);
            let turns = round((z - bitcast<f32>(wall.y) - nearest) / outside.height);
            let h = normal * (nearest + turns * outside.height);
            let term = wall_term(max(h, LOWEST), k, bitcast<f32>(wall.w));
            wall_energy = wall_energy + term.x;
            wall_virial = wall_virial + h * term.y;
            f.z = f.z + normal * term.y;
        }
//#if ELECTRODES
        for (var k = place.first_shape; k < place.end_shape; k = k + 1u) {
            let shape = shapes[k];
            let there = sorted[shape.x];
            let d = displacement(there.xyz, here.xyz, cell);
            let term = shape_term(d, bitcast<f32>(shape.y));
            let qq = bitcast<f32>(here.w) * bitcast<f32>(there.w);
            shape_energy = shape_energy - qq * term.w;
            shape_diagonal = shape_diagonal - qq * d * term.xyz;
            shape_off = shape_off - qq * d.xxy * term.yzz;
            f = f - qq * term.xyz;
        }
//#end
        if place.atom != 0xffffffffu {
            add_own_force(place.atom, slot, f);
        }
    }
    if with_energy {
        let energy = workgroup_sum(local, wall_energy);
        let virial = workgroup_sum(local, wall_virial);
        let shape = workgroup_sum(local, shape_energy);
        var diagonal = vec4<f32>(0.0);
        var off = vec4<f32>(0.0);
//#if ELECTRODES
        for (var c = 0u; c < 3u; c = c + 1u) {
            diagonal[c] = workgroup_sum(local, shape_diagonal[c]);
            off[c] = workgroup_sum(local, shape_off[c]);
        }
//#end
        if local == 0u && workgroup * wg_size < n_slots {
            partials[3u * workgroup] = vec4<f32>(energy, virial, shape, 0.0);
            partials[3u * workgroup + 1u] = diagonal;
            partials[3u * workgroup + 2u] = off;
        }
    }
}
//#end
