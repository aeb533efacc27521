//! Reads one TOML table key by key, so that every mistake is reported as file, key, value and expectation.

use std::ops::RangeInclusive;
use std::path::Path;

use toml::{Table, Value};

use super::error::{EnvError, nearest};

/// A table of a file with the dotted name under which messages mention its keys (`observation[0].`).
pub(super) struct Section<'a> {
    path: &'a Path,
    prefix: String,
    table: &'a Table,
}

impl<'a> Section<'a> {
    /// Refuses keys that are not in `known`.
    pub fn new(path: &'a Path, prefix: &str, table: &'a Table, known: &[&str]) -> Result<Self, EnvError> {
        let section = Self { path, prefix: prefix.to_string(), table };
        for key in table.keys() {
            if !known.contains(&key.as_str()) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("expected one of {}", known.join(", ")),
                };
                return Err(section.error(format!("unknown key `{prefix}{key}`, {hint}")));
            }
        }
        Ok(section)
    }

    /// The error of this file with the given message.
    pub fn error(&self, message: impl Into<String>) -> EnvError {
        EnvError::File { path: self.path.to_path_buf(), message: message.into() }
    }

    /// The error "`key` is VALUE, expected EXPECTED", or "is missing".
    pub fn unexpected(&self, key: &str, expected: &str) -> EnvError {
        let state = match self.table.get(key) {
            Some(value) => format!("is {value}"),
            None => "is missing".to_string(),
        };
        self.error(format!("`{}{key}` {state}, expected {expected}", self.prefix))
    }

    /// The value behind a key, if present.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.table.get(key)
    }

    /// A non-empty string.
    pub fn text(&self, key: &str) -> Result<String, EnvError> {
        match self.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(self.unexpected(key, "a non-empty string")),
        }
    }

    /// A whole number in a range; `default` if the key is absent and a default is given.
    pub fn integer(&self, key: &str, range: RangeInclusive<u32>, default: Option<u32>) -> Result<u32, EnvError> {
        let expected = format!("{}..={}", range.start(), range.end());
        match (self.get(key), default) {
            (None, Some(value)) => Ok(value),
            (Some(Value::Integer(i)), _) => {
                let value = u32::try_from(*i).ok().filter(|v| range.contains(v));
                value.ok_or_else(|| self.unexpected(key, &expected))
            }
            _ => Err(self.unexpected(key, &format!("a whole number in {expected}"))),
        }
    }

    /// A number that is not NaN and, as `f32`, not larger than the largest finite one unless it is `inf` itself.
    pub fn number(&self, key: &str) -> Result<f64, EnvError> {
        self.get(key).and_then(number).ok_or_else(|| self.unexpected(key, "a number within the range of f32"))
    }

    /// A list of tables, each turned into a section that knows `known` and is named `key[index].`.
    pub fn tables(&self, key: &str, known: &[&str]) -> Result<Vec<Section<'a>>, EnvError> {
        let expected = "a list of tables";
        let list = self.get(key).and_then(Value::as_array).ok_or_else(|| self.unexpected(key, expected))?;
        let item = |(i, value): (usize, &'a Value)| match value {
            Value::Table(table) => Section::new(self.path, &format!("{}{key}[{i}].", self.prefix), table, known),
            _ => Err(self.unexpected(key, expected)),
        };
        list.iter().enumerate().map(item).collect()
    }

    /// An optional sub-table.
    pub fn table(&self, key: &str) -> Result<Option<&'a Table>, EnvError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(_) => Err(self.unexpected(key, "a table")),
        }
    }
}

/// Reads a file and parses it as TOML; syntax errors name the line.
pub(super) fn parse_file(path: &Path) -> Result<Table, EnvError> {
    let text = std::fs::read_to_string(path).map_err(|source| EnvError::Io { path: path.to_path_buf(), source })?;
    text.parse::<Table>().map_err(|e| {
        let start = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count() + 1;
        let message = format!("line {line}: {}", e.message().lines().collect::<Vec<_>>().join(" "));
        EnvError::File { path: path.to_path_buf(), message }
    })
}

/// A TOML number as `f64`, if an `f32` can hold it (infinities can be held, NaN is refused).
pub(super) fn number(value: &Value) -> Option<f64> {
    let x = match value {
        Value::Float(x) => *x,
        Value::Integer(i) => *i as f64,
        _ => return None,
    };
    (x.is_infinite() || x.abs() <= f64::from(f32::MAX)).then_some(x)
}
