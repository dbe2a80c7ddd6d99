//! The packer and the import of structures: properties over seeds, cells and compositions.

use crate::support::templates::{SPCE, chloride, ion, water, zinc, zinc_chloride};
use glam::DVec3;
use hexaqua::build::pack::{ION_SEPARATION, MIN_HEAVY, MIN_HYDROGEN};
use hexaqua::build::{
    BuildError, Extent, ImportError, Quantity, Solution, SolutionRequest, closest_contacts, find_overlap,
    from_structure, solution,
};
use hexaqua::cell::Cell;
use hexaqua::random::{Draws, Stream};
use hexaqua::system::topology::{Species, SpeciesAtom};
use hexaqua::system::{Structure, Topology};

fn request<'a>(species: &'a [Species], quantities: &'a [Quantity], extent: Extent, seed: u64) -> SolutionRequest<'a> {
    SolutionRequest {
        species,
        quantities,
        extent,
        seed,
        net_charge_allowed: false,
        contact_pairs_allowed: false,
        geometries: &[],
    }
}

fn demo_species() -> Vec<Species> {
    vec![zinc(), chloride(), water()]
}

fn counts(zinc: usize, chloride: usize, water: usize) -> [Quantity; 3] {
    [Quantity::Count(zinc), Quantity::Count(chloride), Quantity::Count(water)]
}

/// Distances by brute force over all images that matter: nothing shared with the packer's own search.
fn brute_force_contacts(species: &[Species], built: &Solution) -> (f64, f64) {
    let topology = Topology::new(Vec::new(), species.to_vec(), &built.sequence);
    let (mut heavy, mut hydrogen) = (f64::INFINITY, f64::INFINITY);
    for i in 0..topology.n_atoms() {
        for j in 0..i {
            if topology.molecule_of[i] != topology.molecule_of[j] {
                let d = built.positions[i] - built.positions[j];
                let mut distance = f64::INFINITY;
                let near = built.cell.minimum_image(d);
                for a in -1..=1 {
                    for b in -1..=1 {
                        for c in -1..=1 {
                            let shift = DVec3::new(f64::from(a), f64::from(b), f64::from(c));
                            distance = distance.min((near + built.cell.to_cartesian(shift)).length());
                        }
                    }
                }
                let has_hydrogen = topology.atom(i).element == "H" || topology.atom(j).element == "H";
                let closest = if has_hydrogen { &mut hydrogen } else { &mut heavy };
                *closest = closest.min(distance);
            }
        }
    }
    (heavy, hydrogen)
}

#[test]
fn boxes_keep_their_distances_in_any_cell() {
    let cells = [
        Cell::cubic(2.2).expect("valid"),
        Cell::orthorhombic(1.3, 2.6, 3.2).expect("valid"),
        // truncated octahedron, as GROMACS writes it
        Cell::new(DVec3::X * 2.4, DVec3::new(0.8, 2.26, 0.0), DVec3::new(-0.8, 1.13, 1.96)).expect("valid"),
        // far from reduced: vectors of twice the length describe a plain box
        Cell::new(DVec3::X * 2.2, DVec3::new(2.0, 2.2, 0.0), DVec3::new(-3.1, 4.0, 2.2)).expect("valid"),
    ];
    let species = demo_species();
    for (k, cell) in cells.into_iter().enumerate() {
        for seed in 0..3 {
            let quantities = [Quantity::Count(2), Quantity::Count(4), Quantity::Fill];
            let extent = Extent::CellAndDensity(cell, 1.05);
            let built = solution(&request(&species, &quantities, extent, seed)).expect("fits");
            let (heavy, hydrogen) = brute_force_contacts(&species, &built);
            assert!(heavy >= MIN_HEAVY, "cell {k}, seed {seed}: heavy atoms {heavy:.4} nm apart");
            assert!(hydrogen >= MIN_HYDROGEN, "cell {k}, seed {seed}: hydrogen {hydrogen:.4} nm from an atom");
            assert!((built.report.density - 1.05).abs() < 0.01, "{}", built.report.density);
        }
    }
}

#[test]
fn water_has_the_geometry_of_its_model_and_points_everywhere() {
    let species = [water()];
    let built = solution(&request(&species, &[Quantity::Count(1000)], Extent::Density(0.997), 3)).expect("fits");
    assert!((built.report.density - 0.997).abs() < 1e-9);
    let mut mean_dipole = DVec3::ZERO;
    for r in built.positions.chunks(3) {
        for (a, b, expected) in [(0, 1, SPCE.d_oh), (0, 2, SPCE.d_oh), (1, 2, SPCE.d_hh)] {
            assert!(((r[a] - r[b]).length() - expected).abs() < 1e-12);
        }
        mean_dipole += (r[1] + r[2] - 2.0 * r[0]).normalize();
    }
    // Independent directions: |mean|² is 1/n on average, above 9/n once in a million.
    assert!(mean_dipole.length() / 1000.0 < 3.0 / 1000.0_f64.sqrt(), "{mean_dipole}");
}

#[test]
fn the_seed_decides_everything() {
    let species = demo_species();
    let build = |seed| solution(&request(&species, &counts(1, 2, 200), Extent::Density(1.0), seed)).expect("fits");
    assert_eq!(build(11), build(11));
    assert_ne!(build(11).positions, build(12).positions);
}

#[test]
fn ions_start_without_contact_pairs() {
    let species = demo_species();
    let built = solution(&request(&species, &counts(10, 20, 1500), Extent::Density(1.05), 1)).expect("fits");
    let ions = &built.positions[..30];
    for (i, a) in ions.iter().enumerate() {
        for b in &ions[..i] {
            let d = built.cell.minimum_image(*a - *b).length();
            assert!(d >= ION_SEPARATION, "two ions {d:.3} nm apart");
        }
    }
    // At 8 mol/L there is no room for that; the box is built all the same.
    let crowded = solution(&request(&species, &counts(100, 200, 600), Extent::Density(1.5), 1)).expect("fits");
    assert_eq!(crowded.sequence.len(), 900);
}

#[test]
fn concentrations_become_neutral_counts() {
    let species = demo_species();
    for (molar, density) in [(0.5, 1.0), (1.0, 1.1), (2.0, 1.2), (3.7, 1.4)] {
        let quantities = [Quantity::Concentration(molar), Quantity::Concentration(2.0 * molar), Quantity::Count(777)];
        let built = solution(&request(&species, &quantities, Extent::Density(density), 4)).expect("neutral");
        let report = &built.report;
        assert_eq!(report.rows[1].count, 2 * report.rows[0].count);
        assert!((report.density - density).abs() < 1e-9);
        let c = report.rows[0].molarity.expect("a volume");
        assert!((c - molar).abs() < c / report.rows[0].count as f64, "{c} for {molar}");
        // molality from molarity and density, without counts: c / (ρ − c M)
        let salt = 65.38 + 2.0 * 35.453;
        let rho = 1000.0 * density;
        let expected = c / (rho - c * salt) * 1000.0;
        let molality = report.rows[0].molality.expect("there is water");
        assert!((molality / expected - 1.0).abs() < 1e-6, "{molality} {expected}");
        assert_eq!(report.rows[2].molality, None);
    }
}

#[test]
fn the_report_prints_what_was_built() {
    let species = demo_species();
    let cell = Cell::cubic(2.5).expect("valid");
    let built = solution(&request(&species, &counts(1, 2, 500), Extent::Cell(cell), 1)).expect("fits");
    // 1/(15.625 nm³ · 0.602214) = 0.10628 mol/L; 500 waters weigh 0.014957 kg per mole of boxes
    let expected = "\
species     count   charge/e         mol/L        mol/kg water
Zn2+            1    +2.0000        0.1063              0.1110
Cl-             2    -1.0000        0.2125              0.2220
SPC/E         500    +0.0000       53.1373                   -
box         2.50000 x 2.50000 x 2.50000 nm, 15.6250 nm^3, 1503 atoms
density     0.9718 g/cm3
net charge  +0.0000 e
";
    assert_eq!(built.report.to_string(), expected);
}

#[test]
fn what_cannot_be_built_says_why() {
    let species = demo_species();
    let cell = Cell::cubic(2.0).expect("valid");
    let fail = |quantities: &[Quantity], extent| {
        solution(&request(&species, quantities, extent, 1)).expect_err("cannot be built").to_string()
    };
    let charged = fail(&counts(1, 1, 100), Extent::Density(1.0));
    assert!(charged.contains("+1.0000 e (1 Zn2+ of +2, 1 Cl- of -1)"), "{charged}");
    assert!(charged.contains("net_charge = \"allowed\""), "{charged}");
    let q = counts(1, 1, 100);
    let allowed = SolutionRequest { net_charge_allowed: true, ..request(&species, &q, Extent::Density(1.0), 1) };
    solution(&allowed).expect("allowed");

    let dense = fail(&counts(0, 0, 2000), Extent::Cell(cell));
    assert!(dense.contains("2000 molecules do not fit") && dense.contains("g/cm3"), "{dense}");
    let fill = [Quantity::Count(40), Quantity::Count(80), Quantity::Fill];
    assert!(fail(&fill, Extent::CellAndDensity(cell, 0.5)).contains("before any SPC/E"));
    assert!(fail(&fill, Extent::Cell(cell)).contains("do not determine each other"));
    assert!(fail(&counts(0, 0, 10), Extent::CellAndDensity(cell, 1.0)).contains("do not determine each other"));
    let concentrated = [Quantity::Concentration(9.0), Quantity::Concentration(18.0), Quantity::Count(100)];
    assert!(fail(&concentrated, Extent::Density(1.0)).contains("the solutes alone weigh"));
    assert!(fail(&counts(0, 0, 0), Extent::Density(1.0)).contains("empty"));
    assert!(fail(&counts(0, 0, 5), Extent::Density(-1.0)).contains("-1 g/cm3"));
    let tiny = Cell::orthorhombic(0.4, 3.0, 3.0).expect("valid");
    assert!(fail(&counts(0, 0, 5), Extent::Cell(tiny)).contains("0.400 nm"));
}

/// 20 mmol/L is one molecule in 83 nm³, 2770 waters or so: a smaller box cannot have it, and says what could.
#[test]
fn a_concentration_that_rounds_to_nothing_is_refused() {
    let species = [ion("rod", "ROD", "C", 0.0, 100.0), water()];
    let of = |waters, extent| {
        let quantities = [Quantity::Concentration(0.02), waters];
        solution(&request(&species, &quantities, extent, 1))
    };
    let error = of(Quantity::Count(1000), Extent::Density(1.0)).expect_err("too dilute");
    let BuildError::TooDilute { exact, volume, waters, .. } = error else { panic!("{error}") };
    assert!((volume - 1.0 / (0.02 * 0.602_214_076)).abs() < 1e-6, "{volume}");
    assert!((exact - 1000.0 / waters as f64).abs() < 1e-3, "{exact} {waters}");
    let text = error.to_string();
    assert!(text.starts_with("20 mmol/L of rod in this box are 0.36 molecules") && text.contains("83 nm^3"), "{text}");
    // what it asks for is enough
    assert_eq!(of(Quantity::Count(waters), Extent::Density(1.0)).expect("dilute").report.rows[0].count, 1);
    let cell = Cell::cubic(3.0).expect("valid");
    assert!(matches!(of(Quantity::Fill, Extent::CellAndDensity(cell, 1.0)), Err(BuildError::TooDilute { .. })));
}

/// A rod of five carbons with a hydrogen at one end: neither an ion nor a water.
fn rod() -> (Species, Vec<DVec3>) {
    let atoms = (0..6).map(|k| SpeciesAtom {
        name: format!("A{k}"),
        element: if k == 5 { "H" } else { "C" }.into(),
        type_id: 0,
        charge: 0.0,
        mass: if k == 5 { 1.008 } else { 12.011 },
    });
    let species = Species {
        atoms: atoms.collect(),
        bonds: (0..5).map(|k| (k, k + 1)).collect(),
        ..ion("rod", "ROD", "C", 0.0, 1.0)
    };
    (species, (0..6).map(|k| DVec3::X * 0.14 * f64::from(k)).collect())
}

#[test]
fn large_molecules_find_their_place() {
    let (rod, shape) = rod();
    let species = [rod, water()];
    let quantities = [Quantity::Count(12), Quantity::Count(400)];
    let unknown = request(&species, &quantities, Extent::Density(0.9), 8);
    assert!(matches!(solution(&unknown), Err(BuildError::NoGeometry { n_atoms: 6, .. })));
    let geometries = [("rod".to_string(), shape.clone())];
    let built = solution(&SolutionRequest { geometries: &geometries, ..unknown }).expect("fits");
    let (heavy, hydrogen) = brute_force_contacts(&species, &built);
    assert!(heavy >= MIN_HEAVY && hydrogen >= MIN_HYDROGEN, "{heavy} {hydrogen}");
    for rod in built.positions[..72].chunks(6) {
        for (a, b) in [(0, 5), (1, 3), (2, 4)] {
            assert!(((rod[a] - rod[b]).length() - (shape[a] - shape[b]).length()).abs() < 1e-12);
        }
    }
}

#[test]
fn a_hundred_thousand_atoms_take_seconds() {
    let species = demo_species();
    let quantities = [Quantity::Concentration(1.0), Quantity::Concentration(2.0), Quantity::Count(33_000)];
    let start = std::time::Instant::now();
    let built = solution(&request(&species, &quantities, Extent::Density(1.1), 1)).expect("fits");
    let seconds = start.elapsed().as_secs_f64();
    println!("{} atoms packed in {seconds:.2} s", built.positions.len());
    assert!(built.positions.len() > 99_000);
    // Generous: a quadratic search would take minutes.
    assert!(seconds < 30.0, "{seconds} s");
}

/// A built box as a file would hold it: every atom wrapped on its own, so that molecules are cut.
fn cut_structure(topology: &Topology, built: &Solution) -> Structure {
    let n = topology.n_atoms();
    Structure {
        source: "box.gro".into(),
        title: String::new(),
        names: (0..n).map(|i| topology.atom(i).name.clone()).collect(),
        residue_names: (0..n).map(|i| topology.site(i).0.residue.clone()).collect(),
        residue_ids: (0..n).map(|i| i64::from(topology.molecule_of[i]) + 1).collect(),
        positions: built.positions.iter().map(|&r| built.cell.wrap(r)).collect(),
        velocities: None,
        cell: built.cell,
    }
}

fn example() -> (Vec<Species>, Topology, Solution, Structure) {
    let species = demo_species();
    let cell = Cell::new(DVec3::X * 2.1, DVec3::new(0.5, 2.0, 0.0), DVec3::new(-0.4, 0.7, 2.2)).expect("valid");
    let built = solution(&request(&species, &counts(2, 4, 260), Extent::Cell(cell), 5)).expect("fits");
    let topology = zinc_chloride([2, 4, 260]);
    let structure = cut_structure(&topology, &built);
    (species, topology, built, structure)
}

#[test]
fn molecules_are_recognised_and_made_whole() {
    let (species, _, built, structure) = example();
    let imported = from_structure(&structure, &species, |_, _| false).expect("recognised");
    assert_eq!(imported.sequence, built.sequence);
    let mut cut = 0;
    for (r, original) in imported.positions[6..].chunks(3).zip(structure.positions[6..].chunks(3)) {
        for (a, b, expected) in [(0, 1, SPCE.d_oh), (0, 2, SPCE.d_oh), (1, 2, SPCE.d_hh)] {
            assert!(((r[a] - r[b]).length() - expected).abs() < 1e-9);
            cut += usize::from((original[a] - original[b]).length() > 1.0);
        }
    }
    assert!(cut > 20, "the test cuts molecules");
    for (a, b) in imported.positions.iter().zip(&structure.positions) {
        let shift = structure.cell.to_fractional(*a - *b);
        assert!((shift - shift.round()).length() < 1e-9, "only lattice vectors are added");
    }
}

#[test]
fn other_names_for_the_same_species_are_understood() {
    let (species, _, built, mut structure) = example();
    for i in 6..structure.n_atoms() {
        structure.residue_names[i] = "HOH".into();
        structure.names[i] = ["O", "H1", "H2"][i % 3].into();
    }
    let error = from_structure(&structure, &species, |_, _| false).expect_err("HOH is not known");
    assert!(error.to_string().contains("atom 7 (O of HOH 7)") && error.to_string().contains("SPC/E (SOL)"), "{error}");
    let alias = |s: &Species, residue: &str| s.is_water && residue == "HOH";
    assert_eq!(from_structure(&structure, &species, alias).expect("an alias").sequence, built.sequence);
    // no residues at all, as in an .xyz file
    structure.residue_names.iter_mut().for_each(String::clear);
    structure.residue_ids.fill(0);
    assert_eq!(from_structure(&structure, &species, |_, _| false).expect("by atoms").sequence, built.sequence);
}

#[test]
fn the_first_mismatch_is_named() {
    let (species, _, _, good) = example();
    let fail = |edit: &dyn Fn(&mut Structure)| {
        let mut structure = good.clone();
        edit(&mut structure);
        from_structure(&structure, &species, |_, _| false).expect_err("does not fit")
    };
    let four_sites = fail(&|s| {
        s.names.insert(9, "MW".into());
        s.residue_names.insert(9, "SOL".into());
        s.residue_ids.insert(9, 7);
        s.positions.insert(9, s.positions[6]);
    });
    assert!(matches!(four_sites, ImportError::Mismatch { .. }));
    let text = four_sites.to_string();
    assert!(text.contains("atom 7 (OW of SOL 7)") && text.contains("OW HW1 HW2 MW"), "{text}");

    let swapped = fail(&|s| s.names.swap(9, 10)).to_string();
    assert!(swapped.contains("atom 10") && swapped.contains("HW1 OW HW2"), "{swapped}");

    let overlap = fail(&|s| s.positions[0] = s.positions[40] + DVec3::Z * 0.03);
    let text = overlap.to_string();
    assert!(text.contains("atom 1 (ZN of ZN 1)") && text.contains("atom 41") && text.contains("0.0300 nm"), "{text}");

    let bent = fail(&|s| s.positions[7] = s.positions[6] + (s.positions[7] - s.positions[6]).normalize() * 0.06);
    assert!(matches!(bent, ImportError::Geometry { .. } | ImportError::Overlap { .. }), "{bent}");
}

#[test]
fn overlaps_are_found_as_by_brute_force() {
    let topology = zinc_chloride([200, 0, 0]);
    for seed in 0..20 {
        let cell = Cell::new(DVec3::X * 1.5, DVec3::new(0.7, 1.4, 0.0), DVec3::new(-0.5, 0.6, 1.3)).expect("valid");
        let mut draws = Draws::new(seed, Stream::Build, 0);
        let mut point = || cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 2.0);
        let positions: Vec<DVec3> = (0..200).map(|_| point()).collect();
        let limit = 0.04;
        let distance = |i: usize, j: usize| cell.minimum_image(positions[i] - positions[j]).length();
        let pairs = (0..200).flat_map(|i| (i + 1..200).map(move |j| (i, j)));
        let expected = pairs.filter(|&(i, j)| distance(i, j) < limit).min();
        let found = find_overlap(&topology, &cell, &positions, limit);
        assert_eq!(found.map(|o| (o.i, o.j)), expected, "seed {seed}");
        let closest =
            (0..200).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| distance(i, j)).fold(0.5, f64::min);
        assert!((closest_contacts(&topology, &cell, &positions, 0.5).0 - closest).abs() < 1e-12);
    }
}
