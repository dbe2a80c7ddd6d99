//! Where a quantity is not defined as its reference is: shells that end elsewhere, bins of another width.
//!
//! What is compared: the radius and the bins that a reference states of itself, if it does, and those of the input of its case.

use crate::analysis::Quantity;
use crate::report::text::plain;
use crate::system::analyses::AnalysisSpec;
use crate::system::expected::Reference;
use crate::system::spec::Input;

/// Radii of shells that agree when printed, nm.
const SAME: f64 = 1e-3;

/// How an input defines a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Definition<'a> {
    /// End of the shell, nm; `None` = the first minimum of g(r).
    r_min: Option<f64>,
    /// Is there a shell that must end somewhere?
    has_shell: bool,
    /// nm, or ° of angles
    bin_width: Option<f64>,
    /// Id of the quantity that says where the shell ended: kind and selections.
    radius: Option<(&'a str, &'a str, Option<&'a str>)>,
}

/// Is `id` one of these kinds of these selections, whatever follows?
fn is_of(id: &str, kinds: &[&str], first: &str, second: Option<&str>) -> bool {
    let Some((kind, rest)) = id.split_once('(') else { return false };
    let rest = match (kinds.contains(&kind), rest.strip_prefix(first)) {
        (true, Some(rest)) => rest,
        _ => return false,
    };
    match second {
        None => rest.starts_with([',', ')']),
        Some(second) => rest.strip_prefix(',') == Some(&format!("{second})")),
    }
}

/// The definition of a quantity by the first analysis that measures it.
fn of_input<'a>(input: &'a Input, id: &str) -> Option<Definition<'a>> {
    const PEAKS: [&str; 5] = ["first_peak", "first_peak_height", "first_minimum", "second_peak", "second_minimum"];
    const COUNTS: [&str; 2] = ["running_number", "second_shell_count"];
    const NUMBERS: [&str; 3] = ["coordination_number", "coordination_mode", "coordination_fraction"];
    const ANGLES: [&str; 3] = ["angle_cis_peak", "angle_trans_peak", "angle_trans_fraction"];
    input.analyses.iter().find_map(|analysis| match analysis {
        AnalysisSpec::Rdf { pairs, bin_width, .. } => pairs.iter().find_map(|(a, b)| {
            let of = |kinds: &[&str]| is_of(id, kinds, a, Some(b));
            let bin_width = Some(*bin_width);
            let radius = Some(("first_minimum", a.as_str(), Some(b.as_str())));
            match (of(&PEAKS), of(&COUNTS)) {
                (true, _) => Some(Definition { bin_width, ..Definition::default() }),
                (_, true) => Some(Definition { bin_width, has_shell: true, radius, ..Definition::default() }),
                _ => None,
            }
        }),
        AnalysisSpec::Coordination { center, r_min, .. } => {
            let radius = Some(("shell_radius", center.as_str(), None));
            let found = Definition { r_min: *r_min, has_shell: true, radius, bin_width: None };
            is_of(id, &NUMBERS, center, None).then_some(found)
        }
        AnalysisSpec::Angles { center, ligand, r_min, bin_width, .. } => {
            let found = Definition { r_min: *r_min, has_shell: true, bin_width: Some(*bin_width), radius: None };
            is_of(id, &ANGLES, center, Some(ligand)).then_some(found)
        }
        _ => None,
    })
}

/// What to say where a quantity of a run is not defined as its reference is.
///
/// * `quantities` – of the run: they say where a shell ended that was looked for
/// * `case` – the input of the case as it stands, without what was changed for this run
pub fn difference(reference: &Reference, run: &Input, quantities: &[Quantity], case: &Input) -> Option<String> {
    let id =
        reference.quantity.strip_prefix("change(").and_then(|id| id.strip_suffix(')')).unwrap_or(&reference.quantity);
    let own = of_input(run, id)?;
    let (mut told, length) = (Vec::new(), |r: f64| format!("{} nm", plain(r)));
    let found = own.radius.and_then(|(kind, first, second)| {
        quantities.iter().find(|q| is_of(&q.id, &[kind], first, second)).map(|q| q.value)
    });
    if let (Some(theirs), Some(ours)) = (reference.r_min, own.r_min.or(found))
        && (theirs - ours).abs() > SAME
    {
        told.push(format!("the shell ends at {} here, at {} in the reference", length(ours), length(theirs)));
    }
    let degrees =
        |w: f64| if reference.unit == "deg" || id.starts_with("angle_") { format!("{w}°") } else { length(w) };
    let is_other = |a: f64, b: f64| (a - b).abs() > 1e-6 * b;
    if let (Some(theirs), Some(ours)) = (reference.bin_width, own.bin_width)
        && is_other(ours, theirs)
    {
        told.push(format!("bins are {} wide here, {} in the reference", degrees(ours), degrees(theirs)));
    }
    // Of an input without the analysis nothing is known.
    if let Some(theirs) = of_input(case, id) {
        let ends =
            |r: Option<f64>| r.map_or("at the first minimum of g(r)".to_string(), |r| format!("at {}", length(r)));
        if own.has_shell && reference.r_min.is_none() && own.r_min != theirs.r_min {
            told.push(format!("the shell ends {} here, {} in the case", ends(own.r_min), ends(theirs.r_min)));
        }
        if let (None, Some(ours), Some(theirs)) = (reference.bin_width, own.bin_width, theirs.bin_width)
            && is_other(ours, theirs)
        {
            told.push(format!("bins are {} wide here, {} in the case", degrees(ours), degrees(theirs)));
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::blocks::Estimate;
    use crate::io::input::read_located;
    use std::path::Path;

    fn input(set: &[(&str, &str)]) -> Input {
        let set: Vec<(String, String)> = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs/zn-hydration.toml");
        read_located(&path, &set).expect("an input of the repository").0
    }

    #[test]
    fn other_shells_and_bins_are_noted() {
        let cases = crate::io::expected::built_in().expect("readable");
        let case = cases.iter().find(|c| c.name == "zn-hydration").expect("the case");
        let of = |id: &str| case.systems[0].references.iter().find(|r| r.quantity == id).expect("a reference").clone();
        let plain = input(&[]);
        let told = |reference: &Reference, set: &[(&str, &str)], quantities: &[Quantity]| {
            difference(reference, &input(set), quantities, &plain)
        };
        let waters = of("coordination_number(Zn2+,OW)");
        for reference in &case.systems[0].references {
            assert_eq!(told(reference, &[], &[]), None, "{}", reference.label);
        }
        let given = [("analysis.1.coordination.r_min", "\"0.25 nm\"")];
        let text = told(&waters, &given, &[]).expect("a note");
        assert_eq!(text, "the shell ends at 0.25 nm here, at the first minimum of g(r) in the case");
        // A reference that states its own radius is compared with the one that was found.
        let stated = Reference { r_min: Some(0.32), ..waters.clone() };
        let radius =
            |r: f64| Quantity::new("shell_radius(Zn2+)".into(), "".into(), Estimate::with_error(r, None), "nm");
        let text = told(&stated, &[], &[radius(0.288)]).expect("a note");
        assert_eq!(text, "the shell ends at 0.288 nm here, at 0.32 nm in the reference");
        assert_eq!(told(&stated, &[], &[radius(0.3205)]), None);
        let coarse = [("analysis.1.angles.bin_width", "\"5 deg\"")];
        let text = told(&of("angle_cis_peak(Zn2+,OW)"), &coarse, &[]).expect("a note");
        assert_eq!(text, "bins are 5° wide here, 2° in the reference");
        assert_eq!(told(&of("first_peak(Zn2+,OW)"), &coarse, &[]), None);
    }

    #[test]
    fn ids_are_told_apart() {
        assert!(is_of("coordination_number(Zn2+,OW)", &["coordination_number"], "Zn2+", None));
        assert!(is_of("coordination_number(Zn2+)", &["coordination_number"], "Zn2+", None));
        assert!(!is_of(
            "coordination_number(Zn2+ and within 1 nm of lower,OW)",
            &["coordination_number"],
            "Zn2+",
            None
        ));
        assert!(is_of("first_peak(Zn2+,OW)", &["first_peak"], "Zn2+", Some("OW")));
        assert!(!is_of("first_peak(Zn2+,OW)", &["first_peak"], "Zn2+", Some("O")));
    }
}
