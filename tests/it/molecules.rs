//! The molecules of the library: connectivity gives the right terms, the numbers hold together, shapes are the right isomer,
//! and charges are scaled as stated.

use glam::DVec3;
use hexaqua::build::shape_from_bonded_terms;
use hexaqua::forcefield::generate::{Generated, generate};
use hexaqua::forcefield::{
    Assembled, FileMolecule, FileType, ForceFieldError, Library, LjTerms, MoleculeTemplate, ParameterSet, SoluteFault,
    TorsionType, assemble, assemble_from,
};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairOrigin;
use hexaqua::system::spec::{Amount, GeometrySpec, SoluteSpec, SystemSpec, WaterSpec};
use hexaqua::system::topology::{Species, SpeciesAtom};
use std::collections::BTreeSet;

fn library() -> &'static Library {
    Library::builtin().unwrap_or_else(|error| panic!("{error}"))
}

/// Every molecule of the library that has no gap, with its set.
fn molecules() -> Vec<(&'static ParameterSet, &'static MoleculeTemplate, Generated)> {
    let runs = library().sets.iter().filter(|s| s.runs());
    let all = runs.flat_map(|s| s.molecules.iter().map(move |m| (s, m)));
    all.map(|(s, m)| (s, m, generate(s, m).unwrap_or_else(|e| panic!("{e}")))).collect()
}

fn molecule(name: &str) -> (&'static ParameterSet, &'static MoleculeTemplate, Generated) {
    molecules().into_iter().find(|(_, m, _)| m.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn shape(template: &MoleculeTemplate) -> Vec<DVec3> {
    template.geometry.iter().map(|&r| DVec3::from_array(r)).collect()
}

fn system(water: &str, solutes: &[(&str, &str)], scale: Option<f64>) -> SystemSpec {
    let solute = |&(name, model): &(&str, &str)| SoluteSpec {
        name: name.into(),
        model: Some(model.to_string()).filter(|m| !m.is_empty()),
        amount: Amount::Count(1),
        file: None,
    };
    SystemSpec {
        water: WaterSpec { model: water.into(), molecules: Some(100) },
        solutes: solutes.iter().map(solute).collect(),
        seed: 1,
        geometry: GeometrySpec::Density(1.0),
        vacuum: 0.0,
        net_charge_allowed: true,
        ion_charge_scale: scale,
        contact_pairs_allowed: false,
    }
}

fn run(water: &str, solutes: &[(&str, &str)], scale: Option<f64>) -> Result<Assembled, ForceFieldError> {
    assemble(&system(water, solutes, scale), Mixing::LorentzBerthelot)
}

fn close(value: f64, expected: f64, relative: f64) {
    assert!((value - expected).abs() <= relative * expected.abs(), "{value} instead of {expected}");
}

/// Counted when the data were collected, by another program.
#[test]
fn connectivity_gives_the_counted_terms() {
    for (name, atoms, bonds, angles, torsions, mass) in [
        ("IDE", 26, 27, 52, 69, 174.1976),
        ("PC", 13, 13, 23, 28, 102.0902),
        ("EG", 10, 9, 14, 15, 62.0688),
        ("glycerol", 14, 13, 21, 27, 92.0952),
        ("DMSO", 10, 9, 15, 12, 78.1294),
        ("ACN", 6, 5, 7, 3, 41.0527),
        ("methanol", 6, 5, 7, 3, 32.0424),
        ("DME", 16, 15, 26, 21, 90.1228),
        ("OTf-", 8, 7, 12, 9, 149.068),
    ] {
        let (_, _, generated) = molecule(name);
        let species = &generated.species;
        let found = (species.atoms.len(), generated.n_bonds, generated.n_angles, generated.n_torsions);
        assert_eq!(found, (atoms, bonds, angles, torsions), "{name}");
        assert_eq!(species.bonded.bonds.len() + species.constraints.len(), bonds, "{name}");
        assert_eq!(species.bonded.angles.len(), angles, "{name}");
        close(species.mass(), mass, 1e-9);
    }
    // Each bonded quadruple once.
    for (_, template, generated) in molecules() {
        let of = |atoms: [u32; 4]| atoms.min([atoms[3], atoms[2], atoms[1], atoms[0]]);
        let unique: BTreeSet<[u32; 4]> =
            generated.species.bonded.ryckaert_bellemans.iter().map(|d| of(d.atoms)).collect();
        assert_eq!(unique.len(), generated.species.bonded.ryckaert_bellemans.len(), "{}", template.name);
    }
    assert_eq!(molecule("PC").2.species.bonded.dihedrals[0].atoms, [3, 6, 4, 5]);
}

#[test]
fn charges_sum_to_the_formal_charge() {
    for (set, template, generated) in molecules() {
        let formal = match template.name.as_str() {
            "SO42-" => -2.0,
            "OTf-" | "OH-" => -1.0,
            "H3O+" => 1.0,
            _ => 0.0,
        };
        let charge = generated.species.charge();
        assert!((charge - formal).abs() < 1e-12, "{} of {}: {charge}", template.name, set.full_name());
    }
}

/// Shortest paths by brute force over all walks of up to three bonds, shared with nothing.
#[test]
fn atoms_up_to_three_bonds_apart_are_excluded_and_one_to_three_beats_one_to_four() {
    for (_, template, generated) in molecules() {
        let n = template.atoms.len();
        let bonded = |i: usize, j: usize| {
            template
                .bonds
                .iter()
                .any(|&[a, b]| (a as usize, b as usize) == (i, j) || (a as usize, b as usize) == (j, i))
        };
        let (mut exclusions, mut fourteen) = (BTreeSet::new(), BTreeSet::new());
        for i in 0..n {
            for j in i + 1..n {
                let two = (0..n).any(|k| bonded(i, k) && bonded(k, j));
                let three =
                    (0..n).any(|k| (0..n).any(|l| bonded(i, k) && bonded(k, l) && bonded(l, j) && l != i && k != j));
                let pair = (i as u32, j as u32);
                if bonded(i, j) || two || three {
                    exclusions.insert(pair);
                }
                if three && !two && !bonded(i, j) {
                    fourteen.insert(pair);
                }
            }
        }
        let species = &generated.species;
        assert_eq!(species.exclusions.iter().copied().collect::<BTreeSet<_>>(), exclusions, "{}", template.name);
        let found: BTreeSet<(u32, u32)> = species.bonded.pairs_14.iter().map(|p| (p.atoms[0], p.atoms[1])).collect();
        assert_eq!(found.len(), species.bonded.pairs_14.len());
        assert_eq!(found, fourteen, "{}", template.name);
    }
    // C2 and C4 of PC are two bonds apart through O3 and three through C3-O1: no 1-4 pair.
    let pc = molecule("PC").2.species;
    assert!(pc.exclusions.contains(&(1, 4)) && pc.bonded.pairs_14.iter().all(|p| p.atoms != [1, 4]));
    assert!(pc.bonded.ryckaert_bellemans.iter().any(|d| d.atoms == [1, 2, 3, 4] || d.atoms == [4, 3, 2, 1]));
}

#[test]
fn one_to_four_pairs_take_the_rule_and_the_scaling_of_their_set() {
    // F and O of triflate: geometric, half of both.
    let (_, _, generated) = molecule("OTf-");
    let pair = generated.species.bonded.pairs_14.iter().find(|p| p.atoms == [1, 5]).expect("F1-O1");
    let (sigma, epsilon) = ((0.3118_f64 * 0.315).sqrt(), 0.5 * (0.2554_f64 * 0.83736).sqrt());
    close(pair.c6, 4.0 * epsilon * sigma.powi(6), 1e-12);
    close(pair.c12, 4.0 * epsilon * sigma.powi(12), 1e-12);
    close(pair.qq, 0.5 * -0.16 * -0.63, 1e-12);
    // Scaling the charges scales their products, whatever the box mixes by.
    let scaled = run("SPC/E", &[("OTf-", "")], Some(0.8)).unwrap();
    let again = scaled.species[1].bonded.pairs_14.iter().find(|p| p.atoms == [1, 5]).expect("F1-O1");
    close(again.qq, 0.64 * pair.qq, 1e-12);
    assert_eq!((again.c6, again.c12), (pair.c6, pair.c12));
}

/// Both published forms of a torsion are the same curve up to a constant, for every torsion that has both.
#[test]
fn ryckaert_bellemans_and_opls_coefficients_agree() {
    let mut checked = 0;
    for torsion in library().sets.iter().flat_map(|s| &s.torsion_types) {
        let (Some(c), Some([v1, v2, v3, v4])) = (torsion.rb, torsion.v) else { continue };
        let difference = |degrees: f64| {
            let phi = degrees.to_radians();
            let x = -phi.cos();
            let rb: f64 = (0..6).map(|n| c[n] * x.powi(n as i32)).sum();
            let opls = 0.5
                * (v1 * (1.0 + phi.cos())
                    + v2 * (1.0 - (2.0 * phi).cos())
                    + v3 * (1.0 + (3.0 * phi).cos())
                    + v4 * (1.0 - (4.0 * phi).cos()));
            rb - opls
        };
        for step in 1..37 {
            let spread = difference(10.0 * f64::from(step)) - difference(0.0);
            // Five decimals are printed.
            assert!(spread.abs() < 5e-5, "{:?}: {spread}", torsion.classes);
        }
        checked += 1;
    }
    assert_eq!(checked, 18);
    // The direct conversion, all four terms at once.
    let v = [1.1, -0.7, 2.3, 0.4];
    let c = TorsionType::rb_of_opls(v);
    for degrees in [0.0_f64, 37.0, 95.0, 180.0, 250.0] {
        let phi = degrees.to_radians();
        let opls = 0.5
            * (v[0] * (1.0 + phi.cos())
                + v[1] * (1.0 - (2.0 * phi).cos())
                + v[2] * (1.0 + (3.0 * phi).cos())
                + v[3] * (1.0 - (4.0 * phi).cos()));
        let rb: f64 = (0..6).map(|n| c[n] * (-phi.cos()).powi(n as i32)).sum();
        assert!((rb - opls).abs() < 1e-12, "{degrees}: {rb} {opls}");
    }
}

/// 3R,3aR,6S,6aR: for each stereocentre the neighbors in the order of the Cahn-Ingold-Prelog rules. Seen with the last one
/// (hydrogen) behind, they run clockwise for R: a·(b×c) < 0.
#[test]
fn isosorbide_dimethyl_ether_is_the_right_stereoisomer() {
    let (_, template, generated) = molecule("IDE");
    let r = shape(template);
    let is_r = |center: usize, [a, b, c]: [usize; 3], r: &[DVec3]| {
        let d = |i: usize| r[i] - r[center];
        d(a).dot(d(b).cross(d(c))) < 0.0
    };
    // C7 is position 3, C4 3a, C2 6 and C5 6a of hexahydrofuro[3,2-b]furan.
    let centres = [(9, [10, 5, 8], true), (5, [4, 6, 9], true), (2, [1, 6, 3], false), (6, [7, 5, 2], true)];
    for (center, by_priority, expected_r) in centres {
        for i in by_priority {
            assert!((r[i] - r[center]).length() < 0.16, "{i} is bonded to {center}");
        }
        assert_eq!(is_r(center, by_priority, &r), expected_r, "{}", template.atoms[center].name);
    }
    // Negative control: the mirror image has every centre the other way round.
    let mirrored: Vec<DVec3> = r.iter().map(|r| DVec3::new(-r.x, r.y, r.z)).collect();
    assert!(
        centres.iter().all(|&(center, by_priority, expected_r)| is_r(center, by_priority, &mirrored) != expected_r)
    );
    // Cis-fused: the hydrogens of C4 and C5 are on one side of the bond between them.
    let (h4, h5) = (18, 19);
    assert!(generated.species.bonds.contains(&(5, 18)) && generated.species.bonds.contains(&(6, 19)));
    let axis = r[6] - r[5];
    let torsion = dihedral(r[h4], r[5], r[6], r[h5]);
    assert!(torsion.abs() < 60.0 && axis.length() > 0.14, "{torsion}");
}

/// Degrees, 0 = cis.
fn dihedral(a: DVec3, b: DVec3, c: DVec3, d: DVec3) -> f64 {
    let (n1, n2) = ((b - a).cross(c - b), (c - b).cross(d - c));
    let sign = (b - a).dot(n2).signum();
    sign * n1.angle_between(n2).to_degrees()
}

#[test]
fn start_shapes_have_the_bonds_and_angles_of_their_molecule() {
    for (set, template, generated) in molecules() {
        let (name, r) = (format!("{} of {}", template.name, set.full_name()), shape(template));
        assert_eq!(r.len(), template.atoms.len(), "{name} has no shape");
        for bond in &generated.species.bonded.bonds {
            let d = (r[bond.atoms[0] as usize] - r[bond.atoms[1] as usize]).length();
            assert!((d - bond.length).abs() < 0.05 * bond.length, "{name}: bond {:?} is {d:.4}", bond.atoms);
        }
        for constraint in &generated.species.constraints {
            let d = (r[constraint.atoms[0] as usize] - r[constraint.atoms[1] as usize]).length();
            assert!((d - constraint.length).abs() < 1e-9, "{name}: {:?} is {d:.6}", constraint.atoms);
        }
        for angle in &generated.species.bonded.angles {
            let [i, j, k] = angle.atoms.map(|x| x as usize);
            let found = (r[i] - r[j]).angle_between(r[k] - r[j]);
            assert!((found - angle.angle).abs().to_degrees() < 13.0, "{name}: angle {:?}", angle.atoms);
        }
        for i in 0..r.len() {
            for j in 0..i {
                let bonded = template.bonds.iter().any(|b| *b == [j as u32, i as u32] || *b == [i as u32, j as u32]);
                assert!(bonded || (r[i] - r[j]).length() > 0.15, "{name}: {i} and {j} touch");
            }
        }
    }
}

#[test]
fn a_rigid_sulfate_has_as_many_constraints_as_it_has_motions() {
    let set = library().sets.iter().find(|s| s.model == "cannon1994").unwrap();
    let generated = generate(set, &set.molecules[0]).unwrap();
    let species = &generated.species;
    // 3 × 5 coordinates less the six of a rigid body.
    assert_eq!(species.constraints.len(), 9);
    assert!(species.bonded.is_empty());
    assert_eq!(species.exclusions.len(), 10);
    assert!(run("SPC/E", &[("SO42-", "cannon1994")], None).unwrap().warnings[0].contains("from memory"));
}

#[test]
fn a_box_of_molecules_shares_types_and_mixes_by_origin() {
    let solutes = [("Zn2+", "li-merz-iod"), ("OTf-", ""), ("IDE", ""), ("DME", "opls-aa")];
    let assembled = run("SPC/E", &solutes, None).unwrap();
    let mut unique = assembled.types.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), assembled.types.len(), "{:?}", assembled.types);
    let of = |name: &str| assembled.types.iter().position(|t| t == name).unwrap_or_else(|| panic!("no {name}"));
    // IDE and DME use one ether oxygen.
    let ether = |s: &Species| s.atoms.iter().find(|a| a.name == "O1").map(|a| a.type_id);
    assert_eq!(ether(&assembled.species[3]), ether(&assembled.species[4]));
    let sigma = |a, b| {
        let k = assembled.pair_table.get(a, b);
        (k.c12 / k.c6).powf(1.0 / 6.0)
    };
    close(sigma(of("OTF"), of("opls_180")), (0.315_f64 * 0.29).sqrt(), 1e-9);
    assert_eq!(assembled.pair_table.origin(of("OTF"), of("opls_180")), PairOrigin::Mixed(Mixing::Geometric));
    close(sigma(of("OTF"), of("OW")), 0.5 * (0.315 + 0.3165719505039882), 1e-9);
    close(sigma(of("OTF"), of("ZN")), 0.5 * (0.315 + 0.2485607424), 1e-9);
    let told = |word: &str| assembled.warnings.iter().any(|w| w.contains("IDE") && w.contains(word));
    assert!(told("assigned by this project"), "{:?}", assembled.warnings);
    assert_eq!(assembled.geometries.len(), 3);
    // Molecules carry a C4 of their polarizabilities; only what has no row is refused.
    let c4 = run("TIP3P", &[("Zn2+", "li-merz-12-6-4"), ("OTf-", "")], None).unwrap();
    let (zinc, oxygen) = (2, c4.types.iter().position(|t| t == "OTF").unwrap());
    close(c4.pair_table.get(zinc, oxygen).c4, 231.6 * 4.184e-4 * 0.569 / 1.444, 1e-12);
}

/// GROMOS 54A7 (GROMACS 2022.5, gromos54a7.ff/ffnonbonded.itp) has three C12 for the oxygen of sulfate, and sets its pair with water
/// apart: nonbond_params OW OM 2.433170E-03 2.987943E-06, OM OM 0.0022619536 7.4149321e-07.
#[test]
fn the_oxygen_of_gromos_sulfate_is_larger_for_water_and_for_cations() {
    let solutes = [("SO42-", "gromos54a7"), ("Na+", "aqvist"), ("Cl-", "opls-1984")];
    let spec = system("SPC", &solutes, None);
    let assembled = assemble(&spec, Mixing::Geometric).unwrap();
    let of = |name: &str| assembled.types.iter().position(|t| t == name).unwrap_or_else(|| panic!("no {name}"));
    let (oxygen, water, sodium, chloride) = (of("SUGO"), of("OW"), of("NA"), of("CL"));
    let pair = |a, b| assembled.pair_table.get(a, b);
    // The water of the file, OW 0.0026173456 2.634129e-06, is another rounding of SPC: what it is mixed with is compared.
    close(pair(oxygen, water).c6.powi(2) / pair(water, water).c6, 2.433170e-3_f64.powi(2) / 0.0026173456, 1e-6);
    close(pair(oxygen, water).c12.powi(2) / pair(water, water).c12, 2.987943e-6_f64.powi(2) / 2.634129e-6, 1e-6);
    close(pair(oxygen, oxygen).c12, 7.4149321e-7, 1e-6);
    close(pair(of("SUGS"), oxygen).c12, 3.113738e-6, 1e-6);
    // Mixed with the larger C12 the pair would be half as repulsive.
    assert!((pair(oxygen, oxygen).c12 * pair(water, water).c12).sqrt() < 0.5 * pair(oxygen, water).c12);
    // ZN2+ OM 2.980869E-07 and ZN2+ 9.4400656e-09, NA+ OM 8.283600E-07 and NA+ 7.29e-08: both hold (3.068e-3)^2.
    let with_cations = 2.980869e-7_f64.powi(2) / 9.4400656e-9;
    close(with_cations, 8.283600e-7_f64.powi(2) / 7.29e-8, 1e-6);
    close(pair(oxygen, sodium).c12, (with_cations * pair(sodium, sodium).c12).sqrt(), 1e-6);
    close(pair(oxygen, chloride).c12, (pair(oxygen, oxygen).c12 * pair(chloride, chloride).c12).sqrt(), 1e-6);
    for partner in [water, sodium] {
        assert_eq!(assembled.pair_table.origin(oxygen, partner), PairOrigin::Special(Mixing::Geometric));
    }
    assert_eq!(assembled.pair_table.origin(oxygen, chloride), PairOrigin::Mixed(Mixing::Geometric));
    // Another rule of the box takes the same parameters.
    let assembled = assemble(&spec, Mixing::LorentzBerthelot).unwrap();
    let k = assembled.pair_table.get(oxygen, water);
    close((k.c12 / k.c6).powf(1.0 / 6.0), 0.5 * (0.3382755801 + 0.316557), 1e-6);
}

#[test]
fn other_names_of_a_species_are_understood() {
    for (alias, name) in [
        ("triflate", "OTf-"),
        ("sulfate", "SO42-"),
        ("propylene carbonate", "PC"),
        ("dimethyl isosorbide", "IDE"),
        ("MeOH", "methanol"),
    ] {
        let model = if name == "SO42-" { "gromos54a7" } else { "" };
        assert_eq!(run("SPC", &[(alias, model)], None).unwrap().species[1].name, name);
    }
    let error = run("SPC/E", &[("OTf-", ""), ("CF3SO3-", "")], None).unwrap_err();
    assert_eq!(error.key().as_deref(), Some("system.solutes.2.name"));
}

/// The electronic continuum correction: all ions together, nothing else.
#[test]
fn charge_scaling_scales_every_ion_and_nothing_else() {
    let solutes =
        [("Zn2+", "li-merz-iod"), ("OTf-", ""), ("Cl-", "joung-cheatham"), ("PC", ""), ("OH-", "bonthuis-netz")];
    let (full, scaled) = (run("SPC/E", &solutes, None).unwrap(), run("SPC/E", &solutes, Some(0.75)).unwrap());
    for (before, after) in full.species.iter().zip(&scaled.species) {
        let factor = if before.is_water || before.name == "PC" { 1.0 } else { 0.75 };
        for (a, b) in before.atoms.iter().zip(&after.atoms) {
            assert!((b.charge - factor * a.charge).abs() < 1e-12, "{} of {}", a.name, before.name);
        }
    }
    // Zn2+ takes the refit of this project, and says so.
    let refit = library().sets.iter().find(|s| s.full_name() == "interim-q1.5@spce").unwrap();
    let k = scaled.pair_table.get(2, 2);
    close((k.c12 / k.c6).powf(1.0 / 6.0), refit.ions[0].sigma.unwrap(), 1e-9);
    assert!(scaled.warnings.iter().any(|w| w.contains("interim-q1.5@spce") && w.contains("li-merz-iod@spce")));
    // Without a model, too, and in a water that has no full-charge set.
    let tip4p = run("TIP4P/2005", &[("Zn2+", "")], Some(0.85)).unwrap();
    close(tip4p.species[1].charge(), 1.7, 1e-12);
    assert!(tip4p.provenance[1].model == "interim-q1.7@tip4p2005", "{:?}", tip4p.provenance[1]);
    assert!(scaled.warnings.iter().any(|w| w.contains("interim refit of this project")));
    assert!(scaled.provenance[1].flags.iter().any(|f| f.contains("0.75")));
    // Named in full, a set keeps its own numbers, and the user is told what that does.
    let kept = run("SPC/E", &[("Zn2+", "li-merz-iod@spce")], Some(0.75)).unwrap();
    close(kept.species[1].charge(), 1.5, 1e-12);
    let k = kept.pair_table.get(2, 2);
    close((k.c12 / k.c6).powf(1.0 / 6.0), 0.2485607424, 1e-9);
    assert!(kept.warnings.iter().any(|w| w.contains("moves outwards")), "{:?}", kept.warnings);
    // No refit for this factor: the same.
    let other = run("SPC/E", &[("Zn2+", "li-merz-iod")], Some(0.9)).unwrap();
    assert!(other.warnings.iter().any(|w| w.contains("moves outwards")));
    let tip4p = run("TIP4P/2005", &[("Zn2+", "li-merz-iod@tip4pew")], Some(0.85)).unwrap();
    close(tip4p.species[1].charge(), 1.7, 1e-12);
    // What is scaled already is refused.
    for (water, solute) in [("SPC/E", ("Zn2+", "interim-q1.5")), ("TIP4P/2005", ("Na+", "madrid-2019"))] {
        let error = run(water, &[solute], Some(0.75)).unwrap_err();
        let ForceFieldError::Solute { fault, .. } = &error else { panic!("{error}") };
        assert!(matches!(**fault, SoluteFault::ScaledAlready { .. }), "{error}");
    }
}

#[test]
fn four_site_water_is_three_rigid_atoms_and_a_massless_charge() {
    for water in library().waters.iter().filter(|w| w.sites == 4) {
        let assembled = run(&water.name, &[], None).unwrap();
        let species = &assembled.species[0];
        assert_eq!(species.atoms.len(), 4);
        let m = &species.atoms[3];
        assert_eq!((m.mass, m.charge, m.element.as_str()), (0.0, water.charge_m.unwrap(), ""));
        assert!((0..4).all(|t| assembled.pair_table.get(2, t.min(2)).is_zero()), "no Lennard-Jones on M");
        assert_eq!(species.exclusions.len(), 6);
        assert!(species.charge().abs() < 1e-12);
        let geometry = species.rigid_water.unwrap();
        let (x, site) = (0.5 * geometry.d_hh, species.virtual_sites[0]);
        let y = (geometry.d_oh.powi(2) - x * x).sqrt();
        let (h1, h2) = (DVec3::new(x, y, 0.0), DVec3::new(-x, y, 0.0));
        let r_m = h1 * site.a + h2 * site.b;
        assert_eq!((site.site, site.parents, site.c), (3, [0, 1, 2], 0.0));
        close(r_m.length(), water.d_om.unwrap(), 1e-5);
        assert!(r_m.x.abs() < 1e-12 && r_m.y > 0.0, "on the bisector, towards the hydrogens");
    }
    // The zinc sets made for these waters run in them.
    for water in ["TIP4P-Ew", "OPC"] {
        for model in ["li-merz-hfe", "li-merz-cm", "li-merz-iod"] {
            assert!(run(water, &[("Zn2+", model)], None).unwrap().warnings.is_empty(), "{model} in {water}");
        }
    }
}

/// A diatomic "from a file" whose types have names that the library uses.
fn from_file(charge: f64) -> FileMolecule {
    let atom = |name: &str, type_id, charge| SpeciesAtom {
        name: name.into(),
        element: "C".into(),
        type_id,
        charge,
        mass: 12.0,
    };
    let species = Species {
        name: "MOL".into(),
        residue: "MOL".into(),
        atoms: vec![atom("A", 0, charge), atom("B", 1, 0.0)],
        ..Species::default()
    };
    let of = |name: &str, sigma, epsilon| FileType { name: name.into(), sigma, epsilon, terms: LjTerms::Both };
    let types = vec![of("OW", 0.3, 0.5), of("opls_180", 0.25, 0.7)];
    let mixing = Mixing::Geometric;
    FileMolecule {
        solute: 0,
        file: "mol.itp".into(),
        species,
        types,
        mixing,
        geometry: Vec::new(),
        warnings: Vec::new(),
    }
}

#[test]
fn a_molecule_from_a_file_keeps_its_types_apart_and_is_scaled_like_the_others() {
    let assemble = |charge: f64, scale| {
        let spec = system("SPC/E", &[("mine", ""), ("DME", "")], scale);
        assemble_from(library(), &spec, Mixing::LorentzBerthelot, &[from_file(charge)])
    };
    let assembled = assemble(-1.0, Some(0.8)).unwrap();
    assert_eq!(&assembled.types[2..4], ["OW_2", "opls_180"]);
    assert!(assembled.types[4..].iter().any(|t| t == "opls_180_2"), "{:?}", assembled.types);
    assert_eq!(assembled.species[1].name, "mine");
    close(assembled.species[1].charge(), -0.8, 1e-12);
    let ether = assembled.types.iter().position(|t| t == "opls_180_2").unwrap();
    assert_eq!(assembled.pair_table.origin(3, ether), PairOrigin::Mixed(Mixing::Geometric));
    assert_eq!(assembled.pair_table.origin(0, 2), PairOrigin::Mixed(Mixing::LorentzBerthelot));
    close(assemble(0.0, Some(0.8)).unwrap().species[1].charge() + 1.0, 1.0, 1e-12);
    let error = assemble(-0.8, Some(0.8)).unwrap_err().to_string();
    assert!(error.contains("scaled already") && error.contains("mol.itp"), "{error}");
}

/// Without coordinates a shape follows from the bonded terms.
#[test]
fn a_shape_is_made_from_bonded_terms_where_none_is_given() {
    for name in ["OTf-", "PC", "IDE", "ACN", "glycerol", "DMSO"] {
        let (_, _, generated) = molecule(name);
        let r = shape_from_bonded_terms(&generated.species, 1);
        assert_eq!(r.len(), generated.species.atoms.len());
        assert_eq!(r[0], DVec3::ZERO);
        for bond in &generated.species.bonded.bonds {
            let d = (r[bond.atoms[0] as usize] - r[bond.atoms[1] as usize]).length();
            assert!((d - bond.length).abs() < 0.06 * bond.length, "{name}: bond {:?} is {d:.4}", bond.atoms);
        }
        for angle in &generated.species.bonded.angles {
            let [i, j, k] = angle.atoms.map(|x| x as usize);
            let found = (r[i] - r[j]).angle_between(r[k] - r[j]);
            assert!((found - angle.angle).abs().to_degrees() < 16.0, "{name}: angle {:?} is {found:.3}", angle.atoms);
        }
        for pair in &generated.species.bonded.pairs_14 {
            let [i, j] = pair.atoms.map(|x| x as usize);
            assert!((r[i] - r[j]).length() > 0.17, "{name}: 1-4 pair {:?}", pair.atoms);
        }
        assert_eq!(r, shape_from_bonded_terms(&generated.species, 1), "the seed decides");
    }
    // The sp2 carbon of propylene carbonate is planar.
    let r = shape_from_bonded_terms(&molecule("PC").2.species, 1);
    let (a, b, c) = (r[3] - r[4], r[6] - r[4], r[5] - r[4]);
    assert!(a.normalize().dot(b.cross(c).normalize()).abs() < 0.1);
}

const OWN_MOLECULE: &str = r#"
[[species]]
name = "BF4-"
title = "tetrafluoroborate"
residue = "BF4"

[[set]]
model = "mine"
title = "made up for a test"
kind = "12-6"
water = []
combination = "geometric"
verified = true
source = "made up for a test"
atom_types = [
  { name = "BB", class = "B", mass = 10.81, charge = 0.8, sigma = 0.36, epsilon = 0.4 },
  { name = "BF", class = "F", mass = 18.998, charge = -0.45, sigma = 0.31, epsilon = 0.25 },
]
bond_types = [{ classes = ["B", "F"], r0 = 0.139, k = 320000.0 }]
angle_types = [{ classes = ["F", "B", "F"], theta0 = 109.5, k = 670.0 }]

[[set.molecule]]
name = "BF4-"
atoms = [
  { name = "B", element = "B", type = "BB" },
  { name = "F1", element = "F", type = "BF" },
  { name = "F2", element = "F", type = "BF" },
  { name = "F3", element = "F", type = "BF" },
  { name = "F4", element = "F", type = "BF" },
]
bonds = [[0, 1], [0, 2], [0, 3], [0, 4]]
"#;

fn build(folder: &std::path::Path, input: &str) -> (Option<i32>, String, String) {
    let path = folder.join("box.toml");
    std::fs::write(&path, input).unwrap();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_hexaqua"))
        .args(["build", path.to_str().unwrap(), "--out", folder.join("box.gro").to_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_molecule_of_ones_own_comes_from_a_file_in_the_format_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bf4.toml"), OWN_MOLECULE).unwrap();
    let input = |file: &str| {
        format!(
            "[system]\nwater = {{ model = \"SPC/E\", molecules = 300 }}\ndensity = \"1.05 g/cm3\"\nsolutes = [\n  {{ name = \"Zn2+\", \
             model = \"li-merz-iod\", count = 2 }},\n  {{ name = \"BF4-\", toml = \"{file}\", count = 4 }},\n]\n"
        )
    };
    let (code, out, err) = build(folder.path(), &input("bf4.toml"));
    assert_eq!(code, Some(0), "{out}{err}");
    // The table of pairs says where each comes from.
    assert!(out.lines().any(|l| l.starts_with("BF BF") && l.ends_with("mine")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("BB BF") && l.ends_with("geometric")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("ZN BF") && l.ends_with("Lorentz-Berthelot")), "{out}");
    let gro = std::fs::read_to_string(folder.path().join("box.gro")).unwrap();
    assert_eq!(gro.lines().filter(|l| l.contains("BF4")).count(), 20);
    // A broken file is named with what is wrong, at the key that names it.
    let broken = OWN_MOLECULE.replace("classes = [\"F\", \"B\", \"F\"]", "classes = [\"F\", \"B\", \"B\"]");
    std::fs::write(folder.path().join("broken.toml"), broken).unwrap();
    let (code, _, err) = build(folder.path(), &input("broken.toml"));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("no angle parameters for F1-B-F2 (classes F-B-F)") && err.contains("box.toml:6:"), "{err}");
    let (code, _, err) = build(folder.path(), &input("missing.toml"));
    assert!(code == Some(2) && err.contains("missing.toml cannot be read"), "{err}");
}

const OWN_ITP: &str = "\
[ atomtypes ]
; name at.num mass charge ptype sigma epsilon
BB  5  10.81  0.0 A 0.36 0.4
BF  9  18.998 0.0 A 0.31 0.25

[ moleculetype ]
BF4  3

[ atoms ]
1 BB 1 BF4 B  1  0.8  10.81
2 BF 1 BF4 F1 1 -0.45 18.998
3 BF 1 BF4 F2 1 -0.45 18.998
4 BF 1 BF4 F3 1 -0.45 18.998
5 BF 1 BF4 F4 1 -0.45 18.998

[ bonds ]
1 2 1 0.139 320000
1 3 1 0.139 320000
1 4 1 0.139 320000
1 5 1 0.139 320000

[ angles ]
2 1 3 1 109.5 670
2 1 4 1 109.5 670
2 1 5 1 109.5 670
3 1 4 1 109.5 670
3 1 5 1 109.5 670
4 1 5 1 109.5 670
";

/// The same molecule as in the format of the library, from GROMACS: the same box.
#[test]
fn a_molecule_of_ones_own_comes_from_an_itp_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bf4.itp"), OWN_ITP).unwrap();
    let input = |keys: &str| {
        format!(
            "[system]\nwater = {{ model = \"SPC/E\", molecules = 300 }}\ndensity = \"1.05 g/cm3\"\nsolutes = [\n  {{ name = \"Zn2+\", \
             model = \"li-merz-iod\", count = 2 }},\n  {{ name = \"BF4-\", itp = \"bf4.itp\", count = 4{keys} }},\n]\n"
        )
    };
    let (code, out, err) = build(folder.path(), &input(", rules = \"opls\""));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("made from its bonded terms"), "{err}");
    assert!(out.lines().any(|l| l.starts_with("BF BF") && l.ends_with("bf4.itp") && l.contains("0.310000")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("BB BF") && l.ends_with("geometric")), "{out}");
    // One molecule of the box is a shape for the next.
    let gro = std::fs::read_to_string(folder.path().join("box.gro")).unwrap();
    let atoms: Vec<&str> = gro.lines().filter(|l| l.contains("BF4")).take(5).collect();
    std::fs::write(folder.path().join("bf4.gro"), format!("one\n5\n{}\n3.0 3.0 3.0\n", atoms.join("\n"))).unwrap();
    let shaped = input(", rules = \"amber\", structure = \"bf4.gro\"");
    let (code, out, err) = build(folder.path(), &shaped);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!err.contains("bonded terms"), "{err}");
    assert!(out.lines().any(|l| l.starts_with("BB BF") && l.ends_with("Lorentz-Berthelot")), "{out}");
    let (code, _, err) = build(folder.path(), &input(""));
    assert!(code == Some(2) && err.contains("rules = \"opls\""), "{err}");
    std::fs::write(folder.path().join("bf4.itp"), OWN_ITP.replace("1 5 1 0.139 320000", "1 9 1 0.139 320000")).unwrap();
    let (code, _, err) = build(folder.path(), &input(", rules = \"opls\""));
    assert!(code == Some(2) && err.contains("bf4.itp:"), "{err}");
}
