//! Which adapters there are and which one to take: a hardware GPU, else the CPU engine; a software GPU only when asked for.

use std::str::FromStr;

use serde::Serialize;

use super::cpu::MAX_BINDINGS;
use super::{EngineError, EngineOptions, gpu};
use crate::simd::Isa;

/// Which adapter to open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AdapterChoice {
    /// The best one: `WGPU_ADAPTER_NAME` when set, else a discrete, integrated or virtual GPU in this order, else the CPU
    /// engine.
    #[default]
    Auto,
    /// Position in the list that [`adapters`] returns.
    Index(usize),
    /// The first adapter whose name contains this text, in any case.
    Named(String),
    /// The CPU engine, which needs no driver.
    Cpu,
    /// The first software adapter (lavapipe, WARP).
    Software,
}

impl FromStr for AdapterChoice {
    type Err = EngineError;

    /// `auto`, `cpu`, `software`, a number, or part of a name.
    fn from_str(text: &str) -> Result<Self, EngineError> {
        let text = text.trim();
        match text.to_lowercase().as_str() {
            "" | "auto" => Ok(Self::Auto),
            "software" => Ok(Self::Software),
            "cpu" => Ok(Self::Cpu),
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

/// What stands behind an adapter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// Graphics hardware.
    Gpu,
    /// The CPU engine.
    Cpu,
    /// A driver that makes a CPU look like a GPU.
    Software,
}

/// One adapter, described without opening a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AdapterSummary {
    /// Position in the list that [`adapters`] returns.
    pub index: usize,
    /// Name as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, or `native` for the CPU engine.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub device_type: String,
    /// Driver name.
    pub driver: String,
    /// Driver version.
    pub driver_info: String,
    /// What stands behind it.
    pub kind: AdapterKind,
    /// Loop iterations of one invocation, all its loops together, after which the driver silently leaves every loop.
    /// Mesa's llvmpipe stops at 65535 (`LP_MAX_TGSI_LOOP_ITERATIONS`); no other driver is known to.
    pub loop_iterations: Option<u32>,
    /// What it allows.
    pub limits: DeviceLimits,
}

/// What [`choose`] found.
pub(super) enum Chosen {
    /// An adapter of wgpu.
    Gpu(gpu::Found),
    /// The CPU engine.
    Cpu {
        /// Threads, at least 1.
        threads: usize,
        /// Instruction set.
        isa: Isa,
    },
}

/// Every adapter of this machine, best first; needs no device. `WGPU_BACKEND` narrows the list, and `FLOWMILL_ISA` is the
/// CPU engine's instruction set where it is one that the processor has.
pub fn adapters() -> Vec<AdapterSummary> {
    // A value that no engine would take is refused by whoever opens one; a list has no room for that.
    let cpu = cpu_summary(default_threads(), isa_of_environment().unwrap_or_else(|_| Isa::detect()));
    numbered(gpu::ranked(false).into_iter().map(|(summary, _)| summary).collect(), cpu)
}

/// The adapter that the options mean, with its description.
pub(super) fn choose(options: &EngineOptions) -> Result<(AdapterSummary, Chosen), EngineError> {
    let threads = options.threads.unwrap_or_else(default_threads);
    if threads == 0 || threads > MAX_THREADS {
        return Err(EngineError::Threads { threads });
    }
    let isa = match options.isa {
        Some(isa) => isa.within(Isa::detect()).map_err(EngineError::Isa)?,
        None => isa_of_environment()?,
    };
    let cpu = cpu_summary(threads, isa);
    // Without a look for drivers, which takes longer than everything else that the CPU engine does at its start.
    let gpus = if options.adapter == AdapterChoice::Cpu { Vec::new() } else { gpu::ranked(options.checked) };
    let all = numbered(gpus.iter().map(|(summary, _)| summary.clone()).collect(), cpu);
    let name = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
    let summary = all[pick(&options.adapter, name, &all)?].clone();
    if summary.kind == AdapterKind::Cpu {
        return Ok((summary, Chosen::Cpu { threads, isa }));
    }
    // The list of all is that of wgpu with one entry more: the CPU engine's.
    let before = all[..summary.index].iter().filter(|adapter| adapter.kind != AdapterKind::Cpu).count();
    let found = gpus.into_iter().nth(before).map(|(_, adapter)| (summary, Chosen::Gpu(adapter)));
    found.ok_or(EngineError::NoAdapter { wanted: "GPU adapter" })
}

/// Most threads of the CPU engine.
const MAX_THREADS: usize = 1024;

/// One thread a core.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get()).min(MAX_THREADS)
}

/// `FLOWMILL_ISA`, else the best instruction set of this processor.
fn isa_of_environment() -> Result<Isa, EngineError> {
    match std::env::var("FLOWMILL_ISA") {
        Ok(text) if !text.is_empty() => text.parse().map_err(|why| EngineError::Isa(format!("FLOWMILL_ISA: {why}"))),
        _ => Ok(Isa::detect()),
    }
}

/// Hardware first, then the CPU engine, then software drivers.
fn numbered(mut all: Vec<AdapterSummary>, cpu: AdapterSummary) -> Vec<AdapterSummary> {
    let at = all.iter().position(|adapter| adapter.kind == AdapterKind::Software).unwrap_or(all.len());
    all.insert(at, cpu);
    (0..).zip(&mut all).for_each(|(index, adapter)| adapter.index = index);
    all
}

/// The CPU engine as an adapter. Its limits are those of its plans and of 32-bit word offsets.
fn cpu_summary(threads: usize, isa: Isa) -> AdapterSummary {
    let plural = if threads == 1 { "thread" } else { "threads" };
    let memory = memory_bytes();
    AdapterSummary {
        index: 0,
        name: format!("CPU engine ({isa}, {threads} {plural})"),
        backend: "native".into(),
        device_type: "cpu".into(),
        driver: "flowmill".into(),
        driver_info: processor(),
        kind: AdapterKind::Cpu,
        loop_iterations: None,
        limits: DeviceLimits {
            workgroup_bytes: 16 << 20,
            invocations: 1024,
            storage_buffers: MAX_BINDINGS as u32,
            storage_binding_bytes: memory,
            buffer_bytes: memory,
            workgroups_per_dimension: u32::MAX,
            immediate_bytes: 128,
        },
    }
}

/// A line of a file that Linux has, behind its colon.
fn line_of(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim().to_string())
}

/// Largest buffer: the machine's memory, at most what 32-bit word offsets reach; 4 GiB where the system does not say.
fn memory_bytes() -> u64 {
    let total = line_of("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    total.map_or(4 << 30, |kib| kib << 10).min(16 << 30) / 4 * 4
}

/// The processor's name where the system tells it.
fn processor() -> String {
    line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// Position of the chosen adapter in a list that is sorted best first.
fn pick(choice: &AdapterChoice, environment: Option<String>, all: &[AdapterSummary]) -> Result<usize, EngineError> {
    let of_kind = |kind: AdapterKind| all.iter().position(|adapter| adapter.kind == kind);
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
        (AdapterChoice::Cpu, _) => of_kind(AdapterKind::Cpu).ok_or(EngineError::NoAdapter { wanted: "CPU engine" }),
        (AdapterChoice::Software, _) => {
            of_kind(AdapterKind::Software).ok_or(EngineError::NoAdapter { wanted: "software adapter" })
        }
    }
}

fn unknown(wanted: &str, all: &[AdapterSummary]) -> EngineError {
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
    EngineError::UnknownAdapter { wanted: wanted.to_string(), available }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, kind: AdapterKind) -> AdapterSummary {
        AdapterSummary { name: name.to_string(), kind, ..cpu_summary(1, Isa::Baseline) }
    }

    fn list() -> Vec<AdapterSummary> {
        let gpus = vec![
            adapter("NVIDIA H200", AdapterKind::Gpu),
            adapter("AMD Radeon RX", AdapterKind::Gpu),
            adapter("llvmpipe (LLVM)", AdapterKind::Software),
        ];
        numbered(gpus, cpu_summary(2, Isa::Avx2))
    }

    #[test]
    fn choices_are_read_from_text() {
        assert_eq!("auto".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Auto));
        assert_eq!("Software".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Software));
        assert_eq!("CPU".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Cpu));
        assert_eq!("2".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Index(2)));
        assert_eq!("RTX 4090".parse::<AdapterChoice>().ok(), Some(AdapterChoice::Named("RTX 4090".into())));
    }

    #[test]
    fn every_choice_picks_the_expected_adapter() {
        let pick_of = |text: &str| pick(&text.parse().unwrap(), None, &list()).ok();
        assert_eq!(pick_of("auto"), Some(0));
        assert_eq!(pick_of("1"), Some(1));
        assert_eq!(pick_of("radeon"), Some(1));
        assert_eq!(pick_of("cpu"), Some(2));
        assert_eq!(pick_of("software"), Some(3));
        assert_eq!(pick_of("4"), None);
    }

    #[test]
    fn without_graphics_hardware_the_cpu_engine_comes_first_and_the_software_driver_only_when_asked_for() {
        let all = numbered(vec![adapter("llvmpipe", AdapterKind::Software)], cpu_summary(2, Isa::Avx2));
        assert_eq!(all[pick(&AdapterChoice::Auto, None, &all).unwrap()].kind, AdapterKind::Cpu);
        assert_eq!(all[pick(&AdapterChoice::Software, None, &all).unwrap()].kind, AdapterKind::Software);
        assert_eq!(all.iter().map(|adapter| adapter.index).collect::<Vec<_>>(), [0, 1]);
        let alone = numbered(vec![], cpu_summary(1, Isa::Baseline));
        assert_eq!(pick(&AdapterChoice::Auto, None, &alone).ok(), Some(0));
    }

    #[test]
    fn the_environment_counts_only_for_auto() {
        let environment = || Some("LLVM".to_string());
        assert_eq!(pick(&AdapterChoice::Auto, environment(), &list()).ok(), Some(3));
        assert_eq!(pick(&AdapterChoice::Index(0), environment(), &list()).ok(), Some(0));
        assert_eq!(pick(&AdapterChoice::Cpu, environment(), &list()).ok(), Some(2));
    }

    #[test]
    fn unknown_names_list_the_nearest_first() {
        let error = pick(&AdapterChoice::Named("raedon".into()), None, &list()).unwrap_err().to_string();
        assert!(error.contains("`raedon`") && error.contains("nearest first: 1: AMD Radeon RX"), "{error}");
    }

    #[test]
    fn a_machine_without_a_software_driver_says_what_to_install() {
        let error = pick(&AdapterChoice::Software, None, &list()[..3]).unwrap_err().to_string();
        for part in ["no software adapter", "mesa-vulkan-drivers", "vulkan-swrast"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_instruction_set_that_the_processor_lacks_is_refused() {
        for isa in [Isa::Baseline, Isa::Avx2, Isa::Avx512] {
            let options = EngineOptions { adapter: AdapterChoice::Cpu, isa: Some(isa), ..Default::default() };
            let chosen = choose(&options);
            if isa <= Isa::detect() {
                assert!(matches!(chosen, Ok((_, Chosen::Cpu { isa: taken, .. })) if taken == isa), "{isa}");
            } else {
                assert!(matches!(chosen, Err(EngineError::Isa(why)) if why.contains("this processor has no")), "{isa}");
            }
        }
    }

    #[test]
    fn no_threads_at_all_are_refused() {
        let options = EngineOptions { adapter: AdapterChoice::Cpu, threads: Some(0), ..Default::default() };
        let error = choose(&options).err().unwrap().to_string();
        assert!(error.contains("threads") && error.contains("expected 1..="), "{error}");
    }
}
