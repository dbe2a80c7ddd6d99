//! Mean square displacements, diffusion coefficients and conductivity.
//!
//! Positions are followed through the periodic boundary by summing minimum-image steps between frames, which is right as long as nothing moves half a
//! cell between two frames, also at constant pressure (S. von Bülow, J. T. Bullerjahn, G. Hummer, J. Chem. Phys. 153, 021101 (2020)). The motion
//! of the centre of mass of all that moves is taken out; what is frozen stays where it is. D is the slope of MSD(t) over a stated window divided by 2d.
//!
//! The slope of ln MSD over ln t in that window says whether it is a diffusion coefficient at all: 1 in the limit of long times, 2 for free flight, less than 1 in
//! a cage or between walls. An offset from the cage, MSD = c + 2d D t, leaves D as it is and takes c/(2d D t) of the exponent, so that up to a tenth is let pass.
//!
//! Box size: D₀ = D + 2.837297 k_B T/(6π η L) (I.-C. Yeh, G. Hummer, J. Phys. Chem. B 108, 15873 (2004)), for cubes, with the model's viscosity.
//! Conductivity: Nernst–Einstein (1/(V k_B T)) Σ N_i z_i² D_i, and Einstein–Helfand from the collective displacement of charge
//! ⟨|Σ z_i Δr_i|²⟩/(6 V k_B T t); their ratio measures how independently the ions move.

use super::blocks::{Blocks, Estimate, Jackknife, Overlap};
use super::codec::{Reader, Writer};
use super::digits::number_with_error;
use super::lags::{LagGrid, Origins, line, no_error};
use super::particles::Molecules;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::unwrap::Unwrapper;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::MsdSpec;
use crate::units::{AVOGADRO, BOLTZMANN};
use glam::DVec3;
use rayon::prelude::*;

/// −ξ of a cubic lattice: Yeh and Hummer's constant.
const YEH_HUMMER: f64 = 2.837_297;
/// One nm²/ps in 10⁻⁹ m²/s.
const DIFFUSION: f64 = 1000.0;
/// One e² nm⁻³ kJ⁻¹ mol nm² ps⁻¹ in S/m: e² N_A/(1e-9 m · 1e3 J · 1e-12 s).
const CONDUCTIVITY: f64 = 1.602_176_634e-19 * 1.602_176_634e-19 * AVOGADRO * 1e18;
/// The exponent of MSD(t) may be off 1 by this before D is called in question.
const EXPONENT_WITHIN: f64 = 0.1;
/// A cell with a larger empty part (nm along z) holds a slab.
const VACUUM: f64 = 1.0;
/// Particles handled by one task.
const CHUNK: usize = 1024;

/// Displacements of groups of atoms or molecules.
pub struct Msd {
    spec: MsdSpec,
    groups: Vec<Selection>,
    names: Vec<String>,
    /// Charge (e) of every group's particles and their number, where the group is exactly one species that no group before it is.
    species: Vec<Option<(f64, usize)>>,
    /// Do the groups cover every charged species?
    all_ions: bool,
    molecules: Molecules,
    molecule_charges: Vec<f64>,
    masses: Vec<f64>,
    /// `[n_atoms]`
    frozen: Vec<bool>,
    is_cubic: bool,
    /// Are there atoms that stay where they are?
    has_surface: bool,
    grid: LagGrid,
    unwrapper: Unwrapper,
    origins: Origins<Origin>,
    /// Per frame: V (nm³), then for every group and, behind them, the collective charge `[n_lags][4]`: x², y², z² summed and the count; last the widest
    /// empty stretch along z (nm).
    blocks: Blocks,
}

/// Followed particles (atoms or molecules) and where they were; the total of charge times position of all molecules.
struct Origin {
    groups: Vec<(Vec<u32>, Vec<DVec3>)>,
    charge: DVec3,
}

impl Msd {
    pub fn new(spec: &MsdSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let counts = topology.species_counts();
        // What is frozen does not move: it is followed only where it is asked for.
        let mut moves = vec![false; counts.len()];
        for (i, frozen) in topology.frozen.iter().enumerate() {
            moves[topology.molecules[topology.molecule_of[i] as usize].species as usize] |= !frozen;
        }
        let moving = || topology.species.iter().zip(&moves).filter(|(_, moves)| **moves);
        let names: Vec<String> = match spec.groups.is_empty() {
            false => spec.groups.clone(),
            true => moving().map(|(s, _)| format!("species '{}'", s.name)).collect(),
        };
        let groups = names.iter().map(|g| Selection::new(g, topology)).collect::<Result<Vec<_>, _>>()?;
        let grid = LagGrid::new(spec.max_lag, spec.origin_every, spec.every)?;
        let (from, to) = window(spec.fit_from, spec.fit_to, 0.2, spec.max_lag);
        if !(from < to && to <= spec.max_lag * (1.0 + 1e-9)) {
            let remedy = "the fit must begin before it ends, and end within max_lag";
            return Err(AnalysisError::InvalidSetting { what: "fit_from", value: from, remedy });
        }
        let molecules = Molecules::new(topology);
        // A species counts once in a conductivity, however many groups are made of it.
        let mut counted = vec![false; counts.len()];
        let species: Vec<Option<(f64, usize)>> = groups
            .iter()
            .map(|group| {
                let touched = molecules.touched(group.fixed()?);
                let s = topology.molecules[*touched.first()? as usize].species as usize;
                let same = touched.iter().all(|&m| topology.molecules[m as usize].species as usize == s);
                let is_new = same && touched.len() == counts[s] && !std::mem::replace(&mut counted[s], true);
                is_new.then(|| (topology.species[s].charge(), touched.len()))
            })
            .collect();
        let charged = moving().filter(|(s, _)| s.charge().abs() > 1e-6).count();
        let covered = species.iter().flatten().filter(|(z, _)| z.abs() > 1e-6).count();
        let [x, y, z] = cell.heights();
        Ok(Msd {
            blocks: Blocks::new(2 + (groups.len() + 1) * grid.len() * 4),
            names: names.iter().map(|n| n.trim_start_matches("species ").trim_matches('\'').to_string()).collect(),
            groups,
            species,
            all_ions: charged > 0 && covered == charged,
            molecule_charges: (0..topology.molecules.len()).map(|m| topology.species_of(m).charge()).collect(),
            molecules,
            masses: topology.masses.clone(),
            has_surface: topology.frozen.contains(&true),
            frozen: topology.frozen.clone(),
            is_cubic: cell.is_orthorhombic() && (x - y).abs() < 1e-6 * x && (x - z).abs() < 1e-6 * x,
            grid,
            unwrapper: Unwrapper::default(),
            origins: Origins::new(grid),
            spec: MsdSpec { fit_from: Some(from), fit_to: Some(to), ..spec.clone() },
        })
    }

    /// `[lag (ps), ⟨x²⟩, ⟨y²⟩, ⟨z²⟩]` in nm² of row `k`, for the lags that were seen; lag zero is left out.
    fn curve(&self, sums: &[f64], k: usize) -> Vec<[f64; 4]> {
        let rows = sums[1 + k * self.grid.len() * 4..][..self.grid.len() * 4].chunks_exact(4).enumerate().skip(1);
        let mean = |(lag, row): (usize, &[f64])| {
            (row[3] > 0.0).then(|| [self.grid.time(lag), row[0] / row[3], row[1] / row[3], row[2] / row[3]])
        };
        rows.filter_map(mean).collect()
    }

    /// Lag (ps) and sum of the chosen components (nm²) in the fit window.
    fn fitted(&self, sums: &[f64], k: usize, components: &[usize]) -> Vec<[f64; 2]> {
        let (from, to) = (self.spec.fit_from.unwrap_or(0.0), self.fit_to());
        let inside = |p: &&[f64; 4]| (from..=to * (1.0 + 1e-9)).contains(&p[0]);
        let curve = self.curve(sums, k);
        curve.iter().filter(inside).map(|p| [p[0], components.iter().map(|c| p[1 + c]).sum()]).collect()
    }

    /// Slope of the sum of the chosen components in the fit window over 2d, nm²/ps.
    fn slope(&self, sums: &[f64], k: usize, components: &[usize]) -> Option<f64> {
        let points = self.fitted(sums, k, components);
        line(&points).map(|(slope, _)| slope / (2.0 * components.len() as f64))
    }

    /// d ln MSD/d ln t in the fit window: the least-squares line through the logarithms, every lag with the same weight.
    fn exponent(&self, sums: &[f64], k: usize, components: &[usize]) -> Option<f64> {
        let points = self.fitted(sums, k, components);
        if points.iter().any(|[t, msd]| *t <= 0.0 || *msd <= 0.0) {
            return None;
        }
        let logarithms: Vec<[f64; 2]> = points.iter().map(|p| p.map(f64::ln)).collect();
        line(&logarithms).map(|(slope, _)| slope)
    }

    /// k_B T, kJ/mol
    fn thermal(&self) -> f64 {
        BOLTZMANN * self.spec.temperature
    }

    /// For estimates of quantities made of displacements up to the end of the fit.
    fn jackknife(&self) -> Jackknife {
        let reach = self.origins.frames_within(self.fit_to());
        self.blocks.jackknife_of_pairs(reach, Overlap::Displacement)
    }

    fn fit_to(&self) -> f64 {
        self.spec.fit_to.unwrap_or(self.spec.max_lag)
    }

    /// Why this is no bulk liquid, for which alone there is a correction; of mean sums.
    fn not_bulk(&self, sums: &[f64], frames: f64) -> Option<String> {
        let vacuum = sums.last().copied().unwrap_or(0.0) / frames;
        match (self.has_surface, vacuum > VACUUM) {
            (true, _) => Some("some atoms stay where they are".to_string()),
            (_, true) => Some(format!("{vacuum:.2} nm of the cell are empty along z")),
            _ => None,
        }
    }

    /// Correction for the box size, 10⁻⁹ m²/s; none for a slab.
    fn box_correction(&self, sums: &[f64], frames: f64) -> Option<f64> {
        if self.not_bulk(sums, frames).is_some() {
            return None;
        }
        let volume = sums[0] / frames;
        let viscosity = self.spec.viscosity? * 1e-3; // Pa s
        let joule = self.thermal() * 1e3 / AVOGADRO;
        let edge = volume.cbrt() * 1e-9; // m
        Some(YEH_HUMMER * joule / (6.0 * std::f64::consts::PI * viscosity * edge) * 1e9)
    }
}

/// What is said of diffusion coefficients whose displacements do not grow in proportion to time.
///
/// * `exponents` – by group and direction
fn doubts(exponents: &[(String, Estimate)]) -> Vec<String> {
    let off = |e: &Estimate| e.value - 1.0;
    let slow = "still in the cage of their neighbors, or between walls";
    let fast = "still in free flight, or carried along";
    let told = |is_slow: bool, why: &str| {
        let there = exponents.iter().filter(|(_, e)| off(e).abs() > EXPONENT_WITHIN && (off(e) < 0.0) == is_slow);
        let named: Vec<String> =
            there.map(|(name, e)| format!("{name} ({})", number_with_error(e.value, e.error))).collect();
        (!named.is_empty()).then(|| {
            format!(
                "D is in question for {}: over the fit MSD grows as that power of t, and as 1 within {EXPONENT_WITHIN} where it diffuses; they are {why}. A later \
                 fit_from and a longer run would tell.",
                named.join(", ")
            )
        })
    };
    [told(true, slow), told(false, fast)].into_iter().flatten().collect()
}

/// The fit window: as given, or a fraction of the longest lag to all of it; ps.
pub fn window(from: Option<f64>, to: Option<f64>, fraction: f64, max_lag: f64) -> (f64, f64) {
    (from.unwrap_or(fraction * max_lag), to.unwrap_or(max_lag))
}

impl Observable for Msd {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        self.unwrapper.advance(frame);
        self.origins.advance(frame.time);
        let positions = self.unwrapper.positions();
        let (molecules, masses, frozen) = (&self.molecules, &self.masses, &self.frozen);
        let moving = positions.iter().zip(masses).zip(frozen).filter(|(_, frozen)| !**frozen);
        let (sum, mass) = moving.fold((DVec3::ZERO, 0.0), |(s, m), ((r, w), _)| (s + *r * *w, m + w));
        let drift_of = |i: usize| if frozen[i] { DVec3::ZERO } else { sum / mass };
        // Unwrapped atoms of one molecule may lie in different cells; only the displacement of their mean matters.
        let center = |m: usize| {
            let atoms = molecules.atoms(m as u32);
            let (sum, mass) = atoms.fold((DVec3::ZERO, 0.0), |(s, w), i| (s + positions[i] * masses[i], w + masses[i]));
            sum / mass - drift_of(molecules.atoms(m as u32).start)
        };
        let centers: Vec<DVec3> = (0..molecules.len()).into_par_iter().with_min_len(CHUNK).map(center).collect();
        let charge: DVec3 = centers.iter().zip(&self.molecule_charges).map(|(&r, &z)| r * z).sum();
        let at = |i: u32| {
            if self.spec.molecules { centers[i as usize] } else { positions[i as usize] - drift_of(i as usize) }
        };
        if self.origins.is_due(frame.time) {
            let mut groups = Vec::with_capacity(self.groups.len());
            for group in &self.groups {
                let atoms = group.atoms(frame)?;
                let ids = if self.spec.molecules { molecules.touched(&atoms) } else { atoms.to_vec() };
                let stored = ids.iter().map(|&i| at(i)).collect();
                groups.push((ids, stored));
            }
            self.origins.push(frame.time, Origin { groups, charge });
        }
        let n_lags = self.grid.len();
        let n_groups = self.groups.len();
        let (origins, time) = (&mut self.origins, frame.time);
        let vacuum = widest_gap(frame.cell, frame.positions);
        self.blocks.add_frame(|slot| {
            slot[0] += frame.cell.volume();
            slot[1 + (n_groups + 1) * n_lags * 4] += vacuum;
            for (lag, origin) in origins.iter_mut(time) {
                let mut add = |k: usize, squares: DVec3, n: f64| {
                    let row = &mut slot[1 + (k * n_lags + lag) * 4..][..4];
                    row[0] += squares.x;
                    row[1] += squares.y;
                    row[2] += squares.z;
                    row[3] += n;
                };
                for (k, (ids, then)) in origin.groups.iter().enumerate() {
                    let squares = |(ids, then): (&[u32], &[DVec3])| -> DVec3 {
                        ids.iter().zip(then).map(|(&i, &r)| (at(i) - r) * (at(i) - r)).sum()
                    };
                    // Chunks are summed in order: threads do not matter.
                    let parts: Vec<DVec3> = ids.par_chunks(CHUNK).zip(then.par_chunks(CHUNK)).map(squares).collect();
                    add(k, parts.into_iter().sum(), ids.len() as f64);
                }
                let moved = charge - origin.charge;
                add(n_groups, moved * moved, 1.0);
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let mut result = AnalysisResult {
            name: results::file_stem(&["msd"]),
            title: "Mean square displacement and diffusion".to_string(),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() < 2 {
            result.notes.push("Fewer than two frames were sampled.".to_string());
            return vec![result];
        }
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let mut push = |kind: &str, name: &str, label: String, unit: &str, estimate: Option<Estimate>| {
            let id = if name.is_empty() { kind.to_string() } else { format!("{kind}({name})") };
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };
        let jackknife = self.jackknife();
        const UNIT: &str = "1e-9 m2/s";
        let d = |k: usize, components: &'static [usize]| {
            jackknife.estimate(|s, _| Some(DIFFUSION * self.slope(s, k, components)?))
        };
        let is_bulk = self.not_bulk(&sums, frames).is_none();
        // Between walls no motion is diffusion in all directions.
        let directions: &[(&str, &str, &[usize])] = match is_bulk {
            true => &[("msd_exponent", "", &[0, 1, 2])],
            false => &[("msd_exponent_lateral", ", xy", &[0, 1]), ("msd_exponent_z", ", z", &[2])],
        };
        let mut exponents = Vec::new();
        for (k, name) in self.names.iter().enumerate() {
            push("diffusion", name, format!("{name} diffusion coefficient"), UNIT, d(k, &[0, 1, 2]));
            push("diffusion_lateral", name, format!("{name} diffusion coefficient, xy"), UNIT, d(k, &[0, 1]));
            push("diffusion_z", name, format!("{name} diffusion coefficient, z"), UNIT, d(k, &[2]));
            let corrected = jackknife.estimate(|s, f| {
                let shift = self.box_correction(s, f)?;
                Some(DIFFUSION * self.slope(s, k, &[0, 1, 2])? + shift)
            });
            push("diffusion_corrected", name, format!("{name} diffusion coefficient, infinite box"), UNIT, corrected);
            for &(kind, direction, components) in directions {
                let found = jackknife.estimate(|s, _| self.exponent(s, k, components));
                push(kind, name, format!("{name} d ln MSD/d ln t over the fit{direction}"), "1", found);
                exponents.extend(found.map(|e| (format!("{name}{direction}"), e)));
            }
        }
        let nernst_einstein = |s: &[f64], f: f64| {
            let per = |(k, species): (usize, &Option<(f64, usize)>)| match species {
                Some((z, n)) if z.abs() > 1e-6 => Some(z * z * *n as f64 * self.slope(s, k, &[0, 1, 2])?),
                _ => Some(0.0),
            };
            let sum: f64 = self.species.iter().enumerate().map(per).sum::<Option<f64>>()?;
            Some(CONDUCTIVITY * sum / (s[0] / f * self.thermal()))
        };
        let helfand = |s: &[f64], f: f64| {
            // ⟨|ΔM|²⟩ grows as 6 t V k_B T σ, and the slope is already over 2d.
            Some(CONDUCTIVITY * self.slope(s, self.groups.len(), &[0, 1, 2])? / (s[0] / f * self.thermal()))
        };
        if self.all_ions && is_bulk {
            let both = |s: &[f64], f: f64| Some((nernst_einstein(s, f)?, helfand(s, f)?));
            let (ne, eh) = (jackknife.estimate(nernst_einstein), jackknife.estimate(helfand));
            push("conductivity_nernst_einstein", "", "conductivity, Nernst–Einstein".into(), "S/m", ne);
            push("conductivity_einstein_helfand", "", "conductivity, Einstein–Helfand".into(), "S/m", eh);
            let ratio = jackknife.estimate(|s, f| both(s, f).map(|(ne, eh)| eh / ne));
            push("ionicity", "", "ratio of the conductivities".into(), "1", ratio);
        }

        let curves: Vec<Vec<[f64; 4]>> = (0..self.names.len()).map(|k| self.curve(&sums, k)).collect();
        for (name, curve) in self.names.iter().zip(&curves) {
            let column = |value: &dyn Fn(&[f64; 4]) -> f64| curve.iter().map(value).collect::<Vec<f64>>();
            result.tables.push(Table {
                name: results::file_stem(&["msd", name]),
                columns: vec![
                    Column::new("t", "ps", column(&|p| p[0])),
                    Column::new("MSD", "nm2", column(&|p| p[1] + p[2] + p[3])),
                    Column::new("MSD xy", "nm2", column(&|p| p[1] + p[2])),
                    Column::new("MSD z", "nm2", column(&|p| p[3])),
                ],
            });
        }
        if self.all_ions {
            let curve = self.curve(&sums, self.groups.len());
            result.tables.push(Table {
                name: results::file_stem(&["msd", "charge"]),
                columns: vec![
                    Column::new("t", "ps", curve.iter().map(|p| p[0]).collect()),
                    Column::new("MSD of charge", "e2 nm2", curve.iter().map(|p| p[1] + p[2] + p[3]).collect()),
                ],
            });
        }
        let series = |(k, name): (usize, &String)| {
            Series::new(
                SeriesKind::Line,
                name.clone(),
                k,
                curves[k].iter().map(|p| [p[0], p[1] + p[2] + p[3]]).collect(),
            )
        };
        result.figures.push(Figure {
            name: result.name.clone(),
            title: "Mean square displacement".to_string(),
            x: Axis::new("t", "ps"),
            y: Axis::new("MSD", "nm²"),
            series: self.names.iter().enumerate().map(series).collect(),
            ..Default::default()
        });
        self.describe(&mut result, &sums, frames);
        result.notes.extend(doubts(&exponents));
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let MsdSpec { molecules, fit_from, fit_to, temperature, viscosity, .. } = &self.spec;
        let groups: Vec<&str> = self.groups.iter().map(Selection::text).collect();
        let (n, origin_every) = (self.grid.len(), self.grid.origin_every());
        format!(
            "msd of {}, molecules {molecules}, {n} lags, origins {origin_every} ps, fit {fit_from:?} {fit_to:?}, {temperature} K, {viscosity:?} mPa s",
            groups.join(", ")
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.unwrapper.save(writer);
        self.origins.save(writer, |origin, writer| {
            save_points(writer, &[origin.charge]);
            for (ids, points) in &origin.groups {
                writer.u64(ids.len() as u64);
                ids.iter().for_each(|&i| writer.u64(u64::from(i)));
                save_points(writer, points);
            }
        });
        self.blocks.save(writer);
    }

    fn restart(&mut self) {
        self.unwrapper.restart();
        self.origins.restart();
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        self.groups.iter().map(|g| (g, false)).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.unwrapper.restore(reader)?;
        let n_groups = self.groups.len();
        self.origins.restore(reader, |reader| {
            let charge = restore_points(reader, 1)?[0];
            let group = |reader: &mut Reader| -> Result<(Vec<u32>, Vec<DVec3>), AnalysisError> {
                let n = reader.u64()?;
                let ids = (0..n).map(|_| Ok(reader.u64()? as u32)).collect::<Result<Vec<_>, AnalysisError>>()?;
                let points = restore_points(reader, ids.len())?;
                Ok((ids, points))
            };
            let groups = (0..n_groups).map(|_| group(reader)).collect::<Result<_, _>>()?;
            Ok(Origin { groups, charge })
        })?;
        self.blocks.restore(reader)
    }
}

/// Writes points as one array of numbers.
pub fn save_points(writer: &mut Writer, points: &[DVec3]) {
    writer.array(&points.iter().flat_map(|p| p.to_array()).collect::<Vec<f64>>());
}

/// Reads `n` points.
pub fn restore_points(reader: &mut Reader, n: usize) -> Result<Vec<DVec3>, AnalysisError> {
    Ok(reader.array(3 * n)?.chunks_exact(3).map(|c| DVec3::new(c[0], c[1], c[2])).collect())
}

/// The widest stretch along z without an atom, nm, to a tenth of a nanometre.
fn widest_gap(cell: &Cell, positions: &[DVec3]) -> f64 {
    let height = cell.vectors().z_axis.z;
    let n = ((10.0 * height).ceil() as usize).max(1);
    let mut filled = vec![false; n];
    for r in positions {
        let s = cell.to_fractional(*r).z;
        filled[(((s - s.floor()) * n as f64) as usize).min(n - 1)] = true;
    }
    // Around the boundary: a stretch may begin at the top and end at the bottom.
    let (mut widest, mut empty) = (0, 0);
    for k in 0..2 * n {
        empty = if filled[k % n] { 0 } else { empty + 1 };
        widest = widest.max(empty);
    }
    height * widest.min(n) as f64 / n as f64
}

impl Msd {
    fn describe(&self, result: &mut AnalysisResult, sums: &[f64], frames: f64) {
        let volume = sums[0] / frames;
        let (from, to) = (self.spec.fit_from.unwrap_or(0.0), self.spec.fit_to.unwrap_or(0.0));
        let what = if self.spec.molecules { "centres of mass of molecules" } else { "atoms" };
        let moving = if self.has_surface { "all that moves" } else { "the system" };
        result.notes.push(format!(
            "{what}, without the motion of the centre of mass of {moving}; D from the slope between {from:.2} and {to:.2} ps; frames every {}, origins \
             every {} ps. A Langevin thermostat changes D.",
            self.origins.apart(),
            self.grid.origin_every()
        ));
        if !self.blocks.has_error_of_pairs(self.origins.frames_within(self.fit_to())) {
            result.notes.push(no_error("D and conductivity", self.fit_to(), self.origins.sampled()));
        }
        if let Some(why) = self.not_bulk(sums, frames) {
            let conductivity = if self.all_ions {
                " No conductivity: its volume is that of the liquid, which is not that of the cell."
            } else {
                ""
            };
            result.notes.push(format!(
                "Not corrected for the size of the box: Yeh and Hummer's formula is of a bulk liquid, and {why}. Compare D in xy: along z the liquid \
                 ends.{conductivity}"
            ));
            return;
        } else if let Some(shift) = self.box_correction(sums, frames) {
            let (viscosity, edge) = (self.spec.viscosity.unwrap_or(0.0), volume.cbrt());
            let shape = if self.is_cubic {
                ""
            } else {
                "; the cell is not a cube, so this is an estimate with the cube of equal volume"
            };
            result.notes.push(format!(
                "Infinite box: {shift:.4} × 10⁻⁹ m²/s added (Yeh and Hummer, η = {viscosity} mPa s, L = {edge:.3} nm, {} K){shape}.",
                self.spec.temperature
            ));
        } else {
            result.notes.push("Not corrected for the size of the box: give the model's viscosity.".to_string());
        }
        if self.all_ions {
            result.notes.push(format!(
                "Conductivities at {} K with the model's charges, D not corrected for the size of the box.",
                self.spec.temperature
            ));
        }
    }
}
