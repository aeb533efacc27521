//! Where everything lives: parameters, frozen copies and derived tensors, and the rollout. Offsets are 32-bit words.

use crate::algo::{Agent, Source};
use crate::fuse::{Placement, Rows, Tensor};
use crate::ir::Graph;

/// One tensor of the parameter buffer.
#[derive(Clone, PartialEq, Debug)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// First word.
    pub offset: u32,
    /// Words from one row to the next: `cols` rounded up to a multiple of 4, the rest stays zero.
    pub ld: u32,
    /// Updated by the optimiser.
    pub trained: bool,
}

impl Slot {
    /// Words that the tensor takes.
    pub fn words(&self) -> u32 {
        self.ld * self.rows as u32
    }
}

/// Parameters: `params` holds the trained tensors, then those that the optimiser leaves alone; `frozen` holds a copy of `params` as of
/// the rollout, then the derived tensors.
#[derive(Clone, PartialEq, Debug)]
pub struct ParamLayout {
    /// Tensors of `params` in order.
    pub slots: Vec<Slot>,
    /// Words of trained tensors; gradients and moments have as many.
    pub trained_words: u32,
    /// Words of `params`.
    pub words: u32,
    /// Derived tensors, behind the copy in `frozen`.
    pub derived: Vec<Slot>,
    /// Words of `frozen`.
    pub frozen_words: u32,
    frozen: Vec<(String, String)>,
}

/// Dense kernels read weights in blocks of columns and may look this far past the last tensor.
pub const PADDING_WORDS: u32 = 64;

impl ParamLayout {
    /// Lay out an agent's tensors.
    pub fn new(agent: &Agent) -> Self {
        let mut words = 0;
        let mut slots = Vec::new();
        for trained in [true, false] {
            for tensor in agent.tensors.iter().filter(|t| t.trained == trained) {
                let ld = (tensor.cols as u32).next_multiple_of(4);
                let slot = Slot {
                    name: tensor.name.clone(),
                    rows: tensor.rows,
                    cols: tensor.cols,
                    offset: words,
                    ld,
                    trained,
                };
                words += slot.words();
                slots.push(slot);
            }
        }
        let trained_words = slots.iter().filter(|s| s.trained).map(Slot::words).sum();
        let mut frozen_words = words;
        let mut derived = Vec::new();
        for prepare in &agent.prepare {
            let cols = prepare.graph.stores.first().map_or(0, |s| s.width);
            let ld = (cols as u32).next_multiple_of(4);
            let slot = Slot {
                name: prepare.output.clone(),
                rows: prepare.rows,
                cols,
                offset: frozen_words,
                ld,
                trained: false,
            };
            frozen_words += slot.words();
            derived.push(slot);
        }
        let frozen = agent.frozen.iter().map(|f| (f.copy.clone(), f.of.clone())).collect();
        Self { slots, trained_words, words, derived, frozen_words, frozen }
    }

    /// The tensor of this name in `params`.
    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|s| s.name == name)
    }

    /// The buffer contents for unpadded tensors, in the order of [`ParamLayout::slots`] names.
    pub fn pack<'a>(&self, values: impl Fn(&str) -> Option<&'a [f32]>) -> Vec<f32> {
        let mut words = vec![0.0; (self.words + PADDING_WORDS) as usize];
        for slot in &self.slots {
            let Some(tensor) = values(&slot.name) else { continue };
            for (row, source) in tensor.chunks_exact(slot.cols).enumerate() {
                let at = slot.offset as usize + row * slot.ld as usize;
                words[at..at + slot.cols].copy_from_slice(source);
            }
        }
        words
    }

    /// One tensor without padding out of buffer contents.
    pub fn unpack(&self, slot: &Slot, words: &[f32]) -> Vec<f32> {
        let row = |r: usize| slot.offset as usize + r * slot.ld as usize;
        (0..slot.rows).flat_map(|r| words[row(r)..row(r) + slot.cols].iter().copied()).collect()
    }

    /// Places of a graph's parameters; `prepared` graphs read frozen copies from `params`, which holds the same values
    /// at that moment, because they write to `frozen`.
    pub fn place(&self, graph: &Graph, placement: &mut Placement, preparing: bool) {
        for param in &graph.params {
            let copy = self.frozen.iter().find(|(copy, _)| *copy == param.name);
            let derived = self.derived.iter().find(|s| s.name == param.name);
            let place = match (copy, derived) {
                (Some((_, of)), _) => self.slot(of).map(|s| (if preparing { "params" } else { "frozen" }, s)),
                (None, Some(slot)) => Some(("frozen", slot)),
                (None, None) => self.slot(&param.name).map(|s| ("params", s)),
            };
            if let Some((buffer, slot)) = place {
                let tensor = Tensor { buffer: buffer.into(), offset: slot.offset, ld: slot.ld };
                placement.params.insert(param.name.clone(), tensor);
                if slot.trained && copy.is_none() {
                    placement.gradients.insert(param.name.clone(), slot.offset);
                }
            }
        }
        placement.means = self.trained_words;
    }
}

/// One field of the rollout: `[steps][envs][width]`.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldPlace {
    /// Name: `obs`, `reward`, `flag`, `adv`, `ret`, `action`, or a store of the act graph.
    pub name: String,
    /// First word.
    pub offset: u32,
    /// Values per sample.
    pub width: u32,
}

/// The rollout buffer: fields one after the other; sample `t * envs + e` is environment `e` at step `t`.
#[derive(Clone, PartialEq, Debug)]
pub struct RolloutLayout {
    /// Environments.
    pub envs: u32,
    /// Steps.
    pub steps: u32,
    /// Fields.
    pub fields: Vec<FieldPlace>,
    /// Words of the buffer. May exceed what an adapter can bind: [`RolloutLayout::bytes`] is checked first.
    pub words: u64,
}

impl RolloutLayout {
    /// Fields for training (`agent.rollout` and what GAE adds) or for evaluation (all stores of `act`).
    pub fn new(agent: &Agent, act: &Graph, observation: usize, envs: u32, steps: u32, training: bool) -> Self {
        let samples = u64::from(envs) * u64::from(steps);
        let mut layout = Self { envs, steps, fields: Vec::new(), words: 0 };
        let after = u64::from(envs); // observations and values have one step more
        layout.add("obs", observation, samples + after);
        for store in &act.stores {
            let extra = if store.name == "value" { after } else { 0 };
            layout.add(&store.name, store.width, samples + extra);
        }
        for field in &agent.rollout {
            if training && !act.stores.iter().any(|s| s.name == field.name) {
                layout.add(&field.name, field.width, samples);
            }
        }
        layout.add("reward", 1, samples);
        layout.add("flag", 1, samples);
        if training {
            layout.add("adv", 1, samples);
            layout.add("ret", 1, samples);
        }
        layout
    }

    fn add(&mut self, name: &str, width: usize, samples: u64) {
        let place = FieldPlace { name: name.into(), offset: self.words as u32, width: width as u32 };
        self.fields.push(place);
        self.words = (self.words + samples * width as u64).next_multiple_of(4);
    }

    /// Bytes of the buffer.
    pub fn bytes(&self) -> u64 {
        self.words * 4
    }

    /// Samples of the rollout.
    pub fn samples(&self) -> u32 {
        self.envs * self.steps
    }

    /// A field's first word and width.
    pub fn field(&self, name: &str) -> Option<&FieldPlace> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// First word of a field that exists by construction; 0 otherwise.
    pub fn offset(&self, name: &str) -> u32 {
        self.field(name).map_or(0, |f| f.offset)
    }

    /// Rows of a field.
    pub fn rows(&self, name: &str) -> Option<Rows> {
        self.field(name).map(|f| Rows { buffer: "rollout".into(), offset: f.offset, pitch: f.width })
    }

    /// Places of the inputs and stores of `act`, `value` and `update` graphs.
    pub fn place(&self, graph: &Graph, batch: &[(String, Source)], placement: &mut Placement) {
        for input in &graph.inputs {
            let source = batch.iter().find(|(name, _)| *name == input.name).map(|(_, s)| s);
            let field = match source {
                Some(Source::Observation) | None => "obs",
                Some(Source::Rollout(field)) => field,
                Some(Source::Advantage) => "adv",
                Some(Source::Return) => "ret",
            };
            if let Some(rows) = self.rows(field) {
                placement.inputs.insert(input.name.clone(), rows);
            }
        }
        for store in &graph.stores {
            if let Some(rows) = self.rows(&store.name) {
                placement.stores.insert(store.name.clone(), rows);
            }
        }
    }
}
