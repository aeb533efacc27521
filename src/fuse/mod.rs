//! From a graph to one WGSL kernel: *tile lowering*.
//!
//! `schedule` orders nodes into loops, dense layers and `repeat`s; `homes` decides where values live between them;
//! `print` writes the text. The result is a [`TileKernel`]: a kernel description, the shape of its tile, and the
//! weight-gradient jobs that its scratch feeds.

use std::sync::Arc;

use thiserror::Error;

use crate::engine::KernelDesc;
use crate::ir::{Graph, NodeId, Op, Sink};
use crate::kernels::weight_gradients::GradJob;
use steps::Form;

mod homes;
mod interpret;
mod placement;
mod print;
mod schedule;
mod steps;
mod target;
mod work;

pub use homes::Record;
pub use interpret::TileTwin;
pub use placement::{Placement, Rows, Tensor};
pub use steps::Between;
pub use target::{Shape, Target};

/// Why a graph has no plan.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum FuseError {
    /// Loops in loops are not lowered.
    #[error("graph `{graph}`: a repeat inside a repeat has no tile plan")]
    NestedLoops {
        /// The graph.
        graph: String,
    },
    /// The placement forgot something.
    #[error("graph `{graph}`: `{name}` has no place in any buffer")]
    Unplaced {
        /// The graph.
        graph: String,
        /// Input, store or parameter.
        name: String,
    },
    /// A combination of operations without a lowering.
    #[error("graph `{graph}`: {what} has no tile lowering")]
    Unsupported {
        /// The graph.
        graph: String,
        /// The operation.
        what: String,
    },
    /// A value is wider than the design limit.
    #[error("graph `{graph}`: {value} is {width} wide, expected at most {limit}")]
    TooWide {
        /// The graph.
        graph: String,
        /// What it computes.
        value: String,
        /// Its width.
        width: usize,
        /// The limit.
        limit: usize,
    },
    /// Immediates are limited to 128 bytes.
    #[error("graph `{graph}` has {count} uniforms, expected at most {limit}")]
    TooManyUniforms {
        /// The graph.
        graph: String,
        /// How many it has.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

/// Widest value of a graph with a tile plan (a concatenation of two 512-wide layers).
pub const MAX_WIDTH: usize = 1024;

/// Immediates of a tile kernel before the graph's uniforms. Twin: `Args` in the generated WGSL.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct TileArgs {
    /// Rows of this dispatch.
    pub rows: u32,
    /// Batch index of row 0.
    pub first_row: u32,
    /// Samples that the shuffle permutes (kernels that shuffle).
    pub shuffle_count: u32,
    /// Part of the random key: rollout step, or epoch.
    pub step: u32,
    /// Seed, low word.
    pub seed_lo: u32,
    /// Seed, high word.
    pub seed_hi: u32,
    /// Part of the random key: training iteration.
    pub iteration: u32,
    /// Stream of the shuffle's key (a different one for every epoch).
    pub shuffle_stream: u32,
}

/// A graph as one kernel.
#[derive(Clone, Debug)]
pub struct TileKernel {
    /// Text, bindings, counted work. Bindings named `X_f32` are scalar views of role buffer `X`.
    pub desc: KernelDesc,
    /// Tile shape.
    pub shape: Shape,
    /// Scratch features of one tile; the buffer needs `tiles * features * rows` floats.
    pub scratch_features: u32,
    /// Reductions over rows that follow the kernel.
    pub jobs: Vec<GradJob>,
    /// Operations of a row, in every step of a kernel of several.
    pub row_operations: f64,
    /// Loop iterations that one invocation makes at most, in every step of a kernel of several; some software drivers
    /// leave loops after 65 535.
    pub loop_iterations: u64,
    /// Names of the uniforms, in the order of the immediates.
    pub uniforms: Vec<String>,
}

impl TileKernel {
    /// Workgroups for a number of rows.
    pub fn groups(&self, rows: u32) -> [u32; 3] {
        [rows.div_ceil(self.shape.rows()), 1, 1]
    }

    /// Bytes of scratch for a number of rows.
    pub fn scratch_bytes(&self, rows: u32) -> u64 {
        let tiles = u64::from(rows.div_ceil(self.shape.rows()));
        tiles * u64::from(self.scratch_features) * u64::from(self.shape.rows()) * 4
    }

    /// Immediates: the arguments, then the uniforms in order.
    pub fn immediates(&self, args: &TileArgs, uniforms: &[f32]) -> Vec<u8> {
        [bytemuck::bytes_of(args), bytemuck::cast_slice(uniforms)].concat()
    }
}

/// Lower a graph: `shuffled` kernels read sample `shuffle(first_row + row)`, others sample `first_row + row`.
pub fn lower(graph: &Graph, placement: &Placement, target: &Target, shuffled: bool) -> Result<TileKernel, FuseError> {
    plan(graph, placement, target, if shuffled { Form::Shuffled } else { Form::Once })
}

/// Lower a graph that runs step after step, followed by `between` in each of them. Twin and counted work are those of the
/// graph alone in one step, the twin for the bindings of the whole kernel.
pub fn lower_steps(
    graph: &Graph,
    placement: &Placement,
    target: &Target,
    between: &Between<'_>,
) -> Result<TileKernel, FuseError> {
    plan(graph, placement, target, Form::Steps(between))
}

fn plan(graph: &Graph, placement: &Placement, target: &Target, form: Form<'_>) -> Result<TileKernel, FuseError> {
    if let Some(node) = graph.nodes.iter().find(|n| n.width > MAX_WIDTH) {
        let (graph, value) = (graph.name.clone(), describe(graph, &node.op));
        return Err(FuseError::TooWide { graph, value, width: node.width, limit: MAX_WIDTH });
    }
    let limit = 32 - print::ARGS_WORDS;
    if graph.uniforms.len() > limit {
        return Err(FuseError::TooManyUniforms { graph: graph.name.clone(), count: graph.uniforms.len(), limit });
    }
    let dense = |n: &&crate::ir::Node| matches!(n.op, Op::Dense(_));
    let widest_layer = graph.nodes.iter().filter(dense).map(|n| n.width).max().unwrap_or(1);
    let shape = Shape::choose(target, widest_layer);
    let facts = schedule::Facts::new(graph)?;
    let program = schedule::schedule(graph, &facts)?;
    let homes = homes::assign(graph, &facts, &program, &shape);
    let print::Module { text: wgsl, bindings, iterations } =
        print::module(graph, &facts, &program, &homes, (target, &shape), placement, form)?;
    let twin = TileTwin {
        graph: graph.clone(),
        placement: placement.clone(),
        records: homes.record.clone(),
        rows: shape.rows(),
        scratch_features: homes.scratch_features,
        bindings: bindings.clone(),
        shuffled: matches!(form, Form::Shuffled),
    };
    let name = match form {
        Form::Steps(between) => between.name.to_string(),
        _ => graph.name.clone(),
    };
    let (matrix, other) = crate::ir::work_of_values(graph);
    let between = if let Form::Steps(between) = form { between.operations } else { 0.0 };
    let row_operations = (matrix + other) as f64 + between;
    let (work, twin) = (work::counted(graph, &homes, placement), Some(Arc::new(twin) as _));
    let desc = KernelDesc { name, wgsl, bindings, work, twin };
    let jobs = jobs(graph, &homes, placement)?;
    let uniforms = graph.uniforms.iter().map(|u| u.name.clone()).collect();
    Ok(TileKernel {
        desc,
        shape,
        scratch_features: homes.scratch_features,
        jobs,
        row_operations,
        loop_iterations: iterations,
        uniforms,
    })
}

/// A value in words, for messages.
fn describe(graph: &Graph, op: &Op) -> String {
    match op {
        Op::Input(i) => format!("input `{}`", graph.inputs[i.0 as usize].name),
        Op::Param(p) => format!("parameter `{}`", graph.params[p.0 as usize].name),
        Op::Dense(dense) => {
            let weights = dense.terms.iter().map(|t| graph.params[t.weight.param.0 as usize].name.as_str());
            format!("the dense layer of `{}`", weights.collect::<Vec<_>>().join("`, `"))
        }
        op => format!("{op:?}"),
    }
}

/// The reductions that the graph's sinks ask for.
fn jobs(graph: &Graph, homes: &homes::Homes, placement: &Placement) -> Result<Vec<GradJob>, FuseError> {
    let unplaced = |name: &str| FuseError::Unplaced { graph: graph.name.clone(), name: name.into() };
    let record = |node: &NodeId| homes.record.get(node).copied().ok_or_else(|| unplaced("gradient operand"));
    let param = |id: crate::ir::ParamId| {
        let name = &graph.params[id.0 as usize].name;
        let word = placement.gradients.get(name).copied().ok_or_else(|| unplaced(name))?;
        let ld = placement.params.get(name).map(|t| t.ld).ok_or_else(|| unplaced(name))?;
        Ok::<_, FuseError>((word, ld))
    };
    let mut jobs = Vec::new();
    for sink in &graph.sinks {
        match sink {
            Sink::Store { .. } => {}
            Sink::Mean { mean, value } => {
                let dy = record(value)?;
                jobs.push(ones(&dy, 1, placement.means + *mean as u32, 4));
            }
            Sink::GradVector { param: p, dy } => {
                let (word, ld) = param(*p)?;
                jobs.push(ones(&record(dy)?, graph.width(*dy) as u32, word, ld));
            }
            Sink::GradDense { weight, x, dy } => {
                let (word, ld) = param(weight.param)?;
                let (x_record, dy_record) = (record(x)?, record(dy)?);
                jobs.push(GradJob {
                    x_feature: Some(x_record.feature),
                    x_width: weight.rows,
                    x_stride: x_record.stride,
                    dy_feature: dy_record.feature,
                    dy_width: graph.width(*dy) as u32,
                    dy_stride: dy_record.stride,
                    segments: dy_record.segments.max(x_record.segments),
                    out_word: word + weight.row0 * ld,
                    ld,
                });
            }
        }
    }
    Ok(merge(jobs))
}

fn ones(dy: &Record, width: u32, out_word: u32, ld: u32) -> GradJob {
    GradJob {
        x_feature: None,
        x_width: 1,
        x_stride: 0,
        dy_feature: dy.feature,
        dy_width: width,
        dy_stride: dy.stride,
        segments: dy.segments,
        out_word,
        ld,
    }
}

/// Neighbouring sums of single features (the batch means) become one job.
fn merge(jobs: Vec<GradJob>) -> Vec<GradJob> {
    let mut out: Vec<GradJob> = Vec::new();
    for job in jobs {
        if let Some(last) = out.last_mut()
            && last.x_feature.is_none()
            && job.x_feature.is_none()
            && (last.segments, job.segments) == (1, 1)
            && last.dy_feature + last.dy_width == job.dy_feature
            && last.out_word + last.dy_width == job.out_word
        {
            last.dy_width += job.dy_width;
            continue;
        }
        out.push(job);
    }
    out
}
