// Column sums of a [rows][columns] array, one workgroup, fixed order: lane l adds rows l, l + 256, ..., then a tree.
// The other end is src/kernels/sum_columns.rs.

struct Args {
    rows: u32,
    columns: u32,
    source: u32, // word offset into values
    target_word: u32, // word offset into sums
}
var<immediate> args: Args;

@group(0) @binding(0) var<storage, read> values: array<f32>; // [rows][columns] at source
@group(0) @binding(1) var<storage, read_write> sums: array<f32>; // [columns] at target_word

const GROUP = 256u;
var<workgroup> partial: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn sum_columns(@builtin(local_invocation_index) lane: u32) {
    for (var column = 0u; column < args.columns; column++) {
        var total = 0.0;
        for (var row = lane; row < args.rows; row += GROUP) {
            total += values[args.source + row * args.columns + column];
        }
        partial[lane] = total;
        workgroupBarrier();
        for (var width = GROUP / 2u; width > 0u; width /= 2u) {
            if (lane < width) {
                partial[lane] += partial[lane + width];
            }
            workgroupBarrier();
        }
        if (lane == 0u) {
            sums[args.target_word + column] = partial[0];
        }
        workgroupBarrier();
    }
}
