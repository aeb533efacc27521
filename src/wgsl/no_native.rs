//! Where there is no generator of machine code: programs run step by step.

use super::finish::Listing;
use super::inst::Input;
use crate::engine::Call;
use crate::simd::Isa;

/// No machine code.
#[derive(Debug)]
pub(super) enum Native {}

impl Native {
    pub fn compile(_: &mut Listing, _: Isa) -> Option<Self> {
        None
    }

    pub fn frame_bytes(&self) -> usize {
        match *self {}
    }

    pub fn inputs_at(&self) -> usize {
        match *self {}
    }

    pub fn inputs(&self) -> &[Input] {
        match *self {}
    }

    pub fn begin(&self, _: &mut [u32]) {
        match *self {}
    }

    pub fn run(&self, _: &Call<'_>, _: impl Fn(u32) -> u32, _: usize, _: &mut [u32]) {
        match *self {}
    }
}
