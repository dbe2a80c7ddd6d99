//! Values of density profiles: what is in the middle of each liquid and near its faces, the first layers, and the potential.
//!
//! A mean over a cell with slabs or a vacuum says nothing. Liquids and faces are those of [`super::stretches`]. Values of faces that are alike
//! ([`Bodies::apart`](super::bodies::Bodies::apart)) are means over them; others bear the name of the slab and the side, `…(Zn2+,above lower)`, and where there are several
//! liquids each has what is in its middle, `…(Zn2+,lower to middle)`.

use super::blocks::Jackknife;
use super::density_profile::{DensityProfile, MASS};
use super::digits::number_with_error;
use super::grid::RadialGrid;
use super::peaks::{self, Shell};
use super::potential_profile::{self, Boundary};
use super::results::{AnalysisResult, Quantity};
use super::stretches::{self, Face, Liquid, VACUUM};

/// Height of the layer at a face whose molecules are counted, nm.
const FACE: f64 = 0.6;
/// Faces that differ by more than this many standard errors are not alike, whatever they are made of.
const UNLIKE: f64 = 5.0;

/// A part of the cell that values speak of.
struct Place {
    /// Behind the comma of an id; empty where there is one of its kind.
    name: String,
    /// For labels, with the blank before it.
    words: String,
}

impl Place {
    fn id(&self, kind: &str, name: &str) -> String {
        let comma = if self.name.is_empty() { "" } else { "," };
        format!("{kind}({name}{comma}{})", self.name)
    }

    /// Behind "in the middle".
    fn of_liquid(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" of the liquid{}", self.words) }
    }
}

/// Where a value is read: bins of faces that are alike.
struct Kind {
    place: Place,
    /// `[n_faces][n]`: those within [`FACE`]
    near: Vec<Vec<usize>>,
    /// `[n_faces][n]`: those up to the middle of the liquid, of all faces equally many
    deep: Vec<Vec<usize>>,
}

/// Numbers those that share a name.
fn told_apart(mut names: Vec<String>) -> Vec<String> {
    let all = names.clone();
    for (k, name) in names.iter_mut().enumerate().filter(|(_, n)| all.iter().filter(|m| m == n).count() > 1) {
        let number = 1 + all[..k].iter().filter(|m| *m == name).count();
        *name = format!("{name} {number}");
    }
    names
}

impl DensityProfile {
    fn liquids(&self, sums: &[f64], frames: f64) -> Vec<Liquid> {
        let bodies: Vec<&[f64]> = (0..self.bodies.n_bodies()).map(|b| self.body(sums, b)).collect();
        stretches::liquids(&self.moving(sums), &bodies, self.height(sums, frames) / self.n_bins as f64)
    }

    fn face_name(&self, face: Face) -> String {
        format!("{} {}", if face.is_below { "above" } else { "below" }, self.bodies.name(face.body))
    }

    /// By liquid.
    fn places(&self, liquids: &[Liquid]) -> Vec<Place> {
        if liquids.len() == 1 {
            return vec![Place { name: String::new(), words: String::new() }];
        }
        let told = |l: &Liquid| match (l.below, l.above) {
            (Some(a), Some(b)) => {
                let [a, b] = [a, b].map(|face| self.bodies.name(face.body));
                (format!("{a} to {b}"), format!(" between {a} and {b}"))
            }
            (Some(face), None) | (None, Some(face)) => {
                let name = self.face_name(face);
                (name.clone(), format!(" {name}"))
            }
            (None, None) => ("film".to_string(), " film".to_string()),
        };
        let (names, words): (Vec<String>, Vec<String>) = liquids.iter().map(told).unzip();
        let numbered = told_apart(names.clone());
        let place = |(k, name): (usize, String)| {
            let number = &name[names[k].len()..];
            Place { words: format!("{}{number}", words[k]), name }
        };
        numbered.into_iter().enumerate().map(place).collect()
    }

    /// Faces by kind, with why they are told apart, if they are.
    fn kinds(&self, liquids: &[Liquid], dz: f64) -> (Vec<Kind>, Option<&'static str>) {
        let faces: Vec<(&Liquid, Face)> = liquids.iter().flat_map(|l| l.faces().map(move |f| (l, f))).collect();
        let near = |(l, f): &(&Liquid, Face)| l.from_face(*f, (FACE / dz).round() as usize);
        let deep = |(l, f): &(&Liquid, Face)| l.from_face(*f, l.bins.len() / 2);
        let bodies: Vec<usize> = faces.iter().map(|f| f.1.body).collect();
        let why = self.bodies.apart(&bodies).filter(|_| faces.len() > 1);
        if why.is_none() {
            let place = Place { name: String::new(), words: " a face".to_string() };
            let shortest = faces.iter().map(|f| deep(f).len()).min().unwrap_or(0);
            let deep = faces.iter().map(|f| deep(f)[..shortest].to_vec()).collect();
            let one = Kind { place, near: faces.iter().map(near).collect(), deep };
            return (if faces.is_empty() { Vec::new() } else { vec![one] }, None);
        }
        let names = told_apart(faces.iter().map(|f| self.face_name(f.1)).collect());
        let kind = |(name, face): (String, &(&Liquid, Face))| Kind {
            place: Place { words: format!(" {name}"), name },
            near: vec![near(face)],
            deep: vec![deep(face)],
        };
        (names.into_iter().zip(&faces).map(kind).collect(), why)
    }

    pub(super) fn fill_values(&self, result: &mut AnalysisResult, sums: &[f64], frames: f64) {
        let jackknife = self.blocks.jackknife();
        let liquids = self.liquids(sums, frames);
        let is_even = liquids.iter().all(|l| l.is_endless) && !(liquids.is_empty() && self.bodies.n_bodies() > 0);
        if !is_even && !self.has_surface && self.bodies.n_bodies() == 0 {
            result.notes.push(format!(
                "More than {VACUUM} nm of the cell are empty: densities are those of the middle of the liquid, not means over the cell."
            ));
        }
        if is_even && !self.has_surface {
            self.fill_means(result, &jackknife);
        } else {
            self.fill_liquids(result, &jackknife, &liquids);
        }
        self.fill_potentials(result, &jackknife, &liquids, is_even);
    }

    /// Means over a cell that is the same everywhere.
    fn fill_means(&self, result: &mut AnalysisResult, jackknife: &Jackknife) {
        let mean = |column: &[f64], f: f64| column.iter().sum::<f64>() / (f * self.n_bins as f64);
        for (k, name) in self.names.iter().enumerate().filter(|(k, _)| self.groups[*k].ever_held()) {
            let estimate = jackknife.estimate(|s, f| Some(mean(self.column(s, k), f)));
            let (id, label) = (format!("mean_density({name})"), format!("{name} mean number density"));
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, "nm-3")));
            if self.origin.is_some() && !self.is_frozen[k] {
                self.fill_layer(result, jackknife, k, None);
            }
        }
        let density = jackknife.estimate(|s, f| Some(mean(self.other(s, MASS), f)));
        let label = "mean mass density".to_string();
        result.values.extend(density.map(|e| Quantity::new("mass_density(all)".to_string(), label, e, "g/cm3")));
    }

    fn fill_liquids(&self, result: &mut AnalysisResult, jackknife: &Jackknife, liquids: &[Liquid]) {
        let (sums, frames) = (jackknife.total(), self.blocks.n_frames() as f64);
        let dz = self.height(sums, frames) / self.n_bins as f64;
        let moving = self.moving(sums);
        let middles: Vec<(Place, Vec<usize>)> =
            self.places(liquids).into_iter().zip(liquids.iter().map(|l| l.middle(&moving))).collect();
        let (kinds, why) = self.kinds(liquids, dz);
        let over = |bins: &[usize], column: &[f64], f: f64| {
            bins.iter().map(|&k| column[k]).sum::<f64>() / (f * bins.len() as f64)
        };
        let mut unlike = Vec::new();
        for (k, name) in self.names.iter().enumerate() {
            if self.is_frozen[k] || !self.groups[k].ever_held() {
                continue;
            }
            for (place, bins) in &middles {
                let density = jackknife.estimate(|s, f| Some(over(bins, self.column(s, k), f)));
                let label = format!("{name} number density in the middle{}", place.of_liquid());
                let id = place.id("middle_density", name);
                result.values.extend(density.map(|e| Quantity::new(id, label, e, "nm-3")));
            }
            for kind in &kinds {
                let amount = |s: &[f64], f: f64, faces: &[Vec<usize>]| {
                    let column = self.column(s, k);
                    let of_all: f64 = faces.iter().flatten().map(|&k| column[k]).sum();
                    of_all * dz / (f * faces.len() as f64)
                };
                let at_face = jackknife.estimate(|s, f| Some(amount(s, f, &kind.near)));
                let of = if kind.place.name.is_empty() { " of" } else { "" };
                let label = format!("{name} within {FACE} nm{of}{}", kind.place.words);
                let id = kind.place.id("face_areal_density", name);
                result.values.extend(at_face.map(|e| Quantity::new(id, label, e, "nm-2")));
                // a layer of one face is hidden in the mean of all
                for other in 1..kind.near.len() {
                    let [first, second] = [0, other].map(|i| std::slice::from_ref(&kind.near[i]));
                    let apart = jackknife.estimate(|s, f| Some(amount(s, f, second) - amount(s, f, first)));
                    let Some((apart, error)) = apart.and_then(|e| Some((e.value.abs(), e.error?))) else { continue };
                    let [first, second] = [first, second].map(|face| amount(sums, frames, face));
                    if apart > UNLIKE * error && apart > 1e-9 * (first + second) {
                        let apart = number_with_error(apart, Some(error));
                        unlike.push(format!("{name} {first:.3} nm⁻² at one and {second:.3} at another, {apart} apart"));
                        break;
                    }
                }
            }
            if self.origin.is_some() {
                self.fill_layer(result, jackknife, k, None);
            } else {
                kinds.iter().for_each(|kind| self.fill_layer(result, jackknife, k, Some(kind)));
            }
        }
        for (place, bins) in &middles {
            let mass = |s: &[f64], f: f64| {
                let stays: f64 = (0..self.bodies.n_bodies()).map(|b| over(bins, self.body(s, b), f)).sum();
                Some(over(bins, self.other(s, MASS), f) - stays)
            };
            let words = if place.name.is_empty() { " of the liquid".to_string() } else { place.of_liquid() };
            let (id, label) = (place.id("middle_mass_density", "all"), format!("mass density in the middle{words}"));
            result.values.extend(jackknife.estimate(mass).map(|e| Quantity::new(id, label, e, "g/cm3")));
        }
        if !unlike.is_empty() {
            result.notes.push(format!(
                "Faces that should be alike differ within {FACE} nm: {}. The run is too short for them to become alike, or they are not; values of a face are \
                 means.",
                unlike.join("; ")
            ));
        }
        if let Some(why) = why {
            let names: Vec<&str> = kinds.iter().map(|k| k.place.name.as_str()).collect();
            result.notes.push(format!("Faces are told apart, because {why}: {}.", names.join(", ")));
        }
    }

    /// The first layer of a group.
    ///
    /// * `kind` – from faces of this kind, or from the origin
    fn fill_layer(&self, result: &mut AnalysisResult, jackknife: &Jackknife, k: usize, kind: Option<&Kind>) {
        let (sums, frames) = (jackknife.total(), self.blocks.n_frames() as f64);
        let dz = self.height(sums, frames) / self.n_bins as f64;
        let folded = |sums: &[f64]| -> Vec<f64> {
            let column = self.column(sums, k);
            let Some(Kind { deep, .. }) = kind else { return column.to_vec() };
            // the mean of all faces, by the distance from them
            (0..deep[0].len()).map(|d| deep.iter().map(|f| column[f[d]]).sum::<f64>() / deep.len() as f64).collect()
        };
        let shell = |sums: &[f64], frames: f64| -> Option<Shell> {
            let column = folded(sums);
            let grid = RadialGrid::from_zero(dz * column.len() as f64, dz);
            let mean = column.iter().sum::<f64>() / column.len().max(1) as f64;
            let relative: Vec<f64> = column.iter().map(|s| s / mean).collect();
            // Counts: densities times the height of a bin; their scale only decides what is noise.
            let counts: Vec<f64> = column.iter().map(|s| s * dz).collect();
            (mean > 0.0 && frames > 0.0 && grid.len() == column.len())
                .then(|| peaks::first_shell(&relative, &counts, &grid))
                .flatten()
        };
        let Some(first) = shell(sums, frames) else { return };
        let name = &self.names[k];
        let from_origin = Place { name: String::new(), words: String::new() };
        let place = kind.map_or(&from_origin, |k| &k.place);
        let at = if kind.is_some() && place.name.is_empty() { " at" } else { "" };
        let of = format!("{at}{}", place.words);
        // a face is in the middle of its bin
        let offset = if kind.is_some() { 0.5 * dz } else { 0.0 };
        let peak = jackknife.estimate(|s, f| Some(shell(s, f)?.peak + offset));
        let height = jackknife.estimate(|s, f| {
            let column = folded(s);
            let mean = column.iter().sum::<f64>() / (f * column.len() as f64);
            Some(shell(s, f)?.height * mean)
        });
        let edge = RadialGrid::from_zero(dz * folded(sums).len() as f64, dz).nearest_edge(first.minimum);
        let areal = jackknife.estimate(|s, f| Some(folded(s)[..edge].iter().sum::<f64>() * dz / f));
        for (kind, label, unit, estimate) in [
            ("layer_position", format!("{name} first layer{of}"), "nm", peak),
            ("layer_height", format!("{name} first layer{of}, highest density"), "nm-3", height),
            ("layer_areal_density", format!("{name} in the first layer{of}"), "nm-2", areal),
        ] {
            result.values.extend(estimate.map(|e| Quantity::new(place.id(kind, name), label, e, unit)));
        }
    }

    /// A bin that does not belong to the liquids, from which potentials in a periodic cell count: in the vacuum, or inside the slabs; and what it is.
    fn reference(&self, sums: &[f64], frames: f64, liquids: &[Liquid]) -> (usize, &'static str) {
        let n = self.n_bins;
        if self.lower.is_some() {
            return (self.start(sums), "the back of the lower electrode");
        }
        let dz = self.height(sums, frames) / n as f64;
        let middle = |(length, begin): (usize, usize)| (begin + length / 2) % n;
        let empty = potential_profile::widest_empty(self.other(sums, MASS));
        if let Some(vacuum) = empty.filter(|(length, _)| *length as f64 * dz >= VACUUM) {
            return (middle(vacuum), "the vacuum");
        }
        let mut other = vec![1.0; n];
        liquids.iter().flat_map(|l| &l.bins).for_each(|&k| other[k] = 0.0);
        let liquid: Vec<f64> = other.iter().map(|is| 1.0 - is).collect();
        (potential_profile::widest_empty(&liquid).map_or(0, middle), "the inside of the slabs")
    }

    fn fill_potentials(&self, result: &mut AnalysisResult, jackknife: &Jackknife, liquids: &[Liquid], is_even: bool) {
        let (sums, frames) = (jackknife.total(), self.blocks.n_frames() as f64);
        let n = self.n_bins;
        if self.boundary == Boundary::Slab {
            let drop = jackknife.estimate(|s, f| Some(self.potential(s, f)?.1));
            let label = "potential above the slab against below it".to_string();
            result.values.extend(drop.map(|e| Quantity::new("potential_drop(z)".to_string(), label, e, "V")));
        }
        // φ at a bin against that at another one below it, with the field from outside from there on
        let above = |s: &[f64], f: f64, at: usize, below: usize| {
            let (phi, dz) = (self.periodic_potential(s, f)?, self.height(s, f) / n as f64);
            Some(phi[at] - phi[below] - self.field * ((at + n - below) % n) as f64 * dz)
        };
        if is_even && self.boundary == Boundary::Periodic {
            let middle = jackknife.estimate(|s, f| above(s, f, n / 2, 0));
            let label = "potential at mid-height".to_string();
            result
                .values
                .extend(middle.map(|e| Quantity::new("potential_middle(periodic)".to_string(), label, e, "V")));
            return;
        }
        let moving = self.moving(sums);
        let (reference, what) = self.reference(sums, frames, liquids);
        for (liquid, place) in liquids.iter().zip(self.places(liquids)) {
            let middle = liquid.middle(&moving);
            let Some(&at) = middle.get(middle.len() / 2) else { continue };
            let of = place.of_liquid();
            let (id, label, estimate) = match self.boundary {
                Boundary::Slab => {
                    let against = |s: &[f64], f: f64| {
                        let dz = self.height(s, f) / n as f64;
                        Some(self.potential(s, f)?.0[at] + self.field * self.ends(s, dz)[0])
                    };
                    let label = format!("potential in the middle{of} against below the slab");
                    (place.id("potential_middle", "slab"), label, jackknife.estimate(against))
                }
                Boundary::Periodic => {
                    let label = format!("potential in the middle{of} against {what}");
                    let against = jackknife.estimate(|s, f| above(s, f, at, reference));
                    (place.id("potential_middle", "periodic"), label, against)
                }
            };
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, "V")));
        }
    }
}
