//! The reference backend against public engines: OpenMM, GROMACS and a direct sum, on `validation/engines`.

use crate::support::compare::{assert_forces, assert_relative, assert_tensor, relative_error, rms_error};
use crate::support::systems::EngineCase;
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::Evaluation;
use hexaqua::forces::reference::dispersion::tail_energy;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::forces::reference::pme::choose_grid;
use hexaqua::forces::reference::{ReferenceBackend, bonded, virtual_sites};
use hexaqua::system::Coulomb;
use std::f64::consts::PI;

const CASES: [&str; 5] = ["spce_216", "spce_3000", "zncl2_1000w", "znotf2_3k", "tip4p2005_500"];

/// Terms of the anion: ours, GROMACS's name. A case without them has neither.
const BONDED: [(&str, &str); 5] = [
    ("bond", "Bond"),
    ("angle", "Angle"),
    ("dihedral", "Proper Dih."),
    ("lj_14", "LJ-14"),
    ("coulomb_14", "Coulomb-14"),
];

fn direct(cell: &Cell, beta: f64) -> Coulomb {
    Coulomb::Ewald { beta, n_max: choose_n_max(cell, beta, 1e-12), n_sq_max: None }
}

fn fine_mesh(cell: &Cell, beta: f64) -> Coulomb {
    Coulomb::Pme { beta, grid: choose_grid(cell, 0.04), order: 8 }
}

fn evaluate(case: &EngineCase) -> Evaluation {
    let backend = ReferenceBackend::new(&case.system).expect("a valid system");
    backend.evaluate_at(&case.cell, &case.positions, &case.list())
}

/// `accuracy`: allowed relative error of the Coulomb energy; the mesh has one, the direct sum does not.
fn compare(name: &str, coulomb: fn(&Cell, f64) -> Coulomb, accuracy: f64) {
    let case = EngineCase::read(name, coulomb);
    let result = evaluate(&case);
    let energies = result.energies;
    // the file's sites are rounded to 5e-10 nm and the direct sum takes them as they are; here they are built anew
    let accuracy = if virtual_sites::any(&case.system.topology) { accuracy.max(1e-9) } else { accuracy };
    let lj = case.number("direct_ewald_numpy", "lj_sr");
    let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
    let at = |what: &str| format!("{name}, {what}");
    let mut bonded = 0.0;
    for (ours, theirs) in BONDED {
        let found = energies.terms().iter().find(|t| t.0 == ours).map(|t| t.1);
        let expected = case.energies["gromacs_double"].get(theirs).map(|x| x.as_float().expect("a number"));
        assert_eq!(found.is_some(), expected.is_some(), "{}", at(ours));
        if let Some((found, expected)) = found.zip(expected) {
            println!("{name}: {ours} {:.1e}", relative_error(found, expected));
            assert_relative(&at(ours), found, expected, 2e-9);
            bonded += found;
        }
    }
    // OpenMM's own numbers of the bonded terms have more digits
    for (ours, theirs) in
        [("bond", "HarmonicBondForce"), ("angle", "HarmonicAngleForce"), ("dihedral", "PeriodicTorsionForce")]
    {
        if let Some((_, found)) = energies.terms().iter().find(|t| t.0 == ours) {
            assert_relative(&at(theirs), *found, case.number("openmm_reference", theirs), 1e-12);
        }
    }
    let nonbonded = energies.total() - bonded;
    println!(
        "{name}: lj {:.1e}, coulomb {:.1e}, total {:.1e}, total against OpenMM {:.1e}, forces {:.1e}",
        relative_error(energies.lj.unwrap(), lj),
        relative_error(energies.coulomb(), coulomb),
        relative_error(nonbonded, lj + coulomb),
        relative_error(energies.total(), case.number("openmm_reference", "total_no_dispcorr")),
        rms_error(&result.forces, &case.forces),
    );
    assert_relative(&at("lj"), energies.lj.unwrap(), lj, 1e-10);
    assert_relative(&at("lj, GROMACS"), energies.lj.unwrap(), case.number("gromacs_double", "LJ (SR)"), 1e-10);
    assert_relative(&at("coulomb"), energies.coulomb(), coulomb, accuracy);
    assert_relative(&at("total"), nonbonded, lj + coulomb, accuracy);
    let openmm = case.number("openmm_reference", "total_no_dispcorr");
    assert_relative(&at("total, OpenMM"), energies.total(), openmm, 1e-7);
    let gromacs = case.number("gromacs_double_potential_without_dispcorr", "Potential");
    assert_relative(&at("total, GROMACS"), energies.total(), gromacs, 2e-8);
    assert_forces(&at("forces"), &result.forces, &case.forces, 2e-6);
    let rows = case.energies["direct_ewald_numpy"]["virial_W_sum_r_f_nonbonded"].as_array().unwrap();
    let rows: Vec<f64> = rows.iter().flat_map(|r| r.as_array().unwrap()).map(|x| x.as_float().unwrap()).collect();
    let reference = DMat3::from_cols_slice(&rows).transpose();
    // the engines' virial holds pairs, 1-4 pairs among them, and no bonds
    let mut bonds = case.system.topology.clone();
    bonds.species.iter_mut().for_each(|s| s.bonded.pairs_14.clear());
    let mut unused = vec![DVec3::ZERO; case.positions.len()];
    let own = bonded::add_forces(&bonds, &case.cell, &case.positions, &mut unused);
    assert_tensor(&at("virial"), result.virial - own.virial, reference, 1e-7);
    assert_eq!(energies.lj_c4, None);
    assert_eq!(energies.dispersion_correction, None);
}

#[test]
fn direct_ewald_reproduces_the_engines() {
    CASES.iter().for_each(|name| compare(name, direct, 1e-10));
}

#[test]
fn pme_on_a_fine_mesh_reproduces_the_engines() {
    CASES.iter().for_each(|name| compare(name, fine_mesh, 1e-8));
}

/// With the sites where the file has them, the direct sum is met to the last digits.
#[test]
fn sites_taken_from_the_file_reproduce_the_direct_sum() {
    let mut case = EngineCase::read("tip4p2005_500", direct);
    case.system.topology.species[0].virtual_sites.clear();
    let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
    assert_relative("coulomb", evaluate(&case).energies.coulomb(), coulomb, 1e-10);
}

/// A comparison that accepts a wrong force field proves nothing: one part in a million of the charges must show.
#[test]
fn a_slightly_wrong_system_is_rejected() {
    let mut case = EngineCase::read("spce_216", direct);
    case.system.topology.charges.iter_mut().for_each(|q| *q *= 1.000_002);
    let result = evaluate(&case);
    let coulomb = case.number("direct_ewald_numpy", "coulomb_total_without_14");
    assert!(relative_error(result.energies.coulomb(), coulomb) > 3e-6);
    assert!(rms_error(&result.forces, &case.forces) > 2e-6);
    // and so must one missing pair
    let case = EngineCase::read("spce_216", direct);
    let mut list = case.list();
    let nearest = nearest_pair(&case);
    list.pairs.retain(|&pair| pair != nearest);
    let backend = ReferenceBackend::new(&case.system).unwrap();
    let result = backend.evaluate_at(&case.cell, &case.positions, &list);
    assert!(rms_error(&result.forces, &case.forces) > 2e-6);
}

fn nearest_pair(case: &EngineCase) -> (u32, u32) {
    let distance = |&(i, j): &(u32, u32)| {
        case.cell.minimum_image(case.positions[i as usize] - case.positions[j as usize]).length()
    };
    case.list().pairs.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
}

/// OpenMM averages the tail over N (N + 1)/2 pairs, n_a (n_a + 1)/2 of them of equal type: with its count, its value.
#[test]
fn dispersion_correction_is_that_of_openmm_up_to_its_pair_count() {
    for name in CASES {
        let mut case = EngineCase::read(name, |_, _| Coulomb::Cutoff);
        case.system.interactions.dispersion_correction = true;
        let own = evaluate(&case).energies.dispersion_correction.unwrap();
        let topology = &case.system.topology;
        // Σ_ab n_a n_b + Σ_a n_a ordered pairs, scaled by N²/(N (N + 1))
        let same_type: f64 = (topology.type_ids.iter())
            .map(|&a| tail_energy(case.system.pair_table.get(a as usize, a as usize), case.system.interactions.cutoff))
            .sum();
        let n_atoms = topology.n_atoms() as f64;
        let extra = 2.0 * PI / case.cell.volume() * same_type;
        let counted_as_openmm = (own + extra) * n_atoms / (n_atoms + 1.0);
        assert_relative(name, counted_as_openmm, case.number("openmm_reference", "dispersion_correction"), 1e-10);
        assert_relative(name, own, case.number("gromacs_double", "Disper. corr."), 4e-3);
    }
}
