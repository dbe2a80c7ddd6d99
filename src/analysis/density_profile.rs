//! Profiles along z: number density of groups, mass density, charge density and the electrostatic potential.
//!
//! Bins are fixed fractions of the cell's height along z, so a cell that changes is followed. Number densities of species count molecules: every atom
//! heavier than hydrogen stands for its share of one. The potential solves Poisson's equation, φ(z) = −4π k_e ∫₀ᶻ (z − z') ρ(z') dz', with the boundary
//! that the run has: no field in the vacuum under a slab correction, else periodic, which subtracts φ(L) z/L; a uniform field from outside adds −E z
//! ([`potential_profile`]). What such a field does in a vacuum is no property of the slab: values count it from the lowest matter to the highest.
//! Between two electrodes in a finite field −E z begins at the lower one, wherever in the cell it stands. Values: [`super::profile_values`].

use super::blocks::Blocks;
use super::bodies::Bodies;
use super::codec::{Reader, Writer};
use super::digits::number_with_error;
use super::potential_profile::{self, Boundary};
use super::results::{self, AnalysisResult, Axis, Column, Figure, Map, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::analyses::DensityProfileSpec;
use crate::system::external::Condition;
use crate::system::{Charges, External, Topology};
use crate::units::{DENSITY_G_CM3, VOLT};
use std::f64::consts::TAU;

/// Densities along z.
pub struct DensityProfile {
    pub(super) groups: Vec<Selection>,
    pub(super) names: Vec<String>,
    pub(super) origin: Option<Selection>,
    pub(super) n_bins: usize,
    masses: Vec<f64>,
    charges: Vec<f64>,
    /// Molecules that an atom counts as, `[n_atoms]`; `None` = groups of the user, in which every atom counts as one
    weights: Option<Vec<f64>>,
    /// What stays where it is.
    pub(super) bodies: Bodies,
    pub(super) boundary: Boundary,
    /// Uniform field from outside, V/nm
    pub(super) field: f64,
    /// The lower electrode, a body, where a field holds the potential between two.
    pub(super) lower: Option<usize>,
    /// Does the input say that matter is not the same everywhere along z?
    pub(super) has_surface: bool,
    maps: Option<Maps>,
    /// `[n_groups]`: do all its atoms stay where they are? Such a group would dwarf the others in figures.
    pub(super) is_frozen: Vec<bool>,
    /// a_x of the first cell, nm
    width: f64,
    /// Per frame: L_z (nm), then `[n_bins]` of every group (nm⁻³), of the mass (g/cm³), of the charge and of the charge shared between bin centres
    /// (e/nm³), of the mass of every body (g/cm³); last 1 if the charges were known, and 1 if they were those of the frame.
    pub(super) blocks: Blocks,
}

/// Number densities over x and z, averaged over y.
struct Maps {
    n_x: usize,
    n_z: usize,
    /// `[n_groups][n_x][n_z]`, nm⁻³, summed over frames
    sums: Vec<f64>,
}

/// Width of the squares of maps by default, nm.
const MAP_WIDTH: f64 = 0.1;
/// Vacuum shown beside a slab, nm.
const ROOM: f64 = 0.3;
/// Columns behind those of the groups.
pub(super) const MASS: usize = 0;
const CHARGE: usize = 1;
const SHARED_CHARGE: usize = 2;
const N_OTHERS: usize = 3;
/// Atoms up to this mass are hydrogen, u.
const HYDROGEN: f64 = 3.0;
/// Groups this much thinner than the densest one have an axis of their own in the figure.
const THIN: f64 = 0.2;

/// Molecules that each atom counts as, `[n_atoms]`: one is shared by the atoms of a molecule that are heavier than hydrogen, or by all where there are none.
/// Atoms that stay where they are, of which a slab is one huge molecule, count themselves.
fn molecules_per_atom(topology: &Topology) -> Vec<f64> {
    let mut weights = vec![0.0; topology.n_atoms()];
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let heavy = |i: &usize| topology.masses[*i] > HYDROGEN;
        let massive = |i: &usize| topology.masses[*i] > 0.0;
        let has_heavy = atoms.clone().any(|i| heavy(&i));
        let counted: Vec<usize> = atoms.filter(|i| if has_heavy { heavy(i) } else { massive(i) }).collect();
        for &i in &counted {
            weights[i] = 1.0 / counted.len() as f64;
        }
    }
    let stays = topology.frozen.iter().zip(&topology.masses);
    weights.iter_mut().zip(stays).filter(|(_, (f, _))| **f).for_each(|(w, (_, m))| *w = f64::from(*m > 0.0));
    weights
}

/// The lower of two electrodes between which a field E = −ΔΨ/L holds the potential difference.
fn lower_electrode(external: &External, cell: &Cell) -> Option<usize> {
    // a body has the index of its electrode
    let [a, b] = &external.electrodes.as_ref()?.electrodes[..] else { return None };
    let (Condition::Potential(of_a), Condition::Potential(of_b)) = (a.condition, b.condition) else { return None };
    let above = -external.field_z * cell.vectors().z_axis.z;
    let is = |difference: f64| (difference - above).abs() < 1e-6 * above.abs();
    let lower = if is(of_b - of_a) { Some(0) } else { is(of_a - of_b).then_some(1) };
    lower.filter(|_| !external.slab_correction)
}

impl DensityProfile {
    /// * `external` – decides the boundary of the potential
    pub fn new(
        spec: &DensityProfileSpec,
        topology: &Topology,
        external: &External,
        cell: &Cell,
    ) -> Result<Self, AnalysisError> {
        let height = cell.vectors().z_axis.z;
        let n = (height / spec.bin_width).round();
        if !(2.0..=1e5).contains(&n) {
            let remedy = "the bins must fit 2 to 100000 times into the cell";
            return Err(AnalysisError::InvalidSetting { what: "bin_width", value: spec.bin_width, remedy });
        }
        let names: Vec<String> = match spec.groups.is_empty() {
            false => spec.groups.clone(),
            true => {
                let present = topology.species.iter().zip(topology.species_counts()).filter(|(_, n)| *n > 0);
                present.map(|(s, _)| format!("species '{}'", s.name)).collect()
            }
        };
        let groups = names.iter().map(|g| Selection::new(g, topology)).collect::<Result<Vec<_>, _>>()?;
        let origin = (!spec.origin.is_empty()).then(|| Selection::new(&spec.origin, topology)).transpose()?;
        let n_bins = n as usize;
        let stays = |group: &Selection| group.fixed().is_some_and(|g| g.iter().all(|&i| topology.frozen[i as usize]));
        let is_frozen = groups.iter().map(stays).collect();
        let map_width = spec.map_width.or(topology.frozen.contains(&true).then_some(MAP_WIDTH));
        let maps = map_width.map(|width| {
            let fit = |length: f64| (length / width).round().max(1.0);
            let (n_x, n_z) = (fit(cell.vectors().x_axis.x), fit(height));
            if n_x * n_z > 1e6 {
                let remedy = "at most a million squares fit into a map: make them larger";
                return Err(AnalysisError::InvalidSetting { what: "map_width", value: width, remedy });
            }
            let (n_x, n_z) = (n_x as usize, n_z as usize);
            Ok(Maps { n_x, n_z, sums: vec![0.0; groups.len() * n_x * n_z] })
        });
        let names = names.iter().map(|n| n.trim_start_matches("species ").trim_matches('\'').to_string()).collect();
        let bodies = Bodies::new(topology, external);
        Ok(DensityProfile {
            blocks: Blocks::new(3 + (groups.len() + N_OTHERS + bodies.n_bodies()) * n_bins),
            lower: lower_electrode(external, cell),
            bodies,
            groups,
            names,
            origin,
            n_bins,
            width: cell.vectors().x_axis.x,
            masses: topology.masses.clone(),
            charges: topology.charges.clone(),
            weights: spec.groups.is_empty().then(|| molecules_per_atom(topology)),
            boundary: if external.slab_correction { Boundary::Slab } else { Boundary::Periodic },
            field: external.field_z / VOLT,
            has_surface: external.slab_correction || !external.walls.is_empty(),
            maps: maps.transpose()?,
            is_frozen,
        })
    }

    /// Column `k` of the sums: a group, then what is named by [`MASS`] and so on; `[n_bins]`.
    pub(super) fn column<'a>(&self, sums: &'a [f64], k: usize) -> &'a [f64] {
        &sums[1 + k * self.n_bins..][..self.n_bins]
    }

    /// One of the columns behind the groups, summed over frames, `[n_bins]`.
    pub(super) fn other<'a>(&self, sums: &'a [f64], which: usize) -> &'a [f64] {
        self.column(sums, self.groups.len() + which)
    }

    /// Mass of a body, summed over frames, `[n_bins]`.
    pub(super) fn body<'a>(&self, sums: &'a [f64], body: usize) -> &'a [f64] {
        self.other(sums, N_OTHERS + body)
    }

    /// Mass of what moves, summed over frames, `[n_bins]`.
    pub(super) fn moving(&self, sums: &[f64]) -> Vec<f64> {
        let stays = |k: usize| (0..self.bodies.n_bodies()).map(|b| self.body(sums, b)[k]).sum::<f64>();
        // of what stays alone, sums in another order leave a rounding error
        let least = 1e-9 * self.other(sums, MASS).iter().copied().fold(0.0, f64::max);
        let moving = self.other(sums, MASS).iter().enumerate().map(|(k, all)| all - stays(k));
        moving.map(|m| if m > least { m } else { 0.0 }).collect()
    }

    /// Mean height of the cell, nm.
    pub(super) fn height(&self, sums: &[f64], frames: f64) -> f64 {
        sums[0] / frames
    }

    /// Frames whose charges were known, and those that brought charges of their own.
    fn charged(&self, sums: &[f64]) -> (f64, f64) {
        (sums[sums.len() - 2], sums[sums.len() - 1])
    }

    /// Mean density of the charge or the shared charge, e/nm³; `None` where charges were not known.
    fn charge_density(&self, sums: &[f64], which: usize) -> Option<Vec<f64>> {
        let (known, _) = self.charged(sums);
        (known > 0.0).then(|| self.other(sums, which).iter().map(|sum| sum / known).collect())
    }

    /// The bin from which on bins follow each other through the matter.
    pub(super) fn start(&self, sums: &[f64]) -> usize {
        let mass = self.other(sums, MASS);
        match (self.boundary, &self.lower) {
            (Boundary::Slab, _) => potential_profile::in_the_vacuum(mass),
            (Boundary::Periodic, None) => 0,
            (Boundary::Periodic, &Some(lower)) => {
                let electrode = potential_profile::bottom(self.body(sums, lower));
                if mass[..electrode].iter().all(|m| *m == 0.0) { 0 } else { electrode }
            }
        }
    }

    /// Height of the lowest and the highest bin with matter above where bins start, nm.
    pub(super) fn ends(&self, sums: &[f64], dz: f64) -> [f64; 2] {
        let (low, high) = potential_profile::ends(self.start(sums), self.other(sums, MASS));
        [low, high].map(|step| (step as f64 + 0.5) * dz)
    }

    /// φ at bin centres and at the upper end, V, without a field at the start.
    fn open_potential(&self, sums: &[f64], frames: f64) -> Option<(Vec<f64>, f64)> {
        let dz = self.height(sums, frames) / self.n_bins as f64;
        let density = self.charge_density(sums, SHARED_CHARGE)?;
        Some(potential_profile::without_field_at(self.start(sums), &density, dz))
    }

    pub(super) fn periodic_potential(&self, sums: &[f64], frames: f64) -> Option<Vec<f64>> {
        let dz = self.height(sums, frames) / self.n_bins as f64;
        Some(potential_profile::periodic(&self.charge_density(sums, SHARED_CHARGE)?, dz))
    }

    /// φ at bin centres, V, as the run has it: with its boundary and the field from outside; and how far it is above a slab over what it is below, V, with
    /// that field from the lowest matter to the highest.
    pub(super) fn potential(&self, sums: &[f64], frames: f64) -> Option<(Vec<f64>, f64)> {
        let (mut phi, end) = match self.boundary {
            Boundary::Slab => self.open_potential(sums, frames)?,
            Boundary::Periodic => (self.periodic_potential(sums, frames)?, 0.0),
        };
        let (height, start) = (self.height(sums, frames), self.start(sums));
        let dz = height / self.n_bins as f64;
        for step in 0..self.n_bins {
            phi[(start + step) % self.n_bins] -= self.field * (step as f64 + 0.5) * dz;
        }
        let [low, high] = self.ends(sums, dz);
        Some((phi, end - self.field * (high - low)))
    }

    /// How numbers of a group are counted, for labels.
    fn counts_molecules(&self) -> bool {
        self.weights.is_some()
    }

    /// What densities of groups are densities of.
    fn counted(&self) -> &'static str {
        if self.counts_molecules() { "molecules" } else { "number density" }
    }
}

/// Mean of heights that are fractions of the cell, of the images that stand together across the boundary, or `None` for an empty set.
///
/// The mean direction on a circle says where they stand, but is their mean only if they are symmetric about it: the mean of the images nearest to it is.
fn mean_fraction(fractions: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let circle = fractions.clone().fold((0.0, 0.0), |(s, c), f| (s + (TAU * f).sin(), c + (TAU * f).cos()));
    let middle = circle.0.atan2(circle.1) / TAU;
    let (sum, n) = fractions.map(|f| f - middle).fold((0.0, 0), |(sum, n), d| (sum + d - d.round(), n + 1));
    (n > 0).then(|| middle + sum / f64::from(n))
}

impl Observable for DensityProfile {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let n_bins = self.n_bins;
        let height = frame.cell.vectors().z_axis.z;
        let bin_volume = frame.cell.volume() / n_bins as f64;
        let fraction = |i: usize| frame.positions[i].z / height;
        let origin = match &self.origin {
            Some(origin) => mean_fraction(origin.atoms(frame)?.iter().map(|&i| fraction(i as usize))).unwrap_or(0.0),
            None => 0.0,
        };
        let place = |i: usize| {
            let f = fraction(i) - origin;
            f - f.floor()
        };
        let bin = |i: usize| ((place(i) * n_bins as f64) as usize).min(n_bins - 1);
        let weights = self.weights.as_deref();
        let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
        let groups = self.groups.iter().map(|g| g.atoms(frame)).collect::<Result<Vec<_>, _>>()?;
        if let Some(maps) = &mut self.maps {
            let (n_x, n_z) = (maps.n_x, maps.n_z);
            let one = (n_x * n_z) as f64 / frame.cell.volume();
            for (group, sums) in groups.iter().zip(maps.sums.chunks_exact_mut(n_x * n_z)) {
                for &i in group.iter() {
                    let s = frame.cell.to_fractional(frame.positions[i as usize]);
                    let at = |s: f64, n: usize| (((s - s.floor()) * n as f64) as usize).min(n - 1);
                    sums[at(s.x, n_x) * n_z + at(s.z - origin, n_z)] += weight(i as usize) * one;
                }
            }
        }
        let (charges, is_current) = match frame.charges {
            Charges::OfTopology => (Some(self.charges.as_slice()), false),
            Charges::Current(charges) => (Some(charges), true),
            Charges::Unknown => (None, false),
        };
        self.blocks.add_frame(|slot| {
            slot[0] += height;
            let last = slot.len() - 1;
            slot[last - 1] += f64::from(charges.is_some());
            slot[last] += f64::from(is_current);
            for (group, column) in groups.iter().zip(slot[1..].chunks_exact_mut(n_bins)) {
                group.iter().for_each(|&i| column[bin(i as usize)] += weight(i as usize) / bin_volume);
            }
            let others = &mut slot[1 + groups.len() * n_bins..];
            for i in 0..frame.positions.len() {
                let k = bin(i);
                let density = self.masses[i] * DENSITY_G_CM3 / bin_volume;
                others[MASS * n_bins + k] += density;
                if let Some(body) = self.bodies.of(i) {
                    others[(N_OTHERS + body) * n_bins + k] += density;
                }
                if let Some(charges) = charges {
                    let density = charges[i] / bin_volume;
                    others[CHARGE * n_bins + k] += density;
                    for (k, share) in potential_profile::shares(place(i), n_bins) {
                        others[SHARED_CHARGE * n_bins + k] += share * density;
                    }
                }
            }
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let mut result = AnalysisResult {
            name: "density_profile".to_string(),
            title: "Profiles along z".to_string(),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let (sums, frames) = (self.blocks.total(), self.blocks.n_frames() as f64);
        let height = self.height(&sums, frames);
        let dz = height / self.n_bins as f64;
        let z: Vec<f64> = (0..self.n_bins).map(|k| (k as f64 + 0.5) * dz).collect();
        let mean = |k: usize| self.column(&sums, k).iter().map(|s| s / frames).collect::<Vec<f64>>();
        self.fill_values(&mut result, &sums, frames);

        let mut columns = vec![Column::new("z", "nm", z.clone())];
        columns.extend(self.names.iter().enumerate().map(|(k, n)| Column::new(n.clone(), "nm-3", mean(k))));
        let mass = mean(self.groups.len() + MASS);
        if self.bodies.n_bodies() > 0 {
            let moving = self.moving(&sums).iter().map(|sum| sum / frames).collect();
            columns.push(Column::new("mass density of what moves", "g/cm3", moving));
        }
        columns.push(Column::new("mass density", "g/cm3", mass));
        let electric = self.charge_density(&sums, CHARGE).zip(self.potential(&sums, frames));
        if let Some((charge, (total, _))) = &electric {
            columns.push(Column::new("charge density", "e/nm3", charge.clone()));
            let open = self.open_potential(&sums, frames).unwrap_or_default().0;
            let from = self.start(&sums) as f64 * dz;
            let from = if from == 0.0 { "0".to_string() } else { format!("{from:.3} nm") };
            columns.push(Column::new(format!("potential, no field at z = {from}"), "V", open));
            let periodic = self.periodic_potential(&sums, frames).unwrap_or_default();
            columns.push(Column::new("potential, periodic", "V", periodic));
            if self.field != 0.0 {
                columns.push(Column::new("potential, with the field from outside", "V", total.clone()));
            }
        }
        result.tables.push(Table { name: result.name.clone(), columns });

        let line = |label: &str, color: usize, on_right: bool, values: &[f64]| Series {
            label: label.to_string(),
            kind: SeriesKind::Line,
            on_right,
            color,
            points: z.iter().zip(values).map(|(&z, &v)| [z, v]).collect(),
        };
        let (low, high) = self.filled(&sums, height);
        let drawn: Vec<usize> = (0..self.names.len()).filter(|&k| !self.is_frozen[k]).collect();
        let peak = |k: usize| mean(k).into_iter().fold(0.0, f64::max);
        let highest = drawn.iter().map(|&k| peak(k)).fold(0.0, f64::max);
        let is_thin = |k: usize| peak(k) < THIN * highest;
        let has_thin = drawn.iter().any(|&k| is_thin(k));
        let named = |k: usize| format!("{}{}", self.names[k], if is_thin(k) { " (right)" } else { "" });
        let what = self.counted();
        result.figures.push(Figure {
            name: result.name.clone(),
            title: "Number density along z".to_string(),
            x: Axis::new("z", "nm").with_range(low, high),
            y: Axis::new(what, "nm⁻³"),
            right: has_thin.then(|| Axis::new(what, "nm⁻³")),
            series: drawn.iter().enumerate().map(|(c, &k)| line(&named(k), c, is_thin(k), &mean(k))).collect(),
            ..Default::default()
        });
        if let Some((charge, (potential, _))) = &electric {
            let label = match (self.boundary, self.field) {
                (Boundary::Slab, _) => "potential",
                (Boundary::Periodic, 0.0) => "potential, periodic",
                (Boundary::Periodic, _) => "potential, periodic and of the field",
            };
            result.figures.push(Figure {
                name: format!("{}_charge", result.name),
                title: "Charge and electrostatic potential along z".to_string(),
                x: Axis::new("z", "nm").with_range(low, high),
                y: Axis::new("charge density", "e/nm³"),
                right: Some(Axis::new("potential", "V")),
                series: vec![line("charge", 1, false, charge), line(label, 0, true, potential)],
                ..Default::default()
            });
        }
        self.fill_maps(&mut result, &sums, height, frames);
        let from = self.origin.as_ref().map_or("the bottom of the cell".to_string(), |o| format!("\"{}\"", o.text()));
        let counted = match self.counts_molecules() {
            true => {
                "Densities of species count molecules, by their atoms heavier than hydrogen; those of atoms that stay where they are count atoms."
            }
            false => "Densities count the selected atoms.",
        };
        result.notes.push(format!("{} bins of {dz:.4} nm, z from {from}. {counted}", self.n_bins));
        if self.origin.is_some() {
            let how = "The first layer from the origin is found as the first shell of g(r) is, on ρ(z) over its mean.";
            result.notes.push(how.to_string());
        }
        let (known, current) = self.charged(&sums);
        if let Some((charge, (_, drop))) = &electric {
            let error = result.values.iter().find(|q| q.id == "potential_drop(z)").and_then(|q| q.error);
            let drop = number_with_error(*drop, error);
            let net: f64 = charge.iter().sum::<f64>() * dz;
            let (boundary, outside) = match (self.boundary, self.field == 0.0) {
                (Boundary::Slab, true) => {
                    (format!("no field in the vacuum, zero below the slab and {drop} V above it"), "")
                }
                (Boundary::Slab, false) => (
                    format!("no field of the charges in the vacuum, {drop} V from the lowest matter to the highest"),
                    ", with −E z of the field from outside",
                ),
                (Boundary::Periodic, is_alone) => (
                    "the same at both ends of the cell, as Ewald sums have it".to_string(),
                    if is_alone { "" } else { ", and −E z of the field from outside" },
                ),
            };
            result.notes.push(format!(
                "Potential by double integration of the mean charge density ({net:.2e} e/nm² in all), every charge shared between the two nearest bin \
                 centres; {boundary}{outside}."
            ));
        }
        if current > 0.0 {
            result
                .notes
                .push(format!("Charges of electrodes are those of each frame, known in {current} of {frames}."));
        }
        if known == 0.0 {
            let what = "The charges of the electrodes are not in these frames: charge density and potential, which they are a part of, are left out.";
            result.notes.push(what.to_string());
        }
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let groups: Vec<&str> = self.groups.iter().map(Selection::text).collect();
        let origin = self.origin.as_ref().map_or("", Selection::text);
        let maps = self.maps.as_ref().map_or("no maps".to_string(), |m| format!("maps of {} by {}", m.n_x, m.n_z));
        format!(
            "density-profile of {} from \"{origin}\", {} bins, {maps}, {:?} in a field of {} V/nm{}, beside \"{}\"",
            groups.join(", "),
            self.n_bins,
            self.boundary,
            self.field,
            if self.lower.is_some() { " between two electrodes" } else { "" },
            self.bodies.fingerprint()
        )
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
        self.maps.iter().for_each(|m| writer.array(&m.sums));
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        self.groups.iter().map(|g| (g, false)).chain(self.origin.iter().map(|o| (o, true))).collect()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)?;
        if let Some(maps) = &mut self.maps {
            maps.sums = reader.array(maps.sums.len())?;
        }
        Ok(())
    }
}

impl DensityProfile {
    /// The part of z that figures show, nm: all of it, or where there is mass and some room, if the rest is vacuum.
    fn filled(&self, sums: &[f64], height: f64) -> (f64, f64) {
        let mass = self.other(sums, MASS);
        let dz = height / self.n_bins as f64;
        let ends = (mass.iter().position(|m| *m > 0.0), mass.iter().rposition(|m| *m > 0.0));
        let (Some(first), Some(last)) = ends else { return (0.0, height) };
        ((first as f64 * dz - ROOM).max(0.0), ((last + 1) as f64 * dz + ROOM).min(height))
    }

    /// * `height` – mean height of the cell, nm
    fn fill_maps(&self, result: &mut AnalysisResult, profile: &[f64], height: f64, frames: f64) {
        let Some(Maps { n_x, n_z, sums }) = &self.maps else { return };
        let (low, high) = self.filled(profile, height);
        let square = height / *n_z as f64;
        let (first, last) = ((low / square) as usize, ((high / square).ceil() as usize).min(*n_z));
        for (k, (name, sums)) in self.names.iter().zip(sums.chunks_exact(n_x * n_z)).enumerate() {
            let values: Vec<f64> = sums.iter().map(|s| s / frames).collect();
            let highest = values.iter().copied().fold(0.0, f64::max);
            if highest == 0.0 || self.is_frozen[k] {
                continue;
            }
            let width = self.width / *n_x as f64;
            let file = results::file_stem(&[&result.name, "map", name]);
            result.tables.push(Table {
                name: file.clone(),
                columns: vec![
                    Column::new("x", "nm", (0..values.len()).map(|k| ((k / n_z) as f64 + 0.5) * width).collect()),
                    Column::new("z", "nm", (0..values.len()).map(|k| ((k % n_z) as f64 + 0.5) * square).collect()),
                    Column::new("number density", "nm-3", values.clone()),
                ],
            });
            result.figures.push(Figure {
                name: file,
                title: format!("{name} over z and x"),
                x: Axis::new("z", "nm").with_range(first as f64 * square, last as f64 * square),
                y: Axis::new("x", "nm").with_range(0.0, self.width),
                map: Some(Map {
                    n_x: last - first,
                    values: values.chunks_exact(*n_z).flat_map(|row| &row[first..last]).copied().collect(),
                    high: highest,
                    scale: Axis::new(self.counted(), "nm⁻³"),
                }),
                ..Default::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::mean_fraction;

    #[test]
    fn the_mean_height_of_a_lopsided_group_is_its_mean_across_the_boundary() {
        let mean = |heights: &[f64]| mean_fraction(heights.iter().copied()).map(|m| m - m.floor());
        // −0.05, 0, 0 and 0.3; the directions of these heights on a circle have theirs at 0.038.
        assert!((mean(&[0.95, 0.0, 0.0, 0.3]).expect("four") - 0.0625).abs() < 1e-12);
        assert!((mean(&[3.95, -1.0, 0.0, 0.3]).expect("four") - 0.0625).abs() < 1e-12, "whichever image is given");
        assert_eq!(mean(&[]), None);
    }
}
