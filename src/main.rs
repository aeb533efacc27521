//! The command line: `flowmill VERB ...`. Everything it can do is in the library.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
