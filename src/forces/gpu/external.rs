//! Slab correction, uniform field and walls on the device, and the dipole along z that the first two need.
//!
//! The dipole is summed in one dispatch and used in the next, so nothing is read back inside a batch. Heights are unwrapped:
//! every list brings those of the positions it was built from, where the host has followed each atom, and the device adds
//! what they have risen since. Energies are put together in f64 on the host. Twin: `forces::reference::external`.

use super::device::{Context, cast};
use super::fixed::FixedPosition;
use super::integrate::ForceInput;
use super::layout::{DIPOLE_PARTIALS, EXTERNAL_PARTIALS, ExternalUniform, MOST_WALLS, PlacedAtom};
use super::nonbonded::{PairKernel, sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::external::{Dipole, ExternalSums};
use crate::system::external::WallForm;
use crate::system::{External, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use std::f64::consts::PI;
use std::sync::OnceLock;

/// The passes of a system with external terms.
pub struct ExternalTerms {
    external: External,
    charges: Vec<f64>,
    /// Of everything, electrodes included, e.
    net_charge: f64,
    /// A pass of its own, where no other sums the dipole.
    dipole: Option<Pass>,
    /// Without and with sums.
    narrow: [Pass; 2],
    wide: OnceLock<[Pass; 2]>,
    recipe: Recipe,
    wall_table: wgpu::Buffer,
    pub dipoles: wgpu::Buffer,
    partials: wgpu::Buffer,
}

/// What it takes to compile a variant.
struct Recipe {
    shaders: Shaders,
    kernel: PairKernel,
    n_slots: u32,
    /// Entries of `dipoles` that a step needs.
    n_dipoles: u32,
    electrodes: bool,
}

/// Where the atoms of a list were when it was built.
pub struct Placement {
    slots: wgpu::Buffer,
    uniform: wgpu::Buffer,
    /// Of the charges that do not answer.
    base: Dipole,
}

/// The dispatches of a step.
pub struct ExternalDispatches {
    /// In every step, or in those with sums alone.
    dipole: Option<(Dispatch, bool)>,
    /// Without and with sums.
    forces: [Dispatch; 2],
}

impl ExternalDispatches {
    /// Calls `with` for every dispatch, in order.
    pub fn each<'a>(&'a self, with_sums: bool, mut with: impl FnMut(&'a Dispatch)) {
        self.dipole.iter().filter(|(_, always)| *always || with_sums).for_each(|(dispatch, _)| with(dispatch));
        with(&self.forces[usize::from(with_sums)]);
    }
}

/// Buffers that the passes share with others.
pub struct ExternalBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub sorted: &'a wgpu::Buffer,
    pub pair_forces: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
    /// Gaussians near every atom, with electrodes.
    pub shapes: Option<&'a wgpu::Buffer>,
}

impl Recipe {
    fn compile(&self, context: &Context, wide: bool) -> Result<[Pass; 2], ForceError> {
        use Binding::{Read, Uniform, Write};
        let mut defines = Vec::new();
        defines.extend((self.kernel == PairKernel::Half).then_some("HALF"));
        defines.extend(wide.then_some("WIDE"));
        defines.extend(self.electrodes.then_some("ELECTRODES"));
        let source = self.shaders.module("external", Pieces::defining(&defines));
        let mut inputs = vec![Uniform, Uniform, Read, Read, Read, Read];
        inputs.extend(self.electrodes.then_some(Read));
        let compile = |with_energy: f64| {
            let (n_slots, n_dipoles) = (f64::from(self.n_slots), f64::from(self.n_dipoles));
            let constants = [("n_slots", n_slots), ("n_dipoles", n_dipoles), ("with_energy", with_energy)];
            let groups: [&[Binding]; 2] = [&inputs, &[Write, Write, Write]];
            Pass::new(context, &PassSpec { entry: "external_forces", source: &source, constants: &constants, groups })
        };
        Ok([compile(0.0)?, compile(1.0)?])
    }
}

/// (a, b, c) of every wall and type: see `shaders/external.wgsl`.
fn wall_table(external: &External) -> Vec<[f32; 4]> {
    (external.walls.iter())
        .flat_map(|wall| {
            wall.coefficients.iter().map(|k| {
                let rho = PI * wall.density;
                let [a, b, c] = match wall.form {
                    WallForm::NineThree => [rho * k.c12 / 45.0, rho * k.c6 / 6.0, 0.0],
                    WallForm::TenFourThree { spacing } => {
                        [rho * spacing * k.c12 / 5.0, rho * spacing * k.c6 / 2.0, rho * k.c6 / 6.0]
                    }
                };
                [a as f32, b as f32, c as f32, 0.0]
            })
        })
        .collect()
}

impl ExternalTerms {
    /// `None` when the system has no external term.
    ///
    /// * `system` – without the charges of electrodes
    /// * `n_answering` – further entries of the dipole: of the charges that answer
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        system: &System,
        input: &ForceInput,
        n_slots: u32,
        n_answering: u32,
    ) -> Result<Option<Self>, ForceError> {
        use Binding::{Read, Uniform, Write};
        let external = &system.external;
        if external.terms().is_empty() {
            return Ok(None);
        }
        if external.walls.len() > MOST_WALLS {
            let what = format!("{} walls, above {MOST_WALLS}", external.walls.len());
            return Err(ForceError::Unsupported { what, instead: "cpu" });
        }
        let own = n_slots.div_ceil(WORKGROUP);
        let electrodes = external.electrodes.as_ref();
        let recipe = Recipe {
            shaders: shaders.clone(),
            kernel: input.kernel,
            n_slots,
            n_dipoles: if external.slab_correction { own + n_answering } else { 0 },
            electrodes: electrodes.is_some(),
        };
        let needs_dipole = (external.slab_correction || external.field_z != 0.0) && electrodes.is_none();
        let dipole = || {
            let source = shaders.module("external", Pieces::defining(&["DIPOLE"]));
            let constants = [("n_slots", f64::from(n_slots))];
            let groups: [&[Binding]; 2] = [&[Uniform, Uniform, Read, Read], &[Write]];
            Pass::new(context, &PassSpec { entry: "dipole", source: &source, constants: &constants, groups })
        };
        let fixed_sums: f64 = electrodes.map_or(0.0, |e| e.fixed_sums().1.iter().sum());
        Ok(Some(ExternalTerms {
            charges: system.topology.charges.clone(),
            net_charge: system.topology.net_charge() + fixed_sums,
            dipole: needs_dipole.then(dipole).transpose()?,
            narrow: recipe.compile(context, false)?,
            wide: OnceLock::new(),
            wall_table: context.storage_of("wall table", &wall_table(external)),
            dipoles: context.storage("dipoles", (own + n_answering) as usize * DIPOLE_PARTIALS * 4),
            partials: context.storage("external partials", own as usize * EXTERNAL_PARTIALS * 4),
            external: external.clone(),
            recipe,
        }))
    }

    /// Room for one list.
    pub fn placement(&self, context: &Context) -> Placement {
        Placement {
            slots: context.storage("placed atoms", self.recipe.n_slots as usize * size_of::<PlacedAtom>()),
            uniform: context.uniform("external terms", size_of::<ExternalUniform>()),
            base: Dipole { charge: 0.0, moment: 0.0, second: 0.0 },
        }
    }

    /// A new list.
    ///
    /// * `slots` – (atom, type) by slot
    /// * `positions` – `[n_atoms]`, nm, unwrapped: those it was built from
    /// * `shapes` – range of `shapes` by slot; empty without electrodes
    pub fn place(
        &self,
        context: &Context,
        to: &mut Placement,
        cell: &Cell,
        slots: &[[u32; 2]],
        positions: &[DVec3],
        shapes: &[[u32; 2]],
    ) {
        let atoms: Vec<PlacedAtom> = (slots.iter().enumerate())
            .map(|(slot, &[atom, kind])| {
                let [first_shape, end_shape] = shapes.get(slot).copied().unwrap_or([0, 0]);
                let nobody = PlacedAtom { charge: 0.0, height: 0.0, origin: 0, kind, atom, first_shape, end_shape };
                positions.get(atom as usize).map_or(nobody, |&r| PlacedAtom {
                    charge: self.charges[atom as usize] as f32,
                    height: r.z as f32,
                    origin: FixedPosition::from_cartesian(cell, r).wrapped()[2],
                    ..nobody
                })
            })
            .collect();
        context.write(&to.slots, &atoms);
        to.base = Dipole::new(positions, &self.charges);
        let external = &self.external;
        let mut walls = [[0; 4]; MOST_WALLS];
        for (words, wall) in walls.iter_mut().zip(&external.walls) {
            let spacing = match wall.form {
                WallForm::NineThree => 0.0,
                WallForm::TenFourThree { spacing } => spacing,
            };
            let bits = |x: f64| (x as f32).to_bits() as i32;
            let plane = FixedPosition::from_cartesian(cell, DVec3::new(0.0, 0.0, wall.z)).wrapped()[2];
            *words = [plane, bits(wall.z), bits(wall.normal), bits(spacing)];
        }
        let slab = if external.slab_correction { 4.0 * PI * COULOMB / cell.volume() } else { 0.0 };
        let uniform = ExternalUniform {
            field: external.field_z as f32,
            slab: slab as f32,
            moment: to.base.moment as f32,
            charge: self.net_charge as f32,
            height: cell.vectors().z_axis.z as f32,
            charge_unit: (1.0 / COULOMB.sqrt()) as f32,
            n_walls: external.walls.len() as u32,
            n_types: external.walls.first().map_or(0, |wall| wall.coefficients.len() as u32),
            walls,
        };
        context.write(&to.uniform, &[uniform]);
    }

    /// * `wide` – with force sums of two words; only the half list has them
    pub fn dispatches(
        &self,
        context: &Context,
        shared: &ExternalBuffers,
        placement: &Placement,
        wide: bool,
    ) -> Result<ExternalDispatches, ForceError> {
        let passes = match (wide && self.recipe.kernel == PairKernel::Half, self.wide.get()) {
            (false, _) => &self.narrow,
            (true, Some(passes)) => passes,
            (true, None) => {
                let passes = self.recipe.compile(context, true)?;
                self.wide.get_or_init(|| passes)
            }
        };
        let workgroups = self.recipe.n_slots.div_ceil(WORKGROUP);
        let [here, around] = placement.buffers();
        let mut inputs = vec![shared.cell, around, shared.sorted, here];
        let dipole = self.dipole.as_ref().map(|pass| {
            let dispatch = pass.dispatch(context, [&inputs, &[&self.dipoles]], workgroups);
            (dispatch, self.external.slab_correction)
        });
        inputs.extend([&self.wall_table, &self.dipoles]);
        inputs.extend(shared.shapes);
        let outputs = [shared.pair_forces, shared.status, &self.partials];
        let forces = [0, 1].map(|k| passes[k].dispatch(context, [&inputs, &outputs], workgroups));
        Ok(ExternalDispatches { dipole, forces })
    }

    /// The buffers that [`Self::sums`] reads, and how much of each.
    pub fn parts(&self) -> [(&wgpu::Buffer, usize); 2] {
        let workgroups = self.recipe.n_slots.div_ceil(WORKGROUP) as usize;
        [(&self.dipoles, workgroups * DIPOLE_PARTIALS * 4), (&self.partials, workgroups * EXTERNAL_PARTIALS * 4)]
    }

    /// Energies and virial, and the energy of the shapes of Gaussians.
    ///
    /// * `parts` – what [`Self::parts`] names
    /// * `answering` – sums over the charges that answer
    pub fn sums(
        &self,
        cell: &Cell,
        placement: &Placement,
        [dipoles, partials]: [&[u8]; 2],
        answering: &Dipole,
    ) -> (ExternalSums, f64) {
        let [moment, second, ..] = sum_partials::<DIPOLE_PARTIALS>(&cast::<f32>(dipoles));
        let base = &placement.base;
        let dipole = Dipole {
            charge: base.charge + answering.charge,
            moment: base.moment + moment + answering.moment,
            second: base.second + second + answering.second,
        };
        let [wall, wall_virial, shape, _, xx, yy, zz, _, xy, xz, yz, _] =
            sum_partials::<EXTERNAL_PARTIALS>(&cast::<f32>(partials));
        let external = &self.external;
        let moment = dipole.moment;
        let mut sums = ExternalSums { slab_correction: None, field: None, wall: None, moment, virial: DMat3::ZERO };
        if external.slab_correction {
            let energy = dipole.slab_energy(cell);
            sums.slab_correction = Some(energy);
            sums.virial += DMat3::from_diagonal(DVec3::new(energy, energy, -energy));
        }
        if external.field_z != 0.0 {
            sums.field = Some(-external.field_z * dipole.moment);
            sums.virial.z_axis.z += external.field_z * dipole.moment;
        }
        if external.electrodes.is_some() {
            sums.virial += symmetric(&[xx, yy, zz, xy, xz, yz]);
        }
        if !external.walls.is_empty() {
            sums.wall = Some(wall);
            sums.virial.z_axis.z += wall_virial;
        }
        (sums, shape)
    }
}

impl Placement {
    /// Atoms by slot, and the numbers of the list.
    pub fn buffers(&self) -> [&wgpu::Buffer; 2] {
        [&self.slots, &self.uniform]
    }
}
