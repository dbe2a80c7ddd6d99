//! Complex FFT along one axis of a small mesh, vectorised across the other: the host PME's transform.
//!
//! Data are split (real and imaginary parts apart) with shape `[n][width]`, so every butterfly works on rows of
//! `width` contiguous numbers and the compiler vectorises it without shuffles. Stockham autosort with radices
//! 4, 2, 3, 5 and any other prime by its definition (G. D. Bergland, IEEE Spectrum 6, 41 (1969); P. N. Swarztrauber,
//! Parallel Comput. 1, 45 (1984)): any length is right, lengths of small primes are fast.

use std::f64::consts::TAU;

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
    /// * `re`, `im` – `[n * width]`
    #[inline(always)]
    pub fn process(
        &self,
        direction: Direction,
        width: usize,
        (re, im): (&mut [f32], &mut [f32]),
        (work_re, work_im): (&mut [f32], &mut [f32]),
    ) {
        let size = self.n * width;
        // exchanging the parts turns one direction into the other
        let (mut a, mut b) = ((&mut re[..size], &mut im[..size]), (&mut work_re[..size], &mut work_im[..size]));
        if direction == Direction::Inverse {
            std::mem::swap(&mut a.0, &mut a.1);
            std::mem::swap(&mut b.0, &mut b.1);
        }
        let mut stride = width;
        for stage in &self.stages {
            stage.run(stride, (a.0, a.1), (b.0, b.1));
            std::mem::swap(&mut a, &mut b);
            stride *= stage.radix;
        }
        if self.stages.len() % 2 == 1 {
            b.0.copy_from_slice(a.0);
            b.1.copy_from_slice(a.1);
        }
    }
}

type Pair = (f32, f32);

#[inline(always)]
fn times((re, im): Pair, (c, s): Pair) -> Pair {
    (re * c - im * s, re * s + im * c)
}

impl Stage {
    /// One pass: out[radix p + i] = w^{p i} Σ_j in[p + m j] exp(−2πi i j/radix), for rows of `stride` numbers.
    #[inline(always)]
    fn run(&self, stride: usize, from: (&[f32], &[f32]), to: (&mut [f32], &mut [f32])) {
        match self.radix {
            2 => self.butterflies::<2>(stride, from, to, |[a, b]| [(a.0 + b.0, a.1 + b.1), (a.0 - b.0, a.1 - b.1)]),
            3 => self.butterflies::<3>(stride, from, to, |[a, b, c]| {
                const SIN: f32 = 0.866_025_4;
                let sum = (b.0 + c.0, b.1 + c.1);
                let difference = (SIN * (b.0 - c.0), SIN * (b.1 - c.1));
                let middle = (a.0 - 0.5 * sum.0, a.1 - 0.5 * sum.1);
                [
                    (a.0 + sum.0, a.1 + sum.1),
                    (middle.0 + difference.1, middle.1 - difference.0),
                    (middle.0 - difference.1, middle.1 + difference.0),
                ]
            }),
            4 => self.butterflies::<4>(stride, from, to, |[a, b, c, d]| {
                let (p, q) = ((a.0 + c.0, a.1 + c.1), (a.0 - c.0, a.1 - c.1));
                let (r, s) = ((b.0 + d.0, b.1 + d.1), (b.0 - d.0, b.1 - d.1));
                [(p.0 + r.0, p.1 + r.1), (q.0 + s.1, q.1 - s.0), (p.0 - r.0, p.1 - r.1), (q.0 - s.1, q.1 + s.0)]
            }),
            5 => self.butterflies::<5>(stride, from, to, |[a, b, c, d, e]| {
                const C1: f32 = 0.309_017;
                const C2: f32 = -0.809_017;
                const S1: f32 = 0.951_056_5;
                const S2: f32 = 0.587_785_24;
                let (p, q) = ((b.0 + e.0, b.1 + e.1), (b.0 - e.0, b.1 - e.1));
                let (r, s) = ((c.0 + d.0, c.1 + d.1), (c.0 - d.0, c.1 - d.1));
                let near = (a.0 + C1 * p.0 + C2 * r.0, a.1 + C1 * p.1 + C2 * r.1);
                let far = (a.0 + C2 * p.0 + C1 * r.0, a.1 + C2 * p.1 + C1 * r.1);
                let near_i = (S1 * q.0 + S2 * s.0, S1 * q.1 + S2 * s.1);
                let far_i = (S2 * q.0 - S1 * s.0, S2 * q.1 - S1 * s.1);
                [
                    (a.0 + p.0 + r.0, a.1 + p.1 + r.1),
                    (near.0 + near_i.1, near.1 - near_i.0),
                    (far.0 + far_i.1, far.1 - far_i.0),
                    (far.0 - far_i.1, far.1 + far_i.0),
                    (near.0 - near_i.1, near.1 + near_i.0),
                ]
            }),
            _ => self.by_definition(stride, from, to),
        }
    }

    #[inline(always)]
    fn butterflies<const R: usize>(
        &self,
        stride: usize,
        (re, im): (&[f32], &[f32]),
        (out_re, out_im): (&mut [f32], &mut [f32]),
        butterfly: impl Fn([Pair; R]) -> [Pair; R],
    ) {
        let span = self.m * stride;
        let outputs = out_re.chunks_exact_mut(R * stride).zip(out_im.chunks_exact_mut(R * stride));
        for (p, (out_re, out_im)) in outputs.enumerate() {
            let w = &self.twiddles[p * (R - 1)..(p + 1) * (R - 1)];
            let in_re: [&[f32]; R] = std::array::from_fn(|j| &re[j * span + p * stride..][..stride]);
            let in_im: [&[f32]; R] = std::array::from_fn(|j| &im[j * span + p * stride..][..stride]);
            let mut rest_re = out_re;
            let mut rest_im = out_im;
            let rows_re: [&mut [f32]; R] = std::array::from_fn(|_| {
                let (row, rest) = std::mem::take(&mut rest_re).split_at_mut(stride);
                rest_re = rest;
                row
            });
            let rows_im: [&mut [f32]; R] = std::array::from_fn(|_| {
                let (row, rest) = std::mem::take(&mut rest_im).split_at_mut(stride);
                rest_im = rest;
                row
            });
            for q in 0..stride {
                let x = butterfly(std::array::from_fn(|j| (in_re[j][q], in_im[j][q])));
                (rows_re[0][q], rows_im[0][q]) = x[0];
                for i in 1..R {
                    (rows_re[i][q], rows_im[i][q]) = times(x[i], w[i - 1]);
                }
            }
        }
    }

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
            let width = 1 + n % 5;
            let data = |phase: f32| -> Vec<f32> { (0..n * width).map(|k| (1.7 * k as f32 + phase).sin()).collect() };
            let (re, im) = (data(0.0), data(1.0));
            let expected = direct(n, width, &re, &im);
            let norm = expected.iter().map(|e| e.0 * e.0 + e.1 * e.1).sum::<f64>().sqrt();
            let (mut a, mut b) = (re.clone(), im.clone());
            let (mut c, mut d) = (vec![0.0; n * width], vec![0.0; n * width]);
            let fft = Fft::new(n);
            fft.process(Direction::Forward, width, (&mut a, &mut b), (&mut c, &mut d));
            let error = (0..n * width)
                .map(|k| (f64::from(a[k]) - expected[k].0).powi(2) + (f64::from(b[k]) - expected[k].1).powi(2))
                .sum::<f64>()
                .sqrt();
            let limit = 3e-7 * f64::from(n as u32).log2().max(1.0).sqrt();
            assert!(error < limit * norm, "n = {n}: {:.2e}", error / norm);
            fft.process(Direction::Inverse, width, (&mut a, &mut b), (&mut c, &mut d));
            for k in 0..n * width {
                assert!((a[k] / n as f32 - re[k]).abs() < 3e-6 && (b[k] / n as f32 - im[k]).abs() < 3e-6, "n = {n}");
            }
        }
    }
}
