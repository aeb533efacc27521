//! Hyper-parameters from tables: defaults, presets, overrides, and the messages for what is refused.

use flowmill::algo::{Algorithm, Layer, PolicyFlowConfig, PpoConfig, Schedule, SettingsError, parse_override};
use flowmill::nn::{OutputInit, nearest};

const TRAIN_TOML: &str = r#"
[policyflow.released]
num_envs = 64
horizon = 8
w_b = 0.25
[policyflow.tiny]
hidden = [8]
embedding = 8
[ppo.released]
num_envs = 64
w_g = 1
"#;

fn file() -> Layer {
    Layer { origin: "envs/x/train.toml".into(), table: TRAIN_TOML.parse().unwrap() }
}

fn resolve(name: &str, preset: &str, overrides: &[&str]) -> Result<Algorithm, SettingsError> {
    let overrides: Result<Vec<_>, _> = overrides.iter().map(|o| parse_override(o, name)).collect();
    Algorithm::resolve(name, preset, &file(), &overrides?)
}

fn policyflow(preset: &str, overrides: &[&str]) -> PolicyFlowConfig {
    match resolve("policyflow", preset, overrides).unwrap() {
        Algorithm::PolicyFlow(config) => config,
        other => panic!("{other:?}"),
    }
}

fn refusal(name: &str, preset: &str, overrides: &[&str]) -> String {
    resolve(name, preset, overrides).unwrap_err().to_string()
}

#[test]
fn layers_override_each_other_in_order() {
    let released = policyflow("released", &[]);
    assert_eq!((released.w_b, released.flow_steps, released.train.num_envs), (0.25, 10, 64));
    // The built-in preset over the environment's released values.
    let paper = policyflow("paper", &[]);
    assert_eq!((paper.w_b, paper.flow_steps, paper.output_init), (0.25, 12, OutputInit::Zero));
    // A preset that only the environment has, over its released values; then overrides.
    let tiny = policyflow("tiny", &["policyflow.w_b=0", "path=trigflow", "hidden=[16, 16]", "schedule = 'fixed'"]);
    assert_eq!((tiny.embedding, tiny.w_b, tiny.path.word()), (8, 0.0, "trigflow"));
    assert_eq!((tiny.train.hidden, tiny.train.schedule), (vec![16, 16], Schedule::Fixed));
    // A whole number is accepted where a real one is meant.
    let Algorithm::Ppo(ppo) = resolve("ppo", "quick", &[]).unwrap() else { panic!() };
    assert_eq!((ppo.w_g, ppo.train.hidden, ppo.train.num_envs), (1.0, vec![32, 32], 64));
}

#[test]
fn resolved_settings_read_back_unchanged() {
    for name in Algorithm::NAMES {
        let algorithm = resolve(name, "quick", &["learning_rate=3.3e-4"]).unwrap();
        let text = toml::to_string(&algorithm.to_table()).unwrap();
        let layer = Layer { origin: "config.toml".into(), table: text.parse().unwrap() };
        assert_eq!(Algorithm::from_table(&layer).unwrap(), Some(algorithm), "{text}");
    }
}

#[test]
fn defaults_are_valid() {
    Algorithm::PolicyFlow(PolicyFlowConfig::default()).validate().unwrap();
    Algorithm::Ppo(PpoConfig::default()).validate().unwrap();
}

#[test]
fn refusals_name_key_value_and_what_is_accepted() {
    let cases = [
        ("policyflow.clip=-0.2", "--set: `policyflow.clip` is -0.2, expected 0 < clip < 1"),
        ("clip=nan", "--set: `policyflow.clip` is nan, expected 0 < clip < 1"),
        ("horizon=-3", "--set: `policyflow.horizon` is -3, expected 1..=1000000"),
        ("horizon=2.5", "--set: `policyflow.horizon` is 2.5, expected 1..=1000000"),
        ("embedding=12", "--set: `policyflow.embedding` is 12, expected a multiple of 8 in 8..=512"),
        ("hidden=[]", "--set: `policyflow.hidden` is [], expected a list of 1 to 8 widths in 1..=512"),
        ("hidden=[600]", "--set: `policyflow.hidden` is [600], expected a list of 1 to 8 widths in 1..=512"),
        ("gamma=high", "--set: `policyflow.gamma` is \"high\", expected 0 <= gamma <= 1"),
        ("clp=0.1", "--set: unknown key `policyflow.clp`; did you mean `clip`?"),
        (
            "path=trigflo",
            "--set: `policyflow.path` is \"trigflo\", expected one of rectified, interpolant, trigflow; did you mean `trigflow`?",
        ),
        ("reward_scale=0", "--set: `policyflow.reward_scale` is 0, expected 0 < reward_scale <= 1000000"),
        ("observation_clip=-1", "--set: `policyflow.observation_clip` is -1, expected 0 < observation_clip <= 1000000"),
        ("normalize_observations=1", "--set: `policyflow.normalize_observations` is 1, expected a boolean"),
        (
            "squash_actions=tan",
            "--set: `policyflow.squash_actions` is \"tan\", expected one of none, clip, tanh; did you mean `tanh`?",
        ),
        ("minibatches=7", "`policyflow.minibatches` is 7, expected a divisor of num_envs * horizon = 512"),
        ("lr_min=0.5", "`policyflow.lr_min` is 0.5, expected at most lr_max = 0.01"),
        ("polcyflow.clip=0.1", "unknown section `polcyflow`; did you mean `policyflow`?; known: policyflow"),
        ("clip", "--set \"clip\": expected section.key=value, such as policyflow.clip=0.2"),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal("policyflow", "released", &[text]), expected);
    }
    let boolean = refusal("policyflow", "released", &["degenerate_gaussian=1"]);
    assert_eq!(boolean, "--set: `policyflow.degenerate_gaussian` is 1, expected a boolean");
}

#[test]
fn unknown_algorithms_and_presets_get_the_nearest_name() {
    assert!(refusal("policyflw", "released", &[]).contains("did you mean `policyflow`?"));
    let preset = refusal("policyflow", "tny", &[]);
    assert_eq!(preset, "unknown preset `tny`; did you mean `tiny`?; known: released, paper, quick, tiny");
}

#[test]
fn a_wrong_file_is_named_with_its_key() {
    let refuse = |text: &str| {
        let file = Layer { origin: "envs/x/train.toml".into(), table: text.parse().unwrap() };
        Algorithm::resolve("ppo", "released", &file, &[]).unwrap_err().to_string()
    };
    let range = refuse("[ppo.released]\nlambda = 2.0");
    assert_eq!(range, "envs/x/train.toml: `ppo.lambda` is 2.0, expected 0 <= lambda <= 1");
    assert_eq!(refuse("ppo = 3"), "envs/x/train.toml: `ppo` is 3, expected a table");
    assert!(refuse("[pppo]").starts_with("unknown section `pppo`; did you mean `ppo`?"));
}

#[test]
fn nothing_similar_is_suggested_for_nonsense() {
    assert_eq!(nearest("zzz", ["clip", "gamma"]), None);
    assert_eq!(nearest("Gama", ["clip", "gamma"]), Some("gamma"));
}
