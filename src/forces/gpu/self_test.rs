//! Self-test of a device against the f64 reference, every pass once: a small box of water of three and of four sites, ions, and
//! molecules with bonds and constraints.

use super::device::AdapterSelector;
use super::shader::Shaders;
use super::{Backend, GpuBackend};
use crate::cell::Cell;
use crate::forces::reference::{ReferenceBackend, ewald::choose_n_max, exclusions::ewald_self_energy};
use crate::forces::{Chunk, ForceError, LangevinStep};
use crate::math::ewald_beta;
use crate::neighbor::{NeighborList, full, pairs};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairTable;
use crate::random::{Draws, Stream};
use crate::system::bonded::{Bonded, DistanceConstraint, HarmonicAngle, HarmonicBond, VirtualSite};
use crate::system::topology::{RigidWater, Species, SpeciesAtom};
use crate::system::{Coulomb, External, Interactions, LjModifier, State, System, Topology};
use glam::{DQuat, DVec3};
use std::sync::Arc;

/// Largest relative rms difference of the forces that passes.
pub const FORCE_TOLERANCE: f64 = 1e-5;
/// Largest difference of the energy, relative to the Ewald self energy (the largest number in its sum), that passes.
pub const ENERGY_TOLERANCE: f64 = 5e-6;
/// Largest distance between an atom of the device and of the reference after [`STEPS`] steps that passes, nm.
pub const POSITION_TOLERANCE: f64 = 1e-6;
const STEPS: u32 = 5;

/// What a self-test measured.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTestReport {
    pub device: String,
    /// Relative rms difference of the forces, direct Ewald sum.
    pub ewald_force_error: f64,
    /// Relative rms difference of the forces, mesh.
    pub mesh_force_error: f64,
    /// Difference of the energy relative to the Ewald self energy, larger of both methods.
    pub energy_error: f64,
    /// Largest distance to the reference after five steps of 2 fs, with and without a bath, nm.
    pub position_error: f64,
}

impl SelfTestReport {
    pub fn passed(&self) -> bool {
        // written so that NaN fails
        self.ewald_force_error < FORCE_TOLERANCE
            && self.mesh_force_error < FORCE_TOLERANCE
            && self.energy_error < ENERGY_TOLERANCE
            && self.position_error < POSITION_TOLERANCE
    }
}

/// 56 SPC/E waters, four of four sites and four molecules C–O–H on a lattice with random orientations, one 2+ and two 1− ions
/// between them, 1.95 nm cube.
fn test_box(coulomb: Coulomb) -> (System, State) {
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
    let types = ["OW", "HW", "ZN", "CL", "C"].map(String::from).to_vec();
    let species = vec![water, ion("Zn", 2, 2.0, 65.38), ion("Cl", 3, -1.0, 35.45), four, alcohol];
    let of_site = |k: u32| match k % 16 {
        3 => 3,
        9 => 4,
        _ => 0,
    };
    let sequence: Vec<u32> = (0..64).map(of_site).chain([1, 2, 2]).collect();
    let topology = Topology::new(types, species, &sequence);
    let sigma_epsilon = [(0.3166, 0.6502), (0.1, 0.0), (0.226, 0.014), (0.483, 0.0535), (0.375, 0.8)];
    let mut pair_table = PairTable::mixed(&sigma_epsilon, |_, _| Mixing::LorentzBerthelot);
    pair_table.add_c4(0, 2, 0.05);
    let interactions =
        Interactions { cutoff: 0.9, lj_modifier: LjModifier::PotentialShift, dispersion_correction: true, coulomb };

    let spacing = 1.95 / 4.0;
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
    for k in 0..64u32 {
        let site = DVec3::new(f64::from(k % 4), f64::from(k / 4 % 4), f64::from(k / 16)) * spacing;
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
    let cell = Cell::cubic(1.95).unwrap_or_else(|_| unreachable!("1.95 nm is a valid edge"));
    let state = State { step: 40, time: 0.0, cell, positions, velocities };
    (System { topology, pair_table, interactions, restraints: Vec::new(), external: External::default() }, state)
}

/// Every pair of the first `n` local indices.
fn all_pairs_of(n: u32) -> Vec<(u32, u32)> {
    (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect()
}

/// Runs the self-test on one adapter. A device that computes wrongly gives a report that did not pass, not an error.
pub fn self_test(selector: &AdapterSelector) -> Result<SelfTestReport, ForceError> {
    self_test_with(selector, &Shaders::embedded())
}

/// The same with other shader text: how a test proves that the self-test notices a wrong shader.
pub fn self_test_with(selector: &AdapterSelector, shaders: &Shaders) -> Result<SelfTestReport, ForceError> {
    let beta = ewald_beta(0.9, 1e-6);
    let (_, state) = test_box(Coulomb::Cutoff);
    let direct = Coulomb::Ewald { beta, n_max: choose_n_max(&state.cell, beta, 1e-6), n_sq_max: None };
    let mesh = Coulomb::Pme { beta, grid: [20, 18, 21], order: 5 };
    let mut report = SelfTestReport {
        device: String::new(),
        ewald_force_error: 0.0,
        mesh_force_error: 0.0,
        energy_error: 0.0,
        position_error: 0.0,
    };
    for (coulomb, is_mesh) in [(direct, false), (mesh, true)] {
        let (system, state) = test_box(coulomb);
        let topology = &system.topology;
        let mut gpu = GpuBackend::with_shaders(&system, selector, shaders)?;
        let mut oracle = ReferenceBackend::new(&system)?;
        let list = full::build(&state.positions, &state.cell, topology, 0.95);
        let pair_list = pairs::brute_force(&state.positions, &state.cell, topology, 0.95);
        gpu.load(&state)?;
        gpu.set_neighbors(NeighborList::FullClusters(Arc::new(list)))?;
        oracle.load(&state)?;
        oracle.set_neighbors(NeighborList::Pairs(Arc::new(pair_list)))?;
        let (a, b) = (gpu.evaluate()?, oracle.evaluate()?);
        let squares = |f: &mut dyn Iterator<Item = DVec3>| f.map(|f| f.length_squared()).sum::<f64>();
        let difference = squares(&mut a.forces.iter().zip(&b.forces).map(|(x, y)| *x - *y));
        let error = (difference / squares(&mut b.forces.iter().copied())).sqrt();
        if is_mesh {
            report.mesh_force_error = error
        } else {
            report.ewald_force_error = error
        }
        let largest = ewald_self_energy(&topology.charges, beta).abs();
        report.energy_error = worst(report.energy_error, (a.energies.total() - b.energies.total()).abs() / largest);

        let langevin = is_mesh.then_some(LangevinStep { temperature: 300.0, friction: 10.0, seed: 7 });
        let chunk = Chunk { langevin, report: true, max_displacement: 0.5, ..Chunk::new(state.step, STEPS, 0.002) };
        let (mut x, mut y) = (state.clone(), state.clone());
        gpu.advance(&chunk)?;
        gpu.store(&mut x)?;
        oracle.advance(&chunk)?;
        oracle.store(&mut y)?;
        for (a, b) in x.positions.iter().zip(&y.positions) {
            report.position_error = worst(report.position_error, (*a - *b).length());
        }
        report.device = gpu.device();
    }
    Ok(report)
}

/// The larger of two errors; NaN is the largest of all.
fn worst(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
