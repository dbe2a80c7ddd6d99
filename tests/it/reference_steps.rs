//! Steps of the reference backend: conservation, constraints, pressure, bath, and what happens when it blows up.

use crate::support::compare::{assert_absolute, assert_relative, assert_scaled_trace, assert_tensor};
use crate::support::systems::{all_pairs, on_a_grid, skewed_cell, small_electrolyte, thermal_velocities, truncated};
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::forces::reference::integrate::{Integrator, Step};
use hexaqua::forces::reference::{ReferenceBackend, outer};
use hexaqua::forces::{Backend, Chunk, ForceError, LangevinStep};
use hexaqua::neighbor::{NeighborList, pairs::brute_force};
use hexaqua::system::{Coulomb, Interactions, LjModifier, State, System, Topology};
use hexaqua::units::BOLTZMANN;
use std::sync::Arc;

const CUTOFF: f64 = 0.70;
const LIST_RADIUS: f64 = 0.80;

/// Smooth at the cutoff, so that energy is conserved as well as the step allows.
fn smooth() -> Interactions {
    let coulomb = Coulomb::ReactionField { epsilon: f64::INFINITY };
    Interactions { lj_modifier: LjModifier::Switch { start: 0.55 }, ..truncated(CUTOFF, coulomb) }
}

fn chunk(first_step: u64, n_steps: u32) -> Chunk {
    Chunk { report: true, ..Chunk::new(first_step, n_steps, 0.002) }
}

/// A backend with the small electrolyte at `temperature`, relaxed by a cold Langevin run of 1 ps.
fn prepared(system: &System, temperature: f64) -> (ReferenceBackend, State) {
    let cell = skewed_cell();
    let integrator = Integrator::new(&system.topology);
    let mut state = State::at_rest(cell, on_a_grid(system, &cell, [4, 4, 3], 5));
    state.velocities = thermal_velocities(&system.topology, temperature, 9);
    integrator.project_velocities(&cell, &state.positions, &mut state.velocities);
    let mut backend = ReferenceBackend::new(system).unwrap();
    backend.load(&state).unwrap();
    let bath = LangevinStep { temperature, friction: 20.0, seed: 4 };
    for part in 0..100 {
        search(&mut backend, system, &mut state);
        let relax = Chunk { dt: 0.001, langevin: Some(bath), remove_com: true, ..chunk(10 * part, 10) };
        backend.advance(&relax).unwrap();
    }
    search(&mut backend, system, &mut state);
    (backend, state)
}

/// A new pair list; `state` receives the current configuration.
fn search(backend: &mut ReferenceBackend, system: &System, state: &mut State) {
    backend.store(state).unwrap();
    let list = brute_force(&state.positions, &state.cell, &system.topology, LIST_RADIUS);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).unwrap();
}

fn worst_bond_error(topology: &Topology, positions: &[DVec3]) -> f64 {
    let error = |i: usize, j: usize, length: f64| ((positions[i] - positions[j]).length() / length - 1.0).abs();
    topology
        .rigid_waters()
        .map(|(o, g)| error(o, o + 1, g.d_oh).max(error(o, o + 2, g.d_oh)).max(error(o + 1, o + 2, g.d_hh)))
        .fold(0.0, f64::max)
}

#[test]
fn energy_is_conserved_and_bonds_keep_their_length() {
    let system = small_electrolyte(smooth());
    let (mut backend, mut state) = prepared(&system, 300.0);
    // leap-frog energies fluctuate with dt²; a drift would not. Halving dt must divide the spread by about four.
    let mut spread = |dt: f64| {
        let mut energies = Vec::new();
        let start = state.clone();
        for part in 0..(0.2 / dt / 4.0) as u64 {
            search(&mut backend, &system, &mut state);
            let first = backend.advance(&Chunk { dt, ..chunk(4 * part, 4) }).unwrap().first.unwrap();
            energies.push(first.energies.total() + 0.5 * (first.kinetic_before + first.kinetic_after));
        }
        search(&mut backend, &system, &mut state);
        assert!(worst_bond_error(&system.topology, &state.positions) < 1e-13);
        backend.load(&start).unwrap();
        state = start;
        let mean = energies.iter().sum::<f64>() / energies.len() as f64;
        (energies.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / energies.len() as f64).sqrt()
    };
    let (coarse, fine, finest) = (spread(0.002), spread(0.001), spread(0.0005));
    println!("rms energy fluctuation: {coarse:.4} {fine:.4} {finest:.4} kJ/mol at 2, 1, 0.5 fs");
    assert!((3.0..5.5).contains(&(coarse / fine)) && (3.0..5.5).contains(&(fine / finest)));
}

#[test]
fn scaling_and_the_kick_account_for_the_kinetic_energy() {
    let system = small_electrolyte(smooth());
    let (mut backend, state) = prepared(&system, 300.0);
    let integrator = Integrator::new(&system.topology);
    let scaled = Chunk { velocity_scale: 1.1, remove_com: true, ..chunk(0, 1) };
    let report = backend.advance(&scaled).unwrap();
    let first = report.first.unwrap();
    let mut after = state.clone();
    backend.store(&mut after).unwrap();

    let mut before = state.velocities.clone();
    integrator.remove_com_velocity(&mut before);
    let momentum: DVec3 = before.iter().zip(&system.topology.masses).map(|(&v, &m)| m * v).sum();
    assert!(momentum.length() < 1e-10);
    assert_relative("before", first.kinetic_before, integrator.kinetic_energy(&before), 1e-12);
    assert_relative("after", first.kinetic_after, integrator.kinetic_energy(&after.velocities), 1e-12);
    assert_eq!(report.kinetic_end, first.kinetic_after);
    let kicks: Vec<DVec3> = after.velocities.iter().zip(&before).map(|(a, b)| *a - 1.1 * *b).collect();
    assert_relative("kick", first.kick, integrator.kinetic_energy(&kicks), 1e-12);
    assert_scaled_trace(&first, 1.1, 1e-12);
    // displacement is velocity times dt, constraints included
    for ((a, b), v) in after.positions.iter().zip(&state.positions).zip(&after.velocities) {
        assert!((*a - *b - 0.002 * *v).length() < 1e-13);
    }
}

/// Atoms and molecules have the same pressure. At every single step, with a tensor for each molecule,
/// 2 K + W (atoms, constraints included) − 2 K − W (centres of mass) = [G(n+½) − G(n−½)]/dt,
/// G = Σ m ½(r(n) + r(n±1)) ⊗ v(n±½) relative to the centre of mass: the difference is a total derivative, whose mean
/// over a run vanishes. Any error of the constraint virial shows at once.
#[test]
fn pressure_with_the_constraint_virial_is_the_molecular_pressure() {
    let system = small_electrolyte(smooth());
    let topology = &system.topology;
    let (mut backend, mut state) = prepared(&system, 300.0);
    let cell = state.cell;
    let integrator = Integrator::new(topology);
    // relative to the centre of mass, molecule by molecule
    let relative = |x: &[DVec3]| -> Vec<DVec3> {
        let mut out = x.to_vec();
        for m in 0..topology.molecules.len() {
            let atoms = topology.atoms_of(m);
            let mass: f64 = topology.masses[atoms.clone()].iter().sum();
            let com: DVec3 = atoms.clone().map(|i| topology.masses[i] * x[i]).sum::<DVec3>() / mass;
            atoms.for_each(|i| out[i] -= com);
        }
        out
    };
    let tensor = |weights: &[f64], a: &[DVec3], b: &[DVec3]| {
        (0..a.len()).fold(DMat3::ZERO, |sum, i| sum + outer(a[i], b[i]) * weights[i])
    };
    let ones = vec![1.0; topology.n_atoms()];
    let dt = 0.002;
    let mut previous: Option<DMat3> = None;
    let (mut sum, mut first_g, mut n) = (DMat3::ZERO, DMat3::ZERO, 0.0);
    for step in 0..50 {
        search(&mut backend, &system, &mut state);
        let start = state.clone();
        let forces = backend.evaluate().unwrap().forces;
        let first = backend.advance(&chunk(step, 1)).unwrap().first.unwrap();
        backend.store(&mut state).unwrap();

        let (r, v) = (relative(&start.positions), relative(&start.velocities));
        let (r_next, v_next) = (relative(&state.positions), relative(&state.velocities));
        let middle: Vec<DVec3> = r.iter().zip(&r_next).map(|(a, b)| 0.5 * (*a + *b)).collect();
        let g = tensor(&topology.masses, &middle, &v_next);
        // atoms minus molecules: kinetic energy about the centre of mass, Σ r_rel ⊗ F, constraint virial
        let internal = integrator.kinetic_tensor(&v) + integrator.kinetic_tensor(&v_next);
        let evaluated = backend_virial_without_constraints(&system, &cell, &start.positions);
        let constraint = first.virial - evaluated;
        let difference = internal + tensor(&ones, &r, &forces) + constraint;
        if let Some(g_before) = previous {
            assert_tensor("identity", difference, (g - g_before) * (1.0 / dt), 1e-8);
            sum += difference;
            n += 1.0;
        } else {
            first_g = g;
        }
        previous = Some(g);
    }
    let mean = sum * (1.0 / n);
    let telescoped = (previous.unwrap() - first_g) * (1.0 / (n * dt));
    assert_tensor("mean", mean, telescoped, 1e-8);
}

fn backend_virial_without_constraints(system: &System, cell: &Cell, positions: &[DVec3]) -> DMat3 {
    let backend = ReferenceBackend::new(system).unwrap();
    backend.evaluate_at(cell, positions, &all_pairs(system, cell, positions)).virial
}

/// The molecular virial, W − Σ r_rel ⊗ F, is the volume derivative of the energy when whole molecules are moved apart.
#[test]
fn molecular_virial_is_the_volume_derivative_under_molecular_scaling() {
    let cell = skewed_cell();
    let coulomb = Coulomb::Ewald { beta: 6.0, n_max: choose_n_max(&cell, 6.0, 1e-14), n_sq_max: None };
    for coulomb in [coulomb, smooth().coulomb] {
        let system = small_electrolyte(Interactions { coulomb, ..smooth() });
        let topology = &system.topology;
        let positions = on_a_grid(&system, &cell, [4, 4, 3], 13);
        let backend = ReferenceBackend::new(&system).unwrap();
        let evaluate = |cell: &Cell, x: &[DVec3]| backend.evaluate_at(cell, x, &all_pairs(&system, cell, x));
        let here = evaluate(&cell, &positions);
        let mut molecular = here.virial;
        let coms: Vec<DVec3> = (0..topology.molecules.len())
            .map(|m| {
                let atoms = topology.atoms_of(m);
                let com: DVec3 = atoms.clone().map(|i| topology.masses[i] * positions[i]).sum();
                let com = com / topology.masses[atoms.clone()].iter().sum::<f64>();
                for i in atoms {
                    molecular -= outer(positions[i] - com, here.forces[i]);
                }
                com
            })
            .collect();
        let trace = molecular.x_axis.x + molecular.y_axis.y + molecular.z_axis.z;
        let scaled = |factor: f64| {
            let v = cell.vectors() * factor;
            let x: Vec<DVec3> = (positions.iter().zip(&topology.molecule_of))
                .map(|(&r, &m)| r + (factor - 1.0) * coms[m as usize])
                .collect();
            evaluate(&Cell::new(v.x_axis, v.y_axis, v.z_axis).unwrap(), &x).energies.total()
        };
        // tr W = −dE/d(ln L)
        let h = 1e-5;
        let derivative = (scaled(1.0 + h) - scaled(1.0 - h)) / (2.0 * h);
        assert_relative("molecular virial", trace, -derivative, 1e-6);
    }
}

/// Ions only: kinetic energy 3/2 kT each. Water: 6 of 9 degrees of freedom are left. 4 standard errors.
#[test]
fn langevin_keeps_the_temperature_of_ions_and_rigid_water() {
    let system = small_electrolyte(smooth());
    let topology = &system.topology;
    let temperature = 300.0;
    let (mut backend, mut state) = prepared(&system, temperature);
    let bath = LangevinStep { temperature, friction: 10.0, seed: 77 };
    let (mut waters, mut ions) = (Vec::new(), Vec::new());
    for part in 0..800 {
        search(&mut backend, &system, &mut state);
        let settings = Chunk { langevin: Some(bath), ..chunk(1000 + 10 * part, 10) };
        backend.advance(&settings).unwrap();
        backend.store(&mut state).unwrap();
        let kinetic = |i: usize| 0.5 * topology.masses[i] * state.velocities[i].length_squared();
        ions.push((0..3).map(kinetic).sum::<f64>());
        waters.push((3..topology.n_atoms()).map(kinetic).sum::<f64>());
    }
    for (name, samples, freedoms) in [("ions", &ions, 9.0), ("waters", &waters, 6.0 * 37.0)] {
        let samples = &samples[50..];
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let expected = 0.5 * freedoms * BOLTZMANN * temperature;
        // samples are 0.02 ps apart; at a friction of 10/ps velocities forget in about 0.05 ps: 3 samples count as one
        let error = expected * (2.0 / freedoms).sqrt() * (6.0 / n).sqrt();
        println!("{name}: {mean:.2} against {expected:.2} ± {error:.2} kJ/mol");
        assert_absolute(name, mean, expected, 4.0 * error);
    }
}

/// Heating from 300 K to 500 K: the energy rises by the heat that the bath reports. The scheme loses track of a share
/// that goes as dt² (0.8 kJ/mol per ps at 2 fs in this box), hence the short step.
#[test]
fn the_heat_of_the_bath_accounts_for_the_energy() {
    let system = small_electrolyte(smooth());
    let (mut backend, mut state) = prepared(&system, 300.0);
    let bath = LangevinStep { temperature: 500.0, friction: 10.0, seed: 78 };
    let (mut heat, mut energies) = (0.0, Vec::new());
    for part in 0..200 {
        search(&mut backend, &system, &mut state);
        let settings = Chunk { dt: 0.0005, langevin: Some(bath), ..chunk(20 * part, 1) };
        // the bath acts within the step, after the kick: the energy before it goes with the heat before it
        let report = backend.advance(&settings).unwrap();
        let first = report.first.unwrap();
        let kinetic = 0.5 * (first.kinetic_before + first.kinetic_after - report.bath_heat);
        energies.push((first.energies.total() + kinetic, heat));
        heat += report.bath_heat;
        let rest = Chunk { first_step: settings.first_step + 1, n_steps: 19, ..settings };
        heat += backend.advance(&rest).unwrap().bath_heat;
    }
    let gained = energies[199].0 - energies[0].0;
    println!("gained {gained:.2} kJ/mol from {:.2} kJ/mol of heat", energies[199].1);
    assert!(gained > 100.0);
    assert_relative("energy gained", gained, energies[199].1, 1e-2);
}

#[test]
fn noise_depends_on_seed_step_and_atom_only() {
    let system = small_electrolyte(smooth());
    let (_, state) = prepared(&system, 300.0);
    let run = |seed: u64, lengths: &[u32]| {
        let mut backend = ReferenceBackend::new(&system).unwrap();
        let mut own = state.clone();
        backend.load(&own).unwrap();
        let mut step = 500;
        for &n_steps in lengths {
            search(&mut backend, &system, &mut own);
            let langevin = Some(LangevinStep { temperature: 300.0, friction: 1.0, seed });
            backend.advance(&Chunk { langevin, ..chunk(step, n_steps) }).unwrap();
            step += u64::from(n_steps);
        }
        backend.store(&mut own).unwrap();
        own.positions
    };
    // the list radius leaves room for eight steps, so the cut in two makes no difference beyond the order of a sum
    let (whole, cut, other) = (run(1, &[8]), run(1, &[3, 5]), run(2, &[8]));
    let distance = |a: &[DVec3], b: &[DVec3]| a.iter().zip(b).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert_eq!(whole, run(1, &[8]));
    assert!(distance(&whole, &cut) < 1e-12);
    assert!(distance(&whole, &other) > 1e-4);
}

#[test]
fn a_blow_up_names_step_atom_and_largest_term() {
    let system = small_electrolyte(smooth());
    let (mut backend, mut state) = prepared(&system, 300.0);
    // two oxygens on top of each other
    let (good, first, second) = (state.clone(), 3, 12);
    let shift = state.positions[first] - state.positions[second];
    (0..3).for_each(|k| state.positions[second + k] += shift);
    backend.load(&state).unwrap();
    search(&mut backend, &system, &mut state);
    let message = |e: ForceError| match e {
        ForceError::BlowUp { step, atom, detail } => (step, atom, detail),
        other => panic!("{other}"),
    };
    let (step, atom, detail) = message(backend.advance(&chunk(41, 5)).unwrap_err());
    assert_eq!((step, atom), (41, Some(first)));
    assert!(detail.contains("OW of SPC/E (molecule 4)") && detail.contains("term: lj ("), "{detail}");
    assert!(backend.evaluate().is_err());

    // and a step that goes too far; the configuration before it is kept
    backend.load(&good).unwrap();
    search(&mut backend, &system, &mut state);
    let strict = Chunk { max_displacement: 1e-4, ..chunk(50, 100) };
    let (step, atom, detail) = message(backend.advance(&strict).unwrap_err());
    assert!((50..60).contains(&step) && atom.is_some());
    assert!(detail.contains("(limit 0.0001 nm)") && detail.contains("largest force term"), "{detail}");
    assert!(detail.contains("the run has blown up") && detail.ends_with("reduce the time step or minimise longer"));
    let mut kept = good.clone();
    backend.store(&mut kept).unwrap();
    let moved = kept.positions.iter().zip(&good.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert!(moved <= 1e-4);

    // a step so long that water cannot be made rigid again: caught without any limit on the way
    backend.load(&good).unwrap();
    let (step, _, detail) = message(backend.advance(&Chunk { dt: 0.1, ..chunk(7, 1) }).unwrap_err());
    assert_eq!(step, 7);
    assert!(detail.contains("cannot be placed after the step"), "{detail}");
}

#[test]
fn forces_by_term_add_up_to_the_force() {
    let cell = skewed_cell();
    let pme = Coulomb::Pme { beta: 4.0, grid: [24, 24, 24], order: 5 };
    for coulomb in [pme, Coulomb::ReactionField { epsilon: 78.5 }, Coulomb::Cutoff] {
        let system = small_electrolyte(Interactions { coulomb, ..smooth() });
        let mut backend = ReferenceBackend::new(&system).unwrap();
        assert!(matches!(backend.evaluate(), Err(ForceError::NoNeighbors)));
        let mut state = State::at_rest(cell, on_a_grid(&system, &cell, [4, 4, 3], 5));
        backend.load(&state).unwrap();
        assert!(matches!(backend.evaluate(), Err(ForceError::NoNeighbors)));
        search(&mut backend, &system, &mut state);
        let forces = backend.evaluate().unwrap().forces;
        for atom in [0, 1, 3, 4, 60] {
            let sum: DVec3 = backend.forces_by_term(atom).unwrap().into_iter().map(|(_, f)| f).sum();
            assert!((sum - forces[atom]).length() < 1e-9 * forces[atom].length());
        }
    }
}

/// One step whose result can be computed in the head.
#[test]
fn one_step_of_two_ions_by_hand() {
    let topology = small_electrolyte(smooth()).topology;
    let topology = Topology::new(topology.types, topology.species, &[0, 1]);
    let integrator = Integrator::new(&topology);
    let cell = Cell::cubic(2.0).unwrap();
    let mut x = vec![DVec3::ZERO, DVec3::X];
    let mut v = vec![DVec3::new(0.1, 0.0, 0.0), DVec3::new(0.0, -0.2, 0.0)];
    let f = [DVec3::new(65.4, 0.0, 0.0), DVec3::new(0.0, 70.9, 0.0)];
    let step = Step { number: 0, dt: 0.01, velocity_scale: 0.5, langevin: None, piston_bath: None };
    let sums = integrator.step(&step, &cell, &f, &mut x, &mut v);
    // Zn: 0.05 + 0.01·1 = 0.06; Cl: −0.1 + 0.01·2 = −0.08
    assert!((v[0] - DVec3::new(0.06, 0.0, 0.0)).length() < 1e-15);
    assert!((v[1] - DVec3::new(0.0, -0.08, 0.0)).length() < 1e-15);
    assert!((x[0] - DVec3::new(0.0006, 0.0, 0.0)).length() < 1e-15);
    assert_relative("before", sums.kinetic_before, 0.5 * 65.4 * 0.01 + 0.5 * 35.45 * 0.04, 1e-12);
    assert_relative("kick", sums.kick, 0.5 * 65.4 * 1e-4 + 0.5 * 35.45 * 4e-4, 1e-12);
    assert_eq!((sums.constraint_virial, sums.bath_heat), (DMat3::ZERO, 0.0));
}
