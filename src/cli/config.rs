//! The resolved configuration of a run: `config.toml` of its directory, also inside its checkpoints.

use flowmill::algo::{Algorithm, Layer, SettingsError, parse_override};
use flowmill::env::{Constant, Environment, MAX_HORIZON, load, nearest};
use flowmill::train::Checkpoint;
use toml::{Table, Value};

use super::Failure;

/// Everything that decides what a run computes, adapter and build aside.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Environment: a name on the search path, or an absolute path to a folder.
    pub environment: String,
    /// Changed constants (and `horizon`) of the environment.
    pub env: Table,
    /// Name of the preset that the settings began with.
    pub preset: String,
    /// Seed of everything.
    pub seed: u64,
    /// What was given over the preset, `section.key=value`: names the run in plots.
    pub overrides: Vec<String>,
    /// Algorithm with all hyper-parameters.
    pub algorithm: Algorithm,
}

/// Keys of the file beside the algorithm's section.
const KEYS: [&str; 6] = ["environment", "algorithm", "preset", "seed", "overrides", "env"];

impl RunConfig {
    /// The file's text.
    pub fn to_toml(&self) -> String {
        let mut table = self.algorithm.to_table();
        table.insert("environment".into(), Value::String(self.environment.clone()));
        table.insert("algorithm".into(), Value::String(self.algorithm.name().into()));
        table.insert("preset".into(), Value::String(self.preset.clone()));
        table.insert("seed".into(), Value::Integer(self.seed as i64));
        table.insert("overrides".into(), self.overrides.iter().cloned().map(Value::String).collect::<Vec<_>>().into());
        if !self.env.is_empty() {
            table.insert("env".into(), Value::Table(self.env.clone()));
        }
        format!("# The settings of a run, resolved: `flowmill train --config FILE` runs it again.\n\n{table}")
    }

    /// Reads such a text; `origin` is for messages.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Failure> {
        let broken = |message: String| Failure::Input(format!("{origin}: {message}"));
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line =
                text.get(..e.span().map_or(0, |span| span.start)).map_or(1, |before| before.matches('\n').count() + 1);
            broken(format!("line {line}: {}", e.message()))
        })?;
        let known = || KEYS.iter().chain(Algorithm::NAMES).copied();
        if let Some(key) = table.keys().find(|key| !known().any(|k| k == key.as_str())) {
            let near = nearest(key, known()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(broken(format!("unknown key `{key}`{near}")));
        }
        let missing = |key: &str, expected: &str| match table.get(key) {
            None => broken(format!("`{key}` is missing, expected {expected}")),
            Some(value) => broken(format!("`{key}` is {value}, expected {expected}")),
        };
        let word = |key: &str| table.get(key).and_then(Value::as_str);
        let seed = table.get("seed").and_then(Value::as_integer).and_then(|s| u64::try_from(s).ok());
        let overrides = table.get("overrides").and_then(Value::as_array);
        let overrides = overrides.into_iter().flatten().filter_map(Value::as_str).map(str::to_string);
        let layer = Layer { origin: origin.into(), table: table.clone() };
        let algorithm = Algorithm::from_table(&layer)?;
        Ok(Self {
            environment: word("environment").ok_or_else(|| missing("environment", "a name"))?.to_string(),
            env: table.get("env").and_then(Value::as_table).cloned().unwrap_or_default(),
            preset: word("preset").unwrap_or_default().to_string(),
            seed: seed.ok_or_else(|| missing("seed", "a whole number of at least 0"))?,
            overrides: overrides.collect(),
            algorithm: algorithm.ok_or_else(|| {
                broken(format!("no section of an algorithm, expected one of {}", Algorithm::NAMES.join(", ")))
            })?,
        })
    }

    /// The configuration that a checkpoint was made under. One that was written through the library holds the
    /// algorithm's section only.
    pub fn of_checkpoint(origin: &str, checkpoint: &Checkpoint) -> Result<Self, Failure> {
        let whole = checkpoint.config.parse::<Table>().is_ok_and(|table| table.contains_key("environment"));
        if whole {
            return Self::parse(origin, &checkpoint.config);
        }
        let (environment, seed) = (&checkpoint.environment, checkpoint.seed);
        Self::parse(origin, &format!("environment = {environment:?}\nseed = {seed}\n{}", checkpoint.config))
    }

    /// Loads the environment and applies the changed constants.
    pub fn load_environment(&self) -> Result<Environment, Failure> {
        let mut environment = load(&self.environment)?;
        for (key, value) in &self.env {
            set_env(&mut environment, key, value)?;
        }
        Ok(environment)
    }

    /// Adds `section.key=value` to the overrides, in place of an earlier value of that key.
    pub fn label(&mut self, label: String) {
        let key = |text: &str| text.split('=').next().map(str::to_string);
        self.overrides.retain(|old| key(old) != key(&label));
        self.overrides.push(label);
    }

    /// Applies `--set` values over what is here.
    pub fn apply(&mut self, set: &[String], environment: &mut Environment) -> Result<(), Failure> {
        let overrides = Overrides::parse(set, self.algorithm.name())?;
        overrides.apply_env(environment)?;
        let own = self.algorithm.to_table().remove(self.algorithm.name());
        let resolved = own.and_then(|own| own.try_into::<Table>().ok()).unwrap_or_default();
        let mut layers = vec![Layer { origin: String::new(), table: resolved }];
        for (key, value) in overrides.algorithm {
            let table = Table::from_iter([(key, value)]);
            layers.push(Layer { origin: "--set".into(), table });
        }
        self.algorithm = Algorithm::from_layers(self.algorithm.name(), &layers)?;
        self.env.extend(overrides.env);
        for label in overrides.labels {
            self.label(label);
        }
        Ok(())
    }
}

/// What `--set` asked for, by section.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Keys of the algorithm's section.
    pub algorithm: Vec<(String, Value)>,
    /// Keys of `[env]`.
    pub env: Table,
    /// `section.key=value` of all of them.
    pub labels: Vec<String>,
}

impl Overrides {
    /// Splits and checks the sections.
    pub fn parse(set: &[String], algorithm: &str) -> Result<Self, Failure> {
        let mut overrides = Self::default();
        for text in set {
            let (section, key, value) = parse_override(text, algorithm)?;
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            overrides.labels.push(format!("{section}.{key}={shown}"));
            if section == "env" {
                overrides.env.insert(key, value);
            } else if section == algorithm {
                overrides.algorithm.push((key, value));
            } else {
                let known = vec![algorithm.to_string(), "env".to_string()];
                return Err(SettingsError::Name { kind: "section", name: section, known }.into());
            }
        }
        Ok(overrides)
    }

    /// Changes constants of an environment.
    pub fn apply_env(&self, environment: &mut Environment) -> Result<(), Failure> {
        self.env.iter().try_for_each(|(key, value)| set_env(environment, key, value))
    }
}

/// Changes `horizon` or a constant of an environment; a constant keeps its kind of number.
fn set_env(environment: &mut Environment, key: &str, value: &Value) -> Result<(), Failure> {
    let manifest = &mut environment.manifest;
    let wrong = |expected: String| Failure::Input(format!("--set: `env.{key}` is {value}, expected {expected}"));
    if key == "horizon" {
        let fits = value.as_integer().filter(|h| (1..=i64::from(MAX_HORIZON)).contains(h));
        manifest.horizon = fits.ok_or_else(|| wrong(format!("1..={MAX_HORIZON}")))? as u32;
        return Ok(());
    }
    let known: Vec<String> =
        manifest.constants.iter().map(|(name, _)| name.clone()).chain(["horizon".to_string()]).collect();
    let Some((_, constant)) = manifest.constants.iter_mut().find(|(name, _)| name == key) else {
        let near = nearest(key, known.iter().map(String::as_str)).map(|n| format!("; did you mean `{n}`?"));
        let (near, known) = (near.unwrap_or_default(), known.join(", "));
        return Err(Failure::Input(format!("--set: unknown key `env.{key}`{near}; known: {known}")));
    };
    *constant = match (&*constant, value) {
        (Constant::Integer(_), Value::Integer(i)) if i32::try_from(*i).is_ok() => Constant::Integer(*i),
        (Constant::Float(_), Value::Float(x)) if (*x as f32).is_finite() => Constant::Float(*x),
        (Constant::Float(_), Value::Integer(i)) => Constant::Float(*i as f64),
        (Constant::Integer(_), _) => return Err(wrong("a whole number".into())),
        (Constant::Float(_), _) => return Err(wrong("a finite number".into())),
    };
    Ok(())
}
