//! Flows: interpolation paths, time sampling, integration of the velocity.

mod midpoint;
mod path;
mod time;

pub use midpoint::midpoint;
pub use path::Path;
pub use time::{SampledTimes, TimeSampling, grid_time};
