//! What can be wrong with an environment, each as one clear line.

use std::path::PathBuf;

/// An environment that cannot be found, read, compiled or run.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// No folder of that name on the search path.
    #[error(
        "unknown environment `{name}`{}; known: {}; searched: {} (FLOWMILL_ENVS adds folders)",
        did_you_mean(.nearest), list(.known), folders(.searched)
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
        /// All names on the search path.
        known: Vec<String>,
        /// The folders of the search path.
        searched: Vec<PathBuf>,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A TOML file with a syntax error, an unknown key or a value out of range.
    #[error("{}: {message}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Which key or line, its value, and what was expected.
        message: String,
    },
    /// `env.wgsl` does not compile or does not keep the contract; line and column are the file's own, from 1.
    #[error("{}:{line}:{column}: {message}", .path.display())]
    Wgsl {
        /// The file.
        path: PathBuf,
        /// Line of the file.
        line: u32,
        /// Column of the line, in bytes.
        column: u32,
        /// The compiler's message.
        message: String,
    },
    /// No such preset in `train.toml`.
    #[error("{}: no preset `{name}` for `{algorithm}`{}; known: {}", .path.display(), did_you_mean(.nearest), list(.known))]
    Preset {
        /// The file.
        path: PathBuf,
        /// Whose preset.
        algorithm: String,
        /// What was asked for.
        name: String,
        /// The most similar preset.
        nearest: Option<String>,
        /// All presets of the algorithm.
        known: Vec<String>,
    },
    /// The model of `[physics]` is not accepted.
    #[error(transparent)]
    Model(#[from] crate::physics::mjcf::MjcfError),
    /// The device failed while environments ran on it.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_string() } else { names.join(", ") }
}

fn folders(paths: &[PathBuf]) -> String {
    list(&paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())
}

/// The candidate most similar to `name`, if any is similar enough to be a likely typing error or completion.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let similarity = |candidate: &str| {
        let (a, b) = (name.to_lowercase(), candidate.to_lowercase());
        let completion = if !a.is_empty() && b.starts_with(&a) { 0.5 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(&a, &b) + completion
    };
    let ranked = candidates.into_iter().map(|candidate| (similarity(candidate), candidate));
    let best = ranked.filter(|(similarity, _)| *similarity >= 0.6).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, candidate)| candidate.to_string())
}
