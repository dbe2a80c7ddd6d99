//! One bad input per fault: `bad_input/NAME.toml` must give exactly the message in `bad_input/NAME.txt`.
//!
//! Lines `# --set key=value` in a file are passed as overrides. An input that parses goes on to the force-field
//! library, whose errors are shown at the key that they name. `HEXAQUA_BLESS=1` rewrites the messages; read them.

use hexaqua::forcefield;
use hexaqua::io::input;
use std::path::Path;

fn message(text: &str, name: &str) -> Option<String> {
    let overrides: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# --set "))
        .map(|flag| flag.split_once('=').map(|(k, v)| (k.to_string(), v.to_string())).unwrap())
        .collect();
    match input::parse_located(text, name, Path::new("/data"), &overrides) {
        Err(error) => Some(error.to_string()),
        Ok((input, locations)) => {
            let error = forcefield::assemble(&input.system, input.nonbonded.mixing).err()?;
            Some(locations.explain(&error.key().unwrap(), &error.to_string()).to_string())
        }
    }
}

#[test]
fn every_bad_input_gets_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bad_input");
    let bless = std::env::var_os("HEXAQUA_BLESS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= 25);
    let mut wrong = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(&file).unwrap();
        let got = message(&text, &name).unwrap_or_else(|| panic!("{name} is accepted")) + "\n";
        let snapshot = file.with_extension("txt");
        if bless {
            std::fs::write(&snapshot, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        if got != expected {
            wrong += &format!("--- {name}: expected\n{expected}--- got\n{got}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Checks made after parsing point at the key, or at the nearest table that is written.
#[test]
fn later_checks_point_at_their_key() {
    let text = "[system]\nwater = { model = \"SPC/E\", molecules = 9 }\ndensity = \"1 g/cm3\"\n\n[nonbonded]\ncutoff = \"0.9 nm\"\n";
    let (_, locations) = input::parse_located(text, "box.toml", Path::new(""), &[]).unwrap();
    let at = |key: &str| locations.fault(key, "wrong", "help").faults[0].location.line.clone();
    assert_eq!(at("nonbonded.cutoff").map(|l| (l.number, l.column, l.width)), Some((Some(6), 10, 8)));
    assert_eq!(at("nonbonded.lj_modifier").map(|l| l.number), Some(Some(5)));
    assert_eq!(at("system.water.model").map(|l| (l.number, l.column)), Some((Some(2), 19)));
    assert_eq!(at("dynamics.timestep"), None);
    let shown = locations.explain("system.density", "too thin\n  use more").to_string();
    assert_eq!(
        shown,
        "box.toml:3:11: too thin\n   |\n 3 | density = \"1 g/cm3\"\n   |           ^^^^^^^^^\n   = use more"
    );
}

#[test]
fn a_missing_file_and_a_binary_one_are_named() {
    let missing = input::read(Path::new("no/such/input.toml"), &[]).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/input.toml: cannot be read: "), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let message = input::read(&binary, &[]).unwrap_err().to_string();
    assert!(message.contains("binary.toml: is not a text file in UTF-8"), "{message}");
}

/// No text at all may make the parser panic: every prefix and every one-byte deletion of a rich input.
#[test]
fn damaged_inputs_never_panic() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/zn-hydration.toml");
    let text: String = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| line.split('#').next().unwrap().trim_end().to_string() + "\n")
        .collect();
    let mut accepted = 0;
    for cut in (0..text.len()).filter(|&n| text.is_char_boundary(n) && text.is_char_boundary(n + 1)) {
        let damaged = format!("{}{}", &text[..cut], &text[cut + 1..]);
        for candidate in [&text[..cut], damaged.as_str()] {
            accepted += usize::from(message(candidate, "damaged.toml").is_none());
        }
    }
    assert!(accepted > 0, "removing a blank line must be harmless");
}
