//! The dynamics of a scalar that only records what is done to it: a step is straight-line code, constants of the model fold away,
//! and what was recorded computes what f64 computes. This is how code is generated from the dynamics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use flowmill::physics::dynamics::{Position, Scalar, SolverLimits, State, Velocity, bias_force, mass_matrix, step};

use crate::fixture::{fixture, own};

/// A number: known while recording, or the place of its operation on the tape.
#[derive(Clone, Copy, Debug)]
enum Traced {
    Known(f64),
    At(usize),
}

/// The same for the outcome of a comparison; on the tape it is 1 or 0.
#[derive(Clone, Copy, Debug)]
struct TracedMask(Traced);

/// An operation: its name and operands, numbers that are known by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Operation(&'static str, Vec<Result<usize, u64>>);

#[derive(Default)]
struct Tape {
    operations: Vec<Operation>,
    places: HashMap<Operation, usize>,
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

fn compute(name: &str, x: &[f64]) -> f64 {
    let bit = |b: bool| f64::from(u8::from(b));
    match name {
        "add" => x[0] + x[1],
        "sub" => x[0] - x[1],
        "mul" => x[0] * x[1],
        "div" => x[0] / x[1],
        "neg" => -x[0],
        "sqrt" => x[0].sqrt(),
        "sin" => x[0].sin(),
        "cos" => x[0].cos(),
        "atan2" => x[0].atan2(x[1]),
        "power" => x[0].powf(x[1]),
        "abs" => x[0].abs(),
        "min" => x[0].min(x[1]),
        "max" => x[0].max(x[1]),
        "less" => bit(x[0] < x[1]),
        "not" => 1.0 - x[0],
        "and" => x[0] * x[1],
        "or" => x[0].max(x[1]),
        "select" => {
            if x[0] != 0.0 {
                x[1]
            } else {
                x[2]
            }
        }
        other => panic!("{other}"),
    }
}

/// Records an operation, once; folds what is known.
fn record(name: &'static str, operands: &[Traced]) -> Traced {
    use Traced::Known;
    let known: Vec<f64> = operands.iter().filter_map(|x| if let Known(x) = x { Some(*x) } else { None }).collect();
    if known.len() == operands.len() && name != "input" {
        return Known(compute(name, &known));
    }
    match (name, operands) {
        ("add", [Known(0.0), x]) | ("add" | "sub", [x, Known(0.0)]) => return *x,
        ("sub", [Known(0.0), x]) => return record("neg", &[*x]),
        ("mul", [Known(0.0), _] | [_, Known(0.0)]) | ("div", [Known(0.0), _]) => return Known(0.0),
        ("mul", [Known(1.0), x] | [x, Known(1.0)]) | ("div", [x, Known(1.0)]) => return *x,
        ("select", [Known(mask), yes, no]) => return if *mask != 0.0 { *yes } else { *no },
        ("and", [Known(0.0), _] | [_, Known(0.0)]) => return Known(0.0),
        ("and", [Known(1.0), x] | [x, Known(1.0)]) => return *x,
        ("or", [Known(0.0), x] | [x, Known(0.0)]) => return *x,
        _ => {}
    }
    let key = |x: &Traced| match x {
        Traced::At(place) => Ok(*place),
        Known(x) => Err(x.to_bits()),
    };
    let operation = Operation(name, operands.iter().map(key).collect());
    TAPE.with_borrow_mut(|tape| {
        let next = tape.operations.len();
        let place = *tape.places.entry(operation.clone()).or_insert(next);
        if place == next {
            tape.operations.push(operation);
        }
        Traced::At(place)
    })
}

macro_rules! operators {
    ($($trait:ident $method:ident $name:literal),*) => {
        $(impl $trait for Traced {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                record($name, &[self, other])
            }
        })*
    };
}

operators!(Add add "add", Sub sub "sub", Mul mul "mul", Div div "div");

impl Neg for Traced {
    type Output = Self;
    fn neg(self) -> Self {
        record("neg", &[self])
    }
}

impl Not for TracedMask {
    type Output = Self;
    fn not(self) -> Self {
        Self(record("not", &[self.0]))
    }
}

impl BitAnd for TracedMask {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(record("and", &[self.0, other.0]))
    }
}

impl BitOr for TracedMask {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(record("or", &[self.0, other.0]))
    }
}

impl Scalar for Traced {
    type Mask = TracedMask;
    const EPSILON: f64 = f64::EPSILON;

    fn of(value: f64) -> Self {
        Self::Known(value)
    }
    fn sqrt(self) -> Self {
        record("sqrt", &[self])
    }
    fn sin(self) -> Self {
        record("sin", &[self])
    }
    fn cos(self) -> Self {
        record("cos", &[self])
    }
    fn atan2(self, other: Self) -> Self {
        record("atan2", &[self, other])
    }
    fn power(self, exponent: f64) -> Self {
        record("power", &[self, Self::Known(exponent)])
    }
    fn abs(self) -> Self {
        record("abs", &[self])
    }
    fn min(self, other: Self) -> Self {
        record("min", &[self, other])
    }
    fn max(self, other: Self) -> Self {
        record("max", &[self, other])
    }
    fn less(self, other: Self) -> TracedMask {
        TracedMask(record("less", &[self, other]))
    }
    fn select(mask: TracedMask, yes: Self, no: Self) -> Self {
        record("select", &[mask.0, yes, no])
    }
    fn mask(value: bool) -> TracedMask {
        TracedMask(Self::Known(f64::from(u8::from(value))))
    }
    /// Nothing is left out that a value might ask for.
    fn any(mask: TracedMask) -> bool {
        !matches!(mask.0, Self::Known(0.0))
    }
}

/// New places for inputs.
fn inputs(count: usize) -> Vec<Traced> {
    let place = |index: usize| record("input", &[Traced::Known(index as f64)]);
    let first = TAPE.with_borrow(|tape| tape.operations.len());
    (first..first + count).map(place).collect()
}

/// Everything on the tape for given inputs.
fn play(inputs: &[f64]) -> Vec<f64> {
    TAPE.with_borrow(|tape| {
        let mut values: Vec<f64> = Vec::new();
        for (place, Operation(name, operands)) in tape.operations.iter().enumerate() {
            let operand = |x: &Result<usize, u64>| match x {
                Ok(place) => values[*place],
                Err(bits) => f64::from_bits(*bits),
            };
            let operands: Vec<f64> = operands.iter().map(operand).collect();
            values.push(if *name == "input" { inputs[place] } else { compute(name, &operands) });
        }
        values
    })
}

fn value(values: &[f64], x: Traced) -> f64 {
    match x {
        Traced::Known(x) => x,
        Traced::At(place) => values[place],
    }
}

#[test]
fn a_recorded_step_is_straight_line_code_that_computes_what_f64_computes() {
    let limits = SolverLimits { iterations: 6, searches: 4 };
    for name in ["arm", "grip"] {
        TAPE.take();
        let model = own(name);
        let [qpos, qvel, warm] = [model.nq(), model.nv(), model.nv()].map(inputs);
        let control = inputs(model.nu());
        let mut traced = State { qpos, qvel, warm };
        step(&model, &mut traced, &control, limits);
        for (index, numbers) in fixture(name).states.iter().enumerate() {
            let all: Vec<f64> =
                ["qpos", "qvel", "warm", "control"].iter().flat_map(|key| numbers[*key].clone()).collect();
            let values = play(&all);
            let [qpos, qvel, warm] = ["qpos", "qvel", "warm"].map(|key| numbers[key].clone());
            let mut state = State { qpos, qvel, warm };
            step(&model, &mut state, &numbers["control"], limits);
            for (traced, want) in traced.qpos.iter().chain(&traced.qvel).zip(state.qpos.iter().chain(&state.qvel)) {
                let got = value(&values, *traced);
                assert!((got - want).abs() < 1e-11 * (1.0 + want.abs()), "{name}, state {index}: {got} and {want}");
            }
        }
    }
}

#[test]
fn constants_of_a_planar_model_fold_away() {
    TAPE.take();
    let model = own("runner");
    let (qpos, qvel) = (inputs(model.nq()), inputs(model.nv()));
    let position = Position::new(&model, &qpos);
    mass_matrix(&model, &position);
    let velocity = Velocity::new(&model, &position, &qvel);
    bias_force(&model, &position, &velocity, &qvel);
    let count = TAPE.with_borrow(|tape| tape.operations.len());
    println!("{count} operations");
    // Seven joints in a plane: rotations are pairs of sine and cosine, and everything across the plane is zero.
    assert!(count < 1000, "{count} operations");
}
