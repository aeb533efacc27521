//! Environments: what their files may say, what their programs compute, and how the batch runs them.

#[path = "environments/batches.rs"]
mod batches;
#[path = "environments/checker.rs"]
mod checker;

mod common;
#[path = "environments/device.rs"]
mod device;
#[path = "environments/files.rs"]
mod files;
#[path = "environments/physics.rs"]
mod physics;
#[path = "environments/twins.rs"]
mod twins;
