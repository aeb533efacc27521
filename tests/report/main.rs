//! What a run leaves behind: its directory, its metrics in three formats that agree, its summary and its pictures.

mod pictures;
mod tensorboard;

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use flowmill::report::multigoal::{coverage, first_actions};
use flowmill::report::{
    BuildInfo, MetricsLog, MetricsRow, ReportError, RunDir, RunIdentity, Summary, read_metrics, write_atomic,
};

const TAGS: [&str; 3] = ["Train/mean_reward", "Loss/value", "Perf/total_fps"];

fn identity() -> RunIdentity {
    RunIdentity {
        env: "multigoal".into(),
        algo: "policyflow".into(),
        preset: "quick".into(),
        seed: 7,
        overrides: vec!["algo.w_b=0".into()],
    }
}

fn row(iteration: u64) -> MetricsRow {
    let x = iteration as f64;
    let reward = if iteration == 0 { f64::NAN } else { f64::from(0.1_f32) * x };
    let values = [("Train/mean_reward", reward), ("Loss/value", 1.0 / (x + 1.0)), ("Perf/total_fps", 131_072.0)];
    let values = values.map(|(tag, value)| (tag.to_owned(), value)).to_vec();
    MetricsRow { iteration, env_steps: 4096 * iteration, seconds: 0.25 * x, values }
}

fn run_with_rows(rows: std::ops::Range<u64>) -> (tempfile::TempDir, RunDir) {
    let parent = tempfile::tempdir().unwrap();
    let dir = RunDir::create(parent.path(), &identity(), UNIX_EPOCH + Duration::from_secs(1_709_210_096)).unwrap();
    let mut log = MetricsLog::create(&dir, &TAGS).unwrap();
    for iteration in rows {
        log.write(&row(iteration)).unwrap();
    }
    (parent, dir)
}

fn read(dir: &RunDir, name: &str) -> String {
    fs::read_to_string(dir.path().join(name)).unwrap()
}

#[test]
fn a_run_directory_is_named_by_environment_algorithm_seed_and_utc_time_and_holds_its_files() {
    let (parent, dir) = run_with_rows(0..2);
    assert_eq!(dir.path(), parent.path().join("multigoal-policyflow-s7-20240229-123456"));
    dir.write_config("[algo]\nw_b = 0.0\n").unwrap();
    dir.write_command(&["flowmill", "train", "multigoal", "--set", "algo.w_b = 0"]).unwrap();
    let build = BuildInfo {
        version: "0.1.0".into(),
        git_commit: None,
        adapter: "llvmpipe".into(),
        driver: "Mesa 22.3".into(),
        backend: "vulkan".into(),
        precision: "f32".into(),
        limits: serde_json::Map::from_iter([("max_bind_groups".to_owned(), 4.into())]),
        run: identity(),
    };
    dir.write_build(&build).unwrap();
    Summary::default().write(&dir).unwrap();

    assert_eq!(read(&dir, "command.txt"), "flowmill train multigoal --set 'algo.w_b = 0'\n");
    assert_eq!(read(&dir, "config.toml"), "[algo]\nw_b = 0.0\n");
    assert_eq!(dir.read_build().unwrap(), build);
    assert_eq!(dir.identity().unwrap().label(), "multigoal policyflow quick, algo.w_b=0");
    let mut names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| if name.starts_with("events.out.tfevents.") { "events".to_owned() } else { name })
        .collect();
    names.sort();
    let expected = "build.json checkpoints command.txt config.toml events metrics.csv metrics.jsonl plots summary.json";
    assert_eq!(names.join(" "), expected, "no temporary file is left");
}

#[test]
fn a_second_run_of_the_same_second_gets_its_own_directory() {
    let parent = tempfile::tempdir().unwrap();
    let start = UNIX_EPOCH + Duration::from_secs(5);
    let names: Vec<String> = (0..3)
        .map(|_| RunDir::create(parent.path(), &identity(), start).unwrap())
        .map(|dir| dir.path().file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let base = "multigoal-policyflow-s7-19700101-000005";
    assert_eq!(names, [base.to_owned(), format!("{base}-2"), format!("{base}-3")]);
}

#[test]
fn a_given_run_directory_may_be_new_or_empty_but_not_in_use() {
    let parent = tempfile::tempdir().unwrap();
    let given = parent.path().join("a/b");
    let dir = RunDir::create_at(&given).unwrap();
    assert!(dir.checkpoints().is_dir() && dir.plots().is_dir());
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).unwrap();
    RunDir::create_at(&empty).unwrap();

    let used = parent.path().join("used");
    fs::create_dir(&used).unwrap();
    fs::write(used.join("thesis.tex"), "precious").unwrap();
    let error = RunDir::create_at(&used).unwrap_err();
    assert!(error.is_input_error());
    let text = error.to_string();
    assert!(
        text.contains(used.to_str().unwrap()) && text.contains("thesis.tex") && text.contains("expected"),
        "{text}"
    );
    assert_eq!(fs::read_dir(&used).unwrap().count(), 1, "nothing was added");
}

#[test]
fn a_run_directory_that_cannot_be_written_is_an_input_error_with_path_and_reason() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = RunDir::create_at(&path).unwrap_err();
        assert!(matches!(error, ReportError::NotWritable { .. }) && error.is_input_error());
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(RunDir::create(&file, &identity(), UNIX_EPOCH).unwrap_err().is_input_error());
    let error = RunDir::open(parent.path()).unwrap_err();
    assert!(error.to_string().contains("metrics.csv"), "{error}");
}

#[test]
fn an_atomic_write_that_fails_keeps_the_old_file_and_leaves_no_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.json");
    write_atomic(&path, b"old").unwrap();
    write_atomic(&path, b"new").unwrap();
    let failing = flowmill::report::write_atomic_with(&path, |temporary| {
        fs::write(temporary, "half a fi")?;
        Err(std::io::Error::other("disk full"))
    });
    assert!(failing.unwrap_err().to_string().contains("disk full"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn csv_and_jsonl_hold_the_same_numbers_and_mark_what_is_not_finite() {
    let (_parent, dir) = run_with_rows(0..4);
    let csv = read(&dir, "metrics.csv");
    let header = "iteration,env_steps,seconds,Train/mean_reward,Loss/value,Perf/total_fps";
    assert_eq!(csv.lines().next().unwrap(), header);
    assert_eq!(csv.matches("iteration").count(), 1);
    assert_eq!(csv.lines().nth(1).unwrap(), "0,0,0.0,,1.0,131072.0");
    assert_eq!(csv.lines().nth(2).unwrap(), "1,4096,0.25,0.1,0.5,131072.0", "an f32 is written as an f32");

    let table = read_metrics(dir.path()).unwrap();
    let jsonl = read(&dir, "metrics.jsonl");
    assert_eq!(jsonl.lines().count(), table.iteration.len());
    for (index, line) in jsonl.lines().enumerate() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["iteration"].as_u64(), Some(table.iteration[index]));
        assert_eq!(object["env_steps"].as_u64(), Some(table.env_steps[index]));
        assert_eq!(object["seconds"].as_f64(), Some(table.seconds[index]));
        for tag in TAGS {
            let from_csv = table.column(tag).unwrap()[index];
            match &object[tag] {
                serde_json::Value::Null => assert!(from_csv.is_nan(), "{tag} of row {index}"),
                value => assert_eq!(value.as_f64(), Some(from_csv), "{tag} of row {index}"),
            }
        }
    }
    assert!(jsonl.lines().next().unwrap().contains("\"Train/mean_reward\":null"));
}

#[test]
fn a_metric_that_was_not_declared_is_refused_by_name() {
    let (_parent, dir) = run_with_rows(0..1);
    let mut log = MetricsLog::resume(&dir, &TAGS, 1).unwrap();
    let mut bad = row(1);
    bad.values.push(("Loss/valeu".into(), 1.0));
    let text = log.write(&bad).unwrap_err().to_string();
    assert!(text.contains("Loss/valeu") && text.contains("Loss/value"), "{text}");
    assert_eq!(read(&dir, "metrics.csv").lines().count(), 2, "no part of the row was written");
}

#[test]
fn resuming_drops_rows_from_the_resumed_iteration_on_and_half_lines_and_then_appends() {
    let (_parent, dir) = run_with_rows(0..6);
    // a killed run's last words
    for name in ["metrics.csv", "metrics.jsonl"] {
        let text = read(&dir, name) + if name == "metrics.csv" { "6,245" } else { "{\"iterat" };
        fs::write(dir.path().join(name), text).unwrap();
    }
    assert_eq!(read_metrics(dir.path()).unwrap().iteration, [0, 1, 2, 3, 4, 5], "a half line is not read");
    let mut log = MetricsLog::resume(&dir, &TAGS, 3).unwrap();
    for iteration in 3..5 {
        log.write(&row(iteration)).unwrap();
    }
    let (_other_parent, uninterrupted) = run_with_rows(0..5);
    for name in ["metrics.csv", "metrics.jsonl"] {
        assert_eq!(read(&dir, name), read(&uninterrupted, name), "{name} is that of an uninterrupted run");
    }
}

#[test]
fn resuming_with_other_columns_is_refused() {
    let (_parent, dir) = run_with_rows(0..2);
    let before = read(&dir, "metrics.csv");
    let error = MetricsLog::resume(&dir, &TAGS[..2], 1).unwrap_err();
    assert!(error.to_string().contains("metrics.csv") && error.to_string().contains("Perf/total_fps"), "{error}");
    assert_eq!(read(&dir, "metrics.csv"), before);
}

#[test]
fn a_cell_that_is_no_number_is_named_with_its_line_and_column() {
    let (_parent, dir) = run_with_rows(0..2);
    let text = read(&dir, "metrics.csv").replace("0.25,0.1,0.5", "0.25,0.1,half");
    fs::write(dir.path().join("metrics.csv"), text).unwrap();
    let error = read_metrics(dir.path()).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("Loss/value") && error.contains("half"), "{error}");
}

#[test]
fn a_summary_has_exactly_the_promised_keys_and_reads_back() {
    let (_parent, dir) = run_with_rows(0..1);
    let goals: Vec<[f32; 2]> = (0..60).map(|i| flowmill::report::multigoal::goal(i % 6).map(|v| v as f32)).collect();
    let summary = Summary {
        final_return: Some(7.5),
        best_return: Some(f64::NAN),
        env_steps: 5_242_880,
        iterations: 40,
        seconds_training: 40.5,
        seconds_compiling: 3.25,
        adapter: "llvmpipe".into(),
        ..Summary::default()
    };
    let full = summary.clone().with_multigoal(&coverage(&goals), &first_actions(&goals));
    full.write(&dir).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read(&dir, "summary.json")).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "coverage entropy reached first_action_coverage first_action_entropy first_action_strong \
                    final_return best_return env_steps iterations seconds_training seconds_compiling adapter";
    assert_eq!(keys.join(" "), expected);
    assert_eq!((json["coverage"].as_u64(), json["best_return"].is_null()), (Some(6), true));
    let back = Summary::read(&dir).unwrap();
    // serde_json reads decimal fractions to within one unit in the last place
    assert!((back.entropy.unwrap() - full.entropy.unwrap()).abs() < 1e-12);
    let (entropy, first_action_entropy) = (back.entropy, back.first_action_entropy);
    assert_eq!(back, Summary { best_return: None, entropy, first_action_entropy, ..full });
    summary.write(&dir).unwrap();
    assert!(!read(&dir, "summary.json").contains("coverage"), "other environments have no coverage");
}
