//! The rate of copying: twin of `shaders/copy_words.wgsl`.

use super::twin::{Stateless, arguments, own, read};
use crate::engine::{CountedWork, KernelDesc, Work};
use bytemuck::{Pod, Zeroable};

/// Invocations of one workgroup, each of which copies four words.
pub const GROUP: u32 = 256;

/// Immediates; `struct Args` of `shaders/copy_words.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug, Pod, Zeroable)]
pub struct CopyArgs {
    /// Vectors of four words; 0 makes it the empty dispatch.
    pub vectors: u32,
    /// Invocations of one row of the grid: `GROUP` times its width in workgroups.
    pub width: u32,
}

impl CopyArgs {
    /// Arguments and grid for so many vectors of four words; a row of the grid has at most 1024 workgroups.
    pub fn of(vectors: u32) -> (Self, [u32; 3]) {
        let groups = vectors.div_ceil(GROUP).max(1);
        let columns = groups.min(1024);
        (Self { vectors, width: columns * GROUP }, [columns, groups.div_ceil(columns), 1])
    }
}

/// The kernel. Buffers: `source` and `destination`, each at least `[vectors][4]`.
pub fn desc() -> KernelDesc {
    let work =
        CountedWork::of_args(|args: CopyArgs, _| Work { bytes: 32.0 * f64::from(args.vectors), ..Work::default() });
    let wgsl = include_str!("../../shaders/copy_words.wgsl");
    super::describe("copy_words", wgsl, &["source", "destination"], work, TWIN)
}

/// Words of one task.
const BLOCK: usize = 1 << 16;

const TWIN: Stateless = Stateless {
    tasks: |call| (4 * arguments::<CopyArgs>(call).vectors as usize).div_ceil(BLOCK),
    run: |call, task| {
        let words = 4 * arguments::<CopyArgs>(call).vectors as usize;
        let count = BLOCK.min(words - task * BLOCK);
        let source = read(call.buffers[0], task * BLOCK, count);
        own(&call.buffers[1], task * BLOCK..task * BLOCK + count).copy_from_slice(source);
    },
};

/// The first `4 vectors` words of `source` in `destination`.
pub fn copy_words(args: &CopyArgs, source: &[f32], destination: &mut [f32]) {
    let words = 4 * args.vectors as usize;
    destination[..words].copy_from_slice(&source[..words]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_asked_for_are_copied() {
        let (args, groups) = CopyArgs::of(1);
        let mut destination = [0.0; 5];
        copy_words(&args, &[1.0, 2.0, 3.0, 4.0, 5.0], &mut destination);
        assert_eq!((destination, groups), ([1.0, 2.0, 3.0, 4.0, 0.0], [1, 1, 1]));
    }

    #[test]
    fn the_grid_covers_all_vectors_within_the_narrowest_limit() {
        for vectors in [0, 1, 256, 257, 1 << 20, (1 << 24) + 3] {
            let (args, groups) = CopyArgs::of(vectors);
            assert!(groups[0] * groups[1] * GROUP >= vectors && groups.iter().all(|&g| g <= 65_535), "{groups:?}");
            assert_eq!(args.width, groups[0] * GROUP);
        }
    }
}
