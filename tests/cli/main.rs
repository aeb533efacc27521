//! The command line as a user meets it: the binary is run, and its output, files and exit codes are looked at.

mod bad_input;
mod bench;
mod profile;
mod render;
mod simulate;
mod support;
mod training;
mod verbs;
