//! Half cluster lists against brute force: every pair inside the radius exactly once per image.

use crate::support::systems::{
    EngineCase, electrolyte, on_a_grid, skewed_cell, small_electrolyte, thermal_velocities, truncated,
};
use glam::{DVec3, IVec3};
use hexaqua::cell::Cell;
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::reference::pme::choose_grid;
use hexaqua::forces::{Backend, Chunk};
use hexaqua::math::erfc;
use hexaqua::neighbor::NeighborList;
use hexaqua::neighbor::buffer;
use hexaqua::neighbor::clusters::{CLUSTER, HALF, PADDING};
use hexaqua::neighbor::half::{HalfList, offset};
use hexaqua::neighbor::pairs::brute_force;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::{Coulomb, State, System};
use hexaqua::units::BOLTZMANN;
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::PI;
use std::sync::Arc;

/// (i, j, translation of j) with i < j, or i = j and a positive translation.
type Pair = (u32, u32, [i32; 3]);

/// Translation of the unwrapped j whose image the displacement `d` = r_i − r_j belongs to.
fn pair(cell: &Cell, positions: &[DVec3], i: u32, j: u32, d: DVec3) -> Pair {
    let (i, j, d) = if i <= j { (i, j, d) } else { (j, i, -d) };
    let between = cell.to_fractional(positions[i as usize] - positions[j as usize] - d);
    let n = between.round();
    assert!((between - n).length() < 1e-4, "an image is a whole number of lattice vectors away");
    let n = n.as_ivec3().to_array();
    let positive = n.into_iter().find(|&k| k != 0).is_none_or(|k| k > 0);
    (i, j, if i == j && !positive { n.map(|k| -k) } else { n })
}

/// Every pair in the list closer than its radius, with how often it occurs.
fn listed(list: &HalfList, system: &System, positions: &[DVec3], radius: f64) -> BTreeMap<Pair, usize> {
    let mut found = BTreeMap::new();
    let local = |slot: usize| positions[list.clusters.order[slot] as usize] - list.frame[slot];
    let rows = list.parts.iter().flat_map(|part| {
        let first = 2 * part.clusters.start;
        part.list.rows.iter().enumerate().map(move |(k, row)| (first + k, row, part))
    });
    for (index, row, part) in rows {
        let mut lj = 0;
        for (k, entry) in (row.first..row.end).zip(&part.list.entries[row.first as usize..]) {
            assert_eq!(part.touched[entry.local as usize], entry.j, "its place among the part's clusters");
            let mask = if k < row.plain { part.list.masks[(row.masks + k - row.first) as usize] } else { u32::MAX };
            let shift = &list.shifts[entry.shift as usize];
            let [x, y, z, _] = offset(&list.origins[index / 2], &list.origins[entry.j as usize], shift).map(f64::from);
            for r in 0..HALF {
                let i = HALF * index + r;
                for lane in 0..CLUSTER {
                    let j = CLUSTER * entry.j as usize + lane;
                    if list.clusters.order[i] == PADDING
                        || list.clusters.order[j] == PADDING
                        || mask & (1 << (CLUSTER * r + lane)) == 0
                    {
                        continue;
                    }
                    let d = local(i) - local(j) - DVec3::new(x, y, z);
                    if d.length() < radius {
                        let key = pair(&list.cell, positions, list.clusters.order[i], list.clusters.order[j], d);
                        *found.entry(key).or_insert(0) += 1;
                    }
                }
            }
        }
        for r in 0..HALF {
            let a = list.clusters.order[HALF * index + r];
            if a != PADDING && system.pair_table.type_has_lj(system.topology.type_ids[a as usize] as usize) {
                assert_eq!(lj, r, "atoms with Lennard-Jones come first");
                lj += 1;
            }
        }
        assert_eq!(lj, row.n_lj as usize);
    }
    found
}

/// All images of all pairs by comparing everything with everything.
fn every_image(system: &System, cell: &Cell, positions: &[DVec3], radius: f64) -> BTreeSet<Pair> {
    let excluded: BTreeSet<(usize, usize)> = system.topology.excluded_pairs().collect();
    let mut pairs = BTreeSet::new();
    let most = cell.heights().map(|h| (radius / h).ceil() as i32 + 1);
    for i in 0..positions.len() {
        for j in i..positions.len() {
            let nearest = cell.minimum_image(positions[i] - positions[j]);
            for a in -most[0]..=most[0] {
                for b in -most[1]..=most[1] {
                    for c in -most[2]..=most[2] {
                        let d = nearest + cell.to_cartesian(IVec3::new(a, b, c).as_dvec3());
                        let own = (a, b, c) == (0, 0, 0);
                        if d.length() >= radius || (i == j && own) || (excluded.contains(&(i, j)) && own) {
                            continue;
                        }
                        pairs.insert(pair(cell, positions, i as u32, j as u32, d));
                    }
                }
            }
        }
    }
    pairs
}

fn check(what: &str, system: &System, cell: &Cell, positions: &[DVec3], radius: f64) {
    let list = HalfList::build(system, positions, cell, radius);
    // a pair at the very radius may fall on either side of a rounding
    let inside = radius - 1e-7;
    let found = listed(&list, system, positions, inside);
    let expected = every_image(system, cell, positions, inside);
    assert!(expected.len() >= 5, "{what}: the case says something");
    assert!(found.values().all(|&n| n == 1), "{what}: a pair is listed twice");
    let found: BTreeSet<Pair> = found.into_keys().collect();
    assert_eq!(found.difference(&expected).count(), 0, "{what}: pairs that are excluded or do not exist");
    assert_eq!(expected.difference(&found).count(), 0, "{what}: pairs are missing");
    // and inside half a cell the images are those of the independent search
    let half = cell.half_height().min(inside);
    let near = every_image(system, cell, positions, half).into_iter().map(|(i, j, _)| (i, j)).collect::<BTreeSet<_>>();
    let plain: BTreeSet<(u32, u32)> = brute_force(positions, cell, &system.topology, half).pairs.into_iter().collect();
    assert_eq!(near, plain, "{what}");
}

fn random_positions(system: &System, cell: &Cell, turns: f64, seed: u64) -> Vec<DVec3> {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    (0..system.topology.n_atoms())
        .map(|_| {
            let s = DVec3::new(draws.uniform(), draws.uniform(), draws.uniform());
            cell.to_cartesian(turns * (s - 0.5))
        })
        .collect()
}

#[test]
fn every_pair_stands_in_the_list_exactly_once() {
    let system = small_electrolyte(truncated(0.5, Coulomb::Cutoff));
    let skewed = skewed_cell();
    for radius in [0.4, 0.7, 0.76, 1.1, 1.7] {
        check("whole molecules, skewed", &system, &skewed, &on_a_grid(&system, &skewed, [4, 4, 3], 1), radius);
    }
    let slab = Cell::orthorhombic(2.2, 2.3, 9.0).unwrap();
    let mut positions = on_a_grid(&system, &Cell::orthorhombic(2.2, 2.3, 1.5).unwrap(), [4, 4, 3], 2);
    check("slab with vacuum", &system, &slab, &positions, 0.9);
    // across the boundary of the vacuum, and far from the origin
    positions.iter_mut().for_each(|r| *r += DVec3::new(-31.0, 17.0, 8.3));
    check("slab, moved", &system, &slab, &positions, 1.2);
    for (name, cell) in [("skewed", skewed), ("cube", Cell::cubic(2.5).unwrap())] {
        for turns in [1.0, 5.0] {
            let positions = random_positions(&system, &cell, turns, 3);
            check(&format!("atoms anywhere over {turns} cells, {name}"), &system, &cell, &positions, 0.8);
        }
    }
}

#[test]
fn very_skewed_and_tiny_cells() {
    let cell = Cell::new(DVec3::new(2.0, 0.0, 0.0), DVec3::new(1.0, 2.1, 0.0), DVec3::new(-1.0, 1.05, 2.2)).unwrap();
    let system = small_electrolyte(truncated(0.5, Coulomb::Cutoff));
    check("half-turn skew", &system, &cell, &random_positions(&system, &cell, 3.0, 4), 1.0);
    // a handful of molecules, fewer atoms than two clusters, radius beyond the whole cell
    let few = electrolyte(&[2, 2, 2, 1], truncated(0.3, Coulomb::Cutoff));
    let tiny = Cell::cubic(0.8).unwrap();
    for radius in [0.39, 0.6, 1.0] {
        check("tiny", &few, &tiny, &on_a_grid(&few, &tiny, [2, 2, 2], 5), radius);
    }
}

#[test]
fn the_list_does_not_depend_on_threads() {
    let cell = Cell::cubic(3.2).unwrap();
    let system = electrolyte(&[2; 1000], truncated(0.9, Coulomb::Cutoff));
    let positions = on_a_grid(&system, &cell, [10, 10, 10], 6);
    let build = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| HalfList::build(&system, &positions, &cell, 1.0))
    };
    let one = build(1);
    assert_eq!(one, build(2));
    assert_eq!(one, build(5));
    assert_eq!(one, build(2));
}

/// Shares of the pairs inside the cutoff that lists of the start do not hold, over the 20 steps that they serve SPC/E at 300 K.
#[derive(Debug)]
struct Missed {
    /// By the list of clusters.
    clusters: f64,
    /// By a list of exactly the pairs closer than the radius.
    pairs: f64,
    /// By such a list if atoms flew freely in a fluid without structure.
    free_flight: f64,
}

const SERVED: u64 = 20;
const DT: f64 = 0.002;

/// * `radii` – of the lists, nm
fn missed(system: &System, start: &State, radii: &[f64]) -> Vec<Missed> {
    let pairs_within = |positions: &[DVec3], radius: f64| -> BTreeSet<(u32, u32)> {
        brute_force(positions, &start.cell, &system.topology, radius).pairs.into_iter().collect()
    };
    let lists: Vec<_> = (radii.iter())
        .map(|&radius| {
            let list = HalfList::build(system, &start.positions, &start.cell, radius);
            let held = listed(&list, system, &start.positions, f64::INFINITY);
            let held: BTreeSet<(u32, u32)> = held.into_keys().map(|(i, j, _)| (i, j)).collect();
            (held, pairs_within(&start.positions, radius))
        })
        .collect();
    let mut backend = CpuBackend::new(system, Some(2)).unwrap();
    backend.load(start).unwrap();
    let list = HalfList::build(system, &start.positions, &start.cell, 1.4);
    backend.set_neighbors(NeighborList::HalfClusters(Arc::new(list))).unwrap();
    let (mut counts, mut total, mut now) = (vec![[0; 2]; radii.len()], 0, start.clone());
    for step in 0..SERVED {
        let inside = pairs_within(&now.positions, system.interactions.cutoff);
        for ([clusters, pairs], (held, near)) in counts.iter_mut().zip(&lists) {
            *clusters += inside.difference(held).count();
            *pairs += inside.difference(near).count();
        }
        total += inside.len();
        backend.advance(&Chunk { max_displacement: 1.0, ..Chunk::new(step, 1, DT) }).unwrap();
        backend.store(&mut now).unwrap();
    }
    let share = |count: usize| count as f64 / total as f64;
    let one = |(&radius, &[clusters, pairs]): (&f64, &[usize; 2])| Missed {
        clusters: share(clusters),
        pairs: share(pairs),
        free_flight: (0..SERVED).map(|k| missed_in_free_flight(system, radius, k as f64 * DT)).sum::<f64>()
            / SERVED as f64,
    };
    radii.iter().zip(&counts).map(one).collect()
}

/// Pairs that were beyond `radius` (nm) a `time` (ps) ago and are inside the cutoff, by those that are inside: the surface of the sphere
/// times the mean way of those that come in, ∫ Q(y/σ) dy from the buffer on, over its volume. Water, in which a hydrogen moves with the
/// molecule and, on two axes of three, about it.
fn missed_in_free_flight(system: &System, radius: f64, time: f64) -> f64 {
    let water = system.topology.species_of(0);
    let flight = |mass: f64| BOLTZMANN * 300.0 / mass * time * time;
    let variance = |k: usize| match k {
        0 => flight(water.atoms[0].mass),
        _ => flight(water.mass()) + 2.0 / 3.0 * flight(water.atoms[k].mass),
    };
    let (cutoff, buffer) = (system.interactions.cutoff, radius - system.interactions.cutoff);
    let mut sum = 0.0;
    for (a, b) in (0..9).map(|ab| (ab / 3, ab % 3)) {
        let sigma = (variance(a) + variance(b)).sqrt();
        if sigma > 0.0 {
            let x = buffer / sigma;
            let inward = sigma * ((-0.5 * x * x).exp() / (2.0 * PI).sqrt() - 0.5 * x * erfc(x / 2f64.sqrt()));
            sum += inward / 9.0 * 3.0 * (radius + sigma).powi(2) / cutoff.powi(3);
        }
    }
    sum
}

#[test]
fn pairs_are_missed_as_rarely_as_the_buffer_says() {
    let case =
        EngineCase::read("spce_216", |cell, beta| Coulomb::Pme { beta, grid: choose_grid(cell, 0.12), order: 5 });
    let system = case.system;
    let density = system.topology.n_atoms() as f64 / case.cell.volume();
    let estimate = buffer::list_radius(&system, density, 300.0, DT, SERVED as u32, buffer::DEFAULT_TOLERANCE);
    let velocities = thermal_velocities(&system.topology, 300.0, 8);
    let start = State { velocities, ..State::at_rest(case.cell, case.positions) };
    let radii = [0.9, 0.92, estimate, 0.95, 1.0, 1.4];
    let missed = missed(&system, &start, &radii);
    for (radius, missed) in radii.iter().zip(&missed) {
        println!("{radius:.3} nm: {missed:?}");
        // clusters hold every pair within the radius, and more; and atoms of a liquid do not get as far as in free flight
        assert!(missed.clusters <= missed.pairs && missed.pairs <= missed.free_flight, "{radius}: {missed:?}");
    }
    // negative control: the bound for the list that the buffer asks for is below what a list without a buffer misses, even of clusters
    // it is noticed, and a list that reaches farther than any two atoms come misses nothing
    let [none, _, with_buffer, .., far] = &missed[..] else { unreachable!("as many as radii") };
    assert!(none.pairs > with_buffer.free_flight, "{none:?}, {with_buffer:?}");
    assert!(none.clusters > with_buffer.clusters && far.pairs == 0.0);
}
