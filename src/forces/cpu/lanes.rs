//! SIMD vectors of the pair kernel: one trait, four implementations, chosen at run time.
//!
//! A block of 4 rows × 8 lanes is `ROWS_VECTORS × PARTS` vectors: with 16 lanes one vector holds two rows, with 8 one
//! row, with 4 half a row. The portable version is plain arrays that the compiler turns into SSE2 or NEON.
//!
//! Every method is `#[inline(always)]` and must only be called from a function compiled with the matching
//! `#[target_feature]`; only [`super::kernel`] does.

/// One instruction set.
///
/// # Safety
/// The caller has made sure that the processor has the instructions, and passes pointers to as many values as the
/// method reads: 4 for rows, 8 for lanes and table rows.
pub(super) trait Lanes {
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
    unsafe fn load_types(p: *const u32, part: usize) -> Self::T;
    /// Tables of the vector's one or two rows; small ones (≤ 8 types) go to a register.
    unsafe fn table(rows: [*const f32; 2], small: bool) -> Self::Table;
    unsafe fn lookup(table: Self::Table, rows: [*const f32; 2], types: Self::T, small: bool) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a b + c
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a b
    unsafe fn sub_mul(c: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// 1/√x to f32 accuracy
    unsafe fn inv_sqrt(x: Self::V) -> Self::V;
    /// 1/x to f32 accuracy
    unsafe fn inverse(x: Self::V) -> Self::V;
    unsafe fn less(a: Self::V, b: Self::V) -> Self::M;
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

/// Arrays of four: SSE2 and NEON by auto-vectorisation, correct everywhere.
pub(super) struct Portable;

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
    unsafe fn less(a: [f32; 4], b: [f32; 4]) -> [u32; 4] {
        [0, 1, 2, 3].map(|k: usize| if a[k] < b[k] { u32::MAX } else { 0 })
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

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// Eight lanes: one row per vector. Needs AVX2 and FMA.
    pub(in crate::forces::cpu) struct Avx2;

    impl Lanes for Avx2 {
        type V = __m256;
        type M = __m256;
        type T = __m256i;
        type Table = __m256;
        const PARTS: usize = 1;
        const ROW_VECTORS: usize = 4;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load_rows(p: *const f32, r: usize) -> __m256 {
            unsafe { _mm256_set1_ps(*p.add(r)) }
        }
        #[inline(always)]
        unsafe fn load_lanes(p: *const f32, _part: usize) -> __m256 {
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_types(p: *const u32, _part: usize) -> __m256i {
            unsafe { _mm256_loadu_si256(p.cast()) }
        }
        #[inline(always)]
        unsafe fn table(rows: [*const f32; 2], _small: bool) -> __m256 {
            unsafe { _mm256_loadu_ps(rows[0]) }
        }
        #[inline(always)]
        unsafe fn lookup(table: __m256, rows: [*const f32; 2], types: __m256i, small: bool) -> __m256 {
            unsafe {
                if small { _mm256_permutevar8x32_ps(table, types) } else { _mm256_i32gather_ps::<4>(rows[0], types) }
            }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sub_mul(c: __m256, a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_fnmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn inv_sqrt(x: __m256) -> __m256 {
            // one Newton step: y (3/2 − x y²/2)
            unsafe {
                let y = _mm256_rsqrt_ps(x);
                let half = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(0.5)), y);
                _mm256_mul_ps(y, _mm256_fnmadd_ps(half, y, _mm256_set1_ps(1.5)))
            }
        }
        #[inline(always)]
        unsafe fn inverse(x: __m256) -> __m256 {
            // one Newton step: y + y (1 − x y)
            unsafe {
                let y = _mm256_rcp_ps(x);
                _mm256_fmadd_ps(y, _mm256_fnmadd_ps(x, y, _mm256_set1_ps(1.0)), y)
            }
        }
        #[inline(always)]
        unsafe fn less(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        unsafe fn and_bits(m: __m256, bits: u32, _part: usize, r: usize) -> __m256 {
            unsafe {
                let lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
                let set = _mm256_and_si256(_mm256_set1_epi32((bits >> (8 * r)) as i32), lane_bit);
                _mm256_and_ps(m, _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane_bit)))
            }
        }
        #[inline(always)]
        unsafe fn keep(m: __m256, v: __m256) -> __m256 {
            unsafe { _mm256_and_ps(m, v) }
        }
        #[inline(always)]
        unsafe fn subtract_lanes(p: *mut f32, _part: usize, v: __m256) {
            unsafe { _mm256_storeu_ps(p, _mm256_sub_ps(_mm256_loadu_ps(p), v)) }
        }
        #[inline(always)]
        unsafe fn add_rows(p: *mut f32, r: usize, v: __m256) {
            unsafe { *p.add(r) += Self::sum(v) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m256) -> f32 {
            unsafe {
                let q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let d = _mm_add_ps(q, _mm_movehl_ps(q, q));
                _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps::<1>(d, d)))
            }
        }
    }

    /// Sixteen lanes: two rows per vector. Needs AVX-512F and DQ.
    pub(in crate::forces::cpu) struct Avx512;

    impl Avx512 {
        #[inline(always)]
        unsafe fn halves(low: __m256, high: __m256) -> __m512 {
            unsafe { _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high) }
        }
    }

    impl Lanes for Avx512 {
        type V = __m512;
        type M = __mmask16;
        type T = __m512i;
        type Table = __m512;
        const PARTS: usize = 1;
        const ROW_VECTORS: usize = 2;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load_rows(p: *const f32, r: usize) -> __m512 {
            unsafe { Self::halves(_mm256_set1_ps(*p.add(2 * r)), _mm256_set1_ps(*p.add(2 * r + 1))) }
        }
        #[inline(always)]
        unsafe fn load_lanes(p: *const f32, _part: usize) -> __m512 {
            unsafe { _mm512_broadcast_f32x8(_mm256_loadu_ps(p)) }
        }
        #[inline(always)]
        unsafe fn load_types(p: *const u32, _part: usize) -> __m512i {
            // a small table holds the first row's eight types, then the second's
            unsafe { _mm512_broadcast_i32x8(_mm256_loadu_si256(p.cast())) }
        }
        #[inline(always)]
        unsafe fn table(rows: [*const f32; 2], _small: bool) -> __m512 {
            unsafe { Self::halves(_mm256_loadu_ps(rows[0]), _mm256_loadu_ps(rows[1])) }
        }
        #[inline(always)]
        unsafe fn lookup(table: __m512, rows: [*const f32; 2], types: __m512i, small: bool) -> __m512 {
            unsafe {
                if small {
                    let upper = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8);
                    _mm512_permutexvar_ps(_mm512_or_si512(types, upper), table)
                } else {
                    let types = _mm512_castsi512_si256(types);
                    let low = _mm256_i32gather_ps::<4>(rows[0], types);
                    Self::halves(low, _mm256_i32gather_ps::<4>(rows[1], types))
                }
            }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sub_mul(c: __m512, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_fnmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn inv_sqrt(x: __m512) -> __m512 {
            unsafe {
                let y = _mm512_rsqrt14_ps(x);
                let half = _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.5)), y);
                _mm512_mul_ps(y, _mm512_fnmadd_ps(half, y, _mm512_set1_ps(1.5)))
            }
        }
        #[inline(always)]
        unsafe fn inverse(x: __m512) -> __m512 {
            unsafe {
                let y = _mm512_rcp14_ps(x);
                _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0)), y)
            }
        }
        #[inline(always)]
        unsafe fn less(a: __m512, b: __m512) -> __mmask16 {
            unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        unsafe fn and_bits(m: __mmask16, bits: u32, _part: usize, r: usize) -> __mmask16 {
            m & (bits >> (16 * r)) as u16
        }
        #[inline(always)]
        unsafe fn keep(m: __mmask16, v: __m512) -> __m512 {
            unsafe { _mm512_maskz_mov_ps(m, v) }
        }
        #[inline(always)]
        unsafe fn subtract_lanes(p: *mut f32, _part: usize, v: __m512) {
            unsafe {
                let both = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
                _mm256_storeu_ps(p, _mm256_sub_ps(_mm256_loadu_ps(p), both));
            }
        }
        #[inline(always)]
        unsafe fn add_rows(p: *mut f32, r: usize, v: __m512) {
            unsafe {
                *p.add(2 * r) += Avx2::sum(_mm512_castps512_ps256(v));
                *p.add(2 * r + 1) += Avx2::sum(_mm512_extractf32x8_ps::<1>(v));
            }
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            unsafe { Avx2::sum(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v))) }
        }
    }
}
