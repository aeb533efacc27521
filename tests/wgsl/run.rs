//! One module, here and on the driver.

use flowmill::engine::{AdapterChoice, CountedWork, Engine, EngineOptions, KernelDesc, Words};
use flowmill::simd::Isa;
use flowmill::wgsl::{Program, ProgramOptions};

use crate::common::device;

/// The software driver, or `None` where there is none (an error if REQUIRE_GPU is set).
pub fn driver() -> Option<Engine> {
    let options = EngineOptions { adapter: AdapterChoice::Software, checked: true, ..Default::default() };
    match Engine::new(&options) {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var_os("REQUIRE_GPU").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

/// A kernel without a twin.
pub fn kernel(name: &str, wgsl: &str, bindings: &[&str]) -> KernelDesc {
    let bindings = bindings.iter().map(|name| name.to_string()).collect();
    KernelDesc { name: name.into(), wgsl: wgsl.into(), bindings, work: CountedWork::default(), twin: None }
}

/// Compiles for an instruction set, without checks.
pub fn program(desc: &KernelDesc, isa: Isa) -> Program {
    let options = ProgramOptions { bindings: &desc.bindings, isa, checked: None, interpreted: false };
    Program::compile(&desc.wgsl, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a kernel with the executor on copies of the buffers, once for every instruction set; the bytes must be the same.
pub fn executor(desc: &KernelDesc, contents: &[&[f32]], immediates: &[u8], groups: [u32; 3]) -> Vec<Vec<f32>> {
    let mut results: Vec<(Isa, Vec<Vec<f32>>)> = Vec::new();
    for isa in Isa::available() {
        let program = program(desc, isa);
        let mut buffers: Vec<Vec<f32>> = contents.iter().map(|words| words.to_vec()).collect();
        let views: Vec<Words<'_>> = buffers.iter_mut().map(|words| Words::of_floats(words)).collect();
        program.run_all(groups, immediates, &views, &mut program.frame());
        results.push((isa, buffers));
    }
    let (first, buffers) = results.swap_remove(0);
    for (isa, others) in results {
        for (buffer, (a, b)) in buffers.iter().zip(&others).enumerate() {
            let differs = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(differs, None, "word of buffer {buffer} differs between {first} and {isa}");
        }
    }
    buffers
}

/// The same on the driver.
pub fn on_driver(engine: &mut Engine, desc: &KernelDesc, contents: &[&[f32]], groups: [u32; 3]) -> Vec<Vec<f32>> {
    device::run(engine, desc, contents, &[0u32; 0], groups)
}

/// Whether two floats agree: equal, both not finite in the same way, or close.
pub fn close(a: f32, b: f32, relative: f32, absolute: f32) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs().max(a.abs())
}
