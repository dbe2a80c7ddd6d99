//! Charges, potentials and capacitance of the electrodes of a run, from its log.

use super::outcome::set_point;
use super::prepare::Prepared;
use crate::analysis::AnalysisResult;
use crate::analysis::blocks::Estimate;
use crate::analysis::capacitance::{Capacitor, Terminal};
use crate::io::log::{CHARGE, Log};
use crate::system::State;
use crate::system::external::{Condition, Electrode};
use crate::units::VOLT;

/// The result for a system with electrodes; `None` for any other.
///
/// * `state` – the last one: electrodes stay where they are
/// * `from` – ps, where the analysed part of the log begins
/// * `others` – what analyses found: of a given charge the potential
pub fn of(
    prepared: &Prepared,
    state: &State,
    log: &Log,
    from: Option<f64>,
    others: &[AnalysisResult],
) -> Option<AnalysisResult> {
    let external = &prepared.system.external;
    let extent = |e: &Electrode| {
        let heights = e.atoms.iter().map(|&i| state.positions[i as usize].z);
        heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(z), high.max(z)))
    };
    let mut electrodes: Vec<&Electrode> = external.electrodes.as_ref()?.electrodes.iter().collect();
    electrodes.sort_by(|a, b| extent(a).0.total_cmp(&extent(b).0));
    let (lowest, highest) = (electrodes.first()?, electrodes.last()?);
    let time = log.column("time")?;
    let terminal = |e: &&Electrode| {
        let charges = log.column(&format!("{CHARGE}{}", e.name))?;
        let analysed =
            time.iter().zip(charges).filter(|(t, q)| q.is_finite() && from.is_none_or(|from| **t >= from - 1e-9));
        let potential = match e.condition {
            Condition::Potential(potential) => Some(potential / VOLT),
            Condition::Charge(_) => None,
        };
        Some(Terminal { name: e.name.clone(), potential, charges: analysed.map(|(_, q)| *q).collect() })
    };
    let vectors = state.cell.vectors();
    let drop = others.iter().flat_map(|r| &r.values).find(|q| q.id == "potential_drop(z)");
    Capacitor {
        electrodes: electrodes.iter().map(terminal).collect::<Option<Vec<_>>>()?,
        area: vectors.x_axis.cross(vectors.y_axis).length(),
        gap: extent(highest).0 - extent(lowest).1,
        drop: drop.map(|q| Estimate { value: q.value, error: q.error }),
        temperature: set_point(&prepared.input),
    }
    .result()
}
