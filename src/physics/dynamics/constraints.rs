//! Constraints on the acceleration: dry friction, limits and contacts, each as a direction, a reference and a weight.
//!
//! The solver minimises ½ (a - a₀)ᵀ M (a - a₀) + Σ s(J a - reference). Every constraint that can be active
//! has its place; where the scalar is not exact, contacts of a crowd of pairs share some.

use super::compliance::{Compliance, regulariser};
use super::kinematics::{Pose, Position, quaternion};
use super::linear::Vec3;
use super::scalar::Scalar;
use super::tendon::Line;
use crate::physics::model::{Cone, Crowd, Geom, JointKind, Model, Pair, Shape, Softness};

use super::collision::{Touch, touches};
use super::crowd::places;
use super::law::Motion;

/// A constraint along one direction.
#[derive(Debug, Clone)]
pub struct Row<S: Scalar> {
    /// J: degrees of freedom and coefficients.
    pub terms: Vec<(usize, S)>,
    /// Whether it acts.
    pub active: S::Mask,
    /// 1 / R.
    pub weight: S,
    /// Reference acceleration.
    pub reference: S,
    /// The largest force of dry friction; `None` for a limit, which only pushes.
    pub friction: Option<f64>,
}

/// How the directions of a contact act together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// The normal only.
    Frictionless,
    /// Four edges normal ± friction · tangent.
    Pyramid([f64; 2]),
    /// A cone; the number is the ratio of impedances.
    Cone([f64; 2], f64),
}

/// What a contact moves.
#[derive(Debug, Clone)]
pub enum Sides<S: Scalar> {
    /// Two bodies, and the point that touches, from the origins of their trees.
    Known([usize; 2], [Vec3<S>; 2]),
    /// The bodies of the pair of a crowd that has this place.
    Place(usize, [S; 2]),
}

/// A contact: a normal and two tangents.
#[derive(Debug, Clone)]
pub struct Contact<S: Scalar> {
    /// Index of the pair of geoms; of a place the crowd's first pair, whose parameters are those of all.
    pub pair: usize,
    /// What it moves.
    pub sides: Sides<S>,
    /// Whether one of the bodies stands still.
    pub ground: bool,
    /// Where they touch.
    pub touch: Touch<S>,
    /// Normal and tangents.
    pub frame: [Vec3<S>; 3],
    /// J: degrees of freedom and their coefficients in the three directions.
    pub terms: Vec<(usize, [S; 3])>,
    /// Whether it acts.
    pub active: S::Mask,
    /// 1 / R of the normal (of each edge for a pyramid).
    pub weight: S,
    /// Reference accelerations; an edge's is that of the normal ± friction · that of the tangent.
    pub reference: [S; 3],
    /// How the directions act together.
    pub law: Law,
}

/// All constraints of a state.
#[derive(Debug, Clone)]
pub struct Constraints<S: Scalar> {
    /// Dry friction, then limits.
    pub rows: Vec<Row<S>>,
    /// Contacts. Those that are active nowhere are left out.
    pub contacts: Vec<Contact<S>>,
    /// How many contacts of crowds found no place and are left out.
    pub left_out: S,
}

impl<S: Scalar> Constraints<S> {
    /// Finds them. `qpos` `[nq]`, `qvel` `[nv]`
    pub fn new(model: &Model, qpos: &[S], qvel: &[S], position: &Position<S>, tendons: &[Line<S>]) -> Self {
        let enabled = &model.options.enabled;
        let mut found = Self { rows: Vec::new(), contacts: Vec::new(), left_out: S::zero() };
        if !enabled.constraint {
            return found;
        }
        if enabled.friction_loss {
            found.add_friction(model, qvel, tendons);
        }
        if enabled.limit {
            found.add_joint_limits(model, qpos, qvel);
            found.add_tendon_limits(model, qvel, tendons);
        }
        let poses = geom_poses(model, position);
        let speed = Motion { bodies: position.carried(model, qvel), dofs: qvel.to_vec() };
        let crowds = if S::EXACT { &[][..] } else { &model.crowds };
        for (index, pair) in model.pairs.iter().enumerate() {
            if crowds.iter().any(|crowd| crowd.pairs.contains(&index)) {
                continue;
            }
            let [a, b] = pair.geoms;
            let near = near([a, b].map(|geom| (&model.geoms[geom], &poses[geom])), pair.margin);
            for touch in touches([&model.geoms[a], &model.geoms[b]], [&poses[a], &poses[b]], pair.margin) {
                let (one, about) = (S::of(1.0), || format!("distance of pair {index}"));
                let acts = S::when(near, about, vec![S::zero()], |_| vec![S::select(touch.acts, one, S::zero())]);
                let active = S::zero().less(acts[0]);
                // Most pairs are apart.
                if S::possible(active) {
                    found.contacts.push(Contact { active, ..contact(model, index, touch, position, &speed) });
                }
            }
        }
        for crowd in crowds {
            found.add_crowd(model, crowd, &poses, position, &speed);
        }
        found
    }

    /// The contacts of a crowd, in places.
    fn add_crowd(
        &mut self,
        model: &Model,
        crowd: &Crowd,
        poses: &[Pose<S>],
        position: &Position<S>,
        speed: &Motion<S>,
    ) {
        let (places, left_out) = places(model, crowd, poses);
        self.left_out = self.left_out + left_out;
        let pair = &model.pairs[crowd.pairs[0]];
        for (index, place) in places.into_iter().enumerate() {
            let active = place.touch.acts;
            if !S::possible(active) {
                continue;
            }
            let frame = contact_frame(&place.touch);
            let numbers = vec![S::zero(); 4 + 3 * crowd.dofs.len()];
            let about = || format!("contact in place {index}");
            let numbers = S::when(active, about, numbers, |_| {
                let terms = place.terms(model, crowd, position, &frame);
                let made = Forming { pair: crowd.pairs[0], sides: place.sides(index), frame, terms, active };
                let contact = made.contact(model, place.touch, place.inverse_weight, speed);
                let terms = contact.terms.iter().flat_map(|(_, along)| *along);
                [contact.weight].into_iter().chain(contact.reference).chain(terms).collect()
            });
            let (&[weight, a, b, c], along) = numbers.split_first_chunk().unwrap_or((&[S::zero(); 4], &[]));
            let along = along.chunks_exact(3).map(|along| [along[0], along[1], along[2]]);
            self.contacts.push(Contact {
                pair: crowd.pairs[0],
                sides: place.sides(index),
                ground: false,
                touch: place.touch,
                frame,
                terms: crowd.dofs.iter().copied().zip(along).collect(),
                active,
                weight,
                reference: [a, b, c],
                law: law::<S>(model, pair),
            });
        }
    }

    /// Contacts with what stands still, and contacts between moving bodies.
    pub(super) fn sides(&self) -> [Vec<&Contact<S>>; 2] {
        let (ground, others) = self.contacts.iter().partition(|contact| contact.ground);
        [ground, others]
    }

    fn add_friction(&mut self, model: &Model, qvel: &[S], tendons: &[Line<S>]) {
        let mut add = |terms: &[(usize, S)], velocity: S, softness: &Softness, inverse_weight, loss| {
            let compliance = Compliance::new(softness, &model.options);
            let weight = S::of(1.0) / regulariser(compliance.impedance(S::zero()), S::of(inverse_weight));
            let reference = compliance.friction_reference(velocity);
            self.rows.push(Row {
                terms: terms.to_vec(),
                active: S::mask(true),
                weight,
                reference,
                friction: Some(loss),
            });
        };
        for (i, dof) in model.dofs.iter().enumerate().filter(|(_, dof)| dof.friction_loss > 0.0) {
            add(&[(i, S::of(1.0))], qvel[i], &dof.friction, dof.inverse_weight, dof.friction_loss);
        }
        for (tendon, line) in model.tendons.iter().zip(tendons).filter(|(tendon, _)| tendon.friction_loss > 0.0) {
            let velocity = line.velocity(qvel);
            add(&line.terms, velocity, &tendon.friction, tendon.inverse_weight, tendon.friction_loss);
        }
    }

    fn add_joint_limits(&mut self, model: &Model, qpos: &[S], qvel: &[S]) {
        for joint in &model.joints {
            let Some([low, high]) = joint.range else { continue };
            let mut add = |terms: Vec<(usize, S)>, distance: S| {
                let line = Line { length: distance, terms };
                let weight = model.dofs[joint.dof].inverse_weight;
                self.rows.push(limit(model, line, qvel, joint.margin, &joint.limit, weight));
            };
            if joint.kind == JointKind::Ball {
                let (angle, axis) = quaternion(qpos, joint.qpos).angle_axis();
                let back = angle.less(S::zero());
                let outward = Vec3::select(back, -axis, axis);
                let terms = (0..3).map(|k| (joint.dof + k, -outward.0[k])).collect();
                add(terms, S::of(low.max(high)) - angle.abs());
                continue;
            }
            let (above, below) = (qpos[joint.qpos] - S::of(low), S::of(high) - qpos[joint.qpos]);
            if high - low > 2.0 * joint.margin {
                // One of the two at most is active: the nearer one.
                let upper = below.less(above);
                let sign = S::select(upper, S::of(-1.0), S::of(1.0));
                add(vec![(joint.dof, sign)], S::select(upper, below, above));
            } else {
                add(vec![(joint.dof, S::of(1.0))], above);
                add(vec![(joint.dof, S::of(-1.0))], below);
            }
        }
    }

    fn add_tendon_limits(&mut self, model: &Model, qvel: &[S], tendons: &[Line<S>]) {
        for (tendon, line) in model.tendons.iter().zip(tendons) {
            let Some([low, high]) = tendon.range else { continue };
            let backward = line.terms.iter().map(|&(dof, factor)| (dof, -factor)).collect();
            for side in [
                Line { length: line.length - S::of(low), terms: line.terms.clone() },
                Line { length: S::of(high) - line.length, terms: backward },
            ] {
                self.rows.push(limit(model, side, qvel, tendon.margin, &tendon.limit, tendon.inverse_weight));
            }
        }
    }
}

/// The row of a limit; the line's length is the distance from it.
fn limit<S: Scalar>(
    model: &Model,
    line: Line<S>,
    qvel: &[S],
    margin: f64,
    softness: &Softness,
    inverse_weight: f64,
) -> Row<S> {
    let compliance = Compliance::new(softness, &model.options);
    let violation = line.length - S::of(margin);
    let impedance = compliance.impedance(violation);
    Row {
        active: violation.less(S::zero()),
        reference: compliance.reference(impedance, violation, line.velocity(qvel)),
        weight: S::of(1.0) / regulariser(impedance, S::of(inverse_weight)),
        terms: line.terms,
        friction: None,
    }
}

/// Whether balls around two geoms touch, when they are such that a ball says something.
pub(super) fn near<S: Scalar>([a, b]: [(&Geom, &Pose<S>); 2], margin: f64) -> S::Mask {
    let radius = |geom: &Geom| match geom.shape {
        Shape::Sphere => Some(geom.size.x),
        Shape::Capsule => Some(geom.size.x + geom.size.y),
        _ => None,
    };
    let (Some(first), Some(second)) = (radius(a.0), radius(b.0)) else { return S::mask(true) };
    let between = a.1.position - b.1.position;
    between.dot(between).less(S::of((first + second + margin).powi(2)))
}

/// Frames of all geoms.
pub fn geom_poses<S: Scalar>(model: &Model, position: &Position<S>) -> Vec<Pose<S>> {
    model.geoms.iter().map(|geom| position.bodies[geom.body].then(&geom.frame)).collect()
}

/// The constraint of one possible contact, when the model moves so.
pub(super) fn contact<S: Scalar>(
    model: &Model,
    index: usize,
    touch: Touch<S>,
    position: &Position<S>,
    speed: &Motion<S>,
) -> Contact<S> {
    let pair = &model.pairs[index];
    let frame = contact_frame(&touch);
    let bodies = pair.geoms.map(|geom| model.geoms[geom].body);
    let term = |&(dof, second): &(usize, bool)| {
        let motion = position.point_motion(dof, bodies[usize::from(second)], touch.point);
        let motion = if second { motion } else { -motion };
        (dof, frame.map(|direction| direction.dot(motion)))
    };
    let terms: Vec<(usize, [S; 3])> = pair.chain.iter().map(term).collect();
    let sides = Sides::Known(bodies, bodies.map(|body| touch.point - position.origins[body]));
    Forming { pair: index, sides, frame, terms, active: touch.acts }.contact(
        model,
        touch,
        S::of(inverse_weight(model, pair)),
        speed,
    )
}

/// Of the two bodies of a pair, together.
pub(super) fn inverse_weight(model: &Model, pair: &Pair) -> f64 {
    pair.geoms.iter().map(|&geom| model.bodies[model.geoms[geom].body].inverse_weight[0]).sum()
}

/// A contact before its softness is known.
struct Forming<S: Scalar> {
    pair: usize,
    sides: Sides<S>,
    frame: [Vec3<S>; 3],
    terms: Vec<(usize, [S; 3])>,
    active: S::Mask,
}

impl<S: Scalar> Forming<S> {
    fn contact(self, model: &Model, touch: Touch<S>, inverse_weight: S, speed: &Motion<S>) -> Contact<S> {
        let pair = &model.pairs[self.pair];
        let compliance = Compliance::new(&pair.softness, &model.options);
        let violation = touch.distance - S::of(pair.margin);
        let impedance = compliance.impedance(violation);
        let law = law::<S>(model, pair);
        let resistance = match law {
            Law::Frictionless | Law::Cone(..) => regulariser(impedance, inverse_weight),
            Law::Pyramid([friction, _]) => {
                let square = friction * friction;
                let normal: S = regulariser(impedance, inverse_weight * S::of(1.0 + square));
                S::of(2.0 * square / model.options.impedance_ratio) * normal
            }
        };
        let ground = match &self.sides {
            Sides::Known(bodies, _) => bodies.iter().any(|&body| model.bodies[body].weld == 0),
            Sides::Place(..) => false,
        };
        let mut contact = Contact {
            pair: self.pair,
            sides: self.sides,
            ground,
            touch,
            frame: self.frame,
            active: self.active,
            weight: S::of(1.0) / resistance,
            reference: [S::zero(); 3],
            terms: self.terms,
            law,
        };
        let speed = contact.approach(speed);
        contact.reference = [
            compliance.reference(impedance, violation, speed[0]),
            compliance.friction_reference(speed[1]),
            compliance.friction_reference(speed[2]),
        ];
        contact
    }
}

impl<S: Scalar> Contact<S> {
    /// How fast the second body's point moves from the first one's along the directions, in such a motion.
    pub(super) fn approach(&self, motion: &Motion<S>) -> [S; 3] {
        match &self.sides {
            Sides::Known(bodies, levers) => {
                let [first, second] = [0, 1].map(|side| motion.bodies[bodies[side]].at(levers[side]));
                self.frame.map(|direction| direction.dot(second - first))
            }
            Sides::Place(..) => std::array::from_fn(|k| {
                self.terms.iter().fold(S::zero(), |sum, (dof, along)| sum + along[k] * motion.dofs[*dof])
            }),
        }
    }

    /// Whether a body is its first one, and whether it is its second one.
    pub(super) fn is_side(&self, body: usize) -> [S::Mask; 2] {
        match &self.sides {
            Sides::Known(bodies, _) => bodies.map(|side| S::mask(side == body)),
            Sides::Place(_, bodies) => bodies.map(|side| (side - S::of(body as f64)).abs().less(S::of(0.5))),
        }
    }
}

/// Less friction than this counts as this where the scalar is not exact: the edges of a flat pyramid push so hard that a mass beside them is lost in
/// rounding.
const SMALLEST_FRICTION: f64 = 1e-3;

fn law<S: Scalar>(model: &Model, pair: &Pair) -> Law {
    let friction = pair.friction.map(|friction| if S::EXACT { friction } else { friction.max(SMALLEST_FRICTION) });
    match (pair.directions, model.options.cone) {
        (1, _) => Law::Frictionless,
        (_, Cone::Pyramidal) => Law::Pyramid(friction),
        (_, Cone::Elliptic) => Law::Cone(friction, model.options.impedance_ratio),
    }
}

/// Normal and two tangents; the first is the one that the pair asks for, or near the y or the z axis.
fn contact_frame<S: Scalar>(touch: &Touch<S>) -> [Vec3<S>; 3] {
    let normal = touch.normal;
    let near = touch.tangent.unwrap_or_else(|| {
        let upright = normal.0[1].abs().less(S::of(0.5));
        Vec3::select(upright, Vec3::of(glam::DVec3::Y), Vec3::of(glam::DVec3::Z))
    });
    // An axis along the normal leaves nothing; then the tangent is the x axis, as in MuJoCo.
    let (_, first) = (near - normal * normal.dot(near)).direction(1e-15, Vec3::of(glam::DVec3::X));
    [normal, first, normal.cross(first)]
}
