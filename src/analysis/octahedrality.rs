//! How octahedral a shell is, from the six nearest ligands: measures that vary continuously where a coordination number jumps.
//!
//! * Bond angle variance σ² = Σ (θ_i − 90°)²/11 over the twelve smallest of the fifteen ligand–centre–ligand angles: 0 for an octahedron (K. Robinson, G. V. Gibbs,
//!   P. H. Ribbe, Science 172, 567 (1971)).
//! * Steinhardt's Q₄ and Q₆ over the six directions: Q_l² = 4π/(2l+1) Σ_m |⟨Y_lm⟩|² = 1/36 Σ_ij P_l(cos θ_ij); an octahedron has Q₄ = 0.7638, Q₆ = 0.3536
//!   (P. J. Steinhardt, D. R. Nelson, M. Ronchetti, Phys. Rev. B 28, 784 (1983)).
//! * Spread: standard deviation of the six distances over their mean; it grows before a ligand leaves.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::pairs::PairSearch;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::OctahedralitySpec;
use glam::DVec3;

const LIGANDS: usize = 6;
/// Bins of Q₄, 0 … 1.
const N_BINS: usize = 100;
/// Slots in front: centres with six ligands, all centres, Σ σ² (deg²), Σ Q₄, Σ Q₆, Σ spread.
const HEAD: usize = 6;

/// Octahedrality of the shells around a selection.
pub struct Octahedrality {
    spec: OctahedralitySpec,
    center: Selection,
    ligand: Selection,
    /// Per frame: `[HEAD]`, then `[N_BINS]` counts of Q₄.
    blocks: Blocks,
}

impl Octahedrality {
    pub fn new(spec: &OctahedralitySpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        if spec.r_search > half_height {
            return Err(AnalysisError::RadiusExceedsHalfBox { what: "r_search", radius: spec.r_search, half_height });
        }
        Ok(Octahedrality {
            spec: spec.clone(),
            center: Selection::new(&spec.center, topology)?,
            ligand: Selection::new(&spec.ligand, topology)?,
            blocks: Blocks::new(HEAD + N_BINS),
        })
    }
}

/// σ² (deg²), Q₄, Q₆, spread of six vectors (nm) from a centre.
pub fn measures(ligands: &[DVec3; LIGANDS]) -> [f64; 4] {
    let u = ligands.map(|d| d.normalize_or_zero());
    // P₄(1) = P₆(1) = 1, once for every ligand with itself.
    let (mut p4, mut p6) = (LIGANDS as f64, LIGANDS as f64);
    let mut angles = Vec::with_capacity(15);
    for i in 0..LIGANDS {
        for j in 0..i {
            let x = u[i].dot(u[j]).clamp(-1.0, 1.0);
            angles.push(u[i].cross(u[j]).length().atan2(x).to_degrees());
            let x_sq = x * x;
            p4 += 2.0 * ((35.0 * x_sq - 30.0) * x_sq + 3.0) / 8.0;
            p6 += 2.0 * (((231.0 * x_sq - 315.0) * x_sq + 105.0) * x_sq - 5.0) / 16.0;
        }
    }
    angles.sort_by(f64::total_cmp);
    let variance = angles[..12].iter().map(|a| (a - 90.0).powi(2)).sum::<f64>() / 11.0;
    let n_sq = (LIGANDS * LIGANDS) as f64;
    let lengths = ligands.map(DVec3::length);
    let mean = lengths.iter().sum::<f64>() / LIGANDS as f64;
    let spread = (lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / LIGANDS as f64).sqrt() / mean;
    [variance, (p4 / n_sq).max(0.0).sqrt(), (p6 / n_sq).max(0.0).sqrt(), spread]
}

impl Observable for Octahedrality {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let (centers, ligands) = (self.center.atoms(frame)?, self.ligand.atoms(frame)?);
        let search = PairSearch::new(frame, &ligands, self.spec.r_search)?;
        self.blocks.add_frame(|slot| {
            for &center in centers.iter() {
                let mut near: Vec<(f64, DVec3)> = Vec::new();
                search.visit(frame.positions[center as usize], |k, d| {
                    if ligands[k] != center {
                        near.push((d.length_squared(), d));
                    }
                });
                slot[1] += 1.0;
                near.sort_by(|a, b| a.0.total_cmp(&b.0));
                let [(_, a), (_, b), (_, c), (_, d), (_, e), (_, f), ..] = near[..] else { continue };
                let found = measures(&[a, b, c, d, e, f]);
                slot[0] += 1.0;
                slot[2..HEAD].iter_mut().zip(found).for_each(|(s, v)| *s += v);
                slot[HEAD + ((found[1] * N_BINS as f64) as usize).min(N_BINS - 1)] += 1.0;
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let (center, ligand) = (self.spec.center.as_str(), self.spec.ligand.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["octahedrality", center, ligand]),
            title: format!("Octahedrality of {ligand} around {center}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        let sums = self.blocks.total();
        if self.blocks.n_frames() == 0 || sums[0] == 0.0 {
            let r = self.spec.r_search;
            result.notes.push(format!("No frame was sampled, or no centre had six ligands within {r:.3} nm in any."));
            return vec![result];
        }
        let mut push = |kind: &str, label: &str, unit: &str, estimate: Option<Estimate>| {
            let (id, label) = (format!("{kind}({center},{ligand})"), format!("{center} – {ligand} {label}"));
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };
        let mean = |k: usize| self.blocks.estimate(|s, _| (s[0] > 0.0).then(|| s[k] / s[0]));
        push("bond_angle_variance", "bond angle variance", "deg2", mean(2));
        push("steinhardt_q4", "Q₄", "1", mean(3));
        push("steinhardt_q6", "Q₆", "1", mean(4));
        push("distance_spread", "spread of the six distances", "1", mean(5));
        let q: Vec<f64> = (0..N_BINS).map(|k| (k as f64 + 0.5) / N_BINS as f64).collect();
        let density: Vec<f64> = (0..N_BINS).map(|k| sums[HEAD + k] / sums[0] * N_BINS as f64).collect();
        let points = q.iter().zip(&density).map(|(&q, &p)| [q, p]).collect();
        result.tables.push(Table {
            name: result.name.clone(),
            columns: vec![Column::new("Q4", "1", q), Column::new("P(Q4)", "1", density)],
        });
        let label = "P(Q₄)".to_string();
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("Q₄ of the six nearest {ligand} around {center}"),
            x: Axis::new("Q₄ (0.764 for an octahedron)", "1").with_range(0.0, 1.0),
            y: Axis::new("P(Q₄)", "1"),
            series: vec![Series::new(SeriesKind::Area, label, 0, points)],
            ..Default::default()
        });
        let missing = sums[1] - sums[0];
        result.notes.push(format!(
            "The six nearest {ligand} within {:.3} nm; σ² over the twelve smallest angles; {missing} of {} centres had fewer than six.",
            self.spec.r_search, sums[1]
        ));
        vec![result]
    }

    fn fingerprint(&self) -> String {
        format!("octahedrality of {} around {}, {} nm", self.spec.ligand, self.spec.center, self.spec.r_search)
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        vec![(&self.center, true), (&self.ligand, true)]
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideal_and_other_shapes() {
        let octahedron = [DVec3::X, -DVec3::X, DVec3::Y, -DVec3::Y, DVec3::Z, -DVec3::Z].map(|u| u * 0.21);
        let [variance, q4, q6, spread] = measures(&octahedron);
        // Q₄ = √(7/12), Q₆ = √(1/8) for six ligands along the axes.
        assert!(variance < 1e-20 && spread < 1e-15);
        assert!((q4 - (7.0_f64 / 12.0).sqrt()).abs() < 1e-14 && (q6 - 0.125_f64.sqrt()).abs() < 1e-14);
        // A trigonal prism with square faces: Bailar twist by 60 degrees.
        let ring = |z: f64, k: i32| {
            let phi = f64::from(k) * std::f64::consts::TAU / 3.0;
            DVec3::new(phi.cos(), phi.sin(), z * 0.75_f64.sqrt())
        };
        let prism = [ring(1.0, 0), ring(1.0, 1), ring(1.0, 2), ring(-1.0, 0), ring(-1.0, 1), ring(-1.0, 2)];
        let [variance, q4, ..] = measures(&prism);
        assert!(variance > 100.0 && q4 < 0.6, "{variance} {q4}");
    }
}
