//! Smooth particle-mesh Ewald in f32 with threads (Essmann et al., J. Chem. Phys. 103, 8577 (1995)).
//!
//! Twin: `forces/reference/pme.rs`. The mesh is cut into planes along a: each plane is filled by its own task from
//! the atoms sorted by their first plane, and transformed along c and b while it is in cache; then columns along a are
//! transformed, multiplied by the influence function and transformed back. No two tasks add to one number, so results
//! do not depend on threads. Inside a plane a row is one c with all b, so that atoms add eight contiguous numbers and
//! transforms along c run over contiguous b.
//!
//! The axis with the most mesh points is taken for a: along the normal of a slab most planes are vacuum, and planes that no
//! atom touches are neither transformed nor transformed back.
//!
//! **Electrodes.** Atoms that stay where they are while their charges change have stencils of their own. Their charges follow
//! from the potential of all others, so a step solves twice: [`Pme::potentials_of_others`] keeps the spectrum of the others
//! and goes back to the few planes of the electrodes alone, and [`Pme::compute_with_fixed`] transforms these planes and adds
//! what was kept.
//!
//! Self, excluded-pair and background terms are not known here.

mod charged;
mod planes;
mod stencils;

use super::fft::{Direction, Fft, LANES};
use super::simd::{SimdLevel, vectorised};
use crate::cell::Cell;
use crate::forces::reference::{Contribution, ewald::wave_virial, pme::Pme as Reference};
use charged::Charged;
use glam::{DMat3, DVec3};
use planes::{Scratch, forward_plane, inverse_plane, transform};
use rayon::prelude::*;
use std::time::{Duration, Instant};
use stencils::{Spline, Stencil, gather_atoms, gather_potentials, spread_atoms};

/// `n` rounded up to whole vectors.
fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Atoms per task of stencils and gathering.
const ATOMS_PER_TASK: usize = 128;
/// Tasks that the planes are shared out to when charges are spread, and the most planes of a task: every atom is
/// looked at by each task that it reaches.
const SPREAD_TASKS: usize = 12;
const MAX_PLANES: usize = 6;
/// Columns per task of the transform along a.
const COLUMNS_PER_TASK: usize = 64;

/// Mesh, plans and everything that lives from step to step only to save allocation.
pub(super) struct Pme {
    level: SimdLevel,
    /// Which vector of the cell each axis of the mesh is along.
    axes: [usize; 3],
    /// Along the axes of the mesh, as everything here.
    grid: [usize; 3],
    spline: Spline,
    beta: f64,
    /// With the axes of the cell.
    reference: Reference,
    plans: [Fft; 3],
    /// `[n_columns / 64]` blocks of `[grid_a][64]`
    influence: Vec<Vec<f32>>,
    cell: Option<Cell>,
    others: Charged,
    /// Electrode atoms.
    fixed: Option<Charged>,
    planes: Vec<Plane>,
    blocks: Vec<Block>,
    /// Wall time of the last computation: stencils, spread, solve, gather.
    pub laps: [Duration; 4],
}

/// Charges, then potentials of one plane, rows padded; and its spectrum, `[grid_b][grid_c / 2 + 1]`, rows
/// padded as well.
struct Plane {
    mesh: Vec<f32>,
    re: Vec<f32>,
    im: Vec<f32>,
}

/// Columns of the spectrum, `[grid_a][64]`.
struct Block {
    re: Vec<f32>,
    im: Vec<f32>,
    /// Of the charges that were transformed before; empty without electrodes.
    kept: (Vec<f32>, Vec<f32>),
    sums: Contribution,
    /// Of the electrodes alone.
    of_fixed: Contribution,
}

/// What happens to the spectrum of the charges on the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spectrum {
    /// It is all there is.
    Alone,
    /// It is kept for later.
    Keep,
    /// What was kept is added to it.
    AddKept,
}

const UNCHARGED: u32 = u32::MAX;

impl Pme {
    /// * `grid` – mesh points along a, b, c, each at least `order`
    /// * `order` – 3 to 8
    /// * `beta` – nm⁻¹
    /// * `charges` – `[n_atoms]`, e
    pub fn new(level: SimdLevel, grid: [usize; 3], order: usize, beta: f64, charges: &[f64]) -> Self {
        let reference = Reference::new(grid, order, beta);
        let first = (1..3).fold(0, |most, axis| if grid[axis] > grid[most] { axis } else { most });
        let axes = [first, (first + 1) % 3, (first + 2) % 3];
        let grid = axes.map(|axis| grid[axis]);
        let [n_a, n_b, n_c] = grid;
        let n_columns = n_b * padded(n_c / 2 + 1);
        let charged: Vec<(u32, f32)> =
            charges.iter().enumerate().filter(|&(_, &q)| q != 0.0).map(|(i, &q)| (i as u32, q as f32)).collect();
        let plane =
            || Plane { mesh: vec![0.0; n_c * (n_b + LANES)], re: vec![0.0; n_columns], im: vec![0.0; n_columns] };
        let block = || Block {
            re: vec![0.0; n_a * COLUMNS_PER_TASK],
            im: vec![0.0; n_a * COLUMNS_PER_TASK],
            kept: (Vec::new(), Vec::new()),
            sums: Contribution::ZERO,
            of_fixed: Contribution::ZERO,
        };
        Pme {
            level,
            axes,
            grid,
            spline: Spline::new(order),
            beta,
            reference,
            plans: grid.map(Fft::new),
            influence: Vec::new(),
            cell: None,
            others: Charged::new(charged, charges.len(), n_a),
            fixed: None,
            planes: (0..n_a).map(|_| plane()).collect(),
            blocks: (0..n_columns.div_ceil(COLUMNS_PER_TASK)).map(|_| block()).collect(),
            laps: [Duration::ZERO; 4],
        }
    }

    /// Force on an atom after [`Pme::compute`] or [`Pme::compute_with_fixed`], kJ/mol/nm.
    #[inline]
    pub fn force(&self, atom: usize) -> DVec3 {
        match self.others.place[atom] {
            UNCHARGED => match &self.fixed {
                Some(fixed) if fixed.place[atom] != UNCHARGED => fixed.forces[fixed.place[atom] as usize],
                _ => DVec3::ZERO,
            },
            k => self.others.forces[k as usize],
        }
    }

    /// Forces of one configuration; energy and virial too when `report` is set.
    ///
    /// * `positions` – `[n_atoms]`, nm
    pub fn compute(&mut self, cell: &Cell, positions: &[DVec3], report: bool) -> Contribution {
        self.set_cell(cell);
        let start = Instant::now();
        self.others.locate(self.level, self.spline.order, self.grid, &rows(cell, self.axes), positions);
        let stencils = start.elapsed();
        self.spread(Atoms::Others);
        let spread = start.elapsed();
        let sums = self.solve(cell, report, Spectrum::Alone);
        let solve = start.elapsed();
        self.gather(cell, Atoms::Others);
        self.laps = [stencils, spread - stencils, solve - spread, start.elapsed() - solve];
        sums
    }

    /// Says which atoms are electrodes, and where they stay.
    ///
    /// * `atoms` – none of which has a charge of its own
    /// * `positions` – `[n_atoms]`, nm
    pub fn set_fixed(&mut self, atoms: &[u32], cell: &Cell, positions: &[DVec3]) {
        let mut fixed = Charged::new(atoms.iter().map(|&a| (a, 0.0)).collect(), positions.len(), self.grid[0]);
        fixed.locate(self.level, self.spline.order, self.grid, &rows(cell, self.axes), positions);
        self.fixed = Some(fixed);
        let size = self.grid[0] * COLUMNS_PER_TASK;
        self.blocks.iter_mut().for_each(|block| block.kept = (vec![0.0; size], vec![0.0; size]));
    }

    /// Reciprocal potential of all other charges at the electrode atoms, `[n_fixed]`, kJ mol⁻¹ e⁻¹.
    pub fn potentials_of_others(&mut self, cell: &Cell, positions: &[DVec3]) -> Vec<f64> {
        self.set_cell(cell);
        let start = Instant::now();
        self.others.locate(self.level, self.spline.order, self.grid, &rows(cell, self.axes), positions);
        let stencils = start.elapsed();
        self.spread(Atoms::Others);
        let spread = start.elapsed();
        self.solve(cell, false, Spectrum::Keep);
        let solve = start.elapsed();
        let Some(fixed) = &self.fixed else { return Vec::new() };
        let mut by_place = vec![0.0; fixed.stencils.len()];
        let (level, grid, spline, planes) = (self.level, self.grid, &self.spline, &self.planes[..]);
        by_place
            .par_chunks_mut(ATOMS_PER_TASK)
            .zip(fixed.stencils.par_chunks(ATOMS_PER_TASK))
            .for_each(|(values, stencils)| gather_potentials(level, stencils, planes, spline, grid, values));
        self.laps = [stencils, spread - stencils, solve - spread, start.elapsed() - solve];
        fixed.atoms.iter().map(|&(atom, _)| by_place[fixed.place[atom as usize] as usize]).collect()
    }

    /// Forces of all charges after [`Pme::potentials_of_others`] of the same configuration.
    ///
    /// * `charges` – `[n_fixed]`, e
    /// * `all` – forces on the electrode atoms, too, which do not move; else theirs are those of the last time
    pub fn compute_with_fixed(&mut self, cell: &Cell, charges: &[f64], report: bool, all: bool) -> Contribution {
        let start = Instant::now();
        if let Some(fixed) = &mut self.fixed {
            for (&(atom, _), &q) in fixed.atoms.iter().zip(charges) {
                fixed.stencils[fixed.place[atom as usize] as usize].charge = q as f32;
            }
        }
        self.spread(Atoms::Fixed);
        let spread = start.elapsed();
        let sums = self.solve(cell, report, Spectrum::AddKept);
        let solve = start.elapsed();
        self.gather(cell, Atoms::Others);
        if all {
            self.gather(cell, Atoms::Fixed);
        }
        let laps = [Duration::ZERO, spread, solve - spread, start.elapsed() - solve];
        self.laps.iter_mut().zip(laps).for_each(|(sum, lap)| *sum += lap);
        sums
    }

    /// Virial of the electrodes' charges alone at the last report, kJ/mol; `None` without electrodes.
    pub fn virial_of_fixed(&self) -> Option<DMat3> {
        self.fixed.as_ref()?;
        Some(self.blocks.iter().fold(DMat3::ZERO, |sum, block| sum + block.of_fixed.virial))
    }

    fn set_cell(&mut self, cell: &Cell) {
        if self.cell == Some(*cell) {
            return;
        }
        let [n_a, n_b, n_c] = self.grid;
        let columns = padded(n_c / 2 + 1);
        let (reference, axes) = (&self.reference, self.axes);
        let factor = |a: usize, column: usize| {
            let (b, c) = (column / columns, column % columns);
            if b >= n_b || c > n_c / 2 {
                return 0.0;
            }
            // a frequency at exactly half a mesh stands for both its signs
            let opposite = [(n_a - a) % n_a, (n_b - b) % n_b, (n_c - c) % n_c];
            let of = |m: [usize; 3]| reference.influence(cell, in_cell(axes, m)).0;
            (0.5 * (of([a, b, c]) + of(opposite))) as f32
        };
        self.influence = (0..self.blocks.len())
            .into_par_iter()
            .map(|block| {
                (0..n_a * COLUMNS_PER_TASK)
                    .map(|k| factor(k / COLUMNS_PER_TASK, block * COLUMNS_PER_TASK + k % COLUMNS_PER_TASK))
                    .collect()
            })
            .collect();
        self.cell = Some(*cell);
    }

    /// Charges to planes, and every plane that has some to its two-dimensional spectrum.
    fn spread(&mut self, atoms: Atoms) {
        let Pme { level, grid, spline, plans, others, fixed, .. } = self;
        let Some(Charged { stencils, bins, touches, .. }) = (match atoms {
            Atoms::Others => Some(&*others),
            Atoms::Fixed => fixed.as_ref(),
        }) else {
            return;
        };
        let (level, grid, order, spline) = (*level, *grid, spline.order, &*spline);
        let (stencils, bins, touches, plans): (&[Stencil], &[u32], &[bool], &[Fft; 3]) =
            (stencils, bins, touches, plans);
        let per_task = grid[0].div_ceil(SPREAD_TASKS).clamp(1, MAX_PLANES);
        self.planes.par_chunks_mut(per_task).enumerate().for_each_init(
            || Scratch::new(grid),
            |scratch, (task, planes)| {
                let first = task * per_task;
                if !touches[first..first + planes.len()].contains(&true) {
                    return;
                }
                planes.iter_mut().for_each(|plane| plane.mesh.fill(0.0));
                // an atom of bin i touches the planes i − order + 1 … i; weight k belongs to i − order + 1 + k
                let n_bins = (planes.len() + order - 1).min(grid[0]);
                for bin in (first..first + n_bins).map(|bin| bin % grid[0]) {
                    let plane_of = |k: usize| (bin + grid[0] - (order - 1) + k) % grid[0];
                    let targets: Vec<(usize, usize)> = (0..order)
                        .map(|k| (k, plane_of(k).wrapping_sub(first)))
                        .filter(|&(_, plane)| plane < planes.len())
                        .collect();
                    let atoms = &stencils[bins[bin] as usize..bins[bin + 1] as usize];
                    spread_atoms(level, atoms, &targets, spline, grid, planes);
                }
                for (plane, touched) in planes.iter_mut().zip(&touches[first..]) {
                    if *touched {
                        forward_plane(level, plane, scratch, plans, grid, order);
                    }
                }
            },
        );
    }

    fn solve(&mut self, cell: &Cell, report: bool, spectrum_is: Spectrum) -> Contribution {
        let Pme { level, axes, grid, beta, plans, planes, blocks, influence, reference, others, fixed, .. } = self;
        let (level, axes, grid, beta) = (*level, *axes, *grid, *beta);
        // planes with charges, and those whose potential is asked for
        let of_fixed = fixed.as_ref().map_or(&others.touches, |fixed| &fixed.touches);
        let (given, wanted): (&[bool], Vec<bool>) = match spectrum_is {
            Spectrum::Alone => (&others.touches, others.touches.clone()),
            Spectrum::Keep => (&others.touches, of_fixed.clone()),
            Spectrum::AddKept => (of_fixed, others.touches.iter().zip(of_fixed).map(|(a, b)| *a || *b).collect()),
        };
        let (plans, reference): (&[Fft; 3], &Reference) = (plans, reference);
        let spectrum: &[Plane] = planes;
        let n_columns = grid[1] * padded(grid[2] / 2 + 1);
        blocks.par_iter_mut().zip(&*influence).enumerate().for_each_init(
            || (vec![0.0; grid[0] * COLUMNS_PER_TASK], vec![0.0; grid[0] * COLUMNS_PER_TASK]),
            |work, (index, (block, influence))| {
                let first = index * COLUMNS_PER_TASK;
                let width = COLUMNS_PER_TASK.min(n_columns - first);
                for (a, plane) in spectrum.iter().enumerate() {
                    let at = a * COLUMNS_PER_TASK;
                    if given[a] {
                        block.re[at..at + width].copy_from_slice(&plane.re[first..first + width]);
                        block.im[at..at + width].copy_from_slice(&plane.im[first..first + width]);
                    } else {
                        block.re[at..at + width].fill(0.0);
                        block.im[at..at + width].fill(0.0);
                    }
                }
                transform(level, &plans[0], Direction::Forward, block, work);
                match spectrum_is {
                    Spectrum::Alone => {}
                    Spectrum::Keep => {
                        block.kept.0.copy_from_slice(&block.re);
                        block.kept.1.copy_from_slice(&block.im);
                    }
                    Spectrum::AddKept => {
                        if report {
                            block.of_fixed =
                                sums_of_block(cell, axes, grid, beta, reference, first, width, block, influence);
                        }
                        add_kept(level, block);
                    }
                }
                if report {
                    block.sums = sums_of_block(cell, axes, grid, beta, reference, first, width, block, influence);
                }
                multiply(level, block, influence);
                transform(level, &plans[0], Direction::Inverse, block, work);
            },
        );
        let columns: &[Block] = blocks;
        let asked: Vec<(usize, &mut Plane)> = planes.iter_mut().enumerate().filter(|(a, _)| wanted[*a]).collect();
        asked.into_par_iter().for_each_init(
            || Scratch::new(grid),
            |scratch, (a, plane)| {
                for (index, block) in columns.iter().enumerate() {
                    let first = index * COLUMNS_PER_TASK;
                    let width = COLUMNS_PER_TASK.min(n_columns - first);
                    let at = a * COLUMNS_PER_TASK;
                    plane.re[first..first + width].copy_from_slice(&block.re[at..at + width]);
                    plane.im[first..first + width].copy_from_slice(&block.im[at..at + width]);
                }
                inverse_plane(level, plane, scratch, plans, grid);
            },
        );
        let mut total = Contribution::ZERO;
        if report {
            for block in columns {
                total.energy += block.sums.energy;
                total.virial += block.sums.virial;
            }
        }
        total
    }

    fn gather(&mut self, cell: &Cell, atoms: Atoms) {
        let [n_a, n_b, n_c] = self.grid.map(|n| n as f64);
        let [a, b, c] = rows(cell, self.axes);
        let to_cartesian = DMat3::from_cols(n_a * a, n_b * b, n_c * c);
        let Pme { level, grid, spline, others, fixed, planes, .. } = self;
        let Some(Charged { stencils, forces, .. }) = (match atoms {
            Atoms::Others => Some(others),
            Atoms::Fixed => fixed.as_mut(),
        }) else {
            return;
        };
        let (level, grid, spline) = (*level, *grid, &*spline);
        let planes: &[Plane] = planes;
        forces.par_chunks_mut(ATOMS_PER_TASK).zip(stencils.par_chunks(ATOMS_PER_TASK)).for_each(
            |(forces, stencils)| {
                gather_atoms(level, stencils, planes, spline, grid, &to_cartesian, forces);
            },
        );
    }
}

/// Fractional coordinates along the axes of the mesh are products with these, nm⁻¹.
fn rows(cell: &Cell, axes: [usize; 3]) -> [DVec3; 3] {
    let inverse = cell.inverse().transpose();
    axes.map(|axis| inverse.col(axis))
}

/// Indices along the axes of the mesh in the order of the cell's vectors.
fn in_cell(axes: [usize; 3], m: [usize; 3]) -> [usize; 3] {
    let mut of_cell = [0; 3];
    axes.into_iter().zip(m).for_each(|(axis, m)| of_cell[axis] = m);
    of_cell
}

/// Which charges a pass is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atoms {
    Others,
    /// Electrodes.
    Fixed,
}

vectorised!(fn add_kept(block: &mut Block) => add_kept_to_block);

#[inline(always)]
fn add_kept_to_block(block: &mut Block) {
    for (x, kept) in block.re.iter_mut().zip(&block.kept.0) {
        *x += kept;
    }
    for (x, kept) in block.im.iter_mut().zip(&block.kept.1) {
        *x += kept;
    }
}

vectorised!(fn multiply(block: &mut Block, influence: &[f32]) => multiply_block);

#[inline(always)]
fn multiply_block(block: &mut Block, influence: &[f32]) {
    for ((re, im), factor) in block.re.iter_mut().zip(block.im.iter_mut()).zip(influence) {
        *re *= factor;
        *im *= factor;
    }
}

/// Energy and virial of the columns `first .. first + width`, from their transformed charges.
#[expect(clippy::too_many_arguments, reason = "plain numbers of one loop")]
fn sums_of_block(
    cell: &Cell,
    axes: [usize; 3],
    grid: [usize; 3],
    beta: f64,
    reference: &Reference,
    first: usize,
    width: usize,
    block: &Block,
    influence: &[f32],
) -> Contribution {
    let columns = padded(grid[2] / 2 + 1);
    let [along_a, along_b, along_c] = rows(cell, axes);
    let reciprocal = DMat3::from_cols(along_a, along_b, along_c) * std::f64::consts::TAU;
    let mut sums = Contribution::ZERO;
    for a in 0..grid[0] {
        for k in 0..width {
            let m = [a, (first + k) / columns, (first + k) % columns];
            if m == [0; 3] || 2 * m[2] > grid[2] {
                continue;
            }
            let at = a * COLUMNS_PER_TASK + k;
            let (re, im) = (f64::from(block.re[at]), f64::from(block.im[at]));
            // the other half of the spectrum is not stored
            let copies = if m[2] == 0 || 2 * m[2] == grid[2] { 1.0 } else { 2.0 };
            let norm = 0.5 * copies * (re * re + im * im);
            if (0..3).any(|axis| 2 * m[axis] == grid[axis]) {
                // a frequency at exactly half a mesh stands for both its signs
                let opposite = [0, 1, 2].map(|axis| (grid[axis] - m[axis]) % grid[axis]);
                for m in [m, opposite] {
                    let (factor, k) = reference.influence(cell, in_cell(axes, m));
                    sums.energy += 0.5 * norm * factor;
                    sums.virial += wave_virial(k, beta) * (0.5 * norm * factor);
                }
            } else {
                let signed = |axis: usize| {
                    if 2 * m[axis] > grid[axis] { m[axis] as f64 - grid[axis] as f64 } else { m[axis] as f64 }
                };
                let energy = norm * f64::from(influence[at]);
                sums.energy += energy;
                sums.virial += wave_virial(reciprocal * DVec3::new(signed(0), signed(1), signed(2)), beta) * energy;
            }
        }
    }
    sums
}
