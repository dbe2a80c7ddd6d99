//! The reference against calculus and geometry: forces are gradients, the virial is a volume derivative, cells that
//! describe the same crystal give the same energy.

use crate::support::compare::{assert_absolute, assert_forces, assert_relative, assert_tensor};
use crate::support::systems::{EngineCase, all_pairs, on_a_grid, skewed_cell, small_electrolyte, truncated};
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::ewald::{self, WaveVectors, choose_n_max};
use hexaqua::forces::reference::pme::Pme;
use hexaqua::neighbor::pairs::PairList;
use hexaqua::potential::coulomb;
use hexaqua::system::{Coulomb, Interactions, LjModifier, System, Topology};
use hexaqua::units::COULOMB;

const CUTOFF: f64 = 0.70;
/// nm⁻¹; erfc(β r_cut) = 3e-9: a pair that crosses the cutoff does not show
const BETA: f64 = 6.0;

fn ewald(cell: &Cell) -> Coulomb {
    Coulomb::Ewald { beta: BETA, n_max: choose_n_max(cell, BETA, 1e-14), n_sq_max: None }
}

fn pme() -> Coulomb {
    Coulomb::Pme { beta: BETA, grid: [24, 25, 27], order: 5 }
}

/// Every Coulomb method with every modifier at least once.
fn settings() -> Vec<Interactions> {
    let cell = skewed_cell();
    let with = |coulomb, lj_modifier| Interactions { lj_modifier, ..truncated(CUTOFF, coulomb) };
    vec![
        with(ewald(&cell), LjModifier::None),
        with(ewald(&cell), LjModifier::Switch { start: 0.55 }),
        with(pme(), LjModifier::PotentialShift),
        with(Coulomb::Pme { beta: BETA, grid: [20, 21, 24], order: 4 }, LjModifier::Switch { start: 0.55 }),
        with(Coulomb::Pme { beta: BETA, grid: [20, 21, 24], order: 6 }, LjModifier::Switch { start: 0.55 }),
        with(Coulomb::ReactionField { epsilon: f64::INFINITY }, LjModifier::PotentialShift),
        with(Coulomb::ReactionField { epsilon: 78.5 }, LjModifier::Switch { start: 0.55 }),
        with(Coulomb::Cutoff, LjModifier::None),
    ]
}

fn energy(backend: &ReferenceBackend, cell: &Cell, positions: &[DVec3], list: &PairList) -> f64 {
    backend.evaluate_at(cell, positions, list).energies.total()
}

/// Is a pair of `atom` within `margin` (nm) of the cutoff, where an unshifted energy jumps?
fn near_the_cutoff(system: &System, cell: &Cell, positions: &[DVec3], atom: usize, margin: f64) -> bool {
    (0..system.topology.n_atoms()).filter(|&j| j != atom).any(|j| {
        let r = cell.minimum_image(positions[atom] - positions[j]).length();
        (r - system.interactions.cutoff).abs() < margin
    })
}

#[test]
fn forces_are_minus_the_gradient_of_the_energy() {
    let cell = skewed_cell();
    let h = 1e-5;
    for interactions in settings() {
        let system = small_electrolyte(interactions);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 7);
        let list = all_pairs(&system, &cell, &positions);
        let backend = ReferenceBackend::new(&system).unwrap();
        let forces = backend.evaluate_at(&cell, &positions, &list).forces;
        let mut tested = (Vec::new(), Vec::new());
        for atom in (0..system.topology.n_atoms()).filter(|a| a % 4 == 0 || *a < 6) {
            if near_the_cutoff(&system, &cell, &positions, atom, 3.0 * h) {
                continue;
            }
            let gradient = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| {
                let at = |step: f64| {
                    let mut moved = positions.clone();
                    moved[atom] += step * axis;
                    energy(&backend, &cell, &moved, &list)
                };
                // fourth order: the third derivative of 1/r¹² is large
                (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
            });
            tested.0.push(-DVec3::from_array(gradient));
            tested.1.push(forces[atom]);
        }
        assert!(tested.0.len() >= 20, "enough atoms are away from the cutoff");
        assert_forces(&format!("{interactions:?}"), &tested.1, &tested.0, 2e-8);
    }
}

/// W_αβ = −∂E/∂ε_αβ for r → (1 + ε) r of atoms and cell together; the six strains that keep the cell lower triangular.
#[test]
fn virial_is_minus_the_strain_derivative_of_the_energy() {
    let cell = skewed_cell();
    let h = 1e-6;
    for interactions in settings() {
        let mut system = small_electrolyte(interactions);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 11);
        // the pair list is frozen to what lies clearly inside the cutoff, so that no pair crosses it
        let mut list = all_pairs(&system, &cell, &positions);
        list.pairs.retain(|&(i, j)| {
            let r = cell.minimum_image(positions[i as usize] - positions[j as usize]).length();
            r < CUTOFF * (1.0 - 10.0 * h)
        });
        for charged in [false, true] {
            if charged {
                // a cell with a net charge: the background has a virial too
                system.topology.charges[1] = 0.3;
            }
            let backend = ReferenceBackend::new(&system).unwrap();
            let virial = backend.evaluate_at(&cell, &positions, &list).virial;
            let scale = virial.to_cols_array().into_iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (row, column) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
                let at = |step: f64| {
                    let mut strain = DMat3::IDENTITY;
                    strain.col_mut(column)[row] += step;
                    let v = cell.vectors();
                    let strained = Cell::new(strain * v.x_axis, strain * v.y_axis, strain * v.z_axis).unwrap();
                    let moved: Vec<DVec3> = positions.iter().map(|&r| strain * r).collect();
                    energy(&backend, &strained, &moved, &list)
                };
                let derivative = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let error = (virial.col(column)[row] + derivative).abs() / scale;
                assert!(error < 1e-7, "{interactions:?}, ({row}, {column}): {error:.1e} of {scale:.2e}");
            }
        }
    }
}

/// For the tail: with a switch the missing energy is continuous, so tr W = 3 E; and E goes as 1/V.
#[test]
fn virial_of_the_dispersion_correction_is_its_volume_derivative() {
    let (cell, larger) = (Cell::cubic(2.0).unwrap(), Cell::cubic(2.2).unwrap());
    let correction = |lj_modifier, dispersion_correction| {
        let interactions = Interactions { lj_modifier, dispersion_correction, ..truncated(0.7, Coulomb::Cutoff) };
        let system = small_electrolyte(interactions);
        hexaqua::forces::reference::dispersion::DispersionCorrection::new(&system)
    };
    let switched = correction(LjModifier::Switch { start: 0.55 }, true);
    assert_relative("switch", switched.virial_trace(&cell), 3.0 * switched.energy(&cell), 1e-9);
    let plain = correction(LjModifier::None, true);
    let shifted = correction(LjModifier::PotentialShift, true);
    // the shift has no force, so the pressure is that of plain truncation; with it dE/dV becomes exact
    assert_eq!(shifted.virial_trace(&cell), plain.virial_trace(&cell));
    let slope = (shifted.energy(&cell) - shifted.energy(&larger)) / (1.0 / cell.volume() - 1.0 / larger.volume());
    assert_relative("shift", shifted.virial_trace(&cell), 3.0 * slope / cell.volume(), 1e-12);
    // and a switch of no width is plain truncation
    let narrow = correction(LjModifier::Switch { start: 0.7 - 1e-7 }, true);
    assert_relative("narrow switch", narrow.energy(&cell), plain.energy(&cell), 1e-5);
}

/// On a random liquid the corrected energies of the three modifiers estimate the same thing.
#[test]
fn dispersion_correction_makes_the_modifiers_agree() {
    let mut case = EngineCase::read("spce_3000", |_, _| Coulomb::Cutoff);
    case.system.topology.charges.iter_mut().for_each(|q| *q = 0.0);
    let mut total = |lj_modifier, dispersion_correction| {
        let interactions = &mut case.system.interactions;
        (interactions.lj_modifier, interactions.dispersion_correction) = (lj_modifier, dispersion_correction);
        let backend = ReferenceBackend::new(&case.system).unwrap();
        energy(&backend, &case.cell, &case.positions, &case.list())
    };
    let plain = total(LjModifier::None, true);
    for modifier in [LjModifier::PotentialShift, LjModifier::Switch { start: 0.85 }] {
        let uncorrected = total(modifier, false) - plain;
        let corrected = total(modifier, true) - plain;
        println!("{modifier:?}: off by {uncorrected:.1} without, {corrected:.1} kJ/mol with the correction");
        assert!(corrected.abs() < 0.02 * uncorrected.abs());
    }
}

#[test]
fn moving_or_rewrapping_the_box_changes_nothing() {
    let cell = skewed_cell();
    let v = cell.vectors();
    for (interactions, tolerance) in [
        (truncated(CUTOFF, ewald(&cell)), 1e-12),
        (truncated(CUTOFF, Coulomb::ReactionField { epsilon: 78.5 }), 1e-12),
        // a mesh breaks translation invariance by its error, and only by it
        (truncated(CUTOFF, Coulomb::Pme { beta: BETA, grid: [63, 64, 70], order: 8 }), 1e-8),
    ] {
        let system = small_electrolyte(interactions);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 3);
        let backend = ReferenceBackend::new(&system).unwrap();
        let first = backend.evaluate_at(&cell, &positions, &all_pairs(&system, &cell, &positions));
        let shift = DVec3::new(0.4321, -1.234, 7.7);
        let moved: Vec<DVec3> = positions.iter().map(|&r| r + shift).collect();
        let wrapped: Vec<DVec3> = moved.iter().map(|&r| cell.wrap(r)).collect();
        let scattered: Vec<DVec3> = (moved.iter().enumerate())
            .map(|(i, &r)| r + v * DVec3::new((i % 3) as f64 - 1.0, (i % 5) as f64 - 2.0, (i % 2) as f64))
            .collect();
        for other in [moved, wrapped, scattered] {
            let second = backend.evaluate_at(&cell, &other, &all_pairs(&system, &cell, &other));
            assert_relative("energy", second.energies.total(), first.energies.total(), tolerance);
            assert_forces("forces", &second.forces, &first.forces, 10.0 * tolerance);
            assert_tensor("virial", second.virial, first.virial, 10.0 * tolerance);
        }
    }
}

/// The same crystal in three cells: a box, a sheared copy with other lattice vectors, and a doubled one.
#[test]
fn equivalent_cells_give_the_same_energy() {
    let (x, y, z) = (1.9, 1.8, 1.7);
    let cell = Cell::orthorhombic(x, y, z).unwrap();
    let sheared = Cell::new(DVec3::new(x, 0.0, 0.0), DVec3::new(x, y, 0.0), DVec3::new(0.0, y, z)).unwrap();
    let doubled = Cell::orthorhombic(2.0 * x, y, z).unwrap();
    let (cutoff, beta) = (0.5, 8.0);
    assert!(cutoff <= sheared.half_height());
    for mesh in [false, true] {
        let method = |cell: &Cell| {
            let n_max = choose_n_max(cell, beta, 1e-14);
            let grid = n_max.map(|n| 4 * n as usize);
            let direct = Coulomb::Ewald { beta, n_max, n_sq_max: None };
            truncated(cutoff, if mesh { Coulomb::Pme { beta, grid, order: 8 } } else { direct })
        };
        let system = small_electrolyte(method(&cell));
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 5);
        let reference = ReferenceBackend::new(&system).unwrap();
        let reference = reference.evaluate_at(&cell, &positions, &all_pairs(&system, &cell, &positions));
        let tolerance = if mesh { 2e-8 } else { 1e-11 };

        let system = small_electrolyte(method(&sheared));
        let skewed = ReferenceBackend::new(&system).unwrap();
        let skewed = skewed.evaluate_at(&sheared, &positions, &all_pairs(&system, &sheared, &positions));
        assert_relative("sheared", skewed.energies.total(), reference.energies.total(), tolerance);
        assert_forces("sheared", &skewed.forces, &reference.forces, 10.0 * tolerance);
        assert_tensor("sheared", skewed.virial, reference.virial, 10.0 * tolerance);

        let mut twice = small_electrolyte(method(&doubled));
        let molecules: Vec<u32> = twice.topology.molecules.iter().map(|m| m.species).collect();
        let sequence = [molecules.clone(), molecules].concat();
        twice.topology = Topology::new(twice.topology.types.clone(), twice.topology.species.clone(), &sequence);
        let copies: Vec<DVec3> =
            [0.0, x].iter().flat_map(|&s| positions.iter().map(move |&r| r + s * DVec3::X)).collect();
        let double = ReferenceBackend::new(&twice).unwrap();
        let double = double.evaluate_at(&doubled, &copies, &all_pairs(&twice, &doubled, &copies));
        assert_relative("doubled", double.energies.total(), 2.0 * reference.energies.total(), tolerance);
        assert_forces("doubled", &double.forces[..positions.len()], &reference.forces, 10.0 * tolerance);
        assert_tensor("doubled", double.virial, 2.0 * reference.virial, 10.0 * tolerance);
    }
}

/// A charged cell: the energy must not depend on how β splits it, which only the background term achieves.
#[test]
fn energy_of_a_charged_cell_does_not_depend_on_beta() {
    let cell = skewed_cell();
    let evaluate = |beta: f64| {
        let coulomb = Coulomb::Ewald { beta, n_max: choose_n_max(&cell, beta, 1e-15), n_sq_max: None };
        let mut system = small_electrolyte(truncated(0.75, coulomb));
        system.topology.charges[1] = 1.0;
        assert_absolute("net charge", system.topology.net_charge(), 2.0, 1e-12);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 5);
        let backend = ReferenceBackend::new(&system).unwrap();
        backend.evaluate_at(&cell, &positions, &all_pairs(&system, &cell, &positions))
    };
    let (a, b) = (evaluate(6.6), evaluate(8.0));
    assert_relative("Coulomb energy", a.energies.coulomb(), b.energies.coulomb(), 1e-9);
    assert_tensor("virial", a.virial, b.virial, 1e-8);
    assert_forces("forces", &a.forces, &b.forces, 1e-8);
}

/// c4 and 12-6 are reported apart and add up; the shift at the cutoff is what a potential shift would take away.
#[test]
fn terms_add_up_and_cutoff_shift_is_the_energy_at_the_cutoff() {
    let cell = skewed_cell();
    let with = |lj_modifier| Interactions { lj_modifier, ..truncated(CUTOFF, ewald(&cell)) };
    let evaluate = |interactions: Interactions| {
        let system = small_electrolyte(interactions);
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 5);
        let backend = ReferenceBackend::new(&system).unwrap();
        backend.evaluate_at(&cell, &positions, &all_pairs(&system, &cell, &positions)).energies
    };
    let plain = evaluate(with(LjModifier::None));
    let shifted = evaluate(with(LjModifier::PotentialShift));
    assert!(plain.lj_c4.unwrap() < -10.0);
    let lj = |e: hexaqua::forces::Energies| e.lj.unwrap() + e.lj_c4.unwrap();
    // what remains of the shift is real-space Coulomb at the cutoff
    assert_absolute("shift", plain.cutoff_shift - shifted.cutoff_shift, lj(plain) - lj(shifted), 1e-10);
    assert!((lj(plain) - lj(shifted)).abs() > 1.0);
    assert!(shifted.cutoff_shift.abs() < 1e-3);
}

/// Mesh errors against the direct sum, held to a table measured beforehand on another water box of the same size.
///
/// Errors are rms over the rms of the force with bare intramolecular Coulomb pairs counted in (3991 kJ/mol/nm in that
/// box, 3.4 times the force that acts): what the mesh computes contains those pairs.
#[test]
fn pme_errors_are_those_of_the_table() {
    /// order, β in nm⁻¹, (mesh points per axis, error)
    type Row<'a> = (usize, f64, &'a [(usize, f64)]);
    #[rustfmt::skip]
    let table: [Row; 7] = [
        (4, 3.470, &[(20, 9.4e-4), (24, 3.5e-4), (28, 1.9e-4), (32, 1.0e-4), (36, 5.8e-5)]),
        (6, 3.470, &[(20, 1.6e-4), (24, 3.8e-5), (28, 1.2e-5), (32, 4.8e-6), (36, 1.8e-6)]),
        (4, 3.123, &[(20, 5.3e-4), (24, 2.0e-4), (28, 1.1e-4), (32, 5.8e-5), (36, 3.4e-5)]),
        (6, 3.123, &[(20, 6.5e-5), (24, 1.5e-5), (28, 4.8e-6), (32, 2.0e-6), (36, 7.8e-7)]),
        (4, 2.603, &[(20, 2.0e-4), (24, 7.8e-5), (28, 4.9e-5), (32, 2.3e-5), (36, 1.4e-5)]),
        (6, 2.603, &[(20, 1.5e-5), (24, 3.2e-6), (28, 1.2e-6), (32, 4.8e-7), (36, 1.9e-7)]),
        (5, 3.470, &[(21, 3.2e-4), (25, 8.7e-5), (27, 5.3e-5), (35, 1.2e-5)]),
    ];
    let case = EngineCase::read("spce_3000", |cell, beta| Coulomb::Ewald {
        beta,
        n_max: choose_n_max(cell, beta, 1e-12),
        n_sq_max: None,
    });
    let charges = &case.system.topology.charges;
    let n_atoms = case.positions.len();
    let rms = |f: &[DVec3]| (f.iter().map(|f| f.length_squared()).sum::<f64>() / f.len() as f64).sqrt();

    // the total force, plus the bare Coulomb force of the excluded pairs
    let backend = ReferenceBackend::new(&case.system).unwrap();
    let mut total = backend.evaluate_at(&case.cell, &case.positions, &case.list()).forces;
    for (i, j) in case.system.topology.excluded_pairs() {
        let d = case.cell.minimum_image(case.positions[i] - case.positions[j]);
        let f = coulomb::bare(d.length_squared(), COULOMB * charges[i] * charges[j]).force_over_r * d;
        total[i] += f;
        total[j] -= f;
    }
    let scale = rms(&total);
    assert_relative("force with intramolecular pairs", scale, 3991.0, 0.05);

    let mut exact: Vec<(f64, Vec<DVec3>)> = Vec::new();
    for (order, beta, row) in table {
        if exact.iter().all(|(b, _)| *b != beta) {
            let waves = WaveVectors { beta, n_max: choose_n_max(&case.cell, beta, 1e-14), n_sq_max: None };
            let mut forces = vec![DVec3::ZERO; n_atoms];
            ewald::add_forces(&case.cell, &case.positions, charges, &waves, &mut forces);
            exact.push((beta, forces));
        }
        let exact = &exact.iter().find(|(b, _)| *b == beta).unwrap().1;
        for &(points, expected) in row {
            let mut error: Vec<DVec3> = exact.iter().map(|f| -*f).collect();
            Pme::new([points; 3], order, beta).add_forces(&case.cell, &case.positions, charges, &mut error);
            let ratio = rms(&error) / scale / expected;
            println!(
                "order {order}, beta {beta}, {points} points: {:.2e}, {ratio:.2} of the table",
                rms(&error) / scale
            );
            assert!(
                (0.6..1.2).contains(&ratio),
                "order {order}, beta {beta}, {points} points: {ratio:.2} of {expected:.1e}"
            );
        }
    }
}
