//! Smooth particle-mesh Ewald on the device: spread, transform, solve, transform back, gather.
//!
//! The mesh holds charge in fixed point of 2⁻²⁶ e (range ±32 e per point). Contributions above 16 e and sums from 16 e to
//! 48 e raise a flag, and the chunk fails: so much charge on one mesh point means dozens of ions within one mesh
//! spacing, a blow-up in any liquid. There is no wide path. Twin: `forces::reference::pme`.

use super::device::Context;
use super::fft::{MeshBuffers, MeshTransform};
use super::layout::MESH_PARTIALS;
use super::nonbonded::{PairBuffers, sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::{Contribution, pme::Pme};
use crate::units::COULOMB;

/// Atoms whose charges a workgroup spreads; `SPREAD_ATOMS` in the shader.
pub const SPREAD_ATOMS: u32 = 16;

/// Largest order of the device's splines.
const MAX_ORDER: usize = 6;

/// The mesh passes of one system.
pub struct MeshEwald {
    grid: [usize; 3],
    host: Pme,
    spread: Pass,
    transform: MeshTransform,
    gather: Pass,
    influence: wgpu::Buffer,
    mesh: wgpu::Buffer,
    field: wgpu::Buffer,
    potential: wgpu::Buffer,
    pub partials: wgpu::Buffer,
    atom_workgroups: u32,
    spread_workgroups: u32,
}

/// The dispatches of one force evaluation. A step spreads in its pair pass and gathers in its update pass.
pub struct MeshDispatches {
    spread: Dispatch,
    /// Without and with sums.
    transform: [Vec<Dispatch>; 2],
    /// Potential on the mesh to forces.
    pub gather: Dispatch,
}

impl MeshDispatches {
    /// Calls `with` for every dispatch from the charge mesh to the potential on it, in order; a step with sums spreads here.
    pub fn each<'a>(&'a self, with_sums: bool, mut with: impl FnMut(&'a Dispatch)) {
        if with_sums {
            with(&self.spread);
        }
        self.transform[usize::from(with_sums)].iter().for_each(&mut with);
    }

    /// Calls `with` for what turns a charge mesh into the potential on it.
    pub fn solve<'a>(&'a self, with: impl FnMut(&'a Dispatch)) {
        self.transform[0].iter().for_each(with);
    }
}

/// Constants of passes that spread to or gather from a mesh.
pub fn mesh_constants(grid: [usize; 3], order: usize) -> Vec<(&'static str, f64)> {
    vec![
        ("charge_unit", 1.0 / COULOMB.sqrt()),
        ("spline_order", order as f64),
        ("mesh_a", grid[0] as f64),
        ("mesh_b", grid[1] as f64),
        ("mesh_c", grid[2] as f64),
    ]
}

impl MeshEwald {
    /// * `grid` – points along a, b, c
    /// * `order` – 4, 5 or 6
    /// * `beta` – nm⁻¹
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        grid: [usize; 3],
        order: usize,
        beta: f64,
        n_slots: u32,
    ) -> Result<Self, ForceError> {
        if !(3..=MAX_ORDER).contains(&order) {
            return Err(ForceError::Unsupported {
                what: format!("PME of order {order}; choose order 4, 5 or 6"),
                instead: "cpu",
            });
        }
        let n_points = grid.iter().product::<usize>();
        let mut base = mesh_constants(grid, order);
        base.push(("n_slots", f64::from(n_slots)));
        let compile = |entry: &str, groups: [&[Binding]; 2]| {
            let source = shaders.module(entry, Pieces::default());
            Pass::new(context, &PassSpec { entry, source: &source, constants: &base, groups })
        };
        use Binding::{Read, Uniform, Write};
        let transform = MeshTransform::new(context, shaders, grid, beta)?;
        Ok(MeshEwald {
            spread: compile("spread", [&[Read], &[Write, Write]])?,
            gather: compile("gather", [&[Uniform, Read, Read], &[Write]])?,
            influence: context.storage("influence function", n_points * 4),
            mesh: context.storage("charge mesh", n_points * 4),
            field: context.storage("field mesh", n_points * 8),
            potential: context.storage("potential mesh", n_points * 4),
            partials: context.storage("mesh partials", transform.n_partials() * 4),
            transform,
            atom_workgroups: n_slots.div_ceil(WORKGROUP),
            spread_workgroups: n_slots.div_ceil(SPREAD_ATOMS),
            host: Pme::new(grid, order, beta),
            grid,
        })
    }

    /// The influence function of a new cell, computed in f64.
    pub fn set_cell(&mut self, context: &Context, cell: &Cell) {
        let [n_a, n_b, n_c] = self.grid;
        let mut influence = Vec::with_capacity(n_a * n_b * n_c);
        for a in 0..n_a {
            for b in 0..n_b {
                influence.extend((0..n_c).map(|c| self.host.influence(cell, [a, b, c]).0 as f32));
            }
        }
        context.write(&self.influence, &influence);
    }

    /// Bytes of `partials` that [`MeshEwald::sums`] reads.
    pub fn partials_bytes(&self) -> usize {
        self.transform.n_partials() * 4
    }

    pub fn dispatches(&self, context: &Context, shared: &PairBuffers) -> MeshDispatches {
        let status = shared.status;
        let spread = self.spread.dispatch(context, [&[shared.sorted], &[&self.mesh, status]], self.spread_workgroups);
        let gather = self.gather.dispatch(
            context,
            [&[shared.cell, shared.sorted, &self.potential], &[shared.long_range_forces]],
            self.atom_workgroups,
        );
        let buffers = MeshBuffers {
            cell: shared.cell,
            mesh: &self.mesh,
            field: &self.field,
            potential: &self.potential,
            influence: &self.influence,
            partials: &self.partials,
            status,
        };
        MeshDispatches { spread, transform: self.transform.dispatches(context, &buffers), gather }
    }

    /// The charge mesh and the potential on it.
    pub fn buffers(&self) -> (&wgpu::Buffer, &wgpu::Buffer) {
        (&self.mesh, &self.potential)
    }

    /// Energy and virial of the reciprocal sum.
    pub fn sums(&self, partials: &[f32]) -> Contribution {
        let sums = sum_partials::<MESH_PARTIALS>(partials);
        Contribution { energy: sums[0], virial: symmetric(&sums[1..7]) }
    }
}
