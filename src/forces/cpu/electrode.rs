//! Electrodes on the host: their charges from a matrix made once, every step.
//!
//! Twin: `forces/reference/electrode.rs`, whose matrix is taken over. Per step: the potential of the other charges at the
//! electrode atoms by the mesh (`super::pme`), by real space ([`ConstantPotential::add_near`], over a list of its own) and by
//! the slab term; the product with C in f32, and a correction that restores the sums of charges; forces by the ordinary
//! passes with the new charges. The Gaussians differ from points only where atoms all but touch: those pairs are found while
//! the potential is added up.

use super::nonbonded::ewald_beta;
use super::rational::{DENOMINATOR, NUMERATOR, Rational, fit_energy};
use super::simd::{SimdLevel, vectorised};
use crate::cell::Cell;
use crate::electrode::cache;
use crate::electrode::response::Response;
use crate::forces::ForceError;
use crate::forces::reference::electrode::{Site, check, response};
use crate::forces::reference::{ewald, external::Dipole, pme::Pme as ReferencePme};
use crate::math::erfc;
use crate::neighbor::clusters::{CLUSTER, HALF, PADDING};
use crate::neighbor::half::{HalfList, offset};
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::DVec3;
use rayon::prelude::*;
use std::f64::consts::PI;

/// erfc of this is 1e-9: beyond, a Gaussian is a point.
const POINT: f64 = 4.32;
/// Sites per task.
const SITES_PER_TASK: usize = 16;
/// Pairs evaluated together.
const CHUNK: usize = 16;
/// Entries of a row of C that are summed in single precision.
const RUN: usize = 128;

/// Other atoms around one electrode atom.
#[derive(Debug, Default, Clone)]
struct Near {
    atoms: Vec<u32>,
    /// `[n_near]`, nm: where the site stands for the image that this pair is about.
    at: Vec<DVec3>,
}

/// A pair of a site and another atom so close that the Gaussian shows.
#[derive(Debug, Clone, Copy)]
struct Touching {
    site: u32,
    atom: u32,
    /// From the site to the atom, nm
    d: DVec3,
}

/// The electrodes of one system, frozen where they are.
pub(super) struct ConstantPotential {
    level: SimdLevel,
    pub sites: Vec<Site>,
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
    /// Ψ + E_z z, `[n_sites]`, kJ mol⁻¹ e⁻¹
    held: Vec<f64>,
    /// erf(β r)/r as a function of r²
    smooth: Smooth,
    cutoff_sq: f32,
    /// nm²: square of the distance from which the Gaussian of a site is a point, `[n_sites]`
    reach_sq: Vec<f32>,
    near: Vec<Near>,
    /// Pairs of sites whose Gaussians overlap, with their displacement (nm).
    overlaps: Vec<(u32, u32, DVec3)>,
    touching: Vec<Touching>,
    /// e, `[n_sites]`
    pub charges: Vec<f64>,
}

/// A rational function in single precision.
#[derive(Debug, Clone, Copy)]
struct Smooth {
    numerator: [f32; NUMERATOR + 1],
    denominator: [f32; DENOMINATOR + 1],
}

impl Smooth {
    fn new(r: &Rational) -> Self {
        Smooth { numerator: r.numerator.map(|x| x as f32), denominator: r.denominator.map(|x| x as f32) }
    }
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
        let key = cache::Key::new(&describe(system, cell, &sites, &at, &groups));
        let solved = match cache::read(&key, sites.len(), fixed_sums.len()) {
            Some(found) => found,
            None => {
                let far = match system.interactions.coulomb {
                    Coulomb::Pme { beta, grid, order } => ReferencePme::new(grid, order, beta).interactions(cell, &at),
                    Coulomb::Ewald { beta, n_max, n_sq_max } => {
                        ewald::interactions(cell, &at, &ewald::WaveVectors { beta, n_max, n_sq_max })
                    }
                    Coulomb::ReactionField { .. } | Coulomb::Cutoff => vec![0.0; sites.len() * sites.len()],
                };
                let made = response(system, electrodes, &sites, cell, &at, far)?;
                cache::write(&key, &made);
                made
            }
        };
        let cutoff = system.interactions.cutoff;
        let field = system.external.field_z;
        let overlap = |i: usize, j: usize| {
            let d = cell.minimum_image(at[j] - at[i]);
            (d.length() < (POINT * sites[i].width.hypot(sites[j].width)).min(cutoff)).then_some((i as u32, j as u32, d))
        };
        let (matrix, stride) = rows_in_f32(&solved);
        Ok(Some(ConstantPotential {
            level,
            cell: *cell,
            groups,
            fixed_sums,
            matrix,
            stride,
            shares: solved.shares().to_vec(),
            held: sites.iter().zip(&at).map(|(s, r)| s.potential + field * r.z).collect(),
            smooth: Smooth::new(&fit_energy((beta * cutoff).powi(2)).scaled(beta, beta * beta)),
            cutoff_sq: (cutoff * cutoff) as f32,
            reach_sq: sites.iter().map(|s| (POINT * s.width).powi(2) as f32).collect(),
            near: vec![Near::default(); sites.len()],
            overlaps: (0..sites.len())
                .into_par_iter()
                .flat_map_iter(|i| (0..i).filter_map(move |j| overlap(i, j)))
                .collect(),
            touching: Vec::new(),
            charges: vec![0.0; sites.len()],
            sites,
            at,
        }))
    }

    /// Are the electrodes still where they were when the matrix was made?
    pub fn is_made_for(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        *cell == self.cell && self.sites.iter().zip(&self.at).all(|(s, r)| positions[s.atom] == *r)
    }

    /// Takes from a half list the pairs of an electrode atom with a charge that is not of an electrode.
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn set_list(&mut self, list: &HalfList, charges: &[f64]) {
        let mut site_of = vec![u32::MAX; charges.len()];
        for (k, site) in self.sites.iter().enumerate() {
            site_of[site.atom] = k as u32;
        }
        let order = &list.clusters.order;
        let is_site = |slot: usize| order[slot] != PADDING && site_of[order[slot] as usize] != u32::MAX;
        let is_charge = |slot: usize| {
            let atom = order[slot];
            atom != PADDING && site_of[atom as usize] == u32::MAX && charges[atom as usize] != 0.0
        };
        let holds = |of: &(dyn Fn(usize) -> bool + Sync)| -> Vec<bool> {
            (0..list.clusters.n_clusters()).map(|c| (c * CLUSTER..(c + 1) * CLUSTER).any(of)).collect()
        };
        let (with_sites, with_charges) = (holds(&is_site), holds(&is_charge));
        let radius_sq = list.radius * list.radius;
        let found: Vec<Vec<(u32, u32, DVec3)>> = (list.parts.par_iter())
            .map(|part| {
                let mut pairs = Vec::new();
                for (half, row) in part.list.rows.iter().enumerate() {
                    let c = part.clusters.start + half / 2;
                    let first = c * CLUSTER + half % 2 * HALF;
                    for e in row.first..row.end {
                        let entry = &part.list.entries[e as usize];
                        let j = entry.j as usize;
                        // a cluster with itself has every pair twice, one of them masked
                        let mask = if e < row.plain {
                            part.list.masks[(row.masks + e - row.first) as usize]
                        } else {
                            u32::MAX
                        };
                        if !(with_sites[c] && with_charges[j] || with_charges[c] && with_sites[j]) {
                            continue;
                        }
                        let shift = &list.shifts[entry.shift as usize];
                        let between = offset(&list.origins[c], &list.origins[j], shift);
                        let between = DVec3::new(f64::from(between[0]), f64::from(between[1]), f64::from(between[2]));
                        for a in first..first + HALF {
                            for b in j * CLUSTER..(j + 1) * CLUSTER {
                                if mask >> (CLUSTER * (a - first) + b - j * CLUSTER) & 1 == 0 {
                                    continue;
                                }
                                let (site, other, sign) = if is_site(a) && is_charge(b) {
                                    (a, b, 1.0)
                                } else if is_charge(a) && is_site(b) {
                                    (b, a, -1.0)
                                } else {
                                    continue;
                                };
                                // r_a − r_b = x_a − x_b − t, with a lattice vector t
                                let t = list.cell.to_cartesian(
                                    list.cell.to_fractional(list.frame[a] - list.frame[b] + between).round(),
                                );
                                let (k, atom) = (site_of[order[site] as usize], order[other]);
                                let at = self.at[k as usize] - sign * t;
                                if (list.positions[atom as usize] - at).length_squared() < radius_sq {
                                    pairs.push((k, atom, at));
                                }
                            }
                        }
                    }
                }
                pairs
            })
            .collect();
        self.near.iter_mut().for_each(|near| {
            near.atoms.clear();
            near.at.clear();
        });
        for (k, atom, at) in found.into_iter().flatten() {
            self.near[k as usize].atoms.push(atom);
            self.near[k as usize].at.push(at);
        }
    }

    /// Real-space potential of the other charges at every site, `[n_sites]`, kJ mol⁻¹ e⁻¹.
    ///
    /// * `positions`, `charges` – `[n_atoms]`, nm and e
    pub fn near_potentials(&mut self, positions: &[DVec3], charges: &[f64]) -> Vec<f64> {
        let mut potentials = vec![0.0; self.sites.len()];
        let (level, smooth, cutoff_sq) = (self.level, self.smooth, self.cutoff_sq);
        let (near, reach_sq, sites) = (&self.near, &self.reach_sq, &self.sites);
        let touching: Vec<Vec<Touching>> = (potentials.par_chunks_mut(SITES_PER_TASK).enumerate())
            .map(|(task, potentials)| {
                let mut touching = Vec::new();
                for (k, potential) in (task * SITES_PER_TASK..).zip(potentials) {
                    let (mut sum, mut chunk) = (0.0, Chunk::EMPTY);
                    let around = &near[k];
                    for (atoms, at) in around.atoms.chunks(CHUNK).zip(around.at.chunks(CHUNK)) {
                        let mut closest = f32::INFINITY;
                        for (lane, (&atom, at)) in atoms.iter().zip(at).enumerate() {
                            let d = (positions[atom as usize] - *at).as_vec3();
                            let r_sq = d.length_squared();
                            chunk.r_sq[lane] = r_sq;
                            chunk.q[lane] = charges[atom as usize] as f32;
                            closest = closest.min(r_sq);
                        }
                        chunk.q[atoms.len()..].fill(0.0);
                        sum += f64::from(screened(level, &chunk, &smooth, cutoff_sq));
                        if closest < reach_sq[k] {
                            let close = atoms.iter().zip(at).zip(chunk.r_sq).filter(|(_, r_sq)| *r_sq < reach_sq[k]);
                            for ((&atom, at), _) in close {
                                let d = positions[atom as usize] - *at;
                                sum -= charges[atom as usize] * erfc(d.length() / sites[k].width) / d.length();
                                touching.push(Touching { site: k as u32, atom, d });
                            }
                        }
                    }
                    *potential = COULOMB * sum;
                }
                touching
            })
            .collect();
        self.touching = touching.into_iter().flatten().collect();
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
            for &(i, j, d) in &self.overlaps {
                let (a, b) = (&self.sites[i as usize], &self.sites[j as usize]);
                let (_, f) = shape(charges[a.atom] * charges[b.atom], 1.0 / a.width.hypot(b.width), d);
                forces.push((b.atom as u32, f));
                forces.push((a.atom as u32, -f));
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
        for &(i, j, d) in &self.overlaps {
            let (a, b) = (&self.sites[i as usize], &self.sites[j as usize]);
            short += shape(charges[a.atom] * charges[b.atom], 1.0 / a.width.hypot(b.width), d).0;
        }
        let own = |s: &Site| 0.5 * charges[s.atom].powi(2) * s.own() - charges[s.atom] * s.potential;
        (short, self.sites.iter().map(own).sum())
    }
}

/// −k_e q q' erfc(η r)/r and its force on the atom at the end of `d`.
fn shape(qq: f64, eta: f64, d: DVec3) -> (f64, DVec3) {
    let r_sq = d.length_squared();
    let r = r_sq.sqrt();
    let tail = erfc(eta * r) / r;
    let slope = 2.0 * eta / PI.sqrt() * (-eta * eta * r_sq).exp();
    (-COULOMB * qq * tail, -COULOMB * qq * (tail + slope) / r_sq * d)
}

/// Everything that C depends on, as bytes.
fn describe(system: &System, cell: &Cell, sites: &[Site], at: &[DVec3], groups: &[u32]) -> Vec<u8> {
    let mut numbers = cell.vectors().to_cols_array().to_vec();
    let (kind, mesh) = match system.interactions.coulomb {
        Coulomb::Pme { grid, order, .. } => (1.0, [grid[0], grid[1], grid[2], order].map(|n| n as f64)),
        Coulomb::Ewald { n_max, n_sq_max, .. } => {
            let limit = n_sq_max.map_or(-1.0, f64::from);
            (2.0, [f64::from(n_max[0]), f64::from(n_max[1]), f64::from(n_max[2]), limit])
        }
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => (3.0, [0.0; 4]),
    };
    numbers.extend([kind, system.interactions.cutoff, ewald_beta(system).unwrap_or(0.0), COULOMB]);
    numbers.extend(mesh);
    numbers.push(f64::from(u8::from(system.external.slab_correction)));
    for ((site, r), group) in sites.iter().zip(at).zip(groups) {
        numbers.extend([r.x, r.y, r.z, site.width, site.thomas_fermi, f64::from(*group)]);
    }
    numbers.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect()
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

/// Charges at distances.
struct Chunk {
    /// nm²
    r_sq: [f32; CHUNK],
    /// e
    q: [f32; CHUNK],
}

impl Chunk {
    const EMPTY: Chunk = Chunk { r_sq: [1.0; CHUNK], q: [0.0; CHUNK] };
}

vectorised!(fn screened(chunk: &Chunk, smooth: &Smooth, cutoff_sq: f32) -> f32 => screened_chunk);

/// Σ q erfc(β r)/r over the charges inside the cutoff.
#[inline(always)]
fn screened_chunk(chunk: &Chunk, smooth: &Smooth, cutoff_sq: f32) -> f32 {
    let mut terms = [0.0f32; CHUNK];
    for (lane, term) in terms.iter_mut().enumerate() {
        let t = chunk.r_sq[lane].min(cutoff_sq);
        let mut numerator = smooth.numerator[NUMERATOR];
        for k in (0..NUMERATOR).rev() {
            numerator = numerator * t + smooth.numerator[k];
        }
        let mut denominator = smooth.denominator[DENOMINATOR];
        for k in (0..DENOMINATOR).rev() {
            denominator = denominator * t + smooth.denominator[k];
        }
        let value = chunk.q[lane] * (1.0 / t.sqrt() - numerator / denominator);
        *term = if chunk.r_sq[lane] < cutoff_sq { value } else { 0.0 };
    }
    terms.iter().sum()
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
