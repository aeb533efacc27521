//! `flowmill envs`.

use flowmill::env::{EnvSummary, environments, search_path};
use serde_json::{Value, json};

use super::Failure;
use super::output::{Output, table};

/// Lists the environments; broken ones with what is wrong.
pub fn run(out: &Output) -> Result<(), Failure> {
    let found = environments();
    let mut rows = vec![["environment", "obs", "act", "horizon", "licence", "description"].map(String::from).to_vec()];
    let mut broken = Vec::new();
    for env in &found {
        match &env.manifest {
            Ok(m) => rows.push(vec![
                env.name.clone(),
                m.observation.len().to_string(),
                m.action.len().to_string(),
                m.horizon.to_string(),
                m.licence.clone(),
                m.description.clone(),
            ]),
            Err(error) => broken.push(format!("broken: {}: {}", env.name, Failure::Input(error.to_string()))),
        }
    }
    out.say(table(&rows));
    broken.iter().for_each(|line| out.say(line));
    let folders: Vec<String> = search_path().iter().map(|folder| folder.display().to_string()).collect();
    out.say(format!("searched: {}", folders.join(", ")));
    let list: Vec<Value> = found.iter().map(object).collect();
    out.object(&json!({ "environments": list, "searched": folders }))
}

fn object(env: &EnvSummary) -> Value {
    let folder = env.folder.display().to_string();
    match &env.manifest {
        Ok(m) => json!({
            "name": env.name, "folder": folder, "observation": m.observation.len(), "action": m.action.len(),
            "horizon": m.horizon, "dt": m.dt, "licence": m.licence, "source": m.source, "description": m.description,
        }),
        Err(error) => json!({ "name": env.name, "folder": folder, "error": error.to_string() }),
    }
}
