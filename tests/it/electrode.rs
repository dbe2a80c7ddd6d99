//! Electrodes at constant potential: the reference backend against sums over explicit images, and against itself.

use crate::support::capacitor::{
    Capacitor, GAP, HEIGHT, N_ELECTRODE, PER_LAYER, WIDTH, capacitor, external, potentials, spread_and_difference,
};
use crate::support::compare::{assert_forces, assert_relative, rms_error};
use crate::support::systems::{all_pairs, ion, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::electrode::dense::Matrix;
use hexaqua::electrode::lattice::{Boundary, LatticeSum};
use hexaqua::electrode::response::Response;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::electrode::shape;
use hexaqua::forces::reference::pme::Pme;
use hexaqua::forces::{Backend, Evaluation};
use hexaqua::neighbor::NeighborList;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Coulomb, External, State, System, Topology};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;
use std::sync::Arc;

fn converged() -> Coulomb {
    Coulomb::Ewald { beta: 7.0, n_max: [13, 13, 46], n_sq_max: None }
}

/// A backend that holds the configuration, with its matrix made.
fn loaded(c: &Capacitor) -> ReferenceBackend {
    let mut backend = ReferenceBackend::new(&c.system).expect("runs");
    backend.load(&State::at_rest(c.cell, c.positions.clone())).expect("a matrix");
    let list = all_pairs(&c.system, &c.cell, &c.positions);
    backend.set_neighbors(NeighborList::Pairs(Arc::new(list))).expect("loaded");
    backend
}

/// Charges and evaluation of the configuration.
fn solve(c: &Capacitor) -> (Vec<f64>, Evaluation) {
    let mut backend = loaded(c);
    (backend.charges().expect("loaded"), backend.evaluate().expect("finite"))
}

/// The same charges and energy (electrode, Coulomb and field terms) from explicit images and the full matrix.
fn by_images(c: &Capacitor, boundary: Boundary) -> (Vec<f64>, f64) {
    let sum = LatticeSum::new(&c.cell, boundary);
    let external = &c.system.external;
    let electrodes = &external.electrodes.as_ref().expect("electrodes").electrodes;
    let n = c.positions.len();
    let eta = |i: usize, j: usize| match (i < N_ELECTRODE, j < N_ELECTRODE) {
        (true, true) => 1.0 / (WIDTH * 2f64.sqrt()),
        (false, false) => f64::INFINITY,
        _ => 1.0 / WIDTH,
    };
    let kernel = |i: usize, j: usize| sum.kernel(c.positions[i] - c.positions[j], eta(i, j));
    let mut matrix = Matrix::zero(N_ELECTRODE);
    for i in 0..N_ELECTRODE {
        for j in 0..N_ELECTRODE {
            let own = if i == j { electrodes[i / PER_LAYER].thomas_fermi } else { 0.0 };
            // a constant changes nothing at fixed total charge and makes the matrix positive definite
            matrix.values[i * N_ELECTRODE + j] = kernel(i, j) + own + 1e6;
        }
    }
    let mut charges = c.system.topology.charges.clone();
    let drive: Vec<f64> = (0..N_ELECTRODE)
        .map(|i| {
            let phi: f64 = (N_ELECTRODE..n).map(|j| charges[j] * kernel(i, j)).sum();
            electrodes[i / PER_LAYER].condition.potential() + external.field_z * c.positions[i].z - phi
        })
        .collect();
    let (groups, sums) = external.electrodes.as_ref().expect("electrodes").fixed_sums();
    let q = Response::new(matrix, &groups, sums.len()).expect("positive definite").charges(&drive, &sums);
    charges[..N_ELECTRODE].copy_from_slice(&q);
    let mut energy = 0.0;
    for i in 0..n {
        for j in 0..n {
            energy += 0.5 * charges[i] * charges[j] * kernel(i, j);
        }
        energy -= external.field_z * charges[i] * c.positions[i].z;
        if i < N_ELECTRODE {
            let e = &electrodes[i / PER_LAYER];
            energy += 0.5 * charges[i].powi(2) * e.thomas_fermi - charges[i] * e.condition.potential();
        }
    }
    // excluded pairs have no bare interaction
    for (i, j) in c.system.topology.excluded_pairs() {
        let r = (c.positions[i] - c.positions[j]).length();
        energy -= hexaqua::units::COULOMB * charges[i] * charges[j] / r;
    }
    (charges, energy)
}

fn electric(e: &Evaluation) -> f64 {
    let terms = [e.energies.slab_correction, e.energies.external_field, e.energies.electrode];
    e.energies.coulomb() + terms.into_iter().flatten().sum::<f64>()
}

/// The upper electrode `volts` above the lower one in a cell that is periodic along z.
fn finite_field(volts: f64) -> External {
    external(false, -volts / HEIGHT * VOLT, [0.0, volts])
}

#[test]
fn charges_and_energy_equal_the_sum_over_images() {
    for (boundary, terms) in [
        (Boundary::SlabCorrected, external(true, 0.0, [-0.5, 0.5])),
        (Boundary::SlabCorrected, external(true, 30.0, [0.2, 1.0])),
        (Boundary::Bulk, finite_field(1.0)),
    ] {
        let c = capacitor(converged(), terms);
        let (charges, evaluation) = solve(&c);
        let (expected, energy) = by_images(&c, boundary);
        assert!(charges[..N_ELECTRODE].iter().sum::<f64>().abs() < 1e-10, "the electrodes are neutral together");
        for (a, b) in charges.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-7, "{boundary:?}: {a} {b}");
        }
        assert_relative("energy", electric(&evaluation), energy, 1e-7);
    }
    // the comparison can fail: the same electrodes without the correction
    let c = capacitor(converged(), external(false, 0.0, [-0.5, 0.5]));
    let (charges, _) = solve(&c);
    let (expected, _) = by_images(&c, Boundary::SlabCorrected);
    assert!(charges.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-3));
}

/// Both forms put the potential across the liquid. Where an atom of a sheet stands, its charge adds S/(ε₀ A) to half the difference of
/// mean potentials: q = ε₀ A ΔΨ/(d + S) in a slab, and with backs d' apart that are at the same potential q = ε₀ A ΔΨ/(d + S + S d/d').
#[test]
fn a_finite_field_charges_electrodes_as_a_slab_does() {
    let upper = |terms: External| solve(&capacitor(converged(), terms)).0[PER_LAYER..N_ELECTRODE].iter().sum::<f64>();
    let by_field = upper(finite_field(1.0)) - upper(finite_field(0.0));
    let by_slab = upper(external(true, 0.0, [0.0, 1.0])) - upper(external(true, 0.0, [0.0, 0.0]));
    let one_nanometre = VOLT * 1.2 * 1.2 / (4.0 * PI * COULOMB);
    let of_sheet = one_nanometre / by_slab - GAP;
    let ideal = one_nanometre / (GAP + of_sheet + of_sheet * GAP / (HEIGHT - GAP));
    println!("{by_field} e by a finite field, {ideal} e from {by_slab} e in a slab");
    assert_relative("charge by 1 V", by_field, ideal, 1e-5);
    // what must not pass: a field along the potential, which charges the backs
    let backs = upper(external(false, VOLT / HEIGHT, [0.0, 0.0])) - upper(finite_field(0.0));
    assert!((backs / by_slab - 1.0).abs() > 0.3, "{backs}");
}

/// What a potential by a finite field does to a force is what the atom does to Q − M/L, for −∂H/∂ΔΨ is that: fluctuations of a charge belong with it and not
/// with the charge alone, where single layers stand back to back.
#[test]
fn a_finite_field_acts_on_the_charge_less_the_dipole() {
    let at = |volts: f64, by: f64, atom: usize| {
        let mut c = capacitor(converged(), finite_field(volts));
        c.positions[atom].z += by;
        let (charges, evaluation) = solve(&c);
        let moment = evaluation.energies.dipole_z.expect("electrodes");
        let expected: f64 = charges.iter().zip(&c.positions).map(|(q, r)| q * r.z).sum();
        assert!((moment - expected).abs() < 1e-9 * expected.abs().max(1.0), "{moment} {expected}");
        let charge: f64 = charges[PER_LAYER..N_ELECTRODE].iter().sum();
        (evaluation.forces[atom].z, charge, charge - moment / HEIGHT)
    };
    for atom in [N_ELECTRODE, N_ELECTRODE + 2] {
        let by_volt = (at(1.0, 0.0, atom).0 - at(0.0, 0.0, atom).0) / VOLT;
        let h = 1e-4;
        let ((_, q_above, x_above), (_, q_below, x_below)) = (at(0.0, h, atom), at(0.0, -h, atom));
        let (by_height, of_charge) = ((x_above - x_below) / (2.0 * h), (q_above - q_below) / (2.0 * h));
        println!("atom {atom}: force {by_volt} e/nm, Q - M/L {by_height}, Q {of_charge}");
        assert_relative("by the height of the atom", by_height, by_volt, 1e-6);
        assert!((of_charge / by_volt - 1.0).abs() > 0.005, "the charge alone is another number: {of_charge}");
    }
}

/// A slab with a net charge: its field is not the same on both sides of an electrode's layers.
#[test]
fn layers_of_a_charged_slab_share_their_charge() {
    let mut terms = external(true, 0.0, [0.0, 0.0]);
    let electrodes = terms.electrodes.as_mut().expect("electrodes");
    (electrodes.electrodes[0].condition, electrodes.electrodes[1].condition) =
        (Condition::Charge(0.3), Condition::Charge(0.2));
    electrodes.balance = 0.0;
    let mut c = capacitor(converged(), terms);
    // every other atom of the left electrode in a layer behind
    c.positions[..PER_LAYER].iter_mut().step_by(2).for_each(|r| r.z -= 0.2);
    let (charges, _) = solve(&c);
    let (expected, _) = by_images(&c, Boundary::SlabCorrected);
    for (a, b) in charges.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
    // what is too much drives charge to the back
    let behind: f64 = charges[..PER_LAYER].iter().step_by(2).sum();
    let neutral = {
        let mut c = c.clone();
        let electrodes = c.system.external.electrodes.as_mut().expect("electrodes");
        electrodes.electrodes[1].condition = Condition::Charge(-0.3);
        solve(&c).0[..PER_LAYER].iter().step_by(2).sum::<f64>()
    };
    assert!(behind - neutral > 0.1, "{behind} {neutral}");
}

/// An ion before a grounded plate that takes its counter-charge: half the energy of the ion with its mirror image.
#[test]
fn an_ion_sees_its_image_in_a_plate() {
    const SIDE: usize = 8;
    let (spacing, plate) = (0.15, SIDE * SIDE);
    let edge = spacing * SIDE as f64;
    let cell = Cell::orthorhombic(edge, edge, 6.0).expect("valid");
    let energy = |height: f64| {
        let terms = External {
            slab_correction: true,
            electrodes: Some(Electrodes {
                electrodes: vec![Electrode {
                    name: "plate".into(),
                    atoms: (0..plate as u32).collect(),
                    condition: Condition::Potential(0.0),
                    gaussian_width: WIDTH,
                    thomas_fermi: 0.0,
                }],
                balance: -1.0,
            }),
            ..External::default()
        };
        let (metal, plus) = (ion("metal", "Au", 0, 0.0, 197.0), ion("Na+", "Na", 1, 1.0, 22.99));
        let mut sequence = vec![0; plate];
        sequence.push(1);
        let system = System {
            topology: Topology::new(vec!["Au".into(), "Na".into()], vec![metal, plus], &sequence),
            pair_table: PairTable::mixed(&[(0.3, 0.0), (0.3, 0.0)], |_, _| Mixing::LorentzBerthelot),
            interactions: truncated(0.59, Coulomb::Ewald { beta: 6.0, n_max: [12, 12, 56], n_sq_max: None }),
            restraints: Vec::new(),
            external: terms,
        };
        let mut positions: Vec<DVec3> =
            (0..plate).map(|k| DVec3::new((k % SIDE) as f64, (k / SIDE) as f64, 0.0) * spacing).collect();
        positions.push(DVec3::new(0.31, 0.47, height));
        electric(&solve(&Capacitor { system, cell, positions }).1)
    };
    // K of charges one image apart, the images of both in the plane included: E = ½ (q² K(0) − q² K(2 h))
    let sum = LatticeSum::new(&cell, Boundary::Slab);
    let mirror = |height: f64| -0.5 * sum.kernel(DVec3::new(0.0, 0.0, 2.0 * height), f64::INFINITY);
    for (low, high) in [(0.4, 0.6), (0.6, 0.9), (0.4, 0.9)] {
        let (found, ideal) = (energy(high) - energy(low), mirror(high) - mirror(low));
        println!("{low} to {high} nm: {found:.4} kJ/mol, ideal metal {ideal:.4}");
        assert_relative("work against the image", found, ideal, 0.02);
        assert!((found / (2.0 * ideal) - 1.0).abs() > 0.3, "the whole energy of two charges is twice as much");
    }
}

#[test]
fn every_atom_of_an_electrode_is_at_its_potential() {
    let c = capacitor(converged(), external(true, 0.0, [-0.5, 0.5]));
    let (charges, _) = solve(&c);
    let (spread, difference) = spread_and_difference(&potentials(&c, &charges, Boundary::SlabCorrected));
    assert!(spread < 1e-6, "spread of {spread} V");
    assert!((difference - 1.0).abs() < 1e-6, "1 V apart: {difference}");
}

/// Electrodes as well as ions: what is far above and below a slab does not matter to it.
#[test]
fn electrodes_do_not_depend_on_the_vacuum() {
    let at = |height: f64, correct: bool| {
        let n_z = (10.5 * height).ceil() as i32;
        let ewald = Coulomb::Ewald { beta: 7.0, n_max: [13, 13, n_z], n_sq_max: None };
        let mut c = capacitor(ewald, external(correct, 0.0, [-0.5, 0.5]));
        c.cell = Cell::orthorhombic(1.2, 1.2, height).expect("valid");
        solve(&c)
    };
    let ((near, a), (far, b)) = (at(HEIGHT, true), at(1.6 * HEIGHT, true));
    for (a, b) in near.iter().zip(&far) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    assert_relative("energy", electric(&a), electric(&b), 1e-6);
    assert_forces("forces", &a.forces, &b.forces, 1e-5);
    let (_, without) = at(HEIGHT, false);
    assert!(rms_error(&without.forces, &b.forces) > 1e-3, "without the correction they do");
}

#[test]
fn forces_are_derivatives_with_the_charges_relaxed() {
    let c = capacitor(converged(), external(true, 0.0, [-1.0, 1.0]));
    let backend = loaded(&c);
    let at = |positions: &[DVec3]| backend.evaluate_at(&c.cell, positions, &all_pairs(&c.system, &c.cell, positions));
    let forces = at(&c.positions).forces;
    let h = 1e-5;
    // an ion, an oxygen and a hydrogen
    for atom in [N_ELECTRODE, N_ELECTRODE + 2, N_ELECTRODE + 6] {
        for axis in 0..3 {
            let energy = |by: f64| {
                let mut moved = c.positions.clone();
                moved[atom][axis] += by;
                at(&moved).energies.total()
            };
            let numeric = -(energy(h) - energy(-h)) / (2.0 * h);
            let force = forces[atom][axis];
            assert!((force - numeric).abs() < 1e-5 * force.abs().max(10.0), "{atom} {axis}: {force} {numeric}");
        }
    }
}

/// Energy of the moving atoms among themselves and with the electrodes at fixed charges, by explicit images, where cell and
/// positions are stretched by `strain`; kJ/mol.
fn strained(c: &Capacitor, charges: &[f64], boundary: Boundary, strain: DVec3) -> f64 {
    let v = c.cell.vectors();
    let edges = DVec3::new(v.x_axis.x, v.y_axis.y, v.z_axis.z) * (1.0 + strain);
    let cell = Cell::orthorhombic(edges.x, edges.y, edges.z).expect("valid");
    let at: Vec<DVec3> = c.positions.iter().map(|r| *r * (1.0 + strain)).collect();
    let sum = LatticeSum::new(&cell, boundary);
    let electrodes = &c.system.external.electrodes.as_ref().expect("electrodes").electrodes;
    let mut energy = 0.0;
    for i in N_ELECTRODE..at.len() {
        for j in 0..=i {
            let eta = if j < N_ELECTRODE { 1.0 / electrodes[j / PER_LAYER].gaussian_width } else { f64::INFINITY };
            let half = if i == j { 0.5 } else { 1.0 };
            energy += half * charges[i] * charges[j] * sum.kernel(at[i] - at[j], eta);
        }
    }
    for (i, j) in c.system.topology.excluded_pairs() {
        energy -= COULOMB * charges[i] * charges[j] / (at[i] - at[j]).length();
    }
    energy
}

/// Beside an atom that a wide Gaussian all but holds, the virial has a part from its shape.
#[test]
fn the_virial_is_the_derivative_of_the_energy_by_strain() {
    for (slab, boundary) in [(true, Boundary::SlabCorrected), (false, Boundary::Bulk)] {
        let mut c = capacitor(converged(), external(slab, 0.0, [-0.5, 0.5]));
        let n_types = c.system.topology.n_types();
        c.system.pair_table = PairTable::mixed(&vec![(0.0, 0.0); n_types], |_, _| Mixing::LorentzBerthelot);
        c.system.topology.frozen[..N_ELECTRODE].fill(true);
        let electrodes = c.system.external.electrodes.as_mut().expect("electrodes");
        electrodes.electrodes[0].gaussian_width = 0.095;
        c.positions[N_ELECTRODE] = c.positions[5] + DVec3::new(0.03, -0.04, 0.11);
        let (charges, evaluation) = solve(&c);
        let h = 1e-5;
        let scale = evaluation.virial.to_cols_array().iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        let mut of_shape = DVec3::ZERO;
        for (j, &q) in charges[..PER_LAYER].iter().enumerate() {
            let d = c.cell.minimum_image(c.positions[N_ELECTRODE] - c.positions[j]);
            of_shape += d * shape(charges[N_ELECTRODE] * q, 1.0 / 0.095, d).1;
        }
        for axis in 0..3 {
            let by = DVec3::AXES[axis] * h;
            let numeric = -(strained(&c, &charges, boundary, by) - strained(&c, &charges, boundary, -by)) / (2.0 * h);
            let found = evaluation.virial.col(axis)[axis];
            println!("{boundary:?} {axis}: {found:.6} {numeric:.6}, of shapes {:.4}", of_shape[axis]);
            assert!((found - numeric).abs() < 2e-6 * scale, "{boundary:?} {axis}: {found} {numeric}");
        }
        assert!(of_shape.abs().max_element() > 1e-4 * scale, "{of_shape} is there to be missed, of {scale}");
    }
}

/// Where nothing moves there is no virial: also an ion that stands in the Gaussian of an electrode atom, frozen beside it.
#[test]
fn frozen_neighbors_of_an_electrode_have_no_virial() {
    let mut c = capacitor(converged(), external(true, 0.0, [-0.5, 0.5]));
    c.positions[N_ELECTRODE] = c.positions[5] + DVec3::new(0.02, 0.0, 0.12);
    let of = |c: &Capacitor| solve(c).1.virial.to_cols_array().into_iter().fold(0.0, |most: f64, w| most.max(w.abs()));
    let moving = of(&c);
    c.system.topology.frozen.fill(true);
    let frozen = of(&c);
    println!("{frozen:.1e} kJ/mol where all is frozen, {moving:.1e} where it moves");
    assert!(frozen < 1e-9 * moving, "{frozen:e} {moving:e}");
}

#[test]
fn the_mesh_gives_the_same_charges() {
    let terms = || external(true, 0.0, [-0.5, 0.5]);
    let exact = capacitor(converged(), terms());
    let mesh = capacitor(Coulomb::Pme { beta: 7.0, grid: [48, 48, 160], order: 6 }, terms());
    let (a, e) = solve(&exact);
    let (b, m) = solve(&mesh);
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert_relative("energy", m.energies.total(), e.energies.total(), 1e-5);
}

#[test]
fn impossible_electrodes_are_refused() {
    let refuse = |change: &dyn Fn(&mut Capacitor)| {
        let mut c =
            capacitor(Coulomb::Pme { beta: 5.0, grid: [16, 16, 48], order: 4 }, external(true, 0.0, [0.0, 1.0]));
        change(&mut c);
        let mut backend = ReferenceBackend::new(&c.system).expect("runs");
        backend.load(&State::at_rest(c.cell, c.positions.clone())).expect_err("refused").to_string()
    };
    let electrodes = |c: &mut Capacitor| c.system.external.electrodes.take().expect("electrodes");
    let wide = refuse(&|c| {
        let mut e = electrodes(c);
        e.electrodes[0].gaussian_width = 0.2;
        c.system.external.electrodes = Some(e);
    });
    assert!(wide.contains("the Gaussian width 0.2 nm of electrode `left` reaches beyond the cutoff 0.6 nm"), "{wide}");
    let plain = refuse(&|c| c.system.interactions.coulomb = Coulomb::Cutoff);
    assert!(plain.contains("need an Ewald sum"), "{plain}");
    let twice = refuse(&|c| c.positions[1] = c.positions[0]);
    assert!(twice.contains("atoms on top of each other"), "{twice}");
}

/// The matrix of the mesh, made from one transform, is what single charges give one by one.
#[test]
fn the_mesh_matrix_equals_one_charge_at_a_time() {
    let c = capacitor(converged(), external(true, 0.0, [0.0, 1.0]));
    let at: Vec<DVec3> = c.positions[..N_ELECTRODE + 3].iter().map(|r| *r + DVec3::new(0.011, 0.023, 0.007)).collect();
    for (grid, order) in [([20, 21, 64], 5), ([24, 24, 80], 6), ([18, 16, 48], 4)] {
        let mesh = Pme::new(grid, order, 5.0);
        let matrix = mesh.interactions(&c.cell, &at);
        let mut largest = 0.0_f64;
        for i in 0..at.len() {
            let mut unit = vec![0.0; at.len()];
            unit[i] = 1.0;
            let (potential, _) = mesh.solve(&c.cell, &mesh.spread(&c.cell, &at, &unit));
            for (a, b) in mesh.gather_potentials(&c.cell, &at, &potential).iter().zip(&matrix[i * at.len()..]) {
                largest = largest.max((a - b).abs());
            }
        }
        let scale = matrix.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(largest < 1e-12 * scale, "{grid:?} {order}: {largest} of {scale}");
    }
}

/// Charges that a potential makes, held as charges, give the same energy up to the work of the source, and the same forces.
#[test]
fn given_charges_are_the_other_side_of_given_potentials() {
    let by_potential = capacitor(converged(), external(true, 0.0, [-0.7, 0.9]));
    let (charges, at_potential) = solve(&by_potential);
    let mut by_charge = by_potential.clone();
    let electrodes = by_charge.system.external.electrodes.as_mut().expect("electrodes");
    let mut work = 0.0;
    for electrode in &mut electrodes.electrodes {
        let sum: f64 = electrode.atoms.iter().map(|&i| charges[i as usize]).sum();
        work += sum * electrode.condition.potential();
        electrode.condition = Condition::Charge(sum);
    }
    let (same, at_charge) = solve(&by_charge);
    assert!(charges.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-9));
    assert_relative("energy", at_charge.energies.total(), at_potential.energies.total() + work, 1e-9);
    let electrodes = by_charge.system.external.electrodes.as_mut().expect("electrodes");
    electrodes.electrodes[0].condition = Condition::Charge(0.05);
    electrodes.electrodes[1].condition = Condition::Charge(-0.05);
    let (other, evaluation) = solve(&by_charge);
    assert!((evaluation.energies.electrode_charges[0] - 0.05).abs() < 1e-9);
    assert!((other[..PER_LAYER].iter().sum::<f64>() - 0.05).abs() < 1e-9);
}
