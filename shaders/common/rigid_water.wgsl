// Rigid three-site water: displacements and velocities that keep O-H1, O-H2 and H1-H2 at their lengths.
//
// Solves the equations of SETTLE (S. Miyamoto, P. A. Kollman, J. Comput. Chem. 13, 952 (1992)) for the three Lagrange
// multipliers by Newton's method in the *difference form*: the closed form subtracts coordinates of 0.1 nm to get
// corrections of 1e-5 nm and loses four digits in f32. Starting from moves of a few per cent of a bond, each iteration
// squares the relative error.
//
// bonds: a = H1 - O, b = H2 - O, c = H2 - H1, nm. Multipliers l act as
//   dO = -w_O (l.x a + l.y b),  dH1 = w_1 (l.x a - l.z c),  dH2 = w_2 (l.y b + l.z c),  w = inverse masses, 1/u
// twin: src/forces/reference/settle.rs

struct Triple {
    o: vec3<f32>,
    h1: vec3<f32>,
    h2: vec3<f32>,
}

const NEWTON_ITERATIONS: u32 = 4u;

fn apply_multipliers(l: vec3<f32>, bonds: Triple, w: vec3<f32>) -> Triple {
    return Triple(
        -w.x * (l.x * bonds.o + l.y * bonds.h1),
        w.y * (l.x * bonds.o - l.z * bonds.h2),
        w.z * (l.y * bonds.h1 + l.z * bonds.h2),
    );
}

// Solves J l = rhs, J_mn = (now_m . d(bond m)/d(l_n)); `bonds` as Triple(a, b, c).
fn solve_multipliers(now: Triple, bonds: Triple, w: vec3<f32>, rhs: vec3<f32>) -> vec3<f32> {
    let row_a = vec3<f32>((w.x + w.y) * dot(now.o, bonds.o), w.x * dot(now.o, bonds.h1), -w.y * dot(now.o, bonds.h2));
    let row_b = vec3<f32>(w.x * dot(now.h1, bonds.o), (w.x + w.z) * dot(now.h1, bonds.h1), w.z * dot(now.h1, bonds.h2));
    let row_c = vec3<f32>(-w.y * dot(now.h2, bonds.o), w.z * dot(now.h2, bonds.h1), (w.y + w.z) * dot(now.h2, bonds.h2));
    let bc = cross(row_b, row_c);
    let determinant = dot(row_a, bc);
    return (rhs.x * bc + rhs.y * cross(row_c, row_a) + rhs.z * cross(row_a, row_b)) / determinant;
}

// Differences of the three moves along the bonds, as Triple(a, b, c).
fn bond_moves(d: Triple) -> Triple {
    return Triple(d.h1 - d.o, d.h2 - d.o, d.h2 - d.h1);
}

// Multipliers that bring atoms displaced by `d` (nm) back to bond lengths `lengths` = (d_OH, d_OH, d_HH), nm; u nm^0.
fn position_multipliers(bonds: Triple, d: Triple, w: vec3<f32>, lengths: vec3<f32>) -> vec3<f32> {
    let free = bond_moves(d);
    let error = vec3<f32>(
        dot(bonds.o, bonds.o) - lengths.x * lengths.x,
        dot(bonds.h1, bonds.h1) - lengths.y * lengths.y,
        dot(bonds.h2, bonds.h2) - lengths.z * lengths.z,
    );
    var l = vec3<f32>(0.0);
    for (var iteration = 0u; iteration < NEWTON_ITERATIONS; iteration = iteration + 1u) {
        let pulled = bond_moves(apply_multipliers(l, bonds, w));
        let move_a = free.o + pulled.o;
        let move_b = free.h1 + pulled.h1;
        let move_c = free.h2 + pulled.h2;
        let residual = error + vec3<f32>(
            dot(move_a, 2.0 * bonds.o + move_a),
            dot(move_b, 2.0 * bonds.h1 + move_b),
            dot(move_c, 2.0 * bonds.h2 + move_c),
        );
        let now = Triple(bonds.o + move_a, bonds.h1 + move_b, bonds.h2 + move_c);
        l = l - 0.5 * solve_multipliers(now, bonds, w, residual);
    }
    return l;
}

// Multipliers that remove the velocity along the bonds.
fn velocity_multipliers(bonds: Triple, v: Triple, w: vec3<f32>) -> vec3<f32> {
    let along = bond_moves(v);
    let rate = vec3<f32>(dot(along.o, bonds.o), dot(along.h1, bonds.h1), dot(along.h2, bonds.h2));
    return -solve_multipliers(bonds, bonds, w, rate);
}
