//! Counted work of dispatches: what a kernel does for one row, times the rows of the dispatch.

use crate::engine::{Command, Dispatch, Engine, KernelDesc, Recording};
use crate::kernels::gae::GaeArgs;
use crate::kernels::reduce_gradients::ReduceArgs;
use crate::kernels::sum_columns::SumColumnsArgs;

/// Arithmetic and traffic.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counted {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes read from and written to buffers.
    pub bytes: f64,
}

impl Counted {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

/// Counted work of all dispatches of a recording.
pub fn count(engine: &Engine, recording: &Recording) -> Counted {
    let of = |command: &Command| match command {
        Command::Dispatch(dispatch) if !dispatch.groups.contains(&0) => {
            let desc = engine.description(dispatch.kernel)?;
            let rows = rows(desc, dispatch, recording.bytes(dispatch.immediates));
            let work = desc.work;
            Some(Counted { flops: rows * (work.matrix_flops + work.other_flops), bytes: rows * work.bytes })
        }
        _ => None,
    };
    recording.commands().iter().filter_map(of).fold(Counted::default(), Counted::plus)
}

/// How often a dispatch does what its kernel's [`Work`](crate::engine::Work) counts.
fn rows(desc: &KernelDesc, _: &Dispatch, immediates: &[u8]) -> f64 {
    let word = |at: usize| f64::from(bytemuck::pod_read_unaligned::<u32>(&immediates[4 * at..4 * at + 4]));
    match desc.name.as_str() {
        "gae" => of::<GaeArgs>(immediates).map_or(0.0, |a| f64::from(a.envs) * f64::from(a.steps)),
        "normalize_advantages" => word(1),
        "reduce_gradients" => of::<ReduceArgs>(immediates).map_or(0.0, |a| f64::from(a.words) * f64::from(a.slices)),
        "sum_columns" => of::<SumColumnsArgs>(immediates).map_or(0.0, |a| f64::from(a.rows) * f64::from(a.columns)),
        // Its products are in the update's count.
        "weight_gradients" => 0.0,
        _ => word(0),
    }
}

fn of<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Option<T> {
    bytemuck::try_pod_read_unaligned(bytes).ok()
}
