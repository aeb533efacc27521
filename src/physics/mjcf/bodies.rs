//! The tree of bodies with their joints, geoms and sites.

use std::collections::HashSet;

use glam::DVec3;

use super::MjcfError;
use super::attributes::Attributes;
use super::classes::Classes;
use super::document::Element;
use super::frame::{self, Pose};
use super::geoms::{self, GeomDraft};
use super::inertia::{self, Inertial};
use super::joints::{self, JointDraft};
use super::settings::Compiler;
use crate::physics::model::{Body, Frame, JointKind, Model, Site};

/// What moves must have more mass and inertia than this.
const SMALLEST: f64 = 1e-15;

/// A body as it is read.
pub(super) struct Draft<'a> {
    pub element: &'a Element,
    parent: usize,
    frame: Frame,
    pub inertial: Option<Inertial>,
    joints: Vec<JointDraft>,
    pub geoms: Vec<GeomDraft>,
    sites: Vec<Site>,
}

/// All bodies in depth-first order, the world first.
pub(super) struct Tree<'a> {
    compiler: &'a Compiler,
    classes: &'a Classes<'a>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> Tree<'a> {
    /// Reads all `worldbody` sections.
    pub fn read(root: &'a Element, compiler: &'a Compiler, classes: &'a Classes<'a>) -> Result<Self, MjcfError> {
        let world = Draft {
            element: root,
            parent: 0,
            frame: Frame::default(),
            inertial: None,
            joints: Vec::new(),
            geoms: Vec::new(),
            sites: Vec::new(),
        };
        let mut tree = Self { compiler, classes, drafts: vec![world] };
        for section in root.all("worldbody") {
            tree.contents(section, 0, Pose::IDENTITY, None)?;
        }
        Ok(tree)
    }

    /// Reads what stands in a body or a frame. `around` is the frame in the body's, `childclass` the class in force.
    fn contents(
        &mut self,
        element: &'a Element,
        body: usize,
        around: Pose,
        childclass: Option<&'a str>,
    ) -> Result<(), MjcfError> {
        let (compiler, classes) = (self.compiler, self.classes);
        for child in &element.children {
            let inner = child.attribute("childclass").or(childclass);
            if let Some(class) = child.attribute("childclass") {
                classes.check(child, class)?;
            }
            match child.tag.as_str() {
                "inertial" => {
                    let inertial = inertia::read(&Attributes::plain(child), compiler)?;
                    if self.drafts[body].inertial.replace(inertial).is_some() {
                        return Err(child.error("stands twice in one body"));
                    }
                }
                "joint" => {
                    let joint = joints::read(&classes.of(child, childclass)?, compiler, around)?;
                    self.drafts[body].joints.push(joint);
                }
                "freejoint" => {
                    let joint = joints::read(&Attributes::plain(child), compiler, around)?;
                    self.drafts[body].joints.push(joint);
                }
                "geom" => {
                    let geom = geoms::geom(&classes.of(child, childclass)?, compiler, around)?;
                    self.drafts[body].geoms.push(geom);
                }
                "site" => {
                    let site = geoms::site(&classes.of(child, childclass)?, compiler, around)?;
                    self.drafts[body].sites.push(site);
                }
                "frame" => {
                    let pose = frame::pose(&Attributes::plain(child), compiler)?;
                    self.contents(child, body, around.then(pose), inner)?;
                }
                "body" => self.body(child, body, around, inner)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        element: &'a Element,
        parent: usize,
        around: Pose,
        childclass: Option<&'a str>,
    ) -> Result<(), MjcfError> {
        let at = Attributes::plain(element);
        at.zero("gravcomp")?;
        at.keyword("mocap", &[("false", ())], ())?;
        let Pose { position, rotation } = around.then(frame::pose(&at, self.compiler)?);
        let index = self.drafts.len();
        self.drafts.push(Draft {
            element,
            parent,
            frame: Frame { position, rotation },
            inertial: None,
            joints: Vec::new(),
            geoms: Vec::new(),
            sites: Vec::new(),
        });
        self.contents(element, index, Pose::IDENTITY, childclass)?;
        let joints = &self.drafts[index].joints;
        if joints.iter().any(|draft| draft.joint.kind == JointKind::Free) && (joints.len() > 1 || parent != 0) {
            return Err(element.error("a free joint must be the only joint of a body that hangs on the world"));
        }
        Ok(())
    }

    /// Puts bodies, joints, geoms and sites into the model.
    pub fn into_model(self, model: &mut Model, compiler: &Compiler) -> Result<(), MjcfError> {
        let mut elements = Vec::new();
        for (index, draft) in self.drafts.into_iter().enumerate() {
            let inertial = if index == 0 { None } else { Some(inertia::of_body(&draft, compiler)?) };
            elements.push(draft.element);
            add_body(model, index, draft, inertial);
        }
        if let Some(total) = compiler.total_mass {
            let factor = total / model.bodies.iter().map(|body| body.mass).sum::<f64>().max(SMALLEST);
            for body in &mut model.bodies {
                body.mass *= factor;
                body.inertia *= factor;
            }
        }
        unique(elements[0], model)?;
        moving_mass(&elements, model)
    }
}

fn add_body(model: &mut Model, index: usize, draft: Draft, inertial: Option<Inertial>) {
    let Draft { element, parent, frame, joints, geoms, sites, .. } = draft;
    let name = if index == 0 { "world" } else { element.attribute("name").unwrap_or_default() };
    let (first_joint, first_dof, first_geom) = (model.joints.len(), model.dofs.len(), model.geoms.len());
    let mut body = Body { name: name.into(), parent, frame, ..Body::default() };
    if let Some(Inertial { frame, mass, moments }) = inertial {
        (body.inertial, body.mass, body.inertia) = (frame, mass, moments);
    }
    for JointDraft { mut joint, dof, reference, spring } in joints {
        (joint.body, joint.qpos, joint.dof) = (index, model.qpos0.len(), model.dofs.len());
        for _ in 0..joint.kind.nv() {
            let mut dof = dof.clone();
            (dof.joint, dof.body) = (model.joints.len(), index);
            model.dofs.push(dof);
        }
        let quaternion = |q: glam::DQuat| [q.w, q.x, q.y, q.z];
        match joint.kind {
            JointKind::Free => {
                for target in [&mut model.qpos0, &mut model.qpos_spring] {
                    target.extend(frame.position.to_array());
                    target.extend(quaternion(frame.rotation));
                }
            }
            JointKind::Ball => {
                for target in [&mut model.qpos0, &mut model.qpos_spring] {
                    target.extend([1.0, 0.0, 0.0, 0.0]);
                }
            }
            _ => {
                model.qpos0.push(reference);
                model.qpos_spring.push(spring);
            }
        }
        model.joints.push(joint);
    }
    model.geoms.extend(geoms.into_iter().map(|mut draft| {
        draft.geom.body = index;
        draft.geom
    }));
    model.sites.extend(sites.into_iter().map(|site| Site { body: index, ..site }));
    body.joints = first_joint..model.joints.len();
    body.dofs = first_dof..model.dofs.len();
    body.geoms = first_geom..model.geoms.len();
    model.bodies.push(body);
}

/// Refuses two elements of one kind with one name.
fn unique(root: &Element, model: &Model) -> Result<(), MjcfError> {
    let kinds: [(&str, Vec<&str>); 4] = [
        ("body", model.bodies.iter().map(|part| part.name.as_str()).collect()),
        ("joint", model.joints.iter().map(|part| part.name.as_str()).collect()),
        ("geom", model.geoms.iter().map(|part| part.name.as_str()).collect()),
        ("site", model.sites.iter().map(|part| part.name.as_str()).collect()),
    ];
    for (kind, names) in kinds {
        let mut seen = HashSet::new();
        if let Some(name) = names.into_iter().find(|name| !name.is_empty() && !seen.insert(*name)) {
            return Err(root.error(format!("two {kind} elements are called `{name}`")));
        }
    }
    Ok(())
}

/// Refuses a body that moves without mass: neither it nor what is fixed to it has any.
fn moving_mass(elements: &[&Element], model: &Model) -> Result<(), MjcfError> {
    let mut heavy = vec![false; model.bodies.len()];
    for (index, body) in model.bodies.iter().enumerate().skip(1).rev() {
        heavy[index] |= body.mass > SMALLEST && body.inertia.min_element() > SMALLEST;
        if heavy[index] && body.joints.is_empty() {
            heavy[body.parent] = true;
        }
        if !body.joints.is_empty() && !heavy[index] {
            let DVec3 { x, y, z } = body.inertia;
            let message =
                format!("moves, but its mass is {} and its inertia {x} {y} {z}: expected more than 0", body.mass);
            return Err(elements[index].error(message));
        }
    }
    Ok(())
}
