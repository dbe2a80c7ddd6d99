//! Madelung constants of four crystals, from the direct Ewald sum and from the mesh.
//!
//! The energy of a crystal is E = −M k_e e² N_formula / r with r the nearest-neighbour distance. Values: CRC Handbook
//! tables (1.74756, 1.76267, 1.63806, 2.51939 per |z₊ z₋|), OEIS A181152 for CsCl; further digits by Ewald sums.

use crate::support::compare::{assert_absolute, assert_relative};
use crate::support::systems::{all_pairs, ion, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::Evaluation;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::system::{Coulomb, External, System, Topology};
use hexaqua::units::COULOMB;

const NACL: f64 = 1.7475645946331822;
const CSCL: f64 = 1.7626747730709884;
const ZINC_BLENDE: f64 = 1.6380550533887897;
const FLUORITE: f64 = 5.038784879848568;

/// Conventional cubic cell: fractional coordinates of cations and anions, anion charge −1 (or −1 against +2).
struct Crystal {
    name: &'static str,
    madelung: f64,
    /// nearest-neighbour distance over the lattice constant
    neighbor: f64,
    cation_charge: f64,
    cations: Vec<DVec3>,
    anions: Vec<DVec3>,
}

fn crystals() -> Vec<Crystal> {
    let v = DVec3::new;
    let fcc = [v(0.0, 0.0, 0.0), v(0.0, 0.5, 0.5), v(0.5, 0.0, 0.5), v(0.5, 0.5, 0.0)];
    let shifted = |s: DVec3| fcc.iter().map(move |&r| r + s).collect::<Vec<_>>();
    let quarter = DVec3::splat(0.25);
    let crystal = |name, madelung, neighbor, cation_charge, cations, anions| Crystal {
        name,
        madelung,
        neighbor,
        cation_charge,
        cations,
        anions,
    };
    let both = [shifted(quarter), shifted(3.0 * quarter)].concat();
    vec![
        crystal("NaCl", NACL, 0.5, 1.0, fcc.to_vec(), shifted(v(0.5, 0.0, 0.0))),
        crystal("CsCl", CSCL, 0.75f64.sqrt(), 1.0, vec![DVec3::ZERO], vec![DVec3::splat(0.5)]),
        crystal("zinc blende", ZINC_BLENDE, 0.1875f64.sqrt(), 1.0, fcc.to_vec(), shifted(quarter)),
        crystal("fluorite", FLUORITE, 0.1875f64.sqrt(), 2.0, fcc.to_vec(), both),
    ]
}

/// Lattice constant, nm; the box is 2 × 2 × 2 cells.
const LATTICE: f64 = 0.6;
const CUTOFF: f64 = 0.6;
/// nm⁻¹; erfc(β r_cut) = 2e-17
const BETA: f64 = 10.0;

fn evaluate(crystal: &Crystal, coulomb: Coulomb, shift: DVec3) -> (Evaluation, usize) {
    let cell = Cell::cubic(2.0 * LATTICE).unwrap();
    let (mut sequence, mut positions) = (Vec::new(), Vec::new());
    for n in 0..8 {
        let corner = DVec3::new(f64::from(n / 4), f64::from(n / 2 % 2), f64::from(n % 2));
        for (species, sites) in [(0, &crystal.cations), (1, &crystal.anions)] {
            for &site in sites {
                sequence.push(species);
                positions.push(LATTICE * (corner + site) + shift);
            }
        }
    }
    let species = vec![ion("cation", "Zn", 0, crystal.cation_charge, 65.4), ion("anion", "Cl", 0, -1.0, 35.45)];
    let system = System {
        topology: Topology::new(vec!["none".into()], species, &sequence),
        pair_table: PairTable::mixed(&[(0.0, 0.0)], |_, _| hexaqua::potential::mixing::Mixing::Geometric),
        interactions: truncated(CUTOFF, coulomb),
        restraints: Vec::new(),
        external: External::default(),
    };
    assert_absolute("charge", system.topology.net_charge(), 0.0, 1e-12);
    let backend = ReferenceBackend::new(&system).unwrap();
    (backend.evaluate_at(&cell, &positions, &all_pairs(&system, &cell, &positions)), 8 * crystal.cations.len())
}

fn constant(crystal: &Crystal, energy: f64, formula_units: usize) -> f64 {
    -energy * LATTICE * crystal.neighbor / (COULOMB * formula_units as f64)
}

#[test]
fn direct_sum() {
    let cell = Cell::cubic(2.0 * LATTICE).unwrap();
    let coulomb = Coulomb::Ewald { beta: BETA, n_max: choose_n_max(&cell, BETA, 1e-16), n_sq_max: None };
    for crystal in crystals() {
        let (result, n) = evaluate(&crystal, coulomb, DVec3::new(0.0123, 0.2, -0.071));
        assert_relative(crystal.name, constant(&crystal, result.energies.total(), n), crystal.madelung, 1e-12);
        // a perfect lattice feels no force, and a Coulomb crystal has tr W = E
        let largest = result.forces.iter().map(|f| f.length()).fold(0.0, f64::max);
        assert!(largest < 1e-8, "{}: {largest:e}", crystal.name);
        let v = result.virial;
        let trace = v.x_axis.x + v.y_axis.y + v.z_axis.z;
        assert_relative("virial", trace, result.energies.total(), 1e-11);
    }
}

#[test]
fn mesh() {
    for (order, tolerance) in [(4, 1e-5), (5, 2e-7), (6, 3e-8), (8, 2e-10)] {
        let coulomb = Coulomb::Pme { beta: BETA, grid: [96; 3], order };
        for crystal in crystals() {
            let (result, n) = evaluate(&crystal, coulomb, DVec3::new(0.0123, 0.2, -0.071));
            let found = constant(&crystal, result.energies.total(), n);
            println!("{} order {order}: {:.1e}", crystal.name, (found / crystal.madelung - 1.0).abs());
            assert_relative(crystal.name, found, crystal.madelung, tolerance);
        }
    }
}
