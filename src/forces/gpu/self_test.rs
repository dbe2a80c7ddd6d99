//! Self-test of a device against the f64 reference: every kernel that a run can be made of, in boxes of water of three and of
//! four sites, ions, and molecules with bonds and constraints.
//!
//! A small box takes the full list, with the direct Ewald sum and with the mesh. A larger one takes the half list as runs do:
//! pruned on the device, with the thermostat, with force sums of one word and of two, with subgroup operations (where the
//! device has them) and without, and with the pair table in workgroup memory and out of it. Two ions that collide tell whether
//! a sum that overflows is noticed.

use super::device::{AdapterSelector, DeviceOptions};
use super::nonbonded::PairKernel;
use super::shader::Shaders;
use super::{Backend, GpuBackend, GpuOptions};
use crate::cell::Cell;
use crate::forces::reference::{ReferenceBackend, ewald::choose_n_max, exclusions::ewald_self_energy};
use crate::forces::{Chunk, CsvrDraw, Evaluation, FirstStep, ForceError, LangevinStep};
use crate::math::ewald_beta;
use crate::neighbor::packed::PackedList;
use crate::neighbor::{NeighborList, full, pairs};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairTable;
use crate::random::{Draws, Stream};
use crate::system::bonded::{Bonded, DistanceConstraint, HarmonicAngle, HarmonicBond, VirtualSite};
use crate::system::topology::{RigidWater, Species, SpeciesAtom};
use crate::system::{Coulomb, External, Interactions, LjModifier, State, System, Topology};
use crate::units::BOLTZMANN;
use glam::{DQuat, DVec3};
use std::sync::Arc;

/// Largest relative rms difference of the forces that passes.
pub const FORCE_TOLERANCE: f64 = 1e-5;
/// Largest difference of the energy, relative to the Ewald self energy (the largest number in its sum), that passes.
pub const ENERGY_TOLERANCE: f64 = 5e-6;
/// Largest distance between an atom of the device and of the reference after some steps that passes, nm.
pub const POSITION_TOLERANCE: f64 = 1e-6;
/// Largest difference of the velocities of ions that collide, relative to the faster one, that passes.
pub const COLLISION_TOLERANCE: f64 = 1e-5;

const CUTOFF: f64 = 0.9;
/// Steps of the small box, and their length, ps.
const STEPS: u32 = 5;
const DT: f64 = 0.002;
/// Sites along an edge of the small and of the larger box.
const SMALL: u32 = 4;
const LARGE: u32 = 7;
/// Types in use, and so many that their pairs do not fit in workgroup memory.
const FEW_TYPES: usize = 5;
const MANY_TYPES: usize = 9;
/// Steps of the larger box: every part of the list is pruned at least once, and the rows that come first twice.
const HALF_STEPS: u32 = 12;
const HALF_DT: f64 = 0.001;
/// Radius of the half list and the one it is pruned to, nm: no atom of the box moves half of what they exceed the cutoff by.
const OUTER: f64 = 1.1;
const INNER: f64 = 1.0;

/// One number that was compared with the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// What differs, with its unit.
    pub name: &'static str,
    pub value: f64,
    /// The largest that passes.
    pub limit: f64,
}

/// One box on one set of kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Atoms, method and variant.
    pub what: String,
    /// Entry points that ran, as the device was told to run them.
    pub kernels: Vec<String>,
    pub measures: Vec<Measure>,
}

impl Check {
    pub fn passed(&self) -> bool {
        // written so that NaN fails
        !self.measures.is_empty() && self.measures.iter().all(|m| m.value < m.limit)
    }
}

/// What a self-test measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SelfTestReport {
    pub device: String,
    pub checks: Vec<Check>,
}

impl SelfTestReport {
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::passed)
    }
}

/// SPC/E waters, one in sixteen of four sites instead and one in sixteen a molecule C–O–H, on a cubic lattice of 0.4875 nm with
/// random orientations, one 2+ and two 1− ions between them; at rest.
///
/// * `n_edge` – sites along an edge
/// * `n_types` – at least [`FEW_TYPES`]; further ones are of no atom
fn test_box(coulomb: Coulomb, n_edge: u32, n_types: usize) -> (System, State) {
    let atom = |name: &str, type_id, charge, mass| SpeciesAtom {
        name: name.into(),
        element: if mass > 0.0 { name[..1].into() } else { String::new() },
        type_id,
        charge,
        mass,
    };
    let (d_oh, d_hh): (f64, f64) = (0.1, 0.163_299_316_185_545);
    let water = Species {
        name: "SPC/E".into(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![atom("OW", 0, -0.8476, 15.9994), atom("HW1", 1, 0.4238, 1.008), atom("HW2", 1, 0.4238, 1.008)],
        bonds: vec![(0, 1), (0, 2)],
        exclusions: vec![(0, 1), (0, 2), (1, 2)],
        rigid_water: Some(RigidWater { d_oh, d_hh }),
        ..Species::default()
    };
    // as TIP4P/2005: J. L. F. Abascal, C. Vega, J. Chem. Phys. 123, 234505 (2005)
    let (four_oh, four_hh): (f64, f64) = (0.095_72, 0.151_390_065);
    let four = Species {
        atoms: vec![
            atom("OW", 0, 0.0, 15.9994),
            atom("HW1", 1, 0.5564, 1.008),
            atom("HW2", 1, 0.5564, 1.008),
            atom("MW", 1, -1.1128, 0.0),
        ],
        exclusions: all_pairs_of(4),
        rigid_water: Some(RigidWater { d_oh: four_oh, d_hh: four_hh }),
        virtual_sites: vec![VirtualSite { site: 3, parents: [0, 1, 2], a: 0.131_938, b: 0.131_938, c: 0.0 }],
        ..water.clone()
    };
    let (d_co, d_alcohol, angle): (f64, f64, f64) = (0.141, 0.0945, 1.89);
    let alcohol = Species {
        name: "C-O-H".into(),
        residue: "COH".into(),
        atoms: vec![atom("C", 4, 0.1, 15.035), atom("O", 0, -0.5, 15.9994), atom("H", 1, 0.4, 1.008)],
        bonds: vec![(0, 1), (1, 2)],
        exclusions: all_pairs_of(3),
        bonded: Bonded {
            bonds: vec![HarmonicBond { atoms: [0, 1], length: d_co + 0.002, k: 267_776.0 }],
            angles: vec![HarmonicAngle { atoms: [0, 1, 2], angle: angle + 0.05, k: 460.0 }],
            ..Bonded::default()
        },
        constraints: vec![DistanceConstraint { atoms: [1, 2], length: d_alcohol }],
        ..Species::default()
    };
    let ion = |name: &str, type_id, charge, mass| Species {
        name: name.into(),
        residue: name.to_uppercase(),
        is_water: false,
        atoms: vec![atom(name, type_id, charge, mass)],
        bonds: Vec::new(),
        exclusions: Vec::new(),
        rigid_water: None,
        ..Species::default()
    };
    let mut types = ["OW", "HW", "ZN", "CL", "C"].map(String::from).to_vec();
    types.extend((FEW_TYPES..n_types).map(|k| format!("unused {k}")));
    let species = vec![water, ion("Zn", 2, 2.0, 65.38), ion("Cl", 3, -1.0, 35.45), four, alcohol];
    let of_site = |k: u32| match k % 16 {
        3 => 3,
        9 => 4,
        _ => 0,
    };
    let sequence: Vec<u32> = (0..n_edge.pow(3)).map(of_site).chain([1, 2, 2]).collect();
    let topology = Topology::new(types, species, &sequence);
    let mut sigma_epsilon = vec![(0.3166, 0.6502), (0.1, 0.0), (0.226, 0.014), (0.483, 0.0535), (0.375, 0.8)];
    sigma_epsilon.resize(n_types, (0.3, 0.5));
    let mut pair_table = PairTable::mixed(&sigma_epsilon, |_, _| Mixing::LorentzBerthelot);
    pair_table.add_c4(0, 2, 0.05);
    let interactions =
        Interactions { cutoff: CUTOFF, lj_modifier: LjModifier::PotentialShift, dispersion_correction: true, coulomb };

    let spacing = 0.4875;
    let mut draws = Draws::new(2026, Stream::Build, 0);
    let mut positions = Vec::new();
    let triangle = |d_oh: f64, d_hh: f64| {
        let height = (d_oh * d_oh - 0.25 * d_hh * d_hh).sqrt();
        [DVec3::ZERO, DVec3::new(0.5 * d_hh, height, 0.0), DVec3::new(-0.5 * d_hh, height, 0.0)]
    };
    let three_sites = triangle(d_oh, d_hh);
    let [o, h1, h2] = triangle(four_oh, four_hh);
    let four_sites = [o, h1, h2, 0.131_938 * (h1 + h2)];
    let bent = DVec3::new(d_co - d_alcohol * angle.cos(), d_alcohol * angle.sin(), 0.0);
    let three_atoms = [DVec3::ZERO, DVec3::new(d_co, 0.0, 0.0), bent];
    for k in 0..n_edge.pow(3) {
        let place = [k % n_edge, k / n_edge % n_edge, k / n_edge.pow(2)].map(f64::from);
        let site = DVec3::from(place) * spacing;
        let turn = DQuat::from_xyzw(draws.normal(), draws.normal(), draws.normal(), draws.normal()).normalize();
        let molecule: &[DVec3] = match of_site(k) {
            3 => &four_sites,
            4 => &three_atoms,
            _ => &three_sites,
        };
        positions.extend(molecule.iter().map(|&r| site + turn * r));
    }
    for site in [DVec3::splat(0.5), DVec3::splat(1.5), DVec3::new(2.5, 1.5, 0.5)] {
        positions.push(site * spacing);
    }
    let velocities = (0..positions.len()).map(|_| DVec3::splat(0.0)).collect();
    let edge = f64::from(n_edge) * spacing;
    let cell = Cell::cubic(edge).unwrap_or_else(|_| unreachable!("{edge} nm is a valid edge"));
    let state = State { step: 40, time: 0.0, cell, positions, velocities };
    (System { topology, pair_table, interactions, restraints: Vec::new(), external: External::default() }, state)
}

/// Every pair of the first `n` local indices.
fn all_pairs_of(n: u32) -> Vec<(u32, u32)> {
    (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect()
}

/// Thermal velocities of molecules as wholes, which no constraint minds, nm/ps.
fn translate(system: &System, state: &mut State) {
    let mut draws = Draws::new(2026, Stream::Build, 1);
    let topology = &system.topology;
    for m in 0..topology.molecules.len() {
        let mass: f64 = topology.atoms_of(m).map(|i| topology.masses[i]).sum();
        let velocity = DVec3::new(draws.normal(), draws.normal(), draws.normal()) * (BOLTZMANN * 300.0 / mass).sqrt();
        for i in topology.atoms_of(m).filter(|&i| topology.masses[i] > 0.0) {
            state.velocities[i] = velocity;
        }
    }
}

/// Runs the self-test on one adapter. A device that computes wrongly gives a report that did not pass, not an error.
pub fn self_test(selector: &AdapterSelector) -> Result<SelfTestReport, ForceError> {
    SelfTest::new(selector, &Shaders::embedded(), false).run()
}

/// The same with other shader text, up to the first check that fails: how a test proves that a wrong shader is noticed.
pub fn self_test_with(selector: &AdapterSelector, shaders: &Shaders) -> Result<SelfTestReport, ForceError> {
    SelfTest::new(selector, shaders, true).run()
}

/// A self-test under way.
struct SelfTest<'a> {
    selector: &'a AdapterSelector,
    shaders: &'a Shaders,
    stop_at_failure: bool,
    report: SelfTestReport,
}

/// What the reference says of the larger box.
struct Expected {
    system: System,
    start: State,
    evaluation: Evaluation,
    first: FirstStep,
    end: State,
    /// Two ions where they overlap, and what becomes of them.
    collision: State,
    after_collision: State,
}

impl<'a> SelfTest<'a> {
    fn new(selector: &'a AdapterSelector, shaders: &'a Shaders, stop_at_failure: bool) -> Self {
        SelfTest { selector, shaders, stop_at_failure, report: SelfTestReport::default() }
    }

    /// Everything. A blow-up is what a wrong kernel can make of a box that none of the reference's steps harms: a check that
    /// failed.
    fn run(mut self) -> Result<SelfTestReport, ForceError> {
        match self.full_list().and_then(|()| self.half_list()) {
            Ok(()) => {}
            Err(error @ ForceError::BlowUp { .. }) => {
                self.report.checks.push(Check { what: error.to_string(), kernels: Vec::new(), measures: Vec::new() });
            }
            Err(error) => return Err(error),
        }
        Ok(self.report)
    }

    fn is_over(&self) -> bool {
        self.stop_at_failure && !self.report.checks.is_empty() && !self.report.passed()
    }

    /// The full list, with the direct Ewald sum and with the mesh and a Langevin bath.
    fn full_list(&mut self) -> Result<(), ForceError> {
        let beta = ewald_beta(CUTOFF, 1e-6);
        let (_, state) = test_box(Coulomb::Cutoff, SMALL, FEW_TYPES);
        let direct = Coulomb::Ewald { beta, n_max: choose_n_max(&state.cell, beta, 1e-6), n_sq_max: None };
        let mesh = Coulomb::Pme { beta, grid: [20, 18, 21], order: 5 };
        for (coulomb, method) in [(direct, "direct Ewald sum"), (mesh, "mesh, Langevin")] {
            if self.is_over() {
                return Ok(());
            }
            let (system, state) = test_box(coulomb, SMALL, FEW_TYPES);
            let mut gpu = GpuBackend::with_shaders(&system, self.selector, self.shaders)?;
            let mut oracle = reference(&system, &state)?;
            let list = full::build(&state.positions, &state.cell, &system.topology, CUTOFF + 0.05);
            gpu.load(&state)?;
            gpu.set_neighbors(NeighborList::FullClusters(Arc::new(list)))?;
            let (a, b) = (gpu.evaluate()?, oracle.evaluate()?);
            let is_mesh = matches!(coulomb, Coulomb::Pme { .. });
            let langevin = is_mesh.then_some(LangevinStep { temperature: 300.0, friction: 10.0, seed: 7 });
            let chunk = Chunk { langevin, report: true, max_displacement: 0.5, ..Chunk::new(state.step, STEPS, DT) };
            let (mut x, mut y) = (state.clone(), state.clone());
            gpu.advance(&chunk)?;
            gpu.store(&mut x)?;
            oracle.advance(&chunk)?;
            oracle.store(&mut y)?;
            self.report.device = gpu.device();
            self.report.checks.push(Check {
                what: format!("{} atoms, full list, {method}", state.n_atoms()),
                kernels: gpu.kernels(&chunk, false)?,
                measures: vec![
                    force_error(&a, &b),
                    energy_error(&system, a.energies.total(), b.energies.total()),
                    position_error(&x, &y),
                ],
            });
        }
        Ok(())
    }

    /// The half list, in every variant that a run on this device can take and in the portable one.
    fn half_list(&mut self) -> Result<(), ForceError> {
        if self.is_over() {
            return Ok(());
        }
        let expected = Expected::new(FEW_TYPES)?;
        let has_subgroups = self.half_variant(&expected, true, true)?;
        if has_subgroups && !self.is_over() {
            self.half_variant(&expected, false, true)?;
        }
        if !self.is_over() {
            self.half_variant(&Expected { system: half_box(MANY_TYPES).0, ..expected }, has_subgroups, false)?;
        }
        Ok(())
    }

    /// One variant of the half list; does it use subgroup operations?
    ///
    /// * `subgroups` – where the device has them
    /// * `near_table` – are there few types?
    fn half_variant(&mut self, expected: &Expected, subgroups: bool, near_table: bool) -> Result<bool, ForceError> {
        let Expected { system, start, .. } = expected;
        let device = DeviceOptions { subgroups, ..DeviceOptions::default() };
        let options = GpuOptions { pairs: Some(PairKernel::Half), device };
        let mut gpu = GpuBackend::with_options(system, self.selector, self.shaders, options)?;
        let has_subgroups = gpu.context.has_subgroups();
        let variant = format!(
            "{} atoms, half list, mesh, {}{}",
            start.n_atoms(),
            if has_subgroups { "subgroups" } else { "portable" },
            if near_table { "" } else { ", more than 8 types" }
        );
        let list = |state: &State| {
            let list = PackedList::build(&state.positions, &state.cell, &system.topology, OUTER);
            NeighborList::Packed(Arc::new(list))
        };
        gpu.prune_to(Some(INNER));
        gpu.load(start)?;
        gpu.set_neighbors(list(start))?;
        let evaluation = gpu.evaluate()?;
        let chunk = half_chunk(start.step);
        let mut end = start.clone();
        let done = gpu.advance(&chunk)?;
        gpu.store(&mut end)?;
        let energy = done.first.map_or(f64::NAN, |first| first.energies.total());
        self.report.device = gpu.device();
        self.report.checks.push(Check {
            what: format!("{variant}, pruned, sums of one word"),
            kernels: gpu.kernels(&chunk, false)?,
            measures: vec![
                energy_error(system, energy, expected.first.energies.total()),
                position_error(&end, &expected.end),
            ],
        });
        if self.is_over() {
            return Ok(has_subgroups);
        }

        gpu.load(start)?;
        gpu.set_neighbors(list(start))?;
        let mut end = start.clone();
        gpu.with_wide_sums(|gpu| gpu.advance(&chunk))?;
        gpu.store(&mut end)?;
        let energy = evaluation.energies.total();
        self.report.checks.push(Check {
            what: format!("{variant}, pruned, sums of two words"),
            kernels: gpu.kernels(&chunk, true)?,
            measures: vec![
                force_error(&evaluation, &expected.evaluation),
                energy_error(system, energy, expected.evaluation.energies.total()),
                position_error(&end, &expected.end),
            ],
        });
        if self.is_over() {
            return Ok(has_subgroups);
        }

        gpu.load(&expected.collision)?;
        gpu.set_neighbors(list(&expected.collision))?;
        let before = gpu.n_repeated();
        let mut end = expected.collision.clone();
        gpu.advance(&collision_chunk(start.step))?;
        gpu.store(&mut end)?;
        // a batch that is not repeated has lost forces, whatever its velocities look like
        let noticed = gpu.n_repeated() > before;
        let velocity = if noticed { velocity_error(&end, &expected.after_collision) } else { f64::INFINITY };
        self.report.checks.push(Check {
            what: format!("{variant}, ions that collide: the sum of one word overflows, the step is repeated"),
            kernels: gpu.kernels(&collision_chunk(start.step), true)?,
            measures: vec![Measure {
                name: "relative velocity of the ions",
                value: velocity,
                limit: COLLISION_TOLERANCE,
            }],
        });
        Ok(has_subgroups)
    }
}

/// The larger box, moving, on a mesh whose planes fit in the workgroup memory of a desktop only.
fn half_box(n_types: usize) -> (System, State) {
    let mesh = Coulomb::Pme { beta: ewald_beta(CUTOFF, 1e-6), grid: [32, 36, 30], order: 5 };
    let (system, mut state) = test_box(mesh, LARGE, n_types);
    translate(&system, &mut state);
    (system, state)
}

/// What a run does at the start of a chunk: motion of the centre of mass removed, velocities rescaled, sums wanted.
fn half_chunk(first_step: u64) -> Chunk {
    let csvr = CsvrDraw { decay: 0.9, gain: 120.0, cross: 1.0 };
    let chunk = Chunk::new(first_step, HALF_STEPS, HALF_DT);
    Chunk { csvr: Some(csvr), remove_com: true, report: true, max_displacement: 0.5, ..chunk }
}

/// So short that ions that overlap do not leave the box.
fn collision_chunk(first_step: u64) -> Chunk {
    Chunk { max_displacement: 0.5, ..Chunk::new(first_step, 1, 1e-6) }
}

impl Expected {
    fn new(n_types: usize) -> Result<Self, ForceError> {
        let (system, start) = half_box(n_types);
        let mut oracle = reference(&system, &start)?;
        let evaluation = oracle.evaluate()?;
        let done = oracle.advance(&half_chunk(start.step))?;
        let mut end = start.clone();
        oracle.store(&mut end)?;
        let first = done.first.ok_or_else(|| ForceError::Impossible("a chunk without its sums".to_string()))?;
        let mut collision = start.clone();
        let n = start.n_atoms();
        // a force of 1e7 kJ/mol/nm, twenty times what a sum of one word holds
        collision.positions[n - 1] = collision.positions[n - 2] + DVec3::new(0.16, 0.0, 0.0);
        let mut oracle = reference(&system, &collision)?;
        oracle.advance(&collision_chunk(start.step))?;
        let mut after_collision = collision.clone();
        oracle.store(&mut after_collision)?;
        Ok(Expected { system, start, evaluation, first, end, collision, after_collision })
    }
}

/// The reference, loaded.
fn reference(system: &System, state: &State) -> Result<ReferenceBackend, ForceError> {
    let mut oracle = ReferenceBackend::new(system)?;
    let list = pairs::linked_cells(&state.positions, &state.cell, &system.topology, CUTOFF + 0.1);
    oracle.load(state)?;
    oracle.set_neighbors(NeighborList::Pairs(Arc::new(list)))?;
    Ok(oracle)
}

fn force_error(found: &Evaluation, exact: &Evaluation) -> Measure {
    let difference: f64 = found.forces.iter().zip(&exact.forces).map(|(x, y)| (*x - *y).length_squared()).sum();
    let norm: f64 = exact.forces.iter().map(|f| f.length_squared()).sum();
    Measure { name: "relative rms force", value: (difference / norm).sqrt(), limit: FORCE_TOLERANCE }
}

fn energy_error(system: &System, found: f64, exact: f64) -> Measure {
    let largest = ewald_self_energy(&system.topology.charges, ewald_beta(CUTOFF, 1e-6)).abs();
    Measure { name: "relative energy", value: (found - exact).abs() / largest, limit: ENERGY_TOLERANCE }
}

fn position_error(found: &State, exact: &State) -> Measure {
    let value = largest_distance(&found.positions, &exact.positions);
    Measure { name: "position, nm", value, limit: POSITION_TOLERANCE }
}

/// Of the two ions that collide, the last two atoms, relative to the faster one. Those of molecules with constraints say nothing
/// after so short a step: their bonds are f32, and the rounding of those is divided by it.
fn velocity_error(found: &State, exact: &State) -> f64 {
    let of_ions = |state: &State| state.velocities[state.velocities.len() - 2..].to_vec();
    let (found, exact) = (of_ions(found), of_ions(exact));
    largest_distance(&found, &exact) / largest_distance(&exact, &[DVec3::ZERO; 2])
}

/// NaN where any of them is.
fn largest_distance(a: &[DVec3], b: &[DVec3]) -> f64 {
    let distances = a.iter().zip(b).map(|(a, b)| (*a - *b).length());
    distances.fold(0.0, |most, d| if d.is_nan() || f64::is_nan(most) { f64::NAN } else { most.max(d) })
}

impl GpuBackend {
    /// Entry points of the passes that a chunk runs, in order, those that set up its list first.
    fn kernels(&self, chunk: &Chunk, wide: bool) -> Result<Vec<String>, ForceError> {
        let (_, bound) = self.loaded()?;
        let mut names: Vec<String> = Vec::new();
        let mut note = |label: &str| {
            if !names.iter().any(|name| name == label) {
                names.push(label.to_string());
            }
        };
        note(bound.pack[0].label());
        bound.prune.iter().flatten().for_each(|pass| note(pass.label()));
        let forces = bound.forces(wide && self.nonbonded.kernel() == PairKernel::Half)?;
        for k in 0..chunk.n_steps {
            bound.each_dispatch(forces, chunk, k, |pass, _| note(pass.label()));
        }
        note(bound.displacement[0].label());
        Ok(names)
    }
}
