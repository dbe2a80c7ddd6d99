//! Holds the pages of the repository to what is there: make targets, paths, links, subcommands, and the README's input.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
/// A code span that starts with one of these is a path from the repository root.
const FOLDERS: [&str; 9] =
    ["src/", "tests/", "shaders/", "forcefields/", "inputs/", "validation/", "benches/", "scripts/", ".ci/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// Contents of the fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    text.split("\n```").skip(1).step_by(2).filter_map(|b| b.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// Inline code spans, and the lines of shell blocks.
fn code(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    let spans = prose.flat_map(|p| p.split('`').skip(1).step_by(2));
    spans.chain(blocks(text, "sh").into_iter().flat_map(str::lines)).collect()
}

/// Second words of the commands that start with `program`.
fn commands_of<'a>(text: &'a str, program: &str) -> BTreeSet<&'a str> {
    let lines = code(text).into_iter().filter_map(|c| c.strip_prefix(program)?.strip_prefix(' '));
    lines.filter_map(|l| l.split_whitespace().next()).filter(|w| w.starts_with(char::is_alphabetic)).collect()
}

fn make_targets(makefile: &str) -> BTreeSet<&str> {
    let lines = makefile.lines().filter_map(|l| l.split_once(':'));
    lines.map(|(t, _)| t).filter(|t| t.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect()
}

/// Targets of `[text](target)` that are not on the web.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|t| t.split(')').next());
    targets.map(|t| t.split('#').next().unwrap_or(t)).filter(|t| !t.is_empty() && !t.contains("://")).collect()
}

/// Code spans that name a path of this repository.
fn paths(text: &str) -> Vec<&str> {
    code(text).into_iter().filter(|c| FOLDERS.iter().any(|f| c.starts_with(f)) && !c.contains(' ')).collect()
}

/// Does the path exist? A `*` in the last part stands for any file with the same ending.
fn exists(root: &Path, path: &str) -> bool {
    match path.rsplit_once("/*") {
        None => root.join(path).exists(),
        Some((folder, ending)) => {
            let entries: Vec<PathBuf> =
                fs::read_dir(root.join(folder)).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
            entries.iter().any(|e| e.to_string_lossy().ends_with(ending))
        }
    }
}

fn hexaqua(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hexaqua")).args(arguments).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn make_targets_on_the_pages_exist() {
    let makefile = read("Makefile");
    let targets = make_targets(&makefile);
    for page in PAGES {
        let text = read(page);
        for target in commands_of(&text, "make") {
            assert!(targets.contains(target), "{page} names `make {target}`, which the Makefile does not have");
        }
    }
    let readme = read("README.md");
    let first: Vec<&str> = blocks(&readme, "sh")[0].lines().filter_map(|l| l.split("  ").next()).collect();
    assert_eq!(first, ["make demo", "make test"], "the README starts with the two commands");
}

#[test]
fn links_and_paths_on_the_pages_exist() {
    let mut n_paths = 0;
    let mut dead = Vec::new();
    for page in PAGES {
        let text = read(page);
        n_paths += paths(&text).len();
        dead.extend(
            links(&text).into_iter().chain(paths(&text)).filter(|p| !exists(root(), p)).map(|p| format!("{page}: {p}")),
        );
    }
    assert!(n_paths > 20, "only {n_paths} paths found: the reader of pages is broken");
    assert!(dead.is_empty(), "named but not there:\n{}", dead.join("\n"));
}

#[test]
fn readme_names_exactly_the_subcommands() {
    let (ok, help) = hexaqua(&["--help"]);
    assert!(ok, "{help}");
    let section = help.split("Commands:\n").nth(1).expect("--help lists commands").split("\n\n").next().unwrap_or("");
    let entries = section.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let known: BTreeSet<&str> = entries.filter_map(|l| l.split_whitespace().next()).filter(|c| *c != "help").collect();
    let readme = read("README.md");
    assert_eq!(commands_of(&readme, "hexaqua"), known);
}

#[test]
fn readme_input_builds() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let (input, structure) = (folder.path().join("readme.toml"), folder.path().join("readme.gro"));
    let readme = read("README.md");
    fs::write(&input, blocks(&readme, "toml")[0]).expect("scratch file");
    let (ok, text) = hexaqua(&["build", &input.to_string_lossy(), "--out", &structure.to_string_lossy()]);
    assert!(ok, "{text}");
    let gro = fs::read_to_string(&structure).expect("the structure was written");
    assert_eq!(gro.lines().nth(1).map(str::trim), Some("1539"), "1 Zn2+, 2 Cl- and 512 waters");
}

#[test]
fn readme_states_the_rust_version_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find_map(|l| l.strip_prefix("rust-version = \"")).expect("rust-version");
    let version = line.split('"').next().expect("quoted");
    assert!(read("README.md").contains(&format!("Rust {version} or newer")), "README does not say Rust {version}");
}

// --- the readers of pages must be able to find fault ---

const PAGE: &str = "Type `make gold` and see [there](nowhere.md#x), [web](https://example.org) or `src/nothing.rs`.\n\
                    ```sh\nmake haste   # soon\nhexaqua fly INPUT\n```\nand `hexaqua walk`\n\
                    ```toml\nkey = 1\n```\n";

#[test]
fn reader_finds_commands_links_and_paths() {
    assert_eq!(commands_of(PAGE, "make"), BTreeSet::from(["gold", "haste"]));
    assert_eq!(commands_of(PAGE, "hexaqua"), BTreeSet::from(["fly", "walk"]));
    assert_eq!(links(PAGE), ["nowhere.md"]);
    assert_eq!(paths(PAGE), ["src/nothing.rs"]);
    assert_eq!(blocks(PAGE, "toml"), ["key = 1"]);
}

#[test]
fn reader_tells_what_exists() {
    assert!(exists(root(), "src/cell.rs") && exists(root(), "src/*.rs") && exists(root(), "src/"));
    assert!(!exists(root(), "src/nothing.rs") && !exists(root(), "src/*.nothing") && !exists(root(), "nowhere/*.rs"));
    let targets = make_targets("PATH := a:b\n.PHONY: x\ndemo: build ## text\n\techo a: b\nfmt-check:\n");
    assert_eq!(targets, BTreeSet::from(["demo", "fmt-check"]));
}
