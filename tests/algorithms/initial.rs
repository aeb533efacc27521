//! Initial tensors: names, shapes, distributions.

use flowmill::algo::{Algorithm, PolicyFlowConfig, PpoConfig, Spaces, TrainConfig};
use flowmill::nn::{OutputInit, Tensor};

const SPACES: Spaces = Spaces { observation: 40, action: 12 };

fn tensors(output_init: OutputInit) -> Vec<Tensor> {
    let default = PolicyFlowConfig::default();
    let train = TrainConfig { hidden: vec![256, 128], init_std: 0.5, ..default.train.clone() };
    let config = PolicyFlowConfig { train, embedding: 512, output_init, ..default };
    Algorithm::PolicyFlow(config).agent(SPACES, 1).unwrap().tensors
}

fn find<'a>(tensors: &'a [Tensor], name: &str) -> &'a Tensor {
    tensors.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn std(tensor: &Tensor) -> f64 {
    (tensor.values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>() / tensor.values.len() as f64).sqrt()
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.values.iter().fold(0.0, |m, v| m.max(v.abs() as f64))
}

#[test]
fn policyflow_tensors_have_the_documented_names_and_shapes() {
    let got: Vec<_> = tensors(OutputInit::Small).into_iter().map(|t| (t.name, t.rows, t.cols, t.trained)).collect();
    let want = [
        ("actor.freqs", 1, 64, false),
        ("actor.t1.w", 128, 512, true),
        ("actor.t1.b", 1, 512, true),
        ("actor.t2.w", 512, 512, true),
        ("actor.t2.b", 1, 512, true),
        ("actor.s.w", 40, 512, true),
        ("actor.s.b", 1, 512, true),
        ("actor.mlp.0.w", 524, 256, true),
        ("actor.mlp.0.b", 1, 256, true),
        ("actor.mlp.1.w", 256, 128, true),
        ("actor.mlp.1.b", 1, 128, true),
        ("actor.mlp.2.w", 128, 12, true),
        ("actor.mlp.2.b", 1, 12, true),
        ("actor.log_std", 1, 12, true),
        ("critic.mlp.0.w", 40, 256, true),
        ("critic.mlp.0.b", 1, 256, true),
        ("critic.mlp.1.w", 256, 128, true),
        ("critic.mlp.1.b", 1, 128, true),
        ("critic.mlp.2.w", 128, 1, true),
        ("critic.mlp.2.b", 1, 1, true),
    ];
    assert_eq!(got, want.map(|(n, r, c, t)| (n.to_string(), r, c, t)));
}

#[test]
fn policyflow_starts_as_the_released_code_does() {
    let t = tensors(OutputInit::Small);
    let near = |name: &str, want: f64, tolerance: f64| {
        let got = std(find(&t, name));
        assert!((got / want - 1.0).abs() < tolerance, "{name}: deviation {got}, expected {want}");
    };
    near("actor.freqs", 16.0, 0.3);
    near("actor.mlp.0.w", (2.0f64 / (524.0 + 256.0)).sqrt(), 0.01);
    near("actor.mlp.1.w", (2.0f64 / (256.0 + 128.0)).sqrt(), 0.02);
    near("actor.mlp.2.w", 0.01 * (2.0f64 / (128.0 + 12.0)).sqrt(), 0.1);
    near("critic.mlp.2.w", 0.01 * (2.0f64 / (128.0 + 1.0)).sqrt(), 0.25);
    // Uniform within 1 / sqrt(fan in), whose deviation is a sqrt(3)rd of that.
    for (name, fan_in) in [("actor.t1.w", 128.0), ("actor.t2.w", 512.0), ("actor.s.w", 40.0), ("actor.mlp.1.b", 256f64)]
    {
        let bound = 1.0 / fan_in.sqrt();
        near(name, bound / 3f64.sqrt(), 0.15);
        assert!(largest(find(&t, name)) <= bound * 1.000_001, "{name}");
    }
    assert!(find(&t, "actor.log_std").values.iter().all(|v| (*v - 0.5f32.ln()).abs() < 1e-7));
}

#[test]
fn output_layers_start_as_their_mode_says() {
    for name in ["actor.mlp.2", "critic.mlp.2"] {
        let (w, b) = (format!("{name}.w"), format!("{name}.b"));
        let zero = tensors(OutputInit::Zero);
        assert_eq!((largest(find(&zero, &w)), largest(find(&zero, &b))), (0.0, 0.0));
        assert!(largest(find(&zero, "actor.mlp.1.w")) > 0.0);
        let all_zero = tensors(OutputInit::AllZero);
        assert!(all_zero.iter().filter(|t| t.name.contains("mlp")).all(|t| largest(t) == 0.0));
        let (small, glorot) = (tensors(OutputInit::Small), tensors(OutputInit::Glorot));
        let ratio = largest(find(&glorot, &w)) / largest(find(&small, &w));
        assert!((ratio - 100.0).abs() < 1e-3, "the same draws, a hundred times larger: {ratio}");
    }
}

#[test]
fn ppo_starts_as_rsl_rl_does() {
    let config = PpoConfig::default();
    let t = Algorithm::Ppo(config).agent(SPACES, 1).unwrap().tensors;
    let names: Vec<_> = t.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(&names[..3], ["actor.mlp.0.w", "actor.mlp.0.b", "actor.mlp.1.w"]);
    assert!(find(&t, "actor.log_std").values.iter().all(|v| *v == 0.0));
    let w = find(&t, "actor.mlp.0.w");
    let bound = 1.0 / 40f64.sqrt();
    assert!(largest(w) <= bound * 1.000_001 && (std(w) / (bound / 3f64.sqrt()) - 1.0).abs() < 0.02);
}

#[test]
fn another_seed_gives_other_tensors_and_the_same_seed_the_same() {
    let agent = |seed| Algorithm::Ppo(PpoConfig::default()).agent(SPACES, seed).unwrap().tensors;
    assert_eq!(agent(4), agent(4));
    assert_ne!(agent(4), agent(5));
}
