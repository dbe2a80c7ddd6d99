//! Slab correction, uniform field and walls: public engines, the `cpu` backend against its twin.

use crate::support::compare::{assert_forces, assert_relative, coulomb_rounding, relative_error, rms_error};
use crate::support::systems::{EngineCase, electrolyte, on_a_grid, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::{ReferenceBackend, ewald::choose_n_max, pme::choose_grid};
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::NeighborList;
use hexaqua::neighbor::pairs::brute_force;
use hexaqua::potential::pair_table::PairCoefficients;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::external::{Wall, WallForm};
use hexaqua::system::{Coulomb, External, State, System};
use std::sync::Arc;

/// Ewald parameter of the slab below, nm⁻¹
const BETA: f64 = 4.5;

fn on_cpu(system: &System, cell: &Cell, positions: &[DVec3]) -> Evaluation {
    let mut backend = CpuBackend::new(system, Some(2)).expect("the cpu backend runs interfaces");
    backend.load(&State::at_rest(*cell, positions.to_vec())).expect("loads");
    let list = backend.build_neighbors(system.interactions.cutoff * 1.05).expect("loaded");
    backend.set_neighbors(list).expect("the right kind");
    backend.evaluate().expect("finite")
}

fn in_f64(system: &System, cell: &Cell, positions: &[DVec3]) -> Evaluation {
    let mut backend = ReferenceBackend::new(system).expect("a valid system");
    backend.load(&State::at_rest(*cell, positions.to_vec())).expect("loads");
    let list = brute_force(positions, cell, &system.topology, system.interactions.cutoff);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("the right kind");
    backend.evaluate().expect("finite")
}

/// Charged graphene sheets with an electrolyte in vacuum, by OpenMM, GROMACS and a direct sum.
#[test]
fn engines_agree_on_the_slab_correction() {
    let case = EngineCase::read("graphene_slab_ew3dc", |cell, beta| Coulomb::Ewald {
        beta,
        n_max: choose_n_max(cell, beta, 1e-12),
        n_sq_max: None,
    });
    let slab = case.number("direct_ewald_numpy", "slab_dipole_ew3dc");
    let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
    let total = case.number("direct_ewald_numpy", "lj_sr") + coulomb;
    let compare = |name: &str, e: &Evaluation, energy: f64, force: f64| {
        let found = e.energies.slab_correction.expect("a slab");
        println!(
            "{name}: slab {:.1e}, total {:.1e}, OpenMM {:.1e}, forces {:.1e}",
            relative_error(found, slab),
            relative_error(e.energies.total(), total),
            relative_error(e.energies.total(), case.number("openmm_reference", "total_no_dispcorr")),
            rms_error(&e.forces, &case.forces)
        );
        assert_relative("slab", found, slab, 1e-9);
        assert_relative("total", e.energies.total(), total, energy);
        assert_forces("forces", &e.forces, &case.forces, force);
    };
    let exact = in_f64(&case.system, &case.cell, &case.positions);
    compare("reference", &exact, 1e-7, 2e-6);
    let mut meshed = case.system.clone();
    let beta = case.energies["conventions"]["ewald_beta_per_nm"].as_float().expect("a number");
    meshed.interactions.coulomb = Coulomb::Pme { beta, grid: choose_grid(&case.cell, 0.05), order: 6 };
    compare("cpu", &on_cpu(&meshed, &case.cell, &case.positions), 2e-5, 5e-6);
    // the comparison can fail: without the correction
    meshed.external.slab_correction = false;
    let plain = on_cpu(&meshed, &case.cell, &case.positions);
    assert!(relative_error(plain.energies.total(), total) > 1e-4);
    assert!(rms_error(&plain.forces, &case.forces) > 1e-5);
}

/// A charged slab in a field between two walls; waters in the middle third of the cell.
pub fn slab() -> (System, Cell, Vec<DVec3>) {
    let cell = Cell::orthorhombic(1.7, 1.6, 5.0).expect("valid");
    let coulomb = Coulomb::Pme { beta: BETA, grid: [24, 24, 72], order: 5 };
    let sequence: Vec<u32> = [0, 1].into_iter().chain([2; 34]).collect();
    let mut system = electrolyte(&sequence, truncated(0.75, coulomb));
    let liquid = Cell::orthorhombic(1.7, 1.6, 1.3).expect("valid");
    let mut positions = on_a_grid(&system, &liquid, [4, 3, 3], 3);
    positions.iter_mut().for_each(|r| r.z += 1.8);
    let wall = |z, normal, form, density| {
        let types: Vec<PairCoefficients> = [(0.25, 0.1), (0.35, 0.2), (0.31, 0.4), (0.0, 0.0)]
            .map(|(sigma, epsilon)| PairCoefficients::from_sigma_epsilon(sigma, epsilon))
            .to_vec();
        Wall { z, normal, form, density, coefficients: types }
    };
    let walls = vec![
        wall(1.5, 1.0, WallForm::TenFourThree { spacing: 0.335 }, 114.0),
        wall(3.5, -1.0, WallForm::NineThree, 60.0),
    ];
    system.external = External { slab_correction: true, field_z: 40.0, walls, ..External::default() };
    (system, cell, positions)
}

#[test]
fn cpu_matches_its_twin_between_walls_in_a_field() {
    let (system, cell, positions) = slab();
    let (cpu, twin) = (on_cpu(&system, &cell, &positions), in_f64(&system, &cell, &positions));
    assert_forces("forces", &cpu.forces, &twin.forces, 3e-6);
    for ((name, a), (_, b)) in cpu.energies.terms().into_iter().zip(twin.energies.terms()) {
        match name {
            "wall" | "slab_correction" | "external_field" => assert_relative(name, a, b, 1e-12),
            _ => assert_relative(name, a, b, 5e-6),
        }
    }
    for term in ["wall", "slab_correction", "external_field"] {
        assert!(cpu.energies.terms().iter().any(|t| t.0 == term), "{term} is there");
    }
    // a charged cell: Zn2+ and one Cl-; every term must show when it is slightly off
    assert!((system.topology.net_charge() - 1.0).abs() < 1e-9);
    let wrong: [&dyn Fn(&mut External); 4] =
        [&|e| e.slab_correction = false, &|e| e.field_z *= 1.001, &|e| e.walls[0].density *= 1.01, &|e| {
            e.walls[1].z -= 0.01
        }];
    for (k, change) in wrong.into_iter().enumerate() {
        let mut edited = system.clone();
        change(&mut edited.external);
        let other = on_cpu(&edited, &cell, &positions);
        assert!(rms_error(&other.forces, &twin.forces) > 3e-6, "change {k}");
    }
}

/// The real-space energy errs to both sides, by what one rounding of every distance comes to.
#[test]
fn sums_of_screened_pairs_err_by_rounding_alone() {
    let (system, cell, start) = slab();
    let mut random = Draws::new(3, Stream::Build, 1);
    for level in SimdLevel::available() {
        let errors: Vec<f64> = (0..24)
            .map(|_| {
                let mut step = |_: usize| 4e-3 * (random.uniform() - 0.5);
                let positions: Vec<DVec3> =
                    start.iter().map(|r| *r + DVec3::from_array([0, 1, 2].map(&mut step))).collect();
                let energy =
                    |e: &Evaluation| e.energies.terms().iter().find(|t| t.0 == "coulomb_real").expect("charges").1;
                let mut backend =
                    CpuBackend::with_level(&system, Some(1), level).expect("the cpu backend runs interfaces");
                backend.load(&State::at_rest(cell, positions.clone())).expect("loads");
                let clusters = backend.build_neighbors(system.interactions.cutoff * 1.05).expect("loaded");
                backend.set_neighbors(clusters).expect("the right kind");
                let cpu = energy(&backend.evaluate().expect("finite"));
                let twin = energy(&in_f64(&system, &cell, &positions));
                (cpu - twin) / coulomb_rounding(&system, &cell, &positions, &system.topology.charges, BETA)
            })
            .collect();
        let n = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / n;
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
        println!("{level:?}: error over one rounding of every distance: mean {mean:.2}, rms {rms:.2}");
        assert!(rms < 1.0, "{level:?}: {rms}");
        assert!(mean.abs() < 4.0 * rms / n.sqrt(), "{level:?}: {mean} of {rms}");
    }
}

/// Energy and forces of a slab do not depend on how much vacuum is around it.
#[test]
fn the_vacuum_does_not_matter() {
    let at = |height: f64, correct: bool| {
        let (mut system, _, positions) = slab();
        let cell = Cell::orthorhombic(1.7, 1.6, height).expect("valid");
        system.topology.charges[1] = -2.0; // neutral
        system.interactions.coulomb =
            Coulomb::Ewald { beta: 4.5, n_max: choose_n_max(&cell, 4.5, 1e-12), n_sq_max: None };
        system.external = External { slab_correction: correct, ..External::default() };
        in_f64(&system, &cell, &positions)
    };
    let (near, far, without) = (at(5.0, true), at(7.5, true), at(5.0, false));
    assert_relative("energy", near.energies.total(), far.energies.total(), 1e-5);
    assert_forces("forces", &near.forces, &far.forces, 1e-5);
    assert!(relative_error(without.energies.total(), far.energies.total()) > 1e-4, "without the correction it does");
    assert!(rms_error(&without.forces, &far.forces) > 1e-4, "and so do forces");
}
