//! One evaluation of a loss on given tensors: what `flowmill gradient` needs to know of its input file.

use super::agent::Spaces;
use super::config::{PolicyFlowConfig, PpoConfig, Reduction, TrainConfig, ValueLoss};
use super::{Algorithm, observation, policyflow, ppo};
use crate::flow::Path;
use crate::ir::{Graph, GraphError};
use crate::nn::Activation;

/// Why a file is no input of `flowmill gradient`.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum GradientError {
    /// A tensor is missing.
    #[error("no tensor `{0}`")]
    Missing(String),
    /// A scalar has a value that means nothing.
    #[error("`{name}` is {value}, expected {expected}")]
    Scalar {
        /// Name of the scalar.
        name: String,
        /// Its value.
        value: f64,
        /// What is accepted.
        expected: String,
    },
    /// Shapes that do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// The graph of a loss with its gradients, for the widths and conventions of a file.
#[derive(Clone, PartialEq, Debug)]
pub struct GradientProblem {
    /// Inputs are the batch (`obs`, `z`, ...), parameters `actor.*`, `old.*` and `critic.*`, stores the per-row values,
    /// means the loss terms.
    pub graph: Graph,
    /// Widths found in the file.
    pub spaces: Spaces,
    /// Conventions found in the file; the optimiser's part is that of the `step.*` outputs.
    pub algorithm: Algorithm,
}

/// What a file holds, by tensor name: the shape, and the value of a one-element tensor.
pub trait TensorFile {
    /// Shape of a tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// Value of a tensor of one element.
    fn scalar(&self, name: &str) -> Option<f64>;
}

impl GradientProblem {
    /// Reads widths and conventions of a PolicyFlow file.
    pub fn policyflow(file: &impl TensorFile) -> Result<Self, GradientError> {
        let (observation, embedding) = matrix(file, "actor.s.w")?;
        let (inputs, _) = matrix(file, "actor.mlp.0.w")?;
        let action = inputs.checked_sub(embedding).filter(|d| *d > 0).ok_or_else(|| GradientError::Scalar {
            name: "rows of actor.mlp.0.w".into(),
            value: inputs as f64,
            expected: format!("more than the embedding width {embedding}"),
        })?;
        let path = match file.scalar("path") {
            None => Path::Rectified,
            Some(_) => choice(file, "path", Path::ALL)?,
        };
        let config = PolicyFlowConfig {
            train: train(file)?,
            embedding,
            flow_steps: at_least_one(file, "n_steps")?,
            path,
            w_b: scalar(file, "w_b")?,
            brownian: choice(file, "brownian", &[Reduction::Mean, Reduction::Sum])?,
            w_g: scalar(file, "w_g")?,
            entropy: choice(file, "entropy", &[Reduction::Sum, Reduction::Mean])?,
            ..PolicyFlowConfig::default()
        };
        let spaces = Spaces { observation, action };
        let graph = policyflow::gradient(&config, spaces)?;
        Ok(Self { graph, spaces, algorithm: Algorithm::PolicyFlow(config) })
    }

    /// Reads widths and conventions of a PPO file.
    pub fn ppo(file: &impl TensorFile) -> Result<Self, GradientError> {
        let (observation, _) = matrix(file, "actor.mlp.0.w")?;
        let layers = (0..).take_while(|i| file.shape(&format!("actor.mlp.{i}.w")).is_some()).count();
        let (_, action) = matrix(file, &format!("actor.mlp.{}.w", layers.saturating_sub(1)))?;
        let config = PpoConfig {
            train: train(file)?,
            w_g: scalar(file, "w_g")?,
            entropy: choice(file, "entropy", &[Reduction::Sum, Reduction::Mean])?,
            ..PpoConfig::default()
        };
        let spaces = Spaces { observation, action };
        let graph = ppo::gradient(&config, spaces)?;
        Ok(Self { graph, spaces, algorithm: Algorithm::Ppo(config) })
    }
}

/// The shared part. Optimiser settings that a file leaves out keep their defaults.
fn train(file: &impl TensorFile) -> Result<TrainConfig, GradientError> {
    let default = PpoConfig::default().train;
    let or = |name: &str, default: f64| file.scalar(name).unwrap_or(default);
    let mut hidden = vec![];
    while let Some(shape) = file.shape(&format!("actor.mlp.{}.w", hidden.len() + 1)) {
        hidden.push(shape.first().copied().unwrap_or(1));
    }
    Ok(TrainConfig {
        hidden,
        activation: choice(file, "act", &[Activation::Mish, Activation::Elu, Activation::Silu, Activation::Tanh])?,
        clip: scalar(file, "clip")?,
        value_loss: choice(file, "value_mode", &[ValueLoss::ClippedMax, ValueLoss::ClippedDirect, ValueLoss::Mse])?,
        value_clip: scalar(file, "value_clip")?,
        value_coef: scalar(file, "value_coef")?,
        learning_rate: or("lr", default.learning_rate),
        weight_decay: or("weight_decay", default.weight_decay),
        beta1: or("beta1", default.beta1),
        beta2: or("beta2", default.beta2),
        eps: or("eps", default.eps),
        grad_norm: or("grad_norm", default.grad_norm),
        normalize_observations: file.shape(observation::MEAN).is_some(),
        observation_clip: or("observation_clip", default.observation_clip),
        ..default
    })
}

fn matrix(file: &impl TensorFile, name: &str) -> Result<(usize, usize), GradientError> {
    match file.shape(name).as_deref() {
        Some([rows, cols]) => Ok((*rows, *cols)),
        Some(other) => Err(GradientError::Scalar {
            name: format!("number of dimensions of {name}"),
            value: other.len() as f64,
            expected: "2".into(),
        }),
        None => Err(GradientError::Missing(name.into())),
    }
}

fn scalar(file: &impl TensorFile, name: &str) -> Result<f64, GradientError> {
    let value = file.scalar(name).ok_or_else(|| GradientError::Missing(name.into()))?;
    let refused = || GradientError::Scalar { name: name.into(), value, expected: "a finite number".into() };
    value.is_finite().then_some(value).ok_or_else(refused)
}

fn at_least_one(file: &impl TensorFile, name: &str) -> Result<usize, GradientError> {
    let value = scalar(file, name)?;
    let refused = || GradientError::Scalar { name: name.into(), value, expected: "1..=1000".into() };
    ((1.0..=1000.0).contains(&value) && value.fract() == 0.0).then_some(value as usize).ok_or_else(refused)
}

/// The choice whose number the scalar `name` is.
fn choice<T: Copy>(file: &impl TensorFile, name: &str, choices: &[T]) -> Result<T, GradientError> {
    let value = scalar(file, name)?;
    let found = choices.iter().enumerate().find(|(i, _)| *i as f64 == value).map(|(_, choice)| *choice);
    let expected = format!("a whole number in 0..={}", choices.len() - 1);
    found.ok_or_else(|| GradientError::Scalar { name: name.into(), value, expected })
}
