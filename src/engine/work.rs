//! The work of a dispatch, counted before it runs.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};
use std::sync::Arc;

/// Arithmetic and traffic, for benchmarks and profiles.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Work {
    /// Floating-point operations of matrix products (2 per multiply-add).
    pub matrix_flops: f64,
    /// Other floating-point operations; every function counts 1 a value, whatever it is.
    pub other_flops: f64,
    /// Bytes that buffers give and take: a word counts once where a dispatch reads it, however often, and once where it
    /// writes it.
    pub bytes: f64,
}

impl Work {
    /// All floating-point operations.
    pub fn flops(&self) -> f64 {
        self.matrix_flops + self.other_flops
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            matrix_flops: self.matrix_flops + more.matrix_flops,
            other_flops: self.other_flops + more.other_flops,
            bytes: self.bytes + more.bytes,
        }
    }
}

impl Mul<f64> for Work {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self {
            matrix_flops: self.matrix_flops * times,
            other_flops: self.other_flops * times,
            bytes: self.bytes * times,
        }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

type Count = dyn Fn(&[u8], [u32; 3]) -> Option<Work> + Send + Sync;

/// The work of a kernel's dispatches as a function of their immediates and grid. By default nobody has counted it.
#[derive(Clone, Default)]
pub struct CountedWork(Option<Arc<Count>>);

impl CountedWork {
    /// From the kernel's immediates, whose size the engine has checked, and the grid.
    pub fn of_args<A: bytemuck::AnyBitPattern>(count: impl Fn(A, [u32; 3]) -> Work + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(move |immediates, groups| {
            let args = immediates.get(..size_of::<A>())?;
            Some(count(bytemuck::try_pod_read_unaligned(args).ok()?, groups))
        })))
    }

    /// The work of a dispatch; `None` where it is not counted.
    pub fn of(&self, immediates: &[u8], groups: [u32; 3]) -> Option<Work> {
        self.0.as_ref().and_then(|count| count(immediates, groups))
    }
}

impl fmt::Debug for CountedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "counted" } else { "not counted" })
    }
}
