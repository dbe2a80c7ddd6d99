//! A picture of one coordination shell: drawn in the page as SVG, so that it prints, and turned by a small script of our own.
//!
//! The drawing is an orthographic projection with the nearer atoms on top. `shell_view.js` repeats it for other angles.

use super::svg::escape;
use super::text::chemical;
use std::fmt::Write;

const SCRIPT: &str = include_str!("shell_view.js");
/// Size of the picture, px.
const SIZE: f64 = 420.0;
/// Starting angles about y and x, radians: no axis of an octahedron then hides another.
const ANGLES: [f64; 2] = [0.55, 0.35];

/// One centre and the molecules in its first shell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShellView {
    /// e.g. `First shell of Zn2+ (molecule 1)`
    pub title: String,
    pub atoms: Vec<ViewAtom>,
    /// Pairs of indices: covalent bonds, then contacts of the centre.
    pub bonds: Vec<(usize, usize)>,
    pub contacts: Vec<(usize, usize)>,
}

/// An atom of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewAtom {
    pub element: String,
    /// nm, from the centre
    pub position: [f64; 3],
}

/// Fill colour and radius (nm) in pictures.
pub(super) fn look(element: &str) -> (&'static str, f64) {
    match element {
        "H" => ("#e8edf2", 0.030),
        "O" => ("#d1242f", 0.045),
        "C" => ("#59636e", 0.045),
        "N" => ("#2f6feb", 0.045),
        "F" => ("#57ab5a", 0.042),
        "S" => ("#d4a72c", 0.055),
        "Cl" => ("#2da44e", 0.060),
        "Zn" => ("#7a7fae", 0.065),
        _ => ("#8250df", 0.055),
    }
}

/// The section of the page; empty without atoms.
pub fn render(view: &ShellView) -> String {
    if view.atoms.is_empty() {
        return String::new();
    }
    let reach = view.atoms.iter().map(|a| a.position.iter().map(|x| x * x).sum::<f64>().sqrt()).fold(0.1, f64::max);
    let scale = 0.5 * SIZE / (reach + 0.08);
    let mut out = String::new();
    let _ = write!(
        out,
        "<section>\n<h2>{}</h2>\n<figure class=\"shell\">\n\
         <svg id=\"shell-view\" viewBox=\"0 0 {SIZE} {SIZE}\" width=\"{SIZE}\" height=\"{SIZE}\" role=\"img\" tabindex=\"0\" aria-label=\"{}\">\n{}</svg>\n\
         <figcaption class=\"note\">Last configuration; {}.<span class=\"screen\"> Drag, or use the arrow keys, to turn it.</span></figcaption>\n</figure>\n</section>\n",
        escape(&chemical(&view.title)),
        escape(&view.title),
        drawing(view, scale),
        legend(view),
    );
    let atoms: Vec<serde_json::Value> = view
        .atoms
        .iter()
        .map(|a| {
            let (color, radius) = look(&a.element);
            serde_json::json!({ "r": a.position, "c": color, "s": radius, "e": a.element })
        })
        .collect();
    let data = serde_json::json!({ "atoms": atoms, "bonds": view.bonds, "contacts": view.contacts, "scale": scale, "size": SIZE, "angles": ANGLES });
    // "</" could end the script early.
    let data = data.to_string().replace("</", "<\\/");
    let _ = write!(out, "<script>\nconst shellView = {data};\n{SCRIPT}</script>\n");
    out
}

/// "red O, grey H": which colour is which element, in the order of the atoms.
fn legend(view: &ShellView) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for atom in &view.atoms {
        if !seen.contains(&atom.element.as_str()) {
            seen.push(&atom.element);
        }
    }
    let swatch = |e: &&str| format!("<span class=\"swatch\" style=\"background:{}\"></span> {}", look(e).0, escape(e));
    seen.iter().map(swatch).collect::<Vec<_>>().join(", ")
}

/// Rotated about y, then x.
fn turned([x, y, z]: [f64; 3]) -> [f64; 3] {
    let ([sin_y, sin_x], [cos_y, cos_x]) = (ANGLES.map(f64::sin), ANGLES.map(f64::cos));
    let (x, z) = (x * cos_y + z * sin_y, z * cos_y - x * sin_y);
    [x, y * cos_x - z * sin_x, y * sin_x + z * cos_x]
}

/// Lines and circles, the farthest first.
fn drawing(view: &ShellView, scale: f64) -> String {
    let points: Vec<[f64; 3]> = view.atoms.iter().map(|a| turned(a.position)).collect();
    let at = |p: [f64; 3]| (0.5 * SIZE + scale * p[0], 0.5 * SIZE - scale * p[1]);
    let mut parts: Vec<(f64, String)> = Vec::new();
    for (pairs, class) in [(&view.bonds, "bond"), (&view.contacts, "contact")] {
        for &(i, j) in pairs {
            let ((x1, y1), (x2, y2)) = (at(points[i]), at(points[j]));
            let line =
                format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n");
            parts.push((points[i][2].min(points[j][2]) - 1e-3, line));
        }
    }
    for (atom, point) in view.atoms.iter().zip(&points) {
        let ((x, y), (color, radius)) = (at(*point), look(&atom.element));
        let r = scale * radius;
        parts.push((
            point[2],
            format!("<circle class=\"atom\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r:.1}\" fill=\"{color}\"/>\n"),
        ));
    }
    parts.sort_by(|a, b| a.0.total_cmp(&b.0));
    parts.into_iter().map(|p| p.1).collect()
}
