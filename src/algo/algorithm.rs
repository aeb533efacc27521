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

/// The preset that others build on: the defaults of the code and what the environment says.
const RELEASED: &str = "released";

/// Presets that exist for every environment, as sections by algorithm; an environment's own preset of the same name is
/// merged over it.
const PRESETS: [(&str, &str); 3] = [
    (RELEASED, ""),
    // Where the paper and its released code disagree.
    ("paper", "[policyflow]\nflow_steps = 12\noutput_init = \"zero\"\nbrownian = \"sum\""),
    // Networks that a slow adapter can afford.
    ("quick", "[policyflow]\nhidden = [32, 32]\nembedding = 16\nflow_steps = 4\n[ppo]\nhidden = [32, 32]"),
];

impl Algorithm {
    /// Names of the algorithms, which are those of their sections in the settings.
    pub const NAMES: &'static [&'static str] = &[PolicyFlowConfig::SECTION, PpoConfig::SECTION];

    /// Resolves hyper-parameters: defaults, then the environment's `released` values, then the preset, then the
    /// environment's values for that preset, then overrides.
    ///
    /// `file` is a `train.toml` with tables `[ALGORITHM.PRESET]`; `overrides` come from [`super::parse_override`] and
    /// all name this algorithm's section.
    pub fn resolve(
        name: &str,
        preset: &str,
        file: &Layer,
        overrides: &[(String, String, Value)],
    ) -> Result<Self, SettingsError> {
        known_name("algorithm", name)?;
        Self::from_layers(name, &layers(name, preset, file, overrides)?)
    }

    /// Resolves hyper-parameters from layers of flat keys of this algorithm's section, over the defaults.
    pub fn from_layers(name: &str, layers: &[Layer]) -> Result<Self, SettingsError> {
        match name {
            PolicyFlowConfig::SECTION => Ok(Self::PolicyFlow(from_layers(layers)?)),
            PpoConfig::SECTION => Ok(Self::Ppo(from_layers(layers)?)),
            _ => Err(unknown_name("algorithm", name)),
        }
    }

    /// Reads back what [`Algorithm::to_table`] wrote, other sections aside; `None` where no algorithm has a section.
    pub fn from_table(file: &Layer) -> Result<Option<Self>, SettingsError> {
        let Some(name) = Self::NAMES.iter().find(|name| file.table.contains_key(**name)) else { return Ok(None) };
        let table = table_of(&file.table, name, file)?;
        Self::from_layers(name, &[Layer { origin: file.origin.clone(), table }]).map(Some)
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

    /// The hyper-parameters as one section, which [`Algorithm::from_table`] reads back.
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
    for name in file.table.keys() {
        known_name("section", name)?;
    }
    let own = table_of(&file.table, section, file)?;
    let built_in = PRESETS.iter().find(|(name, _)| *name == preset);
    if built_in.is_none() && !own.contains_key(preset) {
        let mut known: Vec<String> = PRESETS.iter().map(|(name, _)| name.to_string()).collect();
        known.extend(own.keys().filter(|name| PRESETS.iter().all(|(built_in, _)| built_in != name)).cloned());
        return Err(SettingsError::Name { kind: "preset", name: preset.to_string(), known });
    }
    let built_in: Table = built_in.and_then(|(_, text)| text.parse().ok()).unwrap_or_default();
    let mut layers = vec![
        Layer { origin: file.origin.clone(), table: table_of(&own, RELEASED, file)? },
        Layer { origin: format!("preset {preset}"), table: table_of(&built_in, section, file)? },
        Layer { origin: file.origin.clone(), table: table_of(&own, preset, file)? },
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

fn known_name(kind: &'static str, name: &str) -> Result<(), SettingsError> {
    if Algorithm::NAMES.contains(&name) { Ok(()) } else { Err(unknown_name(kind, name)) }
}

fn unknown_name(kind: &'static str, name: &str) -> SettingsError {
    let known = Algorithm::NAMES.iter().map(|n| n.to_string()).collect();
    SettingsError::Name { kind, name: name.to_string(), known }
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
