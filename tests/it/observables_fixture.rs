//! Every observable on a stored trajectory (25 frames of 2.3 mol/kg ZnCl2) against MDAnalysis, freud and plain numpy, whose numbers are in
//! `validation/analysis/observables_fixture.json` with the script that made them.

use crate::support::electrolyte::{column, topology, value};
use hexaqua::analysis::{AnalysisResult, AnalysisSet};
use hexaqua::cell::Cell;
use hexaqua::io::trajectory::TrajectoryReader;
use hexaqua::system::analyses::{
    AnalysisSpec, DensityProfileSpec, FsqtSpec, HydrogenBondsSpec, IonPairsSpec, MsdSpec, OctahedralitySpec,
    OrientationSpec, PairDistributionSpec, ResidenceSpec,
};
use hexaqua::system::{Frame, Topology};
use std::path::Path;
use std::sync::LazyLock;

/// One part in a thousand; most numbers agree to single precision of the trajectory.
const TOLERANCE: f64 = 1e-3;

static FIXTURE: LazyLock<serde_json::Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../validation/analysis/observables_fixture.json")).expect("JSON")
});

fn numbers(key: &str) -> Vec<f64> {
    let of = |v: &serde_json::Value| v.as_array().expect(key).iter().map(|x| x.as_f64().expect(key)).collect();
    of(&FIXTURE[key])
}

fn number(key: &str) -> f64 {
    FIXTURE[key].as_f64().expect(key)
}

fn agree(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    assert!(scale > 0.0, "{what}: nothing to compare with");
    for (k, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= TOLERANCE * e.abs().max(0.01 * scale), "{what}[{k}]: {f} against {e}");
    }
}

fn agree_one(what: &str, found: f64, expected: f64) {
    agree(what, &[found], &[expected]);
}

fn analyse(specs: &[AnalysisSpec]) -> Vec<AnalysisResult> {
    let topology: Topology = topology(8, 16, 0, 190);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/analysis/zncl2.xtc");
    let reader = TrajectoryReader::open(&[path], topology.n_atoms(), None).expect("readable");
    let mut set: Option<AnalysisSet> = None;
    for frame in reader {
        let frame = frame.expect("whole");
        let cell: Cell = frame.cell;
        let set = set.get_or_insert_with(|| AnalysisSet::new(specs, &topology, &cell).expect("valid"));
        let time = frame.time.expect("XTC has times");
        set.sample(&Frame::new(frame.step, time, &cell, &frame.positions)).expect("good frame");
    }
    let set = set.expect("frames");
    assert_eq!(set.n_frames(), FIXTURE["frames"].as_u64().expect("frames"));
    set.finish()
}

#[test]
fn radial_distributions_agree_with_mdanalysis() {
    let rdf = |a: &str, b: &str, molecules, intramolecular| AnalysisSpec::Rdf {
        pairs: vec![(a.to_string(), b.to_string())],
        r_max: Some(0.8),
        bin_width: 0.02,
        molecules,
        intramolecular,
        every: 0.1,
    };
    let specs =
        [rdf("Zn2+", "OW", false, true), rdf("OW", "element H", false, false), rdf("water", "water", true, true)];
    let results = analyse(&specs);
    for (result, key) in results.iter().zip(["rdf_zn_ow", "rdf_ow_h_between", "rdf_water_com"]) {
        agree(key, &result.tables[0].columns[1].values, &numbers(key));
    }
}

#[test]
fn association_agrees_with_numpy() {
    let pairs = IonPairsSpec {
        cation: "Zn2+".into(),
        anion: "Cl-".into(),
        r_contact: 0.3,
        r_ssip: 0.5,
        r_2sip: 0.7,
        every: 0.1,
        ..Default::default()
    };
    let coordination = AnalysisSpec::Coordination {
        center: "Zn2+".into(),
        ligands: vec!["OW".into(), "Cl-".into()],
        r_min: Some(0.3),
        layer: None,
        every: 0.1,
    };
    let results = analyse(&[AnalysisSpec::IonPairs(pairs), coordination]);
    for (k, state) in ["free", "2SIP", "SSIP", "CIP", "aggregate"].iter().enumerate() {
        let found = value(&results, &format!("ion_pair_fraction(Zn2+,Cl-,{state})"));
        assert!((found - numbers("ion_pair_states")[k]).abs() < 1e-6, "{state}: {found}");
    }
    for (key, share) in FIXTURE["shells"].as_object().expect("table") {
        let (o, cl) = key.split_once(',').expect("two counts");
        let part = |n: &str, name: &str| match n {
            "0" => String::new(),
            "1" => format!("({name})"),
            n => format!("({name}){n}"),
        };
        let id = format!("shell_fraction(Zn{}{})", part(o, "H2O"), part(cl, "Cl"));
        agree_one(&id, value(&results, &id), share.as_f64().expect("share"));
    }
    agree_one("CN O", value(&results, "coordination_number(Zn2+,OW)"), number("cn_o"));
    let found = value(&results, "coordination_number(Zn2+,Cl-)");
    assert!((found - number("cn_cl")).abs() < 1e-6, "CN Cl: {found}");
}

#[test]
fn hydrogen_bonds_agree_with_mdanalysis() {
    let spec = |at_donor: bool, angle: f64| {
        AnalysisSpec::HydrogenBonds(HydrogenBondsSpec {
            at_donor,
            angle,
            max_lag: 1.0,
            origin_every: 0.1,
            every: 0.1,
            ..Default::default()
        })
    };
    let at_hydrogen = analyse(&[spec(false, 150.0)]);
    agree_one("bonds", value(&at_hydrogen, "hydrogen_bonds"), number("hydrogen_bonds_at_hydrogen"));
    for (name, key) in
        [("C(t) continuous", "hydrogen_bond_continuous"), ("C(t) intermittent", "hydrogen_bond_intermittent")]
    {
        agree(key, column(&at_hydrogen, "hydrogen_bonds_lifetime", name), &numbers(key));
    }
    let at_donor = analyse(&[spec(true, 30.0)]);
    agree_one("bonds", value(&at_donor, "hydrogen_bonds"), number("hydrogen_bonds_at_donor"));
    let classes = ["DDAA", "DDA", "DAA", "DA", "other"].map(|c| value(&at_donor, &format!("water_class(bulk,{c})")));
    agree("classes", &classes, &numbers("water_classes"));
    let other = value(&at_hydrogen, "hydrogen_bonds");
    assert!((other - number("hydrogen_bonds_at_donor")).abs() > 10.0 * TOLERANCE * other, "the criteria differ");
}

#[test]
fn dynamics_agree_with_mdanalysis() {
    let msd = MsdSpec {
        groups: vec!["Zn2+".into(), "Cl-".into(), "OW".into()],
        molecules: false,
        max_lag: 1.0,
        origin_every: 0.1,
        every: 0.1,
        ..Default::default()
    };
    let fsqt = FsqtSpec { q: vec![5.0, 10.0, 15.0], max_lag: 1.0, origin_every: 0.1, every: 0.1, ..Default::default() };
    let residence = ResidenceSpec {
        center: "Zn2+".into(),
        ligand: "OW".into(),
        r_min: 0.22,
        t_star: vec![0.0, 0.2],
        max_lag: 1.0,
        origin_every: 0.1,
        every: 0.1,
        ..Default::default()
    };
    let results = analyse(&[AnalysisSpec::Msd(msd), AnalysisSpec::Fsqt(fsqt), AnalysisSpec::Residence(residence)]);
    for (table, key) in [("msd_Zn2+", "msd_zn"), ("msd_Cl-", "msd_cl"), ("msd_OW", "msd_ow")] {
        agree(key, column(&results, table, "MSD"), &numbers(key)[1..]);
    }
    agree("msd_charge", column(&results, "msd_charge", "MSD of charge"), &numbers("msd_charge")[1..]);
    for (k, q) in ["0.500", "1.000", "1.500"].iter().enumerate() {
        let expected: Vec<f64> =
            FIXTURE["fsqt"][k].as_array().expect("curve").iter().map(|v| v.as_f64().expect("number")).collect();
        agree("F_s", column(&results, "fsqt_element_H", &format!("F_s at q = {q}/angstrom")), &expected);
    }
    agree("P(t)", column(&results, "residence_Zn2+_OW", "P(t) t* = 0 ps"), &numbers("residence_0"));
    agree("P(t)", column(&results, "residence_Zn2+_OW", "P(t) t* = 0.2 ps"), &numbers("residence_tolerated"));
    assert_ne!(numbers("residence_0"), numbers("residence_tolerated"), "absences occur");
}

#[test]
fn profiles_and_orientation_agree_with_mdanalysis() {
    // The width is adjusted to 20 bins in the cell of 1.86 nm.
    let spec = DensityProfileSpec { bin_width: 0.0933, every: 0.1, ..Default::default() };
    let orientation = OrientationSpec { molecules: "water".into(), every: 0.1, ..Default::default() };
    let results = analyse(&[AnalysisSpec::DensityProfile(spec), AnalysisSpec::Orientation(orientation)]);
    agree("mass", column(&results, "density_profile", "mass density"), &numbers("mass_density_z"));
    agree("charge", column(&results, "density_profile", "charge density"), &numbers("charge_density_z"));
    agree_one("cos", value(&results, "dipole_cosine(water,z)"), number("dipole_cosine_z"));
    agree_one("P2", value(&results, "dipole_p2(water,z)"), number("dipole_p2_z"));
    agree_one("dipole", value(&results, "dipole_moment(water,z)"), number("dipole_debye"));
}

#[test]
fn octahedrality_agrees_with_freud() {
    let spec = OctahedralitySpec { center: "Zn2+".into(), ligand: "OW or Cl-".into(), r_search: 0.5, every: 0.1 };
    let results = analyse(&[AnalysisSpec::Octahedrality(spec)]);
    agree_one("Q4", value(&results, "steinhardt_q4(Zn2+,OW or Cl-)"), number("q4"));
    agree_one("Q6", value(&results, "steinhardt_q6(Zn2+,OW or Cl-)"), number("q6"));
    agree_one("σ²", value(&results, "bond_angle_variance(Zn2+,OW or Cl-)"), number("angle_variance"));
}

#[test]
fn the_structure_factor_agrees_with_numpy() {
    let spec = PairDistributionSpec {
        r_max: Some(0.8),
        bin_width: 0.004,
        q_max: 200.0,
        q_step: 5.0,
        every: 0.1,
        ..Default::default()
    };
    let results = analyse(&[AnalysisSpec::PairDistribution(spec)]);
    agree("S(Q)", column(&results, "pair_distribution_sq", "S(Q)"), &numbers("structure_factor"));
}
