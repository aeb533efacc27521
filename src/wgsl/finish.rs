//! From the list of instructions to few slots: what nobody needs goes, and slots are used again.

use std::collections::HashMap;

use super::build::{Output, Site};
use super::inst::{Access, Inst, Slot};

/// A program over numbered registers of one frame.
#[derive(Debug)]
pub(super) struct Code {
    pub insts: Vec<Inst>,
    /// Registers that hold a word for good.
    pub constants: Vec<(Slot, u32)>,
    /// Registers that hold a word of the immediates.
    pub immediates: Vec<(Slot, u32)>,
    pub registers: u32,
    pub sites: Vec<Site>,
}

/// A branch of so few cheap instructions is run rather than tested for.
const SHORT: usize = 4;

/// A program over slots.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub insts: Vec<Inst>,
    /// Slots that hold a word for good.
    pub constants: Vec<(Slot, u32)>,
    /// Slots that hold a word of the immediates.
    pub immediates: Vec<(Slot, u32)>,
    pub slots: u32,
    pub sites: Vec<Site>,
}

/// Drops what nobody needs.
pub(super) fn finish(built: Output) -> Listing {
    let Output { insts, constants, immediates, sites, slots } = built;
    let insts = without_short_skips(without_dead(insts, slots));
    Listing { insts, constants, immediates, slots, sites }
}

/// Gives slots registers.
pub(super) fn allocated(listing: Listing) -> Code {
    let Listing { insts, constants, immediates, slots, sites } = listing;
    let mut code = Code { insts, constants, immediates, registers: 0, sites };
    allocate(&mut code, slots);
    code
}

/// Drops instructions whose values lead nowhere.
fn without_dead(mut insts: Vec<Inst>, slots: u32) -> Vec<Inst> {
    let mut makers: Vec<Vec<usize>> = vec![Vec::new(); slots as usize];
    let mut uses: Vec<Vec<Slot>> = vec![Vec::new(); insts.len()];
    for (at, inst) in insts.iter_mut().enumerate() {
        inst.visit(&mut |slot, access| match access {
            Access::Use => uses[at].push(*slot),
            Access::Define | Access::Assign => makers[*slot as usize].push(at),
        });
    }
    let mut needed: Vec<bool> = insts.iter().map(Inst::acts).collect();
    let mut open: Vec<usize> = (0..insts.len()).filter(|&at| needed[at]).collect();
    while let Some(at) = open.pop() {
        for &slot in &uses[at] {
            for &maker in &makers[slot as usize] {
                if !needed[maker] {
                    needed[maker] = true;
                    open.push(maker);
                }
            }
        }
    }
    let mut needed = needed.into_iter();
    insts.retain(|_| needed.next().unwrap_or(true));
    insts
}

/// Drops tests in front of branches that are shorter than the test.
fn without_short_skips(insts: Vec<Inst>) -> Vec<Inst> {
    let worth = |at: usize, label: u32| {
        let body = insts[at + 1..].iter().take_while(|inst| !matches!(inst, Inst::Label(l) if *l == label));
        let mut count = 0;
        for inst in body {
            count += 1;
            if !inst.cheap() || count > SHORT {
                return true;
            }
        }
        false
    };
    let kept: Vec<bool> = insts
        .iter()
        .enumerate()
        .map(|(at, inst)| match inst {
            Inst::Skip { label, .. } => worth(at, *label),
            _ => true,
        })
        .collect();
    insts.into_iter().zip(kept).filter_map(|(inst, kept)| kept.then_some(inst)).collect()
}

/// Where a slot is live: from its first definition to its last use, and through the loops in between.
#[derive(Clone, Default)]
pub(super) struct Life {
    touched: Vec<usize>,
    assigned: Vec<usize>,
    pub start: usize,
    pub end: usize,
}

impl Life {
    /// Whether the slot occurs.
    pub fn is_used(&self) -> bool {
        !self.touched.is_empty()
    }
}

pub(super) fn lives(insts: &mut [Inst], slots: u32) -> Vec<Life> {
    let mut lives: Vec<Life> = vec![Life::default(); slots as usize];
    let mut starts: HashMap<u32, usize> = HashMap::new();
    let mut loops: Vec<(usize, usize)> = Vec::new();
    for (at, inst) in insts.iter_mut().enumerate() {
        match inst {
            Inst::LoopStart(id) => drop(starts.insert(*id, at)),
            Inst::Repeat { id, .. } => loops.extend(starts.get(id).map(|&start| (start, at))),
            _ => {}
        }
        inst.visit(&mut |slot, access| {
            let life = &mut lives[*slot as usize];
            life.touched.push(at);
            if access == Access::Assign {
                life.assigned.push(at);
            }
        });
    }
    // A loop ends before the loops around it, so inner ones come first.
    for life in &mut lives {
        let (Some(&first), Some(&last)) = (life.touched.first(), life.touched.last()) else { continue };
        (life.start, life.end) = (first, last);
        for &(start, end) in &loops {
            let inside = |places: &[usize]| places.iter().any(|&at| start < at && at <= end);
            if inside(&life.assigned) || (life.start < start && inside(&life.touched)) {
                life.start = life.start.min(start);
                life.end = life.end.max(end);
            }
        }
    }
    lives
}

/// Gives slots registers. A definition never shares a register with a source of its instruction.
fn allocate(code: &mut Code, slots: u32) {
    const NONE: u32 = u32::MAX;
    let mut lives = lives(&mut code.insts, slots);
    let mut register = vec![NONE; slots as usize];
    let mut count = 0;
    let mut pin = |fixed: &mut Vec<(Slot, u32)>, register: &mut Vec<u32>| {
        fixed.retain(|(slot, _)| !lives[*slot as usize].touched.is_empty());
        for (slot, _) in fixed {
            lives[*slot as usize].end = usize::MAX;
            register[*slot as usize] = count;
            *slot = count;
            count += 1;
        }
    };
    pin(&mut code.constants, &mut register);
    pin(&mut code.immediates, &mut register);

    let mut starting: Vec<Vec<Slot>> = vec![Vec::new(); code.insts.len()];
    let mut ending: Vec<Vec<Slot>> = vec![Vec::new(); code.insts.len()];
    for (slot, life) in lives.iter().enumerate() {
        if !life.touched.is_empty() && life.end != usize::MAX {
            starting[life.start].push(slot as Slot);
            ending[life.end].push(slot as Slot);
        }
    }
    let mut free: Vec<u32> = Vec::new();
    for (at, inst) in code.insts.iter_mut().enumerate() {
        for &slot in &starting[at] {
            register[slot as usize] = free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            });
        }
        inst.visit(&mut |slot, _| *slot = register[*slot as usize]);
        free.extend(ending[at].iter().map(|&slot| register[slot as usize]));
    }
    code.registers = count;
}
