//! Numbers and the verdict table as plain text for a terminal.

use super::verdict::{INDEPENDENT, Verdict, VerdictRow, allowed, tally};
use crate::analysis::Quantity;
use crate::system::expected::Reference;

/// Widest line printed.
const WIDTH: usize = 120;

pub use crate::analysis::digits::{number, number_with_error, plain};

/// A reference as its source states it: all its digits, no more.
pub fn stated(reference: &Reference) -> String {
    if let Some(trend) = &reference.trend {
        return if trend.rises { "rises" } else { "falls" }.to_string();
    }
    match reference.uncertainty {
        Some(u) if u > 0.0 => format!("{} ± {u}", reference.value),
        _ => reference.value.to_string(),
    }
}

/// `± 0.0022`: the allowed difference to two digits; a dash where nothing is decided.
pub fn limit(row: &VerdictRow) -> String {
    if !decides(row) {
        return "–".to_string();
    }
    if row.reference.trend.is_some() {
        return "by 2 errors".to_string();
    }
    let limit = allowed(&row.reference, row.error);
    if limit == 0.0 {
        return "exactly".to_string();
    }
    let decimals = (1.0 - limit.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{limit:.decimals$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("± {short}")
}

/// The unit as printed behind a number: nothing for a pure number.
pub fn unit(unit: &str) -> &str {
    match unit {
        "1" => "",
        "deg" => "°",
        "uF/cm2" => "µF/cm²",
        other => other,
    }
}

/// Charges as superscripts, for pages and figures: `Zn2+` becomes `Zn²⁺`, `[Zn(H2O)6]2+` becomes `[Zn(H₂O)₆]²⁺`.
///
/// A charge is an optional digit and a sign behind a letter or bracket, at the end of a word. Of two digits behind letters the first is a count:
/// `SO42-` becomes `SO₄²⁻`. A single digit behind an ion of several elements is a count too: `NO3-` becomes `NO₃⁻`.
pub fn chemical(text: &str) -> String {
    let text = text.replace("H2O)6", "H₂O)₆").replace("H2O", "H₂O");
    let c: Vec<char> = text.chars().collect();
    let of = |all: &str, digit: char| all.chars().nth(digit as usize - '0' as usize).unwrap_or(digit);
    let superscript = |digit: char| of("⁰¹²³⁴⁵⁶⁷⁸⁹", digit);
    let subscript = |digit: char| of("₀₁₂₃₄₅₆₇₈₉", digit);
    let ends_word = |next: Option<&char>| next.is_none_or(|n| !n.is_alphanumeric() && !"+-/_".contains(*n));
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < c.len() {
        let behind = i > 0 && (c[i - 1].is_alphabetic() || c[i - 1] == ')' || c[i - 1] == ']' || c[i - 1] == '₆');
        let digit = c[i].is_ascii_digit().then_some(c[i]);
        let at = i + usize::from(digit.is_some());
        let sign = c.get(at).filter(|s| **s == '+' || **s == '-');
        let counted = digit.is_some() && behind && c[i - 1].is_ascii_alphabetic();
        // `SO42-`: count, charge, sign.
        if let (true, Some(charge @ '1'..='9'), Some(sign @ ('+' | '-'))) =
            (counted, c.get(i + 1).copied(), c.get(i + 2).copied())
            && ends_word(c.get(i + 3))
        {
            out.push(subscript(c[i]));
            out.push(superscript(charge));
            out.push(if sign == '+' { '⁺' } else { '⁻' });
            i += 3;
            continue;
        }
        if let Some(sign) = sign
            && behind
            && ends_word(c.get(at + 1))
        {
            let start = c[..i].iter().rposition(|x| !x.is_ascii_alphabetic()).map_or(0, |k| k + 1);
            let is_ion_of_several = c[start..i].iter().filter(|x| x.is_ascii_uppercase()).count() > 1;
            out.extend(digit.map(|d| if is_ion_of_several { subscript(d) } else { superscript(d) }));
            out.push(if *sign == '+' { '⁺' } else { '⁻' });
            i = at + 1;
        } else {
            out.push(c[i]);
            i += 1;
        }
    }
    out
}

/// The verdict table, at most 120 columns wide, with numbered sources and notes below.
pub fn verdict_table(rows: &[VerdictRow]) -> String {
    let sources = sources(rows);
    let mut cells =
        vec![["Quantity", "Measured", "Reference", "Allowed", "Unit", "Verdict", "Source"].map(String::from)];
    for row in rows {
        let reference = &row.reference;
        cells.push([
            reference.label.clone(),
            row.value.map_or("not measured".to_string(), |v| number_with_error(v, row.error)),
            stated(reference),
            limit(row),
            unit(&reference.unit).to_string(),
            row.verdict.word().to_string(),
            format!("[{}]", source_number(&sources, row)),
        ]);
    }
    let mut text = aligned(&cells);
    text.push_str(&format!("{}\n", tally(rows)));
    for (k, source) in sources.iter().enumerate() {
        text.push_str(&wrapped(&format!("[{}] {source}", k + 1), WIDTH, "    "));
    }
    for (told, rows) in reasons(rows) {
        let labels: Vec<&str> = rows.iter().map(|row| row.reference.label.as_str()).collect();
        text.push_str(&wrapped(&format!("{}, {told}", labels.join("; ")), WIDTH, "    "));
    }
    // What agrees needs no comment.
    for row in rows.iter().filter(|r| r.verdict != Verdict::Pass && !r.reference.note.is_empty()) {
        text.push_str(&wrapped(&format!("{}: {}", row.reference.label, row.reference.note), WIDTH, "    "));
    }
    text
}

/// What is said of rows beyond their numbers, each sentence once, in order of appearance: why a run cannot tell, what else is defined otherwise.
fn reasons(rows: &[VerdictRow]) -> Vec<(String, Vec<&VerdictRow>)> {
    let mut told: Vec<(String, Vec<&VerdictRow>)> = Vec::new();
    for row in rows {
        let verdict = row.reason.as_ref().map(|reason| format!("{}: {reason}", row.verdict.word()));
        let definition = row.definition.as_ref().map(|definition| format!("definition: {definition}"));
        for sentence in verdict.into_iter().chain(definition) {
            match told.iter_mut().find(|(known, _)| *known == sentence) {
                Some((_, rows)) => rows.push(row),
                None => told.push((sentence, vec![row])),
            }
        }
    }
    told
}

/// The citations of all rows, each once, in order of appearance.
pub fn sources(rows: &[VerdictRow]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for row in rows {
        if !sources.contains(&row.reference.citation.as_str()) {
            sources.push(&row.reference.citation);
        }
    }
    sources
}

/// Number of a row's citation in [`sources`], from 1.
pub fn source_number(sources: &[&str], row: &VerdictRow) -> usize {
    sources.iter().position(|s| *s == row.reference.citation).map_or(0, |k| k + 1)
}

/// Does the row's reference decide a verdict?
pub fn decides(row: &VerdictRow) -> bool {
    matches!(row.verdict, Verdict::Pass | Verdict::Fail | Verdict::Inconclusive)
}

/// Values that a sentence names at most.
const MOST_NAMED: usize = 8;

/// Which values come from too few independent blocks for their errors to be trusted.
pub fn slow_values<'a>(values: impl Iterator<Item = &'a Quantity>) -> Option<String> {
    let slow: Vec<&str> =
        values.filter(|q| q.blocks.is_some_and(|b| b.independent < INDEPENDENT)).map(|q| q.label.as_str()).collect();
    let rest = match slow.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!slow.is_empty()).then(|| {
        format!(
            "Drifting or slow: blocks worth fewer than {INDEPENDENT:.0} independent ones, so that errors are larger than stated (about one value in a hundred looks so by chance): {}{rest}.",
            slow[..slow.len().min(MOST_NAMED)].join("; ")
        )
    })
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
    use crate::analysis::blocks::BlockCount;

    #[test]
    fn charges_are_raised_and_nothing_else_is() {
        assert_eq!(chemical("1 Zn2+, 2 Cl-, 512 SPC/E"), "1 Zn²⁺, 2 Cl⁻, 512 SPC/E");
        assert_eq!(chemical("Octahedral [Zn(H2O)6]2+"), "Octahedral [Zn(H₂O)₆]²⁺");
        assert_eq!(chemical("Zn2+ – OW"), "Zn²⁺ – OW");
        assert_eq!(chemical("60 Zn2+, 60 SO42-, element O of SO42-"), "60 Zn²⁺, 60 SO₄²⁻, element O of SO₄²⁻");
        assert_eq!(chemical("OTf-, NO3-, SO4 2-"), "OTf⁻, NO₃⁻, SO4 2-");
        for plain in ["li-merz-12-6-4", "TIP4P-Ew", "12-6-4", "C++ 17-", "first-shell", "0.208-0.217 nm"] {
            assert_eq!(chemical(plain), plain);
        }
    }

    #[test]
    fn slow_values_are_named() {
        let of = |label: &str, independent: f64| Quantity {
            id: label.into(),
            label: label.into(),
            value: 1.0,
            error: Some(0.1),
            blocks: Some(BlockCount { n: 12, independent }),
            unit: "1".into(),
        };
        assert_eq!(slow_values([of("peak", 9.0)].iter()), None);
        let told = slow_values([of("peak", 9.0), of("number", 2.5)].iter()).expect("one");
        assert!(told.ends_with("by chance): number."), "{told}");
        let many: Vec<Quantity> = (0..10).map(|k| of(&format!("v{k}"), 1.5)).collect();
        assert!(slow_values(many.iter()).expect("ten").ends_with("v7 and 2 more."));
    }

    #[test]
    fn long_sources_are_wrapped() {
        let text = wrapped(&"word ".repeat(60), WIDTH, "    ");
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH));
        assert_eq!(text.matches("word").count(), 60);
    }
}
