//! One bad topology per fault: `bad_topology/NAME.top`, beside the structure of two waters, must give exactly the message
//! in `bad_topology/NAME.txt` and exit code 2. `HEXAQUA_BLESS=1` rewrites the messages; read them.

use hexaqua::cell::Cell;
use hexaqua::io::gromacs::GromacsTopology;
use hexaqua::random::{Stream, block};
use hexaqua::system::{Structure, Topology};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bad_topology")
}

/// `hexaqua build` with the topology: exit code and what it says, without the folders.
fn build(topology: &Path) -> (Option<i32>, String) {
    let scratch = tempfile::tempdir().unwrap();
    let input = scratch.path().join("input.toml");
    let structure = folder().join("system.gro");
    std::fs::write(&input, format!("[system]\nstructure = {structure:?}\ntopology = {topology:?}\n")).unwrap();
    let done =
        Command::new(env!("CARGO_BIN_EXE_hexaqua")).arg("build").arg(&input).output().expect("the program starts");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let plain = [folder().as_path(), scratch.path()]
        .iter()
        .fold(said, |text, f| text.replace(&format!("{}/", f.display()), ""));
    (done.status.code(), plain.replace(&folder().display().to_string(), "FOLDER"))
}

/// The underline of a path is as long as the path of this checkout: runs of carets become one.
fn one_caret(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    text.chars().for_each(|c| {
        if c != '^' || !short.ends_with('^') {
            short.push(c)
        }
    });
    short
}

#[test]
fn every_bad_topology_gets_its_message() {
    let bless = std::env::var_os("HEXAQUA_BLESS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "top"));
    files.sort();
    assert!(files.len() >= 80, "{} files", files.len());
    let mut wrong = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        let (code, got) = build(&file);
        let snapshot = file.with_extension("txt");
        if bless {
            std::fs::write(&snapshot, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        if one_caret(&got) != one_caret(&expected) || code != Some(2) {
            wrong += &format!("--- {name}, exit code {code:?}: expected\n{expected}--- got\n{got}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A message that names no place cannot be acted on: all but those about a missing section do.
#[test]
fn messages_name_file_and_line() {
    let mut without_line = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("error: ") && !text.contains("panicked"), "{}: {text}", path.display());
            let mut parts = text.split(':').skip(2);
            let has_place = [parts.next(), parts.next()].iter().all(|p| p.is_some_and(|p| p.parse::<u32>().is_ok()));
            if !has_place {
                without_line.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    without_line.sort();
    let about_sections = ["empty", "molecules_without_rows", "no_defaults", "no_molecules", "no_system", "truncated"];
    assert_eq!(without_line, about_sections);
}

/// The structure that belongs to a topology, its atoms in a row.
fn structure_of(topology: &GromacsTopology) -> Structure {
    let molecules =
        topology.counts.iter().flat_map(|&(s, n)| std::iter::repeat_n(&topology.species[s as usize], n as usize));
    let atoms: Vec<(i64, &str, &str)> = (1..)
        .zip(molecules)
        .flat_map(|(id, s)| s.atoms.iter().map(move |a| (id, s.residue.as_str(), a.name.as_str())))
        .collect();
    Structure {
        source: "whole.gro".into(),
        title: String::new(),
        names: atoms.iter().map(|a| a.2.into()).collect(),
        residue_names: atoms.iter().map(|a| a.1.into()).collect(),
        residue_ids: atoms.iter().map(|a| a.0).collect(),
        positions: (0..atoms.len()).map(|i| glam::DVec3::X * 0.1 * i as f64).collect(),
        velocities: None,
        cell: Cell::cubic(5.0).unwrap(),
    }
}

/// Random damage to a rich topology: bytes and lines deleted, doubled, swapped, replaced by what files hold. Reading it
/// ends in a topology or in a fault, never in a panic, and soon.
#[test]
fn damaged_topologies_never_panic() {
    const WORDS: [&str; 24] = [
        "0",
        "-1",
        "1e400",
        "nan",
        "99999999999999999999",
        "[",
        "]",
        "[ atoms ]",
        "[ defaults ]",
        "[ system ]",
        "#endif",
        "#else",
        "#ifdef X",
        "#define a a a",
        "\\",
        ";",
        "\"",
        "\u{e9}\u{0}",
        "4294967296",
        "X",
        "1 2 3 4 5 6 7 8 9",
        "#include \"x\"",
        "[ moleculetype ]",
        "a",
    ];
    let whole = std::fs::read_to_string(folder().join("../topology/everything.top")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("damaged.top");
    std::fs::write(&path, &whole).unwrap();
    let define = ["POSRES".to_string()];
    let structure = structure_of(&hexaqua::io::gromacs::read_topology(&path, &[], &define).unwrap());
    let (mut accepted, mut refused, mut matched) = (0, 0, 0);
    for round in 0..3000 {
        let mut lines: Vec<String> = whole.lines().map(String::from).collect();
        for hit in 0..1 + round % 3 {
            let [kind, line, column, word] = block(77, Stream::Build, round as u64, hit as u32);
            let (n, at) = (lines.len(), |x: u32, n: usize| x as usize % n.max(1));
            let row = at(line, n);
            let text = &mut lines[row];
            let words: Vec<&str> = text.split_whitespace().collect();
            let replacement = WORDS[at(word, WORDS.len())];
            match kind % 7 {
                0 => drop(lines.remove(row)),
                1 => {
                    let copy = text.clone();
                    lines.insert(at(column, n), copy);
                }
                2 => lines.swap(row, at(column, n)),
                3 => lines.truncate(row + 1),
                4 if !words.is_empty() => {
                    let target = at(column, words.len());
                    *text = (words.iter().enumerate())
                        .map(|(k, w)| if k == target { replacement } else { w })
                        .collect::<Vec<_>>()
                        .join(" ");
                }
                5 => *text = text.chars().enumerate().filter(|(k, _)| *k != at(column, 40)).map(|c| c.1).collect(),
                _ => lines.insert(row, replacement.to_string()),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        std::fs::write(&path, lines.join("\n")).unwrap();
        match hexaqua::io::gromacs::read_topology(&path, &[], &define) {
            Ok(topology) => {
                accepted += 1;
                assert!(topology.species.iter().all(|s| !s.atoms.is_empty()));
                if let Ok(matching) = topology.matched_to(&structure) {
                    let made = Topology::new(topology.types, topology.species, &matching.sequence);
                    assert_eq!(made.n_atoms(), structure.names.len());
                    matched += 1;
                }
            }
            Err(fault) => {
                refused += 1;
                assert!(fault.to_string().contains("damaged.top"), "{fault}");
            }
        }
    }
    println!("{accepted} accepted, {matched} of them with the structure, {refused} refused");
    assert!(
        accepted > 100 && matched > 50 && refused > 1000,
        "{accepted} accepted, {matched} matched, {refused} refused"
    );
}
