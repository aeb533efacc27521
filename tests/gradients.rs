//! Derivatives of the compute graph against central differences in the f64 reference executor.
//!
//! Every operation is chained with something nonlinear before and after, so that its adjoint is really used.

mod common;

use common::graphs::*;
use flowmill::ir::*;

/// `x p + 0.1`, width 4, away from 0: something trained in front of the operation under test.
fn front(b: &mut Builder) -> NodeId {
    let (x, p) = (b.input("x", 4), b.param("p", 1, 4, true));
    let p = b.vector(p);
    let y = b.mul(x, p);
    let wave = b.sin(y);
    let wave = b.scale(wave, 0.05);
    b.add(y, wave)
}

/// `sum(w e^(y / 2))`: something nonlinear behind it, with different weights per entry.
fn behind(b: &mut Builder, y: NodeId) -> NodeId {
    let w = b.input("w", b.width(y));
    let half = b.scale(y, 0.5);
    let e = b.exp(half);
    let weighted = b.mul(e, w);
    b.sum(weighted)
}

fn mlp(b: &mut Builder, name: &str, x: NodeId, widths: &[usize], activation: Unary) -> NodeId {
    let (mut h, mut rows) = (x, b.width(x));
    for (i, &cols) in widths.iter().enumerate() {
        let w = b.param(&format!("{name}.{i}.w"), rows, cols, true);
        let bias = b.param(&format!("{name}.{i}.b"), 1, cols, true);
        h = b.dense(h, w, Some(bias));
        if i + 1 < widths.len() {
            h = b.unary(activation, h);
        }
        rows = cols;
    }
    h
}

#[test]
fn every_unary_function_has_the_right_derivative() {
    use Unary::*;
    let smooth = [Neg, Exp, Recip, Sin, Cos, Tanh, Abs, Relu, Elu, EluSlope, Silu, SiluSlope, Mish, MishSlope];
    for f in smooth {
        check_gradients(&format!("{f:?}"), |b| {
            let x = front(b);
            let y = b.unary(f, x);
            behind(b, y)
        });
    }
    for f in [Log, Sqrt] {
        check_gradients(&format!("{f:?}"), |b| {
            let x = front(b);
            let x = b.square(x);
            let y = b.unary(f, x);
            behind(b, y)
        });
    }
    for f in [Sign, Floor] {
        check_gradients(&format!("{f:?}"), |b| {
            let x = front(b);
            let y = b.unary(f, x);
            let y = b.mul(y, x);
            behind(b, y)
        });
    }
}

#[test]
fn activation_slopes_are_finite_and_right_far_from_zero() {
    for f in [Unary::EluSlope, Unary::SiluSlope, Unary::MishSlope] {
        for x in [-60.0, -30.0, -3.0, 3.0, 30.0, 60.0] {
            let mut b = Builder::new("far");
            let p = b.param("p", 1, 1, true);
            let v = b.vector(p);
            let y = b.unary(f, v);
            b.mean("loss", y);
            b.differentiate(y);
            let graph = b.finish().unwrap();
            let mut bindings = random_bindings(&graph, 1, 1);
            bindings.params.insert("p".into(), vec![x]);
            let expected = central_differences(&graph, &mut bindings, 1);
            let got = execute(&graph, &bindings, 1).unwrap().grads;
            assert_close(&format!("{f:?} at {x}"), &got["p"], &expected["p"]);
        }
    }
}

#[test]
fn every_binary_function_has_the_right_derivative_by_both_operands() {
    use Binary::*;
    for f in [Add, Sub, Mul, Div, Min, Max] {
        check_gradients(&format!("{f:?}"), |b| {
            let x = front(b);
            let (z, q) = (b.input("z", 4), b.param("q", 1, 4, true));
            let q = b.vector(q);
            let z = b.mul(z, q);
            let y = b.binary(f, x, z);
            behind(b, y)
        });
        check_gradients(&format!("{f:?} with a scalar"), |b| {
            let x = front(b);
            let q = b.param("q", 1, 1, true);
            let q = b.vector(q);
            let q = b.tanh(q);
            let (left, right) = (b.binary(f, x, q), b.binary(f, q, x));
            let y = b.concat(&[left, right]);
            behind(b, y)
        });
    }
    check_gradients("Less", |b| {
        let (x, z) = (front(b), b.input("z", 4));
        let y = b.less(x, z);
        let y = b.mul(y, x);
        behind(b, y)
    });
}

#[test]
fn select_passes_the_adjoint_to_the_chosen_side_only() {
    check_gradients("select", |b| {
        let (x, q) = (front(b), b.param("q", 1, 4, true));
        let q = b.vector(q);
        let (z, zero) = (b.input("z", 4), b.constant(0.0));
        let c = b.less(z, zero);
        let y = b.select(c, x, q);
        behind(b, y)
    });
}

#[test]
fn a_tie_of_min_and_max_gives_the_derivative_to_the_first_operand() {
    for (f, first) in [(Binary::Min, true), (Binary::Max, true), (Binary::Min, false), (Binary::Max, false)] {
        let mut b = Builder::new("tie");
        let (x, one) = (b.input("x", 1), b.constant(1.0));
        let y = if first { b.binary(f, x, one) } else { b.binary(f, one, x) };
        let g = b.gradients(y, &[x]);
        b.store("g", g[0]);
        let graph = b.finish().unwrap();
        let mut bindings = Bindings::default();
        bindings.inputs.insert("x".into(), vec![1.0]);
        assert_eq!(execute(&graph, &bindings, 1).unwrap().stores["g"], [f64::from(first)], "{f:?}, x first: {first}");
    }
}

#[test]
fn clamp_passes_the_derivative_inside_and_at_its_limits() {
    let mut b = Builder::new("clamp");
    let x = b.input("x", 1);
    let y = b.clamp(x, -1.0, 2.0);
    let g = b.gradients(y, &[x]);
    b.store("g", g[0]);
    let graph = b.finish().unwrap();
    let mut bindings = Bindings::default();
    bindings.inputs.insert("x".into(), vec![-1.5, -1.0, 0.3, 2.0, 2.5]);
    assert_eq!(execute(&graph, &bindings, 5).unwrap().stores["g"], [0.0, 1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn concat_slice_sum_and_broadcast_route_adjoints_to_the_right_entries() {
    check_gradients("shapes", |b| {
        let x = front(b);
        let (left, middle) = (b.slice(x, 0, 1), b.slice(x, 1, 2));
        let (left, middle) = (b.sin(left), b.exp(middle));
        let total = b.sum(x);
        let spread = b.broadcast(total, 3);
        let joined = b.concat(&[middle, left, spread, x]);
        let wave = b.sin(joined);
        let cut = b.slice(wave, 2, 5);
        behind(b, cut)
    });
}

#[test]
fn entries_outside_of_every_slice_get_a_zero_gradient() {
    let mut b = Builder::new("uncovered");
    let p = b.param("p", 1, 5, true);
    let v = b.vector(p);
    let e = b.exp(v);
    let (low, high) = (b.slice(e, 1, 2), b.slice(e, 2, 2));
    let product = b.mul(low, high);
    let loss = b.sum(product);
    b.mean("loss", loss);
    b.differentiate(loss);
    let graph = b.finish().unwrap();
    let mut bindings = random_bindings(&graph, 2, 3);
    let expected = central_differences(&graph, &mut bindings, 2);
    let got = execute(&graph, &bindings, 2).unwrap().grads;
    assert_close("p", &got["p"], &expected["p"]);
    assert_eq!((got["p"][0], got["p"][4]), (0.0, 0.0));
}

#[test]
fn gather_and_one_hot_reach_the_selected_rows() {
    check_gradients("gather", |b| {
        let (table, weights) = (b.param("table", 3, 4, true), b.param("weights", 3, 4, true));
        let index = b.input("index", 1);
        let (row, code) = (b.gather(table, index), b.one_hot(index, 3));
        let projected = b.dense(code, weights, None);
        let row = b.sin(row);
        let y = b.mul(row, projected);
        behind(b, y)
    });
}

#[test]
fn draws_uniforms_and_stopped_values_are_constants_of_the_derivative() {
    let graph = check_gradients("constants", |b| {
        let x = front(b);
        let (z, u, s) = (b.normal(1, 4), b.uniform_draw(2, 4), b.uniform("s"));
        let y = b.mul(x, z);
        let y = b.add(y, u);
        let y = b.mul(y, s);
        behind(b, y)
    });
    assert!(graph.nodes.iter().any(|n| matches!(n.op, Op::Draw { .. })));

    // d (stop(p) p) / dp = p, not 2 p
    let mut b = Builder::new("stop");
    let p = b.param("p", 1, 1, true);
    let v = b.vector(p);
    let frozen = b.stop_gradient(v);
    let loss = b.mul(frozen, v);
    b.differentiate(loss);
    let graph = b.finish().unwrap();
    let bindings = Bindings { params: [("p".to_string(), vec![3.0])].into(), ..Bindings::default() };
    assert_eq!(execute(&graph, &bindings, 1).unwrap().grads["p"], [3.0]);
}

#[test]
fn mlp_gradients_are_right_for_every_activation_and_a_split_first_layer() {
    for activation in [Unary::Relu, Unary::Elu, Unary::Silu, Unary::Mish, Unary::Tanh] {
        check_gradients(&format!("mlp {activation:?}"), |b| {
            let (x, h) = (b.input("x", 3), b.input("h", 2));
            let input = b.concat(&[x, h]);
            let y = mlp(b, "mlp", input, &[6, 5, 2], activation);
            behind(b, y)
        });
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_pass_it_on() {
    let graph = check_gradients("frozen", |b| {
        let x = b.input("x", 3);
        let h = mlp(b, "mlp", x, &[4], Unary::Mish);
        let h = b.tanh(h);
        let frozen = b.param("frozen", 4, 2, false);
        let y = b.dense(h, frozen, None);
        behind(b, y)
    });
    let sinks = graph.sinks.iter().filter(|s| matches!(s, Sink::GradDense { .. } | Sink::GradVector { .. }));
    assert_eq!(sinks.count(), 2, "one weight and one bias\n{graph:?}");
}

#[test]
fn gradients_by_row_values_match_central_differences_row_by_row() {
    let mut b = Builder::new("by rows");
    let (x, y) = (b.input("x", 3), b.input("y", 2));
    let joined = b.concat(&[x, y]);
    let h = mlp(&mut b, "mlp", joined, &[5, 2], Unary::Silu);
    let loss = behind(&mut b, h);
    let gradients = b.gradients(loss, &[x, y]);
    b.store("loss", loss);
    b.store("x", gradients[0]);
    b.store("y", gradients[1]);
    let graph = b.finish().unwrap();
    let rows = 3;
    let mut bindings = random_bindings(&graph, rows, 5);
    let got = execute(&graph, &bindings, rows).unwrap().stores;
    for (name, width) in [("x", 3), ("y", 2)] {
        for i in 0..rows * width {
            let mut at = |offset: f64| {
                bindings.inputs.get_mut(name).unwrap()[i] += offset;
                let loss = execute(&graph, &bindings, rows).unwrap().stores["loss"][i / width];
                bindings.inputs.get_mut(name).unwrap()[i] -= offset;
                loss
            };
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert_close(&format!("{name}[{i}]"), &got[name][i..=i], &[expected]);
        }
    }
}

/// Midpoint RK2 on `v(x, t, h)` with a state projection `h`: through `repeat`, or unrolled.
fn integrate(b: &mut Builder, steps: u32, unrolled: bool) -> NodeId {
    let (s, p) = (b.input("s", 3), b.param("start", 1, 2, true));
    let z = b.normal(0, 2);
    let p = b.vector(p);
    let start = b.mul(z, p);
    let h = mlp(b, "state", s, &[4], Unary::Tanh);
    let h = b.tanh(h);
    let sigma = b.param("sigma", 1, 2, true);
    let sigma = b.vector(sigma);
    let size = 1.0 / steps as f32;
    let velocity = |b: &mut Builder, x: NodeId, t: NodeId| {
        let wave = b.sin(t);
        let input = b.concat(&[x, wave, h]);
        let v = mlp(b, "velocity", input, &[5, 2], Unary::Mish);
        b.mul(v, sigma)
    };
    let step = |b: &mut Builder, i: NodeId, x: NodeId| {
        let t = b.scale(i, size);
        let v = velocity(b, x, t);
        let half = b.scale(v, size / 2.0);
        let middle = b.add(x, half);
        let t = b.offset(t, size / 2.0);
        let v = velocity(b, middle, t);
        let whole = b.scale(v, size);
        b.add(x, whole)
    };
    if unrolled {
        (0..steps).fold(start, |x, i| {
            let i = b.constant(i as f32);
            step(b, i, x)
        })
    } else {
        b.repeat(steps, &[start], |b, i, x| vec![step(b, i, x[0])])[0]
    }
}

#[test]
fn rk2_through_repeat_differentiates_parameters_initial_state_and_captured_values() {
    check_gradients("rk2", |b| {
        let x = integrate(b, 4, false);
        behind(b, x)
    });
}

#[test]
fn a_repeat_has_the_gradient_of_its_unrolled_form() {
    let run = |unrolled| {
        let mut b = Builder::new("rk2");
        let x = integrate(&mut b, 5, unrolled);
        let loss = behind(&mut b, x);
        b.mean("loss", loss);
        b.differentiate(loss);
        let graph = b.finish().unwrap();
        let bindings = random_bindings(&graph, 4, 11);
        (execute(&graph, &bindings, 4).unwrap(), graph.params.len())
    };
    let (looped, unrolled) = (run(false), run(true));
    assert_eq!(looped.1, unrolled.1);
    for (name, gradient) in &unrolled.0.grads {
        assert_close(name, &looped.0.grads[name], gradient);
    }
}

/// Two values that feed each other, and a count; `q` is also read by the body from outside.
fn exchange(b: &mut Builder) -> Vec<NodeId> {
    let (a, q) = (front(b), b.param("q", 1, 4, true));
    let (q, zero) = (b.vector(q), b.constant(0.0));
    b.repeat(3, &[a, q, zero], |b, i, v| {
        let decay = b.scale(v[1], 0.5);
        let wave = b.sin(v[0]);
        let next_q = b.add(decay, wave);
        let pull = b.mul(v[1], q);
        let shift = b.mul(pull, i);
        let next_a = b.tanh(shift);
        let count = b.offset(v[2], 1.0);
        vec![next_a, next_q, count]
    })
}

#[test]
fn a_repeat_of_several_carried_values_differentiates_their_exchange() {
    check_gradients("exchange", |b| {
        let out = exchange(b);
        let y = b.add(out[0], out[1]);
        let y = b.mul(y, out[2]);
        behind(b, y)
    });
}

#[test]
fn a_carried_value_that_reaches_the_loss_through_another_one_only_gets_its_gradient() {
    for k in 0..2 {
        check_gradients(&format!("result {k}"), |b| {
            let out = exchange(b);
            behind(b, out[k])
        });
    }
}

#[test]
fn a_loop_without_parameters_passes_the_gradient_to_its_initial_state() {
    check_gradients("initial", |b| {
        let x = front(b);
        let out = b.repeat(3, &[x], |b, i, v| {
            let y = b.offset(i, 0.5);
            let y = b.mul(v[0], y);
            vec![b.sin(y)]
        });
        behind(b, out[0])
    });
}

#[test]
fn a_value_stopped_inside_a_loop_is_a_constant_of_the_derivative() {
    // x <- stop(x) p, three times: the derivative sees the last p only, x_3 = x_0 p^3 gives x_0 p^2.
    let mut b = Builder::new("stopped");
    let (x, p) = (b.input("x", 1), b.param("p", 1, 1, true));
    let p = b.vector(p);
    let out = b.repeat(3, &[x], |b, _, v| {
        let frozen = b.stop_gradient(v[0]);
        vec![b.mul(frozen, p)]
    });
    b.differentiate(out[0]);
    let graph = b.finish().unwrap();
    let mut bindings = Bindings::default();
    bindings.inputs.insert("x".into(), vec![5.0]);
    bindings.params.insert("p".into(), vec![3.0]);
    assert_eq!(execute(&graph, &bindings, 1).unwrap().grads["p"], [45.0]);
}

#[test]
fn a_repeat_inside_a_repeat_is_differentiated() {
    let graph = check_gradients("nested", |b| {
        let (x, p) = (front(b), b.param("w", 4, 4, true));
        let gain = b.param("gain", 1, 4, true);
        let gain = b.vector(gain);
        let out = b.repeat(2, &[x], |b, i, outer| {
            let y = b.sin(outer[0]);
            let inner = b.repeat(3, &[y], |b, j, v| {
                let h = b.dense(v[0], p, None);
                let h = b.tanh(h);
                let time = b.cos(j);
                let h = b.mul(h, time);
                let captured = b.mul(y, gain);
                let h = b.add(h, captured);
                let shift = b.mul(i, j);
                let shift = b.scale(shift, 0.1);
                vec![b.add(h, shift)]
            });
            vec![b.mul(inner[0], outer[0])]
        });
        behind(b, out[0])
    });
    assert_eq!(graph.nodes.iter().filter(|n| matches!(n.op, Op::Repeat { .. })).count(), 5);
}

#[test]
fn a_loss_inside_and_after_two_loops_in_a_row_is_differentiated() {
    check_gradients("sequence", |b| {
        let first = integrate(b, 2, false);
        let gain = b.param("gain", 1, 2, true);
        let gain = b.vector(gain);
        let second = b.repeat(2, &[first], |b, _, v| {
            let y = b.mul(v[0], gain);
            vec![b.sin(y)]
        });
        let joined = b.concat(&[first, second[0]]);
        behind(b, joined)
    });
}

#[test]
fn a_second_derivative_through_a_repeat_is_refused() {
    let mut b = Builder::new("twice");
    let (x, p) = (b.input("x", 1), b.param("p", 1, 1, true));
    let p = b.vector(p);
    let out = b.repeat(2, &[x], |b, _, v| {
        let y = b.mul(v[0], p);
        vec![b.sin(y)]
    });
    let g = b.gradients(out[0], &[x]);
    b.differentiate(g[0]);
    let message = b.finish().unwrap_err().to_string();
    assert!(message.contains("second derivative through a repeat"), "{message}");
}

#[test]
fn a_derivative_of_a_derivative_without_loops_is_right() {
    check_gradients("second order", |b| {
        let x = b.input("x", 3);
        let h = mlp(b, "mlp", x, &[4, 1], Unary::Mish);
        let g = b.gradients(h, &[x]);
        behind(b, g[0])
    });
}
