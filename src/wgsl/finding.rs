//! What a checked run found, in words.

use super::build::{Site, What};
use super::lane::Lane;

/// Something that went wrong in an invocation, once for each place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// Line of the text, from 1.
    pub line: u32,
    /// Column of the line in bytes, from 1.
    pub column: u32,
    /// What went wrong, in words.
    pub message: String,
    /// Number of the invocation within its dispatch.
    pub invocation: u32,
    /// Whether it is a loop that does not end: without checks it would run for very long.
    pub endless: bool,
}

/// The site's message for the values that one lane had there.
pub(super) fn message(site: &Site, args: &[u32]) -> String {
    let at = |i: usize| args.get(i).copied().unwrap_or(0);
    match &site.what {
        What::NotFinite(op, within) => {
            let cause = cause(*op, f32::from_bits(at(1)), f32::from_bits(at(2)));
            match within {
                Some(name) => format!("{cause} in `{name}`"),
                None => cause.to_string(),
            }
        }
        What::DivisionByZero(operation) => format!("integer {operation} by zero"),
        What::Index { of, count, signed } => {
            let index = if *signed { (at(0) as i32).to_string() } else { at(0).to_string() };
            let count = count.unwrap_or_else(|| at(1));
            format!("index {index} is out of bounds of {} of {count} elements", with_article(of))
        }
        What::Unwritten(name) => format!("`{name}` is read before it is given a value"),
        What::Endless => "a loop runs more than 65536 times".to_string(),
    }
}

fn with_article(noun: &str) -> String {
    if noun.starts_with('a') { format!("an {noun}") } else { format!("a {noun}") }
}

/// Why an operation on finite numbers gave an infinity or a NaN.
fn cause(op: Lane, a: f32, b: f32) -> &'static str {
    match op {
        Lane::DivF if b == 0.0 => "division by zero",
        Lane::RemF if b == 0.0 => "remainder by zero",
        Lane::Sqrt => "square root of a negative number",
        Lane::InverseSqrt if a == 0.0 => "inverse square root of 0",
        Lane::InverseSqrt => "inverse square root of a negative number",
        Lane::Log | Lane::Log2 if a == 0.0 => "logarithm of 0",
        Lane::Log | Lane::Log2 => "logarithm of a negative number",
        Lane::Pow if a < 0.0 => "power of a negative number",
        Lane::Pow if a == 0.0 => "power of 0 with an exponent that is not positive",
        Lane::Asin => "asin of a number outside -1 to 1",
        Lane::Acos => "acos of a number outside -1 to 1",
        Lane::Acosh => "acosh of a number below 1",
        Lane::Atanh => "atanh of a number that is not inside -1 to 1",
        Lane::Copy => "bits that are not a finite number, read as a float",
        _ => "overflow",
    }
}
