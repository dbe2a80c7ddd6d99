// Electrodes at constant potential, in three dispatches around one solve of the mesh: q = C (Psi + E_z z - phi) + S Q.
//
// POTENTIAL: phi of the charges that do not answer, from real space: k_e q [erf(eta r) - erf(beta r)]/r over pairs of an electrode
//   atom and another inside the cutoff; beside it the dipole of those charges and (MESH) their spreading.
// DRIVE: what is held (Psi + E_z z, and 2 pi k/V Q z^2 of a charged slab) - phi, with the mesh (or the wave vectors, EWALD) and the slab term, 4 pi k_e/V M z.
// CHARGE: the product with C, made on the host; charges to where the passes over all atoms find them.
//
// group 0, POTENTIAL: cell | outside | sorted | placed: see part/placed | places: fixed-point x, y, z, bits of eta (nm^-1) by electrode
//          atom | near: range of each electrode atom, then clusters of eight slots
// group 1, POTENTIAL: potentials: kJ mol^-1 e^-1 by electrode atom | dipoles: sum q z, sum q z^2 since the list was built; e nm, e nm^2
//          | mesh: charge, 2^-26 e, c fastest | status (MESH)
// group 0, DRIVE: outside | places | terms: what is held (kJ mol^-1 e^-1), z (nm), S Q (e) | potentials | dipoles | potential: phi on the
//          mesh, kJ mol^-1 e^-1 (MESH), or waves, structure as in ewald_force (EWALD)
// group 1, DRIVE: drive, kJ mol^-1 e^-1
// group 0, CHARGE: outside | terms | drive | site_slots | matrix: C by rows, e^2 mol kJ^-1
// group 1, CHARGE: charges: e | sorted: bits of q sqrt(k_e) are written | dipoles: q z behind those of the other charges
// twin: src/forces/reference/electrode.rs

override n_sites: u32;
// dipoles of the charges that do not answer
override n_dipoles: u32;

//#if POTENTIAL
override n_slots: u32;
override r_cut_sq: f32;
override beta: f32;
override coulomb_constant: f32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<uniform> outside: ExternalUniform;
@group(0) @binding(2) var<storage, read> sorted: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> placed: array<Placed>;
@group(0) @binding(4) var<storage, read> places: array<vec4<i32>>;
@group(0) @binding(5) var<storage, read> near: array<u32>;
@group(1) @binding(0) var<storage, read_write> potentials: array<f32>;
@group(1) @binding(1) var<storage, read_write> dipoles: array<vec4<f32>>;
//#if MESH
@group(1) @binding(2) var<storage, read_write> mesh: array<atomic<i32>>;
@group(1) @binding(3) var<storage, read_write> status: Status;
//#end

//#include part/placed
//#include coulomb/ewald_fit
//#if MESH
//#include part/spread_atoms
//#end

// x erf(x r)/(x r): 1/r where erf is 1 to 6e-9
fn blurred(x: f32, r_sq: f32) -> f32 {
    let t = x * x * r_sq;
    if t > 17.0 {
        return inverseSqrt(r_sq);
    }
    return x * ewald_q(t);
}

@compute @workgroup_size(64)
fn electrode_potential(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var workgroup = group.x + group.y * n_groups.x;
    // electrode atoms first: they take longest
    if workgroup < n_sites {
        let here = places[workgroup];
        let eta = bitcast<f32>(here.w);
        var sum = 0.0;
        let end = near[workgroup + 1u];
        for (var e = near[workgroup] + local / 8u; e < end; e = e + 8u) {
            let slot = 8u * near[e] + local % 8u;
            let q = placed[slot].charge;
            let d = displacement(here.xyz, sorted[slot].xyz, cell);
            let r_sq = max(dot(d, d), 1e-6);
            if q != 0.0 && r_sq < r_cut_sq {
                sum = sum + q * (blurred(eta, r_sq) - beta * ewald_q(beta * beta * r_sq));
            }
        }
        let total = workgroup_sum(local, sum);
        if local == 0u {
            potentials[workgroup] = coulomb_constant * total;
        }
        return;
    }
    workgroup = workgroup - n_sites;
    if workgroup < n_dipoles {
        let slot = 64u * workgroup + local;
        var part = vec2<f32>(0.0);
        if slot < n_slots {
            part = dipole_part(slot);
        }
        let first = workgroup_sum(local, part.x);
        let second = workgroup_sum(local, part.y);
        if local == 0u {
            dipoles[workgroup] = vec4<f32>(first, second, 0.0, 0.0);
        }
        return;
    }
//#if MESH
    spread_atoms((workgroup - n_dipoles) * SPREAD_ATOMS, local);
//#end
}
//#end
//#if DRIVE
@group(0) @binding(0) var<uniform> outside: ExternalUniform;
@group(0) @binding(1) var<storage, read> places: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> terms: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> potentials: array<f32>;
@group(0) @binding(4) var<storage, read> dipoles: array<vec4<f32>>;
//#if MESH
@group(0) @binding(5) var<storage, read> potential: array<f32>;
//#end
//#if EWALD
@group(0) @binding(5) var<storage, read> waves: array<vec4<i32>>;
@group(0) @binding(6) var<storage, read> structure: array<vec2<f32>>;
override n_waves: u32;
//#end
@group(1) @binding(0) var<storage, read_write> drive: array<f32>;

//#include part/external_uniform

@compute @workgroup_size(wg_size)
fn electrode_drive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let site = group.x + group.y * n_groups.x;
    let here = places[min(site, n_sites - 1u)];
    var part = 0.0;
//#if MESH
    let a = spline(bitcast<u32>(here.x), mesh_a);
    let b = spline(bitcast<u32>(here.y), mesh_b);
    let c = spline(bitcast<u32>(here.z), mesh_c);
    for (var column = local; column < spline_order * spline_order; column = column + wg_size) {
        let ka = column / spline_order;
        let kb = column % spline_order;
        let row = (((a.first + ka) % mesh_a) * mesh_b + (b.first + kb) % mesh_b) * mesh_c;
        var value = 0.0;
        for (var kc = 0u; kc < spline_order; kc = kc + 1u) {
            value = value + c.values[kc] * potential[row + (c.first + kc) % mesh_c];
        }
        part = part + a.values[ka] * b.values[kb] * value;
    }
//#end
//#if EWALD
    for (var wave = local; wave < n_waves; wave = wave + wg_size) {
        let n = waves[wave];
        let phase = n.xyz * here.xyz;
        let e = turn_cos_sin(bitcast<u32>(phase.x + phase.y + phase.z));
        part = part + bitcast<f32>(n.w) * dot(structure[wave], e);
    }
    // structure factors hold one sqrt(k_e) of two
    part = 2.0 * part / outside.charge_unit;
//#end
    let far = workgroup_sum(local, part);
    var risen = 0.0;
    for (var k = local; k < n_dipoles; k = k + wg_size) {
        risen = risen + dipoles[k].x;
    }
    let moment = outside.moment + workgroup_sum(local, risen);
    if local == 0u && site < n_sites {
        let term = terms[site];
        drive[site] = term.x - far - potentials[site] - outside.slab * moment * term.y;
    }
}
//#end
//#if CHARGE
@group(0) @binding(0) var<uniform> outside: ExternalUniform;
@group(0) @binding(1) var<storage, read> terms: array<vec4<f32>>;
// zero beyond the electrode atoms, as the rows of the matrix are
@group(0) @binding(2) var<storage, read> drive: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> site_slots: array<u32>;
@group(0) @binding(4) var<storage, read> matrix: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read_write> charges: array<f32>;
@group(1) @binding(1) var<storage, read_write> sorted: array<vec4<i32>>;
@group(1) @binding(2) var<storage, read_write> dipoles: array<vec4<f32>>;

//#include part/external_uniform

@compute @workgroup_size(wg_size)
fn electrode_charge(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let site = group.x + group.y * n_groups.x;
    let length = (n_sites + 3u) / 4u;
    let row = min(site, n_sites - 1u) * length;
    var part = vec4<f32>(0.0);
    for (var k = local; k < length; k = k + wg_size) {
        part = part + matrix[row + k] * drive[k];
    }
    let total = workgroup_sum(local, (part.x + part.y) + (part.z + part.w));
    if local == 0u && site < n_sites {
        let term = terms[site];
        let q = total + term.z;
        charges[site] = q;
        sorted[site_slots[site]].w = bitcast<i32>(q / outside.charge_unit);
        dipoles[n_dipoles + site] = vec4<f32>(q * term.y, 0.0, 0.0, 0.0);
    }
}
//#end
