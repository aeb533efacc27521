//! An environment of the quadruped's widths, for benchmarks that need no quadruped.

use anyhow::Result;
use flowmill::env::{self, Environment};

/// 48 observations, 12 actions; the dynamics do not matter.
pub fn quadruped() -> Result<Environment> {
    let folder = std::env::temp_dir().join(format!("flowmill-bench-{}", std::process::id()));
    let channels = |count: usize| -> String {
        (0..count).map(|i| format!("  {{ name = \"c{i}\", low = -10.0, high = 10.0 }},\n")).collect()
    };
    std::fs::create_dir_all(&folder)?;
    let manifest = format!(
        "name = \"bench\"\ndescription = \"widths only\"\nlicence = \"MIT\"\nsource = \"none\"\ndt = 0.02\nhorizon = 100\n\
         random_lanes = 1\nobservation = [\n{}]\naction = [\n{}]\n",
        channels(48),
        channels(12)
    );
    std::fs::write(folder.join("env.toml"), manifest)?;
    std::fs::write(folder.join("env.wgsl"), PROGRAM)?;
    std::fs::write(folder.join("train.toml"), "")?;
    let environment = env::load(&folder.display().to_string());
    std::fs::remove_dir_all(&folder)?;
    Ok(environment?)
}

const PROGRAM: &str = "
struct State { x: f32 }
fn reset(random: Random) -> State { return State(random_uniform(random, 0u)); }
fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).x = clamp((*state).x + 0.01 * action[0], -1.0, 1.0);
    return StepResult((*state).x, false);
}
fn observe(state: State) -> array<f32, OBS_DIM> {
    var obs: array<f32, OBS_DIM>;
    for (var i = 0u; i < OBS_DIM; i++) { obs[i] = sin(state.x * f32(i + 1u)); }
    return obs;
}
";
