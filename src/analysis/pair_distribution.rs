//! X-ray structure factor S(Q) and pair distribution function G(r), to lay over a measured one.
//!
//! Faber–Ziman: S(Q) − 1 = Σ_ab w_ab(Q) [A_ab(Q) − 1], w_ab = c_a c_b f_a f_b/(Σ c f)², where c_a² of like pairs is N_a (N_a − 1)/N², the pairs that exist
//! and by which g_aa is normalised; with
//! A_ab(Q) − 1 = 4πρ ∫₀^R r² (g_ab − 1) sin(Qr)/(Qr) dr and R half the box, and G(r) = (2/π) ∫₀^Qmax Q [S(Q) − 1] sin(Qr) M(Q) dQ. M is
//! 1 or Lorch's sin(πQ/Qmax)/(πQ/Qmax) (E. Lorch, J. Phys. C 2, 229 (1969)). Q_max and M must be those of the experiment: they move and
//! widen the peaks. Form factors are those of neutral atoms; intramolecular pairs belong to G(r) and are counted.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::distance_counts::{self, Counts};
use super::form_factors::{form_factor, is_known};
use super::grid::RadialGrid;
use super::pairs::PairSearch;
use super::peaks;
use super::results::{AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::PairDistributionSpec;
use rayon::prelude::*;
use std::f64::consts::PI;

/// Centres handled by one task.
const CHUNK: usize = 128;
/// The first peak of S(Q) of a part of the run is looked for this near to that of the whole, nm⁻¹.
const NEAR_PEAK: f64 = 3.0;
/// G(r) is written up to here, nm, or to the range of g(r).
const R_SHOWN: f64 = 1.0;

/// S(Q) and G(r) of all atoms that have an element.
pub struct PairDistribution {
    spec: PairDistributionSpec,
    grid: RadialGrid,
    elements: Vec<String>,
    /// Atoms with an element, and the index of it.
    atoms: Vec<u32>,
    element_of: Vec<u8>,
    /// Mole fractions
    fractions: Vec<f64>,
    /// Per frame: V (nm³), then for every pair a ≤ b of elements `[n_bins]` ordered pairs a, b × V.
    blocks: Blocks,
}

impl PairDistribution {
    pub fn new(spec: &PairDistributionSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        let r_max = spec.r_max.unwrap_or(half_height);
        if r_max > half_height * (1.0 + 1e-9) {
            return Err(AnalysisError::RadiusExceedsHalfBox { what: "r_max", radius: r_max, half_height });
        }
        if r_max / spec.bin_width < 10.0 || r_max / spec.bin_width > 1e6 {
            let remedy = "between ten and a million bins must fit below r_max";
            return Err(AnalysisError::InvalidSetting { what: "bin_width", value: spec.bin_width, remedy });
        }
        if !(2.0..=1e5).contains(&(spec.q_max / spec.q_step)) {
            let remedy = "the step in Q must fit 2 to 100000 times below q_max";
            return Err(AnalysisError::InvalidSetting { what: "q_step", value: spec.q_step, remedy });
        }
        let (mut elements, mut atoms, mut element_of) = (Vec::<String>::new(), Vec::new(), Vec::new());
        for i in 0..topology.n_atoms() {
            let atom = topology.atom(i);
            if atom.mass == 0.0 {
                continue;
            }
            if !is_known(&atom.element) {
                let remedy = "an atom has an element without a tabulated form factor";
                return Err(AnalysisError::InvalidSetting { what: "atom", value: (i + 1) as f64, remedy });
            }
            let known = elements.iter().position(|e| *e == atom.element);
            element_of.push(known.unwrap_or(elements.len()) as u8);
            if known.is_none() {
                elements.push(atom.element.clone());
            }
            atoms.push(i as u32);
        }
        let share = |e: usize| element_of.iter().filter(|x| usize::from(**x) == e).count() as f64 / atoms.len() as f64;
        let fractions: Vec<f64> = (0..elements.len()).map(share).collect();
        let grid = RadialGrid::from_zero(r_max, spec.bin_width);
        let n_pairs = elements.len() * (elements.len() + 1) / 2;
        let blocks = Blocks::new(1 + n_pairs * grid.len());
        Ok(PairDistribution { spec: spec.clone(), grid, elements, atoms, element_of, fractions, blocks })
    }

    /// (a, b), a ≤ b, in the order of the sums.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let n = self.elements.len();
        (0..n).flat_map(move |a| (a..n).map(move |b| (a, b)))
    }

    /// g of every pair of elements, `[n_pairs][n_bins]`.
    fn partials(&self, sums: &[f64], frames: f64) -> Vec<Vec<f64>> {
        let n = self.atoms.len() as f64;
        let of_pair = |(k, (a, b)): (usize, (usize, usize))| {
            let (n_a, n_b) = (self.fractions[a] * n, self.fractions[b] * n);
            let pairs = if a == b { n_a * (n_a - 1.0) } else { n_a * n_b };
            let counts = &sums[1 + k * self.grid.len()..][..self.grid.len()];
            let g = |(bin, w): (usize, &f64)| w / (frames * pairs.max(1.0) * self.grid.shell_volume(bin));
            counts.iter().enumerate().map(g).collect()
        };
        self.pairs().enumerate().map(of_pair).collect()
    }

    /// Ordered pairs of elements a, b and, if they differ, b, a, over N².
    fn share_of_pairs(&self, a: usize, b: usize) -> f64 {
        match a == b {
            true => self.fractions[a] * (self.fractions[a] - 1.0 / self.atoms.len() as f64).max(0.0),
            false => 2.0 * self.fractions[a] * self.fractions[b],
        }
    }

    fn q(&self) -> Vec<f64> {
        let n = (self.spec.q_max / self.spec.q_step).round() as usize;
        (1..=n).map(|k| k as f64 * self.spec.q_max / n as f64).collect()
    }

    /// S(Q) at every `q`, nm⁻¹.
    fn structure_factor(&self, sums: &[f64], frames: f64, q: &[f64]) -> Vec<f64> {
        let density = self.atoms.len() as f64 * frames / sums[0];
        let partials = self.partials(sums, frames);
        let at = |q: &f64| {
            let f: Vec<f64> = self.elements.iter().map(|e| form_factor(e, *q).unwrap_or(0.0)).collect();
            let mean: f64 = f.iter().zip(&self.fractions).map(|(f, c)| f * c).sum();
            // One factor of every bin, with the sine integrated over the bin exactly: ∫ r sin(Qr) dr.
            let primitive = |r: f64| (q * r).sin() / (q * q) - r * (q * r).cos() / q;
            let weights: Vec<f64> = (0..self.grid.len())
                .map(|k| 4.0 * PI * density / q * (primitive(self.grid.edge(k + 1)) - primitive(self.grid.edge(k))))
                .collect();
            let excess: f64 = (self.pairs().zip(&partials))
                .map(|((a, b), g)| {
                    let a_ab: f64 = g.iter().zip(&weights).map(|(g, w)| (g - 1.0) * w).sum();
                    self.share_of_pairs(a, b) * f[a] * f[b] * a_ab
                })
                .sum();
            1.0 + excess / (mean * mean)
        };
        q.iter().map(at).collect()
    }

    /// G(r) (nm⁻²) at `r` (nm) by the trapezoid rule from Q = 0, where the integrand vanishes.
    fn transform(&self, s: &[f64], r: &[f64]) -> Vec<f64> {
        let q = self.q();
        let (step, last) = (q[0], q.len() - 1);
        let window = |q: f64| match self.spec.lorch {
            true if q >= self.spec.q_max => 0.0,
            true => (PI * q / self.spec.q_max).sin() / (PI * q / self.spec.q_max),
            false => 1.0,
        };
        let integrand: Vec<f64> = (q.iter().zip(s).enumerate())
            .map(|(k, (&q, &s))| (if k == last { 0.5 } else { 1.0 }) * step * q * (s - 1.0) * window(q))
            .collect();
        let at = |&r: &f64| 2.0 / PI * q.iter().zip(&integrand).map(|(q, v)| v * (q * r).sin()).sum::<f64>();
        r.iter().map(at).collect()
    }

    /// Position (Å⁻¹) of the highest point of S(Q), between the first and the last of at least three `q` (nm⁻¹).
    fn highest(q: &[f64], s: &[f64]) -> Option<(usize, f64)> {
        let top = (0..s.len()).max_by(|&i, &j| s[i].total_cmp(&s[j]))?;
        let window: Vec<[f64; 3]> =
            (top.saturating_sub(2)..(top + 3).min(s.len())).map(|k| [0.1 * q[k], s[k], 1.0]).collect();
        let vertex = peaks::parabola_vertex(&window).map_or(0.1 * q[top], |(x, _)| x);
        Some((top, vertex.clamp(0.1 * q[0], 0.1 * q[q.len() - 1])))
    }

    /// First peak of S(Q) beyond 1 Å⁻¹ and below 4 Å⁻¹, Å⁻¹. For its error S is worked out anew without each block, near the peak only.
    fn first_peak(&self, q: &[f64], s: &[f64]) -> Option<Estimate> {
        let low = q.iter().position(|q| *q >= 10.0)?;
        let high = q.iter().position(|q| *q > 40.0).unwrap_or(q.len());
        if high < low + 3 {
            return None;
        }
        let (top, _) = Self::highest(&q[low..high], &s[low..high])?;
        let reach = (NEAR_PEAK / (q[1] - q[0])).ceil() as usize + 2;
        let near = &q[(low + top).saturating_sub(reach).max(low)..(low + top + reach + 1).min(high)];
        self.blocks.estimate(|sums, frames| Some(Self::highest(near, &self.structure_factor(sums, frames, near))?.1))
    }

    fn r_shown(&self) -> Vec<f64> {
        let n = self.grid.nearest_edge(R_SHOWN.min(self.grid.r_max()));
        (1..=n).map(|k| self.grid.edge(k)).collect()
    }
}

/// What is odd about a measured G(r), if anything: `points` in Å and Å⁻².
///
/// * `last` – Å, end of the figure
fn overlay_hint(points: &[[f64; 2]], last: f64) -> Option<String> {
    let end = points.iter().map(|p| p[0]).fold(f64::NEG_INFINITY, f64::max);
    let inside = points.iter().filter(|p| (0.0..=last).contains(&p[0])).count();
    if inside == 0 {
        return Some(format!(
            "none of its points lies between 0 and {last:.1} Å, so it is not drawn; is the first column r in Å?"
        ));
    }
    // No diffraction experiment ends before the third neighbour.
    (end < 5.0).then(|| {
        format!(
            "it ends at r = {end:.3}. The first column is read as Å: a curve in nm must be multiplied, r by 10 and G by 0.01, to lie on this one."
        )
    })
}

impl Observable for PairDistribution {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let grid = self.grid;
        let members: Vec<Vec<u32>> = (0..self.elements.len())
            .map(|e| {
                let own = self.atoms.iter().zip(&self.element_of).filter(|(_, of)| usize::from(**of) == e);
                own.map(|(i, _)| *i).collect()
            })
            .collect();
        let searches = members
            .iter()
            .map(|m| PairSearch::new(frame, m, grid.r_max()))
            .collect::<Result<Vec<_>, AnalysisError>>()?;
        let mut counts = Vec::with_capacity(self.blocks.total().len() - 1);
        for (a, b) in self.pairs() {
            // Ordered pairs: within one element both orders, between two only (a, b).
            let chunk = |k: usize| {
                let (search, mut found) = (&searches[b], Counts::new(grid));
                let centers = k * CHUNK..((k + 1) * CHUNK).min(members[a].len());
                if a == b {
                    search.count_within(centers, &mut found);
                } else {
                    for &i in &members[a][centers] {
                        search.count_around(frame.positions[i as usize], &mut found);
                    }
                }
                found.finish()
            };
            let chunks = (0..members[a].len().div_ceil(CHUNK)).into_par_iter();
            let of_pair = chunks.map(chunk).reduce(|| vec![0; grid.len() + 1], distance_counts::add);
            let orders = if a == b { 2 } else { 1 };
            counts.extend(of_pair[..grid.len()].iter().map(|n| orders * n));
        }
        let volume = frame.cell.volume();
        self.blocks.add_frame(|slot| {
            slot[0] += volume;
            slot[1..].iter_mut().zip(&counts).for_each(|(s, &n)| *s += n as f64 * volume);
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let mut result = AnalysisResult {
            name: "pair_distribution".to_string(),
            title: "X-ray structure factor and pair distribution".to_string(),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let (q, r) = (self.q(), self.r_shown());
        let s = self.structure_factor(&sums, frames, &q);
        let g = self.transform(&s, &r);
        // nm⁻² to Å⁻², nm to Å, nm⁻¹ to Å⁻¹: what the field draws.
        let (r_a, g_a): (Vec<f64>, Vec<f64>) = r.iter().zip(&g).map(|(r, g)| (10.0 * r, 0.01 * g)).unzip();
        let q_a: Vec<f64> = q.iter().map(|q| 0.1 * q).collect();

        if let Some(estimate) = self.first_peak(&q, &s) {
            let (id, label) = ("structure_factor_peak".to_string(), "first peak of S(Q) beyond 1 Å⁻¹".to_string());
            result.values.push(Quantity::new(id, label, estimate, "1/angstrom"));
        }
        let partials = self.partials(&sums, frames);
        let mut columns =
            vec![Column::new("r", "angstrom", (0..self.grid.len()).map(|k| 10.0 * self.grid.center(k)).collect())];
        for ((a, b), g) in self.pairs().zip(&partials) {
            columns.push(Column::new(format!("g {}-{}", self.elements[a], self.elements[b]), "1", g.clone()));
        }
        result.tables.push(Table { name: format!("{}_partials", result.name), columns });
        result.tables.push(Table {
            name: format!("{}_sq", result.name),
            columns: vec![Column::new("Q", "1/angstrom", q_a.clone()), Column::new("S(Q)", "1", s.clone())],
        });
        result.tables.push(Table {
            name: format!("{}_gr", result.name),
            columns: vec![Column::new("r", "angstrom", r_a.clone()), Column::new("G(r)", "1/angstrom2", g_a.clone())],
        });
        let line = |label: &str, kind, color, points: Vec<[f64; 2]>| Series::new(kind, label, color, points);
        let zip = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(&x, &y)| [x, y]).collect::<Vec<_>>();
        let shown_q = q_a.iter().take_while(|q| **q <= 20.0).count();
        result.figures.push(Figure {
            name: format!("{}_sq", result.name),
            title: "X-ray structure factor".to_string(),
            x: Axis::new("Q", "Å⁻¹"),
            y: Axis::new("S(Q)", "1"),
            series: vec![line("S(Q)", SeriesKind::Line, 0, zip(&q_a[..shown_q], &s[..shown_q]))],
            ..Default::default()
        });
        let mut series = vec![line("this run", SeriesKind::Line, 0, zip(&r_a, &g_a))];
        if !self.spec.points.is_empty() {
            let last = r_a.last().copied().unwrap_or(0.0);
            if let Some(hint) = overlay_hint(&self.spec.points, last) {
                result.notes.push(format!("{}: {hint}", self.spec.measured));
            }
            let inside = self.spec.points.iter().filter(|p| (0.0..=last).contains(&p[0])).copied().collect();
            series.push(line(&format!("measured: {}", self.spec.measured), SeriesKind::DashedLine, 1, inside));
        }
        result.figures.push(Figure {
            name: format!("{}_gr", result.name),
            title: "X-ray pair distribution function".to_string(),
            x: Axis::new("r", "Å"),
            y: Axis::new("G(r)", "Å⁻²"),
            series,
            ..Default::default()
        });
        let window = if self.spec.lorch { "Lorch's window" } else { "no window" };
        result.notes.push(format!(
            "Q_max = {:.2} Å⁻¹, {window}; g(r) to {:.3} nm in bins of {} nm; form factors of neutral atoms (Waasmaier and Kirfel 1995). \
             Peaks of G(r) move and widen with Q_max and window: take those of the experiment. Below {:.2} Å⁻¹ S(Q) feels the end of g(r).",
            0.1 * self.spec.q_max,
            self.grid.r_max(),
            self.grid.width(),
            0.2 * PI / self.grid.r_max()
        ));
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let (r_max, n) = (self.grid.r_max(), self.grid.len());
        format!("pair-distribution of {}, {n} bins to {r_max:.9} nm", self.elements.join(", "))
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::overlay_hint;

    #[test]
    fn a_curve_in_nanometres_gets_a_hint() {
        let curve = |scale: f64| (0..200).map(|k| [0.1 * f64::from(k) * scale, 1.0]).collect::<Vec<_>>();
        assert_eq!(overlay_hint(&curve(1.0), 10.0), None);
        assert!(overlay_hint(&curve(0.1), 10.0).is_some_and(|h| h.contains("in nm")));
        assert!(overlay_hint(&[[20.0, 1.0], [30.0, 1.0]], 10.0).is_some_and(|h| h.contains("not drawn")));
    }
}
