//! Built-in functions.

use naga::{Expression, Handle, MathFunction as M, TypeInner};

use super::super::inst::Slot;
use super::super::lane::Lane;
use super::super::layout::Kind;
use super::{Builder, Built};

impl Builder<'_> {
    pub(super) fn math(
        &mut self,
        function: M,
        _handle: Handle<Expression>,
        arguments: [Option<Handle<Expression>>; 4],
    ) -> Built<Vec<Slot>> {
        let Some(first) = arguments[0] else { return self.refuse("a function without an argument") };
        let kind = self.kind(first)?;
        let mut given: Vec<Vec<Slot>> = Vec::new();
        for argument in arguments.into_iter().flatten() {
            given.push(self.slots(argument)?);
        }
        let ty = self.ty(first);
        if let Some(op) = one_argument(function, kind) {
            return Ok(self.each1(op, &given[0]));
        }
        if let Some(op) = two_arguments(function, kind) {
            return Ok(self.each2(op, &given[0], &given[1]));
        }
        let a = given[0].clone();
        let zero = self.constant(0);
        let one = self.float(1.0);
        Ok(match function {
            M::Abs => a,
            M::Clamp if kind == Kind::Float => self.each3(Lane::ClampF, &given),
            M::Clamp => {
                let (max, min) = if kind == Kind::Int { (Lane::MaxI, Lane::MinI) } else { (Lane::MaxU, Lane::MinU) };
                let low = self.each2(max, &a, &given[1]);
                self.each2(min, &low, &given[2])
            }
            M::Saturate => self.each3(Lane::ClampF, &[a, vec![zero], vec![one]]),
            M::Fma => self.each3(Lane::MulAddF, &given),
            M::Mix => self.each3(Lane::Mix, &given),
            M::Step => {
                let below = self.each2(Lane::LessF, &given[1], &a);
                below.iter().map(|&b| self.op2(Lane::AndNot, one, b)).collect()
            }
            M::SmoothStep => self.inside("smoothstep", |builder| builder.smoothstep(&given)),
            M::Radians => {
                let factor = self.float(std::f32::consts::PI / 180.0);
                self.each2(Lane::MulF, &a, &[factor])
            }
            M::Degrees => {
                let factor = self.float(180.0 / std::f32::consts::PI);
                self.each2(Lane::MulF, &a, &[factor])
            }
            M::Dot if kind == Kind::Float => vec![self.dot(&a, &given[1])],
            M::Dot => {
                let products = self.each2(Lane::Mul, &a, &given[1]);
                vec![products.iter().fold(zero, |sum, &p| self.op2(Lane::Add, sum, p))]
            }
            M::Length => self.inside("length", |builder| vec![builder.length_of(&a)]),
            M::Distance => self.inside("distance", |builder| {
                let difference = builder.each2(Lane::SubF, &a, &given[1]);
                vec![builder.length_of(&difference)]
            }),
            M::Normalize => self.inside("normalize", |builder| {
                let length = builder.length_of(&a);
                builder.each2(Lane::DivF, &a, &[length])
            }),
            M::Cross => self.inside("cross", |builder| builder.cross(&a, &given[1])),
            M::FaceForward => {
                let d = self.dot(&given[2], &given[1]);
                let toward = self.op2(Lane::LessF, d, zero);
                let away = self.each1(Lane::NegF, &a);
                a.iter().zip(&away).map(|(&a, &n)| self.op3(Lane::Select, toward, a, n)).collect()
            }
            M::Reflect => self.inside("reflect", |builder| {
                let d = builder.dot(&given[1], &a);
                let twice = builder.float_op(Lane::AddF, &[d, d]);
                let along = builder.each2(Lane::MulF, &given[1], &[twice]);
                builder.each2(Lane::SubF, &a, &along)
            }),
            M::Refract => self.inside("refract", |builder| builder.refract(&given)),
            M::Modf => {
                let whole = self.each1(Lane::Trunc, &a);
                let mut parts = self.each2(Lane::SubF, &a, &whole);
                parts.extend(whole);
                parts
            }
            M::Frexp => {
                let mut parts = self.each1(Lane::FrexpFraction, &a);
                parts.extend(self.each1(Lane::FrexpExponent, &a));
                parts
            }
            M::Transpose => {
                let TypeInner::Matrix { columns, .. } = ty else { return self.unsupported("this transposition") };
                let (columns, rows) = (*columns as usize, a.len() / *columns as usize);
                (0..rows).flat_map(|r| (0..columns).map(move |c| c * rows + r)).map(|i| a[i]).collect()
            }
            M::Determinant => self.inside("determinant", |builder| vec![builder.determinant(&a)]),
            M::Outer => {
                let columns: Vec<Vec<Slot>> = given[1].iter().map(|&b| self.each2(Lane::MulF, &a, &[b])).collect();
                columns.concat()
            }
            M::QuantizeToF16 => {
                let half = self.each1(Lane::ToHalf, &a);
                self.each1(Lane::FromHalf, &half)
            }
            M::ExtractBits => {
                let op = if kind == Kind::Int { Lane::ExtractI } else { Lane::ExtractU };
                self.each3(op, &given)
            }
            M::InsertBits => {
                let field = self.op2(Lane::Field, given[2][0], given[3][0]);
                let five = self.constant(31);
                let shift = self.op2(Lane::MinU, given[2][0], five);
                let moved = self.each2(Lane::ShiftLeft, &given[1], &[shift]);
                a.iter().zip(&moved).map(|(&a, &m)| self.op3(Lane::Select, field, m, a)).collect()
            }
            _ => return self.packing(function, kind, &given),
        })
    }

    /// Runs `body` with findings attributed to a built-in function.
    fn inside<T>(&mut self, name: &'static str, body: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.within.replace(name);
        let value = body(self);
        self.within = outer;
        value
    }

    fn each3(&mut self, op: Lane, given: &[Vec<Slot>]) -> Vec<Slot> {
        let count = given.iter().map(Vec::len).max().unwrap_or(0);
        let at = |argument: usize, i: usize| {
            let slots = &given[argument];
            slots[if slots.len() == 1 { 0 } else { i }]
        };
        (0..count)
            .map(|i| {
                let inputs = [at(0, i), at(1, i), at(2, i)];
                if super::numeric::fallible(op) {
                    self.float_op(op, &inputs)
                } else {
                    self.op3(op, inputs[0], inputs[1], inputs[2])
                }
            })
            .collect()
    }

    fn length_of(&mut self, a: &[Slot]) -> Slot {
        if let [one] = a {
            return self.op1(Lane::AbsF, *one);
        }
        let square = self.dot(a, a);
        self.op1(Lane::Sqrt, square)
    }

    fn cross(&mut self, a: &[Slot], b: &[Slot]) -> Vec<Slot> {
        [(1, 2), (2, 0), (0, 1)]
            .map(|(i, j)| {
                let first = self.float_op(Lane::MulF, &[a[i], b[j]]);
                let second = self.float_op(Lane::MulF, &[a[j], b[i]]);
                self.float_op(Lane::SubF, &[first, second])
            })
            .to_vec()
    }

    fn smoothstep(&mut self, given: &[Vec<Slot>]) -> Vec<Slot> {
        let (zero, one) = (self.constant(0), self.float(1.0));
        let (two, three) = (self.float(2.0), self.float(3.0));
        let above = self.each2(Lane::SubF, &given[2], &given[0]);
        let width = self.each2(Lane::SubF, &given[1], &given[0]);
        let share = self.each2(Lane::DivF, &above, &width);
        let t: Vec<Slot> = share.iter().map(|&s| self.op3(Lane::ClampF, s, zero, one)).collect();
        let square = self.each2(Lane::MulF, &t, &t);
        let twice = self.each2(Lane::MulF, &t, &[two]);
        let rest = self.each2(Lane::SubF, &[three], &twice);
        self.each2(Lane::MulF, &square, &rest)
    }

    fn refract(&mut self, given: &[Vec<Slot>]) -> Vec<Slot> {
        let (zero, one) = (self.constant(0), self.float(1.0));
        let (incident, normal, eta) = (&given[0], &given[1], given[2][0]);
        let d = self.dot(normal, incident);
        let d2 = self.op2(Lane::MulF, d, d);
        let rest = self.op2(Lane::SubF, one, d2);
        let eta2 = self.op2(Lane::MulF, eta, eta);
        let product = self.op2(Lane::MulF, eta2, rest);
        let k = self.op2(Lane::SubF, one, product);
        let total = self.op2(Lane::LessF, k, zero);
        let safe = self.op2(Lane::MaxF, k, zero);
        let root = self.op1(Lane::Sqrt, safe);
        let factor = self.op3(Lane::MulAddF, eta, d, root);
        let scaled = self.each2(Lane::MulF, incident, &[eta]);
        let bent = self.each2(Lane::MulF, normal, &[factor]);
        let out = self.each2(Lane::SubF, &scaled, &bent);
        out.iter().map(|&o| self.op3(Lane::Select, total, zero, o)).collect()
    }

    /// By minors of the first column; columns one after the other.
    fn determinant(&mut self, a: &[Slot]) -> Slot {
        let size = if a.len() == 4 {
            2
        } else if a.len() == 9 {
            3
        } else {
            4
        };
        if size == 2 {
            let first = self.float_op(Lane::MulF, &[a[0], a[3]]);
            let second = self.float_op(Lane::MulF, &[a[1], a[2]]);
            return self.float_op(Lane::SubF, &[first, second]);
        }
        let mut sum = None;
        for row in 0..size {
            let minor: Vec<Slot> = (1..size)
                .flat_map(|c| (0..size).filter(move |&r| r != row).map(move |r| c * size + r))
                .map(|i| a[i])
                .collect();
            let minor = self.determinant(&minor);
            let term = self.float_op(Lane::MulF, &[a[row], minor]);
            sum = Some(match sum {
                None => term,
                Some(sum) if row % 2 == 1 => self.float_op(Lane::SubF, &[sum, term]),
                Some(sum) => self.float_op(Lane::AddF, &[sum, term]),
            });
        }
        sum.unwrap_or(0)
    }

    fn packing(&mut self, function: M, kind: Kind, given: &[Vec<Slot>]) -> Built<Vec<Slot>> {
        let a = &given[0];
        Ok(match function {
            M::Pack4x8snorm => vec![self.pack_norm(a, 8, -1.0, 127.0)],
            M::Pack4x8unorm => vec![self.pack_norm(a, 8, 0.0, 255.0)],
            M::Pack2x16snorm => vec![self.pack_norm(a, 16, -1.0, 32767.0)],
            M::Pack2x16unorm => vec![self.pack_norm(a, 16, 0.0, 65535.0)],
            M::Pack2x16float => {
                let halves = self.each1(Lane::ToHalf, a);
                vec![self.joined(&halves, 16)]
            }
            M::Pack4xI8 | M::Pack4xU8 => vec![self.joined(a, 8)],
            M::Pack4xI8Clamp | M::Pack4xU8Clamp => {
                let (low, high, max, min) = match kind {
                    Kind::Int => (-128i32, 127, Lane::MaxI, Lane::MinI),
                    _ => (0, 255, Lane::MaxU, Lane::MinU),
                };
                let (low, high) = (self.constant(low as u32), self.constant(high));
                let limited = self.each2(max, a, &[low]);
                let limited = self.each2(min, &limited, &[high]);
                vec![self.joined(&limited, 8)]
            }
            M::Unpack4x8snorm => self.unpack_norm(a[0], 8, true, 127.0),
            M::Unpack4x8unorm => self.unpack_norm(a[0], 8, false, 255.0),
            M::Unpack2x16snorm => self.unpack_norm(a[0], 16, true, 32767.0),
            M::Unpack2x16unorm => self.unpack_norm(a[0], 16, false, 65535.0),
            M::Unpack2x16float => {
                let parts = self.split(a[0], 16, false);
                self.each1(Lane::FromHalf, &parts)
            }
            M::Unpack4xI8 => self.split(a[0], 8, true),
            M::Unpack4xU8 => self.split(a[0], 8, false),
            M::Dot4I8Packed | M::Dot4U8Packed => {
                let signed = function == M::Dot4I8Packed;
                let (a, b) = (self.split(a[0], 8, signed), self.split(given[1][0], 8, signed));
                let products = self.each2(Lane::Mul, &a, &b);
                let zero = self.constant(0);
                vec![products.iter().fold(zero, |sum, &p| self.op2(Lane::Add, sum, p))]
            }
            _ => return self.unsupported(&format!("the built-in function `{function:?}`")),
        })
    }

    fn pack_norm(&mut self, a: &[Slot], bits: u32, low: f32, scale: f32) -> Slot {
        let (low, high, scale) = (self.float(low), self.float(1.0), self.float(scale));
        let parts: Vec<Slot> = a
            .iter()
            .map(|&a| {
                let limited = self.op3(Lane::ClampF, a, low, high);
                let scaled = self.op2(Lane::MulF, limited, scale);
                let rounded = self.op1(Lane::Round, scaled);
                self.op1(Lane::FloatToI, rounded)
            })
            .collect();
        self.joined(&parts, bits)
    }

    /// The low bits of the parts, the first lowest.
    fn joined(&mut self, parts: &[Slot], bits: u32) -> Slot {
        let mask = self.constant((1u32 << bits) - 1);
        let mut word = self.constant(0);
        for (i, &part) in parts.iter().enumerate() {
            let shift = self.constant(i as u32 * bits);
            let low = self.op2(Lane::And, part, mask);
            let moved = self.op2(Lane::ShiftLeft, low, shift);
            word = self.op2(Lane::Or, word, moved);
        }
        word
    }

    fn split(&mut self, word: Slot, bits: u32, signed: bool) -> Vec<Slot> {
        let count = self.constant(bits);
        let op = if signed { Lane::ExtractI } else { Lane::ExtractU };
        (0..32 / bits)
            .map(|i| {
                let offset = self.constant(i * bits);
                self.op3(op, word, offset, count)
            })
            .collect()
    }

    fn unpack_norm(&mut self, word: Slot, bits: u32, signed: bool, scale: f32) -> Vec<Slot> {
        let (low, scale) = (self.float(-1.0), self.float(scale));
        let convert = if signed { Lane::IntToFloat } else { Lane::UintToFloat };
        let parts = self.split(word, bits, signed);
        parts
            .into_iter()
            .map(|part| {
                let whole = self.op1(convert, part);
                let share = self.op2(Lane::DivF, whole, scale);
                self.op2(Lane::MaxF, share, low)
            })
            .collect()
    }
}

fn one_argument(function: M, kind: Kind) -> Option<Lane> {
    Some(match (function, kind) {
        (M::Abs, Kind::Float) => Lane::AbsF,
        (M::Abs, Kind::Int) => Lane::AbsI,
        (M::Sign, Kind::Float) => Lane::SignF,
        (M::Sign, _) => Lane::SignI,
        (M::Cos, _) => Lane::Cos,
        (M::Cosh, _) => Lane::Cosh,
        (M::Sin, _) => Lane::Sin,
        (M::Sinh, _) => Lane::Sinh,
        (M::Tan, _) => Lane::Tan,
        (M::Tanh, _) => Lane::Tanh,
        (M::Acos, _) => Lane::Acos,
        (M::Asin, _) => Lane::Asin,
        (M::Atan, _) => Lane::Atan,
        (M::Asinh, _) => Lane::Asinh,
        (M::Acosh, _) => Lane::Acosh,
        (M::Atanh, _) => Lane::Atanh,
        (M::Ceil, _) => Lane::Ceil,
        (M::Floor, _) => Lane::Floor,
        (M::Round, _) => Lane::Round,
        (M::Fract, _) => Lane::Fract,
        (M::Trunc, _) => Lane::Trunc,
        (M::Exp, _) => Lane::Exp,
        (M::Exp2, _) => Lane::Exp2,
        (M::Log, _) => Lane::Log,
        (M::Log2, _) => Lane::Log2,
        (M::Sqrt, _) => Lane::Sqrt,
        (M::InverseSqrt, _) => Lane::InverseSqrt,
        (M::CountTrailingZeros, _) => Lane::TrailingZeros,
        (M::CountLeadingZeros, _) => Lane::LeadingZeros,
        (M::CountOneBits, _) => Lane::CountOneBits,
        (M::ReverseBits, _) => Lane::ReverseBits,
        (M::FirstTrailingBit, _) => Lane::FirstTrailing,
        (M::FirstLeadingBit, Kind::Int) => Lane::FirstLeadingI,
        (M::FirstLeadingBit, _) => Lane::FirstLeadingU,
        _ => return None,
    })
}

fn two_arguments(function: M, kind: Kind) -> Option<Lane> {
    Some(match (function, kind) {
        (M::Min, Kind::Float) => Lane::MinF,
        (M::Min, Kind::Int) => Lane::MinI,
        (M::Min, _) => Lane::MinU,
        (M::Max, Kind::Float) => Lane::MaxF,
        (M::Max, Kind::Int) => Lane::MaxI,
        (M::Max, _) => Lane::MaxU,
        (M::Atan2, _) => Lane::Atan2,
        (M::Pow, _) => Lane::Pow,
        (M::Ldexp, _) => Lane::Ldexp,
        _ => return None,
    })
}
