//! The system from the side: atoms projected on the xz plane, z to the right, electrodes and other atoms that stay where they are marked.

use super::shell_view::look;
use super::svg::escape;
use super::text::chemical;
use std::fmt::Write;

/// Width of the picture, px, and margins for the axis and the names.
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 26.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 40.0;
/// The picture is at most this high, px: a wide and flat cell is drawn smaller.
const MOST: f64 = 520.0;

/// What is drawn; without atoms the page has no such picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SideView {
    /// Edge of the cell along x, nm
    pub width: f64,
    /// Lowest and highest z that is shown, nm
    pub z: [f64; 2],
    /// Element and (x, z), nm; drawn in this order
    pub atoms: Vec<(String, [f64; 2])>,
    /// Names of surfaces with their lowest and highest z, nm
    pub surfaces: Vec<(String, [f64; 2])>,
    /// What was left out.
    pub caption: String,
}

/// The section of the page.
pub fn render(view: &SideView) -> String {
    if view.atoms.is_empty() {
        return String::new();
    }
    let [low, high] = view.z;
    let scale = ((WIDTH - 2.0 * MARGIN) / (high - low)).min((MOST - TOP - BOTTOM) / view.width);
    let (width, height) = (scale * (high - low) + 2.0 * MARGIN, scale * view.width + TOP + BOTTOM);
    let at = |z: f64| MARGIN + scale * (z - low);
    let base = TOP + scale * view.width;
    let mut out = String::new();
    let _ = write!(
        out,
        "<section>\n<h2>Side view</h2>\n<figure class=\"side\">\n<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-label=\"Atoms seen from the side, z to the right\" font-family=\"Helvetica Neue, Helvetica, Arial, sans-serif\" font-size=\"13\">\n"
    );
    for (name, [from, to]) in &view.surfaces {
        let (left, right) = (at(*from) - 4.0, at(*to) + 4.0);
        let _ = writeln!(
            out,
            "<rect class=\"surface\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#e4e7eb\"/>\
             <text class=\"ink\" x=\"{:.1}\" y=\"15\" text-anchor=\"middle\" fill=\"#1f2328\">{}</text>",
            right - left,
            base - TOP,
            0.5 * (left + right),
            escape(&chemical(name))
        );
    }
    // One path for every stretch of one element: a round cap of no length is a dot.
    let mut rest = view.atoms.as_slice();
    while let Some((element, _)) = rest.first() {
        let n = rest.iter().take_while(|(e, _)| e == element).count();
        let (color, radius) = look(element);
        let mut path = String::new();
        for (_, [x, z]) in &rest[..n] {
            let _ = write!(path, "M{:.1} {:.1}h0", at(*z), base - scale * x);
        }
        let diameter = (2.0 * scale * radius).max(1.5);
        let _ = writeln!(
            out,
            "<path class=\"dots\" d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{diameter:.1}\" stroke-linecap=\"round\"/>"
        );
        rest = &rest[n..];
    }
    let _ = writeln!(
        out,
        "<line class=\"axis\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#30363d\"/>",
        at(low),
        base + 4.0,
        at(high),
        base + 4.0
    );
    let step = if high - low > 12.0 { 2 } else { 1 };
    for z in (low.ceil() as i32..=high.floor() as i32).step_by(step) {
        let x = at(f64::from(z));
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#30363d\"/>\
             <text class=\"ink\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1f2328\">{z}</text>",
            base + 4.0,
            base + 9.0,
            base + 23.0
        );
    }
    let _ = write!(
        out,
        "<text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1f2328\">z (nm)</text>\n</svg>\n\
         <figcaption class=\"note\">Last configuration, {:.2} nm along x upwards; {}. {}</figcaption>\n</figure>\n</section>\n",
        0.5 * width,
        height - 3.0,
        view.width,
        legend(view),
        escape(&view.caption)
    );
    out
}

fn legend(view: &SideView) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for (element, _) in &view.atoms {
        if !seen.contains(&element.as_str()) {
            seen.push(element);
        }
    }
    let swatch = |e: &&str| format!("<span class=\"swatch\" style=\"background:{}\"></span> {}", look(e).0, escape(e));
    seen.iter().map(swatch).collect::<Vec<_>>().join(", ")
}
