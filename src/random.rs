//! Counter-based random numbers: Philox4x32-10 (J. Salmon et al., SC'11).
//!
//! A number depends on (seed, stream, step, index) and on nothing else, so order of execution and restarts never
//! matter. The WGSL twin is `shaders/common/philox.wgsl`.

use std::f64::consts::TAU;

/// Independent uses of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Langevin noise, counter = (step, atom)
    Langevin = 1,
    /// Initial velocities, counter = (0, atom)
    Velocities = 2,
    /// CSVR, counter = (step, draw)
    Csvr = 3,
    /// Packer, counter = (0, draw)
    Build = 4,
    /// Barostat, counter = (step, 0)
    Barostat = 5,
    /// Langevin noise of a piston, counter = (step, 0)
    Piston = 6,
}

/// Four random words of the block (`counter`, `key`).
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let p0 = u64::from(counter[0]) * 0xD251_1F53;
        let p1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter =
            [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32];
    }
    counter
}

/// The block of (seed, stream, step, index): counter = (index, step low, step high, stream), key = seed.
pub fn block(seed: u64, stream: Stream, step: u64, index: u32) -> [u32; 4] {
    philox4x32([index, step as u32, (step >> 32) as u32, stream as u32], [seed as u32, (seed >> 32) as u32])
}

/// Uniform in (0, 1): (x + ½)/2³².
pub fn uniform(x: u32) -> f64 {
    (f64::from(x) + 0.5) * (1.0 / 4_294_967_296.0)
}

/// Four independent standard normals from one block (Box–Muller on words 0,1 and 2,3).
pub fn normals(words: [u32; 4]) -> [f64; 4] {
    let pair = |a: u32, b: u32| {
        let radius = (-2.0 * uniform(a).ln()).sqrt();
        let (sin, cos) = (TAU * uniform(b)).sin_cos();
        [radius * cos, radius * sin]
    };
    let [a, b] = pair(words[0], words[1]);
    let [c, d] = pair(words[2], words[3]);
    [a, b, c, d]
}

/// A sequential reader of one stream at one step: for code that needs an unknown number of draws.
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    stream: Stream,
    step: u64,
    index: u32,
    buffer: Vec<u32>,
}

impl Draws {
    pub fn new(seed: u64, stream: Stream, step: u64) -> Self {
        Draws { seed, stream, step, index: 0, buffer: Vec::new() }
    }

    pub fn word(&mut self) -> u32 {
        if self.buffer.is_empty() {
            self.buffer.extend(block(self.seed, self.stream, self.step, self.index).iter().rev());
            self.index += 1;
        }
        self.buffer.pop().unwrap_or(0)
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        uniform(self.word())
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let words = [self.word(), self.word(), 0, 0];
        normals(words)[0]
    }

    /// Gamma variate of shape `shape` ≥ 1 and unit scale (G. Marsaglia, W. Tsang, ACM TOMS 26, 363 (2000)).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_the_random123_distribution() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normals_have_unit_variance() {
        let n = 20_000;
        let (mut sum, mut sum_sq) = (0.0, 0.0);
        for i in 0..n {
            for x in normals(block(7, Stream::Langevin, 3, i)) {
                sum += x;
                sum_sq += x * x;
            }
        }
        let n = 4.0 * f64::from(n);
        assert!((sum / n).abs() < 4.0 / n.sqrt());
        assert!((sum_sq / n - 1.0).abs() < 4.0 * (2.0 / n).sqrt());
    }

    #[test]
    fn gamma_has_the_right_mean_and_variance() {
        let mut draws = Draws::new(11, Stream::Csvr, 0);
        let (shape, n) = (500.5, 4000);
        let values: Vec<f64> = (0..n).map(|_| draws.gamma(shape)).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n - 1);
        assert!((mean - shape).abs() < 4.0 * (shape / f64::from(n)).sqrt());
        assert!((variance / shape - 1.0).abs() < 4.0 * (2.0 / f64::from(n)).sqrt());
    }
}
