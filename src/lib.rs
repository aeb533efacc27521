//! flowmill: a handwritten GPU compute engine that trains flow policies on GPU-resident environments.
//!
//! One binary and this library train PolicyFlow and PPO policies on any Vulkan, Metal or DX12 adapter, software drivers
//! included. Environments, networks, losses and the optimiser run as WGSL compute kernels; inside an iteration nothing
//! waits for the device and nothing is read back. The README shows the command line, ARCHITECTURE.md the inside.
//!
//! In the order in which data passes through them:
//!
//! - [`mod@env`]: environments as folders with a manifest and a WGSL program, run in batches on the device.
//! - [`physics`]: models of articulated bodies read from MJCF, and their dynamics after MuJoCo.
//! - [`algo`]: PolicyFlow and PPO as graphs, their hyper-parameters and presets.
//! - [`nn`] and [`flow`]: networks, interpolation paths, time sampling and midpoint integration, as graph builders.
//! - [`ir`]: the compute graph, its derivatives, and its meaning in f64.
//! - [`fuse`]: a graph as one WGSL kernel.
//! - [`kernels`]: the handwritten kernels with their CPU twins, and [`rng`], the counter-based random numbers.
//! - [`engine`]: adapters, buffers, kernels, recordings, and the two engines that execute them, on a GPU and on the CPU.
//! - [`simd`]: vectors of CPUs, their mathematics and the matrix product.
//! - [`train`]: memory layout, the iteration as a recording, metrics, checkpoints, evaluation.
//! - [`mod@bench`]: the benchmark suite and the ceilings that it measures an adapter by.
//! - [`profile`]: where the time of an iteration goes.
//! - [`simulate`]: models of articulated bodies rolled on an adapter.
//! - [`mod@render`]: episodes as animated pictures.
//! - [`report`] and [`plot`]: what a run writes, prints and draws; [`numpy`]: arrays in and out.
//!
//! ```no_run
//! use flowmill::algo::{Algorithm, Layer};
//! use flowmill::engine::{Engine, EngineOptions};
//! use flowmill::train::{TrainOptions, Trainer};
//!
//! let environment = flowmill::env::load("multigoal")?;
//! let presets = Layer { origin: "train.toml".into(), table: environment.presets.clone() };
//! let algorithm = Algorithm::resolve("policyflow", "quick", &presets, &[])?;
//! let engine = Engine::new(&EngineOptions::default())?;
//! let mut trainer = Trainer::new(engine, environment, TrainOptions { algorithm, seed: 1 })?;
//! for _ in 0..3 {
//!     trainer.step()?; // submits a rollout and its updates; does not wait
//!     for metrics in trainer.drain()? {
//!         println!("iteration {}: mean return {:.2}", metrics.iteration, metrics.mean_return);
//!     }
//! }
//! trainer.checkpoint()?.save("policy.safetensors".as_ref())?;
//! # Ok::<(), anyhow::Error>(())
//! ```
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod algo;
pub mod bench;
pub mod engine;
pub mod env;
pub mod flow;
pub mod fuse;
pub mod ir;
pub mod kernels;
pub mod nn;
pub mod numpy;
pub mod physics;
pub mod plot;
pub mod profile;
pub mod render;
pub mod report;
pub mod rng;
pub mod simd;
pub mod simulate;
pub mod train;
pub mod wgsl;
