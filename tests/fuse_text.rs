//! Generated modules validate.
use flowmill::fuse::{Placement, Rows, Target, Tensor, lower};
use flowmill::ir::{Builder, Graph};

fn place(graph: &Graph) -> Placement {
    let mut p = Placement::default();
    let mut at = 0;
    for i in &graph.inputs {
        p.inputs.insert(i.name.clone(), Rows { buffer: "rollout".into(), offset: at, pitch: i.width as u32 });
        at += 1000 * i.width as u32;
    }
    for i in &graph.stores {
        p.stores.insert(i.name.clone(), Rows { buffer: "rollout".into(), offset: at, pitch: i.width as u32 });
        at += 1000 * i.width as u32;
    }
    let mut at = 0;
    for t in &graph.params {
        let ld = (t.cols as u32).next_multiple_of(4);
        p.params.insert(t.name.clone(), Tensor { buffer: "params".into(), offset: at, ld });
        p.gradients.insert(t.name.clone(), at);
        at += ld * t.rows as u32;
    }
    p.means = at;
    p
}

#[test]
fn sampler_and_mlp_modules_validate() {
    let mut g = Builder::new("sampler");
    let obs = g.input("obs", 5);
    let (w0, b0) = (g.param("w0", 8, 33, true), g.param("b0", 1, 33, true));
    let (w1, b1) = (g.param("w1", 33, 3, true), g.param("b1", 1, 3, true));
    let z = g.normal(1, 3);
    let x = g.repeat(4, &[z], |g, i, v| {
        let wx = g.view_rows(w0, 0, 3);
        let wo = g.view_rows(w0, 3, 5);
        let h = g.dense_terms(&[(v[0], wx), (obs, wo)], Some(b0));
        let s = g.scale(i, 0.1);
        let h = g.add(h, s);
        let h = g.mish(h);
        let y = g.dense(h, w1, Some(b1));
        let y = g.scale(y, 0.25);
        vec![g.add(v[0], y)]
    });
    g.store("action", x[0]);
    let sq = g.square(x[0]);
    let loss = g.sum(sq);
    g.mean("loss", loss);
    //g.differentiate(loss);
    let graph = g.finish().unwrap();
    for target in [Target::PORTABLE, Target::SOFTWARE] {
        for shuffled in [false, true] {
            let k = lower(&graph, &place(&graph), &target, shuffled).unwrap();
            std::fs::write(format!("/tmp/t/k_{}_{}.wgsl", target.rows_only, shuffled), &k.desc.wgsl).unwrap();
            let m = naga::front::wgsl::parse_str(&k.desc.wgsl)
                .map_err(|e| println!("{}", e.emit_to_string(&k.desc.wgsl)))
                .unwrap();
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all())
                .validate(&m)
                .map_err(|e| println!("{}", e.emit_to_string(&k.desc.wgsl)))
                .unwrap();
        }
    }
}
