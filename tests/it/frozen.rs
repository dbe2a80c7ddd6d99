//! Pressure with frozen atoms: what they do to each other is no part of it, in any backend.

use crate::support::capacitor::{Capacitor, N_ELECTRODE, capacitor, external};
use crate::support::systems::all_pairs;
use glam::DMat3;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::NeighborList;
use hexaqua::system::{Coulomb, External, State, Topology};
use std::sync::Arc;

fn mesh() -> Coulomb {
    Coulomb::Pme { beta: 6.5, grid: [32, 32, 112], order: 6 }
}

fn in_f64(c: &Capacitor) -> (Vec<f64>, Evaluation) {
    let mut backend = ReferenceBackend::new(&c.system).expect("runs");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("loads");
    let list = all_pairs(&c.system, &c.cell, &c.positions);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("loaded");
    (backend.charges().expect("loaded"), backend.evaluate().expect("finite"))
}

fn on_cpu(c: &Capacitor, level: SimdLevel) -> Evaluation {
    let mut backend = CpuBackend::with_level(&c.system, Some(2), level).expect("runs");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("loads");
    let list = backend.build_neighbors(0.75).expect("loaded");
    backend.set_neighbors(list).expect("the right kind");
    backend.evaluate().expect("finite")
}

/// Freezes the layers, the positive ion and one water.
fn freeze(c: &mut Capacitor) {
    let n = c.system.topology.n_atoms();
    c.system.topology.frozen[..=N_ELECTRODE].fill(true);
    c.system.topology.frozen[n - 3..].fill(true);
}

/// W of everything less W of the frozen atoms in a system of their own, with these charges, nothing frozen in either.
fn by_definition(c: &Capacitor, charges: &[f64]) -> (DMat3, DMat3) {
    let topology = &c.system.topology;
    let mut free = c.clone();
    free.system.external.electrodes = None;
    free.system.topology.charges = charges.to_vec();
    free.system.topology.frozen.fill(false);
    let mut alone = free.clone();
    let held = |m: &usize| topology.frozen[topology.atoms_of(*m).start];
    let kept: Vec<usize> = (0..topology.molecules.len()).filter(held).collect();
    let sequence: Vec<u32> = kept.iter().map(|&m| topology.molecules[m].species).collect();
    let atoms: Vec<usize> = kept.iter().flat_map(|&m| topology.atoms_of(m)).collect();
    alone.system.topology = Topology::new(topology.types.clone(), topology.species.clone(), &sequence);
    alone.system.topology.charges = atoms.iter().map(|&i| charges[i]).collect();
    alone.positions = atoms.iter().map(|&i| c.positions[i]).collect();
    let [all, own] = [free, alone].map(|c| in_f64(&c).1.virial);
    (all - own, all)
}

fn distance(a: DMat3, b: DMat3) -> f64 {
    let d = (a - b).to_cols_array();
    d.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

#[test]
fn forces_between_frozen_atoms_are_no_part_of_the_pressure() {
    let slab = || External { slab_correction: true, ..External::default() };
    let direct = Coulomb::Ewald { beta: 6.5, n_max: [11, 11, 40], n_sq_max: None };
    for (name, coulomb, terms, has_electrodes) in [
        ("fixed charges", mesh(), External::default(), false),
        ("slab of fixed charges", mesh(), slab(), false),
        ("direct sum", direct, slab(), false),
        ("reaction field", Coulomb::ReactionField { epsilon: 78.0 }, External::default(), false),
        ("electrodes", mesh(), external(true, 0.0, [-0.5, 0.5]), true),
        ("electrodes and a frozen ion", mesh(), external(true, 0.0, [-0.5, 0.5]), true),
    ] {
        let mut c = capacitor(coulomb, terms);
        c.system.interactions.cutoff = 0.59;
        freeze(&mut c);
        if name == "electrodes" {
            c.system.topology.frozen[N_ELECTRODE..].fill(false);
        }
        if !has_electrodes {
            // an oxide: strong charges of both signs
            for (k, q) in c.system.topology.charges[..N_ELECTRODE].iter_mut().enumerate() {
                *q = if (k + k / 4) % 2 == 0 { 0.8 } else { -0.8 };
            }
        }
        let (charges, twin) = in_f64(&c);
        let (expected, all) = by_definition(&c, &charges);
        let scale = expected.to_cols_array().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        println!(
            "{name}: {:.1e} of {scale:.1}, all forces {:.1}",
            distance(twin.virial, expected),
            distance(all, expected)
        );
        assert!(distance(twin.virial, expected) < 1e-9 * scale, "{name}: {} {expected}", twin.virial);
        // with what the frozen atoms do to each other it is another number
        assert!(distance(all, expected) > 1e-2 * scale, "{name}: {all} {expected}");
        for level in SimdLevel::available() {
            let cpu = on_cpu(&c, level);
            let error = distance(cpu.virial, twin.virial);
            println!("  {level:?}: {error:.1e}");
            // single precision of all forces, of which what is reported is a part
            let whole = distance(all, DMat3::ZERO).max(scale);
            assert!(error < 2e-5 * whole, "{name}, {level:?}: {error} of {whole}");
        }
    }
}
