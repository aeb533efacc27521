//! Numbers as tables show them.

use std::fmt::Write;

use serde_json::Value;

/// Smallest, median and largest.
pub fn range(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let n = values.len();
    Some((first, (values[(n - 1) / 2] + values[n / 2]) / 2.0, last))
}

/// Three digits that count.
pub fn digits(value: f64) -> String {
    let decimals = (2 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{value:.decimals$}")
}

/// Median of the rounds' ratios, with the smallest and the largest.
pub fn ratio(slow: &[Option<f64>], fast: &[Option<f64>]) -> String {
    let ratios = slow.iter().zip(fast).filter_map(|(slow, fast)| Some((*slow)? / (*fast)?)).collect();
    let Some((low, middle, high)) = range(ratios) else { return "-".into() };
    format!("{} ({}–{})", digits(middle), digits(low), digits(high))
}

/// The machine's load.
pub fn load(load: Option<f64>) -> String {
    load.map_or("unknown".into(), |load| format!("{load:.1}"))
}

/// A table for a terminal, the headings first.
pub fn aligned(cells: &[Vec<String>]) -> String {
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..cells.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_string() + "\n"
    };
    cells.iter().map(line).collect()
}

/// The same for a page.
pub fn markdown(cells: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (i, row) in cells.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// What every program says of itself, or why it is missing; by column and threads.
pub fn who_ran(peers: &[(String, usize, Value)]) -> String {
    let mut page = String::from("\n## Who ran\n\n");
    for (column, threads, about) in peers {
        let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or_default();
        let plural = if *threads == 1 { "" } else { "s" };
        let _ = match about.get("error") {
            Some(_) => writeln!(page, "- {column}, {threads} thread{plural}: missing, {}", text("error")),
            None => writeln!(page, "- {column}, {threads} thread{plural}: {} {}", text("name"), text("version")),
        };
        for (job, variant) in about.get("chosen").and_then(Value::as_object).into_iter().flatten() {
            let parts = variant.as_object().into_iter().flatten();
            let parts: Vec<_> = parts.map(|(k, v)| format!("{k} {}", v.to_string().trim_matches('"'))).collect();
            let _ = writeln!(page, "  - {job}: {}", parts.join(", "));
        }
    }
    page
}
