// Multiplies the transformed charge by the influence function; with `with_energy` sums energy and virial.
//
// phi(m) = G(m) Q(m);  E = 1/2 sum_m G |Q|^2;  W = sum_m E_m [1 - 2 (1/k^2 + 1/4 beta^2) k (x) k]
// (Essmann et al. (1995), eqs. 4.7 and 2.6). G holds k_e: kJ mol^-1 e^-2.
//
// group 0: cell | influence: G by mesh point
// group 1: field: Q, e, becomes phi, kJ mol^-1 e^-1 | partials: E, W xx yy zz xy xz yz, _pad, per workgroup, kJ mol^-1
// twin: src/forces/reference/pme.rs, `solve`

override n_points: u32;
override with_energy: bool;
// 1/(4 beta^2), nm^2
override inv_four_beta_sq: f32;

const N_PARTIALS: u32 = 8u;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> influence: array<f32>;
@group(1) @binding(0) var<storage, read_write> field: array<vec2<f32>>;
@group(1) @binding(1) var<storage, read_write> partials: array<f32>;

// Frequencies above half a mesh are negative.
fn frequency(m: u32, n: u32) -> f32 {
    return f32(i32(m) - select(0, i32(n), 2u * m > n));
}

@compute @workgroup_size(wg_size)
fn solve(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let point = workgroup * wg_size + local;
    var sums = array<f32, 7>();
    if point < n_points {
        let g = influence[point];
        let q = field[point];
        field[point] = g * q;
        let energy = 0.5 * g * dot(q, q);
        if with_energy && energy != 0.0 {
            let m = vec3<f32>(
                frequency(point / (mesh_b * mesh_c), mesh_a),
                frequency((point / mesh_c) % mesh_b, mesh_b),
                frequency(point % mesh_c, mesh_c),
            );
            // 2 pi / 2^32
            let k = 1.4629180792671596e-9 * (m.x * cell.turn_x.xyz + m.y * cell.turn_y.xyz + m.z * cell.turn_z.xyz);
            let factor = 2.0 * (1.0 / dot(k, k) + inv_four_beta_sq);
            sums[0] = energy;
            for (var c = 0u; c < 3u; c = c + 1u) {
                sums[1u + c] = energy * (1.0 - factor * k[c] * k[c]);
            }
            sums[4] = -energy * factor * k.x * k.y;
            sums[5] = -energy * factor * k.x * k.z;
            sums[6] = -energy * factor * k.y * k.z;
        }
    }
    if with_energy {
        for (var c = 0u; c < 7u; c = c + 1u) {
            let total = workgroup_sum(local, sums[c]);
            if local == 0u {
                partials[workgroup * N_PARTIALS + c] = total;
            }
        }
    }
}
