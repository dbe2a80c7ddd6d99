//! The pair kernel: rows of four atoms against clusters of eight, in f32, written once for every vector width.
//!
//! F/r = 12 c12/r¹⁴ − 6 c6/r⁸ − 4 c4/r⁶ + q_i q_j [1/r³ + β³ P(β² r²)] (or the reaction field's −2 k_rf instead of P)
//! for pairs inside the cutoff; charges carry √k_e. The energy version adds the sums of a report. Excluded pairs are
//! masked out here; what they owe to a reciprocal sum is [`super::nonbonded`]'s business.
//!
//! r² is floored at [`FLOOR_SQ`]: overlapping atoms give huge but finite numbers.

use super::lanes::{Lanes, Portable};
use super::rational::{DENOMINATOR, NUMERATOR};
use super::simd::SimdLevel;
use crate::neighbor::clusters::{CLUSTER, HALF};
use crate::neighbor::half::{Entry, Row};

/// nm²; 12 c12/r¹⁴ stays below f32::MAX for every c12 < 1 kJ/mol nm¹².
pub(super) const FLOOR_SQ: f32 = 1e-5;

/// One cluster: x, y, z relative to its origin (nm) and charges times √k_e.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block {
    pub x: [f32; CLUSTER],
    pub y: [f32; CLUSTER],
    pub z: [f32; CLUSTER],
    pub q: [f32; CLUSTER],
}

/// Forces on one cluster, kJ/mol/nm.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(32))]
pub(super) struct ForceBlock {
    pub x: [f32; CLUSTER],
    pub y: [f32; CLUSTER],
    pub z: [f32; CLUSTER],
}

/// Settings of the kernel in f32.
#[derive(Debug, Clone)]
pub(super) struct Params {
    pub cutoff_sq: f32,
    pub ewald: bool,
    /// β³ P(β² r²) as a quotient in r²; unused without Ewald
    pub force_numerator: [f32; NUMERATOR + 1],
    pub force_denominator: [f32; DENOMINATOR + 1],
    /// β erf(βr)/(βr) likewise
    pub energy_numerator: [f32; NUMERATOR + 1],
    pub energy_denominator: [f32; DENOMINATOR + 1],
    /// 2 k_rf and c_rf of the reaction field, nm⁻³ and nm⁻¹
    pub two_k_rf: f32,
    pub c_rf: f32,
    /// Potential of two unit charges at the cutoff, nm⁻¹
    pub coulomb_at_cutoff: f32,
    /// Start of the switch and 1/width (nm⁻¹); none when the width is infinite
    pub switch_start: f32,
    pub switch_inv_width: f32,
    pub switched: bool,
    pub has_c4: bool,
    /// Does the table fit in a register (at most eight types)?
    pub small_table: bool,
    pub stride: usize,
    /// 6 c6, 12 c12, 4 c4, the constants subtracted from the 12-6 and r⁻⁴ energies and U(cutoff) after that,
    /// `[n_types * stride]`
    pub c6: Vec<f32>,
    pub c12: Vec<f32>,
    pub c4: Vec<f32>,
    pub shift: Vec<f32>,
    pub c4_shift: Vec<f32>,
    pub at_cutoff: Vec<f32>,
}

/// What a report adds up, kJ/mol.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub lj: f64,
    pub lj_c4: f64,
    pub coulomb: f64,
    pub cutoff_shift: f64,
    /// Σ over entries of (translation between the two cluster origins) ⊗ force, row by row
    pub virial: [[f64; 3]; 3],
}

/// Everything the kernel reads.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub params: &'a Params,
    pub blocks: &'a [Block],
    pub types: &'a [[u32; CLUSTER]],
    pub rows: &'a [Row],
    pub entries: &'a [Entry],
}

/// Adds the forces of rows `first..end` to `forces` and, with `report`, their sums to `sums`.
///
/// `level` must be one of [`SimdLevel::available`]. `forces` covers all clusters.
pub(super) fn run(
    level: SimdLevel,
    input: Input,
    rows: std::ops::Range<usize>,
    forces: &mut [ForceBlock],
    report: Option<&mut Sums>,
) {
    assert!(forces.len() == input.blocks.len() && input.types.len() == input.blocks.len());
    assert!(rows.end <= input.rows.len() && input.rows.len() == 2 * input.blocks.len());
    // SAFETY: lengths checked above; entries and rows come from HalfList::build, whose indices are below the number
    // of clusters and entries; SimdLevel::available has checked the instructions.
    unsafe {
        match level {
            SimdLevel::Portable => portable(input, rows, forces, report),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => avx2(input, rows, forces, report),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => avx512(input, rows, forces, report),
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 | SimdLevel::Avx512 => portable(input, rows, forces, report),
        }
    }
}

unsafe fn portable(i: Input, rows: std::ops::Range<usize>, f: &mut [ForceBlock], s: Option<&mut Sums>) {
    unsafe { dispatch::<Portable>(i, rows, f, s) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(i: Input, rows: std::ops::Range<usize>, f: &mut [ForceBlock], s: Option<&mut Sums>) {
    unsafe { dispatch::<super::lanes::Avx2>(i, rows, f, s) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
unsafe fn avx512(i: Input, rows: std::ops::Range<usize>, f: &mut [ForceBlock], s: Option<&mut Sums>) {
    unsafe { dispatch::<super::lanes::Avx512>(i, rows, f, s) }
}

/// `GENERAL` handles tables of any size, the r⁻⁴ term and the switch; reports always go through it.
#[inline(always)]
unsafe fn dispatch<L: Lanes>(
    input: Input,
    rows: std::ops::Range<usize>,
    forces: &mut [ForceBlock],
    report: Option<&mut Sums>,
) {
    let p = input.params;
    let general = p.switched || p.has_c4 || !p.small_table;
    unsafe {
        match (p.ewald, report) {
            (true, Some(sums)) => all_rows::<L, true, true, true>(input, rows, forces, sums),
            (false, Some(sums)) => all_rows::<L, false, true, true>(input, rows, forces, sums),
            (true, None) if general => all_rows::<L, true, true, false>(input, rows, forces, &mut Sums::default()),
            (false, None) if general => all_rows::<L, false, true, false>(input, rows, forces, &mut Sums::default()),
            (true, None) => all_rows::<L, true, false, false>(input, rows, forces, &mut Sums::default()),
            (false, None) => all_rows::<L, false, false, false>(input, rows, forces, &mut Sums::default()),
        }
    }
}

#[inline(always)]
unsafe fn all_rows<L: Lanes, const EWALD: bool, const GENERAL: bool, const ENERGY: bool>(
    input: Input,
    rows: std::ops::Range<usize>,
    forces: &mut [ForceBlock],
    sums: &mut Sums,
) {
    for index in rows {
        let row = unsafe { *input.rows.get_unchecked(index) };
        if row.first == row.end {
            continue;
        }
        let (cluster, offset) = (index / 2, HALF * (index % 2));
        unsafe {
            let mut state = RowState::<L>::new(&input, cluster, offset);
            // vectors with a Lennard-Jones atom: none, the first half of them, or all
            let n_lj = row.n_lj as usize;
            if n_lj == 0 {
                both::<L, EWALD, GENERAL, ENERGY, 0>(&input, row, &mut state, forces);
            } else if n_lj <= HALF / 2 {
                both::<L, EWALD, GENERAL, ENERGY, 1>(&input, row, &mut state, forces);
            } else {
                both::<L, EWALD, GENERAL, ENERGY, 2>(&input, row, &mut state, forces);
            }
            state.finish::<ENERGY>(&mut forces[cluster], offset, sums);
        }
    }
}

#[inline(always)]
unsafe fn both<L: Lanes, const EWALD: bool, const GENERAL: bool, const ENERGY: bool, const LJ: usize>(
    input: &Input,
    row: Row,
    state: &mut RowState<L>,
    forces: &mut [ForceBlock],
) {
    unsafe {
        for entry in input.entries.get_unchecked(row.first as usize..row.plain as usize) {
            one_entry::<L, EWALD, GENERAL, ENERGY, LJ, true>(input, entry, state, forces);
        }
        for entry in input.entries.get_unchecked(row.plain as usize..row.end as usize) {
            one_entry::<L, EWALD, GENERAL, ENERGY, LJ, false>(input, entry, state, forces);
        }
    }
}

/// Registers of one row: its atoms, its forces and its sums. At most four vectors hold the row.
struct RowState<L: Lanes> {
    x: [L::V; HALF],
    y: [L::V; HALF],
    z: [L::V; HALF],
    q: [L::V; HALF],
    c6: [L::Table; HALF],
    c12: [L::Table; HALF],
    types: [[usize; 2]; HALF],
    fx: [L::V; HALF],
    fy: [L::V; HALF],
    fz: [L::V; HALF],
    lj: L::V,
    lj_c4: L::V,
    coulomb: L::V,
    cutoff_shift: L::V,
    virial: [[L::V; 3]; 3],
}

impl<L: Lanes> RowState<L> {
    #[inline(always)]
    unsafe fn new(input: &Input, cluster: usize, offset: usize) -> Self {
        unsafe {
            let block = input.blocks.get_unchecked(cluster);
            let p = input.params;
            let zero = L::splat(0.0);
            let at = |v: &[f32; CLUSTER], r: usize| {
                if r < L::ROW_VECTORS { L::load_rows(v.as_ptr().add(offset), r) } else { L::splat(0.0) }
            };
            let per_vector = HALF / L::ROW_VECTORS;
            let types = [0, 1, 2, 3].map(|r: usize| {
                let first = (r * per_vector).min(HALF - 1);
                let second = (first + per_vector - 1).min(HALF - 1);
                [first, second].map(|k| input.types.get_unchecked(cluster)[offset + k] as usize * p.stride)
            });
            let table = |c: &Vec<f32>, r: usize| L::table(types[r].map(|t| c.as_ptr().add(t)), p.small_table);
            RowState {
                x: [0, 1, 2, 3].map(|r| at(&block.x, r)),
                y: [0, 1, 2, 3].map(|r| at(&block.y, r)),
                z: [0, 1, 2, 3].map(|r| at(&block.z, r)),
                q: [0, 1, 2, 3].map(|r| at(&block.q, r)),
                c6: [0, 1, 2, 3].map(|r| table(&p.c6, r)),
                c12: [0, 1, 2, 3].map(|r| table(&p.c12, r)),
                types,
                fx: [zero; HALF],
                fy: [zero; HALF],
                fz: [zero; HALF],
                lj: zero,
                lj_c4: zero,
                coulomb: zero,
                cutoff_shift: zero,
                virial: [[zero; 3]; 3],
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<const ENERGY: bool>(&self, force: &mut ForceBlock, offset: usize, sums: &mut Sums) {
        unsafe {
            for r in 0..L::ROW_VECTORS {
                L::add_rows(force.x.as_mut_ptr().add(offset), r, self.fx[r]);
                L::add_rows(force.y.as_mut_ptr().add(offset), r, self.fy[r]);
                L::add_rows(force.z.as_mut_ptr().add(offset), r, self.fz[r]);
            }
            if ENERGY {
                sums.lj += f64::from(L::sum(self.lj));
                sums.lj_c4 += f64::from(L::sum(self.lj_c4));
                sums.coulomb += f64::from(L::sum(self.coulomb));
                sums.cutoff_shift += f64::from(L::sum(self.cutoff_shift));
                for a in 0..3 {
                    for b in 0..3 {
                        sums.virial[a][b] += f64::from(L::sum(self.virial[a][b]));
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn one_entry<
    L: Lanes,
    const EWALD: bool,
    const GENERAL: bool,
    const ENERGY: bool,
    const LJ: usize,
    const MASKED: bool,
>(
    input: &Input,
    entry: &Entry,
    state: &mut RowState<L>,
    forces: &mut [ForceBlock],
) {
    unsafe {
        let j = entry.j as usize;
        let block = input.blocks.get_unchecked(j);
        let force = forces.get_unchecked_mut(j);
        let types = input.types.get_unchecked(j).as_ptr();
        let offset = entry.offset.map(|x| L::splat(x));
        for part in 0..L::PARTS {
            let lane = Lane::<L> {
                x: L::add(L::load_lanes(block.x.as_ptr(), part), offset[0]),
                y: L::add(L::load_lanes(block.y.as_ptr(), part), offset[1]),
                z: L::add(L::load_lanes(block.z.as_ptr(), part), offset[2]),
                q: L::load_lanes(block.q.as_ptr(), part),
                types: L::load_types(types, part),
                mask: entry.mask,
                part,
            };
            let mut sum = [L::splat(0.0); 3];
            // unrolled by hand: the vectors of the row stay in registers
            macro_rules! vector {
                ($r:literal) => {
                    if $r < L::ROW_VECTORS {
                        if LJ == 2 || (LJ == 1 && $r < L::ROW_VECTORS / 2) {
                            one_vector::<L, EWALD, GENERAL, ENERGY, true, MASKED>(input, &lane, state, $r, &mut sum);
                        } else {
                            one_vector::<L, EWALD, GENERAL, ENERGY, false, MASKED>(input, &lane, state, $r, &mut sum);
                        }
                    }
                };
            }
            vector!(0);
            vector!(1);
            vector!(2);
            vector!(3);
            L::subtract_lanes(force.x.as_mut_ptr(), part, sum[0]);
            L::subtract_lanes(force.y.as_mut_ptr(), part, sum[1]);
            L::subtract_lanes(force.z.as_mut_ptr(), part, sum[2]);
            if ENERGY {
                // W = Σ (r_i − r_j) ⊗ F splits into Σ x_i ⊗ F_i − Σ x_j ⊗ F_j − offset ⊗ F
                for a in 0..3 {
                    for b in 0..3 {
                        state.virial[a][b] = L::sub_mul(state.virial[a][b], offset[a], sum[b]);
                    }
                }
            }
        }
    }
}

/// The j side of one block.
struct Lane<L: Lanes> {
    x: L::V,
    y: L::V,
    z: L::V,
    q: L::V,
    types: L::T,
    mask: u32,
    part: usize,
}

#[inline(always)]
unsafe fn quotient<L: Lanes>(numerator: &[f32; NUMERATOR + 1], denominator: &[f32; DENOMINATOR + 1], t: L::V) -> L::V {
    unsafe {
        let mut n = L::splat(numerator[NUMERATOR]);
        for k in (0..NUMERATOR).rev() {
            n = L::mul_add(n, t, L::splat(numerator[k]));
        }
        let mut d = L::splat(denominator[DENOMINATOR]);
        for k in (0..DENOMINATOR).rev() {
            d = L::mul_add(d, t, L::splat(denominator[k]));
        }
        L::mul(n, L::inverse(d))
    }
}

/// 16, 8 or 4 pairs.
#[inline(always)]
unsafe fn one_vector<
    L: Lanes,
    const EWALD: bool,
    const GENERAL: bool,
    const ENERGY: bool,
    const LJ: bool,
    const MASKED: bool,
>(
    input: &Input,
    j: &Lane<L>,
    i: &mut RowState<L>,
    r: usize,
    sum: &mut [L::V; 3],
) {
    unsafe {
        let p = input.params;
        let dx = L::sub(i.x[r], j.x);
        let dy = L::sub(i.y[r], j.y);
        let dz = L::sub(i.z[r], j.z);
        let r_sq = L::mul_add(dz, dz, L::mul_add(dy, dy, L::mul(dx, dx)));
        let mut inside = L::less(r_sq, L::splat(p.cutoff_sq));
        if MASKED {
            inside = L::and_bits(inside, j.mask, j.part, r);
        }
        let r_sq = L::max(r_sq, L::splat(FLOOR_SQ));
        let inv_r = L::inv_sqrt(r_sq);
        let inv_r_sq = L::mul(inv_r, inv_r);
        let qq = L::mul(i.q[r], j.q);

        // (F r) of everything that is easily written over r², and what multiplies r directly
        let mut f_r = L::mul(qq, inv_r);
        let smooth =
            if EWALD { quotient::<L>(&p.force_numerator, &p.force_denominator, r_sq) } else { L::splat(-p.two_k_rf) };
        if ENERGY {
            let potential = if EWALD {
                L::sub(inv_r, quotient::<L>(&p.energy_numerator, &p.energy_denominator, r_sq))
            } else {
                // 1/r + k_rf r² − c_rf
                L::mul_add(L::splat(0.5 * p.two_k_rf), r_sq, L::sub(inv_r, L::splat(p.c_rf)))
            };
            i.coulomb = L::add(i.coulomb, L::keep(inside, L::mul(qq, potential)));
            let at_cutoff = L::mul(qq, L::splat(p.coulomb_at_cutoff));
            i.cutoff_shift = L::add(i.cutoff_shift, L::keep(inside, at_cutoff));
        }
        if LJ {
            let row_of = |c: &Vec<f32>| i.types[r].map(|t| c.as_ptr().add(t));
            let small = !GENERAL || p.small_table;
            let c6 = L::lookup(i.c6[r], row_of(&p.c6), j.types, small);
            let c12 = L::lookup(i.c12[r], row_of(&p.c12), j.types, small);
            let inv_r6 = L::mul(L::mul(inv_r_sq, inv_r_sq), inv_r_sq);
            let mut lj = L::mul(L::sub(L::mul(c12, inv_r6), c6), inv_r6);
            let mut energy = L::splat(0.0);
            let mut induced = L::splat(0.0);
            if GENERAL {
                if ENERGY || p.switched {
                    // c12/12 and c6/6 undo the force factors
                    let repulsion = L::mul(L::mul(c12, L::splat(1.0 / 12.0)), inv_r6);
                    energy = L::mul(L::sub_mul(repulsion, c6, L::splat(1.0 / 6.0)), inv_r6);
                }
                if p.has_c4 {
                    let table = L::table(row_of(&p.c4), small);
                    let c4 = L::lookup(table, row_of(&p.c4), j.types, small);
                    let f = L::mul(c4, L::mul(inv_r_sq, inv_r_sq));
                    lj = L::sub(lj, f);
                    induced = L::mul(f, L::splat(-0.25));
                }
                if p.switched {
                    // s = 1 + x³ (−10 + x (15 − 6 x)), x = (r − start)/width; F r = s (F r) − U r ds/dr
                    let distance = L::mul(r_sq, inv_r);
                    let x = L::mul(L::sub(distance, L::splat(p.switch_start)), L::splat(p.switch_inv_width));
                    let x = L::max(x, L::splat(0.0));
                    let x_sq = L::mul(x, x);
                    let inner = L::mul_add(x, L::sub_mul(L::splat(15.0), L::splat(6.0), x), L::splat(-10.0));
                    let s = L::mul_add(L::mul(x_sq, x), inner, L::splat(1.0));
                    let inner = L::mul_add(x, L::sub_mul(L::splat(60.0), L::splat(30.0), x), L::splat(-30.0));
                    let slope = L::mul(L::mul(x_sq, inner), L::splat(p.switch_inv_width));
                    let total = L::add(energy, induced);
                    lj = L::sub_mul(L::mul(s, lj), L::mul(total, slope), distance);
                    energy = L::mul(s, energy);
                    induced = L::mul(s, induced);
                }
            }
            if ENERGY {
                let shift = L::lookup(L::table(row_of(&p.shift), small), row_of(&p.shift), j.types, small);
                let end = L::lookup(L::table(row_of(&p.at_cutoff), small), row_of(&p.at_cutoff), j.types, small);
                i.lj = L::add(i.lj, L::keep(inside, L::sub(energy, shift)));
                if p.has_c4 {
                    let c4_shift = L::lookup(L::table(row_of(&p.c4_shift), small), row_of(&p.c4_shift), j.types, small);
                    i.lj_c4 = L::add(i.lj_c4, L::keep(inside, L::sub(induced, c4_shift)));
                }
                i.cutoff_shift = L::add(i.cutoff_shift, L::keep(inside, end));
            }
            f_r = L::add(f_r, lj);
        }
        let f = L::keep(inside, L::mul_add(f_r, inv_r_sq, L::mul(qq, smooth)));
        let (fx, fy, fz) = (L::mul(f, dx), L::mul(f, dy), L::mul(f, dz));
        i.fx[r] = L::add(i.fx[r], fx);
        i.fy[r] = L::add(i.fy[r], fy);
        i.fz[r] = L::add(i.fz[r], fz);
        sum[0] = L::add(sum[0], fx);
        sum[1] = L::add(sum[1], fy);
        sum[2] = L::add(sum[2], fz);
    }
}
