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

/// Where the lines of a text begin, for many positions.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub fn of(source: &str) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    /// As [`position`] gives it.
    pub fn position(&self, span: Span) -> (u32, u32) {
        let Some(range) = span.to_range() else { return (1, 1) };
        let line = self.0.partition_point(|&begin| begin <= range.start);
        (line as u32, (range.start - self.0[line - 1] + 1) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_by_lines_are_those_of_the_text() {
        let text = "fn a() {\n\n  let é = 1;\n}";
        for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
            let span = Span::new(at as u32, at as u32 + 1);
            assert_eq!(Lines::of(text).position(span), position(text, span), "{at}");
        }
        assert_eq!(Lines::of(text).position(Span::UNDEFINED), (1, 1));
    }
}
