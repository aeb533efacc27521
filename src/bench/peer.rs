//! C MuJoCo's batched rollouts, in a Python that has it: what the rows of physics are held against.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::BenchError;
use crate::numpy::{Array, npz};
use crate::report::write_atomic;

/// The program, which is started with a file in the folder that it may write to.
const PROGRAM: &str = include_str!("../../benches/peers/mujoco_peer.py");

/// A Python with MuJoCo: the one that is asked for, which has to have it, or `python3` where that has it.
pub fn python(asked: Option<&Path>) -> Result<Option<PathBuf>, BenchError> {
    let path = asked.unwrap_or(Path::new("python3"));
    let run = Command::new(path).args(["-c", "import numpy, mujoco.rollout"]).stdin(Stdio::null()).output();
    match (run, asked) {
        (Ok(output), _) if output.status.success() => Ok(Some(path.into())),
        (_, None) => Ok(None),
        (Err(error), Some(path)) => {
            Err(BenchError::Python { path: path.display().to_string(), message: error.to_string() })
        }
        (Ok(output), Some(path)) => {
            let error = String::from_utf8_lossy(&output.stderr);
            let message = error.lines().last().unwrap_or("it fails without a message").to_string();
            Err(BenchError::Python { path: path.display().to_string(), message })
        }
    }
}

/// The running program, and the folder for what it is given.
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Peer {
    /// Starts it.
    pub fn new(python: &Path) -> Result<Self, BenchError> {
        let folder = std::env::temp_dir().join(format!("flowmill-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| BenchError::Peer(format!("{}: {e}", folder.display())))?;
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM]).arg(folder.join("data.npz")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| BenchError::Peer(e.to_string()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(BenchError::Peer("it has no standard input and output".into()));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), folder })
    }

    /// Gives it a model's file, states, the solver's first accelerations and controls, and runs it once. Returns its version and threads.
    pub fn load(&mut self, model: &Path, [states, warm, controls]: [&Array; 3]) -> Result<String, BenchError> {
        let failed = |e: String| BenchError::Peer(e);
        let data = self.folder.join("data.npz");
        let file =
            npz(&[("states", states), ("warm", warm), ("controls", controls)]).map_err(|e| failed(e.to_string()))?;
        write_atomic(&data, &file).map_err(|e| failed(e.to_string()))?;
        let model = model.canonicalize().map_err(|e| failed(format!("{}: {e}", model.display())))?;
        let answer = self.ask(&json!({ "model": model.display().to_string(), "data": data.display().to_string() }))?;
        let version = answer["ready"].as_str().unwrap_or_default();
        Ok(format!("MuJoCo {version}, {} threads", answer["threads"]))
    }

    /// Seconds of rolling everything that is loaded.
    pub fn seconds(&mut self) -> Result<f64, BenchError> {
        let answer = self.ask(&json!({}))?;
        answer["seconds"].as_f64().ok_or_else(|| BenchError::Peer(format!("it answered {answer}, expected seconds")))
    }

    fn ask(&mut self, question: &Value) -> Result<Value, BenchError> {
        let failed = |e: String| BenchError::Peer(e);
        writeln!(self.stdin, "{question}").map_err(|e| failed(e.to_string()))?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(|e| failed(e.to_string()))?;
        serde_json::from_str(&line).map_err(|_| failed(format!("it answered `{}`, expected JSON", line.trim())))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
