//! A light environment's step as a function of another kernel's module.

use std::collections::HashMap;
use std::sync::Arc;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Block, Expression, Function, Handle, Module, ScalarKind, Statement, TypeInner};

use super::catalogue::Environment;
use super::compile::Contract;
use super::module::{ARGS_MEMBERS, BINDINGS, STEP_FUNCTION, step_module};
use crate::engine::Twin;
use crate::wgsl::WgslTwin;

/// Most operations of a light environment's step; beyond, a kernel of its own with an invocation for every environment
/// uses a device better.
const LIGHT: u64 = 4096;

/// A step to be called by another kernel.
#[derive(Clone, Debug)]
pub struct StepFunction {
    /// Text of `env.wgsl`, of what it works with (`shaders/lib/rng.wgsl` among it) and of the runner. The module that begins
    /// with it declares `args`.
    pub wgsl: String,
    /// Names of the buffers that it declares: bindings 0, 1, ... of group 0.
    pub bindings: Vec<String>,
    /// Members of `args` that it uses, those of [`EnvArgs`](super::EnvArgs).
    pub members: &'static str,
    /// Name of the function `(row: u32, t: u32)`: the step of the environment in a row, `t` steps after `args.step`, to
    /// which the offsets belong.
    pub name: &'static str,
    /// Loop iterations of a call.
    pub iterations: u32,
    /// Operations of a call at most.
    pub operations: u64,
    /// Functions and types that `env.wgsl` and its model's text declare.
    pub declared: Vec<String>,
    twin: WgslTwin,
}

impl StepFunction {
    /// The twin of the kernel that makes one step of all environments, for a dispatch whose buffers have these names.
    pub fn twin(&self, bindings: &[String]) -> Arc<dyn Twin> {
        Arc::new(WgslTwin { bindings: bindings.to_vec(), ..self.twin.clone() })
    }
}

/// The step, if the environment is light: few operations, no loops (their length is not known here), and no private
/// variables (they would keep their values from step to step).
/// `twin` is that of the kernel that makes one step.
pub(super) fn step_function(env: &Environment, contract: &Contract, twin: WgslTwin) -> Option<StepFunction> {
    let operations = contract.operations.map(|operations| operations.all).filter(|all| *all <= LIGHT)?;
    Some(StepFunction {
        wgsl: step_module(env, contract.starts),
        bindings: BINDINGS.map(String::from).to_vec(),
        members: ARGS_MEMBERS,
        name: STEP_FUNCTION,
        // Written, and looked at for what is not finite.
        iterations: 2 * env.obs_dim() as u32,
        operations,
        declared: declared(&[env.wgsl.as_str(), &env.physics].concat()),
        twin,
    })
}

/// Names behind `fn`, `struct` and `alias`.
fn declared(wgsl: &str) -> Vec<String> {
    let words: Vec<&str> = wgsl.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| ["fn", "struct", "alias"].contains(&pair[0]));
    pairs.map(|pair| pair[1].to_string()).collect()
}

/// What a step computes, from the text of its functions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Operations {
    /// All operations of a step and a reset, integers, comparisons and both sides of every branch among them: what a call
    /// costs at most.
    pub all: u64,
    /// Arithmetic on floating-point values in `step` and `observe`, the larger side of every branch: what a step is for.
    pub float: u64,
}

/// Operations in the text, one for each component of their results, counted as often as their function is called. `None`
/// where the text does not tell: there are loops, or private variables. `restart` says that episodes begin anew with that function.
pub(super) fn operations(module: &Module, restart: bool) -> Option<Operations> {
    let start = if restart { "restart" } else { "reset" };
    if module.global_variables.iter().any(|(_, variable)| variable.space == AddressSpace::Private) {
        return None;
    }
    let info = Validator::new(ValidationFlags::empty(), Capabilities::all()).validate(module).ok()?;
    let sum = |float: bool, names: &[&str]| {
        let mut count = Count { module, info: &info, float, known: HashMap::new() };
        names.iter().try_fold(0, |sum, name| {
            let (handle, _) = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(name))?;
            Some(sum + count.function(handle)?)
        })
    };
    // The observation after a reset is another one.
    Some(Operations {
        all: sum(false, &["step", "observe", start, "observe"])?,
        float: sum(true, &["step", "observe"])?,
    })
}

struct Count<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    /// Only floating-point arithmetic, and of a branch the larger side.
    float: bool,
    known: HashMap<Handle<Function>, Option<u64>>,
}

impl Count<'_> {
    fn function(&mut self, handle: Handle<Function>) -> Option<u64> {
        if let Some(known) = self.known.get(&handle) {
            return *known;
        }
        let function = &self.module.functions[handle];
        let total = self.block(handle, &function.body);
        self.known.insert(handle, total);
        total
    }

    fn block(&mut self, owner: Handle<Function>, block: &Block) -> Option<u64> {
        block.iter().try_fold(0, |sum, statement| {
            let more = match statement {
                Statement::Loop { .. } => return None,
                Statement::Emit(range) => range.clone().map(|expression| self.operation(owner, expression)).sum(),
                Statement::Call { function, .. } => self.function(*function)?,
                Statement::Block(inner) => self.block(owner, inner)?,
                Statement::If { accept, reject, .. } => {
                    let sides = [self.block(owner, accept)?, self.block(owner, reject)?];
                    self.branches(&sides)
                }
                Statement::Switch { cases, .. } => {
                    let sides: Option<Vec<u64>> = cases.iter().map(|case| self.block(owner, &case.body)).collect();
                    self.branches(&sides?)
                }
                _ => 0,
            };
            Some(sum + more)
        })
    }

    fn branches(&self, sides: &[u64]) -> u64 {
        if self.float { sides.iter().copied().max().unwrap_or(0) } else { sides.iter().sum() }
    }

    /// Operations of an expression by itself.
    fn operation(&self, owner: Handle<Function>, expression: Handle<Expression>) -> u64 {
        let arithmetic = matches!(
            self.module.functions[owner].expressions[expression],
            Expression::Binary { .. } | Expression::Unary { .. } | Expression::Math { .. }
        );
        let inner = self.info[owner][expression].ty.inner_with(&self.module.types);
        if !arithmetic || (self.float && inner.scalar_kind() != Some(ScalarKind::Float)) {
            return 0;
        }
        match inner {
            TypeInner::Vector { size, .. } => *size as u64,
            TypeInner::Matrix { columns, rows, .. } => *columns as u64 * *rows as u64,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "
        struct State { x: vec2f }
        fn half(x: vec2f) -> vec2f { return x * 0.5; }
        fn reset(random: u32) -> State { return State(vec2f(0.0)); }
        fn observe(state: State) -> array<f32, 1> { return array<f32, 1>(state.x.x + state.x.y); }
        fn step(state: ptr<function, State>) -> f32 { BODY return 0.0; }";

    fn counted(body: &str) -> Option<(u64, u64)> {
        let counted = operations(&naga::front::wgsl::parse_str(&HEAD.replace("BODY", body)).unwrap(), false);
        counted.map(|counted| (counted.all, counted.float))
    }

    #[test]
    fn operations_count_components_and_every_call_and_loops_have_no_count() {
        // Two observations of one addition each, of which a step counts one.
        assert_eq!(counted(""), Some((2, 1)));
        let text = "let y = half(half((*state).x)); if (y.x > 0.0) { let z = half(y); }";
        assert_eq!(counted(text), Some((2 + 6 + 1, 1 + 6)));
        assert_eq!(counted("for (var i = 0u; i < 3u; i++) { (*state).x = half((*state).x); }"), None);
        assert_eq!(
            operations(
                &naga::front::wgsl::parse_str(&format!("var<private> p: f32; {HEAD}").replace("BODY", "")).unwrap(),
                false
            ),
            None
        );
    }

    #[test]
    fn float_operations_are_arithmetic_on_floats_on_the_larger_side_of_a_branch() {
        let text = "
            let bits = (u32((*state).x.x) ^ 5u) * 3u;
            let near = (*state).x.x < 1.0 && bits > 2u;
            var v = (*state).x * 2.0;
            if (near) { v = sin(v) + v; } else { v.x = -v.x; }
            (*state).x = v;";
        // Two for the product; two sines and two sums; the observation's one. Else xor, product, two comparisons, the
        // other side and a second observation; `&&` is a branch.
        let (all, float) = counted(text).unwrap();
        assert_eq!(float, 2 + 4 + 1);
        assert_eq!(all, float + 4 + 1 + 1);
    }

    #[test]
    fn declared_names_are_those_of_functions_and_types() {
        assert_eq!(
            declared("struct State { x: f32 }\nfn reset(a: u32) -> State { let fnord = 1; }\nalias V=vec2f;"),
            ["State", "reset", "V"]
        );
    }
}
