//! A compiled kernel: its pipeline, and the bind groups made so far.

use std::collections::HashMap;

use super::device::{Caught, Device};
use crate::engine::catalogue::KernelInfo;
use crate::engine::reflect::{Binding, BindingKind};
use crate::engine::{BufferId, EngineError, KernelDesc};

/// A kernel that the engine can dispatch.
pub(super) struct Kernel {
    name: String,
    slots: Vec<Binding>,
    pub(super) immediate_bytes: u32,
    pub(super) pipeline: wgpu::ComputePipeline,
    /// Layout of every bind group up to the highest one used; gaps are `None`.
    layouts: Vec<Option<wgpu::BindGroupLayout>>,
    bind_groups: HashMap<Vec<BufferId>, Vec<(u32, wgpu::BindGroup)>>,
}

impl Kernel {
    /// Compiles a kernel whose text has been validated.
    pub(super) fn new(
        device: &Device,
        desc: &KernelDesc,
        info: &KernelInfo,
        checked: bool,
    ) -> Result<Self, EngineError> {
        let fail = |message: String| EngineError::Kernel { kernel: desc.name.clone(), message };
        let made = device.scoped(|| {
            let layouts = bind_group_layouts(device, &desc.name, &info.slots);
            let pipeline = compute_pipeline(device, desc, info, &layouts, checked);
            (layouts, pipeline)
        });
        let (layouts, pipeline) = made.map_err(|caught| match caught {
            Caught::OutOfMemory(message) => fail(format!("out of memory while compiling: {message}")),
            Caught::Other(message) => fail(message),
        })?;
        Ok(Self {
            name: desc.name.clone(),
            slots: info.slots.clone(),
            immediate_bytes: info.immediate_bytes,
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
    info: &KernelInfo,
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
        immediate_size: info.immediate_bytes,
    });
    device.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some(&info.entry_point),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: checked,
            ..Default::default()
        },
        cache: None,
    })
}
