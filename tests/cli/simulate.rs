//! `flowmill simulate`: trajectories of a model in NumPy's files, and what it refuses.

use std::fs;
use std::io::Read;
use std::path::Path;

use flowmill::numpy::{self, Array};
use flowmill::physics::dynamics::{SolverLimits, State, step};
use flowmill::physics::mjcf;
use tempfile::TempDir;

use crate::support::{flowmill, parts};

const MODEL: &str = "tests/fixtures/physics/models/runner.xml";

/// Writes an array as NumPy does, by way of the archive's writer.
fn save(path: &Path, shape: &[usize], value: impl Fn(usize) -> f64) {
    let count = shape.iter().product();
    let array = Array { shape: shape.to_vec(), values: (0..count).map(value).collect() };
    fs::write(path, member(&numpy::npz(&[("x", &array)]).unwrap(), "x")).unwrap();
}

/// The bytes of one array of an archive.
fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn load(archive: &Path, name: &str) -> Array {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.npy");
    fs::write(&path, member(&fs::read(archive).unwrap(), name)).unwrap();
    numpy::read(&path).unwrap()
}

/// Exit code and standard error of `simulate` in a folder with `controls.npy` and `state.npy`.
fn simulate(folder: &Path, args: &[&str]) -> (i32, String) {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut command = flowmill();
    command.args(["simulate", MODEL, "--out", &path("out.npz")]);
    command.args(args.iter().map(|arg| if arg.ends_with(".npy") { path(arg) } else { arg.to_string() }));
    let (code, _, stderr) = parts(&command.output().unwrap());
    (code, stderr)
}

#[test]
fn simulate_gives_every_state_of_a_batch_the_trajectory_of_its_controls() {
    let folder = TempDir::new().unwrap();
    let model = mjcf::read(MODEL).unwrap();
    let (batch, steps, nu, width) = (3, 20, model.nu(), model.nq() + model.nv());
    let control = |k: usize| (k as f64 * 0.37).sin();
    let start = |k: usize| if k % width < model.nq() { 0.05 * (k as f64).cos() } else { 0.1 };
    save(&folder.path().join("u.npy"), &[batch, steps, nu], control);
    save(&folder.path().join("s.npy"), &[batch, width], start);
    let (code, stderr) = simulate(folder.path(), &["--reference", "--controls", "u.npy", "--state", "s.npy"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let out = folder.path().join("out.npz");
    let (qpos, qvel) = (load(&out, "qpos"), load(&out, "qvel"));
    assert_eq!((&qpos.shape, &qvel.shape), (&vec![batch, steps, model.nq()], &vec![batch, steps, model.nv()]));
    for b in 0..batch {
        let numbers: Vec<f64> = (0..width).map(|k| start(b * width + k)).collect();
        let (q, v) = numbers.split_at(model.nq());
        let mut state = State { qpos: q.to_vec(), qvel: v.to_vec(), warm: vec![0.0; model.nv()] };
        for k in 0..steps {
            let u: Vec<f64> = (0..nu).map(|i| control((b * steps + k) * nu + i)).collect();
            step(&model, &mut state, &u, SolverLimits { iterations: 100, searches: 50 });
            let at = b * steps + k;
            assert_eq!(qpos.values[at * model.nq()..][..model.nq()], state.qpos, "state {b}, step {k}");
            assert_eq!(qvel.values[at * model.nv()..][..model.nv()], state.qvel, "state {b}, step {k}");
        }
    }
}

#[test]
fn simulate_begins_at_rest_and_gives_one_set_of_controls_to_all() {
    let folder = TempDir::new().unwrap();
    save(&folder.path().join("u.npy"), &[10, 4], |_| 0.5);
    save(&folder.path().join("s.npy"), &[2, 14], |k| if k % 14 == 1 { 1.0 } else { 0.0 });
    assert_eq!(
        simulate(folder.path(), &["--reference", "--controls", "u.npy", "--state", "s.npy", "--steps", "6"]).0,
        0
    );
    let qpos = load(&folder.path().join("out.npz"), "qpos");
    assert_eq!(qpos.shape, [2, 6, 7]);
    assert_eq!(qpos.values[..42], qpos.values[42..]);
    assert_eq!(simulate(folder.path(), &["--reference", "--steps", "3"]).0, 0);
    assert_eq!(load(&folder.path().join("out.npz"), "qpos").shape, [1, 3, 7]);
}

#[test]
fn simulate_refuses_what_does_not_fit_the_model_in_one_line() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    save(&path("wide.npy"), &[5, 6], |_| 0.0);
    save(&path("nan.npy"), &[5, 4], |k| if k == 7 { f64::NAN } else { 0.0 });
    save(&path("u.npy"), &[2, 5, 4], |_| 0.0);
    save(&path("s.npy"), &[3, 14], |_| 0.0);
    save(&path("far.npy"), &[14], |k| if k > 6 { 1e200 } else { 0.0 });
    fs::write(path("text.npy"), "1 2 3").unwrap();
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--reference", "--adapter", "cpu", "--steps", "1"], 2, "cannot be used with"),
        (&["--reference"], 2, "expected --steps or --controls"),
        (&["--reference", "--steps", "0"], 2, "0 steps, expected 1 or more"),
        (&["--reference", "--controls", "wide.npy"], 2, "the shape [5, 6], expected [N, 4] or [batch, N, 4] (nu = 4)"),
        (&["--reference", "--controls", "nan.npy"], 2, "number 7 of the controls is NaN, expected finite numbers"),
        (&["--reference", "--controls", "text.npy"], 2, "text.npy: not a NumPy file"),
        (&["--reference", "--controls", "u.npy", "--state", "s.npy"], 2, "controls for 2 states, but there are 3"),
        (&["--reference", "--controls", "u.npy", "--steps", "6"], 2, "--steps is 6, but there are controls for 5"),
        (&["--reference", "--state", "far.npy", "--steps", "9"], 1, "state 0 is not finite after step"),
        (&["--adapter", "cpu", "--state", "far.npy", "--steps", "9"], 1, "state 0 is not finite after step"),
        (&["--adapter", "none", "--steps", "1"], 2, "none"),
    ];
    for (args, code, want) in cases {
        let (got, stderr) = simulate(folder.path(), args);
        assert!(got == code && stderr.contains(want), "{args:?}: {got} {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!path("out.npz").exists());
    }
    let model = path("bad.xml");
    fs::write(&model, "<mujoco>\n<worldbody><body><geom type='mesh'/></body></worldbody></mujoco>").unwrap();
    let model = model.display().to_string();
    let (code, _, stderr) = parts(
        &flowmill().args(["simulate", &model, "--reference", "--steps", "1", "--out", "x.npz"]).output().unwrap(),
    );
    assert!(code == 2 && stderr.contains("bad.xml:2: <geom>: `type` is `mesh`, supported: plane"), "{stderr}");

    // Every ball may touch every other.
    let balls = "<body><freejoint/><geom size='0.1'/></body>".repeat(19);
    fs::write(&model, format!("<mujoco><worldbody>{balls}</worldbody></mujoco>")).unwrap();
    let (code, _, stderr) = parts(
        &flowmill().args(["simulate", &model, "--adapter", "cpu", "--steps", "1", "--out", "x.npz"]).output().unwrap(),
    );
    assert!(code == 2 && stderr.contains("bad.xml: 171 contacts are possible"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn simulate_on_an_adapter_gives_the_reference_s_trajectories_in_single_precision() {
    let folder = TempDir::new().unwrap();
    let (batch, steps, width) = (3, 20, 14);
    save(&folder.path().join("u.npy"), &[batch, steps, 4], |k| (k as f64 * 0.37).sin());
    save(&folder.path().join("s.npy"), &[batch, width], |k| 0.1 * (k as f64).cos() + f64::from(k % width == 1));
    let run = |how: &[&str]| {
        let (code, stderr) = simulate(folder.path(), &[&["--controls", "u.npy", "--state", "s.npy"], how].concat());
        assert_eq!((code, stderr.as_str()), (0, ""));
        ["qpos", "qvel"].map(|name| load(&folder.path().join("out.npz"), name))
    };
    for (got, want) in run(&["--adapter", "cpu"]).iter().zip(run(&["--reference"])) {
        assert_eq!(got.shape, want.shape);
        for (a, b) in got.values.iter().zip(&want.values) {
            assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{a} {b}");
        }
    }
}

/// Seven balls in one place: each touches all others, and there are places for a quarter of the pairs.
#[test]
fn simulate_ends_with_an_error_where_contacts_were_left_out_and_the_reference_leaves_none_out() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ball = "<body><joint type='slide' axis='1 0 0'/><geom size='0.1'/></body>";
    let hub = "<joint axis='0 1 0'/><geom size='0.1' contype='0' conaffinity='0'/>";
    let model = format!("<mujoco><worldbody><body>{hub}{}</body></worldbody></mujoco>", ball.repeat(7));
    fs::write(path("crowd.xml"), model).unwrap();
    save(&folder.path().join("u.npy"), &[1, 2, 0], |_| 0.0);
    let run = |how: &[&str]| {
        let mut command = flowmill();
        command
            .args(["simulate", &path("crowd.xml"), "--controls", &path("u.npy"), "--out", &path("out.npz")])
            .args(how);
        let (code, _, stderr) = parts(&command.output().unwrap());
        (code, stderr)
    };
    let (code, stderr) = run(&["--adapter", "cpu"]);
    let last = stderr.lines().last().unwrap();
    assert!(
        code == 1 && last.contains("had more contacts") && last.contains("the 5 that there is room for"),
        "{stderr}"
    );
    assert_eq!(load(&folder.path().join("out.npz"), "qpos").shape, [1, 2, 8]);
    assert_eq!(run(&["--reference"]).0, 0);
}
