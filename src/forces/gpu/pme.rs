//! Smooth particle-mesh Ewald on the device: spread, transform, solve, transform back, gather.
//!
//! The mesh holds charge in fixed point of 2⁻²⁶ e (range ±32 e per point). Contributions above 16 e and sums from 16 e to
//! 48 e raise a flag, and the chunk fails: so much charge on one mesh point means dozens of ions within one mesh
//! spacing, a blow-up in any liquid. There is no wide path. Twin: `forces::reference::pme`.

use super::device::Context;
use super::fft::{Direction, Fft3d};
use super::layout::MESH_PARTIALS;
use super::nonbonded::{PairBuffers, sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::{Contribution, pme::Pme};
use crate::units::COULOMB;

/// Largest order of the device's splines.
const MAX_ORDER: usize = 6;

/// The mesh passes of one system.
pub struct MeshEwald {
    grid: [usize; 3],
    host: Pme,
    spread: Pass,
    convert: Pass,
    forward: Fft3d,
    solve: Pass,
    solve_with_sums: Pass,
    inverse: Fft3d,
    gather: Pass,
    influence: wgpu::Buffer,
    mesh: wgpu::Buffer,
    field: wgpu::Buffer,
    pub partials: wgpu::Buffer,
    atom_workgroups: u32,
}

/// The dispatches of one force evaluation. A step spreads in its pair pass and gathers in its update pass; the solve step
/// exists with and without sums.
pub struct MeshDispatches {
    spread: Dispatch,
    before: Vec<Dispatch>,
    solve: Dispatch,
    solve_with_sums: Dispatch,
    after: Vec<Dispatch>,
    /// Potential on the mesh to forces.
    pub gather: Dispatch,
}

impl MeshDispatches {
    /// Calls `with` for every dispatch from the charge mesh to the potential on it, in order; a step with sums spreads here.
    pub fn each<'a>(&'a self, with_sums: bool, mut with: impl FnMut(&'a Dispatch)) {
        if with_sums {
            with(&self.spread);
        }
        self.before.iter().for_each(&mut with);
        with(if with_sums { &self.solve_with_sums } else { &self.solve });
        self.after.iter().for_each(&mut with);
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
        base.extend([
            ("n_points", n_points as f64),
            ("n_slots", f64::from(n_slots)),
            ("inv_four_beta_sq", 0.25 / (beta * beta)),
        ]);
        let compile = |entry: &str, groups: [&[Binding]; 2], with_energy: Option<bool>| {
            let source = shaders.module(entry, Pieces::default());
            let mut constants = base.clone();
            constants.extend(with_energy.map(|on| ("with_energy", f64::from(u8::from(on)))));
            Pass::new(context, &PassSpec { entry, source: &source, constants: &constants, groups })
        };
        use Binding::{Read, Uniform, Write};
        let solve_groups: [&[Binding]; 2] = [&[Uniform, Read], &[Write, Write]];
        let partials_bytes = n_points.div_ceil(WORKGROUP as usize) * MESH_PARTIALS * 4;
        Ok(MeshEwald {
            spread: compile("spread", [&[Read], &[Write, Write]], None)?,
            convert: compile("mesh_convert", [&[], &[Write, Write, Write]], None)?,
            forward: Fft3d::new(context, shaders, grid, Direction::Forward)?,
            solve: compile("solve", solve_groups, Some(false))?,
            solve_with_sums: compile("solve", solve_groups, Some(true))?,
            inverse: Fft3d::new(context, shaders, grid, Direction::Inverse)?,
            gather: compile("gather", [&[Uniform, Read, Read], &[Write]], None)?,
            influence: context.storage("influence function", n_points * 4),
            mesh: context.storage("charge mesh", n_points * 4),
            field: context.storage("field mesh", n_points * 8),
            partials: context.storage("mesh partials", partials_bytes),
            atom_workgroups: n_slots.div_ceil(WORKGROUP),
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
        self.grid.iter().product::<usize>().div_ceil(WORKGROUP as usize) * MESH_PARTIALS * 4
    }

    pub fn dispatches(&self, context: &Context, shared: &PairBuffers) -> MeshDispatches {
        let status = shared.status;
        let point_workgroups = (self.grid.iter().product::<usize>() as u32).div_ceil(WORKGROUP);
        let spread = self.spread.dispatch(context, [&[shared.sorted], &[&self.mesh, status]], self.atom_workgroups);
        let mut before =
            vec![self.convert.dispatch(context, [&[], &[&self.mesh, &self.field, status]], point_workgroups)];
        before.extend(self.forward.dispatches(context, &self.field));
        let after = self.inverse.dispatches(context, &self.field);
        let gather = self.gather.dispatch(
            context,
            [&[shared.cell, shared.sorted, &self.field], &[shared.long_range_forces]],
            self.atom_workgroups,
        );
        let solve = |pass: &Pass| {
            pass.dispatch(context, [&[shared.cell, &self.influence], &[&self.field, &self.partials]], point_workgroups)
        };
        MeshDispatches {
            spread,
            before,
            solve: solve(&self.solve),
            solve_with_sums: solve(&self.solve_with_sums),
            after,
            gather,
        }
    }

    /// The charge mesh and the potential on it.
    pub fn buffers(&self) -> (&wgpu::Buffer, &wgpu::Buffer) {
        (&self.mesh, &self.field)
    }

    /// Energy and virial of the reciprocal sum.
    pub fn sums(&self, partials: &[f32]) -> Contribution {
        let sums = sum_partials::<MESH_PARTIALS>(partials);
        Contribution { energy: sums[0], virial: symmetric(&sums[1..7]) }
    }
}
