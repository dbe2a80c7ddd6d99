//! What is wrong with a surface, its gap, its monolayers, its coating and its crystal is said at the key that was written, with what to write instead.

use std::path::{Path, PathBuf};
use std::process::Command;

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs")
}

/// The input with its slabs of about 2 nm and `change` (from, to) in its text: exit code, what `build` says on both streams, and the file.
fn build(name: &str, changes: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let scratch = tempfile::tempdir().expect("scratch");
    let mut text = std::fs::read_to_string(inputs().join(format!("{name}.toml"))).expect("an input");
    let size = text.lines().find(|l| l.starts_with("size = ")).expect("a size").to_string();
    text = text.replace(&size, "size = [\"2.3 nm\", \"2.1 nm\"]");
    for folder in ["crystals", "molecules"] {
        text = text.replace(&format!("\"{folder}/"), &format!("\"{}/", inputs().join(folder).display()));
    }
    for (from, to) in changes {
        assert!(text.contains(from), "{name}: `{from}`");
        text = text.replace(from, to);
    }
    let path = scratch.path().join("a.toml");
    std::fs::write(&path, &text).expect("written");
    let done = Command::new(env!("CARGO_BIN_EXE_hexaqua"))
        .arg("build")
        .arg(&path)
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .expect("starts");
    let said = [done.stdout, done.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).concat();
    (done.status.code(), said, text)
}

/// What the carets of a message stand under, and whether it names the right line of the file.
fn pointed_at(said: &str, text: &str) -> String {
    let error = said.lines().skip_while(|l| !l.starts_with("error: ")).collect::<Vec<&str>>();
    let head = error.first().unwrap_or_else(|| panic!("{said}"));
    let place = head.split("a.toml:").nth(1).unwrap_or_else(|| panic!("file and line in `{head}`"));
    let number: usize = place.split(':').next().and_then(|n| n.parse().ok()).expect("a line");
    let shown = error[2].split_once(" | ").expect("the line").1;
    assert_eq!(text.lines().nth(number - 1), Some(shown));
    let carets = error[3].split_once(" | ").expect("carets").1;
    let (from, to) = (carets.find('^').expect("a caret"), carets.trim_end().len());
    shown.chars().skip(from).take(to - from).collect()
}

#[test]
fn faults_point_at_the_key_that_was_written() {
    const GAP: &str = "gap = \"4 nm\"";
    for (name, change, under, words) in [
        ("graphite-water", (GAP, "gap = \"0.4 nm\""), "\"0.4 nm\"", "the atoms of the surfaces take 0.56 nm of it"),
        ("graphite-water", (GAP, "gap = \"0.6 nm\""), "\"0.6 nm\"", "[surface] gap = \"0.90 nm\" is the least"),
        ("voh-znotf2-2m-ide", (GAP, "gap = \"1.2 nm\""), "\"1.2 nm\"", "[surface] gap = \"1.5 nm\" has room for it"),
        ("mno2-hexane-znotf2-2m", ("gap = \"5 nm\"", "gap = \"2 nm\""), "\"2 nm\"", "and the monolayers 1.74 nm"),
        ("graphite-water", ("0.997 g/cm3", "3 g/cm3"), "\"3 g/cm3\"", "do not fit into a gap of 4 nm"),
        (
            "mno2-hexane-znotf2-2m",
            ("coverage = \"2.5 /nm2\"", "coverage = \"30 /nm2\""),
            "\"30 /nm2\"",
            "a larger `height` or a smaller `coverage` of [surface] monolayers",
        ),
        (
            "mno2-hexane-znotf2-2m",
            ("coverage = \"2.5 /nm2\"", "coverage = \"0.01 /nm2\""),
            "\"0.01 /nm2\"",
            "enlarge [surface] size or the coverage",
        ),
        (
            "mno2-hexane-znotf2-2m",
            ("monolayers = [{ species = \"hexane\"", "monolayers = [{ species = \"hexan\""),
            "\"hexan\"",
            "there is no solute `hexan` for a monolayer",
        ),
        (
            "graphite-znso4-1m",
            ("concentration = \"1 mol/L\"", "concentration = \"1 mmol/L\""),
            "\"1 mmol/L\"",
            "make `gap` or `size` of [surface] larger",
        ),
        (
            "mxene-zn-znotf2-2m",
            ("{ material = \"ti3c2o2\" }", "{ material = \"ti3c2o2\", distance = \"0.05 nm\" }"),
            "\"0.05 nm\"",
            "leave `distance` out for 0.25 nm; Zn and O that are not bonded touch at 0.31 nm",
        ),
        (
            "mxene-zn-znotf2-2m",
            ("{ material = \"ti3c2o2\" }", "{ material = \"ti3c2\" }"),
            "\"ti3c2\"",
            "did you mean `ti3c2o2`?",
        ),
        (
            "tis2-znotf2-2m",
            ("TiS2.cif", "none.cif"),
            "none.cif\"",
            "a CIF, or another structure with a cell, is needed",
        ),
        ("tis2-znotf2-2m", ("name = \"S\"", "name = \"Se\""), "sites", "add { name = \"S\", charge = …"),
        ("tis2-znotf2-2m", ("name = \"S\"", "name = \"Xx\""), "\"Xx\"", "is no element whose mass is known"),
        ("tis2-znotf2-2m", ("\"1.2 e\"", "\"2 e\""), "sites", "1 Ti of +2 e, 2 S of -0.6 e in its cell"),
        (
            "tis2-znotf2-2m",
            ("cut = ", "frame = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\ncut = "),
            "frame",
            "rows 1 and 2 of `frame` are at 120.0 degrees",
        ),
        (
            "tis2-znotf2-2m",
            ("cut = ", "frame = [[1, 0, 0], [0, 0, 0], [0, 0, 1]]\ncut = "),
            "frame",
            "row 2 of `frame` is no vector",
        ),
        ("tis2-znotf2-2m", ("layers = 2", "layers = 1000000"), "1000000", "ask for fewer layers"),
        ("graphite-water", ("vacuum = \"11 nm\"", "vacuum = \"0.5 nm\""), "\"0.5 nm\"", "[surface] vacuum = \""),
    ] {
        let (code, said, text) = build(name, &[change]);
        assert_eq!(code, Some(2), "{name}, {change:?}: {said}");
        assert!(said.contains(words), "{name}, {change:?}: `{words}` in {said}");
        let found = pointed_at(&said, &text);
        assert!(found.ends_with(under), "{name}, {change:?}: `{found}`, not `{under}`: {said}");
    }
}

/// What a message proposes is accepted, thin as it is; and a coating that lies too far away is told.
#[test]
fn proposals_are_accepted() {
    for (name, from, gap) in [
        ("graphite-water", "4 nm", "0.90 nm"),
        ("voh-znotf2-2m-ide", "4 nm", "1.5 nm"),
        ("mno2-hexane-znotf2-2m", "5 nm", "2.64 nm"),
    ] {
        let (code, said, _) = build(name, &[(&format!("gap = \"{from}\""), &format!("gap = \"{gap}\""))]);
        assert_eq!(code, Some(0), "{name} at {gap}: {said}");
    }
    let coated = |distance: &str| {
        let to = format!("{{ material = \"ti3c2o2\", distance = \"{distance} nm\" }}");
        build("mxene-zn-znotf2-2m", &[("{ material = \"ti3c2o2\" }", &to)])
    };
    let (code, said, _) = coated("0.25");
    assert!(code == Some(0) && !said.contains("the coating is"), "{said}");
    let (code, said, _) = coated("0.9");
    assert!(code == Some(0) && said.contains("the coating is 0.9 nm above its slab"), "{said}");
}
