//! The pair passes: their variants, constants and bindings, and the sums they hand back.
//!
//! Twin: `forces::reference::pair` and `forces::reference::exclusions`.

use super::batch::wide as vector;
use super::device::{Context, cast};
use super::ewald_fit::T_MAX;
use super::fixed_force::{n_words, wide_forces};
use super::integrate::STEP_BLOCK;
use super::layout::PAIR_PARTIALS;
use super::pair_list::DeviceList;
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::pme::SPREAD_ATOMS;
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use crate::math::erfc;
use crate::neighbor::clusters::CLUSTER;
use crate::neighbor::packed::max_rows;
use crate::potential::coulomb::ReactionField;
use crate::potential::vdw::lennard_jones::plain;
use crate::system::{Coulomb, LjModifier, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use std::sync::OnceLock;

/// Which kernel evaluates pairs, and so which list it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKernel {
    /// `nb_full`: every pair twice, no atomics.
    Full,
    /// `nb_half`: every pair once, integer atomics.
    Half,
}

/// Atoms from which [`PairKernel::Half`] is taken. On an NVIDIA H200 the full list, whose invocations walk it alone, takes 290 µs
/// for 900 atoms and 543 for 3000, the half list 22 for 3000.
pub const HALF_LIST_FROM: usize = 1000;

/// Types of which all pairs stand in the workgroup memory of `nb_half`.
const NEAR_TYPES: usize = 8;

/// Parts of the list that are pruned in turn, one on every second step.
const PRUNE_PARTS: u32 = crate::forces::PRUNE_INTERVAL / 2;

/// What a pair pass does besides forces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Spreads charges to the mesh.
    Spread,
    /// Sums energies and the virial.
    Sums,
}

/// Passes over pairs.
pub struct Nonbonded {
    kernel: PairKernel,
    /// Forces, and the charge mesh where there is one.
    step: Pass,
    with_sums: Pass,
    /// The same two with wide sums, when they have been needed.
    wide: OnceLock<[Pass; 2]>,
    /// Every row, and one part.
    prune: Option<[Pass; 2]>,
    table: wgpu::Buffer,
    partials: wgpu::Buffer,
    /// Workgroups of `with_sums`, and so slots of `partials`.
    workgroups: u32,
    n_slots: u32,
    spreads: bool,
    recipe: Recipe,
}

/// What it takes to compile another variant.
struct Recipe {
    shaders: Shaders,
    system: System,
    mesh: Vec<(&'static str, f64)>,
}

/// Buffers that the pair pass shares with others.
pub struct PairBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub slots: &'a wgpu::Buffer,
    pub pair_forces: &'a wgpu::Buffer,
    pub long_range_forces: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
    /// The charge mesh, if charges are spread by the pair pass.
    pub mesh: Option<&'a wgpu::Buffer>,
    pub steps: &'a wgpu::Buffer,
}

/// Pair dispatches of a step without and with sums.
pub struct PairDispatches {
    pub step: Dispatch,
    pub with_sums: Dispatch,
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
fn forms(system: &System) -> Result<([&'static str; 2], Constants), ForceError> {
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
    Ok(([vdw, coulomb], constants))
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

impl Recipe {
    fn compile(
        &self,
        context: &Context,
        kernel: PairKernel,
        beside: Beside,
        wide: bool,
        n_slots: u32,
    ) -> Result<Pass, ForceError> {
        use Binding::{Read, Uniform, Write};
        let ([vdw, coulomb], mut constants) = forms(&self.system)?;
        constants.push(("n_slots", f64::from(n_slots)));
        constants.extend(&self.mesh);
        let mut defines = Vec::new();
        defines.extend(match beside {
            Beside::Nothing => None,
            Beside::Spread => Some("SPREAD"),
            Beside::Sums => Some("ENERGY"),
        });
        defines.extend(wide.then_some("WIDE"));
        defines.extend(context.has_subgroups().then_some("SUBGROUPS"));
        defines.extend((self.system.pair_table.n_types() <= NEAR_TYPES).then_some("NEAR_TABLE"));
        let entry = match kernel {
            PairKernel::Full => "nb_full",
            PairKernel::Half => "nb_half",
        };
        let pieces = Pieces { vdw: Some(vdw), coulomb: Some(coulomb), defines: &defines };
        let outputs: &[Binding] = match (kernel, beside) {
            (PairKernel::Full, Beside::Nothing) => &[Write],
            (PairKernel::Full, Beside::Sums) | (PairKernel::Half, Beside::Nothing) => &[Write, Write],
            _ => &[Write, Write, Write],
        };
        let groups: [&[Binding]; 2] = [&[Uniform, Read, Read, Read, Read, Read], outputs];
        let source = self.shaders.module(entry, pieces);
        Pass::new(context, &PassSpec { entry, source: &source, constants: &constants, groups })
    }
}

impl Nonbonded {
    /// * `n_slots` – eight times the number of clusters
    /// * `mesh` – constants of the charge mesh, if the pass spreads charges besides
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        system: &System,
        kernel: PairKernel,
        n_slots: u32,
        mesh: Option<Vec<(&'static str, f64)>>,
    ) -> Result<Self, ForceError> {
        let spreads = mesh.is_some();
        let recipe = Recipe { shaders: shaders.clone(), system: system.clone(), mesh: mesh.unwrap_or_default() };
        let beside = if spreads { Beside::Spread } else { Beside::Nothing };
        let prune = |n_parts: u32| {
            use Binding::{Read, Uniform, UniformBlock, Write};
            let constants = [("n_slots", f64::from(n_slots)), ("n_parts", f64::from(n_parts))];
            let groups: [&[Binding]; 2] = [&[Uniform, UniformBlock(STEP_BLOCK.1), Read, Read, Read], &[Write]];
            let source = shaders.module("prune", Pieces::default());
            Pass::new(context, &PassSpec { entry: "prune", source: &source, constants: &constants, groups })
        };
        let workgroups = match kernel {
            PairKernel::Full => n_slots.div_ceil(WORKGROUP),
            PairKernel::Half => max_rows(n_slots as usize / CLUSTER) as u32,
        };
        Ok(Nonbonded {
            kernel,
            step: recipe.compile(context, kernel, beside, false, n_slots)?,
            with_sums: recipe.compile(context, kernel, Beside::Sums, false, n_slots)?,
            wide: OnceLock::new(),
            prune: match kernel {
                PairKernel::Full => None,
                PairKernel::Half => Some([prune(1)?, prune(PRUNE_PARTS)?]),
            },
            table: context.storage_of("pair table", &device_table(system)),
            partials: context.storage("pair partials", workgroups as usize * PAIR_PARTIALS * size_of::<f32>()),
            workgroups,
            n_slots,
            spreads,
            recipe,
        })
    }

    pub fn kernel(&self) -> PairKernel {
        self.kernel
    }

    /// Bytes of the buffer of pair forces.
    pub fn force_bytes(&self) -> usize {
        match self.kernel {
            PairKernel::Full => self.n_slots as usize * 16,
            PairKernel::Half => n_words(self.n_slots as usize) * 4,
        }
    }

    /// The forces in that buffer; those of the half list as wide sums.
    ///
    /// * returns `[n_slots]`, kJ/mol/nm
    pub fn forces(&self, bytes: &[u8]) -> Vec<DVec3> {
        match self.kernel {
            PairKernel::Full => cast::<[f32; 4]>(bytes).into_iter().map(vector).collect(),
            PairKernel::Half => wide_forces(&cast::<u32>(bytes)),
        }
    }

    /// The buffer that [`PairSums::from_partials`] reads.
    pub fn sums(&self) -> &wgpu::Buffer {
        &self.partials
    }

    /// How much of it.
    pub fn sums_bytes(&self) -> usize {
        self.workgroups as usize * PAIR_PARTIALS * size_of::<f32>()
    }

    /// What the buffer holds.
    pub fn pair_sums(&self, partials: &[u8]) -> PairSums {
        let listed = match self.kernel {
            PairKernel::Full => 2.0,
            PairKernel::Half => 1.0,
        };
        PairSums::from_partials(&cast::<f32>(partials), listed)
    }

    /// * `wide` – with sums of two words; only the half list has them
    pub fn dispatches(
        &self,
        context: &Context,
        shared: &PairBuffers,
        list: &DeviceList,
        wide: bool,
    ) -> Result<PairDispatches, ForceError> {
        let [step, with_sums] = if wide && self.kernel == PairKernel::Half {
            let [step, with_sums] = match self.wide.get() {
                Some(passes) => passes,
                None => {
                    let compile = |beside| self.recipe.compile(context, self.kernel, beside, true, self.n_slots);
                    let beside = if self.spreads { Beside::Spread } else { Beside::Nothing };
                    let passes = [compile(beside)?, compile(Beside::Sums)?];
                    self.wide.get_or_init(|| passes)
                }
            };
            [step, with_sums]
        } else {
            [&self.step, &self.with_sums]
        };
        let inputs = match list {
            DeviceList::Full { list, masks } => [list, masks],
            DeviceList::Half { list, exclusions, .. } => [list, exclusions],
        };
        let inputs = [shared.cell, shared.sorted, shared.slots, inputs[0], inputs[1], &self.table];
        let mut outputs = vec![shared.pair_forces];
        outputs.extend(shared.mesh.filter(|_| self.spreads));
        let mut sums = vec![shared.pair_forces];
        match self.kernel {
            PairKernel::Full if self.spreads => outputs.push(shared.status),
            PairKernel::Full => {}
            PairKernel::Half => {
                outputs.insert(1, shared.status);
                sums.push(shared.status);
            }
        }
        sums.push(&self.partials);
        Ok(PairDispatches {
            step: step.dispatch(context, [&inputs, &outputs], self.workgroups_of(list)),
            with_sums: with_sums.dispatch(context, [&inputs, &sums], self.workgroups),
        })
    }

    /// Workgroups of a step without sums.
    pub fn workgroups_of(&self, list: &DeviceList) -> u32 {
        let pairs = match list {
            DeviceList::Full { .. } => self.workgroups,
            DeviceList::Half { n_rows, .. } => *n_rows,
        };
        pairs + if self.spreads { self.n_slots.div_ceil(SPREAD_ATOMS) } else { 0 }
    }

    /// Pruning of the whole list and of the part whose turn it is, if there is anything to prune; both take the block of a
    /// step.
    pub fn prune(&self, context: &Context, shared: &PairBuffers, list: &DeviceList) -> Option<[Dispatch; 2]> {
        let workgroups = prune_workgroups(list);
        let DeviceList::Half { list, exclusions, outer, prunes: true, .. } = list else { return None };
        let passes = self.prune.as_ref()?;
        let inputs = [shared.cell, shared.steps, shared.sorted, exclusions, outer];
        let dispatch =
            |pass: &Pass, n: u32| pass.dispatch_blocks(context, [&inputs, &[list]], n, Some((1, STEP_BLOCK.1)));
        Some([0, 1].map(|k| dispatch(&passes[k], workgroups[k])))
    }
}

/// Workgroups that prune all of a list, and a part of it.
pub fn prune_workgroups(list: &DeviceList) -> [u32; 2] {
    match list {
        DeviceList::Full { .. } => [0, 0],
        DeviceList::Half { n_rows, .. } => [*n_rows, n_rows.div_ceil(PRUNE_PARTS)],
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
    /// * `listed` – how often every pair stands in the list
    pub fn from_partials(partials: &[f32], listed: f64) -> Self {
        let sums = sum_partials::<PAIR_PARTIALS>(partials).map(|x| x / listed);
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
