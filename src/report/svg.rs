//! Figures as SVG, small and readable on their own.
//!
//! Colours are presentation attributes made for white paper; every coloured element also has a class, so a page that
//! inlines the figure recolours it with CSS, for a dark screen for instance (see `html`). The palette is Okabe and Ito's,
//! which readers with colour-vision deficiencies can tell apart.

use super::text::chemical;
use crate::analysis::{Axis, Figure, Map, Series, SeriesKind};
use std::fmt::Write;

/// Size of a figure, px.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 350.0;
/// Margins around the axes, px.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 20.0;
const RIGHT_WITH_AXIS: f64 = 62.0;
const RIGHT_WITH_BAR: f64 = 92.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 52.0;
/// Height of a row of the legend beyond the first, px.
const LEGEND_ROW: f64 = 18.0;
/// Height of a line of the title beyond the first, px, and letters in a line.
const TITLE_ROW: f64 = 19.0;
const TITLE_LETTERS: usize = 66;
/// Lines with more points than this are thinned to the extremes of each pixel column.
const MAX_POINTS: usize = 1200;
/// Lines with more points than this are drawn finer.
const DENSE: usize = 600;

/// Colours on white, by [`Series::color`].
pub const PALETTE: [&str; 6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9"];
/// The same on a dark screen.
pub const DARK_PALETTE: [&str; 6] = ["#5DB1EE", "#FF8A3D", "#2CC79A", "#E39AC1", "#E6B93D", "#8CCBF0"];

/// A ramp of colours, each legible on white and on a dark screen.
const RAMP: [[u8; 3]; 5] =
    [[0x3f, 0x6f, 0xd8], [0x1e, 0x96, 0xb0], [0x3f, 0x9e, 0x55], [0xc4, 0x80, 0x14], [0xcc, 0x48, 0x50]];

/// How a series is coloured: classes for the page's style sheet, none on a ramp, and the colour itself.
struct Ink {
    stroke: String,
    fill: String,
    color: String,
}

impl Ink {
    fn new(figure: &Figure, series: &Series) -> Ink {
        if figure.ramp {
            let last = figure.series.iter().map(|s| s.color).max().unwrap_or(0).max(1);
            let at = (series.color as f64 / last as f64) * (RAMP.len() - 1) as f64;
            let k = (at as usize).min(RAMP.len() - 2);
            let mix = |c: usize| {
                let (from, to) = (f64::from(RAMP[k][c]), f64::from(RAMP[k + 1][c]));
                (from + (at - k as f64) * (to - from)).round() as u8
            };
            let color = format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2));
            return Ink { stroke: "ramp".to_string(), fill: "ramp".to_string(), color };
        }
        let k = series.color % PALETTE.len();
        Ink { stroke: format!("s{k}"), fill: format!("f{k}"), color: PALETTE[k].to_string() }
    }
}

/// Maps data to pixels along one axis.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn px(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// The figure as one `<svg>` element.
pub fn render(figure: &Figure) -> String {
    let right_margin = match (&figure.map, &figure.right) {
        (Some(_), _) => RIGHT_WITH_BAR,
        (None, Some(_)) => RIGHT_WITH_AXIS,
        (None, None) => RIGHT,
    };
    let places = legend_places(figure, WIDTH - RIGHT - LEFT);
    let rows = places.last().map_or(0, |p| p.1);
    // Long titles, of selections for instance, are broken, and the figure grows.
    let title = lines_of(&chemical(&figure.title), TITLE_LETTERS);
    let below = TITLE_ROW * (title.len() - 1) as f64;
    let height = HEIGHT + below;
    let (x0, x1, y0, y1) = (LEFT, WIDTH - right_margin, height - BOTTOM, TOP + below + LEGEND_ROW * rows as f64);
    let data = |on_right: Option<bool>, axis: usize| {
        let series = figure.series.iter().filter(move |s| on_right.is_none_or(|r| s.on_right == r));
        series.flat_map(move |s| s.points.iter().map(move |p| p[axis])).filter(|v| v.is_finite())
    };
    let scale = |axis: &Axis, values: &mut dyn Iterator<Item = f64>, from: f64, to: f64, to_zero: bool, pad: bool| {
        let (low, high) = axis.range.unwrap_or_else(|| limits(values, to_zero, pad));
        Scale { low, high: if high > low { high } else { low + 1.0 }, from, to }
    };
    let x = scale(&figure.x, &mut data(None, 0), x0, x1, false, false);
    let filled = figure.series.iter().any(|s| matches!(s.kind, SeriesKind::Area | SeriesKind::Bars));
    // Two axes of one height show the same zero.
    let y = scale(&figure.y, &mut data(Some(false), 1), y0, y1, filled || figure.right.is_some(), true);
    let right = figure.right.as_ref().map(|axis| (axis, scale(axis, &mut data(Some(true), 1), y0, y1, true, true)));

    let mut out = String::new();
    let clip = format!("clip-{}", figure.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let _ = writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{}" font-family="Helvetica Neue, Helvetica, Arial, sans-serif" font-size="13">"##,
        escape(&figure.title)
    );
    let _ = writeln!(out, r##"<rect class="bg" width="{WIDTH}" height="{height}" fill="#ffffff"/>"##);
    let (w, h) = (x1 - x0, y0 - y1);
    let _ = writeln!(out, r##"<clipPath id="{clip}"><rect x="{x0}" y="{y1}" width="{w}" height="{h}"/></clipPath>"##);
    for (row, line) in title.iter().enumerate() {
        let at = 22.0 + TITLE_ROW * row as f64;
        text(&mut out, LEFT - 46.0, at, "start", "ink", r#"font-size="15" font-weight="600""#, line);
    }
    legend(&mut out, figure, &places, below);

    // Grid, then data, then axes on top.
    for t in ticks(y.low, y.high, 6) {
        rule(&mut out, "grid", "#e4e7eb", x0, y.px(t), x1, y.px(t), "");
    }
    for mark in figure.marks.iter().filter(|m| (x.low..=x.high).contains(&m.x)) {
        let at = x.px(mark.x);
        rule(&mut out, "mark", "#8a939d", at, y0, at, y1, r#" stroke-dasharray="3 4""#);
        let (anchor, dx) = if at > x1 - 70.0 { ("end", -5.0) } else { ("start", 5.0) };
        text(&mut out, at + dx, y1 + 13.0, anchor, "soft", r#"font-size="11.5""#, &mark.label);
    }
    let _ = writeln!(out, r##"<g clip-path="url(#{clip})">"##);
    if let Some(map) = &figure.map {
        rectangles(&mut out, map, &x, &y);
    }
    let bar_groups = figure.series.iter().filter(|s| s.kind == SeriesKind::Bars).count();
    let mut bar = 0;
    for series in &figure.series {
        let y = match &right {
            Some((_, right)) if series.on_right => right,
            _ => &y,
        };
        if series.kind == SeriesKind::Bars {
            bars(&mut out, series, &Ink::new(figure, series), &x, y, (bar, bar_groups));
            bar += 1;
        } else {
            line(&mut out, series, &Ink::new(figure, series), &x, y);
        }
    }
    out.push_str("</g>\n");

    rule(&mut out, "axis", "#30363d", x0, y0, x1, y0, "");
    rule(&mut out, "axis", "#30363d", x0, y0, x0, y1, "");
    // Bars stand on whole numbers: label each where there is room.
    let few_bars = bar_groups > 0 && x.high - x.low <= 14.0;
    let at = match figure.x.names.len() {
        0 => ticks(x.low, x.high, if few_bars { 14 } else { 8 }),
        n => (0..n).map(|k| k as f64).collect(),
    };
    for (k, t) in at.into_iter().enumerate() {
        rule(&mut out, "axis", "#30363d", x.px(t), y0, x.px(t), y0 + 5.0, "");
        let label = figure.x.names.get(k).cloned().unwrap_or_else(|| tick_label(t, x.high - x.low));
        text(&mut out, x.px(t), y0 + 19.0, "middle", "ink", "", &label);
    }
    for t in ticks(y.low, y.high, 6) {
        rule(&mut out, "axis", "#30363d", x0 - 5.0, y.px(t), x0, y.px(t), "");
        text(&mut out, x0 - 9.0, y.px(t) + 4.5, "end", "ink", "", &tick_label(t, y.high - y.low));
    }
    text(&mut out, 0.5 * (x0 + x1), height - 12.0, "middle", "ink", "", &axis_title(&figure.x));
    let middle = 0.5 * (y0 + y1);
    text(
        &mut out,
        17.0,
        middle,
        "middle",
        "ink",
        &format!(r#"transform="rotate(-90 17 {middle})""#),
        &axis_title(&figure.y),
    );
    if let Some(map) = &figure.map {
        color_bar(&mut out, map, x1 + 14.0, (y0, y1));
    }
    if let Some((axis, scale)) = &right {
        // The axis wears the colour of its curve.
        let first = figure.series.iter().find(|s| s.on_right).or(figure.series.first());
        let plain = || Ink { stroke: "axis".to_string(), fill: "ink".to_string(), color: "#30363d".to_string() };
        let Ink { stroke, fill, color } = first.map_or_else(plain, |s| Ink::new(figure, s));
        rule(&mut out, &stroke, &color, x1, y0, x1, y1, "");
        for t in ticks(scale.low, scale.high, 6) {
            rule(&mut out, &stroke, &color, x1, scale.px(t), x1 + 5.0, scale.px(t), "");
            colored_text(
                &mut out,
                x1 + 9.0,
                scale.px(t) + 4.5,
                "start",
                &fill,
                &color,
                "",
                &tick_label(t, scale.high - scale.low),
            );
        }
        let at = WIDTH - 13.0;
        let turn = format!(r#"transform="rotate(90 {at} {middle})""#);
        colored_text(&mut out, at, middle, "middle", &fill, &color, &turn, &axis_title(axis));
    }
    out.push_str("</svg>\n");
    out
}

/// Where the sample of every series stands in the legend, px from the left edge of the axes and rows from the first.
fn legend_places(figure: &Figure, width: f64) -> Vec<(f64, usize)> {
    if figure.series.len() < 2 {
        return Vec::new();
    }
    let (mut at, mut row) = (0.0, 0);
    let mut places = Vec::with_capacity(figure.series.len());
    for series in &figure.series {
        let length = sample_width(series) + 6.4 * series.label.chars().count() as f64;
        if at > 0.0 && at + length > width {
            (at, row) = (0.0, row + 1);
        }
        places.push((at, row));
        at += length + 20.0;
    }
    places
}

/// Width of the sample of a series with the space behind it, px.
fn sample_width(series: &Series) -> f64 {
    if matches!(series.kind, SeriesKind::Bars | SeriesKind::Area) { 18.0 } else { 28.0 }
}

/// Words in lines of at most `letters`; a longer word has a line of its own.
fn lines_of(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= letters {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

/// Samples and names of the series in rows under the title.
///
/// * `below` – how much lower than under a title of one line, px
fn legend(out: &mut String, figure: &Figure, places: &[(f64, usize)], below: f64) {
    for (series, &(at, row)) in figure.series.iter().zip(places) {
        let Ink { stroke, fill, color } = Ink::new(figure, series);
        let (at, y) = (LEFT + at, 41.0 + below + LEGEND_ROW * row as f64);
        if matches!(series.kind, SeriesKind::Bars | SeriesKind::Area) {
            let _ = writeln!(
                out,
                r##"<rect class="{fill}" x="{at:.1}" y="{:.1}" width="12" height="10" fill="{color}" fill-opacity="0.85"/>"##,
                y - 5.0,
            );
        } else {
            let dash = match series.kind {
                SeriesKind::DashedLine => r#" stroke-width="2" stroke-dasharray="5 3""#,
                SeriesKind::Faint => r#" stroke-width="1" stroke-opacity="0.5""#,
                _ => r#" stroke-width="2""#,
            };
            rule(out, &stroke, &color, at, y, at + 22.0, y, dash);
        }
        let name = chemical(&series.label);
        text(out, at + sample_width(series), y + 4.5, "start", "ink", r#"font-size="12.5""#, &name);
    }
}

/// Steps in which a map grows darker.
const LEVELS: usize = 12;

/// A map as one path for every step, equal neighbours of a row joined.
fn rectangles(out: &mut String, map: &Map, x: &Scale, y: &Scale) {
    let n_y = map.values.len() / map.n_x.max(1);
    let (w, h) = ((x.to - x.from) / map.n_x as f64, (y.from - y.to) / n_y as f64);
    let level = |v: f64| (v / map.high * LEVELS as f64).ceil().clamp(0.0, LEVELS as f64) as usize;
    let mut paths = vec![String::new(); LEVELS + 1];
    for (j, row) in map.values.chunks_exact(map.n_x).enumerate() {
        let levels: Vec<usize> = row.iter().map(|&v| level(v)).collect();
        let mut i = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let (left, top, width) = (x.from + w * i as f64, y.from - h * (j + 1) as f64, w * run.len() as f64);
            let _ = write!(paths[run[0]], "M{left:.1} {top:.1}h{width:.1}v{h:.1}h-{width:.1}z");
            i += run.len();
        }
    }
    for (k, path) in paths.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty()) {
        let opacity = k as f64 / LEVELS as f64;
        let _ = writeln!(out, r##"<path class="f0" d="{path}" fill="{}" fill-opacity="{opacity:.2}"/>"##, PALETTE[0]);
    }
}

/// What the steps of a map stand for: their colours from below, numbers and unit.
///
/// * `left` – of the bar, px
/// * `ends` – the heights at which it begins and ends, px
fn color_bar(out: &mut String, map: &Map, left: f64, (from, to): (f64, f64)) {
    const BAR: f64 = 14.0;
    let scale = Scale { low: 0.0, high: map.high, from, to };
    let step = (from - to) / LEVELS as f64;
    for k in 1..=LEVELS {
        let (top, opacity) = (from - step * k as f64, k as f64 / LEVELS as f64);
        let _ = writeln!(
            out,
            r##"<rect class="f0" x="{left:.1}" y="{top:.1}" width="{BAR}" height="{step:.1}" fill="{}" fill-opacity="{opacity:.2}"/>"##,
            PALETTE[0]
        );
    }
    let (right, height) = (left + BAR, from - to);
    let _ = writeln!(
        out,
        r##"<rect class="axis" x="{left:.1}" y="{to:.1}" width="{BAR}" height="{height:.1}" fill="none" stroke="#30363d"/>"##
    );
    for t in ticks(0.0, map.high, 6) {
        rule(out, "axis", "#30363d", right, scale.px(t), right + 4.0, scale.px(t), "");
        text(out, right + 8.0, scale.px(t) + 4.5, "start", "ink", "", &tick_label(t, map.high));
    }
    let (at, middle) = (WIDTH - 11.0, 0.5 * (from + to));
    let turn = format!(r#"transform="rotate(90 {at} {middle})""#);
    text(out, at, middle, "middle", "ink", &turn, &axis_title(&map.scale));
}

fn line(out: &mut String, series: &Series, ink: &Ink, x: &Scale, y: &Scale) {
    let Ink { stroke, fill, color } = ink;
    let points = thinned(&series.points);
    let mut path = String::new();
    for p in points.iter().filter(|p| p[0].is_finite() && p[1].is_finite()) {
        // Far outside the frame everything is clipped; keep the numbers short.
        let py = y.px(p[1]).clamp(-1e4, 1e4);
        let _ = write!(path, "{}{:.1} {py:.1}", if path.is_empty() { "M" } else { "L" }, x.px(p[0]));
    }
    if path.is_empty() {
        return;
    }
    if series.kind == SeriesKind::Area {
        let (first, last) = (points[0][0], points[points.len() - 1][0]);
        let base = y.px(y.low.max(0.0));
        let _ = writeln!(
            out,
            r##"<path class="{fill}" d="{path}L{:.1} {base:.1}L{:.1} {base:.1}Z" fill="{color}" fill-opacity="0.22"/>"##,
            x.px(last),
            x.px(first),
        );
    }
    let style = match series.kind {
        SeriesKind::DashedLine => r#"stroke-width="1.8" stroke-dasharray="6 5""#,
        SeriesKind::Faint => r#"stroke-width="0.7" stroke-opacity="0.45""#,
        _ if points.len() > DENSE => r#"stroke-width="1.1""#,
        _ => r#"stroke-width="1.8""#,
    };
    let _ = writeln!(
        out,
        r##"<path class="{stroke}" d="{path}" fill="none" stroke="{color}" {style} stroke-linejoin="round"/>"##
    );
}

/// Bars of one unit of x, side by side with those of other series; each tells its value when pointed at.
fn bars(out: &mut String, series: &Series, ink: &Ink, x: &Scale, y: &Scale, (index, of): (usize, usize)) {
    let Ink { fill, color, .. } = ink;
    let slot = 0.76 / of as f64;
    for p in series.points.iter().filter(|p| p[1] > 0.0) {
        let left = x.px(p[0] - 0.38 + slot * index as f64);
        let width = x.px(p[0] - 0.38 + slot * (index + 1) as f64) - left - 1.0;
        let (top, base) = (y.px(p[1]), y.px(0.0));
        let height = (base - top).max(1.0);
        let _ = writeln!(
            out,
            r##"<rect class="{fill}" x="{left:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}" fill="{color}" fill-opacity="0.85"><title>{} at {}: {:.4}</title></rect>"##,
            base - height,
            escape(&series.label),
            p[0],
            p[1]
        );
        if of == 1 && p[1] > 0.005 {
            let label = format!("{:.1} %", 100.0 * p[1]);
            text(out, left + 0.5 * width, top.max(TOP + 16.0) - 5.0, "middle", "ink", r#"font-size="11.5""#, &label);
        }
    }
}

/// Keeps the extremes of each stretch of a long series, so that a thinned noisy curve keeps its envelope.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MAX_POINTS / 2);
    let mut kept = Vec::with_capacity(MAX_POINTS + 2);
    for chunk in points.chunks(stretch) {
        let by_y = |a: &(usize, &[f64; 2]), b: &(usize, &[f64; 2])| a.1[1].total_cmp(&b.1[1]);
        let low = chunk.iter().enumerate().min_by(by_y);
        let high = chunk.iter().enumerate().max_by(by_y);
        if let (Some((i, low)), Some((j, high))) = (low, high) {
            kept.extend(if i <= j { [*low, *high] } else { [*high, *low] });
        }
    }
    kept
}

/// Limits that hold all values, from zero if `to_zero`, with a little room if `pad`.
fn limits(values: &mut dyn Iterator<Item = f64>, to_zero: bool, pad: bool) -> (f64, f64) {
    let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    if to_zero {
        low = low.min(0.0);
    }
    if high - low < 1e-9 * high.abs().max(1.0) {
        // A constant: show it in the middle.
        return (low - 0.5, high + 0.5);
    }
    let room = if pad { 0.06 * (high - low) } else { 0.0 };
    if !(to_zero && low == 0.0) {
        low -= room;
    }
    high += room;
    (low, high)
}

/// Round numbers within [low, high], about `n` of them: steps of 1, 2 or 5 times a power of ten (or 30° on a half circle).
fn ticks(low: f64, high: f64, n: usize) -> Vec<f64> {
    let raw = (high - low) / n as f64;
    let power = 10_f64.powf(raw.log10().floor());
    let step = if (low, high) == (0.0, 180.0) {
        30.0
    } else {
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(10.0 * power)
    };
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// A tick with as many decimals as the range needs and a true minus sign.
fn tick_label(value: f64, range: f64) -> String {
    let decimals = (1.3 - range.log10()).ceil().clamp(0.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "-0" { "0".to_string() } else { short.replace('-', "−") }
}

fn axis_title(axis: &Axis) -> String {
    match axis.unit.as_str() {
        "" | "1" => axis.label.clone(),
        unit => format!("{} ({unit})", axis.label),
    }
}

#[expect(clippy::too_many_arguments, reason = "two points, a class, its colour on paper and extras")]
fn rule(out: &mut String, class: &str, color: &str, x0: f64, y0: f64, x1: f64, y1: f64, extra: &str) {
    let _ = writeln!(
        out,
        r##"<line class="{class}" x1="{x0:.1}" y1="{y0:.1}" x2="{x1:.1}" y2="{y1:.1}" stroke="{color}"{extra}/>"##
    );
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, extra: &str, content: &str) {
    let color = if class == "soft" { "#59636e" } else { "#1f2328" };
    colored_text(out, x, y, anchor, class, color, extra, content);
}

#[expect(clippy::too_many_arguments, reason = "a point, an anchor, a class, its colour on paper, extras and the text")]
fn colored_text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, color: &str, extra: &str, content: &str) {
    let _ = writeln!(
        out,
        r##"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{color}" {extra}>{}</text>"##,
        escape(content)
    );
}

/// Text safe inside HTML and SVG elements and attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            ticks(0.0, 0.8, 8),
            [0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5, 0.6000000000000001, 0.7000000000000001, 0.8]
        );
        assert_eq!(ticks(0.0, 180.0, 8), [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0]);
        assert_eq!(ticks(-3.0, 3.0, 6), [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(tick_label(0.30000000000000004, 0.8), "0.3");
        assert_eq!(tick_label(-0.5, 2.0), "−0.5");
        assert_eq!(tick_label(120.0, 180.0), "120");
    }

    #[test]
    fn a_sequence_has_a_colour_of_its_own_for_every_curve_and_a_legend_that_fits() {
        let series = |color: usize| Series {
            label: format!("{:.2} Å⁻¹", 0.2 * color as f64),
            kind: SeriesKind::Line,
            on_right: false,
            color,
            points: vec![[0.0, 1.0], [1.0, 0.5]],
        };
        let mut figure = Figure { series: (0..9).map(series).collect(), ramp: true, ..Figure::default() };
        let colors = |figure: &Figure| {
            let all = figure.series.iter().map(|s| Ink::new(figure, s).color);
            all.collect::<std::collections::BTreeSet<String>>().len()
        };
        assert_eq!(colors(&figure), 9);
        let places = legend_places(&figure, 474.0);
        assert!(places.iter().all(|(at, _)| at + 28.0 + 8.0 * 6.4 <= 474.0), "{places:?}");
        assert!(places.last().is_some_and(|p| p.1 > 0), "nine names need a second row");
        figure.ramp = false;
        assert_eq!(colors(&figure), PALETTE.len(), "the palette repeats: what the ramp is for");
    }

    #[test]
    fn long_titles_are_broken_and_classes_have_their_names() {
        let long =
            "Radial distribution OW and within 0.28 nm of Zn2+ – element O of OTf- and not within 0.4 nm of Zn2+";
        let points = (0..3).map(|k| [f64::from(k), 0.3]).collect();
        let series = Series { label: "a".into(), kind: SeriesKind::Bars, on_right: false, color: 0, points };
        let x = Axis::new("class", "1").with_range(-0.5, 2.5).with_names(&["DDAA", "DDA", "other"]);
        let figure = Figure { title: long.to_string(), x, series: vec![series], ..Figure::default() };
        let page = render(&figure);
        for name in ["DDAA", "DDA", "other"] {
            assert!(page.contains(&format!(">{name}</text>")), "{name}");
        }
        let lines = lines_of(long, TITLE_LETTERS);
        assert!(lines.len() == 2 && lines.iter().all(|l| l.chars().count() <= TITLE_LETTERS), "{lines:?}");
        assert_eq!(lines.join(" "), long);
        assert!(page.contains(&format!("height=\"{}\"", HEIGHT + TITLE_ROW)));
        assert!(!page.contains(">1</text>"), "no numbers where classes have names");
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut points: Vec<[f64; 2]> = (0..100_000).map(|k| [f64::from(k), f64::from(k % 7)]).collect();
        points[31_234][1] = 99.0;
        points[77_777][1] = -99.0;
        let kept = thinned(&points);
        assert!(kept.len() <= MAX_POINTS + 2);
        assert!(kept.iter().any(|p| p[1] == 99.0) && kept.iter().any(|p| p[1] == -99.0));
        assert!(kept.windows(2).all(|w| w[0][0] <= w[1][0]));
    }
}
