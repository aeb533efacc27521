//! Moving pictures of episodes, without a display or a GPU.
//!
//! An [`Episode`] is the states that an environment went through. A [`Figure`] knows what a state looks like and makes a
//! [`Scene`] of it: solids in space. A [`View`] is where to look at it from, chosen once for an episode; a [`Picture`] is what
//! is seen, and [`Animation`] puts pictures into a GIF file.

mod animation;
mod episode;
mod figure;
mod model;
mod outline;
mod picture;
mod scene;
mod view;

use crate::env::EnvError;
use crate::train::TrainError;

pub use animation::Animation;
pub use episode::Episode;
pub use figure::Figure;
pub use picture::Picture;
pub use scene::{Role, Scene, Solid};
pub use view::{Direction, View};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Nothing is known of how the environment looks.
    #[error(
        "environment `{0}` cannot be drawn: expected a model ([physics]) with `physics` in its State, or a State with `position` \
         (vec2f) or with `angle` (f32)"
    )]
    Unknown(String),
    /// A state that is no place in space.
    #[error("environment `{name}`: the state after {steps} steps is not finite")]
    NotFinite {
        /// Environment.
        name: String,
        /// Steps before it.
        steps: u32,
    },
    /// The drawing library or the font refused.
    #[error("drawing failed: {0}")]
    Drawing(String),
    /// The environment.
    #[error(transparent)]
    Env(Box<EnvError>),
    /// The rollout.
    #[error(transparent)]
    Train(Box<TrainError>),
}

impl From<EnvError> for RenderError {
    fn from(error: EnvError) -> Self {
        Self::Env(Box::new(error))
    }
}

impl From<TrainError> for RenderError {
    fn from(error: TrainError) -> Self {
        Self::Train(Box::new(error))
    }
}
