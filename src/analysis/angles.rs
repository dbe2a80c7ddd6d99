//! Ligand–centre–ligand angles in the first shell: 90° and 180° for an octahedron, 109.5° for a tetrahedron.
//!
//! P(θ) is normalised to 1 over degrees. Random directions already give P ∝ sin θ, which hides a peak at 180°; peak positions
//! are therefore those of the density per solid angle, P(θ)/sin θ, which an ideal octahedron has at 90° and 180°. Both are written.
//!
//! As for coordination numbers the shell radius may be chosen afterwards: angles are binned by the distance of the farther
//! ligand as well, so the distribution within any radius is a sum over bins.

use super::blocks::Blocks;
use super::codec::{Reader, Writer};
use super::coordination::{first_minimum_edge, shell_grid};
use super::grid::RadialGrid;
use super::pairs::PairSearch;
use super::peaks::parabola_vertex;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Mark, Quantity, Series, SeriesKind, Table};
use super::selection::{Selection, n_common};
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use glam::DVec3;

/// Angles below are "cis", above "trans": half-way between 90° and 180°.
const DIVISION: f64 = 135.0;
/// Smoothing of the density per solid angle, degrees.
const SMOOTHING: f64 = 2.0;
/// The parabola uses bins above this fraction of the height.
const PEAK_FRACTION: f64 = 0.7;
/// A peak with a smaller share of all angles is not reported.
const SMALLEST_SHARE: f64 = 0.01;

/// Angle distribution around all atoms of one selection.
pub struct Angles {
    center: String,
    ligand: String,
    centers: Selection,
    members: Selection,
    r_min: Option<f64>,
    grid: RadialGrid,
    /// Bins are centred on 0, w, 2w, …, 180°; the first and the last are half as wide.
    n_angles: usize,
    /// Per frame: V, ordered pairs i ≠ j, `[n_bins]` neighbours, `[n_bins][n_angles]` pairs of neighbours by the farther one's bin.
    blocks: Blocks,
}

impl Angles {
    /// * `r_min` – nm; `None` = first minimum of g(r)
    /// * `bin_width` – degrees; adjusted so that a whole number of bins spans 180°
    pub fn new(
        center: &str,
        ligand: &str,
        r_min: Option<f64>,
        bin_width: f64,
        topology: &Topology,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let (centers, members) = (Selection::new(center, topology)?, Selection::new(ligand, topology)?);
        let usable = (0.1..=30.0).contains(&bin_width);
        if !usable {
            let remedy = "angle bins may be 0.1 to 30 degrees wide";
            return Err(AnalysisError::InvalidSetting { what: "bin_width", value: bin_width, remedy });
        }
        let grid = shell_grid(r_min, cell)?;
        let n_angles = (180.0 / bin_width).round() as usize + 1;
        Ok(Angles {
            center: center.to_string(),
            ligand: ligand.to_string(),
            centers,
            members,
            r_min,
            grid,
            n_angles,
            blocks: Blocks::new(2 + grid.len() * (1 + n_angles)),
        })
    }

    /// Degrees.
    fn bin_width(&self) -> f64 {
        180.0 / (self.n_angles - 1) as f64
    }

    fn shell_edge(&self, sums: &[f64]) -> Option<usize> {
        let edge = match self.r_min {
            Some(r) => self.grid.nearest_edge(r),
            None => {
                let counts = &sums[2..2 + self.grid.len()];
                first_minimum_edge(counts, sums[0], sums[1], self.blocks.n_frames(), &self.grid)?
            }
        };
        (edge >= 1).then_some(edge)
    }

    /// Number of ligand pairs by angle, both within edge `edge`; `[n_angles]`.
    fn counts(&self, sums: &[f64], edge: usize) -> Vec<f64> {
        let first = 2 + self.grid.len();
        let mut counts = vec![0.0; self.n_angles];
        for row in sums[first..first + edge * self.n_angles].chunks_exact(self.n_angles) {
            counts.iter_mut().zip(row).for_each(|(c, n)| *c += n);
        }
        counts
    }

    /// Share of the whole sphere that angle bin `k` covers: (cos θ₁ − cos θ₂)/2.
    fn solid_angle(&self, k: usize) -> f64 {
        let (low, high) = self.limits(k);
        0.5 * (low.to_radians().cos() - high.to_radians().cos())
    }

    /// Edges of angle bin `k`, degrees.
    fn limits(&self, k: usize) -> (f64, f64) {
        let (center, half) = (k as f64 * self.bin_width(), 0.5 * self.bin_width());
        ((center - half).max(0.0), (center + half).min(180.0))
    }

    /// Position of the largest density per solid angle among angles below or above [`DIVISION`], degrees.
    ///
    /// The curve is even about 0° and 180°, so it is continued there by reflection.
    fn peak(&self, counts: &[f64], above: bool) -> Option<f64> {
        let last = self.n_angles as i64 - 1;
        let reflected = |k: i64| if k < 0 { -k } else if k > last { 2 * last - k } else { k } as usize;
        let wanted = |k: i64| (k as f64 * self.bin_width() > DIVISION) == above;
        let all: f64 = counts.iter().sum();
        let share: f64 = (0..=last).filter(|&k| wanted(k)).map(|k| counts[k as usize]).sum();
        if all == 0.0 || share < SMALLEST_SHARE * all {
            return None;
        }
        let sigma = SMOOTHING / self.bin_width();
        let reach = ((4.0 * sigma).ceil() as i64).min(last);
        // Counts and solid angles are smoothed alike and then divided: the poles, where a bin holds next to nothing, stay calm.
        let density = |k: i64| {
            let (mut n, mut omega) = (0.0, 0.0);
            for j in k - reach..=k + reach {
                let weight = (-0.5 * ((j - k) as f64 / sigma).powi(2)).exp();
                // The half bins at the poles meet their own reflection.
                let twice = if j == 0 || j == last { 2.0 } else { 1.0 };
                n += weight * twice * counts[reflected(j)];
                omega += weight * twice * self.solid_angle(reflected(j));
            }
            n / omega
        };
        let smooth: Vec<f64> = (0..=last).map(density).collect();
        let top =
            (0..=last).filter(|&k| wanted(k)).max_by(|&a, &b| smooth[a as usize].total_cmp(&smooth[b as usize]))?;
        let limit = PEAK_FRACTION * smooth[top as usize];
        let contiguous = |step: i64| {
            (1..=reach.max(10)).take_while(|i| smooth[reflected(top + step * i)] >= limit).last().unwrap_or(0).max(2)
        };
        let samples: Vec<[f64; 3]> = (-contiguous(-1)..=contiguous(1))
            .map(|i| (i as f64, smooth[reflected(top + i)]))
            .filter(|&(_, s)| s > 0.0)
            .map(|(i, s)| [i, s.ln(), s])
            .collect();
        let shift = parabola_vertex(&samples).map_or(0.0, |(x, _)| x).clamp(-2.0, 2.0);
        Some(((top as f64 + shift) * self.bin_width()).clamp(0.0, 180.0))
    }
}

impl Observable for Angles {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let (grid, n_angles, bin_width) = (self.grid, self.n_angles, self.bin_width());
        let (centers, members) = (self.centers.atoms(frame)?, self.members.atoms(frame)?);
        let search = PairSearch::new(frame, &members, grid.r_max())?;
        self.blocks.add_frame(|slot| {
            slot[0] += frame.cell.volume();
            slot[1] += (centers.len() * members.len() - n_common(&centers, &members)) as f64;
            let (radial, angular) = slot[2..].split_at_mut(grid.len());
            let mut near: Vec<(usize, DVec3)> = Vec::new();
            for &center in centers.iter() {
                near.clear();
                search.visit(frame.positions[center as usize], |k, d| {
                    if members[k] != center
                        && let Some(bin) = grid.bin(d.length())
                    {
                        near.push((bin, d.normalize_or_zero()));
                    }
                });
                for (i, &(bin_i, u_i)) in near.iter().enumerate() {
                    radial[bin_i] += 1.0;
                    for &(bin_j, u_j) in &near[..i] {
                        // atan2 keeps full precision near 0° and 180°, where acos of a dot product loses half the digits.
                        let degrees = u_i.cross(u_j).length().atan2(u_i.dot(u_j)).to_degrees();
                        let angle = ((degrees / bin_width).round() as usize).min(n_angles - 1);
                        angular[bin_i.max(bin_j) * n_angles + angle] += 1.0;
                    }
                }
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let (center, ligand) = (self.center.as_str(), self.ligand.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["angles", ligand, center, ligand]),
            title: format!("Angles {ligand} – {center} – {ligand}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let sums = self.blocks.total();
        let Some(edge) = self.shell_edge(&sums) else {
            let r_max = self.grid.r_max();
            result.notes.push(format!("g(r) shows no first shell that ends within {r_max:.2} nm: give r_min."));
            return vec![result];
        };
        let counts = self.counts(&sums, edge);
        let n_pairs: f64 = counts.iter().sum();
        if n_pairs == 0.0 {
            result.notes.push("No centre has two ligands in its shell.".to_string());
            return vec![result];
        }
        self.fill(&mut result, &counts, n_pairs, edge);
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let (r_max, n) = (self.grid.r_max(), self.grid.len());
        let (center, ligand) = (&self.center, &self.ligand);
        format!(
            "angles {ligand} {center} {ligand}, r_min {:?} nm, {n} bins to {r_max:.9} nm, {} angles",
            self.r_min, self.n_angles
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        vec![(&self.centers, true), (&self.members, true)]
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}

impl Angles {
    fn fill(&self, result: &mut AnalysisResult, counts: &[f64], n_pairs: f64, edge: usize) {
        let (center, ligand) = (self.center.as_str(), self.ligand.as_str());
        let mut push = |kind: &str, label: &str, unit: &str, value: &dyn Fn(&[f64]) -> Option<f64>| {
            if let Some(estimate) = self.blocks.estimate(|s, _| value(&self.counts(s, edge))) {
                let (id, label) =
                    (format!("{kind}({center},{ligand})"), format!("{ligand} – {center} – {ligand} {label}"));
                result.values.push(Quantity::new(id, label, estimate, unit));
            }
        };
        let trans_share = |c: &[f64]| {
            let all: f64 = c.iter().sum();
            let above = (0..self.n_angles).filter(|&k| k as f64 * self.bin_width() > DIVISION);
            (all > 0.0).then(|| above.map(|k| c[k]).sum::<f64>() / all)
        };
        push("angle_cis_peak", "angle below 135°", "deg", &|c| self.peak(c, false));
        push("angle_trans_peak", "angle above 135°", "deg", &|c| self.peak(c, true));
        push("angle_trans_fraction", "fraction of angles above 135°", "1", &trans_share);

        let theta: Vec<f64> = (0..self.n_angles).map(|k| k as f64 * self.bin_width()).collect();
        let per_degree = |k: usize| {
            let (low, high) = self.limits(k);
            counts[k] / (n_pairs * (high - low))
        };
        let density: Vec<f64> = (0..self.n_angles).map(per_degree).collect();
        let isotropic: Vec<f64> = (0..self.n_angles).map(|k| counts[k] / (n_pairs * self.solid_angle(k))).collect();
        let points = theta.iter().zip(&density).map(|(&t, &p)| [t, p]).collect();
        result.tables.push(Table {
            name: result.name.clone(),
            columns: vec![
                Column::new("angle", "deg", theta),
                Column::new("P(angle)", "1/deg", density),
                Column::new("density per solid angle, 1 = isotropic", "1", isotropic),
            ],
        });
        let r_min = self.grid.edge(edge);
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("{ligand} – {center} – {ligand} angles within {r_min:.3} nm"),
            x: Axis::new("angle", "°").with_range(0.0, 180.0),
            y: Axis::new("P(θ)", "1/°"),
            right: None,
            series: vec![Series::new(SeriesKind::Area, "P(θ)", 0, points)],
            marks: vec![Mark { x: 90.0, label: "90°".to_string() }, Mark { x: 180.0, label: "180°".to_string() }],
            ..Default::default()
        });
        let how = if self.r_min.is_some() { "given" } else { "first minimum of g(r)" };
        result.notes.push(format!(
            "Both ligands within r_min = {r_min:.3} nm ({how}); peak positions are those of P(θ)/sin θ, smoothed by {SMOOTHING}°."
        ));
    }
}
