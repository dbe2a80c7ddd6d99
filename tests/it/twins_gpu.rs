//! Every pass against its f64 twin, and against itself with one constant edited: the same comparison has to reject that.
//!
//! Forces of pair passes may differ by K ε Σ|f_ij| per atom (ε of f32, K = 16 for one form, 50 for a summed pass), each
//! energy by 1e-6 of the sum of its magnitudes, the virial by K ε Σ|r||f|.

use crate::support::gpu::{both, edited, load, oracle, rounded, with_shaders};
use crate::support::systems::{CL, HW, OW, ZN, all_pairs, electrolyte, truncated};
use glam::{DQuat, DVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::reference::pair;
use hexaqua::forces::{Backend, Chunk, ChunkReport, CsvrDraw, Evaluation, LangevinStep};
use hexaqua::potential::coulomb::{ReactionField, ewald_excluded};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::{Coulomb, LjModifier, State, System, Topology};
use hexaqua::units::COULOMB;

const EPSILON: f64 = f32::EPSILON as f64;
/// Of a pass that sums many forms.
const K: f64 = 50.0;

/// Molecules of species 0, 1, 2 on a lattice in the cell, waters in random orientations.
pub fn lattice(sequence: &[u32], cell: &Cell, seed: u64) -> State {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let per_side = (1..).find(|n| n * n * n >= sequence.len()).expect("a cube number");
    let (d_oh, d_hh) = (0.1f64, 0.16329931618554522f64);
    let height = (d_oh * d_oh - 0.25 * d_hh * d_hh).sqrt();
    let mut positions = Vec::new();
    for (m, &species) in sequence.iter().enumerate() {
        let index =
            DVec3::new((m % per_side) as f64, (m / per_side % per_side) as f64, (m / per_side / per_side) as f64);
        let jitter = DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 0.06;
        // some molecules sit in other images, as unwrapped positions do
        let image = cell.vectors() * DVec3::new(f64::from(m as u32 % 3) - 1.0, 0.0, f64::from(m as u32 % 2));
        let site = cell.to_cartesian(index / per_side as f64) + jitter + image;
        positions.push(site);
        if species == 2 {
            let q = DQuat::from_xyzw(draws.normal(), draws.normal(), draws.normal(), draws.normal()).normalize();
            positions.push(site + q * DVec3::new(0.5 * d_hh, height, 0.0));
            positions.push(site + q * DVec3::new(-0.5 * d_hh, height, 0.0));
        }
    }
    State::at_rest(*cell, positions)
}

pub fn triclinic() -> Cell {
    let cell = Cell::new(DVec3::new(1.9, 0.0, 0.0), DVec3::new(0.5, 1.85, 0.0), DVec3::new(-0.4, 0.6, 1.95));
    cell.expect("valid")
}

/// One Zn2+, two Cl- and waters.
pub fn sequence(n_waters: usize) -> Vec<u32> {
    [vec![0, 1, 1], vec![2; n_waters]].concat()
}

/// A system with every term of the pair forms.
pub fn pair_system(n_waters: usize, modifier: LjModifier, coulomb: Coulomb) -> System {
    let mut system = electrolyte(&sequence(n_waters), truncated(0.85, coulomb));
    system.interactions.lj_modifier = modifier;
    system.pair_table.add_c4(ZN as usize, OW as usize, 0.05);
    system.pair_table.add_c4(CL as usize, HW as usize, 0.01);
    system
}

/// Sums of magnitudes, by which rounding errors scale.
pub struct Magnitudes {
    /// Σ_j |f_ij| by atom
    forces: Vec<f64>,
    lj: f64,
    lj_c4: f64,
    coulomb: f64,
    virial: f64,
    /// Σ |U(r_cut)|
    shift: f64,
}

pub fn magnitudes(system: &System, state: &State) -> Magnitudes {
    let mut m =
        Magnitudes { forces: vec![0.0; state.n_atoms()], lj: 0.0, lj_c4: 0.0, coulomb: 0.0, virial: 0.0, shift: 0.0 };
    let add = |m: &mut Magnitudes, i: usize, j: usize, f: f64, r: f64| {
        m.forces[i] += f;
        m.forces[j] += f;
        m.virial += f * r;
    };
    let interactions = &system.interactions;
    let cutoff_sq = interactions.cutoff * interactions.cutoff;
    let unit_at_cutoff = pair::coulomb_term(interactions, 1.0, cutoff_sq).energy.abs();
    for (i, j) in all_pairs(system, &state.cell, &state.positions).pairs {
        let (i, j) = (i as usize, j as usize);
        let r_sq = state.cell.minimum_image(state.positions[i] - state.positions[j]).length_squared();
        let t = pair::terms(system, i, j, r_sq);
        let r = r_sq.sqrt();
        // the magnitudes of the powers themselves: near the minimum they cancel
        let k = system.pair_table.get(system.topology.type_ids[i] as usize, system.topology.type_ids[j] as usize);
        let (repulsion, dispersion, induced) = (k.c12 / r_sq.powi(6), k.c6 / r_sq.powi(3), k.c4 / r_sq.powi(2));
        let qq = (COULOMB * system.topology.charges[i] * system.topology.charges[j]).abs();
        let f = (12.0 * repulsion + 6.0 * dispersion + 4.0 * induced) / r + qq / r_sq;
        add(&mut m, i, j, f + t.coulomb.force_over_r.abs() * r, r);
        m.lj += repulsion + dispersion;
        m.lj_c4 += induced;
        m.coulomb += qq / r;
        let (lj, c4) = pair::lennard_jones_terms(interactions, k, cutoff_sq);
        m.shift += lj.energy.abs() + c4.energy.abs() + qq * unit_at_cutoff;
    }
    for (i, j) in system.topology.excluded_pairs() {
        let r_sq = state.cell.minimum_image(state.positions[i] - state.positions[j]).length_squared();
        let qq = COULOMB * system.topology.charges[i] * system.topology.charges[j];
        let term = match system.interactions.coulomb {
            Coulomb::Ewald { beta, .. } | Coulomb::Pme { beta, .. } => ewald_excluded(r_sq, qq, beta),
            Coulomb::ReactionField { epsilon } => {
                ReactionField::new(epsilon, system.interactions.cutoff).excluded(r_sq, qq)
            }
            Coulomb::Cutoff => continue,
        };
        add(&mut m, i, j, term.force_over_r.abs() * r_sq.sqrt(), r_sq.sqrt());
        m.coulomb += term.energy.abs();
    }
    m
}

/// `Err` says what is off.
pub fn within(what: &str, value: f64, reference: f64, tolerance: f64) -> Result<(), String> {
    // written so that NaN is off
    if (value - reference).abs() <= tolerance {
        Ok(())
    } else {
        Err(format!("{what}: {value:.9e} against {reference:.9e}, allowed {tolerance:.1e}"))
    }
}

/// * `unit` – further error allowed on a force, kJ/mol/nm: of a fixed-point sum
pub fn judge(a: &Evaluation, b: &Evaluation, m: &Magnitudes, unit: f64) -> Result<(), String> {
    for (i, (x, y)) in a.forces.iter().zip(&b.forces).enumerate() {
        within(&format!("force on atom {i}"), (*x - *y).length(), 0.0, K * EPSILON * m.forces[i] + unit)?;
    }
    let both = |f: fn(&Evaluation) -> Option<f64>| (f(a).unwrap_or(0.0), f(b).unwrap_or(0.0));
    let (lj_a, lj_b) = both(|e| e.energies.lj);
    within("lj", lj_a, lj_b, 1e-6 * m.lj)?;
    let (c4_a, c4_b) = both(|e| e.energies.lj_c4);
    within("lj_c4", c4_a, c4_b, 1e-6 * m.lj_c4)?;
    within("coulomb", a.energies.coulomb(), b.energies.coulomb(), 1e-6 * m.coulomb)?;
    within("shift", a.energies.cutoff_shift, b.energies.cutoff_shift, 1e-5 * m.shift + 1e-12 * m.coulomb)?;
    for (x, y) in a.virial.to_cols_array().iter().zip(b.virial.to_cols_array()) {
        within("virial", *x, y, K * EPSILON * m.virial)?;
    }
    Ok(())
}

/// Runs a system on the device with the given shaders and compares; `None` without a device.
fn compare_pairs(system: &System, state: &State, shaders: &Shaders) -> Option<Result<(), String>> {
    let radius = system.interactions.cutoff + 0.1;
    let (a, b) = both(system, state, radius, shaders)?;
    Some(judge(&a, &b, &magnitudes(system, &rounded(state)), 0.0))
}

/// The comparison has to pass, and with each edit it has to fail.
pub fn accept_and_reject(
    compare: impl Fn(&Shaders) -> Option<Result<(), String>>,
    edits: &[(&'static str, &'static str, &'static str)],
) {
    let Some(outcome) = compare(&Shaders::embedded()) else { return };
    outcome.unwrap_or_else(|why| panic!("{why}"));
    for &(file, from, to) in edits {
        let Some(outcome) = compare(&edited(file, from, to)) else { return };
        assert!(outcome.is_err(), "{file} with '{to}' instead of '{from}' was not noticed");
    }
}

/// Real-space and excluded parts only: no wave vectors.
pub const REAL_ONLY: Coulomb = Coulomb::Ewald { beta: 3.3, n_max: [0; 3], n_sq_max: None };

#[test]
fn pair_forms_match_their_twins() {
    let cell = triclinic();
    let state = lattice(&sequence(52), &cell, 1);
    let with = |modifier, coulomb| pair_system(52, modifier, coulomb);
    let plain = with(LjModifier::None, REAL_ONLY);
    accept_and_reject(
        |shaders| compare_pairs(&plain, &state, shaders),
        &[
            ("coulomb/ewald_real", "beta * ewald_q", "1.0001 * beta * ewald_q"),
            ("coulomb/ewald_real", "beta * ewald_p", "1.0001 * beta * ewald_p"),
            ("coulomb/ewald_real", "erfc_cut / coulomb_cut", "erfc_cut"),
            ("nb_full", "select(mask.z, mask.w, lane >= 4u)", "select(mask.z, mask.w, lane >= 5u)"),
            ("nb_full", "d.xxy * f.yzz", "d.xxy * f.yyz"),
            ("common/cell", "s.z * cell.step_c.x,", "s.z * 1.0001 * cell.step_c.x,"),
        ],
    );
    // without charges the Lennard-Jones terms are not hidden behind larger ones
    let mut neutral = with(LjModifier::None, Coulomb::Cutoff);
    neutral.topology.charges.fill(0.0);
    accept_and_reject(
        |shaders| compare_pairs(&neutral, &state, shaders),
        &[
            ("vdw/lennard_jones", "12.0 * k.y", "12.01 * k.y"),
            ("vdw/lennard_jones", "6.0 * k.x", "6.01 * k.x"),
            ("vdw/lennard_jones", "4.0 * k.z", "4.01 * k.z"),
        ],
    );
    let shifted = with(LjModifier::PotentialShift, Coulomb::ReactionField { epsilon: 78.5 });
    accept_and_reject(
        |shaders| compare_pairs(&shifted, &state, shaders),
        &[
            ("coulomb/reaction_field", "2.0 * k_rf", "2.01 * k_rf"),
            ("coulomb/reaction_field", "k_rf * r_sq", "1.01 * k_rf * r_sq"),
            ("vdw/lennard_jones", "- lj_shift * k.w", "+ lj_shift * k.w"),
        ],
    );
    let switched = with(LjModifier::Switch { start: 0.7 }, Coulomb::Cutoff);
    accept_and_reject(
        |shaders| compare_pairs(&switched, &state, shaders),
        &[
            ("vdw/lennard_jones_switch", "60.0 - 30.0 * x", "60.0 - 29.0 * x"),
            ("vdw/lennard_jones_switch", "15.0 - 6.0 * x", "15.0 - 5.9 * x"),
            ("coulomb/cutoff", "bare * qq * inv_r * inv_r * inv_r", "1.0001 * qq * inv_r * inv_r * inv_r"),
        ],
    );
}

#[test]
fn pathological_configurations() {
    let check = |name: &str, system: &System, state: &State| {
        if let Some(outcome) = compare_pairs(system, state, &Shaders::embedded()) {
            outcome.unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    };
    let cube = Cell::cubic(1.9).expect("valid");
    // 33 atoms: one past four clusters; a slab with vacuum; a box whose list reaches beyond half its height
    check("33 atoms", &pair_system(10, LjModifier::None, REAL_ONLY), &lattice(&sequence(10), &cube, 2));
    let mut slab = lattice(&sequence(40), &cube, 3);
    slab.cell = Cell::orthorhombic(1.9, 1.9, 8.0).expect("valid");
    check("slab", &pair_system(40, LjModifier::None, REAL_ONLY), &slab);
    let tight = Cell::cubic(1.7).expect("valid");
    check("small box", &pair_system(40, LjModifier::None, REAL_ONLY), &lattice(&sequence(40), &tight, 4));

    // one atom: no pair at all. Two ions just inside and just outside the cutoff, across a boundary.
    let one = electrolyte(&[0], truncated(0.85, REAL_ONLY));
    check("one atom", &one, &State::at_rest(cube, vec![DVec3::new(-0.3, 5.0, 0.4)]));
    let pair = electrolyte(&[0, 1], truncated(0.85, REAL_ONLY));
    for distance in [0.85 * (1.0 - 2e-6), 0.85 * (1.0 + 2e-6), 0.2, 0.94] {
        let a = DVec3::new(0.05, 1.0, 1.0);
        let state = State::at_rest(cube, vec![a, a - DVec3::X * distance]);
        check(&format!("two ions at {distance} nm"), &pair, &state);
    }
    // an excluded pair beyond the cutoff still gives back its part of the reciprocal sum
    let mut stretched = electrolyte(&[2], truncated(0.3, REAL_ONLY));
    stretched.topology.species[2].rigid_water = None;
    let positions = vec![DVec3::splat(0.2), DVec3::new(0.9, 0.2, 0.2), DVec3::new(0.2, -0.6, 0.2)];
    check("excluded pair beyond the cutoff", &stretched, &State::at_rest(cube, positions));
    // atoms on top of each other stay finite when excluded
    let positions = vec![DVec3::splat(0.2), DVec3::splat(0.2), DVec3::new(0.3, 0.2, 0.2)];
    if let Some(mut gpu) = with_shaders(&stretched, &Shaders::embedded()) {
        load(&mut gpu, &stretched, &State::at_rest(cube, positions), 0.4);
        assert!(gpu.evaluate().expect("finite").forces.iter().all(|f| f.is_finite()));
    }
}

/// Reciprocal parts alone: a cutoff so short that no pair is inside it, and no Lennard-Jones.
fn reciprocal_system(coulomb: Coulomb) -> System {
    let mut system = electrolyte(&sequence(40), truncated(0.02, coulomb));
    let mut species = system.topology.species.clone();
    species.iter_mut().for_each(|s| s.exclusions.clear());
    let sequence: Vec<u32> = system.topology.molecules.iter().map(|m| m.species).collect();
    system.topology = Topology::new(system.topology.types, species, &sequence);
    system
}

/// Forces to 3e-6 relative rms, energy to 1e-6, virial to 1e-5 of its largest element.
fn compare_reciprocal(system: &System, state: &State, shaders: &Shaders) -> Option<Result<(), String>> {
    let (a, b) = both(system, state, 0.05, shaders)?;
    let squares = |f: &[DVec3]| f.iter().map(|f| f.length_squared()).sum::<f64>();
    let difference: Vec<DVec3> = a.forces.iter().zip(&b.forces).map(|(x, y)| *x - *y).collect();
    let force_error = (squares(&difference) / squares(&b.forces)).sqrt();
    let scale = b.virial.to_cols_array().iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let outcome = within("forces", force_error, 0.0, 3e-6)
        .and_then(|()| {
            let (x, y) = (a.energies.coulomb(), b.energies.coulomb());
            within("energy", x, y, 1e-6 * y.abs())
        })
        .and_then(|()| {
            (a.virial.to_cols_array().iter().zip(b.virial.to_cols_array()))
                .try_for_each(|(x, y)| within("virial", *x, y, 1e-5 * scale))
        });
    Some(outcome)
}

#[test]
fn direct_ewald_matches_its_twin() {
    let state = lattice(&sequence(40), &triclinic(), 5);
    let boxed = reciprocal_system(Coulomb::Ewald { beta: 3.3, n_max: [7, 6, 7], n_sq_max: None });
    accept_and_reject(
        |shaders| compare_reciprocal(&boxed, &state, shaders),
        &[
            (
                "ewald_structure",
                "turn_cos_sin(bitcast<u32>(phase.x + phase.y",
                "turn_cos_sin(bitcast<u32>(phase.x - phase.y",
            ),
            ("ewald_force", "s.x * e.y - s.y * e.x", "s.x * e.y - 1.0001 * s.y * e.x"),
            ("common/trig", "-1.6666667e-1", "-1.6676667e-1"),
            ("common/trig", "4.1666667e-2", "4.1866667e-2"),
            ("common/reduce", "wg_size / 2u", "wg_size / 4u"),
        ],
    );
    let sphere = reciprocal_system(Coulomb::Ewald { beta: 3.3, n_max: [7, 7, 7], n_sq_max: Some(40) });
    accept_and_reject(|shaders| compare_reciprocal(&sphere, &state, shaders), &[]);
}

#[test]
fn mesh_ewald_matches_its_twin() {
    let state = lattice(&sequence(40), &triclinic(), 6);
    let with = |grid, order| reciprocal_system(Coulomb::Pme { beta: 3.3, grid, order });
    let system = with([20, 18, 21], 5);
    accept_and_reject(
        |shaders| compare_reciprocal(&system, &state, shaders),
        &[
            ("part/spread_atoms", "67108864.0", "67100000.0"),
            ("part/spread_atoms", "+ atom][kb] * spread", "+ atom][kc] * spread"),
            ("part/spread_atoms", "* mesh_c + c;", "* mesh_c + c + 1u;"),
            ("common/mesh", "(w + 2.0) * m2", "(w + 2.0002) * m2"),
            ("fft", "1.4901161193847656e-8", "1.4901661193847656e-8"),
            ("fft", "0.9510565162951535", "0.9511565162951535"),
            ("fft", "0.8660254037844386", "0.8661254037844386"),
            ("fft", "0.9749279121818236", "0.9750279121818236"),
            ("fft", "1.0 / dot(k, k) + inv_four_beta_sq", "1.0 / dot(k, k) + 1.01 * inv_four_beta_sq"),
            (
                "part/mesh_force",
                "a.derivatives[ka] * b.values[kb] * value",
                "1.0001 * a.derivatives[ka] * b.values[kb] * value",
            ),
        ],
    );
    // the last has planes that do not fit in workgroup memory, whatever the device has
    for (grid, order) in [([16, 16, 16], 4), ([25, 24, 28], 6), ([16, 60, 64], 5)] {
        let system = with(grid, order);
        accept_and_reject(|shaders| compare_reciprocal(&system, &state, shaders), &[]);
    }
}

/// A few steps of device and reference from one state.
fn steps(system: &System, state: &State, chunk: &Chunk, shaders: &Shaders) -> Option<[(State, ChunkReport); 2]> {
    let mut gpu = with_shaders(system, shaders)?;
    let state = rounded(state);
    let radius = system.interactions.cutoff + 0.05;
    load(&mut gpu, system, &state, radius);
    let mut oracle = oracle(system, &state, radius);
    let run = |backend: &mut dyn Backend| {
        let report = backend.advance(chunk).expect("the step succeeds");
        let mut end = state.clone();
        backend.store(&mut end).expect("the state comes back");
        (end, report)
    };
    Some([run(&mut gpu), run(&mut oracle)])
}

/// Positions to 2e-8 nm, velocities to 2e-5 nm/ps, sums to 1e-5 of the kinetic energy; virial to 1e-5 of its largest.
fn compare_steps(system: &System, state: &State, chunk: &Chunk, shaders: &Shaders) -> Option<Result<(), String>> {
    let [(a, x), (b, y)] = steps(system, state, chunk, shaders)?;
    let judge = || {
        for i in 0..a.n_atoms() {
            within(&format!("position {i}"), (a.positions[i] - b.positions[i]).length(), 0.0, 2e-8)?;
            within(&format!("velocity {i}"), (a.velocities[i] - b.velocities[i]).length(), 0.0, 2e-5)?;
        }
        let (f, g) = (x.first.expect("asked for"), y.first.expect("asked for"));
        let scale = 1e-5 * y.kinetic_end;
        within("kinetic before", f.kinetic_before, g.kinetic_before, scale)?;
        within("kinetic after", f.kinetic_after, g.kinetic_after, scale)?;
        within("kick", f.kick, g.kick, scale)?;
        within("kinetic end", x.kinetic_end, y.kinetic_end, scale)?;
        within("bath heat", x.bath_heat, y.bath_heat, scale)?;
        within("velocity scale", x.velocity_scale, y.velocity_scale, 1e-6)?;
        within("displacement", x.max_displacement, y.max_displacement, 1e-7)?;
        let tensors = |t: glam::DMat3, u: glam::DMat3, scale: f64, what: &str| {
            let (t, u) = (t.to_cols_array(), u.to_cols_array());
            t.iter().zip(u).try_for_each(|(a, b)| within(what, *a, b, scale))
        };
        tensors(f.kinetic_tensor, g.kinetic_tensor, scale, "kinetic tensor")?;
        let largest = g.virial.to_cols_array().iter().fold(0.0f64, |m, x| m.max(x.abs()));
        // a constraint force answers an error in |r|² - d² of about 4 ε d² with m d² 2 ε / dt² of virial, at random
        let noise = 2.0 * EPSILON * 0.01 / chunk.dt.powi(2) * (system.topology.n_constraints() as f64).sqrt();
        tensors(f.virial, g.virial, 1e-5 * largest + noise, "virial")
    };
    Some(judge())
}

#[test]
fn steps_match_their_twins() {
    let cell = triclinic();
    let system = pair_system(40, LjModifier::None, Coulomb::ReactionField { epsilon: f64::INFINITY });
    let mut state = lattice(&sequence(40), &cell, 8);
    let mut draws = Draws::new(9, Stream::Velocities, 0);
    for v in &mut state.velocities {
        *v = DVec3::new(draws.normal(), draws.normal(), draws.normal()) * 0.4;
    }
    let integrator = hexaqua::forces::reference::integrate::Integrator::new(&system.topology);
    integrator.project_velocities(&cell, &state.positions.clone(), &mut state.velocities);
    let leap_frog = Chunk {
        velocity_scale: 0.97,
        remove_com: true,
        report: true,
        max_displacement: 0.1,
        ..Chunk::new(5_000_000_000, 1, 0.002)
    };
    accept_and_reject(
        |shaders| compare_steps(&system, &state, &leap_frog, shaders),
        &[
            ("common/rigid_water", "NEWTON_ITERATIONS: u32 = 4u", "NEWTON_ITERATIONS: u32 = 1u"),
            ("common/rigid_water", "(w.y + w.z) * dot(now.h2", "(w.y + 2.0 * w.z) * dot(now.h2"),
            ("update", "drift = combine(params.dt, v, 0.0, v)", "drift = combine(1.001 * params.dt, v, 0.0, v)"),
            (
                "update",
                "v = combine(1.0, v, 1.0 / params.dt, correction)",
                "v = combine(1.0, v, 0.9 / params.dt, correction)",
            ),
            ("update", "g.x * bonds.o.x * bonds.o.x", "1.01 * g.x * bonds.o.x * bonds.o.x"),
            ("momentum", "inv_total_mass * partials", "0.9 * inv_total_mass * partials"),
            ("displacement", "dot(d, d)", "d.x * d.x"),
        ],
    );
    // a factor that the device finds from its own kinetic energy
    let coupled =
        Chunk { velocity_scale: 1.0, csvr: Some(CsvrDraw { decay: 0.8, gain: 20.0, cross: 1.5 }), ..leap_frog };
    accept_and_reject(
        |shaders| compare_steps(&system, &state, &coupled, shaders),
        &[
            ("couple", "params.csvr_gain / kinetic", "0.99 * params.csvr_gain / kinetic"),
            ("couple", "params.csvr_cross / sqrt(kinetic)", "params.csvr_cross / kinetic"),
            ("couple", "kinetic = 0.5 * dot", "kinetic = 0.51 * dot"),
            ("update", "scale = scale * status.velocity_scale", "scale = scale"),
        ],
    );
    let langevin = Chunk {
        remove_com: false,
        velocity_scale: 1.0,
        langevin: Some(LangevinStep { temperature: 300.0, friction: 20.0, seed: 0x1234_5678_9abc_def0 }),
        ..leap_frog
    };
    accept_and_reject(
        |shaders| compare_steps(&system, &state, &langevin, shaders),
        &[
            ("common/philox", "0xD2511F53u", "0xD2511F55u"),
            ("common/philox", "-2.0 * log(u)", "-2.001 * log(u)"),
            ("update", "params.decay * v.o", "0.999 * params.decay * v.o"),
            ("common/rigid_water", "w.x * dot(now.o, bonds.h1)", "1.01 * w.x * dot(now.o, bonds.h1)"),
        ],
    );
}
