//! `flowmill eval`.

use std::path::PathBuf;

use flowmill::algo::Spaces;
use flowmill::train::{Episodes, EvalNoise, Evaluator};
use serde_json::{Map, Value, json};

use super::config::RunConfig;
use super::device::Device;
use super::parse::whole;
use super::{Failure, Output, multigoal, policy};

/// Roll a trained policy out without learning: returns, lengths, and MultiGoal's measures
#[derive(clap::Args)]
pub struct Args {
    /// Run directory (its latest checkpoint) or checkpoint file
    run: PathBuf,
    /// Episodes
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    episodes: u32,
    /// `sample` draws base noise and action noise; `zero` is deterministic
    #[arg(long, value_parser = ["sample", "zero"], default_value = "sample")]
    noise: String,
    /// Seed of resets and noise; the run's own by default
    #[arg(long, allow_negative_numbers = true, value_parser = whole::<u64>(0, u64::MAX.into()))]
    seed: Option<u64>,
    #[command(flatten)]
    device: Device,
    /// Run checked modules
    #[arg(long)]
    checked: bool,
}

/// Samples of one round; longer evaluations take several.
const ROUND_SAMPLES: u64 = 1 << 20;

/// Where the rounds of returns begin; those of MultiGoal's measure are below.
pub const RETURN_ROUNDS: u32 = 1 << 30;

/// Evaluates and prints the statistics.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    let found = policy::find(&args.run)?;
    let config = RunConfig::of_checkpoint(&found.path.display().to_string(), &found.checkpoint)?;
    let environment = config.load_environment()?;
    let mut engine = args.device.open(args.checked)?;
    let spaces = Spaces { observation: environment.obs_dim(), action: environment.action_dim() };
    let agent = config.algorithm.agent(spaces, config.seed)?;
    let (layout, buffers) = policy::upload(&mut engine, &agent, &found)?;
    let noise = if args.noise == "zero" { EvalNoise::Zero } else { EvalNoise::Sample };
    let measured = noise == EvalNoise::Sample && multigoal::applies(&environment.manifest);

    let steps = environment.manifest.horizon;
    let fitting = (ROUND_SAMPLES / (u64::from(steps) + 1)).clamp(1, u64::from(args.episodes)) as u32;
    let mut capacity = (fitting, u64::from(fitting) * (u64::from(steps) + 1));
    if measured {
        capacity = (capacity.0.max(multigoal::ENVS), capacity.1.max(multigoal::SAMPLES));
    }
    let parts = (&mut engine, &environment, &agent, &layout);
    let evaluator = Evaluator::new(parts, buffers, noise, capacity.0, capacity.1)?;
    let seed = args.seed.unwrap_or(config.seed);
    let mut episodes: Vec<(f64, usize)> = Vec::new();
    let mut round = RETURN_ROUNDS;
    while episodes.len() < args.episodes as usize {
        let envs = fitting.min(args.episodes - episodes.len() as u32);
        let rolled: Episodes = evaluator.run(&mut engine, envs, steps, seed, round)?;
        episodes.extend(rolled.returns());
        round += 1;
    }
    let returns = Statistics::of(episodes.iter().map(|(total, _)| *total).collect());
    let lengths = Statistics::of(episodes.iter().map(|(_, length)| *length as f64).collect());
    let name = environment.manifest.name.clone();
    let (algorithm, done) = (config.algorithm.name(), found.checkpoint.iteration);
    out.say(format!("{} · {name} · {algorithm} · iteration {done}", found.path.display()));
    out.say(format!("{} episodes, noise {}, seed {seed}", args.episodes, args.noise));
    out.say(format!("return {}", returns.line()));
    out.say(format!("length {}", lengths.line()));
    let mut object = Map::new();
    let fields = [
        ("checkpoint", json!(found.path.display().to_string())),
        ("environment", json!(name)),
        ("algorithm", json!(algorithm)),
        ("iteration", json!(done)),
        ("episodes", json!(args.episodes)),
        ("noise", json!(args.noise)),
        ("seed", json!(seed)),
        ("return", returns.object()),
        ("length", lengths.object()),
    ];
    object.extend(fields.map(|(key, value)| (key.to_string(), value)));
    if measured {
        // The same random numbers as at the end of the training: the summary's numbers come again.
        let snapshot = multigoal::snapshot(&evaluator, &mut engine, seed, done)?;
        let (ends, first) = multigoal::measure(&snapshot);
        out.say(multigoal::describe(&ends, &first));
        let measures = [
            ("coverage", json!(ends.coverage)),
            ("entropy", json!(ends.entropy)),
            ("reached", json!(ends.reached)),
            ("first_action_coverage", json!(first.first_action_coverage)),
            ("first_action_entropy", json!(first.first_action_entropy)),
            ("first_action_strong", json!(first.first_action_strong)),
        ];
        object.extend(measures.map(|(key, value)| (key.to_string(), value)));
    }
    out.object(&Value::Object(object))
}

/// Of a list of numbers; the list is sorted.
struct Statistics {
    mean: f64,
    std: f64,
    sorted: Vec<f64>,
}

const QUANTILES: [u32; 5] = [5, 25, 50, 75, 95];

impl Statistics {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        // Of the sample: one value has no spread.
        let std = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        Self { mean, std, sorted: values }
    }

    /// Linear between neighbours, as numpy has it.
    fn quantile(&self, percent: u32) -> f64 {
        let at = (self.sorted.len() - 1) as f64 * f64::from(percent) / 100.0;
        let (low, high) = (self.sorted[at.floor() as usize], self.sorted[at.ceil() as usize]);
        low + (high - low) * at.fract()
    }

    fn line(&self) -> String {
        let quantiles = QUANTILES.map(|percent| format!("{percent} %: {:.3}", self.quantile(percent)));
        format!("mean {:.3}, std {:.3}; {}", self.mean, self.std, quantiles.join(", "))
    }

    fn object(&self) -> Value {
        let quantiles = QUANTILES.map(|percent| (percent.to_string(), json!(self.quantile(percent))));
        json!({ "mean": self.mean, "std": self.std, "quantiles": Map::from_iter(quantiles) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_one_to_five_are_the_textbook_s() {
        let found = Statistics::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((found.mean, found.std), (3.0, 2.5f64.sqrt()));
        assert_eq!([25, 50, 95].map(|p| found.quantile(p)), [2.0, 3.0, 4.8]);
        assert_eq!(Statistics::of(vec![7.0]).std, 0.0);
    }
}
