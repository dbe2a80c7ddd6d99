//! The force-field library: its data hold together, names find the right set, and the pair table is the published one.

use hexaqua::forcefield::{
    Assembled, ForceFieldError, Library, SoluteFault, assemble, assemble_from, library::Combination, pair_table_text,
    residue_aliases,
};
use hexaqua::potential::mixing::Mixing;
use hexaqua::potential::pair_table::PairOrigin;
use hexaqua::system::spec::{Amount, GeometrySpec, SoluteSpec, SystemSpec, WaterSpec};

fn library() -> &'static Library {
    Library::builtin().unwrap_or_else(|error| panic!("{error}"))
}

fn system(water: &str, solutes: &[(&str, &str)]) -> SystemSpec {
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
        ion_charge_scale: None,
        contact_pairs_allowed: false,
    }
}

fn run(water: &str, solutes: &[(&str, &str)]) -> Result<Assembled, ForceFieldError> {
    assemble(&system(water, solutes), Mixing::LorentzBerthelot)
}

fn fault(error: &ForceFieldError) -> Option<&SoluteFault> {
    match error {
        ForceFieldError::Solute { fault, .. } => Some(fault),
        _ => None,
    }
}

fn sigma_epsilon(assembled: &Assembled, a: usize, b: usize) -> (f64, f64) {
    let k = assembled.pair_table.get(a, b);
    ((k.c12 / k.c6).powf(1.0 / 6.0), k.c6 * k.c6 / (4.0 * k.c12))
}

fn close(value: f64, expected: f64, relative: f64) {
    assert!((value - expected).abs() <= relative * expected.abs(), "{value} instead of {expected}");
}

#[test]
fn waters_are_neutral_with_the_published_geometry_and_dipole() {
    // Dipoles in debye, of the papers; 1 e nm = 48.03204 D.
    let dipoles = [
        ("SPC/E", 2.351),
        ("TIP3P", 2.347),
        ("TIP4P-Ew", 2.321),
        ("TIP4P/2005", 2.305),
        ("OPC", 2.480),
        ("OPC3", 2.430),
    ];
    for water in &library().waters {
        let charge = water.charge_o + 2.0 * water.charge_h + water.charge_m.unwrap_or(0.0);
        assert!(charge.abs() < 1e-12, "{}: {charge}", water.name);
        let half = 0.5 * water.angle.to_radians();
        close(2.0 * water.d_oh * half.sin(), water.d_hh, 2e-5);
        let bisector = (water.d_oh.powi(2) - 0.25 * water.d_hh.powi(2)).sqrt();
        let mut dipole = 2.0 * water.charge_h * bisector;
        if let (Some(q), Some(d), Some(w)) = (water.charge_m, water.d_om, water.weights_m) {
            dipole += q * d;
            close(w.iter().sum(), 1.0, 1e-9);
            close((w[1] + w[2]) * bisector, d, 1e-5);
        }
        if let Some((_, debye)) = dipoles.iter().find(|(name, _)| *name == water.name) {
            close(dipole * 48.03204, *debye, 5e-4);
        }
        if let (Some(rmin_half), Some(kcal)) = (water.rmin_half, water.epsilon_kcal) {
            close(water.sigma, rmin_half * 2f64.powf(5.0 / 6.0) / 10.0, 1e-9);
            close(water.epsilon, kcal * 4.184, 1e-9);
        }
    }
}

#[test]
fn published_units_convert_to_ours() {
    let mut converted = 0;
    for set in &library().sets {
        for ion in &set.ions {
            if let (Some(rmin_half), Some(sigma)) = (ion.rmin_half, ion.sigma) {
                // One set is printed with six digits only.
                let last_digit = if set.model == "merz-amber-opls" { 1e-6 } else { 1e-9 };
                let converted_sigma = rmin_half * 2f64.powf(5.0 / 6.0) / 10.0;
                assert!((sigma - converted_sigma).abs() <= 0.5 * last_digit, "{}: {sigma}", set.full_name());
                converted += 1;
            }
            if let (Some(kcal), Some(epsilon)) = (ion.epsilon_kcal, ion.epsilon) {
                close(epsilon, kcal * 4.184, 1e-6);
            }
            if let (Some(kcal), Some(c4)) = (ion.c4_kcal, ion.c4) {
                assert!((c4 - kcal * 4.184e-4).abs() < 1e-10, "{}: {c4}", set.full_name());
            }
        }
    }
    assert!(converted >= 24);
}

/// P. Li et al., J. Chem. Theory Comput. 9, 2733 (2013): epsilon = 10^(−57.36 exp(−2.471 Rmin/2)), kcal/mol and Å.
#[test]
fn li_merz_sets_lie_on_the_noble_gas_curve() {
    let mut checked = 0;
    for set in library().sets.iter().filter(|s| s.noble_gas_curve) {
        for ion in &set.ions {
            let rmin_half = 10.0 * ion.sigma.unwrap() / 2f64.powf(5.0 / 6.0);
            let kcal = 10f64.powf(-57.36 * (-2.471 * rmin_half).exp());
            close(ion.epsilon.unwrap(), 4.184 * kcal, 2e-3);
            checked += 1;
        }
    }
    assert!(checked > 70, "{checked}");
}

#[test]
fn everything_that_was_collected_is_there() {
    let library = library();
    assert_eq!(library.waters.len(), 7);
    let zinc = |model: &str| library.sets_of("Zn2+").filter(|s| s.model == model).count();
    for model in ["li-merz-hfe", "li-merz-cm", "li-merz-iod", "li-merz-12-6-4"] {
        assert_eq!(zinc(model), 7, "{model}");
    }
    for model in ["babu-lim", "stote-karplus", "merz-amber-opls", "aqvist", "ecc", "drude"] {
        assert_eq!(zinc(model), 1, "{model}");
    }
    assert_eq!(library.sets_of("Zn2+").filter(|s| s.own.is_some()).count(), 11);
    assert_eq!(library.sets_of("Cl-").filter(|s| s.model == "joung-cheatham").count(), 3);
    assert!(library.sets.iter().all(|s| !s.source.is_empty()));
    // Every entry is either a published number that was read, or says why not.
    for set in &library.sets {
        assert!(set.verified || !set.flags().is_empty(), "{}", set.full_name());
    }
}

#[test]
fn the_pair_table_of_zinc_chloride_is_the_one_of_other_engines() {
    // The numbers of validation/engines/zncl2_1000w, as OpenMM and GROMACS used them.
    let assembled = run("SPC/E", &[("Zn2+", "li-merz-cm"), ("Cl-", "joung-cheatham")]).unwrap();
    assert_eq!(assembled.types, ["OW", "HW", "ZN", "CL"]);
    let types = [
        (0.3165719505039882_f64, 0.6497752_f64),
        (0.0, 0.0),
        (0.2273573528694146, 0.014823368080000001),
        (0.48304528497569194, 0.05349244),
    ];
    for a in [0, 2, 3] {
        for b in [0, 2, 3] {
            let (sigma, epsilon) = sigma_epsilon(&assembled, a, b);
            close(sigma, 0.5 * (types[a].0 + types[b].0), 1e-9);
            close(epsilon, f64::sqrt(types[a].1 * types[b].1), 1e-9);
        }
        assert!(assembled.pair_table.get(a, 1).is_zero());
    }
    let names: Vec<&str> = assembled.species.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["SPC/E", "Zn2+", "Cl-"]);
    assert_eq!(assembled.species[0].exclusions.len(), 3);
    close(assembled.species[0].rigid_water.unwrap().d_hh, 0.16329931618554522, 1e-12);
    assert!((assembled.species[1].charge() + 2.0 * assembled.species[2].charge()).abs() < 1e-12);
    assert!(assembled.warnings.is_empty(), "{:?}", assembled.warnings);
    assert_eq!(assembled.provenance[1].model, "li-merz-cm@spce");
}

#[test]
fn the_set_of_the_chosen_water_is_taken() {
    let sigma = |water| sigma_epsilon(&run(water, &[("Zn2+", "li-merz-iod")]).unwrap(), 2, 2).0;
    close(sigma("spce"), 0.2485607424, 1e-9);
    close(sigma("OPC3"), 0.2494516411, 1e-9);
    // The same numbers for three waters are one entry.
    assert!(run("TIP3P", &[("Mg2+", "li-merz-iod")]).unwrap().warnings.is_empty());
}

#[test]
fn a_set_of_another_water_is_taken_only_when_named_and_warns() {
    let error = run("SPC", &[("Zn2+", "li-merz-iod")]).unwrap_err();
    assert!(matches!(fault(&error), Some(SoluteFault::NoSetForWater { .. })), "{error}");
    let assembled = run("SPC", &[("Zn2+", "li-merz-iod@spce")]).unwrap();
    assert_eq!(assembled.warnings.len(), 1);
    assert!(assembled.warnings[0].contains("SPC/E") && assembled.warnings[0].contains("this box is SPC:"));
    // The authors call Babu-Lim usable with SPC/E; Stote-Karplus is of CHARMM TIP3P.
    assert!(run("SPC/E", &[("Zn2+", "babu-lim")]).unwrap().warnings.is_empty());
    let warnings = run("SPC/E", &[("Zn2+", "stote-karplus")]).unwrap().warnings;
    assert!(warnings[0].contains("CHARMM TIP3P") && warnings[0].contains("SPC/E"), "{warnings:?}");
}

#[test]
fn gaps_are_refused_with_their_reason() {
    let message = |water, solutes: &[(&str, &str)]| run(water, solutes).unwrap_err().to_string();
    let gap = message("SPC/E", &[("Zn2+", "li-merz-12-6-4")]);
    assert!(gap.contains("not found") && gap.contains("li-merz-iod"), "{gap}");
    assert!(message("TIP4P/2005", &[("SO42-", "madrid-2019")]).contains("no mixing rule replaces them"));
    assert!(message("SPC/E", &[("Zn2+", "ecc")]).contains("0.75"));
    assert!(message("SPC/E", &[("Zn2+", "drude")]).contains("Drude"));
    // Every set with a gap, by its full name, whatever the water.
    for set in library().sets.iter().filter(|s| s.gap.is_some()) {
        let species = set.species().next().unwrap();
        let error = run("SPC/E", &[(species, &set.full_name())]).unwrap_err();
        assert!(matches!(fault(&error), Some(SoluteFault::Gap { .. })), "{}: {error}", set.full_name());
    }
}

#[test]
fn every_set_that_runs_does_run() {
    let mut count = 0;
    for set in library().sets.iter().filter(|s| s.runs() && s.pairs.is_empty()) {
        let water = set.water.iter().find(|w| library().water(w).is_ok()).map_or("SPC/E", String::as_str);
        for species in set.species() {
            let assembled = run(water, &[(species, &set.full_name())]);
            let assembled = assembled.unwrap_or_else(|e| panic!("{} of {species}: {e}", set.full_name()));
            if let Some(ion) = set.ion(species) {
                assert_eq!(assembled.species[1].charge(), ion.charge);
            }
            assert_eq!(
                assembled.warnings.is_empty(),
                set.usable(library().water(water).unwrap().key())
                    && set.own.is_none()
                    && set.verified
                    && set.combination != Combination::Geometric,
                "{}: {:?}",
                set.full_name(),
                assembled.warnings
            );
            count += 1;
        }
    }
    assert!(count > 115, "{count}");
}

/// P. Li, K. M. Merz, J. Chem. Theory Comput. 10, 289 (2014): C4 with the water oxygen as tabulated, with other atoms
/// scaled by polarizability.
#[test]
fn a_12_6_4_set_carries_its_c4_to_oxygen_and_ions_only() {
    let assembled = run("TIP3P", &[("Zn2+", "li-merz-12-6-4"), ("Cl-", "joung-cheatham")]).unwrap();
    let c4 = |a, b| assembled.pair_table.get(a, b).c4;
    close(c4(0, 2), 231.6 * 4.184e-4, 1e-12);
    assert_eq!((c4(1, 2), c4(0, 0), c4(0, 3), c4(3, 3)), (0.0, 0.0, 0.0, 0.0));
    close(c4(2, 3), 231.6 * 4.184e-4 * 3.235 / 1.444, 1e-12);
    close(c4(2, 2), 2.0 * 231.6 * 4.184e-4 * 0.344 / 1.444, 1e-12);
    // The tail matters only with a dispersion correction, which is not known here: who prepares the run warns.
    assert!(assembled.warnings.is_empty(), "{:?}", assembled.warnings);
    let text = pair_table_text(&assembled);
    assert!(text.contains("c4 of li-merz-12-6-4@tip3p"), "{text}");
    // Without a polarizability there is no silent 12-6.
    let error = run("TIP3P", &[("Zn2+", "li-merz-12-6-4"), ("NH4+", "li-merz-hfe")]).unwrap_err();
    assert!(error.to_string().contains("NH4"), "{error}");
    assert_eq!(error.key().unwrap(), "system.solutes.1.model");
}

#[test]
fn both_ions_of_a_pair_contribute_to_c4() {
    let text = r#"
[mass]
O = 16.0
H = 1.0
[polarizability]
note = ""
source = ""
verified = true
[polarizability.alpha]
"water" = 2.0
"A+" = 3.0
"B+" = 5.0
[[water]]
name = "W"
aliases = ["w"]
sites = 3
d_oh = 0.1
d_hh = 0.16
angle = 109.47
charge_o = -0.8
charge_h = 0.4
sigma = 0.3
epsilon = 0.6
verified = true
source = "made up for this test"
[[species]]
name = "A+"
element = "Na"
atom = "A"
residue = "A"
residue_aliases = []
mass = 1.0
[[species]]
name = "B+"
element = "K"
atom = "B"
residue = "B"
residue_aliases = []
mass = 1.0
[[set]]
model = "m"
title = ""
kind = "12-6-4"
water = ["w"]
combination = "lorentz-berthelot"
ions = [
  { name = "A+", charge = 1.0, sigma = 0.2, epsilon = 0.1, c4 = 0.7 },
  { name = "B+", charge = 1.0, sigma = 0.3, epsilon = 0.2, c4 = 0.11 },
]
verified = true
source = "made up for this test"
"#;
    let library = Library::parse(&[("test.toml", text)]).unwrap();
    let spec = system("w", &[("A+", "m"), ("B+", "m")]);
    let assembled = assemble_from(&library, &spec, Mixing::LorentzBerthelot, &[]).unwrap();
    close(assembled.pair_table.get(2, 3).c4, 0.7 * 5.0 / 2.0 + 0.11 * 3.0 / 2.0, 1e-12);
    // c4 without the form 12-6-4, or the form without c4, cannot be written down.
    for (from, to) in [("kind = \"12-6-4\"", "kind = \"12-6\""), (", c4 = 0.11", "")] {
        let error = Library::parse(&[("test.toml", &text.replace(from, to))]).unwrap_err();
        assert!(error.to_string().contains("go together"), "{error}");
    }
}

#[test]
fn geometric_sets_mix_geometrically_among_themselves_and_by_the_input_with_all_else() {
    let assembled = run("SPC", &[("Na+", "aqvist"), ("Cl-", "opls-1984"), ("K+", "joung-cheatham@spce")]).unwrap();
    let (na, cl) = (0.333045f64, 0.441724f64);
    close(sigma_epsilon(&assembled, 2, 3).0, (na * cl).sqrt(), 1e-9);
    assert_eq!(assembled.pair_table.origin(2, 3), PairOrigin::Mixed(Mixing::Geometric));
    close(sigma_epsilon(&assembled, 0, 2).0, 0.5 * (na + 0.316557), 1e-9);
    for (a, b) in [(0, 2), (0, 3), (0, 4), (2, 4)] {
        assert_eq!(assembled.pair_table.origin(a, b), PairOrigin::Mixed(Mixing::LorentzBerthelot), "{a} {b}");
    }
    // With water that is not what the set was fitted with: named, with the rule in use and the remedy.
    for name in ["aqvist", "opls-1984"] {
        let told =
            |w: &&String| w.contains(name) && w.contains("Lorentz-Berthelot") && w.contains("mixing = \"geometric\"");
        assert_eq!(assembled.warnings.iter().filter(told).count(), 1, "{name}: {:?}", assembled.warnings);
    }
    let solutes = [("Na+", "aqvist"), ("Cl-", "opls-1984")];
    let assembled = assemble(&system("SPC", &solutes), Mixing::Geometric).unwrap();
    close(sigma_epsilon(&assembled, 0, 2).0, (na * 0.316557).sqrt(), 1e-9);
    assert!(!assembled.warnings.iter().any(|w| w.contains("mixing")), "{:?}", assembled.warnings);
    // An input may ask for geometric everywhere, and is told what that means.
    let spec = system("SPC/E", &[("K+", "joung-cheatham")]);
    let assembled = assemble(&spec, Mixing::Geometric).unwrap();
    assert!(assembled.warnings[0].contains("Lorentz-Berthelot"), "{:?}", assembled.warnings);
}

#[test]
fn an_explicit_pair_table_beats_mixing_and_belongs_to_its_water() {
    let error = run("SPC/E", &[("Na+", "madrid-2019"), ("Cl-", "madrid-2019")]).unwrap_err();
    assert!(matches!(fault(&error), Some(SoluteFault::PairsOfAnotherWater { .. })), "{error}");
    let assembled = run("TIP4P/2005", &[("Na+", "madrid-2019"), ("Cl-", "madrid-2019")]).unwrap();
    assert_eq!(assembled.types, ["OW", "HW", "MW", "NA", "CL"]);
    let (sigma, epsilon) = sigma_epsilon(&assembled, 3, 4);
    close(sigma, 0.300512, 1e-9);
    close(epsilon, 1.438894, 1e-9);
    close(sigma_epsilon(&assembled, 0, 4).0, 0.423867, 1e-9);
    assert_eq!(assembled.pair_table.origin(0, 4), PairOrigin::Explicit);
    assert_eq!(assembled.pair_table.origin(0, 0), PairOrigin::Mixed(Mixing::LorentzBerthelot));
    assert!(pair_table_text(&assembled).contains("explicit pair of madrid-2019"));
    let error = run("TIP4P/2005", &[("Na+", "madrid-2019"), ("Cl-", "joung-cheatham@tip4pew")]).unwrap_err();
    assert!(matches!(fault(&error), Some(SoluteFault::MissingPair { .. })), "{error}");
}

#[test]
fn interim_refits_and_trials_say_so() {
    for (model, word) in [("interim-q1.5", "interim refit"), ("check-q1.5-li-merz-cm", "not a published model")] {
        let assembled = run("SPC/E", &[("Zn2+", model)]).unwrap();
        assert!(assembled.warnings.iter().any(|w| w.contains(word)), "{:?}", assembled.warnings);
        assert!(!assembled.provenance[1].flags.is_empty());
    }
}

#[test]
fn numbers_from_memory_warn_and_are_listed_as_such() {
    let text = std::fs::read_to_string(format!("{}/forcefields/zinc.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let at = text.find("model = \"babu-lim\"").unwrap();
    let edited =
        format!("{}{}", &text[..at], text[at..].replacen("verified = true", "verified = false\nfrom_memory = true", 1));
    let water = std::fs::read_to_string(format!("{}/forcefields/water.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let library = Library::parse(&[("water", &water), ("zinc", &edited)]).unwrap();
    let spec = system("SPC/E", &[("Zn2+", "babu-lim")]);
    let assembled = assemble_from(&library, &spec, Mixing::LorentzBerthelot, &[]).unwrap();
    assert!(assembled.warnings[0].contains("from memory"), "{:?}", assembled.warnings);
    assert_eq!(assembled.provenance[1].flags, ["from memory"]);
    let list = library.list();
    let line = list.lines().find(|l| l.contains("babu-lim")).unwrap();
    assert!(line.contains("[from memory]"), "{line}");
}

#[test]
fn the_list_names_every_model_and_show_finds_it() {
    let library = library();
    let list = library.list();
    for set in &library.sets {
        assert!(list.contains(&set.model), "{}", set.model);
        let shown = library.show(&set.full_name()).unwrap();
        assert!(shown.contains(&set.source), "{shown}");
        assert!(set.gap.as_ref().is_none_or(|gap| shown.contains(gap.as_str())));
    }
    for water in &library.waters {
        assert!(library.show(&water.name).unwrap().contains(&water.source));
        assert!(list.contains(&water.name));
    }
    assert!(list.lines().any(|l| l.contains("li-merz-12-6-4") && l.contains("[gap")));
    assert!(list.lines().any(|l| l.contains("li-merz-iod") && l.contains("OPC ") && !l.contains('[')));
    assert!(list.lines().any(|l| l.contains("opls-aa") && l.contains("own atom-type assignment")));
    assert!(list.lines().any(|l| l.contains("stote-karplus") && l.contains("not in the library")));
    assert!(library.show("Zn2+").unwrap().contains("from memory"));
    let error = library.show("spce2").unwrap_err().to_string();
    assert!(error.contains("did you mean `spce`?"), "{error}");
}

#[test]
fn residues_are_recognised_by_their_usual_names() {
    let assembled = run("SPC/E", &[("Zn2+", "li-merz-iod"), ("Cl-", "joung-cheatham")]).unwrap();
    let names: Vec<Vec<String>> = assembled.species.iter().map(residue_aliases).collect();
    for (species, residue) in [(0, "SOL"), (0, "HOH"), (0, "TIP3"), (1, "ZN"), (1, "ZN2"), (1, "Zn2+"), (2, "CLA")] {
        assert!(names[species].iter().any(|n| n == residue), "{residue} not in {:?}", names[species]);
    }
    assert_eq!(names[1][0], "ZN");
    // No name may mean two species.
    let all: Vec<String> =
        library().species.iter().flat_map(|s| s.residue_aliases.iter().chain([&s.residue])).cloned().collect();
    let mut unique = all.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), all.len());
}
