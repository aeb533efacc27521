//! Which geoms may touch, and with which parameters.

use super::parts::{Geom, Shape, Softness};
use super::{Model, ModelFault};

/// From so many alike pairs on they are a crowd.
const CROWD: usize = 12;
/// Places of a crowd at least and at most.
const PLACES: [usize; 2] = [4, 16];
/// Less friction than this counts as this.
const SMALLEST_FRICTION: f64 = 1e-5;
/// Weights below this count as zero.
const SMALLEST: f64 = 1e-15;

/// Two geoms that may touch.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The geoms, that with the earlier shape first.
    pub geoms: [usize; 2],
    /// Directions in which a contact acts: 1 (normal) or 3 (with friction).
    pub directions: u32,
    /// Friction along the two tangents.
    pub friction: [f64; 2],
    /// Softness.
    pub softness: Softness,
    /// Distance at which the contact begins.
    pub margin: f64,
    /// The degrees of freedom that move the geoms against each other, ascending, and whether each moves the second geom.
    pub chain: Vec<(usize, bool)>,
}

/// Many pairs, alike but for their geoms: those of one moving geom with others that stand still, or those within a tree of bodies. Few of
/// them touch at once, so a contact of any of them may take a place that they share.
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// Indices of the pairs.
    pub pairs: Vec<usize>,
    /// All degrees of freedom of their chains, ascending.
    pub dofs: Vec<usize>,
    /// Contacts that may act at a time.
    pub places: usize,
}

impl Pair {
    /// The pair with the parameters that follow from its geoms.
    pub fn mixed([a, b]: [usize; 2], model: &Model) -> Self {
        let (first, second) = (&model.geoms[a], &model.geoms[b]);
        let geoms = if first.shape <= second.shape { [a, b] } else { [b, a] };
        let (directions, softness, friction) = match first.priority.cmp(&second.priority) {
            std::cmp::Ordering::Less => own(second),
            std::cmp::Ordering::Greater => own(first),
            std::cmp::Ordering::Equal => mean(first, second),
        };
        let margin = first.margin + second.margin;
        Self { geoms, directions, friction: [friction; 2], softness, margin, chain: Vec::new() }
    }
}

fn own(geom: &Geom) -> (u32, Softness, f64) {
    (geom.directions, geom.softness, geom.friction[0])
}

/// Parameters of two geoms of one priority.
fn mean(first: &Geom, second: &Geom) -> (u32, Softness, f64) {
    let share = match (first.mix >= SMALLEST, second.mix >= SMALLEST) {
        (true, true) => first.mix / (first.mix + second.mix),
        (false, false) => 0.5,
        (false, true) => 0.0,
        (true, false) => 1.0,
    };
    let blend = |a: f64, b: f64| share * a + (1.0 - share) * b;
    let (a, b) = (&first.softness, &second.softness);
    let positive = a.reference[0] > 0.0 && b.reference[0] > 0.0;
    let reference = std::array::from_fn(|k| match positive {
        true => blend(a.reference[k], b.reference[k]),
        false => a.reference[k].min(b.reference[k]),
    });
    let impedance = std::array::from_fn(|k| blend(a.impedance[k], b.impedance[k]));
    let directions = first.directions.max(second.directions);
    (directions, Softness { reference, impedance }, first.friction[0].max(second.friction[0]))
}

/// Whether contacts of the two shapes, in their order, are computed.
fn supported(first: Shape, second: Shape) -> bool {
    matches!(
        (first, second),
        (Shape::Plane, Shape::Sphere | Shape::Capsule | Shape::Box)
            | (Shape::Sphere, Shape::Sphere | Shape::Capsule | Shape::Box)
            | (Shape::Capsule, Shape::Capsule)
    )
}

/// All pairs that MuJoCo's filters let through, after the explicit ones, sorted by their geoms.
pub(super) fn pairs(model: &Model, explicit: &[Pair]) -> Result<Vec<Pair>, ModelFault> {
    let enabled = &model.options.enabled;
    if !enabled.contact || !enabled.constraint {
        return Ok(Vec::new());
    }
    let mut pairs = explicit.to_vec();
    for a in 0..model.geoms.len() {
        for b in a + 1..model.geoms.len() {
            let known = |pair: &Pair| pair.geoms == [a, b] || pair.geoms == [b, a];
            if may_touch(model, a, b) && !explicit.iter().any(known) {
                pairs.push(Pair::mixed([a, b], model));
            }
        }
    }
    for pair in &mut pairs {
        pair.friction = pair.friction.map(|friction| friction.max(SMALLEST_FRICTION));
        let [first, second] = pair.geoms.map(|geom| &model.geoms[geom]);
        if first.shape == Shape::Plane && second.shape == Shape::Plane {
            continue;
        }
        if !supported(first.shape, second.shape) {
            return Err(ModelFault::Shapes(pair.geoms));
        }
        pair.chain = chain(model, first.body, second.body);
        if pair.chain.is_empty() {
            return Err(ModelFault::Fixed(pair.geoms));
        }
    }
    pairs.retain(|pair| model.geoms[pair.geoms[1]].shape != Shape::Plane);
    pairs.sort_by_key(|pair| pair.geoms);
    Ok(pairs)
}

/// What moves in the contacts of a pair.
#[derive(PartialEq)]
enum Moving {
    /// One geom, against others that stand still.
    Geom(usize),
    /// Geoms of the tree with this root.
    Tree(usize),
}

/// The crowds among the model's pairs.
pub(super) fn crowds(model: &Model) -> Vec<Crowd> {
    let bodies = |pair: &Pair| pair.geoms.map(|geom| &model.bodies[model.geoms[geom].body]);
    // The geom or the tree that moves, if it is one, and no place keeps the tangent that planes ask for.
    let moving = |pair: &Pair| {
        let [first, second] = bodies(pair);
        let plane = model.geoms[pair.geoms[0]].shape == Shape::Plane;
        match (first.weld, second.weld) {
            _ if plane => None,
            (0, _) => Some(Moving::Geom(pair.geoms[1])),
            (_, 0) => Some(Moving::Geom(pair.geoms[0])),
            _ => Some(Moving::Tree(first.root)).filter(|_| first.root == second.root),
        }
    };
    let alike = |a: &Pair, b: &Pair| {
        let kinds = [a, b].map(|pair| (moving(pair), pair.directions, pair.friction, &pair.softness, pair.margin));
        kinds[0] == kinds[1]
    };
    let mut found: Vec<Crowd> = Vec::new();
    for (index, pair) in model.pairs.iter().enumerate().filter(|(_, pair)| moving(pair).is_some()) {
        match found.iter_mut().find(|crowd| alike(&model.pairs[crowd.pairs[0]], pair)) {
            Some(crowd) => crowd.pairs.push(index),
            None => found.push(Crowd { pairs: vec![index], dofs: Vec::new(), places: PLACES[0] }),
        }
    }
    found.retain(|crowd| crowd.pairs.len() >= CROWD);
    for crowd in &mut found {
        let chains = crowd.pairs.iter().flat_map(|&pair| &model.pairs[pair].chain);
        crowd.dofs = chains.map(|(dof, _)| *dof).collect();
        crowd.dofs.sort_unstable();
        crowd.dofs.dedup();
        // A convex geom touches few others at a time; limbs may all touch each other.
        if let Some(Moving::Tree(_)) = moving(&model.pairs[crowd.pairs[0]]) {
            crowd.places = (crowd.pairs.len() / 4).clamp(PLACES[0], PLACES[1]);
        }
    }
    found
}

fn may_touch(model: &Model, a: usize, b: usize) -> bool {
    let (first, second) = (&model.geoms[a], &model.geoms[b]);
    let weld = |body: usize| model.bodies[body].weld;
    let above = |body: usize| weld(model.bodies[weld(body)].parent);
    let (w1, w2) = (weld(first.body), weld(second.body));
    let bits = first.kind_bits & second.affinity_bits != 0 || second.kind_bits & first.affinity_bits != 0;
    let related = w1 != 0 && w2 != 0 && (w1 == above(second.body) || w2 == above(first.body));
    let excluded = |bodies: &[usize; 2]| *bodies == [first.body, second.body] || *bodies == [second.body, first.body];
    w1 != w2 && bits && !(model.options.enabled.filter_parent && related) && !model.excludes.iter().any(excluded)
}

/// Degrees of freedom that move one of two bodies and not the other: what moves both does not move them against each other.
pub(super) fn chain(model: &Model, first: usize, second: usize) -> Vec<(usize, bool)> {
    let (a, b) = (&model.bodies[first].chain, &model.bodies[second].chain);
    let mut chain: Vec<(usize, bool)> = a.iter().filter(|dof| !b.contains(dof)).map(|&dof| (dof, false)).collect();
    chain.extend(b.iter().filter(|dof| !a.contains(dof)).map(|&dof| (dof, true)));
    chain.sort_unstable();
    chain
}
