//! Dynamics on walks with known answers, and what every observable must do: ignore wrapping and the choice of lattice vectors, and
//! continue bit for bit from a checkpoint.

use crate::support::electrolyte::{analyse, column, cube, gaussian_walk, has, sample, topology, value, water};
use glam::DVec3;
use hexaqua::analysis::{AnalysisError, AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::system::Topology;
use hexaqua::system::analyses::{
    AnalysisSpec, DensityProfileSpec, FsqtSpec, HydrogenBondsSpec, IonPairsSpec, MsdSpec, OctahedralitySpec,
    OrientationSpec, PairDistributionSpec, ResidenceSpec,
};
use std::f64::consts::PI;

fn rdf(a: &str, b: &str, molecules: bool, intramolecular: bool) -> AnalysisSpec {
    let pairs = vec![(a.to_string(), b.to_string())];
    AnalysisSpec::Rdf { pairs, r_max: Some(1.0), bin_width: 0.02, molecules, intramolecular, every: 1.0 }
}

fn msd(groups: &[&str], molecules: bool, max_lag: f64) -> MsdSpec {
    let groups = groups.iter().map(|g| g.to_string()).collect();
    MsdSpec { groups, molecules, max_lag, origin_every: 1.0, temperature: 300.0, every: 1.0, ..Default::default() }
}

#[test]
fn displacements_are_exact_through_the_boundary_and_without_drift() {
    let topology = topology(1, 1, 0, 0);
    let cell = cube(2.0);
    // Equal and opposite in mass-weighted terms, plus a common drift that must not show.
    let v = DVec3::new(0.03, -0.05, 0.1);
    let (m_zn, m_cl) = (65.38, 35.45);
    let drift = DVec3::new(0.2, 0.1, -0.3);
    let frames: Vec<Vec<DVec3>> = (0..60)
        .map(|t| {
            let t = f64::from(t);
            vec![cell.wrap(DVec3::splat(1.0) + (v + drift) * t), cell.wrap((v * (-m_zn / m_cl) + drift) * t)]
        })
        .collect();
    for molecules in [true, false] {
        let results = analyse(&[AnalysisSpec::Msd(msd(&["Zn2+", "Cl-"], molecules, 10.0))], &topology, &cell, &frames);
        let t = column(&results, "msd_Zn2+", "t");
        assert_eq!(t, (1..=10).map(f64::from).collect::<Vec<_>>());
        for (k, t) in t.iter().enumerate() {
            let expected = |x: f64| x * x * t * t;
            let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.max(1e-9);
            assert!(close(column(&results, "msd_Zn2+", "MSD")[k], expected(v.length())));
            assert!(close(column(&results, "msd_Zn2+", "MSD xy")[k], expected(v.truncate().length())));
            assert!(close(column(&results, "msd_Zn2+", "MSD z")[k], expected(v.z)));
            assert!(close(column(&results, "msd_Cl-", "MSD")[k], expected(v.length() * m_zn / m_cl)));
        }
    }
}

#[test]
fn a_random_walk_gives_its_diffusion_and_its_conductivity() {
    let (n_zn, n_cl) = (200, 400);
    let topology = topology(n_zn, n_cl, 0, 0);
    let cell = cube(4.0);
    let sigma = 0.05;
    let frames = gaussian_walk(n_zn + n_cl, 400, sigma, &cell, 4);
    let spec = MsdSpec { viscosity: Some(0.9), ..msd(&[], true, 10.0) };
    let results = analyse(&[AnalysisSpec::Msd(spec)], &topology, &cell, &frames);
    // σ² per step and component: D = σ²/2 per ps; taking out the drift costs one part in 600.
    let d = 1000.0 * sigma * sigma / 2.0;
    for (id, components) in [("diffusion(Zn2+)", 3.0), ("diffusion_lateral(Cl-)", 2.0), ("diffusion_z(Cl-)", 1.0)] {
        // Some 40 independent intervals of ten steps of at least 200 particles.
        let error = d * (2.0_f64 / (40.0 * 200.0 * components)).sqrt();
        assert!((value(&results, id) - d).abs() < 4.0 * error, "{id}: {} against {d} ± {error}", value(&results, id));
    }
    // k_B T ξ/(6π η L): 4.1419e-21 J · 2.837297/(6π · 0.9e-3 Pa s · 4e-9 m) = 1.7318e-10 m²/s
    let shift = value(&results, "diffusion_corrected(Zn2+)") - value(&results, "diffusion(Zn2+)");
    let expected = 2.837_297 * 1.380_649e-23 * 300.0 / (6.0 * PI * 0.9e-3 * 4e-9) * 1e9;
    assert!((shift - expected).abs() < 1e-9 * expected, "{shift} against {expected}");
    // Nernst–Einstein by hand in SI from the measured D.
    let (dz, dc) = (value(&results, "diffusion(Zn2+)"), value(&results, "diffusion(Cl-)"));
    let e = 1.602_176_634e-19_f64;
    let volume = 64e-27;
    let sum = (n_zn as f64 * 4.0 * dz + n_cl as f64 * dc) * 1e-9;
    let expected = e * e * sum / (volume * 1.380_649e-23 * 300.0);
    let found = value(&results, "conductivity_nernst_einstein");
    assert!((found - expected).abs() < 1e-6 * expected, "{found} against {expected}");
    // Independent walks: the collective conductivity agrees within its large error.
    let ratio = value(&results, "ionicity");
    assert!((0.3..2.0).contains(&ratio), "{ratio}");
}

#[test]
fn a_gaussian_walk_scatters_like_diffusion() {
    let topology = topology(0, 0, 0, 300);
    let cell = cube(3.0);
    let sigma = 0.03;
    let frames = gaussian_walk(900, 120, sigma, &cell, 6);
    let spec =
        FsqtSpec { q: vec![5.0, 10.0, 20.0], max_lag: 10.0, origin_every: 1.0, every: 1.0, ..Default::default() };
    let results = analyse(&[AnalysisSpec::Fsqt(spec)], &topology, &cell, &frames);
    let t = column(&results, "fsqt_element_H", "t");
    assert_eq!(column(&results, "fsqt_element_H", "F_s at q = 0.500/angstrom")[0], 1.0);
    for q in [5.0_f64, 10.0] {
        let f = column(&results, "fsqt_element_H", &format!("F_s at q = {:.3}/angstrom", 0.1 * q));
        for (t, f) in t.iter().zip(f) {
            assert!((f - (-q * q * sigma * sigma / 2.0 * t).exp()).abs() < 0.01, "q {q}, t {t}: {f}");
        }
    }
    let d = 1000.0 * sigma * sigma / 2.0;
    let found = value(&results, "jump_diffusion(element H)");
    assert!((found - d).abs() < 0.03 * d, "{found} against {d}");
    assert!(value(&results, "jump_time(element H)").abs() < 0.3, "no residence between the jumps");
    let gamma = value(&results, "gamma(element H,1.000)");
    assert!((gamma - 0.658_211_956_9 * 100.0 * sigma * sigma / 2.0).abs() < 0.03 * gamma);
}

fn residence(r_reactant: Option<f64>, max_lag: f64) -> AnalysisSpec {
    AnalysisSpec::Residence(ResidenceSpec {
        center: "Zn2+".to_string(),
        ligand: "OW".to_string(),
        r_min: 0.3,
        t_star: vec![2.5, 0.0],
        r_reactant,
        max_lag,
        origin_every: 1000.0,
        every: 1.0,
        ..Default::default()
    })
}

#[test]
fn residence_counts_absences_departures_and_bounds() {
    let topology = topology(1, 0, 0, 2);
    let cell = cube(3.0);
    let frame = |r: [f64; 2]| {
        let zn = DVec3::splat(2.95);
        let mut positions = vec![zn];
        for (r, u) in r.into_iter().zip([DVec3::X, DVec3::Y]) {
            positions.extend(water(cell.wrap(zn + u * r), DVec3::Z, -DVec3::Z));
        }
        positions
    };
    // The first stays; the second is away for two samples, then for four, crossing 0.4 nm only the second time.
    let second = [0.22, 0.22, 0.35, 0.35, 0.22, 0.22, 0.35, 0.45, 0.45, 0.35, 0.22];
    let frames: Vec<Vec<DVec3>> = second.iter().map(|&r| frame([0.21, r])).collect();
    let results = analyse(&[residence(Some(0.24), 10.0)], &topology, &cell, &frames);
    let curve = |name: &str| column(&results, "residence_Zn2+_OW", name).to_vec();
    assert_eq!(curve("P(t) t* = 0 ps"), [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(curve("P(t) t* = 2.5 ps"), [1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(curve("P(t) intermittent"), [1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0]);
    assert_eq!(curve("P(t) stable states"), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(value(&results, "exchanges(Zn2+,OW)"), 1.0);
    // Pair time: ten intervals for the first, those that end within the shell for the second.
    assert_eq!(value(&results, "residence_time_counted(Zn2+,OW)"), 10.0 + 4.0);
    assert!(!has(&results, "residence_time_bound(Zn2+,OW)"));

    let calm: Vec<Vec<DVec3>> = (0..31).map(|_| frame([0.21, 0.22])).collect();
    let results = analyse(&[residence(None, 10.0)], &topology, &cell, &calm);
    // Two pairs for 30 ps, over −ln 0.05.
    let bound = value(&results, "residence_time_bound(Zn2+,OW)");
    assert!((bound - 60.0 / -(0.05_f64.ln())).abs() < 1e-9, "{bound}");
    assert!(!has(&results, "residence_time_0ps(Zn2+,OW)"), "no number is made of a curve that does not fall");
    assert!(results[0].notes.iter().any(|n| n.starts_with("No OW left")), "{:?}", results[0].notes);
}

/// Bins whose edges no bond length of the walking molecules meets, so that rounding moves no count.
fn everything(cell: &Cell) -> Vec<AnalysisSpec> {
    let half = 0.95 * cell.half_height();
    vec![
        rdf("water", "Zn2+", true, true),
        rdf("OW and within 0.6 nm of Zn2+", "element H", false, false),
        AnalysisSpec::IonPairs(IonPairsSpec {
            cation: "Zn2+".into(),
            anion: "O1 or O2 or Cl-".into(),
            anion_center: "X or Cl-".into(),
            r_contact: 0.45,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::HydrogenBonds(HydrogenBondsSpec {
            angle: 80.0,
            r_max: 0.5,
            regions: vec![("shell".into(), "within 0.5 nm of Zn2+".into())],
            max_lag: 3.0,
            origin_every: 2.0,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::Msd(MsdSpec {
            viscosity: Some(1.0),
            ..msd(&["Zn2+", "Cl-", "'XO2 2-'", "OW and within 0.6 nm of Zn2+"], true, 4.0)
        }),
        AnalysisSpec::Residence(ResidenceSpec {
            center: "Zn2+".into(),
            ligand: "OW".into(),
            r_min: 0.5,
            r_product: Some(half),
            max_lag: 4.0,
            origin_every: 1.0,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::PairDistribution(PairDistributionSpec {
            r_max: Some(half),
            bin_width: 0.023,
            q_max: 50.0,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::Fsqt(FsqtSpec { max_lag: 4.0, every: 1.0, ..Default::default() }),
        AnalysisSpec::Orientation(OrientationSpec {
            // Most waters are farther from every Zn2+ than half a height of the cell.
            molecules: "water".into(),
            relative_to: "Zn2+ and molecule 1".into(),
            bin_width: 0.4,
            every: 1.0,
        }),
        AnalysisSpec::Octahedrality(OctahedralitySpec {
            center: "Zn2+".into(),
            ligand: "OW".into(),
            r_search: half,
            every: 1.0,
        }),
        AnalysisSpec::DensityProfile(DensityProfileSpec { bin_width: 0.1, every: 1.0, ..Default::default() }),
        AnalysisSpec::Coordination {
            center: "Zn2+".into(),
            ligands: vec!["OW".into(), "Cl-".into()],
            r_min: Some(0.5),
            layer: Some(0.5),
            every: 1.0,
        },
    ]
}

/// Waters and anions of realistic size that walk slowly through a skewed cell.
fn walking_liquid(cell: &Cell, n_frames: usize) -> (Topology, Vec<Vec<DVec3>>) {
    let (n_zn, n_cl, n_xo2, n_water) = (4, 4, 2, 60);
    let n_molecules = n_zn + n_cl + n_xo2 + n_water;
    let centers = gaussian_walk(n_molecules, n_frames, 0.08, cell, 12);
    let turns = gaussian_walk(n_molecules, n_frames, 0.2, cell, 13);
    let frames = centers.iter().zip(&turns).map(|(centers, turns)| {
        let mut positions = Vec::new();
        for (m, (&r, &turn)) in centers.iter().zip(turns).enumerate() {
            let u = DVec3::new((7.0 * turn.x).sin(), (7.0 * turn.y).cos(), (5.0 * turn.z).sin()).normalize();
            match m {
                m if m < n_zn + n_cl => positions.push(r),
                m if m < n_zn + n_cl + n_xo2 => positions.extend([r, r + u * 0.15, r - u * 0.15]),
                _ => positions.extend(water(r, u, u.any_orthogonal_vector())),
            }
        }
        positions
    });
    (topology(n_zn, n_cl, n_xo2, n_water), frames.collect())
}

fn skewed() -> Cell {
    Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(0.9, 2.8, 0.0), DVec3::new(-0.7, 0.6, 2.5)).expect("valid")
}

fn assert_close(found: &[AnalysisResult], expected: &[AnalysisResult]) {
    assert_eq!(found.len(), expected.len());
    let mut n = 0;
    for (f, e) in found.iter().zip(expected).flat_map(|(f, e)| f.tables.iter().zip(&e.tables)) {
        for (f_column, e_column) in f.columns.iter().zip(&e.columns) {
            assert_eq!(f_column.values.len(), e_column.values.len(), "{} of {}", f_column.name, f.name);
            for (x, y) in f_column.values.iter().zip(&e_column.values) {
                assert!((x - y).abs() <= 1e-7 * (1.0 + y.abs()), "{} of {}: {x} against {y}", f_column.name, f.name);
                n += 1;
            }
        }
    }
    assert!(n > 2000, "{n} numbers compared");
}

#[test]
fn wrapping_and_lattice_vectors_change_no_observable() {
    let cell = skewed();
    let (topology, frames) = walking_liquid(&cell, 12);
    let specs = everything(&cell);
    let expected = analyse(&specs, &topology, &cell, &frames);
    assert!(value(&expected, "hydrogen_bonds") > 1.0 && value(&expected, "exchanges(Zn2+,OW)") > 1.0);

    // Every atom wrapped by itself: molecules are torn apart.
    let wrapped: Vec<Vec<DVec3>> = frames.iter().map(|f| f.iter().map(|&r| cell.wrap(r)).collect()).collect();
    assert_ne!(wrapped, frames);
    assert_close(&analyse(&specs, &topology, &cell, &wrapped), &expected);

    let v = cell.vectors();
    let (a, b, c) = (v.x_axis, v.y_axis, v.z_axis);
    let other = Cell::new(a, b - a, c).expect("valid");
    let wrapped: Vec<Vec<DVec3>> = frames.iter().map(|f| f.iter().map(|&r| other.wrap(r)).collect()).collect();
    let found = analyse(&specs, &topology, &other, &wrapped);
    assert_close(&found, &expected);
}

#[test]
fn every_observable_continues_bit_for_bit_from_a_checkpoint() {
    let cell = skewed();
    let (topology, frames) = walking_liquid(&cell, 23);
    let specs = everything(&cell);
    let mut unbroken = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    sample(&mut unbroken, &cell, &frames, 0);
    let mut first = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    sample(&mut first, &cell, &frames[..11], 0);
    let bytes = first.save();
    let mut second = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    second.restore(&bytes).expect("same analyses");
    sample(&mut second, &cell, &frames[11..], 11);
    assert_eq!(second.save(), unbroken.save());
    assert_eq!(second.finish(), unbroken.finish());
    // Cut anywhere: an error, not a panic.
    for cut in (0..bytes.len()).step_by(997) {
        let mut damaged = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
        assert!(matches!(damaged.restore(&bytes[..cut]), Err(AnalysisError::Checkpoint(_))), "cut at {cut}");
    }
}
