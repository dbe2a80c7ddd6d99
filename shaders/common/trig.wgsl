// (cos, sin) of an angle given in turns as u32 fixed point, 2^32 = one turn.
//
// WGSL promises only 2^-11 for its own sin and cos. The reduction to [-pi/4, pi/4] is exact in integers; the polynomials
// are Taylor series cut where the next term is below 4e-9 (sin) and 2.5e-8 x^0 at the end point (cos: 3.6e-9).

fn turn_cos_sin(phase: u32) -> vec2<f32> {
    let quadrant = (phase + 0x20000000u) >> 30u;
    let rest = bitcast<i32>(phase - (quadrant << 30u));
    let x = f32(rest) * 1.4629180792671596e-9; // 2 pi / 2^32
    let x_sq = x * x;
    let s = x + x * x_sq * (-1.6666667e-1 + x_sq * (8.3333333e-3 + x_sq * (-1.9841270e-4 + x_sq * 2.7557319e-6)));
    let c = 1.0 + x_sq * (-0.5 + x_sq * (4.1666667e-2 + x_sq * (-1.3888889e-3 + x_sq * 2.4801587e-5)));
    switch quadrant {
        case 0u: { return vec2<f32>(c, s); }
        case 1u: { return vec2<f32>(-s, c); }
        case 2u: { return vec2<f32>(-c, -s); }
        default: { return vec2<f32>(s, -c); }
    }
}
