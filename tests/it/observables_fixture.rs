//! Every observable on a stored trajectory (25 frames of 2.3 mol/kg ZnCl2) against MDAnalysis, freud, solvation-analysis and others, whose numbers
//! are in `validation/analysis/observables_fixture.json` with the script that made them. What tells z from x and y is in `film_fixture`.
//! Each comparison has a control: the same observable with another setting, which must be told apart.

use crate::support::electrolyte::{column, topology, value};
use crate::support::fixture::{Fixture, agree, agree_one, differ};
use hexaqua::analysis::{AnalysisResult, equilibration};
use hexaqua::system::analyses::{
    AnalysisSpec, DensityProfileSpec, FsqtSpec, HydrogenBondsSpec, IonPairsSpec, MsdSpec, OctahedralitySpec,
    OrientationSpec, PairDistributionSpec, ResidenceSpec,
};
use std::sync::LazyLock;

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let text = include_str!("../../validation/analysis/observables_fixture.json");
    Fixture::new(text, "zncl2.xtc", topology(8, 16, 0, 190))
});

fn analyse(specs: &[AnalysisSpec]) -> Vec<AnalysisResult> {
    FIXTURE.analyse(specs)
}

fn numbers(key: &str) -> Vec<f64> {
    FIXTURE.numbers(key)
}

fn number(key: &str) -> f64 {
    FIXTURE.number(key)
}

#[test]
fn every_number_says_who_found_it() {
    FIXTURE.check_origins();
}

#[test]
fn radial_distributions_agree_with_mdanalysis_and_freud() {
    let rdf = |a: &str, b: &str, molecules, intramolecular| AnalysisSpec::Rdf {
        pairs: vec![(a.to_string(), b.to_string())],
        r_max: Some(0.8),
        bin_width: 0.02,
        molecules,
        intramolecular,
        every: 0.1,
    };
    let specs = [
        rdf("Zn2+", "OW", false, true),
        rdf("OW", "element H", false, false),
        rdf("water", "water", true, true),
        rdf("OW", "element H", false, true),
        rdf("OW", "OW", false, true),
    ];
    let results = analyse(&specs);
    let g = |k: usize| &results[k].tables[0].columns[1].values;
    for (k, key) in ["rdf_zn_ow", "rdf_ow_h_between", "rdf_water_com"].iter().enumerate() {
        agree(key, g(k), &numbers(key));
    }
    agree("n(r)", &results[0].tables[0].columns[2].values, &numbers("running_zn_ow"));
    differ("pairs within molecules", g(3), &numbers("rdf_ow_h_between"));
    differ("oxygens for centres of mass", g(4), &numbers("rdf_water_com"));
}

#[test]
fn angles_agree_with_mdanalysis() {
    let angles = |r_min: f64| AnalysisSpec::Angles {
        center: "Zn2+".into(),
        ligand: "OW".into(),
        r_min: Some(r_min),
        bin_width: 2.0,
        every: 0.1,
    };
    let results = analyse(&[angles(0.3)]);
    agree("P(angle)", column(&results, "angles_OW_Zn2+_OW", "P(angle)"), &numbers("angles"));
    agree_one("trans", value(&results, "angle_trans_fraction(Zn2+,OW)"), number("angles_trans"));
    let tight = analyse(&[angles(0.205)]);
    differ("a smaller shell", column(&tight, "angles_OW_Zn2+_OW", "P(angle)"), &numbers("angles"));
}

fn coordination(r_min: f64) -> AnalysisSpec {
    AnalysisSpec::Coordination {
        center: "Zn2+".into(),
        ligands: vec!["OW".into(), "Cl-".into()],
        r_min: Some(r_min),
        layer: None,
        every: 0.1,
    }
}

#[test]
fn coordination_numbers_agree_with_solvation_analysis() {
    let results = analyse(&[coordination(0.3)]);
    agree_one("CN O", value(&results, "coordination_number(Zn2+,OW)"), number("cn_o"));
    let found = value(&results, "coordination_number(Zn2+,Cl-)");
    assert!((found - number("cn_cl")).abs() < 1e-6, "CN Cl: {found}");
    // A radius in the second shell, where numbers vary.
    let results = analyse(&[coordination(0.45)]);
    for (ligand, key) in [("OW", "o"), ("Cl-", "cl")] {
        let id = format!("coordination_number(Zn2+,{ligand})");
        agree_one(&id, value(&results, &id), number(&format!("cn_{key}_wide")));
        let p = column(&results, "coordination_Zn2+", &format!("P(CN) {ligand}"));
        let expected = numbers(&format!("p_cn_{key}_wide"));
        assert!(expected[p.len()..].iter().all(|e| *e == 0.0), "{ligand}: longer than {}", p.len());
        agree(&id, p, &expected[..p.len()]);
    }
    let results = analyse(&[coordination(0.44)]);
    differ("another radius", &[value(&results, "coordination_number(Zn2+,OW)")], &[number("cn_o_wide")]);
}

#[test]
fn association_agrees_with_mdanalysis() {
    let pairs = |r_ssip: f64| {
        AnalysisSpec::IonPairs(IonPairsSpec {
            cation: "Zn2+".into(),
            anion: "Cl-".into(),
            r_contact: 0.3,
            r_ssip,
            r_2sip: 0.7,
            every: 0.1,
            ..Default::default()
        })
    };
    let states = ["free", "2SIP", "SSIP", "CIP", "aggregate"];
    let fractions = |results: &[AnalysisResult]| {
        states.map(|state| value(results, &format!("ion_pair_fraction(Zn2+,Cl-,{state})")))
    };
    let results = analyse(&[pairs(0.5)]);
    agree("states", &fractions(&results), &numbers("ion_pair_states"));
    for (id, share) in FIXTURE.shells() {
        agree_one(&id, value(&results, &id), share);
    }
    differ("another radius", &fractions(&analyse(&[pairs(0.46)])), &numbers("ion_pair_states"));
}

#[test]
fn hydrogen_bonds_agree_with_mdanalysis() {
    let spec = |at_donor: bool, angle: f64, acceptors: &str| {
        AnalysisSpec::HydrogenBonds(HydrogenBondsSpec {
            acceptors: acceptors.into(),
            at_donor,
            angle,
            regions: vec![("shell".into(), "OW and within 0.28 nm of Zn2+".into())],
            max_lag: 1.0,
            origin_every: 0.1,
            every: 0.1,
            ..Default::default()
        })
    };
    let at_hydrogen = analyse(&[spec(false, 150.0, "")]);
    agree_one("bonds", value(&at_hydrogen, "hydrogen_bonds"), number("hydrogen_bonds_at_hydrogen"));
    for (name, key) in
        [("C(t) continuous", "hydrogen_bond_continuous"), ("C(t) intermittent", "hydrogen_bond_intermittent")]
    {
        agree(key, column(&at_hydrogen, "hydrogen_bonds_lifetime", name), &numbers(key));
    }
    let lifetime = value(&at_hydrogen, "hydrogen_bond_lifetime(continuous)");
    agree_one("lifetime", lifetime, number("hydrogen_bond_lifetime"));

    let classes = ["DDAA", "DDA", "DAA", "DA", "other"];
    let of_region = |results: &[AnalysisResult], region: &str| -> Vec<f64> {
        let numbers = ["donated", "accepted"].map(|what| format!("hydrogen_bonds_{what}({region})"));
        let classes = classes.map(|class| format!("water_class({region},{class})"));
        numbers.iter().chain(&classes).map(|id| value(results, id)).collect()
    };
    let with_chloride = analyse(&[spec(false, 150.0, "OW or Cl-")]);
    for region in ["shell", "bulk"] {
        agree(region, &of_region(&with_chloride, region), &numbers(&format!("water_{region}_at_hydrogen")));
        let without = of_region(&at_hydrogen, region);
        differ("chloride accepts", &without, &numbers(&format!("water_{region}_at_hydrogen")));
    }

    let whole = |at_donor, angle| {
        let AnalysisSpec::HydrogenBonds(spec) = spec(at_donor, angle, "") else { unreachable!("as made above") };
        AnalysisSpec::HydrogenBonds(HydrogenBondsSpec { regions: Vec::new(), ..spec })
    };
    let at_donor = analyse(&[whole(true, 30.0)]);
    agree_one("bonds", value(&at_donor, "hydrogen_bonds"), number("hydrogen_bonds_at_donor"));
    agree("classes", &of_region(&at_donor, "bulk")[2..], &numbers("water_classes"));
    let other = value(&at_hydrogen, "hydrogen_bonds");
    differ("the criteria", &[other], &[number("hydrogen_bonds_at_donor")]);
}

fn msd(groups: &[&str], molecules: bool, viscosity: Option<f64>) -> AnalysisSpec {
    AnalysisSpec::Msd(MsdSpec {
        groups: groups.iter().map(|g| g.to_string()).collect(),
        molecules,
        max_lag: 1.0,
        origin_every: 0.1,
        viscosity,
        every: 0.1,
        ..Default::default()
    })
}

#[test]
fn displacements_agree_with_mdanalysis_and_tidynamics() {
    let results = analyse(&[msd(&["Zn2+", "Cl-", "OW"], false, None)]);
    for (table, key) in [("msd_Zn2+", "msd_zn"), ("msd_Cl-", "msd_cl"), ("msd_OW", "msd_ow")] {
        agree(key, column(&results, table, "MSD"), &numbers(key)[1..]);
        agree(key, column(&results, table, "MSD xy"), &numbers(&format!("{key}_xy"))[1..]);
        agree(key, column(&results, table, "MSD z"), &numbers(&format!("{key}_z"))[1..]);
    }
    agree("msd_charge", column(&results, "msd_charge", "MSD of charge"), &numbers("msd_charge")[1..]);
    let molecules = analyse(&[msd(&[], true, Some(0.5))]);
    agree("of molecules", column(&molecules, "msd_SPC_E", "MSD"), &numbers("msd_water_com")[1..]);
    differ("oxygens", column(&results, "msd_OW", "MSD"), &numbers("msd_water_com")[1..]);

    let of = |kind: &str, name: &str| value(&molecules, &format!("{kind}({name})"));
    let found = ["Zn2+", "Cl-", "SPC/E"].map(|name| of("diffusion", name));
    agree("D", &found, &numbers("diffusion"));
    agree("D xy, z", &[of("diffusion_lateral", "Zn2+"), of("diffusion_z", "Zn2+")], &numbers("diffusion_zn_xy_z"));
    differ("D as D z", &[of("diffusion_z", "Zn2+")], &[numbers("diffusion")[0]]);
    let corrections = ["Zn2+", "Cl-"].map(|name| of("diffusion_corrected", name) - of("diffusion", name));
    agree("infinite box", &corrections, &[number("yeh_hummer"); 2]);
    let conductivities =
        ["conductivity_nernst_einstein", "conductivity_einstein_helfand"].map(|id| value(&molecules, id));
    agree("conductivities", &conductivities, &numbers("conductivity"));
}

#[test]
fn self_scattering_agrees_with_numpy() {
    let spec = |scale: f64| {
        let q = vec![5.0 * scale, 10.0 * scale, 15.0 * scale];
        AnalysisSpec::Fsqt(FsqtSpec { q, max_lag: 1.0, origin_every: 0.1, every: 0.1, ..Default::default() })
    };
    let results = analyse(&[spec(1.0)]);
    let curve = |k: usize| -> Vec<f64> {
        let of = &FIXTURE.get("fsqt")[k];
        of.as_array().expect("curve").iter().map(|v| v.as_f64().expect("number")).collect()
    };
    let wave_numbers = ["0.500", "1.000", "1.500"];
    for (k, q) in wave_numbers.iter().enumerate() {
        agree("F_s", column(&results, "fsqt_element_H", &format!("F_s at q = {q}/angstrom")), &curve(k));
    }
    agree("gamma", &wave_numbers.map(|q| value(&results, &format!("gamma(element H,{q})"))), &numbers("gamma"));
    let jump = ["jump_diffusion(element H)", "jump_time(element H)"].map(|id| value(&results, id));
    agree("jump diffusion", &jump, &numbers("jump_diffusion"));
    let other = analyse(&[spec(1.02)]);
    differ("another q", column(&other, "fsqt_element_H", "F_s at q = 1.020/angstrom"), &curve(1));
}

#[test]
fn residence_agrees_with_mdanalysis_and_solvation_analysis() {
    let spec = |r_min: f64, r_product: f64| {
        AnalysisSpec::Residence(ResidenceSpec {
            center: "Zn2+".into(),
            ligand: "OW".into(),
            r_min,
            t_star: vec![0.0, 0.2],
            r_reactant: Some(0.205),
            r_product: Some(r_product),
            max_lag: 1.0,
            origin_every: 0.1,
            every: 0.1,
        })
    };
    let results = analyse(&[spec(0.22, 0.225)]);
    let curve = |results: &[AnalysisResult], name: &str| column(results, "residence_Zn2+_OW", name).to_vec();
    let kinds = [
        ("P(t) t* = 0 ps", "residence_0"),
        ("P(t) t* = 0.2 ps", "residence_tolerated"),
        ("P(t) intermittent", "residence_intermittent"),
        ("P(t) stable states", "residence_stable"),
    ];
    for (name, key) in kinds {
        agree(key, &curve(&results, name), &numbers(key));
    }
    agree_one("departures", value(&results, "exchanges(Zn2+,OW)"), number("exchanges"));
    let counted = value(&results, "residence_time_counted(Zn2+,OW)");
    agree_one("counted", counted, number("pair_time") / number("exchanges"));
    // Other tolerances and other radii are other functions.
    differ("tolerance", &curve(&results, kinds[0].0), &numbers(kinds[1].1));
    differ("no absences", &curve(&results, kinds[1].0), &numbers(kinds[2].1));
    let wider = analyse(&[spec(0.225, 0.23)]);
    for (name, key) in kinds {
        differ(key, &curve(&wider, name), &numbers(key));
    }
}

#[test]
fn profiles_agree_with_mdanalysis() {
    // The width is adjusted to 20 bins in the cell of 1.86 nm.
    let groups = vec!["Cl-".to_string()];
    let spec = DensityProfileSpec { groups, bin_width: 0.0933, every: 0.1, ..Default::default() };
    let results = analyse(&[AnalysisSpec::DensityProfile(spec.clone())]);
    agree("mass", column(&results, "density_profile", "mass density"), &numbers("mass_density_z"));
    agree("charge", column(&results, "density_profile", "charge density"), &numbers("charge_density_z"));
    agree("number", column(&results, "density_profile", "Cl-"), &numbers("number_density_z_cl"));
    let other = DensityProfileSpec { origin: "index 1".into(), ..spec };
    let other = analyse(&[AnalysisSpec::DensityProfile(other)]);
    differ("origin", column(&other, "density_profile", "charge density"), &numbers("charge_density_z"));
}

#[test]
fn dipoles_agree_with_mdanalysis_and_waterdynamics() {
    let spec = |relative_to: &str| {
        let relative_to = relative_to.to_string();
        let spec = OrientationSpec { molecules: "water".into(), relative_to, every: 0.1, ..Default::default() };
        AnalysisSpec::Orientation(spec)
    };
    let results = analyse(&[spec("z"), spec("Zn2+")]);
    let of = |kind: &str, axis: &str| value(&results, &format!("{kind}(water,{axis})"));
    agree_one("cos", of("dipole_cosine", "z"), number("dipole_cosine_z"));
    agree_one("P2", of("dipole_p2", "z"), number("dipole_p2_z"));
    agree_one("dipole", of("dipole_moment", "z"), number("dipole_debye"));
    agree("to Zn", &[of("dipole_cosine", "Zn2+"), of("dipole_p2", "Zn2+")], &numbers("dipole_to_zn"));
    // Heights in XTC are multiples of 0.001 nm: a few cosines are exactly zero, where two bins meet, and those are compared as one.
    let joined = |p: &[f64]| [&p[..24], &[p[24] + p[25]], &p[26..]].concat();
    let distribution = |axis: &str| joined(column(&results, &format!("orientation_water_{axis}"), "P(cos theta)"));
    let (to_z, to_zn) = (numbers("dipole_distribution_z"), numbers("dipole_distribution_to_zn"));
    agree("P(cos)", &distribution("z"), &joined(&to_z));
    agree("P(cos) to Zn", &distribution("Zn2+"), &joined(&to_zn));
    differ("axes", &distribution("Zn2+"), &joined(&to_z));
}

#[test]
fn octahedrality_agrees_with_freud() {
    let spec = |ligand: &str| {
        let spec = OctahedralitySpec { center: "Zn2+".into(), ligand: ligand.into(), r_search: 0.5, every: 0.1 };
        analyse(&[AnalysisSpec::Octahedrality(spec)])
    };
    let results = spec("OW or Cl-");
    let of = |kind: &str| value(&results, &format!("{kind}(Zn2+,OW or Cl-)"));
    agree_one("Q4", of("steinhardt_q4"), number("q4"));
    agree_one("Q6", of("steinhardt_q6"), number("q6"));
    agree_one("σ²", of("bond_angle_variance"), number("angle_variance"));
    agree_one("spread", of("distance_spread"), number("distance_spread"));
    agree("P(Q4)", column(&results, "octahedrality_Zn2+_OW_or_Cl-", "P(Q4)"), &numbers("q4_distribution"));
    let hydrogens = spec("element H");
    differ("hydrogens", &[value(&hydrogens, "steinhardt_q4(Zn2+,element H)")], &[number("q4")]);
}

#[test]
fn structure_factor_and_pair_distribution_agree_with_freud_and_debye() {
    let spec = |bin_width: f64, q_step: f64, lorch: bool| {
        let spec = PairDistributionSpec {
            r_max: Some(0.8),
            bin_width,
            q_max: 200.0,
            q_step,
            lorch,
            every: 0.1,
            ..Default::default()
        };
        analyse(&[AnalysisSpec::PairDistribution(spec)])
    };
    let coarse = spec(0.004, 5.0, false);
    let s = |results: &[AnalysisResult]| column(results, "pair_distribution_sq", "S(Q)").to_vec();
    agree("S(Q)", &s(&coarse), &numbers("structure_factor"));
    // Debye's sum has no bins; with fine ones the difference is gone.
    agree("Debye", &s(&spec(0.0004, 5.0, false)), &numbers("structure_factor_debye"));
    differ("coarse bins", &s(&coarse), &numbers("structure_factor_debye"));

    let (plain, lorch) = (spec(0.004, 1.0, false), spec(0.004, 1.0, true));
    let g = |results: &[AnalysisResult]| column(results, "pair_distribution_gr", "G(r)").to_vec();
    agree("G(r)", &g(&plain), &numbers("pair_distribution"));
    agree("G(r), Lorch", &g(&lorch), &numbers("pair_distribution_lorch"));
    differ("windows", &g(&plain), &numbers("pair_distribution_lorch"));
}

#[test]
fn the_start_of_equilibrium_agrees_with_pymbar() {
    let series = numbers("series");
    let found = equilibration::detect(&series).expect("long enough");
    let of = |e: &equilibration::Equilibration| [e.start as f64, e.inefficiency, e.n_effective];
    agree("stationary", &of(&found), &numbers("series_stationary"));
    agree_one("g", equilibration::inefficiency(&series).expect("varies"), number("series_inefficiency"));
    // Backwards the relaxation is at the end, and no start leaves it out.
    let backwards: Vec<f64> = series.iter().rev().copied().collect();
    differ("backwards", &of(&equilibration::detect(&backwards).expect("long enough")), &numbers("series_stationary"));
}
