//! Fixtures: numbers that MuJoCo computed, and the models they belong to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowmill::physics::mjcf;
use flowmill::physics::model::Model;
use serde_json::Value;

/// Models of this repository, which together use everything that the reader accepts.
pub const OWN: [&str; 9] = ["arm", "tumble", "grip", "swing", "runner", "pendula", "shapes", "notations", "mixture"];
/// Models of dm_control's suite that have fixtures. Their files are not part of this repository; those of its environments, with
/// the same numbers, are tested where they are there.
pub const SUITE: [&str; 12] = [
    "pendulum",
    "cartpole",
    "acrobot",
    "point_mass",
    "reacher",
    "ball_in_cup",
    "finger",
    "cheetah",
    "hopper",
    "walker",
    "fish",
    "swimmer",
];

/// Named lists of numbers.
pub type Numbers = BTreeMap<String, Vec<f64>>;

/// What is known of a model.
pub struct Fixture {
    pub constants: Numbers,
    pub states: Vec<Numbers>,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/physics")
}

pub fn fixture(name: &str) -> Fixture {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap();
    let numbers = |value: &Value| -> Numbers {
        let list = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        value.as_object().unwrap().iter().map(|(key, v)| (key.clone(), list(v))).collect()
    };
    let states = file["states"].as_array().unwrap().iter().map(numbers).collect();
    Fixture { constants: numbers(&file["constants"]), states }
}

/// A model of this repository.
pub fn own(name: &str) -> Model {
    mjcf::read(folder().join("models").join(format!("{name}.xml"))).unwrap()
}

/// A model of dm_control's suite, whose folder `FLOWMILL_DM_SUITE` names; `None`, and a line, where it is not set.
pub fn suite(name: &str) -> Option<Model> {
    let Some(folder) = std::env::var_os("FLOWMILL_DM_SUITE") else {
        println!("{name}: skipped, FLOWMILL_DM_SUITE does not name the folder of dm_control's suite");
        return None;
    };
    let path = Path::new(&folder).join(format!("{name}.xml"));
    let text = std::fs::read_to_string(&path).unwrap();
    // As in tests/reference/physics_fixtures.py: `finger` has decoration whose contacts are not supported.
    let text = match name {
        "finger" => text.replace("type=\"cylinder\"", "type=\"cylinder\" contype=\"0\" conaffinity=\"0\""),
        // The file is a template, to which the package's Python adds links.
        "swimmer" => return None,
        _ => text,
    };
    Some(mjcf::parse(&text, &path.display().to_string()).unwrap())
}

/// The model of an environment of this repository, where it is there. It has the bodies of the suite's, and of
/// geoms, sites and sensors only those that a task needs.
pub fn environment(name: &str) -> Option<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs/models").join(format!("{name}.xml"));
    path.exists().then(|| mjcf::read(path).unwrap())
}

/// What a fixture says of geoms, sites and sensors.
const SCENERY: [&str; 4] = ["geom_size", "geom_frame", "site_frame", "sensors"];

/// All models at hand, by name, each with its fixture.
pub fn models() -> Vec<(&'static str, Model, Fixture)> {
    let whole = |name, model| (name, model, fixture(name));
    let bare = |name, model| {
        let mut fixture = fixture(name);
        for numbers in fixture.states.iter_mut().chain([&mut fixture.constants]) {
            numbers.retain(|key, _| !SCENERY.contains(&key.as_str()));
        }
        (name, model, fixture)
    };
    let own = OWN.into_iter().map(|name| whole(name, own(name)));
    let suites = SUITE.into_iter().filter_map(|name| Some(whole(name, suite(name)?)));
    let environments = SUITE.into_iter().filter_map(|name| Some(bare(name, environment(name)?)));
    own.chain(suites).chain(environments).collect()
}

/// The largest difference over `floor` plus the largest wanted entry; infinite where the lengths differ.
pub fn difference(got: &[f64], want: &[f64], floor: f64) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let scale = want.iter().fold(floor, |largest, x| largest.max(x.abs()));
    let error = |(a, b): (&f64, &f64)| if (a - b).is_nan() { f64::INFINITY } else { (a - b).abs() / scale };
    got.iter().zip(want).map(error).fold(0.0, f64::max)
}

/// Panics with all wanted quantities that differ by more than the tolerance, and their worst numbers.
pub fn assert_close(name: &str, got: &Numbers, want: &Numbers, floor: f64, tolerance: f64) {
    let mut wrong = Vec::new();
    for (key, want) in want {
        let got = got.get(key).unwrap_or_else(|| panic!("{name}: {key} is not computed"));
        let error = difference(got, want, floor);
        if error > tolerance {
            let worst = got.iter().zip(want).enumerate();
            let worst = worst.max_by(|(_, (a, b)), (_, (c, d))| (*a - *b).abs().total_cmp(&(*c - *d).abs()));
            wrong.push(format!("{key}: {error:.1e} ({} and {} numbers, worst {worst:?})", got.len(), want.len()));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n  {}", wrong.join("\n  "));
}
