//! Intervals of frames that do not fit into a stage.

use crate::dynamics::schedule::steps_in;
use crate::system::spec::{Input, StageKind, StageSpec};

/// A sentence for every stage behind whose last frame something is left. That intervals are whole numbers of steps is seen when the input is read.
///
/// Lines of the log are no frames: the last step of a run always has one.
pub fn notes(input: &Input) -> Vec<String> {
    input.stages.iter().filter_map(|stage| note(input, stage)).collect()
}

fn note(input: &Input, stage: &StageSpec) -> Option<String> {
    let StageKind::Dynamics { duration, dynamics, trajectory, analyse, .. } = &stage.kind else { return None };
    let n_steps = steps_in(*duration, dynamics.timestep);
    let of_trajectory = trajectory.iter().map(|t| ("trajectory", t.every));
    let looked_at = input.analyses.iter().filter(|_| *analyse);
    let mut told: Vec<String> = Vec::new();
    let mut left: u64 = 0;
    for (what, every) in of_trajectory.chain(looked_at.map(|a| (a.kind(), a.every()))) {
        let steps = steps_in(every, dynamics.timestep).max(1);
        let fault = match n_steps % steps {
            _ if steps > n_steps => "is longer than the stage: one frame",
            0 => continue,
            _ => "does not divide it",
        };
        left = left.max(n_steps % steps);
        let fault = format!("{what} every {} ps {fault}", exact(every));
        if !told.contains(&fault) {
            told.push(fault);
        }
    }
    let left = exact(dynamics.timestep * left as f64);
    let told = (!told.is_empty()).then(|| told.join("; "))?;
    Some(format!(
        "stage `{}` of {} ps: {told}; up to {left} ps at its end are without a frame",
        stage.name,
        exact(*duration)
    ))
}

/// A time without the rounding of its product with a step.
fn exact(time: f64) -> String {
    ((time * 1e9).round() / 1e9).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::input::read_located;
    use std::path::Path;

    fn notes_of(file: &str, set: &[(&str, &str)]) -> Vec<String> {
        let set: Vec<(String, String)> = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        notes(&read_located(&path, &set).expect("an input of the repository").0)
    }

    #[test]
    fn intervals_that_do_not_fit_are_told_once() {
        let file = "inputs/zn-hydration.toml";
        assert_eq!(notes_of(file, &[]), Vec::<String>::new());
        let [told] = &notes_of(
            file,
            &[("stage.production.duration", "10.3 ps"), ("stage.production.trajectory.every", "0.5 ps")],
        )[..] else {
            panic!("one note")
        };
        assert_eq!(
            told,
            "stage `production` of 10.3 ps: trajectory every 0.5 ps does not divide it; up to 0.3 ps at its end are without a frame"
        );
        let [told] = &notes_of(file, &[("stage.production.trajectory.every", "200 ps")])[..] else {
            panic!("one note")
        };
        assert!(told.contains("trajectory every 200 ps is longer than the stage: one frame; up to 80 ps"), "{told}");
        let [told] = &notes_of(file, &[("analysis.1.rdf.every", "0.3 ps")])[..] else { panic!("one note") };
        assert!(told.contains("rdf every 0.3 ps does not divide it; up to 0.2 ps"), "{told}");
    }

    #[test]
    fn intervals_of_the_inputs_fit() {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs")).expect("inputs") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            if name.ends_with(".toml") {
                assert_eq!(notes_of(&format!("inputs/{name}"), &[]), Vec::<String>::new(), "{name}");
            }
        }
    }
}
