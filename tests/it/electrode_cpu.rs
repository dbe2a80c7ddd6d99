//! Electrodes on the `cpu` backend: against the twin, over time, and cut at a checkpoint.

use crate::dynamics::{KeptMoment, Memory, TEMPERATURE, plan, regression, run_plan};
use crate::support::capacitor::{
    Capacitor, HEIGHT, N_ELECTRODE, PER_LAYER, capacitor, external, potentials, spread_and_difference,
    with_virtual_sites,
};
use crate::support::compare::{assert_forces, assert_relative, rms_error};
use crate::support::systems::{EngineCase, all_pairs};
use glam::{DMat3, DVec3};
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::dynamics::{Engine, StoredCharges, velocities};
use hexaqua::electrode::lattice::Boundary;
use hexaqua::forces::cpu::{CpuBackend, SimdLevel};
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::{Backend, Chunk, Evaluation, electrode_charges};
use hexaqua::neighbor::NeighborList;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::spec::ThermostatSpec;
use hexaqua::system::{Coulomb, State, System};
use hexaqua::units::{COULOMB, VOLT};
use std::sync::Arc;

pub fn mesh() -> Coulomb {
    Coulomb::Pme { beta: 6.5, grid: [32, 32, 112], order: 6 }
}

fn on_cpu(c: &Capacitor, level: SimdLevel) -> (Vec<f64>, Evaluation) {
    let mut backend = CpuBackend::with_level(&c.system, Some(2), level).expect("the cpu backend runs electrodes");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("a matrix");
    // some pairs are listed under several images
    let list = backend.build_neighbors(0.75).expect("loaded");
    backend.set_neighbors(list).expect("the right kind");
    let charges = backend.charges().expect("loaded").expect("electrodes");
    let evaluation = backend.evaluate().expect("finite");
    assert_eq!(backend.charges().expect("loaded").expect("electrodes"), charges, "an evaluation changes nothing");
    (charges, evaluation)
}

pub fn in_f64(c: &Capacitor) -> (Vec<f64>, Evaluation) {
    let mut backend = ReferenceBackend::new(&c.system).expect("runs");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("a matrix");
    let list = all_pairs(&c.system, &c.cell, &c.positions);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("loaded");
    let charges = Backend::charges(&mut backend).expect("loaded").expect("electrodes");
    (charges, backend.evaluate().expect("finite"))
}

/// Largest difference of a charge to the largest charge of an electrode atom.
pub fn worst(found: &[f64], twin: &[f64]) -> f64 {
    let scale = twin[..N_ELECTRODE].iter().fold(0.0_f64, |m, q| m.max(q.abs()));
    found.iter().zip(twin).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max)
}

/// Σ k_e |q q'|/r over the pairs inside the cutoff, kJ/mol.
pub fn bare_coulomb(c: &Capacitor, charges: &[f64]) -> f64 {
    let list = all_pairs(&c.system, &c.cell, &c.positions);
    let bare = |&(i, j): &(u32, u32)| {
        let (i, j) = (i as usize, j as usize);
        let r = c.cell.minimum_image(c.positions[i] - c.positions[j]).length();
        if r < c.system.interactions.cutoff { COULOMB * (charges[i] * charges[j]).abs() / r } else { 0.0 }
    };
    list.pairs.iter().map(bare).sum()
}

/// f32 sums of about 200 terms, and a matrix that multiplies errors of the potential by its condition, of order ten.
const CHARGES: f64 = 2e-5;

/// What the charges of the electrodes sum to, e.
pub fn total(c: &Capacitor) -> f64 {
    c.system.external.electrodes.as_ref().expect("electrodes").fixed_sums().1.iter().sum()
}

/// Every form of a capacitor at constant potential or of given charge.
pub fn forms() -> Vec<(&'static str, Capacitor)> {
    let charged = || {
        let mut terms = external(true, 0.0, [0.3, -0.2]);
        let electrodes = terms.electrodes.as_mut().expect("electrodes");
        electrodes.electrodes[1].condition = Condition::Charge(0.2);
        electrodes.balance = -0.2;
        terms
    };
    let net_charge = || {
        let mut terms = charged();
        terms.electrodes.as_mut().expect("electrodes").electrodes[0].condition = Condition::Charge(0.4);
        terms
    };
    let three = |terms| capacitor(mesh(), terms);
    // every other atom of the left electrode in a layer behind: that of a charged slab has a field
    let behind = |mut c: Capacitor| {
        c.positions[..PER_LAYER].iter_mut().step_by(2).for_each(|r| r.z -= 0.2);
        c
    };
    let four = |terms| with_virtual_sites(mesh(), terms);
    let direct = |terms| capacitor(Coulomb::Ewald { beta: 6.5, n_max: [11, 11, 40], n_sq_max: None }, terms);
    let mut all = vec![
        ("slab", three(external(true, 0.0, [-0.5, 0.5]))),
        ("slab and field", three(external(true, 30.0, [0.2, 1.0]))),
        ("finite field", three(external(false, -VOLT / HEIGHT, [0.0, 1.0]))),
        ("net charge", behind(three(net_charge()))),
        ("given charge", three(charged())),
        ("virtual sites", four(external(true, 0.0, [-0.5, 0.5]))),
        ("direct sum", direct(external(true, 0.0, [-0.5, 0.5]))),
    ];
    // no multiple of the lattice: pairs at the cutoff itself are in or out by rounding
    all.iter_mut().for_each(|(_, c)| c.system.interactions.cutoff = 0.59);
    all
}

#[test]
fn charges_forces_and_energies_match_the_twin() {
    for (name, c) in forms() {
        let (charges, twin) = in_f64(&c);
        for level in SimdLevel::available() {
            let (cpu_charges, cpu) = on_cpu(&c, level);
            println!(
                "{name}, {level:?}: charges {:.1e}, forces {:.1e}, total {:.1e}",
                worst(&cpu_charges, &charges),
                rms_error(&cpu.forces, &twin.forces),
                (cpu.energies.total() / twin.energies.total() - 1.0).abs()
            );
            assert!(worst(&cpu_charges, &charges) < CHARGES, "{name}, {level:?}: {}", worst(&cpu_charges, &charges));
            let sum = cpu_charges[..N_ELECTRODE].iter().sum::<f64>() - total(&c);
            assert!(sum.abs() < 1e-6, "{name}: {sum:e} e too many");
            assert_forces(name, &cpu.forces, &twin.forces, 5e-6);
            for ((term, a), (_, b)) in cpu.energies.terms().into_iter().zip(twin.energies.terms()) {
                let allowed = 2e-5 * b.abs();
                assert!((a - b).abs() < allowed, "{name}, {level:?}, {term}: {a} and {b}, {allowed:.1e} allowed");
            }
            assert_eq!(cpu.energies.terms().len(), twin.energies.terms().len());
            let [dipole, expected] = [cpu.energies.dipole_z, twin.energies.dipole_z].map(|m| m.expect("electrodes"));
            assert!((dipole - expected).abs() < 5e-6, "{name}: {dipole} e nm and {expected}");
            assert_relative(name, cpu.energies.total(), twin.energies.total(), 2e-6);
        }
    }
}

/// An ion 0.12 nm from an electrode atom with a wide Gaussian.
pub fn inside() -> Capacitor {
    let mut c = capacitor(mesh(), external(true, 0.0, [-0.5, 0.5]));
    c.system.interactions.cutoff = 0.59;
    let electrodes = c.system.external.electrodes.as_mut().expect("electrodes");
    electrodes.electrodes[0].gaussian_width = 0.09;
    c.positions[N_ELECTRODE] = c.positions[5] + DVec3::new(0.03, -0.04, 0.11);
    // what the Gaussian takes is seen beside Coulomb forces, not beside a clash
    let n_types = c.system.topology.n_types();
    c.system.pair_table = PairTable::mixed(&vec![(0.0, 0.0); n_types], |_, _| Mixing::LorentzBerthelot);
    c.system.topology.frozen[..N_ELECTRODE].fill(true);
    c
}

/// The virial too has the shape of the Gaussians.
#[test]
fn virials_match_the_twin() {
    let c = inside();
    let (_, twin) = in_f64(&c);
    let point = {
        let mut c = c.clone();
        let electrodes = c.system.external.electrodes.as_mut().expect("electrodes");
        electrodes.electrodes[0].gaussian_width = 0.0897;
        in_f64(&c).1.virial
    };
    let largest = |m: DMat3| m.to_cols_array().iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    for level in SimdLevel::available() {
        let (_, cpu) = on_cpu(&c, level);
        let apart = largest(cpu.virial - twin.virial) / largest(twin.virial);
        println!("{level:?}: {apart:.1e}");
        assert!(apart < 1e-5, "{level:?}: {apart:.1e}");
    }
    let other = largest(point - twin.virial) / largest(twin.virial);
    assert!(other > 1e-4, "another width: {other:.1e}");
}

/// The atoms of an electrode share its potential by explicit images, which know nothing of meshes.
pub fn assert_at_potential(name: &str, c: &Capacitor, charges: &[f64]) {
    let (spread, difference) = spread_and_difference(&potentials(c, charges, Boundary::SlabCorrected));
    println!("{name}: potentials over {spread:.1e} V, {difference:.6} V apart");
    assert!(spread < 1e-3, "{name}: spread of {spread} V");
    assert!((difference - 1.0).abs() < 1e-3, "{name}: {difference} V apart");
}

#[test]
fn every_atom_of_an_electrode_is_at_its_potential() {
    let c = capacitor(mesh(), external(true, 0.0, [-0.5, 0.5]));
    for level in SimdLevel::available() {
        let (mut charges, _) = on_cpu(&c, level);
        assert_at_potential(level.name(), &c, &charges);
        charges[0] *= 1.1;
        let (spread, _) = spread_and_difference(&potentials(&c, &charges, Boundary::SlabCorrected));
        assert!(spread > 1e-3, "a tenth of a charge shows: {spread} V");
    }
}

/// What must not pass: electrodes that differ a little, or a matrix without one of its parts.
#[test]
fn slightly_wrong_electrodes_are_rejected() {
    let mut right = capacitor(mesh(), external(true, 0.0, [-0.5, 0.5]));
    right.system.interactions.cutoff = 0.59;
    let (charges, twin) = in_f64(&right);
    let wrong: [&dyn Fn(&mut Electrodes); 3] =
        [&|e| e.electrodes[0].gaussian_width *= 1.001, &|e| e.electrodes[1].thomas_fermi *= 1.01, &|e| {
            e.electrodes[1].condition = Condition::Potential(0.501 * VOLT)
        }];
    for (k, change) in wrong.into_iter().enumerate() {
        let mut c = right.clone();
        change(c.system.external.electrodes.as_mut().expect("electrodes"));
        let (other, evaluation) = on_cpu(&c, SimdLevel::available()[0]);
        assert!(worst(&other, &charges) > CHARGES, "change {k}: {}", worst(&other, &charges));
        // a hundredth of the Thomas-Fermi term moves charges, but hardly the forces
        assert!(k == 1 || rms_error(&evaluation.forces, &twin.forces) > 5e-6, "change {k}");
    }
}

/// Graphene at ±0.5 V with zinc chloride solution between, every charge of the sheets free.
pub fn graphene(volts: f64) -> (System, State) {
    let beta = hexaqua::math::ewald_beta(1.0, 1e-5);
    let case = EngineCase::read("graphene_slab_ew3dc", |_, _| Coulomb::Pme { beta, grid: [24, 24, 100], order: 5 });
    let mut system = case.system;
    let sheet = |name: &str, species: u32, potential: f64| Electrode {
        name: name.into(),
        atoms: (0..system.topology.n_atoms() as u32)
            .filter(|&i| {
                let m = system.topology.molecule_of[i as usize] as usize;
                system.topology.molecules[m].species == species
            })
            .collect(),
        condition: Condition::Potential(potential * VOLT),
        gaussian_width: 0.0505,
        thomas_fermi: 0.0,
    };
    let electrodes = vec![sheet("lower", 3, -0.5 * volts), sheet("upper", 4, 0.5 * volts)];
    system.external.electrodes = Some(Electrodes { electrodes, balance: 0.0 });
    (system, State::at_rest(case.cell, case.positions))
}

fn stage(system: &System, state: &State, thermostat: ThermostatSpec, n_steps: u64, log: u64) -> StagePlan {
    let base = plan(system, state, thermostat, n_steps, log);
    StagePlan { schedule: Schedule { com: 0, ..base.schedule.clone() }, list_radius: 1.1, ..base }
}

fn run(
    system: &System,
    state: State,
    thermostat: ThermostatSpec,
    n_steps: u64,
    log: u64,
    threads: usize,
) -> (Memory, State) {
    let plan = stage(system, &state, thermostat, n_steps, log);
    run_plan(system, state, &plan, threads)
}

/// Frozen start: thermal velocities for what moves.
fn warm(volts: f64) -> (System, State) {
    let (system, mut state) = graphene(volts);
    state.velocities = velocities::maxwell_boltzmann(&system.topology, &state.cell, &state.positions, TEMPERATURE, 5);
    let bath = ThermostatSpec::Langevin { temperature: TEMPERATURE, friction: 10.0 };
    let (_, state) = run(&system, state, bath, 500, 0, 2);
    (system, state)
}

const NVE: ThermostatSpec = ThermostatSpec::None { initial_temperature: TEMPERATURE };

/// Length of the run, ps: `HEXAQUA_DRIFT_PS` makes it longer.
fn duration() -> f64 {
    std::env::var("HEXAQUA_DRIFT_PS").ok().and_then(|t| t.parse().ok()).unwrap_or(16.0)
}

#[test]
fn energy_is_conserved_while_charges_follow() {
    let (system, state) = warm(2.0);
    let (memory, _) = run(&system, state, NVE, (duration() / 0.002) as u64, 25, 2);
    let n_atoms = (system.topology.n_atoms() - 480) as f64;
    let time: Vec<f64> = memory.rows.iter().map(|r| r.time * 1e-3).collect();
    let energy: Vec<f64> = memory.rows.iter().map(|r| r.conserved / n_atoms).collect();
    let (slope, error) = regression(&time, &energy);
    let charges: Vec<f64> = memory.rows.iter().map(|r| r.energies.electrode_charges[1]).collect();
    let spread = charges.iter().fold(f64::MIN, |m, &q| m.max(q)) - charges.iter().fold(f64::MAX, |m, &q| m.min(q));
    println!("drift {slope:.4} ± {error:.4} kJ/mol/ns/atom, charge of the upper sheet over a range of {spread:.3} e");
    assert!(slope.abs() + 2.0 * error < 0.1, "{slope} ± {error}");
    assert!(spread > 0.01, "the charges must have moved");
    // with the work of the source and the self terms left out, the sum is not conserved
    let without: Vec<f64> =
        memory.rows.iter().map(|r| (r.conserved - r.energies.electrode.unwrap_or(0.0)) / n_atoms).collect();
    let deviation = |e: &[f64]| {
        let mean = e.iter().sum::<f64>() / e.len() as f64;
        (e.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / e.len() as f64).sqrt()
    };
    assert!(deviation(&without) > 5.0 * deviation(&energy), "{} {}", deviation(&without), deviation(&energy));
}

#[test]
fn a_run_cut_at_a_checkpoint_continues_bit_for_bit() {
    let (system, state) = graphene(1.0);
    let bath = ThermostatSpec::Csvr { temperature: TEMPERATURE, time_constant: 0.1 };
    let (memory, whole) = run(&system, state.clone(), bath, 400, 40, 2);
    let (_, one_thread) = run(&system, state, bath, 400, 40, 1);
    assert_eq!(one_thread, whole, "threads");
    let KeptMoment { stage_step: step, state: cut, kinetic, heat, chain, electrodes, .. } =
        memory.checkpoints[0].clone();
    assert_eq!(step, 200);
    // what is stored are the charges of the step that follows
    let logged = memory.rows.iter().find(|row| row.step == cut.step).expect("a row").energies.electrode_charges;
    let names: Vec<&str> = electrodes.iter().map(|e| e.0.as_str()).collect();
    assert_eq!(names, ["lower", "upper"]);
    let sums: Vec<f64> = electrodes.iter().map(|e| e.1.iter().sum()).collect();
    assert_eq!(sums, logged[..2]);
    assert!(
        sums[1].abs() > 0.01 && electrodes[1].1.iter().any(|q| (q / electrodes[1].1[0] - 1.0).abs() > 0.1),
        "{sums:?}"
    );
    let plan = stage(&system, &cut, bath, 400, 40);
    let resume = |backend: Box<dyn Backend>, electrodes: Vec<(String, Vec<f64>)>| {
        let mut engine = Engine::new(&system, backend, cut.clone());
        (engine.kinetic, engine.heat, engine.chain) = (kinetic, heat, chain.clone());
        let same_backend = engine.backend.name() == "cpu";
        engine.stored = Some(StoredCharges { electrodes, same_backend });
        let mut rest = Memory::default();
        // of another backend a few steps will do
        let n_steps = if same_backend { 400 } else { step + 2 };
        let plan = StagePlan { schedule: Schedule { n_steps, ..plan.schedule.clone() }, ..plan.clone() };
        engine.run_stage(&plan, step, &mut rest).map(|_| (engine.state, rest))
    };
    let cpu = || Box::new(CpuBackend::new(&system, Some(2)).expect("the cpu backend runs electrodes"));
    let (state, rest) = resume(cpu(), electrodes.clone()).expect("the run is stable");
    assert_eq!(state, whole);
    assert_eq!(rest.warnings, Vec::<String>::new());
    assert_eq!(rest.checkpoints.last().expect("the end").electrodes, memory.checkpoints.last().expect("it").electrodes);
    // rounding is told of, and only by the backend that promises bits
    let changed = |by: f64| {
        let mut electrodes = electrodes.clone();
        electrodes[1].1[17] += by;
        electrodes
    };
    let (same, told) = resume(cpu(), changed(1e-12)).expect("rounding");
    assert_eq!(same, whole);
    assert!(told.warnings.len() == 1 && told.warnings[0].contains("will not be bit-identical"), "{:?}", told.warnings);
    let twin = || Box::new(ReferenceBackend::new(&system).expect("runs"));
    let (_, other) = resume(twin(), electrodes.clone()).expect("another backend");
    assert_eq!(other.warnings, Vec::<String>::new());
    // and anything else ends the run before it goes on
    for backend in [cpu() as Box<dyn Backend>, twin()] {
        let done = resume(backend, changed(1e-5)).map(|_| ());
        let error = done.expect_err("another charge").to_string();
        assert!(
            error.contains("atom 18 of `upper` had") && error.contains("at step 200 cannot be continued"),
            "{error}"
        );
    }
    assert_eq!(
        rest.rows,
        memory.rows[memory.rows.len() - rest.rows.len()..],
        "log rows, charges of electrodes among them"
    );
    assert!(whole.positions.iter().take(480).eq(memory.checkpoints[0].state.positions.iter().take(480)), "frozen");
}

/// A frame in the middle of a list: by the whole list it finds what the next step finds by the part that was kept, to the bit, and the steps
/// after it are those of a run that nobody looked at.
#[test]
fn looking_at_charges_changes_no_step() {
    let (system, state) = warm(1.0);
    let go = |look: bool| {
        let mut backend = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs electrodes");
        backend.load(&state).expect("loads");
        let list = backend.build_neighbors(1.1).expect("loaded");
        backend.set_neighbors(list).expect("the right kind");
        let mut charges = Vec::new();
        for (first_step, n_steps) in [(0, 7), (7, 6), (13, 7)] {
            if look {
                charges = backend.charges().expect("loaded").expect("electrodes");
            }
            let chunk = Chunk { report: true, ..Chunk::new(first_step, n_steps, 0.002) };
            let done = backend.advance(&chunk).expect("the run is stable");
            if look {
                let logged = done.first.expect("reported").energies.electrode_charges;
                assert_eq!(electrode_charges(&system.external, &charges), logged, "step {first_step}");
            }
        }
        let mut after = state.clone();
        backend.store(&mut after).expect("loaded");
        (after, charges)
    };
    let ((looked, charges), (untouched, _)) = (go(true), go(false));
    assert_eq!(looked, untouched);
    let mut backend = CpuBackend::new(&system, Some(2)).expect("the cpu backend runs electrodes");
    backend.load(&state).expect("loads");
    let list = backend.build_neighbors(1.1).expect("loaded");
    backend.set_neighbors(list).expect("the right kind");
    let before = backend.charges().expect("loaded").expect("electrodes");
    assert!(before.iter().zip(&charges).any(|(a, b)| (a - b).abs() > 1e-4), "charges have changed since");
}
