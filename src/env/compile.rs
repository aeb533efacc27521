//! Compiles an assembled module with naga and reports what is wrong in terms of the user's own file.

use std::error::Error;

use naga::valid::{Capabilities, TypeFlags, ValidationFlags, Validator};
use naga::{Handle, Module, Span, Type, TypeInner};

use super::catalogue::Environment;
use super::error::EnvError;
use super::inline::{Operations, operations};
use super::module::{Starts, declarations};

/// What the user's functions look like, checked before anything is built around them.
pub(super) struct Contract {
    /// What the file defines.
    pub starts: Starts,
    /// See [`operations`].
    pub operations: Option<Operations>,
}

/// Compiles the user's file with its helpers and checks the types of `State`, `reset`, `step` and `observe`.
pub(super) fn check_contract(env: &Environment) -> Result<Contract, EnvError> {
    let text = declarations(env);
    refuse_half_floats(env, &text)?;
    let module = parse(env, &text)?;
    check_program(env, &text, &module)?;
    check_state(env, &text, &module)?;
    let (obs, action) = (env.obs_dim(), env.action_dim());
    let observation = format!("array<f32, {obs}>");
    let step = ["ptr<function, State>".to_string(), format!("array<f32, {action}>"), "Random".to_string()];
    check_function(env, &text, &module, "reset", &["Random".to_string()], "State")?;
    check_function(env, &text, &module, "step", &step, "StepResult")?;
    check_function(env, &text, &module, "observe", &["State".to_string()], &observation)?;
    let defines = |name: &str| module.functions.iter().any(|(_, f)| f.name.as_deref() == Some(name));
    let starts = Starts {
        evaluation: if defines("reset_evaluation") { "reset_evaluation" } else { "reset" },
        restart: defines("restart"),
    };
    check_function(env, &text, &module, starts.evaluation, &["Random".to_string()], "State")?;
    if starts.restart {
        check_function(env, &text, &module, "restart", &["State".to_string(), "Random".to_string()], "State")?;
    }
    Ok(Contract { starts, operations: operations(&module, starts.restart) })
}

/// A refusal at a byte of the user's file, in one line.
fn refused_at(env: &Environment, text: &str, offset: usize, message: String) -> EnvError {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
    EnvError::Wgsl { path: env.wgsl_path(), line: line as u32, column: column as u32, message }
}

/// Half floats have to be enabled, so the directive is the place to name.
fn refuse_half_floats(env: &Environment, text: &str) -> Result<(), EnvError> {
    let mut offset = 0;
    for line in env.wgsl.split_inclusive('\n') {
        let code = line.trim_start();
        if code.strip_prefix("enable").is_some_and(|rest| {
            let names = rest.split(';').next().unwrap_or_default();
            names.split(',').any(|name| name.trim() == "f16")
        }) {
            let start = offset + line.len() - code.len();
            return Err(refused_at(env, text, start, "f16 is not supported".to_string()));
        }
        offset += line.len();
    }
    Ok(())
}

/// Refuses what a file may hold that is no environment's: entry points, buffers, barriers.
fn check_program(env: &Environment, text: &str, module: &Module) -> Result<(), EnvError> {
    let start = |span: Span| span.to_range().map_or(0, |range| range.start);
    if let Some(entry) = module.entry_points.first() {
        let at = env.wgsl.find(&format!("fn {}", entry.name)).unwrap_or(0);
        let message =
            format!("`{}` is an entry point: an environment has functions only, its kernels are generated", entry.name);
        return Err(refused_at(env, text, at, message));
    }
    for (handle, variable) in module.global_variables.iter() {
        if variable.space != naga::AddressSpace::Private {
            let name = variable.name.as_deref().unwrap_or_default();
            let message =
                format!("`{name}` is shared by all environments, which is not supported: what one keeps is in `State`");
            return Err(refused_at(env, text, start(module.global_variables.get_span(handle)), message));
        }
    }
    // Environments run side by side and some invocations have none: a barrier would not be reached by all.
    match module.functions.iter().find_map(|(_, function)| barrier(&function.body)) {
        Some(span) => Err(refused_at(env, text, start(span), "a barrier cannot be used in an environment".to_string())),
        None => Ok(()),
    }
}

/// The first barrier of a block.
fn barrier(block: &naga::Block) -> Option<Span> {
    use naga::Statement::{Block, ControlBarrier, If, Loop, MemoryBarrier, Switch};
    block.span_iter().find_map(|(statement, span)| match statement {
        ControlBarrier(_) | MemoryBarrier(_) => Some(*span),
        Block(inner) => barrier(inner),
        If { accept, reject, .. } => barrier(accept).or_else(|| barrier(reject)),
        Switch { cases, .. } => cases.iter().find_map(|case| barrier(&case.body)),
        Loop { body, continuing, .. } => barrier(body).or_else(|| barrier(continuing)),
        _ => None,
    })
}

/// Parses and validates a module that [`assemble`](super::module::assemble) made.
pub(super) fn compile(env: &Environment, text: &str) -> Result<Module, EnvError> {
    let module = parse(env, text)?;
    let validated = Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(&module);
    validated.map_err(|e| {
        let mut message = e.as_inner().to_string();
        let mut cause = e.as_inner().source();
        while let Some(inner) = cause {
            message.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        // From the whole function to the expression at fault: the shortest span says most. Labels are naga's handles.
        let mut spans: Vec<(Span, String)> = e.spans().map(|(span, _)| (*span, String::new())).collect();
        spans.sort_by_key(|(span, _)| span.to_range().map_or(usize::MAX, |r| r.len()));
        located(env, text, &message, &spans)
    })?;
    match crate::engine::lint_parsed(&module, text).into_iter().next() {
        Some(finding) => {
            Err(EnvError::Wgsl { path: env.wgsl_path(), line: finding.line, column: 1, message: finding.message })
        }
        None => Ok(module),
    }
}

/// Layout of one environment's entry in the state buffer: bytes of the whole entry, and of the user's `State` in its front.
pub(super) fn slot_bytes(module: &Module) -> Option<(u64, u64)> {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).ok()?;
    let (slot, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Slot"))?;
    let TypeInner::Struct { members, .. } = &ty.inner else { return None };
    let state = layouter[members.first()?.ty].size;
    Some((u64::from(layouter[slot].to_stride()), u64::from(state)))
}

/// Parses a text that begins with the user's own.
pub(super) fn parse(env: &Environment, text: &str) -> Result<Module, EnvError> {
    naga::front::wgsl::parse_str(text).map_err(|e| {
        let spans: Vec<(Span, String)> = e.labels().map(|(span, label)| (span, label.to_string())).collect();
        located(env, text, e.message(), &spans)
    })
}

/// Places a message at the first span that lies in the user's file. Where none does, the cause is one of the constants
/// of `env.toml`, or a file that ends in the middle of something.
fn located(env: &Environment, text: &str, message: &str, spans: &[(Span, String)]) -> EnvError {
    let own = env.wgsl.len();
    let in_file = |span: &Span| span.to_range().is_some_and(|r| r.start < own);
    let at = |offset: usize, message: String| {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
        let (path, line, column) = (env.wgsl_path(), line as u32, column as u32);
        EnvError::Wgsl { path, line, column, message }
    };
    if let Some((span, label)) = spans.iter().find(|(span, _)| in_file(span)) {
        let start = span.to_range().map_or(0, |r| r.start);
        let said = label.is_empty() || message.contains(label.as_str());
        let message = if said { message.to_string() } else { format!("{message} ({label})") };
        return at(start, with_excerpt(text, start, message));
    }
    let start = spans.first().and_then(|(span, _)| span.to_range()).map_or(own, |r| r.start);
    let line = text[..start.min(text.len())].rfind('\n').map_or(0, |i| i + 1);
    let constant = text[line..].strip_prefix("const ").and_then(|rest| rest.split(' ').next());
    if let Some(name) = constant.filter(|name| env.manifest.constants.iter().any(|(n, _)| n == name)) {
        let message = format!("`constants.{name}`: {message}");
        return EnvError::File { path: env.folder.join("env.toml"), message };
    }
    at(env.wgsl.trim_end().len(), format!("{message} (noticed after the end of the file: is a brace left open?)"))
}

/// The message, then the line it is about with a mark under the place.
fn with_excerpt(text: &str, offset: usize, message: String) -> String {
    let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let mark = " ".repeat(text[start..offset].chars().count());
    format!("{message}\n  {}\n  {mark}^", line.replace('\t', " "))
}

fn check_state(env: &Environment, text: &str, module: &Module) -> Result<(), EnvError> {
    let Some((handle, ty)) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("State")) else {
        return Err(located(env, text, "`struct State` is missing: what an environment keeps between steps", &[]));
    };
    let refused = |message: &str| Err(located(env, text, message, &[(module.types.get_span(handle), String::new())]));
    if let TypeInner::Struct { members, .. } = &ty.inner {
        let is_bool = |ty| module.types[ty].inner.scalar_kind() == Some(naga::ScalarKind::Bool);
        if let Some(name) = members.iter().find(|m| is_bool(m.ty)).and_then(|m| m.name.as_deref()) {
            return refused(&format!("`{name}` of `State` is a bool, which a buffer cannot hold: use u32"));
        }
    }
    // Where this fails for another reason, the validation of the whole module says it better.
    let storable = TypeFlags::HOST_SHAREABLE | TypeFlags::SIZED | TypeFlags::CONSTRUCTIBLE;
    match Validator::new(ValidationFlags::empty(), Capabilities::all()).validate(module) {
        Ok(info) if !info[handle].contains(storable) => refused("`State` has a member that a buffer cannot hold"),
        _ => Ok(()),
    }
}

fn check_function(
    env: &Environment,
    text: &str,
    module: &Module,
    name: &str,
    arguments: &[String],
    result: &str,
) -> Result<(), EnvError> {
    let names = match name {
        "step" => vec!["state", "action", "random"],
        "observe" => vec!["state"],
        "restart" => vec!["state", "random"],
        _ => vec!["random"],
    };
    let parameters: Vec<String> = names.iter().zip(arguments).map(|(n, a)| format!("{n}: {a}")).collect();
    let expected = format!("fn {name}({}) -> {result}", parameters.join(", "));
    let Some((handle, function)) = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(name)) else {
        return Err(located(env, text, &format!("function `{name}` is missing, expected `{expected}`"), &[]));
    };
    let found: Vec<String> = function.arguments.iter().map(|a| describe(module, a.ty)).collect();
    let returned = function.result.as_ref().map_or("nothing".to_string(), |r| describe(module, r.ty));
    if found != arguments || returned != result {
        let message = format!("`{name}` takes ({}) and returns {returned}, expected `{expected}`", found.join(", "));
        return Err(located(env, text, &message, &[(module.functions.get_span(handle), String::new())]));
    }
    Ok(())
}

/// A type in WGSL's words, as far as the contract needs them.
fn describe(module: &Module, handle: Handle<Type>) -> String {
    let ty = &module.types[handle];
    if let Some(name) = &ty.name {
        return name.clone();
    }
    match &ty.inner {
        TypeInner::Pointer { base, space: naga::AddressSpace::Function } => {
            format!("ptr<function, {}>", describe(module, *base))
        }
        TypeInner::Array { base, size: naga::ArraySize::Constant(size), .. } => {
            format!("array<{}, {size}>", describe(module, *base))
        }
        TypeInner::Scalar(scalar) => match scalar.kind {
            naga::ScalarKind::Float => format!("f{}", u32::from(scalar.width) * 8),
            naga::ScalarKind::Sint => format!("i{}", u32::from(scalar.width) * 8),
            naga::ScalarKind::Uint => format!("u{}", u32::from(scalar.width) * 8),
            _ => "bool".to_string(),
        },
        TypeInner::Vector { size, .. } => format!("a vector of {}", *size as u8),
        _ => "another type".to_string(),
    }
}
