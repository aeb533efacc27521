//! The compute graph: immutable, hash-consed nodes over *row values*, their derivatives, and their meaning in f64.
//!
//! In the order in which a graph passes through them: `graph` (the plain types), `builder`, `layers` and `elementwise`
//! (what graph code calls), `simplify` (applied as nodes are made), `reverse` with the table `gradient` (derivatives),
//! `finish` (dead code, renumbering), then `display`, `analysis` and `reference` on the finished graph.
//!
//! ```
//! use flowmill::ir::{Bindings, Builder, execute};
//!
//! let mut b = Builder::new("line");
//! let (x, w, target) = (b.input("x", 2), b.param("w", 2, 1, true), b.input("target", 1));
//! let y = b.dense(x, w, None);
//! let error = b.sub(y, target);
//! let loss = b.square(error);
//! b.mean("loss", loss);
//! b.differentiate(loss);
//! let graph = b.finish()?;
//!
//! let mut bindings = Bindings::default();
//! bindings.inputs.insert("x".into(), vec![1.0, 2.0]);
//! bindings.inputs.insert("target".into(), vec![1.0]);
//! bindings.params.insert("w".into(), vec![0.5, 1.0]);
//! let outputs = execute(&graph, &bindings, 1)?;
//! assert_eq!((outputs.means["loss"], &outputs.grads["w"][..]), (2.25, &[3.0, 6.0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activity;
mod analysis;
mod builder;
mod display;
mod elementwise;
mod expr;
mod finish;
mod functions;
mod gradient;
mod graph;
mod layers;
mod reference;
mod reverse;
mod simplify;

pub use analysis::{varies_by_row, work, work_of_values};
pub use builder::*;
pub use graph::*;
pub use reference::*;
