//! One kernel on the adapter at hand.

use bytemuck::Pod;
use flowmill::engine::{Engine, EngineOptions, KernelDesc, Recording};

/// An engine with checked modules, or `None` where there is no adapter (an error if REQUIRE_GPU is set).
pub fn engine() -> Option<Engine> {
    match Engine::new(&EngineOptions { checked: true, ..Default::default() }) {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var_os("REQUIRE_GPU").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}

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
