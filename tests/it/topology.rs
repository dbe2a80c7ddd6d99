//! GROMACS topologies: every directive and function against values computed by hand, other engines, round trips, speed.

use crate::support::compare::{assert_absolute, assert_forces, assert_relative};
use glam::DVec3;
use hexaqua::analysis::selection::select;
use hexaqua::cell::Cell;
use hexaqua::forces::reference::ReferenceBackend;
use hexaqua::forces::reference::ewald::choose_n_max;
use hexaqua::forces::{Energies, Evaluation};
use hexaqua::io::gromacs::{GromacsTopology, read_topology, to_top};
use hexaqua::io::structure::{read_structure, write_gro};
use hexaqua::neighbor::pairs::linked_cells;
use hexaqua::potential::pair_table::PairCoefficients;
use hexaqua::system::{Coulomb, External, Interactions, LjModifier, State, System, Topology};
use hexaqua::units::COULOMB;
use std::path::{Path, PathBuf};

fn read_with(text: &str, define: &[&str]) -> Result<GromacsTopology, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("topol.top");
    std::fs::write(&path, text).unwrap();
    let define: Vec<String> = define.iter().map(|d| d.to_string()).collect();
    read_topology(&path, &[], &define).map_err(|e| e.to_string())
}

fn read(text: &str) -> GromacsTopology {
    read_with(text, &[]).unwrap_or_else(|e| panic!("{e}"))
}

/// All molecules of a topology in a box, without Coulomb interactions beyond those of the 1-4 pairs.
fn system(imported: &GromacsTopology) -> System {
    let sequence: Vec<u32> = imported.counts.iter().flat_map(|&(s, n)| std::iter::repeat_n(s, n as usize)).collect();
    System {
        topology: Topology::new(imported.types.clone(), imported.species.clone(), &sequence),
        pair_table: imported.pair_table.clone(),
        interactions: Interactions {
            cutoff: 2.0,
            lj_modifier: LjModifier::None,
            dispersion_correction: false,
            coulomb: Coulomb::Cutoff,
        },
        restraints: Vec::new(),
        external: External::default(),
    }
}

/// Energies of the molecules of a topology at `positions`.
fn energies(imported: &GromacsTopology, positions: &[DVec3]) -> Energies {
    let system = system(imported);
    let cell = Cell::cubic(5.0).unwrap();
    let list = linked_cells(positions, &cell, &system.topology, 2.0);
    ReferenceBackend::new(&system).unwrap().evaluate_at(&cell, positions, &list).energies
}

/// Four atoms of types A, B, C, D with masses and no charges, and rows for their molecule.
fn four(rows: &str) -> String {
    format!(
        "[ defaults ]\n1 2 yes 0.5 0.8333\n[ atomtypes ]\nA 12 0 A 0.3 0.4\nB 12 0 A 0.2 0.9\nC 12 0 A 0.3 0.4\nD 12 0 A 0 0\n{rows}\n[ system ]\nfour\n[ molecules ]\nM 1\n"
    )
}

const ATOMS: &str =
    "[ moleculetype ]\nM 3\n[ atoms ]\n1 A 1 M A1 1 0.5\n2 B 1 M B2 1 -0.5\n3 C 1 M C3 1 0.25\n4 D 1 M D4 1 -0.25\n";

/// A bond of 0.15 along −x, an angle of 90° and a dihedral of +60° (IUPAC): 1 at (0, 0.15, 0), 2 and 3 on the x axis.
fn bent() -> [DVec3; 4] {
    let (sin, cos) = f64::to_radians(60.0).sin_cos();
    [DVec3::new(0.0, 0.15, 0.0), DVec3::ZERO, DVec3::new(0.16, 0.0, 0.0), DVec3::new(0.16, 0.12 * cos, 0.12 * sin)]
        .map(|r| r + DVec3::splat(2.0))
}

/// One row of a bonded directive, its term, and the energy at [`bent`] worked out by hand.
#[test]
fn every_bonded_function_has_its_energy() {
    let d14 = (0.16f64.powi(2) + 0.15f64.powi(2) + 0.12f64.powi(2) - 2.0 * 0.15 * 0.12 * 0.5).sqrt();
    let d13 = (0.15f64.powi(2) + 0.16f64.powi(2)).sqrt();
    let lj = |sigma: f64, epsilon: f64, r: f64| 4.0 * epsilon * ((sigma / r).powi(12) - (sigma / r).powi(6));
    // cos ψ at φ = 60° is cos(−120°) = −1/2
    let rb = 1.0 - 0.5 * 2.0 + 0.25 * -3.0 - 0.125 * 0.5 + 0.0625 * 0.25 - 0.03125 * -0.125;
    let degree = f64::to_radians(1.0);
    let cases: &[(&str, &str, f64)] = &[
        // ½ k (0.15 − 0.14)²
        ("[ bonds ]\n1 2 1 0.14 1000", "bond", 0.05),
        ("[ bonds ]\n1 2 6 0.14 1000", "bond", 0.05),
        ("[ bonds ]\n1 2 5", "bond", 0.0),
        // ½ k (10°)²
        ("[ angles ]\n1 2 3 1 80 500", "angle", 250.0 * (10.0 * degree).powi(2)),
        ("[ angles ]\n1 2 3 5 80 500 0.2 3000", "angle", 250.0 * (10.0 * degree).powi(2)),
        ("[ angles ]\n1 2 3 5 80 500 0.2 3000", "urey_bradley", 1500.0 * (d13 - 0.2).powi(2)),
        // k (1 + cos(3·60° − 20°)) and its like
        ("[ dihedrals ]\n1 2 3 4 1 20 2.5 3", "dihedral", 2.5 * (1.0 + (160.0 * degree).cos())),
        ("[ dihedrals ]\n1 2 3 4 9 180 2.5 1", "dihedral", 2.5 * (1.0 + (-120.0 * degree).cos())),
        ("[ dihedrals ]\n1 2 3 4 9 20 2.5 -3", "dihedral", 2.5 * (1.0 + (-200.0 * degree).cos())),
        ("[ dihedrals ]\n1 2 3 4 4 180 2.5 2", "improper", 2.5 * (1.0 + (-60.0 * degree).cos())),
        // ½ k (60° − 35°)²
        ("[ dihedrals ]\n1 2 3 4 2 35 300", "improper", 150.0 * (25.0 * degree).powi(2)),
        ("[ dihedrals ]\n1 2 3 4 2 -170 300", "improper", 150.0 * (130.0 * degree).powi(2)),
        ("[ dihedrals ]\n1 2 3 4 3 1 2 -3 0.5 0.25 -0.125", "dihedral", rb),
        // ½ [F₁ (1 + cos 60°) + F₂ (1 − cos 120°) + F₃ (1 + cos 180°) + F₄ (1 − cos 240°)]
        ("[ dihedrals ]\n1 2 3 4 5 1 2 3 4", "dihedral", 0.5 * (1.5 + 2.0 * 1.5 + 0.0 + 4.0 * 1.5)),
        // 1-4: σ, ε as given; generated ones have ε scaled by fudgeLJ; charges by fudgeQQ
        ("[ pairs ]\n1 4 1 0.3 0.2", "lj_14", lj(0.3, 0.2, d14)),
        ("[ pairs ]\n1 3 1", "lj_14", 0.5 * lj(0.3, 0.4, d13)),
        ("[ pairs ]\n1 4 1 0.3 0.2", "coulomb_14", COULOMB * 0.8333 * 0.5 * -0.25 / d14),
        ("[ pairs ]\n1 4 2 0.7 0.4 0.2 0.3 0.2", "coulomb_14", COULOMB * 0.7 * 0.4 * 0.2 / d14),
        ("[ pairs_nb ]\n1 4 1 0.4 0.2 0.3 0.2", "coulomb_14", COULOMB * 0.4 * 0.2 / d14),
        ("[ pairs_nb ]\n1 4 1 0.4 0.2 0.3 0.2", "lj_14", lj(0.3, 0.2, d14)),
    ];
    for (row, term, expected) in cases {
        let imported = read(&four(&format!("{ATOMS}{row}\n[ exclusions ]\n1 2 3 4\n2 3 4\n3 4")));
        let energies = energies(&imported, &bent());
        let found = energies.terms().into_iter().find(|t| t.0 == *term).map_or(0.0, |t| t.1);
        assert_absolute(row, found, *expected, 1e-10 * expected.abs().max(1.0));
        // nothing else acts in an excluded molecule but the other halves of these rows
        let others = ["lj", "bond", "angle", "dihedral", "improper"];
        for (name, value) in energies.terms() {
            assert!(
                name == *term || !others.contains(&name) || row.contains(" 5 80") || value == 0.0,
                "{row}: {name} {value}"
            );
        }
    }
}

/// The same rows with their numbers in the tables of the force field, and as macros.
#[test]
fn parameters_come_from_types_and_macros() {
    let types = "[ bondtypes ]\nB A 1 0.14 1000\n[ angletypes ]\nC B A 1 80 500\n[ dihedraltypes ]\nX B C X 9 0 9 1\nA B C D 9 180 2.5 1\nA B C D 9 20 2.5 3\nX X C D 2 35 300\nB C 4 180 2.5 2\n#define b_ab 0.14 1000\n#define gb b_ab\n";
    let by_type = read(&four(&format!(
        "{types}{ATOMS}[ bonds ]\n1 2 1\n[ angles ]\n1 2 3 1\n[ dihedrals ]\n1 2 3 4 9\n1 2 3 4 2\n1 2 3 4 4\n"
    )));
    let by_macro = read(&four(&format!(
        "{types}{ATOMS}[ bonds ]\n1 2 1 gb\n[ angles ]\n1 2 3 1 80 500\n[ dihedrals ]\n1 2 3 4 9 180 2.5 1\n1 2 3 4 9 20 2.5 3\n1 2 3 4 2 35 300\n1 2 3 4 4 180 2.5 2\n"
    )));
    assert_eq!(by_type.species, by_macro.species);
    assert_eq!(by_type.species[0].bonded.dihedrals.len(), 3);
}

#[test]
fn exclusions_follow_bonds_and_nrexcl() {
    let chain = |nrexcl: u32, rows: &str| {
        let atoms = ATOMS.replace("M 3\n", &format!("M {nrexcl}\n"));
        read(&four(&format!("{atoms}{rows}"))).species[0].exclusions.clone()
    };
    let bonds = "[ bonds ]\n1 2 5\n2 3 5\n3 4 5\n";
    assert_eq!(chain(0, bonds), []);
    assert_eq!(chain(1, bonds), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(chain(2, bonds), [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]);
    assert_eq!(chain(3, bonds), [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
    // constraints of function 1 are bonds, those of function 2 and harmonic potentials are none
    assert_eq!(chain(3, "[ constraints ]\n1 2 1 0.1\n2 3 2 0.1\n[ bonds ]\n3 4 6 0.1 10\n"), [(0, 1)]);
    assert_eq!(chain(1, "[ exclusions ]\n4 1 2\n1 4\n"), [(0, 3), (1, 3)]);
}

/// GROMACS adds a 1-4 pair to the normal interaction of two atoms that are not excluded.
#[test]
fn a_pair_that_is_not_excluded_counts_twice() {
    let positions = bent();
    let with =
        energies(&read(&four(&format!("{ATOMS}[ exclusions ]\n1 2 4\n2 3 4\n3 4\n[ pairs ]\n1 3 1"))), &positions);
    let (lj, lj_14) = (with.lj.unwrap(), with.lj_14.unwrap());
    assert!(lj != 0.0);
    assert_relative("half of it again", lj_14, 0.5 * lj, 1e-12);
}

#[test]
fn combination_rules_make_their_pairs() {
    let table = |defaults: &str, extra: &str| {
        let text = four(&format!("{extra}{ATOMS}")).replace("1 2 yes 0.5 0.8333", defaults);
        let imported = read(&text);
        [imported.pair_table.get(0, 1), imported.pair_table.get(0, 0)]
    };
    // A: 0.3 0.4, B: 0.2 0.9
    let close = |k: PairCoefficients, c6: f64, c12: f64| {
        assert_relative("c6", k.c6, c6, 1e-13);
        assert_relative("c12", k.c12, c12, 1e-13);
    };
    let [ab, aa] = table("1 1 no", "");
    close(ab, (0.3f64 * 0.2).sqrt(), (0.4f64 * 0.9).sqrt());
    close(aa, 0.3, 0.4);
    let [ab, _] = table("1 2", "");
    close(ab, 4.0 * 0.6 * 0.25f64.powi(6), 4.0 * 0.6 * 0.25f64.powi(12));
    let [ab, aa] = table("1 3 yes", "");
    close(ab, 4.0 * 0.6 * 0.06f64.powi(3), 4.0 * 0.6 * 0.06f64.powi(6));
    close(aa, 4.0 * 0.4 * 0.3f64.powi(6), 4.0 * 0.4 * 0.3f64.powi(12));
    // an explicit pair beats the rule, in the meaning of its numbers
    let [ab, aa] = table("1 2 yes", "[ nonbond_params ]\nB A 1 0.5 2.0\n");
    close(ab, 8.0 * 0.5f64.powi(6), 8.0 * 0.5f64.powi(12));
    close(aa, 4.0 * 0.4 * 0.3f64.powi(6), 4.0 * 0.4 * 0.3f64.powi(12));
    let [ab, _] = table("1 1 yes", "[ nonbond_params ]\nA B 1 0.5 2.0\n");
    close(ab, 0.5, 2.0);
    // negative σ: repulsion alone
    let [ab, _] = table("1 2 yes", "[ nonbond_params ]\nA B 1 -0.5 2.0\n");
    assert_eq!(ab.c6, 0.0);
    assert_relative("c12", ab.c12, 8.0 * 0.5f64.powi(12), 1e-13);
}

#[test]
fn generated_pairs_scale_what_the_table_says() {
    let pair = |defaults: &str, extra: &str| {
        let text = four(&format!("{extra}{ATOMS}[ pairs ]\n1 2 1\n")).replace("1 2 yes 0.5 0.8333", defaults);
        read(&text).species[0].bonded.pairs_14[0]
    };
    let p = pair("1 2 yes 0.5 0.25", "");
    assert_relative("c6", p.c6, 0.5 * 4.0 * 0.6 * 0.25f64.powi(6), 1e-13);
    assert_relative("c12", p.c12, 0.5 * 4.0 * 0.6 * 0.25f64.powi(12), 1e-13);
    assert_relative("qq", p.qq, 0.25 * 0.5 * -0.5, 1e-15);
    let p = pair("1 1 yes 0.5", "");
    assert_relative("c6", p.c6, 0.5 * 0.06f64.sqrt(), 1e-13);
    assert_eq!(p.qq, -0.25, "fudgeQQ is 1 where it is not given");
    // grompp generates from nonbond_params where it has the pair, and takes pairtypes as they are
    let p = pair("1 2 yes 0.5 1", "[ nonbond_params ]\nA B 1 0.5 2.0\n");
    assert_relative("c6", p.c6, 0.5 * 8.0 * 0.5f64.powi(6), 1e-13);
    let p = pair("1 2 no 0.5 1", "[ pairtypes ]\nB A 1 0.5 2.0\n");
    assert_relative("c6", p.c6, 8.0 * 0.5f64.powi(6), 1e-13);
}

/// The file that holds everything, element by element.
#[test]
fn everything_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/topology/everything.top");
    let t = read_topology(&path, &[], &["POSRES".into()]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(t.title, "an ether in water");
    assert_eq!(t.types, ["opls_CT", "opls_OS", "HC", "OW", "HW", "MW"]);
    assert_eq!(t.counts, [(0, 1), (1, 1), (0, 2)]);
    let [sol, dme] = t.species.as_slice() else { panic!("two species") };
    assert!(sol.is_water && sol.rigid_water.is_some() && !dme.is_water);
    assert_eq!(sol.atoms.iter().map(|a| a.element.as_str()).collect::<Vec<_>>(), ["O", "H", "H", ""]);
    assert_eq!(
        dme.atoms.iter().map(|a| a.element.as_str()).collect::<Vec<_>>(),
        ["C", "H", "O", "C", "H", "H", "", ""]
    );
    assert_eq!(sol.exclusions.len(), 6);
    assert_eq!(sol.virtual_sites[0].parents, [0, 1, 2]);
    assert_eq!(dme.atoms[1].charge, 0.06, "from the type");
    assert_eq!(dme.bonds, [(0, 2), (2, 3), (3, 4), (0, 1), (3, 5)]);
    let bonded = &dme.bonded;
    assert_eq!(bonded.bonds.len(), 4);
    assert_eq!((bonded.bonds[0].length, bonded.bonds[1].k), (0.141, 267776.0));
    assert_eq!((bonded.angles.len(), bonded.urey_bradleys.len()), (4, 1));
    assert_eq!(bonded.urey_bradleys[0].atoms, [2, 4]);
    assert_eq!((bonded.dihedrals.len(), bonded.ryckaert_bellemans.len(), bonded.impropers.len()), (4, 2, 2));
    assert_eq!(bonded.impropers[0].k, 200.0);
    assert_eq!(bonded.pairs_14.len(), 4);
    assert_relative("pair type", bonded.pairs_14[2].c6, 0.04 * 0.25f64.powi(6), 1e-12);
    assert_eq!(
        dme.constraints.iter().map(|c| (c.atoms, c.length)).collect::<Vec<_>>(),
        [([3, 5], 0.109), ([0, 1], 0.109)]
    );
    assert_eq!(dme.virtual_sites[0].parents, [0, 2, 2]);
    assert_eq!((dme.virtual_sites[1].a, dme.virtual_sites[1].c), (0.3, 1.5));
    assert_eq!(t.restraints[1], [(0, DVec3::splat(1000.0)), (2, DVec3::new(0.0, 0.0, 500.0))]);
    assert_eq!(t.restraints[0], []);
    assert_eq!(t.warnings, Vec::<String>::new());
    let flexible = read_topology(&path, &[], &["FLEXIBLE".into()]).unwrap();
    assert!(flexible.species[0].rigid_water.is_none() && flexible.species[0].is_water);
    assert_eq!((flexible.species[0].bonded.bonds.len(), flexible.species[0].exclusions.len()), (2, 6));
    assert!(flexible.restraints.iter().all(Vec::is_empty));
}

#[test]
fn includes_are_found_beside_the_includer_and_in_the_given_folders() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for sub in ["run", "ff.ff", "mols"] {
        std::fs::create_dir(at(sub)).unwrap();
    }
    let text = four(ATOMS);
    let (force_field, rest) = text.split_once("[ moleculetype ]").unwrap();
    let (molecule, system) = rest.split_once("[ system ]").unwrap();
    let (defaults, types) = force_field.split_once("[ atomtypes ]").unwrap();
    std::fs::write(at("ff.ff/forcefield.itp"), format!("{defaults}#include \"nonbonded.itp\"\n")).unwrap();
    std::fs::write(at("ff.ff/nonbonded.itp"), format!("; caf\u{e9} in Latin-1\n[ atomtypes ]{types}")).unwrap();
    std::fs::write(at("mols/m.itp"), format!("[ moleculetype ]{molecule}")).unwrap();
    let top = format!("#include \"ff.ff/forcefield.itp\"\n#include <m.itp>\n[ system ]{system}");
    std::fs::write(at("run/topol.top"), top).unwrap();
    let include = [folder.path().to_path_buf(), at("mols")];
    let imported = read_topology(&at("run/topol.top"), &include, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(imported.species, read(&text).species);
    let missing = read_topology(&at("run/topol.top"), &include[..1], &[]).unwrap_err().to_string();
    assert!(missing.contains("topol.top:2:11: there is no file `m.itp` to include"), "{missing}");
}

#[test]
fn warnings_say_what_is_unusual() {
    let odd = read(&four(&ATOMS.replace("-0.25", "-0.2505")));
    assert_eq!(odd.warnings, ["the charge of M is -0.000500 e, not an integer"]);
    let twice = read(&four(&format!("[ bondtypes ]\nA B 1 0.1 10\nB A 1 0.1 20\n{ATOMS}[ bonds ]\n1 2 1\n")));
    assert!(
        twice.warnings[0].contains("topol.top:10: this row replaces other numbers for the same types at "),
        "{:?}",
        twice.warnings
    );
    assert_eq!(twice.species[0].bonded.bonds[0].k, 20.0);
}

#[test]
fn a_name_that_is_defined_in_vain_is_a_warning() {
    let text = four(&format!("{ATOMS}[ bonds ]\n#ifdef LONG\n1 2 1 0.2 K12\n#else\n1 2 1 0.1 K12\n#endif\n"));
    let warnings = |define: &[&str]| read_with(&text, define).unwrap_or_else(|e| panic!("{e}")).warnings;
    assert_eq!(warnings(&["K12=10", "LONG"]), [""; 0]);
    let vain = warnings(&["K12=10", "LONGER"]);
    assert_eq!(vain, ["`define` names LONGER, which the topology does not use; did you mean `LONG`?"]);
}

/// Some editors begin a file with a byte order mark, and some tools write atoms without exclusions.
#[test]
fn harmless_oddities_are_read() {
    let text = four(&format!("{ATOMS}[ exclusions ]\n1\n2 3\n"));
    let odd = read(&format!("\u{feff}{text}"));
    assert_eq!(odd.species[0].exclusions, [(1, 2)]);
    assert_eq!(odd, GromacsTopology { source: odd.source.clone(), ..read(&text) });
}

/// A polymer has many residues in one molecule: structures, exports and selections keep them apart.
#[test]
fn residues_of_one_molecule_are_kept() {
    let text = four(&ATOMS.replace("3 C 1 M", "3 C 2 M").replace("4 D 1 M", "4 D 3 N")).replace("M 1\n", "M 2\n");
    let imported = read(&text);
    assert!(imported.warnings.is_empty(), "{:?}", imported.warnings);
    let system = system(&imported);
    let positions: Vec<DVec3> = (0..8).map(|i| DVec3::new(0.1 * f64::from(i), 1.0, 1.0)).collect();
    let state = State::at_rest(Cell::cubic(5.0).unwrap(), positions);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.gro");
    write_gro(&path, &system.topology, &state, "two molecules of three residues").unwrap();
    let again = read_structure(&path).unwrap();
    assert_eq!(again.residue_ids, [1, 1, 2, 3, 4, 4, 5, 6]);
    assert_eq!(again.residue_names, ["M", "M", "M", "N", "M", "M", "M", "N"]);
    let exported = to_top(&system, "two").unwrap();
    assert_eq!(read(&exported).species[0].residues, imported.species[0].residues);
    let select = |text| select(text, &system.topology).unwrap();
    assert_eq!(select("residue N"), [3, 7]);
    assert_eq!(select("residue M"), [0, 1, 2, 4, 5, 6]);
}

/// The charges of a box that does not add up to an integer are worth a word, not an error; names that differ in numbers, too.
#[test]
fn structures_are_matched_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let gro = |names: [&str; 4]| {
        let path = folder.path().join("m.gro");
        let rows: String = (0..4)
            .map(|i| format!("    1M    {:>5}{:5}{:8.3}{:8.3}{:8.3}\n", names[i], i + 1, 0.2 * i as f64, 0.1, 0.1))
            .collect();
        std::fs::write(&path, format!("m\n4\n{rows}   3.0 3.0 3.0\n")).unwrap();
        read_structure(&path).unwrap()
    };
    let imported = read(&four(ATOMS));
    assert_eq!(imported.matched_to(&gro(["A1", "B2", "C3", "D4"])).unwrap().warnings, Vec::<String>::new());
    let numbering = imported.matched_to(&gro(["A1", "B9", "3C", "D4"])).unwrap();
    assert!(
        numbering.warnings[0].starts_with("2 atom names of ") && numbering.warnings[0].contains("atom 2 (B9 of M 1)")
    );
    let wrong = imported.matched_to(&gro(["A1", "C3", "B2", "D4"])).unwrap_err().to_string();
    assert!(wrong.contains("from atom 2 (C3 of M 1) on: the topology has B2 of M (molecule 1)"), "{wrong}");
}

/// A case of `validation/engines` through its own topology, as a user would run it.
struct Case {
    imported: GromacsTopology,
    system: System,
    cell: Cell,
    positions: Vec<DVec3>,
    energies: toml::Table,
    forces: Vec<DVec3>,
}

fn engines(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/engines").join(name)
}

impl Case {
    fn read(name: &str) -> Self {
        let folder = engines(name);
        let imported = read_topology(&folder.join("topol.top"), &[], &[]).unwrap_or_else(|e| panic!("{e}"));
        let structure = read_structure(&folder.join("system.gro")).unwrap();
        let matched = imported.matched_to(&structure).unwrap_or_else(|e| panic!("{e}"));
        let energies: toml::Table =
            std::fs::read_to_string(folder.join("energies.toml")).unwrap().parse().expect("valid TOML");
        let number = |key: &str| energies["conventions"][key].as_float().unwrap();
        let (cutoff, beta) = (number("cutoff_lj_nm"), number("ewald_beta_per_nm"));
        let topology = Topology::new(imported.types.clone(), imported.species.clone(), &matched.sequence);
        let positions = hexaqua::build::sound_positions(&structure, &topology).unwrap();
        let cell = structure.cell;
        let coulomb = Coulomb::Ewald { beta, n_max: choose_n_max(&cell, beta, 1e-12), n_sq_max: None };
        let interactions =
            Interactions { cutoff, lj_modifier: LjModifier::None, dispersion_correction: false, coulomb };
        let pair_table = imported.pair_table.clone();
        let system =
            System { topology, pair_table, interactions, restraints: Vec::new(), external: External::default() };
        let text = std::fs::read_to_string(folder.join("forces.csv")).unwrap();
        let rows = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let forces = rows
            .map(|line| {
                let f: Vec<f64> = line.split(',').skip(1).map(|x| x.parse().expect("a number")).collect();
                DVec3::new(f[0], f[1], f[2])
            })
            .collect();
        Case { imported, system, cell, positions, energies, forces }
    }

    fn evaluate(&self) -> Evaluation {
        let list = linked_cells(&self.positions, &self.cell, &self.system.topology, self.system.interactions.cutoff);
        ReferenceBackend::new(&self.system).unwrap().evaluate_at(&self.cell, &self.positions, &list)
    }

    fn number(&self, table: &str, key: &str) -> Option<f64> {
        self.energies.get(table)?.get(key)?.as_float()
    }
}

#[test]
fn imported_topologies_reproduce_the_engines() {
    for name in ["spce_216", "spce_3000", "zncl2_1000w", "tip4p2005_500", "znotf2_3k"] {
        let case = Case::read(name);
        assert_eq!(case.imported.warnings, Vec::<String>::new(), "{name}");
        let result = case.evaluate();
        let terms = result.energies.terms();
        let of = |term: &str| terms.iter().find(|t| t.0 == term).map_or(0.0, |t| t.1);
        let gromacs = "gromacs_double";
        let mut compared = 0;
        for (key, value) in [
            ("Bond", of("bond")),
            ("Angle", of("angle")),
            ("Proper Dih.", of("dihedral")),
            ("LJ-14", of("lj_14")),
            ("Coulomb-14", of("coulomb_14")),
            ("LJ (SR)", of("lj")),
        ] {
            if let Some(reference) = case.number(gromacs, key) {
                assert_relative(&format!("{name}, {key}"), value, reference, 1e-7);
                compared += 1;
            }
        }
        assert_eq!(compared, if name == "znotf2_3k" { 6 } else { 1 });
        let coulomb = of("coulomb_real") + of("coulomb_reciprocal");
        let expected = case.number(gromacs, "Coulomb (SR)").unwrap() + case.number(gromacs, "Coul. recip.").unwrap();
        assert_relative(&format!("{name}, Coulomb"), coulomb, expected, 1e-7);
        let total = case.number("gromacs_double_potential_without_dispcorr", "Potential").unwrap();
        assert_relative(&format!("{name}, total"), result.energies.total(), total, 1e-7);
        assert_forces(name, &result.forces, &case.forces, 2e-6);
    }
}

/// A comparison that cannot fail proves nothing: one wrong number in the file must show.
#[test]
fn a_slightly_wrong_topology_is_rejected() {
    let case = Case::read("znotf2_3k");
    let text = std::fs::read_to_string(engines("znotf2_3k").join("topol.top")).unwrap();
    let mut wrong = Case::read("znotf2_3k");
    let imported = read(&text.replace("1 5 1 0.1818 195000.0", "1 5 1 0.1818 195010.0"));
    let sequence: Vec<u32> = case.system.topology.molecules.iter().map(|m| m.species).collect();
    wrong.system.topology = Topology::new(imported.types, imported.species, &sequence);
    let (bond, expected) = (wrong.evaluate().energies.bond.unwrap(), case.number("gromacs_double", "Bond").unwrap());
    assert!(((bond - expected) / expected).abs() > 1e-7);
}

/// Writing and reading gives the same molecules, pairs and energies.
#[test]
fn export_and_import_are_inverse() {
    let everything = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/topology/everything.top");
    let files = ["spce_216", "zncl2_1000w", "tip4p2005_500", "znotf2_3k"].map(|n| engines(n).join("topol.top"));
    for path in files.iter().chain([&everything]) {
        let first = read_topology(path, &[], &[]).unwrap_or_else(|e| panic!("{e}"));
        let text = to_top(&system(&first), &first.title).unwrap();
        let second = read(&text);
        assert_eq!(second.title, first.title);
        assert_eq!(second.types, first.types);
        let counts = |t: &GromacsTopology| t.counts.iter().filter(|c| c.1 > 0).copied().collect::<Vec<_>>();
        assert_eq!(counts(&second), counts(&first));
        for a in 0..first.types.len() {
            for b in a..first.types.len() {
                let (k, l) = (second.pair_table.get(a, b), first.pair_table.get(a, b));
                assert!((k.c6 - l.c6).abs() <= 1e-13 * l.c6 && (k.c12 - l.c12).abs() <= 1e-13 * l.c12, "{k:?} {l:?}");
            }
        }
        for (s, t) in second.species.iter().zip(&first.species) {
            let (mut s, mut t) = (s.clone(), t.clone());
            for species in [&mut s, &mut t] {
                species.bonds.iter_mut().for_each(|b| *b = (b.0.min(b.1), b.0.max(b.1)));
                species.bonds.sort_unstable();
                species.bonded.bonds.sort_by_key(|b| b.atoms);
                species.bonded.dihedrals.sort_by_key(|d| (d.is_improper, d.atoms, d.multiplicity));
            }
            for (p, q) in s.bonded.pairs_14.iter_mut().zip(&t.bonded.pairs_14) {
                assert_eq!(p.atoms, q.atoms);
                assert!(
                    (p.qq - q.qq).abs() <= 1e-15
                        && (p.c6 - q.c6).abs() <= 1e-13 * q.c6
                        && (p.c12 - q.c12).abs() <= 1e-13 * q.c12
                );
                *p = *q;
            }
            assert_eq!(s, t);
        }
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let mut system = system(&read(&four(ATOMS)));
    system.pair_table.add_c4(0, 1, 0.5);
    let message = to_top(&system, "").unwrap_err().to_string();
    assert!(message.starts_with("the pair A B has a term -C4/r^4 with C4 = 0.5 kJ/mol nm^4"), "{message}");
}

/// Files in the layouts of the tools that people make topologies with.
#[test]
fn files_of_other_tools_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/topology");
    // atoms, elements, bonds, angles, periodic and Ryckaert-Bellemans dihedrals, pairs, excluded pairs, charge
    let cases = [
        ("acpype_style", "CHHHOH", 5, 7, (3, 0), 3, 15, 0.0),
        ("ligpargen_style", "COHHHH", 5, 7, (0, 3), 3, 15, 0.0),
        ("fftool_style", "SCOOOFFF", 7, 12, (0, 9), 9, 28, -1.0),
    ];
    for (name, elements, bonds, angles, dihedrals, pairs, excluded, charge) in cases {
        let t = read_topology(&folder.join(format!("{name}.top")), &[], &[]).unwrap_or_else(|e| panic!("{e}"));
        let s = &t.species[0];
        assert_eq!(s.atoms.iter().map(|a| a.element.as_str()).collect::<String>(), elements, "{name}");
        let bonded = &s.bonded;
        assert_eq!((bonded.bonds.len(), bonded.angles.len()), (bonds, angles), "{name}");
        assert_eq!((bonded.dihedrals.len(), bonded.ryckaert_bellemans.len()), dihedrals, "{name}");
        assert_eq!((bonded.pairs_14.len(), s.exclusions.len()), (pairs, excluded), "{name}");
        assert_absolute(name, s.charge(), charge, 1e-9);
        assert_eq!(t.warnings, Vec::<String>::new(), "{name}");
    }
}

/// A chain of `n` beads with every term by type, as a topology and the structure that belongs to it.
fn chain(n: usize) -> (String, hexaqua::system::Structure) {
    use std::fmt::Write;
    let mut text = String::from(
        "[ defaults ]\n1 2 yes 0.5 0.5\n[ atomtypes ]\nA 6 12.0 0.0 A 0.3 0.1\nB 6 12.0 0.0 A 0.32 0.1\n[ bondtypes ]\nA B 1 0.15 1000\n[ angletypes ]\nA B A 1 120 100\nB A B 1 120 100\n[ dihedraltypes ]\nX A B X 9 0 1 3\n[ moleculetype ]\nchain 3\n[ atoms ]\n",
    );
    for i in 0..n {
        let _ = writeln!(text, "{} {} 1 CHN C{} {} 0.0 12.0", i + 1, ["A", "B"][i % 2], i % 10, i + 1);
    }
    for (head, length, function) in [("bonds", 2, 1), ("pairs", 4, 1), ("angles", 3, 1), ("dihedrals", 4, 9)] {
        let _ = writeln!(text, "[ {head} ]");
        for i in 1..=n + 1 - length {
            let atoms: Vec<String> = match head {
                "pairs" => vec![i.to_string(), (i + 3).to_string()],
                _ => (i..i + length).map(|k| k.to_string()).collect(),
            };
            let _ = writeln!(text, "{} {function}", atoms.join(" "));
        }
    }
    text += "[ system ]\na chain\n[ molecules ]\nchain 1\n";
    let structure = hexaqua::system::Structure {
        source: "chain.gro".into(),
        title: String::new(),
        names: (0..n).map(|i| format!("C{}", i % 10)).collect(),
        residue_names: vec!["CHN".into(); n],
        residue_ids: vec![1; n],
        positions: (0..n).map(|i| DVec3::new(0.15 * i as f64, 0.0, 0.0)).collect(),
        velocities: None,
        cell: Cell::orthorhombic(0.15 * n as f64 + 1.0, 20.0, 20.0).unwrap(),
    };
    (text, structure)
}

/// The text of a `.gro` file with one residue.
fn gro_of(structure: &hexaqua::system::Structure) -> String {
    let rows = structure.positions.iter().zip(&structure.names).enumerate();
    let rows: String = rows
        .map(|(i, (r, name))| {
            format!("    1CHN  {name:>5}{:5}{:12.3}{:12.3}{:12.3}\n", (i + 1) % 100_000, r.x, r.y, r.z)
        })
        .collect();
    let edges = structure.cell.heights();
    format!("a chain\n{}\n{rows}{:.3} {:.3} {:.3}\n", structure.names.len(), edges[0], edges[1], edges[2])
}

/// Reading topology and structure is linear in the atoms of one molecule, all of whose terms are by type. (100 000 atoms take half a second.)
#[test]
fn importing_is_linear() {
    let seconds = |n: usize| {
        let (text, structure) = chain(n);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.top");
        std::fs::write(&path, text).unwrap();
        let gro = folder.path().join("chain.gro");
        std::fs::write(&gro, gro_of(&structure)).unwrap();
        (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                let structure = read_structure(&gro).unwrap();
                let imported = read_topology(&path, &[], &[]).unwrap_or_else(|e| panic!("{e}"));
                let matched = imported.matched_to(&structure).unwrap();
                let topology = Topology::new(imported.types, imported.species, &matched.sequence);
                let positions = hexaqua::build::sound_positions(&structure, &topology).unwrap();
                let excluded: usize = (0..n).map(|i| topology.excluded_partners(i).count()).sum();
                assert_eq!((positions.len(), excluded), (n, 2 * (3 * n - 6)));
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    };
    let (small, large) = (seconds(25_000), seconds(100_000));
    println!("25 000 atoms {small:.3} s, 100 000 atoms {large:.3} s");
    assert!(large < 10.0 * small, "{small} s and {large} s: four times the atoms");
}

/// A structure whose atoms were wrapped one by one gives the molecules and the energies of the whole ones.
#[test]
fn molecules_cut_by_the_boundary_are_made_whole() {
    let mut case = Case::read("znotf2_3k");
    let whole = case.evaluate().energies;
    let mut structure = read_structure(&engines("znotf2_3k").join("system.gro")).unwrap();
    structure.positions.iter_mut().for_each(|r| *r = case.cell.wrap(*r));
    let cut = |positions: &[DVec3]| {
        let topology = &case.system.topology;
        let bonds = (0..topology.molecules.len()).flat_map(|m| {
            let first = topology.atoms_of(m).start;
            topology.species_of(m).bonds.iter().map(move |&(a, b)| (first + a as usize, first + b as usize))
        });
        bonds.filter(|&(a, b)| (positions[a] - positions[b]).length() > 1.0).count()
    };
    assert!(cut(&structure.positions) > 10, "the test cuts molecules");
    case.positions = hexaqua::build::sound_positions(&structure, &case.system.topology).unwrap();
    for ((name, value), (_, expected)) in case.evaluate().energies.terms().into_iter().zip(whole.terms()) {
        assert_relative(name, value, expected, 1e-10);
    }
}

/// `hexaqua build --top` says why it cannot write a 12-6-4 ion, and writes nothing.
#[test]
fn a_box_with_c4_terms_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (input, top, gro) =
        (folder.path().join("in.toml"), folder.path().join("out.top"), folder.path().join("out.gro"));
    let text = "[system]\nwater = { model = \"TIP3P\", molecules = 250 }\nsolutes = [{ name = \"Zn2+\", model = \"li-merz-12-6-4\", count = 1 }, { name = \"Cl-\", model = \"joung-cheatham\", count = 2 }]\ndensity = \"1 g/cm3\"\n[nonbonded]\ncutoff = \"0.9 nm\"\n";
    std::fs::write(&input, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    let done = command.arg("build").arg(&input).arg("--top").arg(&top).arg("--out").arg(&gro).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("has a term -C4/r^4"), "{said}");
    assert!(!top.exists() && !gro.exists());
}
