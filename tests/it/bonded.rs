//! Bonded terms, virtual sites, constraints, restraints and frozen atoms: `cpu` against its f64 twin, and the physics of both.

use crate::support::compare::{assert_absolute, assert_forces, assert_relative, assert_tensor, rms_error};
use crate::support::molecules::chains_in_water;
use crate::support::systems::{EngineCase, all_pairs, thermal_velocities, truncated};
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::dynamics::minimise::{MinimisePlan, minimise};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::forces::reference::pme::choose_grid;
use hexaqua::forces::reference::{ReferenceBackend, outer};
use hexaqua::forces::{Backend, Chunk, Evaluation, LangevinStep};
use hexaqua::neighbor::half::HalfList;
use hexaqua::neighbor::{NeighborList, pairs::linked_cells};
use hexaqua::system::spec::ConstraintsSpec;
use hexaqua::system::{Coulomb, Interactions, LjModifier, PositionRestraint, State, System, Topology};
use std::sync::Arc;

const CUTOFF: f64 = 0.70;

fn smooth() -> Interactions {
    let coulomb = Coulomb::ReactionField { epsilon: f64::INFINITY };
    Interactions { lj_modifier: LjModifier::Switch { start: 0.55 }, ..truncated(CUTOFF, coulomb) }
}

/// The molecular box with the bonds of its chains constrained.
fn constrained(which: ConstraintsSpec) -> (System, Cell, Vec<DVec3>) {
    let (mut system, cell, positions) = chains_in_water(smooth());
    let mut species = system.topology.species.clone();
    species.iter_mut().for_each(|s| s.constrain_bonds(which).expect("flexible bonds between atoms"));
    let sequence: Vec<u32> = system.topology.molecules.iter().map(|m| m.species).collect();
    system.topology = Topology::new(system.topology.types.clone(), species, &sequence);
    (system, cell, positions)
}

/// A backend of either kind with its list.
fn load(system: &System, state: &State, cpu: bool) -> Box<dyn Backend> {
    let radius = 0.82;
    let mut backend: Box<dyn Backend> = match cpu {
        true => Box::new(CpuBackend::new(system, Some(2)).expect("a valid system")),
        false => Box::new(ReferenceBackend::new(system).expect("a valid system")),
    };
    backend.load(state).expect("loads");
    let list = match cpu {
        true => NeighborList::HalfClusters(Arc::new(HalfList::build(system, &state.positions, &state.cell, radius))),
        false => NeighborList::Pairs(Arc::new(linked_cells(&state.positions, &state.cell, &system.topology, radius))),
    };
    backend.set_neighbors(list).expect("the right kind");
    backend
}

/// Minimised, with velocities of 300 K.
fn relaxed(which: ConstraintsSpec) -> (System, State) {
    let (system, cell, positions) = constrained(which);
    let mut state = State::at_rest(cell, positions);
    let mut backend = ReferenceBackend::new(&system).expect("a valid system");
    let plan = MinimisePlan { max_force: 300.0, max_steps: 600, list_radius: 0.8 };
    minimise(&system, &mut backend, &mut state, &plan, |_, _, _| {}).expect("it can be minimised");
    let integrator = Integrator::new(&system.topology);
    state.velocities = thermal_velocities_of_massive(&system.topology);
    integrator.project_velocities(&state.cell, &state.positions, &mut state.velocities);
    (system, state)
}

fn thermal_velocities_of_massive(topology: &Topology) -> Vec<DVec3> {
    let thermal = thermal_velocities(topology, 300.0, 3);
    thermal.into_iter().zip(&topology.masses).map(|(v, &m)| if m > 0.0 { v } else { DVec3::ZERO }).collect()
}

fn evaluate(system: &System, cell: &Cell, positions: &[DVec3]) -> Evaluation {
    let backend = ReferenceBackend::new(system).expect("a valid system");
    backend.evaluate_at(cell, positions, &all_pairs(system, cell, positions))
}

fn largest_violation(topology: &Topology, positions: &[DVec3]) -> f64 {
    let mut largest = 0.0_f64;
    for m in &topology.molecules {
        let first = m.first_atom;
        for c in &topology.species[m.species as usize].constraints {
            let [i, j] = c.atoms.map(|a| (first + a) as usize);
            largest = largest.max(((positions[i] - positions[j]).length() / c.length - 1.0).abs());
        }
    }
    largest
}

#[test]
fn every_term_matches_the_twin() {
    let (system, cell, positions) = chains_in_water(smooth());
    let state = State::at_rest(cell, positions);
    let twin = load(&system, &state, false).evaluate().expect("finite");
    let cpu = load(&system, &state, true).evaluate().expect("finite");
    let names: Vec<&str> = twin.energies.terms().iter().map(|t| t.0).collect();
    for term in ["bond", "angle", "urey_bradley", "dihedral", "improper", "lj_14", "coulomb_14"] {
        assert!(names.contains(&term), "the box has a {term}");
    }
    for ((name, a), (_, b)) in cpu.energies.terms().into_iter().zip(twin.energies.terms()) {
        // bonded terms are f64 on both sides; pairs are f32, and the sum of all is what their rounding is small against
        let tolerance = if ["lj", "coulomb_real"].contains(&name) { 5e-6 * twin.energies.total().abs() } else { 1e-9 };
        assert_absolute(name, a, b, tolerance);
    }
    assert_forces("forces", &cpu.forces, &twin.forces, 3e-6);
    assert_tensor("virial", cpu.virial, twin.virial, 1e-5);
    // sites carry no force, and the negative control: one percent of one of the small terms must show
    let massless = (0..state.n_atoms()).filter(|&i| system.topology.masses[i] == 0.0);
    assert!(massless.clone().count() == 48 && massless.clone().all(|i| cpu.forces[i] == DVec3::ZERO));
    let mut edited = system.clone();
    edited.topology.species[0].bonded.dihedrals[0].k *= 1.01;
    let wrong = load(&edited, &state, true).evaluate().expect("finite");
    let dihedral = |e: &Evaluation| e.energies.dihedral.expect("there are dihedrals");
    assert!((dihedral(&wrong) - dihedral(&twin)).abs() > 1e-9);
    let mut edited = system.clone();
    edited.topology.species[0].virtual_sites[0].c *= 1.01;
    let wrong = load(&edited, &state, true).evaluate().expect("finite");
    assert!(rms_error(&wrong.forces, &twin.forces) > 3e-6, "a site that is slightly misplaced must show");
}

/// Forces are −dU/dr with sites following their parents, and the virial is −dU/d(strain), site terms included.
#[test]
fn forces_and_virial_are_derivatives_of_the_energy() {
    let (system, cell, positions) = chains_in_water(smooth());
    let here = evaluate(&system, &cell, &positions);
    let total = |cell: &Cell, x: &[DVec3]| evaluate(&system, cell, x).energies.total();
    for atom in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
        let at = |h: f64| {
            let mut x = positions.clone();
            x[atom].y += h;
            total(&cell, &x)
        };
        let numeric = -(at(1e-6) - at(-1e-6)) / 2e-6;
        assert_absolute("force", here.forces[atom].y, numeric, 1e-6 * numeric.abs().max(1000.0));
    }
    let trace = here.virial.x_axis.x + here.virial.y_axis.y + here.virial.z_axis.z;
    let at = |h: f64| {
        let v = cell.vectors() * (1.0 + h);
        let x: Vec<DVec3> = positions.iter().map(|r| *r * (1.0 + h)).collect();
        total(&Cell::new(v.x_axis, v.y_axis, v.z_axis).unwrap(), &x)
    };
    assert_relative("virial", trace, -(at(1e-6) - at(-1e-6)) / 2e-6, 1e-6);
}

#[test]
fn engines_are_reproduced_in_single_precision() {
    for name in ["znotf2_3k", "tip4p2005_500"] {
        let fine = |cell: &Cell, beta| Coulomb::Pme { beta, grid: choose_grid(cell, 0.05), order: 6 };
        let case = EngineCase::read(name, fine);
        let mut backend = CpuBackend::new(&case.system, Some(2)).expect("a valid system");
        backend.load(&State::at_rest(case.cell, case.positions.clone())).expect("loads");
        let list = backend.build_neighbors(1.02).expect("loaded");
        backend.set_neighbors(list).expect("the right kind");
        let cpu = backend.evaluate().expect("finite");
        let total = case.number("gromacs_double_potential_without_dispcorr", "Potential");
        println!(
            "{name}: total {:.1e}, forces {:.1e}",
            cpu.energies.total() / total - 1.0,
            rms_error(&cpu.forces, &case.forces)
        );
        assert_relative(name, cpu.energies.total(), total, 5e-6);
        assert_forces(name, &cpu.forces, &case.forces, 2e-5);
    }
}

#[test]
fn trajectories_follow_the_reference() {
    let bath = LangevinStep { temperature: 300.0, friction: 2.0, seed: 11 };
    for which in [ConstraintsSpec::RigidWater, ConstraintsSpec::HBonds, ConstraintsSpec::AllBonds] {
        let (mut system, mut state) = relaxed(which);
        // two atoms are held, one molecule of water and one chain are frozen
        system.restraints = vec![
            PositionRestraint {
                atom: 45,
                reference: state.positions[45] + 0.02 * DVec3::X,
                k: DVec3::new(2e3, 1e3, 0.0),
            },
            PositionRestraint { atom: 8, reference: state.positions[8], k: DVec3::splat(5e3) },
        ];
        for m in [2, 6] {
            system.topology.atoms_of(m).for_each(|i| system.topology.frozen[i] = true);
        }
        Integrator::new(&system.topology).stop_immobile(&mut state.velocities);
        for langevin in [None, Some(bath)] {
            let settings = Chunk {
                langevin,
                remove_com: true,
                velocity_scale: 1.01,
                report: true,
                max_displacement: 0.3,
                ..Chunk::new(0, 20, 0.001)
            };
            let run = |cpu: bool| {
                let mut backend = load(&system, &state, cpu);
                let report = backend.advance(&settings).expect("stable");
                let mut end = state.clone();
                backend.store(&mut end).expect("loaded");
                (report, end)
            };
            let ((a, end_a), (b, end_b)) = (run(true), run(false));
            let far = end_a.positions.iter().zip(&end_b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
            let moved =
                end_b.positions.iter().zip(&state.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
            println!("{which:?}, {}: {far:.1e} of {moved:.3} nm", langevin.is_some());
            assert!(moved > 0.005 && far < 2e-6, "{which:?}: {far:.1e} nm after 20 steps");
            assert!(largest_violation(&system.topology, &end_a.positions) < 1e-10);
            for m in [2, 6] {
                for i in system.topology.atoms_of(m) {
                    assert_eq!(end_a.positions[i], state.positions[i], "{which:?}: frozen atom {i} on cpu");
                    assert_eq!(end_b.positions[i], state.positions[i], "{which:?}: frozen atom {i} on reference");
                }
            }
            assert_relative("kinetic_end", a.kinetic_end, b.kinetic_end, 2e-5);
            assert_absolute("bath_heat", a.bath_heat, b.bath_heat, 2e-5 * b.kinetic_end);
            let (a, b) = (a.first.expect("reported"), b.first.expect("reported"));
            assert!(b.energies.restraint.is_some_and(|u| u > 0.0));
            assert_absolute("restraint", a.energies.restraint.unwrap(), b.energies.restraint.unwrap(), 1e-9);
            assert_relative("kinetic_after", a.kinetic_after, b.kinetic_after, 1e-6);
            assert_tensor("virial", a.virial, b.virial, 1e-4);
            assert_tensor("kinetic tensor", a.kinetic_tensor, b.kinetic_tensor, 1e-6);
        }
    }
}

/// At every single step, with a tensor for each molecule, what atoms have more than centres of mass is a total
/// derivative: internal 2 K + Σ r_rel ⊗ F + W_constraints = [G(n+½) − G(n−½)]/dt, G = Σ m ½(r(n) + r(n±1)) ⊗ v(n±½).
/// An error of the constraint virial, or of the forces of sites, shows at once.
#[test]
fn pressure_with_constraints_is_the_molecular_pressure() {
    for which in [ConstraintsSpec::RigidWater, ConstraintsSpec::HBonds, ConstraintsSpec::AllBonds] {
        let (system, mut state) = relaxed(which);
        let topology = &system.topology;
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
        let integrator = Integrator::new(topology);
        let dt = 0.001;
        let mut previous: Option<DMat3> = None;
        for step in 0..12 {
            let start = state.clone();
            let mut backend = load(&system, &state, false);
            let here = backend.evaluate().expect("finite");
            let chunk = Chunk { report: true, ..Chunk::new(step, 1, dt) };
            let first = backend.advance(&chunk).expect("stable").first.expect("reported");
            backend.store(&mut state).expect("loaded");
            let (r, v) = (relative(&start.positions), relative(&start.velocities));
            let (r_next, v_next) = (relative(&state.positions), relative(&state.velocities));
            let middle: Vec<DVec3> = r.iter().zip(&r_next).map(|(a, b)| 0.5 * (*a + *b)).collect();
            let g = tensor(&topology.masses, &middle, &v_next);
            let internal = integrator.kinetic_tensor(&v) + integrator.kinetic_tensor(&v_next);
            let constraint = first.virial - here.virial;
            if which != ConstraintsSpec::RigidWater {
                assert!(constraint.x_axis.x.abs() > 1.0, "constraints pull");
            }
            // bonded forces inside a molecule, flexible ones too, are part of Σ r_rel ⊗ F
            let difference = internal + tensor(&ones, &r, &here.forces) + constraint;
            if let Some(before) = previous {
                assert_tensor("identity", difference, (g - before) * (1.0 / dt), 1e-8);
            }
            previous = Some(g);
        }
        assert!(largest_violation(topology, &state.positions) < 1e-11);
    }
}

/// Leap-frog energies fluctuate with dt²: halving the step divides the spread by about four, with constraints as well.
#[test]
fn energy_fluctuates_with_the_square_of_the_step() {
    for which in [ConstraintsSpec::RigidWater, ConstraintsSpec::AllBonds] {
        let (system, state) = relaxed(which);
        let spread = |dt: f64| {
            let mut state = state.clone();
            let mut energies = Vec::new();
            for part in 0..(0.1 / dt / 4.0) as u64 {
                let mut backend = load(&system, &state, false);
                let chunk = Chunk { report: true, ..Chunk::new(4 * part, 4, dt) };
                let first = backend.advance(&chunk).expect("stable").first.expect("reported");
                backend.store(&mut state).expect("loaded");
                energies.push(first.energies.total() + 0.5 * (first.kinetic_before + first.kinetic_after));
            }
            let mean = energies.iter().sum::<f64>() / energies.len() as f64;
            (energies.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / energies.len() as f64).sqrt()
        };
        let (coarse, fine) = (spread(0.001), spread(0.0005));
        println!("{which:?}: rms energy fluctuation {coarse:.4} {fine:.4} kJ/mol at 1 and 0.5 fs");
        assert!((2.5..6.0).contains(&(coarse / fine)), "{which:?}: {coarse} {fine}");
    }
}

#[test]
fn degrees_of_freedom_count_what_moves() {
    let (mut system, _, _) = constrained(ConstraintsSpec::AllBonds);
    // 8 chains of 6 massive atoms and 5 bonds, 40 rigid waters
    let topology = &mut system.topology;
    assert_eq!(topology.degrees_of_freedom(3), 8 * (18 - 5) + 40 * 6 - 3);
    for m in [0, 1] {
        topology.atoms_of(m).for_each(|i| topology.frozen[i] = true);
    }
    assert_eq!(topology.degrees_of_freedom(0), 7 * 13 + 39 * 6);
}
