//! The counted work of a graph's kernel: arithmetic from the graph, traffic from the plan.

use std::collections::{BTreeSet, HashMap};

use super::homes::{Home, Homes, carried};
use super::{Placement, TileArgs};
use crate::engine::{CountedWork, Work};
use crate::ir::{Graph, Op, ParamId, work_of_values};

/// A row's operations, inputs, stores and scratch, times the rows of a dispatch, and every tensor once. The reductions
/// over rows are other kernels' work. Rows of a table that are looked up count as the whole table.
pub(super) fn counted(graph: &Graph, homes: &Homes, placement: &Placement) -> CountedWork {
    let (matrix, other) = work_of_values(graph);
    let words = input_words(graph, placement) + store_words(graph) + scratch_words(graph, homes);
    let row = Work { matrix_flops: matrix as f64, other_flops: other as f64, bytes: 4.0 * words as f64 };
    let tensors = Work { bytes: 4.0 * tensor_words(graph) as f64, ..Work::default() };
    CountedWork::of_args(move |args: TileArgs, _| row * f64::from(args.rows) + tensors)
}

/// Inputs that are in memory.
fn input_words(graph: &Graph, placement: &Placement) -> usize {
    let in_memory = |name: &String| placement.inputs.get(name).is_some_and(|rows| !rows.buffer.is_empty());
    graph.inputs.iter().filter(|input| in_memory(&input.name)).map(|input| input.width).sum()
}

fn store_words(graph: &Graph) -> usize {
    graph.stores.iter().map(|store| store.width).sum()
}

/// Features of scratch: each is written, and those that live nowhere else, or that a finished loop left, are read.
fn scratch_words(graph: &Graph, homes: &Homes) -> usize {
    let mut read = BTreeSet::new();
    for (node, home) in &homes.home {
        if let Home::Scratch(feature) = home {
            read.extend(*feature..feature + graph.width(*node) as u32);
        }
    }
    for node in &graph.nodes {
        if let Op::History(repeat, k, _) = &node.op
            && let Some(record) = carried(graph, *repeat, *k).and_then(|value| homes.record.get(&value))
        {
            read.extend(record.feature..record.feature + record.segments * node.width as u32);
        }
    }
    homes.scratch_features as usize + read.len()
}

/// Words of the tensors, of those that are used in blocks the rows of these blocks.
fn tensor_words(graph: &Graph) -> usize {
    let mut rows: HashMap<ParamId, BTreeSet<u32>> = HashMap::new();
    for node in &graph.nodes {
        if let Op::Dense(layer) = &node.op {
            for view in layer.terms.iter().map(|term| term.weight) {
                rows.entry(view.param).or_default().extend(view.row0..view.row0 + view.rows);
            }
            if let Some(bias) = layer.bias {
                rows.entry(bias).or_default().insert(0);
            }
        }
        if let Op::Param(param) | Op::Gather(param, _) = &node.op {
            rows.entry(*param).or_default().extend(0..graph.params[param.0 as usize].rows as u32);
        }
    }
    rows.iter().map(|(param, rows)| rows.len() * graph.params[param.0 as usize].cols).sum()
}
