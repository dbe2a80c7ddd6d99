// Charges of 16 atoms to the mesh: Q(k) = sum_i q_i M(u_ia - k_a) M(u_ib - k_b) M(u_ic - k_c), in fixed point of 2^-26 e.
//
// U. Essmann et al., J. Chem. Phys. 103, 8577 (1995), eq. 4.6. Integer sums do not depend on their order. Every
// contribution is tested before it is converted: conversion saturates and sums wrap, so a test of the sum proves nothing.
// A workgroup of 64 works on the 16 atoms together: the splines of the three axes one by one, then invocation by invocation
// the columns (k_b, k_c) of all atoms, so that neighbors add to neighboring points.
// Uses `sorted`, `mesh` (atomic) and `status` of the pass, and `placed` where charges that answer have to stay out (POTENTIAL). twin: src/forces/reference/pme.rs, `spread`

//#if !POTENTIAL
// e per (kJ mol^-1 nm)^1/2
override charge_unit: f32;
//#end

const MESH_SCALE: f32 = 67108864.0;
// e; half the range of the mesh
const MESH_LIMIT: f32 = 16.0;
// SPREAD_ATOMS in src/forces/gpu/pme.rs
const SPREAD_ATOMS: u32 = 16u;

// by axis and atom; the charge is in the values of the first axis
var<workgroup> spread_values: array<array<f32, 6>, 48>;
var<workgroup> spread_first: array<u32, 48>;

// All invocations of a workgroup of 64 together. local: index in it
fn spread_atoms(first_slot: u32, local: u32) {
    if local < 3u * SPREAD_ATOMS {
        let axis = local / SPREAD_ATOMS;
        let slot = first_slot + local % SPREAD_ATOMS;
        var atom = vec4<i32>(0);
        if slot < n_slots {
            atom = sorted[slot];
        }
        var scale = 1.0;
        if axis == 0u {
//#if POTENTIAL
            scale = 0.0;
            if slot < n_slots {
                scale = placed[slot].charge;
            }
//#else
            scale = bitcast<f32>(atom.w) * charge_unit;
//#end
            if exceeds(scale, MESH_LIMIT) {
                atomicMax(&status.mesh_overflow, 1u);
                scale = 0.0;
            }
        }
        let turn = select(select(atom.x, atom.y, axis == 1u), atom.z, axis == 2u);
        let here = spline(bitcast<u32>(turn), select(select(mesh_a, mesh_b, axis == 1u), mesh_c, axis == 2u));
        let v = here.values;
        spread_first[local] = here.first;
        spread_values[local] = array<f32, 6>(
            scale * v[0], scale * v[1], scale * v[2], scale * v[3], scale * v[4], scale * v[5],
        );
    }
    workgroupBarrier();
    let columns = spline_order * spline_order;
    for (var item = local; item < SPREAD_ATOMS * columns; item = item + 64u) {
        let atom = item / columns;
        let kb = (item % columns) / spline_order;
        let kc = item % spline_order;
        let b = (spread_first[SPREAD_ATOMS + atom] + kb) % mesh_b;
        let c = (spread_first[2u * SPREAD_ATOMS + atom] + kc) % mesh_c;
        let column = b * mesh_c + c;
        let weight = spread_values[SPREAD_ATOMS + atom][kb] * spread_values[2u * SPREAD_ATOMS + atom][kc];
        let first = spread_first[atom];
        for (var ka = 0u; ka < spline_order; ka = ka + 1u) {
            let fixed = i32(round(spread_values[atom][ka] * weight * MESH_SCALE));
            if fixed != 0 {
                atomicAdd(&mesh[((first + ka) % mesh_a) * (mesh_b * mesh_c) + column], fixed);
            }
        }
    }
}
