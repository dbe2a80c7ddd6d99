//! Liquids and faces along z on hand-made configurations with exact answers: one slab, two and three, a film, whole or cut by the boundary of the cell.
//!
//! Atoms stand at the middles of bins, so that a frame that is moved by whole bins and wrapped must have the same values.

use crate::support::electrolyte::{column, species, water};
use glam::DVec3;
use hexaqua::analysis::{AnalysisResult, AnalysisSet, Quantity};
use hexaqua::cell::Cell;
use hexaqua::system::analyses::{AnalysisSpec, DensityProfileSpec};
use hexaqua::system::external::{Condition, Electrode, Electrodes};
use hexaqua::system::{Charges, External, Frame, Topology};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;

const DZ: f64 = 0.02;
const AREA: f64 = 6.0;
/// Atoms of a slab: three in each of two planes, 0.34 nm apart.
const IN_PLANE: usize = 3;
const THICKNESS: f64 = 0.34;
/// u
const WATER: f64 = 18.015;

/// Slabs, each a species of its own, and waters, with charges for every atom.
struct Interface {
    height: f64,
    topology: Topology,
    positions: Vec<DVec3>,
    external: External,
    charges: Vec<f64>,
}

/// Height of the middle of a bin, from hundredths of a nanometre.
fn bin(hundredths: usize) -> f64 {
    (hundredths / 2) as f64 * DZ + 0.5 * DZ
}

/// * `slabs` – name and height of the lower plane, nm/100
/// * `waters` – nm/100
fn interface(height: f64, slabs: &[(&str, usize)], waters: &[usize]) -> Interface {
    let carbon: Vec<(String, &str, f64, f64)> =
        (0..2 * IN_PLANE).map(|k| (format!("C{k}"), "C", 12.011, 0.0)).collect();
    let atoms: Vec<(&str, &str, f64, f64)> = carbon.iter().map(|(n, e, m, q)| (n.as_str(), *e, *m, *q)).collect();
    let mut kinds: Vec<_> = slabs.iter().map(|(name, _)| species(name, &atoms, &[])).collect();
    kinds.push(species(
        "SPC/E",
        &[("OW", "O", 15.999, -0.8476), ("HW1", "H", 1.008, 0.4238), ("HW2", "H", 1.008, 0.4238)],
        &[(0, 1), (0, 2)],
    ));
    let n = slabs.len();
    let sequence: Vec<u32> = (0..n + waters.len()).map(|m| m.min(n) as u32).collect();
    let mut topology = Topology::new(vec!["X".to_string()], kinds, &sequence);
    topology.frozen[..2 * IN_PLANE * n].fill(true);
    let mut positions = Vec::new();
    for (_, low) in slabs {
        for plane in [bin(*low), bin(*low) + THICKNESS] {
            positions.extend((0..IN_PLANE).map(|k| DVec3::new(0.6 * k as f64, 0.5, plane)));
        }
    }
    // hydrogens in the plane of their oxygen: no dipole along z
    positions.extend(waters.iter().flat_map(|z| water(DVec3::new(1.0, 1.0, bin(*z)), DVec3::X, DVec3::Y)));
    let charges = topology.charges.clone();
    Interface { height, topology, positions, external: External::default(), charges }
}

impl Interface {
    /// Values and tables of a frame moved up by whole bins and wrapped, six times.
    fn told(&self, analysis: &AnalysisSpec, bins: usize) -> Vec<AnalysisResult> {
        let cell = Cell::orthorhombic(2.0, 3.0, self.height).expect("valid");
        let moved = |r: &DVec3| DVec3::new(r.x, r.y, (r.z + bins as f64 * DZ).rem_euclid(self.height));
        let positions: Vec<DVec3> = self.positions.iter().map(moved).collect();
        let mut set = AnalysisSet::with_external(std::slice::from_ref(analysis), &self.topology, &self.external, &cell)
            .expect("valid");
        for k in 0..6 {
            let charges = Charges::Current(&self.charges);
            set.sample(&Frame { charges, ..Frame::new(k, k as f64, &cell, &positions) }).expect("good frame");
        }
        set.finish()
    }

    /// Values of the profile, the same wherever the cell is cut.
    fn profile(&self) -> Profile {
        let spec = DensityProfileSpec { bin_width: DZ, every: 1.0, ..Default::default() };
        let spec = AnalysisSpec::DensityProfile(spec);
        let n = (self.height / DZ).round() as usize;
        let results = self.told(&spec, 0);
        for bins in (1..n).step_by(29) {
            let moved = &self.told(&spec, bins)[0].values;
            let ids = |values: &[Quantity]| values.iter().map(|q| q.id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(moved), ids(&results[0].values), "moved by {bins} bins");
            for (a, b) in results[0].values.iter().zip(moved) {
                let allowed = 1e-9 * a.value.abs().max(1.0);
                assert!((a.value - b.value).abs() < allowed, "{}: {} and {} by {bins} bins", a.id, a.value, b.value);
            }
        }
        Profile(results)
    }

    fn electrodes(mut self, conditions: &[Condition]) -> Self {
        let electrode = |(k, condition): (usize, &Condition)| Electrode {
            name: self.topology.species[k].name.clone(),
            atoms: (0..2 * IN_PLANE).map(|i| (2 * IN_PLANE * k + i) as u32).collect(),
            condition: *condition,
            gaussian_width: 0.05,
            thomas_fermi: 0.0,
        };
        let electrodes = conditions.iter().enumerate().map(electrode).collect();
        self.external.electrodes = Some(Electrodes { electrodes, balance: 0.0 });
        self
    }
}

struct Profile(Vec<AnalysisResult>);

impl Profile {
    fn ids(&self, kind: &str) -> Vec<&str> {
        self.0[0].values.iter().map(|q| q.id.as_str()).filter(|id| id.starts_with(kind)).collect()
    }

    fn close(&self, id: &str, wanted: f64, within: f64) {
        let found = self.0[0].values.iter().find(|q| q.id == id);
        let found = found.unwrap_or_else(|| panic!("{id} is not among {:?}", self.ids(""))).value;
        assert!((found - wanted).abs() < within, "{id}: {found}, not {wanted}");
    }

    fn notes(&self) -> String {
        self.0[0].notes.join("\n")
    }
}

/// One molecule in every bin, nm⁻³.
const DENSITY: f64 = 1.0 / (DZ * AREA);
/// Their mass, g/cm³.
const MASS: f64 = DENSITY * WATER * 1.660_539e-3;

/// One molecule in every bin from `first` to before `end`, nm/100.
fn evenly(first: usize, end: usize) -> Vec<usize> {
    (first..end).step_by(2).collect()
}

/// Molecules in layers 0.3 nm from a plane, and one in every bin from 0.6 nm on.
///
/// * `plane` – nm/100
fn layered(plane: usize, up: bool, in_layer: usize, beyond: usize) -> Vec<usize> {
    let at = |distance: usize| if up { plane + distance } else { plane - distance };
    // 1 2 3 2 1 in bins of 0.02 nm, 1/9 of the layer each
    let profile = [(26, 1), (28, 2), (30, 3), (32, 2), (34, 1)];
    let mut all: Vec<usize> =
        profile.iter().flat_map(|&(d, share)| std::iter::repeat_n(at(d), share * in_layer / 9)).collect();
    all.extend((60..beyond).step_by(2).map(at));
    all
}

/// Water on one slab: one face, and what is near it is not halved by the back of the slab, whichever way the cell is cut.
#[test]
fn one_slab_has_one_face() {
    // the upper plane at 2.34 nm; 36 molecules in its first layer
    let waters = layered(234, true, 36, 260);
    let n_near = waters.iter().filter(|z| **z <= 234 + 60).count();
    for external in [External::default(), External { slab_correction: true, ..External::default() }] {
        let profile = Interface { external, ..interface(10.0, &[("lower", 200)], &waters) }.profile();
        profile.close("face_areal_density(SPC/E)", n_near as f64 / AREA, 1e-9);
        profile.close("layer_position(SPC/E)", 0.3, 0.005);
        profile.close("layer_areal_density(SPC/E)", 36.0 / AREA, 1e-9);
        profile.close("middle_density(SPC/E)", DENSITY, 1e-9);
        profile.close("middle_mass_density(all)", MASS, 1e-4);
        assert_eq!(profile.ids("face_areal_density"), ["face_areal_density(SPC/E)"]);
        assert!(profile.ids("potential_middle").len() == 1);
    }
    // the control: below the slab is its own back, and with water on it too there are two faces
    let mut both = waters.clone();
    both.extend(layered(200, false, 18, 160));
    let near = n_near + both.iter().filter(|z| **z < 200 && **z >= 200 - 60).count();
    let profile = interface(10.0, &[("lower", 200)], &both).profile();
    profile.close("face_areal_density(SPC/E)", near as f64 / 2.0 / AREA, 1e-9);
}

/// A slab in a cell that is full of water has two faces of one liquid, which the boundary of the cell does not part.
#[test]
fn a_slab_in_a_periodic_cell_stands_anywhere() {
    let mut waters = layered(234, true, 36, 220);
    waters.extend(layered(200, false, 36, 170));
    waters.extend(evenly(454, 600));
    waters.extend(evenly(0, 32));
    let profile = interface(6.0, &[("sheet", 200)], &waters).profile();
    let near = waters.iter().filter(|z| (140..200).contains(*z) || (235..=294).contains(*z)).count();
    profile.close("face_areal_density(SPC/E)", near as f64 / 2.0 / AREA, 1e-9);
    profile.close("layer_position(SPC/E)", 0.3, 0.005);
    profile.close("middle_density(SPC/E)", DENSITY, 1e-9);
    assert!(!profile.notes().contains("differ"), "{}", profile.notes());
}

/// Two liquids: each has a middle of its own, and the potential there is not that of the slab between them.
#[test]
fn three_slabs_hold_two_liquids() {
    const SLABS: [(&str, usize); 3] = [("lower", 200), ("middle", 534), ("upper", 868)];
    // 3 nm each, from 0.3 nm off the planes: the upper one is twice as dense
    let mut waters = evenly(264, 506);
    (0..2).for_each(|_| waters.extend(evenly(598, 840)));
    let near =
        |planes: [usize; 2]| waters.iter().filter(|z| planes.iter().any(|p| **z != *p && z.abs_diff(*p) <= 60)).count();
    let held = |conditions: [Condition; 3]| {
        let mut interface = interface(20.0, &SLABS, &waters).electrodes(&conditions);
        interface.external.slab_correction = true;
        interface
    };
    let alike = held([Condition::Potential(0.0); 3]).profile();
    alike.close("middle_density(SPC/E,lower to middle)", DENSITY, 1e-9);
    alike.close("middle_density(SPC/E,middle to upper)", 2.0 * DENSITY, 1e-9);
    alike.close("middle_mass_density(all,middle to upper)", 2.0 * MASS, 1e-4);
    // four faces of one kind: their mean, and a note that they are not alike
    alike.close("face_areal_density(SPC/E)", (near([234, 534]) + near([568, 868])) as f64 / 4.0 / AREA, 1e-9);
    assert!(alike.notes().contains("Faces that should be alike differ"), "{}", alike.notes());

    let mut three = held([Condition::Potential(0.0), Condition::Charge(0.0), Condition::Potential(2.0 * VOLT)]);
    let charge = 0.6;
    three.charges[..6].fill(charge / 6.0);
    three.charges[12..18].fill(-charge / 6.0);
    let profile = three.profile();
    let faces = ["above lower", "below middle", "above middle", "below upper"];
    assert_eq!(profile.ids("face_areal"), faces.map(|f| format!("face_areal_density(SPC/E,{f})")));
    for (face, plane) in faces.iter().zip([234_usize, 534, 568, 868]) {
        let own = |z: &&usize| z.abs_diff(plane) <= 60 && (face.starts_with("above") == (**z > plane));
        let wanted = waters.iter().filter(own).count() as f64 / AREA;
        profile.close(&format!("face_areal_density(SPC/E,{face})"), wanted, 1e-9);
    }
    assert!(profile.notes().contains("electrodes are not held alike"), "{}", profile.notes());
    // φ falls by 4π k_e σ per nanometre from the lower slab to the upper, half of it within each of these; the middle slab has no charge
    let slope = 4.0 * PI * COULOMB / VOLT * charge / AREA;
    let plane_mean = |low: usize| bin(low) + 0.5 * THICKNESS;
    let [lower, upper] = [200, 868].map(plane_mean);
    profile.close("potential_drop(z)", -slope * (upper - lower), 1e-6);
    for (id, z) in [("lower to middle", 3.84), ("middle to upper", 7.18)] {
        profile.close(&format!("potential_middle(slab,{id})"), -slope * (z - lower), 0.1 * slope);
    }
    assert_eq!(profile.ids("potential_middle").len(), 2);
}

/// At electrodes that are not held alike first layers differ, and no mean hides it; at those that are, and by default, the mean is told.
#[test]
fn faces_of_electrodes_are_averaged_only_where_they_are_held_alike() {
    // 2.34 to 6.34 nm: 18 molecules in the layer below, 45 in that above
    let mut waters = layered(234, true, 18, 200);
    waters.extend(layered(634, false, 45, 202));
    let two = || interface(16.0, &[("lower", 200), ("upper", 634)], &waters);
    let volts = |v: f64| Condition::Potential(v * VOLT);
    let apart = two().electrodes(&[volts(0.0), volts(2.0)]).profile();
    apart.close("layer_areal_density(SPC/E,above lower)", 18.0 / AREA, 1e-9);
    apart.close("layer_areal_density(SPC/E,below upper)", 45.0 / AREA, 1e-9);
    apart.close("layer_position(SPC/E,below upper)", 0.3, 0.005);
    assert!(!apart.ids("").iter().any(|id| id.starts_with("layer") && !id.contains(',')));
    // one liquid: what is in its middle keeps its name
    apart.close("middle_density(SPC/E)", DENSITY, 1e-9);
    assert_eq!(apart.ids("potential_middle"), ["potential_middle(periodic)"]);
    for alike in [two(), two().electrodes(&[volts(1.0); 2])] {
        let profile = alike.profile();
        profile.close("layer_areal_density(SPC/E)", 31.5 / AREA, 1e-9);
        profile.close("layer_position(SPC/E)", 0.3, 0.005);
        assert!(profile.notes().contains("Faces that should be alike differ"), "{}", profile.notes());
    }
    let in_field = Interface { external: External { field_z: 0.1, ..External::default() }, ..two() }.profile();
    assert_eq!(in_field.ids("layer_position").len(), 2, "a field tells them apart");
}

/// A film in a vacuum that the input says nothing of: its density is not that of the cell.
#[test]
fn a_film_has_the_density_of_its_liquid() {
    let film = interface(9.0, &[], &evenly(300, 600)).profile();
    film.close("middle_mass_density(all)", MASS, 1e-4);
    film.close("middle_density(SPC/E)", DENSITY, 1e-9);
    assert!(film.ids("mass_density").is_empty() && film.ids("mean_density").is_empty() && film.ids("face").is_empty());
    assert!(film.notes().contains("not means over the cell"), "{}", film.notes());
    // the control: in a cell that it fills a liquid has a mean
    let liquid = interface(3.0, &[], &evenly(0, 300)).profile();
    liquid.close("mass_density(all)", MASS, 1e-4);
    assert!(liquid.ids("middle_density").is_empty());
}

/// Coordination numbers by layer: every side of every electrode has its own where they are not held alike, and so has the inside of a slab.
#[test]
fn layers_at_three_electrodes_are_told_apart() {
    // 1, 2, 3 and 4 waters beside the four faces, as centres; ligands are their hydrogens and those of the others there
    let faces = [264, 504, 598, 838];
    let mut waters: Vec<usize> = faces.iter().enumerate().flat_map(|(k, z)| std::iter::repeat_n(*z, k + 1)).collect();
    // one more between the planes of the middle slab
    waters.push(550);
    let held = |conditions: [Condition; 3]| {
        let mut three = interface(20.0, &[("lower", 200), ("middle", 534), ("upper", 868)], &waters);
        // the frozen atoms of the slabs have the first places
        let first = 18;
        for (k, z) in waters.iter().enumerate() {
            let at = water(DVec3::new(1.0, 1.0, bin(*z)), DVec3::X, DVec3::Y);
            three.positions[first + 3 * k..first + 3 * k + 3].copy_from_slice(&at);
        }
        three.electrodes(&conditions)
    };
    let spec = AnalysisSpec::Coordination {
        center: "OW".into(),
        ligands: vec!["HW1".into()],
        r_min: Some(0.15),
        layer: Some(0.4),
        every: 1.0,
    };
    let volts = |v: f64| Condition::Potential(v * VOLT);
    for bins in [0, 117, 501] {
        let results = held([volts(0.0), volts(5.0), volts(0.0)]).told(&spec, bins);
        let told: Vec<(&str, f64)> = results[0]
            .tables
            .iter()
            .filter_map(|t| {
                Some((t.name.strip_prefix("coordination_OW_layers")?, column(&results, &t.name, "CN HW1")[0]))
            })
            .collect();
        let wanted = [
            ("_above_lower", 1.0),
            ("_above_middle", 3.0),
            ("_below_middle", 2.0),
            ("_inside_middle", 1.0),
            ("_below_upper", 4.0),
        ];
        assert_eq!(told, wanted, "by {bins} bins");
        let alike = held([volts(5.0); 3]).told(&spec, bins);
        // 1 + 4 + 9 + 16 + 1 hydrogens of 11 centres
        assert!((column(&alike, "coordination_OW_layers", "CN HW1")[0] - 31.0 / 11.0).abs() < 1e-12);
    }
}
