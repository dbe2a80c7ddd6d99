//! Stored trajectories and what other programs found in them: `validation/analysis/*_fixture.json`, with the scripts that made them.

use super::root;
use hexaqua::analysis::{AnalysisResult, AnalysisSet};
use hexaqua::io::trajectory::TrajectoryReader;
use hexaqua::system::analyses::AnalysisSpec;
use hexaqua::system::{Frame, Topology};

/// One part in a thousand; most numbers agree to single precision of the trajectory.
pub const TOLERANCE: f64 = 1e-3;

pub struct Fixture {
    values: serde_json::Value,
    trajectory: &'static str,
    topology: Topology,
}

impl Fixture {
    /// * `text` – of the JSON file
    /// * `trajectory` – file in `validation/analysis`
    pub fn new(text: &str, trajectory: &'static str, topology: Topology) -> Self {
        Fixture { values: serde_json::from_str(text).expect("JSON"), trajectory, topology }
    }

    pub fn get(&self, key: &str) -> &serde_json::Value {
        let value = &self.values[key];
        assert!(!value.is_null(), "the fixture has no {key}");
        value
    }

    pub fn number(&self, key: &str) -> f64 {
        self.get(key).as_f64().expect(key)
    }

    pub fn numbers(&self, key: &str) -> Vec<f64> {
        self.get(key).as_array().expect(key).iter().map(|v| v.as_f64().expect(key)).collect()
    }

    /// `shell_fraction(Zn(H2O)5(Cl))` and the like, from numbers of waters and chlorides.
    pub fn shells(&self) -> Vec<(String, f64)> {
        let part = |n: &str, name: &str| match n {
            "0" => String::new(),
            "1" => format!("({name})"),
            n => format!("({name}){n}"),
        };
        let shell = |(key, share): (&String, &serde_json::Value)| {
            let (o, cl) = key.split_once(',').expect("two counts");
            let id = format!("shell_fraction(Zn{}{})", part(o, "H2O"), part(cl, "Cl"));
            (id, share.as_f64().expect("share"))
        };
        self.get("shells").as_object().expect("table").iter().map(shell).collect()
    }

    /// Results of the whole trajectory.
    pub fn analyse(&self, specs: &[AnalysisSpec]) -> Vec<AnalysisResult> {
        let path = root().join("validation/analysis").join(self.trajectory);
        let reader = TrajectoryReader::open(&[path], self.topology.n_atoms(), None).expect("readable");
        let mut set: Option<AnalysisSet> = None;
        for frame in reader {
            let frame = frame.expect("whole");
            let set = set.get_or_insert_with(|| AnalysisSet::new(specs, &self.topology, &frame.cell).expect("valid"));
            let time = frame.time.expect("XTC has times");
            set.sample(&Frame::new(frame.step, time, &frame.cell, &frame.positions)).expect("good frame");
        }
        let set = set.expect("frames");
        assert_eq!(set.n_frames(), self.get("frames").as_u64().expect("frames"));
        set.finish()
    }

    /// Every number names the routine that made it.
    pub fn check_origins(&self) {
        let by = self.get("by").as_object().expect("table");
        for key in self.values.as_object().expect("table").keys() {
            let is_heading = ["programs", "frames", "by"].contains(&key.as_str());
            assert!(is_heading || by.get(key).is_some_and(|b| b.as_str().is_some_and(|b| !b.is_empty())), "{key}");
        }
    }
}

/// The largest deviation in units of what is allowed: [`TOLERANCE`] of the value, or of a hundredth of the largest one.
fn deviation(what: &str, found: &[f64], expected: &[f64]) -> (f64, String) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    assert!(scale > 0.0, "{what}: nothing to compare with");
    let of = |(k, (f, e)): (usize, (&f64, &f64))| {
        ((f - e).abs() / (TOLERANCE * e.abs().max(0.01 * scale)), format!("{what}[{k}]: {f} against {e}"))
    };
    let all = found.iter().zip(expected).enumerate().map(of);
    // A number that is none compares as the largest.
    all.max_by(|a, b| a.0.total_cmp(&b.0)).expect("not empty")
}

pub fn agree(what: &str, found: &[f64], expected: &[f64]) {
    let (worst, message) = deviation(what, found, expected);
    assert!(worst <= 1.0, "{message}");
}

pub fn agree_one(what: &str, found: f64, expected: f64) {
    agree(what, &[found], &[expected]);
}

/// The negative control: what another setting gives is told from the expected by far more than is allowed.
pub fn differ(what: &str, found: &[f64], expected: &[f64]) {
    let (worst, message) = deviation(what, found, expected);
    assert!(worst > 10.0, "{what}: another setting makes no difference, at most {message}");
}
