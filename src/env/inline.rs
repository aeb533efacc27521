//! A light environment's step as a function of another kernel's module.

use std::collections::HashMap;
use std::sync::Arc;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Block, Expression, Function, Handle, Module, Statement, TypeInner};

use super::catalogue::Environment;
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
    /// Bytes of `env.wgsl` in front of it.
    pub own: usize,
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
    /// Functions and types that `env.wgsl` declares.
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
pub(super) fn step_function(env: &Environment, operations: Option<u64>, twin: WgslTwin) -> Option<StepFunction> {
    let operations = operations.filter(|operations| *operations <= LIGHT)?;
    Some(StepFunction {
        wgsl: step_module(env),
        own: env.wgsl.len(),
        bindings: BINDINGS.map(String::from).to_vec(),
        members: ARGS_MEMBERS,
        name: STEP_FUNCTION,
        // Written, and looked at for what is not finite.
        iterations: 2 * env.obs_dim() as u32,
        operations,
        declared: declared(&env.wgsl),
        twin,
    })
}

/// Names behind `fn`, `struct` and `alias`.
fn declared(wgsl: &str) -> Vec<String> {
    let words: Vec<&str> = wgsl.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| ["fn", "struct", "alias"].contains(&pair[0]));
    pairs.map(|pair| pair[1].to_string()).collect()
}

/// Arithmetic of a step with a reset: operations in the text, one for each component of their results, counted as often
/// as their function is called. `None` where the text does not tell: there are loops, or private variables.
pub(super) fn operations(module: &Module) -> Option<u64> {
    if module.global_variables.iter().any(|(_, variable)| variable.space == AddressSpace::Private) {
        return None;
    }
    let info = Validator::new(ValidationFlags::empty(), Capabilities::all()).validate(module).ok()?;
    let mut count = Count { module, info: &info, known: HashMap::new() };
    // The observation after a reset is another one.
    ["step", "observe", "reset", "observe"].iter().try_fold(0, |sum, name| {
        let (handle, _) = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(name))?;
        Some(sum + count.function(handle)?)
    })
}

struct Count<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    known: HashMap<Handle<Function>, Option<u64>>,
}

impl Count<'_> {
    fn function(&mut self, handle: Handle<Function>) -> Option<u64> {
        if let Some(known) = self.known.get(&handle) {
            return *known;
        }
        let function = &self.module.functions[handle];
        let types = &self.info[handle];
        let components = |expression: Handle<Expression>| match types[expression].ty.inner_with(&self.module.types) {
            TypeInner::Vector { size, .. } => *size as u64,
            TypeInner::Matrix { columns, rows, .. } => *columns as u64 * *rows as u64,
            _ => 1,
        };
        let arithmetic = function.expressions.iter().filter(|(_, expression)| {
            matches!(expression, Expression::Binary { .. } | Expression::Unary { .. } | Expression::Math { .. })
        });
        let own: u64 = arithmetic.map(|(expression, _)| components(expression)).sum();
        let total = self.calls(&function.body).map(|called| own + called);
        self.known.insert(handle, total);
        total
    }

    /// Operations of the functions that a block calls.
    fn calls(&mut self, block: &Block) -> Option<u64> {
        block.iter().try_fold(0, |sum, statement| {
            let more = match statement {
                Statement::Loop { .. } => return None,
                Statement::Call { function, .. } => self.function(*function)?,
                Statement::Block(inner) => self.calls(inner)?,
                Statement::If { accept, reject, .. } => self.calls(accept)? + self.calls(reject)?,
                Statement::Switch { cases, .. } => {
                    cases.iter().try_fold(0, |sum, case| Some(sum + self.calls(&case.body)?))?
                }
                _ => 0,
            };
            Some(sum + more)
        })
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

    fn counted(body: &str) -> Option<u64> {
        operations(&naga::front::wgsl::parse_str(&HEAD.replace("BODY", body)).unwrap())
    }

    #[test]
    fn operations_count_components_and_every_call_and_loops_have_no_count() {
        // Two observations of one addition each.
        assert_eq!(counted(""), Some(2));
        assert_eq!(counted("let y = half(half((*state).x)); if (y.x > 0.0) { let z = half(y); }"), Some(2 + 6 + 1));
        assert_eq!(counted("for (var i = 0u; i < 3u; i++) { (*state).x = half((*state).x); }"), None);
        assert_eq!(
            operations(
                &naga::front::wgsl::parse_str(&format!("var<private> p: f32; {HEAD}").replace("BODY", "")).unwrap()
            ),
            None
        );
    }

    #[test]
    fn declared_names_are_those_of_functions_and_types() {
        assert_eq!(
            declared("struct State { x: f32 }\nfn reset(a: u32) -> State { let fnord = 1; }\nalias V=vec2f;"),
            ["State", "reset", "V"]
        );
    }
}
