//! Surfaces of the library: crystal cells, how a slab is cut, and the types that a slab adds to a box.
//!
//! Knows crystals and parameters. Where a slab stands in a box is the business of `build`.

use super::Provenance;
use super::assemble::Assembled;
use super::error::ForceFieldError;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use crate::suggest::nearest;
use glam::{DMat3, DVec3};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const BUILTIN: &str = include_str!("../../forcefields/surfaces.toml");
/// Of one lateral cell of a slab.
const MOST_ATOMS: f64 = 2e6;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Surfaces {
    /// u, by element
    pub mass: BTreeMap<String, f64>,
    #[serde(rename = "surface")]
    surfaces: Vec<Surface>,
}

/// One entry of `forcefields/surfaces.toml`; see its head for units.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surface {
    pub name: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub title: String,
    /// Takes cell and parameters of this entry.
    pub(super) like: Option<String>,
    /// The only number of layers that makes sense.
    pub layers: Option<usize>,
    #[serde(default)]
    pub(super) vectors: [[f64; 3]; 3],
    #[serde(default)]
    pub(super) frame: [[i32; 3]; 3],
    /// Height of one layer, nm
    #[serde(default)]
    pub layer: f64,
    #[serde(default)]
    pub(super) cut: f64,
    #[serde(default)]
    pub(super) basis: Vec<BasisAtom>,
    #[serde(default)]
    pub sites: Vec<SurfaceSite>,
    #[serde(default)]
    pub(super) explicit: Vec<ExplicitPair>,
    /// What stands between sheets.
    pub gallery: Option<Gallery>,
    pub source: String,
    /// What was chosen by this project.
    pub own: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BasisAtom {
    pub site: String,
    pub f: [f64; 3],
}

/// Water between the sheets of a layered material.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gallery {
    /// From sheet to sheet, nm
    pub spacing: f64,
    /// Molecules per nm²
    pub water: f64,
}

/// A kind of atom of a surface.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurfaceSite {
    pub name: String,
    pub element: String,
    /// e
    pub charge: f64,
    /// nm
    pub sigma: f64,
    /// kJ/mol
    pub epsilon: f64,
    /// u
    #[serde(default)]
    pub mass: f64,
}

/// Lennard-Jones parameters with the oxygen of one water model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplicitPair {
    site: String,
    /// Name or alias of the model.
    water: String,
    sigma: f64,
    epsilon: f64,
    source: String,
}

/// Atoms of a slab cell.
#[derive(Debug, Clone, PartialEq)]
pub struct SlabCell {
    /// Along x and y, nm
    pub lateral: [f64; 2],
    /// (index into [`Surface::sites`], position in nm with the lowest atom at z = 0)
    pub atoms: Vec<(usize, DVec3)>,
    /// From the lowest atom to the highest, nm
    pub thickness: f64,
}

pub(super) fn builtin() -> Result<&'static Surfaces, ForceFieldError> {
    static READ: OnceLock<Result<Surfaces, String>> = OnceLock::new();
    let read = || toml::from_str::<Surfaces>(BUILTIN).map_err(|e| format!("surfaces.toml: {e}"));
    READ.get_or_init(read).as_ref().map_err(|e| ForceFieldError::Broken(e.clone()))
}

/// Names of all surfaces with their titles.
///
/// # Errors
/// When the library itself is broken.
pub fn list() -> Result<Vec<(String, String)>, ForceFieldError> {
    Ok(builtin()?.surfaces.iter().map(|s| (s.name.clone(), s.title.clone())).collect())
}

/// Names and aliases of all surfaces.
pub fn names() -> Result<Vec<&'static str>, ForceFieldError> {
    let of = |s: &'static Surface| std::iter::once(&s.name).chain(&s.aliases);
    Ok(builtin()?.surfaces.iter().flat_map(of).map(String::as_str).collect())
}

/// The surface of this name or alias, complete; or what to write instead.
pub fn find(name: &str) -> Result<Surface, String> {
    let library = builtin().map_err(|e| e.to_string())?;
    let of = |name: &str| {
        let same =
            |s: &&Surface| s.name.eq_ignore_ascii_case(name) || s.aliases.iter().any(|a| a.eq_ignore_ascii_case(name));
        library.surfaces.iter().find(same)
    };
    let Some(found) = of(name) else {
        let names = || library.surfaces.iter().flat_map(|s| std::iter::once(&s.name).chain(&s.aliases));
        let near =
            nearest(name, names().map(String::as_str)).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        let known: Vec<&str> = library.surfaces.iter().map(|s| s.name.as_str()).collect();
        return Err(format!("there is no surface `{name}`\n{near}there are {}", known.join(", ")));
    };
    let mut surface = found.clone();
    if let Some(base) = surface.like.as_deref().and_then(of) {
        let Surface { name, aliases, title, layers, gallery, source, own, like, .. } = surface;
        surface = Surface { name, aliases, title, layers, gallery, source, own, like, ..base.clone() };
    }
    for site in &mut surface.sites {
        site.mass = library.mass.get(&site.element).copied().unwrap_or(1.0);
    }
    surface.neutralise();
    Ok(surface)
}

impl Surface {
    /// Cell, atoms, parameters and sources, as text.
    pub fn text(&self) -> String {
        let also = if self.aliases.is_empty() { String::new() } else { format!(" (also {})", self.aliases.join(", ")) };
        let mut text = format!("{}  {}{also}\n", self.name, self.title);
        let mut line = |label: &str, value: String| text.push_str(&format!("  {label:<10} {value}\n"));
        let atoms = match self.slab_cell(self.layers.unwrap_or(1)) {
            Ok(one) => {
                let ([x, y], n, thickness) = (one.lateral, one.atoms.len(), one.thickness);
                let stack = match self.layers {
                    Some(1) => format!(
                        "one sheet of {n} atoms, {thickness:.3} nm from the lowest to the highest; always alone"
                    ),
                    Some(k) => {
                        format!("{n} atoms, {thickness:.3} nm from the lowest to the highest; always {k} layers")
                    }
                    None => format!("{n} atoms a layer; a layer every {:.3} nm", self.layer),
                };
                line("cell", format!("{x:.4} nm along x, {y:.4} nm along y: {stack}"));
                one.atoms
            }
            Err(what) => {
                line("cell", what);
                Vec::new()
            }
        };
        for (k, site) in self.sites.iter().enumerate() {
            let n = atoms.iter().filter(|a| a.0 == k).count();
            line(
                "atom",
                format!(
                    "{:<4} {:<2} {n:>3} a cell  charge {:+.4} e, sigma {} nm, epsilon {} kJ/mol",
                    site.name,
                    site.element,
                    if site.charge.abs() < 5e-5 { 0.0 } else { site.charge },
                    site.sigma,
                    site.epsilon
                ),
            );
        }
        for pair in &self.explicit {
            let numbers = format!("sigma {} nm, epsilon {} kJ/mol", pair.sigma, pair.epsilon);
            line("pair", format!("{} with O of {}: {numbers}; {}", pair.site, pair.water, pair.source));
        }
        if let Some(gallery) = self.gallery {
            let between = format!("sheets {} nm apart, {} waters per nm2 between them", gallery.spacing, gallery.water);
            line("galleries", between);
        }
        line("source", self.source.clone());
        if let Some(own) = &self.own {
            line("ours", own.clone());
        }
        text
    }

    /// One material of two: the kinds of atoms of `other` come after its own.
    pub fn with(&self, other: &Surface) -> Surface {
        let own: Vec<String> =
            [self, other].iter().filter_map(|s| s.own.as_ref().map(|o| format!("{}: {o}", s.name))).collect();
        let mut both = self.clone();
        both.name = format!("{}+{}", self.name, other.name);
        both.title = format!("{}, coated with {}", self.title, other.title);
        both.sites.extend(other.sites.iter().cloned());
        both.explicit.extend(other.explicit.iter().cloned());
        both.source = format!("{}; {}", self.source, other.source);
        both.own = (!own.is_empty()).then(|| own.join("; "));
        both
    }

    /// Stacks `n` slabs with galleries between them.
    pub fn stacked(&self, sheet: &SlabCell, n: usize, spacing: f64) -> SlabCell {
        let of = |k: usize| sheet.atoms.iter().map(move |&(site, r)| (site, r + DVec3::Z * spacing * k as f64));
        let thickness = sheet.thickness + spacing * n.saturating_sub(1) as f64;
        SlabCell { lateral: sheet.lateral, atoms: (0..n).flat_map(of).collect(), thickness }
    }

    /// What rounding leaves of the charge of a cell is taken from all its atoms alike.
    pub(super) fn neutralise(&mut self) {
        let charge = |s: &Self, name: &str| s.sites.iter().find(|k| k.name == name).map_or(0.0, |k| k.charge);
        let total: f64 = self.basis.iter().map(|atom| charge(self, &atom.site)).sum();
        let share = total / self.basis.len().max(1) as f64;
        self.sites.iter_mut().for_each(|site| site.charge -= share);
    }

    /// The smallest rectangular piece of a slab of some layers.
    ///
    /// # Errors
    /// When it is larger than a system may be, or has not the atoms that its volume must have.
    pub fn slab_cell(&self, layers: usize) -> Result<SlabCell, String> {
        let rows = self.vectors.map(DVec3::from_array);
        let crystal = DMat3::from_cols(rows[0], rows[1], rows[2]);
        let axes = self.frame.map(|m| crystal * DVec3::new(f64::from(m[0]), f64::from(m[1]), f64::from(m[2])));
        let lengths = axes.map(|a| a.length());
        let unit = [0, 1, 2].map(|k| axes[k] / lengths[k]);
        let height = self.layer * layers as f64;
        let edges = DMat3::from_cols(axes[0], axes[1], axes[2]);
        let cells = (edges.determinant() / crystal.determinant()).abs() * height / lengths[2];
        let expected = self.basis.len() as f64 * cells;
        if expected.is_nan() || expected > MOST_ATOMS {
            return Err(format!(
                "the smallest piece of {layers} layer(s) of {} has {expected:.0} atoms, more than {MOST_ATOMS:.0}\n  \
                 ask for fewer layers, or for smaller multiples in `frame`",
                self.name
            ));
        }
        // A frame may be a hair off right angles: multiples of its own vectors meet at the boundary, projections would not.
        let is_skewed = [(0, 1), (0, 2), (1, 2)].iter().any(|&(k, l)| unit[k].dot(unit[l]).abs() > 1e-9);
        let inverse = edges.inverse();
        let place = |r: DVec3| {
            if is_skewed { inverse * r * DVec3::from_array(lengths) } else { DVec3::from_array(unit.map(|u| r.dot(u))) }
        };
        // The lattice points whose basis may fall inside are those of the box that holds the corners of the slab.
        let bottom = DVec3::Z * self.cut;
        let corner = |n: usize| {
            let on = DVec3::new(f64::from(n as u8 & 1), f64::from(n as u8 >> 1 & 1), 0.0) * DVec3::from_array(lengths);
            let r = on + bottom + DVec3::Z * if n < 4 { 0.0 } else { height };
            crystal.inverse() * (edges * (r / DVec3::from_array(lengths)))
        };
        let corners = [0, 1, 2, 3, 4, 5, 6, 7].map(corner);
        let lowest = corners.iter().copied().fold(DVec3::INFINITY, DVec3::min);
        let highest = corners.iter().copied().fold(DVec3::NEG_INFINITY, DVec3::max);
        // a hair keeps an atom on a face from being there twice
        const HAIR: f64 = 1e-4;
        let heights = crystal.inverse().transpose();
        let hair = [heights.x_axis, heights.y_axis, heights.z_axis].map(|g| 2.0 * HAIR * g.length());
        let hair = DVec3::from_array(hair);
        let inside = |x: f64, length: f64| (-HAIR..length - HAIR).contains(&x);
        let mut atoms = Vec::new();
        for atom in &self.basis {
            let site = self.sites.iter().position(|k| k.name == atom.site).unwrap_or(0);
            let f = DVec3::from_array(atom.f);
            let (from, to) = ((lowest - f - hair).ceil().as_ivec3(), (highest - f + hair).floor().as_ivec3());
            for i in from.x..=to.x {
                for j in from.y..=to.y {
                    for k in from.z..=to.z {
                        let s = place(crystal * (f + DVec3::new(f64::from(i), f64::from(j), f64::from(k)))) - bottom;
                        if inside(s.x, lengths[0]) && inside(s.y, lengths[1]) && inside(s.z, height) {
                            atoms.push((site, s));
                        }
                    }
                }
            }
        }
        if (atoms.len() as f64 - expected).abs() > 0.5 {
            return Err(format!(
                "{layers} layer(s) of {} have {} atoms where their volume holds {expected:.1}: its layer is no part of its cell",
                self.name,
                atoms.len()
            ));
        }
        atoms.sort_by(|a, b| a.1.z.total_cmp(&b.1.z).then(a.1.y.total_cmp(&b.1.y)).then(a.1.x.total_cmp(&b.1.x)));
        let lowest = atoms.first().map_or(0.0, |a| a.1.z);
        atoms.iter_mut().for_each(|a| a.1.z -= lowest);
        let thickness = atoms.last().map_or(0.0, |a| a.1.z);
        Ok(SlabCell { lateral: [lengths[0], lengths[1]], atoms, thickness })
    }

    /// σ of the kind of atom that stands highest in a slab, nm; of several in one plane the largest. Half of it is taken off a gap at each face.
    ///
    /// It is that of the kind itself also where a pair table says how near water comes. Carbon's 0.355 nm leaves SPC/E on graphite 0.985 g/cm³ under
    /// 1 bar (docs/piston.md), where the 0.319 nm of its pair with oxygen, or the 2 · 0.319 − 0.317 nm that this stands for, would leave 0.973 g/cm³.
    pub fn sigma(&self, slab: &SlabCell) -> f64 {
        const PLANE: f64 = 0.01;
        let outermost = slab.atoms.iter().filter(|a| a.1.z > slab.thickness - PLANE);
        outermost.map(|a| self.sites[a.0].sigma).fold(0.0, f64::max)
    }
}

impl Assembled {
    /// Adds the types of a surface; they mix with all others by `mixing` and not with each other, for slabs stay as they are.
    ///
    /// * `water` – names of the water model of the box
    /// * returns the first new type
    pub fn add_surface(&mut self, surface: &Surface, water: &[&str], oxygen: Option<u32>, mixing: Mixing) -> u32 {
        let first = self.types.len();
        let n = first + surface.sites.len();
        let mut table = PairTable::mixed(&vec![(0.0, 0.0); n], |_, _| mixing);
        for a in 0..first {
            for b in a..first {
                table.set(a, b, self.pair_table.get(a, b), self.pair_table.origin(a, b));
            }
        }
        for (k, site) in surface.sites.iter().enumerate() {
            for b in 0..first {
                let Some(other) = self.pair_table.get(b, b).sigma_epsilon() else { continue };
                let (sigma, epsilon) = mixing.mix((site.sigma, site.epsilon), other);
                let mixed = PairCoefficients::from_sigma_epsilon(sigma, epsilon);
                table.set(first + k, b, mixed, PairOrigin::Mixed(mixing));
            }
            for pair in surface.explicit.iter().filter(|p| p.site == site.name) {
                if let Some(oxygen) = oxygen.filter(|_| water.iter().any(|w| w.eq_ignore_ascii_case(&pair.water))) {
                    let k_o = PairCoefficients::from_sigma_epsilon(pair.sigma, pair.epsilon);
                    table.set(first + k, oxygen as usize, k_o, PairOrigin::Explicit);
                    // A source, told once for all kinds of atoms that have it.
                    let source = Provenance {
                        species: format!("{} with the oxygen of water", surface.name),
                        model: "own pair".to_string(),
                        title: "Lennard-Jones instead of the mixed one".to_string(),
                        source: pair.source.clone(),
                        flags: Vec::new(),
                    };
                    if !self.provenance.contains(&source) {
                        self.provenance.push(source);
                    }
                }
            }
            for other in first..n {
                table.set(first + k, other, PairCoefficients::default(), PairOrigin::Explicit);
            }
            self.types.push(format!("{}:{}", surface.name, site.name));
            self.type_models.push(surface.name.clone());
        }
        self.pair_table = table;
        let flags = surface.own.iter().map(|_| "own choice".to_string()).collect();
        self.provenance.push(Provenance {
            species: surface.name.clone(),
            model: surface.name.clone(),
            title: surface.title.clone(),
            source: surface.source.clone(),
            flags,
        });
        if let Some(own) = &surface.own {
            self.warnings.push(format!("{}: a choice of this project: {own}", surface.name));
        }
        first as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_surface_is_whole_neutral_and_as_dense_as_its_crystal() {
        for (name, _) in list().expect("the library reads") {
            let surface = find(&name).expect("its own name");
            for layers in [1, 2, 3] {
                let slab = surface.slab_cell(layers).expect("as many atoms as it must have");
                let charge: f64 = slab.atoms.iter().map(|a| surface.sites[a.0].charge).sum();
                assert!(charge.abs() < 1e-9, "{name}, {layers} layers: {charge} e");
                let rows = surface.vectors.map(DVec3::from_array);
                let volume = DMat3::from_cols(rows[0], rows[1], rows[2]).determinant();
                let expected = surface.basis.len() as f64 / volume
                    * slab.lateral[0]
                    * slab.lateral[1]
                    * surface.layer
                    * layers as f64;
                assert!((slab.atoms.len() as f64 - expected).abs() < 0.01, "{name}: {} {expected}", slab.atoms.len());
                // nothing closer than a bond, across the lateral boundaries too
                for (i, a) in slab.atoms.iter().enumerate() {
                    for b in &slab.atoms[i + 1..] {
                        let mut d = a.1 - b.1;
                        d.x -= slab.lateral[0] * (d.x / slab.lateral[0]).round();
                        d.y -= slab.lateral[1] * (d.y / slab.lateral[1]).round();
                        assert!(d.length() > 0.13, "{name}: {:?} {:?}", a, b);
                    }
                }
            }
        }
    }

    /// What stands in no paper is marked as ours, and every charge can be read.
    #[test]
    fn every_surface_can_be_read() {
        for (name, title) in list().expect("the library reads") {
            let surface = find(&name).expect("its own name");
            let text = surface.text();
            assert!(text.starts_with(&format!("{name}  {title}")), "{text}");
            for site in &surface.sites {
                let charge = format!("charge {:+.4} e", if site.charge.abs() < 5e-5 { 0.0 } else { site.charge });
                assert!(text.lines().any(|l| l.contains(&site.name) && l.contains(&charge)), "{text}");
            }
            assert_eq!(text.contains("\n  ours "), surface.own.is_some(), "{text}");
            assert!(text.contains(&surface.source));
        }
        assert!(names().expect("reads").contains(&"graphene"));
    }

    #[test]
    fn graphene_has_three_neighbors_at_its_bond_length() {
        let slab = find("Graphene").expect("an alias").slab_cell(1).expect("whole");
        assert_eq!(slab.atoms.len(), 4);
        assert!(slab.thickness < 1e-9);
        let bonds = slab.atoms[1..].iter().filter(|b| {
            let mut d = b.1 - slab.atoms[0].1;
            d.x -= slab.lateral[0] * (d.x / slab.lateral[0]).round();
            d.y -= slab.lateral[1] * (d.y / slab.lateral[1]).round();
            (d.length() - 0.1418).abs() < 1e-3
        });
        assert!(bonds.count() >= 1);
        assert!(find("graphit").expect_err("unknown").contains("did you mean `graphite`?"));
    }

    #[test]
    fn oxide_faces_carry_oxygen() {
        for name in ["tio2-rutile", "tio2-anatase", "mno2", "birnessite", "v2o5", "voh", "ti3c2o2"] {
            let surface = find(name).expect("known");
            let slab = surface.slab_cell(surface.layers.unwrap_or(2)).expect("whole");
            for face in [slab.atoms[0], slab.atoms[slab.atoms.len() - 1]] {
                assert_eq!(surface.sites[face.0].element, "O", "{name}");
            }
            // what is taken off the gap is its σ, though carbon inside MXene is larger
            let oxygen = surface.sites.iter().find(|s| s.element == "O").expect("an oxide");
            assert_eq!(surface.sigma(&slab), oxygen.sigma, "{name}");
        }
        let mxene = find("ti3c2o2").expect("known");
        assert!(mxene.sites.iter().any(|s| s.sigma > mxene.sigma(&mxene.slab_cell(1).expect("whole"))));
    }
}
