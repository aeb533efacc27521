//! Which adapters there are and which one to take: hardware before software.

use std::str::FromStr;

use serde::Serialize;

use super::GpuError;

/// Which adapter to open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AdapterChoice {
    /// The best one: `WGPU_ADAPTER_NAME` when set, else discrete, integrated, virtual, software in this order.
    #[default]
    Auto,
    /// Position in the list that [`adapters`] returns.
    Index(usize),
    /// The first adapter whose name contains this text, in any case.
    Named(String),
    /// The first software adapter (lavapipe, WARP).
    Software,
}

impl FromStr for AdapterChoice {
    type Err = GpuError;

    /// `auto`, `software`, a number, or part of a name.
    fn from_str(text: &str) -> Result<Self, GpuError> {
        let text = text.trim();
        match text.to_lowercase().as_str() {
            "" | "auto" => Ok(Self::Auto),
            "software" => Ok(Self::Software),
            "cpu" => Err(GpuError::CpuEngine),
            lower => Ok(lower.parse().map_or_else(|_| Self::Named(text.to_string()), Self::Index)),
        }
    }
}

/// The limits that decide what a kernel or buffer may ask for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceLimits {
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Invocations in one workgroup.
    pub invocations: u32,
    /// Storage buffers bound at once.
    pub storage_buffers: u32,
    /// Bytes of one bound storage buffer.
    pub storage_binding_bytes: u64,
    /// Bytes of one buffer.
    pub buffer_bytes: u64,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups_per_dimension: u32,
    /// Bytes of `var<immediate>`.
    pub immediate_bytes: u32,
}

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

/// One adapter, described without opening a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AdapterSummary {
    /// Position in the list that [`adapters`] returns.
    pub index: usize,
    /// Name as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub device_type: String,
    /// Driver name.
    pub driver: String,
    /// Driver version.
    pub driver_info: String,
    /// Whether this is a CPU in the role of a GPU.
    pub software: bool,
    /// Loop iterations of one invocation, all its loops together, after which the driver silently leaves every loop.
    /// Mesa's llvmpipe stops at 65535 (`LP_MAX_TGSI_LOOP_ITERATIONS`); no other driver is known to.
    pub loop_iterations: Option<u32>,
    /// What it allows.
    pub limits: DeviceLimits,
}

impl AdapterSummary {
    fn of(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let device_type = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        };
        let llvmpipe = [&info.name, &info.driver].iter().any(|name| name.to_lowercase().contains("llvmpipe"));
        Self {
            index,
            loop_iterations: llvmpipe.then_some(65_535),
            name: info.name,
            backend: info.backend.to_string(),
            device_type: device_type.to_string(),
            driver: info.driver,
            driver_info: info.driver_info,
            software: info.device_type == wgpu::DeviceType::Cpu,
            limits: DeviceLimits::from(&adapter.limits()),
        }
    }
}

/// Every adapter of this machine, best first; needs no device. `WGPU_BACKEND` narrows the list.
pub fn adapters() -> Vec<AdapterSummary> {
    ranked(false).into_iter().map(|(summary, _)| summary).collect()
}

/// The adapter that `choice` means, with its description.
pub(super) fn choose(choice: &AdapterChoice, checked: bool) -> Result<(AdapterSummary, wgpu::Adapter), GpuError> {
    let mut all = ranked(checked);
    let summaries: Vec<AdapterSummary> = all.iter().map(|(summary, _)| summary.clone()).collect();
    let name = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let index = pick(choice, name, &summaries)?;
    Ok(all.swap_remove(index))
}

/// Position of the chosen adapter in a list that is sorted best first.
fn pick(choice: &AdapterChoice, environment: Option<String>, all: &[AdapterSummary]) -> Result<usize, GpuError> {
    if all.is_empty() {
        return Err(GpuError::NoAdapter { wanted: "GPU adapter" });
    }
    let named = |wanted: &str| {
        let lower = wanted.to_lowercase();
        let found = all.iter().position(|adapter| adapter.name.to_lowercase().contains(&lower));
        found.ok_or_else(|| unknown(wanted, all))
    };
    match (choice, environment) {
        (AdapterChoice::Auto, Some(wanted)) => named(&wanted),
        (AdapterChoice::Auto, None) => Ok(0),
        (AdapterChoice::Index(index), _) if *index < all.len() => Ok(*index),
        (AdapterChoice::Index(index), _) => Err(unknown(&index.to_string(), all)),
        (AdapterChoice::Named(wanted), _) => named(wanted),
        (AdapterChoice::Software, _) => {
            let found = all.iter().position(|adapter| adapter.software);
            found.ok_or(GpuError::NoAdapter { wanted: "software adapter" })
        }
    }
}

fn unknown(wanted: &str, all: &[AdapterSummary]) -> GpuError {
    let lower = wanted.to_lowercase();
    // A name is long and what was typed is short, so each of its words counts by itself.
    let likeness = |adapter: &AdapterSummary| {
        let name = adapter.name.to_lowercase();
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let best = words.map(|word| strsim::jaro_winkler(word, &lower)).fold(0.0, f64::max);
        best.max(strsim::jaro_winkler(&name, &lower))
    };
    let mut order: Vec<&AdapterSummary> = all.iter().collect();
    order.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let available = order.iter().map(|a| format!("{}: {} ({})", a.index, a.name, a.backend)).collect();
    GpuError::UnknownAdapter { wanted: wanted.to_string(), available }
}

fn ranked(checked: bool) -> Vec<(AdapterSummary, wgpu::Adapter)> {
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
    found.into_iter().enumerate().map(|(index, adapter)| (AdapterSummary::of(index, &adapter), adapter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<AdapterSummary> {
        let limits = DeviceLimits::from(&wgpu::Limits::default());
        let adapter = |index, name: &str, software| AdapterSummary {
            index,
            name: name.to_string(),
            backend: "vulkan".to_string(),
            device_type: if software { "cpu" } else { "discrete" }.to_string(),
            driver: String::new(),
            driver_info: String::new(),
            software,
            loop_iterations: None,
            limits: limits.clone(),
        };
        vec![adapter(0, "NVIDIA H200", false), adapter(1, "AMD Radeon RX", false), adapter(2, "llvmpipe (LLVM)", true)]
    }

    #[test]
    fn choices_are_read_from_text() {
        assert_eq!("auto".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Auto));
        assert_eq!("Software".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Software));
        assert_eq!("2".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Index(2)));
        assert_eq!("RTX 4090".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Named("RTX 4090".into())));
        let error = "cpu".parse::<AdapterChoice>().unwrap_err().to_string();
        assert!(error.contains("not built yet"), "{error}");
    }

    #[test]
    fn every_choice_picks_the_expected_adapter() {
        let pick_of = |text: &str| pick(&text.parse().unwrap(), None, &list()).ok();
        assert_eq!(pick_of("auto"), Some(0));
        assert_eq!(pick_of("1"), Some(1));
        assert_eq!(pick_of("radeon"), Some(1));
        assert_eq!(pick_of("software"), Some(2));
        assert_eq!(pick_of("3"), None);
    }

    #[test]
    fn the_environment_counts_only_for_auto() {
        let environment = || Some("LLVM".to_string());
        assert_eq!(pick(&AdapterChoice::Auto, environment(), &list()).ok(), Some(2));
        assert_eq!(pick(&AdapterChoice::Index(0), environment(), &list()).ok(), Some(0));
    }

    #[test]
    fn unknown_names_list_the_nearest_first() {
        let error = pick(&AdapterChoice::Named("raedon".into()), None, &list()).unwrap_err().to_string();
        assert!(error.contains("`raedon`") && error.contains("nearest first: 1: AMD Radeon RX"), "{error}");
    }

    #[test]
    fn a_machine_without_adapters_says_what_to_install() {
        let error = pick(&AdapterChoice::Auto, None, &[]).unwrap_err().to_string();
        for package in ["mesa-vulkan-drivers", "vulkan-swrast"] {
            assert!(error.contains(package), "{error}");
        }
        let hardware = &list()[..2];
        let error = pick(&AdapterChoice::Software, None, hardware).unwrap_err().to_string();
        assert!(error.contains("no software adapter"), "{error}");
    }
}
