//! What to train on what: the options of verbs that start from a preset.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use flowmill::algo::{Algorithm, Layer, SettingsError};
use flowmill::engine::{AdapterKind, Engine};
use flowmill::env::{Environment, load};
use toml::Value as Setting;

use super::Failure;
use super::config::{Overrides, RunConfig};

/// What to say where the adapter decided for the small preset.
pub const QUICK: &str = "no GPU: preset `quick` (--preset released for the full one)";

/// The options as they were given.
pub struct Choice<'a> {
    /// Environment: a name or a path.
    pub env: &'a str,
    /// `--algo`
    pub algo: Option<&'a str>,
    /// `--preset`
    pub preset: Option<&'a str>,
    /// `--set`
    pub set: &'a [String],
    /// `--seed`
    pub seed: Option<i64>,
    /// Options that stand for settings of the algorithm.
    pub counts: Vec<(&'static str, i64)>,
}

impl Choice<'_> {
    /// Settings and environment. Calls `open` where the choice of the preset depends on the device.
    pub fn resolve(
        &self,
        opened: &mut Option<Engine>,
        open: impl FnOnce() -> Result<Engine, Failure>,
    ) -> Result<(RunConfig, Environment), Failure> {
        let mut environment = load(self.env)?;
        let algorithm = self.algo.unwrap_or("policyflow").to_string();
        if !Algorithm::NAMES.contains(&algorithm.as_str()) {
            let known = Algorithm::NAMES.iter().map(|name| name.to_string()).collect();
            return Err(SettingsError::Name { kind: "algorithm", name: algorithm, known }.into());
        }
        let mut overrides = Overrides::parse(self.set, &algorithm)?;
        overrides.apply_env(&mut environment)?;
        let seed = seed(self.seed)?;
        let preset = match self.preset {
            Some(preset) => preset.to_string(),
            None => {
                let device = open()?;
                let preset = if device.adapter().kind != AdapterKind::Gpu { "quick" } else { "released" };
                *opened = Some(device);
                preset.into()
            }
        };
        for (key, value) in &self.counts {
            overrides.labels.push(format!("{algorithm}.{key}={value}"));
            overrides.algorithm.push((key.to_string(), Setting::Integer(*value)));
        }
        let origin = environment.presets_path().display().to_string();
        let file = Layer { origin, table: environment.presets.clone() };
        let flat: Vec<(String, String, Setting)> =
            overrides.algorithm.iter().map(|(k, v)| (algorithm.clone(), k.clone(), v.clone())).collect();
        let algorithm = Algorithm::resolve(&algorithm, &preset, &file, &flat)?;
        let given = Path::new(self.env);
        let environment_name = if given.components().count() > 1 || given.is_absolute() {
            std::fs::canonicalize(given).map_or(self.env.to_string(), |path| path.display().to_string())
        } else {
            self.env.to_string()
        };
        let (env, overrides) = (overrides.env, overrides.labels);
        let config = RunConfig { environment: environment_name, env, preset, seed, overrides, algorithm };
        Ok((config, environment))
    }
}

/// The seed asked for; -1 draws one.
pub fn seed(asked: Option<i64>) -> Result<u64, Failure> {
    match asked {
        None => Ok(1),
        // The standard library keys each hasher from the system's randomness; short enough to type again.
        Some(-1) => Ok(std::hash::RandomState::new().build_hasher().finish() >> 33),
        Some(seed) => {
            let wrong = |_| Failure::Input(format!("`--seed` is {seed}, expected -1 or 0..={}", i64::MAX));
            u64::try_from(seed).map_err(wrong)
        }
    }
}
