//! A kernel as plain data: text, bindings by name, counted work, and how an engine without WGSL would run it.

use std::any::Any;
use std::sync::Arc;

/// Arithmetic and traffic of one row (or one invocation), counted from the source, for benchmarks and profiles.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Work {
    /// Floating-point operations of matrix products (2 per multiply-add).
    pub matrix_flops: f64,
    /// Other floating-point operations.
    pub other_flops: f64,
    /// Bytes read from and written to buffers.
    pub bytes: f64,
}

/// What an engine that cannot compile WGSL executes instead.
#[derive(Clone)]
pub enum Twin {
    /// Name of the Rust function that computes the same.
    Named(&'static str),
    /// The description that the WGSL was generated from (a planned graph, an environment).
    Source(Arc<dyn Any + Send + Sync>),
}

impl std::fmt::Debug for Twin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Twin::Named(name) => write!(f, "Named({name})"),
            Twin::Source(_) => write!(f, "Source"),
        }
    }
}

/// A kernel that an engine can compile.
#[derive(Clone, Debug)]
pub struct KernelDesc {
    /// Unique name, also in profiles: lower case with underscores.
    pub name: String,
    /// One WGSL module with one compute entry point.
    pub wgsl: String,
    /// Names of the module's buffer variables, in the order in which dispatches list their buffers.
    pub bindings: Vec<String>,
    /// Counted work of one row.
    pub work: Work,
    /// The other way to run it.
    pub twin: Twin,
}
