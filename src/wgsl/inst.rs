//! The program between naga's tree and the steps that run: a list of instructions over any number of slots.
//!
//! A slot is assigned once, except by [`Inst::Assign`], which is how values of several paths meet. Values are computed for all lanes,
//! active or not; only assignments, loads, stores and checks look at a mask.

use super::lane::Lane;

/// A value of every lane.
pub(super) type Slot = u32;

/// A slot and the word it belongs to, relative to an address.
pub(super) type Placed = (Slot, u32);

/// An input of the invocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Input {
    /// All ones for invocations of the grid.
    Active,
    GlobalId(u8),
    LocalId(u8),
    LocalIndex,
    GroupId(u8),
    Groups(u8),
}

/// The functions of `shaders/lib/rng.wgsl` that have a loop of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Draw {
    /// `draw_words`
    Words,
    /// `uniform_draw`
    Uniform,
    /// `normal_draw`
    Normal,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(super) enum Inst {
    /// An operation on each lane.
    Lane {
        op: Lane,
        dst: Slot,
        src: [Slot; 3],
    },
    /// `dst = src` in the lanes of the mask.
    Assign {
        dst: Slot,
        mask: Option<Slot>,
        src: Slot,
    },
    /// `dst = table[index]`; an index beyond the table is its last.
    Gather {
        dst: Slot,
        index: Slot,
        table: Vec<Slot>,
    },
    /// `dst = table`, then `dst[index] = value`.
    Scatter {
        dst: Vec<Slot>,
        index: Slot,
        value: Slot,
        table: Vec<Slot>,
    },
    /// Random numbers: key, then counter.
    Random {
        draw: Draw,
        dst: Vec<Slot>,
        src: Vec<Slot>,
    },
    Input {
        dst: Slot,
        input: Input,
    },
    Load {
        dst: Vec<Placed>,
        mask: Slot,
        address: Slot,
        buffer: u32,
    },
    Store {
        src: Vec<Placed>,
        mask: Slot,
        address: Slot,
        buffer: u32,
    },
    /// Elements of a runtime-sized array that begins at word `offset`.
    Length {
        dst: Slot,
        buffer: u32,
        offset: u32,
        stride: u32,
    },
    /// To the label where no lane is in the mask.
    Skip {
        mask: Slot,
        label: u32,
    },
    Label(u32),
    LoopStart(u32),
    /// Back to the start of the loop while a lane is in the mask; the site reports a loop that runs very often.
    Repeat {
        mask: Slot,
        id: u32,
        site: Option<u32>,
    },
    /// Reports the site for the lanes of mask and condition that have not reported yet.
    Check {
        mask: Slot,
        condition: Slot,
        args: Vec<Slot>,
        site: u32,
    },
}

/// How an instruction touches a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Use,
    Define,
    /// Defines some of the lanes.
    Assign,
}

impl Inst {
    /// Shows every slot, uses first.
    pub(super) fn visit(&mut self, see: &mut dyn FnMut(&mut Slot, Access)) {
        use Access::{Define, Use};
        match self {
            Inst::Lane { op, dst, src } => {
                src[..op.arity()].iter_mut().for_each(|s| see(s, Use));
                see(dst, Define);
            }
            Inst::Assign { dst, mask, src } => {
                mask.iter_mut().for_each(|m| see(m, Use));
                see(src, Use);
                see(dst, Access::Assign);
            }
            Inst::Gather { dst, index, table } => {
                see(index, Use);
                table.iter_mut().for_each(|s| see(s, Use));
                see(dst, Define);
            }
            Inst::Scatter { dst, index, value, table } => {
                see(index, Use);
                see(value, Use);
                table.iter_mut().for_each(|s| see(s, Use));
                dst.iter_mut().for_each(|s| see(s, Define));
            }
            Inst::Random { dst, src, .. } => {
                src.iter_mut().for_each(|s| see(s, Use));
                dst.iter_mut().for_each(|s| see(s, Define));
            }
            Inst::Input { dst, .. } | Inst::Length { dst, .. } => see(dst, Define),
            Inst::Load { dst, mask, address, .. } => {
                see(mask, Use);
                see(address, Use);
                dst.iter_mut().for_each(|(s, _)| see(s, Define));
            }
            Inst::Store { src, mask, address, .. } => {
                see(mask, Use);
                see(address, Use);
                src.iter_mut().for_each(|(s, _)| see(s, Use));
            }
            Inst::Skip { mask, .. } | Inst::Repeat { mask, .. } => see(mask, Use),
            Inst::Label(_) | Inst::LoopStart(_) => {}
            Inst::Check { mask, condition, args, .. } => {
                see(mask, Use);
                see(condition, Use);
                args.iter_mut().for_each(|s| see(s, Use));
            }
        }
    }

    /// Whether it does something even if nobody reads what it defines.
    pub(super) fn acts(&self) -> bool {
        matches!(
            self,
            Inst::Store { .. }
                | Inst::Skip { .. }
                | Inst::Label(_)
                | Inst::LoopStart(_)
                | Inst::Repeat { .. }
                | Inst::Check { .. }
        )
    }

    /// Whether it is cheap enough to run for nothing.
    pub(super) fn cheap(&self) -> bool {
        matches!(self, Inst::Lane { .. } | Inst::Assign { .. })
    }
}
