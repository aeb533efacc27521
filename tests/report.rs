//! What a run leaves behind: its directory, its metrics in three formats that agree, its summary and its pictures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use flowmill::plot::{
    self, Comparison, ComparisonCell, ComparisonRow, CurveGroup, Figure, FirstActionsPlot, LearningCurves,
    MultiGoalData, MultiGoalSnapshot, Trajectories, TrajectoryPanels,
};
use flowmill::report::multigoal::{coverage, first_actions};
use flowmill::report::{
    BuildInfo, MetricsLog, MetricsRow, MetricsTable, ReportError, RunDir, RunIdentity, Summary, read_metrics,
    write_atomic,
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

fn event_files(dir: &RunDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains("events.out.tfevents.")).collect();
    files.sort();
    files
}

// ---- the run directory ----

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

// ---- metrics ----

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

// ---- TensorBoard ----

/// CRC-32C bit by bit, so that the reader shares no code with the writer.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    step: u64,
    file_version: Option<String>,
    session_status: Option<u64>,
    scalars: Vec<(String, f32)>,
}

/// The frames of a TFRecord file, with both checksums of each checked.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut at, mut frames) = (0, Vec::new());
    let masked = |data: &[u8]| (crc32c(data) >> 15 | crc32c(data) << 17).wrapping_add(0xa282_ead8);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(word(at + 8), masked(&bytes[at..at + 8]), "checksum of a length");
        let data = &bytes[at + 12..at + 12 + length];
        assert_eq!(word(at + 12 + length), masked(data), "checksum of the data");
        frames.push(data);
        at += 16 + length;
    }
    frames
}

/// (field, value) pairs of a message; length-delimited values as bytes, the others as their little-endian bytes.
fn fields(mut data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut out = Vec::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let length = match key & 7 {
            0 => {
                out.push((key >> 3, varint(&mut data).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut data) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = data.split_at(length);
        out.push((key >> 3, value.to_vec()));
        data = rest;
    }
    out
}

fn events(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let parse = |frame: &&[u8]| {
        let mut event = Event::default();
        for (field, value) in fields(frame) {
            match field {
                1 => assert!(f64::from_bits(number(&value)) > 1.6e9, "wall time in Unix seconds"),
                2 => event.step = number(&value),
                3 => event.file_version = Some(text(&value)),
                5 => {
                    for (field, entry) in fields(&value) {
                        assert_eq!(field, 1);
                        let entry = fields(&entry);
                        assert_eq!((entry[0].0, entry[1].0), (1, 2));
                        event
                            .scalars
                            .push((text(&entry[0].1), f32::from_le_bytes(entry[1].1.as_slice().try_into().unwrap())));
                    }
                }
                7 => event.session_status = Some(number(&fields(&value)[0].1)),
                other => panic!("field {other}"),
            }
        }
        event
    };
    frames(&bytes).iter().map(parse).collect()
}

#[test]
fn the_tensorboard_file_has_sound_checksums_and_the_scalars_of_the_csv_file() {
    let (_parent, dir) = run_with_rows(0..5);
    let files = event_files(&dir);
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let parts: Vec<&str> = name.splitn(5, '.').collect();
    assert_eq!(parts[..3], ["events", "out", "tfevents"]);
    assert!(parts[3].parse::<u64>().unwrap() > 1_600_000_000 && !parts[4].is_empty(), "{name}");

    let events = events(&files[0]);
    assert_eq!(events[0], Event { file_version: Some("brain.Event:2".into()), ..Event::default() });
    let table = read_metrics(dir.path()).unwrap();
    assert_eq!(events.len(), 1 + table.iteration.len());
    for (index, event) in events[1..].iter().enumerate() {
        assert_eq!(event.step, table.iteration[index]);
        assert_eq!(event.scalars.len(), TAGS.len());
        for (tag, value) in &event.scalars {
            let expected = table.column(tag).unwrap()[index] as f32;
            assert!(*value == expected || value.is_nan() && expected.is_nan(), "{tag}: {value} against {expected}");
        }
    }
}

#[test]
fn a_resumed_run_adds_an_event_file_that_restarts_at_the_resumed_step() {
    let (_parent, dir) = run_with_rows(0..6);
    MetricsLog::resume(&dir, &TAGS, 3).unwrap().write(&row(3)).unwrap();
    let files = event_files(&dir);
    assert_eq!(files.len(), 2);
    let resumed = files.iter().map(|file| events(file)).find(|events| events.len() == 3).expect("the resumed file");
    assert_eq!((resumed[1].step, resumed[1].session_status), (3, Some(1)));
    assert_eq!(resumed[2].step, 3);
}

#[test]
fn the_tensorboard_package_reads_the_scalars_and_forgets_what_a_resume_replaced() {
    let available = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: python3 with the tensorboard package is not installed");
        return;
    }
    let (_parent, dir) = run_with_rows(0..6);
    let mut log = MetricsLog::resume(&dir, &TAGS, 3).unwrap();
    for iteration in 3..5 {
        log.write(&row(iteration)).unwrap();
    }
    let script = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))";
    let output = Command::new("python3").arg("-c").arg(script).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value =
        serde_json::from_str(&String::from_utf8(output.stdout).unwrap().replace("NaN", "null")).unwrap();
    assert_eq!(read.as_object().unwrap().len(), TAGS.len());
    let table = read_metrics(dir.path()).unwrap();
    for tag in TAGS {
        let points = read[tag].as_array().unwrap();
        assert_eq!(points.len(), table.iteration.len(), "{tag}: {points:?}");
        for (index, point) in points.iter().enumerate() {
            assert_eq!(point[0].as_u64(), Some(table.iteration[index]), "{tag}");
            let expected = table.column(tag).unwrap()[index] as f32;
            let value = point[1].as_f64().map_or(f32::NAN, |value| value as f32);
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{tag}: {value} against {expected}");
        }
    }
}

// ---- pictures ----

/// Uniform numbers in [0, 1), the same on every machine.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A policy's picture: goals chosen with these weights, a spread, and how far the trajectories get (1 all the way).
fn snapshot(
    iteration: u64,
    weights: [f64; 6],
    spread: f64,
    progress: f64,
    strong: f64,
    seed: u64,
) -> MultiGoalSnapshot {
    let mut draws = Draws(seed.wrapping_mul(977) + iteration);
    let pick = |draws: &mut Draws| {
        let mut left = draws.uniform() * weights.iter().sum::<f64>();
        weights
            .iter()
            .position(|weight| {
                left -= weight;
                left < 0.0
            })
            .unwrap_or(5)
    };
    let points = (0..1000)
        .map(|_| {
            let index = pick(&mut draws);
            let goal = flowmill::report::multigoal::goal(index);
            let (bend, reach) =
                (0.9 * draws.normal(), (progress + 0.2 * (1.0 - progress) * draws.normal()).clamp(0.05, 1.1));
            let (end_x, end_y) = (spread * draws.normal(), spread * draws.normal());
            let point = |step: usize| {
                let s = step as f64 / 100.0;
                let along = reach * s * s * (3.0 - 2.0 * s);
                let side = bend * (along * (1.0 - along / 1.1)) * (1.0 - 0.3 * s);
                let (x, y) = (goal[0] / 5.0, goal[1] / 5.0);
                [(5.0 * along * x - side * y + s * end_x) as f32, (5.0 * along * y + side * x + s * end_y) as f32]
            };
            (0..=100).map(point).collect()
        })
        .collect();
    let actions = (0..8192)
        .map(|_| {
            let goal = flowmill::report::multigoal::goal(pick(&mut draws));
            [0, 1].map(|axis| (strong * goal[axis] + (0.4 + 0.3 * strong) * draws.normal()) as f32)
        })
        .collect();
    MultiGoalSnapshot { iteration, trajectories: Trajectories { points }, first_actions: actions }
}

fn training_data() -> MultiGoalData {
    let early = [1.0, 0.3, 0.8, 0.2, 0.9, 1.2];
    MultiGoalData {
        snapshots: vec![
            snapshot(10, early, 0.9, 0.6, 0.3, 1),
            snapshot(20, [1.0, 0.8, 1.1, 0.7, 0.9, 1.2], 0.5, 0.9, 0.8, 1),
            snapshot(30, [1.0, 0.9, 1.1, 0.8, 0.9, 1.1], 0.4, 1.0, 0.9, 1),
            snapshot(40, [1.0, 0.95, 1.05, 0.9, 0.9, 1.1], 0.35, 1.0, 1.0, 1),
        ],
    }
}

/// Metrics of a synthetic run that levels out at `top`.
fn curve(seed: u64, top: f64, speed: f64) -> MetricsTable {
    let mut draws = Draws(seed * 31 + 7);
    let mut table = MetricsTable { columns: vec![TAGS[0].into()], values: vec![Vec::new()], ..MetricsTable::default() };
    let offset = 0.25 * draws.normal();
    for iteration in 0..40 {
        let x = iteration as f64 / 40.0;
        table.iteration.push(iteration);
        table.env_steps.push((iteration + 1) * 131_072);
        table.seconds.push((iteration + 1) as f64 * (1.0 + 0.02 * seed as f64) / speed);
        let value = (top + offset) * (1.0 - (-4.0 * x).exp()) + 0.08 * draws.normal();
        table.values[0].push(if iteration == 0 { f64::NAN } else { value });
    }
    table
}

fn curves() -> LearningCurves {
    let group = |label: &str, top: f64, speed: f64| CurveGroup {
        label: label.into(),
        seeds: (1..=5).map(|seed| curve(seed, top, speed)).collect(),
    };
    let groups = [
        group("multigoal policyflow quick", 7.9, 1.0),
        group("multigoal policyflow quick, algo.w_b=0", 8.8, 1.1),
        group("multigoal ppo quick", 9.0, 2.5),
    ];
    LearningCurves::new("MultiGoal: mean episode return", TAGS[0], "mean episode return", &groups).unwrap()
}

fn comparison() -> Comparison {
    let row = |method: &str, weights: [[f64; 6]; 3], strong: f64, seed: u64| {
        let cell = |(index, weights): (usize, &[f64; 6])| {
            let shot = snapshot(40, *weights, 0.35, 1.0, strong, seed + index as u64);
            ComparisonCell {
                seed: index as u64 + 1,
                trajectories: shot.trajectories,
                first_actions: shot.first_actions,
                final_return: Some(7.8 + 0.1 * index as f64),
            }
        };
        ComparisonRow { method: method.into(), seeds: weights.iter().enumerate().map(cell).collect() }
    };
    let all = [[1.0, 0.9, 1.1, 0.8, 0.9, 1.1], [1.0; 6], [1.0, 1.2, 0.9, 0.8, 1.0, 1.1]];
    let some = [[1.0, 0.9, 0.0, 0.8, 0.5, 0.3], [0.5, 1.0, 1.0, 0.0, 0.0, 0.8], [1.0, 0.0, 0.2, 1.0, 0.6, 0.4]];
    let few = [[1.0, 0.4, 0.02, 0.0, 0.0, 0.3], [0.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.7, 0.0, 0.0, 0.5, 0.6, 0.0]];
    let rows = [row("PolicyFlow", all, 1.0, 1), row("PolicyFlow, w_b = 0", some, 1.0, 11), row("PPO", few, 0.1, 21)];
    Comparison::new("MultiGoal: the same budget, three seeds each", &rows).unwrap()
}

/// Draws a figure into target/tmp, where a person can look at it, and checks what both files must have.
fn drawn<F: Figure>(figure: &F, name: &str, texts: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [svg, png] = plot::save(figure, folder, name).unwrap();
    let (width, height) = figure.size();

    let png = fs::read(png).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let word = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((word(16), word(20)), (2 * width, 2 * height), "PNG size of {name}");
    let pixels = plot::pixels(figure).unwrap();
    let inked = pixels.chunks_exact(3).filter(|pixel| pixel.iter().any(|&value| value < 200)).count();
    assert!(inked * 200 > pixels.len() / 3, "{name}: {inked} dark pixels are a nearly empty picture");

    let document = fs::read_to_string(svg).unwrap();
    assert!(document.starts_with(&format!("<svg width=\"{width}\" height=\"{height}\"")), "{}", &document[..100]);
    assert!(document.trim_end().ends_with("</svg>"));
    for text in texts {
        assert!(document.contains(text), "{name}: `{text}` is not in the SVG");
    }
    document
}

#[test]
fn learning_curves_show_groups_units_and_both_axes() {
    let texts = [
        "MultiGoal: mean episode return",
        "multigoal ppo quick (5 seeds)",
        "environment steps",
        "training time (seconds)",
        "95 % confidence interval",
        "1.0M",
    ];
    let svg = drawn(&curves(), "learning-curves", &texts);
    assert_eq!(svg.matches("<polygon").count(), 2 * 3, "one band a group in each plot");
    let empty = LearningCurves::new(
        "t",
        "Train/no_such_tag",
        "y",
        &[CurveGroup { label: "g".into(), seeds: vec![curve(1, 1.0, 1.0)] }],
    );
    assert!(empty.unwrap_err().to_string().contains("Train/no_such_tag"));
}

#[test]
fn trajectory_panels_title_each_iteration_and_the_final_one_and_label_every_goal() {
    let data = training_data();
    let ends = coverage(&data.snapshots[3].trajectories.end_points());
    let share = format!("\n{:.0} %\n", 100.0 * ends.shares[0]);
    let panels = TrajectoryPanels::new("PolicyFlow on MultiGoal, seed 1", &data).unwrap();
    let texts = ["iteration 10", "iteration 30", "final (iteration 40)", "1000 trajectories", "6 of 6 goals"];
    let svg = drawn(&panels, "trajectories", &texts);
    assert!(svg.contains(share.trim_matches('\n')), "the share of goal 0 is written");
    assert!(svg.matches("<polyline").count() >= 4000, "every trajectory is drawn");
    assert!(TrajectoryPanels::new("t", &MultiGoalData::default()).is_err());
}

#[test]
fn first_actions_show_every_action_the_sectors_and_their_shares() {
    let data = training_data();
    let actions = &data.snapshots[3].first_actions;
    let figure = FirstActionsPlot::new("First actions of PolicyFlow on MultiGoal, seed 1", actions).unwrap();
    let measure = first_actions(actions);
    let strong = format!("norm at least 3: {:.0} %", 100.0 * measure.first_action_strong);
    let svg = drawn(&figure, "first-actions", &["8192 first actions", "norm 3", &strong]);
    assert!(svg.matches("<circle").count() > 8000, "all but a few far ones are drawn");
    for share in measure.shares {
        assert!(svg.contains(&format!("{:.0} %", 100.0 * share)));
    }
}

#[test]
fn a_comparison_shows_methods_seeds_and_measures() {
    let texts =
        ["PolicyFlow, w_b = 0", "PPO", "seed 3", "first-action coverage", "Trajectories from the origin", "7.80"];
    drawn(&comparison(), "comparison", &texts);
}

#[test]
fn runs_are_drawn_again_from_their_directories_and_grouped_by_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let run = |seed: u64, overrides: &[&str]| {
        let overrides = overrides.iter().map(|setting| (*setting).to_owned()).collect();
        let identity = RunIdentity { seed, overrides, ..identity() };
        let dir = RunDir::create(parent.path(), &identity, UNIX_EPOCH).unwrap();
        let mut log = MetricsLog::create(&dir, &TAGS).unwrap();
        (0..6).for_each(|iteration| log.write(&row(iteration)).unwrap());
        let build = BuildInfo {
            version: String::new(),
            git_commit: None,
            adapter: String::new(),
            driver: String::new(),
            backend: String::new(),
            precision: "f32".into(),
            limits: serde_json::Map::new(),
            run: identity,
        };
        dir.write_build(&build).unwrap();
        dir
    };
    let dirs = [run(2, &[]), run(1, &["algo.w_b=0"]), run(1, &[])];
    let groups = plot::group_runs(&dirs).unwrap();
    let shape: Vec<(&str, usize)> = groups.iter().map(|group| (group.label.as_str(), group.seeds.len())).collect();
    assert_eq!(shape, [("multigoal policyflow quick", 2), ("multigoal policyflow quick, algo.w_b=0", 1)]);

    let names = |files: Vec<PathBuf>| -> Vec<String> {
        assert!(files.iter().all(|file| file.is_file()));
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(plot::draw_run(&dirs[0]).unwrap()), ["learning-curve.svg", "learning-curve.png"]);
    let data = MultiGoalData { snapshots: training_data().snapshots.split_off(3) };
    dirs.iter().for_each(|dir| data.save(&dir.plots().join(plot::DATA_FILE)).unwrap());
    let files = names(plot::draw_run(&dirs[0]).unwrap());
    assert_eq!(files.len(), 6, "{files:?}");
    let title = "multigoal policyflow quick, seed 2";
    assert!(fs::read_to_string(dirs[0].plots().join("trajectories.svg")).unwrap().contains(title));

    let files = names(plot::draw_runs(&dirs, parent.path()).unwrap());
    assert_eq!(files, ["learning-curves.svg", "learning-curves.png", "comparison.svg", "comparison.png"]);
    let comparison = fs::read_to_string(parent.path().join("comparison.svg")).unwrap();
    assert!(comparison.contains("seed 2") && comparison.contains("algo.w_b=0"));
}

#[test]
fn multigoal_data_reads_back_exactly_and_a_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.safetensors");
    let data = training_data();
    data.save(&path).unwrap();
    assert_eq!(MultiGoalData::load(&path).unwrap(), data);

    let mut ragged = data.clone();
    ragged.snapshots[0].trajectories.points[5].pop();
    assert!(ragged.save(&path).unwrap_err().to_string().contains("trajectory 5"));
    assert_eq!(MultiGoalData::load(&path).unwrap(), data, "the refused save left the old file");
    fs::write(&path, b"not tensors").unwrap();
    let error = MultiGoalData::load(&path).unwrap_err();
    assert!(error.is_input_error() && error.to_string().contains("data.safetensors"), "{error}");
}
