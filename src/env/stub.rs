//! Stands in for the generator: the interface without motion.
use crate::physics::model::Model;

pub(super) fn module(model: &Model, quantities: &[String]) -> Result<String, String> {
    let touch: Vec<&String> = quantities.iter().filter(|q| q.starts_with("touch.")).collect();
    let (nq, nv, nu) = (model.nq(), model.nv(), model.nu());
    let touch_member = if touch.is_empty() { String::new() } else { format!("const NTOUCH = {};\n", touch.len()) };
    let qpos: Vec<String> = model.qpos0.iter().map(|q| format!("{q:?}")).collect();
    let view: Vec<String> = quantities
        .iter()
        .filter(|q| !q.starts_with("touch."))
        .map(|q| {
            let name = q.replace(['.', '-'], "_");
            let ty = if q == "touching" { "f32" } else { "vec3f" };
            format!("{name}: {ty},")
        })
        .collect();
    let view = if view.is_empty() { "empty: f32".to_string() } else { view.join(" ") };
    let t = if touch.is_empty() { "" } else { ", touch: array<f32, NTOUCH>" };
    let t0 = if touch.is_empty() { "" } else { ", array<f32, NTOUCH>()" };
    Ok(format!(
        "const NQ = {nq};\nconst NV = {nv};\nconst NU = {nu};\n{touch_member}
struct Physics {{ qpos: array<f32, NQ>, qvel: array<f32, NV>, warm: array<f32, NV>{t} }}
fn physics_initial() -> Physics {{ return Physics(array<f32, NQ>({}), array<f32, NV>(), array<f32, NV>(){t0}); }}
fn physics_step(p: ptr<function, Physics>, control: array<f32, NU>) {{ (*p).qpos[0] += 0.01 * control[0]; }}
fn physics_touch(p: ptr<function, Physics>, control: array<f32, NU>) {{ }}
struct View {{ {view} }}
fn physics_view(p: Physics) -> View {{ return View(); }}
",
        qpos.join(", ")
    ))
}
