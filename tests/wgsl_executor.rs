//! The WGSL executor against the software Vulkan driver: the language construct by construct, random programs, the environments;
//! what it refuses; what its checked mode finds.

#[path = "wgsl/author.rs"]
mod author;
#[path = "wgsl/checked.rs"]
mod checked;
mod common;
#[path = "wgsl/constructs.rs"]
mod constructs;
#[path = "wgsl/environments.rs"]
mod environments;
#[path = "wgsl/fuzz.rs"]
mod fuzz;
#[path = "wgsl/native.rs"]
mod native;
#[path = "wgsl/refusals.rs"]
mod refusals;
#[path = "wgsl/run.rs"]
mod run;
