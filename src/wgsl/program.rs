//! A compiled module, ready to run.

use std::collections::HashMap;

use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::build::{self, Site, Source};
use super::error::ProgramError;
use super::finding::Finding;
use super::finish::{Listing, allocated, finish};
use super::lane::LANES;
use super::native::Native;
use super::run::{Step, lower};
use crate::engine::{Call, Words};
use crate::simd::Isa;

/// How a module is compiled.
#[derive(Clone, Copy, Debug)]
pub struct ProgramOptions<'a> {
    /// Names of the module's buffer variables in the order of a dispatch's buffers.
    pub bindings: &'a [String],
    /// For which instruction set.
    pub isa: Isa,
    /// Look for what goes wrong: findings go to that many bytes from the start of the text, or to the calls there.
    pub checked: Option<usize>,
    /// Run the program step by step even where machine code could be made of it; the bytes are the same.
    pub interpreted: bool,
}

/// A WGSL compute module that runs on the CPU, a block of invocations at a time, each a lane of every operation.
#[derive(Debug)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) tables: Vec<u32>,
    pub(super) places: Vec<[u32; 2]>,
    pub(super) constants: Vec<(u32, u32)>,
    pub(super) immediates: Vec<(u32, u32)>,
    pub(super) registers: u32,
    pub(super) loops: u32,
    pub(super) sites: Vec<Site>,
    pub(super) any: super::run::Any,
    pub(super) workgroup: [u32; 3],
    pub(super) checked: bool,
    instructions: usize,
    native: Option<Native>,
}

/// Lanes of 16 words, aligned for vectors.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([u32; 16]);

/// What a thread needs to run a program: all its values, for one block of invocations at a time.
#[derive(Debug)]
pub struct Frame {
    lines: Vec<Line>,
    pub(super) turns: Vec<u32>,
    /// Lanes that have reported a place, by line and column, and lanes that have reported a float.
    pub(super) reported: HashMap<(u32, u32), [bool; LANES]>,
    pub(super) reported_floats: [bool; LANES],
    pub(super) findings: Vec<Finding>,
}

impl Frame {
    pub(super) fn words(&mut self) -> *mut u32 {
        self.lines.as_mut_ptr().cast()
    }

    fn all_words(&mut self) -> &mut [u32] {
        // SAFETY: a line is 16 words.
        unsafe { std::slice::from_raw_parts_mut(self.words(), self.lines.len() * 16) }
    }

    /// Hands out what a checked program has found since the last time.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }
}

impl Program {
    /// Compiles a module with one compute entry point. What is not supported is refused with its place in the text.
    pub fn compile(wgsl: &str, options: &ProgramOptions<'_>) -> Result<Self, ProgramError> {
        // Code for more than the processor has must never be run.
        let options = &ProgramOptions { isa: options.isa.min(Isa::detect()), ..*options };
        let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| {
            let span = error.labels().next().map_or(naga::Span::UNDEFINED, |(span, _)| span);
            ProgramError::at(wgsl, span, error.message())
        })?;
        let validated = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(&module);
        let info = validated.map_err(|error| {
            // The shortest span says most, and the innermost cause.
            let spans = error.spans().map(|(span, _)| *span);
            let span = spans.min_by_key(|span| span.to_range().map_or(usize::MAX, |range| range.len()));
            let mut message = error.as_inner().to_string();
            let mut cause = std::error::Error::source(error.as_inner());
            while let Some(inner) = cause {
                message.push_str(&format!(": {inner}"));
                cause = inner.source();
            }
            ProgramError::at(wgsl, span.unwrap_or(naga::Span::UNDEFINED), message)
        })?;
        let source = Source {
            module: &module,
            info: &info,
            text: wgsl,
            bindings: options.bindings,
            checked: options.checked.is_some(),
            own: options.checked.unwrap_or(wgsl.len()),
            random: wgsl.find(crate::kernels::RNG_WGSL).map(|at| at..at + crate::kernels::RNG_WGSL.len()),
        };
        let workgroup = module.entry_points.first().map_or([1; 3], |entry| entry.workgroup_size);
        Ok(Self::of_listing(finish(build::build(&source)?), options, workgroup))
    }

    /// A program as machine code where that can be made, else as steps.
    pub(super) fn of_listing(mut listing: Listing, options: &ProgramOptions<'_>, workgroup: [u32; 3]) -> Self {
        let mut program = Self {
            steps: Vec::new(),
            tables: Vec::new(),
            places: Vec::new(),
            constants: Vec::new(),
            immediates: Vec::new(),
            registers: 0,
            loops: 0,
            sites: Vec::new(),
            any: super::run::any_for(options.isa),
            workgroup: workgroup.map(|size| size.max(1)),
            checked: options.checked.is_some(),
            instructions: listing.insts.len(),
            native: None,
        };
        if !program.checked && !options.interpreted {
            program.native = Native::compile(&mut listing, options.isa);
        }
        if program.native.is_none() {
            let code = allocated(listing);
            (program.constants, program.immediates) = (code.constants, code.immediates);
            (program.registers, program.sites) = (code.registers, code.sites);
            lower(&mut program, &code.insts, options.isa);
        }
        program
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        self.native.is_some()
    }

    /// Instructions of the program as it is written out, those of loops counted once.
    pub fn instructions(&self) -> usize {
        self.instructions
    }

    /// Memory for one thread.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame {
            lines: vec![Line([0; 16]); self.frame_words().div_ceil(16)],
            turns: vec![0; self.loops as usize],
            reported: HashMap::new(),
            reported_floats: [false; LANES],
            findings: Vec::new(),
        };
        for &(register, word) in &self.constants {
            let first = register as usize * LANES / 16;
            frame.lines[first..first + LANES / 16].fill(Line([word; 16]));
        }
        if let Some(native) = &self.native {
            native.begin(frame.all_words());
        }
        frame
    }

    fn frame_words(&self) -> usize {
        if let Some(native) = &self.native {
            return native.frame_bytes() / 4;
        }
        self.registers as usize * LANES
    }

    /// Invocations of a grid.
    pub(super) fn invocations(&self, groups: [u32; 3]) -> u64 {
        let sizes = groups.into_iter().chain(self.workgroup);
        sizes.map(u64::from).product()
    }

    /// Blocks of invocations of a grid: the pieces that [`run`](Self::run) takes.
    pub fn blocks(&self, groups: [u32; 3]) -> usize {
        self.invocations(groups).div_ceil(LANES as u64) as usize
    }

    /// Runs block `block` of a dispatch. The frame is one that this program made.
    pub fn run(&self, call: &Call<'_>, block: usize, frame: &mut Frame) {
        if frame.lines.len() * 16 < self.frame_words() || frame.turns.len() < self.loops as usize {
            *frame = self.frame();
        }
        let word = |at: u32| {
            let bytes = call.immediates.get(at as usize * 4..at as usize * 4 + 4);
            bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
        };
        if let Some(native) = &self.native {
            let count = self.invocations(call.groups).saturating_sub(block as u64 * LANES as u64).min(LANES as u64);
            let words = frame.all_words();
            let mut row = [0; LANES];
            for (&input, to) in native.inputs().iter().zip(words[native.inputs_at() / 4..].chunks_exact_mut(LANES)) {
                self.input(call, block, input, &mut row);
                to.copy_from_slice(&row);
            }
            native.run(call, word, count as usize, words);
            return;
        }
        for &(register, at) in &self.immediates {
            let first = register as usize * LANES / 16;
            frame.lines[first..first + LANES / 16].fill(Line([word(at); 16]));
        }
        self.execute(call, block, frame);
    }

    /// Runs a whole dispatch on this thread.
    pub fn run_all(&self, groups: [u32; 3], immediates: &[u8], buffers: &[Words<'_>], frame: &mut Frame) {
        let call = Call { groups, immediates, buffers };
        for block in 0..self.blocks(groups) {
            self.run(&call, block, frame);
        }
    }
}
