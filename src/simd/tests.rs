//! Functions of every instruction set of the machine against f64, products against their definition.

use super::*;

/// Instruction sets that this machine executes.
fn levels() -> Vec<Isa> {
    Isa::available().collect()
}

macro_rules! mapped {
    ($($name:ident),*) => { $(
        #[inline(always)]
        unsafe fn $name<V: Lane>(values: &mut [f32]) {
            for chunk in values.chunks_exact_mut(V::N) {
                // SAFETY: a chunk has N values.
                unsafe { math::$name(V::load(chunk.as_ptr())).store(chunk.as_mut_ptr()) }
            }
        }
    )* };
}
mapped!(exp, log, sin, cos, tanh, sigmoid, elu, elu_slope, silu, silu_slope, mish, mish_slope, relu, sign);

macro_rules! table {
    ($($name:ident => $f64:expr;)*) => {
        fn functions(isa: Isa) -> Vec<(&'static str, unsafe fn(&mut [f32]), fn(f64) -> f64)> {
            vec![$({
                kernel! { fn pick(values: &mut [f32]) = $name; }
                (stringify!($name), pick(isa), $f64 as fn(f64) -> f64)
            }),*]
        }
    };
}
use crate::ir::Unary;
table! {
    exp => f64::exp;
    log => f64::ln;
    sin => f64::sin;
    cos => f64::cos;
    tanh => f64::tanh;
    sigmoid => |x| 1.0 / (1.0 + (-x).exp());
    elu => |x| Unary::Elu.value(x);
    elu_slope => |x| Unary::EluSlope.value(x);
    silu => |x| Unary::Silu.value(x);
    silu_slope => |x| Unary::SiluSlope.value(x);
    mish => |x| Unary::Mish.value(x);
    mish_slope => |x| Unary::MishSlope.value(x);
    relu => |x| Unary::Relu.value(x);
    sign => |x| Unary::Sign.value(x);
}

/// Multiples of 16 of numbers of both signs from 1e-9 to `limit`.
fn arguments(limit: f32) -> Vec<f32> {
    let sizes = (0..20_000).map(|k| 1e-9f32 * (limit / 1e-9).powf(k as f32 / 19_999.0));
    sizes.flat_map(|x| [x, -x]).collect()
}

fn apply(f: unsafe fn(&mut [f32]), values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    // SAFETY: the level is available.
    unsafe { f(&mut out) };
    out
}

#[test]
fn functions_agree_with_f64() {
    for isa in levels() {
        for (name, f, want) in functions(isa) {
            // (largest argument, relative error, absolute error)
            let (limit, relative, absolute) = match name {
                "exp" => (87.0, 1.5e-7, 0.0),
                "log" => (1e28, 1.5e-7, 1e-9),
                "sin" | "cos" => (8000.0, 0.0, 1.3e-7),
                "tanh" | "sigmoid" => (80.0, 3e-7, 0.0),
                "elu" | "elu_slope" => (87.0, 2e-7, 0.0),
                "relu" | "sign" => (1e28, 0.0, 0.0),
                // Sums that pass through zero.
                _ => (80.0, 4e-7, 3e-7),
            };
            let mut x = arguments(limit);
            if name == "log" {
                x.iter_mut().for_each(|x| *x = x.abs());
            }
            for (x, got) in x.iter().zip(apply(f, &x)) {
                let want = want(*x as f64);
                let error = (got as f64 - want).abs();
                assert!(error <= relative * want.abs() + absolute, "{isa} {name}({x}) = {got}, want {want}");
            }
        }
    }
}

#[test]
fn functions_keep_nan_and_saturate_at_the_ends() {
    let nan = f32::from_bits(0x7fc0_dead);
    for isa in levels() {
        for (name, f, _) in functions(isa) {
            let got = apply(f, &[nan, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0, -0.0, 1.0].repeat(2));
            assert!(got[0].is_nan() || name == "sign", "{isa} {name}(NaN) = {}", got[0]);
            let want = match name {
                "exp" => [f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0],
                "log" => [f32::INFINITY, f32::NAN, 69.07755, f32::NAN, f32::NEG_INFINITY],
                "tanh" | "sign" => [1.0, -1.0, 1.0, -1.0, 0.0],
                "elu" => [f32::INFINITY, -1.0, 1e30, -1.0, 0.0],
                "relu" => [f32::INFINITY, 0.0, 1e30, 0.0, 0.0],
                "mish" | "silu" => [f32::INFINITY, f32::NEG_INFINITY, 1e30, got[4], 0.0],
                "mish_slope" | "silu_slope" => [1.0, got[2], 1.0, 0.0, got[5]],
                _ => continue,
            };
            for (got, want) in got[1..6].iter().zip(want) {
                let close = (got - want).abs() <= 1e-6 * want.abs() + 1e-30 || got.to_bits() == want.to_bits();
                let finite = want.is_finite() || got.is_nan() == want.is_nan();
                assert!(finite && (close || !want.is_finite()), "{isa} {name}: {got}, want {want}");
            }
        }
    }
}

#[test]
fn avx2_and_avx512_give_the_same_bytes() {
    if Isa::detect() != Isa::Avx512 {
        return;
    }
    let x = arguments(87.0);
    for ((name, narrow, _), (_, wide, _)) in functions(Isa::Avx2).into_iter().zip(functions(Isa::Avx512)) {
        let bits = |f| apply(f, &x).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(bits(narrow) == bits(wide), "{name}");
    }
    for (inputs, outputs, lanes) in [(7, 13, 64), (33, 12, 112), (128, 2, 16)] {
        let bits = |isa| product(isa, inputs, outputs, lanes, true).0.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(bits(Isa::Avx2) == bits(Isa::Avx512), "{inputs} x {outputs} x {lanes}");
    }
}

/// A product with every kind of start value, and its definition in f64.
fn product(isa: Isa, inputs: usize, outputs: usize, lanes: usize, forward: bool) -> (Vec<f32>, Vec<f64>) {
    let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
    let values = |from: usize, count: usize| (from..from + count).map(number).collect::<Vec<_>>();
    let (xs, ys, ld) = (lanes + 3, lanes + 5, if forward { outputs + 2 } else { inputs + 2 });
    let (x, w) = (values(1, inputs * xs), values(5000, inputs.max(outputs) * ld));
    let (bias, add, start) = (values(2, outputs), values(3, outputs * lanes), values(4, outputs * ys));
    let scale = values(6, outputs * lanes);
    let (ldi, ldj) = if forward { (ld, 1) } else { (1, ld) };
    let mut y = start.clone();
    let d = Dense {
        y: y.as_mut_ptr(),
        ys,
        x: x.as_ptr(),
        xs,
        w: w.as_ptr(),
        ldi,
        ldj,
        inputs,
        outputs,
        lanes,
        bias: bias.as_ptr(),
        add: [std::ptr::null(), add.as_ptr()],
        scale: scale.as_ptr(),
        add_stride: lanes,
        accumulate: true,
    };
    // SAFETY: the vectors span the strides, and the level is available.
    unsafe { Dense::pick(isa)(&d) };
    let mut want: Vec<f64> = start.iter().map(|v| *v as f64).collect();
    for (j, l) in (0..outputs).flat_map(|j| (0..lanes).map(move |l| (j, l))) {
        let term = |i: usize| w[i * ldi + j * ldj] as f64 * x[i * xs + l] as f64;
        want[j * ys + l] += bias[j] as f64 + add[j * lanes + l] as f64 + (0..inputs).map(term).sum::<f64>();
        want[j * ys + l] *= scale[j * lanes + l] as f64;
    }
    (y, want)
}

#[test]
fn products_of_any_width_are_their_definition_and_touch_nothing_else() {
    for isa in levels() {
        for outputs in (1..=14).chain([31, 32]) {
            for (inputs, lanes) in [(1, 64), (5, 16), (9, 32), (8, 48), (33, 128), (64, 240)] {
                for forward in [true, false] {
                    let (got, want) = product(isa, inputs, outputs, lanes, forward);
                    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                        let close = (*got as f64 - want).abs() <= 2e-6 * (inputs as f64).sqrt();
                        assert!(close, "{isa} {inputs} x {outputs} x {lanes} [{i}]: {got}, want {want}");
                    }
                }
            }
        }
    }
}
