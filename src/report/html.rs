//! The report as one page: no requests, readable on a phone, on paper and in the dark. Its one script turns the picture of the first
//! shell; everything else, that picture included, is there without it.

use super::RunReport;
use super::svg::{self, DARK_PALETTE, PALETTE, escape};
use super::text::{chemical, limit, number_with_error, slow_values, source_number, sources, stated, unit};
use super::verdict::{Verdict, VerdictRow, tally};
use crate::analysis::{AnalysisResult, Column, Figure, Table};
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub fn render(report: &RunReport) -> String {
    let mut out = String::new();
    let title = printed(&report.title);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{}{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<p class=\"kicker\">hexaqua report</p>\n<h1>{title}</h1>\n",
        palette_css()
    );
    if !report.verdicts.is_empty() {
        tally_badges(&mut out, &report.verdicts);
    }
    out.push_str("</header>\n");
    if !report.warnings.is_empty() {
        let items: String = report.warnings.iter().map(|w| format!("<li>{}</li>\n", escape(w))).collect();
        let _ = write!(out, "<section class=\"warnings\">\n<h2>Warnings</h2>\n<ul>\n{items}</ul>\n</section>\n");
    }
    if !report.verdicts.is_empty() {
        verdict_section(&mut out, &report.verdicts);
    }
    out.push_str(&super::side_view::render(&report.side));
    let figures: Vec<Figure> = report.results.iter().flat_map(|r| r.figures.iter().cloned()).collect();
    figure_section(&mut out, "Structure", &figures);
    out.push_str(&super::shell_view::render(&report.shell));
    if report.results.iter().any(|r| !r.values.is_empty() || !r.notes.is_empty()) {
        value_section(&mut out, &report.results);
    }
    figure_section(&mut out, "The run", &super::log::figures(&report.log, report.analysed_from));
    if !report.facts.is_empty() {
        out.push_str("<section>\n<h2>What was run</h2>\n<dl class=\"facts\">\n");
        for (name, value) in &report.facts {
            let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), printed(value));
        }
        out.push_str("</dl>\n</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// A name or remark as the page shows it.
fn printed(text: &str) -> String {
    escape(&chemical(text))
}

/// Custom properties for the figures' colours, light and dark, and the rules that apply them to inlined SVG.
fn palette_css() -> String {
    let variables = |palette: [&str; 6]| -> String {
        palette.iter().enumerate().map(|(k, color)| format!("--c{k}:{color};")).collect()
    };
    let mut css = format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        variables(PALETTE),
        variables(DARK_PALETTE)
    );
    for k in 0..PALETTE.len() {
        let _ = writeln!(css, "svg .s{k}{{stroke:var(--c{k})}}svg .f{k}{{fill:var(--c{k})}}");
    }
    css
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive | Verdict::Recalled => "recalled",
        Verdict::NotApplicable => "na",
    }
}

fn tally_badges(out: &mut String, rows: &[VerdictRow]) {
    let _ = write!(out, "<p class=\"tally\" aria-label=\"{}\">", tally(rows));
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Recalled, Verdict::NotApplicable] {
        let n = rows.iter().filter(|r| r.verdict == verdict).count();
        if n > 0 {
            let _ = write!(out, "<span class=\"badge {}\">{n} {}</span> ", verdict_class(verdict), verdict.word());
        }
    }
    out.push_str("</p>\n");
}

fn verdict_section(out: &mut String, rows: &[VerdictRow]) {
    out.push_str(
        "<section>\n<h2>Against the literature</h2>\n<table class=\"cards\">\n<thead><tr><th>Quantity</th><th>This run</th>\
         <th>Reference</th><th>Allowed</th><th>Verdict</th><th>Source</th></tr></thead>\n<tbody>\n",
    );
    let sources = sources(rows);
    for row in rows {
        let index = source_number(&sources, row);
        let reference = &row.reference;
        let with_unit = |text: String| match unit(&reference.unit) {
            "" => text,
            "°" => format!("{text}°"),
            u => format!("{text} {u}"),
        };
        let measured = row.value.map_or("not measured".to_string(), |v| with_unit(number_with_error(v, row.error)));
        let expected = if reference.trend.is_some() { stated(reference) } else { with_unit(stated(reference)) };
        let allowed = limit(row);
        let allowed = if allowed.starts_with('±') { with_unit(allowed) } else { allowed };
        let class = verdict_class(row.verdict);
        let reason = row.reason.as_ref().map(|why| format!("{}: {why}", row.verdict.word()));
        let own = Some(reference.note.as_str()).filter(|note| !note.is_empty());
        let notes = [reason.as_deref(), row.definition.as_deref(), own];
        let note: String = notes.into_iter().flatten().map(|n| format!("<small>{}</small>", printed(n))).collect();
        let _ = writeln!(
            out,
            "<tr class=\"{class}\"><th scope=\"row\">{}{note}</th><td data-label=\"This run\">{}</td>\
             <td data-label=\"Reference\">{}</td><td data-label=\"Allowed\">{}</td>\
             <td data-label=\"Verdict\"><span class=\"badge {class}\">{}</span></td>\
             <td data-label=\"Source\"><a href=\"#source-{index}\">[{index}]</a></td></tr>",
            printed(&reference.label),
            escape(&measured),
            escape(&expected),
            escape(&allowed),
            row.verdict.word()
        );
    }
    out.push_str("</tbody>\n</table>\n<ol class=\"sources\">\n");
    for (k, source) in sources.iter().enumerate() {
        let _ = writeln!(out, "<li id=\"source-{}\">{}</li>", k + 1, escape(source));
    }
    out.push_str(
        "</ol>\n<p class=\"note\">PASS and FAIL compare only with values that were read in their source or calculated by other means. \
         <em>inconclusive</em>: the run cannot tell, for the reason beside its name. <em>recalled</em>: the reference is quoted from memory. <em>n/a</em>: it belongs to another system or method, or was not \
         measured. Allowed: the tolerance stated with the reference, else twice the combined standard uncertainty.</p>\n</section>\n",
    );
}

fn figure_section(out: &mut String, heading: &str, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    let _ = write!(out, "<section>\n<h2>{}</h2>\n<div class=\"figures\">\n", printed(heading));
    for figure in figures {
        let caption = match figure.note.as_str() {
            "" => String::new(),
            note => format!("<figcaption class=\"note\">{}</figcaption>\n", printed(note)),
        };
        let _ = write!(out, "<figure>\n{}{caption}</figure>\n", svg::render(figure));
    }
    out.push_str("</div>\n</section>\n");
}

/// All rows of a table; a column `± …` goes with the one before it.
fn whole_table(out: &mut String, table: &Table) {
    let is_error = |column: &&Column| column.name.starts_with("± ");
    let with_errors: Vec<(&Column, Option<&Column>)> = (table.columns.iter().enumerate())
        .filter(|(_, column)| !is_error(column))
        .map(|(k, column)| (column, table.columns.get(k + 1).filter(is_error)))
        .collect();
    out.push_str("<div class=\"wide\"><table class=\"whole\">\n<thead><tr>");
    for (column, _) in &with_errors {
        let unit = match unit(&column.unit) {
            "" => String::new(),
            unit => format!(" ({unit})"),
        };
        let _ = write!(out, "<th scope=\"col\">{}{}</th>", printed(&column.name), escape(&unit));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in 0..table.columns.first().map_or(0, |c| c.values.len()) {
        let at = |c: &Column| c.values.get(row).copied();
        let cell = |(value, error): &(&Column, Option<&Column>)| {
            at(value).map_or(String::new(), |v| number_with_error(v, error.and_then(at)))
        };
        let cells: String = with_errors.iter().map(|c| format!("<td>{}</td>", escape(&cell(c)))).collect();
        let _ = writeln!(out, "<tr>{cells}</tr>");
    }
    out.push_str("</tbody></table></div>\n");
}

fn value_section(out: &mut String, results: &[AnalysisResult]) {
    out.push_str("<section>\n<h2>Measured values</h2>\n");
    for result in results {
        let frames = if result.n_frames == 1 { "frame" } else { "frames" };
        let _ = writeln!(
            out,
            "<h3>{} <span class=\"quiet\">{} {frames}</span></h3>",
            printed(&result.title),
            result.n_frames
        );
        if !result.values.is_empty() {
            out.push_str("<table class=\"values\"><tbody>\n");
            for q in &result.values {
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                    printed(&q.label),
                    escape(&number_with_error(q.value, q.error)),
                    escape(unit(&q.unit))
                );
            }
            out.push_str("</tbody></table>\n");
        }
        result.shown.iter().filter_map(|&k| result.tables.get(k)).for_each(|table| whole_table(out, table));
        for note in &result.notes {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", printed(note));
        }
    }
    if let Some(slow) = slow_values(results.iter().flat_map(|r| &r.values)) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", printed(&slow));
    }
    out.push_str("</section>\n");
}
