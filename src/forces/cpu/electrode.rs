//! Electrodes on the host: their charges from a matrix made once, every step.
//!
//! Twin: `forces/reference/electrode.rs`, whose matrix is taken over. Per step: the potential of the other charges at the
//! electrode atoms by the mesh (`super::pme`), by real space (`near`, over a list of its own) and by the slab term; the product with C in f32, and a correction that restores the sums of charges; forces by the ordinary
//! passes with the new charges. The Gaussians differ from points only where atoms all but touch: those pairs are found while
//! the potential is added up.

use super::near::{NearField, Screen, Touching};
use super::nonbonded::Nonbonded;
use super::simd::{SimdLevel, vectorised};
use crate::cell::Cell;
use crate::electrode::dense::Matrix;
use crate::electrode::response::{Response, offsets};
use crate::forces::ForceError;
use crate::forces::overlaps::Overlaps;
use crate::forces::reference::electrode::{Site, check, held, shape};
use crate::forces::reference::external::Dipole;
use crate::forces::reference::outer;
use crate::forces::response::solved;
use crate::neighbor::half::HalfList;
use crate::system::System;
pub(super) use crate::system::external::POINT;
use crate::system::external::{Electrodes, MOST_ELECTRODES};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::Arc;

/// Sites per task.
const SITES_PER_TASK: usize = 16;
/// Entries of a row of C that are summed in single precision.
const RUN: usize = 128;

/// Which part of the list of neighbors potentials are added up over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Near {
    /// All of it; what was kept of it stays as it is.
    Whole,
    /// What was kept of it.
    Kept,
    /// What comes closer than this (nm), which is kept from now on.
    Pruned(f64),
}

/// The electrodes of one system, frozen where they are.
pub(super) struct ConstantPotential {
    level: SimdLevel,
    pub sites: Vec<Site>,
    /// Their atoms.
    pub atoms: Arc<[usize]>,
    /// `[n_sites]`, nm
    at: Vec<DVec3>,
    cell: Cell,
    fixed_sums: Vec<f64>,
    groups: Vec<u32>,
    /// C, rows padded to [`RUN`]
    matrix: Vec<f32>,
    stride: usize,
    /// S by group
    shares: Vec<Vec<f64>>,
    /// B
    between: Matrix,
    /// What does not change from step to step, `[n_sites]`, kJ mol⁻¹ e⁻¹
    held: Vec<f64>,
    screen: Screen,
    near: NearField,
    overlaps: Overlaps,
    touching: Vec<Touching>,
    /// e, `[n_sites]`
    pub charges: Vec<f64>,
    /// Ψ − φ that the charges follow, `[n_sites]`, kJ mol⁻¹ e⁻¹
    drive: Vec<f64>,
}

impl ConstantPotential {
    /// Makes the matrix, or takes it from the cache. `None` when the system has no electrodes.
    ///
    /// * `positions` – `[n_atoms]`, nm; only electrode atoms are looked at
    pub fn new(
        level: SimdLevel,
        system: &System,
        cell: &Cell,
        positions: &[DVec3],
    ) -> Result<Option<Self>, ForceError> {
        let Some(electrodes) = &system.external.electrodes else { return Ok(None) };
        let beta = check(system, electrodes)?;
        let sites = Site::all(electrodes);
        let at: Vec<DVec3> = sites.iter().map(|s| positions[s.atom]).collect();
        let (groups, fixed_sums) = electrodes.fixed_sums();
        let solved = solved(system, electrodes, cell, &sites, &at)?;
        let cutoff = system.interactions.cutoff;
        let (matrix, stride) = rows_in_f32(&solved);
        Ok(Some(ConstantPotential {
            level,
            cell: *cell,
            groups,
            fixed_sums,
            matrix,
            stride,
            shares: solved.shares().to_vec(),
            between: solved.between().clone(),
            held: held(system, electrodes, cell, &sites, &at),
            screen: Screen::new(beta, cutoff),
            near: NearField::default(),
            overlaps: Overlaps::new(&sites, &at, cell, POINT, cutoff),
            touching: Vec::new(),
            charges: vec![0.0; sites.len()],
            drive: vec![0.0; sites.len()],
            atoms: sites.iter().map(|site| site.atom).collect(),
            sites,
            at,
        }))
    }

    /// Are the electrodes still where they were when the matrix was made?
    pub fn is_made_for(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        *cell == self.cell && self.sites.iter().zip(&self.at).all(|(s, r)| positions[s.atom] == *r)
    }

    pub fn forget_list(&mut self) {
        self.near.forget_list();
    }

    /// Takes a new list.
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn set_list(&mut self, list: Arc<HalfList>, charges: &[f64]) {
        self.near.set_list(list, &self.sites, charges);
    }

    /// Real-space potential of the other charges at every site, `[n_sites]`, kJ mol⁻¹ e⁻¹.
    ///
    /// * `pairs` – with the present positions gathered
    /// * `positions`, `charges` – `[n_atoms]`, nm and e
    pub fn near_potentials(&mut self, pairs: &Nonbonded, near: Near, positions: &[DVec3], charges: &[f64]) -> Vec<f64> {
        if let Near::Pruned(radius) = near {
            self.near.prune(self.level, radius, pairs.blocks());
        }
        let (potentials, touching) = self.near.potentials(
            self.level,
            near == Near::Whole,
            &self.screen,
            &self.sites,
            pairs.blocks(),
            positions,
            charges,
        );
        self.touching = touching;
        potentials
    }

    /// The charges that minimise the energy, from the potentials of the other charges at the sites.
    ///
    /// * `far`, `near` – `[n_sites]`, kJ mol⁻¹ e⁻¹
    /// * `others` – dipole of the other charges; `None` without a slab correction
    pub fn set_charges(&mut self, far: &[f64], near: &[f64], others: Option<&Dipole>) {
        let slab = others.map_or(0.0, |d| 4.0 * PI * COULOMB / self.cell.volume() * d.moment);
        let mut drive: Vec<f64> = (self.held.iter().zip(&self.at).zip(far.iter().zip(near)))
            .map(|((held, r), (far, near))| held - far - near - slab * r.z)
            .collect();
        self.drive.clone_from(&drive);
        // rows of C sum to zero over every group: without its mean, a drive loses less to rounding
        for g in 0..self.fixed_sums.len() {
            let own = |k: &usize| self.groups[*k] as usize == g;
            let (n, sum) = (0..drive.len()).filter(own).fold((0.0, 0.0), |(n, sum), k| (n + 1.0, sum + drive[k]));
            (0..drive.len()).filter(own).for_each(|k| drive[k] -= sum / n);
        }
        let mut padded: Vec<f32> = drive.iter().map(|&x| x as f32).collect();
        padded.resize(self.stride, 0.0);
        let (level, stride, matrix) = (self.level, self.stride, &self.matrix);
        self.charges.par_chunks_mut(SITES_PER_TASK).zip(matrix.par_chunks(SITES_PER_TASK * stride)).for_each(
            |(charges, rows)| {
                for (q, row) in charges.iter_mut().zip(rows.chunks_exact(stride)) {
                    *q = product(level, row, &padded);
                }
            },
        );
        // what rounding took from the sums comes back with the sums themselves
        for (g, share) in self.shares.iter().enumerate() {
            let own = self.charges.iter().zip(&self.groups).filter(|(_, h)| **h as usize == g);
            let missing = self.fixed_sums[g] - own.map(|(q, _)| q).sum::<f64>();
            self.charges.iter_mut().zip(share).for_each(|(q, s)| *q += missing * s);
        }
    }

    /// Potentials of the electrodes with the present charges, kJ mol⁻¹ e⁻¹, see [`Electrodes::potentials`].
    pub fn potentials(&self, electrodes: &Electrodes) -> [f64; MOST_ELECTRODES] {
        electrodes.potentials(&offsets(&self.between, &self.shares, &self.drive, &self.fixed_sums))
    }

    /// Force by which the shape of the Gaussians differs from points, on atoms that touch a site: (atom, kJ/mol/nm).
    ///
    /// * `charges` – `[n_atoms]`, e, electrodes included
    /// * `all` – on electrode atoms, too, which do not move
    pub fn shape_forces(&self, charges: &[f64], all: bool) -> Vec<(u32, DVec3)> {
        let mut forces = Vec::new();
        for t in &self.touching {
            let site = &self.sites[t.site as usize];
            let (_, f) = shape(charges[site.atom] * charges[t.atom as usize], 1.0 / site.width, t.d);
            forces.push((t.atom, f));
            if all {
                forces.push((site.atom as u32, -f));
            }
        }
        if all {
            for (a, b, (_, f)) in self.overlaps.shapes(&self.sites, charges) {
                forces.push((b as u32, f));
                forces.push((a as u32, -f));
            }
        }
        forces
    }

    /// Energy of the shape of the Gaussians, part of the real-space Coulomb energy; and self terms with the work of the
    /// source, kJ/mol.
    pub fn energies(&self, charges: &[f64]) -> (f64, f64) {
        let mut short = 0.0;
        for t in &self.touching {
            let site = &self.sites[t.site as usize];
            short += shape(charges[site.atom] * charges[t.atom as usize], 1.0 / site.width, t.d).0;
        }
        short += self.overlaps.shapes(&self.sites, charges).map(|(_, _, (energy, _))| energy).sum::<f64>();
        (short, self.sites.iter().map(|site| site.energy(charges[site.atom])).sum())
    }

    /// Virial of the shape of the Gaussians between an electrode atom and another, kJ/mol.
    pub fn shape_virial(&self, charges: &[f64]) -> DMat3 {
        let of = |t: &Touching| {
            let site = &self.sites[t.site as usize];
            outer(t.d, shape(charges[site.atom] * charges[t.atom as usize], 1.0 / site.width, t.d).1)
        };
        self.touching.iter().map(of).sum()
    }
}

/// C in single precision with padded rows, and their length.
fn rows_in_f32(response: &Response) -> (Vec<f32>, usize) {
    let n = response.n_atoms();
    let stride = n.next_multiple_of(RUN);
    let mut rows = vec![0.0; n * stride];
    for (i, row) in rows.chunks_mut(stride.max(1)).enumerate() {
        row.iter_mut().zip(response.matrix().row(i)).for_each(|(x, &c)| *x = c as f32);
    }
    (rows, stride)
}

vectorised!(fn product(row: &[f32], x: &[f32]) -> f64 => product_of_row);

#[inline(always)]
fn product_of_row(row: &[f32], x: &[f32]) -> f64 {
    let mut total = 0.0;
    for (a, b) in row.chunks_exact(RUN).zip(x.chunks_exact(RUN)) {
        let mut sums = [0.0f32; 32];
        for (a, b) in a.chunks_exact(32).zip(b.chunks_exact(32)) {
            for lane in 0..32 {
                sums[lane] += a[lane] * b[lane];
            }
        }
        total += sums.iter().map(|&s| f64::from(s)).sum::<f64>();
    }
    total
}
