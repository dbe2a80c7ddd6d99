//! The `cpu` backend against its f64 twin, pass by pass and level by level, and against public engines.

use crate::support::compare::{
    assert_absolute, assert_forces, assert_relative, assert_tensor, relative_error, rms_error,
};
use crate::support::systems::{EngineCase, all_pairs, on_a_grid, skewed_cell, small_electrolyte, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::{ReferenceBackend, ewald::choose_n_max, pair, pme::choose_grid};
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::pairs::PairList;
use hexaqua::potential::coulomb::bare;
use hexaqua::system::{Coulomb, Interactions, LjModifier, State, System};
use hexaqua::units::COULOMB;

const CUTOFF: f64 = 0.70;
/// nm⁻¹; erfc(β r_cut) = 3e-9
const BETA: f64 = 6.0;
/// Rounding of a summed pass: distances, coefficients, powers and sums, in units of f32::EPSILON Σ|f_ij|.
const K: f64 = 16.0;

fn on_cpu(system: &System, cell: &Cell, positions: &[DVec3], level: SimdLevel, radius: f64) -> Evaluation {
    let mut backend = CpuBackend::with_level(system, Some(2), level).expect("a valid system");
    backend.load(&State::at_rest(*cell, positions.to_vec())).expect("loads");
    let list = backend.build_neighbors(radius).expect("loaded");
    backend.set_neighbors(list).expect("the right kind");
    backend.evaluate().expect("finite")
}

fn in_f64(system: &System, cell: &Cell, positions: &[DVec3], list: &PairList) -> Evaluation {
    ReferenceBackend::new(system).expect("a valid system").evaluate_at(cell, positions, list)
}

/// The scale of rounding errors: Σ_j |f_ij| over the terms for every atom (kJ/mol/nm) and Σ|U| over all pairs.
///
/// The screened force is the bare one minus a smooth one of about the same size, so the bare one counts.
fn magnitudes(system: &System, cell: &Cell, positions: &[DVec3], list: &PairList) -> (Vec<f64>, f64) {
    let mut sums = vec![0.0; positions.len()];
    let mut energy = 0.0;
    let cutoff_sq = system.interactions.cutoff.powi(2);
    for &(i, j) in &list.pairs {
        let (i, j) = (i as usize, j as usize);
        let d = cell.minimum_image(positions[i] - positions[j]);
        if d.length_squared() > cutoff_sq {
            continue;
        }
        let terms = pair::terms(system, i, j, d.length_squared());
        let bare = bare(d.length_squared(), COULOMB * system.topology.charges[i] * system.topology.charges[j]);
        let f = (terms.lj.force_over_r.abs() + terms.lj_c4.force_over_r.abs() + bare.force_over_r.abs()) * d.length();
        sums[i] += f;
        sums[j] += f;
        energy += terms.lj.energy.abs() + terms.lj_c4.energy.abs() + bare.energy.abs();
    }
    (sums, energy)
}

fn pair_settings() -> Vec<Interactions> {
    let cell = skewed_cell();
    let ewald = Coulomb::Ewald { beta: BETA, n_max: choose_n_max(&cell, BETA, 1e-12), n_sq_max: None };
    let with = |coulomb, lj_modifier| Interactions { lj_modifier, ..truncated(CUTOFF, coulomb) };
    let mut all = Vec::new();
    for coulomb in [ewald, Coulomb::ReactionField { epsilon: 78.5 }, Coulomb::Cutoff] {
        for modifier in [LjModifier::None, LjModifier::PotentialShift, LjModifier::Switch { start: 0.55 }] {
            all.push(with(coulomb, modifier));
        }
    }
    all
}

/// The atom whose force is farthest off, in units of what rounding allows.
fn worst(cpu: &Evaluation, twin: &Evaluation, magnitudes: &[f64]) -> f64 {
    (cpu.forces.iter().zip(&twin.forces).zip(magnitudes))
        .map(|((a, b), m)| (*a - *b).length() / (K * f64::from(f32::EPSILON) * m))
        .fold(0.0, f64::max)
}

#[test]
fn pair_forces_and_energies_match_the_twin_at_every_level() {
    let cell = skewed_cell();
    for interactions in pair_settings() {
        for c4 in [false, true] {
            let mut system = small_electrolyte(interactions);
            if !c4 {
                system.pair_table.add_c4(0, 2, -0.09);
            }
            let positions = on_a_grid(&system, &cell, [4, 4, 3], 7);
            let list = all_pairs(&system, &cell, &positions);
            let twin = in_f64(&system, &cell, &positions, &list);
            let (scale, energy_scale) = magnitudes(&system, &cell, &positions, &list);
            for level in SimdLevel::available() {
                // a list radius beyond half the cell: some pairs are listed under several images
                for radius in [CUTOFF, 1.05] {
                    let cpu = on_cpu(&system, &cell, &positions, level, radius);
                    let what = format!("{level:?}, {interactions:?}, c4 {c4}, list {radius}");
                    let error = worst(&cpu, &twin, &scale);
                    assert!(error < 1.0, "{what}: {error:.2} times the tolerance");
                    for ((name, a), (_, b)) in cpu.energies.terms().into_iter().zip(twin.energies.terms()) {
                        assert_absolute(&format!("{what}, {name}"), a, b, 2e-7 * energy_scale);
                    }
                    assert_eq!(cpu.energies.terms().len(), twin.energies.terms().len(), "{what}");
                    let shift = (cpu.energies.cutoff_shift, twin.energies.cutoff_shift);
                    assert_absolute(&what, shift.0, shift.1, 2e-7 * energy_scale);
                    for (a, b) in cpu.virial.to_cols_array().into_iter().zip(twin.virial.to_cols_array()) {
                        assert_absolute(&format!("{what}, virial"), a, b, 1e-6 * energy_scale);
                    }
                }
            }
        }
    }
}

#[test]
fn a_wrong_constant_is_rejected() {
    let cell = skewed_cell();
    let system = small_electrolyte(pair_settings()[0]);
    let positions = on_a_grid(&system, &cell, [4, 4, 3], 7);
    let list = all_pairs(&system, &cell, &positions);
    let twin = in_f64(&system, &cell, &positions, &list);
    let (scale, _) = magnitudes(&system, &cell, &positions, &list);
    let mut edited = system.clone();
    let k = edited.pair_table.get(2, 2);
    let origin = edited.pair_table.origin(2, 2);
    edited.pair_table.set(2, 2, hexaqua::potential::pair_table::PairCoefficients { c6: k.c6 * 1.01, ..k }, origin);
    let cpu = on_cpu(&edited, &cell, &positions, SimdLevel::available()[0], 0.8);
    assert!(worst(&cpu, &twin, &scale) > 1.0, "a percent of one c6 must show");
}

#[test]
fn many_types_take_the_large_table() {
    // twelve copies of the oxygen type with slightly different parameters
    let cell = skewed_cell();
    let mut system = small_electrolyte(pair_settings()[0]);
    let n = 14;
    let parameters: Vec<(f64, f64)> = (0..n).map(|t| (0.22 + 0.01 * f64::from(t), 0.1 + 0.03 * f64::from(t))).collect();
    system.pair_table = hexaqua::potential::pair_table::PairTable::mixed(&parameters, |_, _| {
        hexaqua::potential::mixing::Mixing::LorentzBerthelot
    });
    system.topology.types = (0..n).map(|t| format!("T{t}")).collect();
    for (i, t) in system.topology.type_ids.iter_mut().enumerate() {
        *t = (i % n as usize) as u32;
    }
    let positions = on_a_grid(&system, &cell, [4, 4, 3], 3);
    let list = all_pairs(&system, &cell, &positions);
    let twin = in_f64(&system, &cell, &positions, &list);
    let (scale, _) = magnitudes(&system, &cell, &positions, &list);
    for level in SimdLevel::available() {
        let cpu = on_cpu(&system, &cell, &positions, level, 0.8);
        assert!(worst(&cpu, &twin, &scale) < 1.0, "{level:?}");
        assert_relative("lj", cpu.energies.lj.unwrap(), twin.energies.lj.unwrap(), 2e-6);
    }
}

/// The same mesh in f32 and f64, every order, odd, even and prime sizes, skewed and rectangular cells.
#[test]
fn mesh_matches_the_twin_on_the_same_mesh() {
    let rectangular = Cell::orthorhombic(1.6, 1.8, 2.1).unwrap();
    for cell in [skewed_cell(), rectangular] {
        for (grid, order) in [
            ([16, 18, 20], 4),
            ([20, 21, 24], 5),
            ([24, 25, 27], 6),
            ([22, 26, 23], 5),
            ([14, 15, 16], 7),
            ([10, 9, 8], 3),
        ] {
            let interactions = truncated(CUTOFF, Coulomb::Pme { beta: 4.0, grid, order });
            let mut system = small_electrolyte(interactions);
            system.topology.charges[1] = 0.0; // an atom the mesh does not see, and a net charge
            let positions = on_a_grid(&system, &cell, [4, 4, 3], 5);
            let list = all_pairs(&system, &cell, &positions);
            let twin = in_f64(&system, &cell, &positions, &list);
            for level in SimdLevel::available() {
                let cpu = on_cpu(&system, &cell, &positions, level, 0.9);
                let what = format!("{level:?}, grid {grid:?}, order {order}");
                assert_forces(&what, &cpu.forces, &twin.forces, 2e-6);
                let reciprocal = |e: &Evaluation| e.energies.coulomb_reciprocal.unwrap();
                assert_relative(&what, reciprocal(&cpu), reciprocal(&twin), 2e-6);
                assert_relative(&what, cpu.energies.total(), twin.energies.total(), 5e-6);
                assert_tensor(&what, cpu.virial, twin.virial, 5e-6);
            }
        }
    }
}

fn fine_mesh(cell: &Cell, beta: f64) -> Coulomb {
    Coulomb::Pme { beta, grid: choose_grid(cell, 0.05), order: 6 }
}

#[test]
fn engines_are_reproduced_in_single_precision() {
    for name in ["spce_216", "spce_3000", "zncl2_1000w"] {
        let case = EngineCase::read(name, fine_mesh);
        let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
        let total = case.number("direct_ewald_numpy", "lj_sr") + coulomb;
        for level in SimdLevel::available() {
            let cpu = on_cpu(&case.system, &case.cell, &case.positions, level, 1.0);
            println!(
                "{name}, {level:?}: lj {:.1e}, coulomb {:.1e}, total {:.1e}, forces {:.1e}",
                relative_error(cpu.energies.lj.unwrap(), case.number("direct_ewald_numpy", "lj_sr")),
                relative_error(cpu.energies.coulomb(), coulomb),
                relative_error(cpu.energies.total(), total),
                rms_error(&cpu.forces, &case.forces),
            );
            assert_relative(name, cpu.energies.total(), total, 5e-6);
            assert_forces(name, &cpu.forces, &case.forces, 1e-5);
        }
    }
}
