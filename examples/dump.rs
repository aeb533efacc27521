use flowmill::{algo::*, fuse::*, ir::Graph};
fn main() {
    let spaces = Spaces { observation: 5, action: 3 };
    let mut config = PolicyFlowConfig::default();
    config.train.hidden = vec![18, 9];
    config.embedding = 16;
    config.flow_steps = 3;
    let agent = Algorithm::PolicyFlow(config).agent(spaces, 3).unwrap();
    let g = &agent.update;
    println!("{g}");
    let k = lower(g, &place(g), &Target::PORTABLE, true).unwrap();
    println!("{}", &k.desc.wgsl[k.desc.wgsl.find("fn main").unwrap()..]);
    println!("{:#?}", k.jobs);
}
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
