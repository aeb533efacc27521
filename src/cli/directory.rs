//! The directory that a training run writes to, and its removal where the run could not begin.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flowmill::report::{ReportError, RunDir, RunIdentity};

/// Files of a run that has not yet trained.
const FILES: [&str; 5] = ["config.toml", "command.txt", "build.json", "metrics.csv", "metrics.jsonl"];

/// A run's directory and what of it was there before the run.
pub struct Opened {
    /// The directory.
    pub dir: RunDir,
    /// Whether an earlier run lives in it.
    resumed: bool,
    /// Folders that this process made for it, the innermost first.
    made: Vec<PathBuf>,
}

impl Opened {
    /// The directory that `--run-dir` names, which must be new or empty.
    pub fn at(path: &Path) -> Result<Self, ReportError> {
        let made = missing(path);
        let dir = RunDir::create_at(path).inspect_err(|_| remove_folders(&made))?;
        Ok(Self { dir, resumed: false, made })
    }

    /// A new one under `parent`.
    pub fn under(parent: &Path, identity: &RunIdentity) -> Result<Self, ReportError> {
        let mut made = missing(parent);
        let dir = RunDir::create(parent, identity, SystemTime::now()).inspect_err(|_| remove_folders(&made))?;
        made.insert(0, dir.path().to_path_buf());
        Ok(Self { dir, resumed: false, made })
    }

    /// That of an earlier run.
    pub fn of_run(path: &Path) -> Result<Self, ReportError> {
        Ok(Self { dir: RunDir::open(path)?, resumed: true, made: Vec::new() })
    }

    /// A run that could not begin leaves nothing behind; what others made stays, an empty folder too.
    pub fn remove(&self) {
        if self.resumed {
            return;
        }
        let path = self.dir.path();
        for file in FILES {
            let _ = std::fs::remove_file(path.join(file));
        }
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("events.out.tfevents.") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        remove_folders(&[self.dir.checkpoints(), self.dir.plots()]);
        remove_folders(&self.made);
    }
}

/// A folder and those above it that do not exist, the innermost first.
fn missing(path: &Path) -> Vec<PathBuf> {
    let named = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    named.take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect()
}

/// Only those that are empty.
fn remove_folders(folders: &[PathBuf]) {
    for folder in folders {
        let _ = std::fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_could_not_begin_removes_what_it_made_and_nothing_else() {
        let parent = tempfile::TempDir::new().unwrap();
        let (empty, new) = (parent.path().join("empty"), parent.path().join("a/b"));
        std::fs::create_dir(&empty).unwrap();
        for path in [&empty, &new] {
            let opened = Opened::at(path).unwrap();
            for file in FILES.iter().chain(&["events.out.tfevents.1"]) {
                std::fs::write(path.join(file), "x").unwrap();
            }
            opened.remove();
        }
        assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0, "the user's folder stays, empty as it was");
        assert!(!parent.path().join("a").exists(), "folders above it were made for it too");

        let opened = Opened::at(&new).unwrap();
        std::fs::write(new.join("notes.txt"), "mine").unwrap();
        opened.remove();
        assert_eq!(std::fs::read(new.join("notes.txt")).unwrap(), b"mine");
    }
}
