//! The electrolytes of `inputs/`: what their files say they are.

use hexaqua::io::input;
use hexaqua::system::spec::{Amount, GeometrySpec, Input};
use std::path::{Path, PathBuf};

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
