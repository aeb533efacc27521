//! Runs WGSL compute modules on the CPU.
//!
//! A module is compiled once into steps over rows of lanes: a row holds one scalar of a block of invocations. Branches
//! and loops run under masks, functions are written out where they are called. The same steps run on every
//! instruction set, give the same bits there, and no step fuses a multiply with an add.
//!
//! Integers are WGSL's: they wrap, x / 0 is x, x % 0 is 0, shifts take the low five bits, conversions from floats
//! saturate. An index that is out of bounds reads the last element; a buffer's word that is out of bounds is not written.
//!
//! A checked program reports, for every invocation and place, the first thing that goes wrong: an index out of bounds, a variable
//! that is read before it is written, a division by zero, a float that is not finite, a loop without end.

mod bits;
mod build;
mod error;
mod finding;
mod finish;
mod inst;
mod lane;
mod layout;
mod math;
mod memory;
#[cfg_attr(not(target_arch = "x86_64"), path = "no_native.rs")]
mod native;
mod program;
mod random;
mod run;
mod twin;

pub use error::ProgramError;
pub use finding::Finding;
pub use program::{Frame, Program, ProgramOptions};
pub use twin::WgslTwin;
