use std::path::{Path, PathBuf};

use super::tape::{Op, record};
use super::*;
use crate::physics::dynamics::{Position, Velocity, bias_force, mass_matrix};
use crate::physics::mjcf;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("envs/models/{name}.xml"))
}

fn model(name: &str) -> Model {
    mjcf::read(path(name)).unwrap()
}

fn arithmetic(tape: &tape::Tape) -> usize {
    tape.nodes.iter().filter(|node| !matches!(node.op, Op::Input(_) | Op::Read(_))).count()
}

#[test]
fn constants_of_a_planar_model_fold_away() {
    let model = model("cheetah");
    let (tape, ..) = record(|| {
        let (state, _) = arguments(&model);
        let position = Position::new(&model, &state.qpos);
        mass_matrix(&model, &position);
        let velocity = Velocity::new(&model, &position, &state.qvel);
        bias_force(&model, &position, &velocity, &state.qvel);
    });
    // Nine joints in a plane: rotations are pairs of sine and cosine, and everything across the plane is zero.
    let count = arithmetic(&tape);
    assert!((600..1100).contains(&count), "{count} operations");
}

#[test]
fn every_model_becomes_valid_text_without_indices_that_are_not_constant() {
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("envs/models")).unwrap() {
        let path = file.unwrap().path();
        let model = mjcf::read(&path).unwrap();
        let text = module(&model, &Extent { quantities: Vec::new(), counters: true }).unwrap();
        let parsed = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{path:?}: {}", e.message()));
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
            .validate(&parsed)
            .unwrap_or_else(|e| panic!("{path:?}: {e:?}"));
        for (_, function) in parsed.functions.iter() {
            let dynamic = |(_, e): (_, &naga::Expression)| matches!(e, naga::Expression::Access { .. });
            assert!(!function.expressions.iter().any(dynamic), "{path:?}");
        }
    }
}

#[test]
fn a_branch_writes_its_variables_in_place_only_where_nobody_reads_what_they_were() {
    let inputs: Vec<(String, String)> = ["x", "y"].map(|name| (name.to_string(), format!("in_{name}"))).to_vec();
    let program = |keep: bool| {
        let (tape, statements, results) = record(|| {
            use crate::physics::dynamics::Scalar;
            let (x, y) = (input(0), input(1));
            let first = Recorded::when(x.less(y), || "first".into(), vec![x], |v| vec![v[0] * y]);
            let second = Recorded::when(y.less(x), || "second".into(), first.clone(), |v| vec![v[0] + y]);
            let sum = if keep { second[0] + first[0] } else { second[0] };
            vec![("out".to_string(), sum.0)]
        });
        print(&tape, &statements, &results, &inputs, "test").body
    };
    assert_eq!(program(false).matches("var ").count(), 1, "{}", program(false));
    assert_eq!(program(true).matches("var ").count(), 2, "{}", program(true));
}
