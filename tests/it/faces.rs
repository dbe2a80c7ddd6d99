//! What is told by the distance from the faces of slabs, on hand-made configurations with exact answers.

use crate::support::electrolyte::{analyse, column, topology, value, water};
use glam::DVec3;
use hexaqua::analysis::{AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::system::analyses::{AnalysisSpec, DensityProfileSpec};
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{External, Frame};

/// Waters in layers of a normal distribution of 0.03 nm, 0.3 nm from both faces, and evenly beyond: the layer is where it was put, by distance from a face.
#[test]
fn the_first_layer_is_told_from_the_faces() {
    let (cell, faces) = (Cell::orthorhombic(2.0, 3.0, 12.0).expect("valid"), [2.005, 6.005]);
    let mut distances = Vec::new();
    for k in 0..100 {
        // the quantiles of a logistic distribution of that width
        let p = (f64::from(k) + 0.5) / 100.0;
        distances.push(0.3 + 0.03 * 0.5513 * (p / (1.0 - p)).ln());
    }
    let beyond = (0..150).map(|k| 0.5 + 0.01 * f64::from(k));
    let n_layer = distances.len();
    distances.extend(beyond);
    let mut topology = topology(0, 2, 0, 2 * distances.len());
    topology.frozen[..2].fill(true);
    let mut positions = faces.map(|z| DVec3::new(0.5, 0.5, z)).to_vec();
    for d in &distances {
        positions.extend(water(DVec3::new(1.0, 1.0, faces[0] + d), DVec3::X, DVec3::Y));
        positions.extend(water(DVec3::new(1.0, 1.0, faces[1] - d), DVec3::X, DVec3::Y));
    }
    let spec = DensityProfileSpec { bin_width: 0.01, every: 1.0, ..Default::default() };
    let results =
        analyse(&[AnalysisSpec::DensityProfile(spec)], &topology, &cell, &[positions.clone(), positions.clone()]);
    let peak = value(&results, "layer_position(SPC/E)");
    assert!((peak - 0.3).abs() < 0.006, "{peak} nm from a face");
    let areal = value(&results, "layer_areal_density(SPC/E)") * 6.0;
    assert!((areal - n_layer as f64).abs() < 3.0, "{areal} of {n_layer} molecules at a face");
    assert!(
        results[0].values.iter().all(|q| !q.id.starts_with("layer") || !q.id.contains("Cl-")),
        "a slab has no layer"
    );
}

/// Coordination numbers at two electrodes are told apart where they are not held alike, and together where they are.
#[test]
fn layers_at_electrodes_at_two_potentials_are_told_apart() {
    let mut topology = topology(2, 2, 0, 3);
    topology.frozen[2..4].fill(true);
    let cell = Cell::orthorhombic(3.0, 3.0, 12.0).expect("valid");
    // One zinc with two waters 0.35 nm above the lower electrode, one with a single water 0.35 nm below the upper one.
    let at = |z: f64| DVec3::new(1.5, 1.5, z);
    let mut positions = vec![at(2.35), at(5.65), at(2.0), at(6.0)];
    for (z, x) in [(2.35, 0.2), (2.35, -0.2), (5.65, 0.2)] {
        positions.extend(water(at(z) + DVec3::X * x, DVec3::X * x, DVec3::Y));
    }
    let spec = AnalysisSpec::Coordination {
        center: "Zn2+".into(),
        ligands: vec!["OW".into()],
        r_min: Some(0.28),
        layer: Some(0.3),
        every: 1.0,
    };
    let told = |potentials: [f64; 2]| -> Vec<AnalysisResult> {
        let electrode = |k: usize| Electrode {
            name: ["lower", "upper"][k].into(),
            atoms: vec![2 + k as u32],
            condition: Condition::Potential(potentials[k]),
            gaussian_width: 0.05,
            thomas_fermi: 0.0,
        };
        let electrodes = Electrodes { electrodes: vec![electrode(0), electrode(1)], balance: 0.0 };
        let external = External { electrodes: Some(electrodes), ..External::default() };
        let mut set =
            AnalysisSet::with_external(std::slice::from_ref(&spec), &topology, &external, &cell).expect("valid");
        set.sample(&Frame::new(0, 0.0, &cell, &positions)).expect("good frame");
        set.finish()
    };
    let apart = told([0.0, 1.0]);
    assert_eq!(column(&apart, "coordination_Zn2+_layers_below", "CN OW"), [2.0]);
    assert_eq!(column(&apart, "coordination_Zn2+_layers_above", "CN OW"), [1.0]);
    let distance = column(&apart, "coordination_Zn2+_layers_above", "distance from the face above")[0];
    assert!((distance - 0.45).abs() < 1e-12, "{distance}");
    let together = told([1.0, 1.0]);
    assert_eq!(column(&together, "coordination_Zn2+_layers", "CN OW"), [1.5]);
}
