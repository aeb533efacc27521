//! Machine code against the interpreter: every operation, every instruction.

use super::super::finish::Listing;
use super::super::inst::{Draw, Input, Inst, Slot};
use super::super::lane::{LANES, Lane};
use super::super::program::{Program, ProgramOptions};
use crate::engine::Words;
use crate::simd::Isa;

/// Invocations: a block that is full and one that is not.
const ROWS: usize = LANES + 21;
/// Words of an invocation's inputs.
const WIDTH: usize = 12;

struct Author {
    listing: Listing,
    active: Slot,
    id: Slot,
    inputs: Vec<Slot>,
}

impl Author {
    fn new() -> Self {
        let insts = Vec::new();
        let listing = Listing { insts, constants: Vec::new(), immediates: Vec::new(), slots: 0, sites: Vec::new() };
        let mut author = Author { listing, active: 0, id: 0, inputs: Vec::new() };
        let (active, id) = (author.fresh(), author.fresh());
        author.push(Inst::Input { dst: active, input: Input::Active });
        author.push(Inst::Input { dst: id, input: Input::GlobalId(0) });
        (author.active, author.id) = (active, id);
        let width = author.constant(WIDTH as u32);
        let address = author.op(Lane::Mul, &[id, width]);
        author.inputs = (0..WIDTH).map(|_| author.fresh()).collect();
        let dst = author.inputs.iter().copied().zip(0..).collect();
        author.push(Inst::Load { dst, mask: active, address, buffer: 0 });
        author
    }

    fn push(&mut self, inst: Inst) {
        self.listing.insts.push(inst);
    }

    fn fresh(&mut self) -> Slot {
        self.listing.slots += 1;
        self.listing.slots - 1
    }

    fn constant(&mut self, word: u32) -> Slot {
        if let Some(&(slot, _)) = self.listing.constants.iter().find(|constant| constant.1 == word) {
            return slot;
        }
        let slot = self.fresh();
        self.listing.constants.push((slot, word));
        slot
    }

    fn op(&mut self, op: Lane, sources: &[Slot]) -> Slot {
        let mut src = [0; 3];
        src[..sources.len()].copy_from_slice(sources);
        let dst = self.fresh();
        self.push(Inst::Lane { op, dst, src });
        dst
    }

    /// The values become the words of every invocation in the second buffer.
    fn finish(mut self, values: &[Slot]) -> Listing {
        let width = self.constant(values.len() as u32);
        let address = self.op(Lane::Mul, &[self.id, width]);
        let src = values.iter().copied().zip(0..).collect();
        self.push(Inst::Store { src, mask: self.active, address, buffer: 1 });
        self.listing
    }
}

/// Words in which everything occurs that floats and integers can be.
fn words() -> Vec<u32> {
    const SPECIAL: [u32; 20] = [
        0,
        1,
        2,
        31,
        32,
        0x8000_0000,
        0xffff_ffff,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0xffc1_2345,
        0x3f80_0000,
        0xbf80_0000,
        0x0000_0007,
        0x807f_ffff,
        0x4f00_0000,
        0x4f80_0000,
        0xcf00_0001,
        0x3f00_0000,
        0xbf00_0000,
    ];
    let mut state = 1u32;
    let mut word = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state ^ state >> 13
    };
    let mut next = |at: usize| match at % 4 {
        0 => SPECIAL[word() as usize % SPECIAL.len()],
        1 => ((word() as i32 >> 8) as f32 / 1_048_576.0).to_bits(),
        2 => word() >> (at % 29),
        _ => word(),
    };
    (0..ROWS * WIDTH).map(|i| next(i / WIDTH + i % WIDTH * 3)).collect()
}

/// Words of a part of the third buffer, 8 for each of 128 invocations.
const SECTION: usize = 1024;

/// The second buffer after a run, then the third.
fn run(listing: &Listing, isa: Isa, interpreted: bool, width: usize) -> Vec<u32> {
    let options = ProgramOptions { bindings: &[], isa, checked: None, interpreted };
    let program = Program::of_listing(listing.clone(), &options, [ROWS as u32, 1, 1]);
    assert_eq!(program.is_native(), !interpreted && isa != Isa::Baseline);
    let (mut inputs, mut out) = (words(), vec![0xdead_beef; ROWS * width]);
    let mut frame = program.frame();
    let mut third = vec![0xdead_beef; 10 * SECTION + 100];
    let buffers = [&mut inputs, &mut out, &mut third].map(|words| Words::of(words));
    program.run_all([1, 1, 1], &7u32.to_le_bytes(), &buffers, &mut frame);
    out.extend(third);
    out
}

fn same(a: u32, b: u32) -> bool {
    // Which payload a NaN of two NaNs has is left open, also by the compiler.
    a == b || (f32::from_bits(a).is_nan() && f32::from_bits(b).is_nan())
}

fn assert_same(listing: &Listing, width: usize, what: &str) {
    let want = run(listing, Isa::Baseline, true, width);
    assert!(want.iter().any(|&word| word != 0xdead_beef), "{what}");
    for isa in Isa::available().skip(1) {
        let got = run(listing, isa, false, width);
        let differs = (0..got.len()).find(|&i| !same(got[i], want[i]));
        if let Some(i) = differs {
            let inputs = words().chunks(WIDTH).nth(i / width).map(<[u32]>::to_vec);
            panic!("{what}, {isa}, word {i} of {width}: {:#x}, not {:#x}; of {inputs:x?}", got[i], want[i]);
        }
    }
}

#[test]
fn every_operation_has_the_interpreters_bits_for_values_and_constants() {
    for &op in Lane::ALL {
        let mut author = Author::new();
        let (a, b, c) = (author.inputs[0], author.inputs[1], author.inputs[2]);
        let two = author.constant(2);
        let half = author.constant(0.5f32.to_bits());
        let truth = author.op(Lane::LessF, &[a, b]);
        let mut values = Vec::new();
        for sources in
            [[a, b, c], [c, a, b], [a, a, a], [a, two, two], [half, b, half], [truth, a, b], [a, truth, truth]]
        {
            values.push(author.op(op, &sources[..op.arity()]));
        }
        let width = values.len();
        assert_same(&author.finish(&values), width, &format!("{op:?}"));
    }
}

#[test]
fn truths_keep_their_bits_in_mask_registers_and_out_of_them() {
    let mut author = Author::new();
    let x = author.inputs.clone();
    // More truths than mask registers, in use at once.
    let truths: Vec<Slot> = (0..WIDTH - 1)
        .map(|i| author.op([Lane::LessF, Lane::LessU, Lane::Equal, Lane::NotEqualF][i % 4], &[x[i], x[i + 1]]))
        .collect();
    let mut values = Vec::new();
    for (i, pair) in truths.windows(2).enumerate() {
        let op = [Lane::And, Lane::Or, Lane::Xor, Lane::AndNot][i % 4];
        let joined = author.op(op, pair);
        let negated = author.op(Lane::Not, &[joined]);
        values.push(author.op(Lane::Select, &[negated, x[i], x[i + 1]]));
        values.push(author.op(Lane::And, &[joined, x[i]]));
        values.push(author.op(Lane::AndNot, &[x[i], joined]));
        values.push(author.op(Lane::Select, &[x[i], x[i + 1], x[0]]));
    }
    values.extend(truths);
    let width = values.len();
    assert_same(&author.finish(&values), width, "truths");
}

#[test]
fn sines_and_cosines_of_one_angle_keep_their_bits() {
    let mut author = Author::new();
    let x = author.inputs.clone();
    let mut values = Vec::new();
    for i in 0..4 {
        for op in [Lane::Sin, Lane::Cos, Lane::Cos, Lane::Sin].into_iter().skip(i) {
            values.push(author.op(op, &[x[i]]));
            values.push(author.op(Lane::Tan, &[x[i + 1]]));
        }
    }
    let width = values.len();
    assert_same(&author.finish(&values), width, "sines");
}

#[test]
fn more_values_than_registers_keep_their_bits() {
    let mut author = Author::new();
    // Floats and words apart: the payload of a NaN is no number.
    let floats = [Lane::AddF, Lane::MulF, Lane::MinF, Lane::MulAddF, Lane::Mix, Lane::SubF, Lane::Sin, Lane::ClampF];
    let words = [Lane::Add, Lane::Xor, Lane::MinU, Lane::Mul, Lane::Select, Lane::DivU, Lane::ShiftLeft, Lane::LessI];
    let mut all = Vec::new();
    for ops in [floats, words] {
        let mut values = author.inputs.clone();
        for i in 0..400 {
            let (a, b) = (values[i * 7 % values.len()], values[values.len() - 1 - i % 5]);
            let op = if i % 8 == 6 && i % 64 != 6 { ops[0] } else { ops[i % 8] };
            let value = author.op(op, &[a, b, values[i % 50 % values.len()]][..op.arity()]);
            values.push(value);
        }
        all.extend(values);
    }
    assert_same(&author.finish(&all), all.len(), "values");
}

#[test]
fn tables_and_draws_have_the_interpreters_bits() {
    let mut author = Author::new();
    let x = author.inputs.clone();
    let mask = author.constant(15);
    let small = author.op(Lane::And, &[x[4], mask]);
    let mut values = Vec::new();
    for index in [small, x[0]] {
        for count in [2, 5, WIDTH] {
            let (dst, table) = (author.fresh(), x[..count].to_vec());
            author.push(Inst::Gather { dst, index, table });
            values.push(dst);
            let (dst, table): (Vec<Slot>, _) = ((0..count).map(|_| author.fresh()).collect(), x[..count].to_vec());
            author.push(Inst::Scatter { dst: dst.clone(), index, value: x[7], table });
            values.extend(dst);
        }
    }
    for draw in [Draw::Words, Draw::Uniform, Draw::Normal] {
        let dst: Vec<Slot> = (0..if draw == Draw::Words { 4 } else { 1 }).map(|_| author.fresh()).collect();
        let src = vec![x[0], x[1], mask, x[3], x[4], mask, x[6], x[7]];
        author.push(Inst::Random { draw, dst: dst.clone(), src });
        values.extend(dst);
    }
    let immediate = author.fresh();
    author.listing.immediates.push((immediate, 0));
    values.push(author.op(Lane::Add, &[immediate, x[0]]));
    values.push(immediate);
    for (buffer, offset, stride) in [(0, 3, 2), (1, 0, 1), (5, 0, 1)] {
        let dst = author.fresh();
        author.push(Inst::Length { dst, buffer, offset, stride });
        values.push(author.op(Lane::Add, &[dst, x[1]]));
        values.push(dst);
    }
    for input in [Input::LocalIndex, Input::LocalId(0), Input::GroupId(1), Input::Groups(0), Input::Active] {
        let dst = author.fresh();
        author.push(Inst::Input { dst, input });
        values.push(dst);
    }
    let width = values.len();
    assert_same(&author.finish(&values), width, "tables");
}

#[test]
fn loads_and_stores_keep_to_their_lanes_and_buffers() {
    let mut author = Author::new();
    let x = author.inputs.clone();
    let truth = author.op(Lane::LessU, &[x[3], x[4]]);
    let mask = author.op(Lane::And, &[truth, author.active]);
    let [zero, three, thousand] = [0, 3, 1000].map(|word| author.constant(word));
    let mut values = Vec::new();
    // Scattered, neighbouring, all the same, partly beyond the end.
    let triple = author.op(Lane::Mul, &[author.id, three]);
    let beyond = author.op(Lane::Add, &[triple, thousand]);
    for address in [x[2], author.id, zero, triple, beyond] {
        for mask in [mask, author.active] {
            let dst: Vec<Slot> = (0..9).map(|_| author.fresh()).collect();
            let places = dst.iter().copied().zip([4, 5, 6, 7, 8, 0, 11, 12, 2]).collect();
            author.push(Inst::Load { dst: places, mask, address, buffer: 0 });
            values.extend(dst.into_iter().map(|slot| author.op(Lane::And, &[slot, mask])));
        }
    }
    let width = values.len();
    // Every lane writes words of its own: neighbours in order, out of order, partly beyond the end.
    let [five, eight] = [5, SECTION / 128].map(|word| author.constant(word as u32));
    let other = author.op(Lane::Xor, &[author.id, five]);
    for (number, (id, mask)) in
        [(author.id, author.active), (author.id, mask), (other, author.active), (other, mask)].into_iter().enumerate()
    {
        for (buffer, section) in [(2, number), (2, 3 * number + 4), (7, 0)] {
            let section = author.constant((SECTION * section) as u32);
            let address = author.op(Lane::Mul, &[id, eight]);
            let address = author.op(Lane::Add, &[address, section]);
            let src = vec![(x[0], 0), (three, 5), (author.id, 6), (x[1], 1), (x[2], 2), (x[3], 3), (x[4], 4)];
            author.push(Inst::Store { src, mask, address, buffer });
        }
    }
    assert_same(&author.finish(&values), width, "accesses");
}

#[test]
fn a_run_with_another_operation_gives_other_bits() {
    let listing = |op: Lane| {
        let mut author = Author::new();
        let value = author.op(op, &[author.inputs[0], author.inputs[1]]);
        author.finish(&[value])
    };
    let isa = Isa::detect();
    let native = isa != Isa::Baseline;
    assert_eq!(run(&listing(Lane::Add), isa, !native, 1), run(&listing(Lane::Add), isa, true, 1));
    assert_ne!(run(&listing(Lane::Add), isa, !native, 1), run(&listing(Lane::Sub), isa, true, 1));
}
