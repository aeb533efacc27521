//! From the policy's action to the environment's: within the bounds of the action, which are tensors of the agent, so that a
//! checkpoint says by itself what its policy does.
//!
//! Learning never sees the squashed action. The ratio compares two densities of the policy's own action, and the Jacobian
//! of a fixed map would stand in both of them.

use super::config::{Squash, TrainConfig};
use crate::ir::{Builder, NodeId};
use crate::nn::{Distribution, Initializer};

/// Name of the lower bounds, `[1, d]`.
pub const LOW: &str = "action.low";
/// Name of the upper bounds, `[1, d]`.
pub const HIGH: &str = "action.high";

/// Store of the policy's own action, where `action` is the squashed one and the update reads the other.
pub(super) const RAW: &str = "raw_action";

/// The store that holds the policy's own action.
pub(super) fn raw(train: &TrainConfig) -> &'static str {
    if train.squash_actions == Squash::None { "action" } else { RAW }
}

/// What the environment gets for the policy's `action`, `[d]`.
pub(super) fn squashed(g: &mut Builder, train: &TrainConfig, action: NodeId) -> NodeId {
    if train.squash_actions == Squash::None {
        return action;
    }
    let width = g.width(action);
    let [low, high] = [LOW, HIGH].map(|name| {
        let tensor = g.param(name, 1, width, false);
        g.vector(tensor)
    });
    let inside = if train.squash_actions == Squash::Tanh {
        let (sum, difference) = (g.add(high, low), g.sub(high, low));
        let (middle, half) = (g.scale(sum, 0.5), g.scale(difference, 0.5));
        let share = g.tanh(action);
        let from_middle = g.mul(half, share);
        g.add(middle, from_middle)
    } else {
        action
    };
    // Of tanh only what rounding adds.
    let raised = g.max(inside, low);
    g.min(raised, high)
}

/// Appends the bounds, if there are any to keep to; the trainer puts those of the environment in.
pub(super) fn initialize(init: &mut Initializer, train: &TrainConfig, width: usize) {
    if train.squash_actions != Squash::None {
        for (name, value) in [(LOW, -1.0), (HIGH, 1.0)] {
            init.push(name.into(), 1, width, false, Distribution::Constant(value));
        }
    }
}
