//! Numbers and the verdict table as plain text for a terminal.

use super::verdict::{Verdict, VerdictRow, allowed, tally};
use crate::analysis::Quantity;

/// Widest line printed.
const WIDTH: usize = 120;

/// A value rounded to what its error supports: two digits of the error, or four significant digits without one.
pub fn number(value: f64, error: Option<f64>) -> String {
    if !value.is_finite() {
        return "not a number".to_string();
    }
    let decimals = match error.filter(|e| *e > 0.0 && e.is_finite()) {
        Some(e) => 1.0 - e.log10().floor(),
        None if value == 0.0 || value.fract() == 0.0 => 0.0,
        None => 3.0 - value.abs().log10().floor(),
    };
    format!("{value:.*}", decimals.clamp(0.0, 9.0) as usize)
}

/// `0.20761 ± 0.00012`, or the value alone.
pub fn number_with_error(value: f64, error: Option<f64>) -> String {
    match error.filter(|e| e.is_finite()) {
        Some(e) if e > 0.0 => format!("{} ± {}", number(value, error), number(e, error)),
        _ => number(value, None),
    }
}

/// The unit as printed behind a number: nothing for a pure number.
pub fn unit(unit: &str) -> &str {
    match unit {
        "1" => "",
        "deg" => "°",
        other => other,
    }
}

/// The verdict table, at most 120 columns wide, with numbered sources and notes below.
pub fn verdict_table(rows: &[VerdictRow]) -> String {
    let mut sources: Vec<String> = Vec::new();
    let mut cells =
        vec![["Quantity", "Measured", "Reference", "Allowed", "Unit", "Verdict", "Source"].map(String::from)];
    for row in rows {
        let source = full_source(row);
        let index = sources.iter().position(|s| *s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        let reference = &row.reference;
        cells.push([
            reference.label.clone(),
            row.value.map_or("not measured".to_string(), |v| number_with_error(v, row.error)),
            number_with_error(reference.value, reference.uncertainty),
            if decides(row) {
                format!("± {}", number(allowed(reference, row.error), None))
            } else {
                "–".to_string()
            },
            unit(&reference.unit).to_string(),
            row.verdict.word().to_string(),
            format!("[{}]", index + 1),
        ]);
    }
    let mut text = aligned(&cells);
    text.push_str(&format!("{}\n", tally(rows)));
    for (k, source) in sources.iter().enumerate() {
        text.push_str(&wrapped(&format!("[{}] {source}", k + 1), WIDTH, "    "));
    }
    text
}

/// Does the row's reference decide a verdict?
pub fn decides(row: &VerdictRow) -> bool {
    matches!(row.verdict, Verdict::Pass | Verdict::Fail)
}

/// Citation and note of a row's reference.
pub fn full_source(row: &VerdictRow) -> String {
    let reference = &row.reference;
    if reference.note.is_empty() {
        reference.citation.clone()
    } else {
        format!("{}. {}", reference.citation, reference.note)
    }
}

/// Measured values as lines `label   value unit`.
pub fn value_table(values: &[Quantity]) -> String {
    let cells: Vec<[String; 3]> = values
        .iter()
        .map(|q| [q.label.clone(), number_with_error(q.value, q.error), unit(&q.unit).to_string()])
        .collect();
    aligned(&cells)
}

/// Columns padded to their widest cell, two blanks apart.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Breaks `text` between words so that no line is longer than `width`; later lines start with `indent`.
fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push_str(&line);
            lines.push('\n');
            line = format!("{indent}{word}");
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_what_their_error_supports() {
        assert_eq!(number_with_error(0.207_612, Some(0.000_123)), "0.20761 ± 0.00012");
        assert_eq!(number_with_error(297.93, Some(0.85)), "297.93 ± 0.85");
        assert_eq!(number_with_error(297.93, Some(12.0)), "298 ± 12");
        assert_eq!(number_with_error(6.0, Some(0.0)), "6");
        assert_eq!(number_with_error(0.2076, None), "0.2076");
        assert_eq!(number_with_error(f64::NAN, None), "not a number");
    }

    #[test]
    fn long_sources_are_wrapped() {
        let text = wrapped(&"word ".repeat(60), WIDTH, "    ");
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH));
        assert_eq!(text.matches("word").count(), 60);
    }
}
