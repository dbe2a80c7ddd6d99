// What one time step needs. layout: StepUniform in src/forces/gpu/layout.rs

struct StepUniform {
    // ps
    dt: f32,
    // factor on the old velocities (first step of a chunk; else 1)
    velocity_scale: f32,
    // Langevin: exp(-friction dt), and sqrt(kT (1 - exp(-2 friction dt))), nm ps^-1 u^1/2
    decay: f32,
    noise: f32,
    seed_low: u32,
    seed_high: u32,
    step_low: u32,
    step_high: u32,
    // bits of STEP_*
    flags: u32,
    // CSVR, see couple.wgsl: kJ mol^-1 to the powers 0, 1, 1/2
    csvr_decay: f32,
    csvr_gain: f32,
    csvr_cross: f32,
}

// first step of a chunk: bath heat starts at zero
const STEP_FIRST: u32 = 1u;
// sums of the first step are wanted
const STEP_REPORT: u32 = 2u;
// last step of a chunk: kinetic energy is wanted
const STEP_LAST: u32 = 4u;
const STEP_LANGEVIN: u32 = 8u;
// status.velocity_scale holds a further factor
const STEP_COUPLE: u32 = 16u;
