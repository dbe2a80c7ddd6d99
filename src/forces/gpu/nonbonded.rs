//! The pair pass: its constants, its lists on the device, and the sums it hands back.
//!
//! Twin: `forces::reference::pair` and `forces::reference::exclusions`.

use super::device::Context;
use super::ewald_fit::T_MAX;
use super::layout::PAIR_PARTIALS;
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use crate::math::erfc;
use crate::neighbor::full::FullClusterList;
use crate::potential::coulomb::ReactionField;
use crate::potential::vdw::lennard_jones::plain;
use crate::system::{Coulomb, LjModifier, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};

const INPUTS: [Binding; 7] =
    [Binding::Uniform, Binding::Read, Binding::Read, Binding::Read, Binding::Read, Binding::Read, Binding::Read];
const OUTPUTS: [Binding; 2] = [Binding::Write, Binding::Write];

/// Pair forces with and without sums.
pub struct Nonbonded {
    forces_only: Pass,
    with_sums: Pass,
    table: wgpu::Buffer,
    partials: wgpu::Buffer,
    workgroups: u32,
}

/// A list on the device.
pub struct DeviceList {
    ranges: wgpu::Buffer,
    entries: wgpu::Buffer,
    masks: wgpu::Buffer,
}

impl DeviceList {
    pub fn upload(context: &Context, list: &FullClusterList) -> Self {
        let entries: Vec<[u32; 2]> = list.entries.iter().map(|&(j, mask)| [j, mask]).collect();
        let masks: Vec<[u32; 4]> = (list.masks.iter())
            .map(|m| [m.listed as u32, (m.listed >> 32) as u32, m.free as u32, (m.free >> 32) as u32])
            .collect();
        DeviceList {
            ranges: context.storage_of("ranges", &list.ranges),
            entries: context.storage_of("entries", &entries),
            masks: context.storage_of("masks", &masks),
        }
    }
}

/// Buffers that the pair pass shares with others.
pub struct PairBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub slots: &'a wgpu::Buffer,
    pub forces: &'a wgpu::Buffer,
}

/// Sums over all pairs, kJ/mol.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairSums {
    pub lj: f64,
    pub lj_c4: f64,
    pub coulomb: f64,
    pub excluded: f64,
    pub cutoff_shift: f64,
    /// W = Σ r ⊗ F
    pub virial: DMat3,
}

/// `override` names and values.
type Constants = Vec<(&'static str, f64)>;

/// The shader pieces and constants of a system's pair forms.
fn forms(system: &System) -> Result<(Pieces, Constants), ForceError> {
    let interactions = &system.interactions;
    let cutoff = interactions.cutoff;
    let mut constants = vec![("r_cut_sq", cutoff * cutoff), ("n_types", system.pair_table.n_types() as f64)];
    let vdw = match interactions.lj_modifier {
        LjModifier::None | LjModifier::PotentialShift => {
            let shifted = interactions.lj_modifier == LjModifier::PotentialShift;
            constants.extend([("lj_shift", f64::from(u8::from(shifted))), ("lj_cut_sq", cutoff * cutoff)]);
            "vdw/lennard_jones"
        }
        LjModifier::Switch { start } => {
            constants.extend([("switch_start", start), ("switch_inv_width", 1.0 / (cutoff - start))]);
            "vdw/lennard_jones_switch"
        }
    };
    let coulomb = match interactions.coulomb {
        Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => {
            if (beta * cutoff).powi(2) > T_MAX {
                return Err(ForceError::Unsupported {
                    what: format!(
                        "beta * cutoff = {:.3}, above {:.3} (erfc below 5e-9); choose a smaller beta",
                        beta * cutoff,
                        T_MAX.sqrt()
                    ),
                    instead: "cpu",
                });
            }
            constants.extend([("beta", beta), ("erfc_cut", erfc(beta * cutoff)), ("coulomb_cut", cutoff)]);
            "coulomb/ewald_real"
        }
        Coulomb::ReactionField { epsilon } => {
            let field = ReactionField::new(epsilon, cutoff);
            constants.extend([("k_rf", field.k_rf), ("c_rf", field.c_rf)]);
            "coulomb/reaction_field"
        }
        Coulomb::Cutoff => {
            constants.push(("coulomb_cut", cutoff));
            "coulomb/cutoff"
        }
    };
    Ok((Pieces { vdw: Some(vdw), coulomb: Some(coulomb) }, constants))
}

/// (c6, c12, c4, U(r_cut)) of every pair of types.
fn device_table(system: &System) -> Vec<[f32; 4]> {
    let cutoff = system.interactions.cutoff;
    (system.pair_table.coefficients().iter())
        .map(|&k| [k.c6 as f32, k.c12 as f32, k.c4 as f32, plain(cutoff * cutoff, k).energy as f32])
        .collect()
}

/// q √k_e of every atom, (kJ mol⁻¹ nm)^½.
pub fn device_charges(system: &System) -> Vec<f32> {
    system.topology.charges.iter().map(|q| (q * COULOMB.sqrt()) as f32).collect()
}

impl Nonbonded {
    /// * `n_slots` – eight times the number of clusters
    pub fn new(context: &Context, shaders: &Shaders, system: &System, n_slots: u32) -> Result<Self, ForceError> {
        let (pieces, mut constants) = forms(system)?;
        constants.push(("n_slots", f64::from(n_slots)));
        let source = shaders.module("nb_full", pieces);
        let compile = |with_energy: f64| {
            let constants: Vec<(&str, f64)> = constants.iter().copied().chain([("with_energy", with_energy)]).collect();
            let spec =
                PassSpec { entry: "nb_full", source: &source, constants: &constants, groups: [&INPUTS, &OUTPUTS] };
            Pass::new(context, &spec)
        };
        let workgroups = n_slots.div_ceil(WORKGROUP);
        Ok(Nonbonded {
            forces_only: compile(0.0)?,
            with_sums: compile(1.0)?,
            table: context.storage_of("pair table", &device_table(system)),
            partials: context.storage("pair partials", Self::partials_bytes(n_slots)),
            workgroups,
        })
    }

    /// The buffer that [`PairSums::from_partials`] reads.
    pub fn sums(&self) -> &wgpu::Buffer {
        &self.partials
    }

    /// How much of it.
    pub fn sums_bytes(&self) -> usize {
        self.workgroups as usize * PAIR_PARTIALS * size_of::<f32>()
    }

    fn partials_bytes(n_slots: u32) -> usize {
        n_slots.div_ceil(WORKGROUP) as usize * PAIR_PARTIALS * size_of::<f32>()
    }

    /// Dispatches (without sums, with sums).
    pub fn dispatches(&self, context: &Context, shared: &PairBuffers, list: &DeviceList) -> (Dispatch, Dispatch) {
        let bind = |pass: &Pass| {
            let inputs =
                [shared.cell, shared.sorted, shared.slots, &list.ranges, &list.entries, &list.masks, &self.table];
            pass.dispatch(context, [&inputs, &[shared.forces, &self.partials]], self.workgroups)
        };
        (bind(&self.forces_only), bind(&self.with_sums))
    }
}

/// Symmetric matrix from xx yy zz xy xz yz.
pub fn symmetric(c: &[f64]) -> DMat3 {
    DMat3::from_cols(DVec3::new(c[0], c[3], c[4]), DVec3::new(c[3], c[1], c[5]), DVec3::new(c[4], c[5], c[2]))
}

/// Sums the slots of every workgroup in f64, in slot order.
pub fn sum_partials<const N: usize>(partials: &[f32]) -> [f64; N] {
    let mut sums = [0.0; N];
    for slots in partials.chunks_exact(N) {
        for (sum, &value) in sums.iter_mut().zip(slots) {
            *sum += f64::from(value);
        }
    }
    sums
}

impl PairSums {
    /// Every pair stands in the full list twice.
    pub fn from_partials(partials: &[f32]) -> Self {
        let sums = sum_partials::<PAIR_PARTIALS>(partials).map(|x| 0.5 * x);
        PairSums {
            lj: sums[0],
            lj_c4: sums[1],
            coulomb: sums[2],
            cutoff_shift: sums[3],
            virial: symmetric(&sums[4..10]),
            excluded: sums[10],
        }
    }
}
