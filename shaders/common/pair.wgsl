// What a pair form returns. twin: src/potential/mod.rs

struct PairTerm {
    // kJ mol^-1
    energy: f32,
    // F/r = -(dU/dr)/r, kJ mol^-1 nm^-2
    force_over_r: f32,
    // the part of `energy` that comes from -c4/r^4, kJ mol^-1
    induced: f32,
}
