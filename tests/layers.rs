//! What the folders promise about each other, read from the sources: who may name wgpu, what the lowest layers may use,
//! which files a handwritten kernel consists of, and that no file names a place on somebody's machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use flowmill::kernels;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the repository, as paths from its root.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Every tracked file; of sources without their history, the files of the folders that are tracked.
fn tracked_files() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let listed = listed.ok().filter(|o| o.status.success()).map(|o| String::from_utf8(o.stdout).unwrap());
    let listed = listed.unwrap_or_default();
    let files: Vec<_> = listed.split_terminator('\0').map(PathBuf::from).collect();
    if files.contains(&PathBuf::from("Cargo.toml")) {
        // A file that is deleted but not yet committed is listed too.
        return files.into_iter().filter(|file| root().join(file).is_file()).collect();
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() {
            files.push(name.into());
        } else if ["benches", "docs", "envs", "examples", "shaders", "src", "tests"].contains(&name.as_str()) {
            files.extend(files_below(&name));
        }
    }
    files
}

/// The lines of the text files among `files` in which `wrong` finds something, as `path:line: what`.
fn offences(files: &[PathBuf], wrong: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(root().join(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let Ok(text) = String::from_utf8(bytes) else { continue };
        for (n, line) in text.lines().enumerate() {
            found.extend(wrong(line).map(|what| format!("{}:{}: {what}", file.display(), n + 1)));
        }
    }
    found
}

/// A line that names something of wgpu.
fn names_wgpu(line: &str) -> Option<String> {
    (line.contains("wgpu::") || line.contains("use wgpu")).then(|| line.trim().to_string())
}

/// A line with a path from the crate's root into another module than `own`.
fn leaves_module(own: &str, line: &str) -> Option<String> {
    let paths = line.split("crate::").skip(1);
    let module = |path: &str| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    paths.map(module).any(|module| module != own).then(|| line.trim().to_string())
}

/// A line with an absolute path into a folder that holds somebody's files. The names are put together here so that this
/// file is not its own first offence.
fn names_a_machine(line: &str) -> Option<String> {
    ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/")).into_iter().find(|path| line.contains(path))
}

#[test]
fn wgpu_is_named_only_under_src_engine_gpu() {
    let (gpu, others): (Vec<_>, Vec<_>) = files_below("src").into_iter().partition(|f| f.starts_with("src/engine/gpu"));
    assert_eq!(offences(&others, names_wgpu), [""; 0]);
    assert!(!offences(&gpu, names_wgpu).is_empty(), "the engine no longer matches what is searched for");
}

#[test]
fn the_graph_the_engine_and_physics_use_no_other_module_of_the_crate() {
    let own = |own: &str, line: &str| leaves_module(own, line);
    assert_eq!(offences(&files_below("src/ir"), |line| own("ir", line)), [""; 0]);
    assert_eq!(offences(&files_below("src/physics"), |line| own("physics", line)), [""; 0]);
    // The CPU engine picks an instruction set.
    let engine = |line: &str| own("engine", &line.replace("crate::simd::", ""));
    assert_eq!(offences(&files_below("src/engine"), engine), [""; 0]);
    // Vector draws have the bits of the scalar ones; `crate::kernel` is a macro. Tests know the meaning in f64.
    let simd = |line: &str| own("simd", &line.replace("crate::rng", "").replace("crate::kernel;", ""));
    let files: Vec<_> = files_below("src/simd").into_iter().filter(|file| !file.ends_with("tests.rs")).collect();
    assert_eq!(offences(&files, simd), [""; 0]);
    assert_eq!(offences(&[PathBuf::from("src/rng.rs")], |line| own("rng", line)), [""; 0]);
}

#[test]
fn every_shader_has_a_module_of_its_name_and_a_row_in_the_table_of_kernels() {
    let folder = std::fs::read_dir(root().join("shaders")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let shaders: BTreeSet<_> = names.filter_map(|name| name.strip_suffix(".wgsl").map(str::to_string)).collect();
    let table: BTreeSet<_> =
        kernels::TABLE.iter().chain(&kernels::CEILINGS).map(|entry| entry.name.to_string()).collect();
    assert_eq!(shaders, table);
    for name in shaders {
        assert!(
            root().join(format!("src/kernels/{name}.rs")).is_file(),
            "shaders/{name}.wgsl has no src/kernels/{name}.rs"
        );
    }
}

#[test]
fn no_tracked_text_file_names_a_folder_of_a_machine() {
    let files = tracked_files();
    assert!(files.len() > 100, "{} files", files.len());
    assert_eq!(offences(&files, names_a_machine), [""; 0]);
}

#[test]
fn the_searches_find_what_they_are_for() {
    assert!(names_wgpu("let limits: wgpu::Limits = x;").is_some() && names_wgpu("use wgpu as api;").is_some());
    assert!(names_wgpu("/// The limits that WebGPU guarantees.").is_none());
    for line in ["use crate::fuse::Tile;", "use crate::{fuse, ir};", "use crate::ir::Graph; use crate::irx::Graph;"] {
        assert!(leaves_module("ir", line).is_some(), "{line}");
    }
    assert!(leaves_module("ir", "pub(crate) fn f(g: &crate::ir::Graph) {}").is_none());
    assert!(names_a_machine(&["see ", "home", "me", "notes"].join("/")).is_some());
    assert!(names_a_machine("src/home.rs").is_none());
}
