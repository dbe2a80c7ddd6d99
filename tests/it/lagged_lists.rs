//! Lists one interval ahead: what the engine hands over for the steps from t + n to t + 2n, made from x(t), holds every pair
//! that comes inside the cutoff there. Real runs, step by step, on a backend that takes its lists as a device does.

use crate::dynamics::{CSVR, Memory, TEMPERATURE, plan, water};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{Engine, StageSummary, velocities};
use hexaqua::forces::cpu::CpuBackend;
use hexaqua::forces::{Backend, Batch, BatchReport, Chunk, ChunkReport, Evaluation, ForceError, NeighborKind, Wanted};
use hexaqua::neighbor::clusters::{CLUSTER, HALF, PADDING, SUPER};
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::neighbor::{NeighborList, buffer};
use hexaqua::system::{Coulomb, State, System, Topology};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

const INTERVAL: u64 = 20;
/// Steps are looked at so often, the last of an interval among them: every 8 fs.
const LOOK_EVERY: u64 = 4;
const N_INTERVALS: u64 = 5;
/// Of the lists that the steps themselves are taken with, nm: farther than any two atoms come closer in an interval.
const OWN_RADIUS: f64 = 1.4;

/// Pairs of atoms that a kernel looks at.
struct Held {
    n_atoms: usize,
    bits: Vec<u64>,
}

impl Held {
    fn contains(&self, i: u32, j: u32) -> bool {
        let k = i as usize * self.n_atoms + j as usize;
        self.bits[k / 64] >> (k % 64) & 1 == 1
    }

    fn insert(&mut self, i: u32, j: u32) {
        if i != PADDING && j != PADDING {
            for (a, b) in [(i, j), (j, i)] {
                let k = a as usize * self.n_atoms + b as usize;
                self.bits[k / 64] |= 1 << (k % 64);
            }
        }
    }

    fn of(list: &NeighborList, n_atoms: usize) -> Self {
        let mut held = Held { n_atoms, bits: vec![0; (n_atoms * n_atoms).div_ceil(64)] };
        match list {
            NeighborList::Packed(list) => {
                for row in &list.rows {
                    for entry in &list.entries[row.first as usize..row.end as usize] {
                        for (h, half) in entry.halves.iter().enumerate() {
                            let table = &list.exclusions[half.exclusions as usize];
                            for bit in (0..32).filter(|bit| half.meets >> bit & 1 == 1) {
                                let i = (row.super_cluster as usize * SUPER + bit % SUPER) * CLUSTER;
                                let j = entry.j[bit / SUPER] as usize * CLUSTER + HALF * h;
                                for lanes in (0..32).filter(|&lanes| table[lanes] >> bit & 1 == 1) {
                                    let (i, j) = (i + lanes % CLUSTER, j + lanes / CLUSTER);
                                    held.insert(list.clusters.order[i], list.clusters.order[j]);
                                }
                            }
                        }
                    }
                }
            }
            NeighborList::FullClusters(list) => {
                for ci in 0..list.clusters.n_clusters() {
                    for &(cj, mask) in &list.entries[list.ranges[ci] as usize..list.ranges[ci + 1] as usize] {
                        for bit in (0..64).filter(|bit| list.masks[mask as usize].free >> bit & 1 == 1) {
                            let (i, j) = (ci * CLUSTER + bit / CLUSTER, cj as usize * CLUSTER + bit % CLUSTER);
                            held.insert(list.clusters.order[i], list.clusters.order[j]);
                        }
                    }
                }
            }
            _ => panic!("not a list of a device"),
        }
        held
    }
}

/// What was seen at a step.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Pairs inside the cutoff that the list does not hold.
    missed: usize,
    /// How far apart the pairs inside the cutoff were at most when the list was made, nm.
    needed: f64,
    /// Of the list, nm.
    radius: f64,
}

/// The cpu backend, which takes its steps with lists of its own and looks into those that the engine hands over.
struct Watching {
    cpu: CpuBackend,
    kind: NeighborKind,
    topology: Topology,
    cutoff: f64,
    state: State,
    queue: VecDeque<Batch>,
    list: Option<(Held, Vec<DVec3>, f64)>,
    seen: Rc<RefCell<Vec<Seen>>>,
}

impl Watching {
    fn look(&self) -> Seen {
        let (held, origin, radius) = self.list.as_ref().expect("the engine hands a list over before the first step");
        let cell = self.state.cell;
        let inside = linked_cells(&self.state.positions, &cell, &self.topology, self.cutoff).pairs;
        let apart = |i: u32, j: u32| cell.minimum_image(origin[i as usize] - origin[j as usize]).length();
        Seen {
            missed: inside.iter().filter(|&&(i, j)| !held.contains(i, j)).count(),
            needed: inside.iter().map(|&(i, j)| apart(i, j)).fold(0.0, f64::max),
            radius: *radius,
        }
    }
}

impl Backend for Watching {
    fn name(&self) -> &'static str {
        "watching"
    }

    fn device(&self) -> String {
        self.cpu.device()
    }

    fn neighbor_kind(&self) -> NeighborKind {
        self.kind
    }

    fn load(&mut self, state: &State) -> Result<(), ForceError> {
        self.state = state.clone();
        self.cpu.load(state)
    }

    fn store(&mut self, state: &mut State) -> Result<(), ForceError> {
        self.cpu.store(state)
    }

    fn set_neighbors(&mut self, _: NeighborList) -> Result<(), ForceError> {
        unreachable!("lists lag on this backend")
    }

    fn set_lagged_neighbors(&mut self, list: NeighborList, origin: &[DVec3]) -> Result<(), ForceError> {
        let radius = match &list {
            NeighborList::Packed(list) => list.radius,
            NeighborList::FullClusters(list) => list.radius,
            _ => f64::NAN,
        };
        self.list = Some((Held::of(&list, origin.len()), origin.to_vec(), radius));
        Ok(())
    }

    fn list_lag(&self) -> u32 {
        1
    }

    fn evaluate(&mut self) -> Result<Evaluation, ForceError> {
        self.cpu.evaluate()
    }

    fn advance(&mut self, chunk: &Chunk) -> Result<ChunkReport, ForceError> {
        self.cpu.advance(chunk)
    }

    fn queue(&mut self) -> &mut VecDeque<Batch> {
        &mut self.queue
    }

    fn collect(&mut self, state: &mut State) -> Result<BatchReport, ForceError> {
        let Some(batch) = self.queue.pop_front() else { return Ok(BatchReport::default()) };
        self.cpu.set_neighbors(self.cpu.build_neighbors(OWN_RADIUS)?)?;
        let (mut chunks, mut moved) = (Vec::new(), 0.0f64);
        for chunk in &batch.chunks {
            assert_eq!(chunk.n_steps, 1, "what is looked at is a step");
            if (chunk.first_step + 1) % LOOK_EVERY == 0 {
                self.seen.borrow_mut().push(self.look());
            }
            chunks.push(self.cpu.advance(chunk)?);
            self.cpu.store(&mut self.state)?;
            let (_, origin, _) = self.list.as_ref().expect("looked at above");
            let ways = self.state.positions.iter().zip(origin).map(|(r, from)| (*r - *from).length());
            moved = ways.fold(moved, f64::max);
        }
        if batch.wanted > Wanted::Sums {
            self.store(state)?;
        }
        Ok(BatchReport { chunks, since_list: Some(moved), charges: None })
    }
}

/// `water` eight times, 3.7 nm wide: a cell much wider than the lists reach.
fn wide_water(seed: u64) -> (System, State) {
    let (system, state) = water(seed);
    let (topology, vectors) = (&system.topology, state.cell.vectors());
    let (mut sequence, mut positions) = (Vec::new(), Vec::new());
    for k in 0..8 {
        let shift = vectors * DVec3::new(f64::from(k & 1), f64::from(k >> 1 & 1), f64::from(k >> 2));
        sequence.extend(topology.molecules.iter().map(|m| m.species));
        positions.extend(state.positions.iter().map(|&r| r + shift));
    }
    let topology = Topology::new(topology.types.clone(), topology.species.clone(), &sequence);
    let mut interactions = system.interactions;
    if let Coulomb::Pme { grid, .. } = &mut interactions.coulomb {
        *grid = grid.map(|n| 2 * n);
    }
    let [a, b, c] = [vectors.x_axis, vectors.y_axis, vectors.z_axis].map(|edge| 2.0 * edge);
    let cell = Cell::new(a, b, c).expect("valid");
    let velocities = velocities::maxwell_boltzmann(&topology, &cell, &positions, TEMPERATURE, seed);
    let system = System { topology, interactions, ..system };
    (system, State { velocities, ..State::at_rest(cell, positions) })
}

/// Some intervals, and what was seen in each of them.
///
/// * `radius` – of the first lists, nm; `None` takes what an input gets
fn run(kind: NeighborKind, radius: Option<f64>) -> (Vec<Vec<Seen>>, StageSummary) {
    let (system, state) = wide_water(16);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let backend = Watching {
        cpu: CpuBackend::new(&system, Some(2)).expect("the cpu backend runs water"),
        kind,
        topology: system.topology.clone(),
        cutoff: system.interactions.cutoff,
        state: state.clone(),
        queue: VecDeque::new(),
        list: None,
        seen: seen.clone(),
    };
    let usual = plan(&system, &state, CSVR, N_INTERVALS * INTERVAL, 1);
    let density = state.n_atoms() as f64 / state.cell.volume();
    let life = 2 * INTERVAL as u32;
    let estimate = || buffer::list_radius(&system, density, TEMPERATURE, usual.dt, life, buffer::DEFAULT_TOLERANCE);
    let plan = StagePlan {
        list_radius: radius.unwrap_or_else(estimate),
        schedule: Schedule { neighbor: INTERVAL, checkpoint: 0, ..usual.schedule.clone() },
        log_end: false,
        ..usual.clone()
    };
    let mut engine = Engine::new(&system, Box::new(backend), state);
    let summary = engine.run_stage(&plan, 0, &mut Memory::default()).expect("the run is stable");
    let by_interval: Vec<Vec<Seen>> =
        seen.borrow().chunks((INTERVAL / LOOK_EVERY) as usize).map(<[Seen]>::to_vec).collect();
    assert_eq!(by_interval.len() as u64, N_INTERVALS);
    (by_interval, summary)
}

fn missed(seen: &[Seen]) -> usize {
    seen.iter().map(|s| s.missed).sum()
}

#[test]
fn no_pair_inside_the_cutoff_is_missed_by_lists_that_lag() {
    for kind in [NeighborKind::Packed, NeighborKind::FullClusters] {
        let (seen, summary) = run(kind, None);
        for (k, interval) in seen.iter().enumerate() {
            let needed = interval.iter().map(|s| s.needed).fold(0.0, f64::max);
            println!("{kind:?}, interval {k}: list of {:.3} nm, pairs came from {needed:.3} nm", interval[0].radius);
        }
        println!("widened {} times", summary.n_widened);
        assert!(seen.iter().all(|interval| missed(interval) == 0), "{kind:?}");
        // the lists were put to the test: pairs came from far beyond the cutoff
        assert!(seen.iter().flatten().any(|s| s.needed > 1.0));
    }
}

/// Negative control of the test above, and what the engine does about it: lists with hardly any buffer miss pairs in the two
/// intervals that the first of them serves, and those made after the farthest way of an atom is known miss none.
#[test]
fn lists_that_are_too_short_are_noticed_and_followed_by_longer_ones() {
    for kind in [NeighborKind::Packed, NeighborKind::FullClusters] {
        let (seen, summary) = run(kind, Some(0.905));
        let by_interval: Vec<usize> = seen.iter().map(|interval| missed(interval)).collect();
        println!("{kind:?}: {by_interval:?} missed, widened {} times", summary.n_widened);
        assert!(by_interval[0] > 0 && by_interval[1] > by_interval[0]);
        // from x(2n) on lists know how far atoms get in two intervals
        assert_eq!(by_interval[3..].iter().sum::<usize>(), 0);
        assert!(summary.n_widened > 0 && seen[3][0].radius > 1.0);
    }
}
