//! Column sums of a small table: twin of `shaders/sum_columns.wgsl`.

use super::describe;
use super::twin::{Stateless, arguments, own, read};
use crate::engine::{Call, CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Immediates; `struct Args` of `shaders/sum_columns.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct SumColumnsArgs {
    /// Rows of the table.
    pub rows: u32,
    /// Columns of the table.
    pub columns: u32,
    /// Word offset of the table in `values`.
    pub source: u32,
    /// Word offset of the sums in `sums`.
    pub target: u32,
}

/// The kernel, for a grid of one workgroup. Buffers: `values`, `sums`. Meant for small tables: `columns * (rows / 256 + 10)`
/// loop iterations have to stay below the 65535 at which Mesa's software driver stops.
pub fn desc() -> KernelDesc {
    let work = CountedWork::of_args(|args: SumColumnsArgs, _| {
        let (cells, columns) = (f64::from(args.rows) * f64::from(args.columns), f64::from(args.columns));
        Work { matrix_flops: 0.0, other_flops: cells, bytes: 4.0 * (cells + columns) }
    });
    describe("sum_columns", include_str!("../../shaders/sum_columns.wgsl"), &["values", "sums"], work, TWIN)
}

/// The table is small: one task.
const TWIN: Stateless = Stateless { tasks: |_| 1, run: run_all };

/// Rows are added in blocks, so that the sum of many small numbers loses little.
fn run_all(call: &Call<'_>, _: usize) {
    let args: SumColumnsArgs = arguments(call);
    let (rows, columns) = (args.rows as usize, args.columns as usize);
    let table = read(call.buffers[0], args.source as usize, rows * columns);
    let sums = own(&call.buffers[1], args.target as usize..args.target as usize + columns);
    sums.fill(0.0);
    for block in table.chunks((256 * columns).max(1)) {
        for (column, sum) in sums.iter_mut().enumerate() {
            *sum += block.iter().skip(column).step_by(columns.max(1)).sum::<f32>();
        }
    }
}

/// `sums[target + c] = sum_r values[source + r * columns + c]`
pub fn sum_columns(args: &SumColumnsArgs, values: &[f32], sums: &mut [f32]) {
    let columns = args.columns as usize;
    for column in 0..columns {
        let cells = (0..args.rows as usize).map(|row| values[args.source as usize + row * columns + column] as f64);
        sums[args.target as usize + column] = cells.sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_summed_from_offset_to_offset() {
        let mut sums = [0.0; 3];
        let args = SumColumnsArgs { rows: 2, columns: 2, source: 1, target: 1 };
        sum_columns(&args, &[9.0, 1.0, 2.0, 3.0, 4.0], &mut sums);
        assert_eq!(sums, [0.0, 4.0, 6.0]);
    }
}
