//! Steps of molecules with virtual sites, constraints and bonded terms on the device against the f64 reference.

use crate::dynamics::{CSVR, KeptMoment, Memory};
use crate::support::compare::{assert_relative, relative_error};
use crate::support::gpu::{edited, half, load, oracle, rounded, with_options, with_shaders};
use crate::support::molecules::tip4p_2005;
use crate::support::systems::truncated;
use glam::{DMat3, DVec3};
use hexaqua::cell::Cell;
use hexaqua::dynamics::Engine;
use hexaqua::dynamics::engine::StagePlan;
use hexaqua::dynamics::minimise::{MinimisePlan, minimise};
use hexaqua::dynamics::schedule::Schedule;
use hexaqua::forces::gpu::GpuOptions;
use hexaqua::forces::gpu::shader::Shaders;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::integrate::Integrator;
use hexaqua::forces::reference::virtual_sites;
use hexaqua::forces::{Backend, Chunk, ChunkReport, LangevinStep};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::bonded::{Bonded, DistanceConstraint, HarmonicAngle, HarmonicBond, PeriodicDihedral, VirtualSite};
use hexaqua::system::spec::{BarostatSpec, PressureCoupling, ThermostatSpec};
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Coulomb, External, PositionRestraint, State, System, Topology};
use hexaqua::units::{BOLTZMANN, COULOMB};

const EPSILON: f64 = f32::EPSILON as f64;
const CUTOFF: f64 = 0.85;
/// Largest force constant of a bond of the additive, kJ mol⁻¹ nm⁻².
const STIFFEST: f64 = 462_750.0;

fn cell() -> Cell {
    let cell = Cell::new(DVec3::new(1.95, 0.0, 0.0), DVec3::new(0.5, 1.9, 0.0), DVec3::new(-0.4, 0.6, 2.0));
    cell.expect("valid")
}

/// C, three H, O, H as in methanol, with a charged site off the plane of C, O, H and one on the line from C to O.
fn additive(sites: bool) -> (Species, Vec<DVec3>) {
    let atom = |name: &str, charge, mass| SpeciesAtom {
        name: name.into(),
        element: name[..1].into(),
        type_id: 3 + u32::from(name.starts_with('H')),
        charge,
        mass,
    };
    let mut atoms = vec![
        atom("C", 0.1, 12.011),
        atom("H1", 0.05, 1.008),
        atom("H2", 0.05, 1.008),
        atom("H3", 0.05, 1.008),
        atom("O", -0.3, 15.999),
        atom("HO", 0.4, 1.008),
    ];
    let mut positions = vec![
        DVec3::ZERO,
        DVec3::new(0.109, 0.0, 0.0),
        DVec3::new(-0.036, 0.103, 0.0),
        DVec3::new(-0.036, -0.051, 0.089),
        DVec3::new(-0.047, -0.067, -0.117),
        DVec3::new(0.02, -0.03, -0.176),
    ];
    let mut virtual_sites = Vec::new();
    if sites {
        atoms.extend([atom("MP", -0.2, 0.0), atom("ML", -0.15, 0.0)]);
        virtual_sites = vec![
            VirtualSite { site: 6, parents: [4, 0, 5], a: -0.2, b: 0.1, c: 2.5 },
            VirtualSite { site: 7, parents: [0, 4, 4], a: 1.2, b: 0.0, c: 0.0 },
        ];
        for site in &virtual_sites {
            let [i, j, k] = site.parents.map(|p| positions[p as usize]);
            positions.push(i + virtual_sites::offset(site, j - i, k - i));
        }
    }
    let bond = |a, b, length, k| HarmonicBond { atoms: [a, b], length, k };
    let angle = |atoms, angle, k| HarmonicAngle { atoms, angle, k };
    let bonded = Bonded {
        bonds: vec![
            bond(0, 1, 0.109, 284_512.0),
            bond(0, 2, 0.109, 284_512.0),
            bond(0, 3, 0.109, 284_512.0),
            bond(0, 4, 0.141, 267_776.0),
            bond(4, 5, 0.0945, STIFFEST),
        ],
        angles: vec![
            angle([1, 0, 2], 1.88, 276.0),
            angle([1, 0, 3], 1.88, 276.0),
            angle([2, 0, 4], 1.91, 292.0),
            angle([0, 4, 5], 1.89, 460.0),
        ],
        dihedrals: vec![PeriodicDihedral {
            atoms: [1, 0, 4, 5],
            phase: 0.0,
            k: 0.9,
            multiplicity: 3,
            is_improper: false,
        }],
        ..Bonded::default()
    };
    let n = atoms.len() as u32;
    let species = Species {
        name: "additive".into(),
        residue: "ADD".into(),
        atoms,
        exclusions: (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect(),
        bonded,
        virtual_sites,
        ..Species::default()
    };
    (species, positions)
}

/// Waters of four sites and additives, on a lattice in random orientations, some in other images.
fn mixture(additive: (Species, Vec<DVec3>), coulomb: Coulomb, seed: u64) -> (System, State) {
    let types = ["OW", "HW", "MW", "X", "H"].map(String::from).to_vec();
    let sequence: Vec<u32> = (0..45).map(|m| u32::from(m % 4 == 1)).collect();
    let water = tip4p_2005();
    let geometry = water.rigid_water.expect("rigid");
    let height = (geometry.d_oh.powi(2) - 0.25 * geometry.d_hh.powi(2)).sqrt();
    let mut of_water =
        vec![DVec3::ZERO, DVec3::new(0.5 * geometry.d_hh, height, 0.0), DVec3::new(-0.5 * geometry.d_hh, height, 0.0)];
    of_water.push(virtual_sites::offset(&water.virtual_sites[0], of_water[1], of_water[2]));
    let templates = [of_water, additive.1];
    let topology = Topology::new(types, vec![water, additive.0], &sequence);
    let lj = [(0.31589, 0.7749), (0.0, 0.0), (0.0, 0.0), (0.33, 0.4), (0.2, 0.1)];
    let system = System {
        topology,
        pair_table: PairTable::mixed(&lj, |_, _| Mixing::LorentzBerthelot),
        interactions: truncated(CUTOFF, coulomb),
        restraints: Vec::new(),
        external: External::default(),
    };
    let cell = cell();
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut positions = Vec::new();
    for (m, &species) in sequence.iter().enumerate() {
        let at = DVec3::new((m % 4) as f64, (m / 4 % 4) as f64, (m / 16) as f64) / DVec3::new(4.0, 4.0, 3.0);
        let image = cell.vectors() * DVec3::new(f64::from(m as u32 % 3) - 1.0, 0.0, f64::from(m as u32 % 2));
        let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal());
        let x = vector().normalize();
        let y = x.cross(vector()).normalize();
        let turn = DMat3::from_cols(x, y, x.cross(y));
        let origin = cell.to_cartesian(at) + image;
        positions.extend(templates[species as usize].iter().map(|&r| origin + turn * r));
    }
    let mut state = State::at_rest(cell, positions);
    // contacts of a lattice would make rounding of forces, not of steps, the largest error
    let mut backend = ReferenceBackend::new(&system).expect("valid");
    let plan = MinimisePlan { max_force: 1000.0, max_steps: 400, list_radius: CUTOFF + 0.05 };
    minimise(&system, &mut backend, &mut state, &plan, |_, _, _| ()).expect("a box that relaxes");
    for (v, &mass) in state.velocities.iter_mut().zip(&system.topology.masses) {
        let speed = if mass > 0.0 { (BOLTZMANN * 300.0 / mass).sqrt() } else { 0.0 };
        *v = speed * DVec3::new(draws.normal(), draws.normal(), draws.normal());
    }
    let integrator = Integrator::new(&system.topology);
    integrator.constrain_positions(&cell, &mut state.positions);
    integrator.project_velocities(&cell, &state.positions, &mut state.velocities);
    (system, state)
}

/// A few steps of device and reference from one state.
fn steps(system: &System, state: &State, chunk: &Chunk, shaders: &Shaders) -> Option<[(State, ChunkReport); 2]> {
    steps_with(GpuOptions::default(), system, state, chunk, shaders)
}

fn steps_with(
    options: GpuOptions,
    system: &System,
    state: &State,
    chunk: &Chunk,
    shaders: &Shaders,
) -> Option<[(State, ChunkReport); 2]> {
    let mut gpu = with_options(system, shaders, options)?;
    let state = rounded(state);
    load(&mut gpu, system, &state, CUTOFF + 0.05);
    let mut oracle = oracle(system, &state, CUTOFF + 0.05);
    let run = |backend: &mut dyn Backend| {
        let report = backend.advance(chunk).expect("the step succeeds");
        let mut end = state.clone();
        backend.store(&mut end).expect("the state comes back");
        (end, report)
    };
    Some([run(&mut gpu), run(&mut oracle)])
}

/// Positions to `nm`, velocities to 1e3 times that per ps, sums to 1e-5 of the kinetic energy, virial to 2e-5 of its largest
/// element.
fn compare(system: &System, state: &State, chunk: &Chunk, nm: f64, shaders: &Shaders) -> Option<Result<(), String>> {
    let ends = steps(system, state, chunk, shaders)?;
    Some(judge(system, chunk, nm, ends))
}

fn judge(system: &System, chunk: &Chunk, nm: f64, [(a, x), (b, y)]: [(State, ChunkReport); 2]) -> Result<(), String> {
    let within = |what: &str, value: f64, expected: f64, limit: f64| {
        // written so that NaN is off
        if (value - expected).abs() <= limit {
            Ok(())
        } else {
            Err(format!("{what}: {value:e}, {expected:e}, {limit:e}"))
        }
    };
    for i in 0..a.n_atoms() {
        let name = system.topology.describe_atom(i);
        // an offset of 0.17 nm takes four roundings; a constraint of 0.1 nm answers an error in |r|² - d² of 4 ε d² by
        // moving its atoms by 2 ε d
        let rounding = EPSILON * if system.topology.masses[i] == 0.0 { 4.0 * 0.17 } else { 2.0 * 0.1 };
        within(&format!("position of {name}"), (a.positions[i] - b.positions[i]).length(), 0.0, nm + rounding)?;
        within(&format!("velocity of {name}"), (a.velocities[i] - b.velocities[i]).length(), 0.0, 1e3 * nm)?;
    }
    let (f, g) = (x.first.expect("asked for"), y.first.expect("asked for"));
    // Coulomb terms cancel: 1e-6 of the sum of their magnitudes, k_e q² / 0.1 nm for every atom
    let charges: f64 = system.topology.charges.iter().map(|q| COULOMB * q * q / 0.1).sum();
    for ((name, u), (_, v)) in f.energies.terms().iter().zip(g.energies.terms()) {
        if !name.starts_with("coulomb") {
            // bonds near their length: each distance is rounded by an ulp, ΔU = k |r - r0| ε r, at random over the bonds
            let rounding = if *name == "bond" { EPSILON * 0.15 * (2.0 * STIFFEST / v).sqrt() } else { 0.0 };
            within(name, relative_error(*u, v), 0.0, 5e-6 + rounding)?;
        }
    }
    within("coulomb", f.energies.coulomb(), g.energies.coulomb(), 1e-6 * charges)?;
    let scale = 1e-5 * y.kinetic_end;
    within("kinetic before", f.kinetic_before, g.kinetic_before, scale)?;
    within("kinetic after", f.kinetic_after, g.kinetic_after, scale)?;
    within("kick", f.kick, g.kick, scale)?;
    within("kinetic end", x.kinetic_end, y.kinetic_end, scale)?;
    within("bath heat", x.bath_heat, y.bath_heat, scale)?;
    let elements = |m: DMat3| m.to_cols_array();
    let largest = elements(g.virial).iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // a constraint force answers an error in |r|² - d² of about 4 ε d² with m d² 2 ε / dt² of virial, at random
    let noise = 2.0 * EPSILON * 0.01 / chunk.dt.powi(2) * (system.topology.n_constraints() as f64).sqrt();
    elements(f.virial)
        .iter()
        .zip(elements(g.virial))
        .try_for_each(|(u, v)| within("virial", *u, v, 2e-5 * largest + noise))
}

type Edit = (&'static str, &'static str, &'static str);

/// One step to 2e-8 nm, which every edit has to spoil.
fn accept_and_reject(system: &System, state: &State, chunk: &Chunk, edits: &[Edit]) {
    let Some(outcome) = compare(system, state, chunk, 2e-8, &Shaders::embedded()) else { return };
    outcome.unwrap_or_else(|why| panic!("{why}"));
    for &(file, from, to) in edits {
        let Some(outcome) = compare(system, state, chunk, 2e-8, &edited(file, from, to)) else { return };
        assert!(outcome.is_err(), "{file} with '{to}' instead of '{from}' was not noticed");
    }
}

const REACTION_FIELD: Coulomb = Coulomb::ReactionField { epsilon: f64::INFINITY };
const MESH: Coulomb = Coulomb::Pme { beta: 3.3, grid: [20, 20, 21], order: 5 };
const BATH: LangevinStep = LangevinStep { temperature: 300.0, friction: 20.0, seed: 0x1234_5678_9abc_def0 };

fn one_step(dt: f64) -> Chunk {
    Chunk { report: true, remove_com: true, max_displacement: 0.1, ..Chunk::new(5_000_000_000, 1, dt) }
}

#[test]
fn virtual_sites_match_their_twin() {
    for coulomb in [REACTION_FIELD, MESH, Coulomb::Ewald { beta: 3.3, n_max: [6; 3], n_sq_max: None }] {
        let (system, state) = mixture(additive(true), coulomb, 1);
        let edits: &[Edit] = if coulomb == REACTION_FIELD {
            &[
                ("virtual_sites", "term.weights.z * cross(d_k, f)", "1.01 * term.weights.z * cross(d_k, f)"),
                ("virtual_sites", "f - f_j - f_k", "f - f_j"),
                ("virtual_sites", "- at_site * f", "- 1.01 * at_site * f"),
                (
                    "virtual_sites",
                    "term.weights.y * d_k + term.weights.z * cross(d_j, d_k);\n        //",
                    "term.weights.y * d_k;\n        //",
                ),
                ("virtual_sites", "at + fixed_displacement", "at + vec3<i32>(1000) + fixed_displacement"),
            ]
        } else {
            &[]
        };
        accept_and_reject(&system, &state, &one_step(0.001), edits);
    }
}

/// Many steps with a bath: sites follow their parents, nothing massless is integrated, and a run repeats bit for bit.
#[test]
fn sites_follow_their_parents() {
    let (system, state) = mixture(additive(true), REACTION_FIELD, 2);
    let chunk = Chunk { n_steps: 20, langevin: Some(BATH), ..one_step(0.0005) };
    let Some([(a, x), (b, _)]) = steps(&system, &state, &chunk, &Shaders::embedded()) else { return };
    let far = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    println!("{far:.1e} nm from the reference after 20 steps");
    assert!(far < 2e-6, "{far:e} nm from the reference");
    let mut built = a.positions.clone();
    virtual_sites::construct(&system.topology, &a.cell, &mut built);
    let off = a.positions.iter().zip(&built).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert!(off < 4.0 * EPSILON * 0.17, "sites are {off:e} nm off");
    let massless = (0..a.n_atoms()).filter(|&i| system.topology.masses[i] == 0.0);
    assert!(massless.into_iter().all(|i| a.velocities[i] == DVec3::ZERO));
    let Some([(again, y), _]) = steps(&system, &state, &chunk, &Shaders::embedded()) else { return };
    assert_eq!((a, x), (again, y));
    for (o, water) in system.topology.rigid_waters() {
        assert_relative("bond", b.cell.minimum_image(built[o + 1] - built[o]).length(), water.d_oh, 1e-6);
    }
}

/// The additive with the bonds between `pairs` constrained; a pair that is no bond keeps the distance of the template.
fn constrained(sites: bool, pairs: &[[u32; 2]]) -> (Species, Vec<DVec3>) {
    let (mut species, positions) = additive(sites);
    for &atoms in pairs {
        let bonds = &mut species.bonded.bonds;
        let length = match bonds.iter().position(|bond| bond.atoms == atoms) {
            Some(k) => bonds.remove(k).length,
            None => (positions[atoms[0] as usize] - positions[atoms[1] as usize]).length(),
        };
        species.constraints.push(DistanceConstraint { atoms, length });
    }
    (species, positions)
}

/// Bonds to hydrogen; all bonds; all bonds and a rigid methyl group, whose constraints close rings.
const CONSTRAINED: [&[[u32; 2]]; 3] = [
    &[[0, 1], [0, 2], [0, 3], [4, 5]],
    &[[0, 1], [4, 5], [0, 4], [0, 3], [0, 2]],
    &[[0, 1], [0, 2], [0, 3], [0, 4], [4, 5], [1, 2], [3, 2], [1, 3]],
];

#[test]
fn constraints_match_their_twin() {
    for (k, pairs) in CONSTRAINED.into_iter().enumerate() {
        let (system, state) = mixture(constrained(k == 1, pairs), REACTION_FIELD, 10 + k as u64);
        assert!(system.topology.n_constraints() > 3 * 33 + 11 * 3);
        let leap_frog = Chunk { velocity_scale: 0.97, ..one_step(0.002) };
        let edits: &[Edit] = match k {
            2 => &[
                ("constraints", "ITERATIONS: u32 = 8u", "ITERATIONS: u32 = 1u"),
                ("constraints", "v = v + correction / params.dt", "v = v + 0.99 * correction / params.dt"),
                ("constraints", "matrix[at] - factor * matrix", "matrix[at] - 0.5 * factor * matrix"),
                ("constraints", "g * s[c] * s[c]", "1.01 * g * s[c] * s[c]"),
                ("constraints", "g * s_off[c]", "0.99 * g * s_off[c]"),
                ("constraints", "sum - solution[c]", "sum - 1.001 * solution[c]"),
            ],
            _ => &[],
        };
        accept_and_reject(&system, &state, &leap_frog, edits);
        let langevin = Chunk { langevin: Some(BATH), ..one_step(0.002) };
        let edits: &[Edit] = match k {
            1 => &[
                ("constraints", "params.dt * kicked.impulse", "0.9 * params.dt * kicked.impulse"),
                ("constraints", "params.decay * kicked.v", "0.999 * params.decay * kicked.v"),
                ("constraints", "-rate)", "-0.9 * rate)"),
                ("constraints", "select(0.0, w_i, a.x == b.y)", "select(0.0, w_j, a.x == b.y)"),
            ],
            _ => &[],
        };
        accept_and_reject(&system, &state, &langevin, edits);
    }
}

/// Distances stay, velocities along them vanish, and a run repeats bit for bit; with and without a bath.
#[test]
fn constrained_distances_stay_over_many_steps() {
    for (k, langevin) in [None, Some(BATH)].into_iter().enumerate() {
        let (system, state) = mixture(constrained(true, CONSTRAINED[2]), REACTION_FIELD, 20);
        let chunk = Chunk { n_steps: 20, langevin, max_displacement: 1.0, ..one_step(0.001) };
        let Some([(a, x), (b, _)]) = steps(&system, &state, &chunk, &Shaders::embedded()) else { return };
        let far = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
        let mut worst = (0.0f64, 0.0f64);
        for m in 0..system.topology.molecules.len() {
            let first = system.topology.atoms_of(m).start;
            for c in &system.topology.species_of(m).constraints {
                let [i, j] = c.atoms.map(|atom| first + atom as usize);
                let d = a.cell.minimum_image(a.positions[i] - a.positions[j]);
                worst.0 = worst.0.max((d.length() / c.length - 1.0).abs());
                let v = a.velocities[i] - a.velocities[j];
                // v(n+1/2) belongs to the middle of the step: seen from the bond of n+1 it has half of what turning does
                worst.1 = worst.1.max((v.dot(d) - 0.5 * v.length_squared() * chunk.dt).abs() / c.length);
            }
        }
        println!("case {k}: lengths off by {:.1e}, {far:.1e} nm from the reference", worst.0);
        assert!(worst.0 < 1e-6, "lengths are off by {:e}", worst.0);
        // with a bath the two halves of a drift have velocities of their own
        assert!(langevin.is_some() || worst.1 < 1e-3, "{} nm/ps along a bond", worst.1);
        assert!(far < 2e-5, "{far:e} nm from the reference");
        let Some([(again, y), _]) = steps(&system, &state, &chunk, &Shaders::embedded()) else { return };
        assert_eq!((a, x), (again, y));
    }
}

/// Additives with restrained atoms (some with bonded terms, one without), frozen waters and a frozen additive.
fn held(seed: u64) -> (System, State) {
    let (mut system, mut state) = mixture(additive(true), REACTION_FIELD, seed);
    let topology = &mut system.topology;
    for m in [0, 5, 6] {
        topology.atoms_of(m).for_each(|i| topology.frozen[i] = true);
    }
    for (v, _) in state.velocities.iter_mut().zip(&topology.frozen).filter(|(_, frozen)| **frozen) {
        *v = DVec3::ZERO;
    }
    let mut draws = Draws::new(seed, Stream::Build, 1);
    for (m, local) in [(1, 0), (1, 4), (2, 0), (9, 2), (13, 5), (17, 0)] {
        let atom = topology.atoms_of(m).start + local;
        let off = DVec3::new(draws.normal(), draws.normal(), draws.normal()) * 0.02;
        system.restraints.push(PositionRestraint {
            atom: atom as u32,
            reference: state.positions[atom] + off,
            k: DVec3::new(1000.0, 2000.0 * f64::from(local as u32 % 2), 5e4),
        });
    }
    (system, state)
}

#[test]
fn restraints_and_frozen_atoms_match_their_twin() {
    let (system, state) = held(30);
    let edits: &[Edit] = &[
        ("bonded", "force - term.a.xyz * away", "force - 1.0001 * term.a.xyz * away"),
        ("bonded", "0.5 * dot(term.a.xyz * away", "0.50005 * dot(term.a.xyz * away"),
        ("momentum", "inv_total_mass * partials", "0.99 * inv_total_mass * partials"),
    ];
    accept_and_reject(&system, &state, &one_step(0.001), edits);
    let chunk = Chunk { n_steps: 20, langevin: Some(BATH), ..one_step(0.0005) };
    let Some([(a, _), (b, _)]) = steps(&system, &state, &chunk, &Shaders::embedded()) else { return };
    let start = rounded(&state);
    for i in (0..a.n_atoms()).filter(|&i| system.topology.frozen[i] && system.topology.masses[i] > 0.0) {
        assert_eq!((a.positions[i], a.velocities[i]), (start.positions[i], DVec3::ZERO), "atom {i} is frozen");
    }
    let far = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
    assert!(far < 2e-6, "{far:e} nm from the reference");
}

/// The device would pull to the nearest image of a place; the backend says so instead.
#[test]
fn a_restraint_in_another_image_is_refused() {
    let (mut system, state) = held(31);
    system.restraints[2].reference += state.cell.vectors().y_axis;
    let Some(mut gpu) = with_shaders(&system, &Shaders::embedded()) else { return };
    let error = gpu.load(&state).expect_err("another image").to_string();
    assert!(error.contains("OW of TIP4P/2005 (molecule 3)") && error.contains("half the cell"), "{error}");
}

/// With shared integer force sums: the same steps, forces rounded to 2⁻¹² kJ/mol/nm.
#[test]
fn molecules_work_with_the_half_list() {
    let (mut system, state) = mixture(constrained(true, CONSTRAINED[0]), MESH, 40);
    let atom = system.topology.atoms_of(1).start;
    let reference = state.positions[atom] + DVec3::splat(0.01);
    system.restraints.push(PositionRestraint { atom: atom as u32, reference, k: DVec3::splat(5000.0) });
    for langevin in [None, Some(BATH)] {
        let chunk = Chunk { langevin, ..one_step(0.002) };
        for subgroups in [false, true] {
            let ends = steps_with(half(subgroups), &system, &state, &chunk, &Shaders::embedded());
            let Some(ends) = ends else { return };
            judge(&system, &chunk, 2e-8, ends).unwrap_or_else(|why| panic!("{why}"));
        }
    }
}

/// A bond so strained that a force leaves the range of one word: the batch is repeated with sums of two.
#[test]
fn a_force_beyond_one_word_is_summed_in_two() {
    let (system, mut state) = mixture(constrained(true, CONSTRAINED[0]), REACTION_FIELD, 41);
    // the site of the C-O line goes with it
    let oxygen = system.topology.atoms_of(1).start + 4;
    let stretch = (state.positions[oxygen] - state.positions[oxygen - 4]).normalize() * 0.12;
    (oxygen..oxygen + 2).for_each(|atom| state.positions[atom] += stretch);
    virtual_sites::construct(&system.topology, &state.cell, &mut state.positions);
    let chunk = Chunk { max_displacement: 1.0, ..one_step(0.0002) };
    let Some(ends) = steps_with(half(false), &system, &state, &chunk, &Shaders::embedded()) else { return };
    judge(&system, &chunk, 1e-7, ends).unwrap_or_else(|why| panic!("{why}"));
    let mut gpu = with_options(&system, &Shaders::embedded(), half(false)).expect("it was there before");
    load(&mut gpu, &system, &rounded(&state), CUTOFF + 0.05);
    gpu.advance(&chunk).expect("the step succeeds");
    assert_eq!(gpu.n_repeated(), 1);
}

const NOSE_HOOVER: ThermostatSpec =
    ThermostatSpec::NoseHoover { temperature: 300.0, time_constant: 0.2, chain_length: 3 };

/// Twenty-step lists, coupled to pressure and temperature with every one of them.
fn constant_pressure(thermostat: ThermostatSpec) -> StagePlan {
    let schedule = Schedule {
        n_steps: 80,
        neighbor: 20,
        couple: 20,
        pressure: 20,
        com: 40,
        log: 20,
        trajectory: 0,
        checkpoint: 40,
        samples: vec![],
    };
    let coupling = PressureCoupling::SemiIsotropic;
    let barostat = BarostatSpec { pressure: 1.0, time_constant: 2.0, compressibility: 4.5e-5, coupling };
    StagePlan {
        name: "test".into(),
        dt: 0.001,
        seed: 7,
        thermostat,
        barostat: Some(barostat),
        piston_friction: 0.0,
        schedule,
        list_radius: CUTOFF + 0.08,
        log_end: true,
    }
}

/// Stochastic cell rescaling and Nosé–Hoover chains, which the host decides between batches: the trajectory of the reference,
/// the same bits twice, and the same bits after a restart.
#[test]
fn constant_pressure_follows_the_reference_and_resumes_bit_for_bit() {
    for thermostat in [NOSE_HOOVER, CSVR] {
        let (system, state) = mixture(constrained(true, CONSTRAINED[0]), MESH, 50);
        let state = rounded(&state);
        let plan = constant_pressure(thermostat);
        let run = |backend: Box<dyn Backend>, from: Option<&KeptMoment>| {
            let mut engine = Engine::new(&system, backend, from.map_or(&state, |moment| &moment.state).clone());
            let mut start = 0;
            if let Some(moment) = from {
                (engine.kinetic, engine.heat, engine.chain) = (moment.kinetic, moment.heat, moment.chain.clone());
                start = moment.stage_step;
            }
            let mut memory = Memory::default();
            engine.run_stage(&plan, start, &mut memory).expect("the run is stable");
            (engine.state.clone(), memory)
        };
        let device = || with_shaders(&system, &Shaders::embedded()).map(|gpu| -> Box<dyn Backend> { Box::new(gpu) });
        let Some(gpu) = device() else { return };
        let (a, seen) = run(gpu, None);
        let (b, expected) = run(Box::new(ReferenceBackend::new(&system).expect("valid")), None);
        let far = a.positions.iter().zip(&b.positions).map(|(a, b)| (*a - *b).length()).fold(0.0, f64::max);
        let heights = |state: &State| DVec3::from_array(state.cell.heights());
        let (start, end, other) = (heights(&state), heights(&a), heights(&b));
        println!("{thermostat:?}: heights {start} to {end}, {far:.1e} nm from the reference");
        assert!((end - start).abs().min_element() > 1e-4, "the cell has changed in every direction");
        assert!((end - other).length() < 1e-5, "{end} and {other}");
        assert!(far < 1e-4, "{far:e} nm from the reference");
        assert_eq!(seen.rows.len(), expected.rows.len());
        for (x, y) in seen.rows.iter().zip(&expected.rows) {
            assert!((x.volume - y.volume).abs() < 1e-5 * y.volume, "volume {} and {}", x.volume, y.volume);
            let scale = y.kinetic;
            assert!((x.conserved - y.conserved).abs() < 1e-3 * scale, "conserved {} and {}", x.conserved, y.conserved);
        }
        let Some(gpu) = device() else { return };
        assert_eq!(run(gpu, None).0, a, "{thermostat:?}: twice");
        let Some(gpu) = device() else { return };
        let cut = &seen.checkpoints[0];
        assert_eq!(cut.stage_step, 40);
        let (resumed, rest) = run(gpu, Some(cut));
        assert_eq!(resumed, a, "{thermostat:?}: restart");
        assert_eq!(rest.rows, seen.rows[seen.rows.len() - rest.rows.len()..]);
    }
}
