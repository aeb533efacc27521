//! `flowmill render`: what it says and writes, and what it refuses.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{assert_keys, finished_run, json, parts, run};

/// Size, and hundredths of a second of every picture.
fn decoded(path: &Path) -> ((u16, u16), Vec<u16>) {
    let mut decoder = gif::DecodeOptions::new().read_info(fs::File::open(path).unwrap()).unwrap();
    let mut delays = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        delays.push(frame.delay);
    }
    ((decoder.width(), decoder.height()), delays)
}

#[test]
fn render_of_a_run_shows_the_first_episode_that_eval_measures() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a.gif").display().to_string();
    let run = finished_run().join("run").display().to_string();
    for noise in ["sample", "zero"] {
        let object = json(&["render", &run, "--out", &out, "--noise", noise, "--seed", "5"]);
        assert_keys(
            &object,
            &["environment", "policy", "seed", "frames", "steps", "seconds", "return", "bytes", "out"],
        );
        let eval = json(&["eval", &run, "--episodes", "1", "--noise", noise, "--seed", "5"]);
        assert_eq!(object["return"], eval["return"]["mean"], "{noise}");
        assert_eq!(object["steps"].as_f64(), eval["length"]["mean"].as_f64(), "{noise}");
        let (size, delays) = decoded(Path::new(&out));
        assert_eq!(size, (480, 360));
        // A picture for the start and one for each of the steps of 0.1 s.
        assert_eq!(object["frames"], delays.len());
        assert_eq!(object["frames"].as_u64().unwrap(), object["steps"].as_u64().unwrap() + 1);
        assert!(delays.iter().all(|delay| *delay == 10), "{delays:?}");
        assert_eq!(object["bytes"], fs::metadata(&out).unwrap().len());
    }
}

#[test]
fn render_of_an_environment_says_that_its_actions_are_random_and_shows_time_as_it_passes() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a.gif").display().to_string();
    let args = ["render", "cartpole-swingup", "--steps", "30", "--size", "160x120", "--out", &out];
    let (code, stdout, stderr) = parts(&run(&args));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("cartpole-swingup: no run given, so its actions are random; seed 1"), "{stdout}");
    // Steps of 0.01 s, of which every fourth is drawn, and the last.
    assert_eq!(decoded(Path::new(&out)), ((160, 120), vec![4; 9]));
    let first = fs::read(&out).unwrap();
    assert_eq!(parts(&run(&args)).0, 0);
    assert_eq!(fs::read(&out).unwrap(), first, "the same seed, the same file");
    let object: Value = json(&["render", "pendulum", "--steps", "10", "--size", "96x96", "--out", &out]);
    assert_eq!(
        (object["frames"].as_u64(), object["seconds"].as_f64(), &object["policy"]),
        (Some(11), Some(0.5), &Value::Null)
    );
}

#[test]
fn render_refuses_in_one_line_what_it_cannot_draw_or_write() {
    let folder = TempDir::new().unwrap();
    let plain = folder.path().join("counter");
    fs::create_dir(&plain).unwrap();
    let toml = "name = \"counter\"\ndescription = \"x\"\nlicence = \"MIT\"\nsource = \"own\"\ndt = 0.1\nhorizon = 5\nrandom_lanes = 0
observation = [{ name = \"count\", low = 0.0, high = 9.0 }]\naction = [{ name = \"a\", low = -1.0, high = 1.0 }]\n";
    let wgsl = "struct State { count: f32 }
fn reset(random: Random) -> State { return State(0.0); }
fn step(state: ptr<function, State>, action: array<f32, ACTION_DIM>, random: Random) -> StepResult {
    (*state).count += 1.0;
    return StepResult(action[0], false);
}
fn observe(state: State) -> array<f32, OBS_DIM> { return array<f32, OBS_DIM>(state.count); }\n";
    fs::write(plain.join("env.toml"), toml).unwrap();
    fs::write(plain.join("env.wgsl"), wgsl).unwrap();
    let (plain, gif) = (plain.display().to_string(), folder.path().join("x.gif").display().to_string());
    let nowhere = folder.path().join("no/such/x.gif").display().to_string();
    let cases: [(&[&str], &str); 7] = [
        (&["render", &plain, "--out", &gif], "environment `counter` cannot be drawn"),
        (&["render", "no-such-thing", "--out", &gif], "no-such-thing"),
        (&["render", "pendulum", "--out", "x.png"], "`--out` is x.png, expected a file that ends in .gif"),
        (&["render", "pendulum", "--steps", "2", "--out", &nowhere], "no/such/x.gif, expected a folder"),
        (&["render", "pendulum", "--steps", "0", "--out", &gif], "`--steps` is 0, expected 1..=100000"),
        (&["render", "pendulum", "--size", "1x1", "--out", &gif], "`--size` is 1x1, expected two numbers in 64..=2048"),
        (&["render", "pendulum"], "--out"),
    ];
    for (args, expected) in cases {
        let (code, stdout, stderr) = parts(&run(args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.trim_end().lines().count() == 1, "{args:?}: {stderr}");
    }
    assert!(!Path::new(&gif).exists());
}
