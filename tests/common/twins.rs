//! A graph through the twins of its kernels, without an engine, for every instruction set of the machine.

use flowmill::engine::{Call, KernelDesc, Words};
use flowmill::fuse::Target;
use flowmill::ir::{Graph, Outputs};
use flowmill::kernels::weight_gradients::{self, BLOCK_WORDS, WeightGradientArgs};
use flowmill::rng::Key;
use flowmill::simd::Isa;

use super::fresh::{Fresh, poison};
use super::programs::{Case, Layout, Values, agree, arguments, layout, on_reference, results, values};

/// Runs all tasks of a dispatch on two workers, last task first.
pub fn dispatch(desc: &KernelDesc, isa: Isa, groups: [u32; 3], immediates: &[u8], buffers: &mut [&mut [f32]]) {
    let twin = desc.twin.as_ref().unwrap_or_else(|| panic!("{} has no twin", desc.name));
    let kernel = twin.prepare(isa, 2).unwrap_or_else(|e| panic!("{e}"));
    let views: Vec<Words> = buffers.iter_mut().map(|b| Words::of_floats(b)).collect();
    let call = Call { groups, immediates, buffers: &views };
    (0..kernel.tasks(&call)).rev().for_each(|task| kernel.run(&call, task, task % 2));
}

/// Outputs, and every word that was written.
fn run(graph: &Graph, case: Case, values: &Values, key: Key, isa: Isa) -> Result<(Outputs, Vec<u32>), String> {
    let Layout { placement, mut rollout, mut params, words, tile, mut table, copies } = layout(graph, case, values)?;
    let mut scratch = poison(tile.scratch_bytes(case.rows) as usize / 4);
    let uniforms: Vec<f32> = tile.uniforms.iter().map(|u| values.uniforms[u]).collect();
    let mut buffers: Vec<&mut [f32]> = vec![];
    let (mut one, mut two, mut three) = (Some(&mut rollout[..]), Some(&mut params[..]), Some(&mut scratch[..]));
    for name in &tile.desc.bindings {
        buffers.push(match name.strip_suffix("_f32").unwrap_or(name) {
            "rollout" => one.take().unwrap(),
            // Bound twice where it is read as vectors and as scalars; the interpreter reads the first.
            "params" => two.take().unwrap_or(&mut []),
            "scratch" => three.take().unwrap(),
            other => panic!("{other}"),
        });
    }
    let immediates = tile.immediates(&arguments(case, key), &uniforms);
    dispatch(&tile.desc, isa, tile.groups(case.rows), &immediates, &mut buffers);
    let mut partials = vec![0.0; (case.slices * copies * words) as usize];
    if !table.is_empty() {
        let args = WeightGradientArgs {
            tiles: case.rows.div_ceil(tile.shape.rows()),
            tile_features: tile.scratch_features,
            tile_rows: tile.shape.rows(),
            gradient_words: words,
            first_slice: 0,
        };
        let groups = [(table.len() / BLOCK_WORDS) as u32, case.slices, 1];
        let mut buffers: [&mut [f32]; 3] = [&mut table, &mut scratch, &mut partials];
        dispatch(&weight_gradients::desc(), isa, groups, bytemuck::bytes_of(&args), &mut buffers);
    }
    let sum = |w: usize| partials.iter().skip(w).step_by(words as usize).map(|v| f64::from(*v)).sum::<f64>();
    let gradient: Vec<f64> = (0..words as usize).map(|w| sum(w) / f64::from(case.rows)).collect();
    let mut read = |name: &str, count: usize, first: usize| {
        Ok(match name {
            "rollout" => rollout[first..first + count].iter().map(|v| f64::from(*v)).collect(),
            _ => gradient[first..first + count].to_vec(),
        })
    };
    let out = results(graph, case, key, &placement, &mut read)?;
    let bits = rollout.iter().chain(&partials).map(|v| v.to_bits()).collect();
    Ok((out, bits))
}

/// Every store, mean and gradient against the reference; AVX2 and AVX-512 must give the same bytes.
pub fn check(graph: &Graph, rows: u32, shuffle: Option<u32>, fresh: &mut Fresh, tolerance: f64) -> Result<(), String> {
    let case = Case { target: Target::CPU, rows, shuffle, slices: 1 + rows % 3 };
    let values = values(graph, shuffle.unwrap_or(rows), fresh);
    let key = Key { seed: u64::from(fresh.word()), stream: 0x200, iteration: fresh.word() % 7 };
    let want = on_reference(graph, case, &values, key)?;
    let mut fused: Option<Vec<u32>> = None;
    for isa in Isa::available() {
        let (got, bits) = run(graph, case, &values, key, isa)?;
        agree(graph, &got, &want, tolerance).map_err(|e| format!("{isa}, {rows} rows: {e}"))?;
        if isa != Isa::Baseline {
            let same = fused.get_or_insert_with(|| bits.clone()) == &bits;
            if !same {
                return Err(format!("{}, {rows} rows: AVX2 and AVX-512 differ", graph.name));
            }
        }
    }
    Ok(())
}
