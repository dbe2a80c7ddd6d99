//! Adapters, one logical device, its buffers and its errors.
//!
//! Every fault of the device becomes a [`ForceError`]; nothing here panics on what a driver does. Knows no physics.

use super::pass::Dispatch;
use super::pass::{Binding, Pass, PassSpec};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a submission before the device counts as lost.
const TIMEOUT: Duration = Duration::from_secs(600);

/// One adapter as `hexaqua devices` lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceDescription {
    /// Position in the list, usable as a selector.
    pub index: usize,
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`
    pub api: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`
    pub kind: String,
    pub driver: String,
    /// A driver that runs shaders on the host.
    pub is_software: bool,
    /// Limits that this engine meets first, as (name, value).
    pub limits: Vec<(&'static str, u64)>,
    /// Optional features that a faster version can use, by name.
    pub features: Vec<String>,
}

/// Which adapter to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterSelector {
    /// Best hardware adapter; never a software driver.
    Hardware,
    /// Best adapter of all, a software driver included.
    Best,
    /// Position in [`devices`].
    Index(usize),
    /// Part of the name, in any case.
    Name(String),
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env())
}

fn adapters() -> Vec<wgpu::Adapter> {
    pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()))
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> DeviceDescription {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let wanted = [
        ("subgroup", wgpu::Features::SUBGROUP),
        ("timestamp-query", wgpu::Features::TIMESTAMP_QUERY),
        ("shader-int64", wgpu::Features::SHADER_INT64),
        ("pipeline-cache", wgpu::Features::PIPELINE_CACHE),
    ];
    DeviceDescription {
        index,
        api: format!("{:?}", info.backend),
        kind: format!("{:?}", info.device_type),
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_string(),
        is_software: info.device_type == wgpu::DeviceType::Cpu,
        limits: vec![
            ("storage buffers per stage", u64::from(limits.max_storage_buffers_per_shader_stage)),
            ("workgroup memory (bytes)", u64::from(limits.max_compute_workgroup_storage_size)),
            ("invocations per workgroup", u64::from(limits.max_compute_invocations_per_workgroup)),
            ("storage binding (bytes)", limits.max_storage_buffer_binding_size),
            ("subgroup size (min)", u64::from(info.subgroup_min_size)),
            ("subgroup size (max)", u64::from(info.subgroup_max_size)),
        ],
        features: (wanted.iter().filter(|(_, f)| features.contains(*f)).map(|(name, _)| name.to_string())).collect(),
        name: info.name,
    }
}

/// Every adapter of this machine, usable or not.
pub fn devices() -> Vec<DeviceDescription> {
    adapters().iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

/// Lower is better.
fn rank(kind: wgpu::DeviceType) -> u32 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn select(selector: &AdapterSelector) -> Result<(usize, wgpu::Adapter), ForceError> {
    let mut all: Vec<(usize, wgpu::Adapter)> = adapters().into_iter().enumerate().collect();
    let listing = || {
        let names: Vec<String> =
            devices().into_iter().map(|d| format!("{}: {} ({})", d.index, d.name, d.api)).collect();
        if names.is_empty() { "this machine has none".to_string() } else { names.join(", ") }
    };
    let lacking = |what: String| ForceError::NoAdapter(format!("{what}; adapters: {}", listing()));
    all.sort_by_key(|(index, adapter)| (rank(adapter.get_info().device_type), *index));
    let found = match selector {
        AdapterSelector::Hardware => all.into_iter().find(|(_, a)| a.get_info().device_type != wgpu::DeviceType::Cpu),
        AdapterSelector::Best => all.into_iter().next(),
        AdapterSelector::Index(wanted) => all.into_iter().find(|(index, _)| index == wanted),
        AdapterSelector::Name(part) => {
            let part = part.to_lowercase();
            all.into_iter().find(|(_, a)| a.get_info().name.to_lowercase().contains(&part))
        }
    };
    found.ok_or_else(|| match selector {
        AdapterSelector::Hardware => lacking("no hardware adapter".to_string()),
        AdapterSelector::Best => lacking("no adapter at all".to_string()),
        AdapterSelector::Index(index) => lacking(format!("no adapter number {index}")),
        AdapterSelector::Name(part) => lacking(format!("no adapter named like '{part}'")),
    })
}

/// An adapter that is there and cannot run this engine.
fn unusable(name: &str, why: &str) -> ForceError {
    ForceError::Device(format!("{name} cannot be used: {why}; update its driver or use --backend cpu"))
}

/// What is asked of a device: the WebGPU defaults, and the largest buffers that the adapter has.
fn required_limits(name: &str, has: &wgpu::Limits) -> Result<wgpu::Limits, ForceError> {
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
        max_buffer_size: has.max_buffer_size,
        ..wgpu::Limits::default()
    };
    let mut short = Vec::new();
    limits.check_limits_with_fail_fn(has, false, |limit, needed, found| {
        short.push(format!("{limit} is {found}, needed {needed}"));
    });
    if short.is_empty() { Ok(limits) } else { Err(unusable(name, &short.join(", "))) }
}

/// First fault that the device reported.
#[derive(Debug, Clone, Default)]
struct Faults(Arc<Mutex<Option<Fault>>>);

#[derive(Debug, Clone)]
enum Fault {
    Error(String),
    Lost(String),
}

impl Faults {
    fn record(&self, fault: Fault) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(fault);
    }
}

/// One logical device with its queue.
pub struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    description: DeviceDescription,
    faults: Faults,
    /// Staging buffers that are free.
    pool: Mutex<Vec<wgpu::Buffer>>,
    /// Bytes of all buffers made so far, those that are gone included.
    allocated: AtomicU64,
    subgroups: bool,
    checked: bool,
}

/// What a device may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Subgroup operations and more than the portable 16 KiB of workgroup memory, where the adapter has them; without, the
    /// portable variants run.
    pub subgroups: bool,
    /// Shaders that test every index and bound every loop. Off unless HEXAQUA_SHADER_CHECKS=1 or this is a debug build.
    pub checked: bool,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        let asked = std::env::var("HEXAQUA_SHADER_CHECKS").is_ok_and(|value| value == "1");
        DeviceOptions { subgroups: true, checked: asked || cfg!(debug_assertions) }
    }
}

/// Workgroup memory asked for where there is as much: what desktop devices have, room for a plane of 55 x 55 mesh points.
const WORKGROUP_BYTES: u32 = 48 * 1024;
/// Smallest subgroup that holds the eight i lanes of a pair kernel.
const SMALLEST_SUBGROUP: u32 = 8;

/// Bytes on their way from the device.
pub struct ReadBack {
    staging: wgpu::Buffer,
    bytes: usize,
    submission: wgpu::SubmissionIndex,
    arrived: Arc<Mutex<Option<Result<(), wgpu::BufferAsyncError>>>>,
}

impl Context {
    /// Opens an adapter; one that exists but cannot be used is [`ForceError::Device`], not a missing one. Asks for nothing
    /// beyond the WebGPU defaults except larger buffers and timestamps where the adapter has them.
    pub fn new(selector: &AdapterSelector) -> Result<Self, ForceError> {
        Self::with_options(selector, DeviceOptions::default())
    }

    /// The same with fewer or more liberties.
    pub fn with_options(selector: &AdapterSelector, options: DeviceOptions) -> Result<Self, ForceError> {
        let (index, adapter) = select(selector)?;
        let description = describe(index, &adapter);
        let mut limits = required_limits(&description.name, &adapter.limits())?;
        if options.subgroups {
            let has = adapter.limits().max_compute_workgroup_storage_size;
            limits.max_compute_workgroup_storage_size = has.min(WORKGROUP_BYTES);
        }
        let has_subgroups = options.subgroups
            && adapter.features().contains(wgpu::Features::SUBGROUP)
            && adapter.get_info().subgroup_min_size >= SMALLEST_SUBGROUP;
        let mut features = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        features.set(wgpu::Features::SUBGROUP, has_subgroups);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("hexaqua"),
            required_limits: limits,
            required_features: features,
            ..Default::default()
        }))
        .map_err(|error| unusable(&description.name, &error.to_string()))?;
        let faults = Faults::default();
        let (on_error, on_loss) = (faults.clone(), faults.clone());
        device.on_uncaptured_error(Arc::new(move |error| on_error.record(Fault::Error(error.to_string()))));
        device.set_device_lost_callback(move |_, message| on_loss.record(Fault::Lost(message)));
        let mut context = Context {
            device,
            queue,
            description,
            faults,
            pool: Mutex::default(),
            allocated: AtomicU64::new(0),
            subgroups: false,
            checked: options.checked,
        };
        context.subgroups = has_subgroups && context.shuffles_follow_local_indices()?;
        Ok(context)
    }

    /// Runs the probe: WGSL does not promise that a subgroup is a run of local indices.
    fn shuffles_follow_local_indices(&self) -> Result<bool, ForceError> {
        let source = Shaders::embedded().module("probe", Pieces::defining(&["SUBGROUPS"]));
        let groups: [&[Binding]; 2] = [&[], &[Binding::Write]];
        let probe = Pass::new(self, &PassSpec { entry: "probe", source: &source, constants: &[], groups })?;
        let answers = self.storage("answers", 64 * 4);
        let mut encoder = self.encoder();
        let dispatch = probe.dispatch(self, [&[], &[&answers]], 1);
        dispatch.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        let parts = self.submit_and_read(encoder, &[(&answers, 64 * 4)])?;
        Ok(cast::<u32>(&parts[0]).iter().all(|&answer| answer == 1))
    }

    /// Workgroup memory that a pass may use.
    pub fn workgroup_bytes(&self) -> u32 {
        self.device.limits().max_compute_workgroup_storage_size
    }

    /// May shaders shuffle within groups of eight invocations?
    pub fn has_subgroups(&self) -> bool {
        self.subgroups
    }

    /// Do shaders test every index?
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    pub fn description(&self) -> &DeviceDescription {
        &self.description
    }

    /// The first fault since the device was opened, if any.
    pub fn check(&self) -> Result<(), ForceError> {
        match &*self.faults.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Fault::Error(message)) => Err(ForceError::Device(message.clone())),
            Some(Fault::Lost(message)) => Err(ForceError::DeviceLost(message.clone())),
        }
    }

    /// A zeroed buffer for shaders, at least `bytes` long.
    pub fn storage(&self, label: &str, bytes: usize) -> wgpu::Buffer {
        self.allocated.fetch_add(bytes as u64, Ordering::Relaxed);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.next_multiple_of(16).max(16) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    /// A buffer for shaders that holds `data`.
    pub fn storage_of<T: bytemuck::Pod>(&self, label: &str, data: &[T]) -> wgpu::Buffer {
        let buffer = self.storage(label, std::mem::size_of_val(data));
        self.write(&buffer, data);
        buffer
    }

    pub fn uniform(&self, label: &str, bytes: usize) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.next_multiple_of(16).max(16) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Copies `data` to the start of a buffer before the next submission.
    pub fn write<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, data: &[T]) {
        if !data.is_empty() {
            self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data));
        }
    }

    /// Copies bytes into a buffer before the next submission.
    pub fn write_at(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.queue.write_buffer(buffer, offset, bytes);
        }
    }

    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None })
    }

    /// Submits without waiting and returns how long the queue took to accept it.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) -> Duration {
        let commands = encoder.finish();
        let clock = Instant::now();
        self.queue.submit([commands]);
        clock.elapsed()
    }

    /// Bytes of all storage and staging buffers made so far.
    pub fn allocated(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Gives the device up, as a driver does that has been reset: how tests lose one.
    pub fn lose(&self) {
        self.device.destroy();
    }

    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// A buffer that copies from the device can be read from, at least `bytes` long; see [`Context::submit_for`].
    pub fn staging(&self, bytes: usize) -> wgpu::Buffer {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        // a buffer that is far too large serves a larger request better
        let fits = |b: &wgpu::Buffer| (bytes as u64..=4 * bytes.max(1024) as u64).contains(&b.size());
        if let Some(index) = pool.iter().position(fits) {
            return pool.swap_remove(index);
        }
        let size = bytes.next_multiple_of(1024);
        self.allocated.fetch_add(size as u64, Ordering::Relaxed);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: size as u64,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Submits commands that fill `bytes` of a staging buffer, without waiting; also how long the queue took.
    pub fn submit_for(
        &self,
        encoder: wgpu::CommandEncoder,
        staging: wgpu::Buffer,
        bytes: usize,
    ) -> Result<(ReadBack, Duration), ForceError> {
        let commands = encoder.finish();
        let clock = Instant::now();
        let submission = self.queue.submit([commands]);
        let taken = clock.elapsed();
        self.check()?;
        let arrived = Arc::new(Mutex::new(None));
        let reply = arrived.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            *reply.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        Ok((ReadBack { staging, bytes, submission, arrived }, taken))
    }

    /// Waits for a read-back, and for nothing that was submitted after it.
    pub fn wait(&self, read_back: &mut ReadBack) -> Result<Vec<u8>, ForceError> {
        let submission_index = Some(read_back.submission.clone());
        self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(TIMEOUT) }).map_err(
            |error| match self.check() {
                Err(known) => known,
                Ok(()) => ForceError::DeviceLost(error.to_string()),
            },
        )?;
        self.check()?;
        match &*read_back.arrived.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(ForceError::Device(error.to_string())),
            None => return Err(ForceError::DeviceLost("a read-back never finished".to_string())),
        }
        let bytes = {
            let view = read_back.staging.get_mapped_range(..).map_err(|error| ForceError::Device(error.to_string()))?;
            view[..read_back.bytes].to_vec()
        };
        read_back.staging.unmap();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.truncate(3);
        pool.push(read_back.staging.clone());
        Ok(bytes)
    }

    /// Runs dispatches one by one and returns the time of each, ms.
    ///
    /// * `dispatches` – with whether they take the first block of their uniform buffer
    pub fn time_dispatches(
        &self,
        mut encoder: wgpu::CommandEncoder,
        dispatches: &[(&Dispatch, bool)],
    ) -> Result<Vec<f64>, ForceError> {
        let count = 2 * dispatches.len() as u32;
        let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("pass times"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        for (k, (dispatch, has_block)) in (0u32..).zip(dispatches) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(2 * k),
                    end_of_pass_write_index: Some(2 * k + 1),
                }),
            });
            dispatch.encode_block(&mut pass, if *has_block { &[0] } else { &[] });
        }
        let bytes = count as usize * 8;
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("pass times"),
            size: bytes as u64,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        let parts = self.submit_and_read(encoder, &[(&resolved, bytes)])?;
        let ticks: Vec<u64> = cast(&parts[0]);
        let ms_per_tick = f64::from(self.queue.get_timestamp_period()) * 1e-6;
        Ok(ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * ms_per_tick).collect())
    }

    /// Submits, waits, and returns the first bytes of some buffers.
    ///
    /// * `wanted` – (buffer, number of bytes); a multiple of four
    pub fn submit_and_read(
        &self,
        mut encoder: wgpu::CommandEncoder,
        wanted: &[(&wgpu::Buffer, usize)],
    ) -> Result<Vec<Vec<u8>>, ForceError> {
        let total: usize = wanted.iter().map(|(_, bytes)| bytes).sum();
        let staging = self.staging(total);
        let mut offset = 0;
        for &(buffer, bytes) in wanted {
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, offset as u64, bytes as u64);
            offset += bytes;
        }
        let (mut read_back, _) = self.submit_for(encoder, staging, total)?;
        let all = self.wait(&mut read_back)?;
        let mut rest = &all[..];
        let mut parts = Vec::with_capacity(wanted.len());
        for &(_, bytes) in wanted {
            let (part, tail) = rest.split_at(bytes);
            parts.push(part.to_vec());
            rest = tail;
        }
        Ok(parts)
    }
}

/// Read-back bytes as numbers.
pub fn cast<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_below_the_limits_is_not_a_missing_one() {
        assert!(required_limits("good", &wgpu::Limits::default()).is_ok());
        let poor = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..wgpu::Limits::default() };
        let error = required_limits("an old card", &poor).expect_err("too few buffers");
        let ForceError::Device(why) = &error else { panic!("{error:?}") };
        assert!(why.contains("an old card") && why.contains("max_storage_buffers_per_shader_stage is 4"), "{why}");
    }
}
