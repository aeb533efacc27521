//! The two engines that tests run on, and one kernel on either.

use std::fmt;
use std::sync::OnceLock;

use bytemuck::Pod;
use flowmill::engine::{AdapterChoice, AdapterKind, Engine, EngineOptions, KernelDesc, Recording, adapters};

/// The engine of a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// A GPU, or a driver that makes a CPU look like one: `WGPU_ADAPTER_NAME` when set, else the best of the machine.
    Gpu,
    /// The CPU engine.
    Cpu,
}

/// Threads of the CPU engine in tests: more than one on every machine, so that work is really shared.
pub const THREADS: usize = 2;

impl On {
    /// Options that open this engine.
    pub fn options(self) -> EngineOptions {
        match self {
            On::Gpu => EngineOptions { adapter: gpu().unwrap_or(AdapterChoice::Software), ..Default::default() },
            On::Cpu => EngineOptions { adapter: AdapterChoice::Cpu, threads: Some(THREADS), ..Default::default() },
        }
    }

    /// An engine with checked modules.
    pub fn engine(self) -> Engine {
        self.open(EngineOptions { checked: true, ..self.options() })
    }

    /// An engine as a release build runs it.
    pub fn unchecked_engine(self) -> Engine {
        self.open(self.options())
    }

    fn open(self, options: EngineOptions) -> Engine {
        let engine = Engine::new(&options).unwrap_or_else(|error| panic!("{self}: {error}"));
        assert_eq!(engine.adapter().kind == AdapterKind::Cpu, self == On::Cpu, "{self}: {}", engine.adapter().name);
        engine
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            On::Gpu => "GPU engine",
            On::Cpu => "CPU engine",
        })
    }
}

/// Which GPU the tests use; looked for once in a process.
fn gpu() -> Option<AdapterChoice> {
    static FOUND: OnceLock<Option<AdapterChoice>> = OnceLock::new();
    let find = || {
        let gpu = adapters().into_iter().find(|adapter| adapter.kind != AdapterKind::Cpu)?;
        let named = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty());
        Some(named.map_or(AdapterChoice::Index(gpu.index), AdapterChoice::Named))
    };
    FOUND.get_or_init(find).clone()
}

/// Whether there is a GPU engine: an error if REQUIRE_GPU is set, else `test` is visibly skipped.
pub fn has_gpu(test: &str) -> bool {
    let found = gpu().is_some();
    if !found {
        assert!(std::env::var_os("REQUIRE_GPU").is_none(), "REQUIRE_GPU is set, and there is no GPU adapter");
        eprintln!("SKIPPED on the GPU engine: no adapter ({test})");
    }
    found
}

/// Makes two tests of every listed function `fn name(on: On)`: `on_cpu::name` and `on_gpu::name`. What only one engine
/// promises is listed behind it: `on_both_engines!(a, b; gpu: c; cpu: d)`.
macro_rules! on_both_engines {
    ($($both:ident),* $(,)? $(; gpu: $($gpu:ident),* $(,)?)? $(; cpu: $($cpu:ident),* $(,)?)?) => {
        mod on_cpu {
            $crate::common::device::on_cpu!($($both)* $($($cpu)*)?);
        }
        mod on_gpu {
            $crate::common::device::on_gpu!($($both)* $($($gpu)*)?);
        }
    };
}

macro_rules! on_cpu {
    ($($test:ident)*) => {
        $(#[test]
        fn $test() {
            super::$test($crate::common::device::On::Cpu)
        })*
    };
}

macro_rules! on_gpu {
    ($($test:ident)*) => {
        $(#[test]
        fn $test() {
            if $crate::common::device::has_gpu(stringify!($test)) {
                super::$test($crate::common::device::On::Gpu)
            }
        })*
    };
}

pub(crate) use {on_both_engines, on_cpu, on_gpu};

/// Fills new buffers with `contents` (an empty one gets one word), runs the kernel once, and reads all of them back.
pub fn run(
    engine: &mut Engine,
    desc: &KernelDesc,
    contents: &[&[f32]],
    immediates: &[impl Pod],
    groups: [u32; 3],
) -> Vec<Vec<f32>> {
    let kernel = engine.kernel(desc).unwrap_or_else(|error| panic!("{error}"));
    let mut recording = Recording::new();
    let mut buffers = Vec::new();
    for (name, words) in desc.bindings.iter().zip(contents) {
        let buffer = engine.buffer(name, 4 * words.len().max(1) as u64).unwrap();
        recording.upload(buffer, 0, bytemuck::cast_slice(words));
        buffers.push(buffer);
    }
    recording.dispatch(kernel, &buffers, bytemuck::cast_slice(immediates), groups);
    engine.submit(&recording).unwrap();
    let read = |(&buffer, words): (_, &&[f32])| {
        let bytes = engine.read(buffer, 0, 4 * words.len() as u64).unwrap();
        bytemuck::pod_collect_to_vec(&bytes)
    };
    buffers.iter().zip(contents).map(read).collect()
}

/// Words as the floats of the same bits, for a buffer that holds both.
pub fn as_floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

/// The bits of floats.
pub fn as_words(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}
