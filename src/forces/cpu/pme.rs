//! Smooth particle-mesh Ewald in f32 with threads (Essmann et al., J. Chem. Phys. 103, 8577 (1995)).
//!
//! Twin: `forces/reference/pme.rs`. The mesh is cut into planes along a: each plane is filled by its own task from
//! the atoms sorted by their first plane, and transformed along c and b while it is in cache; then columns along a are
//! transformed, multiplied by the influence function and transformed back. No two tasks add to one number, so results
//! do not depend on threads. Inside a plane a row is one c with all b, so that atoms add eight contiguous numbers and
//! transforms along c run over contiguous b.
//!
//! Self, excluded-pair and background terms are not known here.

use super::fft::{Direction, Fft};
use super::simd::{SimdLevel, vectorised};
use crate::cell::Cell;
use crate::forces::reference::{Contribution, ewald::wave_virial, pme::Pme as Reference};
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::time::{Duration, Instant};

/// Numbers a spline's row of weights is padded to.
const LANES: usize = 8;
/// Atoms per task of stencils and gathering.
const ATOMS_PER_TASK: usize = 128;
/// Columns per task of the transform along a.
const COLUMNS_PER_TASK: usize = 64;

/// Spline weights and derivatives of one atom along each axis, zero beyond the order.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Stencil {
    a: [f32; LANES],
    a_slope: [f32; LANES],
    b: [f32; LANES],
    b_slope: [f32; LANES],
    c: [f32; LANES],
    c_slope: [f32; LANES],
    first: [u32; 3],
    atom: u32,
    charge: f32,
}

/// Mesh, plans and everything that lives from step to step only to save allocation.
pub(super) struct Pme {
    level: SimdLevel,
    grid: [usize; 3],
    order: usize,
    beta: f64,
    reference: Reference,
    plans: [Fft; 3],
    /// `[n_columns / 64]` blocks of `[grid_a][64]`
    influence: Vec<Vec<f32>>,
    cell: Option<Cell>,
    /// Atoms with a charge, and the charge
    charged: Vec<(u32, f32)>,
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

/// Charges, then potentials of one plane, rows padded; and its spectrum, `[grid_b][grid_c / 2 + 1]`.
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
        let n_columns = n_b * (n_c / 2 + 1);
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
            order,
            beta,
            reference: Reference::new(grid, order, beta),
            plans: grid.map(Fft::new),
            influence: Vec::new(),
            cell: None,
            stencils: vec![Stencil::default(); charged.len()],
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
        let columns = n_c / 2 + 1;
        let reference = &self.reference;
        let factor = |a: usize, column: usize| {
            if column >= n_b * columns {
                return 0.0;
            }
            let (b, c) = (column / columns, column % columns);
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
        let bin_of = |atom: u32| -> usize {
            let s = row.dot(positions[atom as usize]);
            (((s - s.floor()) * n_a as f64) as usize).min(n_a - 1)
        };
        self.bins.fill(0);
        for &(atom, _) in &self.charged {
            self.bins[bin_of(atom) + 1] += 1;
        }
        for k in 0..n_a {
            self.bins[k + 1] += self.bins[k];
        }
        let mut next = self.bins.clone();
        for &(atom, charge) in &self.charged {
            let bin = bin_of(atom);
            let place = next[bin] as usize;
            next[bin] += 1;
            self.stencils[place].atom = atom;
            self.stencils[place].charge = charge;
            self.stencils[place].first[0] = bin as u32;
            self.place[atom as usize] = place as u32;
        }
    }

    fn make_stencils(&mut self, cell: &Cell, positions: &[DVec3]) {
        let (level, grid, order, inverse) = (self.level, self.grid, self.order, cell.inverse());
        self.stencils.par_chunks_mut(ATOMS_PER_TASK).for_each(|atoms| match order {
            4 => stencils_4(level, atoms, grid, &inverse, positions),
            5 => stencils_5(level, atoms, grid, &inverse, positions),
            6 => stencils_6(level, atoms, grid, &inverse, positions),
            _ => stencils_any(order, atoms, grid, &inverse, positions),
        });
    }

    /// Charges to planes, and every plane to its two-dimensional spectrum.
    fn spread(&mut self) {
        let Pme { level, grid, order, plans, stencils, bins, .. } = self;
        let (level, grid, order) = (*level, *grid, *order);
        let (stencils, bins, plans): (&[Stencil], &[u32], &[Fft; 3]) = (stencils, bins, plans);
        self.planes.par_iter_mut().enumerate().for_each_init(
            || Scratch::new(grid),
            |scratch, (a, plane)| {
                plane.mesh.fill(0.0);
                for k in 0..order {
                    // an atom of bin i touches the planes i − order + 1 … i; weight k belongs to i − order + 1 + k
                    let bin = (a + order - 1 - k) % grid[0];
                    let atoms = &stencils[bins[bin] as usize..bins[bin + 1] as usize];
                    spread_atoms(level, atoms, k, order, grid, &mut plane.mesh);
                }
                forward_plane(level, plane, scratch, plans, grid, order);
            },
        );
    }

    fn solve(&mut self, cell: &Cell, report: bool) -> Contribution {
        let Pme { level, grid, order, beta, plans, planes, blocks, influence, reference, .. } = self;
        let (level, grid, order, beta) = (*level, *grid, *order, *beta);
        let (plans, reference): (&[Fft; 3], &Reference) = (plans, reference);
        let spectrum: &[Plane] = planes;
        let n_columns = grid[1] * (grid[2] / 2 + 1);
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
                transform(level, &plans[0], Direction::Forward, COLUMNS_PER_TASK, block, work);
                if report {
                    block.sums = sums_of_block(cell, grid, beta, reference, first, width, block);
                }
                multiply(level, block, influence);
                transform(level, &plans[0], Direction::Inverse, COLUMNS_PER_TASK, block, work);
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
                inverse_plane(level, plane, scratch, plans, grid, order);
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
        let Pme { level, grid, order, stencils, planes, forces, .. } = self;
        let (level, grid, order) = (*level, *grid, *order);
        let planes: &[Plane] = planes;
        forces.par_chunks_mut(ATOMS_PER_TASK).zip(stencils.par_chunks(ATOMS_PER_TASK)).for_each(
            |(forces, stencils)| {
                gather_atoms(level, stencils, planes, order, grid, &to_cartesian, forces);
            },
        );
    }
}

/// Buffers of one task, `[max(grid_b · (grid_c/2 + 1), grid_c · ⌈grid_b/2⌉)]`.
struct Scratch {
    re: Vec<f32>,
    im: Vec<f32>,
    work: (Vec<f32>, Vec<f32>),
}

impl Scratch {
    fn new([_, n_b, n_c]: [usize; 3]) -> Self {
        let size = (n_b * (n_c / 2 + 1)).max(n_c * n_b.div_ceil(2));
        Scratch { re: vec![0.0; size], im: vec![0.0; size], work: (vec![0.0; size], vec![0.0; size]) }
    }
}

vectorised!(fn stencils_4(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<4>);
vectorised!(fn stencils_5(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<5>);
vectorised!(fn stencils_6(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) => stencils::<6>);

/// Scaled coordinates of an atom: first mesh point and fraction along each axis.
#[inline(always)]
fn locate(stencil: &Stencil, grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) -> ([u32; 3], [f32; 3], [u32; 3]) {
    let s = *inverse * positions[stencil.atom as usize];
    let s = (s - s.floor()).to_array();
    let mut cell = [0; 3];
    let mut fraction = [0.0; 3];
    for axis in 0..3 {
        let u = s[axis] * grid[axis] as f64;
        // along a the plane is the one the atom was sorted by; truncation equals floor as u ≥ 0
        let index = if axis == 0 { stencil.first[0] as usize } else { (u as usize).min(grid[axis] - 1) };
        cell[axis] = index as u32;
        fraction[axis] = (u - index as f64) as f32;
    }
    (cell, fraction, grid.map(|n| n as u32))
}

/// Splines of eight atoms at a time: the recursion of `potential::bspline`, vectorised across atoms.
#[inline(always)]
fn stencils<const ORDER: usize>(atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) {
    for batch in atoms.chunks_mut(LANES) {
        let mut fractions = [[0.0f32; LANES]; 3];
        for (lane, stencil) in batch.iter_mut().enumerate() {
            let (cell, fraction, n) = locate(stencil, grid, inverse, positions);
            for axis in 0..3 {
                fractions[axis][lane] = fraction[axis];
                let first = cell[axis] + n[axis] - (ORDER as u32 - 1);
                stencil.first[axis] = if first >= n[axis] { first - n[axis] } else { first };
            }
        }
        let (a, a_slope) = splines::<ORDER>(&fractions[0]);
        let (b, b_slope) = splines::<ORDER>(&fractions[1]);
        let (c, c_slope) = splines::<ORDER>(&fractions[2]);
        for (lane, stencil) in batch.iter_mut().enumerate() {
            for k in 0..ORDER {
                stencil.a[k] = a[k][lane];
                stencil.a_slope[k] = a_slope[k][lane];
                stencil.b[k] = b[k][lane];
                stencil.b_slope[k] = b_slope[k][lane];
                stencil.c[k] = c[k][lane];
                stencil.c_slope[k] = c_slope[k][lane];
            }
        }
    }
}

type Weights<const ORDER: usize> = [[f32; LANES]; ORDER];

#[inline(always)]
fn splines<const ORDER: usize>(w: &[f32; LANES]) -> (Weights<ORDER>, Weights<ORDER>) {
    let mut m = [[0.0; LANES]; ORDER];
    let mut values = [[0.0; LANES]; ORDER];
    let mut slopes = [[0.0; LANES]; ORDER];
    for l in 0..LANES {
        m[0][l] = w[l];
        m[1][l] = 1.0 - w[l];
    }
    for n in 3..=ORDER {
        if n == ORDER {
            for j in 0..ORDER {
                for l in 0..LANES {
                    let here = if j < n - 1 { m[j][l] } else { 0.0 };
                    let before = if j > 0 { m[j - 1][l] } else { 0.0 };
                    slopes[ORDER - 1 - j][l] = here - before;
                }
            }
        }
        let inverse = 1.0 / (n - 1) as f32;
        for j in (0..n).rev() {
            for l in 0..LANES {
                let x = w[l] + j as f32;
                let here = if j < n - 1 { m[j][l] } else { 0.0 };
                let before = if j > 0 { m[j - 1][l] } else { 0.0 };
                m[j][l] = inverse * (x * here + (n as f32 - x) * before);
            }
        }
    }
    for j in 0..ORDER {
        values[ORDER - 1 - j] = m[j];
    }
    (values, slopes)
}

/// Orders without a compiled version.
fn stencils_any(order: usize, atoms: &mut [Stencil], grid: [usize; 3], inverse: &DMat3, positions: &[DVec3]) {
    for stencil in atoms {
        let (cell, fraction, n) = locate(stencil, grid, inverse, positions);
        for axis in 0..3 {
            stencil.first[axis] = (cell[axis] + n[axis] - (order as u32 - 1)) % n[axis];
            let (values, slopes) = crate::potential::bspline::weights(f64::from(fraction[axis]), order);
            let to = match axis {
                0 => (&mut stencil.a, &mut stencil.a_slope),
                1 => (&mut stencil.b, &mut stencil.b_slope),
                _ => (&mut stencil.c, &mut stencil.c_slope),
            };
            *to.0 = values.map(|x| x as f32);
            *to.1 = slopes.map(|x| x as f32);
        }
    }
}

vectorised!(
    fn spread_atoms(atoms: &[Stencil], k: usize, order: usize, grid: [usize; 3], mesh: &mut [f32]) => add_to_plane
);

#[inline(always)]
fn add_to_plane(atoms: &[Stencil], k: usize, order: usize, [_, n_b, n_c]: [usize; 3], mesh: &mut [f32]) {
    let stride = n_b + LANES;
    for s in atoms {
        let q_a = s.charge * s.a[k];
        let mut c = s.first[2] as usize;
        for kc in 0..order {
            let weight = q_a * s.c[kc];
            let row = &mut mesh[c * stride + s.first[1] as usize..][..LANES];
            for l in 0..LANES {
                row[l] += weight * s.b[l];
            }
            c = if c + 1 == n_c { 0 } else { c + 1 };
        }
    }
}

vectorised!(
    fn forward_plane(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], grid: [usize; 3], order: usize) => forward
);

/// Real plane [c][b] to half spectrum [b][c]. Along c, the rows b and b + ⌈n_b/2⌉ travel as one complex row.
#[inline(always)]
fn forward(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], [_, n_b, n_c]: [usize; 3], order: usize) {
    let (half, columns, stride) = (n_b.div_ceil(2), n_c / 2 + 1, n_b + LANES);
    for c in 0..n_c {
        let row = &mut plane.mesh[c * stride..(c + 1) * stride];
        for k in 0..order - 1 {
            row[k] += row[n_b + k];
        }
        scratch.re[c * half..(c + 1) * half].copy_from_slice(&row[..half]);
        scratch.im[c * half..c * half + n_b - half].copy_from_slice(&row[half..n_b]);
        scratch.im[c * half + n_b - half..(c + 1) * half].fill(0.0);
    }
    let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
    plans[2].process(Direction::Forward, half, (&mut scratch.re, &mut scratch.im), work);
    for c in 0..columns {
        let opposite = (n_c - c) % n_c;
        for b in 0..half {
            let (x_re, x_im) = (scratch.re[c * half + b], scratch.im[c * half + b]);
            let (y_re, y_im) = (scratch.re[opposite * half + b], scratch.im[opposite * half + b]);
            plane.re[b * columns + c] = 0.5 * (x_re + y_re);
            plane.im[b * columns + c] = 0.5 * (x_im - y_im);
            if half + b < n_b {
                plane.re[(half + b) * columns + c] = 0.5 * (x_im + y_im);
                plane.im[(half + b) * columns + c] = 0.5 * (y_re - x_re);
            }
        }
    }
    let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
    plans[1].process(Direction::Forward, columns, (&mut plane.re, &mut plane.im), work);
}

vectorised!(
    fn inverse_plane(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], grid: [usize; 3], order: usize) => inverse
);

#[inline(always)]
fn inverse(plane: &mut Plane, scratch: &mut Scratch, plans: &[Fft; 3], [_, n_b, n_c]: [usize; 3], _order: usize) {
    let (half, columns, stride) = (n_b.div_ceil(2), n_c / 2 + 1, n_b + LANES);
    let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
    plans[1].process(Direction::Inverse, columns, (&mut plane.re, &mut plane.im), work);
    for c in 0..columns {
        let opposite = n_c - c;
        for b in 0..half {
            let (a_re, a_im) = (plane.re[b * columns + c], plane.im[b * columns + c]);
            let (b_re, b_im) = if half + b < n_b {
                (plane.re[(half + b) * columns + c], plane.im[(half + b) * columns + c])
            } else {
                (0.0, 0.0)
            };
            scratch.re[c * half + b] = a_re - b_im;
            scratch.im[c * half + b] = a_im + b_re;
            if c > 0 && opposite != c {
                scratch.re[opposite * half + b] = a_re + b_im;
                scratch.im[opposite * half + b] = b_re - a_im;
            }
        }
    }
    let work = (&mut scratch.work.0[..], &mut scratch.work.1[..]);
    plans[2].process(Direction::Inverse, half, (&mut scratch.re, &mut scratch.im), work);
    for c in 0..n_c {
        let row = &mut plane.mesh[c * stride..(c + 1) * stride];
        row[..half].copy_from_slice(&scratch.re[c * half..(c + 1) * half]);
        row[half..n_b].copy_from_slice(&scratch.im[c * half..c * half + n_b - half]);
        for k in 0..LANES {
            row[n_b + k] = row[k % n_b];
        }
    }
}

vectorised!(
    fn transform(
        plan: &Fft, direction: Direction, width: usize, block: &mut Block, work: &mut (Vec<f32>, Vec<f32>)
    ) => transform_block
);

#[inline(always)]
fn transform_block(plan: &Fft, direction: Direction, width: usize, block: &mut Block, work: &mut (Vec<f32>, Vec<f32>)) {
    plan.process(direction, width, (&mut block.re, &mut block.im), (&mut work.0, &mut work.1));
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
fn sums_of_block(
    cell: &Cell,
    grid: [usize; 3],
    beta: f64,
    reference: &Reference,
    first: usize,
    width: usize,
    block: &Block,
) -> Contribution {
    let columns = grid[2] / 2 + 1;
    let mut sums = Contribution::ZERO;
    for a in 0..grid[0] {
        for k in 0..width {
            let m = [a, (first + k) / columns, (first + k) % columns];
            if m == [0; 3] {
                continue;
            }
            let at = a * COLUMNS_PER_TASK + k;
            let (re, im) = (f64::from(block.re[at]), f64::from(block.im[at]));
            // the other half of the spectrum is not stored
            let copies = if m[2] == 0 || 2 * m[2] == grid[2] { 1.0 } else { 2.0 };
            let norm = 0.5 * copies * (re * re + im * im);
            let opposite = [0, 1, 2].map(|axis| (grid[axis] - m[axis]) % grid[axis]);
            let (factor, k) = reference.influence(cell, m);
            if (0..3).any(|axis| 2 * m[axis] == grid[axis]) {
                // a frequency at exactly half a mesh stands for both its signs
                let (other_factor, other_k) = reference.influence(cell, opposite);
                let (e, other_e) = (0.5 * norm * factor, 0.5 * norm * other_factor);
                sums.energy += e + other_e;
                sums.virial += wave_virial(k, beta) * e + wave_virial(other_k, beta) * other_e;
            } else {
                sums.energy += norm * factor;
                sums.virial += wave_virial(k, beta) * (norm * factor);
            }
        }
    }
    sums
}

vectorised!(
    fn gather_atoms(
        stencils: &[Stencil], planes: &[Plane], order: usize, grid: [usize; 3], to_cartesian: &DMat3, forces: &mut [DVec3]
    ) => gather_from_planes
);

#[inline(always)]
fn gather_from_planes(
    stencils: &[Stencil],
    planes: &[Plane],
    order: usize,
    [n_a, n_b, n_c]: [usize; 3],
    to_cartesian: &DMat3,
    forces: &mut [DVec3],
) {
    let stride = n_b + LANES;
    for (s, force) in stencils.iter().zip(forces) {
        let (mut value, mut along_a, mut along_c) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        let mut a = s.first[0] as usize;
        for ka in 0..order {
            let mesh = &planes[a].mesh;
            let mut c = s.first[2] as usize;
            for kc in 0..order {
                let row = &mesh[c * stride + s.first[1] as usize..][..LANES];
                let (w, w_a, w_c) = (s.a[ka] * s.c[kc], s.a_slope[ka] * s.c[kc], s.a[ka] * s.c_slope[kc]);
                for l in 0..LANES {
                    value[l] += w * row[l];
                    along_a[l] += w_a * row[l];
                    along_c[l] += w_c * row[l];
                }
                c = if c + 1 == n_c { 0 } else { c + 1 };
            }
            a = if a + 1 == n_a { 0 } else { a + 1 };
        }
        let dot = |x: &[f32; LANES], y: &[f32; LANES]| (0..LANES).map(|l| x[l] * y[l]).sum::<f32>();
        let gradient = DVec3::new(
            f64::from(dot(&along_a, &s.b)),
            f64::from(dot(&value, &s.b_slope)),
            f64::from(dot(&along_c, &s.b)),
        );
        *force = -f64::from(s.charge) * (*to_cartesian * gradient);
    }
}
