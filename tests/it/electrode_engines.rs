//! Charges of electrodes and forces of the electrolyte against LAMMPS and OpenMM, on `validation/electrodes`.

use crate::support::compare::rms_error;
use crate::support::systems::EngineCase;
use glam::DVec3;
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::NeighborList;
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Coulomb, State, System};
use hexaqua::units::VOLT;
use std::sync::Arc;

const N_ELECTRODE: usize = 480;

/// Charges (e) and forces (kJ/mol/nm) of a recorded file.
fn recorded(name: &str) -> (Vec<f64>, Vec<DVec3>) {
    let path = crate::support::root().join("validation/electrodes").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rows = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    rows.map(|row| {
        let x: Vec<f64> = row.split(',').skip(1).map(|x| x.parse().expect("a number")).collect();
        (x[0], DVec3::new(x[1], x[2], x[3]))
    })
    .unzip()
}

/// The configuration that was recorded: no Lennard-Jones, both sheets held at ±0.5 V.
fn capacitor(slab_correction: bool, coulomb: Coulomb) -> (System, State) {
    let case = EngineCase::read("graphene_slab_ew3dc", |_, _| coulomb);
    let mut system = case.system;
    let n_types = system.topology.n_types();
    system.pair_table = PairTable::mixed(&vec![(0.0, 0.0); n_types], |_, _| Mixing::LorentzBerthelot);
    let sheet = |name: &str, first: u32, volts: f64| Electrode {
        name: name.into(),
        atoms: (first..first + 240).collect(),
        condition: Condition::Potential(volts * VOLT),
        gaussian_width: 0.0505,
        thomas_fermi: 0.0,
    };
    let electrodes = vec![sheet("lower", 0, -0.5), sheet("upper", 240, 0.5)];
    system.external.slab_correction = slab_correction;
    system.external.electrodes = Some(Electrodes { electrodes, balance: 0.0 });
    (system, State::at_rest(case.cell, case.positions))
}

fn evaluate(backend: &mut dyn Backend, state: &State, list: impl Fn() -> NeighborList) -> (Vec<f64>, Evaluation) {
    backend.load(state).expect("a matrix");
    backend.set_neighbors(list()).expect("the right kind");
    (backend.charges().expect("loaded").expect("electrodes"), backend.evaluate().expect("finite"))
}

/// Largest difference of a charge to the largest charge, and the error of the forces on the electrolyte.
fn errors(name: &str, found: &(Vec<f64>, Evaluation)) -> (f64, f64) {
    let (charges, forces) = recorded(name);
    let scale = charges[..N_ELECTRODE].iter().fold(0.0_f64, |m, q| m.max(q.abs()));
    let difference = found.0.iter().zip(&charges).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    (difference / scale, rms_error(&found.1.forces[N_ELECTRODE..], &forces[N_ELECTRODE..]))
}

#[test]
fn lammps_and_openmm_give_the_same_charges() {
    for (name, slab) in [("lammps_slab.csv", true), ("openmm_periodic.csv", false)] {
        let (system, state) = capacitor(slab, Coulomb::Pme { beta: 4.0, grid: [60, 64, 288], order: 8 });
        let list = || {
            let pairs = linked_cells(&state.positions, &state.cell, &system.topology, system.interactions.cutoff);
            NeighborList::Pairs(Arc::new(pairs))
        };
        let mut reference = ReferenceBackend::new(&system).expect("runs");
        let exact = evaluate(&mut reference, &state, list);
        let (charges, forces) = errors(name, &exact);
        println!("{name}, reference: charges {charges:.1e}, forces {forces:.1e}");
        assert!(charges < 1e-5 && forces < 5e-6, "{name}, reference: {charges:.1e}, {forces:.1e}");

        let (system, state) = capacitor(slab, Coulomb::Pme { beta: 4.0, grid: [48, 50, 240], order: 6 });
        let mut cpu = CpuBackend::new(&system, Some(2)).expect("runs");
        cpu.load(&state).expect("a matrix");
        let built = cpu.build_neighbors(1.02).expect("loaded");
        let fast = evaluate(&mut cpu, &state, || built.clone());
        let (charges, forces) = errors(name, &fast);
        println!("{name}, cpu: charges {charges:.1e}, forces {forces:.1e}");
        assert!(charges < 1e-3 && forces < 1e-5, "{name}, cpu: {charges:.1e}, {forces:.1e}");
        // the other boundary is another capacitor
        let other = if slab { "openmm_periodic.csv" } else { "lammps_slab.csv" };
        let (charges, forces) = errors(other, &fast);
        assert!(charges > 1e-3 && forces > 1e-5, "{name} against {other}: {charges:.1e}, {forces:.1e}");
    }
}
