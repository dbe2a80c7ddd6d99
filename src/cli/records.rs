//! Kept results of validation cases: `validation/results/*.json`, one file per system, and the page made from them.

use crate::io::output::{self, OutputError};
use crate::report::{VerdictRow, text};
use crate::system::expected::{Case, CaseSystem};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The latest run of one system of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `case/system`
    pub name: String,
    /// e.g. `2026-11-26`, UTC
    pub date: String,
    /// Short hash, or `unknown` outside a checkout.
    pub commit: String,
    /// Backend and device
    pub device: String,
    pub minutes: f64,
    pub rows: Vec<Row>,
}

/// One line of the verdict table, as it is printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub label: String,
    pub measured: String,
    pub reference: String,
    pub allowed: String,
    pub unit: String,
    pub verdict: String,
    /// Why the run could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In what it is defined otherwise than its reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    pub citation: String,
}

fn file_of(dir: &Path, name: &str) -> PathBuf {
    dir.join("results").join(format!("{}.json", name.replace('/', "__")))
}

/// Writes the result of a system over its last one.
pub fn keep(dir: &Path, name: &str, device: &str, minutes: f64, rows: &[VerdictRow]) -> Result<(), OutputError> {
    let row = |row: &VerdictRow| Row {
        label: row.reference.label.clone(),
        measured: row.value.map_or("not measured".to_string(), |v| text::number_with_error(v, row.error)),
        reference: text::stated(&row.reference),
        allowed: text::limit(row),
        unit: text::unit(&row.reference.unit).to_string(),
        verdict: row.verdict.word().to_string(),
        reason: row.reason.clone(),
        definition: row.definition.clone(),
        citation: row.reference.citation.clone(),
    };
    let record = Record {
        name: name.to_string(),
        date: today(),
        commit: commit(),
        device: device.to_string(),
        minutes: (10.0 * minutes).round() / 10.0,
        rows: rows.iter().map(row).collect(),
    };
    // A record is plain data: it always has a form as JSON.
    let json = serde_json::to_string_pretty(&record).unwrap_or_default();
    output::write_atomic(&file_of(dir, name), format!("{json}\n").as_bytes())
}

/// Rewrites `RESULTS.md` from what is kept.
pub fn write_page(dir: &Path, cases: &[Case]) -> Result<PathBuf, OutputError> {
    let path = dir.join("RESULTS.md");
    output::write_atomic(&path, page(dir, cases).as_bytes())?;
    Ok(path)
}

/// The page: every system of every case, also those nobody has run.
pub fn page(dir: &Path, cases: &[Case]) -> String {
    let mut out = String::from(
        "# Results of the validation cases\n\nWritten by `hexaqua validate --record validation` from `validation/results/`; do not edit. What may decide, and how, is in [README.md](README.md).\n",
    );
    for case in cases {
        // Writing to a string cannot fail.
        let _ = write!(out, "\n## {}\n\n{}\n", case.name, case.title);
        for system in &case.systems {
            section(&mut out, dir, case, system);
        }
    }
    out
}

fn section(out: &mut String, dir: &Path, case: &Case, system: &CaseSystem) {
    let name = format!("{}/{}", case.name, system.name);
    let set = if system.long { "long set" } else { "quick set" };
    let _ = write!(out, "\n### {name}\n\n");
    let read = std::fs::read_to_string(file_of(dir, &name)).ok();
    let Some(record) = read.and_then(|text| serde_json::from_str::<Record>(&text).ok()) else {
        let _ = writeln!(out, "Not yet run ({set}, `{}`).", system.input);
        return;
    };
    let Record { date, commit, device, minutes, rows, .. } = record;
    let _ = write!(out, "{date}, commit {commit}, {device}, {minutes} min ({set}).\n\n");
    out.push_str("| quantity | measured | reference | allowed | unit | verdict | source |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for r in rows {
        let verdict = match &r.reason {
            Some(reason) => format!("{}: {reason}", r.verdict),
            None => r.verdict.clone(),
        };
        let source = match &r.definition {
            Some(definition) => format!("{}. Here {definition}", r.citation),
            None => r.citation.clone(),
        };
        let cells = [&r.label, &r.measured, &r.reference, &r.allowed, &r.unit, &verdict, &source];
        let _ = writeln!(out, "| {} |", cells.map(|c| c.replace('|', "\\|")).join(" | "));
    }
}

/// Short hash of the checkout's commit.
pub fn commit() -> String {
    git(Path::new("."), &["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_string())
}

/// What git prints in a folder.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The commit that this program was built from: what HEXAQUA_COMMIT says, else that of the checkout around the program. A program
/// older than the commit may be of an earlier one, and says so, as it does of a checkout that has changes.
pub(super) fn program_commit() -> Option<String> {
    if let Ok(told) = std::env::var("HEXAQUA_COMMIT") {
        return Some(told).filter(|told| !told.is_empty());
    }
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let mut commit = git(folder, &["rev-parse", "--short=12", "HEAD"])?;
    let committed: u64 = git(folder, &["log", "-1", "--format=%ct"])?.parse().ok()?;
    let built = std::fs::metadata(&program).and_then(|m| m.modified()).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    if built < committed {
        commit.push_str(" or earlier");
    }
    if git(folder, &["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty()) {
        commit.push_str(" with uncommitted changes");
    }
    Some(commit)
}

/// Today in UTC as year-month-day.
pub(super) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (y, m, d) = civil((seconds / 86_400) as i64);
    format!("{y:04}-{m:02}-{d:02}")
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar (H. Hinnant's days_from_civil, inverted).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (11_016, (2000, 2, 29)), (20_783, (2026, 11, 26))] {
            assert_eq!(civil(days), date);
        }
    }

    #[test]
    fn the_page_in_the_repository_is_made_from_the_kept_results() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation");
        let cases = crate::io::expected::built_in().expect("valid cases");
        let page = page(&dir, &cases);
        let kept = std::fs::read_to_string(dir.join("RESULTS.md")).expect("RESULTS.md");
        assert_eq!(kept, page, "run `hexaqua validate --record validation CASE`, or take over the new text");
        // Each system has either a record or the words for none; once all were run no section says so.
        let systems = || cases.iter().flat_map(|c| c.systems.iter().map(|s| format!("{}/{}", c.name, s.name)));
        let missing = systems().filter(|name| !file_of(&dir, name).exists()).count();
        assert_eq!(page.matches("\nNot yet run (").count(), missing);
        let of_nothing = super::page(&dir.join("no such folder"), &cases);
        assert_eq!(of_nothing.matches("\nNot yet run (").count(), systems().count());
    }
}
