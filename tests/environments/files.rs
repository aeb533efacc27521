//! Manifests, presets, the search path, and the messages for everything that can be wrong with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use flowmill::env::{EnvKernels, Environment, environments, load};

/// A copy of an environment of this repository in which `file` has `from` replaced by `to`.
pub fn altered(name: &str, file: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let folder = directory.path().join(name);
    std::fs::create_dir(&folder).expect("a new folder");
    for entry in std::fs::read_dir(Path::new("envs").join(name)).expect("the environment's folder") {
        let path = entry.expect("an entry").path();
        let mut text = std::fs::read_to_string(&path).expect("a text file");
        if path.ends_with(file) {
            assert!(text.contains(from), "{file} of {name} has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(folder.join(path.file_name().expect("a file name")), text).expect("a copy");
    }
    (directory, folder)
}

/// The message that an altered environment ends in, without the folder's absolute path.
fn message(name: &str, file: &str, from: &str, to: &str) -> String {
    let (directory, folder) = altered(name, file, from, to);
    let loaded = load(&folder.to_string_lossy());
    let error = match loaded {
        Err(error) => error,
        Ok(env) => EnvKernels::new(&env).expect_err("the altered environment is accepted"),
    };
    error.to_string().replace(&format!("{}/", directory.path().display()), "")
}

fn manifest_message(from: &str, to: &str) -> String {
    message("multigoal", "env.toml", from, to)
}

fn program_message(from: &str, to: &str) -> String {
    message("multigoal", "env.wgsl", from, to)
}

#[test]
fn the_repositorys_environments_are_listed_and_load_by_name_and_by_path() {
    let names: Vec<String> = environments().into_iter().map(|e| e.name).collect();
    for name in ["multigoal", "multigoal-sql", "pendulum"] {
        assert!(names.iter().any(|n| n == name), "{name} is not listed in {names:?}");
        let by_name = load(name).expect("loads by name");
        assert_eq!(by_name.manifest.name, name);
        let by_path = load(&format!("envs/{name}")).expect("loads by path");
        assert_eq!(by_name, Environment { folder: by_name.folder.clone(), ..by_path });
    }
}

#[test]
fn an_unknown_environment_is_answered_with_the_nearest_name_and_the_list() {
    let error = load("multigaol").expect_err("there is no such environment").to_string();
    assert!(error.starts_with("unknown environment `multigaol`, did you mean `multigoal`?; known: "), "{error}");
    assert!(error.contains("pendulum"), "{error}");
    let error = load("zzz").expect_err("there is no such environment").to_string();
    assert!(!error.contains("did you mean"), "{error}");
}

#[test]
fn presets_hold_the_settings_and_unknown_ones_get_the_nearest_name() {
    let env = load("multigoal").expect("loads");
    let quick = env.preset("policyflow", "quick").expect("has a quick preset");
    assert_eq!(quick["minibatches"].as_integer(), Some(64));
    assert_eq!(quick["hidden"].as_array().map(Vec::len), Some(2));
    let released = env.preset("policyflow", "released").expect("has a released preset");
    assert_eq!(released["learning_rate"].as_float(), Some(2e-4));
    assert_eq!(env.preset("policyflow", "paper").expect("has a paper preset")["flow_steps"].as_integer(), Some(12));
    let error = env.preset("policyflow", "quik").expect_err("no such preset").to_string();
    assert!(error.ends_with("envs/multigoal/train.toml: no preset `quik` for `policyflow`, did you mean `quick`?; known: paper, quick, released"), "{error}");
}

#[test]
fn every_environment_has_quick_and_released_presets_of_both_algorithms_with_equal_keys() {
    for name in environments().into_iter().map(|found| found.name) {
        let env = load(&name).expect("loads");
        for algorithm in ["policyflow", "ppo"] {
            let keys = |preset: &str| {
                let table = env.preset(algorithm, preset).expect("the preset exists");
                table.keys().cloned().collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(keys("quick"), keys("released"), "{name} {algorithm}");
        }
    }
}

#[test]
fn a_preset_may_be_the_name_of_another_one_that_is_a_table() {
    let (_directory, folder) = altered("multigoal", "train.toml", "[ppo.quick]", "[ppo.spare]");
    let path = folder.join("train.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |line: &str| {
        std::fs::write(&path, format!("[ppo]\nquick = {line}\n\n{text}")).unwrap();
        load(&folder.to_string_lossy())
    };
    let env = with("\"spare\"").expect("loads");
    assert_eq!(env.preset("ppo", "quick").unwrap(), env.preset("ppo", "spare").unwrap());
    assert_ne!(env.preset("ppo", "quick").unwrap(), env.preset("ppo", "released").unwrap());
    for (line, shown) in [("\"quick\"", "\"quick\""), ("\"rleased\"", "\"rleased\""), ("3", "3")] {
        let error = with(line).expect_err(line).to_string();
        let expected =
            format!("train.toml: `ppo.quick` is {shown}, expected a table or the name of a preset that has one");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_broken_manifest_is_answered_with_file_key_value_and_expectation() {
    let cases = [
        ("horizon = 51", "horizon = -3", "`horizon` is -3, expected 1..=1000000"),
        ("horizon = 51", "horizon = \"long\"", "`horizon` is \"long\", expected a whole number in 1..=1000000"),
        ("horizon = 51", "", "`horizon` is missing, expected a whole number in 1..=1000000"),
        ("horizon = 51", "horizn = 51", "unknown key `horizn`, did you mean `horizon`?"),
        ("dt = 0.1", "dt = 0.0", "`dt` is 0.0, expected seconds in 0 < dt <= 1000"),
        ("dt = 0.1", "dt = nan", "`dt` is nan, expected a number within the range of f32"),
        (
            "name = \"multigoal\"",
            "name = \"Multi Goal\"",
            "`name` is \"Multi Goal\", expected lower-case letters, digits and hyphens",
        ),
        (
            "low = -13.0, high = 13.0",
            "low = 14, high = 13.0",
            "`observation[2].low` is 14, expected less than `high`, which is 13.0",
        ),
        ("low = -13.0", "lwo = -13.0", "unknown key `observation[2].lwo`, did you mean `low`?"),
        (
            "\"velocity_y\"",
            "\"velocity_x\"",
            "`observation[3].name` is \"velocity_x\", expected a name that occurs only once",
        ),
        ("WALL = 8.0", "WALL = inf", "`constants.WALL` is inf, expected a finite number that f32, i32 or u32 can hold"),
        (
            "WALL = 8.0",
            "\"two words\" = 8.0",
            "`constants.two words`: expected a name of letters, digits and underscores",
        ),
        ("steps = 100", "steps = 0", "`evaluation.steps` is 0, expected 1..=1000000"),
        ("[5.0, 0.0],", "[5.0],", "expected a list of points [x, y]"),
        ("dt = 0.1", "dt = ", "line "),
    ];
    for (from, to, expected) in cases {
        let error = manifest_message(from, to);
        assert!(error.starts_with("multigoal/env.toml: "), "{error}");
        assert!(error.contains(expected), "{to}: {error}\nexpected: {expected}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_constant_that_wgsl_refuses_is_reported_in_the_manifest() {
    let error = manifest_message("WALL = 8.0", "WALL = 8.0\nswitch = 1");
    assert!(error.starts_with("multigoal/env.toml: `constants.switch`: "), "{error}");
}

#[test]
fn a_program_that_does_not_compile_is_reported_at_its_own_line_and_column() {
    let line_of = |needle: &str| {
        let text = std::fs::read_to_string("envs/multigoal/env.wgsl").expect("the program");
        text.lines().position(|l| l.contains(needle)).expect("the line") + 1
    };
    let error =
        program_message("let wanted = vec2f(action[0], action[1]);", "let wanted = vec2f(actoin[0], action[1]);");
    let expected = format!("multigoal/env.wgsl:{}:24: ", line_of("let wanted"));
    assert!(error.starts_with(&expected) && error.contains("actoin"), "{error}");
    assert!(error.lines().nth(2).is_some_and(|l| l.find('^') == Some(25)), "{error}");

    // Found by the validator rather than by the parser.
    let error = program_message(
        "let outside = any(abs((*state).position) > vec2f(WALL));",
        "let outside = any(abs((*state).position) > vec2f(WALL)); let no = action[7];",
    );
    assert!(error.starts_with(&format!("multigoal/env.wgsl:{}:", line_of("let outside"))), "{error}");

    let error = program_message("return State(vec2f(0.0), vec2f(0.0));\n}", "return State(vec2f(0.0), vec2f(0.0));\n");
    assert!(error.starts_with("multigoal/env.wgsl:"), "{error}");

    // A name that belongs to the text around the file.
    let error = program_message("fn squared_distance_to_goal", "fn uniform_draw() {}\nfn squared_distance_to_goal");
    let expected = format!("multigoal/env.wgsl:{}:4: ", line_of("fn squared_distance_to_goal"));
    assert!(error.starts_with(&expected) && error.contains("redefinition"), "{error}");
}

#[test]
fn a_file_that_ends_inside_a_block_is_reported_at_its_end() {
    let text = std::fs::read_to_string("envs/pendulum/env.wgsl").expect("the program");
    let (lines, last) = (
        text.trim_end().lines().count() - 1,
        "return array<f32, OBS_DIM>(cos(state.angle), sin(state.angle), state.velocity);",
    );
    let error = message("pendulum", "env.wgsl", &format!("{last}\n}}"), last);
    assert!(error.starts_with(&format!("pendulum/env.wgsl:{lines}:")) && error.contains("brace"), "{error}");
}

#[test]
fn a_program_that_does_not_keep_the_contract_is_told_the_expected_signature() {
    let error = program_message("fn observe(", "fn look(");
    assert!(
        error.contains("function `observe` is missing, expected `fn observe(state: State) -> array<f32, 4>`"),
        "{error}"
    );
    let error =
        program_message("fn reset(random: Random) -> State {", "fn reset(random: Random, more: f32) -> State {");
    assert!(
        error.contains("`reset` takes (Random, f32) and returns State, expected `fn reset(random: Random) -> State`"),
        "{error}"
    );
    let error =
        program_message("// A double", "fn restart(random: Random) -> State { return reset(random); }\n// A double");
    let expected =
        "`restart` takes (Random) and returns State, expected `fn restart(state: State, random: Random) -> State`";
    assert!(error.starts_with("multigoal/env.wgsl:1:") && error.contains(expected), "{error}");
    let flag = "struct State {\n    held: bool,\n    angle: f32,";
    let error = message("pendulum", "env.wgsl", "struct State {\n    angle: f32,", flag);
    assert!(error.starts_with("pendulum/env.wgsl:"), "{error}");
    assert!(error.contains("`held` of `State` is a bool, which a buffer cannot hold: use u32"), "{error}");
    let nested = "struct Held { held: bool }\nstruct State {\n    inner: Held,";
    let error = message("pendulum", "env.wgsl", "struct State {", nested);
    assert!(error.starts_with("pendulum/env.wgsl:4:"), "{error}");
    assert!(error.contains("`State` has a member that a buffer cannot hold"), "{error}");
}

#[test]
fn every_generated_module_is_accepted_by_naga_its_writers_and_by_tint_where_present() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in ["multigoal", "multigoal-sql", "pendulum"] {
        let env = load(name).expect("loads");
        let kernels = EnvKernels::new(&env).expect("compiles");
        for kernel in [&kernels.reset, &kernels.step] {
            if let Err(error) = flowmill::engine::validate_targets(&kernel.wgsl) {
                panic!("{}: {error}", kernel.name);
            }
            let path = directory.path().join(format!("{}.wgsl", kernel.name));
            std::fs::write(&path, &kernel.wgsl).expect("a written module");
            let output = directory.path().join("out.wgsl");
            match Command::new("tint").args(["--format", "wgsl", "-o"]).arg(&output).arg(&path).output() {
                Err(_) => eprintln!("tint is not on the PATH: {} went through naga only", kernel.name),
                Ok(run) => assert!(run.status.success(), "{}: {}", kernel.name, String::from_utf8_lossy(&run.stderr)),
            }
            for binding in &kernel.bindings {
                assert!(kernel.wgsl.contains(&format!("> {binding}:")), "{} has no `{binding}`", kernel.name);
            }
        }
    }
}

#[test]
fn what_no_environment_may_hold_is_refused_in_one_line_with_its_place() {
    let text = std::fs::read_to_string("envs/multigoal/env.wgsl").expect("the program");
    let line = text.lines().position(|l| l.contains("let wanted")).expect("the line") + 1;
    let error = program_message("    let wanted =", "    workgroupBarrier(); let wanted =");
    assert_eq!(error, format!("multigoal/env.wgsl:{line}:5: a barrier cannot be used in an environment"));
    let line = text.lines().position(|l| l.starts_with("struct State")).expect("the line") + 1;
    for (own, column, words) in [
        (
            "@group(0) @binding(7) var<storage, read_write> mine: array<f32>;",
            23,
            "`mine` is shared by all environments",
        ),
        ("var<workgroup> ours: f32;", 1, "`ours` is shared by all environments"),
        ("@compute @workgroup_size(64) fn extra() {}", 30, "`extra` is an entry point"),
    ] {
        let error = program_message("struct State", &format!("{own} struct State"));
        assert!(error.starts_with(&format!("multigoal/env.wgsl:{line}:{column}: {words}")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let (_directory, folder) = altered("multigoal", "env.wgsl", "struct State", "struct State");
    let path = folder.join("env.wgsl");
    std::fs::write(&path, format!("enable f16;\n{text}")).expect("a new program");
    let error =
        EnvKernels::new(&load(&folder.to_string_lossy()).expect("loads")).expect_err("f16 is refused").to_string();
    assert!(error.ends_with("env.wgsl:1:1: f16 is not supported"), "{error}");
}

#[test]
fn state_entries_have_the_size_of_their_wgsl_layout() {
    // vec2f + vec2f + 4 words of bookkeeping; f32 + f32 + 4 words; vec2f + 4 words.
    for (name, bytes) in [("multigoal", 32), ("pendulum", 24), ("multigoal-sql", 24)] {
        let kernels = EnvKernels::new(&load(name).expect("loads")).expect("compiles");
        assert_eq!(kernels.slot_bytes, bytes, "{name}");
    }
}
