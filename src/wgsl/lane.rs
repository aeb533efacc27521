//! The operations on lanes: one scalar formula each, compiled as a loop over the lanes of a slot for every instruction
//! set, and evaluated once for constants.

#[cfg(target_arch = "x86_64")]
use super::native::{OnRows, RESULT};
use super::{bits, math};
use crate::simd::Isa;

/// Invocations that a program runs at once.
pub(super) const LANES: usize = 64;

/// The lanes of one slot.
pub(super) type Row = [u32; LANES];

/// How a 32-bit word is read and written as a typed value. A bool is all zeros or all ones.
pub(super) trait Word: Copy {
    fn from_word(word: u32) -> Self;
    fn to_word(self) -> u32;
}

impl Word for u32 {
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        word
    }
    #[inline(always)]
    fn to_word(self) -> u32 {
        self
    }
}

impl Word for i32 {
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        word as i32
    }
    #[inline(always)]
    fn to_word(self) -> u32 {
        self as u32
    }
}

impl Word for f32 {
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        f32::from_bits(word)
    }
    #[inline(always)]
    fn to_word(self) -> u32 {
        self.to_bits()
    }
}

impl Word for bool {
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        word != 0
    }
    #[inline(always)]
    fn to_word(self) -> u32 {
        0u32.wrapping_sub(u32::from(self))
    }
}

/// Runs one operation: destination, then up to three sources, as offsets in words from the frame's start.
pub(super) type Kernel = unsafe fn(frame: *mut u32, at: [u32; 4]);

macro_rules! lanes {
    ($($(#[$about:meta])* $name:ident ($a:ident: $ta:ty $(, $b:ident: $tb:ty $(, $c:ident: $tc:ty)?)?) $body:expr;)+) => {
        /// An operation on each lane by itself.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(super) enum Lane { $($(#[$about])* $name),+ }

        impl Lane {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Lane::$name),+];

            /// Number of sources.
            pub(super) fn arity(self) -> usize {
                match self { $(Lane::$name => 1 $( + { let _ = stringify!($b); 1 } $( + { let _ = stringify!($c); 1 })?)?),+ }
            }

            /// The value for one lane.
            #[allow(unused_variables)]
            pub(super) fn eval(self, words: [u32; 3]) -> u32 {
                match self {
                    $(Lane::$name => {
                        let $a = <$ta as Word>::from_word(words[0]);
                        $(let $b = <$tb as Word>::from_word(words[1]);
                          $(let $c = <$tc as Word>::from_word(words[2]);)?)?
                        Word::to_word($body)
                    })+
                }
            }

            /// The loop over lanes for an instruction set.
            pub(super) fn kernel(self, isa: Isa) -> Kernel {
                match self { $(Lane::$name => each::$name::kernel(isa)),+ }
            }

            /// The loop over 8 lanes, for machine code.
            #[cfg(target_arch = "x86_64")]
            pub(super) fn chunk_avx2(self) -> OnRows {
                match self { $(Lane::$name => each::$name::chunk_avx2),+ }
            }

            /// The loop over 16 lanes, for machine code.
            #[cfg(target_arch = "x86_64")]
            pub(super) fn chunk_avx512(self) -> OnRows {
                match self { $(Lane::$name => each::$name::chunk_avx512),+ }
            }
        }

        #[allow(non_snake_case)]
        mod each {
            $(pub(in super::super) mod $name {
                #[allow(unused_imports)]
                use super::super::{Isa, Kernel, Row, Word, bits, math};
                #[cfg(target_arch = "x86_64")]
                use super::super::RESULT;

                #[inline(always)]
                fn each_lane<const N: usize>(
                    d: &mut [u32; N],
                    $a: &[u32; N] $(, $b: &[u32; N] $(, $c: &[u32; N])?)?
                ) {
                    for lane in 0..N {
                        let $a = <$ta as Word>::from_word($a[lane]);
                        $(let $b = <$tb as Word>::from_word($b[lane]);
                          $(let $c = <$tc as Word>::from_word($c[lane]);)?)?
                        d[lane] = Word::to_word($body);
                    }
                }

                #[inline(always)]
                unsafe fn body(frame: *mut u32, at: [u32; 4]) {
                    // SAFETY: the program's slots lie inside its frame, and a destination is no source of its operation.
                    unsafe {
                        let slot = |offset: u32| frame.add(offset as usize).cast::<Row>();
                        let d = &mut *slot(at[0]);
                        let $a = &*slot(at[1]);
                        $(let $b = &*slot(at[2]);
                          $(let $c = &*slot(at[3]);)?)?
                        each_lane(d, $a $(, $b $(, $c)?)?);
                    }
                }

                unsafe fn baseline(frame: *mut u32, at: [u32; 4]) {
                    // SAFETY: as promised by the caller.
                    unsafe { body(frame, at) }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2")]
                unsafe fn avx2(frame: *mut u32, at: [u32; 4]) {
                    // SAFETY: as promised by the caller.
                    unsafe { body(frame, at) }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                unsafe fn avx512(frame: *mut u32, at: [u32; 4]) {
                    // SAFETY: as promised by the caller.
                    unsafe { body(frame, at) }
                }

                #[cfg(target_arch = "x86_64")]
                #[inline(always)]
                unsafe fn chunk<const N: usize>(rows: *mut u32) {
                    // SAFETY: rows of N lanes: three for sources, then the destination.
                    unsafe {
                        let row = |number: usize| rows.add(number * N).cast::<[u32; N]>();
                        let d = &mut *row(RESULT);
                        let $a = &*row(0);
                        $(let $b = &*row(1);
                          $(let $c = &*row(2);)?)?
                        each_lane(d, $a $(, $b $(, $c)?)?);
                    }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2")]
                pub(in super::super) unsafe extern "sysv64" fn chunk_avx2(rows: *mut u32) {
                    // SAFETY: as promised by the caller.
                    unsafe { chunk::<8>(rows) }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                pub(in super::super) unsafe extern "sysv64" fn chunk_avx512(rows: *mut u32) {
                    // SAFETY: as promised by the caller.
                    unsafe { chunk::<16>(rows) }
                }

                pub(in super::super) fn kernel(isa: Isa) -> Kernel {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => avx512,
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => avx2,
                        _ => baseline,
                    }
                }
            })+
        }
    };
}

lanes! {
    Copy(a: u32) a;
    // bits, bools and masks
    And(a: u32, b: u32) a & b;
    Or(a: u32, b: u32) a | b;
    Xor(a: u32, b: u32) a ^ b;
    AndNot(a: u32, b: u32) a & !b;
    Not(a: u32) !a;
    /// b where a, else c.
    Select(a: u32, b: u32, c: u32) (a & b) | (!a & c);
    Equal(a: u32, b: u32) a == b;
    NotEqual(a: u32, b: u32) a != b;
    // integers
    Add(a: u32, b: u32) a.wrapping_add(b);
    Sub(a: u32, b: u32) a.wrapping_sub(b);
    Mul(a: u32, b: u32) a.wrapping_mul(b);
    DivI(a: i32, b: i32) bits::div_i(a, b);
    RemI(a: i32, b: i32) bits::rem_i(a, b);
    DivU(a: u32, b: u32) bits::div_u(a, b);
    RemU(a: u32, b: u32) bits::rem_u(a, b);
    NegI(a: i32) a.wrapping_neg();
    AbsI(a: i32) a.wrapping_abs();
    SignI(a: i32) a.signum();
    MinI(a: i32, b: i32) a.min(b);
    MaxI(a: i32, b: i32) a.max(b);
    MinU(a: u32, b: u32) a.min(b);
    MaxU(a: u32, b: u32) a.max(b);
    LessI(a: i32, b: i32) a < b;
    LessEqualI(a: i32, b: i32) a <= b;
    LessU(a: u32, b: u32) a < b;
    LessEqualU(a: u32, b: u32) a <= b;
    ShiftLeft(a: u32, b: u32) a << (b & 31);
    ShiftRightI(a: i32, b: u32) a >> (b & 31);
    ShiftRightU(a: u32, b: u32) a >> (b & 31);
    CountOneBits(a: u32) a.count_ones();
    LeadingZeros(a: u32) a.leading_zeros();
    TrailingZeros(a: u32) a.trailing_zeros();
    ReverseBits(a: u32) a.reverse_bits();
    FirstLeadingI(a: i32) bits::first_leading_i(a);
    FirstLeadingU(a: u32) bits::first_leading_u(a);
    FirstTrailing(a: u32) bits::first_trailing(a);
    ExtractI(a: u32, b: u32, c: u32) bits::extract_i(a, b, c);
    ExtractU(a: u32, b: u32, c: u32) bits::extract_u(a, b, c);
    Field(a: u32, b: u32) bits::field(a, b);
    // conversions
    FloatToI(a: f32) bits::to_i(a);
    FloatToU(a: f32) bits::to_u(a);
    IntToFloat(a: i32) a as f32;
    UintToFloat(a: u32) a as f32;
    // floats
    AddF(a: f32, b: f32) a + b;
    SubF(a: f32, b: f32) a - b;
    MulF(a: f32, b: f32) a * b;
    DivF(a: f32, b: f32) a / b;
    RemF(a: f32, b: f32) a - b * math::trunc(a / b);
    NegF(a: f32) -a;
    AbsF(a: f32) f32::from_bits(a.to_bits() & 0x7fff_ffff);
    SignF(a: f32) if a > 0.0 { 1.0f32 } else if a < 0.0 { -1.0 } else { 0.0 };
    MinF(a: f32, b: f32) if b < a { b } else { a };
    MaxF(a: f32, b: f32) if a < b { b } else { a };
    ClampF(a: f32, b: f32, c: f32) { let low = if a < b { b } else { a }; if c < low { c } else { low } };
    EqualF(a: f32, b: f32) a == b;
    NotEqualF(a: f32, b: f32) a != b;
    LessF(a: f32, b: f32) a < b;
    LessEqualF(a: f32, b: f32) a <= b;
    /// a b + c, rounded twice.
    MulAddF(a: f32, b: f32, c: f32) a * b + c;
    Mix(a: f32, b: f32, c: f32) a * (1.0 - c) + b * c;
    Floor(a: f32) math::floor(a);
    Ceil(a: f32) math::ceil(a);
    Round(a: f32) math::round(a);
    Trunc(a: f32) math::trunc(a);
    Fract(a: f32) a - math::floor(a);
    Sqrt(a: f32) a.sqrt();
    InverseSqrt(a: f32) 1.0 / a.sqrt();
    Exp(a: f32) math::exp(a);
    Exp2(a: f32) math::exp2(a);
    Log(a: f32) math::log(a);
    Log2(a: f32) math::log2(a);
    Pow(a: f32, b: f32) math::pow(a, b);
    Sin(a: f32) math::sin(a);
    Cos(a: f32) math::cos(a);
    Tan(a: f32) math::tan(a);
    Asin(a: f32) math::asin(a);
    Acos(a: f32) math::acos(a);
    Atan(a: f32) math::atan(a);
    Atan2(a: f32, b: f32) math::atan2(a, b);
    Sinh(a: f32) math::sinh(a);
    Cosh(a: f32) math::cosh(a);
    Tanh(a: f32) math::tanh(a);
    Asinh(a: f32) math::asinh(a);
    Acosh(a: f32) math::acosh(a);
    Atanh(a: f32) math::atanh(a);
    Ldexp(a: f32, b: i32) bits::ldexp(a, b);
    FrexpFraction(a: f32) bits::frexp_fraction(a);
    FrexpExponent(a: f32) bits::frexp_exponent(a);
    /// Whether a is an infinity or a NaN.
    NotFinite(a: f32) bits::not_finite(a);
}

#[inline(always)]
fn blend_lanes(to: &mut Row, mask: &Row, from: &Row) {
    for lane in 0..LANES {
        to[lane] = (mask[lane] & from[lane]) | (!mask[lane] & to[lane]);
    }
}

#[inline(always)]
unsafe fn blend_body(frame: *mut u32, at: [u32; 4]) {
    // SAFETY: the program's slots lie inside its frame, and the destination is neither mask nor source.
    unsafe {
        let row = |offset: u32| frame.add(offset as usize).cast::<Row>();
        blend_lanes(&mut *row(at[0]), &*row(at[1]), &*row(at[2]));
    }
}

unsafe fn blend_baseline(frame: *mut u32, at: [u32; 4]) {
    // SAFETY: as promised by the caller.
    unsafe { blend_body(frame, at) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn blend_avx2(frame: *mut u32, at: [u32; 4]) {
    // SAFETY: as promised by the caller.
    unsafe { blend_body(frame, at) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn blend_avx512(frame: *mut u32, at: [u32; 4]) {
    // SAFETY: as promised by the caller.
    unsafe { blend_body(frame, at) }
}

/// Replaces the lanes of a mask: destination, mask, source.
pub(super) fn blend(isa: Isa) -> Kernel {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => blend_avx512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => blend_avx2,
        _ => blend_baseline,
    }
}
