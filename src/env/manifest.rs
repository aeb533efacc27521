//! `env.toml`: what an environment is called, what the policy sees and does, and the constants of its program.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::{EnvError, nearest};
use super::physics::PhysicsSection;
use super::section::{Section, number, parse_file};

/// One entry of the observation or of the action.
#[derive(Clone, PartialEq, Debug)]
pub struct Channel {
    /// Name, unique within its list.
    pub name: String,
    /// Lower bound. An observation never leaves its bounds; an action may, and the environment saturates there.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
}

/// A number of `[constants]`; WGSL sees it as an untyped constant, which fits any numeric type that can hold it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Constant {
    /// Written without a decimal point: fits `i32`, `u32` and `f32`.
    Integer(i64),
    /// Written with a decimal point: fits `f32`.
    Float(f64),
}

/// How the environment is evaluated.
#[derive(Clone, PartialEq, Debug)]
pub struct Evaluation {
    /// Steps of an evaluation trajectory.
    pub steps: u32,
    /// Points (in the first two observation entries) that a trajectory can end at; empty where there are none.
    pub goals: Vec<[f32; 2]>,
}

/// The contents of `env.toml`, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Licence of the definition.
    pub licence: String,
    /// Where the definition comes from.
    pub source: String,
    /// What the policy sees, `[OBS_DIM]`.
    pub observation: Vec<Channel>,
    /// What the policy does, `[ACTION_DIM]`.
    pub action: Vec<Channel>,
    /// Seconds of a step.
    pub dt: f64,
    /// Steps after which an episode is cut off by a time-out.
    pub horizon: u32,
    /// How many lanes of random numbers a reset draws; 0 says that every episode starts alike.
    pub random_lanes: u32,
    /// Constants of the program, in order of their names.
    pub constants: Vec<(String, Constant)>,
    /// How it is evaluated.
    pub evaluation: Evaluation,
    /// The model that it moves, where it has one.
    pub physics: Option<PhysicsSection>,
    /// The folder of the environment that this one is a variant of: what its own folder lacks is taken from there.
    pub variant_of: Option<PathBuf>,
}

/// Longest allowed episode.
pub const MAX_HORIZON: u32 = 1_000_000;
/// Most entries of an observation or an action.
pub const MAX_CHANNELS: usize = 512;

const KEYS: [&str; 13] = [
    "name",
    "description",
    "licence",
    "source",
    "observation",
    "action",
    "dt",
    "horizon",
    "random_lanes",
    "constants",
    "evaluation",
    "physics",
    "variant_of",
];

impl Manifest {
    /// Reads and checks an `env.toml`. A variant's has the keys in which it differs; the others, and those of its tables, are taken
    /// from the environment that it names.
    pub fn read(path: &Path) -> Result<Self, EnvError> {
        let own = parse_file(path)?;
        let Some(named) = own.get("variant_of") else { return Self::from_table(path, &own) };
        let refused = |expected: &str| {
            let message = format!("`variant_of` is {named}, expected {expected}");
            EnvError::File { path: path.to_path_buf(), message }
        };
        let named = named.as_str().ok_or_else(|| refused("the folder of an environment"))?;
        let folder = path.parent().unwrap_or(Path::new("")).join(named);
        let base_path = folder.join("env.toml");
        let mut table = parse_file(&base_path)?;
        if table.contains_key("variant_of") {
            return Err(refused("an environment that is no variant itself"));
        }
        let base = Self::from_table(&base_path, &table)?;
        let constants = own.get("constants").and_then(Value::as_table);
        for name in constants.into_iter().flat_map(Table::keys) {
            let known = base.constants.iter().map(|(known, _)| known.as_str());
            if known.clone().all(|known| known != name) {
                let hint = nearest(name, known).map(|known| format!(", did you mean `{known}`?")).unwrap_or_default();
                let message = format!("`constants.{name}`: {} has no such constant{hint}", base_path.display());
                return Err(EnvError::File { path: path.to_path_buf(), message });
            }
        }
        let own_model = own.get("physics").is_some_and(|physics| physics.get("model").is_some());
        merge(&mut table, own);
        let mut manifest = Self::from_table(path, &table)?;
        if let (Some(physics), Some(base), false) = (&mut manifest.physics, base.physics, own_model) {
            physics.model = base.model;
        }
        Ok(Self { variant_of: Some(folder), ..manifest })
    }

    /// Checks a parsed `env.toml`; `path` is for messages.
    pub fn from_table(path: &Path, table: &Table) -> Result<Self, EnvError> {
        let top = Section::new(path, "", table, &KEYS)?;
        let name = top.text("name")?;
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(top.unexpected("name", "lower-case letters, digits and hyphens"));
        }
        let dt = top.number("dt")?;
        if !(dt > 0.0 && dt <= 1000.0) {
            return Err(top.unexpected("dt", "seconds in 0 < dt <= 1000"));
        }
        let horizon = top.integer("horizon", 1..=MAX_HORIZON, None)?;
        Ok(Self {
            name,
            description: top.text("description")?,
            licence: top.text("licence")?,
            source: top.text("source")?,
            observation: channels(&top, "observation")?,
            action: channels(&top, "action")?,
            dt,
            horizon,
            random_lanes: top.integer("random_lanes", 0..=65536, None)?,
            constants: constants(&top)?,
            evaluation: evaluation(path, &top, horizon)?,
            physics: PhysicsSection::read(path, &top)?,
            variant_of: None,
        })
    }
}

/// Puts `over` on top of `table`, key by key where both have a table.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn channels(top: &Section, key: &str) -> Result<Vec<Channel>, EnvError> {
    let mut channels: Vec<Channel> = Vec::new();
    for item in top.tables(key, &["name", "low", "high"])? {
        let channel =
            Channel { name: item.text("name")?, low: item.number("low")? as f32, high: item.number("high")? as f32 };
        if channel.low >= channel.high {
            return Err(item.unexpected("low", &format!("less than `high`, which is {:?}", channel.high)));
        }
        if channels.iter().any(|c| c.name == channel.name) {
            return Err(item.unexpected("name", "a name that occurs only once"));
        }
        channels.push(channel);
    }
    if channels.is_empty() || channels.len() > MAX_CHANNELS {
        return Err(top.error(format!("`{key}` has {} entries, expected 1..={MAX_CHANNELS}", channels.len())));
    }
    Ok(channels)
}

fn constants(top: &Section) -> Result<Vec<(String, Constant)>, EnvError> {
    let Some(table) = top.table("constants")? else { return Ok(Vec::new()) };
    let mut constants = Vec::new();
    for (name, value) in table {
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(top.error(format!("`constants.{name}`: expected a name of letters, digits and underscores")));
        }
        let constant = match value {
            Value::Integer(i) if i32::try_from(*i).is_ok() || u32::try_from(*i).is_ok() => Constant::Integer(*i),
            Value::Float(x) if x.is_finite() && number(value).is_some() => Constant::Float(*x),
            _ => {
                let expected = "a finite number that f32, i32 or u32 can hold";
                return Err(top.error(format!("`constants.{name}` is {value}, expected {expected}")));
            }
        };
        constants.push((name.clone(), constant));
    }
    Ok(constants)
}

fn evaluation(path: &Path, top: &Section, horizon: u32) -> Result<Evaluation, EnvError> {
    let empty = Table::new();
    let table = top.table("evaluation")?.unwrap_or(&empty);
    let section = Section::new(path, "evaluation.", table, &["steps", "goals"])?;
    let steps = section.integer("steps", 1..=MAX_HORIZON, Some(horizon))?;
    let point = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([x, y]) => Some([number(x)? as f32, number(y)? as f32]),
        _ => None,
    };
    let goals = match section.get("goals") {
        None => Vec::new(),
        Some(list) => list
            .as_array()
            .and_then(|list| list.iter().map(point).collect::<Option<Vec<_>>>())
            .ok_or_else(|| section.unexpected("goals", "a list of points [x, y]"))?,
    };
    Ok(Evaluation { steps, goals })
}
