//! Where on the path a sample is evaluated.

use crate::ir::{Builder, NodeId};
use crate::nn::{choice, times};

choice! {
    /// Distribution of the time of a sample (PolicyFlow, section 5.5).
    pub enum TimeSampling {
        /// Uniform over the `2 N + 1` grid times: starts and middles of the integration steps, and the end.
        Usd = "usd",
        /// Uniform over the whole interval.
        Usc = "usc",
        /// Several grid times for each sample, whose ratios are averaged (equation 10).
        MultiUsd = "multi-usd",
    }
}

/// Times drawn for a row.
#[derive(Clone, PartialEq, Debug)]
pub enum SampledTimes {
    /// Numbers of grid times, width 1 each.
    Nodes(Vec<NodeId>),
    /// A time, width 1.
    Continuous(NodeId),
}

impl TimeSampling {
    /// Draws the times of a row from `stream`; `count` is read by [`TimeSampling::MultiUsd`].
    pub fn draw(self, g: &mut Builder, stream: u32, steps: usize, horizon: f64, count: usize) -> SampledTimes {
        let count = if self == TimeSampling::MultiUsd { count.max(1) } else { 1 };
        let uniform = g.uniform_draw(stream, count);
        if self == TimeSampling::Usc {
            return SampledTimes::Continuous(times(g, uniform, horizon));
        }
        let last = 2 * steps;
        let spread = g.scale(uniform, (last + 1) as f32);
        let floor = g.floor(spread);
        // u (2 N + 1) can round up to 2 N + 1 in f32.
        let last = g.constant(last as f32);
        let nodes = g.min(floor, last);
        SampledTimes::Nodes((0..count).map(|k| g.slice(nodes, k, 1)).collect())
    }
}

/// Time of grid node `node: [1]`: `horizon node / (2 steps)`.
pub fn grid_time(g: &mut Builder, node: NodeId, steps: usize, horizon: f64) -> NodeId {
    let end = times(g, node, horizon);
    let last = g.constant((2 * steps) as f32);
    g.div(end, last)
}
