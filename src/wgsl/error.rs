//! Why a module cannot be executed here.

use naga::Span;

/// A WGSL module that the executor refuses: it does not compile, or uses a construct that is not supported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {construct}")]
pub struct ProgramError {
    /// Line of the text, from 1.
    pub line: u32,
    /// Column of the line in bytes, from 1.
    pub column: u32,
    /// What is refused, in words: `` `workgroupBarrier` is not supported ... ``.
    pub construct: String,
}

impl ProgramError {
    pub(super) fn at(source: &str, span: Span, construct: impl Into<String>) -> Self {
        let (line, column) = position(source, span);
        Self { line, column, construct: construct.into() }
    }
}

/// Line and column, both from 1, at which a span begins; 1:1 where it is unknown.
pub(super) fn position(source: &str, span: Span) -> (u32, u32) {
    match span.to_range() {
        Some(range) if range.start <= source.len() && source.is_char_boundary(range.start) => {
            let place = span.location(source);
            (place.line_number, place.line_position)
        }
        _ => (1, 1),
    }
}
