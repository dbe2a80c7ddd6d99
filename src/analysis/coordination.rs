//! Coordination numbers: how many ligands a centre holds in its first shell, by ligand, and how often.
//!
//! One shell radius r_min serves all ligands, so their numbers add up to the total: it is given, or it is the first
//! minimum of g(r) of all ligands together. A counter-ion that stays in the second shell thus counts as zero instead of
//! getting a shell of its own. r_min is chosen when the results are asked for: for every radius on a fine grid the histogram
//! P(CN = k) is kept, so no second pass and no stored neighbours are needed, and memory does not grow with the run.

use super::ahead::{Gauge, Reading};
use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::digits::number_with_error;
use super::grid::RadialGrid;
use super::layers::Layers;
use super::pairs::PairSearch;
use super::peaks;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::{Selection, n_common};
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::{External, Topology};
use std::borrow::Cow;
use std::sync::Arc;

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
    r_min: Option<f64>,
    gauge: Arc<Shells>,
    layers: Option<Layers>,
    /// Per frame: V, ordered pairs i ≠ j, centres, then for every group (each ligand, then all together), every bin and every k how many centres meet their
    /// k-th neighbour (from zero; the last k stands for all further ones) in the bin.
    blocks: Blocks,
}

/// Finds the neighbours in a frame.
struct Shells {
    centers: Selection,
    ligands: Vec<String>,
    groups: Vec<Selection>,
    grid: RadialGrid,
    r_min: Option<f64>,
    /// Are neighbours within r_min told for every centre, for layers?
    with_layers: bool,
}

/// The neighbours in a frame.
struct Found {
    /// nm³
    volume: f64,
    n_pairs: f64,
    n_centers: usize,
    /// Slots of the sums that count one more.
    arrivals: Vec<u32>,
    /// With layers: neighbours within r_min of every centre by group, `[n_centers][n_groups]`.
    shells: Vec<f64>,
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
        external: &External,
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
            Layers::new(thickness, n_groups, topology, external, cell)
        });
        let layers = layers.transpose()?;
        let gauge = Shells { centers, ligands: ligands.to_vec(), groups, grid, r_min, with_layers: layers.is_some() };
        Ok(Coordination {
            center: center.to_string(),
            r_min,
            layers,
            blocks: Blocks::new(gauge.slot(n_groups, 0)),
            gauge: Arc::new(gauge),
        })
    }

    /// Neighbours of a group within edge `edge`, summed over centres and frames.
    fn n_within(&self, sums: &[f64], group: usize, edge: usize) -> f64 {
        sums[self.gauge.slot(group, 0)..self.gauge.slot(group, edge)].iter().sum()
    }

    /// Mean coordination number of a group within edge `edge`.
    fn mean_within(&self, sums: &[f64], group: usize, edge: usize) -> f64 {
        self.n_within(sums, group, edge) / sums[2].max(1.0)
    }

    /// P(CN = k) of a group within edge `edge` ≥ 1, `[MAX_COUNT + 1]`.
    fn histogram(&self, sums: &[f64], group: usize, edge: usize) -> Vec<f64> {
        // Centres that have met more than k neighbours.
        let mut reached = [0.0; MAX_COUNT + 1];
        let arrivals = &sums[self.gauge.slot(group, 0)..self.gauge.slot(group, edge)];
        for row in arrivals.chunks_exact(MAX_COUNT + 1) {
            reached.iter_mut().zip(row).for_each(|(n, arrived)| *n += arrived);
        }
        reached[MAX_COUNT] = 0.0;
        let scale = 1.0 / sums[2].max(1.0);
        let mut before = sums[2];
        let left = |more: f64| (std::mem::replace(&mut before, more) - more) * scale;
        reached.into_iter().map(left).collect()
    }

    /// The shell radius as an edge of the grid.
    fn shell_edge(&self, sums: &[f64]) -> Option<usize> {
        let Shells { grid, .. } = &*self.gauge;
        let edge = match self.r_min {
            Some(r) => grid.nearest_edge(r),
            None => {
                let of_all = &sums[self.gauge.slot(self.gauge.all(), 0)..];
                let counts: Vec<f64> = of_all.chunks_exact(MAX_COUNT + 1).map(|row| row.iter().sum()).collect();
                first_minimum_edge(&counts, sums[0], sums[1], self.blocks.n_frames(), grid)?
            }
        };
        (edge >= 1).then_some(edge)
    }

    fn add_found(&mut self, found: &Found) {
        self.blocks.add_frame(|slot| {
            slot[0] += found.volume;
            slot[1] += found.n_pairs;
            slot[2] += found.n_centers as f64;
            found.arrivals.iter().for_each(|&at| slot[at as usize] += 1.0);
        });
    }
}

impl Shells {
    fn n_groups(&self) -> usize {
        self.ligands.len() + 1
    }

    /// The group of all ligands together.
    fn all(&self) -> usize {
        self.ligands.len()
    }

    /// Where the arrivals in (group, bin) stand in the sums.
    fn slot(&self, group: usize, bin: usize) -> usize {
        HEAD + (group * self.grid.len() + bin) * (MAX_COUNT + 1)
    }

    fn find(&self, frame: &Snapshot) -> Result<Found, AnalysisError> {
        let (grid, n_groups, all) = (self.grid, self.n_groups(), self.all());
        let centers = self.centers.atoms(frame)?;
        let groups = self.groups.iter().map(|g| g.atoms(frame)).collect::<Result<Vec<_>, _>>()?;
        if self.groups.iter().any(|g| g.fixed().is_none()) {
            check_overlap(&self.ligands, &groups)?;
        }
        let n_ligands: usize = groups.iter().map(|g| g.len()).sum();
        let shared: usize = groups.iter().map(|g| n_common(&centers, g)).sum();
        let searches = groups.iter().map(|g| PairSearch::new(frame, g, grid.r_max())).collect::<Result<Vec<_>, _>>()?;
        let mut found = Found {
            volume: frame.cell.volume(),
            n_pairs: (centers.len() * n_ligands - shared) as f64,
            n_centers: centers.len(),
            arrivals: Vec::with_capacity(64 * centers.len()),
            shells: Vec::new(),
        };
        // Within r_min, for the layers.
        let edge = self.r_min.map_or(0, |r| grid.nearest_edge(r));
        // Neighbours by bin, the nearest first, and how many of each group were met.
        let (mut near, mut met) = (Vec::<u32>::new(), vec![0_usize; n_groups]);
        for &center in centers.iter() {
            let position = frame.positions[center as usize];
            near.clear();
            for (group, (search, members)) in searches.iter().zip(&groups).enumerate() {
                search.visit(position, |k, d| {
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
                    found.arrivals.push((self.slot(group, bin) + met[group].min(MAX_COUNT)) as u32);
                    met[group] += 1;
                }
            }
            if self.with_layers {
                let of = |group: usize| {
                    let inside = near.iter().map(|&k| k as usize).filter(|k| k / n_groups < edge);
                    inside.filter(|k| group == all || k % n_groups == group).count() as f64
                };
                found.shells.extend((0..n_groups).map(of));
            }
        }
        Ok(found)
    }
}

impl Gauge for Shells {
    fn read(&self, frame: &Snapshot) -> Result<Reading, AnalysisError> {
        Ok(Box::new(self.find(frame)?))
    }

    fn atoms(&self) -> Option<Vec<u32>> {
        let atoms: Vec<&[u32]> =
            [&self.centers].into_iter().chain(&self.groups).map(|s| s.fixed()).collect::<Option<_>>()?;
        Some(atoms.concat())
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
        let found = self.gauge.find(frame)?;
        self.add_found(&found);
        if let Some(layers) = &mut self.layers {
            layers.sample(frame, &self.gauge.centers.atoms(frame)?, &found.shells);
        }
        Ok(())
    }

    /// None with layers: they look at the surfaces too.
    fn gauge(&self) -> Option<Arc<dyn Gauge>> {
        self.layers.is_none().then(|| Arc::clone(&self.gauge) as _)
    }

    fn add(&mut self, reading: Reading) {
        if let Ok(found) = reading.downcast::<Found>() {
            self.add_found(&found);
        }
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
                self.gauge.grid.r_max()
            ));
            return vec![result];
        };
        self.fill(&mut result, &sums, edge);
        if let Some(layers) = &self.layers {
            let names: Vec<&str> = self.gauge.ligands.iter().map(String::as_str).chain(["all ligands"]).collect();
            layers.fill(&mut result, &self.center, &names);
        }
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let Shells { grid, ligands, .. } = &*self.gauge;
        let (r_max, n) = (grid.r_max(), grid.len());
        format!(
            "coordination numbers of {} by {}, r_min {:?} nm, {n} bins to {r_max:.9} nm, {:?} layers",
            self.center,
            ligands.join(", "),
            self.r_min,
            self.layers.as_ref().map(Layers::fingerprint)
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
        self.layers.iter().for_each(|l| l.save(writer));
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        let Shells { centers, groups, .. } = &*self.gauge;
        let groups = groups.iter().map(|g| (g, groups.len() == 1));
        [(centers, true)].into_iter().chain(groups).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)?;
        self.layers.as_mut().map_or(Ok(()), |l| l.restore(reader))
    }
}

impl Coordination {
    fn fill(&self, result: &mut AnalysisResult, sums: &[f64], edge: usize) {
        let center = self.center.as_str();
        let gauge = &*self.gauge;
        let (grid, all, n_groups) = (&gauge.grid, gauge.all(), gauge.n_groups());
        let jackknife = self.blocks.jackknife();
        let r_min = grid.edge(edge);
        let group_names: Vec<&str> = gauge.ligands.iter().map(String::as_str).chain(["all ligands"]).collect();
        let mut push = |id: String, label: String, estimate: Option<Estimate>, unit: &str| {
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };

        push(
            format!("shell_radius({center})"),
            format!("{center} shell radius r_min"),
            Some(Estimate::with_error(r_min, None)),
            "nm",
        );
        let total = jackknife.estimate(|s, _| Some(self.mean_within(s, all, edge)));
        push(format!("coordination_number({center})"), format!("{center} coordination number"), total, "1");
        for (group, ligand) in gauge.ligands.iter().enumerate().filter(|(group, _)| gauge.groups[*group].ever_held()) {
            let mean = jackknife.estimate(|s, _| Some(self.mean_within(s, group, edge)));
            let label = format!("{center} – {ligand} coordination number");
            push(format!("coordination_number({center},{ligand})"), label, mean, "1");
        }
        let total_histogram = self.histogram(sums, all, edge);
        let mode = |s: &[f64], _: f64| {
            let p = self.histogram(s, all, edge);
            Some((0..=MAX_COUNT).fold(0, |m, k| if p[k] > p[m] { k } else { m }) as f64)
        };
        push(
            format!("coordination_mode({center})"),
            format!("{center} most frequent coordination number"),
            jackknife.estimate(mode),
            "1",
        );
        for k in (0..=MAX_COUNT).filter(|&k| total_histogram[k] > 0.0 || ALWAYS_REPORTED.contains(&k)) {
            let fraction = jackknife.estimate(|s, _| Some(self.histogram(s, all, edge)[k]));
            push(
                format!("coordination_fraction({center},{k})"),
                format!("{center} fraction with CN = {k}"),
                fraction,
                "1",
            );
        }

        let histograms: Vec<Vec<f64>> = (0..n_groups).map(|group| self.histogram(sums, group, edge)).collect();
        let last = (0..=MAX_COUNT).rev().find(|&k| histograms.iter().any(|h| h[k] > 0.0)).unwrap_or(0);
        let mut columns = vec![Column::new("CN", "1", (0..=last).map(|k| k as f64).collect())];
        for (name, histogram) in group_names.iter().zip(&histograms) {
            columns.push(Column::new(format!("P(CN) {name}"), "1", histogram[..=last].to_vec()));
        }
        result.tables.push(Table { name: result.name.clone(), columns });

        let step = (SENSITIVITY / grid.width()).round() as usize;
        let edges = [edge.saturating_sub(step), edge, (edge + step).min(grid.len())];
        let mut columns = vec![Column::new("r", "nm", edges.map(|e| grid.edge(e)).to_vec())];
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
        let inside: Vec<usize> = (0..gauge.ligands.len()).filter(present).collect();
        let mut series = vec![bars(all, 0)];
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
        let counted = |e: usize| jackknife.estimate(|s, _| Some(self.mean_within(s, all, e)));
        let told =
            |e: usize| counted(e).map(|n| format!("{} at {:.3} nm", number_with_error(n.value, n.error), grid.edge(e)));
        let around: Vec<String> = edges.into_iter().filter_map(told).collect();
        result.notes.push(format!("r_min = {r_min:.3} nm ({how}); coordination number {}.", around.join(", ")));
        if total_histogram[MAX_COUNT] > 0.0 {
            result.notes.push(format!("The last bin of the histogram means {MAX_COUNT} or more."));
        }
    }
}
