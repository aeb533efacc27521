//! Environments: what their files may say, what their programs compute, and how the batch runs them.

#[path = "environments/files.rs"]
mod files;
