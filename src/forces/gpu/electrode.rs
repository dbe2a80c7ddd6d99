//! Electrodes at constant potential on the device: their charges before the forces of every step, nothing read back.
//!
//! The matrix C is made on the host (`forces::response`) and lies on the device in single precision, rounded so that its columns
//! still sum to zero over every group. A step then has, before all else: potentials and charges to the mesh, one solve, what
//! drives each electrode atom, the product with C. After that electrode atoms are charges like others, and one solve of all
//! gives the forces. Gaussians differ from points only where atoms all but touch: `external` takes that away, by the list of
//! such pairs made here. Twin: `forces::reference::electrode`.

use super::device::Context;
use super::ewald_fit::T_MAX;
use super::fixed::FixedPosition;
use super::integrate::ForceInput;
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::pme::SPREAD_ATOMS;
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::electrode::dense::Matrix;
use crate::electrode::response::{Response, offsets};
use crate::forces::ForceError;
use crate::forces::overlaps::Overlaps;
use crate::forces::reference::electrode::{Site, check, held, shape};
use crate::forces::reference::external::Dipole;
use crate::forces::response::solved;
use crate::neighbor::clusters::{CLUSTER, PADDING};
use crate::system::System;
use crate::system::external::{Electrodes, MOST_ELECTRODES};
use crate::units::COULOMB;
use glam::DVec3;
use rayon::prelude::*;

/// Clusters whose distance is tested together.
const CLUSTERS_PER_GROUP: usize = 8;
/// Room beyond what a list needs, so that the next one fits in the same buffers.
const ROOM: f64 = 1.15;

/// The electrodes of one system.
pub struct ConstantPotential {
    electrodes: Electrodes,
    pub sites: Vec<Site>,
    /// atom → index into `sites`, or `PADDING`
    site_of: Vec<u32>,
    cutoff: f64,
    n_slots: u32,
    potential: Pass,
    drive_pass: Pass,
    charge: Pass,
    places: wgpu::Buffer,
    terms: wgpu::Buffer,
    matrix: wgpu::Buffer,
    potentials: wgpu::Buffer,
    drive: wgpu::Buffer,
    charges: wgpu::Buffer,
    made: Option<Made>,
}

/// What holds as long as the electrodes stay where they are.
struct Made {
    cell: Cell,
    /// `[n_sites]`, nm
    at: Vec<DVec3>,
    overlaps: Overlaps,
    /// S by group, and B
    shares: Vec<Vec<f64>>,
    between: Matrix,
}

/// Neighbors of electrode atoms in one list.
pub struct Near {
    list: wgpu::Buffer,
    shapes: wgpu::Buffer,
    site_slots: wgpu::Buffer,
    /// (atom, site) so close that the Gaussian may show
    touching: Vec<(u32, u32)>,
    before: Vec<Dispatch>,
    after: [Dispatch; 2],
}

/// A list in words of the device.
pub struct NearWords {
    list: Vec<u32>,
    /// (slot of the electrode atom, bits of η)
    shapes: Vec<[u32; 2]>,
    /// Range of `shapes` by slot.
    pub ranges: Vec<[u32; 2]>,
    site_slots: Vec<u32>,
    touching: Vec<(u32, u32)>,
}

/// Buffers that the passes share with others.
pub struct NearBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
    /// Atoms by slot, and the numbers of the list.
    pub placed: [&'a wgpu::Buffer; 2],
    pub dipoles: &'a wgpu::Buffer,
    pub far: Far<'a>,
}

/// Where the potential of the long-range sum comes from.
pub enum Far<'a> {
    /// Charges and potential on the mesh.
    Mesh(&'a wgpu::Buffer, &'a wgpu::Buffer),
    /// What makes structure factors of the charges that do not answer, wave vectors, and the structure factors.
    Ewald(Option<Dispatch>, &'a wgpu::Buffer, &'a wgpu::Buffer),
}

impl Near {
    /// Calls `with` for what comes before the potential of the long-range sum is there.
    pub fn before<'a>(&'a self, with: impl FnMut(&'a Dispatch)) {
        self.before.iter().for_each(with);
    }

    /// Calls `with` for what makes charges of it.
    pub fn after<'a>(&'a self, with: impl FnMut(&'a Dispatch)) {
        self.after.iter().for_each(with);
    }

    pub fn shapes(&self) -> &wgpu::Buffer {
        &self.shapes
    }

    /// Does another list fit in the same buffers?
    pub fn holds(&self, words: &NearWords) -> bool {
        size_of_val(&words.list[..]) as u64 <= self.list.size()
            && size_of_val(&words.shapes[..]) as u64 <= self.shapes.size()
    }

    /// Puts a list into the buffers; see [`Near::holds`].
    pub fn refill(&mut self, context: &Context, words: NearWords) {
        context.write(&self.list, &words.list);
        context.write(&self.shapes, &words.shapes);
        context.write(&self.site_slots, &words.site_slots);
        self.touching = words.touching;
    }
}

/// The system without the charges of its electrodes.
pub fn without_electrodes(system: &System) -> System {
    let mut system = system.clone();
    if let Some(electrodes) = &system.external.electrodes {
        let atoms: Vec<u32> = electrodes.atoms().collect();
        atoms.iter().for_each(|&atom| system.topology.charges[atom as usize] = 0.0);
    }
    system
}

/// C in single precision, rows of a multiple of four: what rounding takes from one entry of a column goes to the next one of its
/// group, so that charges keep their sums.
fn rounded_matrix(response: &Response, groups: &[u32], n_groups: usize) -> Vec<f32> {
    let n = response.n_atoms();
    let stride = n.next_multiple_of(4);
    let mut rows = vec![0.0; n * stride];
    let mut owed = vec![0.0; n_groups];
    for j in 0..n {
        owed.fill(0.0);
        // C is symmetric
        for (i, (&exact, &group)) in response.matrix().row(j).iter().zip(groups).enumerate() {
            let owed = &mut owed[group as usize];
            let wanted = exact + *owed;
            let kept = wanted as f32;
            *owed = wanted - f64::from(kept);
            rows[i * stride + j] = kept;
        }
    }
    rows
}

impl ConstantPotential {
    /// `None` when the system has no electrodes.
    ///
    /// # Errors
    /// Those of [`check`], and a matrix beyond what the device can bind.
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        system: &System,
        input: &ForceInput,
        n_slots: u32,
        n_waves: usize,
    ) -> Result<Option<Self>, ForceError> {
        use Binding::{Read, Uniform, Write};
        let Some(electrodes) = &system.external.electrodes else { return Ok(None) };
        let beta = check(system, electrodes)?;
        let sites = Site::all(electrodes);
        let (n, n_sites) = (sites.len(), sites.len() as u32);
        let stride = n.next_multiple_of(4);
        let (wanted, limit) = ((4 * n * stride) as u64, context.device().limits().max_storage_buffer_binding_size);
        if wanted > limit {
            let what = format!(
                "{n} electrode atoms: their matrix has {} MiB, and this device binds at most {} MiB",
                wanted >> 20,
                limit >> 20
            );
            return Err(ForceError::Unsupported { what, instead: "cpu" });
        }
        let cutoff = system.interactions.cutoff;
        let mut constants = input.constants.clone();
        constants.extend([
            ("n_sites", f64::from(n_sites)),
            ("n_dipoles", f64::from(n_slots.div_ceil(WORKGROUP))),
            ("r_cut_sq", cutoff * cutoff),
            ("beta", beta),
            ("coulomb_constant", COULOMB),
            ("n_waves", n_waves as f64),
        ]);
        let compile = |entry: &str, define: &'static str, inputs: &[Binding], outputs: &[Binding]| {
            let defines: Vec<&str> = input.long_range.into_iter().chain([define]).collect();
            let source = shaders.module("electrode", Pieces::defining(&defines));
            Pass::new(context, &PassSpec { entry, source: &source, constants: &constants, groups: [inputs, outputs] })
        };
        let spreads = input.long_range == Some("MESH");
        let outputs: &[Binding] = if spreads { &[Write; 4] } else { &[Write; 2] };
        let mut of_drive = vec![Uniform, Read, Read, Read, Read, Read];
        of_drive.extend((!spreads).then_some(Read));
        let mut site_of = vec![PADDING; system.topology.n_atoms()];
        for (k, site) in sites.iter().enumerate() {
            site_of[site.atom] = k as u32;
        }
        Ok(Some(ConstantPotential {
            potential: compile(
                "electrode_potential",
                "POTENTIAL",
                &[Uniform, Uniform, Read, Read, Read, Read],
                outputs,
            )?,
            drive_pass: compile("electrode_drive", "DRIVE", &of_drive, &[Write])?,
            charge: compile("electrode_charge", "CHARGE", &[Uniform, Read, Read, Read, Read], &[Write; 3])?,
            places: context.storage("electrode places", n * 16),
            terms: context.storage("electrode terms", n * 16),
            matrix: context.storage("electrode matrix", 4 * n * stride),
            potentials: context.storage("electrode potentials", n * 4),
            drive: context.storage("electrode drive", stride * 4),
            charges: context.storage("electrode charges", n * 4),
            electrodes: electrodes.clone(),
            site_of,
            cutoff,
            n_slots,
            made: None,
            sites,
        }))
    }

    /// Makes the matrix for a cell and places of electrode atoms, unless it is there; says whether it did.
    ///
    /// * `at` – `[n_sites]`, nm
    pub fn make_for(
        &mut self,
        context: &Context,
        system: &System,
        cell: &Cell,
        at: Vec<DVec3>,
    ) -> Result<bool, ForceError> {
        if self.made.as_ref().is_some_and(|made| made.cell == *cell && made.at == at) {
            return Ok(false);
        }
        let response = solved(system, &self.electrodes, cell, &self.sites, &at)?;
        let (groups, fixed_sums) = self.electrodes.fixed_sums();
        context.write(&self.matrix, &rounded_matrix(&response, &groups, fixed_sums.len()));
        let places: Vec<[i32; 4]> = (self.sites.iter().zip(&at))
            .map(|(site, &r)| {
                let [x, y, z] = FixedPosition::from_cartesian(cell, r).wrapped();
                [x, y, z, (1.0 / site.width as f32).to_bits() as i32]
            })
            .collect();
        context.write(&self.places, &places);
        let held = held(system, &self.electrodes, cell, &self.sites, &at);
        let terms: Vec<[f32; 4]> = (held.iter().zip(&at).enumerate())
            .map(|(k, (held, r))| {
                let share: f64 = response.shares().iter().zip(&fixed_sums).map(|(s, sum)| s[k] * sum).sum();
                [*held as f32, r.z as f32, share as f32, 0.0]
            })
            .collect();
        context.write(&self.terms, &terms);
        let overlaps = Overlaps::new(&self.sites, &at, cell, T_MAX.sqrt(), self.cutoff);
        let (shares, between) = (response.shares().to_vec(), response.between().clone());
        self.made = Some(Made { cell: *cell, at, overlaps, shares, between });
        Ok(true)
    }

    /// Neighbors of the electrode atoms.
    ///
    /// * `slots` – (atom, type) by slot
    /// * `positions`, `charges` – `[n_atoms]`, nm and e: of the positions that the list was built from
    /// * `radius` – of the list, nm
    pub fn near(&self, slots: &[[u32; 2]], positions: &[DVec3], charges: &[f64], radius: f64) -> NearWords {
        let Some(Made { cell, at, .. }) = &self.made else {
            let (list, ranges) = (vec![0; self.sites.len() + 1], vec![[0, 0]; slots.len()]);
            let site_slots = vec![0; self.sites.len()];
            return NearWords { list, shapes: Vec::new(), ranges, site_slots, touching: Vec::new() };
        };
        let acts =
            |atom: u32| atom != PADDING && self.site_of[atom as usize] == PADDING && charges[atom as usize] != 0.0;
        // spheres around charges, in whatever image
        let sphere = |members: &[(DVec3, f64)]| -> Option<(DVec3, f64)> {
            let (first, _) = members.first()?;
            let from_first = |r: &DVec3| cell.minimum_image(*r - *first);
            let mean = members.iter().map(|(r, _)| from_first(r)).sum::<DVec3>() / members.len() as f64;
            let size = members.iter().map(|(r, own)| (from_first(r) - mean).length() + own).fold(0.0, f64::max);
            Some((*first + mean, size))
        };
        let clusters: Vec<Option<(DVec3, f64)>> = (slots.chunks(CLUSTER))
            .map(|slots| {
                let members: Vec<(DVec3, f64)> =
                    (slots.iter().filter(|s| acts(s[0]))).map(|s| (positions[s[0] as usize], 0.0)).collect();
                sphere(&members)
            })
            .collect();
        let groups: Vec<Option<(DVec3, f64)>> = (clusters.chunks(CLUSTERS_PER_GROUP))
            .map(|group| sphere(&group.iter().flatten().copied().collect::<Vec<_>>()))
            .collect();
        let meets = |r: DVec3, sphere: &Option<(DVec3, f64)>| {
            sphere.is_some_and(|(centre, size)| cell.minimum_image(centre - r).length() < radius + size)
        };
        let buffer = (radius - self.cutoff).max(0.0);
        // by site: clusters, and slots so close that the Gaussian may show
        let found: Vec<(Vec<u32>, Vec<u32>)> = (at.par_iter().zip(&self.sites))
            .map(|(&r, site)| {
                let (mut near, mut touching) = (Vec::new(), Vec::new());
                let reach_sq = (T_MAX.sqrt() * site.width + buffer).powi(2);
                for (g, _) in groups.iter().enumerate().filter(|(_, sphere)| meets(r, sphere)) {
                    let first = g * CLUSTERS_PER_GROUP;
                    let of_group =
                        (first..clusters.len().min(first + CLUSTERS_PER_GROUP)).filter(|&c| meets(r, &clusters[c]));
                    for c in of_group {
                        near.push(c as u32);
                        let own = (c * CLUSTER..(c + 1) * CLUSTER).filter(|&slot| acts(slots[slot][0]));
                        touching.extend(
                            own.filter(|&slot| {
                                let there = positions[slots[slot][0] as usize];
                                cell.minimum_image(there - r).length_squared() < reach_sq
                            })
                            .map(|slot| slot as u32),
                        );
                    }
                }
                (near, touching)
            })
            .collect();
        let mut site_slots = vec![0; self.sites.len()];
        for (slot, &[atom, _]) in slots.iter().enumerate() {
            if atom != PADDING && self.site_of[atom as usize] != PADDING {
                site_slots[self.site_of[atom as usize] as usize] = slot as u32;
            }
        }
        let mut list = Vec::with_capacity(self.sites.len() + 1);
        let mut end = self.sites.len() as u32 + 1;
        list.push(end);
        for (near, _) in &found {
            end += near.len() as u32;
            list.push(end);
        }
        list.extend(found.iter().flat_map(|(near, _)| near));
        let mut by_slot: Vec<(u32, u32)> =
            (found.iter().enumerate()).flat_map(|(k, (_, slots))| slots.iter().map(move |&s| (s, k as u32))).collect();
        by_slot.sort_unstable();
        let mut ranges = vec![[0, 0]; slots.len()];
        for (k, &(slot, _)) in by_slot.iter().enumerate() {
            let range = &mut ranges[slot as usize];
            if range[1] == 0 {
                range[0] = k as u32;
            }
            range[1] = k as u32 + 1;
        }
        let eta = |site: u32| (1.0 / self.sites[site as usize].width as f32).to_bits();
        NearWords {
            shapes: by_slot.iter().map(|&(_, site)| [site_slots[site as usize], eta(site)]).collect(),
            touching: by_slot.iter().map(|&(slot, site)| (slots[slot as usize][0], site)).collect(),
            list,
            ranges,
            site_slots,
        }
    }

    /// Binds the passes to a list.
    pub fn bind(&self, context: &Context, shared: NearBuffers, words: NearWords) -> Near {
        let room = |bytes: usize| (ROOM * bytes as f64) as usize + 64;
        let list = context.storage("electrode neighbors", room(size_of_val(&words.list[..])));
        let shapes = context.storage("shapes", room(size_of_val(&words.shapes[..])));
        let site_slots = context.storage("electrode slots", self.sites.len() * 4);
        let n_sites = self.sites.len() as u32;
        let [here, around] = shared.placed;
        let mut outputs = vec![&self.potentials, shared.dipoles];
        let mut workgroups = n_sites + self.n_slots.div_ceil(WORKGROUP);
        if let Far::Mesh(mesh, _) = shared.far {
            outputs.extend([mesh, shared.status]);
            workgroups += self.n_slots.div_ceil(SPREAD_ATOMS);
        }
        let inputs = [shared.cell, around, shared.sorted, here, &self.places, &list];
        let mut before = vec![self.potential.dispatch(context, [&inputs, &outputs], workgroups)];
        let mut inputs = vec![around, &self.places, &self.terms, &self.potentials, shared.dipoles];
        match shared.far {
            Far::Mesh(_, potential) => inputs.push(potential),
            Far::Ewald(dispatch, waves, structure) => {
                before.extend(dispatch);
                inputs.extend([waves, structure]);
            }
        }
        let drive = self.drive_pass.dispatch(context, [&inputs, &[&self.drive]], n_sites);
        let inputs = [around, &self.terms, &self.drive, &site_slots, &self.matrix];
        let outputs = [&self.charges, shared.sorted, shared.dipoles];
        let charge = self.charge.dispatch(context, [&inputs, &outputs], n_sites);
        let mut near = Near { list, shapes, site_slots, touching: Vec::new(), before, after: [drive, charge] };
        near.refill(context, words);
        near
    }

    /// The buffer that holds the charges, and how much of it.
    pub fn charges(&self) -> (&wgpu::Buffer, usize) {
        (&self.charges, self.sites.len() * 4)
    }

    /// The buffer that holds what drives the charges, and how much of it: nothing where every electrode is held at a potential.
    pub fn drive(&self) -> (&wgpu::Buffer, usize) {
        (&self.drive, if self.electrodes.has_given_charge() { self.sites.len() * 4 } else { 0 })
    }

    /// Potentials of the electrodes, kJ mol⁻¹ e⁻¹, see [`Electrodes::potentials`].
    ///
    /// * `drive` – `[n_sites]`, kJ mol⁻¹ e⁻¹; empty where every electrode is held
    pub fn potentials(&self, drive: &[f32]) -> [f64; MOST_ELECTRODES] {
        let (_, fixed_sums) = self.electrodes.fixed_sums();
        let offsets = match &self.made {
            Some(Made { shares, between, .. }) if !drive.is_empty() => {
                let drive: Vec<f64> = drive.iter().map(|&d| f64::from(d)).collect();
                offsets(between, shares, &drive, &fixed_sums)
            }
            _ => vec![0.0; fixed_sums.len()],
        };
        self.electrodes.potentials(&offsets)
    }

    /// Puts charges in their places among those of all atoms.
    ///
    /// * `own` – `[n_sites]`; `all` – `[n_atoms]`, e
    pub fn fill_in(&self, own: &[f32], all: &mut [f64]) {
        for (site, &q) in self.sites.iter().zip(own) {
            all[site.atom] = f64::from(q);
        }
    }

    /// Sums over the charges of electrodes that the slab term needs.
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn dipole(&self, charges: &[f64]) -> Dipole {
        let mut sum = Dipole { charge: 0.0, moment: 0.0, second: 0.0 };
        let at = self.made.as_ref().map_or(&[][..], |made| &made.at);
        for (site, r) in self.sites.iter().zip(at) {
            let q = charges[site.atom];
            sum.charge += q;
            sum.moment += q * r.z;
            sum.second += q * r.z * r.z;
        }
        sum
    }

    /// Energy of overlapping Gaussians of electrodes, part of the real-space Coulomb energy; and self terms with the work of
    /// the source, kJ/mol.
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn energies(&self, charges: &[f64]) -> (f64, f64) {
        let short = self.overlapping(charges).map(|(_, _, (energy, _))| energy).sum();
        (short, self.sites.iter().map(|site| site.energy(charges[site.atom])).sum())
    }

    /// (atom, atom, energy and force on the second) of pairs of electrode atoms.
    fn overlapping<'a>(&'a self, charges: &'a [f64]) -> impl Iterator<Item = (usize, usize, (f64, DVec3))> + 'a {
        self.made.iter().flat_map(|made| made.overlaps.shapes(&self.sites, charges))
    }

    /// Adds the forces of shapes on electrode atoms, which do not move and so get none in a step.
    ///
    /// * `positions`, `charges` – `[n_atoms]`, nm and e
    pub fn add_own_forces(&self, near: &Near, positions: &[DVec3], charges: &[f64], forces: &mut [DVec3]) {
        let Some(Made { cell, at, .. }) = &self.made else { return };
        for &(atom, k) in &near.touching {
            let site = &self.sites[k as usize];
            let d = cell.minimum_image(positions[atom as usize] - at[k as usize]);
            let (_, f) = shape(charges[site.atom] * charges[atom as usize], 1.0 / site.width, d);
            forces[site.atom] -= f;
        }
        for (a, b, (_, f)) in self.overlapping(charges) {
            forces[b] += f;
            forces[a] -= f;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sums_of_columns() {
        let n = 90;
        let mut a = Matrix::zero(n);
        for i in 0..n {
            for j in 0..n {
                let d = (i as f64 - j as f64).abs();
                a.values[i * n + j] = if i == j { 7.3 } else { 1.0 / (1.0 + d) };
            }
        }
        let groups: Vec<u32> = (0..n as u32).map(|i| u32::from(i > 30)).collect();
        let response = Response::new(a, &groups, 2).expect("positive definite");
        let stride = n.next_multiple_of(4);
        let rows = rounded_matrix(&response, &groups, 2);
        let mut plainly_off = 0;
        for j in 0..n {
            for group in 0..2 {
                let own = || (0..n).filter(|&i| groups[i] == group);
                let sum: f64 = own().map(|i| f64::from(rows[i * stride + j])).sum();
                // what the last entry of the group cannot take: half a unit of its last place
                let last = own().map(|i| f64::from(rows[i * stride + j])).next_back().expect("an entry");
                let limit = 0.5 * f64::from(f32::EPSILON) * last.abs() + 1e-14;
                assert!(sum.abs() < limit, "{j} {sum:e}");
                let plain: f64 = own().map(|i| f64::from(response.matrix().get(i, j) as f32)).sum();
                plainly_off += usize::from(plain.abs() > limit);
            }
            for i in 0..n {
                let exact = response.matrix().get(i, j);
                assert!((f64::from(rows[i * stride + j]) - exact).abs() < 1e-7 * exact.abs() + 2e-8, "{i} {j}");
            }
        }
        assert!(plainly_off > n / 2, "rounding entry by entry would not do: {plainly_off}");
    }
}
