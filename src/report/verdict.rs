//! Measured values beside reference values, and whether they agree.
//!
//! A reference may decide (`PASS`, `FAIL`) only if it was read in its source or calculated for the purpose, and only if it
//! speaks of the same thing. Recalled values and values of another system or method are shown without a verdict.
//!
//! **The rule**, for all cases: a value passes if |value − reference| ≤ allowed, and fails otherwise. `allowed` is the tolerance stated with the
//! reference if there is one; otherwise 2 √(error² + uncertainty²), the 95 % interval of the difference of two independent
//! estimates. See [`allowed`]. A reference that states a direction only passes or fails where the change exceeds two standard errors, and a
//! change whose other system was not run is not judged. A value that was not measured, or is no number, fails.
//!
//! **A run that cannot tell is `inconclusive`**, whichever way it points, and says why:
//!
//! 1. its own error is unknown: there are too few blocks or lines of the log, or the quantity has none;
//! 2. it agrees, and its error exceeds the stated tolerance or, without one, twice the uncertainty of the reference: such a run would agree with
//!    anything. (An exact reference, of uncertainty 0, sets no scale of its own and is judged by the error alone.)
//! 3. it misses a stated tolerance by less than 2 √(error² + uncertainty²);
//! 4. a change is smaller than two of its errors;
//! 5. its blocks are worth fewer than four independent ones, and a value within 3.2 errors, corrected for that, would be judged otherwise. (A block that is like
//!    the one before it adds nothing; 3.2 is Student's t for 95 % and three degrees of freedom.)
//! 6. the run was not stationary, and the blocks of the value are worth less than half their number of independent ones, or are not known: see [`Doubt`].
//!
//! Nothing of this excuses a value that is far off: where it misses by more than ten times what is allowed (or, with an unknown error and an exact reference, by a
//! fifth of it), 1 and 6 leave a failure a failure, and the reason stands beside it.

use crate::analysis::Quantity;
use crate::system::expected::{Reference, Status};

/// Errors within which two estimates agree.
const ERRORS: f64 = 2.0;
/// Fewer independent blocks than this make an error that is not to be trusted.
pub const INDEPENDENT: f64 = 4.0;
/// Times of what is allowed beyond which a value is far off, whatever the run was like.
const FAR: f64 = 10.0;
/// The same as a part of an exact reference, where nothing says what is allowed.
const FAR_PART: f64 = 0.2;
/// Student's t for 95 % and three degrees of freedom.
const STUDENT: f64 = 3.18;

/// Largest accepted |value − reference| for a measured value with the standard error `error`: the rule above.
pub fn allowed(reference: &Reference, error: Option<f64>) -> f64 {
    reference.tolerance.unwrap_or_else(|| ERRORS * combined(reference, error.unwrap_or(0.0)))
}

/// Does a value miss by so much that no doubt about the run excuses it?
fn is_far(value: f64, error: Option<f64>, reference: &Reference) -> bool {
    let allowed = allowed(reference, error);
    let most = if allowed > 0.0 { FAR * allowed } else { FAR_PART * reference.value.abs() };
    reference.trend.is_none() && (value - reference.value).abs() > most
}

/// √(error² + uncertainty²)
fn combined(reference: &Reference, error: f64) -> f64 {
    error.hypot(reference.uncertainty.unwrap_or(0.0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    /// The run cannot tell.
    Inconclusive,
    /// The reference is from memory.
    Recalled,
    /// The reference is of another system or method.
    NotApplicable,
}

/// Something that makes averages of a run doubtful, whatever their errors say: it was not stationary.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// Id of the one quantity that it concerns. `None` for all of the run, but for what is true in every single frame and what has been steady by itself.
    pub of: Option<String>,
    /// In words, to stand behind the name of a quantity.
    pub why: String,
}

/// Quantities that what surrounds them need not be stationary for: the thermostat holds the one, the electrodes the other in every step (references for it are of
/// electrodes at potentials that are held), and the last is a property of molecules.
const HELD: [&str; 3] = ["temperature", "potential_drop(", "dipole_moment("];

impl Doubt {
    fn concerns(&self, quantity: &Quantity) -> bool {
        // A change of a quantity is no better than the quantity.
        let id = quantity.id.as_str();
        let bare = id.strip_prefix("change(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(id);
        // A value whose own blocks are independent of each other has not drifted with the rest: the shell of an ion does not know that the water far away settles.
        let is_steady = quantity.blocks.is_some_and(|b| 2.0 * b.independent >= b.n as f64);
        match &self.of {
            Some(of) => of == id || of == bare,
            None => !is_steady && !HELD.iter().any(|held| bare.starts_with(held)),
        }
    }
}

impl Verdict {
    /// Judges a measured value (with its standard error) against a reference.
    pub fn of(measured: Option<(f64, Option<f64>)>, reference: &Reference) -> Self {
        let (id, unit) = (reference.quantity.clone(), reference.unit.clone());
        let quantity = |(value, error)| Quantity { label: id.clone(), id, value, error, blocks: None, unit };
        Self::with_reason(measured.map(quantity).as_ref(), reference, &[]).0
    }

    /// Judges a measured value against a reference; where the run cannot tell, says why. A reference that decides and was not measured is a
    /// failure: a case that lost an analysis must not pass.
    pub fn with_reason(measured: Option<&Quantity>, reference: &Reference, doubts: &[Doubt]) -> (Self, Option<String>) {
        if !reference.comparable {
            return (Verdict::NotApplicable, None);
        }
        if reference.status == Status::Recalled {
            return (Verdict::Recalled, None);
        }
        let Some(quantity) = measured else {
            return (if reference.trend.is_some() { Verdict::NotApplicable } else { Verdict::Fail }, None);
        };
        if !quantity.value.is_finite() {
            return (Verdict::Fail, Some("it is not a number".to_string()));
        }
        let Some(error) = quantity.error.filter(|e| e.is_finite()) else {
            let why = "its error is unknown: there are fewer than five frames or ten lines of the log, or it has none by its nature";
            let is_far = is_far(quantity.value, None, reference);
            return (if is_far { Verdict::Fail } else { Verdict::Inconclusive }, Some(why.to_string()));
        };
        let (verdict, why) = by_numbers(quantity.value, error, reference);
        let why = why.or_else(|| of_few_blocks(quantity, error, reference, verdict));
        let doubt = doubts.iter().find(|d| d.concerns(quantity)).map(|d| d.why.clone());
        if verdict == Verdict::Fail
            && why.is_none()
            && is_far(quantity.value, Some(error), reference)
            && doubt.is_some()
        {
            return (Verdict::Fail, doubt);
        }
        match (why.or(doubt), verdict) {
            (Some(why), _) => (Verdict::Inconclusive, Some(why)),
            (None, Verdict::Fail) if error == 0.0 && reference.tolerance.is_some_and(|t| t > 0.0) => {
                let why = "it did not change once in this run, which says nothing of slower changes";
                (Verdict::Fail, Some(why.to_string()))
            }
            (None, _) => (verdict, None),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Recalled => "recalled",
            Verdict::NotApplicable => "n/a",
        }
    }
}

/// Where a value points, and why its error forbids to say so.
fn by_numbers(value: f64, error: f64, reference: &Reference) -> (Verdict, Option<String>) {
    let told = |x: f64| super::text::number(x, Some(x));
    if let Some(trend) = &reference.trend {
        let verdict = if (value > 0.0) == trend.rises { Verdict::Pass } else { Verdict::Fail };
        let why = || format!("it is smaller than two of its errors, {}", told(ERRORS * error));
        return (verdict, (value.abs() <= ERRORS * error).then(why));
    }
    // Room for the rounding of decimal numbers in files, so that 0.21 ± 0.01 includes 0.2.
    let rounding = 1e-9 * reference.value.abs().max(1e-9);
    let excess = (value - reference.value).abs() - allowed(reference, Some(error)) - rounding;
    if excess <= 0.0 {
        let why = match (reference.tolerance, reference.uncertainty.filter(|u| *u > 0.0)) {
            (Some(tolerance), _) if error > tolerance => {
                Some(format!("its error, {}, exceeds the tolerance of {tolerance}", told(error)))
            }
            (None, Some(u)) if error > ERRORS * u => {
                Some(format!("its error, {}, exceeds twice the uncertainty of the reference, {u}", told(error)))
            }
            _ => None,
        };
        return (Verdict::Pass, why);
    }
    let room = ERRORS * combined(reference, error);
    let why = || format!("it misses the tolerance by {}, less than two combined errors, {}", told(excess), told(room));
    (Verdict::Fail, (reference.tolerance.is_some() && excess <= room).then(why))
}

/// Why the blocks of a value are too few to say where it points.
fn of_few_blocks(quantity: &Quantity, error: f64, reference: &Reference, verdict: Verdict) -> Option<String> {
    let blocks = quantity.blocks.filter(|b| b.independent < INDEPENDENT)?;
    let corrected = error * (blocks.n as f64 / blocks.independent).sqrt();
    let ends = [-1.0, 1.0].map(|side| quantity.value + side * STUDENT * corrected);
    let stands = ends.iter().all(|&end| by_numbers(end, error, reference).0 == verdict);
    // Both ends may lie beyond a reference between them.
    let is_around =
        verdict == Verdict::Fail && reference.trend.is_none() && (ends[0]..=ends[1]).contains(&reference.value);
    (!stands || is_around).then(|| {
        format!(
            "its {} blocks are worth {:.1} independent ones, less than {INDEPENDENT:.0}: it drifts or changes slowly, and its error is larger than stated",
            blocks.n, blocks.independent
        )
    })
}

/// One line of the verdict table.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRow {
    pub case: String,
    /// Name of the system within the case.
    pub system: String,
    pub reference: Reference,
    /// `None` if the run did not measure it.
    pub value: Option<f64>,
    /// Standard error of `value`.
    pub error: Option<f64>,
    /// Independent blocks that the error comes from, where that is known.
    pub independent_blocks: Option<f64>,
    pub verdict: Verdict,
    /// Why the run cannot tell, or what to know of a failure.
    pub reason: Option<String>,
    /// In what the quantity of the run is defined otherwise than the reference.
    pub definition: Option<String>,
}

/// A reference whose unit is not the one the quantity is measured in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the reference for {quantity} is in {reference_unit}, the measured value in {measured_unit}; give it in {measured_unit}"
)]
pub struct UnitMismatch {
    pub quantity: String,
    pub reference_unit: String,
    pub measured_unit: String,
}

/// Sets every reference beside the measured quantity of the same id.
///
/// * `case`, `system` – names, for the table
/// * `doubts` – of the run that measured them
pub fn judge(
    case: &str,
    system: &str,
    references: &[Reference],
    measured: &[Quantity],
    doubts: &[Doubt],
) -> Result<Vec<VerdictRow>, UnitMismatch> {
    references
        .iter()
        .map(|reference| {
            let found = measured.iter().find(|q| q.id == reference.quantity);
            if let Some(quantity) = found.filter(|q| q.unit != reference.unit) {
                return Err(UnitMismatch {
                    quantity: quantity.id.clone(),
                    reference_unit: reference.unit.clone(),
                    measured_unit: quantity.unit.clone(),
                });
            }
            let (verdict, reason) = Verdict::with_reason(found, reference, doubts);
            Ok(VerdictRow {
                case: case.to_string(),
                system: system.to_string(),
                reference: reference.clone(),
                value: found.map(|q| q.value),
                error: found.and_then(|q| q.error),
                independent_blocks: found.and_then(|q| q.blocks).map(|b| b.independent),
                verdict,
                reason,
                definition: None,
            })
        })
        .collect()
}

/// One object for every row: `case`, `system`, `quantity`, `label`, `value`, `uncertainty`, `independent_blocks`, `reference`, `reference_uncertainty`, `tolerance` (as
/// stated, or null), `allowed` (what decided; null where nothing is decided), `unit`, `status`, `comparable`, `citation`, `note`, `definition`, `verdict`, `reason`.
pub fn to_json(rows: &[VerdictRow]) -> serde_json::Value {
    rows.iter()
        .map(|row| {
            let reference = &row.reference;
            let decides = matches!(row.verdict, Verdict::Pass | Verdict::Fail | Verdict::Inconclusive);
            serde_json::json!({
                "case": row.case,
                "system": row.system,
                "quantity": reference.quantity,
                "label": reference.label,
                "value": row.value,
                "uncertainty": row.error,
                "independent_blocks": row.independent_blocks,
                "reference": reference.value,
                "reference_uncertainty": reference.uncertainty,
                "tolerance": reference.tolerance,
                "allowed": (decides && reference.trend.is_none()).then(|| allowed(reference, row.error)),
                "unit": reference.unit,
                "status": reference.status.word(),
                "comparable": reference.comparable,
                "citation": reference.citation,
                "note": reference.note,
                "definition": row.definition,
                "verdict": row.verdict.word(),
                "reason": row.reason,
            })
        })
        .collect()
}

/// Did any reference decide against the run?
pub fn any_failed(rows: &[VerdictRow]) -> bool {
    rows.iter().any(|r| r.verdict == Verdict::Fail)
}

/// How many rows have each verdict: `7 PASS, 1 FAIL, 3 recalled, 1 n/a`; verdicts that do not occur are left out.
pub fn tally(rows: &[VerdictRow]) -> String {
    let all = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Recalled, Verdict::NotApplicable];
    let counted = all.map(|v| (rows.iter().filter(|r| r.verdict == v).count(), v.word()));
    let parts: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    parts.join(", ")
}
