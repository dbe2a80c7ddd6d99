//! The input that a trajectory came from: `run.toml` lies beside it, with all that `--set` changed. Charges of electrodes follow from what they are held at, which
//! no trajectory holds, so an analysis with another input finds other charges.

use crate::io::input;
use crate::system::interface::{ConditionSpec, InterfaceSpec};
use crate::system::spec::Input;
use std::path::{Path, PathBuf};

/// What holds the charges, in words.
fn held(interface: &InterfaceSpec) -> String {
    let of = |e: &crate::system::interface::ElectrodeSpec| match e.condition {
        ConditionSpec::Potential(volts) => format!("{} at {volts} V", e.name),
        ConditionSpec::Charge(charge) => format!("{} with {charge} e", e.name),
    };
    let mut parts: Vec<String> = match interface.finite_field {
        Some(volts) => vec![format!("a finite field of {volts} V")],
        None => interface.electrodes.iter().map(of).collect(),
    };
    parts.extend((interface.field != 0.0).then(|| format!("a field of {} V/nm", interface.field)));
    parts.join(", ")
}

/// A warning where the run of a trajectory held its electrodes otherwise than the input it is analysed with.
pub fn differs(ours: &Input, trajectories: &[PathBuf]) -> Option<String> {
    let beside = |path: &PathBuf| {
        let own = path.with_file_name("run.toml");
        let text = std::fs::read_to_string(&own).ok()?;
        let base = own.parent().unwrap_or(Path::new("."));
        // a file of another program, or of another version, says nothing
        let theirs = input::parse(&text, &own.to_string_lossy(), base, &[]).ok()?;
        let (before, now) = (held(&theirs.interface), held(&ours.interface));
        (before != now && !theirs.interface.electrodes.is_empty()).then(|| {
            format!(
                "{} was made with {before}, and is analysed with {now}: charges and potentials are those of the latter; `hexaqua analyze {} …` takes the input of the run",
                path.display(),
                own.display()
            )
        })
    };
    trajectories.iter().find_map(beside)
}
