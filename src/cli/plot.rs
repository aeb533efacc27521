//! `flowmill plot`.

use std::path::PathBuf;

use flowmill::plot::{draw_run, draw_runs};
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
    let dirs = args.runs.iter().map(|path| RunDir::open(path)).collect::<Result<Vec<_>, _>>()?;
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
    files.iter().for_each(|file| out.say(file));
    out.object(&json!({ "files": files }))
}
