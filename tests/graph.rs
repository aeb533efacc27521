//! The graph builder: sharing, simplification, loops, errors, printing, and the reference executor's own rules.

mod common;

use common::graphs::*;
use flowmill::ir::*;

fn stores(b: Builder, seed: u64) -> std::collections::HashMap<String, Vec<f64>> {
    let graph = b.finish().unwrap();
    execute(&graph, &random_bindings(&graph, 2, seed), 2).unwrap().stores
}

#[test]
fn equal_expressions_are_one_node() {
    let mut b = Builder::new("sharing");
    let (x, y) = (b.input("x", 3), b.input("y", 3));
    assert_eq!(b.input("x", 3), x);
    assert_eq!(b.add(x, y), b.add(y, x));
    assert_eq!(b.mul(x, y), b.mul(y, x));
    assert_ne!(b.sub(x, y), b.sub(y, x));
    assert_ne!(b.min(x, y), b.min(y, x), "the order decides who gets the derivative of a tie");
    let (s, t) = (b.sin(x), b.sin(x));
    assert_eq!(b.concat(&[s, y]), b.concat(&[t, y]));
    assert_eq!(b.normal(1, 3), b.normal(1, 3));
    assert_ne!(b.normal(1, 3), b.normal(2, 3));
    assert_ne!(b.normal(1, 3), b.uniform_draw(1, 3));
    let w = b.param("w", 3, 2, true);
    assert_eq!(b.param("w", 3, 2, true), w);
    assert_eq!(b.dense(x, w, None), b.dense(x, w, None));
    b.finish().unwrap();
}

#[test]
fn arithmetic_with_neutral_elements_disappears() {
    let mut b = Builder::new("neutral");
    let (x, y) = (b.input("x", 3), b.input("y", 3));
    let (zeros, nx, ny) = (b.filled(0.0, 3), b.neg(x), b.neg(y));
    for (got, expected, what) in [
        (b.offset(x, 0.0), x, "x + 0"),
        (b.add(zeros, x), x, "0 + x"),
        (b.offset(x, -0.0), x, "x + -0"),
        (b.sub(x, zeros), x, "x - 0"),
        (b.sub(zeros, x), nx, "0 - x"),
        (b.sub(x, x), zeros, "x - x"),
        (b.scale(x, 1.0), x, "x 1"),
        (b.scale(x, 0.0), zeros, "x 0"),
        (b.scale(x, -1.0), nx, "x -1"),
        (b.div(zeros, x), zeros, "0 / x"),
        (b.neg(nx), x, "--x"),
        (b.abs(nx), b.abs(x), "|-x|"),
        (b.add(x, ny), b.sub(x, y), "x + -y"),
        (b.sub(x, ny), b.add(x, y), "x - -y"),
        (b.mul(nx, ny), b.mul(x, y), "-x -y"),
        (b.min(x, x), x, "min(x, x)"),
        (b.less(x, x), zeros, "x < x"),
        (b.select(zeros, x, y), y, "0 ? x : y"),
        (b.select(y, x, x), x, "y ? x : x"),
    ] {
        assert_eq!(got, expected, "{what}");
    }
    let one = b.constant(1.0);
    assert_eq!(b.div(x, one), x);
    assert_eq!(b.select(one, x, y), x);
    let (twice, six) = (b.scale(x, 2.0), b.scale(x, 6.0));
    assert_eq!(b.scale(twice, 3.0), six);
    let recip = b.recip(y);
    assert_eq!(b.mul(x, recip), b.div(x, y));
    b.finish().unwrap();
}

#[test]
fn constants_fold_unless_the_result_is_not_finite() {
    let mut b = Builder::new("folding");
    let (two, three, zero) = (b.constant(2.0), b.constant(3.0), b.constant(0.0));
    assert_eq!(b.mul(two, three), b.constant(6.0));
    assert_eq!(b.less(two, three), b.constant(1.0));
    assert_eq!(b.exp(zero), b.constant(1.0));
    let wide = b.filled(2.0, 5);
    assert_eq!(b.mul(wide, three), b.filled(6.0, 5));
    assert_eq!(b.sum(wide), b.constant(10.0));
    let infinite = b.log(zero);
    b.store("x", infinite);
    let graph = b.finish().unwrap();
    assert!(graph.nodes.iter().any(|n| matches!(n.op, Op::Unary(Unary::Log, _))), "{graph}");
}

#[test]
fn shapes_cancel() {
    let mut b = Builder::new("shapes");
    let (x, y, s) = (b.input("x", 3), b.input("y", 4), b.input("s", 1));
    let xy = b.concat(&[x, y]);
    assert_eq!(b.concat(&[x]), x);
    assert_eq!(b.slice(xy, 0, 3), x);
    assert_eq!(b.slice(xy, 3, 4), y);
    assert_eq!(b.slice(xy, 4, 2), b.slice(y, 1, 2));
    let (left, right) = (b.slice(x, 1, 2), b.slice(y, 0, 1));
    assert_eq!(b.slice(xy, 1, 3), b.concat(&[left, right]));
    assert_eq!(b.slice(y, 0, 4), y);
    let inner = b.slice(y, 1, 3);
    assert_eq!(b.slice(inner, 1, 1), b.slice(y, 2, 1));
    let (low, high) = (b.slice(y, 0, 2), b.slice(y, 2, 2));
    assert_eq!(b.concat(&[low, high]), y);
    let nested = b.concat(&[s, xy]);
    assert_eq!(nested, b.concat(&[s, x, y]));
    assert_eq!(b.broadcast(s, 1), s);
    assert_eq!(b.sum(s), s);
    let wide = b.broadcast(s, 4);
    assert_eq!(b.slice(wide, 1, 2), b.broadcast(s, 2));
    assert_eq!(b.sum(wide), b.scale(s, 4.0));
    let (sine, wave) = (b.sin(wide), b.sin(s));
    assert_eq!(sine, b.broadcast(wave, 4), "computed once, then broadcast");
    let frozen = b.stop_gradient(x);
    assert_eq!(b.stop_gradient(frozen), frozen);
    b.finish().unwrap();
}

#[test]
fn a_dense_layer_of_a_concat_splits_by_rows_and_keeps_its_value() {
    let mut b = Builder::new("split");
    let (x, y) = (b.input("x", 3), b.input("y", 2));
    let (w, bias) = (b.param("w", 7, 4, false), b.param("b", 1, 4, false));
    let zeros = b.filled(0.0, 2);
    let joined = b.concat(&[x, zeros, y]);
    let layer = b.dense(joined, w, Some(bias));
    let views = (b.view_rows(w, 0, 3), b.view_rows(w, 5, 2));
    assert_eq!(layer, b.dense_terms(&[(x, views.0), (y, views.1)], Some(bias)));
    b.store("split", layer);
    // The same product written out with gathers of the rows.
    let mut sum = b.vector(bias);
    for i in 0..5 {
        let entry = if i < 3 { b.slice(x, i, 1) } else { b.slice(y, i - 3, 1) };
        let row = b.constant(if i < 3 { i } else { i + 2 } as f32);
        let row = b.gather(w, row);
        let scaled = b.mul(row, entry);
        sum = b.add(sum, scaled);
    }
    b.store("written out", sum);
    let stores = stores(b, 4);
    assert_close("split", &stores["split"], &stores["written out"]);
}

#[test]
fn the_sum_of_two_layers_becomes_one_unless_a_part_is_used_elsewhere() {
    let count = |shared: bool| {
        let mut b = Builder::new("merge");
        let (x, y) = (b.input("x", 3), b.input("y", 2));
        let (v, w, bias) = (b.param("v", 3, 4, false), b.param("w", 2, 4, false), b.param("b", 1, 4, false));
        let (p, q) = (b.dense(x, v, Some(bias)), b.dense(y, w, None));
        let sum = b.add(p, q);
        b.store("sum", sum);
        if shared {
            b.store("p", p);
        }
        let graph = b.finish().unwrap();
        let bindings = random_bindings(&graph, 2, 1);
        let layers = graph.nodes.iter().filter_map(|n| match &n.op {
            Op::Dense(layer) => Some(layer.terms.len()),
            _ => None,
        });
        (layers.collect::<Vec<_>>(), execute(&graph, &bindings, 2).unwrap().stores["sum"].clone())
    };
    let ((merged, value), (separate, expected)) = (count(false), count(true));
    assert_eq!((merged, separate), (vec![2], vec![1, 1]), "terms of the layers: no product is computed twice");
    assert_close("sum", &value, &expected);
}

#[test]
fn what_a_loop_does_not_change_is_outside_of_it() {
    let mut b = Builder::new("hoisting");
    let (x, s) = (b.input("x", 2), b.input("s", 3));
    let w = b.param("w", 6, 2, false);
    let out = b.repeat(4, &[x], |b, i, v| {
        let state = b.sin(s);
        let time = b.cos(i);
        let input = b.concat(&[v[0], time, state]);
        vec![b.dense(input, w, None)]
    });
    b.store("x", out[0]);
    let graph = b.finish().unwrap();
    let loops = graph.loops();
    let depth = |wanted: &dyn Fn(&Node) -> bool| -> Vec<usize> {
        let found = graph.nodes.iter().enumerate().filter(|(_, n)| wanted(n));
        found.map(|(i, _)| loops[i].len()).collect()
    };
    assert_eq!(depth(&|n| matches!(n.op, Op::Unary(Unary::Sin, _))), [0], "{graph}");
    assert_eq!(depth(&|n| matches!(n.op, Op::Unary(Unary::Cos, _))), [1], "{graph}");
    let mut layers = depth(&|n| matches!(n.op, Op::Dense(_)));
    layers.sort();
    assert_eq!(layers, [0, 1], "the state's part of the layer is outside, the rest inside\n{graph}");

    let varies = varies_by_row(&graph);
    let of = |wanted: fn(&Op) -> bool| graph.nodes.iter().position(|n| wanted(&n.op)).map(|i| varies[i]);
    assert_eq!(of(|op| matches!(op, Op::Unary(Unary::Cos, _))), Some(false), "the time embedding");
    assert_eq!(of(|op| matches!(op, Op::LoopVar(..))), Some(true), "the carried state");
    assert_eq!(of(|op| matches!(op, Op::RepeatOut(..))), Some(true), "the result");
}

#[test]
fn dead_nodes_carried_values_and_declarations_are_removed() {
    let mut b = Builder::new("dead");
    let (x, unused) = (b.input("x", 2), b.input("unused", 2));
    b.param("unused", 2, 2, true);
    b.uniform("unused");
    b.exp(unused);
    let scale = b.uniform("scale");
    let zero = b.constant(0.0);
    let out = b.repeat(3, &[zero, x, zero], |b, _, v| {
        let counted = b.offset(v[0], 1.0);
        let doubled = b.mul(v[1], scale);
        let total = b.sum(v[1]);
        let total = b.add(v[2], total);
        vec![counted, doubled, total]
    });
    b.store("total", out[2]);
    let graph = b.finish().unwrap();
    assert_eq!((graph.inputs.len(), graph.params.len(), graph.uniforms.len()), (1, 0, 1), "{graph}");
    let carried = graph.nodes.iter().find_map(|n| match &n.op {
        Op::Repeat { init, .. } => Some(init.len()),
        _ => None,
    });
    assert_eq!(carried, Some(2), "{graph}");
    for (index, node) in graph.nodes.iter().enumerate() {
        assert!(node.op.operands().iter().all(|o| (o.0 as usize) < index), "operands before users\n{graph}");
    }
    let mut bindings = Bindings::default();
    bindings.inputs.insert("x".into(), vec![1.0, 2.0]);
    bindings.uniforms.insert("scale".into(), 2.0);
    assert_eq!(execute(&graph, &bindings, 1).unwrap().stores["total"], [3.0 + 6.0 + 12.0]);
}

#[test]
fn a_loop_runs_for_its_sinks_alone_and_they_follow_every_iteration() {
    let mut b = Builder::new("sinks");
    let (x, one) = (b.input("x", 1), b.constant(1.0));
    b.repeat(3, &[x], |b, i, v| {
        b.mean("state", v[0]);
        b.mean("outside", one);
        b.store("last", i);
        vec![b.scale(v[0], 2.0)]
    });
    let graph = b.finish().unwrap();
    let bindings = Bindings { inputs: [("x".to_string(), vec![1.0, 3.0])].into(), ..Bindings::default() };
    let outputs = execute(&graph, &bindings, 2).unwrap();
    assert_eq!(outputs.means["state"], 2.0 * (1.0 + 2.0 + 4.0));
    assert_eq!(outputs.means["outside"], 3.0, "counted once an iteration although it is computed outside");
    assert_eq!(outputs.stores["last"], [2.0, 2.0]);
}

#[test]
fn a_finished_graph_has_no_stop_gradient_and_computes_both_sides_once() {
    let mut b = Builder::new("stopped");
    let p = b.param("p", 1, 2, true);
    let v = b.vector(p);
    let frozen = b.stop_gradient(v);
    let (live, stopped) = (b.exp(v), b.exp(frozen));
    let product = b.mul(live, stopped);
    let loss = b.sum(product);
    b.mean("loss", loss);
    b.differentiate(loss);
    let graph = b.finish().unwrap();
    assert_eq!(graph.nodes.iter().filter(|n| matches!(n.op, Op::Unary(Unary::Exp, _))).count(), 1, "{graph}");
    assert!(!graph.nodes.iter().any(|n| matches!(n.op, Op::StopGradient(_))), "{graph}");
    let bindings = random_bindings(&graph, 1, 1);
    let expected: Vec<f64> = bindings.params["p"].iter().map(|p| (2.0 * p).exp()).collect();
    assert_close("p", &execute(&graph, &bindings, 1).unwrap().grads["p"], &expected);
}

/// A value as the graph has it and as plain f64 computes it, for one row.
struct Twin {
    node: NodeId,
    value: Vec<f64>,
}

/// A random value built from those in `pool` with smooth operations, neutral constants and shape operations.
fn random_step(b: &mut Builder, random: &mut Random, pool: &[Twin]) -> Twin {
    use {Binary::*, Unary::*};
    let pick = |random: &mut Random| &pool[random.below(pool.len())];
    let x = pick(random);
    match random.below(7) {
        0 | 1 => {
            let f = [Neg, Neg, Exp, Recip, Sin, Tanh, Abs, Silu, Mish, Elu][random.below(10)];
            Twin { node: b.unary(f, x.node), value: x.value.iter().map(|&v| f.value(v)).collect() }
        }
        2 | 3 => {
            let f = [Add, Add, Sub, Sub, Mul, Mul, Div, Min, Max][random.below(9)];
            let fitting = |t: &&Twin| t.value.len() == x.value.len() || t.value.len() == 1 || x.value.len() == 1;
            let others: Vec<_> = pool.iter().filter(fitting).collect();
            let y = others[random.below(others.len())];
            let at = |v: &[f64], i: usize| v[if v.len() == 1 { 0 } else { i }];
            let n = x.value.len().max(y.value.len());
            let value = (0..n).map(|i| f.value(at(&x.value, i), at(&y.value, i))).collect();
            Twin { node: b.binary(f, x.node, y.node), value }
        }
        4 => {
            let y = pick(random);
            Twin { node: b.concat(&[x.node, y.node]), value: [&x.value[..], &y.value].concat() }
        }
        5 => {
            let start = random.below(x.value.len());
            let width = 1 + random.below(x.value.len() - start);
            Twin { node: b.slice(x.node, start, width), value: x.value[start..start + width].to_vec() }
        }
        _ if x.value.len() == 1 => Twin { node: b.broadcast(x.node, 3), value: vec![x.value[0]; 3] },
        _ => Twin { node: b.sum(x.node), value: vec![x.value.iter().sum()] },
    }
}

fn random_pool(b: &mut Builder, random: &mut Random, steps: usize) -> Vec<Twin> {
    let mut pool = vec![];
    for (name, width) in [("p", 3), ("q", 1), ("r", 4)] {
        let p = b.param(name, 1, width, true);
        // Filled with the values that `random_bindings` gives to the declarations in this order.
        pool.push(Twin { node: b.vector(p), value: (0..width).map(|_| random.signed()).collect() });
    }
    for c in [0.0, 1.0, -1.0, 2.0, 0.5] {
        pool.push(Twin { node: b.constant(c), value: vec![c as f64] });
        pool.push(Twin { node: b.filled(c, 3), value: vec![c as f64; 3] });
    }
    while pool.len() < 13 + steps {
        let twin = random_step(b, random, &pool);
        if twin.value.len() <= 12 && twin.value.iter().all(|v| v.abs() < 20.0 && (*v == 0.0 || v.abs() > 1e-3)) {
            pool.push(twin);
        }
    }
    pool
}

#[test]
fn simplification_keeps_the_value_of_random_expressions() {
    for seed in 0..200 {
        let mut b = Builder::new("random");
        let pool = random_pool(&mut b, &mut Random(seed), 40);
        for (i, twin) in pool.iter().enumerate() {
            b.store(&i.to_string(), twin.node);
        }
        let graph = b.finish().unwrap();
        let outputs = execute(&graph, &random_bindings(&graph, 1, seed), 1).unwrap();
        for (i, twin) in pool.iter().enumerate() {
            let (got, what) = (&outputs.stores[&i.to_string()], format!("seed {seed}, value {i}"));
            assert_eq!(got.len(), twin.value.len(), "{what}");
            for (g, e) in got.iter().zip(&twin.value) {
                // Folded constants are rounded to f32.
                assert!((g - e).abs() <= 1e-4 * (1.0 + e.abs()), "{what}: {got:?}, expected {:?}\n{graph}", twin.value);
            }
        }
    }
}

#[test]
fn gradients_of_random_expressions_match_central_differences() {
    let mut nonzero = 0;
    for seed in 1000..1150 {
        let mut b = Builder::new("random");
        let pool = random_pool(&mut b, &mut Random(seed), 25);
        let mut loss = b.constant(0.0);
        for twin in &pool[pool.len() - 8..] {
            // Twice, at different strengths: keeps the weights of the summands apart.
            let damped = b.scale(twin.node, 0.2 + 0.01 * (twin.value.len() as f32));
            let wave = b.sin(damped);
            let total = b.sum(wave);
            loss = b.add(loss, total);
        }
        b.mean("loss", loss);
        for (i, name) in ["p", "q", "r"].iter().enumerate() {
            b.store(name, pool[i].node);
        }
        b.differentiate(loss);
        let graph = b.finish().unwrap();
        let mut bindings = random_bindings(&graph, 1, seed);
        let expected = central_differences(&graph, &mut bindings, 1);
        let got = execute(&graph, &bindings, 1).unwrap().grads;
        for (name, expected) in &expected {
            nonzero += expected.iter().filter(|g| g.abs() > 1e-3).count();
            for (g, e) in got[name].iter().zip(expected) {
                // Steep functions of functions: the differences themselves are only this good.
                assert!((g - e).abs() <= 1e-4 * (1.0 + e.abs()), "seed {seed}, `{name}`: {g}, expected {e}\n{graph}");
            }
        }
    }
    assert!(nonzero > 400, "only {nonzero} gradients differ from 0: the test sees too little");
}

/// The message of the first error of a graph.
fn error(build: impl FnOnce(&mut Builder)) -> GraphError {
    let mut b = Builder::new("wrong");
    build(&mut b);
    b.finish().unwrap_err()
}

#[test]
fn errors_name_the_widths_and_the_line_of_the_call() {
    let line = line!() + 3;
    let add = error(|b| {
        let (x, y) = (b.input("x", 3), b.input("y", 4));
        let z = b.add(x, y);
        b.store("z", z);
    });
    assert_eq!((add.file.as_str(), add.line), (file!(), line));
    let text = add.to_string();
    assert!(text.starts_with("graph `wrong`: Add of the widths 3 and 4"), "{text}");
    assert!(text.ends_with(&format!("(at {}:{line})", file!())), "{text}");
}

#[test]
fn only_the_first_error_is_reported_and_building_goes_on() {
    let first = error(|b| {
        let x = b.input("x", 3);
        let w = b.param("w", 4, 2, true);
        let y = b.dense(x, w, None);
        assert_eq!(b.width(y), 2, "the stand-in has the expected width");
        let z = b.slice(y, 1, 9);
        b.store("z", z);
    });
    assert!(first.message.contains("the input has width 3, `w` expects 4"), "{first}");
}

#[test]
fn every_kind_of_mistake_has_a_message_with_its_numbers() {
    type Mistake = (&'static str, fn(&mut Builder));
    let mistakes: [Mistake; 17] = [
        ("input `x` has width 3 and is asked for with width 4", |b| {
            b.input("x", 3);
            b.input("x", 4);
        }),
        ("parameter `p` is [1, 2], trained and is asked for as [1, 3], not trained", |b| {
            b.param("p", 1, 2, true);
            b.param("p", 1, 3, false);
        }),
        ("parameter `p` has the shape [0, 2]", |b| {
            b.param("p", 0, 2, true);
        }),
        ("parameter `p` has 2 rows, a vector has 1", |b| {
            let p = b.param("p", 2, 2, true);
            b.vector(p);
        }),
        ("rows 2..5 of parameter `p`, which has 4", |b| {
            let p = b.param("p", 4, 2, true);
            b.view_rows(p, 2, 3);
        }),
        ("the constant inf is not finite", |b| {
            b.constant(f32::INFINITY);
        }),
        ("bias `b` is [1, 3], expected [1, 2]", |b| {
            let (x, w, bias) = (b.input("x", 4), b.param("w", 4, 2, true), b.param("b", 1, 3, true));
            b.dense(x, w, Some(bias));
        }),
        ("slice 2..5 of a value of width 4", |b| {
            let x = b.input("x", 4);
            b.slice(x, 2, 3);
        }),
        ("broadcast of width 4 to width 8", |b| {
            let x = b.input("x", 4);
            b.broadcast(x, 8);
        }),
        ("select of the widths 2, 4 and 1", |b| {
            let (c, x, y) = (b.input("c", 2), b.input("x", 4), b.input("y", 1));
            b.select(c, x, y);
        }),
        ("clamp to the empty range [2, 1]", |b| {
            let x = b.input("x", 4);
            b.clamp(x, 2.0, 1.0);
        }),
        ("repeat carries the widths [4], its body returns [2]", |b| {
            let x = b.input("x", 4);
            b.repeat(2, &[x], |b, _, v| vec![b.slice(v[0], 0, 2)]);
        }),
        ("used outside of the loop", |b| {
            let x = b.input("x", 4);
            let mut leaked = x;
            b.repeat(2, &[x], |b, _, v| {
                leaked = b.exp(v[0]);
                vec![leaked]
            });
            b.sin(leaked);
        }),
        ("a second store `x`", |b| {
            let x = b.input("x", 4);
            b.store("x", x);
            b.store("x", x);
        }),
        ("mean `x` of a value of width 4, expected 1", |b| {
            let x = b.input("x", 4);
            b.mean("x", x);
        }),
        ("a loss of width 4, expected 1", |b| {
            let x = b.input("x", 4);
            b.differentiate(x);
        }),
        ("wrap it in stop_gradient", |b| {
            let (x, y) = (b.input("x", 1), b.input("y", 1));
            let xy = b.concat(&[x, y]);
            let loss = b.sum(xy);
            b.gradients(loss, &[xy]);
        }),
    ];
    for (expected, build) in mistakes {
        let got = error(build);
        assert!(got.message.contains(expected), "expected `{expected}` in `{got}`");
        assert!(got.file.ends_with("graph.rs"), "{got}");
    }
}

#[test]
fn a_node_of_another_builder_is_an_error_and_not_a_panic() {
    let mut other = Builder::new("other");
    let far = (0..20).map(|i| other.input(&format!("x{i}"), 1)).last().unwrap();
    let mut b = Builder::new("mine");
    let y = b.exp(far);
    b.store("y", y);
    assert!(b.finish().unwrap_err().message.contains("another builder"));

    let weights = (0..3).map(|i| other.param(&format!("w{i}"), 1, 1, true)).last().unwrap();
    let mut b = Builder::new("mine");
    let y = b.vector(weights);
    b.store("y", y);
    assert!(b.finish().unwrap_err().message.contains("another builder"));
}

#[test]
fn the_reference_names_what_is_missing_or_has_the_wrong_length() {
    let mut b = Builder::new("bindings");
    let (x, u, p) = (b.input("x", 2), b.uniform("u"), b.param("p", 3, 2, false));
    let row = b.gather(p, u);
    let y = b.add(x, row);
    b.store("y", y);
    let graph = b.finish().unwrap();
    let full = |u: f64| {
        let mut bindings = Bindings::default();
        bindings.inputs.insert("x".into(), vec![0.0; 4]);
        bindings.params.insert("p".into(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        bindings.uniforms.insert("u".into(), u);
        bindings
    };
    let message = |bindings: &Bindings| execute(&graph, bindings, 2).unwrap_err().to_string();
    assert_eq!(execute(&graph, &full(1.0), 2).unwrap().stores["y"], [3.0, 4.0, 3.0, 4.0]);
    assert_eq!(message(&full(3.0)), "graph `bindings`: row 0 selects entry 3 of parameter `p`, which has 3");
    let mut bindings = full(1.0);
    bindings.inputs.insert("x".into(), vec![0.0; 5]);
    assert_eq!(message(&bindings), "graph `bindings`: the input `x` has 5 values, expected 4");
    let mut bindings = full(1.0);
    bindings.params.clear();
    assert_eq!(message(&bindings), "graph `bindings` reads the parameter `p`, which is not bound");
    let mut bindings = full(1.0);
    bindings.uniforms.clear();
    assert_eq!(message(&bindings), "graph `bindings` reads the uniform `u`, which is not bound");
}

fn printed() -> Graph {
    let mut b = Builder::new("policy");
    let (s, z) = (b.input("state", 3), b.normal(0, 2));
    let (w, bias) = (b.param("w", 5, 2, true), b.param("b", 1, 2, true));
    let out = b.repeat(4, &[z], |b, _, v| {
        let input = b.concat(&[v[0], s]);
        let h = b.dense(input, w, Some(bias));
        vec![b.mish(h)]
    });
    let square = b.square(out[0]);
    let loss = b.sum(square);
    b.store("action", out[0]);
    b.mean("loss", loss);
    b.finish().unwrap()
}

#[test]
fn a_graph_prints_one_readable_line_a_node() {
    let expected = "\
graph policy
  input    state [3]
  param    w [5, 2], trained
  param    b [1, 2], trained
  %0     [3]    state
  %1     [2]    normal draw of stream 0
  %2     [2]    | L0.v0
  %3     [2]    %0 @ w[2..5] + b
  %4     [2]    | %2 @ w[0..2]
  %5     [2]    | %3 + %4
  %6     [2]    | mish(%5)
  %7     [0]    repeat L0 4 times: v0 = %1, then %6;
  %8     [2]    %7.v0
  %9     [2]    %8 * %8
  %10    [1]    sum(%9)
  store    action = %8
  mean     loss = %10
";
    let got = printed().to_string();
    assert_eq!(got, expected, "\n{got}");
}

#[test]
fn work_counts_what_is_in_a_loop_once_an_iteration() {
    let outside = 2 * 3 * 2;
    let inside = 4 * 2 * 2 * 2;
    let elsewhere = 2 + 4 * (2 + 2) + 2 + 2 + 1;
    assert_eq!(work(&printed()), (outside + inside, elsewhere));
}

#[test]
fn sixty_thousand_scalar_nodes_are_built_and_finished_in_seconds() {
    let start = std::time::Instant::now();
    let mut b = Builder::new("large");
    let mut values: Vec<NodeId> = (0..16).map(|i| b.input(&format!("x{i}"), 1)).collect();
    for i in 0..30_000 {
        let (x, y) = (values[i % 16], values[(7 * i + 3) % 16]);
        let product = b.mul(x, y);
        values[i % 16] = b.sub(product, x);
    }
    let all = b.concat(&values);
    b.store("all", all);
    let graph = b.finish().unwrap();
    assert!(graph.nodes.len() > 50_000, "{} nodes", graph.nodes.len());
    assert!(start.elapsed().as_secs() < 10, "took {:?}", start.elapsed());
}
