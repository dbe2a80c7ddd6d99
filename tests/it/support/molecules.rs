//! Molecules that need more than ions and three-site water do: flexible triflate, four-site water, a chain with every term.

use super::systems::{SPCE_OXYGEN, ZINC_CM, ion, skewed_cell, spce};
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::reference::virtual_sites;
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::{PairCoefficients, PairTable};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::bonded::{
    Bonded, HarmonicAngle, HarmonicBond, HarmonicImproper, Pair14, PeriodicDihedral, RyckaertBellemans, UreyBradley,
    VirtualSite,
};
use hexaqua::system::topology::{RigidWater, Species, SpeciesAtom};
use hexaqua::system::{External, Interactions, System, Topology};

/// (σ nm, ε kJ/mol) of Zn2+, C, F, S, O of triflate, OW, HW.
const TYPES: [(f64, f64); 7] =
    [ZINC_CM, (0.35, 0.27614), (0.3118, 0.2554), (0.355, 1.046), (0.315, 0.83736), SPCE_OXYGEN, (0.0, 0.0)];

/// Flexible CF3SO3⁻ of CL&P: C, 3 F, S, 3 O; the types are 1 to 4 of a box of [`zinc_triflate`].
pub fn triflate() -> Species {
    let atom = |name: &str, element: &str, type_id, charge, mass| SpeciesAtom {
        name: name.into(),
        element: element.into(),
        type_id,
        charge,
        mass,
    };
    let fluorine = |name| atom(name, "F", 2, -0.16, 18.998);
    let oxygen = |name| atom(name, "O", 4, -0.63, 15.999);
    let atoms = vec![
        atom("C", "C", 1, 0.35, 12.011),
        fluorine("F1"),
        fluorine("F2"),
        fluorine("F3"),
        atom("S", "S", 3, 1.02, 32.066),
        oxygen("O1"),
        oxygen("O2"),
        oxygen("O3"),
    ];
    let bond = |atoms, length, k| HarmonicBond { atoms, length, k };
    let angle = |atoms, degrees: f64, k| HarmonicAngle { atoms, angle: degrees.to_radians(), k };
    let mut bonded = Bonded {
        bonds: vec![
            bond([0, 1], 0.1323, 369_800.0),
            bond([0, 2], 0.1323, 369_800.0),
            bond([0, 3], 0.1323, 369_800.0),
            bond([0, 4], 0.1818, 195_000.0),
            bond([4, 5], 0.1437, 533_100.0),
            bond([4, 6], 0.1437, 533_100.0),
            bond([4, 7], 0.1437, 533_100.0),
        ],
        ..Bonded::default()
    };
    for [a, b] in [[0, 1], [0, 2], [1, 2]] {
        bonded.angles.push(angle([1 + a, 0, 1 + b], 107.1, 781.0));
        bonded.angles.push(angle([5 + a, 4, 5 + b], 118.5, 969.0));
    }
    for k in 0..3 {
        bonded.angles.push(angle([1 + k, 0, 4], 111.7, 694.0));
        bonded.angles.push(angle([0, 4, 5 + k], 102.6, 870.0));
    }
    // Lorentz-Berthelot between F and O, half of it
    let (sigma, epsilon) = Mixing::LorentzBerthelot.mix(TYPES[2], TYPES[4]);
    let k = PairCoefficients::from_sigma_epsilon(sigma, 0.5 * epsilon);
    for f in 1..4 {
        for o in 5..8 {
            let atoms = [o, 4, 0, f];
            bonded.dihedrals.push(PeriodicDihedral {
                atoms,
                phase: 0.0,
                k: 0.7255,
                multiplicity: 3,
                is_improper: false,
            });
            bonded.pairs_14.push(Pair14 { atoms: [f, o], c6: k.c6, c12: k.c12, qq: 0.5 * 0.16 * 0.63 });
        }
    }
    Species {
        name: "CF3SO3-".into(),
        residue: "OTF".into(),
        atoms,
        bonds: bonded.bonds.iter().map(|b| (b.atoms[0], b.atoms[1])).collect(),
        exclusions: (0..8).flat_map(|i| (i + 1..8).map(move |j| (i, j))).collect(),
        bonded,
        ..Species::default()
    }
}

/// Zn2+, triflate and SPC/E in the given order of species (0, 1, 2), Lorentz-Berthelot mixing.
pub fn zinc_triflate(sequence: &[u32], interactions: Interactions) -> System {
    let mut water = spce(1.0);
    for (atom, type_id) in water.atoms.iter_mut().zip([5, 6, 6]) {
        atom.type_id = type_id;
    }
    let types = ["Zn2+", "CBT", "F1", "SBT", "OTF", "OW", "HW"].map(String::from).to_vec();
    System {
        topology: Topology::new(types, vec![ion("Zn2+", "Zn", 0, 2.0, 65.4), triflate(), water], sequence),
        pair_table: PairTable::mixed(&TYPES, |_, _| Mixing::LorentzBerthelot),
        interactions,
        restraints: Vec::new(),
        external: External::default(),
    }
}

/// Rigid TIP4P/2005 with its massless charge M; types O, H, M are 0, 1, 2.
pub fn tip4p_2005() -> Species {
    let atom = |name: &str, element: &str, type_id, charge, mass| SpeciesAtom {
        name: name.into(),
        element: element.into(),
        type_id,
        charge,
        mass,
    };
    Species {
        name: "TIP4P/2005".into(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![
            atom("OW", "O", 0, 0.0, 15.9994),
            atom("HW1", "H", 1, 0.5564, 1.008),
            atom("HW2", "H", 1, 0.5564, 1.008),
            atom("MW", "", 2, -1.1128, 0.0),
        ],
        bonds: vec![(0, 1), (0, 2)],
        exclusions: vec![(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
        rigid_water: Some(RigidWater { d_oh: 0.09572, d_hh: 0.151_390_065_452_732_23 }),
        virtual_sites: vec![VirtualSite { site: 3, parents: [0, 1, 2], a: 0.131_938_28, b: 0.131_938_28, c: 0.0 }],
        ..Species::default()
    }
}

/// `n` molecules of [`tip4p_2005`].
pub fn tip4p_2005_box(n: usize, interactions: Interactions) -> System {
    let types = ["OW", "HW", "MW"].map(String::from).to_vec();
    System {
        topology: Topology::new(types, vec![tip4p_2005()], &vec![0; n]),
        pair_table: PairTable::mixed(&[(0.31589, 0.7749), (0.0, 0.0), (0.0, 0.0)], |_, _| Mixing::LorentzBerthelot),
        interactions,
        restraints: Vec::new(),
        external: External::default(),
    }
}

/// A molecule with every bonded term and an out-of-plane site: H–C–C–O–C–H in a zigzag, types C 0, O 1, H 2, site 3.
pub fn chain() -> Species {
    let atom = |name: &str, element: &str, type_id, charge, mass| SpeciesAtom {
        name: name.into(),
        element: element.into(),
        type_id,
        charge,
        mass,
    };
    let angle = |atoms, degrees: f64, k| HarmonicAngle { atoms, angle: degrees.to_radians(), k };
    let periodic = |atoms, degrees: f64, k, multiplicity, is_improper| PeriodicDihedral {
        atoms,
        phase: degrees.to_radians(),
        k,
        multiplicity,
        is_improper,
    };
    let bonds = [(4, 0), (0, 1), (1, 2), (2, 3), (3, 5)];
    let lengths = [0.109, 0.153, 0.141, 0.141, 0.109];
    Species {
        name: "chain".into(),
        residue: "CHN".into(),
        atoms: vec![
            atom("C1", "C", 0, 0.10, 12.011),
            atom("C2", "C", 0, 0.15, 12.011),
            atom("O3", "O", 1, -0.30, 15.999),
            atom("C4", "C", 0, 0.10, 12.011),
            atom("H5", "H", 2, 0.05, 1.008),
            atom("H6", "H", 2, 0.05, 1.008),
            atom("L7", "", 3, -0.15, 0.0),
        ],
        bonds: bonds.to_vec(),
        exclusions: (0..7).flat_map(|i| (i + 1..7).map(move |j| (i, j))).collect(),
        bonded: Bonded {
            bonds: bonds
                .iter()
                .zip(lengths)
                .map(|(&(i, j), length)| HarmonicBond { atoms: [i, j], length, k: 250_000.0 })
                .collect(),
            angles: vec![
                angle([4, 0, 1], 109.5, 300.0),
                angle([0, 1, 2], 110.0, 400.0),
                angle([1, 2, 3], 112.0, 500.0),
                angle([2, 3, 5], 109.5, 300.0),
            ],
            urey_bradleys: vec![UreyBradley { atoms: [0, 2], length: 0.24, k: 9000.0 }],
            dihedrals: vec![
                periodic([4, 0, 1, 2], 0.0, 0.6, 3, false),
                periodic([1, 2, 3, 5], 180.0, 1.1, 2, false),
                periodic([0, 2, 1, 4], 20.0, 3.0, 2, true),
            ],
            ryckaert_bellemans: vec![RyckaertBellemans { atoms: [0, 1, 2, 3], c: [2.9, -1.5, 0.2, -3.3, 0.5, 0.1] }],
            impropers: vec![HarmonicImproper { atoms: [1, 0, 2, 3], angle: 0.5, k: 20.0 }],
            pairs_14: vec![
                Pair14 { atoms: [0, 3], c6: 1.0e-3, c12: 1.2e-6, qq: 0.005 },
                Pair14 { atoms: [1, 5], c6: 1.0e-4, c12: 1.0e-7, qq: 0.00375 },
            ],
        },
        virtual_sites: vec![VirtualSite { site: 6, parents: [2, 1, 3], a: -0.25, b: -0.2, c: 2.5 }],
        ..Species::default()
    }
}

/// Eight [`chain`]s and forty [`tip4p_2005`] on a 4 × 4 × 3 grid of a skewed cell, waters on their geometry.
pub fn chains_in_water(interactions: Interactions) -> (System, Cell, Vec<DVec3>) {
    let mut water = tip4p_2005();
    for (atom, type_id) in water.atoms.iter_mut().zip([4, 5, 3, 3]) {
        atom.type_id = type_id;
    }
    water.atoms[2].type_id = 5;
    let types = ["C", "O", "H", "L", "OW", "HW"].map(String::from).to_vec();
    let lj = [(0.34, 0.4), (0.30, 0.6), (0.24, 0.1), (0.0, 0.0), (0.31589, 0.7749), (0.0, 0.0)];
    let sequence: Vec<u32> = (0..48).map(|m| u32::from(m % 6 != 0)).collect();
    let system = System {
        topology: Topology::new(types, vec![chain(), water], &sequence),
        pair_table: PairTable::mixed(&lj, |_, _| Mixing::LorentzBerthelot),
        interactions,
        restraints: Vec::new(),
        external: External::default(),
    };
    let v = skewed_cell().vectors() * 1.15;
    let cell = Cell::new(v.x_axis, v.y_axis, v.z_axis).expect("valid");
    let mut draws = Draws::new(21, Stream::Build, 0);
    let mut vector = || DVec3::new(draws.normal(), draws.normal(), draws.normal());
    let mut positions = Vec::new();
    let (d_oh, half_hh) = (0.09572, 0.5 * 0.151_390_065_452_732_23);
    let height = f64::sqrt(d_oh * d_oh - half_hh * half_hh);
    for (m, &species) in sequence.iter().enumerate() {
        let at = DVec3::new((m / 12) as f64 + 0.5, (m / 3 % 4) as f64 + 0.5, (m % 3) as f64 + 0.5);
        let origin = cell.to_cartesian(at / DVec3::new(4.0, 4.0, 3.0)) + 0.01 * vector();
        let x = vector().normalize();
        let y = x.cross(vector()).normalize();
        let z = x.cross(y);
        let local: Vec<[f64; 3]> = if species == 0 {
            vec![
                [-0.12, -0.05, 0.0],
                [-0.01, 0.05, 0.02],
                [0.11, -0.02, 0.0],
                [0.22, 0.06, 0.04],
                [-0.21, 0.01, 0.03],
                [0.30, 0.00, 0.07],
                [0.0; 3],
            ]
        } else {
            vec![[0.0; 3], [half_hh, height, 0.0], [-half_hh, height, 0.0], [0.0; 3]]
        };
        positions.extend(local.into_iter().map(|[a, b, c]| origin + a * x + b * y + c * z));
    }
    virtual_sites::construct(&system.topology, &cell, &mut positions);
    (system, cell, positions)
}
