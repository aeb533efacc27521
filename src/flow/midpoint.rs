//! Explicit midpoint rule (second-order Runge-Kutta).

use crate::ir::{Builder, NodeId};

/// Integrates `dx/dt = v(x, t)` from `x0` over `0 ..= horizon` in `steps` midpoint steps, in one loop of the graph.
///
/// `velocity(g, x, node)` is handed the number of the grid time, `0 ..= 2 steps - 1` (width 1): step `i` evaluates
/// nodes `2 i` (its start) and `2 i + 1` (its middle); node `k` stands for the time `horizon k / (2 steps)`.
pub fn midpoint(
    g: &mut Builder,
    x0: NodeId,
    steps: usize,
    horizon: f64,
    mut velocity: impl FnMut(&mut Builder, NodeId, NodeId) -> NodeId,
) -> NodeId {
    let step = horizon / steps as f64;
    let end = g.repeat(steps as u32, &[x0], |g, index, carried| {
        let x = carried[0];
        let start = g.scale(index, 2.0);
        let k1 = velocity(g, x, start);
        // x_mid = x + (h / 2) v(x, t)
        let advance = g.scale(k1, (0.5 * step) as f32);
        let x_mid = g.add(x, advance);
        let middle = g.offset(start, 1.0);
        let k2 = velocity(g, x_mid, middle);
        // x <- x + h v(x_mid, t + h / 2)
        let advance = g.scale(k2, step as f32);
        vec![g.add(x, advance)]
    });
    // A repeat that the builder refused yields nothing; the error is reported by `finish`.
    end.first().copied().unwrap_or(x0)
}
