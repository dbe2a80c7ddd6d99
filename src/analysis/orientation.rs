//! Orientation of molecules: the angle of the dipole with z, or with the direction from the nearest centre to the molecule.
//!
//! The dipole is Σ q (r − r₀) over the molecule, from its own charges; for a charged molecule it is taken about the centre of mass. With
//! `relative_to` a selection, θ is the angle between the dipole and the vector from the nearest centre to the molecule's reference atom, the most
//! massive one, whatever their distance: waters around a cation have cos θ > 0. P(cos θ) is normalised to 1 over −1 … 1, ½ for random directions. ⟨cos θ⟩ and ⟨P₂⟩ = ⟨3 cos² θ − 1⟩/2
//! are given by layer of z too.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::pairs::PairSearch;
use super::particles::Molecules;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::OrientationSpec;
use glam::DVec3;

/// Bins of cos θ.
const N_COS: usize = 50;
/// Slots in front: molecules, Σ cos θ, Σ P₂, Σ μ (e nm).
const HEAD: usize = 4;
/// One e nm in debye.
const DEBYE: f64 = 48.032_047_1;

/// Dipole orientation of the molecules that a selection touches.
pub struct Orientation {
    spec: OrientationSpec,
    selection: Selection,
    centers: Option<Selection>,
    molecules: Molecules,
    charges: Vec<f64>,
    /// Most massive atom of every molecule.
    reference: Vec<u32>,
    n_layers: usize,
    r_search: f64,
    /// Per frame: `[HEAD]`, `[N_COS]` counts, then for every layer: molecules, Σ cos θ, Σ P₂.
    blocks: Blocks,
}

impl Orientation {
    pub fn new(spec: &OrientationSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let n = (cell.vectors().z_axis.z / spec.bin_width).round();
        if !(1.0..=1e5).contains(&n) {
            let remedy = "the layers must fit 1 to 100000 times into the cell";
            return Err(AnalysisError::InvalidSetting { what: "bin_width", value: spec.bin_width, remedy });
        }
        let centers =
            (spec.relative_to.trim() != "z").then(|| Selection::new(&spec.relative_to, topology)).transpose()?;
        let heaviest = |m: usize| {
            let range = topology.atoms_of(m);
            range.clone().fold(range.start, |best, i| if topology.masses[i] > topology.masses[best] { i } else { best })
        };
        let n_layers = n as usize;
        Ok(Orientation {
            spec: spec.clone(),
            selection: Selection::new(&spec.molecules, topology)?,
            centers,
            molecules: Molecules::new(topology),
            charges: topology.charges.clone(),
            reference: (0..topology.molecules.len()).map(|m| heaviest(m) as u32).collect(),
            n_layers,
            r_search: cell.half_height(),
            blocks: Blocks::new(HEAD + N_COS + 3 * n_layers),
        })
    }
}

impl Observable for Orientation {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let chosen = self.molecules.touched(&self.selection.atoms(frame)?);
        let centers = self.centers.as_ref().map(|c| c.atoms(frame)).transpose()?;
        let search = centers.as_ref().map(|c| PairSearch::new(frame, c, self.r_search)).transpose()?;
        let height = frame.cell.vectors().z_axis.z;
        let mut seen: Vec<(f64, f64, usize)> = Vec::with_capacity(chosen.len());
        for &m in &chosen {
            let origin = self.molecules.center(m, frame);
            let dipole: DVec3 = (self.molecules.atoms(m))
                .map(|i| self.charges[i] * frame.cell.minimum_image(frame.positions[i] - origin))
                .sum();
            let site = frame.positions[self.reference[m as usize] as usize];
            let axis = match (&search, &centers) {
                (Some(search), Some(centers)) => {
                    let other = |center: u32| self.molecules.of(center) != m;
                    let shorter = |x: DVec3, y: DVec3| if y.length_squared() < x.length_squared() { y } else { x };
                    let mut nearest = DVec3::splat(f64::INFINITY);
                    search.visit(site, |k, d| {
                        if other(centers[k]) {
                            nearest = shorter(nearest, d);
                        }
                    });
                    if nearest.x == f64::INFINITY {
                        // None within the radius of the search, which depends on how the lattice is described: look at all.
                        let all = centers.iter().filter(|&&c| other(c));
                        let image = |&c: &u32| frame.cell.nearest_image(frame.positions[c as usize] - site);
                        nearest = all.map(image).fold(nearest, shorter);
                    }
                    -nearest
                }
                _ => DVec3::Z,
            };
            let cos = dipole.dot(axis) / (dipole.length() * axis.length());
            if cos.is_finite() {
                let layer = ((frame.cell.wrap(site).z / height * self.n_layers as f64) as usize).min(self.n_layers - 1);
                seen.push((cos.clamp(-1.0, 1.0), dipole.length(), layer));
            }
        }
        self.blocks.add_frame(|slot| {
            for &(cos, dipole, layer) in &seen {
                let p2 = 0.5 * (3.0 * cos * cos - 1.0);
                slot[0] += 1.0;
                slot[1] += cos;
                slot[2] += p2;
                slot[3] += dipole;
                slot[HEAD + (((cos + 1.0) * 0.5 * N_COS as f64) as usize).min(N_COS - 1)] += 1.0;
                let row = &mut slot[HEAD + N_COS + 3 * layer..][..3];
                row[0] += 1.0;
                row[1] += cos;
                row[2] += p2;
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let (what, axis) = (self.spec.molecules.as_str(), self.spec.relative_to.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["orientation", what, axis]),
            title: format!("Dipole orientation of {what} against {axis}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        let sums = self.blocks.total();
        if self.blocks.n_frames() == 0 || sums[0] == 0.0 {
            result.notes.push("No frame was sampled, or no molecule with a dipole was selected in any.".to_string());
            return vec![result];
        }
        let mut push = |kind: &str, label: &str, unit: &str, estimate: Option<Estimate>| {
            result
                .values
                .extend(estimate.map(|e| Quantity::new(format!("{kind}({what},{axis})"), label.to_string(), e, unit)));
        };
        let ratio = |k: usize, factor: f64| self.blocks.estimate(|s, _| (s[0] > 0.0).then(|| factor * s[k] / s[0]));
        push("dipole_cosine", "mean cos θ of the dipole", "1", ratio(1, 1.0));
        push("dipole_p2", "mean P₂(cos θ) of the dipole", "1", ratio(2, 1.0));
        push("dipole_moment", "mean dipole", "D", ratio(3, DEBYE));
        let width = 2.0 / N_COS as f64;
        let cosines: Vec<f64> = (0..N_COS).map(|k| -1.0 + (k as f64 + 0.5) * width).collect();
        let density: Vec<f64> = (0..N_COS).map(|k| sums[HEAD + k] / (sums[0] * width)).collect();
        let points = cosines.iter().zip(&density).map(|(&x, &y)| [x, y]).collect();
        result.tables.push(Table {
            name: result.name.clone(),
            columns: vec![Column::new("cos theta", "1", cosines), Column::new("P(cos theta)", "1", density)],
        });
        let row = |layer: usize| &sums[HEAD + N_COS + 3 * layer..][..3];
        let filled: Vec<usize> = (0..self.n_layers).filter(|&l| row(l)[0] > 0.0).collect();
        let of = |value: &dyn Fn(&[f64]) -> f64| filled.iter().map(|&l| value(row(l))).collect::<Vec<f64>>();
        let z: Vec<f64> = filled.iter().map(|&l| (l as f64 + 0.5) / self.n_layers as f64).collect();
        result.tables.push(Table {
            name: format!("{}_layers", result.name),
            columns: vec![
                Column::new("z / cell height", "1", z),
                Column::new("molecules", "1", of(&|r| r[0] / self.blocks.n_frames() as f64)),
                Column::new("mean cos theta", "1", of(&|r| r[1] / r[0])),
                Column::new("mean P2", "1", of(&|r| r[2] / r[0])),
            ],
        });
        let label = "P(cos θ)".to_string();
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("Dipole of {what} against {axis}"),
            x: Axis::new("cos θ", "1").with_range(-1.0, 1.0),
            y: Axis::new("P(cos θ)", "1"),
            series: vec![Series::new(SeriesKind::Area, label, 0, points)],
            ..Default::default()
        });
        let against = match &self.centers {
            Some(c) => format!("the direction from the nearest of \"{}\"", c.text()),
            None => "z".to_string(),
        };
        result.notes.push(format!(
            "Dipoles from the model's charges, against {against}; {} layers along z; random directions give P = ½.",
            self.n_layers
        ));
        vec![result]
    }

    fn fingerprint(&self) -> String {
        format!("orientation of {} against {}, {} layers", self.spec.molecules, self.spec.relative_to, self.n_layers)
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        [&self.selection].into_iter().chain(&self.centers).map(|s| (s, true)).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}
