//! Molecules with more than ions and three-site water need: flexible triflate, four-site water.

use super::systems::{SPCE_OXYGEN, ZINC_CM, ion, spce};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::{PairCoefficients, PairTable};
use hexaqua::system::bonded::{Bonded, HarmonicAngle, HarmonicBond, Pair14, PeriodicDihedral, VirtualSite};
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
