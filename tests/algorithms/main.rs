//! The algorithms' graphs in the f64 reference executor: against independent fixtures, closed forms, and each other.

mod fixed_points;
mod fixtures;
mod graphs;
mod initial;
mod support;
