//! Dense layers and multilayer perceptrons: parameter declarations, graph, initial values.

use super::{Activation, Distribution, Initializer, OutputInit};
use crate::ir::{Builder, NodeId, ParamId};

/// One dense layer `y = x W + b` with the tensors `<name>.w` `[inputs, outputs]` and `<name>.b` `[1, outputs]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`
    pub w: ParamId,
    /// `[1, outputs]`
    pub b: ParamId,
}

impl Linear {
    /// Declares the two tensors.
    pub fn declare(g: &mut Builder, name: &str, inputs: usize, outputs: usize, trained: bool) -> Self {
        Self {
            w: g.param(&format!("{name}.w"), inputs, outputs, trained),
            b: g.param(&format!("{name}.b"), 1, outputs, trained),
        }
    }

    /// `x W + b`; `x: [inputs]`.
    pub fn build(&self, g: &mut Builder, x: NodeId) -> NodeId {
        g.dense(x, self.w, Some(self.b))
    }

    /// Appends initial values as PyTorch's `Linear` has them, for weights and bias alike.
    pub fn initialize_pytorch(init: &mut Initializer, name: &str, inputs: usize, outputs: usize) {
        let distribution = Distribution::pytorch_linear(inputs);
        init.push(format!("{name}.w"), inputs, outputs, true, distribution);
        init.push(format!("{name}.b"), 1, outputs, true, distribution);
    }
}

/// Dense layers `<name>.0`, `<name>.1`, ... with an activation between them and a linear output.
#[derive(Clone, PartialEq, Debug)]
pub struct Mlp {
    /// Layers from input to output, at least one.
    pub layers: Vec<Linear>,
    /// Applied after every layer but the last.
    pub activation: Activation,
}

impl Mlp {
    /// Declares an MLP of `widths[0]` inputs, hidden layers, and `widths[last]` outputs.
    pub fn declare(g: &mut Builder, name: &str, widths: &[usize], activation: Activation, trained: bool) -> Self {
        let layers = widths.windows(2).enumerate();
        let declare = |(i, io): (usize, &[usize])| Linear::declare(g, &format!("{name}.{i}"), io[0], io[1], trained);
        Self { layers: layers.map(declare).collect(), activation }
    }

    /// The output for `x: [widths[0]]`.
    pub fn build(&self, g: &mut Builder, x: NodeId) -> NodeId {
        let Some((first, _)) = self.layers.split_first() else { return x };
        let pre_activation = first.build(g, x);
        self.build_after_first(g, pre_activation)
    }

    /// The output, given the first layer's value before its activation: `[widths[1]]`.
    pub fn build_after_first(&self, g: &mut Builder, pre_activation: NodeId) -> NodeId {
        self.layers.iter().skip(1).fold(pre_activation, |pre, layer| {
            let hidden = self.activation.build(g, pre);
            layer.build(g, hidden)
        })
    }

    /// Appends initial values of every layer.
    pub fn initialize(init: &mut Initializer, name: &str, widths: &[usize], output: OutputInit) {
        let zero = Distribution::Constant(0.0);
        for (i, io) in widths.windows(2).enumerate() {
            let (fan_in, fan_out) = (io[0], io[1]);
            let last = i + 2 == widths.len();
            let pytorch = Distribution::pytorch_linear(fan_in);
            let (weights, biases) = match output {
                OutputInit::AllZero => (zero, zero),
                OutputInit::Zero if last => (zero, zero),
                OutputInit::Small if last => (Distribution::glorot(fan_in, fan_out, 0.01), pytorch),
                OutputInit::Pytorch => (pytorch, pytorch),
                OutputInit::Zero => (Distribution::glorot(fan_in, fan_out, 1.0), zero),
                OutputInit::Small | OutputInit::Glorot => (Distribution::glorot(fan_in, fan_out, 1.0), pytorch),
            };
            init.push(format!("{name}.{i}.w"), fan_in, fan_out, true, weights);
            init.push(format!("{name}.{i}.b"), 1, fan_out, true, biases);
        }
    }
}
