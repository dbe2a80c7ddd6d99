//! Real-space potential of the other charges at electrode atoms, over a list of half clusters of sites and clusters of eight.
//!
//! The list is taken from the half list of the pair forces, in its terms: four atoms of one cluster, some of them sites,
//! against eight of another, and a bit per pair that counts. Like the list of the forces it is pruned now and then from
//! the present positions (`super::prune`). Every step the clusters are read where the pair kernel has them anyway.

use super::electrode::POINT;
use super::kernel::{Block, load_rows};
use super::lanes::Lanes;
use super::rational::{DENOMINATOR, NUMERATOR, fit_energy};
use super::simd::{SimdLevel, laned};
use crate::forces::reference::electrode::Site;
use crate::math::erfc;
use crate::neighbor::clusters::{CLUSTER, HALF, PADDING};
use crate::neighbor::half::{HalfList, offset};
use crate::units::COULOMB;
use glam::DVec3;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows per task.
const ROWS_PER_TASK: usize = 4;
/// Nothing is closer, nm²: keeps pairs that do not count finite.
const FLOOR: f32 = 1e-6;
const NO_SITE: u32 = u32::MAX;

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

/// A cluster near a row of sites.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    /// Origin of the cluster, moved by the lattice, minus origin of the row's cluster, nm: r_i − r_j = x_i − (x_j + offset).
    offset: [f32; 3],
    cluster: u32,
    /// Bit 8·row + lane: a site, and a charge that is paired with it?
    pairs: u32,
}

/// Half a cluster with sites, and what is near it.
#[derive(Debug, Clone, Default)]
struct Row {
    /// Half clusters are counted through all clusters.
    half: u32,
    /// [`NO_SITE`] for an atom that is none.
    sites: [u32; HALF],
    entries: Vec<Entry>,
    /// Those with a pair close enough for the next few steps.
    inner: Vec<Entry>,
    /// Of the charges, by site, e/nm.
    sums: [f32; HALF],
    touching: Vec<Touching>,
}

/// What is near the sites.
#[derive(Debug, Default)]
pub(super) struct NearField {
    list: Option<Arc<HalfList>>,
    /// `[n_clusters]`, e; zero for electrode atoms
    charges: Vec<[f32; CLUSTER]>,
    rows: Vec<Row>,
    /// Square of the largest distance (nm²) at which some Gaussian shows.
    reach_sq: f32,
}

impl NearField {
    pub fn forget_list(&mut self) {
        self.list = None;
    }

    /// Takes a new list, which holds after [`NearField::prune`].
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn set_list(&mut self, list: Arc<HalfList>, sites: &[Site], charges: &[f64]) {
        let mut site_of = vec![NO_SITE; charges.len()];
        for (k, site) in sites.iter().enumerate() {
            site_of[site.atom] = k as u32;
        }
        let widest = sites.iter().fold(0.0, |widest: f64, site| widest.max(site.width));
        self.reach_sq = ((POINT * widest).powi(2) * (1.0 + 1e-6)) as f32;
        let order = &list.clusters.order;
        let n_clusters = list.clusters.n_clusters();
        let site_in = |slot: usize| match order[slot] {
            PADDING => NO_SITE,
            atom => site_of[atom as usize],
        };
        let of_others = |slot: usize| match order[slot] {
            PADDING => 0.0,
            atom if site_of[atom as usize] == NO_SITE => charges[atom as usize] as f32,
            _ => 0.0,
        };
        self.charges.clear();
        self.charges.extend((0..n_clusters).map(|c| std::array::from_fn(|lane| of_others(c * CLUSTER + lane))));
        let bits = |of: &dyn Fn(usize) -> bool| (0..CLUSTER).fold(0, |bits, lane| bits | u32::from(of(lane)) << lane);
        let charged: Vec<u32> = self.charges.iter().map(|q| bits(&|lane| q[lane] != 0.0)).collect();
        let with_sites: Vec<u32> =
            (0..n_clusters).map(|c| bits(&|lane| site_in(c * CLUSTER + lane) != NO_SITE)).collect();
        let rows_of_sites = |c: usize, half: usize| with_sites[c] >> (HALF * half) & 0xf;
        let found: Vec<Vec<(u32, Entry)>> = (list.parts.par_iter())
            .map(|part| {
                let mut found = Vec::new();
                let mut enter = |c: usize, half: usize, cluster: usize, pairs: u32, offset: [f32; 3]| {
                    let pairs = pairs & spread_rows(rows_of_sites(c, half)) & (charged[cluster] * 0x0101_0101);
                    if pairs != 0 {
                        found.push(((2 * c + half) as u32, Entry { offset, cluster: cluster as u32, pairs }));
                    }
                };
                for (index, row) in part.list.rows.iter().enumerate() {
                    let (c, half) = (part.clusters.start + index / 2, index % 2);
                    for e in row.first..row.end {
                        let entry = &part.list.entries[e as usize];
                        let j = entry.j as usize;
                        if !(with_sites[c] != 0 && charged[j] != 0 || with_sites[j] != 0 && charged[c] != 0) {
                            continue;
                        }
                        // a cluster with itself has every pair twice, one of them masked
                        let mask = if e < row.plain {
                            part.list.masks[(row.masks + e - row.first) as usize]
                        } else {
                            u32::MAX
                        };
                        let shift = &list.shifts[entry.shift as usize];
                        let [x, y, z, _] = offset(&list.origins[c], &list.origins[j], shift);
                        enter(c, half, j, mask, [x, y, z]);
                        for half_of_j in 0..2 {
                            enter(j, half_of_j, c, transposed(mask, half, half_of_j), [-x, -y, -z]);
                        }
                    }
                }
                found
            })
            .collect();
        let mut row_of = vec![u32::MAX; 2 * n_clusters];
        let mut n_rows = 0;
        for half in (0..2 * n_clusters).filter(|half| rows_of_sites(half / 2, half % 2) != 0) {
            row_of[half] = n_rows as u32;
            if n_rows == self.rows.len() {
                self.rows.push(Row::default());
            }
            // rows of the list before keep their memory
            let row = &mut self.rows[n_rows];
            (row.half, row.sites) = (half as u32, std::array::from_fn(|a| site_in(half * HALF + a)));
            row.entries.clear();
            row.inner.clear();
            n_rows += 1;
        }
        self.rows.truncate(n_rows);
        for (half, entry) in found.into_iter().flatten() {
            let entries = &mut self.rows[row_of[half as usize] as usize].entries;
            // both halves of a cluster are rows of their own
            match entries.iter_mut().rev().take(4).find(|e| e.cluster == entry.cluster && e.offset == entry.offset) {
                Some(same) => same.pairs |= entry.pairs,
                None => entries.push(entry),
            }
        }
        self.list = Some(list);
    }

    /// Keeps for the next steps what has a pair closer than `radius` (nm) now.
    ///
    /// * `blocks` – `[n_clusters]`, where the atoms are now
    pub fn prune(&mut self, level: SimdLevel, radius: f64, blocks: &[Block]) {
        let radius_sq = (radius * radius) as f32;
        self.rows.par_chunks_mut(ROWS_PER_TASK).for_each(|rows| prune(level, rows, blocks, radius_sq));
    }

    /// Potential at every site, `[n_sites]`, kJ mol⁻¹ e⁻¹, with the shape of the Gaussians; and the pairs that show it.
    ///
    /// * `whole` – by the whole list instead of what was kept of it: the same bits, and slower
    /// * `blocks` – `[n_clusters]`, where the atoms are now
    /// * `positions`, `charges` – `[n_atoms]`, nm and e
    #[expect(clippy::too_many_arguments, reason = "what a pass over a list reads")]
    pub fn potentials(
        &mut self,
        level: SimdLevel,
        whole: bool,
        screen: &Screen,
        sites: &[Site],
        blocks: &[Block],
        positions: &[DVec3],
        charges: &[f64],
    ) -> (Vec<f64>, Vec<Touching>) {
        let mut potentials = vec![0.0; sites.len()];
        let Some(list) = &self.list else { return (potentials, Vec::new()) };
        let (own, reach_sq) = (&self.charges, self.reach_sq);
        self.rows.par_chunks_mut(ROWS_PER_TASK).for_each(|rows| {
            add_up(level, rows, whole, blocks, own, screen, reach_sq);
            for row in rows {
                row.touching.retain_mut(|t| {
                    let slot = t.atom as usize;
                    let (site, atom) = (&sites[t.site as usize], list.clusters.order[slot]);
                    t.atom = atom;
                    t.d += positions[atom as usize] - list.frame[slot];
                    t.d -= positions[site.atom] - list.frame[list.slot_of[site.atom] as usize];
                    charges[atom as usize] != 0.0 && t.d.length() < POINT * site.width
                });
            }
        });
        let mut touching = Vec::new();
        for row in &self.rows {
            for (&site, &sum) in row.sites.iter().zip(&row.sums).filter(|(site, _)| **site != NO_SITE) {
                potentials[site as usize] = COULOMB * f64::from(sum);
            }
            for t in &row.touching {
                let r = t.d.length();
                potentials[t.site as usize] -=
                    COULOMB * charges[t.atom as usize] * erfc(r / sites[t.site as usize].width) / r;
            }
            touching.extend_from_slice(&row.touching);
        }
        (potentials, touching)
    }
}

/// Bits 8a … 8a + 7 for every bit a of four.
fn spread_rows(rows: u32) -> u32 {
    (0..HALF).filter(|a| rows >> a & 1 == 1).fold(0, |mask, a| mask | 0xff << (CLUSTER * a))
}

/// The mask of four atoms of one cluster against eight of another, for four of the eight against the first cluster.
///
/// * `half` – of the first cluster's halves, which the four are
/// * `half_of_j` – of the other cluster's halves, which is asked for
fn transposed(mask: u32, half: usize, half_of_j: usize) -> u32 {
    let mut bits = 0;
    for a in 0..HALF {
        for b in 0..HALF {
            bits |= (mask >> (CLUSTER * a + HALF * half_of_j + b) & 1) << (CLUSTER * b + HALF * half + a);
        }
    }
    bits
}

laned!(16:
    fn prune(rows: &mut [Row], blocks: &[Block], radius_sq: f32) => prune_rows
);

#[inline(always)]
unsafe fn prune_rows<L: Lanes>(rows: &mut [Row], blocks: &[Block], radius_sq: f32) {
    for row in rows {
        // SAFETY: the caller's
        unsafe {
            let own = Quad::<L>::new(&blocks[row.half as usize / 2], row.half as usize % 2 * HALF);
            let limit = L::splat(radius_sq);
            row.inner.clear();
            for entry in &row.entries {
                let other = &blocks[entry.cluster as usize];
                let mut near = false;
                for part in 0..L::PARTS {
                    for r in 0..L::ROW_VECTORS {
                        let inside = L::less(own.distance_sq(other, entry, part, r), limit);
                        near |= L::any(L::and_bits(inside, entry.pairs, part, r));
                    }
                }
                if near {
                    row.inner.push(*entry);
                }
            }
        }
    }
}

laned!(16:
    fn add_up(
        rows: &mut [Row], whole: bool, blocks: &[Block], charges: &[[f32; CLUSTER]], screen: &Screen, reach_sq: f32
    ) => add_up_rows
);

/// Σ q erfc(β r)/r over the charges inside the cutoff, and candidates of pairs closer than √`reach_sq`: their `atom` is a
/// slot, their `d` the lattice's part of the displacement.
#[inline(always)]
unsafe fn add_up_rows<L: Lanes>(
    rows: &mut [Row],
    whole: bool,
    blocks: &[Block],
    charges: &[[f32; CLUSTER]],
    screen: &Screen,
    reach_sq: f32,
) {
    const { assert!(NUMERATOR == 6 && DENOMINATOR == 4) };
    // SAFETY: the caller's; slices of eight or four values stand behind every pointer
    unsafe {
        let zero = L::splat(0.0);
        let (mut n, mut d) = ([zero; NUMERATOR + 1], [zero; DENOMINATOR + 1]);
        for (v, &x) in n.iter_mut().zip(&screen.numerator) {
            *v = L::splat(x);
        }
        for (v, &x) in d.iter_mut().zip(&screen.denominator) {
            *v = L::splat(x);
        }
        let (cutoff_sq, reach, floor) = (L::splat(screen.cutoff_sq), L::splat(reach_sq), L::splat(FLOOR));
        for row in rows {
            let own = Quad::<L>::new(&blocks[row.half as usize / 2], row.half as usize % 2 * HALF);
            let mut sums = [zero; HALF];
            row.touching.clear();
            for entry in if whole { &row.entries } else { &row.inner } {
                let other = &blocks[entry.cluster as usize];
                let q = &charges[entry.cluster as usize];
                let mut touches = false;
                for part in 0..L::PARTS {
                    let q = L::load_lanes(q.as_ptr(), part);
                    macro_rules! vector {
                        ($r:literal) => {
                            if $r < L::ROW_VECTORS {
                                let r_sq = own.distance_sq(other, entry, part, $r);
                                let inside = L::and_bits(L::less(r_sq, cutoff_sq), entry.pairs, part, $r);
                                touches |= L::any(L::and_bits(L::less(r_sq, reach), entry.pairs, part, $r));
                                let t = L::min(L::max(r_sq, floor), cutoff_sq);
                                let high = L::mul_add(L::mul_add(n[6], t, n[5]), t, n[4]);
                                let middle = L::mul_add(L::mul_add(high, t, n[3]), t, n[2]);
                                let numerator = L::mul_add(L::mul_add(middle, t, n[1]), t, n[0]);
                                let high = L::mul_add(L::mul_add(d[4], t, d[3]), t, d[2]);
                                let denominator = L::mul_add(L::mul_add(high, t, d[1]), t, d[0]);
                                let screened = L::sub_mul(L::inv_sqrt(t), numerator, L::inverse(denominator));
                                sums[$r] = L::add(sums[$r], L::keep(inside, L::mul(q, screened)));
                            }
                        };
                    }
                    vector!(0);
                    vector!(1);
                    vector!(2);
                    vector!(3);
                }
                if touches {
                    let d = DVec3::from_array(entry.offset.map(f64::from));
                    for bit in (0..HALF * CLUSTER).filter(|bit| entry.pairs >> bit & 1 == 1) {
                        let (site, slot) = (row.sites[bit / CLUSTER], entry.cluster as usize * CLUSTER + bit % CLUSTER);
                        row.touching.push(Touching { site, atom: slot as u32, d });
                    }
                }
            }
            row.sums = [0.0; HALF];
            for (r, sum) in sums.into_iter().enumerate().take(L::ROW_VECTORS) {
                L::add_rows(row.sums.as_mut_ptr(), r, sum);
            }
        }
    }
}

/// Positions of half a cluster in registers, nm.
struct Quad<L: Lanes> {
    x: [L::V; HALF],
    y: [L::V; HALF],
    z: [L::V; HALF],
}

impl<L: Lanes> Quad<L> {
    #[inline(always)]
    unsafe fn new(block: &Block, first: usize) -> Self {
        // SAFETY: the caller's; `first` is 0 or 4
        unsafe {
            Quad {
                x: load_rows::<L>(block.x.as_ptr().add(first)),
                y: load_rows::<L>(block.y.as_ptr().add(first)),
                z: load_rows::<L>(block.z.as_ptr().add(first)),
            }
        }
    }

    /// Of the rows of vector `r` and a part of the other cluster, nm².
    #[inline(always)]
    unsafe fn distance_sq(&self, other: &Block, entry: &Entry, part: usize, r: usize) -> L::V {
        // SAFETY: the caller's
        unsafe {
            let [ox, oy, oz] = entry.offset;
            let dx = L::sub(self.x[r], L::add(L::load_lanes(other.x.as_ptr(), part), L::splat(ox)));
            let dy = L::sub(self.y[r], L::add(L::load_lanes(other.y.as_ptr(), part), L::splat(oy)));
            let dz = L::sub(self.z[r], L::add(L::load_lanes(other.z.as_ptr(), part), L::splat(oz)));
            L::mul_add(dz, dz, L::mul_add(dy, dy, L::mul(dx, dx)))
        }
    }
}
