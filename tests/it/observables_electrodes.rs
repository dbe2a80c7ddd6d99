//! The potential along z between electrodes whose charges come with every frame.

use crate::support::electrolyte::{column, has, topology, value};
use glam::DVec3;
use hexaqua::analysis::AnalysisSet;
use hexaqua::cell::Cell;
use hexaqua::system::analyses::{AnalysisSpec, DensityProfileSpec};
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Charges, External, Frame};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;

/// Two planes whose charges, brought by every frame, are those of a plate capacitor at a held potential: the profile shows that potential, wherever
/// the planes stand in their bins.
#[test]
fn charges_of_electrodes_come_with_the_frame() {
    let (edge, gap, height) = (2.0, 3.0046, 9.0);
    let cell = Cell::new(DVec3::X * edge, DVec3::Y * edge, DVec3::Z * height).expect("valid");
    // 24 atoms a plate, and an ion with its counterions in one plane, which make no field along z.
    let mut topology = topology(1, 2, 16, 0);
    topology.frozen[3..].fill(true);
    let (lower, upper) = (3.0017, 3.0017 + gap);
    let plate = |z: f64| (0..24).map(move |k| DVec3::new(0.5 * f64::from(k % 4), 0.3 * f64::from(k / 4), z));
    let mut positions = vec![DVec3::new(0.5, 0.5, 4.5), DVec3::new(1.0, 0.5, 4.5), DVec3::new(1.5, 0.5, 4.5)];
    positions.extend(plate(lower));
    positions.extend(plate(upper));
    assert_eq!(positions.len(), topology.n_atoms());
    let volts = 1.5;
    // Q = ε₀ A V/d
    let charge = 8.854_187_812_8e-12 * edge * edge * 1e-9 / gap * volts / 1.602_176_634e-19;
    let spec = AnalysisSpec::DensityProfile(DensityProfileSpec { bin_width: 0.01, every: 1.0, ..Default::default() });
    let slab = External { slab_correction: true, ..External::default() };
    // −0.2 V/nm: against the voltage of the plates.
    let with_field = External { field_z: -0.2 * VOLT, ..slab.clone() };
    let profile_in = |external: &External, charges_of: &dyn Fn(usize) -> Option<Vec<f64>>| {
        let mut set =
            AnalysisSet::with_external(std::slice::from_ref(&spec), &topology, external, &cell).expect("valid");
        for k in 0..12 {
            let charges = charges_of(k);
            let charges = charges.as_deref().map_or(Charges::Unknown, Charges::Current);
            set.sample(&Frame { charges, ..Frame::new(k as u64, k as f64, &cell, &positions) }).expect("good frame");
        }
        set.finish()
    };
    let charged = |scale: f64| {
        let mut charges = vec![2.0, -1.0, -1.0];
        charges.extend(std::iter::repeat_n(scale * charge / 24.0, 24));
        charges.extend(std::iter::repeat_n(-scale * charge / 24.0, 24));
        Some(charges)
    };
    // The charge varies around its mean, and one frame in four brings none.
    let frames = |k: usize| if k.is_multiple_of(4) { None } else { charged([1.2, 1.0, 0.8][k % 4 - 1]) };
    let results = profile_in(&slab, &frames);
    let drop = value(&results, "potential_drop(z)");
    assert!((drop + volts).abs() < 1e-9 * volts, "{drop} V against −{volts}");
    assert!((value(&results, "potential_middle(slab)") + 0.5 * volts).abs() < 0.01 * volts);
    // What bins that hold every charge whole would give: planes moved to the middles of their bins, here to 3.000 nm of each other.
    let charge_density = column(&results, "density_profile", "charge density");
    let dz = height / charge_density.len() as f64;
    let moment: f64 = charge_density.iter().enumerate().map(|(k, q)| q * dz * (k as f64 + 0.5) * dz).sum();
    let binned = 4.0 * PI * COULOMB / VOLT * moment;
    assert!((binned + volts).abs() > 2e-3, "the control shows nothing: {binned} V");
    // The figure shows the same curve, flat on both sides.
    let figure = results[0].figures.iter().find(|f| f.name == "density_profile_charge").expect("a figure");
    let shown: Vec<f64> = figure.series[1].points.iter().map(|p| p[1]).collect();
    assert!(shown[0] == 0.0 && shown[200] == 0.0 && (shown[899] + volts).abs() < 1e-9 && shown[700] == shown[899]);
    // A field from outside belongs to the potential.
    // What it does in the vacuum is not counted: the plates stand in bins 3 nm apart, whatever the height of the cell.
    let in_field = profile_in(&with_field, &frames);
    let drop = value(&in_field, "potential_drop(z)");
    assert!((drop + volts - 0.2 * 3.0).abs() < 1e-9 && (drop + volts - 0.2 * gap).abs() < 0.2 * dz, "{drop}");
    assert!((drop + volts - 0.2 * height).abs() > 1.0, "the field across the whole cell");
    let middle = value(&in_field, "potential_middle(slab)");
    let step = drop / 3.0;
    assert!((middle / step - 0.5 * gap).abs() < 0.02, "{middle} V at {step} V/nm");
    // Without a slab correction sums are periodic: no drop, and both ends alike.
    let periodic = profile_in(&External::default(), &frames);
    assert!(!has(&periodic, "potential_drop(z)"));
    let unknown = profile_in(&slab, &|_| None);
    assert!(unknown[0].notes.iter().any(|n| n.contains("not in these frames")), "{:?}", unknown[0].notes);
    assert!(!has(&unknown, "potential_drop(z)") && !has(&unknown, "potential_middle(periodic)"));
    assert!(unknown[0].tables[0].columns.iter().all(|c| c.unit != "V" && c.unit != "e/nm3"));
    assert!(value(&unknown, "middle_mass_density(all)") > 0.0);
}

/// Two plates held at a potential by a finite field: the profile climbs by it from the lower plate to the upper one and is flat between their backs,
/// wherever the boundary of the cell cuts them.
#[test]
fn a_finite_field_begins_at_the_lower_electrode() {
    let (edge, gap, height, volts) = (2.0, 3.0, 5.0, 1.5);
    let cell = Cell::new(DVec3::X * edge, DVec3::Y * edge, DVec3::Z * height).expect("valid");
    let mut topology = topology(1, 2, 16, 0);
    topology.frozen[3..].fill(true);
    // Q = ε₀ A V/d: what they take when nothing else is there
    let charge = 8.854_187_812_8e-12 * edge * edge * 1e-9 / gap * volts / 1.602_176_634e-19;
    let mut charges = vec![2.0, -1.0, -1.0];
    charges.extend((0..48).map(|k| if k < 24 { -charge / 24.0 } else { charge / 24.0 }));
    let electrode = |name: &str, first: u32, potential: f64| Electrode {
        name: name.into(),
        atoms: (first..first + 24).collect(),
        condition: Condition::Potential(potential * VOLT),
        gaussian_width: 0.05,
        thomas_fermi: 0.0,
    };
    let profile = |bottom: f64, known: bool| {
        let plate = |z: f64| (0..24).map(move |k| DVec3::new(0.5 * f64::from(k % 4), 0.3 * f64::from(k / 4), z));
        let mut positions = [0.5, 1.0, 1.5].map(|x| DVec3::new(x, 0.5, bottom + 1.0)).to_vec();
        positions.extend(plate(bottom).chain(plate(bottom + gap)));
        let electrodes = vec![electrode("lower", 3, 0.0), electrode("upper", 27, volts)];
        let external = External {
            field_z: -volts * VOLT / height,
            electrodes: known.then_some(Electrodes { electrodes, balance: 0.0 }),
            ..External::default()
        };
        let spec =
            AnalysisSpec::DensityProfile(DensityProfileSpec { bin_width: 0.01, every: 1.0, ..Default::default() });
        let mut set = AnalysisSet::with_external(&[spec], &topology, &external, &cell).expect("valid");
        for k in 0..3 {
            let charges = Charges::Current(&charges);
            set.sample(&Frame { charges, ..Frame::new(k, k as f64, &cell, &positions) }).expect("good frame");
        }
        let results = set.finish();
        let phi = column(&results, "density_profile", "potential, with the field from outside");
        let at = |above: f64| phi[((bottom + above).rem_euclid(height) / height * phi.len() as f64) as usize];
        ([0.1, 1.5, 2.9, 3.2, 4.8].map(|above| at(above) - at(0.1)), value(&results, "potential_middle(periodic)"))
    };
    // whole in the cell or in another image of it, then cut by the boundary; between the backs, where the profile falls by the potential, it is that of
    // the side on which the cell is counted from
    for (bottom, below) in [(1.0, -0.05), (6.0, -0.05), (3.5, 1.45), (-0.5, 1.45)] {
        let (phi, middle) = profile(bottom, true);
        let wanted = [0.0, 0.7, 1.4, 1.45, below];
        assert!(phi.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.01), "bottom at {bottom}: {phi:?}");
        assert!((middle - 0.5).abs() < 0.01, "bottom at {bottom}: {middle} V at the ions");
    }
    // the control: without knowing the electrodes the field begins at the boundary, which cuts the gap
    let (phi, _) = profile(3.5, false);
    assert!((phi[2] - 1.4).abs() > 1.0, "{phi:?}");
}
