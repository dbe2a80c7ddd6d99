//! Observables that tell z from x and y, and those of contact pairs, on a stored film of 3.7 mol/kg ZnCl2 between two vacuums (31 frames)
//! against MDAnalysis, solvation-analysis and GROMACS, whose numbers are in `validation/analysis/film_fixture.json` with the script that made them.
//! Each comparison has a control: the same observable with another setting, which must be told apart.

use crate::support::electrolyte::{column, topology, value};
use crate::support::fixture::{Fixture, agree, agree_one, differ};
use hexaqua::analysis::AnalysisResult;
use hexaqua::system::analyses::{
    AnalysisSpec, DensityProfileSpec, HydrogenBondsSpec, IonPairsSpec, MsdSpec, OrientationSpec, ResidenceSpec,
};
use hexaqua::units::{COULOMB, VOLT};
use std::sync::LazyLock;

/// Height of the cell, nm.
const HEIGHT: f64 = 4.27189;

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let text = include_str!("../../validation/analysis/film_fixture.json");
    Fixture::new(text, "film.xtc", topology(10, 20, 0, 150))
});

fn analyse(spec: AnalysisSpec) -> Vec<AnalysisResult> {
    FIXTURE.analyse(&[spec])
}

fn numbers(key: &str) -> Vec<f64> {
    FIXTURE.numbers(key)
}

#[test]
fn every_number_says_who_found_it() {
    FIXTURE.check_origins();
}

#[test]
fn radial_distributions_of_contact_pairs_agree_with_mdanalysis() {
    let rdf = |a: &str, b: &str| {
        let pairs = vec![(a.to_string(), b.to_string())];
        let (r_max, bin_width) = (Some(0.9), 0.02);
        analyse(AnalysisSpec::Rdf { pairs, r_max, bin_width, molecules: false, intramolecular: true, every: 0.1 })
    };
    let results = rdf("Zn2+", "Cl-");
    agree("g(r)", column(&results, "rdf_Zn2+_Cl-", "g(r)"), &numbers("rdf_zn_cl"));
    agree("n(r)", column(&results, "rdf_Zn2+_Cl-", "n(r + half a bin)"), &numbers("running_zn_cl"));
    let from_chloride = rdf("Cl-", "Zn2+");
    agree("g(r)", column(&from_chloride, "rdf_Cl-_Zn2+", "g(r)"), &numbers("rdf_zn_cl"));
    differ("around Cl-", column(&from_chloride, "rdf_Cl-_Zn2+", "n(r + half a bin)"), &numbers("running_zn_cl"));
    // A group that is chosen anew in every frame.
    let with_surface =
        |below: &str| rdf("Zn2+", &format!("OW and z < {below} nm"))[0].tables[0].columns[1].values.clone();
    agree("surface", &with_surface("1.4"), &numbers("rdf_zn_low"));
    differ("more surface", &with_surface("1.45"), &numbers("rdf_zn_low"));
}

fn profile(n_bins: f64, origin: &str, map_width: Option<f64>) -> Vec<AnalysisResult> {
    let groups = ["Zn2+", "Cl-", "OW"].map(String::from).to_vec();
    let (bin_width, origin) = (HEIGHT / n_bins, origin.to_string());
    analyse(AnalysisSpec::DensityProfile(DensityProfileSpec { groups, bin_width, origin, map_width, every: 0.1 }))
}

#[test]
fn densities_and_charge_agree_with_mdanalysis() {
    let results = profile(60.0, "", None);
    let of = |name: &str| column(&results, "density_profile", name);
    for (name, key) in [("Zn2+", "zn"), ("Cl-", "cl"), ("OW", "ow")] {
        agree(name, of(name), &numbers(&format!("number_density_{key}")));
    }
    agree("mass", of("mass density"), &numbers("mass_density"));
    agree("charge", of("charge density"), &numbers("charge_density"));
    // From the mean height of the water, which is not where a circle of heights has its mean direction.
    let from_water = profile(60.0, "OW", None);
    let charge = column(&from_water, "density_profile", "charge density");
    agree("charge from water", charge, &numbers("charge_density_from_water"));
    differ("origin", of("charge density"), &numbers("charge_density_from_water"));
}

#[test]
fn the_potential_agrees_with_poisson_and_gromacs() {
    const OPEN: &str = "potential, no field at z = 0";
    let results = profile(60.0, "", None);
    agree("open", column(&results, "density_profile", OPEN), &numbers("potential_open"));
    let periodic = column(&results, "density_profile", "potential, periodic");
    agree("periodic", periodic, &numbers("potential_periodic"));
    differ("boundary", periodic, &numbers("potential_open"));
    // GROMACS puts every charge at the centre of its slice and integrates by trapezoids. So done, our charge density gives the same number.
    let fine = profile(2100.0, "", None);
    let (dz, k) = (HEIGHT / 2100.0, 4.0 * std::f64::consts::PI * COULOMB / VOLT);
    let (phi, charge) = (column(&fine, "density_profile", OPEN), column(&fine, "density_profile", "charge density"));
    let (mut field, mut sum, mut by_trapezoids) = (0.0, 0.0, vec![0.0]);
    for pair in charge.windows(2) {
        let next = field + k * 0.5 * (pair[0] + pair[1]) * dz;
        sum -= 0.5 * (field + next) * dz;
        field = next;
        by_trapezoids.push(sum);
    }
    let every_35th = |values: &[f64]| values.iter().copied().step_by(35).collect::<Vec<f64>>();
    agree("GROMACS", &every_35th(&by_trapezoids), &numbers("gromacs_potential"));
    differ("where charges are", &every_35th(phi), &numbers("gromacs_potential"));
    // Charges at random in their slices, 31 frames: the two differ by this much, rms, or less.
    let squares = 10.0 * 4.0 + 20.0 + 150.0 * (0.8476_f64.powi(2) + 2.0 * 0.4238_f64.powi(2));
    let binned = k * (squares / 12.0 / 31.0).sqrt() * dz / 1.83_f64.powi(2);
    let apart: f64 = phi.iter().zip(&by_trapezoids).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 2100.0;
    assert!(apart.sqrt() < 3.0 * binned, "{} V against {binned} V", apart.sqrt());
}

#[test]
fn maps_agree_with_mdanalysis() {
    let map = |width: f64| profile(60.0, "", Some(width));
    let (right, other) = (map(HEIGHT / 21.0), profile(60.0, "index 1", Some(HEIGHT / 21.0)));
    let of = |results: &[AnalysisResult]| column(results, "density_profile_map_OW", "number density").to_vec();
    agree("map", &of(&right), &numbers("map_ow"));
    differ("origin", &of(&other), &numbers("map_ow"));
}

fn coordination(r_min: f64, layer: Option<f64>) -> Vec<AnalysisResult> {
    let ligands = vec!["OW".into(), "Cl-".into()];
    analyse(AnalysisSpec::Coordination { center: "Zn2+".into(), ligands, r_min: Some(r_min), layer, every: 0.1 })
}

#[test]
fn coordination_by_layer_agrees_with_mdanalysis() {
    let layers = |r_min| coordination(r_min, Some(HEIGHT / 14.0));
    let (right, other) = (layers(0.45), layers(0.44));
    let of = |results: &[AnalysisResult], name: &str| column(results, "coordination_Zn2+_layers", name).to_vec();
    agree("z", &of(&right, "z"), &numbers("layers_z"));
    for (name, key) in [("CN OW", "layers_cn_o"), ("CN Cl-", "layers_cn_cl")] {
        agree(name, &of(&right, name), &numbers(key));
        differ(name, &of(&other, name), &numbers(key));
    }
}

#[test]
fn contact_pairs_and_clusters_agree_with_solvation_analysis() {
    let pairs = |r_contact: f64| {
        analyse(AnalysisSpec::IonPairs(IonPairsSpec {
            cation: "Zn2+".into(),
            anion: "Cl-".into(),
            r_contact,
            r_ssip: 0.6,
            r_2sip: 0.8,
            every: 0.1,
            ..Default::default()
        }))
    };
    let fractions = |results: &[AnalysisResult]| {
        ["free", "2SIP", "SSIP", "CIP", "aggregate"]
            .map(|state| value(results, &format!("ion_pair_fraction(Zn2+,Cl-,{state})")))
    };
    let clusters =
        |results: &[AnalysisResult]| column(results, "ion_pairs_Zn2+_Cl-_clusters", "fraction of ions").to_vec();
    let (near, wide, other) = (pairs(0.3), pairs(0.44), pairs(0.42));
    agree("states", &fractions(&near), &numbers("states"));
    agree_one("contact pairs", fractions(&near)[3], FIXTURE.number("contact_pairs"));
    for (id, share) in FIXTURE.shells() {
        agree_one(&id, value(&near, &id), share);
    }
    let numbers_of_shell = coordination(0.3, None);
    let cn = ["OW", "Cl-"].map(|l| value(&numbers_of_shell, &format!("coordination_number(Zn2+,{l})")));
    agree("CN", &cn, &numbers("cn"));
    agree("wide states", &fractions(&wide), &numbers("states_wide"));
    agree("clusters", &clusters(&wide), &numbers("clusters"));
    differ("wide states", &fractions(&other), &numbers("states_wide"));
    let mut fewer = clusters(&other);
    fewer.resize(numbers("clusters").len(), 0.0);
    differ("clusters", &fewer, &numbers("clusters"));
}

#[test]
fn angles_of_a_mixed_shell_agree_with_mdanalysis() {
    let angles = |ligand: &str| {
        let (center, ligand) = ("Zn2+".to_string(), ligand.to_string());
        analyse(AnalysisSpec::Angles { center, ligand, r_min: Some(0.3), bin_width: 2.0, every: 0.1 })
    };
    let results = angles("OW or Cl-");
    let p = |results: &[AnalysisResult]| results[0].tables[0].columns[1].values.clone();
    agree("P(angle)", &p(&results), &numbers("angles"));
    agree_one("trans", value(&results, "angle_trans_fraction(Zn2+,OW or Cl-)"), FIXTURE.number("angles_trans"));
    differ("water only", &p(&angles("OW")), &numbers("angles"));
}

#[test]
fn hydrogen_bonds_by_height_agree_with_mdanalysis() {
    let spec = |lower: &str| {
        analyse(AnalysisSpec::HydrogenBonds(HydrogenBondsSpec {
            at_donor: false,
            angle: 150.0,
            regions: vec![("lower".into(), lower.into()), ("upper".into(), "OW and z > 2.6 nm".into())],
            max_lag: 0.0,
            every: 0.1,
            ..Default::default()
        }))
    };
    let (right, other) = (spec("OW and z < 1.4 nm"), spec("OW and z < 1.45 nm"));
    let of = |results: &[AnalysisResult], region: &str| -> Vec<f64> {
        let bonds = ["donated", "accepted"].map(|what| format!("hydrogen_bonds_{what}({region})"));
        let classes = ["DDAA", "DDA", "DAA", "DA", "other"].map(|class| format!("water_class({region},{class})"));
        bonds.iter().chain(&classes).map(|id| value(results, id)).collect()
    };
    for region in ["lower", "upper", "bulk"] {
        agree(region, &of(&right, region), &numbers(&format!("water_{region}")));
    }
    for region in ["lower", "bulk"] {
        differ(region, &of(&other, region), &numbers(&format!("water_{region}")));
    }
}

#[test]
fn dipoles_by_layer_agree_with_mdanalysis() {
    let spec = |molecules: &str, relative_to: &str| {
        let (molecules, relative_to) = (molecules.to_string(), relative_to.to_string());
        let bin_width = HEIGHT / 21.0;
        analyse(AnalysisSpec::Orientation(OrientationSpec { molecules, relative_to, bin_width, every: 0.1 }))
    };
    let results = spec("water", "z");
    let of = |name: &str| column(&results, "orientation_water_z_layers", name);
    agree("z", of("z / cell height"), &numbers("dipole_layers_z"));
    agree("molecules", of("molecules"), &numbers("dipole_layers_n"));
    agree("cos", of("mean cos theta"), &numbers("dipole_layers_cosine"));
    agree("P2", of("mean P2"), &numbers("dipole_layers_p2"));
    differ("P2 for cos", of("mean P2"), &numbers("dipole_layers_cosine"));
    let towards = |within: &str| {
        let shell = format!("same molecule as (OW and within {within} nm of Zn2+)");
        value(&spec(&shell, "Zn2+"), &format!("dipole_cosine({shell},Zn2+)"))
    };
    agree_one("shell", towards("0.28"), FIXTURE.number("dipole_of_shell"));
    differ("second shell", &[towards("0.4")], &[FIXTURE.number("dipole_of_shell")]);
}

#[test]
fn displacements_along_and_across_agree_with_mdanalysis() {
    let results = analyse(AnalysisSpec::Msd(MsdSpec {
        groups: vec!["OW".into()],
        molecules: false,
        max_lag: 1.0,
        origin_every: 0.1,
        every: 0.1,
        ..Default::default()
    }));
    for (name, key) in [("MSD", "msd_ow_xyz"), ("MSD xy", "msd_ow_xy"), ("MSD z", "msd_ow_z")] {
        agree(name, column(&results, "msd_OW", name), &numbers(key)[1..]);
    }
    let of = ["diffusion", "diffusion_lateral", "diffusion_z"].map(|kind| value(&results, &format!("{kind}(OW)")));
    agree("D", &of, &numbers("diffusion_ow"));
    differ("D xy as D z", &[of[1]], &numbers("diffusion_ow")[2..]);
}

#[test]
fn residence_behind_the_first_shell_agrees_with_mdanalysis() {
    let spec = |r_min: f64| {
        analyse(AnalysisSpec::Residence(ResidenceSpec {
            center: "Zn2+".into(),
            ligand: "Cl-".into(),
            r_min,
            t_star: vec![0.0],
            max_lag: 1.0,
            origin_every: 0.1,
            every: 0.1,
            ..Default::default()
        }))
    };
    let p = |results: &[AnalysisResult]| column(results, "residence_Zn2+_Cl-", "P(t) t* = 0 ps").to_vec();
    agree("P(t)", &p(&spec(0.5)), &numbers("residence_cl"));
    differ("another radius", &p(&spec(0.49)), &numbers("residence_cl"));
}
