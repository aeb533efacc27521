//! A compiled kernel: its reflected bindings in the caller's order, its pipeline, and the bind groups made so far.

use std::collections::HashMap;

use super::device::{Caught, Device};
use super::reflect::{Binding, BindingKind, Reflection, reflect_module};
use super::{BufferId, DeviceLimits, GpuError, KernelDesc, module};

/// A kernel that the engine can dispatch.
pub(super) struct Kernel {
    pub(super) name: String,
    /// Bindings in the order in which dispatches list their buffers.
    pub(super) slots: Vec<Binding>,
    pub(super) workgroup_size: [u32; 3],
    pub(super) immediate_bytes: u32,
    pub(super) pipeline: wgpu::ComputePipeline,
    /// Layout of every bind group up to the highest one used; gaps are `None`.
    layouts: Vec<Option<wgpu::BindGroupLayout>>,
    bind_groups: HashMap<Vec<BufferId>, Vec<(u32, wgpu::BindGroup)>>,
}

impl Kernel {
    /// Validates, reflects and compiles `desc`.
    pub(super) fn new(
        device: &Device,
        limits: &DeviceLimits,
        desc: &KernelDesc,
        checked: bool,
    ) -> Result<Self, GpuError> {
        let fail = |message: String| GpuError::Kernel { kernel: desc.name.clone(), message };
        let (module, info) = module::validate(&desc.wgsl, &desc.name).map_err(|error| fail(error.0))?;
        let reflection = reflect_module(&module, &info).map_err(|error| fail(error.0))?;
        check_limits(&desc.name, &reflection, limits)?;
        let slots = order_bindings(&desc.bindings, &reflection.bindings).map_err(fail)?;

        let made = device.scoped(|| {
            let layouts = bind_group_layouts(device, &desc.name, &slots);
            let pipeline = compute_pipeline(device, desc, &reflection, &layouts, checked);
            (layouts, pipeline)
        });
        let (layouts, pipeline) = made.map_err(|caught| match caught {
            Caught::OutOfMemory(message) => fail(format!("out of memory while compiling: {message}")),
            Caught::Other(message) => fail(message),
        })?;
        Ok(Self {
            name: desc.name.clone(),
            slots,
            workgroup_size: reflection.workgroup_size,
            immediate_bytes: reflection.immediate_bytes,
            pipeline,
            layouts,
            bind_groups: HashMap::new(),
        })
    }

    /// Bind groups for these buffers, made at their first use.
    pub(super) fn bind_groups<'k>(
        &'k mut self,
        device: &Device,
        buffers: &[BufferId],
        raw: impl Fn(BufferId) -> &'k wgpu::Buffer,
    ) -> &'k [(u32, wgpu::BindGroup)] {
        if !self.bind_groups.contains_key(buffers) {
            let groups = self.make_bind_groups(device, buffers, raw);
            self.bind_groups.insert(buffers.to_vec(), groups);
        }
        self.bind_groups.get(buffers).map_or(&[], Vec::as_slice)
    }

    fn make_bind_groups<'k>(
        &self,
        device: &Device,
        buffers: &[BufferId],
        raw: impl Fn(BufferId) -> &'k wgpu::Buffer,
    ) -> Vec<(u32, wgpu::BindGroup)> {
        let mut groups = Vec::new();
        for (index, layout) in (0..).zip(&self.layouts) {
            let Some(layout) = layout else { continue };
            let members = self.slots.iter().zip(buffers).filter(|(slot, _)| slot.group == index);
            let entries: Vec<_> = members
                .map(|(slot, &buffer)| {
                    // Uniform bindings have a small limit, so only what the module reads of them is bound.
                    let size = match slot.kind {
                        BindingKind::Uniform => std::num::NonZeroU64::new(slot.min_bytes),
                        BindingKind::Storage => None,
                    };
                    let resource = wgpu::BufferBinding { buffer: raw(buffer), offset: 0, size };
                    wgpu::BindGroupEntry { binding: slot.binding, resource: wgpu::BindingResource::Buffer(resource) }
                })
                .collect();
            let descriptor = wgpu::BindGroupDescriptor { label: Some(&self.name), layout, entries: &entries };
            groups.push((index, device.raw.create_bind_group(&descriptor)));
        }
        groups
    }
}

fn bind_group_layouts(device: &Device, name: &str, slots: &[Binding]) -> Vec<Option<wgpu::BindGroupLayout>> {
    let groups = slots.iter().map(|slot| slot.group + 1).max().unwrap_or(0);
    let layout = |group| {
        let members = slots.iter().filter(|slot| slot.group == group);
        let entries: Vec<_> = members
            .map(|slot| wgpu::BindGroupLayoutEntry {
                binding: slot.binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match slot.kind {
                        BindingKind::Storage => wgpu::BufferBindingType::Storage { read_only: slot.read_only },
                        BindingKind::Uniform => wgpu::BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: std::num::NonZeroU64::new(slot.min_bytes),
                },
                count: None,
            })
            .collect();
        let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some(name), entries: &entries };
        (!entries.is_empty()).then(|| device.raw.create_bind_group_layout(&descriptor))
    };
    (0..groups).map(layout).collect()
}

fn compute_pipeline(
    device: &Device,
    desc: &KernelDesc,
    reflection: &Reflection,
    layouts: &[Option<wgpu::BindGroupLayout>],
    checked: bool,
) -> wgpu::ComputePipeline {
    let label = Some(desc.name.as_str());
    let source = wgpu::ShaderSource::Wgsl(desc.wgsl.as_str().into());
    let descriptor = wgpu::ShaderModuleDescriptor { label, source };
    let module = if checked {
        device.raw.create_shader_module(descriptor)
    } else {
        // SAFETY: whoever turns `EngineOptions::checked` off vouches that no kernel indexes out of bounds, loops
        // without end or divides by zero; the module itself has passed naga's validation.
        unsafe { device.raw.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let layouts: Vec<_> = layouts.iter().map(Option::as_ref).collect();
    let layout = device.raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &layouts,
        immediate_size: reflection.immediate_bytes,
    });
    device.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some(&reflection.entry_point),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: checked,
            ..Default::default()
        },
        cache: None,
    })
}

/// The module's bindings in the order in which `names` lists them.
fn order_bindings(names: &[String], declared: &[Binding]) -> Result<Vec<Binding>, String> {
    let mut slots: Vec<Binding> = Vec::with_capacity(names.len());
    for name in names {
        if slots.iter().any(|slot| &slot.name == name) {
            return Err(format!("binding `{name}` is listed twice"));
        }
        match declared.iter().find(|binding| &binding.name == name) {
            Some(binding) => slots.push(binding.clone()),
            None => {
                let mut known: Vec<&str> = declared.iter().map(|binding| binding.name.as_str()).collect();
                known.sort_by(|a, b| strsim::jaro_winkler(b, name).total_cmp(&strsim::jaro_winkler(a, name)));
                let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
                return Err(format!("the module declares no buffer `{name}`; it declares, nearest first: {known}"));
            }
        }
    }
    match declared.iter().find(|binding| !names.contains(&binding.name)) {
        Some(missing) => Err(format!("the module's buffer `{}` is not among the listed bindings", missing.name)),
        None => Ok(slots),
    }
}

fn check_limits(kernel: &str, reflection: &Reflection, limits: &DeviceLimits) -> Result<(), GpuError> {
    let storage = reflection.bindings.iter().filter(|binding| binding.kind == BindingKind::Storage).count();
    let checks = [
        ("bytes of workgroup memory", u64::from(reflection.workgroup_bytes), limits.workgroup_bytes),
        ("invocations per workgroup", reflection.invocations(), limits.invocations),
        ("storage buffers", storage as u64, limits.storage_buffers),
        ("bytes of immediates", u64::from(reflection.immediate_bytes), limits.immediate_bytes),
    ];
    match checks.into_iter().find(|&(_, needed, limit)| needed > u64::from(limit)) {
        Some((what, needed, limit)) => {
            Err(GpuError::KernelLimit { kernel: kernel.into(), what, needed, maximum: u64::from(limit) })
        }
        None => Ok(()),
    }
}
