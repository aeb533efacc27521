//! Loads and stores of a chunk of lanes, called by machine code.

use crate::engine::Words;

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
    /// Rows and the word of each, relative to the address.
    pub places: Vec<(Row, u32)>,
    pub last: u32,
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
    // SAFETY: as promised by the caller.
    let (context, access) = unsafe { (&*context, &*access) };
    let Some(lanes) = (unsafe { lanes::<N>(context, access) }) else { return };
    let Some(last) = lanes.words.len().checked_sub(1) else { return };
    for &(row, place) in &access.places {
        let Row::Home(at) = row else { continue };
        // SAFETY: a row of the frame that is neither mask nor address.
        let row = unsafe { &mut *context.homes.offset(at as isize).cast::<[u32; N]>() };
        match lanes.regular {
            Some((first, step)) => {
                // SAFETY: all of these words are inside the buffer.
                let first = unsafe { lanes.words.as_ptr().cast::<u32>().add(first + place as usize) };
                for (lane, to) in row.iter_mut().enumerate() {
                    *to = unsafe { first.add(lane * step).read() };
                }
            }
            None => {
                for (lane, to) in row.iter_mut().enumerate() {
                    if lanes.mask[lane] != 0 {
                        *to = lanes.words.get((lanes.address[lane].wrapping_add(place) as usize).min(last));
                    }
                }
            }
        }
    }
}

/// Writes a word for each active lane; beyond the end nothing is written.
#[inline(always)]
unsafe fn store<const N: usize>(context: *const Context, access: *const Access) {
    // SAFETY: as promised by the caller.
    let (context, access) = unsafe { (&*context, &*access) };
    let Some(lanes) = (unsafe { lanes::<N>(context, access) }) else { return };
    for &(row, place) in &access.places {
        // SAFETY: rows of the frame, its uniforms and inputs.
        let row = unsafe {
            match row {
                Row::Home(at) => *context.homes.offset(at as isize).cast::<[u32; N]>(),
                Row::Input(at) => *context.inputs.offset(at as isize).cast::<[u32; N]>(),
                Row::Uniform(at) => *context.uniforms.offset(at as isize).cast::<[u32; N]>(),
                Row::Word(at) => [*context.uniforms.offset(at as isize).cast::<u32>(); N],
            }
        };
        match lanes.regular {
            Some((first, step)) => {
                // SAFETY: all of these words are inside the buffer.
                let first = unsafe { lanes.words.as_ptr().cast::<u32>().add(first + place as usize) };
                for (lane, &from) in row.iter().enumerate() {
                    unsafe { first.add(lane * step).write(from) };
                }
            }
            None => {
                for (lane, &from) in row.iter().enumerate() {
                    if lanes.mask[lane] != 0 {
                        lanes.words.set(lanes.address[lane].wrapping_add(place) as usize, from);
                    }
                }
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
