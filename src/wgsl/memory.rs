//! Loads and stores of all lanes.

use super::lane::{LANES, Row};
use crate::engine::Words;

/// Whether all lanes are in the mask.
fn all(mask: &Row) -> bool {
    mask.iter().fold(u32::MAX, |sum, lane| sum & lane) == u32::MAX
}

/// The step between the addresses of neighbouring lanes, if it is one and the same.
fn step(address: &Row) -> Option<u32> {
    let (first, step) = (address[0], address[1].wrapping_sub(address[0]));
    let mut other = 0;
    for (lane, &at) in address.iter().enumerate() {
        other |= at ^ first.wrapping_add((lane as u32).wrapping_mul(step));
    }
    (other == 0).then_some(step)
}

/// Where the lanes of a regular access begin and how far they are apart, if all of it lies inside the buffer.
fn regular(words: &Words<'_>, mask: &Row, address: &Row, places: impl Iterator<Item = u32>) -> Option<(usize, usize)> {
    let step = step(address).filter(|step| *step < 1 << 24 && all(mask))?;
    let last = places.max().unwrap_or(0);
    let end = u64::from(address[0]) + u64::from(step) * (LANES as u64 - 1) + u64::from(last);
    (end < words.len() as u64).then_some((address[0] as usize, step as usize))
}

/// Reads a word for each active lane; beyond the end it is the last word.
///
/// # Safety
/// `places` holds pairs of a row of the frame (none of them `mask` or `address`) and a word relative to the address.
pub(super) unsafe fn load(frame: *mut u32, words: &Words<'_>, mask: &Row, address: &Row, places: &[[u32; 2]]) {
    let Some(last) = words.len().checked_sub(1) else { return };
    let fast = regular(words, mask, address, places.iter().map(|p| p[1]));
    for &[row, place] in places {
        // SAFETY: as promised by the caller.
        let row = unsafe { &mut *frame.add(row as usize).cast::<Row>() };
        match fast {
            Some((first, step)) => {
                // SAFETY: `regular` has found all of these words inside the buffer.
                let first = unsafe { words.as_ptr().cast::<u32>().add(first + place as usize) };
                for (lane, to) in row.iter_mut().enumerate() {
                    *to = unsafe { first.add(lane * step).read() };
                }
            }
            None => {
                for lane in 0..LANES {
                    if mask[lane] != 0 {
                        row[lane] = words.get((address[lane].wrapping_add(place) as usize).min(last));
                    }
                }
            }
        }
    }
}

/// Writes a word for each active lane; beyond the end nothing is written.
///
/// # Safety
/// `places` holds pairs of a row of the frame and a word relative to the address.
pub(super) unsafe fn store(frame: *const u32, words: &Words<'_>, mask: &Row, address: &Row, places: &[[u32; 2]]) {
    let fast = regular(words, mask, address, places.iter().map(|p| p[1]));
    for &[row, place] in places {
        // SAFETY: as promised by the caller.
        let row = unsafe { &*frame.add(row as usize).cast::<Row>() };
        match fast {
            Some((first, step)) => {
                // SAFETY: `regular` has found all of these words inside the buffer.
                let first = unsafe { words.as_ptr().cast::<u32>().add(first + place as usize) };
                for (lane, &from) in row.iter().enumerate() {
                    unsafe { first.add(lane * step).write(from) };
                }
            }
            None => {
                for lane in 0..LANES {
                    if mask[lane] != 0 {
                        words.set(address[lane].wrapping_add(place) as usize, row[lane]);
                    }
                }
            }
        }
    }
}
