//! `flowmill plot`.

use std::collections::HashSet;
use std::path::PathBuf;

use flowmill::plot::{REWARD_TAG, draw_run, draw_runs};
use flowmill::report::RunDir;
use serde_json::json;

use super::{Failure, Output};

/// Draw learning curves and MultiGoal panels of one run, or of several side by side
#[derive(clap::Args)]
pub struct Args {
    /// Run directories
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the pictures of several runs; one run's own go into its `plots/`
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Seeds of one configuration share a curve.
pub fn run(args: &Args, out: &Output) -> Result<(), Failure> {
    // The same run twice, however it is written, is one run.
    let mut seen = HashSet::new();
    let runs = args.runs.iter().filter(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_path_buf())));
    let dirs = runs.map(|path| RunDir::open(path)).collect::<Result<Vec<_>, _>>()?;
    let files = match (dirs.as_slice(), &args.out) {
        ([run], None) => draw_run(run)?,
        (runs, folder) => {
            let folder = folder.clone().unwrap_or_else(|| PathBuf::from("plots"));
            let failed = |e| Failure::Input(format!("--out {}: cannot be made: {e}", folder.display()));
            std::fs::create_dir_all(&folder).map_err(failed)?;
            draw_runs(runs, &folder)?
        }
    };
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() {
        let names: Vec<String> = dirs.iter().map(|dir| dir.path().display().to_string()).collect();
        eprintln!("nothing to draw: {} has neither two values of `{REWARD_TAG}` nor snapshots", names.join(", "));
    }
    files.iter().for_each(|file| out.say(file));
    out.object(&json!({ "files": files }))
}
