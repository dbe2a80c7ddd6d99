//! The electrolytes of `inputs/`: what their files say they are, and, in their small versions, a short run from a packed start.

use hexaqua::io::input;
use hexaqua::system::spec::{Amount, GeometrySpec, Input};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs")
}

fn read(name: &str) -> Input {
    input::read(&inputs().join(format!("{name}.toml")), &[]).unwrap_or_else(|e| panic!("{e}"))
}

fn count(input: &Input, species: &str) -> usize {
    let found = input.system.solutes.iter().find(|s| s.name == species);
    match found.map(|s| s.amount) {
        Some(Amount::Count(n)) => n,
        other => panic!("{species}: {other:?}"),
    }
}

/// (input, waters per Zn2+, mol/L of Zn2+ that its density gives)
const SALTS: [(&str, f64, f64); 11] = [
    ("znso4-1m", 55.0, 1.0),
    ("znso4-4m", 13.0, 4.0),
    ("zncl2-1m", 54.0, 1.0),
    ("zncl2-2m", 26.0, 2.0),
    ("zncl2-3m", 17.0, 3.0),
    ("znotf2-2m", 19.3, 2.0),
    ("znotf2-2m-ide", 19.3, 2.0),
    ("znotf2-pc10", 17.38, 2.0),
    ("znotf2-pc30", 13.51, 2.0),
    ("znotf2-pc50", 9.65, 2.0),
    ("znso4-1m-scaled", 55.5, 1.0),
];

#[test]
fn electrolytes_have_the_composition_that_their_files_promise() {
    for (name, waters_per_zinc, molar) in SALTS {
        let input = read(name);
        let zinc = count(&input, "Zn2+") as f64;
        let waters = input.system.water.molecules.expect("a number of waters") as f64;
        assert!((waters / zinc - waters_per_zinc).abs() < 0.01, "{name}: {}", waters / zinc);
        let GeometrySpec::Density(density) = input.system.geometry else { panic!("{name} has a density") };
        // Masses of the parts, u; the volume in litres per mole of boxes.
        let mass_of = |species: &str| match species {
            "Zn2+" => 65.38,
            "SO42-" => 96.06,
            "Cl-" => 35.45,
            "OTf-" => 149.07,
            "PC" => 102.09,
            "IDE" => 174.20,
            other => panic!("{name}: {other}"),
        };
        let solutes: f64 = input.system.solutes.iter().map(|s| mass_of(&s.name) * count(&input, &s.name) as f64).sum();
        let litres = (solutes + 18.015 * waters) / (1000.0 * density);
        assert!((zinc / litres - molar).abs() < 0.05 * molar, "{name}: {} mol/L", zinc / litres);
        if name == "znotf2-2m-ide" {
            let ide = count(&input, "IDE") as f64 / litres;
            assert!((ide - 0.020).abs() < 0.001, "{ide} mol/L of IDE");
        }
    }
}

/// The small version that the head of a file offers, as arguments.
fn small_version(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(inputs().join(format!("{name}.toml"))).expect("a readable input");
    let mut arguments = Vec::new();
    for line in text.lines().take_while(|l| l.starts_with('#')) {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if word == "--set" {
                let value = words.next().expect("a value behind --set");
                if value.starts_with("system.") {
                    arguments.extend(["--set".to_string(), value.to_string()]);
                }
            }
        }
    }
    assert!(arguments.len() >= 6, "{name} offers no small version");
    arguments
}

/// Column `name` of a log.
fn column(log: &str, name: &str) -> Vec<f64> {
    let mut lines = log.lines().filter(|l| !l.starts_with('#'));
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let index = head.iter().position(|h| h.starts_with(name)).unwrap_or_else(|| panic!("{name} in {head:?}"));
    lines.map(|l| l.split(',').nth(index).and_then(|v| v.parse().ok()).expect("a number")).collect()
}

/// Kinetic energy at the end of a stage with a bath, from its beginning and the potential energy alone: what the box gives off, less
/// what the bath takes, dK/dt = −dU/dt − (K − K₀)/τ, each interval of the log integrated with a constant dU/dt.
///
/// * `time`, `kinetic`, `potential` – rows of the log; `bath` – K₀ in kJ/mol, τ in ps
fn heat_balance(time: &[f64], kinetic: &[f64], potential: &[f64], bath: (f64, f64)) -> Vec<f64> {
    let (target, tau) = bath;
    let mut expected = vec![kinetic[0]];
    for n in 1..time.len() {
        let (h, before) = (time[n] - time[n - 1], expected[n - 1]);
        let decay = (-h / tau).exp();
        let released = (potential[n - 1] - potential[n]) / h;
        expected.push(target + (before - target) * decay + released * tau * (1.0 - decay));
    }
    expected
}

/// Packed, minimised and run for a moment.
///
/// A minimised box is far from equilibrium: ions find their places and waters turn to them for picoseconds, and the heat of that has to
/// pass through the kinetic energy. While the box gives off P (kJ/mol/ps), a bath of time constant τ holds it τP/(Nk/2) above its set
/// point; 4 M ZnSO4 stands 50 K above 298 K after 1 ps, with τ = 0.5 ps, and reaches 298 K after 10 ps. So the temperature is
/// compared with what the potential energy of the same run demands, and the sum of both, with the heat that the bath took, is constant.
///
/// * returns the temperature that relaxation ends with, what it would have been without a bath, and the scatter, K
fn runs(name: &str) -> [f64; 3] {
    const TARGET: f64 = 298.15;
    let folder = tempfile::tempdir().expect("a scratch folder");
    let out = folder.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hexaqua"));
    command.arg("run").arg(inputs().join(format!("{name}.toml"))).args(["--backend", "cpu"]);
    command.arg("--out").arg(&out).args(small_version(name)).stdin(Stdio::null());
    for set in [
        "dynamics.log_every=\"0.02 ps\"",
        "stage.relax.duration=\"0.8 ps\"",
        "stage.equilibrate.duration=\"0.2 ps\"",
        "stage.production.duration=\"0.4 ps\"",
        "stage.production.trajectory={ every = \"0.2 ps\" }",
    ] {
        command.args(["--set", set]);
    }
    let done = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{name}: {}\n{said}", String::from_utf8_lossy(&done.stdout));
    let log = std::fs::read_to_string(out.join("log.csv")).expect("a log");
    let (temperature, kinetic) = (column(&log, "temperature"), column(&log, "kinetic"));
    let (potential, conserved, time) = (column(&log, "potential"), column(&log, "conserved"), column(&log, "time"));
    let per_kelvin = kinetic[0] / temperature[0];

    // Nothing is lost or made in a stage, its changes of volume included. Leap-frog's energy stands (ω dt)²/8 kT too high for every
    // stiff mode that is warm, and all start cold: for the 150 C-H stretches of the propylene carbonate box, at 1 fs, that is 15 kJ/mol
    // or 1.2 K, and less everywhere else. Twice as much is a fault. Between stages of different time step the energy jumps by this.
    for stage in [0.0..0.8 - 1e-9, 0.8 - 1e-9..1.0 - 1e-9, 1.0 - 1e-9..1.5] {
        let rows = time.iter().zip(&conserved).filter(|(t, _)| stage.contains(*t)).map(|(_, &e)| e);
        let (low, high) = rows.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(e), b.max(e)));
        println!("{name}, {stage:?} ps: conserved within {:.2} K", (high - low) / per_kelvin);
        assert!(high - low < 2.0 * per_kelvin, "{name}, {stage:?} ps: energy changed by {} kJ/mol", high - low);
    }

    // Relaxation, whose volume is constant. The bath is stochastic: around the balance K scatters as in the canonical ensemble.
    let n = time.iter().take_while(|&&t| t < 0.8 + 1e-9).count();
    let (first, bath) = ((&time[..n], &kinetic[..n], &potential[..n]), (per_kelvin * TARGET, 0.1));
    let last = |values: &[f64]| values[n - 5..n].iter().sum::<f64>() / 5.0 / per_kelvin;
    let expected = last(&heat_balance(first.0, first.1, first.2, bath));
    let without = last(&heat_balance(first.0, first.1, first.2, (bath.0, 1e6)));
    let found = last(&kinetic[..n]);
    let degrees_of_freedom = 2.0 * per_kelvin / hexaqua::units::BOLTZMANN;
    let scatter = (2.0 * found * TARGET / degrees_of_freedom).sqrt();
    println!("{name}: {found:.1} K, {expected:.1} by the balance, scatter {scatter:.1}, without a bath {without:.1} K");
    assert!((found - expected).abs() < 4.0 * scatter, "{name}: {found} K instead of {expected} ± {scatter} K");
    [found, without, scatter]
}

#[test]
fn zinc_sulfate_runs_from_a_packed_start() {
    runs("znso4-4m");
    runs("znso4-1m-scaled");
}

#[test]
fn zinc_chloride_runs_from_a_packed_start() {
    runs("zncl2-3m");
}

#[test]
fn zinc_triflate_with_additives_runs_from_a_packed_start() {
    // Negative control: the balance tells a bath from none. Flexible molecules start without energy in their bonds and cool the box.
    let [found, without, scatter] = runs("znotf2-2m-ide");
    assert!((without - found).abs() > 4.0 * scatter, "{found} ± {scatter} K, without a bath {without} K");
    runs("znotf2-pc30");
}

/// Energy terms of a configuration in `validation/engines`, its molecules named and taken from the library.
fn energies_by_name(case: &str, cutoff: f64, beta: f64, system: &str) -> serde_json::Value {
    let engines = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/engines");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("box.toml");
    let structure = engines.join(case).join("system.gro");
    let text = format!(
        "[system]\n{system}\nstructure = {:?}\n[nonbonded]\ncutoff = \"{cutoff} nm\"\ndispersion_correction = false\n\
         [nonbonded.coulomb.pme]\nbeta = \"{beta} /nm\"\nspacing = \"0.07 nm\"\norder = 6\n",
        structure.display().to_string()
    );
    std::fs::write(&path, text).expect("writable");
    let done = Command::new(env!("CARGO_BIN_EXE_hexaqua"))
        .args(["energy", path.to_str().expect("a path"), "--backend", "reference", "--json"])
        .output()
        .expect("the program starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

fn close(what: &str, found: &serde_json::Value, expected: f64, relative: f64) {
    let found = found.as_f64().unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= relative * expected.abs(), "{what}: {found} instead of {expected}");
}

/// The triflate that connectivity and classes give is that of the engines: same bonds, angles, torsions, 1-4 charges and
/// exclusions. Their 1-4 and anion-anion Lennard-Jones pairs are mixed by Lorentz-Berthelot, ours by CL&P's own rule.
#[test]
fn zinc_triflate_by_name_has_the_energies_of_other_engines() {
    let found = energies_by_name(
        "znotf2_3k",
        1.0,
        4.0,
        "water = { model = \"SPC/E\" }\nsolutes = [{ name = \"Zn2+\", model = \"li-merz-cm\" }, { name = \"OTf-\" }]",
    );
    let terms = &found["terms"];
    close("bond", &terms["bond"], 575.204231212388, 1e-9);
    close("angle", &terms["angle"], 1403.0600147496996, 1e-9);
    close("dihedral", &terms["dihedral"], 77.79472048788807, 1e-9);
    close("coulomb_14", &terms["coulomb_14"], 15731.653224217811, 1e-9);
    let coulomb = terms["coulomb_real"].as_f64().unwrap() + terms["coulomb_reciprocal"].as_f64().unwrap();
    assert!((coulomb / -149322.45874724493 - 1.0).abs() < 2e-6, "{coulomb}");
    // F-O at 0.3118 and 0.315 nm: the two rules differ by 5e-5 in sigma.
    close("lj_14", &terms["lj_14"], 223.21041681879876, 2e-3);
    assert!(
        (terms["lj_14"].as_f64().unwrap() / 223.21041681879876 - 1.0).abs() > 1e-6,
        "geometric is not Lorentz-Berthelot"
    );
}

#[test]
fn four_site_water_by_name_has_the_energies_of_other_engines() {
    let found = energies_by_name("tip4p2005_500", 0.9, 4.5, "water = { model = \"TIP4P/2005\" }");
    let terms = &found["terms"];
    close("lj", &terms["lj"], 4141.233412238164, 1e-7);
    let coulomb = terms["coulomb_real"].as_f64().unwrap() + terms["coulomb_reciprocal"].as_f64().unwrap();
    // The site of that file stands 6e-8 nm from ours: it has the weights 0.13193828, the model's d_OM = 0.01546 nm gives
    // 0.13193777, four parts in a million less.
    assert!((coulomb / -27832.477641994985 - 1.0).abs() < 2e-5, "{coulomb}");
}
