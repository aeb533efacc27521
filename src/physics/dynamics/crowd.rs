//! Contacts of many pairs of which few touch at once: a place for each that may, in place of one for each pair.
//!
//! In generated code a pair costs its distance alone; what a contact needs is there once for a place.

use super::collision::{Touch, touches};
use super::constraints::{Sides, inverse_weight, near};
use super::kinematics::{Pose, Position};
use super::linear::Vec3;
use super::scalar::Scalar;
use crate::physics::model::{Crowd, Model};

/// Numbers of a place: distance, normal, point, bodies, inverse weight.
const NUMBERS: usize = 10;

/// A contact of one of the pairs.
#[derive(Debug, Clone)]
pub(super) struct Place<S: Scalar> {
    /// Where they touch, if that many pairs do.
    pub touch: Touch<S>,
    /// Of the two bodies, together.
    pub inverse_weight: S,
    bodies: [S; 2],
}

/// The places of a crowd, the pair that touches last in the first one, and the number of contacts for which there is none.
pub(super) fn places<S: Scalar>(model: &Model, crowd: &Crowd, poses: &[Pose<S>]) -> (Vec<Place<S>>, S) {
    let first = &model.pairs[crowd.pairs[0]];
    let [a, b] = first.geoms.map(|geom| model.geoms[geom].body as f64);
    let empty = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, a, b, inverse_weight(model, first)].map(S::of);
    let end = crowd.places * NUMBERS;
    let mut numbers = empty.repeat(crowd.places);
    numbers.push(S::zero());
    for &index in &crowd.pairs {
        let pair = &model.pairs[index];
        let geoms = pair.geoms.map(|geom| &model.geoms[geom]);
        let poses = pair.geoms.map(|geom| &poses[geom]);
        let near = near([0, 1].map(|side| (geoms[side], poses[side])), pair.margin);
        numbers = S::when(
            near,
            || format!("pair {index}"),
            numbers,
            |numbers| {
                touches(geoms, poses, pair.margin).iter().fold(numbers, |numbers, touch| {
                    S::when(
                        touch.acts,
                        || format!("contact of pair {index}"),
                        numbers,
                        |mut numbers| {
                            let bodies = geoms.map(|geom| S::of(geom.body as f64));
                            let weight = S::of(inverse_weight(model, pair));
                            let count = numbers[end] + S::of(1.0);
                            numbers.truncate(end - NUMBERS);
                            let mut first = vec![touch.distance];
                            first.extend(touch.normal.0.into_iter().chain(touch.point.0).chain(bodies));
                            first.extend([weight].into_iter().chain(numbers).chain([count]));
                            first
                        },
                    )
                })
            },
        );
    }
    let count = numbers[end];
    let place = |(index, n): (usize, &[S])| Place {
        touch: Touch {
            distance: n[0],
            normal: Vec3([n[1], n[2], n[3]]),
            point: Vec3([n[4], n[5], n[6]]),
            tangent: None,
            acts: S::of(index as f64 + 0.5).less(count),
        },
        bodies: [n[7], n[8]],
        inverse_weight: n[9],
    };
    let left_out = (count - S::of(crowd.places as f64)).max(S::zero());
    (numbers[..end].chunks_exact(NUMBERS).enumerate().map(place).collect(), left_out)
}

impl<S: Scalar> Place<S> {
    /// The place, by its number, as the sides of a contact.
    pub fn sides(&self, number: usize) -> Sides<S> {
        Sides::Place(number, self.bodies)
    }

    /// J in the three directions of a frame, for all degrees of freedom of the crowd.
    pub fn terms(
        &self,
        model: &Model,
        crowd: &Crowd,
        position: &Position<S>,
        frame: &[Vec3<S>; 3],
    ) -> Vec<(usize, [S; 3])> {
        let term = |&dof: &usize| {
            let body = model.dofs[dof].body;
            let motion = position.point_motion(dof, body, self.touch.point);
            let [first, second] = self.bodies.map(|side| {
                // Bodies are numbered so that those that hang on one follow it.
                let below = |other: &crate::physics::model::Body| other.chain.contains(&dof);
                let count = model.bodies[body..].iter().take_while(|other| below(other)).count();
                let moves = S::of(body as f64 - 0.5).less(side) & side.less(S::of((body + count) as f64 - 0.5));
                S::select(moves, S::of(1.0), S::zero())
            });
            (dof, frame.map(|direction| direction.dot(motion) * (second - first)))
        };
        crowd.dofs.iter().map(term).collect()
    }
}
