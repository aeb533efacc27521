//! The dynamics of one model as WGSL: the step is recorded, what is constant in the model folds away, and what is left is
//! written as straight lines with a branch for each contact.
//!
//! There are no tables and no indices that are not constant: a driver keeps all in registers.

mod live;
mod print;
mod quantity;
mod recorded;
mod tape;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use self::print::{Text, number, print};
pub use self::quantity::Quantity;
use self::recorded::{Recorded, input};
use self::tape::{Value, record};
use crate::physics::dynamics::{Forward, SolverLimits, State, forward, step, touch_sensor};
use crate::physics::model::{Cone, JointKind, Model};

/// Bounds of a step's work on the device. Most line searches need two evaluations where costs are quadratic piece by piece; round cones need more.
pub fn limits(model: &Model) -> SolverLimits {
    SolverLimits { iterations: 10, searches: if model.options.cone == Cone::Elliptic { 8 } else { 6 } }
}

/// Contacts that a program may hold; each is a piece of straight text.
const MOST_CONTACTS: usize = 160;

/// What a module holds beside the step.
#[derive(Debug, Clone, Default)]
pub struct Extent {
    /// Members of `View`, and sensors of contact forces.
    pub quantities: Vec<Quantity>,
    /// `Physics` counts Newton steps, the most of a step, steps that did not converge, and steps in which a contact was left out.
    pub counters: bool,
}

/// A model that is too large for this kind of program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{contacts} contacts are possible between the model's geoms, expected at most {MOST_CONTACTS}: narrow them with contype and conaffinity, or exclude"
)]
pub struct TooManyContacts {
    /// As many as could act at once.
    pub contacts: usize,
}

/// Constants, types and functions of a model:
///
/// - `NQ`, `NV`, `NU` (1 for a model without controls, which does not read it), and `NTOUCH` where there are touch sensors
/// - `struct Physics { qpos, qvel, warm [, touch] [, most_iterations, not_converged, left_out] }`
/// - `physics_initial() -> Physics`: the file's configuration, at rest
/// - `physics_step(p, control)`: one time step
/// - `physics_touch(p, control)`: the touch sensors, without moving
/// - `physics_view(p) -> View`: quantities that follow from positions and velocities
pub fn module(model: &Model, extent: &Extent) -> Result<String, TooManyContacts> {
    let contacts: usize = model.pairs.iter().map(|pair| possible_contacts(model, pair.geoms)).sum();
    if contacts > MOST_CONTACTS {
        return Err(TooManyContacts { contacts });
    }
    let touches: Vec<usize> = extent.quantities.iter().filter_map(Quantity::touch).collect();
    let mut text = declarations(model, &touches, extent.counters);
    let inputs = inputs(model);
    let function =
        |about: &str, head: &str, text: Text| format!("{}\n// {about}\n{head} {{\n{}}}\n", text.functions, text.body);

    let (tape, statements, results) = record(|| {
        let (mut state, control) = arguments(model);
        let now = step(model, &mut state, &control, limits(model));
        let mut results = assignments("qpos", &state.qpos);
        results.extend(assignments("qvel", &state.qvel));
        results.extend(assignments("warm", &state.warm));
        results.extend(assignments("touch", &touch_forces(model, &now, &touches)));
        if extent.counters {
            let [most, missed, left_out] = [3, 2, 1].map(|back| input(inputs.len() - back));
            results.push(("(*p).most_iterations".into(), max(most, now.solution.iterations).0));
            results.push(("(*p).not_converged".into(), (missed + (one() - now.solution.converged)).0));
            let overflows = now.constraints.left_out;
            results.push(("(*p).left_out".into(), (left_out + min(overflows, one())).0));
        }
        results
    });
    let head = "fn physics_step(p: ptr<function, Physics>, control: array<f32, NU>)";
    text.push_str(&function("One time step.", head, print(&tape, &statements, &results, &inputs, "step")));

    if !touches.is_empty() {
        let (tape, statements, results) = record(|| {
            let (state, control) = arguments(model);
            let now = forward(model, &state, &control, limits(model));
            let mut results = assignments("touch", &touch_forces(model, &now, &touches));
            results.extend(assignments("warm", &now.solution.acceleration));
            results
        });
        let head = "fn physics_touch(p: ptr<function, Physics>, control: array<f32, NU>)";
        let body = print(&tape, &statements, &results, &inputs, "touch");
        text.push_str(&function("The touch sensors of a state, which stays as it is.", head, body));
    }

    let quantities: Vec<&Quantity> = extent.quantities.iter().filter(|quantity| quantity.touch().is_none()).collect();
    if !quantities.is_empty() {
        text.push_str(&view(model, &quantities, &inputs));
    }
    Ok(text)
}

fn one() -> Recorded {
    crate::physics::dynamics::Scalar::of(1.0)
}

fn max(a: Recorded, b: Recorded) -> Recorded {
    crate::physics::dynamics::Scalar::max(a, b)
}

fn min(a: Recorded, b: Recorded) -> Recorded {
    crate::physics::dynamics::Scalar::min(a, b)
}

/// Contacts of two geoms at most.
fn possible_contacts(model: &Model, geoms: [usize; 2]) -> usize {
    use crate::physics::model::Shape::{Box, Capsule, Plane};
    match geoms.map(|geom| model.geoms[geom].shape) {
        [Plane, Capsule] => 2,
        [Plane, Box] => 8,
        _ => 1,
    }
}

fn declarations(model: &Model, touches: &[usize], counters: bool) -> String {
    let name = if model.name.is_empty() { "a model without a name" } else { &model.name };
    let mut text =
        format!("// Physics of {name}: {} bodies, {} pairs of geoms.\n", model.bodies.len(), model.pairs.len());
    let sizes = [("NQ", model.nq()), ("NV", model.nv()), ("NU", model.nu().max(1)), ("NTOUCH", touches.len())];
    for (name, size) in sizes.into_iter().filter(|(name, size)| *name != "NTOUCH" || *size > 0) {
        let _ = writeln!(text, "const {name} = {size};");
    }
    let mut members = vec!["qpos: array<f32, NQ>", "qvel: array<f32, NV>", "warm: array<f32, NV>"];
    if !touches.is_empty() {
        members.push("touch: array<f32, NTOUCH>");
    }
    if counters {
        members.extend(["most_iterations: f32", "not_converged: f32", "left_out: f32"]);
    }
    let _ = writeln!(text, "\n// Positions, velocities, and the acceleration from which the solver begins.");
    let _ = writeln!(text, "struct Physics {{ {} }}", members.join(", "));
    let numbers: Vec<String> = model.qpos0.iter().map(|&x| number(x)).collect();
    let _ = writeln!(text, "\n// The configuration of the model's file, at rest.\nfn physics_initial() -> Physics {{");
    let _ = writeln!(text, "    var p = Physics();");
    for (index, number) in numbers.iter().enumerate() {
        let _ = writeln!(text, "    p.qpos[{index}] = {number};");
    }
    text.push_str("    return p;\n}\n");
    text
}

/// Names and expressions of a program's inputs: positions, velocities, warm start, controls, counters.
fn inputs(model: &Model) -> Vec<(String, String)> {
    let mut positions = Vec::new();
    let mut velocities = Vec::new();
    for (index, joint) in model.joints.iter().enumerate() {
        let plain: String = joint.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = if plain.is_empty() { format!("joint{index}") } else { plain };
        let numbers: (Vec<&str>, Vec<&str>) = match joint.kind {
            JointKind::Slide | JointKind::Hinge => (vec![""], vec![""]),
            JointKind::Ball => (vec!["_qw", "_qx", "_qy", "_qz"], vec!["_wx", "_wy", "_wz"]),
            JointKind::Free => {
                (vec!["_x", "_y", "_z", "_qw", "_qx", "_qy", "_qz"], vec!["_x", "_y", "_z", "_wx", "_wy", "_wz"])
            }
        };
        positions.extend(numbers.0.iter().map(|part| format!("{name}{part}")));
        velocities.extend(numbers.1.iter().map(|part| format!("{name}{part}")));
    }
    let numbered = |letter: &str, names: &[String], member: &str| -> Vec<(String, String)> {
        let one = |(index, name): (usize, &String)| (format!("{letter}{index}_{name}"), format!("{member}[{index}]"));
        names.iter().enumerate().map(one).collect()
    };
    let mut inputs = numbered("q", &positions, "(*p).qpos");
    inputs.extend(numbered("v", &velocities, "(*p).qvel"));
    inputs.extend(numbered("w", &velocities, "(*p).warm"));
    let controls: Vec<String> = (0..model.nu()).map(|index| format!("control{index}")).collect();
    inputs.extend(numbered("u", &controls, "control"));
    inputs.push(("most_iterations".into(), "(*p).most_iterations".into()));
    inputs.push(("not_converged".into(), "(*p).not_converged".into()));
    inputs.push(("left_out".into(), "(*p).left_out".into()));
    inputs
}

/// State and controls as inputs.
fn arguments(model: &Model) -> (State<Recorded>, Vec<Recorded>) {
    let mut next = 0;
    let mut take = |count: usize| -> Vec<Recorded> {
        next += count;
        (next - count..next).map(input).collect()
    };
    let (qpos, qvel, warm) = (take(model.nq()), take(model.nv()), take(model.nv()));
    (State { qpos, qvel, warm }, take(model.nu()))
}

fn assignments(member: &str, values: &[Recorded]) -> Vec<(String, Value)> {
    values.iter().enumerate().map(|(index, value)| (format!("(*p).{member}[{index}]"), value.0)).collect()
}

fn touch_forces(model: &Model, now: &Forward<Recorded>, sensors: &[usize]) -> Vec<Recorded> {
    sensors.iter().filter_map(|&sensor| touch_sensor(model, now, model.sensors[sensor].kind)).collect()
}

/// `View` and the function that fills it.
fn view(model: &Model, quantities: &[&Quantity], inputs: &[(String, String)]) -> String {
    let mut members = String::new();
    let (tape, statements, results) = record(|| {
        let (state, _) = arguments(model);
        let mut results = Vec::new();
        for quantity in quantities {
            let member = quantity.member();
            let values = quantity.values(model, &state.qpos, &state.qvel);
            let kind = if values.len() == 1 { "f32" } else { "vec3f" };
            let _ = writeln!(members, "    {member}: {kind},");
            for (value, axis) in values.iter().zip(["x", "y", "z"]) {
                let place = if values.len() == 1 { String::new() } else { format!(".{axis}") };
                results.push((format!("view.{member}{place}"), value.0));
            }
        }
        results
    });
    // A value, not a pointer, is what is looked at.
    let inputs: Vec<(String, String)> =
        inputs.iter().map(|(name, text)| (name.clone(), text.replace("(*p)", "p"))).collect();
    let Text { functions, body } = print(&tape, &statements, &results, &inputs, "view");
    format!(
        "{functions}\n// What follows from positions and velocities, in the world's frame unless its sensor says otherwise.\nstruct View {{\n{members}}}\n\nfn physics_view(p: Physics) -> View {{\n    var view: View;\n{body}    return view;\n}}\n"
    )
}
