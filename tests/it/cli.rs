//! The program as a user meets it: exit codes, messages, files, and runs that survive being killed.

use hexaqua::io::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn hexaqua(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    command.current_dir(root()).args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    hexaqua(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs and expects an exit code; returns (stdout, stderr).
fn expect(code: i32, args: &[&str]) -> (String, String) {
    let done = output(args);
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(code), "hexaqua {args:?}\n{out}\n{err}");
    (out, err)
}

/// Is there an adapter, a software one included? Without one tests of the device are skipped, or fail when one is required.
fn device() -> bool {
    let found = !hexaqua::forces::gpu::devices().is_empty();
    if !found {
        assert!(std::env::var("HEXAQUA_REQUIRE_GPU").as_deref() != Ok("1"), "HEXAQUA_REQUIRE_GPU=1 and no adapter");
        println!("SKIPPED: no adapter");
    }
    found
}

fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("the scratch folder is writable");
    path.display().to_string()
}

/// A short water run with everything that a run can write.
const WATER: &str = r#"
title = "216 waters"
[system]
water = { model = "SPC/E", molecules = 216 }
density = "0.997 g/cm3"
seed = 3
[nonbonded]
cutoff = "0.9 nm"
[nonbonded.coulomb.pme]
tolerance = 1e-5
spacing = "0.12 nm"
order = 5
[dynamics]
timestep = "2 fs"
seed = 4
checkpoint_every = "0.4 ps"
log_every = "0.1 ps"
[dynamics.thermostat.csvr]
temperature = "298.15 K"
time_constant = "0.2 ps"
[[stage]]
name = "minimise"
[stage.minimise]
max_force = "500 kJ/mol/nm"
[[stage]]
name = "equilibrate"
duration = "1 ps"
trajectory = { every = "0.5 ps", format = "dcd" }
[[stage]]
name = "production"
duration = "6 ps"
trajectory = { every = "0.2 ps", format = "xtc" }
[[analysis]]
[analysis.rdf]
pairs = [["OW", "OW"]]
every = "0.1 ps"
"#;

/// Every file below `folder` with its content, but for those that tell wall time.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below").display().to_string();
            if !matches!(name.as_str(), "report.html" | "summary.json" | "checkpoint.prev") {
                found.push((name, std::fs::read(&path).expect("readable")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_killed_by_sigkill_and_resumed_ends_as_an_unbroken_one() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let input = write(scratch.path(), "water.toml", WATER);
    let (whole, broken) = (scratch.path().join("whole"), scratch.path().join("broken"));
    expect(0, &["run", &input, "--backend", "cpu", "--out", &whole.display().to_string()]);
    // kill in the middle of each stage's trajectory: after a number of log lines
    for (kill, lines) in [6, 20, 41].into_iter().enumerate() {
        let out = broken.display().to_string();
        let mut args = vec!["run", &input, "--backend", "cpu", "--out", &out];
        if kill > 0 {
            args.push("--resume");
        }
        let mut child =
            hexaqua(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let log = std::fs::read_to_string(broken.join("log.csv")).unwrap_or_default();
            if log.lines().count() >= lines {
                break;
            }
            assert!(child.try_wait().expect("waits").is_none(), "the run ended before it was killed");
            assert!(Instant::now() < deadline, "the run writes no log");
            std::thread::sleep(Duration::from_millis(2));
        }
        if kill == 1 {
            // as a queueing system does it: a checkpoint is written where the run stops, and nothing that was logged is lost. (SIGINT does the same, but
            // for jobs in the background of a script, which it does not reach; tests may be one.)
            let interrupt = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(interrupt.expect("kill").success());
            let ended = child.wait_with_output().expect("reaped");
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(143), "{told}");
            assert!(told.contains("interrupted at step") && told.contains("--resume continues from it"), "{told}");
            let kept = Checkpoint::read_file(&broken.join("checkpoint")).expect("a checkpoint");
            let log = std::fs::read_to_string(broken.join("log.csv")).expect("a log");
            let last: u64 = log.lines().last().and_then(|l| l.split(',').nth(1)?.parse().ok()).expect("a step");
            assert!(kept.state.step > last, "kept step {}, logged {last}", kept.state.step);
            assert!(told.contains(&format!("at step {},", kept.state.step)), "{told}");
        } else {
            child.kill().expect("killed"); // SIGKILL
            child.wait().expect("reaped");
        }
    }
    let (told, _) = expect(0, &["run", &input, "--backend", "cpu", "--resume", "--out", &broken.display().to_string()]);
    speeds_are_of_the_resumed_part(&told);
    let (whole, broken) = (files(&whole), files(&broken));
    let names = |f: &[(String, Vec<u8>)]| f.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole), names(&broken));
    assert!(names(&whole).iter().any(|n| n == "final.gro"));
    for ((name, a), (_, b)) in whole.iter().zip(&broken) {
        assert!(a == b, "{name} differs after the kills");
    }
}

/// Steps and speed of a resumed stage count what this run did: of 3000 steps of 2 fs those behind the checkpoint, in the time that they took.
fn speeds_are_of_the_resumed_part(told: &str) {
    let number = |line: &str, before: &str, after: &str| -> f64 {
        let part = line.split(before).nth(1).and_then(|rest| rest.split(after).next());
        part.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("a number before `{after}` in `{line}`"))
    };
    let resumed = told.lines().find(|l| l.starts_with("resumed: stage `production` at step ")).expect("resumed");
    let first = number(resumed, "at step ", ",");
    let line = told.lines().find(|l| l.starts_with("production: ")).unwrap_or_else(|| panic!("{told}"));
    assert!(first > 1000.0, "at least a third was done before: {resumed}");
    assert_eq!(number(line, "production: ", " steps"), 3000.0 - first, "{resumed}\n{line}");
    // steps a second from both figures: nanoseconds a day at 2 fs, and milliseconds a step
    let (per_day, per_step) = (number(line, " (", " ns/day"), number(line, " ns/day, ", " ms/step"));
    let ratio = per_day * 1e6 / 2.0 / 86_400.0 / (1000.0 / per_step);
    assert!(ratio > 0.7 && ratio < 1.2, "{ratio}, and more than 1.5 if all steps of the stage counted: {line}");
}

/// A device that is lost once costs a warning, and the run ends as if nothing had happened; the second loss ends it.
#[test]
fn a_lost_device_is_survived_once() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let input = write(scratch.path(), "water.toml", WATER);
    let at = |name: &str| scratch.path().join(name).display().to_string();
    let run = |code: i32, out: &str, more: &[&str]| {
        let args =
            [&["run", &input, "--backend", "cpu", "--out", out, "--set", "stage.production.duration=2 ps"], more];
        expect(code, &args.concat())
    };
    let (whole, lost) = (at("whole"), at("lost"));
    run(0, &whole, &[]);
    // at step 750, in the second stage, whose last checkpoint is its step 200
    let (_, err) = run(0, &lost, &["--lose-device-at", "730"]);
    assert!(err.contains("the device was lost") && err.contains("from the checkpoint at step 700"), "{err}");
    assert_eq!(files(Path::new(&lost)), files(Path::new(&whole)));
    let twice = at("twice");
    let (_, err) = run(1, &twice, &["--lose-device-at", "730,1200"]);
    assert!(err.contains("lost a second time") && err.contains("continue with --resume"), "{err}");
    run(0, &twice, &["--resume"]);
    assert_eq!(files(Path::new(&twice)), files(Path::new(&whole)));
}

#[test]
fn resuming_with_another_input_or_nothing_to_resume_is_refused() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let short = WATER.replace("6 ps", "0.4 ps");
    let input = write(scratch.path(), "water.toml", &short);
    let out = scratch.path().join("out").display().to_string();
    let (_, err) = expect(2, &["run", &input, "--backend", "cpu", "--resume", "--out", &out]);
    assert!(err.contains("resume"), "{err}");
    assert!(!Path::new(&out).exists(), "nothing may be made");
    expect(0, &["run", &input, "--backend", "cpu", "--out", &out]);
    let report = || std::fs::read(Path::new(&out).join("report.html")).expect("readable");
    let page = report();
    let (stdout, _) = expect(0, &["run", &input, "--backend", "cpu", "--resume", "--out", &out]);
    assert!(stdout.contains("complete"), "{stdout}");
    assert_eq!(page, report(), "a complete run is left alone");
    let before = files(Path::new(&out));
    let (_, err) = expect(2, &["run", &input, "--backend", "cpu", "--out", &out]);
    assert!(err.contains("--resume") && err.contains("already"), "{err}");
    let (_, err) =
        expect(2, &["run", &input, "--backend", "cpu", "--resume", "--out", &out, "--set", "dynamics.timestep=1 fs"]);
    assert!(err.contains("another input"), "{err}");
    assert_eq!(before, files(Path::new(&out)), "a refused run must touch nothing");
}

#[test]
fn bad_input_exits_with_2_names_the_line_and_touches_nothing() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let cases: [(&str, &str, &[&str]); 8] = [
        ("cutoff = \"0.9 nm\"", "cutof = \"0.9 nm\"", &["cutof", "did you mean", "cutoff"]),
        ("cutoff = \"0.9 nm\"", "cutoff = 0.9", &["cutoff", "nm"]),
        ("cutoff = \"0.9 nm\"", "cutoff = \"1.2 nm\"", &["half", "1.2 nm"]),
        ("model = \"SPC/E\"", "model = \"SPCE2\"", &["SPCE2", "SPC/E"]),
        (
            "seed = 3",
            "seed = 3\nsolutes = [{ name = \"Zn2+\", model = \"li-merz-iod\", count = 1 }]",
            &["net charge", "allowed"],
        ),
        ("density = \"0.997 g/cm3\"", "density = \"9 g/cm3\"", &["density"]),
        ("[[\"OW\", \"OW\"]]", "[[\"OW\", \"OX\"]]", &["OX", "OW"]),
        (
            "water = { model = \"SPC/E\", molecules = 216 }\ndensity = \"0.997 g/cm3\"",
            "water = { model = \"SPC/E\" }\nstructure = \"missing.gro\"",
            &["missing.gro"],
        ),
    ];
    for (k, (good, bad, words)) in cases.into_iter().enumerate() {
        assert!(WATER.contains(good), "case {k} edits the input");
        let input = write(scratch.path(), &format!("bad{k}.toml"), &WATER.replace(good, bad));
        let out = scratch.path().join(format!("out{k}"));
        let (_, err) = expect(2, &["run", &input, "--backend", "cpu", "--out", &out.display().to_string()]);
        for word in words {
            assert!(err.contains(word), "case {k} should mention {word:?}:\n{err}");
        }
        assert!(!err.contains("panicked"), "{err}");
        assert!(!out.exists(), "case {k} must leave no folder");
    }
    expect(2, &["run", "no-such-file.toml"]);
    expect(2, &["fly"]);
    expect(2, &["validate", "no-such-case"]);
}

/// The C4 tail is missing from the dispersion correction: said once, and only when there is such a correction.
#[test]
fn the_c4_tail_warns_once_and_only_beside_a_dispersion_correction() {
    let base = ["build", "validation/zn-peaks/input.toml", "--set", "system.water.model=TIP3P"];
    let with = |model: &str, correction: &str| {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let out = scratch.path().join("box.gro").display().to_string();
        let (model, correction) =
            (format!("system.solutes.Zn2+.model={model}"), format!("nonbonded.dispersion_correction={correction}"));
        let (_, err) = expect(0, &[&base[..], &["--set", &model, "--set", &correction, "--out", &out]].concat());
        err.lines().filter(|l| l.contains("C4")).count()
    };
    assert_eq!(with("li-merz-12-6-4", "true"), 1);
    assert_eq!(with("li-merz-12-6-4", "false"), 0);
    assert_eq!(with("li-merz-iod", "true"), 0);
}

/// Two zinc ions 0.06 nm apart fly away from each other at once.
#[test]
fn a_blow_up_exits_with_1_and_names_step_atom_and_term() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut gro = String::from("two ions in a clash\n    2\n");
    gro += "    1ZN      ZN    1   1.000   1.000   1.000\n";
    gro += "    2ZN      ZN    2   1.060   1.000   1.000\n";
    gro += "   3.00000   3.00000   3.00000\n";
    write(scratch.path(), "clash.gro", &gro);
    let input = r#"
title = "Clash"
[system]
water = { model = "SPC/E" }
solutes = [{ name = "Zn2+", model = "li-merz-iod" }]
structure = "clash.gro"
net_charge = "allowed"
[nonbonded]
cutoff = "0.9 nm"
[dynamics]
timestep = "2 fs"
[[stage]]
name = "production"
duration = "1 ps"
"#;
    let input = write(scratch.path(), "clash.toml", input);
    let backends = ["reference", "cpu", "gpu"];
    for backend in backends.into_iter().filter(|&b| b != "gpu" || device()) {
        let out = scratch.path().join(backend);
        let (_, err) = expect(1, &["run", &input, "--backend", backend, "--out", &out.display().to_string()]);
        for word in ["step", "ZN", "Zn2+", "molecule", "largest force term: lj (", "minimise longer"] {
            assert!(err.contains(word), "{backend}: should mention {word:?}:\n{err}");
        }
        assert!(out.join("checkpoint").exists(), "{backend}: the last good checkpoint stays");
    }
}

/// `energy --json` and `--forces` of the engines' cases on every backend, through the input files that ship.
fn engine_case(name: &str, backend: &str, energy_tolerance: f64, force_tolerance: f64) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let forces = scratch.path().join("f.csv").display().to_string();
    let input = format!("validation/engines/{name}/input.toml");
    let (out, _) = expect(0, &["energy", &input, "--backend", backend, "--json", "--forces", &forces]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("valid JSON");
    let folder = root().join("validation/engines").join(name);
    let reference: toml::Table =
        std::fs::read_to_string(folder.join("energies.toml")).expect("readable").parse().expect("valid TOML");
    let number = |key: &str| reference["direct_ewald_numpy"][key].as_float().expect("a number");
    let term = |key: &str| json["terms"][key].as_f64().expect("a number");
    let coulomb = term("coulomb_real") + term("coulomb_reciprocal");
    let checks = [
        ("lj", term("lj"), number("lj_sr")),
        ("coulomb", coulomb, number("coulomb_total_without_14")),
        ("total", json["total"].as_f64().expect("a number"), number("lj_sr") + number("coulomb_total_without_14")),
    ];
    for (what, ours, theirs) in checks {
        let error = ((ours - theirs) / theirs).abs();
        println!("{name} {backend} {what}: {error:.1e}");
        // single precision: a term is judged by the size of the total it is part of
        assert!(error < energy_tolerance, "{name} on {backend}, {what}: {ours} against {theirs}, {error:.1e}");
    }
    let read = |path: &Path| -> Vec<[f64; 3]> {
        let rows = std::fs::read_to_string(path).expect("readable");
        rows.lines()
            .filter(|l| l.starts_with(|c: char| c.is_ascii_digit()))
            .map(|l| {
                let v: Vec<f64> = l.split(',').skip(1).map(|x| x.parse().expect("a number")).collect();
                [v[0], v[1], v[2]]
            })
            .collect()
    };
    let (ours, theirs) = (read(Path::new(&forces)), read(&folder.join("forces.csv")));
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(json["n_atoms"], ours.len());
    let sum = |f: &dyn Fn(usize, usize) -> f64| {
        (0..ours.len()).flat_map(|i| (0..3).map(move |k| (i, k))).map(|(i, k)| f(i, k).powi(2)).sum::<f64>()
    };
    let error = (sum(&|i, k| ours[i][k] - theirs[i][k]) / sum(&|i, k| theirs[i][k])).sqrt();
    println!("{name} {backend} forces: {error:.1e}");
    assert!(error < force_tolerance, "{name} on {backend}: force error {error:.1e}");
}

#[test]
fn energy_reproduces_other_engines_in_f64() {
    for name in ["spce_216", "spce_3000", "zncl2_1000w"] {
        engine_case(name, "reference", 1e-7, 2e-6);
    }
}

#[test]
fn energy_reproduces_other_engines_on_the_cpu() {
    for name in ["spce_216", "spce_3000", "zncl2_1000w"] {
        engine_case(name, "cpu", 5e-6, 1e-5);
    }
}

#[test]
fn energy_reproduces_other_engines_on_the_device() {
    if !device() {
        return;
    }
    for name in ["spce_216", "zncl2_1000w"] {
        engine_case(name, "gpu", 5e-6, 1e-5);
    }
}

/// The reference values speak of a dilute solution at 298 K with Ewald sums; a run of anything else says why it is not compared.
#[test]
fn a_run_is_set_beside_the_literature_only_if_it_is_of_the_same_system() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let table_of = |name: &str, change: &str| {
        let out = scratch.path().join(name).display().to_string();
        let short = ["stage.minimise.minimise.max_force=5000 kJ/mol/nm", "stage.equilibrate.duration=0.1 ps"];
        let sampled = ["stage.production.duration=0.2 ps", "stage.production.trajectory.every=0.1 ps"];
        let mut args = vec!["run", "inputs/zn-hydration.toml", "--backend", "cpu", "--out", &out];
        args.extend([short[0], short[1], sampled[0], sampled[1], change].iter().flat_map(|set| ["--set", *set]));
        expect(0, &args).0
    };
    let same = table_of("same", "dynamics.thermostat.csvr.temperature=297.5 K");
    let temperature = same.lines().find(|l| l.starts_with("Temperature")).expect("a verdict on the temperature");
    assert!(temperature.contains("297.5") && !same.contains("no verdict"), "the set point is the reference: {same}");
    for (name, change, why) in [
        ("hot", "dynamics.thermostat.csvr.temperature=350 K", "298.15 K within 1 K"),
        ("dense", "system.density=1.1 g/cm3", "0.997 g/cm³ within 2 %"),
        ("cut", "nonbonded.coulomb={ cutoff = {} }", "Ewald sums"),
        ("water", "system.water.model=TIP3P", "spce/li-merz-iod"),
    ] {
        let out = table_of(name, change);
        let line = out.lines().find(|l| l.contains("no verdict against the literature")).expect("a reason");
        assert!(line.contains(why), "{line}");
        assert!(!out.contains("Verdict") && out.contains("first peak"), "{out}");
    }
}

/// A case shortened to some picoseconds: its ion-oxygen distance is there at once, and with the ion of another set it is not.
#[test]
fn validate_exits_with_0_when_all_agrees_and_with_3_when_a_value_differs() {
    let short = [
        "validate",
        "zn-peaks/spce/li-merz-iod",
        "--backend",
        "cpu",
        "--json",
        "--set",
        "stage.equilibrate.duration=4 ps",
        "--set",
        "stage.production.duration=16 ps",
    ];
    let verdicts = |out: &str| -> Vec<(String, String)> {
        let rows: serde_json::Value = serde_json::from_str(out).expect("JSON");
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("text").to_string();
        rows.as_array().expect("rows").iter().map(|r| (text(r, "quantity"), text(r, "verdict"))).collect()
    };
    let (out, err) = expect(0, &short);
    let rows: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    for key in ["system", "label", "status", "device", "commit", "version", "date"] {
        assert!(rows[0][key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {}", rows[0]);
    }
    assert_eq!(rows[0]["system"], "spce/li-merz-iod");
    let set = serde_json::json!({"stage.equilibrate.duration": "4 ps", "stage.production.duration": "16 ps"});
    assert!(rows.as_array().expect("rows").iter().all(|row| row["set"] == set), "{}", rows[0]);
    assert!(rows[0].get("allowed").is_some() && rows[0].get("tolerance").is_some());
    let reason = |row: &serde_json::Value| row["reason"].as_str().is_some_and(|why| !why.is_empty());
    assert!(
        rows.as_array().expect("rows").iter().all(|row| reason(row) == (row["verdict"] == "inconclusive")),
        "{out}"
    );
    let found = verdicts(&out);
    assert!(found.len() == 8 && found.iter().all(|(_, v)| v != "FAIL"), "{found:?}");
    assert!(found.contains(&("coordination_number(Zn2+,OW)".into(), "PASS".into())), "{found:?}");
    assert!(err.contains("--set changes the cases"), "{err}");
    let other = [&short[..], &["--set", "system.solutes.Zn2+.model=li-merz-hfe"]].concat();
    let (out, err) = expect(3, &other);
    assert!(verdicts(&out).contains(&("first_peak(Zn2+,OW)".into(), "FAIL".into())), "{out}");
    assert!(err.contains("verdict(s) failed"), "{err}");
    // an input that lost its analysis: not measured is not passed
    let lost = [&short[..], &["--set", r#"analysis.1.rdf.pairs=[["OW", "OW"]]"#]].concat();
    let (out, _) = expect(3, &lost);
    assert!(verdicts(&out).contains(&("first_peak(Zn2+,OW)".into(), "FAIL".into())), "{out}");
    assert!(verdicts(&out).contains(&("coordination_number(Zn2+,OW)".into(), "PASS".into())), "{out}");
    expect(2, &["validate", "zn-peaks/spce/li-merz-iod", "--set", "stage.production.duration"]);
    expect(2, &["validate", "zn-peaks/spce/li-merz-iod", "--set", "stage.production.durtion=1 ps"]);
}

/// 200 steps of the demo on each backend; `report.html` and the rest must be there.
fn short_demo(backend: &str) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let out = scratch.path().join("out");
    let (stdout, _) = expect(
        0,
        &[
            "run",
            "inputs/zn-hydration.toml",
            "--backend",
            backend,
            "--out",
            &out.display().to_string(),
            "--set",
            "stage.minimise.minimise.max_force=5000 kJ/mol/nm",
            "--set",
            "stage.equilibrate.duration=0.2 ps",
            "--set",
            "stage.production.duration=0.2 ps",
            "--set",
            "stage.production.trajectory.every=0.1 ps",
        ],
    );
    assert!(stdout.contains("Zn–O first peak"), "{stdout}");
    for name in ["run.toml", "log.csv", "trajectory.xtc", "final.gro", "checkpoint", "summary.json", "report.html"] {
        assert!(out.join(name).metadata().is_ok_and(|m| m.len() > 0), "{name} is missing");
    }
    for folder in ["analysis", "figures"] {
        assert!(std::fs::read_dir(out.join(folder)).is_ok_and(|d| d.count() > 2), "{folder} is empty");
    }
    // the same analyses on the trajectory that was written
    let trajectory = out.join("trajectory.xtc").display().to_string();
    let (stdout, _) = expect(0, &["analyze", "inputs/zn-hydration.toml", &trajectory]);
    assert!(stdout.contains("Zn–O coordination number"), "{stdout}");
}

#[test]
fn the_demo_runs_on_the_cpu() {
    short_demo("cpu");
}

#[test]
fn the_demo_runs_on_the_reference() {
    short_demo("reference");
}

#[test]
fn the_demo_runs_on_the_device() {
    if device() {
        short_demo("gpu");
    }
}

#[test]
fn devices_and_forcefield_print_what_there_is() {
    let (out, _) = expect(0, &["forcefield"]);
    assert!(out.contains("li-merz-iod") && out.contains("SPC/E"));
    let (out, _) = expect(0, &["forcefield", "li-merz-iod"]);
    assert!(out.contains("JCTC 9, 2733"), "{out}");
    if device() {
        let (out, _) = expect(0, &["devices"]);
        assert!(out.contains("passed"), "{out}");
    }
}

/// Times of passes and prices of a device: all there, and none that no device could have.
#[test]
fn bench_on_the_device_tells_host_from_passes_and_prices_what_they_are_made_of() {
    if !device() {
        return;
    }
    let settings =
        ["--atoms", "900", "--systems", "water", "--backend", "gpu", "--steps", "100", "--warm-up", "0", "--json"];
    let (out, _) = expect(0, &[&["bench"], &settings[..]].concat());
    let records: Vec<serde_json::Value> = serde_json::from_str(&out).expect("a JSON list");
    let passes = &records[0]["passes"];
    for host in ["host_encode", "host_submit", "host_wait", "host_list_upload"] {
        assert!(passes[host].as_f64() >= Some(0.0), "{host}: {passes}");
    }
    if let Some(total) = records[0]["device_passes"].as_f64() {
        let update = passes["update"].as_f64().expect("every step ends with an update");
        assert!(update > 0.0 && total > update, "{passes}");
    }
    assert_eq!(records[0]["list"]["lifetime"], 50);
    let per_atom = records[0]["device_memory"].as_f64().expect("counted") / 900.0;
    assert!((100.0..1e5).contains(&per_atom), "{per_atom} bytes per atom on the device");
    let (out, _) = expect(0, &["bench", "--micro", "--json"]);
    let micro: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    for name in
        ["dependent_dispatch", "independent_dispatch", "atomic_random", "atomic_same", "fft_plane", "round_trip"]
    {
        let value = micro["prices"][name]["value"].as_f64().expect("a number");
        assert!((0.0..1e6).contains(&value), "{name}: {value}");
    }
}

/// What `bench` prints is what records are made of; how fast it was is nobody's business here.
#[test]
fn bench_times_built_in_boxes_and_an_input() {
    let keys = ["system", "atoms", "backend", "device", "ms_per_step", "ns_per_day", "matom_steps_per_s", "passes"];
    let check = |record: &serde_json::Value, atoms: u64| {
        for key in keys {
            assert!(!record[key].is_null(), "{key} is missing: {record}");
        }
        assert_eq!(record["atoms"], atoms);
        assert_eq!(record["steps"], 40);
        let (ms, ns) = (record["ms_per_step"].as_f64().expect("a number"), record["ns_per_day"].as_f64());
        let ratio = ns.expect("a number") * ms / (86_400.0 * 0.002);
        assert!(ms > 0.0 && (ratio - 1.0).abs() < 1e-9, "both speak of one time: {record}");
        let radius = record["list"]["radius"].as_f64().expect("a number");
        assert!(radius > 0.9 && record["list"]["pairs_per_atom"].as_f64() > Some(100.0), "{record}");
    };
    let short = ["--backend", "cpu", "--steps", "40", "--warm-up", "20", "--json"];
    let (out, _) = expect(0, &[&["bench", "--atoms", "900"], &short[..]].concat());
    let records: Vec<serde_json::Value> = serde_json::from_str(&out).expect("a JSON list");
    assert_eq!(records.len(), 2);
    for (record, system) in records.iter().zip(["water", "zncl2_1M"]) {
        assert_eq!(record["system"], system);
        assert!(record["passes"]["pair"].as_f64() > Some(0.0), "{record}");
        check(record, 900);
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let input = write(scratch.path(), "water.toml", WATER);
    let (out, _) = expect(0, &[&["bench", &input], &short[..]].concat());
    let records: Vec<serde_json::Value> = serde_json::from_str(&out).expect("a JSON list");
    assert_eq!((records.len(), &records[0]["system"]), (1, &"216 waters".into()));
    check(&records[0], 648);
    // copies of a smaller box, on a mesh that is finer in proportion
    let large = [
        "bench",
        "--atoms",
        "33000",
        "--systems",
        "water",
        "--backend",
        "cpu",
        "--steps",
        "2",
        "--warm-up",
        "0",
        "--json",
    ];
    let (out, _) = expect(0, &large);
    let records: Vec<serde_json::Value> = serde_json::from_str(&out).expect("a JSON list");
    assert_eq!((records.len(), &records[0]["atoms"]), (1, &33000.into()));
    let (_, err) = expect(2, &["bench", "--atoms", "30"]);
    assert!(err.contains("648"), "{err}");
}

/// What records are kept by: version, commit and date; and the threads that were asked for.
#[test]
fn records_name_their_version_and_threads_are_as_many_as_asked_for() {
    let settings =
        ["--atoms", "900", "--systems", "water", "--backend", "cpu", "--steps", "2", "--warm-up", "0", "--json"];
    let bench = |more: &[&str], environment: [(&str, &str); 2]| {
        let mut command = hexaqua(&[&["bench"], &settings[..], more].concat());
        let done = command.envs(environment).output().expect("the program starts");
        assert!(done.status.success(), "{}", text(&done.stderr));
        let records: Vec<serde_json::Value> = serde_json::from_slice(&done.stdout).expect("a JSON list");
        records[0].clone()
    };
    let record = bench(&["--threads", "1"], [("RAYON_NUM_THREADS", "3"), ("HEXAQUA_COMMIT", "0123456789ab")]);
    assert_eq!(record["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(record["commit"], "0123456789ab");
    let date = record["date"].as_str().expect("a date");
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");
    let device = |record: &serde_json::Value| record["device"].as_str().expect("a name").to_string();
    assert!(device(&record).ends_with("1 thread"), "{record}");
    let record = bench(&[], [("RAYON_NUM_THREADS", "3"), ("HEXAQUA_COMMIT", "")]);
    assert!(device(&record).ends_with("3 threads") && record["commit"].is_null(), "{record}");
    for command in ["run", "bench", "energy", "validate"] {
        let (_, err) = expect(2, &[command, "inputs/zn-hydration.toml", "--threads", "0"]);
        assert!(err.contains("--threads"), "{command}: {err}");
    }
    let (_, err) = expect(2, &["analyze", "inputs/zn-hydration.toml", "none.xtc", "--threads", "many"]);
    assert!(err.contains("--threads"), "{err}");
}

/// Adapters by number and by name as `hexaqua devices` prints them, and an error for one that is not there.
#[test]
fn an_adapter_is_taken_by_number_or_name() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let input = write(scratch.path(), "water.toml", WATER);
    let energy = |adapter: &str, backend: &str| {
        ["energy", &input, "--json", "--adapter", adapter, "--backend", backend].map(String::from)
    };
    let run = |code, args: [String; 7]| expect(code, &args.each_ref().map(String::as_str));
    let (_, err) = run(2, energy("0", "cpu"));
    assert!(err.contains("--adapter 0") && err.contains("--backend gpu"), "{err}");
    let (_, err) = expect(2, &["bench", "--micro", "--backend", "cpu"]);
    assert!(err.contains("--micro measures a GPU"), "{err}");
    let (_, err) = run(2, energy("no such adapter", "gpu"));
    assert!(err.contains("no adapter named like 'no such adapter'"), "{err}");
    let (_, err) = run(2, energy("99", "auto"));
    assert!(err.contains("no adapter number 99"), "{err}");
    if !device() {
        return;
    }
    let first = &hexaqua::forces::gpu::devices()[0];
    for adapter in ["0", &first.name.to_uppercase()] {
        let (out, _) = run(0, energy(adapter, "gpu"));
        let record: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert!(record["device"].as_str().is_some_and(|name| name.starts_with(&first.name)), "{record}");
        assert_eq!(record["backend"], "gpu");
    }
}

/// The error of a packed start is larger than at equilibrium; it is said so, and not of a structure that was read.
#[test]
fn the_check_of_a_packed_start_says_what_to_expect() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let input = write(scratch.path(), "water.toml", WATER);
    let gro = scratch.path().join("packed.gro").display().to_string();
    expect(0, &["build", &input, "--out", &gro]);
    let (out, _) = expect(0, &["energy", &input, "--backend", "cpu", "--check"]);
    assert!(out.contains("force error against converged Ewald sums") && out.contains("packed start"), "{out}");
    let read = WATER
        .replace(", molecules = 216", "")
        .replace("density = \"0.997 g/cm3\"\nseed = 3", "structure = \"packed.gro\"");
    let (out, _) = expect(0, &["energy", &write(scratch.path(), "read.toml", &read), "--backend", "cpu", "--check"]);
    assert!(out.contains("force error against converged Ewald sums") && !out.contains("packed start"), "{out}");
}
