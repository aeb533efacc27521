//! Finding environments: folders with an `env.toml`, looked up at run time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Table;

use super::error::{EnvError, nearest};
use super::manifest::Manifest;
use super::section::parse_file;
use crate::physics::model::Model;

/// An environment as read from its folder; not compiled yet (see [`EnvKernels`](super::EnvKernels)).
#[derive(Clone, PartialEq, Debug)]
pub struct Environment {
    /// The folder, as a path that messages can show.
    pub folder: PathBuf,
    /// `env.toml`.
    pub manifest: Manifest,
    /// `env.wgsl`, unchanged.
    pub wgsl: String,
    /// What the model of `[physics]` adds to the program, as WGSL; empty without one.
    pub physics: String,
    /// `train.toml`: algorithm -> preset -> keys. Empty where there is no such file.
    pub presets: Table,
}

impl Environment {
    /// Reads the environment of a folder.
    pub fn read(folder: &Path) -> Result<Self, EnvError> {
        let path = folder.join("env.toml");
        let manifest = Manifest::read(&path)?;
        let physics = manifest.physics.as_ref().map(|physics| physics.module(&path, manifest.dt)).transpose()?;
        let (wgsl, presets) = (String::new(), Table::new());
        let mut env =
            Self { folder: folder.to_path_buf(), manifest, wgsl, physics: physics.unwrap_or_default(), presets };
        let path = env.wgsl_path();
        env.wgsl = std::fs::read_to_string(&path).map_err(|source| EnvError::Io { path, source })?;
        let path = env.presets_path();
        if path.exists() {
            env.presets = parse_presets(&path)?;
        }
        Ok(env)
    }

    /// Width of the observation.
    pub fn obs_dim(&self) -> usize {
        self.manifest.observation.len()
    }

    /// Width of the action.
    pub fn action_dim(&self) -> usize {
        self.manifest.action.len()
    }

    /// Path of `env.wgsl`.
    pub fn wgsl_path(&self) -> PathBuf {
        self.file("env.wgsl")
    }

    /// Path of `train.toml`, which need not exist.
    pub fn presets_path(&self) -> PathBuf {
        self.file("train.toml")
    }

    /// A file of the folder; of a variant that lacks it, that of the environment it is a variant of.
    fn file(&self, name: &str) -> PathBuf {
        let own = self.folder.join(name);
        match &self.manifest.variant_of {
            Some(base) if !own.exists() => base.join(name),
            _ => own,
        }
    }

    /// The compiled model of `[physics]`, where there is one.
    ///
    /// # Errors
    /// As [`PhysicsSection::compile`](super::PhysicsSection::compile).
    pub fn model(&self) -> Result<Option<Model>, EnvError> {
        let file = self.folder.join("env.toml");
        self.manifest.physics.as_ref().map(|physics| physics.compile(&file)).transpose()
    }

    /// The keys of a preset of an algorithm, such as `("policyflow", "released")`.
    pub fn preset(&self, algorithm: &str, name: &str) -> Result<&Table, EnvError> {
        let presets = self.presets.get(algorithm).and_then(toml::Value::as_table);
        presets.and_then(|presets| presets.get(name)).and_then(toml::Value::as_table).ok_or_else(|| {
            let known: Vec<String> = presets.map(|p| p.keys().cloned().collect()).unwrap_or_default();
            EnvError::Preset {
                path: self.presets_path(),
                algorithm: algorithm.to_string(),
                name: name.to_string(),
                nearest: nearest(name, known.iter().map(String::as_str)),
                known,
            }
        })
    }
}

/// `train.toml` has exactly two levels of tables, algorithm and preset; what a preset's keys mean is the trainer's. A preset that is the
/// same as another one of its algorithm has that one's name in place of a table.
fn parse_presets(path: &Path) -> Result<Table, EnvError> {
    let mut presets = parse_file(path)?;
    let error = |message: String| EnvError::File { path: path.to_path_buf(), message };
    for (algorithm, group) in &mut presets {
        let tables = format!("`{algorithm}` is not a table, expected tables `[algorithm.preset]`");
        let group = group.as_table_mut().ok_or_else(|| error(tables))?;
        let written = group.clone();
        for (preset, value) in group {
            let same = value.as_str().map(|name| written.get(name).filter(|other| other.is_table()));
            match same {
                None if value.is_table() => {}
                Some(Some(other)) => *value = other.clone(),
                _ => {
                    let expected = "a table or the name of a preset that has one";
                    return Err(error(format!("`{algorithm}.{preset}` is {value}, expected {expected}")));
                }
            }
        }
    }
    Ok(presets)
}

/// One line of a listing.
#[derive(Debug)]
pub struct EnvSummary {
    /// Name of the folder, which is what [`load`] takes.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest, or what is wrong with it: a broken environment does not hide the others.
    pub manifest: Result<Manifest, EnvError>,
}

/// Folders that are searched, most important first: those of `$FLOWMILL_ENVS` (a path list), `envs` in the current
/// directory, and `envs` beside the executable or any folder above it.
pub fn search_path() -> Vec<PathBuf> {
    let mut folders = candidates(std::env::var_os("FLOWMILL_ENVS"), std::env::current_exe().ok());
    let current = std::env::current_dir().ok().map(|d| d.join("envs"));
    folders.retain(|folder| folder.is_dir() && Some(folder) != current.as_ref());
    folders
}

fn candidates(listed: Option<OsString>, executable: Option<PathBuf>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = listed.iter().flat_map(std::env::split_paths).collect();
    folders.retain(|folder| !folder.as_os_str().is_empty());
    folders.push(PathBuf::from("envs"));
    folders.extend(executable.iter().flat_map(|path| path.ancestors().skip(1)).map(|above| above.join("envs")));
    folders
}

/// All environments on the search path, by name; where two folders bear one name, the first on the path counts.
pub fn environments() -> Vec<EnvSummary> {
    let mut found: Vec<EnvSummary> = Vec::new();
    for root in search_path() {
        let Ok(entries) = std::fs::read_dir(&root) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let folder = root.join(&name);
            if folder.join("env.toml").is_file() && found.iter().all(|e| e.name != name) {
                let manifest = Manifest::read(&folder.join("env.toml"));
                found.push(EnvSummary { name, folder, manifest });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Loads an environment by the name of its folder on the [`search_path`], or by a path to the folder.
pub fn load(name_or_path: &str) -> Result<Environment, EnvError> {
    let path = Path::new(name_or_path);
    if path.components().count() > 1 || path.is_absolute() {
        return Environment::read(path);
    }
    let holds_environment = |folder: &PathBuf| folder.join("env.toml").is_file();
    let on_path = search_path().into_iter().map(|root| root.join(name_or_path)).find(holds_environment);
    if !name_or_path.is_empty()
        && let Some(folder) = on_path.or_else(|| Some(path.to_path_buf()).filter(holds_environment))
    {
        return Environment::read(&folder);
    }
    let known: Vec<String> = environments().into_iter().map(|e| e.name).collect();
    let nearest = nearest(name_or_path, known.iter().map(String::as_str));
    Err(EnvError::Unknown { name: name_or_path.to_string(), nearest, known, searched: search_path() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_folders_come_before_the_current_one_and_those_above_the_executable() {
        let listed = std::env::join_paths(["/a/envs", "", "/b"]).ok();
        let folders = candidates(listed, Some(PathBuf::from("/x/target/debug/flowmill")));
        let expected = ["/a/envs", "/b", "envs", "/x/target/debug/envs", "/x/target/envs", "/x/envs", "/envs"];
        assert_eq!(folders, expected.map(PathBuf::from));
        assert_eq!(candidates(None, None), [PathBuf::from("envs")]);
    }
}
