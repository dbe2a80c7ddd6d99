//! Small electrolytes with known answers, and how tests look at results.

use glam::DVec3;
use hexaqua::analysis::{AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::analyses::AnalysisSpec;
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Frame, Topology};

pub fn species(name: &str, atoms: &[(&str, &str, f64, f64)], bonds: &[(u32, u32)]) -> Species {
    let atom = |&(name, element, mass, charge): &(&str, &str, f64, f64)| SpeciesAtom {
        name: name.to_string(),
        element: element.to_string(),
        type_id: 0,
        charge,
        mass,
    };
    Species {
        name: name.to_string(),
        residue: name.chars().take(3).collect(),
        is_water: name == "SPC/E",
        atoms: atoms.iter().map(atom).collect(),
        bonds: bonds.to_vec(),
        ..Species::default()
    }
}

/// Zn2+, Cl-, sulfate-like XO2 with donors O1 and O2, and SPC/E; molecules in this order.
pub fn topology(n_zn: usize, n_cl: usize, n_xo2: usize, n_water: usize) -> Topology {
    let kinds = vec![
        species("Zn2+", &[("ZN", "Zn", 65.38, 2.0)], &[]),
        species("Cl-", &[("CL", "Cl", 35.45, -1.0)], &[]),
        species(
            "XO2 2-",
            &[("X", "S", 32.06, 0.0), ("O1", "O", 15.999, -1.0), ("O2", "O", 15.999, -1.0)],
            &[(0, 1), (0, 2)],
        ),
        species(
            "SPC/E",
            &[("OW", "O", 15.999, -0.8476), ("HW1", "H", 1.008, 0.4238), ("HW2", "H", 1.008, 0.4238)],
            &[(0, 1), (0, 2)],
        ),
    ];
    let counts = [n_zn, n_cl, n_xo2, n_water];
    let sequence: Vec<u32> = (0..4).flat_map(|s| std::iter::repeat_n(s as u32, counts[s])).collect();
    Topology::new(vec!["X".to_string()], kinds, &sequence)
}

pub fn analyse(specs: &[AnalysisSpec], topology: &Topology, cell: &Cell, frames: &[Vec<DVec3>]) -> Vec<AnalysisResult> {
    let mut set = AnalysisSet::new(specs, topology, cell).expect("valid analyses");
    sample(&mut set, cell, frames, 0);
    set.finish()
}

/// One frame per picosecond.
pub fn sample(set: &mut AnalysisSet, cell: &Cell, frames: &[Vec<DVec3>], first: usize) {
    for (k, positions) in frames.iter().enumerate() {
        let frame = Frame::new(k as u64, (first + k) as f64, cell, positions);
        set.sample(&frame).expect("good frame");
    }
}

pub fn value(results: &[AnalysisResult], id: &str) -> f64 {
    let found = results.iter().flat_map(|r| &r.values).find(|q| q.id == id);
    let known = || results.iter().flat_map(|r| &r.values).map(|q| q.id.as_str()).collect::<Vec<_>>();
    found.unwrap_or_else(|| panic!("{id} is not among {:?}", known())).value
}

pub fn has(results: &[AnalysisResult], id: &str) -> bool {
    results.iter().flat_map(|r| &r.values).any(|q| q.id == id)
}

pub fn column<'a>(results: &'a [AnalysisResult], table: &str, name: &str) -> &'a [f64] {
    let table = results.iter().flat_map(|r| &r.tables).find(|t| t.name == table).expect("table");
    &table.columns.iter().find(|c| c.name == name).expect("column").values
}

pub fn cube(edge: f64) -> Cell {
    Cell::cubic(edge).expect("valid")
}

/// A water with its oxygen at `o` and hydrogens 0.1 nm along `a` and `b`.
pub fn water(o: DVec3, a: DVec3, b: DVec3) -> [DVec3; 3] {
    [o, o + a.normalize() * 0.1, o + b.normalize() * 0.1]
}

pub fn gaussian_walk(n: usize, n_frames: usize, sigma: f64, cell: &Cell, seed: u64) -> Vec<Vec<DVec3>> {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut now: Vec<DVec3> =
        (0..n).map(|_| cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()))).collect();
    (0..n_frames)
        .map(|_| {
            for r in &mut now {
                *r += DVec3::new(draws.normal(), draws.normal(), draws.normal()) * sigma;
            }
            now.clone()
        })
        .collect()
}
