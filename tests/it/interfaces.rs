//! The interfaces of `inputs/` in small: what `build` says of them, and a short run on the `cpu` backend.

use std::path::Path;
use std::process::{Command, Output};

const INPUTS: [&str; 5] =
    ["graphite-water", "graphite-znso4-1m", "graphite-znotf2-2m", "zn-znotf2-2m", "voh-znotf2-2m-ide"];

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
    set(r#"surface.size=["1.9 nm", "2 nm"]"#);
    set("surface.gap=2 nm");
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
        for part in ["lateral ", "lower ", "liquid  gap 2 nm, accessible height ", "upper ", "vacuum  4 nm in all"] {
            assert!(text.lines().any(|line| line.starts_with(part)), "{name}: `{part}` in\n{text}");
        }
        if name.contains("zn") && name.contains('m') {
            assert!(text.contains("mol/L of the accessible volume"), "{name}");
        }
        let charge = text.lines().find_map(|l| l.strip_prefix("net charge")).expect("a net charge");
        assert!(charge.contains("+0.0000"), "{name}: {charge}");
    }
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
        set("stage.equilibrate.duration=0.02 ps");
        set("stage.production.duration=0.04 ps");
        set("stage.production.trajectory={ every = \"0.02 ps\", format = \"xtc\" }");
        set("dynamics.log_every=0.01 ps");
        set("analysis.1.density-profile.every=0.02 ps");
        let is_electrode = !name.starts_with("voh");
        if is_electrode {
            set("electrode.upper.potential=2 V");
        }
        run_ok(&arguments, "run", &["--backend", "cpu", "--out", &out]);
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
    }
}

/// What a surface cannot be is said with its line, and exit code 2.
#[test]
fn impossible_surfaces_are_refused() {
    for (change, words) in [
        ("surface.material=graphit", "did you mean `graphite`?"),
        ("surface.gap=0.3 nm", "has no room for a liquid"),
        ("system.box=[\"3 nm\", \"3 nm\", \"3 nm\"]", "beside [surface]"),
        ("surface.slabs=3", "must be 1 or 2"),
        ("electrode.upper.atoms=OW", "the electrolyte has a net charge"),
        ("electrode.upper.atoms=lower", "belongs to the electrodes `lower` and `upper`"),
        ("external.slab_correction=false\u{0}surface.vacuum=0 nm", ""),
        ("surface.vacuum=0.2 nm", "needs an empty part of the cell"),
    ] {
        let mut arguments = small("graphite-water");
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
