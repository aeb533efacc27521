//! Which adapter a verb runs on: the options that all such verbs share.

use clap::Args;
use flowmill::engine::{AdapterKind, AdapterSummary, Engine, EngineOptions};

use super::Failure;
use super::parse::whole;

/// Options of verbs that open an engine.
#[derive(Args, Clone, Debug, Default)]
pub struct Device {
    /// Adapter name, index, `cpu` (the CPU engine), or `software` (the software Vulkan driver); by default a GPU, else `cpu`
    #[arg(long)]
    adapter: Option<String>,
    /// Threads of the CPU engine, by default one for every core; the numbers do not depend on it
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(1, 1024))]
    threads: Option<usize>,
}

impl Device {
    /// The engine that the options ask for.
    pub fn open(&self, checked: bool) -> Result<Engine, Failure> {
        self.open_with(EngineOptions { checked, ..Default::default() })
    }

    /// What the options say, with further ones.
    pub fn options(&self, options: EngineOptions) -> Result<EngineOptions, Failure> {
        let adapter = self.adapter.as_deref().unwrap_or("auto").parse()?;
        Ok(EngineOptions { adapter, threads: self.threads, ..options })
    }

    /// The engine that the options and further ones ask for.
    pub fn open_with(&self, options: EngineOptions) -> Result<Engine, Failure> {
        let engine = Engine::new(&self.options(options)?)?;
        self.warn(engine.adapter());
        Ok(engine)
    }

    /// Says where an option has no meaning on the adapter.
    pub fn warn(&self, adapter: &AdapterSummary) {
        if self.threads.is_some() && adapter.kind != AdapterKind::Cpu {
            eprintln!("warning: --threads only concerns the CPU engine, and this is adapter `{}`", adapter.name);
        }
    }
}
