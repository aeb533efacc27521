//! The adapters that wgpu finds on this machine.

use crate::engine::adapter::{AdapterKind, AdapterSummary, DeviceLimits};

/// An adapter that can be opened.
pub(in crate::engine) type Found = wgpu::Adapter;

impl From<&wgpu::Limits> for DeviceLimits {
    fn from(limits: &wgpu::Limits) -> Self {
        Self {
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_binding_bytes: limits.max_storage_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            immediate_bytes: limits.max_immediate_size,
        }
    }
}

fn summary(adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let device_type = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "cpu",
        wgpu::DeviceType::Other => "other",
    };
    let llvmpipe = [&info.name, &info.driver].iter().any(|name| name.to_lowercase().contains("llvmpipe"));
    let software = info.device_type == wgpu::DeviceType::Cpu;
    AdapterSummary {
        index: 0,
        loop_iterations: llvmpipe.then_some(65_535),
        name: info.name,
        backend: info.backend.to_string(),
        device_type: device_type.to_string(),
        driver: info.driver,
        driver_info: info.driver_info,
        kind: if software { AdapterKind::Software } else { AdapterKind::Gpu },
        limits: DeviceLimits::from(&adapter.limits()),
    }
}

/// Every adapter, best first. `WGPU_BACKEND` narrows the list.
pub(in crate::engine) fn ranked(checked: bool) -> Vec<(AdapterSummary, wgpu::Adapter)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Debug flags make DX12 compile without optimisation, so they are opt-in here.
    descriptor.flags = if checked { wgpu::InstanceFlags::VALIDATION } else { wgpu::InstanceFlags::empty() };
    let instance = wgpu::Instance::new(descriptor.with_env());
    let rank = |adapter: &wgpu::Adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.sort_by_key(rank);
    found.into_iter().map(|adapter| (summary(&adapter), adapter)).collect()
}
