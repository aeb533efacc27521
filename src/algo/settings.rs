//! From tables of settings to typed hyper-parameters: merging, ranges, and messages that name key, value and range.
//!
//! Layers are merged over the defaults in the order in which they are given.

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::config::{PolicyFlowConfig, PpoConfig, TrainConfig};
use crate::nn::suggestion;

/// Hyper-parameters that live in one section of the settings.
pub trait Settings: Serialize + DeserializeOwned + Default {
    /// Name of the section, which is that of the algorithm.
    const SECTION: &'static str;
    /// The part that all algorithms share.
    fn train(&self) -> &TrainConfig;
}

impl Settings for PolicyFlowConfig {
    const SECTION: &'static str = "policyflow";
    fn train(&self) -> &TrainConfig {
        &self.train
    }
}

impl Settings for PpoConfig {
    const SECTION: &'static str = "ppo";
    fn train(&self) -> &TrainConfig {
        &self.train
    }
}

/// Settings that were refused.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value that its key does not take.
    #[error("{origin}`{section}.{key}` is {value}, expected {expected}")]
    Value {
        /// File or option with ": ", or nothing.
        origin: String,
        /// Section of the settings.
        section: String,
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What is accepted.
        expected: String,
    },
    /// A key that the section does not have.
    #[error("{origin}unknown key `{section}.{key}`{}", suggestion(.key, .known.iter().map(String::as_str)))]
    Key {
        /// File or option with ": ", or nothing.
        origin: String,
        /// Section of the settings.
        section: String,
        /// What was given.
        key: String,
        /// Keys of the section.
        known: Vec<String>,
    },
    /// A section, algorithm or preset that does not exist.
    #[error("unknown {kind} `{name}`{}; known: {}", suggestion(.name, .known.iter().map(String::as_str)), .known.join(", "))]
    Name {
        /// What kind of thing was named.
        kind: &'static str,
        /// What was given.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Something else where a table belongs.
    #[error("{origin}: `{key}` is {value}, expected a table")]
    Table {
        /// The file.
        origin: String,
        /// The key.
        key: String,
        /// What was given.
        value: String,
    },
    /// An override that is not `section.key=value`.
    #[error("--set {0:?}: expected section.key=value, such as policyflow.clip=0.2")]
    Override(String),
}

/// One table of settings and where it came from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Layer {
    /// A file name or option for messages; empty for what the user did not write.
    pub origin: String,
    /// Keys of one section.
    pub table: Table,
}

/// Merges the layers over the defaults and checks every key, type and range.
pub fn from_layers<T: Settings>(layers: &[Layer]) -> Result<T, SettingsError> {
    let mut merged = to_table(&T::default());
    for layer in layers {
        merge::<T>(&mut merged, layer)?;
    }
    let config: T =
        merged.clone().try_into().map_err(|e: toml::de::Error| value_error::<T>("", "*", "refused", e.message()))?;
    check_together::<T>(config.train())?;
    Ok(config)
}

/// Checks hyper-parameters that were made in Rust.
pub fn validate<T: Settings>(config: &T) -> Result<(), SettingsError> {
    from_layers::<T>(&[Layer { origin: String::new(), table: to_table(config) }]).map(|_| ())
}

/// All keys of a section with their values.
pub fn to_table<T: Settings>(config: &T) -> Table {
    // A struct of numbers, words and lists always serialises to a table.
    Table::try_from(config).unwrap_or_default()
}

/// Splits `section.key=value`; the section may be left out, and a value that is no TOML is taken as a word.
pub fn parse_override(text: &str, default_section: &str) -> Result<(String, String, Value), SettingsError> {
    let malformed = || SettingsError::Override(text.to_string());
    let (path, value) = text.split_once('=').ok_or_else(malformed)?;
    let (section, key) = path.trim().rsplit_once('.').unwrap_or((default_section, path.trim()));
    if key.is_empty() || section.is_empty() {
        return Err(malformed());
    }
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    let value = parsed.unwrap_or_else(|| Value::String(value.trim().to_string()));
    Ok((section.to_string(), key.to_string(), value))
}

/// Puts each key of a layer into `merged` after checking that the section knows it and that it accepts the value.
fn merge<T: Settings>(merged: &mut Table, layer: &Layer) -> Result<(), SettingsError> {
    let origin = if layer.origin.is_empty() { String::new() } else { format!("{}: ", layer.origin) };
    for (key, value) in &layer.table {
        if !merged.contains_key(key) {
            let known = merged.keys().cloned().collect();
            let (section, key) = (T::SECTION.to_string(), key.clone());
            return Err(SettingsError::Key { origin, section, key, known });
        }
        if let Some(expected) = Range::of(key).and_then(|range| range.refusal(key, value)) {
            return Err(value_error::<T>(&origin, key, &value.to_string(), &expected));
        }
        merged.insert(key.clone(), value.clone());
        // One key at a time, so that a type that does not fit is blamed on its key.
        if let Err(error) = merged.clone().try_into::<T>() {
            return Err(value_error::<T>(&origin, key, &value.to_string(), &expected_by(error.message())));
        }
    }
    Ok(())
}

/// What remains after "expected" in a message of serde or of [`crate::nn::UnknownChoice`].
fn expected_by(message: &str) -> String {
    message.split_once("expected ").map_or(message, |(_, rest)| rest).trim().to_string()
}

fn value_error<T: Settings>(origin: &str, key: &str, value: &str, expected: &str) -> SettingsError {
    let (origin, section, key) = (origin.to_string(), T::SECTION.to_string(), key.to_string());
    SettingsError::Value { origin, section, key, value: value.to_string(), expected: expected.to_string() }
}

/// What one key alone cannot tell.
fn check_together<T: Settings>(train: &TrainConfig) -> Result<(), SettingsError> {
    let samples = train.num_envs * train.horizon;
    if !samples.is_multiple_of(train.minibatches) {
        let expected = format!("a divisor of num_envs * horizon = {samples}");
        return Err(value_error::<T>("", "minibatches", &train.minibatches.to_string(), &expected));
    }
    let ordered = [
        ("lr_min", train.lr_min, "lr_max", train.lr_max),
        ("log_std_min", train.log_std_min, "log_std_max", train.log_std_max),
    ];
    for (low_key, low, high_key, high) in ordered {
        if low > high {
            return Err(value_error::<T>("", low_key, &low.to_string(), &format!("at most {high_key} = {high}")));
        }
    }
    Ok(())
}

/// Most environments side by side: one dispatch of 65535 workgroups of 64. It is `env::MAX_ENVS`, written out because
/// algorithms know nothing of environments.
const MAX_ENVS: i64 = 65_535 * 64;

/// Numbers that a key accepts.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Range {
    /// Whole numbers from the first to the second, both included.
    Whole(i64, i64),
    /// Whole numbers within these limits that the third divides.
    Multiple(i64, i64, i64),
    /// A list of this many to that many whole numbers within the limits.
    Widths(usize, usize, i64, i64),
    /// `low < x < high`
    Open(f64, f64),
    /// `low < x <= high`
    Positive(f64),
    /// `low <= x < high`
    HalfOpen(f64, f64),
    /// `low <= x <= high`
    Closed(f64, f64),
}

impl Range {
    /// The range of a key, for keys that hold numbers.
    fn of(key: &str) -> Option<Range> {
        Some(match key {
            "num_envs" => Range::Whole(1, MAX_ENVS),
            "horizon" | "iterations" | "lr_decay_iterations" | "w_b_decay_iterations" => {
                Range::Whole(if key.ends_with("decay_iterations") { 0 } else { 1 }, 1_000_000)
            }
            "hidden" => Range::Widths(1, 8, 1, 512),
            "epochs" => Range::Whole(1, 1000),
            "minibatches" => Range::Whole(1, 1 << 20),
            "embedding" => Range::Multiple(8, 512, 8),
            "flow_steps" => Range::Whole(1, 1000),
            "multi_times" => Range::Whole(1, 16),
            "learning_rate" | "lr_min" | "lr_max" | "eps" => Range::Positive(1.0),
            "kl_target" | "grad_norm" | "value_clip" => Range::Positive(1e9),
            "reward_scale" | "observation_clip" => Range::Positive(1e6),
            "gamma" | "lambda" => Range::Closed(0.0, 1.0),
            "clip" => Range::Open(0.0, 1.0),
            "beta1" | "beta2" => Range::HalfOpen(0.0, 1.0),
            "weight_decay" => Range::Closed(0.0, 1.0),
            "value_coef" | "w_b" | "w_g" => Range::Closed(0.0, 1e6),
            "init_std" => Range::Positive(100.0),
            "log_std_min" | "log_std_max" => Range::Closed(-20.0, 20.0),
            _ => return None,
        })
    }

    /// What would be accepted, if `value` is not.
    fn refusal(self, key: &str, value: &Value) -> Option<String> {
        let number = value.as_float().or(value.as_integer().map(|i| i as f64));
        let real = |inside: &dyn Fn(f64) -> bool| number.is_some_and(inside);
        let (accepted, expected) = match self {
            Range::Whole(low, high) => {
                (value.as_integer().is_some_and(|i| (low..=high).contains(&i)), format!("{low}..={high}"))
            }
            Range::Multiple(low, high, of) => (
                value.as_integer().is_some_and(|i| (low..=high).contains(&i) && i % of == 0),
                format!("a multiple of {of} in {low}..={high}"),
            ),
            Range::Widths(fewest, most, low, high) => {
                let inside = |v: &Value| v.as_integer().is_some_and(|i| (low..=high).contains(&i));
                let fits = |list: &Vec<Value>| (fewest..=most).contains(&list.len()) && list.iter().all(inside);
                (value.as_array().is_some_and(fits), format!("a list of {fewest} to {most} widths in {low}..={high}"))
            }
            Range::Open(low, high) => (real(&|x| low < x && x < high), format!("{low} < {key} < {high}")),
            Range::Positive(high) => (real(&|x| 0.0 < x && x <= high), format!("0 < {key} <= {high}")),
            Range::HalfOpen(low, high) => (real(&|x| low <= x && x < high), format!("{low} <= {key} < {high}")),
            Range::Closed(low, high) => (real(&|x| low <= x && x <= high), format!("{low} <= {key} <= {high}")),
        };
        (!accepted).then_some(expected)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_many_environments_are_accepted_as_a_dispatch_holds() {
        assert_eq!(super::MAX_ENVS, i64::from(crate::env::MAX_ENVS));
    }
}
