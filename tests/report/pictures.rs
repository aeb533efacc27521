//! The pictures: what they say in text, and that both files are whole. `target/tmp` keeps them to be looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flowmill::plot::{
    self, Comparison, ComparisonCell, ComparisonRow, CurveGroup, Figure, FirstActionsPlot, LearningCurves,
    MultiGoalData, MultiGoalSnapshot, Trajectories, TrajectoryPanels,
};
use flowmill::report::multigoal::{coverage, first_actions};
use flowmill::report::{BuildInfo, MetricsLog, MetricsTable, RunDir, RunIdentity};

use crate::{TAGS, identity, row};

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
