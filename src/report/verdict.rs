//! Measured values beside reference values, and whether they agree.
//!
//! A reference may decide (`PASS`, `FAIL`) only if it was read in its source or calculated for the purpose, and only if it
//! speaks of the same thing. Recalled values and values of another system or method are shown without a verdict.
//!
//! **The rule**, for all cases: a value passes if |value − reference| ≤ allowed. `allowed` is the tolerance stated with the reference if
//! there is one; otherwise 2 √(error² + uncertainty²), the 95 % interval of the difference of two independent
//! estimates. See [`allowed`].
//!
//! A bad enough run would agree with anything. Where our own error is unknown, exceeds the stated tolerance or, without one, twice the uncertainty of the
//! reference, agreement is therefore `inconclusive`: run longer. A difference beyond `allowed` still fails. A reference that states a direction only passes or fails where the change exceeds two standard errors; smaller ones are
//! inconclusive, and a change whose other system was not run is not judged. An exact reference (uncertainty 0) sets no scale of its own and is judged by the error alone.

use crate::analysis::Quantity;
use crate::system::expected::{Reference, Status};

/// Largest accepted |value − reference| for a measured value with the standard error `error`: the rule above.
pub fn allowed(reference: &Reference, error: Option<f64>) -> f64 {
    let from_uncertainties = || 2.0 * error.unwrap_or(0.0).hypot(reference.uncertainty.unwrap_or(0.0));
    reference.tolerance.unwrap_or_else(from_uncertainties)
}

/// Is our own error what makes the difference acceptable? See the module's rule.
fn too_uncertain(reference: &Reference, error: Option<f64>) -> bool {
    let from_uncertainty = reference.uncertainty.filter(|u| *u > 0.0).map(|u| 2.0 * u);
    reference.tolerance.or(from_uncertainty).is_some_and(|most| error.is_none_or(|error| error > most))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    /// Agrees, but the measured value is less certain than the comparison asks for, or its error is unknown.
    Inconclusive,
    /// The reference is from memory.
    Recalled,
    /// The reference is of another system or method.
    NotApplicable,
}

impl Verdict {
    /// Judges a measured value (with its standard error) against a reference. A reference that decides and was not measured is a
    /// failure: a case that lost an analysis must not pass.
    pub fn of(measured: Option<(f64, Option<f64>)>, reference: &Reference) -> Self {
        if !reference.comparable {
            return Verdict::NotApplicable;
        }
        if reference.status == Status::Recalled {
            return Verdict::Recalled;
        }
        if let Some(trend) = &reference.trend {
            return match measured {
                None => Verdict::NotApplicable,
                Some((value, Some(error))) if value.abs() > 2.0 * error => match (value > 0.0) == trend.rises {
                    true => Verdict::Pass,
                    false => Verdict::Fail,
                },
                Some(_) => Verdict::Inconclusive,
            };
        }
        let Some((value, error)) = measured else {
            return Verdict::Fail;
        };
        // Room for the rounding of decimal numbers in files, so that 0.21 ± 0.01 includes 0.2.
        let rounding = 1e-9 * reference.value.abs().max(1e-9);
        // A NaN fails.
        let agrees = (value - reference.value).abs() <= allowed(reference, error) + rounding;
        match agrees {
            false => Verdict::Fail,
            true if too_uncertain(reference, error) => Verdict::Inconclusive,
            true => Verdict::Pass,
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
    pub verdict: Verdict,
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
pub fn judge(
    case: &str,
    system: &str,
    references: &[Reference],
    measured: &[Quantity],
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
            Ok(VerdictRow {
                case: case.to_string(),
                system: system.to_string(),
                reference: reference.clone(),
                value: found.map(|q| q.value),
                error: found.and_then(|q| q.error),
                verdict: Verdict::of(found.map(|q| (q.value, q.error)), reference),
            })
        })
        .collect()
}

/// One object for every row: `case`, `system`, `quantity`, `label`, `value`, `uncertainty`, `reference`, `reference_uncertainty`, `tolerance` (as
/// stated, or null), `allowed` (what decided; null where nothing is decided), `unit`, `status`, `comparable`, `citation`, `note`, `verdict`.
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
                "reference": reference.value,
                "reference_uncertainty": reference.uncertainty,
                "tolerance": reference.tolerance,
                "allowed": (decides && reference.trend.is_none()).then(|| allowed(reference, row.error)),
                "unit": reference.unit,
                "status": reference.status.word(),
                "comparable": reference.comparable,
                "citation": reference.citation,
                "note": reference.note,
                "verdict": row.verdict.word(),
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
