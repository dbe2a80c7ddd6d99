//! What multiplies the distance vector beside the bare Coulomb force: the smooth Ewald correction β³ P(β² r²), as a
//! quotient of polynomials or from a table, or the constant of a reaction field.

use super::kernel::Params;
use super::lanes::Lanes;
use super::rational::{DENOMINATOR, NUMERATOR};

/// Constants in registers, local to the kernel so that no store can seem to change them.
///
/// # Safety
/// As for [`Lanes`]: the caller is compiled for the instructions.
pub(super) trait Smooth<L: Lanes> {
    /// Of an Ewald sum, or of a reaction field or none?
    const EWALD: bool;
    unsafe fn new(p: &Params) -> Self;
    /// * `r_sq` – nm², below the square of the cutoff; beyond, anything finite comes out
    /// * returns nm⁻³
    unsafe fn factor(&self, r_sq: L::V) -> L::V;
}

/// Horner in numerator and denominator, unrolled by the constant lengths.
pub(super) struct Quotient<L: Lanes> {
    numerator: [L::V; NUMERATOR + 1],
    denominator: [L::V; DENOMINATOR + 1],
}

impl<L: Lanes> Smooth<L> for Quotient<L> {
    const EWALD: bool = true;

    #[inline(always)]
    unsafe fn new(p: &Params) -> Self {
        unsafe {
            let zero = L::splat(0.0);
            let mut numerator = [zero; NUMERATOR + 1];
            for (v, &x) in numerator.iter_mut().zip(&p.force_numerator) {
                *v = L::splat(x);
            }
            let mut denominator = [zero; DENOMINATOR + 1];
            for (v, &x) in denominator.iter_mut().zip(&p.force_denominator) {
                *v = L::splat(x);
            }
            Quotient { numerator, denominator }
        }
    }

    #[inline(always)]
    unsafe fn factor(&self, t: L::V) -> L::V {
        const { assert!(NUMERATOR == 6 && DENOMINATOR == 4) };
        let (n, d) = (&self.numerator, &self.denominator);
        unsafe {
            let high = L::mul_add(L::mul_add(n[6], t, n[5]), t, n[4]);
            let middle = L::mul_add(L::mul_add(high, t, n[3]), t, n[2]);
            let numerator = L::mul_add(L::mul_add(middle, t, n[1]), t, n[0]);
            let high = L::mul_add(L::mul_add(d[4], t, d[3]), t, d[2]);
            let denominator = L::mul_add(L::mul_add(high, t, d[1]), t, d[0]);
            L::mul(numerator, L::inverse(denominator))
        }
    }
}

/// −2 k_rf
pub(super) struct Field<L: Lanes>(L::V);

impl<L: Lanes> Smooth<L> for Field<L> {
    const EWALD: bool = false;

    #[inline(always)]
    unsafe fn new(p: &Params) -> Self {
        Field(unsafe { L::splat(-p.two_k_rf) })
    }

    #[inline(always)]
    unsafe fn factor(&self, _: L::V) -> L::V {
        self.0
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use table::Table;

#[cfg(target_arch = "x86_64")]
mod table {
    use super::super::cubic::INTERVALS;
    use super::super::lanes::Avx512;
    use super::{Params, Smooth};
    use std::arch::x86_64::*;

    /// [`super::super::cubic::Cubics`] in eight registers.
    pub(in super::super) struct Table {
        scale: __m512,
        /// Adding it rounds to an integer, which then stands in the lowest bits.
        magic: __m512,
        powers: [[__m512; 2]; 4],
    }

    impl Smooth<Avx512> for Table {
        const EWALD: bool = true;

        #[inline(always)]
        unsafe fn new(p: &Params) -> Self {
            const { assert!(INTERVALS == 32) };
            unsafe {
                let table = p.cubics.as_ref().unwrap_unchecked();
                let mut powers = [[_mm512_setzero_ps(); 2]; 4];
                for (v, row) in powers.iter_mut().zip(&table.powers) {
                    *v = [_mm512_loadu_ps(row.as_ptr()), _mm512_loadu_ps(row.as_ptr().add(16))];
                }
                Table { scale: _mm512_set1_ps(table.scale), magic: _mm512_set1_ps(12_582_912.0), powers }
            }
        }

        #[inline(always)]
        unsafe fn factor(&self, r_sq: __m512) -> __m512 {
            unsafe {
                let shifted = _mm512_fmadd_ps(r_sq, self.scale, self.magic);
                let d = _mm512_fmsub_ps(r_sq, self.scale, _mm512_sub_ps(shifted, self.magic));
                // the lookup takes the lowest five bits
                let index = _mm512_castps_si512(shifted);
                let [c0, c1, c2, c3] = &self.powers;
                let high = _mm512_permutex2var_ps(c3[0], index, c3[1]);
                let high = _mm512_fmadd_ps(high, d, _mm512_permutex2var_ps(c2[0], index, c2[1]));
                let high = _mm512_fmadd_ps(high, d, _mm512_permutex2var_ps(c1[0], index, c1[1]));
                _mm512_fmadd_ps(high, d, _mm512_permutex2var_ps(c0[0], index, c0[1]))
            }
        }
    }
}
