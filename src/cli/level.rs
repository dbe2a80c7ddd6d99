//! Where g(r) levels off in a cell that the liquid does not fill.

use super::prepare::Prepared;
use super::vacuum;
use crate::analysis::AnalysisResult;

/// Says under every g(r) of a cell with vacuum or slabs that it does not tend to 1, and to what instead where the volume of the liquid is known.
pub(super) fn tell(prepared: &Prepared, results: &mut [AnalysisResult]) {
    let composition = &prepared.composition;
    if !composition.has_surface && vacuum::widest(&prepared.state.cell, &prepared.state.positions).0 < vacuum::LEAST {
        return;
    }
    let gaps = prepared.input.interface.surface.as_ref().map_or(1, |s| s.slabs.saturating_sub(1).max(1));
    let share = composition.liquid.map(|liquid| gaps as f64 * liquid.volume / composition.cell.volume());
    let area = composition.cell.volume() / composition.cell.heights()[2];
    let level = match share.zip(composition.liquid) {
        // a shell around an atom of a slab h high has on average 1 − r/2h of itself inside
        Some((share, liquid)) => format!(
            "The liquid takes {:.0} % of the cell, and g(r) counts against the mean density of all of it: without structure it would be about \
             {:.2} (1 − r/{:.2} nm), not 1",
            100.0 * share,
            1.0 / share,
            2.0 * liquid.volume / area
        ),
        None => "g(r) counts against the mean density of the whole cell, of which the liquid takes a part: it levels off near the inverse of \
                 that part, not at 1, and lower where r reaches out of the liquid"
            .to_string(),
    };
    let note = format!(
        "{level}. Heights of peaks are larger by the same factor; their positions, minima and n(r) are as they are."
    );
    for result in results.iter_mut().filter(|r| r.name.starts_with("rdf_")) {
        result.figures.iter_mut().for_each(|figure| figure.note.clone_from(&note));
        result.notes.push(note.clone());
    }
}
