//! Loads and stores of a chunk of lanes, called by machine code.

use crate::engine::Words;
use crate::simd::transpose4;

/// What the machine code of a chunk works on.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Context {
    /// What the base registers point to.
    pub homes: *mut u8,
    pub uniforms: *const u8,
    pub inputs: *const u8,
    /// The dispatch's buffers.
    pub buffers: *const Words<'static>,
    pub count: usize,
}

/// Where a row is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Row {
    Home(i32),
    Input(i32),
    /// A row of equal words.
    Uniform(i32),
    /// A word that stands for a row.
    Word(i32),
}

/// A list of loads or stores at one address.
#[derive(Debug)]
pub(super) struct Access {
    pub buffer: u32,
    /// Rows of the frame: the mask, and the address of every lane.
    pub mask: i32,
    pub address: i32,
    /// Four rows whose words follow each other, and the first word, relative to the address.
    pub fours: Vec<([i32; 4], u32)>,
    /// Other rows and the word of each.
    pub places: Vec<(Row, u32)>,
    /// The largest word.
    pub last: u32,
}

impl Access {
    pub fn new(buffer: u32, [mask, address]: [i32; 2], places: &[(Row, u32)]) -> Self {
        let last = places.iter().map(|&(_, place)| place).max().unwrap_or(0);
        let mut access = Self { buffer, mask, address, fours: Vec::new(), places: Vec::new(), last };
        let mut left = places;
        while let Some((&first, others)) = left.split_first() {
            match left {
                &[
                    (Row::Home(a), word),
                    (Row::Home(b), second),
                    (Row::Home(c), third),
                    (Row::Home(d), fourth),
                    ref rest @ ..,
                ] if [second, third, fourth] == [word + 1, word + 2, word + 3] => {
                    access.fours.push(([a, b, c, d], word));
                    left = rest;
                }
                _ => {
                    access.places.push(first);
                    left = others;
                }
            }
        }
        access
    }

    /// All rows and their words.
    fn all(&self) -> impl Iterator<Item = (Row, u32)> {
        let fours = self.fours.iter().flat_map(|&(rows, word)| rows.into_iter().map(Row::Home).zip(word..));
        fours.chain(self.places.iter().copied())
    }
}

/// The function that machine code calls.
pub(super) type Accessing = unsafe extern "sysv64" fn(*const Context, *const Access);

/// A chunk's access, as far as it is the same for all places.
struct Lanes<'a, const N: usize> {
    words: &'a Words<'static>,
    mask: &'a [u32; N],
    address: &'a [u32; N],
    /// Where the first lane's address is and how far lanes are apart, if all of it lies inside the buffer.
    regular: Option<(usize, usize)>,
}

/// # Safety
/// The context is that of a running program, the access one of its own.
#[inline(always)]
unsafe fn lanes<'a, const N: usize>(context: &'a Context, access: &Access) -> Option<Lanes<'a, N>> {
    // SAFETY: rows of the frame are aligned and in bounds, buffers outlive the call.
    unsafe {
        if access.buffer as usize >= context.count {
            return None;
        }
        let words = &*context.buffers.add(access.buffer as usize);
        let row = |at: i32| &*context.homes.offset(at as isize).cast::<[u32; N]>();
        let (mask, address) = (row(access.mask), row(access.address));
        let (first, step) = (address[0], address[1].wrapping_sub(address[0]));
        let (mut all, mut other) = (u32::MAX, 0);
        for lane in 0..N {
            all &= mask[lane];
            other |= address[lane] ^ first.wrapping_add((lane as u32).wrapping_mul(step));
        }
        let end = u64::from(first) + u64::from(step) * (N as u64 - 1) + u64::from(access.last);
        let regular = all == u32::MAX && other == 0 && step < 1 << 24 && end < words.len() as u64;
        let regular = regular.then_some((first as usize, step as usize));
        Some(Lanes { words, mask, address, regular })
    }
}

/// Reads a word for each active lane; beyond the end it is the last word.
#[inline(always)]
unsafe fn load<const N: usize>(context: *const Context, access: *const Access) {
    // SAFETY (of the whole function): rows of the frame that are neither mask nor address, and where lanes are regular all
    // words are inside the buffer.
    let (context, access) = unsafe { (&*context, &*access) };
    let Some(lanes) = (unsafe { lanes::<N>(context, access) }) else { return };
    let Some(last) = lanes.words.len().checked_sub(1) else { return };
    let home = |at: i32| unsafe { context.homes.offset(at as isize).cast::<f32>() };
    let Some((first, step)) = lanes.regular else {
        for (row, place) in access.all() {
            let Row::Home(at) = row else { continue };
            let row = unsafe { &mut *home(at).cast::<[u32; N]>() };
            for (lane, to) in row.iter_mut().enumerate() {
                if lanes.mask[lane] != 0 {
                    *to = lanes.words.get((lanes.address[lane].wrapping_add(place) as usize).min(last));
                }
            }
        }
        return;
    };
    let first = unsafe { lanes.words.as_ptr().add(first) };
    for &(rows, word) in &access.fours {
        for lane in (0..N).step_by(4) {
            unsafe {
                let from = first.add(lane * step + word as usize);
                let from = [from, from.add(step), from.add(2 * step), from.add(3 * step)];
                transpose4(from.map(|from| from.cast_const()), rows.map(|at| home(at).add(lane)));
            }
        }
    }
    for &(row, place) in &access.places {
        let Row::Home(at) = row else { continue };
        unsafe {
            let (row, first) = (&mut *home(at).cast::<[f32; N]>(), first.add(place as usize));
            if step == 1 {
                *row = first.cast::<[f32; N]>().read_unaligned();
                continue;
            }
            for (lane, to) in row.iter_mut().enumerate() {
                *to = first.add(lane * step).read();
            }
        }
    }
}

/// Writes a word for each active lane; beyond the end nothing is written.
#[inline(always)]
unsafe fn store<const N: usize>(context: *const Context, access: *const Access) {
    // SAFETY (of the whole function): rows of the frame, its uniforms and inputs, and where lanes are regular all words are
    // inside the buffer.
    let (context, access) = unsafe { (&*context, &*access) };
    let Some(lanes) = (unsafe { lanes::<N>(context, access) }) else { return };
    let row = |row: Row| unsafe {
        match row {
            Row::Home(at) => *context.homes.offset(at as isize).cast::<[u32; N]>(),
            Row::Input(at) => *context.inputs.offset(at as isize).cast::<[u32; N]>(),
            Row::Uniform(at) => *context.uniforms.offset(at as isize).cast::<[u32; N]>(),
            Row::Word(at) => [*context.uniforms.offset(at as isize).cast::<u32>(); N],
        }
    };
    // Lanes that share words are written in the order of the rows.
    let Some((first, step)) = lanes.regular.filter(|&(_, step)| step > access.last as usize) else {
        for (from, place) in access.all() {
            for (lane, &from) in row(from).iter().enumerate() {
                if lanes.mask[lane] != 0 {
                    lanes.words.set(lanes.address[lane].wrapping_add(place) as usize, from);
                }
            }
        }
        return;
    };
    let first = unsafe { lanes.words.as_ptr().add(first) };
    for &(rows, word) in &access.fours {
        for lane in (0..N).step_by(4) {
            unsafe {
                let to = first.add(lane * step + word as usize);
                let to = [to, to.add(step), to.add(2 * step), to.add(3 * step)];
                let from = rows.map(|at| context.homes.offset(at as isize).cast::<f32>().add(lane).cast_const());
                transpose4(from, to);
            }
        }
    }
    for &(from, place) in &access.places {
        unsafe {
            let (from, first) = (row(from), first.cast::<u32>().add(place as usize));
            if step == 1 {
                first.cast::<[u32; N]>().write_unaligned(from);
                continue;
            }
            for (lane, &from) in from.iter().enumerate() {
                first.add(lane * step).write(from);
            }
        }
    }
}

macro_rules! accessing {
    ($($name:ident = $generic:ident, $lanes:literal, $features:literal;)+) => {
        $(
            /// # Safety
            /// The context is that of a running program, the access one of its own.
            #[target_feature(enable = $features)]
            pub(super) unsafe extern "sysv64" fn $name(context: *const Context, access: *const Access) {
                // SAFETY: as promised by the caller.
                unsafe { $generic::<$lanes>(context, access) }
            }
        )+
    };
}

accessing! {
    load_8 = load, 8, "avx2";
    load_16 = load, 16, "avx512f,avx512bw,avx512dq,avx512vl";
    store_8 = store, 8, "avx2";
    store_16 = store, 16, "avx512f,avx512bw,avx512dq,avx512vl";
}
