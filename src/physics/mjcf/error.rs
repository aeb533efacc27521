//! What can be wrong with a model file, as one line with its place.

use std::path::PathBuf;

/// A model that cannot be read, or asks for what is not supported.
#[derive(Debug, thiserror::Error)]
pub enum MjcfError {
    /// A file that cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Text that is not XML.
    #[error("{file}: {source}")]
    Xml {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        source: roxmltree::Error,
    },
    /// An element that is unknown, unsupported, incomplete or contradictory.
    #[error("{file}:{line}: {element}: {message}")]
    Element {
        /// The file the element stands in.
        file: String,
        /// Its line, from 1.
        line: u32,
        /// Tag and, where it has one, name.
        element: String,
        /// What is wrong and what was expected.
        message: String,
    },
}
