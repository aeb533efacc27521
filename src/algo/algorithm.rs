//! The algorithms by name: settings in, agent out.

use toml::{Table, Value};

use super::agent::{Agent, Spaces};
use super::config::{PolicyFlowConfig, PpoConfig, TrainConfig};
use super::settings::{Layer, Settings, SettingsError, from_layers, to_table, validate};
use super::{policyflow, ppo};
use crate::ir::GraphError;

/// An algorithm with its hyper-parameters.
#[derive(Clone, PartialEq, Debug)]
pub enum Algorithm {
    /// PolicyFlow.
    PolicyFlow(PolicyFlowConfig),
    /// PPO.
    Ppo(PpoConfig),
}

/// Presets that exist for every environment; its `train.toml` may add keys to them and presets of its own.
/// `released` is the default: the defaults of the code and what the environment says.
const PRESETS: [(&str, &str); 3] = [
    ("released", ""),
    // Where the paper and its released code disagree.
    ("paper", "[policyflow]\nflow_steps = 12\noutput_init = \"zero\"\nbrownian = \"sum\""),
    // Networks that a slow adapter can afford.
    ("quick", "[policyflow]\nhidden = [32, 32]\nembedding = 16\nflow_steps = 4\n[ppo]\nhidden = [32, 32]"),
];

impl Algorithm {
    /// Names of the algorithms, which are those of their sections in the settings.
    pub const NAMES: &'static [&'static str] = &[PolicyFlowConfig::SECTION, PpoConfig::SECTION];

    /// Resolves hyper-parameters: defaults, then the environment's section, then the preset, then the environment's
    /// additions to that preset, then overrides.
    ///
    /// `file` is a `train.toml`: sections `[policyflow]`, `[ppo]`, and `[presets.NAME.policyflow]`, ...
    /// `overrides` come from [`super::parse_override`].
    pub fn resolve(
        name: &str,
        preset: &str,
        file: &Layer,
        overrides: &[(String, String, Value)],
    ) -> Result<Self, SettingsError> {
        let known = || Self::NAMES.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        match name {
            PolicyFlowConfig::SECTION => Ok(Self::PolicyFlow(from_layers(&layers(name, preset, file, overrides)?)?)),
            PpoConfig::SECTION => Ok(Self::Ppo(from_layers(&layers(name, preset, file, overrides)?)?)),
            _ => Err(SettingsError::Name { kind: "algorithm", name: name.to_string(), known: known() }),
        }
    }

    /// Checks hyper-parameters that were made in Rust.
    pub fn validate(&self) -> Result<(), SettingsError> {
        match self {
            Self::PolicyFlow(config) => validate(config),
            Self::Ppo(config) => validate(config),
        }
    }

    /// The algorithm's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PolicyFlow(_) => PolicyFlowConfig::SECTION,
            Self::Ppo(_) => PpoConfig::SECTION,
        }
    }

    /// What all algorithms share.
    pub fn train(&self) -> &TrainConfig {
        match self {
            Self::PolicyFlow(config) => &config.train,
            Self::Ppo(config) => &config.train,
        }
    }

    /// What all algorithms share, to change.
    pub fn train_mut(&mut self) -> &mut TrainConfig {
        match self {
            Self::PolicyFlow(config) => &mut config.train,
            Self::Ppo(config) => &mut config.train,
        }
    }

    /// The hyper-parameters as a settings file that [`Algorithm::resolve`] reads back: one section.
    pub fn to_table(&self) -> Table {
        let section = match self {
            Self::PolicyFlow(config) => to_table(config),
            Self::Ppo(config) => to_table(config),
        };
        Table::from_iter([(self.name().to_string(), Value::Table(section))])
    }

    /// Graphs and initial tensors; `seed` fixes the latter.
    pub fn agent(&self, spaces: Spaces, seed: u64) -> Result<Agent, GraphError> {
        match self {
            Self::PolicyFlow(config) => policyflow::agent(config, spaces, seed),
            Self::Ppo(config) => ppo::agent(config, spaces, seed),
        }
    }
}

/// The layers of one section in the order in which they are merged.
fn layers(
    section: &str,
    preset: &str,
    file: &Layer,
    overrides: &[(String, String, Value)],
) -> Result<Vec<Layer>, SettingsError> {
    let presets = table_of(&file.table, "presets", file)?;
    for name in file.table.keys() {
        known_section(name, &["presets"])?;
    }
    for (name, _) in &presets {
        for inner in table_of(&presets, name, file)?.keys() {
            known_section(inner, &[])?;
        }
    }
    let built_in = PRESETS.iter().find(|(name, _)| *name == preset);
    if built_in.is_none() && !presets.contains_key(preset) {
        let mut known: Vec<String> = PRESETS.iter().map(|(name, _)| name.to_string()).collect();
        known.extend(presets.keys().filter(|name| !PRESETS.iter().any(|(p, _)| p == name)).cloned());
        return Err(SettingsError::Name { kind: "preset", name: preset.to_string(), known });
    }
    let built_in: Table = built_in.and_then(|(_, text)| text.parse().ok()).unwrap_or_default();
    let own_preset = table_of(&presets, preset, file)?;
    let preset_origin = format!("preset `{preset}`");
    let mut layers = vec![
        Layer { origin: file.origin.clone(), table: table_of(&file.table, section, file)? },
        Layer { origin: preset_origin.clone(), table: table_of(&built_in, section, file)? },
        Layer { origin: format!("{} {preset_origin}", file.origin), table: table_of(&own_preset, section, file)? },
    ];
    for (its_section, key, value) in overrides {
        if its_section != section {
            let known = vec![section.to_string()];
            return Err(SettingsError::Name { kind: "section", name: its_section.clone(), known });
        }
        let table = Table::from_iter([(key.clone(), value.clone())]);
        layers.push(Layer { origin: "--set".to_string(), table });
    }
    Ok(layers)
}

fn known_section(name: &str, also: &[&str]) -> Result<(), SettingsError> {
    if Algorithm::NAMES.contains(&name) || also.contains(&name) {
        return Ok(());
    }
    let known = Algorithm::NAMES.iter().chain(also).map(|n| n.to_string()).collect();
    Err(SettingsError::Name { kind: "section", name: name.to_string(), known })
}

/// The table under a key; empty where there is none.
fn table_of(table: &Table, key: &str, file: &Layer) -> Result<Table, SettingsError> {
    match table.get(key) {
        None => Ok(Table::new()),
        Some(Value::Table(inner)) => Ok(inner.clone()),
        Some(other) => {
            Err(SettingsError::Table { origin: file.origin.clone(), key: key.into(), value: other.to_string() })
        }
    }
}
