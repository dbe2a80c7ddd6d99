//! Coordination numbers by layer: along z, or by the distance from the nearest face where slabs stand.
//!
//! A face is where the nearest atom that stays where it is stands along z, so both faces of a gap, and both sides of a slab, fall into one series; faces below and
//! above the centres are told apart where electrodes are not held alike.

use super::AnalysisError;
use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::results::{AnalysisResult, Axis, Column, Figure, Series, SeriesKind, Table};
use super::snapshot::Snapshot;
use crate::cell::Cell;
use crate::system::{External, Topology};

/// Colour of all ligands together, unlike that of the first ones.
const SUM: usize = 4;

/// What was counted in layers of about the wanted thickness.
pub struct Layers {
    n: usize,
    /// As asked for, nm: distances are cut into layers of exactly this.
    thickness: f64,
    /// Massive atoms that stay where they are; empty = layers of z.
    frozen: Vec<u32>,
    /// Are faces below and above told apart? Layers of those above then follow those of the others.
    apart: bool,
    n_groups: usize,
    /// Per frame: L_z (nm), then for every layer of every side the number of centres, then for every group their neighbours within r_min.
    blocks: Blocks,
}

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
        let stays = |i: &u32| topology.frozen[*i as usize] && topology.masses[*i as usize] > 0.0;
        let frozen: Vec<u32> = (0..topology.n_atoms() as u32).filter(stays).collect();
        let height = cell.vectors().z_axis.z;
        let n = if frozen.is_empty() { (height / thickness).round() } else { (0.5 * height / thickness).ceil() };
        if !(1.0..=1e4).contains(&n) {
            let remedy = "layers need r_min, and a thickness that fits 1 to 10000 times into the cell";
            return Err(AnalysisError::InvalidSetting { what: "layer", value: thickness, remedy });
        }
        let n = n as usize;
        let held: Vec<_> = external.electrodes.iter().flat_map(|e| &e.electrodes).map(|e| e.condition).collect();
        let apart = !frozen.is_empty() && held.windows(2).any(|pair| pair[0] != pair[1]);
        let n_sides = if apart { 2 } else { 1 };
        Ok(Layers { n, thickness, frozen, apart, n_groups, blocks: Blocks::new(1 + n_sides * n * (1 + n_groups)) })
    }

    /// * `shells` – neighbours of every centre by group, `[n_centers][n_groups]`
    pub fn sample(&mut self, frame: &Snapshot, centers: &[u32], shells: &[f64]) {
        let height = frame.cell.vectors().z_axis.z;
        let fraction = |i: u32| frame.cell.wrap(frame.positions[i as usize]).z / height;
        let mut faces: Vec<f64> = self.frozen.iter().map(|&i| fraction(i)).collect();
        faces.sort_by(f64::total_cmp);
        let layer = |f: f64| match faces.as_slice() {
            [] => (0, (f * self.n as f64) as usize),
            [first, .., last] | [first @ last] => {
                let above = faces.partition_point(|face| *face < f);
                let up = faces.get(above).map_or(first + 1.0 - f, |face| face - f);
                let down = if above == 0 { f + 1.0 - last } else { f - faces[above - 1] };
                (usize::from(self.apart && up < down), (up.min(down) * height / self.thickness) as usize)
            }
        };
        let (n, n_groups) = (self.n, self.n_groups);
        self.blocks.add_frame(|slot| {
            slot[0] += height;
            for (&center, shell) in centers.iter().zip(shells.chunks_exact(n_groups)) {
                let (side, at) = layer(fraction(center));
                let row = &mut slot[1 + (side * n + at.min(n - 1)) * (1 + n_groups)..][..1 + n_groups];
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
            (false, _) => self.fill_side(result, center, names, thickness, 0, ("", "z", "along z")),
            (true, false) => {
                let words = ("", "distance from the nearest face", "with distance from a face");
                self.fill_side(result, center, names, thickness, 0, words);
            }
            (true, true) => {
                let below = ("_below", "distance from the face below", "with distance from the face below");
                self.fill_side(result, center, names, thickness, 0, below);
                let above = ("_above", "distance from the face above", "with distance from the face above");
                self.fill_side(result, center, names, thickness, 1, above);
            }
        }
        let faces = if self.apart {
            "those of faces below and above it apart, because electrodes are not held alike"
        } else {
            "all faces together"
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

    /// Table and figure of the layers of one side.
    ///
    /// * `words` – what the names of both end in, the axis, and the end of the title
    fn fill_side(
        &self,
        result: &mut AnalysisResult,
        center: &str,
        names: &[&str],
        thickness: f64,
        side: usize,
        (suffix, axis, along): (&str, &str, &str),
    ) {
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let first = |layer: usize| 1 + (side * self.n + layer) * (1 + self.n_groups);
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
        let name = format!("{}_layers{suffix}", result.name);
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
            (true, _) => "of z",
            (false, false) => "from faces",
            (false, true) => "from faces below and above",
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
