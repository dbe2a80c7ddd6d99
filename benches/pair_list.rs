//! Milliseconds to build the device's half list: `cargo bench --bench pair_list [-- <atoms> …]`.
//!
//! Boxes of water at 0.997 g/cm³ (molecules on a jittered lattice, turned at random) of 3,000 atoms (a small box, where tasks are
//! few), 24,000 and 96,000 (usual interfaces) and 400,000 (tables leave the cache); radius 1.276 nm, which serves 50 steps one
//! interval ahead. `RAYON_NUM_THREADS` sets the threads. The best of several builds, and the processor time of all threads
//! per atom; list quality for three radii.

use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::neighbor::packed::PackedList;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::Topology;
use hexaqua::system::topology::{Species, SpeciesAtom};
use std::time::{Duration, Instant};

/// Molecules per nm³ at 0.997 g/cm³.
const DENSITY: f64 = 33.33;
const RADIUS: f64 = 1.276;

fn water(n_molecules: usize) -> (Cell, Topology, Vec<DVec3>) {
    let atom = |name: &str| SpeciesAtom { name: name.into(), element: "O".into(), type_id: 0, charge: 0.0, mass: 16.0 };
    let species = Species {
        name: "water".into(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![atom("OW"), atom("HW1"), atom("HW2")],
        exclusions: vec![(0, 1), (0, 2), (1, 2)],
        ..Species::default()
    };
    let topology = Topology::new(vec!["O".into()], vec![species], &vec![0; n_molecules]);
    let edge = (n_molecules as f64 / DENSITY).cbrt();
    let per_side = (n_molecules as f64).cbrt().ceil() as usize;
    let spacing = edge / per_side as f64;
    let mut draws = Draws::new(1, Stream::Build, 0);
    let mut positions = Vec::with_capacity(3 * n_molecules);
    for m in 0..n_molecules {
        // spread over the lattice, which has a few more places than there are molecules
        let place = m * per_side.pow(3) / n_molecules;
        let at = [place / (per_side * per_side), place / per_side % per_side, place % per_side];
        let oxygen = DVec3::from_array(at.map(|k| (k as f64 + 0.5 + 0.4 * (draws.uniform() - 0.5)) * spacing));
        let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal()).normalize();
        let x = vector();
        let y = x.cross(vector()).normalize();
        let (along, across) = (0.1 / 3f64.sqrt() * y, 0.1 * (2f64 / 3.0).sqrt() * x);
        positions.extend([oxygen, oxygen + along + across, oxygen + along - across]);
    }
    (Cell::cubic(edge).expect("positive"), topology, positions)
}

/// Processor time of all threads so far, where the system tells (Linux).
fn processor_time() -> Option<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total))
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![3_000, 24_000, 96_000, 400_000] } else { sizes };
    for n in sizes {
        let (cell, topology, positions) = water(n / 3);
        let n = positions.len();
        let build = |radius| PackedList::build(&positions, &cell, &topology, radius);
        for radius in [0.9, 1.0, RADIUS] {
            let list = build(radius);
            println!(
                "water_{n}::list  {radius} nm: {:.1} pairs, {:.3} entries and {:.4} exclusion tables per atom, {} rows",
                list.n_pairs() as f64 / n as f64,
                list.entries.len() as f64 / n as f64,
                list.exclusions.len() as f64 / n as f64,
                list.rows.len(),
            );
        }
        let (mut best, mut dropping, mut builds) = (Duration::MAX, Duration::MAX, 0);
        let (start, processor) = (Instant::now(), processor_time());
        while start.elapsed() < Duration::from_millis(1500) || builds < 3 {
            let clock = Instant::now();
            let list = build(RADIUS);
            best = best.min(clock.elapsed());
            let clock = Instant::now();
            drop(list);
            dropping = dropping.min(clock.elapsed());
            builds += 1;
        }
        let each = |time: Duration| time.as_secs_f64() / f64::from(builds);
        let processor = processor.zip(processor_time()).map_or(f64::NAN, |(a, b)| each(b.saturating_sub(a)));
        println!(
            "water_{n}::build::host  {} threads: best {:.3} ms (mean {:.3}), drop {:.3}, processor {:.3} ms = {:.3} us per atom",
            rayon::current_num_threads(),
            1e3 * best.as_secs_f64(),
            1e3 * each(start.elapsed()),
            1e3 * dropping.as_secs_f64(),
            1e3 * processor,
            1e6 * processor / n as f64,
        );
    }
}
