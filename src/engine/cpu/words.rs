//! Memory of the CPU engine: role buffers as 32-bit words that the tasks of a dispatch share.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Alignment of buffers: one cache line, and one AVX-512 vector.
#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Line([u32; 16]);

/// A buffer that the engine owns: zeroed, aligned to 64 bytes. Held by pointer, because one buffer may be bound twice.
pub(super) struct Memory {
    lines: *mut [Line],
    words: usize,
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for Memory {}

impl Memory {
    /// `None` when the system has no room.
    pub(super) fn zeroed(words: usize) -> Option<Self> {
        let lines: Vec<Line> = bytemuck::allocation::try_zeroed_vec(words.div_ceil(16)).ok()?;
        Some(Self { lines: Box::into_raw(lines.into_boxed_slice()), words })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: allocated with at least so many bytes; `Words` do not outlive a dispatch, which borrows the engine.
        unsafe { std::slice::from_raw_parts(self.lines.cast(), 4 * self.words) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.cast(), 4 * self.words) }
    }

    /// A view for the tasks of a dispatch.
    pub(super) fn share(&self) -> Words<'_> {
        Words { first: self.lines.cast(), len: self.words, memory: PhantomData }
    }

    /// Copies `size` bytes between two different buffers.
    pub(super) fn copy(source: &Self, from: usize, target: &mut Self, to: usize, size: usize) {
        target.bytes_mut()[to..to + size].copy_from_slice(&source.bytes()[from..from + size]);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` and given back once.
        drop(unsafe { Box::from_raw(self.lines) });
    }
}

/// The words of a buffer, shared by the tasks of one dispatch. Reads and writes of single words are checked against the
/// length and are atomic, so that even tasks that break the following rule do no worse than mix up their numbers.
///
/// Tasks of one dispatch must not touch a word that another one writes; that is the same rule that the invocations of a
/// WGSL kernel obey, and twins split their work as their kernel does.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    first: *mut u32,
    len: usize,
    memory: PhantomData<&'a [u32]>,
}

// SAFETY: safe methods access words atomically; users of the others promise not to race.
unsafe impl Send for Words<'_> {}
// SAFETY: as above.
unsafe impl Sync for Words<'_> {}

impl<'a> Words<'a> {
    /// No words.
    pub(super) const EMPTY: Self = Self { first: std::ptr::dangling_mut(), len: 0, memory: PhantomData };

    /// A view of words that nobody else uses meanwhile: for tests and for running a kernel by hand.
    pub fn of(words: &'a mut [u32]) -> Self {
        Self { first: words.as_mut_ptr(), len: words.len(), memory: PhantomData }
    }

    /// The same for floats.
    pub fn of_floats(words: &'a mut [f32]) -> Self {
        Self { first: words.as_mut_ptr().cast(), len: words.len(), memory: PhantomData }
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the words begin. Reads and writes through it obey the rule of the type and stay inside [`Self::len`].
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut f32 {
        self.first.cast()
    }

    /// Word `at`, if there is one. An atomic costs no more than a plain word as long as nothing is ordered by it.
    #[inline(always)]
    fn word(&self, at: usize) -> Option<&AtomicU32> {
        // SAFETY: inside the buffer, aligned and alive for `'a`; plain access is unsafe and promises not to race.
        (at < self.len).then(|| unsafe { AtomicU32::from_ptr(self.first.add(at)) })
    }

    /// Word `at`; 0 beyond the end.
    #[inline(always)]
    pub fn get(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets word `at`; nothing happens beyond the end.
    #[inline(always)]
    pub fn set(&self, at: usize, word: u32) {
        if let Some(place) = self.word(at) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Word `at` as a float.
    #[inline(always)]
    pub fn f32(&self, at: usize) -> f32 {
        f32::from_bits(self.get(at))
    }

    /// Sets word `at` to a float.
    #[inline(always)]
    pub fn set_f32(&self, at: usize, value: f32) {
        self.set(at, value.to_bits());
    }

    /// The part of a range that lies inside the buffer.
    fn clamp(&self, range: Range<usize>) -> Range<usize> {
        let end = range.end.min(self.len);
        range.start.min(end)..end
    }

    /// Words `range` (cut at the end of the buffer) as floats.
    ///
    /// # Safety
    /// No task writes to them while the slice is in use.
    #[inline(always)]
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a [f32] {
        let range = self.clamp(range);
        // SAFETY: inside the buffer; the caller vouches that nobody writes.
        unsafe { std::slice::from_raw_parts(self.first.add(range.start).cast(), range.len()) }
    }

    /// Words `range` (cut at the end of the buffer) as floats to be changed.
    ///
    /// # Safety
    /// Nobody else reads or writes them while the slice is in use.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // tasks share the buffer, each has its own part
    pub unsafe fn slice_mut(&self, range: Range<usize>) -> &'a mut [f32] {
        let range = self.clamp(range);
        // SAFETY: inside the buffer; the caller vouches that nobody else uses the range.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(range.start).cast(), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_aligned_and_as_long_as_asked() {
        let mut memory = Memory::zeroed(37).unwrap();
        assert_eq!(memory.bytes(), [0; 148]);
        memory.bytes_mut()[147] = 1;
        assert_eq!(memory.bytes().as_ptr() as usize % 64, 0);
        assert_eq!((memory.share().len(), memory.share().get(36)), (37, 1 << 24));
    }

    #[test]
    fn single_words_outside_are_neither_read_nor_written() {
        let mut words = [1, 2, 3];
        let view = Words::of(&mut words[..2]);
        view.set(1, 9);
        view.set(2, 9);
        assert_eq!((view.get(1), view.get(2), view.get(usize::MAX)), (9, 0, 0));
        // SAFETY: nobody else uses the array.
        assert_eq!(unsafe { view.slice(1..7) }.len(), 1);
        assert_eq!(words, [1, 9, 3]);
    }
}
