// Mesh potential to force for the 24 atoms of a workgroup: F_i = -q_i grad phi(r_i), kJ mol^-1 nm^-1.
//
// Essmann et al. (1995), eq. 4.9, as part/mesh_force does it for one atom. Here an invocation computes one spline, then the
// part of one atom on one plane k_a of the mesh; the parts are summed in the order of the planes. Between the three functions
// stand barriers. Uses `cell`, `positions`, `sorted` and `potential` of the pass.
// twin: src/forces/reference/pme.rs, `add_gathered_forces`

override charge_unit: f32;

const GATHER_ATOMS: u32 = 24u;

// by axis and atom
var<workgroup> gather_values: array<array<f32, 6>, 72>;
var<workgroup> gather_slopes: array<array<f32, 6>, 72>;
var<workgroup> gather_first: array<u32, 72>;
// -q / 2^32, (kJ mol^-1 nm)^1/2 with its unit removed: e; 0 where nobody stands
var<workgroup> gather_charge: array<f32, 24>;
// by atom and plane
var<workgroup> gather_parts: array<vec4<f32>, 144>;
var<workgroup> gather_positions: array<vec4<i32>, 24>;

// local: index in the workgroup; atom: that stands there, or NOBODY; invocations beyond 24 have nobody.
fn prepare_gather(local: u32, atom: u32) {
    if local < GATHER_ATOMS {
        var at = vec4<i32>(0);
        if atom != NOBODY {
            let here = positions[atom];
            at = vec4<i32>(here.xyz, sorted[u32(here.w)].w);
        }
        gather_positions[local] = at;
        gather_charge[local] = -bitcast<f32>(at.w) * charge_unit * 2.3283064365386963e-10;
    }
    workgroupBarrier();
    if local < 3u * GATHER_ATOMS {
        let axis = local / GATHER_ATOMS;
        let at = gather_positions[local % GATHER_ATOMS];
        let turn = select(select(at.x, at.y, axis == 1u), at.z, axis == 2u);
        let n = select(select(mesh_a, mesh_b, axis == 1u), mesh_c, axis == 2u);
        let here = spline(bitcast<u32>(turn), n);
        gather_first[local] = here.first;
        gather_values[local] = here.values;
        gather_slopes[local] = here.derivatives;
    }
}

fn gather_planes(local: u32) {
    for (var item = local; item < GATHER_ATOMS * spline_order; item = item + wg_size) {
        let atom = item / spline_order;
        let ka = item % spline_order;
        let of_b = GATHER_ATOMS + atom;
        let of_c = 2u * GATHER_ATOMS + atom;
        if gather_charge[atom] == 0.0 {
            gather_parts[item] = vec4<f32>(0.0);
            continue;
        }
        let row_a = ((gather_first[atom] + ka) % mesh_a) * mesh_b;
        let first_b = gather_first[of_b];
        let first_c = gather_first[of_c];
        // sums over b and c with slopes in none, b, c
        var sum = vec3<f32>(0.0);
        for (var kb = 0u; kb < spline_order; kb = kb + 1u) {
            let row = (row_a + (first_b + kb) % mesh_b) * mesh_c;
            var value = 0.0;
            var slope = 0.0;
            for (var kc = 0u; kc < spline_order; kc = kc + 1u) {
                let phi = potential[row + (first_c + kc) % mesh_c];
                value = value + gather_values[of_c][kc] * phi;
                slope = slope + gather_slopes[of_c][kc] * phi;
            }
            let weight = gather_values[of_b][kb];
            sum = sum + vec3<f32>(weight * value, gather_slopes[of_b][kb] * value, weight * slope);
        }
        let weight = gather_values[atom][ka];
        gather_parts[item] = vec4<f32>(gather_slopes[atom][ka] * sum.x, weight * sum.y, weight * sum.z, 0.0);
    }
}

// local: of one of the 24 atoms
fn gathered(local: u32) -> vec3<f32> {
    var gradient = vec3<f32>(0.0);
    for (var ka = 0u; ka < spline_order; ka = ka + 1u) {
        gradient = gradient + gather_parts[local * spline_order + ka].xyz;
    }
    // d/dr = sum over axes of n a* d/du; turn_* are a*, b*, c* times 2^32
    return gather_charge[local] * (f32(mesh_a) * gradient.x * cell.turn_x.xyz
        + f32(mesh_b) * gradient.y * cell.turn_y.xyz
        + f32(mesh_c) * gradient.z * cell.turn_z.xyz);
}
