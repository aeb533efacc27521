//! What naga's validation accepts and a kernel must not do: barriers that not everyone reaches, float atomics.

use naga::{AddressSpace, BuiltIn, Module, Span};
use serde::Serialize;

use super::module;
use super::uniformity::{Divider, Source, divergent_barriers};

/// A kind of mistake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub enum LintKind {
    /// The module does not parse, so nothing else was looked for.
    NotParsed,
    /// A barrier under an `if` or `switch` whose condition may differ within a workgroup.
    BarrierInBranch,
    /// A barrier in a loop that some invocations of a workgroup may leave before others.
    BarrierInLoop,
    /// A barrier after a `return` that only some invocations of a workgroup may take.
    BarrierAfterReturn,
    /// `atomic<f32>`: its sum depends on the order, and not every back end has it.
    FloatAtomic,
}

/// One mistake and where it stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub struct LintFinding {
    /// Line of the module, from 1.
    pub line: u32,
    /// What kind.
    pub kind: LintKind,
    /// The reason, with the line and the value that it depends on.
    pub message: String,
}

/// All findings of a module in the order of their lines.
///
/// Uniform are constants, immediates, uniform buffers, read-only storage at a uniform index, `workgroup_id`,
/// `num_workgroups`, `workgroupUniformLoad`, and locals that only ever hold such values. Divergent is everything
/// else, workgroup and private variables and writable storage included.
pub fn lint(wgsl: &str) -> Vec<LintFinding> {
    let module = match module::parse(wgsl, "wgsl") {
        Ok(module) => module,
        Err(error) => return vec![LintFinding { line: 1, kind: LintKind::NotParsed, message: error.0 }],
    };
    lint_parsed(&module, wgsl)
}

/// [`lint`] of a module that was parsed from this text already, which takes long for a large one.
pub fn lint_parsed(module: &Module, wgsl: &str) -> Vec<LintFinding> {
    let line = |span: Span| span.location(wgsl).line_number;
    let mut findings = Vec::new();
    for barrier in divergent_barriers(module) {
        let (at, source) = (line(barrier.cause.span), describe(module, barrier.cause.source));
        let (kind, place) = match barrier.cause.divider {
            Divider::Branch => (LintKind::BarrierInBranch, format!("under the condition of line {at}")),
            Divider::Loop => (LintKind::BarrierInLoop, format!("in a loop that the condition of line {at} leaves")),
            Divider::Return => (LintKind::BarrierAfterReturn, format!("after the conditional return of line {at}")),
        };
        let message = format!("barrier {place}, which depends on {source} and may differ within a workgroup");
        findings.push(LintFinding { line: line(barrier.span), kind, message });
    }
    for (handle, ty) in module.types.iter() {
        if matches!(ty.inner, naga::TypeInner::Atomic(scalar) if scalar.kind == naga::ScalarKind::Float) {
            let users = module.global_variables.iter().find(|(_, variable)| variable.ty == handle);
            let span = users.map_or(module.types.get_span(handle), |(user, _)| module.global_variables.get_span(user));
            let message = "float atomics add in an order that changes from run to run".to_string();
            findings.push(LintFinding { line: line(span), kind: LintKind::FloatAtomic, message });
        }
    }
    // A function that is called from several places is looked at once for each kind of call.
    findings.sort();
    findings.dedup_by(|a, b| (a.line, a.kind) == (b.line, b.kind));
    findings
}

fn describe(module: &naga::Module, source: Source) -> String {
    match source {
        Source::BuiltIn(BuiltIn::LocalInvocationId) => "`local_invocation_id`".into(),
        Source::BuiltIn(BuiltIn::LocalInvocationIndex) => "`local_invocation_index`".into(),
        Source::BuiltIn(BuiltIn::GlobalInvocationId) => "`global_invocation_id`".into(),
        Source::BuiltIn(other) => format!("the input {other:?}"),
        Source::Atomic => "the result of an atomic operation".into(),
        Source::Unknown => "a value that is not followed".into(),
        Source::Global(global) => {
            let variable = &module.global_variables[global];
            let kind = match variable.space {
                AddressSpace::WorkGroup => "workgroup variable",
                AddressSpace::Private => "private variable",
                _ => "writable buffer",
            };
            format!("{kind} `{}`", variable.name.as_deref().unwrap_or("?"))
        }
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
