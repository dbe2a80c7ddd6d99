//! Small topologies for tests that need atoms with names, not a force field.

use hexaqua::system::Topology;
use hexaqua::system::topology::{RigidWater, Species, SpeciesAtom};

/// SPC/E: 0.1 nm, tetrahedral angle.
pub const SPCE: RigidWater = RigidWater { d_oh: 0.1, d_hh: 0.163_299_316_185_545 };

fn atom(name: &str, element: &str, type_id: u32, charge: f64, mass: f64) -> SpeciesAtom {
    SpeciesAtom { name: name.into(), element: element.into(), type_id, charge, mass }
}

pub fn ion(name: &str, residue: &str, element: &str, charge: f64, mass: f64) -> Species {
    Species {
        name: name.into(),
        residue: residue.into(),
        is_water: false,
        atoms: vec![atom(residue, element, 0, charge, mass)],
        bonds: Vec::new(),
        exclusions: Vec::new(),
        rigid_water: None,
        ..Species::default()
    }
}

pub fn zinc() -> Species {
    ion("Zn2+", "ZN", "Zn", 2.0, 65.38)
}

pub fn chloride() -> Species {
    ion("Cl-", "CL", "Cl", -1.0, 35.453)
}

pub fn water() -> Species {
    Species {
        name: "SPC/E".into(),
        residue: "SOL".into(),
        is_water: true,
        atoms: vec![
            atom("OW", "O", 1, -0.8476, 15.9994),
            atom("HW1", "H", 2, 0.4238, 1.008),
            atom("HW2", "H", 2, 0.4238, 1.008),
        ],
        bonds: vec![(0, 1), (0, 2)],
        exclusions: vec![(0, 1), (0, 2), (1, 2)],
        rigid_water: Some(SPCE),
        ..Species::default()
    }
}

/// `counts` of Zn2+, Cl- and water.
pub fn zinc_chloride(counts: [usize; 3]) -> Topology {
    let sequence: Vec<u32> = counts.iter().enumerate().flat_map(|(s, &n)| vec![s as u32; n]).collect();
    Topology::new(vec!["ION".into(), "OW".into(), "HW".into()], vec![zinc(), chloride(), water()], &sequence)
}
