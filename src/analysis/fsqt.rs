//! Self intermediate scattering function, what quasi-elastic neutron scattering sees of hydrogen.
//!
//! F_s(q,t) = ⟨exp(i q·[r(t) − r(0)])⟩ averaged over all directions of q: ⟨sin(q d)/(q d)⟩ with d the distance moved, without the motion of the
//! system's centre of mass. Γ(q) is the slope of −ln F_s over a stated window. Jump diffusion: 1/Γ = 1/(D q²) + τ₀
//! (K. S. Singwi, A. Sjölander, Phys. Rev. 119, 863 (1960)), a straight line in 1/q². The resolution of an instrument is not applied.

use super::blocks::{Blocks, Estimate, Overlap};
use super::codec::{Reader, Writer};
use super::lags::{LagGrid, Origins, line, no_error, weighted_line};
use super::msd::{restore_points, save_points, window};
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::unwrap::Unwrapper;
use super::{AnalysisError, Observable};
use crate::system::Topology;
use crate::system::analyses::FsqtSpec;
use glam::DVec3;
use rayon::prelude::*;

/// ħ in meV ps (CODATA 2018).
const HBAR: f64 = 0.658_211_956_9;
/// Atoms handled by one task.
const CHUNK: usize = 512;

/// F_s(q, t) of a group of atoms.
pub struct Fsqt {
    spec: FsqtSpec,
    selection: Selection,
    masses: Vec<f64>,
    grid: LagGrid,
    unwrapper: Unwrapper,
    /// Atoms and where they were.
    origins: Origins<(Vec<u32>, Vec<DVec3>)>,
    /// Per frame: `[n_lags]` atoms, then for every q `[n_lags]` sums of sin(qd)/(qd).
    blocks: Blocks,
}

impl Fsqt {
    pub fn new(spec: &FsqtSpec, topology: &Topology) -> Result<Self, AnalysisError> {
        if let Some(&q) = spec.q.iter().find(|q| **q <= 0.0) {
            let remedy = "wave numbers must be positive";
            return Err(AnalysisError::InvalidSetting { what: "q", value: q, remedy });
        }
        let grid = LagGrid::new(spec.max_lag, spec.origin_every, spec.every)?;
        let (from, to) = window(spec.fit_from, spec.fit_to, 0.1, spec.max_lag);
        if !(from < to && to <= spec.max_lag * (1.0 + 1e-9)) {
            let remedy = "the fit must begin before it ends, and end within max_lag";
            return Err(AnalysisError::InvalidSetting { what: "fit_from", value: from, remedy });
        }
        Ok(Fsqt {
            selection: Selection::new(&spec.selection, topology)?,
            masses: topology.masses.clone(),
            grid,
            unwrapper: Unwrapper::default(),
            origins: Origins::new(grid),
            blocks: Blocks::new((1 + spec.q.len()) * grid.len()),
            spec: FsqtSpec { fit_from: Some(from), fit_to: Some(to), ..spec.clone() },
        })
    }

    /// `[lag (ps), F_s]` for wave number `k`.
    fn curve(&self, sums: &[f64], k: usize) -> Vec<[f64; 2]> {
        let n = self.grid.len();
        let point = |lag: usize| (sums[lag] > 0.0).then(|| [self.grid.time(lag), sums[(1 + k) * n + lag] / sums[lag]]);
        (0..n).filter_map(point).collect()
    }

    /// Γ of wave number `k`, ps⁻¹; points below 0.02 are noise and left out.
    fn rate(&self, sums: &[f64], k: usize) -> Option<f64> {
        let (from, to) = (self.spec.fit_from?, self.spec.fit_to?);
        let curve = self.curve(sums, k);
        let used = curve.iter().filter(|p| (from..=to * (1.0 + 1e-9)).contains(&p[0]) && p[1] > 0.02);
        let points: Vec<[f64; 2]> = used.map(|p| [p[0], -p[1].ln()]).collect();
        (points.len() >= 3).then(|| line(&points)).flatten().map(|(slope, _)| slope)
    }

    /// D (nm²/ps) and τ₀ (ps) of jump diffusion.
    ///
    /// * `weights` – `[n_q]`, of 1/Γ
    fn jump(&self, sums: &[f64], weights: &[f64]) -> Option<(f64, f64)> {
        let points: Vec<[f64; 3]> = (self.spec.q.iter().zip(weights).enumerate())
            .filter_map(|(k, (q, w))| Some([1.0 / (q * q), 1.0 / self.rate(sums, k).filter(|r| *r > 0.0)?, *w]))
            .collect();
        let (slope, intercept) = weighted_line(&points)?;
        (slope > 0.0).then(|| (1.0 / slope, intercept))
    }

    /// Weights of 1/Γ, `[n_q]`: the inverse square of its error, ΔΓ/Γ². Without errors those of Γ are taken as equal shares of it: 1/Γ of small q, which
    /// is large, must not decide alone.
    fn weights(&self, rates: &[Option<Estimate>]) -> Vec<f64> {
        let known = rates.iter().flatten().all(|e| e.error.is_some_and(|error| error > 0.0));
        let weight = |e: &Option<Estimate>| {
            e.map_or(0.0, |e| match e.error {
                Some(error) if known => (e.value * e.value / error).powi(2),
                _ => e.value * e.value,
            })
        };
        rates.iter().map(weight).collect()
    }

    /// Estimate of a quantity made of displacements up to the end of the fit.
    fn estimate(&self, value_of: impl Fn(&[f64], f64) -> Option<f64>) -> Option<Estimate> {
        let reach = self.origins.frames_within(self.fit_to());
        self.blocks.estimate_of_pairs(reach, Overlap::Displacement, value_of)
    }

    fn fit_to(&self) -> f64 {
        self.spec.fit_to.unwrap_or(self.spec.max_lag)
    }
}

impl Observable for Fsqt {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        self.unwrapper.advance(frame);
        self.origins.advance(frame.time);
        let positions = self.unwrapper.positions();
        let (sum, mass) =
            positions.iter().zip(&self.masses).fold((DVec3::ZERO, 0.0), |(s, m), (r, w)| (s + *r * *w, m + w));
        let drift = sum / mass;
        if self.origins.is_due(frame.time) {
            let atoms = self.selection.atoms(frame)?.to_vec();
            let points = atoms.iter().map(|&i| positions[i as usize] - drift).collect();
            self.origins.push(frame.time, (atoms, points));
        }
        let (n, q) = (self.grid.len(), &self.spec.q);
        let (origins, time) = (&mut self.origins, frame.time);
        self.blocks.add_frame(|slot| {
            for (lag, (atoms, then)) in origins.iter_mut(time) {
                let chunk = |(atoms, then): (&[u32], &[DVec3])| {
                    let mut sums = vec![0.0; q.len()];
                    for (&i, &r) in atoms.iter().zip(then) {
                        let d = (positions[i as usize] - drift - r).length();
                        for (sum, q) in sums.iter_mut().zip(q) {
                            let x = q * d;
                            *sum += if x < 1e-4 { 1.0 - x * x / 6.0 } else { x.sin() / x };
                        }
                    }
                    sums
                };
                // Chunks are summed in order: threads do not matter.
                let parts: Vec<Vec<f64>> = atoms.par_chunks(CHUNK).zip(then.par_chunks(CHUNK)).map(chunk).collect();
                slot[lag] += atoms.len() as f64;
                for part in parts {
                    part.iter().enumerate().for_each(|(k, v)| slot[(1 + k) * n + lag] += v);
                }
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let name = self.spec.selection.as_str();
        let mut result = AnalysisResult {
            name: results::file_stem(&["fsqt", name]),
            title: format!("Self intermediate scattering of {name}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() < 2 {
            result.notes.push("Fewer than two frames were sampled.".to_string());
            return vec![result];
        }
        let sums = self.blocks.total();
        let mut push = |id: String, label: String, unit: &str, estimate: Option<Estimate>| {
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };
        let mut rates = Vec::new();
        for (k, q) in self.spec.q.iter().enumerate() {
            let per_angstrom = 0.1 * q;
            let estimate = self.estimate(|s, _| Some(HBAR * self.rate(s, k)?));
            rates.push(estimate);
            let (id, label) =
                (format!("gamma({name},{per_angstrom:.3})"), format!("{name} ħΓ at q = {per_angstrom:.3} Å⁻¹"));
            push(id, label, "meV", estimate);
        }
        let weights = self.weights(&rates);
        let d = self.estimate(|s, _| self.jump(s, &weights).map(|(d, _)| 1000.0 * d));
        push(format!("jump_diffusion({name})"), format!("{name} D of jump diffusion"), "1e-9 m2/s", d);
        let tau = self.estimate(|s, _| self.jump(s, &weights).map(|(_, tau)| tau));
        push(format!("jump_time({name})"), format!("{name} τ₀ of jump diffusion"), "ps", tau);

        let curves: Vec<Vec<[f64; 2]>> = (0..self.spec.q.len()).map(|k| self.curve(&sums, k)).collect();
        let mut columns = vec![Column::new("t", "ps", curves[0].iter().map(|p| p[0]).collect())];
        for (q, curve) in self.spec.q.iter().zip(&curves) {
            let head = format!("F_s at q = {:.3}/angstrom", 0.1 * q);
            columns.push(Column::new(head, "1", curve.iter().map(|p| p[1]).collect()));
        }
        result.tables.push(Table { name: result.name.clone(), columns });
        let measured: Vec<(f64, f64)> =
            self.spec.q.iter().zip(&rates).filter_map(|(q, e)| Some((0.1 * q, e.as_ref()?.value))).collect();
        result.tables.push(Table {
            name: format!("{}_gamma", result.name),
            columns: vec![
                Column::new("q", "1/angstrom", measured.iter().map(|m| m.0).collect()),
                Column::new("hbar Gamma", "meV", measured.iter().map(|m| m.1).collect()),
            ],
        });
        let series =
            |(k, q): (usize, &f64)| Series::new(SeriesKind::Line, format!("{:.2} Å⁻¹", 0.1 * q), k, curves[k].clone());
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("Self intermediate scattering of {name}"),
            x: Axis::new("t", "ps"),
            y: Axis::new("F_s(q,t)", "1").with_range(0.0, 1.05),
            series: self.spec.q.iter().enumerate().map(series).collect(),
            ramp: true,
            ..Default::default()
        });
        let mut lines =
            vec![Series::new(SeriesKind::Line, "fits of F_s", 0, measured.iter().map(|&(q, g)| [q * q, g]).collect())];
        if let Some((d, tau)) = self.jump(&sums, &weights) {
            let model = |q: f64| HBAR * d * q * q / (1.0 + d * q * q * tau);
            let points = self.spec.q.iter().map(|&q| [0.01 * q * q, model(q)]).collect();
            let label = "jump diffusion".to_string();
            lines.push(Series::new(SeriesKind::DashedLine, label, 1, points));
        }
        result.figures.push(Figure {
            name: format!("{}_gamma", result.name),
            title: "Quasi-elastic broadening".to_string(),
            x: Axis::new("q²", "Å⁻²"),
            y: Axis::new("ħΓ", "meV"),
            series: lines,
            ..Default::default()
        });
        let (from, to) = (self.spec.fit_from.unwrap_or(0.0), self.spec.fit_to.unwrap_or(0.0));
        result.notes.push(format!(
            "Γ from the slope of −ln F_s between {from:.2} and {to:.2} ps where F_s > 0.02; frames every {}, origins every {} ps; averaged over all \
             directions of q; no instrument resolution. Half width at half maximum = ħΓ. Jump diffusion: 1/Γ against 1/q², weighted with the \
             errors of Γ, or as if they were equal shares of Γ where there are none.",
            self.origins.apart(),
            self.grid.origin_every()
        ));
        if !self.blocks.has_error_of_pairs(self.origins.frames_within(self.fit_to())) {
            result.notes.push(no_error("Γ and what follows from it", self.fit_to(), self.origins.sampled()));
        }
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let FsqtSpec { q, fit_from, fit_to, .. } = &self.spec;
        let (n, origin_every) = (self.grid.len(), self.grid.origin_every());
        format!(
            "fsqt of {}, q {q:?} /nm, {n} lags, origins {origin_every} ps, fit {fit_from:?} {fit_to:?}",
            self.selection.text()
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.unwrapper.save(writer);
        self.origins.save(writer, |(atoms, points), writer| {
            writer.u64(atoms.len() as u64);
            atoms.iter().for_each(|&i| writer.u64(u64::from(i)));
            save_points(writer, points);
        });
        self.blocks.save(writer);
    }

    fn restart(&mut self) {
        self.unwrapper.restart();
        self.origins.restart();
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        vec![(&self.selection, true)]
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.unwrapper.restore(reader)?;
        self.origins.restore(reader, |reader| {
            let n = reader.u64()?;
            let atoms = (0..n).map(|_| Ok(reader.u64()? as u32)).collect::<Result<Vec<_>, AnalysisError>>()?;
            let points = restore_points(reader, atoms.len())?;
            Ok((atoms, points))
        })?;
        self.blocks.restore(reader)
    }
}
