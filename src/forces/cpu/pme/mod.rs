//! Smooth particle-mesh Ewald in f32 with threads (Essmann et al., J. Chem. Phys. 103, 8577 (1995)).
//!
//! Twin: `forces/reference/pme.rs`. The mesh is cut into planes along a: each plane is filled by its own task from
//! the atoms sorted by their first plane, and transformed along c and b while it is in cache; then columns along a are
//! transformed, multiplied by the influence function and transformed back. No two tasks add to one number, so results
//! do not depend on threads. Inside a plane a row is one c with all b, so that atoms add eight contiguous numbers and
//! transforms along c run over contiguous b.
//!
//! Self, excluded-pair and background terms are not known here.

mod planes;
mod stencils;

use super::fft::{Direction, Fft, LANES};
use super::simd::{SimdLevel, vectorised};
use crate::cell::Cell;
use crate::forces::reference::{Contribution, ewald::wave_virial, pme::Pme as Reference};
use glam::{DMat3, DVec3};
use planes::{Scratch, forward_plane, inverse_plane, transform};
use rayon::prelude::*;
use std::time::{Duration, Instant};
use stencils::{Spline, Stencil, gather_atoms, locate, spread_atoms};

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
    grid: [usize; 3],
    spline: Spline,
    beta: f64,
    reference: Reference,
    plans: [Fft; 3],
    /// `[n_columns / 64]` blocks of `[grid_a][64]`
    influence: Vec<Vec<f32>>,
    cell: Option<Cell>,
    /// Atoms with a charge, and the charge
    charged: Vec<(u32, f32)>,
    /// Last plane each of them touches (the first, counted from the edge of the cell, that it stands behind)
    bin_of_charged: Vec<u32>,
    /// By plane
    stencils: Vec<Stencil>,
    /// first atom of each plane's bin, `[grid_a + 1]`
    bins: Vec<u32>,
    planes: Vec<Plane>,
    blocks: Vec<Block>,
    forces: Vec<DVec3>,
    /// atom → index into `forces`, or none for an atom without charge
    place: Vec<u32>,
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
    sums: Contribution,
}

const UNCHARGED: u32 = u32::MAX;

impl Pme {
    /// * `grid` – mesh points along a, b, c, each at least `order`
    /// * `order` – 3 to 8
    /// * `beta` – nm⁻¹
    /// * `charges` – `[n_atoms]`, e
    pub fn new(level: SimdLevel, grid: [usize; 3], order: usize, beta: f64, charges: &[f64]) -> Self {
        let [n_a, n_b, n_c] = grid;
        let n_columns = n_b * padded(n_c / 2 + 1);
        let mut place = vec![UNCHARGED; charges.len()];
        let charged: Vec<(u32, f32)> =
            charges.iter().enumerate().filter(|&(_, &q)| q != 0.0).map(|(i, &q)| (i as u32, q as f32)).collect();
        for (k, &(atom, _)) in charged.iter().enumerate() {
            place[atom as usize] = k as u32;
        }
        let plane =
            || Plane { mesh: vec![0.0; n_c * (n_b + LANES)], re: vec![0.0; n_columns], im: vec![0.0; n_columns] };
        let block = || Block {
            re: vec![0.0; n_a * COLUMNS_PER_TASK],
            im: vec![0.0; n_a * COLUMNS_PER_TASK],
            sums: Contribution::ZERO,
        };
        Pme {
            level,
            grid,
            spline: Spline::new(order),
            beta,
            reference: Reference::new(grid, order, beta),
            plans: grid.map(Fft::new),
            influence: Vec::new(),
            cell: None,
            stencils: vec![Stencil::default(); charged.len()],
            bin_of_charged: vec![0; charged.len()],
            bins: vec![0; n_a + 1],
            planes: (0..n_a).map(|_| plane()).collect(),
            blocks: (0..n_columns.div_ceil(COLUMNS_PER_TASK)).map(|_| block()).collect(),
            forces: vec![DVec3::ZERO; charged.len()],
            charged,
            place,
            laps: [Duration::ZERO; 4],
        }
    }

    /// Force on an atom after [`Pme::compute`], kJ/mol/nm.
    #[inline]
    pub fn force(&self, atom: usize) -> DVec3 {
        match self.place[atom] {
            UNCHARGED => DVec3::ZERO,
            k => self.forces[k as usize],
        }
    }

    /// Forces of one configuration; energy and virial too when `report` is set.
    ///
    /// * `positions` – `[n_atoms]`, nm
    pub fn compute(&mut self, cell: &Cell, positions: &[DVec3], report: bool) -> Contribution {
        if self.cell != Some(*cell) {
            self.set_cell(cell);
        }
        let start = Instant::now();
        self.sort(cell, positions);
        self.make_stencils(cell, positions);
        let stencils = start.elapsed();
        self.spread();
        let spread = start.elapsed();
        let sums = self.solve(cell, report);
        let solve = start.elapsed();
        self.gather(cell);
        self.laps = [stencils, spread - stencils, solve - spread, start.elapsed() - solve];
        sums
    }

    fn set_cell(&mut self, cell: &Cell) {
        let [n_a, n_b, n_c] = self.grid;
        let columns = padded(n_c / 2 + 1);
        let reference = &self.reference;
        let factor = |a: usize, column: usize| {
            let (b, c) = (column / columns, column % columns);
            if b >= n_b || c > n_c / 2 {
                return 0.0;
            }
            // a frequency at exactly half a mesh stands for both its signs
            let opposite = [(n_a - a) % n_a, (n_b - b) % n_b, (n_c - c) % n_c];
            let mean = 0.5 * (reference.influence(cell, [a, b, c]).0 + reference.influence(cell, opposite).0);
            mean as f32
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

    /// Sorts the charged atoms by the first plane they touch; ties keep the order of the atoms.
    fn sort(&mut self, cell: &Cell, positions: &[DVec3]) {
        let n_a = self.grid[0];
        // the a row of the inverse: s_a needs no more
        let row = cell.inverse().transpose().x_axis;
        let bin_of = |atom: u32| -> u32 {
            let s = row.dot(positions[atom as usize]);
            (((s - s.floor()) * n_a as f64) as u32).min(n_a as u32 - 1)
        };
        let (charged, bin_of_charged) = (&self.charged, &mut self.bin_of_charged);
        bin_of_charged.par_chunks_mut(ATOMS_PER_TASK).zip(charged.par_chunks(ATOMS_PER_TASK)).for_each(
            |(bins, atoms)| {
                for (bin, &(atom, _)) in bins.iter_mut().zip(atoms) {
                    *bin = bin_of(atom);
                }
            },
        );
        self.bins.fill(0);
        for &bin in &self.bin_of_charged {
            self.bins[bin as usize + 1] += 1;
        }
        for k in 0..n_a {
            self.bins[k + 1] += self.bins[k];
        }
        let mut next = self.bins.clone();
        for (&(atom, charge), &bin) in self.charged.iter().zip(&self.bin_of_charged) {
            let place = next[bin as usize] as usize;
            next[bin as usize] += 1;
            self.stencils[place].atom = atom;
            self.stencils[place].charge = charge;
            self.stencils[place].first[0] = bin;
            self.place[atom as usize] = place as u32;
        }
    }

    fn make_stencils(&mut self, cell: &Cell, positions: &[DVec3]) {
        let (level, grid, order, inverse) = (self.level, self.grid, self.spline.order, cell.inverse());
        self.stencils
            .par_chunks_mut(ATOMS_PER_TASK)
            .for_each(|atoms| locate(level, atoms, order, grid, &inverse, positions));
    }

    /// Charges to planes, and every plane to its two-dimensional spectrum.
    fn spread(&mut self) {
        let Pme { level, grid, spline, plans, stencils, bins, .. } = self;
        let (level, grid, order, spline) = (*level, *grid, spline.order, &*spline);
        let (stencils, bins, plans): (&[Stencil], &[u32], &[Fft; 3]) = (stencils, bins, plans);
        let per_task = grid[0].div_ceil(SPREAD_TASKS).clamp(1, MAX_PLANES);
        self.planes.par_chunks_mut(per_task).enumerate().for_each_init(
            || Scratch::new(grid),
            |scratch, (task, planes)| {
                planes.iter_mut().for_each(|plane| plane.mesh.fill(0.0));
                let first = task * per_task;
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
                for plane in planes {
                    forward_plane(level, plane, scratch, plans, grid, order);
                }
            },
        );
    }

    fn solve(&mut self, cell: &Cell, report: bool) -> Contribution {
        let Pme { level, grid, beta, plans, planes, blocks, influence, reference, .. } = self;
        let (level, grid, beta) = (*level, *grid, *beta);
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
                    block.re[at..at + width].copy_from_slice(&plane.re[first..first + width]);
                    block.im[at..at + width].copy_from_slice(&plane.im[first..first + width]);
                }
                transform(level, &plans[0], Direction::Forward, block, work);
                if report {
                    block.sums = sums_of_block(cell, grid, beta, reference, first, width, block, influence);
                }
                multiply(level, block, influence);
                transform(level, &plans[0], Direction::Inverse, block, work);
            },
        );
        let columns: &[Block] = blocks;
        planes.par_iter_mut().enumerate().for_each_init(
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

    fn gather(&mut self, cell: &Cell) {
        let [n_a, n_b, n_c] = self.grid.map(|n| n as f64);
        let to_cartesian = cell.inverse().transpose() * DMat3::from_diagonal(DVec3::new(n_a, n_b, n_c));
        let Pme { level, grid, spline, stencils, planes, forces, .. } = self;
        let (level, grid, spline) = (*level, *grid, &*spline);
        let planes: &[Plane] = planes;
        forces.par_chunks_mut(ATOMS_PER_TASK).zip(stencils.par_chunks(ATOMS_PER_TASK)).for_each(
            |(forces, stencils)| {
                gather_atoms(level, stencils, planes, spline, grid, &to_cartesian, forces);
            },
        );
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
    grid: [usize; 3],
    beta: f64,
    reference: &Reference,
    first: usize,
    width: usize,
    block: &Block,
    influence: &[f32],
) -> Contribution {
    let columns = padded(grid[2] / 2 + 1);
    let reciprocal = cell.inverse().transpose() * std::f64::consts::TAU;
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
                    let (factor, k) = reference.influence(cell, m);
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
