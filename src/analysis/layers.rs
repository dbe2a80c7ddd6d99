//! Coordination numbers by layer: along z, or by the distance from the nearest face where slabs stand.
//!
//! A face is where the nearest atom that stays where it is stands along z. Both faces of a gap, and both sides of a slab, fall into one series where they are alike
//! ([`Bodies::apart`]); else every side of every slab has its own, and so has what stands inside a slab, as water in its galleries.

use super::AnalysisError;
use super::blocks::{Blocks, Estimate};
use super::bodies::Bodies;
use super::codec::{Reader, Writer};
use super::results::{self, AnalysisResult, Axis, Column, Figure, Series, SeriesKind, Table};
use super::snapshot::Snapshot;
use super::stretches::VACUUM;
use crate::cell::Cell;
use crate::system::{External, Topology};

/// Colour of all ligands together, unlike that of the first ones.
const SUM: usize = 4;

/// What was counted in layers of about the wanted thickness.
pub struct Layers {
    n: usize,
    /// As asked for, nm: distances are cut into layers of exactly this.
    thickness: f64,
    /// Massive atoms that stay where they are, each with its body; empty = layers of z.
    frozen: Vec<(u32, u32)>,
    bodies: Bodies,
    /// Why faces are told apart, if they are: layers above each body, below it and inside of it then follow each other.
    apart: Option<&'static str>,
    n_groups: usize,
    /// Per frame: L_z (nm), then for every layer of every face the number of centres, then for every group their neighbours within r_min.
    blocks: Blocks,
}

/// Where a centre stands by the body that is nearest along z.
const ABOVE: usize = 0;
const BELOW: usize = 1;
/// Between two layers of one body that are less than [`VACUUM`] apart.
const INSIDE: usize = 2;
const N_SIDES: usize = 3;

impl Layers {
    /// * `thickness` – nm
    /// * `n_groups` – numbers that a centre has
    pub fn new(
        thickness: f64,
        n_groups: usize,
        topology: &Topology,
        external: &External,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let bodies = Bodies::new(topology, external);
        let of = |i: u32| bodies.of(i as usize).map(|body| (i, body as u32));
        let frozen: Vec<(u32, u32)> = (0..topology.n_atoms() as u32).filter_map(of).collect();
        let height = cell.vectors().z_axis.z;
        let n = if frozen.is_empty() { (height / thickness).round() } else { (0.5 * height / thickness).ceil() };
        if !(1.0..=1e4).contains(&n) {
            let remedy = "layers need r_min, and a thickness that fits 1 to 10000 times into the cell";
            return Err(AnalysisError::InvalidSetting { what: "layer", value: thickness, remedy });
        }
        let n = n as usize;
        let apart = bodies.apart(&(0..bodies.n_bodies()).collect::<Vec<_>>());
        let n_faces = if apart.is_some() { N_SIDES * bodies.n_bodies() } else { 1 };
        let blocks = Blocks::new(1 + n_faces * n * (1 + n_groups));
        Ok(Layers { n, thickness, frozen, bodies, apart, n_groups, blocks })
    }

    /// * `shells` – neighbours of every centre by group, `[n_centers][n_groups]`
    pub fn sample(&mut self, frame: &Snapshot, centers: &[u32], shells: &[f64]) {
        let height = frame.cell.vectors().z_axis.z;
        let fraction = |i: u32| frame.cell.wrap(frame.positions[i as usize]).z / height;
        let mut faces: Vec<(f64, u32)> = self.frozen.iter().map(|&(i, body)| (fraction(i), body)).collect();
        faces.sort_by(|a, b| a.0.total_cmp(&b.0));
        // the face that a centre stands at, and its layer there
        let layer = |f: f64| match faces.as_slice() {
            [] => (0, (f * self.n as f64) as usize),
            [first, .., last] | [first @ last] => {
                let next = faces.partition_point(|face| face.0 < f);
                let (up, above) = faces.get(next).map_or((first.0 + 1.0 - f, first.1), |face| (face.0 - f, face.1));
                let (down, below) = match next.checked_sub(1) {
                    None => (f + 1.0 - last.0, last.1),
                    Some(before) => (f - faces[before].0, faces[before].1),
                };
                let is_inside = above == below && (up + down) * height < VACUUM;
                let (body, side) = if up < down { (above, BELOW) } else { (below, ABOVE) };
                let side = if is_inside { INSIDE } else { side };
                let face = self.apart.map_or(0, |_| N_SIDES * body as usize + side);
                (face, (up.min(down) * height / self.thickness) as usize)
            }
        };
        let (n, n_groups) = (self.n, self.n_groups);
        self.blocks.add_frame(|slot| {
            slot[0] += height;
            for (&center, shell) in centers.iter().zip(shells.chunks_exact(n_groups)) {
                let (face, at) = layer(fraction(center));
                let row = &mut slot[1 + (face * n + at.min(n - 1)) * (1 + n_groups)..][..1 + n_groups];
                row[0] += 1.0;
                row[1..].iter_mut().zip(shell).for_each(|(sum, n)| *sum += n);
            }
        });
    }

    /// CN by layer, with errors: of the centres that stand there.
    ///
    /// * `names` – of the groups
    pub fn fill(&self, result: &mut AnalysisResult, center: &str, names: &[&str]) {
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let by_distance = !self.frozen.is_empty();
        let thickness = if by_distance { self.thickness } else { sums[0] / (frames * self.n as f64) };
        match (by_distance, self.apart) {
            (false, _) => self.fill_face(result, center, names, thickness, 0, ["", "z", "along z"]),
            (true, None) => {
                let words = ["", "distance from the nearest face", "with distance from a face"];
                self.fill_face(result, center, names, thickness, 0, words);
            }
            (true, Some(_)) => {
                for (face, [suffix, axis, along]) in self.named_faces(&sums) {
                    self.fill_face(result, center, names, thickness, face, [&suffix, &axis, &along]);
                }
            }
        }
        let faces = match self.apart {
            Some(why) => format!("faces apart, because {why}"),
            None => "all faces together".to_string(),
        };
        result.notes.push(if by_distance {
            format!(
                "Layers of {thickness:.3} nm by the distance of the centre along z from the nearest atom that stays where it is, {faces}; ± is the \
                 standard error."
            )
        } else {
            format!("{} layers along z, {thickness:.3} nm thick, by the position of the centre; ± is the standard error.", self.n)
        });
    }

    /// Faces that are told apart, of those at which centres were seen, with their words for [`Layers::fill_face`].
    ///
    /// Between two bodies they are those below and above the liquid; else the body and the side of it on which the centres stand.
    fn named_faces(&self, sums: &[f64]) -> Vec<(usize, [String; 3])> {
        let stride = self.n * (1 + self.n_groups);
        let centers = |face: usize| (0..self.n).map(|l| sums[1 + face * stride + l * (1 + self.n_groups)]).sum::<f64>();
        // the liquid between two bodies is that in which more of the centres are
        let gaps = [[0, 1], [1, 0]].map(|[below, above]| [N_SIDES * below + ABOVE, N_SIDES * above + BELOW]);
        let [first, second] = gaps;
        let gap = match self.bodies.n_bodies() {
            2 if first.map(centers).iter().sum::<f64>() >= second.map(centers).iter().sum() => first.as_slice(),
            2 => second.as_slice(),
            _ => &[],
        };
        let words = |face: usize| {
            let (name, side) = (self.bodies.name(face / N_SIDES), face % N_SIDES);
            match (gap.contains(&face), side) {
                // a centre above a body has its face below
                (true, side) => {
                    let face = if side == ABOVE { "below" } else { "above" };
                    let axis = format!("distance from the face {face}");
                    [face.to_string(), axis.clone(), format!("with {axis}")]
                }
                (false, INSIDE) => {
                    let axis = format!("distance from the nearest layer of {name}");
                    [format!("inside {name}"), axis.clone(), format!("with {axis}, inside of it")]
                }
                (false, side) => {
                    let place = if side == ABOVE { "above" } else { "below" };
                    let axis = format!("distance from {name}, {place} it");
                    [format!("{place} {name}"), axis.clone(), format!("with {axis}")]
                }
            }
        };
        let seen = (0..N_SIDES * self.bodies.n_bodies()).filter(|&face| centers(face) > 0.0);
        seen.map(|face| (face, words(face))).collect()
    }

    /// Table and figure of the layers of one face.
    ///
    /// * `words` – what the names of both end in, the axis, and the end of the title
    fn fill_face(
        &self,
        result: &mut AnalysisResult,
        center: &str,
        names: &[&str],
        thickness: f64,
        face: usize,
        [suffix, axis, along]: [&str; 3],
    ) {
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let first = |layer: usize| 1 + (face * self.n + layer) * (1 + self.n_groups);
        // A layer without centres has no coordination number: it is left out.
        let filled: Vec<usize> = (0..self.n).filter(|&l| sums[first(l)] > 0.0).collect();
        let z: Vec<f64> = filled.iter().map(|&l| (l as f64 + 0.5) * thickness).collect();
        let mut columns = vec![
            Column::new(axis, "nm", z.clone()),
            Column::new("mean number of centres", "1", filled.iter().map(|&l| sums[first(l)] / frames).collect()),
        ];
        let mut series = Vec::new();
        for (group, name) in names.iter().enumerate() {
            let ratio = |layer: usize| {
                let at = first(layer);
                self.blocks.estimate(|s, _| (s[at] > 0.0).then(|| s[at + 1 + group] / s[at]))
            };
            let numbers: Vec<Estimate> = filled.iter().filter_map(|&l| ratio(l)).collect();
            let points = z.iter().zip(&numbers).map(|(&z, n)| [z, n.value]).collect();
            // The sum of all, last, lies on the only ligand that is there: dashes of another colour show both.
            let is_sum = group > 0 && group + 1 == names.len();
            let (kind, color) =
                if is_sum { (SeriesKind::DashedLine, SUM.max(group)) } else { (SeriesKind::Line, group) };
            series.push(Series::new(kind, *name, color, points));
            columns.push(Column::new(format!("CN {name}"), "1", numbers.iter().map(|n| n.value).collect()));
            let errors = numbers.iter().map(|n| n.error.unwrap_or(f64::NAN)).collect();
            columns.push(Column::new(format!("± {name}"), "1", errors));
        }
        let name = match suffix {
            "" => format!("{}_layers", result.name),
            suffix => format!("{}_layers_{}", result.name, results::file_stem(&[suffix])),
        };
        result.shown.push(result.tables.len());
        result.tables.push(Table { name: name.clone(), columns });
        result.figures.push(Figure {
            name,
            title: format!("Coordination number of {center} {along}"),
            x: Axis::new(axis, "nm"),
            y: Axis::new("coordination number", "1"),
            series,
            ..Default::default()
        });
    }

    /// Says how layers are cut, for the fingerprint of what they belong to.
    pub fn fingerprint(&self) -> String {
        let from = match (self.frozen.is_empty(), self.apart) {
            (true, _) => "of z".to_string(),
            (false, None) => "from faces".to_string(),
            (false, Some(_)) => format!("from either side of {}", self.bodies.fingerprint()),
        };
        format!("{} of {} nm {from}", self.n, self.thickness)
    }

    pub fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    pub fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::{Species, SpeciesAtom};
    use glam::DVec3;

    /// Layers of another thickness are others, though as many fit into half the cell: a checkpoint of one is not continued as the other.
    #[test]
    fn layers_of_another_thickness_are_others() {
        let atom = SpeciesAtom { name: "C".into(), element: "C".into(), type_id: 0, charge: 0.0, mass: 12.0 };
        let carbon = Species { name: "C".into(), residue: "C".into(), atoms: vec![atom], ..Species::default() };
        let mut topology = Topology::new(vec!["C".into()], vec![carbon], &[0, 0]);
        let cell = Cell::new(DVec3::X * 2.0, DVec3::Y * 2.0, DVec3::Z * 6.0).expect("valid");
        let of = |topology: &Topology, thickness: f64| {
            Layers::new(thickness, 1, topology, &External::default(), &cell).expect("valid")
        };
        let free = of(&topology, 0.31).fingerprint();
        topology.frozen.fill(true);
        let (one, other) = (of(&topology, 0.31), of(&topology, 0.32));
        assert_eq!(one.n, other.n);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint(), of(&topology, 0.31).fingerprint());
        assert_ne!(one.fingerprint(), free);
    }
}
