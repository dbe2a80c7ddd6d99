//! The half list on the device: its kernel in both variants, wide sums, pruning; against f64, and against the full list.

use crate::support::gpu::{both_with, edited, half, load, oracle, rounded, selector, with_options};
use crate::support::systems::{EngineCase, HW, electrolyte, ion, thermal_velocities, truncated};
use crate::twins_gpu::{REAL_ONLY, accept_and_reject, judge, lattice, magnitudes, pair_system, sequence, triclinic};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::dynamics::neighbors;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::gpu::{GpuBackend, GpuOptions, PairKernel};
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::forces::{Backend, Batch, Chunk, ForceError, PRUNE_INTERVAL, Wanted};
use hexaqua::neighbor::packed::PackedList;
use hexaqua::neighbor::pairs::brute_force;
use hexaqua::neighbor::{NeighborList, clusters::CLUSTER};
use hexaqua::system::{Coulomb, LjModifier, State, System, Topology};
use std::sync::Arc;

/// What rounding to units of 2⁻¹² kJ/mol/nm may add to a force: half a unit in each of at most 64 contributions, in three
/// components.
const UNITS: f64 = 64.0 * 0.5 / 4096.0 * 1.7320508;

fn compare(system: &System, state: &State, shaders: &Shaders, options: GpuOptions) -> Option<Result<(), String>> {
    let radius = system.interactions.cutoff + 0.1;
    let (a, b) = both_with(system, state, radius, shaders, options)?;
    Some(judge(&a, &b, &magnitudes(system, &rounded(state)), UNITS))
}

#[test]
fn both_variants_match_their_twin() {
    let state = lattice(&sequence(52), &triclinic(), 1);
    let system = pair_system(52, LjModifier::PotentialShift, REAL_ONLY);
    accept_and_reject(
        |shaders| compare(&system, &state, shaders, half(true)),
        &[
            ("nb_half", "subgroupShuffleXor(xyz, 4u)", "subgroupShuffleXor(xyz, 2u)"),
            ("nb_half", "f_j = f_j - f;", "f_j = f_j - 1.001 * f;"),
            ("part/fixed_force", "FORCE_SCALE: f32 = 4096.0", "FORCE_SCALE: f32 = 4097.0"),
            ("part/fixed_force", "select(0u, 1u, words.x == 0u)", "1u"),
        ],
    );
    accept_and_reject(
        |shaders| compare(&system, &state, shaders, half(false)),
        &[
            ("nb_half", "(a + b) + (c + d)", "(a + b) + (c + c)"),
            ("nb_half", "i_lane >= j_lane", "i_lane + 1u >= j_lane"),
            ("nb_half", "exclusion * 32u + local % 32u", "exclusion * 32u"),
            ("part/add_force", "select(0u, 1u, before + words.x < before)", "0u"),
        ],
    );
}

#[test]
fn pathological_configurations() {
    let check = |name: &str, system: &System, state: &State| {
        for subgroups in [true, false] {
            if let Some(outcome) = compare(system, state, &Shaders::embedded(), half(subgroups)) {
                outcome.unwrap_or_else(|why| panic!("{name}: {why}"));
            }
        }
    };
    let cube = Cell::cubic(1.9).expect("valid");
    // 33 atoms: one past four clusters; a slab with vacuum
    check("33 atoms", &pair_system(10, LjModifier::None, REAL_ONLY), &lattice(&sequence(10), &cube, 2));
    let mut slab = lattice(&sequence(40), &cube, 3);
    slab.cell = Cell::orthorhombic(1.9, 1.9, 8.0).expect("valid");
    check("slab", &pair_system(40, LjModifier::None, REAL_ONLY), &slab);
    let one = electrolyte(&[0], truncated(0.85, REAL_ONLY));
    check("one atom", &one, &State::at_rest(cube, vec![DVec3::new(-0.3, 5.0, 0.4)]));
    // an excluded pair beyond the cutoff still gives back its part of the reciprocal sum
    let mut stretched = electrolyte(&[2], truncated(0.3, REAL_ONLY));
    stretched.topology.species[2].rigid_water = None;
    let positions = vec![DVec3::splat(0.2), DVec3::new(0.9, 0.2, 0.2), DVec3::new(0.2, -0.6, 0.2)];
    check("excluded pair beyond the cutoff", &stretched, &State::at_rest(cube, positions));
}

fn mesh(_: &Cell, _: f64) -> Coulomb {
    Coulomb::Pme { beta: 3.47, grid: [20; 3], order: 5 }
}

/// 216 waters whose geometry and velocities satisfy the constraints.
fn water() -> (System, State) {
    let case = EngineCase::read("spce_216", mesh);
    let integrator = Integrator::new(&case.system.topology);
    let mut state = State::at_rest(case.cell, case.positions.clone());
    state.velocities = thermal_velocities(&case.system.topology, 300.0, 5);
    integrator.constrain_positions(&case.cell, &mut state.positions);
    integrator.project_velocities(&case.cell, &state.positions, &mut state.velocities);
    (case.system, rounded(&state))
}

fn chunk(first_step: u64, n_steps: u32) -> Chunk {
    Chunk { report: true, max_displacement: 0.3, ..Chunk::new(first_step, n_steps, 0.002) }
}

/// A backend that has taken 20 steps, and where it is then.
fn run(system: &System, start: &State, options: GpuOptions, inner: Option<f64>) -> Option<(GpuBackend, State)> {
    let mut gpu = with_options(system, &Shaders::embedded(), options)?;
    gpu.prune_to(inner);
    load(&mut gpu, system, start, 1.05);
    gpu.advance(&chunk(0, 20)).expect("steps");
    let mut end = start.clone();
    gpu.store(&mut end).expect("stores");
    Some((gpu, end))
}

fn largest_distance(a: &State, b: &State) -> f64 {
    a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max)
}

/// Trajectories follow the reference, repeat bit for bit, and do not depend on pruning.
#[test]
fn trajectories_follow_the_reference_and_repeat() {
    let (system, start) = water();
    let mut ends = Vec::new();
    for subgroups in [true, false] {
        let Some((gpu, end)) = run(&system, &start, half(subgroups), None) else { return };
        assert_eq!(gpu.n_repeated(), 0, "water needs no wide sums");
        let (_, again) = run(&system, &start, half(subgroups), None).expect("a device");
        assert_eq!(end, again, "the same bits twice");
        let (_, pruned) = run(&system, &start, half(subgroups), Some(1.0)).expect("a device");
        // no atom moves half of the 0.1 nm within the 8 steps until its pairs are looked at again
        assert_eq!(end, pruned, "pairs beyond the cutoff add nothing");
        ends.push(end);
    }
    let mut reference = oracle(&system, &start, 1.05);
    reference.advance(&chunk(0, 20)).expect("steps");
    let mut end = start.clone();
    reference.store(&mut end).expect("stores");
    let full = GpuOptions { pairs: Some(PairKernel::Full), ..half(false) };
    let (_, full) = run(&system, &start, full, None).expect("a device");
    let distances = [largest_distance(&ends[0], &end), largest_distance(&full, &end)];
    println!("after 20 steps: half list {:.1e} nm, full list {:.1e} nm from the reference", distances[0], distances[1]);
    assert!(distances[0] < 2e-6, "{distances:?}");
    // steps without sums have a shorter path for pairs of which none is excluded
    let nearer = edited("nb_half", "r_sq_$o < r_cut_sq", "r_sq_$o < 0.9 * r_cut_sq");
    let mut gpu = with_options(&system, &nearer, half(true)).expect("a device");
    load(&mut gpu, &system, &start, 1.05);
    gpu.advance(&chunk(0, 20)).expect("steps");
    let mut astray = start.clone();
    gpu.store(&mut astray).expect("stores");
    assert!(largest_distance(&astray, &end) > 1e-5, "a wrong cutoff is seen");
    let variants = largest_distance(&ends[0], &ends[1]);
    println!("subgroups or not: {variants:.1e} nm");
    assert!(variants < 1e-6);
}

/// Bare charges without Lennard-Jones.
fn charges(n: usize) -> System {
    let mut system = electrolyte(&[0], truncated(0.5, Coulomb::Cutoff));
    let species = vec![ion("q", "H", HW, 1.0, 10.0)];
    system.topology = Topology::new(system.topology.types.clone(), species, &vec![0; n]);
    system
}

/// Two colliding pairs on one atom, whose sum says nothing: both contributions leave the range of one word, and cancel.
#[test]
fn colliding_pairs_are_noticed_and_repeated_with_wide_sums() {
    let system = charges(3);
    let at = |x: f64| DVec3::new(1.0 + x, 1.0, 1.0);
    let cell = Cell::cubic(2.0).expect("valid");
    let tiny = |k: u64| Chunk { dt: 1e-5, max_displacement: 0.5, ..chunk(k, 1) };
    for (spread, repeats) in [([-0.01, 0.0, 0.01], true), ([-0.01, 0.0, 0.011], true), ([-0.2, 0.0, 0.2], false)] {
        let start = rounded(&State::at_rest(cell, spread.map(at).to_vec()));
        for subgroups in [true, false] {
            let Some(mut gpu) = with_options(&system, &Shaders::embedded(), half(subgroups)) else { return };
            load(&mut gpu, &system, &start, 0.6);
            let mut reference = oracle(&system, &start, 0.6);
            let (f, g) = (gpu.evaluate().expect("wide sums hold it"), reference.evaluate().expect("evaluates"));
            for (x, y) in f.forces.iter().zip(&g.forces) {
                assert!((*x - *y).length() < 1e-6 * 2.0 * 138.9 / 1e-4 + UNITS, "{x} {y}");
            }
            // two batches in flight: what was queued behind the one that overflowed is repeated too
            for k in 0..2 {
                let batch = Batch { chunks: vec![tiny(k)], wanted: Wanted::State, charges: false };
                gpu.enqueue(batch).expect("queues");
                reference.advance(&tiny(k)).expect("steps");
            }
            let (mut x, mut y) = (start.clone(), start.clone());
            gpu.collect(&mut x).expect("repeats");
            gpu.collect(&mut x).expect("repeats");
            reference.store(&mut y).expect("stores");
            assert_eq!(gpu.n_repeated() > 0, repeats, "{spread:?}: {}", gpu.n_repeated());
            for (v, w) in x.velocities.iter().zip(&y.velocities) {
                assert!((*v - *w).length() < 1e-5 * w.length() + 1e-6, "{v} {w}");
            }
            assert!(largest_distance(&x, &y) < 1e-8);
        }
    }
}

#[test]
fn a_force_that_is_not_a_number_is_an_error() {
    let mut system = charges(3);
    system.topology.charges[1] = f64::NAN;
    let positions = [0.8, 1.0, 1.3].map(|x| DVec3::new(x, 1.0, 1.0)).to_vec();
    let start = State::at_rest(Cell::cubic(2.0).expect("valid"), positions);
    for subgroups in [true, false] {
        let Some(mut gpu) = with_options(&system, &Shaders::embedded(), half(subgroups)) else { return };
        load(&mut gpu, &system, &start, 0.6);
        assert!(matches!(gpu.evaluate(), Err(ForceError::BlowUp { .. })));
        assert!(matches!(gpu.advance(&chunk(0, 3)), Err(ForceError::BlowUp { step: 0, .. })));
    }
}

/// Pairs (i, j) of atoms that the masks let the kernel look at.
fn listed(list: &PackedList, masks: &[[u32; 2]]) -> std::collections::HashSet<(u32, u32)> {
    let mut pairs = std::collections::HashSet::new();
    for row in &list.rows {
        for e in (row.first..row.end).map(|e| e as usize) {
            for place in 0..64 {
                let (h, bit) = (place / 32, place % 32);
                if masks[e][h] >> bit & 1 == 1 {
                    for lanes in 0..32 {
                        let i = (row.super_cluster as usize * 8 + bit % 8) * CLUSTER + lanes % 8;
                        let j = list.entries[e].j[bit / 8] as usize * CLUSTER + 4 * h + lanes / 8;
                        let (a, b) = (list.clusters.order[i], list.clusters.order[j]);
                        pairs.insert((a.min(b), a.max(b)));
                    }
                }
            }
        }
    }
    pairs
}

/// Masks follow their twin when a list is new; while it lives no pair inside the cutoff is lost, and far pairs are.
fn follow_pruning(shaders: &Shaders) -> Option<Result<(), String>> {
    let (system, mut state) = water();
    let (outer, inner) = (1.1, 0.93);
    let cutoff = system.interactions.cutoff;
    let mut gpu = with_options(&system, shaders, half(true))?;
    gpu.prune_to(Some(inner));
    gpu.load(&state).expect("fits");
    let list = Arc::new(PackedList::build(&state.positions, &state.cell, &system.topology, outer));
    gpu.set_neighbors(NeighborList::Packed(list.clone())).expect("fits");
    let masks = |gpu: &GpuBackend| gpu.read_back_masks().expect("reads").expect("a half list");
    let fewer = list.pruned(&state.positions, &state.cell, inner - 1e-6);
    let more = list.pruned(&state.positions, &state.cell, inner + 1e-6);
    let between = |m: &[[u32; 2]]| {
        (0..m.len()).all(|e| (0..2).all(|h| fewer[e][h] & !m[e][h] == 0 && m[e][h] & !more[e][h] == 0))
    };
    if !between(&masks(&gpu)) {
        return Some(Err("the first pruning differs from its twin".into()));
    }
    let bits = |m: &[[u32; 2]]| m.iter().flatten().map(|m| m.count_ones()).sum::<u32>();
    let all = list.entries.iter().flat_map(|e| e.halves).map(|h| h.meets.count_ones()).sum::<u32>();
    assert!(f64::from(bits(&masks(&gpu))) < 0.95 * f64::from(all), "{} of {all}", bits(&masks(&gpu)));
    let mut changed = 0;
    let mut before = masks(&gpu);
    // 4 fs between two looks at a pair: no atom moves half of what the inner radius exceeds the cutoff by
    for step in 0..6 * u64::from(PRUNE_INTERVAL) {
        let pairs = listed(&list, &before);
        let inside = brute_force(&state.positions, &state.cell, &system.topology, cutoff).pairs;
        if let Some(missed) = inside.iter().find(|pair| !pairs.contains(pair)) {
            return Some(Err(format!("step {step}: {missed:?} is inside the cutoff and not listed")));
        }
        gpu.advance(&Chunk { dt: 0.0005, ..chunk(step, 1) }).expect("steps");
        gpu.store(&mut state).expect("stores");
        let now = masks(&gpu);
        changed += usize::from(now != before);
        before = now;
    }
    assert!(changed >= 8, "parts are pruned in turn: the list changed {changed} times");
    Some(Ok(()))
}

#[test]
fn pruning_loses_no_pair_inside_the_cutoff() {
    accept_and_reject(
        follow_pruning,
        &[
            ("prune", "dot(d, d) < radius_sq", "dot(d, d) < 0.9 * radius_sq"),
            ("prune", "% n_parts;", "% 2u;"),
            ("prune", "near | bit", "bit"),
        ],
    );
}

/// The half list is what large systems get by themselves.
#[test]
fn the_kernel_is_chosen_by_size() {
    let small = charges(100);
    let Some(gpu) = with_options(&small, &Shaders::embedded(), GpuOptions::default()) else { return };
    assert_eq!(gpu.neighbor_kind(), hexaqua::forces::NeighborKind::FullClusters);
    let large = charges(16_000);
    let gpu = GpuBackend::new(&large, Some(&selector())).expect("a device");
    assert_eq!(gpu.neighbor_kind(), hexaqua::forces::NeighborKind::Packed);
    let start = State::at_rest(Cell::cubic(2.0).expect("valid"), vec![DVec3::ZERO; 100]);
    let mut wrong = gpu;
    let mut full = with_options(&small, &Shaders::embedded(), GpuOptions::default()).expect("a device");
    full.load(&start).expect("fits");
    // a list of the other kind is refused
    let list = neighbors::build(wrong.neighbor_kind(), &small, &start.positions, &start.cell, 0.6);
    assert!(matches!(full.set_neighbors(list), Err(ForceError::NoNeighbors)));
    assert!(matches!(wrong.evaluate(), Err(ForceError::NoNeighbors)));
}
