//! A WGSL module as a kernel of the CPU engine.

use std::sync::{Mutex, PoisonError};

use super::program::{Frame, Program, ProgramOptions};
use crate::engine::{Call, HostKernel, Twin};
use crate::simd::Isa;

/// The twin that executes the kernel's own WGSL. A task is a block of invocations.
#[derive(Clone, Debug)]
pub struct WgslTwin {
    /// The module.
    pub wgsl: String,
    /// Names of its buffer variables, in the order of a dispatch's buffers.
    pub bindings: Vec<String>,
    /// What refusals name in front of the line: the file that the module begins with.
    pub file: String,
}

struct Kernel {
    program: Program,
    frames: Vec<Mutex<Frame>>,
}

impl Twin for WgslTwin {
    fn prepare(&self, isa: Isa, workers: usize) -> Result<Box<dyn HostKernel>, String> {
        let options = ProgramOptions { bindings: &self.bindings, isa, checked: None, interpreted: false };
        let program = Program::compile(&self.wgsl, &options)
            .map_err(|error| format!("{}:{}:{}: {}", self.file, error.line, error.column, error.construct))?;
        let frames = (0..workers.max(1)).map(|_| Mutex::new(program.frame())).collect();
        Ok(Box::new(Kernel { program, frames }))
    }
}

impl HostKernel for Kernel {
    fn tasks(&self, call: &Call<'_>) -> usize {
        self.program.blocks(call.groups)
    }

    fn run(&self, call: &Call<'_>, task: usize, worker: usize) {
        let Some(frame) = self.frames.get(worker).or(self.frames.first()) else { return };
        let mut frame = frame.lock().unwrap_or_else(PoisonError::into_inner);
        self.program.run(call, task, &mut frame);
    }
}
