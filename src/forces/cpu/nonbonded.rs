//! Pair forces over a half list: parameters in f32, clusters gathered each step, and a fixed partition of the rows.
//!
//! Every part of the list adds forces to a buffer of its own, which covers the clusters it touches; the buffers are
//! summed in order. The parts depend on the list alone, so the result is the same for every number of threads. The
//! kernel walks inner lists, pruned from the list every few steps; entries without a pair inside the cutoff add exact
//! zeros, so what is pruned when does not show in the forces.
//! Twin: `forces/reference/pair.rs`. Excluded pairs are `super::exclusions`' business.

use super::cubic::Cubics;
use super::kernel::{self, Block, ForceBlock, InnerRows, Input, Params, Sums};
use super::prune::prune;
use super::rational::{DENOMINATOR, NUMERATOR, Rational, fit_force, fit_scaled_erfc};
use super::simd::SimdLevel;
use crate::forces::reference::pair::{coulomb_term, lennard_jones_terms};
use crate::neighbor::clusters::{CLUSTER, PADDING};
use crate::neighbor::half::HalfList;
use crate::potential::coulomb::ReactionField;
use crate::system::{Coulomb, LjModifier, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::sync::Arc;

/// Clusters per task when atoms are gathered and forces summed.
const CLUSTERS_PER_TASK: usize = 32;
/// Where padding stands, times lane + 1: beyond every cutoff from everything, nm.
const FAR: f32 = 100.0;

/// β, or zero for methods without a reciprocal sum, nm⁻¹.
pub(super) fn ewald_beta(system: &System) -> Option<f64> {
    match system.interactions.coulomb {
        Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => Some(beta),
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => None,
    }
}

impl Params {
    pub fn new(system: &System) -> Self {
        let interactions = &system.interactions;
        let cutoff = interactions.cutoff;
        let n_types = system.pair_table.n_types();
        let stride = n_types.max(CLUSTER);
        let table = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f32> {
            let mut values = vec![0.0; n_types * stride];
            for a in 0..n_types {
                for b in 0..n_types {
                    values[a * stride + b] = f(a, b) as f32;
                }
            }
            values
        };
        let k = |a, b| system.pair_table.get(a, b);
        let shift = |a, b| match interactions.lj_modifier {
            LjModifier::PotentialShift => {
                let plain = crate::system::Interactions { lj_modifier: LjModifier::None, ..*interactions };
                lennard_jones_terms(&plain, k(a, b), cutoff * cutoff).0.energy
            }
            LjModifier::None | LjModifier::Switch { .. } => 0.0,
        };
        let at_cutoff = |a, b| {
            let (lj, c4) = lennard_jones_terms(interactions, k(a, b), cutoff * cutoff);
            lj.energy + c4.energy
        };
        let c4_shift = |a: usize, b: usize| match interactions.lj_modifier {
            LjModifier::PotentialShift => k(a, b).c4 / -cutoff.powi(4),
            LjModifier::None | LjModifier::Switch { .. } => 0.0,
        };
        let beta = ewald_beta(system).unwrap_or(0.0);
        let z_sq_max = (beta * cutoff).powi(2).max(1e-3);
        let force = fit_force(z_sq_max).scaled(beta.powi(3), beta * beta);
        let energy = fit_scaled_erfc(z_sq_max.sqrt()).scaled(1.0, beta);
        let (two_k_rf, c_rf) = match interactions.coulomb {
            Coulomb::ReactionField { epsilon } => {
                let field = ReactionField::new(epsilon, cutoff);
                (2.0 * field.k_rf, field.c_rf)
            }
            _ => (0.0, 0.0),
        };
        let (switched, start) = match interactions.lj_modifier {
            LjModifier::Switch { start } => (true, start),
            _ => (false, cutoff),
        };
        let f32s = |r: &Rational| (r.numerator.map(|x| x as f32), r.denominator.map(|x| x as f32));
        let (force_numerator, force_denominator): ([f32; NUMERATOR + 1], [f32; DENOMINATOR + 1]) = f32s(&force);
        let (energy_numerator, energy_denominator) = f32s(&energy);
        Params {
            cutoff_sq: (cutoff * cutoff) as f32,
            ewald: ewald_beta(system).is_some(),
            force_numerator,
            force_denominator,
            cubics: ewald_beta(system).and_then(|beta| Cubics::new(beta, cutoff)),
            energy_numerator,
            energy_denominator,
            exponent: (-beta * beta * std::f64::consts::LOG2_E) as f32,
            two_k_rf: two_k_rf as f32,
            c_rf: c_rf as f32,
            coulomb_at_cutoff: (coulomb_term(interactions, COULOMB, cutoff * cutoff).energy / COULOMB) as f32,
            switch_start: start as f32,
            switch_inv_width: if switched { (1.0 / (cutoff - start)) as f32 } else { 0.0 },
            switched,
            has_c4: system.pair_table.coefficients().iter().any(|k| k.c4 != 0.0),
            small_table: n_types <= CLUSTER,
            stride,
            c6: table(&|a, b| 6.0 * k(a, b).c6),
            c12: table(&|a, b| 12.0 * k(a, b).c12),
            c4: table(&|a, b| 4.0 * k(a, b).c4),
            shift: table(&shift),
            c4_shift: table(&c4_shift),
            at_cutoff: table(&at_cutoff),
        }
    }
}

/// What belongs to a part of the list.
#[derive(Default)]
struct Part {
    inner: InnerRows,
    /// `[n touched clusters]`
    forces: Vec<ForceBlock>,
    sums: Sums,
}

/// Pair forces of one system, with the list they run over.
pub(super) struct Nonbonded {
    pub level: SimdLevel,
    params: Params,
    /// `[n_atoms]`, e √k_e
    charges: Vec<f32>,
    type_ids: Vec<u32>,
    list: Option<Arc<HalfList>>,
    blocks: Vec<Block>,
    types: Vec<[u32; CLUSTER]>,
    parts: Vec<Part>,
    /// (part, place in its forces) of the parts that touch cluster c: `parts_of[starts[c] .. starts[c + 1]]`
    starts: Vec<u32>,
    parts_of: Vec<(u32, u32)>,
    /// `[n_clusters]`, sums over the parts
    forces: Vec<ForceBlock>,
}

impl Nonbonded {
    pub fn new(level: SimdLevel, system: &System) -> Self {
        Nonbonded {
            level,
            params: Params::new(system),
            charges: system.topology.charges.iter().map(|q| (q * COULOMB.sqrt()) as f32).collect(),
            type_ids: system.topology.type_ids.clone(),
            list: None,
            blocks: Vec::new(),
            types: Vec::new(),
            parts: Vec::new(),
            starts: Vec::new(),
            parts_of: Vec::new(),
            forces: Vec::new(),
        }
    }

    pub fn list(&self) -> Option<&Arc<HalfList>> {
        self.list.as_ref()
    }

    pub fn forget_list(&mut self) {
        self.list = None;
    }

    pub fn set_list(&mut self, list: Arc<HalfList>) {
        let n_clusters = list.clusters.n_clusters();
        let empty = Block { x: [0.0; CLUSTER], y: [0.0; CLUSTER], z: [0.0; CLUSTER], q: [0.0; CLUSTER] };
        self.blocks.clear();
        self.blocks.resize(n_clusters, empty);
        self.types.clear();
        self.types.resize(n_clusters, [0; CLUSTER]);
        for (slot, &a) in list.clusters.order.iter().enumerate() {
            let (c, lane) = (slot / CLUSTER, slot % CLUSTER);
            if a == PADDING {
                let far = FAR * (lane + 1) as f32;
                (self.blocks[c].x[lane], self.blocks[c].y[lane], self.blocks[c].z[lane]) = (far, far, far);
            } else {
                self.blocks[c].q[lane] = self.charges[a as usize];
                self.types[c][lane] = self.type_ids[a as usize];
            }
        }
        self.forces.clear();
        self.forces.resize(n_clusters, ForceBlock::default());
        self.parts.resize_with(list.parts.len(), Part::default);
        for (part, listed) in self.parts.iter_mut().zip(&list.parts) {
            part.forces.clear();
            part.forces.resize(listed.touched.len(), ForceBlock::default());
        }
        self.starts.clear();
        self.starts.resize(n_clusters + 1, 0);
        for &c in list.parts.iter().flat_map(|p| &p.touched) {
            self.starts[c as usize + 1] += 1;
        }
        for c in 0..n_clusters {
            self.starts[c + 1] += self.starts[c];
        }
        let mut next = self.starts.clone();
        self.parts_of.clear();
        self.parts_of.resize(self.starts[n_clusters] as usize, (0, 0));
        for (k, part) in list.parts.iter().enumerate() {
            for (place, &c) in part.touched.iter().enumerate() {
                self.parts_of[next[c as usize] as usize] = (k as u32, place as u32);
                next[c as usize] += 1;
            }
        }
        self.list = Some(list);
    }

    /// Atoms in the frames of their clusters, as [`Nonbonded::gather_positions`] left them.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Gives an atom another charge, e.
    pub fn set_charge(&mut self, atom: usize, charge: f64) {
        let Some(list) = &self.list else { return };
        let slot = list.slot_of[atom] as usize;
        self.charges[atom] = (charge * COULOMB.sqrt()) as f32;
        self.blocks[slot / CLUSTER].q[slot % CLUSTER] = self.charges[atom];
    }

    /// Takes the positions of a step into the clusters' frames. `positions`: `[n_atoms]`, nm.
    pub fn gather_positions(&mut self, positions: &[DVec3]) {
        let Some(list) = &self.list else { return };
        self.blocks.par_chunks_mut(CLUSTERS_PER_TASK).enumerate().for_each(|(task, blocks)| {
            for (c, block) in (task * CLUSTERS_PER_TASK..).zip(blocks) {
                let slots = c * CLUSTER..(c + 1) * CLUSTER;
                let atoms = list.clusters.order[slots.clone()].iter().zip(&list.frame[slots]).enumerate();
                for (lane, (&a, &frame)) in atoms {
                    if a != PADDING {
                        let r = positions[a as usize] - frame;
                        (block.x[lane], block.y[lane], block.z[lane]) = (r.x as f32, r.y as f32, r.z as f32);
                    }
                }
            }
        });
    }

    /// Computes the forces; the sums of a report when asked.
    ///
    /// * `new_radius` – radius of new inner lists, nm; `None` keeps those there are
    pub fn compute(&mut self, report: bool, new_radius: Option<f64>) {
        let Some(list) = &self.list else { return };
        let level = self.level;
        let input = Input { params: &self.params, blocks: &self.blocks, types: &self.types };
        let radius_sq = new_radius.map(|r| (r * r) as f32);
        self.parts.par_iter_mut().zip(&list.parts).for_each(|(part, listed)| {
            if let Some(radius_sq) = radius_sq {
                prune(level, list, listed, input.blocks, radius_sq, &mut part.inner);
            }
            part.forces.fill(ForceBlock::default());
            part.sums = Sums::default();
            let sums = report.then_some(&mut part.sums);
            kernel::run(level, input, listed.clusters.start, &part.inner, &mut part.forces, sums);
        });
    }

    /// Adds up the parts' forces, in their order.
    pub fn reduce(&mut self) {
        let Nonbonded { parts, starts, parts_of, forces, .. } = self;
        forces.par_chunks_mut(CLUSTERS_PER_TASK).enumerate().for_each(|(task, forces)| {
            for (c, force) in (task * CLUSTERS_PER_TASK..).zip(forces) {
                let mut sum = ForceBlock::default();
                for &(k, place) in &parts_of[starts[c] as usize..starts[c + 1] as usize] {
                    let part = &parts[k as usize].forces[place as usize];
                    for lane in 0..CLUSTER {
                        sum.x[lane] += part.x[lane];
                        sum.y[lane] += part.y[lane];
                        sum.z[lane] += part.z[lane];
                    }
                }
                *force = sum;
            }
        });
    }

    /// Force on the atom in a slot of the list after [`Nonbonded::reduce`], kJ/mol/nm.
    #[inline]
    pub fn force(&self, slot: u32) -> DVec3 {
        let (block, lane) = (&self.forces[slot as usize / CLUSTER], slot as usize % CLUSTER);
        DVec3::new(f64::from(block.x[lane]), f64::from(block.y[lane]), f64::from(block.z[lane]))
    }

    /// Energies and virial after a report and [`Nonbonded::reduce`].
    pub fn sums(&self) -> (Sums, DMat3) {
        let mut total = Sums::default();
        for part in &self.parts {
            total.lj += part.sums.lj;
            total.lj_c4 += part.sums.lj_c4;
            total.coulomb += part.sums.coulomb;
            total.cutoff_shift += part.sums.cutoff_shift;
            for a in 0..3 {
                for b in 0..3 {
                    total.virial[a][b] += part.sums.virial[a][b];
                }
            }
        }
        // rows of `virial` are the first factor: column b of the matrix is (W_xb, W_yb, W_zb)
        let w = &total.virial;
        let mut virial = DMat3::from_cols_array_2d(&[0, 1, 2].map(|b| [w[0][b], w[1][b], w[2][b]]));
        for (block, force) in self.blocks.iter().zip(&self.forces) {
            for lane in 0..CLUSTER {
                let r = DVec3::new(f64::from(block.x[lane]), f64::from(block.y[lane]), f64::from(block.z[lane]));
                let f = DVec3::new(f64::from(force.x[lane]), f64::from(force.y[lane]), f64::from(force.z[lane]));
                virial += crate::forces::reference::outer(r, f);
            }
        }
        (total, virial)
    }
}
