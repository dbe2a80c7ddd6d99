//! Hydrogen bonds by geometry: how many, in which class every water molecule is, how long they live.
//!
//! D–H···A is a bond if D and A belong to different molecules, |DA| < r_max (0.35 nm) and the angle H–D···A is at most 30° (A. Luzar, D. Chandler,
//! Nature 379, 55 (1996)), or, with `angle_at = "hydrogen"`, the angle D–H···A is at least the given one. A bond is a pair (H, A), so a
//! bifurcated hydrogen counts twice.
//!
//! The class of a water is (donated, accepted): DDAA 2/2, DDA 2/1, DAA 1/2, DA 1/1, everything else *other*. Bonds to every acceptor count, anions
//! included. Regions are selections of water oxygens, tried in order; what is in none is *bulk*.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::lags::LagGrid;
use super::pairs::PairSearch;
use super::particles::Molecules;
use super::results::{AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::survival::{self, Survival};
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::HydrogenBondsSpec;
use rayon::prelude::*;

const CLASSES: [&str; 5] = ["DDAA", "DDA", "DAA", "DA", "other"];
/// Donors handled by one task.
const CHUNK: usize = 256;
/// Slots of a region: waters, donated, accepted, five classes.
const REGION: usize = 8;

/// Hydrogen bonds of a system with water.
pub struct HydrogenBonds {
    spec: HydrogenBondsSpec,
    donors: Selection,
    acceptors: Selection,
    /// `[n_atoms]`: hydrogens bonded to an atom are `hydrogens[first[i]..first[i + 1]]`
    first: Vec<u32>,
    hydrogens: Vec<u32>,
    /// Species whose hydrogens were attached by order because their bonds are not known.
    guessed: Vec<String>,
    waters: Vec<u32>,
    regions: Vec<Selection>,
    names: Vec<String>,
    molecules: Molecules,
    /// Per frame: bonds, then for every region `[REGION]`.
    blocks: Blocks,
    lifetimes: Option<Survival>,
}

/// Bonded hydrogens of every atom of a species as local indices, and whether they had to be guessed: where the bonds are not known,
/// a hydrogen belongs to the last other massive atom before it.
fn hydrogens_of(species: &crate::system::topology::Species) -> (Vec<Vec<u32>>, bool) {
    let atoms = &species.atoms;
    let is_hydrogen = |i: usize| atoms[i].element == "H" && atoms[i].mass > 0.0;
    let mut attached = vec![Vec::new(); atoms.len()];
    let mut guessed = false;
    for h in (0..atoms.len()).filter(|&i| is_hydrogen(i)) {
        let partner = |&(a, b): &(u32, u32)| match (a as usize == h, b as usize == h) {
            (true, _) => Some(b as usize),
            (_, true) => Some(a as usize),
            _ => None,
        };
        let bonded = species.bonds.iter().filter_map(partner).find(|&i| !is_hydrogen(i));
        let before = || (0..h).rev().find(|&i| !is_hydrogen(i) && atoms[i].mass > 0.0);
        guessed |= bonded.is_none();
        if let Some(heavy) = bonded.or_else(before) {
            attached[heavy].push(h as u32);
        }
    }
    (attached, guessed)
}

impl HydrogenBonds {
    pub fn new(spec: &HydrogenBondsSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        if spec.r_max > half_height {
            return Err(AnalysisError::RadiusExceedsHalfBox { what: "r_max", radius: spec.r_max, half_height });
        }
        if !(0.0..=180.0).contains(&spec.angle) {
            let remedy = "the angle must be at most 180 degrees";
            return Err(AnalysisError::InvalidSetting { what: "angle", value: spec.angle, remedy });
        }
        let counts = topology.species_counts();
        let attached: Vec<(Vec<Vec<u32>>, bool)> = topology.species.iter().map(hydrogens_of).collect();
        let guessed = (topology.species.iter().zip(&attached).zip(&counts))
            .filter(|((_, (_, guessed)), n)| *guessed && **n > 0)
            .map(|((s, _), _)| s.name.clone())
            .collect();
        let (mut first, mut hydrogens) = (vec![0], Vec::new());
        for m in &topology.molecules {
            for own in &attached[m.species as usize].0 {
                hydrogens.extend(own.iter().map(|h| m.first_atom + h));
                first.push(hydrogens.len() as u32);
            }
        }
        let present = |elements: &[&str]| {
            let has = |e: &&&str| {
                topology.species.iter().zip(&counts).any(|(s, n)| *n > 0 && s.atoms.iter().any(|a| a.element == **e))
            };
            elements.iter().filter(has).map(|e| format!("element {e}")).collect::<Vec<_>>().join(" or ")
        };
        let or_default = |given: &str, elements: &[&str]| {
            let text = if given.is_empty() { present(elements) } else { given.to_string() };
            Selection::new(&text, topology)
        };
        let donors = or_default(&spec.donors, &["O", "N"])?;
        let acceptors = or_default(&spec.acceptors, &["O", "N", "F"])?;
        let is_water_oxygen = |i: &u32| {
            let (species, local) = topology.site(*i as usize);
            species.is_water && species.atoms[local].element == "O"
        };
        let waters: Vec<u32> = (0..topology.n_atoms() as u32).filter(is_water_oxygen).collect();
        let regions = spec.regions.iter().map(|(_, s)| Selection::new(s, topology)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> =
            spec.regions.iter().map(|(name, _)| name.clone()).chain(["bulk".to_string()]).collect();
        let lifetimes = (spec.max_lag > 0.0)
            .then(|| {
                let grid = LagGrid::new(spec.max_lag, spec.origin_every, spec.every)?;
                Survival::new(grid, &[0.0])
            })
            .transpose()?;
        Ok(HydrogenBonds {
            spec: spec.clone(),
            donors,
            acceptors,
            first,
            hydrogens,
            guessed,
            waters,
            regions,
            blocks: Blocks::new(1 + names.len() * REGION),
            names,
            molecules: Molecules::new(topology),
            lifetimes,
        })
    }

    /// Bonds of a frame as ascending keys (H, A), and for every one its donor.
    fn find(&self, frame: &Snapshot) -> Result<Vec<(u64, u32)>, AnalysisError> {
        let (donors, acceptors) = (self.donors.atoms(frame)?, self.acceptors.atoms(frame)?);
        let search = PairSearch::new(frame, &acceptors, self.spec.r_max)?;
        let (at_donor, limit) = (self.spec.at_donor, self.spec.angle.to_radians().cos());
        let of_chunk = |chunk: &[u32]| {
            let mut found = Vec::new();
            for &d in chunk {
                let own = self.first[d as usize] as usize..self.first[d as usize + 1] as usize;
                if own.is_empty() {
                    continue;
                }
                let position = frame.positions[d as usize];
                let to_hydrogen = |&h: &u32| (h, frame.cell.minimum_image(frame.positions[h as usize] - position));
                let bonded: Vec<_> = self.hydrogens[own].iter().map(to_hydrogen).collect();
                search.visit(position, |k, to_acceptor| {
                    let acceptor = acceptors[k];
                    if !self.molecules.differ(acceptor, d) {
                        return;
                    }
                    for &(h, u) in &bonded {
                        let is_bond = if at_donor {
                            u.dot(to_acceptor) >= limit * u.length() * to_acceptor.length()
                        } else {
                            let v = to_acceptor - u;
                            (-u).dot(v) <= limit * u.length() * v.length()
                        };
                        if is_bond {
                            found.push((survival::key(h, acceptor), d));
                        }
                    }
                });
            }
            found
        };
        // Merged in the order of the donors, then sorted: threads do not matter.
        let mut bonds: Vec<(u64, u32)> = donors.par_chunks(CHUNK).flat_map_iter(of_chunk).collect();
        bonds.sort_unstable();
        Ok(bonds)
    }
}

impl Observable for HydrogenBonds {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let bonds = self.find(frame)?;
        let mut donated = vec![0_u32; frame.positions.len()];
        let mut accepted = vec![0_u32; frame.positions.len()];
        for &(key, donor) in &bonds {
            donated[donor as usize] += 1;
            accepted[(key & u64::from(u32::MAX)) as usize] += 1;
        }
        let mut region_of = vec![self.regions.len(); frame.positions.len()];
        for (r, region) in self.regions.iter().enumerate().rev() {
            region.atoms(frame)?.iter().for_each(|&i| region_of[i as usize] = r);
        }
        self.blocks.add_frame(|slot| {
            slot[0] += bonds.len() as f64;
            for &oxygen in &self.waters {
                let i = oxygen as usize;
                let row = &mut slot[1 + region_of[i] * REGION..][..REGION];
                row[0] += 1.0;
                row[1] += f64::from(donated[i]);
                row[2] += f64::from(accepted[i]);
                let class = match (donated[i], accepted[i]) {
                    (2, 2) => 0,
                    (2, 1) => 1,
                    (1, 2) => 2,
                    (1, 1) => 3,
                    _ => 4,
                };
                row[3 + class] += 1.0;
            }
        });
        if let Some(lifetimes) = &mut self.lifetimes {
            let keys: Vec<u64> = bonds.iter().map(|b| b.0).collect();
            lifetimes.sample(frame.time, &keys, &keys);
        }
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let mut result = AnalysisResult {
            name: "hydrogen_bonds".to_string(),
            title: "Hydrogen bonds".to_string(),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let jackknife = self.blocks.jackknife();
        let mut push = |id: String, label: String, unit: &str, estimate: Option<Estimate>| {
            result.values.extend(estimate.map(|e| Quantity::new(id, label, e, unit)));
        };
        let all = |s: &[f64], k: usize| (0..self.names.len()).map(|r| s[1 + r * REGION + k]).sum::<f64>();
        push(
            "hydrogen_bonds".into(),
            "hydrogen bonds in the system".into(),
            "1",
            jackknife.estimate(|s, f| Some(s[0] / f)),
        );
        if !self.waters.is_empty() {
            let per_water = |s: &[f64], k: usize| Some(all(s, k) / all(s, 0));
            let both = jackknife.estimate(|s, _| Some(per_water(s, 1)? + per_water(s, 2)?));
            push("hydrogen_bonds_per_water(all)".into(), "hydrogen bonds per water".into(), "1", both);
        }
        let ratio = |s: &[f64], r: usize, k: usize| {
            let row = &s[1 + r * REGION..][..REGION];
            (row[0] > 0.0).then(|| row[k] / row[0])
        };
        for (r, name) in self.names.iter().enumerate() {
            for (k, what) in [(1, "donated"), (2, "accepted")] {
                let estimate = jackknife.estimate(|s, _| ratio(s, r, k));
                push(
                    format!("hydrogen_bonds_{what}({name})"),
                    format!("bonds {what} per water, {name}"),
                    "1",
                    estimate,
                );
            }
            for (k, class) in CLASSES.iter().enumerate() {
                let estimate = jackknife.estimate(|s, _| ratio(s, r, 3 + k));
                push(format!("water_class({name},{class})"), format!("{name} fraction {class}"), "1", estimate);
            }
        }
        let row = |k: usize| (0..self.names.len()).map(|r| ratio(&sums, r, k).unwrap_or(0.0)).collect::<Vec<f64>>();
        let waters = (0..self.names.len()).map(|r| sums[1 + r * REGION] / frames).collect();
        let mut columns = vec![
            Column::new("region", "1", (1..=self.names.len()).map(|r| r as f64).collect()),
            Column::new("waters", "1", waters),
            Column::new("donated", "1", row(1)),
            Column::new("accepted", "1", row(2)),
        ];
        columns.extend(CLASSES.iter().enumerate().map(|(k, class)| Column::new(*class, "1", row(3 + k))));
        result.tables.push(Table { name: format!("{}_classes", result.name), columns });
        let bars = |(r, name): (usize, &String)| {
            Series::new(
                SeriesKind::Bars,
                name.clone(),
                r,
                (0..CLASSES.len()).map(|k| [k as f64, ratio(&sums, r, 3 + k).unwrap_or(0.0)]).collect(),
            )
        };
        result.figures.push(Figure {
            name: format!("{}_classes", result.name),
            title: "Classes of water by hydrogen bonds".to_string(),
            x: Axis::new("class", "1").with_range(-0.5, 4.5).with_names(&CLASSES),
            y: Axis::new("fraction", "1").with_range(0.0, 1.0),
            series: self.names.iter().enumerate().map(bars).collect(),
            ..Default::default()
        });
        self.describe(&mut result);
        self.fill_lifetimes(&mut result);
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let HydrogenBondsSpec { r_max, angle, at_donor, max_lag, origin_every, .. } = self.spec;
        let regions: Vec<String> = self.spec.regions.iter().map(|(n, s)| format!("{n}: {s}")).collect();
        format!(
            "hydrogen-bonds of {} to {}, {r_max} nm, {angle} degrees at donor {at_donor}, {}, lags {max_lag} {origin_every} ps",
            self.donors.text(),
            self.acceptors.text(),
            regions.join("; ")
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
        self.lifetimes.iter().for_each(|l| l.save(writer));
    }

    fn restart(&mut self) {
        self.lifetimes.iter_mut().for_each(Survival::restart);
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        let regions = self.regions.iter().map(|r| (r, false));
        [(&self.donors, true), (&self.acceptors, true)].into_iter().chain(regions).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)?;
        self.lifetimes.as_mut().map_or(Ok(()), |l| l.restore(reader))
    }
}

impl HydrogenBonds {
    fn describe(&self, result: &mut AnalysisResult) {
        let HydrogenBondsSpec { r_max, angle, at_donor, .. } = self.spec;
        let criterion = match at_donor {
            true => format!("angle H–D···A at most {angle}°"),
            false => format!("angle D–H···A at least {angle}°"),
        };
        result.notes.push(format!(
            "Bond: |DA| < {r_max:.3} nm and {criterion}, between molecules. Donors: {}; acceptors: {}. Waters that coordinate ions are \
             included; a hydrogen that points at two acceptors counts twice.",
            self.donors.text(),
            self.acceptors.text()
        ));
        let regions: Vec<String> = self.spec.regions.iter().map(|(name, text)| format!("{name} = {text}")).collect();
        if !regions.is_empty() {
            let rest = "bulk is what remains; the table numbers them in this order";
            result.notes.push(format!("Regions, the first that holds a water counts: {}; {rest}.", regions.join("; ")));
        }
        if !self.guessed.is_empty() {
            result.notes.push(format!(
                "The bonds of {} are not known: a hydrogen was given to the atom before it.",
                self.guessed.join(", ")
            ));
        }
    }

    fn fill_lifetimes(&self, result: &mut AnalysisResult) {
        let Some(lifetimes) = &self.lifetimes else { return };
        let sums = lifetimes.total();
        let (continuous, intermittent) = (lifetimes.curve(&sums, 0), lifetimes.curve(&sums, lifetimes.intermittent()));
        if continuous.len() < 2 {
            return;
        }
        for (k, id, label) in [
            (0, "hydrogen_bond_lifetime(continuous)", "hydrogen bond lifetime, continuous"),
            (lifetimes.intermittent(), "hydrogen_bond_lifetime(intermittent)", "hydrogen bond lifetime, intermittent"),
        ] {
            let (kind, of) = id.split_at(id.find('(').unwrap_or(id.len()));
            lifetimes.time_constant(k).iter().for_each(|time| time.report((kind, of), label, result));
        }
        result.notes.extend(lifetimes.why_no_error("the lifetimes"));
        let column = |points: &[[f64; 2]], k: usize| points.iter().map(|p| p[k]).collect::<Vec<f64>>();
        let name = format!("{}_lifetime", result.name);
        result.tables.push(Table {
            name: name.clone(),
            columns: vec![
                Column::new("t", "ps", column(&continuous, 0)),
                Column::new("C(t) continuous", "1", column(&continuous, 1)),
                Column::new("C(t) intermittent", "1", column(&intermittent, 1)),
            ],
        });
        let line =
            |label: &str, color, points: &[[f64; 2]]| Series::new(SeriesKind::Line, label, color, points.to_vec());
        result.figures.push(Figure {
            name,
            title: "Survival of hydrogen bonds".to_string(),
            x: Axis::new("t", "ps"),
            y: Axis::new("C(t)", "1").with_range(0.0, 1.05),
            series: vec![line("continuous", 0, &continuous), line("intermittent", 1, &intermittent)],
            ..Default::default()
        });
        let grid = lifetimes.grid();
        result.notes.push(format!(
            "Lifetimes: integrals of C(t) to {:.1} ps with an exponential tail fitted to its second half; frames every {}, origins every \
             {} ps. The continuous one depends on the interval between frames.",
            grid.time(grid.len() - 1),
            lifetimes.apart(),
            grid.origin_every()
        ));
    }
}
