//! Two small electrodes with water and an ion pair between them, built by hand.

use super::molecules::tip4p_2005;
use super::systems::{ion, spce, truncated};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::electrode::lattice::{Boundary, LatticeSum};
use hexaqua::forces::reference::virtual_sites;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairTable;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Coulomb, External, System, Topology};
use hexaqua::units::VOLT;

pub const WIDTH: f64 = 0.08;
pub const GAP: f64 = 1.1;
/// Of the cell, nm.
pub const HEIGHT: f64 = 4.4;
/// One layer per electrode, 4 × 4 atoms 0.3 nm apart.
pub const PER_LAYER: usize = 16;
pub const N_ELECTRODE: usize = 2 * PER_LAYER;

#[derive(Clone)]
pub struct Capacitor {
    pub system: System,
    pub cell: Cell,
    pub positions: Vec<DVec3>,
}

/// Two square layers, six waters and an ion pair between them at pseudo-random places.
pub fn capacitor(coulomb: Coulomb, external: External) -> Capacitor {
    let metal = ion("metal", "Au", 0, 0.0, 197.0);
    let (plus, minus) = (ion("Na+", "Na", 1, 1.0, 22.99), ion("Cl-", "Cl", 1, -1.0, 35.45));
    let mut sequence = vec![0; N_ELECTRODE];
    sequence.extend([1, 2, 3, 3, 3, 3, 3, 3]);
    let types = ["Au", "Na", "OW", "HW"].map(String::from).to_vec();
    let lj = [(0.3, 0.5), (0.28, 0.3), (0.3166, 0.65), (0.0, 0.0)];
    let system = System {
        topology: Topology::new(types, vec![metal, plus, minus, spce(1.0)], &sequence),
        pair_table: PairTable::mixed(&lj, |_, _| Mixing::LorentzBerthelot),
        interactions: truncated(0.6, coulomb),
        restraints: Vec::new(),
        external,
    };
    let mut positions: Vec<DVec3> = (0..N_ELECTRODE)
        .map(|k| {
            let (x, y) = ((k % 4) as f64, (k / 4 % 4) as f64);
            DVec3::new(0.3 * x, 0.3 * y, if k < PER_LAYER { -0.5 * GAP } else { 0.5 * GAP })
        })
        .collect();
    let mut draws = Draws::new(5, Stream::Build, 0);
    for m in 0..8 {
        // on a grid of its own, so that nothing overlaps
        let (x, y) = (0.3 + 0.6 * f64::from(m % 2), 0.15 + 0.3 * f64::from(m / 2));
        let at = DVec3::new(x, y, 0.3 * (draws.uniform() - 0.5));
        positions.push(at);
        if m > 1 {
            let turn = std::f64::consts::TAU * draws.uniform();
            let (a, b) = (DVec3::new(turn.cos(), 0.0, turn.sin()), DVec3::new(-turn.sin(), 0.0, turn.cos()));
            positions.push(at + 0.1 * a);
            positions.push(at + 0.1 * (-1.0 / 3.0 * a + 8f64.sqrt() / 3.0 * b));
        }
    }
    Capacitor { system, cell: Cell::orthorhombic(1.2, 1.2, HEIGHT).expect("valid"), positions }
}

/// Electrodes of the two layers at `potentials` (V).
pub fn external(slab_correction: bool, field_z: f64, potentials: [f64; 2]) -> External {
    let electrode = |name: &str, layer: usize| Electrode {
        name: name.into(),
        atoms: (0..PER_LAYER).map(|k| (layer * PER_LAYER + k) as u32).collect(),
        condition: Condition::Potential(potentials[layer] * VOLT),
        gaussian_width: WIDTH,
        thomas_fermi: 25.0 * layer as f64,
    };
    let electrodes = Electrodes { electrodes: vec![electrode("left", 0), electrode("right", 1)], balance: 0.0 };
    External { slab_correction, field_z, electrodes: Some(electrodes), ..External::default() }
}

/// The same with four-site waters in place of the three-site ones.
pub fn with_virtual_sites(coulomb: Coulomb, external: External) -> Capacitor {
    let three = capacitor(coulomb, external);
    let mut water = tip4p_2005();
    for (atom, type_id) in water.atoms.iter_mut().zip([2, 3, 3, 4]) {
        atom.type_id = type_id;
    }
    let old = &three.system.topology;
    let sequence: Vec<u32> = old.molecules.iter().map(|m| m.species).collect();
    let mut types = old.types.clone();
    types.push("MW".into());
    let mut species = old.species.clone();
    species[3] = water;
    let topology = Topology::new(types, species, &sequence);
    let lj = [(0.3, 0.5), (0.28, 0.3), (0.31589, 0.7749), (0.0, 0.0), (0.0, 0.0)];
    let mut positions = Vec::new();
    for m in 0..old.molecules.len() {
        let own = &three.positions[old.atoms_of(m)];
        positions.extend_from_slice(own);
        if own.len() == 3 {
            // hydrogens of this model are closer, and the site is built below
            for k in [2, 1] {
                let last = positions.len() - k;
                positions[last] = own[0] + 0.9572 * (own[3 - k] - own[0]);
            }
            positions.push(own[0]);
        }
    }
    virtual_sites::construct(&topology, &three.cell, &mut positions);
    let pair_table = PairTable::mixed(&lj, |_, _| Mixing::LorentzBerthelot);
    Capacitor { system: System { topology, pair_table, ..three.system }, cell: three.cell, positions }
}

/// Potential at every electrode atom, by explicit images, with the Thomas-Fermi term, `[N_ELECTRODE]`, V.
///
/// * `charges` – `[n_atoms]`, e
pub fn potentials(c: &Capacitor, charges: &[f64], boundary: Boundary) -> Vec<f64> {
    let sum = LatticeSum::new(&c.cell, boundary);
    let electrodes = &c.system.external.electrodes.as_ref().expect("electrodes").electrodes;
    let at = |i: usize| {
        let of = |j: usize| {
            let eta = if j < N_ELECTRODE { 1.0 / (WIDTH * 2f64.sqrt()) } else { 1.0 / WIDTH };
            charges[j] * sum.kernel(c.positions[i] - c.positions[j], eta)
        };
        let all: f64 = (0..charges.len()).map(of).sum();
        let field = c.system.external.field_z * c.positions[i].z;
        (all - field + electrodes[i / PER_LAYER].thomas_fermi * charges[i]) / VOLT
    };
    (0..N_ELECTRODE).map(at).collect()
}

/// Largest difference of potential within an electrode, V, and the difference between the two.
pub fn spread_and_difference(potentials: &[f64]) -> (f64, f64) {
    let spread = |layer: &[f64]| {
        let (low, high) = layer.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        high - low
    };
    let mean = |layer: &[f64]| layer.iter().sum::<f64>() / layer.len() as f64;
    let (left, right) = potentials.split_at(PER_LAYER);
    (spread(left).max(spread(right)), mean(right) - mean(left))
}
