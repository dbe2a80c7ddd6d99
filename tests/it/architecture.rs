//! Holds the source tree to ARCHITECTURE.md: the direction of imports, who names which crate, and the length of files.
//!
//! The table of modules in ARCHITECTURE.md is the rule; this file only reads it. It looks at text, not at types: comments
//! and strings are blanked, then every `crate::`, `super::` and crate name counts, inside `use` or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 700;
/// Crate and the only folders that may name it.
const CRATES: [(&str, &[&str]); 4] = [
    ("wgpu", &["src/forces/gpu"]),
    ("naga", &["src/forces/gpu"]),
    ("chemfiles", &["src/io"]),
    ("toml", &["src/io", "src/forcefield"]),
];
/// What `foundation` means in the table.
const FOUNDATION: [&str; 5] = ["units", "math", "cell", "random", "suggest"];
/// (module, part, part it must not import)
const INSIDE: [(&str, &str, &str); 3] =
    [("forces", "reference", "cpu"), ("forces", "reference", "gpu"), ("forces", "cpu", "gpu")];

/// Module → modules it may import; `None` is everything.
type Table = BTreeMap<String, Option<BTreeSet<String>>>;

/// Rows `| `module` | role | imports |` below the heading "## Modules".
fn read_table(page: &str) -> Table {
    let mut table = Table::new();
    let section = page.split("\n## ").find(|s| s.starts_with("Modules\n")).unwrap_or("");
    for line in section.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, module, _, imports, _] = cells[..] else { continue };
        let Some(module) = module.strip_prefix('`').and_then(|m| m.strip_suffix('`')) else { continue };
        let imports = if imports == "everything" {
            None
        } else {
            let names = imports.split_whitespace();
            Some(
                names
                    .flat_map(|n| if n == "foundation" { FOUNDATION.to_vec() } else { vec![n] })
                    .map(String::from)
                    .collect(),
            )
        };
        table.insert(module.to_string(), imports);
    }
    table
}

/// Rust source with comments, strings and characters blanked; line breaks stay.
fn code_only(text: &str) -> String {
    let c: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < c.len() {
        let rest = &c[i..];
        let previous_is_word = i > 0 && (c[i - 1].is_alphanumeric() || c[i - 1] == '_');
        let length = if rest.starts_with(&['/', '/']) {
            rest.iter().position(|&x| x == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            block_comment(rest)
        } else if rest[0] == 'r' && !previous_is_word && raw_string(rest).is_some() {
            raw_string(rest).unwrap_or(1)
        } else if rest[0] == '"' {
            quoted(rest, '"')
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            quoted(rest, '\'')
        } else {
            out.push(rest[0]);
            i += 1;
            continue;
        };
        out.push(' ');
        out.extend(rest[..length].iter().filter(|&&x| x == '\n'));
        i += length;
    }
    out
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        if rest[i..].starts_with(&['/', '*']) {
            (depth, i) = (depth + 1, i + 2);
        } else if rest[i..].starts_with(&['*', '/']) {
            (depth, i) = (depth - 1, i + 2);
            if depth == 0 {
                break;
            }
        } else {
            i += 1;
        }
    }
    i
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != quote {
        i += if rest[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(rest.len())
}

/// Length of `r"…"`, `r#"…"#` and so on.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&x| x == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then(|| {
        let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
        let body = 2 + hashes;
        rest[body..].windows(end.len()).position(|w| w == end).map_or(rest.len(), |p| body + p + end.len())
    })
}

/// Module path of a file under src: `src/forces/cpu/mod.rs` → `[forces, cpu]`.
fn module_path(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.trim_end_matches("/mod");
    if inner == "lib" || inner == "main" { vec![] } else { inner.split('/').map(String::from).collect() }
}

/// Paths below the crate root that the code names, `[module, part, …]`, two levels deep at most.
fn named_paths(file: &str, code: &str) -> BTreeSet<Vec<String>> {
    let own = module_path(file);
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" :: ", "::");
    let mut found = BTreeSet::new();
    for (start, root) in [("crate::", true), ("super::", false)] {
        for (at, _) in squeezed.match_indices(start) {
            if squeezed[..at].ends_with(|x: char| x.is_alphanumeric() || x == '_' || x == ':') {
                continue; // `$crate::`-like tails and the second `super::` of a chain
            }
            let mut tail = &squeezed[at..];
            let mut base = own.clone();
            if root {
                (tail, base) = (&tail[start.len()..], vec![]);
            } else {
                while let Some(next) = tail.strip_prefix("super::") {
                    base.pop();
                    tail = next;
                }
            }
            for mut path in expand(tail) {
                path.splice(0..0, base.iter().cloned());
                path.truncate(2);
                found.insert(path);
            }
        }
    }
    found
}

/// `a::{b, c::d}` → `[a, b]`, `[a, c, d]`; stops where the path stops.
fn expand(tail: &str) -> Vec<Vec<String>> {
    if let Some(group) = tail.strip_prefix('{') {
        let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
        for x in group.chars() {
            match x {
                '}' if depth == 0 => break,
                ',' if depth == 0 => items.push(std::mem::take(&mut item)),
                _ => {
                    depth += i32::from(x == '{') - i32::from(x == '}');
                    item.push(x);
                }
            }
        }
        items.push(item);
        return items.iter().map(|i| i.trim()).filter(|i| !i.is_empty()).flat_map(expand).collect();
    }
    let name: String = tail.chars().take_while(|x| x.is_alphanumeric() || *x == '_').collect();
    if name.is_empty() {
        return vec![];
    }
    let mut paths = tail[name.len()..].strip_prefix("::").map(expand).unwrap_or_default();
    if paths.is_empty() {
        paths.push(vec![]);
    }
    for path in &mut paths {
        path.insert(0, name.clone());
    }
    paths
}

/// What is wrong with one file; empty if nothing is.
///
/// * `file` – path from the repository root, with `/`
fn violations(file: &str, text: &str, table: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > MAX_LINES {
        wrong.push(format!("{file}: {n_lines} lines, the limit is {MAX_LINES}: split it"));
    }
    if !file.starts_with("src/") || !file.ends_with(".rs") {
        return wrong;
    }
    let code = code_only(text);
    let words: BTreeSet<&str> = code.split(|x: char| !(x.is_alphanumeric() || x == '_')).collect();
    for (name, folders) in CRATES {
        let is_path =
            words.contains(name) && (code.contains(&format!("{name}::")) || code.contains(&format!("use {name}")));
        if is_path && !folders.iter().any(|f| file.starts_with(&format!("{f}/")) || file == format!("{f}.rs")) {
            wrong.push(format!("{file}: names the crate {name}, which only {} may", folders.join(" and ")));
        }
    }
    let own = module_path(file);
    let Some(module) = own.first() else { return wrong };
    let Some(allowed) = table.get(module) else {
        wrong.push(format!("{file}: the module {module} has no row in the table of ARCHITECTURE.md"));
        return wrong;
    };
    for path in named_paths(file, &code) {
        let Some(target) = path.first().filter(|t| table.contains_key(*t) && *t != module) else { continue };
        if allowed.as_ref().is_some_and(|a| !a.contains(target)) {
            wrong.push(format!("{file}: {module} must not import {target} (table in ARCHITECTURE.md)"));
        }
    }
    for (parent, part, other) in INSIDE {
        let inside = own.len() > 1 && own[0] == parent && own[1] == part;
        if inside && named_paths(file, &code).contains(&vec![parent.to_string(), other.to_string()]) {
            wrong.push(format!("{file}: {parent}::{part} must not import {parent}::{other}"));
        }
    }
    wrong
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Table {
    read_table(&fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is readable"))
}

/// Every file under `folder` with one of `extensions`.
fn files(folder: &Path, extensions: &[&str], into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|e| e.expect("folder entry").path()) {
        if path.is_dir() {
            files(&path, extensions, into);
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            into.push(path);
        }
    }
}

#[test]
fn every_source_file_keeps_the_rules() {
    let table = table();
    let mut sources = Vec::new();
    for folder in ["src", "shaders", "tests", "benches", "scripts"] {
        files(&root().join(folder), &["rs", "wgsl", "sh"], &mut sources);
    }
    assert!(sources.len() > 20, "only {} source files found", sources.len());
    let mut wrong = Vec::new();
    for path in &sources {
        let text = fs::read_to_string(path).expect("source is UTF-8");
        let file = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        wrong.extend(violations(&file, &text, &table));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_of_the_table_is_a_module() {
    for module in table().keys() {
        let src = root().join("src");
        assert!(
            src.join(format!("{module}.rs")).exists() || src.join(module).join("mod.rs").exists(),
            "no module {module}"
        );
    }
}

#[test]
fn the_table_has_no_cycle_except_system_and_potential() {
    let table = table();
    for (module, allowed) in &table {
        for other in allowed.iter().flatten().filter(|o| *o != module) {
            let back = table[other].as_ref().is_none_or(|a| a.contains(module));
            let known = FOUNDATION.contains(&other.as_str()) || [module.as_str(), other] == ["system", "potential"];
            let known = known || [module.as_str(), other] == ["potential", "system"];
            assert!(!back || known, "{module} and {other} import each other");
        }
    }
}

// --- the checker itself must be able to fail ---

/// The complaints about a made-up file, checked against the real table.
fn complaints(file: &str, text: &str) -> String {
    violations(file, text, &table()).join("\n")
}

#[test]
fn checker_rejects_imports_against_the_direction() {
    for text in [
        "use crate::forces::Backend;",
        "use crate::{cell::Cell, forces::{Backend, cpu}};",
        "pub(crate) use crate::forces;",
        "fn f() { let _ = crate::forces::cpu::go(); }",
        "use super::super::forces::Backend;",
        "use crate ::\n    forces::Backend;",
    ] {
        assert!(complaints("src/analysis/rdf.rs", text).contains("analysis must not import forces"), "{text}");
        assert_eq!(complaints("src/dynamics/engine.rs", text), "", "{text}");
    }
}

#[test]
fn checker_ignores_comments_strings_and_own_items() {
    for text in [
        "//! [`crate::forces`]\n// use crate::forces;\n/* crate::forces /* wgpu::Device */ crate::io */\nfn f() {}",
        "const A: &str = \"crate::forces \\\" wgpu::Device\"; const Q: char = '\"'; const R: &str = r#\"\" crate::forces\"#;",
        "use super::frame; use crate::analysis::rdf; use self::forces; fn f<'a>(x: &'a str) -> &'a str { x }",
    ] {
        assert_eq!(complaints("src/analysis/rdf.rs", text), "", "{text}");
    }
}

#[test]
fn checker_sees_code_after_a_string_or_a_lifetime() {
    for before in
        ["const Q: char = '\"';", "fn f<'a>(x: &'a str) {}", "const R: &str = r\"\\\";", "const S: &str = \"\\\\\";"]
    {
        let text = format!("{before} use crate::forces;");
        assert!(complaints("src/analysis/rdf.rs", &text).contains("must not import"), "{text}");
    }
}

#[test]
fn checker_rejects_crates_outside_their_folder() {
    assert!(complaints("src/dynamics/engine.rs", "use wgpu::Device;").contains("names the crate wgpu"));
    assert!(complaints("src/dynamics/engine.rs", "fn f(d: &wgpu::Device) {}").contains("names the crate wgpu"));
    assert!(complaints("src/analysis/mod.rs", "use chemfiles::Frame;").contains("names the crate chemfiles"));
    assert!(complaints("src/cli/run.rs", "use toml;").contains("names the crate toml"));
    assert_eq!(complaints("src/forces/gpu/mod.rs", "use wgpu::Device;"), "");
    assert_eq!(complaints("src/io/input/mod.rs", "use toml::Spanned;"), "");
    // a variable or a file ending is not the crate
    assert_eq!(complaints("src/cli/run.rs", "let toml = 1; let run_toml = toml + 1;"), "");
}

#[test]
fn checker_keeps_the_oracle_apart() {
    let text = "use crate::forces::gpu::Gpu;";
    assert!(complaints("src/forces/reference/pme.rs", text).contains("forces::reference must not import forces::gpu"));
    assert!(complaints("src/forces/reference/mod.rs", "use super::cpu::go;").contains("must not import forces::cpu"));
    assert_eq!(complaints("src/forces/gpu/selftest.rs", "use crate::forces::reference::Reference;"), "");
}

#[test]
fn checker_rejects_long_files_and_modules_without_a_row() {
    assert!(complaints("shaders/pairs.wgsl", &"\n".repeat(MAX_LINES + 1)).contains("701 lines"));
    assert_eq!(complaints("shaders/pairs.wgsl", &"\n".repeat(MAX_LINES)), "");
    assert!(complaints("src/utils/mod.rs", "").contains("no row in the table"));
}
