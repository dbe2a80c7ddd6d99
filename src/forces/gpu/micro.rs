//! What the design of a step rests on, measured: the price of a dependent level, of an independent dispatch, of integer
//! atomics, of a transform in workgroup memory and of a submission.
//!
//! Times are wall times of one submission, so they need no timestamps; a price is the slope between half and all of the
//! work, the least of a few tries. Knows no physics.

use super::device::{AdapterSelector, Context};
use super::fft::{Direction, Fft3d};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use std::time::{Duration, Instant};

/// One measured price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub what: &'static str,
}

/// All prices of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    pub device: String,
    pub driver: String,
    pub is_software: bool,
    pub prices: Vec<Price>,
}

const TRIES: usize = 5;
const LEVELS: usize = 512;
const SUBMISSIONS: usize = 64;
/// Additions by one invocation; `ADDITIONS` in the shader.
const ADDITIONS: f64 = 64.0;
const ATOMIC_WORKGROUPS: u32 = 512;
/// Edge of the mesh whose planes are transformed.
const MESH: usize = 64;

struct Bench {
    context: Context,
    /// Read back to know that the work is done.
    mark: wgpu::Buffer,
}

impl Bench {
    /// Wall time from submission to completion, s.
    fn run(&self, dispatches: &[&Dispatch]) -> Result<f64, ForceError> {
        let mut encoder = self.context.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            dispatches.iter().for_each(|d| d.encode(&mut pass));
        }
        let clock = Instant::now();
        self.context.submit_and_read(encoder, &[(&self.mark, 4)])?;
        Ok(clock.elapsed().as_secs_f64())
    }

    /// Seconds that each dispatch of the second half takes.
    fn slope(&self, dispatches: &[&Dispatch]) -> Result<f64, ForceError> {
        let half = dispatches.len() / 2;
        let (mut part, mut all) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TRIES {
            part = part.min(self.run(&dispatches[..half])?);
            all = all.min(self.run(dispatches)?);
        }
        Ok((all - part).max(0.0) / (dispatches.len() - half) as f64)
    }
}

/// Measures a device; a few seconds on hardware, more on a software driver.
pub fn measure(selector: &AdapterSelector) -> Result<Prices, ForceError> {
    let context = Context::new(selector)?;
    let shaders = Shaders::embedded();
    let source = shaders.module("micro", Pieces::default());
    let compile = |entry: &str, mask: u32| {
        let constants = [("mask", f64::from(mask))];
        let groups: [&[Binding]; 2] = [&[], &[Binding::Write]];
        Pass::new(&context, &PassSpec { entry, source: &source, constants: &constants, groups })
    };
    let (touch, add_same, add_random) = (compile("touch", 0)?, compile("add", 0)?, compile("add", (1 << 20) - 1)?);
    let words: Vec<wgpu::Buffer> = (0..LEVELS).map(|_| context.storage("word", 16)).collect();
    let table = context.storage("table", 4 << 20);
    let field = context.storage("field", MESH * MESH * MESH * 8);
    let one =
        |pass: &Pass, buffer: &wgpu::Buffer, workgroups: u32| pass.dispatch(&context, [&[], &[buffer]], workgroups);
    let same_word = one(&touch, &words[0], 1);
    let own_word: Vec<Dispatch> = words.iter().map(|word| one(&touch, word, 1)).collect();
    let same = one(&add_same, &table, ATOMIC_WORKGROUPS);
    let random = one(&add_random, &table, ATOMIC_WORKGROUPS);
    let lines = Fft3d::new(&context, &shaders, [MESH; 3], Direction::Forward)?.dispatches(&context, &field);
    let mark = context.storage("mark", 16);
    let bench = Bench { context, mark };

    let dependent = bench.slope(&vec![&same_word; LEVELS])?;
    let independent = bench.slope(&own_word.iter().collect::<Vec<_>>())?;
    let additions = f64::from(ATOMIC_WORKGROUPS * WORKGROUP) * ADDITIONS;
    let rate = |seconds: f64| additions / seconds.max(1e-12) * 1e-9;
    let (same, random) = (bench.slope(&[&same; 4])?, bench.slope(&[&random; 4])?);
    // both axes of a plane that is contiguous in memory
    let planes: Vec<&Dispatch> = (0..8).flat_map(|_| lines.iter().take(2)).collect();
    let plane = 2.0 * bench.slope(&planes)? / MESH as f64;
    let mut round_trips = Vec::with_capacity(SUBMISSIONS);
    let mut accepted = Duration::ZERO;
    for _ in 0..SUBMISSIONS {
        round_trips.push(bench.run(&[&same_word])?);
        let mut encoder = bench.context.encoder();
        same_word.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        accepted += bench.context.submit(encoder);
    }
    round_trips.sort_by(f64::total_cmp);
    let clock = Instant::now();
    let mut encoder = bench.context.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        (0..LEVELS).for_each(|_| same_word.encode(&mut pass));
    }
    let recorded = clock.elapsed();
    bench.context.submit_and_read(encoder, &[(&bench.mark, 4)])?;

    let price = |name, value, unit, what| Price { name, value, unit, what };
    let prices = vec![
        price("dependent_dispatch", 1e6 * dependent, "us", "a dispatch that waits for the one before: a level"),
        price("independent_dispatch", 1e6 * independent, "us", "a dispatch that shares no buffer with its neighbors"),
        price("atomic_random", rate(random), "1e9/s", "i32 additions to random words of 4 MiB"),
        price("atomic_same", rate(same), "1e9/s", "i32 additions to one word"),
        price("fft_plane", 1e6 * plane, "us", "complex 64 x 64 transform in workgroup memory, one of 64 at once"),
        price(
            "round_trip",
            1e6 * round_trips[SUBMISSIONS / 2],
            "us",
            "submission of one dispatch until it is read back",
        ),
        price("submit", 1e6 * accepted.as_secs_f64() / SUBMISSIONS as f64, "us", "host time of a submission"),
        price("record", 1e6 * recorded.as_secs_f64() / LEVELS as f64, "us", "host time to record a dispatch"),
    ];
    let description = bench.context.description();
    Ok(Prices {
        device: description.name.clone(),
        driver: description.driver.clone(),
        is_software: description.is_software,
        prices,
    })
}
