//! The pair kernel: rows of four atoms against clusters of eight, in f32, written once for every vector width.
//!
//! F/r = 12 c12/r¹⁴ − 6 c6/r⁸ − 4 c4/r⁶ + q_i q_j [1/r³ + β³ P(β² r²)] (or the reaction field's −2 k_rf instead of P)
//! for pairs inside the cutoff; charges carry √k_e. The energy version adds the sums of a report. Excluded pairs are
//! masked out here; what they owe to a reciprocal sum is [`super::nonbonded`]'s business.
//!
//! r² is floored at [`FLOOR_SQ`]: overlapping atoms give huge but finite numbers.

use super::cubic::Cubics;
use super::lanes::{Four, Lanes, Portable};
use super::rational::{DENOMINATOR, NUMERATOR};
use super::simd::SimdLevel;
use super::smooth::{Field, Quotient, Smooth};
use crate::neighbor::clusters::{CLUSTER, HALF};
use crate::neighbor::half::Row;

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
    /// The same as a table, where that is as good
    pub cubics: Option<Cubics>,
    /// exp(β² r²) erfc(βr) as a quotient in r, and −β² log₂ e, nm⁻²
    pub energy_numerator: [f32; NUMERATOR + 1],
    pub energy_denominator: [f32; DENOMINATOR + 1],
    pub exponent: f32,
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

/// Four atoms of one cluster against eight of another, for a few steps.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Entry {
    /// Origin of `j`, moved by the lattice, minus origin of the row's cluster, nm: r_i − r_j = x_i − (x_j + offset).
    pub offset: [f32; 3],
    pub j: u32,
    /// Place of `j` among the clusters that the part touches.
    pub local: u32,
}

/// Rows of consecutive half clusters, two for each; see [`crate::neighbor::half::Rows`].
#[derive(Debug, Default)]
pub(super) struct InnerRows {
    pub rows: Vec<Row>,
    pub entries: Vec<Entry>,
    pub masks: Vec<u32>,
}

/// Everything the kernel reads besides the pairs.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub params: &'a Params,
    pub blocks: &'a [Block],
    pub types: &'a [[u32; CLUSTER]],
}

/// Adds the forces of the rows of clusters `first` … to `forces` and, with `report`, their sums to `sums`.
///
/// `level` must be one of [`SimdLevel::available`]. `forces` covers the clusters that the part touches.
pub(super) fn run(
    level: SimdLevel,
    input: Input,
    first: usize,
    list: &InnerRows,
    forces: &mut [ForceBlock],
    report: Option<&mut Sums>,
) {
    let n = list.rows.len() / 2;
    assert!(input.types.len() == input.blocks.len() && first + n <= input.blocks.len() && n <= forces.len());
    // SAFETY: lengths checked above; entries and rows come from HalfList::build, whose indices are below the numbers
    // of clusters, touched clusters, entries and masks; SimdLevel::available has checked the instructions.
    unsafe {
        match level {
            SimdLevel::Portable => dispatch::<Portable>(input, first, list, forces, report),
            SimdLevel::Four => dispatch::<Four>(input, first, list, forces, report),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => avx2(input, first, list, forces, report),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => avx512(input, first, list, forces, report),
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 | SimdLevel::Avx512 => dispatch::<Portable>(input, first, list, forces, report),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(i: Input, first: usize, list: &InnerRows, f: &mut [ForceBlock], s: Option<&mut Sums>) {
    unsafe { dispatch::<super::lanes::Avx2>(i, first, list, f, s) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(i: Input, first: usize, list: &InnerRows, f: &mut [ForceBlock], s: Option<&mut Sums>) {
    // SAFETY: the caller's
    unsafe {
        if i.params.cubics.is_some() {
            with::<super::lanes::Avx512, super::smooth::Table>(i, first, list, f, s);
        } else {
            dispatch::<super::lanes::Avx512>(i, first, list, f, s);
        }
    }
}

#[inline(always)]
unsafe fn dispatch<L: Lanes>(
    input: Input,
    first: usize,
    list: &InnerRows,
    forces: &mut [ForceBlock],
    report: Option<&mut Sums>,
) {
    unsafe {
        if input.params.ewald {
            with::<L, Quotient<L>>(input, first, list, forces, report);
        } else {
            with::<L, Field<L>>(input, first, list, forces, report);
        }
    }
}

/// `GENERAL` handles tables of any size, the r⁻⁴ term and the switch; reports always go through it.
#[inline(always)]
unsafe fn with<L: Lanes, S: Smooth<L>>(
    input: Input,
    first: usize,
    list: &InnerRows,
    forces: &mut [ForceBlock],
    report: Option<&mut Sums>,
) {
    let p = input.params;
    let general = p.switched || p.has_c4 || !p.small_table;
    unsafe {
        match report {
            Some(sums) => all_rows::<L, S, true, true>(input, first, list, forces, sums),
            None if general => all_rows::<L, S, true, false>(input, first, list, forces, &mut Sums::default()),
            None => all_rows::<L, S, false, false>(input, first, list, forces, &mut Sums::default()),
        }
    }
}

#[inline(always)]
unsafe fn all_rows<L: Lanes, S: Smooth<L>, const GENERAL: bool, const ENERGY: bool>(
    input: Input,
    first: usize,
    list: &InnerRows,
    forces: &mut [ForceBlock],
    sums: &mut Sums,
) {
    let constants = unsafe { Constants::<L, S>::new(input.params) };
    for (index, &row) in list.rows.iter().enumerate() {
        if row.first == row.end {
            continue;
        }
        let (cluster, offset) = (first + index / 2, HALF * (index % 2));
        unsafe {
            let mut state = RowState::<L>::new(&input, cluster, offset);
            // vectors with a Lennard-Jones atom: none, the first half of them, or all
            let n_lj = row.n_lj as usize;
            if n_lj == 0 {
                entries::<L, S, GENERAL, ENERGY, 0>(&input, &constants, list, row, &mut state, forces);
            } else if n_lj <= HALF / 2 {
                entries::<L, S, GENERAL, ENERGY, 1>(&input, &constants, list, row, &mut state, forces);
            } else {
                entries::<L, S, GENERAL, ENERGY, 2>(&input, &constants, list, row, &mut state, forces);
            }
            state.finish::<ENERGY>(&mut forces[index / 2], offset, sums);
        }
    }
}

#[inline(always)]
unsafe fn entries<L: Lanes, S: Smooth<L>, const GENERAL: bool, const ENERGY: bool, const LJ: usize>(
    input: &Input,
    constants: &Constants<L, S>,
    list: &InnerRows,
    row: Row,
    state: &mut RowState<L>,
    forces: &mut [ForceBlock],
) {
    unsafe {
        for (k, entry) in list.entries.get_unchecked(row.first as usize..row.plain as usize).iter().enumerate() {
            let mask = *list.masks.get_unchecked(row.masks as usize + k);
            one_entry::<L, S, GENERAL, ENERGY, LJ, true>(input, constants, entry, mask, state, forces);
        }
        for entry in list.entries.get_unchecked(row.plain as usize..row.end as usize) {
            one_entry::<L, S, GENERAL, ENERGY, LJ, false>(input, constants, entry, 0, state, forces);
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
            let first = input.types.get_unchecked(cluster).as_ptr().add(offset);
            // first and last row of vector r, as rows of the table
            let per_vector = HALF / L::ROW_VECTORS;
            let mut types = [[0; 2]; HALF];
            for (r, pair) in types.iter_mut().enumerate().take(L::ROW_VECTORS) {
                pair[0] = *first.add(r * per_vector) as usize * p.stride;
                pair[1] = *first.add((r + 1) * per_vector - 1) as usize * p.stride;
            }
            RowState {
                x: load_rows::<L>(block.x.as_ptr().add(offset)),
                y: load_rows::<L>(block.y.as_ptr().add(offset)),
                z: load_rows::<L>(block.z.as_ptr().add(offset)),
                q: load_rows::<L>(block.q.as_ptr().add(offset)),
                c6: load_tables::<L>(p.c6.as_ptr(), &types, p.small_table),
                c12: load_tables::<L>(p.c12.as_ptr(), &types, p.small_table),
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
            add_rows::<L>(force.x.as_mut_ptr().add(offset), &self.fx);
            add_rows::<L>(force.y.as_mut_ptr().add(offset), &self.fy);
            add_rows::<L>(force.z.as_mut_ptr().add(offset), &self.fz);
            if ENERGY {
                sums.lj += f64::from(L::sum(self.lj));
                sums.lj_c4 += f64::from(L::sum(self.lj_c4));
                sums.coulomb += f64::from(L::sum(self.coulomb));
                sums.cutoff_shift += f64::from(L::sum(self.cutoff_shift));
                for (sums, virial) in sums.virial.iter_mut().zip(&self.virial) {
                    for (sum, &v) in sums.iter_mut().zip(virial) {
                        *sum += f64::from(L::sum(v));
                    }
                }
            }
        }
    }
}

// The three functions below are unrolled by hand: an index that is not a constant would keep the row out of registers.

#[inline(always)]
pub(super) unsafe fn load_rows<L: Lanes>(p: *const f32) -> [L::V; HALF] {
    unsafe {
        let mut v = [L::load_rows(p, 0); HALF];
        v[1] = L::load_rows(p, 1);
        if L::ROW_VECTORS > 2 {
            v[2] = L::load_rows(p, 2);
            v[3] = L::load_rows(p, 3);
        }
        v
    }
}

#[inline(always)]
unsafe fn load_tables<L: Lanes>(c: *const f32, types: &[[usize; 2]; HALF], small: bool) -> [L::Table; HALF] {
    unsafe {
        let mut t = [L::table([c.add(types[0][0]), c.add(types[0][1])], small); HALF];
        t[1] = L::table([c.add(types[1][0]), c.add(types[1][1])], small);
        if L::ROW_VECTORS > 2 {
            t[2] = L::table([c.add(types[2][0]), c.add(types[2][1])], small);
            t[3] = L::table([c.add(types[3][0]), c.add(types[3][1])], small);
        }
        t
    }
}

#[inline(always)]
unsafe fn add_rows<L: Lanes>(p: *mut f32, v: &[L::V; HALF]) {
    unsafe {
        L::add_rows(p, 0, v[0]);
        L::add_rows(p, 1, v[1]);
        if L::ROW_VECTORS > 2 {
            L::add_rows(p, 2, v[2]);
            L::add_rows(p, 3, v[3]);
        }
    }
}

/// Settings as vectors, local to the kernel so that no store can seem to change them.
struct Constants<L: Lanes, S> {
    cutoff_sq: L::V,
    floor: L::V,
    smooth: S,
}

impl<L: Lanes, S: Smooth<L>> Constants<L, S> {
    #[inline(always)]
    unsafe fn new(p: &Params) -> Self {
        unsafe { Constants { cutoff_sq: L::splat(p.cutoff_sq), floor: L::splat(FLOOR_SQ), smooth: S::new(p) } }
    }
}

#[inline(always)]
unsafe fn one_entry<
    L: Lanes,
    S: Smooth<L>,
    const GENERAL: bool,
    const ENERGY: bool,
    const LJ: usize,
    const MASKED: bool,
>(
    input: &Input,
    constants: &Constants<L, S>,
    entry: &Entry,
    mask: u32,
    state: &mut RowState<L>,
    forces: &mut [ForceBlock],
) {
    unsafe {
        let j = entry.j as usize;
        let block = input.blocks.get_unchecked(j);
        let force = forces.get_unchecked_mut(entry.local as usize);
        let types = input.types.get_unchecked(j).as_ptr();
        let offset = [L::splat(entry.offset[0]), L::splat(entry.offset[1]), L::splat(entry.offset[2])];
        for part in 0..L::PARTS {
            let lane = Lane::<L> {
                x: L::add(L::load_lanes(block.x.as_ptr(), part), offset[0]),
                y: L::add(L::load_lanes(block.y.as_ptr(), part), offset[1]),
                z: L::add(L::load_lanes(block.z.as_ptr(), part), offset[2]),
                q: L::load_lanes(block.q.as_ptr(), part),
                types: L::load_types(types, part),
                mask,
                part,
            };
            let mut sum = [L::splat(0.0); 3];
            // unrolled by hand: the vectors of the row stay in registers
            macro_rules! vector {
                ($r:literal) => {
                    if $r < L::ROW_VECTORS {
                        if LJ == 2 || (LJ == 1 && $r < L::ROW_VECTORS / 2) {
                            one_vector::<L, S, GENERAL, ENERGY, true, MASKED>(
                                input, constants, &lane, state, $r, &mut sum,
                            );
                        } else {
                            one_vector::<L, S, GENERAL, ENERGY, false, MASKED>(
                                input, constants, &lane, state, $r, &mut sum,
                            );
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
                macro_rules! row {
                    ($a:literal) => {
                        state.virial[$a][0] = L::sub_mul(state.virial[$a][0], offset[$a], sum[0]);
                        state.virial[$a][1] = L::sub_mul(state.virial[$a][1], offset[$a], sum[1]);
                        state.virial[$a][2] = L::sub_mul(state.virial[$a][2], offset[$a], sum[2]);
                    };
                }
                row!(0);
                row!(1);
                row!(2);
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

/// erfc(βr) of pairs inside the cutoff, to single precision of itself: a sum over many distant pairs would show the rounding of
/// 1 − erf(βr). Only reports need it, so its coefficients stay in memory.
#[inline(always)]
unsafe fn erfc<L: Lanes>(p: &Params, r: L::V, r_sq: L::V) -> L::V {
    unsafe {
        let mut numerator = L::splat(p.energy_numerator[NUMERATOR]);
        for k in (0..NUMERATOR).rev() {
            numerator = L::mul_add(numerator, r, L::splat(p.energy_numerator[k]));
        }
        let mut denominator = L::splat(p.energy_denominator[DENOMINATOR]);
        for k in (0..DENOMINATOR).rev() {
            denominator = L::mul_add(denominator, r, L::splat(p.energy_denominator[k]));
        }
        L::mul(exp2::<L>(L::mul(r_sq, L::splat(p.exponent))), L::div(numerator, denominator))
    }
}

/// Adding it to a number below 2²² in size rounds it to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// (ln 2)ᵏ / k!
const SERIES: [f32; 8] = {
    let (mut series, mut term) = ([1.0; 8], 1.0);
    let mut k = 1;
    while k < series.len() {
        term *= std::f64::consts::LN_2 / k as f64;
        series[k] = term as f32;
        k += 1;
    }
    series
};

/// 2ˣ for −126 ≤ x ≤ 127: the integer nearest to x in the exponent, and a Taylor series of the rest.
#[inline(always)]
unsafe fn exp2<L: Lanes>(x: L::V) -> L::V {
    unsafe {
        let shifted = L::add(x, L::splat(ROUND));
        let rest = L::sub(x, L::sub(shifted, L::splat(ROUND)));
        let mut sum = L::splat(SERIES[7]);
        for k in (0..7).rev() {
            sum = L::mul_add(sum, rest, L::splat(SERIES[k]));
        }
        L::mul(sum, L::exp2_of_rounded(shifted))
    }
}

/// 16, 8 or 4 pairs.
#[inline(always)]
unsafe fn one_vector<
    L: Lanes,
    S: Smooth<L>,
    const GENERAL: bool,
    const ENERGY: bool,
    const LJ: bool,
    const MASKED: bool,
>(
    input: &Input,
    constants: &Constants<L, S>,
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
        let mut inside = L::less(r_sq, constants.cutoff_sq);
        if MASKED {
            inside = L::and_bits(inside, j.mask, j.part, r);
        }
        let r_sq = L::max(r_sq, constants.floor);
        let inv_r = L::inv_sqrt(r_sq);
        let inv_r_sq = L::mul(inv_r, inv_r);
        let qq = L::mul(i.q[r], j.q);

        // F/r of two unit charges
        let coulomb = L::mul_add(inv_r, inv_r_sq, constants.smooth.factor(r_sq));
        if ENERGY {
            // the Newton step of `inv_sqrt` errs to one side only, which a sum over all pairs would show
            let r = L::sqrt(r_sq);
            let inv_r = L::div(L::splat(1.0), r);
            let potential = if S::EWALD {
                L::mul(inv_r, erfc::<L>(p, r, r_sq))
            } else {
                // 1/r + k_rf r² − c_rf
                L::mul_add(L::splat(0.5 * p.two_k_rf), r_sq, L::sub(inv_r, L::splat(p.c_rf)))
            };
            i.coulomb = L::add(i.coulomb, L::keep(inside, L::mul(qq, potential)));
            let at_cutoff = L::mul(qq, L::splat(p.coulomb_at_cutoff));
            i.cutoff_shift = L::add(i.cutoff_shift, L::keep(inside, at_cutoff));
        }
        let mut f = L::mul(qq, coulomb);
        if LJ {
            let [first, last] = i.types[r];
            macro_rules! row_of {
                ($c:ident) => {
                    [p.$c.as_ptr().add(first), p.$c.as_ptr().add(last)]
                };
            }
            let small = !GENERAL || p.small_table;
            let c6 = L::lookup(i.c6[r], row_of!(c6), j.types, small);
            let c12 = L::lookup(i.c12[r], row_of!(c12), j.types, small);
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
                    let table = L::table(row_of!(c4), small);
                    let c4 = L::lookup(table, row_of!(c4), j.types, small);
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
                let shift = L::lookup(L::table(row_of!(shift), small), row_of!(shift), j.types, small);
                let end = L::lookup(L::table(row_of!(at_cutoff), small), row_of!(at_cutoff), j.types, small);
                i.lj = L::add(i.lj, L::keep(inside, L::sub(energy, shift)));
                if p.has_c4 {
                    let c4_shift = L::lookup(L::table(row_of!(c4_shift), small), row_of!(c4_shift), j.types, small);
                    i.lj_c4 = L::add(i.lj_c4, L::keep(inside, L::sub(induced, c4_shift)));
                }
                i.cutoff_shift = L::add(i.cutoff_shift, L::keep(inside, end));
            }
            f = L::mul_add(qq, coulomb, L::mul(lj, inv_r_sq));
        }
        let f = L::keep(inside, f);
        i.fx[r] = L::mul_add(f, dx, i.fx[r]);
        i.fy[r] = L::mul_add(f, dy, i.fy[r]);
        i.fz[r] = L::mul_add(f, dz, i.fz[r]);
        if r == 0 {
            *sum = [L::mul(f, dx), L::mul(f, dy), L::mul(f, dz)];
        } else {
            sum[0] = L::mul_add(f, dx, sum[0]);
            sum[1] = L::mul_add(f, dy, sum[1]);
            sum[2] = L::mul_add(f, dz, sum[2]);
        }
    }
}
