// Bonded potentials and 1-4 pairs by gathering: one invocation per atom, which walks the terms it takes part in.
//
// Every atom of a term evaluates it for itself: a dihedral four times, in exchange for no atomics, no second level and
// forces in the order of the table. Sums count a term at its first atom. Angles come from sine and cosine together and
// are never divided by a sine, dihedral forces have no singularity (A. Blondel, M. Karplus, J. Comput. Chem. 17, 1132
// (1996)); functions of n phi are powers of cos phi + i sin phi.
//
// group 0: cell | positions: fixed-point x, y, z, slot | owners: atom, first atom of its molecule, range of `entries` |
//          entries: (term, kind + 16 * place of the atom in the term) | terms: see BondedTerm
// group 1: pair_forces, added to: kJ mol^-1 nm^-1 by slot, or part/fixed_force (HALF) | status | partials: N_PARTIALS slots per workgroup, kJ mol^-1: bond, angle,
//          Urey-Bradley, dihedral, improper, LJ 1-4, Coulomb 1-4, restraint, virial xx yy zz xy xz yz
// twin: src/potential/bonded/, src/forces/reference/bonded.rs, restraints.rs

override n_owners: u32;
override with_energy: bool;

// layout: BondedTerm in src/forces/gpu/layout.rs
struct BondedTerm {
    // counted from the first atom of the molecule
    atoms: vec4<u32>,
    a: vec4<f32>,
    b: vec4<f32>,
}

// a = (r0, k); nm, kJ mol^-1 nm^-2
const BOND: u32 = 0u;
const UREY_BRADLEY: u32 = 1u;
// a = (c6, c12, k_e qq)
const PAIR_14: u32 = 2u;
// a = (cos, sin of theta0, k); kJ mol^-1 rad^-2
const ANGLE: u32 = 3u;
// a = (k, n, cos, sin of phi0)
const PERIODIC: u32 = 4u;
const PERIODIC_IMPROPER: u32 = 5u;
// a, b = C0 ... C5
const RYCKAERT_BELLEMANS: u32 = 6u;
// a = (cos, sin of xi0, k)
const IMPROPER: u32 = 7u;
// atoms = fixed-point place, a = k of x, y, z; kJ mol^-1 nm^-2. It pulls from outside and has no virial.
const RESTRAINT: u32 = 8u;

const SUM_BOND: u32 = 0u;
const SUM_ANGLE: u32 = 1u;
const SUM_UREY_BRADLEY: u32 = 2u;
const SUM_DIHEDRAL: u32 = 3u;
const SUM_IMPROPER: u32 = 4u;
const SUM_LJ_14: u32 = 5u;
const SUM_COULOMB_14: u32 = 6u;
const SUM_RESTRAINT: u32 = 7u;
const SUM_VIRIAL: u32 = 8u;
const N_SUMS: u32 = 14u;
const N_PARTIALS: u32 = 16u;
// Closer pairs are evaluated at this distance, so that r^-14 stays finite in f32.
const R_SQ_FLOOR: f32 = 1e-6;
// sin^2 of i-j-k or j-k-l below which three atoms count as a line: rounding would choose the direction.
const ON_A_LINE: f32 = 1e-12;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> positions: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> owners: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> terms: array<BondedTerm>;
//#if HALF
@group(1) @binding(0) var<storage, read_write> pair_forces: array<i32>;
//#else
@group(1) @binding(0) var<storage, read_write> pair_forces: array<vec4<f32>>;
//#end
@group(1) @binding(1) var<storage, read_write> status: Status;
@group(1) @binding(2) var<storage, read_write> partials: array<f32>;

//#include part/add_own_force

// Energy, forces on the four places of a term, and r (x) F as xx yy zz and xy xz yz.
struct Action {
    energy: f32,
    f_i: vec3<f32>,
    f_j: vec3<f32>,
    f_k: vec3<f32>,
    f_l: vec3<f32>,
    diagonal: vec3<f32>,
    off: vec3<f32>,
}

fn vector(to_atom: u32, from_atom: u32) -> vec3<f32> {
    return displacement(positions[from_atom].xyz, positions[to_atom].xyz, cell);
}

// A root with one step of Newton: the built-in one may be off by several units in the last place, which a stiff bond shows.
fn root(x: f32) -> f32 {
    let r = sqrt(x);
    return select(0.5 * (r + x / r), 0.0, x <= 0.0);
}

// Angle of the vector (x, y), rad; WGSL promises only 4096 units in the last place for its own.
// atan on |x| <= tan(pi/8) is an odd polynomial through Chebyshev nodes, off by 7e-8 at most.
fn angle_of(y: f32, x: f32) -> f32 {
    let large = max(abs(x), abs(y));
    let small = min(abs(x), abs(y));
    if large == 0.0 {
        return 0.0;
    }
    let beyond = small > 0.41421356 * large;
    let t = select(small / large, (small - large) / (small + large), beyond);
    let z = t * t;
    var angle = t + t * z * (-0.33333287 + z * (0.19991238 + z * (-0.14024143 + z * 0.08520492)));
    angle = select(angle, angle + 0.78539816, beyond);
    angle = select(angle, 1.5707964 - angle, abs(y) > abs(x));
    angle = select(angle, 3.1415927 - angle, x < 0.0);
    return select(angle, -angle, y < 0.0);
}

fn along(energy: f32, force_over_r: f32, d: vec3<f32>) -> Action {
    let f = force_over_r * d;
    return Action(energy, f, -f, vec3<f32>(0.0), vec3<f32>(0.0), d * f, d.xxy * f.yzz);
}

// U = k/2 (r - r0)^2
fn harmonic_distance(a: vec4<f32>, d: vec3<f32>) -> Action {
    let r = root(dot(d, d));
    let stretch = r - a.x;
    var force_over_r = 0.0;
    if r > 0.0 {
        force_over_r = -a.y * stretch / r;
    }
    return along(0.5 * a.y * stretch * stretch, force_over_r, d);
}

// U = k/2 (theta - theta0)^2, d_ij = r_i - r_j, d_kj = r_k - r_j
fn harmonic_angle(a: vec4<f32>, d_ij: vec3<f32>, d_kj: vec3<f32>) -> Action {
    let normal = cross(d_ij, d_kj);
    let s = root(dot(normal, normal));
    let c = dot(d_ij, d_kj);
    // theta - theta0, by turning back before the angle is taken: no digits cancel
    let bend = angle_of(s * a.x - c * a.y, c * a.x + s * a.y);
    let torque = a.z * bend;
    var f_i = vec3<f32>(0.0);
    var f_k = vec3<f32>(0.0);
    if s > 0.0 {
        let n = normal / s;
        f_i = (-torque / dot(d_ij, d_ij)) * cross(d_ij, n);
        f_k = (torque / dot(d_kj, d_kj)) * cross(d_kj, n);
    }
    return Action(
        0.5 * torque * bend,
        f_i,
        -(f_i + f_k),
        f_k,
        vec3<f32>(0.0),
        d_ij * f_i + d_kj * f_k,
        d_ij.xxy * f_i.yzz + d_kj.xxy * f_k.yzz,
    );
}

// Energy and slope dU/dphi of a potential of the dihedral angle whose cosine and sine are `u`.
fn dihedral_form(kind: u32, a: vec4<f32>, b: vec4<f32>, u: vec2<f32>) -> vec2<f32> {
    if kind == RYCKAERT_BELLEMANS {
        // U = sum C_n cos^n psi, psi = phi - 180 degrees
        let x = -u.x;
        let energy = a.x + x * (a.y + x * (a.z + x * (a.w + x * (b.x + x * b.y))));
        let slope = a.y + x * (2.0 * a.z + x * (3.0 * a.w + x * (4.0 * b.x + x * (5.0 * b.y))));
        return vec2<f32>(energy, slope * u.y);
    }
    if kind == IMPROPER {
        // U = k/2 (xi - xi0)^2, the short way round
        let turn = angle_of(u.y * a.x - u.x * a.y, u.x * a.x + u.y * a.y);
        return vec2<f32>(0.5 * a.z * turn * turn, a.z * turn);
    }
    // U = k (1 + cos(n phi - phi0))
    var power = vec2<f32>(a.z, -a.w);
    for (var k = 0u; k < u32(a.y); k = k + 1u) {
        power = vec2<f32>(power.x * u.x - power.y * u.y, power.x * u.y + power.y * u.x);
    }
    return vec2<f32>(a.x + a.x * power.x, -a.x * a.y * power.y);
}

// d_ij = r_i - r_j, d_kj = r_k - r_j, d_lk = r_l - r_k
fn torsion(kind: u32, p: vec4<f32>, q: vec4<f32>, d_ij: vec3<f32>, d_kj: vec3<f32>, d_lk: vec3<f32>) -> Action {
    let a = cross(d_kj, d_ij);
    let b = cross(d_kj, d_lk);
    let a_sq = dot(a, a);
    let b_sq = dot(b, b);
    let axis_sq = dot(d_kj, d_kj);
    let axis = root(axis_sq);
    let raw = vec2<f32>(dot(a, b), -axis * dot(d_ij, b));
    let size = root(dot(raw, raw));
    var u = vec2<f32>(1.0, 0.0);
    if size > 0.0 {
        u = raw / size;
    }
    let form = dihedral_form(kind, p, q, u);
    if a_sq <= ON_A_LINE * axis_sq * dot(d_ij, d_ij) || b_sq <= ON_A_LINE * axis_sq * dot(d_lk, d_lk) {
        let zero = vec3<f32>(0.0);
        return Action(form.x, zero, zero, zero, zero, zero, zero);
    }
    let f_i = (form.y * axis / a_sq) * a;
    let f_l = (-form.y * axis / b_sq) * b;
    let f_k = -f_l - (dot(d_ij, d_kj) / axis_sq) * f_i - (dot(d_lk, d_kj) / axis_sq) * f_l;
    let d_lj = d_kj + d_lk;
    return Action(
        form.x,
        f_i,
        -(f_i + f_k + f_l),
        f_k,
        f_l,
        d_ij * f_i + d_kj * f_k + d_lj * f_l,
        d_ij.xxy * f_i.yzz + d_kj.xxy * f_k.yzz + d_lj.xxy * f_l.yzz,
    );
}

@compute @workgroup_size(wg_size)
fn bonded(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) n_groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.x + group.y * n_groups.x;
    let index = workgroup * wg_size + local;
    var sums = array<f32, N_SUMS>();
    if index < n_owners {
        let owner = owners[index];
        let first = owner.y;
        var force = vec3<f32>(0.0);
        for (var e = owner.z; e < owner.w; e = e + 1u) {
            let entry = entries[e];
            let term = terms[entry.x];
            let kind = entry.y & 15u;
            let place = entry.y >> 4u;
            if kind == RESTRAINT {
                let away = displacement(bitcast<vec3<i32>>(term.atoms.xyz), positions[owner.x].xyz, cell);
                force = force - term.a.xyz * away;
                sums[SUM_RESTRAINT] = sums[SUM_RESTRAINT] + 0.5 * dot(term.a.xyz * away, away);
                continue;
            }
            let d = vector(first + term.atoms.x, first + term.atoms.y);
            var action: Action;
            // energy of Coulomb in a 1-4 pair
            var second = 0.0;
            var sum = SUM_BOND;
            if kind == PAIR_14 {
                let inv_r_sq = 1.0 / max(dot(d, d), R_SQ_FLOOR);
                let inv_r6 = inv_r_sq * inv_r_sq * inv_r_sq;
                let repulsion = term.a.y * inv_r6 * inv_r6;
                let dispersion = term.a.x * inv_r6;
                second = term.a.z * root(inv_r_sq);
                action = along(
                    repulsion - dispersion,
                    (12.0 * repulsion - 6.0 * dispersion + second) * inv_r_sq,
                    d,
                );
                sum = SUM_LJ_14;
            } else if kind == ANGLE {
                action = harmonic_angle(term.a, d, vector(first + term.atoms.z, first + term.atoms.y));
                sum = SUM_ANGLE;
            } else if kind >= PERIODIC {
                let d_kj = vector(first + term.atoms.z, first + term.atoms.y);
                let d_lk = vector(first + term.atoms.w, first + term.atoms.z);
                action = torsion(kind, term.a, term.b, d, d_kj, d_lk);
                sum = select(SUM_DIHEDRAL, SUM_IMPROPER, kind == PERIODIC_IMPROPER || kind == IMPROPER);
            } else {
                action = harmonic_distance(term.a, d);
                sum = select(SUM_BOND, SUM_UREY_BRADLEY, kind == UREY_BRADLEY);
            }
            switch place {
                case 0u: { force = force + action.f_i; }
                case 1u: { force = force + action.f_j; }
                case 2u: { force = force + action.f_k; }
                default: { force = force + action.f_l; }
            }
            if with_energy && place == 0u {
                sums[sum] = sums[sum] + action.energy;
                sums[SUM_COULOMB_14] = sums[SUM_COULOMB_14] + second;
                for (var c = 0u; c < 3u; c = c + 1u) {
                    sums[SUM_VIRIAL + c] = sums[SUM_VIRIAL + c] + action.diagonal[c];
                    sums[SUM_VIRIAL + 3u + c] = sums[SUM_VIRIAL + 3u + c] + action.off[c];
                }
            }
        }
        add_own_force(owner.x, u32(positions[owner.x].w), force);
    }
    if with_energy {
        for (var c = 0u; c < N_SUMS; c = c + 1u) {
            let total = workgroup_sum(local, sums[c]);
            if local == 0u {
                partials[workgroup * N_PARTIALS + c] = total;
            }
        }
    }
}
