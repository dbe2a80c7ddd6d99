//! Coordination numbers: how many ligands a centre holds in its first shell, by ligand, and how often.
//!
//! One shell radius r_min serves all ligands, so their numbers add up to the total: it is given, or it is the first
//! minimum of g(r) of all ligands together. A counter-ion that stays in the second shell thus counts as zero instead of
//! getting a shell of its own. r_min is chosen when the results are asked for: for every radius on a fine grid the histogram
//! P(CN = k) is kept, so no second pass and no stored neighbours are needed, and memory does not grow with the run.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::grid::RadialGrid;
use super::layers::Layers;
use super::pairs::PairSearch;
use super::peaks;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::{Selection, n_common};
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use std::borrow::Cow;

/// Neighbours are followed up to this distance, nm: beyond the second shell of any simple ion.
pub const BOUND: f64 = 0.6;
/// Width of the grid of possible shell radii, nm.
pub const BIN: f64 = 0.002;
/// The numbers are also reported this much inside and outside r_min, nm.
const SENSITIVITY: f64 = 0.02;
/// Histograms hold k = 0 … MAX_COUNT; more neighbours are counted as MAX_COUNT.
const MAX_COUNT: usize = 32;
/// Fractions reported even when they are zero, so that a comparison with "six" finds its value.
const ALWAYS_REPORTED: std::ops::RangeInclusive<usize> = 4..=6;

/// The grid of possible shell radii for `r_min` given (nm) or not; the second shell must be seen to find the first minimum.
///
/// Errors if a given r_min is not positive or, with its margin, more than half the smallest height of `cell`.
pub fn shell_grid(r_min: Option<f64>, cell: &Cell) -> Result<RadialGrid, AnalysisError> {
    let half_height = cell.half_height();
    match r_min {
        None => Ok(RadialGrid::from_zero(BOUND.min(half_height), BIN)),
        Some(r) if !(r > 0.0 && r.is_finite()) => {
            let remedy = "the shell radius must be a positive length (nm)";
            Err(AnalysisError::InvalidSetting { what: "r_min", value: r, remedy })
        }
        Some(r) if r + SENSITIVITY > half_height => {
            Err(AnalysisError::RadiusExceedsHalfBox { what: "r_min + 0.02 nm", radius: r + SENSITIVITY, half_height })
        }
        Some(r) => Ok(RadialGrid::through(r, SENSITIVITY, BIN)),
    }
}

/// Slots in front of the counts.
const HEAD: usize = 3;

/// Coordination of all atoms of one selection by those of others.
pub struct Coordination {
    center: String,
    centers: Selection,
    ligands: Vec<String>,
    groups: Vec<Selection>,
    r_min: Option<f64>,
    grid: RadialGrid,
    layers: Option<Layers>,
    /// Per frame: V, ordered pairs i ≠ j, centres, then for every group (each ligand, then all together) and every bin the number of neighbours in it,
    /// then for every group, bin and k how many more centres have k neighbours within the upper edge of the bin than within the lower one.
    blocks: Blocks,
}

impl Coordination {
    /// * `r_min` – nm; `None` = first minimum of g(r) of all ligands together
    /// * `layer` – thickness of layers along z, or from the faces of slabs, nm; needs `r_min`
    pub fn new(
        center: &str,
        ligands: &[String],
        r_min: Option<f64>,
        layer: Option<f64>,
        topology: &Topology,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let centers = Selection::new(center, topology)?;
        let groups = ligands.iter().map(|l| Selection::perhaps_empty(l, topology)).collect::<Result<Vec<_>, _>>()?;
        let none = |g: &Selection| g.fixed().is_some_and(<[u32]>::is_empty);
        if let Some(first) = ligands.first().filter(|_| groups.iter().all(none)) {
            Selection::new(first, topology)?;
        }
        if groups.is_empty() || groups.len() > usize::from(u8::MAX) {
            let remedy = "name at least one and at most 255 ligand selections";
            return Err(AnalysisError::InvalidSetting {
                what: "number of ligands",
                value: groups.len() as f64,
                remedy,
            });
        }
        let fixed: Vec<Cow<[u32]>> = groups.iter().map(|g| g.fixed().unwrap_or_default().into()).collect();
        check_overlap(ligands, &fixed)?;
        let grid = shell_grid(r_min, cell)?;
        let n_groups = groups.len() + 1;
        let layers = layer.map(|thickness| {
            if r_min.is_none() {
                let remedy = "layers need r_min";
                return Err(AnalysisError::InvalidSetting { what: "layer", value: thickness, remedy });
            }
            Layers::new(thickness, n_groups, topology, cell)
        });
        Ok(Coordination {
            center: center.to_string(),
            centers,
            ligands: ligands.to_vec(),
            groups,
            r_min,
            grid,
            layers: layers.transpose()?,
            blocks: Blocks::new(HEAD + n_groups * grid.len() * (1 + (MAX_COUNT + 1))),
        })
    }

    fn n_groups(&self) -> usize {
        self.ligands.len() + 1
    }

    /// The group of all ligands together.
    fn all(&self) -> usize {
        self.ligands.len()
    }

    /// Where the neighbour count of (group, bin) stands in the sums.
    fn radial_slot(&self, group: usize, bin: usize) -> usize {
        HEAD + group * self.grid.len() + bin
    }

    /// Where the change of (group, bin, k = 0) stands in the sums.
    fn histogram_slot(&self, group: usize, bin: usize) -> usize {
        HEAD + self.n_groups() * self.grid.len() + (group * self.grid.len() + bin) * (MAX_COUNT + 1)
    }

    /// Mean coordination number of a group within edge `edge`.
    fn mean_within(&self, sums: &[f64], group: usize, edge: usize) -> f64 {
        let slots = self.radial_slot(group, 0)..self.radial_slot(group, edge);
        sums[slots].iter().sum::<f64>() / sums[2].max(1.0)
    }

    /// P(CN = k) of a group within edge `edge` ≥ 1, `[MAX_COUNT + 1]`.
    fn histogram(&self, sums: &[f64], group: usize, edge: usize) -> Vec<f64> {
        // Within no distance at all every centre has none.
        let mut centers = vec![0.0; MAX_COUNT + 1];
        centers[0] = sums[2];
        let changes = &sums[self.histogram_slot(group, 0)..self.histogram_slot(group, edge)];
        for row in changes.chunks_exact(MAX_COUNT + 1) {
            centers.iter_mut().zip(row).for_each(|(n, change)| *n += change);
        }
        let scale = 1.0 / sums[2].max(1.0);
        centers.iter().map(|n| n * scale).collect()
    }

    /// The shell radius as an edge of the grid.
    fn shell_edge(&self, sums: &[f64]) -> Option<usize> {
        let edge = match self.r_min {
            Some(r) => self.grid.nearest_edge(r),
            None => {
                let counts = &sums[self.radial_slot(self.all(), 0)..self.radial_slot(self.all(), self.grid.len())];
                first_minimum_edge(counts, sums[0], sums[1], self.blocks.n_frames(), &self.grid)?
            }
        };
        (edge >= 1).then_some(edge)
    }
}

/// Errors if two ligand groups share an atom.
fn check_overlap(names: &[String], groups: &[Cow<[u32]>]) -> Result<(), AnalysisError> {
    for (k, group) in groups.iter().enumerate() {
        for (other, earlier) in groups[..k].iter().enumerate() {
            let count = n_common(group, earlier);
            if count > 0 {
                let (first, second) = (names[other].clone(), names[k].clone());
                return Err(AnalysisError::OverlappingLigands { first, second, count });
            }
        }
    }
    Ok(())
}

/// The edge nearest to the first minimum of g(r).
///
/// * `counts` – `[n_bins]`, pairs summed over frames
/// * `volume_sum` – nm³, summed over frames
/// * `n_pairs` – ordered pairs i ≠ j, summed over frames
pub fn first_minimum_edge(
    counts: &[f64],
    volume_sum: f64,
    n_pairs: f64,
    n_frames: u64,
    grid: &RadialGrid,
) -> Option<usize> {
    let frames = n_frames as f64;
    let scale = volume_sum / (frames * n_pairs.max(1.0));
    let g: Vec<f64> = counts.iter().enumerate().map(|(k, n)| n * scale / grid.shell_volume(k)).collect();
    peaks::first_shell(&g, counts, grid).map(|shell| grid.nearest_edge(shell.minimum))
}

impl Observable for Coordination {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let (grid, n_groups, all) = (self.grid, self.n_groups(), self.all());
        let centers = self.centers.atoms(frame)?;
        let groups = self.groups.iter().map(|g| g.atoms(frame)).collect::<Result<Vec<_>, _>>()?;
        if self.groups.iter().any(|g| g.fixed().is_none()) {
            check_overlap(&self.ligands, &groups)?;
        }
        let n_ligands: usize = groups.iter().map(|g| g.len()).sum();
        let shared: usize = groups.iter().map(|g| n_common(&centers, g)).sum();
        let n_pairs = (centers.len() * n_ligands - shared) as f64;
        let searches = groups.iter().map(|g| PairSearch::new(frame, g, grid.r_max())).collect::<Result<Vec<_>, _>>()?;
        let histogram_start = self.histogram_slot(0, 0);
        // Neighbours within r_min of every centre, for the layers: `[n_centers][n_groups]`.
        let edge = self.r_min.map_or(0, |r| grid.nearest_edge(r));
        let mut shells: Vec<f64> = Vec::new();
        let with_layers = self.layers.is_some();
        self.blocks.add_frame(|slot| {
            slot[0] += frame.cell.volume();
            slot[1] += n_pairs;
            slot[2] += centers.len() as f64;
            let (radial, changes) = slot[HEAD..].split_at_mut(histogram_start - HEAD);
            // Neighbours by bin, the nearest first, and how many of each group were met.
            let (mut near, mut met) = (Vec::<u32>::new(), vec![0_usize; n_groups]);
            for &center in centers.iter() {
                near.clear();
                for (group, (search, members)) in searches.iter().zip(&groups).enumerate() {
                    search.visit(frame.positions[center as usize], |k, d| {
                        if members[k] != center
                            && let Some(bin) = grid.bin(d.length())
                        {
                            near.push((bin * n_groups + group) as u32);
                        }
                    });
                }
                near.sort_unstable();
                met.fill(0);
                for &key in &near {
                    let (bin, group) = (key as usize / n_groups, key as usize % n_groups);
                    for group in [group, all] {
                        let at = group * grid.len() + bin;
                        radial[at] += 1.0;
                        let row = &mut changes[at * (MAX_COUNT + 1)..][..=MAX_COUNT];
                        row[met[group].min(MAX_COUNT)] -= 1.0;
                        met[group] += 1;
                        row[met[group].min(MAX_COUNT)] += 1.0;
                    }
                }
                if with_layers {
                    let of = |group: usize| {
                        let inside = near.iter().map(|&k| k as usize).filter(|k| k / n_groups < edge);
                        inside.filter(|k| group == all || k % n_groups == group).count() as f64
                    };
                    shells.extend((0..n_groups).map(of));
                }
            }
        });
        if let Some(layers) = &mut self.layers {
            layers.sample(frame, &centers, &shells);
        }
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let center = self.center.as_str();
        let mut result = AnalysisResult {
            name: results::file_stem(&["coordination", center]),
            title: format!("Coordination of {center}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let sums = self.blocks.total();
        let Some(edge) = self.shell_edge(&sums) else {
            result.notes.push(format!(
                "g(r) of the ligands shows no first shell that ends within {:.2} nm: give r_min to count anyway.",
                self.grid.r_max()
            ));
            return vec![result];
        };
        self.fill(&mut result, &sums, edge);
        if let Some(layers) = &self.layers {
            let names: Vec<&str> = self.ligands.iter().map(String::as_str).chain(["all ligands"]).collect();
            layers.fill(&mut result, &self.center, &names);
        }
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let (r_max, n) = (self.grid.r_max(), self.grid.len());
        format!(
            "coordination numbers of {} by {}, r_min {:?} nm, {n} bins to {r_max:.9} nm, {:?} layers",
            self.center,
            self.ligands.join(", "),
            self.r_min,
            self.layers.as_ref().map(Layers::fingerprint)
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
        self.layers.iter().for_each(|l| l.save(writer));
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        let groups = self.groups.iter().map(|g| (g, self.groups.len() == 1));
        [(&self.centers, true)].into_iter().chain(groups).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)?;
        self.layers.as_mut().map_or(Ok(()), |l| l.restore(reader))
    }
}

impl Coordination {
    fn fill(&self, result: &mut AnalysisResult, sums: &[f64], edge: usize) {
        let center = self.center.as_str();
        let r_min = self.grid.edge(edge);
        let group_names: Vec<&str> = self.ligands.iter().map(String::as_str).chain(["all ligands"]).collect();
        let mut push = |id: String, label: String, estimate: Option<Estimate>, unit: &str| {
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };

        push(
            format!("shell_radius({center})"),
            format!("{center} shell radius r_min"),
            Some(Estimate { value: r_min, error: None }),
            "nm",
        );
        let total = self.blocks.estimate(|s, _| Some(self.mean_within(s, self.all(), edge)));
        push(format!("coordination_number({center})"), format!("{center} coordination number"), total, "1");
        for (group, ligand) in self.ligands.iter().enumerate().filter(|(group, _)| self.groups[*group].ever_held()) {
            let mean = self.blocks.estimate(|s, _| Some(self.mean_within(s, group, edge)));
            let label = format!("{center} – {ligand} coordination number");
            push(format!("coordination_number({center},{ligand})"), label, mean, "1");
        }
        let total_histogram = self.histogram(sums, self.all(), edge);
        let mode = |s: &[f64], _: f64| {
            let p = self.histogram(s, self.all(), edge);
            Some((0..=MAX_COUNT).fold(0, |m, k| if p[k] > p[m] { k } else { m }) as f64)
        };
        push(
            format!("coordination_mode({center})"),
            format!("{center} most frequent coordination number"),
            self.blocks.estimate(mode),
            "1",
        );
        for k in (0..=MAX_COUNT).filter(|&k| total_histogram[k] > 0.0 || ALWAYS_REPORTED.contains(&k)) {
            let fraction = self.blocks.estimate(|s, _| Some(self.histogram(s, self.all(), edge)[k]));
            push(
                format!("coordination_fraction({center},{k})"),
                format!("{center} fraction with CN = {k}"),
                fraction,
                "1",
            );
        }

        let histograms: Vec<Vec<f64>> = (0..self.n_groups()).map(|group| self.histogram(sums, group, edge)).collect();
        let last = (0..=MAX_COUNT).rev().find(|&k| histograms.iter().any(|h| h[k] > 0.0)).unwrap_or(0);
        let mut columns = vec![Column::new("CN", "1", (0..=last).map(|k| k as f64).collect())];
        for (name, histogram) in group_names.iter().zip(&histograms) {
            columns.push(Column::new(format!("P(CN) {name}"), "1", histogram[..=last].to_vec()));
        }
        result.tables.push(Table { name: result.name.clone(), columns });

        let step = (SENSITIVITY / self.grid.width()).round() as usize;
        let edges = [edge.saturating_sub(step), edge, (edge + step).min(self.grid.len())];
        let mut columns = vec![Column::new("r", "nm", edges.map(|e| self.grid.edge(e)).to_vec())];
        for (group, name) in group_names.iter().enumerate() {
            let values = edges.map(|e| self.mean_within(sums, group, e)).to_vec();
            columns.push(Column::new(format!("n(r) {name}"), "1", values));
        }
        result.tables.push(Table { name: format!("{}_radius", result.name), columns });

        let bars = |group: usize, color: usize| {
            Series::new(
                SeriesKind::Bars,
                group_names[group].to_string(),
                color,
                (0..=last).map(|k| [k as f64, histograms[group][k]]).collect(),
            )
        };
        // All ligands together; single ones only if there is more than one kind in the shell.
        let present = |group: &usize| histograms[*group][0] < 0.999;
        let inside: Vec<usize> = (0..self.ligands.len()).filter(present).collect();
        let mut series = vec![bars(self.all(), 0)];
        if inside.len() > 1 {
            series.extend(inside.into_iter().enumerate().map(|(k, group)| bars(group, k + 1)));
        }
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("Coordination number of {center} within {r_min:.3} nm"),
            x: Axis::new("coordination number k", "1").with_range(-0.5, last.max(8) as f64 + 0.5),
            y: Axis::new("P(CN = k)", "1").with_range(0.0, 1.12),
            right: None,
            series,
            marks: Vec::new(),
            ..Default::default()
        });
        let how = if self.r_min.is_some() { "given" } else { "first minimum of g(r) of all ligands together" };
        let around: Vec<String> = edges
            .iter()
            .map(|&e| format!("{:.3} at {:.3} nm", self.mean_within(sums, self.all(), e), self.grid.edge(e)))
            .collect();
        result.notes.push(format!("r_min = {r_min:.3} nm ({how}); coordination number {}.", around.join(", ")));
        if total_histogram[MAX_COUNT] > 0.0 {
            result.notes.push(format!("The last bin of the histogram means {MAX_COUNT} or more."));
        }
    }
}
