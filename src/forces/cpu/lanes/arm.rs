//! NEON vectors.

use super::{Lanes, ONE};
use std::arch::aarch64::*;

/// Four lanes: half a row per vector. Every aarch64 processor with an operating system has NEON.
pub struct Neon;

impl Lanes for Neon {
    type V = float32x4_t;
    type M = uint32x4_t;
    type T = [u32; 4];
    type Table = ();
    const PARTS: usize = 2;
    const ROW_VECTORS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load_rows(p: *const f32, r: usize) -> float32x4_t {
        unsafe { vdupq_n_f32(*p.add(r)) }
    }
    #[inline(always)]
    unsafe fn load_lanes(p: *const f32, part: usize) -> float32x4_t {
        unsafe { vld1q_f32(p.add(4 * part)) }
    }
    #[inline(always)]
    unsafe fn store_lanes(p: *mut f32, part: usize, v: float32x4_t) {
        unsafe { vst1q_f32(p.add(4 * part), v) }
    }
    #[inline(always)]
    unsafe fn load_types(p: *const u32, part: usize) -> [u32; 4] {
        unsafe { p.add(4 * part).cast::<[u32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn table(_rows: [*const f32; 2], _small: bool) {}
    #[inline(always)]
    unsafe fn lookup(_table: (), rows: [*const f32; 2], types: [u32; 4], _small: bool) -> float32x4_t {
        unsafe {
            let at = |t: u32| *rows[0].add(t as usize);
            let values = [at(types[0]), at(types[1]), at(types[2]), at(types[3])];
            vld1q_f32(values.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxnmq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminnmq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn sub_mul(c: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vfmsq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn inv_sqrt(x: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(vdupq_n_f32(1.0), vsqrtq_f32(x)) }
    }
    #[inline(always)]
    unsafe fn inverse(x: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(vdupq_n_f32(1.0), x) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(x: float32x4_t) -> float32x4_t {
        unsafe { vsqrtq_f32(x) }
    }
    #[inline(always)]
    unsafe fn exp2_of_rounded(x: float32x4_t) -> float32x4_t {
        unsafe {
            let exponent = vshlq_n_u32::<23>(vreinterpretq_u32_f32(x));
            vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(ONE)))
        }
    }
    #[inline(always)]
    unsafe fn less(a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        unsafe { vcltq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn any(m: uint32x4_t) -> bool {
        unsafe { vmaxvq_u32(m) != 0 }
    }
    #[inline(always)]
    unsafe fn and_bits(m: uint32x4_t, bits: u32, part: usize, r: usize) -> uint32x4_t {
        unsafe {
            let lane_bit = vld1q_u32([1, 2, 4, 8].as_ptr());
            vandq_u32(m, vtstq_u32(vdupq_n_u32(bits >> (8 * r + 4 * part)), lane_bit))
        }
    }
    #[inline(always)]
    unsafe fn keep(m: uint32x4_t, v: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(v))) }
    }
    #[inline(always)]
    unsafe fn subtract_lanes(p: *mut f32, part: usize, v: float32x4_t) {
        unsafe { Self::store_lanes(p, part, vsubq_f32(Self::load_lanes(p, part), v)) }
    }
    #[inline(always)]
    unsafe fn add_rows(p: *mut f32, r: usize, v: float32x4_t) {
        unsafe { *p.add(r) += Self::sum(v) }
    }
    #[inline(always)]
    unsafe fn sum(v: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(v) }
    }
}
