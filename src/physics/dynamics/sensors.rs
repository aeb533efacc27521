//! What sensors report.

use super::inertia::Velocity;
use super::kinematics::Position;
use super::linear::{Spatial, Vec3};
use super::scalar::Scalar;
use super::step::{Forward, State};
use crate::physics::model::{Model, Object, SensorKind, Shape, Site};

/// All sensors' values one after the other, for the state from which `now` was computed.
pub fn sensors<S: Scalar>(model: &Model, state: &State<S>, now: &Forward<S>) -> Vec<S> {
    let value = |kind| match touch_sensor(model, now, kind) {
        Some(force) => vec![force],
        None => kinematic_sensor(model, &state.qpos, &state.qvel, &now.position, &now.velocity, kind),
    };
    model.sensors.iter().flat_map(|sensor| value(sensor.kind)).collect()
}

/// Value of a sensor of contact forces; of others nothing.
pub fn touch_sensor<S: Scalar>(model: &Model, now: &Forward<S>, kind: SensorKind) -> Option<S> {
    if let SensorKind::Touch(site) = kind { Some(touch(now, &model.sites[site])) } else { None }
}

/// Values of a sensor of positions and velocities; of others nothing.
pub fn kinematic_sensor<S: Scalar>(
    model: &Model,
    qpos: &[S],
    qvel: &[S],
    position: &Position<S>,
    velocity: &Velocity<S>,
    kind: SensorKind,
) -> Vec<S> {
    let bodies = &position.bodies;
    let pose = |object: Object| match object {
        Object::Body(body) => bodies[body],
        Object::Inertial(body) => bodies[body].then(&model.bodies[body].inertial),
        Object::Geom(geom) => bodies[model.geoms[geom].body].then(&model.geoms[geom].frame),
        Object::Site(site) => bodies[model.sites[site].body].then(&model.sites[site].frame),
    };
    match kind {
        SensorKind::JointPosition(joint) => vec![qpos[model.joints[joint].qpos]],
        SensorKind::JointVelocity(joint) => vec![qvel[model.joints[joint].dof]],
        SensorKind::Position(object) => pose(object).position.0.to_vec(),
        SensorKind::Axis(object, axis) => pose(object).rotation.0[axis].0.to_vec(),
        SensorKind::Touch(_) => Vec::new(),
        SensorKind::LinearVelocity(site) => {
            let (body, frame) = (model.sites[site].body, pose(Object::Site(site)));
            let at_site = velocity.bodies[body].at(frame.position - position.origins[body]);
            frame.rotation.apply_transposed(at_site).0.to_vec()
        }
        SensorKind::AngularVelocity(site) => {
            let (body, frame) = (model.sites[site].body, pose(Object::Site(site)));
            frame.rotation.apply_transposed(velocity.bodies[body].rotation).0.to_vec()
        }
        SensorKind::SubtreeVelocity(body) => subtree_velocity(model, position, velocity, body).0.to_vec(),
    }
}

/// Velocity of the centre of mass of a body and all that hangs on it.
pub fn subtree_velocity<S: Scalar>(
    model: &Model,
    position: &Position<S>,
    velocity: &Velocity<S>,
    top: usize,
) -> Vec3<S> {
    let mut inside = vec![false; model.bodies.len()];
    let mut momentum = Vec3::zero();
    for (index, body) in model.bodies.iter().enumerate() {
        inside[index] = index == top || (index > top && inside[body.parent]);
        if inside[index] && body.mass > 0.0 {
            let speed: Spatial<S> = velocity.bodies[index];
            let at_centre = speed.at(position.centres[index] - position.origins[index]);
            momentum = momentum + at_centre * S::of(body.mass);
        }
    }
    momentum * S::of(1.0 / model.bodies[top].subtree_mass.max(1e-15))
}

/// Sum of the normal forces of the contacts of a site's body whose line of force passes through the site.
fn touch<S: Scalar>(now: &Forward<S>, site: &Site) -> S {
    let frame = now.position.bodies[site.body].then(&site.frame);
    let mut sum = S::zero();
    for (contact, force) in now.constraints.contacts.iter().zip(&now.solution.contact_forces) {
        let [first, second] = contact.is_side(site.body);
        if !S::possible(first | second) {
            continue;
        }
        // The ray leaves the site's body.
        let outward = Vec3::select(first, contact.touch.normal, -contact.touch.normal);
        let point = frame.rotation.apply_transposed(contact.touch.point - frame.position);
        let ray = frame.rotation.apply_transposed(outward);
        let hit = (first | second) & ray_hits(site, point, ray) & S::zero().less(force[0]);
        sum = sum + S::select(hit, force[0], S::zero());
    }
    sum
}

/// Whether a ray from a point, or the point itself, meets a site's volume, a sphere or an ellipsoid.
fn ray_hits<S: Scalar>(site: &Site, point: Vec3<S>, ray: Vec3<S>) -> S::Mask {
    let half = match site.shape {
        Shape::Sphere => [site.size.x; 3],
        _ => site.size.to_array(),
    };
    let scale = |v: Vec3<S>| Vec3(std::array::from_fn(|k| v.0[k] * S::of(1.0 / half[k])));
    let (p, d) = (scale(point), scale(ray));
    let (a, b, c) = (d.dot(d), p.dot(d), p.dot(p) - S::of(1.0));
    let inside = !S::zero().less(c);
    let ahead = b.less(S::zero()) & !(b * b - a * c).less(S::zero());
    inside | ahead
}
