//! The loop over steps around a graph's body, and what follows the graph in each of them.

use std::fmt::Write;

use super::Body;
use crate::fuse::steps::Between;
use crate::fuse::target::{Shape, Target};

/// The rest of `main` behind what no step changes.
///
/// With one column lane an invocation has the same four rows in both parts and nobody else has them; one that has none
/// leaves, since it would read what another writes. Otherwise the rows are spread anew over the invocations, and barriers
/// stand where they hand them over.
pub(super) fn steps(
    text: &mut String,
    body: &Body,
    (target, shape): (&Target, &Shape),
    between: &Between<'_>,
    draws: bool,
) {
    let (rows, lanes, call) = (shape.rows(), shape.invocations(), between.call);
    let own = shape.col_lanes == 1;
    if own {
        text.push_str("    if (!valid.x) { return; } // the last row of the others is one of their own\n");
    }
    text.push_str("    let draw_row = min(row, vec4u(args.rows - 1u));\n");
    text.push_str("    for (var t = 0u; t < args.steps; t++) {\n");
    text.push_str("        let sample = vec4u(args.first_row + t * args.rows) + draw_row;\n");
    if draws {
        text.push_str("        let draw_step = args.step + t;\n");
    }
    text.push_str(&body.text);
    let barrier = if own { "" } else { "        storageBarrier();\n        workgroupBarrier();\n" };
    let (each, one) = if own {
        let once = if target.rolled { " * once" } else { "" };
        (format!("var i = 0u; i < 4u{once}; i++"), "row.x + i".to_string())
    } else {
        (format!("var i = lane; i < {rows}u; i += {lanes}u"), format!("workgroup.x * {rows}u + i"))
    };
    let _ = writeln!(
        text,
        "{barrier}        for ({each}) {{
            let one = {one};
            if (one < args.rows) {{
                {call}(one, t);
            }}
        }}
{barrier}    }}
}}"
    );
}

/// Loop iterations of a step: its own, the body's, and those over the invocation's rows.
pub(super) fn iterations(body: &Body, shape: &Shape, between: &Between<'_>) -> u64 {
    let rows = u64::from(shape.rows().div_ceil(shape.invocations()));
    1 + body.iterations + rows * (1 + u64::from(between.iterations))
}
