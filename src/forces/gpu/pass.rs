//! One compute pass: a pipeline with explicit bind-group layouts, and its dispatches.

use super::device::Context;
use crate::forces::ForceError;

/// Invocations per workgroup of every pass.
pub const WORKGROUP: u32 = 64;
/// Distance of two blocks of a dynamically indexed uniform buffer, bytes (the WebGPU guarantee).
pub const UNIFORM_STRIDE: usize = 256;

/// What stands at one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    Uniform,
    /// A uniform block of the given size, chosen per dispatch by an offset of [`UNIFORM_STRIDE`].
    UniformBlock(u64),
    Read,
    Write,
}

/// What a pass is made of.
#[derive(Debug, Clone, Copy)]
pub struct PassSpec<'a> {
    /// Entry point; also the label.
    pub entry: &'a str,
    /// The joined module.
    pub source: &'a str,
    /// Those that the module does not declare are left out.
    pub constants: &'a [(&'a str, f64)],
    /// Bindings of group 0 (read-only system) and group 1 (outputs).
    pub groups: [&'a [Binding]; 2],
}

/// A compiled pass.
pub struct Pass {
    pipeline: wgpu::ComputePipeline,
    layouts: [wgpu::BindGroupLayout; 2],
    label: String,
}

/// A pass with its buffers and number of workgroups.
pub struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    groups: [wgpu::BindGroup; 2],
    workgroups: (u32, u32),
    label: String,
}

/// Workgroups that cover `n` in two dimensions of at most 65535; shaders combine them as x + y · num_workgroups.x.
pub fn grid(n: u32) -> (u32, u32) {
    const LIMIT: u32 = 65_535;
    if n <= LIMIT { (n.max(1), 1) } else { (LIMIT, n.div_ceil(LIMIT)) }
}

impl Pass {
    /// Compiles a pass; a fault of shader or driver is an error that names it.
    pub fn new(context: &Context, spec: &PassSpec) -> Result<Self, ForceError> {
        let device = context.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layouts = spec.groups.map(|bindings| {
            let entries: Vec<wgpu::BindGroupLayoutEntry> = bindings
                .iter()
                .enumerate()
                .map(|(index, binding)| {
                    let (ty, dynamic, size) = match *binding {
                        Binding::Uniform => (wgpu::BufferBindingType::Uniform, false, None),
                        Binding::UniformBlock(size) => (wgpu::BufferBindingType::Uniform, true, Some(size)),
                        Binding::Read => (wgpu::BufferBindingType::Storage { read_only: true }, false, None),
                        Binding::Write => (wgpu::BufferBindingType::Storage { read_only: false }, false, None),
                    };
                    wgpu::BindGroupLayoutEntry {
                        binding: index as u32,
                        visibility: wgpu::ShaderStages::COMPUTE,
                        ty: wgpu::BindingType::Buffer {
                            ty,
                            has_dynamic_offset: dynamic,
                            min_binding_size: size.and_then(std::num::NonZeroU64::new),
                        },
                        count: None,
                    }
                })
                .collect();
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(spec.entry),
                entries: &entries,
            })
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(spec.entry),
            bind_group_layouts: &[Some(&layouts[0]), Some(&layouts[1])],
            immediate_size: 0,
        });
        let text = wgpu::ShaderModuleDescriptor {
            label: Some(spec.entry),
            source: wgpu::ShaderSource::Wgsl(spec.source.into()),
        };
        let module = if context.is_checked() {
            device.create_shader_module(text)
        } else {
            // SAFETY: no pass indexes beyond its buffers and every loop ends: each runs with checks under
            // HEXAQUA_SHADER_CHECKS=1, and its results are compared with a twin that panics on a wrong index
            unsafe { device.create_shader_module_trusted(text, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let has_own_size = spec.constants.iter().any(|(name, _)| *name == "wg_size");
        // variants of a pass declare different constants; one that is missing fails below
        let declared = |name: &str| spec.source.contains(&format!("override {name}:"));
        let constants: Vec<(&str, f64)> = (spec.constants.iter().copied())
            .chain([("wg_size", f64::from(WORKGROUP))].into_iter().filter(|_| !has_own_size))
            .filter(|(name, _)| declared(name))
            .collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(spec.entry),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(spec.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // every pass writes its workgroup memory before it reads it
                zero_initialize_workgroup_memory: context.is_checked(),
            },
            cache: None,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(ForceError::Device(format!("shader {}: {error}", spec.entry))),
            None => Ok(Pass { pipeline, layouts, label: spec.entry.to_string() }),
        }
    }

    /// Binds buffers in the order of the layout.
    ///
    /// * `workgroups` – how many workgroups the work needs
    pub fn dispatch(&self, context: &Context, buffers: [&[&wgpu::Buffer]; 2], workgroups: u32) -> Dispatch {
        self.dispatch_blocks(context, buffers, workgroups, None)
    }

    /// The same when binding `block.0` of group 0 is a uniform block of `block.1` bytes.
    pub fn dispatch_blocks(
        &self,
        context: &Context,
        buffers: [&[&wgpu::Buffer]; 2],
        workgroups: u32,
        block: Option<(usize, u64)>,
    ) -> Dispatch {
        let mut group = 0;
        let groups = buffers.map(|list| {
            let entries: Vec<wgpu::BindGroupEntry> = list
                .iter()
                .enumerate()
                .map(|(index, buffer)| wgpu::BindGroupEntry {
                    binding: index as u32,
                    resource: match block {
                        Some((at, size)) if group == 0 && at == index => {
                            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                buffer,
                                offset: 0,
                                size: std::num::NonZeroU64::new(size),
                            })
                        }
                        _ => buffer.as_entire_binding(),
                    },
                })
                .collect();
            let bound = context.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&self.label),
                layout: &self.layouts[group],
                entries: &entries,
            });
            group += 1;
            bound
        });
        let label = self.label.clone();
        Dispatch { pipeline: self.pipeline.clone(), groups, workgroups: grid(workgroups), label }
    }
}

impl Dispatch {
    /// The entry point.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// For another amount of work in the same buffers.
    pub fn resize(&mut self, workgroups: u32) {
        self.workgroups = grid(workgroups);
    }

    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.encode_block(pass, &[]);
    }

    /// * `offsets` – of the uniform blocks of group 0, bytes
    pub fn encode_block(&self, pass: &mut wgpu::ComputePass<'_>, offsets: &[u32]) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.groups[0], offsets);
        pass.set_bind_group(1, &self.groups[1], &[]);
        pass.dispatch_workgroups(self.workgroups.0, self.workgroups.1, 1);
    }
}
