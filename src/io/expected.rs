//! Validation cases: `validation/*/expected.toml` into [`Case`].
//!
//! ```toml
//! case = "zn-hydration"
//! title = "One Zn2+ in water"
//! [[system]]
//! name = "spce/li-merz-iod"
//! input = "inputs/zn-hydration.toml"
//! water = "SPC/E"                # optional: replaces the input's water model
//! zinc = "li-merz-iod"           # optional: replaces the input's model of Zn2+
//! set = { "system.water.molecules" = "500" }   # optional: further keys of the input
//! long = true                    # optional: only in the long set
//! [[system.reference]]
//! quantity = "first_peak(Zn2+,OW)"
//! label = "Zn–O first peak"
//! value = 0.2076                 # in `unit`, which is the unit the quantity is measured in
//! uncertainty = 0.001            # standard uncertainty; optional
//! unit = "nm"
//! tolerance = 0.002              # optional; else 2 sqrt(error² + uncertainty²) decides
//! r_min = 0.28                   # nm, bin_width = 0.002 (nm, or degrees of angles): optional, as the source states them for itself
//! status = "computed"            # verified | computed | criterion | recalled
//! comparable = true              # optional; false: shown, never decides
//! citation = "…"
//! note = "…"                     # optional
//! [[reference]]                  # of every system of the case; the same keys, and one of
//! except = ["tip3p/li-merz-hfe"] # every system but these
//! only = ["tip3p/li-merz-hfe"]   # these systems only
//! [[system.trend]]               # a direction without a number: how this system differs from another one of the case
//! quantity = "first_peak(Zn2+,OW)"
//! label = "Zn–O first peak"
//! from = "znso4-1m"
//! change = "falls"               # falls | rises
//! unit = "nm"
//! status = "verified"
//! citation = "…"
//! ```

use crate::system::expected::{Case, CaseSystem, Reference, Status, Trend};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The cases that are built into the program.
const BUILT_IN: [(&str, &str); 7] = [
    ("validation/zn-hydration/expected.toml", include_str!("../../validation/zn-hydration/expected.toml")),
    ("validation/zn-peaks/expected.toml", include_str!("../../validation/zn-peaks/expected.toml")),
    ("validation/density/expected.toml", include_str!("../../validation/density/expected.toml")),
    ("validation/lj-fluid/expected.toml", include_str!("../../validation/lj-fluid/expected.toml")),
    ("validation/spce-water/expected.toml", include_str!("../../validation/spce-water/expected.toml")),
    ("validation/zn-electrolytes/expected.toml", include_str!("../../validation/zn-electrolytes/expected.toml")),
    ("validation/interfaces/expected.toml", include_str!("../../validation/interfaces/expected.toml")),
];

/// An expected.toml that cannot be used; `file` and the message say where and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExpectedError {
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    #[error("{file}: the reference \"{label}\" {fault}")]
    Value { file: String, label: String, fault: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: String,
    title: String,
    /// Of several systems.
    #[serde(default, rename = "reference")]
    references: Vec<ReferenceTable>,
    #[serde(rename = "system")]
    systems: Vec<SystemTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemTable {
    name: String,
    input: String,
    water: Option<String>,
    zinc: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    long: bool,
    #[serde(rename = "reference")]
    references: Vec<ReferenceTable>,
    #[serde(default, rename = "trend")]
    trends: Vec<TrendTable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChangeWord {
    Falls,
    Rises,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrendTable {
    quantity: String,
    label: String,
    from: String,
    change: ChangeWord,
    unit: String,
    status: StatusWord,
    citation: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusWord {
    Verified,
    Computed,
    Criterion,
    Recalled,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceTable {
    quantity: String,
    label: String,
    value: f64,
    uncertainty: Option<f64>,
    unit: String,
    tolerance: Option<f64>,
    r_min: Option<f64>,
    bin_width: Option<f64>,
    status: StatusWord,
    #[serde(default = "yes")]
    comparable: bool,
    citation: String,
    #[serde(default)]
    note: String,
    /// Systems it speaks of, or does not; only outside a system.
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Reads one case. `file` names it in messages.
pub fn parse(file: &str, text: &str) -> Result<Case, ExpectedError> {
    let syntax = |e: toml::de::Error| ExpectedError::Syntax { file: file.to_string(), message: e.to_string() };
    let raw: CaseFile = toml::from_str(text).map_err(syntax)?;
    let mut systems = raw.systems.into_iter().map(|s| system(file, s)).collect::<Result<Vec<_>, _>>()?;
    for table in raw.references {
        let (only, except) = (table.only.clone(), table.except.clone());
        let is_known = |name: &String| systems.iter().any(|s| s.name == *name);
        if !only.iter().chain(&except).all(is_known) || !(only.is_empty() || except.is_empty()) {
            let fault = "names a system in `only` or `except` that the case does not hold, or gives both keys";
            return Err(ExpectedError::Value { file: file.to_string(), label: table.label, fault });
        }
        let shared = reference(file, table)?;
        let speaks_of = |name: &String| (only.is_empty() || only.contains(name)) && !except.contains(name);
        systems.iter_mut().filter(|s| speaks_of(&s.name)).for_each(|s| s.references.push(shared.clone()));
    }
    Ok(Case { name: raw.case, title: raw.title, systems })
}

fn system(file: &str, raw: SystemTable) -> Result<CaseSystem, ExpectedError> {
    if let Some(table) = raw.references.iter().find(|r| !(r.only.is_empty() && r.except.is_empty())) {
        let fault = "is of one system: `only` and `except` belong to references of the whole case";
        return Err(ExpectedError::Value { file: file.to_string(), label: table.label.clone(), fault });
    }
    let trends = raw.trends.into_iter().map(trend);
    Ok(CaseSystem {
        name: raw.name,
        input: raw.input,
        water: raw.water,
        zinc: raw.zinc,
        set: raw.set.into_iter().collect(),
        long: raw.long,
        references: raw.references.into_iter().map(|r| reference(file, r)).chain(trends).collect::<Result<_, _>>()?,
    })
}

fn status(word: &StatusWord) -> Status {
    match word {
        StatusWord::Verified => Status::Verified,
        StatusWord::Computed => Status::Computed,
        StatusWord::Criterion => Status::Criterion,
        StatusWord::Recalled => Status::Recalled,
    }
}

fn trend(raw: TrendTable) -> Result<Reference, ExpectedError> {
    Ok(Reference {
        quantity: change_of(&raw.quantity),
        label: format!("{}, change from {}", raw.label, raw.from),
        value: 0.0,
        uncertainty: None,
        unit: raw.unit,
        tolerance: None,
        r_min: None,
        bin_width: None,
        status: status(&raw.status),
        trend: Some(Trend { from: raw.from, rises: matches!(raw.change, ChangeWord::Rises) }),
        comparable: true,
        citation: raw.citation,
        note: raw.note,
    })
}

/// Id of the change of a quantity from one system to another.
pub fn change_of(quantity: &str) -> String {
    format!("change({quantity})")
}

fn reference(file: &str, raw: ReferenceTable) -> Result<Reference, ExpectedError> {
    let positive = |v: Option<f64>| v.is_none_or(|v| v.is_finite() && v >= 0.0);
    let status = status(&raw.status);
    let fault = if !raw.value.is_finite() {
        Some("has a value that is not a number")
    } else if !positive(raw.uncertainty) || !positive(raw.tolerance) {
        Some("has a negative or infinite uncertainty or tolerance")
    } else if [raw.r_min, raw.bin_width].into_iter().flatten().any(|v| !(v > 0.0 && v.is_finite())) {
        Some("has an r_min or bin_width that is no positive number")
    } else if raw.citation.trim().is_empty() {
        Some("has no citation")
    } else if raw.comparable && status != Status::Recalled && raw.uncertainty.is_none() && raw.tolerance.is_none() {
        Some("decides a verdict but has neither an uncertainty nor a tolerance")
    } else {
        None
    };
    if let Some(fault) = fault {
        return Err(ExpectedError::Value { file: file.to_string(), label: raw.label, fault });
    }
    Ok(Reference {
        quantity: raw.quantity,
        label: raw.label,
        value: raw.value,
        uncertainty: raw.uncertainty,
        unit: raw.unit,
        tolerance: raw.tolerance,
        r_min: raw.r_min,
        bin_width: raw.bin_width,
        status,
        trend: None,
        comparable: raw.comparable,
        citation: raw.citation,
        note: raw.note,
    })
}

/// All built-in cases.
pub fn built_in() -> Result<Vec<Case>, ExpectedError> {
    BUILT_IN.iter().map(|(file, text)| parse(file, text)).collect()
}
