//! What a run leaves for people: tables, figures, verdicts and one self-contained page.
//!
//! Sees results and plain data only. It does not know how anything was computed, and computes nothing but the layout.

mod html;
mod log;
mod shell_view;
mod side_view;
mod svg;
pub mod text;
pub mod verdict;

pub use log::stationary_from;
pub use shell_view::{ShellView, ViewAtom};
pub use side_view::SideView;
pub use verdict::{Doubt, Verdict, VerdictRow};

use crate::analysis::{AnalysisResult, Column, Figure, Table};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Everything a report shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunReport {
    pub title: String,
    /// What was run, in order: composition, models with their sources, device, speed, versions, seed, …
    pub facts: Vec<(String, String)>,
    /// What the reader must know before believing a number.
    pub warnings: Vec<String>,
    /// The log: the first column is the time (ps). Columns named `temperature`, `potential`, `kinetic`, `total` and
    /// `conserved` are drawn.
    pub log: Vec<Column>,
    pub results: Vec<AnalysisResult>,
    pub verdicts: Vec<VerdictRow>,
    /// One coordination shell of the last configuration; without atoms the page has no picture.
    pub shell: ShellView,
    /// The last configuration of an interface from the side.
    pub side: SideView,
    /// Where the last analysed stage begins in the log, ps: stationarity is judged from there.
    pub analysed_from: Option<f64>,
}

impl RunReport {
    /// All figures: those of the analyses, then the time series of the log.
    pub fn figures(&self) -> Vec<Figure> {
        let analyses = self.results.iter().flat_map(|r| r.figures.iter().cloned());
        analyses.chain(log::figures(&self.log, self.analysed_from)).collect()
    }
}

/// A file of the report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes `analysis/*.csv`, `figures/*.svg`, `summary.json` and `report.html` into the folder `dir`, which is made if need be.
///
/// Every file is written under a temporary name and renamed, so a reader never sees half of one. Returns the path of
/// the page.
pub fn write_all(dir: &Path, report: &RunReport) -> Result<PathBuf, WriteError> {
    for table in report.results.iter().flat_map(|r| &r.tables) {
        write_whole(&dir.join("analysis").join(format!("{}.csv", table.name)), &csv(table))?;
    }
    for figure in report.figures() {
        write_whole(&dir.join("figures").join(format!("{}.svg", figure.name)), &svg::render(&figure))?;
    }
    write_whole(&dir.join("summary.json"), &format!("{:#}\n", summary(report)))?;
    let page = dir.join("report.html");
    write_whole(&page, &html::render(report))?;
    Ok(page)
}

/// The page alone, as text.
pub fn page(report: &RunReport) -> String {
    html::render(report)
}

/// One figure as a standalone SVG document.
pub fn figure_svg(figure: &Figure) -> String {
    svg::render(figure)
}

/// A table as CSV: `name [unit]` in every column head, numbers in shortest exact form.
pub fn csv(table: &Table) -> String {
    let quoted = |text: String| {
        if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let heads: Vec<String> = table.columns.iter().map(|c| quoted(format!("{} [{}]", c.name, c.unit))).collect();
    let mut out = heads.join(",") + "\n";
    let n_rows = table.columns.iter().map(|c| c.values.len()).max().unwrap_or(0);
    for row in 0..n_rows {
        let cells: Vec<String> =
            table.columns.iter().map(|c| c.values.get(row).map(f64::to_string).unwrap_or_default()).collect();
        out.push_str(&cells.join(","));
        out.push('\n');
    }
    out
}

/// `{"title", "facts", "warnings", "values": [{"quantity","label","value","uncertainty","independent_blocks","unit"}], "verdicts": […]}`.
pub fn summary(report: &RunReport) -> serde_json::Value {
    let facts: serde_json::Map<String, serde_json::Value> =
        report.facts.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
    let values: Vec<serde_json::Value> = report
        .results
        .iter()
        .flat_map(|r| &r.values)
        .map(|q| {
            serde_json::json!({
                "quantity": q.id, "label": q.label, "value": q.value, "uncertainty": q.error,
                "independent_blocks": q.blocks.map(|b| b.independent), "unit": q.unit,
            })
        })
        .collect();
    let notes: Vec<&String> = report.results.iter().flat_map(|r| &r.notes).collect();
    serde_json::json!({
        "title": report.title,
        "facts": facts,
        "warnings": report.warnings,
        "values": values,
        "verdicts": verdict::to_json(&report.verdicts),
        "notes": notes,
    })
}

fn write_whole(path: &Path, content: &str) -> Result<(), WriteError> {
    let fail = |source| WriteError { path: path.to_path_buf(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path)).map_err(fail)
}
