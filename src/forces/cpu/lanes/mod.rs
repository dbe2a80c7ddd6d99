//! SIMD vectors of the pair kernel and the mesh: one trait, an implementation per instruction set, chosen at run time.
//!
//! A block of 4 rows × 8 lanes is `ROWS_VECTORS × PARTS` vectors: with 16 lanes one vector holds two rows, with 8 one
//! row, with 4 half a row. The portable version is plain arrays: right everywhere, and what the others are compared with.
//!
//! Every method is `#[inline(always)]` and must only be called from a function compiled with the matching
//! `#[target_feature]`; only [`super::kernel`] does.

/// One instruction set.
///
/// # Safety
/// The caller has made sure that the processor has the instructions, and passes pointers to as many values as the
/// method reads: 4 for rows, 8 for lanes and table rows.
pub trait Lanes {
    /// f32 vector
    type V: Copy;
    /// one bit or word per lane
    type M: Copy;
    /// Lennard-Jones types of the lanes
    type T: Copy;
    /// One coefficient of one or two rows against every type.
    type Table: Copy;
    /// Vectors that hold the eight j atoms.
    const PARTS: usize;
    /// Vectors that hold the four i atoms, per part.
    const ROW_VECTORS: usize;

    unsafe fn splat(x: f32) -> Self::V;
    /// Row r (or rows 2r, 2r + 1) of four values, repeated over the lanes.
    unsafe fn load_rows(p: *const f32, r: usize) -> Self::V;
    /// Part of eight values, repeated over the rows of the vector.
    unsafe fn load_lanes(p: *const f32, part: usize) -> Self::V;
    unsafe fn store_lanes(p: *mut f32, part: usize, v: Self::V);
    unsafe fn load_types(p: *const u32, part: usize) -> Self::T;
    /// Tables of the vector's one or two rows; small ones (≤ 8 types) go to a register.
    unsafe fn table(rows: [*const f32; 2], small: bool) -> Self::Table;
    unsafe fn lookup(table: Self::Table, rows: [*const f32; 2], types: Self::T, small: bool) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// a b + c
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a b
    unsafe fn sub_mul(c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// 1/√x to f32 accuracy
    unsafe fn inv_sqrt(x: Self::V) -> Self::V;
    /// 1/x to f32 accuracy
    unsafe fn inverse(x: Self::V) -> Self::V;
    /// a/b, rounded correctly; slow
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// √x, rounded correctly; slow
    unsafe fn sqrt(x: Self::V) -> Self::V;
    /// 2ⁿ of n + 1.5 · 2²³, for integers −126 ≤ n ≤ 127
    unsafe fn exp2_of_rounded(x: Self::V) -> Self::V;
    unsafe fn less(a: Self::V, b: Self::V) -> Self::M;
    /// Is any lane set?
    unsafe fn any(m: Self::M) -> bool;
    /// Keeps the lanes whose bit (8·row + lane of `bits`) is set.
    unsafe fn and_bits(m: Self::M, bits: u32, part: usize, r: usize) -> Self::M;
    /// v where the mask is set, 0 elsewhere (also where v is not finite).
    unsafe fn keep(m: Self::M, v: Self::V) -> Self::V;
    /// p[lane] −= sum over the rows of the vector.
    unsafe fn subtract_lanes(p: *mut f32, part: usize, v: Self::V);
    /// p[row] += sum over the lanes.
    unsafe fn add_rows(p: *mut f32, r: usize, v: Self::V);
    /// Sum of everything.
    unsafe fn sum(v: Self::V) -> f32;
}

/// The bits of 1 in single precision.
const ONE: u32 = 0x3f80_0000;

/// Arrays of four, for processors without an implementation of their own and for tests.
pub struct Portable;

#[inline(always)]
fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Lanes for Portable {
    type V = [f32; 4];
    type M = [u32; 4];
    type T = [u32; 4];
    type Table = ();
    const PARTS: usize = 2;
    const ROW_VECTORS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load_rows(p: *const f32, r: usize) -> [f32; 4] {
        [unsafe { *p.add(r) }; 4]
    }
    #[inline(always)]
    unsafe fn load_lanes(p: *const f32, part: usize) -> [f32; 4] {
        unsafe { p.add(4 * part).cast::<[f32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn store_lanes(p: *mut f32, part: usize, v: [f32; 4]) {
        unsafe { p.add(4 * part).cast::<[f32; 4]>().write(v) }
    }
    #[inline(always)]
    unsafe fn load_types(p: *const u32, part: usize) -> [u32; 4] {
        unsafe { p.add(4 * part).cast::<[u32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn table(_rows: [*const f32; 2], _small: bool) {}
    #[inline(always)]
    unsafe fn lookup(_table: (), rows: [*const f32; 2], types: [u32; 4], _small: bool) -> [f32; 4] {
        types.map(|t| unsafe { *rows[0].add(t as usize) })
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        zip(zip(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    unsafe fn sub_mul(c: [f32; 4], a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(c, zip(a, b, |a, b| a * b), |c, ab| c - ab)
    }
    #[inline(always)]
    unsafe fn inv_sqrt(x: [f32; 4]) -> [f32; 4] {
        x.map(|x| 1.0 / x.sqrt())
    }
    #[inline(always)]
    unsafe fn inverse(x: [f32; 4]) -> [f32; 4] {
        x.map(|x| 1.0 / x)
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(x: [f32; 4]) -> [f32; 4] {
        x.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn exp2_of_rounded(x: [f32; 4]) -> [f32; 4] {
        x.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(ONE)))
    }
    #[inline(always)]
    unsafe fn less(a: [f32; 4], b: [f32; 4]) -> [u32; 4] {
        [0, 1, 2, 3].map(|k: usize| if a[k] < b[k] { u32::MAX } else { 0 })
    }
    #[inline(always)]
    unsafe fn any(m: [u32; 4]) -> bool {
        m != [0; 4]
    }
    #[inline(always)]
    unsafe fn and_bits(m: [u32; 4], bits: u32, part: usize, r: usize) -> [u32; 4] {
        let bits = bits >> (8 * r + 4 * part);
        [0, 1, 2, 3].map(|k: usize| if bits & (1 << k) != 0 { m[k] } else { 0 })
    }
    #[inline(always)]
    unsafe fn keep(m: [u32; 4], v: [f32; 4]) -> [f32; 4] {
        [0, 1, 2, 3].map(|k: usize| f32::from_bits(v[k].to_bits() & m[k]))
    }
    #[inline(always)]
    unsafe fn subtract_lanes(p: *mut f32, part: usize, v: [f32; 4]) {
        for (k, x) in v.into_iter().enumerate() {
            unsafe { *p.add(4 * part + k) -= x };
        }
    }
    #[inline(always)]
    unsafe fn add_rows(p: *mut f32, r: usize, v: [f32; 4]) {
        unsafe { *p.add(r) += (v[0] + v[1]) + (v[2] + v[3]) };
    }
    #[inline(always)]
    unsafe fn sum(v: [f32; 4]) -> f32 {
        (v[0] + v[1]) + (v[2] + v[3])
    }
}

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use Portable as Four;
#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon as Four;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512, Sse2 as Four};
