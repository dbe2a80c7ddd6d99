//! Solutes that an `.itp` file of the user describes: what the file may hold, and what becomes of it in a box of the
//! library's water.

use hexaqua::io::gromacs::read_topology;
use hexaqua::potential::pair_table::PairCoefficients;
use std::path::Path;

/// OPLS-AA ethane without its dihedrals, and a probe that only repels.
const ETHANE: &str = "\
[ atomtypes ]
opls_135 CT 6 12.011 -0.18 A 0.35 0.276144
opls_140 HC 1 1.008 0.06 A 0.25 0.12552
[ moleculetype ]
ETH 3
[ atoms ]
1 opls_135 1 ETH C1 1
2 opls_140 1 ETH H1 1 0.09 1.008
3 opls_140 1 ETH H2 1 0.09 1.008
[ bonds ]
1 2 1 0.109 284512
1 3 1 0.109 284512
[ angles ]
2 1 3 1 110.7 313.8
";

const PROBE: &str = "\
[ atomtypes ]
REP 1 1.0 0.0 A -0.25 0.5
[ moleculetype ]
PROBE 1
[ atoms ]
1 REP 1 PRB X 1 0.0 1.0
";

/// `hexaqua build` on the input in `folder`: exit code, the table of pairs, what is said, and the topology it writes.
struct Built {
    code: Option<i32>,
    said: String,
    folder: tempfile::TempDir,
}

impl Built {
    fn new(files: &[(&str, &str)], system: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let input = format!(
            "[system]\nwater = {{ model = \"SPC/E\", molecules = 300 }}\ndensity = \"0.99 g/cm3\"\n{system}\n{rest}\n"
        );
        std::fs::write(folder.path().join("box.toml"), input).unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_hexaqua"))
            .args(["build", &at("box.toml"), "--top", &at("box.top")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Built { code: done.status.code(), said, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Coefficients of the pair of two types.
    fn pair(&self, a: &str, b: &str) -> PairCoefficients {
        assert_eq!(self.code, Some(0), "{}", self.said);
        pair_in(&self.path("box.top"), a, b)
    }
}

fn pair_in(top: &Path, a: &str, b: &str) -> PairCoefficients {
    let read = read_topology(top, &[], &[]).unwrap_or_else(|e| panic!("{e}"));
    let at =
        |name: &str| read.types.iter().position(|t| t == name).unwrap_or_else(|| panic!("{name}: {:?}", read.types));
    read.pair_table.get(at(a), at(b))
}

fn close(found: PairCoefficients, c6: f64, c12: f64) {
    let same = |x: f64, y: f64| (x - y).abs() <= 1e-9 * y.abs();
    assert!(same(found.c6, c6) && same(found.c12, c12), "{found:?} instead of {c6} {c12}");
}

/// σ, ε of the oxygen of SPC/E as the library has them.
fn spce() -> (f64, f64) {
    let library = hexaqua::forcefield::Library::builtin().unwrap();
    let water = library.water("SPC/E").unwrap();
    (water.sigma, water.epsilon)
}

/// A negative σ means a repulsion alone, in a box as in a topology: 4ε (|σ|/r)¹² with both rules.
#[test]
fn a_type_that_only_repels_repels_everything() {
    let (sigma, epsilon) = spce();
    for (mixing, rules) in [("geometric", "opls"), ("lorentz-berthelot", "amber")] {
        let solutes = format!("solutes = [{{ name = \"PROBE\", itp = \"p.itp\", rules = \"{rules}\", count = 3 }}]");
        let nonbonded = format!("[nonbonded]\nmixing = \"{mixing}\"");
        let built = Built::new(&[("p.itp", PROBE)], &solutes, &nonbonded);
        let c12 = |s: f64, e: f64| 4.0 * e * s.powi(12);
        let mixed = if rules == "opls" { (0.25 * sigma).sqrt() } else { 0.5 * (0.25 + sigma) };
        close(built.pair("REP", "REP"), 0.0, c12(0.25, 0.5));
        close(built.pair("REP", "OW"), 0.0, c12(mixed, (0.5 * epsilon).sqrt()));
        // the same as importing a whole topology
        let whole = format!(
            "[ defaults ]\n1 {} yes 0.5 0.5\n[ atomtypes ]\nOW 8 16.0 0.0 A {sigma} {epsilon}\n{PROBE}[ moleculetype ]\nOX 1\n\
             [ atoms ]\n1 OW 1 OX O 1 0.0 16.0\n[ system ]\nx\n[ molecules ]\nPROBE 1\nOX 1\n",
            if rules == "opls" { 3 } else { 2 }
        );
        std::fs::write(built.path("whole.top"), whole).unwrap();
        let theirs = pair_in(&built.path("whole.top"), "REP", "OW");
        close(built.pair("REP", "OW"), theirs.c6, theirs.c12);
        // a positive σ attracts
        let both = Built::new(&[("p.itp", &PROBE.replace("-0.25", "0.25"))], &solutes, &nonbonded);
        close(both.pair("REP", "OW"), 4.0 * (0.5 * epsilon).sqrt() * mixed.powi(6), c12(mixed, (0.5 * epsilon).sqrt()));
    }
}

/// c12 without c6 has no σ: geometric means are right, arithmetic ones unknown.
#[test]
fn a_repulsion_by_coefficients_is_mixed_or_refused() {
    let (sigma, epsilon) = spce();
    let probe = PROBE.replace("-0.25 0.5", "0.0 1.5e-8");
    let probe = format!("[ defaults ]\n1 1 no 1 1\n{probe}");
    let solutes = "solutes = [{ name = \"PROBE\", itp = \"p.itp\", count = 3 }]";
    let built = Built::new(&[("p.itp", &probe)], solutes, "[nonbonded]\nmixing = \"geometric\"");
    close(built.pair("REP", "OW"), 0.0, (1.5e-8 * 4.0 * epsilon * sigma.powi(12)).sqrt());
    close(built.pair("REP", "REP"), 0.0, 1.5e-8);
    let refused = Built::new(&[("p.itp", &probe)], solutes, "");
    assert_eq!(refused.code, Some(2), "{}", refused.said);
    assert!(
        refused.said.contains("REP of p.itp repels by c12 alone") && refused.said.contains("OW of SPC/E"),
        "{}",
        refused.said
    );
    assert!(refused.said.contains("box.toml:4:"), "{}", refused.said);
    let attracts = probe.replace("0.0 1.5e-8", "1.5e-3 0.0");
    let refused = Built::new(&[("p.itp", &attracts)], solutes, "[nonbonded]\nmixing = \"geometric\"");
    assert!(refused.code == Some(2) && refused.said.contains("p.itp:4:"), "{}", refused.said);
}

#[test]
fn the_molecule_of_the_solute_is_taken_from_a_file_of_several() {
    let two = format!(
        "{ETHANE}{}",
        PROBE.replace("[ atomtypes ]\nREP 1 1.0 0.0 A -0.25 0.5\n", "").replace("REP", "opls_140")
    );
    let of = |name: &str| {
        let solutes = format!("solutes = [{{ name = \"{name}\", itp = \"two.itp\", rules = \"opls\", count = 2 }}]");
        Built::new(&[("two.itp", &two)], &solutes, "")
    };
    for (name, n_atoms) in [("ETH", 3), ("PROBE", 1), ("probe", 1)] {
        let built = of(name);
        assert_eq!(built.code, Some(0), "{}", built.said);
        let read = read_topology(&built.path("box.top"), &[], &[]).unwrap();
        assert_eq!(read.species[0].atoms.len(), n_atoms, "{name}");
    }
    let unknown = of("ethane");
    assert_eq!(unknown.code, Some(2), "{}", unknown.said);
    assert!(
        unknown.said.contains("none is called `ethane`") && unknown.said.contains("ETH, PROBE"),
        "{}",
        unknown.said
    );
    // a file of one molecule may give it any name
    let solutes = "solutes = [{ name = \"ethane\", itp = \"one.itp\", rules = \"opls\", count = 2 }]";
    assert_eq!(Built::new(&[("one.itp", ETHANE)], solutes, "").code, Some(0));
}

#[test]
fn a_file_is_mixed_by_its_own_rule_and_warned_about() {
    let of = |rules: &str, mixing: &str| {
        let solutes = format!("solutes = [{{ name = \"ETH\", itp = \"e.itp\", rules = \"{rules}\", count = 2 }}]");
        Built::new(&[("e.itp", ETHANE)], &solutes, &format!("[nonbonded]\nmixing = \"{mixing}\""))
    };
    let c6 = |sigma: f64| 4.0 * (0.276144f64 * 0.12552).sqrt() * sigma.powi(6);
    for (rules, own) in [("opls", (0.35f64 * 0.25).sqrt()), ("amber", 0.30)] {
        for mixing in ["geometric", "lorentz-berthelot"] {
            let built = of(rules, mixing);
            let found = built.pair("opls_135", "opls_140");
            assert!((found.c6 / c6(own) - 1.0).abs() < 1e-9, "{rules} {mixing}: {found:?}");
            let foreign = (rules == "opls") != (mixing == "geometric");
            assert_eq!(built.said.contains("`e.itp` of ETH was fitted with"), foreign, "{}", built.said);
        }
    }
}

#[test]
fn include_and_define_reach_the_file() {
    let atoms = &ETHANE[ETHANE.find("[ moleculetype ]").unwrap()..];
    let file =
        format!("#include \"types.itp\"\n#ifdef SOFT\n#define KB 200000\n#endif\n{}", atoms.replace("284512", "KB"));
    let types = &ETHANE[..ETHANE.find("[ moleculetype ]").unwrap()];
    let files: [(&str, &str); 2] = [("e.itp", &file), ("ff/types.itp", types)];
    let solutes = "solutes = [{ name = \"ETH\", itp = \"e.itp\", rules = \"opls\", count = 2 }]";
    let with = |keys: &str| Built::new(&files, &format!("{solutes}\n{keys}"), "");
    let k = |built: &Built| {
        assert_eq!(built.code, Some(0), "{}", built.said);
        read_topology(&built.path("box.top"), &[], &[]).unwrap().species[0].bonded.bonds[0].k
    };
    assert_eq!(k(&with("include = [\"ff\"]\ndefine = [\"KB=123456\"]")), 123_456.0);
    assert_eq!(k(&with("include = [\"ff\"]\ndefine = [\"SOFT\"]")), 200_000.0);
    let missing = with("define = [\"SOFT\"]");
    assert!(missing.code == Some(2) && missing.said.contains("[system] include"), "{}", missing.said);
    // a name that nothing uses
    let typo = with("include = [\"ff\"]\ndefine = [\"KB=1000\", \"SOTF\"]");
    assert!(typo.said.contains("`define` names SOTF") && typo.said.contains("did you mean `SOFT`?"), "{}", typo.said);
    assert!(!typo.said.contains("names KB"), "{}", typo.said);
    let without_itp = Built::new(&[], "define = [\"SOFT\"]", "");
    assert!(without_itp.code == Some(2) && without_itp.said.contains("a solute with an `itp`"), "{}", without_itp.said);
}

/// The complete example of `inputs/README.md`, and what is said where a field of it is missing.
#[test]
fn the_documented_file_of_a_molecule_is_complete() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/README.md")).unwrap();
    let example = page.split("```toml\n").find(|block| block.starts_with("[[species]]")).expect("the example");
    let example = &example[..example.find("```").unwrap()];
    let solutes = "net_charge = \"allowed\"\nsolutes = [{ name = \"BF4-\", toml = \"mine.toml\", count = 2 }]";
    let built = Built::new(&[("mine.toml", example)], solutes, "");
    assert_eq!(built.code, Some(0), "{}", built.said);
    let read = read_topology(&built.path("box.top"), &[], &[]).unwrap();
    assert_eq!((read.species[0].atoms.len(), read.species[0].bonded.angles.len()), (5, 6));
    for line in
        ["kind = \"12-6\"\n", "verified = true\n", "residue = \"BF4\"\n", "source = \"where the numbers come from\"\n"]
    {
        assert!(example.contains(line), "{line}");
        let refused = Built::new(&[("mine.toml", &example.replace(line, ""))], solutes, "");
        let field = line.split(' ').next().unwrap();
        assert_eq!(refused.code, Some(2), "{}", refused.said);
        let said = &refused.said;
        assert!(said.contains(&format!("missing field `{field}`")) && said.contains("mine.toml"), "{said}");
        assert!(said.contains("at line ") && !said.contains("inconsistent"), "{said}");
    }
}

#[test]
fn salts_are_written_as_their_ions() {
    for (salt, cation, anion, n_cations, n_anions) in [
        ("ZnSO4", "Zn2+", "SO42-", 1, 1),
        ("Zn(OTf)2", "Zn2+", "OTf-", 1, 2),
        ("Zn(CF3SO3)2", "Zn2+", "OTf-", 1, 2),
        ("ZnCl2", "Zn2+", "Cl-", 1, 2),
        ("NaCl", "Na+", "Cl-", 1, 1),
        ("Li2SO4", "Li+", "SO42-", 2, 1),
    ] {
        let refused = Built::new(&[], &format!("solutes = [{{ name = \"{salt}\", count = 2 }}]"), "");
        assert_eq!(refused.code, Some(2), "{}", refused.said);
        let expected =
            format!("{{ name = \"{cation}\", … }} and {{ name = \"{anion}\", … }}: {n_cations} and {n_anions} of them");
        assert!(refused.said.contains(&expected), "{}", refused.said);
    }
    let unknown = Built::new(&[], "solutes = [{ name = \"ZnXy2\", count = 2 }]", "");
    assert!(unknown.code == Some(2) && !unknown.said.contains("is a salt"), "{}", unknown.said);
}

/// The only sulfate for SPC/E is from memory: it has to be asked for.
#[test]
fn numbers_that_were_not_verified_are_never_a_default() {
    let of = |water: &str, model: &str| {
        let text = format!("net_charge = \"allowed\"\nsolutes = [{{ name = \"SO42-\"{model}, count = 2 }}]");
        let folder = Built::new(&[], &text, "");
        let input = std::fs::read_to_string(folder.path("box.toml")).unwrap().replace("SPC/E", water);
        std::fs::write(folder.path("box.toml"), input).unwrap();
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_hexaqua"))
            .args(["build", folder.path("box.toml").to_str().unwrap()])
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, said) = of("SPC/E", "");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`cannon1994`, are not verified") && said.contains("gromos54a7@spc"), "{said}");
    assert_eq!(of("SPC/E", ", model = \"cannon1994\"").0, Some(0));
    assert_eq!(of("SPC/E", ", model = \"gromos54a7@spc\"").0, Some(0));
}

#[test]
fn what_a_topology_cannot_hold_is_said() {
    let built = Built::new(
        &[],
        "solutes = [{ name = \"OTf-\", count = 1 }, { name = \"Na+\", model = \"joung-cheatham\", count = 1 }]",
        "[dynamics]\nfrozen = [\"Na+\"]",
    );
    assert_eq!(built.code, Some(0), "{}", built.said);
    assert!(built.said.contains("box.top does not hold that 1 atoms are frozen"), "{}", built.said);
}
