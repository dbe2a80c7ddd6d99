//! Every input that is shipped parses, names models that exist, and survives being written out.

use hexaqua::forcefield;
use hexaqua::io::input::{self, to_toml};
use hexaqua::system::spec::{
    AnalysisSpec, BetaSpec, ConstraintsSpec, CoulombSpec, GeometrySpec, Input, MeshSpec, PressureCoupling, StageKind,
    ThermostatSpec,
};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn toml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // molecules of the user's own are no inputs
            if path.file_name().unwrap() != "molecules" {
                toml_files(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "toml")
            && !["energies", "expected"].iter().any(|data| path.file_stem().unwrap() == *data)
        {
            found.push(path);
        }
    }
}

fn parse(text: &str) -> Input {
    input::parse(text, "test.toml", Path::new("/data"), &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// The smallest input, with `rest` below `[system]`.
fn small(rest: &str) -> String {
    format!("[system]\nwater = {{ model = \"SPC/E\", molecules = 216 }}\ndensity = \"0.997 g/cm3\"\n{rest}")
}

#[test]
fn every_shipped_input_parses_and_round_trips() {
    let mut files = Vec::new();
    toml_files(&root().join("inputs"), &mut files);
    toml_files(&root().join("validation"), &mut files);
    assert!(files.len() >= 5, "found only {files:?}");
    for file in files {
        let parsed = input::read(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        // The parameters of a topology are its own.
        if let GeometrySpec::Topology { structure, topology } = &parsed.system.geometry {
            assert!(structure.is_file() && topology.path.is_file(), "{structure:?} or {topology:?} is missing");
        } else if parsed.system.solutes.iter().all(|s| s.file.is_none()) {
            forcefield::assemble(&parsed.system, parsed.nonbonded.mixing).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        }
        let written = to_toml(&parsed);
        let again = input::parse(&written, "run.toml", Path::new("/elsewhere"), &[]);
        assert_eq!(again.unwrap_or_else(|e| panic!("{file:?}: {e}\n{written}")), parsed, "{written}");
        if let GeometrySpec::Structure(structure) = &parsed.system.geometry {
            assert!(structure.is_file(), "{structure:?} is missing");
        }
    }
}

#[test]
fn the_demo_says_what_the_readme_promises() {
    let demo = input::read(&root().join("inputs/zn-hydration.toml"), &[]).unwrap();
    assert_eq!(demo.system.water.molecules, Some(512));
    assert_eq!(demo.system.geometry, GeometrySpec::Density(0.997));
    assert_eq!(demo.dynamics.timestep, 0.002);
    assert_eq!(demo.dynamics.thermostat, ThermostatSpec::Csvr { temperature: 298.15, time_constant: 0.5 });
    let durations: Vec<f64> = demo
        .stages
        .iter()
        .filter_map(|s| match s.kind {
            StageKind::Dynamics { duration, .. } => Some(duration),
            StageKind::Minimise { .. } => None,
        })
        .collect();
    assert_eq!(durations, [20.0, 80.0]);
    assert!(matches!(demo.stages[0].kind, StageKind::Minimise { max_force: 100.0, .. }));
    assert!(matches!(demo.stages[1].kind, StageKind::Dynamics { analyse: false, .. }));
    assert!(matches!(demo.stages[2].kind, StageKind::Dynamics { analyse: true, .. }));
    assert!(matches!(demo.analyses[0], AnalysisSpec::Rdf { .. }));
    assert!(matches!(demo.analyses[1], AnalysisSpec::Coordination { .. }));
    assert!(matches!(demo.analyses[2], AnalysisSpec::Angles { .. }));
}

#[test]
fn defaults() {
    let input = parse(&small("[[stage]]\nname = \"run\"\nduration = \"1 ps\"\n"));
    assert_eq!(input.title, "test");
    assert_eq!(input.nonbonded.cutoff, 0.9);
    assert!(input.nonbonded.dispersion_correction);
    assert!(matches!(input.nonbonded.coulomb, CoulombSpec::Pme { order: 5, .. }));
    assert_eq!(input.dynamics.checkpoint_every, 10.0);
    assert_eq!(input.dynamics.log_every, 0.2);
    assert_eq!((input.dynamics.com_removal_every, input.dynamics.neighbor_every), (100, None));
    assert_eq!(input.dynamics.thermostat, ThermostatSpec::None { initial_temperature: 298.15 });
    assert!(!input.system.net_charge_allowed);
}

#[test]
fn everything_round_trips() {
    let text = r#"
title = "all \"keys\" of the schema"
[system]
water = { model = "OPC3" }
solutes = [{ name = "Zn2+", model = "li-merz-iod", concentration = "0.1 mol/L" }, { name = "Cl-", count = 7 }]
box = [["3.1 nm", "0 nm", "0 nm"], ["0.3 nm", "31 angstrom", "0 nm"], ["0.1 nm", "0.2 nm", "3.3 nm"]]
density = "997 kg/m3"
net_charge = "allowed"
seed = 7
[nonbonded]
cutoff = "10 angstrom"
lj_modifier = "switch"
switch_start = "0.9 nm"
mixing = "geometric"
dispersion_correction = false
[nonbonded.coulomb.ewald]
tolerance = 1e-6
n_max = 12
n_sq_max = 27
[dynamics]
timestep = "1.5 fs"
skin = "0.1 nm"
[dynamics.thermostat.langevin]
temperature = "25 celsius"
[[stage]]
name = "warm"
duration = "2.1 ps"
timestep = "0.7 fs"
log_every = "0.7 ps"
analyse = true
trajectory = { every = "2.1 ps" }
"#;
    let text = format!(
        "{text}\n[stage.thermostat.langevin]\nfriction = \"5 /ps\"\n[[stage]]\nname = \"nve\"\nduration = \"3 ps\"\n\
         [stage.thermostat.none]\n[[analysis]]\n[analysis.rdf]\npairs = [[\"Zn2+\", \"OW\"]]\nr_max = \"1 nm\"\nevery = \"2.1 ps\"\n"
    );
    let input = parse(&text);
    let written = to_toml(&input);
    assert_eq!(parse(&written), input, "{written}");
    // A stage completes its thermostat from [dynamics], and rounds what it was not given to its own time step.
    let StageKind::Dynamics { dynamics, analyse, .. } = &input.stages[0].kind else { panic!() };
    assert_eq!(dynamics.thermostat, ThermostatSpec::Langevin { temperature: 298.15, friction: 5.0 });
    assert!(*analyse);
    assert!((input.dynamics.log_every - 0.1995).abs() < 1e-12);
    let StageKind::Dynamics { dynamics, .. } = &input.stages[1].kind else { panic!() };
    assert_eq!(dynamics.thermostat, ThermostatSpec::None { initial_temperature: 298.15 });
}

/// What is held in place, chains and barostats: read, completed by stages, written and read again.
#[test]
fn held_atoms_chains_and_barostats_round_trip() {
    let text = small(
        r#"
[dynamics]
constraints = "all-bonds"
hydrogen_mass = "3 Da"
frozen = ["OW", "HW1"]
restraints = [
  { atoms = "Zn2+", force_constant = "1000 kJ/mol/nm2" },
  { atoms = "Cl-", force_constant = ["0 kJ/mol/nm2", "0 kJ/mol/nm2", "1 kcal/mol/angstrom2"] },
]
[dynamics.thermostat.nose-hoover]
temperature = "300 K"
chain_length = 4
"#,
    );
    let input = parse(&text);
    assert_eq!(parse(&to_toml(&input)), input, "{}", to_toml(&input));
    let dynamics = &input.dynamics;
    assert_eq!((dynamics.constraints, dynamics.hydrogen_mass), (ConstraintsSpec::AllBonds, Some(3.0)));
    assert_eq!(dynamics.frozen, ["OW", "HW1"]);
    assert_eq!(dynamics.restraints[0].force_constant, [1000.0; 3]);
    assert!((dynamics.restraints[1].force_constant[2] - 418.4).abs() < 1e-9);
    let chain = ThermostatSpec::NoseHoover { temperature: 300.0, time_constant: 1.0, chain_length: 4 };
    assert_eq!(dynamics.thermostat, chain);

    let text = small(
        r#"
[dynamics.thermostat.csvr]
temperature = "300 K"
[dynamics.barostat.c-rescale]
pressure = "0.1 MPa"
coupling = "semi-isotropic"
[[stage]]
name = "squeeze"
duration = "1 ps"
[stage.barostat.c-rescale]
pressure = "-1 kbar"
[[stage]]
name = "fixed"
duration = "1 ps"
[stage.barostat.none]
"#,
    );
    let input = parse(&text);
    assert_eq!(parse(&to_toml(&input)), input, "{}", to_toml(&input));
    let barostats: Vec<_> = (input.stages.iter())
        .map(|s| match &s.kind {
            StageKind::Dynamics { dynamics, .. } => dynamics.barostat,
            StageKind::Minimise { .. } => None,
        })
        .collect();
    let base = input.dynamics.barostat.unwrap();
    assert_eq!((base.pressure, base.time_constant, base.compressibility), (1.0, 5.0, 4.5e-5));
    assert_eq!(base.coupling, PressureCoupling::SemiIsotropic);
    let squeezed = barostats[barostats.len() - 2].unwrap();
    assert_eq!((squeezed.pressure, squeezed.coupling), (-1000.0, PressureCoupling::SemiIsotropic));
    assert_eq!(barostats.last(), Some(&None));
}

#[test]
fn each_kind_of_coulomb_round_trips() {
    for (table, expected) in [
        ("[nonbonded.coulomb.pme]\nbeta = \"3.47 /nm\"\ngrid = [24, 25, 27]\norder = 6\n", "Beta(3.47)"),
        ("[nonbonded.coulomb.ewald]\nbeta = \"0.3 /angstrom\"\n", "n_max: None"),
        ("[nonbonded.coulomb.reaction-field]\nepsilon = 78.5\n", "epsilon: 78.5"),
        ("[nonbonded.coulomb.reaction-field]\nepsilon = inf\n", "epsilon: inf"),
        ("[nonbonded.coulomb.cutoff]\n", "Fixed(Cutoff)"),
    ] {
        let input = parse(&small(table));
        let debug = format!("{:?}", input.nonbonded.coulomb);
        assert!(debug.contains(expected), "{debug}");
        assert_eq!(parse(&to_toml(&input)), input);
    }
}

#[test]
fn overrides_edit_values_tables_and_elements() {
    let file = root().join("inputs/zn-hydration.toml");
    let set = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        input::read(&file, &pairs).unwrap_or_else(|error| panic!("{error}"))
    };
    let input = set(&[
        ("dynamics.timestep", "1 fs"),
        ("nonbonded.cutoff", "\"1 nm\""),
        ("nonbonded.coulomb.pme.order", "4"),
        ("stage.production.duration", "1 ps"),
        ("stage.2.duration", "3 ps"),
        ("system.solutes.Cl-.count", "4"),
        ("system.net_charge", "allowed"),
        ("dynamics.thermostat", "{ langevin = { temperature = \"300 K\" } }"),
        ("analysis.1.rdf.pairs", "[[\"Zn2+\", \"OW\"]]"),
    ]);
    assert_eq!(input.dynamics.timestep, 0.001);
    assert_eq!(input.nonbonded.cutoff, 1.0);
    assert!(matches!(input.nonbonded.coulomb, CoulombSpec::Pme { order: 4, .. }));
    assert!(matches!(input.stages[1].kind, StageKind::Dynamics { duration: 3.0, .. }));
    assert!(matches!(input.stages[2].kind, StageKind::Dynamics { duration: 1.0, .. }));
    assert_eq!(format!("{:?}", input.system.solutes[1].amount), "Count(4)");
    assert!(input.system.net_charge_allowed);
    assert_eq!(input.dynamics.thermostat, ThermostatSpec::Langevin { temperature: 300.0, friction: 1.0 });
    assert!(matches!(&input.analyses[0], AnalysisSpec::Rdf { pairs, .. } if pairs.len() == 1));
}

#[test]
fn a_structure_counts_from_the_folder_of_the_input() {
    let input = parse("[system]\nstructure = \"../a/system.gro\"\nwater = { model = \"SPC/E\" }\n");
    let GeometrySpec::Structure(path) = input.system.geometry else { panic!() };
    assert_eq!(path, std::path::absolute("/data/../a/system.gro").unwrap());
}

#[test]
fn accuracy_is_one_word_and_single_keys_still_win() {
    let pme = |rest: &str| {
        let stage = "[[stage]]\nname = \"run\"\nduration = \"1 ps\"\n";
        let input = parse(&small(&format!("[nonbonded]\n{rest}\n{stage}")));
        let written = to_toml(&input);
        assert_eq!(input::parse(&written, "run.toml", Path::new("/data"), &[]).unwrap(), input, "{written}");
        (input.nonbonded.coulomb, written)
    };
    let of = |tolerance, spacing, order| CoulombSpec::Pme {
        beta: BetaSpec::Tolerance(tolerance),
        mesh: MeshSpec::Spacing(spacing),
        order,
    };
    assert_eq!(pme("").0, of(1e-5, 0.12, 5));
    assert_eq!(pme("accuracy = \"default\"").0, of(1e-5, 0.12, 5));
    let (tight, written) = pme("accuracy = \"tight\"");
    assert_eq!(tight, of(1e-6, 0.08, 6));
    for line in ["accuracy = \"tight\"", "spacing = \"0.08 nm\"", "order = 6"] {
        assert!(written.lines().any(|l| l == line), "run.toml says {line}:\n{written}");
    }
    let (mixed, _) = pme("accuracy = \"tight\"\n[nonbonded.coulomb.pme]\norder = 4\n");
    assert_eq!(mixed, of(1e-6, 0.08, 4));
}
