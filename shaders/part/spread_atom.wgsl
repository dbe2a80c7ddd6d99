// Charge of one atom to the mesh: Q(k) = sum_i q_i M(u_ia - k_a) M(u_ib - k_b) M(u_ic - k_c), in fixed point of 2^-26 e.
//
// U. Essmann et al., J. Chem. Phys. 103, 8577 (1995), eq. 4.6. Integer sums do not depend on their order. Every
// contribution is tested before it is converted: conversion saturates and sums wrap, so a test of the sum proves nothing.
// Uses `sorted`, `mesh` (atomic) and `status` of the pass. twin: src/forces/reference/pme.rs, `spread`

// e per (kJ mol^-1 nm)^1/2
override charge_unit: f32;

const MESH_SCALE: f32 = 67108864.0;
// e; half the range of the mesh
const MESH_LIMIT: f32 = 16.0;

fn spread_atom(slot: u32) {
    let atom = sorted[slot];
    let q = bitcast<f32>(atom.w) * charge_unit;
    if q == 0.0 {
        return;
    }
    if exceeds(q, MESH_LIMIT) {
        atomicMax(&status.mesh_overflow, 1u);
        return;
    }
    let a = spline(bitcast<u32>(atom.x), mesh_a);
    let b = spline(bitcast<u32>(atom.y), mesh_b);
    let c = spline(bitcast<u32>(atom.z), mesh_c);
    for (var ka = 0u; ka < spline_order; ka = ka + 1u) {
        let row_a = ((a.first + ka) % mesh_a) * mesh_b;
        for (var kb = 0u; kb < spline_order; kb = kb + 1u) {
            let row = (row_a + (b.first + kb) % mesh_b) * mesh_c;
            let q_ab = q * a.values[ka] * b.values[kb];
            for (var kc = 0u; kc < spline_order; kc = kc + 1u) {
                let value = q_ab * c.values[kc];
                atomicAdd(&mesh[row + (c.first + kc) % mesh_c], i32(round(value * MESH_SCALE)));
            }
        }
    }
}
