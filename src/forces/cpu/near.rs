//! Real-space potential of the other charges at electrode atoms, over a list of sites and clusters of eight.
//!
//! The list is taken from the half list of the pair forces: a site and a cluster stand in it once per image, with the
//! lanes that the half list pairs it with. Every step the clusters are read where the pair kernel has them anyway.

use super::electrode::{POINT, SITES_PER_TASK};
use super::kernel::Block;
use super::rational::{DENOMINATOR, NUMERATOR, fit_energy};
use super::simd::{SimdLevel, vectorised};
use crate::forces::reference::electrode::Site;
use crate::math::erfc;
use crate::neighbor::clusters::{CLUSTER, HALF, PADDING};
use crate::neighbor::half::{HalfList, offset};
use crate::units::COULOMB;
use glam::{DVec3, Vec3};
use rayon::prelude::*;
use std::sync::Arc;

/// Clusters evaluated together: 16 pairs.
const TOGETHER: usize = 2;
/// Nothing is closer, nm²: keeps lanes that do not count finite.
const FLOOR: f32 = 1e-6;

/// erfc(β r)/r = 1/r − n(r²)/d(r²) inside the cutoff.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    numerator: [f32; NUMERATOR + 1],
    denominator: [f32; DENOMINATOR + 1],
    /// nm²
    cutoff_sq: f32,
}

impl Screen {
    /// * `beta` – nm⁻¹
    /// * `cutoff` – nm
    pub fn new(beta: f64, cutoff: f64) -> Self {
        let smooth = fit_energy((beta * cutoff).powi(2)).scaled(beta, beta * beta);
        Screen {
            numerator: smooth.numerator.map(|x| x as f32),
            denominator: smooth.denominator.map(|x| x as f32),
            cutoff_sq: (cutoff * cutoff) as f32,
        }
    }
}

/// A pair of a site and another atom so close that the Gaussian shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touching {
    pub site: u32,
    pub atom: u32,
    /// From the site to the atom, nm
    pub d: DVec3,
}

/// A cluster near a site.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    cluster: u32,
    /// The site in the frame of the cluster, for one image, nm
    at: [f32; 3],
    /// Bit per atom of the cluster: is it paired with the site?
    lanes: u8,
}

/// What is near the sites.
#[derive(Debug, Default)]
pub(super) struct NearField {
    list: Option<Arc<HalfList>>,
    /// `[n_clusters]`, e; zero for electrode atoms
    charges: Vec<[f32; CLUSTER]>,
    /// `[n_sites]`
    entries: Vec<Vec<Entry>>,
}

/// Atoms of a cluster when the list was made, nm.
type Corners = [Vec3; CLUSTER];

impl NearField {
    pub fn forget_list(&mut self) {
        self.list = None;
    }

    /// * `at` – `[n_sites]`, nm
    /// * `charges` – `[n_atoms]`, e
    pub fn set_list(&mut self, list: Arc<HalfList>, sites: &[Site], at: &[DVec3], charges: &[f64]) {
        let mut site_of = vec![u32::MAX; charges.len()];
        for (k, site) in sites.iter().enumerate() {
            site_of[site.atom] = k as u32;
        }
        let order = &list.clusters.order;
        let site_in = |slot: usize| match order[slot] {
            PADDING => u32::MAX,
            atom => site_of[atom as usize],
        };
        let n_clusters = list.clusters.n_clusters();
        let of_others = |slot: usize| match order[slot] {
            PADDING => 0.0,
            atom if site_of[atom as usize] == u32::MAX => charges[atom as usize] as f32,
            _ => 0.0,
        };
        self.charges.clear();
        self.charges.extend((0..n_clusters).map(|c| std::array::from_fn(|lane| of_others(c * CLUSTER + lane))));
        let charged: Vec<u8> = (self.charges.iter())
            .map(|q| q.iter().enumerate().fold(0, |bits, (lane, q)| bits | u8::from(*q != 0.0) << lane))
            .collect();
        let with_sites: Vec<bool> =
            (0..n_clusters).map(|c| (c * CLUSTER..(c + 1) * CLUSTER).any(|slot| site_in(slot) != u32::MAX)).collect();
        let corner = |slot: usize| match order[slot] {
            PADDING => Vec3::ZERO,
            atom => (list.positions[atom as usize] - list.frame[slot]).as_vec3(),
        };
        let corners: Vec<Corners> = (0..n_clusters)
            .into_par_iter()
            .map(|c| {
                if charged[c] == 0 {
                    return [Vec3::ZERO; CLUSTER];
                }
                std::array::from_fn(|lane| corner(c * CLUSTER + lane))
            })
            .collect();
        let own = |slot: usize| at[site_in(slot) as usize] - list.frame[slot];
        let radius_sq = (list.radius * list.radius) as f32;
        let reaches = |cluster: usize, lanes: u8, at: Vec3| {
            let corners = corners[cluster].iter().enumerate();
            corners.filter(|(lane, _)| lanes >> lane & 1 == 1).any(|(_, r)| r.distance_squared(at) < radius_sq)
        };
        let found: Vec<Vec<(u32, Entry)>> = (list.parts.par_iter())
            .map(|part| {
                let mut found = Vec::new();
                let mut enter = |slot: usize, cluster: usize, lanes: u8, at: DVec3| {
                    let (lanes, at) = (lanes & charged[cluster], at.as_vec3());
                    if lanes != 0 && reaches(cluster, lanes, at) {
                        found.push((site_in(slot), Entry { cluster: cluster as u32, at: at.to_array(), lanes }));
                    }
                };
                for (half, row) in part.list.rows.iter().enumerate() {
                    let c = part.clusters.start + half / 2;
                    let first = half % 2 * HALF;
                    for e in row.first..row.end {
                        let entry = &part.list.entries[e as usize];
                        let j = entry.j as usize;
                        if !(with_sites[c] && charged[j] != 0 || with_sites[j] && charged[c] != 0) {
                            continue;
                        }
                        // a cluster with itself has every pair twice, one of them masked
                        let mask = if e < row.plain {
                            part.list.masks[(row.masks + e - row.first) as usize]
                        } else {
                            u32::MAX
                        };
                        let shift = &list.shifts[entry.shift as usize];
                        let between = offset(&list.origins[c], &list.origins[j], shift);
                        let between = DVec3::new(f64::from(between[0]), f64::from(between[1]), f64::from(between[2]));
                        for a in (0..HALF).filter(|a| site_in(c * CLUSTER + first + a) != u32::MAX) {
                            let slot = c * CLUSTER + first + a;
                            enter(slot, j, (mask >> (CLUSTER * a)) as u8, own(slot) - between);
                        }
                        for b in (0..CLUSTER).filter(|b| site_in(j * CLUSTER + b) != u32::MAX) {
                            let slot = j * CLUSTER + b;
                            let lanes = (0..HALF)
                                .fold(0, |bits, a| bits | ((mask >> (CLUSTER * a + b) & 1) as u8) << (first + a));
                            enter(slot, c, lanes, own(slot) + between);
                        }
                    }
                }
                found
            })
            .collect();
        self.entries.resize_with(sites.len(), Vec::new);
        self.entries.iter_mut().for_each(Vec::clear);
        for (k, entry) in found.into_iter().flatten() {
            let entries = &mut self.entries[k as usize];
            // both halves of a cluster are rows of their own
            match entries.iter_mut().rev().take(4).find(|e| e.cluster == entry.cluster && e.at == entry.at) {
                Some(same) => same.lanes |= entry.lanes,
                None => entries.push(entry),
            }
        }
        self.list = Some(list);
    }

    /// Potential at every site, `[n_sites]`, kJ mol⁻¹ e⁻¹, with the shape of the Gaussians; and the pairs that show it.
    ///
    /// * `blocks` – `[n_clusters]`, where the atoms are now
    /// * `positions`, `charges` – `[n_atoms]`, nm and e
    pub fn potentials(
        &self,
        level: SimdLevel,
        screen: &Screen,
        sites: &[Site],
        blocks: &[Block],
        positions: &[DVec3],
        charges: &[f64],
    ) -> (Vec<f64>, Vec<Touching>) {
        let mut potentials = vec![0.0; sites.len()];
        let Some(list) = &self.list else { return (potentials, Vec::new()) };
        let touching: Vec<Vec<Touching>> = (potentials.par_chunks_mut(SITES_PER_TASK).enumerate())
            .map(|(task, potentials)| {
                let mut touching = Vec::new();
                for (k, potential) in (task * SITES_PER_TASK..).zip(potentials) {
                    let (width, entries) = (sites[k].width, &self.entries[k]);
                    let (mut sum, closest_sq) = screened(level, entries, blocks, &self.charges, screen);
                    let reach_sq = (POINT * width).powi(2);
                    if f64::from(closest_sq) < reach_sq {
                        for (entry, lane) in entries.iter().flat_map(|e| (0..CLUSTER).map(move |lane| (e, lane))) {
                            let slot = entry.cluster as usize * CLUSTER + lane;
                            if entry.lanes >> lane & 1 == 0 {
                                continue;
                            }
                            let atom = list.clusters.order[slot];
                            let at = Vec3::from_array(entry.at).as_dvec3();
                            let d = positions[atom as usize] - list.frame[slot] - at;
                            if d.length_squared() < reach_sq {
                                sum -= charges[atom as usize] * erfc(d.length() / width) / d.length();
                                touching.push(Touching { site: k as u32, atom, d });
                            }
                        }
                    }
                    *potential = COULOMB * sum;
                }
                touching
            })
            .collect();
        (potentials, touching.into_iter().flatten().collect())
    }
}

/// One for the lanes whose bit is set.
static WEIGHTS: [[f32; CLUSTER]; 256] = weights();

const fn weights() -> [[f32; CLUSTER]; 256] {
    let mut table = [[0.0; CLUSTER]; 256];
    let mut bits = 0;
    while bits < 256 {
        let mut lane = 0;
        while lane < CLUSTER {
            if bits >> lane & 1 == 1 {
                table[bits][lane] = 1.0;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
}

vectorised!(
    fn screened(entries: &[Entry], blocks: &[Block], charges: &[[f32; CLUSTER]], screen: &Screen) -> (f64, f32) => sum_screened
);

/// Σ q erfc(β r)/r over the charges inside the cutoff, and the smallest r² among them.
#[inline(always)]
fn sum_screened(entries: &[Entry], blocks: &[Block], charges: &[[f32; CLUSTER]], screen: &Screen) -> (f64, f32) {
    const LANES: usize = TOGETHER * CLUSTER;
    let mut total = 0.0;
    let mut closest = [f32::INFINITY; LANES];
    for pair in entries.chunks(TOGETHER) {
        let mut r_sq = [screen.cutoff_sq; LANES];
        let mut q = [0.0f32; LANES];
        for (half, entry) in pair.iter().enumerate() {
            let (block, own) = (&blocks[entry.cluster as usize], &charges[entry.cluster as usize]);
            let weights = &WEIGHTS[entry.lanes as usize];
            for lane in 0..CLUSTER {
                let (x, y, z) = (block.x[lane] - entry.at[0], block.y[lane] - entry.at[1], block.z[lane] - entry.at[2]);
                let counts = weights[lane];
                // lanes that do not count stand at the cutoff
                let d_sq = x * x + y * y + z * z;
                r_sq[half * CLUSTER + lane] = if counts != 0.0 { d_sq } else { screen.cutoff_sq };
                q[half * CLUSTER + lane] = own[lane] * counts;
            }
        }
        // most clusters of the list's edge have nothing inside
        if !r_sq.iter().fold(false, |any, r_sq| any | (*r_sq < screen.cutoff_sq)) {
            continue;
        }
        let mut terms = [0.0f32; LANES];
        for lane in 0..LANES {
            let t = r_sq[lane].max(FLOOR).min(screen.cutoff_sq);
            closest[lane] = closest[lane].min(t);
            let mut numerator = screen.numerator[NUMERATOR];
            for k in (0..NUMERATOR).rev() {
                numerator = numerator * t + screen.numerator[k];
            }
            let mut denominator = screen.denominator[DENOMINATOR];
            for k in (0..DENOMINATOR).rev() {
                denominator = denominator * t + screen.denominator[k];
            }
            let r = t.sqrt();
            let value = q[lane] * ((denominator - numerator * r) / (denominator * r));
            terms[lane] = if r_sq[lane] < screen.cutoff_sq { value } else { 0.0 };
        }
        total += f64::from(terms.iter().sum::<f32>());
    }
    (total, closest.into_iter().fold(f32::INFINITY, f32::min))
}
