//! Films between walls and three electrodes, as `inputs/` has them, in small: what is built, what is refused, and how they behave.

use crate::support::compare::{assert_relative, relative_error};
use hexaqua::units::{COULOMB, VOLT};
use std::f64::consts::PI;
use std::path::Path;
use std::process::{Command, Output};

fn hexaqua(command: &str, name: &str, set: &[&str], more: &[&str]) -> Output {
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs").join(format!("{name}.toml"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    run.arg(command).arg(input).args(set.iter().flat_map(|pair| ["--set", *pair])).args(more);
    run.env("RAYON_NUM_THREADS", "2").env("HEXAQUA_CACHE", "").output().expect("starts")
}

fn accepted(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The small film of the head of its input, of 2 nm in `vacuum` nm.
fn film(vacuum: f64) -> Vec<String> {
    vec![
        r#"system.box=["2 nm", "2 nm", "2 nm"]"#.into(),
        format!("system.vacuum={vacuum} nm"),
        format!("wall.1.z={} nm", 0.5 * vacuum),
        format!("wall.2.z={} nm", 0.5 * vacuum + 2.0),
    ]
}

fn refs(set: &[String]) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}

#[test]
fn a_film_is_built_between_its_walls() {
    let set = film(4.0);
    let text = accepted(&hexaqua("build", "film-water-walls", &refs(&set), &[]));
    for part in [
        "film    from 2.000 to 4.000 nm, accessible height 1.660 nm",
        "vacuum  4 nm in all",
        "wall 1  at 2 nm, below what it acts on",
        "2.00000 x 2.00000 x 6.00000 nm",
        "liquid      6.6400 nm^3 are accessible to it, 0.99",
        "mol/L liquid",
    ] {
        assert!(text.contains(part), "`{part}` in\n{text}");
    }
    // 33.3 waters per nm³ of what the walls leave
    let line = text.lines().rfind(|l| l.starts_with(' ') && l.trim_start().starts_with("SPC/E")).expect("water");
    let n: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    assert!((n / (4.0 * 1.66 * 33.33) - 1.0).abs() < 0.01, "{n} waters");
    for (changes, words) in [
        (
            &[
                "system.box=[[\"3 nm\", \"0 nm\", \"0 nm\"], [\"0 nm\", \"3 nm\", \"0 nm\"], [\"1 nm\", \"0 nm\", \"3 nm\"]]",
            ][..],
            "`vacuum` lies along z",
        ),
        (&["system.vacuum=0 nm"], "vacuum"),
        (&["wall.1.z=5.9 nm", "wall.2.z=6.1 nm"], "the walls leave no room for a film"),
    ] {
        let output = hexaqua("build", "film-water-walls", changes, &[]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(words), "{changes:?}: {text}");
    }
    // a vacuum is a surface: no dispersion correction, no barostat
    let scratch = tempfile::tempdir().expect("scratch");
    let film = |more: &str| {
        let path = scratch.path().join("film.toml");
        let input = "[system]\nwater = { model = \"SPC/E\", molecules = 200 }\nbox = [\"2 nm\", \"2 nm\", \"2 nm\"]\nvacuum = \"4 nm\"\n";
        std::fs::write(&path, format!("{input}{more}")).expect("written");
        let run =
            Command::new(env!("CARGO_BIN_EXE_hexaqua")).args(["energy", "--backend", "reference"]).arg(&path).output();
        let run = run.expect("starts");
        let text = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        (run.status.code(), text)
    };
    let (code, text) = film("");
    assert!(code == Some(0) && text.contains("lj") && !text.contains("dispersion_correction"), "{text}");
    let (code, text) = film("[nonbonded]\ndispersion_correction = true\n");
    assert!(code == Some(2) && text.contains("there is a surface"), "{text}");
    let bath =
        "[dynamics.thermostat.csvr]\ntemperature = \"298.15 K\"\n[dynamics.barostat.c-rescale]\npressure = \"1 bar\"\n";
    let (code, text) = film(bath);
    assert!(code == Some(2) && text.contains("cannot tell a slab from its vacuum"), "{text}");
    // a density makes a box for all molecules, of which walls take a part
    let wall = "[[wall]]\nz = \"2 nm\"\nside = \"above\"\n[wall.nine-three]\nsigma = \"0.34 nm\"\nepsilon = \"28 K\"\ndensity = \"114 /nm3\"\n";
    let narrowed = |wall: &str| {
        let path = scratch.path().join("narrow.toml");
        let input =
            "[system]\nwater = { model = \"SPC/E\", molecules = 200 }\ndensity = \"0.997 g/cm3\"\nvacuum = \"4 nm\"\n";
        std::fs::write(&path, format!("{input}{wall}")).expect("written");
        let run = Command::new(env!("CARGO_BIN_EXE_hexaqua")).arg("build").arg(&path).output().expect("starts");
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr)
    };
    let text = narrowed(wall);
    assert!(text.contains("walls take a part of the box that 0.9970 g/cm3 made"), "{text}");
    assert!(!narrowed("").contains("walls take"), "there are none");
    let output = hexaqua("build", "graphite-water", &["system.vacuum=4 nm"], &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("`vacuum` beside [surface]"), "{text}");
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join("full.toml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/film-water-walls.toml");
    let input = std::fs::read_to_string(root).expect("an input");
    std::fs::write(&path, input.split("[[wall]]").next().expect("a head").replace("vacuum = \"8 nm\"\n", ""))
        .expect("written");
    let run = Command::new(env!("CARGO_BIN_EXE_hexaqua")).arg("build").arg(&path).output().expect("starts");
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.code() == Some(2) && text.contains("needs an empty part of the cell"), "{text}");
    assert!(text.contains("[system] vacuum = \""), "{text}");
}

/// Total energy of the packed film, kJ/mol, and that of the field.
fn energies(vacuum: f64, more: &[&str]) -> (f64, f64) {
    let set = film(vacuum);
    let set: Vec<&str> = refs(&set).into_iter().chain(more.iter().copied()).collect();
    let text = accepted(&hexaqua("energy", "film-water-walls", &set, &["--json", "--backend", "reference"]));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    (value["total"].as_f64().expect("a number"), value["terms"]["external_field"].as_f64().unwrap_or(0.0))
}

/// The vacuum is none of the film's business, and the energy is linear in the field: −dU/dE is the dipole.
#[test]
fn a_film_does_not_feel_its_vacuum() {
    let tight = "nonbonded.accuracy=tight";
    let ((near, _), (far, _)) = (energies(4.0, &[tight]), energies(7.0, &[tight]));
    println!("{near} {far} kJ/mol");
    assert_relative("energy", near, far, 1e-4);
    let field = "external.field=0.5 V/nm";
    let ((held, of_field), (held_far, of_field_far)) = (energies(4.0, &[tight, field]), energies(7.0, &[tight, field]));
    assert_relative("energy in a field", held, held_far, 1e-4);
    assert!((of_field - of_field_far).abs() < 1e-6 * held.abs(), "{of_field} {of_field_far}");
    assert!((held - near - of_field).abs() < 1e-9 * held.abs(), "{held} {near} {of_field}");
    // without the correction it does feel it: the packed water has a dipole
    let plain = [tight, "external.slab_correction=false"];
    let apart = relative_error(energies(4.0, &plain).0, near);
    println!("without the correction {apart:.1e}");
    assert!(apart > 1e-4, "{apart:.1e}");
}

/// Forces on all atoms, kJ/mol/nm, one component after another, and what is warned about.
fn forces(vacuum: f64) -> (Vec<f64>, String) {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join("f.csv").to_string_lossy().into_owned();
    let set = film(vacuum);
    let set: Vec<&str> = refs(&set).into_iter().chain(["nonbonded.accuracy=tight"]).collect();
    let output = hexaqua("energy", "film-water-walls", &set, &["--backend", "reference", "--forces", &path]);
    accepted(&output);
    let table = std::fs::read_to_string(path).expect("a table");
    let numbers = |row: &str| row.split(',').skip(1).filter_map(|x| x.parse().ok()).collect::<Vec<f64>>();
    (table.lines().skip(1).flat_map(numbers).collect(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Of little vacuum it is said how much suffices, and it does: forces are then those of a far higher cell to 1e-4 of their rms, and were not before.
#[test]
fn little_vacuum_is_told_with_what_suffices() {
    let (felt, warning) = forces(0.6);
    let proposal = |text: &str, section: &str| -> f64 {
        let (_, rest) = text.split_once(&format!("{section} vacuum = \"")).unwrap_or_else(|| panic!("{text}"));
        rest.split(" nm").next().and_then(|x| x.parse().ok()).expect("a number")
    };
    let enough = proposal(&warning, "[system]");
    assert!(warning.contains("through it the slab feels its images"), "{warning}");
    assert!(warning.contains(&format!("z of every wall {:.2} nm higher", 0.5 * (enough - 0.6))), "{warning}");
    let ((near, none), (far, _)) = (forces(enough), forces(3.0 * enough));
    assert!(!none.contains("vacuum"), "{none}");
    let off = |f: &[f64]| {
        let rms = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
        assert_eq!(f.len(), far.len());
        rms(&mut f.iter().zip(&far).map(|(a, b)| a - b)) / rms(&mut far.iter().copied())
    };
    println!("{enough} nm: forces off by {:.1e}, at 0.6 nm by {:.1e}", off(&near), off(&felt));
    assert!(off(&near) < 1e-4, "{:.1e}", off(&near));
    assert!(off(&felt) > 5e-4, "{:.1e}", off(&felt));
    // slabs have a key of their own, and errors point at it
    let slabs = |vacuum: &str| {
        let set = [r#"surface.size=["1.9 nm", "2 nm"]"#, "surface.gap=2 nm", vacuum];
        let output = hexaqua("build", "graphite-znso4-1m", &set, &[]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = slabs("surface.vacuum=1.5 nm");
    let enough = proposal(&text, "[surface]");
    assert!(code == Some(0) && enough > 2.4 && enough < 2.8, "{text}");
    assert!(!slabs(&format!("surface.vacuum={enough} nm")).1.contains("vacuum"));
    let (code, text) = slabs("surface.vacuum=0.5 nm");
    assert!(code == Some(2) && text.contains("  | surface.vacuum=0.5 nm\n  |                ^^^^^^"), "{text}");
    assert!(proposal(&text, "[surface]") == enough, "{text}");
}

/// Dipole of the film along a field (V/nm), e nm, and the height of its centre of mass, nm: means over a short run.
fn polarised(field: f64) -> (f64, f64) {
    let scratch = tempfile::tempdir().expect("scratch");
    let out = scratch.path().join("run").to_string_lossy().into_owned();
    let set = film(4.0);
    let along = format!("external.field={field} V/nm");
    let mut set = refs(&set);
    set.extend([
        along.as_str(),
        "stage.relax.duration=1 ps",
        "stage.equilibrate.duration=1 ps",
        "stage.production.duration=5 ps",
        "stage.production.trajectory={ every = \"0.1 ps\", format = \"xtc\" }",
        "analysis.1.density-profile.every=0.1 ps",
        "dynamics.log_every=0.05 ps",
    ]);
    accepted(&hexaqua("run", "film-water-walls", &set, &["--backend", "cpu", "--out", &out]));
    let log = std::fs::read_to_string(Path::new(&out).join("log.csv")).expect("a log");
    let heads: Vec<&str> = log.lines().next().expect("a head").split(',').collect();
    let column = heads.iter().position(|h| h.starts_with("external_field")).unwrap_or_else(|| panic!("{heads:?}"));
    let values: Vec<f64> = log
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(column).and_then(|x| x.parse().ok()).expect("a number"))
        .collect();
    // of the last 5 ps
    let last = &values[values.len() - 100..];
    let dipole = -last.iter().sum::<f64>() / 100.0 / (field.abs() * VOLT);
    let profile = std::fs::read_to_string(Path::new(&out).join("analysis/density_profile.csv")).expect("a table");
    let rows: Vec<Vec<f64>> =
        profile.lines().skip(1).map(|l| l.split(',').map(|x| x.parse().unwrap_or(0.0)).collect()).collect();
    // mass density is the second column: the centre of the film
    let mass: f64 = rows.iter().map(|r| r[1]).sum();
    let centre = rows.iter().map(|r| r[0] * r[1]).sum::<f64>() / mass;
    (dipole, centre)
}

/// Water keeps E/ε of a field: the film has the dipole of a conductor, ε₀ E per area and height, up to 1/ε and the thickness of
/// its surfaces.
#[test]
fn a_field_polarises_a_film_as_a_dielectric() {
    let (up, centre) = polarised(0.5);
    let (down, other) = polarised(-0.5);
    let permittivity = VOLT / (4.0 * PI * COULOMB); // e/V/nm
    let height = 0.5 * (up + down) / (permittivity * 0.5 * 4.0);
    println!(
        "dipole {up:.4} and {down:.4} e nm, as of a conductor {height:.3} nm high; centres {centre:.3} and {other:.3} nm"
    );
    assert!(up > 0.0 && down > 0.0, "positive along the field: {up} {down}");
    // the film is 2 nm between the planes of the walls, 1.66 nm without half of their atoms
    assert!(height > 1.3 && height < 2.1, "{height} nm");
    assert!((centre - 3.0).abs() < 0.05 && (other - 3.0).abs() < 0.05, "{centre} {other}");
}

/// A slab of given charge between two at potentials.
#[test]
fn three_electrodes_keep_what_they_are_given() {
    const SMALL: [&str; 4] =
        [r#"surface.size=["1.9 nm", "2 nm"]"#, "surface.gap=2 nm", "surface.vacuum=6 nm", "surface.layers=1"];
    let text = accepted(&hexaqua("build", "graphite-three-electrodes", &SMALL, &[]));
    for part in
        ["lower ", "liquid  gap 2 nm", "middle ", "liquid  the same amounts again", "upper ", "vacuum  6 nm in all"]
    {
        assert!(text.lines().any(|line| line.starts_with(part)), "`{part}` in\n{text}");
    }
    for charge in [0.0, 1.0] {
        let scratch = tempfile::tempdir().expect("scratch");
        let out = scratch.path().join("run").to_string_lossy().into_owned();
        let given = format!("electrode.middle.charge={charge} e");
        let mut set = SMALL.to_vec();
        set.extend([
            given.as_str(),
            "system.net_charge=allowed",
            "stage.minimise.minimise.max_steps=100",
            "stage.relax.duration=0.02 ps",
            "stage.equilibrate.duration=0.02 ps",
            "stage.production.duration=0.04 ps",
            "stage.production.trajectory={ every = \"0.02 ps\", format = \"xtc\" }",
            "analysis.1.density-profile.every=0.02 ps",
            "dynamics.log_every=0.01 ps",
        ]);
        accepted(&hexaqua("run", "graphite-three-electrodes", &set, &["--backend", "cpu", "--out", &out]));
        let log = std::fs::read_to_string(Path::new(&out).join("log.csv")).expect("a log");
        let heads: Vec<&str> = log.lines().next().expect("a head").split(',').collect();
        let last: Vec<f64> =
            log.lines().last().expect("rows").split(',').map(|x| x.parse().unwrap_or(f64::NAN)).collect();
        let [lower, middle, upper] = ["lower", "middle", "upper"]
            .map(|name| last[heads.iter().position(|h| h.starts_with(&format!("charge_{name}"))).expect("a column")]);
        println!("{lower:.4}, {middle:.4}, {upper:.4} e");
        assert!((middle - charge).abs() < 1e-6, "{middle} of {charge} e");
        assert!((lower + middle + upper).abs() < 1e-6, "neutral together: {lower} {middle} {upper}");
        // 2 V over about 4 nm of water and metal
        assert!(upper > lower, "2 V: {lower} {upper}");
    }
    for (change, words) in [
        ("surface.slabs=4", "must be 1, 2 or 3"),
        ("surface.coating={ material = \"ti3c2o2\" }", "the slab in the middle has two faces"),
        ("stage.equilibrate.piston={ pressure = \"1 bar\" }", "three slabs hold two"),
    ] {
        let output = hexaqua("build", "graphite-three-electrodes", &[change], &[]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(words), "{change}: {text}");
    }
}
