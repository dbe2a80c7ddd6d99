//! Charges of electrodes found anew from positions: by `hexaqua analyze` in the frames of a run, and by `--resume` at its checkpoint.

use crate::support::systems::ion;
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::io::checkpoint::{Checkpoint, FILE_NAME};
use hexaqua::io::structure;
use hexaqua::io::trajectory::{Format, TrajectoryReader, TrajectoryWriter};
use hexaqua::system::Topology;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames of the production stage, and as many lines of its log.
const N_FRAMES: usize = 11;

/// The input in small, with conditions for the electrodes, in a folder.
fn write_input(folder: &Path, lower: &str, upper: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/graphite-water.toml");
    let text = std::fs::read_to_string(source).expect("an input");
    let parts: Vec<&str> = text.split("potential = \"0 V\"").collect();
    let [before, between, after] = parts[..] else { panic!("two electrodes") };
    let mut text = format!("{before}{lower}{between}{upper}{after}");
    for (from, to) in [
        ("size = [\"2.5 nm\", \"2.5 nm\"]", "size = [\"1.9 nm\", \"2 nm\"]"),
        ("gap = \"4 nm\"", "gap = \"2 nm\""),
        ("vacuum = \"11 nm\"", "vacuum = \"4 nm\""),
        ("max_force = \"500 kJ/mol/nm\"", "max_force = \"500 kJ/mol/nm\"\nmax_steps = 150"),
        ("duration = \"5 ps\"", "duration = \"0.05 ps\""),
        ("duration = \"100 ps\"", "duration = \"0.05 ps\""),
        ("duration = \"200 ps\"", "duration = \"0.02 ps\""),
        ("duration = \"1 ns\"", "duration = \"0.2 ps\""),
        ("every = \"1 ps\", format = \"xtc\"", "every = \"0.02 ps\", format = \"trr\""),
        ("com_removal_every = 0", "com_removal_every = 0\nlog_every = \"0.02 ps\"\ncheckpoint_every = \"0.04 ps\""),
        ("bin_width = \"0.01 nm\"", "bin_width = \"0.02 nm\"\nevery = \"0.02 ps\""),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    let path = folder.join("input.toml");
    std::fs::write(&path, text).expect("written");
    path
}

/// Runs and expects success; returns what is said on standard output and error.
fn hexaqua(arguments: &[&str]) -> String {
    let (code, text) = with_code(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

/// Exit code, and what is said on standard output and error.
fn with_code(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    let done = command.args(arguments).env("HEXAQUA_CACHE", "").output().expect("starts");
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.code(), text)
}

fn value(folder: &Path, id: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join("summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    summary["values"].as_array().expect("values").iter().find(|v| v["quantity"] == id)?["value"].as_f64()
}

/// Every frame of a trajectory again, changed and in another format.
fn rewrite(from: &Path, start: &Path, to: &Path, format: Format, change: &dyn Fn(&Cell, &mut [DVec3])) -> usize {
    let n_atoms = structure::read_structure(start).expect("a structure").positions.len();
    let topology = Topology::new(vec!["X".into()], vec![ion("X", "C", 0, 0.0, 12.0)], &vec![0; n_atoms]);
    let mut reader = TrajectoryReader::open(&[from.to_path_buf()], n_atoms, None).expect("opens");
    let mut writer = TrajectoryWriter::create(to, format, &topology).expect("opens");
    let mut n_frames = 0;
    while let Some(mut frame) = reader.next_frame().expect("reads") {
        change(&frame.cell, &mut frame.positions);
        writer.write(frame.step, frame.time.expect("a time"), &frame.cell, &frame.positions).expect("writes");
        n_frames += 1;
    }
    writer.flush().expect("writes");
    n_frames
}

#[test]
fn charges_found_anew_are_those_of_the_run() {
    let scratch = tempfile::tempdir().expect("scratch");
    let at = |name: &str| scratch.path().join(name);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let input = text(write_input(scratch.path(), "potential = \"0 V\"", "potential = \"2 V\""));
    hexaqua(&["run", &input, "--backend", "cpu", "--out", &text(at("run"))]);
    let trr = at("run").join("trajectory.trr");
    let log = std::fs::read_to_string(at("run").join("log.csv")).expect("a log");
    assert!(!log.contains("potential_upper"), "what is held is in the input");
    let analyze = |out: &str, files: &[&Path], more: &[&str]| {
        let files: Vec<String> = files.iter().map(|f| text(f.to_path_buf())).collect();
        let out = text(at(out));
        let mut all = vec!["analyze", &input];
        all.extend(files.iter().map(String::as_str));
        all.extend(["--out", &out]);
        all.extend(more);
        hexaqua(&all)
    };
    let said = analyze("trr", &[&trr], &[]);
    assert!(said.contains("those that the positions in the frames give"), "{said}");
    let both = |id: &str, folder: &str| {
        let [run, again] = [at("run"), at(folder)].map(|f| value(&f, id).unwrap_or_else(|| panic!("{id}: {said}")));
        println!("{id}: {run} in the run, {again} from {folder}");
        (run, again)
    };
    // positions in single precision: 1e-7 of 6 nm, times what a nanometre does to a charge
    for id in ["electrode_charge(lower)", "electrode_charge(upper)"] {
        let (run, again) = both(id, "trr");
        assert!(run.abs() > 0.1 && (run - again).abs() < 2e-5, "{id}: {run} {again}");
    }
    for (id, allowed) in [("potential_drop(z)", 1e-3), ("electrode_voltage", 1e-12), ("capacitance_empty", 1e-6)] {
        let (run, again) = both(id, "trr");
        assert!((run - again).abs() < allowed * run.abs(), "{id}: {run} {again}");
    }
    assert!((both("potential_drop(z)", "trr").1 - 2.0).abs() < 2e-3);

    // rounded coordinates: what the note says, at random
    let (xtc, start) = (at("rounded.xtc"), at("run").join("final.gro"));
    let n_frames = rewrite(&trr, &start, &xtc, Format::Xtc, &|_, _| {});
    assert_eq!(n_frames, N_FRAMES);
    let said = analyze("xtc", &[&xtc], &[]);
    let off: f64 = (said.split("off by about ").nth(1).and_then(|s| s.split(' ').next()))
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    let (run, again) = both("electrode_charge(upper)", "xtc");
    println!("rounding: {:.1e} e in the mean, {off:.1e} e in one frame", (run - again).abs());
    assert!((run - again).abs() < 4.0 * off / (N_FRAMES as f64).sqrt(), "{run} {again}, {off} in a frame");
    assert!(off > 1e-4 && off < 1e-2, "{off}");
    assert!((both("potential_drop(z)", "xtc").1 - 2.0).abs() < 5e-3);
    // it does not matter how many threads look at frames
    analyze("one", &[&xtc], &["--threads", "1"]);
    assert_eq!(value(&at("one"), "electrode_charge(upper)"), Some(again));

    // what must not pass: another potential
    analyze("other", &[&trr], &["--set", "electrode.upper.potential=1 V"]);
    let other = value(&at("other"), "electrode_charge(upper)").expect("a charge");
    let page = std::fs::read_to_string(at("other").join("report.html")).expect("a report");
    assert!(page.contains("was made with lower at 0 V, upper at 2 V, and is analysed with lower at 0 V, upper at 1 V"));
    assert!(!std::fs::read_to_string(at("trr").join("report.html")).expect("a report").contains("was made with"));
    assert!((other / run - 1.0).abs() > 0.1, "{other} {run}");

    // frames with an electrode elsewhere have no charges, and say so
    let moved = at("moved.xtc");
    let top = |positions: &[DVec3]| positions.iter().fold(f64::MIN, |top, r| top.max(r.z));
    let up = |_: &Cell, positions: &mut [DVec3]| {
        let highest = top(positions);
        positions.iter_mut().filter(|r| r.z > highest - 0.01).for_each(|r| r.z += 0.01);
    };
    rewrite(&trr, &start, &moved, Format::Xtc, &up);
    let said = analyze("moved", &[&xtc, &moved], &[]);
    assert!(said.contains(&format!("in {N_FRAMES} of the frames the electrodes do not stand")), "{said}");
    assert_eq!(value(&at("moved"), "electrode_charge(upper)"), Some(again));
}

/// Shifts a frame along z and puts every atom into the cell.
fn shifted(by: f64) -> impl Fn(&Cell, &mut [DVec3]) {
    move |cell: &Cell, positions: &mut [DVec3]| {
        let height = cell.vectors().z_axis.z;
        positions.iter_mut().for_each(|r| r.z = (r.z + by * height).rem_euclid(height));
    }
}

/// Frames of other programs hold atoms in whatever image: electrodes that the boundary of the cell cuts have the charges of whole ones, with a slab correction
/// and in a finite field, which goes with the height of the cell that frames bring.
#[test]
fn the_boundary_of_the_cell_may_cut_what_is_analyzed() {
    let scratch = tempfile::tempdir().expect("scratch");
    let at = |name: &str| scratch.path().join(name);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let slab = write_input(scratch.path(), "potential = \"0 V\"", "potential = \"2 V\"");
    let field = at("field.toml");
    let mut changed = std::fs::read_to_string(&slab).expect("written");
    let press = changed.find("[[stage]]\nname = \"press\"").expect("a stage with a piston");
    let after = changed.find("[[stage]]\nname = \"equilibrate\"").expect("a stage behind it");
    changed.replace_range(press..after, ""); // without vacuum there is none
    for (from, to) in [
        ("slab_correction = true", "finite_field = \"2 V\""),
        ("vacuum = \"4 nm\"", "vacuum = \"0.335 nm\""),
        ("potential = \"0 V\"\n", ""),
        ("potential = \"2 V\"\n", ""),
    ] {
        assert_eq!(changed.matches(from).count(), 1, "{from}");
        changed = changed.replace(from, to);
    }
    std::fs::write(&field, changed).expect("written");
    for (name, input) in [("slab", text(slab)), ("field", text(field))] {
        let run = at(&format!("run-{name}"));
        hexaqua(&["run", &input, "--backend", "cpu", "--out", &text(run.clone())]);
        let (trr, start) = (run.join("trajectory.trr"), run.join("final.gro"));
        let values = |out: &str| {
            ["electrode_charge(lower)", "electrode_charge(upper)", "capacitance_empty", "capacitance_fluctuations"]
                .map(|id| value(&at(out), id).unwrap_or_else(|| panic!("{id} of {out}")))
        };
        let whole = format!("whole-{name}");
        hexaqua(&["analyze", &input, &text(trr.clone()), "--out", &text(at(&whole))]);
        let expected = values(&whole);
        let of_run = value(&run, "capacitance_fluctuations").expect("of the log");
        assert!((expected[3] / of_run - 1.0).abs() < 1e-3, "{name}: {expected:?}, {of_run} in the run");
        // half a cell cuts the liquid; a little cuts an electrode
        for by in [0.5, 0.93, 0.97] {
            let (cut, out) = (at(&format!("{name}-{by}.trr")), format!("{name}-{by}"));
            assert_eq!(rewrite(&trr, &start, &cut, Format::Trr, &shifted(by)), N_FRAMES);
            hexaqua(&["analyze", &input, &text(cut), "--out", &text(at(&out))]);
            let found = values(&out);
            println!("{name} shifted by {by}: {found:?}, whole {expected:?}");
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-4 * b.abs(), "{name} shifted by {by}: {found:?}, whole {expected:?}");
            }
        }
        // an input of another height, with the liquid and the electrodes of the frames
        if name == "field" {
            let cut = text(at("field-0.5.trr"));
            hexaqua(&["analyze", &input, &cut, "--set", "surface.vacuum=0.5 nm", "--out", &text(at("other"))]);
            // bins of 0.02 nm do not shift by whole ones; without the field in its place it would be off by half of 2 V
            let middle = |out: &str| value(&at(out), "potential_middle(periodic)").unwrap_or_else(|| panic!("{out}"));
            let [of_whole, found] = [middle(&whole), middle("other")];
            assert!((found - of_whole).abs() < 0.1, "{found} V in the middle, {of_whole} V of the whole");
            for (a, b) in values("other").iter().zip(&expected) {
                assert!((a - b).abs() < 1e-4 * b.abs(), "built higher: {a} {b}");
            }
        }
    }
}

#[test]
fn potentials_of_given_charges_are_found_anew() {
    let scratch = tempfile::tempdir().expect("scratch");
    let at = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    let input = write_input(scratch.path(), "charge = \"-0.4 e\"", "charge = \"0.4 e\"");
    let input = input.to_string_lossy().into_owned();
    hexaqua(&["run", &input, "--backend", "cpu", "--out", &at("run")]);
    hexaqua(&["analyze", &input, &at("run/trajectory.trr"), "--out", &at("again")]);
    let log = std::fs::read_to_string(at("run/log.csv")).expect("a log");
    let heads: Vec<&str> = log.lines().next().expect("a head").split(',').collect();
    let column = heads.iter().position(|h| *h == "potential_upper (V)").unwrap_or_else(|| panic!("{heads:?}"));
    let potentials: Vec<Option<f64>> =
        log.lines().skip(1).map(|line| line.split(',').nth(column).and_then(|x| x.parse().ok())).collect();
    assert!(potentials.last().expect("lines").is_some_and(|v| v.abs() < 100.0), "{potentials:?}");
    assert!(potentials.contains(&None), "no potential while the electrodes have no charge");
    let [run, again] = ["run", "again"].map(|f| {
        ["electrode_charge(upper)", "electrode_voltage", "capacitance_empty"]
            .map(|id| value(Path::new(&at(f)), id).unwrap_or_else(|| panic!("{id} in {f}")))
    });
    println!("{run:?} in the run, {again:?} from its frames");
    assert!((again[0] - 0.4).abs() < 1e-6 && (run[0] - 0.4).abs() < 1e-6);
    // a charge 1e-5 e off would be 1e-4 V
    assert!((again[1] - run[1]).abs() < 1e-4, "{} {}", again[1], run[1]);
    assert!((again[2] / run[2] - 1.0).abs() < 1e-6);
}

/// A run that was stopped goes on as if nothing had happened, and does not go on from charges that its positions do not give.
#[test]
fn a_stopped_run_goes_on_from_the_charges_it_had() {
    let scratch = tempfile::tempdir().expect("scratch");
    let at = |name: &str| scratch.path().join(name);
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    let input = write_input(scratch.path(), "potential = \"0 V\"", "potential = \"2 V\"");
    let input = input.to_string_lossy().into_owned();
    let run = |out: &str, more: &[&str]| {
        with_code(&[&["run", &input, "--backend", "cpu", "--out", &text(out)], more].concat())
    };
    let (code, said) = run("whole", &[]);
    assert_eq!(code, Some(0), "{said}");
    // in the middle of the last stage, which begins at step 135 and has a checkpoint every 20 steps
    let (code, said) = run("stopped", &["--lose-device-at", "185,200"]);
    assert!(code == Some(1) && said.contains("continuing once, from the checkpoint at step 175"), "{said}");
    let kept = Checkpoint::read_file(&at("stopped").join(FILE_NAME)).expect("a checkpoint");
    let names: Vec<(&str, usize)> = kept.electrodes.iter().map(|(name, q)| (name.as_str(), q.len())).collect();
    assert!(matches!(names[..], [("lower", a), ("upper", b)] if a == b && a > 100), "{names:?}");
    // charges of another program, or of a force field that has changed since
    let mut tampered = kept.clone();
    tampered.electrodes[1].1[5] += 1e-4;
    tampered.write(&at("stopped")).expect("written");
    let (code, said) = run("stopped", &["--resume"]);
    assert!(
        code == Some(1) && said.contains("atom 6 of `upper` had") && said.contains("cannot be continued"),
        "{said}"
    );
    assert!(!at("stopped").join("report.html").exists());
    // rounding of another processor: told, also in the report
    let mut rounded = kept.clone();
    rounded.electrodes[1].1[5] += 1e-12;
    rounded.write(&at("stopped")).expect("written");
    let (code, said) = run("stopped", &["--resume"]);
    assert!(code == Some(0) && said.contains("will not be bit-identical"), "{said}");
    let page = std::fs::read_to_string(at("stopped").join("report.html")).expect("a report");
    assert!(page.contains("will not be bit-identical"));
    for name in ["final.gro", "log.csv", "trajectory.trr"] {
        let [a, b] = ["whole", "stopped"].map(|out| std::fs::read(at(out).join(name)).expect("a file"));
        assert!(a == b, "{name} differs");
    }
}
