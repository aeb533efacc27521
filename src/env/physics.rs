//! `[physics]` of `env.toml`: the model that an environment moves, as WGSL beside its program.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::EnvError;
use super::section::{Section, number};
use crate::physics::mjcf;
use crate::physics::model::{JointKind, Model};
use crate::physics::wgsl::{self, Extent, Quantity};

/// Most model steps of a control step.
const MAX_SUBSTEPS: u32 = 1000;

/// The section, checked as far as it can be without the model.
#[derive(Clone, PartialEq, Debug)]
pub struct PhysicsSection {
    /// The model file (MJCF).
    pub model: PathBuf,
    /// Model steps of a control step.
    pub substeps: u32,
    /// What the program reads of the model beside its state: `kind.name`.
    pub quantities: Vec<String>,
    /// Joints, and the damping that replaces the model's.
    pub damping: Vec<(String, f64)>,
}

impl PhysicsSection {
    /// Reads the section of an `env.toml`, if it has one. The model's path is relative to the file.
    pub(super) fn read(path: &Path, top: &Section) -> Result<Option<Self>, EnvError> {
        let Some(table) = top.table("physics")? else { return Ok(None) };
        let section = Section::new(path, "physics.", table, &["model", "substeps", "quantities", "damping"])?;
        let expected = "a list of names such as \"body_position.torso\"";
        let quantities = match section.get("quantities") {
            None => Vec::new(),
            Some(Value::Array(list)) if list.iter().all(Value::is_str) => {
                list.iter().filter_map(Value::as_str).map(String::from).collect()
            }
            Some(_) => return Err(section.unexpected("quantities", expected)),
        };
        let empty = Table::new();
        let table = section.table("damping")?.unwrap_or(&empty);
        let mut damping = Vec::new();
        for (joint, value) in table {
            match number(value).filter(|x| *x >= 0.0 && x.is_finite()) {
                Some(x) => damping.push((joint.clone(), x)),
                None => {
                    return Err(section.error(format!("`physics.damping.{joint}` is {value}, expected a number >= 0")));
                }
            }
        }
        Ok(Some(Self {
            model: path.parent().unwrap_or(Path::new("")).join(section.text("model")?),
            substeps: section.integer("substeps", 1..=MAX_SUBSTEPS, Some(1))?,
            quantities,
            damping,
        }))
    }

    /// Compiles the model, with what the section overrides. `file` is the `env.toml`, for messages.
    ///
    /// # Errors
    /// A model that cannot be read or is not supported, and a joint that it does not have.
    pub fn compile(&self, file: &Path) -> Result<Model, EnvError> {
        let mut model = mjcf::read(&self.model)?;
        for (name, damping) in &self.damping {
            let Some(joint) = model.joints.iter().find(|joint| joint.name == *name) else {
                let message = format!("`physics.damping.{name}`: {} has no joint `{name}`", self.model.display());
                return Err(EnvError::File { path: file.to_path_buf(), message });
            };
            let first = joint.dof;
            let count = joint.kind.nv();
            model.dofs.iter_mut().skip(first).take(count).for_each(|dof| dof.damping = *damping);
        }
        Ok(model)
    }

    /// The text that is put behind `env.wgsl`: the model's step and what belongs to it, and the parts of rewards.
    pub(super) fn module(&self, file: &Path, dt: f64) -> Result<String, EnvError> {
        let model = self.compile(file)?;
        let refused = |message: String| EnvError::File { path: file.to_path_buf(), message };
        let step = model.options.timestep * f64::from(self.substeps);
        if (dt - step).abs() > 1e-9 * step {
            let Self { substeps, model: path, .. } = self;
            let timestep = model.options.timestep;
            let message = format!(
                "`dt` is {dt:?}, expected {step:?}: `physics.substeps` ({substeps}) times the time step of {} ({timestep:?})",
                path.display()
            );
            return Err(refused(message));
        }
        let mut text = generated(&model, &self.quantities).map_err(refused)?;
        let _ = writeln!(text, "\n// ---- what belongs to the task\n\nconst SUBSTEPS = {};\n", self.substeps);
        text.push_str(AT_REST);
        // A single step stays free of a loop: an environment without loops may be light.
        let repeat = if self.substeps == 1 { "" } else { "for (var i = 0u; i < SUBSTEPS; i++) " };
        let _ = writeln!(text, "    {repeat}{{ physics_step(&p, control); }}\n    return p;\n}}\n");
        text.push_str(&random_pose(&model));
        text.push_str(REWARDS);
        Ok(text)
    }
}

/// The model as WGSL. The error says which key is wrong.
fn generated(model: &Model, quantities: &[String]) -> Result<String, String> {
    let quantities: Result<Vec<Quantity>, String> =
        quantities.iter().map(|text| Quantity::parse(model, text)).collect();
    let quantities = quantities.map_err(|message| format!("`physics.quantities`: {message}"))?;
    let extent = Extent { quantities, ..Extent::default() };
    wgsl::module(model, &extent).map_err(|error| format!("`physics.model`: {error}"))
}

const REWARDS: &str = include_str!("../../shaders/lib/rewards.wgsl");

const AT_REST: &str = "// At rest in a configuration.
fn physics_at_rest(qpos: array<f32, NQ>) -> Physics {
    var p = physics_initial();
    p.qpos = qpos;
    return p;
}

// The model steps of a control step.
fn physics_advance(before: Physics, control: array<f32, NU>) -> Physics {
    var p = before;
";

/// `fn random_pose`, and the number of lanes it draws.
fn random_pose(model: &Model) -> String {
    let mut entries: Vec<String> = model.qpos0.iter().map(|q| format!("{q:?}")).collect();
    let mut lanes = 0;
    for joint in &model.joints {
        let range = match (joint.kind, joint.range) {
            (JointKind::Hinge | JointKind::Slide, Some(range)) => range,
            (JointKind::Hinge, None) => [-std::f64::consts::PI, std::f64::consts::PI],
            _ => continue,
        };
        if let Some(entry) = entries.get_mut(joint.qpos) {
            *entry = format!("random_range(random, lane + {lanes}u, {:?}, {:?})", range[0], range[1]);
            lanes += 1;
        }
    }
    format!(
        "// A configuration: joints uniform in their ranges, hinges without one uniform in [-pi, pi), the rest as in the model. Draws
// the lanes `lane`, `lane + 1`, ... `lane + POSE_LANES - 1`.
const POSE_LANES = {lanes};
fn random_pose(random: Random, lane: u32) -> array<f32, NQ> {{
    return array<f32, NQ>(
        {},
    );
}}

",
        entries.join(",\n        ")
    )
}
