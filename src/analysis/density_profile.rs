//! Profiles along z: number density of groups, mass density, charge density and the electrostatic potential.
//!
//! Bins are fixed fractions of the cell's height along z, so a cell that changes is followed. The potential comes from the mean
//! charge density by integrating Poisson's equation twice, exactly for a density that is constant within a bin:
//! φ(z) = −4π k_e ∫₀ᶻ (z − z') ρ(z') dz' with φ = 0 and no field at z = 0, which is right where z = 0 lies in the vacuum or in a
//! conductor; the periodic potential, right for Ewald sums with conducting boundary, has φ(L) z/L subtracted.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::grid::RadialGrid;
use super::peaks;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Map, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::analyses::DensityProfileSpec;
use crate::system::{Charges, Topology};
use crate::units::{COULOMB, DENSITY_G_CM3, VOLT};
use std::f64::consts::{PI, TAU};

/// Densities along z.
pub struct DensityProfile {
    groups: Vec<Selection>,
    names: Vec<String>,
    origin: Option<Selection>,
    n_bins: usize,
    masses: Vec<f64>,
    charges: Vec<f64>,
    maps: Option<Maps>,
    /// `[n_groups]`: do all its atoms stay where they are? Such a group would dwarf the others in figures.
    is_frozen: Vec<bool>,
    /// a_x of the first cell, nm
    width: f64,
    /// Per frame: L_z (nm), then `[n_bins]` of every group (nm⁻³), of the mass (g/cm³) and of the charge (e/nm³); last 1 if the charges were known,
    /// and 1 if they were those of the frame.
    blocks: Blocks,
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

impl DensityProfile {
    pub fn new(spec: &DensityProfileSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
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
        Ok(DensityProfile {
            blocks: Blocks::new(3 + (groups.len() + 2) * n_bins),
            groups,
            names,
            origin,
            n_bins,
            width: cell.vectors().x_axis.x,
            masses: topology.masses.clone(),
            charges: topology.charges.clone(),
            maps: maps.transpose()?,
            is_frozen,
        })
    }

    /// Column `k` of the sums: a group, then mass, then charge; `[n_bins]`.
    fn column<'a>(&self, sums: &'a [f64], k: usize) -> &'a [f64] {
        &sums[1 + k * self.n_bins..][..self.n_bins]
    }

    /// Mean height of the cell, nm.
    fn height(&self, sums: &[f64], frames: f64) -> f64 {
        sums[0] / frames
    }

    /// Frames whose charges were known, and those that brought charges of their own.
    fn charged(&self, sums: &[f64]) -> (f64, f64) {
        (sums[sums.len() - 2], sums[sums.len() - 1])
    }

    /// Mean charge density, e/nm³; `None` where charges were not known.
    fn charge_density(&self, sums: &[f64]) -> Option<Vec<f64>> {
        let (known, _) = self.charged(sums);
        let column = self.column(sums, self.groups.len() + 1);
        (known > 0.0).then(|| column.iter().map(|sum| sum / known).collect())
    }

    /// φ at bin centres and at the upper end, V.
    fn potential(&self, sums: &[f64], frames: f64) -> Option<(Vec<f64>, f64)> {
        let dz = self.height(sums, frames) / self.n_bins as f64;
        let (mut field, mut phi) = (0.0, 0.0);
        let at_center = |charge: &f64| {
            let slope = 4.0 * PI * COULOMB / VOLT * charge;
            let center = phi - field * dz / 2.0 - slope * dz * dz / 8.0;
            phi -= field * dz + slope * dz * dz / 2.0;
            field += slope * dz;
            center
        };
        let centers = self.charge_density(sums)?.iter().map(at_center).collect();
        Some((centers, phi))
    }

    fn periodic_potential(&self, sums: &[f64], frames: f64) -> Option<Vec<f64>> {
        let (phi, end) = self.potential(sums, frames)?;
        Some(phi.iter().enumerate().map(|(k, p)| p - end * (k as f64 + 0.5) / self.n_bins as f64).collect())
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
        let bin = |i: usize| {
            let f = fraction(i) - origin;
            (((f - f.floor()) * n_bins as f64) as usize).min(n_bins - 1)
        };
        let groups = self.groups.iter().map(|g| g.atoms(frame)).collect::<Result<Vec<_>, _>>()?;
        if let Some(maps) = &mut self.maps {
            let (n_x, n_z) = (maps.n_x, maps.n_z);
            let one = (n_x * n_z) as f64 / frame.cell.volume();
            for (group, sums) in groups.iter().zip(maps.sums.chunks_exact_mut(n_x * n_z)) {
                for &i in group.iter() {
                    let s = frame.cell.to_fractional(frame.positions[i as usize]);
                    let at = |s: f64, n: usize| (((s - s.floor()) * n as f64) as usize).min(n - 1);
                    sums[at(s.x, n_x) * n_z + at(s.z - origin, n_z)] += one;
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
                group.iter().for_each(|&i| column[bin(i as usize)] += 1.0 / bin_volume);
            }
            let (mass, charge) = slot[1 + groups.len() * n_bins..].split_at_mut(n_bins);
            for i in 0..frame.positions.len() {
                let k = bin(i);
                mass[k] += self.masses[i] * DENSITY_G_CM3 / bin_volume;
                if let Some(charges) = charges {
                    charge[k] += charges[i] / bin_volume;
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
        columns.push(Column::new("mass density", "g/cm3", mean(self.groups.len())));
        let electric = self.charge_density(&sums).zip(self.potential(&sums, frames));
        let electric = electric.zip(self.periodic_potential(&sums, frames));
        if let Some(((charge, (open, _)), periodic)) = &electric {
            columns.push(Column::new("charge density", "e/nm3", charge.clone()));
            columns.push(Column::new("potential, no field at z = 0", "V", open.clone()));
            columns.push(Column::new("potential, periodic", "V", periodic.clone()));
        }
        result.tables.push(Table { name: result.name.clone(), columns });

        let line = |label: &str, color: usize, on_right: bool, values: &[f64]| Series {
            label: label.to_string(),
            kind: SeriesKind::Line,
            on_right,
            color,
            points: z.iter().zip(values).map(|(&z, &v)| [z, v]).collect(),
        };
        let relative = |k: usize| {
            let values = mean(k);
            let bulk = values.iter().sum::<f64>() / self.n_bins as f64;
            values.iter().map(|v| v / bulk.max(f64::MIN_POSITIVE)).collect::<Vec<f64>>()
        };
        let (low, high) = self.filled(&sums, height);
        let drawn = (0..self.names.len()).filter(|&k| !self.is_frozen[k]);
        result.figures.push(Figure {
            name: result.name.clone(),
            title: "Density along z, over its mean".to_string(),
            x: Axis::new("z", "nm").with_range(low, high),
            y: Axis::new("ρ(z)/mean", "1"),
            series: drawn.enumerate().map(|(color, k)| line(&self.names[k], color, false, &relative(k))).collect(),
            ..Default::default()
        });
        if let Some(((charge, _), periodic)) = &electric {
            result.figures.push(Figure {
                name: format!("{}_charge", result.name),
                title: "Charge and electrostatic potential along z".to_string(),
                x: Axis::new("z", "nm").with_range(low, high),
                y: Axis::new("charge density", "e/nm³"),
                right: Some(Axis::new("potential", "V")),
                series: vec![line("charge", 1, false, charge), line("potential, periodic", 0, true, periodic)],
                ..Default::default()
            });
        }
        self.fill_maps(&mut result, &sums, height, frames);
        let from = self.origin.as_ref().map_or("the bottom of the cell".to_string(), |o| format!("\"{}\"", o.text()));
        result.notes.push(format!(
            "{} bins of {dz:.4} nm, z from {from}. With an origin, the first layer is found as the first shell of g(r) is, on ρ(z) over its mean.",
            self.n_bins
        ));
        let (known, current) = self.charged(&sums);
        if let Some(((charge, (_, end)), _)) = &electric {
            let net: f64 = charge.iter().sum::<f64>() * dz;
            result.notes.push(format!(
                "Potential by double integration of the mean charge density ({net:.2e} e/nm² in all); without a field at z = 0 it \
                 ends at {end:.4} V, and the periodic one has this subtracted linearly."
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
        format!("density-profile of {} from \"{origin}\", {} bins, {maps}", groups.join(", "), self.n_bins)
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
        let mass = self.column(sums, self.groups.len());
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
            let digits = (2.0 - highest.log10().floor()).clamp(0.0, 6.0) as usize;
            result.figures.push(Figure {
                name: file,
                title: format!("{name} over z and x, darkest {highest:.digits$} nm⁻³"),
                x: Axis::new("z", "nm").with_range(first as f64 * square, last as f64 * square),
                y: Axis::new("x", "nm").with_range(0.0, self.width),
                map: Some(Map {
                    n_x: last - first,
                    values: values.chunks_exact(*n_z).flat_map(|row| &row[first..last]).copied().collect(),
                    high: highest,
                }),
                ..Default::default()
            });
        }
    }

    fn fill_values(&self, result: &mut AnalysisResult, sums: &[f64], frames: f64) {
        let dz = self.height(sums, frames) / self.n_bins as f64;
        let grid = RadialGrid::from_zero(dz * self.n_bins as f64, dz);
        let shell = |sums: &[f64], frames: f64, k: usize| {
            let column = self.column(sums, k);
            let mean = column.iter().sum::<f64>() / self.n_bins as f64;
            let relative: Vec<f64> = column.iter().map(|s| s / mean).collect();
            // Counts: densities times the volume of a bin; their scale only decides what is noise.
            let counts: Vec<f64> = column.iter().map(|s| s * dz).collect();
            (mean > 0.0 && frames > 0.0 && grid.len() == self.n_bins)
                .then(|| peaks::first_shell(&relative, &counts, &grid))
                .flatten()
        };
        let mut push = |kind: &str, name: &str, label: String, unit: &str, estimate: Option<Estimate>| {
            result.values.extend(estimate.map(|e| Quantity::new(format!("{kind}({name})"), label, e, unit)));
        };
        for (k, name) in self.names.iter().enumerate().filter(|(k, _)| self.groups[*k].ever_held()) {
            let mean = |s: &[f64], f: f64| Some(self.column(s, k).iter().sum::<f64>() / (f * self.n_bins as f64));
            push("mean_density", name, format!("{name} mean number density"), "nm-3", self.blocks.estimate(mean));
            // A layer belongs to a surface: without an origin every ripple of a bulk liquid would be one.
            let Some(first) = shell(sums, frames, k).filter(|_| self.origin.is_some()) else { continue };
            let peak = self.blocks.estimate(|s, f| Some(shell(s, f, k)?.peak));
            push("layer_position", name, format!("{name} first layer"), "nm", peak);
            let height = self.blocks.estimate(|s, f| Some(shell(s, f, k)?.height));
            push("layer_height", name, format!("{name} first layer, height over mean"), "1", height);
            let edge = grid.nearest_edge(first.minimum);
            let areal = self.blocks.estimate(|s, f| Some(self.column(s, k)[..edge].iter().sum::<f64>() * dz / f));
            push("layer_areal_density", name, format!("{name} in the first layer"), "nm-2", areal);
        }
        let density =
            |s: &[f64], f: f64| Some(self.column(s, self.groups.len()).iter().sum::<f64>() / (f * self.n_bins as f64));
        push("mass_density", "all", "mean mass density".to_string(), "g/cm3", self.blocks.estimate(density));
        let (_, current) = self.charged(sums);
        if current > 0.0 {
            let drop = |s: &[f64], f: f64| Some(self.potential(s, f)?.1);
            let label = "potential from the bottom to the top of the cell".to_string();
            push("potential_drop", "z", label, "V", self.blocks.estimate(drop));
        }
        let middle = |s: &[f64], f: f64| {
            let phi = self.periodic_potential(s, f)?;
            Some(phi[self.n_bins / 2] - phi[0])
        };
        push("potential_middle", "periodic", "potential at mid-height".to_string(), "V", self.blocks.estimate(middle));
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
