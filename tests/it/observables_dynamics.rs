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
        // Free flight is not diffusion, and D says so.
        assert!((value(&results, "msd_exponent_lateral(Zn2+)") - 2.0).abs() < 1e-6);
        let notes = results[0].notes.join("\n");
        assert!(notes.contains("D is in question for Zn2+, xy (2") && notes.contains("free flight"), "{notes}");
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
    for id in ["msd_exponent(Zn2+)", "msd_exponent(Cl-)"] {
        let exponent = results[0].values.iter().find(|q| q.id == id).expect("beside D");
        let error = exponent.error.expect("as D has");
        assert!((exponent.value - 1.0).abs() < 4.0 * error && error < 0.025, "{id}: {} ± {error}", exponent.value);
    }
    assert!(!results[0].notes.join("\n").contains("in question"), "{:?}", results[0].notes);
    // What rattles in a cage does not diffuse: each step forgets the one before.
    let caged: Vec<Vec<DVec3>> = (gaussian_walk(2 * (n_zn + n_cl), 100, sigma, &cell, 5).windows(2))
        .map(|pair| {
            let step = |i: usize| cell.minimum_image(pair[1][i] - pair[0][i]);
            (0..n_zn + n_cl).map(|i| DVec3::splat(0.005 * i as f64) + step(i)).collect()
        })
        .collect();
    let caged = analyse(&[AnalysisSpec::Msd(msd(&[], true, 10.0))], &topology, &cell, &caged);
    assert!(value(&caged, "msd_exponent(Cl-)").abs() < 0.05, "{}", value(&caged, "msd_exponent(Cl-)"));
    assert!(caged[0].notes.join("\n").contains("D is in question for Zn2+ ("), "{:?}", caged[0].notes);
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
    // A species that two groups name counts once.
    let twice = msd(&["Zn2+", "Cl-", "Zn2+", "element Zn"], true, 10.0);
    let twice = value(&analyse(&[AnalysisSpec::Msd(twice)], &topology, &cell, &frames), "conductivity_nernst_einstein");
    assert!((twice - found).abs() < 1e-9 * found, "{twice} against {found}");
}

/// Repeats of a measurement: the mean of a quantity, the scatter of the repeats and the root mean square of the errors that they state.
fn repeated(id: &str, repeats: u64, measure: impl Fn(u64) -> Vec<AnalysisResult>) -> (f64, f64, f64) {
    let (mut values, mut stated) = (Vec::new(), 0.0);
    for seed in 0..repeats {
        let results = measure(seed);
        let quantity = results.iter().flat_map(|r| &r.values).find(|q| q.id == id).expect("measured");
        values.push(quantity.value);
        stated += quantity.error.unwrap_or_else(|| panic!("no error: {:?}", results[0].notes)).powi(2);
    }
    let n = repeats as f64;
    let mean = values.iter().sum::<f64>() / n;
    let scatter = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, scatter.sqrt(), (stated / n).sqrt())
}

/// Blocks shorter than max_lag share time origins: errors were once stated as 0.4 to 0.75 of what they are.
#[test]
fn stated_errors_of_diffusion_conductivity_and_scattering_are_true() {
    let (sigma, cell) = (0.05, cube(4.0));
    let ions = topology(10, 20, 0, 0);
    let waters = topology(0, 0, 0, 20);
    for n_frames in [63, 83, 200] {
        let walk = |seed: u64| {
            let frames = gaussian_walk(30, n_frames, sigma, &cell, 1000 + seed);
            analyse(&[AnalysisSpec::Msd(msd(&[], true, 10.0))], &ions, &cell, &frames)
        };
        let scattering = |seed: u64| {
            let frames = gaussian_walk(60, n_frames, sigma, &cell, 5000 + seed);
            let spec =
                FsqtSpec { q: vec![10.0, 15.0], max_lag: 10.0, origin_every: 1.0, every: 1.0, ..Default::default() };
            analyse(&[AnalysisSpec::Fsqt(spec)], &waters, &cell, &frames)
        };
        let d = 1000.0 * sigma * sigma / 2.0;
        // Ions that know nothing of each other: Einstein and Helfand find what Nernst and Einstein assume, e² Σ N z² D/(V k_B T).
        let e = 1.602_176_634e-19_f64;
        let conductivity = e * e * (10.0 * 4.0 + 20.0) * d * 1e-9 / (64e-27 * 1.380_649e-23 * 300.0);
        let gamma = 0.658_211_956_9 * 100.0 * sigma * sigma / 2.0;
        for (id, expected) in [
            ("diffusion(Cl-)", d),
            ("conductivity_nernst_einstein", conductivity),
            ("conductivity_einstein_helfand", conductivity),
            ("gamma(element H,1.000)", gamma),
        ] {
            let repeats = 100;
            let (mean, scatter, stated) =
                if id.starts_with("gamma") { repeated(id, repeats, scattering) } else { repeated(id, repeats, walk) };
            // Without the motion of the mean of 30 particles D is a thirtieth smaller; charges that sum to zero do not feel it.
            let room =
                4.0 * scatter / (repeats as f64).sqrt() + if id.contains("helfand") { 0.0 } else { 0.06 * expected };
            assert!((mean - expected).abs() < room, "{id}: {mean} against {expected} ± {room}");
            let ratio = stated / scatter;
            println!("{id}, {n_frames} frames: stated over true error {ratio:.2}");
            assert!((0.8..1.25).contains(&ratio), "{id}, {n_frames} frames: stated over true error {ratio}");
        }
    }
    // Too short for five blocks: a value, no error, and the reason.
    let frames = gaussian_walk(30, 40, sigma, &cell, 1);
    let results = analyse(&[AnalysisSpec::Msd(msd(&[], true, 10.0))], &ions, &cell, &frames);
    assert!(results[0].values.iter().all(|q| q.error.is_none()), "{:?}", results[0].values);
    assert!(results[0].notes.iter().any(|n| n.contains("No error is given for D")), "{:?}", results[0].notes);
}

/// Frames of several runs: every run by itself, and the mean over them.
#[test]
fn no_lag_reaches_from_one_run_into_the_next() {
    let cell = cube(2.0);
    let topology = topology(4, 8, 0, 10);
    let walk = |seed| gaussian_walk(42, 30, 0.1, &cell, seed);
    let specs = [
        AnalysisSpec::Msd(msd(&[], true, 5.0)),
        AnalysisSpec::Fsqt(FsqtSpec {
            q: vec![10.0],
            max_lag: 5.0,
            origin_every: 1.0,
            every: 1.0,
            ..Default::default()
        }),
        residence(None, 5.0),
    ];
    let (one, other) = (walk(1), walk(2));
    let alone = [&one, &other].map(|frames| analyse(&specs, &topology, &cell, frames));
    let both = |restart: bool| {
        let mut set = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
        sample(&mut set, &cell, &one, 0);
        if restart {
            set.restart();
            sample(&mut set, &cell, &other, 0);
        } else {
            sample(&mut set, &cell, &other, 30);
        }
        set.finish()
    };
    let (joined, seam) = (both(true), both(false));
    for (table, name) in [("msd_Zn2+", "MSD"), ("fsqt_element_H", "F_s at q = 1.000/angstrom")] {
        let mean: Vec<f64> = column(&alone[0], table, name)
            .iter()
            .zip(column(&alone[1], table, name))
            .map(|(a, b)| 0.5 * (a + b))
            .collect();
        let found = column(&joined, table, name);
        assert!(found.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-9), "{table}: {found:?} against {mean:?}");
        assert!(column(&seam, table, name).iter().zip(&mean).any(|(a, b)| (a - b).abs() > 1e-3), "{table}");
    }
    assert_eq!(joined[0].n_frames, 60);
}

/// A frozen slab is no part of the drift, is followed only where it is asked for, and leaves no volume for a conductivity.
#[test]
fn beside_frozen_atoms_the_liquid_alone_moves() {
    let mut slab = topology(1, 1, 1, 0);
    slab.frozen[2..].fill(true);
    let cell = cube(2.0);
    let (v, drift) = (DVec3::new(0.03, -0.05, 0.1), DVec3::new(0.2, 0.1, -0.3));
    let (m_zn, m_cl) = (65.38, 35.45);
    let frames: Vec<Vec<DVec3>> = (0..60)
        .map(|t| {
            let (t, mut r) = (f64::from(t), vec![DVec3::new(0.3, 0.2, 0.1); 2]);
            r[0] = cell.wrap(DVec3::splat(1.0) + (v + drift) * t);
            r[1] = cell.wrap((v * (-m_zn / m_cl) + drift) * t);
            r.extend((2..slab.n_atoms()).map(|k| DVec3::new(0.3, 0.2, 0.1 * k as f64)));
            r
        })
        .collect();
    let exact = |results: &[AnalysisResult]| {
        let (t, found) = (column(results, "msd_Zn2+", "t"), column(results, "msd_Zn2+", "MSD"));
        t.iter().zip(found).all(|(t, m)| (m - (v.length() * t).powi(2)).abs() < 1e-9)
    };
    let all = analyse(&[AnalysisSpec::Msd(msd(&[], true, 10.0))], &slab, &cell, &frames);
    assert!(exact(&all) && has(&all, "diffusion_lateral(Zn2+)"));
    assert!(
        has(&all, "msd_exponent_lateral(Zn2+)")
            && has(&all, "msd_exponent_z(Zn2+)")
            && !has(&all, "msd_exponent(Zn2+)")
    );
    assert!(!has(&all, "diffusion(XO2 2-)") && !has(&all, "conductivity_nernst_einstein"), "{:?}", all[0].values);
    let notes = all[0].notes.join("\n");
    assert!(notes.contains("of all that moves") && notes.contains("No conductivity"), "{notes}");
    assert!(!notes.contains("give the model's viscosity"), "{notes}");
    let asked = analyse(&[AnalysisSpec::Msd(msd(&["Zn2+", "'XO2 2-'"], false, 10.0))], &slab, &cell, &frames);
    assert!(column(&asked, "msd_XO2_2-", "MSD").iter().all(|m| m.abs() < 1e-20));
    // The same frames of a slab that could move: it takes part in the drift and is followed.
    let free = analyse(&[AnalysisSpec::Msd(msd(&[], true, 10.0))], &topology(1, 1, 1, 0), &cell, &frames);
    assert!(!exact(&free) && has(&free, "diffusion(XO2 2-)"));
}

/// Yeh and Hummer's correction is one for bulk liquids.
#[test]
fn a_slab_is_not_corrected_for_the_size_of_the_box() {
    let cell = Cell::new(DVec3::X * 2.0, DVec3::Y * 2.0, DVec3::Z * 6.0).expect("valid");
    let corrected = |height: f64| {
        let walk = gaussian_walk(30, 60, 0.02, &cell, 3);
        let frames: Vec<Vec<DVec3>> = walk
            .into_iter()
            .map(|f| f.into_iter().map(|r| DVec3::new(r.x, r.y, r.z * height / 6.0)).collect())
            .collect();
        let spec = MsdSpec { viscosity: Some(0.9), ..msd(&[], true, 5.0) };
        analyse(&[AnalysisSpec::Msd(spec)], &topology(10, 20, 0, 0), &cell, &frames)
    };
    let (bulk, slab) = (corrected(6.0), corrected(3.0));
    assert!(has(&bulk, "diffusion_corrected(Zn2+)") && !has(&slab, "diffusion_corrected(Zn2+)"));
    assert!(slab[0].notes.iter().any(|n| n.contains("are empty along z")), "{:?}", slab[0].notes);
}

/// What no frame holds has no value, not even zero.
#[test]
fn selections_that_held_no_atom_give_no_values() {
    let cell = cube(3.0);
    let topology = topology(2, 2, 2, 20);
    let frames: Vec<Vec<DVec3>> = gaussian_walk(70, 8, 0.01, &cell, 5)
        .into_iter()
        .map(|f| f.into_iter().map(|r| DVec3::new(r.x, r.y, 0.3 + 0.2 * r.z / 3.0)).collect())
        .collect();
    let nowhere = |what: &str| format!("{what} and z > 2.5 nm");
    let specs = [
        rdf(&nowhere("OW"), "Zn2+", false, true),
        AnalysisSpec::Coordination {
            center: nowhere("Zn2+"),
            ligands: vec!["OW".into()],
            r_min: Some(0.3),
            layer: None,
            every: 1.0,
        },
        AnalysisSpec::Coordination {
            center: "Zn2+".into(),
            ligands: vec![nowhere("OW")],
            r_min: Some(0.3),
            layer: None,
            every: 1.0,
        },
        AnalysisSpec::IonPairs(IonPairsSpec {
            cation: "Zn2+".into(),
            anion: nowhere("Cl-"),
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::Residence(ResidenceSpec {
            center: "Zn2+".into(),
            ligand: nowhere("OW"),
            r_min: 0.3,
            max_lag: 4.0,
            origin_every: 1.0,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::Octahedrality(OctahedralitySpec {
            center: nowhere("Zn2+"),
            ligand: "OW".into(),
            r_search: 1.0,
            every: 1.0,
        }),
        AnalysisSpec::Orientation(OrientationSpec { molecules: nowhere("water"), every: 1.0, ..Default::default() }),
        AnalysisSpec::Fsqt(FsqtSpec {
            selection: nowhere("element H"),
            max_lag: 4.0,
            every: 1.0,
            ..Default::default()
        }),
        AnalysisSpec::Msd(msd(&[&nowhere("OW")], false, 4.0)),
    ];
    let results = analyse(&specs, &topology, &cell, &frames);
    assert_eq!(results.len(), specs.len());
    for result in &results {
        assert!(
            result.notes.iter().any(|n| n.contains("held no atom in any frame")),
            "{}: {:?}",
            result.title,
            result.notes
        );
        assert!(result.values.is_empty(), "{}: {:?}", result.title, result.values);
    }
    // A ligand that is there and never near is another matter: its coordination number is zero.
    let far = AnalysisSpec::Coordination {
        center: "Zn2+".into(),
        ligands: vec!["OW".into(), nowhere("Cl-")],
        r_min: Some(1e-3),
        layer: None,
        every: 1.0,
    };
    let results = analyse(&[far], &topology, &cell, &frames);
    assert_eq!(value(&results, "coordination_number(Zn2+,OW)"), 0.0);
    assert!(!has(&results, &format!("coordination_number(Zn2+,{})", nowhere("Cl-"))));
}

/// An input compared without its additive: one ligand of several may be a species that the system has none of, a misspelt one not.
#[test]
fn a_ligand_of_which_there_is_none_is_left_out() {
    let (cell, topology) = (cube(3.0), topology(2, 0, 2, 20));
    let frames = gaussian_walk(68, 8, 0.01, &cell, 5);
    let coordination = |ligands: &[&str]| AnalysisSpec::Coordination {
        center: "Zn2+".into(),
        ligands: ligands.iter().map(|l| l.to_string()).collect(),
        r_min: Some(0.6),
        layer: None,
        every: 1.0,
    };
    let results = analyse(&[coordination(&["OW", "Cl-"])], &topology, &cell, &frames);
    assert!(value(&results, "coordination_number(Zn2+,OW)") > 0.0);
    assert_eq!(value(&results, "coordination_number(Zn2+)"), value(&results, "coordination_number(Zn2+,OW)"));
    assert!(!has(&results, "coordination_number(Zn2+,Cl-)"));
    assert!(results[0].notes.iter().any(|n| n.contains("\"Cl-\" held no atom")), "{:?}", results[0].notes);
    for refused in [coordination(&["Cl-"]), coordination(&["OW", "Br-"]), rdf("Zn2+", "Cl-", false, true)] {
        assert!(AnalysisSet::new(&[refused], &topology, &cell).is_err());
    }
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
    // Time of bound pairs: ten intervals for the first, those that end within the shell before it left for the second.
    assert_eq!(value(&results, "residence_time_counted(Zn2+,OW)"), 10.0 + 3.0);
    assert!(!has(&results, "residence_time_bound(Zn2+,OW)"));

    // Who looks in for less than the longest t* neither departs nor takes the bound away; who stays longer and goes does both.
    for (samples, departures) in [(1, 0.0), (2, 0.0), (3, 1.0)] {
        let visit: Vec<Vec<DVec3>> =
            (0..31).map(|k| frame([0.21, if (10..10 + samples).contains(&k) { 0.22 } else { 0.35 }])).collect();
        let results = analyse(&[residence(None, 10.0)], &topology, &cell, &visit);
        assert_eq!(value(&results, "exchanges(Zn2+,OW)"), departures, "{samples} samples");
        if departures == 0.0 {
            let bound = value(&results, "residence_time_bound(Zn2+,OW)");
            assert!((bound - 30.0 / -(0.05_f64.ln())).abs() < 1e-9, "{samples} samples: {bound}");
        } else {
            assert_eq!(value(&results, "residence_time_counted(Zn2+,OW)"), 33.0);
        }
    }

    let calm: Vec<Vec<DVec3>> = (0..31).map(|_| frame([0.21, 0.22])).collect();
    let results = analyse(&[residence(None, 10.0)], &topology, &cell, &calm);
    // Two pairs for 30 ps, over −ln 0.05.
    let bound = value(&results, "residence_time_bound(Zn2+,OW)");
    assert!((bound - 60.0 / -(0.05_f64.ln())).abs() < 1e-9, "{bound}");
    assert!(!has(&results, "residence_time_0ps(Zn2+,OW)"), "no number is made of a curve that does not fall");
    assert!(results[0].notes.iter().any(|n| n.starts_with("No OW left")), "{:?}", results[0].notes);
    assert_eq!(value(&results, "residence_time_0ps_at_least(Zn2+,OW)"), 10.0, "what was seen is a lower bound");

    let far: Vec<Vec<DVec3>> = (0..31).map(|_| frame([0.5, 0.6])).collect();
    let results = analyse(&[residence(None, 10.0)], &topology, &cell, &far);
    assert!(results[0].values.is_empty(), "no pair, no bound of zero: {:?}", results[0].values);
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
