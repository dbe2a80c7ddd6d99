// Stochastic velocity rescaling: the kinetic energy, and from it the factor on all velocities; two dispatches.
//
//   factor = sqrt(c + a/K + b/sqrt(K)),  c, a, b drawn by the host     (G. Bussi et al., J. Chem. Phys. 126, 014101 (2007), A7)
//
// Partial sums go to their own slots and are added in slot order: the same bits in every run.
//
// group 0: params: csvr_decay (c), csvr_gain (a, kJ mol^-1), csvr_cross (b, (kJ mol^-1)^1/2)
// group 1: velocities: x, y, z, 1/m; nm ps^-1, 1/u | partials: kinetic energy by workgroup, kJ mol^-1 | status: velocity_scale, kinetic
// twin: src/forces/mod.rs, CsvrDraw

override n_atoms: u32;
override n_partials: u32;

@group(0) @binding(0) var<uniform> params: StepUniform;
@group(1) @binding(0) var<storage, read_write> velocities: array<vec4<f32>>;
@group(1) @binding(1) var<storage, read_write> partials: array<f32>;
@group(1) @binding(2) var<storage, read_write> status: Status;

@compute @workgroup_size(wg_size)
fn kinetic_partial(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    var kinetic = 0.0;
    if id.x < n_atoms {
        let v = velocities[id.x];
        if v.w > 0.0 {
            kinetic = 0.5 * dot(v.xyz, v.xyz) / v.w;
        }
    }
    let total = workgroup_sum(local, kinetic);
    if local == 0u {
        partials[group.x] = total;
    }
}

@compute @workgroup_size(wg_size)
fn couple(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var k = local; k < n_partials; k = k + wg_size) {
        sum = sum + partials[k];
    }
    let kinetic = workgroup_sum(local, sum);
    if local == 0u {
        var square = 1.0;
        if kinetic > 0.0 {
            square = params.csvr_decay + params.csvr_gain / kinetic + params.csvr_cross / sqrt(kinetic);
        }
        status.velocity_scale = sqrt(max(square, 0.0));
        status.kinetic = kinetic;
    }
}
