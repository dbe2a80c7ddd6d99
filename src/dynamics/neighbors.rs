//! Building the kind of neighbor list a backend reads, at once or one interval ahead of its use.
//!
//! Where lists lag (`Backend::list_lag`), the list of x(t) serves from t + n to t + 2n: a thread of its own builds it with
//! all cores while the steps from t to t + n are taken. Which positions a list is made from depends on step numbers alone,
//! never on what is ready, so a run repeats bit for bit on any number of threads.

use crate::cell::Cell;
use crate::forces::{Backend, ForceError, NeighborKind};
use crate::neighbor::half::HalfList;
use crate::neighbor::packed::PackedList;
use crate::neighbor::{NeighborList, full, pairs};
use crate::system::{State, System};
use glam::DVec3;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// The list of some positions.
///
/// * `positions` – `[n_atoms]`, nm
/// * `radius` – list radius, nm
pub fn build(kind: NeighborKind, system: &System, positions: &[DVec3], cell: &Cell, radius: f64) -> NeighborList {
    match kind {
        NeighborKind::Pairs => {
            NeighborList::Pairs(Arc::new(pairs::linked_cells(positions, cell, &system.topology, radius)))
        }
        NeighborKind::HalfClusters => {
            NeighborList::HalfClusters(Arc::new(HalfList::build(system, positions, cell, radius)))
        }
        NeighborKind::FullClusters => {
            NeighborList::FullClusters(Arc::new(full::build(positions, cell, &system.topology, radius)))
        }
        NeighborKind::Packed => {
            NeighborList::Packed(Arc::new(PackedList::build(positions, cell, &system.topology, radius)))
        }
    }
}

/// Builds the list from the positions in `state` and hands it over. `radius`: nm.
pub fn rebuild(backend: &mut dyn Backend, system: &System, state: &State, radius: f64) -> Result<(), ForceError> {
    backend.forget_neighbors();
    let list = build(backend.neighbor_kind(), system, &state.positions, &state.cell, radius);
    backend.set_neighbors(list)
}

/// What a list is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOrigin {
    /// `[n_atoms]`, nm, unwrapped
    pub positions: Arc<Vec<DVec3>>,
    /// nm
    pub radius: f64,
}

/// The list in use at a checkpoint, and the radius of those to come.
#[derive(Debug, Clone, PartialEq)]
pub struct LaggedList {
    pub origin: ListOrigin,
    /// nm
    pub next_radius: f64,
}

/// How much a list may reach beyond the farthest that an atom was seen to move in the life of an earlier one.
const WIDER: f64 = 1.2;

/// Lists that lag one interval behind.
pub(super) struct LaggedLists {
    orders: Sender<(ListOrigin, Cell)>,
    built: Receiver<(NeighborList, Duration)>,
    /// (step of the swap, what its list is made from), ascending
    swaps: VecDeque<(u64, ListOrigin)>,
    current: Option<ListOrigin>,
    cutoff: f64,
    /// nm
    pub next_radius: f64,
    /// Lists after which the radius was widened.
    pub n_widened: u64,
    pub n_lists: u64,
    /// Time that lists took to build, hidden behind steps or not, and that was waited for.
    pub building: Duration,
    pub waiting: Duration,
}

impl LaggedLists {
    /// Starts the thread that builds; it ends when this is dropped.
    pub fn new<'scope>(
        scope: &'scope Scope<'scope, '_>,
        system: &'scope System,
        kind: NeighborKind,
        radius: f64,
        threads: Option<Arc<rayon::ThreadPool>>,
    ) -> Self {
        let (orders, incoming) = channel::<(ListOrigin, Cell)>();
        let (outgoing, built) = channel();
        scope.spawn(move || {
            for (origin, cell) in incoming {
                let clock = Instant::now();
                let make = || build(kind, system, &origin.positions, &cell, origin.radius);
                let list = match &threads {
                    Some(pool) => pool.install(make),
                    None => make(),
                };
                if outgoing.send((list, clock.elapsed())).is_err() {
                    break; // the stage ended early
                }
            }
        });
        LaggedLists {
            orders,
            built,
            swaps: VecDeque::new(),
            current: None,
            cutoff: system.interactions.cutoff,
            next_radius: radius,
            n_widened: 0,
            n_lists: 0,
            building: Duration::ZERO,
            waiting: Duration::ZERO,
        }
    }

    /// The list from step `at` on is made from `origin`; starts to build it unless it is the one before.
    pub fn order(&mut self, at: u64, origin: ListOrigin, cell: &Cell) {
        let before = self.swaps.back().map(|(_, o)| o).or(self.current.as_ref());
        if before.is_none_or(|b| !Arc::ptr_eq(&b.positions, &origin.positions)) {
            // a thread that is gone has panicked: the scope it runs in says so
            let _ = self.orders.send((origin.clone(), *cell));
        }
        self.swaps.push_back((at, origin));
    }

    /// Gives the backend the list that begins at step `at`, waiting for it if it is not ready.
    pub fn swap(&mut self, at: u64, backend: &mut dyn Backend) -> Result<(), ForceError> {
        let ordered = self.swaps.iter().find(|(step, _)| *step == at).map(|(_, origin)| origin.clone());
        let Some(origin) = ordered else { return Err(ForceError::NoNeighbors) };
        if self.current.as_ref().is_some_and(|c| Arc::ptr_eq(&c.positions, &origin.positions)) {
            return Ok(());
        }
        let clock = Instant::now();
        let (list, took) = self.built.recv().map_err(|_| ForceError::NoNeighbors)?;
        self.waiting += clock.elapsed();
        self.building += took;
        self.n_lists += 1;
        backend.set_lagged_neighbors(list, &origin.positions)?;
        self.current = Some(origin);
        Ok(())
    }

    /// What a continuation from the swap at step `at` needs; forgets earlier swaps.
    pub fn at(&mut self, at: u64) -> Option<LaggedList> {
        while self.swaps.front().is_some_and(|(step, _)| *step < at) {
            self.swaps.pop_front();
        }
        let (step, origin) = self.swaps.front()?;
        (*step == at).then(|| LaggedList { origin: origin.clone(), next_radius: self.next_radius })
    }

    /// Widens the lists to come when an atom has moved farther than the buffer of a list.
    ///
    /// * `moved` – from where it was when the list was made, nm
    pub fn watch(&mut self, moved: f64) {
        if moved > self.next_radius - self.cutoff {
            self.next_radius = self.cutoff + WIDER * moved;
            self.n_widened += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> LaggedLists {
        let ((orders, _), (_, built)) = (channel(), channel());
        LaggedLists {
            orders,
            built,
            swaps: VecDeque::new(),
            current: None,
            cutoff: 0.9,
            next_radius: 1.0,
            n_widened: 0,
            n_lists: 0,
            building: Duration::ZERO,
            waiting: Duration::ZERO,
        }
    }

    #[test]
    fn a_list_that_was_outrun_makes_the_next_ones_wider() {
        let mut lists = empty();
        lists.watch(0.0999);
        assert_eq!((lists.next_radius, lists.n_widened), (1.0, 0));
        lists.watch(0.15);
        assert!((lists.next_radius - 1.08).abs() < 1e-12 && lists.n_widened == 1);
        lists.watch(0.17);
        assert_eq!(lists.n_widened, 1);
    }

    #[test]
    fn a_continuation_finds_the_list_of_its_swap() {
        let mut lists = empty();
        let origin = |x: f64| ListOrigin { positions: Arc::new(vec![DVec3::splat(x)]), radius: 1.0 };
        let cell = Cell::cubic(2.0).expect("valid");
        for (step, x) in [(0, 0.1), (20, 0.1), (40, 0.2), (60, 0.3)] {
            lists.order(step, origin(x), &cell);
        }
        assert_eq!(lists.at(40).expect("ordered").origin, origin(0.2));
        assert!(lists.at(50).is_none());
        assert_eq!(lists.at(60).expect("ordered").origin, origin(0.3));
    }
}
