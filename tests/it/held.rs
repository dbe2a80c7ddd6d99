//! What keeps molecules of a topology in shape: which bonds become constraints, and which constraints say nothing new.
//!
//! The systems are those on which `grompp` 2022.5 was asked what it does.

use hexaqua::io::gromacs::{GromacsTopology, read_topology};
use std::path::Path;
use std::process::Command;

const BUTANE: &str = "\
[ defaults ]
1 2 yes 0.5 0.8333
[ atomtypes ]
CA 6 12.0 0 A 0.34 0.36
[ moleculetype ]
ETH 3
[ atoms ]
1 CA 1 ETH C1 1 0.0
2 CA 1 ETH C2 1 0.0
3 CA 1 ETH C3 1 0.0
4 CA 1 ETH C4 1 0.0
[ bonds ]
1 2 1 0.14 1e5
2 3 1 0.14 1e5
3 4 1 0.14 1e5
; a weak restraint of the distance between the ends
1 4 6 0.55 100
[ system ]
x
[ molecules ]
ETH 1
";

const BUTANE_GRO: &str = "\
butane
4
    1ETH     C1    1   1.140   1.050   1.000
    1ETH     C2    2   1.280   1.000   1.000
    1ETH     C3    3   1.420   1.050   1.000
    1ETH     C4    4   1.560   1.000   1.000
3 3 3
";

const SULFATE_GRO: &str = "\
sulfate
5
    1SO4      S    1   1.000   1.000   1.000
    1SO4     O1    2   1.086   1.086   1.086
    1SO4     O2    3   1.086   0.914   0.914
    1SO4     O3    4   0.914   1.086   0.914
    1SO4     O4    5   0.914   0.914   1.086
3 3 3
";

/// Four S-O, and six O-O of which the last follows from the others.
fn sulfate(constraints: &str) -> String {
    format!(
        "[ defaults ]\n1 2 yes 0.5 0.8333\n[ atomtypes ]\nSS 16 32.06 0 A 0.355 1.0465\nOS 8 15.9994 0 A 0.365 0.837\n\
         [ moleculetype ]\nSO4 3\n[ atoms ]\n1 SS 1 SO4 S 1 0.9\n2 OS 1 SO4 O1 1 -0.65\n3 OS 1 SO4 O2 1 -0.65\n\
         4 OS 1 SO4 O3 1 -0.65\n5 OS 1 SO4 O4 1 -0.65\n[ constraints ]\n{constraints}[ system ]\nx\n[ molecules ]\nSO4 1\n"
    )
}

const NINE: &str = "1 2 1 0.149\n1 3 1 0.149\n1 4 1 0.149\n1 5 1 0.149\n2 3 1 0.243316\n2 4 1 0.243316\n2 5 1 0.243316\n\
                    3 4 1 0.243316\n3 5 1 0.243316\n";

/// `hexaqua COMMAND` on the system: exit code, what it says, and the topology that `build` writes.
fn with(command: &str, top: &str, gro: &str, dynamics: &str) -> (Option<i32>, String, Option<GromacsTopology>) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.top"), top).unwrap();
    std::fs::write(at("a.gro"), gro).unwrap();
    let input = format!(
        "[system]\nstructure = \"a.gro\"\ntopology = \"a.top\"\nnet_charge = \"allowed\"\n[nonbonded]\ncutoff = \"0.9 nm\"\n\
         [dynamics]\ntimestep = \"1 fs\"\n{dynamics}\n[dynamics.thermostat.none]\n[[stage]]\nname = \"x\"\nduration = \"0.02 ps\"\n"
    );
    std::fs::write(at("a.toml"), input).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_string();
    let out = text(&at("out"));
    let written = text(&at("out.top"));
    let options: &[&str] = if command == "build" { &["--top", &written] } else { &["--out", &out, "--backend", "cpu"] };
    let done = Command::new(env!("CARGO_BIN_EXE_hexaqua"))
        .arg(command)
        .arg(at("a.toml"))
        .args(options)
        .output()
        .expect("the program starts");
    let top = Path::new(&written);
    let top = top.exists().then(|| read_topology(top, &[], &[]).unwrap_or_else(|e| panic!("{e}")));
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned(), top)
}

/// `grompp` constrains chemical bonds; function 6 is a potential between atoms that are not bonded.
#[test]
fn a_harmonic_potential_without_a_bond_is_never_constrained() {
    let (code, said, top) = with("build", BUTANE, BUTANE_GRO, "constraints = \"all-bonds\"");
    assert_eq!(code, Some(0), "{said}");
    let species = &top.unwrap().species[0];
    assert_eq!(species.constraints.len(), 3);
    let [spring] = species.bonded.bonds[..] else { panic!("{:?}", species.bonded.bonds) };
    assert_eq!((spring.atoms, spring.length, spring.k), ([0, 3], 0.55, 100.0));
    // as function 1 it is a bond, and becomes a constraint
    let (_, _, top) = with("build", &BUTANE.replace("1 4 6", "1 4 1"), BUTANE_GRO, "constraints = \"all-bonds\"");
    let species = &top.unwrap().species[0];
    assert_eq!((species.constraints.len(), species.bonded.bonds.len()), (4, 0));
}

#[test]
fn a_bond_to_a_virtual_site_is_not_constrained() {
    let top = |bond: &str| {
        format!(
            "[ defaults ]\n1 2 yes 0.5 0.8333\n[ atomtypes ]\nCA 6 12.0 0 A 0.34 0.36\nMW 0 0 0 V 0 0\n[ moleculetype ]\nETH 3\n\
             [ atoms ]\n1 CA 1 ETH C1 1 0.0\n2 CA 1 ETH C2 1 0.0\n3 CA 1 ETH C3 1 0.0\n4 MW 1 ETH M 1 0.0 0.0\n[ bonds ]\n\
             1 2 1 0.14 1e5\n2 3 1 0.14 1e5\n{bond}\n[ virtual_sites3 ]\n4 1 2 3 1 0.1 0.1\n[ system ]\nx\n[ molecules ]\nETH 1\n"
        )
    };
    let gro = BUTANE_GRO.replace("C4", " M");
    let (code, said, _) = with("build", &top("1 4 1 0.03 1e5"), &gro, "constraints = \"all-bonds\"");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a.toml:9:") && said.contains("C1-M of ETH") && said.contains("function 5"), "{said}");
    for (bond, constraints) in [("1 4 5", "all-bonds"), ("1 4 1 0.03 1e5", "h-bonds")] {
        let (code, said, _) = with("build", &top(bond), &gro, &format!("constraints = \"{constraints}\""));
        assert_eq!(code, Some(0), "{said}");
    }
}

/// Ten distances of a tetrahedron with its centre: `grompp` takes them and LINCS does not converge. Nine are enough.
#[test]
fn constraints_that_follow_from_others_are_left_out() {
    let ten = format!("{NINE}4 5 1 0.243316\n");
    let (code, said, top) = with("build", &sulfate(&ten), SULFATE_GRO, "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 constraint of SO4 follows from the others and is left out: O3-O4"), "{said}");
    assert_eq!(top.unwrap().species[0].constraints.len(), 9);
    let (code, said, top) = with("build", &sulfate(NINE), SULFATE_GRO, "");
    assert!(code == Some(0) && !said.contains("left out"), "{said}");
    assert_eq!(top.unwrap().species[0].constraints.len(), 9);
    let (code, said, _) = with("run", &sulfate(&ten), SULFATE_GRO, "");
    assert_eq!(code, Some(0), "{said}");
    // a tenth length that the other nine do not have
    let (code, said, _) = with("build", &sulfate(&format!("{NINE}4 5 1 0.26\n")), SULFATE_GRO, "");
    assert!(code == Some(2) && said.contains("O3-O4") && said.contains("0.24"), "{said}");
}

#[test]
fn a_constraint_that_stands_twice_counts_once() {
    let (code, said, top) = with("build", &sulfate(&format!("{NINE}2 1 1 0.149\n")), SULFATE_GRO, "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a.top:24: the distance 2 (O1)-1 (S) is constrained twice"), "{said}");
    assert_eq!(top.unwrap().species[0].constraints.len(), 9);
    // a bond of another length than the constraint of the same pair
    let bond = BUTANE.replace("[ system ]", "[ constraints ]\n1 2 1 0.15\n[ system ]");
    let (code, said, _) = with("build", &bond, BUTANE_GRO, "constraints = \"all-bonds\"");
    assert!(code == Some(2) && said.contains("C1-C2 of ETH would be kept at 0.15 nm and at 0.14 nm"), "{said}");
    let (code, said, _) = with("build", &bond, BUTANE_GRO, "");
    assert_eq!(code, Some(0), "{said}");
}

/// Three atoms on a line: the third distance follows to first order and keeps nothing straight.
#[test]
fn distances_on_a_line_are_refused() {
    let line = BUTANE.replace("1 4 6 0.55 100\n", "[ constraints ]\n1 2 1 0.14\n2 3 1 0.14\n1 3 1 0.28\n");
    let line = line.replace("1 2 1 0.14 1e5\n2 3 1 0.14 1e5\n", "");
    let straight = BUTANE_GRO.replace("1.050", "1.000");
    let (code, said, _) = with("build", &line, &straight, "");
    assert!(code == Some(2) && said.contains("on a line or in a plane"), "{said}");
}

/// A water may be flexible, and still it is water.
#[test]
fn waters_keep_the_mass_of_their_hydrogens() {
    let water = "[ defaults ]\n1 2 yes 0.5 0.8333\n[ atomtypes ]\nOW 8 15.9994 0 A 0.3166 0.650\nHW 1 1.008 0 A 0 0\n\
                 [ moleculetype ]\nSOL 2\n[ atoms ]\n1 OW 1 SOL OW 1 -0.82\n2 HW 1 SOL HW1 1 0.41\n3 HW 1 SOL HW2 1 0.41\n\
                 [ bonds ]\n1 2 1 0.1 345000\n1 3 1 0.1 345000\n[ angles ]\n2 1 3 1 109.47 383\n[ system ]\nx\n[ molecules ]\nSOL 1\n";
    let gro = "water\n3\n    1SOL     OW    1   1.000   1.000   1.000\n    1SOL    HW1    2   1.100   1.000   1.000\n\
               \u{20}   1SOL    HW2    3   0.967   1.094   1.000\n3 3 3\n";
    let (code, said, top) = with("build", water, gro, "hydrogen_mass = \"2 u\"");
    assert_eq!(code, Some(0), "{said}");
    let masses: Vec<f64> = top.unwrap().species[0].atoms.iter().map(|a| a.mass).collect();
    assert_eq!(masses, [15.9994, 1.008, 1.008]);
}

/// A C-C bond of 1e5 kJ/mol/nm² vibrates in 49 fs: 1 fs is fine. A hundred times as stiff it is not, unless constrained.
#[test]
fn a_time_step_too_long_for_a_bond_is_a_warning() {
    let (_, said, _) = with("build", BUTANE, BUTANE_GRO, "");
    assert!(!said.contains("vibrates"), "{said}");
    let stiff = BUTANE.replace("0.14 1e5", "0.14 1e7");
    let (code, said, _) = with("build", &stiff, BUTANE_GRO, "");
    assert_eq!(code, Some(0), "{said}");
    // ω = (1e7/6)^½ = 1291 /ps
    assert!(said.contains("C1-C2 of ETH vibrates with a period of 4.9 fs, which is 4.9 time steps of 1 fs"), "{said}");
    let (_, said, _) = with("build", &stiff, BUTANE_GRO, "constraints = \"all-bonds\"");
    assert!(!said.contains("vibrates"), "{said}");
}
