//! The parser's complaints in this program's form: one line, exit code 2.

use std::process::ExitCode;

use clap::error::{Error, ErrorKind};

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
            eprintln!("{}", one_line(&error.to_string()));
            ExitCode::from(2)
        }
    }
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
    use super::one_line;

    #[test]
    fn a_complaint_and_its_tip_are_one_line() {
        let text =
            "error: unrecognized subcommand 'trian'\n\n  tip: a similar subcommand exists: 'train'\n\nUsage: x\n";
        assert_eq!(one_line(text), "error: unknown verb `trian`; did you mean `train`?");
        let text = "error: the following required arguments were not provided:\n  --out <DIR>\n\nUsage: x";
        assert_eq!(one_line(text), "error: the following required arguments were not provided: --out <DIR>");
    }
}
