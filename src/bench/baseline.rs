//! A run against an earlier one, row by row.

use serde::Serialize;

use super::report::Report;
use super::row::Row;
use super::{BenchError, Unit};

/// What a difference means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Within the allowed loss.
    Same,
    /// Better by more than that.
    Better,
    /// Worse by more than that.
    Worse,
    /// Worse or better by more than that, but the rounds of one of the runs differ as much among themselves.
    Noise,
}

impl Verdict {
    /// In a word; nothing where there is nothing to say.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Noise => "noise",
        }
    }
}

/// What the rounds of a row may explain at most, and what they may explain where there are one or two.
const NOISE: f64 = 0.5;

/// Times below this are as long as the clock's own call: nothing is compared there.
const CLOCK_US: f64 = 1.0;

/// A row of both runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// Its name.
    pub name: String,
    /// Cost now over cost then: above 1 is worse, whatever the unit.
    pub ratio: f64,
    /// What it means.
    pub verdict: Verdict,
}

/// The rows that both runs have. `loss` is the part that a row may be worse by.
pub fn compare(now: &[Row], then: &Report, path: &str, loss: f64) -> Result<Vec<Comparison>, BenchError> {
    let pairs = now.iter().filter_map(|row| Some((row, then.rows.iter().find(|other| other.name == row.name)?)));
    if let Some((row, _)) = pairs.clone().find(|(now, then)| now.unit != then.unit) {
        let message = format!("`{}` counts something else there than here, expected rows of one unit", row.name);
        return Err(BenchError::Report { path: path.into(), message });
    }
    let all: Vec<Comparison> = pairs.map(|(now, then)| comparison(now, then, loss)).collect();
    if all.is_empty() {
        let message = "has none of these rows; expected what `flowmill bench --json` printed for some of them".into();
        return Err(BenchError::Report { path: path.into(), message });
    }
    Ok(all)
}

fn comparison(row: &Row, then: &Row, loss: f64) -> Comparison {
    let ratio = match (row.median, then.median) {
        // Less than the clock tells.
        (0.0, 0.0) => 1.0,
        (now, then) if row.unit.is_cost() => now / then,
        (now, then) => then / now,
    };
    // One or two rounds do not tell how much they vary.
    let few = row.samples.min(then.samples) < 3;
    let noise = if few { NOISE } else { row.spread.max(then.spread).min(NOISE) };
    let verdict = match ratio {
        // A row that does not compare is no good row.
        ratio if !ratio.is_finite() => Verdict::Worse,
        ratio if ratio <= 1.0 + loss && ratio >= 1.0 / (1.0 + loss) => Verdict::Same,
        ratio if (ratio - 1.0).max(1.0 / ratio - 1.0) <= noise => Verdict::Noise,
        _ if row.unit == Unit::Microseconds && row.median.max(then.median) < CLOCK_US => Verdict::Noise,
        ratio if ratio > 1.0 => Verdict::Worse,
        _ => Verdict::Better,
    };
    Comparison { name: row.name.clone(), ratio, verdict }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Samples;
    use super::*;

    fn row(unit: Unit, values: &[f64]) -> Row {
        Row::new("row", unit, &Samples::new(values.to_vec()))
    }

    fn verdict(unit: Unit, now: f64, then: f64) -> Verdict {
        comparison(&row(unit, &[now; 3]), &row(unit, &[then; 3]), 0.2).verdict
    }

    #[test]
    fn more_time_and_less_speed_are_worse() {
        assert_eq!(verdict(Unit::Microseconds, 13.0, 10.0), Verdict::Worse);
        assert_eq!(verdict(Unit::Microseconds, 11.9, 10.0), Verdict::Same);
        assert_eq!(verdict(Unit::Microseconds, 8.0, 10.0), Verdict::Better);
        assert_eq!(verdict(Unit::Gflops, 8.0, 10.0), Verdict::Worse);
        assert_eq!(verdict(Unit::Gflops, 13.0, 10.0), Verdict::Better);
        assert_eq!(verdict(Unit::Microseconds, f64::NAN, 10.0), Verdict::Worse);
    }

    #[test]
    fn a_difference_within_the_spread_of_the_rounds_is_noise() {
        let then = row(Unit::Microseconds, &[10.0; 3]);
        let verdict = |values: &[f64]| comparison(&row(Unit::Microseconds, values), &then, 0.2).verdict;
        assert_eq!(verdict(&[9.0, 13.0, 17.0]), Verdict::Noise);
        assert_eq!(verdict(&[12.9, 13.0, 13.1]), Verdict::Worse);
        assert_eq!(verdict(&[13.0]), Verdict::Noise);
    }

    #[test]
    fn a_row_ten_times_as_slow_is_worse_however_few_or_scattered_its_rounds() {
        let then = row(Unit::Microseconds, &[10.0]);
        for values in [&[100.0][..], &[100.0; 2], &[10.0, 100.0, 1000.0]] {
            let now = row(Unit::Microseconds, values);
            assert_eq!(comparison(&now, &then, 0.2).verdict, Verdict::Worse, "{values:?}");
        }
    }

    #[test]
    fn no_time_at_all_is_the_same_as_none_and_better_than_some() {
        let at = |us: f64| row(Unit::Microseconds, &[us; 3]);
        let of = |now, then| comparison(&at(now), &at(then), 0.2);
        assert_eq!((of(0.0, 0.0).verdict, of(0.0, 0.0).ratio), (Verdict::Same, 1.0));
        assert_eq!(of(0.0, 1.0).verdict, Verdict::Better);
        assert_eq!(of(1.0, 0.0).verdict, Verdict::Worse);
        assert_eq!(of(0.2, 0.07).verdict, Verdict::Noise);
    }
}
