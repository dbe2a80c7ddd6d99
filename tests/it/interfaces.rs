//! The interfaces of `inputs/` in small: what `build` says of them, and a short run on the `cpu` backend.

use std::path::Path;
use std::process::{Command, Output};

const INPUTS: [&str; 9] = [
    "graphite-water",
    "graphite-znso4-1m",
    "graphite-znotf2-2m",
    "zn-znotf2-2m",
    "voh-znotf2-2m-ide",
    "n-graphene-znotf2-2m",
    "mxene-zn-znotf2-2m",
    "mno2-hexane-znotf2-2m",
    "tis2-znotf2-2m",
];

fn hexaqua(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    command.args(arguments).env("RAYON_NUM_THREADS", "2").env("HEXAQUA_CACHE", "");
    command.output().expect("starts")
}

/// The input with a gap and a lateral size that a test can afford.
fn small(name: &str) -> Vec<String> {
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs").join(format!("{name}.toml"));
    let mut arguments = vec![input.to_string_lossy().into_owned()];
    let mut set = |pair: &str| arguments.extend(["--set".to_string(), pair.to_string()]);
    // half of it holds the cutoff, in whole cells
    set(match name.split('-').next() {
        Some("n" | "tis2") => r#"surface.size=["1.96 nm", "2.4 nm"]"#,
        _ => r#"surface.size=["1.9 nm", "2 nm"]"#,
    });
    // hexane takes some of the gap
    set(if name.starts_with("mno2") { "surface.gap=4 nm" } else { "surface.gap=2 nm" });
    set("surface.vacuum=4 nm");
    if name.ends_with("ide") {
        set("system.solutes.IDE.count=1");
    }
    arguments
}

fn run_ok(arguments: &[String], command: &str, more: &[&str]) -> String {
    let mut all = vec![command];
    all.extend(arguments.iter().map(String::as_str));
    all.extend(more);
    let output = hexaqua(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{all:?}: {}{text}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn build_prints_every_layer() {
    for name in INPUTS {
        let text = run_ok(&small(name), "build", &[]);
        for part in ["lateral ", "lower ", "liquid  gap ", "upper ", "vacuum  4 nm in all"] {
            assert!(text.lines().any(|line| line.starts_with(part)), "{name}: `{part}` in\n{text}");
        }
        if name.contains("zn") && name.contains('m') {
            assert!(text.contains("mol/L of the accessible volume"), "{name}");
        }
        let charge = text.lines().find_map(|l| l.strip_prefix("net charge")).expect("a net charge");
        assert!(charge.contains("+0.0000"), "{name}: {charge}");
    }
}

/// Figures of an interface say what they show: colours of maps have numbers and a unit, a line on another is dashed, and g(r) does not tend to 1.
fn is_readable(out: &Path) {
    let figure = |name: &str| std::fs::read_to_string(out.join("figures").join(name)).expect("a figure");
    assert!(figure("density_profile_map_SPC_E.svg").contains(">molecules (nm⁻³)</text>"));
    // faces below and above apart, for they are not held alike; one of them may have no ion yet
    let sides = ["below", "above"].map(|side| figure(&format!("coordination_Zn2+_layers_{side}.svg")));
    let is_dashed = |l: &&str| l.starts_with("<path") && l.contains("stroke-dasharray");
    let lines = sides.map(|s| (s.lines().filter(is_dashed).count(), s.matches("<path").count()));
    assert!(lines.contains(&(1, 3)) && lines.iter().all(|l| [(1, 3), (0, 0)].contains(l)), "{lines:?}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
    let note = page.split("<figcaption class=\"note\">The liquid takes ").nth(1).expect("a note below g(r)");
    // about 1.9 by 2 nm and 7.3 nm high, with a gap of 2 nm: 4.5 (1 − r/3.3 nm)
    let number = |before: &str, after: &str| -> f64 {
        let part = note.split(before).nth(1).and_then(|n| n.split(after).next());
        part.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("a number after `{before}` in {note}"))
    };
    let share: f64 = note.split(" %").next().and_then(|n| n.parse().ok()).expect("a share");
    let (level, twice) = (number("it would be about ", "("), number("1 − r/", " nm"));
    assert!((level * share / 100.0 - 1.0).abs() < 0.03, "{level} and {share} %");
    assert!((level * 0.5 * twice / 7.34 - 1.0).abs() < 0.01, "as much as in the whole cell: {level}, {twice} nm");
}

/// Packed starts are minimised and move for a few steps; charges of electrodes stand in the log and are opposite.
#[test]
fn interfaces_run_from_a_packed_start() {
    for name in INPUTS {
        let scratch = tempfile::tempdir().expect("scratch");
        let out = scratch.path().join("run");
        let out = out.to_string_lossy().into_owned();
        let mut arguments = small(name);
        let mut set = |pair: &str| arguments.extend(["--set".to_string(), pair.to_string()]);
        set("stage.minimise.minimise.max_steps=150");
        set("stage.relax.duration=0.02 ps");
        set("stage.press.duration=0.02 ps");
        set("stage.equilibrate.duration=0.02 ps");
        set("stage.production.duration=0.04 ps");
        set("stage.production.trajectory={ every = \"0.02 ps\", format = \"xtc\" }");
        set("dynamics.log_every=0.01 ps");
        set("analysis.1.density-profile.every=0.02 ps");
        let is_pictured = name == "graphite-znso4-1m";
        if is_pictured {
            set("analysis.1.rdf.every=0.02 ps");
            set("analysis.1.coordination.every=0.02 ps");
        }
        let is_electrode = ["graphite", "zn-"].iter().any(|start| name.starts_with(start));
        if is_electrode {
            set("electrode.upper.potential=2 V");
        }
        run_ok(&arguments, "run", &["--backend", "cpu", "--out", &out]);
        if is_pictured {
            is_readable(Path::new(&out));
        }
        let log = std::fs::read_to_string(Path::new(&out).join("log.csv")).expect("a log");
        let heads: Vec<&str> = log.lines().next().expect("a head").split(',').collect();
        let column = |name: &str| heads.iter().position(|h| h.starts_with(name));
        assert_eq!(column("charge_upper (e)").is_some(), is_electrode, "{heads:?}");
        let last: Vec<f64> =
            log.lines().last().expect("rows").split(',').map(|x| x.parse().unwrap_or(f64::NAN)).collect();
        assert!(last[column("temperature").expect("a column")] < 2000.0, "{name}");
        if let (Some(lower), Some(upper)) = (column("charge_lower"), column("charge_upper")) {
            assert!((last[lower] + last[upper]).abs() < 1e-6, "{name}: {} {}", last[lower], last[upper]);
            assert!(last[upper] > 0.05, "{name}: 2 V charge the upper electrode, {}", last[upper]);
        }
        // The profile holds the voltage: zero below the slab, 2 V above it.
        if is_electrode {
            let profile =
                std::fs::read_to_string(Path::new(&out).join("analysis/density_profile.csv")).expect("a table");
            let head = profile.lines().next().expect("a head");
            // its own name holds the first comma inside a name
            let k =
                head.split(',').position(|h| h.contains("no field at z = 0")).unwrap_or_else(|| panic!("{head}")) - 1;
            let at =
                |line: Option<&str>| line.and_then(|l| l.split(',').nth(k)?.parse::<f64>().ok()).expect("a number");
            let (below, above) = (at(profile.lines().nth(1)), at(profile.lines().last()));
            assert!(below == 0.0 && (above - 2.0).abs() < 1e-3, "{name}: {below} V below, {above} V above");
        }
    }
}

/// Number in front of `words` on the line that begins with `start`.
fn counted(text: &str, start: &str, words: &str) -> usize {
    let line = text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("`{start}` in\n{text}"));
    let before = line.split(words).next().expect("a part").trim();
    before.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("a number in `{line}`"))
}

/// Atoms of the .gro that `build` writes: (residue, atom, z in nm).
fn built(name: &str, more: &[&str]) -> (String, Vec<(String, String, f64)>) {
    let scratch = tempfile::tempdir().expect("scratch");
    let out = scratch.path().join("start.gro").to_string_lossy().into_owned();
    let mut all = vec!["--out", &out];
    all.extend(more);
    let text = run_ok(&small(name), "build", &all);
    let gro = std::fs::read_to_string(&out).expect("a structure");
    let n = gro.lines().count();
    let atom = |line: &str| {
        let z = line[20..].split_whitespace().nth(2).and_then(|z| z.parse().ok()).expect("z");
        (line[5..10].trim().to_string(), line[10..15].trim().to_string(), z)
    };
    (text, gro.lines().skip(2).take(n - 3).map(atom).collect())
}

#[test]
fn monolayers_lie_on_the_faces_and_galleries_are_full() {
    let (text, atoms) = built("mno2-hexane-znotf2-2m", &[]);
    let n = counted(&text, "monolayer on the lower slab", "hexane");
    assert_eq!(n, counted(&text, "monolayer on the upper slab", "hexane"));
    // 2.5 per nm2 of about 1.9 nm by 2 nm
    assert!((8..=11).contains(&n), "{n}");
    let carbons: Vec<f64> = atoms.iter().filter(|a| a.0 == "HEX" && a.1.starts_with('C')).map(|a| a.2).collect();
    assert_eq!(carbons.len(), 2 * 6 * n);
    let face = |slab: &str| atoms.iter().filter(|a| a.0 == slab).map(|a| a.2).collect::<Vec<f64>>();
    let (floor, roof) =
        (face("LOW").into_iter().fold(f64::MIN, f64::max), face("UPP").into_iter().fold(f64::MAX, f64::min));
    assert!((roof - floor - 4.0).abs() < 0.01, "{floor} {roof}");
    let low = carbons.iter().filter(|&&z| z > floor + 0.25 && z < floor + 0.28 + 0.61).count();
    let high = carbons.iter().filter(|&&z| z < roof - 0.25 && z > roof - 0.28 - 0.61).count();
    assert_eq!((low, high), (6 * n, 6 * n), "each layer within 0.6 nm of where atoms may begin");
    let (text, bare) = built("mno2-hexane-znotf2-2m", &["--set", "surface.monolayers=[]"]);
    assert!(!text.contains("monolayer") && bare.iter().all(|a| a.0 != "HEX"));

    let (text, atoms) = built("voh-znotf2-2m-ide", &[]);
    let n = counted(&text, "gallery of the lower slab", "SPC/E");
    // whole cells: 2.309 nm by 2.143 nm
    assert_eq!(n, (10.6_f64 * 2.3088 * 2.1426).round() as usize, "10.6 per nm2");
    let slab: Vec<f64> = atoms.iter().filter(|a| a.0 == "LOW").map(|a| a.2).collect();
    let (bottom, top) = (slab.iter().copied().fold(f64::MAX, f64::min), slab.iter().copied().fold(f64::MIN, f64::max));
    let inside = atoms.iter().filter(|a| a.1 == "OW" && a.2 > bottom && a.2 < top).count();
    assert_eq!(inside, n);
    let lower = text.lines().find(|l| l.starts_with("lower ") && l.ends_with("frozen")).expect("a slab");
    assert!(lower.contains("2 sheets of 2 layer(s), 2.200 nm thick with a gallery 0.500 nm high"), "{lower}");
    // 0.5 nm between the vanadyl oxygens of both sides, written with six digits
    assert!(!slab.iter().any(|z| (z - 0.5 * (bottom + top)).abs() < 0.2499), "no oxide in the gallery");
}

#[test]
fn crystals_of_the_user_coatings_and_doped_carbon_are_built() {
    let vn = r#"surface.crystal={ file = "crystals/VN.cif", sites = [{ name = "V", charge = "1.2 e", sigma = "0.28 nm", epsilon = "0.067 kJ/mol" }, { name = "N", charge = "-1.2 e", sigma = "0.326 nm", epsilon = "0.289 kJ/mol" }] }"#;
    let count =
        |atoms: &[(String, String, f64)], name: &str| atoms.iter().filter(|a| a.0 == "LOW" && a.1 == name).count();
    let (_, atoms) = built("tis2-znotf2-2m", &[]);
    let titanium = count(&atoms, "Ti");
    assert!(titanium > 0 && count(&atoms, "S") == 2 * titanium, "{titanium}");
    // a sheet of TiS2 cut in two is a slab with Ti below and S above, across which tens of volts stand
    let (code, text) = said("tis2-znotf2-2m", &["surface.crystal.cut=0 nm"]);
    assert!(
        code == Some(0) && text.contains("begins with Ti and ends with S") && text.contains("V stand across"),
        "{text}"
    );
    let (code, text) = said("tis2-znotf2-2m", &[]);
    assert!(code == Some(0) && !text.contains("V stand across"), "{text}");
    let (_, atoms) = built("tis2-znotf2-2m", &["--set", vn]);
    let (v, n) = (count(&atoms, "V"), count(&atoms, "N"));
    // 5 x 6 cells of four, two layers of cells
    assert_eq!((v, n), (240, 240));
    let (text, atoms) = built("mxene-zn-znotf2-2m", &[]);
    assert!(text.contains("coating ") && text.contains("strained by"), "{text}");
    assert!(text.contains("lateral 7 x 4 cells") && text.contains("the slab below it is not strained"), "{text}");
    assert!(text.contains("3 layer(s) and the coating, 1.440 nm thick"), "{text}");
    assert!(!text.contains("the crystal itself"), "the coating is strained: {text}");
    // half of O's 0.311815 nm is taken off at both faces, and not of the 0.343 nm of the carbon below it
    assert!(text.contains("accessible height 1.688 nm"), "{text}");
    assert!(count(&atoms, "Zn") > 0 && count(&atoms, "O") == 2 * count(&atoms, "TiM"), "{text}");
    let (_, atoms) = built("n-graphene-znotf2-2m", &[]);
    let nitrogen = count(&atoms, "N");
    assert!(nitrogen > 0 && count(&atoms, "CN") == 3 * nitrogen && count(&atoms, "C") == 28 * nitrogen, "{nitrogen}");
    for (change, words) in [
        ("surface.crystal.sites.1.charge=2 e", "a slab must be neutral"),
        ("surface.crystal.sites.2.name=Se", "has an atom `S1`, and `sites` has no parameters for it"),
        ("surface.crystal.frame=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "at 120.0 degrees"),
        ("surface.crystal.file=crystals/none.cif", "crystals/none.cif"),
        ("surface.galleries=1", "has no galleries"),
        (
            "surface.monolayers=[{ species = \"IDE\", coverage = \"1 /nm2\" }]",
            "there is no solute `IDE` for a monolayer",
        ),
        ("surface.monolayers=[{ species = \"Zn2+\", coverage = \"1 /nm2\" }]", "a monolayer must be neutral"),
        ("surface.monolayers=[{ species = \"Zn2+\", coverage = \"1 nm\" }]", "is not a unit of a number per area"),
        ("surface.coating={ material = \"ti3c2\" }", "did you mean `ti3c2o2`?"),
    ] {
        let mut arguments = small("tis2-znotf2-2m");
        arguments.extend(["--set".to_string(), change.to_string()]);
        let mut all = vec!["build"];
        all.extend(arguments.iter().map(String::as_str));
        let output = hexaqua(&all);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{change}: {text}");
        assert!(text.contains(words), "{change}: {text}");
    }
}

/// The same on a device: charges of electrodes stand in the log and are opposite.
#[test]
fn an_interface_runs_on_the_gpu() {
    if hexaqua::forces::gpu::devices().is_empty() {
        assert!(std::env::var("HEXAQUA_REQUIRE_GPU").as_deref() != Ok("1"), "HEXAQUA_REQUIRE_GPU=1, but no adapter");
        println!("SKIPPED: no adapter");
        return;
    }
    let scratch = tempfile::tempdir().expect("scratch");
    let out = scratch.path().join("run").to_string_lossy().into_owned();
    let mut arguments = small("graphite-water");
    let mut set = |pair: &str| arguments.extend(["--set".to_string(), pair.to_string()]);
    set("stage.minimise.minimise.max_steps=120");
    set("stage.relax.duration=0.005 ps");
    set("stage.press.duration=0.005 ps");
    set("dynamics.timestep=0.5 fs");
    set("stage.equilibrate.duration=0.01 ps");
    set("stage.production.duration=0.01 ps");
    set("stage.production.trajectory={ every = \"0.005 ps\", format = \"xtc\" }");
    set("dynamics.log_every=0.005 ps");
    set("analysis.1.density-profile.every=0.005 ps");
    set("electrode.upper.potential=2 V");
    run_ok(&arguments, "run", &["--backend", "gpu", "--out", &out]);
    let log = std::fs::read_to_string(Path::new(&out).join("log.csv")).expect("a log");
    let heads: Vec<&str> = log.lines().next().expect("a head").split(',').collect();
    let column = |name: &str| heads.iter().position(|h| h.starts_with(name)).expect("a column");
    let last: Vec<f64> = log.lines().last().expect("rows").split(',').map(|x| x.parse().unwrap_or(f64::NAN)).collect();
    let (lower, upper) = (last[column("charge_lower")], last[column("charge_upper")]);
    assert!((lower + upper).abs() < 1e-6, "{lower} {upper}");
    assert!(upper > 0.05, "2 V charge the upper electrode, {upper}");
}

/// Electrodes back to back in a cell without vacuum: their charges are opposite and follow the potential.
#[test]
fn a_finite_field_charges_electrodes_without_vacuum() {
    let charge = |volts: &str| {
        let scratch = tempfile::tempdir().expect("scratch");
        let out = scratch.path().join("run").to_string_lossy().into_owned();
        let mut arguments = small("graphite-water-finite-field");
        let mut set = |pair: &str| arguments.extend(["--set".to_string(), pair.to_string()]);
        set("surface.vacuum=0.335 nm");
        set(&format!("external.finite_field={volts} V"));
        set("stage.minimise.minimise.max_steps=150");
        for stage in ["relax", "equilibrate", "production"] {
            set(&format!("stage.{stage}.duration=0.02 ps"));
        }
        set("stage.production.trajectory={ every = \"0.02 ps\", format = \"xtc\" }");
        set("dynamics.log_every=0.01 ps");
        set("analysis.1.density-profile.every=0.02 ps");
        run_ok(&arguments, "run", &["--backend", "cpu", "--out", &out]);
        let summary = std::fs::read_to_string(Path::new(&out).join("summary.json")).expect("a summary");
        let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
        let value = |id: &str| {
            let found = summary["values"].as_array().expect("values").iter().find(|v| v["quantity"] == id);
            found.and_then(|v| v["value"].as_f64()).unwrap_or_else(|| panic!("{id} in {summary}"))
        };
        let (lower, upper) = (value("electrode_charge(lower)"), value("electrode_charge(upper)"));
        assert!((lower + upper).abs() < 1e-6, "{lower} {upper}");
        let held: f64 = volts.parse().expect("a number");
        assert!((value("electrode_voltage") - held).abs() < 1e-9);
        upper
    };
    assert!(charge("2") > charge("0") + 0.05, "2 V charge the upper electrode");
}

/// Exit code and what `build` says on standard error.
fn said(name: &str, changes: &[&str]) -> (Option<i32>, String) {
    let mut arguments = small(name);
    changes.iter().for_each(|pair| arguments.extend(["--set".to_string(), pair.to_string()]));
    let mut all = vec!["build"];
    all.extend(arguments.iter().map(String::as_str));
    let output = hexaqua(&all);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Coverages that are none or too many name the monolayer, what was asked for and what to write instead; a small size is found where it is written.
#[test]
fn coverages_and_sizes_that_cannot_be_name_themselves() {
    const INPUT: &str = "mno2-hexane-znotf2-2m";
    let covered = |coverage: &str| {
        let layer = format!("surface.monolayers=[{{ species = \"hexane\", coverage = \"{coverage} /nm2\" }}]");
        said(INPUT, &[&layer])
    };
    let (code, text) = covered("0.01");
    assert!(code == Some(2) && text.contains("monolayer on the lower slab: a coverage of 0.01 /nm2 is"), "{text}");
    assert!(text.contains("rounds to none"), "{text}");
    let (code, text) = covered("7");
    assert!(code == Some(0) && text.contains("26 hexane in its 0.6 nm are 1.65 g/cm3"), "{text}");
    // of one face only, the second that is named
    let of = |face: &str, coverage: u32| {
        format!("{{ species = \"hexane\", coverage = \"{coverage} /nm2\", faces = \"{face}\" }}")
    };
    let (code, text) = said(INPUT, &[&format!("surface.monolayers=[{}, {}]", of("lower", 2), of("upper", 7))]);
    assert!(code == Some(0) && text.contains("monolayer on the upper slab: 26 hexane"), "{text}");
    let (code, text) = covered("4");
    assert!(code == Some(0) && !text.contains("more than such a liquid has"), "{text}");
    let (code, text) = covered("15");
    assert!(code == Some(2) && text.contains("monolayer on the lower slab:") && text.contains("/nm2"), "{text}");
    assert!(text.contains("do not fit into its height of"), "{text}");
    let (code, text) = said("graphite-water", &[r#"surface.size=["0.5 nm", "0.5 nm"]"#]);
    assert!(code == Some(2) && text.contains("a size of 0.5 x 0.5 nm is") && text.contains("size"), "{text}");
}

/// What is allowed and seldom meant is a warning with a remedy; without it there is none.
#[test]
fn electrodes_that_are_seldom_meant_are_warned_about() {
    // without a piston, which needs its vacuum
    const NAME: &str = "graphite-znso4-1m";
    const BACKS: &str = "a capacitor between the backs of `lower` and `upper`";
    let (code, text) = said(NAME, &[]);
    assert!(code == Some(0) && !text.contains(BACKS) && !text.contains("stand"), "{text}");
    assert!(!text.contains("Werder"), "a source is no warning: {text}");
    let (code, text) = said(NAME, &["external.slab_correction=false", "electrode.upper.potential=50 V"]);
    assert!(code == Some(0) && text.contains(BACKS) && text.contains("stand 50 V"), "{text}");
    assert!(text.contains("nm of vacuum is") && !text.contains("lose them"), "carbon has no charges to lose: {text}");
    // without vacuum the capacitor is a worse one; electrodes held alike have none
    let scratch = tempfile::tempdir().expect("scratch");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs");
    let joined = |volts: u32| {
        let name = "graphite-water-finite-field";
        let mut input = std::fs::read_to_string(root.join(format!("{name}.toml"))).expect("an input");
        for (from, to) in [
            ("finite_field = \"1 V\"", "slab_correction = false".to_string()),
            ("atoms = \"lower\"", "atoms = \"lower\"\npotential = \"0 V\"".to_string()),
            ("atoms = \"upper\"", format!("atoms = \"upper\"\npotential = \"{volts} V\"")),
        ] {
            assert_eq!(input.matches(from).count(), 1, "{from}");
            input = input.replace(from, &to);
        }
        let path = scratch.path().join("joined.toml");
        std::fs::write(&path, input).expect("written");
        let mut arguments = small(name);
        arguments[0] = path.to_string_lossy().into_owned();
        arguments.extend(["--set", "surface.vacuum=0.335 nm"].map(String::from));
        let mut all = vec!["build"];
        all.extend(arguments.iter().map(String::as_str));
        let output = hexaqua(&all);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = joined(1);
    assert!(code == Some(0) && text.contains(BACKS) && text.contains("so the boundary is"), "{text}");
    let (code, text) = joined(0);
    assert!(code == Some(0) && !text.contains("a capacitor between"), "{text}");
    // one layer does not screen the backs of a finite field
    let screens = |layers: &str| said("graphite-water-finite-field", &[&format!("surface.layers={layers}")]);
    let (code, text) = screens("1");
    assert!(code == Some(0) && text.contains("`lower` is one layer of atoms"), "{text}");
    let far = said("graphite-water-finite-field", &["surface.vacuum=3 nm"]);
    assert!(far.0 == Some(0) && far.1.contains("3.00 nm of vacuum, which do nothing"), "{far:?}");
    let (code, text) = screens("2");
    assert!(code == Some(0) && !text.contains("one layer of atoms"), "{text}");
    let (code, text) = said(NAME, &["electrode.lower.atoms=lower and z < 2.2 nm"]);
    assert!(code == Some(2) && text.contains("index 1-160"), "{text}");
    // An oxide as an electrode: charges that are replaced.
    let input = std::fs::read_to_string(root.join(format!("{NAME}.toml"))).expect("an input");
    let path = scratch.path().join("rutile.toml");
    std::fs::write(&path, input.replace("material = \"graphite\"", "material = \"tio2-rutile\"")).expect("written");
    let mut arguments = small(NAME);
    arguments[0] = path.to_string_lossy().into_owned();
    arguments.extend(["--set", r#"surface.size=["2.1 nm", "2.1 nm"]"#].map(String::from));
    let mut all = vec!["build"];
    all.extend(arguments.iter().map(String::as_str));
    let output = hexaqua(&all);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("the electrode `lower` have charges of their own"), "{text}");
    // One electrode alone: its potential does nothing, and at 0 V nobody expects it to.
    let (head, rest) = input.split_once("[[electrode]]").expect("electrodes");
    let (lower, rest) = rest.split_once("[[electrode]]").expect("two of them");
    let (_, stages) = rest.split_once("potential = \"0 V\"").expect("the upper one");
    for (potential, is_told) in [("1 V", true), ("0 V", false)] {
        let lone = format!("{head}[[electrode]]{}{stages}", lower.replace("0 V", potential));
        std::fs::write(&path, lone).expect("written");
        let output = hexaqua(&all[..all.len() - 2]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        let words = "`lower` is the only electrode: only differences of potentials matter, so 1 V do nothing";
        assert_eq!(text.contains(words), is_told, "{potential}: {text}");
    }
}

/// Amounts of an interface are those of the liquid, by the volume it can reach: slabs are dissolved in nothing, and what lies in galleries and on faces is no
/// part of it.
#[test]
fn amounts_beside_surfaces_are_those_of_the_liquid() {
    let numbers = |line: &str| line.split_whitespace().filter_map(|w| w.parse().ok()).collect::<Vec<f64>>();
    let text = run_ok(&small("voh-znotf2-2m-ide"), "build", &[]);
    assert!(text.contains("mol/L liquid") && !text.contains("mol/L cell") && !text.contains("whole cell"), "{text}");
    // the row of the table, and that of the layer
    let rows = |species: &str| {
        let mut lines = text.lines().filter(|l| l.trim_start().starts_with(&format!("{species} ")));
        lines.next().map(numbers).zip(lines.next().map(numbers)).unwrap_or_else(|| panic!("{species} in {text}"))
    };
    let slab = text.lines().find(|l| l.starts_with("lower ")).expect("a row");
    assert!(slab.ends_with('-'), "{slab}");
    let line = text.lines().find(|l| l.starts_with("liquid      ")).expect("its volume");
    assert!(text.contains("more molecules are in other layers"), "{text}");
    let (volume, density) = (numbers(line)[0], numbers(line)[1]);
    assert!((density / 1.42 - 1.0).abs() < 0.01, "{line}");
    let ((water, in_liquid), (zinc, _)) = (rows("SPC/E"), rows("Zn2+"));
    assert!(water[0] > in_liquid[0] && in_liquid[0] > 0.0, "water in the galleries is no liquid: {text}");
    // mol/L of 1/nm³
    assert!((water[2] / (in_liquid[0] / volume * 1.660_539) - 1.0).abs() < 1e-3, "{text}");
    assert!((zinc[2] / 2.0 - 1.0).abs() < 0.1, "2 mol/L were asked for: {text}");
    let kilogram = in_liquid[0] * 18.0154e-3;
    assert!((zinc[3] / (zinc[0] / kilogram) - 1.0).abs() < 1e-3, "mol/kg of the water of the liquid: {text}");
    // a liquid that fills its cell has a density as ever
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/spce-water.toml");
    let bulk = run_ok(&[root.to_string_lossy().into_owned()], "build", &[]);
    assert!(bulk.contains("  mol/L  ") && bulk.contains("density     0.99"), "{bulk}");
}

/// What a surface cannot be is said with its line, and exit code 2.
#[test]
fn impossible_surfaces_are_refused() {
    for (change, words) in [
        ("surface.material=graphit", "did you mean `graphite`?"),
        ("surface.gap=0.3 nm", "has no room for a liquid"),
        ("system.box=[\"3 nm\", \"3 nm\", \"3 nm\"]", "beside [surface]"),
        ("surface.slabs=4", "must be 1, 2 or 3"),
        ("electrode.upper.atoms=OW", "is of the water, and an electrode is a slab"),
        ("electrode.upper.atoms=SPC/E", "is of the water, and an electrode is a slab"),
        ("surface.slabs=1", "there is one slab, `lower`"),
        ("electrode.upper.atoms=lower", "belongs to the electrodes `lower` and `upper`"),
        (
            "external.slab_correction=false\u{0}surface.vacuum=0 nm",
            "vacuum = \"0.335 nm\" joins the slabs back to back",
        ),
        ("external.slab_correction=false\u{0}surface.vacuum=0.335 nm", ""),
        ("surface.vacuum=0.2 nm", "needs an empty part of the cell"),
    ] {
        // without vacuum there is no room for a piston
        let is_periodic = change.contains("slab_correction=false");
        let name = if is_periodic { "graphite-water-finite-field" } else { "graphite-water" };
        let mut arguments = small(name);
        for pair in change.split('\u{0}') {
            arguments.extend(["--set".to_string(), pair.to_string()]);
        }
        let mut all = vec!["build"];
        all.extend(arguments.iter().map(String::as_str));
        let output = hexaqua(&all);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = if words.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(expected), "{change}: {text}");
        assert!(text.contains(words), "{change}: {text}");
    }
}
