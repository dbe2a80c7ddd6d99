//! `hexaqua analyze` as a user meets it: on a whole trajectory, one that is cut off, one of another system, and with inputs that do not fit.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs and expects an exit code; returns (stdout, stderr).
fn analyze(code: i32, args: &[&str]) -> (String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_hexaqua"))
        .current_dir(root())
        .arg("analyze")
        .args(args)
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

const INPUT: &str = "validation/analysis/zncl2.toml";
const TRAJECTORY: &str = "validation/analysis/zncl2.xtc";

#[test]
fn all_analyses_of_an_input_are_written_and_shown() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let out = folder.path().join("out");
    let (stdout, stderr) = analyze(0, &[INPUT, TRAJECTORY, "--out", &out.display().to_string()]);
    for part in ["Zn2+ fraction SSIP", "bulk fraction DDAA", "diffusion coefficient", "lower bound at 95 %", "Q₄"] {
        assert!(stdout.contains(part), "{part}\n{stdout}");
    }
    assert!(stderr.contains("25 frames") && stderr.contains("MB/s"), "{stderr}");
    let names = |sub: &str| -> Vec<String> {
        let entries = std::fs::read_dir(out.join(sub)).expect("folder");
        entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let tables = names("analysis");
    for table in ["msd_Zn2+.csv", "hydrogen_bonds_classes.csv", "pair_distribution_gr.csv", "density_profile.csv"] {
        assert!(tables.iter().any(|t| t == table), "{table} is not among {tables:?}");
    }
    assert!(names("figures").len() >= 12);
}

#[test]
fn a_trajectory_that_is_cut_off_is_used_up_to_there() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let whole = std::fs::read(root().join(TRAJECTORY)).expect("fixture");
    let cut = folder.path().join("cut.xtc");
    std::fs::write(&cut, &whole[..whole.len() - 100]).expect("written");
    let (_, stderr) = analyze(0, &[INPUT, &cut.display().to_string()]);
    assert!(stderr.contains("frame 25: the file is cut off or damaged here"), "{stderr}");
    assert!(stderr.contains("the 24 frames before it were used"), "{stderr}");
    // Nothing whole in it: an error.
    std::fs::write(&cut, &whole[..300]).expect("written");
    let (_, stderr) = analyze(2, &[INPUT, &cut.display().to_string()]);
    assert!(stderr.contains("frame 1: the file is cut off"), "{stderr}");
}

/// A frame that somebody took out of the middle of a file is missed.
#[test]
fn frames_that_are_missing_are_noticed() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let whole = std::fs::read(root().join(TRAJECTORY)).expect("fixture");
    let (_, stderr) = analyze(0, &[INPUT, TRAJECTORY]);
    assert!(!stderr.contains("evenly"), "{stderr}");
    // Frames begin with the number 1995 and that of the atoms.
    let starts: Vec<usize> = (0..whole.len() - 8).filter(|&k| whole[k..k + 8] == whole[..8]).collect();
    assert_eq!(starts.len(), 25);
    let holed = folder.path().join("holed.xtc");
    std::fs::write(&holed, [&whole[..starts[9]], &whole[starts[11]..]].concat()).expect("written");
    let (_, stderr) = analyze(0, &[INPUT, &holed.display().to_string()]);
    assert!(
        stderr.contains("the frames are not evenly spaced")
            && stderr.contains("and 1 interval is longer, the first 0."),
        "{stderr}"
    );
    assert!(stderr.contains("frames are missing"), "{stderr}");
}

/// A file that is damaged takes none of those behind it with it.
#[test]
fn files_behind_a_damaged_one_are_read() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let whole = std::fs::read(root().join(TRAJECTORY)).expect("fixture");
    let input = with_analysis(folder.path(), "[analysis.rdf]\npairs = [[\"Zn2+\", \"OW\"]]");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.display().to_string()
    };
    let part = write("part.xtc", &whole[..2 * whole.len() / 5]);
    let stub = write("stub.xtc", &whole[..300]);
    // A frame in the middle that does not begin like one.
    let mut bytes = whole.clone();
    let starts: Vec<usize> = (0..whole.len() - 8).filter(|&k| whole[k..k + 8] == whole[..8]).collect();
    assert_eq!(starts.len(), 25);
    bytes[starts[20]] = 0xff;
    let broken = write("broken.xtc", &bytes);
    let n_part = starts.iter().filter(|&&k| k <= 2 * whole.len() / 5).count() - 1;

    let used = |stderr: &str, n: usize| {
        assert!(stderr.contains(&format!("{n} frames, ")), "{n} frames\n{stderr}");
    };
    let (_, stderr) = analyze(0, &[&input, &part, TRAJECTORY]);
    used(&stderr, n_part + 25);
    assert!(stderr.contains(&format!("part.xtc, frame {}", n_part + 1)), "{stderr}");
    assert!(stderr.contains(&format!("the {n_part} frames before it were used")), "{stderr}");
    assert!(stderr.contains("the frames are of 2 runs"), "{stderr}");
    // The same in another order, and with a file of which nothing is whole.
    let (_, stderr) = analyze(0, &[&input, TRAJECTORY, &part]);
    used(&stderr, n_part + 25);
    let (_, stderr) = analyze(0, &[&input, TRAJECTORY, &stub, &broken, TRAJECTORY]);
    used(&stderr, 25 + 20 + 25);
    assert!(stderr.contains("stub.xtc, frame 1") && stderr.contains("nothing of this file was used"), "{stderr}");
    assert!(stderr.contains("broken.xtc, frame 21") && stderr.contains("the 20 frames before it"), "{stderr}");
}

#[test]
fn a_trajectory_of_another_system_is_refused() {
    let (_, stderr) = analyze(2, &["inputs/spce-water.toml", TRAJECTORY]);
    assert!(stderr.contains("594 atoms, but the system has 648"), "{stderr}");
}

/// The right number of atoms, and bonds where there are none: 198 waters instead of 8 ZnCl2 in 190.
#[test]
fn a_trajectory_with_the_right_number_of_atoms_of_another_system_is_refused() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let text = std::fs::read_to_string(root().join(INPUT)).expect("fixture");
    let start = text.find("solutes = [").expect("solutes");
    let end = start + text[start..].find("\n]").map_or_else(|| text[start..].find(']').expect("closed") + 1, |k| k + 2);
    let water = format!("{}{}", &text[..start], &text[end..]).replace("molecules = 190", "molecules = 198");
    let (head, _) = water.split_once("[[analysis]]").expect("it has analyses");
    let path = folder.path().join("water.toml");
    std::fs::write(&path, format!("{head}[[analysis]]\n[analysis.rdf]\npairs = [[\"OW\", \"OW\"]]\n"))
        .expect("written");
    let (_, stderr) = analyze(2, &[&path.display().to_string(), TRAJECTORY]);
    assert!(stderr.contains("atoms 1 and 2") && stderr.contains("do not belong together"), "{stderr}");
}

/// The same times twice are two runs: their mean is told, and nothing is compared across the seam.
#[test]
fn trajectories_whose_time_starts_anew_are_runs_of_their_own() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let input = with_analysis(
        folder.path(),
        "[analysis.msd]\ngroups = [\"Zn2+\", \"Cl-\"]\nmax_lag = \"1 ps\"\norigin_every = \"0.1 ps\"",
    );
    let diffusion = |out: &str| -> f64 {
        let line = out.lines().find(|l| l.starts_with("Zn2+ diffusion coefficient ")).expect("a value").to_string();
        line.trim_start_matches("Zn2+ diffusion coefficient ")
            .split_whitespace()
            .next()
            .expect("number")
            .parse()
            .expect("number")
    };
    let (once, _) = analyze(0, &[&input, TRAJECTORY]);
    let out = folder.path().join("out");
    let (twice, stderr) = analyze(0, &[&input, TRAJECTORY, TRAJECTORY, "--out", &out.display().to_string()]);
    assert!(stderr.contains("the frames are of 2 runs") && stderr.contains("the time goes from"), "{stderr}");
    assert!(!stderr.contains("fell between the sampling times"), "{stderr}");
    let (a, b) = (diffusion(&once), diffusion(&twice));
    assert!((a - b).abs() < 2e-3 * a.abs(), "{a} against {b}");
    // The page says of what, by which models and when.
    let page = std::fs::read_to_string(out.join("report.html")).expect("page");
    for part in ["8 Zn²⁺", "Model of SPC/E", "<dt>Time</dt>", "<dt>Frames</dt>"] {
        assert!(page.contains(part) || page.contains(&part.replace("dt>", "th>")), "{part}");
    }
}

fn with_analysis(folder: &Path, analysis: &str) -> String {
    let text = std::fs::read_to_string(root().join(INPUT)).expect("fixture");
    let (head, _) = text.split_once("[[analysis]]").expect("it has analyses");
    let path = folder.join("input.toml");
    std::fs::write(&path, format!("{head}[[analysis]]\n{analysis}\n")).expect("written");
    path.display().to_string()
}

#[test]
fn faults_of_analyses_are_shown_where_they_stand() {
    let folder = tempfile::tempdir().expect("scratch folder");
    for (analysis, parts) in [
        (
            "[analysis.rdf]\npairs = [[\"Zn2+\", \"OW2 and z < 1 nm\"]]",
            ["no atom is called `OW2`", "               ^^^\n", "did you mean \"OW\"?"],
        ),
        (
            "[analysis.msd]\ngroups = [\"Zn2+\", \"OW and within 0.3 of Zn2+\"]",
            ["`of` is not a unit of length", "^^\n", "lengths may be in nm, angstrom or pm"],
        ),
        (
            "[analysis.orientation]\nmolecules = \"water and Cl-\"",
            ["the selection \"water and Cl-\" can hold no atom", "^^^^^^^^^^^^^\n", "this system has the species"],
        ),
        (
            "[analysis.hydrogen-bonds]\nr_max = \"3 nm\"",
            ["r_max = 3.000 nm exceeds half the smallest height", "r_max = \"3 nm\"", "^^^^^^\n"],
        ),
        (
            "[analysis.hydrogen-bonds]\nregions = { bulk = \"OW\" }",
            ["a name in `regions` cannot be `bulk`", "^^^^\n", "choose another name"],
        ),
        (
            "[analysis.residence]\ncenter = \"Zn2+\"\nligand = \"OW\"",
            ["[analysis.residence] has no `r_min`", "[analysis.residence]", "for example r_min = \"0.3 nm\""],
        ),
        (
            "[analysis.fsqt]\nq = [\"1 nm\"]",
            ["`nm` is not a unit of an inverse length but of a length", "\"1 nm\"", "^^^^^^\n"],
        ),
    ] {
        let input = with_analysis(folder.path(), analysis);
        let (_, stderr) = analyze(2, &[&input, TRAJECTORY]);
        for part in parts {
            assert!(stderr.contains(part), "{part}\n{stderr}");
        }
    }
}

#[test]
fn a_measured_curve_is_laid_over_the_calculated_one() {
    let folder = tempfile::tempdir().expect("scratch folder");
    // Head, comment, both kinds of separators; the last point lies beyond what is drawn.
    let curve = "r (A), G(r)\n# X-ray, Qmax 20\n1.00, -0.5\n2.10 3.25\n2.75\t-1.5\n4.2, 0.75\n99.0, 7.0\n";
    std::fs::write(folder.path().join("curve.csv"), curve).expect("written");
    let out = folder.path().join("out");
    let input = with_analysis(folder.path(), "[analysis.pair-distribution]\nmeasured = \"curve.csv\"");
    let (stdout, _) = analyze(0, &[&input, TRAJECTORY, "--out", &out.display().to_string()]);
    // 25 frames are enough for an error of the first peak of S(Q).
    let peak = stdout.lines().find(|l| l.starts_with("first peak of S(Q)")).expect("a line of the table");
    assert!(peak.contains('±'), "{peak}");
    let svg = std::fs::read_to_string(out.join("figures/pair_distribution_gr.svg")).expect("figure");
    assert!(svg.contains("measured: curve.csv") && svg.contains("this run"), "{svg}");
    let dashed =
        svg.lines().find(|l| l.starts_with("<path") && l.contains("stroke-dasharray")).expect("a dashed curve");
    assert_eq!(dashed.matches(['M', 'L']).count(), 4, "{dashed}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("page");
    assert!(page.contains("measured: curve.csv"));
    // Heights are drawn on the scale of the axis: 3.25 stands above −1.5 by 4.75/2.25 times as much as 0.75 does.
    let path = dashed.split_once("d=\"").expect("a path").1.split('"').next().expect("quoted");
    let y: Vec<f64> =
        path.split(['M', 'L']).skip(1).map(|p| p.split(' ').nth(1).expect("x y").parse().expect("a number")).collect();
    assert!(((y[2] - y[1]) / (y[2] - y[3]) - 4.75 / 2.25).abs() < 0.02, "{y:?}");
}

/// Some atoms of frames that threads look at in any order, or all atoms of one frame after the other: the same tables.
#[test]
fn neither_threads_nor_other_analyses_change_a_table() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let shells = "[analysis.rdf]\npairs = [[\"Zn2+\", \"OW\"]]\n[analysis.coordination]\ncenter = \"Zn2+\"\nligands = [\"OW\", \"Cl-\"]\n";
    let tables = |name: &str, analysis: &str, trajectories: &[&str], threads: &str| -> Vec<Vec<u8>> {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("folder");
        let (input, out) = (with_analysis(&folder, analysis), folder.join("out"));
        let out_text = out.display().to_string();
        analyze(0, &[&[input.as_str()], trajectories, &["--threads", threads, "--out", &out_text]].concat());
        let read = |table: &str| std::fs::read(out.join("analysis").join(table)).expect("table");
        ["rdf_Zn2+_OW.csv", "coordination_Zn2+.csv", "coordination_Zn2+_radius.csv"].map(read).to_vec()
    };
    // Enough frames for several threads to have some at the same time.
    let eight = [TRAJECTORY; 8];
    let expected = tables("one", shells, &eight, "1");
    assert_eq!(tables("three", shells, &eight, "3"), expected);
    let with_msd = format!("{shells}[analysis.msd]\n");
    assert_eq!(tables("whole", &with_msd, &eight, "2"), expected);
    // Frames that are passed over are not counted.
    let sparse = shells.replace("]]\n", "]]\nevery = \"0.5 ps\"\n");
    let sparse = tables("sparse", &sparse, &eight, "2");
    assert_ne!(sparse[0], expected[0]);
    assert_eq!(sparse[1..], expected[1..]);
    let sparse = format!("{}[analysis.msd]\n", shells.replace("]]\n", "]]\nevery = \"0.5 ps\"\n"));
    assert_eq!(tables("sparse-whole", &sparse, &eight, "2")[1..], expected[1..]);
}
