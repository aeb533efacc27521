//! A WGSL text, parsed and validated once, for whoever asks about it: reflection, the other languages, the lint.

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// Why a WGSL module was refused; the text holds naga's message with the source lines it points at.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ModuleError(pub String);

/// Parses a module without validating it.
pub(super) fn parse(wgsl: &str, name: &str) -> Result<naga::Module, ModuleError> {
    naga::front::wgsl::parse_str(wgsl)
        .map_err(|error| ModuleError(format!("WGSL does not parse\n{}", error.emit_to_string_with_path(wgsl, name))))
}

/// Parses and validates a module. Only immediates are allowed beyond plain WebGPU, so that what passes here runs on
/// every adapter.
pub(super) fn validate(wgsl: &str, name: &str) -> Result<(naga::Module, ModuleInfo), ModuleError> {
    let module = parse(wgsl, name)?;
    match Validator::new(ValidationFlags::all(), Capabilities::IMMEDIATES).validate(&module) {
        Ok(info) => Ok((module, info)),
        Err(error) => Err(ModuleError(format!("WGSL is not valid\n{}", error.emit_to_string_with_path(wgsl, name)))),
    }
}

/// The module's only compute entry point.
pub(super) fn entry_point(module: &naga::Module) -> Result<&naga::EntryPoint, ModuleError> {
    match module.entry_points.as_slice() {
        [entry] if entry.stage == naga::ShaderStage::Compute => Ok(entry),
        [entry] => Err(ModuleError(format!("entry point `{}` is no @compute entry point", entry.name))),
        all => Err(ModuleError(format!("expected exactly one @compute entry point, found {}", all.len()))),
    }
}
