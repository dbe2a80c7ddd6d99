//! Complex FFT along one axis of a small mesh, vectorised across the other: the host PME's transform.
//!
//! Data are split (real and imaginary parts apart) with shape `[n][width]`, so every butterfly works on rows of
//! `width` contiguous numbers and needs no shuffles. Stockham autosort with radices
//! 4, 2, 3, 5 and any other prime by its definition (G. D. Bergland, IEEE Spectrum 6, 41 (1969); P. N. Swarztrauber,
//! Parallel Comput. 1, 45 (1984)): any length is right, lengths of small primes are fast.

use super::lanes::Lanes;
use std::f64::consts::TAU;

/// Rows are multiples of this many numbers.
pub(super) const LANES: usize = 8;

/// Sign of the exponent: exp(∓2πi jk/n), no normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Inverse,
}

#[derive(Debug, Clone)]
struct Stage {
    radix: usize,
    /// Length of the sub-transforms divided by the radix.
    m: usize,
    /// exp(−2πi p i/(radix m)) for i = 1 … radix−1, p = 0 … m−1
    twiddles: Vec<(f32, f32)>,
    /// exp(−2πi k/radix), used by radices without a formula
    roots: Vec<(f32, f32)>,
}

/// Plan for length `n`.
#[derive(Debug, Clone)]
pub(super) struct Fft {
    n: usize,
    stages: Vec<Stage>,
}

fn root(k: usize, n: usize) -> (f32, f32) {
    let angle = -TAU * (k % n) as f64 / n as f64;
    (angle.cos() as f32, angle.sin() as f32)
}

impl Fft {
    pub fn new(n: usize) -> Self {
        let mut radices = Vec::new();
        let mut rest = n;
        for p in [4, 2, 3, 5].into_iter().chain((7..).step_by(2)) {
            while rest > 1 && rest.is_multiple_of(p) {
                radices.push(p);
                rest /= p;
            }
            if rest <= 1 {
                break;
            }
        }
        let mut length = n;
        let stages = radices
            .into_iter()
            .map(|radix| {
                let m = length / radix;
                let twiddles =
                    (0..m).flat_map(|p| (1..radix).map(move |i| (p, i))).map(|(p, i)| root(p * i, length)).collect();
                length = m;
                Stage { radix, m, twiddles, roots: (0..radix).map(|k| root(k, radix)).collect() }
            })
            .collect();
        Fft { n, stages }
    }

    /// Transforms in place; `work` has the same sizes as the data.
    ///
    /// * `width` – a multiple of [`LANES`]
    /// * `re`, `im` – `[n * width]`, longer is allowed
    ///
    /// # Safety
    /// The processor has the instructions of `L`, and the caller is compiled for them.
    #[inline(always)]
    pub unsafe fn process<L: Lanes>(
        &self,
        direction: Direction,
        width: usize,
        (re, im): (&mut [f32], &mut [f32]),
        (work_re, work_im): (&mut [f32], &mut [f32]),
    ) {
        assert!(width.is_multiple_of(LANES));
        let size = self.n * width;
        // exchanging the parts turns one direction into the other
        let (mut a, mut b) = ((&mut re[..size], &mut im[..size]), (&mut work_re[..size], &mut work_im[..size]));
        if direction == Direction::Inverse {
            std::mem::swap(&mut a.0, &mut a.1);
            std::mem::swap(&mut b.0, &mut b.1);
        }
        let mut stride = width;
        for stage in &self.stages {
            // SAFETY: passed on
            unsafe { stage.run::<L>(stride, (a.0, a.1), (b.0, b.1)) };
            std::mem::swap(&mut a, &mut b);
            stride *= stage.radix;
        }
        if self.stages.len() % 2 == 1 {
            b.0.copy_from_slice(a.0);
            b.1.copy_from_slice(a.1);
        }
    }
}

/// A vector with operators.
struct F<L: Lanes>(L::V);

impl<L: Lanes> Clone for F<L> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Lanes> Copy for F<L> {}

impl<L: Lanes> std::ops::Add for F<L> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: an F is only made inside Stage::run, whose caller vouches for the instructions
        F(unsafe { L::add(self.0, other.0) })
    }
}

impl<L: Lanes> std::ops::Sub for F<L> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as for Add
        F(unsafe { L::sub(self.0, other.0) })
    }
}

impl<L: Lanes> std::ops::Mul<f32> for F<L> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: f32) -> Self {
        // SAFETY: as for Add
        F(unsafe { L::mul(self.0, L::splat(other)) })
    }
}

/// A complex number of vectors.
struct Complex<L: Lanes> {
    re: F<L>,
    im: F<L>,
}

impl<L: Lanes> Clone for Complex<L> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Lanes> Copy for Complex<L> {}

impl<L: Lanes> Complex<L> {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Complex { re: self.re - other.re, im: self.im - other.im }
    }

    #[inline(always)]
    fn scaled(self, factor: f32) -> Self {
        Complex { re: self.re * factor, im: self.im * factor }
    }

    /// self − i other
    #[inline(always)]
    fn minus_i(self, other: Self) -> Self {
        Complex { re: self.re + other.im, im: self.im - other.re }
    }

    /// self + i other
    #[inline(always)]
    fn plus_i(self, other: Self) -> Self {
        Complex { re: self.re - other.im, im: self.im + other.re }
    }

    #[inline(always)]
    fn times(self, (c, s): (f32, f32)) -> Self {
        Complex { re: self.re * c - self.im * s, im: self.re * s + self.im * c }
    }
}

fn times((re, im): (f32, f32), (c, s): (f32, f32)) -> (f32, f32) {
    (re * c - im * s, re * s + im * c)
}

/// The transform of length R.
trait Butterfly<const R: usize> {
    fn apply<L: Lanes>(x: [Complex<L>; R]) -> [Complex<L>; R];
}

struct Short;

impl Butterfly<2> for Short {
    #[inline(always)]
    fn apply<L: Lanes>([a, b]: [Complex<L>; 2]) -> [Complex<L>; 2] {
        [a.plus(b), a.minus(b)]
    }
}

impl Butterfly<3> for Short {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c]: [Complex<L>; 3]) -> [Complex<L>; 3] {
        const SIN: f32 = 0.866_025_4;
        let (sum, difference) = (b.plus(c), b.minus(c).scaled(SIN));
        let middle = a.minus(sum.scaled(0.5));
        [a.plus(sum), middle.minus_i(difference), middle.plus_i(difference)]
    }
}

impl Butterfly<4> for Short {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d]: [Complex<L>; 4]) -> [Complex<L>; 4] {
        let (p, q, r, s) = (a.plus(c), a.minus(c), b.plus(d), b.minus(d));
        [p.plus(r), q.minus_i(s), p.minus(r), q.plus_i(s)]
    }
}

impl Butterfly<5> for Short {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d, e]: [Complex<L>; 5]) -> [Complex<L>; 5] {
        const C1: f32 = 0.309_017;
        const C2: f32 = -0.809_017;
        const S1: f32 = 0.951_056_5;
        const S2: f32 = 0.587_785_24;
        let (p, q, r, s) = (b.plus(e), b.minus(e), c.plus(d), c.minus(d));
        let near = a.plus(p.scaled(C1)).plus(r.scaled(C2));
        let far = a.plus(p.scaled(C2)).plus(r.scaled(C1));
        let near_i = q.scaled(S1).plus(s.scaled(S2));
        let far_i = q.scaled(S2).minus(s.scaled(S1));
        [a.plus(p).plus(r), near.minus_i(near_i), far.minus_i(far_i), far.plus_i(far_i), near.plus_i(near_i)]
    }
}

impl Stage {
    /// One pass: out[radix p + i] = w^{p i} Σ_j in[p + m j] exp(−2πi i j/radix), for rows of `stride` numbers.
    #[inline(always)]
    unsafe fn run<L: Lanes>(&self, stride: usize, from: (&[f32], &[f32]), to: (&mut [f32], &mut [f32])) {
        // SAFETY: passed on
        unsafe {
            match self.radix {
                2 => self.butterflies::<L, 2>(stride, from, to),
                3 => self.butterflies::<L, 3>(stride, from, to),
                4 => self.butterflies::<L, 4>(stride, from, to),
                5 => self.butterflies::<L, 5>(stride, from, to),
                _ => self.by_definition(stride, from, to),
            }
        }
    }

    #[inline(always)]
    unsafe fn butterflies<L: Lanes, const R: usize>(
        &self,
        stride: usize,
        (re, im): (&[f32], &[f32]),
        (out_re, out_im): (&mut [f32], &mut [f32]),
    ) where
        Short: Butterfly<R>,
    {
        let span = self.m * stride;
        assert!(re.len() == R * span && im.len() == re.len() && out_re.len() == re.len() && out_im.len() == re.len());
        // SAFETY: inputs and outputs are R · m rows of `stride`, a multiple of LANES, and every access is inside a row
        unsafe {
            for p in 0..self.m {
                let w = &self.twiddles[p * (R - 1)..(p + 1) * (R - 1)];
                let (re, im) = (re.as_ptr().add(p * stride), im.as_ptr().add(p * stride));
                let to = R * p * stride;
                let (out_re, out_im) = (out_re.as_mut_ptr().add(to), out_im.as_mut_ptr().add(to));
                for q in (0..stride).step_by(LANES) {
                    for part in 0..L::PARTS {
                        let at = |j: usize| Complex::<L> {
                            re: F(L::load_lanes(re.add(j * span + q), part)),
                            im: F(L::load_lanes(im.add(j * span + q), part)),
                        };
                        let mut x = [at(0); R];
                        for (j, x) in x.iter_mut().enumerate().skip(1) {
                            *x = at(j);
                        }
                        let x = Short::apply(x);
                        L::store_lanes(out_re.add(q), part, x[0].re.0);
                        L::store_lanes(out_im.add(q), part, x[0].im.0);
                        for i in 1..R {
                            let y = x[i].times(w[i - 1]);
                            L::store_lanes(out_re.add(i * stride + q), part, y.re.0);
                            L::store_lanes(out_im.add(i * stride + q), part, y.im.0);
                        }
                    }
                }
            }
        }
    }

    /// Radices without a formula: radix² multiplications.
    #[inline(always)]
    fn by_definition(&self, stride: usize, (re, im): (&[f32], &[f32]), (out_re, out_im): (&mut [f32], &mut [f32])) {
        let (radix, span) = (self.radix, self.m * stride);
        for p in 0..self.m {
            for i in 0..radix {
                let row = (radix * p + i) * stride;
                let (out_re, out_im) = (&mut out_re[row..row + stride], &mut out_im[row..row + stride]);
                out_re.fill(0.0);
                out_im.fill(0.0);
                let w = if i == 0 { (1.0, 0.0) } else { self.twiddles[p * (radix - 1) + i - 1] };
                for j in 0..radix {
                    let w = times(w, self.roots[i * j % radix]);
                    let from = j * span + p * stride;
                    let (in_re, in_im) = (&re[from..from + stride], &im[from..from + stride]);
                    for q in 0..stride {
                        let x = times((in_re[q], in_im[q]), w);
                        out_re[q] += x.0;
                        out_im[q] += x.1;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Portable;
    use super::*;

    fn direct(n: usize, width: usize, re: &[f32], im: &[f32]) -> Vec<(f64, f64)> {
        let mut out = vec![(0.0, 0.0); n * width];
        for k in 0..n {
            for j in 0..n {
                let (sin, cos) = (-TAU * (j * k % n) as f64 / n as f64).sin_cos();
                for q in 0..width {
                    let (x, y) = (f64::from(re[j * width + q]), f64::from(im[j * width + q]));
                    out[k * width + q].0 += x * cos - y * sin;
                    out[k * width + q].1 += x * sin + y * cos;
                }
            }
        }
        out
    }

    #[test]
    fn every_length_matches_the_definition_and_inverts() {
        for n in (1..=33).chain([35, 36, 40, 42, 45, 48, 49, 50, 52, 60, 64, 70, 77, 84, 96, 97, 105, 128]) {
            let width = LANES * (1 + n % 3);
            let data = |phase: f32| -> Vec<f32> { (0..n * width).map(|k| (1.7 * k as f32 + phase).sin()).collect() };
            let (re, im) = (data(0.0), data(1.0));
            let expected = direct(n, width, &re, &im);
            let norm = expected.iter().map(|e| e.0 * e.0 + e.1 * e.1).sum::<f64>().sqrt();
            let (mut a, mut b) = (re.clone(), im.clone());
            let (mut c, mut d) = (vec![0.0; n * width], vec![0.0; n * width]);
            let fft = Fft::new(n);
            // SAFETY: Portable needs nothing of the processor
            unsafe { fft.process::<Portable>(Direction::Forward, width, (&mut a, &mut b), (&mut c, &mut d)) };
            let error = (0..n * width)
                .map(|k| (f64::from(a[k]) - expected[k].0).powi(2) + (f64::from(b[k]) - expected[k].1).powi(2))
                .sum::<f64>()
                .sqrt();
            let limit = 3e-7 * f64::from(n as u32).log2().max(1.0).sqrt();
            assert!(error < limit * norm, "n = {n}: {:.2e}", error / norm);
            // SAFETY: as above
            unsafe { fft.process::<Portable>(Direction::Inverse, width, (&mut a, &mut b), (&mut c, &mut d)) };
            for k in 0..n * width {
                assert!((a[k] / n as f32 - re[k]).abs() < 3e-6 && (b[k] / n as f32 - im[k]).abs() < 3e-6, "n = {n}");
            }
        }
    }
}
