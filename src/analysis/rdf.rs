//! Radial distribution functions g(r) and running coordination numbers n(r).
//!
//! g_ab(r) = ⟨V / (N_ab 4π r²) Σ_{i∈a} Σ_{j∈b, j≠i} δ(r − r_ij)⟩, with N_ab the number of ordered pairs i ≠ j: N_a N_b for separate
//! groups and N_a (N_a − 1) within one. The volume is that of each frame, shells are exact spherical shells. In a closed
//! box g tends to 1 − O(1/N) behind a shell of many neighbours; this is not corrected. Pairs inside one molecule are
//! counted like any other unless `intramolecular = false`, which leaves them out of N_ab too. With `centers = "molecules"` the
//! points are centres of mass of the molecules that a selection touches. Groups that depend on positions are counted afresh in
//! every frame. n_ab(r) is the mean number of b within r of an a, counted directly; for a constant volume it is
//! 4π ρ_b ∫ g r² dr.

use super::ahead::{Gauge, Reading};
use super::blocks::Blocks;
use super::codec::{Reader, Writer};
use super::distance_counts::{self, Counts};
use super::grid::RadialGrid;
use super::pairs::PairSearch;
use super::particles::{Molecules, n_inside};
use super::peaks;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Mark, Quantity, Series, SeriesKind, Table};
use super::selection::{Selection, n_common};
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use rayon::prelude::*;
use std::sync::Arc;

/// Centres handled by one task.
const CHUNK: usize = 256;
/// Where g(r) ends by default, nm: it holds three shells, and the pairs within it grow with the box, not with its square.
const R_MAX: f64 = 1.5;

/// One or more g(r) on a common grid.
pub struct Rdf {
    gauge: Arc<PairCounts>,
    /// Per pair and frame: `[n_bins]` pair counts, `[n_bins]` counts × V / N_ab (nm³), N_a.
    blocks: Vec<Blocks>,
}

/// Counts the pairs of a frame.
struct PairCounts {
    pairs: Vec<Pair>,
    grid: RadialGrid,
    molecules: Molecules,
    settings: Settings,
}

/// The pairs of a frame.
struct Counted {
    /// `[n_bins]` and, last, those beyond
    bins: Vec<u64>,
    n_a: usize,
    /// V / N_ab, nm³
    weight: f64,
}

/// Which points, which pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Centres of mass of molecules instead of atoms.
    pub molecules: bool,
    /// Count pairs inside one molecule?
    pub intramolecular: bool,
}

struct Pair {
    names: (String, String),
    a: Selection,
    b: Selection,
}

impl Rdf {
    /// * `pairs` – selections (a, b): b around a
    /// * `r_max` – nm, at most half the smallest height of `cell`; `None` = that, but at most [`R_MAX`]
    /// * `bin_width` – nm
    pub fn new(
        pairs: &[(String, String)],
        r_max: Option<f64>,
        bin_width: f64,
        settings: Settings,
        topology: &Topology,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        let r_max = r_max.unwrap_or(half_height.min(R_MAX));
        if r_max > half_height * (1.0 + 1e-9) {
            return Err(AnalysisError::RadiusExceedsHalfBox { what: "r_max", radius: r_max, half_height });
        }
        // NaN must fail too, hence the positive form.
        let usable = bin_width > 1e-6 && r_max.is_finite() && r_max / bin_width >= 2.0;
        if !usable {
            let remedy = "bins need a positive width (nm) and at least two of them below r_max";
            return Err(AnalysisError::InvalidSetting { what: "bin_width", value: bin_width, remedy });
        }
        let grid = RadialGrid::from_zero(r_max, bin_width);
        let pairs = pairs
            .iter()
            .map(|(first, second)| {
                let (a, b) = (Selection::new(first, topology)?, Selection::new(second, topology)?);
                Ok(Pair { names: (first.clone(), second.clone()), a, b })
            })
            .collect::<Result<Vec<_>, AnalysisError>>()?;
        let blocks = pairs.iter().map(|_| Blocks::new(2 * grid.len() + 1)).collect();
        Ok(Rdf { gauge: Arc::new(PairCounts { pairs, grid, molecules: Molecules::new(topology), settings }), blocks })
    }
}

impl PairCounts {
    /// `[n_pairs]`
    fn count(&self, frame: &Snapshot) -> Result<Vec<Counted>, AnalysisError> {
        let (grid, settings, molecules) = (self.grid, self.settings, &self.molecules);
        let volume = frame.cell.volume();
        let mut counted = Vec::with_capacity(self.pairs.len());
        for pair in &self.pairs {
            let (mut a, mut b) = (pair.a.atoms(frame)?, pair.b.atoms(frame)?);
            let mut n_pairs = (a.len() * b.len() - n_common(&a, &b)) as f64;
            let (centers_of_mass, of_molecules);
            let points = if settings.molecules {
                a = molecules.touched(&a).into();
                b = molecules.touched(&b).into();
                centers_of_mass = molecules.centers(&[&a, &b], frame);
                n_pairs = (a.len() * b.len() - n_common(&a, &b)) as f64;
                of_molecules = frame.with_positions(&centers_of_mass);
                &of_molecules
            } else {
                if !settings.intramolecular {
                    n_pairs = (a.len() * b.len() - n_inside(&a, &b, molecules)) as f64;
                }
                frame
            };
            let (a, b): (&[u32], &[u32]) = (&a, &b);
            let search = PairSearch::new(points, b, grid.r_max())?;
            // Within one group every pair is found once, and counts twice.
            let same = a == b;
            // Which atoms a distance belongs to matters only where pairs of one molecule are left out; then pairs are visited one by one.
            let count = |centers: std::ops::Range<usize>| -> Vec<u64> {
                let mut counts = Counts::new(grid);
                match (same, settings.intramolecular || settings.molecules) {
                    (true, true) => {
                        search.count_within(centers, &mut counts);
                        let mut bins = counts.finish();
                        bins.iter_mut().for_each(|n| *n *= 2);
                        bins
                    }
                    (false, true) => {
                        for &i in &a[centers.clone()] {
                            search.count_around(points.positions[i as usize], &mut counts);
                        }
                        let mut bins = counts.finish();
                        // An atom of both groups has met itself.
                        bins[0] -= n_common(&a[centers], b) as u64;
                        bins
                    }
                    (_, false) => {
                        for &i in &a[centers] {
                            search.visit(points.positions[i as usize], |k, d| {
                                if molecules.differ(i, b[k]) {
                                    counts.add_one(d.length());
                                }
                            });
                        }
                        counts.finish()
                    }
                }
            };
            let chunks = a.len().div_ceil(CHUNK);
            let chunk = |k: usize| count(k * CHUNK..((k + 1) * CHUNK).min(a.len()));
            let counts = match chunks {
                0 | 1 => count(0..a.len()),
                n => (0..n).into_par_iter().map(chunk).reduce(|| vec![0; grid.len() + 1], distance_counts::add),
            };
            counted.push(Counted { bins: counts, n_a: a.len(), weight: volume / n_pairs.max(1.0) });
        }
        Ok(counted)
    }
}

impl Gauge for PairCounts {
    fn read(&self, frame: &Snapshot) -> Result<Reading, AnalysisError> {
        Ok(Box::new(self.count(frame)?))
    }

    fn atoms(&self) -> Option<Vec<u32>> {
        let fixed = |pair: &Pair| Some([pair.a.fixed()?, pair.b.fixed()?].concat());
        let atoms: Vec<Vec<u32>> = self.pairs.iter().map(fixed).collect::<Option<_>>()?;
        (!self.settings.molecules).then(|| atoms.concat())
    }
}

impl Rdf {
    fn add_counted(&mut self, counted: &[Counted]) {
        let n = self.gauge.grid.len();
        for (blocks, Counted { bins, n_a, weight }) in self.blocks.iter_mut().zip(counted) {
            blocks.add_frame(|slot| {
                let (plain, rest) = slot.split_at_mut(n);
                let (weighted, of_a) = rest.split_at_mut(n);
                of_a[0] += *n_a as f64;
                for ((plain, weighted), &n) in plain.iter_mut().zip(weighted).zip(bins) {
                    *plain += n as f64;
                    *weighted += n as f64 * weight;
                }
            });
        }
    }
}

impl Observable for Rdf {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let counted = self.gauge.count(frame)?;
        self.add_counted(&counted);
        Ok(())
    }

    fn gauge(&self) -> Option<Arc<dyn Gauge>> {
        Some(Arc::clone(&self.gauge) as _)
    }

    fn add(&mut self, reading: Reading) {
        if let Ok(counted) = reading.downcast::<Vec<Counted>>() {
            self.add_counted(&counted);
        }
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let PairCounts { pairs, grid, settings, .. } = &*self.gauge;
        pairs.iter().zip(&self.blocks).map(|(pair, blocks)| pair.result(blocks, grid, *settings)).collect()
    }

    fn fingerprint(&self) -> String {
        let PairCounts { pairs, grid, settings, .. } = &*self.gauge;
        let names: Vec<String> = pairs.iter().map(|p| format!("{}|{}", p.names.0, p.names.1)).collect();
        let (r_max, n) = (grid.r_max(), grid.len());
        format!("rdf {} r_max {r_max:.9} nm bins {n} {settings:?}", names.join(" "))
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.iter().for_each(|blocks| blocks.save(writer));
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        self.gauge.pairs.iter().flat_map(|p| [(&p.a, false), (&p.b, false)]).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.iter_mut().try_for_each(|blocks| blocks.restore(reader))
    }
}

impl Pair {
    /// g(r) from sums over `frames`, `[n_bins]`.
    fn g(&self, sums: &[f64], frames: f64, grid: &RadialGrid) -> Vec<f64> {
        let weighted = &sums[grid.len()..2 * grid.len()];
        let scale = 1.0 / frames;
        weighted.iter().enumerate().map(|(k, w)| w * scale / grid.shell_volume(k)).collect()
    }

    /// n(r) at the upper edge of every bin, `[n_bins]`.
    fn running(&self, sums: &[f64], grid: &RadialGrid) -> Vec<f64> {
        let scale = 1.0 / sums[2 * grid.len()].max(1.0);
        let mut sum = 0.0;
        let accumulate = |count: &f64| {
            sum += count;
            sum * scale
        };
        sums[..grid.len()].iter().map(accumulate).collect()
    }

    fn result(&self, blocks: &Blocks, grid: &RadialGrid, settings: Settings) -> AnalysisResult {
        let (a, b) = (self.names.0.as_str(), self.names.1.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["rdf", a, b]),
            title: format!("Radial distribution {a} – {b}"),
            n_frames: blocks.n_frames(),
            ..Default::default()
        };
        if blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return result;
        }
        if !(self.a.ever_held() && self.b.ever_held()) {
            return result;
        }
        let (sums, frames) = (blocks.total(), blocks.n_frames() as f64);
        let jackknife = blocks.jackknife();
        let (g, n) = (self.g(&sums, frames, grid), self.running(&sums, grid));

        let shells = |sums: &[f64], frames: f64| {
            let g = self.g(sums, frames, grid);
            let first = peaks::first_shell(&g, &sums[..grid.len()], grid)?;
            let second = peaks::second_shell(&g, &sums[..grid.len()], first.minimum, grid);
            Some((first, second))
        };
        let within = |sums: &[f64], r: f64| match grid.nearest_edge(r) {
            0 => 0.0,
            edge => self.running(sums, grid)[edge - 1],
        };
        let total = shells(&sums, frames);
        let mut push = |kind: &str, label: &str, unit: &str, value: &dyn Fn(&[f64], f64) -> Option<f64>| {
            if let Some(estimate) = jackknife.estimate(value) {
                let (id, label) = (format!("{kind}({a},{b})"), format!("{a} – {b} {label}"));
                result.values.push(Quantity::new(id, label, estimate, unit));
            }
        };
        push("first_peak", "first peak", "nm", &|s, f| Some(shells(s, f)?.0.peak));
        push("first_peak_height", "height of the first peak", "1", &|s, f| Some(shells(s, f)?.0.height));
        push("first_minimum", "first minimum", "nm", &|s, f| Some(shells(s, f)?.0.minimum));
        push("second_peak", "second peak", "nm", &|s, f| Some(shells(s, f)?.1?.peak));
        push("second_minimum", "second minimum", "nm", &|s, f| Some(shells(s, f)?.1?.minimum));
        if let Some((first, second)) = total {
            // Counted between fixed distances: the error then is that of the count alone.
            push("running_number", "neighbours within the first minimum", "1", &|s, _| Some(within(s, first.minimum)));
            if let Some(second) = second {
                push("second_shell_count", "neighbours in the second shell", "1", &|s, _| {
                    Some(within(s, second.minimum) - within(s, first.minimum))
                });
            }
        }

        let centers = (0..grid.len()).map(|k| grid.center(k)).collect();
        result.tables.push(Table {
            name: result.name.clone(),
            columns: vec![
                Column::new("r", "nm", centers),
                Column::new("g(r)", "1", g.clone()),
                Column::new("n(r + half a bin)", "1", n.clone()),
            ],
        });
        result.figures.push(self.figure(&result.name, grid, &g, &n, total));
        result.notes.push(format!(
            "Bins of {} nm; peaks from a parabola through ln g weighted with the counts; errors from a jackknife over blocks.",
            grid.width()
        ));
        if settings.molecules {
            result.notes.push("Between centres of mass of molecules.".to_string());
        } else if !settings.intramolecular {
            result.notes.push("Pairs inside one molecule are left out.".to_string());
        }
        if total.is_none() {
            result.notes.push("g(r) shows no first shell that ends within the range.".to_string());
        }
        result
    }

    /// g(r) and n(r) up to just behind the second shell, or farther where the first pairs are farther apart, with g magnified behind the first
    /// peak if that dwarfs the rest.
    fn figure(&self, name: &str, grid: &RadialGrid, g: &[f64], n: &[f64], shells: Option<Shells>) -> Figure {
        let (a, b) = (self.names.0.as_str(), self.names.1.as_str());
        let nearest = g.iter().position(|g| *g > 0.0).map_or(0.0, |k| grid.center(k));
        let x_max = grid.r_max().min((nearest + 0.6).max(0.8));
        let shown = (0..grid.len()).take_while(|&k| grid.center(k) <= x_max).count();
        let high = g[..shown].iter().copied().fold(1.0, f64::max);
        let line = |label: String, kind, on_right, color, points| Series { label, kind, on_right, color, points };
        let mut series = vec![line("g(r)".to_string(), SeriesKind::Line, false, 0, results::curve(grid, &g[..shown]))];
        let mut marks = Vec::new();
        if let Some((first, _)) = shells {
            marks.push(Mark { x: first.minimum, label: format!("r_min {:.3}", first.minimum) });
            let edge = grid.nearest_edge(first.minimum).min(shown);
            let behind = g[edge..shown].iter().copied().fold(0.0, f64::max);
            if behind > 0.0
                && let Some(factor) = [50.0, 20.0, 10.0, 5.0].into_iter().find(|f| f * behind < 0.6 * high)
            {
                let points = (edge..shown).map(|k| [grid.center(k), factor * g[k]]).collect();
                series.push(line(format!("g(r) × {factor}"), SeriesKind::DashedLine, false, 0, points));
            }
        }
        let running = (0..shown).map(|k| [grid.edge(k + 1), n[k]]).collect();
        series.push(line("n(r)".to_string(), SeriesKind::Line, true, 1, running));
        // The running number rises without end: show what belongs to two shells.
        let n_high = n[..shown].last().copied().unwrap_or(1.0).clamp(1.0, 24.0);
        Figure {
            name: name.to_string(),
            title: format!("{a} – {b}"),
            x: Axis::new("r", "nm").with_range(0.0, x_max),
            y: Axis::new("g(r)", "1").with_range(0.0, 1.08 * high),
            right: Some(Axis::new("n(r)", "1").with_range(0.0, n_high)),
            series,
            marks,
            ..Figure::default()
        }
    }
}

type Shells = (peaks::Shell, Option<peaks::Shell>);
