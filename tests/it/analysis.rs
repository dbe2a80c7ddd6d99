//! Observables on configurations whose answer is known: lattices, ideal gases, a hydrated ion, another program's numbers.

use glam::{DMat3, DVec3};
use hexaqua::analysis::{AnalysisError, AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::spec::AnalysisSpec;
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Frame, Topology};

fn species(name: &str, residue: &str, atoms: &[(&str, &str, f64)]) -> Species {
    let atom = |&(name, element, mass): &(&str, &str, f64)| SpeciesAtom {
        name: name.to_string(),
        element: element.to_string(),
        type_id: 0,
        charge: 0.0,
        mass,
    };
    Species {
        name: name.to_string(),
        residue: residue.to_string(),
        is_water: name == "SPC/E",
        atoms: atoms.iter().map(atom).collect(),
        bonds: Vec::new(),
        exclusions: Vec::new(),
        rigid_water: None,
        ..Species::default()
    }
}

/// `counts` of Zn2+, Cl- and SPC/E, in this order; a fourth species has no molecules.
pub fn topology(n_zn: usize, n_cl: usize, n_water: usize) -> Topology {
    let kinds = vec![
        species("Zn2+", "ZN", &[("ZN", "Zn", 65.38)]),
        species("Cl-", "CL", &[("CL", "Cl", 35.45)]),
        species("SPC/E", "SOL", &[("OW", "O", 15.999), ("HW1", "H", 1.008), ("HW2", "H", 1.008)]),
        species("Na+", "NA", &[("NA", "Na", 22.99)]),
    ];
    let counts = [(0, n_zn), (1, n_cl), (2, n_water)];
    let sequence: Vec<u32> = counts.iter().flat_map(|&(s, n)| std::iter::repeat_n(s, n)).collect();
    Topology::new(vec!["X".to_string()], kinds, &sequence)
}

/// One-atom molecules `A` (n_a of them) and `B`.
fn gas(n_a: usize, n_b: usize) -> Topology {
    let kinds = vec![species("A", "A", &[("A", "Ar", 40.0)]), species("B", "B", &[("B", "Ne", 20.0)])];
    let sequence: Vec<u32> = std::iter::repeat_n(0, n_a).chain(std::iter::repeat_n(1, n_b)).collect();
    Topology::new(vec!["X".to_string()], kinds, &sequence)
}

fn rdf(a: &str, b: &str, r_max: Option<f64>, bin_width: f64) -> AnalysisSpec {
    let (pairs, every) = (vec![(a.to_string(), b.to_string())], 1.0);
    AnalysisSpec::Rdf { pairs, r_max, bin_width, molecules: false, intramolecular: true, every }
}

fn coordination(center: &str, ligands: &[&str], r_min: Option<f64>) -> AnalysisSpec {
    let ligands = ligands.iter().map(|l| l.to_string()).collect();
    AnalysisSpec::Coordination { center: center.to_string(), ligands, r_min, layer: None, every: 1.0 }
}

fn angles(center: &str, ligand: &str, r_min: Option<f64>) -> AnalysisSpec {
    let (center, ligand) = (center.to_string(), ligand.to_string());
    AnalysisSpec::Angles { center, ligand, r_min, bin_width: 1.0, every: 1.0 }
}

/// Samples frames one picosecond apart.
fn analyse(specs: &[AnalysisSpec], topology: &Topology, cell: &Cell, frames: &[Vec<DVec3>]) -> Vec<AnalysisResult> {
    let mut set = AnalysisSet::new(specs, topology, cell).expect("valid analyses");
    sample_all(&mut set, cell, frames, 0);
    set.finish()
}

fn sample_all(set: &mut AnalysisSet, cell: &Cell, frames: &[Vec<DVec3>], first: usize) {
    for (k, positions) in frames.iter().enumerate() {
        let time = (first + k) as f64;
        set.sample(&Frame::new(k as u64, time, cell, positions)).expect("good frame");
    }
}

fn value(results: &[AnalysisResult], id: &str) -> f64 {
    let found = results.iter().flat_map(|r| &r.values).find(|q| q.id == id);
    found.unwrap_or_else(|| panic!("{id} is missing from {results:#?}")).value
}

fn column<'a>(result: &'a AnalysisResult, table: usize, name: &str) -> &'a [f64] {
    &result.tables[table].columns.iter().find(|c| c.name == name).expect("column").values
}

fn random_frames(cell: &Cell, n_atoms: usize, n_frames: usize, seed: u64) -> Vec<Vec<DVec3>> {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut point = || cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()));
    (0..n_frames).map(|_| (0..n_atoms).map(|_| point()).collect()).collect()
}

fn skewed() -> Cell {
    Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(0.9, 2.8, 0.0), DVec3::new(-0.7, 0.6, 2.5)).expect("valid")
}

/// A rotation without any symmetry.
fn turn() -> DMat3 {
    DMat3::from_axis_angle(DVec3::new(0.3, -0.5, 0.8).normalize(), 0.7)
}

/// One Zn2+ with six vibrating waters, a second shell of twelve, and random water beyond 0.52 nm; two chlorides far away.
/// Positions are those of `topology(1, 2, n_water)` in a cube of 2.5 nm.
pub fn hydrated_zinc(n_water: usize, n_frames: usize, seed: u64) -> (Topology, Cell, Vec<Vec<DVec3>>) {
    let cell = Cell::cubic(2.5).expect("valid");
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let corners = [DVec3::X, -DVec3::X, DVec3::Y, -DVec3::Y, DVec3::Z, -DVec3::Z];
    let mut frames = Vec::new();
    for _ in 0..n_frames {
        let zinc = DVec3::splat(1.2);
        let mut gauss = |sigma: f64| sigma * draws.normal();
        let mut oxygens: Vec<DVec3> = corners
            .iter()
            .map(|&u| {
                let bent = (u + DVec3::new(gauss(0.08), gauss(0.08), gauss(0.08))).normalize();
                zinc + turn() * bent * (0.2076 + gauss(0.006))
            })
            .collect();
        for k in 0..12 {
            let u = DVec3::new(f64::from(k % 3 - 1), f64::from(k / 3 % 2) - 0.5, f64::from(k / 6) - 0.5).normalize();
            oxygens.push(zinc + u * (0.43 + gauss(0.02)));
        }
        while oxygens.len() < n_water {
            let d = DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 2.5 - 1.25;
            if d.length() > 0.52 {
                oxygens.push(zinc + d);
            }
        }
        let chlorides = [DVec3::new(0.1, 0.2, 0.1), DVec3::new(2.3, 0.2, 2.4)];
        let waters = oxygens.iter().flat_map(|&o| [o, o + DVec3::X * 0.1, o - DVec3::Y * 0.1]);
        frames.push([zinc].into_iter().chain(chlorides).chain(waters).collect());
    }
    (topology(1, 2, n_water), cell, frames)
}

#[test]
fn an_ideal_gas_has_no_structure() {
    let (n_a, n_b, n_frames) = (40, 120, 200);
    for cell in [Cell::cubic(2.0).expect("valid"), skewed()] {
        let frames = random_frames(&cell, n_a + n_b, n_frames, 3);
        let specs = [rdf("A", "B", None, 0.05), rdf("B", "B", None, 0.05)];
        let results = analyse(&specs, &gas(n_a, n_b), &cell, &frames);
        for (result, n_pairs) in results.iter().zip([n_a * n_b, n_b * (n_b - 1)]) {
            let (r, g) = (column(result, 0, "r"), column(result, 0, "g(r)"));
            let mut chi_sq = 0.0;
            for (&r, &g) in r.iter().zip(g).skip(2) {
                let (low, high) = (r - 0.025, r + 0.025);
                let shell = 4.0 / 3.0 * std::f64::consts::PI * (high.powi(3) - low.powi(3));
                let expected = (n_frames * n_pairs) as f64 * shell / cell.volume();
                // A same-group pair is counted from both ends: half as many independent counts.
                let twice = if n_pairs == n_a * n_b { 1.0 } else { 2.0 };
                chi_sq += (g - 1.0).powi(2) * expected / twice;
            }
            let n = (g.len() - 2) as f64;
            // χ² of n bins has mean n and standard deviation √(2n).
            assert!((chi_sq - n).abs() < 4.0 * (2.0 * n).sqrt(), "χ² = {chi_sq} for {n} bins");
        }
    }
}

#[test]
fn running_number_is_the_integral_of_g() {
    let (topology, cell, frames) = hydrated_zinc(300, 20, 1);
    let result = &analyse(&[rdf("Zn2+", "OW", None, 0.002)], &topology, &cell, &frames)[0];
    let (r, g, n) = (column(result, 0, "r"), column(result, 0, "g(r)"), column(result, 0, "n(r + half a bin)"));
    let density = 300.0 / cell.volume();
    let mut integral = 0.0;
    for k in 0..r.len() {
        let shell = 4.0 / 3.0 * std::f64::consts::PI * ((r[k] + 0.001).powi(3) - (r[k] - 0.001).powi(3));
        integral += density * g[k] * shell;
        assert!((integral - n[k]).abs() < 1e-9 * (1.0 + n[k]));
    }
    let last = n.iter().zip(r).find(|(_, r)| **r > 0.3).expect("within range");
    assert!((last.0 - 6.0).abs() < 1e-12);
}

/// Points of an n × n × n crystal with the given basis (fractions of the unit cell of edge `a`).
fn crystal(n: usize, a: f64, basis: &[[f64; 3]]) -> Vec<DVec3> {
    let mut points = Vec::new();
    for k in 0..n * n * n {
        let corner = DVec3::new((k % n) as f64, (k / n % n) as f64, (k / n / n) as f64);
        points.extend(basis.iter().map(|&b| (corner + DVec3::from_array(b)) * a));
    }
    points
}

#[test]
fn crystals_have_their_exact_coordination() {
    let simple: &[[f64; 3]] = &[[0.0; 3]];
    let fcc: &[[f64; 3]] = &[[0.0; 3], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]];
    // (basis, edge, first and second neighbours: number and distance)
    let root_half = 0.5_f64.sqrt();
    for (basis, a, first, r_first, second) in
        [(simple, 0.35, 6.0, 0.35, 12.0), (fcc, 0.42, 12.0, 0.42 * root_half, 6.0)]
    {
        let n = 6;
        let points = crystal(n, a, basis);
        let cell = Cell::cubic(n as f64 * a).expect("valid");
        let topology = gas(points.len(), 0);
        let specs = [rdf("A", "A", Some(2.2 * a), 0.002), coordination("A", &["A"], None), angles("A", "A", None)];
        let results = analyse(&specs, &topology, &cell, &[points.clone(), points]);
        assert_eq!(value(&results, "coordination_number(A)"), first);
        assert_eq!(value(&results, &format!("coordination_fraction(A,{first})")), 1.0);
        assert!((value(&results, "first_peak(A,A)") - r_first).abs() < 0.001);
        assert!((value(&results, "running_number(A,A)") - first).abs() < 1e-12);
        assert!((value(&results, "second_shell_count(A,A)") - second).abs() < 1e-12);
    }
}

#[test]
fn an_ideal_octahedron_has_twelve_right_and_three_straight_angles() {
    let cell = Cell::cubic(2.0).expect("valid");
    let topology = topology(1, 1, 6);
    let center = DVec3::new(0.02, 1.97, 1.0); // shell across two faces
    let mut positions = vec![center, center + DVec3::splat(0.5)];
    for u in [DVec3::X, -DVec3::X, DVec3::Y, -DVec3::Y, DVec3::Z, -DVec3::Z] {
        let o = center + turn() * u * 0.209;
        positions.extend([o, o + DVec3::X * 0.1, o + DVec3::Y * 0.1]);
    }
    let specs = [coordination("Zn2+", &["OW", "Cl-"], None), angles("Zn2+", "OW", None)];
    let results = analyse(&specs, &topology, &cell, &[positions]);
    assert_eq!(value(&results, "coordination_number(Zn2+)"), 6.0);
    assert_eq!(value(&results, "coordination_number(Zn2+,OW)"), 6.0);
    assert_eq!(value(&results, "coordination_number(Zn2+,Cl-)"), 0.0);
    assert_eq!(value(&results, "coordination_mode(Zn2+)"), 6.0);
    assert_eq!(value(&results, "coordination_fraction(Zn2+,5)"), 0.0);
    assert_eq!(value(&results, "angle_trans_fraction(Zn2+,OW)"), 3.0 / 15.0);
    let degrees = column(&results[1], 0, "P(angle)");
    assert!((degrees[90] - 12.0 / 15.0).abs() < 1e-12, "12 of 15 in the bin of 90°");
    // The last bin is half as wide.
    assert!((degrees[180] - 3.0 / 15.0 / 0.5).abs() < 1e-12, "3 of 15 in the bin of 180°");
    assert!((value(&results, "angle_cis_peak(Zn2+,OW)") - 90.0).abs() < 0.01);
    assert!((value(&results, "angle_trans_peak(Zn2+,OW)") - 180.0).abs() < 0.01);
}

#[test]
fn a_bent_shell_is_not_taken_for_an_octahedron() {
    // Axial ligands at 165°: the peak must follow.
    let cell = Cell::cubic(2.0).expect("valid");
    let mut draws = Draws::new(9, Stream::Build, 0);
    let frames: Vec<Vec<DVec3>> = (0..100)
        .map(|_| {
            let mut tilt = |degrees: f64| (degrees + draws.normal()).to_radians();
            let (a, b) = (tilt(0.0), tilt(165.0));
            let ends = [DVec3::new(a.cos(), a.sin(), 0.0), DVec3::new(b.cos(), b.sin(), 0.0)];
            let center = DVec3::ONE;
            let waters = ends.iter().flat_map(|&u| [center + u * 0.2, center + u * 0.3, center + u * 0.31]);
            [center].into_iter().chain(waters).collect()
        })
        .collect();
    let results = analyse(&[angles("Zn2+", "OW", Some(0.25))], &topology(1, 0, 2), &cell, &frames);
    assert!((value(&results, "angle_trans_peak(Zn2+,OW)") - 165.0).abs() < 1.0);
    assert_eq!(value(&results, "angle_trans_fraction(Zn2+,OW)"), 1.0);
}

#[test]
fn a_hydrated_ion_is_described_in_full() {
    let (topology, cell, frames) = hydrated_zinc(500, 200, 2);
    let specs =
        [rdf("Zn2+", "OW", None, 0.002), coordination("Zn2+", &["OW", "Cl-"], None), angles("Zn2+", "OW", None)];
    let results = analyse(&specs, &topology, &cell, &frames);
    // 1200 distances r of spread s = 0.006 nm around 0.2076 nm; g ∝ P(r)/r² has its maximum 2 s²/r nearer.
    let expected = 0.2076 - 2.0 * 0.006_f64.powi(2) / 0.2076;
    assert!((value(&results, "first_peak(Zn2+,OW)") - expected).abs() < 0.0006);
    let peak = results[0].values.iter().find(|q| q.id.starts_with("first_peak(")).expect("listed");
    assert!((5e-5..8e-4).contains(&peak.error.expect("200 frames make ten blocks")), "{:?}", peak.error);
    assert_eq!(value(&results, "coordination_number(Zn2+)"), 6.0);
    assert_eq!(value(&results, "coordination_fraction(Zn2+,6)"), 1.0);
    assert!((0.27..0.36).contains(&value(&results, "shell_radius(Zn2+)")));
    assert!((value(&results, "second_peak(Zn2+,OW)") - 0.43).abs() < 0.01);
    assert!((value(&results, "angle_cis_peak(Zn2+,OW)") - 90.0).abs() < 1.0);
    assert!((value(&results, "angle_trans_peak(Zn2+,OW)") - 180.0).abs() < 2.5);
    let n = &results[1].tables[1].columns;
    assert_eq!(n[0].values.len(), 3);
    assert!((n[0].values[2] - n[0].values[0] - 0.04).abs() < 1e-12, "r_min ± 0.02 nm");
}

#[test]
fn wrapping_and_choice_of_lattice_vectors_change_nothing() {
    let (topology, _, _) = hydrated_zinc(80, 1, 0);
    let specs = [
        rdf("Zn2+", "OW", Some(1.0), 0.01),
        rdf("OW", "OW", Some(1.0), 0.01),
        coordination("Zn2+", &["OW", "Cl-"], Some(0.6)),
        angles("Zn2+", "OW", Some(0.6)),
    ];
    let cell = skewed();
    let frames = random_frames(&cell, topology.n_atoms(), 5, 11);
    let expected = analyse(&specs, &topology, &cell, &frames);
    assert!(value(&expected, "coordination_number(Zn2+)") > 0.5);

    let v = cell.vectors();
    let scattered: Vec<Vec<DVec3>> = frames
        .iter()
        .map(|frame| {
            let shift = |i: usize| v * DVec3::new((i % 5) as f64 - 2.0, (i % 3) as f64 - 1.0, (i % 7) as f64 - 3.0);
            frame.iter().enumerate().map(|(i, &r)| r + shift(i)).collect()
        })
        .collect();
    assert_close(&analyse(&specs, &topology, &cell, &scattered), &expected);

    // The same lattice from other vectors.
    let [a, b, c] = [v.x_axis, v.y_axis, v.z_axis];
    for (b, c) in [(b - a, c), (b - a, c + a - b)] {
        let other = Cell::new(a, b, c).expect("valid");
        assert!(other.half_height() > 1.0, "the radius must still fit");
        assert_close(&analyse(&specs, &topology, &other, &frames), &expected);
    }
}

/// All tables agree to rounding of coordinates: a count may not change, so the tolerance is that of the arithmetic.
fn assert_close(found: &[AnalysisResult], expected: &[AnalysisResult]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected).flat_map(|(f, e)| f.tables.iter().zip(&e.tables)) {
        for (f, e) in f.columns.iter().zip(&e.columns) {
            assert_eq!(f.values.len(), e.values.len(), "{}", f.name);
            assert!(f.values.iter().zip(&e.values).all(|(f, e)| (f - e).abs() <= 1e-9 * (1.0 + e.abs())), "{}", f.name);
        }
    }
}

#[test]
fn saved_and_restored_sets_end_in_the_same_bits() {
    let (topology, cell, frames) = hydrated_zinc(60, 47, 5);
    let specs =
        [rdf("Zn2+", "OW", None, 0.002), coordination("Zn2+", &["OW", "Cl-"], None), angles("Zn2+", "OW", None)];
    let mut unbroken = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    sample_all(&mut unbroken, &cell, &frames, 0);

    let mut first = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    sample_all(&mut first, &cell, &frames[..29], 0);
    let bytes = first.save();
    let mut second = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    second.restore(&bytes).expect("same analyses");
    // The last frame before the checkpoint once more: it must be recognised.
    sample_all(&mut second, &cell, &frames[28..], 28);

    assert_eq!(second.save(), unbroken.save());
    assert_eq!(second.finish(), unbroken.finish());
    assert_eq!(second.n_frames(), 47);

    // Damage and foreign data are errors, not garbage.
    assert!(matches!(second.restore(&bytes[..bytes.len() - 3]), Err(AnalysisError::Checkpoint(_))));
    let mut other = AnalysisSet::new(&specs[..1], &topology, &cell).expect("valid");
    assert!(matches!(other.restore(&bytes), Err(AnalysisError::Checkpoint(_))));
    let changed = [rdf("Zn2+", "OW", None, 0.001), specs[1].clone(), specs[2].clone()];
    let mut other = AnalysisSet::new(&changed, &topology, &cell).expect("valid");
    let message = other.restore(&bytes).expect_err("other bins").to_string();
    assert!(message.contains("rdf Zn2+|OW"), "{message}");
}

/// Gauges see frames in any order and only the atoms that they ask for; the sums are those of frames sampled one after the other.
#[test]
fn frames_read_before_their_turn_count_as_in_it() {
    let (topology, cell, frames) = hydrated_zinc(60, 30, 5);
    let with_radius = |layer: Option<f64>| AnalysisSpec::Coordination {
        center: "Zn2+".to_string(),
        ligands: vec!["OW".to_string()],
        r_min: Some(0.29),
        layer,
        every: 2.0,
    };
    let specs = [rdf("Zn2+", "OW", None, 0.002), coordination("Zn2+", &["OW", "Cl-"], None), with_radius(None)];
    let mut in_turn = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    sample_all(&mut in_turn, &cell, &frames, 0);

    let ahead_of_turn = |atoms_hidden: &[usize]| {
        let mut set = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
        let (ahead, mut foresight) = set.ahead();
        assert!(ahead.is_complete());
        let mut needed = ahead.atoms().expect("some of the atoms");
        needed.retain(|&i| !atoms_hidden.contains(&(i as usize)));
        assert!(needed.iter().all(|&i| i < 3 || (i - 3) % 3 == 0), "no hydrogen");
        let wanted: Vec<Vec<bool>> = (0..frames.len()).map(|k| foresight.wanted(k as f64, k == 0)).collect();
        assert_eq!((&wanted[0], &wanted[1]), (&vec![true; 3], &vec![true, true, false]));
        let mut readings: Vec<_> = frames.iter().enumerate().map(|_| None).collect();
        for k in (0..frames.len()).rev() {
            let mut positions = vec![DVec3::NAN; topology.n_atoms()];
            needed.iter().for_each(|&i| positions[i as usize] = frames[k][i as usize]);
            readings[k] = Some(ahead.read(&Frame::new(k as u64, k as f64, &cell, &positions), &wanted[k]));
        }
        for (k, readings) in readings.into_iter().flatten().enumerate() {
            assert!(!set.needs_positions(k as f64, &readings));
            set.sample_read(&Frame::new(k as u64, k as f64, &cell, &[]), readings).expect("read");
        }
        set
    };
    let set = ahead_of_turn(&[]);
    assert_eq!(set.save(), in_turn.save());
    assert_eq!((set.n_frames(), set.finish()), (30, in_turn.finish()));
    // One oxygen that was not looked at is noticed.
    assert_ne!(ahead_of_turn(&[3]).save(), in_turn.save());

    let layered = AnalysisSet::new(&[with_radius(Some(0.5))], &topology, &cell).expect("valid");
    assert!(!layered.ahead().0.is_complete(), "layers look at surfaces too");
    // An analysis without a gauge says that it needs the positions.
    let with_angles = [specs[0].clone(), angles("Zn2+", "OW", None)];
    let mut set = AnalysisSet::new(&with_angles, &topology, &cell).expect("valid");
    let (ahead, mut foresight) = set.ahead();
    assert!(!ahead.is_complete() && ahead.atoms().is_none());
    let frame = Frame::new(0, 0.0, &cell, &frames[0]);
    let readings = ahead.read(&frame, &foresight.wanted(0.0, true));
    assert!(set.needs_positions(0.0, &readings));
    let none = Frame { positions: &[], ..frame };
    let refused = set.sample_read(&none, ahead.read(&frame, &[true, true]));
    assert!(matches!(refused, Err(AnalysisError::AtomCount { found: 0, .. })));
    set.sample_read(&frame, readings).expect("whole");
    assert_eq!(set.n_frames(), 1);
}

#[test]
fn selections_speak_the_language_of_the_topology() {
    use hexaqua::analysis::selection::select;
    let topology = topology(1, 2, 3);
    let picked = |s: &str| select(s, &topology).expect(s);
    assert_eq!(picked("Zn2+"), [0]);
    assert_eq!(picked("ZN"), [0]);
    assert_eq!(picked("Cl-"), [1, 2]);
    assert_eq!(picked("OW"), [3, 6, 9]);
    assert_eq!(picked("element H"), [4, 5, 7, 8, 10, 11]);
    assert_eq!(picked("residue SOL"), picked("water"));
    assert_eq!(picked("OW of SPC/E"), picked("name OW"));
    assert_eq!(picked("HW1 or Zn2+ or OW"), [0, 3, 4, 6, 7, 9, 10]);

    let cell = Cell::cubic(2.0).expect("valid");
    let refused = |specs: &[AnalysisSpec]| AnalysisSet::new(specs, &topology, &cell).map(|_| ()).expect_err("refused");
    let message = refused(&[rdf("Zn2+", "OW2", None, 0.01)]).to_string();
    assert_eq!(
        message,
        "no atom matches the selection \"OW2\" (did you mean \"OW\"?); this system has the species Zn2+, Cl-, SPC/E; the atom \
         names ZN, CL, OW, HW1, HW2; the elements Zn, Cl, O, H (as \"element O\")"
    );
    // Known to the library, but there is none in this box.
    assert!(matches!(refused(&[rdf("Na+", "OW", None, 0.01)]), AnalysisError::EmptySelection { .. }));
    assert!(refused(&[rdf("O", "OW", None, 0.01)]).to_string().contains("did you mean \"element O\""));
    assert!(refused(&[rdf("OW of SPCE", "ZN", None, 0.01)]).to_string().contains("did you mean \"SPC/E\""));
    assert!(matches!(refused(&[rdf("", "OW", None, 0.01)]), AnalysisError::UnknownSelection { .. }));
    let overlap = refused(&[coordination("Zn2+", &["OW", "element O"], None)]);
    assert!(matches!(overlap, AnalysisError::OverlappingLigands { count: 3, .. }));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let topology = topology(1, 0, 3);
    let cell = Cell::cubic(2.0).expect("valid");
    let refused = |spec: AnalysisSpec| AnalysisSet::new(&[spec], &topology, &cell).map(|_| ()).expect_err("refused");
    assert!(matches!(refused(rdf("Zn2+", "OW", Some(1.1), 0.01)), AnalysisError::RadiusExceedsHalfBox { .. }));
    for bin_width in [0.0, -0.1, f64::NAN, 0.8] {
        assert!(matches!(refused(rdf("Zn2+", "OW", None, bin_width)), AnalysisError::InvalidSetting { .. }));
    }
    for r_min in [0.0, -0.2, f64::NAN] {
        let spec = coordination("Zn2+", &["OW"], Some(r_min));
        assert!(matches!(refused(spec), AnalysisError::InvalidSetting { .. }));
    }
    let far = coordination("Zn2+", &["OW"], Some(0.99));
    assert!(matches!(refused(far), AnalysisError::RadiusExceedsHalfBox { .. }));
    assert!(matches!(refused(coordination("Zn2+", &[], None)), AnalysisError::InvalidSetting { .. }));
}

#[test]
fn bad_frames_are_named() {
    let topology = topology(1, 0, 1);
    let cell = Cell::cubic(2.0).expect("valid");
    let mut set = AnalysisSet::new(&[rdf("Zn2+", "OW", None, 0.01)], &topology, &cell).expect("valid");
    let mut positions = vec![DVec3::ZERO; 3];
    let found = set.sample(&Frame::new(0, 0.0, &cell, &positions));
    assert!(matches!(found, Err(AnalysisError::AtomCount { found: 3, expected: 4, .. })));
    positions.push(DVec3::new(0.0, f64::NAN, 0.0));
    let found = set.sample(&Frame::new(0, 0.0, &cell, &positions));
    assert!(matches!(found, Err(AnalysisError::NotFinite { atom: 4, .. })));
    let found = set.sample(&Frame::new(3, f64::NAN, &cell, &positions));
    assert!(matches!(found, Err(AnalysisError::NoTime { step: 3 })));
    assert_eq!(set.n_frames(), 0);
    assert!(set.finish()[0].values.is_empty(), "no frames, no values");
}

#[test]
fn a_shrinking_cell_is_followed_until_the_radius_no_longer_fits() {
    let topology = gas(2, 0);
    let wide = Cell::cubic(2.0).expect("valid");
    let mut set = AnalysisSet::new(&[rdf("A", "A", None, 0.01)], &topology, &wide).expect("valid");
    // In a cube of 1.5 nm the two atoms, 0.7 nm apart, see each other twice within 1 nm: at 0.7 and at 0.8 nm.
    let narrow = Cell::cubic(1.5).expect("valid");
    let positions = [DVec3::ZERO, DVec3::X * 0.7005];
    set.sample(&Frame::new(0, 0.0, &narrow, &positions)).expect("fits");
    let results = set.finish();
    let (r, n) = (column(&results[0], 0, "r"), column(&results[0], 0, "n(r + half a bin)"));
    let at = |distance: f64| n[r.iter().position(|r| *r > distance).expect("within range")];
    assert_eq!((at(0.6), at(0.75), at(0.9)), (0.0, 1.0, 2.0));
    let tiny = Cell::cubic(0.9).expect("valid");
    let found = set.sample(&Frame::new(1, 1.0, &tiny, &positions));
    assert!(matches!(found, Err(AnalysisError::CellTooSmall { .. })));
}

#[test]
fn sampling_follows_the_interval_of_each_analysis() {
    let (topology, cell, frames) = hydrated_zinc(40, 1, 0);
    let with_every = |every: f64| AnalysisSpec::Rdf {
        pairs: vec![("Zn2+".to_string(), "OW".to_string())],
        r_max: None,
        bin_width: 0.01,
        molecules: false,
        intramolecular: true,
        every,
    };
    let mut set = AnalysisSet::new(&[with_every(0.1), with_every(0.25)], &topology, &cell).expect("valid");
    let mut now = 10.0;
    let mut times = Vec::new();
    for _ in 0..8 {
        assert!(set.is_due(now));
        set.sample(&Frame::new(0, now, &cell, &frames[0])).expect("good");
        assert!(!set.is_due(now));
        times.push((now * 1000.0).round() as i64);
        now = set.next_sample_time(now).expect("there are analyses");
    }
    assert_eq!(times, [10_000, 10_100, 10_200, 10_250, 10_300, 10_400, 10_500, 10_600]);
    let frames: Vec<u64> = set.finish().iter().map(|r| r.n_frames).collect();
    assert_eq!(frames, [7, 3]);
    let names: Vec<String> = set.finish().iter().map(|r| r.tables[0].name.clone()).collect();
    assert_eq!(names, ["rdf_Zn2+_OW", "rdf_Zn2+_OW_2"], "two analyses of one pair write two files");
}

#[test]
fn agrees_with_mdanalysis() {
    let text = include_str!("../../validation/analysis/rdf_fixture.json");
    let fixture: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let vector =
        |v: &serde_json::Value| DVec3::new(v[0].as_f64().unwrap(), v[1].as_f64().unwrap(), v[2].as_f64().unwrap());
    let cell = Cell::new(vector(&fixture["cell"][0]), vector(&fixture["cell"][1]), vector(&fixture["cell"][2]))
        .expect("valid");
    let frames: Vec<Vec<DVec3>> = fixture["positions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| frame.as_array().unwrap().iter().map(vector).collect())
        .collect();
    let n_a = fixture["n_a"].as_u64().unwrap() as usize;
    let (r_max, n_bins) = (fixture["r_max"].as_f64().unwrap(), fixture["n_bins"].as_u64().unwrap() as usize);
    let width = r_max / n_bins as f64;
    let specs = [rdf("A", "B", Some(r_max), width), rdf("B", "B", Some(r_max), width)];
    let results = analyse(&specs, &gas(n_a, frames[0].len() - n_a), &cell, &frames);
    for (result, key) in results.iter().zip(["g_ab", "g_bb"]) {
        let expected: Vec<f64> = fixture[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let g = column(result, 0, "g(r)");
        assert_eq!(g.len(), expected.len());
        for (g, e) in g.iter().zip(&expected) {
            // The fixture has six decimals and a single-precision volume (1e-7 relative).
            assert!((g - e).abs() < 1e-6 + 1e-6 * e, "{key}: {g} against {e}");
        }
        assert!(expected.iter().any(|e| *e > 0.5));
    }
}
