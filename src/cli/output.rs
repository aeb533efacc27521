//! Where text goes: standard output for people, or one JSON object there and text on standard error.

use std::io::Write;

use serde::Serialize;

use super::Failure;

/// The streams of this process.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// With `json`, standard output is kept for the object.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether `--json` was given.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Text for people; a newline is added. A closed stream is nobody to talk to, and no reason to stop.
    pub fn say(&self, text: impl std::fmt::Display) {
        let _ = if self.json {
            writeln!(std::io::stderr().lock(), "{text}")
        } else {
            writeln!(std::io::stdout().lock(), "{text}")
        };
    }

    /// The object of `--json`; nothing without it.
    pub fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(object).map_err(|e| Failure::Run(e.to_string()))?;
        writeln!(std::io::stdout().lock(), "{text}").map_err(|e| Failure::Run(format!("standard output: {e}")))
    }
}

/// Columns aligned by their widest cell, two blanks apart; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    table_of_numbers(rows, usize::MAX)
}

/// The same with all columns but the first `words` aligned to the right.
pub fn table_of_numbers(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at < words {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
