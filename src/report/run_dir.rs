//! The directory of a run: its name, its fixed files, and writing that never leaves half a file behind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{ReportError, clock};

/// Which run this is: the parts of its directory's name and of its label in plots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// Environment name, e.g. `multigoal`.
    pub env: String,
    /// Algorithm name, e.g. `policyflow`.
    pub algo: String,
    /// Preset name, e.g. `quick`.
    pub preset: String,
    /// The seed that was used (drawn already when the user gave -1).
    pub seed: u64,
    /// Settings given over the preset, `section.key=value`, in the order given.
    #[serde(default)]
    pub overrides: Vec<String>,
}

impl RunIdentity {
    /// The group that this run shares with its other seeds: `multigoal policyflow quick, algo.w_b=0`.
    pub fn label(&self) -> String {
        let parts = [&self.env, &self.algo, &self.preset];
        let known: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let mut label = known.join(" ");
        for setting in &self.overrides {
            label.push_str(", ");
            label.push_str(setting);
        }
        label
    }

    /// Name of the run's directory, `<env>-<algo>-s<seed>-<yyyymmdd-hhmmss>` in UTC.
    pub fn directory_name(&self, started: SystemTime) -> String {
        format!("{}-{}-s{}-{}", self.env, self.algo, self.seed, clock::timestamp(started))
    }
}

/// Contents of `build.json`: what ran, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// Version of flowmill.
    pub version: String,
    /// Commit the binary was built from, where it is known.
    pub git_commit: Option<String>,
    /// Adapter name.
    pub adapter: String,
    /// Driver name and version.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` ...
    pub backend: String,
    /// Arithmetic of the kernels, e.g. `f32`.
    pub precision: String,
    /// Limits that the device was asked for, by wgpu's names.
    pub limits: serde_json::Map<String, serde_json::Value>,
    /// Which run this is.
    pub run: RunIdentity,
}

/// An existing run directory that this process may write to.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes `<parent>/<directory_name>` with `checkpoints/` and `plots/` in it. A second run of the same second gets
    /// `-2`, `-3` ... at its end.
    ///
    /// # Errors
    /// [`ReportError::NotWritable`], naming the path and the reason.
    pub fn create(parent: &Path, identity: &RunIdentity, started: SystemTime) -> Result<Self, ReportError> {
        let name = identity.directory_name(started);
        fs::create_dir_all(parent).map_err(|source| not_writable(parent, source))?;
        let mut path = parent.join(&name);
        let mut copy = 1;
        // create_dir, not create_dir_all: it alone tells apart which of two processes was first.
        while let Err(source) = fs::create_dir(&path) {
            if source.kind() != std::io::ErrorKind::AlreadyExists {
                return Err(not_writable(&path, source));
            }
            copy += 1;
            path = parent.join(format!("{name}-{copy}"));
        }
        Self::furnish(path)
    }

    /// Takes the directory that `--run-dir` names: it must be new or empty, and writable.
    ///
    /// # Errors
    /// [`ReportError::Occupied`] or [`ReportError::NotWritable`].
    pub fn create_at(path: &Path) -> Result<Self, ReportError> {
        fs::create_dir_all(path).map_err(|source| not_writable(path, source))?;
        let mut entries = fs::read_dir(path).map_err(|source| not_writable(path, source))?;
        if let Some(Ok(entry)) = entries.next() {
            let entry = entry.file_name().to_string_lossy().into_owned();
            return Err(ReportError::Occupied { path: path.to_path_buf(), entry });
        }
        Self::furnish(path.to_path_buf())
    }

    /// Opens the directory of an earlier run, to resume, evaluate or plot it.
    ///
    /// # Errors
    /// [`ReportError::NotARun`] where there is no directory or no `metrics.csv` in it.
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        let not_a_run = |reason: &str| ReportError::NotARun { path: path.to_path_buf(), reason: reason.into() };
        if !path.is_dir() {
            return Err(not_a_run("no such directory"));
        }
        if !path.join("metrics.csv").is_file() {
            return Err(not_a_run("it has no metrics.csv"));
        }
        Ok(Self { path: path.to_path_buf() })
    }

    fn furnish(path: PathBuf) -> Result<Self, ReportError> {
        for folder in ["checkpoints", "plots"] {
            fs::create_dir_all(path.join(folder)).map_err(|source| not_writable(&path, source))?;
        }
        Ok(Self { path })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `plots/`.
    pub fn plots(&self) -> PathBuf {
        self.path.join("plots")
    }

    /// Writes `config.toml`, the fully resolved configuration.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write_config(&self, toml: &str) -> Result<(), ReportError> {
        write_atomic(&self.path.join("config.toml"), toml.as_bytes())
    }

    /// Writes `command.txt`: the arguments as one line that a POSIX shell reads back as the same words.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write_command<S: AsRef<str>>(&self, arguments: &[S]) -> Result<(), ReportError> {
        let words: Vec<String> = arguments.iter().map(|word| shell_quoted(word.as_ref())).collect();
        write_atomic(&self.path.join("command.txt"), format!("{}\n", words.join(" ")).as_bytes())
    }

    /// Writes `build.json`.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn write_build(&self, build: &BuildInfo) -> Result<(), ReportError> {
        write_json(&self.path.join("build.json"), build)
    }

    /// Reads `build.json` back.
    ///
    /// # Errors
    /// [`ReportError::Io`] or [`ReportError::Malformed`].
    pub fn read_build(&self) -> Result<BuildInfo, ReportError> {
        read_json(&self.path.join("build.json"))
    }

    /// Which run this is: from `build.json`, or where that is missing from the directory's name.
    pub fn identity(&self) -> Option<RunIdentity> {
        if let Ok(build) = self.read_build() {
            return Some(build.run);
        }
        let name = self.path.file_name()?.to_str()?;
        // Algorithm names have no hyphen, environment names may: read the name from its end.
        let (head, _) = name.rsplit_once("-s").filter(|(_, tail)| tail.starts_with(|c: char| c.is_ascii_digit()))?;
        let seed = name[head.len() + 2..].split('-').next()?.parse().ok()?;
        let (env, algo) = head.rsplit_once('-')?;
        Some(RunIdentity { env: env.into(), algo: algo.into(), preset: String::new(), seed, overrides: Vec::new() })
    }
}

/// Writes a file under a temporary name beside it, flushes it to the disk and renames it: a reader sees the old
/// contents or the new ones, whatever happens in between.
///
/// # Errors
/// [`ReportError::Io`] naming the final path; the temporary file is removed.
pub fn write_atomic(path: &Path, contents: &[u8]) -> Result<(), ReportError> {
    write_atomic_with(path, |temporary| {
        let mut file = fs::File::create(temporary)?;
        file.write_all(contents)?;
        file.sync_all()
    })
}

/// [`write_atomic`] for writers that want a path: `write` gets a temporary one with the same extension.
///
/// # Errors
/// [`ReportError::Io`] naming the final path; the temporary file is removed.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), std::io::Error>,
) -> Result<(), ReportError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".tmp-{}-{name}", std::process::id()));
    write(&temporary).and_then(|()| fs::rename(&temporary, path)).map_err(|source| {
        let _ = fs::remove_file(&temporary); // it may never have been made; the first error is the one to report
        ReportError::io("write", path, source)
    })
}

/// Serialises `value` as indented JSON with a final newline, atomically.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ReportError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| ReportError::io("write", path, std::io::Error::other(error)))?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

/// Reads a JSON file of the run.
pub(super) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ReportError> {
    let text = fs::read_to_string(path).map_err(|source| ReportError::io("read", path, source))?;
    serde_json::from_str(&text).map_err(|error| ReportError::malformed(path, error.to_string()))
}

fn not_writable(path: &Path, source: std::io::Error) -> ReportError {
    ReportError::NotWritable { path: path.to_path_buf(), source }
}

/// A word as a POSIX shell wants it: bare when nothing in it is special, else in single quotes.
fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_words_survive_a_shell() {
        assert_eq!(shell_quoted("--set"), "--set");
        assert_eq!(shell_quoted("algo.w_b=0"), "algo.w_b=0");
        assert_eq!(shell_quoted("two words"), "'two words'");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(shell_quoted(""), "''");
    }

    #[test]
    fn identity_comes_from_the_directory_name_when_build_json_is_missing() {
        let dir = RunDir { path: PathBuf::from("/nowhere/multigoal-sql-ppo-s12-20240229-123456") };
        let identity = dir.identity().expect("the name is well formed");
        assert_eq!((identity.env.as_str(), identity.algo.as_str(), identity.seed), ("multigoal-sql", "ppo", 12));
        assert!(RunDir { path: PathBuf::from("/nowhere/notes") }.identity().is_none());
    }
}
