//! The other verbs: what they print and write, with and without `--json`.

use std::fs;

use tempfile::TempDir;

use crate::support::{assert_keys, finished_run, flowmill, json, parts, run, with_drivers};

#[test]
fn envs_lists_dimensions_licence_and_broken_folders() {
    let value = json(&["envs"]);
    let list = value["environments"].as_array().unwrap();
    let multigoal = list.iter().find(|env| env["name"] == "multigoal").unwrap();
    assert_eq!((&multigoal["observation"], &multigoal["action"]), (&4.into(), &2.into()));
    assert_keys(multigoal, &["licence", "description", "horizon", "folder"]);

    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("broken")).unwrap();
    fs::write(folder.path().join("broken/env.toml"), "name = 3\n").unwrap();
    let (code, stdout, _) = parts(&flowmill().arg("envs").env("FLOWMILL_ENVS", folder.path()).output().unwrap());
    assert_eq!(code, 0);
    assert!(stdout.contains("multigoal") && stdout.contains("broken: broken: "), "{stdout}");
}

#[test]
fn adapters_lists_the_cpu_engine_with_its_limits_and_chooses_it_where_there_is_no_gpu() {
    let bare = json(&["adapters"]);
    assert_eq!(bare["adapters"].as_array().map(Vec::len), Some(1), "{bare}");
    let (_, stdout, _) = parts(&run(&["adapters"]));
    assert!(stdout.contains(bare["adapters"][0]["name"].as_str().unwrap()), "{stdout}");

    let (code, stdout, stderr) = parts(&with_drivers().args(["adapters", "--json"]).output().unwrap());
    assert_eq!(code, 0, "{stderr}");
    for value in [bare, serde_json::from_str(&stdout).unwrap()] {
        let all = value["adapters"].as_array().unwrap();
        for adapter in all {
            assert_keys(adapter, &["name", "backend", "driver", "kind"]);
            assert_keys(&adapter["limits"], &["workgroup_bytes", "storage_binding_bytes", "buffer_bytes"]);
        }
        let cpu: Vec<_> = all.iter().filter(|adapter| adapter["kind"] == "cpu").collect();
        assert_eq!(cpu.len(), 1, "{value}");
        assert!(cpu[0]["name"].as_str().unwrap().starts_with("CPU engine ("), "{value}");
        let chosen = &all[value["chosen"].as_u64().unwrap() as usize];
        let gpus = all.iter().any(|adapter| adapter["kind"] == "gpu");
        assert_eq!(chosen["kind"], if gpus { "gpu" } else { "cpu" }, "{value}");
    }
}

#[test]
fn check_passes_on_the_shipped_environments() {
    for env in ["multigoal", "multigoal-sql", "pendulum"] {
        let value = json(&["check", env, "--num-envs", "16", "--steps", "60"]);
        assert_eq!(value["passed"], true, "{value}");
    }
}

#[test]
fn kernels_writes_valid_modules_for_all_back_ends_without_an_adapter() {
    for (algo, update) in [("policyflow", "policyflow_update"), ("ppo", "ppo_update")] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_str().unwrap();
        let mut command = flowmill();
        command.args(["kernels", "multigoal", "--algo", algo, "--preset", "quick", "--out", path, "--targets"]);
        // No driver at all.
        command.arg("--json").env("VK_DRIVER_FILES", "/nonexistent.json").env("VK_ICD_FILENAMES", "/nonexistent.json");
        let (code, stdout, stderr) = parts(&command.output().unwrap());
        assert_eq!(code, 0, "{stderr}");
        let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let files = value["files"].as_array().unwrap();
        let names: Vec<&str> = files.iter().map(|f| f["kernel"].as_str().unwrap()).collect();
        for kernel in [update, "adamw", "gae", "weight_gradients", "sum_columns"] {
            assert!(names.contains(&kernel), "no {kernel} in {names:?}");
        }
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len() * 4, names.len(), "four files a kernel, each kernel once");
        for file in files {
            assert_keys(file, &["file", "workgroup_size", "bindings", "bytes"]);
            let bytes = fs::read(folder.path().join(file["file"].as_str().unwrap())).unwrap();
            assert_eq!(bytes.len() as u64, file["bytes"].as_u64().unwrap());
        }
        let wgsl = fs::read_to_string(folder.path().join(format!("{update}.wgsl"))).unwrap();
        flowmill::engine::reflect(&wgsl).unwrap();
        let spirv = fs::read(folder.path().join(format!("{update}.spv"))).unwrap();
        assert_eq!(spirv[..4], [0x03, 0x02, 0x23, 0x07]);
    }
}

#[test]
fn gradient_agrees_with_a_fixture() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out.safetensors");
    let input = "tests/fixtures/ppo_tiny.safetensors";
    let value = json(&["gradient", "multigoal", "--algo", "ppo", "--in", input, "--out", out.to_str().unwrap()]);
    assert_keys(&value, &["values", "tensors", "adapter"]);
    let bytes = fs::read("tests/fixtures/ppo_tiny_out.safetensors").unwrap();
    let want = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let scalar = |name: &str| {
        let data: [u8; 8] = want.tensor(name).unwrap().data().try_into().unwrap();
        f64::from_le_bytes(data)
    };
    for name in ["loss", "loss_pi", "loss_v", "grad_norm_total"] {
        let (got, want) = (value["values"][name].as_f64().unwrap(), scalar(name));
        assert!((got - want).abs() <= 1e-4 * want.abs(), "{name}: {got}, expected {want}");
    }
    let bytes = fs::read(&out).unwrap();
    let got = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut missing = want.names().into_iter().filter(|name| got.tensor(name).is_err());
    assert_eq!(missing.next(), None);
}

#[test]
fn eval_of_a_run_gives_statistics_and_the_summary_s_coverage() {
    let run = finished_run().join("run");
    let value = json(&["eval", run.to_str().unwrap(), "--episodes", "50"]);
    assert_keys(&value, &["checkpoint", "environment", "algorithm", "iteration", "seed", "return", "length"]);
    assert_keys(&value["return"], &["mean", "std", "quantiles"]);
    assert_keys(&value["return"]["quantiles"], &["5", "25", "50", "75", "95"]);
    assert!(value["return"]["std"].as_f64().unwrap() > 0.0);
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    for key in ["coverage", "entropy", "reached", "first_action_coverage", "first_action_entropy"] {
        assert_eq!(value[key], summary[key], "{key}: the same policy, seed and measure");
    }

    let checkpoint = run.join("checkpoints/iteration-000001.safetensors");
    let zero = json(&["eval", checkpoint.to_str().unwrap(), "--episodes", "8", "--noise", "zero"]);
    assert_eq!(zero["iteration"], 1);
    assert!(zero["return"]["std"].as_f64().unwrap() < 1e-6, "deterministic from one start: {zero}");
    assert!(zero.get("coverage").is_none(), "the measure is defined under sampled noise");
}

#[test]
fn plot_draws_one_run_into_its_folder_and_several_side_by_side() {
    let run = finished_run().join("run");
    let run = run.to_str().unwrap();
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let one = json(&["plot", run]);
    assert!(one["files"].as_array().unwrap().len() >= 6, "{one}");
    let twice = json(&["plot", run, &format!("{run}/.")]);
    assert_eq!(twice, one, "the same run again is no second run");
    let several = json(&["plot", run, "--out", out]);
    for file in several["files"].as_array().unwrap() {
        let path = file.as_str().unwrap();
        assert!(path.starts_with(out) && fs::metadata(path).unwrap().len() > 0, "{path}");
    }
}

#[test]
fn plot_of_a_run_with_nothing_to_draw_says_so() {
    let run = TempDir::new().unwrap();
    fs::write(run.path().join("metrics.csv"), "iteration,env_steps,seconds,Train/mean_reward\n1,64,0.5,-3.0\n")
        .unwrap();
    let (code, stdout, stderr) = parts(&flowmill().arg("plot").arg(run.path()).output().unwrap());
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.starts_with("nothing to draw: ") && stderr.lines().count() == 1, "{stderr}");
}
