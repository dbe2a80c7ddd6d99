//! Milliseconds per step of the `cpu` backend by pass: `cargo bench --bench cpu_step [-- <waters> …]`.
//!
//! Boxes of SPC/E with one Zn2+ and two Cl- at 98 atoms/nm³, cutoff 0.9 nm, PME of order 5 at 0.12 nm, list of 1.0 nm
//! rebuilt every 20 steps, 2 fs, Langevin bath for a few hundred steps first so that the liquid is one. 512 waters are
//! the demo's size, 1000 the size that GROMACS figures exist for, 8000 the size where tables leave the cache.

use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::pme::choose_grid;
use hexaqua::forces::{Backend, Chunk, LangevinStep};
use hexaqua::math::ewald_beta;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::topology::{RigidWater, Species, SpeciesAtom};
use hexaqua::system::{Coulomb, External, Interactions, LjModifier, State, System, Topology};
use std::time::{Duration, Instant};

const CUTOFF: f64 = 0.9;
const RADIUS: f64 = 1.0;
const LIFETIME: u32 = 20;

fn species(name: &str, atoms: &[(&str, u32, f64, f64)], rigid_water: Option<RigidWater>) -> Species {
    let atoms: Vec<SpeciesAtom> = atoms
        .iter()
        .map(|&(name, type_id, charge, mass)| SpeciesAtom {
            name: name.into(),
            element: String::new(),
            type_id,
            charge,
            mass,
        })
        .collect();
    let exclusions = if atoms.len() == 3 { vec![(0, 1), (0, 2), (1, 2)] } else { vec![] };
    Species {
        name: name.into(),
        residue: name.into(),
        is_water: rigid_water.is_some(),
        atoms,
        bonds: vec![],
        exclusions,
        rigid_water,
        ..Species::default()
    }
}

fn build(n_waters: usize) -> (System, State) {
    let water = RigidWater { d_oh: 0.1, d_hh: 0.16329931618554522 };
    let species = vec![
        species("Zn2+", &[("ZN", 0, 2.0, 65.4)], None),
        species("Cl-", &[("CL", 1, -1.0, 35.45)], None),
        species(
            "SPC/E",
            &[("OW", 2, -0.8476, 15.9994), ("HW1", 3, 0.4238, 1.008), ("HW2", 3, 0.4238, 1.008)],
            Some(water),
        ),
    ];
    let mut sequence = vec![0, 1, 1];
    sequence.extend(vec![2; n_waters]);
    let topology = Topology::new(["Zn2+", "Cl-", "OW", "HW"].map(String::from).to_vec(), species, &sequence);
    let types =
        [(0.2273573528694146, 0.014823368080000001), (0.483, 0.0535), (0.3165719505039882, 0.6497752), (0.0, 0.0)];
    let cell = Cell::cubic((topology.n_atoms() as f64 / 98.0).cbrt()).expect("positive");
    let per_side = (sequence.len() as f64).cbrt().ceil() as usize;
    let mut draws = Draws::new(1, Stream::Build, 0);
    let mut positions = Vec::new();
    let spacing = cell.vectors().x_axis.x / per_side as f64;
    for (m, &s) in sequence.iter().enumerate() {
        let at = [m / (per_side * per_side), m / per_side % per_side, m % per_side];
        let o = DVec3::from_array(at.map(|k| (k as f64 + 0.5) * spacing));
        positions.push(o);
        if s == 2 {
            let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal()).normalize();
            let x = vector();
            let y = x.cross(vector()).normalize();
            positions.push(o + 0.1 / 3f64.sqrt() * y + 0.1 * (2f64 / 3.0).sqrt() * x);
            positions.push(o + 0.1 / 3f64.sqrt() * y - 0.1 * (2f64 / 3.0).sqrt() * x);
        }
    }
    let coulomb = Coulomb::Pme { beta: ewald_beta(CUTOFF, 1e-5), grid: choose_grid(&cell, 0.12), order: 5 };
    let interactions =
        Interactions { cutoff: CUTOFF, lj_modifier: LjModifier::None, dispersion_correction: false, coulomb };
    let pair_table = PairTable::mixed(&types, |_, _| Mixing::LorentzBerthelot);
    let (restraints, external) = (Vec::new(), External::default());
    let system = System { topology, pair_table, interactions, restraints, external };
    (system, State::at_rest(cell, positions))
}

fn chunk(first_step: u64, dt: f64, langevin: Option<LangevinStep>) -> Chunk {
    Chunk { langevin, report: true, max_displacement: 1.0, ..Chunk::new(first_step, LIFETIME, dt) }
}

/// Processor time of all threads so far, where the system tells (Linux): on a busy machine the wall says little.
fn processor_time() -> Option<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total))
}

fn ms(time: Duration, steps: u32) -> f64 {
    1e3 * time.as_secs_f64() / f64::from(steps)
}

fn measure(system: &System, state: &State, threads: usize, level: SimdLevel, budget: Duration) {
    // threads of an earlier backend still count until they are gone
    std::thread::sleep(Duration::from_millis(50));
    let mut backend = CpuBackend::with_level(system, Some(threads), level).expect("a valid system");
    backend.load(state).expect("loads");
    let (mut best, mut steps, mut lists, mut first) = (Duration::MAX, 0, Duration::ZERO, 0);
    let before = backend.pass_times();
    let start = Instant::now();
    let processor = processor_time();
    while start.elapsed() < budget || steps < 3 * LIFETIME {
        let lap = Instant::now();
        let list = backend.build_neighbors(RADIUS).expect("loaded");
        backend.set_neighbors(list).expect("the right kind");
        lists += lap.elapsed();
        backend.advance(&chunk(first, 0.002, None)).expect("stable");
        best = best.min(lap.elapsed());
        first += u64::from(LIFETIME);
        steps += LIFETIME;
    }
    let wall = start.elapsed();
    let processor = processor.zip(processor_time()).map_or(f64::NAN, |(a, b)| ms(b.saturating_sub(a), steps));
    let t = backend.pass_times();
    println!(
        "water_{}::step::cpu  {}: {:.3} ms/step (best list interval {:.3}, processor {:.3}); positions {:.3} pair {:.3} mesh {:.3} \
         (stencils {:.3} spread+fft {:.3} solve {:.3} gather {:.3}) pair+mesh {:.3} reduce {:.3} update {:.3} list {:.3}",
        system.topology.n_atoms(),
        backend.device(),
        ms(wall, steps),
        ms(best, LIFETIME),
        processor,
        ms(t.positions - before.positions, steps),
        ms(t.pair - before.pair, steps),
        ms(t.mesh - before.mesh, steps),
        ms(t.stencils - before.stencils, steps),
        ms(t.spread - before.spread, steps),
        ms(t.solve - before.solve, steps),
        ms(t.gather - before.gather, steps),
        ms(t.forces - before.forces, steps),
        ms(t.reduce - before.reduce, steps),
        ms(t.update - before.update, steps),
        ms(lists, steps),
    );
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![512, 1000, 8000] } else { sizes };
    for n in sizes {
        let (system, mut state) = build(n);
        let bath = Some(LangevinStep { temperature: 300.0, friction: 20.0, seed: 3 });
        let mut backend = CpuBackend::new(&system, None).expect("a valid system");
        backend.load(&state).expect("loads");
        let mut first = 0;
        for _ in 0..60 {
            let list = backend.build_neighbors(RADIUS).expect("loaded");
            backend.set_neighbors(list).expect("the right kind");
            backend.advance(&chunk(first, 0.001, bath)).expect("stable");
            first += u64::from(LIFETIME);
        }
        backend.store(&mut state).expect("loaded");
        drop(backend);
        for level in SimdLevel::available().into_iter().filter(|&l| l != SimdLevel::Portable) {
            for threads in [1, 2] {
                measure(&system, &state, threads, level, Duration::from_millis(1500));
            }
        }
    }
}
