//! How long ligands stay in the shell of a centre.
//!
//! * Impey: P(t) = ⟨pairs within r_min at 0 and at t, every absence in between shorter than t*⟩ / ⟨pairs at 0⟩ for the given t*; an infinite
//!   t* is the intermittent function (R. W. Impey, P. A. Madden, I. R. McDonald, J. Phys. Chem. 87, 5071 (1983)).
//! * Stable states: C(t) = ⟨n_R(0) [1 − n_P*(t)]⟩ / ⟨n_R⟩ with the reactant within r_reactant and the product, which absorbs, beyond
//!   r_product (D. Laage, J. T. Hynes, J. Phys. Chem. B 112, 7697 (2008)).
//! * Counted: time spent by bound pairs over the number that left for longer than the longest t*. A pair is bound once it has stayed as long as that,
//!   absences shorter than t* aside: who looks in and goes neither arrives nor leaves. When nothing left in a total time Θ of bound pairs,
//!   the residence time exceeds Θ/3.0 with 95 % confidence, because e⁻³ = 0.05.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::lags::LagGrid;
use super::pairs::PairSearch;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::survival::{self, Survival, TimeConstant};
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::ResidenceSpec;

/// −ln 0.05: no event in Θ excludes rates above this over Θ.
const EXCLUDED: f64 = 2.995_732_273_553_991;

/// A pair that is within the shell, or left it less than the longest t* ago.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stay {
    key: u64,
    /// Frame in which it came.
    since: i64,
    /// First frame of the current absence; negative: present.
    absent_since: i64,
    /// Time spent within the shell that is not counted yet, ps; negative: bound, all is counted.
    waiting: f64,
}

/// Residence of the atoms of one selection around those of another.
pub struct Residence {
    spec: ResidenceSpec,
    center: Selection,
    ligand: Selection,
    impey: Survival,
    stable: Option<Survival>,
    /// Ascending keys.
    stays: Vec<Stay>,
    /// Per frame: time of bound pairs (ps), departures, pairs.
    blocks: Blocks,
    last_time: Option<f64>,
}

impl Residence {
    pub fn new(spec: &ResidenceSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        let (reactant, product) = (spec.r_reactant.unwrap_or(0.24), spec.r_product.unwrap_or(0.40));
        let with_states = spec.r_reactant.is_some() || spec.r_product.is_some();
        let widest = if with_states { spec.r_min.max(product) } else { spec.r_min };
        if widest > half_height {
            let what = if with_states && product > spec.r_min { "r_product" } else { "r_min" };
            return Err(AnalysisError::RadiusExceedsHalfBox { what, radius: widest, half_height });
        }
        if with_states && reactant >= product {
            let remedy = "the reactant must end below the product (r_reactant, by default 0.24 nm; r_product, by default 0.40 nm)";
            return Err(AnalysisError::InvalidSetting { what: "r_reactant", value: reactant, remedy });
        }
        let mut spec = spec.clone();
        spec.t_star.sort_by(f64::total_cmp);
        spec.t_star.dedup();
        if with_states {
            (spec.r_reactant, spec.r_product) = (Some(reactant), Some(product));
        }
        let grid = LagGrid::new(spec.max_lag, spec.origin_every, spec.every)?;
        Ok(Residence {
            center: Selection::new(&spec.center, topology)?,
            ligand: Selection::new(&spec.ligand, topology)?,
            impey: Survival::new(grid, &spec.t_star)?,
            stable: with_states.then(|| Survival::new(grid, &[0.0])).transpose()?,
            stays: Vec::new(),
            blocks: Blocks::new(3),
            last_time: None,
            spec,
        })
    }

    /// Counts the time of bound pairs and which of them left for longer than the longest tolerance; returns both, the first in ps.
    ///
    /// * `present` – ascending keys
    /// * `elapsed` – since the frame before, ps
    fn follow(&mut self, time: f64, present: &[u64], elapsed: f64) -> (f64, usize) {
        let grid = self.impey.grid();
        let now = grid.index(time);
        let longest = self.spec.t_star.last().copied().unwrap_or(0.0);
        // From the given frame to the one after this, with room for rounding.
        let lasts = |since: i64| (now - since + 1) as f64 * grid.every() * (1.0 + 1e-9);
        let (mut pair_time, mut departures) = (0.0, 0);
        let mut next = Vec::with_capacity(present.len());
        let mut stay = |mut pair: Stay| {
            pair.absent_since = -1;
            if pair.waiting < 0.0 {
                pair_time += elapsed;
            } else if lasts(pair.since) >= longest {
                pair_time += pair.waiting + elapsed;
                pair.waiting = -1.0;
            } else {
                pair.waiting += elapsed;
            }
            pair
        };
        let comes = |key: u64| Stay { key, since: now, absent_since: -1, waiting: 0.0 };
        let mut at = 0;
        for &pair in &self.stays {
            while at < present.len() && present[at] < pair.key {
                next.push(stay(comes(present[at])));
                at += 1;
            }
            if at < present.len() && present[at] == pair.key {
                at += 1;
                next.push(stay(pair));
                continue;
            }
            let absent_since = if pair.absent_since < 0 { now } else { pair.absent_since };
            // Absent in this frame too: the absence lasts at least until the next one.
            if lasts(absent_since) > longest {
                departures += usize::from(pair.waiting < 0.0);
            } else {
                next.push(Stay { absent_since, ..pair });
            }
        }
        next.extend(present[at..].iter().map(|&key| stay(comes(key))));
        self.stays = next;
        (pair_time, departures)
    }
}

impl Observable for Residence {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let (centers, ligands) = (self.center.atoms(frame)?, self.ligand.atoms(frame)?);
        let (reactant, product) = (self.spec.r_reactant.unwrap_or(0.0), self.spec.r_product.unwrap_or(0.0));
        let r_min = self.spec.r_min;
        let search = PairSearch::new(frame, &ligands, r_min.max(product))?;
        let (mut inside, mut in_reactant, mut before_product) = (Vec::new(), Vec::new(), Vec::new());
        for &center in centers.iter() {
            search.visit(frame.positions[center as usize], |k, d| {
                let (r, key) = (d.length(), survival::key(center, ligands[k]));
                if ligands[k] == center {
                    return;
                }
                if r < r_min {
                    inside.push(key);
                }
                if r < reactant {
                    in_reactant.push(key);
                }
                if r < product {
                    before_product.push(key);
                }
            });
        }
        for keys in [&mut inside, &mut in_reactant, &mut before_product] {
            keys.sort_unstable();
        }
        self.impey.sample(frame.time, &inside, &inside);
        if let Some(stable) = &mut self.stable {
            stable.sample(frame.time, &in_reactant, &before_product);
        }
        let elapsed = self.last_time.map_or(0.0, |last| frame.time - last);
        self.last_time = Some(frame.time);
        let (pair_time, departures) = self.follow(frame.time, &inside, elapsed);
        self.blocks.add_frame(|slot| {
            slot[0] += pair_time;
            slot[1] += departures as f64;
            slot[2] += inside.len() as f64;
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let (center, ligand) = (self.spec.center.as_str(), self.spec.ligand.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["residence", center, ligand]),
            title: format!("Residence of {ligand} at {center}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let totals = self.blocks.total();
        let (pair_time, departures) = (totals[0], totals[1]);
        if totals[2] == 0.0 {
            let r_min = self.spec.r_min;
            result.notes.push(format!("No {ligand} was within {r_min:.3} nm of a {center} in any frame: no time."));
            return vec![result];
        }
        let exact = |value: f64| Some(Estimate::with_error(value, None));
        let mut push = |kind: &str, label: &str, unit: &str, estimate: Option<Estimate>| {
            let (id, label) = (format!("{kind}({center},{ligand})"), format!("{center} – {ligand} {label}"));
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };
        // What was counted in this run is known without an error.
        push("exchanges", "departures", "1", Some(Estimate::with_error(departures, Some(0.0))));
        if departures == 0.0 {
            let bound = "residence time, lower bound at 95 %";
            // Without a bound pair nothing is known.
            push("residence_time_bound", bound, "ps", exact(pair_time / EXCLUDED).filter(|_| pair_time > 0.0));
        } else {
            // Departures are rare events: their number has the standard error of a Poisson count.
            let error = Some(pair_time / departures / departures.sqrt());
            push(
                "residence_time_counted",
                "residence time, pair time over departures",
                "ps",
                Some(Estimate::with_error(pair_time / departures, error)),
            );
        }
        let of = format!("({center},{ligand})");
        let mut report = |kind: &str, label: &str, time: Option<TimeConstant>| {
            let label = format!("{center} – {ligand} {label}");
            time.iter().for_each(|time| time.report((kind, &of), &label, &mut result));
        };
        for (k, t_star) in self.spec.t_star.iter().enumerate() {
            let label = format!("residence time, t* = {t_star} ps");
            report(&format!("residence_time_{t_star}ps"), &label, self.impey.time_constant(k));
        }
        let intermittent = self.impey.time_constant(self.impey.intermittent());
        report("residence_time_intermittent", "residence time, intermittent", intermittent);
        if let Some(stable) = &self.stable {
            report("residence_time_stable_states", "residence time, stable states", stable.time_constant(0));
        }
        result.notes.extend(self.impey.why_no_error("the integrals"));

        let sums = self.impey.total();
        let mut curves: Vec<(String, Vec<[f64; 2]>)> = (self.spec.t_star.iter().enumerate())
            .map(|(k, t)| (format!("t* = {t} ps"), self.impey.curve(&sums, k)))
            .collect();
        curves.push(("intermittent".to_string(), self.impey.curve(&sums, self.impey.intermittent())));
        if let Some(stable) = &self.stable {
            curves.push(("stable states".to_string(), stable.curve(&stable.total(), 0)));
        }
        let times = curves[0].1.iter().map(|p| p[0]).collect();
        let mut columns = vec![Column::new("t", "ps", times)];
        columns.extend(
            curves.iter().map(|(n, c)| Column::new(format!("P(t) {n}"), "1", c.iter().map(|p| p[1]).collect())),
        );
        result.tables.push(Table { name: result.name.clone(), columns });
        let line = |(color, (label, points)): (usize, &(String, Vec<[f64; 2]>))| {
            Series::new(SeriesKind::Line, label.clone(), color, points.clone())
        };
        result.figures.push(Figure {
            name: result.name.clone(),
            title: format!("Survival of {ligand} in the shell of {center}"),
            x: Axis::new("t", "ps"),
            y: Axis::new("P(t)", "1").with_range(0.0, 1.05),
            series: curves.iter().enumerate().map(line).collect(),
            ..Default::default()
        });
        self.describe(&mut result, pair_time, departures);
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let grid = self.impey.grid();
        let ResidenceSpec { center, ligand, r_min, t_star, r_reactant, r_product, .. } = &self.spec;
        let (n, origin_every) = (grid.len(), grid.origin_every());
        format!(
            "residence of {ligand} at {center}, bound for t*, {r_min} nm, t* {t_star:?} ps, states {r_reactant:?} {r_product:?} nm, {n} lags, origins {origin_every} ps"
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.impey.save(writer);
        self.stable.iter().for_each(|s| s.save(writer));
        self.blocks.save(writer);
        writer.f64(self.last_time.unwrap_or(f64::NAN));
        writer.u64(self.stays.len() as u64);
        for stay in &self.stays {
            writer.u64(stay.key);
            writer.u64(stay.since.cast_unsigned());
            writer.u64(stay.absent_since.cast_unsigned());
            writer.f64(stay.waiting);
        }
    }

    fn restart(&mut self) {
        self.impey.restart();
        self.stable.iter_mut().for_each(Survival::restart);
        self.stays.clear();
        self.last_time = None;
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        vec![(&self.center, true), (&self.ligand, true)]
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.impey.restore(reader)?;
        self.stable.as_mut().map_or(Ok(()), |s| s.restore(reader))?;
        self.blocks.restore(reader)?;
        self.last_time = Some(reader.f64()?).filter(|t| !t.is_nan());
        let n = reader.u64()?;
        let stay = |reader: &mut Reader| {
            let (key, since, absent_since) = (reader.u64()?, reader.u64()?.cast_signed(), reader.u64()?.cast_signed());
            Ok(Stay { key, since, absent_since, waiting: reader.f64()? })
        };
        self.stays = (0..n).map(|_| stay(reader)).collect::<Result<_, AnalysisError>>()?;
        Ok(())
    }
}

impl Residence {
    fn describe(&self, result: &mut AnalysisResult, pair_time: f64, departures: f64) {
        let grid = self.impey.grid();
        let longest = self.spec.t_star.last().copied().unwrap_or(0.0);
        result.notes.push(format!(
            "Shell: within {:.3} nm. P(t) to {:.1} ps, frames every {}, origins every {} ps; times are integrals with an exponential tail \
             fitted to the second half, where that tail is less than half of them.",
            self.spec.r_min,
            grid.time(grid.len() - 1),
            self.impey.apart(),
            grid.origin_every()
        ));
        result.notes.push(match departures == 0.0 {
            true => format!(
                "No {} left for longer than {longest} ps after as long a stay, in {:.1} ps of pair time: the bound is this time over 3.0.",
                self.spec.ligand, pair_time
            ),
            false => format!(
                "{departures} departures for longer than {longest} ps of pairs that had been bound for as long, in {pair_time:.1} ps of their time."
            ),
        });
        if let (Some(r), Some(p)) = (self.spec.r_reactant, self.spec.r_product) {
            result
                .notes
                .push(format!("Stable states: reactant within {r:.3} nm, product beyond {p:.3} nm, absorbing."));
        }
    }
}
