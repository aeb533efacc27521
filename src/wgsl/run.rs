//! Steps of a program, and the loop that runs them.

use std::collections::HashMap;

use super::build::What;
use super::finding::{self, Finding};
use super::inst::{Draw, Input, Inst, Slot};
use super::lane::{Kernel, LANES, Lane, Row};
use super::memory;
use super::program::{Frame, Program};
use super::random::{Drawing, drawing};
use crate::engine::Call;
use crate::simd::Isa;

/// Iterations after which a loop is left.
pub(super) const LIMIT: u32 = 1 << 24;
/// Iterations after which a checked program reports a loop, and leaves it.
const CHECKED_LIMIT: u32 = 1 << 16;
/// Findings that a frame keeps until they are taken.
const FINDINGS: usize = 1 << 16;

/// Where a table begins and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    first: u32,
    count: u32,
}

impl Part {
    fn range(self) -> std::ops::Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }
}

/// An instruction as it is executed; rows are offsets in words from the frame's start.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Lane { kernel: Kernel, at: [u32; 4] },
    Gather { to: u32, index: u32, table: Part },
    Scatter { index: u32, value: u32, from: Part, to: Part },
    Random { drawing: Drawing, rows: Part },
    Input { to: u32, input: Input },
    Load { mask: u32, address: u32, buffer: u32, places: Part },
    Store { mask: u32, address: u32, buffer: u32, places: Part },
    Length { to: u32, buffer: u32, offset: u32, stride: u32 },
    Skip { mask: u32, to: u32 },
    Enter { turns: u32 },
    Repeat { mask: u32, to: u32, turns: u32, site: u32 },
    Check { mask: u32, condition: u32, args: Part, site: u32 },
}

/// Whether a lane is in the mask.
pub(super) type Any = unsafe fn(mask: *const Row) -> bool;

#[inline(always)]
fn any_lane(mask: &Row) -> bool {
    mask.iter().fold(0, |sum, lane| sum | lane) != 0
}

unsafe fn any_baseline(mask: *const Row) -> bool {
    // SAFETY: as promised by the caller.
    any_lane(unsafe { &*mask })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn any_avx2(mask: *const Row) -> bool {
    // SAFETY: as promised by the caller.
    any_lane(unsafe { &*mask })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn any_avx512(mask: *const Row) -> bool {
    // SAFETY: as promised by the caller.
    any_lane(unsafe { &*mask })
}

pub(super) fn any_for(isa: Isa) -> Any {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => any_avx512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => any_avx2,
        _ => any_baseline,
    }
}

fn row(slot: Slot) -> u32 {
    slot * LANES as u32
}

/// Appends the steps of the instructions.
pub(super) fn lower(program: &mut Program, insts: &[Inst], isa: Isa) {
    // Labels are no steps: first where each of them points.
    let (mut places, mut at) = (HashMap::new(), 0);
    for inst in insts {
        match inst {
            Inst::Label(label) => drop(places.insert(*label, at)),
            Inst::LoopStart(id) => {
                at += 1;
                places.insert(*id, at);
            }
            _ => at += 1,
        }
    }
    let mut loops = HashMap::new();
    for inst in insts {
        let step = match inst {
            Inst::Label(_) => continue,
            Inst::Lane { op, dst, src } => {
                let [a, b, c] = src.map(row);
                Step::Lane { kernel: op.kernel(isa), at: [row(*dst), a, b, c] }
            }
            Inst::Assign { dst, mask: None, src } => {
                Step::Lane { kernel: Lane::Copy.kernel(isa), at: [row(*dst), row(*src), 0, 0] }
            }
            Inst::Assign { dst, mask: Some(mask), src } => {
                Step::Lane { kernel: super::lane::blend(isa), at: [row(*dst), row(*mask), row(*src), 0] }
            }
            Inst::Gather { dst, index, table } => {
                Step::Gather { to: row(*dst), index: row(*index), table: program.table(table) }
            }
            Inst::Scatter { dst, index, value, table } => {
                let (from, to) = (program.table(table), program.table(dst));
                Step::Scatter { index: row(*index), value: row(*value), from, to }
            }
            Inst::Random { draw, dst, src } => {
                let rows: Vec<Slot> = src.iter().chain(dst).copied().collect();
                debug_assert_eq!(dst.len(), if *draw == Draw::Words { 4 } else { 1 });
                Step::Random { drawing: drawing(*draw, isa), rows: program.table(&rows) }
            }
            Inst::Input { dst, input } => Step::Input { to: row(*dst), input: *input },
            Inst::Load { dst, mask, address, buffer } => {
                let places = program.placed(dst);
                Step::Load { mask: row(*mask), address: row(*address), buffer: *buffer, places }
            }
            Inst::Store { src, mask, address, buffer } => {
                let places = program.placed(src);
                Step::Store { mask: row(*mask), address: row(*address), buffer: *buffer, places }
            }
            Inst::Length { dst, buffer, offset, stride } => {
                Step::Length { to: row(*dst), buffer: *buffer, offset: *offset, stride: *stride }
            }
            Inst::Skip { mask, label } => Step::Skip { mask: row(*mask), to: places.get(label).copied().unwrap_or(at) },
            Inst::LoopStart(id) => {
                let turns = loops.len() as u32;
                loops.insert(*id, turns);
                Step::Enter { turns }
            }
            Inst::Repeat { mask, id, site } => Step::Repeat {
                mask: row(*mask),
                to: places.get(id).copied().unwrap_or(at),
                turns: loops.get(id).copied().unwrap_or(0),
                site: site.unwrap_or(0),
            },
            Inst::Check { mask, condition, args, site } => {
                let args = program.table(args);
                Step::Check { mask: row(*mask), condition: row(*condition), args, site: *site }
            }
        };
        program.steps.push(step);
    }
    program.loops = loops.len() as u32;
}

impl Program {
    fn table(&mut self, slots: &[Slot]) -> Part {
        let first = self.tables.len() as u32;
        self.tables.extend(slots.iter().map(|&slot| row(slot)));
        Part { first, count: slots.len() as u32 }
    }

    fn placed(&mut self, pairs: &[(Slot, u32)]) -> Part {
        let first = self.places.len() as u32;
        self.places.extend(pairs.iter().map(|&(slot, place)| [row(slot), place]));
        Part { first, count: pairs.len() as u32 }
    }

    /// Runs the steps for one block.
    pub(super) fn execute(&self, call: &Call<'_>, block: usize, frame: &mut Frame) {
        frame.reported.clear();
        frame.reported_floats = [false; LANES];
        let base = frame.words();
        // SAFETY (of all accesses in this function): rows are those of registers, and the frame has that many; no step
        // writes a row that it also reads through a reference.
        let row = |at: u32| unsafe { base.add(at as usize).cast::<Row>() };
        let mut next = 0;
        while let Some(step) = self.steps.get(next) {
            next += 1;
            match *step {
                Step::Lane { kernel, at } => unsafe { kernel(base, at) },
                Step::Gather { to, index, table } => {
                    let table = &self.tables[table.range()];
                    let (to, index) = unsafe { (&mut *row(to), &*row(index)) };
                    for lane in 0..LANES {
                        let entry = table[(index[lane] as usize).min(table.len() - 1)];
                        to[lane] = unsafe { (*row(entry))[lane] };
                    }
                }
                Step::Scatter { index, value, from, to } => {
                    let (from, to) = (&self.tables[from.range()], &self.tables[to.range()]);
                    for (&from, &to) in from.iter().zip(to) {
                        unsafe { *row(to) = *row(from) };
                    }
                    let (index, value) = unsafe { (&*row(index), &*row(value)) };
                    for lane in 0..LANES {
                        let entry = to[(index[lane] as usize).min(to.len() - 1)];
                        unsafe { (*row(entry))[lane] = value[lane] };
                    }
                }
                Step::Random { drawing, rows } => unsafe { drawing(base, &self.tables[rows.range()]) },
                Step::Input { to, input } => self.input(call, block, input, unsafe { &mut *row(to) }),
                Step::Load { mask, address, buffer, places } => {
                    if let Some(words) = call.buffers.get(buffer as usize) {
                        let places = &self.places[places.range()];
                        unsafe { memory::load(base, words, &*row(mask), &*row(address), places) };
                    }
                }
                Step::Store { mask, address, buffer, places } => {
                    if let Some(words) = call.buffers.get(buffer as usize) {
                        let places = &self.places[places.range()];
                        unsafe { memory::store(base, words, &*row(mask), &*row(address), places) };
                    }
                }
                Step::Length { to, buffer, offset, stride } => {
                    let words = call.buffers.get(buffer as usize).map_or(0, |words| words.len() as u32);
                    unsafe { (*row(to)).fill(words.saturating_sub(offset) / stride) };
                }
                Step::Skip { mask, to } => {
                    if !unsafe { (self.any)(row(mask)) } {
                        next = to as usize;
                    }
                }
                Step::Enter { turns } => frame.turns[turns as usize] = 0,
                Step::Repeat { mask, to, turns, site } => {
                    let turn = &mut frame.turns[turns as usize];
                    *turn += 1;
                    let limit = if self.checked { CHECKED_LIMIT } else { LIMIT };
                    if unsafe { (self.any)(row(mask)) } {
                        if *turn < limit {
                            next = to as usize;
                        } else if self.checked {
                            self.report(block, frame, unsafe { &*row(mask) }, None, &[], site);
                        }
                    }
                }
                Step::Check { mask, condition, args, site } => {
                    let (mask, condition) = unsafe { (&*row(mask), &*row(condition)) };
                    if (0..LANES).fold(0, |sum, lane| sum | (mask[lane] & condition[lane])) != 0 {
                        let args = &self.tables[args.range()];
                        self.report(block, frame, mask, Some(condition), args, site);
                    }
                }
            }
        }
    }

    /// Keeps a finding for every lane that has none yet at this place. Of floats a lane's first is kept: what comes later
    /// may well follow from it.
    #[cold]
    fn report(&self, block: usize, frame: &mut Frame, mask: &Row, condition: Option<&Row>, args: &[u32], site: u32) {
        let Some(site) = self.sites.get(site as usize) else { return };
        let base = frame.words();
        let float = matches!(site.what, What::NotFinite(..));
        let reported = frame.reported.entry((site.line, site.column)).or_insert([false; LANES]);
        for lane in 0..LANES {
            let holds = mask[lane] & condition.map_or(u32::MAX, |condition| condition[lane]) != 0;
            let follows = reported[lane] || (float && frame.reported_floats[lane]);
            if !holds || follows || frame.findings.len() >= FINDINGS {
                continue;
            }
            reported[lane] = true;
            frame.reported_floats[lane] |= float;
            // SAFETY: as in `execute`.
            let values: Vec<u32> = args.iter().map(|&at| unsafe { base.add(at as usize + lane).read() }).collect();
            let message = finding::message(site, &values);
            let invocation = (block * LANES + lane) as u32;
            let endless = matches!(site.what, What::Endless);
            frame.findings.push(Finding { line: site.line, column: site.column, message, invocation, endless });
        }
    }

    /// An input of the invocations of a block.
    pub(super) fn input(&self, call: &Call<'_>, block: usize, input: Input, to: &mut Row) {
        let first = block as u64 * LANES as u64;
        let [width, height, depth] = self.workgroup;
        let linear = height == 1 && depth == 1 && call.groups[1] == 1 && call.groups[2] == 1;
        match input {
            Input::Active => {
                let count = self.invocations(call.groups).saturating_sub(first).min(LANES as u64) as u32;
                for (lane, to) in (0..).zip(to) {
                    *to = 0u32.wrapping_sub(u32::from(lane < count));
                }
                return;
            }
            Input::GlobalId(0) if linear => {
                for (lane, to) in (0..).zip(to) {
                    *to = first as u32 + lane;
                }
                return;
            }
            Input::GlobalId(_) if linear => return to.fill(0),
            Input::Groups(axis) => return to.fill(call.groups[axis as usize]),
            _ => {}
        }
        let size = u64::from(width) * u64::from(height) * u64::from(depth);
        let [across, down, _] = call.groups.map(|count| u64::from(count.max(1)));
        for (lane, to) in to.iter_mut().enumerate() {
            let invocation = first + lane as u64;
            let (group, local) = (invocation / size, (invocation % size) as u32);
            let local_id = [local % width, local / width % height, local / width / height];
            let group_id = [group % across, group / across % down, group / across / down].map(|id| id as u32);
            *to = match input {
                Input::GlobalId(axis) => {
                    let axis = axis as usize;
                    group_id[axis].wrapping_mul(self.workgroup[axis]).wrapping_add(local_id[axis])
                }
                Input::LocalId(axis) => local_id[axis as usize],
                Input::GroupId(axis) => group_id[axis as usize],
                _ => local,
            };
        }
    }
}
