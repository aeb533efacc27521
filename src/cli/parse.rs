//! The parser's complaints in this program's form: one line, exit code 2.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// Prints help or version and succeeds, or prints one line and says that the input is wrong.
pub fn exit(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            eprintln!("error: no verb given; `flowmill --help` lists them");
            ExitCode::from(2)
        }
        _ => {
            let line = refused_value(error).unwrap_or_else(|| one_line(&error.to_string()));
            eprintln!("{line}");
            ExitCode::from(2)
        }
    }
}

/// Parser of whole numbers from `low` to `high`, both included.
pub fn whole<T: TryFrom<i128>>(low: i128, high: i128) -> impl Fn(&str) -> Result<T, String> + Clone {
    let shown =
        move || if low < 0 { format!("expected {low} or 0..={high}") } else { format!("expected {low}..={high}") };
    move |text| {
        let inside = text.parse().ok().filter(|number| (low..=high).contains(number));
        inside.and_then(|number| T::try_from(number).ok()).ok_or_else(shown)
    }
}

/// Parser of seeds that may be drawn: -1, or a seed.
pub fn drawn_seed(text: &str) -> Result<i64, String> {
    whole(-1, i64::MAX.into())(text)
}

/// The line for a value that a parser of this file refused.
fn refused_value(error: &Error) -> Option<String> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let expected = std::error::Error::source(error)?.to_string();
    let option = word(ContextKind::InvalidArg)?.split_whitespace().next()?;
    let value = word(ContextKind::InvalidValue)?;
    expected.starts_with("expected ").then(|| format!("error: `{option}` is {value}, {expected}"))
}

/// The complaint and the nearest name, without the usage text behind them.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for part in text.lines().map(str::trim).take_while(|part| !part.starts_with("Usage:")) {
        let nearest = part.strip_prefix("tip: a similar ").and_then(|tip| tip.split_once("exists: "));
        match nearest {
            Some((_, name)) => line.push_str(&format!("; did you mean {}?", name.replace('\'', "`"))),
            None if part.is_empty() || part.starts_with("tip:") || part.starts_with("For more information") => {}
            None => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(&part.replace('\'', "`").replace("unrecognized subcommand", "unknown verb"));
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{drawn_seed, one_line, whole};

    #[test]
    fn whole_numbers_outside_their_range_name_it() {
        assert_eq!((drawn_seed("-1"), drawn_seed("7")), (Ok(-1), Ok(7)));
        for wrong in ["-2", "abc", "9223372036854775808", ""] {
            assert_eq!(drawn_seed(wrong), Err("expected -1 or 0..=9223372036854775807".into()), "{wrong}");
        }
        assert_eq!(whole::<u32>(1, 5)("6"), Err("expected 1..=5".into()));
    }

    #[test]
    fn a_complaint_and_its_tip_are_one_line() {
        let text =
            "error: unrecognized subcommand 'trian'\n\n  tip: a similar subcommand exists: 'train'\n\nUsage: x\n";
        assert_eq!(one_line(text), "error: unknown verb `trian`; did you mean `train`?");
        let text = "error: the following required arguments were not provided:\n  --out <DIR>\n\nUsage: x";
        assert_eq!(one_line(text), "error: the following required arguments were not provided: --out <DIR>");
    }
}
