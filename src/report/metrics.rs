//! The numbers of every iteration: `metrics.csv`, `metrics.jsonl` and the TensorBoard file, written together.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{EventWriter, ReportError, RunDir, write_atomic};

/// The first three columns of every row.
const KEYS: [&str; 3] = ["iteration", "env_steps", "seconds"];

/// The numbers of one iteration, under rsl_rl's tags (`Train/mean_reward`, `Loss/value`, `Perf/total_fps`, ...).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsRow {
    /// Which iteration; the same count that checkpoints use.
    pub iteration: u64,
    /// Environment steps taken since the run began, over all environments.
    pub env_steps: u64,
    /// Seconds of training since the run began, shader compilation excluded, earlier sessions included.
    pub seconds: f64,
    /// Tag and value; a declared tag that is missing here is written like a value that is not finite.
    pub values: Vec<(String, f64)>,
}

/// Writes each row to the three metric files of a run. Columns are fixed when the log is opened.
#[derive(Debug)]
pub struct MetricsLog {
    columns: Vec<String>,
    csv: (PathBuf, File),
    jsonl: (PathBuf, File),
    events: EventWriter,
}

impl MetricsLog {
    /// Starts the metric files of a new run: the CSV header, an empty JSONL file, a TensorBoard file.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn create<S: AsRef<str>>(dir: &RunDir, columns: &[S]) -> Result<Self, ReportError> {
        let columns: Vec<String> = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        let (csv, jsonl) = (dir.path().join("metrics.csv"), dir.path().join("metrics.jsonl"));
        write_atomic(&csv, csv_record(KEYS.iter().copied().chain(columns.iter().map(String::as_str))).as_bytes())?;
        write_atomic(&jsonl, b"")?;
        Self::append_to(csv, jsonl, columns, EventWriter::create(dir.path(), None)?)
    }

    /// Reopens the metric files of a run that goes on at `iteration`: rows of that iteration and later ones, which the
    /// interrupted run wrote after its last checkpoint, are dropped. TensorBoard gets a further file that tells it to
    /// forget the same steps.
    ///
    /// # Errors
    /// [`ReportError::Malformed`] when the columns on disk are others, [`ReportError::Io`].
    pub fn resume<S: AsRef<str>>(dir: &RunDir, columns: &[S], iteration: u64) -> Result<Self, ReportError> {
        let columns: Vec<String> = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        let (csv, jsonl) = (dir.path().join("metrics.csv"), dir.path().join("metrics.jsonl"));
        let header = csv_record(KEYS.iter().copied().chain(columns.iter().map(String::as_str)));
        let text = read_complete_lines(&csv)?;
        let found = text.lines().next().unwrap_or_default();
        if found != header.trim_end() {
            return Err(ReportError::malformed(
                &csv,
                format!("columns are `{found}`, expected `{}`", header.trim_end()),
            ));
        }
        let kept = keep_lines(&csv, text.lines().skip(1), 2, iteration, |line| {
            line.split(',').next().and_then(|cell| cell.parse().ok())
        })?;
        write_atomic(&csv, (header + &kept).as_bytes())?;
        let text = read_complete_lines(&jsonl)?;
        let kept = keep_lines(&jsonl, text.lines(), 1, iteration, |line| {
            serde_json::from_str::<serde_json::Value>(line).ok()?.get("iteration")?.as_u64()
        })?;
        write_atomic(&jsonl, kept.as_bytes())?;
        Self::append_to(csv, jsonl, columns, EventWriter::create(dir.path(), Some(iteration))?)
    }

    fn append_to(csv: PathBuf, jsonl: PathBuf, columns: Vec<String>, events: EventWriter) -> Result<Self, ReportError> {
        let append = |path: PathBuf| match OpenOptions::new().append(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(ReportError::io("write", &path, source)),
        };
        Ok(Self { columns, csv: append(csv)?, jsonl: append(jsonl)?, events })
    }

    /// Appends one row to all three files and hands it to the system at once, so that a killed run loses nothing.
    /// Values that are not finite are empty in the CSV file, `null` in the JSONL file, and kept in TensorBoard, which
    /// marks them.
    ///
    /// # Errors
    /// [`ReportError::UnknownMetric`] for a tag that was not declared, [`ReportError::Io`].
    pub fn write(&mut self, row: &MetricsRow) -> Result<(), ReportError> {
        if let Some((tag, _)) = row.values.iter().find(|(tag, _)| !self.columns.contains(tag)) {
            return Err(ReportError::UnknownMetric { tag: tag.clone(), columns: self.columns.join(", ") });
        }
        let value_of = |column: &String| {
            row.values.iter().find(|(tag, _)| tag == column).and_then(|(_, value)| number_text(*value))
        };
        let cells: Vec<Option<String>> = [Some(row.iteration.to_string()), Some(row.env_steps.to_string())]
            .into_iter()
            .chain([number_text(row.seconds)])
            .chain(self.columns.iter().map(value_of))
            .collect();
        let csv = csv_record(cells.iter().map(|cell| cell.as_deref().unwrap_or("")));
        let names = KEYS.iter().copied().chain(self.columns.iter().map(String::as_str));
        let members: Vec<String> = names
            .zip(&cells)
            .map(|(name, cell)| format!("{}:{}", json_string(name), cell.as_deref().unwrap_or("null")))
            .collect();
        append(&mut self.csv, csv.as_bytes())?;
        append(&mut self.jsonl, format!("{{{}}}\n", members.join(",")).as_bytes())?;
        self.events.scalars(row.iteration, &row.values)
    }
}

/// The rows of a `metrics.csv`, column by column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsTable {
    /// Iteration of each row.
    pub iteration: Vec<u64>,
    /// Environment steps of each row.
    pub env_steps: Vec<u64>,
    /// Seconds of training of each row.
    pub seconds: Vec<f64>,
    /// Tags, in the file's order.
    pub columns: Vec<String>,
    /// One vector a column, as long as `iteration`; NaN where the file has no number.
    pub values: Vec<Vec<f64>>,
}

impl MetricsTable {
    /// The values under a tag, one a row.
    pub fn column(&self, tag: &str) -> Option<&[f64]> {
        let index = self.columns.iter().position(|column| column == tag)?;
        Some(&self.values[index])
    }
}

/// Reads `metrics.csv` of a run directory. A last line without its newline, which a run that is being written or was
/// killed may leave, is not read.
///
/// # Errors
/// [`ReportError::Io`]; [`ReportError::Malformed`] with the line and the cell that is no number.
pub fn read_metrics(run_dir: &Path) -> Result<MetricsTable, ReportError> {
    let path = run_dir.join("metrics.csv");
    let text = read_complete_lines(&path)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let bad = |error: csv::Error| ReportError::malformed(&path, error.to_string());
    let header = reader.headers().map_err(bad)?.clone();
    if header.iter().take(KEYS.len()).ne(KEYS) {
        return Err(ReportError::malformed(&path, format!("line 1: expected columns {}, ...", KEYS.join(", "))));
    }
    let columns: Vec<String> = header.iter().skip(KEYS.len()).map(str::to_owned).collect();
    let mut table = MetricsTable { values: vec![Vec::new(); columns.len()], columns, ..MetricsTable::default() };
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |index: usize| {
            let text = record.get(index).unwrap_or_default();
            if text.is_empty() { Ok(f64::NAN) } else { text.parse::<f64>() }.map_err(|_| {
                let column = header.get(index).unwrap_or_default();
                ReportError::malformed(&path, format!("line {line}: `{column}` is `{text}`, expected a number"))
            })
        };
        table.iteration.push(cell(0)? as u64);
        table.env_steps.push(cell(1)? as u64);
        table.seconds.push(cell(2)?);
        for (index, column) in table.values.iter_mut().enumerate() {
            column.push(cell(index + KEYS.len())?);
        }
    }
    Ok(table)
}

/// The shortest text that reads back as the same number, `None` when it is not finite. Most metrics were f32 on the
/// device: those are written as an f32 is, `0.1` and not `0.10000000149011612`.
fn number_text(value: f64) -> Option<String> {
    let narrow = value as f32;
    match value.is_finite() {
        false => None,
        true if f64::from(narrow) == value => Some(format!("{narrow:?}")),
        true => Some(format!("{value:?}")),
    }
}

/// A string as JSON.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One CSV line with its newline; tags may hold anything, so cells are quoted where they must be.
fn csv_record<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    };
    let mut line = cells.map(quoted).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn append((path, file): &mut (PathBuf, File), bytes: &[u8]) -> Result<(), ReportError> {
    file.write_all(bytes).map_err(|source| ReportError::io("write", path, source))
}

/// The text of a file up to its last newline.
fn read_complete_lines(path: &Path) -> Result<String, ReportError> {
    let mut text = fs::read_to_string(path).map_err(|source| ReportError::io("read", path, source))?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    Ok(text)
}

/// Those lines whose iteration is below `end`, each with its newline.
fn keep_lines<'a>(
    path: &Path,
    lines: impl Iterator<Item = &'a str>,
    first_line: usize,
    end: u64,
    iteration_of: impl Fn(&str) -> Option<u64>,
) -> Result<String, ReportError> {
    let mut kept = String::new();
    for (index, line) in lines.enumerate() {
        let iteration = iteration_of(line).ok_or_else(|| {
            ReportError::malformed(path, format!("line {}: `{line}` has no iteration number", first_line + index))
        })?;
        if iteration < end {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(kept)
}
