//! A crystal of the user's own: a unit cell from a file, with parameters for its atoms.

use super::surface::{BasisAtom, Surface, SurfaceSite, builtin};
use glam::DVec3;

/// What a surface is made of.
#[derive(Debug, Clone)]
pub struct Crystal<'a> {
    pub name: &'a str,
    /// Where it was read.
    pub source: &'a str,
    /// Rows a, b, c, nm
    pub vectors: [DVec3; 3],
    /// Name as the file has it, fractional coordinates.
    pub atoms: Vec<(&'a str, DVec3)>,
    /// Lattice vectors at right angles in multiples of a, b, c: x, y and the normal.
    pub frame: Option<[[i32; 3]; 3]>,
    /// nm
    pub cut: f64,
    pub sites: Vec<SurfaceSite>,
}

/// "Ti" of "Ti2", "TI1" and "Ti4+".
fn element_of(name: &str) -> String {
    let letters: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let mut chars = letters.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}

/// What is wrong with a crystal.
#[derive(Debug, Clone, PartialEq)]
pub struct CrystalFault {
    /// Of `[surface.crystal]`, as `--set` names it.
    pub key: String,
    /// What is wrong, and below it what to do.
    pub message: String,
}

fn fault(key: impl Into<String>, message: impl Into<String>) -> CrystalFault {
    CrystalFault { key: key.into(), message: message.into() }
}

/// Lattice vectors at right angles as multiples of a, b and c: those given, or what suits the cell.
fn right_angles(crystal: &Crystal) -> Result<[[i32; 3]; 3], CrystalFault> {
    let [a, b, c] = crystal.vectors;
    // a hexagonal cell needs another b to have right angles
    let hexagonal = (a.dot(b) / (a.length() * b.length()) + 0.5).abs() < 1e-3;
    let frame = crystal.frame.unwrap_or([[1, 0, 0], if hexagonal { [1, 2, 0] } else { [0, 1, 0] }, [0, 0, 1]]);
    let axes = frame.map(|m| f64::from(m[0]) * a + f64::from(m[1]) * b + f64::from(m[2]) * c);
    const HELP: &str = "give three lattice vectors at right angles as multiples of a, b and c, the last one normal to the face: \
                        frame = [[1, 0, 0], [1, 2, 0], [0, 0, 1]]";
    if let Some(k) = axes.iter().position(|axis| axis.length() == 0.0) {
        return Err(fault("frame", format!("row {} of `frame` is no vector\n  {HELP}", k + 1)));
    }
    for (k, l) in [(0, 1), (0, 2), (1, 2)] {
        let cosine = axes[k].dot(axes[l]) / (axes[k].length() * axes[l].length());
        if cosine.is_nan() || cosine.abs() >= 2e-3 {
            let angle = cosine.clamp(-1.0, 1.0).acos().to_degrees();
            let what = match crystal.frame {
                Some(_) => format!(
                    "rows {} and {} of `frame` are at {angle:.1} degrees, and must be at right angles",
                    k + 1,
                    l + 1
                ),
                None => format!(
                    "{} and {} of the cell in {} are at {angle:.1} degrees, and a slab needs right angles: `frame` must say how",
                    ["a", "b", "c"][k],
                    ["a", "b", "c"][l],
                    crystal.source
                ),
            };
            return Err(fault("frame", format!("{what}\n  {HELP}")));
        }
    }
    Ok(frame)
}

/// A crystal that the library does not have.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn from_crystal(crystal: &Crystal) -> Result<Surface, CrystalFault> {
    let masses = &builtin().map_err(|e| fault("", e.to_string()))?.mass;
    let frame = right_angles(crystal)?;
    let [a, b, c] = crystal.vectors;
    let [n_a, n_b, n_c] = frame[2].map(f64::from);
    let normal = n_a * a + n_b * b + n_c * c;
    let mut sites = crystal.sites.clone();
    for (k, site) in sites.iter_mut().enumerate() {
        site.element = element_of(&site.name);
        site.mass = *masses.get(&site.element).ok_or_else(|| {
            let known: Vec<&str> = masses.keys().map(String::as_str).collect();
            let message = format!(
                "`{}` is no element whose mass is known\n  write an element, or the name of an atom in the file that begins with one of {}",
                site.name,
                known.join(", ")
            );
            fault(format!("sites.{}.name", k + 1), message)
        })?;
    }
    let site_of = |name: &str| {
        let element = element_of(name);
        let exact = sites.iter().find(|s| s.name == name);
        exact.or_else(|| sites.iter().find(|s| s.name.eq_ignore_ascii_case(&element))).map(|s| s.name.clone())
    };
    let mut basis = Vec::new();
    for (name, f) in &crystal.atoms {
        let site = site_of(name).ok_or_else(|| {
            let message = format!(
                "{} has an atom `{name}`, and `sites` has no parameters for it\n  add {{ name = \"{}\", charge = …, sigma = …, epsilon = … }}: a site \
                 stands for the atoms of its element, or for those that the file calls so",
                crystal.source,
                element_of(name)
            );
            fault("sites", message)
        })?;
        basis.push(BasisAtom { site, f: f.to_array() });
    }
    let charge = |name: &str| sites.iter().find(|s| s.name == name).map_or(0.0, |s| s.charge);
    let total: f64 = basis.iter().map(|atom| charge(&atom.site)).sum();
    if total.abs() > 0.01 * basis.len().max(1) as f64 {
        let count = |s: &SurfaceSite| basis.iter().filter(|atom| atom.site == s.name).count();
        let parts: Vec<String> = sites.iter().map(|s| format!("{} {} of {:+} e", count(s), s.name, s.charge)).collect();
        let message = format!(
            "the charges of a cell sum to {total:+.3} e, and a slab must be neutral\n  {} has {} in its cell: change the charges of `sites`",
            crystal.source,
            parts.join(", ")
        );
        return Err(fault("sites", message));
    }
    let mut surface = Surface {
        name: crystal.name.to_string(),
        aliases: Vec::new(),
        title: format!("{} from {}", crystal.name, crystal.source),
        like: None,
        layers: None,
        vectors: crystal.vectors.map(|v| v.to_array()),
        frame,
        layer: normal.length(),
        cut: crystal.cut,
        basis,
        sites,
        explicit: Vec::new(),
        gallery: None,
        source: format!("cell: {}; parameters: those of the input", crystal.source),
        own: None,
    };
    surface.neutralise();
    Ok(surface)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hexagonal cell of three atoms.
    fn layered(frame: [[i32; 3]; 3]) -> Surface {
        let site = |name: &str| SurfaceSite {
            name: name.into(),
            element: String::new(),
            charge: 0.0,
            sigma: 0.3,
            epsilon: 0.5,
            mass: 0.0,
        };
        let [a, c] = [0.3407, 0.5695];
        from_crystal(&Crystal {
            name: "TiS2",
            source: "a test",
            vectors: [DVec3::X * a, DVec3::new(-0.5, 0.75_f64.sqrt(), 0.0) * a, DVec3::Z * c],
            atoms: vec![
                ("Ti", DVec3::ZERO),
                ("S", DVec3::new(1.0 / 3.0, 2.0 / 3.0, 0.25)),
                ("S", DVec3::new(2.0 / 3.0, 1.0 / 3.0, 0.75)),
            ],
            frame: Some(frame),
            cut: -0.25,
            sites: vec![site("Ti"), site("S")],
        })
        .expect("a crystal")
    }

    /// Atoms of a slab are those of the small cell, repeated, however large and oblique the frame that cuts it.
    #[test]
    fn large_frames_hold_all_their_atoms() {
        let small = layered([[1, 0, 0], [1, 2, 0], [0, 0, 1]]).slab_cell(2).expect("whole");
        assert_eq!(small.atoms.len(), 12);
        for (frame, n) in [
            ([[32, 0, 0], [1, 2, 0], [0, 0, 1]], 32),
            ([[3, 0, 0], [40, 80, 0], [0, 0, 1]], 120),
            ([[-5, 0, 0], [-7, -14, 0], [0, 0, 1]], 35),
            ([[2, 0, 0], [1, 2, 0], [0, 0, 9]], 18),
            // 2a + b is at right angles to b
            ([[2, 1, 0], [0, 50, 0], [0, 0, 1]], 50),
        ] {
            let slab = layered(frame).slab_cell(2).expect("whole");
            assert_eq!(slab.atoms.len(), 12 * n, "{frame:?}");
            for (i, a) in slab.atoms.iter().enumerate().step_by(7) {
                let twin = slab.atoms[..i].iter().any(|b| (a.1 - b.1).length() < 0.05);
                assert!(!twin, "{frame:?}: {a:?} twice");
            }
        }
        let high = layered([[1, 0, 0], [1, 2, 0], [0, 0, 1]]).slab_cell(400).expect("whole");
        assert_eq!(high.atoms.len(), 2400);
        // a frame that is a hair off right angles keeps every atom, and its ends meet
        let mut skewed = layered([[20, 0, 0], [1, 2, 0], [0, 0, 1]]);
        skewed.vectors[1][0] += 1.5e-4;
        let slab = skewed.slab_cell(1).expect("whole");
        assert_eq!(slab.atoms.len(), 120);
    }

    /// A slab that would lack atoms is an error, and so is one that no machine holds.
    #[test]
    fn a_slab_has_the_atoms_of_its_volume_or_is_refused() {
        let frame = [[1, 0, 0], [1, 2, 0], [0, 0, 1]];
        let mut surface = layered(frame);
        assert!(surface.slab_cell(1).is_ok());
        surface.layer *= 0.9;
        let text = surface.slab_cell(1).expect_err("a layer that is no part of the cell");
        assert!(text.contains("where their volume holds"), "{text}");
        let text = layered([[40_000, 0, 0], [30_000, 60_000, 0], [0, 0, 1]]).slab_cell(1).expect_err("too large");
        assert!(text.contains("fewer layers, or for smaller multiples in `frame`"), "{text}");
        assert!(layered(frame).slab_cell(usize::MAX).is_err());
    }
}
