//! SSE2, AVX2 and AVX-512 vectors.

use super::{Lanes, ONE};
use std::arch::x86_64::*;

/// Four lanes: half a row per vector. Every x86-64 processor has SSE2.
pub struct Sse2;

impl Lanes for Sse2 {
    type V = __m128;
    type M = __m128;
    type T = [u32; 4];
    type Table = ();
    const PARTS: usize = 2;
    const ROW_VECTORS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m128 {
        unsafe { _mm_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load_rows(p: *const f32, r: usize) -> __m128 {
        unsafe { _mm_set1_ps(*p.add(r)) }
    }
    #[inline(always)]
    unsafe fn load_lanes(p: *const f32, part: usize) -> __m128 {
        unsafe { _mm_loadu_ps(p.add(4 * part)) }
    }
    #[inline(always)]
    unsafe fn store_lanes(p: *mut f32, part: usize, v: __m128) {
        unsafe { _mm_storeu_ps(p.add(4 * part), v) }
    }
    #[inline(always)]
    unsafe fn load_types(p: *const u32, part: usize) -> [u32; 4] {
        unsafe { p.add(4 * part).cast::<[u32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn table(_rows: [*const f32; 2], _small: bool) {}
    #[inline(always)]
    unsafe fn lookup(_table: (), rows: [*const f32; 2], types: [u32; 4], _small: bool) -> __m128 {
        unsafe {
            let at = |t: u32| *rows[0].add(t as usize);
            _mm_setr_ps(at(types[0]), at(types[1]), at(types[2]), at(types[3]))
        }
    }
    #[inline(always)]
    unsafe fn add(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m128, b: __m128, c: __m128) -> __m128 {
        unsafe { _mm_add_ps(_mm_mul_ps(a, b), c) }
    }
    #[inline(always)]
    unsafe fn sub_mul(c: __m128, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_sub_ps(c, _mm_mul_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn inv_sqrt(x: __m128) -> __m128 {
        unsafe {
            let y = _mm_rsqrt_ps(x);
            let half = _mm_mul_ps(_mm_mul_ps(x, _mm_set1_ps(0.5)), y);
            _mm_mul_ps(y, Self::sub_mul(_mm_set1_ps(1.5), half, y))
        }
    }
    #[inline(always)]
    unsafe fn div(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m128) -> __m128 {
        unsafe { _mm_sqrt_ps(x) }
    }
    #[inline(always)]
    unsafe fn inverse(x: __m128) -> __m128 {
        unsafe {
            let y = _mm_rcp_ps(x);
            Self::mul_add(y, Self::sub_mul(_mm_set1_ps(1.0), x, y), y)
        }
    }
    #[inline(always)]
    unsafe fn exp2_of_rounded(x: __m128) -> __m128 {
        unsafe {
            let exponent = _mm_slli_epi32::<23>(_mm_castps_si128(x));
            _mm_castsi128_ps(_mm_add_epi32(exponent, _mm_set1_epi32(ONE as i32)))
        }
    }
    #[inline(always)]
    unsafe fn less(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_cmplt_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn any(m: __m128) -> bool {
        unsafe { _mm_movemask_ps(m) != 0 }
    }
    #[inline(always)]
    unsafe fn and_bits(m: __m128, bits: u32, part: usize, r: usize) -> __m128 {
        unsafe {
            let lane_bit = _mm_setr_epi32(1, 2, 4, 8);
            let set = _mm_and_si128(_mm_set1_epi32((bits >> (8 * r + 4 * part)) as i32), lane_bit);
            _mm_and_ps(m, _mm_castsi128_ps(_mm_cmpeq_epi32(set, lane_bit)))
        }
    }
    #[inline(always)]
    unsafe fn keep(m: __m128, v: __m128) -> __m128 {
        unsafe { _mm_and_ps(m, v) }
    }
    #[inline(always)]
    unsafe fn subtract_lanes(p: *mut f32, part: usize, v: __m128) {
        unsafe { Self::store_lanes(p, part, _mm_sub_ps(Self::load_lanes(p, part), v)) }
    }
    #[inline(always)]
    unsafe fn add_rows(p: *mut f32, r: usize, v: __m128) {
        unsafe { *p.add(r) += Self::sum(v) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m128) -> f32 {
        unsafe {
            let d = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps::<1>(d, d)))
        }
    }
}

/// Eight lanes: one row per vector. Needs AVX2 and FMA.
pub struct Avx2;

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
    unsafe fn store_lanes(p: *mut f32, _part: usize, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
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
        unsafe { if small { _mm256_permutevar8x32_ps(table, types) } else { _mm256_i32gather_ps::<4>(rows[0], types) } }
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
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
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
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(x) }
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
    unsafe fn exp2_of_rounded(x: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(ONE as i32)))
        }
    }
    #[inline(always)]
    unsafe fn less(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn any(m: __m256) -> bool {
        unsafe { _mm256_movemask_ps(m) != 0 }
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
pub struct Avx512;

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
    unsafe fn store_lanes(p: *mut f32, _part: usize, v: __m512) {
        unsafe { _mm256_storeu_ps(p, _mm512_castps512_ps256(v)) }
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
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
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
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(x) }
    }
    #[inline(always)]
    unsafe fn inverse(x: __m512) -> __m512 {
        unsafe {
            let y = _mm512_rcp14_ps(x);
            _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0)), y)
        }
    }
    #[inline(always)]
    unsafe fn exp2_of_rounded(x: __m512) -> __m512 {
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(x));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(ONE as i32)))
        }
    }
    #[inline(always)]
    unsafe fn less(a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    unsafe fn any(m: __mmask16) -> bool {
        m != 0
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
