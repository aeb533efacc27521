//! What an adapter can do at best, and what kernels and iterations make of it.

mod ceilings;

pub use ceilings::{Ceilings, measure};
