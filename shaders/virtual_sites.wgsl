// Virtual sites: their forces to their parents before a step, their positions from their parents after it.
//
// r_s = r_i + a (r_j - r_i) + b (r_k - r_i) + c (r_j - r_i) x (r_k - r_i), from exact differences of the integer positions.
// One invocation per molecule walks its sites in order, so parents that sites share need no atomics.
//
// group 0: cell | owners: first atom of a molecule, range of `sites` | sites: see SiteTerm | potential (MESH) or
//          long_range_forces (EWALD)
// group 1: pair_forces: kJ mol^-1 nm^-1 by slot, or part/fixed_force (HALF) | positions: fixed-point x, y, z, slot | sorted:
//          fixed-point x, y, z, charge bits, by slot | partials: virial xx yy zz xy xz yz by workgroup, kJ mol^-1 | status
// twin: src/forces/reference/virtual_sites.rs

override n_owners: u32;
override with_energy: bool;

// layout: SiteTerm in src/forces/gpu/layout.rs
struct SiteTerm {
    // site, i, j, k, counted from the first atom of the molecule
    atoms: vec4<u32>,
    // a, b, c; 1, 1, nm^-1
    weights: vec4<f32>,
}

const N_PARTIALS: u32 = 8u;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> owners: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> sites: array<SiteTerm>;
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
@group(1) @binding(2) var<storage, read_write> sorted: array<vec4<i32>>;
@group(1) @binding(3) var<storage, read_write> partials: array<f32>;
@group(1) @binding(4) var<storage, read_write> status: Status;

//#include part/force_on
//#include part/add_own_force

fn add_to(atom: u32, f: vec3<f32>) {
    add_own_force(atom, u32(positions[atom].w), f);
}

@compute @workgroup_size(wg_size)
fn spread_sites(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let index = workgroup * wg_size + local;
    var diagonal = vec3<f32>(0.0);
    var off = vec3<f32>(0.0);
    if index < n_owners {
        let owner = owners[index];
        for (var s = owner.y; s < owner.z; s = s + 1u) {
            let term = sites[s];
            let atoms = term.atoms + owner.x;
            let at = positions[atoms.y].xyz;
            let d_j = displacement(at, positions[atoms.z].xyz, cell);
            let d_k = displacement(at, positions[atoms.w].xyz, cell);
            let f = force_on(atoms.x);
            let f_j = term.weights.x * f + term.weights.z * cross(d_k, f);
            let f_k = term.weights.y * f + term.weights.z * cross(f, d_j);
            add_to(atoms.y, f - f_j - f_k);
            add_to(atoms.z, f_j);
            add_to(atoms.w, f_k);
            // what a strain that moves the parents does not do to the normal
            if with_energy && term.weights.z != 0.0 {
                let at_site = term.weights.x * d_j + term.weights.y * d_k + term.weights.z * cross(d_j, d_k);
                diagonal = diagonal + d_j * f_j + d_k * f_k - at_site * f;
                off = off + d_j.xxy * f_j.yzz + d_k.xxy * f_k.yzz - at_site.xxy * f.yzz;
            }
        }
    }
    if with_energy {
        for (var c = 0u; c < 3u; c = c + 1u) {
            let first = workgroup_sum(local, diagonal[c]);
            let second = workgroup_sum(local, off[c]);
            if local == 0u {
                partials[workgroup * N_PARTIALS + c] = first;
                partials[workgroup * N_PARTIALS + 3u + c] = second;
            }
        }
    }
}

@compute @workgroup_size(wg_size)
fn build_sites(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= n_owners {
        return;
    }
    let owner = owners[id.x];
    for (var s = owner.y; s < owner.z; s = s + 1u) {
        let term = sites[s];
        let atoms = term.atoms + owner.x;
        let at = positions[atoms.y].xyz;
        let d_j = displacement(at, positions[atoms.z].xyz, cell);
        let d_k = displacement(at, positions[atoms.w].xyz, cell);
        let offset = term.weights.x * d_j + term.weights.y * d_k + term.weights.z * cross(d_j, d_k);
        // a parent whose move was refused ends the run; a site must not spoil its report
        if exceeds(offset.x, 1.0) || exceeds(offset.y, 1.0) || exceeds(offset.z, 1.0) {
            continue;
        }
        let slot = positions[atoms.x].w;
        let there = at + fixed_displacement(offset, cell);
        positions[atoms.x] = vec4<i32>(there, slot);
        sorted[slot] = vec4<i32>(there, sorted[slot].w);
    }
}
