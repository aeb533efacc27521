//! MultiGoal's measures: do trajectories reach all goals, and does the first action already choose among them?
//!
//! End points alone do not separate a multimodal policy from a noisy one early in training; first actions do.

use std::f64::consts::FRAC_PI_3;

use serde::{Deserialize, Serialize};

/// Goals of MultiGoal.
pub const GOALS: usize = 6;
/// Distance of every goal from the origin.
pub const GOAL_RADIUS: f64 = 5.0;
/// A trajectory belongs to a goal when it ends within this distance of it.
pub const REACH: f64 = 1.0;
/// A first action belongs to a goal when its norm is at least this.
pub const STRONG: f64 = 3.0;
/// A goal counts as covered when it owns at least this share.
pub const MIN_SHARE: f64 = 0.05;

/// Position of goal `index`: on the circle at `60 * index` degrees.
pub fn goal(index: usize) -> [f64; 2] {
    let angle = index as f64 * FRAC_PI_3;
    [GOAL_RADIUS * angle.cos(), GOAL_RADIUS * angle.sin()]
}

/// Where trajectories end.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Goals that own at least 5 % of all trajectories.
    pub coverage: usize,
    /// Entropy of the shares among trajectories that belong to a goal, over ln 6: 1 uniform, 0 one goal or none.
    pub entropy: f64,
    /// Share of all trajectories that belong to any goal.
    pub reached: f64,
    /// Share of all trajectories that belong to each goal, `[6]`.
    pub shares: [f64; GOALS],
}

/// Where first actions point.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FirstActions {
    /// Goals that own at least 5 % of all first actions.
    pub first_action_coverage: usize,
    /// Entropy of the shares among first actions that belong to a goal, over ln 6.
    pub first_action_entropy: f64,
    /// Share of first actions with norm at least 3. The six sectors tile the circle, so each of them belongs to a goal.
    pub first_action_strong: f64,
    /// Share of all first actions that belong to each goal, `[6]`.
    pub shares: [f64; GOALS],
}

/// Goal that a position lies within [`REACH`] of. A position that is not finite belongs to none.
pub fn goal_reached(position: [f32; 2]) -> Option<usize> {
    let [x, y] = position.map(f64::from);
    // Discs of radius 1 on a circle of radius 5 do not overlap, so the first hit is the only one.
    (0..GOALS).find(|&index| {
        let [goal_x, goal_y] = goal(index);
        (x - goal_x).hypot(y - goal_y) <= REACH
    })
}

/// Goal whose direction is within 30 degrees of an action with norm at least [`STRONG`].
pub fn goal_pointed_at(action: [f32; 2]) -> Option<usize> {
    let [x, y] = action.map(f64::from);
    let norm = x.hypot(y);
    if !norm.is_finite() || norm < STRONG {
        return None;
    }
    let sector = (y.atan2(x) / FRAC_PI_3).round() as i64;
    Some(sector.rem_euclid(GOALS as i64) as usize)
}

/// Measures the end points of trajectories that start at rest at the origin, `[trajectories, 2]`.
pub fn coverage(end_points: &[[f32; 2]]) -> Coverage {
    let (coverage, entropy, reached, shares) = measure(end_points, goal_reached);
    Coverage { coverage, entropy, reached, shares }
}

/// Measures actions drawn at the origin at rest, `[actions, 2]`.
pub fn first_actions(actions: &[[f32; 2]]) -> FirstActions {
    let (coverage, entropy, strong, shares) = measure(actions, goal_pointed_at);
    FirstActions { first_action_coverage: coverage, first_action_entropy: entropy, first_action_strong: strong, shares }
}

/// (covered goals, normalised entropy, share that belongs to any goal, shares of all points).
fn measure(points: &[[f32; 2]], owner: impl Fn([f32; 2]) -> Option<usize>) -> (usize, f64, f64, [f64; GOALS]) {
    let mut counts = [0_usize; GOALS];
    for index in points.iter().filter_map(|&point| owner(point)) {
        counts[index] += 1;
    }
    let owned: usize = counts.iter().sum();
    if owned == 0 {
        return (0, 0.0, 0.0, [0.0; GOALS]);
    }
    let all = points.len() as f64;
    let shares = counts.map(|count| count as f64 / all);
    let covered = shares.iter().filter(|&&share| share >= MIN_SHARE).count();
    let entropy: f64 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| count as f64 / owned as f64)
        .map(|share| -share * share.ln())
        .sum();
    // max: one goal alone gives -0.0 otherwise
    (covered, (entropy / (GOALS as f64).ln()).max(0.0), owned as f64 / all, shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: usize) -> [f32; 2] {
        goal(index).map(|v| v as f32)
    }

    #[test]
    fn uniform_on_six_goals_covers_all_with_entropy_one() {
        let points: Vec<_> = (0..600).map(|i| at(i % GOALS)).collect();
        let ends = coverage(&points);
        assert_eq!((ends.coverage, ends.reached), (6, 1.0));
        assert!((ends.entropy - 1.0).abs() < 1e-12);
        let first = first_actions(&points); // goals have norm 5, so as actions they are strong
        assert_eq!((first.first_action_coverage, first.first_action_strong), (6, 1.0));
        assert!((first.first_action_entropy - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_goal_covers_one_with_entropy_positive_zero() {
        let ends = coverage(&vec![at(3); 100]);
        assert_eq!((ends.coverage, ends.reached, ends.shares[3]), (1, 1.0, 1.0));
        assert_eq!(ends.entropy.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_goal_counts_from_five_percent_of_all_trajectories() {
        // 50 of 1000 at goal 1, 49 at goal 2, the rest at goal 0, none of it relative to those that reached.
        let mut points = vec![at(1); 50];
        points.extend(vec![at(2); 49]);
        points.extend(vec![at(0); 501]);
        points.extend(vec![[0.0, 0.0]; 400]);
        let ends = coverage(&points);
        assert_eq!(ends.coverage, 2);
        assert!((ends.reached - 0.6).abs() < 1e-12);
        let share = |n: f64| n / 600.0;
        let expected = -[50.0, 49.0, 501.0].iter().map(|&n| share(n) * share(n).ln()).sum::<f64>() / 6.0_f64.ln();
        assert!((ends.entropy - expected).abs() < 1e-12, "entropy is over those that reached a goal");
    }

    #[test]
    fn nothing_reached_and_nothing_given_are_zeros_not_nan() {
        for points in [vec![], vec![[0.0, 0.0]; 10], vec![[f32::NAN, 1.0], [f32::INFINITY, 0.0]]] {
            assert_eq!(coverage(&points), Coverage::default());
            assert_eq!(first_actions(&points), FirstActions::default());
        }
    }

    #[test]
    fn a_trajectory_belongs_within_one_of_the_goal() {
        assert_eq!(goal_reached([4.0, 0.0]), Some(0)); // exactly 1.0 away
        assert_eq!(goal_reached([3.999, 0.0]), None);
        assert_eq!(goal_reached([5.7, 0.7]), Some(0));
        assert_eq!(goal_reached([2.5, 4.4]), Some(1));
    }

    #[test]
    fn an_action_belongs_by_norm_and_sector() {
        let polar = |norm: f64, degrees: f64| {
            let angle = degrees.to_radians();
            [(norm * angle.cos()) as f32, (norm * angle.sin()) as f32]
        };
        assert_eq!(goal_pointed_at([3.0, 0.0]), Some(0));
        assert_eq!(goal_pointed_at([2.999, 0.0]), None);
        for (degrees, expected) in [(29.0, 0), (31.0, 1), (-29.0, 0), (-31.0, 5), (180.0, 3), (-179.0, 3), (240.0, 4)] {
            assert_eq!(goal_pointed_at(polar(4.0, degrees)), Some(expected), "{degrees} degrees");
        }
    }

    #[test]
    fn weak_actions_count_in_the_denominator() {
        let mut actions = vec![[4.0, 0.0]; 25];
        actions.extend(vec![[0.5, 0.0]; 75]);
        let first = first_actions(&actions);
        assert_eq!((first.first_action_coverage, first.first_action_strong, first.shares[0]), (1, 0.25, 0.25));
    }
}
