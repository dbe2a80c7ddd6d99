//! Structure and association on hand-made configurations with exact answers.

use crate::support::electrolyte::{analyse, column, cube, gaussian_walk, has, topology, value, water};
use glam::DVec3;
use hexaqua::analysis::selection::Selection;
use hexaqua::analysis::snapshot::Snapshot;
use hexaqua::analysis::{AnalysisError, AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::analyses::{
    AnalysisSpec, DensityProfileSpec, HydrogenBondsSpec, IonPairsSpec, OctahedralitySpec, OrientationSpec,
    PairDistributionSpec,
};
use hexaqua::system::{Frame, Topology};
use std::f64::consts::PI;

#[test]
fn regions_and_neighbourhoods_are_decided_in_every_frame() {
    let topology = topology(1, 1, 0, 3);
    let cell = cube(3.0);
    let w = |x: f64, z: f64| water(DVec3::new(x, 1.0, z), DVec3::X, DVec3::Y);
    let zn = DVec3::new(0.05, 1.0, 0.2);
    let mut positions = vec![zn, DVec3::new(1.2, 1.0, 2.9)];
    // Two waters next to the zinc, one of them through the boundary, and one far away; z = −0.1 is 2.9 when wrapped.
    for r in [w(0.25, 0.2), w(2.9, 0.2), w(1.5, -0.1)] {
        positions.extend(r);
    }
    let frame = Snapshot::new(Frame::new(0, 0.0, &cell, &positions));
    let picked = |s: &str| Selection::new(s, &topology).expect(s).atoms(&frame).expect("small radius").into_owned();
    assert_eq!(picked("OW and within 0.28 nm of Zn2+"), [2, 5]);
    assert_eq!(picked("OW and not within 0.28 nm of Zn2+"), [8]);
    assert_eq!(picked("same molecule as (OW and within 0.28 nm of Zn2+)"), [2, 3, 4, 5, 6, 7]);
    assert_eq!(picked("OW and z > 2.5 nm"), [8]);
    assert_eq!(picked("OW and z 0.1 to 0.3 nm"), [2, 5]);
    assert_eq!(picked("(Zn2+ or Cl-) and z < 10 angstrom"), [0]);
    assert_eq!(picked("within 0.04 nm of all"), [0_u32; 0], "an atom is not its own neighbour");
    assert_eq!(picked("index 2-3 or molecule 5"), [1, 2, 8, 9, 10]);
    assert_eq!(picked("element H and not HW2"), [3, 6, 9]);
    assert_eq!(picked("all and not water"), [0, 1]);

    let refused = |s: &str| Selection::new(s, &topology).expect_err(s);
    assert!(matches!(refused("Zn2+ and Cl-"), AnalysisError::EmptySelection { .. }));
    assert!(matches!(refused("index 0"), AnalysisError::SelectionSyntax { .. }));
    assert!(matches!(refused("molecule 5-6"), AnalysisError::SelectionSyntax { .. }));
    let AnalysisError::UnknownSelection { at, nearest, .. } = refused("OW and within 0.3 nm of Zn3+") else {
        panic!("a misspelt name")
    };
    assert_eq!((at, nearest.as_deref()), (24..28, Some("Zn2+")));
}

#[test]
fn an_empty_group_is_noted_and_harmless() {
    let topology = topology(1, 0, 0, 1);
    let cell = cube(3.0);
    let mut positions = vec![DVec3::splat(0.1)];
    positions.extend(water(DVec3::splat(1.5), DVec3::X, DVec3::Y));
    let nowhere = "OW and z > 2.9 nm".to_string();
    let specs = [AnalysisSpec::Rdf {
        pairs: vec![(nowhere, "Zn2+".to_string())],
        r_max: None,
        bin_width: 0.1,
        molecules: false,
        intramolecular: true,
        every: 1.0,
    }];
    let results = analyse(&specs, &topology, &cell, &[positions]);
    assert!(results[0].notes.iter().any(|n| n.contains("held no atom in any frame")), "{:?}", results[0].notes);
    assert!(results[0].values.is_empty() && results[0].tables.is_empty(), "{:?}", results[0].values);
}

fn rdf(a: &str, b: &str, molecules: bool, intramolecular: bool) -> AnalysisSpec {
    let pairs = vec![(a.to_string(), b.to_string())];
    AnalysisSpec::Rdf { pairs, r_max: Some(1.0), bin_width: 0.02, molecules, intramolecular, every: 1.0 }
}

#[test]
fn partial_and_molecular_rdf_leave_out_what_they_say() {
    let topology = topology(0, 0, 0, 2);
    let cell = cube(3.0);
    let mut positions = Vec::new();
    positions.extend(water(DVec3::new(1.0, 1.0, 1.0), DVec3::X, DVec3::Y));
    positions.extend(water(DVec3::new(1.55, 1.0, 1.0), DVec3::X, DVec3::Y));
    let specs =
        [rdf("OW", "element H", false, true), rdf("OW", "element H", false, false), rdf("water", "water", true, true)];
    let results = analyse(&specs, &topology, &cell, &[positions]);
    let n_at = |k: usize, r: f64| {
        let (rs, n) = (&results[k].tables[0].columns[0].values, &results[k].tables[0].columns[2].values);
        n[rs.iter().position(|x| *x > r).expect("in range")]
    };
    // Bonded hydrogens at 0.1 nm are counted or not; between molecules O···H at 0.45, 0.56 and twice at 0.65, 0.56.
    assert_eq!((n_at(0, 0.2), n_at(1, 0.2)), (2.0, 0.0));
    assert_eq!((n_at(0, 0.7), n_at(1, 0.7)), (4.0, 2.0));
    // Equal molecules: their centres of mass are as far apart as their oxygens.
    assert_eq!((n_at(2, 0.5), n_at(2, 0.58)), (0.0, 1.0));
    // Normalised by the pairs that are looked at: 4 of 8 remain.
    let g = |k: usize| results[k].tables[0].columns[1].values.iter().sum::<f64>();
    let shell = |r: f64| 4.0 / 3.0 * PI * ((r + 0.01_f64).powi(3) - (r - 0.01_f64).powi(3));
    let (r, values) = (&results[1].tables[0].columns[0].values, &results[1].tables[0].columns[1].values);
    let counted: f64 = r.iter().zip(values).map(|(r, g)| g * shell(*r)).sum::<f64>() * 4.0 / cell.volume();
    assert!((counted - 4.0).abs() < 1e-9, "{counted}");
    assert!(g(0) > g(1));
}

#[test]
fn coordination_is_resolved_by_layer() {
    let topology = topology(2, 2, 0, 6);
    let cell = cube(4.0);
    let (low, high) = (DVec3::new(2.0, 2.0, 0.7), DVec3::new(2.0, 2.0, 2.7));
    let mut positions = vec![low, high, high + DVec3::X * 0.22, high - DVec3::X * 0.22];
    for (center, u) in
        [(low, DVec3::X), (low, -DVec3::X), (low, DVec3::Y), (low, -DVec3::Y), (high, DVec3::Y), (high, -DVec3::Y)]
    {
        let o = center + u * 0.21;
        positions.extend(water(o, u + DVec3::Z * 0.3, u - DVec3::Z * 0.3));
    }
    let spec = |layer, r_min| AnalysisSpec::Coordination {
        center: "Zn2+".to_string(),
        ligands: vec!["OW".to_string(), "Cl-".to_string()],
        r_min,
        layer,
        every: 1.0,
    };
    let results = analyse(&[spec(Some(1.0), Some(0.3))], &topology, &cell, std::slice::from_ref(&positions));
    let of = |name: &str| column(&results, "coordination_Zn2+_layers", name).to_vec();
    assert_eq!(of("z"), [0.5, 2.5], "layers without a centre are left out");
    assert_eq!(of("CN OW"), [4.0, 2.0]);
    assert_eq!(of("CN Cl-"), [0.0, 2.0]);
    assert_eq!(of("CN all ligands"), [4.0, 4.0]);
    assert!(of("± OW").iter().all(|e| e.is_nan()), "one frame has no error");
    // Atoms that stay are faces: the low ion is 0.5 nm above one at 0.2, the high one 1.5 nm below it through the boundary.
    let mut faced = topology.clone();
    faced.frozen[3] = true;
    positions[3] = DVec3::new(1.0, 1.0, 0.2);
    let frames = vec![positions; 12];
    let results = analyse(&[spec(Some(0.4), Some(0.3))], &faced, &cell, &frames);
    let of = |name: &str| column(&results, "coordination_Zn2+_layers", name).to_vec();
    assert!(of("distance from the nearest face").iter().zip([0.6, 1.4]).all(|(a, b)| (a - b).abs() < 1e-12));
    assert_eq!((of("CN OW"), of("CN Cl-"), of("± OW")), (vec![4.0, 2.0], vec![0.0, 1.0], vec![0.0, 0.0]));
    // Two faces fold into one series: with another at 3.2 nm the high ion is 0.5 nm away too.
    faced.frozen[2] = true;
    let mut positions = frames[0].clone();
    positions[2] = DVec3::new(1.0, 1.0, 3.2);
    let results = analyse(&[spec(Some(0.4), Some(0.3))], &faced, &cell, &vec![positions; 12]);
    assert_eq!(column(&results, "coordination_Zn2+_layers", "CN OW"), [3.0]);
    assert_eq!(column(&results, "coordination_Zn2+_layers", "mean number of centres"), [2.0]);
    let refused = AnalysisSet::new(&[spec(Some(1.0), None)], &topology, &cell).map(|_| ()).expect_err("no radius");
    assert!(matches!(refused, AnalysisError::InvalidSetting { what: "layer", .. }));
}

#[test]
fn a_plate_capacitor_has_its_field_and_its_voltage() {
    let topology = topology(2, 4, 0, 0);
    let cell = Cell::orthorhombic(2.0, 3.0, 8.0).expect("valid");
    // +4 e in the plane z = 2.05, −4 e in the plane z = 5.05.
    let at = |x: f64, z: f64| DVec3::new(x, 1.0, z);
    let positions = vec![at(0.5, 2.05), at(1.5, 2.05), at(0.2, 5.05), at(0.7, 5.05), at(1.2, 5.05), at(1.7, 5.05)];
    let spec = DensityProfileSpec { bin_width: 0.1, every: 1.0, ..Default::default() };
    let results =
        analyse(&[AnalysisSpec::DensityProfile(spec.clone())], &topology, &cell, std::slice::from_ref(&positions));
    let phi = column(&results, "density_profile", "potential, no field at z = 0");
    // σ/ε₀ = 4π k_e σ with σ = 4/6 e/nm², over d = 3 nm; 96.485 kJ/mol/e is one volt.
    let voltage = 4.0 * PI * 138.935_457_644 * (4.0 / 6.0) * 3.0 / 96.485_332_12;
    assert_eq!(phi[0], 0.0);
    assert!((phi[79] + voltage).abs() < 1e-9 * voltage, "{} against {}", phi[79], -voltage);
    let (middle, field) = (phi[35], (phi[40] - phi[30]) / 1.0);
    assert!((field + voltage / 3.0).abs() < 1e-9 * voltage, "linear between the plates: {field}");
    assert!((middle + voltage * (3.55 - 2.05) / 3.0).abs() < 1e-9 * voltage);
    let periodic = column(&results, "density_profile", "potential, periodic");
    // Periodic: φ at both ends of the cell is the same; bin centres are half a bin inside.
    let slope = voltage / 8.0;
    assert!((periodic[79] - periodic[0] - (-voltage + slope * 7.9)).abs() < 1e-9 * voltage);
    let zinc = column(&results, "density_profile", "Zn2+").iter().sum::<f64>() / 80.0;
    assert!((zinc - 2.0 / 48.0).abs() < 1e-15 && !has(&results, "mean_density(Zn2+)"), "two planes fill no cell");
    let charge: f64 = column(&results, "density_profile", "charge density").iter().sum();
    assert!(charge.abs() < 1e-12);

    // From the upper plate, through the boundary.
    let from_zinc = DensityProfileSpec { origin: "Cl-".to_string(), ..spec };
    let results = analyse(&[AnalysisSpec::DensityProfile(from_zinc)], &topology, &cell, &[positions]);
    let zinc = column(&results, "density_profile", "Zn2+");
    let filled: Vec<usize> = (0..80).filter(|&k| zinc[k] > 0.0).collect();
    assert!(filled == [50] || filled == [49], "2.05 − 5.05 + 8 = 5.0: {filled:?}");
}

/// A liquid between two planes that stay: densities count molecules and are those of the middle, whatever the vacuum around.
#[test]
fn densities_between_surfaces_do_not_depend_on_the_vacuum() {
    let mut topology = topology(2, 0, 0, 40);
    topology.frozen[..2].fill(true);
    for height in [8.0, 16.0] {
        let cell = Cell::orthorhombic(2.0, 3.0, height).expect("valid");
        let mut positions = vec![DVec3::new(0.5, 1.0, 2.05), DVec3::new(0.5, 1.0, 6.05)];
        // 10 molecules per nm from 2.05 to 6.05, hydrogens in the plane of their oxygen.
        positions
            .extend((0..40).flat_map(|k| water(DVec3::new(1.0, 1.0, 2.1 + 0.1 * f64::from(k)), DVec3::X, DVec3::Y)));
        let spec = DensityProfileSpec { bin_width: 0.05, every: 1.0, ..Default::default() };
        let results = analyse(&[AnalysisSpec::DensityProfile(spec)], &topology, &cell, &[positions]);
        let density = value(&results, "middle_density(SPC/E)");
        assert!((density - 10.0 / 6.0).abs() < 0.06 * density, "{density} molecules per nm3 in {height} nm");
        let mass = value(&results, "middle_mass_density(all)");
        assert!((mass - density * 18.015 * 1.660_539e-3).abs() < 1e-4 * mass, "{mass} g/cm3");
        assert!(results[0].values.iter().all(|q| !q.id.starts_with("mean_density") && q.id != "mass_density(all)"));
        // Of 0.1 nm between molecules six are nearer than 0.6 nm to each of the two frozen ions.
        let at_face = value(&results, "face_areal_density(SPC/E)");
        assert!((at_face - 1.0).abs() < 1e-9, "{at_face} molecules per nm2 of a face");
        let dz = height / column(&results, "density_profile", "z").len() as f64;
        let held = |name: &str| column(&results, "density_profile", name).iter().sum::<f64>() * 6.0 * dz;
        assert!((held("SPC/E") - 40.0).abs() < 1e-9 && (held("Zn2+") - 2.0).abs() < 1e-9);
        assert_eq!(results[0].figures[0].y.unit, "nm⁻³");
    }
}

#[test]
fn densities_are_mapped_over_x_and_z_where_a_surface_stands() {
    let mut topology = topology(2, 0, 0, 0);
    let cell = Cell::orthorhombic(2.0, 3.0, 8.0).expect("valid");
    let positions = vec![DVec3::new(0.5, 1.0, 2.05), DVec3::new(-0.5, 7.0, 5.95)];
    let mapped = |topology: &Topology, map_width: Option<f64>| {
        let spec = DensityProfileSpec { every: 1.0, map_width, ..Default::default() };
        analyse(&[AnalysisSpec::DensityProfile(spec)], topology, &cell, &[positions.clone(), positions.clone()])
    };
    let results = mapped(&topology, Some(1.0));
    let map = column(&results, "density_profile_map_Zn2+", "number density");
    // Two by eight squares of 3 nm³ each; x = −0.5 is 1.5 when wrapped.
    let mut expected = vec![0.0; 16];
    (expected[2], expected[8 + 5]) = (1.0 / 3.0, 1.0 / 3.0);
    assert!(map.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{map:?}");
    let has_map = |results: &[AnalysisResult]| results[0].figures.iter().any(|f| f.map.is_some());
    assert!(has_map(&results) && !has_map(&mapped(&topology, None)), "a liquid needs none");
    topology.frozen[0] = true;
    assert!(has_map(&mapped(&topology, None)));
    topology.frozen[1] = true;
    assert!(!has_map(&mapped(&topology, None)), "what stays where it is would dwarf the rest");
}

#[test]
fn ion_pairs_are_told_apart() {
    let topology = topology(5, 2, 3, 5);
    let cell = Cell::orthorhombic(12.0, 4.0, 4.0).expect("valid");
    let at = |x: f64| DVec3::new(x, 2.0, 2.0);
    let zinc = [0.5, 3.0, 5.5, 8.0, 8.46].map(at);
    let xo2 = |center: f64, donors: [f64; 2]| [at(center), at(donors[0]), at(donors[1]) + DVec3::Y * 0.1];
    let mut positions = zinc.to_vec();
    // Two chlorides: one in contact with the first zinc alone; one shared by the fourth and the fifth.
    positions.extend([at(0.73), at(8.23)]);
    // XO2: S at 0.5 nm from the second zinc (SSIP), at 0.7 nm from the third (2SIP), and one far away.
    positions.extend(xo2(3.5, [3.36, 3.6]));
    positions.extend(xo2(6.2, [6.1, 6.3]));
    positions.extend(xo2(11.0, [10.9, 11.1]));
    for k in 0..5 {
        // One water at the first zinc, two at the second, the rest far away.
        let o = [at(0.3), at(2.8), at(3.0) + DVec3::Y * 0.2, at(10.0), at(10.0) + DVec3::Y][k];
        positions.extend(water(o, DVec3::Y, DVec3::Z));
    }
    let spec = IonPairsSpec {
        cation: "Zn2+".to_string(),
        anion: "Cl- or O1 or O2".to_string(),
        anion_center: "Cl- or X".to_string(),
        every: 1.0,
        ..Default::default()
    };
    let results = analyse(&[AnalysisSpec::IonPairs(spec.clone())], &topology, &cell, &[positions.clone()]);
    let fraction = |state: &str| value(&results, &format!("ion_pair_fraction(Zn2+,Cl- or O1 or O2,{state})"));
    assert_eq!(["free", "2SIP", "SSIP", "CIP", "aggregate"].map(fraction), [0.0, 0.2, 0.2, 0.2, 0.4]);
    assert_eq!(value(&results, "shell_fraction(Zn(H2O)(Cl))"), 0.2);
    assert_eq!(value(&results, "shell_fraction(Zn(H2O)2)"), 0.2);
    assert_eq!(value(&results, "shell_fraction(Zn(Cl))"), 0.4);
    assert_eq!(value(&results, "shell_fraction(Zn)"), 0.2);
    // Clusters: ZnCl (2), ZnClZn (3), two single zincs, three single anions.
    let sizes = column(&results, "ion_pairs_Zn2+_Cl-_or_O1_or_O2_clusters", "fraction of ions");
    assert_eq!(sizes, [0.5, 0.2, 0.3]);
    assert_eq!(value(&results, "donor_contacts(Zn2+,Cl- or O1 or O2)"), 3.0 / 5.0);

    let refused = |spec: IonPairsSpec| {
        AnalysisSet::new(&[AnalysisSpec::IonPairs(spec)], &topology, &cell).map(|_| ()).expect_err("refused")
    };
    let wrong_order = refused(IonPairsSpec { r_ssip: 0.9, ..spec.clone() });
    assert!(matches!(wrong_order, AnalysisError::InvalidSetting { what: "r_ssip", .. }));
    let moving = refused(IonPairsSpec { cation: "Zn2+ and z < 1 nm".to_string(), ..spec });
    assert!(matches!(moving, AnalysisError::InvalidSetting { what: "cation", .. }));
}

#[test]
fn a_hexaaqua_ion_is_one_composition() {
    let topology = topology(1, 0, 0, 7);
    let cell = cube(3.0);
    let center = DVec3::new(0.02, 2.97, 1.5);
    let mut positions = vec![center];
    for u in [DVec3::X, -DVec3::X, DVec3::Y, -DVec3::Y, DVec3::Z, -DVec3::Z, DVec3::ONE * 3.0] {
        let side = u.any_orthogonal_vector().normalize();
        positions.extend(water(center + u * 0.21, u + side, u - side));
    }
    let results = analyse(
        &[
            AnalysisSpec::IonPairs(IonPairsSpec {
                cation: "Zn2+".into(),
                anion: "OW and molecule 8".into(),
                every: 1.0,
                ..Default::default()
            }),
            AnalysisSpec::Octahedrality(OctahedralitySpec {
                center: "Zn2+".into(),
                ligand: "OW".into(),
                every: 1.0,
                ..Default::default()
            }),
            AnalysisSpec::Orientation(OrientationSpec {
                molecules: "same molecule as (OW and within 0.28 nm of Zn2+)".into(),
                relative_to: "Zn2+".into(),
                every: 1.0,
                ..Default::default()
            }),
        ],
        &topology,
        &cell,
        &[positions],
    );
    assert_eq!(value(&results, "shell_fraction(Zn(H2O)6)"), 1.0);
    assert!(value(&results, "bond_angle_variance(Zn2+,OW)") < 1e-12);
    assert!((value(&results, "steinhardt_q4(Zn2+,OW)") - (7.0_f64 / 12.0).sqrt()).abs() < 1e-9);
    let axis = "same molecule as (OW and within 0.28 nm of Zn2+),Zn2+";
    assert!((value(&results, &format!("dipole_cosine({axis})")) - 1.0).abs() < 1e-9, "hydrogens point away");
    assert!((value(&results, &format!("dipole_p2({axis})")) - 1.0).abs() < 1e-9);
    // 2 · 0.4238 e · 0.1 nm · cos 45° in debye
    let dipole = 2.0 * 0.4238 * 0.1 * 0.5_f64.sqrt() * 48.032_047_1;
    assert!((value(&results, &format!("dipole_moment({axis})")) - dipole).abs() < 1e-9);
}

fn hydrogen_bonds(at_donor: bool, regions: &[(&str, &str)]) -> AnalysisSpec {
    let regions = regions.iter().map(|(n, s)| (n.to_string(), s.to_string())).collect();
    let angle = if at_donor { 30.0 } else { 150.0 };
    AnalysisSpec::HydrogenBonds(HydrogenBondsSpec {
        at_donor,
        angle,
        regions,
        max_lag: 0.0,
        every: 1.0,
        ..Default::default()
    })
}

/// A water at the centre that donates to the first `donated` of two neighbours and accepts from `accepted` others; its neighbours have no other
/// bonds. Returns the positions of five waters.
fn star(donated: usize, accepted: usize) -> Vec<DVec3> {
    let center = DVec3::splat(1.5);
    let corners = [
        DVec3::new(1.0, 1.0, 1.0),
        DVec3::new(-1.0, -1.0, 1.0),
        DVec3::new(1.0, -1.0, -1.0),
        DVec3::new(-1.0, 1.0, -1.0),
    ];
    let u = corners.map(|c| c.normalize());
    let mut positions = water(center, u[0], u[1]).to_vec();
    let far = |on: bool| if on { 0.28 } else { 0.9 };
    for (k, &u) in u[..2].iter().enumerate() {
        // Their hydrogens point away.
        let side = u.any_orthogonal_vector();
        positions.extend(water(center + u * far(k < donated), u + side, u - side));
    }
    for (k, &u) in u[2..].iter().enumerate() {
        let away = u + u.any_orthogonal_vector();
        positions.extend(water(center + u * far(k < accepted), -u, away));
    }
    positions
}

#[test]
fn waters_have_their_exact_hydrogen_bond_class() {
    let topology = topology(0, 0, 0, 5);
    let cell = cube(4.0);
    for (donated, accepted, class) in
        [(2, 2, "DDAA"), (2, 1, "DDA"), (1, 2, "DAA"), (1, 1, "DA"), (0, 1, "other"), (2, 0, "other"), (0, 0, "other")]
    {
        for at_donor in [true, false] {
            let regions = [("center", "molecule 1 and OW")];
            let results = analyse(&[hydrogen_bonds(at_donor, &regions)], &topology, &cell, &[star(donated, accepted)]);
            assert_eq!(value(&results, &format!("water_class(center,{class})")), 1.0, "{donated} {accepted}");
            assert_eq!(value(&results, "hydrogen_bonds_donated(center)"), donated as f64);
            assert_eq!(value(&results, "hydrogen_bonds_accepted(center)"), accepted as f64);
            assert_eq!(value(&results, "hydrogen_bonds"), (donated + accepted) as f64);
            let all = value(&results, "hydrogen_bonds_per_water(all)");
            assert!((all - 2.0 * (donated + accepted) as f64 / 5.0).abs() < 1e-12, "each bond has two ends");
            let sum: f64 = ["DDAA", "DDA", "DAA", "DA", "other"]
                .iter()
                .map(|c| value(&results, &format!("water_class(bulk,{c})")))
                .sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn the_two_angles_of_a_hydrogen_bond_differ() {
    let topology = topology(0, 0, 0, 2);
    let cell = cube(3.0);
    let dimer = |degrees: f64, r: f64| {
        let o = DVec3::splat(1.0);
        let u = DVec3::new(degrees.to_radians().cos(), degrees.to_radians().sin(), 0.0);
        let mut positions = water(o, u, -DVec3::X).to_vec();
        positions.extend(water(o + DVec3::X * r, DVec3::new(1.0, 1.0, 0.0), DVec3::new(1.0, -1.0, 0.0)));
        positions
    };
    let bonds = |degrees: f64, r: f64, at_donor: bool| {
        value(&analyse(&[hydrogen_bonds(at_donor, &[])], &topology, &cell, &[dimer(degrees, r)]), "hydrogen_bonds")
    };
    assert_eq!((bonds(29.9, 0.3, true), bonds(30.1, 0.3, true)), (1.0, 0.0));
    assert_eq!((bonds(29.9, 0.349, true), bonds(29.9, 0.351, true)), (1.0, 0.0));
    // At 0.3 nm the angle at the hydrogen is 180° − θ − asin(0.1 sin θ/r_HA): 20° at the donor are 150.4° there.
    let at_hydrogen = |t: f64| {
        let (h, a) = (DVec3::new(0.1 * t.cos(), 0.1 * t.sin(), 0.0), DVec3::X * 0.3);
        (-h).angle_between(a - h).to_degrees()
    };
    for degrees in [15.0, 19.0, 20.0, 21.0, 25.0_f64] {
        let expected = f64::from(u8::from(at_hydrogen(degrees.to_radians()) >= 150.0));
        assert_eq!(bonds(degrees, 0.3, false), expected, "{degrees}");
    }
    assert!(at_hydrogen(25.0_f64.to_radians()) < 150.0, "both answers occur");
}

#[test]
fn anions_accept_and_unknown_bonds_are_said() {
    let mut topology = topology(0, 0, 1, 1);
    let cell = cube(3.0);
    let o = DVec3::splat(1.0);
    let mut positions = vec![o + DVec3::X * 0.42, o + DVec3::X * 0.28, o + DVec3::X * 0.56];
    positions.extend(water(o, DVec3::X, DVec3::Y));
    let count = |topology: &Topology, acceptors: &str| {
        let spec = HydrogenBondsSpec { acceptors: acceptors.into(), max_lag: 0.0, every: 1.0, ..Default::default() };
        analyse(&[AnalysisSpec::HydrogenBonds(spec)], topology, &cell, std::slice::from_ref(&positions))
    };
    assert_eq!(value(&count(&topology, ""), "hydrogen_bonds"), 1.0);
    assert_eq!(value(&count(&topology, "OW"), "hydrogen_bonds"), 0.0);
    assert!(!count(&topology, "")[0].notes.iter().any(|n| n.contains("not known")));
    topology.species[3].bonds.clear();
    let guessed = count(&topology, "");
    assert_eq!(value(&guessed, "hydrogen_bonds"), 1.0);
    assert!(guessed[0].notes.iter().any(|n| n.contains("The bonds of SPC/E are not known")), "{:?}", guessed[0].notes);
}

#[test]
fn an_ideal_gas_scatters_without_structure_and_a_pair_gives_its_wave() {
    // One element: S − 1 = 4πρ ∫ r² (g − 1) sin(Qr)/(Qr) dr.
    let n = 200;
    let topology = topology(n, 0, 0, 0);
    let cell = cube(3.0);
    let frames = gaussian_walk(n, 100, 0.5, &cell, 8);
    let spec = PairDistributionSpec { bin_width: 0.01, q_max: 100.0, every: 1.0, ..Default::default() };
    let results = analyse(&[AnalysisSpec::PairDistribution(spec)], &topology, &cell, &frames);
    let (q, s) = (column(&results, "pair_distribution_sq", "Q"), column(&results, "pair_distribution_sq", "S(Q)"));
    let g = column(&results, "pair_distribution_partials", "g Zn-Zn");
    assert!((g.iter().skip(20).sum::<f64>() / (g.len() - 20) as f64 - 1.0).abs() < 0.01);
    assert!(q.iter().zip(s).filter(|(q, _)| **q > 2.0).all(|(_, s)| (s - 1.0).abs() < 0.2));
    assert_eq!(q.len(), 200);
    assert!((q[199] - 10.0).abs() < 1e-12);

    // Back and forth: G(r) at large Q_max is 4πρ r (g − 1) where g varies slowly over a resolution 2π/Q_max.
    let lattice = 0.5;
    let mut points = Vec::new();
    let mut draws = Draws::new(3, Stream::Build, 0);
    for k in 0..216 {
        let corner = DVec3::new(f64::from(k % 6), f64::from(k / 6 % 6), f64::from(k / 36)) * lattice;
        points.push(corner + DVec3::new(draws.normal(), draws.normal(), draws.normal()) * 0.05);
    }
    let topology = self::topology(216, 0, 0, 0);
    let spec = PairDistributionSpec { bin_width: 0.01, q_max: 400.0, q_step: 0.5, every: 1.0, ..Default::default() };
    let results = analyse(&[AnalysisSpec::PairDistribution(spec)], &topology, &cell, &[points]);
    let g = column(&results, "pair_distribution_partials", "g Zn-Zn");
    let (r, big_g) = (column(&results, "pair_distribution_gr", "r"), column(&results, "pair_distribution_gr", "G(r)"));
    let density = 216.0 / 27.0;
    // At an edge of two bins the transform gives their mean; compare averages over five bins (0.05 nm).
    for low in (30..90).step_by(5) {
        let direct =
            (low..low + 5).map(|k| 4.0 * PI * density * (k as f64 + 0.5) * 0.01 * (g[k] - 1.0) * 0.01).sum::<f64>()
                / 5.0;
        let edges = 0.5 * (big_g[low - 1] + big_g[low + 4]) + big_g[low..low + 4].iter().sum::<f64>();
        let back = edges / 5.0;
        assert!((direct - back).abs() < 0.15, "r = {} Å: {back} against {direct}", r[low]);
    }
}
