//! The two passes of virtual sites: forces to parents before the update pass, positions from parents after it.
//!
//! Twin: `forces::reference::virtual_sites`.

use super::device::Context;
use super::integrate::{ForceInput, StateBuffers};
use super::layout::{SITE_PARTIALS, SiteTerm};
use super::nonbonded::{sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use crate::system::Topology;
use glam::DMat3;

/// Molecules with sites as (first atom, range of the terms of their species), and the terms.
fn tables(topology: &Topology) -> (Vec<[u32; 4]>, Vec<SiteTerm>) {
    let mut terms = Vec::new();
    let ranges: Vec<[u32; 2]> = (topology.species.iter())
        .map(|species| {
            let start = terms.len() as u32;
            terms.extend(species.virtual_sites.iter().map(|site| {
                let [i, j, k] = site.parents;
                SiteTerm { atoms: [site.site, i, j, k], weights: [site.a as f32, site.b as f32, site.c as f32, 0.0] }
            }));
            [start, terms.len() as u32]
        })
        .collect();
    let owners = (topology.molecules.iter())
        .map(|m| (m.first_atom, ranges[m.species as usize]))
        .filter(|(_, [start, end])| start < end)
        .map(|(first, [start, end])| [first, start, end, 0])
        .collect();
    (owners, terms)
}

/// The passes of a system with virtual sites.
pub struct VirtualSites {
    /// With narrow and with wide force sums, each without and with the virial.
    spread: [Option<[Pass; 2]>; 2],
    build: Pass,
    owners: wgpu::Buffer,
    terms: wgpu::Buffer,
    partials: wgpu::Buffer,
    workgroups: u32,
}

/// The dispatches of a step.
pub struct SiteDispatches {
    /// Without and with the virial.
    pub spread: [Dispatch; 2],
    pub build: Dispatch,
}

impl VirtualSites {
    /// `None` when no molecule has a site.
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        topology: &Topology,
        input: &ForceInput,
    ) -> Result<Option<Self>, ForceError> {
        use Binding::{Read, Uniform, Write};
        let (owners, terms) = tables(topology);
        if owners.is_empty() {
            return Ok(None);
        }
        let n_owners = owners.len() as u32;
        let mut inputs = vec![Uniform, Read, Read];
        inputs.extend(input.long_range.map(|_| Read));
        let groups: [&[Binding]; 2] = [&inputs, &[Write, Write, Write, Write, Write]];
        let compile = |entry: &str, wide: bool, with_energy: f64| {
            let source = shaders.module("virtual_sites", Pieces::defining(&input.defines(wide)));
            let mut constants = input.constants.clone();
            constants.extend([("n_owners", f64::from(n_owners)), ("with_energy", with_energy)]);
            Pass::new(context, &PassSpec { entry, source: &source, constants: &constants, groups })
        };
        let workgroups = n_owners.div_ceil(WORKGROUP);
        Ok(Some(VirtualSites {
            spread: input
                .both(|wide| Ok([compile("spread_sites", wide, 0.0)?, compile("spread_sites", wide, 1.0)?]))?,
            build: compile("build_sites", false, 0.0)?,
            owners: context.storage_of("site owners", &owners),
            terms: context.storage_of("site terms", &terms),
            partials: context.storage("site partials", workgroups as usize * SITE_PARTIALS * 4),
            workgroups,
        }))
    }

    /// The buffer that [`Self::virial`] reads.
    pub fn partials(&self) -> &wgpu::Buffer {
        &self.partials
    }

    /// Bytes of `partials`.
    pub fn partials_bytes(&self) -> usize {
        self.workgroups as usize * SITE_PARTIALS * 4
    }

    /// `None` with wide sums where there are none.
    pub fn dispatches(&self, context: &Context, state: &StateBuffers, wide: bool) -> Option<SiteDispatches> {
        let mut inputs = vec![state.cell, &self.owners, &self.terms];
        inputs.extend(state.long_range);
        let outputs = [state.pair_forces, state.positions, state.sorted, &self.partials, state.status];
        let bind = |pass: &Pass| pass.dispatch(context, [&inputs, &outputs], self.workgroups);
        let spread = self.spread[usize::from(wide)].as_ref()?;
        Some(SiteDispatches { spread: spread.each_ref().map(bind), build: bind(&self.build) })
    }

    /// What sites off the plane of their parents add to the virial, kJ/mol.
    pub fn virial(partials: &[f32]) -> DMat3 {
        symmetric(&sum_partials::<SITE_PARTIALS>(partials)[..6])
    }
}
