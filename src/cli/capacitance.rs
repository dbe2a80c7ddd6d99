//! Charges and capacitance of the electrodes of a run, from its log.

use super::outcome::set_point;
use super::prepare::Prepared;
use crate::analysis::AnalysisResult;
use crate::analysis::capacitance::Capacitor;
use crate::io::log::{CHARGE, Log};
use crate::system::State;
use crate::system::external::Condition;
use crate::units::VOLT;

/// The result for two electrodes at potentials; `None` for anything else.
///
/// * `state` – the last one: electrodes stay where they are
/// * `from` – ps, where the analysed part of the log begins
pub fn of(prepared: &Prepared, state: &State, log: &Log, from: Option<f64>) -> Option<AnalysisResult> {
    let [first, second] = prepared.system.external.electrodes.as_ref()?.electrodes.as_slice() else { return None };
    let z = |atoms: &[u32]| {
        let heights = atoms.iter().map(|&i| state.positions[i as usize].z);
        heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(z), high.max(z)))
    };
    let ((_, top), (bottom, _)) = match z(&first.atoms).0 < z(&second.atoms).0 {
        true => (z(&first.atoms), z(&second.atoms)),
        false => (z(&second.atoms), z(&first.atoms)),
    };
    let time = log.column("time")?;
    let of_electrode = |e: &crate::system::external::Electrode| {
        let Condition::Potential(potential) = e.condition else { return None };
        let charges = log.column(&format!("{CHARGE}{}", e.name))?;
        let analysed =
            time.iter().zip(charges).filter(|(t, q)| q.is_finite() && from.is_none_or(|from| **t >= from - 1e-9));
        Some((e.name.clone(), potential / VOLT, analysed.map(|(_, q)| *q).collect()))
    };
    let vectors = state.cell.vectors();
    Capacitor {
        electrodes: [of_electrode(first)?, of_electrode(second)?],
        area: vectors.x_axis.cross(vectors.y_axis).length(),
        gap: bottom - top,
        temperature: set_point(&prepared.input),
    }
    .result()
}
