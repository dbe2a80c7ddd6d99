//! Potentials of electrodes whose charge is given, and the capacitance of the cell without an electrolyte.

use crate::support::capacitor::{
    Capacitor, GAP, HEIGHT, PER_LAYER, capacitor, external, potentials, spread_and_difference,
};
use crate::support::compare::assert_relative;
use crate::support::systems::all_pairs;
use hexaqua::electrode::lattice::Boundary;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::response::empty_capacitance;
use hexaqua::forces::{Backend, Energies};
use hexaqua::neighbor::NeighborList;
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Coulomb, External, State};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;
use std::sync::Arc;

fn converged() -> Coulomb {
    Coulomb::Ewald { beta: 7.0, n_max: [13, 13, 46], n_sq_max: None }
}

/// Charges of all atoms and energies, by the oracle.
fn solve(c: &Capacitor) -> (Vec<f64>, Energies) {
    let mut backend = ReferenceBackend::new(&c.system).expect("runs");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("a matrix");
    let list = all_pairs(&c.system, &c.cell, &c.positions);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("loaded");
    (backend.charges().expect("loaded"), backend.evaluate().expect("finite").energies)
}

fn electrodes(c: &mut Capacitor) -> &mut Electrodes {
    c.system.external.electrodes.as_mut().expect("electrodes")
}

/// e/V by [`empty_capacitance`].
fn empty(c: &Capacitor, finite_field: bool) -> f64 {
    let spec = c.system.external.electrodes.as_ref().expect("electrodes");
    let found = empty_capacitance(&c.system, spec, &c.cell, &c.positions, [0, 1], finite_field);
    found.expect("a matrix") * VOLT
}

/// Charges are linear in the potential, whatever stands between the electrodes: a volt adds C₀, with a field that goes with it or without, and
/// with a Thomas-Fermi length.
#[test]
fn the_capacitance_of_the_empty_cell_is_the_charge_of_one_volt() {
    let with = |terms: External, thomas_fermi: [f64; 2]| {
        let mut c = capacitor(converged(), terms);
        for (electrode, thomas_fermi) in electrodes(&mut c).electrodes.iter_mut().zip(thomas_fermi) {
            electrode.thomas_fermi = thomas_fermi;
        }
        c
    };
    let slab = |volts: f64| external(true, 20.0, [0.1, 0.1 + volts]);
    let finite_field = |volts: f64| external(false, -volts / HEIGHT * VOLT, [0.0, volts]);
    let ideal = VOLT * 1.2 * 1.2 / (4.0 * PI * COULOMB * GAP);
    let mut found = Vec::new();
    for (name, terms, is_finite_field) in
        [("slab", &slab as &dyn Fn(f64) -> External, false), ("finite field", &finite_field, true)]
    {
        for thomas_fermi in [[0.0, 0.0], [25.0, 400.0]] {
            let upper = |volts: f64| {
                let (charges, _) = solve(&with(terms(volts), thomas_fermi));
                charges[PER_LAYER..2 * PER_LAYER].iter().sum::<f64>()
            };
            let (by_volt, capacitance) =
                (upper(1.0) - upper(0.0), empty(&with(terms(0.7), thomas_fermi), is_finite_field));
            println!("{name}, {thomas_fermi:?}: {capacitance:.6} e/V, ideal plates {ideal:.6}");
            assert_relative(name, capacitance, by_volt, 1e-9);
            found.push(capacitance);
        }
    }
    // what must not pass: ideal plates, a metal for a Thomas-Fermi electrode, and a field that stays
    assert!((found[0] / ideal - 1.0).abs() > 0.01, "{} {ideal}", found[0]);
    assert!(found[1] < 0.99 * found[0] && found[3] < 0.99 * found[2], "{found:?}");
    let stays = empty(&with(finite_field(0.7), [0.0; 2]), false);
    assert!((stays / found[2] - 1.0).abs() > 0.1, "{stays} {found:?}");
    // given charges have another matrix, and the same capacitance
    let mut given = with(slab(0.0), [25.0, 400.0]);
    for (electrode, charge) in electrodes(&mut given).electrodes.iter_mut().zip([-0.1, 0.1]) {
        electrode.condition = Condition::Charge(charge);
    }
    assert_relative("given charges", empty(&given, false), found[1], 1e-8);
}

/// Two electrodes, or three with the upper layer divided, in a slab with a field.
fn cell(conditions: &[Condition]) -> Capacitor {
    let mut c = capacitor(converged(), external(true, 15.0, [0.0; 2]));
    let own = electrodes(&mut c);
    if conditions.len() == 3 {
        let [_, upper] = &own.electrodes[..] else { panic!("two layers") };
        let every_other = |k: usize| Electrode {
            name: format!("upper {k}"),
            atoms: upper.atoms.iter().copied().skip(k).step_by(2).collect(),
            ..upper.clone()
        };
        let halves = [every_other(0), every_other(1)];
        own.electrodes.truncate(1);
        own.electrodes.extend(halves);
    }
    for (electrode, condition) in own.electrodes.iter_mut().zip(conditions) {
        electrode.condition = *condition;
    }
    // the electrolyte is neutral
    let given = |e: &Electrode| if let Condition::Charge(charge) = e.condition { charge } else { 0.0 };
    let is_held = own.electrodes.iter().any(|e| matches!(e.condition, Condition::Potential(_)));
    own.balance = if is_held { -own.electrodes.iter().map(given).sum::<f64>() } else { 0.0 };
    c
}

fn volts(v: f64) -> Condition {
    Condition::Potential(v * VOLT)
}

#[test]
fn a_found_potential_when_held_gives_the_charge() {
    for given in [
        vec![volts(0.3), Condition::Charge(0.2)],
        vec![Condition::Charge(-0.25), Condition::Charge(0.25)],
        vec![Condition::Charge(0.1), volts(0.3), Condition::Charge(-0.3)],
        vec![volts(-0.4), Condition::Charge(0.2), Condition::Charge(-0.1)],
        vec![volts(-0.4), Condition::Charge(0.2), volts(0.9)],
    ] {
        let c = cell(&given);
        let (charges, energies) = solve(&c);
        let found = energies.electrode_potentials.map(|potential| potential / VOLT);
        let n = given.len();
        println!("{given:?}: {:?} V", &found[..n]);
        assert!(found[n..].iter().all(|v| *v == 0.0));
        for (condition, found) in given.iter().zip(found) {
            if let Condition::Potential(held) = condition {
                assert!((found - held / VOLT).abs() < 1e-12, "what is held is told as it is");
            }
        }
        let held = |by: f64| {
            let conditions: Vec<Condition> =
                found[..n].iter().enumerate().map(|(k, v)| volts(v + by * k as f64)).collect();
            solve(&cell(&conditions))
        };
        let (same, at_potentials) = held(0.0);
        assert!(charges.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-9));
        for (k, condition) in given.iter().enumerate() {
            if let Condition::Charge(charge) = condition {
                assert!((at_potentials.electrode_charges[k] - charge).abs() < 1e-9, "{k}: {charge}");
            }
        }
        // a hundredth of a volt is another charge
        let (_, other) = held(0.01);
        assert!((other.electrode_charges[n - 1] - energies.electrode_charges[n - 1]).abs() > 1e-4);
    }
    // two electrodes: what explicit images say of the atoms
    let mut c = cell(&[volts(0.3), Condition::Charge(0.2)]);
    c.system.external.field_z = 0.0;
    let (charges, energies) = solve(&c);
    let (spread, difference) = spread_and_difference(&potentials(&c, &charges, Boundary::SlabCorrected));
    let found = (energies.electrode_potentials[1] - energies.electrode_potentials[0]) / VOLT;
    println!("{found:.6} V, {difference:.6} V by images, spread over {spread:.1e} V");
    assert!(spread < 1e-6 && (found - difference).abs() < 1e-6, "{found} {difference}");
}

/// The fast backend in every width: the drive in single precision is off by some 1e-4 of 1e3 kJ/mol/e.
#[test]
fn potentials_match_the_twin() {
    let given = [volts(-0.4), Condition::Charge(0.2), Condition::Charge(-0.1)];
    let mut c = cell(&given);
    // no multiple of the lattice: pairs at the cutoff itself are in or out by rounding
    c.system.interactions.cutoff = 0.59;
    let (_, twin) = solve(&c);
    for level in SimdLevel::available() {
        let mut backend = CpuBackend::with_level(&c.system, Some(1), level).expect("runs");
        backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("a matrix");
        let list = backend.build_neighbors(0.75).expect("loaded");
        backend.set_neighbors(list).expect("the right kind");
        let energies = backend.evaluate().expect("finite").energies;
        let apart = energies.electrode_potentials.iter().zip(twin.electrode_potentials);
        let apart = apart.map(|(a, b)| (a - b).abs() / VOLT).fold(0.0, f64::max);
        println!("{level:?}: potentials within {apart:.1e} V");
        assert!(apart < 1e-5, "{level:?}: {apart:.1e} V");
    }
}
